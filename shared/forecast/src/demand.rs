//! The next hours of a series: what is expected, what is typical, how far off it may be, and what "as last week" says.
//!
//! ```text
//!  Series ─► weeks ─┬─ two weeks and more ─► ordinary  without days that were unlike themselves
//!                   │                        rule      some two hundred ways to say a week from those before
//!                   │                        trial     which of them said the last eight weeks best ─► the week to come
//!                   │                        bands     how far off they were                        ─► 80 and 95 in a hundred
//!                   └─ fewer ──────────────► pool      the shape of other sites at this one's level
//! ```
//!
//! Hours that nobody saw are left out everywhere: they teach nothing, and they are never zero. Holidays and what an operator announces are not
//! known here: whoever asks takes such hours out of the history, and what is known of those to come is said by [`Hour::marked`]. Nothing is random, so the same series has the same forecast.
//! Whoever shows a forecast shows [`Hour::naive`] beside it, and both errors, because sometimes last week knows better.

mod bands;
mod marked;
mod ordinary;
mod pool;
mod rule;
mod trial;
mod weeks;

pub use marked::share_a_year_ago;
pub use pool::Pool;

use crate::series::{Series, WEEK};
use bands::Bands;
use trial::{Choice, Said};
use weeks::{Row, Shape};

/// Weeks before a series is said from itself at all; before, its shape is borrowed.
const SHORT_WEEKS: f64 = 2.0;
/// Weeks before skill is claimed for it.
const OWN_WEEKS: f64 = 4.0;

/// What is said of one hour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hour {
    /// The mean: what totals are made of.
    pub expected: f64,
    /// The median: it is as often more as less.
    pub typical: f64,
    /// Of ten hours eight are between this …
    pub low80: f64,
    /// … and this.
    pub high80: f64,
    /// Of twenty hours nineteen are between this …
    pub low95: f64,
    /// … and this.
    pub high95: f64,
    /// The same hour of the last week that saw it.
    pub naive: f64,
}

/// What a forecast rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// Four weeks of its own, or more.
    Own,
    /// Fewer than four weeks: no claim of skill.
    Short,
    /// Fewer than two weeks: the pool's shape at the level of this site.
    Borrowed,
}

/// The next hours, and how good saying them was in the weeks before.
#[derive(Clone, PartialEq, Debug)]
pub struct Forecast {
    /// The first is the hour after the last value.
    pub hours: Vec<Hour>,
    /// How they were said, in words.
    pub rule: String,
    /// What they rest on.
    pub basis: Basis,
    /// The error of the typical hour in the last weeks of the history, at most eight, said from the weeks before each, as a multiple of what
    /// hours usually change from week to week. None without such weeks, and where nothing ever changes.
    pub mase: Option<f64>,
    /// The same of "as last week".
    pub naive_mase: Option<f64>,
}

/// The next `horizon` hours of a series. Weeks after the first repeat it, with wider bands.
pub fn forecast(series: &Series, horizon: usize, pool: Option<&Pool>) -> Forecast {
    let weeks = weeks::weeks(series, trial::HISTORY_MAX);
    let seen = weeks::weeks_seen(&weeks);
    let week = if seen >= SHORT_WEEKS {
        trial::choose(&weeks, pool).and_then(|choice| learnt(&weeks, pool, choice))
    } else {
        None
    };
    let week = week.unwrap_or_else(|| borrowed(&weeks, pool));
    let hours =
        (0..horizon).map(|ahead| week.hour(series.hour_of_week(series.values.len() + ahead), ahead / WEEK)).collect();
    let basis = if seen >= OWN_WEEKS || week.basis == Basis::Borrowed { week.basis } else { Basis::Short };
    Forecast { hours, rule: week.rule, basis, mase: week.mase, naive_mase: week.naive_mase }
}

/// The week to come, by the hour of the week.
struct Week {
    expected: Shape,
    typical: Shape,
    naive: Shape,
    bands: Bands,
    rule: String,
    basis: Basis,
    mase: Option<f64>,
    naive_mase: Option<f64>,
}

impl Week {
    /// The bands hold what they are drawn around, however skewed the residuals are.
    fn hour(&self, hour: usize, weeks_later: usize) -> Hour {
        let (expected, typical) = (self.expected[hour], self.typical[hour]);
        let edges = self.bands.around(hour, expected, weeks_later as f64);
        let (low, high) = (expected.min(typical), expected.max(typical));
        let (low80, high80) = (edges[1].min(low), edges[2].max(high));
        let (low95, high95) = (edges[0].min(low80), edges[3].max(high80));
        Hour { expected, typical, low80, high80, low95, high95, naive: self.naive[hour] }
    }
}

fn learnt(weeks: &[Row], pool: Option<&Pool>, choice: Choice) -> Option<Week> {
    let next = Said::of(weeks, pool)?;
    let said: Vec<Shape> = choice.said.iter().map(|said| choice.expected.say(said)).collect();
    Some(Week {
        expected: choice.expected.say(&next),
        typical: choice.typical.say(&next),
        naive: trial::Way::AsLast.say(&next),
        bands: Bands::learnt(weeks, &said),
        rule: choice.rule,
        basis: Basis::Own,
        mase: choice.mase,
        naive_mase: choice.naive_mase,
    })
}

/// The pool's shape; without a pool, what was seen of each hour of the day.
fn borrowed(weeks: &[Row], pool: Option<&Pool>) -> Week {
    let last = weeks::last(weeks);
    let (expected, basis, rule) = match pool {
        Some(pool) => (pool.at_level_of(weeks), Basis::Borrowed, "the shape of other sites at this one's level"),
        None => (by_hour_of_day(weeks), Basis::Short, "the mean of each hour of the day"),
    };
    Week {
        expected,
        typical: expected,
        naive: std::array::from_fn(|hour| last[hour].unwrap_or(expected[hour])),
        bands: Bands::guessed(weeks, &expected),
        rule: rule.to_owned(),
        basis,
        mase: None,
        naive_mase: None,
    }
}

fn by_hour_of_day(weeks: &[Row]) -> Shape {
    let mut day = [None; WEEK];
    for (hour, mean) in day.iter_mut().take(weeks::DAY).enumerate() {
        let same = weeks.iter().flat_map(|week| week.iter().skip(hour).step_by(weeks::DAY)).flatten().copied();
        *mean = weeks::mean(same);
    }
    weeks::filled(&day).unwrap_or([0.0; WEEK])
}

#[cfg(test)]
mod tests;
