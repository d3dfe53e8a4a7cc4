//! Begins a payment of an order and has the customer asked: on the phone for the PIN, or on a page for a card.
//!
//! The payment's row is committed before the provider is called, with a time at which it is looked at even if this process
//! dies now. The call itself outlives the request that began it: a guest whose browser goes away still gets the prompt,
//! and what the provider answered is still written down. One order has one open payment: another way to pay closes the page
//! of the first one before it begins, and so does [`check`] where the order was paid in a way that nobody chose here.

use std::time::Duration;

use shared::money::Money;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::order::Order;
use store::payment::{self, Attempt, NewPage, Payment};
use uuid::Uuid;

use super::gateway::{Answer, Gateway, Moments, Page, Wish};
use super::settle::fail;
use super::stripe::{Expired, SESSION_EXPIRED};
use super::{STRIPE, check};
use crate::App;
use crate::trace::carried;

/// How long a page waits for the provider's first answer, so that it usually shows the right thing at once.
const PATIENCE: Duration = Duration::from_secs(3);
/// Added to the longest call before a payment without an answer is looked at.
const MARGIN: Duration = Duration::from_secs(10);
/// How often an answer is written again when PostgreSQL is away, two seconds apart: with it the payment can
/// be asked about, without it only a report can tell.
const WRITE_TRIES: u32 = 15;
const WRITE_PAUSE: Duration = Duration::from_secs(2);

/// By what a customer pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// M-Pesa, which asks the phone.
    Phone,
    /// A card, on a page of Stripe's.
    Card,
}

impl Way {
    /// Reads a form's field. What is not understood is the phone, which was there before.
    pub(crate) fn of(text: &str) -> Way {
        if text == "card" { Way::Card } else { Way::Phone }
    }

    /// Whether it is configured here.
    pub(crate) fn is_there(self, app: &App) -> bool {
        match self {
            Way::Phone => app.mpesa.is_some(),
            Way::Card => app.stripe.is_some(),
        }
    }

    /// Whether this price can be paid so, here.
    pub(crate) fn takes(self, app: &App, price: Money) -> bool {
        let in_bounds = || app.config.stripe.as_ref().is_some_and(|settings| settings.takes(price));
        self.is_there(app) && (self == Way::Phone || in_bounds())
    }
}

/// What became of the wish to collect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begun {
    /// The customer is being asked.
    Now,
    /// Another attempt is under way, or the order is paid.
    Before,
}

/// Begins a payment in this way, unless one is under way that cannot be given up.
pub(crate) async fn pay(app: &App, order: &Order, way: Way) -> Result<Begun, StoreError> {
    if let (Some(stripe), Some(open)) = (&app.stripe, open_page(app, order.id).await?)
        && (way == Way::Card || !close(app, stripe, &open, "another way to pay was chosen").await?)
    {
        return Ok(Begun::Before);
    }
    match (way, &app.mpesa, &app.stripe) {
        (Way::Phone, Some(mpesa), _) => begin(app, mpesa, order).await,
        (Way::Card, _, Some(stripe)) => begin(app, stripe, order).await,
        // Whoever offers a way has asked whether there is one.
        (Way::Phone | Way::Card, ..) => Ok(Begun::Before),
    }
}

/// The payment of an order that is open on a page of Stripe's.
async fn open_page(app: &App, order: Uuid) -> Result<Option<Payment>, StoreError> {
    if app.stripe.is_none() {
        return Ok(None);
    }
    let newest = payment::latest(&app.db, order).await?;
    match newest.filter(|attempt: &Attempt| attempt.provider == STRIPE && attempt.is_open()) {
        Some(attempt) => payment::get(&app.db, attempt.id).await.map(Some),
        None => Ok(None),
    }
}

/// Closes a page on which an order could be paid. `false`: it may have been paid meanwhile, or nobody knows.
pub(super) async fn close<G: Gateway>(app: &App, gateway: &G, open: &Payment, why: &str) -> Result<bool, StoreError> {
    let Some(reference) = &open.checkout_request_id else { return Ok(false) };
    let Some(answer) = gateway.close(reference).await else { return Ok(false) };
    let result = match &answer {
        Expired::Done => "ok",
        Expired::Refused(_) => "refused",
        Expired::Unknown(_) => "unknown",
    };
    G::requests(&app.metrics).with_label_values(&["expire", result]).inc();
    match answer {
        Expired::Done => fail(app, open, SESSION_EXPIRED, why).await?,
        // It was not open: what became of it can be asked at once.
        Expired::Refused(_) => check::look(app, gateway, open.id).await?,
        Expired::Unknown(_) => return Ok(false),
    }
    Ok(payment::get(&app.db, open.id).await?.state == "failed")
}

/// Begins a payment, unless one is under way. Returns once the provider has answered or patience ends.
pub(crate) async fn begin<G: Gateway>(app: &App, gateway: &G, order: &Order) -> Result<Begun, StoreError> {
    let now = app.clock.now();
    let payment = match payment::begin(&app.db, order.id, G::NAME, now, now + gateway.longest() + MARGIN).await {
        Ok(payment) => payment,
        Err(StoreError::Conflict(_)) => return Ok(Begun::Before),
        Err(error) => return Err(error),
    };
    app.metrics.payments.with_label_values(&[G::NAME, "initiated"]).inc();
    let (task_app, order) = (app.clone(), order.clone());
    let task = app.background.spawn(carried(async move { ask::<G>(&task_app, &order, payment, now).await }));
    // The task goes on if this wait ends first.
    drop(tokio::time::timeout(PATIENCE, task).await);
    Ok(Begun::Now)
}

async fn ask<G: Gateway>(app: &App, order: &Order, payment: Uuid, begun_at: OffsetDateTime) {
    let Some(gateway) = G::of(app) else { return };
    let answer = gateway.begin(app, &Wish { order, payment, begun_at }).await;
    G::requests(&app.metrics).with_label_values(&[G::BEGINS, answer.label()]).inc();
    for attempt in 1..=WRITE_TRIES {
        match record(app, gateway, payment, begun_at, &answer).await {
            Ok(()) => return,
            Err(error) if error.is_unavailable() && attempt < WRITE_TRIES => tokio::time::sleep(WRITE_PAUSE).await,
            Err(error) => {
                tracing::error!(%payment, provider = G::NAME, %error, "an answer to a payment's beginning could not be written down");
                return;
            }
        }
    }
}

async fn record<G: Gateway>(
    app: &App,
    gateway: &G,
    id: Uuid,
    begun_at: OffsetDateTime,
    answer: &Answer,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    match answer {
        Answer::Asked { reference, page: Some(page), .. } => {
            let next = gateway.next_query(Moments { begun_at, until: Some(page.until) }, 0, now);
            page_made(app, id, reference, page, now, next).await
        }
        Answer::Asked { reference, second, page: None } => {
            let next = gateway.next_query(Moments { begun_at: now, until: None }, 0, now);
            payment::prompted(&app.db, id, second.as_deref().unwrap_or_default(), reference, now, next).await
        }
        Answer::Refused(refusal) => {
            let (code, text) = refusal.code_and_text();
            tracing::warn!(payment = %id, provider = G::NAME, reason = code, %text, "the customer could not be asked");
            count_failed::<G>(app, payment::failed(&app.db, id, code, &text, now).await?);
            Ok(())
        }
        Answer::Unknown(why) if G::UNHEARD_MAY_PAY => {
            tracing::warn!(payment = %id, provider = G::NAME, %why, "it is not known whether the customer was asked");
            app.metrics.payments.with_label_values(&[G::NAME, "unknown"]).inc();
            payment::unknown(&app.db, id, &why.to_string(), now, now + check::RETHINK).await
        }
        Answer::Unknown(why) => {
            tracing::warn!(payment = %id, provider = G::NAME, %why, "nobody heard where to pay: the payment is given up");
            count_failed::<G>(app, payment::failed(&app.db, id, "unreachable", &why.to_string(), now).await?);
            Ok(())
        }
    }
}

fn count_failed<G: Gateway>(app: &App, is_new: bool) {
    if is_new {
        app.metrics.payments.with_label_values(&[G::NAME, "failed"]).inc();
    }
}

async fn page_made(
    app: &App,
    id: Uuid,
    reference: &str,
    page: &Page,
    now: OffsetDateTime,
    next_check: OffsetDateTime,
) -> Result<(), StoreError> {
    let new = NewPage { reference, url: page.url.as_str(), until: page.until, grace: page.grace };
    let given = payment::page_made(&app.db, id, &new, now, next_check).await?;
    if page.grace.is_some() {
        app.metrics.graces.with_label_values(&[if given { "given" } else { "not_given" }]).inc();
    }
    Ok(())
}
