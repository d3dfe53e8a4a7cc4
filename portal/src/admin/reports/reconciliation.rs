//! Does the money that came equal the access that was sold? By the day and provider: what payments say was received, what came without an order, and
//! what the ledger has; and the single cases of which something is not as it should be.
//!
//! ```text
//!  expected = payments that succeeded + money that came without an order - what of that paid for an order later + what statements brought
//!  difference = booked into the provider's account - expected        running: the differences of the days until then
//! ```
//!
//! A payment counts on the day on which it was begun, and is booked when it is confirmed: around midnight one day has too much and the next too
//! little, and the running difference is zero again. One that stays is money, or a booking, that nobody has explained. The ledger knows no site.

use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::report::reconciliation::{self, Due, Kind, Part, Single, Sum};
use time::Duration;

use super::amounts::{amount, cell, currencies, method, several};
use super::chart::Shape;
use super::payments::is_everywhere;
use super::report::{About, Answer, Common, Figure, Heeds, Question, Section, Told};
use super::usage::{chart, charted, figure, noted, section, series, span, to_float};
use crate::App;
use crate::admin::listing::Cell;
use crate::admin::payment as payment_page;
use crate::admin::words::{Said, Tone, said};

pub(super) const ABOUT: About = About {
    slug: "reconciliation",
    title: "Reconciliation",
    question: "Does the money that came equal the access that was sold?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: false, package: false, provider: true },
};

/// A payment that is younger is on its way.
const ON_ITS_WAY: Duration = Duration::minutes(15);
/// Cases that are listed.
const LISTED: usize = 200;
/// Which cases are listed; the first is the usual.
const SHOWN: [(&str, &str); 2] = [("mismatches", "Only what does not match"), ("all", "Payments that match as well")];

/// A day of one provider in one currency.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Day {
    day: String,
    provider: String,
    currency: String,
    paid: i64,
    came: i64,
    waits: i64,
    assigned: i64,
    from_statements: i64,
    booked_in: i64,
    booked_out: i64,
    /// The differences of the days until this one.
    running: i64,
}

impl Day {
    /// What came without an order and has not paid for one.
    fn without_order(&self) -> i64 {
        self.came.saturating_sub(self.assigned)
    }

    fn difference(&self) -> i64 {
        let told = self.paid.saturating_add(self.without_order()).saturating_add(self.from_statements);
        self.booked_in.saturating_sub(told)
    }
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = SHOWN.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let shown = question.asked.one_of("show", "Cases", &options);
    let (app, common) = (question.app, &question.common);
    let (asked, provider) = (span(common), common.provider.as_deref());
    let mut sums = reconciliation::paid(&app.db, &asked, &common.sites, provider).await?;
    let is_whole = is_everywhere(common);
    let mut due = Vec::new();
    if is_whole {
        sums.extend(reconciliation::booked(&app.db, &asked, provider).await?);
        due = reconciliation::due(&app.db, &asked).await?;
    }
    let cases = cases(app, common, shown.as_deref() == Some("all")).await?;
    Ok(told(&days(&sums), &due, &cases, is_whole, common.now))
}

/// The cases, the newest first.
async fn cases(app: &App, common: &Common, has_matches: bool) -> Result<Vec<(Kind, Single)>, store::StoreError> {
    let (db, asked, sites, provider) = (&app.db, span(common), &common.sites, common.provider.as_deref());
    let mut found: Vec<(Kind, Single)> = Vec::new();
    let mut add = |kind: Kind, singles: Vec<Single>| found.extend(singles.into_iter().map(|single| (kind, single)));
    let late = common.now - ON_ITS_WAY;
    add(Kind::Unsettled, reconciliation::unsettled(db, &asked, sites, provider, late).await?);
    add(Kind::OtherAmount, reconciliation::other_amounts(db, &asked, sites, provider).await?);
    add(Kind::RefundDue, reconciliation::refunds_due(db, &asked, sites, provider).await?);
    add(Kind::Disputed, reconciliation::disputed(db, &asked, sites, provider).await?);
    if is_everywhere(common) {
        let (waits, owed): (Vec<Single>, Vec<Single>) = reconciliation::without_order(db, &asked, provider)
            .await?
            .into_iter()
            .partition(|single| single.state == "unmatched");
        add(Kind::Unmatched, waits);
        add(Kind::NotGivenBack, owed);
    }
    if has_matches {
        add(Kind::Matches, reconciliation::succeeded(db, &asked, sites, provider).await?);
    }
    Ok(newest(found))
}

/// The newest of these. A payment of which something is wrong does not match beside that.
fn newest(mut found: Vec<(Kind, Single)>) -> Vec<(Kind, Single)> {
    let wrong: Vec<_> =
        found.iter().filter(|(kind, _)| *kind != Kind::Matches).filter_map(|(_, single)| single.payment).collect();
    found.retain(|(kind, single)| {
        *kind != Kind::Matches || single.payment.is_none_or(|payment| !wrong.contains(&payment))
    });
    found.sort_by_key(|(_, single)| std::cmp::Reverse(single.at));
    found.truncate(LISTED);
    found
}

/// Puts the sums of a day, provider and currency together, in the order of the days.
fn days(sums: &[Sum]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let mut sorted: Vec<&Sum> = sums.iter().collect();
    sorted.sort_by(|one, other| key(one).cmp(&key(other)));
    for sum in sorted {
        if days.last().is_none_or(|day| (day.day.as_str(), day.provider.as_str(), day.currency.as_str()) != key(sum)) {
            let (day, provider, currency) = (sum.day.clone(), sum.provider.clone(), sum.currency.clone());
            days.push(Day { day, provider, currency, ..Day::default() });
        }
        let (Some(day), Some(part)) = (days.last_mut(), Part::ALL.into_iter().find(|part| part.as_str() == sum.part))
        else {
            continue;
        };
        let amount = match part {
            Part::Paid => &mut day.paid,
            Part::Came => &mut day.came,
            Part::Waits => &mut day.waits,
            Part::Assigned => &mut day.assigned,
            Part::FromStatements => &mut day.from_statements,
            Part::BookedIn => &mut day.booked_in,
            Part::BookedOut => &mut day.booked_out,
        };
        *amount = amount.saturating_add(sum.amount);
    }
    let mut running: Vec<(String, String, i64)> = Vec::new();
    for day in &mut days {
        let known = running.iter_mut().find(|(by, currency, _)| *by == day.provider && *currency == day.currency);
        day.running = day.difference();
        match known {
            Some((_, _, sum)) => {
                *sum = sum.saturating_add(day.running);
                day.running = *sum;
            }
            None => running.push((day.provider.clone(), day.currency.clone(), day.running)),
        }
    }
    days
}

fn key(sum: &Sum) -> (&str, &str, &str) {
    (sum.day.as_str(), sum.provider.as_str(), sum.currency.as_str())
}

fn told(days: &[Day], due: &[Due], cases: &[(Kind, Single)], is_whole: bool, now: OffsetDateTime) -> Answer {
    let amounts = days.iter().map(|day| (day.currency.as_str(), day.paid.max(day.booked_in)));
    let currencies = currencies(amounts);
    let mut notes = Vec::new();
    if is_whole {
        notes.push(
            "The difference is what was booked in, without what payments say, what came without an order and what was booked from statements. A payment \
             that was begun before midnight and booked after it makes one day too great and the other too small: then the running difference is zero \
             again."
                .to_owned(),
        );
        notes.push(
            "Money that a card gave back again, fees that came back and receipts that were booked twice and taken back are booked in as well: look at \
             the ledger of that day. Of these, what a person booked from a statement is no difference."
                .to_owned(),
        );
    } else {
        notes.push(
            "The ledger, and money without an order, know no site: here is only what payments of the site say."
                .to_owned(),
        );
    }
    notes.extend(several(&currencies));
    let mut figures = currencies.first().map(|main| figures(days, due, main, is_whole)).unwrap_or_default();
    let wrong = cases.iter().filter(|(kind, _)| *kind != Kind::Matches).count();
    let tone = if wrong > 0 { "bad" } else { "good" };
    let count = if wrong >= LISTED { format!("{LISTED} or more") } else { wrong.to_string() };
    figures.push(Figure { tone, ..figure("cases to look at", count, String::new()) });
    let mut sections = vec![by_day(days, currencies.first().copied(), is_whole)];
    if is_whole {
        sections.push(refunds(due));
    }
    sections.push(listed(cases, now));
    Answer { figures, notes, sections, ..Answer::default() }
}

fn figures(days: &[Day], due: &[Due], currency: &str, is_whole: bool) -> Vec<Figure> {
    let of = |read: fn(&Day) -> i64| days.iter().filter(|day| day.currency == currency).map(read).sum::<i64>();
    let money = |label: &str, minor: i64| figure(label, amount(minor, currency), String::new());
    let mut figures = vec![money("received, as payments say", of(|day| day.paid))];
    if !is_whole {
        return figures;
    }
    let difference = of(Day::difference);
    let owed = |read: fn(&Due) -> i64| due.iter().filter(|due| due.currency == currency).map(read).sum::<i64>();
    figures.extend([
        money("booked in", of(|day| day.booked_in)),
        Figure { tone: if difference == 0 { "good" } else { "bad" }, ..money("difference", difference) },
        money("waits unmatched", of(|day| day.waits)),
        Figure {
            beside: format!("went back: {}", amount(owed(|due| due.went), currency)),
            ..money("became due to customers", owed(|due| due.due))
        },
    ]);
    figures
}

fn by_day(days: &[Day], main: Option<&str>, is_whole: bool) -> Section {
    let mut heads = vec![
        ("Day", "day", false),
        ("By", "method", false),
        ("Currency", "currency", false),
        ("Payments say", "paid", true),
    ];
    if is_whole {
        heads.extend([
            ("Without an order", "without_order", true),
            ("From statements", "from_statements", true),
            ("Booked in", "booked_in", true),
            ("Difference", "difference", true),
            ("Running", "running", true),
            ("Booked out", "booked_out", true),
            ("Waits unmatched", "waits", true),
        ]);
    }
    let row = |day: &Day| {
        let money = |minor: i64| cell(minor, &day.currency);
        let mut cells = vec![
            Cell::text(day.day.clone()),
            Cell::text(method(&day.provider)).value(day.provider.clone()),
            Cell::text(day.currency.clone()),
            money(day.paid),
        ];
        if is_whole {
            let difference = money(day.difference());
            let difference = match day.difference() {
                0 => difference,
                _ => Cell { state: Tone::Bad.class(), ..difference },
            };
            cells.extend([
                money(day.without_order()),
                money(day.from_statements),
                money(day.booked_in),
                difference,
                money(day.running),
                money(day.booked_out),
                money(day.waits),
            ]);
        }
        cells
    };
    let nothing = "Nothing was received or booked in this time.";
    let section = section("days", "By the day and provider", &heads, days.iter().map(row).collect(), nothing);
    let mut x: Vec<String> = days.iter().map(|day| day.day.clone()).collect();
    x.dedup();
    let mut providers: Vec<&str> = days.iter().map(|day| day.provider.as_str()).collect();
    providers.sort_unstable();
    providers.dedup();
    let lines = providers.into_iter().map(|provider| {
        let of = |at: &String| {
            let mut there = days
                .iter()
                .filter(|day| day.day == *at && day.provider == provider && Some(day.currency.as_str()) == main);
            there.next().map(|day| to_float(if is_whole { day.difference() } else { day.paid }) / 100.0)
        };
        series(method(provider), x.iter().map(of))
    });
    let lines = lines.collect();
    charted(section, chart(Shape::Bars, if is_whole { "difference" } else { "received" }, x.clone(), lines))
}

fn refunds(due: &[Due]) -> Section {
    let heads = [
        ("Day", "day", false),
        ("Currency", "currency", false),
        ("Became due", "due", true),
        ("Went back", "went_back", true),
        ("More due", "more_due", true),
    ];
    let row = |due: &Due| {
        let money = |minor: i64| cell(minor, &due.currency);
        vec![
            Cell::text(due.day.clone()),
            Cell::text(due.currency.clone()),
            money(due.due),
            money(due.went),
            money(due.due.saturating_sub(due.went)),
        ]
    };
    let nothing = "Nothing became due to customers and nothing went back in this time.";
    let section = section("refunds", "Refunds due", &heads, due.iter().map(row).collect(), nothing);
    noted(section, "All that we owe to customers, whenever it became due, stands under Unmatched.")
}

fn listed(cases: &[(Kind, Single)], now: OffsetDateTime) -> Section {
    let heads = [
        ("Reference", "reference", false),
        ("By", "method", false),
        ("When", "at", false),
        ("Amount", "amount", true),
        ("Currency", "currency", false),
        ("What it is", "kind", false),
        ("Our status", "our_status", false),
        ("Their status", "their_status", false),
        ("Age in hours", "age_hours", true),
    ];
    let rows = cases.iter().map(|(kind, single)| case(*kind, single, now)).collect();
    let section = section("cases", "Single cases", &heads, rows, "Everything in this time matches.");
    if cases.len() < LISTED {
        return section;
    }
    noted(section, format!("The newest {LISTED} are listed: choose a shorter time for the others."))
}

fn case(kind: Kind, single: &Single, now: OffsetDateTime) -> Vec<Cell> {
    let link = match single.payment {
        Some(payment) => payment_page::path(payment),
        None => format!("/admin/money/{}", single.reference),
    };
    // What has no reference leads to its page all the same.
    let reference = match single.reference.as_str() {
        "" => Cell::text("none told").value(""),
        reference => Cell::code(reference),
    };
    let hours = (now - single.at).whole_hours().max(0);
    vec![
        reference.link(link),
        Cell::text(method(&single.provider)).value(single.provider.clone()),
        Cell::moment(Some(single.at), now),
        cell(single.amount, &single.currency),
        Cell::text(single.currency.clone()),
        Cell::state(&in_words(kind)),
        Cell::text(single.state.replace('_', " ")),
        Cell::text(theirs(kind, single)),
        Cell::text(hours.to_string()),
    ]
}

fn in_words(kind: Kind) -> Said {
    match kind {
        Kind::Unmatched => said(Tone::Bad, "nobody knows what it is for"),
        Kind::NotGivenBack => said(Tone::Bad, "is to go back, and has not gone"),
        Kind::Unsettled => said(Tone::Busy, "nobody knows what became of it"),
        Kind::OtherAmount => said(Tone::Bad, "another amount was told"),
        Kind::RefundDue => said(Tone::Bad, "buys nothing: a refund is due"),
        Kind::Disputed => said(Tone::Bad, "disputed at the bank"),
        Kind::Matches => said(Tone::Good, "matches"),
    }
}

/// What the provider says of it.
fn theirs(kind: Kind, single: &Single) -> String {
    match (kind, single.told.as_str()) {
        (Kind::Unmatched | Kind::NotGivenBack, "confirmed") => "paid, it says when asked".to_owned(),
        (Kind::Unmatched | Kind::NotGivenBack, _) => "paid, says a report".to_owned(),
        (Kind::OtherAmount, told) => match told.parse() {
            Ok(minor) => amount(minor, &single.currency),
            Err(_) => told.to_owned(),
        },
        (Kind::Disputed, "inquiry") => "the bank asks".to_owned(),
        (Kind::Disputed, _) => "the bank has taken it".to_owned(),
        (Kind::RefundDue | Kind::Matches, _) => "paid".to_owned(),
        (Kind::Unsettled, "") => "nothing".to_owned(),
        (Kind::Unsettled, told) => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sum(day: &str, part: Part, amount: i64) -> Sum {
        Sum { day: day.into(), provider: "mpesa".into(), currency: "KES".into(), amount, part: part.as_str().into() }
    }

    fn single(payment: Option<u128>, at: i64, told: &str) -> Single {
        Single {
            reference: "SKR1".into(),
            provider: "mpesa".into(),
            at: OffsetDateTime::from_unix_timestamp(at).expect("in range"),
            amount: 2_000,
            currency: "KES".into(),
            state: "succeeded".into(),
            told: told.into(),
            payment: payment.map(Uuid::from_u128),
        }
    }

    #[test]
    fn what_is_booked_after_midnight_is_made_up_for_on_the_next_day() {
        let sums = [
            sum("2026-11-02", Part::BookedIn, 2_000),
            sum("2026-11-01", Part::Paid, 10_000),
            sum("2026-11-01", Part::BookedIn, 8_000),
            sum("2026-11-02", Part::BookedOut, 500),
        ];
        let days = days(&sums);
        let told: Vec<(i64, i64)> = days.iter().map(|day| (day.difference(), day.running)).collect();
        assert_eq!(told, [(-2_000, -2_000), (2_000, 0)]);
    }

    #[test]
    fn money_that_waited_and_then_paid_for_an_order_is_counted_once() {
        // KSh 30 come, and a day later pay for an order of KSh 20; KSh 5 wait still.
        let sums = [
            sum("2026-11-01", Part::Came, 3_000),
            sum("2026-11-01", Part::BookedIn, 3_000),
            sum("2026-11-02", Part::Assigned, 2_000),
            sum("2026-11-02", Part::Paid, 2_000),
            sum("2026-11-02", Part::Came, 500),
            sum("2026-11-02", Part::Waits, 500),
            sum("2026-11-02", Part::BookedIn, 500),
        ];
        let days = days(&sums);
        assert!(days.iter().all(|day| day.difference() == 0 && day.running == 0), "{days:?}");
        let answer = super::told(&days, &[], &[], true, OffsetDateTime::UNIX_EPOCH);
        let figures: Vec<&str> = answer.figures.iter().map(|figure| figure.value.as_str()).collect();
        assert_eq!(figures, ["KSh 20", "KSh 35", "KSh 0", "KSh 5", "KSh 0", "0"]);
        assert_eq!(answer.figures[2].tone, "good");
    }

    #[test]
    fn what_a_statement_brought_is_no_difference() {
        // KSh 100 are paid, KSh 50 come from the bank, and KSh 3 nobody explains.
        let sums = [
            sum("2026-11-01", Part::Paid, 10_000),
            sum("2026-11-01", Part::FromStatements, 5_000),
            sum("2026-11-01", Part::BookedIn, 15_300),
        ];
        let days = days(&sums);
        assert_eq!((days[0].from_statements, days[0].difference(), days[0].running), (5_000, 300, 300));
    }

    #[test]
    fn a_case_says_both_sides_and_leads_to_its_page() {
        let now = OffsetDateTime::from_unix_timestamp(10_000).expect("in range");
        let other = case(Kind::OtherAmount, &single(Some(7), 10_000 - 7_300, "500"), now);
        let told: Vec<&str> = [0, 3, 5, 7, 8].map(|at: usize| other[at].text.as_str()).into();
        assert_eq!(told, ["SKR1", "KSh 20", "another amount was told", "KSh 5", "2"]);
        assert!(other[0].link.starts_with("/admin/payments/pay_"), "{}", other[0].link);
        let waits = case(Kind::Unmatched, &single(None, 0, "told"), now);
        assert_eq!((waits[0].link.as_str(), waits[7].text.as_str()), ("/admin/money/SKR1", "paid, says a report"));
        let nameless = Single { reference: String::new(), ..single(Some(7), 0, "") };
        assert_eq!(case(Kind::Unsettled, &nameless, now)[0].text, "none told");
    }

    #[test]
    fn a_payment_with_something_wrong_is_not_listed_as_one_that_matches() {
        let found = vec![
            (Kind::Matches, single(Some(1), 5, "")),
            (Kind::Matches, single(Some(2), 9, "")),
            (Kind::OtherAmount, single(Some(1), 5, "500")),
        ];
        let kinds: Vec<Kind> = newest(found).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Matches, Kind::OtherAmount]);
        let many = (0..300).map(|at| (Kind::Unsettled, single(None, at, ""))).collect();
        let kept = newest(many);
        assert_eq!((kept.len(), kept[0].1.at.unix_timestamp()), (LISTED, 299));
    }

    #[test]
    fn without_the_ledger_there_is_no_difference() {
        let days = days(&[sum("2026-11-01", Part::Paid, 10_000)]);
        let answer = super::told(&days, &[], &[], false, OffsetDateTime::UNIX_EPOCH);
        assert!(answer.figures.iter().all(|figure| figure.label != "difference"));
        for section in &answer.sections {
            assert!(section.rows.iter().all(|row| row.len() == section.heads.len()), "{}", section.id);
        }
        assert_eq!(answer.sections.len(), 2);
    }
}
