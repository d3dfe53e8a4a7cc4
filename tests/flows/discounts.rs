//! Discounts, from the page that shows them to the money that is asked for.

use std::sync::Arc;

use shared::discount::{Conditions, Discount, Kind, Trigger};
use shared::money::Money;
use store::StoreError;
use store::order::{self, NewOrder, Wish};
use tests::daraja::Daraja;
use tests::nas::Nas;
use tests::world::{World, eventually};

use crate::guest::Guest;

const PHONE: &str = "0712345670";

struct Shop {
    world: World,
    router: Nas,
    daraja: Arc<Daraja>,
    guest: Guest,
}

async fn shop() -> Shop {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |p| p.price = Money::kes(2000)).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    Shop { world, router, daraja, guest }
}

fn discount(world: &World, name: &str, kind: Kind) -> Discount {
    Discount {
        id: shared::rng::id(world.clock.now()),
        name: name.into(),
        kind,
        trigger: Trigger::Automatic,
        owner: None,
        conditions: Conditions::default(),
        stackable: false,
    }
}

async fn save(world: &World, discount: &Discount) {
    store::discount::save(&world.db, discount, world.clock.now()).await.unwrap();
}

async fn amounts(world: &World) -> Vec<(i64, Option<i64>, String)> {
    sqlx::query_as("SELECT amount_minor, full_minor, state FROM orders ORDER BY created_at")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_the_page_shows_is_what_the_phone_is_asked_for() {
    let Shop { world, router: _on, daraja, guest } = shop().await;
    save(&world, &discount(&world, "Happy hour", Kind::Percent(20))).await;
    let page = guest.arrive().await;
    assert!(page.text.contains("Pay KSh 16") && page.text.contains("Happy hour: you save KSh 4"), "{}", page.text);
    let (order, _) = guest.buy(&page, "one-hour:1600", PHONE).await;
    let paid = guest.wait_for_stage(&order, "go_online").await;
    assert!(paid.text.contains("Happy hour: KSh 4 less"), "{}", paid.text);
    assert_eq!(amounts(&world).await, [(1600, Some(2000), "paid".to_owned())]);
    assert_eq!(daraja.transactions().last().map(|pushed| pushed.amount), Some(16));
    let booked: i64 = sqlx::query_scalar(
        "SELECT sum(amount_minor)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE a.code = 'mpesa'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(booked, 1600);
}

#[tokio::test]
async fn nobody_pays_more_than_the_page_has_said() {
    let Shop { world, router: _on, daraja: _pays, guest } = shop().await;
    let happy = discount(&world, "Happy hour", Kind::Percent(50));
    save(&world, &happy).await;
    let page = guest.arrive().await;
    store::discount::end(&world.db, happy.id, world.clock.now()).await.unwrap();
    let (address, again) = guest.buy(&page, "one-hour:1000", PHONE).await;
    assert!(address.ends_with("/buy") && again.text.contains("costs KSh 20 now"), "{}", again.text);
    let asked: i64 = sqlx::query_scalar("SELECT count(*) FROM payments").fetch_one(&world.pool).await.unwrap();
    assert_eq!(asked, 0, "no phone is asked");
}

#[tokio::test]
async fn a_code_lowers_the_price_and_says_why_it_does_not() {
    let Shop { world, router: _on, daraja: _pays, guest } = shop().await;
    let code = Discount {
        trigger: Trigger::Code("KARIBU".parse().unwrap()),
        conditions: Conditions { uses_per_person: Some(1), ..Conditions::default() },
        ..discount(&world, "Welcome", Kind::Amount(Money::kes(500)))
    };
    save(&world, &code).await;
    let page = guest.arrive().await;
    assert!(page.text.contains("Pay KSh 20") && !page.text.contains("Welcome"), "{}", page.text);
    let shown = guest.send(&page, "name=\"discount\"", &[("discount", "kari-bu"), ("package", "")]).await;
    assert!(shown.text.contains("Pay KSh 15") && shown.text.contains("Welcome: you save KSh 5"), "{}", shown.text);
    let fields = [("discount", "kari-bu"), ("package", "one-hour:1500"), ("phone", PHONE)];
    let waiting = guest.send(&shown, "name=\"discount\"", &fields).await;
    assert!(waiting.text.contains("KSh 15"), "{}", waiting.text);
    eventually("it is paid", || async {
        (amounts(&world).await == [(1500, Some(2000), "paid".to_owned())]).then_some(())
    })
    .await;
    // A second time it is not, and the page says so.
    let refused = guest.send(&page, "name=\"discount\"", &[("discount", "KARIBU"), ("package", "")]).await;
    assert!(refused.status == 422 && refused.text.contains("You have used this code"), "{}", refused.text);
}

#[tokio::test]
async fn the_last_use_is_had_once_and_comes_back_with_an_order_that_fails() {
    let world = World::new().await;
    let package = world.package("one-hour", |p| p.price = Money::kes(2000)).await;
    let last = Discount {
        trigger: Trigger::Code("LAST1".parse().unwrap()),
        conditions: Conditions { uses_max: Some(1), ..Conditions::default() },
        ..discount(&world, "Last one", Kind::Percent(50))
    };
    save(&world, &last).await;
    let (now, visit) = (world.clock.now(), serde_json::json!({}));
    let place = async |number: usize| {
        let phone = format!("07123456{number:02}").parse().unwrap();
        let new = NewOrder {
            phone: &phone,
            package: &package,
            nas_id: None,
            mac: None,
            visit: &visit,
            wish: Wish::New,
            site: None,
            code: Some("last 1"),
            language: Default::default(),
        };
        let id = shared::rng::id(now);
        order::place_once(&world.db, id, &new, now).await.map(|_| id)
    };
    let tries = futures::future::join_all((0..20).map(&place)).await;
    let placed: Vec<_> = tries.iter().filter_map(|tried| tried.as_ref().ok().copied()).collect();
    assert_eq!(placed.len(), 1, "{tries:?}");
    let told =
        |tried: &Result<uuid::Uuid, StoreError>| matches!(tried, Err(StoreError::NotPlaced(_) | StoreError::Code(_)));
    assert_eq!(tries.iter().filter(|tried| told(tried)).count(), 19);

    // The payment fails, and the use is free again; whoever takes it keeps the failed order from being paid.
    let payment = store::payment::begin(&world.db, placed[0], "mpesa", now, now).await.unwrap();
    store::payment::failed(&world.db, payment, "1032", "cancelled", now).await.unwrap();
    place(30).await.expect("the use is free again");
    let again = store::payment::begin(&world.db, placed[0], "mpesa", now, now).await;
    assert!(matches!(again, Err(StoreError::NotPlaced(_))), "{again:?}");
}
