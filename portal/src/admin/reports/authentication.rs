//! Who gets in and who is refused: at which router, why, and whether somebody is trying things out.
//!
//! A guest whom nobody knows yet is refused too, and so sees the portal. That is how a hotspot begins, and no failure: such refusals stand in a
//! column of their own and count in no share and no burst. How fast logins are answered is no fact of an hour: it is measured by radiusd
//! (`mlango_radius_request_duration_seconds`), and how accounting fares stands on a page of its own.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use forecast::anomaly::{Severity, burst};
use shared::denial::Denial;
use shared::language::Language;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::report::authentication::{self, Logins, Refused, RefusedHour};
use store::rollup::Span;
use uuid::Uuid;

use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{
    change, chart, charted, count, figure, noted, percent, percent_in_words, section, series, share, span, span_before,
    to_float,
};
use crate::admin::listing::Cell;
use crate::admin::words::{Tone, said};

pub(super) const ABOUT: About = About {
    slug: "authentication",
    title: "Logins",
    question: "Do customers get in, and if not: is it an attack, or a broken login?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: true, package: false, provider: false },
};

/// Days at the end of the time in which bursts are looked for.
const BURST_DAYS: u32 = 35;
/// Hours that a burst is looked for in, the present one included.
const WINDOW: usize = 12;
/// Hours without anything between two bursts.
const APART: i64 = 6;
/// Bursts that are listed.
const LISTED: usize = 200;
/// Routers that a chart has room for.
const DRAWN: usize = 20;
const HOUR: Duration = Duration::from_secs(3600);

/// Too many refused logins at a router in a short time.
#[derive(Clone, PartialEq, Debug)]
struct Burst {
    nas: Uuid,
    from: OffsetDateTime,
    until: OffsetDateTime,
    is_slow: bool,
    observed: f64,
    expected: f64,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options: Vec<(String, String)> = Denial::ALL
        .into_iter()
        .filter(|denial| *denial != Denial::UnknownDevice)
        .map(|denial| (denial.label().to_owned(), denial.label().replace('_', " ")))
        .collect();
    let reason = question.asked.choice("reason", "Refused since", "Whatever the reason", &options);
    let (db, common) = (&question.app.db, &question.common);
    let (asked, sites) = (span(common), &common.sites);
    let logins = authentication::logins(db, &asked, sites).await?;
    let refused = only(authentication::refused(db, &asked, sites).await?, reason.as_deref());
    let before = match span_before(common) {
        Some(before) => Some((
            authentication::logins(db, &before, sites).await?,
            only(authentication::refused(db, &before, sites).await?, reason.as_deref()),
        )),
        None => None,
    };
    let lately = Span {
        from: asked.from.max(asked.until - HOUR * (24 * BURST_DAYS)),
        until: asked.until.min(common.now),
        ..asked
    };
    let new = Denial::UnknownDevice.label();
    let hours = authentication::hours(db, &lately, sites, new, reason.as_deref()).await?;
    let bursts = bursts(&hours, &lately);
    let names: HashMap<Uuid, &str> = logins.iter().map(|logins| (logins.nas, logins.name.as_str())).collect();
    let notes = vec![
        format!("Bursts are looked for in the last {BURST_DAYS} days of the time."),
        "How fast logins are answered is not counted by the hour: radiusd measures it (mlango_radius_request_duration_seconds), and how accounting \
         fares stands under Accounting."
            .to_owned(),
    ];
    Ok(Answer {
        figures: figures(&logins, &refused, before.as_ref().map(|(logins, refused)| (&logins[..], &refused[..]))),
        notes,
        sections: vec![
            by_router(&logins, &refused, &bursts),
            by_reason(&refused),
            table_of(&bursts, &names, common.now),
        ],
        extra: Vec::new(),
    })
}

/// Those for that reason, and the new guests, who are nobody's failure.
fn only(refused: Vec<Refused>, reason: Option<&str>) -> Vec<Refused> {
    let Some(reason) = reason else { return refused };
    refused.into_iter().filter(|refused| refused.reason == reason || is_new(refused)).collect()
}

/// Whether it is the usual answer to a guest whom nobody knows yet.
fn is_new(refused: &Refused) -> bool {
    refused.reason == Denial::UnknownDevice.label()
}

/// Looks for bursts at each router, hour by hour. What is usual there is the mean of its other hours.
fn bursts(hours: &[RefusedHour], span: &Span) -> Vec<Burst> {
    let long = usize::try_from((span.until - span.from).whole_hours()).unwrap_or(0) + 1;
    let mut routers: BTreeMap<Uuid, Vec<f64>> = BTreeMap::new();
    for hour in hours {
        let at = usize::try_from((hour.hour - span.from).whole_hours()).unwrap_or(0);
        let counts = routers.entry(hour.nas).or_insert_with(|| vec![0.0; long]);
        if let Some(count) = counts.get_mut(at) {
            *count += to_float(hour.times);
        }
    }
    let mut found: Vec<Burst> = routers.iter().flat_map(|(nas, counts)| bursts_at(*nas, counts, span.from)).collect();
    found.sort_by_key(|burst| std::cmp::Reverse(burst.from));
    found
}

fn bursts_at(nas: Uuid, counts: &[f64], begins: OffsetDateTime) -> Vec<Burst> {
    let total: f64 = counts.iter().sum();
    let moment = |hour: usize| begins + HOUR * u32::try_from(hour).unwrap_or(u32::MAX);
    let mut found: Vec<Burst> = Vec::new();
    for at in (0..counts.len()).filter(|at| counts[*at] > 0.0) {
        let from = (at + 1).saturating_sub(WINDOW);
        let window = &counts[from..=at];
        let others = counts.len() - window.len();
        let usual = if others > 0 { (total - window.iter().sum::<f64>()) / others as f64 } else { 0.0 };
        let Some(finding) = burst(window, usual.max(0.0)) else { continue };
        let next = Burst {
            nas,
            from: moment(from + finding.from),
            until: moment(from + finding.until),
            is_slow: finding.severity == Severity::Low,
            observed: finding.observed,
            expected: finding.expected,
        };
        match found.last_mut().filter(|last| (next.from - last.until).whole_hours() <= APART) {
            // The same one goes on: it is as long as both, and as grave as its worst hours.
            Some(last) => {
                last.until = next.until;
                if next.observed > last.observed {
                    (last.observed, last.expected) = (next.observed, next.expected);
                }
                last.is_slow &= next.is_slow;
            }
            None => found.push(next),
        }
    }
    found
}

/// How many got in, and how many did not who should have.
fn sums(logins: &[Logins], refused: &[Refused]) -> (i64, i64, i64) {
    let known = refused.iter().filter(|refused| !is_new(refused)).map(|refused| refused.times).sum();
    let new = refused.iter().filter(|refused| is_new(refused)).map(|refused| refused.times).sum();
    (logins.iter().map(|logins| logins.logins).sum(), known, new)
}

fn figures(logins: &[Logins], refused: &[Refused], before: Option<(&[Logins], &[Refused])>) -> Vec<Figure> {
    let (got_in, known, new) = sums(logins, refused);
    let before = before.map(|(logins, refused)| sums(logins, refused));
    let whole = |number: f64| format!("{number:.0}");
    let of_refused = |got_in: i64, known: i64| percent(known, got_in + known).map(percent_in_words);
    let was = before.and_then(|(got_in, known, _)| of_refused(got_in, known)).map(|was| format!("{was} before"));
    let counted = |label: &str, now: i64, was: Option<i64>| {
        figure(label, now.to_string(), change(to_float(now), was.map(to_float), whole))
    };
    vec![
        counted("logins", got_in, before.map(|before| before.0)),
        counted("refused", known, before.map(|before| before.1)),
        figure("of all tries", of_refused(got_in, known).unwrap_or_else(|| "none".into()), was.unwrap_or_default()),
        counted("times a new guest was sent to the portal", new, before.map(|before| before.2)),
    ]
}

fn by_router(logins: &[Logins], refused: &[Refused], bursts: &[Burst]) -> Section {
    let refused_at = |nas: Uuid| refused.iter().filter(move |refused| refused.nas == nas);
    let known_at =
        |nas: Uuid| refused_at(nas).filter(|refused| !is_new(refused)).map(|refused| refused.times).sum::<i64>();
    let mut routers: Vec<&Logins> = logins.iter().collect();
    routers.sort_by_key(|router| std::cmp::Reverse(known_at(router.nas)));
    let rows = routers.iter().map(|router| {
        let known = known_at(router.nas);
        let new: i64 = refused_at(router.nas).filter(|refused| is_new(refused)).map(|refused| refused.times).sum();
        let most = refused_at(router.nas).filter(|refused| !is_new(refused)).max_by_key(|refused| refused.times);
        let most = most.map(|refused| format!("most: {}", refused.reason.replace('_', " "))).unwrap_or_default();
        let bursts = bursts.iter().filter(|burst| burst.nas == router.nas).count();
        vec![
            Cell::text(router.name.clone())
                .link(format!("/admin/routers/{}", router.nas))
                .small(router.site_name.clone()),
            count(router.logins),
            count(known).small(most),
            share(known, router.logins + known),
            count(new),
            Cell::text(bursts.to_string()),
        ]
    });
    let heads = [
        ("Router", "router", false),
        ("Logins", "logins", true),
        ("Refused", "refused", true),
        ("Of all tries", "refused_percent", true),
        ("New guests", "new_guests", true),
        ("Bursts", "bursts", true),
    ];
    let section = section("routers", "By router", &heads, rows.collect(), "No router was there in this time.");
    let drawn = routers.iter().take(DRAWN);
    let lines = vec![
        series("logins", drawn.clone().map(|router| Some(to_float(router.logins)))),
        series("refused", drawn.clone().map(|router| Some(to_float(known_at(router.nas))))),
    ];
    charted(section, chart(Shape::Stacked, "logins", drawn.map(|router| router.name.clone()).collect(), lines))
}

fn by_reason(refused: &[Refused]) -> Section {
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for one in refused {
        let sum = sums.entry(&one.reason).or_default();
        *sum = (sum.0 + one.times, sum.1 + one.devices);
    }
    let mut reasons: Vec<(&str, (i64, i64))> = sums.into_iter().collect();
    reasons.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
    let total: i64 = reasons.iter().map(|(_, (times, _))| times).sum();
    let rows = reasons.iter().map(|(reason, (times, devices))| {
        vec![
            Cell::text(reason.replace('_', " ")).small(sentence(reason)).value(*reason),
            count(*times),
            share(*times, total),
            count(*devices),
        ]
    });
    let heads = [
        ("Reason", "reason", false),
        ("Times", "times", true),
        ("Share", "share_percent", true),
        ("Devices, each once an hour", "device_hours", true),
    ];
    let section = section("reasons", "By reason", &heads, rows.collect(), "Nobody was refused in this time.");
    let bars = series("times", reasons.iter().map(|(_, (times, _))| Some(to_float(*times))));
    let names = reasons.iter().map(|(reason, _)| reason.replace('_', " ")).collect();
    charted(section, chart(Shape::Bars, "times", names, vec![bars]))
}

/// What the guest reads.
fn sentence(label: &str) -> &'static str {
    let found = Denial::ALL.into_iter().find(|denial| denial.label() == label);
    found.map_or("", |denial| denial.sentence(Language::English))
}

fn table_of(bursts: &[Burst], names: &HashMap<Uuid, &str>, now: OffsetDateTime) -> Section {
    let rows = bursts.iter().take(LISTED).map(|burst| {
        let kind = if burst.is_slow { said(Tone::Busy, "slow") } else { said(Tone::Bad, "sudden") };
        let name = names.get(&burst.nas).copied().unwrap_or("a router that is gone");
        vec![
            Cell::moment(Some(burst.from), now),
            Cell::moment(Some(burst.until), now),
            Cell::text(name).link(format!("/admin/routers/{}", burst.nas)),
            Cell::state(&kind),
            Cell::text(format!("{:.0}", burst.observed)),
            Cell::text(format!("{:.1}", burst.expected)),
        ]
    });
    let heads = [
        ("From", "from", false),
        ("Until", "until", false),
        ("Router", "router", false),
        ("Kind", "kind", false),
        ("Refused in its worst hours", "observed", true),
        ("Usual in so many", "expected", true),
    ];
    let section = section("bursts", "Bursts", &heads, rows.collect(), "There was no burst of refused logins.");
    let told = "A burst is what comes by chance less than once in some thousand hours. Many names or codes from few devices are somebody who tries things \
                out; the same refusal on many devices is a login that is broken.";
    noted(section, told)
}

#[cfg(test)]
mod tests {
    use super::super::usage::tests::asked;
    use super::*;

    fn refused(nas: u128, reason: &str, times: i64) -> Refused {
        Refused { nas: Uuid::from_u128(nas), reason: reason.into(), times, devices: 1 }
    }

    fn logins(nas: u128, logins: i64) -> Logins {
        Logins { nas: Uuid::from_u128(nas), name: format!("router {nas}"), site_name: "Market".into(), logins }
    }

    #[test]
    fn new_guests_are_no_failure() {
        let refused = [refused(1, "unknown_device", 500), refused(1, "bad_password", 10), refused(1, "expired", 15)];
        let section = by_router(&[logins(2, 5), logins(1, 75)], &refused, &[]);
        let row: Vec<&str> = section.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(row, ["router 1", "75", "25", "25.0 %", "500", "0"], "who is refused most comes first");
        assert_eq!(section.rows[0][2].small, "most: expired");
        let figures = figures(&[logins(1, 75)], &refused, Some((&[logins(1, 50)][..], &[][..])));
        let told: Vec<&str> = figures.iter().map(|figure| figure.value.as_str()).collect();
        assert_eq!(told, ["75", "25", "25.0 %", "500"]);
        assert_eq!((figures[0].beside.as_str(), figures[2].beside.as_str()), ("50 % more than 50", "0.0 % before"));
    }

    #[test]
    fn a_reason_can_be_asked_for_and_is_told_as_the_guest_reads_it() {
        let all = vec![refused(1, "unknown_device", 5), refused(1, "bad_password", 10), refused(2, "expired", 15)];
        let left = only(all.clone(), Some("expired"));
        assert_eq!(left.len(), 2);
        assert_eq!(only(all.clone(), None).len(), 3);
        let section = by_reason(&all);
        assert_eq!((section.rows[0][0].text.as_str(), section.rows[0][2].text.as_str()), ("expired", "50.0 %"));
        assert_eq!(section.rows[0][0].small, Denial::TimeOver.sentence(Language::English));
    }

    #[test]
    fn a_burst_is_found_once_with_its_hours_and_its_router() {
        let common = asked(20 * 24);
        let asked = span(&common);
        let at = |hour: u32, times| RefusedHour { nas: Uuid::from_u128(7), hour: asked.from + HOUR * hour, times };
        // One now and then, and forty an hour for three hours.
        let mut hours: Vec<RefusedHour> = (0..20).map(|day| at(day * 24 + 3, 1)).collect();
        assert!(bursts(&hours, &asked).is_empty(), "one a day is usual");
        hours.extend([at(200, 40), at(201, 40), at(202, 40)]);
        let found = bursts(&hours, &asked);
        let [burst] = &found[..] else { panic!("one burst: {found:?}") };
        assert!(!burst.is_slow && burst.nas == Uuid::from_u128(7));
        assert!(burst.from <= asked.from + HOUR * 200 && burst.until >= asked.from + HOUR * 203, "{burst:?}");
        assert!(burst.observed >= 40.0 && burst.expected < 2.0, "{burst:?}");
    }
}
