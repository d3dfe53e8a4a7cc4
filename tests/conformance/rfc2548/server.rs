//! MS-CHAP of both versions against the running server, as PPPoE and VPN clients use it: the peer gets its proof and
//! its keys only with the right password, and a well-formed refusal otherwise.

use radius_proto::attribute::{microsoft, rfc2865};
use radius_proto::password::{mppe, mschap};
use radius_proto::{Code, Secret};
use tests::world::lab::{Draft, Lab, NAME, PASSWORD, Port, SECRET};

/// A PPPoE client's request, without its proof.
fn pppoe(name: &str) -> Draft {
    Draft::new(Code::AccessRequest, SECRET)
        .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::FRAMED_USER)
        .put(rfc2865::FRAMED_PROTOCOL, rfc2865::framed_protocol::PPP)
        .put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::ETHERNET)
        .put(rfc2865::USER_NAME, name.as_bytes())
        .put(rfc2865::CALLING_STATION_ID, b"02:00:00:00:00:01")
        .put(rfc2865::NAS_IDENTIFIER, b"lab")
}

const CHALLENGE: [u8; 16] = [0x5b; 16];

fn version_2(name: &str, password: &str) -> Draft {
    let response = mschap::response_v2(7, &CHALLENGE, &[0x21; 16], name.as_bytes(), password.as_bytes());
    pppoe(name)
        .put(microsoft::MS_CHAP_CHALLENGE, &CHALLENGE)
        .put(microsoft::MS_CHAP2_RESPONSE, &response.expect("short text"))
        .sign()
}

fn version_1(password: &str) -> Draft {
    let challenge: [u8; 8] = [0x10; 8];
    let response = mschap::response_v1(7, &challenge, password.as_bytes()).expect("short text");
    pppoe(NAME).put(microsoft::MS_CHAP_CHALLENGE, &challenge).put(microsoft::MS_CHAP_RESPONSE, &response).sign()
}

#[tokio::test]
async fn the_server_proves_itself_to_a_peer_of_version_2_and_gives_it_its_keys() {
    let lab = Lab::new().await;
    let login = version_2(NAME, PASSWORD);
    let accepted = lab.answered(Port::Auth, &login).await;
    assert!(accepted.is_accept(), "{:?}", accepted.packet());
    // What the peer computes for itself, and compares.
    let response = mschap::response_v2(7, &CHALLENGE, &[0x21; 16], NAME.as_bytes(), PASSWORD.as_bytes()).unwrap();
    let own = mschap::verify_v2(&CHALLENGE, &response, NAME.as_bytes(), PASSWORD.as_bytes()).expect("right");
    assert_eq!(accepted.get(microsoft::MS_CHAP2_SUCCESS), Some(&own.success[..]));
    let secret = Secret::new(SECRET).expect("not empty");
    let keys = own.session_keys();
    let send = accepted.get(microsoft::MS_MPPE_SEND_KEY).expect("a key");
    let receive = accepted.get(microsoft::MS_MPPE_RECV_KEY).expect("a key");
    assert_ne!(send[..2], receive[..2], "two salts");
    assert_eq!(mppe::reveal_key(send, &login.challenge(), &secret), Some(keys.send));
    assert_eq!(mppe::reveal_key(receive, &login.challenge(), &secret), Some(keys.receive));
    assert!(accepted.get(microsoft::MS_MPPE_ENCRYPTION_POLICY).is_some());
    assert!(accepted.get(microsoft::MS_MPPE_ENCRYPTION_TYPES).is_some());
    assert!(accepted.get(rfc2865::SESSION_TIMEOUT).is_some(), "the package's limits hold for PPP too");
}

#[tokio::test]
async fn a_peer_of_version_1_gets_its_keys() {
    let lab = Lab::new().await;
    let login = version_1(PASSWORD);
    let accepted = lab.answered(Port::Auth, &login).await;
    assert!(accepted.is_accept(), "{:?}", accepted.packet());
    let hidden = accepted.get(microsoft::MS_CHAP_MPPE_KEYS).expect("keys");
    let secret = Secret::new(SECRET).expect("not empty");
    assert!(mppe::reveal_v1_keys(hidden, &login.challenge(), &secret).is_some(), "zeros after the keys");
    assert!(accepted.get(microsoft::MS_CHAP2_SUCCESS).is_none());
}

#[tokio::test]
async fn a_wrong_proof_gets_no_key_and_an_error_that_the_peer_understands() {
    let lab = Lab::new().await;
    let mut lm_only = mschap::response_v1(7, &[0x10; 8], PASSWORD.as_bytes()).unwrap();
    lm_only[1] = 0;
    let lm_only = pppoe(NAME).put(microsoft::MS_CHAP_CHALLENGE, &[0x10; 8]).put(microsoft::MS_CHAP_RESPONSE, &lm_only);
    for (what, draft) in [
        ("version 2 with another password", version_2(NAME, "another")),
        ("version 1 with another password", version_1("another")),
        ("version 2 under another name", version_2("nobody", PASSWORD)),
        ("version 1 by its LM-Response", lm_only.sign()),
    ] {
        let refused = lab.answered(Port::Auth, &draft).await;
        assert_eq!(refused.code(), Code::AccessReject, "{what}");
        let error = refused.get(microsoft::MS_CHAP_ERROR).unwrap_or_else(|| panic!("{what}: no MS-CHAP-Error"));
        assert_eq!((error[0], &error[1..6]), (7, &b"E=691"[..]), "{what}");
        for attribute in [microsoft::MS_CHAP2_SUCCESS, microsoft::MS_MPPE_SEND_KEY, microsoft::MS_CHAP_MPPE_KEYS] {
            assert_eq!(refused.get(attribute), None, "{what}");
        }
    }
    for (what, draft) in [
        ("no challenge", pppoe(NAME).put(microsoft::MS_CHAP2_RESPONSE, &[7; 50]).sign()),
        (
            "a short response",
            pppoe(NAME)
                .put(microsoft::MS_CHAP_CHALLENGE, &CHALLENGE)
                .put(microsoft::MS_CHAP2_RESPONSE, &[7; 49])
                .sign(),
        ),
        ("two responses", version_2(NAME, PASSWORD).put(microsoft::MS_CHAP2_RESPONSE, &[7; 50])),
        ("two challenges", version_2(NAME, PASSWORD).put(microsoft::MS_CHAP_CHALLENGE, &CHALLENGE)),
        ("both versions", version_2(NAME, PASSWORD).put(microsoft::MS_CHAP_RESPONSE, &[7; 50])),
    ] {
        let refused = lab.answered(Port::Auth, &draft).await;
        assert_eq!(refused.code(), Code::AccessReject, "{what}");
    }
}
