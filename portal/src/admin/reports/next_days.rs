//! The next seven days: what is expected of each hour, how sure that is, and what saying "as last week" would give. How good the forecasts of
//! this place have been stands beside it, and if they are no better than that, it is said; those that have switched themselves off are not
//! shown.
//!
//! The hours since the forecast was made are in it with what there was, so that everybody sees whether it holds today.

use forecast::series::WEEK;
use shared::money::{Currency, Money};
use shared::staff::{Permission, SiteScope};
use shared::time::{OffsetDateTime, Zone, hour_of};
use store::StoreError;
use store::prediction::calendar::{self, Kind};
use store::prediction::demand::{self, Basis, Forecast};
use store::prediction::score::{self, Skill};
use store::prediction::{self, Measure, NOWHERE};
use store::site::desk::{self, Site};
use time::Duration;
use uuid::Uuid;

use super::chart::{Chart, Series, Shape};
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::to_float;
use crate::App;
use crate::admin::listing::Cell;
use crate::predictions::DEMAND;

pub(super) const ABOUT: About = About {
    slug: "next-days",
    title: "The next seven days",
    question: "When will it be busy, and when is the time to staff, to promote or to maintain?",
    needs: Permission::See,
    heeds: Heeds { period: false, comparison: false, package: true, provider: false },
};

/// Forecasts of so many weeks say how good they are; the newest of them have begun a week ago.
const JUDGED: Duration = Duration::weeks(5);
/// Where what is known to come is written down.
const CALENDAR: &str = "/admin/calendar";

/// What is shown.
struct Shown {
    measure: Measure,
    currency: Currency,
    forecast: Forecast,
    skill: Skill,
    /// What there was in each hour from the origin on, as far as it is over.
    actual: Vec<Option<f64>>,
    /// The present hour, and the hour after the last that is shown.
    now: usize,
    end: usize,
    zone: Zone,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let with_money = question.staff.may(Permission::SeeMoney);
    let measure = measure(question, with_money);
    let horizon = horizon(question);
    let (app, common) = (question.app, &question.common);
    let measure = if common.package.is_some() { Measure::Purchases } else { measure };
    let mut notes: Vec<String> = progress(app).await?.into_iter().collect();
    let is_limited = common.sites != SiteScope::All;
    if common.package.is_some() && (is_limited || !with_money) {
        notes.push("Packages are predicted for all sites together, which is for those who see all of them.".into());
        return Ok(Answer { notes, ..Answer::default() });
    }
    let sites = desk::list(&app.db, &common.sites).await?;
    let site = match common.site {
        _ if common.package.is_some() => None,
        None if is_limited => sites.first(),
        chosen => sites.iter().find(|site| Some(site.id) == chosen),
    };
    notes.push(site.map_or_else(|| "All sites together.".to_owned(), |site| format!("Site: {}.", site.name)));
    let place = site.map(|site| site.id);
    let shown = match place {
        // Whose sites are all gone sees nothing of the others.
        None if is_limited => None,
        _ => shown(app, common, (measure, site), horizon).await?,
    };
    match shown {
        Some(shown) => Ok(told(&shown, coming(app, common, place).await?, notes)),
        None => {
            notes.push(
                "There is no forecast yet. Forecasts are made at night, of every site of which a day or more was seen."
                    .into(),
            );
            Ok(Answer { notes, ..Answer::default() })
        }
    }
}

/// Of what; what was sold is for those who may see money.
fn measure(question: &mut Question<'_>, with_money: bool) -> Measure {
    let all = [(Measure::Revenue, "Revenue"), (Measure::Sessions, "Sessions"), (Measure::Octets, "Data")];
    let others = if with_money { &all[..] } else { &all[2..] };
    let usual = if with_money { (Measure::Purchases, "Purchases") } else { (Measure::Sessions, "Sessions") };
    let options: Vec<(String, String)> =
        others.iter().map(|(measure, label)| (measure.as_str().to_owned(), (*label).to_owned())).collect();
    let chosen = question.asked.choice("measure", "Of what", usual.1, &options);
    chosen.and_then(|word| Measure::parse(&word)).unwrap_or(usual.0)
}

/// How many hours ahead.
fn horizon(question: &mut Question<'_>) -> usize {
    let options = [("24", "One day"), ("72", "Three days")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    let chosen = question.asked.choice("horizon", "How far", "Seven days", &options);
    chosen.and_then(|hours| hours.parse().ok()).unwrap_or(WEEK)
}

/// What there is to know while the forecasts of the night are made.
pub(super) async fn progress(app: &App) -> Result<Option<String>, StoreError> {
    let run = prediction::run(&app.db, DEMAND).await?.filter(|run| run.finished_at.is_none());
    Ok(run.map(|run| match run.series {
        0 => "The forecasts of this night are being made.".to_owned(),
        series => format!("The forecasts of this night are being made: {} of {series} series.", run.made),
    }))
}

async fn shown(
    app: &App,
    common: &Common,
    (measure, place): (Measure, Option<&Site>),
    horizon: usize,
) -> Result<Option<Shown>, StoreError> {
    let (db, now, package) = (&app.db, common.now, common.package);
    let site = place.map(|place| place.id);
    let Some(forecast) = demand::newest(db, measure, site, package, now).await? else { return Ok(None) };
    let currency = demand::currency(db, site, now - Duration::weeks(4)).await?;
    let (origin, until) = (forecast.origin, hour_of(now));
    let over = usize::try_from((until - origin).whole_hours()).unwrap_or(0);
    if over >= forecast.curves.expected.len() {
        // It is over, and no newer one was made.
        return Ok(None);
    }
    let mut actual = vec![None; forecast.curves.expected.len()];
    let mut note = |at: OffsetDateTime, value: Option<i64>| {
        let hour = usize::try_from((at - origin).whole_hours()).ok();
        if let Some(place) = hour.and_then(|hour| actual.get_mut(hour)) {
            *place = value.map(to_float);
        }
    };
    if let Some(package) = package {
        let sold = demand::sold(db, package, origin, until).await?;
        (0_i64..).take(over).for_each(|hour| note(origin + Duration::hours(hour), Some(0)));
        sold.into_iter().for_each(|(at, orders)| note(at, Some(orders)));
    } else {
        let counted = match site {
            Some(site) => demand::hours(db, site, origin, until).await?,
            None => demand::everywhere(db, &currency, origin, until).await?,
        };
        for hour in counted {
            let value = Measure::ALL.iter().zip(hour.values).find(|(of, _)| **of == measure).map(|(_, value)| value);
            note(hour.at, value.filter(|_| hour.is_observed));
        }
    }
    Ok(Some(Shown {
        measure,
        currency: currency.parse().unwrap_or(Currency::KES),
        skill: score::skill(db, measure, site.unwrap_or(NOWHERE), package.unwrap_or(NOWHERE), now - JUDGED).await?,
        actual,
        now: over,
        end: (over + horizon).min(forecast.curves.expected.len()),
        zone: place.and_then(|place| Zone::named(&place.time_zone)).unwrap_or_default(),
        forecast,
    }))
}

/// What the calendar has of the days that are shown.
async fn coming(app: &App, common: &Common, site: Option<Uuid>) -> Result<Section, StoreError> {
    let spans = calendar::spans(&app.db, site, common.now, common.now + Duration::days(8)).await?;
    let row = |span: &calendar::Span| {
        let what = match span.kind {
            Kind::Holiday => "public holiday",
            Kind::Event => "event",
            Kind::Closed => "closed",
        };
        vec![
            Cell::moment(Some(span.from), common.now),
            Cell::moment(Some(span.until), common.now),
            Cell::text(span.name.clone()).link(CALENDAR),
            Cell::text(what),
        ]
    };
    Ok(Section {
        id: "coming",
        title: "Known to come".into(),
        notes: vec!["Holidays, events and closures stand in the calendar of the desk, and are in the forecasts of the night after they were written down.".into()],
        chart: None,
        heads: heads(&[("From", "from", false), ("Until", "until", false), ("What", "name", false), ("Kind", "kind", false)]),
        rows: spans.iter().map(row).collect(),
        nothing: "Nothing that is not as usual stands in the calendar.",
    })
}

pub(super) fn heads(all: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    all.iter().map(|(label, key, is_number)| ((*label).to_owned(), (*key).to_owned(), *is_number)).collect()
}

fn told(shown: &Shown, coming: Section, mut notes: Vec<String>) -> Answer {
    let (own, naive, where_from) = errors(shown);
    let forecast = &shown.forecast;
    if let Some(words) = basis(forecast.basis) {
        notes.push(words.into());
    }
    if !forecast.is_shown {
        notes.push("This forecast has switched itself off: in each of four weeks it was no better than saying “as last week”, which is shown instead. It is made and scored as before, and comes back when it is better.".into());
    } else if let Some(words) = verdict(own, naive) {
        notes.push(words.into());
    }
    notes.push(format!("Made {}: {}.", stamp(shown.zone.at(forecast.made_at)), forecast.rule.trim_end_matches('.')));
    Answer {
        figures: figures(shown, (own, naive, where_from)),
        notes,
        sections: vec![section(shown), coming],
        ..Answer::default()
    }
}

/// The error of the forecasts and of "as last week", and where it was measured.
fn errors(shown: &Shown) -> (Option<f64>, Option<f64>, &'static str) {
    match shown.skill.forecasts {
        0 => (shown.forecast.mase, shown.forecast.naive_mase, "rehearsed on the past"),
        _ => (shown.skill.mase, shown.skill.naive_mase, "in the last weeks"),
    }
}

fn basis(basis: Basis) -> Option<&'static str> {
    match basis {
        Basis::Own => None,
        Basis::Short => {
            Some("Too short a past: fewer than four weeks are known, so nothing is claimed of how good this is.")
        }
        Basis::Borrowed => Some(
            "Borrowed: less than two weeks are known here, so this is the week of all sites at the level of this one.",
        ),
    }
}

/// What must be said of a forecast that is no better than its baseline.
pub(super) fn verdict(own: Option<f64>, naive: Option<f64>) -> Option<&'static str> {
    let (own, naive) = own.zip(naive)?;
    (own >= naive)
        .then_some("No better than last week: saying “as in the same hour last week” was as close, or closer.")
}

fn figures(shown: &Shown, (own, naive, where_from): (Option<f64>, Option<f64>, &'static str)) -> Vec<Figure> {
    let curves = &shown.forecast.curves;
    let said = if shown.forecast.is_shown { &curves.expected } else { &curves.naive };
    let of = |values: &[f64], hours: usize| {
        let next = values.iter().copied().skip(shown.now).take(hours);
        if shown.measure == Measure::Sessions { next.fold(0.0, f64::max) } else { next.sum() }
    };
    let label = if shown.measure == Measure::Sessions { "Most at the same time" } else { "Expected" };
    let days = shown.end.saturating_sub(shown.now).div_ceil(24).max(1);
    let figure = |hours: usize, words: String| Figure {
        label: format!("{label} within {words}"),
        value: number(shown, of(said, hours)).text,
        beside: format!("as last week: {}", number(shown, of(&curves.naive, hours)).text),
        tone: "",
    };
    let mut figures = vec![figure(24, "24 hours".into())];
    if days > 1 {
        figures.push(figure(days * 24, format!("{days} days")));
    }
    if let (Some(own), Some(naive)) = (own, naive) {
        figures.push(Figure {
            label: format!("Error (MASE), {where_from}"),
            value: format!("{own:.2}"),
            beside: format!("as last week: {naive:.2}"),
            tone: if own < naive { "good" } else { "bad" },
        });
    }
    if let (Some(narrow), Some(wide)) = (shown.skill.covered80, shown.skill.covered95) {
        figures.push(Figure {
            label: "Hours within the 80 % band".into(),
            value: format!("{:.0} %", narrow * 100.0),
            beside: format!("within the 95 % band: {:.0} %", wide * 100.0),
            tone: "",
        });
    }
    figures
}

fn section(shown: &Shown) -> Section {
    let hour = |at: usize| shown.zone.at(shown.forecast.origin + Duration::hours(i64::try_from(at).unwrap_or(0)));
    let x: Vec<String> = (0..shown.end).map(|at| stamp(hour(at))).collect();
    let curves = &shown.forecast.curves;
    let rows = (0..shown.end).map(|at| {
        let cell = |values: &[f64]| values.get(at).map(|value| number(shown, *value)).unwrap_or_default();
        let mut cells = vec![Cell::text(stamp(hour(at)))];
        if shown.forecast.is_shown {
            let said = [&curves.expected, &curves.low80, &curves.high80, &curves.low95, &curves.high95];
            cells.extend(said.map(|values| cell(values)));
        }
        cells.push(cell(&curves.naive));
        let actual = shown.actual.get(at).copied().flatten();
        cells.push(actual.map(|value| number(shown, value)).unwrap_or_default());
        cells
    });
    let (hour, naive, was) =
        (("Hour", "hour", false), ("As last week", "as_last_week", true), ("What there was", "actual", true));
    let said = [
        ("Expected", "expected", true),
        ("80 % above", "low80", true),
        ("80 % below", "high80", true),
        ("95 % above", "low95", true),
        ("95 % below", "high95", true),
    ];
    let named: Vec<(&str, &str, bool)> = match shown.forecast.is_shown {
        true => std::iter::once(hour).chain(said).chain([naive, was]).collect(),
        false => vec![hour, naive, was],
    };
    Section {
        id: "next_days",
        title: "Hour by hour".into(),
        notes: vec!["Four hours in five lie within the 80 % band, nineteen in twenty within the 95 % band.".into()],
        chart: Some(chart(shown, x)),
        heads: heads(&named),
        rows: rows.collect(),
        nothing: "There is no forecast yet.",
    }
}

fn stamp(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
}

fn chart(shown: &Shown, x: Vec<String>) -> Chart {
    let (scale, unit) = match shown.measure {
        Measure::Purchases => (1.0, "purchases".to_owned()),
        Measure::Revenue => (0.01, shown.currency.as_str().to_owned()),
        Measure::Sessions => (1.0, "sessions".to_owned()),
        Measure::Octets => (1e-9, "GB".to_owned()),
    };
    let scaled = |value: f64| (value * scale * 1000.0).round() / 1000.0;
    let curves = &shown.forecast.curves;
    let line = |name: &str, values: Vec<Option<f64>>| Series { name: name.to_owned(), values, counts: Vec::new() };
    let of = |values: &[f64]| values.iter().take(x.len()).map(|value| Some(scaled(*value))).collect::<Vec<_>>();
    let actual = shown.actual.iter().take(x.len()).map(|value| value.map(scaled)).collect();
    let mut series = Vec::new();
    if shown.forecast.is_shown {
        for (name, values) in [
            ("expected", &curves.expected),
            ("80 % above", &curves.low80),
            ("80 % below", &curves.high80),
            ("95 % above", &curves.low95),
            ("95 % below", &curves.high95),
        ] {
            series.push(line(name, of(values)));
        }
    }
    series.push(line("as last week", of(&curves.naive)));
    series.push(line("what there was", actual));
    let shape = if shown.forecast.is_shown { Shape::Band } else { Shape::Line };
    Chart { shape, unit, x, series, cap: None }
}

/// A number of that measure.
fn number(shown: &Shown, value: f64) -> Cell {
    amount(shown.measure, shown.currency, value)
}

/// The same of any.
pub(super) fn amount(measure: Measure, currency: Currency, value: f64) -> Cell {
    match measure {
        Measure::Purchases | Measure::Sessions => Cell::text(format!("{value:.1}")),
        Measure::Revenue => Cell::money(Some(Money { minor: value.round() as i64, currency })),
        Measure::Octets => Cell::data(value.max(0.0).round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use store::prediction::demand::Curves;

    use super::*;

    fn shown(is_shown: bool, skill: Skill) -> Shown {
        let values = vec![2.0; 192];
        let curves = Curves {
            expected: values.clone(),
            typical: values.clone(),
            low80: values.clone(),
            high80: values.clone(),
            low95: values.clone(),
            high95: values,
            naive: vec![3.0; 192],
        };
        let origin = OffsetDateTime::from_unix_timestamp(1_799_967_600).expect("in range");
        let forecast = Forecast {
            id: Uuid::from_u128(1),
            measure: Measure::Purchases,
            site: NOWHERE,
            package: NOWHERE,
            origin,
            made_at: origin,
            rule: "the mean of eight weeks".into(),
            basis: Basis::Own,
            mase: Some(0.8),
            naive_mase: Some(1.0),
            is_shown,
            curves,
        };
        Shown {
            measure: Measure::Purchases,
            currency: Currency::KES,
            forecast,
            skill,
            actual: std::iter::repeat_n(Some(1.0), 10).chain(std::iter::repeat_n(None, 182)).collect(),
            now: 10,
            end: 178,
            zone: Zone::default(),
        }
    }

    fn nothing_to_come() -> Section {
        Section {
            id: "coming",
            title: String::new(),
            notes: Vec::new(),
            chart: None,
            heads: Vec::new(),
            rows: Vec::new(),
            nothing: "",
        }
    }

    #[test]
    fn a_forecast_stands_with_its_bands_its_baseline_and_its_errors() {
        let skill = Skill {
            forecasts: 28,
            mase: Some(0.91),
            naive_mase: Some(1.04),
            covered80: Some(0.81),
            covered95: Some(0.95),
        };
        let answer = told(&shown(true, skill), nothing_to_come(), Vec::new());
        let chart = answer.sections[0].chart.as_ref().expect("a chart");
        assert_eq!((chart.shape, chart.series.len(), chart.x.len()), (Shape::Band, 7, 178));
        assert_eq!(chart.series[5].name, "as last week");
        assert_eq!((chart.series[6].values[9], chart.series[6].values[10]), (Some(1.0), None), "what is over");
        let figures: Vec<(&str, &str)> =
            answer.figures.iter().map(|figure| (figure.value.as_str(), figure.beside.as_str())).collect();
        assert_eq!(
            figures,
            [
                ("48.0", "as last week: 72.0"),
                ("336.0", "as last week: 504.0"),
                ("0.91", "as last week: 1.04"),
                ("81 %", "within the 95 % band: 95 %"),
            ]
        );
        assert!(!answer.notes.iter().any(|note| note.starts_with("No better")), "{:?}", answer.notes);
        assert_eq!(answer.sections[0].rows[0].len(), answer.sections[0].heads.len());
    }

    #[test]
    fn one_that_is_no_better_says_so_and_one_that_is_off_is_not_shown() {
        let skill = Skill { forecasts: 7, mase: Some(1.1), naive_mase: Some(1.0), ..Skill::default() };
        let says = |answer: &Answer, words: &str| answer.notes.iter().any(|note| note.contains(words));
        let answer = told(&shown(true, skill), nothing_to_come(), Vec::new());
        assert!(says(&answer, "No better than last week"), "{:?}", answer.notes);
        let answer = told(&shown(false, skill), nothing_to_come(), Vec::new());
        assert!(says(&answer, "switched itself off"), "{:?}", answer.notes);
        let chart = answer.sections[0].chart.as_ref().expect("a chart");
        let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!((chart.shape, names), (Shape::Line, vec!["as last week", "what there was"]));
        assert_eq!(answer.figures[0].value, "72.0");
        assert_eq!(answer.sections[0].rows[0].len(), answer.sections[0].heads.len());
        assert_eq!((verdict(Some(0.9), Some(1.0)), verdict(None, Some(1.0))), (None, None));
        assert!(verdict(Some(1.0), Some(1.0)).is_some());
    }
}
