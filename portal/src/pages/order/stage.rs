//! What the page of an order is about, and what follows from that alone: how it looks, and how soon it looks again.

use std::time::Duration;

use crate::payments::reason::Reason;

/// What the page is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// M-Pesa is being asked.
    Asking,
    /// The payment was never begun.
    Stranded,
    /// The phone asks for the PIN.
    Prompted,
    /// The guest can type a card on a page.
    Card,
    /// It is not known whether the phone was asked.
    Unsure,
    /// M-Pesa says paid; it is being checked.
    Confirming,
    /// Paid; the device is not online yet.
    GoOnline,
    /// Online.
    Online,
    /// Time or data is used up.
    Ended,
    /// Paid for another: the voucher waits.
    Given,
    /// Paid for another, who uses it; or nobody can any more.
    GivenUsed,
    /// Not paid.
    Failed { reason: Reason, again: bool },
    /// Paid, but it buys nothing, and the money is with us.
    RefundDue,
    /// The money is on its way back.
    Refunding,
    /// The money has gone back.
    Refunded,
    /// The customer's bank has taken the money back.
    Disputed,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Stage::Asking => "asking",
            Stage::Stranded => "stranded",
            Stage::Prompted => "prompted",
            Stage::Card => "card",
            Stage::Unsure => "unsure",
            Stage::Confirming => "confirming",
            Stage::GoOnline => "go_online",
            Stage::Online => "online",
            Stage::Ended => "ended",
            Stage::Given => "given",
            Stage::GivenUsed => "given_used",
            Stage::Failed { again: true, .. } => "failed",
            Stage::Failed { again: false, .. } => "failed_wait",
            Stage::RefundDue => "refund_due",
            Stage::Refunding => "refunding",
            Stage::Refunded => "refunded",
            Stage::Disputed => "disputed",
        }
    }

    pub(super) fn is_busy(self) -> bool {
        matches!(self, Stage::Asking | Stage::Prompted | Stage::Unsure | Stage::Confirming)
    }

    pub(super) fn tone(self) -> &'static str {
        match self {
            Stage::Asking | Stage::Prompted | Stage::Card | Stage::Confirming | Stage::Refunding => "info",
            Stage::Unsure | Stage::Stranded | Stage::Ended | Stage::RefundDue | Stage::Disputed => "warning",
            Stage::GoOnline | Stage::Online | Stage::Given | Stage::GivenUsed | Stage::Refunded => "success",
            Stage::Failed { .. } => "danger",
        }
    }

    /// How often a page that stays open looks by itself, beside what it is told: whether the device is online, what was used.
    pub(super) fn looks_again(self) -> Duration {
        Duration::from_secs(match self {
            Stage::GoOnline => 1,
            _ if self.is_busy() || self == Stage::Card => 3,
            Stage::Online => 10,
            _ => 30,
        })
    }

    /// Seconds after which a browser without script reads the page again.
    pub(super) fn refresh(self) -> Option<u32> {
        match self {
            Stage::Asking | Stage::Prompted | Stage::Confirming => Some(4),
            Stage::Card | Stage::Unsure | Stage::Failed { again: false, .. } => Some(10),
            Stage::GoOnline => Some(20),
            Stage::Online | Stage::Given | Stage::Refunding => Some(60),
            Stage::Stranded
            | Stage::Ended
            | Stage::GivenUsed
            | Stage::Failed { again: true, .. }
            | Stage::RefundDue
            | Stage::Refunded
            | Stage::Disputed => None,
        }
    }
}
