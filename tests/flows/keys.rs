//! The key that seals secrets is changed while guests log in: step by step as docs/operations/security.md has it, and what is refused
//! on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use shared::config::Config;
use shared::staff::Role;
use shared::voucher::{new_code, printed};
use store::sealed::COLUMNS;
use tests::nas::{Mac, Nas};
use tests::world::lab::free_port;
use tests::world::{World, eventually};

use crate::guest::Guest;
use crate::operator::{EMAIL, Operator, make};

const PHONE: &str = "0712 345 670";

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

/// Puts these lines in place of those of `[secrets]`.
fn set_keys(world: &World, lines: &str) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    let (before, rest) = text.split_once("[secrets]\n").unwrap();
    let (_, after) = rest.split_once("\n[").unwrap();
    std::fs::write(world.config(), format!("{before}[secrets]\n{lines}\n[{after}")).unwrap();
}

/// Writes a secret into a file of the world's folder, and returns its path.
fn file(world: &World, name: &str, secret: &str) -> String {
    let path = world.config().with_file_name(name);
    std::fs::write(&path, secret).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn status(world: &World) -> Value {
    serde_json::from_str(&world.portal_command(&["secrets", "status", "--json"], "").await).unwrap()
}

/// Waits until both programs have said which keys they have, and whether each has the one that seals.
async fn both_say(world: &World, have: &[(&str, bool)]) {
    eventually("both programs have said which keys they have", || async {
        let told = status(world).await;
        let said: Vec<(&str, bool)> = told["programs"]
            .as_array()?
            .iter()
            .filter_map(|program| Some((program["program"].as_str()?, program["has_key"].as_bool()?)))
            .collect();
        (said == have).then_some(())
    })
    .await;
}

async fn restart_radiusd(world: &mut World) {
    assert!(world.radiusd.take().unwrap().stop().await);
    world.start_radiusd().await;
    world.radiusd_knows("cafe").await;
}

async fn restart_portal(world: &mut World) {
    assert!(world.portal.take().unwrap().stop().await);
    world.start_portal().await;
}

/// How many values begin as the first key seals.
async fn with_the_first_key(world: &World) -> i64 {
    let mut sum = 0;
    for column in COLUMNS {
        let (table, name) = (column.table, column.name);
        let count = format!(r"SELECT count(*) FROM {table} WHERE substring({name} FROM 1 FOR 1) = '\x01'");
        sum += sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count)).fetch_one(&world.pool).await.unwrap();
    }
    sum
}

/// Guests log in one after the other as long as `busy` says; returns how many.
async fn log_in(router: &Nas, busy: &AtomicBool) -> u32 {
    let mut count = 0;
    while busy.load(Ordering::SeqCst) {
        let outcome = router.login_chap(mac(1), "amina", "siri").await;
        assert!(outcome.is_accepted(), "{outcome:?}");
        router.logout(mac(1));
        count += 1;
    }
    count
}

#[tokio::test]
async fn the_seal_key_is_changed_while_guests_log_in() {
    let mut world = World::new().await;
    world.daraja().await;
    let port = || format!("127.0.0.1:{}", free_port(std::net::Ipv4Addr::LOCALHOST));
    world.fix_radius_ports(&port(), &port());
    world.start_radiusd().await;
    let package = world.package("one-hour", |package| package.rules.device_limit = 50).await;
    world.grant(&package, "amina", "siri").await;
    let code = printed(&new_code());
    world.voucher(&package, &code).await;
    let router = world
        .router("cafe", |config| {
            config.rest = Some(("mlango".into(), "rest password".into()));
            config.login_by.mac = false;
        })
        .await;
    world.portal_command(&["router-login", "add", "--name", "juma", "--password-stdin"], "hunter2 hunter2").await;
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    let guest = Guest::new(&world.portal_url(), &router);
    let (order, _) = guest.buy(&guest.arrive().await, "one-hour", PHONE).await;
    guest.wait_for_stage(&order, "go_online").await;

    let (first, second) = (world.config().with_file_name("seal.key").display().to_string(), "3a8f".repeat(16));
    let lookup = world.portal_command(&["secrets", "lookup-key"], "").await;
    let (second, lookup) = (file(&world, "second.key", &second), file(&world, "lookup.key", lookup.trim()));
    let told = status(&world).await;
    assert_eq!((told["left"].as_u64(), told["finds_logins"].as_bool()), (Some(0), Some(true)), "{told}");
    assert_eq!(told["other_keys"], serde_json::json!([]));

    // Without the key by which names are found nothing starts.
    set_keys(&world, &format!("seal_key_file = \"{second}\"\nold_seal_key_files = [\"{first}\"]\n"));
    let refused = world.portal_refuses(&["secrets", "rotate"], "").await;
    assert!(refused.contains("secrets.lookup_key"), "{refused}");

    // A program that lacks the new key holds it up.
    let both =
        format!("seal_key_file = \"{second}\"\nold_seal_key_files = [\"{first}\"]\nlookup_key_file = \"{lookup}\"\n");
    set_keys(&world, &both);
    both_say(&world, &[("portal", false), ("radiusd", false)]).await;
    assert!(world.portal_refuses(&["secrets", "rotate"], "").await.contains("has not got the key"));
    restart_radiusd(&mut world).await;
    both_say(&world, &[("portal", false), ("radiusd", true)]).await;
    assert!(world.portal_refuses(&["secrets", "rotate"], "").await.contains("a portal that was heard"));
    restart_portal(&mut world).await;
    both_say(&world, &[("portal", true), ("radiusd", true)]).await;

    let before = with_the_first_key(&world).await;
    assert!(before >= 8, "{before}");
    let busy = AtomicBool::new(true);
    let rotate = async {
        let done = world.portal_command(&["secrets", "rotate", "--json"], "").await;
        busy.store(false, Ordering::SeqCst);
        serde_json::from_str::<Value>(&done).unwrap()
    };
    let (done, logins) = tokio::join!(rotate, log_in(&router, &busy));
    assert!(logins > 0);
    assert_eq!((done["left"].as_u64(), done["unopened"].as_u64()), (Some(0), Some(0)), "{done}");
    assert!(done["sealed"].as_i64() >= Some(before), "{done}");
    assert_eq!(with_the_first_key(&world).await, 0);
    let again: Value = serde_json::from_str(&world.portal_command(&["secrets", "rotate", "--json"], "").await).unwrap();
    assert_eq!(again["sealed"], 0, "there is nothing left to do");
    // What the earlier key has signed is still good.
    assert_eq!(guest.get(&order).await.status, 200);

    // The earlier key goes.
    set_keys(&world, &format!("seal_key_file = \"{second}\"\nlookup_key_file = \"{lookup}\"\n"));
    restart_radiusd(&mut world).await;
    restart_portal(&mut world).await;
    everything_works(&mut world, &router, &code).await;
    assert_eq!(guest.get(&order).await.status, 404, "a link that the earlier key has signed");

    // Without the lookup key nobody is found, and doctor says so.
    set_keys(&world, &format!("seal_key_file = \"{second}\"\n"));
    assert_eq!(status(&world).await["finds_logins"], false);
    let refused = world.portal_refuses(&["secrets", "rotate"], "").await;
    assert!(refused.contains("secrets.lookup_key is not the one"), "{refused}");
}

/// Guests, vouchers, a purchase, the desk and what radiusd knows of routers, with the new key alone.
async fn everything_works(world: &mut World, router: &Nas, code: &str) {
    let config = Config::load(&world.config()).unwrap();
    world.db = store::Db::open(&config.database, Arc::new(config.secrets.seal().unwrap())).unwrap();
    assert!(router.login_chap(mac(2), "amina", "siri").await.is_accepted());
    assert!(router.login_pap(mac(3), code, "").await.is_accepted());
    let nas = store::nas::all(&world.db).await.unwrap().remove(0);
    assert_eq!(nas.rest.unwrap().password.as_str(), "rest password");
    Operator::again(world, EMAIL).await;
    let guest = Guest::new(&world.portal_url(), router).with_mac(mac(4));
    let (order, _) = guest.buy(&guest.arrive().await, "one-hour", "0712 345 680").await;
    guest.go_online(&guest.wait_for_stage(&order, "go_online").await).await;
    guest.wait_for_stage(&order, "online").await;
}
