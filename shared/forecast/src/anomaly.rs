//! Whether what is counted now is still what is expected: outages, drops and surges of a series, and bursts of failed logins.
//!
//! ```text
//!  scan     three hours together, at busy places ─► outage, drop, surge   ─┐
//!           a loss or gain that adds up (CUSUM)  ─► drop, surge (low)      ├─► alarms within 6 hours are one Finding
//!           1 to 24 hours together, at quiet ones ─► outage, drop, surge  ─┘
//!  burst    failed logins of the last 1, 3 and 12 hours beside their usual number
//! ```
//!
//! Every rule looks back from an hour and never ahead, so what [`scan`] says of an hour is what could have been said at its end. How noisy a
//! series is it learns from the series itself: give it some weeks, and heed what it finds in the last hours.
//!
//! Refused here: a verdict on hours that nobody saw. They are neither zero nor normal; that they are missing is for the caller to notice.

mod spread;
mod tail;

use crate::score::to_float;
use spread::{Spread, distance, median};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Next to nothing where much was expected.
    Outage,
    /// Less than expected.
    Drop,
    /// More than expected.
    Surge,
    /// Many failures in a short time.
    Burst,
}

/// How sure, and how urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Slow or slight: to be looked at today.
    Low,
    /// To be looked at now.
    High,
}

/// Hours that are not as expected.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Finding {
    /// The first hour of it, and the hour after its last: indices of what was given.
    pub from: usize,
    /// The hour after the last.
    pub until: usize,
    /// What is wrong.
    pub kind: Kind,
    /// How urgent it is.
    pub severity: Severity,
    /// What was counted in those hours together.
    pub observed: f64,
    /// What was expected of them.
    pub expected: f64,
}

/// From so many expected an hour on a place is busy.
const BUSY: f64 = 8.0;
/// Hours that are looked at together where it is busy.
const BUSY_HOURS: usize = 3;
/// Usual distances beyond which three hours are a drop, or a surge.
const DROP_BEYOND: f64 = 6.5;
const SURGE_BEYOND: f64 = 6.5;
/// The share of what was expected below which it is an outage, and the usual distances that it must at least be away.
const OUTAGE_SHARE: f64 = 0.15;
const OUTAGE_BEYOND: f64 = 2.0;
/// CUSUM: usual distances of an hour that do not count, those after which what adds up is an alarm, and how far an hour counts at most.
const SLACK: f64 = 1.0;
const ADDED_UP: f64 = 16.0;
const HOUR_AT_MOST: f64 = 3.0;
/// Hours that are looked at together at most where it is quiet, and the chances below which they are an alarm, and a grave one.
const QUIET_HOURS: usize = 24;
const QUIET_DROP: f64 = 1e-4;
const QUIET_SURGE: f64 = 1e-6;
const QUIET_GRAVE: f64 = 1e-7;
/// Where in eight weeks nobody came somebody may come all the same: so many an hour are expected everywhere.
const QUIET_MIN: f64 = 0.1;
/// So many customers are the least of a surge.
const SURGE_MIN: f64 = 5.0;
/// Distances below which no window is unlikely enough for an alarm, so that its chance is not computed.
const PLAIN: f64 = 2.0;
/// Windows from which on their dispersion is their own, what it is before, and the median square of what is normally distributed, as a share
/// of its variance.
const DISPERSION_FROM: usize = 48;
const DISPERSION_UNKNOWN: f64 = 1.5;
const MEDIAN_SQUARE: f64 = 0.4549;
/// Alarms that are not more hours apart are one finding.
const TOGETHER: usize = 6;

/// Finds hours in which a series is not what was expected of it. Both slices are the same hours; what is longer is cut.
pub fn scan(actual: &[Option<f64>], expected: &[f64]) -> Vec<Finding> {
    let sums = Sums::of(actual, expected);
    let mut alarms = busy(&sums);
    alarms.extend(added_up(&sums));
    alarms.extend(quiet(&sums));
    collapse(alarms, &sums)
}

/// What one rule says at one hour.
#[derive(Clone, Copy)]
struct Alarm {
    from: usize,
    until: usize,
    kind: Kind,
    severity: Severity,
    /// How far it is beyond its rule's limit, for choosing among alarms.
    strength: f64,
}

/// Running sums, by which any span costs the same.
struct Sums {
    observed: Vec<f64>,
    expected: Vec<f64>,
    seen: Vec<usize>,
}

impl Sums {
    fn of(actual: &[Option<f64>], expected: &[f64]) -> Sums {
        let mut sums = Sums { observed: vec![0.0], expected: vec![0.0], seen: vec![0] };
        let (mut observed, mut awaited, mut seen) = (0.0, 0.0, 0);
        for (actual, expected) in actual.iter().zip(expected) {
            if let Some(actual) = actual.filter(|actual| actual.is_finite() && expected.is_finite()) {
                (observed, awaited, seen) = (observed + actual, awaited + expected.max(0.0), seen + 1);
            }
            sums.observed.push(observed);
            sums.expected.push(awaited);
            sums.seen.push(seen);
        }
        sums
    }

    fn hours(&self) -> usize {
        self.seen.len() - 1
    }

    /// Observed, expected and the number of hours seen, from an hour until before another.
    fn between(&self, from: usize, until: usize) -> (f64, f64, usize) {
        let seen = self.seen[until] - self.seen[from];
        (self.observed[until] - self.observed[from], self.expected[until] - self.expected[from], seen)
    }

    /// Observed and expected of a window, if it was quiet and at least one of its hours was seen.
    fn quiet_window(&self, from: usize, until: usize) -> Option<(f64, f64)> {
        let (observed, expected, seen) = self.between(from, until);
        let hours = to_float(seen);
        (seen > 0 && expected < BUSY * hours).then(|| (observed, expected.max(QUIET_MIN * hours)))
    }

    /// The windows of so many hours that were all seen and in which it was busy: the hour after each, what was observed, and expected.
    fn busy_windows(&self, hours: usize) -> Vec<(usize, f64, f64)> {
        let window = |until: usize| {
            let (observed, expected, seen) = self.between(until - hours, until);
            (seen == hours && expected >= BUSY * to_float(hours)).then_some((until, observed, expected))
        };
        (hours..=self.hours()).filter_map(window).collect()
    }
}

/// Busy hours, three together.
fn busy(sums: &Sums) -> Vec<Alarm> {
    let windows = sums.busy_windows(BUSY_HOURS);
    let spread = usual(&windows);
    let alarm = |&(until, observed, expected): &(usize, f64, f64)| {
        let away = distance(observed, expected) / spread.at(until, expected);
        let is_out = observed <= OUTAGE_SHARE * expected && away < -OUTAGE_BEYOND;
        let (kind, strength) = if is_out {
            (Kind::Outage, -away / OUTAGE_BEYOND)
        } else if away < -DROP_BEYOND {
            (Kind::Drop, -away / DROP_BEYOND)
        } else if away > SURGE_BEYOND {
            (Kind::Surge, away / SURGE_BEYOND)
        } else {
            return None;
        };
        Some(Alarm { from: until - BUSY_HOURS, until, kind, severity: Severity::High, strength })
    };
    windows.iter().filter_map(alarm).collect()
}

fn usual(windows: &[(usize, f64, f64)]) -> Spread {
    let distances: Vec<(usize, f64)> =
        windows.iter().map(|(until, observed, expected)| (*until, distance(*observed, *expected))).collect();
    Spread::of(&distances)
}

/// Losses and gains too small for one window that go on and on: a CUSUM on each side, over the busy hours.
fn added_up(sums: &Sums) -> Vec<Alarm> {
    let windows = sums.busy_windows(1);
    let spread = usual(&windows);
    let mut alarms = Vec::new();
    for (sign, kind) in [(-1.0, Kind::Drop), (1.0, Kind::Surge)] {
        let (mut sum, mut from) = (0.0, 0);
        for &(until, observed, expected) in &windows {
            let away = sign * distance(observed, expected) / spread.at(until, expected);
            if sum <= 0.0 {
                from = until - 1;
            }
            sum = (sum + away.min(HOUR_AT_MOST) - SLACK).max(0.0);
            if sum > ADDED_UP {
                alarms.push(Alarm { from, until, kind, severity: Severity::Low, strength: 1.0 });
                sum = 0.0;
            }
        }
    }
    alarms
}

/// Quiet hours: of all windows of 1 to 24 hours that end with an hour, the unlikeliest.
fn quiet(sums: &Sums) -> Vec<Alarm> {
    let lengths = 1..=QUIET_HOURS.min(sums.hours());
    let dispersion: Vec<f64> = lengths.map(|hours| dispersion(sums, hours)).collect();
    let mut alarms = Vec::new();
    for until in 1..=sums.hours() {
        // What nobody saw says nothing new.
        if sums.seen[until] == sums.seen[until - 1] {
            continue;
        }
        let candidates = dispersion.iter().take(until).zip(1..).filter_map(|(dispersion, hours)| {
            let from = until - hours;
            let (observed, expected) = sums.quiet_window(from, until)?;
            let (kind, chance, limit) = verdict(observed, expected, *dispersion)?;
            let severity = if chance < QUIET_GRAVE { Severity::High } else { Severity::Low };
            (chance < limit).then(|| Alarm {
                from,
                until,
                kind,
                severity,
                strength: chance.max(1e-300).ln() / limit.ln(),
            })
        });
        alarms.extend(candidates.max_by(|a, b| a.strength.total_cmp(&b.strength)));
    }
    alarms
}

/// By how much counts of quiet windows vary more than those of independent customers would: at least 1.
fn dispersion(sums: &Sums, hours: usize) -> f64 {
    let windows = (hours..=sums.hours()).filter_map(|until| sums.quiet_window(until - hours, until));
    // Where less than one is expected, counts are 0 or not, and their distances say nothing of how they vary.
    let mut squares: Vec<f64> = windows
        .filter(|(_, expected)| *expected >= 1.0)
        .map(|(observed, expected)| distance(observed, expected).powi(2))
        .collect();
    if squares.len() < DISPERSION_FROM { DISPERSION_UNKNOWN } else { (median(&mut squares) / MEDIAN_SQUARE).max(1.0) }
}

/// What a quiet window looks like, how unlikely it is, and the chance below which that is an alarm; `None` if a look says that it is nothing.
fn verdict(observed: f64, expected: f64, dispersion: f64) -> Option<(Kind, f64, f64)> {
    let away = distance(observed, expected) / dispersion.sqrt();
    if (-PLAIN..PLAIN).contains(&away) {
        return None;
    }
    let (counted, awaited) = (observed / dispersion, expected / dispersion);
    if away > 0.0 {
        return (observed >= SURGE_MIN).then(|| (Kind::Surge, tail::at_least(counted, awaited), QUIET_SURGE));
    }
    let kind = if observed <= OUTAGE_SHARE * expected { Kind::Outage } else { Kind::Drop };
    Some((kind, tail::at_most(counted, awaited), QUIET_DROP))
}

/// Makes one finding of all alarms that are not more than [`TOGETHER`] apart: the gravest and then the strongest says what it is.
fn collapse(mut alarms: Vec<Alarm>, sums: &Sums) -> Vec<Finding> {
    alarms.sort_by_key(|alarm| alarm.from);
    let mut together: Vec<Alarm> = Vec::new();
    for alarm in alarms {
        match together.last_mut().filter(|last| alarm.from <= last.until + TOGETHER) {
            Some(last) => {
                let is_first = (alarm.severity, alarm.strength) <= (last.severity, last.strength);
                let said = if is_first { *last } else { alarm };
                *last = Alarm { from: last.from, until: last.until.max(alarm.until), ..said };
            }
            None => together.push(alarm),
        }
    }
    together
        .into_iter()
        .map(|Alarm { from, until, kind, severity, .. }| {
            let (observed, expected, _) = sums.between(from, until);
            Finding { from, until, kind, severity, observed, expected }
        })
        .collect()
}

/// The hours that are looked at for failed logins, with the chance below which they are a burst. Twelve are for who tries slowly.
const BURST_HOURS: [(usize, Severity); 3] = [(1, Severity::High), (3, Severity::High), (12, Severity::Low)];
const BURST_BELOW: f64 = 2e-4;
/// So many failures are nothing, wherever it is: somebody mistyped a password.
const BURST_MIN: f64 = 5.0;
/// Below so many an hour nothing is known of what is usual: one in two days.
const USUAL_MIN: f64 = 0.02;

/// Whether failed logins of the last hours (the latest one last) are too many beside their usual number an hour. It says which hours.
pub fn burst(last_hours: &[f64], usual_an_hour: f64) -> Option<Finding> {
    let until = last_hours.len();
    let usual = if usual_an_hour > USUAL_MIN { usual_an_hour } else { USUAL_MIN };
    BURST_HOURS.into_iter().filter(|(hours, _)| *hours <= until).find_map(|(hours, severity)| {
        let from = until - hours;
        let observed: f64 = last_hours[from..].iter().sum();
        let expected = usual * to_float(hours);
        let is_burst = observed >= BURST_MIN && tail::at_least(observed, expected) < BURST_BELOW;
        is_burst.then_some(Finding { from, until, kind: Kind::Burst, severity, observed, expected })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight weeks of a place with a day and a night, whose counts are 10 % above or below what is expected in turn, and not in step with the day.
    fn place(by_day: f64, by_night: f64) -> (Vec<Option<f64>>, Vec<f64>) {
        let expected: Vec<f64> = (0..8 * 168).map(|at| if at % 24 < 7 { by_night } else { by_day }).collect();
        let noisy = |(at, expected): (usize, &f64)| Some((expected * if at % 5 < 3 { 1.1 } else { 0.9 }).round());
        (expected.iter().enumerate().map(noisy).collect(), expected)
    }

    fn scaled(actual: &mut [Option<f64>], share: f64) {
        actual.iter_mut().flatten().for_each(|value| *value = (*value * share).floor());
    }

    #[test]
    fn as_expected_is_nothing() {
        for (by_day, by_night) in [(200.0, 20.0), (10.0, 1.0), (1.0, 0.0)] {
            let (actual, expected) = place(by_day, by_night);
            assert_eq!(scan(&actual, &expected), []);
        }
        assert_eq!(scan(&[], &[]), []);
        assert_eq!(scan(&[Some(1.0)], &[]), []);
    }

    #[test]
    fn an_outage_is_found_and_named() {
        let (mut actual, expected) = place(200.0, 20.0);
        // From noon to six.
        scaled(&mut actual[1020..1026], 0.02);
        let found = scan(&actual, &expected);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].severity), (Kind::Outage, Severity::High));
        assert!((1018..=1020).contains(&found[0].from) && (1026..=1029).contains(&found[0].until), "{found:?}");
        assert!(found[0].observed < found[0].expected / 2.0);
        // It could be told after three hours.
        assert_eq!(scan(&actual[..1023], &expected).last().map(|finding| finding.kind), Some(Kind::Outage));
    }

    #[test]
    fn an_outage_in_a_quiet_place_takes_longer() {
        let (mut actual, expected) = place(3.0, 1.0);
        scaled(&mut actual[1020..1026], 0.0);
        assert_eq!(scan(&actual[..1022], &expected), []);
        let found = scan(&actual[..1026], &expected);
        assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Outage]);
    }

    #[test]
    fn a_surge_is_not_a_drop() {
        let (mut actual, expected) = place(200.0, 20.0);
        scaled(&mut actual[1020..1023], 3.0);
        let found = scan(&actual, &expected);
        assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Surge]);
        assert!(found[0].observed > found[0].expected);
    }

    #[test]
    fn a_slight_loss_that_lasts_adds_up() {
        let (mut actual, expected) = place(200.0, 40.0);
        scaled(&mut actual[1000..1048], 0.75);
        let found = scan(&actual, &expected);
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|finding| (finding.kind, finding.severity) == (Kind::Drop, Severity::Low)),
            "{found:?}"
        );
    }

    #[test]
    fn hours_that_nobody_saw_are_no_outage() {
        let (mut actual, expected) = place(200.0, 20.0);
        actual[1000..1030].fill(None);
        assert_eq!(scan(&actual, &expected), []);
        let (mut quiet, expected) = place(3.0, 1.0);
        quiet[1000..1030].fill(None);
        assert_eq!(scan(&quiet, &expected), []);
    }

    #[test]
    fn what_is_near_is_one_finding_and_what_is_far_is_two() {
        let (mut near, expected) = place(200.0, 100.0);
        let mut far = near.clone();
        for hour in [1000, 1006] {
            scaled(&mut near[hour..hour + 3], 0.0);
        }
        for hour in [1000, 1040] {
            scaled(&mut far[hour..hour + 3], 0.0);
        }
        assert_eq!((scan(&near, &expected).len(), scan(&far, &expected).len()), (1, 2));
    }

    #[test]
    fn a_place_that_was_just_opened_is_judged_mildly() {
        // Two days, and what is expected of them is a third too much throughout: no more is known of a new place.
        let (mut actual, expected) = place(60.0, 10.0);
        scaled(&mut actual[..48], 0.7);
        assert!(scan(&actual[..12], &expected).is_empty());
        scaled(&mut actual[24..30], 0.0);
        assert!(scan(&actual[..36], &expected).iter().any(|finding| finding.kind == Kind::Outage));
    }

    #[test]
    fn a_burst_is_told_by_its_hours() {
        let mut hours = vec![0.0; 12];
        assert_eq!(burst(&hours, 0.5), None);
        hours[11] = 6.0;
        let quick = burst(&hours, 0.5).expect("six in an hour where one in two is usual");
        assert_eq!((quick.from, quick.until, quick.kind, quick.severity), (11, 12, Kind::Burst, Severity::High));
        assert_eq!((quick.observed, quick.expected), (6.0, 0.5));
        assert_eq!(burst(&hours, 6.0), None, "usual there");
        let slow = burst(&[2.0; 12], 0.5).expect("two an hour for half a day");
        assert_eq!((slow.from, slow.severity), (0, Severity::Low));
    }

    #[test]
    fn a_typing_error_is_no_burst_anywhere() {
        assert_eq!(burst(&[4.0], 0.0), None);
        assert!(burst(&[5.0], 0.0).is_some());
        assert_eq!(burst(&[], 1.0), None);
        assert_eq!(burst(&[100.0], f64::INFINITY), None);
        assert!(burst(&[100.0], f64::NAN).is_some());
    }
}
