//! From facts by the hour to what `forecast` learns from: a series for each measure, with nothing where nobody saw and where the calendar says
//! that those hours are not like others.
//!
//! A series runs in whole hours of UTC, none left out and none twice. Its hour of the week is that of the place's clock at its end: where
//! clocks were changed in between, what lies before is an hour off, and what is predicted is not.

use std::collections::BTreeSet;

use forecast::series::{Series, WEEK};
use shared::time::{OffsetDateTime, Zone};
use store::prediction::demand::{self, Place};
use store::prediction::{Measure, NOWHERE};
use store::{Db, StoreError};
use time::Duration;
use uuid::Uuid;

use super::calendar::Calendar;

/// Hours that somebody must have seen for a series to say anything: a day.
const SEEN_MIN: usize = 24;
/// Until when the currency of the most that was sold is looked for, before an origin.
const CURRENCY: Duration = Duration::weeks(4);

/// What is predicted by itself: a site, all sites together, or a package.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// [`NOWHERE`]: all sites together.
    pub(super) site: Uuid,
    /// [`NOWHERE`]: all packages.
    pub(super) package: Uuid,
    /// Its clock; the home clock for what is at all sites.
    pub(super) zone: Zone,
}

impl Unit {
    pub(super) fn everywhere() -> Unit {
        Unit::of_package(NOWHERE)
    }

    pub(super) fn of_package(package: Uuid) -> Unit {
        Unit { site: NOWHERE, package, zone: Zone::default() }
    }

    pub(super) fn of_place(place: &Place) -> Unit {
        Unit { site: place.site, package: NOWHERE, zone: Zone::named(&place.time_zone).unwrap_or_default() }
    }

    /// What is counted of it.
    pub(super) fn measures(&self) -> &'static [Measure] {
        if self.package == NOWHERE { &Measure::ALL } else { &[Measure::Purchases] }
    }

    /// The site, if it is one.
    pub(super) fn place(&self) -> Option<Uuid> {
        Some(self.site).filter(|site| *site != NOWHERE)
    }
}

/// What must be known of all sites for reading the hours of all of them, and of packages.
#[derive(Clone, Debug, Default)]
pub(super) struct Together {
    currency: String,
    /// Hours in which too few sites were seen.
    blind: BTreeSet<OffsetDateTime>,
}

impl Together {
    pub(super) async fn read(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Together, StoreError> {
        Ok(Together {
            currency: demand::currency(db, None, until - CURRENCY).await?,
            blind: demand::blind(db, from, until).await?,
        })
    }
}

/// What was counted in each hour, by measure; nothing: nobody saw it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Hours(Vec<(OffsetDateTime, [Option<f64>; 4])>);

impl Hours {
    pub(super) async fn read(
        db: &Db,
        unit: &Unit,
        together: &Together,
        (from, until): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Hours, StoreError> {
        if unit.package != NOWHERE {
            return Ok(of_package(&demand::sold(db, unit.package, from, until).await?, &together.blind, until));
        }
        let counted = match unit.place() {
            Some(site) => demand::hours(db, site, from, until).await?,
            None => demand::everywhere(db, &together.currency, from, until).await?,
        };
        let value = |is_observed: bool, value: i64| is_observed.then(|| to_float(value));
        Ok(Hours(counted.iter().map(|hour| (hour.at, hour.values.map(|of| value(hour.is_observed, of)))).collect()))
    }

    /// The series of a measure up to an origin; `None`: too little was seen of it.
    pub(super) fn series(
        &self,
        measure: Measure,
        origin: OffsetDateTime,
        zone: &Zone,
        calendar: &Calendar,
    ) -> Option<Series> {
        let first = self.0.first().map(|(at, _)| *at)?;
        let length = usize::try_from((origin - first).whole_hours()).ok()?;
        let mut values = self.between(measure, first, length);
        for (value, hour) in values.iter_mut().zip(0_i64..) {
            if calendar.at(first + Duration::hours(hour)).is_some() {
                *value = None;
            }
        }
        let begins = (hour_of_week(zone, origin) + WEEK - length % WEEK) % WEEK;
        (values.iter().flatten().count() >= SEEN_MIN).then_some(Series { begins, values })
    }

    /// So many hours from a moment on.
    pub(super) fn between(&self, measure: Measure, from: OffsetDateTime, length: usize) -> Vec<Option<f64>> {
        let mut values = vec![None; length];
        let place = place(measure);
        for (at, counted) in &self.0 {
            let hour = usize::try_from((*at - from).whole_hours()).ok().filter(|_| *at >= from);
            if let Some(value) = hour.and_then(|hour| values.get_mut(hour)) {
                *value = counted.get(place).copied().flatten();
            }
        }
        values
    }
}

/// A package was on sale from the first hour on in which it was sold; an hour without a sale is one with none.
fn of_package(sold: &[(OffsetDateTime, i64)], blind: &BTreeSet<OffsetDateTime>, until: OffsetDateTime) -> Hours {
    let Some((first, _)) = sold.first() else { return Hours::default() };
    let mut hours = Vec::new();
    let (mut at, mut rest) = (*first, sold.iter().peekable());
    while at < until {
        let orders = rest.next_if(|(hour, _)| *hour == at).map_or(0, |(_, orders)| *orders);
        let seen = (!blind.contains(&at)).then(|| to_float(orders));
        hours.push((at, [seen, None, None, None]));
        at += Duration::HOUR;
    }
    Hours(hours)
}

/// Where a measure stands among those of an hour.
pub(super) fn place(measure: Measure) -> usize {
    match measure {
        Measure::Purchases => 0,
        Measure::Revenue => 1,
        Measure::Sessions => 2,
        Measure::Octets => 3,
    }
}

/// The hour of the week by the clock of a place: 0 is Monday, midnight to one.
pub(super) fn hour_of_week(zone: &Zone, at: OffsetDateTime) -> usize {
    usize::from(zone.minute_of_week(at) / 60)
}

pub(super) fn to_float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
pub(super) mod tests {
    use store::prediction::calendar::{Kind, Span};

    use super::*;

    /// So many hours after a Monday's midnight in Nairobi.
    pub(in crate::predictions) fn at(hours: i64) -> OffsetDateTime {
        // 2027-01-10 21:00 UTC.
        OffsetDateTime::from_unix_timestamp(1_799_614_800).expect("in range") + Duration::hours(hours)
    }

    pub(in crate::predictions) fn hours(values: &[(i64, Option<f64>)]) -> Hours {
        Hours(values.iter().map(|(hour, value)| (at(*hour), [*value; 4])).collect())
    }

    #[test]
    fn a_series_has_every_hour_from_its_first_to_its_origin() {
        let seen: Vec<(i64, Option<f64>)> = (5..60).map(|hour| (hour, Some(1.0))).collect();
        let holes = [&seen[..10], &seen[12..]].concat();
        let zone = Zone::default();
        let series = hours(&holes).series(Measure::Octets, at(64), &zone, &Calendar::default()).expect("enough");
        assert_eq!((series.begins, series.values.len()), (5, 59));
        assert_eq!(series.values[9..13], [Some(1.0), None, None, Some(1.0)]);
        assert_eq!(series.values[55..], [None::<f64>; 4], "up to the origin");
        assert_eq!(series.hour_of_week(59), hour_of_week(&zone, at(64)));
        assert_eq!(hours(&seen[..23]).series(Measure::Octets, at(64), &zone, &Calendar::default()), None, "too little");
        assert_eq!(Hours::default().series(Measure::Octets, at(64), &zone, &Calendar::default()), None);
    }

    #[test]
    fn what_the_calendar_has_is_not_learnt_from() {
        let seen: Vec<(i64, Option<f64>)> = (0..60).map(|hour| (hour, Some(1.0))).collect();
        let span = Span {
            site: None,
            kind: Kind::Event,
            name: "match".into(),
            from: at(20) + Duration::minutes(30),
            until: at(22),
            factor: None,
        };
        let calendar = Calendar::new(vec![span]);
        let series = hours(&seen).series(Measure::Purchases, at(60), &Zone::default(), &calendar).expect("enough");
        let missing: Vec<usize> = (0..60).filter(|hour| series.values[*hour].is_none()).collect();
        assert_eq!(missing, [20, 21]);
    }

    #[test]
    fn after_the_clocks_have_changed_the_week_is_that_of_the_end() {
        let zone = Zone::named("Europe/Berlin").expect("known");
        // 2026-10-25 01:00 UTC: clocks go back. 100 hours before and after.
        let change = OffsetDateTime::from_unix_timestamp(1_792_890_000).expect("in range");
        let all = (-100..100).map(|hour| (change + Duration::hours(hour), [Some(1.0); 4]));
        let (origin, all) = (change + Duration::hours(100), Hours(all.collect()));
        let series = all.series(Measure::Sessions, origin, &zone, &Calendar::default()).expect("enough");
        assert_eq!(series.values.len(), 200);
        assert_eq!(series.hour_of_week(200), hour_of_week(&zone, origin));
        assert_eq!(series.hour_of_week(150), hour_of_week(&zone, origin - Duration::hours(50)));
    }

    #[test]
    fn a_package_that_is_not_sold_for_an_hour_is_sold_no_times_in_it() {
        let sold = [(at(3), 2), (at(6), 1)];
        let hours = of_package(&sold, &BTreeSet::from([at(4)]), at(8));
        assert_eq!(
            hours.between(Measure::Purchases, at(2), 6),
            [None, Some(2.0), None, Some(0.0), Some(1.0), Some(0.0)]
        );
        assert_eq!(of_package(&[], &BTreeSet::new(), at(8)), Hours::default());
    }
}
