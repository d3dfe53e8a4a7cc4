//! What a day of the calendar of which nobody has said how much comes then had a year ago: the share of the usual weeks before it.
//!
//! The day of a year ago is that of an entry of the same name, so that Easter is held against Easter; else the same date. Hours that the entry
//! does not cover do not count. Where nobody counted a year ago, nothing is said, and the calendar goes by its own rules.

use forecast::demand::share_a_year_ago;
use shared::time::{OffsetDateTime, Zone};
use store::prediction::Measure;
use store::prediction::calendar::{self, Kind, Span};
use store::{Db, StoreError};
use time::{Date, Duration};

use super::calendar::{Calendar, covers};
use super::hours::{Hours, Together, Unit};

/// How long ago an entry of the same name is of the year before.
const A_YEAR_AGO: (Duration, Duration) = (Duration::days(330), Duration::days(400));
/// How many usual days before it a day is held against, and within how many weeks they lie.
const BEFORE: usize = 4;
const WEEKS_BEFORE: i64 = 8;

/// A year ago.
#[derive(Clone, Debug, Default)]
pub(super) struct LastYear {
    hours: Hours,
    calendar: Calendar,
}

impl LastYear {
    /// Reads what the days of the calendar between two moments need; nothing if there is none.
    pub(super) async fn read(
        db: &Db,
        unit: &Unit,
        calendar: &Calendar,
        (from, until): (OffsetDateTime, OffsetDateTime),
    ) -> Result<LastYear, StoreError> {
        let hours = std::iter::successors(Some(from), |hour| Some(*hour + Duration::HOUR));
        if !hours.take_while(|hour| *hour < until).any(|hour| calendar.at(hour).is_some_and(is_unsaid)) {
            return Ok(LastYear::default());
        }
        let span = (from - A_YEAR_AGO.1 - Duration::weeks(WEEKS_BEFORE), until - A_YEAR_AGO.0);
        let together = Together::read(db, span.0, span.1).await?;
        Ok(LastYear {
            hours: Hours::read(db, unit, &together, span).await?,
            calendar: Calendar::new(calendar::spans(db, unit.place(), span.0, span.1).await?),
        })
    }

    /// For each of so many hours from a moment on, the share that it had a year ago; `None`: it is no such hour, or nobody knows.
    pub(super) fn shares(
        &self,
        measure: Measure,
        calendar: &Calendar,
        (from, length): (OffsetDateTime, usize),
        zone: &Zone,
    ) -> Vec<Option<f64>> {
        let mut of_day: Option<(Date, Option<f64>)> = None;
        let share = |hour: i64| {
            let at = from + Duration::hours(hour);
            let span = calendar.at(at).filter(|span| is_unsaid(span))?;
            let day = zone.at(at).date();
            match of_day {
                Some((known, share)) if known == day => share,
                _ => {
                    let share = self.share(measure, span, day, zone);
                    of_day = Some((day, share));
                    share
                }
            }
        };
        (0..).take(length).map(share).collect()
    }

    fn share(&self, measure: Measure, span: &Span, day: Date, zone: &Zone) -> Option<f64> {
        let ago = self.day_a_year_ago(span, day, zone)?;
        let covered: Vec<usize> = (0..24_usize)
            .zip(0_i64..)
            .filter(|(_, hour)| covers(span, zone.midnight(day) + Duration::hours(*hour)))
            .map(|(place, _)| place)
            .collect();
        let hours = |day: Date| -> Vec<Option<f64>> {
            let all = self.hours.between(measure, zone.midnight(day), 24);
            covered.iter().map(|place| all.get(*place).copied().flatten()).collect()
        };
        let before: Vec<Vec<Option<f64>>> = (1..=WEEKS_BEFORE)
            .map(|weeks| ago - Duration::weeks(weeks))
            .filter(|day| (0..24).all(|hour| self.calendar.at(zone.midnight(*day) + Duration::hours(hour)).is_none()))
            .map(hours)
            .take(BEFORE)
            .collect();
        let before: Vec<&[Option<f64>]> = before.iter().map(Vec::as_slice).collect();
        share_a_year_ago(&hours(ago), &before)
    }

    fn day_a_year_ago(&self, span: &Span, day: Date, zone: &Zone) -> Option<Date> {
        let named = self.calendar.named(&span.name, (span.from - A_YEAR_AGO.1, span.from - A_YEAR_AGO.0));
        match named {
            Some(then) => Some(zone.at(then.from).date() + (day - zone.at(span.from).date())),
            None => day.replace_year(day.year() - 1).ok().or_else(|| Some(day - Duration::days(365))),
        }
    }
}

/// Whether nobody has said how much comes then.
fn is_unsaid(span: &Span) -> bool {
    span.factor.is_none() && matches!(span.kind, Kind::Holiday | Kind::Event)
}

#[cfg(test)]
mod tests {
    use super::super::hours::tests::{at, hours};
    use super::*;

    /// Days after 11 January 2027, in Nairobi, as hours after its midnight.
    fn days(days: i64) -> i64 {
        days * 24
    }

    fn entry(name: &str, day: i64) -> Span {
        let (from, until) = (at(days(day)), at(days(day + 1)));
        Span { site: None, kind: Kind::Holiday, name: name.into(), from, until, factor: None }
    }

    /// Ten an hour for sixty days from a year before on, and four on one of them.
    fn a_year_ago(quiet: i64) -> Hours {
        let value = |hour: i64| if (days(quiet)..days(quiet + 1)).contains(&hour) { 4.0 } else { 10.0 };
        let seen: Vec<(i64, Option<f64>)> = (days(-425)..days(-335)).map(|hour| (hour, Some(value(hour)))).collect();
        hours(&seen)
    }

    fn shares(last: &LastYear, calendar: &Calendar) -> Vec<Option<f64>> {
        last.shares(Measure::Purchases, calendar, (at(0), 72), &Zone::default())
    }

    #[test]
    fn a_day_has_the_share_of_its_date_a_year_ago() {
        let calendar = Calendar::new(vec![entry("A day", 1)]);
        let last = LastYear { hours: a_year_ago(1 - 365), calendar: Calendar::default() };
        let found = shares(&last, &calendar);
        assert_eq!(found.iter().flatten().count(), 24, "the hours of that day and no others");
        let share = found.get(30).copied().flatten().expect("it was counted a year ago");
        assert!((0.4..0.6).contains(&share), "four of ten, drawn a little towards one: {share}");
        assert!(shares(&LastYear::default(), &calendar).iter().flatten().next().is_none(), "nobody counted");
    }

    #[test]
    fn a_day_that_moves_is_held_against_the_one_of_its_name() {
        let calendar = Calendar::new(vec![entry("Easter Monday", 1)]);
        let then = Calendar::new(vec![entry("easter monday", 1 - 351)]);
        let last = LastYear { hours: a_year_ago(1 - 351), calendar: then };
        let share = shares(&last, &calendar).get(30).copied().flatten().expect("it was counted a year ago");
        assert!(share < 0.6, "{share}");
        let said = Span { factor: Some(1.5), ..entry("A day", 1) };
        let last = LastYear { hours: a_year_ago(1 - 365), calendar: Calendar::default() };
        assert!(
            shares(&last, &Calendar::new(vec![said])).iter().flatten().next().is_none(),
            "somebody has said how much"
        );
    }
}
