//! The forecasts of a night: all series of all sites, some sites a round, on threads of their own.
//!
//! What is stored already is left out, so a night that was broken off is gone on with. Two threads compute, as that many processors are
//! there at least; a series takes about a hundredth of a second.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use forecast::demand::{Basis, Pool};
use forecast::series::{Series, WEEK};
use shared::rng;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone};
use store::prediction::demand::{self as kept, Curves, Forecast};
use store::prediction::{Measure, calendar, score};
use store::{Db, StoreError};
use time::Duration;
use uuid::Uuid;

use super::calendar::Calendar;
use super::hours::{Hours, Together, Unit, place};
use super::last_year::LastYear;
use crate::App;

/// Hours that are predicted: a week from any hour of the next day on.
pub(super) const HORIZON: usize = WEEK + 24;
/// How far back is learnt from.
const PAST: Duration = Duration::weeks(16);
/// Sites, or packages, of a round.
const BATCH: usize = 8;
/// Sites of which the week of all is made, at most.
const POOLED: usize = 200;

/// The mean week of all sites, by measure.
type Pools = [Option<Pool>; 4];

/// A night's work.
pub(super) struct Night {
    pub(super) origin: OffsetDateTime,
    units: Vec<Unit>,
    /// How many of them are done.
    next: usize,
    /// What was stored before.
    made: BTreeSet<(Measure, Uuid, Uuid)>,
    /// What has switched itself off.
    off: BTreeSet<(Measure, Uuid)>,
    together: Together,
    pools: Arc<Pools>,
}

impl fmt::Debug for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Night").field("origin", &self.origin).field("next", &self.next).finish_non_exhaustive()
    }
}

/// A series to be predicted.
struct Work {
    measure: Measure,
    site: Uuid,
    package: Uuid,
    is_shown: bool,
    series: Series,
    zone: Zone,
    calendar: Calendar,
    /// What the hours of the calendar had a year ago.
    shares: Vec<Option<f64>>,
}

impl Night {
    /// What there is to be done for an origin.
    pub(super) async fn begin(app: &App, origin: OffsetDateTime) -> Result<Night, StoreError> {
        let (db, from) = (&app.db, origin - PAST);
        let places = kept::places(db, from, origin).await?;
        let packages = kept::packages(db, from, origin).await?;
        let sites: Vec<Unit> = places.iter().map(Unit::of_place).collect();
        let together = Together::read(db, from, origin).await?;
        let pools = pools(db, &sites, &together, from, origin).await?;
        let off = score::states(db, &SiteScope::All).await?.into_iter().filter(|state| !state.is_on);
        let units = std::iter::once(Unit::everywhere()).chain(sites).chain(packages.into_iter().map(Unit::of_package));
        Ok(Night {
            origin,
            units: units.collect(),
            next: 0,
            made: kept::made(db, origin).await?,
            off: off.map(|state| (state.measure, state.site)).collect(),
            together,
            pools: Arc::new(pools),
        })
    }

    /// Makes the forecasts of some more sites. Returns how many are new.
    pub(super) async fn round(&mut self, app: &App, now: OffsetDateTime) -> Result<u64, StoreError> {
        let mut works = Vec::new();
        for unit in self.units.iter().skip(self.next).take(BATCH) {
            works.extend(self.works(&app.db, unit).await?);
        }
        let made = compute(works, self.origin, &self.pools, now).await;
        let new = kept::save(&app.db, &made).await?;
        self.next = (self.next + BATCH).min(self.units.len());
        Ok(new)
    }

    /// How many series have been looked at, and how many there are.
    pub(super) fn progress(&self) -> (usize, usize) {
        let series = |units: &[Unit]| units.iter().map(|unit| unit.measures().len()).sum::<usize>();
        (series(self.units.get(..self.next).unwrap_or_default()), series(&self.units))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.next >= self.units.len()
    }

    /// The series of a unit that are not predicted yet.
    async fn works(&self, db: &Db, unit: &Unit) -> Result<Vec<Work>, StoreError> {
        let is_due = |measure: &Measure| !self.made.contains(&(*measure, unit.site, unit.package));
        let due: Vec<Measure> = unit.measures().iter().copied().filter(is_due).collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let (from, until) = (self.origin - PAST, self.origin + Duration::HOUR * to_i32(HORIZON));
        let hours = Hours::read(db, unit, &self.together, (from, self.origin)).await?;
        let calendar = Calendar::new(calendar::spans(db, unit.place(), from, until).await?);
        let last_year = LastYear::read(db, unit, &calendar, (self.origin, until)).await?;
        let work = |measure: Measure| {
            let shares = last_year.shares(measure, &calendar, (self.origin, HORIZON), &unit.zone);
            Some(Work {
                measure,
                site: unit.site,
                package: unit.package,
                is_shown: !self.off.contains(&(measure, unit.site)),
                series: hours.series(measure, self.origin, &unit.zone, &calendar)?,
                zone: unit.zone.clone(),
                calendar: calendar.clone(),
                shares,
            })
        };
        Ok(due.into_iter().filter_map(work).collect())
    }
}

/// The mean week of all sites, or of many of them.
async fn pools(
    db: &Db,
    sites: &[Unit],
    together: &Together,
    from: OffsetDateTime,
    origin: OffsetDateTime,
) -> Result<Pools, StoreError> {
    let calendar = Calendar::new(calendar::spans(db, None, from, origin).await?);
    let mut all: [Vec<Series>; 4] = std::array::from_fn(|_| Vec::new());
    for unit in sites.iter().step_by(sites.len() / POOLED + 1) {
        let hours = Hours::read(db, unit, together, (from, origin)).await?;
        for (measure, of_measure) in Measure::ALL.into_iter().zip(&mut all) {
            of_measure.extend(hours.series(measure, origin, &unit.zone, &calendar));
        }
    }
    let pooled = tokio::task::spawn_blocking(move || all.map(|series| Pool::of(&series))).await;
    Ok(pooled.unwrap_or_else(|error| {
        tracing::error!(%error, "the mean week of all sites could not be made");
        std::array::from_fn(|_| None)
    }))
}

/// Computes on two threads beside the runtime's.
async fn compute(
    mut works: Vec<Work>,
    origin: OffsetDateTime,
    pools: &Arc<Pools>,
    now: OffsetDateTime,
) -> Vec<Forecast> {
    let rest = works.split_off(works.len() / 2);
    let threads = [works, rest].map(|works| {
        let pools = Arc::clone(pools);
        tokio::task::spawn_blocking(move || {
            works.into_iter().map(|work| predict(work, origin, &pools, now)).collect::<Vec<_>>()
        })
    });
    let mut made = Vec::new();
    for thread in threads {
        match thread.await {
            Ok(forecasts) => made.extend(forecasts),
            Err(error) => tracing::error!(%error, "some series could not be predicted"),
        }
    }
    made
}

fn predict(work: Work, origin: OffsetDateTime, pools: &Pools, now: OffsetDateTime) -> Forecast {
    let pool = pools.get(place(work.measure)).and_then(Option::as_ref);
    let said = forecast::demand::forecast(&work.series, HORIZON, pool);
    let curve = |of: fn(&forecast::demand::Hour) -> f64| said.hours.iter().map(of).collect();
    let mut curves = Curves {
        expected: curve(|hour| hour.expected),
        typical: curve(|hour| hour.typical),
        low80: curve(|hour| hour.low80),
        high80: curve(|hour| hour.high80),
        low95: curve(|hour| hour.low95),
        high95: curve(|hour| hour.high95),
        naive: curve(|hour| hour.naive),
    };
    work.calendar.apply(&mut curves, origin, &work.zone, &work.shares);
    Forecast {
        id: rng::id(now),
        measure: work.measure,
        site: work.site,
        package: work.package,
        origin,
        made_at: now,
        basis: match said.basis {
            Basis::Own => kept::Basis::Own,
            Basis::Short => kept::Basis::Short,
            Basis::Borrowed => kept::Basis::Borrowed,
        },
        rule: said.rule,
        mase: said.mase,
        naive_mase: said.naive_mase,
        is_shown: work.is_shown,
        curves,
    }
}

fn to_i32(hours: usize) -> i32 {
    i32::try_from(hours).unwrap_or(i32::MAX)
}
