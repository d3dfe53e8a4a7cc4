//! Stripe as a gateway: the customer pays on a page, and its reports are signed. They are confirmed by a question of ours all the
//! same: that costs one request, survives any order of reports, and finds a signing secret of the other mode.

use std::time::Duration;

use prometheus::IntCounterVec;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::payment::{self, Event, Payment};
use store::settlement::Evidence;

use super::super::report::{self, Outcome, Said};
use super::super::stripe::webhook::{self, News, Step};
use super::super::stripe::{Checkout, Created, Expired, Stripe};
use super::super::{Query, STRIPE, dispute, refund};
use super::{Answer, Gateway, Moments, Page, Wish};
use crate::metrics::Metrics;
use crate::{App, urls};

/// When Stripe is asked after the payment began, if it has reported nothing.
const ASKED_AFTER: [Duration; 4] =
    [Duration::from_secs(20), Duration::from_secs(60), Duration::from_secs(180), Duration::from_secs(600)];
/// How long after the end of a page Stripe is asked whether it is over: its clock may be behind ours.
const AFTER_THE_END: Duration = Duration::from_secs(15);
/// How often it is asked after that.
const EVERY: Duration = Duration::from_secs(3600);
/// Least time between two questions about one payment.
const LEAST: Duration = Duration::from_secs(1);

impl Gateway for Stripe {
    const NAME: &'static str = STRIPE;
    const REPORTS: &'static [&'static str] = &[STRIPE];
    const BEGINS: &'static str = "checkout";
    const UNHEARD_MAY_PAY: bool = false;
    const ASKED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

    fn of(app: &App) -> Option<&Stripe> {
        app.stripe.as_ref()
    }

    fn requests(metrics: &Metrics) -> &IntCounterVec {
        &metrics.stripe_requests
    }

    fn longest(&self) -> Duration {
        Stripe::longest(self)
    }

    fn next_query(&self, payment: Moments, asked: u32, now: OffsetDateTime) -> OffsetDateTime {
        schedule(payment, asked, now)
    }

    async fn begin(&self, app: &App, wish: &Wish<'_>) -> Answer {
        let back = urls::whole(&app.config.portal.public_url, &urls::order(app.db.seal(), wish.order.id));
        let checkout = Checkout {
            order: &wish.order.code,
            payment: wish.payment,
            begun_at: wish.begun_at,
            amount: wish.order.amount,
            description: &wish.order.package,
            success_url: &back,
            cancel_url: &back,
            email: None,
        };
        match self.checkout(&checkout).await {
            Created::Session(session) => {
                let grace = app.config.stripe.as_ref().and_then(|settings| settings.grace());
                let page = Page { url: session.url, until: session.expires_at, grace };
                Answer::Asked { reference: session.id, second: None, page: Some(page) }
            }
            Created::Refused(refusal) => Answer::Refused(refusal),
            Created::Unknown(why) => Answer::Unknown(why),
        }
    }

    async fn query(&self, reference: &str) -> Query {
        self.session(reference).await
    }

    async fn close(&self, reference: &str) -> Option<Expired> {
        Some(self.expire(reference).await)
    }

    async fn judge(&self, app: &App, event: &Event) -> Result<Outcome, StoreError> {
        let Ok(told) = webhook::Event::parse(&event.body) else { return Ok(Outcome::Unreadable) };
        // A secret of test mode beside a live key, or the other way round: that money is not ours.
        if app.config.stripe.as_ref().is_none_or(|settings| settings.is_live() != told.livemode) {
            return Ok(Outcome::Unmatched);
        }
        match &told.news {
            News::Session { session, step, .. } => {
                let Some(payment) = find(app, event, session).await? else { return Ok(Outcome::Unmatched) };
                of_session(app, self, &payment, session, step).await
            }
            News::Refunded { payment_intent, .. } => match paid(app, event, payment_intent).await? {
                Ok(payment) => refund::of_payment(app, self, &payment, payment_intent).await,
                Err(outcome) => Ok(outcome),
            },
            News::RefundChanged { refund, payment_intent } => match paid(app, event, payment_intent).await? {
                Ok(payment) => refund::of_refund(app, self, &payment, payment_intent, refund).await,
                Err(outcome) => Ok(outcome),
            },
            News::Disputed { dispute, payment_intent } => match paid(app, event, payment_intent).await? {
                Ok(payment) => dispute::judge(app, self, &payment, payment_intent, dispute).await,
                Err(outcome) => Ok(outcome),
            },
            News::Other => Ok(Outcome::Noted),
            News::Unreadable => Ok(Outcome::Unreadable),
        }
    }
}

/// The payment that a report speaks of: by our name of it, or by Stripe's.
async fn find(app: &App, event: &Event, reference: &str) -> Result<Option<Payment>, StoreError> {
    let id = match event.payment {
        Some(id) => Some(id),
        None => payment::by_reference(&app.db, STRIPE, reference).await?,
    };
    match id {
        Some(id) => payment::get(&app.db, id).await.map(Some),
        None => Ok(None),
    }
}

/// The payment that a report about money speaks of, which has come. It was paid before it went back: where that is not known yet, it
/// is found out first.
async fn paid(app: &App, event: &Event, reference: &str) -> Result<Result<Payment, Outcome>, StoreError> {
    Ok(match find(app, event, reference).await? {
        Some(payment) if payment.state == "succeeded" => Ok(payment),
        Some(_) => Err(Outcome::Later),
        None => Err(Outcome::Unmatched),
    })
}

async fn of_session(
    app: &App,
    stripe: &Stripe,
    payment: &Payment,
    session: &str,
    step: &Step,
) -> Result<Outcome, StoreError> {
    if payment.checkout_request_id.as_ref().is_some_and(|known| known != session) {
        return Ok(Outcome::Unmatched);
    }
    let says_paid = matches!(step, Step::Paid { .. });
    match (step, payment.state.as_str()) {
        (_, "succeeded") | (Step::Awaited | Step::Failed | Step::Expired, "failed") => return Ok(Outcome::Duplicate),
        (Step::Awaited | Step::Paid { .. }, _) => {
            let now = app.clock.now();
            let moments = Moments { begun_at: payment.created_at, until: payment.pay_until };
            payment::confirming(&app.db, payment.id, now, schedule(moments, payment.checks, now)).await?;
            if !says_paid {
                return Ok(Outcome::Noted);
            }
        }
        (Step::Failed | Step::Expired, _) => {}
    }
    // What was paid, and how much, is taken from the answer to our question alone.
    let said = Said { reference: session, says_paid, evidence: &Evidence::default() };
    report::confirm(app, stripe, payment, &said).await
}

/// Soon and then seldom while the page is open, once just after its end, which finds a lost report, then hourly.
fn schedule(payment: Moments, asked: u32, now: OffsetDateTime) -> OffsetDateTime {
    let soon = now + LEAST;
    let end = payment.until.map(|until| until + AFTER_THE_END).filter(|end| *end > soon);
    let next = match ASKED_AFTER.get(asked as usize) {
        Some(&after) => payment.begun_at + after,
        None => end.unwrap_or(now + EVERY),
    };
    // Never past the end without having asked there.
    let next = end.map_or(next, |end| next.min(end));
    next.max(soon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    #[test]
    fn a_page_is_asked_about_soon_then_at_its_end_then_hourly() {
        let moments = Moments { begun_at: at(0), until: Some(at(2100)) };
        let next = |asked, now| schedule(moments, asked, at(now)).unix_timestamp();
        assert_eq!((next(0, 1), next(1, 20), next(2, 60), next(3, 180)), (20, 60, 180, 600));
        assert_eq!(next(4, 600), 2115);
        assert_eq!(next(5, 2116), 2116 + 3600);
        assert_eq!(next(1, 70), 71, "what is due already is asked at once");
        let unknown = Moments { until: None, ..moments };
        assert_eq!(schedule(unknown, 4, at(600)), at(4200));
    }
}
