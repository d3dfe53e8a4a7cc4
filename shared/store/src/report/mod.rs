//! What the desk's reports read: sums by the hour, the day and the month; a file a report.
//!
//! Refused here: orders and payments one by one, but for the few of which a report has something to say, which an index finds.

pub mod cohorts;
pub mod packages;
pub mod payments;
pub mod reconciliation;
pub mod vouchers;
