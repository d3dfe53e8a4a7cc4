//! How full sites are against how many sessions they can carry, how likely they are full in the next seven days, and when they will be by their
//! trend.
//!
//! A site without a limit has no share, no chance and no date: the report says where to write the limit down. What is foreseen comes from the
//! forecasts of sessions at the site ([`forecast::capacity`]); a forecast that has switched itself off says nothing here either.

use std::time::Duration;

use forecast::demand::Hour;
use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone};
use store::report::capacity::{self, Foreseen, Used, Week};
use store::report::p95::{self, Of, P95};

use super::chart::Shape;
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::{
    chart, charted, count, figure, noted, percent, percent_in_words, section, series, share, span, step, step_in_words,
};
use crate::admin::listing::Cell;
use crate::admin::words::{Tone, said};

pub(super) const ABOUT: About = About {
    slug: "capacity",
    title: "Capacity",
    question: "Which sites are full, which will be, and where is it time to upgrade?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: false, package: false, provider: false },
};

/// From which share of the limit on an hour counts as full.
const USUAL: f64 = 0.9;
/// What else can be chosen.
const SHARES: [(&str, &str, f64); 2] = [("80", "80 % of the limit", 0.8), ("100", "the whole limit", 1.0)];
/// Hours that are looked ahead.
const AHEAD: usize = 168;
/// Days of a week that a trend is said in.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Weeks beyond which a trend is no more than a guess.
const FARTHEST: f64 = 104.0;
/// Weeks that a trend needs.
const LEAST_WEEKS: usize = 4;

/// What is known of a site.
struct Site {
    used: Used,
    p95: Option<i64>,
    ahead: Ahead,
    trend: Trend,
}

/// What the next seven days bring.
#[derive(Clone, PartialEq, Debug)]
enum Ahead {
    /// There is no limit.
    NoLimit,
    /// There is no forecast.
    Nothing,
    /// There is one that may not be shown.
    Off,
    /// The chance of each hour from now on to be full.
    Chances { first: OffsetDateTime, chances: Vec<f64>, is_weak: bool },
}

/// When the trend of twelve weeks reaches the limit.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Trend {
    /// Too few weeks are known, or there is no limit.
    Unknown,
    /// It does not, within what can be said.
    Never,
    /// In so many weeks: the earliest and the latest; none: it may as well not.
    Weeks(f64, Option<f64>),
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = SHARES.map(|(value, label, _)| (value.to_owned(), label.to_owned()));
    let chosen = question.asked.choice("full", "Full from", "90 % of the limit", &options);
    let of_limit =
        SHARES.iter().find(|(value, _, _)| chosen.as_deref() == Some(*value)).map_or(USUAL, |(_, _, of)| *of);
    let common = &question.common;
    let asked = span(common);
    let every = step(&asked);
    let db = &question.app.db;
    let used = capacity::used(db, &asked, of_limit, &common.sites).await?;
    let p95 = p95::p95(db, Of::SiteSessions, &asked, &common.sites, every).await?;
    let weeks = capacity::weeks(db, common.now, common.site, &common.sites).await?;
    let foreseen = capacity::foreseen(db, common.now, common.site, &common.sites).await?;
    let sites: Vec<Site> = used
        .into_iter()
        .map(|used| Site {
            p95: p95.iter().find(|p95: &&P95| p95.id == used.id).map(|p95| p95.value),
            ahead: ahead(&used, &foreseen, of_limit, common.now),
            trend: trend(&used, &weeks, of_limit),
            used,
        })
        .collect();
    let can_edit = question.staff.may(Permission::EditRouters) && *question.staff.sites() == SiteScope::All;
    let mut sections = vec![table(&sites, of_limit, can_edit, common)];
    sections.extend(hours_ahead(&sites, common));
    let mut notes = Vec::new();
    let without = sites.iter().filter(|site| site.used.limit.is_none()).count();
    if without > 0 {
        notes.push(format!(
            "{without} of {} sites have no limit: say under Sites how many sessions each can carry, and this report measures against it.",
            sites.len()
        ));
    }
    notes.extend(step_in_words(every));
    Ok(Answer { figures: figures(&sites), notes, sections, extra: Vec::new() })
}

/// What the forecast says of the hours from now on.
fn ahead(used: &Used, foreseen: &[Foreseen], of_limit: f64, now: OffsetDateTime) -> Ahead {
    let Some(limit) = used.limit else { return Ahead::NoLimit };
    let Some(found) = foreseen.iter().find(|foreseen| foreseen.site == used.id) else { return Ahead::Nothing };
    if !found.is_shown {
        return Ahead::Off;
    }
    let passed = usize::try_from((now - found.origin).whole_hours()).unwrap_or(0);
    let hours: Vec<Hour> = hours(found).into_iter().skip(passed).take(AHEAD).collect();
    if hours.is_empty() {
        return Ahead::Nothing;
    }
    let chances = forecast::capacity::chances(&hours, f64::from(limit) * of_limit);
    let first = found.origin + Duration::from_secs(3600) * u32::try_from(passed).unwrap_or(0);
    Ahead::Chances { first, chances, is_weak: found.basis != "own" }
}

/// The hours of a forecast. Its arrays have the same length; were one shorter, what it lacks would be no hour.
fn hours(found: &Foreseen) -> Vec<Hour> {
    let hour = |at: usize| {
        Some(Hour {
            expected: *found.expected.get(at)?,
            typical: *found.typical.get(at)?,
            low80: *found.low80.get(at)?,
            high80: *found.high80.get(at)?,
            low95: *found.low95.get(at)?,
            high95: *found.high95.get(at)?,
            naive: *found.naive.get(at)?,
        })
    };
    (0..found.expected.len()).map_while(hour).collect()
}

fn trend(used: &Used, weeks: &[Week], of_limit: f64) -> Trend {
    let Some(limit) = used.limit else { return Trend::Unknown };
    let of_site: Vec<f64> = weeks.iter().filter(|week| week.site == used.id).map(|week| week.p95.into()).collect();
    if of_site.len() < LEAST_WEEKS {
        return Trend::Unknown;
    }
    match forecast::capacity::weeks_until(&of_site, f64::from(limit) * of_limit) {
        Some((earliest, latest)) if earliest <= FARTHEST => {
            Trend::Weeks(earliest.max(0.0), latest.filter(|latest| *latest <= FARTHEST))
        }
        _ => Trend::Never,
    }
}

fn figures(sites: &[Site]) -> Vec<Figure> {
    let has_limit = sites.iter().filter(|site| site.used.limit.is_some());
    let full = has_limit.clone().filter(|site| site.used.full > 0).count();
    let likely = has_limit.filter(|site| most(&site.ahead).is_some_and(|(chance, _)| chance >= 0.5)).count();
    let mut figures = vec![figure("sites that were full", full.to_string(), String::new())];
    let mut likely = figure("sites that are likely full in the next 7 days", likely.to_string(), String::new());
    likely.tone = if likely.value == "0" { "" } else { "bad" };
    figures.push(likely);
    figures
}

/// The greatest chance, and which hour has it.
fn most(ahead: &Ahead) -> Option<(f64, usize)> {
    let Ahead::Chances { chances, .. } = ahead else { return None };
    let pairs = chances.iter().copied().enumerate().map(|(at, chance)| (chance, at));
    pairs.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

fn table(sites: &[Site], of_limit: f64, can_edit: bool, common: &Common) -> Section {
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let rows = sites.iter().map(|site| {
        let used = &site.used;
        let limit = match used.limit {
            Some(limit) => Cell::text(limit.to_string()),
            None => Cell::state(&said(Tone::Plain, "no limit")).value(""),
        };
        vec![
            Cell::text(used.name.clone()),
            if can_edit { limit.link(format!("/admin/sites/{}", used.id)) } else { limit },
            of_the_limit(site.p95, used.limit),
            of_the_limit(Some(i64::from(used.peak)).filter(|_| used.hours > 0), used.limit),
            if used.limit.is_some() {
                count(used.full).small(share(used.full, used.hours).text)
            } else {
                Cell::default()
            },
            chance_cell(&site.ahead, &zone),
            expected_cell(&site.ahead),
            trend_cell(site.trend, common.now, &zone),
        ]
    });
    let percent_of = format!("Hours ≥ {:.0} %", of_limit * 100.0);
    let heads = [
        ("Site", "site", false),
        ("Limit", "limit", true),
        ("P95", "p95_sessions", true),
        ("Most", "peak_sessions", true),
        (percent_of.as_str(), "full_hours", true),
        ("Greatest chance of an hour, next 7 days", "greatest_chance_percent", true),
        ("Full hours expected", "expected_full_hours", true),
        ("The trend reaches it", "trend_reaches_it", false),
    ];
    let section = section("sites", "By site", &heads, rows.collect(), "There is no site.");
    let drawn: Vec<&Site> = sites.iter().filter(|site| site.used.limit.is_some()).collect();
    let of_limit = |sessions: Option<i64>, site: &Site| percent(sessions?, site.used.limit?.into());
    let bars = vec![
        series("P95", drawn.iter().map(|site| of_limit(site.p95, site))),
        series("most", drawn.iter().map(|site| of_limit(Some(i64::from(site.used.peak)), site))),
    ];
    let names = drawn.iter().map(|site| site.used.name.clone()).collect();
    let told = "Full hours expected is the sum of the chances of all hours. The trend goes by the P95 of each of the last twelve weeks, and says from when to when; \
                it knows nothing of what you will build or sell.";
    noted(charted(section, chart(Shape::Bars, "% of the limit", names, bars)), told)
}

/// `84`, and below it which part of the limit it is.
fn of_the_limit(sessions: Option<i64>, limit: Option<i32>) -> Cell {
    let Some(sessions) = sessions else { return Cell::default() };
    let part = limit.and_then(|limit| percent(sessions, limit.into()));
    count(sessions).small(part.map(|part| format!("{part:.0} % of the limit")).unwrap_or_default())
}

fn chance_cell(ahead: &Ahead, zone: &Zone) -> Cell {
    let words = match ahead {
        Ahead::NoLimit => return Cell::default(),
        Ahead::Nothing => "there is no forecast",
        Ahead::Off => "the forecast has switched itself off",
        Ahead::Chances { is_weak: true, .. } => "from a short past",
        Ahead::Chances { .. } => "",
    };
    let (Some((chance, at)), Ahead::Chances { first, .. }) = (most(ahead), ahead) else {
        return Cell::default().small(words);
    };
    let hour = *first + Duration::from_secs(3600) * u32::try_from(at).unwrap_or(0);
    let when = in_words(hour, zone);
    let below = if words.is_empty() { when } else { format!("{when}, {words}") };
    Cell::text(percent_in_words(chance * 100.0)).value(format!("{:.2}", chance * 100.0)).small(below)
}

fn expected_cell(ahead: &Ahead) -> Cell {
    match ahead {
        Ahead::Chances { chances, .. } => Cell::text(format!("{:.1}", chances.iter().sum::<f64>())),
        _ => Cell::default(),
    }
}

/// `Fri 4 Dec 19:00`.
fn in_words(at: OffsetDateTime, zone: &Zone) -> String {
    let here = zone.at(at);
    let (weekday, month) = (here.weekday().to_string(), here.month().to_string());
    let short = |word: &str| word.chars().take(3).collect::<String>();
    format!("{} {} {} {:02}:00", short(&weekday), here.day(), short(&month), here.hour())
}

fn trend_cell(trend: Trend, now: OffsetDateTime, zone: &Zone) -> Cell {
    let day = |weeks: f64| zone.at(now + WEEK.mul_f64(weeks)).date().to_string();
    match trend {
        Trend::Unknown => Cell::default(),
        Trend::Never => Cell::text("not in two years"),
        Trend::Weeks(earliest, _) if earliest < 1.0 => Cell::text("now"),
        Trend::Weeks(earliest, Some(latest)) => Cell::text(format!("{} to {}", day(earliest), day(latest))),
        Trend::Weeks(earliest, None) => Cell::text(format!("{} or later", day(earliest))),
    }
}

/// The chance of each hour of the next seven days, where one site was asked for.
fn hours_ahead(sites: &[Site], common: &Common) -> Option<Section> {
    let site = sites.iter().find(|site| Some(site.used.id) == common.site)?;
    let Ahead::Chances { first, chances, .. } = &site.ahead else { return None };
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let names: Vec<String> =
        (0_u32..).zip(chances).map(|(at, _)| in_words(*first + Duration::from_secs(3600) * at, &zone)).collect();
    let rows = names.iter().zip(chances).map(|(name, chance)| {
        vec![
            Cell::text(name.clone()),
            Cell::text(percent_in_words(chance * 100.0)).value(format!("{:.2}", chance * 100.0)),
        ]
    });
    let heads = [("Hour", "hour", false), ("Chance to be full", "chance_percent", true)];
    let section = section("ahead", "The next 7 days", &heads, rows.collect(), "There is no forecast.");
    let line = series("chance", chances.iter().map(|chance| Some(chance * 100.0)));
    Some(charted(section, chart(Shape::Line, "%", names, vec![line])))
}

#[cfg(test)]
mod tests {
    use super::super::usage::tests::asked;
    use uuid::Uuid;

    use super::*;

    fn used(limit: Option<i32>) -> Used {
        Used { id: Uuid::from_u128(7), name: "Market".into(), limit, peak: 95, hours: 200, full: 3 }
    }

    fn foreseen(is_shown: bool, origin: OffsetDateTime, hours: usize) -> Foreseen {
        let ten = vec![10.0; hours];
        Foreseen {
            site: Uuid::from_u128(7),
            origin,
            is_shown,
            basis: "own".into(),
            expected: ten.clone(),
            typical: ten.clone(),
            low80: ten.clone(),
            high80: ten.clone(),
            low95: ten.clone(),
            high95: ten.clone(),
            naive: ten,
        }
    }

    #[test]
    fn nothing_is_foreseen_without_a_limit_or_without_a_forecast_that_may_be_shown() {
        let now = asked(24).now;
        let ahead = |used: &Used, foreseen: &[Foreseen]| ahead(used, foreseen, USUAL, now);
        assert_eq!(ahead(&used(None), &[foreseen(true, now, 168)]), Ahead::NoLimit);
        assert_eq!(ahead(&used(Some(100)), &[]), Ahead::Nothing);
        assert_eq!(ahead(&used(Some(100)), &[foreseen(false, now, 168)]), Ahead::Off);
        let over = foreseen(true, now - Duration::from_secs(200 * 3600), 168);
        assert_eq!(ahead(&used(Some(100)), &[over]), Ahead::Nothing, "all its hours have passed");
    }

    #[test]
    fn hours_that_have_passed_are_not_foreseen() {
        let now = asked(24).now;
        let begun = foreseen(true, now - Duration::from_secs(5 * 3600), 168);
        let Ahead::Chances { first, chances, is_weak } = ahead(&used(Some(100)), &[begun], USUAL, now) else {
            panic!("there is a forecast");
        };
        assert_eq!((first, chances.len(), is_weak), (now, 163, false));
        let torn = Foreseen { naive: vec![1.0; 3], ..foreseen(true, now, 168) };
        assert_eq!(hours(&torn).len(), 3);
    }

    #[test]
    fn a_trend_needs_weeks_and_a_limit() {
        let week = |ago| Week { site: Uuid::from_u128(7), ago, p95: 50 };
        assert_eq!(trend(&used(Some(100)), &[week(1), week(0)], USUAL), Trend::Unknown);
        assert_eq!(trend(&used(None), &[week(3), week(2), week(1), week(0)], USUAL), Trend::Unknown);
        let (now, zone) = (asked(24).now, Zone::default());
        for (trend, expected) in [
            (Trend::Weeks(0.0, None), "now"),
            (Trend::Weeks(2.0, Some(4.0)), "2026-12-14 to 2026-12-28"),
            (Trend::Weeks(2.0, None), "2026-12-14 or later"),
            (Trend::Never, "not in two years"),
            (Trend::Unknown, ""),
        ] {
            assert_eq!(trend_cell(trend, now, &zone).text, expected, "{trend:?}");
        }
    }

    #[test]
    fn the_greatest_chance_is_said_with_its_hour() {
        let common = asked(24);
        let ahead = Ahead::Chances { first: common.now, chances: vec![0.1, 0.75, 0.2], is_weak: true };
        let site = Site { used: used(Some(100)), p95: Some(90), ahead, trend: Trend::Never };
        let sites = [site, Site { used: used(None), p95: None, ahead: Ahead::NoLimit, trend: Trend::Unknown }];
        let section = table(&sites, USUAL, true, &common);
        let row: Vec<&str> = section.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, ["Market", "100", "90", "95", "3", "75.0 %", "1.1", "not in two years"]);
        assert_eq!(section.rows[0][5].small, "Mon 30 Nov 01:00, from a short past");
        assert_eq!(section.rows[0][2].small, "90 % of the limit");
        assert_eq!(section.rows[1][1].text, "no limit");
        assert!(section.rows[1][1].link.ends_with("/admin/sites/00000000-0000-0000-0000-000000000007"));
        assert_eq!(section.heads.len(), row.len());
        assert_eq!(section.chart.expect("a chart").x, ["Market"]);
        assert_eq!(figures(&sites)[1].value, "1");
    }
}
