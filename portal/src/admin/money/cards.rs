//! What somebody should look at of payments by card: money that could not go back, and payments that banks take back. Each with a
//! sentence that says what happened, and what to do. It is done in Stripe's dashboard, or with `portal money refund`.

use shared::time::OffsetDateTime;
use store::dispute::{self, Access, State};
use store::refund;

use crate::App;
use crate::admin::Refusal;
use crate::admin::words::{self, Said, Tone, said};

/// How many of each are shown.
const SHOWN: u32 = 100;

/// A refund or a dispute.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) when: String,
    pub(super) order: String,
    pub(super) amount: String,
    pub(super) state: Said,
    /// What happened, and what to do.
    pub(super) why: String,
}

/// All of them: disputes first, which have a date by which they must be answered.
pub(super) async fn rows(app: &App, now: OffsetDateTime) -> Result<Vec<Row>, Refusal> {
    let disputes = dispute::list(&app.db, SHOWN, now).await?;
    let refunds = refund::list(&app.db, SHOWN).await?;
    let disputes = disputes.into_iter().map(|one| disputed(one, now));
    Ok(disputes.chain(refunds.into_iter().map(|one| given_back(one, now))).collect())
}

fn disputed(dispute: dispute::Listed, now: OffsetDateTime) -> Row {
    let (state, what) = match dispute.state {
        State::Inquiry => (
            said(Tone::Busy, "the bank asks"),
            "Nothing was taken yet. Answer it in Stripe’s dashboard, or give the money back.",
        ),
        State::Open => (
            said(Tone::Bad, "disputed"),
            "The bank has taken the money. Answer it in Stripe’s dashboard by the day that stands there.",
        ),
        State::Won => (said(Tone::Good, "dispute won"), "The money is yours, and is booked back."),
        State::Lost => (said(Tone::Plain, "dispute lost"), "The customer has the money."),
    };
    let access = match dispute.access {
        Some(Access::Ended) => " What it bought has ended.",
        Some(Access::Kept) => {
            " What it bought is one with what other orders bought, and goes on: take back what you can under Sessions."
        }
        None => "",
    };
    let reason = dispute.reason.replace('_', " ");
    Row {
        when: words::ago(dispute.created_at, now),
        order: dispute.order,
        amount: dispute.amount.to_string(),
        state,
        why: format!("The bank says: {reason}. {what}{access}"),
    }
}

fn given_back(refund: refund::Listed, now: OffsetDateTime) -> Row {
    let order = &refund.order;
    let reason = refund.reason.replace('_', " ");
    let (state, why) = match (refund.state.as_str(), refund.is_tried_again) {
        ("failed", _) => (
            said(Tone::Bad, "could not go back"),
            format!(
                "The card did not take it ({reason}), so the customer is still owed the money. Ask the customer for another way, or try \
                 once more: portal money refund {order}"
            ),
        ),
        ("refused", _) => (
            said(Tone::Bad, "could not go back"),
            format!(
                "Stripe does not do it ({reason}), so the customer is still owed the money. Try again: portal money refund {order}"
            ),
        ),
        ("unknown", false) => (
            said(Tone::Bad, "not known"),
            "It was not known for a day whether it went back. Look for it in Stripe’s dashboard.".to_owned(),
        ),
        ("pending", _) => {
            (said(Tone::Busy, "on its way"), "Stripe has taken it and says later whether the card has it.".to_owned())
        }
        _ => (said(Tone::Busy, "on its way"), "It is tried until it is known what became of it.".to_owned()),
    };
    Row { when: words::ago(refund.created_at, now), amount: refund.amount.to_string(), state, why, order: refund.order }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn refund(state: &str) -> refund::Listed {
        refund::Listed {
            id: Uuid::nil(),
            order: "AB2CD3EF".into(),
            amount: Money::kes(2_000),
            state: state.into(),
            reason: HOSTILE.into(),
            is_tried_again: false,
            asked_by: HOSTILE.into(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn dispute(state: State, access: Option<Access>) -> dispute::Listed {
        dispute::Listed {
            reference: "dp_1".into(),
            order: "AB2CD3EF".into(),
            amount: Money::kes(2_000),
            reason: HOSTILE.into(),
            state,
            access,
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    pub(in crate::admin::money) fn samples() -> Vec<Row> {
        let now = OffsetDateTime::UNIX_EPOCH;
        let refunds =
            ["failed", "refused", "unknown", "pending", "created"].map(|state| given_back(refund(state), now));
        let disputes = [
            dispute(State::Inquiry, None),
            dispute(State::Open, Some(Access::Ended)),
            dispute(State::Won, Some(Access::Kept)),
            dispute(State::Lost, None),
        ];
        disputes.map(|one| disputed(one, now)).into_iter().chain(refunds).collect()
    }

    #[test]
    fn what_a_person_must_look_at_stands_out_and_says_what_to_do() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for state in ["failed", "refused"] {
            let row = given_back(refund(state), now);
            assert_eq!(row.state.tone, Tone::Bad, "{state}");
            assert!(row.why.contains("still owed") && row.why.contains("portal money refund AB2CD3EF"), "{}", row.why);
        }
        assert_eq!(given_back(refund("pending"), now).state.tone, Tone::Busy);
        let open = disputed(dispute(State::Open, Some(Access::Ended)), now);
        assert!(open.state.tone == Tone::Bad && open.why.contains("What it bought has ended"), "{}", open.why);
        assert!(disputed(dispute(State::Won, Some(Access::Kept)), now).why.contains("goes on"));
    }
}
