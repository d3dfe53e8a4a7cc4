//! What the providers of payments have in common, and where they differ: one trait, an implementation a file.
//!
//! [`super::collect`], [`super::check`] and [`super::report`] are written once against [`Gateway`] and compiled for each; a
//! gateway is found again from [`App`] inside tasks that outlive a request. The clients beneath know no order and no
//! database, what is above knows no provider, and here the two are put together.
//!
//! Giving money back is not in it: Stripe does it once for a key, M-Pesa answers minutes later and has no key, so that the two
//! share no promise that a caller could rely on.

mod mpesa;
mod stripe;

use std::time::Duration;

use prometheus::IntCounterVec;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::order::Order;
use store::payment::Event;
use url::Url;
use uuid::Uuid;

use super::report::Outcome;
use super::stripe::Expired;
use super::{Query, Refusal, Unheard};
use crate::App;
use crate::metrics::Metrics;

/// A provider that collects money.
pub(crate) trait Gateway: Sized + Send + Sync + 'static {
    /// Its name in the store, the metrics and the ledger.
    const NAME: &'static str;
    /// The kinds of reports that are its own.
    const REPORTS: &'static [&'static str];
    /// What asking the customer is called in its metric.
    const BEGINS: &'static str;
    /// Whether money may come of a beginning whose answer nobody heard. M-Pesa: yes, the phone may ring. Stripe: no, only who has
    /// the page's address can pay, and nobody was given it.
    const UNHEARD_MAY_PAY: bool;
    /// How long it answers about a payment that it knows.
    const ASKED_FOR: Duration;

    /// The one of this process, where it is configured.
    fn of(app: &App) -> Option<&Self>;
    /// Requests to it, by operation and result.
    fn requests(metrics: &Metrics) -> &IntCounterVec;
    /// The longest that one question takes.
    fn longest(&self) -> Duration;
    /// When it is asked about a payment for the `asked`-th time.
    fn next_query(&self, payment: Moments, asked: u32, now: OffsetDateTime) -> OffsetDateTime;
    /// Asks the customer.
    fn begin(&self, app: &App, wish: &Wish<'_>) -> impl Future<Output = Answer> + Send;
    /// What became of it.
    fn query(&self, reference: &str) -> impl Future<Output = Query> + Send;
    /// Closes what the customer was asked with, so that it cannot be paid any more. `None`: there is nothing that could be closed.
    fn close(&self, reference: &str) -> impl Future<Output = Option<Expired>> + Send;
    /// Works on a stored report of its own.
    fn judge(&self, app: &App, event: &Event) -> impl Future<Output = Result<Outcome, StoreError>> + Send;
}

/// When a payment began, and until when it can be made, where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moments {
    pub(crate) begun_at: OffsetDateTime,
    pub(crate) until: Option<OffsetDateTime>,
}

/// What the customer is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// The order, and with it how much.
    pub(crate) order: &'a Order,
    /// The payment.
    pub(crate) payment: Uuid,
    /// When its row was made.
    pub(crate) begun_at: OffsetDateTime,
}

/// What became of asking the customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// The customer is asked.
    Asked {
        /// The provider's reference, by which it is asked about.
        reference: String,
        /// Its second reference, where it has one.
        second: Option<String>,
        /// Where the customer goes to pay, where it is a page.
        page: Option<Page>,
    },
    /// Certainly nobody was asked.
    Refused(Refusal),
    /// Somebody may have been asked or not.
    Unknown(Unheard),
}

impl Answer {
    /// The word under which it is counted.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Answer::Asked { .. } => "ok",
            Answer::Refused(_) => "refused",
            Answer::Unknown(_) => "unknown",
        }
    }
}

/// A page on which a payment is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// Its address. Whoever has it can pay.
    pub(crate) url: Url,
    /// Until when it is good.
    pub(crate) until: OffsetDateTime,
    /// For how long its guest is let out to reach what is behind it.
    pub(crate) grace: Option<Duration>,
}
