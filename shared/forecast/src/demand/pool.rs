//! What is known of many series, for one of which little is known: the mean share of each hour in a week.
//!
//! A quiet or new site has no shape of its own that could be told from chance, and many sites together have one. The pool gives the shape,
//! the site its level; where the site has nothing yet, the middle level of all stands in, because nothing else is known.

use super::weeks::{Row, Shape, filled, mean, weeks, weeks_seen};
use super::{OWN_WEEKS, rule};
use crate::series::{Series, WEEK};

/// The part of a week that must be seen before a site's own level stands alone: some three hours. Whoever opens at night and sells once
/// does not sell thousands a week.
const SEEN_ENOUGH: f64 = 0.02;

/// The mean share of each hour of the week, of many series.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    /// They add up to 1.
    shares: Shape,
    /// The middle of what the series have in a week.
    level: f64,
}

impl Pool {
    /// The pool of these series. Those with fewer than four weeks, and those in which nothing happened, have no say; none, if nobody has.
    pub fn of<'a>(series: impl IntoIterator<Item = &'a Series>) -> Option<Pool> {
        let mut levels = Vec::new();
        let mut sum = [0.0; WEEK];
        for series in series {
            let rows = weeks(series, rule::WINDOW_MAX);
            let means: Row = std::array::from_fn(|hour| mean(rows.iter().filter_map(|row| row[hour])));
            let Some(shape) = filled(&means).filter(|_| weeks_seen(&rows) >= OWN_WEEKS) else { continue };
            // Refunds may make an hour negative, and a share of less than nothing leads nowhere.
            let shape = shape.map(|value| value.max(0.0));
            let level: f64 = shape.iter().sum();
            if level > 0.0 {
                sum.iter_mut().zip(shape).for_each(|(sum, value)| *sum += value / level);
                levels.push(level);
            }
        }
        levels.sort_by(f64::total_cmp);
        let level = *levels.get(levels.len() / 2)?;
        let all: f64 = sum.iter().sum();
        Some(Pool { shares: sum.map(|share| share / all), level })
    }

    /// The pool's shape at the level of some weeks, whatever part of them was seen.
    pub(crate) fn at_level_of(&self, rows: &[Row]) -> Shape {
        let pairs = rows.iter().flat_map(|row| row.iter().zip(self.shares));
        let seen = pairs.filter_map(|(value, share)| value.map(|value| (value, share)));
        let (had, shares) = seen.fold((0.0, 0.0), |(had, shares), (value, share)| (had + value, shares + share));
        let unseen = (SEEN_ENOUGH - shares).max(0.0);
        let level = (had + unseen * self.level) / (shares + unseen);
        self.shares.map(|share| share * level)
    }

    /// A pool in which all hours are alike.
    #[cfg(test)]
    pub(crate) fn flat() -> Pool {
        Pool { shares: [1.0 / 168.0; WEEK], level: 168.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_the_mean_share_and_not_the_mean_count() {
        // Two sites, one a hundred times busier; the small one lives on Monday mornings.
        let site = |busy: f64, monday: f64| Series {
            begins: 0,
            values: (0..8 * WEEK).map(|at| Some(if at % WEEK == 9 { monday } else { busy })).collect(),
        };
        let pool = Pool::of(&[site(100.0, 100.0), site(0.0, 5.0)]).expect("two series");
        assert!((pool.shares[9] - (1.0 / 168.0 + 1.0) / 2.0).abs() < 1e-9);
        assert!((pool.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        // A new site that had 3 in its first Monday morning.
        let mut row = [None; WEEK];
        row[9] = Some(3.0);
        assert!((pool.at_level_of(&[row])[9] - 3.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_has_no_pool() {
        let quiet = Series { begins: 0, values: vec![Some(0.0); 8 * WEEK] };
        let young = Series { begins: 0, values: vec![Some(1.0); 2 * WEEK] };
        assert_eq!(Pool::of(&[quiet, young]), None);
        assert_eq!(Pool::of(&[]), None);
    }
}
