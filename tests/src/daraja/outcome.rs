//! What becomes of a payment, chosen by the last digit of the customer's number.

use std::time::Duration;

use serde::Serialize;

/// The ten stories that the simulator can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The customer enters the PIN.
    Paid,
    /// The customer presses cancel.
    Cancelled,
    /// The customer mistypes the PIN.
    WrongPin,
    /// Nothing is heard; a query says "pending", and after a while that the phone did not answer.
    Silent,
    /// Paid, but the callback never comes. Only a query tells.
    PaidCallbackLost,
    /// Paid, and the callback comes twice.
    PaidCallbackTwice,
    /// Too little money.
    InsufficientBalance,
    /// Paid, and the callback is ten times as late. Until then a query says "pending".
    PaidCallbackLate,
    /// The phone is off.
    Unreachable,
    /// The push is accepted but the connection breaks before the answer. The callback comes.
    PaidAnswerLost,
}

/// How a payment ended, in Daraja's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// ResultCode; 0 is paid.
    pub code: u32,
    /// ResultDesc.
    pub description: &'static str,
}

/// What a phone that never answered is reported as.
pub(crate) const NO_RESPONSE: Verdict = Verdict { code: 1037, description: "No response from user." };

impl Outcome {
    /// All, by the last digit of the number: index 0 is digit 0.
    pub const BY_DIGIT: [Outcome; 10] = [
        Outcome::Paid,
        Outcome::Cancelled,
        Outcome::WrongPin,
        Outcome::Silent,
        Outcome::PaidCallbackLost,
        Outcome::PaidCallbackTwice,
        Outcome::InsufficientBalance,
        Outcome::PaidCallbackLate,
        Outcome::Unreachable,
        Outcome::PaidAnswerLost,
    ];

    /// The story of a number that ends in this digit; anything else is paid.
    #[must_use]
    pub fn of_phone(phone: &str) -> Outcome {
        let digit = phone.bytes().last().filter(u8::is_ascii_digit).map_or(0, |octet| usize::from(octet - b'0'));
        Outcome::BY_DIGIT[digit]
    }

    /// How it ends.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Outcome::Cancelled => Verdict { code: 1032, description: "Request cancelled by user" },
            Outcome::WrongPin => Verdict { code: 2001, description: "The initiator information is invalid." },
            Outcome::InsufficientBalance => {
                Verdict { code: 1, description: "The balance is insufficient for the transaction." }
            }
            Outcome::Unreachable => Verdict { code: 1037, description: "DS timeout user cannot be reached" },
            Outcome::Silent => NO_RESPONSE,
            _ => Verdict { code: 0, description: "The service request is processed successfully." },
        }
    }

    /// Whether the money moves.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        self.verdict().code == 0
    }

    /// When it is decided, and after what further waits the callbacks come.
    pub(crate) fn timeline(self, delay: Duration, silence: Duration) -> (Duration, Vec<Duration>) {
        match self {
            Outcome::Silent => (silence, vec![]),
            Outcome::PaidCallbackLost => (delay, vec![]),
            Outcome::PaidCallbackTwice => (delay, vec![delay, delay * 2]),
            Outcome::PaidCallbackLate => (delay * 10, vec![delay * 10]),
            _ => (delay, vec![delay]),
        }
    }

    /// One line for people.
    #[must_use]
    pub const fn story(self) -> &'static str {
        match self {
            Outcome::Paid => "paid",
            Outcome::Cancelled => "cancelled by the customer (1032)",
            Outcome::WrongPin => "wrong PIN (2001)",
            Outcome::Silent => "nothing is heard; the query is pending, then 1037",
            Outcome::PaidCallbackLost => "paid, the callback is lost",
            Outcome::PaidCallbackTwice => "paid, the callback comes twice",
            Outcome::InsufficientBalance => "too little money (1)",
            Outcome::PaidCallbackLate => "paid, the callback is ten times as late",
            Outcome::Unreachable => "the phone is off (1037)",
            Outcome::PaidAnswerLost => "paid, but the answer to the push is lost",
        }
    }
}
