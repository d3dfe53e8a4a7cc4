//! The web side of Mlango: what customers and operators see.
//!
//! [`run`] serves until it is told to stop. How the parts meet:
//!
//! * [`routes`] – all URLs on one screen; [`urls`] – the same URLs as functions, for whoever links to them;
//! * [`pages`] – what a guest at a hotspot sees, a file a page; [`views`] – templates' data, words and numbers;
//! * [`payments`] – collecting money and finding out what became of it; [`webhooks`] – where providers report;
//! * [`notify`] – telling customers; [`throttle`] – how often public forms may be sent;
//! * [`onboarding`] – a router in one paste; `routeros` – how a router fares, by its REST API;
//! * [`vouchers`] – a batch of codes as a file for spreadsheets, or for the printer;
//! * [`live`] – what pages that are open are told at once;
//! * [`jobs`] – work that nobody waits for: stored reports, payments without news, entitlements that ran out;
//! * [`backups`] – how backups stand, in sentences; [`hooks`] – telling other programs of what happens;
//! * [`alerts`] – what goes wrong, noticed and told to whoever minds the place; [`predictions`] – what will probably happen, and what became of it;
//! * `campaigns` – what desk and REST interface ask of an offer by message, and what one did;
//! * `books` – what lets us into accountants' programs, what they and the tax authority are told, and what a customer has in hand;
//! * [`admin`], [`session`], [`api`], [`cli`] – the operator's desk, its sign-in, the REST interface, the command line;
//! * `doctor` – what may be wrong with a deployment; `retention` – what was kept long enough; `trace` – what is done for which request;
//! * [`state`] – what every handler can reach; [`middleware`], [`metrics`], [`error`] – what every answer has.
//!
//! The crate refuses to hold truth: money, access and sessions are PostgreSQL's, through `store`. Any number of
//! portals run side by side, and one that is killed at any moment loses nothing but its open pages.

pub mod admin;
mod alerts;
pub mod api;
mod backups;
mod books;
mod campaigns;
pub mod cli;
mod doctor;
pub mod error;
mod hooks;
pub mod jobs;
mod keys;
mod live;
pub mod metrics;
pub mod middleware;
pub mod notify;
pub mod onboarding;
pub mod pages;
pub mod password;
mod patience;
pub mod payments;
mod predictions;
pub mod radiusd;
mod retention;
mod routeros;
pub mod routes;
mod serve;
pub mod session;
pub mod state;
mod throttle;
mod trace;
pub mod urls;
pub mod views;
pub mod vouchers;
pub mod webhooks;

#[cfg(test)]
mod tests;

pub use serve::run;
pub use state::App;
