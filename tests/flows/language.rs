//! Customers are spoken to in their language: in the one that they choose, without cookies or scripts, all the way from the packages
//! to what they have; in the one that their browser asks for; and in the one that they once chose, wherever they are known.

use std::sync::Arc;

use tests::nas::{Mac, Nas};
use tests::sms::SmsSim;
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

const PHONE: &str = "0712 345 670";
const OTHER: Mac = Mac([0x02, 0, 0, 0, 0x20, 2]);

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

    fn guest(&self) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router)
    }

    async fn locale(&self) -> String {
        sqlx::query_scalar("SELECT locale FROM users").fetch_one(&self.world.pool).await.unwrap()
    }

    /// The text of the message with these words, once it is there.
    async fn message(&self, words: &str) -> String {
        eventually(&format!("a message says {words:?}"), || async {
            self.sms.messages().into_iter().map(|message| message.text).find(|text| text.contains(words))
        })
        .await
    }

    /// The digits of the message with these words.
    async fn code(&self, words: &str) -> String {
        self.message(words).await.chars().take(6).collect()
    }
}

/// The page is in Swahili: it says so, and offers the other language.
#[track_caller]
fn is_swahili(page: &Page, words: &str) {
    assert!(page.text.contains("<html lang=\"sw\">") && page.text.contains(">English</"), "{}", page.text);
    assert!(page.text.contains(words), "{words}: {}", page.text);
    for english in ["Pay ", "Help:", "phone number", "You are", "package", "Please", "Receipt<"] {
        let text = page.text.replace("name=\"package\"", "").replace("/packages?", "");
        assert!(!text.contains(english), "{english}: {}", page.text);
    }
}

#[track_caller]
fn is_english(page: &Page, words: &str) {
    assert!(page.text.contains("<html lang=\"en\">") && page.text.contains(">Kiswahili</"), "{}", page.text);
    assert!(page.text.contains(words), "{words}: {}", page.text);
}

#[tokio::test]
async fn a_guest_without_cookies_chooses_swahili_once_and_has_it_all_the_way() {
    let shop = Shop::open().await;
    let guest = shop.guest();
    let first = guest.arrive().await;
    is_english(&first, "Get online");
    let packages = guest.follow(&first, "Kiswahili").await;
    is_swahili(&packages, "Lipa KSh");

    // What is wrong is said in Swahili, at its field and on a page of its own.
    let wrong = guest.send(&packages, "name=\"phone\"", &[("phone", "12"), ("package", "one-hour")]).await;
    assert_eq!(wrong.status, 422);
    is_swahili(&wrong, "Tafadhali hakiki namba ya simu");
    let refused = guest.send(&packages, "name=\"phone\"", &[("visit", "x"), ("package", "one-hour")]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("<html lang=\"sw\">") && refused.text.contains("Haikuwezekana"), "{}", refused.text);

    // Waiting, paid, on the way to the router and back, online.
    let waiting = guest.send(&packages, "name=\"phone\"", &[("phone", PHONE), ("package", "one-hour")]).await;
    is_swahili(&waiting, "id=\"headline\"");
    let order =
        shop.world.portal_url() + &waiting.attribute("id=\"order\"", "data-state").unwrap().replace("/state", "");
    assert!(order.ends_with("?lang=sw"), "{order}");
    let paid = guest.wait_for_stage(&order, "go_online").await;
    is_swahili(&paid, "Umelipa");
    assert_eq!(guest.news(&order).await.unwrap()["headline"], "Umelipa: unaweza kuingia mtandaoni");
    let (address, back) = guest.go_online(&paid).await;
    assert!(address.contains("lang=sw"), "{address}");
    assert!(back.text.contains("<html lang=\"sw\">"), "{}", back.text);
    let online = guest.wait_for_stage(&order, "online").await;
    is_swahili(&online, "Uko mtandaoni hadi saa ");
    is_swahili(&guest.follow(&online, "Risiti").await, "Risiti ya M-Pesa");

    // The sheet was closed and is opened again by the router: the order has not forgotten.
    let (plain, _) = order.split_once('?').unwrap();
    is_swahili(&guest.get(plain).await, "Uko mtandaoni");

    // Somebody new is spoken to as on the page from the first message on.
    assert_eq!(shop.locale().await, "sw");
    shop.message("tumepokea").await;
    let account = guest.send(&online, "Vifurushi na vifaa vyangu", &[]).await;
    is_swahili(&account, "Umeingia kwa namba 07xx xxx 670");
    is_swahili(&guest.send(&account, "Hifadhi", &[]).await, "Vifurushi vyako");

    // And back again, while signed in: messages follow.
    let english = guest.send(&account, ">English<", &[]).await;
    is_english(&english, "Signed in with 07xx xxx 670");
    assert_eq!(shop.locale().await, "en");
    is_english(&guest.follow(&english, "Get more").await, "You still have");
}

#[tokio::test]
async fn a_browser_that_asks_for_swahili_has_it_at_once() {
    let shop = Shop::open().await;
    let guest = shop.guest().with_languages("sw-KE,sw;q=0.9,en;q=0.5");
    let packages = guest.arrive().await;
    is_swahili(&packages, "Ingia mtandaoni");
    assert!(!packages.text.contains("lang=sw"), "the browser says it itself: {}", packages.text);
    let (order, _) = guest.buy(&packages, "one-hour", PHONE).await;
    is_swahili(&guest.wait_for_stage(&order, "go_online").await, "Umelipa");
    let nowhere = guest.get(&format!("{}/nowhere", shop.world.portal_url())).await;
    assert_eq!(nowhere.status, 404);
    is_swahili(&nowhere, "Ukurasa huu haupo");
    is_english(&guest.follow(&packages, "English").await, "Welcome back");
    let french = shop.guest().with_languages("fr-FR,fr;q=0.9");
    is_english(&french.get(&format!("{}/", shop.world.portal_url())).await, "Join the Wi-Fi first");
}

#[tokio::test]
async fn a_customer_who_is_known_is_spoken_to_in_the_language_of_before() {
    let shop = Shop::open().await;
    let phone = PHONE.parse().unwrap();
    let now = shop.world.clock.now();
    let id = store::user::ensure(&shop.world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
    store::user::speak(&shop.world.db, id, shared::language::Language::Swahili).await.unwrap();

    // Nobody is known before the code is typed, so it is asked for in the browser's language.
    let guest = shop.guest().with_mac(OTHER).with_cookie("").with_languages("en");
    let asks = guest.follow(&guest.arrive().await, "I have a package already").await;
    let asked = guest.send(&asks, "name=\"phone\"", &[("phone", PHONE)]).await;
    is_english(&asked, "Type the code");
    let code = shop.code("is your code").await;
    let account = guest.send(&asked, "name=\"code\"", &[("code", &code)]).await;
    is_swahili(&account, "Umeingia kwa namba");
    is_swahili(&guest.get(&format!("{}/account", shop.world.portal_url())).await, "Ulikoingia");
}

#[tokio::test]
async fn the_page_that_asks_for_a_code_is_had_in_the_other_language_without_another_message() {
    let shop = Shop::open().await;
    let guest = shop.guest();
    let asks = guest.follow(&guest.arrive().await, "I have a package already").await;
    let asked = guest.send(&asks, "name=\"phone\"", &[("phone", PHONE)]).await;
    let code = shop.code("is your code").await;
    let swahili = guest.send(&asked, ">Kiswahili<", &[]).await;
    is_swahili(&swahili, "Andika namba ya kuthibitisha");
    let account = guest.send(&swahili, "name=\"code\"", &[("code", &code)]).await;
    is_swahili(&account, "Umeingia kwa namba");
    assert_eq!((shop.locale().await.as_str(), shop.sms.messages().len()), ("sw", 1));
}
