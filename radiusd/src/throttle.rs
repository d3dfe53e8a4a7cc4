//! Log lines about packets that anyone can send are limited: one a reason and period, with a count of what was
//! left out. The counters in the metrics count every one.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// At most one line a reason in this time.
const PERIOD: Duration = Duration::from_secs(10);

/// Remembers when each reason was last logged. Reasons are fixed words of ours, so the map is bounded.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    reasons: Mutex<HashMap<&'static str, Seen>>,
}

#[derive(Debug)]
struct Seen {
    logged: Duration,
    suppressed: u64,
}

impl Throttle {
    /// `Some(suppressed)`: log now, and so many were not logged since the last time. `None`: be silent.
    pub(crate) fn permit(&self, reason: &'static str, now: Duration) -> Option<u64> {
        let mut reasons = self.reasons.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match reasons.get_mut(reason) {
            None => {
                reasons.insert(reason, Seen { logged: now, suppressed: 0 });
                Some(0)
            }
            Some(seen) if now.saturating_sub(seen.logged) >= PERIOD => {
                seen.logged = now;
                Some(std::mem::take(&mut seen.suppressed))
            }
            Some(seen) => {
                seen.suppressed += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_reason_and_period_with_the_count_of_the_rest() {
        let throttle = Throttle::default();
        let at = Duration::from_secs;
        assert_eq!(throttle.permit("a", at(100)), Some(0));
        assert_eq!(throttle.permit("a", at(101)), None);
        assert_eq!(throttle.permit("b", at(101)), Some(0));
        assert_eq!(throttle.permit("a", at(109)), None);
        assert_eq!(throttle.permit("a", at(110)), Some(2));
        assert_eq!(throttle.permit("a", at(120)), Some(0));
    }
}
