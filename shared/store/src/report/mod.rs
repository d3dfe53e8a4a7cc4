//! What the desk's reports read, a file a report: sums by the hour, the day and the month, and what was predicted. A statement takes the span
//! that is asked about and the sites of whoever asks. [`mails`] is who is sent which report, and when next.
//!
//! Refused here: sessions, orders and payments one by one, but for the few of which a report has something to say, which an index finds. A report
//! costs what its period has of hours, whatever happened in them.

pub mod alert_log;
pub mod authentication;
pub mod behaviour;
pub mod capacity;
pub mod churn;
pub mod cohorts;
pub mod funnel;
pub mod heavy;
pub mod likely;
pub mod mails;
pub mod map;
pub mod network;
pub mod packages;
pub mod payments;
pub mod peak_hours;
pub mod reconciliation;
pub mod revenue;
pub mod today;
pub mod vouchers;
