//! Collecting money and finding out what became of it.
//!
//! * [`mpesa`] – the Daraja client: asks a phone for the PIN, asks M-Pesa what came of it; knows no order;
//! * [`stripe`] – the Stripe client: a page for a card, what came of it, refunds; what proves a report;
//! * [`callback`] and [`c2b`] – read M-Pesa's reports, of prompts and of payments from its menu, in all their spellings;
//! * [`reason`] – what each result code means, and whether charging again is safe;
//! * `gateway` – what the two have in common, as one trait, against which the next three are written;
//! * [`collect`] – begins a payment and has the customer asked;
//! * [`report`] – works on a stored report; [`check`] – asks about a payment that is due;
//! * [`received`] – works on the report of a payment from the menu; [`asked`] – asks M-Pesa what it answers later, and works
//!   on the answer;
//! * [`refund`] – gives money back to cards, [`reversal`] by M-Pesa; [`fee`] – asks what is kept of their payments; [`dispute`] – works on reports of
//!   payments that a bank takes back;
//! * [`again`] – works on the report of a prompt that is settled already;
//! * [`trouble`] – whether M-Pesa fails for everybody just now;
//! * [`settle`] – hands confirmed money to `store::settlement`, and counts.
//!
//! The rules that hold everything together: our own rows are written before the provider is called; the provider's
//! answer to the call is never "paid"; a report is stored raw before it is believed, and believed only after a query
//! of ours; an outcome that we do not know is a state of its own, in which nothing is charged again.

pub(crate) mod again;
pub mod asked;
pub mod c2b;
pub mod callback;
pub mod check;
pub mod collect;
pub mod dispute;
pub mod fee;
pub(crate) mod gateway;
pub mod mpesa;
pub mod reason;
pub mod received;
pub mod refund;
pub mod report;
pub(crate) mod reversal;
pub mod settle;
pub mod stripe;
pub(crate) mod trouble;

use shared::config::Config;
use shared::money::Money;
use url::Url;

/// M-Pesa's name in the store and in the metrics.
pub const MPESA: &str = "mpesa";
/// Stripe's name in the store and in the metrics.
pub const STRIPE: &str = "stripe";
/// The same for its reports of payments from the menu.
pub const C2B: &str = "mpesa_c2b";
/// The same for its questions about them.
pub const C2B_VALIDATION: &str = "mpesa_c2b_validation";
/// The same for its answers that come later.
pub const RESULT: &str = "mpesa_result";
/// The same for its news that it did not come to something in time.
pub const RESULT_TIMEOUT: &str = "mpesa_result_timeout";

/// M-Pesa's reports that are worked on; a question is answered at once.
pub(crate) const MPESA_REPORTS: [&str; 4] = [MPESA, C2B, RESULT, RESULT_TIMEOUT];

/// How M-Pesa reaches us.
pub(crate) fn reached_at(config: &Config) -> &Url {
    let base = config.mpesa.as_ref().and_then(|section| section.callback_base_url.as_ref());
    base.unwrap_or(&config.portal.public_url)
}

/// What became of asking a phone for the PIN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Push {
    /// The provider took the request and asks the customer.
    Prompted {
        /// The provider's reference of the request.
        merchant_request_id: String,
        /// The provider's reference of the prompt, by which it is asked about.
        checkout_request_id: String,
    },
    /// Certainly no phone was asked.
    Refused(Refusal),
    /// The phone may have been asked or not.
    Unknown(Unheard),
}

/// Why a request certainly did nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No connection was made.
    Unreachable,
    /// Our key, secret or token is not accepted.
    Credentials,
    /// The line is busy with another prompt, or the shop is not known: the provider has one code for both.
    Busy,
    /// Too many requests.
    Throttled,
    /// The provider cannot charge just this amount.
    NotChargeable,
    /// The request was understood and refused.
    Rejected {
        /// The provider's code.
        code: String,
        /// The provider's text.
        text: String,
    },
}

/// What became of asking the provider about a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// The money came.
    Paid {
        /// The provider's receipt, where it tells one.
        receipt: Option<String>,
        /// How much, where it tells that.
        amount: Option<Money>,
        /// The charge by which it came, where it tells one: Stripe's second name of it.
        charge: Option<String>,
    },
    /// The customer has not decided yet.
    Pending,
    /// It ended without money, or with a code that we do not know; [`reason::Reason`] tells.
    Ended {
        /// The provider's code.
        code: String,
        /// The provider's text.
        text: String,
    },
    /// No usable answer: ask again later.
    Unknown(Unheard),
}

/// Why there is no usable answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unheard {
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// We could not sign in first.
    #[error("no access token")]
    NoToken,
    /// Not JSON: a firewall's page, an empty body.
    #[error("HTTP {0} without JSON")]
    NotJson(u16),
    /// JSON that is no answer to the question.
    #[error("HTTP {status} with the code {code:?}")]
    Unexpected {
        /// HTTP status.
        status: u16,
        /// The code in it, if any.
        code: String,
    },
}
