//! RADIUS over TLS, with the real radiusd: what one connection carries, who is let in and who is not, and what ends it.

mod commands;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius_proto::attribute::rfc2866::acct_status_type as status;
use radius_proto::{Code, Packet};
use tests::radsec::{
    Authority, Files, Identity, Peer, Wish, access_request, accounting_request, is_answer, status_server,
};
use tests::world::{World, eventually};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A radiusd that listens for RadSec, and an authority that signs for both ends.
struct Stage {
    world: World,
    authority: Authority,
    files: Files,
    server: SocketAddr,
}

async fn stage(more: &str) -> Stage {
    // Wrong passwords come by the dozen here, from one device.
    let settings = tests::world::Settings { lock_after: 0, ..tests::world::Settings::default() };
    let mut world = World::with(settings).await;
    let authority = Authority::new("an operator's authority");
    let files = Files::configure(&world, &authority.issue(&Wish::server()), &authority, more);
    let server = world.start_radiusd().await.address("radsec").parse().unwrap();
    Stage { world, authority, files, server }
}

impl Stage {
    /// Registers a router under the name of its certificate.
    async fn register(&self, name: &str, address: &str) {
        let new = store::nas::NewNas {
            id: shared::rng::id(self.world.clock.now()),
            name,
            secret: b"not the secret of RadSec",
            settings: store::nas::Settings {
                address: Some(address.parse().unwrap()),
                radsec_name: Some(name),
                ..Default::default()
            },
        };
        store::nas::save(&self.world.db, &new, self.world.clock.now()).await.unwrap();
        let known = format!("mlango_nas_known{{nas=\"{name}\"}}");
        self.until(&known, 1.0).await;
    }

    /// Waits until a metric has reached a value.
    async fn until(&self, metric: &str, value: f64) {
        let radiusd = self.world.radiusd.as_ref().unwrap();
        eventually(&format!("{metric} is {value}"), || async { (radiusd.metric(metric).await >= value).then_some(()) })
            .await;
    }

    /// Waits until a router has no connection.
    async fn until_gone(&self, name: &str) {
        let radiusd = self.world.radiusd.as_ref().unwrap();
        let metric = format!("mlango_radsec_connections{{nas=\"{name}\"}}");
        eventually("its connections are gone", || async { (radiusd.metric(&metric).await < 1.0).then_some(()) }).await;
    }

    async fn until_closed(&self, reason: &str, count: f64) {
        self.until(&format!("mlango_radsec_connections_closed_total{{reason=\"{reason}\"}}"), count).await;
    }

    async fn until_result(&self, result: &str, count: f64) {
        self.until(&format!("mlango_radsec_handshakes_total{{result=\"{result}\"}}"), count).await;
    }

    fn log(&self) -> String {
        self.world.radiusd.as_ref().unwrap().log()
    }

    fn identity(&self, name: &str) -> Identity {
        self.authority.issue(&Wish::router(name))
    }

    async fn connect(&self, name: &str) -> Peer {
        let identity = self.identity(name);
        Peer::connect(self.server, HERE, &self.authority, Some(&identity)).await.expect("the router is let in")
    }

    /// Somebody who must not be let in. TLS 1.3 tells a client only after its handshake.
    async fn turned_away(&self, identity: Option<&Identity>) {
        let Ok(mut peer) = Peer::connect(self.server, HERE, &self.authority, identity).await else { return };
        // It may hear of it while it speaks, or while it listens.
        if peer.send(&status_server(1, true)).await.is_ok() {
            let heard = peer.receive().await;
            assert!(!matches!(heard, Ok(Some(_))), "a stranger was answered: {heard:?}");
        }
    }

    async fn login_for_an_hour(&self) {
        let package = self.world.package("one-hour", |_| {}).await;
        self.world.grant(&package, "amina", "siri").await;
        self.until("mlango_directory_entitlements", 1.0).await;
    }
}

fn code(packet: &[u8]) -> Code {
    Packet::parse(packet).unwrap().code()
}

/// Whether the server has hung up, and said nothing more.
async fn is_over(peer: &mut Peer) -> bool {
    !matches!(tokio::time::timeout(Duration::from_secs(10), peer.receive()).await.unwrap(), Ok(Some(_)))
}

#[tokio::test]
async fn one_connection_carries_logins_accounting_and_status() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.login_for_an_hour().await;
    let mut peer = stage.connect("CAFE.example.net").await;

    let accepted = peer.ask(&access_request(1, "amina", "siri", false, 0)).await;
    assert_eq!(code(&accepted), Code::AccessAccept, "unsigned, and let in: the flags of UDP do not count here");
    let first = Packet::parse(&accepted).unwrap().attributes().next().map(|attribute| attribute.kind);
    assert_eq!(first, Some(80), "the answer is signed all the same");
    assert_eq!(code(&peer.ask(&access_request(2, "amina", "siri", true, 300)).await), Code::AccessAccept);
    assert_eq!(code(&peer.ask(&access_request(3, "amina", "wrong", true, 0)).await), Code::AccessReject);
    assert_eq!(code(&peer.ask(&status_server(4, true)).await), Code::AccessAccept);
    for (identifier, kind) in [(5, status::START), (6, status::INTERIM_UPDATE), (7, status::STOP)] {
        let recorded = peer.ask(&accounting_request(identifier, kind, "amina", "80100001", None)).await;
        assert_eq!(code(&recorded), Code::AccountingResponse);
    }
    let stored: Vec<String> = sqlx::query_scalar("SELECT n.name FROM sessions_ended s JOIN nas n ON n.id = s.nas_id")
        .fetch_all(&stage.world.pool)
        .await
        .unwrap();
    assert_eq!(stored, ["cafe.example.net"], "the session belongs to whom the certificate names");

    let old = [&rustls::version::TLS12];
    let identity = stage.identity("cafe.example.net");
    let mut second = Peer::connect_by(&old, stage.server, HERE, &stage.authority, Some(&identity)).await.unwrap();
    assert_eq!(code(&second.ask(&status_server(1, true)).await), Code::AccessAccept);
    stage.until("mlango_radsec_connections{nas=\"cafe.example.net\"}", 2.0).await;
    stage.until_result("accepted", 2.0).await;
    drop((peer, second));
    // Their ends are told apart by whether anything was unread; either way the places are free again.
    stage.until_gone("cafe.example.net").await;
    let packets = "mlango_radius_packets_received_total{code=\"Accounting-Request\",listener=\"radsec\"}";
    assert!(stage.world.radiusd.as_ref().unwrap().metric(packets).await >= 3.0);
}

#[tokio::test]
async fn two_hundred_requests_in_flight_are_each_answered_rightly() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.login_for_an_hour().await;
    let mut peer = stage.connect("cafe.example.net").await;
    let request = |identifier: u8| match identifier % 4 {
        0 => (access_request(identifier, "amina", "wrong", true, 0), Code::AccessReject),
        1 => (access_request(identifier, "amina", "siri", true, 0), Code::AccessAccept),
        2 => (status_server(identifier, true), Code::AccessAccept),
        _ => {
            let session = format!("801{identifier:05x}");
            (accounting_request(identifier, status::START, "amina", &session, None), Code::AccountingResponse)
        }
    };
    let asked: Vec<(Vec<u8>, Code)> = (0..200).map(request).collect();
    let all: Vec<u8> = asked.iter().flat_map(|(octets, _)| octets.clone()).collect();
    peer.send(&all).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..asked.len() {
        let answer = peer.receive().await.unwrap().expect("the connection holds");
        let (request, expected) = &asked[usize::from(answer[1])];
        assert!(is_answer(request, &answer), "{answer:?}");
        assert_eq!(code(&answer), *expected);
        order.push(answer[1]);
    }
    assert!(!order.is_sorted(), "a reject that is held back holds up nobody");
    order.sort_unstable();
    assert!(order.into_iter().eq(0..200), "each is answered once");
}

#[tokio::test]
async fn who_is_no_registered_router_is_turned_away_and_counted() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.register("far.example.net", "127.0.9.9/32").await;
    let now = stage.world.clock.now();
    let day = Duration::from_secs(24 * 3600);
    let expired = Wish { not_before: now - 9 * day, not_after: now - day, ..Wish::router("cafe.example.net") };

    stage.turned_away(None).await;
    stage.until_result("no_certificate", 1.0).await;
    let forger = Authority::new("a forger's authority");
    stage.turned_away(Some(&forger.issue(&Wish::router("cafe.example.net")))).await;
    stage.until_result("unknown_issuer", 1.0).await;
    stage.turned_away(Some(&stage.authority.issue(&expired))).await;
    stage.until_result("expired", 1.0).await;
    let server = Wish { is_server: true, ..Wish::router("cafe.example.net") };
    stage.turned_away(Some(&stage.authority.issue(&server))).await;
    stage.until_result("bad_certificate", 1.0).await;
    stage.turned_away(Some(&stage.identity("nobody.example.net"))).await;
    stage.until_result("unknown_name", 1.0).await;
    assert!(stage.log().contains("nobody.example.net"), "the operator is told which name to register: {}", stage.log());
    stage.turned_away(Some(&stage.identity("far.example.net"))).await;
    stage.until_result("wrong_address", 1.0).await;

    // A common name counts only in a certificate that has no other names.
    let misleading = Wish { common_name: "cafe.example.net".into(), ..Wish::router("nobody.example.net") };
    stage.turned_away(Some(&stage.authority.issue(&misleading))).await;
    stage.until_result("unknown_name", 2.0).await;
    let plain = Wish { names: vec![], common_name: "cafe.example.net".into(), ..Wish::router("cafe.example.net") };
    let plain = stage.authority.issue(&plain);
    let mut peer = Peer::connect(stage.server, HERE, &stage.authority, Some(&plain)).await.unwrap();
    assert_eq!(code(&peer.ask(&status_server(1, true)).await), Code::AccessAccept);
    stage.until_result("accepted", 1.0).await;
}

#[tokio::test]
async fn certificates_are_read_again_while_connections_go_on() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    let mut old = stage.connect("cafe.example.net").await;
    let before = old.server_certificate();
    assert_eq!(code(&old.ask(&status_server(1, true)).await), Code::AccessAccept);

    let next = Authority::new("the next authority");
    stage.files.put("client-ca.pem", &next.pem());
    stage.files.put_server(&next.issue(&Wish::server()));
    let renewed = next.issue(&Wish::router("cafe.example.net"));
    let mut new = eventually("the new certificates are in use", || async {
        let mut peer = Peer::connect(stage.server, HERE, &next, Some(&renewed)).await.ok()?;
        peer.send(&status_server(1, true)).await.ok()?;
        peer.receive().await.ok()?.map(|_| peer)
    })
    .await;
    assert_ne!(new.server_certificate(), before);
    assert_eq!(code(&old.ask(&status_server(2, true)).await), Code::AccessAccept, "the open connection goes on");
    assert_eq!(code(&new.ask(&status_server(3, true)).await), Code::AccessAccept);
    let replaced = stage.identity("cafe.example.net");
    let refused = Peer::connect(stage.server, HERE, &next, Some(&replaced)).await;
    if let Ok(mut peer) = refused {
        assert!(is_over(&mut peer).await, "what the authority before has signed counts no more");
    }
    stage.until_result("unknown_issuer", 1.0).await;

    // A key that does not belong to the certificate is refused, and nothing changes.
    stage.files.put("server.key", &replaced.key);
    eventually("the refusal is logged", || async { stage.log().contains("are refused").then_some(()) }).await;
    let mut third = Peer::connect(stage.server, HERE, &next, Some(&renewed)).await.unwrap();
    assert_eq!(code(&third.ask(&status_server(4, true)).await), Code::AccessAccept);

    let good = next.issue(&Wish::server());
    stage.files.put_server(&good);
    let readings = || stage.log().matches("were read again").count();
    eventually("they are good again", || async { (readings() >= 2).then_some(()) }).await;
    let pid = stage.world.radiusd.as_ref().unwrap().ready["pid"].to_string();
    let told = tokio::process::Command::new("kill").args(["-HUP", &pid]).status().await.unwrap();
    assert!(told.success());
    eventually("SIGHUP reads them again", || async { (readings() >= 3).then_some(()) }).await;
    assert_eq!(code(&old.ask(&status_server(5, true)).await), Code::AccessAccept);
    let until = r#"mlango_radsec_certificate_not_after_timestamp_seconds{file="certificate"}"#;
    let until = stage.world.radiusd.as_ref().unwrap().metric(until).await;
    #[expect(clippy::cast_precision_loss, reason = "a time of this century is exact")]
    let now = stage.world.clock.now().unix_timestamp() as f64;
    assert!((29.0..31.0).contains(&((until - now) / 86_400.0)), "{until}");
}

#[tokio::test]
async fn what_is_malformed_or_forged_ends_the_connection_and_other_silence_does_not() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    let good = status_server(1, true);
    let mut forged = status_server(2, true);
    *forged.last_mut().unwrap() ^= 1;
    let mut report = accounting_request(2, status::START, "amina", "80100001", None);
    report[5] ^= 1;
    let overflow = [&[1, 2, 0, 23], &[7; 16][..], &[1, 9, 0]].concat();
    let no_length = [&[1, 2, 0, 22], &[7; 16][..], &[1, 0]].concat();
    let ends: [&[u8]; 6] = [&[1, 2, 0, 19], &[1, 2, 0x10, 0x01], &overflow, &no_length, &forged, &report];
    for (count, bad) in (1_u8..).zip(ends) {
        let mut peer = stage.connect("cafe.example.net").await;
        peer.send(&[&good, bad].concat()).await.unwrap();
        let answer = peer.receive().await.unwrap().expect("what came before it is answered");
        assert!(is_answer(&good, &answer));
        assert!(is_over(&mut peer).await, "{bad:?} is survived");
        stage.until_closed("bad_packet", f64::from(count)).await;
    }

    // An unsigned Status-Server, answers to nothing, an unknown Code: silence, and the next packet is answered.
    let mut peer = stage.connect("cafe.example.net").await;
    for code in [2, 3, 5, 11, 41, 42, 44, 45, 40, 43, 200] {
        peer.send(&[&[code, 2, 0, 20], &[7; 16][..]].concat()).await.unwrap();
    }
    peer.send(&status_server(3, false)).await.unwrap();
    assert_eq!(code(&peer.ask(&good).await), Code::AccessAccept);
}

#[tokio::test]
async fn a_router_that_is_forgotten_or_moved_is_disconnected() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.register("bar.example.net", "127.0.0.0/24").await;
    let (mut cafe, mut bar) = (stage.connect("cafe.example.net").await, stage.connect("bar.example.net").await);
    assert_eq!(code(&cafe.ask(&status_server(1, true)).await), Code::AccessAccept);
    assert_eq!(code(&bar.ask(&status_server(1, true)).await), Code::AccessAccept);
    store::nas::remove(&stage.world.db, "cafe.example.net").await.unwrap();
    assert!(is_over(&mut cafe).await);
    stage.until_closed("unregistered", 1.0).await;
    let moved = store::nas::Settings { address: Some("127.0.9.0/24".parse().unwrap()), ..Default::default() };
    store::nas::change(&stage.world.db, "bar.example.net", &moved).await.unwrap();
    assert!(is_over(&mut bar).await);
    stage.until_closed("unregistered", 2.0).await;
}

#[tokio::test]
async fn a_router_that_does_not_read_is_cut_off_and_delays_nobody() {
    let stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.login_for_an_hour().await;
    let mut deaf = stage.connect("cafe.example.net").await;
    let mut other = stage.connect("cafe.example.net").await;
    let mut sent = 0;
    for round in 0_u32.. {
        let identifier = u8::try_from(round % 256).unwrap();
        if deaf.send(&access_request(identifier, "amina", "siri", true, 3500)).await.is_err() {
            break;
        }
        sent += 1;
        if round % 256 == 0 {
            assert_eq!(code(&other.ask(&status_server(identifier, true)).await), Code::AccessAccept);
        }
        assert!(sent < 20_000, "the server takes 70 megabytes of requests whose answers nobody reads");
    }
    stage.until_closed("slow", 1.0).await;
    assert_eq!(code(&other.ask(&status_server(1, true)).await), Code::AccessAccept);
}

#[tokio::test]
async fn a_server_that_stops_answers_what_it_took_and_says_farewell() {
    let mut stage = stage("").await;
    stage.register("cafe.example.net", "127.0.0.1/32").await;
    stage.login_for_an_hour().await;
    let mut peer = stage.connect("cafe.example.net").await;
    assert_eq!(code(&peer.ask(&access_request(1, "amina", "siri", true, 0)).await), Code::AccessAccept);
    let reports: Vec<Vec<u8>> = (0..50)
        .map(|number| accounting_request(number, status::START, "amina", &format!("801000{number:02x}"), None))
        .collect();
    peer.send(&reports.concat()).await.unwrap();
    let first = peer.receive().await.unwrap().expect("the first is answered");
    assert!(stage.world.radiusd.take().unwrap().stop().await, "it ends well");
    let mut answered = vec![first];
    while let Some(answer) = peer.receive().await.expect("the end is said, not cut") {
        answered.push(answer);
    }
    for answer in &answered {
        assert!(is_answer(&reports[usize::from(answer[1])], answer));
    }
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&stage.world.pool).await.unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), answered.len(), "what is stored is acknowledged, and the other way");
}

#[tokio::test]
async fn a_configuration_whose_certificates_do_not_fit_is_refused_in_words() {
    let world = World::new().await;
    let authority = Authority::new("an operator's authority");
    let server = authority.issue(&Wish::server());
    let files = Files::configure(&world, &server, &authority, "");
    let refusal = |output: (bool, String)| {
        assert!(!output.0, "it is accepted: {}", output.1);
        output.1
    };
    let (good, output) = world.check_radiusd().await;
    assert!(good && output.contains("the certificate of RadSec is good until"), "{output}");
    files.put("server.key", &authority.issue(&Wish::server()).key);
    let output = refusal(world.check_radiusd().await);
    assert!(output.contains("radsec.certificate and radsec.key cannot be used together"), "{output}");
    files.put("server.key", &server.certificate);
    let output = refusal(world.check_radiusd().await);
    assert!(output.contains("server.key holds no private key"), "{output}");
    files.put_server(&server);
    files.put("client-ca.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let output = refusal(world.check_radiusd().await);
    assert!(output.contains("radsec.client_ca") && output.contains("is damaged"), "{output}");
    std::fs::remove_file(files.path("client-ca.pem")).unwrap();
    let output = refusal(world.check_radiusd().await);
    assert!(output.contains("radsec.client_ca: cannot read"), "{output}");
}
