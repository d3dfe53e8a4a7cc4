//! Is money getting stuck? Each way of paying with what was tried, what came of it and how fast, what failed and why, and what came without an order.
//!
//! An attempt counts in the hour in which it was begun. Vouchers and cash are not attempted: of them there is what was sold. How long half of the
//! payments took at most is read from how many were confirmed within each of nine spans of time, each payment counted in one of them.

use shared::staff::{Permission, SiteScope};
use store::report::payments::{self, Day, Failure, Other, Waiting};

use super::amounts::{amount, cell, currencies, method, several};
use super::chart::Shape;
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::{
    add, change, chart, charted, count, figure, middle, percent, percent_in_words, section, series, share, span,
    span_before, to_float,
};
use crate::admin::listing::Cell;
use crate::payments::reason::Reason;

pub(super) const ABOUT: About = About {
    slug: "payments",
    title: "Payments",
    question: "Is money getting stuck?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: true, package: false, provider: true },
};

/// Within how many seconds the payments of each part but the last were confirmed.
const SECONDS: [f64; 8] = [2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// Codes that can be asked for.
const CODES: [&str; 20] = [
    "1",
    "17",
    "26",
    "1001",
    "busy",
    "1019",
    "1025",
    "9999",
    "1032",
    "1037",
    "2001",
    "2028",
    "2029",
    "unreachable",
    "credentials",
    "throttled",
    "rejected",
    "no_news",
    "card_declined",
    "session_expired",
];
/// Reasons that a chart has room for.
const DRAWN: usize = 15;

/// What became of the attempts by one provider in one currency.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Sum {
    provider: String,
    currency: String,
    attempts: i64,
    succeeded: i64,
    failed: i64,
    stuck: i64,
    amount: i64,
    fees: i64,
    confirmed: Vec<i64>,
}

/// What was read.
#[derive(Debug, Default)]
struct Read {
    days: Vec<Day>,
    others: Vec<Other>,
    failures: Vec<Failure>,
    /// `None`: it is not known by site.
    waiting: Option<Vec<Waiting>>,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = CODES.map(|code| (code.to_owned(), format!("{}: {}", code, why(code))));
    let result = question.asked.choice("result", "Failed since", "Whatever the reason", &options);
    let (db, common) = (&question.app.db, &question.common);
    let (asked, sites, provider) = (span(common), &common.sites, common.provider.as_deref());
    let days = payments::days(db, &asked, sites, provider).await?;
    let before = match span_before(common) {
        Some(before) => Some(payments::days(db, &before, sites, provider).await?),
        None => None,
    };
    let others = payments::others(db, &asked, sites, provider).await?;
    let failures = payments::failures(db, &asked, sites, provider, result.as_deref()).await?;
    let waiting = if is_everywhere(common) { Some(payments::waiting(db, &asked).await?) } else { None };
    let waiting =
        waiting.map(|waiting| waiting.into_iter().filter(|one| provider.is_none_or(|by| by == one.provider)).collect());
    Ok(told(&Read { days, others, failures, waiting }, before.as_deref()))
}

/// Whether it is about all sites: money without an order came to none.
pub(super) fn is_everywhere(common: &Common) -> bool {
    common.site.is_none() && common.sites == SiteScope::All
}

/// Puts days together by provider and currency.
fn sums(days: &[Day]) -> Vec<Sum> {
    let mut sums: Vec<Sum> = Vec::new();
    for day in days {
        let known = sums.iter().position(|sum| (&sum.provider, &sum.currency) == (&day.provider, &day.currency));
        let new = || Sum { provider: day.provider.clone(), currency: day.currency.clone(), ..Sum::default() };
        let mut sum = known.map_or_else(new, |at| sums.swap_remove(at));
        sum.attempts = sum.attempts.saturating_add(day.attempts);
        sum.succeeded = sum.succeeded.saturating_add(day.succeeded);
        sum.failed = sum.failed.saturating_add(day.failed);
        sum.stuck = sum.stuck.saturating_add(day.stuck);
        sum.amount = sum.amount.saturating_add(day.amount);
        sum.fees = sum.fees.saturating_add(day.fees);
        add(&mut sum.confirmed, &day.confirmed);
        sums.push(sum);
    }
    sums.sort_by(|one, other| (&one.provider, &one.currency).cmp(&(&other.provider, &other.currency)));
    sums
}

/// How many seconds half of them took at most. Where half of them took longer than five minutes it is five minutes.
fn median(confirmed: &[i64]) -> Option<f64> {
    middle(confirmed, &SECONDS)
}

fn seconds(seconds: f64) -> String {
    match seconds {
        // It is between there and without end.
        seconds if seconds >= 300.0 => "more than 300 s".into(),
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

fn told(read: &Read, before: Option<&[Day]>) -> Answer {
    let (now, was) = (sums(&read.days), before.map(sums));
    let amounts = now.iter().map(|sum| (sum.currency.as_str(), sum.amount));
    let others = read.others.iter().map(|one| (one.currency.as_str(), one.amount));
    let currencies = currencies(amounts.chain(others));
    let mut notes = vec![
        "An attempt counts in the hour in which it was begun. Stuck is what is neither paid nor failed: nobody has said yet what became of it.".to_owned(),
        "Fees are what the provider kept, as far as it has told within seven days.".to_owned(),
    ];
    if read.waiting.is_none() {
        notes.push("Money without an order came to no site: it is told where all sites are asked about.".to_owned());
    }
    notes.extend(several(&currencies));
    let figures = figures(&now, was.as_deref(), read.waiting.as_deref(), currencies.first().copied());
    let sections = vec![methods(&now, read), by_day(&read.days), results(&read.failures)];
    Answer { figures, notes, sections, ..Answer::default() }
}

fn figures(now: &[Sum], was: Option<&[Sum]>, waiting: Option<&[Waiting]>, main: Option<&str>) -> Vec<Figure> {
    fn all(sums: &[Sum], read: fn(&Sum) -> i64) -> i64 {
        sums.iter().map(read).sum()
    }
    let (attempts, succeeded, stuck) =
        (all(now, |sum| sum.attempts), all(now, |sum| sum.succeeded), all(now, |sum| sum.stuck));
    let mut confirmed = Vec::new();
    now.iter().for_each(|sum| add(&mut confirmed, &sum.confirmed));
    let then = was.map(|was| to_float(all(was, |sum| sum.attempts)));
    let mut figures =
        vec![figure("attempts", attempts.to_string(), change(to_float(attempts), then, |times| format!("{times:.0}")))];
    if let Some(now) = percent(succeeded, attempts) {
        let then = was.and_then(|was| percent(all(was, |sum| sum.succeeded), all(was, |sum| sum.attempts)));
        let tone = match then {
            Some(then) if now > then => "good",
            Some(then) if now < then => "bad",
            _ => "",
        };
        let beside = then.map(|then| format!("{} before", percent_in_words(then))).unwrap_or_default();
        figures.push(Figure { tone, ..figure("succeeded", percent_in_words(now), beside) });
    }
    if let Some(middle) = median(&confirmed) {
        let mut then = Vec::new();
        was.unwrap_or_default().iter().for_each(|sum| add(&mut then, &sum.confirmed));
        let beside = median(&then).map(|then| format!("{} before", seconds(then))).unwrap_or_default();
        figures.push(figure("half were confirmed within", seconds(middle), beside));
    }
    figures
        .push(Figure { tone: if stuck > 0 { "bad" } else { "" }, ..figure("stuck", stuck.to_string(), String::new()) });
    if let Some(waiting) = waiting {
        let receipts: i64 = waiting.iter().map(|one| one.receipts).sum();
        let money = waiting.iter().map(|one| amount(one.amount, &one.currency)).collect::<Vec<_>>().join(" + ");
        figures.push(Figure {
            tone: if receipts > 0 { "bad" } else { "" },
            ..figure("unmatched", receipts.to_string(), money)
        });
    }
    if let Some(main) = main {
        let of = |sums: &[Sum]| sums.iter().filter(|sum| sum.currency == main).map(|sum| sum.amount).sum::<i64>();
        let words = |minor: f64| amount(minor.round() as i64, main);
        figures.push(figure(
            "received",
            amount(of(now), main),
            change(to_float(of(now)), was.map(|was| to_float(of(was))), words),
        ));
    }
    figures
}

fn methods(sums: &[Sum], read: &Read) -> Section {
    let heads = [
        ("By", "method", false),
        ("Currency", "currency", false),
        ("Attempts", "attempts", true),
        ("Paid", "succeeded", true),
        ("Of them", "success_percent", true),
        ("Half within", "median_seconds", true),
        ("Failed", "failed", true),
        ("Stuck", "stuck", true),
        ("Unmatched", "unmatched", true),
        ("Amount", "amount", true),
        ("Fees", "fees", true),
    ];
    let waiting = read.waiting.as_deref();
    let mut rows: Vec<Vec<Cell>> = sums.iter().map(|sum| row(sum, waiting)).collect();
    // Money may wait of a provider by whom nothing was tried.
    let alone = waiting
        .unwrap_or_default()
        .iter()
        .filter(|one| !sums.iter().any(|sum| (&sum.provider, &sum.currency) == (&one.provider, &one.currency)));
    rows.extend(alone.map(|one| {
        let nothing = Sum { provider: one.provider.clone(), currency: one.currency.clone(), ..Sum::default() };
        row(&nothing, waiting)
    }));
    rows.extend(read.others.iter().map(|other| {
        let mut cells = vec![Cell::text(method(&other.provider)), Cell::text(other.currency.clone()), Cell::default()];
        cells.push(count(other.sales));
        cells.resize(9, Cell::default());
        cells.extend([cell(other.amount, &other.currency), Cell::default()]);
        cells
    }));
    let section = section("methods", "Ways of paying", &heads, rows, "Nothing was paid or tried in this time.");
    let drawn = |read: fn(&Sum) -> i64| sums.iter().map(move |sum| Some(to_float(read(sum))));
    let lines = vec![
        series("paid", drawn(|sum| sum.succeeded)),
        series("failed", drawn(|sum| sum.failed)),
        series("stuck", drawn(|sum| sum.stuck)),
    ];
    let names = sums.iter().map(|sum| format!("{} ({})", method(&sum.provider), sum.currency)).collect();
    charted(section, chart(Shape::Stacked, "attempts", names, lines))
}

fn row(sum: &Sum, waiting: Option<&[Waiting]>) -> Vec<Cell> {
    let waits = waiting.map(|waiting| {
        let one = waiting.iter().find(|one| (&one.provider, &one.currency) == (&sum.provider, &sum.currency));
        let cell = count(one.map_or(0, |one| one.receipts));
        one.map(|one| cell.clone().small(amount(one.amount, &one.currency)).link("/admin/money")).unwrap_or(cell)
    });
    let half = median(&sum.confirmed).map(|half| Cell::text(seconds(half)).value(format!("{half:.1}")));
    vec![
        Cell::text(method(&sum.provider)),
        Cell::text(sum.currency.clone()),
        count(sum.attempts),
        count(sum.succeeded),
        share(sum.succeeded, sum.attempts),
        half.unwrap_or_default(),
        count(sum.failed),
        count(sum.stuck),
        waits.unwrap_or_default(),
        cell(sum.amount, &sum.currency),
        cell(sum.fees, &sum.currency),
    ]
}

fn by_day(days: &[Day]) -> Section {
    let mut rows: Vec<(&str, Sum)> = Vec::new();
    for day in days {
        if rows.last().is_none_or(|(last, _)| *last != day.day) {
            rows.push((day.day.as_str(), Sum::default()));
        }
        if let Some((_, sum)) = rows.last_mut() {
            sum.attempts = sum.attempts.saturating_add(day.attempts);
            sum.succeeded = sum.succeeded.saturating_add(day.succeeded);
            sum.failed = sum.failed.saturating_add(day.failed);
            sum.stuck = sum.stuck.saturating_add(day.stuck);
            add(&mut sum.confirmed, &day.confirmed);
        }
    }
    let heads = [
        ("Day", "day", false),
        ("Attempts", "attempts", true),
        ("Paid", "succeeded", true),
        ("Of them", "success_percent", true),
        ("Half within", "median_seconds", true),
        ("Failed", "failed", true),
        ("Stuck", "stuck", true),
    ];
    let cells = |(day, sum): &(&str, Sum)| {
        let half = median(&sum.confirmed).map(|half| Cell::text(seconds(half)).value(format!("{half:.1}")));
        vec![
            Cell::text(*day),
            count(sum.attempts),
            count(sum.succeeded),
            share(sum.succeeded, sum.attempts),
            half.unwrap_or_default(),
            count(sum.failed),
            count(sum.stuck),
        ]
    };
    let section =
        section("days", "By the day", &heads, rows.iter().map(cells).collect(), "Nothing was tried in this time.");
    let line = series("paid of what was tried", rows.iter().map(|(_, sum)| percent(sum.succeeded, sum.attempts)));
    charted(section, chart(Shape::Line, "%", rows.iter().map(|(day, _)| (*day).to_owned()).collect(), vec![line]))
}

fn results(failures: &[Failure]) -> Section {
    let all: i64 = failures.iter().map(|failure| failure.times).sum();
    let heads = [
        ("Why", "why", false),
        ("By", "method", false),
        ("The provider's code", "result", false),
        ("Times", "times", true),
        ("Of all", "share_percent", true),
    ];
    let row = |failure: &Failure| {
        vec![
            Cell::text(why(&failure.result)),
            Cell::text(method(&failure.provider)).value(failure.provider.clone()),
            Cell::code(failure.result.clone()),
            count(failure.times),
            share(failure.times, all),
        ]
    };
    let section = section(
        "results",
        "Why payments failed",
        &heads,
        failures.iter().map(row).collect(),
        "No such payment failed.",
    );
    let drawn = failures.iter().take(DRAWN);
    let bars = series("failed", drawn.clone().map(|failure| Some(to_float(failure.times))));
    let names = drawn.map(|failure| format!("{} ({})", why(&failure.result), failure.result)).collect();
    charted(section, chart(Shape::Bars, "payments", names, vec![bars]))
}

/// What a provider's code means, in the operator's words; words of the provider stay as they are.
fn why(result: &str) -> &str {
    match Reason::of(result) {
        Reason::Cancelled => "it was cancelled on the phone",
        Reason::WrongPin => "a wrong PIN was typed",
        Reason::NoFunds => "there was not enough money",
        Reason::NoAnswer => "nobody answered on the phone, or it was out of reach",
        Reason::Expired => "the time for the PIN passed",
        Reason::LineBusy => "another request was open on that line",
        Reason::OverLimit => "it is above a limit of M-Pesa",
        Reason::RuleLimited => "a rule of M-Pesa, such as twice within two minutes",
        Reason::SystemBusy => "M-Pesa was overloaded",
        Reason::PushError => "the request could not be sent to the phone",
        Reason::Misconfigured => "our kind of payment does not fit our shortcode",
        Reason::Credentials => "the provider does not accept our key",
        Reason::Rejected => "the provider refused the request as such",
        Reason::Unreachable => "the provider could not be reached",
        Reason::Throttled => "the provider took no more requests",
        Reason::NoNews => "it was never learnt what became of it",
        Reason::Declined => "the bank declined the card",
        Reason::PageClosed => "the page of the card was closed",
        Reason::Unlisted => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: &str, provider: &str, confirmed: [i64; 9]) -> Day {
        let succeeded = confirmed.iter().sum();
        Day {
            day: day.into(),
            provider: provider.into(),
            currency: "KES".into(),
            attempts: succeeded + 3,
            succeeded,
            failed: 2,
            stuck: 1,
            amount: succeeded * 2_000,
            fees: 150,
            confirmed: confirmed.to_vec(),
        }
    }

    #[test]
    fn half_of_the_payments_are_found_among_those_counted_once() {
        assert_eq!(median(&[0; 9]), None);
        // All of them between five and ten seconds: in the middle of that.
        assert_eq!(median(&[0, 0, 8, 0, 0, 0, 0, 0, 0]), Some(7.5));
        assert_eq!(median(&[1, 0, 1, 0, 0, 0, 0, 0, 0]), Some(2.0));
        assert_eq!(median(&[1, 0, 0, 0, 0, 0, 0, 0, 5]).map(seconds), Some("more than 300 s".into()));
        assert_eq!([seconds(7.3), seconds(42.4)], ["7.3 s", "42 s"]);
    }

    #[test]
    fn days_are_put_together_by_provider_and_vouchers_are_not_attempted() {
        let read = Read {
            days: vec![
                day("2026-11-01", "mpesa", [0, 0, 4, 0, 0, 0, 0, 0, 0]),
                day("2026-11-01", "stripe", [0, 0, 0, 0, 0, 2, 0, 0, 0]),
                day("2026-11-02", "mpesa", [0, 0, 3, 0, 0, 0, 0, 0, 0]),
            ],
            others: vec![Other { provider: "voucher".into(), currency: "KES".into(), sales: 5, amount: 10_000 }],
            failures: vec![
                Failure { provider: "mpesa".into(), result: "1032".into(), times: 3 },
                Failure { provider: "mpesa".into(), result: "Odd words.".into(), times: 1 },
            ],
            waiting: Some(vec![Waiting {
                provider: "mpesa".into(),
                currency: "KES".into(),
                receipts: 2,
                amount: 4_000,
            }]),
        };
        let answer = told(&read, Some(&read.days));
        for section in &answer.sections {
            assert!(section.rows.iter().all(|row| row.len() == section.heads.len()), "{}", section.id);
        }
        let texts = |at: usize, row: usize| -> Vec<&str> {
            answer.sections[at].rows[row].iter().map(|cell| cell.text.as_str()).collect()
        };
        assert_eq!(texts(0, 0), ["M-Pesa", "KES", "13", "7", "53.8 %", "7.5 s", "4", "2", "2", "KSh 140", "KSh 3"]);
        assert_eq!(texts(0, 2), ["Voucher", "KES", "", "5", "", "", "", "", "", "KSh 100", ""]);
        assert_eq!(texts(1, 0), ["2026-11-01", "12", "6", "50.0 %", "8.8 s", "4", "2"]);
        assert_eq!(texts(2, 0), ["it was cancelled on the phone", "M-Pesa", "1032", "3", "75.0 %"]);
        assert_eq!(texts(2, 1)[0], "Odd words.", "what no table knows is said as it is");
        assert_eq!((answer.figures[1].value.as_str(), answer.figures[1].tone), ("50.0 %", ""), "as before");
        assert_eq!(answer.figures[4].beside, "KSh 40");
    }

    #[test]
    fn every_code_that_can_be_asked_for_has_words_and_no_site_has_money_without_an_order() {
        assert!(CODES.iter().all(|code| why(code) != *code), "{CODES:?}");
        let answer = told(&Read::default(), None);
        assert!(answer.notes.iter().any(|note| note.contains("came to no site")));
        assert!(answer.figures.iter().all(|figure| figure.label != "unmatched"));
    }
}
