//! Lines that are cut behind a router which still reaches us: its customers are online, and nothing comes to them.
//!
//! What comes to a customer in a second is added up over all sessions of a router, for one interval of their reports at a
//! time. Where that falls to a fiftieth of what is usual there, the line is taken for cut from the interval's beginning on; it
//! is whole again when a fifth of the usual comes. Few sessions, or ones that never use much, tell nothing. What is usual is
//! learned slowly and never from a cut line; a server that has just started has to learn it first, and where two servers
//! share a router's reports each judges by its own part.
//!
//! Nothing here waits or writes: [`crate::ghosts`] asks for what has changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::time::OffsetDateTime;
use store::accounting::Traffic;
use store::outage::Quiet;
use uuid::Uuid;

/// Reports in an interval without which nothing is judged or learned.
const REPORTS_MIN: u32 = 5;
/// Octets a second and session below which a router's customers are too quiet for a cut to be seen.
const USUAL_MIN: f64 = 1000.0;
/// Intervals after which it is known what is usual.
const LEARNED: u32 = 3;
/// The part of the usual below which a line is taken for cut, and from which on it is whole again.
const CUT: f64 = 0.02;
const WHOLE: f64 = 0.2;
/// How much one interval changes what is usual.
const WEIGHT: f64 = 0.2;
/// A line that is quiet for longer is no news any more: what is usual is learned anew.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What is known of the lines.
#[derive(Debug)]
pub(crate) struct Lines {
    interval: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    lines: HashMap<Uuid, Line>,
    changes: Vec<Quiet>,
}

#[derive(Debug)]
struct Line {
    /// Since when what is added up.
    since: OffsetDateTime,
    sum: Traffic,
    /// Octets a second and session.
    usual: f64,
    learned: u32,
    /// Since when it is taken for cut.
    cut_since: Option<OffsetDateTime>,
}

impl Lines {
    /// Of routers whose sessions are reported that often.
    pub(crate) fn new(interval: Duration) -> Lines {
        Lines { interval, known: Mutex::default() }
    }

    /// Takes what a batch of reports has told.
    pub(crate) fn note(&self, traffic: &HashMap<Uuid, Traffic>, now: OffsetDateTime) {
        if traffic.is_empty() {
            return;
        }
        let mut known = self.known();
        let Known { lines, changes } = &mut *known;
        for (nas, told) in traffic {
            let line = lines.entry(*nas).or_insert_with(|| Line::new(now));
            if now - line.since >= self.interval
                && let Some(at) = line.judge(now)
            {
                changes.push(Quiet { nas: *nas, since: at.0, over: at.1 });
            }
            line.sum.add(*told);
        }
    }

    /// What has changed since it was last asked for.
    pub(crate) fn changes(&self) -> Vec<Quiet> {
        std::mem::take(&mut self.known().changes)
    }

    /// Takes changes back that could not be written down.
    pub(crate) fn put_back(&self, mut changes: Vec<Quiet>) {
        let mut known = self.known();
        changes.append(&mut known.changes);
        known.changes = changes;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn new(now: OffsetDateTime) -> Line {
        Line { since: now, sum: Traffic::default(), usual: 0.0, learned: 0, cut_since: None }
    }

    /// Judges the interval that is over, and begins the next one. Returns since when the line is cut, if it is from now on,
    /// and until when it was, if it is whole again.
    fn judge(&mut self, now: OffsetDateTime) -> Option<(OffsetDateTime, Option<OffsetDateTime>)> {
        let (began, sum) = (self.since, std::mem::take(&mut self.sum));
        self.since = now;
        if sum.reports < REPORTS_MIN || sum.seconds == 0 {
            return None;
        }
        let rate = sum.octets as f64 / sum.seconds as f64;
        let is_known = self.learned >= LEARNED && self.usual >= USUAL_MIN;
        match self.cut_since {
            None if is_known && rate < self.usual * CUT => {
                self.cut_since = Some(began);
                Some((began, None))
            }
            Some(since) if rate >= self.usual * WHOLE => {
                self.cut_since = None;
                Some((since, Some(began)))
            }
            Some(since) if now - since > FORGET_AFTER => {
                *self = Line::new(now);
                Some((since, Some(began)))
            }
            Some(_) => None,
            None => {
                self.learned = self.learned.saturating_add(1);
                // The first intervals count alike.
                let weight = WEIGHT.max(1.0 / f64::from(self.learned));
                self.usual += (rate - self.usual) * weight;
                // A server before this one may have taken the line for cut.
                (self.learned == LEARNED && self.usual >= USUAL_MIN).then_some((began, Some(began)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAFE: Uuid = Uuid::from_u128(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// Once it is known what is usual, it is known as well that the line is not cut.
    const WHOLE_AT_FIRST: (u32, Option<u32>) = (2, Some(2));

    fn at(minute: u32) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + MINUTE * minute
    }

    /// What becomes of minutes in which so many sessions were sent so many octets a second each.
    fn story(minutes: &[(u32, u64)]) -> Vec<(u32, Option<u32>)> {
        let lines = Lines::new(MINUTE);
        let mut told = Vec::new();
        let minute =
            |at: OffsetDateTime| u32::try_from((at - OffsetDateTime::UNIX_EPOCH).whole_minutes()).expect("small");
        for (number, (sessions, rate)) in (0..).zip(minutes.iter().chain([&(0, 0)])) {
            for _ in 0..*sessions {
                let traffic = Traffic { octets: rate * 60, seconds: 60, reports: 1 };
                lines.note(&HashMap::from([(CAFE, traffic)]), at(number));
            }
            if *sessions == 0 {
                lines.note(&HashMap::from([(CAFE, Traffic::default())]), at(number));
            }
            told.extend(lines.changes().into_iter().map(|quiet| (minute(quiet.since), quiet.over.map(minute))));
        }
        told
    }

    #[test]
    fn a_cliff_is_a_cut_until_traffic_comes_again() {
        let busy = (10, 20_000);
        assert_eq!(
            story(&[busy, busy, busy, (10, 100), (10, 0), (10, 9_000), busy]),
            [WHOLE_AT_FIRST, (3, None), (3, Some(5))]
        );
        assert_eq!(story(&[busy; 9]), [WHOLE_AT_FIRST]);
    }

    #[test]
    fn an_evening_that_ends_is_none() {
        assert_eq!(
            story(&[(10, 20_000), (10, 20_000), (10, 15_000), (9, 8_000), (8, 3_000), (6, 1_500)]),
            [WHOLE_AT_FIRST]
        );
        assert_eq!(
            story(&[(10, 20_000), (10, 20_000), (10, 20_000), (4, 0), (0, 0)]),
            [WHOLE_AT_FIRST],
            "few sessions tell nothing"
        );
        assert_eq!(story(&[(10, 20_000), (10, 0)]), [], "what is usual is not known yet");
        assert_eq!(story(&[(10, 500), (10, 500), (10, 500), (10, 0)]), [], "customers who use next to nothing");
    }

    #[test]
    fn what_could_not_be_written_down_comes_again_in_order() {
        let lines = Lines::new(MINUTE);
        let quiet = |minute| Quiet { nas: CAFE, since: at(minute), over: None };
        lines.put_back(vec![quiet(2)]);
        lines.put_back(vec![quiet(1)]);
        assert_eq!(lines.changes(), [quiet(1), quiet(2)]);
        assert_eq!(lines.changes(), []);
    }
}
