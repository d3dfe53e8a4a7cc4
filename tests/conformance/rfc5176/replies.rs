//! RFC 5080 section 2.2.2 and RFC 5176 sections 3.4 and 3.5: which answers of a router are believed, and what a refusal
//! means.

use std::time::Duration;

use radius_proto::Code;
use radius_proto::attribute::rfc5176::{self, error_cause};
use radius_proto::attribute::{rfc2865, rfc2869};
use tests::world::lab::{Draft, Lab, LabSettings, MAC};

use super::router::{self, Command, Router, SECRET, cut_is};

async fn lab_with_a_router() -> (Lab, Router) {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    (lab, nas)
}

/// Answers to a command that must not be believed, all sent from where it went.
fn forgeries(command: &Command) -> Vec<(&'static str, Vec<u8>)> {
    let ack = || command.answer(Code::DisconnectAck);
    let mut changed = ack().put(rfc5176::ERROR_CAUSE, 201).finish();
    *changed.last_mut().expect("not empty") ^= 1;
    let mut padded_away = ack().finish();
    padded_away.truncate(19);
    let mut stranger = command.0.octets.clone();
    stranger[4..20].fill(0x55);
    vec![
        ("another Identifier", ack().identifier(command.identifier().wrapping_add(1)).finish()),
        ("another secret", Draft::answer(Code::DisconnectAck, &command.0.octets, b"another").finish()),
        ("to another request", Draft::answer(Code::DisconnectAck, &stranger, SECRET).finish()),
        ("changed on its way", changed),
        ("a wrong Message-Authenticator", ack().raw(80, &[0; 16]).finish()),
        ("two Message-Authenticators", ack().sign().raw(80, &[0; 16]).finish()),
        ("a short Message-Authenticator", ack().raw(80, &[0; 15]).finish()),
        ("a CoA-ACK", command.answer(Code::CoaAck).finish()),
        ("a CoA-NAK", command.answer(Code::CoaNak).put(rfc5176::ERROR_CAUSE, 503).finish()),
        ("an Access-Accept", command.answer(Code::AccessAccept).sign().finish()),
        ("the request itself", command.0.octets.clone()),
        ("no packet", padded_away),
        ("nothing", Vec::new()),
    ]
}

#[tokio::test]
async fn o6_b7_only_the_first_right_answer_counts_and_what_is_discarded_leaves_the_timers_alone() {
    let (lab, nas) = lab_with_a_router().await;
    let session = nas.session(&lab, "80100001").await;
    let other = nas.session(&lab, "80100002").await;
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let first = nas.command().await;
    for (_, octets) in forgeries(&first) {
        nas.reply(&first, &octets).await;
    }
    // Right in every way, but not from where the command went: a reply comes from the port that was asked.
    let elsewhere = nas.another_port().await;
    elsewhere.send(first.0.from, &first.answer(Code::DisconnectAck).finish()).await;
    let neighbour = tests::world::lab::Wire::at(std::net::Ipv4Addr::new(127, 0, 1, 99)).await;
    neighbour.send(first.0.from, &first.answer(Code::DisconnectAck).finish()).await;

    // Nobody believed them: it is asked again, in time, in the same words.
    let again = nas.command().await;
    assert_eq!(again.0.octets, first.0.octets);
    let waited = again.0.at - first.0.at;
    assert!(waited >= Duration::from_millis(1750) && waited < Duration::from_millis(3700), "{waited:?}");
    assert!(router::is_open(&lab, session).await);

    // The first right one counts; what comes after it, right or not, changes nothing.
    nas.acknowledge(&again).await;
    cut_is(&lab, session, "acknowledged").await;
    nas.refuse(&again, error_cause::SESSION_CONTEXT_NOT_FOUND).await;
    nas.acknowledge(&again).await;
    for (_, octets) in forgeries(&again) {
        nas.reply(&again, &octets).await;
    }
    // Another command on the same socket is answered after them, so they have been read by then.
    store::session::disconnect(&lab.world.db, other, lab.world.clock.now()).await.unwrap();
    let second = nas.command().await;
    nas.acknowledge(&second).await;
    cut_is(&lab, other, "acknowledged").await;
    assert_eq!(router::cut(&lab, session).await.expect("it is there").state, "acknowledged");
    assert!(router::is_open(&lab, session).await, "the late refusal closed nothing");
    let answers = lab.family("mlango_coa_requests_total").await;
    let acks = r#"kind="disconnect",result="ack""#.to_owned();
    assert_eq!(answers, [(acks, 2.0)].into(), "two commands, two answers");
}

#[tokio::test]
async fn o6_an_answer_with_a_right_message_authenticator_or_with_none_is_believed() {
    let (lab, nas) = lab_with_a_router().await;
    for (name, signed) in [("80100001", true), ("80100002", false)] {
        let session = nas.session(&lab, name).await;
        store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
        let command = nas.command().await;
        let ack = command.answer(Code::DisconnectAck).raw(32, b"a router").raw(33, b"not ours");
        let ack = if signed { ack.sign() } else { ack };
        nas.reply(&command, &ack.finish()).await;
        cut_is(&lab, session, "acknowledged").await;
    }
}

#[tokio::test]
async fn b7_where_answers_must_be_signed_one_that_is_not_is_discarded_and_the_timers_go_on() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    let signed = store::nas::Settings { require_signed_answers: Some(true), ..store::nas::Settings::default() };
    store::nas::change(&lab.world.db, "router-1", &signed).await.unwrap();
    lab.start().await;
    let session = nas.session(&lab, "80100001").await;
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let first = nas.command().await;
    nas.reply(&first, &first.answer(Code::DisconnectAck).finish()).await;
    nas.reply(&first, &first.answer(Code::DisconnectNak).put(rfc5176::ERROR_CAUSE, 503).finish()).await;
    let again = nas.command().await;
    assert_eq!(again.0.octets, first.0.octets, "it is still waited for");
    let waited = again.0.at - first.0.at;
    assert!(waited >= Duration::from_millis(1750) && waited < Duration::from_millis(3700), "{waited:?}");
    nas.reply(&again, &again.answer(Code::DisconnectAck).sign().finish()).await;
    cut_is(&lab, session, "acknowledged").await;
    assert!(router::is_open(&lab, session).await);
}

#[tokio::test]
async fn o6_the_answer_to_a_request_that_was_given_up_does_not_count_for_the_next_one() {
    let (lab, nas) = lab_with_a_router().await;
    let session = nas.session(&lab, "80100001").await;
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let first = nas.command().await;
    nas.refuse(&first, error_cause::RESOURCES_UNAVAILABLE).await;
    cut_is(&lab, session, "refused").await;
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let second = nas.command().await;
    assert_ne!(second.identifier(), first.identifier());
    nas.acknowledge(&first).await;
    let again = nas.command().await;
    assert_eq!(again.0.octets, second.0.octets, "the second is still waited for");
    nas.acknowledge(&again).await;
    cut_is(&lab, session, "acknowledged").await;
}

#[tokio::test]
async fn o9_a_session_that_the_router_does_not_have_is_closed_at_its_last_report() {
    let (lab, nas) = lab_with_a_router().await;
    let session = nas.session(&lab, "80100001").await;
    let heard: time::OffsetDateTime = sqlx::query_scalar("SELECT last_heard_at FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_one(&lab.world.pool)
        .await
        .unwrap();
    router::end_the_time(&lab).await;
    let command = nas.command().await;
    nas.refuse(&command, error_cause::SESSION_CONTEXT_NOT_FOUND).await;
    cut_is(&lab, session, "proved").await;
    let (ended, cause): (time::OffsetDateTime, String) =
        sqlx::query_as("SELECT ended_at, terminate_cause FROM sessions_ended WHERE id = $1")
            .bind(session)
            .fetch_one(&lab.world.pool)
            .await
            .unwrap();
    assert_eq!((ended, cause.as_str()), (heard, "Lost-Service"));
}

#[tokio::test]
async fn o9_a_refusal_that_may_pass_is_tried_again_after_a_pause_under_a_new_identifier() {
    let (lab, nas) = lab_with_a_router().await;
    let causes = [
        ("80100502", error_cause::REQUEST_NOT_ROUTABLE),
        ("80100505", error_cause::OTHER_PROXY_PROCESSING_ERROR),
        ("80100506", error_cause::RESOURCES_UNAVAILABLE),
        ("80100508", error_cause::MULTIPLE_SESSION_SELECTION_UNSUPPORTED),
    ];
    let mut sessions = Vec::new();
    for (name, _) in causes {
        sessions.push(nas.session(&lab, name).await);
    }
    router::end_the_time(&lab).await;
    let mut first = Vec::new();
    for _ in causes {
        let command = nas.command().await;
        let (_, cause) = causes.iter().find(|(name, _)| *name == command.session()).expect("one of ours");
        nas.refuse(&command, *cause).await;
        first.push(command);
    }
    for (session, (_, cause)) in sessions.iter().zip(causes) {
        let refused = cut_is(&lab, *session, "refused").await;
        assert_eq!(refused.error_cause, i32::try_from(cause).ok());
        assert!(router::is_open(&lab, *session).await, "a refusal is no end");
    }
    assert!(!nas.has_more(), "not at once");
    for _ in causes {
        let again = nas.command().await;
        let before = first.iter().find(|command| command.session() == again.session()).expect("asked before");
        assert_ne!(again.identifier(), before.identifier());
        assert!(again.0.at - before.0.at > Duration::from_secs(5), "after a pause");
        // A router that found several sessions is told more; the others, what they were told before.
        let device = (again.session() == "80100508").then_some(MAC.as_bytes());
        assert_eq!((before.get(rfc2865::CALLING_STATION_ID), again.get(rfc2865::CALLING_STATION_ID)), (None, device));
        nas.acknowledge(&again).await;
    }
    for session in sessions {
        assert_eq!(cut_is(&lab, session, "acknowledged").await.attempts, 2);
    }
}

#[tokio::test]
async fn o7_an_answer_whose_event_timestamp_is_stale_is_not_believed() {
    let (lab, nas) = lab_with_a_router().await;
    let session = nas.session(&lab, "80100001").await;
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let first = nas.command().await;
    let now = u32::try_from(lab.world.clock.now().unix_timestamp()).expect("before 2106");
    for stamp in [now - 310, now + 310, now - 86_400, 0, u32::MAX] {
        for code in [Code::DisconnectAck, Code::DisconnectNak] {
            let stale = first.answer(code).put(rfc2869::EVENT_TIMESTAMP, stamp).sign();
            nas.reply(&first, &stale.finish()).await;
        }
    }
    let again = nas.command().await;
    assert_eq!(again.0.octets, first.0.octets, "it is asked again");
    assert!(router::is_open(&lab, session).await);
    nas.reply(&again, &again.answer(Code::DisconnectAck).put(rfc2869::EVENT_TIMESTAMP, now - 250).finish()).await;
    cut_is(&lab, session, "acknowledged").await;
}

#[tokio::test]
async fn o9_a_cause_that_contradicts_its_answer_is_logged_with_the_routers_name() {
    let (lab, nas) = lab_with_a_router().await;
    let contradictions = || lab.radiusd().log().lines().filter(|line| line.contains("contradict")).count();
    for (name, code, cause, state, logged) in [
        ("80100001", Code::DisconnectNak, 201, "refused", 1),
        ("80100002", Code::DisconnectNak, 202, "refused", 2),
        ("80100003", Code::DisconnectAck, 404, "acknowledged", 3),
        ("80100004", Code::DisconnectAck, 503, "acknowledged", 4),
        ("80100005", Code::DisconnectAck, 201, "acknowledged", 4),
        ("80100006", Code::DisconnectNak, 501, "refused", 4),
    ] {
        let session = nas.session(&lab, name).await;
        store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
        let command = nas.command().await;
        nas.reply(&command, &command.answer(code).put(rfc5176::ERROR_CAUSE, cause).finish()).await;
        cut_is(&lab, session, state).await;
        assert_eq!(contradictions(), logged, "{code} with {cause}");
        assert!(router::is_open(&lab, session).await, "{code} with {cause} proves nothing");
    }
    let log = lab.radiusd().log();
    let line = log.lines().find(|line| line.contains("contradict")).expect("counted above");
    assert!(line.contains("router-1") && line.contains("201"), "{line}");
}
