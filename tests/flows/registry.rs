//! The register of routers as an operator keeps it, by the command line: what is said changes, what is not said stays.

use serde_json::Value;
use tests::world::{World, eventually};

/// Runs a command of `portal nas` that answers in JSON.
async fn nas(world: &World, arguments: &[&str], secret: &str) -> Value {
    let arguments = [&["nas"], arguments, &["--json"]].concat();
    serde_json::from_str(&world.portal_command(&arguments, secret).await).unwrap()
}

#[tokio::test]
async fn what_is_not_said_of_a_router_stays_as_it_is() {
    let world = World::new().await;
    let add = ["add", "--name", "cafe", "--address", "10.20.0.50", "--secret-stdin"];
    assert_eq!(nas(&world, &add, "one").await["result"], "added");
    let listed = nas(&world, &["list"], "").await;
    let expect = |listed: &Value, policy: &str, required: bool, limit: bool, port: u16| {
        assert_eq!(listed["require_message_authenticator"], policy, "{listed}");
        assert_eq!(listed["signing_required"], required, "{listed}");
        assert_eq!(listed["limit_proxy_state"], limit, "{listed}");
        assert_eq!(listed["coa_port"], port, "{listed}");
    };
    expect(&listed[0], "auto", false, true, 3799);

    let set = ["set", "cafe", "--require-message-authenticator", "yes", "--limit-proxy-state", "false"];
    expect(&nas(&world, &set, "").await, "yes", true, false, 3799);
    let set = ["set", "cafe", "--coa-port", "1700", "--hotspot-host", "10.5.50.1"];
    let now = nas(&world, &set, "").await;
    expect(&now, "yes", true, false, 1700);
    assert_eq!(now["address"], "10.20.0.50/32");

    // Adding it again by name, as a set-up script does at each run, takes nothing back.
    let again = ["add", "--name", "cafe", "--address", "10.20.0.51", "--secret-stdin"];
    assert_eq!(nas(&world, &again, "one").await["result"], "updated");
    let listed = nas(&world, &["list"], "").await;
    expect(&listed[0], "yes", true, false, 1700);
    assert_eq!(listed[0]["address"], "10.20.0.51/32");
    assert_eq!(listed[0]["hotspot_hosts"][0], "10.5.50.1");
    let listed: Vec<store::nas::Nas> = store::nas::all(&world.db).await.unwrap();
    assert_eq!((listed.len(), listed[0].limit_proxy_state), (1, false));
}

#[tokio::test]
async fn a_router_takes_no_name_of_another_and_needs_an_address() {
    let world = World::new().await;
    for (name, address) in [("one", "10.20.0.1"), ("two", "10.20.0.2")] {
        nas(&world, &["add", "--name", name, "--address", address, "--identifier", name, "--secret-stdin"], "s").await;
    }
    let settings = |address: &str| store::nas::Settings {
        address: Some(address.parse().unwrap()),
        ..store::nas::Settings::default()
    };
    let refused = store::nas::change(&world.db, "two", &settings("10.20.0.1/32")).await.unwrap_err();
    assert_eq!(refused.to_string(), "another router already has the address 10.20.0.1/32");
    let named = store::nas::Settings { identifier: Some("one"), ..store::nas::Settings::default() };
    let refused = store::nas::change(&world.db, "two", &named).await.unwrap_err();
    assert_eq!(refused.to_string(), "another router already has the identifier one");
    let refused = store::nas::change(&world.db, "three", &settings("10.20.0.3/32")).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no router three");
    let new = store::nas::NewNas {
        id: shared::rng::id(world.clock.now()),
        name: "nowhere",
        secret: b"s",
        settings: store::nas::Settings::default(),
    };
    let refused = store::nas::save(&world.db, &new, world.clock.now()).await.unwrap_err();
    assert!(refused.to_string().starts_with("a router needs the address"), "{refused}");
}

#[tokio::test]
async fn a_router_may_be_known_by_its_certificate_alone() {
    let world = World::new().await;
    let added = nas(&world, &["add", "--name", "cafe", "--radsec-name", "Cafe-1.Routers.Example"], "").await;
    assert_eq!((&added["address"], &added["radsec_name"]), (&Value::Null, &"cafe-1.routers.example".into()));
    // It is given an address too, and gets rid of it again; never of both.
    let both = nas(&world, &["set", "cafe", "--address", "10.20.0.50"], "").await;
    assert_eq!((&both["address"], &both["radsec_name"]), (&"10.20.0.50/32".into(), &"cafe-1.routers.example".into()));
    let name_only = nas(&world, &["set", "cafe", "--any-address"], "").await;
    assert_eq!(name_only["address"], Value::Null);
    let neither = store::nas::Settings { forget_radsec_name: true, ..store::nas::Settings::default() };
    let refused = store::nas::change(&world.db, "cafe", &neither).await.unwrap_err();
    assert!(refused.to_string().contains("or the name in its certificate"), "{refused}");
    // Its certificate's name is nobody else's.
    nas(&world, &["add", "--name", "shop", "--address", "10.20.0.51", "--secret-stdin"], "s").await;
    let same = store::nas::Settings { radsec_name: Some("CAFE-1.routers.example"), ..store::nas::Settings::default() };
    let refused = store::nas::change(&world.db, "shop", &same).await.unwrap_err();
    assert_eq!(refused.to_string(), "another router already has the certificate name cafe-1.routers.example");
    // A name that is added later, without a secret, leaves the secret as it is.
    nas(&world, &["add", "--name", "shop", "--radsec-name", "shop.example"], "").await;
    let shop = store::nas::all(&world.db).await.unwrap().into_iter().find(|nas| nas.name == "shop").unwrap();
    assert_eq!((shop.secret, shop.radsec_name.as_deref()), (b"s".to_vec(), Some("shop.example")));
}

fn adopt<'a>(url: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["adopt", "--radiusd", url], arguments].concat()
}

#[tokio::test]
async fn a_router_that_nobody_registered_is_seen_and_adopted() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let radiusd = world.radiusd.as_ref().unwrap();
    let url = format!("http://{}", radiusd.address("admin"));
    assert_eq!(nas(&world, &adopt(&url, &["--list"]), "").await, serde_json::json!([]));

    let address = |key: &str| radiusd.address(key).parse().unwrap();
    let mut config = tests::nas::NasConfig::new(address("auth"), address("acct"), b"its own secret").unwrap();
    (config.bind, config.identity) = (std::net::Ipv4Addr::new(127, 0, 0, 9), "cafe-9".into());
    let router = tests::nas::Nas::start(config).await.unwrap();
    let phone = tests::nas::Mac([2, 0, 0, 0, 0, 1]);
    assert!(!router.login_chap(phone, "amina", "siri").await.is_accepted());
    let heard = eventually("the list shows both its ports", || async {
        let heard = nas(&world, &adopt(&url, &["--list"]), "").await;
        (heard[0]["ports"].as_array()?.len() == 2).then_some(heard)
    })
    .await;
    assert_eq!(heard.as_array().unwrap().len(), 1, "{heard}");
    assert_eq!((&heard[0]["address"], &heard[0]["nas_identifier"]), (&"127.0.0.9".into(), &"cafe-9".into()));
    assert!(heard[0]["packets"].as_u64().unwrap() >= 3, "{heard}");

    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    let added = nas(&world, &adopt(&url, &["127.0.0.9", "--name", "cafe", "--secret-stdin"]), "its own secret").await;
    assert_eq!(added["result"], "added");
    eventually("it is served", || async {
        router.login_chap(phone, "amina", "siri").await.is_accepted().then_some(())
    })
    .await;
    assert_eq!(nas(&world, &adopt(&url, &["--list"]), "").await, serde_json::json!([]), "it is no stranger any more");
    let listed = nas(&world, &["list"], "").await;
    assert_eq!(listed[0]["identifier"], "cafe-9", "as it says itself");
}

#[tokio::test]
async fn access_to_a_routers_rest_is_told_as_a_whole_and_its_password_is_never_shown() {
    let world = World::new().await;
    nas(&world, &["add", "--name", "cafe", "--address", "10.20.0.50", "--secret-stdin"], "s").await;
    let whole =
        ["set", "cafe", "--rest-url", "http://10.20.0.50:8080/", "--rest-user", "mlango", "--rest-password-stdin"];
    let told = nas(&world, &whole, "open sesame\n").await;
    assert_eq!((&told["rest_url"], &told["rest_user"]), (&"http://10.20.0.50:8080".into(), &"mlango".into()));
    assert!(!told.to_string().contains("sesame"), "{told}");
    // What is not said stays as it is.
    nas(&world, &["set", "cafe", "--coa-port", "1700"], "").await;
    let known = store::nas::all(&world.db).await.unwrap();
    let rest = known[0].rest.as_ref().expect("told");
    assert_eq!((rest.url.to_string().as_str(), rest.user.as_str()), ("http://10.20.0.50:8080", "mlango"));
    assert_eq!(rest.password.as_str(), "open sesame");
    assert!(!format!("{:?} {rest:?}", known[0]).contains("sesame"));

    let refuses =
        async |arguments: &[&str]| world.portal_refuses(&[&["nas", "set", "cafe"], arguments].concat(), "").await;
    let elsewhere = |url| ["--rest-url", url, "--rest-user", "mlango", "--rest-password-stdin"];
    let clear = refuses(&elsewhere("http://router.example")).await;
    assert!(clear.contains("sends the password readable"), "{clear}");
    assert!(refuses(&elsewhere("https://router.example/rest")).await.contains("scheme, host and port alone"));
    // A known password is not sent to a new address.
    assert!(refuses(&["--rest-url", "https://router.example"]).await.contains("--rest-password-stdin"));
    refuses(&["--rest-user", "somebody"]).await;
    refuses(&["--no-rest", "--rest-url", "https://r.example", "--rest-user", "u", "--rest-password-stdin"]).await;
    let network = refuses(&["--address", "10.20.0.0/24"]).await;
    assert!(network.contains("several routers share a network"), "{network}");

    let forgotten = nas(&world, &["set", "cafe", "--no-rest", "--address", "10.20.0.0/24"], "").await;
    assert_eq!((&forgotten["rest_url"], &forgotten["rest_user"]), (&Value::Null, &Value::Null));
    assert_eq!(forgotten["address"], "10.20.0.0/24");
}

#[tokio::test]
async fn a_password_of_another_row_opens_no_rest_and_the_router_is_served_all_the_same() {
    let world = World::new().await;
    for (name, address) in [("one", "10.20.0.1"), ("two", "10.20.0.2")] {
        nas(&world, &["add", "--name", name, "--address", address, "--secret-stdin"], "s").await;
        let url = format!("https://{name}.example");
        let set = ["set", name, "--rest-url", &url, "--rest-user", "mlango", "--rest-password-stdin"];
        nas(&world, &set, name).await;
    }
    let moved = "UPDATE nas SET rest_password_sealed = (SELECT rest_password_sealed FROM nas WHERE name = 'two') WHERE name = 'one'";
    sqlx::query(moved).execute(&world.pool).await.unwrap();
    let known = store::nas::all(&world.db).await.unwrap();
    assert_eq!(
        known.iter().map(|nas| (nas.name.as_str(), nas.rest.is_some())).collect::<Vec<_>>(),
        [("one", false), ("two", true)]
    );
}
