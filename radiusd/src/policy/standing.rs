//! What a decision looks at: the [`Terms`] that were sold, and how things stand at one moment ([`Standing`]).
//!
//! Both are made to be kept by the million and looked at without copying. Terms are shared by all customers of a
//! package. A standing borrows: it is taken under the entitlement's own lock and lives no longer than that.
//! A [`Moment`] is eight octets, also when it may be missing. Nothing here decides anything; that is
//! [`super::decide`].

use std::num::NonZeroI64;
use std::time::Duration;

use shared::entitlement::{Entitlement, State, Used};
use shared::mac::Mac;
use shared::rate::{Rate, RateText};
use shared::rules::{Rules, Until};
use shared::time::OffsetDateTime;

const MICROSECONDS: i64 = 1_000_000;

/// A moment in microseconds since the Unix epoch, as fine as PostgreSQL keeps it. `Option<Moment>` is as small.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment(NonZeroI64);

impl Moment {
    /// Before every moment of a calendar.
    pub const DISTANT_PAST: Moment = Moment(NonZeroI64::new(1).expect("one is not zero"));

    /// The one value that no calendar reaches is turned into the zero that must not be.
    const fn new(micros: i64) -> Moment {
        match NonZeroI64::new(micros ^ i64::MIN) {
            Some(kept) => Moment(kept),
            None => Moment::DISTANT_PAST,
        }
    }

    const fn micros(self) -> i64 {
        self.0.get() ^ i64::MIN
    }

    /// A number in the same order, for atomic variables. `u64::MAX` is the end of time.
    pub(crate) fn number(self) -> u64 {
        self.0.get().cast_unsigned()
    }

    /// From a number that [`Moment::number`] gave.
    pub(crate) fn from_number(number: u64) -> Moment {
        Moment::new(number.cast_signed() ^ i64::MIN)
    }

    /// The moment `later` after this one; at the end of time it stays there.
    #[must_use]
    pub fn after(self, later: Duration) -> Moment {
        Moment::new(self.micros().saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `earlier` before this one.
    #[must_use]
    pub fn before(self, earlier: Duration) -> Moment {
        Moment::new(self.micros().saturating_sub(i64::try_from(earlier.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` to this moment; nothing if that is not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(u64::try_from(self.micros().saturating_sub(earlier.micros())).unwrap_or(0))
    }
}

impl From<OffsetDateTime> for Moment {
    fn from(at: OffsetDateTime) -> Moment {
        Moment::new(at.unix_timestamp().saturating_mul(MICROSECONDS).saturating_add(i64::from(at.microsecond())))
    }
}

impl From<Moment> for OffsetDateTime {
    fn from(moment: Moment) -> OffsetDateTime {
        let nanoseconds = i128::from(moment.micros()) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Moment) -> std::cmp::Ordering {
        self.micros().cmp(&other.micros())
    }
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shared::time::rfc3339((*self).into()))
    }
}

/// A moment at a place: what the clock on the wall says there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Here {
    /// The moment.
    pub now: Moment,
    /// How far the clock is ahead of UTC, seconds.
    ahead: i32,
}

impl Here {
    /// Minute of the week from Monday at midnight on, and seconds of that minute.
    pub fn minute_of_week(self) -> (u16, u16) {
        // The epoch began on a Thursday.
        let seconds = self.now.micros().div_euclid(MICROSECONDS) + i64::from(self.ahead) + 3 * 86_400;
        let second = seconds.rem_euclid(7 * 86_400);
        let whole = |value: i64| u16::try_from(value).unwrap_or(0);
        (whole(second / 60), whole(second % 60))
    }

    /// The end of the day or the week, if the clock is not put forward or back before.
    fn end_of(self, until: Until) -> Moment {
        let (minute, seconds) = self.minute_of_week();
        let length = until.length().as_secs() / 60;
        let passed = u64::from(minute) % length * 60 + u64::from(seconds);
        let begun = Duration::from_micros(u64::try_from(self.now.micros().rem_euclid(MICROSECONDS)).unwrap_or(0));
        self.now.before(begun).after(until.length().saturating_sub(Duration::from_secs(passed)))
    }
}

/// The clock of the place is that of the moment's offset.
impl From<OffsetDateTime> for Here {
    fn from(at: OffsetDateTime) -> Here {
        Here { now: at.into(), ahead: at.offset().whole_seconds() }
    }
}

/// UTC.
impl From<Moment> for Here {
    fn from(now: Moment) -> Here {
        Here { now, ahead: 0 }
    }
}

/// The rules of a package, frozen at the sale, with its speeds in the router's words.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Terms {
    /// The package's name, for people.
    pub package: Box<str>,
    /// What was sold.
    pub rules: Rules,
    /// The speed, if it is limited.
    speed: Option<RateText>,
    /// The speeds of the stages of fair use.
    stages: Box<[RateText]>,
    /// The speed of happy hours.
    happy: Option<RateText>,
}

impl Terms {
    /// The rules of a package of that name.
    pub fn new(package: &str, rules: Rules) -> Terms {
        Terms {
            package: package.into(),
            speed: rules.rate.map(|rate| rate.text_with(rules.burst)),
            stages: rules.fair_use.stages().iter().map(|stage| stage.rate.text()).collect(),
            happy: rules.happy_hours.as_ref().map(|happy| happy.rate.text()),
            rules,
        }
    }

    /// The speed here and now, after so much was used, for the router and as a number. Happy hours come before fair use.
    pub(super) fn speed(&self, used: Used, here: Here) -> (Option<RateText>, Option<Rate>) {
        if let Some(happy) = &self.rules.happy_hours
            && happy.hours.open_for(here.minute_of_week().0).is_some()
        {
            return (self.happy, Some(happy.rate));
        }
        match self.rules.fair_use.stage(used.octets()) {
            Some(stage) => {
                (self.stages.get(stage).copied(), self.rules.fair_use.stages().get(stage).map(|stage| stage.rate))
            }
            None => (self.speed, self.rules.rate),
        }
    }

    /// When access ends that begins here and now.
    pub fn end(&self, here: Here) -> Option<Moment> {
        match self.rules.until {
            Some(until) => Some(here.end_of(until)),
            None => self.rules.duration.map(|duration| here.now.after(duration)),
        }
    }
}

impl From<&Entitlement> for Terms {
    fn from(entitlement: &Entitlement) -> Terms {
        Terms::new(&entitlement.package, entitlement.rules.clone())
    }
}

/// How an entitlement stands at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Whether it may be used at all.
    pub state: State,
    /// What was sold.
    pub terms: &'a Terms,
    /// When the clock started, if it has.
    pub starts_at: Option<Moment>,
    /// When access ends; `None` while the clock has not started or where only data counts.
    pub expires_at: Option<Moment>,
    /// What has been used so far.
    pub used: Used,
    /// Devices bound to it, the first one first.
    pub devices: &'a [Mac],
    /// From when on a change of devices would count as the first one.
    pub swaps_free_at: Option<Moment>,
}

impl Standing<'_> {
    /// Whether this device has a place already.
    pub fn is_bound(&self, mac: Option<Mac>) -> bool {
        mac.is_some_and(|mac| self.devices.contains(&mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_there_and_back_in_order_and_take_eight_octets() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
        let texts = [-62_135_596_800_000_000, -1, 0, 1, 1_795_000_000_123_456, 253_402_300_799_999_999];
        for micros in texts {
            let at = OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).expect("in the calendar");
            assert_eq!(OffsetDateTime::from(Moment::from(at)), at);
        }
        let moments: Vec<Moment> = texts.iter().map(|&m| Moment::new(i64::try_from(m).expect("fits"))).collect();
        assert!(moments.is_sorted() && moments.iter().all(|m| *m > Moment::DISTANT_PAST));
        assert_eq!(Moment::new(i64::MIN), Moment::DISTANT_PAST);
    }

    #[test]
    fn time_does_not_overflow_at_its_ends() {
        let now = Moment::from(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(now.after(Duration::from_secs(2)).since(now), Duration::from_secs(2));
        assert_eq!(now.since(now.after(Duration::from_secs(2))), Duration::ZERO);
        assert_eq!(now.after(Duration::MAX), Moment::new(i64::MAX));
        assert_eq!(now.before(Duration::MAX).before(Duration::from_secs(9)), Moment::DISTANT_PAST);
        assert_eq!(now.before(Duration::from_secs(9)).after(Duration::from_secs(9)), now);
    }

    #[test]
    fn the_day_and_the_week_end_where_the_clock_is() {
        // Sunday, 29 November 2026, 22:15:30.25 in Nairobi.
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_795_979_730_250_000_000).expect("in the calendar");
        let here = Here::from(shared::time::Zone::default().at(now));
        let after = |until| OffsetDateTime::from(here.end_of(until)) - now;
        assert_eq!(after(Until::EndOfDay).whole_milliseconds(), 6_269_750);
        assert_eq!(after(Until::EndOfWeek), after(Until::EndOfDay));
        let in_utc = Here::from(now);
        let end = OffsetDateTime::from(in_utc.end_of(Until::EndOfDay));
        assert_eq!(end - now, after(Until::EndOfDay) + Duration::from_secs(3 * 3600));
        let monday = Here::from(shared::time::Zone::default().at(now + Duration::from_secs(7200)));
        let week = OffsetDateTime::from(monday.end_of(Until::EndOfWeek)) - OffsetDateTime::from(monday.now);
        assert_eq!(week.whole_days(), 6);
    }

    #[test]
    fn finer_than_a_microsecond_is_cut_off_as_postgresql_does() {
        let fine = OffsetDateTime::UNIX_EPOCH + Duration::from_nanos(1_999);
        assert_eq!(OffsetDateTime::from(Moment::from(fine)), OffsetDateTime::UNIX_EPOCH + Duration::from_micros(1));
    }
}
