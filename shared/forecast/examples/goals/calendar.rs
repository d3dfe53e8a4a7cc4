//! What an operator would have marked in the calendar: days that are known in advance not to be like others of their weekday.
//!
//! They are not learnt from, and those to come are said as they were a year ago, where the file goes back so far.

use std::ops::Range;

use forecast::demand::{Hour, share_a_year_ago};
use forecast::series::{Series, WEEK};

const DAY: usize = 24;
const YEAR: usize = 365;
/// The weeks before a day of the last year that tell what was usual then.
const WEEKS_BEFORE: usize = 4;

/// Days that are marked, counted from the first of a file.
pub(crate) struct Calendar(&'static [Range<usize>]);

/// Nothing is marked.
pub(crate) const EMPTY: Calendar = Calendar(&[]);
/// From 1 October 2024: Christmas to the third of January.
pub(crate) const OF_AUCKLAND: Calendar = Calendar(&[84..95, 449..460]);
/// 2013: the holidays on which the United States travel, and the days around Thanksgiving and Christmas.
pub(crate) const OF_NEW_YORK: Calendar = Calendar(&[0..2, 146..147, 184..186, 244..245, 330..335, 357..365]);

impl Calendar {
    /// The series without what is marked.
    pub(crate) fn unmarked(&self, series: &Series) -> Series {
        let mut series = series.clone();
        for (day, hours) in series.values.chunks_mut(DAY).enumerate() {
            if self.marks(day) {
                hours.fill(None);
            }
        }
        series
    }

    /// Says the marked ones of the hours that follow a history, which ends at midnight. "As last week" is what was counted, marked or not.
    pub(crate) fn apply(&self, history: &Series, hours: &mut [Hour]) {
        let first = history.values.len() / DAY;
        for (day, hours) in (first..).zip(hours.chunks_mut(DAY)) {
            if self.marks(day) {
                let share = self.a_year_ago(history, day).unwrap_or(1.0);
                hours.iter_mut().for_each(|hour| *hour = hour.marked(share));
            }
        }
        let last_week = history.values.iter().skip(history.values.len().saturating_sub(WEEK));
        for (hour, last) in hours.iter_mut().zip(last_week) {
            hour.naive = last.unwrap_or(hour.naive);
        }
    }

    fn a_year_ago(&self, history: &Series, day: usize) -> Option<f64> {
        let hours = |day: usize| history.values.get(day * DAY..(day + 1) * DAY);
        let day = day.checked_sub(YEAR)?;
        let before: Vec<&[Option<f64>]> = (1..=day / 7)
            .map(|weeks| day - weeks * 7)
            .filter(|day| !self.marks(*day))
            .filter_map(hours)
            .take(WEEKS_BEFORE)
            .collect();
        share_a_year_ago(hours(day)?, &before)
    }

    fn marks(&self, day: usize) -> bool {
        self.0.iter().any(|days| days.contains(&day))
    }
}
