//! The only door to the clock.
//!
//! Programs make one [`Clock`] at start and hand it down; code that decides something takes `now` as
//! a parameter. Tests make a manual clock and move it. The linter bans the usual entry points
//! everywhere else, so a decision that depends on the time can always be replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

pub use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// Wall-clock time for deciding and recording, and monotonic time for measuring.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        started: Instant,
    },
    /// Nanoseconds since the Unix epoch, moved by the test that owns it.
    Manual {
        start: i64,
        now: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the clock")]
    pub fn system() -> Clock {
        Clock(Source::System { started: Instant::now() })
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: OffsetDateTime) -> Clock {
        let start = nanoseconds(start);
        Clock(Source::Manual { start, now: Arc::new(AtomicI64::new(start)) })
    }

    /// The present moment in UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the clock")]
    pub fn now(&self) -> OffsetDateTime {
        match &self.0 {
            Source::System { .. } => OffsetDateTime::now_utc(),
            Source::Manual { now, .. } => from_nanoseconds(now.load(Ordering::SeqCst)),
        }
    }

    /// Time since the clock was made; never runs backwards when the machine's date is corrected.
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the clock")]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { started } => Instant::now().saturating_duration_since(*started),
            Source::Manual { start, now } => {
                let passed = now.load(Ordering::SeqCst).saturating_sub(*start);
                Duration::from_nanos(u64::try_from(passed).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward. The system clock ignores it.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { now, .. } = &self.0 {
            now.fetch_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// The beginning of the hour that a moment is in, by UTC.
pub fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    let seconds = at.unix_timestamp();
    OffsetDateTime::from_unix_timestamp(seconds - seconds.rem_euclid(3600)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Prints a moment as RFC 3339 in UTC, as logs, JSON and the REST interface do.
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.unix_timestamp().to_string())
}

fn nanoseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

fn from_nanoseconds(ns: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The time zone of a place.
#[derive(Clone, Debug)]
pub struct Zone(jiff::tz::TimeZone);

/// Where a place is that nobody said: whose clock months go by.
pub const HOME: &str = "Africa/Nairobi";

impl Zone {
    /// The zone of that name in the IANA database, such as `Africa/Nairobi`.
    pub fn named(name: &str) -> Option<Zone> {
        jiff::tz::TimeZone::get(name).ok().map(Zone)
    }

    /// A moment as the clocks there show it.
    pub fn at(&self, moment: OffsetDateTime) -> OffsetDateTime {
        let offset = |moment: jiff::Timestamp| self.0.to_offset(moment).seconds();
        let seconds = jiff::Timestamp::from_second(moment.unix_timestamp()).map_or(0, offset);
        ::time::UtcOffset::from_whole_seconds(seconds).map_or(moment, |offset| moment.to_offset(offset))
    }

    /// The moment at which a day begins there.
    pub fn midnight(&self, day: ::time::Date) -> OffsetDateTime {
        let read = day.midnight().assume_utc();
        let offset = |moment: OffsetDateTime| self.at(moment).offset();
        // The offset is that of the moment, which is known only with the offset: what is looked at first is less than a day away.
        let near = read.replace_offset(offset(read));
        read.replace_offset(offset(near)).to_offset(::time::UtcOffset::UTC)
    }

    /// The minute of the week that it is there, from Monday at midnight on.
    pub fn minute_of_week(&self, moment: OffsetDateTime) -> u16 {
        let here = self.at(moment);
        let day = u16::from(here.weekday().number_days_from_monday());
        (day * 24 + u16::from(here.hour())) * 60 + u16::from(here.minute())
    }
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::named(HOME).unwrap_or(Zone(jiff::tz::TimeZone::UTC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_knows_the_clocks_of_its_place_in_summer_and_in_winter() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in the calendar");
        let hours = |zone: &str, seconds| Zone::named(zone).expect("known").at(at(seconds)).offset().whole_hours();
        let (january, july) = (1_768_000_000, 1_783_600_000);
        assert_eq!([hours("Africa/Nairobi", january), hours("Africa/Nairobi", july)], [3, 3]);
        assert_eq!([hours("Europe/Berlin", january), hours("Europe/Berlin", july)], [1, 2]);
        assert!(Zone::named("Africa/Atlantis").is_none());
        assert_eq!(Zone::default().at(at(0)), at(0), "the same moment");
        assert_eq!(Zone::default().at(at(0)).hour(), 3);
        // The epoch was a Thursday.
        assert_eq!(Zone::default().minute_of_week(at(90)), (3 * 24 + 3) * 60 + 1);
    }

    #[test]
    fn a_day_begins_at_its_midnight_by_the_clocks_of_the_place() {
        let day = |month, day| ::time::Date::from_calendar_date(2026, month, day).expect("a day");
        let midnight = |zone: &str, day| rfc3339(Zone::named(zone).expect("known").midnight(day));
        assert_eq!(midnight("Africa/Nairobi", day(::time::Month::November, 29)), "2026-11-28T21:00:00Z");
        assert_eq!(midnight("America/Los_Angeles", day(::time::Month::January, 1)), "2026-01-01T08:00:00Z");
        // The night on which clocks go back is over at one offset and begins at the other.
        assert_eq!(midnight("Europe/Berlin", day(::time::Month::October, 25)), "2026-10-24T22:00:00Z");
        assert_eq!(midnight("Europe/Berlin", day(::time::Month::October, 26)), "2026-10-25T23:00:00Z");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), OffsetDateTime::UNIX_EPOCH);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().unix_timestamp(), 90);
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
    }

    #[test]
    fn moments_print_in_utc() {
        assert_eq!(rfc3339(OffsetDateTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
