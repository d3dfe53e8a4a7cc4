//! When, where, for how much and under what words packages are sold: what the page shows is what can be had, what was sold stays as it was,
//! and the command line says all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::hours::Hours;
use shared::money::Money;
use shared::sale::{AtSite, Sale, Text, Texts};
use shared::time::Zone;
use store::StoreError;
use store::order::{self, NewOrder, Wish};
use store::package::{self, version};
use store::settlement::{Evidence, settle};
use tests::daraja::Daraja;
use tests::nas::Nas;
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::guest::{Guest, Page};

const PHONE: &str = "0712345670";
const HOUR: Duration = Duration::from_secs(3600);

struct Shop {
    world: World,
    /// It goes away with this.
    _router: Nas,
    daraja: Arc<Daraja>,
    guest: Guest,
    site: Uuid,
}

async fn shop() -> Shop {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    world.package("one-day", |p| p.price = Money::kes(5000)).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    let site = store::site::by_name(&world.db, "Test site").await.unwrap();
    Shop { world, _router: router, daraja, guest, site }
}

impl Shop {
    /// Sells an hour so, and nothing else is other than it was.
    async fn sell(&self, sale: Sale) -> package::Package {
        self.world.package("one-hour", |p| p.sale = sale).await
    }

    async fn orders(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.world.pool).await.unwrap()
    }

    /// Whether the page offers the hour.
    async fn is_offered(&self) -> bool {
        self.guest.arrive().await.text.contains("one-hour:")
    }

    /// Sends an order for the hour, which must be refused with these words and what is on sale.
    async fn is_refused(&self, words: &str) {
        let page = self.guest.arrive().await;
        let (address, answer) = self.guest.buy(&page, "one-hour:2000", PHONE).await;
        assert!(address.ends_with("/buy") && answer.text.contains(words), "{words}: {}", answer.text);
        assert!(answer.text.contains("On sale now: one day."), "{}", answer.text);
        assert_eq!(self.orders().await, 0, "nothing was ordered");
    }
}

/// Two days from this day of the week on, counted from today.
fn days(world: &World, from: u16) -> Hours {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let today = Zone::default().minute_of_week(world.clock.now()) / 1440;
    let name = |later: u16| NAMES[usize::from((today + from + later) % 7)];
    format!("{} 00:00-24:00, {} 00:00-24:00", name(0), name(1)).parse().unwrap()
}

#[tokio::test]
async fn a_schedule_opens_and_closes() {
    let shop = shop().await;
    let now = shop.world.clock.now();
    shop.sell(Sale { from: Some(now + HOUR), ..Sale::default() }).await;
    assert!(!shop.is_offered().await);
    shop.is_refused("one hour is not on sale yet.").await;
    shop.sell(Sale { from: Some(now - HOUR), until: Some(now - HOUR / 2), ..Sale::default() }).await;
    assert!(!shop.is_offered().await);
    shop.is_refused("one hour is not sold any more.").await;
    shop.sell(Sale { hours: Some(days(&shop.world, 3)), ..Sale::default() }).await;
    assert!(!shop.is_offered().await);
    shop.is_refused("one hour is sold at these hours only: ").await;
    // From yesterday, so that midnight in the middle of the test closes nothing.
    let open = Sale {
        from: Some(now - HOUR),
        until: Some(now + 24 * HOUR),
        hours: Some(days(&shop.world, 0)),
        ..Sale::default()
    };
    shop.sell(open).await;
    assert!(shop.is_offered().await);
    let page = shop.guest.arrive().await;
    let (order, _) = shop.guest.buy(&page, "one-hour:2000", PHONE).await;
    shop.guest.wait_for_stage(&order, "go_online").await;
}

#[tokio::test]
async fn the_price_of_the_site_is_shown_charged_and_kept() {
    let shop = shop().await;
    let at = |site, at| Sale { sites: BTreeMap::from([(site, at)]), ..Sale::default() };
    let elsewhere = shared::rng::id(shop.world.clock.now());
    shop.sell(at(elsewhere, AtSite::NotSold)).await;
    assert!(shop.guest.arrive().await.text.contains("Pay KSh 20"), "elsewhere is not here");
    shop.sell(at(shop.site, AtSite::NotSold)).await;
    assert!(!shop.is_offered().await);
    shop.is_refused("one hour is not sold at this place.").await;
    let sold = shop.sell(at(shop.site, AtSite::Costs(1500))).await;
    let page = shop.guest.arrive().await;
    assert!(page.text.contains("Pay KSh 15") && !page.text.contains("Pay KSh 20"), "{}", page.text);
    let (order, _) = shop.guest.buy(&page, "one-hour:1500", PHONE).await;
    shop.guest.wait_for_stage(&order, "go_online").await;
    assert_eq!(shop.daraja.transactions().last().map(|pushed| pushed.amount), Some(15));
    let kept: (i64, Option<i32>, Value) =
        sqlx::query_as("SELECT amount_minor, package_version, package->'price'->'minor' FROM orders")
            .fetch_one(&shop.world.pool)
            .await
            .unwrap();
    assert_eq!(kept, (1500, i32::try_from(sold.version).ok(), 1500.into()));
    assert_eq!(sold.version, 3);
}

#[tokio::test]
async fn a_price_that_rose_meanwhile_is_shown_before_it_is_asked_for() {
    let shop = shop().await;
    shop.sell(Sale::default()).await;
    let page = shop.guest.arrive().await;
    let higher = Sale { sites: BTreeMap::from([(shop.site, AtSite::Costs(2500))]), ..Sale::default() };
    shop.sell(higher).await;
    let (address, again) = shop.guest.buy(&page, "one-hour:2000", PHONE).await;
    assert!(address.ends_with("/buy") && again.text.contains("one hour costs KSh 25 now."), "{}", again.text);
    assert!(again.text.contains("Pay KSh 25"), "{}", again.text);
    let asked: i64 = sqlx::query_scalar("SELECT count(*) FROM payments").fetch_one(&shop.world.pool).await.unwrap();
    assert_eq!(asked, 0, "no phone is asked");
}

#[tokio::test]
async fn customers_read_the_words_of_their_language() {
    let shop = shop().await;
    let text = |name: &str, description: &str| Text { name: Some(name.into()), description: Some(description.into()) };
    let texts = Texts { english: Text::default(), swahili: text("Saa moja kamili", "Kwa haraka zako") };
    shop.sell(Sale { texts, ..Sale::default() }).await;
    let english = shop.guest.arrive().await;
    let has = |page: &Page, words: &str| page.text.contains(words);
    assert!(has(&english, ">one hour<") && !has(&english, "Saa moja"), "{}", english.text);
    let swahili = shop.guest.follow(&english, "Kiswahili").await;
    assert!(has(&swahili, ">Saa moja kamili<") && has(&swahili, "Kwa haraka zako"), "{}", swahili.text);
    assert!(has(&swahili, ">one day<"), "the plain name where there is none: {}", swahili.text);
    let (_, waiting) = shop.guest.buy(&swahili, "one-hour:2000", PHONE).await;
    assert!(has(&waiting, "Saa moja kamili"), "{}", waiting.text);
}

#[tokio::test]
async fn packages_stand_in_their_order() {
    let shop = shop().await;
    let hour = shop.sell(Sale::default()).await;
    let order = || async {
        let page = shop.guest.arrive().await.text;
        [page.find("one-hour:"), page.find("one-day:")]
    };
    let [hour_at, day_at] = order().await;
    assert!(hour_at < day_at, "the cheaper one first, where nobody has said anything else");
    assert!(package::shift(&shop.world.db, hour.id, false).await.unwrap());
    let [hour_at, day_at] = order().await;
    assert!(day_at < hour_at);
    assert!(!package::shift(&shop.world.db, hour.id, false).await.unwrap(), "it is the last one");
    assert!(package::shift(&shop.world.db, hour.id, true).await.unwrap());
    let [hour_at, day_at] = order().await;
    assert!(hour_at < day_at);
    assert_eq!(version::all(&shop.world.db, hour.id).await.unwrap().len(), 1, "moving is no new version");
}

/// An order of this package; it is not paid yet. Returns it and its payment.
async fn ordered(world: &World, package: &package::Package, wish: Wish) -> (Uuid, Uuid) {
    let now = world.clock.now();
    let (phone, visit) = (PHONE.parse().unwrap(), serde_json::json!({}));
    let new = NewOrder {
        phone: &phone,
        package,
        nas_id: None,
        mac: None,
        visit: &visit,
        wish,
        site: None,
        code: None,
        language: Default::default(),
    };
    let id = shared::rng::id(now);
    assert!(order::place_once(&world.db, id, &new, now).await.unwrap());
    (id, store::payment::begin(&world.db, id, "mpesa", now, now).await.unwrap())
}

#[tokio::test]
async fn what_was_sold_stays_as_it_was_sold() {
    let world = World::new().await;
    let first = world.package("one-hour", |_| {}).await;
    let (paid, payment) = ordered(&world, &first, Wish::New).await;
    settle(&world.db, payment, &Evidence::default(), world.clock.now()).await.unwrap();
    let (waiting, late) = ordered(&world, &first, Wish::New).await;
    let sold = "SELECT to_jsonb(e) - 'id' - 'order_id' - 'created_at' FROM entitlements e WHERE order_id = $1";
    let entitlement =
        async |order: Uuid| -> Value { sqlx::query_scalar(sold).bind(order).fetch_one(&world.pool).await.unwrap() };
    let before = entitlement(paid).await;

    let second = world
        .package("one-hour", |p| {
            p.name = "Half an hour".into();
            p.price = Money::kes(9000);
            p.rules.duration = Some(HOUR / 2);
            p.rules.rate = None;
        })
        .await;
    assert_eq!((second.id, first.version, second.version), (first.id, 1, 2));
    assert_eq!(entitlement(paid).await, before);
    settle(&world.db, late, &Evidence::default(), world.clock.now()).await.unwrap();
    assert_eq!(entitlement(waiting).await, before, "the order was made before the change");
    for order in [paid, waiting] {
        let order = order::get(&world.db, order).await.unwrap();
        assert_eq!(
            (order.package.as_str(), order.amount, order.package_version),
            ("one hour", Money::kes(2000), Some(1))
        );
    }
    let versions = version::all(&world.db, first.id).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(versions[1].package, first);
    assert_eq!(versions[0].package.differences(&versions[1].package), ["name", "price", "time", "speed"]);
    // What changes nothing is no version, and nobody overwrites what somebody else has changed.
    let same = package::change(&world.db, &second, "test", world.clock.now()).await.unwrap();
    assert_eq!(same.version, 2);
    let stale = package::change(&world.db, &first, "test", world.clock.now()).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let taken = package::add(&world.db, &first, "test", world.clock.now()).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
}

#[tokio::test]
async fn a_package_from_before_versions_is_kept_as_the_first_one() {
    let world = World::new().await;
    let old = world.package("one-hour", |_| {}).await;
    for statement in [
        "ALTER TABLE package_versions DISABLE TRIGGER package_versions_append_only",
        "DELETE FROM package_versions",
        "UPDATE packages SET version = 0",
    ] {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }
    let old = package::by_id(&world.db, old.id).await.unwrap();
    let (order, _) = ordered(&world, &old, Wish::New).await;
    assert_eq!(order::get(&world.db, order).await.unwrap().package_version, None);
    let new = world.package("one-hour", |p| p.price = Money::kes(3000)).await;
    let versions = version::all(&world.db, new.id).await.unwrap();
    let kept: Vec<(u32, i64, &str)> =
        versions.iter().map(|kept| (kept.number, kept.package.price.minor, kept.by.as_str())).collect();
    assert_eq!(kept, [(2, 3000, "test"), (1, 2000, "")]);
}

#[tokio::test]
async fn a_voucher_is_worth_what_stands_on_it_whatever_its_package_costs_now() {
    let world = World::new().await;
    let hour = world.package("one-hour", |_| {}).await;
    let code = shared::voucher::new_code();
    world.voucher(&hour, &code).await;
    let entitlement: Uuid =
        sqlx::query_scalar("SELECT entitlement_id FROM vouchers").fetch_one(&world.pool).await.unwrap();
    world.package("one-hour", |p| p.price = Money::kes(9000)).await;
    let day = world.package("one-day", |p| p.price = Money::kes(5000)).await;
    let (order, payment) = ordered(&world, &day, Wish::Upgrade(entitlement)).await;
    sqlx::query("UPDATE entitlements SET user_id = (SELECT user_id FROM orders WHERE id = $1) WHERE id = $2")
        .bind(order)
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
    settle(&world.db, payment, &Evidence::default(), world.clock.now()).await.unwrap();
    let credit: i64 = sqlx::query_scalar("SELECT credit_minor FROM entitlement_changes WHERE order_id = $1")
        .bind(order)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(credit, 2000);
}

#[tokio::test]
async fn the_command_line_says_how_a_package_is_sold() {
    let world = World::new().await;
    let now = world.clock.now();
    store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
    store::site::ensure(&world.db, shared::rng::id(now), "Beach", now).await.unwrap();
    let json = async |line: &[&str]| -> Value {
        let arguments: Vec<&str> = line.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&world.portal_command(&arguments, "").await).expect("JSON")
    };
    let add = ["package", "add", "--slug", "night", "--name", "Night", "--price", "20", "--duration", "8h"];
    let sold = [
        "--at",
        "Market=15",
        "--at",
        "Beach=no",
        "--offered-hours",
        "daily 18:00-24:00",
        "--name-sw",
        "Usiku",
        "--position",
        "3",
    ];
    let made = json(&[&add[..], &sold[..]].concat()).await;
    assert_eq!(
        (&made["version"], &made["position"], &made["texts"]["sw"]["name"]),
        (&1.into(), &3.into(), &"Usiku".into())
    );
    assert_eq!(made["offered_hours"], "daily 18:00–24:00");
    assert_eq!(made["site_prices"].as_array().map(Vec::len), Some(2));
    // Its rules are said anew; how it is sold stays, unless it is said too.
    let again = json(&[&add[..], &["--at", "Beach=usual"]].concat()).await;
    assert_eq!(
        (&again["texts"]["sw"]["name"], &again["position"], &again["version"]),
        (&"Usiku".into(), &3.into(), &2.into())
    );
    assert_eq!(again["site_prices"][0]["price"]["amount"], 1500);
    assert_eq!(again["site_prices"].as_array().map(Vec::len), Some(1));
    let set = ["package", "set", "night", "--price", "25", "--offered-hours", "none", "--data", "2GB"];
    let changed = json(&set).await;
    assert_eq!((&changed["price"]["amount"], &changed["offered_hours"]), (&2500.into(), &Value::Null));
    assert_eq!((&changed["quota_bytes"], &changed["duration_seconds"]), (&2_000_000_000_i64.into(), &28_800.into()));
    let history = json(&["package", "history", "night"]).await;
    assert_eq!(history[0]["changed"], serde_json::json!(["price", "when it is offered", "data"]));
    assert_eq!((&history[0]["by"], &history[2]["version"]), (&"command line".into(), &1.into()));
    let list = world.portal_command(&["package", "list"], "").await;
    assert!(list.contains("Market KSh 15"), "{list}");
    let refused = world.portal_refuses(&["package", "set", "night", "--at", "Nowhere=15"], "").await;
    assert!(refused.contains("there is no site Nowhere"), "{refused}");
    let refused = world.portal_refuses(&["package", "set", "night", "--duration", "none", "--data", "none"], "").await;
    assert!(refused.contains("a package needs an end"), "{refused}");
    eventually("each change is in the audit log", || async {
        let written: i64 =
            sqlx::query_scalar("SELECT count(*) FROM admin_logs WHERE action = 'package.save' AND object = 'night'")
                .fetch_one(&world.pool)
                .await
                .ok()?;
        (written == 3).then_some(())
    })
    .await;
}
