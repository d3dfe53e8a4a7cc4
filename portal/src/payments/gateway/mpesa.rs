//! M-Pesa as a gateway: the customer is asked on the phone, and its reports are four kinds of hints, of prompts, of payments
//! from its menu, and of what we have asked it.

use std::time::Duration;

use prometheus::IntCounterVec;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::payment::Event;

use super::super::mpesa::{Mpesa, Prompt};
use super::super::report::{self, Outcome};
use super::super::stripe::Expired;
use super::super::{C2B, MPESA, MPESA_REPORTS, Push, Query, RESULT, RESULT_TIMEOUT, asked, reached_at, received};
use super::{Answer, Gateway, Moments, Wish};
use crate::metrics::Metrics;
use crate::{App, urls};

impl Gateway for Mpesa {
    const NAME: &'static str = MPESA;
    const REPORTS: &'static [&'static str] = &MPESA_REPORTS;
    const BEGINS: &'static str = "push";
    const UNHEARD_MAY_PAY: bool = true;
    const ASKED_FOR: Duration = Duration::from_secs(24 * 3600);

    fn of(app: &App) -> Option<&Mpesa> {
        app.mpesa.as_ref()
    }

    fn requests(metrics: &Metrics) -> &IntCounterVec {
        &metrics.mpesa_requests
    }

    fn longest(&self) -> Duration {
        Mpesa::longest(self)
    }

    fn next_query(&self, payment: Moments, asked: u32, now: OffsetDateTime) -> OffsetDateTime {
        Mpesa::next_query(self, payment.begun_at, asked, now)
    }

    async fn begin(&self, app: &App, wish: &Wish<'_>) -> Answer {
        // The secret address to which M-Pesa reports this payment.
        let callback = urls::mpesa_callback(reached_at(&app.config), app.db.seal(), wish.payment);
        let prompt = Prompt {
            phone: &wish.order.phone,
            amount: wish.order.amount,
            reference: &wish.order.code,
            description: &wish.order.package,
            callback: &callback,
        };
        match self.push(&prompt).await {
            Push::Prompted { merchant_request_id, checkout_request_id } => {
                Answer::Asked { reference: checkout_request_id, second: Some(merchant_request_id), page: None }
            }
            Push::Refused(refusal) => Answer::Refused(refusal),
            Push::Unknown(why) => Answer::Unknown(why),
        }
    }

    async fn query(&self, reference: &str) -> Query {
        Mpesa::query(self, reference).await
    }

    /// A phone cannot be told to stop asking.
    async fn close(&self, _reference: &str) -> Option<Expired> {
        None
    }

    async fn judge(&self, app: &App, event: &Event) -> Result<Outcome, StoreError> {
        match event.provider.as_str() {
            C2B => received::judge(app, self, event).await,
            RESULT | RESULT_TIMEOUT => asked::judge(app, event).await,
            _ => report::of_prompt(app, self, event).await,
        }
    }
}
