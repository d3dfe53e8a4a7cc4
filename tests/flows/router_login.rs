//! Signing in to the routers themselves (`/user aaa set use-radius=yes`): an operator names administrators by the command
//! line, a router asks about them, and nobody else gets in: no guest, nobody with another router's login, nobody who was
//! removed.

use std::net::Ipv4Addr;

use radius_proto::Code;
use radius_proto::attribute::{microsoft, mikrotik, rfc2865};
use radius_proto::password::mschap;
use serde_json::{Value, json};
use tests::world::lab::{Answer, Draft, Lab, NAME, PASSWORD, Port, SECRET, Wire};
use tests::world::{World, at, eventually};

/// Runs a command of `portal router-login` that answers in JSON; `password` is what it reads.
async fn router_login(world: &World, arguments: &[&str], password: &str) -> Value {
    let arguments = [&["router-login"], arguments, &["--json"]].concat();
    serde_json::from_str(&world.portal_command(&arguments, password).await).unwrap()
}

/// Names an administrator with this password.
async fn add(lab: &Lab, name: &str, password: &str, more: &[&str]) -> Value {
    let arguments = [&["add", "--name", name, "--password-stdin"], more].concat();
    router_login(&lab.world, &arguments, password).await
}

/// What a router sends when somebody signs in to it, without the proof: no port, no address to assign, no interface.
fn knock(name: &str) -> Draft {
    Draft::new(Code::AccessRequest, SECRET)
        .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)
        .put(rfc2865::USER_NAME, name.as_bytes())
        .put(rfc2865::CALLING_STATION_ID, b"192.0.2.10")
        .put(rfc2865::NAS_IDENTIFIER, b"lab")
        .put(rfc2865::NAS_IP_ADDRESS, Ipv4Addr::LOCALHOST)
}

fn pap(name: &str, password: &str) -> Draft {
    knock(name).pap(password.as_bytes()).sign()
}

/// As WinBox asks for it.
fn ms_chap_2(name: &str, password: &str) -> Draft {
    let challenge = [0x5b; 16];
    let response = mschap::response_v2(7, &challenge, &[0x21; 16], name.as_bytes(), password.as_bytes()).unwrap();
    knock(name).put(microsoft::MS_CHAP_CHALLENGE, &challenge).put(microsoft::MS_CHAP2_RESPONSE, &response).sign()
}

/// Asks until the answer is of that Code: radiusd hears of a change within a moment.
async fn until(lab: &Lab, wire: &Wire, code: Code, login: impl Fn() -> Draft) -> Answer {
    eventually(&format!("the answer is {code}"), || async {
        let answer = wire.ask(lab.address(Port::Auth), &login().finish(), SECRET).await;
        (answer.code() == code).then_some(answer)
    })
    .await
}

/// Wants an Access-Reject for the reason of administrators, which says nothing of who is known.
async fn refused(lab: &Lab, wire: &Wire, login: Draft, what: &str) {
    let answer = wire.ask(lab.address(Port::Auth), &login.finish(), SECRET).await;
    assert_eq!(answer.code(), Code::AccessReject, "{what}");
    let message = answer.get(rfc2865::REPLY_MESSAGE).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(message), "This name and password do not open the router.", "{what}");
    assert_eq!(answer.get(mikrotik::GROUP), None, "{what}");
}

#[tokio::test]
async fn an_administrator_signs_in_by_every_method_with_the_rights_of_a_group() {
    let lab = Lab::new().await;
    let added = add(&lab, "neema", "a long one", &["--group", "full"]).await;
    assert_eq!(added, json!({ "name": "neema", "group": "full", "nas": null, "password": null, "result": "added" }));
    until(&lab, &lab.wire, Code::AccessAccept, || pap("neema", "a long one")).await;
    let methods: [(&str, fn(&str, &str) -> Draft); 3] = [
        ("PAP", pap),
        ("CHAP", |name, password| knock(name).chap(password.as_bytes()).sign()),
        ("MS-CHAPv2", ms_chap_2),
    ];
    for (method, login) in methods {
        let accepted = lab.answered(Port::Auth, &login("neema", "a long one")).await;
        assert!(accepted.is_accept(), "{method}: {:?}", accepted.packet());
        assert_eq!(accepted.get(mikrotik::GROUP), Some(&b"full"[..]), "{method}");
        assert_eq!(accepted.get(microsoft::MS_CHAP2_SUCCESS).is_some(), method == "MS-CHAPv2");
        let of_a_guest = accepted.packet().attributes().any(|attribute| [25, 27, 28, 85].contains(&attribute.kind));
        assert!(!of_a_guest && accepted.get(mikrotik::RATE_LIMIT).is_none(), "{method}: {:?}", accepted.packet());
        refused(&lab, &lab.wire, login("neema", "another"), method).await;
        refused(&lab, &lab.wire, login("nobody", "a long one"), method).await;
    }
    let asked = lab.family("mlango_radius_access_requests_total").await;
    assert!(asked.get(r#"service="login""#).is_some_and(|count| *count >= 10.0), "{asked:?}");
    let refusals = lab.family("mlango_radius_access_rejects_total").await;
    assert!(refusals.get(r#"reason="router_login""#).is_some_and(|count| *count >= 6.0), "{refusals:?}");
}

#[tokio::test]
async fn no_guest_signs_in_to_a_router_and_no_administrator_to_the_wi_fi() {
    let lab = Lab::new().await;
    add(&lab, "neema", "a long one", &[]).await;
    until(&lab, &lab.wire, Code::AccessAccept, || pap("neema", "a long one")).await;
    assert!(lab.answered(Port::Auth, &lab.good_login()).await.is_accept(), "the guest is known");
    refused(&lab, &lab.wire, pap(NAME, PASSWORD), "a guest").await;
    refused(&lab, &lab.wire, ms_chap_2(NAME, PASSWORD), "a guest by MS-CHAP").await;
    let guest = lab.answered(Port::Auth, &lab.login("neema", "a long one")).await;
    assert_eq!(guest.code(), Code::AccessReject);
    // The same name may be both; each password opens its own door alone.
    add(&lab, NAME, "a long one", &[]).await;
    until(&lab, &lab.wire, Code::AccessAccept, || pap(NAME, "a long one")).await;
    refused(&lab, &lab.wire, pap(NAME, PASSWORD), "the guest's password").await;
    assert_eq!(lab.answered(Port::Auth, &lab.login(NAME, "a long one")).await.code(), Code::AccessReject);
}

#[tokio::test]
async fn a_login_for_one_router_opens_no_other() {
    let mut lab = Lab::prepare(tests::world::lab::LabSettings::default()).await;
    let other = lab.another_router("other", at(Ipv4Addr::new(127, 0, 9, 1))).await;
    lab.start().await;
    let added = add(&lab, "neema", "a long one", &["--nas", "lab"]).await;
    assert_eq!(
        (&added["nas"], &added["group"]),
        (&"lab".into(), &"read".into()),
        "the least rights, if none are named"
    );
    add(&lab, "juma", "a long one too", &["--group", "write"]).await;
    until(&lab, &other, Code::AccessAccept, || pap("juma", "a long one too")).await;
    assert!(lab.answered(Port::Auth, &pap("neema", "a long one")).await.is_accept());
    assert!(lab.answered(Port::Auth, &pap("juma", "a long one too")).await.is_accept());
    refused(&lab, &other, pap("neema", "a long one"), "another router").await;
    let listed = router_login(&lab.world, &["list"], "").await;
    let expected = json!([
        { "name": "juma", "group": "write", "nas": null },
        { "name": "neema", "group": "read", "nas": "lab" },
    ]);
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_change_counts_at_once_and_who_is_removed_is_out() {
    let lab = Lab::new().await;
    let made = router_login(&lab.world, &["add", "--name", "neema"], "").await;
    let made = made["password"].as_str().expect("it is shown once").to_owned();
    until(&lab, &lab.wire, Code::AccessAccept, || pap("neema", &made)).await;
    let changed = add(&lab, "neema", "one of her own", &["--group", "full"]).await;
    assert_eq!(changed["result"], "updated");
    let accepted = until(&lab, &lab.wire, Code::AccessAccept, || pap("neema", "one of her own")).await;
    assert_eq!(accepted.get(mikrotik::GROUP), Some(&b"full"[..]));
    refused(&lab, &lab.wire, pap("neema", &made), "the password before").await;

    let removed = router_login(&lab.world, &["remove", "neema"], "").await;
    assert_eq!(removed["result"], "removed");
    until(&lab, &lab.wire, Code::AccessReject, || pap("neema", "one of her own")).await;
    refused(&lab, &lab.wire, pap("neema", "one of her own"), "who was removed").await;
    assert_eq!(router_login(&lab.world, &["list"], "").await, json!([]));
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM admin_logs ORDER BY id").fetch_all(&lab.world.pool).await.unwrap();
    assert_eq!(actions, ["router_login.add", "router_login.update", "router_login.remove"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let lab = Lab::new().await;
    let world = &lab.world;
    let add = ["router-login", "add", "--name", "neema", "--password-stdin"];
    let refusal = world.portal_refuses(&[&add[..], &["--nas", "nowhere"]].concat(), "a long one").await;
    assert!(refusal.contains("there is no router nowhere"), "{refusal}");
    let refusal = world.portal_refuses(&add, "").await;
    assert!(refusal.contains("password"), "{refusal}");
    let refusal = world.portal_refuses(&["router-login", "remove", "neema"], "").await;
    assert!(refusal.contains("there is no router login neema"), "{refusal}");
    assert_eq!(router_login(world, &["list"], "").await, json!([]));
    // With nobody named, nobody gets in, whatever is known of them.
    refused(&lab, &lab.wire, pap("admin", ""), "no administrator").await;
    refused(&lab, &lab.wire, pap(NAME, PASSWORD), "a guest").await;
}
