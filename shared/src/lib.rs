//! What both programs mean by the same word.
//!
//! `radiusd` and `portal` never import each other; where they must agree on a value, its parts, its
//! spelling or its limits, the agreement lives here:
//!
//! * [`time`] and [`rng`] – the only doors to the clock and to randomness;
//! * [`request`] – the name of a request, by which what it causes is found in the logs;
//! * [`mac`], [`phone`], [`email`], [`money`], [`rate`], [`voucher`] – values with their parsing and printing;
//! * [`denial`] – why a login is refused, in the words that a router passes on;
//! * [`language`] – in which languages customers are spoken to;
//! * [`notice`] and [`sms`] – what customers are told, and what a text message costs, by its letters;
//! * [`rules`] and [`entitlement`] – what a package allows and a customer may use, as both programs see it;
//! * [`stacking`] – what becomes of it when somebody buys more;
//! * [`sale`] – when, where, for how much and under what words a package is sold;
//! * [`discount`] – what lowers a price, and what is paid in the end;
//! * [`routeros`] – where a router's REST API is reached;
//! * [`staff`] – what each role may do at the desk, and [`totp`] – the codes by which staff prove themselves twice; [`scope`] – what a
//!   token of the REST interface may do;
//! * [`alert`] – what somebody is told of who minds the place, and by which rules;
//! * [`seal`] and [`token`] – secrets at rest, and unguessable signed references;
//! * [`config`] and [`log`] – the one configuration file and the one log format.
//!
//! The crate refuses to do I/O beyond reading its configuration at start (`config`) and writing log
//! lines (`log`), has no async code, and knows neither SQL nor RADIUS.

pub mod alert;
pub mod config;
pub mod denial;
pub mod discount;
pub mod email;
pub mod entitlement;
pub mod hours;
pub mod language;
pub mod log;
pub mod mac;
pub mod money;
pub mod notice;
pub mod phone;
pub mod rate;
pub mod request;
pub mod rng;
pub mod routeros;
pub mod rules;
pub mod sale;
pub mod scope;
pub mod seal;
pub mod sms;
pub mod stacking;
pub mod staff;
pub mod time;
pub mod token;
pub mod totp;
pub mod voucher;
