//! The goals of the forecasts, measured on series of other people: what is reached, and what saying "as last week" reaches.
//!
//! ```text
//!  goals              the table of goals: each series is cut at weekly origins, said, and compared with what came;
//!                     then with an operator's calendar, and on the weeks on which other methods had been measured
//!  goals earlier      the same on origins before the last eight, by which the constants of the package were chosen
//!  goals thousand     says a thousand series of sixteen weeks and no more; whoever starts it takes the time
//! ```
//!
//! The series are read where they lie (`MLANGO_SHARED`, `../shared` if that is not set): pedestrians in Auckland (CC BY 4.0), flights from New
//! York (CC0), cars in Birmingham (OGL). Nothing is copied. Without them nothing is measured, and that is said.
//!
//! A forecast sees what was before its origin and nothing else. A goal that is missed is printed as missed.

mod calendar;
mod figures;
mod files;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use forecast::demand::{Hour, Pool, forecast};
use forecast::score;
use forecast::series::{Series, WEEK};

use calendar::Calendar;
use figures::{Chances, Figures};
use files::{Park, Site};

/// Weekly origins that are measured.
const ORIGINS: usize = 8;
/// Of the car parks, which were watched for eleven weeks only.
const PARK_ORIGINS: usize = 6;
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
        None => goals(&folder, &[LAST, MARKED, ANCHORS]),
        Some("earlier") => goals(&folder, &[EARLIER, EARLIER_MARKED]),
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

/// Weeks that are measured: of which origins, and what is known of them.
struct View {
    title: &'static str,
    origins: usize,
    /// Hours at the end of the Auckland and of the flight series that are left out.
    but: [usize; 2],
    /// Whether the calendar is known.
    is_marked: bool,
    /// Whether errors are counted in what the eight weeks before an origin change among themselves, and not against the week before them too.
    is_scaled_by_seven: bool,
}

const LAST: View = View {
    title: "The last eight weeks of each file, with Christmas and Thanksgiving, and nobody has said so",
    origins: ORIGINS,
    but: [0, 0],
    is_marked: false,
    is_scaled_by_seven: false,
};
const MARKED: View = View { title: "The same, with these days in the operator's calendar", is_marked: true, ..LAST };
/// These weeks and this scale give the anchors' own figures of "as last week": 1.073 (1.074) and 1.120.
const ANCHORS: View = View {
    title: "The weeks on which other methods had been measured, until 7 December and 24 November",
    but: [24 * 24, 37 * 24],
    is_scaled_by_seven: true,
    ..LAST
};
const EARLIER: View =
    View { title: "The weeks before the last eight", origins: usize::MAX, but: [ORIGINS * WEEK; 2], ..LAST };
const EARLIER_MARKED: View = View { title: "The same, with the operator's calendar", is_marked: true, ..EARLIER };

/// Prints the tables of goals, and that of car parks where the last weeks are measured.
fn goals(folder: &Path, views: &[View]) -> ExitCode {
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
    for view in views {
        println!("{}:", view.title);
        println!("{:<58}{:>12}{:>10}{:>15}", "", "goal", "reached", "as last week");
        let calendars = if view.is_marked {
            [calendar::OF_AUCKLAND, calendar::OF_NEW_YORK]
        } else {
            [calendar::EMPTY, calendar::EMPTY]
        };
        let [of_auckland, of_new_york] = calendars;
        table(
            &measured(&auckland, view, view.but[0], &of_auckland),
            &measured(&thinned, view, view.but[0], &of_auckland),
            &measured(&flights, view, view.but[1], &of_new_york),
        );
        println!();
    }
    if views.iter().any(|view| view.but == LAST.but) {
        car_parks(&parks);
    }
    ExitCode::SUCCESS
}

fn table(of_auckland: &Figures, of_thinned: &Figures, of_flights: &Figures) {
    mase("ten sites in Auckland, MASE", "<= 0.84", 0.84, of_auckland);
    mase("the same, thinned to 2 an hour, MASE", "<= 0.78", 0.78, of_thinned);
    mase("flights from New York, MASE", "<= +2 %", 1.02 * of_flights.naive_mase(), of_flights);
    let worst = [of_auckland, of_thinned, of_flights].iter().map(|family| family.worst()).fold(0.0, f64::max);
    line("the worst series, its MASE by that of as last week", "<= 1.02", worst, 1.0, |v| v <= 1.02);
    for (name, family) in [("Auckland", of_auckland), ("thinned", of_thinned), ("flights", of_flights)] {
        let (in_80, in_95) = family.covered();
        line(&format!("{name}, hours in the band of 80 %"), ".78 - .86", in_80, f64::NAN, |v| {
            (0.78..=0.86).contains(&v)
        });
        line(&format!("{name}, hours in the band of 95 %"), ".93 - .98", in_95, f64::NAN, |v| {
            (0.93..=0.98).contains(&v)
        });
    }
    for (name, goal, family) in
        [("Auckland", 8.0, of_auckland), ("flights", 8.0, of_flights), ("thinned", 10.0, of_thinned)]
    {
        let (ours, naive) = (family.totals() * 100.0, family.naive_totals() * 100.0);
        line(&format!("{name}, weekly totals are off by, %"), &format!("<= {goal}"), ours, naive, |v| v <= goal);
    }
}

fn mase(name: &str, goal: &str, most: f64, family: &Figures) {
    line(name, goal, family.mase(), family.naive_mase(), |value| value <= most);
}

fn line(name: &str, goal: &str, reached: f64, naive: f64, is_met: impl Fn(f64) -> bool) {
    let naive = if naive.is_nan() { "-".to_owned() } else { format!("{naive:.3}") };
    let missed = if is_met(reached) { "" } else { "   missed" };
    println!("{name:<58}{goal:>12}{reached:>10.3}{naive:>15}{missed}");
}

/// Says every series at the last origins of its history but some hours.
fn measured(sites: &[Site], view: &View, but: usize, calendar: &Calendar) -> Figures {
    let mut figures = Figures::default();
    for site in sites {
        let weeks = site.series.values.len().saturating_sub(but) / WEEK;
        for back in 1..=view.origins.min(weeks.saturating_sub(BEHIND)) {
            let (history, truth) = cut(&site.series, but + back * WEEK);
            let mut said = forecast(&calendar.unmarked(&history), WEEK, None).hours;
            calendar.apply(&history, &mut said);
            let scale = if view.is_scaled_by_seven { last(&history, ORIGINS) } else { history };
            figures.take(&site.name, score::scale(&scale), &said, truth);
        }
    }
    figures
}

/// A series as it was so many hours before its end, and the week that came.
fn cut(series: &Series, back: usize) -> (Series, &[Option<f64>]) {
    let at = series.values.len().saturating_sub(back);
    let history = Series { begins: series.begins, values: series.values[..at].to_vec() };
    (history, &series.values[at..(at + WEEK).min(series.values.len())])
}

/// The last weeks of a series.
fn last(series: &Series, weeks: usize) -> Series {
    let from = series.values.len().saturating_sub(weeks * WEEK);
    Series { begins: series.hour_of_week(from), values: series.values[from..].to_vec() }
}

/// How well the chance is told that a park is almost full in an hour of the next week.
fn car_parks(parks: &[Park]) {
    let mut chances = Chances::default();
    for park in parks.iter().filter(|park| park.is_often_full(FULL)) {
        let limit = FULL * park.places;
        for back in 1..=PARK_ORIGINS {
            let (history, truth) = cut(&park.series, back * WEEK);
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
