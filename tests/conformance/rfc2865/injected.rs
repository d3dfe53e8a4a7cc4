//! A guest can add attributes to an Access-Request: the router's login form takes `radius<id>` and
//! `radius<id>-<vendor>` fields and copies them. Whatever they are, and wherever the router puts them, they change
//! neither who is asked for, nor from which router, nor what is granted: the login is judged as without them, or it is
//! refused, or it gets no answer.

use std::net::Ipv4Addr;

use radius_proto::Code;
use radius_proto::attribute::{microsoft, mikrotik, rfc2865, rfc2866, rfc2869};
use radius_proto::password::mschap;
use tests::world::lab::{Draft, Lab, MAC, NAME, PASSWORD, Port, SECRET};

/// What may become of a login with something added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Exactly what would have been granted without it.
    Same,
    /// An Access-Reject.
    Refused,
    /// Nothing, counted under this reason.
    Silent(&'static str),
}

use Fate::{Refused, Same, Silent};

/// Another customer, who has bought more.
const RICH: &str = "tajiri";
const RICHES: &str = "pesa nyingi";
const RICH_MAC: &str = "02:00:00:00:00:02";

type Addition = (&'static str, Fate, fn(Draft) -> Draft);

/// What a guest may think of.
const ADDITIONS: [Addition; 48] = [
    ("another name", Refused, |d| d.put(rfc2865::USER_NAME, RICH.as_bytes())),
    ("the same name again", Refused, |d| d.put(rfc2865::USER_NAME, NAME.as_bytes())),
    ("an empty name", Refused, |d| d.raw(1, b"")),
    ("another password", Refused, |d| d.pap(RICHES.as_bytes())),
    ("a CHAP password", Refused, |d| d.chap(RICHES.as_bytes())),
    ("a CHAP password alone", Refused, |d| d.raw(3, &[7; 17])),
    ("a CHAP challenge alone", Same, |d| d.raw(60, &[9; 16])),
    ("another customer's device", Refused, |d| d.put(rfc2865::CALLING_STATION_ID, RICH_MAC.as_bytes())),
    ("an empty device", Refused, |d| d.raw(31, b"")),
    ("another router's name", Same, |d| d.put(rfc2865::NAS_IDENTIFIER, b"somebody else")),
    ("another router's address", Same, |d| d.put(rfc2865::NAS_IP_ADDRESS, Ipv4Addr::new(192, 0, 2, 1))),
    ("a router's IPv6 address", Same, |d| d.raw(95, &[0x20; 16])),
    ("another hotspot", Same, |d| d.put(rfc2865::CALLED_STATION_ID, b"free-for-all")),
    ("another port", Same, |d| d.put(rfc2865::NAS_PORT, 1)),
    ("another kind of port", Same, |d| d.put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::VIRTUAL)),
    ("another interface", Same, |d| d.put(rfc2869::NAS_PORT_ID, b"ether1")),
    ("another session", Same, |d| d.put(rfc2866::ACCT_SESSION_ID, b"80100099")),
    ("a ticket that nobody gave out", Same, |d| d.put(rfc2865::CLASS, b"M1 let me in")),
    ("State", Same, |d| d.put(rfc2865::STATE, b"of no challenge")),
    ("administrative service", Same, |d| d.put(rfc2865::SERVICE_TYPE, rfc2865::service_type::ADMINISTRATIVE_USER)),
    ("framed service", Same, |d| d.put(rfc2865::SERVICE_TYPE, rfc2865::service_type::FRAMED_USER)),
    ("Framed-Protocol", Same, |d| d.put(rfc2865::FRAMED_PROTOCOL, rfc2865::framed_protocol::PPP)),
    ("a group", Same, |d| d.put(mikrotik::GROUP, b"full")),
    ("a speed", Same, |d| d.put(mikrotik::RATE_LIMIT, b"100M/100M")),
    ("a limit of octets", Same, |d| d.put(mikrotik::TOTAL_LIMIT, u32::MAX)),
    ("its gigawords", Same, |d| d.put(mikrotik::TOTAL_LIMIT_GIGAWORDS, 1000)),
    ("an address list", Same, |d| d.put(mikrotik::ADDRESS_LIST, b"trusted")),
    ("a realm", Same, |d| d.put(mikrotik::REALM, b"staff")),
    ("another host address", Same, |d| d.put(mikrotik::HOST_IP, Ipv4Addr::new(10, 0, 0, 1))),
    ("a session of a week", Same, |d| d.put(rfc2865::SESSION_TIMEOUT, 604_800)),
    ("no idle timeout", Same, |d| d.put(rfc2865::IDLE_TIMEOUT, 0)),
    ("an interim interval", Same, |d| d.put(rfc2869::ACCT_INTERIM_INTERVAL, 86_400)),
    ("a filter", Same, |d| d.put(rfc2865::FILTER_ID, b"none.in")),
    ("many sessions", Same, |d| d.put(rfc2865::PORT_LIMIT, 1000)),
    ("another address", Same, |d| d.put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 5, 50, 1))),
    ("a route", Same, |d| d.put(rfc2865::FRAMED_ROUTE, b"0.0.0.0/0 10.5.50.9 1")),
    ("a message", Same, |d| d.put(rfc2865::REPLY_MESSAGE, b"$(if error)")),
    ("a report of usage", Same, |d| d.put(rfc2866::ACCT_STATUS_TYPE, rfc2866::acct_status_type::STOP)),
    ("Proxy-State", Same, |d| d.put(rfc2865::PROXY_STATE, b"and back")),
    ("EAP", Silent("eap_unsigned_or_with_password"), |d| d.put(rfc2869::EAP_MESSAGE, &[2, 0, 0, 5, 1])),
    ("a false signature", Silent("repeated_message_authenticator"), |d| d.raw(80, &[0; 16])),
    ("an Error-Cause", Same, |d| d.raw(101, &[0, 0, 2, 2])),
    ("a host address of no width", Same, |d| d.vendor(14988, &[10, 2])),
    ("login service", Same, |d| d.put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)),
    ("a login of a router's administrator", Same, |d| d.put(rfc2866::ACCT_SESSION_ID, b"84000001")),
    ("an MS-CHAP challenge", Same, |d| d.put(microsoft::MS_CHAP_CHALLENGE, &[7; 16])),
    ("an MS-CHAP response", Same, |d| {
        let response =
            mschap::response_v2(1, &[7; 16], &[8; 16], RICH.as_bytes(), RICHES.as_bytes()).expect("short text");
        d.put(microsoft::MS_CHAP_CHALLENGE, &[7; 16]).put(microsoft::MS_CHAP2_RESPONSE, &response)
    }),
    ("an MS-CHAP domain", Same, |d| d.put(microsoft::MS_CHAP_DOMAIN, b"\x01staff")),
];

/// Makes the login with `addition` before all that the router writes, in the middle, and at the end.
fn places(lab: &Lab, method: &str, addition: fn(Draft) -> Draft) -> Vec<Draft> {
    let prove = |draft: Draft| match method {
        "PAP" => draft.pap(PASSWORD.as_bytes()),
        _ => draft.chap(PASSWORD.as_bytes()),
    };
    let first = addition(Draft::new(Code::AccessRequest, SECRET));
    let router = lab.knock(NAME, MAC).finish()[20..].to_vec();
    vec![
        prove(first.octets(&router)).sign(),
        prove(addition(lab.knock(NAME, MAC))).sign(),
        addition(prove(lab.knock(NAME, MAC))).sign(),
        addition(prove(lab.knock(NAME, MAC)).sign()),
    ]
}

/// A laboratory with a second customer, whose device is bound to a package that grants more.
async fn lab_with_a_rich_customer() -> Lab {
    let lab = Lab::new().await;
    let better =
        lab.world.package("a-week", |p| p.rules.duration = Some(std::time::Duration::from_secs(604_800))).await;
    lab.world.grant(&better, RICH, RICHES).await;
    let rich = lab.answered(Port::Auth, &lab.knock(RICH, RICH_MAC).pap(RICHES.as_bytes()).sign()).await;
    assert_eq!(rich.get(rfc2865::SESSION_TIMEOUT), Some(604_800));
    lab
}

#[tokio::test]
async fn what_a_guest_adds_to_a_right_login_changes_nothing_that_is_granted() {
    let lab = lab_with_a_rich_customer().await;
    let expected = lab.answered(Port::Auth, &lab.good_login()).await;
    for (what, fate, addition) in ADDITIONS {
        for method in ["PAP", "CHAP"] {
            // With CHAP-Challenge in the router's own request, one more is one too many.
            let fate = if (what, method) == ("a CHAP challenge alone", "CHAP") { Refused } else { fate };
            for draft in places(&lab, method, addition) {
                if let Silent(reason) = fate {
                    lab.silent(Port::Auth, &draft.finish(), reason).await;
                    continue;
                }
                let answer = lab.answered(Port::Auth, &draft).await;
                assert_eq!(answer.is_accept(), fate == Same, "{method} with {what}: {:?}", answer.packet());
                if fate == Same {
                    let granted: Vec<_> = answer.terms().into_iter().filter(|(kind, _)| *kind != 33).collect();
                    assert_eq!(granted, expected.terms(), "{method} with {what}");
                    assert_eq!(answer.entitlement(), Some(&lab.entitlement.as_bytes()[..]), "{method} with {what}");
                    let seconds = answer.get(rfc2865::SESSION_TIMEOUT).expect("the package ends");
                    assert!((3000..=3600).contains(&seconds), "{method} with {what}: {seconds} seconds of an hour");
                }
            }
        }
    }
    let bound: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT mac::text FROM entitlement_devices WHERE entitlement_id = $1")
            .bind(lab.entitlement)
            .fetch_all(&lab.world.pool)
            .await
            .unwrap();
    assert!(bound.iter().all(|mac| mac.eq_ignore_ascii_case(MAC)), "{bound:?}");
}

#[tokio::test]
async fn what_a_guest_adds_to_a_wrong_login_does_not_make_it_right() {
    let lab = lab_with_a_rich_customer().await;
    for (what, _, addition) in ADDITIONS {
        if what == "EAP" || what == "a false signature" {
            continue;
        }
        for draft in [lab.knock(NAME, MAC).pap(RICHES.as_bytes()), lab.knock(RICH, MAC).chap(PASSWORD.as_bytes())] {
            let answer = lab.answered(Port::Auth, &addition(draft).sign()).await;
            assert_eq!(answer.code(), Code::AccessReject, "with {what}");
        }
    }
}
