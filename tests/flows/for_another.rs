//! One pays, another one goes online: a paid order makes one voucher and one message, however often its payment is told of, and the
//! payer's device gets nothing.

use std::sync::Arc;

use shared::money::Money;
use shared::voucher::{normalise, printed};
use store::for_another;
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, Settled, settle};
use store::voucher::State;
use tests::daraja::Daraja;
use tests::nas::{Mac, Nas};
use tests::sms::SmsSim;
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

/// Pays at once.
const PAYER: &str = "0712345670";
const RECIPIENT: &str = "0722 345 678";
const OTHER_PHONE: Mac = Mac([0x02, 0, 0, 0, 0x30, 2]);

struct Shop {
    world: World,
    router: Nas,
    daraja: Arc<Daraja>,
    sms: Option<Arc<SmsSim>>,
}

impl Shop {
    async fn open(with_sms: bool) -> Shop {
        let mut world = World::new().await;
        let sms = if with_sms { Some(world.sms().await) } else { None };
        let daraja = world.daraja().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        Shop { world, router, daraja, sms }
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router)
    }

    /// How many vouchers, entitlements, places of devices, and messages with a code there are.
    async fn counts(&self) -> (i64, i64, i64, i64) {
        counts(&self.world).await
    }
}

async fn counts(world: &World) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM vouchers), (SELECT count(*) FROM entitlements), (SELECT count(*) FROM entitlement_devices),
                (SELECT count(*) FROM notifications WHERE template = 'given')",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

/// Buys an hour with the payer's number for that one. Returns where that ended.
async fn buy(guest: &Guest, page: &Page, package: &str, payer: &str, recipient: &str) -> (String, Page) {
    let fields = [("package", package), ("phone", payer), ("recipient", recipient)];
    guest.send_and_land(page, "name=\"recipient\"", &fields).await
}

/// The code on the page of a paid order.
fn code(page: &Page) -> String {
    let copied = page.attribute("data-copy", "data-copy").unwrap_or_else(|| panic!("no code: {}", page.text));
    copied.split(' ').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn one_pays_and_another_goes_online() {
    let shop = Shop::open(true).await;
    let guest = shop.guest();
    let (order, waiting) = buy(&guest, &guest.arrive().await, "one-hour", PAYER, RECIPIENT).await;
    assert!(order.contains("/o/"), "{order}: {}", waiting.text);
    let paid = guest.wait_for_stage(&order, "given").await;
    assert!(paid.text.contains("Paid: one hour for 07xx xxx 678"), "{}", paid.text);
    assert!(!paid.text.contains("id=\"login\""), "the payer's device is not logged in: {}", paid.text);
    assert_eq!(shop.counts().await, (1, 1, 0, 1));
    let code = code(&paid);

    // The prompt went to the payer, the code goes to the other one, and the receipt to the payer.
    assert_eq!(shop.daraja.transactions().len(), 1);
    let sms = shop.sms.as_ref().expect("there is SMS");
    let (told, receipt) = eventually("both are told", || async {
        let messages = sms.messages();
        let to = |number: &str| messages.iter().find(|message| message.to == number).map(|m| m.text.clone());
        Some((to("+254722345678")?, to("+254712345670")?))
    })
    .await;
    assert!(told.contains(&code) && !told.contains("/o/"), "{told}");
    assert!(receipt.contains("/o/"), "{receipt}");
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT payload::text FROM notifications").fetch_all(&shop.world.pool).await.unwrap();
    let bare = normalise(&code).expect("a code");
    assert!(stored.iter().all(|payload| !payload.contains(&*bare) && !payload.contains(&code)), "{stored:?}");

    // The link in the message keeps the code ready; it is used on the other phone.
    let other = shop.guest().with_mac(OTHER_PHONE).with_cookie("");
    let link = told.split_whitespace().find(|word| word.contains("/v/")).expect("a link");
    assert!(other.get(link).await.text.contains(&printed(&bare)), "{link}");
    let page = other.arrive().await;
    assert_eq!(page.attribute("id=\"code\"", "value").as_deref(), Some(code.as_str()));
    let going = other.send(&page, "action=\"/voucher\"", &[("code", &code)]).await;
    other.go_online(&going).await;
    eventually("the other one is online", || async { other.is_online().await.then_some(()) }).await;
    let used = guest.wait_for_stage(&order, "given_used").await;
    assert!(used.text.contains("in use") && !used.text.contains(&code), "{}", used.text);
    assert!(!guest.is_online().await);
    assert_eq!(shop.counts().await, (1, 1, 1, 1));
    // It is no batch of paper.
    assert!(store::voucher::batches(&shop.world.db, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_message_is_in_the_language_of_the_payers_page_unless_its_reader_has_chosen_another() {
    let shop = Shop::open(true).await;
    // Somebody who chose English once, and somebody who has bought something and chosen nothing.
    let now = shop.world.clock.now();
    for (number, chooses) in [("0722345679", true), ("0722345680", false)] {
        let phone = number.parse().unwrap();
        let id = store::user::ensure(&shop.world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
        if chooses {
            store::user::speak(&shop.world.db, id, shared::language::Language::English).await.unwrap();
        }
    }
    let guest = shop.guest();
    let swahili = guest.follow(&guest.arrive().await, "Kiswahili").await;
    let sms = shop.sms.as_ref().expect("there is SMS");
    for (number, to, words) in [
        (RECIPIENT, "+254722345678", "umelipiwa"),
        ("0722345679", "+254722345679", "was paid for you"),
        ("0722345680", "+254722345680", "umelipiwa"),
    ] {
        let (order, _) = buy(&guest, &swahili, "one-hour", PAYER, number).await;
        guest.wait_for_stage(&order, "given").await;
        let told = eventually("the recipient is told", || async {
            sms.messages().into_iter().find(|message| message.to == to).map(|message| message.text)
        })
        .await;
        assert!(told.contains(words), "{to}: {told}");
    }
    // Somebody new goes on in that language.
    let query = "SELECT locale FROM users WHERE phone = '+254722345678'";
    let locale: String = sqlx::query_scalar(query).fetch_one(&shop.world.pool).await.unwrap();
    assert_eq!(locale, "sw");
}

#[tokio::test]
async fn a_payment_that_is_told_of_twice_makes_one_voucher_and_one_message() {
    let shop = Shop::open(true).await;
    let guest = shop.guest();
    let (order, _) = buy(&guest, &guest.arrive().await, "one-hour", "0712345675", RECIPIENT).await;
    let paid = guest.wait_for_stage(&order, "given").await;
    let checkout = shop.daraja.transactions()[0].checkout_request_id.clone();
    shop.daraja.call_back(&checkout);
    eventually("every report is worked on", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM payment_events WHERE processed_at IS NULL")
            .fetch_one(&shop.world.pool)
            .await
            .ok()?;
        let all: i64 =
            sqlx::query_scalar("SELECT count(*) FROM payment_events").fetch_one(&shop.world.pool).await.ok()?;
        (open == 0 && all >= 1).then_some(())
    })
    .await;
    assert_eq!(shop.counts().await, (1, 1, 0, 1));
    eventually("the message is sent", || async {
        let state: String = sqlx::query_scalar("SELECT state FROM notifications WHERE template = 'given'")
            .fetch_one(&shop.world.pool)
            .await
            .ok()?;
        (state != "pending").then_some(())
    })
    .await;
    let messages = shop.sms.as_ref().expect("there is SMS").messages();
    assert_eq!(messages.iter().filter(|message| message.text.contains(&code(&paid))).count(), 1);
}

#[tokio::test]
async fn a_hundred_reports_at_once_make_one_voucher() {
    let world = World::new().await;
    let now = world.clock.now();
    let package = world.package("one-hour", |p| p.starts = store::package::Starts::Purchase).await;
    let (payer, recipient) = (PAYER.parse().unwrap(), RECIPIENT.parse().unwrap());
    let new = NewOrder {
        phone: &payer,
        package: &package,
        nas_id: None,
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        visit: &serde_json::json!({}),
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let order = shared::rng::id(now);
    assert!(for_another::place(&world.db, order, &new, &recipient, now).await.unwrap());
    assert!(!for_another::place(&world.db, order, &new, &recipient, now).await.unwrap(), "once");
    let waiting = for_another::of_order(&world.db, order).await.unwrap().expect("it is for another");
    assert!(waiting.recipient == recipient && waiting.voucher.is_none());
    let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap();
    let evidence = Evidence { receipt: Some("ABCDE12345".into()), amount: Some(Money::kes(2_000)), charge: None };
    let settled = futures::future::join_all((0..100).map(|_| settle(&world.db, payment, &evidence, now))).await;
    assert_eq!(settled.iter().filter(|s| matches!(s, Ok(Settled::Granted { .. }))).count(), 1, "{settled:?}");
    assert_eq!(settled.iter().filter(|s| matches!(s, Ok(Settled::Already))).count(), 99);
    assert_eq!(counts(&world).await, (1, 1, 0, 1));
    let given = for_another::of_order(&world.db, order).await.unwrap().and_then(|order| order.voucher);
    assert_eq!(given.map(|given| given.state), Some(State::Sold));
    let (begun, owner): (bool, String) =
        sqlx::query_as("SELECT e.starts_at IS NOT NULL, u.phone FROM entitlements e JOIN users u ON u.id = e.user_id")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(!begun, "its clock waits for the first login, whatever the package says");
    assert_eq!(owner, "+254722345678");
    assert!(store::order::get(&world.db, order).await.unwrap().entitlement.is_none(), "the payer has nothing of it");
}

/// Two who pay for each other at the same moment do not wait for each other.
#[tokio::test]
async fn two_pay_for_each_other_at_once() {
    let world = World::new().await;
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (one, two) = ("0712345670".parse().unwrap(), "0722345670".parse().unwrap());
    let mut payments = Vec::new();
    for (payer, recipient) in [(&one, &two), (&two, &one)] {
        let visit = serde_json::json!({});
        let new = NewOrder {
            phone: payer,
            package: &package,
            nas_id: None,
            mac: None,
            visit: &visit,
            wish: Wish::New,
            site: None,
            code: None,
            language: Default::default(),
        };
        let order = shared::rng::id(now);
        assert!(for_another::place(&world.db, order, &new, recipient, now).await.unwrap());
        payments.push(store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap());
    }
    let evidence = Evidence::default();
    let settled = futures::future::join_all(payments.iter().map(|id| settle(&world.db, *id, &evidence, now))).await;
    assert!(settled.iter().all(|s| matches!(s, Ok(Settled::Granted { .. }))), "{settled:?}");
    assert_eq!(counts(&world).await, (2, 2, 0, 2));
}

#[tokio::test]
async fn without_sms_the_payer_gives_the_code() {
    let shop = Shop::open(false).await;
    let guest = shop.guest();
    let (order, _) = buy(&guest, &guest.arrive().await, "one-hour", PAYER, RECIPIENT).await;
    let paid = guest.wait_for_stage(&order, "given").await;
    assert!(paid.text.contains("we cannot send it") && paid.text.contains(&code(&paid)), "{}", paid.text);
}

#[tokio::test]
async fn a_wish_for_another_is_another_order_and_discounts_count() {
    let shop = Shop::open(false).await;
    let happy = shared::discount::Discount {
        id: shared::rng::id(shop.world.clock.now()),
        name: "Happy hour".into(),
        kind: shared::discount::Kind::Percent(20),
        trigger: shared::discount::Trigger::Automatic,
        owner: None,
        conditions: shared::discount::Conditions::default(),
        stackable: false,
    };
    store::discount::save(&shop.world.db, &happy, shop.world.clock.now()).await.unwrap();
    let guest = shop.guest();
    let page = guest.arrive().await;
    let wrong = buy(&guest, &page, "one-hour:1600", PAYER, "12345").await.1;
    assert!(wrong.status == 422 && wrong.text.contains("id=\"recipient-error\""), "{}", wrong.text);
    let (first, _) = buy(&guest, &page, "one-hour:1600", PAYER, RECIPIENT).await;
    let (again, _) = buy(&guest, &page, "one-hour:1600", PAYER, RECIPIENT).await;
    assert_eq!(first, again, "a form sent twice is one order");
    let paid = guest.wait_for_stage(&first, "given").await;
    assert!(paid.text.contains("Happy hour: KSh 4 less"), "{}", paid.text);
    let (mine, _) = buy(&guest, &page, "one-hour:1600", PAYER, "").await;
    assert_ne!(first, mine, "for this device is another wish");
    guest.wait_for_stage(&mine, "go_online").await;
    let paid: Vec<i64> =
        sqlx::query_scalar("SELECT paid_minor FROM entitlements").fetch_all(&shop.world.pool).await.unwrap();
    assert_eq!(paid, [1600, 1600]);
    assert_eq!(shop.counts().await, (1, 2, 1, 1));
}

#[tokio::test]
async fn what_costs_nothing_is_not_paid_for_another() {
    let shop = Shop::open(false).await;
    shop.world.package("trial", |p| p.price = Money::kes(0)).await;
    let guest = shop.guest();
    let refused = buy(&guest, &guest.arrive().await, "trial", PAYER, RECIPIENT).await.1;
    assert!(refused.status == 422 && refused.text.contains("costs nothing"), "{}", refused.text);
    assert_eq!(shop.counts().await, (0, 0, 0, 0));
}
