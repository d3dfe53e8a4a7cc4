//! When people buy, pay in vain, and are online: hours of the week, and the same against what was usual in the eight weeks before.
//!
//! ```text
//!  site_hourly ─► hours of the period ────────┬─► mean, range, how often seen    heat
//!            └──► hours of the 8 weeks before ┴─► mean less mean                 around zero
//! ```
//!
//! A cell is the mean of an hour of that weekday and never the sum: a month has five Mondays and four Tuesdays. An hour that nobody observed
//! is none, and a cell without any is no zero. What an hour has been seen in fewer than four times ([`FEW`]) may be chance, and is marked. The
//! hour that is not over yet does not count.
//!
//! Refused here: money for those who may not see it. They are offered what is left.

use std::time::Duration;

use shared::money::Currency;
use shared::staff::Permission;
use shared::time::hour_of;
use store::report::peak_hours::{self as store_hours, HourOfWeek, Measure, Span};

use super::chart::{Chart, Series, Shape};
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "peak-hours",
    title: "Peak hours",
    question: "When do people buy?",
    needs: Permission::See,
    heeds: Heeds { period: true, comparison: false, package: false, provider: false },
};

/// The past by which an hour is judged.
const BEFORE: Duration = Duration::from_secs(8 * 7 * 86_400);
/// Seen less often than so, an hour may be chance.
const FEW: i64 = 4;
/// Where colours end, so that one hour of a hundred does not make the others pale.
const CAP: f64 = 0.98;
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NOTHING: &str = "No such hour was observed.";

/// What can be asked for: the measure, its name in addresses, its label, and what one must be allowed to see it.
const MEASURES: [(Measure, &str, &str, Permission); 6] = [
    (Measure::Purchases, "purchases", "Purchases", Permission::SeeMoney),
    (Measure::Revenue, "revenue", "Revenue", Permission::SeeMoney),
    (Measure::Sessions, "sessions", "Sessions", Permission::See),
    (Measure::Octets, "data", "Data (GB)", Permission::See),
    (Measure::FailedPayments, "failed-payments", "Payments that failed", Permission::SeeMoney),
    (Measure::FailedLogins, "failed-logins", "Logins that were refused", Permission::See),
];

/// How what is counted is said.
struct Counted {
    /// The name of a number of it.
    unit: String,
    /// How many of its smallest units are one.
    scale: f64,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let measure = asked(question);
    let (db, common) = (&question.app.db, &question.common);
    let time_zone = common.time_zone.as_str();
    let until = common.until.min(hour_of(common.now));
    let span = Span { from: common.from, until, site: common.site, time_zone };
    let past = Span { from: common.from - BEFORE, until: common.from, ..span };
    let mut answer = Answer { notes: notes(common, measure), ..Answer::default() };
    let mut currency = Currency::KES;
    if measure == Measure::Revenue
        && let Some((most, has_others)) = store_hours::currency(db, span, &common.sites).await?
    {
        currency = most;
        if has_others {
            answer.notes.push(format!("Only what was sold in {} is in it.", most.as_str()));
        }
    }
    let counted = counted(measure, currency);
    let hours = scaled(store_hours::hours(db, measure, currency, span, &common.sites).await?, &counted);
    let before = scaled(store_hours::hours(db, measure, currency, past, &common.sites).await?, &counted);
    answer.figures = figures(&hours, &before, &counted);
    answer.sections = vec![level(&hours, &counted), against(&hours, &before, &counted)];
    Ok(answer)
}

/// The measure that is asked for; the first that one may see is the usual one.
fn asked(question: &mut Question<'_>) -> Measure {
    let staff = question.staff;
    let offered = MEASURES.into_iter().filter(|(.., needs)| staff.may(*needs));
    let offered: Vec<(Measure, &str, &str)> = offered.map(|(measure, name, label, _)| (measure, name, label)).collect();
    let (usual, others) = offered.split_first().expect("some measures are for everybody");
    let options: Vec<(String, String)> =
        others.iter().map(|(_, name, label)| ((*name).to_owned(), (*label).to_owned())).collect();
    let name = question.asked.choice("measure", "Measure", usual.2, &options);
    let chosen = name.and_then(|name| others.iter().find(|(_, known, _)| *known == name));
    chosen.unwrap_or(usual).0
}

fn counted(measure: Measure, currency: Currency) -> Counted {
    let (unit, scale) = match measure {
        Measure::Purchases => ("sold", 1.0),
        Measure::Revenue => (currency.as_str(), 100.0),
        Measure::Sessions => ("sessions", 1.0),
        Measure::Octets => ("GB", 1e9),
        Measure::FailedPayments => ("failed", 1.0),
        Measure::FailedLogins => ("refused", 1.0),
    };
    Counted { unit: unit.to_owned(), scale }
}

fn scaled(hours: Vec<HourOfWeek>, counted: &Counted) -> Vec<HourOfWeek> {
    let scale = |hour: HourOfWeek| HourOfWeek {
        mean: hour.mean / counted.scale,
        low: hour.low / counted.scale,
        high: hour.high / counted.scale,
        ..hour
    };
    hours.into_iter().map(scale).collect()
}

fn notes(common: &Common, measure: Measure) -> Vec<String> {
    let mut notes = vec![format!("Hours are those of the clock of {}.", common.time_zone)];
    if common.site.is_none() {
        notes.push(
            "Sites are added up, hour by hour; an hour counts where nine of ten of them were observed.".to_owned(),
        );
        if measure == Measure::Sessions {
            notes
                .push("Of each site it is the most at once: all sites together may never have had so many.".to_owned());
        }
    }
    notes
}

fn figures(hours: &[HourOfWeek], before: &[HourOfWeek], counted: &Counted) -> Vec<Figure> {
    let Some(busiest) = hours.iter().max_by(|one, other| one.mean.total_cmp(&other.mean)) else { return Vec::new() };
    let value = format!("{} {:02}:00", weekday(busiest.weekday), busiest.hour);
    let beside = format!("{} {} on average", number(busiest.mean), counted.unit);
    let mut figures = vec![Figure { label: "the busiest hour".into(), value, beside, tone: "" }];
    let beside = match usual(hours, before) {
        Some((now, then)) if then > 0.0 => {
            format!("{:+.0} % against the eight weeks before", (now / then - 1.0) * 100.0)
        }
        _ => String::new(),
    };
    let all = weighted(hours.iter().map(|hour| (hour.mean, hour.times)));
    let value = format!("{} {}", number(all.unwrap_or(0.0)), counted.unit);
    figures.push(Figure { label: "an hour, on average".into(), value, beside, tone: "" });
    figures
}

/// The means of all hours that are known in both times, each hour of the week weighing as much as in the period.
fn usual(hours: &[HourOfWeek], before: &[HourOfWeek]) -> Option<(f64, f64)> {
    let both: Vec<(&HourOfWeek, &HourOfWeek)> =
        hours.iter().filter_map(|hour| Some((hour, same(before, hour)?))).collect();
    let now = weighted(both.iter().map(|(hour, _)| (hour.mean, hour.times)))?;
    let then = weighted(both.iter().map(|(hour, then)| (then.mean, hour.times)))?;
    Some((now, then))
}

fn weighted(means: impl Iterator<Item = (f64, i64)>) -> Option<f64> {
    let (sum, times) = means.fold((0.0, 0), |(sum, all), (mean, times)| (sum + mean * times as f64, all + times));
    (times > 0).then(|| sum / times as f64)
}

fn same<'a>(hours: &'a [HourOfWeek], wanted: &HourOfWeek) -> Option<&'a HourOfWeek> {
    hours.iter().find(|hour| hour.weekday == wanted.weekday && hour.hour == wanted.hour)
}

/// How much there is in each hour of the week.
fn level(hours: &[HourOfWeek], counted: &Counted) -> Section {
    let cell = |hour: &HourOfWeek| Some((hour.mean, hour.times));
    let few = "Hours that were seen fewer than four times are marked: they may be chance.";
    let range = "Eight of ten such hours are within the range.";
    let row = |hour: &HourOfWeek| {
        let [day, at] = begins(hour);
        vec![day, at, shown(hour.mean), shown(hour.low), shown(hour.high), seen(hour.times)]
    };
    Section {
        id: "mean",
        title: "An hour of the week, on average".into(),
        notes: vec![few.into(), range.into()],
        chart: Some(chart(Shape::Heat, hours, counted, cell)),
        heads: heads(&[("Mean", "mean"), ("Range from", "low80"), ("to", "high80"), ("Hours seen", "hours")]),
        rows: hours.iter().map(row).collect(),
        nothing: NOTHING,
    }
}

/// How much more or less there is than was usual.
fn against(hours: &[HourOfWeek], before: &[HourOfWeek], counted: &Counted) -> Section {
    let cell = |hour: &HourOfWeek| {
        let then = same(before, hour)?;
        Some((hour.mean - then.mean, hour.times.min(then.times)))
    };
    let row = |hour: &HourOfWeek| {
        let then = same(before, hour)?;
        let [day, at] = begins(hour);
        let more = shown(hour.mean - then.mean);
        Some(vec![day, at, shown(hour.mean), shown(then.mean), more, seen(hour.times), seen(then.times)])
    };
    let what = "What was to be expected is the mean of the same hour in the eight weeks before the period, as it was: \
                where business grows, most hours have more.";
    Section {
        id: "against",
        title: "Against the eight weeks before".into(),
        notes: vec![what.into()],
        chart: Some(chart(Shape::Diverging, hours, counted, cell)),
        heads: heads(&[
            ("Mean", "mean"),
            ("Expected", "expected"),
            ("More or less", "difference"),
            ("Hours seen", "hours"),
            ("Hours seen before", "hours_before"),
        ]),
        rows: hours.iter().filter_map(row).collect(),
        nothing: "The eight weeks before were not observed.",
    }
}

fn heads(numbers: &[(&str, &str)]) -> Vec<(String, String, bool)> {
    let words = [("Weekday", "weekday", false), ("Hour", "hour", false)];
    let numbers = numbers.iter().map(|(label, name)| (*label, *name, true));
    let head = |(label, name, is_number): (&str, &str, bool)| (label.to_owned(), name.to_owned(), is_number);
    words.into_iter().chain(numbers).map(head).collect()
}

/// A weekday a row, an hour a column. Of what the cell is none of, there is no number.
fn chart(
    shape: Shape,
    hours: &[HourOfWeek],
    counted: &Counted,
    cell: impl Fn(&HourOfWeek) -> Option<(f64, i64)>,
) -> Chart {
    let at = |weekday: i32, hour: i32| {
        hours.iter().find(|known| known.weekday == weekday && known.hour == hour).and_then(&cell)
    };
    let series = (1..).zip(WEEKDAYS).map(|(weekday, name)| {
        let cells: Vec<Option<(f64, i64)>> = (0..24).map(|hour| at(weekday, hour)).collect();
        let times = |cell: &Option<(f64, i64)>| cell.map_or(0, |(_, times)| u32::try_from(times).unwrap_or(u32::MAX));
        Series {
            name: name.to_owned(),
            values: cells.iter().map(|cell| cell.map(|(value, _)| rounded(value))).collect(),
            counts: cells.iter().map(times).collect(),
        }
    });
    let cap = cap(hours.iter().filter_map(&cell).map(|(value, _)| value.abs()).collect());
    let x = (0..24).map(|hour| format!("{hour:02}")).collect();
    Chart { shape, unit: counted.unit.clone(), x, series: series.collect(), cap }
}

/// The value that 98 of 100 do not exceed.
fn cap(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let most = values.len().checked_sub(1)?;
    let at = (most as f64 * CAP).ceil() as usize;
    values.get(at.min(most)).copied().map(rounded).filter(|cap| *cap > 0.0)
}

fn begins(hour: &HourOfWeek) -> [Cell; 2] {
    [Cell::text(weekday(hour.weekday)), Cell::text(format!("{:02}:00", hour.hour)).value(hour.hour.to_string())]
}

fn weekday(number: i32) -> &'static str {
    let at = usize::try_from(number - 1).unwrap_or(0);
    WEEKDAYS.get(at).copied().unwrap_or_default()
}

fn shown(value: f64) -> Cell {
    Cell::text(number(value)).value(rounded(value).to_string())
}

fn seen(times: i64) -> Cell {
    let cell = Cell::text(times.to_string());
    if times < FEW { cell.small("few") } else { cell }
}

/// Two figures behind the point, where there are any that count.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { rounded(value).to_string() }
}

/// Without a minus before nothing.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests {
    use shared::time::OffsetDateTime;

    use super::*;

    fn hour(weekday: i32, hour: i32, mean: f64, times: i64) -> HourOfWeek {
        HourOfWeek { weekday, hour, mean, low: mean / 2.0, high: mean * 2.0, times }
    }

    fn purchases() -> Counted {
        counted(Measure::Purchases, Currency::KES)
    }

    #[test]
    fn an_hour_that_nobody_saw_is_no_zero() {
        let hours = [hour(1, 0, 0.0, 4), hour(7, 23, 5.0, 3)];
        let section = level(&hours, &purchases());
        let chart = section.chart.expect("a chart");
        assert_eq!((chart.series.len(), chart.x.len(), chart.shape), (7, 24, Shape::Heat));
        assert!(chart.series.iter().all(|series| (series.values.len(), series.counts.len()) == (24, 24)));
        assert_eq!((chart.series[0].values[0], chart.series[0].values[1]), (Some(0.0), None));
        assert_eq!((chart.series[6].values[23], chart.series[6].counts[23]), (Some(5.0), 3));
        // Three times are few.
        assert_eq!(section.rows.len(), 2);
        assert_eq!((section.rows[0][5].small.as_str(), section.rows[1][5].small.as_str()), ("", "few"));
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
    }

    #[test]
    fn an_hour_is_held_against_the_same_hour_before() {
        let hours = [hour(1, 8, 5.0, 4), hour(1, 9, 3.0, 2), hour(2, 8, 9.0, 4)];
        let before = [hour(1, 8, 4.0, 8), hour(1, 9, 6.0, 8)];
        let section = against(&hours, &before, &purchases());
        let chart = section.chart.expect("a chart");
        assert_eq!(chart.series[0].values[8..10], [Some(1.0), Some(-3.0)]);
        assert_eq!((chart.series[0].counts[9], chart.series[1].values[8]), (2, None));
        assert_eq!((chart.shape, chart.cap), (Shape::Diverging, Some(3.0)));
        assert_eq!(section.rows.len(), 2);
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        // 26 in six hours, which would have been 28.
        let (now, then) = usual(&hours, &before).expect("both are known");
        assert!((now - 26.0 / 6.0).abs() < 1e-9 && (then - 28.0 / 6.0).abs() < 1e-9, "{now} {then}");
        let figures = figures(&hours, &before, &purchases());
        assert_eq!(figures[0].value, "Tuesday 08:00");
        assert_eq!(figures[1].beside, "-7 % against the eight weeks before");
    }

    #[test]
    fn one_hour_of_a_hundred_does_not_make_the_others_pale() {
        let values: Vec<f64> = (1..=100).map(f64::from).chain([9_000.0]).collect();
        assert_eq!(cap(values), Some(99.0));
        assert_eq!((cap(Vec::new()), cap(vec![0.0, 0.0])), (None, None));
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_of_use() {
        let said = [0.0, -0.001, 1.256, 99.999, 1234.56].map(number);
        assert_eq!(said, ["0", "0", "1.26", "100", "1235"]);
        let gigabytes = counted(Measure::Octets, Currency::KES);
        assert_eq!(scaled(vec![hour(1, 0, 2.5e9, 4)], &gigabytes)[0].mean, 2.5);
    }

    #[test]
    fn the_hour_that_is_not_over_does_not_count() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        assert_eq!(hour_of(at(7_199) + Duration::from_millis(900)), at(3_600));
        assert_eq!(hour_of(at(7_200)), at(7_200));
    }
}
