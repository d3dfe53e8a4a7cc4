//! What the desk's reports read, a file a report: sums by the hour, the day and the month, and what was predicted. A statement takes the span
//! that is asked about and the sites of whoever asks. [`mails`] is who is sent which report, and when next.
//!
//! Refused here: sessions, orders and payments one by one, but for the few of which a report has something to say, which an index finds. A report
//! costs what its period has of hours, whatever happened in them. A statement of a span goes through [`crate::Db::begin_report`], which has it
//! planned for that span.

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
pub mod p95;
pub mod packages;
pub mod payments;
pub mod peak_hours;
pub mod reconciliation;
pub mod revenue;
pub mod today;
pub mod vouchers;

#[cfg(test)]
mod tests {
    /// Who is sent what, and who will probably buy, go by a key or an index and not by a span.
    const BY_KEY: [&str; 3] = ["mails.rs", "likely.rs", "mod.rs"];

    #[test]
    fn statements_of_a_span_are_planned_for_it() {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report");
        let files = std::fs::read_dir(files).expect("the reports").map(|file| file.expect("a file").path());
        let mut read = 0;
        for file in files.filter(|file| !BY_KEY.iter().any(|by_key| file.ends_with(by_key))) {
            let text = std::fs::read_to_string(&file).expect("a text");
            read += text.matches("db.begin_report()").count();
            assert!(!text.contains("db.pool"), "{}: begin_report", file.display());
        }
        assert!(read > 40, "{read} statements");
    }
}
