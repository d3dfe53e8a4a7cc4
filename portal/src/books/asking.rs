//! Some requests to an accountant's program, one after the other: counted before they are made, within what the program allows, with an
//! entry that is renewed once where the program says that it is not good any more.
//!
//! ```text
//!  At::open  counts what may be asked, and enters
//!            At::access for each request; where one comes back as Expired: At::renew, and that request once more
//!  At::close puts the count right
//! ```
//!
//! What a program says of all of us is kept here ([`heed`]): that it is asked too much, and that it does not let us in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ::books::connector::{Access, Connector as _, Limits, Provider, Trouble};
use shared::time::OffsetDateTime;
use store::StoreError;
use store::books::call::{self, Full, Limit};
use store::books::{connection, posting};
use time::Time;
use uuid::Uuid;

use super::access::{self, Entry};
use super::programs::{Configured, Program};
use crate::App;

/// How long nothing is told when a minute's number is used up: the pace lets one through soon.
const BREATH: Duration = Duration::from_secs(1);

/// Why nothing can be asked now: certainly nothing was.
#[derive(Debug)]
pub(crate) enum Shut {
    /// The program is not configured here any more.
    NotConfigured,
    /// So much was asked already.
    Full(Full),
    /// We are not let in.
    Trouble(Trouble),
}

impl Shut {
    /// In a sentence for the desk.
    pub(crate) fn words(&self) -> String {
        match self {
            Shut::NotConfigured => "The program is not configured here any more.".to_owned(),
            Shut::Full(Full::Minute) => "It was asked often just now: try again in a moment.".to_owned(),
            Shut::Full(Full::Day) => "It was asked as often today as it allows: try again tomorrow.".to_owned(),
            Shut::Trouble(trouble) => words(trouble),
        }
    }
}

/// A program while it is asked.
#[derive(Debug)]
pub(crate) struct At<'a> {
    app: &'a App,
    connection: Uuid,
    configured: &'a Configured,
    entry: Entry,
    /// Requests with the entry before.
    earlier: u64,
    reserved: u32,
    began: OffsetDateTime,
}

impl<'a> At<'a> {
    /// Counts so many requests, and enters.
    ///
    /// # Errors
    /// If PostgreSQL is away.
    pub(crate) async fn open(
        app: &'a App,
        connection: Uuid,
        provider: &str,
        requests: u32,
    ) -> Result<Result<At<'a>, Shut>, StoreError> {
        let configured = Provider::named(provider).and_then(|provider| app.books.of(provider));
        let Some(configured) = configured else { return Ok(Err(Shut::NotConfigured)) };
        let (limit, began) = (limit(configured.program.limits()), app.clock.now());
        if let Err(full) = call::reserve(&app.db, connection, requests, limit, began).await? {
            return Ok(Err(Shut::Full(full)));
        }
        match access::access(app, connection).await {
            Ok(entry) => Ok(Ok(At { app, connection, configured, entry, earlier: 0, reserved: requests, began })),
            Err(trouble) => {
                call::settle(&app.db, connection, (requests, 0), limit, began).await?;
                Ok(Err(Shut::Trouble(trouble)))
            }
        }
    }

    /// The program.
    pub(crate) fn program(&self) -> &'a Program {
        &self.configured.program
    }

    /// What lets us in.
    pub(crate) fn access(&self) -> Access<'_> {
        self.entry.access()
    }

    /// Notes what came of a request.
    pub(crate) fn note<T>(&self, operation: &str, result: &Result<T, Trouble>) {
        let label = result.as_ref().map_or_else(Trouble::label, |_| "ok");
        let provider = self.program().provider().as_str();
        self.app.metrics.books_requests.with_label_values(&[provider, operation, label]).inc();
    }

    /// Asks for another entry, since this one is not good any more.
    ///
    /// # Errors
    /// We are not let in, or not now.
    pub(crate) async fn renew(&mut self) -> Result<(), Trouble> {
        let entry = access::again(self.app, self.connection, &self.entry).await?;
        self.earlier += self.entry.calls.load(Ordering::Relaxed);
        self.entry = entry;
        Ok(())
    }

    /// Puts the count right. Returns by what the trouble of it is judged.
    ///
    /// # Errors
    /// If PostgreSQL is away.
    pub(crate) async fn close(self) -> Result<Terms, StoreError> {
        let made = self.earlier + self.entry.calls.load(Ordering::Relaxed);
        let limit = limit(self.configured.program.limits());
        call::settle(&self.app.db, self.connection, (self.reserved, made), limit, self.began).await?;
        Ok(self.terms())
    }

    /// By what the trouble of it is judged.
    pub(crate) fn terms(&self) -> Terms {
        Terms { limits: self.configured.program.limits(), generation: self.entry.generation }
    }
}

/// How a program was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How much it may be asked.
    pub(crate) limits: Limits,
    /// The number of the pair of tokens that it was asked with: what it says of that pair says nothing of a newer one.
    generation: i64,
}

fn limit(limits: Limits) -> Limit {
    Limit { minute: limits.minute, day: limits.day }
}

/// Keeps what a program said of all that it is asked for a connection.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn heed(app: &App, connection: Uuid, trouble: &Trouble, terms: Terms) -> Result<(), StoreError> {
    let now = app.clock.now();
    match trouble {
        Trouble::TooMany { wait, is_daily } => {
            let until = if *is_daily { tomorrow(now) } else { now + wait.unwrap_or(terms.limits.pause) };
            tracing::warn!(%connection, is_daily, "an accountant's program is asked too much; nothing is told to it for a while");
            posting::due::pause(&app.db, connection, until).await
        }
        Trouble::Reconnect(why) => lost(app, connection, terms, why).await,
        Trouble::Expired => lost(app, connection, terms, "It does not take a token that it has just given out.").await,
        _ => Ok(()),
    }
}

/// Waits because of our own count.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn breathe(app: &App, connection: Uuid, full: Full) -> Result<(), StoreError> {
    let now = app.clock.now();
    let until = match full {
        Full::Minute => now + BREATH,
        Full::Day => tomorrow(now),
    };
    posting::due::pause(&app.db, connection, until).await
}

async fn lost(app: &App, id: Uuid, terms: Terms, why: &str) -> Result<(), StoreError> {
    if connection::set_reconnect(&app.db, id, terms.generation, why, app.clock.now()).await? {
        tracing::warn!(connection = %id, why, "an accountant's program does not let us in any more");
    }
    Ok(())
}

/// When the next day of UTC begins.
fn tomorrow(now: OffsetDateTime) -> OffsetDateTime {
    (now + Duration::from_secs(86_400)).replace_time(Time::MIDNIGHT)
}

/// A trouble in a sentence for the desk.
pub(crate) fn words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(why) | Trouble::Reconnect(why) | Trouble::Away(why) | Trouble::Unknown(why) => why.clone(),
        Trouble::Duplicate => "A document of this number is there already.".to_owned(),
        Trouble::Expired => "The program does not take our entry.".to_owned(),
        Trouble::TooMany { is_daily: true, .. } => "It was asked as often today as it allows.".to_owned(),
        Trouble::TooMany { .. } => "It was asked too often just now.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_days_number_is_anew_at_midnight_of_utc() {
        for now in [datetime!(2026-12-31 00:00 UTC), datetime!(2026-12-31 23:59:59 UTC)] {
            assert_eq!(tomorrow(now), datetime!(2027-01-01 00:00 UTC));
        }
    }
}
