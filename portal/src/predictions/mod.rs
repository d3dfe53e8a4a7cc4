//! What will probably happen, made every night: forecasts of demand, their scores once their week is over, and switching off what is no better
//! than saying "as last week".
//!
//! ```text
//!  facts by the hour ─► [`hours`] series ─► [`demand`] `forecast` ─► stored, with their bands and their baseline
//!  [`calendar`] ── what is not learnt from ┘        │
//!                                                   ▼  a week later
//!                               [`scoring`] what became of them ─► [`switch`] which are shown
//!  [`anomalies`] the last hours beside what was expected of them ─► alerts
//!  [`purchases`] who will buy again, and who stays away
//! ```
//!
//! A night has an origin, the first hour that is predicted: [`AT_HOUR`] by the home clock. What is due of a night is made from then on, at any
//! hour, if no portal ran at that one. One portal at a time holds the night; one that takes it over goes on with what is not stored yet.
//!
//! Refused here: arithmetic on the runtime's threads, and judging a forecast by anything but what was stored when it was made.

pub(crate) mod anomalies;
pub(crate) mod calendar;
mod demand;
mod hours;
mod last_year;
pub(crate) mod purchases;
mod scoring;
mod switch;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use shared::rng;
use shared::time::{OffsetDateTime, Zone, hour_of};
use store::{StoreError, prediction};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::demand::Night;
use crate::App;

/// The hour of the night, by the home clock, from which on the next days are predicted: the quietest.
const AT_HOUR: u8 = 2;
/// How long after an hour its facts are summed up.
const SETTLED: time::Duration = time::Duration::minutes(10);
/// A portal that has not gone on for so long has lost its turn. A round takes seconds.
const LEASE: Duration = Duration::from_secs(120);
/// What the forecasts of a night are called among the runs.
pub(crate) const DEMAND: &str = "demand";
/// How long the hours of a forecast are kept after its origin, and how far back it is looked for those that were left.
const KEPT: Duration = Duration::from_secs(120 * 86_400);
const LET_GO_WITHIN: Duration = Duration::from_secs(30 * 86_400);

/// What this process remembers of the night's work.
#[derive(Default)]
pub(crate) struct Predictions {
    /// By this the other portals know who holds the night.
    holder: OnceLock<Uuid>,
    night: Mutex<Option<Night>>,
}

impl fmt::Debug for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predictions").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// One round of what is due. Returns whether there is more of it.
pub(crate) async fn nightly(app: &App) -> Result<bool, StoreError> {
    let (db, now) = (&app.db, app.clock.now());
    let origin = origin(now - SETTLED);
    if !prediction::demand::facts_reach(db, origin).await? {
        return Ok(false);
    }
    let holder = *app.predictions.holder.get_or_init(|| rng::id(now));
    let mut memory = app.predictions.night.lock().await;
    if !prediction::take(db, DEMAND, holder, origin, LEASE, now).await? {
        *memory = None;
        return Ok(false);
    }
    // What the last weeks have taught comes first: it says what is shown of the new ones.
    if scoring::round(app, now).await? {
        return Ok(true);
    }
    let night = match memory.take().filter(|night| night.origin == origin) {
        Some(night) => memory.insert(night),
        None => {
            switch::judge(app, now).await?;
            memory.insert(Night::begin(app, origin).await?)
        }
    };
    let new = night.round(app, now).await?;
    app.metrics.forecasts.with_label_values(&[DEMAND]).inc_by(new);
    let (progress, is_finished) = (night.progress(), night.is_finished());
    prediction::note(db, DEMAND, holder, progress, is_finished, app.clock.now()).await?;
    if is_finished {
        *memory = None;
        let let_go = prediction::demand::let_go(db, now - KEPT, LET_GO_WITHIN).await?;
        tracing::info!(series = progress.1, let_go, "the next days are predicted");
    } else {
        tracing::debug!(made = progress.0, of = progress.1, "predicting the next days");
    }
    Ok(!is_finished)
}

/// The first hour of the newest night.
fn origin(now: OffsetDateTime) -> OffsetDateTime {
    let hour = Zone::default().at(now).hour();
    let back = i64::from((hour + 24 - AT_HOUR) % 24);
    hour_of(now) - time::Duration::hours(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_at_its_hour_and_lasts_until_the_next() {
        // 2027-01-15 08:00 UTC, which is 11:00 in Nairobi.
        let at = |hours: i64| OffsetDateTime::from_unix_timestamp(1_800_000_000 + hours * 3600 + 59).expect("in range");
        let of = |hours| (origin(at(hours)) - at(0)).whole_seconds();
        assert_eq!(of(0), -9 * 3600 - 59, "two in the morning");
        assert_eq!(of(14), -9 * 3600 - 59, "one in the next morning");
        assert_eq!(of(15), 15 * 3600 - 59, "two");
        assert_eq!(Zone::default().at(origin(at(0))).hour(), AT_HOUR);
    }
}
