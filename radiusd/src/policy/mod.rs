//! Who gets in: one pure function from how an entitlement stands and a request to a grant or a reason.
//!
//! [`decide`] knows no socket, clock or database; it looks at a [`Standing`] and copies what a router must be told
//! into a [`Grant`], without a heap allocation. Each [`Denial`] has a word for logs and metrics and a sentence
//! for the guest, who reads it on the router's login page (RouterOS shows the Reply-Message of an Access-Reject).

mod reply;
mod standing;

use std::time::Duration;

use shared::entitlement::{CredentialKind, State};
use shared::mac::Mac;
use shared::rate::RateText;

pub use reply::{put_accept, put_reject};
pub use standing::{Moment, Standing, Terms};

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

/// Why a login is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Denial {
    /// No such name or voucher.
    UnknownUser,
    /// The password is wrong.
    BadPassword,
    /// The credential's own time is over.
    CredentialOver,
    /// The credential belongs to another device.
    WrongDevice,
    /// All devices of the entitlement are taken.
    TooManyDevices,
    /// The time is used up.
    TimeOver,
    /// The data is used up.
    DataUsed,
    /// The operator took it back.
    Revoked,
    /// The device has nothing to use: the usual answer to a MAC login of a new guest.
    UnknownDevice,
    /// The request has no password that we understand, or more than one.
    BadRequest,
    /// EAP is not offered here.
    EapNotOffered,
    /// Somebody who wants to sign in to the router itself and may not.
    RouterLogin,
    /// A name that memory does not know, and PostgreSQL could not be asked.
    CannotCheck,
}

impl Denial {
    /// All reasons.
    pub const ALL: [Denial; 13] = [
        Denial::UnknownUser,
        Denial::BadPassword,
        Denial::CredentialOver,
        Denial::WrongDevice,
        Denial::TooManyDevices,
        Denial::TimeOver,
        Denial::DataUsed,
        Denial::Revoked,
        Denial::UnknownDevice,
        Denial::BadRequest,
        Denial::EapNotOffered,
        Denial::RouterLogin,
        Denial::CannotCheck,
    ];

    /// A fixed word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Denial::UnknownUser => "unknown_user",
            Denial::BadPassword => "bad_password",
            Denial::CredentialOver => "credential_over",
            Denial::WrongDevice => "wrong_mac",
            Denial::TooManyDevices => "device_limit",
            Denial::TimeOver => "expired",
            Denial::DataUsed => "quota",
            Denial::Revoked => "suspended",
            Denial::UnknownDevice => "unknown_device",
            Denial::BadRequest => "bad_request",
            Denial::EapNotOffered => "eap_not_offered",
            Denial::RouterLogin => "router_login",
            Denial::CannotCheck => "db_unavailable",
        }
    }

    /// The sentence that the guest reads.
    pub fn sentence(self) -> &'static str {
        match self {
            Denial::UnknownUser => "We do not know this name or voucher. Please check the spelling.",
            Denial::BadPassword => "The password is not right. Please try again.",
            Denial::CredentialOver => "This login is no longer valid. Please open the Wi-Fi page again.",
            Denial::WrongDevice => "This login was made for another device. Please open the Wi-Fi page on this one.",
            Denial::TooManyDevices => "This package is already used on all its devices.",
            Denial::TimeOver => "Your time is used up. Please buy a new package.",
            Denial::DataUsed => "Your data is used up. Please buy a new package.",
            Denial::Revoked => "This access was withdrawn. Please ask the operator.",
            Denial::UnknownDevice => "Welcome. Please choose a package to go online.",
            Denial::BadRequest => "The router sent a login that cannot be understood. Please try again.",
            Denial::EapNotOffered => "This network does not offer this kind of login.",
            Denial::RouterLogin => "This name and password do not open the router.",
            Denial::CannotCheck => "We cannot check this login right now. Please try again in a minute.",
        }
    }
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

/// Decides whether `mac` may use an entitlement that stands so at `now`, and with what limits.
pub fn decide(standing: &Standing<'_>, mac: Option<Mac>, now: Moment) -> Result<Grant, Denial> {
    match standing.state {
        State::Active => {}
        State::Expired => return Err(Denial::TimeOver),
        State::Exhausted => return Err(Denial::DataUsed),
        State::Revoked => return Err(Denial::Revoked),
    }
    let terms = standing.terms;
    // Before the first login the whole time is left.
    let left = match standing.expires_at {
        Some(end) if end <= now => return Err(Denial::TimeOver),
        Some(end) => Some(whole_seconds_up(end.since(now))),
        None if standing.starts_at.is_none() => terms.duration,
        None => None,
    };
    let octets_left = match terms.quota_octets {
        Some(quota) if standing.used_octets >= quota => return Err(Denial::DataUsed),
        Some(quota) => Some(quota - standing.used_octets),
        None => None,
    };
    if !standing.is_bound(mac) && standing.devices.len() >= terms.device_limit as usize {
        return Err(Denial::TooManyDevices);
    }
    Ok(Grant {
        session_timeout: left.map(|left| left.min(MAX_SESSION_TIMEOUT)),
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
    use shared::rate::Rate;
    use shared::time::OffsetDateTime;

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
            rate: Some(Rate { up_bps: 1_000_000, down_bps: 2_000_000 }.text()),
            device_limit: 1,
            idle_timeout: None,
        }
    }

    fn fresh(terms: &Terms) -> Standing<'_> {
        Standing { state: State::Active, terms, starts_at: None, expires_at: None, used_octets: 0, devices: &[] }
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
        let started = Standing { starts_at, expires_at, used_octets: 900, devices: &[A], ..fresh(&terms) };
        let grant = decide(&started, Some(A), at(3590)).expect("granted");
        assert_eq!((grant.session_timeout, grant.octets_left), (Some(Duration::from_secs(10)), Some(100)));
        let half = at(3599).after(Duration::from_millis(500));
        assert_eq!(decide(&started, Some(A), half).expect("granted").session_timeout, Some(Duration::from_secs(1)));
        let just = at(3600).before(Duration::from_micros(1));
        assert_eq!(decide(&started, Some(A), just).expect("granted").session_timeout, Some(Duration::from_secs(1)));
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
            (Standing { used_octets: 1000, ..fresh }, Denial::DataUsed),
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

    #[test]
    fn every_reason_has_a_word_of_its_own_and_a_sentence_that_fits_one_attribute() {
        let labels: std::collections::HashSet<_> = Denial::ALL.iter().map(|d| d.label()).collect();
        assert_eq!(labels.len(), Denial::ALL.len());
        for denial in Denial::ALL {
            assert!(denial.sentence().len() <= 253 && denial.sentence().ends_with('.'));
        }
    }
}
