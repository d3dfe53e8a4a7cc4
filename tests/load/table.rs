//! `load table`: the runs of one bench, put side by side and written to one file.
//!
//! A row is a server; its columns are what the runs with that label measured. The last lines are ratios, since an
//! absolute figure says as much about the machine and the hour as about the server. A server that was measured
//! twice (the responder, before and after all others) counts with the median of all its rounds.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;

use crate::report::{Report, number, short};

/// The server that the ratios are about.
const OURS: &str = "radiusd";

/// Ratios that issue 3 asks for: to which server, and at least how much.
const GOALS: [(&str, f64); 3] = [("responder", 0.6), ("freeradius-files", 2.5), ("freeradius-sql", 60.0)];

/// Puts runs side by side.
#[derive(Debug, Args)]
pub(crate) struct Table {
    /// The reports, in the order of the rows.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Write everything there as JSON.
    #[arg(long)]
    out: PathBuf,
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

/// Our logins per second for each of another server's.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Ratio {
    to: String,
    pace: String,
    ratio: f64,
    goal: Option<f64>,
}

impl Table {
    /// Reads, prints, writes.
    ///
    /// # Errors
    /// If a report cannot be read.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut runs: Vec<Report> = Vec::new();
        for path in &self.reports {
            let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let report = serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))?;
            add(&mut runs, report);
        }
        ensure!(!runs.is_empty(), "there are no runs");
        let facts = self.facts.iter().filter_map(|fact| fact.split_once('='));
        let facts: Vec<(&str, &str)> = facts.collect();
        println!();
        for (name, value) in &facts {
            println!("{name}: {value}");
        }
        for row in rows(&runs) {
            println!("{row}");
        }
        let ratios = ratios(&runs);
        for ratio in &ratios {
            println!("{}", ratio.sentence());
        }
        let overloads = overloads(&runs);
        for overload in &overloads {
            println!("{}", overload.sentence());
        }
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let text = serde_json::to_string_pretty(&Whole { facts, ratios, overloads, runs: &runs })?;
        std::fs::write(&self.out, text).with_context(|| format!("cannot write {}", self.out.display()))?;
        println!("\nAll figures are in {}.", self.out.display());
        Ok(())
    }
}

/// Joins runs of the same server and pace.
fn add(runs: &mut Vec<Report>, report: Report) {
    match runs.iter_mut().find(|run| run.label == report.label && run.pace == report.pace) {
        Some(run) => run.rounds.extend(report.rounds),
        None => runs.push(report),
    }
}

const COLUMNS: usize = 11;
const HEAD: [&str; COLUMNS] = [
    "server",
    "pace",
    "logins/s",
    "p50 ms",
    "p99",
    "p99.9",
    "server µs",
    "PostgreSQL µs",
    "generator µs",
    "MiB",
    "note",
];

/// The table, head first, columns as wide as they need.
fn rows(runs: &[Report]) -> Vec<String> {
    let mut cells: Vec<[String; COLUMNS]> = vec![HEAD.map(str::to_owned)];
    cells.extend(runs.iter().map(|run| {
        let cost = |name| run.cost(name, |cost| cost.cpu_us_per_login).map(|us| format!("{us:.1}"));
        let resident = run.cost("server", |cost| cost.resident_mib).map(|mib| format!("{mib:.0}"));
        let sum = |of: fn(&crate::report::Round) -> u64| run.rounds.iter().map(of).sum::<u64>();
        let mut notes = Vec::new();
        let (lost, asked) = (sum(|round| round.lost), sum(|round| round.asked));
        if lost > 0 {
            notes.push(format!("{lost} of {asked} lost"));
        }
        notes.extend(run.complaint());
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

/// Our rate over each other server's, where both ran at the same closed pace.
fn ratios(runs: &[Report]) -> Vec<Ratio> {
    let rate = |run: &Report| run.median(|round| round.accepted_per_second);
    let mut ratios = Vec::new();
    for ours in runs.iter().filter(|run| run.label == OURS && run.pace.starts_with("closed")) {
        for other in runs.iter().filter(|run| run.label != OURS && run.pace == ours.pace && rate(run) > 0.0) {
            ratios.push(Ratio {
                to: other.label.clone(),
                pace: ours.pace.clone(),
                ratio: rate(ours) / rate(other),
                goal: GOALS.iter().find(|(name, _)| *name == other.label).map(|(_, goal)| *goal),
            });
        }
    }
    ratios
}

impl Ratio {
    fn sentence(&self) -> String {
        let Ratio { to, pace, ratio, goal } = self;
        let verdict = match goal {
            Some(goal) if ratio >= goal => format!(" (goal {goal}: reached)"),
            Some(goal) => format!(" (goal {goal}: missed)"),
            None => String::new(),
        };
        format!("{OURS} to {to}, {pace}: {ratio:.2}{verdict}")
    }
}

/// What became of a server that was asked for more than it can do, for some seconds, and then for less.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Overload {
    label: String,
    /// Logins asked for, for each that the server can do.
    offered: f64,
    /// Useful answers for each login that the server can do: the mean from the second second on.
    goodput: f64,
    /// The same in the worst of these seconds.
    worst: f64,
    /// Useful answers for each login asked for in the second after the load's end, and in the one after that.
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
        offered: mean(&offered),
        goodput: mean(&useful),
        worst: useful.iter().copied().fold(f64::INFINITY, f64::min),
        after: [after(0), after(1)],
    })
}

impl Overload {
    fn sentence(&self) -> String {
        let Overload { label, offered, goodput, worst, after: [first, second] } = self;
        let percent = |share: &f64| format!("{:.0} %", share * 100.0);
        format!(
            "{label}, asked for {offered:.2} × what it can do: useful answers {} of that (worst second {}); in the first \
             second after the load {} of what was asked, in the next {}",
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
            seconds: Vec::new(),
            then_seconds: 0,
            flood: None,
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
        let ratios = ratios(&runs);
        assert_eq!(ratios.len(), 1);
        // The responder's six rounds: the fourth of 90, 100, 110, 120, 125, 130.
        assert_eq!((ratios[0].to.as_str(), ratios[0].ratio, ratios[0].goal), ("responder", 66.0 / 120.0, Some(0.6)));
        assert!(ratios[0].sentence().ends_with("(goal 0.6: missed)"), "{}", ratios[0].sentence());
        assert_eq!(rows(&runs).len(), 4);
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
