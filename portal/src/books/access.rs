//! An entry to a company's books: the access token, renewed before it ends, by one process of all.
//!
//! [`step`] decides from the row what is to be done: enter, wait for whoever renews, renew, or stay out. Renewing takes the row for a while,
//! asks the program, and writes the new pair down before anybody uses it. It goes on when whoever asked for it is gone: a pair that is used
//! once only must not be lost between the two. Where it is lost all the same, because this process is killed there, the next one asks with
//! the pair before; Xero takes that for half an hour, the other two always.
//!
//! A program that says that it does not let us in any more ends the connection until a person connects it again: nobody asks it
//! in a loop. What the others say of it is an alert (`alerts::rules::books_reconnect`).

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use books::connector::{Access, Connector as _, Provider, Trouble};
use books::grant::Grant;
use books::posting::Part;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::books::connection::{self, Held, Pair, State, Tokens};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::programs::Configured;
use crate::App;
use crate::trace::carried;

/// A token that is not good for longer is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// While another one renews it, or that did not work, a token is used that is good for longer.
const USED_UNTIL: Duration = Duration::from_secs(60);
/// How often somebody who waits looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often at most: for longer than the longest answer that is usual.
const LOOKS: u32 = 300;
/// How often it is tried to enter: each time somebody else was faster.
const TRIES: u32 = 5;
/// How often, and how long after each other, a new pair is tried to be written down.
const WRITES: u32 = 15;
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// A number that no document has.
const NOBODYS: &str = "20000101-OTHER-C";
/// Beside the longest answer, for as long somebody has the renewal: for writing the pair down, while PostgreSQL starts again.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// What lets us into a company's books.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which program.
    pub(crate) provider: Provider,
    /// The program's name of the company.
    pub(crate) organisation: String,
    /// Where the program is, where the grant said it.
    pub(crate) base: Option<Url>,
    /// How often it was asked with this entry.
    pub(crate) calls: AtomicU64,
    token: Token,
    /// The number of the pair.
    pub(super) generation: i64,
}

/// An access token, which prints as nothing.
struct Token(Zeroizing<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Entry {
    /// As connectors want it.
    pub(crate) fn access(&self) -> Access<'_> {
        Access { token: &self.token.0, organisation: &self.organisation, base: self.base.as_ref(), calls: &self.calls }
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Enter,
    Wait,
    Renew,
    StayOut(String),
}

/// Lets in, with a token that is good for some minutes.
///
/// # Errors
/// [`Trouble::Reconnect`]: a person must connect it again. [`Trouble::Away`] and [`Trouble::TooMany`]: later again.
pub(crate) async fn access(app: &App, connection: Uuid) -> Result<Entry, Trouble> {
    enter(app, connection, None).await
}

/// Lets in with another token than that of `expired`, of which the program has said that it is not good any more.
///
/// # Errors
/// As [`access`].
pub(crate) async fn again(app: &App, connection: Uuid, expired: &Entry) -> Result<Entry, Trouble> {
    enter(app, connection, Some(expired.generation)).await
}

/// Whether we are let in: asks for a document that is not there.
///
/// # Errors
/// As [`access`]; [`Trouble::Expired`]: the program does not take a token that it has just given out.
pub(crate) async fn check(app: &App, connection: Uuid) -> Result<(), Trouble> {
    let entry = access(app, connection).await?;
    let Some(configured) = app.books.of(entry.provider) else { return Err(not_configured(entry.provider)) };
    match configured.program.find(&entry.access(), Part::Sale, NOBODYS).await {
        Err(Trouble::Expired) => {
            let entry = again(app, connection, &entry).await?;
            configured.program.find(&entry.access(), Part::Sale, NOBODYS).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn not_configured(provider: Provider) -> Trouble {
    Trouble::Away(format!(
        "{} is not configured here: the section [{}] is missing.",
        provider.name(),
        provider.as_str()
    ))
}

async fn enter(app: &App, id: Uuid, expired: Option<i64>) -> Result<Entry, Trouble> {
    for _ in 0..TRIES {
        let held = held(app, id).await?;
        match step(&held, expired, app.clock.now()) {
            Step::Enter => return entry(held),
            Step::StayOut(why) => return Err(Trouble::Reconnect(why)),
            Step::Wait => wait(app, id, held.generation).await?,
            Step::Renew => match renew_once(app, id, &held).await {
                // A token that is still good is better than none.
                Err(trouble) if !is_used(&held, expired, app.clock.now()) => return Err(trouble),
                Err(_) => return entry(held),
                // The row says what came of it.
                Ok(()) => {}
            },
        }
    }
    Err(Trouble::Away("The entry is renewed again and again.".to_owned()))
}

/// Decides from the row. `expired`: the number of the pair of which the program has said that it is not good any more.
fn step(held: &Held, expired: Option<i64>, now: OffsetDateTime) -> Step {
    match held.state {
        State::Connected if held.tokens.is_some() => {}
        State::Connected | State::Off => return Step::StayOut("It is not connected any more.".to_owned()),
        State::Reconnect => return Step::StayOut(held.reason.clone()),
    }
    let is_good = |least: Duration| {
        expired != Some(held.generation) && held.access_until.is_some_and(|until| until - now > least)
    };
    let is_renewed_now = held.renewing_until.is_some_and(|until| until > now);
    match (is_good(RENEWED_BEFORE), is_renewed_now) {
        (true, _) => Step::Enter,
        (false, true) if is_good(USED_UNTIL) => Step::Enter,
        (false, true) => Step::Wait,
        (false, false) => Step::Renew,
    }
}

/// Whether its token is still used although it should be renewed.
fn is_used(held: &Held, expired: Option<i64>, now: OffsetDateTime) -> bool {
    expired != Some(held.generation) && held.access_until.is_some_and(|until| until - now > USED_UNTIL)
}

fn entry(held: Held) -> Result<Entry, Trouble> {
    let provider = provider(&held)?;
    let tokens = held.tokens.ok_or_else(|| Trouble::Reconnect("It is not connected any more.".to_owned()))?;
    Ok(Entry {
        provider,
        base: held.base_url.as_deref().and_then(|text| Url::parse(text).ok()),
        organisation: held.organisation,
        calls: AtomicU64::new(0),
        token: Token(Zeroizing::new(tokens.access)),
        generation: held.generation,
    })
}

fn provider(held: &Held) -> Result<Provider, Trouble> {
    Provider::named(&held.provider).ok_or_else(|| Trouble::Away(format!("{} is not known here.", held.provider)))
}

async fn held(app: &App, id: Uuid) -> Result<Held, Trouble> {
    let held = connection::held(&app.db, id).await.map_err(|error| store_away(&error))?;
    held.ok_or_else(|| Trouble::Reconnect("There is no such connection.".to_owned()))
}

/// Certainly nothing was told to anybody.
fn store_away(error: &StoreError) -> Trouble {
    tracing::error!(%error, "the entry to an accountant's program cannot be read or written");
    Trouble::Away("Our own database is away.".to_owned())
}

/// Waits for whoever renews that pair.
async fn wait(app: &App, id: Uuid, generation: i64) -> Result<(), Trouble> {
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let held = held(app, id).await?;
        if held.generation != generation || held.state != State::Connected {
            return Ok(());
        }
        match held.renewing_until {
            None => return Err(Trouble::Away("The entry could not be renewed just now.".to_owned())),
            // Whoever had it is gone.
            Some(until) if until <= app.clock.now() => return Ok(()),
            Some(_) => {}
        }
    }
    Err(Trouble::Away("The entry is being renewed.".to_owned()))
}

/// Renews, if nobody else does. It goes on without whoever asked for it.
async fn renew_once(app: &App, id: Uuid, held: &Held) -> Result<(), Trouble> {
    let provider = provider(held)?;
    let Some(configured) = app.books.of(provider) else { return Err(not_configured(provider)) };
    let lease = configured.timeout + LEASE_MARGIN;
    let claimed = connection::claim_renewal(&app.db, id, held.generation, app.clock.now(), lease).await;
    if !claimed.map_err(|error| store_away(&error))? {
        return Ok(());
    }
    let (working, renewing) = (app.clone(), held.clone());
    let renewed = app.background.spawn(carried(async move {
        match working.books.of(provider) {
            Some(configured) => renew(&working, id, &renewing, configured).await,
            None => Ok(()),
        }
    }));
    renewed.await.unwrap_or_else(|_| Err(Trouble::Away("The entry could not be renewed.".to_owned())))
}

async fn renew(app: &App, id: Uuid, held: &Held, configured: &Configured) -> Result<(), Trouble> {
    let Some(tokens) = &held.tokens else { return Ok(()) };
    let server = tokens.server.as_deref().and_then(|text| Url::parse(text).ok());
    match configured.issuer.refresh(&tokens.refresh, server.as_ref()).await {
        Ok(grant) => keep(app, id, held.generation, tokens, grant).await,
        Err(Trouble::Reconnect(reason)) => {
            let lost = connection::set_reconnect(&app.db, id, held.generation, &reason, app.clock.now()).await;
            if lost.map_err(|error| store_away(&error))? {
                tracing::warn!(connection = %id, %reason, "an accountant's program does not let us in any more");
            }
            Ok(())
        }
        Err(trouble) => {
            tracing::warn!(connection = %id, trouble = trouble.label(), "the entry to an accountant's program is not renewed");
            if let Err(error) = connection::release_renewal(&app.db, id, held.generation).await {
                store_away(&error);
            }
            Err(certainly_nothing(trouble))
        }
    }
}

/// Of whatever somebody wanted to tell with the entry, nothing was told.
fn certainly_nothing(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Refused(why) | Trouble::Unknown(why) => Trouble::Away(why),
        other => other,
    }
}

/// Writes the new pair down, also while PostgreSQL is away for a moment.
async fn keep(app: &App, id: Uuid, generation: i64, before: &Tokens, grant: Grant) -> Result<(), Trouble> {
    let now = app.clock.now();
    let tokens = Tokens {
        access: grant.access,
        refresh: grant.refresh.unwrap_or_else(|| before.refresh.clone()),
        server: before.server.clone(),
    };
    let pair = Pair {
        tokens: &tokens,
        base_url: grant.base.as_ref().map(Url::as_str),
        access_until: now + grant.access_lasts,
        refresh_until: grant.refresh_lasts.map(|lasts| now + lasts),
    };
    let mut left = WRITES;
    loop {
        match connection::store_tokens(&app.db, id, generation, &pair).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                tracing::info!(connection = %id, "somebody has connected anew meanwhile; these tokens are not needed");
                return Ok(());
            }
            Err(error) if error.is_unavailable() && left > 0 => {
                left -= 1;
                tracing::warn!(connection = %id, %error, "a new pair of tokens waits to be written down");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
            Err(error) => return Err(store_away(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).unwrap()
    }

    /// The access token is good until then, and somebody renews it until then.
    fn held(access_until: i64, renewing_until: Option<i64>) -> Held {
        Held {
            provider: "xero".into(),
            organisation: "t1".into(),
            base_url: Some("http://127.0.0.1:9/".into()),
            state: State::Connected,
            reason: String::new(),
            tokens: Some(Tokens { access: "hunter2".into(), refresh: "hunter3".into(), server: None }),
            generation: 7,
            access_until: Some(at(access_until)),
            renewing_until: renewing_until.map(at),
        }
    }

    #[test]
    fn a_token_is_renewed_in_time_and_by_one() {
        for (row, expired, expected) in [
            (held(301, None), None, Step::Enter),
            (held(300, None), None, Step::Renew),
            (held(-1, None), None, Step::Renew),
            (held(300, Some(1)), None, Step::Enter),
            (held(60, Some(1)), None, Step::Wait),
            (held(-1, Some(1)), None, Step::Wait),
            (held(-1, Some(0)), None, Step::Renew),
            (held(1000, None), Some(7), Step::Renew),
            (held(1000, Some(1)), Some(7), Step::Wait),
            // It was renewed since.
            (held(1000, None), Some(6), Step::Enter),
        ] {
            assert_eq!(step(&row, expired, at(0)), expected, "{row:?} {expired:?}");
        }
    }

    #[test]
    fn nobody_asks_where_a_person_must_act() {
        let lost = Held { state: State::Reconnect, reason: "No.".into(), tokens: None, ..held(1000, None) };
        assert_eq!(step(&lost, None, at(0)), Step::StayOut("No.".into()));
        for row in
            [Held { state: State::Off, tokens: None, ..held(1000, None) }, Held { tokens: None, ..held(1000, None) }]
        {
            assert!(matches!(step(&row, None, at(0)), Step::StayOut(_)), "{row:?}");
        }
    }

    #[test]
    fn a_token_that_is_still_good_is_used_when_renewing_fails() {
        assert!(is_used(&held(61, None), None, at(0)));
        assert!(!is_used(&held(60, None), None, at(0)));
        assert!(!is_used(&held(1000, None), Some(7), at(0)));
    }

    #[test]
    fn an_entry_prints_no_token() {
        let entry = entry(held(1000, None)).unwrap();
        assert_eq!((entry.access().token, entry.access().organisation), ("hunter2", "t1"));
        assert_eq!(entry.access().base.map(Url::as_str), Some("http://127.0.0.1:9/"));
        assert!(!format!("{entry:?}").contains("hunter"));
    }

    #[test]
    fn what_was_not_let_in_was_not_told() {
        for trouble in [Trouble::Refused("x".into()), Trouble::Unknown("x".into())] {
            assert_eq!(certainly_nothing(trouble), Trouble::Away("x".into()));
        }
        let often = Trouble::TooMany { wait: None, is_daily: false };
        assert_eq!(certainly_nothing(often.clone()), often);
    }
}
