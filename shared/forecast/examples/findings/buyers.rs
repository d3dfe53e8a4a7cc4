//! Customers and when they bought: those of CDNOW, a shop of 1997 that much of the literature is measured on, and a base that is simulated from a
//! seed. What is said of them is learnt from the three windows before the cut, as the nightly job learns it.
//!
//! Refused here: keeping CDNOW's file, whose licence is not known. It is read where a package of Python brought it.

use forecast::purchase::{self, Features, Habit, Model, Past};
use forecast::score::{self, Tenth};

use crate::lot::Lot;

/// Windows before the cut from which a model learns.
const LEARNT_FROM: u32 = 3;

/// When each customer bought, in days, ascending.
pub(crate) type Base = Vec<Vec<f64>>;

/// What became of what was said of everybody at a cut.
pub(crate) struct Told {
    pub(crate) auc: f64,
    pub(crate) brier: f64,
    /// Of "as in the last period", as a yes or no, and as a share.
    pub(crate) habit_auc: f64,
    pub(crate) yes_no_brier: f64,
    pub(crate) habit_brier: f64,
    pub(crate) tenths: [Tenth; 10],
    /// Purchases expected, as a share of those that came.
    pub(crate) total: f64,
    pub(crate) people: usize,
}

impl Told {
    /// By how much the tenth that is furthest off is off.
    pub(crate) fn worst_tenth(&self) -> f64 {
        self.tenths.iter().map(|tenth| (tenth.said - tenth.did).abs()).fold(0.0, f64::max)
    }
}

/// Learns from before a cut and looks at what came within the window after it; `None` where there is too little.
pub(crate) fn told(base: &Base, cut: f64, window: f64) -> Option<Told> {
    let earlier: Vec<Case> =
        (1..=LEARNT_FROM).flat_map(|back| cases(base, cut - window * f64::from(back), window)).collect();
    let model = Model::fit(&earlier.iter().map(|case| (case.features, case.bought)).collect::<Vec<_>>())?;
    let habit = Habit::fit(&earlier.iter().map(|case| (case.had, case.bought)).collect::<Vec<_>>())?;
    let now = cases(base, cut, window);
    let said = |chance: &dyn Fn(&Case) -> f64| now.iter().map(|case| (chance(case), case.bought)).collect::<Vec<_>>();
    let ours = said(&|case| model.chance(&case.features));
    let yes_no = said(&|case| f64::from(u8::from(case.had)));
    let came: f64 = now.iter().map(|case| case.purchases).sum();
    let expected: f64 = now
        .iter()
        .map(|case| {
            let past = Past { bought: case.past, cut };
            purchase::expected_purchases(&past, model.chance(&case.features), window)
        })
        .sum();
    Some(Told {
        auc: score::auc(&ours)?,
        brier: score::brier(&ours)?,
        habit_auc: score::auc(&yes_no)?,
        yes_no_brier: score::brier(&yes_no)?,
        habit_brier: score::brier(&said(&|case| habit.chance(case.had)))?,
        tenths: score::tenths(&ours),
        total: expected / came,
        people: now.len(),
    })
}

/// Somebody who had bought before a cut.
struct Case<'a> {
    past: &'a [f64],
    features: Features,
    had: bool,
    bought: bool,
    purchases: f64,
}

fn cases(base: &Base, cut: f64, window: f64) -> Vec<Case<'_>> {
    base.iter()
        .filter_map(|days| {
            let (before, after) = days.split_at(days.partition_point(|day| *day < cut));
            let purchases = after.iter().filter(|day| **day < cut + window).count();
            let past = Past { bought: before, cut };
            (!before.is_empty()).then(|| Case {
                past: past.bought,
                features: purchase::features(&past),
                had: purchase::as_last_period(&past, window),
                bought: purchases > 0,
                purchases: purchases as f64,
            })
        })
        .collect()
}

/// Customers as BG/NBD has them (Fader, Hardie and Lee 2005): each buys at a rate of their own, and after each purchase some never come again.
/// They come for the first time on any of the days; most buy a few times a month, and one in nine leaves at each purchase.
pub(crate) fn simulated(people: usize, days: f64, lot: &mut Lot) -> Base {
    let customer = |lot: &mut Lot| {
        let rate = lot.gamma(0.8) / 6.0;
        let leaves = lot.beta(1.0, 8.0);
        let mut at = lot.uniform() * days;
        let mut bought = Vec::new();
        while at < days {
            bought.push(at);
            if lot.uniform() < leaves {
                break;
            }
            at += lot.until_next(rate.max(1e-6));
        }
        bought
    };
    (0..people).map(|_| customer(lot)).collect()
}

/// The customers in CDNOW's file, whole or its sample: a line a purchase, whose last three columns are the date, the discs and the dollars.
/// Purchases of one day are one. `None` if it cannot be read.
pub(crate) fn cdnow(path: &std::path::Path) -> Option<Base> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut base = std::collections::BTreeMap::<&str, Vec<f64>>::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // The whole file has a line of heads.
        let Some(day) = columns.len().checked_sub(3).and_then(|at| day(columns[at])) else { continue };
        base.entry(columns[0]).or_default().push(day);
    }
    let mut base: Base = base.into_values().collect();
    for days in &mut base {
        days.sort_by(f64::total_cmp);
        days.dedup();
    }
    (!base.is_empty()).then_some(base)
}

/// The number of a day written `19970101`.
fn day(date: &str) -> Option<f64> {
    let number: u32 = date.parse().ok().filter(|_| date.len() == 8)?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    // Months from March on, so that the day that is sometimes there is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(f64::from(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day))
}
