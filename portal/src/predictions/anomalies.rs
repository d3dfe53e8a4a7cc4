//! The last hours beside what was expected of them: outages, drops and surges of what is bought and used, bursts of logins that fail, and sites
//! that will come near their limit.
//!
//! It is looked once an hour, by one portal, some minutes after the hour; what is found is written down, and alerts judge it
//! ([`crate::alerts::rules`]). How noisy a site is is learnt from the weeks before. Hours that nobody saw, and hours of the calendar,
//! say nothing: that a router is silent is told by another alert.
//!
//! Refused here: acting on what is found, and a word about a site whose past is too short for a forecast of its own.

use std::collections::BTreeMap;

use forecast::anomaly::{self, Severity};
use forecast::capacity;
use forecast::demand::Hour;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::alert::Kind;
use shared::denial::Denial;
use shared::rng;
use shared::time::{OffsetDateTime, hour_of};
use store::admin::Author;
use store::alert::Alert;
use store::alert::facts::Site;
use store::prediction::calendar::{self, Span};
use store::prediction::demand::Curves;
use store::prediction::lately::{self, Expected, Found};
use store::prediction::{self, Measure, demand};
use store::{Db, StoreError};
use time::Duration;
use uuid::Uuid;

use super::SETTLED;
use super::calendar::Calendar;
use super::hours::to_float;
use crate::App;

/// What the looks are called among the runs.
const LOOK: &str = "lately";
/// A look takes seconds; one that was broken off is taken up after this.
const LEASE: std::time::Duration = std::time::Duration::from_secs(300);
/// How far back noise is learnt from.
const PAST: Duration = Duration::weeks(3);
/// Hours of which is said what was unusual.
const LATELY: Duration = Duration::hours(24);
/// Sites whose hours are read at the same time.
const AT_ONCE: usize = 100;
/// Hours in which a burst of failed logins is looked for, and the time before from which the usual number is taken.
const BURST: Duration = Duration::hours(12);
const BURST_PAST: Duration = Duration::weeks(2);
/// Hours of that past from which on there is a usual number: a week. Before, each site's first mistyped codes would be a burst.
const USUAL_FROM: i64 = 7 * 24;
/// How far ahead it is looked whether a site comes near its limit.
const AHEAD: Duration = Duration::hours(48);
/// What was found longer ago than this tells nothing of now.
const GOOD_FOR: Duration = Duration::hours(3);

/// Hours at a site that were not as expected.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Unusual {
    pub(crate) measure: String,
    /// `outage`, `drop` or `surge`.
    pub(crate) what: String,
    pub(crate) is_grave: bool,
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    /// The first hour, and the hour after the last: seconds of the Unix epoch.
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// Logins that failed much more often than usual.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Burst {
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    pub(crate) hours: usize,
}

/// A site that may reach its limit.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Near {
    pub(crate) limit: i32,
    /// How likely it is in the likeliest hour.
    pub(crate) chance: f64,
    /// That hour: seconds of the Unix epoch.
    pub(crate) at: i64,
    /// What is expected of it.
    pub(crate) expected: f64,
}

/// What the newest look has found; `None`: nobody has looked for too long.
pub(crate) async fn found(db: &Db, now: OffsetDateTime) -> Result<Option<Vec<Found>>, StoreError> {
    let looked = prediction::run(db, LOOK).await?;
    let is_good = looked.is_some_and(|run| run.finished_at.is_some() && now - run.origin < GOOD_FOR);
    if is_good { Ok(Some(lately::found(db).await?)) } else { Ok(None) }
}

/// What was found of a kind, with where it is. What cannot be read was written by another version, and is left out.
pub(crate) fn of_kind<T: DeserializeOwned>(found: &[Found], kind: Kind) -> Vec<(&Found, T)> {
    let of = found.iter().filter(|found| found.kind == kind.as_str());
    of.filter_map(|found| Some((found, serde_json::from_value(found.detail.clone()).ok()?))).collect()
}

/// Looks, if the newest hour was not looked at.
pub(crate) async fn look(app: &App) -> Result<bool, StoreError> {
    let (db, now) = (&app.db, app.clock.now());
    let hour = hour_of(now - SETTLED);
    if !demand::facts_reach(db, hour).await? {
        return Ok(false);
    }
    let holder = rng::id(now);
    if !prediction::take(db, LOOK, holder, hour, LEASE, now).await? {
        return Ok(false);
    }
    let sites: Vec<Uuid> = demand::places(db, hour - LATELY, hour).await?.into_iter().map(|place| place.site).collect();
    let mut found = Vec::new();
    for some in sites.chunks(AT_ONCE) {
        for (site, unusual) in unusual(db, some, hour).await? {
            found.extend(detail(Kind::DemandUnusual, site, &unusual));
        }
    }
    found.extend(bursts(db, hour).await?);
    found.extend(near(db, now).await?);
    let (count, all) = (found.len(), sites.len());
    lately::replace(db, &found, hour).await?;
    prediction::note(db, LOOK, holder, (all, all), true, app.clock.now()).await?;
    tracing::debug!(sites = all, found = count, "the last hours were looked at");
    Ok(false)
}

fn detail(kind: Kind, site: Uuid, detail: &impl Serialize) -> Option<(&'static str, Uuid, Value)> {
    Some((kind.as_str(), site, serde_json::to_value(detail).ok()?))
}

/// What was unusual at these sites in the day before an hour.
async fn unusual(db: &Db, sites: &[Uuid], hour: OffsetDateTime) -> Result<Vec<(Uuid, Vec<Unusual>)>, StoreError> {
    let from = hour - PAST;
    let expected = lately::expected(db, sites, from, hour).await?;
    let counted = lately::hours(db, sites, from, hour).await?;
    let spans = calendar::all_spans(db, from, hour).await?;
    let looking = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        for hours in counted.chunk_by(|a, b| a.site == b.site) {
            let Some(site) = hours.first().map(|hour| hour.site) else { continue };
            let calendar = of_site(&spans, site);
            let mut unusual = Vec::new();
            for measure in [Measure::Purchases, Measure::Octets] {
                let expected: Vec<&Expected> =
                    expected.iter().filter(|of| of.site == site && of.measure == measure).collect();
                unusual.extend(scan(measure, hours, &expected, &calendar, (from, hour)));
            }
            if !unusual.is_empty() {
                found.push((site, unusual));
            }
        }
        found
    });
    Ok(looking.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the last hours could not be looked at");
        Vec::new()
    }))
}

fn of_site(spans: &[Span], site: Uuid) -> Calendar {
    Calendar::new(spans.iter().filter(|span| span.site.is_none_or(|of| of == site)).cloned().collect())
}

/// What of a measure at a site was unusual in the last day. `expected`: the newest forecast first.
fn scan(
    measure: Measure,
    hours: &[lately::Hour],
    expected: &[&Expected],
    calendar: &Calendar,
    (from, until): (OffsetDateTime, OffsetDateTime),
) -> Vec<Unusual> {
    let length = usize::try_from((until - from).whole_hours()).unwrap_or(0);
    let mut actual: Vec<Option<f64>> = vec![None; length];
    let mut said: Vec<Option<f64>> = vec![None; length];
    let index = |at: OffsetDateTime| usize::try_from((at - from).whole_hours()).ok().filter(|_| at >= from);
    for hour in hours.iter().filter(|hour| hour.is_observed && calendar.at(hour.at).is_none()) {
        if let Some(value) = index(hour.at).and_then(|at| actual.get_mut(at)) {
            *value = Some(to_float(if measure == Measure::Octets { hour.octets } else { hour.purchases }));
        }
    }
    // The oldest first, so that a newer one has the last word.
    for of in expected.iter().rev() {
        for (value, hour) in of.values.iter().zip(0_i64..) {
            if let Some(said) = index(of.origin + Duration::hours(hour)).and_then(|at| said.get_mut(at)) {
                *said = Some(*value);
            }
        }
    }
    // Of what nothing was expected nothing is said.
    let actual: Vec<Option<f64>> = actual.iter().zip(&said).map(|(actual, said)| said.and(*actual)).collect();
    let said: Vec<f64> = said.into_iter().map(|said| said.unwrap_or(0.0)).collect();
    let moment = |hour: usize| from.unix_timestamp() + i64::try_from(hour).unwrap_or(0) * 3600;
    let is_late = |until_hour: usize| moment(until_hour) > (until - LATELY).unix_timestamp();
    anomaly::scan(&actual, &said)
        .into_iter()
        .filter(|finding| is_late(finding.until))
        .map(|finding| Unusual {
            measure: measure.as_str().to_owned(),
            what: word(finding.kind).to_owned(),
            is_grave: finding.severity == Severity::High,
            observed: finding.observed,
            expected: finding.expected,
            from: moment(finding.from),
            until: moment(finding.until),
        })
        .collect()
}

fn word(kind: anomaly::Kind) -> &'static str {
    match kind {
        anomaly::Kind::Outage => "outage",
        anomaly::Kind::Drop => "drop",
        anomaly::Kind::Surge => "surge",
        anomaly::Kind::Burst => "burst",
    }
}

/// Where logins fail much more often than usual.
async fn bursts(db: &Db, hour: OffsetDateTime) -> Result<Vec<(&'static str, Uuid, Value)>, StoreError> {
    let since = hour - BURST;
    // A guest whom nobody knows yet is refused too, and so sees the portal: that is no failure.
    let new = Denial::UnknownDevice.label();
    let failed = lately::failed(db, since - BURST_PAST, since, hour, new).await?;
    Ok(failed.iter().filter_map(|failed| detail(Kind::LoginBurst, failed.site, &burst(failed)?)).collect())
}

fn burst(failed: &lately::Failed) -> Option<Burst> {
    if failed.hours < USUAL_FROM {
        return None;
    }
    let last: Vec<f64> = failed.lately.iter().copied().map(to_float).collect();
    let found = anomaly::burst(&last, to_float(failed.before) / to_float(failed.hours))?;
    let hours = found.until.saturating_sub(found.from).max(1);
    Some(Burst { observed: found.observed, expected: found.expected, hours })
}

/// Where the limit of sessions is near.
async fn near(db: &Db, now: OffsetDateTime) -> Result<Vec<(&'static str, Uuid, Value)>, StoreError> {
    let limited = lately::limited(db, now).await?;
    Ok(limited.iter().filter_map(|of| detail(Kind::CapacityNear, of.site, &likeliest(of, now)?)).collect())
}

/// The hour of the next ones in which the limit is likeliest to be reached.
fn likeliest(of: &lately::Limited, now: OffsetDateTime) -> Option<Near> {
    let chances = capacity::chances(&hours(&of.curves), f64::from(of.limit));
    let ahead = chances.into_iter().zip(&of.curves.expected).zip(0_i64..).filter_map(|((chance, expected), hour)| {
        let at = of.origin + Duration::hours(hour);
        (at + Duration::HOUR > now && at < now + AHEAD).then_some((chance, at, *expected))
    });
    let (chance, at, expected) = ahead.max_by(|(one, ..), (other, ..)| one.total_cmp(other))?;
    Some(Near { limit: of.limit, chance, at: at.unix_timestamp(), expected })
}

/// What was said of each hour, as it was when it was made.
fn hours(curves: &Curves) -> Vec<Hour> {
    let of = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(0.0);
    (0..curves.expected.len())
        .map(|at| Hour {
            expected: of(&curves.expected, at),
            typical: of(&curves.typical, at),
            low80: of(&curves.low80, at),
            high80: of(&curves.high80, at),
            low95: of(&curves.low95, at),
            high95: of(&curves.high95, at),
            naive: of(&curves.naive, at),
        })
        .collect()
}

/// Writes down that what an alert tells was expected, so that those hours are not learnt from.
pub(crate) async fn expected(
    app: &App,
    alert: &Alert,
    by: Author<'_>,
    note: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let Some(site) = alert.site else { return Ok(()) };
    let last = hour_of(alert.last_seen_at);
    let seen = unusual(&app.db, &[site], last).await?;
    let all = || seen.iter().flat_map(|(_, unusual)| unusual);
    let moment = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
    // What was seen of it is gone again: the hours in which the alert was raised, and what three hours together tell.
    let from = moment(all().map(|of| of.from).min()).unwrap_or(hour_of(alert.first_seen_at) - Duration::hours(3));
    let until = moment(all().map(|of| of.until).max()).unwrap_or(last).max(last);
    let name = if note.is_empty() { "Expected, by an alert" } else { note };
    let span = Span {
        site: Some(site),
        kind: calendar::Kind::Event,
        name: name.to_owned(),
        from: from.min(until - Duration::HOUR),
        until,
        factor: None,
    };
    calendar::add(&app.db, rng::id(now), &span, by, now).await?;
    Ok(())
}

/// What was found, by site, as rules want it.
pub(crate) fn by_site<T>(found: Vec<(&Found, T)>) -> BTreeMap<Site, (OffsetDateTime, T)> {
    found.into_iter().map(|(found, what)| (found.site.clone(), (found.hour, what))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::hours::tests::at;
    use super::*;

    const SITE: Uuid = Uuid::from_u128(1);

    fn counted(hour: i64, purchases: i64) -> lately::Hour {
        lately::Hour { site: SITE, at: at(hour), is_observed: true, purchases, octets: 0 }
    }

    /// Forecasts of three weeks, one a night, that say 20 of each hour.
    fn forecasts() -> Vec<Expected> {
        let nights = (0..21).rev();
        let of = |night: i64| Expected {
            site: SITE,
            measure: Measure::Purchases,
            origin: at(night * 24),
            values: vec![20.0; 48],
        };
        nights.map(of).collect()
    }

    fn found(hours: &[lately::Hour], calendar: &Calendar) -> Vec<(String, i64)> {
        let forecasts = forecasts();
        let expected: Vec<&Expected> = forecasts.iter().collect();
        let found = scan(Measure::Purchases, hours, &expected, calendar, (at(0), at(21 * 24)));
        found.into_iter().map(|of| (of.what, (of.until - at(0).unix_timestamp()) / 3600)).collect()
    }

    #[test]
    fn an_outage_of_the_last_day_is_found_and_an_older_one_is_not() {
        let noise = |hour: i64| 20 + (hour * 7 % 5) - 2;
        let with_outage = |from: i64| {
            let value = move |hour: i64| if (from..from + 6).contains(&hour) { 0 } else { noise(hour) };
            (0..504).map(|hour| counted(hour, value(hour))).collect::<Vec<_>>()
        };
        let quiet = Calendar::default();
        assert!(found(&with_outage(10_000), &quiet).is_empty());
        let [(what, until)] = &found(&with_outage(495), &quiet)[..] else { panic!("one finding") };
        assert_eq!(what, "outage");
        assert!((499..=504).contains(until), "{until}");
        assert!(found(&with_outage(400), &quiet).is_empty(), "over for days");
        // The same hours as an event, and as hours that nobody saw.
        let span = Span {
            site: Some(SITE),
            kind: calendar::Kind::Event,
            name: "x".into(),
            from: at(494),
            until: at(502),
            factor: None,
        };
        assert!(found(&with_outage(495), &of_site(&[span], SITE)).is_empty());
        let unseen = with_outage(495).into_iter().map(|hour| lately::Hour { is_observed: hour.purchases > 0, ..hour });
        assert!(found(&unseen.collect::<Vec<_>>(), &quiet).is_empty());
    }

    #[test]
    fn what_is_usual_is_not_known_before_a_week() {
        let failed = |hours| lately::Failed {
            site: SITE,
            name: "Market".into(),
            lately: [vec![0; 11], vec![9]].concat(),
            before: 0,
            hours,
        };
        assert_eq!(burst(&failed(0)), None);
        assert_eq!(burst(&failed(USUAL_FROM - 1)), None);
        let found = burst(&failed(USUAL_FROM)).expect("nine in an hour, where none is usual");
        assert!(found.hours == 1 && found.observed > 8.5, "{found:?}");
    }

    #[test]
    fn the_likeliest_hour_is_one_that_comes() {
        let mut curves = Curves {
            expected: vec![5.0; 192],
            typical: vec![5.0; 192],
            low80: vec![3.0; 192],
            high80: vec![7.0; 192],
            low95: vec![2.0; 192],
            high95: vec![8.0; 192],
            naive: vec![5.0; 192],
        };
        for (hour, much) in [(2, 40.0), (30, 20.0), (90, 60.0)] {
            for values in [
                &mut curves.expected,
                &mut curves.typical,
                &mut curves.low80,
                &mut curves.high80,
                &mut curves.low95,
                &mut curves.high95,
            ] {
                values[hour] += much;
            }
        }
        let limited = lately::Limited { site: SITE, name: "Market".into(), limit: 20, origin: at(0), curves };
        let near = likeliest(&limited, at(10)).expect("an hour");
        assert_eq!(near.at, at(30).unix_timestamp(), "what is over, and what is far, does not count");
        assert!(near.chance > 0.9, "{near:?}");
    }
}
