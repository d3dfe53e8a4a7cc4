//! What stands in the simulator's books, and how it is asked about: what is kept of payments, money that the card did not take, and
//! disputes.

use serde_json::Value;
use time::OffsetDateTime;

use super::super::wire::{self, Fault};
use super::{Register, Session, State};

/// A dispute of a paid session.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// `dp_…`
    pub id: String,
    /// The session.
    pub session: String,
    /// As Stripe says it.
    pub status: &'static str,
    /// Whether the bank has taken the money, and has given it back.
    pub moved: (bool, bool),
}

impl Register {
    /// `GET /v1/payment_intents/{id}`
    pub(crate) fn look_at_payment(&self, id: &str, with_line: bool) -> Result<Value, Fault> {
        let is_it = |session: &&Session| session.payment_intent.as_deref() == Some(id);
        let session = self.sessions.iter().find(is_it).ok_or_else(|| Fault::missing("payment_intent", id))?;
        let fee = session.amount * self.config.fee.0 / 1000 + self.config.fee.1;
        Ok(wire::payment(session, id, with_line && !self.books_are_late, fee))
    }

    /// `GET /v1/refunds`
    pub(crate) fn look_at_refunds(&self, payment_intent: &str, with_lines: bool) -> Value {
        let with_lines = with_lines && !self.books_are_late;
        let of_it = self.refunds.iter().filter(|refund| refund.payment_intent == payment_intent);
        wire::list(of_it.map(|refund| wire::refund(refund, with_lines)).collect())
    }

    /// `GET /v1/refunds/{id}`
    pub(crate) fn look_at_refund(&self, id: &str) -> Result<Value, Fault> {
        let refund = self.refunds.iter().find(|refund| refund.id == id).ok_or_else(|| Fault::missing("refund", id))?;
        Ok(wire::refund(refund, false))
    }

    /// `GET /v1/disputes/{id}`
    pub(crate) fn look_at_dispute(&self, id: &str) -> Result<Value, Fault> {
        let dispute = self.disputes.iter().find(|dispute| dispute.id == id);
        let dispute = dispute.ok_or_else(|| Fault::missing("dispute", id))?;
        Ok(wire::dispute(dispute, &self.sessions[self.find(&dispute.session)?], self.config.dispute_fee))
    }

    /// The card does not take what was given back. False if there is no such refund, or it has failed.
    pub(crate) fn fail_refund(&mut self, now: OffsetDateTime, id: &str) -> bool {
        let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == id && refund.failed.is_none()) else {
            return false;
        };
        refund.failed = Some("lost_or_stolen_card");
        let refund = refund.clone();
        let is_its = |session: &Session| session.payment_intent.as_ref() == Some(&refund.payment_intent);
        let Some(index) = self.sessions.iter().position(is_its) else { return false };
        self.sessions[index].refunded -= refund.amount;
        self.report(now, index, "refund.updated", wire::refund(&refund, false));
        self.report(now, index, "refund.failed", wire::refund(&refund, false));
        true
    }

    /// The owner of the card disputes a paid session; the bank takes the money, or only asks.
    pub(crate) fn dispute(&mut self, now: OffsetDateTime, id: &str, only_asks: bool) -> bool {
        let paid = self.find(id).ok().filter(|&index| self.sessions[index].state == State::Paid);
        let Some(index) = paid else { return false };
        let status = if only_asks { "warning_needs_response" } else { "needs_response" };
        let dispute = Dispute { id: self.name("dp_"), session: id.to_owned(), status, moved: (!only_asks, false) };
        self.disputes.push(dispute.clone());
        self.report_dispute(now, index, &dispute, "charge.dispute.created");
        if !only_asks {
            self.report_dispute(now, index, &dispute, "charge.dispute.funds_withdrawn");
        }
        true
    }

    /// The newest dispute of a session is decided. False if there is none.
    pub(crate) fn decide(&mut self, now: OffsetDateTime, id: &str, is_won: bool) -> bool {
        let Ok(index) = self.find(id) else { return false };
        let Some(dispute) = self.disputes.iter_mut().rfind(|dispute| dispute.session == id) else { return false };
        dispute.status = if is_won { "won" } else { "lost" };
        dispute.moved.1 = is_won && dispute.moved.0;
        let dispute = dispute.clone();
        if dispute.moved.1 {
            self.report_dispute(now, index, &dispute, "charge.dispute.funds_reinstated");
        }
        self.report_dispute(now, index, &dispute, "charge.dispute.closed");
        true
    }

    fn report_dispute(&mut self, now: OffsetDateTime, session: usize, dispute: &Dispute, kind: &'static str) {
        let object = wire::dispute(dispute, &self.sessions[session], self.config.dispute_fee);
        self.report(now, session, kind, object);
    }
}
