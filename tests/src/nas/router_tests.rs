//! The router's core on a clock that the test moves.

use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;

use super::*;

const PHONE: Mac = Mac::phone(1);

fn config() -> NasConfig {
    let nowhere = ([127, 0, 0, 1], 9).into();
    let mut config = NasConfig::new(nowhere, nowhere, b"secret").expect("a secret");
    config.seed = Some(1);
    config.interim_floor = Duration::ZERO;
    config
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn login(router: &mut Router, now: u64, mac: Mac, user: &str, terms: Terms) -> Result<(), Refusal> {
    let attempt = router.begin_login(at(now), mac, user, LoginMethod::HttpPap)?;
    router.finish_login(at(now), attempt, Some(terms))
}

fn kinds(router: &Router, mac: Mac) -> Vec<ReportKind> {
    router.journal().of(mac).map(|entry| entry.kind).collect()
}

#[test]
fn a_router_announces_itself_and_numbers_sessions_by_boot() {
    let mut router = Router::new(config());
    assert_eq!(router.take_reports()[0].kind, ReportKind::AccountingOn);
    login(&mut router, 1, PHONE, "ann", Terms::default()).expect("granted");
    assert_eq!(router.session(PHONE).expect("active").session_id(), "80100001");
    router.power_cycle(at(5));
    assert_eq!(kinds(&router, PHONE), [ReportKind::Start], "a power cut sends no Stop");
    assert_eq!(router.hosts().count(), 0);
    login(&mut router, 6, PHONE, "ann", Terms::default()).expect("granted");
    assert_eq!(router.session(PHONE).expect("active").session_id(), "80200001");
}

#[test]
fn session_timeout_ends_the_session_at_its_second() {
    let mut router = Router::new(config());
    login(&mut router, 10, PHONE, "ann", Terms { session_timeout: Some(60), ..Terms::default() }).expect("granted");
    assert_eq!(router.next_deadline(), Some(at(70)));
    router.poll(at(69));
    assert!(router.session(PHONE).is_some());
    router.poll(at(70));
    assert!(router.session(PHONE).is_none());
    let stop = router.journal().of(PHONE).last().expect("a Stop");
    assert_eq!((stop.kind, stop.usage.seconds), (ReportKind::Stop(cause::SESSION_TIMEOUT), 60));
    assert_eq!(router.hosts().count(), 1, "the phone stays in the Wi-Fi");
}

#[test]
fn idle_timeout_counts_from_the_last_traffic() {
    let mut router = Router::new(config());
    login(&mut router, 0, PHONE, "ann", Terms { idle_timeout: Some(30), ..Terms::default() }).expect("granted");
    router.traffic(at(20), PHONE, 1, 1).expect("logged in");
    router.poll(at(49));
    assert!(router.session(PHONE).is_some());
    router.poll(at(50));
    assert_eq!(kinds(&router, PHONE).last(), Some(&ReportKind::Stop(cause::IDLE_TIMEOUT)));
}

#[test]
fn a_limit_past_four_gibibytes_cuts_at_its_octet() {
    let mut router = Router::new(config());
    let limit = (1 << 32) + 100;
    login(&mut router, 0, PHONE, "ann", Terms { total_limit: Some(limit), ..Terms::default() }).expect("granted");
    assert_eq!(router.traffic(at(1), PHONE, 50, 1 << 32), Some((50, 1 << 32)));
    assert_eq!(router.traffic(at(2), PHONE, 40, 40), Some((40, 10)));
    assert!(router.session(PHONE).is_none());
    let stop = router.journal().of(PHONE).last().expect("a Stop");
    assert_eq!(stop.kind, ReportKind::Stop(cause::NAS_REQUEST));
    assert_eq!(stop.usage.up + stop.usage.down, limit);
    assert_eq!(router.traffic(at(3), PHONE, 1, 1), None);
}

#[test]
fn each_direction_has_its_own_limit() {
    let mut router = Router::new(config());
    let terms = Terms { recv_limit: Some(10), xmit_limit: Some(100), ..Terms::default() };
    login(&mut router, 0, PHONE, "ann", terms).expect("granted");
    assert_eq!(router.traffic(at(1), PHONE, 5, 99), Some((5, 99)));
    assert!(router.session(PHONE).is_some());
    router.traffic(at(1), PHONE, 5, 0).expect("logged in");
    assert!(router.session(PHONE).is_none());
}

#[test]
fn interims_come_only_when_asked_for() {
    let mut router = Router::new(config());
    login(&mut router, 0, PHONE, "ann", Terms { interim_interval: Some(60), ..Terms::default() }).expect("granted");
    login(&mut router, 0, Mac::phone(2), "ben", Terms::default()).expect("granted");
    for second in (0..=180).step_by(20) {
        router.poll(at(second));
    }
    let interim = ReportKind::InterimUpdate;
    assert_eq!(kinds(&router, PHONE), [ReportKind::Start, interim, interim, interim]);
    assert_eq!(kinds(&router, Mac::phone(2)), [ReportKind::Start]);
}

#[test]
fn port_limit_is_enforced_after_the_accept() {
    let mut router = Router::new(config());
    let terms = || Terms { port_limit: Some(1), ..Terms::default() };
    login(&mut router, 0, PHONE, "ann", terms()).expect("granted");
    let second = login(&mut router, 0, Mac::phone(2), "ann", terms());
    assert_eq!(second, Err(Refusal::TooManySessions("ann".into())));
    assert_eq!(kinds(&router, Mac::phone(2)), [], "no session, no accounting");
    login(&mut router, 1, PHONE, "ann", terms()).expect("the same phone may log in again");
}

#[test]
fn what_the_router_refuses_before_it_asks() {
    let mut router = Router::new(config());
    let stolen = login(&mut router, 0, PHONE, "02:00:00:00:00:02", Terms::default());
    assert_eq!(stolen, Err(Refusal::WrongMacUsername("02:00:00:00:00:02".into())));
    login(&mut router, 0, PHONE, &PHONE.to_string(), Terms::default()).expect("its own");
    login(&mut router, 0, PHONE, "254712345678", Terms::default()).expect("a telephone number is no MAC");
    assert_eq!(login(&mut router, 0, PHONE, "", Terms::default()), Err(Refusal::InvalidUsername));
    router.begin_login(at(1), PHONE, "ann", LoginMethod::HttpPap).expect("begun");
    let twice = router.begin_login(at(1), PHONE, "ann", LoginMethod::HttpPap);
    assert_eq!(twice, Err(Refusal::InProgress));
}

#[test]
fn an_answer_from_before_a_power_cut_starts_nothing() {
    let mut router = Router::new(config());
    let attempt = router.begin_login(at(0), PHONE, "ann", LoginMethod::HttpPap).expect("begun");
    router.power_cycle(at(1));
    assert_eq!(router.finish_login(at(2), attempt, Some(Terms::default())), Err(Refusal::ShuttingDown));
    assert!(router.session(PHONE).is_none());
}

#[test]
fn a_coa_moves_the_end_and_one_in_the_past_cuts() {
    let mut router = Router::new(config());
    login(&mut router, 0, PHONE, "ann", Terms { session_timeout: Some(60), ..Terms::default() }).expect("granted");
    router.amend(at(50), PHONE, Terms { session_timeout: Some(120), ..Terms::default() });
    router.poll(at(60));
    assert_eq!(router.session(PHONE).expect("still active").time_left(at(60)), Some(at(60)));
    router.amend(at(61), PHONE, Terms { session_timeout: Some(30), ..Terms::default() });
    assert_eq!(kinds(&router, PHONE).last(), Some(&ReportKind::Stop(cause::SESSION_TIMEOUT)));
}

#[test]
fn a_full_pool_is_refused_until_a_host_goes_stale() {
    let mut small = config();
    small.pool = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(10, 5, 50, 0), 30);
    let mut router = Router::new(small);
    assert_eq!(router.join(at(0), PHONE), Ok(true));
    assert_eq!(router.hosts().next().expect("one").1.ip, Ipv4Addr::new(10, 5, 50, 2));
    assert_eq!(router.join(at(1), Mac::phone(2)), Err(Refusal::PoolEmpty));
    assert_eq!(router.join(at(301), Mac::phone(2)), Ok(true));
    assert_eq!(router.hosts().count(), 1);
}

#[test]
fn a_challenge_is_shown_again_until_it_is_used_or_old() {
    let mut router = Router::new(config());
    router.join(at(0), PHONE).expect("room");
    let shown = router.challenge(at(0), PHONE).expect("a host");
    assert_eq!(router.challenge(at(5), PHONE), Some(shown));
    assert_eq!(router.take_challenge(at(6), PHONE), Some(shown));
    assert_eq!(router.take_challenge(at(7), PHONE), None, "good for one login");
    router.challenge(at(8), PHONE).expect("a host");
    assert_eq!(router.take_challenge(at(8 + 3600), PHONE), None, "too old");
}
