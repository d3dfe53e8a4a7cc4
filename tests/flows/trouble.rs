//! When paying goes wrong for everybody, or twice: guests are told so, and what they can do, in their language; and it is over by itself.

use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, Settled, settle};
use tests::nas::{Mac, Nas};
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

const METRIC: &str = "mlango_provider_trouble{provider=\"mpesa\"}";

fn guest(world: &World, router: &Nas, number: u8) -> Guest {
    Guest::new(&world.portal_url(), router).with_mac(Mac([0x02, 0, 0, 0, 0x50, number]))
}

/// A guest chooses an hour. The phone pays at once, if M-Pesa asks it.
async fn buy(guest: &Guest, number: u8) -> (String, Page) {
    let page = guest.arrive().await;
    guest.buy(&page, "one-hour", &format!("07123{number:02}670")).await
}

#[tokio::test]
async fn guests_are_told_that_mpesa_fails_for_everybody_until_it_works_again() {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("{config}menu = true\n")).unwrap();
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let onlooker = guest(&world, &router, 99);
    assert!(!onlooker.arrive().await.text.contains("id=\"trouble\""));

    // It fails for one guest after the other; what each of them reads is about that payment.
    daraja.set_outage(true);
    let mut orders = Vec::new();
    for number in 10..13 {
        let (order, page) = buy(&guest(&world, &router, number), number).await;
        assert!(order.contains("/o/"), "{order}: {}", page.text);
        orders.push(order);
    }
    let told = eventually("the packages say that M-Pesa has trouble", || async {
        let page = onlooker.arrive().await;
        page.text.contains("M-Pesa has trouble just now").then_some(page)
    })
    .await;
    for words in ["No money is lost", "its page says how to pay from the M-Pesa menu", "Buy a voucher from the staff"] {
        assert!(told.text.contains(words), "{words}: {}", told.text);
    }
    assert!(!told.text.contains("Pay by card."), "there are no cards here: {}", told.text);
    let swahili = onlooker.follow(&told, "Kiswahili").await;
    assert!(swahili.text.contains("M-Pesa ina hitilafu kwa sasa"), "{}", swahili.text);
    let portal = world.portal.as_ref().unwrap();
    assert!(portal.metric(METRIC).await > 0.5);
    // Who waits is told as well, with the menu open.
    let waits = onlooker.get(&orders[0]).await;
    for words in ["M-Pesa has trouble just now", "how is written below", "business number 174379"] {
        assert!(waits.text.contains(words), "{words}: {}", waits.text);
    }
    // Nobody is kept from trying, and nothing is sold without money.
    let grants: i64 = sqlx::query_scalar("SELECT count(*) FROM entitlements").fetch_one(&world.pool).await.unwrap();
    assert_eq!(grants, 0);

    // It works again: who tries pays, and the page says nothing of it any more.
    daraja.set_outage(false);
    for number in 20..23 {
        let guest = guest(&world, &router, number);
        let (order, _) = buy(&guest, number).await;
        guest.wait_for_stage(&order, "go_online").await;
    }
    eventually("the packages say nothing of it", || async {
        (!onlooker.arrive().await.text.contains("id=\"trouble\"")).then_some(())
    })
    .await;
    assert!(portal.metric(METRIC).await < 0.5);
}

#[tokio::test]
async fn who_has_paid_twice_is_told_whose_the_second_payment_is() {
    let mut world = World::new().await;
    world.start_portal().await;
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (phone, visit) = ("0712345670".parse().unwrap(), serde_json::json!({}));
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let order = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, order, &new, now).await.unwrap());
    // The first prompt is said to be cancelled, the customer pays a second one, and then the first turns out to be paid.
    let mut payments = Vec::new();
    for checkout in ["one", "two"] {
        let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap();
        store::payment::prompted(&world.db, payment, "m", checkout, now, now).await.unwrap();
        if checkout == "one" {
            store::payment::failed(&world.db, payment, "1032", "cancelled", now).await.unwrap();
        }
        payments.push(payment);
    }
    let paid = |receipt: &str| Evidence { receipt: Some(receipt.to_owned()), amount: None, charge: None };
    let second = settle(&world.db, payments[1], &paid("AAAAAAAAA2"), now).await.unwrap();
    assert!(matches!(second, Settled::Granted { .. }), "{second:?}");
    let token = shared::token::sign(world.db.seal(), shared::token::Purpose::OrderPage, order);
    let page = async |language: &str| {
        let url = format!("{}/o/{token}?lang={language}", world.portal_url());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    assert!(!page("en").await.contains("paid twice"));
    let first = settle(&world.db, payments[0], &paid("AAAAAAAAA1"), now).await.unwrap();
    assert!(matches!(first, Settled::RefundDue), "{first:?}");
    let told = page("en").await;
    assert!(told.contains("This order was paid twice. The second KSh 20 belongs to you"), "{told}");
    assert!(page("sw").await.contains("Oda hii ililipwa mara mbili"));
}
