//! How a session's counters grew over time, as far as its reports tell: what splits its usage over the hours.
//!
//! A [`Curve`] keeps, for each hour in which a report was made, the first and the last report of that hour, each with
//! the highest counters that were known by then. That is enough to say what was used in which hour: within an hour
//! it is the difference; between two hours with reports it is spread evenly over the time between them (RADIUS says
//! how much, never when). Joining two curves is commutative, associative and idempotent, so the hours come out the
//! same whatever the order, the repetition or the grouping of the reports.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::time::{OffsetDateTime, hour_of};

/// What a router counts of a session. Each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Acct-Session-Time.
    pub seconds: i64,
    /// Octets from the customer.
    pub input: i64,
    /// Octets to the customer.
    pub output: i64,
}

impl Counters {
    /// Nothing.
    pub const ZERO: Counters = Counters { seconds: 0, input: 0, output: 0 };

    fn each(self, other: Counters, with: impl Fn(i64, i64) -> i64) -> Counters {
        Counters {
            seconds: with(self.seconds, other.seconds),
            input: with(self.input, other.input),
            output: with(self.output, other.output),
        }
    }

    /// The higher of each.
    #[must_use]
    pub fn max(self, other: Counters) -> Counters {
        self.each(other, i64::max)
    }

    /// The sum of each.
    #[must_use]
    pub fn plus(self, other: Counters) -> Counters {
        self.each(other, i64::saturating_add)
    }

    /// The difference of each; negative where `other` is higher.
    #[must_use]
    pub fn minus(self, other: Counters) -> Counters {
        self.each(other, i64::saturating_sub)
    }

    /// `part` of `whole` of each, rounded down.
    fn share(self, part: Duration, whole: Duration) -> Counters {
        let (part, whole) = (part.as_micros().cast_signed(), whole.as_micros().cast_signed().max(1));
        self.each(Counters::ZERO, |counter, _| i64::try_from(i128::from(counter) * part / whole).unwrap_or(i64::MAX))
    }

    /// Whether every counter is 0.
    pub fn is_zero(self) -> bool {
        self == Counters::ZERO
    }
}

/// Counters at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Point {
    /// When, by our clock.
    pub at: OffsetDateTime,
    /// The highest that were known by then.
    pub counters: Counters,
}

/// The first and the last report of an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Hour {
    first: Point,
    last: Point,
}

/// The step from the last report of an hour to the first of a later one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crossing {
    pub(crate) from: Point,
    pub(crate) to: Point,
}

/// What was used in which hour; the hour is named by its beginning. Sums are exact.
pub type Hours = BTreeMap<OffsetDateTime, Counters>;

/// Longest time over which one difference is spread: a router that says that a session has lasted for a century must
/// not make a million hours. What came before counts with the first of these hours.
pub(super) const LONGEST_SPREAD: Duration = Duration::from_secs(35 * 24 * 3600);

/// How a session's counters grew. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Curve {
    /// When the session began: the earliest that a report tells.
    pub started_at: OffsetDateTime,
    hours: BTreeMap<OffsetDateTime, Hour>,
}

impl Curve {
    /// The curve of one report: made at `at`, after `counters.seconds`.
    pub(crate) fn of(at: OffsetDateTime, counters: Counters) -> Curve {
        let point = Point { at, counters };
        let lasted = Duration::from_secs(counters.seconds.max(0).unsigned_abs());
        Curve { started_at: at - lasted, hours: [(hour_of(at), Hour { first: point, last: point })].into() }
    }

    /// The curve of a session as it is stored: its first and last point, and its steps between hours, in order.
    pub(crate) fn stored(started_at: OffsetDateTime, first: Point, last: Point, crossings: &[Crossing]) -> Curve {
        let mut hours = BTreeMap::new();
        let mut begun = first;
        for crossing in crossings {
            hours.insert(hour_of(begun.at), Hour { first: begun, last: crossing.from });
            begun = crossing.to;
        }
        hours.insert(hour_of(begun.at), Hour { first: begun, last });
        Curve { started_at, hours }
    }

    /// The first report.
    pub(crate) fn first(&self) -> Point {
        self.hours.values().next().map_or_else(|| unreachable!("a curve has a point"), |hour| hour.first)
    }

    /// The last report; its counters are the session's.
    pub(crate) fn last(&self) -> Point {
        self.hours.values().next_back().map_or_else(|| unreachable!("a curve has a point"), |hour| hour.last)
    }

    /// Takes another curve of the same session in.
    pub(crate) fn join(&mut self, other: &Curve) {
        self.started_at = self.started_at.min(other.started_at);
        let mut points: BTreeMap<OffsetDateTime, Counters> = BTreeMap::new();
        for point in self.points().chain(other.points()) {
            points.entry(point.at).and_modify(|known| *known = known.max(point.counters)).or_insert(point.counters);
        }
        self.hours.clear();
        let mut highest = Counters::ZERO;
        for (at, counters) in points {
            highest = highest.max(counters);
            let point = Point { at, counters: highest };
            self.hours
                .entry(hour_of(at))
                .and_modify(|hour| hour.last = point)
                .or_insert(Hour { first: point, last: point });
        }
    }

    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        self.hours.values().flat_map(|hour| [hour.first, hour.last])
    }

    /// The steps between hours that have reports.
    pub(crate) fn crossings(&self) -> Vec<Crossing> {
        let pairs = self.hours.values().zip(self.hours.values().skip(1));
        pairs.map(|(before, after)| Crossing { from: before.last, to: after.first }).collect()
    }

    /// What was used in which hour.
    pub(crate) fn usage(&self) -> Hours {
        let mut hours = Hours::new();
        let mut before = Point { at: self.started_at, counters: Counters::ZERO };
        for point in self.points() {
            spread(&mut hours, before, point);
            before = point;
        }
        hours
    }
}

/// Adds what was used from one point to the next, evenly by time.
pub(crate) fn spread(hours: &mut Hours, from: Point, to: Point) {
    let used = to.counters.minus(from.counters);
    if used.is_zero() {
        return;
    }
    let begin = from.at.max(to.at - LONGEST_SPREAD);
    let whole = Duration::try_from(to.at - begin).unwrap_or_default();
    let (mut hour, mut given) = (hour_of(begin), Counters::ZERO);
    loop {
        let next = hour + Duration::from_secs(3600);
        let is_last = next > to.at;
        let by_then = match is_last {
            true => used,
            false => used.share(Duration::try_from(next - begin).unwrap_or_default(), whole),
        };
        let part = by_then.minus(given);
        if !part.is_zero() {
            let sum = hours.entry(hour).or_default();
            *sum = sum.plus(part);
        }
        if is_last {
            return;
        }
        (hour, given) = (next, by_then);
    }
}

/// To the microsecond, which is what PostgreSQL keeps.
pub(crate) fn stored_moment(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.microsecond() * 1000).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_000_000 - 1_795_000_000 % 3600 + seconds).expect("in range")
    }

    fn counters(seconds: i64, input: i64) -> Counters {
        Counters { seconds, input, output: 2 * input }
    }

    fn report(when: i64, seconds: i64, input: i64) -> Curve {
        Curve::of(at(when), counters(seconds, input))
    }

    fn joined<'a>(reports: impl IntoIterator<Item = &'a Curve>) -> Curve {
        let mut reports = reports.into_iter();
        let mut all = reports.next().expect("at least one").clone();
        reports.for_each(|other| all.join(other));
        all
    }

    #[test]
    fn usage_between_two_hours_is_spread_over_the_time_between() {
        let curve = joined(&[report(3000, 0, 0), report(4200, 1200, 1200)]);
        let hours: Vec<_> = curve.usage().into_iter().collect();
        assert_eq!(hours, [(at(0), counters(600, 600)), (at(3600), counters(600, 600))]);
        // A later report of the second hour adds to that one, and takes nothing back from the first.
        let curve = joined(&[curve, report(5000, 2000, 1200)]);
        assert_eq!(curve.usage()[&at(0)], counters(600, 600));
    }

    #[test]
    fn a_session_known_by_its_stop_alone_is_spread_from_its_start() {
        let hours = report(2 * 3600 + 1800, 2 * 3600, 7200).usage();
        assert_eq!(hours.into_values().map(|used| used.input).collect::<Vec<_>>(), [1800, 3600, 1800]);
    }

    #[test]
    fn a_century_long_session_makes_no_million_hours() {
        let hours = report(0, i64::from(u32::MAX), 1 << 40).usage();
        assert!(hours.len() <= 35 * 24 + 1);
        assert_eq!(hours.values().map(|used| used.input).sum::<i64>(), 1 << 40);
    }

    fn any_report() -> impl Strategy<Value = Curve> {
        let octets = prop_oneof![Just(0), 0..1000_i64, Just(1 << 40)];
        (0..6 * 3600_i64, 0..4000_i64, octets.clone(), octets)
            .prop_map(|(when, seconds, input, output)| Curve::of(at(when), Counters { seconds, input, output }))
    }

    proptest! {
        #[test]
        fn any_order_repetition_and_grouping_gives_the_same_curve(
            reports in prop::collection::vec(any_report(), 1..12), shuffle in any::<u64>(), split in 0..12_usize,
        ) {
            let straight = joined(&reports);
            let mut mixed: Vec<Curve> = reports.iter().chain(&reports).cloned().collect();
            let mut seed = shuffle;
            for place in (1..mixed.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                mixed.swap(place, usize::try_from(seed >> 33).expect("31 bits") % (place + 1));
            }
            prop_assert_eq!(&joined(&mixed), &straight);
            let (one, other) = mixed.split_at(1 + split.min(mixed.len() - 2));
            prop_assert_eq!(&joined(&[joined(one), joined(other)]), &straight);
        }

        #[test]
        fn the_hours_add_up_and_none_is_negative(reports in prop::collection::vec(any_report(), 1..12)) {
            let curve = joined(&reports);
            let sum = curve.usage().values().fold(Counters::ZERO, |sum, used| sum.plus(*used));
            prop_assert_eq!(sum, curve.last().counters);
            prop_assert!(curve.usage().values().all(|used| used.seconds >= 0 && used.input >= 0 && used.output >= 0));
            let highest = reports.iter().fold(Counters::ZERO, |all, one| all.max(one.last().counters));
            prop_assert_eq!(curve.last().counters, highest);
        }

        #[test]
        fn what_is_stored_is_the_curve(reports in prop::collection::vec(any_report(), 1..12)) {
            let curve = joined(&reports);
            let read = Curve::stored(curve.started_at, curve.first(), curve.last(), &curve.crossings());
            prop_assert_eq!(read, curve);
        }
    }
}
