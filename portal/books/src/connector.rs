//! What all accountants' programs have in common, as one trait; a file each implements it.
//!
//! A connector knows no database and keeps nothing: it is handed what lets us in ([`Access`]) and a document, and says what became of it.
//! The difference that everything hangs on is between *certainly not taken* and *perhaps taken* ([`Trouble`]): what may have been taken is
//! looked for by its number before it is told again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::Date;
use url::Url;

use crate::posting::{Part, Posting};

/// An accountant's program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Provider {
    /// QuickBooks Online.
    QuickBooks,
    /// Xero.
    Xero,
    /// Zoho Books.
    Zoho,
}

impl Provider {
    /// All of them.
    pub const ALL: [Provider; 3] = [Provider::QuickBooks, Provider::Xero, Provider::Zoho];

    /// Its word in tables, addresses and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::QuickBooks => "quickbooks",
            Provider::Xero => "xero",
            Provider::Zoho => "zoho",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Provider::QuickBooks => "QuickBooks Online",
            Provider::Xero => "Xero",
            Provider::Zoho => "Zoho Books",
        }
    }

    /// The program of this word.
    pub fn named(word: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.as_str() == word)
    }
}

/// What lets us in.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The access token.
    pub token: &'a str,
    /// The program's name of the operator's company: realm, tenant, organization.
    pub organisation: &'a str,
    /// Where the program is, where the grant said it.
    pub base: Option<&'a Url>,
    /// Counts the requests that are sent: each of them, also the one that is not answered.
    pub calls: &'a AtomicU64,
}

impl Access<'_> {
    /// Counts one more request.
    pub fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// How much a program may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests in a minute.
    pub minute: u32,
    /// Requests in a day, where there is a limit.
    pub day: Option<u32>,
    /// Requests at the same time.
    pub together: u32,
    /// How long to wait where the program says "too many" and not for how long.
    pub pause: Duration,
}

/// Why it did not come to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The program refuses it: certainly not taken, and never will be as it is. In the words of the person who can mend it.
    Refused(String),
    /// A document of this number is there already.
    Duplicate,
    /// We are not let in any more: the operator must connect again.
    Reconnect(String),
    /// The access token is not good (any more): a new one is asked for, once.
    Expired,
    /// Too many requests: certainly not taken. The program may have said how long to wait, and whether the day's number is used up.
    TooMany {
        /// How long to wait, where it is said.
        wait: Option<Duration>,
        /// Whether the day's number is used up.
        is_daily: bool,
    },
    /// Nothing was sent, or the program certainly did nothing: later again.
    Away(String),
    /// It may have been taken or not.
    Unknown(String),
}

impl Trouble {
    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Refused(_) => "refused",
            Trouble::Duplicate => "duplicate",
            Trouble::Reconnect(_) => "reconnect",
            Trouble::Expired => "expired",
            Trouble::TooMany { .. } => "too_many",
            Trouble::Away(_) => "away",
            Trouble::Unknown(_) => "unknown",
        }
    }
}

/// A document that the program has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Theirs {
    /// The program's name of it.
    pub id: String,
    /// What it needs to change it (QuickBooks: SyncToken); empty where nothing.
    pub version: String,
    /// Its number.
    pub number: String,
    /// What it tells.
    pub part: Part,
    /// Its day.
    pub day: Date,
    /// What it comes to, in minor units.
    pub total: i64,
    /// Its currency.
    pub currency: String,
    /// Whether it counts no more.
    pub is_void: bool,
}

/// What can be chosen in a program for something of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Topic {
    /// An account: income, expense, where money is.
    Account,
    /// A product or service.
    Item,
    /// A tax code or rate.
    Tax,
    /// A class, a tracking option, a branch: what a site is there.
    Class,
    /// A customer or supplier.
    Contact,
    /// A way of payment.
    Method,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 6] = [Topic::Account, Topic::Item, Topic::Tax, Topic::Class, Topic::Contact, Topic::Method];

    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Account => "account",
            Topic::Item => "item",
            Topic::Tax => "tax",
            Topic::Class => "class",
            Topic::Contact => "contact",
            Topic::Method => "method",
        }
    }
}

/// Something that can be chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// What it is.
    pub topic: Topic,
    /// The program's name of it, as it is told in a document.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What else tells it from others: the kind of an account (`income`, `expense`, `bank`, …), the rate of a tax in percent.
    pub detail: String,
}

/// An accountant's program.
pub trait Connector: Send + Sync {
    /// Which one.
    fn provider(&self) -> Provider;
    /// How much it may be asked.
    fn limits(&self) -> Limits;
    /// What can be chosen in it: only what is in use there.
    fn choices(&self, access: &Access<'_>) -> impl Future<Output = Result<Vec<Choice>, Trouble>> + Send;
    /// The document of this number, if it is there.
    fn find(
        &self,
        access: &Access<'_>,
        part: Part,
        number: &str,
    ) -> impl Future<Output = Result<Option<Theirs>, Trouble>> + Send;
    /// Tells a document. `key` is the same whenever this document is told; a program that knows such keys is given it.
    fn post(
        &self,
        access: &Access<'_>,
        posting: &Posting,
        key: &str,
    ) -> impl Future<Output = Result<Theirs, Trouble>> + Send;
    /// The documents of these days, the last one included, whose numbers are of our making.
    fn list(
        &self,
        access: &Access<'_>,
        part: Part,
        days: (Date, Date),
    ) -> impl Future<Output = Result<Vec<Theirs>, Trouble>> + Send;
    /// Makes that a document counts no more, as the program does such things (void, delete).
    fn undo(&self, access: &Access<'_>, theirs: &Theirs) -> impl Future<Output = Result<(), Trouble>> + Send;
}
