//! Zoho Books v3: a day's sales as a sales receipt, what went back as a credit note that is refunded, what a provider kept as an expense.
//!
//! ```text
//!  Posting ──► is it there? ──► body ──► wire ──► POST ──► answer ──► what it means: Trouble, or Theirs
//!                  │ no key tells Zoho that a request is the same               │ another total or currency
//!                  ▼                                                            ▼
//!              Duplicate                                                  taken back, and refused
//! ```
//!
//! * `body` – what is told, a function of the posting; `amount` – decimals without rounding;
//! * `answer` – what is heard, a function of status and body: a `code` that is not 0 is a failure whatever the status says;
//! * `choices` – lists from which the operator chooses; `wire` – HTTP within bounds, and lists by pages.
//!
//! | ours | theirs | found by | counts no more by |
//! |---|---|---|---|
//! | sale | sales receipt | `receipt_number` | delete: it has no void |
//! | refund | credit note, and its refund from the account | `creditnote_number` | the refund deleted, the note void |
//! | fees | expense | `reference_number` | delete: it has no void |
//!
//! A credit note is Zoho's document of what goes back: it takes the sale's tax back in its reports, which a journal does not. It is told
//! in two steps, and the second may be lost: a note of ours that is not refunded counts as not there, and telling it again
//! goes on with it. Zoho has no key for requests, and the reference of an expense need not be the only one: so whatever is told is looked for
//! first.
//!
//! The currency of a document is that of its contact and cannot be told, and a rate of more places than the organisation works with is rounded.
//! So what was made is held against what was told; if it differs it is taken back at once and refused, with the reason.

mod amount;
mod answer;
pub mod body;
mod choices;
mod wire;

use std::time::Duration;

use serde_json::Value;
use time::Date;
use url::Url;

use self::answer::{Credit, Kind, Read, Write};
use self::wire::Http;
use crate::connector::{Access, Choice, Connector, Limits, Provider, Theirs, Trouble};
use crate::number;
use crate::posting::{Part, Posting};

/// How long to wait after "too many", which Zoho does not say: it counts by the minute.
const PAUSE: Duration = Duration::from_secs(60);

/// A client of Zoho Books.
#[derive(Clone, Debug)]
pub struct Zoho {
    http: Http,
}

impl Zoho {
    /// Prepares the client; nothing is sent. `base` is where it is unless a grant says otherwise; `timeout` is how long an answer may take.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: Url, timeout: Duration) -> reqwest::Result<Zoho> {
        Ok(Zoho { http: Http::new(base, timeout)? })
    }

    /// Our document of this number, and what of it is still open, if it is a credit note.
    async fn look(&self, access: &Access<'_>, kind: Kind, number: &str) -> Result<Option<Credit>, Trouble> {
        let days = day_of(number).map(|day| (day, day));
        let rows = self.http.rows(access, kind, days, Some(number)).await?;
        let mut found = rows.iter().filter_map(|row| Credit::read(kind, row)).filter(|it| it.theirs.number == number);
        // One that counts goes before one that was made void.
        let first = found.next();
        let counts = |it: &Credit| !it.theirs.is_void;
        Ok(match first {
            Some(it) if counts(&it) => Some(it),
            other => found.find(counts).or(other),
        })
    }

    /// Makes a document and holds it against what was told.
    async fn make(&self, access: &Access<'_>, kind: Kind, posting: &Posting, body: &Value) -> Result<Credit, Trouble> {
        let query = [("ignore_auto_number_generation", "true")];
        let query = if kind == Kind::Expense { &[][..] } else { &query[..] };
        let answer = self.http.post(access, &[kind.path()], query, body).await?;
        let made = Credit::of_answer(kind, &answer);
        // It was taken, and is to be looked for.
        let made =
            made.ok_or_else(|| Trouble::Unknown("Zoho Books took it and did not say what it made.".to_owned()))?;
        let Some(differs) = difference(&made.theirs, posting) else { return Ok(made) };
        tracing::warn!(number = %posting.number, "Zoho Books made another document than was told; it is taken back");
        match self.remove(access, kind, &made.theirs.id).await {
            Ok(()) => Err(Trouble::Refused(differs)),
            Err(_) => Err(Trouble::Refused(format!("{differs} It is still there: delete it in Zoho Books."))),
        }
    }

    async fn give_back(&self, access: &Access<'_>, posting: &Posting, open: Option<Credit>) -> Result<Theirs, Trouble> {
        let credit = match open {
            Some(credit) => match difference(&credit.theirs, posting) {
                None => credit,
                Some(differs) => return Err(Trouble::Refused(differs)),
            },
            None => self.make(access, Kind::Credit, posting, &body::credit(posting)?).await?,
        };
        let id = credit.theirs.id.as_str();
        let begun = async {
            if credit.is_draft {
                self.http.post(access, &["creditnotes", id, "status", "open"], &[], &Value::Null).await?;
            }
            if credit.open > 0 {
                let refund = body::refund(posting, credit.open)?;
                self.http.post(access, &["creditnotes", id, "refunds"], &[], &refund).await?;
            }
            Ok(())
        };
        match begun.await {
            Ok(()) => Ok(credit.theirs),
            // The note is there, and so is not nothing.
            Err(Trouble::Away(why)) => Err(Trouble::Unknown(why)),
            Err(trouble) => Err(trouble),
        }
    }

    async fn remove(&self, access: &Access<'_>, kind: Kind, id: &str) -> Result<(), Trouble> {
        if kind != Kind::Credit {
            return gone(self.http.delete(access, &[kind.path(), id]).await);
        }
        let refunds = match self.http.get(access, &["creditnotes", id, "refunds"], &[]).await {
            Ok(refunds) => answer::refunds(&refunds),
            Err(Read::Gone) => return Ok(()),
            Err(Read::Trouble(trouble)) => return Err(trouble),
        };
        for refund in refunds {
            gone(self.http.delete(access, &["creditnotes", id, "refunds", &refund]).await)?;
        }
        self.http.post(access, &["creditnotes", id, "status", "void"], &[], &Value::Null).await.map(drop)
    }
}

/// What is not there need not be taken away.
fn gone(removed: Result<Value, Write>) -> Result<(), Trouble> {
    match removed {
        Ok(_) | Err(Write::Gone) => Ok(()),
        Err(Write::Trouble(trouble)) => Err(trouble),
    }
}

/// What is otherwise than it was told, in a sentence.
fn difference(made: &Theirs, posting: &Posting) -> Option<String> {
    let (theirs, ours) = (amount::spelt(made.total), amount::spelt(posting.total()));
    if made.currency != posting.currency {
        return Some(format!(
            "Zoho Books wrote it in {}, the currency of its contact. Choose one whose currency is {}.",
            made.currency, posting.currency
        ));
    }
    (made.total != posting.total()).then(|| {
        format!(
            "Zoho Books made {theirs} of {ours} {}: look at its rounding and at the taxes that were chosen.",
            made.currency
        )
    })
}

/// The day that a number of ours begins with.
fn day_of(number: &str) -> Option<Date> {
    let day = number.split('-').next()?;
    Date::parse(day, time::macros::format_description!("[year][month][day]")).ok()
}

impl Connector for Zoho {
    fn provider(&self) -> Provider {
        Provider::Zoho
    }

    fn limits(&self) -> Limits {
        // A day's number is that of the smallest plan; a larger one allows more.
        Limits { minute: 100, day: Some(1000), together: 5, pause: PAUSE }
    }

    async fn choices(&self, access: &Access<'_>) -> Result<Vec<Choice>, Trouble> {
        let mut found = choices::methods();
        for list in choices::List::ALL {
            match self.http.all(access, list.path(), list.query()).await {
                Ok(rows) => found.extend(rows.iter().filter_map(|row| list.choice(row))),
                // An organisation need not have places.
                Err(Trouble::Refused(_)) if list.may_be_off() => {}
                Err(trouble) => return Err(trouble),
            }
        }
        let tags = match self.http.all(access, &["reportingtags"], &[]).await {
            Ok(tags) => tags,
            Err(Trouble::Refused(_)) => Vec::new(),
            Err(trouble) => return Err(trouble),
        };
        for (tag, name) in tags.iter().filter_map(choices::tag) {
            match self.http.get(access, &["reportingtags", &tag], &[]).await {
                Ok(one) => found.extend(choices::tag_options(&tag, &name, &one)),
                Err(Read::Gone | Read::Trouble(Trouble::Refused(_))) => {}
                Err(Read::Trouble(trouble)) => return Err(trouble),
            }
        }
        Ok(found)
    }

    async fn find(&self, access: &Access<'_>, part: Part, number: &str) -> Result<Option<Theirs>, Trouble> {
        let found = self.look(access, Kind::of(part), number).await?;
        Ok(found.filter(Credit::is_whole).map(|it| it.theirs))
    }

    async fn post(&self, access: &Access<'_>, posting: &Posting, _key: &str) -> Result<Theirs, Trouble> {
        let kind = Kind::of(posting.part);
        let open = match self.look(access, kind, &posting.number).await? {
            Some(there) if there.is_whole() => return Err(Trouble::Duplicate),
            open => open,
        };
        match kind {
            Kind::Receipt => Ok(self.make(access, kind, posting, &body::receipt(posting)?).await?.theirs),
            Kind::Expense => Ok(self.make(access, kind, posting, &body::expense(posting)?).await?.theirs),
            Kind::Credit => self.give_back(access, posting, open).await,
        }
    }

    async fn list(&self, access: &Access<'_>, part: Part, days: (Date, Date)) -> Result<Vec<Theirs>, Trouble> {
        let kind = Kind::of(part);
        let rows = self.http.rows(access, kind, Some(days), None).await?;
        let ours = rows.iter().filter(|row| answer::number(kind, row).is_some_and(number::is_ours));
        let mut found = Vec::new();
        for row in ours {
            // What is ours and cannot be read is not passed over: it would be told once more.
            let read = Credit::read(kind, row);
            let read = read.ok_or_else(|| Trouble::Away("Zoho Books' list holds what cannot be read.".to_owned()))?;
            found.extend(Some(read).filter(|it| it.is_whole() && (days.0..=days.1).contains(&it.theirs.day)));
        }
        Ok(found.into_iter().map(|it| it.theirs).collect())
    }

    async fn undo(&self, access: &Access<'_>, theirs: &Theirs) -> Result<(), Trouble> {
        if theirs.is_void {
            return Ok(());
        }
        self.remove(access, Kind::of(theirs.part), &theirs.id).await
    }
}

#[cfg(test)]
mod tests;
