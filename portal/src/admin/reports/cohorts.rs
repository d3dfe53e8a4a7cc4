//! Do customers stay? Of those who bought first in a month: how many there are, how many of them bought in each month after it, and what each brought.
//!
//! Months go by the clock of East Africa. A month that is not over has no number yet: that is no zero.

use std::collections::BTreeMap;

use shared::staff::Permission;
use store::report::cohorts::{self, Cell as Kept};

use super::amounts::{cell, currencies, several};
use super::chart::Shape;
use super::report::{About, Answer, Heeds, Question, Section, Told};
use super::usage::{chart, charted, count, figure, percent, percent_in_words, section, series};
use crate::admin::listing::Cell;

pub(super) const ABOUT: About = About {
    slug: "cohorts",
    title: "Cohorts",
    question: "Do customers stay?",
    needs: Permission::SeeMoney,
    heeds: Heeds { period: false, comparison: false, package: false, provider: false },
};

/// How many months back first purchases are looked at; the first is the usual.
const BACK: [(&str, &str, i32); 3] =
    [("12", "The last 12 months", 12), ("6", "The last 6 months", 6), ("24", "The last 24 months", 24)];

/// Those who bought first in a month.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Cohort {
    /// Who bought in the first month.
    size: i64,
    /// So many months after it are over.
    over: usize,
    /// Who bought in each month that is over.
    back: Vec<i64>,
    /// What they brought until now, by currency.
    brought: BTreeMap<String, i64>,
}

pub(super) async fn answer(question: &mut Question<'_>) -> Told {
    let options = BACK.map(|(value, label, _)| (value.to_owned(), label.to_owned()));
    let chosen = question.asked.one_of("months", "First purchases of", &options);
    let back = BACK.iter().find(|(value, ..)| chosen.as_deref() == Some(*value)).map_or(12, |(_, _, months)| *months);
    let common = &question.common;
    let kept = cohorts::since(&question.app.db, common.site, &common.sites, back, common.now).await?;
    Ok(told(&kept))
}

/// Puts the months of each cohort together, a month without a purchase as a zero.
fn cohorts(kept: &[Kept]) -> BTreeMap<&str, Cohort> {
    let mut found: BTreeMap<&str, Cohort> = BTreeMap::new();
    for one in kept {
        let cohort = found.entry(one.first.as_str()).or_default();
        cohort.over = usize::try_from(one.age - 1).unwrap_or(0);
        cohort.back.resize(cohort.over, 0);
        match usize::try_from(one.after - 1) {
            // Who bought in two currencies counts in both.
            Ok(month) => {
                if let Some(buyers) = cohort.back.get_mut(month) {
                    *buyers = buyers.saturating_add(one.buyers);
                }
            }
            Err(_) => cohort.size = cohort.size.saturating_add(one.buyers),
        }
        let brought = cohort.brought.entry(one.currency.clone()).or_default();
        *brought = brought.saturating_add(one.amount);
    }
    found
}

/// How many of all who had that month bought in it; `None`: it is over for nobody.
fn together(cohorts: &BTreeMap<&str, Cohort>, month: usize) -> Option<f64> {
    let had = cohorts.values().filter(|cohort| month < cohort.over);
    let (back, size) = had.fold((0_i64, 0_i64), |(back, size), cohort| {
        (back.saturating_add(cohort.back.get(month).copied().unwrap_or(0)), size.saturating_add(cohort.size))
    });
    percent(back, size)
}

fn told(kept: &[Kept]) -> Answer {
    let cohorts = cohorts(kept);
    let currencies = currencies(kept.iter().map(|one| (one.currency.as_str(), one.amount)));
    let mut notes = vec![
        "Months go by the clock of East Africa. Somebody belongs to the month, and to the site, of the first purchase; later ones count wherever they \
         were made. A month that is not over has no number yet."
            .to_owned(),
    ];
    notes.extend(several(&currencies));
    let new: i64 = cohorts.values().map(|cohort| cohort.size).sum();
    let mut figures = Vec::new();
    if !cohorts.is_empty() {
        figures.push(figure("bought for the first time", new.to_string(), String::new()));
    }
    for (month, label) in [(0, "bought in the month after"), (2, "bought in the third month after")] {
        figures.extend(together(&cohorts, month).map(|part| figure(label, percent_in_words(part), String::new())));
    }
    Answer { figures, notes, sections: vec![table(&cohorts, currencies.first().copied())], ..Answer::default() }
}

fn table(cohorts: &BTreeMap<&str, Cohort>, main: Option<&str>) -> Section {
    let months = cohorts.values().map(|cohort| cohort.over).max().unwrap_or(0);
    let mut heads = vec![
        ("First month".to_owned(), "first_month".to_owned(), false),
        ("Customers".to_owned(), "customers".to_owned(), true),
    ];
    heads.push(("Revenue a head".to_owned(), "revenue_a_head".to_owned(), true));
    heads.extend((1..=months).map(|month| (format!("Month {month}"), format!("month_{month}_percent"), true)));
    let mut rows: Vec<Vec<Cell>> = cohorts.iter().map(|(first, cohort)| row(first, cohort, months, main)).collect();
    if cohorts.len() > 1 {
        let size = cohorts.values().map(|cohort| cohort.size).sum();
        let mut all = vec![Cell::text("All of them"), count(size), Cell::default()];
        all.extend((0..months).map(|month| part(together(cohorts, month))));
        rows.push(all);
    }
    let nothing = "Nobody who is known by a number has bought for the first time in these months, or they are not put together yet.";
    let section = Section { heads, ..section("cohorts", "Who bought again, in percent", &[], rows, nothing) };
    let lines = cohorts.iter().map(|(first, cohort)| {
        series(first, (0..months).map(|month| percent(cohort.back.get(month).copied()?, cohort.size)))
    });
    let x = (1..=months).map(|month| format!("month {month}")).collect();
    charted(section, chart(Shape::Heat, "% bought again", x, lines.collect()))
}

fn row(first: &str, cohort: &Cohort, months: usize, main: Option<&str>) -> Vec<Cell> {
    let brought = main.and_then(|main| Some((main, cohort.brought.get(main)?)));
    let head = brought.and_then(|(main, brought)| Some(cell(brought.checked_div(cohort.size)?, main)));
    let mut cells = vec![Cell::text(first), count(cohort.size), head.unwrap_or_default()];
    cells.extend((0..months).map(|month| {
        let buyers = cohort.back.get(month).copied();
        let cell = part(buyers.and_then(|buyers| percent(buyers, cohort.size)));
        buyers.map(|buyers| cell.clone().small(buyers.to_string())).unwrap_or(cell)
    }));
    cells
}

fn part(percent: Option<f64>) -> Cell {
    percent.map(|percent| Cell::text(percent_in_words(percent)).value(format!("{percent:.2}"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(first: &str, after: i32, age: i32, buyers: i64) -> Kept {
        Kept {
            first: first.into(),
            after,
            age,
            currency: "KES".into(),
            buyers,
            purchases: buyers,
            amount: buyers * 1_000,
        }
    }

    #[test]
    fn a_month_without_a_purchase_is_a_zero_and_one_that_is_not_over_is_none() {
        // September, October and November, while it is November.
        let kept = [
            kept("2026-09", 0, 2, 10),
            kept("2026-09", 2, 2, 4),
            kept("2026-10", 0, 1, 20),
            kept("2026-10", 1, 1, 6),
            kept("2026-11", 0, 0, 5),
        ];
        let cohorts = cohorts(&kept);
        assert_eq!((cohorts["2026-09"].back.as_slice(), cohorts["2026-10"].over), (&[0][..], 0));
        let section = table(&cohorts, Some("KES"));
        assert!(section.rows.iter().all(|row| row.len() == section.heads.len()));
        let drawn = section.chart.as_ref().expect("a chart");
        let values: Vec<Option<f64>> = drawn.series.iter().map(|one| one.values[0]).collect();
        assert_eq!(values, [Some(0.0), None, None]);
        // What came in months that are not over counts as brought.
        assert_eq!((section.rows[0][2].text.as_str(), section.rows[1][2].text.as_str()), ("KSh 14", "KSh 13"));
        assert_eq!((section.rows[0][3].text.as_str(), section.rows[1][3].text.as_str()), ("0.0 %", ""));
    }

    #[test]
    fn all_of_them_are_those_who_had_the_month() {
        let kept =
            [kept("2026-08", 0, 3, 30), kept("2026-08", 1, 3, 15), kept("2026-09", 0, 2, 10), kept("2026-09", 1, 2, 1)];
        let cohorts = cohorts(&kept);
        assert_eq!(
            (together(&cohorts, 0), together(&cohorts, 1), together(&cohorts, 2)),
            (Some(40.0), Some(0.0), None)
        );
        let answer = told(&kept);
        assert_eq!((answer.figures[0].value.as_str(), answer.figures[1].value.as_str()), ("40", "40.0 %"));
        assert!(told(&[]).figures.is_empty() && told(&[]).sections[0].chart.is_none());
    }
}
