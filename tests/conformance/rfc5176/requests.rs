//! Sections 2.3, 3 and 6.3: what a Disconnect-Request holds, what changes with a new one, and how many there may be.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use radius_proto::attribute::{rfc2865, rfc5176::error_cause};
use tests::world::eventually;
use tests::world::lab::{Lab, LabSettings, NAME};

use super::router::{self, Router, cut_is};

#[tokio::test]
async fn o1_o8_both_proofs_are_right_and_only_router_and_session_are_named() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let session = nas.session(&lab, "80100001").await;
    router::end_the_time(&lab).await;
    // `command` computes Request Authenticator and Message-Authenticator anew.
    let command = nas.command().await;
    let now = lab.world.clock.now().unix_timestamp();
    assert_eq!(command.get(rfc2865::USER_NAME), Some(NAME.as_bytes()));
    assert_eq!(command.get(rfc2865::FRAMED_IP_ADDRESS), Some(Ipv4Addr::new(10, 5, 50, 9)));
    assert_eq!(command.session(), "80100001");
    assert!((0..=5).contains(&(now - i64::from(command.stamp()))), "Event-Timestamp is that of the sending");
    // Identification of session (§3) and NAS, and the two attributes against forgery and replay.
    let named = [1, 4, 5, 8, 31, 32, 44, 55, 80, 87, 95];
    for attribute in command.packet().attributes() {
        assert!(named.contains(&attribute.kind), "{attribute:?} is neither router nor session");
    }
    nas.acknowledge(&command).await;
    cut_is(&lab, session, "acknowledged").await;
}

#[tokio::test]
async fn o3_a_request_that_is_made_anew_has_a_new_identifier_authenticator_and_timestamp() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let session = nas.session(&lab, "80100001").await;
    router::end_the_time(&lab).await;
    let first = nas.command().await;
    nas.refuse(&first, error_cause::RESOURCES_UNAVAILABLE).await;
    cut_is(&lab, session, "refused").await;
    eventually("another second has begun", || async {
        (lab.world.clock.now().unix_timestamp() > i64::from(first.stamp())).then_some(())
    })
    .await;
    // The operator presses the button: it is asked again at once.
    store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
    let second = nas.command().await;
    assert_eq!(second.session(), first.session());
    assert_ne!(second.identifier(), first.identifier());
    assert_ne!(second.0.octets[4..20], first.0.octets[4..20]);
    assert!(second.stamp() > first.stamp(), "a new request says when it was made");
    nas.acknowledge(&second).await;
    cut_is(&lab, session, "acknowledged").await;
}

/// Answers after which the window of a router has grown from 32 to 256.
const GROWS: u32 = 256 - 32;
/// Sessions that are to be cut at one router at the same time.
const MANY: u32 = GROWS + 256 + 40;

#[tokio::test]
async fn o5_at_most_256_are_under_way_and_an_identifier_rests_until_its_request_is_over() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let now = lab.world.clock.now();
    let wish = store::seed::Wish { customers: MANY, sessions: MANY, bound: false };
    store::seed::seed(&lab.world.db, &lab.package, nas.id, wish, now).await.unwrap();
    let due = sqlx::query("UPDATE sessions SET cutoff_at = $1").bind(now).execute(&lab.world.pool).await.unwrap();
    assert_eq!(due.rows_affected(), u64::from(MANY));

    // The window of a router that answers grows to as many as there are Identifiers.
    for _ in 0..GROWS {
        let command = nas.command().await;
        nas.acknowledge(&command).await;
    }
    let (mut by_identifier, mut ports) = (HashMap::new(), HashSet::new());
    // A repetition of the first means that the first wait is over, and no more were sent by then.
    loop {
        let command = nas.command().await;
        ports.insert(command.0.from);
        if by_identifier.contains_key(&command.identifier()) {
            break;
        }
        by_identifier.insert(command.identifier(), command);
    }
    // A few may have been lost on their way here; their first repetition ends the wait all the same.
    let under_way = by_identifier.len();
    assert!((200..=256).contains(&under_way), "{under_way} are under way, of the 256 that there are identifiers for");
    assert_eq!(ports.len(), 1, "from one port");
    let sessions: HashSet<String> = by_identifier.values().map(super::router::Command::session).collect();
    assert_eq!(sessions.len(), under_way, "each for a session of its own");

    // Those that are answered are over: their identifiers are taken again, since no others are free. That requests had to be
    // sent again has halved the window, so that it takes some answers until there is room.
    let freed: HashSet<u8> = by_identifier.keys().copied().take(160).collect();
    for identifier in &freed {
        nas.acknowledge(&by_identifier[identifier]).await;
    }
    let mut taken = HashSet::new();
    while taken.len() < 3 {
        let command = nas.command_within(Duration::from_secs(10)).await.expect("more wait");
        if !sessions.contains(&command.session()) {
            let others = by_identifier.contains_key(&command.identifier()) && !freed.contains(&command.identifier());
            assert!(!others, "{} is still under way", command.identifier());
            taken.insert(command.identifier());
        }
    }
}

#[tokio::test]
async fn o5_an_identifier_that_is_free_again_is_taken_last() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let mut used = HashSet::new();
    for number in 0..8 {
        let session = nas.session(&lab, &format!("8010000{number}")).await;
        store::session::disconnect(&lab.world.db, session, lab.world.clock.now()).await.unwrap();
        let command = nas.command().await;
        assert!(used.insert(command.identifier()), "{} was used a moment ago", command.identifier());
        nas.acknowledge(&command).await;
        cut_is(&lab, session, "acknowledged").await;
    }
}
