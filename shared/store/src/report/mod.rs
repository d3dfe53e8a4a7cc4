//! What the desk's reports read: sums by the hour, the day and the month, and what was predicted; a file a report. [`mails`] is who is sent
//! which report, and when next.
//!
//! Refused here: sessions, orders and payments one by one. A report costs what its period has of hours, whatever happened in them.

pub mod churn;
pub mod likely;
pub mod mails;
pub mod map;
pub mod peak_hours;
pub mod revenue;
pub mod today;
//! What reports of the desk read, a file a report: facts by the hour, the day and the month, and never the orders and sessions themselves.
//!
//! A statement takes the span that is asked about and the sites of whoever asks, and reads no hour outside of them.

pub mod alert_log;
pub mod authentication;
pub mod behaviour;
pub mod capacity;
pub mod funnel;
pub mod heavy;
pub mod network;
