//! The goals of the forecasts, measured on series of other people: what is reached, and what saying "as last week" reaches.
//!
//! ```text
//!  goals              the table of goals: each series is cut at weekly origins, said, and compared with what came
//!  goals earlier      the same on origins before those, by which the constants of the package were chosen
//!  goals thousand     says a thousand series of sixteen weeks and no more; whoever starts it takes the time
//! ```
//!
//! The series are read where they lie (`MLANGO_SHARED`, `../shared` if that is not set): pedestrians in Auckland (CC BY 4.0), flights from New
//! York (CC0), cars in Birmingham (OGL). Nothing is copied. Without them nothing is measured, and that is said.
//!
//! A forecast sees what was before its origin and nothing else. A goal that is missed is printed as missed.

mod figures;
mod files;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use forecast::demand::{Hour, Pool, forecast};
use forecast::series::{Series, WEEK};

use figures::{Chances, Figures};
use files::{Park, Site};

/// Weekly origins that are measured, the last of each series.
const ORIGINS: usize = 8;
/// Of the car parks, which were watched for eleven weeks only.
const PARK_ORIGINS: usize = 6;
/// Weeks at the end of the Auckland series that hold Christmas, from 18 December.
const CHRISTMAS_WEEKS: usize = 2;
/// Weeks before an origin that a forecast needs at least, for the origins by which constants were chosen.
const BEHIND: usize = 17;
/// The mean of thinned series, an hour.
const THINNED: f64 = 2.0;
/// A park is full, as far as anyone is concerned, at this share of its places.
const FULL: f64 = 0.9;
/// Series that must be said in 30 seconds on two cores, and their weeks.
const MANY: usize = 1000;
const MANY_WEEKS: usize = 16;

fn main() -> ExitCode {
    let folder =
        std::env::var_os("MLANGO_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from).join("data/series");
    match std::env::args().nth(1).as_deref() {
        None => goals(&folder, ORIGINS, 0),
        Some("earlier") => goals(&folder, usize::MAX, ORIGINS + CHRISTMAS_WEEKS),
        Some("thousand") => {
            thousand();
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("goals does not know {other}: say nothing, earlier or thousand.");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table of goals on the last origins but some.
fn goals(folder: &Path, origins: usize, but: usize) -> ExitCode {
    let read = || {
        let auckland = files::hourly(&folder.join("akl_ped_10sites_2024-10_2025-12.csv"))?;
        let flights = files::hourly(&folder.join("nyc_flights_hourly_2013.csv"))?;
        let parks = files::parks(&folder.join("birmingham_parking_2016.csv"))?;
        Ok::<_, std::io::Error>((auckland, flights, parks))
    };
    let (auckland, flights, parks) = match read() {
        Ok(all) => all,
        Err(error) => {
            println!("The series are not there ({}: {error}), so no goal was measured.", folder.display());
            println!("Set MLANGO_SHARED to the folder that has data/series.");
            return ExitCode::FAILURE;
        }
    };
    let thinned: Vec<Site> = auckland.iter().zip(1..).map(|(site, seed)| files::thinned(site, THINNED, seed)).collect();
    println!("{:<58}{:>12}{:>10}{:>15}", "", "goal", "reached", "as last week");
    let of_auckland = measured(&auckland, origins, but);
    mase("ten sites in Auckland, MASE", "<= 0.84", 0.84, &of_auckland);
    if but == 0 {
        let calm = measured(&auckland, origins, CHRISTMAS_WEEKS);
        mase("  the eight weeks until 17 December, MASE", "<= 0.84", 0.84, &calm);
        line(
            "  the same, weekly totals are off by, %",
            "<= 8",
            calm.totals() * 100.0,
            calm.naive_totals() * 100.0,
            |v| v <= 8.0,
        );
    }
    let of_thinned = measured(&thinned, origins, but);
    mase("the same, thinned to 2 an hour, MASE", "<= 0.78", 0.78, &of_thinned);
    let of_flights = measured(&flights, origins, but);
    let goal = 1.02 * of_flights.naive_mase();
    mase("flights from New York, MASE", "<= +2 %", goal, &of_flights);
    let worst = [&of_auckland, &of_thinned, &of_flights].iter().map(|family| family.worst()).fold(0.0, f64::max);
    line("the worst series, its MASE by that of as last week", "<= 1.02", worst, 1.0, |v| v <= 1.02);
    for (name, family) in [("Auckland", &of_auckland), ("thinned", &of_thinned), ("flights", &of_flights)] {
        let (in_80, in_95) = family.covered();
        line(&format!("{name}, hours in the band of 80 %"), ".78 - .86", in_80, f64::NAN, |v| {
            (0.78..=0.86).contains(&v)
        });
        line(&format!("{name}, hours in the band of 95 %"), ".93 - .98", in_95, f64::NAN, |v| {
            (0.93..=0.98).contains(&v)
        });
    }
    for (name, goal, family) in
        [("Auckland", 8.0, &of_auckland), ("flights", 8.0, &of_flights), ("thinned", 10.0, &of_thinned)]
    {
        let (ours, naive) = (family.totals() * 100.0, family.naive_totals() * 100.0);
        line(&format!("{name}, weekly totals are off by, %"), &format!("<= {goal}"), ours, naive, |v| v <= goal);
    }
    if but == 0 {
        car_parks(&parks);
    }
    ExitCode::SUCCESS
}

fn mase(name: &str, goal: &str, most: f64, family: &Figures) {
    line(name, goal, family.mase(), family.naive_mase(), |value| value <= most);
}

fn line(name: &str, goal: &str, reached: f64, naive: f64, is_met: impl Fn(f64) -> bool) {
    let naive = if naive.is_nan() { "-".to_owned() } else { format!("{naive:.3}") };
    let missed = if is_met(reached) { "" } else { "   missed" };
    println!("{name:<58}{goal:>12}{reached:>10.3}{naive:>15}{missed}");
}

/// Says every series at its last origins but some.
fn measured(sites: &[Site], origins: usize, but: usize) -> Figures {
    let mut figures = Figures::default();
    for site in sites {
        let weeks = site.series.values.len() / WEEK;
        let origins = origins.min(weeks.saturating_sub(BEHIND + but));
        for back in but + 1..=but + origins {
            let (history, truth) = cut(&site.series, back);
            figures.take(&site.name, &history, &forecast(&history, WEEK, None).hours, truth);
        }
    }
    figures
}

/// A series as it was so many weeks before its end, and the week that came.
fn cut(series: &Series, weeks_back: usize) -> (Series, &[Option<f64>]) {
    let at = series.values.len().saturating_sub(weeks_back * WEEK);
    let history = Series { begins: series.begins, values: series.values[..at].to_vec() };
    (history, &series.values[at..(at + WEEK).min(series.values.len())])
}

/// How well the chance is told that a park is almost full in an hour of the next week.
fn car_parks(parks: &[Park]) {
    let mut chances = Chances::default();
    for park in parks.iter().filter(|park| park.is_often_full(FULL)) {
        let limit = FULL * park.places;
        for back in 1..=PARK_ORIGINS {
            let (history, truth) = cut(&park.series, back);
            chances.take(&forecast(&history, WEEK, None).hours, truth, limit, park.places);
        }
    }
    println!("  {} hours of car parks, of which {:.0} % almost full:", chances.hours(), chances.base() * 100.0);
    let (ours, naive) = chances.auc();
    line("car parks at 90 % of their places next week, AUC", ">= 0.92", ours, naive, |value| value >= 0.92);
    let (ours, naive) = chances.brier();
    line("  the same, Brier score", "<= 0.11", ours, naive, |value| value <= 0.11);
    let (ours, naive) = chances.use_off();
    line("  use of their places is off by", "<= 0.07", ours, naive, |value| value <= 0.07);
}

/// A thousand series, on as many threads as there are cores.
fn thousand() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let series: Vec<Series> = (1..=MANY as u64).map(|seed| files::made(seed, MANY_WEEKS)).collect();
    let pool = Pool::of(&series);
    let said: Vec<f64> = std::thread::scope(|scope| {
        let parts = series.chunks(MANY.div_ceil(threads)).map(|part| {
            let pool = pool.as_ref();
            scope.spawn(move || part.iter().flat_map(|series| forecast(series, WEEK, pool).hours).map(sum).sum::<f64>())
        });
        let threads: Vec<_> = parts.collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).collect()
    });
    let all: f64 = said.iter().sum();
    println!("{MANY} series of {MANY_WEEKS} weeks on {threads} threads; all that was said adds up to {all:.0}");
}

fn sum(hour: Hour) -> f64 {
    hour.expected
}
