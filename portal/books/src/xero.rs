//! Xero, by its Accounting API 2.0. Source: its OpenAPI document, version 16.1.0.
//!
//! ```text
//!  sale     an invoice (ACCREC, approved, our number) ──► a payment of it into the clearing account
//!  refund   a credit note (ACCRECCREDIT, our number)  ──► a payment of it out of the clearing account
//!  fees     money spent (SPEND, our number is its reference), out of the clearing account
//! ```
//!
//! **Why not one call.** Money received and spent (bank transactions) would be one call each, but nothing there is unique: told twice it stands
//! there twice, and `Idempotency-Key` is remembered for minutes only. Of an invoice's number Xero keeps one, for ever; and no payment may be
//! more than what is still to be paid. So a sale cannot be told twice, not even by two processes at once, and what went back is seen by the
//! accountant as what it is. Fees have no better home (a supplier's bill has no unique number either) and are the smallest of the three.
//!
//! **Half of it.** The answer to either call can be lost, and between the two a token may end or a limit be reached. A document that counts
//! and is not paid is *not there* for [`Connector::find`] and [`Connector::list`]; [`Connector::post`] looks before it makes anything,
//! and where it meets such a document, of the same amount, it only pays what is due. Whoever tells a document again therefore completes it,
//! whatever happened before, and who compares the books is told that it is missing. Drafts are not there either, but post refuses to
//! touch them: they are somebody's.
//!
//! * `kind` – what each part is in Xero; `told` – the JSON of it; `heard` – what answers say; `amount` – exact decimals;
//! * `wire` – HTTP, and what statuses and limits mean.
//!
//! Calls: a sale or a refund three (look, make, pay), fees two. Nothing is repeated here. The caller's key is the same whenever a document
//! is told, and another after it was taken back: Xero remembers for some minutes what it answered to a key.

mod amount;
mod heard;
mod kind;
mod told;
mod wire;

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use time::Date;
use url::Url;

use self::heard::{Document, State};
use self::kind::Kind;
use self::wire::Http;
use crate::connector::{Access, Choice, Connector, Limits, Provider, Theirs, Topic, Trouble};
use crate::http::Asked;
use crate::number;
use crate::posting::{Part, Posting};

/// Documents on a page. Xero gives so many where it is not told otherwise, too.
const PAGE_SIZE: usize = 100;
/// Most pages of documents that are read at once: ten thousand, which is half a year of twenty sites with two or three ways of payment each.
/// More is refused, not cut off.
const PAGES_MAX: u64 = 100;
/// Contacts on a page: the most that Xero gives, since they are short.
const CONTACTS: usize = 1000;
/// Most pages of contacts that are read. Who has more names the contact of our documents so that it comes early.
const CONTACT_PAGES_MAX: u64 = 5;

/// A client of Xero. It knows no organisation: each question brings what lets us in.
#[derive(Debug)]
pub struct Xero {
    http: Http,
}

impl Xero {
    /// Prepares the client; nothing is sent. `base` is the address below which `/api.xro/2.0` is: `https://api.xero.com`.
    ///
    /// # Errors
    /// When TLS cannot be prepared.
    pub fn new(base: Url, timeout: Duration) -> reqwest::Result<Xero> {
        Ok(Xero { http: Http::new(base, timeout)? })
    }

    /// The document of this number that tells us most, whatever its state.
    async fn look(&self, access: &Access<'_>, part: Part, number: &str) -> Result<Option<Document>, Trouble> {
        if number.contains(['"', '\\']) {
            return Err(Trouble::Refused(format!("{number} is no number of a document")));
        }
        let kind = Kind::of(part);
        // No blank is in it: one is spelt `+` in an address, which not every server reads as a blank.
        let of_number = format!(r#"Type=="{}"&&{}=="{number}""#, kind.word, kind.number);
        let answer = self.http.ask(access, &[kind.list], &[("where", of_number)]).await?;
        let found = heard::documents(&answer, part, |one| one == number).ok_or_else(|| unread(Asked::Read))?;
        Ok(found.into_iter().max_by_key(|one| one.state))
    }

    /// Makes the document, which is not there.
    async fn make(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Document, Trouble> {
        let kind = Kind::of(posting.part);
        let body = told::document(posting).map_err(Trouble::Refused)?;
        let answer = self.http.change(access, (Method::PUT, &[kind.list]), &body, Some(key)).await?;
        let made = heard::documents(&answer, posting.part, |number| number == posting.number);
        made.and_then(|made| made.into_iter().next()).ok_or_else(|| unread(Asked::Write))
    }

    /// Pays what is due of a document.
    async fn pay(&self, access: &Access<'_>, posting: &Posting, there: Document, key: &str) -> Result<Theirs, Trouble> {
        let theirs = &there.theirs;
        if theirs.total != posting.total() || theirs.currency != posting.currency {
            return Err(Trouble::Refused(other_amount(posting, theirs)));
        }
        let body = told::payment(posting, &theirs.id, there.due).map_err(Trouble::Refused)?;
        match self.http.change(access, (Method::POST, &["Payments"]), &body, Some(key)).await {
            Ok(_) => Ok(there.theirs),
            // Perhaps since an earlier payment, of which no answer was heard, has come to be after all.
            Err(Trouble::Refused(why)) => match self.look(access, posting.part, &posting.number).await? {
                Some(now) if now.state == State::Whole => Ok(now.theirs),
                _ => Err(Trouble::Refused(format!(
                    "{} is in Xero and not paid, since Xero refuses the payment: {why} It is paid when this is mended and it is sent again.",
                    posting.number
                ))),
            },
            Err(trouble) => Err(trouble),
        }
    }

    /// All pages of a list.
    async fn pages<T>(
        &self,
        access: &Access<'_>,
        (list, query): (&str, &[(&str, String)]),
        (size, pages_max): (usize, u64),
        read: impl Fn(&Value) -> Option<Vec<T>>,
    ) -> Result<(Vec<T>, bool), Trouble> {
        let mut all = Vec::new();
        for page in 1..=pages_max {
            let mut query = query.to_vec();
            query.extend([("page", page.to_string()), ("pageSize", size.to_string())]);
            let answer = self.http.ask(access, &[list], &query).await?;
            let count = heard::list(&answer, list).ok_or_else(|| unread(Asked::Read))?.len();
            all.extend(read(&answer).ok_or_else(|| unread(Asked::Read))?);
            if heard::is_last(&answer, page, count, PAGE_SIZE) {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    /// What can be chosen of one topic, which Xero gives in one answer.
    async fn chosen(&self, access: &Access<'_>, topic: Topic, list: &str) -> Result<Vec<Choice>, Trouble> {
        let answer = self.http.ask(access, &[list], &[]).await?;
        heard::choices(topic, &answer).ok_or_else(|| unread(Asked::Read))
    }

    async fn contacts(&self, access: &Access<'_>) -> Result<Vec<Choice>, Trouble> {
        let query = [("summaryOnly", "true".to_owned()), ("order", "Name".to_owned())];
        let read = |answer: &Value| heard::choices(Topic::Contact, answer);
        let bounds = (CONTACTS, CONTACT_PAGES_MAX);
        let (contacts, is_all) = self.pages(access, ("Contacts", &query), bounds, read).await?;
        if !is_all {
            tracing::warn!(read = contacts.len(), "Xero has more contacts than are read; only the first can be chosen");
        }
        Ok(contacts)
    }

    /// Takes back what pays a document: one that is paid cannot be made void.
    async fn take_back(&self, access: &Access<'_>, payments: &[String]) -> Result<(), Trouble> {
        for payment in payments {
            let body = told::payment_undone();
            self.http.change(access, (Method::POST, &["Payments", payment]), &body, None).await?;
        }
        Ok(())
    }
}

impl Connector for Xero {
    fn provider(&self) -> Provider {
        Provider::Xero
    }

    fn limits(&self) -> Limits {
        Limits { minute: 60, day: Some(5000), together: 5, pause: Duration::from_secs(60) }
    }

    async fn choices(&self, access: &Access<'_>) -> Result<Vec<Choice>, Trouble> {
        let mut all = Vec::new();
        for (topic, list) in [
            (Topic::Account, "Accounts"),
            (Topic::Item, "Items"),
            (Topic::Tax, "TaxRates"),
            (Topic::Class, "TrackingCategories"),
        ] {
            all.extend(self.chosen(access, topic, list).await?);
        }
        all.extend(self.contacts(access).await?);
        Ok(all)
    }

    async fn find(&self, access: &Access<'_>, part: Part, number: &str) -> Result<Option<Theirs>, Trouble> {
        let found = self.look(access, part, number).await?;
        Ok(found.filter(is_told).map(|found| found.theirs))
    }

    async fn post(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Theirs, Trouble> {
        let (part, number) = (posting.part, &posting.number);
        let there = match self.look(access, part, number).await?.filter(counts) {
            Some(there) => there,
            None => match self.make(access, posting, key).await {
                Ok(made) if made.state == State::Whole => return Ok(made.theirs),
                Ok(made) => made,
                // Somebody was faster, or Xero does not take the number of one that was made void again.
                Err(Trouble::Duplicate) => self.look(access, part, number).await?.filter(counts).ok_or_else(|| {
                    Trouble::Refused(format!(
                        "Xero does not take the number {number}, which one that was made void has there: enter it there by hand"
                    ))
                })?,
                Err(trouble) => return Err(trouble),
            },
        };
        match there.state {
            State::Whole => return Err(Trouble::Duplicate),
            State::Draft => {
                return Err(Trouble::Refused(format!(
                    "{number} is in Xero as a draft: approve it or delete it there, and send it again"
                )));
            }
            State::Unpaid | State::Void => {}
        }
        self.pay(access, posting, there, key).await
    }

    async fn list(
        &self,
        access: &Access<'_>,
        part: Part,
        (since, until): (Date, Date),
    ) -> Result<Vec<Theirs>, Trouble> {
        let kind = Kind::of(part);
        let of_days = format!(r#"Type=="{}"&&Date>={}&&Date<={}"#, kind.word, moment(since), moment(until));
        // By what never changes, so that a document that is changed meanwhile does not move between pages.
        let query = [("where", of_days), ("order", kind.id.to_owned())];
        let read = |answer: &Value| heard::documents(answer, part, number::is_ours);
        let (found, is_all) = self.pages(access, (kind.list, &query), (PAGE_SIZE, PAGES_MAX), read).await?;
        if !is_all {
            return Err(Trouble::Refused(
                "Xero has more documents of these days than are read: take fewer days".into(),
            ));
        }
        let found = found.into_iter().filter(is_told).map(|found| found.theirs);
        Ok(found.filter(|theirs| (since..=until).contains(&theirs.day)).collect())
    }

    async fn undo(&self, access: &Access<'_>, theirs: &Theirs) -> Result<(), Trouble> {
        let kind = Kind::of(theirs.part);
        let answer = self.http.ask(access, &[kind.list, &theirs.id], &[]).await?;
        let values = heard::list(&answer, kind.list);
        let now = values.and_then(|values| values.first()).ok_or_else(|| unread(Asked::Read))?;
        let document = heard::document(now, theirs.part).ok_or_else(|| unread(Asked::Read))?;
        let status = match document.state {
            State::Void => return Ok(()),
            State::Draft => "DELETED",
            _ if theirs.part == Part::Fees => "DELETED",
            _ => "VOIDED",
        };
        self.take_back(access, &document.payments).await?;
        let body = told::undone(theirs.part, &theirs.id, status, now);
        self.http.change(access, (Method::POST, &[kind.list, &theirs.id]), &body, None).await.map(drop)
    }
}

/// Whether it is there for anybody but those who look into the past.
fn counts(document: &Document) -> bool {
    document.state != State::Void
}

/// Whether all of it is told: it is paid, or it counts no more.
fn is_told(document: &Document) -> bool {
    matches!(document.state, State::Whole | State::Void)
}

/// A day in Xero's words for filters.
fn moment(day: Date) -> String {
    format!("DateTime({},{},{})", day.year(), u8::from(day.month()), day.day())
}

fn unread(asked: Asked) -> Trouble {
    asked.unsure("Xero's answer is not understood")
}

fn other_amount(posting: &Posting, theirs: &Theirs) -> String {
    let spelt = |minor: i64| amount::told(minor).map(|amount| amount.to_string()).unwrap_or_default();
    format!(
        "{} is in Xero, not paid, with {} {} instead of {} {}: make it void there and send it again",
        posting.number,
        theirs.currency,
        spelt(theirs.total),
        posting.currency,
        spelt(posting.total())
    )
}

#[cfg(test)]
mod tests;
