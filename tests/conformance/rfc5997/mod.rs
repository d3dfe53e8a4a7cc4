//! RFC 5997 against the running server: Status-Server says that the server is alive, and does nothing else.

use std::net::Ipv4Addr;
use std::time::Duration;

use radius_proto::attribute::{rfc2865, rfc2866, rfc2869};
use radius_proto::{Code, Packet};
use tests::world::eventually;
use tests::world::lab::{Draft, Lab, LabSettings, MAC, NAME, PASSWORD, Port, SECRET, Series, Wire};

/// Counters that a login or a report moves.
const COUNTERS: [&str; 5] = [
    "mlango_radius_auth_method_total",
    "mlango_radius_access_rejects_total",
    "mlango_radius_policy_cache_requests_total",
    "mlango_acct_records_total",
    "mlango_coa_requests_total",
];

async fn counters(lab: &Lab) -> Vec<Series> {
    let mut all = Vec::new();
    for name in COUNTERS {
        all.push(lab.family(name).await);
    }
    all
}

#[tokio::test]
async fn s1_each_port_answers_in_its_own_words_and_nothing_is_recorded() {
    let lab = Lab::new().await;
    let before = counters(&lab).await;
    for _ in 0..3 {
        let auth = lab.answered(Port::Auth, &lab.status()).await;
        assert_eq!(auth.code(), Code::AccessAccept);
        assert_eq!(auth.get(rfc2865::CLASS), None, "no session begins");
        assert_eq!(lab.answered(Port::Acct, &lab.status()).await.code(), Code::AccountingResponse);
    }
    assert_eq!(counters(&lab).await, before);
    assert_eq!(lab.sessions().await, (0, 0));
    assert_eq!(lab.usage().await, (0, 0, 0));
}

#[tokio::test]
async fn s1_it_is_answered_while_postgresql_is_away_since_logins_are() {
    let lab = Lab::new().await;
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept());
    lab.world.postgres.cut();
    assert_eq!(lab.answered(Port::Auth, &lab.status()).await.code(), Code::AccessAccept);
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept());
}

#[tokio::test]
async fn s2_without_a_right_signature_or_a_registered_source_it_is_met_with_silence() {
    let lab = Lab::new().await;
    let stranger = Wire::at(Ipv4Addr::new(127, 0, 0, 77)).await;
    for port in Port::BOTH {
        let bare = || Draft::new(Code::StatusServer, SECRET);
        lab.silent(port, &bare().finish(), "no_message_authenticator").await;
        for wrong in [bare().raw(80, &[0; 16]), bare().raw(80, b""), Draft::new(Code::StatusServer, b"another").sign()]
        {
            lab.silent(port, &wrong.finish(), "bad_message_authenticator").await;
        }
        let repeated = bare().sign().raw(80, &[0; 16]);
        lab.silent(port, &repeated.finish(), "repeated_message_authenticator").await;
        let to = lab.address(port);
        lab.silent_from(&stranger, to, port, &bare().sign().finish(), "unknown_client").await;
    }
}

#[tokio::test]
async fn s3_what_else_it_holds_is_ignored_and_it_counts_as_no_login() {
    let lab = Lab::new().await;
    let before = counters(&lab).await;
    let received =
        |code: &str, port: &str| format!(r#"mlango_radius_packets_received_total{{code="{code}",listener="{port}"}}"#);
    let everything = lab
        .knock(NAME, MAC)
        .code(Code::StatusServer.as_u8())
        .pap(PASSWORD.as_bytes())
        .chap(PASSWORD.as_bytes())
        .raw(79, &[2, 1, 0, 5, 1])
        .put(rfc2866::ACCT_STATUS_TYPE, rfc2866::acct_status_type::STOP)
        .put(rfc2866::ACCT_INPUT_OCTETS, 1_000_000)
        .raw(27, b"")
        .sign();
    let nobody = lab.knock("nobody", MAC).code(Code::StatusServer.as_u8()).pap(b"x").sign();
    for request in [everything, nobody] {
        for (port, code) in [(Port::Auth, Code::AccessAccept), (Port::Acct, Code::AccountingResponse)] {
            let answer = lab.answered(port, &request).await;
            let plain = lab.answered(port, &lab.status()).await;
            assert_eq!((answer.code(), answer.terms()), (code, plain.terms()));
        }
    }
    assert_eq!(counters(&lab).await, before);
    assert_eq!(lab.sessions().await, (0, 0));
    for port in ["auth", "acct"] {
        for code in ["Access-Request", "Accounting-Request"] {
            assert!(lab.radiusd().metric(&received(code, port)).await < 0.5, "{code}");
        }
        assert!((lab.radiusd().metric(&received("Status-Server", port)).await - 4.0).abs() < 0.5);
    }
}

#[tokio::test]
async fn s4_a_server_that_can_store_no_report_stops_answering_on_the_accounting_port() {
    let mut settings = LabSettings::default();
    settings.world.accounting_queue = 64;
    settings.world.has_spool = false;
    let lab = Lab::with(settings).await;
    assert_eq!(lab.answered(Port::Acct, &lab.status()).await.code(), Code::AccountingResponse);
    lab.world.postgres.cut();
    // Until one finds no room; each is of a session of its own, so that they spread over the writers.
    let full = r#"listener="acct",reason="queue_full""#;
    let mut number = 0;
    while !lab.drops().await.contains_key(full) {
        for _ in 0..50 {
            number += 1;
            let start = lab.report(rfc2866::acct_status_type::START, &format!("8{number:07x}"));
            lab.wire.send(lab.address(Port::Acct), &start.finish()).await;
        }
        assert!(number < 5000, "a queue of 64 takes {number}");
    }
    let before = lab.drops().await;
    lab.wire.send(lab.address(Port::Acct), &lab.status().finish()).await;
    eventually("it is counted", || async {
        let now = lab.drops().await;
        let silent = |drops: &Series| drops.get(r#"listener="acct",reason="cannot_store""#).copied().unwrap_or(0.0);
        (silent(&now) > silent(&before)).then_some(())
    })
    .await;
    assert_eq!(lab.wire.waiting(), None, "the router shall turn to another server");
    assert_eq!(lab.answered(Port::Auth, &lab.status()).await.code(), Code::AccessAccept, "logins go on");

    // What was taken is stored and answered, and then the server says again that it is alive.
    lab.world.postgres.mend();
    let status = lab.status().finish();
    eventually("the queue is empty and Status-Server answered", || async {
        lab.wire.send(lab.address(Port::Acct), &status).await;
        while let Some(datagram) = lab.wire.receive_within(Duration::from_millis(100)).await {
            if datagram.octets[1] == status[1]
                && Packet::parse(&datagram.octets).is_ok_and(|p| p.count(rfc2869::MESSAGE_AUTHENTICATOR) == 1)
            {
                return Some(());
            }
        }
        None
    })
    .await;
}
