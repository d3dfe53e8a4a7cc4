//! `load table`: the runs of one bench, put side by side and written to one file.
//!
//! A row is a server; its columns are what the runs with that label measured. The last lines are ratios, since an
//! absolute figure says as much about the machine and the hour as about the server. A server that was measured
//! twice (the responder, before and after all others) counts with the median of all its rounds.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;

use crate::report::{Kind, Report, number, short};

/// The server that the ratios are about. `radiusd, …` is the same with another setting.
const OURS: &str = "radiusd";

/// Ratios that are asked for: of what, to which server, and at least how much.
const GOALS: [(Kind, &str, f64); 5] = [
    (Kind::Logins, "responder", 0.6),
    (Kind::Logins, "freeradius-files", 2.5),
    (Kind::Logins, "freeradius-sql", 60.0),
    (Kind::Records, "freeradius-sql", 10.0),
    (Kind::Records, "freeradius-detail", 3.0),
];

/// Longest that 99 of 100 records may wait for their answer at half load, milliseconds.
const GOAL_P99_MS: f64 = 30.0;

/// Share of what a server can do that it shall go on doing when more is asked for.
const GOAL_GOODPUT: f64 = 0.8;

/// Puts runs side by side.
#[derive(Debug, Args)]
pub(crate) struct Table {
    /// The reports, in the order of the rows.
    #[arg(required_unless_present = "facts_only")]
    reports: Vec<PathBuf>,
    /// Write everything there as JSON.
    #[arg(long)]
    out: PathBuf,
    /// Compare every run with the one that has this label.
    #[arg(long)]
    base: Option<String>,
    /// The bench has no runs to be put side by side: everything that it found is a fact.
    #[arg(long, conflicts_with = "reports")]
    facts_only: bool,
    /// A fact about the machine or the build: NAME=VALUE.
    #[arg(long = "fact")]
    facts: Vec<String>,
}

#[derive(Serialize)]
struct Whole<'r> {
    facts: serde_json::Map<String, serde_json::Value>,
    ratios: Vec<Ratio>,
    overloads: Vec<Overload>,
    runs: &'r [Report],
}

/// One server's answers per second for each of another's.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Ratio {
    of: String,
    to: String,
    pace: String,
    ratio: f64,
    goal: Option<f64>,
}

impl Table {
    /// Reads, prints, writes.
    ///
    /// # Errors
    /// If a report cannot be read, or our server has lost or doubled what it acknowledged.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut runs: Vec<Report> = Vec::new();
        for path in &self.reports {
            add(&mut runs, Report::read(path)?);
        }
        ensure!(self.facts_only || !runs.is_empty(), "there are no runs");
        let facts = self.facts.iter().filter_map(|fact| fact.split_once('='));
        let facts: Vec<(&str, &str)> = facts.collect();
        println!();
        for (name, value) in &facts {
            println!("{name}: {value}");
        }
        let rows = if self.facts_only { Vec::new() } else { rows(&runs) };
        for row in rows {
            println!("{row}");
        }
        let ratios = ratios(&runs, self.base.as_deref());
        for ratio in &ratios {
            println!("{}", ratio.sentence());
        }
        for sentence in runs.iter().filter_map(latency_goal) {
            println!("{sentence}");
        }
        let overloads = overloads(&runs);
        for overload in &overloads {
            println!("{}", overload.sentence());
        }
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let text = serde_json::to_string_pretty(&Whole { facts, ratios, overloads, runs: &runs })?;
        std::fs::write(&self.out, text).with_context(|| format!("cannot write {}", self.out.display()))?;
        println!("\nAll figures are in {}.", self.out.display());
        let off =
            runs.iter().filter(|run| run.label.starts_with(OURS)).filter_map(|run| Some((run, run.books.as_ref()?)));
        for (run, books) in off {
            ensure!(books.agree(), "{} {}: {books}", run.label, run.pace);
        }
        Ok(())
    }
}

/// Whether a label is our server's, with whatever settings.
fn is_ours(label: &str) -> bool {
    label.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
}

/// Joins runs of the same server and pace.
fn add(runs: &mut Vec<Report>, report: Report) {
    match runs.iter_mut().find(|run| run.label == report.label && run.pace == report.pace) {
        Some(run) => run.rounds.extend(report.rounds),
        None => runs.push(report),
    }
}

const COLUMNS: usize = 12;
const HEAD: [&str; COLUMNS] = [
    "server",
    "pace",
    "/s",
    "p50 ms",
    "p99",
    "p99.9",
    "server µs",
    "PostgreSQL µs",
    "generator µs",
    "log octets",
    "MiB",
    "note",
];

/// The table, head first, columns as wide as they need.
fn rows(runs: &[Report]) -> Vec<String> {
    let mut cells: Vec<[String; COLUMNS]> = vec![HEAD.map(str::to_owned)];
    cells[0][2] = format!("{}/s", runs.first().map_or(Kind::Logins, |run| run.kind).noun());
    cells.extend(runs.iter().map(|run| {
        let cost = |name| run.cost(name, |cost| cost.cpu_us_per_answer).map(|us| format!("{us:.1}"));
        let resident = run.cost("server", |cost| cost.resident_mib).map(|mib| format!("{mib:.0}"));
        let sum = |of: fn(&crate::report::Round) -> u64| run.rounds.iter().map(of).sum::<u64>();
        let mut notes = Vec::new();
        let (lost, asked) = (sum(|round| round.lost), sum(|round| round.asked));
        if lost > 0 {
            notes.push(format!("{lost} of {asked} lost"));
        }
        notes.extend(run.complaint());
        notes.extend(run.books.as_ref().filter(|books| !books.agree()).map(ToString::to_string));
        [
            run.label.clone(),
            run.pace.clone(),
            format!("{:.0}", run.median(|round| round.accepted_per_second)),
            short(run.median(|round| round.p50_ms)),
            short(run.median(|round| round.p99_ms)),
            short(run.median(|round| round.p999_ms)),
            cost("server").unwrap_or_default(),
            cost("postgresql").unwrap_or_default(),
            cost("generator").unwrap_or_default(),
            run.wal_octets().map(|octets| format!("{octets:.0}")).unwrap_or_default(),
            resident.unwrap_or_default(),
            notes.join("; "),
        ]
    }));
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    cells
        .iter()
        .map(|row| {
            let padded = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Our rate over each other server's, where both ran at the same closed pace; and every run's over that of `base`.
fn ratios(runs: &[Report], base: Option<&str>) -> Vec<Ratio> {
    let rate = |run: &Report| run.median(|round| round.accepted_per_second);
    let mut ratios = Vec::new();
    let closed = |run: &&Report| run.pace.starts_with("closed");
    for one in runs.iter().filter(closed) {
        for other in runs.iter().filter(|run| run.pace == one.pace && rate(run) > 0.0) {
            let is_asked_for = (is_ours(&one.label) && !other.label.starts_with(OURS))
                || (base == Some(&other.label) && one.label != other.label);
            if is_asked_for {
                let goal = |(kind, name, _): &&(Kind, &str, f64)| *kind == one.kind && *name == other.label;
                ratios.push(Ratio {
                    of: one.label.clone(),
                    to: other.label.clone(),
                    pace: one.pace.clone(),
                    ratio: rate(one) / rate(other),
                    // What is asked for is asked of our server as it is set when nobody changes anything.
                    goal: GOALS.iter().find(goal).map(|(_, _, goal)| *goal).filter(|_| one.label == OURS),
                });
            }
        }
    }
    ratios
}

impl Ratio {
    fn sentence(&self) -> String {
        let Ratio { of, to, pace, ratio, goal } = self;
        let verdict = goal.map_or_else(String::new, |goal| format!(" ({})", verdict(goal, *ratio >= goal)));
        format!("{of} to {to}, {pace}: {ratio:.2}{verdict}")
    }
}

fn verdict(goal: impl std::fmt::Display, is_reached: bool) -> String {
    format!("goal {goal}: {}", if is_reached { "reached" } else { "missed" })
}

/// Whether our records are answered soon enough at half load.
fn latency_goal(run: &Report) -> Option<String> {
    let is_meant = is_ours(&run.label) && run.kind == Kind::Records && run.pace.starts_with("open, 0.5×");
    let p99 = run.median(|round| round.p99_ms);
    let verdict = verdict(format_args!("under {GOAL_P99_MS}"), p99 < GOAL_P99_MS);
    is_meant.then(|| format!("{}, {}: p99 {} ms ({verdict})", run.label, run.pace, short(p99)))
}

/// What became of a server that was asked for more than it can do, for some seconds, and then for less.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Overload {
    label: String,
    kind: Kind,
    /// Requests for each that the server can do.
    offered: f64,
    /// Useful answers for each request that the server can do: the mean from the second second on.
    goodput: f64,
    /// The same in the worst of these seconds.
    worst: f64,
    /// Useful answers for each request in the second after the load's end, and in the one after that.
    after: [f64; 2],
}

/// Runs that have seconds, beside the closed run of the same server that says what it can do.
fn overloads(runs: &[Report]) -> Vec<Overload> {
    runs.iter().filter(|run| !run.seconds.is_empty()).filter_map(|run| overload(run, runs)).collect()
}

fn overload(run: &Report, runs: &[Report]) -> Option<Overload> {
    let closed = runs.iter().find(|other| other.label == run.label && other.pace.starts_with("closed"))?;
    let capacity = closed.median(|round| round.accepted_per_second);
    let end = run.seconds.len().checked_sub(run.then_seconds)?;
    let loaded = run.seconds.get(1..end).filter(|loaded| !loaded.is_empty())?;
    let useful: Vec<f64> = loaded.iter().map(|second| number(second.useful) / capacity).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / number(values.len() as u64);
    let offered: Vec<f64> = loaded.iter().map(|second| number(second.asked) / capacity).collect();
    let after = |index: usize| {
        run.seconds.get(end + index).map_or(0.0, |second| number(second.useful) / number(second.asked).max(1.0))
    };
    Some(Overload {
        label: run.label.clone(),
        kind: run.kind,
        offered: mean(&offered),
        goodput: mean(&useful),
        worst: useful.iter().copied().fold(f64::INFINITY, f64::min),
        after: [after(0), after(1)],
    })
}

impl Overload {
    fn sentence(&self) -> String {
        let Overload { label, kind, offered, goodput, worst, after: [first, second] } = self;
        let percent = |share: &f64| format!("{:.0} %", share * 100.0);
        let goal = match kind {
            Kind::Records if label.starts_with(OURS) => {
                format!("; {}", verdict(percent(&GOAL_GOODPUT), *goodput >= GOAL_GOODPUT))
            }
            _ => String::new(),
        };
        format!(
            "{label}, asked for {offered:.2} × what it can do: useful answers {} of that (worst second {}{goal}); in the \
             first second after the load {} of what was asked, in the next {}",
            percent(goodput),
            percent(worst),
            percent(first),
            percent(second)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Round;
    use crate::tally::Second;

    fn run(label: &str, pace: &str, rates: &[f64]) -> Report {
        let round = |rate: &f64| Round { accepted_per_second: *rate, ..Round::default() };
        Report {
            label: label.into(),
            pace: pace.into(),
            rounds: rates.iter().map(round).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn ratios_compare_medians_at_the_same_pace_only() {
        let mut runs = Vec::new();
        for report in [
            run("responder", "closed 64", &[100.0, 110.0, 90.0]),
            run("radiusd", "closed 64", &[60.0, 66.0, 72.0]),
            run("freeradius-files", "closed 256", &[1.0]),
            run("responder", "closed 64", &[130.0, 120.0, 125.0]),
        ] {
            add(&mut runs, report);
        }
        let ratios = ratios(&runs, None);
        assert_eq!(ratios.len(), 1);
        // The responder's six rounds: the fourth of 90, 100, 110, 120, 125, 130.
        assert_eq!((ratios[0].to.as_str(), ratios[0].ratio, ratios[0].goal), ("responder", 66.0 / 120.0, Some(0.6)));
        assert!(ratios[0].sentence().ends_with("(goal 0.6: missed)"), "{}", ratios[0].sentence());
        assert_eq!(rows(&runs).len(), 4);
    }

    #[test]
    fn our_records_have_goals_of_their_own_and_a_base_is_compared_with() {
        let records = |label, rates: &[f64]| Report { kind: Kind::Records, ..run(label, "closed 64", rates) };
        let runs = [
            records("radiusd", &[30.0]),
            records("radiusd, database first", &[60.0]),
            records("radiusd-held-back", &[1.0]),
            records("freeradius-sql", &[3.0]),
        ];
        let sentences = |base| ratios(&runs, base).iter().map(Ratio::sentence).collect::<Vec<_>>();
        let to_peers = [
            "radiusd to freeradius-sql, closed 64: 10.00 (goal 10: reached)",
            "radiusd, database first to freeradius-sql, closed 64: 20.00",
        ];
        assert_eq!(sentences(None), to_peers);
        assert!(sentences(Some("radiusd")).contains(&"radiusd, database first to radiusd, closed 64: 2.00".to_owned()));
        let half = Report {
            kind: Kind::Records,
            rounds: vec![Round { p99_ms: 31.0, ..Round::default() }],
            ..run("radiusd", "open, 0.5×", &[])
        };
        assert_eq!(latency_goal(&half).as_deref(), Some("radiusd, open, 0.5×: p99 31 ms (goal under 30: missed)"));
        assert_eq!(latency_goal(&runs[0]), None);
    }

    #[test]
    fn an_overload_is_weighed_by_what_the_server_can_do() {
        let mut loaded = run("radiusd", "open, 2.5×", &[90.0]);
        let second = |asked, useful| Second { asked, useful };
        loaded.seconds =
            vec![second(250, 40), second(250, 90), second(250, 70), second(50, 25), second(50, 50), second(50, 50)];
        loaded.then_seconds = 3;
        assert_eq!(overloads(std::slice::from_ref(&loaded)), [], "what it can do is not known");
        let found = overloads(&[run("radiusd", "closed 64", &[100.0]), loaded]);
        assert_eq!(found.len(), 1);
        let Overload { offered, goodput, worst, after, .. } = found[0];
        assert_eq!((offered, goodput, worst, after), (2.5, 0.8, 0.7, [0.5, 1.0]));
    }
}
