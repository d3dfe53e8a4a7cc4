//! RFC 6614 and RFC 6613 section 2.6.4 against the running server: what over UDP needs a tunnel goes over TLS, where the
//! flags against Blast-RADIUS have nothing to say. What else a connection carries, who is let in, and how certificates
//! are exchanged is in `tests/flows/radsec.rs`.

use std::net::{Ipv4Addr, SocketAddr};

use radius_proto::attribute::rfc2865;
use radius_proto::{Code, Packet};
use store::nas::{Requirement, Settings};
use tests::radsec::{Authority, Files, Peer, SECRET as RADSEC, Wish, access_request, status_server};
use tests::world::at;
use tests::world::lab::{Draft, Lab, LabSettings, NAME, PASSWORD, Port};

const ROUTER_NAME: &str = "cafe.example.net";

/// A laboratory whose router is asked for everything over UDP, and its connection over TLS.
async fn lab() -> (Lab, SocketAddr, Authority) {
    let router = Settings {
        require_message_authenticator: Some(Requirement::Yes),
        limit_proxy_state: Some(true),
        radsec_name: Some(ROUTER_NAME),
        ..at(Ipv4Addr::LOCALHOST)
    };
    let mut lab = Lab::prepare(LabSettings { router, ..LabSettings::default() }).await;
    let authority = Authority::new("an operator's authority");
    let _files = Files::configure(&lab.world, &authority.issue(&Wish::server()), &authority, "");
    lab.start().await;
    let server = lab.radiusd().address("radsec").parse().expect("an address");
    (lab, server, authority)
}

async fn connect(server: SocketAddr, authority: &Authority) -> Peer {
    let identity = authority.issue(&Wish::router(ROUTER_NAME));
    Peer::connect(server, Ipv4Addr::LOCALHOST, authority, Some(&identity)).await.expect("the router is let in")
}

#[tokio::test]
async fn b8_over_tls_the_flags_do_not_apply_and_over_udp_they_do() {
    let (lab, server, authority) = lab().await;
    let mut peer = connect(server, &authority).await;
    for (identifier, signed, proxy_state) in [(1, false, 0), (2, false, 300), (3, true, 300)] {
        let answer = peer.ask(&access_request(identifier, NAME, PASSWORD, signed, proxy_state)).await;
        let packet = Packet::parse(&answer).unwrap();
        assert_eq!(packet.code(), Code::AccessAccept, "signed: {signed}, Proxy-State: {proxy_state}");
        assert_eq!(packet.attributes().next().map(|first| first.kind), Some(80), "the answer is signed all the same");
        let back: usize = packet.all(rfc2865::PROXY_STATE).map(<[u8]>::len).sum();
        assert_eq!(back, proxy_state);
    }
    // The same router over UDP.
    let unsigned = lab.knock(NAME, "02:00:00:00:00:01").pap(PASSWORD.as_bytes());
    lab.silent(Port::Auth, &unsigned.clone().finish(), "no_message_authenticator").await;
    lab.silent(Port::Auth, &unsigned.raw(33, b"x").finish(), "no_message_authenticator").await;
}

#[tokio::test]
async fn b8_the_secret_of_tls_is_good_nowhere_else() {
    let (lab, server, authority) = lab().await;
    // RFC 6614 §2.3 fixes it, so anybody knows it.
    let known = Draft::new(Code::AccessRequest, RADSEC).put(rfc2865::USER_NAME, NAME.as_bytes());
    let known = known.pap(PASSWORD.as_bytes()).sign().finish();
    lab.silent(Port::Auth, &known, "bad_message_authenticator").await;
    // Nor is the router's own secret good over TLS: such a packet ends the connection.
    let mut peer = connect(server, &authority).await;
    peer.send(&lab.good_login().finish()).await.expect("it is open");
    assert!(!matches!(peer.receive().await, Ok(Some(_))), "it gets no answer");
    let mut again = connect(server, &authority).await;
    assert_eq!(Packet::parse(&again.ask(&status_server(1, true)).await).unwrap().code(), Code::AccessAccept);
}
