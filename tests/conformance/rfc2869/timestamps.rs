//! Section 5.3 against the running server: Event-Timestamp says when it happened, where the router's clock is sane; a
//! clock that is not is told of in the log.

use radius_proto::Code;
use radius_proto::attribute::rfc2866::acct_status_type::START;
use radius_proto::attribute::{rfc2866, rfc2869};
use tests::world::lab::{Lab, Port};

use super::counters::began_before_now;

#[tokio::test]
async fn a7_a_sane_event_timestamp_is_when_it_happened_and_an_insane_one_is_flagged() {
    let lab = Lab::new().await;
    let now = u32::try_from(lab.world.clock.now().unix_timestamp()).expect("before 2106");
    for (session, ago, delay) in [("80100001", 100, 0), ("80100002", 3600, 0), ("80100003", 100, 50)] {
        let start = lab.report(START, session).put(rfc2869::EVENT_TIMESTAMP, now - ago).put(rfc2866::ACCT_DELAY_TIME, delay);
        assert_eq!(lab.answered(Port::Acct, &start).await.code(), Code::AccountingResponse);
        let began = began_before_now(&lab, session).await;
        assert!((i64::from(ago)..i64::from(ago) + 30).contains(&began), "{session}: {began} seconds ago");
    }
    let start = lab.report(START, "80100004").put(rfc2869::EVENT_TIMESTAMP, 86_400);
    assert_eq!(lab.answered(Port::Acct, &start).await.code(), Code::AccountingResponse);
    assert!((0..30).contains(&began_before_now(&lab, "80100004").await), "recorded, and not trusted");
    let flagged = lab.radiusd().log().lines().filter(|line| line.contains("Event-Timestamp") && line.contains("lab")).count();
    assert_eq!(flagged, 1, "the operator is told whose clock is wrong");
}
