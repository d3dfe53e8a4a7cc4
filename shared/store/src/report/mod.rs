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
