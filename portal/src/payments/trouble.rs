//! Whether M-Pesa fails for everybody just now: then guests are told before they try, and what they can do instead.
//!
//! ```text
//!  payments of the last minutes, of all portals ──► weigh (a customer counts once) ──► is_in_trouble ──► pages, metric
//!                                                                                         ▲    │ what was decided last
//!                                                                                         └────┘
//! ```
//!
//! A provider that cannot be reached, breaks off or never says how a prompt ended has failed; a customer who cancels, mistypes the PIN
//! or has no money proves that it works. A phone that nobody answers proves neither: many of them, and nobody who answers, mean that
//! prompts do not arrive.
//!
//! Trouble begins with several customers and ends with fewer failures than it began with, so that it does not flicker; with some who could pay
//! after the last failure; or with nobody who tries, since what is not tried proves nothing. Nothing is refused here: whoever
//! wants to try all the same may.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::time::OffsetDateTime;
use store::StoreError;
use store::payment::{self, Recent};
use uuid::Uuid;

use super::MPESA;
use super::reason::Reason;
use crate::App;

/// How far back attempts count.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Attempts that are looked at, at most: enough for a share, and a bound on a busy evening.
const LOOKED_AT: u32 = 200;
/// A prompt without any word for so long counts as one that nobody answered. M-Pesa waits for the PIN for about a minute.
const NO_WORD: Duration = Duration::from_secs(90);
/// A request of which nobody knows whether M-Pesa heard it counts as failed after this.
const NO_ANSWER: Duration = Duration::from_secs(20);

/// Customers for whom it must have failed before it is called trouble: two may have the same broken phone line.
const BEGINS_WITH: u32 = 3;
/// Hundredths of the customers for whom it must have failed.
const BEGINS_SHARE: u32 = 50;
/// Hundredths below which it is over.
const ENDS_SHARE: u32 = 25;
/// Customers whose prompts nobody answered, with none who did, that are trouble too.
const SILENT: u32 = 6;
/// Customers who could decide after the last failure, by whom it is over at once.
const OVER_WITH: u32 = 3;

/// What this process knows of it.
#[derive(Debug, Default)]
pub(crate) struct Trouble(AtomicBool);

impl Trouble {
    /// Whether M-Pesa is in trouble.
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Looks at the last minutes, and decides anew.
pub(crate) async fn watch(app: &App) -> Result<(), StoreError> {
    if app.mpesa.is_none() {
        return Ok(());
    }
    let now = app.clock.now();
    let recent = payment::recent(&app.db, MPESA, now - WINDOW, LOOKED_AT).await?;
    let evidence = weigh(&recent, now);
    let (before, is_on) = (app.trouble.is_on(), is_in_trouble(app.trouble.is_on(), evidence));
    if before != is_on {
        let Evidence { failed, silent, answered, .. } = evidence;
        tracing::warn!(
            provider = MPESA,
            trouble = is_on,
            failed,
            silent,
            answered,
            "a provider's trouble begins or is over"
        );
    }
    app.trouble.0.store(is_on, Ordering::Relaxed);
    app.metrics.trouble.with_label_values(&[MPESA]).set(i64::from(is_on));
    Ok(())
}

/// Whether a provider is in trouble, by what was decided `before`. A page for a card may stay open as long as it likes, so that nobody
/// has answered it yet proves nothing.
pub(crate) async fn of_provider(app: &App, provider: &str, before: bool) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let evidence = weigh(&payment::recent(&app.db, provider, now - WINDOW, LOOKED_AT).await?, now);
    let silent = if provider == MPESA { evidence.silent } else { 0 };
    Ok(is_in_trouble(before, Evidence { silent, ..evidence }))
}

/// Customers by how their newest attempt went.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Evidence {
    /// The provider has failed.
    failed: u32,
    /// Nobody answered the phone.
    silent: u32,
    /// The customer, or M-Pesa about the customer, has decided.
    answered: u32,
    /// The same, of attempts that began after the last failure.
    answered_since: u32,
}

/// What one attempt proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proof {
    Failed,
    Silent,
    Answered,
}

/// What an attempt proves; `None`: nothing yet.
fn proof(attempt: &Recent, now: OffsetDateTime) -> Option<Proof> {
    let age = now - attempt.began_at;
    match attempt.state.as_str() {
        "succeeded" | "confirming" => Some(Proof::Answered),
        "created" | "unknown" => (age > NO_ANSWER).then_some(Proof::Failed),
        "prompted" => (age > NO_WORD).then_some(Proof::Silent),
        "failed" => of_reason(Reason::of(&attempt.code)),
        _ => None,
    }
}

fn of_reason(reason: Reason) -> Option<Proof> {
    match reason {
        Reason::SystemBusy | Reason::PushError | Reason::Unreachable | Reason::Throttled | Reason::NoNews => {
            Some(Proof::Failed)
        }
        // Our own mistake, and nobody can pay all the same.
        Reason::Credentials | Reason::Misconfigured => Some(Proof::Failed),
        Reason::NoAnswer | Reason::Expired => Some(Proof::Silent),
        Reason::NoFunds | Reason::Cancelled | Reason::WrongPin | Reason::OverLimit => Some(Proof::Answered),
        // About one line, one price, one rule, or a card: about M-Pesa as a whole it says nothing.
        Reason::LineBusy | Reason::RuleLimited | Reason::Rejected | Reason::Unlisted => None,
        Reason::Declined | Reason::PageClosed => None,
    }
}

/// Counts each customer once, by the newest attempt that proves something: who tries ten times is not ten people.
fn weigh(newest_first: &[Recent], now: OffsetDateTime) -> Evidence {
    let mut by_customer: HashMap<Uuid, (Proof, OffsetDateTime)> = HashMap::new();
    for attempt in newest_first {
        if let Some(proof) = proof(attempt, now) {
            by_customer.entry(attempt.customer).or_insert((proof, attempt.began_at));
        }
    }
    let last_failure = by_customer.values().filter(|(proof, _)| *proof == Proof::Failed).map(|(_, at)| *at).max();
    let mut evidence = Evidence::default();
    for (proof, at) in by_customer.into_values() {
        match proof {
            Proof::Failed => evidence.failed += 1,
            Proof::Silent => evidence.silent += 1,
            Proof::Answered => {
                evidence.answered += 1;
                evidence.answered_since += u32::from(last_failure.is_none_or(|failure| at > failure));
            }
        }
    }
    evidence
}

/// Whether it is in trouble, by what was decided `before` and what is known now.
fn is_in_trouble(before: bool, evidence: Evidence) -> bool {
    let Evidence { failed, silent, answered, answered_since } = evidence;
    let share = |hundredths: u32| failed * 100 >= (failed + answered) * hundredths;
    let nobody_answers = silent >= SILENT && answered == 0;
    if answered_since >= OVER_WITH {
        return false;
    }
    match before {
        false => (failed >= BEGINS_WITH && share(BEGINS_SHARE)) || nobody_answers,
        true => (failed > 0 && share(ENDS_SHARE)) || (silent > 0 && answered == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).expect("in range")
    }

    fn attempt(customer: u128, state: &str, code: &str, seconds: i64) -> Recent {
        Recent { customer: Uuid::from_u128(customer), state: state.into(), code: code.into(), began_at: at(seconds) }
    }

    #[test]
    fn an_attempt_proves_what_it_can() {
        for (state, code, age, expected) in [
            ("succeeded", "0", 5, Some(Proof::Answered)),
            ("confirming", "", 5, Some(Proof::Answered)),
            ("created", "", 5, None),
            ("created", "", 21, Some(Proof::Failed)),
            ("unknown", "", 60, Some(Proof::Failed)),
            ("prompted", "", 60, None),
            ("prompted", "", 91, Some(Proof::Silent)),
            ("failed", "unreachable", 5, Some(Proof::Failed)),
            ("failed", "26", 5, Some(Proof::Failed)),
            ("failed", "1025", 5, Some(Proof::Failed)),
            ("failed", "credentials", 5, Some(Proof::Failed)),
            ("failed", "1037", 5, Some(Proof::Silent)),
            ("failed", "1032", 5, Some(Proof::Answered)),
            ("failed", "2001", 5, Some(Proof::Answered)),
            ("failed", "1", 5, Some(Proof::Answered)),
            ("failed", "1001", 5, None),
            ("failed", "17", 5, None),
            ("failed", "4242", 5, None),
        ] {
            assert_eq!(proof(&attempt(1, state, code, -age), at(0)), expected, "{state} {code} after {age} s");
        }
    }

    #[test]
    fn who_tries_often_is_one_customer() {
        let tries: Vec<Recent> = (0..9).map(|number| attempt(1, "failed", "unreachable", -number)).collect();
        assert_eq!(weigh(&tries, at(0)), Evidence { failed: 1, ..Evidence::default() });
        let then_paid: Vec<Recent> = std::iter::once(attempt(1, "succeeded", "0", 1)).chain(tries).collect();
        assert_eq!(weigh(&then_paid, at(2)), Evidence { answered: 1, answered_since: 1, ..Evidence::default() });
        let later =
            [attempt(3, "succeeded", "0", -1), attempt(2, "failed", "26", -5), attempt(1, "failed", "1032", -9)];
        assert_eq!(weigh(&later, at(0)), Evidence { failed: 1, silent: 0, answered: 2, answered_since: 1 });
        assert_eq!(weigh(&[], at(0)), Evidence::default());
    }

    #[test]
    fn trouble_begins_with_several_and_ends_with_few_or_with_those_who_can_pay() {
        // Before; failed, silent, answered, answered since the last failure; after.
        for (before, [failed, silent, answered, answered_since], expected) in [
            // Nothing, and what is usual.
            (false, [0, 0, 0, 0], false),
            (false, [0, 2, 20, 20], false),
            (false, [2, 0, 0, 0], false),
            // Several, and the most of those who tried.
            (false, [3, 0, 0, 0], true),
            (false, [3, 0, 3, 0], true),
            (false, [3, 0, 4, 1], false),
            (false, [10, 0, 2, 2], true),
            // It has been over for a while.
            (false, [10, 0, 3, 3], false),
            // Nobody who could pay for some time, and everybody's phone is silent.
            (false, [0, 5, 0, 0], false),
            (false, [0, 6, 0, 0], true),
            (false, [0, 20, 1, 1], false),
            // What did not begin it does not end it.
            (true, [2, 0, 4, 1], true),
            (true, [1, 0, 3, 2], true),
            (true, [1, 0, 4, 2], false),
            (true, [0, 3, 0, 0], true),
            (true, [0, 3, 1, 1], false),
            // Three could pay after the last failure; or nobody has tried for so long.
            (true, [30, 0, 3, 3], false),
            (true, [0, 0, 0, 0], false),
        ] {
            let evidence = Evidence { failed, silent, answered, answered_since };
            assert_eq!(is_in_trouble(before, evidence), expected, "{before} {evidence:?}");
        }
    }
}
