//! What the memory of the directory costs, by a counting allocator: a login that memory answers allocates nothing, and
//! an entitlement with its login takes less than 400 octets.
//!
//! The counting allocator (`allocation-counter`) is this test program's alone; it counts for the thread that measures.

use std::time::Duration;

use radius_proto::attribute::rfc2865;
use radius_proto::password::chap;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret};
use radiusd::access::{Login, Memory, Verdict, judge};
use radiusd::directory::Directory;
use radiusd::policy::put_accept;
use radiusd::ticket::Ticket;
use shared::entitlement::{Credential, CredentialKind, Entitlement, State, Used};
use shared::mac::Mac;
use shared::rate::Rate;
use shared::rules::Rules;
use shared::time::OffsetDateTime;
use store::directory::{Entry, Version};
use uuid::Uuid;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Not a power of two less a little: the tables have just grown, which is the worst that they can be.
const MANY: u128 = 120_000;
/// What one entitlement may take, in octets.
const OCTETS_MAX: u64 = 400;
/// What the system's allocator adds to an allocation at most: a length, and rounding up to sixteen.
const OVERHEAD: u64 = 8 + 15;

fn entry(number: u128, kind: CredentialKind, login: &str, password: &str, mac: Mac) -> Entry {
    let entitlement = Entitlement {
        id: Uuid::from_u128(number),
        package: "1 hour".into(),
        state: State::Active,
        starts_at: Some(NOW),
        expires_at: Some(NOW + Duration::from_secs(3600)),
        rules: Rules {
            duration: Some(Duration::from_secs(3600)),
            quota_octets: Some(1 << 30),
            rate: Some(Rate { up_bps: 2_000_000, down_bps: 5_000_000 }),
            device_limit: 2,
            idle_timeout: Some(Duration::from_secs(300)),
            ..Rules::default()
        },
        used: Used::default(),
        swaps_free_at: None,
        revision: 0,
        devices: vec![mac],
    };
    let credential = Credential {
        id: Uuid::from_u128(number << 64),
        entitlement: entitlement.id,
        kind,
        login: login.into(),
        password: password.into(),
        mac: None,
        valid_until: None,
    };
    Entry { entitlement, credentials: vec![credential], version: Version::default() }
}

fn request<'b>(buffer: &'b mut [u8; MAX_PACKET], name: &str, pap: Option<&str>, chap_password: &str) -> &'b [u8] {
    let mut request = Builder::new(buffer, Code::AccessRequest, 1);
    let authenticator = [7; 16];
    request.put(rfc2865::CALLING_STATION_ID, MAC.to_string().as_bytes()).expect("fits");
    request.put(rfc2865::USER_NAME, name.as_bytes()).expect("fits");
    match pap {
        Some(password) => {
            request.put_user_password(password.as_bytes(), &authenticator, &secret()).expect("fits");
        }
        None => {
            request.put(rfc2865::CHAP_CHALLENGE, &[9; 16]).expect("fits");
            let response = chap::response(5, chap_password.as_bytes(), &[9; 16]);
            request.put(rfc2865::CHAP_PASSWORD, &response).expect("fits");
        }
    }
    request.finish_access_request(&secret(), authenticator)
}

fn secret() -> Secret {
    Secret::new(b"testing123").expect("not empty")
}

/// From the packet to the attributes of the answer.
fn log_in(directory: &Directory, packet: &Packet<'_>, secret: &Secret, buffer: &mut [u8; MAX_PACKET]) -> bool {
    let mut scratch = [0; 128];
    let login = Login::read(packet, secret, true, &mut scratch).expect("readable");
    let Verdict::Granted(granted) = judge(&login, directory, Memory::Usual, NOW) else { return false };
    let ticket = Ticket::new(granted.entitlement, granted.revision, NOW);
    let mut reply = radius_proto::reply(buffer, Code::AccessAccept, packet).expect("an answer");
    put_accept(&mut reply, &granted.grant, &ticket.encode(), 60).expect("fits");
    granted.record.is_none()
}

#[test]
fn a_login_that_memory_answers_allocates_nothing() {
    let directory = Directory::new();
    directory.put(entry(1, CredentialKind::Password, "amina", "siri", MAC), NOW);
    directory.put(entry(2, CredentialKind::Voucher, "ABCDE23456", "ABCDE23456", MAC), NOW);
    directory.put(entry(3, CredentialKind::Voucher, "ABCDE23456G", "ABCDE23456G", MAC), NOW);
    let ways = [
        ("PAP", "amina", Some("siri"), ""),
        ("CHAP", "amina", None, "siri"),
        ("voucher as printed, PAP", "abcde-23456", Some("abcde-23456"), ""),
        ("voucher, CHAP", "ABCDE23456", None, "ABCDE23456"),
        ("voucher with a check, PAP", "abcd-e234-56g", Some("abcd-e234-56g"), ""),
        ("voucher with a check, CHAP", "ABCDE23456G", None, "ABCDE23456G"),
        ("MAC", "02:00:00:00:00:01", Some(""), ""),
        ("MAC, CHAP", "02-00-00-00-00-01", None, ""),
    ];
    for (way, name, pap, chap_password) in ways {
        let (mut asked, mut answered) = ([0; MAX_PACKET], [0; MAX_PACKET]);
        let packet = Packet::parse(request(&mut asked, name, pap, chap_password)).expect("our own packet");
        let secret = secret();
        let counted = allocation_counter::measure(|| {
            for _ in 0..200 {
                assert!(log_in(&directory, &packet, &secret, &mut answered), "{way}");
            }
        });
        assert_eq!(counted.count_total, 0, "{way}: {counted:?}");
    }
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1, "what is allocated is counted");
}

#[test]
fn a_customer_takes_less_than_four_hundred_octets() {
    let directory = Directory::new();
    let counted = allocation_counter::measure(|| {
        for number in 1..=MANY {
            let [.., a, b, c] = number.to_be_bytes();
            let (name, password) = (format!("user{number:07}"), format!("pw{number:07}"));
            let mac = Mac([2, 0, 0, a, b, c]);
            directory.put(entry(number, CredentialKind::Password, &name, &password, mac), NOW);
        }
    });
    let bytes = u64::try_from(counted.bytes_current).expect("more than before");
    let count = u64::try_from(counted.count_current).expect("more than before");
    let octets = (bytes + count * OVERHEAD) / u64::try_from(MANY).expect("fits");
    println!("{octets} octets for each of {MANY} entitlements with a login and a device: {counted:?}");
    assert!(octets > 150, "{octets}: something was not counted");
    assert!(octets < OCTETS_MAX, "{octets} octets");
}
