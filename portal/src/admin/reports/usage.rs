//! What the reports of use and trouble share: the span that is asked about, sections with their heads, numbers in words, and what can be read from
//! a count by length of time.

use std::time::Duration;

use shared::time::Zone;
use store::rollup::Span;
use url::form_urlencoded;
use uuid::Uuid;

use super::chart::{Chart, Series, Shape};
use super::report::{Common, Figure, Section};
use crate::admin::listing::Cell;
use crate::admin::words;

/// Hours of a place that a percentile looks at, at most.
const LOOKED_AT: i64 = 1_500;
/// Every how many hours it looks in longer spans. None shares a divisor with 24, so that no hour of the day is left out.
const STEPS: [i32; 6] = [1, 5, 7, 11, 13, 17];
/// Until how many minutes a session lasts that is counted in each part but the last.
const MINUTES: [f64; 9] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1440.0];

/// What statements are asked about.
pub(super) fn span(common: &Common) -> Span {
    Span { from: common.from, until: common.until, site: common.site, time_zone: common.time_zone.clone() }
}

/// The period beside it, if one is wanted.
pub(super) fn span_before(common: &Common) -> Option<Span> {
    common.before.map(|(from, until)| Span { from, until, ..span(common) })
}

/// Every how many hours a percentile looks.
pub(super) fn step(span: &Span) -> i32 {
    let hours = (span.until - span.from).whole_hours();
    STEPS.into_iter().find(|step| hours / i64::from(*step) <= LOOKED_AT).unwrap_or(17)
}

/// What to say of that.
pub(super) fn step_in_words(step: i32) -> Option<String> {
    (step > 1).then(|| {
        format!("P95 is taken from every {step}th hour here: the time is long. Sums and peaks are of all hours.")
    })
}

/// Another report about the same days, of that site.
pub(super) fn address(path: &str, common: &Common, site: Option<Uuid>) -> String {
    let zone = Zone::named(&common.time_zone).unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", &zone.at(common.from).date().to_string());
    query.append_pair("until", &zone.at(common.until - Duration::from_secs(1)).date().to_string());
    if let Some(site) = site {
        query.append_pair("site", &site.to_string());
    }
    format!("{path}?{}", query.finish())
}

/// A part of a report with a table and no chart.
pub(super) fn section(
    id: &'static str,
    title: &str,
    heads: &[(&str, &str, bool)],
    rows: Vec<Vec<Cell>>,
    nothing: &'static str,
) -> Section {
    let heads = heads.iter().map(|(label, key, is_number)| ((*label).to_owned(), (*key).to_owned(), *is_number));
    let heads = heads.collect();
    Section { id, title: title.to_owned(), notes: Vec::new(), chart: None, heads, rows, nothing }
}

/// The same with a chart.
pub(super) fn charted(section: Section, chart: Chart) -> Section {
    Section { chart: (!chart.x.is_empty()).then_some(chart), ..section }
}

/// The same with a note.
pub(super) fn noted(mut section: Section, note: impl Into<String>) -> Section {
    section.notes.push(note.into());
    section
}

/// A chart of some lines or bars.
pub(super) fn chart(shape: Shape, unit: &str, x: Vec<String>, series: Vec<Series>) -> Chart {
    Chart { shape, unit: unit.to_owned(), x, series, cap: None }
}

/// One line or colour.
pub(super) fn series(name: &str, values: impl Iterator<Item = Option<f64>>) -> Series {
    Series { name: name.to_owned(), values: values.map(|value| value.map(rounded)).collect(), counts: Vec::new() }
}

/// A figure above a report.
pub(super) fn figure(label: &str, value: String, beside: String) -> Figure {
    Figure { label: label.to_owned(), value, beside, tone: "" }
}

/// What stands below a number that was another before: `12 % more than 1,000`.
pub(super) fn change(now: f64, before: Option<f64>, spelt: impl Fn(f64) -> String) -> String {
    let Some(before) = before else { return String::new() };
    if before <= 0.0 {
        return format!("{} before", spelt(before));
    }
    let percent = ((now - before) / before * 100.0).round();
    match percent {
        percent if percent > 0.0 => format!("{percent:.0} % more than {}", spelt(before)),
        percent if percent < 0.0 => format!("{:.0} % less than {}", -percent, spelt(before)),
        _ => format!("as before: {}", spelt(before)),
    }
}

/// A count.
pub(super) fn count(number: i64) -> Cell {
    Cell::text(number.to_string())
}

/// Octets, of which there are never fewer than none.
pub(super) fn data(octets: i64) -> Cell {
    Cell::data(u64::try_from(octets).unwrap_or(0))
}

/// The same in words.
pub(super) fn data_in_words(octets: f64) -> String {
    words::data(octets.max(0.0) as u64)
}

/// A part of a whole in percent; `None`: there is no whole.
pub(super) fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| to_float(part) / to_float(whole) * 100.0)
}

/// A part of a whole, in a cell.
pub(super) fn share(part: i64, whole: i64) -> Cell {
    match percent(part, whole) {
        Some(percent) => Cell::text(percent_in_words(percent)).value(format!("{percent:.2}")),
        None => Cell::default(),
    }
}

/// `12.5 %`.
pub(super) fn percent_in_words(percent: f64) -> String {
    format!("{percent:.1} %")
}

/// Octets of an hour as a speed, in a cell.
pub(super) fn speed(octets: i64) -> Cell {
    let megabits = megabits(to_float(octets));
    Cell::text(format!("{megabits:.1}"))
}

/// Octets of an hour as a speed in Mbit/s.
pub(super) fn megabits(octets: f64) -> f64 {
    octets * 8.0 / 3600.0 / 1_000_000.0
}

/// How long half of the sessions lasted at most, in minutes, if those of a part are spread evenly over it. `None`: there were none. Where half of
/// them lasted longer than a day it is a day.
pub(super) fn median_minutes(lasted: &[i64]) -> Option<f64> {
    middle(lasted, &MINUTES)
}

/// The middle of what was counted by these ends; what is beyond the last end stands at it.
pub(super) fn middle(counts: &[i64], ends: &[f64]) -> Option<f64> {
    let total: i64 = counts.iter().sum();
    if total <= 0 {
        return None;
    }
    let half = to_float(total) / 2.0;
    let (mut below, mut begins) = (0.0, 0.0);
    for (counted, end) in counts.iter().zip(ends) {
        let counted = to_float(*counted);
        if counted > 0.0 && below + counted >= half {
            return Some(begins + (end - begins) * (half - below) / counted);
        }
        below += counted;
        begins = *end;
    }
    Some(begins)
}

/// Minutes in words.
pub(super) fn minutes(minutes: f64) -> String {
    words::span(Duration::from_secs_f64((minutes * 60.0).max(0.0)))
}

/// Minutes, in a cell.
pub(super) fn minutes_cell(value: Option<f64>) -> Cell {
    value.map(|value| Cell::text(minutes(value)).value(format!("{value:.1}"))).unwrap_or_default()
}

/// Adds what was counted elsewhere in the same parts.
pub(super) fn add(sum: &mut Vec<i64>, more: &[i64]) {
    sum.resize(sum.len().max(more.len()), 0);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
}

/// To two digits.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A count for arithmetic.
pub(super) fn to_float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
pub(super) mod tests {
    use shared::staff::SiteScope;
    use shared::time::OffsetDateTime;

    use super::*;

    pub(in crate::admin::reports) fn asked(hours: u64) -> Common {
        let until = OffsetDateTime::from_unix_timestamp(1_795_986_000).expect("in range");
        Common {
            now: until,
            from: until - Duration::from_secs(3600 * hours),
            until,
            before: None,
            site: None,
            sites: SiteScope::All,
            time_zone: "Africa/Nairobi".into(),
            package: None,
            provider: None,
        }
    }

    #[test]
    fn a_percentile_of_a_long_time_looks_at_every_hour_of_the_day() {
        for (days, expected) in [(30, 1), (62, 1), (90, 5), (365, 7), (730, 13), (3650, 17)] {
            let step = step(&span(&asked(days * 24)));
            assert_eq!(step, expected, "{days} days");
            let seen: std::collections::BTreeSet<i32> = (0..24).map(|n| n * step % 24).collect();
            assert_eq!(seen.len(), 24, "every {step}th hour");
        }
    }

    #[test]
    fn the_middle_lies_where_half_of_them_are() {
        assert_eq!(median_minutes(&[0; 10]), None);
        assert_eq!(median_minutes(&[]), None);
        // All between 5 and 15 minutes: the middle of that.
        assert_eq!(median_minutes(&[0, 0, 8, 0, 0, 0, 0, 0, 0, 0]), Some(10.0));
        // Two short ones and two up to an hour: half of them lasted a minute at most.
        assert_eq!(median_minutes(&[2, 0, 0, 0, 2, 0, 0, 0, 0, 0]), Some(1.0));
        assert_eq!(median_minutes(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 9]), Some(1440.0), "longer than a day");
    }

    #[test]
    fn a_change_is_said_against_what_was() {
        let whole = |number: f64| format!("{number:.0}");
        for (now, before, expected) in [
            (110.0, Some(100.0), "10 % more than 100"),
            (50.0, Some(100.0), "50 % less than 100"),
            (100.0, Some(100.0), "as before: 100"),
            (5.0, Some(0.0), "0 before"),
            (5.0, None, ""),
        ] {
            assert_eq!(change(now, before, whole), expected);
        }
        assert_eq!(percent(1, 0), None);
        assert_eq!(share(1, 8).text, "12.5 %");
    }

    #[test]
    fn octets_of_an_hour_are_a_speed() {
        assert_eq!(speed(900_000_000).text, "2.0");
    }

    #[test]
    fn another_report_is_about_the_same_days() {
        // The end is a midnight in Nairobi: the last day is the one before.
        let site = Uuid::from_u128(7);
        let address = address("/admin/reports/use/heavy", &asked(48), Some(site));
        assert_eq!(address, format!("/admin/reports/use/heavy?from=2026-11-28&until=2026-11-29&site={site}"));
    }
}
