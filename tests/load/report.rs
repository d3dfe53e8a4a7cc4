//! What a run found, as people read it and as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::accounting::Books;
use crate::flood::Flood;
use crate::tally::{Count, Second, Tally};
use crate::watch::Look;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Access-Requests.
    #[default]
    Logins,
    /// Accounting-Requests, and the logins that go with them.
    Records,
    /// Orders that guests place and pay for.
    Orders,
}

impl Kind {
    /// In the plural.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Kind::Logins => "logins",
            Kind::Records => "records",
            Kind::Orders => "orders",
        }
    }
}

/// A whole run of one server.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What was asked for.
    pub(crate) kind: Kind,
    /// What was measured, for instance `radiusd`.
    pub(crate) label: String,
    /// How requests began: `closed 64`, `open 12000/s`.
    pub(crate) pace: String,
    /// Its rounds.
    pub(crate) rounds: Vec<Round>,
    /// Its seconds, where an open run asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seconds: Vec<Second>,
    /// How many of them came after the load had ended.
    #[serde(default)]
    pub(crate) then_seconds: usize,
    /// What a flood beside it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flood: Option<Flood>,
    /// Whether the database holds what was acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) books: Option<Books>,
}

/// One round.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    pub(crate) asked: u64,
    pub(crate) retried: u64,
    pub(crate) accepted: u64,
    pub(crate) accepted_per_second: f64,
    pub(crate) rejected: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) repeated: u64,
    /// In words; empty if none was wrong.
    pub(crate) wrong: String,
    pub(crate) skipped: u64,
    pub(crate) refused: u64,
    /// Mean octets of an answer.
    pub(crate) answer_octets: f64,
    pub(crate) behind_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) longest_ms: f64,
    pub(crate) costs: Vec<Cost>,
    /// Octets that PostgreSQL wrote to its log for each answer, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wal_octets: Option<f64>,
}

/// What was spent on a round.
#[derive(Clone, Default, Debug)]
pub(crate) struct Spent {
    /// Each watched process, before and after.
    pub(crate) processes: Vec<(String, Look, Look)>,
    /// Octets of PostgreSQL's log.
    pub(crate) wal: Option<u64>,
}

/// What a process spent on a round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) name: String,
    /// Cores' worth of CPU, 1.0 for one that was busy all the time.
    pub(crate) cores: f64,
    /// CPU microseconds for each answer.
    pub(crate) cpu_us_per_answer: f64,
    /// Resident mebibytes at the end of the round; 0 where it is not told.
    pub(crate) resident_mib: f64,
}

impl Round {
    /// Puts a tally and what the processes spent together.
    pub(crate) fn new(tally: &Tally, lasted: Duration, spent: &Spent) -> Round {
        let seconds = lasted.as_secs_f64();
        let answered = tally.accepted + tally.rejected;
        let cost = |(name, before, after): &(String, Look, Look)| {
            let spent = number(after.cpu.saturating_sub(before.cpu));
            Cost {
                name: name.clone(),
                cores: spent / (seconds * 1e9),
                cpu_us_per_answer: ratio(spent / 1e3, number(answered)),
                resident_mib: number(after.resident) / f64::from(1 << 20),
            }
        };
        Round {
            seconds,
            asked: tally.asked,
            retried: tally.retried,
            accepted: tally.accepted,
            accepted_per_second: number(tally.accepted) / seconds,
            rejected: tally.rejected,
            lost: tally.lost,
            late: tally.late,
            repeated: tally.repeated,
            wrong: tally.faults(),
            skipped: tally.skipped,
            refused: tally.refused,
            answer_octets: ratio(number(tally.octets), number(answered)),
            behind_ms: number(tally.behind) / 1e6,
            p50_ms: milliseconds(tally.latencies.quantile(0.5)),
            p99_ms: milliseconds(tally.latencies.quantile(0.99)),
            p999_ms: milliseconds(tally.latencies.quantile(0.999)),
            longest_ms: milliseconds(tally.latencies.longest()),
            costs: spent.processes.iter().map(cost).collect(),
            wal_octets: spent.wal.map(|octets| ratio(number(octets), number(answered))),
        }
    }

    /// What must not have happened if the figures are to mean anything; `None` if nothing did.
    fn complaint(&self) -> Option<String> {
        if !self.wrong.is_empty() {
            return Some(format!("wrong answers: {}", self.wrong));
        }
        (self.rejected > 0).then(|| format!("{} logins were refused", self.rejected))
    }
}

impl Report {
    /// Puts the parts of a run together.
    pub(crate) fn new(
        kind: Kind,
        label: &str,
        pace: &str,
        count: &Count,
        rounds: Vec<Round>,
        flood: Option<Flood>,
    ) -> Report {
        Report {
            kind,
            label: label.to_owned(),
            pace: pace.to_owned(),
            rounds,
            seconds: count.seconds.clone(),
            then_seconds: 0,
            flood,
            books: None,
        }
    }

    /// Reads one that was written.
    ///
    /// # Errors
    /// If it is not there, or is none.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Report> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
    }

    /// The median over the rounds of what `of` reads.
    pub(crate) fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    /// The median cost of a process, if it was watched.
    pub(crate) fn cost(&self, name: &str, of: impl Fn(&Cost) -> f64) -> Option<f64> {
        let found = |round: &Round| round.costs.iter().find(|cost| cost.name == name).map(&of);
        self.rounds.iter().all(|round| found(round).is_some()).then(|| self.median(|r| found(r).unwrap_or(0.0)))
    }

    /// The median of what PostgreSQL wrote to its log, if it was asked.
    pub(crate) fn wal_octets(&self) -> Option<f64> {
        let is_known = self.rounds.iter().all(|round| round.wal_octets.is_some());
        is_known.then(|| self.median(|round| round.wal_octets.unwrap_or(0.0)))
    }

    /// What must not have happened in any round.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.rounds.iter().find_map(Round::complaint)
    }

    /// For people.
    pub(crate) fn print(&self) {
        println!(
            "{:<22} {:<14} {:>9.0} {}/s   p50 {} p99 {} p99.9 {} ms",
            self.label,
            self.pace,
            self.median(|round| round.accepted_per_second),
            self.kind.noun(),
            short(self.median(|round| round.p50_ms)),
            short(self.median(|round| round.p99_ms)),
            short(self.median(|round| round.p999_ms)),
        );
        let Some(last) = self.rounds.last() else { return };
        let mut words: Vec<String> = last
            .costs
            .iter()
            .map(|cost| {
                let spent = self.cost(&cost.name, |cost| cost.cpu_us_per_answer).unwrap_or(0.0);
                match cost.resident_mib {
                    0.0 => format!("{} {spent:.1} µs", cost.name),
                    resident => format!("{} {spent:.1} µs, {resident:.0} MiB", cost.name),
                }
            })
            .collect();
        words.push(format!("answers of {:.0} octets", last.answer_octets));
        words.extend(self.wal_octets().map(|octets| format!("log of {octets:.0} octets")));
        let sum = |of: fn(&Round) -> u64| self.rounds.iter().map(of).sum::<u64>();
        for (count, word) in [
            (sum(|round| round.rejected), "refused"),
            (sum(|round| round.lost), "lost"),
            (sum(|round| round.late), "late"),
            (sum(|round| round.repeated), "answered twice"),
            (sum(|round| round.skipped), "skipped for want of identifiers"),
            (sum(|round| round.refused), "times nobody listened"),
        ] {
            if count > 0 {
                words.push(format!("{count} {word}"));
            }
        }
        let behind = self.rounds.iter().map(|round| round.behind_ms).fold(0.0, f64::max);
        if behind > 20.0 {
            words.push(format!("the generator was up to {behind:.0} ms behind"));
        }
        words.extend(self.complaint());
        if let Some(flood) = self.flood {
            words.push(format!("flood: {} sent, {} answered", flood.sent, flood.answered));
        }
        println!("    {}", words.join("; "));
        if !self.seconds.is_empty() {
            let each = self.seconds.iter().map(|second| format!("{}/{}", second.useful, second.asked));
            println!("    useful of asked, by second: {}", each.collect::<Vec<_>>().join(" "));
        }
        if let Some(books) = &self.books {
            println!("    {books}");
        }
    }
}

/// Writes facts, NAME=VALUE a line.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_facts(path: &Path, facts: &[(String, String)]) -> anyhow::Result<()> {
    let lines: String = facts.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    std::fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))
}

/// Three digits are enough for a latency.
pub(crate) fn short(milliseconds: f64) -> String {
    if milliseconds < 10.0 { format!("{milliseconds:.2}") } else { format!("{milliseconds:.0}") }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
