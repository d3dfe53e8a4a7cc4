//! A series cut into weeks, newest first, each laid out from Monday, midnight, so that hours that are alike stand under one another.
//!
//! A week ends where the series ends, on whatever day that is: row 0 holds the last value of each hour of the week, row 1 the one before.
//! Nothing is made up: an hour that nobody saw is none here, too. Only what must have a number for each hour, a [`Shape`], is filled.

use crate::series::{Series, WEEK};

/// The values of one week, by the hour of the week.
pub(crate) type Row = [Option<f64>; WEEK];
/// A number for each hour of the week.
pub(crate) type Shape = [f64; WEEK];

/// Hours of a day.
pub(crate) const DAY: usize = 24;

/// The last weeks of a series, newest first, at most `most`. What is no number was not seen.
pub(crate) fn weeks(series: &Series, most: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (back, (at, value)) in series.values.iter().enumerate().rev().take(most * WEEK).enumerate() {
        if back % WEEK == 0 {
            rows.push([None; WEEK]);
        }
        if let Some(row) = rows.last_mut() {
            row[series.hour_of_week(at)] = value.filter(|value| value.is_finite());
        }
    }
    rows
}

/// How many hours of a week were seen.
pub(crate) fn seen(row: &Row) -> f64 {
    row.iter().flatten().map(|_| 1.0).sum()
}

/// How many weeks were seen, in weeks like the fullest: a site that counts ten hours a day has seen a week after seven days, too.
pub(crate) fn weeks_seen(rows: &[Row]) -> f64 {
    let fullest = rows.iter().map(seen).fold(0.0, f64::max);
    if fullest > 0.0 { rows.iter().map(|row| seen(row) / fullest).sum() } else { 0.0 }
}

/// A number for each hour: one that was never seen is as that hour on other days, or else as all hours. None where nothing was seen.
pub(crate) fn filled(row: &Row) -> Option<Shape> {
    let all = mean(row.iter().flatten().copied())?;
    Some(std::array::from_fn(|hour| {
        row[hour].or_else(|| mean(row.iter().skip(hour % DAY).step_by(DAY).flatten().copied())).unwrap_or(all)
    }))
}

/// The last value of each hour of the week.
pub(crate) fn last(rows: &[Row]) -> Row {
    std::array::from_fn(|hour| rows.iter().find_map(|row| row[hour]))
}

/// The mean, where there is something to take it of.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

/// The sum of the distances between what was seen and what was said.
pub(crate) fn misses(seen: &Row, said: &Shape, of: impl Fn(f64) -> f64) -> f64 {
    seen.iter().zip(said).filter_map(|(seen, said)| seen.map(|seen| of(seen - said))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(begins: usize, count: u32) -> Series {
        Series { begins, values: (0..count).map(|at| Some(f64::from(at))).collect() }
    }

    #[test]
    fn the_newest_week_is_first_and_begins_on_monday() {
        // From Tuesday, midnight, a week and two hours.
        let rows = weeks(&series(24, 170), 9);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0][24], rows[0][25], rows[0][26]), (Some(168.0), Some(169.0), Some(2.0)));
        assert_eq!((rows[1][24], rows[1][25], rows[1][26]), (Some(0.0), Some(1.0), None));
        assert_eq!(last(&rows)[26], Some(2.0));
        assert_eq!(weeks(&series(24, 170), 1).len(), 1);
        assert!(weeks(&series(0, 0), 9).is_empty());
    }

    #[test]
    fn an_hour_that_was_never_seen_is_as_on_other_days() {
        let mut row = [None; WEEK];
        assert_eq!(filled(&row), None);
        row[3] = Some(4.0);
        row[27] = Some(6.0);
        row[30] = Some(20.0);
        let all = filled(&row).expect("something was seen");
        assert_eq!((all[3], all[51], all[30], all[0]), (4.0, 5.0, 20.0, 10.0));
    }

    #[test]
    fn ten_hours_a_day_are_a_whole_week() {
        let values = (0..4 * WEEK).map(|at| (8..18).contains(&(at % DAY)).then_some(1.0)).collect();
        assert_eq!(weeks_seen(&weeks(&Series { begins: 0, values }, 9)), 4.0);
    }
}
