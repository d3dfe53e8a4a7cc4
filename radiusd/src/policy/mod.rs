//! Who gets in: one pure function from how an entitlement stands and a request to a grant or a reason.
//!
//! [`decide`] knows no socket, clock or database; it looks at a [`Standing`] and copies what a router must be told
//! into a [`Grant`], without a heap allocation. Each [`Denial`] has a word for logs and metrics and a sentence
//! for the guest, who reads it on the router's login page (RouterOS shows the Reply-Message of an Access-Reject).

mod denial;
mod reply;
mod standing;

use std::time::Duration;

use shared::entitlement::{CredentialKind, State};
use shared::mac::Mac;
use shared::rate::RateText;

pub use denial::Denial;
pub use reply::{put_accept, put_reject};
pub use standing::{Here, Moment, Standing, Terms};

/// Longest Session-Timeout that RouterOS takes, seconds.
const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(21_474_720);

/// What a router is told to allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// How long the session may last.
    pub session_timeout: Option<Duration>,
    /// Octets that remain, both directions together.
    pub octets_left: Option<u64>,
    /// Speed, in the router's words.
    pub rate: Option<RateText>,
    /// Idle time after which the session ends.
    pub idle_timeout: Option<Duration>,
}

/// What limits the use of a credential, beside its password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// What kind it is.
    pub kind: CredentialKind,
    /// The only device that may use it, if set.
    pub mac: Option<Mac>,
    /// Until when it is good, if it ends.
    pub until: Option<Moment>,
}

/// Whether a credential may be used by this device at `now`. Its password was checked before.
pub fn check_credential(validity: &Validity, mac: Option<Mac>, now: Moment) -> Result<(), Denial> {
    if validity.until.is_some_and(|until| until <= now) {
        return Err(Denial::CredentialOver);
    }
    if validity.mac.is_some() && validity.mac != mac {
        return Err(Denial::WrongDevice);
    }
    // A one-time password without its device would be good for anyone who saw it.
    if validity.kind == CredentialKind::OneTime && validity.mac.is_none() {
        return Err(Denial::WrongDevice);
    }
    Ok(())
}

/// Decides whether `mac` may use an entitlement that stands so, now and here, and with what limits.
pub fn decide(standing: &Standing<'_>, mac: Option<Mac>, here: impl Into<Here>) -> Result<Grant, Denial> {
    let here = here.into();
    let now = here.now;
    let terms = standing.terms;
    let used = Duration::from_secs(standing.used.seconds);
    let time_left = terms.quota_time.map(|quota| quota.saturating_sub(used));
    match standing.state {
        State::Active => {}
        State::Expired => return Err(Denial::TimeOver),
        State::Exhausted if time_left == Some(Duration::ZERO) => return Err(Denial::OnlineTimeUsed),
        State::Exhausted => return Err(Denial::DataUsed),
        State::Revoked => return Err(Denial::Revoked),
    }
    // Before the first login the whole time is left.
    let left = match standing.expires_at {
        Some(end) if end <= now => return Err(Denial::TimeOver),
        Some(end) => Some(whole_seconds_up(end.since(now))),
        None if standing.starts_at.is_none() => terms.duration,
        None => None,
    };
    if time_left == Some(Duration::ZERO) {
        return Err(Denial::OnlineTimeUsed);
    }
    let octets_left = match terms.quota_octets {
        Some(quota) if standing.used.octets >= quota => return Err(Denial::DataUsed),
        Some(quota) => Some(quota - standing.used.octets),
        None => None,
    };
    let open = match &terms.hours {
        Some(hours) => {
            let (minute, seconds) = here.minute_of_week();
            let minutes = hours.open_for(minute).ok_or(Denial::OutsideHours)?;
            Some(Duration::from_secs(u64::from(minutes) * 60 - u64::from(seconds)))
        }
        None => None,
    };
    if !standing.is_bound(mac) && standing.devices.len() >= terms.device_limit as usize {
        return Err(Denial::TooManyDevices);
    }
    Ok(Grant {
        session_timeout: left.into_iter().chain(time_left).chain(open).min().map(|left| left.min(MAX_SESSION_TIMEOUT)),
        octets_left,
        rate: terms.rate,
        idle_timeout: terms.idle_timeout,
    })
}

/// Seconds, rounded up: a Session-Timeout of zero would mean none at all.
fn whole_seconds_up(left: Duration) -> Duration {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Duration::from_secs(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::entitlement::Used;
    use shared::rate::Rate;
    use shared::time::{OffsetDateTime, Zone};

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn at(seconds: u64) -> Moment {
        Moment::from(OffsetDateTime::UNIX_EPOCH).after(Duration::from_secs(seconds))
    }

    fn terms() -> Terms {
        Terms {
            package: "1 hour".into(),
            duration: Some(Duration::from_secs(3600)),
            quota_octets: Some(1000),
            quota_time: None,
            hours: None,
            rate: Some(Rate { up_bps: 1_000_000, down_bps: 2_000_000 }.text()),
            device_limit: 1,
            idle_timeout: None,
        }
    }

    fn octets(octets: u64) -> Used {
        Used { octets, seconds: 0 }
    }

    fn fresh(terms: &Terms) -> Standing<'_> {
        Standing { state: State::Active, terms, starts_at: None, expires_at: None, used: Used::default(), devices: &[] }
    }

    #[test]
    fn the_first_login_gets_all_of_it() {
        let grant = decide(&fresh(&terms()), Some(A), at(0)).expect("granted");
        assert_eq!(grant.session_timeout, Some(Duration::from_secs(3600)));
        assert_eq!(grant.octets_left, Some(1000));
        assert_eq!(grant.rate.expect("limited").as_bytes(), b"1M/2M");
    }

    #[test]
    fn a_later_login_gets_what_is_left() {
        let terms = terms();
        let (starts_at, expires_at) = (Some(at(0)), Some(at(3600)));
        let started = Standing { starts_at, expires_at, used: octets(900), devices: &[A], ..fresh(&terms) };
        let grant = decide(&started, Some(A), at(3590)).expect("granted");
        assert_eq!((grant.session_timeout, grant.octets_left), (Some(Duration::from_secs(10)), Some(100)));
        let half = at(3599).after(Duration::from_millis(500));
        assert_eq!(decide(&started, Some(A), half).expect("granted").session_timeout, Some(Duration::from_secs(1)));
        let just = at(3600).before(Duration::from_micros(1));
        assert_eq!(decide(&started, Some(A), just).expect("granted").session_timeout, Some(Duration::from_secs(1)));
    }

    #[test]
    fn time_online_counts_only_while_somebody_is_online() {
        let two_hours = Duration::from_secs(7200);
        let terms = Terms { quota_time: Some(two_hours), duration: Some(Duration::from_secs(30 * 86_400)), ..terms() };
        let unlimited = Terms { duration: None, quota_octets: None, ..terms.clone() };
        let spent = |seconds| Used { octets: 0, seconds };
        let table = [
            (&terms, 0, Ok(7200)),
            (&terms, 7000, Ok(200)),
            (&terms, 7200, Err(Denial::OnlineTimeUsed)),
            (&unlimited, 60, Ok(7140)),
            (&unlimited, 9999, Err(Denial::OnlineTimeUsed)),
        ];
        for (terms, seconds, expected) in table {
            let standing = Standing { used: spent(seconds), ..fresh(terms) };
            let timeout =
                decide(&standing, Some(A), at(0)).map(|grant| grant.session_timeout.expect("it ends").as_secs());
            assert_eq!(timeout, expected, "after {seconds} s");
        }
        let (starts_at, expires_at) = (Some(at(0)), Some(at(100)));
        let nearly_over = Standing { starts_at, expires_at, used: spent(60), ..fresh(&terms) };
        let grant = decide(&nearly_over, Some(A), at(90)).expect("granted");
        assert_eq!(grant.session_timeout, Some(Duration::from_secs(10)), "whatever ends first");
        let exhausted = Standing { state: State::Exhausted, used: spent(7200), ..fresh(&terms) };
        assert_eq!(decide(&exhausted, Some(A), at(0)), Err(Denial::OnlineTimeUsed));
    }

    #[test]
    fn hours_are_those_of_the_clock_at_the_place() {
        let terms = Terms {
            hours: Some("mon-fri 08:00-17:00, daily 22:00-06:00".parse().expect("hours")),
            duration: None,
            quota_octets: None,
            ..terms()
        };
        // Monday, 30 November 2026, at midnight in Nairobi; the seconds are those until the package closes.
        let monday = OffsetDateTime::from_unix_timestamp(1_795_986_000).expect("in the calendar");
        let table = [
            ("Mon 08:00", 8 * 3600, Ok(9 * 3600)),
            ("Mon 16:59:30", 17 * 3600 - 30, Ok(30)),
            ("Mon 17:00", 17 * 3600, Err(Denial::OutsideHours)),
            ("Sat 12:00", (5 * 24 + 12) * 3600, Err(Denial::OutsideHours)),
            ("Sun 23:00", (6 * 24 + 23) * 3600, Ok(7 * 3600)),
        ];
        for (said, after, expected) in table {
            let here = Zone::default().at(monday + Duration::from_secs(after));
            let granted = decide(&fresh(&terms), Some(A), here);
            let timeout = granted.map(|grant| grant.session_timeout.expect("it closes").as_secs());
            assert_eq!(timeout, expected, "{said}");
        }
        let in_london = monday + Duration::from_secs(8 * 3600);
        assert_eq!(
            decide(&fresh(&terms), Some(A), in_london).expect("05:00").session_timeout,
            Some(Duration::from_secs(3600))
        );
    }

    #[test]
    fn every_end_has_its_reason() {
        let terms = terms();
        let fresh = fresh(&terms);
        let table = [
            (Standing { state: State::Expired, ..fresh }, Denial::TimeOver),
            (Standing { state: State::Exhausted, ..fresh }, Denial::DataUsed),
            (Standing { state: State::Revoked, ..fresh }, Denial::Revoked),
            (Standing { starts_at: Some(at(0)), expires_at: Some(at(10)), ..fresh }, Denial::TimeOver),
            (Standing { used: octets(1000), ..fresh }, Denial::DataUsed),
            (Standing { devices: &[B], ..fresh }, Denial::TooManyDevices),
        ];
        for (standing, denial) in table {
            assert_eq!(decide(&standing, Some(A), at(10)), Err(denial));
        }
    }

    #[test]
    fn a_login_without_a_device_cannot_use_a_full_entitlement() {
        let terms = terms();
        let full = Standing { devices: &[B], ..fresh(&terms) };
        assert_eq!(decide(&full, None, at(0)), Err(Denial::TooManyDevices));
    }

    #[test]
    fn a_one_time_password_is_for_its_device_and_its_time() {
        let validity = Validity { kind: CredentialKind::OneTime, mac: Some(A), until: Some(at(100)) };
        assert_eq!(check_credential(&validity, Some(A), at(99)), Ok(()));
        assert_eq!(check_credential(&validity, Some(B), at(99)), Err(Denial::WrongDevice));
        assert_eq!(check_credential(&validity, None, at(99)), Err(Denial::WrongDevice));
        assert_eq!(check_credential(&validity, Some(A), at(100)), Err(Denial::CredentialOver));
        let for_anyone = Validity { mac: None, ..validity };
        assert_eq!(check_credential(&for_anyone, None, at(99)), Err(Denial::WrongDevice));
    }
}
