//! Latencies counted in buckets whose width grows with the value: at most 1.6 % wide, 18 KiB in all, and no
//! allocation when one is added. Sums of two histograms are exact, so threads count apart and are put together.
//!
//! A value below 64 ns has its own bucket; above, each power of two is cut into 64. What a percentile names is
//! the upper edge of its bucket: never better than what was measured.

use std::time::Duration;

/// Buckets in one power of two, as a power of two.
const CUT: u32 = 6;
/// Powers of two that are kept apart: up to 2^40 ns, eighteen minutes.
const POWERS: usize = 40 - CUT as usize;
const BUCKETS: usize = (POWERS + 1) << CUT;

/// How often each latency occurred.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: Box::new([0; BUCKETS]), total: 0, longest: 0 }
    }
}

impl Histogram {
    /// Counts one latency, in nanoseconds.
    pub(crate) fn add(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    /// Takes in what another counted.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that this share of all (0 to 1) did not exceed; zero if nothing was counted.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = share_of(self.total, share);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_nanos(upper_edge(index).min(self.longest));
            }
        }
        Duration::ZERO
    }

    /// The longest latency.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

/// How many of `total` this share is, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts stay far below 2^52, and a share lies between 0 and 1"
)]
fn share_of(total: u64, share: f64) -> u64 {
    (total as f64 * share).ceil() as u64
}

fn bucket(value: u64) -> usize {
    let power = value.checked_ilog2().unwrap_or(0);
    if power < CUT {
        return usize::try_from(value).unwrap_or(0);
    }
    let within = usize::try_from(value >> (power - CUT)).unwrap_or(0) & ((1 << CUT) - 1);
    let block = (power - CUT + 1) as usize;
    ((block << CUT) + within).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_edge(index: usize) -> u64 {
    let (block, within) = (index >> CUT, (index & ((1 << CUT) - 1)) as u64);
    if block == 0 {
        return within;
    }
    (((1 << CUT) + within + 1) << (block - 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_below_its_edge_and_near_it() {
        for value in (0..40).flat_map(|power| [0, 1, 7].map(|more| (1_u64 << power) + more)).chain([999_999_999]) {
            let edge = upper_edge(bucket(value));
            assert!(edge >= value, "{value} is above its edge {edge}");
            assert!(edge - value <= value / 64 + 1, "{value} is far from its edge {edge}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for microseconds in 1..=1000 {
            histogram.add(microseconds * 1000);
        }
        let near = |share: f64, microseconds: u64| {
            let found = histogram.quantile(share).as_nanos();
            let wanted = u128::from(microseconds) * 1000;
            assert!(found >= wanted && found <= wanted + wanted / 60, "{share}: {found} is not near {wanted}");
        };
        near(0.5, 500);
        near(0.99, 990);
        near(0.999, 999);
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(1));
        assert_eq!(histogram.longest(), Duration::from_millis(1));
    }

    #[test]
    fn a_sum_is_what_one_would_have_counted() {
        let (mut one, mut two, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for value in 0..5000 {
            let part = if value % 3 == 0 { &mut one } else { &mut two };
            part.add(value * 777);
            both.add(value * 777);
        }
        one.merge(&two);
        assert_eq!(one, both);
    }

    #[test]
    fn what_is_too_long_is_counted_in_the_last_bucket() {
        let mut histogram = Histogram::default();
        histogram.add(u64::MAX);
        assert_eq!(histogram.longest(), Duration::from_nanos(u64::MAX));
        assert!(histogram.quantile(0.5) >= Duration::from_secs(1000));
    }
}
