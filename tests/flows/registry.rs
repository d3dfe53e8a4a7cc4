//! The register of routers as an operator keeps it, by the command line: what is said changes, what is not said stays.

use serde_json::Value;
use tests::world::World;

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
    assert!(refused.to_string().starts_with("a new router needs the address"), "{refused}");
}
