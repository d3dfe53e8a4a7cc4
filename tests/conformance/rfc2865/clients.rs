//! Sections 2 to 5 against the running server: who may ask, and with what credential. A router is told by the address
//! that its packets come from, and by nothing that it says of itself.

use std::net::{IpAddr, Ipv4Addr};

use radius_proto::Code;
use radius_proto::attribute::{rfc2865, rfc2866};
use store::nas::Settings;
use tests::world::at;
use tests::world::lab::{Answer, Draft, Lab, LabSettings, MAC, NAME, PASSWORD, Port, SECRET, Wire};

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NEIGHBOURS_SECRET: &[u8] = b"of the neighbour";

#[tokio::test]
async fn c1_a_source_that_is_not_registered_is_met_with_silence_and_asks_nothing_of_the_database() {
    let lab = Lab::new().await;
    let stranger = Wire::at(STRANGER).await;
    let looked_up = lab.family("mlango_radius_policy_cache_requests_total").await;
    let unknown = lab.login("a name that memory does not know", "x");
    for cut in [false, true] {
        if cut {
            // Were PostgreSQL needed, this would be answered otherwise, or not be counted at all.
            lab.world.postgres.cut();
        }
        for (port, request) in [
            (Port::Auth, lab.good_login()),
            (Port::Auth, unknown.clone()),
            (Port::Auth, lab.status()),
            (Port::Acct, lab.status()),
            (Port::Acct, lab.report(rfc2866::acct_status_type::START, "80100001")),
        ] {
            let to = lab.address(port);
            lab.silent_from(&stranger, to, port, &request.finish(), "unknown_client").await;
        }
    }
    assert_eq!(lab.family("mlango_radius_policy_cache_requests_total").await, looked_up, "nothing was looked up");
    assert_eq!(lab.sessions().await, (0, 0));
    let heard = lab.radiusd().log();
    assert!(heard.contains(&format!("source={}", stranger.address())), "the log says who it was: {heard}");
}

#[tokio::test]
async fn c2_the_secret_is_that_of_the_source_address_whatever_the_packet_says_of_its_sender() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let named = Settings { identifier: Some("neighbour"), ..at(NEIGHBOUR) };
    lab.world.register("neighbour", NEIGHBOURS_SECRET, named).await;
    lab.start().await;
    let neighbour = Wire::at(NEIGHBOUR).await;
    let claims =
        [(Ipv4Addr::LOCALHOST, "lab"), (NEIGHBOUR, "neighbour"), (Ipv4Addr::new(192, 0, 2, 1), "somebody else")];
    for (address, identifier) in claims {
        let login = |secret: &[u8]| {
            Draft::new(Code::AccessRequest, secret)
                .put(rfc2865::NAS_IP_ADDRESS, address)
                .put(rfc2865::NAS_IDENTIFIER, identifier.as_bytes())
                .put(rfc2865::USER_NAME, NAME.as_bytes())
                .pap(PASSWORD.as_bytes())
                .sign()
                .finish()
        };
        let to = lab.address(Port::Auth);
        // Each is answered under its own secret …
        assert!(lab.wire.ask(to, &login(SECRET), SECRET).await.is_accept(), "{identifier}");
        assert!(neighbour.ask(to, &login(NEIGHBOURS_SECRET), NEIGHBOURS_SECRET).await.is_accept(), "{identifier}");
        // … and the other's secret proves nothing.
        lab.silent(Port::Auth, &login(NEIGHBOURS_SECRET), "bad_message_authenticator").await;
        lab.silent_from(&neighbour, to, Port::Auth, &login(SECRET), "bad_message_authenticator").await;
    }
    let report = lab.report(rfc2866::acct_status_type::START, "80100001").finish();
    let to = lab.address(Port::Acct);
    lab.silent_from(&neighbour, to, Port::Acct, &report, "bad_authenticator").await;
}

#[tokio::test]
async fn c2_a_router_may_be_a_network_and_the_longest_prefix_decides() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    for (name, network, secret) in [("wide", "127.8.0.0/16", &b"wide"[..]), ("narrow", "127.8.8.0/24", b"narrow")] {
        lab.world
            .register(name, secret, Settings { address: Some(network.parse().unwrap()), ..Settings::default() })
            .await;
    }
    lab.start().await;
    for (source, secret) in [([127, 8, 1, 1], &b"wide"[..]), ([127, 8, 8, 200], b"narrow")] {
        let wire = Wire::at(IpAddr::from(source)).await;
        let login = Draft::new(Code::AccessRequest, secret).put(rfc2865::USER_NAME, NAME.as_bytes());
        let login = login.pap(PASSWORD.as_bytes()).sign().finish();
        assert!(wire.ask(lab.address(Port::Auth), &login, secret).await.is_accept(), "{source:?}");
    }
}

#[tokio::test]
async fn c3_an_empty_secret_is_refused_when_the_router_is_registered() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    for input in ["", "\n"] {
        let arguments = ["nas", "add", "--name", "open", "--address", "127.0.0.2/32", "--secret-stdin"];
        let complaint = lab.world.portal_refuses(&arguments, input).await;
        assert!(complaint.contains("secret"), "{complaint}");
    }
    let now = lab.world.clock.now();
    let open = store::nas::NewNas { id: shared::rng::id(now), name: "open", secret: b"", settings: at(NEIGHBOUR) };
    assert!(store::nas::save(&lab.world.db, &open, now).await.is_err());
    lab.start().await;
    let neighbour = Wire::at(NEIGHBOUR).await;
    let to = lab.address(Port::Auth);
    let login = Draft::new(Code::AccessRequest, b"").put(rfc2865::USER_NAME, NAME.as_bytes()).pap(PASSWORD.as_bytes());
    lab.silent_from(&neighbour, to, Port::Auth, &login.sign().finish(), "unknown_client").await;
}

#[tokio::test]
async fn c4_a_login_has_one_credential() {
    let lab = Lab::new().await;
    let password = PASSWORD.as_bytes();
    for (what, draft) in [
        ("PAP and CHAP", lab.knock(NAME, MAC).pap(password).chap(password)),
        ("CHAP and PAP", lab.knock(NAME, MAC).chap(password).pap(password)),
        ("PAP twice", lab.knock(NAME, MAC).pap(password).pap(password)),
        ("CHAP twice", lab.knock(NAME, MAC).chap(password).chap(password)),
        ("none", lab.knock(NAME, MAC)),
        ("a challenge without an answer", lab.knock(NAME, MAC).raw(60, &[1; 16])),
        // State instead of a password continues what a Challenge began (§5.44); nothing here begins any.
        ("State alone", lab.knock(NAME, MAC).raw(24, b"of a challenge that was never sent")),
    ] {
        let answer = lab.answered(Port::Auth, &draft.sign()).await;
        assert_eq!(answer.code(), Code::AccessReject, "{what}");
    }
    assert!(
        (lab.radiusd().metric(r#"mlango_radius_access_rejects_total{reason="bad_request"}"#).await - 7.0).abs() < 0.5
    );
    for draft in [lab.knock(NAME, MAC).pap(password), lab.knock(NAME, MAC).chap(password)] {
        assert!(lab.answered(Port::Auth, &draft.sign()).await.is_accept(), "one is enough");
    }
}

#[tokio::test]
async fn c7_a_hidden_password_of_an_impossible_length_is_never_accepted() {
    let lab = Lab::new().await;
    // The same octets with which the right password is hidden, cut and lengthened.
    let good = lab.knock(NAME, MAC).pap(PASSWORD.as_bytes());
    let hidden = good.finish()[good.finish().len() - 16..].to_vec();
    for length in [0, 1, 15, 17, 31, 33, 127, 129, 144, 253] {
        let mut value = hidden.clone();
        value.resize(length, 0);
        let bare = lab.knock(NAME, MAC).authenticator(good.challenge());
        let answer = lab.answered(Port::Auth, &bare.raw(2, &value).sign()).await;
        assert_eq!(answer.code(), Code::AccessReject, "{length} octets");
    }
    // A password of 128 octets is the longest, and one of 16 fills its block exactly.
    for (name, password) in [("sixteen", "p".repeat(16)), ("longest", "p".repeat(128))] {
        lab.world.grant(&lab.package, name, &password).await;
        assert!(lab.answered(Port::Auth, &lab.login(name, &password)).await.is_accept(), "{name}");
        assert!(!lab.answered(Port::Auth, &lab.login(name, &password[1..])).await.is_accept(), "{name}");
    }
}

#[tokio::test]
async fn c8_a_chap_password_answers_chap_challenge_or_without_one_the_request_authenticator() {
    let lab = Lab::new().await;
    let password = PASSWORD.as_bytes();
    for challenge in [&[9_u8; 16][..], &[1], &[7; 253]] {
        let right = lab.knock(NAME, MAC).raw(60, challenge).chap_response(password, challenge);
        assert!(lab.answered(Port::Auth, &right.sign()).await.is_accept(), "{} octets", challenge.len());
        let bare = lab.knock(NAME, MAC).raw(60, challenge);
        let implicit = bare.challenge();
        let answer = lab.answered(Port::Auth, &bare.chap_response(password, &implicit).sign()).await;
        assert!(!answer.is_accept(), "CHAP-Challenge, where it is there, is the challenge");
    }
    let bare = lab.knock(NAME, MAC);
    let implicit = bare.challenge();
    assert!(lab.answered(Port::Auth, &bare.chap_response(password, &implicit).sign()).await.is_accept());
    let bare = lab.knock(NAME, MAC);
    let answer = lab.answered(Port::Auth, &bare.chap_response(password, &[9; 16]).sign()).await;
    assert!(!answer.is_accept());
    for length in [1, 16, 18] {
        let bare = lab.knock(NAME, MAC).raw(60, &[9; 16]).raw(3, &vec![7; length]);
        assert_eq!(lab.answered(Port::Auth, &bare.sign()).await.code(), Code::AccessReject, "{length} octets");
    }
}

#[tokio::test]
async fn c2_an_ipv6_router_is_known_by_its_address_too() {
    let mut settings = LabSettings::default();
    settings.world.auth_listen = vec!["[::1]:0".to_owned()];
    let mut lab = Lab::prepare(settings).await;
    let localhost = std::net::Ipv6Addr::LOCALHOST;
    lab.world.register("six", b"six", at(localhost)).await;
    lab.start().await;
    let wire = Wire::at(localhost).await;
    let login = Draft::new(Code::AccessRequest, b"six").put(rfc2865::USER_NAME, NAME.as_bytes());
    let login = login.pap(PASSWORD.as_bytes()).sign().finish();
    wire.send(lab.address(Port::Auth), &login).await;
    assert!(Answer::check(wire.receive().await, &login, b"six").is_accept());
}
