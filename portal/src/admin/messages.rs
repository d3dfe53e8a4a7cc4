//! Kinds and states of messages in words. The messages themselves are a list ([`super::lists::messages`]); how they are worded, and what is
//! not sent at all, is on a page of its own ([`texts`]).

pub(super) mod texts;

use shared::notice::Notice;

use super::words::{Said, Tone, said};

/// What kind of news it is.
pub(super) fn name(notice: Notice) -> &'static str {
    match notice {
        Notice::PaymentReceived => "payment received",
        Notice::EndsSoon => "time ends soon",
        Notice::DataLow => "most data is used",
        Notice::DataNearlyUsed => "data is nearly used up",
        Notice::Ended => "package has ended",
        Notice::NewDevice => "new device",
        Notice::Trouble => "trouble with the network",
        Notice::TroubleOver => "trouble is over",
        Notice::Given => "paid for by another",
        Notice::AddressProof => "proof of an e-mail address",
        Notice::Offer => "offer",
    }
}

/// What became of it.
pub(super) fn state(state: &str) -> Said {
    match state {
        "pending" => said(Tone::Busy, "waits"),
        "sent" => said(Tone::Good, "sent"),
        "delivered" => said(Tone::Good, "on the phone"),
        "undelivered" => said(Tone::Busy, "not on the phone yet"),
        "failed" => said(Tone::Bad, "not delivered"),
        "expired" => said(Tone::Bad, "too late to be sent"),
        "skipped" => said(Tone::Plain, "not wanted"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_arrive_stands_out() {
        assert_eq!(
            (state("failed").tone, state("expired").tone, state("skipped").tone),
            (Tone::Bad, Tone::Bad, Tone::Plain)
        );
        let names: std::collections::HashSet<_> = Notice::ALL.map(name).into();
        assert_eq!(names.len(), Notice::ALL.len());
    }
}
