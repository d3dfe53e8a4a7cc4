//! The scorecard: what was said, what came, how far off that was, and how far off "as last week" would have been; whether those of whom "30 %"
//! was said did buy in 30 of 100 cases; and which forecasts have switched themselves off.
//!
//! Every forecast was stored before its week began, and is judged by nothing else.

use shared::money::Currency;
use shared::staff::Permission;
use store::prediction::Measure;
use store::prediction::score::{self, Asked as Wanted, Calibration, Line, State};

use super::chart::{Chart, Series, Shape};
use super::next_days::{amount, heads, progress};
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use crate::admin::listing::Cell;
use crate::admin::words::{Tone, moment, said};

pub(super) const ABOUT: About = About {
    slug: "scorecard",
    title: "Forecast scorecard",
    question: "Can I trust the forecasts?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: false, package: false, provider: false },
};

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let with_money = question.staff.may(Permission::SeeMoney);
    let measures = Measure::ALL.into_iter().filter(|measure| with_money || !measure.is_money());
    let options: Vec<(String, String)> =
        measures.map(|measure| (measure.as_str().to_owned(), label(measure).to_owned())).collect();
    let measure = question.asked.choice("measure", "Of what", "All", &options).and_then(|word| Measure::parse(&word));
    let (app, common) = (question.app, &question.common);
    let wanted = Wanted {
        from: common.from,
        until: common.until,
        site: common.site,
        measure,
        with_money,
        time_zone: common.time_zone.clone(),
    };
    let lines = score::lines(&app.db, &wanted, &common.sites).await?;
    let currency = store::prediction::demand::currency(&app.db, common.site, common.from).await?;
    let currency = currency.parse().unwrap_or(Currency::KES);
    let states = score::states(&app.db, &common.sites).await?;
    let states: Vec<State> = states.into_iter().filter(|state| with_money || !state.measure.is_money()).collect();
    let mut sections = vec![weeks(&lines, currency), switched(&states, common.now)];
    if with_money {
        sections.extend(score::calibrations(&app.db).await?.iter().filter_map(|of| calibration(of, common.now)));
    }
    let mut notes: Vec<String> = progress(app).await?.into_iter().collect();
    notes.push(
        "A forecast is scored when its week is over. An error below 1 is smaller than that of “as last week” in the \
         weeks before; what counts is whether it is smaller than that of “as last week” in the same week, which stands beside it."
            .into(),
    );
    Ok(Answer { figures: figures(&lines), notes, sections, ..Answer::default() })
}

fn label(measure: Measure) -> &'static str {
    match measure {
        Measure::Purchases => "Purchases",
        Measure::Revenue => "Revenue",
        Measure::Sessions => "Sessions",
        Measure::Octets => "Data",
    }
}

/// The mean of what is known.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn figures(lines: &[Line]) -> Vec<Figure> {
    let own = mean(lines.iter().map(|line| line.mase));
    let naive = mean(lines.iter().map(|line| line.naive_mase));
    let mut figures = Vec::new();
    if let (Some(own), Some(naive)) = (own, naive) {
        figures.push(Figure {
            label: "Error (MASE)".into(),
            value: format!("{own:.2}"),
            beside: format!("as last week: {naive:.2}"),
            tone: if own < naive { "good" } else { "bad" },
        });
        let judged = || lines.iter().filter_map(|line| line.mase.zip(line.naive_mase));
        let won = judged().filter(|(own, naive)| own < naive).count();
        figures.push(Figure {
            label: "Better than last week".into(),
            value: format!("{won} of {}", judged().count()),
            beside: "series and weeks".into(),
            tone: "",
        });
    }
    for (label, wanted, covered) in [
        ("Hours within the 80 % band", "80 %", mean(lines.iter().map(|line| line.covered80))),
        ("Hours within the 95 % band", "95 %", mean(lines.iter().map(|line| line.covered95))),
    ] {
        figures.extend(covered.map(|covered| Figure {
            label: label.into(),
            value: format!("{:.0} %", covered * 100.0),
            beside: format!("wanted: {wanted}"),
            tone: "",
        }));
    }
    figures
}

/// Each series and week.
fn weeks(lines: &[Line], currency: Currency) -> Section {
    Section {
        id: "weeks",
        title: "Week by week".into(),
        notes: vec!["One forecast begins each night; a line is the mean of those that began in that week. Error is what came less than was said, or more.".into()],
        chart: chart(lines),
        heads: heads(&[
            ("Week of", "week", false),
            ("Where", "site", false),
            ("Of what", "measure", false),
            ("Said", "forecast", true),
            ("Came", "actual", true),
            ("Error", "error_percent", true),
            ("MASE", "mase", true),
            ("As last week", "as_last_week", true),
            ("WAPE", "wape_percent", true),
            ("In 80 %", "covered80", true),
            ("In 95 %", "covered95", true),
            ("Verdict", "verdict", false),
        ]),
        rows: lines.iter().map(|line| row(line, currency)).collect(),
        nothing: "No forecast of that time has been scored.",
    }
}

fn row(line: &Line, currency: Currency) -> Vec<Cell> {
    let decimal = |value: Option<f64>| value.map(|value| Cell::text(format!("{value:.2}"))).unwrap_or_default();
    let percent = |value: Option<f64>| {
        let cell = |value: f64| Cell::text(format!("{:.0} %", value * 100.0)).value(format!("{:.1}", value * 100.0));
        value.map(cell).unwrap_or_default()
    };
    let off = (line.actual_total != 0.0).then(|| (line.forecast_total - line.actual_total) / line.actual_total.abs());
    let site = match (&line.site, &line.package) {
        (Some(site), _) => site.clone(),
        (None, Some(package)) => format!("All sites: {package}"),
        (None, None) => "All sites".into(),
    };
    vec![
        Cell::text(line.week.clone()),
        Cell::text(site),
        Cell::text(label(line.measure)),
        amount(line.measure, currency, line.forecast_total),
        amount(line.measure, currency, line.actual_total),
        percent(off),
        decimal(line.mase),
        decimal(line.naive_mase),
        percent(line.wape),
        percent(line.covered80),
        percent(line.covered95),
        match line.mase.zip(line.naive_mase) {
            Some((own, naive)) if own < naive => Cell::state(&said(Tone::Good, "better")),
            Some(_) => Cell::state(&said(Tone::Bad, "no better than last week")),
            None => Cell::default(),
        },
    ]
}

/// The mean error of each week, and that of "as last week".
fn chart(lines: &[Line]) -> Option<Chart> {
    let mut x: Vec<String> = lines.iter().map(|line| line.week.clone()).collect();
    x.sort();
    x.dedup();
    let of = |week: &String, error: fn(&Line) -> Option<f64>| {
        mean(lines.iter().filter(|line| line.week == *week).map(error)).map(|mean| (mean * 1000.0).round() / 1000.0)
    };
    let series = |name: &str, error: fn(&Line) -> Option<f64>| Series {
        name: name.to_owned(),
        values: x.iter().map(|week| of(week, error)).collect(),
        counts: Vec::new(),
    };
    let series = vec![series("our error", |line| line.mase), series("as last week", |line| line.naive_mase)];
    (!x.is_empty()).then(|| Chart { shape: Shape::Line, unit: "MASE".into(), x, series, cap: None })
}

fn switched(states: &[State], now: shared::time::OffsetDateTime) -> Section {
    let row = |state: &State| {
        let site = state.site_name.clone().unwrap_or_else(|| "All sites".into());
        let is = if state.is_on { said(Tone::Good, "on again") } else { said(Tone::Bad, "off") };
        vec![
            Cell::text(site),
            Cell::text(label(state.measure)),
            Cell::state(&is),
            Cell::moment(Some(state.changed_at), now),
            Cell::text(state.why.clone()),
        ]
    };
    Section {
        id: "switched",
        title: "Switched off".into(),
        notes: vec!["A forecast that lost to “as last week” in each of four weeks is not shown any more, until it has won in each of four.".into()],
        chart: None,
        heads: heads(&[
            ("Where", "site", false),
            ("Of what", "measure", false),
            ("State", "state", false),
            ("Since", "since", false),
            ("Why", "why", false),
        ]),
        rows: states.iter().map(row).collect(),
        nothing: "No forecast has switched itself off.",
    }
}

/// How the newest model of who will buy fared. `None`: of a window that this page does not know.
fn calibration(of: &Calibration, now: shared::time::OffsetDateTime) -> Option<Section> {
    let id = match of.window_days {
        7 => "buyers_7",
        30 => "buyers_30",
        _ => return None,
    };
    let numbers = |pick: fn(&(f64, f64, u64)) -> f64| {
        of.tenths.iter().map(|tenth| Some((pick(tenth) * 1000.0).round() / 1000.0)).collect::<Vec<_>>()
    };
    let counts = of.tenths.iter().map(|(.., people)| u32::try_from(*people).unwrap_or(u32::MAX)).collect();
    let names = (1..=of.tenths.len()).map(|tenth| tenth.to_string());
    let row = |(name, (said, did, people)): (String, &(f64, f64, u64))| {
        let percent = |share: f64| Cell::text(format!("{:.1} %", share * 100.0)).value(format!("{share:.4}"));
        vec![Cell::text(name), percent(*said), percent(*did), Cell::text(people.to_string())]
    };
    Some(Section {
        id,
        title: format!("Who buys within {} days: said and done", of.window_days),
        notes: vec![format!(
            "What was said at {}, when the window began, of a tenth of the customers each: those least likely to buy first. Points near the diagonal are good.",
            moment(of.cut, now)
        )],
        chart: Some(Chart {
            shape: Shape::Calibration,
            unit: "share who bought".into(),
            x: names.clone().collect(),
            series: vec![
                Series { name: "said".into(), values: numbers(|(said, ..)| *said), counts: Vec::new() },
                Series { name: "did".into(), values: numbers(|(_, did, _)| *did), counts },
            ],
            cap: None,
        }),
        heads: heads(&[
            ("Tenth", "tenth", false),
            ("Said", "said", true),
            ("Bought", "did", true),
            ("Customers", "people", true),
        ]),
        rows: names.zip(&of.tenths).map(row).collect(),
        nothing: "No window is over yet.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(week: &str, mase: Option<f64>) -> Line {
        Line {
            week: week.into(),
            measure: Measure::Purchases,
            site: Some("Market".into()),
            package: None,
            forecasts: 7,
            forecast_total: 110.0,
            actual_total: 100.0,
            mase,
            naive_mase: Some(1.0),
            wape: Some(0.25),
            covered80: Some(0.8),
            covered95: None,
        }
    }

    #[test]
    fn a_line_says_whether_it_was_worth_it() {
        let lines = [
            line("2026-11-16", Some(0.9)),
            line("2026-11-09", Some(1.2)),
            line("2026-11-09", Some(1.0)),
            line("2026-11-02", None),
        ];
        let section = weeks(&lines, Currency::KES);
        let verdicts: Vec<&str> =
            section.rows.iter().map(|row| row.last().map_or("", |cell| cell.text.as_str())).collect();
        assert_eq!(verdicts, ["better", "no better than last week", "no better than last week", ""]);
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        assert_eq!(section.rows[0][5].text, "10 %");
        let chart = section.chart.expect("a chart");
        assert_eq!(chart.x, ["2026-11-02", "2026-11-09", "2026-11-16"]);
        assert_eq!(chart.series[0].values, [None, Some(1.1), Some(0.9)]);
        let told: Vec<String> = figures(&lines).into_iter().map(|figure| figure.value).collect();
        assert_eq!(told, ["1.03", "1 of 3", "80 %"]);
        assert_eq!(chart_of_nothing(), None);
    }

    fn chart_of_nothing() -> Option<Chart> {
        chart(&[])
    }

    #[test]
    fn tenths_are_said_and_done() {
        let of = Calibration {
            window_days: 30,
            cut: shared::time::OffsetDateTime::UNIX_EPOCH,
            tenths: (0..10_u8).map(|tenth| (f64::from(tenth) / 10.0, f64::from(tenth) / 20.0, 12)).collect(),
        };
        let section = calibration(&of, of.cut).expect("a window");
        let chart = section.chart.expect("a chart");
        assert_eq!((chart.series[0].values[9], chart.series[1].values[9]), (Some(0.9), Some(0.45)));
        assert_eq!((chart.series[1].counts.len(), section.rows.len()), (10, 10));
        assert!(
            calibration(&Calibration { window_days: 14, ..of }, shared::time::OffsetDateTime::UNIX_EPOCH).is_none()
        );
    }
}
