//! What became of a forecast once its week is over: its error beside that of "as last week", and how many hours fell into its bands.
//!
//! The error is that of the typical hour (the median), as no forecast has a smaller one; the sums are of the expected hours (the mean),
//! as only these add up. Hours that nobody saw count in neither. A forecast of which nothing was seen has a score of no hours.

use forecast::score as maths;
use forecast::series::WEEK;
use shared::time::{OffsetDateTime, Zone};
use store::StoreError;
use store::prediction::calendar;
use store::prediction::demand::Forecast;
use store::prediction::score::{self, Score};
use time::Duration;
use uuid::Uuid;

use super::calendar::Calendar;
use super::hours::{Hours, Together, Unit};
use crate::App;

/// Forecasts of a round.
const BATCH: u32 = 32;
/// How long after its week a forecast is scored: by then the last hour is summed up.
const SETTLED: Duration = Duration::hours(2);
/// How long afterwards it is still scored, if no portal ran.
const LATEST: Duration = Duration::weeks(8);
/// How far back "as last week" is looked at, for what an error is measured in.
const PAST: Duration = Duration::weeks(9);

/// What was read for a forecast serves the others of its site.
struct Read {
    key: (OffsetDateTime, Uuid, Uuid),
    hours: Hours,
    calendar: Calendar,
}

/// Scores some of what is due. Returns whether there is probably more.
pub(super) async fn round(app: &App, now: OffsetDateTime) -> Result<bool, StoreError> {
    let until = now - Duration::WEEK - SETTLED;
    let due = score::due(&app.db, until - LATEST, until, BATCH).await?;
    let mut together: Option<(OffsetDateTime, Together)> = None;
    let mut read: Option<Read> = None;
    for forecast in &due {
        let key = (forecast.origin, forecast.site, forecast.package);
        let known = match read.take().filter(|read| read.key == key) {
            Some(known) => known,
            None => read_hours(app, forecast, &mut together).await?,
        };
        let known = read.insert(known);
        score::save(&app.db, forecast, &of(forecast, &known.hours, &known.calendar), now).await?;
    }
    Ok(due.len() == BATCH as usize)
}

async fn read_hours(
    app: &App,
    forecast: &Forecast,
    together: &mut Option<(OffsetDateTime, Together)>,
) -> Result<Read, StoreError> {
    let (from, until) = (forecast.origin - PAST, forecast.origin + Duration::WEEK);
    // A score does not depend on the clock of the place.
    let unit = Unit { site: forecast.site, package: forecast.package, zone: Zone::default() };
    let is_known = together.as_ref().is_some_and(|(origin, _)| *origin == forecast.origin);
    if unit.place().is_none() && !is_known {
        *together = Some((forecast.origin, Together::read(&app.db, from, until).await?));
    }
    let nothing = Together::default();
    let all = together.as_ref().map_or(&nothing, |(_, all)| all);
    let hours = Hours::read(&app.db, &unit, all, (from, until)).await?;
    let calendar = Calendar::new(calendar::spans(&app.db, unit.place(), from, until).await?);
    Ok(Read { key: (forecast.origin, forecast.site, forecast.package), hours, calendar })
}

/// How a forecast has fared.
fn of(forecast: &Forecast, hours: &Hours, calendar: &Calendar) -> Score {
    let curves = &forecast.curves;
    let actual = hours.between(forecast.measure, forecast.origin, WEEK);
    let past = hours.series(forecast.measure, forecast.origin, &Zone::default(), calendar);
    let scale = past.as_ref().and_then(maths::scale);
    let error = |said: &[f64]| scale.and_then(|scale| maths::mase(&actual, said, scale));
    let seen = || actual.iter().zip(&curves.expected).filter_map(|(actual, said)| Some(((*actual)?, *said)));
    Score {
        hours: u32::try_from(seen().count()).unwrap_or(u32::MAX),
        mase: error(&curves.typical),
        naive_mase: error(&curves.naive),
        wape: maths::wape(&actual, &curves.typical),
        covered80: maths::covered(&actual, &curves.low80, &curves.high80),
        covered95: maths::covered(&actual, &curves.low95, &curves.high95),
        forecast_total: seen().map(|(_, said)| said).sum(),
        actual_total: seen().map(|(actual, _)| actual).sum(),
    }
}
