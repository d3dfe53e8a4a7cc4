//! Customers sign in with a code by SMS, or by a payment, and find what they have: on the phone that bought it, on another one,
//! and with an address that is new.

use std::sync::Arc;

use store::package::Purchases;
use tests::nas::{Mac, Nas};
use tests::sms::SmsSim;
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

const PHONE: &str = "0712 345 670";
/// What a phone calls itself on this Wi-Fi, and after it has made itself another name.
const OLD: Mac = Mac([0x02, 0, 0, 0, 0x10, 1]);
const NEW: Mac = Mac([0x02, 0, 0, 0, 0x10, 2]);

struct Shop {
    world: World,
    router: Nas,
    sms: Arc<SmsSim>,
}

impl Shop {
    async fn open() -> Shop {
        let mut world = World::new().await;
        let sms = world.sms().await;
        world.daraja().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        Shop { world, router, sms }
    }

    fn guest(&self, mac: Mac) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router).with_mac(mac)
    }

    /// The digits of the message of that number, once it is there.
    async fn code(&self, number: usize) -> String {
        eventually("the code is sent", || async {
            let messages = self.sms.messages();
            Some(messages.get(number)?.text.chars().take(6).collect::<String>())
        })
        .await
    }

    async fn logged(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT kind FROM security_events ORDER BY kind").fetch_all(&self.world.pool).await.unwrap()
    }

    /// Buys an hour, and is online.
    async fn buy(&self, guest: &Guest) -> String {
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", PHONE).await;
        let paid = guest.wait_for_stage(&order, "go_online").await;
        guest.go_online(&paid).await;
        guest.wait_for_stage(&order, "online").await;
        order
    }
}

/// From the packages to the page that asks for the code.
async fn ask(guest: &Guest, page: &Page) -> Page {
    let asks = guest.follow(page, "I have a package already").await;
    guest.send(&asks, "name=\"phone\"", &[("phone", PHONE)]).await
}

async fn type_code(guest: &Guest, page: &Page, code: &str) -> Page {
    guest.send(page, "name=\"code\"", &[("code", code)]).await
}

fn wrong(code: &str) -> String {
    let other = if code.starts_with('9') { '0' } else { '9' };
    format!("{other}{}", &code[1..])
}

#[tokio::test]
async fn a_phone_with_a_new_address_goes_online_with_what_it_has() {
    let shop = Shop::open().await;
    shop.buy(&shop.guest(OLD)).await;
    // The same phone under another address, and its browser keeps nothing.
    let guest = shop.guest(NEW);
    let page = guest.arrive().await;
    assert!(page.text.contains("Get online") && !page.text.contains("Welcome back"), "{}", page.text);
    let asked = ask(&guest, &page).await;
    assert!(asked.text.contains("07xx xxx 670") && !asked.text.contains("712 345"), "{}", asked.text);
    let account = type_code(&guest, &asked, &shop.code(0).await).await;
    assert!(account.text.contains("one hour") && account.text.contains("Receipts"), "{}", account.text);
    let going = guest.send(&account, "Go online with this device", &[]).await;
    guest.go_online(&going).await;
    eventually("the new address is online", || async { guest.is_online().await.then_some(()) }).await;
    eventually("the old one is not", || async { shop.router.session(tests::nas::Mac(OLD.0)).is_none().then_some(()) })
        .await;
}

#[tokio::test]
async fn a_code_is_good_once_for_its_request_and_five_tries() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD);
    let page = guest.arrive().await;
    let asked = ask(&guest, &page).await;
    let code = shop.code(0).await;
    let again = ask(&guest, &page).await;
    assert_eq!(again.status, 429, "another one is sent after half a minute: {}", again.text);
    for left in ["4 more tries", "3 more tries", "2 more tries", "one more try"] {
        let answer = type_code(&guest, &asked, &wrong(&code)).await;
        assert!(answer.status == 422 && answer.text.contains(left), "{}", answer.text);
    }
    assert!(type_code(&guest, &asked, &wrong(&code)).await.text.contains("That code is over"));
    assert!(type_code(&guest, &asked, &code).await.text.contains("That code is over"), "the right one comes too late");
    assert!(type_code(&guest, &asked, "12").await.text.contains("six digits"));
}

#[tokio::test]
async fn of_several_who_type_the_code_at_once_one_gets_in() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD);
    let asked = ask(&guest, &guest.arrive().await).await;
    let code = shop.code(0).await;
    let answers = futures::future::join_all((0..8).map(|_| type_code(&guest, &asked, &code))).await;
    let is_in = |page: &&Page| page.text.contains("Where you are signed in");
    assert_eq!(answers.iter().filter(is_in).count(), 1);
}

#[tokio::test]
async fn who_has_paid_needs_no_code_and_a_stolen_session_is_refused() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD).with_cookie("");
    let order = shop.buy(&guest).await;
    let page = guest.get(&order).await;
    let account = guest.send(&page, "My packages and devices", &[]).await;
    assert!(account.text.contains("Signed in with 07xx xxx 670"), "{}", account.text);
    assert!(shop.sms.messages().is_empty());
    let portal = shop.world.portal_url();
    let cookie = guest.cookie();
    assert!(cookie.starts_with("mlango-customer="), "{cookie}");
    assert!(guest.get(&format!("{portal}/account")).await.text.contains("Signed in with"));

    // Somebody else has got hold of the cookie: with another browser, or with another device.
    let thief = shop.guest(NEW).with_cookie(&cookie).with_agent("another browser");
    assert!(thief.get(&format!("{portal}/account")).await.text.contains("Type the number"));
    let clone = shop.guest(NEW).with_cookie(&cookie);
    let packages = clone.arrive().await;
    assert!(clone.follow(&packages, "I have a package already").await.text.contains("Type the number"));
    assert_eq!(shop.logged().await, ["session_stolen", "session_stolen"]);

    // Its owner is still in, sees where, and goes.
    let account = guest.get(&format!("{portal}/account")).await;
    assert!(account.text.contains("this page") && account.text.contains("Test site"), "{}", account.text);
    assert!(guest.send(&account, "Sign out", &[]).await.text.contains("You are signed out"));
    assert!(guest.get(&format!("{portal}/account")).await.text.contains("Type the number"));
}

#[tokio::test]
async fn a_customer_names_and_removes_devices_and_ends_other_sign_ins() {
    let shop = Shop::open().await;
    let family = |p: &mut store::package::Package| p.rules.device_limit = 2;
    shop.world.package("one-hour", family).await;
    let first = shop.guest(OLD).with_cookie("");
    let order = shop.buy(&first).await;
    let page = first.get(&order).await;
    first.send(&page, "My packages and devices", &[]).await;

    let second = shop.guest(NEW).with_cookie("");
    let asked = ask(&second, &second.arrive().await).await;
    let account = type_code(&second, &asked, &shop.code(0).await).await;
    let named = second.send(&account, "name=\"label\"", &[("label", "Amina's phone")]).await;
    assert!(named.text.contains("Amina&#39;s phone"), "{}", named.text);
    let ended = second.send(&named, "action=\"/account/sessions\"", &[]).await;
    assert!(ended.text.contains("That sign-in is ended"), "{}", ended.text);
    let portal = shop.world.portal_url();
    assert!(first.get(&format!("{portal}/account")).await.text.contains("Type the number"), "the first one is out");
    let removed = second.send(&ended, "action=\"/account/remove\"", &[]).await;
    assert!(!removed.text.contains("Amina"), "{}", removed.text);
    eventually("the removed device is offline", || async { shop.router.session(OLD).is_none().then_some(()) }).await;
}

#[tokio::test]
async fn a_free_trial_is_for_those_who_prove_to_hold_their_number() {
    let shop = Shop::open().await;
    shop.world
        .package("trial", |p| {
            p.price = shared::money::Money::kes(0);
            p.purchases = Purchases { ever: Some(1), a_day: None };
        })
        .await;
    let guest = shop.guest(OLD);
    let page = guest.arrive().await;
    let (address, asked) = guest.buy(&page, "trial", PHONE).await;
    assert!(address.ends_with("/buy") && asked.text.contains("Type the code"), "{}", asked.text);
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&shop.world.pool).await.unwrap();
    assert_eq!(orders, 0, "nothing is given before");
    let order = type_code(&guest, &asked, &shop.code(0).await).await;
    assert!(order.text.contains("you can go online"), "{}", order.text);
    guest.go_online(&order).await;
    eventually("the trial is online", || async { guest.is_online().await.then_some(()) }).await;
}

#[tokio::test]
async fn without_redis_nobody_signs_in_and_everybody_buys() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD);
    let page = guest.arrive().await;
    shop.world.redis.cut();
    let asks = guest.follow(&page, "I have a package already").await;
    let answer = guest.send(&asks, "name=\"phone\"", &[("phone", PHONE)]).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(shop.sms.messages().is_empty(), "no code is sent that could not be typed");
    shop.buy(&guest).await;
}

#[tokio::test]
async fn a_customer_chooses_what_to_be_told() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD).with_cookie("");
    let order = shop.buy(&guest).await;
    let account = guest.send(&guest.get(&order).await, "My packages and devices", &[]).await;
    assert!(account.text.contains("id=\"tell-ended\" value=\"ended\" checked"), "{}", account.text);
    let chosen = guest.send(&account, "name=\"tell\"", &[("tell", "ended")]).await;
    assert!(chosen.text.contains("We will tell you what you have chosen"), "{}", chosen.text);
    assert!(chosen.text.contains("value=\"ended\" checked") && !chosen.text.contains("value=\"trouble\" checked"));
    let muted: Vec<String> = sqlx::query_scalar("SELECT muted FROM users").fetch_one(&shop.world.pool).await.unwrap();
    let choices = shared::notice::Notice::ALL.into_iter().filter(|notice| notice.is_a_choice()).count();
    assert_eq!(muted.len(), choices - 1);
    assert!(!chosen.text.contains("address_proof"), "{}", chosen.text);
}

/// Where the QR code of a voucher leads: the code stands ready when the same browser comes to the sign-in page.
#[tokio::test]
async fn a_scanned_voucher_stands_ready_in_its_field() {
    let shop = Shop::open().await;
    let guest = shop.guest(OLD).with_cookie("");
    let portal = shop.world.portal_url();
    assert_eq!(guest.get(&format!("{portal}/v/nonsense")).await.status, 400);
    let scanned = guest.get(&format!("{portal}/v/ABCDE23456")).await;
    assert!(scanned.text.contains("ABCDE-23456"), "{}", scanned.text);
    let page = guest.arrive().await;
    assert_eq!(page.attribute("id=\"code\"", "value").as_deref(), Some("ABCDE-23456"));
}
