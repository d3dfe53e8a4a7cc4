//! What radiusd asks of a router over the connection that the router opened (RFC 6614 §2.5): a Disconnect-Request goes
//! there first, its answer counts there and nowhere else, and where none comes the router is asked by UDP.

use radius_proto::attribute::rfc5176::{self, error_cause};
use radius_proto::attribute::{rfc2865, rfc2866};
use radius_proto::message_authenticator::{Check, check_request};
use radius_proto::{Secret, authenticator};
use tests::radsec::{SECRET as RADSEC, disconnect_answer};
use tests::world::lab::{Draft, Wire};
use uuid::Uuid;

use super::*;

/// The router's own secret, which counts by UDP alone.
const BY_UDP: &[u8] = b"not the secret of RadSec";

impl Stage {
    /// Registers a router that is known by its certificate, and takes commands on this socket too.
    async fn register_with_port(&self, name: &str, wire: &Wire) {
        let settings = store::nas::Settings {
            radsec_name: Some(name),
            coa_port: Some(wire.address().port()),
            ..tests::world::at(HERE)
        };
        self.world.register(name, BY_UDP, settings).await;
        self.until(&format!("mlango_nas_known{{nas=\"{name}\"}}"), 1.0).await;
    }

    /// Registers a router that is known by its certificate and by nothing else, so that there is no way to it but its
    /// connection.
    async fn register_by_name(&self, name: &str) {
        let settings = store::nas::Settings { radsec_name: Some(name), ..Default::default() };
        self.world.register(name, BY_UDP, settings).await;
        self.until(&format!("mlango_nas_known{{nas=\"{name}\"}}"), 1.0).await;
    }

    /// Reports the start of a session and asks for its end.
    async fn ask_for_the_end(&self, peer: &mut Peer, session: &str) -> Uuid {
        let start = accounting_request(200, status::START, "amina", session, None);
        assert_eq!(code(&peer.ask(&start).await), Code::AccountingResponse);
        let open = store::session::open(&self.world.db, 10).await.unwrap();
        let id = open.into_iter().find(|open| open.acct_session_id == session).expect("it was recorded").id;
        store::session::disconnect(&self.world.db, id, self.world.clock.now()).await.unwrap();
        id
    }

    /// Waits until the cut of a session is in that state.
    async fn until_cut(&self, session: Uuid, state: &str) {
        eventually(&format!("the cut is {state}"), || async {
            let query = "SELECT state FROM nas_commands WHERE session_id = $1";
            let now: String = sqlx::query_scalar(query).bind(session).fetch_one(&self.world.pool).await.unwrap();
            (now == state).then_some(())
        })
        .await;
    }

    async fn commands(&self, result: &str) -> f64 {
        let metric = format!("mlango_coa_requests_total{{kind=\"disconnect\",result=\"{result}\"}}");
        self.world.radiusd.as_ref().unwrap().metric(&metric).await
    }
}

/// The next packet on a connection, which must be a Disconnect-Request about that session, made with the secret of RadSec.
async fn disconnect_request(peer: &mut Peer, session: &str) -> Vec<u8> {
    let octets = peer.receive().await.unwrap().expect("the connection holds");
    is_disconnect_request(&octets, RADSEC, session);
    octets
}

#[track_caller]
fn is_disconnect_request(octets: &[u8], secret: &[u8], session: &str) {
    let (packet, secret) = (Packet::parse(octets).unwrap(), Secret::new(secret).unwrap());
    assert_eq!(packet.code(), Code::DisconnectRequest);
    assert!(authenticator::verify_request(&packet, &secret), "Request Authenticator");
    assert_eq!(check_request(&packet, &secret), Check::Valid, "Message-Authenticator");
    assert_eq!(packet.get(rfc2866::ACCT_SESSION_ID), Some(session.as_bytes()));
    assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"amina"[..]));
}

#[tokio::test]
async fn a_session_is_ended_over_the_connection_that_its_router_opened() {
    let stage = stage("").await;
    stage.register_by_name("cafe.example.net").await;
    let mut peer = stage.connect("cafe.example.net").await;
    let session = stage.ask_for_the_end(&mut peer, "80100001").await;
    let request = disconnect_request(&mut peer, "80100001").await;
    assert_eq!(code(&peer.ask(&status_server(1, true)).await), Code::AccessAccept, "both ways at once");
    peer.send(&disconnect_answer(&request, true)).await.unwrap();
    stage.until_cut(session, "acknowledged").await;
    assert_eq!(stage.commands("ack").await, 1.0);
    let stop = accounting_request(2, status::STOP, "amina", "80100001", None);
    assert_eq!(code(&peer.ask(&stop).await), Code::AccountingResponse);
    stage.until_cut(session, "proved").await;
}

#[tokio::test]
async fn an_answer_on_another_connection_does_not_count() {
    let stage = stage("").await;
    stage.register_by_name("cafe.example.net").await;
    stage.register_by_name("bar.example.net").await;
    let (mut cafe, mut bar) = (stage.connect("cafe.example.net").await, stage.connect("bar.example.net").await);
    let session = stage.ask_for_the_end(&mut cafe, "80100001").await;
    let request = disconnect_request(&mut cafe, "80100001").await;
    // Everybody knows the secret of RadSec: only the connection tells who answers.
    bar.send(&disconnect_answer(&request, true)).await.unwrap();
    assert_eq!(code(&bar.ask(&status_server(1, true)).await), Code::AccessAccept, "it was read, and ends nothing");
    let gone = Draft::answer(Code::DisconnectNak, &request, RADSEC);
    let gone = gone.put(rfc5176::ERROR_CAUSE, error_cause::SESSION_CONTEXT_NOT_FOUND);
    cafe.send(&gone.finish()).await.unwrap();
    stage.until("mlango_coa_requests_total{kind=\"disconnect\",result=\"gone\"}", 1.0).await;
    assert_eq!(stage.commands("ack").await, 0.0, "the other router's word was not taken");
    stage.until_cut(session, "proved").await;
}

#[tokio::test]
async fn a_router_that_does_not_answer_there_is_asked_by_udp_and_from_then_on_by_udp_first() {
    let stage = stage("").await;
    let wire = Wire::at(HERE).await;
    stage.register_with_port("cafe.example.net", &wire).await;
    let mut peer = stage.connect("cafe.example.net").await;
    for (session, by_tls_first) in [("80100001", true), ("80100002", false)] {
        let id = stage.ask_for_the_end(&mut peer, session).await;
        if by_tls_first {
            disconnect_request(&mut peer, session).await;
        }
        let command = wire.receive().await;
        is_disconnect_request(&command.octets, BY_UDP, session);
        wire.send(command.from, &Draft::answer(Code::DisconnectAck, &command.octets, BY_UDP).finish()).await;
        stage.until_cut(id, "acknowledged").await;
        // A Disconnect-Request on the connection would be here before the answer.
        assert_eq!(code(&peer.ask(&status_server(1, true)).await), Code::AccessAccept);
    }
    assert_eq!((stage.commands("ack").await, stage.commands("timeout").await), (2.0, 0.0));
}

#[tokio::test]
async fn a_forged_answer_ends_the_connection_and_the_router_is_asked_by_udp() {
    let stage = stage("").await;
    let wire = Wire::at(HERE).await;
    stage.register_with_port("cafe.example.net", &wire).await;
    let mut peer = stage.connect("cafe.example.net").await;
    let session = stage.ask_for_the_end(&mut peer, "80100001").await;
    let request = disconnect_request(&mut peer, "80100001").await;
    peer.send(&Draft::answer(Code::DisconnectAck, &request, BY_UDP).finish()).await.unwrap();
    assert!(is_over(&mut peer).await);
    stage.until_closed("bad_packet", 1.0).await;
    let command = wire.receive().await;
    is_disconnect_request(&command.octets, BY_UDP, "80100001");
    wire.send(command.from, &Draft::answer(Code::DisconnectAck, &command.octets, BY_UDP).finish()).await;
    stage.until_cut(session, "acknowledged").await;
}
