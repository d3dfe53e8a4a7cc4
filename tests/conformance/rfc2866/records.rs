//! Sections 2 to 5 against the running server: a report is answered when it is durable and not before; whatever order,
//! repetition or delay it comes in, it is answered and adds up to the same.

use std::collections::HashMap;

use radius_proto::Code;
use radius_proto::attribute::rfc2866::acct_status_type::{INTERIM_UPDATE, START, STOP};
use radius_proto::attribute::{rfc2865, rfc2866};
use tests::world::eventually;
use tests::world::lab::{Answer, Draft, Lab, LabSettings, Port, SECRET};

/// A report with counters: seconds, octets up, octets down.
fn counted(draft: Draft, (seconds, up, down): (u32, u32, u32)) -> Draft {
    draft
        .put(rfc2866::ACCT_SESSION_TIME, seconds)
        .put(rfc2866::ACCT_INPUT_OCTETS, up)
        .put(rfc2866::ACCT_OUTPUT_OCTETS, down)
}

/// Sends a report, which must be answered.
async fn recorded(lab: &Lab, report: &Draft) {
    assert_eq!(lab.answered(Port::Acct, report).await.code(), Code::AccountingResponse);
}

#[tokio::test]
async fn a1_a_report_whose_authenticator_is_wrong_or_zero_is_met_with_silence_and_leaves_nothing() {
    let lab = Lab::new().await;
    let good = counted(lab.report(STOP, "80100001"), (60, 700, 900)).finish();
    let with = |authenticator: [u8; 16]| [&good[..4], &authenticator, &good[20..]].concat();
    let mut changed = good.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    let mut renumbered = good.clone();
    renumbered[1] ^= 1;
    // Random, as an Access-Request's would be; and made with another secret.
    let random = with(shared::rng::bytes());
    let foreign = Draft::new(Code::AccountingRequest, b"another").octets(&good[20..]).finish();
    for octets in [with([0; 16]), random, changed, renumbered, foreign] {
        lab.silent(Port::Acct, &octets, "bad_authenticator").await;
    }
    assert_eq!(lab.sessions().await, (0, 0));
    assert_eq!(lab.usage().await, (0, 0, 0));
    lab.wire.ask(lab.address(Port::Acct), &good, SECRET).await;
    assert_eq!(lab.usage().await, (60, 700, 900), "the right one is believed");
}

#[tokio::test]
async fn a2_when_a_report_is_answered_it_stands_in_postgresql() {
    let lab = Lab::new().await;
    for number in 0..30 {
        let session = format!("801000{number:02x}");
        for (status, ended) in [(START, false), (INTERIM_UPDATE, false), (STOP, true)] {
            recorded(&lab, &counted(lab.report(status, &session), (status, 10 * status, 100 * status))).await;
            // No waiting: the answer is the promise.
            let (octets, over): (i64, bool) = sqlx::query_as(
                "SELECT input_octets, true FROM sessions_ended WHERE acct_session_id = $1
                 UNION ALL SELECT input_octets, false FROM sessions WHERE acct_session_id = $1",
            )
            .bind(&session)
            .fetch_one(&lab.world.pool)
            .await
            .unwrap_or_else(|error| panic!("{session} {status}: {error}"));
            // Status 2 is Stop and 3 Interim-Update: the Stop reports less, and what was used stays used.
            let most = if status == START { 10 } else { 30 };
            assert_eq!((octets, over), (most, ended), "{session} {status}");
        }
    }
    assert_eq!(lab.sessions().await, (0, 30));
}

#[tokio::test]
async fn a2_while_postgresql_is_away_and_there_is_no_spool_nothing_is_answered_and_nothing_is_lost() {
    let mut settings = LabSettings::default();
    settings.world.has_spool = false;
    let lab = Lab::with(settings).await;
    lab.world.postgres.cut();
    let mut waiting = HashMap::new();
    for number in 0..10 {
        let report = counted(lab.report(STOP, &format!("8010000{number}")), (1, 10, 100)).finish();
        // Twice: a retransmission of what waits is silent, and recorded once.
        lab.wire.send(lab.address(Port::Acct), &report).await;
        lab.wire.send(lab.address(Port::Acct), &report).await;
        waiting.insert(report[1], report);
    }
    let degraded = r#"mlango_radius_degraded_mode{component="accounting"}"#;
    eventually("the writer has tried in vain", || async { (lab.radiusd().metric(degraded).await > 0.5).then_some(()) })
        .await;
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept(), "the server is alive");
    assert_eq!(lab.wire.waiting(), None, "and says nothing about what it has not stored");
    assert_eq!(lab.sessions().await, (0, 0));
    lab.world.postgres.mend();
    while !waiting.is_empty() {
        let datagram = lab.wire.receive().await;
        let request = waiting.remove(&datagram.octets[1]).expect("each is answered once");
        Answer::check(datagram, &request, SECRET);
    }
    assert_eq!(lab.sessions().await, (0, 10));
    assert_eq!(lab.usage().await, (10, 100, 1000));
}

#[tokio::test]
async fn a3_what_can_be_recorded_is_answered_in_whatever_order_it_comes() {
    let lab = Lab::new().await;
    let report = |status, session: &str, counters| counted(lab.report(status, session), counters);
    // A Stop without a Start.
    recorded(&lab, &report(STOP, "80100001", (60, 1, 1))).await;
    // The same again, as another packet; and late.
    recorded(&lab, &report(STOP, "80100001", (60, 1, 1)).put(rfc2866::ACCT_DELAY_TIME, 3)).await;
    // All of a session backwards.
    for status in [STOP, INTERIM_UPDATE, START] {
        recorded(&lab, &report(status, "80100002", (60, 1, 1)).put(rfc2866::ACCT_DELAY_TIME, 10)).await;
    }
    // A session that began before this server knew of the router, reported a day late.
    let late = report(INTERIM_UPDATE, "80100003", (86_400, 1, 1)).put(rfc2866::ACCT_DELAY_TIME, 86_400);
    recorded(&lab, &late).await;
    // A name and a device that nobody knows, and no name at all.
    let bare = || Draft::new(Code::AccountingRequest, SECRET).put(rfc2866::ACCT_STATUS_TYPE, START);
    recorded(&lab, &bare().put(rfc2866::ACCT_SESSION_ID, b"80100004").put(rfc2865::USER_NAME, b"nobody")).await;
    recorded(&lab, &bare().put(rfc2866::ACCT_SESSION_ID, b"80100005")).await;
    recorded(&lab, &bare().put(rfc2866::ACCT_SESSION_ID, b"\xff\x00\xfe").put(rfc2865::USER_NAME, b"\x00\xff")).await;
    // A ticket that is not ours.
    let foreign = bare().put(rfc2866::ACCT_SESSION_ID, b"80100006").put(rfc2865::CLASS, b"of another server");
    recorded(&lab, &foreign).await;
    // The session of 80100003 is still open, and those that never ended.
    assert_eq!(lab.sessions().await, (5, 2));
    let without_ticket: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE entitlement_id IS NULL")
        .fetch_one(&lab.world.pool)
        .await
        .unwrap();
    assert_eq!(without_ticket, 4, "what cannot be charged to anyone is recorded too");
}

#[tokio::test]
async fn a6_lower_counters_reduce_nothing_and_what_is_stopped_stays_stopped() {
    let lab = Lab::new().await;
    let ticket = lab.ticket().await;
    let report = |status, counters| counted(lab.report(status, "80100001"), counters).put(rfc2865::CLASS, &ticket);
    recorded(&lab, &report(START, (0, 0, 0))).await;
    recorded(&lab, &report(INTERIM_UPDATE, (60, 700, 900))).await;
    recorded(&lab, &report(INTERIM_UPDATE, (30, 5, 1000))).await;
    assert_eq!(lab.usage().await, (60, 700, 1000), "each counter keeps its highest");
    recorded(&lab, &report(STOP, (50, 600, 800))).await;
    assert_eq!((lab.usage().await, lab.sessions().await), ((60, 700, 1000), (0, 1)));
    for status in [INTERIM_UPDATE, START] {
        recorded(&lab, &report(status, (10, 1, 1))).await;
        assert_eq!((lab.usage().await, lab.sessions().await), ((60, 700, 1000), (0, 1)), "it does not reopen");
    }
    // A late report that says more is believed, and the session stays ended.
    recorded(&lab, &report(INTERIM_UPDATE, (70, 701, 900))).await;
    assert_eq!((lab.usage().await, lab.sessions().await), ((70, 701, 1000), (0, 1)));
    let cause: Option<String> =
        sqlx::query_scalar("SELECT terminate_cause FROM sessions_ended").fetch_one(&lab.world.pool).await.unwrap();
    assert_eq!(cause, None, "the Stop gave none");
}

#[tokio::test]
async fn a9_an_unknown_status_type_is_met_with_silence_and_harms_nothing() {
    let lab = Lab::new().await;
    for status in [0, 4, 5, 6, 9, 10, 14, 15, 16, 255, u32::MAX] {
        let report = counted(lab.report(status, "80100001"), (60, 700, 900));
        lab.silent(Port::Acct, &report.finish(), "unknown_status_type").await;
    }
    let without = Draft::new(Code::AccountingRequest, SECRET).put(rfc2866::ACCT_SESSION_ID, b"80100001");
    lab.silent(Port::Acct, &without.clone().finish(), "no_status_type").await;
    for width in [1, 3, 5] {
        let odd = without.clone().raw(40, &vec![1; width]);
        lab.silent(Port::Acct, &odd.finish(), "no_status_type").await;
    }
    let nameless = Draft::new(Code::AccountingRequest, SECRET).put(rfc2866::ACCT_STATUS_TYPE, START);
    lab.silent(Port::Acct, &nameless.finish(), "no_session_id").await;
    assert_eq!(lab.sessions().await, (0, 0));
    recorded(&lab, &lab.report(START, "80100001")).await;
    let policy = std::fs::read_to_string(crate::support::workspace().join("docs/operations/radius.md")).unwrap();
    for reason in ["unknown_status_type", "no_status_type", "no_session_id"] {
        assert!(policy.contains(&format!("`{reason}`")), "the policy on {reason} is written down");
    }
}
