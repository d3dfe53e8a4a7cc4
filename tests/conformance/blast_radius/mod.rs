//! The mitigations of CVE-2024-3596 ("Blast-RADIUS", draft-ietf-radext-deprecating-radius) against the running server.
//! An attacker who can change packets on their way makes a Response Authenticator collide unless the answer begins with
//! something that he cannot compute, and unless what he changes in the request is signed.

use std::net::Ipv4Addr;

use radius_proto::attribute::rfc2865;
use radius_proto::{Code, Packet};
use store::nas::{Requirement, Settings};
use tests::world::lab::{Draft, Lab, LabSettings, MAC, NAME, PASSWORD, Port, SECRET};
use tests::world::{at, eventually};

const NO: &str = "no_message_authenticator";

/// A router on that address that is asked this much.
fn router(address: Ipv4Addr, requirement: Requirement) -> Settings<'static> {
    Settings { require_message_authenticator: Some(requirement), ..at(address) }
}

/// A laboratory whose router must sign.
async fn strict() -> Lab {
    let router = router(Ipv4Addr::LOCALHOST, Requirement::Yes);
    Lab::with(LabSettings { router, ..LabSettings::default() }).await
}

/// The customer's login without a signature.
fn unsigned(lab: &Lab) -> Draft {
    lab.knock(NAME, MAC).pap(PASSWORD.as_bytes())
}

#[tokio::test]
async fn b1_every_answer_to_a_login_begins_with_a_signature_whatever_is_set() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let mut routers = Vec::new();
    for (last, requirement) in [(11, Requirement::No), (12, Requirement::Auto), (13, Requirement::Yes)] {
        let router = router(Ipv4Addr::new(127, 0, 0, last), requirement);
        routers.push((requirement, lab.another_router(requirement.as_str(), router).await));
    }
    lab.start().await;
    let to = lab.address(Port::Auth);
    let eap = lab.knock(NAME, MAC).raw(79, &[2, 1, 0, 5, 1]);
    let states = |draft: Draft| draft.raw(33, &[7; 200]).raw(33, &[8; 200]);
    for (draft, code) in [
        (unsigned(&lab), Code::AccessAccept),
        (lab.knock(NAME, MAC).chap(b"not the password"), Code::AccessReject),
        (lab.knock("nobody", MAC).pap(b"x"), Code::AccessReject),
        (lab.knock(NAME, MAC), Code::AccessReject),
        (eap.sign(), Code::AccessReject),
        (lab.good_login(), Code::AccessAccept),
        (states(lab.good_login()), Code::AccessAccept),
        (lab.login(NAME, "not the password"), Code::AccessReject),
    ] {
        let octets = draft.finish();
        let is_signed = Packet::parse(&octets).unwrap().attributes().any(|a| a.kind == 80);
        for (requirement, wire) in &routers {
            if *requirement == Requirement::Yes && !is_signed {
                continue;
            }
            // `ask` wants Message-Authenticator straight after octet 20, and right.
            let answer = wire.ask(to, &octets, SECRET).await;
            assert_eq!((answer.code(), &answer.octets[20..22]), (code, &[80, 18][..]), "{requirement:?}");
        }
    }
}

#[tokio::test]
async fn b2_so_does_the_answer_to_status_server() {
    let lab = Lab::new().await;
    let answer = lab.answered(Port::Auth, &lab.status()).await;
    assert_eq!((answer.code(), &answer.octets[20..22]), (Code::AccessAccept, &[80, 18][..]));
    let answer = lab.answered(Port::Acct, &lab.status()).await;
    assert_eq!((answer.code(), &answer.octets[20..22]), (Code::AccountingResponse, &[80, 18][..]));
}

#[tokio::test]
async fn b3_a_router_that_must_sign_and_does_not_is_met_with_silence() {
    let lab = strict().await;
    let password = PASSWORD.as_bytes();
    let logins = [
        unsigned(&lab),
        lab.knock(NAME, MAC).chap(password),
        lab.knock(MAC, MAC).pap(b""),
        unsigned(&lab).raw(33, b"x"),
    ];
    for draft in logins {
        lab.silent(Port::Auth, &draft.finish(), NO).await;
    }
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept());
}

#[tokio::test]
async fn b3_a_router_that_has_signed_once_must_go_on_doing_so_also_after_a_restart() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let old = lab.another_router("old", at(Ipv4Addr::new(127, 0, 0, 3))).await;
    lab.start().await;
    assert!(lab.answered(Port::Auth, &unsigned(&lab)).await.is_accept(), "before it has signed");
    // A Status-Server is always signed and proves nothing about what the router does with logins.
    assert!(lab.answered(Port::Auth, &lab.status()).await.is_accept());
    assert!(lab.answered(Port::Auth, &unsigned(&lab)).await.is_accept());
    // One that is refused proves that the router signs, too.
    assert!(!lab.answered(Port::Auth, &lab.login(NAME, "not the password")).await.is_accept());
    lab.silent(Port::Auth, &unsigned(&lab).finish(), NO).await;
    eventually("it is written down", || async {
        let learnt: bool = sqlx::query_scalar("SELECT sends_message_authenticator FROM nas WHERE id = $1")
            .bind(lab.router)
            .fetch_one(&lab.world.pool)
            .await
            .ok()?;
        learnt.then_some(())
    })
    .await;
    lab.world.radiusd.take().expect("it runs").kill().await;
    lab.start().await;
    lab.silent(Port::Auth, &unsigned(&lab).finish(), NO).await;
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept());
    // What one router does binds no other.
    assert!(old.ask(lab.address(Port::Auth), &unsigned(&lab).finish(), SECRET).await.is_accept());
}

#[tokio::test]
async fn b4_an_unsigned_login_with_proxy_state_is_met_with_silence_unless_the_router_is_said_to_be_a_proxy() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    // The default is to limit, whether signing is learnt or not asked for.
    let old = lab.another_router("old", router(Ipv4Addr::new(127, 0, 0, 11), Requirement::No)).await;
    let proxy = router(Ipv4Addr::new(127, 0, 0, 12), Requirement::No);
    let proxy = lab.another_router("proxy", Settings { limit_proxy_state: Some(false), ..proxy }).await;
    lab.start().await;
    let to = lab.address(Port::Auth);
    let limited = "unsigned_proxy_state";
    for draft in [
        unsigned(&lab).raw(33, b"x"),
        unsigned(&lab).raw(33, b""),
        unsigned(&lab).raw(33, &[7; 200]).raw(33, &[8; 200]),
        Draft::new(Code::AccessRequest, SECRET).raw(33, b"first").put(rfc2865::USER_NAME, NAME.as_bytes()).pap(b"x"),
        lab.knock(NAME, MAC).raw(33, b"x").chap(PASSWORD.as_bytes()),
    ] {
        let octets = draft.finish();
        for wire in [&lab.wire, &old] {
            lab.silent_from(wire, to, Port::Auth, &octets, limited).await;
        }
        assert!(matches!(proxy.ask(to, &octets, SECRET).await.code(), Code::AccessAccept | Code::AccessReject));
    }
    // Without Proxy-State, or signed, there is nothing to limit.
    for wire in [&old, &proxy, &lab.wire] {
        assert!(wire.ask(to, &unsigned(&lab).finish(), SECRET).await.is_accept());
        let signed = wire.ask(to, &lab.good_login().raw(33, b"back").finish(), SECRET).await;
        assert_eq!((signed.is_accept(), signed.proxy_states()), (true, vec![b"back".to_vec()]));
    }
    // A router that must sign is not excused by not being limited: B3 decides alone.
    let excused = unsigned(&lab).raw(33, b"x").finish();
    lab.silent(Port::Auth, &excused, NO).await;
}

#[tokio::test]
async fn b5_the_place_of_a_received_signature_does_not_matter() {
    let lab = strict().await;
    let password = PASSWORD.as_bytes();
    let router = lab.knock(NAME, MAC).finish()[20..].to_vec();
    let first = Draft::new(Code::AccessRequest, SECRET).sign().octets(&router).pap(password);
    let middle = lab.knock(NAME, MAC).sign().pap(password).raw(33, b"after");
    let last = lab.knock(NAME, MAC).pap(password).sign();
    for (draft, place) in [(first, "first"), (middle, "in the middle"), (last, "last")] {
        assert!(lab.answered(Port::Auth, &draft).await.is_accept(), "{place}");
    }
}

#[tokio::test]
async fn b6_what_is_discarded_is_logged_seldom_and_gets_no_protocol_error() {
    let lab = strict().await;
    let octets = unsigned(&lab).finish();
    for _ in 0..5 {
        let before = lab.drops().await;
        for _ in 0..60 {
            lab.wire.send(lab.address(Port::Auth), &octets).await;
        }
        // Only the Status-Server behind them is answered, and one line in ten seconds speaks of them.
        lab.shows_silence(Port::Auth, NO, &before, 60).await;
    }
    assert!(!lab.radiusd().log().contains(PASSWORD), "and never of what was in them");
}
