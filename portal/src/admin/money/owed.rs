//! Orders of which money is owed to customers, those first that have waited longest, so that nobody is forgotten. Each leads to the page of
//! the payment that it came with, from which it is given back.

use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::refund::{self, Owed};

use crate::App;
use crate::admin::Refusal;
use crate::admin::payment;
use crate::admin::words::{self, Said, Tone, said};
use crate::session::Staff;

/// How many are shown.
const SHOWN: u32 = 100;

/// An order of which money is owed.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) since: String,
    pub(super) amount: String,
    pub(super) phone: String,
    pub(super) state: Said,
    /// Why it did not go back, or is not known to have.
    pub(super) reason: String,
    pub(super) order: String,
    /// Where it is given back.
    pub(super) address: String,
}

/// All of them, at the sites of whoever looks.
pub(super) async fn rows(app: &App, staff: &Staff, now: OffsetDateTime) -> Result<Vec<Row>, Refusal> {
    let owed = refund::owed(&app.db, staff.sites(), SHOWN).await?;
    Ok(owed.into_iter().map(|one| row(one, staff.admin.role, now)).collect())
}

fn row(owed: Owed, role: Role, now: OffsetDateTime) -> Row {
    let state = match owed.state.as_deref() {
        Some("created" | "pending") => said(Tone::Busy, "on its way back"),
        Some("unknown") => said(Tone::Bad, "not known whether it went back"),
        Some("failed" | "refused") => said(Tone::Bad, "could not go back"),
        _ => said(Tone::Bad, "to be given back"),
    };
    Row {
        since: words::ago(owed.since, now),
        amount: owed.amount.to_string(),
        phone: owed.phone.map(|phone| words::phone(role, &phone)).unwrap_or_default(),
        state,
        reason: owed.reason.replace('_', " "),
        order: owed.order,
        address: payment::path(owed.payment),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::money::Money;
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn owed(state: Option<&str>) -> Owed {
        Owed {
            order: "AB2CD3EF".into(),
            phone: "0712345678".parse().ok(),
            amount: Money::kes(2_000),
            since: OffsetDateTime::UNIX_EPOCH,
            payment: Uuid::from_u128(7),
            state: state.map(str::to_owned),
            reason: HOSTILE.into(),
        }
    }

    pub(in crate::admin::money) fn samples() -> Vec<Row> {
        let states = [None, Some("created"), Some("unknown"), Some("failed")];
        states.map(|state| row(owed(state), Role::Owner, OffsetDateTime::UNIX_EPOCH)).into()
    }

    #[test]
    fn what_nobody_gives_back_stands_out_and_leads_to_where_it_is_done() {
        let tone = |state| row(owed(state), Role::Owner, OffsetDateTime::UNIX_EPOCH).state.tone;
        assert_eq!((tone(None), tone(Some("done")), tone(Some("failed"))), (Tone::Bad, Tone::Bad, Tone::Bad));
        assert_eq!((tone(Some("created")), tone(Some("pending"))), (Tone::Busy, Tone::Busy));
        let read = row(owed(None), Role::ReadOnly, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((read.phone.as_str(), read.address.starts_with("/admin/payments/pay_")), ("07xx xxx 678", true));
    }
}
