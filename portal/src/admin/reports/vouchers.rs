//! Vouchers on paper: what is in stock, who has it, what is sold and used, what nobody has paid for, and what is still to be honoured.
//!
//! Batches and agents stand as they are now: those that were printed in the time, and all of which something is outstanding. The series is of the days
//! of the time. A sale is noted by whoever sold; where it is not, a voucher is used without a sale, and the money for it is somewhere else.
//!
//! Commissions are not reckoned here: nobody says what an agent gets.

use std::collections::BTreeMap;

use shared::staff::Permission;
use store::report::vouchers::{self, Batch, Day};

use super::amounts::{amount, cell, currencies, several};
use super::chart::Shape;
use super::report::{About, Answer, Figure, Heeds, Question, Section, Told};
use super::usage::{change, chart, charted, count, figure, section, series, span, span_before, to_float};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "vouchers",
    title: "Vouchers and agents",
    question: "What paper is out there, who has it, and does the money for it come?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: true, comparison: true, package: false, provider: false },
};

/// What stands for the operator where an agent is chosen: no agent has such a name.
const OURS: &str = "-";
/// Batches that are listed at most.
const LISTED: usize = 500;

/// How many vouchers stand where, and what they are worth in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Stock {
    printed: i64,
    sold: i64,
    used: i64,
    used_unsold: i64,
    expired: i64,
    void: i64,
    /// Printed and not sold.
    unsold: i64,
    /// Sold and not used.
    unused: i64,
    worth: i64,
}

impl Stock {
    fn of(batch: &Batch) -> Stock {
        let open = batch.unsold.saturating_add(batch.unused);
        let (unsold, unused, expired) = match batch.is_expired {
            true => (0, 0, open),
            false => (batch.unsold, batch.unused, 0),
        };
        Stock {
            printed: batch.printed,
            sold: batch.sold,
            used: batch.printed.saturating_sub(open).saturating_sub(batch.void),
            used_unsold: batch.used_unsold,
            expired,
            void: batch.void,
            unsold,
            unused,
            worth: unsold.saturating_add(unused).saturating_mul(batch.price),
        }
    }

    fn and(self, other: Stock) -> Stock {
        Stock {
            printed: self.printed.saturating_add(other.printed),
            sold: self.sold.saturating_add(other.sold),
            used: self.used.saturating_add(other.used),
            used_unsold: self.used_unsold.saturating_add(other.used_unsold),
            expired: self.expired.saturating_add(other.expired),
            void: self.void.saturating_add(other.void),
            unsold: self.unsold.saturating_add(other.unsold),
            unused: self.unused.saturating_add(other.unused),
            worth: self.worth.saturating_add(other.worth),
        }
    }

    fn outstanding(self) -> i64 {
        self.unsold.saturating_add(self.unused)
    }

    /// From `printed` to `worth`, as [`HEADS`] has them.
    fn cells(self, currency: &str) -> Vec<Cell> {
        let used = match self.used_unsold {
            0 => count(self.used),
            unsold => count(self.used).small(format!("{unsold} without a sale")),
        };
        let mut cells = vec![count(self.printed), count(self.sold), used];
        cells.extend([count(self.used_unsold), count(self.expired), count(self.void)]);
        cells.extend([count(self.unsold), count(self.unused), cell(self.worth, currency)]);
        cells
    }
}

/// The heads of [`Stock::cells`].
const HEADS: [(&str, &str, bool); 9] = [
    ("Printed", "printed", true),
    ("Sold", "sold", true),
    ("Used", "used", true),
    ("Used without a sale", "used_without_sale", true),
    ("Expired", "expired", true),
    ("Void", "void", true),
    ("Not sold", "not_sold", true),
    ("Sold, not used", "sold_not_used", true),
    ("Outstanding worth", "outstanding_worth", true),
];

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let db = &question.app.db;
    let mut options = vec![(OURS.to_owned(), "The operator".to_owned())];
    options.extend(vouchers::agents(db).await?.into_iter().map(|agent| (agent.clone(), agent)));
    let chosen = question.asked.choice("agent", "Who has the paper", "Anybody", &options);
    // Paper without an agent is asked for by an empty name.
    let agent = chosen.as_deref().map(|agent| if agent == OURS { "" } else { agent });
    let common = &question.common;
    let (asked, sites) = (span(common), &common.sites);
    let batches = vouchers::batches(db, &asked, sites, agent, common.now).await?;
    let days = vouchers::days(db, &asked, sites, agent).await?;
    let before = match span_before(common) {
        Some(before) => Some(vouchers::days(db, &before, sites, agent).await?),
        None => None,
    };
    Ok(told(&batches, &days, before.as_deref()))
}

fn told(batches: &[Batch], days: &[Day], before: Option<&[Day]>) -> Answer {
    let worth = batches.iter().map(|batch| (batch.currency.as_str(), Stock::of(batch).worth));
    let currencies = currencies(worth.chain(days.iter().map(|day| (day.currency.as_str(), day.amount))));
    let mut notes = vec![
        "Batches and agents stand as they are now: those printed in this time, and all of which something is outstanding.".to_owned(),
        "Vouchers are sold at no site: where one is chosen, only those of its own packages stand here.".to_owned(),
        "Commissions are not reckoned here.".to_owned(),
    ];
    if batches.len() >= LISTED {
        notes.push(format!("Only the newest {LISTED} batches stand here: choose an agent for the others."));
    }
    notes.extend(several(&currencies));
    let figures = currencies.first().map(|main| figures(batches, days, before, main)).unwrap_or_default();
    let sections = vec![by_agent(batches, days), by_batch(batches), by_day(days)];
    Answer { figures, notes, sections, ..Answer::default() }
}

fn figures(batches: &[Batch], days: &[Day], before: Option<&[Day]>, currency: &str) -> Vec<Figure> {
    let sold = |days: &[Day]| -> (i64, i64) {
        let of = days.iter().filter(|day| day.currency == currency);
        of.fold((0, 0), |(sold, amount), day| (sold + day.sold, amount + day.amount))
    };
    let (now, was) = (sold(days), before.map(sold));
    let stock =
        batches.iter().filter(|batch| batch.currency == currency).map(Stock::of).fold(Stock::default(), Stock::and);
    let money = |minor: f64| amount(minor.round() as i64, currency);
    let leaks = Figure {
        tone: if stock.used_unsold > 0 { "bad" } else { "" },
        ..figure("used without a sale", stock.used_unsold.to_string(), String::new())
    };
    vec![
        figure(
            "sold",
            now.0.to_string(),
            change(to_float(now.0), was.map(|was| to_float(was.0)), |sold| format!("{sold:.0}")),
        ),
        figure("for", amount(now.1, currency), change(to_float(now.1), was.map(|was| to_float(was.1)), money)),
        figure("outstanding", stock.outstanding().to_string(), format!("worth {}", amount(stock.worth, currency))),
        leaks,
    ]
}

fn name(agent: Option<&str>) -> &str {
    agent.unwrap_or("The operator")
}

fn by_agent(batches: &[Batch], days: &[Day]) -> Section {
    let mut agents: BTreeMap<(Option<&str>, &str), (Stock, i64, i64)> = BTreeMap::new();
    for batch in batches {
        let (stock, _, _) = agents.entry((batch.agent.as_deref(), batch.currency.as_str())).or_default();
        *stock = stock.and(Stock::of(batch));
    }
    for day in days {
        let (_, sold, used) = agents.entry((day.agent.as_deref(), day.currency.as_str())).or_default();
        *sold = sold.saturating_add(day.sold);
        *used = used.saturating_add(day.used);
    }
    let mut heads = vec![
        ("Who has the paper", "agent", false),
        ("Currency", "currency", false),
        ("Sold in this time", "sold_in_time", true),
        ("Used in this time", "used_in_time", true),
    ];
    heads.extend(HEADS);
    let rows = agents.iter().map(|((agent, currency), (stock, sold, used))| {
        let mut cells = vec![Cell::text(name(*agent)), Cell::text(*currency), count(*sold), count(*used)];
        cells.extend(stock.cells(currency));
        cells
    });
    let section = section("agents", "Agents", &heads, rows.collect(), "There are no vouchers on paper.");
    let lines = vec![
        series("not sold", agents.values().map(|(stock, _, _)| Some(to_float(stock.unsold)))),
        series("sold, not used", agents.values().map(|(stock, _, _)| Some(to_float(stock.unused)))),
    ];
    let names = agents.keys().map(|(agent, currency)| format!("{} ({currency})", name(*agent))).collect();
    charted(section, chart(Shape::Stacked, "vouchers outstanding", names, lines))
}

fn by_batch(batches: &[Batch]) -> Section {
    let mut heads = vec![
        ("Batch", "batch", false),
        ("Package", "package", false),
        ("Who has it", "agent", false),
        ("Price", "price", true),
        ("Currency", "currency", false),
    ];
    heads.extend(HEADS);
    let rows = batches.iter().map(|batch| {
        let mut cells = vec![
            Cell::text(batch.number.to_string()).link(format!("/admin/vouchers/{}", batch.number)),
            Cell::text(batch.package.clone()),
            Cell::text(name(batch.agent.as_deref())),
            cell(batch.price, &batch.currency),
            Cell::text(batch.currency.clone()),
        ];
        cells.extend(Stock::of(batch).cells(&batch.currency));
        cells
    });
    section(
        "batches",
        "Batches",
        &heads,
        rows.collect(),
        "No batch was printed in this time, and nothing is outstanding.",
    )
}

fn by_day(days: &[Day]) -> Section {
    let mut found: BTreeMap<(&str, &str), (i64, i64, i64)> = BTreeMap::new();
    for day in days {
        let (sold, money, used) = found.entry((day.day.as_str(), day.currency.as_str())).or_default();
        *sold = sold.saturating_add(day.sold);
        *money = money.saturating_add(day.amount);
        *used = used.saturating_add(day.used);
    }
    let heads = [
        ("Day", "day", false),
        ("Currency", "currency", false),
        ("Sold", "sold", true),
        ("For", "amount", true),
        ("Used", "used", true),
    ];
    let rows = found.iter().map(|((day, currency), (sold, money, used))| {
        vec![Cell::text(*day), Cell::text(*currency), count(*sold), cell(*money, currency), count(*used)]
    });
    let section =
        section("days", "Sold and used by the day", &heads, rows.collect(), "Nothing was sold or used in this time.");
    // Vouchers of all currencies are counted together, day for day.
    let mut counts: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for ((day, _), (sold, _, used)) in &found {
        let (all_sold, all_used) = counts.entry(*day).or_default();
        *all_sold = all_sold.saturating_add(*sold);
        *all_used = all_used.saturating_add(*used);
    }
    let lines = vec![
        series("sold", counts.values().map(|(sold, _)| Some(to_float(*sold)))),
        series("used", counts.values().map(|(_, used)| Some(to_float(*used)))),
    ];
    charted(section, chart(Shape::Line, "vouchers", counts.keys().map(|day| (*day).to_owned()).collect(), lines))
}

#[cfg(test)]
mod tests {
    use shared::time::OffsetDateTime;

    use super::*;

    fn batch(number: i32, agent: Option<&str>, is_expired: bool) -> Batch {
        Batch {
            number,
            package: "one hour".into(),
            price: 2_000,
            currency: "KES".into(),
            agent: agent.map(str::to_owned),
            printed: 100,
            unsold: 40,
            unused: 10,
            void: 5,
            sold: 50,
            used_unsold: 3,
            is_expired,
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn day(day: &str, agent: Option<&str>, sold: i64) -> Day {
        Day {
            day: day.into(),
            agent: agent.map(str::to_owned),
            currency: "KES".into(),
            sold,
            amount: sold * 2_000,
            used: 1,
        }
    }

    #[test]
    fn every_voucher_of_a_batch_is_somewhere_and_an_expired_one_is_worth_nothing() {
        for is_expired in [false, true] {
            let stock = Stock::of(&batch(1, None, is_expired));
            assert_eq!(stock.used + stock.void + stock.expired + stock.outstanding(), stock.printed, "{stock:?}");
            assert_eq!((stock.used, stock.worth), (45, if is_expired { 0 } else { 100_000 }));
        }
    }

    #[test]
    fn an_agent_has_the_sum_of_the_batches() {
        let batches = [batch(2, Some("Juma"), false), batch(1, Some("Juma"), true), batch(3, None, false)];
        let days = [day("2026-11-01", Some("Juma"), 4), day("2026-11-01", None, 2), day("2026-11-03", Some("Juma"), 1)];
        let answer = told(&batches, &days, Some(&days[..1]));
        for section in &answer.sections {
            assert!(section.rows.iter().all(|row| row.len() == section.heads.len()), "{}", section.id);
        }
        let texts = |at: usize, row: usize| -> Vec<&str> {
            answer.sections[at].rows[row].iter().map(|cell| cell.text.as_str()).collect()
        };
        assert_eq!(texts(0, 1), ["Juma", "KES", "5", "2", "200", "100", "90", "6", "50", "10", "40", "10", "KSh 1000"]);
        assert_eq!(texts(2, 0), ["2026-11-01", "KES", "6", "KSh 120", "2"]);
        assert_eq!((answer.figures[0].value.as_str(), answer.figures[0].beside.as_str()), ("7", "75 % more than 4"));
        assert_eq!((answer.figures[2].value.as_str(), answer.figures[2].beside.as_str()), ("100", "worth KSh 2000"));
        assert_eq!((answer.figures[3].value.as_str(), answer.figures[3].tone), ("9", "bad"));
    }

    #[test]
    fn where_there_is_no_paper_nothing_is_drawn() {
        let answer = told(&[], &[], None);
        assert!(answer.figures.is_empty() && answer.sections.iter().all(|section| section.chart.is_none()));
    }
}
