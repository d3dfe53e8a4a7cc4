//! Section 3.5 against the running server: a refusal that will not change is told to the operator and not tried again.

use tests::world::lab::Lab;

use super::router::{self, Router};

/// Error-Causes that mean "never": errors of the request itself, prohibition, and a session that cannot be removed.
const PERMANENT: [u32; 9] = [401, 402, 403, 404, 405, 406, 407, 501, 504];
/// One that may pass, whose second request shows that the pause is over.
const PASSING: u32 = 506;

#[tokio::test]
async fn o9_a_refusal_that_will_not_change_is_not_tried_again_and_stays_on_the_list() {
    let mut lab = Lab::prepare(tests::world::lab::LabSettings::default()).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let name = |cause: u32| format!("80100{cause}");
    let causes = [&PERMANENT[..], &[PASSING]].concat();
    let mut sessions = Vec::new();
    for cause in &causes {
        sessions.push(nas.session(&lab, &name(*cause)).await);
    }
    router::end_the_time(&lab).await;
    for _ in &causes {
        let command = nas.command().await;
        let cause = causes.iter().find(|cause| name(**cause) == command.session()).expect("one of ours");
        nas.refuse(&command, *cause).await;
    }
    let again = nas.command().await;
    assert_eq!(again.session(), name(PASSING), "only what may pass is tried again");
    nas.acknowledge(&again).await;
    assert!(!nas.has_more());
    let listed = store::session::cut_not_proved(&lab.world.db, 20).await.unwrap();
    assert_eq!(listed.len(), causes.len(), "none is taken for done");
    for session in sessions {
        assert!(router::is_open(&lab, session).await);
    }
    let alerts = lab.radiusd().log().lines().filter(|line| line.contains("WARN") && line.contains("router-1")).count();
    assert!(alerts >= PERMANENT.len(), "the operator is told of each: {}", lab.radiusd().log());
}
