//! What to make of an answer to a command, or of none: whether the session is gone, and when to ask again.
//!
//! A refusal says by its Error-Cause (RFC 5176 §3.5) whether asking again can help. Where it cannot, the command stays on
//! the operator's list, is counted, and is sent again only when somebody asks for it, or at most once in
//! [`REFUSED_PAUSE`] to a router that is still heard from: its settings may have been mended. Where it can, it is sent
//! again as a new request with a new Identifier, [`MAX_REFUSALS`] times.

use std::time::Duration;

use radius_proto::attribute::rfc5176::error_cause;
use radius_proto::dynauth::{NakMeaning, classify};
use shared::time::OffsetDateTime;
use store::command::{Again, Answer};

/// An acknowledged cut whose Stop has not come by then is asked for again.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);
/// First wait before a refused or unanswered command is tried again; doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_secs(15);
const RETRY_LAST: Duration = Duration::from_secs(900);
/// A refusal that asks for patience is tried again so often; with the waits above that is half an hour.
const MAX_REFUSALS: u32 = 7;
/// A refusal that will not change is tried again no sooner.
const REFUSED_PAUSE: Duration = Duration::from_secs(3600);

/// What a NAK says of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// It is not there.
    Surely,
    /// It is not there, if no report of it comes either.
    IfSilent,
    /// Nothing: the router cannot or will not.
    No,
}

/// RouterOS answers 406 for a session that it does not know, and also where it cannot do what is asked. It is believed
/// only of a router that has acknowledged a command before, and only while the session itself is silent: a guest who is
/// still online must stay on the list.
pub(super) fn is_gone(cause: Option<u32>, acknowledged_before: bool) -> Gone {
    match classify(cause) {
        NakMeaning::SessionGone => Gone::Surely,
        _ if cause == Some(error_cause::UNSUPPORTED_EXTENSION) && acknowledged_before => Gone::IfSilent,
        _ => Gone::No,
    }
}

/// When a command that got this answer at its `attempts`th sending comes up again. `silence` is how long a session must
/// not be heard of before it is believed to be gone.
pub(super) fn again(
    answer: Answer,
    acknowledged_before: bool,
    attempts: u32,
    silence: Duration,
    now: OffsetDateTime,
) -> Again {
    let cause = match answer {
        Answer::Acknowledged => return Again::At(now + PROOF_PATIENCE),
        Answer::Unanswered => return Again::At(now + retry_after(attempts)),
        Answer::Refused { error_cause } => error_cause,
    };
    let wait = match (is_gone(cause, acknowledged_before), classify(cause)) {
        // Not closed: PostgreSQL was away.
        (Gone::Surely, _) => return Again::At(now + retry_after(attempts)),
        // It was reported a moment ago: its silence will tell.
        (Gone::IfSilent, _) => retry_after(attempts).max(silence.min(RETRY_LAST)),
        (Gone::No, NakMeaning::RetryLater | NakMeaning::AddAttributes) => retry_after(attempts),
        (Gone::No, _) => return Again::IfHeard(now + REFUSED_PAUSE),
    };
    if attempts < MAX_REFUSALS { Again::At(now + wait) } else { Again::IfHeard(now + REFUSED_PAUSE) }
}

/// Whether CoA has come to its end for now with a cut that got this answer: it is not answered, refused for good, or refused in a
/// way that may mean that there is no such session.
pub(super) fn is_stuck(answer: Answer, acknowledged_before: bool, again: Again) -> bool {
    match answer {
        Answer::Acknowledged => false,
        Answer::Unanswered => true,
        Answer::Refused { error_cause } => {
            matches!(again, Again::IfHeard(_)) || is_gone(error_cause, acknowledged_before) == Gone::IfSilent
        }
    }
}

fn retry_after(attempts: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(RETRY_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const SILENCE: Duration = Duration::from_secs(150);

    fn after(cause: Option<u32>, acknowledged_before: bool, attempts: u32) -> Again {
        again(Answer::Refused { error_cause: cause }, acknowledged_before, attempts, SILENCE, NOW)
    }

    fn at(seconds: u64) -> Again {
        Again::At(NOW + Duration::from_secs(seconds))
    }

    #[test]
    fn a_nak_means_gone_only_where_that_can_be_believed() {
        assert_eq!(is_gone(Some(503), false), Gone::Surely);
        assert_eq!(is_gone(Some(406), false), Gone::No);
        assert_eq!(is_gone(Some(406), true), Gone::IfSilent);
        for cause in [None, Some(401), Some(404), Some(501), Some(506)] {
            assert_eq!(is_gone(cause, true), Gone::No, "{cause:?}");
        }
    }

    #[test]
    fn a_refusal_that_will_not_change_is_not_asked_again_blindly() {
        // None and 2xx in a NAK break the protocol; 507 answers what is never sent.
        let causes = [None, Some(201), Some(401), Some(402), Some(403), Some(404), Some(405), Some(406), Some(407)];
        for cause in causes.into_iter().chain([Some(501), Some(504), Some(507)]) {
            assert_eq!(after(cause, false, 1), Again::IfHeard(NOW + REFUSED_PAUSE), "{cause:?}");
        }
    }

    #[test]
    fn a_refusal_that_asks_for_patience_is_tried_again_a_bounded_number_of_times() {
        for cause in [502, 505, 506, 508] {
            assert_eq!(after(Some(cause), false, 1), at(15), "{cause}");
            assert_eq!(after(Some(cause), false, 6), at(480), "{cause}");
            assert_eq!(after(Some(cause), false, 7), Again::IfHeard(NOW + REFUSED_PAUSE), "{cause}");
        }
    }

    #[test]
    fn a_session_that_may_be_gone_is_asked_for_when_it_has_been_silent() {
        assert_eq!(after(Some(406), true, 1), at(150));
        assert_eq!(after(Some(406), true, 6), at(480));
        assert_eq!(after(Some(406), true, 7), Again::IfHeard(NOW + REFUSED_PAUSE));
        assert_eq!(after(Some(503), true, 9), at(900), "closing it failed: the database was away");
    }

    #[test]
    fn a_cut_is_stuck_when_asking_again_soon_is_of_no_use() {
        let stuck = |answer, acknowledged_before| {
            is_stuck(answer, acknowledged_before, again(answer, acknowledged_before, 1, SILENCE, NOW))
        };
        let refused = |cause| Answer::Refused { error_cause: Some(cause) };
        assert!(!stuck(Answer::Acknowledged, true), "its Stop may be on its way");
        assert!(stuck(Answer::Unanswered, false) && stuck(refused(401), true));
        assert!(stuck(refused(406), false) && stuck(refused(406), true));
        assert!(!stuck(refused(503), false) && !stuck(refused(506), false));
    }

    #[test]
    fn no_answer_is_never_an_end_and_waits_double_up_to_a_bound() {
        let waits = [1, 2, 3, 7, 8, 99].map(|attempts| again(Answer::Unanswered, false, attempts, SILENCE, NOW));
        assert_eq!(waits, [15, 30, 60, 900, 900, 900].map(at));
        assert_eq!(again(Answer::Acknowledged, false, 1, SILENCE, NOW), at(30), "an ACK without a Stop is no proof");
    }
}
