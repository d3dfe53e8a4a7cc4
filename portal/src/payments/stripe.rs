//! The Stripe client: cards, typed on Stripe's own pages and never seen by us.
//!
//! ```text
//!  checkout ──► a session: an address, to which the guest's browser goes, and from there to the bank's page
//!  session  ──► what became of it             │
//!  expire, refund                             ▼
//!  webhook::verify ◄── a signed report, late, twice, or never
//! ```
//!
//! * [`Stripe::checkout`] makes a session, [`Stripe::session`] asks about it, [`Stripe::expire`] closes it,
//!   [`Stripe::refund`] gives money back;
//! * [`books`] – what stands in Stripe's own books: what it keeps of a payment, what went back, who disputes it;
//! * [`webhook`] – what proves that a report is Stripe's, and what it says;
//! * `amount` – Stripe's spelling of amounts; `wire` – HTTP within bounds.
//!
//! The client knows no order and no database. It repeats nothing by itself, but what makes something carries an
//! idempotency key, so that the caller may ask again: Stripe then answers as it did the first time. A session of which
//! nobody heard the answer harms nobody: only who has its address can pay it.

use std::time::Duration;

use shared::config;
use shared::money::Money;
use shared::time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

mod amount;
pub mod books;
pub mod webhook;
mod wire;

use self::wire::{Answer, Failure, Http, ask, quotable};
use super::{Query, Refusal, Unheard};

/// Header under which Stripe keeps its first answer for a day.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Most letters of a description on the page. Stripe takes more; a phone shows a line or two.
const DESCRIPTION_LIMIT: usize = 100;
/// The description where there is none: Stripe refuses an empty one.
const NAMELESS: &str = "Internet access";

/// How a payment ended whose guest did not pay in time.
pub const SESSION_EXPIRED: &str = "session_expired";
/// How a payment ended whose guest tried, and whose bank said no.
pub const CARD_DECLINED: &str = "card_declined";

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Neither http nor https.
    #[error("stripe.base_url must begin with https:// (or http:// for a simulator)")]
    NotHttp,
    /// TLS or the resolver cannot be prepared.
    #[error("the Stripe client cannot be prepared: {0}")]
    Client(#[from] reqwest::Error),
}

/// A payment that is to be made on a page of Stripe's.
#[derive(Clone, Debug)]
pub struct Checkout<'a> {
    /// The order's code, for whoever looks into Stripe's dashboard.
    pub order: &'a str,
    /// The payment: the idempotency key, and what reports name it by.
    pub payment: Uuid,
    /// When the payment was begun, which is not the present moment when it is asked for again: the same key must come
    /// with the same end of the page, or Stripe refuses it.
    pub begun_at: OffsetDateTime,
    /// What it costs.
    pub amount: Money,
    /// What is bought, as the page shows it.
    pub description: &'a str,
    /// Where the guest comes back to after paying. To have come back is no proof of it.
    pub success_url: &'a str,
    /// Where the guest comes back to without paying. The session stays open.
    pub cancel_url: &'a str,
    /// Fills in the page's field, which the guest can then not change.
    pub email: Option<&'a str>,
}

/// A page on which a card can be typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Stripe's name of it, `cs_…`.
    pub id: String,
    /// Its address. Whoever has it can pay.
    pub url: Url,
    /// Until when.
    pub expires_at: OffsetDateTime,
}

/// What became of asking for a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Created {
    /// There is one, and nothing is paid.
    Session(Session),
    /// There is none.
    Refused(Refusal),
    /// There may be one or not. Ask again with the same payment, or begin another: this one cannot be paid, since
    /// nobody has its address.
    Unknown(Unheard),
}

/// What became of giving money back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refunded {
    /// It is on its way to the card.
    Done {
        /// Stripe's name of it, `re_…`.
        id: String,
        /// How much.
        amount: Money,
    },
    /// Stripe has taken it and says later whether it can be done.
    Pending {
        /// Stripe's name of it, `re_…`.
        id: String,
        /// How much.
        amount: Money,
    },
    /// Stripe has taken it and could not do it: the money is with us as before.
    Failed {
        /// Stripe's name of it, `re_…`.
        id: String,
        /// Stripe's reason, such as `expired_or_canceled_card`.
        reason: String,
    },
    /// Nothing was given back.
    Refused(Refusal),
    /// It may have been given back or not. Ask again with the same key, within a day.
    Unknown(Unheard),
}

/// What became of closing a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expired {
    /// It cannot be paid any more, and was not.
    Done,
    /// It was not open: it is paid, being paid, or over. Only [`Stripe::session`] tells.
    Refused(Refusal),
    /// No usable answer: it may be open.
    Unknown(Unheard),
}

/// The client. One per process.
#[derive(Debug)]
pub struct Stripe {
    http: Http,
    settings: config::Stripe,
}

impl Stripe {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// When the base URL is not http or https, or TLS cannot be prepared.
    pub fn new(settings: &config::Stripe) -> Result<Stripe, SetupError> {
        Ok(Stripe { http: Http::new(settings)?, settings: settings.clone() })
    }

    /// The longest that any question takes.
    pub fn longest(&self) -> Duration {
        self.settings.timeout()
    }

    /// Makes a page on which this payment can be made. The same payment, asked for again within a day, has the same
    /// page.
    pub async fn checkout(&self, wish: &Checkout<'_>) -> Created {
        let Some(amount) = amount::told(wish.amount) else { return Created::Refused(Refusal::NotChargeable) };
        let request = self.http.post(&["v1", "checkout", "sessions"]);
        let request = request.header(IDEMPOTENCY_KEY, wish.payment.to_string()).form(&self.form(wish, amount));
        match ask(request).await {
            Ok(answer) if answer.is_success() => {
                read_session(&answer).map_or_else(|| Created::Unknown(answer.unheard()), Created::Session)
            }
            Ok(answer) => answer.failure().into(),
            Err(silence) => wire::failure(silence).into(),
        }
    }

    /// Asks what became of a session.
    pub async fn session(&self, id: &str) -> Query {
        let request = self.http.get(&["v1", "checkout", "sessions", id]);
        // With the payment itself instead of its name, so that the bank's last word is heard too.
        match ask(request.query(&[("expand[]", "payment_intent")])).await {
            Ok(answer) => read_query(&answer),
            Err(silence) => Query::Unknown(wire::unheard(silence)),
        }
    }

    /// Closes a session, so that it cannot be paid any more.
    pub async fn expire(&self, id: &str) -> Expired {
        match ask(self.http.post(&["v1", "checkout", "sessions", id, "expire"])).await {
            Ok(answer) if answer.is_success() => match answer.text("/status") {
                Some("expired") => Expired::Done,
                _ => Expired::Unknown(answer.unheard()),
            },
            Ok(answer) => answer.failure().into(),
            Err(silence) => wire::failure(silence).into(),
        }
    }

    /// Gives back this much of a payment. The same key, asked for again within a day, gives back once.
    pub async fn refund(&self, payment_intent: &str, amount: Money, key: &str) -> Refunded {
        let Some(told) = amount::told(amount) else { return Refunded::Refused(Refusal::NotChargeable) };
        let told = told.to_string();
        let form = [
            ("payment_intent", payment_intent),
            ("amount", told.as_str()),
            ("reason", "requested_by_customer"),
            ("metadata[refund]", key),
        ];
        let request = self.http.post(&["v1", "refunds"]).header(IDEMPOTENCY_KEY, key).form(&form);
        match ask(request).await {
            Ok(answer) if answer.is_success() => {
                read_refund(&answer).unwrap_or_else(|| Refunded::Unknown(answer.unheard()))
            }
            Ok(answer) => answer.failure().into(),
            Err(silence) => wire::failure(silence).into(),
        }
    }

    /// What Stripe is told of a wish. Cards alone are offered: what else an account may take confirms a payment hours
    /// later. Names of the payment stand at the session and at what comes of it, since reports are about either.
    fn form(&self, wish: &Checkout<'_>, amount: i64) -> Vec<(&'static str, String)> {
        let payment = wish.payment.to_string();
        let expires_at = wish.begun_at + self.settings.session_life();
        let mut form = vec![
            ("mode", "payment".to_owned()),
            ("payment_method_types[0]", "card".to_owned()),
            ("client_reference_id", payment.clone()),
            ("metadata[order]", wish.order.to_owned()),
            ("metadata[payment]", payment.clone()),
            ("payment_intent_data[metadata][order]", wish.order.to_owned()),
            ("payment_intent_data[metadata][payment]", payment),
            ("line_items[0][quantity]", "1".to_owned()),
            ("line_items[0][price_data][currency]", wish.amount.currency.as_str().to_ascii_lowercase()),
            ("line_items[0][price_data][unit_amount]", amount.to_string()),
            ("line_items[0][price_data][product_data][name]", description(wish.description)),
            ("success_url", wish.success_url.to_owned()),
            ("cancel_url", wish.cancel_url.to_owned()),
            ("expires_at", expires_at.unix_timestamp().to_string()),
        ];
        if let Some(email) = wish.email {
            form.push(("customer_email", email.to_owned()));
        }
        form
    }
}

impl From<Failure> for Created {
    fn from(failure: Failure) -> Created {
        match failure {
            Failure::Refused(refusal) => Created::Refused(refusal),
            Failure::Unknown(why) => Created::Unknown(why),
        }
    }
}

impl From<Failure> for Refunded {
    fn from(failure: Failure) -> Refunded {
        match failure {
            Failure::Refused(refusal) => Refunded::Refused(refusal),
            Failure::Unknown(why) => Refunded::Unknown(why),
        }
    }
}

impl From<Failure> for Expired {
    fn from(failure: Failure) -> Expired {
        match failure {
            Failure::Refused(refusal) => Expired::Refused(refusal),
            Failure::Unknown(why) => Expired::Unknown(why),
        }
    }
}

/// An open session with its address; `None`: the answer is something else.
fn read_session(answer: &Answer) -> Option<Session> {
    let url: Url = answer.text("/url")?.parse().ok()?;
    let is_web = matches!(url.scheme(), "https" | "http");
    let expires_at = OffsetDateTime::from_unix_timestamp(answer.number("/expires_at")?).ok()?;
    let id = answer.id("/id")?;
    is_web.then_some(Session { id, url, expires_at })
}

fn read_query(answer: &Answer) -> Query {
    let unknown = || Query::Unknown(answer.unheard());
    if !answer.is_success() {
        return unknown();
    }
    match (answer.text("/status"), answer.text("/payment_status")) {
        (Some("complete"), Some("paid")) => read_paid(answer).unwrap_or_else(unknown),
        // Complete and unpaid is a bank that has not said yet, which a card does not do.
        (Some("open"), _) | (Some("complete"), Some("unpaid")) => Query::Pending,
        (Some("expired"), _) => read_ended(answer),
        _ => unknown(),
    }
}

fn read_paid(answer: &Answer) -> Option<Query> {
    let amount = amount::heard(answer.number("/amount_total")?, answer.text("/currency")?)?;
    // Stripe's name of the payment, `pi_…`, is our receipt, and what is refunded.
    let receipt = Some(answer.id("/payment_intent")?);
    Some(Query::Paid { receipt, amount: Some(amount), charge: answer.id("/payment_intent/latest_charge") })
}

fn read_ended(answer: &Answer) -> Query {
    let bank = |field: &str| answer.text(&format!("/payment_intent/last_payment_error/{field}"));
    match bank("code") {
        Some(code) => {
            let text = format!("{}: {}", bank("decline_code").unwrap_or(code), bank("message").unwrap_or_default());
            Query::Ended { code: CARD_DECLINED.into(), text: quotable(&text) }
        }
        None => Query::Ended { code: SESSION_EXPIRED.into(), text: "the time to pay passed".into() },
    }
}

fn read_refund(answer: &Answer) -> Option<Refunded> {
    let id = answer.id("/id")?;
    let amount = amount::heard(answer.number("/amount")?, answer.text("/currency")?)?;
    match answer.text("/status")? {
        "succeeded" => Some(Refunded::Done { id, amount }),
        "pending" | "requires_action" => Some(Refunded::Pending { id, amount }),
        status @ ("failed" | "canceled") => {
            Some(Refunded::Failed { id, reason: wire::code(answer.text("/failure_reason").unwrap_or(status)) })
        }
        _ => None,
    }
}

/// What the page shows of what is bought.
fn description(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    if words.is_empty() { NAMELESS.to_owned() } else { words.join(" ").chars().take(DESCRIPTION_LIMIT).collect() }
}

#[cfg(test)]
mod tests;
