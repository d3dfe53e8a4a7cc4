//! What M-Pesa's result codes mean, and whether charging again is safe.
//!
//! The code is what the store keeps in `orders.reason` and `payments.result_code`. The texts that come with the codes
//! mislead ("initiator information is invalid" is a wrong PIN), so nothing is decided by them. A code that is not
//! listed is not a failure: the payment stays open and is asked about again.

/// Why an order is not paid, as a page can explain it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// 1: not enough money.
    NoFunds,
    /// 17: M-Pesa's rules or an error inside; also a second charge within two minutes.
    RuleLimited,
    /// 26: M-Pesa is overloaded.
    SystemBusy,
    /// 1001: another prompt or menu is open on that line.
    LineBusy,
    /// 1019: the time for the PIN passed.
    Expired,
    /// 1025 and 9999: the prompt could not be sent, perhaps.
    PushError,
    /// 1032: pressed cancel, or the handset gave up.
    Cancelled,
    /// 1037: the phone is off, out of reach, or nobody answered.
    NoAnswer,
    /// 2001: a wrong PIN.
    WrongPin,
    /// 2028: above a limit.
    OverLimit,
    /// 2029: our transaction type does not fit our shortcode.
    Misconfigured,
    /// No connection to M-Pesa; nothing was sent.
    Unreachable,
    /// M-Pesa does not accept our key.
    Credentials,
    /// M-Pesa takes no more requests for the moment.
    Throttled,
    /// M-Pesa refused the request as such.
    Rejected,
    /// We never learned what became of it.
    NoNews,
    /// The bank refused the card.
    Declined,
    /// The page for a card was closed, or its time passed.
    PageClosed,
    /// A code that is not listed.
    Unlisted,
}

/// When a failed payment may be tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Now: certainly no money moved.
    AtOnce,
    /// After some minutes without a message from M-Pesa: money may have moved, or the line is blocked.
    AfterAWhile,
}

impl Reason {
    /// Reads the stored code.
    pub fn of(code: &str) -> Reason {
        match code {
            "1" => Reason::NoFunds,
            "17" => Reason::RuleLimited,
            "26" => Reason::SystemBusy,
            "1001" | "busy" => Reason::LineBusy,
            "1019" => Reason::Expired,
            "1025" | "9999" => Reason::PushError,
            "1032" => Reason::Cancelled,
            "1037" => Reason::NoAnswer,
            "2001" => Reason::WrongPin,
            "2028" => Reason::OverLimit,
            "2029" => Reason::Misconfigured,
            "unreachable" => Reason::Unreachable,
            "credentials" => Reason::Credentials,
            "throttled" => Reason::Throttled,
            "rejected" => Reason::Rejected,
            "no_news" => Reason::NoNews,
            "card_declined" => Reason::Declined,
            "session_expired" => Reason::PageClosed,
            _ => Reason::Unlisted,
        }
    }

    /// Whether another charge is safe at once.
    pub fn retry(self) -> Retry {
        match self {
            Reason::NoFunds
            | Reason::Expired
            | Reason::Cancelled
            | Reason::NoAnswer
            | Reason::WrongPin
            | Reason::OverLimit
            | Reason::Misconfigured
            | Reason::Unreachable
            | Reason::Credentials
            | Reason::Throttled
            | Reason::Rejected
            | Reason::Declined
            | Reason::PageClosed => Retry::AtOnce,
            Reason::RuleLimited
            | Reason::SystemBusy
            | Reason::LineBusy
            | Reason::PushError
            | Reason::NoNews
            | Reason::Unlisted => Retry::AfterAWhile,
        }
    }

    /// Whether the code says for certain how the payment ended.
    pub fn is_final(self) -> bool {
        self != Reason::Unlisted
    }
}

impl super::Refusal {
    /// The code under which the store keeps it, and a text for the desk.
    pub fn code_and_text(&self) -> (&'static str, String) {
        use super::Refusal;
        match self {
            Refusal::Unreachable => ("unreachable", "the provider could not be reached".into()),
            Refusal::Credentials => ("credentials", "the provider does not accept our key, secret or shortcode".into()),
            Refusal::Busy => ("busy", "the line is busy, or M-Pesa does not know the shortcode and passkey".into()),
            Refusal::Throttled => ("throttled", "the provider takes no more requests for the moment".into()),
            Refusal::NotChargeable => ("rejected", "the price cannot be charged exactly".into()),
            Refusal::Rejected { code, text } => ("rejected", format!("{code} {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charging_again_at_once_is_offered_only_where_no_money_can_have_moved() {
        for code in ["1", "1019", "1032", "1037", "2001", "unreachable", "card_declined", "session_expired"] {
            assert_eq!(Reason::of(code).retry(), Retry::AtOnce, "{code}");
        }
        for code in ["17", "26", "1001", "1025", "9999", "no_news", "4242", ""] {
            assert_eq!(Reason::of(code).retry(), Retry::AfterAWhile, "{code}");
        }
    }

    #[test]
    fn an_unlisted_code_ends_nothing() {
        assert!(!Reason::of("4242").is_final());
        assert!(Reason::of("1032").is_final());
        assert!(Reason::of("card_declined").is_final() && Reason::of("session_expired").is_final());
    }
}
