//! RFC 5080 section 2.2.1 and RFC 5176 sections 2.3 and 6.3: a router that does not answer is asked again with the very
//! same octets, at growing intervals, for half a minute. Nobody takes its silence for a yes.

use std::time::{Duration, Instant};

use tests::world::eventually;
use tests::world::lab::{Lab, LabSettings};

use super::router::{self, Command, Router, cut_is};

/// What a busy machine may add to a wait.
const SLACK: Duration = Duration::from_millis(1500);
/// What receiving may take off one.
const HASTE: Duration = Duration::from_millis(50);

/// Waits for every transmission of the first request. The second request shows that the first is over.
async fn transmissions(nas: &Router) -> (Vec<Command>, Command) {
    let mut sent: Vec<Command> = vec![nas.command().await];
    loop {
        let next =
            nas.command_within(Duration::from_secs(60)).await.expect("a session that is not cut is not given up");
        if next.identifier() != sent[0].identifier() {
            return (sent, next);
        }
        sent.push(next);
    }
}

#[tokio::test]
async fn o2_o4_o10_a_silent_router_gets_the_same_octets_at_growing_intervals_and_is_not_believed_to_agree() {
    // Longer than this takes without a report, or the session would be closed as one that nobody speaks of any more.
    let mut settings = LabSettings::default();
    settings.world.interim_seconds = 600;
    let mut lab = Lab::prepare(settings).await;
    let nas = Router::register(&lab, 1).await;
    lab.start().await;
    let session = nas.session(&lab, "80100001").await;
    router::end_the_time(&lab).await;
    let (sent, second_request) = transmissions(&nas).await;

    // O2: the same Identifier, Authenticator and Event-Timestamp, which is to say the same octets, from the same port.
    for again in &sent[1..] {
        assert_eq!(again.0.octets, sent[0].0.octets);
        assert_eq!(again.0.from, sent[0].0.from);
    }
    // O4: RT is IRT (2 s) varied by a tenth, then doubles, each time varied by a tenth, up to MRT (16 s); it ends after
    // MRC (5) transmissions or MRD (30 s).
    let at: Vec<Instant> = sent.iter().map(|command| command.0.at).collect();
    assert!((4..=5).contains(&sent.len()), "{} transmissions", sent.len());
    let waits: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (mut least, mut most) = (Duration::from_millis(1800), Duration::from_millis(2200));
    for wait in &waits {
        assert!(
            *wait + HASTE >= least && *wait <= most + SLACK,
            "{wait:?} is not between {least:?} and {most:?}: {waits:?}"
        );
        least = least.mul_f64(1.9).min(Duration::from_millis(14_400));
        most = most.mul_f64(2.1).min(Duration::from_millis(17_600));
    }
    assert!(at[at.len() - 1] - at[0] <= Duration::from_secs(30) + SLACK, "{waits:?}");

    // O10: the silence changed nothing but the list, and the next request came by itself.
    assert!(second_request.0.at - at[0] >= Duration::from_secs(30), "the first request was over by then");
    assert_ne!(second_request.0.octets[4..20], sent[0].0.octets[4..20]);
    assert_eq!(second_request.session(), "80100001");
    assert!(router::is_open(&lab, session).await, "it is not known that the guest is gone");
    let listed = store::session::leaking(&lab.world.db, lab.world.clock.now(), 10).await.unwrap();
    assert_eq!(listed.iter().map(|leak| leak.session.id).collect::<Vec<_>>(), [session], "the desk sees it");
    let timeouts = lab.radiusd().metric(r#"mlango_coa_requests_total{kind="disconnect",result="timeout"}"#).await;
    assert!((timeouts - 1.0).abs() < 0.5);
    nas.acknowledge(&second_request).await;
    cut_is(&lab, session, "acknowledged").await;
    assert!(router::is_open(&lab, session).await, "nor does an acknowledgement prove it");
    nas.stop(&lab, "80100001").await;
    eventually("the Stop proves it", || async { (!router::is_open(&lab, session).await).then_some(()) }).await;
    cut_is(&lab, session, "proved").await;
}
