//! Holds what was told against what the accountant's program has, document by document, to the cent.
//!
//! The program lists what it has of these days under numbers of our making; [`judge`] puts both sides beside each other. What seems to be
//! missing is looked for by its number too, since somebody may have given it another day. A finding is for a person: *post missing* tells a
//! row again, *reverse extra* lets the program undo a document ([`reverse`]).
//!
//! Refused here: acting on a finding by itself, and looking at documents that others have numbered.

use std::collections::BTreeMap;
use std::time::Duration;

use ::books::connector::{Connector as _, Theirs, Trouble};
use ::books::posting::Part;
use store::StoreError;
use store::books::comparison::{self, Due, Finding, Found, Kind, Ours};
use store::books::{mapping, posting};
use time::Date;
use time::macros::format_description;
use uuid::Uuid;

use super::asking::{self, At, Shut};
use crate::App;

/// Requests that a comparison may take before they are counted one by one.
const REQUESTS: u32 = 4;
/// After so long another portal takes a comparison up.
const LEASE: Duration = Duration::from_secs(900);
/// Longest work on one.
const PATIENCE: Duration = Duration::from_secs(600);
/// Until it is tried again.
const LATER: Duration = Duration::from_secs(60);
/// Documents that are looked for by their number at most: of more, something else is wrong.
const LOOKED_FOR: usize = 50;

/// Works on the next comparison. Returns whether there was one.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn round(app: &App) -> Result<bool, StoreError> {
    comparison::ask_daily(&app.db, app.clock.now()).await?;
    let Some(due) = comparison::claim(&app.db, app.clock.now(), LEASE).await? else { return Ok(false) };
    let mut at = match At::open(app, due.connection, &due.provider, REQUESTS).await? {
        Ok(at) => at,
        // A person must act, and asks anew then.
        Err(shut @ (Shut::NotConfigured | Shut::Trouble(Trouble::Reconnect(_)))) => {
            comparison::done(&app.db, due.id, &Found::default(), &shut.words(), app.clock.now()).await?;
            return Ok(true);
        }
        Err(shut) => {
            comparison::later(&app.db, due.id, app.clock.now() + LATER, &shut.words()).await?;
            return Ok(true);
        }
    };
    let compared = tokio::time::timeout(PATIENCE, compare(app, &mut at, &due)).await;
    let terms = at.close().await?;
    let trouble = match compared {
        Ok(Ok(Ok(found))) => {
            comparison::done(&app.db, due.id, &found, "", app.clock.now()).await?;
            return Ok(true);
        }
        Ok(Ok(Err(trouble))) => trouble,
        Ok(Err(error)) => return Err(error),
        Err(_) => Trouble::Away("It took too long.".to_owned()),
    };
    asking::heed(app, due.connection, &trouble, terms).await?;
    let (now, why) = (app.clock.now(), asking::words(&trouble));
    match trouble {
        Trouble::Away(_) | Trouble::Unknown(_) => comparison::later(&app.db, due.id, now + LATER, &why).await?,
        Trouble::TooMany { wait, .. } => {
            comparison::later(&app.db, due.id, now + wait.unwrap_or(terms.limits.pause).max(LATER), &why).await?;
        }
        _ => comparison::done(&app.db, due.id, &Found::default(), &why, now).await?,
    }
    Ok(true)
}

async fn compare(app: &App, at: &mut At<'_>, due: &Due) -> Result<Result<Found, Trouble>, StoreError> {
    // Theirs first: what is told meanwhile would else seem to be nobody's.
    let days = (due.since, due.until);
    let mut theirs = Vec::new();
    for part in Part::ALL {
        match list(at, part, days).await {
            Ok(listed) => theirs.extend(listed),
            Err(trouble) => return Ok(Err(trouble)),
        }
    }
    let ours = comparison::ours(&app.db, due.connection, days).await?;
    let mut found = judge(&ours, &theirs);
    let mut looked_for = 0;
    let mut findings = Vec::new();
    for finding in found.findings {
        looked_for += 1;
        if looked_for > LOOKED_FOR {
            findings.push(finding);
            continue;
        }
        match finding.kind {
            Kind::Missing => match find(at, &finding).await {
                Ok(there) => findings.push(elsewhere(finding, there)),
                Err(trouble) => return Ok(Err(trouble)),
            },
            // One that we have told on a day outside of these.
            Kind::Extra if finding.ours.is_none() => {
                let ours = comparison::ours_numbered(&app.db, due.connection, &finding.number).await?;
                findings.extend(of_another_day(finding, ours.as_ref()));
            }
            _ => findings.push(finding),
        }
    }
    found.findings = findings;
    Ok(Ok(found))
}

async fn list(at: &mut At<'_>, part: Part, days: (Date, Date)) -> Result<Vec<Theirs>, Trouble> {
    let listed = at.program().list(&at.access(), part, days).await;
    at.note("list", &listed);
    if listed != Err(Trouble::Expired) {
        return listed;
    }
    at.renew().await?;
    let listed = at.program().list(&at.access(), part, days).await;
    at.note("list", &listed);
    listed
}

async fn find(at: &mut At<'_>, finding: &Finding) -> Result<Option<Theirs>, Trouble> {
    let Some(part) = Part::named(&finding.part) else { return Ok(None) };
    let found = at.program().find(&at.access(), part, &finding.number).await;
    at.note("find", &found);
    if found != Err(Trouble::Expired) {
        return found;
    }
    at.renew().await?;
    let found = at.program().find(&at.access(), part, &finding.number).await;
    at.note("find", &found);
    found
}

/// Both sides beside each other.
fn judge(ours: &[Ours], theirs: &[Theirs]) -> Found {
    let mut there: BTreeMap<(&str, &str), Vec<&Theirs>> = BTreeMap::new();
    for one in theirs {
        there.entry((one.number.as_str(), one.part.as_str())).or_default().push(one);
    }
    let mut found = Found::default();
    for our in ours {
        let all = there.remove(&(our.number.as_str(), our.part.as_str())).unwrap_or_default();
        let is_void = all.iter().any(|one| one.is_void);
        let mut counts: Vec<&Theirs> = all.into_iter().filter(|one| !one.is_void).collect();
        // Ours is the one that was taken for it then, or any.
        counts.sort_by_key(|one| Some(&one.id) != our.external.as_ref());
        let is_told = our.state == "posted";
        if matches!(our.state.as_str(), "pending" | "unknown" | "rejected") {
            found.waiting += 1;
        }
        if our.state == "undone" {
            found.findings.extend(counts.iter().map(|one| finding(Kind::Extra, Some(our), Some(one))));
            continue;
        }
        match counts.first() {
            Some(one) if one.total == our.amount && one.currency == our.currency => found.same += i64::from(is_told),
            Some(one) => found.findings.push(finding(Kind::Amount, Some(our), Some(one))),
            None if is_told && is_void => found.findings.push(finding(Kind::Void, Some(our), None)),
            None if is_told => found.findings.push(finding(Kind::Missing, Some(our), None)),
            None => {}
        }
        found.findings.extend(counts.iter().skip(1).map(|one| finding(Kind::Extra, Some(our), Some(one))));
    }
    let rest = there.into_values().flatten().filter(|one| !one.is_void);
    found.findings.extend(rest.map(|one| finding(Kind::Extra, None, Some(one))));
    found
}

fn finding(kind: Kind, ours: Option<&Ours>, theirs: Option<&Theirs>) -> Finding {
    let (number, part, day, currency) = match (ours, theirs) {
        (Some(ours), _) => (ours.number.clone(), ours.part.clone(), ours.day.to_string(), ours.currency.clone()),
        (None, Some(one)) => {
            (one.number.clone(), one.part.as_str().to_owned(), one.day.to_string(), one.currency.clone())
        }
        (None, None) => Default::default(),
    };
    Finding {
        kind,
        number,
        part,
        day,
        currency,
        ours: ours.map(|ours| ours.amount),
        theirs: theirs.map(|one| one.total),
        external: theirs.map(|one| one.id.clone()),
        version: theirs.map(|one| one.version.clone()).unwrap_or_default(),
        settled: String::new(),
    }
}

/// What seemed to be missing may be there on another day.
fn elsewhere(finding: Finding, there: Option<Theirs>) -> Finding {
    let Some(there) = there else { return finding };
    let kind = if there.is_void {
        Kind::Void
    } else if Some(there.total) != finding.ours || there.currency != finding.currency {
        Kind::Amount
    } else {
        Kind::Day
    };
    Finding { kind, theirs: Some(there.total), external: Some(there.id), version: there.version, ..finding }
}

/// What seemed to be nobody's may be ours of another day, or of this moment.
fn of_another_day(extra: Finding, ours: Option<&Ours>) -> Option<Finding> {
    let Some(ours) = ours.filter(|ours| ours.state != "undone") else { return Some(extra) };
    let is_same = Some(ours.amount) == extra.theirs && ours.currency == extra.currency;
    match (is_same, ours.day.to_string() == extra.day) {
        (true, true) => None,
        (true, false) => Some(Finding { kind: Kind::Day, ours: Some(ours.amount), ..extra }),
        (false, _) => Some(Finding { kind: Kind::Amount, ours: Some(ours.amount), ..extra }),
    }
}

/// Lets the program undo a document that is extra, or comes to something else. Where it was told by a row of ours, that row is told again
/// only when somebody says so.
///
/// # Errors
/// If PostgreSQL is away. `Err` within: why it was not undone, in a sentence.
pub(crate) async fn reverse(
    app: &App,
    connection: Uuid,
    comparison: Uuid,
    finding: &Finding,
    by: &str,
) -> Result<Result<(), String>, StoreError> {
    let Some(theirs) = theirs(finding).filter(|_| matches!(finding.kind, Kind::Extra | Kind::Amount)) else {
        return Ok(Err("There is nothing to be reversed.".to_owned()));
    };
    let provider = mapping::connection(&app.db, connection).await?.provider;
    let mut at = match At::open(app, connection, &provider, REQUESTS).await? {
        Ok(at) => at,
        Err(shut) => return Ok(Err(shut.words())),
    };
    let undone = undo(&mut at, &theirs).await;
    let terms = at.close().await?;
    if let Err(trouble) = undone {
        asking::heed(app, connection, &trouble, terms).await?;
        let hint = if matches!(trouble, Trouble::Unknown(_)) { " It may be done: compare again." } else { "" };
        return Ok(Err(format!("{}{hint}", asking::words(&trouble))));
    }
    tracing::info!(number = %finding.number, "a document is reversed in an accountant's program");
    let ours = comparison::ours_numbered(&app.db, connection, &finding.number).await?;
    if ours.is_some_and(|ours| finding.kind == Kind::Amount || ours.external == finding.external) {
        posting::undone(&app.db, connection, &finding.number, "It was reversed in the program.").await?;
    }
    let words = format!("reversed by {by}");
    comparison::mark(&app.db, comparison, &finding.number, finding.external.as_deref(), &words).await?;
    Ok(Ok(()))
}

async fn undo(at: &mut At<'_>, theirs: &Theirs) -> Result<(), Trouble> {
    let undone = at.program().undo(&at.access(), theirs).await;
    at.note("undo", &undone);
    if undone != Err(Trouble::Expired) {
        return undone;
    }
    at.renew().await?;
    let undone = at.program().undo(&at.access(), theirs).await;
    at.note("undo", &undone);
    undone
}

/// A finding's document, as the program named it.
fn theirs(finding: &Finding) -> Option<Theirs> {
    Some(Theirs {
        id: finding.external.clone()?,
        version: finding.version.clone(),
        number: finding.number.clone(),
        part: Part::named(&finding.part)?,
        day: Date::parse(&finding.day, format_description!("[year]-[month]-[day]")).ok()?,
        total: finding.theirs?,
        currency: finding.currency.clone(),
        is_void: false,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn ours(number: &str, amount: i64, state: &str) -> Ours {
        Ours {
            number: number.into(),
            part: "sale".into(),
            day: date!(2026 - 11 - 22),
            amount,
            currency: "KES".into(),
            state: state.into(),
            external: Some(format!("id of {number}")),
        }
    }

    fn there(number: &str, total: i64) -> Theirs {
        Theirs {
            id: format!("id of {number}"),
            version: "3".into(),
            number: number.into(),
            part: Part::Sale,
            day: date!(2026 - 11 - 22),
            total,
            currency: "KES".into(),
            is_void: false,
        }
    }

    fn found(ours: &[Ours], theirs: &[Theirs]) -> (i64, i64, Vec<(Kind, String)>) {
        let found = judge(ours, theirs);
        (found.same, found.waiting, found.findings.into_iter().map(|one| (one.kind, one.number)).collect())
    }

    #[test]
    fn both_sides_are_the_same_or_it_is_said_what_is_not() {
        let all = [ours("A", 100, "posted"), ours("B", 200, "posted")];
        assert_eq!(found(&all, &[there("A", 100), there("B", 200)]), (2, 0, vec![]));
        assert_eq!(found(&all, &[there("A", 100)]), (1, 0, vec![(Kind::Missing, "B".into())]));
        assert_eq!(found(&all, &[there("A", 100), there("B", 201)]), (1, 0, vec![(Kind::Amount, "B".into())]));
        let void = Theirs { is_void: true, ..there("B", 0) };
        assert_eq!(found(&all, &[there("A", 100), void.clone()]), (1, 0, vec![(Kind::Void, "B".into())]));
        assert_eq!(found(&all[..1], &[there("A", 100), void]), (1, 0, vec![]), "what is void and nobody's is nothing");
        assert_eq!(found(&all[..1], &[there("A", 100), there("X", 1)]), (1, 0, vec![(Kind::Extra, "X".into())]));
        let other_part = Theirs { part: Part::Refund, ..there("A", 100) };
        assert_eq!(found(&all[..1], &[there("A", 100), other_part]), (1, 0, vec![(Kind::Extra, "A".into())]));
    }

    #[test]
    fn of_two_of_one_number_the_one_that_was_not_told_is_extra() {
        let second = Theirs { id: "another".into(), ..there("A", 100) };
        let found = judge(&[ours("A", 100, "posted")], &[second, there("A", 100)]);
        assert_eq!(found.same, 1);
        let [extra] = found.findings.as_slice() else { panic!("one extra: {found:?}") };
        assert_eq!(
            (extra.kind, extra.external.as_deref(), extra.version.as_str()),
            (Kind::Extra, Some("another"), "3")
        );
        let there = theirs(extra).expect("it can be undone");
        assert_eq!((there.id.as_str(), there.day, there.total), ("another", date!(2026 - 11 - 22), 100));
    }

    #[test]
    fn what_is_still_to_be_told_is_not_missing_and_what_was_undone_should_not_be_there() {
        for state in ["pending", "unknown", "rejected"] {
            assert_eq!(found(&[ours("A", 100, state)], &[]), (0, 1, vec![]), "{state}");
            assert_eq!(found(&[ours("A", 100, state)], &[there("A", 100)]), (0, 1, vec![]), "{state}");
            assert_eq!(found(&[ours("A", 100, state)], &[there("A", 99)]), (0, 1, vec![(Kind::Amount, "A".into())]));
        }
        assert_eq!(found(&[ours("A", 100, "undone")], &[]), (0, 0, vec![]));
        assert_eq!(found(&[ours("A", 100, "undone")], &[there("A", 100)]), (0, 0, vec![(Kind::Extra, "A".into())]));
    }

    #[test]
    fn what_stands_on_another_day_is_neither_missing_nor_extra() {
        let missing = judge(&[ours("A", 100, "posted")], &[]).findings.remove(0);
        assert_eq!(elsewhere(missing.clone(), None).kind, Kind::Missing);
        assert_eq!(elsewhere(missing.clone(), Some(there("A", 100))).kind, Kind::Day);
        assert_eq!(elsewhere(missing, Some(there("A", 1))).kind, Kind::Amount);
        let extra = judge(&[], &[there("A", 100)]).findings.remove(0);
        assert_eq!(of_another_day(extra.clone(), None).map(|one| one.kind), Some(Kind::Extra));
        let earlier = Ours { day: date!(2026 - 11 - 21), ..ours("A", 100, "posted") };
        assert_eq!(of_another_day(extra.clone(), Some(&earlier)).map(|one| one.kind), Some(Kind::Day));
        assert_eq!(of_another_day(extra.clone(), Some(&ours("A", 100, "posted"))), None, "it was told just now");
        assert_eq!(of_another_day(extra, Some(&ours("A", 100, "undone"))).map(|one| one.kind), Some(Kind::Extra));
    }
}
