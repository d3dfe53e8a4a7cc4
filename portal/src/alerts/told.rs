//! What radiusd tells in its metrics, as far as alerts need it: Prometheus' text format, read back.
//!
//! radiusd is asked at `radius.admin_listen`, as the desk's page on accounting asks it; where several run, it is the one beside this
//! portal. A metric that is not there counts as nothing.

use std::collections::BTreeMap;

use crate::App;
use crate::radiusd;

/// What it told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    /// When it started, in seconds of the Unix epoch: its counters begin there.
    pub(super) started_at: i64,
    /// Whether reports can be stored nowhere.
    pub(super) cannot_store: bool,
    /// Whether PostgreSQL does not take reports.
    pub(super) is_degraded: bool,
    /// Reports that wait on disk.
    pub(super) spool_records: u64,
    /// The room that they take.
    pub(super) spool_octets: u64,
    /// The most room that they may take; 0: there is no spool.
    pub(super) spool_capacity: u64,
    /// How long the first of them waits, seconds.
    pub(super) spool_age: u64,
    /// Wrong guesses since it started, by router.
    pub(super) guesses: BTreeMap<String, u64>,
    /// Certificates, and when they run out, seconds of the Unix epoch.
    pub(super) certificates: Vec<(String, i64)>,
}

/// How radiusd is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Radiusd {
    /// Nobody has said where it is.
    Unknown,
    /// It does not answer.
    Away,
    /// It told.
    Told(Told),
}

/// Asks it.
pub(super) async fn ask(app: &App) -> Radiusd {
    let Ok(url) = radiusd::admin_url(&app.config) else { return Radiusd::Unknown };
    match radiusd::ask_text(url, "/metrics").await {
        Ok(text) => Radiusd::Told(read(&text)),
        Err(error) => {
            tracing::debug!(%error, "radiusd's metrics cannot be read");
            Radiusd::Away
        }
    }
}

fn read(text: &str) -> Told {
    let mut told = Told::default();
    for series in text.lines().filter_map(Series::read) {
        let whole = whole(series.value);
        match series.name {
            "process_start_time_seconds" => told.started_at = i64::try_from(whole).unwrap_or(0),
            "mlango_acct_cannot_store" => told.cannot_store = whole > 0,
            "mlango_radius_degraded_mode" if series.label("component") == "accounting" => told.is_degraded = whole > 0,
            "mlango_acct_spool_records" => told.spool_records = whole,
            "mlango_acct_spool_bytes" => told.spool_octets = whole,
            "mlango_acct_spool_capacity_bytes" => told.spool_capacity = whole,
            "mlango_acct_spool_oldest_age_seconds" => told.spool_age = whole,
            "mlango_login_guesses_total" => {
                told.guesses.insert(series.label("nas").to_owned(), whole);
            }
            "mlango_radsec_certificate_not_after_timestamp_seconds" => {
                let name = format!("RadSec's {}", series.label("file"));
                told.certificates.push((name, i64::try_from(whole).unwrap_or(i64::MAX)));
            }
            "mlango_radsec_router_certificate_not_after_timestamp_seconds" => {
                let name = format!("router {}'s", series.label("nas"));
                told.certificates.push((name, i64::try_from(whole).unwrap_or(i64::MAX)));
            }
            _ => {}
        }
    }
    told
}

/// A number of a metric as a whole one: below zero, and what is none, is 0.
fn whole(value: f64) -> u64 {
    // A cast from a float saturates, and NaN is 0.
    value as u64
}

/// A line of a metric.
struct Series<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

impl<'a> Series<'a> {
    /// `name{label="value",…} number`; `None`: a comment, or nothing that we understand.
    fn read(line: &'a str) -> Option<Series<'a>> {
        if line.starts_with('#') {
            return None;
        }
        let (head, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        match head.split_once('{') {
            None => Some(Series { name: head, labels: Vec::new(), value }),
            Some((name, rest)) => Some(Series { name, labels: labels(rest.strip_suffix('}')?)?, value }),
        }
    }

    fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Names and values between the braces. A value is escaped: a router's name may hold anything.
fn labels(mut text: &str) -> Option<Vec<(&str, String)>> {
    let mut labels = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (mut value, mut is_escaped, mut end) = (String::new(), false, None);
        for (at, letter) in rest.char_indices() {
            match letter {
                'n' if is_escaped => value.push('\n'),
                _ if is_escaped => value.push(letter),
                '\\' => {
                    is_escaped = true;
                    continue;
                }
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                _ => value.push(letter),
            }
            is_escaped = false;
        }
        labels.push((name, value));
        let rest = rest.get(end?..)?;
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_back() {
        let told = read(
            "# HELP mlango_acct_cannot_store x\n# TYPE mlango_acct_cannot_store gauge\nmlango_acct_cannot_store 1\n\
             mlango_radius_degraded_mode{component=\"accounting\"} 1\nmlango_radius_degraded_mode{component=\"directory\"} 0\n\
             mlango_acct_spool_records 7\nmlango_acct_spool_bytes 1400\nmlango_acct_spool_capacity_bytes 1073741824\n\
             mlango_acct_spool_oldest_age_seconds 95\nprocess_start_time_seconds 1800000000.25\n\
             mlango_login_guesses_total{nas=\"Mama \\\"Njeri\\\", {1}\\\\\"} 12\n\
             mlango_radsec_certificate_not_after_timestamp_seconds{file=\"certificate\"} 1800000001\n",
        );
        let expected = Told {
            started_at: 1_800_000_000,
            cannot_store: true,
            is_degraded: true,
            spool_records: 7,
            spool_octets: 1400,
            spool_capacity: 1 << 30,
            spool_age: 95,
            guesses: BTreeMap::from([("Mama \"Njeri\", {1}\\".to_owned(), 12)]),
            certificates: vec![("RadSec's certificate".to_owned(), 1_800_000_001)],
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_no_metric_is_nothing() {
        for line in ["", "#", "x", "x{", "x{a=\"b} 1", "x{a=b} 1", "x{a=\"b\"} many", "x{a=\"b\" 1"] {
            assert!(Series::read(line).is_none(), "{line}");
        }
        assert_eq!((whole(-1.0), whole(f64::NAN), whole(1.9)), (0, 0, 1));
        assert_eq!(read("nothing of ours 1"), Told::default());
    }
}
