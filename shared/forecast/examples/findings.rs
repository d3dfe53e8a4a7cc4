//! The goals of who will buy and of what is wrong, measured: what is reached, and what the habit or a plain rule beside it reaches.
//!
//! ```text
//!  findings           the table of goals
//!  findings earlier   the faults in the weeks before those, by which the constants of the package were chosen
//! ```
//!
//! Customers are simulated from a seed, and those of CDNOW where `MLANGO_CDNOW` is the path of its file (the sample or the whole of it). Faults are
//! put into counts of pedestrians in Auckland (CC BY 4.0), read where they lie (`MLANGO_SHARED`, `../shared` if that is not set). What is not
//! there is not measured, and that is said. A goal that is missed is printed as missed.

use std::path::PathBuf;
use std::process::ExitCode;

use forecast::anomaly::Kind;
use forecast::series::WEEK;

#[path = "findings/bursts.rs"]
mod bursts;
#[path = "findings/buyers.rs"]
mod buyers;
#[path = "findings/faults.rs"]
mod faults;
#[path = "findings/lot.rs"]
mod lot;

use buyers::{Base, Told};
use faults::{Fault, Site};
use lot::Lot;

/// Weeks at the end of the series that the figures are of, and of those the last, in which Christmas and New Year are.
const WEEKS: usize = 8;
const CHRISTMAS_WEEKS: usize = 2;
/// Faults of a kind put into each series.
const FAULTS: usize = 30;
/// The mean of quiet series, an hour.
const THINNED: f64 = 2.0;
/// Cuts of CDNOW, the last ones, and the days of each window.
const CUTS: u32 = 6;
const WINDOW: f64 = 30.0;
/// The simulated base: customers, and days.
const PEOPLE: usize = 60_000;
const DAYS: f64 = 400.0;

fn main() -> ExitCode {
    let is_earlier = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("earlier") => true,
        Some(other) => {
            eprintln!("findings does not know {other}: say nothing, or earlier.");
            return ExitCode::FAILURE;
        }
    };
    println!("{:<66}{:>10}{:>10}{:>16}", "", "goal", "reached", "beside it");
    if !is_earlier {
        of_cdnow();
        of_simulated();
        of_bursts();
    }
    of_faults(is_earlier);
    ExitCode::SUCCESS
}

/// A line of the table; what stands beside it may be missing.
fn line(name: &str, goal: &str, reached: f64, beside: Option<f64>, is_met: bool) {
    let beside = beside.map_or_else(|| "-".to_owned(), |beside| format!("{beside:.4}"));
    let missed = if is_met { "" } else { "   missed" };
    println!("{name:<66}{goal:>10}{reached:>10.4}{beside:>16}{missed}");
}

/// CDNOW's customers: the mean over the cuts, beside "as in the last period" as a share (Brier) or as a yes or no (AUC).
fn of_cdnow() {
    let path = std::env::var_os("MLANGO_CDNOW").filter(|path| !path.is_empty()).map(PathBuf::from);
    let Some(base) = path.as_deref().and_then(buyers::cdnow) else {
        println!(
            "CDNOW's customers are not here (MLANGO_CDNOW is the path of their file), so nothing was said of them."
        );
        return;
    };
    let end = base.iter().flatten().copied().fold(0.0, f64::max) + 1.0;
    let told: Vec<Told> =
        (1..=CUTS).filter_map(|back| buyers::told(&base, end - WINDOW * f64::from(back), WINDOW)).collect();
    let mean = |of: &dyn Fn(&Told) -> f64| told.iter().map(of).sum::<f64>() / told.len() as f64;
    let (auc, brier) = (mean(&|told| told.auc), mean(&|told| told.brier));
    println!("CDNOW, {} customers, who buys in the next 30 days, {} cuts:", base.len(), told.len());
    line("  AUC", ">= .815", auc, Some(mean(&|told| told.habit_auc)), auc >= 0.815);
    line("  Brier score", "<= .0533", brier, Some(mean(&|told| told.habit_brier)), brier <= 0.0533);
    line("  the same, beside a yes or no", "<= .0533", brier, Some(mean(&|told| told.yes_no_brier)), brier <= 0.0533);
    let off = |tenth: usize| mean(&|told| told.tenths[tenth].said - told.tenths[tenth].did).abs();
    let worst = (0..10).map(off).fold(0.0, f64::max);
    line("  over all cuts the tenth that is furthest off is off by", "<= .03", worst, None, worst <= 0.03);
    line("  purchases expected by those that came", "-", mean(&|told| told.total), None, true);
}

fn of_simulated() {
    let base: Base = buyers::simulated(PEOPLE, DAYS, &mut Lot(1997));
    for (window, days) in [(7.0, "7 days"), (30.0, "30 days")] {
        let Some(told) = buyers::told(&base, DAYS - window, window) else { continue };
        println!("A simulated base, {} customers, who buys in the next {days}:", told.people);
        line(
            "  AUC, at least .05 above the habit",
            "higher",
            told.auc,
            Some(told.habit_auc),
            told.auc >= told.habit_auc + 0.05,
        );
        line(
            "  Brier score, at most .9 of the habit's",
            "lower",
            told.brier,
            Some(told.habit_brier),
            told.brier <= 0.9 * told.habit_brier,
        );
        line(
            "  the tenth that is furthest off is off by",
            "<= .03",
            told.worst_tenth(),
            None,
            told.worst_tenth() <= 0.03,
        );
        line("  purchases expected by those that came", "-", told.total, None, true);
    }
}

fn of_bursts() {
    println!("Failed logins, one in two hours usually:");
    let mut lot = Lot(26);
    let (quick, slow) = (bursts::recall(5.0, 3, 4000, &mut lot), bursts::recall(2.0, 12, 4000, &mut lot));
    let alarms = bursts::false_hours(4000, &mut lot);
    line("  5 an hour for 3 hours: found", ">= .95", quick, None, quick >= 0.95);
    line("  2 an hour for 12 hours: found", ">= .90", slow, None, slow >= 0.9);
    line("  hours with an alarm a week, where nothing was", "<= .25", alarms, None, alarms <= 0.25);
}

fn of_faults(is_earlier: bool) {
    let shared = std::env::var("MLANGO_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let Some(series) = faults::auckland(&shared) else {
        println!(
            "The series of Auckland are not in {shared}/data/series, so no fault was put into them (MLANGO_SHARED is the folder)."
        );
        return;
    };
    let mut lot = Lot(7);
    let quiet: Vec<Site> = series.iter().map(|series| Site::new(faults::thinned(series, THINNED, &mut lot))).collect();
    let busy: Vec<Site> = series.into_iter().map(Site::new).collect();
    let end = busy.iter().map(|site| site.actual.len()).min().unwrap_or(0);
    let begin = end.saturating_sub(WEEKS * WEEK);
    // What eight weeks before it were learnt from, no site is judged by.
    let span = if is_earlier { (faults::KNOWN_FROM + 8 * WEEK, begin) } else { (begin, end) };
    println!("Ten streets of Auckland, a fault at a time at hours of which 8 are expected each:");
    judged(&busy, span, Fault { hours: 6, share: 0.05, expected_min: 8.0 }, (0.98, 0.7), &mut lot);
    if !is_earlier {
        let calm = faults::false_alerts(&busy, (begin, end - CHRISTMAS_WEEKS * WEEK));
        line("  the same, without the last two weeks (Christmas)", "<= .7", calm, None, calm <= 0.7);
    }
    for (name, hours, share) in [
        ("  half of the customers missing for 24 hours: found", 24, 0.5),
        ("  70 % missing for 48 hours: found", 48, 0.3),
        ("  three times as many for 3 hours: found", 3, 3.0),
    ] {
        let found = faults::measure(&busy, span, Fault { hours, share, expected_min: 8.0 }, FAULTS, &mut lot);
        line(name, "-", found.recall, None, true);
    }
    println!("The same thinned to 2 an hour, a fault at hours of which 2 are expected each:");
    judged(&quiet, span, Fault { hours: 6, share: 0.05, expected_min: 2.0 }, (0.6, 0.2), &mut lot);
}

/// Outages, and what is found where none was.
fn judged(sites: &[Site], span: (usize, usize), fault: Fault, goal: (f64, f64), lot: &mut Lot) {
    let found = faults::measure(sites, span, fault, FAULTS, lot);
    let alerts = faults::false_alerts(sites, span);
    let half = faults::half_or_double(sites, span);
    line(
        &format!("  {} outages of 6 hours: found", found.faults),
        &format!(">= {}", goal.0),
        found.recall,
        None,
        found.recall >= goal.0,
    );
    println!("    after {} hours, half of them", found.delay);
    line(
        "  alerts a week and site where no fault was put, all kinds",
        &format!("<= {}", goal.1),
        alerts,
        Some(half),
        alerts <= goal.1,
    );
    let outages = faults::findings(sites, span).filter(|finding| finding.kind == Kind::Outage).count();
    println!("    beside it: \"half or double of last week\"; {outages} of them say outage");
}
