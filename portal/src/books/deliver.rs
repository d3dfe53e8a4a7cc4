//! Tells accountants' programs what was closed, once each.
//!
//! What a row says is translated ([`translate`]), and told. A row that was tried before, or of which nobody knows what became, is looked for by
//! its number first: what is there with the same total was told; what is there with another one is for a person. So a lost answer, a
//! portal that is killed between the request and its answer, and a period that is told again all end in one document.
//!
//! Refused here: changing a document in the program. One that is wrong there is a finding of a comparison, and a person decides.

use std::sync::Arc;
use std::time::Duration;

use ::books::connector::{Connector as _, Limits, Provider, Theirs, Trouble};
use ::books::posting::Posting;
use shared::money::Money;
use shared::rng;
use store::StoreError;
use store::books::mapping;
use store::books::posting::due::{self, Due, Ready};
use store::books::posting::{self, make};
use tokio::sync::Semaphore;

use super::asking::{self, At, Shut, Terms};
use super::translate::translate;
use crate::App;

/// Requests that a row may take: it is looked for and told, as an invoice and its payment, and looked for once more.
const REQUESTS: u32 = 4;
/// Longest work on one row.
const PATIENCE: Duration = Duration::from_secs(240);
/// After so long another portal takes a row up: entering, and waiting for a hand, take time too.
const LEASE: Duration = Duration::from_secs(600);
/// Seconds until a row is tried again that is certainly not there; the last holds on.
const LATER: [u64; 5] = [5, 30, 120, 600, 3600];
/// The same of one that may be there: what a program works on still is not to be found yet.
const LOOK: [u64; 5] = [30, 120, 300, 900, 3600];

/// What is told now: each connection's next rows, so many as its program takes at once. Makes rows of what was closed since, and measures.
///
/// # Errors
/// If PostgreSQL is away.
async fn next(app: &App) -> Result<(Vec<(Ready, Due)>, bool), StoreError> {
    let now = app.clock.now();
    let made = make::make(&app.db, now).await?;
    let standing = posting::standing(&app.db).await?;
    let states = [("pending", standing.pending), ("unknown", standing.unknown), ("rejected", standing.rejected)];
    for (state, count) in states {
        app.metrics.books_postings.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    let mut claimed = Vec::new();
    for ready in due::ready(&app.db, now).await? {
        // What was connected while a program was configured waits until it is again.
        let Some(limits) = limits(app, &ready.provider) else { continue };
        let rows = due::claim(&app.db, ready.connection, app.clock.now(), LEASE, limits.together).await?;
        claimed.extend(rows.into_iter().map(|row| (ready.clone(), row)));
    }
    let more = made > 0 || !claimed.is_empty();
    Ok((claimed, more))
}

fn limits(app: &App, provider: &str) -> Option<Limits> {
    let provider = Provider::named(provider)?;
    app.books.of(provider).map(|configured| configured.program.limits())
}

/// Tells one row.
///
/// # Errors
/// If PostgreSQL is away.
async fn work(app: &App, ready: &Ready, row: &Due) -> Result<(), StoreError> {
    let Some(provider) = Provider::named(&ready.provider) else { return due::put_back(&app.db, row).await };
    let telling = make::telling(&app.db, row.id).await?;
    let mappings = mapping::all(&app.db, row.connection).await?;
    let posting = match translate(&telling, &mappings, provider) {
        Ok(posting) => posting,
        Err(missing) => return due::rejected(&app.db, row, &missing.join(" ")).await,
    };
    let mut at = match At::open(app, row.connection, &ready.provider, REQUESTS).await? {
        Ok(at) => at,
        Err(shut) => return shut_out(app, row, &shut).await,
    };
    let told = tokio::time::timeout(PATIENCE, tell(&mut at, row, &posting)).await;
    let told = told.unwrap_or_else(|_| Err(Trouble::Unknown("It took too long.".to_owned())));
    // What came of it is written first: it is worth more than a right count.
    let written = conclude(app, row, told, at.terms()).await;
    at.close().await?;
    written
}

/// Nothing was sent.
async fn shut_out(app: &App, row: &Due, shut: &Shut) -> Result<(), StoreError> {
    match shut {
        Shut::Full(full) => {
            due::put_back(&app.db, row).await?;
            asking::breathe(app, row.connection, *full).await
        }
        // The connection's row says so already, and it is not taken up until a person acts.
        Shut::NotConfigured | Shut::Trouble(Trouble::Reconnect(_)) => due::put_back(&app.db, row).await,
        Shut::Trouble(trouble) => {
            let now = app.clock.now();
            due::later(&app.db, row, &asking::words(trouble), now + pause(&LATER, row.attempts)).await
        }
    }
}

/// Looks for it where it may be there, and tells it otherwise; once more where the entry is not good any more.
async fn tell(at: &mut At<'_>, row: &Due, posting: &Posting) -> Result<Theirs, Trouble> {
    match tell_once(at, row, posting).await {
        Err(Trouble::Expired) => {
            at.renew().await?;
            tell_once(at, row, posting).await
        }
        other => other,
    }
}

async fn tell_once(at: &At<'_>, row: &Due, posting: &Posting) -> Result<Theirs, Trouble> {
    if row.may_be_there
        && let Some(theirs) = find(at, posting).await?
        // What a person there made void is told anew, if its number can be used again.
        && !theirs.is_void
    {
        return same(posting, theirs, at.program().provider());
    }
    let posted = at.program().post(&at.access(), posting, &key(row)).await;
    at.note("post", &posted);
    match posted {
        // Somebody was faster, or an answer was lost.
        Err(Trouble::Duplicate) => match find(at, posting).await? {
            Some(theirs) => same(posting, theirs, at.program().provider()),
            None => Err(Trouble::Refused(format!(
                "{} says that the number {} is taken, and shows no such document.",
                at.program().provider().name(),
                posting.number
            ))),
        },
        other => other,
    }
}

async fn find(at: &At<'_>, posting: &Posting) -> Result<Option<Theirs>, Trouble> {
    let found = at.program().find(&at.access(), posting.part, &posting.number).await;
    at.note("find", &found);
    found
}

/// Under what a program remembers the telling of a row: the same until a person lets it be told anew.
fn key(row: &Due) -> String {
    format!("{}-{}", row.id.simple(), row.round)
}

/// Whether what is there is what we would tell.
fn same(posting: &Posting, theirs: Theirs, provider: Provider) -> Result<Theirs, Trouble> {
    let (number, name) = (&posting.number, provider.name());
    if theirs.is_void {
        return Err(Trouble::Refused(format!(
            "{name} has {number}, but it counts no more there. Delete it there or give it another number, and tell this one again."
        )));
    }
    if theirs.total != posting.total() || theirs.currency != posting.currency {
        return Err(Trouble::Refused(format!(
            "{name} has {number} already, but it comes to {} there and to {} here. Compare both sides, and reverse the one there.",
            amount(theirs.total, &theirs.currency),
            amount(posting.total(), &posting.currency)
        )));
    }
    Ok(theirs)
}

/// An amount for people.
pub(crate) fn amount(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{minor} {currency}"),
    }
}

async fn conclude(app: &App, row: &Due, told: Result<Theirs, Trouble>, terms: Terms) -> Result<(), StoreError> {
    let trouble = match told {
        Ok(theirs) => {
            tracing::info!(number = %row.number, "a document is told");
            return due::posted(&app.db, row, &theirs.id, app.clock.now()).await;
        }
        Err(trouble) => trouble,
    };
    asking::heed(app, row.connection, &trouble, terms).await?;
    let (now, why) = (app.clock.now(), asking::words(&trouble));
    match trouble {
        Trouble::Refused(_) | Trouble::Duplicate => {
            tracing::warn!(number = %row.number, why, "a document is refused");
            due::rejected(&app.db, row, &why).await
        }
        Trouble::Unknown(_) => due::unknown(&app.db, row, &why, now + pause(&LOOK, row.attempts)).await,
        // All of the connection waits for it.
        Trouble::TooMany { .. } | Trouble::Reconnect(_) | Trouble::Expired => due::later(&app.db, row, &why, now).await,
        Trouble::Away(_) => due::later(&app.db, row, &why, now + pause(&LATER, row.attempts)).await,
    }
}

/// So long after so many tries, give or take a tenth, so that not all come back in one moment.
fn pause(ladder: &[u64; 5], attempts: u32) -> Duration {
    let [dice] = rng::bytes::<1>();
    stretched(ladder[usize::try_from(attempts).unwrap_or(usize::MAX).min(ladder.len() - 1)], dice)
}

fn stretched(seconds: u64, dice: u8) -> Duration {
    Duration::from_millis(seconds * (900 + u64::from(dice) * 200 / 255))
}

/// Tells what is due, each row beside the others. Returns whether there is probably more to do.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn round(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let (claimed, more) = next(app).await?;
    for (ready, row) in claimed {
        let of = ("posting", row.trace);
        crate::jobs::hand_out(app, hands, of, move |app| async move {
            if let Err(error) = work(&app, &ready, &row).await {
                tracing::error!(posting = %row.id, %error, "a document could not be told; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

#[cfg(test)]
mod tests {
    use store::books::posting::parts::{self, Purpose};
    use time::macros::date;
    use uuid::Uuid;

    use super::super::translate::tests::{mappings, telling, told};
    use super::*;

    fn posting() -> Posting {
        let chosen = mappings(&[("income", "*", "200"), ("customer", "*", "58"), ("deposit", "mpesa", "35")]);
        let day = telling(parts::Part::Sale, vec![told(Purpose::Income, 5_000, 0)]);
        translate(&day, &chosen, Provider::Xero).expect("all is chosen")
    }

    fn theirs(total: i64, currency: &str, is_void: bool) -> Theirs {
        Theirs {
            id: "1".into(),
            version: String::new(),
            number: "20261122-NBO1-M".into(),
            part: ::books::posting::Part::Sale,
            day: date!(2026 - 11 - 22),
            total,
            currency: currency.into(),
            is_void,
        }
    }

    #[test]
    fn what_is_there_was_told_only_if_it_comes_to_the_same_and_counts() {
        let same = |total, currency, is_void| same(&posting(), theirs(total, currency, is_void), Provider::Xero);
        assert_eq!(same(5_000, "KES", false), Ok(theirs(5_000, "KES", false)));
        let Err(Trouble::Refused(words)) = same(5_001, "KES", false) else { panic!("another total") };
        assert!(words.contains("KSh 50.01 there and to KSh 50 here"), "{words}");
        assert!(matches!(same(5_000, "USD", false), Err(Trouble::Refused(_))));
        assert!(matches!(same(5_000, "KES", true), Err(Trouble::Refused(_))));
    }

    #[test]
    fn a_row_has_one_key_until_a_person_lets_it_be_told_anew() {
        let row = |round| Due {
            id: Uuid::from_u128(7),
            connection: Uuid::from_u128(1),
            part: parts::Part::Sale,
            number: "20261122-NBO1-M".into(),
            day: date!(2026 - 11 - 22),
            amount: 5_000,
            round,
            may_be_there: false,
            attempts: 0,
            trace: None,
        };
        assert_eq!(key(&row(1)), key(&Due { attempts: 4, may_be_there: true, ..row(1) }));
        assert_ne!(key(&row(1)), key(&row(2)));
        assert!(key(&row(i32::MAX)).len() <= 50, "QuickBooks takes no longer ones");
    }

    #[test]
    fn pauses_grow_to_an_hour_and_are_not_taken_in_step() {
        for ladder in [&LATER, &LOOK] {
            assert!(ladder.is_sorted() && ladder[4] == 3600);
            assert!(pause(ladder, u32::MAX) >= Duration::from_secs(3240));
        }
        assert_eq!((stretched(10, 0), stretched(10, 255)), (Duration::from_secs(9), Duration::from_secs(11)));
        assert!(PATIENCE * 2 < LEASE);
    }
}
