//! The server seen by somebody else's client: `radclient` of FreeRADIUS.

use std::net::Ipv4Addr;
use std::process::Stdio;

use tests::world::{World, at, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs radclient with one try, or says that it is not there. Returns its output and whether it was answered
/// as it wished.
async fn radclient(server: &str, kind: &str, secret: &str, attributes: &str) -> Option<String> {
    let Some(program) = std::env::var_os("MLANGO_RADCLIENT") else {
        println!("skipped: radclient is not installed (MLANGO_RADCLIENT is not set)");
        return None;
    };
    let mut child = Command::new(program)
        .args(["-x", "-r", "1", "-t", "2", server, kind, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("radclient starts");
    child.stdin.take().expect("piped").write_all(attributes.as_bytes()).await.expect("it reads");
    let output = child.wait_with_output().await.expect("its own child");
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn radclient_is_accepted_rejected_acknowledged_or_met_with_silence() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    world.register("localhost", b"testing123", at(Ipv4Addr::LOCALHOST)).await;
    let package = world.package("one-hour", |p| p.device_limit = 100).await;
    world.grant(&package, "amina", "siri").await;
    let radiusd = world.radiusd.as_ref().unwrap();
    eventually("radiusd knows the login", || async {
        (radiusd.metric("mlango_directory_entitlements").await >= 1.0).then_some(())
    })
    .await;
    eventually("radiusd knows the router", || async {
        (radiusd.metric("mlango_nas_known{nas=\"localhost\"}").await >= 1.0).then_some(())
    })
    .await;
    let (auth, acct) = (radiusd.address("auth"), radiusd.address("acct"));

    let login = "User-Name = amina\nUser-Password = siri\nCalling-Station-Id = \"02:00:00:00:00:01\"\n";
    let Some(accepted) = radclient(&auth, "auth", "testing123", login).await else { return };
    assert!(accepted.contains("Received Access-Accept"), "{accepted}");
    assert!(accepted.contains("Session-Timeout = 3600"), "{accepted}");
    assert!(accepted.contains("Message-Authenticator = 0x"), "{accepted}");
    let chap = login.replace("User-Password", "CHAP-Password");
    assert!(radclient(&auth, "auth", "testing123", &chap).await.unwrap().contains("Received Access-Accept"));

    let wrong = login.replace("siri", "wrong");
    let rejected = radclient(&auth, "auth", "testing123", &wrong).await.unwrap();
    assert!(rejected.contains("Received Access-Reject"), "{rejected}");
    assert!(rejected.contains("Reply-Message = \"The password is not right. Please try again.\""), "{rejected}");

    let report = "Acct-Status-Type = Start\nAcct-Session-Id = 80100001\nUser-Name = amina\nCalling-Station-Id = \"02:00:00:00:00:01\"\nFramed-IP-Address = 10.5.50.9\n";
    let recorded = radclient(&acct, "acct", "testing123", report).await.unwrap();
    assert!(recorded.contains("Received Accounting-Response"), "{recorded}");
    let stop =
        report.replace("Start", "Stop") + "Acct-Session-Time = 5\nAcct-Input-Octets = 7\nAcct-Output-Octets = 9\n";
    assert!(radclient(&acct, "acct", "testing123", &stop).await.unwrap().contains("Received Accounting-Response"));
    let (sessions, octets): (i64, i64) =
        sqlx::query_as("SELECT count(*), sum(input_octets + output_octets)::bigint FROM sessions_ended")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((sessions, octets), (1, 16), "without our Class, Start and Stop still find each other");

    let status = radclient(&auth, "status", "testing123", "Message-Authenticator = 0x00\n").await.unwrap();
    assert!(status.contains("Received Access-Accept"), "{status}");

    for (server, kind, packet) in [(&auth, "auth", login), (&acct, "acct", report)] {
        let silence = radclient(server, kind, "not-the-secret", packet).await.unwrap();
        assert!(silence.contains("No reply from server"), "{silence}");
    }
    let radiusd = world.radiusd.as_ref().unwrap();
    assert!(
        radiusd.metric(r#"mlango_radius_packets_dropped_total{listener="auth",reason="bad_secret"}"#).await >= 1.0,
        "{}",
        radiusd.metrics().await
    );
    assert!(
        radiusd.metric(r#"mlango_radius_packets_dropped_total{listener="acct",reason="bad_authenticator"}"#).await
            >= 1.0
    );
    let lines =
        radiusd.log().lines().filter(|line| line.contains("the router's secret is not the one we have")).count();
    assert_eq!(lines, 2, "one line a reason: {}", radiusd.log());
}
