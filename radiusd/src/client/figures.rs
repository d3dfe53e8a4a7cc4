//! What is counted of one router since this server started, for the desk's page of that router: answers, refusals by reason, and how long
//! answers took.
//!
//! A packet costs two or three additions here. What happened in the last minute is the difference of two looks at the counters, taken
//! by whoever ticks; the metrics have the same for all routers together, over any time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use radius_proto::Code;
use serde::Serialize;

/// How far two looks are apart.
const WINDOW: Duration = Duration::from_secs(60);

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    accepts: AtomicU64,
    rejects: AtomicU64,
    accounting: AtomicU64,
    /// Of accepts and accounting: a reject is held back on purpose.
    took_us: AtomicU64,
    /// Bounded: reasons are words of ours.
    reasons: Mutex<BTreeMap<&'static str, u64>>,
    looks: Mutex<Looks>,
}

/// The counters at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Totals {
    accepts: u64,
    rejects: u64,
    accounting: u64,
    took_us: u64,
}

#[derive(Debug, Default)]
struct Looks {
    /// The last look, and when that was.
    at: Option<(Duration, Totals)>,
    minute: Option<Minute>,
}

/// What happened in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Minute {
    /// Logins that were answered.
    pub(crate) logins: u64,
    /// Accounting reports that were answered.
    pub(crate) accounting: u64,
    /// How long an answer took on average, microseconds; `None`: nothing was answered at once.
    pub(crate) took_us: Option<u64>,
}

/// All of it, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Shown {
    accepts: u64,
    rejects: u64,
    accounting: u64,
    rejects_by_reason: BTreeMap<&'static str, u64>,
    last_minute: Option<Minute>,
}

impl Figures {
    /// An answer was given, so long after its request came.
    pub(crate) fn answered(&self, code: Code, took: Duration) {
        let (counter, counts_time) = match code {
            Code::AccessAccept => (&self.accepts, true),
            Code::AccessReject => (&self.rejects, false),
            Code::AccountingResponse => (&self.accounting, true),
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if counts_time {
            self.took_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// A login was refused for this reason.
    pub(crate) fn refused(&self, reason: &'static str) {
        *self.reasons.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Takes a look, if it is time for one.
    pub(crate) fn tick(&self, now: Duration) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = self.totals();
        match looks.at {
            Some((at, before)) if now.saturating_sub(at) >= WINDOW => {
                looks.minute = Some(totals.since(before));
                looks.at = Some((now, totals));
            }
            Some(_) => {}
            None => looks.at = Some((now, totals)),
        }
    }

    /// All of it.
    pub(crate) fn shown(&self) -> Shown {
        let Totals { accepts, rejects, accounting, .. } = self.totals();
        Shown {
            accepts,
            rejects,
            accounting,
            rejects_by_reason: self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            last_minute: self.looks.lock().unwrap_or_else(PoisonError::into_inner).minute,
        }
    }

    fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            accepts: read(&self.accepts),
            rejects: read(&self.rejects),
            accounting: read(&self.accounting),
            took_us: read(&self.took_us),
        }
    }
}

impl Totals {
    fn since(self, before: Totals) -> Minute {
        let accepts = self.accepts.saturating_sub(before.accepts);
        let accounting = self.accounting.saturating_sub(before.accounting);
        Minute {
            logins: accepts + self.rejects.saturating_sub(before.rejects),
            accounting,
            took_us: self.took_us.saturating_sub(before.took_us).checked_div(accepts + accounting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_minute_is_what_came_between_two_looks() {
        let figures = Figures::default();
        figures.answered(Code::AccessAccept, Duration::from_micros(900));
        figures.tick(seconds(0));
        assert_eq!(figures.shown().last_minute, None, "one look is no minute");
        figures.answered(Code::AccessAccept, Duration::from_micros(100));
        figures.answered(Code::AccountingResponse, Duration::from_micros(300));
        figures.answered(Code::AccessReject, seconds(1));
        figures.refused("bad_password");
        figures.tick(seconds(59));
        assert_eq!(figures.shown().last_minute, None);
        figures.tick(seconds(60));
        let shown = figures.shown();
        assert_eq!(shown.last_minute, Some(Minute { logins: 2, accounting: 1, took_us: Some(200) }));
        assert_eq!((shown.accepts, shown.rejects, shown.accounting), (2, 1, 1));
        assert_eq!(shown.rejects_by_reason, BTreeMap::from([("bad_password", 1)]));
        figures.tick(seconds(120));
        let quiet = Minute { logins: 0, accounting: 0, took_us: None };
        assert_eq!(figures.shown().last_minute, Some(quiet));
    }
}
