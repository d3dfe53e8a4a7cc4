//! QuickBooks Online: a day's sales as a sales receipt, what went back as a refund receipt, what a provider kept as an expense.
//!
//! ```text
//!  Posting ──► body ──► wire ──► POST, a name for the request ──► answer ──► what it means: Trouble, or Theirs
//!                                       │ taken
//!                                       ▼
//!                              read again: is it there? is it what was told?
//! ```
//!
//! * `body` – what is told, a function of the posting: amounts to the cent, net and tax as they were booked;
//! * `answer` – what is heard, a function of status and body; `choices` – lists from which the operator chooses;
//! * `wire` – HTTP within bounds, questions by pages, names of requests.
//!
//! | ours | theirs | counts no more by |
//! |---|---|---|
//! | sale | SalesReceipt | void: it keeps its number and its place, at zero |
//! | sale to a named customer ([`Style::Invoice`](crate::posting::Style)) | Invoice and Payment | void of both |
//! | refund | RefundReceipt | delete: it has no void |
//! | fees | Purchase | delete: it has no void |
//!
//! Fees are a Purchase and not a journal entry: it stands with the supplier's expenses, takes a tax of purchases, has one total that can be
//! compared, and a second one of the same number is refused; of a journal entry none of these is true.
//!
//! What cannot be trusted: a company may number documents by itself (then ours would never be found again), or work a tax out in its own way.
//! So what was made is held against what was told; if number or total differ it is taken back at once and refused, with the reason. And a
//! request that QuickBooks has seen is answered as it was then, even if what it made was deleted meanwhile; so what was made is read again,
//! and if it is gone it is told once more, under another name.

mod answer;
pub mod body;
mod choices;
mod wire;

use std::time::Duration;

use serde_json::{Value, json};
use time::Date;
use time::macros::format_description;
use url::Url;

use self::answer::{Failure, Found, entity_of};
use self::body::Entity;
use self::wire::{Http, quoted, request_id};
use crate::connector::{Access, Choice, Connector, Limits, Provider, Theirs, Trouble};
use crate::number;
use crate::posting::{Part, Posting, Style};

/// Where QuickBooks is, unless it is configured otherwise.
pub const BASE: &str = "https://quickbooks.api.intuit.com";
/// How often a document is told under a new name, because what the last name stands for is gone: one that was undone so often is rare.
const NAMES_MAX: usize = 20;

/// A client of QuickBooks Online.
#[derive(Clone, Debug)]
pub struct QuickBooks {
    http: Http,
}

impl QuickBooks {
    /// Prepares the client; nothing is sent. `timeout` is how long one answer may take; QuickBooks itself gives up after two minutes.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: Url, timeout: Duration) -> reqwest::Result<QuickBooks> {
        Ok(QuickBooks { http: Http::new(base, timeout)? })
    }

    /// Tells a sale as an invoice and the payment of all of it. It may be asked for again wherever it stopped: an invoice that is there and
    /// not paid is paid, and no second one is made. (As long as it is not paid, [`Connector::find`] does not find it.)
    ///
    /// # Errors
    /// As [`Connector::post`].
    pub async fn post_invoice(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Theirs, Trouble> {
        let posting = &Posting { style: Style::Invoice, ..posting.clone() };
        let invoice = match self.create(access, posting, key).await {
            Err(Trouble::Duplicate) => self.unpaid(access, posting).await?,
            other => other?,
        };
        if invoice.balance == 0 {
            return Ok(invoice.theirs);
        }
        let (_, id) = entity_of(&invoice.theirs);
        let body = body::payment(posting, id).map_err(|unfit| Trouble::Refused(unfit.to_string()))?;
        let name = request_id(key, &body, "");
        match self.http.post(access, Entity::Payment.path(), &[("requestid", &name)], &body).await {
            Ok(_) => Ok(invoice.theirs),
            // Of a payment that is not ours the invoice says nothing: it is looked at before anything is told again.
            Err(Failure::Trouble(Trouble::Duplicate)) => {
                Err(Trouble::Refused("the invoice is there, and QuickBooks has another payment of this number".into()))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The invoice that an earlier attempt left behind.
    async fn unpaid(&self, access: &Access<'_>, posting: &Posting) -> Result<Found, Trouble> {
        let found = self.numbered(access, Entity::Invoice, &posting.number).await?;
        let is_ours = |found: &Found| !found.theirs.is_void && found.theirs.total == posting.total();
        found.into_iter().find(is_ours).ok_or(Trouble::Duplicate)
    }

    /// Makes a document, and sees to it that it is there and is what was told.
    async fn create(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Found, Trouble> {
        let entity = Entity::of(posting);
        let body = body::document(posting).map_err(|unfit| Trouble::Refused(unfit.to_string()))?;
        let (mut again, mut is_second) = (String::new(), false);
        for _ in 0..NAMES_MAX {
            let name = request_id(key, &body, &again);
            let mut query = vec![("requestid", name.as_str())];
            if is_second {
                query.push(("include", "allowduplicatedocnum"));
            }
            let made = match self.http.post(access, entity.path(), &query, &body).await {
                // What is void keeps its number, and is no reason against another of it.
                Err(Failure::Trouble(Trouble::Duplicate))
                    if !is_second && self.are_void(access, entity, posting).await =>
                {
                    is_second = true;
                    // The refusal may be remembered under its name.
                    again.push_str("second");
                    continue;
                }
                other => other?,
            };
            let Some(made) = made.get(entity.name()).and_then(|made| Found::read(entity, made, &posting.currency))
            else {
                return Err(Trouble::Unknown("QuickBooks took it, and its answer cannot be read".into()));
            };
            match self.read(access, entity, entity_of(&made.theirs).1, &posting.currency).await {
                Ok(now) if now.theirs.is_void && !made.theirs.is_void => again.clone_from(&made.theirs.id),
                Err(Failure::Gone) => again.clone_from(&made.theirs.id),
                Ok(now) => return self.agreed(access, posting, made, now).await,
                // It was said that it was made, and nothing speaks against it.
                Err(_) => return self.agreed(access, posting, made.clone(), made).await,
            }
        }
        Err(Trouble::Refused("it was undone in QuickBooks too often".into()))
    }

    /// Whether this number is taken by void documents only. What cannot be known now is not assumed.
    async fn are_void(&self, access: &Access<'_>, entity: Entity, posting: &Posting) -> bool {
        let found = self.numbered(access, entity, &posting.number).await.unwrap_or_default();
        !found.is_empty() && found.iter().all(|found| found.theirs.is_void)
    }

    /// What was made if it is what was told; otherwise it is taken back. An accountant may have changed it since: only what QuickBooks said
    /// when it made it is held against it.
    async fn agreed(&self, access: &Access<'_>, posting: &Posting, made: Found, now: Found) -> Result<Found, Trouble> {
        let Some(reason) = difference(posting, &made.theirs) else { return Ok(now) };
        let (entity, id) = entity_of(&now.theirs);
        let body = json!({ "Id": id, "SyncToken": now.theirs.version });
        let taken_back = self.http.post(access, entity.path(), &[("operation", "delete")], &body).await;
        Err(Trouble::Refused(match taken_back {
            Ok(_) | Err(Failure::Gone) => reason,
            Err(_) => format!(
                "{reason} It could not be taken back: delete {} {} in QuickBooks",
                entity.name(),
                made.theirs.number
            ),
        }))
    }

    /// All documents of this number.
    async fn numbered(&self, access: &Access<'_>, entity: Entity, number: &str) -> Result<Vec<Found>, Trouble> {
        let rows = self.http.query(access, entity.name(), &format!("DocNumber = {}", quoted(number))).await?;
        let found = rows.iter().filter_map(|row| Found::read(entity, row, ""));
        // Letters may be compared there without their case.
        Ok(found.filter(|found| found.theirs.number == number).collect())
    }

    /// The document of this id, as it is now.
    async fn read(&self, access: &Access<'_>, entity: Entity, id: &str, currency: &str) -> Result<Found, Failure> {
        let answer = self.http.get(access, &[entity.path(), id]).await?;
        let found = answer.get(entity.name()).and_then(|value| Found::read(entity, value, currency));
        found.ok_or_else(|| Failure::Trouble(Trouble::Away("QuickBooks' answer cannot be read".into())))
    }

    /// Makes that one thing counts no more; what changed meanwhile is read again, once.
    async fn undo_one(&self, access: &Access<'_>, entity: Entity, id: &str, version: &str) -> Result<(), Trouble> {
        let mut version = version.to_owned();
        for is_last in [false, true] {
            let (operation, body) = undoing(entity, id, &version);
            let name = request_id(&format!("undo{id}"), &body, entity.name());
            let query = [&[("requestid", name.as_str())], operation].concat();
            match self.http.post(access, entity.path(), &query, &body).await {
                Ok(_) | Err(Failure::Gone) => return Ok(()),
                Err(Failure::Stale) if !is_last => match self.read(access, entity, id, "").await {
                    Ok(found) if found.theirs.is_void => return Ok(()),
                    Ok(found) => version = found.theirs.version,
                    Err(Failure::Gone) => return Ok(()),
                    Err(failure) => return Err(failure.into()),
                },
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }

    /// The payments of an invoice that we have made: it cannot be void and paid. One of somebody else's is not ours to undo.
    async fn undo_payments(&self, access: &Access<'_>, invoice: &str, number: &str) -> Result<(), Failure> {
        let found = self.read(access, Entity::Invoice, invoice, "").await?;
        for id in &found.payments {
            let payment = match self.read(access, Entity::Payment, id, "").await {
                Ok(payment) if payment.theirs.is_void => continue,
                Err(Failure::Gone) => continue,
                other => other?,
            };
            if payment.reference != number {
                let words = "it is paid by a payment that is not from here: undo that in QuickBooks first";
                return Err(Failure::Trouble(Trouble::Refused(words.into())));
            }
            let undone = self.undo_one(access, Entity::Payment, id, &payment.theirs.version).await;
            undone.map_err(Failure::Trouble)?;
        }
        Ok(())
    }
}

/// What makes that a thing counts no more. `void` keeps it with its number at zero, which auditors prefer; refund receipts and purchases have
/// none, and are deleted.
fn undoing(entity: Entity, id: &str, version: &str) -> (&'static [(&'static str, &'static str)], Value) {
    match entity {
        Entity::SalesReceipt | Entity::Payment => {
            (&[("operation", "update"), ("include", "void")], json!({ "Id": id, "SyncToken": version, "sparse": true }))
        }
        Entity::Invoice => (&[("operation", "void")], json!({ "Id": id, "SyncToken": version })),
        Entity::RefundReceipt | Entity::Purchase => {
            (&[("operation", "delete")], json!({ "Id": id, "SyncToken": version }))
        }
    }
}

/// What differs between what was told and what was made, in the words of the person who can mend it.
fn difference(posting: &Posting, theirs: &Theirs) -> Option<String> {
    if theirs.number != posting.number {
        return Some(format!(
            "QuickBooks gave it the number “{}” instead of {}, so that it could not be found again: switch on custom transaction numbers \
             in QuickBooks, under Account and settings, for sales and for expenses.",
            theirs.number, posting.number
        ));
    }
    (theirs.total != posting.total()).then(|| {
        format!(
            "QuickBooks made {} of {}: choose a tax code with one rate, the rate that is set here for this tax.",
            shown(theirs.total),
            shown(posting.total())
        )
    })
}

fn shown(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, (minor % 100).abs())
}

impl Connector for QuickBooks {
    fn provider(&self) -> Provider {
        Provider::QuickBooks
    }

    fn limits(&self) -> Limits {
        Limits { minute: 500, day: None, together: 10, pause: answer::PAUSE }
    }

    async fn choices(&self, access: &Access<'_>) -> Result<Vec<Choice>, Trouble> {
        let (mut all, mut rates) = (Vec::new(), choices::Rates::new());
        for (list, topic) in choices::LISTS {
            let rows = match self.http.query(access, list, "Active = true").await {
                // A smaller plan has no locations, and says so.
                Err(Failure::Trouble(Trouble::Refused(_))) if list == choices::LOCATION => continue,
                other => other?,
            };
            if list == choices::TAX_RATE {
                rates = choices::rates(&rows);
            } else {
                all.extend(choices::of(list, topic, &rows, &rates));
            }
        }
        Ok(all)
    }

    async fn find(&self, access: &Access<'_>, part: Part, number: &str) -> Result<Option<Theirs>, Trouble> {
        let mut void = None;
        for entity in Entity::of_part(part) {
            for found in self.numbered(access, *entity, number).await? {
                match found {
                    Found { theirs, .. } if theirs.is_void => void = Some(theirs),
                    // Half of an invoice and its payment: whoever tells it again completes it.
                    Found { entity: Entity::Invoice, balance: 1.., .. } => {}
                    Found { theirs, .. } => return Ok(Some(theirs)),
                }
            }
        }
        Ok(void)
    }

    async fn post(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Theirs, Trouble> {
        match Entity::of(posting) {
            Entity::Invoice => self.post_invoice(access, posting, key).await,
            _ => Ok(self.create(access, posting, key).await?.theirs),
        }
    }

    async fn list(&self, access: &Access<'_>, part: Part, days: (Date, Date)) -> Result<Vec<Theirs>, Trouble> {
        let written = |day: Date| {
            let text = day.format(format_description!("[year]-[month]-[day]"));
            quoted(&text.expect("a date has all that is asked for"))
        };
        let condition = format!("TxnDate >= {} and TxnDate <= {}", written(days.0), written(days.1));
        let mut all = Vec::new();
        for entity in Entity::of_part(part) {
            let rows = self.http.query(access, entity.name(), &condition).await?;
            let found = rows.iter().filter_map(|row| Found::read(*entity, row, ""));
            all.extend(found.map(|found| found.theirs).filter(|theirs| number::is_ours(&theirs.number)));
        }
        Ok(all)
    }

    async fn undo(&self, access: &Access<'_>, theirs: &Theirs) -> Result<(), Trouble> {
        let (entity, id) = entity_of(theirs);
        if entity != Entity::Invoice {
            return self.undo_one(access, entity, id, &theirs.version).await;
        }
        match self.undo_payments(access, id, &theirs.number).await {
            Ok(()) => self.undo_one(access, entity, id, &theirs.version).await,
            Err(Failure::Gone) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests;
