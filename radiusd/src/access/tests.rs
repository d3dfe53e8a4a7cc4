//! Logins of every kind against a small directory.

use std::time::Duration;

use shared::entitlement::{Credential, CredentialKind};
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::directory::Directory;
use crate::policy::Denial;
use radius_proto::attribute::rfc2865;
use radius_proto::password::chap;
use radius_proto::{Builder, Code, MAX_PACKET};
use radius_proto::{Packet, Secret};
use shared::entitlement::{Entitlement, State, Used};
use shared::rules::Rules;
use store::directory::{Entry, Version};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const MAC: &str = "02:00:00:00:00:01";

fn secret() -> Secret {
    Secret::new(b"testing123").expect("not empty")
}

fn directory() -> Directory {
    let directory = Directory::new();
    let entitlement = |id: u128| Entitlement {
        id: Uuid::from_u128(id),
        package: "1 hour".into(),
        state: State::Active,
        starts_at: None,
        expires_at: None,
        rules: Rules { duration: Some(Duration::from_secs(3600)), ..Rules::default() },
        used: Used::default(),
        swaps_free_at: None,
        revision: u16::try_from(id).expect("small") * 10,
        devices: vec![],
    };
    let credential = |id: u128, kind, login: &str, password: &str| Credential {
        id: Uuid::from_u128(id + 100),
        entitlement: Uuid::from_u128(id),
        kind,
        login: login.into(),
        password: password.into(),
        mac: (kind == CredentialKind::OneTime).then(|| MAC.parse().expect("a MAC")),
        valid_until: (kind == CredentialKind::OneTime).then(|| NOW + Duration::from_secs(600)),
    };
    let put = |id, credential| {
        let entry = Entry { entitlement: entitlement(id), credentials: vec![credential], version: Version::default() };
        assert!(directory.put(entry, NOW));
    };
    put(1, credential(1, CredentialKind::Password, "amina", "siri"));
    put(2, credential(2, CredentialKind::Voucher, "ABCDE23456", "ABCDE23456"));
    put(3, credential(3, CredentialKind::OneTime, "ORDER234", "once"));
    put(4, credential(4, CredentialKind::Voucher, "ABCDE23456G", "ABCDE23456G"));
    for (id, code) in [(5, "ABCDE23457"), (6, "ABCDE23458")] {
        let valid_until = Some(NOW + Duration::from_secs(600));
        put(id, Credential { valid_until, ..credential(id, CredentialKind::Voucher, code, code) });
    }
    directory
}

enum Way<'a> {
    Pap(&'a str),
    Chap(&'a str),
}

fn ask(directory: &Directory, name: &str, way: &Way<'_>, mac: &str, now: OffsetDateTime) -> Verdict {
    let mut buffer = [0; MAX_PACKET];
    let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
    let authenticator = [7; 16];
    request.put(rfc2865::CALLING_STATION_ID, mac.as_bytes()).expect("fits");
    request.put(rfc2865::USER_NAME, name.as_bytes()).expect("fits");
    match way {
        Way::Pap(password) => {
            request.put_user_password(password.as_bytes(), &authenticator, &secret()).expect("fits");
        }
        Way::Chap(password) => {
            request.put(rfc2865::CHAP_CHALLENGE, &[9; 16]).expect("fits");
            request.put(rfc2865::CHAP_PASSWORD, &chap::response(5, password.as_bytes(), &[9; 16])).expect("fits");
        }
    }
    let octets = request.finish_access_request(&secret(), authenticator);
    let packet = Packet::parse(octets).expect("our own packet");
    let mut scratch = [0; 128];
    let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
    judge(&login, directory, Memory::Fresh, now)
}

fn denial(verdict: Verdict) -> Option<Denial> {
    match verdict {
        Verdict::Denied(denial) => Some(denial),
        _ => None,
    }
}

#[test]
fn pap_and_chap_prove_the_same_password() {
    for way in [Way::Pap("siri"), Way::Chap("siri")] {
        assert!(matches!(ask(&directory(), "amina", &way, MAC, NOW), Verdict::Granted(_)));
    }
    for way in [Way::Pap("Siri"), Way::Chap("siri "), Way::Pap("")] {
        assert_eq!(denial(ask(&directory(), "amina", &way, MAC, NOW)), Some(Denial::BadPassword));
    }
    assert!(matches!(ask(&directory(), "juma", &Way::Pap("siri"), MAC, NOW), Verdict::NotInMemory));
}

#[test]
fn a_grant_tells_which_revision_it_was_made_from() {
    let directory = directory();
    for (name, way) in [("amina", Way::Pap("siri")), (MAC, Way::Pap(""))] {
        let Verdict::Granted(granted) = ask(&directory, name, &way, MAC, NOW) else { panic!("refused") };
        assert_eq!((granted.entitlement, granted.revision), (Uuid::from_u128(1), 10), "{name}");
    }
}

#[test]
fn a_voucher_is_typed_in_any_way() {
    for (name, way) in [
        ("ABCDE23456", Way::Pap("ABCDE23456")),
        ("abcde-23456", Way::Pap("abcde 23456")),
        ("abcde-23456", Way::Pap("")),
        ("ABCDE23456", Way::Chap("ABCDE23456")),
        ("abcde23456", Way::Chap("abcde23456")),
        ("abcd-e234-56g", Way::Pap("ABCD E234 56G")),
        ("abcde23456g", Way::Pap("")),
        ("abcde23456g", Way::Chap("abcde23456g")),
    ] {
        assert!(matches!(ask(&directory(), name, &way, MAC, NOW), Verdict::Granted(_)), "{name}");
    }
    assert_eq!(denial(ask(&directory(), "ABCDE23456", &Way::Pap("x"), MAC, NOW)), Some(Denial::BadPassword));
    assert!(matches!(ask(&directory(), "ABCDE32456G", &Way::Pap(""), MAC, NOW), Verdict::NotInMemory), "mistyped");
}

#[test]
fn a_voucher_is_used_by_its_last_day_and_goes_on_after_it() {
    let directory = directory();
    let (before, after) = (NOW + Duration::from_secs(599), NOW + Duration::from_secs(600));
    assert!(matches!(ask(&directory, "ABCDE23457", &Way::Pap(""), MAC, before), Verdict::Granted(_)));
    assert!(matches!(ask(&directory, "ABCDE23457", &Way::Pap(""), MAC, after), Verdict::Granted(_)), "it was used");
    for way in [Way::Pap(""), Way::Chap("ABCDE23458")] {
        assert_eq!(denial(ask(&directory, "ABCDE23458", &way, MAC, after)), Some(Denial::VoucherOver));
    }
    let wrong = Way::Pap("x");
    assert_eq!(
        denial(ask(&directory, "ABCDE23458", &wrong, MAC, after)),
        Some(Denial::BadPassword),
        "no proof, no word"
    );
}

#[test]
fn a_one_time_password_is_good_once_with_a_short_grace() {
    let directory = directory();
    let way = Way::Pap("once");
    assert_eq!(denial(ask(&directory, "ORDER234", &way, "02:00:00:00:00:09", NOW)), Some(Denial::WrongDevice));
    let Verdict::Granted(granted) = ask(&directory, "ORDER234", &way, MAC, NOW) else { panic!("refused") };
    assert_eq!(granted.record.expect("to be written down").spent, Some(Uuid::from_u128(103)));
    let soon = NOW + Duration::from_secs(29);
    assert!(matches!(ask(&directory, "ORDER234", &way, MAC, soon), Verdict::Granted(_)));
    let later = NOW + Duration::from_secs(60);
    assert_eq!(denial(ask(&directory, "ORDER234", &way, MAC, later)), Some(Denial::CredentialOver));
}

#[test]
fn a_new_one_time_password_may_overtake_the_feed() {
    let directory = directory();
    let judged = |memory| {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        request.put(rfc2865::CALLING_STATION_ID, MAC.as_bytes()).expect("fits");
        request.put(rfc2865::USER_NAME, b"ORDER234").expect("fits");
        request.put_user_password(b"newer", &[7; 16], &secret()).expect("fits");
        let octets = request.finish_access_request(&secret(), [7; 16]);
        let packet = Packet::parse(octets).expect("our own packet");
        let mut scratch = [0; 128];
        let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
        judge(&login, &directory, memory, NOW)
    };
    assert!(matches!(judged(Memory::Usual), Verdict::NotInMemory), "so it is looked up");
    assert_eq!(denial(judged(Memory::Fresh)), Some(Denial::BadPassword));
}

#[test]
fn a_device_is_let_in_by_its_mac_once_it_is_bound() {
    let directory = directory();
    assert!(matches!(ask(&directory, MAC, &Way::Chap(""), MAC, NOW), Verdict::NotInMemory));
    assert!(matches!(ask(&directory, "amina", &Way::Pap("siri"), MAC, NOW), Verdict::Granted(_)));
    for (name, way) in [(MAC, Way::Chap("")), (MAC, Way::Pap("")), ("02-00-00-00-00-01", Way::Pap("02-00-00-00-00-01"))]
    {
        assert!(matches!(ask(&directory, name, &way, MAC, NOW), Verdict::Granted(_)), "{name}");
    }
    assert_eq!(denial(ask(&directory, MAC, &Way::Pap("x"), MAC, NOW)), Some(Denial::BadPassword));
    let over = NOW + Duration::from_secs(3600);
    assert_eq!(denial(ask(&directory, MAC, &Way::Pap(""), MAC, over)), Some(Denial::TimeOver));
}

#[test]
fn a_second_device_finds_its_place_taken() {
    let directory = directory();
    let makers = "00:00:00:00:00:01";
    assert!(matches!(ask(&directory, "amina", &Way::Pap("siri"), makers, NOW), Verdict::Granted(_)));
    let other = ask(&directory, "amina", &Way::Pap("siri"), "00:00:00:00:00:02", NOW);
    assert_eq!(denial(other), Some(Denial::TooManyDevices));
}

#[test]
fn a_wrong_secret_shows_in_a_password_that_is_no_text() {
    let mut buffer = [0; MAX_PACKET];
    let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
    request.put(rfc2865::USER_NAME, b"amina").expect("fits");
    request.put_user_password(b"siri", &[7; 16], &Secret::new(b"other").expect("not empty")).expect("fits");
    let octets = request.finish_access_request(&secret(), [7; 16]);
    let packet = Packet::parse(octets).expect("our own packet");
    let read = Login::read(&packet, &secret(), false, &mut [0; 128]).map(|login| login.method());
    assert_eq!(read, Err(Unreadable::Silent("bad_secret")));
}

#[test]
fn attributes_that_a_guest_adds_do_not_change_who_is_asked_for() {
    for (attribute, value) in [
        (rfc2865::USER_NAME.kind, &b"juma"[..]),
        (rfc2865::CALLING_STATION_ID.kind, b"x"),
        (rfc2865::CHAP_PASSWORD.kind, &[0; 17]),
    ] {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        request.put(rfc2865::CALLING_STATION_ID, MAC.as_bytes()).expect("fits");
        request.put(rfc2865::USER_NAME, b"amina").expect("fits");
        request.put_user_password(b"siri", &[7; 16], &secret()).expect("fits");
        request.put_raw(attribute, value).expect("fits");
        let octets = request.finish_access_request(&secret(), [7; 16]);
        let packet = Packet::parse(octets).expect("our own packet");
        let read = Login::read(&packet, &secret(), true, &mut [0; 128]).map(|login| login.method());
        assert_eq!(read, Err(Unreadable::Denied(Denial::BadRequest)), "attribute {attribute}");
    }
}
