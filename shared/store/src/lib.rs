//! The only SQL and the only Redis of the system.
//!
//! A file an aggregate: [`nas`], [`site`], [`user`], [`package`], [`discount`], [`entitlement`], [`voucher`], [`order`],
//! [`payment`], [`refund`], [`fee`], [`dispute`], [`unmatched`], [`mpesa_request`], [`session`], [`command`], [`outage`], [`notification`],
//! [`admin`], [`audit`], [`api_token`], [`security`], [`alert`], [`refusal`], [`visit`], [`backup`]; and a file for each path that crosses them in one
//! transaction: [`accounting`] (merge a batch of reports), [`settlement`] (paid money becomes access), [`for_another`] (a package that
//! one pays for another), [`returned`] (where money is that went back), [`history`] (looking back), [`timeline`] and [`support`] (what
//! happened to a customer, and what the desk does about it), [`directory`] (what radiusd must know), [`drill`] (what must hold in a
//! restored database), [`examine`] (what may be set wrongly), [`person`] (all that is known of one), [`retention`] (letting go),
//! [`sealed`] (changing the key), [`listing`] (the desk's long lists), [`trace`] (for which request something is done), [`rollup`] (sums by
//! the hour), [`facts`] (what reports and predictions read), [`report`] (what reports read of them), [`overview`] (how things stand),
//! [`prediction`] (what was said of the days to come, and what became of it), [`bulk`] (what is done to many), [`campaign`] (offers by
//! message, and what they did), [`books`] (days that are closed, and what is told to accountants' programs),
//! [`seed`] (test and demo data), [`rest`] (pages of lists for programs). [`idempotency`] has what was done once under a key, [`webhook`]
//! whom other programs tell where to be told of what happens.
//! [`redis`] holds every key and its lifetime.
//!
//! Functions take a [`Db`], plain values and `now`; a change and its consequences commit together.
//! The crate refuses to decide policy: it keeps invariants, it does not judge logins or prices.

pub mod accounting;
pub mod admin;
pub mod alert;
pub mod api_token;
pub mod audit;
pub mod backup;
pub mod books;
pub mod bulk;
pub mod campaign;
pub mod command;
mod db;
pub mod directory;
pub mod discount;
pub mod dispute;
pub mod drill;
pub mod entitlement;
mod error;
pub mod examine;
pub mod facts;
pub mod fee;
pub mod for_another;
mod grace;
pub mod history;
pub mod idempotency;
pub mod ledger;
pub mod listing;
mod money;
pub mod mpesa_request;
pub mod nas;
pub mod notification;
pub mod order;
pub mod outage;
pub mod overview;
pub mod package;
pub mod payment;
pub mod person;
pub mod prediction;
pub mod redis;
pub mod refund;
pub mod refusal;
pub mod report;
pub mod rest;
pub mod retention;
pub mod returned;
pub mod rollup;
pub mod router_login;
pub mod sealed;
pub mod security;
pub mod seed;
pub mod session;
pub mod settlement;
pub mod site;
pub mod support;
pub mod timeline;
pub mod trace;
pub mod unmatched;
pub mod user;
pub mod visit;
pub mod voucher;
pub mod webhook;

pub use db::{Channel, Db, Listener, MigrationState, PoolState};
pub use error::StoreError;

/// Results of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;
