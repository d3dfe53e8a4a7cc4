//! Sections 2.1, 5.1 to 5.3 against the running server: Gigawords widen the counters, interim values are cumulative
//! and never summed, and time is believed within bounds.

use radius_proto::Code;
use radius_proto::attribute::rfc2866::acct_status_type::{INTERIM_UPDATE, START, STOP};
use radius_proto::attribute::{rfc2865, rfc2866, rfc2869};
use shared::time::OffsetDateTime;
use tests::world::eventually;
use tests::world::lab::{Draft, Lab, Port, SECRET};

async fn recorded(lab: &Lab, report: &Draft) {
    assert_eq!(lab.answered(Port::Acct, report).await.code(), Code::AccountingResponse);
}

fn counted(draft: Draft, seconds: u32, up: u32, down: u32) -> Draft {
    draft
        .put(rfc2866::ACCT_SESSION_TIME, seconds)
        .put(rfc2866::ACCT_INPUT_OCTETS, up)
        .put(rfc2866::ACCT_OUTPUT_OCTETS, down)
}

#[tokio::test]
async fn a4_gigawords_are_the_upper_half_of_the_counters() {
    let lab = Lab::new().await;
    let interim = |up: u32, up_giga: Option<u32>, down: u32, down_giga: Option<u32>| {
        let mut draft = counted(lab.report(INTERIM_UPDATE, "80100001"), 60, up, down);
        if let Some(giga) = up_giga {
            draft = draft.put(rfc2869::ACCT_INPUT_GIGAWORDS, giga);
        }
        if let Some(giga) = down_giga {
            draft = draft.put(rfc2869::ACCT_OUTPUT_GIGAWORDS, giga);
        }
        draft
    };
    let giga: i64 = 1 << 32;
    for (report, up, down) in [
        (interim(u32::MAX, None, 5, Some(0)), giga - 1, 5),
        // One octet more wraps the lower half.
        (interim(0, Some(1), 6, None), giga, 6),
        (interim(7, Some(3), u32::MAX, Some(2)), 3 * giga + 7, 3 * giga - 1),
    ] {
        recorded(&lab, &report).await;
        assert_eq!(lab.usage().await, (60, up, down));
    }
    // A lower half that wrapped, in a packet that lost its Gigawords, is a lower counter and changes nothing.
    recorded(&lab, &interim(9, None, 9, None)).await;
    assert_eq!(lab.usage().await, (60, 3 * giga + 7, 3 * giga - 1));
}

#[tokio::test]
async fn a5_interim_values_are_cumulative_and_a_repetition_of_any_kind_adds_nothing() {
    let mut lab = Lab::new().await;
    let ticket = lab.ticket().await;
    for class in [None, Some(&ticket)] {
        let before = lab.usage().await;
        let session = if class.is_some() { "80100001" } else { "80100002" };
        let report = |status, seconds, up, down| {
            let draft = counted(lab.report(status, session), seconds, up, down);
            match class {
                Some(class) => draft.put(rfc2865::CLASS, class),
                None => draft,
            }
        };
        let used = async |seconds: i64, up: i64, down: i64, what: &str| {
            assert_eq!(lab.usage().await, (before.0 + seconds, before.1 + up, before.2 + down), "{session}: {what}");
        };
        recorded(&lab, &report(START, 0, 0, 0)).await;
        for (seconds, up, down) in [(60, 100, 1000), (120, 250, 1000), (180, 400, 3000)] {
            recorded(&lab, &report(INTERIM_UPDATE, seconds, up, down)).await;
            used(seconds.into(), up.into(), down.into(), "the newest counters, not their sum").await;
        }
        let interim = report(INTERIM_UPDATE, 180, 400, 3000);
        recorded(&lab, &interim).await;
        recorded(&lab, &interim).await;
        used(180, 400, 3000, "a retransmission").await;
        // The same report sent anew: another Identifier, and it says how late it is (RFC 2866 §5.2).
        for delay in [1, 4, 13] {
            recorded(&lab, &interim.again().put(rfc2866::ACCT_DELAY_TIME, delay)).await;
        }
        used(180, 400, 3000, "a new Acct-Delay-Time").await;
        recorded(&lab, &report(STOP, 200, 500, 3500)).await;
        recorded(&lab, &report(STOP, 200, 500, 3500)).await;
        used(200, 500, 3500, "a Stop that came twice").await;
    }
    assert_eq!(lab.sessions().await, (0, 2));

    // After a restart the memory of answers is gone, and the reports of before come again.
    let replay = counted(lab.report(STOP, "80100001"), 200, 500, 3500).put(rfc2865::CLASS, &ticket).finish();
    let before = (lab.usage().await, lab.sessions().await);
    lab.wire.ask(lab.address(Port::Acct), &replay, SECRET).await;
    lab.world.radiusd.take().expect("it runs").kill().await;
    lab.start().await;
    for _ in 0..2 {
        lab.wire.ask(lab.address(Port::Acct), &replay, SECRET).await;
    }
    recorded(&lab, &counted(lab.report(STOP, "80100002"), 200, 500, 3500)).await;
    assert_eq!((lab.usage().await, lab.sessions().await), before);
}

/// When the session of that name began, in seconds before now.
async fn began_before_now(lab: &Lab, session: &str) -> i64 {
    let began: OffsetDateTime = sqlx::query_scalar("SELECT started_at FROM sessions WHERE acct_session_id = $1")
        .bind(session)
        .fetch_one(&lab.world.pool)
        .await
        .unwrap_or_else(|error| panic!("{session}: {error}"));
    (lab.world.clock.now() - began).whole_seconds()
}

#[tokio::test]
async fn a7_it_happened_at_receipt_less_acct_delay_time_and_a_wrong_clock_is_recorded_and_only_flagged() {
    let lab = Lab::new().await;
    for (session, delay) in [("80100001", 0), ("80100002", 50), ("80100003", 3600)] {
        recorded(&lab, &lab.report(START, session).put(rfc2866::ACCT_DELAY_TIME, delay)).await;
        let ago = began_before_now(&lab, session).await;
        assert!((i64::from(delay)..i64::from(delay) + 30).contains(&ago), "{session}: {ago} seconds ago");
    }
    // Half a minute is no fault: nobody is told.
    let now = u32::try_from(lab.world.clock.now().unix_timestamp()).expect("before 2106");
    let flagged = |lab: &Lab| lab.radiusd().log().lines().filter(|line| line.contains("its clock is wrong")).count();
    recorded(&lab, &lab.report(START, "80100010").put(rfc2869::EVENT_TIMESTAMP, now - 30)).await;
    assert_eq!(flagged(&lab), 0);
    // A router without a clock, and one whose clock is years ahead: recorded, and not trusted.
    let ahead = now + 400_000_000;
    for (session, stamp) in [("80100011", 0), ("80100012", 86_400), ("80100013", ahead), ("80100014", u32::MAX)] {
        recorded(&lab, &lab.report(START, session).put(rfc2869::EVENT_TIMESTAMP, stamp)).await;
        let ago = began_before_now(&lab, session).await;
        assert!((0..30).contains(&ago), "{session}: {ago} seconds ago");
    }
    // A delay that cannot be: nothing waits for longer than a day.
    recorded(&lab, &lab.report(START, "80100021").put(rfc2866::ACCT_DELAY_TIME, u32::MAX)).await;
    let ago = began_before_now(&lab, "80100021").await;
    assert!((0..=86_400 + 30).contains(&ago), "{ago} seconds ago");
    assert_eq!(lab.sessions().await, (9, 0));
    assert_eq!(flagged(&lab), 1, "told once, not with every report");
    // The operator sees it, and sees it go.
    let told = async || store::nas::all(&lab.world.db).await.expect("the routers")[0].clock_offset_seconds;
    eventually("the clock is shown as wrong", async || told().await.filter(|ahead| *ahead > 1_000_000_000)).await;
    recorded(&lab, &lab.report(START, "80100031").put(rfc2869::EVENT_TIMESTAMP, now)).await;
    eventually("the clock is shown as right", async || told().await.filter(|ahead| *ahead == 0)).await;
}
