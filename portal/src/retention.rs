//! Carrying out what `[retention]` says: which moment counts for which table, and batch after batch until nothing is left.
//!
//! The job of each portal does it at night ([`nightly`]), the command line when it is told to ([`all`]). What is done to a row stands in
//! [`store::retention`]; whoever was silent for long is erased as by request ([`store::person`]).

use std::time::Duration;

use shared::config;
use shared::time::{OffsetDateTime, Zone};
use store::retention::{self, Rule};
use store::{Db, StoreError, person};

use crate::App;

/// Rows in one batch: it is over within a second, and locks nothing for longer.
const BATCH: u32 = 1000;
/// Customers who are erased in one round: each is a transaction over many tables.
const PEOPLE: u32 = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A month of retention: the mean one, since nobody counts days here.
const MONTH: Duration = Duration::from_secs(2_629_746);
/// Who does it, in the audit log.
const ACTOR: &str = "retention";
/// What erasing people is called among the rules.
const CUSTOMERS: &str = "customers";

/// How long a rule keeps; `None`: for ever.
fn keeps(settings: &config::Retention, rule: Rule) -> Option<Duration> {
    let (count, unit) = match rule {
        Rule::PaymentReports => (settings.payment_reports_days, DAY),
        Rule::Visits => (settings.visits_days, DAY),
        Rule::SessionPeople => (settings.session_people_months, MONTH),
        Rule::Messages => (settings.messages_days, DAY),
        Rule::Security => (settings.security_days, DAY),
        Rule::Commands => (settings.commands_days, DAY),
        Rule::Facts => (settings.facts_months, MONTH),
    };
    (count > 0).then(|| unit * count)
}

/// Before which moment customers must have been silent to be erased; `None`: they are not.
fn silent_since(settings: &config::Retention, now: OffsetDateTime) -> Option<OffsetDateTime> {
    (settings.customers_months > 0).then(|| now - MONTH * settings.customers_months)
}

/// What each rule lets go of: its name, and everything before that moment. `None`: nothing.
pub(crate) fn cutoffs(
    settings: &config::Retention,
    now: OffsetDateTime,
) -> Vec<(&'static str, Option<OffsetDateTime>)> {
    let rules = Rule::ALL.into_iter().map(|rule| (rule.as_str(), keeps(settings, rule).map(|time| now - time)));
    rules.chain([(CUSTOMERS, silent_since(settings, now))]).collect()
}

/// One batch of each rule. Returns how many rows there were of each, and whether there is probably more.
async fn round(
    db: &Db,
    settings: &config::Retention,
    now: OffsetDateTime,
) -> Result<(Vec<(&'static str, u64)>, bool), StoreError> {
    let (mut done, mut more) = (Vec::new(), false);
    for rule in Rule::ALL {
        let Some(time) = keeps(settings, rule) else { continue };
        let rows = retention::carry_out(db, rule, now - time, BATCH, now).await?;
        more |= rows >= u64::from(BATCH);
        done.push((rule.as_str(), rows));
    }
    if let Some(since) = silent_since(settings, now) {
        let quiet = person::quiet(db, since, PEOPLE).await?;
        let mut erased = 0;
        for user in &quiet {
            erased += u64::from(person::erase_quietly(db, *user, ACTOR, now).await?.is_some());
        }
        // Those who cannot be erased are found again: only as long as some were, there may be more.
        more |= erased > 0 && quiet.len() >= PEOPLE as usize;
        done.push((CUSTOMERS, erased));
    }
    Ok((done, more))
}

/// Everything that is due, to its end. Returns how many rows there were of each rule.
pub(crate) async fn all(
    db: &Db,
    settings: &config::Retention,
    now: OffsetDateTime,
) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let (mut sums, mut more) = round(db, settings, now).await?;
    while more {
        let (next, goes_on) = round(db, settings, now).await?;
        for ((_, sum), (_, rows)) in sums.iter_mut().zip(next) {
            *sum += rows;
        }
        more = goes_on;
    }
    Ok(sums)
}

/// One round, if it is the hour. Returns whether there is probably more.
pub(crate) async fn nightly(app: &App) -> Result<bool, StoreError> {
    let (settings, now) = (&app.config.retention, app.clock.now());
    if !is_the_hour(settings, now) {
        return Ok(false);
    }
    let (done, more) = round(&app.db, settings, now).await?;
    for (rule, rows) in done {
        if rows > 0 {
            app.metrics.let_go.with_label_values(&[rule]).inc_by(rows);
            tracing::info!(rule, rows, "kept long enough");
        }
    }
    Ok(more)
}

fn is_the_hour(settings: &config::Retention, now: OffsetDateTime) -> bool {
    Zone::default().at(now).hour() == settings.at_hour
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    #[test]
    fn a_zero_keeps_for_ever() {
        let settings = config::Retention { visits_days: 0, customers_months: 0, ..config::Retention::default() };
        let now = at(1_800_000_000);
        let cutoffs = cutoffs(&settings, now);
        let of = |rule: &str| cutoffs.iter().find(|(name, _)| *name == rule).and_then(|(_, before)| *before);
        assert_eq!(cutoffs.len(), Rule::ALL.len() + 1);
        assert_eq!((of("visits"), of(CUSTOMERS)), (None, None));
        assert_eq!(of("messages"), Some(now - DAY * 180));
        let year = config::Retention { customers_months: 12, ..settings };
        let before = silent_since(&year, now).expect("a moment");
        assert!((now - before - time::Duration::days(365)).whole_days().abs() <= 1, "{before}");
    }

    #[test]
    fn it_is_done_in_one_hour_of_the_night() {
        let settings = config::Retention { at_hour: 3, ..config::Retention::default() };
        // 00:00 in London is 03:00 in Nairobi.
        for (hour, is) in [(0, true), (1, false), (23, false), (3, false)] {
            assert_eq!(is_the_hour(&settings, at(1_799_971_200 + hour * 3600 + 59 * 60)), is, "{hour}");
        }
    }
}
