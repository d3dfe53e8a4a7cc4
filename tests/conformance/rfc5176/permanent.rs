//! Section 3.5 against the running server: a refusal that will not change is told to the operator and not tried again.

use tests::world::eventually;
use tests::world::lab::{Lab, LabSettings};

use super::router::{self, Router, cut_is};

/// Error-Causes that mean "never": errors of the request itself, prohibition, and a session that cannot be removed.
const PERMANENT: [u32; 9] = [401, 402, 403, 404, 405, 406, 407, 501, 504];
/// One that may pass, whose second request shows that the pause is over.
const PASSING: u32 = 506;

#[tokio::test]
async fn o9_a_refusal_that_will_not_change_is_not_tried_again_and_stays_on_the_list() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
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
    for (session, cause) in sessions.iter().zip(&causes) {
        assert_eq!(cut_is(&lab, *session, "refused").await.error_cause, i32::try_from(*cause).ok());
    }
    let again = nas.command().await;
    assert_eq!(again.session(), name(PASSING), "only what may pass is tried again");
    nas.acknowledge(&again).await;
    let passing = *sessions.last().expect("ten of them");
    cut_is(&lab, passing, "acknowledged").await;
    assert!(!nas.has_more());

    // None of the others is taken for done, and the operator is told of each.
    let soon = lab.world.clock.now() + store::session::PROOF_WITHIN;
    let listed = store::session::leaking(&lab.world.db, soon, 20).await.unwrap();
    assert_eq!(listed.len(), causes.len());
    for session in &sessions {
        assert!(router::is_open(&lab, *session).await);
    }
    let told = lab.radiusd().log().matches("this refusal will not change").count();
    assert_eq!(told, PERMANENT.len(), "{}", lab.radiusd().log());
    eventually("the refused ones are counted", || async {
        let refused = lab.radiusd().metric(r#"mlango_coa_refused{nas="router-1"}"#).await;
        ((refused - 9.0).abs() < 0.5).then_some(())
    })
    .await;

    // Somebody has mended the router and presses the button: it is asked at once.
    store::session::disconnect(&lab.world.db, sessions[0], lab.world.clock.now()).await.unwrap();
    let wished = nas.command().await;
    assert_eq!(wished.session(), name(PERMANENT[0]));
    nas.acknowledge(&wished).await;
    cut_is(&lab, sessions[0], "acknowledged").await;
}
