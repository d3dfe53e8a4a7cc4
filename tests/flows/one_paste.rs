//! A router in one paste: the desk gives a line, the line fetches a script once and for one router, the secret in it works, and what the
//! router reports is on its page. And how routers fare: who knocks, what they say by REST, where they stand.

use std::io::Write as _;
use std::net::Ipv4Addr;

use reqwest::{Client, Response};
use store::nas::Enrolment;
use tests::nas::{Mac, Misbehaviour, Nas, NasConfig, RestBehaviour};
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::operator::{Operator, Seen, audited, by_operator};

const KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const PHONE: Mac = Mac([0x02, 0, 0, 0, 0x0f, 1]);

/// The desk of a world with a radiusd.
async fn desk(sections: &str) -> (World, Operator) {
    let mut world = World::new().await;
    let file = std::fs::OpenOptions::new().append(true).open(world.config());
    file.and_then(|mut file| file.write_all(sections.as_bytes())).expect("the configuration is written");
    world.start_radiusd().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

/// The form, filled in for a router with this address.
fn form<'a>(name: &'a str, address: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("site", "Café"),
        ("way", "address"),
        ("address", address),
        ("version", "7"),
        ("interface", "bridge-hs"),
        ("dns_name", "login.example.net"),
        ("guests", "10.5.50.0/24"),
        ("section:clock", "on"),
        ("section:hotspot", "on"),
        ("section:garden", "on"),
        ("section:pages", "on"),
    ]
}

/// The token in the line that a page shows.
fn token(page: &Seen) -> String {
    let after = page.text.split("/r/").nth(1).unwrap_or_else(|| panic!("no line: {}", page.text));
    after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// A client on another address of this machine.
fn at(address: Ipv4Addr) -> Client {
    Client::builder().local_address(std::net::IpAddr::from(address)).build().unwrap()
}

async fn fetch(world: &World, client: &Client, token: &str) -> Response {
    client.get(format!("{}/r/{token}", world.portal_url())).send().await.unwrap()
}

async fn report(world: &World, token: &str, body: &str) -> u16 {
    let address = format!("{}/r/{token}/report", world.portal_url());
    Client::new().post(address).body(body.to_owned()).send().await.unwrap().status().as_u16()
}

async fn id_of(world: &World, name: &str) -> Uuid {
    sqlx::query_scalar("SELECT id FROM nas WHERE name = $1").bind(name).fetch_one(&world.pool).await.unwrap()
}

async fn enrolment(world: &World, name: &str) -> Enrolment {
    store::nas::enrolment(&world.db, id_of(world, name).await).await.unwrap().expect("it has a line")
}

/// What stands in the script behind this and before the next quote.
fn value<'a>(script: &'a str, before: &str) -> &'a str {
    let after = script.split(before).nth(1).unwrap_or_else(|| panic!("no {before}: {script}"));
    after.split('"').next().unwrap()
}

#[tokio::test]
async fn one_line_sets_a_router_up_and_is_worth_nothing_afterwards() {
    let (world, operator) = desk("").await;
    operator.forged("/admin/routers", &form("cafe", "127.0.9.7")).await;
    let page = operator.post("/admin/routers", &form("cafe", "127.0.9.7")).await;
    page.says(200, "One line for cafe");
    let token = token(&page);
    assert_eq!(audited(&world, "nas.add").await, by_operator(&["cafe"]));

    let here = Client::new();
    let answer = fetch(&world, &here, &token).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let script = answer.text().await.unwrap();
    assert_eq!(value(&script, "/system identity set name=\""), "cafe");
    let secret = value(&script, "secret=\"").to_owned();

    // The router has what the script gave it, and somebody goes online there.
    world.radiusd_knows("cafe").await;
    let radiusd = world.radiusd.as_ref().unwrap();
    let address = |key: &str| radiusd.address(key).parse().unwrap();
    let mut config = NasConfig::new(address("auth"), address("acct"), secret.as_bytes()).unwrap();
    (config.bind, config.identity) = (Ipv4Addr::new(127, 0, 9, 7), "cafe".into());
    let router = Nas::start(config).await.unwrap();
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    eventually("the secret of the script is right", || async {
        router.login_pap(PHONE, "amina", "siri").await.is_accepted().then_some(())
    })
    .await;

    // Pasted again from there it is the same; from elsewhere it is nothing, and so is a guess.
    assert_eq!(fetch(&world, &here, &token).await.text().await.unwrap(), script);
    assert_eq!(fetch(&world, &at(Ipv4Addr::new(127, 0, 0, 2)), &token).await.status(), 404);
    assert_eq!(fetch(&world, &here, "guess").await.status(), 404);

    // Something stood in the way: the router says what, and its line goes on being good.
    let body = "version=7.15.3 (stable)\nnot-done=pages \nmodel=hEX lite\ndevice-mode=true\ndate=2026-11-29\ntime=12:00:00\ngmt-offset=10800";
    assert_eq!(report(&world, &token, body).await, 200);
    operator.get("/admin/routers").await.says(200, "not done: pages");
    assert_eq!(fetch(&world, &here, &token).await.status(), 200);
    assert_eq!(report(&world, &token, &body.replace("pages ", "")).await, 200);
    for _ in 0..2 {
        assert_eq!(fetch(&world, &here, &token).await.status(), 404, "it was used");
        assert_eq!(report(&world, &token, "version=8").await, 404);
    }
    let stands = enrolment(&world, "cafe").await;
    assert!(stands.finished_at.is_some() && stands.report.clock_ahead_seconds.is_some(), "{stands:?}");
    assert_eq!((stands.report.version.as_deref(), stands.report.device_mode), (Some("7.15.3 (stable)"), Some(true)));
    let list = operator.get("/admin/routers").await;
    list.says(200, "7.15.3 (stable)");
    assert!(!list.text.contains("not done"));

    let logs = [world.portal.as_ref().unwrap().log(), radiusd.log()].concat();
    let preview = operator.get(&format!("/admin/routers/{}/script", stands.nas)).await;
    preview.says(200, "NOT-SHOWN-HERE");
    let page = operator.get(&format!("/admin/routers/{}", stands.nas)).await;
    for hidden in [&secret, &token] {
        assert!(!logs.contains(hidden.as_str()), "in a log");
        assert!(!preview.text.contains(hidden.as_str()) && !page.text.contains(hidden.as_str()), "on a page");
    }
}

#[tokio::test]
async fn a_line_is_good_for_a_day_and_the_next_one_ends_it() {
    let (world, operator) = desk("").await;
    let first = token(&operator.post("/admin/routers", &form("cafe", "10.20.0.2")).await);
    let id = id_of(&world, "cafe").await;
    operator.forged(&format!("/admin/routers/{id}/line"), &[]).await;
    let second = token(&operator.post(&format!("/admin/routers/{id}/line"), &[]).await);
    assert_ne!(first, second);
    let here = Client::new();
    assert_eq!(fetch(&world, &here, &first).await.status(), 404);
    assert_eq!(report(&world, &second, "version=7").await, 404, "nobody has fetched it");
    assert_eq!(fetch(&world, &here, &second).await.status(), 200);
    let over = "UPDATE router_enrolments SET token_until = now()";
    sqlx::query(over).execute(&world.pool).await.unwrap();
    assert_eq!(fetch(&world, &here, &second).await.status(), 404);
    assert_eq!(report(&world, &second, "version=7").await, 404);
    operator.get("/admin/routers").await.says(200, "its line is too old");
    let stored: Vec<u8> =
        sqlx::query_scalar("SELECT token_hash FROM router_enrolments").fetch_one(&world.pool).await.unwrap();
    assert_eq!(stored, store::api_token::digest(&second));
    let page = reqwest::get(format!("{}/hotspot/login.html", world.portal_url())).await.unwrap().text().await.unwrap();
    assert!(page.contains(&format!("url={}/h?mac=$(mac-esc)", world.portal_url())), "{page}");
}

#[tokio::test]
async fn what_makes_no_sense_is_said_at_its_field_and_nobody_is_registered() {
    let (world, operator) = desk("").await;
    for (field, wrong, sentence) in [
        ("name", "", "one to two hundred characters"),
        ("interface", "", "one to two hundred characters"),
        ("address", "nowhere", "Write an address or a network"),
        ("version", "5", "Choose the router’s version."),
        ("guests", "10.0.0.0/8", "prefix from 16 to 29"),
        ("way", "tunnel", "There is no tunnel"),
    ] {
        let fields: Vec<(&str, &str)> = form("cafe", "10.20.0.2")
            .into_iter()
            .map(|(name, value)| (name, if name == field { wrong } else { value }))
            .collect();
        operator.post("/admin/routers", &fields).await.says(422, sentence);
    }
    assert!(store::nas::all(&world.db).await.unwrap().is_empty());
    operator.post("/admin/routers", &form("cafe", "10.20.0.2")).await.says(200, "One line for cafe");
    operator.post("/admin/routers", &form("cafe", "10.20.0.3")).await.says(409, "Another router is called cafe.");
    operator.post("/admin/routers", &form("shop", "10.20.0.2")).await.says(409, "already has the address 10.20.0.2/32");
    assert_eq!(store::nas::all(&world.db).await.unwrap().len(), 1);
}

#[tokio::test]
async fn behind_the_tunnel_each_router_has_an_address_and_makes_its_key() {
    let tunnel = format!(
        "\n[routers]\nradius_backup = \"10.99.0.250\"\n[routers.tunnel]\nendpoint = \"vpn.example.net\"\npublic_key = \"{KEY}\"\nnetwork = \"10.99.0.0/16\"\n"
    );
    let (world, operator) = desk(&tunnel).await;
    world.register("old", b"secret", tests::world::at(Ipv4Addr::new(10, 99, 0, 3))).await;
    let through = |name: &'static str| {
        let mut fields: Vec<(&str, &str)> = form(name, "").into_iter().filter(|(name, _)| *name != "way").collect();
        fields.extend([("way", "tunnel"), ("section:rest", "on")]);
        fields
    };
    let six: Vec<(&str, &str)> =
        through("six").into_iter().map(|(name, value)| (name, if name == "version" { "6" } else { value })).collect();
    operator.post("/admin/routers", &six).await.says(422, "RouterOS 6 has no WireGuard");
    let mut tokens = Vec::new();
    for name in ["one", "two"] {
        let page = operator.post("/admin/routers", &through(name)).await;
        page.says(200, "portal wireguard peers");
        tokens.push(token(&page));
    }
    let here = Client::new();
    let script = fetch(&world, &here, &tokens[1]).await.text().await.unwrap();
    // The first address is ours, the second the first router's, and the third somebody had before.
    for part in [
        "src-address=10.99.0.4",
        "address=\"10.99.0.4/16\"",
        "address=10.99.0.1 secret=",
        "address=10.99.0.250 secret=",
    ] {
        assert!(script.contains(part), "{part}: {script}");
    }
    let rest =
        store::nas::all(&world.db).await.unwrap().into_iter().find(|nas| nas.name == "two").unwrap().rest.unwrap();
    assert_eq!((rest.url.to_string().as_str(), rest.user.as_str()), ("http://10.99.0.4", "mlango"));
    assert!(script.contains(&format!("password=\"{}\"", rest.password.as_str())));
    assert_eq!(fetch(&world, &here, &tokens[0]).await.status(), 200);

    let made = KEY.replacen('x', "a", 1);
    assert_eq!(report(&world, &tokens[0], &format!("version=7.15\npublic-key={made}\nnot-done=pages")).await, 200);
    assert_eq!(
        report(&world, &tokens[1], &format!("version=7.15\npublic-key={made}")).await,
        409,
        "it is another's key"
    );
    let peers = world.portal_command(&["wireguard", "peers"], "").await;
    assert!(peers.contains(&format!("# one\n[Peer]\nPublicKey = {made}\nAllowedIPs = 10.99.0.2/32\n")), "{peers}");
    assert!(!peers.contains("# two"), "{peers}");
    let json: serde_json::Value =
        serde_json::from_str(&world.portal_command(&["wireguard", "peers", "--json"], "").await).unwrap();
    assert_eq!(json[0]["address"], "10.99.0.2");
}

#[tokio::test]
async fn who_knocks_is_listed_and_adopted_with_the_form_filled_in() {
    let (world, operator) = desk("").await;
    let radiusd = world.radiusd.as_ref().unwrap();
    let address = |key: &str| radiusd.address(key).parse().unwrap();
    let mut config = NasConfig::new(address("auth"), address("acct"), b"its own secret").unwrap();
    (config.bind, config.identity) = (Ipv4Addr::new(127, 0, 0, 9), "cafe 9".into());
    let router = Nas::start(config).await.unwrap();
    assert!(!router.login_pap(PHONE, "amina", "siri").await.is_accepted());
    let adopt = "/admin/routers/new?name=cafe+9&#38;address=127.0.0.9";
    eventually("the list shows it", || async {
        operator.get("/admin/routers").await.text.contains(adopt).then_some(())
    })
    .await;
    let form = operator.get(&adopt.replace("&#38;", "&")).await;
    form.says(200, "value=\"cafe 9\"");
    form.says(200, "value=\"127.0.0.9\"");
}

#[tokio::test]
async fn a_routers_page_tells_how_it_fares_and_where_it_stands() {
    let (world, operator) = desk("").await;
    let access = Some(("mlango".to_owned(), "open sesame".to_owned()));
    let router = world.router("cafe", |config| config.rest = access).await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(PHONE, "amina", "siri").await.is_accepted());
    assert!(!router.login_pap(Mac([0x02, 0, 0, 0, 0x0f, 2]), "amina", "guess").await.is_accepted());
    let page = format!("/admin/routers/{}", id_of(&world, "cafe").await);
    let seen = operator.get(&page).await;
    for words in [
        "hEX lite",
        "7.15.3 (stable)",
        "45 C",
        "its clock is",
        "2 hours ahead",
        "21 MB free of 67.1 MB",
        "bad password",
    ] {
        assert!(seen.text.contains(words), "{words}: {}", seen.text);
    }
    seen.says(200, "1 let in, 1 refused");
    assert!(!seen.text.contains("open sesame"));
    for (rest, words) in [
        (RestBehaviour::WrongPassword, "it refuses our user and password"),
        (RestBehaviour::Off, "no REST API of RouterOS 7"),
        (RestBehaviour::Slow(std::time::Duration::from_secs(8)), "it does not answer"),
    ] {
        router.misbehave(Misbehaviour { rest, ..Misbehaviour::default() });
        operator.get(&page).await.says(200, words);
    }
    router.misbehave(Misbehaviour::default());

    let place = format!("{page}/position");
    operator.forged(&place, &[("latitude", "1"), ("longitude", "1")]).await;
    operator.post(&place, &[("latitude", "91"), ("longitude", "36.8")]).await.says(422, "Write degrees from -90 to 90");
    operator.post(&place, &[("latitude", "-1.2864")]).await.says(422, "Write both, or neither.");
    operator.post(&place, &[("latitude", "-1.2864"), ("longitude", "36.8172")]).await.says(200, "mlat=-1.286400");
    operator.forged(&page, &[("name", "x")]).await;
    let change = [("name", "cafe two"), ("site", "New site"), ("hosts", "10.5.50.1 login.example.net")];
    operator.post(&page, &change).await.says(200, "The router is changed.");
    let cafe = store::nas::all(&world.db).await.unwrap().remove(0);
    assert_eq!((cafe.name.as_str(), cafe.site.as_deref(), cafe.hotspot_hosts.len()), ("cafe two", Some("New site"), 2));
    assert_eq!(cafe.identifier.as_deref(), Some("cafe"), "what it calls itself stays");
    world.register("shop", b"secret", tests::world::at(Ipv4Addr::new(10, 20, 0, 9))).await;
    operator.post(&page, &[("name", "shop")]).await.says(409, "Another router is called shop.");
    operator.post(&page, &[("name", "cafe"), ("hosts", "http://x")]).await.says(422, "look at what is marked");
    assert_eq!(audited(&world, "nas.update").await, by_operator(&["cafe two"]));
}
