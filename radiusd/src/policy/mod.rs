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
use shared::rate::{Rate, RateText};
use shared::rules::{DataLeft, DevicePolicy, Rules, Swaps};

pub(crate) use reply::put_data;
pub use reply::{put_accept, put_reject};
pub use shared::denial::Denial;
pub use standing::{Here, Moment, Standing, Terms};

/// Longest Session-Timeout that RouterOS takes, seconds.
pub(crate) const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(21_474_720);

/// Reports come no more often than this, however little is left.
const SHORTEST_INTERIM: Duration = Duration::from_secs(60);
/// What a device without a limit is taken to use at full speed, bit/s.
const USUAL_BPS: u64 = 10_000_000;

/// What a router is told to allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// How long the session may last from now on.
    pub session_timeout: Option<Duration>,
    /// How much it may still use. Devices that share a quota have a share each: see [`share`].
    pub data: DataLeft,
    /// Speed, in the router's words.
    pub rate: Option<RateText>,
    /// Idle time after which the session ends.
    pub idle_timeout: Option<Duration>,
    /// Reports must come so often at least, since little is left.
    pub interim: Option<Duration>,
    /// The device that gives its place to this one.
    pub replaces: Option<Mac>,
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
        return Err(match validity.kind {
            CredentialKind::Voucher => Denial::VoucherOver,
            CredentialKind::Password | CredentialKind::OneTime => Denial::CredentialOver,
        });
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
    let (now, rules) = (here.now, &standing.terms.rules);
    let time_left = rules.time_left(standing.used);
    match standing.state {
        State::Active => {}
        State::Expired => return Err(Denial::TimeOver),
        State::Exhausted if time_left == Some(Duration::ZERO) => return Err(Denial::OnlineTimeUsed),
        State::Exhausted => return Err(Denial::DataUsed),
        State::Revoked => return Err(Denial::Revoked),
    }
    // Before the first login the whole time is left.
    let end = if standing.starts_at.is_none() { standing.terms.end(here) } else { standing.expires_at };
    let left = match end {
        Some(end) if end <= now => return Err(Denial::TimeOver),
        Some(end) => Some(whole_seconds_up(end.since(now))),
        None => None,
    };
    if time_left == Some(Duration::ZERO) {
        return Err(Denial::OnlineTimeUsed);
    }
    let data = rules.data_left(standing.used).ok_or(Denial::DataUsed)?;
    let open = match &rules.hours {
        Some(hours) => {
            let (minute, seconds) = here.minute_of_week();
            let minutes = hours.open_for(minute).ok_or(Denial::OutsideHours)?;
            Some(Duration::from_secs(u64::from(minutes) * 60 - u64::from(seconds)))
        }
        None => None,
    };
    let is_bound = standing.is_bound(mac);
    let is_full = standing.devices.len() >= rules.device_limit as usize;
    let replaces = if is_full && !is_bound { Some(gives_way(standing, mac, now)?) } else { None };
    let newcomers = usize::from(mac.is_some() && !is_bound && replaces.is_none());
    let data = shares(rules, data, standing.devices.len() + newcomers);
    let (rate, speed) = standing.terms.speed(standing.used, here);
    Ok(Grant {
        session_timeout: left.into_iter().chain(time_left).chain(open).min().map(|left| left.min(MAX_SESSION_TIMEOUT)),
        data,
        rate,
        idle_timeout: rules.idle_timeout,
        interim: interim(data, speed),
        replaces,
    })
}

/// The device that gives its place to `mac` when all are taken, as the package says. That devices change is normal; that they
/// change all day long is somebody sharing.
fn gives_way(standing: &Standing<'_>, mac: Option<Mac>, now: Moment) -> Result<Mac, Denial> {
    let mac = mac.ok_or(Denial::TooManyDevices)?;
    let mut devices = standing.devices.iter().copied();
    let old = match standing.terms.rules.devices {
        DevicePolicy::Replace => devices.next(),
        // Most likely it is the same phone under another name.
        DevicePolicy::Strict if mac.is_random() => devices.find(|device| device.is_random()),
        DevicePolicy::Strict | DevicePolicy::Ask => None,
    };
    let old = old.ok_or(Denial::TooManyDevices)?;
    if standing.swaps_free_at.is_some_and(|free_at| free_at > now.after(Swaps::AHEAD)) {
        return Err(Denial::TooManySwaps);
    }
    Ok(old)
}

/// What each of so many devices may use before its router must ask again.
fn shares(rules: &Rules, left: DataLeft, devices: usize) -> DataLeft {
    let share = |quota: Option<u64>, left: Option<u64>| Some(share(quota?, left?, devices));
    DataLeft {
        total: share(rules.quota_octets, left.total),
        up: share(rules.quota_up, left.up),
        down: share(rules.quota_down, left.down),
    }
}

/// What one of so many devices may use of what is left of a quota that they share: its part. So together they cannot use more than
/// there is, however seldom their routers report; and as they use it, the parts are told anew
/// (`store::accounting`). A part is never so small that devices do nothing but ask for the next: at the end each may use one of
/// so many parts of a hundredth of the quota, and what they use beyond the quota is less than that hundredth.
fn share(quota: u64, left: u64, devices: usize) -> u64 {
    let devices = u64::try_from(devices).unwrap_or(u64::MAX).max(1);
    (left / devices).max(left.min(quota / devices.saturating_mul(100))).max(1)
}

/// How often reports must come while little is left: four times until it is used up at full speed, though not more often than
/// [`SHORTEST_INTERIM`].
fn interim(data: DataLeft, speed: Option<Rate>) -> Option<Duration> {
    let least = data.total.into_iter().chain(data.up).chain(data.down).min()?;
    let known = speed.map(|rate| rate.up_bps.max(rate.down_bps)).filter(|&bps| bps > 0);
    let octets_a_second = known.unwrap_or(USUAL_BPS) / 8;
    let lasts = least / octets_a_second.max(1);
    Some(Duration::from_secs(lasts / 4).max(SHORTEST_INTERIM))
}

/// Seconds, rounded up: a Session-Timeout of zero would mean none at all.
pub(crate) fn whole_seconds_up(left: Duration) -> Duration {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Duration::from_secs(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::entitlement::Used;
    use shared::rate::Rate;
    use shared::time::{OffsetDateTime, Zone};

    const A: Mac = Mac([0, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([0, 0, 0, 0, 0, 2]);
    const RANDOM: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER_RANDOM: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn at(seconds: u64) -> Moment {
        Moment::from(OffsetDateTime::UNIX_EPOCH).after(Duration::from_secs(seconds))
    }

    fn rules() -> Rules {
        Rules {
            duration: Some(Duration::from_secs(3600)),
            quota_octets: Some(1000),
            rate: Some(Rate { up_bps: 1_000_000, down_bps: 2_000_000 }),
            ..Rules::default()
        }
    }

    fn terms() -> Terms {
        Terms::new("1 hour", rules())
    }

    fn octets(octets: u64) -> Used {
        Used { down: octets, ..Used::default() }
    }

    fn fresh(terms: &Terms) -> Standing<'_> {
        Standing {
            state: State::Active,
            terms,
            starts_at: None,
            expires_at: None,
            used: Used::default(),
            devices: &[],
            swaps_free_at: None,
        }
    }

    #[test]
    fn the_first_login_gets_all_of_it() {
        let grant = decide(&fresh(&terms()), Some(A), at(0)).expect("granted");
        assert_eq!(grant.session_timeout, Some(Duration::from_secs(3600)));
        assert_eq!(grant.data.total, Some(1000));
        assert_eq!(grant.rate.expect("limited").as_bytes(), b"1M/2M");
    }

    #[test]
    fn a_later_login_gets_what_is_left() {
        let terms = terms();
        let (starts_at, expires_at) = (Some(at(0)), Some(at(3600)));
        let started = Standing { starts_at, expires_at, used: octets(900), devices: &[A], ..fresh(&terms) };
        let grant = decide(&started, Some(A), at(3590)).expect("granted");
        assert_eq!((grant.session_timeout, grant.data.total), (Some(Duration::from_secs(10)), Some(100)));
        let half = at(3599).after(Duration::from_millis(500));
        assert_eq!(decide(&started, Some(A), half).expect("granted").session_timeout, Some(Duration::from_secs(1)));
        let just = at(3600).before(Duration::from_micros(1));
        assert_eq!(decide(&started, Some(A), just).expect("granted").session_timeout, Some(Duration::from_secs(1)));
    }

    #[test]
    fn happy_hours_have_a_speed_of_their_own_in_the_time_of_the_place() {
        let rules = Rules {
            happy_hours: Some("daily 22:00-06:00 at 4M/8M".parse().expect("happy hours")),
            fair_use: "500MB 512k/1M".parse().expect("stages"),
            quota_octets: None,
            ..rules()
        };
        let terms = Terms::new("night", rules);
        // The epoch was three o'clock in Nairobi.
        let speed = |hour: u64, used: u64| {
            let here = Zone::default().at(OffsetDateTime::UNIX_EPOCH + Duration::from_secs((hour + 21) * 3600));
            let standing = Standing { used: octets(used), ..fresh(&terms) };
            let grant = decide(&standing, Some(A), here).expect("granted");
            String::from_utf8(grant.rate.expect("limited").as_bytes().to_vec()).expect("text")
        };
        let table = [
            (21, 0, "1M/2M"),
            (22, 0, "4M/8M"),
            (23, 600_000_000, "4M/8M"),
            (5, 0, "4M/8M"),
            (6, 0, "1M/2M"),
            (7, 600_000_000, "512k/1M"),
        ];
        for (hour, used, expected) in table {
            assert_eq!(speed(hour, used), expected, "at {hour} o'clock after {used} octets");
        }
    }

    #[test]
    fn time_online_counts_only_while_somebody_is_online() {
        let two_hours = Duration::from_secs(7200);
        let month = Some(Duration::from_secs(30 * 86_400));
        let terms = Terms::new("online", Rules { quota_time: Some(two_hours), duration: month, ..rules() });
        let unlimited =
            Terms::new("online", Rules { quota_time: Some(two_hours), duration: None, quota_octets: None, ..rules() });
        let spent = |seconds| Used { seconds, ..Used::default() };
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
        let hours = Some("mon-fri 08:00-17:00, daily 22:00-06:00".parse().expect("hours"));
        let terms = Terms::new("hours", Rules { hours, duration: None, quota_octets: None, ..rules() });
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
    fn one_device_too_many_gets_in_as_the_package_says() {
        let full = [B, OTHER_RANDOM];
        let earlier = |seconds| Some(at(seconds));
        let in_a_day = at(0).after(Swaps::EVERY).after(Swaps::EVERY).after(Swaps::EVERY);
        let (strict, replace, ask) = (DevicePolicy::Strict, DevicePolicy::Replace, DevicePolicy::Ask);
        let table = [
            (strict, A, None, Err(Denial::TooManyDevices)),
            (strict, RANDOM, None, Ok(Some(OTHER_RANDOM))),
            (strict, B, None, Ok(None)),
            (replace, A, None, Ok(Some(B))),
            (replace, A, earlier(5), Ok(Some(B))),
            (replace, A, Some(at(0).after(Swaps::AHEAD)), Ok(Some(B))),
            (replace, A, Some(in_a_day), Err(Denial::TooManySwaps)),
            (strict, RANDOM, Some(in_a_day), Err(Denial::TooManySwaps)),
            (replace, B, Some(in_a_day), Ok(None)),
            (ask, A, None, Err(Denial::TooManyDevices)),
            (ask, RANDOM, None, Err(Denial::TooManyDevices)),
        ];
        for (devices, mac, swaps_free_at, expected) in table {
            let terms = Terms::new("two", Rules { devices, device_limit: 2, ..rules() });
            let standing = Standing { devices: &full, swaps_free_at, ..fresh(&terms) };
            let replaces = decide(&standing, Some(mac), at(0)).map(|grant| grant.replaces);
            assert_eq!(replaces, expected, "{devices:?} {mac} {swaps_free_at:?}");
        }
        let terms = Terms::new("two", Rules { device_limit: 2, ..rules() });
        let standing = Standing { devices: &[A, B], ..fresh(&terms) };
        assert_eq!(decide(&standing, Some(RANDOM), at(0)), Err(Denial::TooManyDevices), "no random one to replace");
    }

    #[test]
    fn devices_that_share_a_quota_have_a_part_each() {
        let terms = Terms::new("shared", Rules { quota_octets: Some(1_000_000), device_limit: 3, ..rules() });
        let part = |used, devices: &[Mac], mac| {
            let standing = Standing { used: octets(used), devices, ..fresh(&terms) };
            decide(&standing, Some(mac), at(0)).expect("granted").data.total
        };
        assert_eq!(part(0, &[], A), Some(1_000_000));
        assert_eq!(part(0, &[A], A), Some(1_000_000));
        assert_eq!(part(0, &[A], B), Some(500_000));
        assert_eq!(part(400_000, &[A, B, RANDOM], B), Some(200_000));
        assert_eq!(part(995_000, &[A, B, RANDOM], B), Some(3_333), "at the end, parts of a hundredth");
        assert_eq!(part(999_999, &[A, B, RANDOM], B), Some(1), "never more than there is");
        // However they use it, together they use less than a hundredth too much.
        for devices in 2..=100_usize {
            let quota = 1_000_000_u64;
            for left in [1, 999, 9_999, 10_000, 10_001, 500_000, quota] {
                let most = share(quota, left, devices) * devices as u64;
                assert!(most <= left + quota / 100, "{devices} devices, {left} left: {most}");
            }
        }
    }

    #[test]
    fn fair_use_slows_down_and_direction_has_its_own_limit() {
        let fair_use = "5GB 512k/1M, 10GB 128k/128k".parse().expect("stages");
        let burst = Some("4M/8M 1M/1M 10/10".parse().expect("a burst"));
        let rules = Rules { quota_octets: None, quota_up: Some(2_000_000_000), fair_use, burst, ..rules() };
        let terms = Terms::new("fair", rules);
        let grant = |used| decide(&Standing { used, ..fresh(&terms) }, Some(A), at(0));
        let speed = |used| String::from_utf8(grant(used).expect("granted").rate.expect("limited").as_bytes().to_vec());
        assert_eq!(speed(octets(0)).as_deref(), Ok("1M/2M 4M/8M 1M/1M 10/10"));
        assert_eq!(speed(octets(5_000_000_000)).as_deref(), Ok("512k/1M"));
        assert_eq!(speed(octets(11_000_000_000)).as_deref(), Ok("128k/128k"));
        let used = Used { up: 1_500_000_000, down: 9, seconds: 0 };
        let left = DataLeft { total: None, up: Some(500_000_000), down: None };
        assert_eq!(grant(used).expect("granted").data, left);
        assert_eq!(grant(Used { up: 2_000_000_000, ..used }), Err(Denial::DataUsed));
    }

    #[test]
    fn reports_come_sooner_when_little_is_left() {
        let interim = |left, bps| {
            let data = DataLeft { total: Some(left), ..DataLeft::default() };
            interim(data, Some(Rate { up_bps: 0, down_bps: bps })).map(|interim| interim.as_secs())
        };
        assert_eq!(interim(1_000_000_000, 8_000_000), Some(250), "1000 s at a megabyte a second");
        assert_eq!(interim(10_000_000, 8_000_000), Some(60));
        assert_eq!(interim(1_000_000_000, 0), Some(200), "as for 10 Mbit/s");
        assert_eq!(super::interim(DataLeft::default(), None), None);
    }

    #[test]
    fn a_day_ends_at_midnight_of_the_place() {
        let day = Rules { duration: None, until: Some(shared::rules::Until::EndOfDay), ..rules() };
        let terms = Terms::new("today", day);
        let evening = OffsetDateTime::from_unix_timestamp(1_795_986_000 - 3600).expect("in the calendar");
        let here = Here::from(Zone::default().at(evening));
        let first = decide(&fresh(&terms), Some(A), here).expect("granted");
        assert_eq!(first.session_timeout, Some(Duration::from_secs(3600)));
        let begun = Standing { starts_at: Some(here.now), expires_at: terms.end(here), ..fresh(&terms) };
        let after = Zone::default().at(evening + Duration::from_secs(3600));
        assert_eq!(decide(&begun, Some(A), after), Err(Denial::TimeOver));
    }

    #[test]
    fn a_one_time_password_is_for_its_device_and_its_time() {
        let validity = Validity { kind: CredentialKind::OneTime, mac: Some(A), until: Some(at(100)) };
        assert_eq!(check_credential(&validity, Some(A), at(99)), Ok(()));
        assert_eq!(check_credential(&validity, Some(B), at(99)), Err(Denial::WrongDevice));
        assert_eq!(check_credential(&validity, None, at(99)), Err(Denial::WrongDevice));
        assert_eq!(check_credential(&validity, Some(A), at(100)), Err(Denial::CredentialOver));
        let voucher = Validity { kind: CredentialKind::Voucher, mac: None, ..validity };
        assert_eq!(check_credential(&voucher, Some(A), at(99)), Ok(()));
        assert_eq!(check_credential(&voucher, Some(A), at(100)), Err(Denial::VoucherOver));
        let for_anyone = Validity { mac: None, ..validity };
        assert_eq!(check_credential(&for_anyone, None, at(99)), Err(Denial::WrongDevice));
    }
}
