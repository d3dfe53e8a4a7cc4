//! RFC 5080 section 2.2.2 against the running server: a retransmission is answered with the same octets and done once;
//! section 2.2.3, of which nothing is left to do, because no State is ever given out.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use radius_proto::Code;
use radius_proto::attribute::{rfc2865, rfc2866};
use tests::world::eventually;
use tests::world::lab::{Answer, Lab, LabSettings, MAC, NAME, PASSWORD, Port, SECRET, Wire};

const LOGINS: &str = "mlango_radius_auth_method_total";

#[tokio::test]
async fn d1_a_retransmission_gets_the_same_octets_and_is_done_once() {
    let lab = Lab::new().await;
    let login = lab.good_login().finish();
    let to = lab.address(Port::Auth);
    let first = lab.wire.ask(to, &login, SECRET).await;
    for _ in 0..5 {
        // The ticket in Class is drawn anew for each login, so equal octets are the octets of before.
        assert_eq!(lab.wire.ask(to, &login, SECRET).await.octets, first.octets);
    }
    assert!((lab.total(LOGINS).await - 1.0).abs() < 0.5, "one login");
    let replays =
        lab.radiusd().metric(r#"mlango_radius_duplicates_total{kind="replayed_from_cache",listener="auth"}"#).await;
    assert!((replays - 5.0).abs() < 0.5, "{replays}");

    let interim = lab.report(rfc2866::acct_status_type::INTERIM_UPDATE, "80100001").put(rfc2866::ACCT_INPUT_OCTETS, 7);
    let interim = interim.finish();
    let to = lab.address(Port::Acct);
    let first = lab.wire.ask(to, &interim, SECRET).await;
    assert_eq!(lab.wire.ask(to, &interim, SECRET).await.octets, first.octets);
    let stored =
        lab.radiusd().metric(r#"mlango_acct_records_total{result="stored",status_type="Interim-Update"}"#).await;
    assert!((stored - 1.0).abs() < 0.5, "recorded once: {stored}");
}

#[tokio::test]
async fn d1_a_retransmission_of_what_is_not_finished_is_met_with_silence() {
    let mut settings = LabSettings::default();
    settings.world.reject_delay_ms = 1000;
    let lab = Lab::with(settings).await;
    let wrong = lab.login(NAME, "not the password").finish();
    let to = lab.address(Port::Auth);
    for _ in 0..3 {
        lab.wire.send(to, &wrong).await;
    }
    let refused = Answer::check(lab.wire.receive().await, &wrong, SECRET);
    assert_eq!(refused.code(), Code::AccessReject);
    let asked = Instant::now();
    // Finished now: the next one is answered, and at once.
    assert_eq!(lab.wire.ask(to, &wrong, SECRET).await.octets, refused.octets);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert_eq!(lab.wire.waiting(), None, "one answer to three");
    let silent = lab.radiusd().metric(r#"mlango_radius_duplicates_total{kind="in_flight",listener="auth"}"#).await;
    assert!((silent - 2.0).abs() < 0.5, "{silent}");
    let refusals = lab.total("mlango_radius_access_rejects_total").await;
    assert!((refusals - 1.0).abs() < 0.5, "judged once: {refusals}");
}

#[tokio::test]
async fn d1_another_source_port_identifier_or_listener_is_another_request() {
    let lab = Lab::new().await;
    let login = lab.good_login();
    let to = lab.address(Port::Auth);
    let first = lab.wire.ask(to, &login.finish(), SECRET).await;
    let other_port = Wire::at(Ipv4Addr::LOCALHOST).await;
    let from_there = other_port.ask(to, &login.finish(), SECRET).await;
    assert_ne!(from_there.get(rfc2865::CLASS), first.get(rfc2865::CLASS), "another source port");
    let renumbered = login.clone().identifier(login.finish()[1].wrapping_add(100)).finish();
    let other_identifier = lab.wire.ask(to, &renumbered, SECRET).await;
    assert_ne!(other_identifier.get(rfc2865::CLASS), first.get(rfc2865::CLASS), "another Identifier");
    assert!((lab.total(LOGINS).await - 3.0).abs() < 0.5);
    // The very same octets to the other listener: each answers for itself.
    let status = lab.status();
    assert_eq!(lab.answered(Port::Auth, &status).await.code(), Code::AccessAccept);
    assert_eq!(lab.answered(Port::Acct, &status).await.code(), Code::AccountingResponse);
}

#[tokio::test]
async fn d2_an_answer_is_remembered_for_at_least_5_and_at_most_30_seconds() {
    let lab = Lab::new().await;
    let login = lab.good_login().finish();
    let to = lab.address(Port::Auth);
    let asked = Instant::now();
    let first = lab.wire.ask(to, &login, SECRET).await;
    let remembered = eventually("the answer is forgotten", || async {
        let before = asked.elapsed();
        let answer = lab.wire.ask(to, &login, SECRET).await;
        if answer.octets == first.octets {
            tokio::time::sleep(Duration::from_millis(100)).await;
            return None;
        }
        Some((before, asked.elapsed(), answer))
    })
    .await;
    let (before, after, answer) = remembered;
    assert!(answer.is_accept() && answer.get(rfc2865::CLASS) != first.get(rfc2865::CLASS), "a login of its own");
    assert!(after >= Duration::from_secs(5), "forgotten {after:?} after the request");
    assert!(before <= Duration::from_secs(30), "remembered {before:?} after the request");
}

#[tokio::test]
async fn d3_another_authenticator_under_the_same_identifier_is_a_new_request_that_takes_the_place() {
    let lab = Lab::new().await;
    let to = lab.address(Port::Auth);
    let one = lab.good_login().identifier(9).finish();
    let two = lab.good_login().identifier(9).finish();
    assert_ne!(one[4..20], two[4..20]);
    let first = lab.wire.ask(to, &one, SECRET).await;
    let second = lab.wire.ask(to, &two, SECRET).await;
    assert_ne!(first.get(rfc2865::CLASS), second.get(rfc2865::CLASS));
    assert_eq!(lab.wire.ask(to, &two, SECRET).await.octets, second.octets);
    let again = lab.wire.ask(to, &one, SECRET).await;
    assert_ne!(again.octets, first.octets, "the old entry was purged");
    assert!((lab.total(LOGINS).await - 3.0).abs() < 0.5);
}

#[tokio::test]
async fn d3_the_answer_to_a_request_that_was_replaced_is_not_sent() {
    let mut settings = LabSettings::default();
    settings.world.reject_delay_ms = 1000;
    let lab = Lab::with(settings).await;
    let before = lab.drops().await;
    let wrong = lab.login(NAME, "not the password").identifier(9).finish();
    lab.wire.send(lab.address(Port::Auth), &wrong).await;
    // Readers share the socket, so the second could overtake the first.
    eventually("the first is judged", || async {
        (lab.total("mlango_radius_access_rejects_total").await > 0.5).then_some(())
    })
    .await;
    let right = lab.good_login().identifier(9).finish();
    assert!(lab.wire.ask(lab.address(Port::Auth), &right, SECRET).await.is_accept());
    // The refusal would come after a second; it is counted instead. It is no fault of the router's and not logged.
    eventually("the refusal is left out", || async { (lab.drops().await != before).then_some(()) }).await;
    let superseded = lab.drops().await[r#"listener="auth",reason="superseded""#];
    assert!((superseded - 1.0).abs() < 0.5);
    assert!(lab.answered(Port::Auth, &lab.status()).await.is_accept());
    assert_eq!(lab.wire.waiting(), None);
}

#[tokio::test]
async fn d4_a_packet_that_does_not_prove_itself_changes_nothing_in_the_memory_of_answers() {
    let lab = Lab::new().await;
    let to = lab.address(Port::Auth);
    let login = lab.good_login().identifier(9);
    let first = lab.wire.ask(to, &login.finish(), SECRET).await;
    let unsigned = lab.knock(NAME, MAC).identifier(9).pap(PASSWORD.as_bytes());
    let falsely_signed = unsigned.clone().raw(80, &[7; 16]).finish();
    let mut changed = login.finish();
    *changed.last_mut().expect("not empty") ^= 1;
    for forged in [falsely_signed, changed] {
        lab.silent(Port::Auth, &forged, "bad_message_authenticator").await;
        assert_eq!(lab.wire.ask(to, &login.finish(), SECRET).await.octets, first.octets);
    }
    lab.silent(Port::Auth, &unsigned.finish(), "no_message_authenticator").await;
    assert_eq!(lab.wire.ask(to, &login.finish(), SECRET).await.octets, first.octets);
    assert!((lab.total(LOGINS).await - 1.0).abs() < 0.5);

    let interim = lab.report(rfc2866::acct_status_type::INTERIM_UPDATE, "80100001").identifier(9).finish();
    let answer = lab.wire.ask(lab.address(Port::Acct), &interim, SECRET).await;
    let mut forged = interim.clone();
    forged[4..20].fill(0);
    lab.silent(Port::Acct, &forged, "bad_authenticator").await;
    assert_eq!(lab.wire.ask(lab.address(Port::Acct), &interim, SECRET).await.octets, answer.octets);
}

#[tokio::test]
async fn d8_no_state_is_given_out_so_that_none_is_valid_and_none_is_preferred() {
    let lab = Lab::new().await;
    for draft in [
        lab.good_login(),
        lab.login(NAME, "not the password"),
        lab.login("nobody", "x"),
        lab.knock(NAME, MAC).raw(79, &[2, 1, 0, 5, 1]).sign(),
        lab.knock(NAME, MAC).sign(),
    ] {
        let answer = lab.answered(Port::Auth, &draft).await;
        assert_ne!(answer.code(), Code::AccessChallenge);
        assert_eq!(answer.get(rfc2865::STATE), None);
    }
    // An invented one neither opens nor closes anything.
    let with_state = |draft: tests::world::lab::Draft| draft.raw(24, b"invented").sign();
    let right = with_state(lab.knock(NAME, MAC).pap(PASSWORD.as_bytes()));
    assert!(lab.answered(Port::Auth, &right).await.is_accept());
    let wrong = with_state(lab.knock(NAME, MAC).pap(b"not the password"));
    assert_eq!(lab.answered(Port::Auth, &wrong).await.code(), Code::AccessReject);
}
