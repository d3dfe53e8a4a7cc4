//! Forecasts that lose switch themselves off: a measure at a site whose error was above that of "as last week" in each of the last four weeks
//! is not shown any more, and shown again when it was below in each of four. Meanwhile it is made and scored as before, or nobody would know.

use std::collections::{BTreeMap, BTreeSet};

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::prediction::Measure;
use store::prediction::score::{self, WEEKS, Week};
use uuid::Uuid;

use crate::App;

/// A measure at a site.
type Key = (Measure, Uuid);

/// Switches off and on what the last weeks say.
pub(super) async fn judge(app: &App, now: OffsetDateTime) -> Result<(), StoreError> {
    let states = score::states(&app.db, &SiteScope::All).await?;
    let off: BTreeSet<Key> =
        states.into_iter().filter(|state| !state.is_on).map(|state| (state.measure, state.site)).collect();
    for ((measure, site), is_on, why) in changes(&score::weeks(&app.db).await?, &off) {
        if score::switch(&app.db, (measure, site), is_on, &why, now).await? {
            tracing::info!(measure = measure.as_str(), %site, is_on, why, "a forecast has switched itself");
        }
    }
    Ok(())
}

/// What is to be switched: off or on, and why.
fn changes(weeks: &[Week], off: &BTreeSet<Key>) -> Vec<(Key, bool, String)> {
    let mut series: BTreeMap<Key, Vec<&Week>> = BTreeMap::new();
    for week in weeks.iter().filter(|week| week.ago < WEEKS) {
        series.entry((week.measure, week.site)).or_default().push(week);
    }
    let change = |(key, weeks): (Key, Vec<&Week>)| {
        let is_off = off.contains(&key);
        let is_complete = weeks.len() == WEEKS as usize;
        let turns = weeks.iter().all(|week| match is_off {
            true => week.mase < week.naive_mase,
            false => week.mase > week.naive_mase,
        });
        (is_complete && turns).then(|| (key, is_off, why(&weeks, is_off)))
    };
    series.into_iter().filter_map(change).collect()
}

fn why(weeks: &[&Week], is_better: bool) -> String {
    let mean = |of: fn(&Week) -> f64| weeks.iter().map(|week| of(week)).sum::<f64>() / f64::from(WEEKS);
    format!(
        "In each of {WEEKS} weeks its error was {} that of “as last week”: {:.2} against {:.2} on average.",
        if is_better { "below" } else { "above" },
        mean(|week| week.mase),
        mean(|week| week.naive_mase)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (Measure::Purchases, Uuid::from_u128(1));

    fn weeks(errors: &[(u32, f64)]) -> Vec<Week> {
        let week =
            |(ago, mase): &(u32, f64)| Week { measure: KEY.0, site: KEY.1, ago: *ago, mase: *mase, naive_mase: 1.0 };
        errors.iter().map(week).collect()
    }

    #[test]
    fn four_weeks_in_a_row_switch_off_and_on() {
        let (shown, off) = (BTreeSet::new(), BTreeSet::from([KEY]));
        let lost = weeks(&[(0, 1.1), (1, 1.01), (2, 1.3), (3, 1.2)]);
        let won = weeks(&[(0, 0.9), (1, 0.8), (2, 0.99), (3, 0.7)]);
        let mixed = weeks(&[(0, 1.1), (1, 1.1), (2, 0.99), (3, 1.1)]);
        let short = weeks(&[(0, 1.1), (1, 1.1), (2, 1.1)]);
        let even = weeks(&[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]);
        for (weeks, off, expected) in [
            (&lost, &shown, Some(false)),
            (&lost, &off, None),
            (&won, &off, Some(true)),
            (&won, &shown, None),
            (&mixed, &shown, None),
            (&mixed, &off, None),
            (&short, &shown, None),
            (&even, &shown, None),
            (&even, &off, None),
        ] {
            let changed = changes(weeks, off).first().map(|(key, is_on, _)| (*key, *is_on));
            assert_eq!(changed, expected.map(|is_on| (KEY, is_on)), "{weeks:?} {off:?}");
        }
        let (_, _, why) = &changes(&lost, &shown)[0];
        assert!(why.contains("above that of “as last week”: 1.15 against 1.00"), "{why}");
    }
}
