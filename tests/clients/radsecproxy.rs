//! The server behind `radsecproxy`, by which routers that speak only UDP reach it over the Internet: radclient, or this
//! test in a router's place, asks the proxy by UDP, and the proxy asks radiusd over TLS with a certificate of its own.
//!
//! What the proxy does not pass on is shown too: a Disconnect-Request, which must then reach the router another way.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use radius_proto::attribute::{microsoft, rfc2865, rfc2866};
use radius_proto::message_authenticator::{Check, check_request};
use radius_proto::password::{mppe, mschap};
use radius_proto::{Code, Packet, Secret, authenticator};
use store::nas::Settings;
use tests::radsec::{Authority, Files, Wish};
use tests::world::lab::{Draft, Lab, LabSettings, MAC, NAME, PASSWORD, SECRET, Wire, free_port};
use tests::world::{at, eventually};
use tokio::process::{Child, Command};

/// The name in the proxy's certificate, under which it is registered as a router.
const CERTIFIED: &str = "cafe.example.net";

/// A laboratory behind a proxy.
struct Stage {
    lab: Lab,
    /// Where the router takes commands by UDP.
    router: Wire,
    /// Where the proxy listens.
    proxy: SocketAddr,
    log: PathBuf,
    /// Killed with the stage.
    _process: Child,
}

impl Stage {
    /// A proxy whose certificate has this name; `None` if radsecproxy is not here.
    async fn with(name: &str) -> Option<Stage> {
        let program = crate::program("MLANGO_RADSECPROXY")?;
        let router = Wire::at(Ipv4Addr::LOCALHOST).await;
        let settings = Settings {
            radsec_name: Some(CERTIFIED),
            coa_port: Some(router.address().port()),
            ..at(Ipv4Addr::LOCALHOST)
        };
        let mut lab = Lab::prepare(LabSettings { router: settings, ..LabSettings::default() }).await;
        let authority = Authority::new("an operator's authority");
        let files = Files::configure(&lab.world, &authority.issue(&Wish::server()), &authority, "");
        lab.start().await;
        let identity = authority.issue(&Wish::router(name));
        let certificates = [
            files.put("proxy-ca.pem", &authority.pem()),
            files.put("proxy.pem", &identity.certificate),
            files.put("proxy.key", &identity.key),
        ];
        let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST)));
        let server: SocketAddr = lab.radiusd().address("radsec").parse().expect("an address");
        let config = files.put("radsecproxy.conf", &configuration(proxy, server, &certificates));
        let log = files.path("radsecproxy.log");
        let process = start(&program, &config, &log);
        Some(Stage { lab, router, proxy, log, _process: process })
    }

    /// The same, once the proxy has connected.
    async fn connected() -> Option<Stage> {
        let stage = Stage::with(CERTIFIED).await?;
        stage.until("mlango_radsec_connections{nas=\"lab\"}").await;
        Some(stage)
    }

    /// Waits until a metric of radiusd is not zero.
    async fn until(&self, metric: &str) {
        let radiusd = self.lab.radiusd();
        let what =
            format!("{metric} counts; the proxy says: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
        eventually(&what, || async { (radiusd.metric(metric).await >= 1.0).then_some(()) }).await;
    }

    /// Runs radclient against the proxy, with one try. `None` if it is not here.
    async fn radclient(&self, kind: &str, attributes: &[&str]) -> Option<String> {
        let program = crate::program("MLANGO_RADCLIENT")?;
        let (proxy, secret) = (self.proxy.to_string(), std::str::from_utf8(SECRET).expect("text"));
        let arguments = ["-x", "-r", "1", "-t", "5", &proxy, kind, secret];
        Some(crate::run(&program, &arguments, &(attributes.join("\n") + "\n")).await.output)
    }

    async fn login(&self, method: &str, password: &str) -> Option<String> {
        let (name, mac) = (format!("User-Name = {NAME}"), format!("Calling-Station-Id = \"{MAC}\""));
        self.radclient("auth", &[&name, &mac, &format!("{method} = \"{password}\"")]).await
    }

    async fn report(&self, status: &str) -> Option<String> {
        let (name, mac) = (format!("User-Name = {NAME}"), format!("Calling-Station-Id = \"{MAC}\""));
        let status = format!("Acct-Status-Type = {status}");
        let session = ["Acct-Session-Id = 80100001", "Framed-IP-Address = 10.5.50.9"];
        let counters = ["Acct-Session-Time = 5", "Acct-Input-Octets = 7", "Acct-Output-Octets = 9"];
        self.radclient("acct", &[&[name.as_str(), &mac, &status][..], &session, &counters].concat()).await
    }
}

/// What docs/operations/radsec.md tells an operator to write, with this test's ports and files.
fn configuration(proxy: SocketAddr, server: SocketAddr, [authority, certificate, key]: &[PathBuf; 3]) -> String {
    let secret = std::str::from_utf8(SECRET).expect("text");
    format!(
        "ListenUDP {proxy}\nSourceTLS 127.0.0.1\n\
         tls default {{\n  CACertificateFile {}\n  CertificateFile {}\n  CertificateKeyFile {}\n}}\n\
         client 127.0.0.1 {{\n  type udp\n  secret {secret}\n}}\n\
         server mlango {{\n  host {}\n  port {}\n  type tls\n  secret radsec\n  StatusServer auto\n}}\n\
         realm * {{\n  server mlango\n  accountingServer mlango\n}}\n",
        authority.display(),
        certificate.display(),
        key.display(),
        server.ip(),
        server.port(),
    )
}

/// Starts the proxy in the foreground.
fn start(program: &OsString, config: &PathBuf, log: &PathBuf) -> Child {
    let output = std::fs::File::create(log).expect("a log file");
    let errors = output.try_clone().expect("a second handle");
    Command::new(program)
        .args(["-f", "-d", "2", "-c"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

#[track_caller]
fn says(output: &str, words: &[&str]) {
    for word in words {
        assert!(output.contains(word), "{word:?} is not in {output}");
    }
}

#[tokio::test]
async fn a_right_password_is_accepted_and_a_wrong_one_refused_with_its_reason() {
    let Some(stage) = Stage::connected().await else { return };
    // The proxy hides a password anew, and turns an implicit challenge into a CHAP-Challenge.
    for method in ["User-Password", "CHAP-Password"] {
        let Some(accepted) = stage.login(method, PASSWORD).await else { return };
        says(&accepted, &["Received Access-Accept", "Session-Timeout = ", "Mikrotik-Rate-Limit = \"2M/5M\""]);
        let refused = stage.login(method, "not the password").await.expect("it is there");
        says(&refused, &["Received Access-Reject", "The password is not right. Please try again."]);
    }
    let came = "mlango_radius_packets_received_total{code=\"Access-Request\",listener=\"radsec\"}";
    assert!(stage.lab.radiusd().metric(came).await >= 4.0, "all of it over TLS");
    let drops = stage.lab.drops().await;
    assert!(drops.values().all(|count| *count == 0.0), "{drops:?}");
}

#[tokio::test]
async fn a_session_is_recorded_from_start_to_stop_under_the_proxys_name() {
    let Some(stage) = Stage::connected().await else { return };
    for (status, sessions) in [("Start", (1, 0)), ("Interim-Update", (1, 0)), ("Stop", (0, 1))] {
        let Some(recorded) = stage.report(status).await else { return };
        says(&recorded, &["Received Accounting-Response"]);
        assert_eq!(stage.lab.sessions().await, sessions, "{status}");
    }
    let query = "SELECT n.name, s.user_name FROM sessions_ended s JOIN nas n ON n.id = s.nas_id";
    let stored: (String, String) = sqlx::query_as(query).fetch_one(&stage.lab.world.pool).await.expect("one session");
    assert_eq!(stored, ("lab".to_owned(), NAME.to_owned()));
    assert_eq!(stage.lab.usage().await, (5, 7, 9));
}

#[tokio::test]
async fn the_proxy_asks_whether_the_server_is_there_and_tells_the_router_that_it_is_itself() {
    let Some(stage) = Stage::connected().await else { return };
    let Some(alive) = stage.radclient("status", &["Message-Authenticator = 0x00"]).await else { return };
    says(&alive, &["Received Access-Accept"]);
    let came = "mlango_radius_packets_received_total{code=\"Status-Server\",listener=\"radsec\"}";
    assert!(stage.lab.radiusd().metric(came).await < 0.5, "the proxy answers for itself");
    // With its first request it asks for itself.
    says(&stage.login("User-Password", "not the password").await.expect("it is there"), &["Received Access-Reject"]);
    stage.until(came).await;
    stage.until("mlango_radius_responses_total{code=\"Access-Accept\",nas=\"lab\"}").await;
}

#[tokio::test]
async fn the_keys_of_a_tunnel_are_the_same_on_both_sides_of_the_proxy() {
    let Some(stage) = Stage::connected().await else { return };
    let challenge = [0x5b; 16];
    let response = mschap::response_v2(7, &challenge, &[0x21; 16], NAME.as_bytes(), PASSWORD.as_bytes()).unwrap();
    let login = Draft::new(Code::AccessRequest, SECRET)
        .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::FRAMED_USER)
        .put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::VIRTUAL)
        .put(rfc2865::USER_NAME, NAME.as_bytes())
        .put(rfc2865::CALLING_STATION_ID, MAC.as_bytes())
        .put(microsoft::MS_CHAP_CHALLENGE, &challenge)
        .put(microsoft::MS_CHAP2_RESPONSE, &response)
        .sign();
    let accepted = stage.lab.wire.ask(stage.proxy, &login.finish(), SECRET).await;
    assert!(accepted.is_accept(), "{:?}", accepted.packet());
    let own = mschap::verify_v2(&challenge, &response, NAME.as_bytes(), PASSWORD.as_bytes()).expect("right");
    assert_eq!(accepted.get(microsoft::MS_CHAP2_SUCCESS), Some(&own.success[..]));
    let (secret, keys) = (Secret::new(SECRET).expect("not empty"), own.session_keys());
    for (attribute, key) in [(microsoft::MS_MPPE_SEND_KEY, keys.send), (microsoft::MS_MPPE_RECV_KEY, keys.receive)] {
        let hidden = accepted.get(attribute).expect("a key");
        assert_eq!(mppe::reveal_key(hidden, &login.challenge(), &secret), Some(key), "hidden anew by the proxy");
    }
}

#[tokio::test]
async fn a_disconnect_that_the_proxy_does_not_pass_on_reaches_the_router_by_udp() {
    let Some(stage) = Stage::connected().await else { return };
    let Some(started) = stage.report("Start").await else { return };
    says(&started, &["Received Accounting-Response"]);
    let (world, session) =
        (&stage.lab.world, &store::session::open(&stage.lab.world.db, 1).await.expect("it is open")[0]);
    store::session::disconnect(&world.db, session.id, world.clock.now()).await.expect("it is asked for");
    let command = stage.router.receive().await;
    let (request, secret) =
        (Packet::parse(&command.octets).expect("well formed"), Secret::new(SECRET).expect("not empty"));
    assert_eq!(request.code(), Code::DisconnectRequest);
    assert!(authenticator::verify_request(&request, &secret), "made with the router's own secret, not that of RadSec");
    assert_eq!(check_request(&request, &secret), Check::Valid);
    assert_eq!(request.get(rfc2866::ACCT_SESSION_ID), Some(&b"80100001"[..]));
    let answer = Draft::answer(Code::DisconnectAck, &command.octets, SECRET).finish();
    stage.router.send(command.from, &answer).await;
    stage.until("mlango_coa_requests_total{kind=\"disconnect\",result=\"ack\"}").await;
    // Neither the silence nor the request, which the proxy has no use for, cost the connection.
    assert_eq!(stage.lab.total("mlango_radsec_connections_closed_total").await, 0.0);
    says(&stage.login("User-Password", PASSWORD).await.expect("it is there"), &["Received Access-Accept"]);
}

#[tokio::test]
async fn a_proxy_whose_certificate_nobody_registered_gets_nothing() {
    let Some(stage) = Stage::with("nobody.example.net").await else { return };
    stage.until("mlango_radsec_handshakes_total{result=\"unknown_name\"}").await;
    let Some(silence) = stage.login("User-Password", PASSWORD).await else { return };
    says(&silence, &["No reply from server"]);
    assert_eq!(stage.lab.total("mlango_radius_packets_received_total").await, 0.0, "no packet of it was looked at");
}
