//! A TV or a laptop is added by the code on its screen, or by its address: by one customer, within what the package allows, and
//! nobody finds a code by trying.

use shared::config::Config;
use tests::nas::{Mac, Nas};
use tests::world::{World, eventually};

use crate::guest::{Guest, Page};

/// Addresses of makers: random ones may take each other's place.
const TV: Mac = Mac([0x4c, 0x5e, 0x0c, 0, 0, 1]);
const UNKNOWN: &str = "No screen shows this code now";
const ADDED: &str = "The device is added";

struct Home {
    world: World,
    router: Nas,
}

impl Home {
    /// A hotspot that sells an hour for so many devices.
    async fn open(devices: u32) -> Home {
        let mut world = World::new().await;
        world.daraja().await;
        world.start_radiusd().await;
        world.package("one-hour", |p| p.rules.device_limit = devices).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        Home { world, router }
    }

    fn guest(&self, mac: Mac) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router).with_mac(mac)
    }

    /// Somebody with a phone has bought an hour and opens the page that adds a device.
    async fn customer(&self, number: u8) -> (Guest, Page) {
        let guest = self.guest(Mac([0, 0, 0, 0, 0x20, number])).with_cookie("");
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", &format!("07123456{number}0")).await;
        let paid = guest.wait_for_stage(&order, "go_online").await;
        guest.go_online(&paid).await;
        guest.wait_for_stage(&order, "online").await;
        let account = guest.send(&guest.get(&order).await, "My packages and devices", &[]).await;
        let adds = guest.send(&account, "Add a TV or laptop", &[]).await;
        assert!(adds.text.contains("Code on the screen"), "{}", adds.text);
        (guest, adds)
    }

    /// A screen shows a code. Returns the address of its page, and the code.
    async fn screen(&self, screen: &Guest) -> (String, String) {
        let page = screen.arrive().await;
        let (url, shown) = screen.send_and_land(&page, "action=\"/screen\"", &[]).await;
        assert!(shown.text.contains("http-equiv=\"refresh\""), "{}", shown.text);
        (url, shown.attribute("role=\"img\"", "aria-label").unwrap_or_else(|| panic!("no code: {}", shown.text)))
    }

    /// The Redis of the programs.
    fn redis(&self) -> store::redis::Redis {
        store::redis::Redis::open(&Config::load(&self.world.config()).unwrap().redis).unwrap()
    }

    fn digest(&self, code: &str) -> store::redis::Digest {
        self.world.db.seal().lookup(format!("screen:{}", code.replace('-', "")).as_bytes())
    }

    /// How many packages have that device.
    async fn places(&self, mac: Mac) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM entitlement_devices WHERE mac = $1::text::macaddr")
            .bind(mac.to_string())
            .fetch_one(&self.world.pool)
            .await
            .unwrap()
    }

    async fn count(&self, table: &str, condition: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&self.world.pool).await.unwrap()
    }
}

async fn type_code(guest: &Guest, page: &Page, code: &str) -> Page {
    add(guest, page, "code", code).await
}

async fn type_address(guest: &Guest, page: &Page, address: &str) -> Page {
    add(guest, page, "mac", address).await
}

async fn add(guest: &Guest, page: &Page, name: &str, typed: &str) -> Page {
    let package = page.attribute("name=\"package\"", "value").unwrap_or_else(|| panic!("no package: {}", page.text));
    let fields = [("package", package.as_str()), ("label", "Living room"), (name, typed)];
    guest.send(page, &format!("name=\"{name}\""), &fields).await
}

#[tokio::test]
async fn a_tv_shows_a_code_and_goes_online_once_it_is_typed() {
    let home = Home::open(2).await;
    let (phone, adds) = home.customer(1).await;
    let tv = home.guest(TV).with_agent("television");
    let (url, code) = home.screen(&tv).await;
    assert_eq!(code.len(), 7, "{code}");
    assert!(tv.get(&url).await.text.contains(&code), "it reads itself again");
    // As people type it.
    let account = type_code(&phone, &adds, &code.to_lowercase().replace('-', " ")).await;
    assert!(account.text.contains(ADDED) && account.text.contains("Living room"), "{}", account.text);
    let going = tv.get(&url).await;
    tv.go_online(&going).await;
    eventually("the TV is online", || async { tv.is_online().await.then_some(()) }).await;
    eventually("its page says so", || async {
        tv.get(&url).await.text.contains("This screen is online").then_some(())
    })
    .await;
    assert_eq!(home.count("notifications", "template = 'new_device'").await, 1, "its owner is told");
    assert_eq!(home.count("admin_logs", "action = 'device.add' AND actor LIKE 'customer %'").await, 1);
    let again = type_code(&phone, &adds, &code).await;
    assert!(again.status == 422 && again.text.contains(UNKNOWN), "it is good once: {}", again.text);
}

#[tokio::test]
async fn a_wrong_code_and_one_that_is_over_are_told_in_one_sentence() {
    let home = Home::open(2).await;
    let (phone, adds) = home.customer(1).await;
    let tv = home.guest(TV);
    let (url, code) = home.screen(&tv).await;
    let short = type_code(&phone, &adds, "ABC").await;
    assert!(short.status == 422 && short.text.contains("six letters and digits"), "{}", short.text);
    let other = if code.starts_with('A') { 'B' } else { 'A' };
    let wrong = type_code(&phone, &adds, &format!("{other}{}", &code[1..])).await;
    assert!(wrong.status == 422 && wrong.text.contains(UNKNOWN), "{}", wrong.text);
    assert!(tv.get(&url).await.text.contains(&code), "a wrong one costs the screen nothing");

    // Redis keeps a code for ten minutes and neither it nor its device in clear; here its time ends sooner.
    let (record, left) = home.redis().take_screen(&home.digest(&code)).await.unwrap().expect("it waits");
    assert!((500..=600).contains(&left), "{left}");
    assert!(!record.contains(&code.replace('-', "")) && !record.contains(&TV.to_string()), "{record}");
    let over = type_code(&phone, &adds, &code).await;
    assert!(over.status == 422 && over.text.contains(UNKNOWN), "{}", over.text);
    let ended = tv.get(&url).await;
    assert!(ended.text.contains("This code is over"), "{}", ended.text);
    let (_, next) = tv.send_and_land(&ended, "Show another code", &[]).await;
    let code = next.attribute("role=\"img\"", "aria-label").expect("a code");
    assert!(type_code(&phone, &adds, &code).await.text.contains(ADDED));
    assert_eq!(home.places(TV).await, 1);
}

#[tokio::test]
async fn a_hundred_guesses_are_throttled() {
    let home = Home::open(2).await;
    let (phone, adds) = home.customer(1).await;
    let (_, code) = home.screen(&home.guest(TV)).await;
    let mut refused = 0;
    for _ in 0..100 {
        let answer = type_code(&phone, &adds, &shared::rng::code(6)).await;
        match answer.status {
            422 => assert!(answer.text.contains(UNKNOWN), "{}", answer.text),
            429 => refused += 1,
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert_eq!(refused, 80, "twenty an hour");
    assert_eq!(type_code(&phone, &adds, &code).await.status, 429, "the right one as well");
    assert_eq!(home.places(TV).await, 0);
    assert_eq!(home.count("security_events", "kind = 'code_guessing'").await, 1);
    // Another customer is not held up.
    let (other, adds) = home.customer(2).await;
    assert!(type_code(&other, &adds, &code).await.text.contains(ADDED));
}

#[tokio::test]
async fn of_two_customers_who_type_one_code_one_has_the_tv() {
    let home = Home::open(3).await;
    let ((one, adds_one), (two, adds_two)) = (home.customer(1).await, home.customer(2).await);
    for number in 1..=2 {
        let tv = Mac([0x4c, 0x5e, 0x0c, 0, 1, number]);
        let (_, code) = home.screen(&home.guest(tv)).await;
        let answers =
            futures::future::join_all([type_code(&one, &adds_one, &code), type_code(&two, &adds_two, &code)]).await;
        let added = answers.iter().filter(|page| page.text.contains(ADDED)).count();
        let unknown = answers.iter().filter(|page| page.status == 422 && page.text.contains(UNKNOWN)).count();
        assert_eq!((added, unknown), (1, 1));
        assert_eq!(home.places(tv).await, 1);
    }
}

#[tokio::test]
async fn a_full_package_says_what_can_be_removed_and_the_code_stays_good() {
    let home = Home::open(1).await;
    let (phone, adds) = home.customer(1).await;
    let (_, code) = home.screen(&home.guest(TV)).await;
    let full = type_code(&phone, &adds, &code).await;
    assert!(full.status == 422 && full.text.contains("All devices of this package are taken"), "{}", full.text);
    assert!(full.text.contains("00:00:00:00:20:01"), "{}", full.text);
    assert_eq!(home.places(TV).await, 0);
    phone.send(&full, "action=\"/account/remove\"", &[]).await;
    let added = type_code(&phone, &adds, &code).await;
    assert!(added.text.contains(ADDED), "{}", added.text);
    assert_eq!(home.places(TV).await, 1);
    // Now the TV has access, and does not need a code.
    let tv = home.guest(TV);
    let page = tv.arrive().await;
    let (_, going) = tv.send_and_land(&page, "action=\"/screen\"", &[]).await;
    tv.go_online(&going).await;
    eventually("the TV is online", || async { tv.is_online().await.then_some(()) }).await;
}

#[tokio::test]
async fn a_device_without_a_browser_is_added_by_its_address() {
    let home = Home::open(3).await;
    let (phone, adds) = home.customer(1).await;
    for wrong in ["4c5e0c", "FF:FF:FF:FF:FF:FF", "01-00-5e-00-00-01", "00:00:00:00:00:00", "hello"] {
        let answer = type_address(&phone, &adds, wrong).await;
        assert!(answer.status == 422 && answer.text.contains("twelve digits"), "{wrong}: {}", answer.text);
    }
    assert!(!home.router.login_mac(TV).await.is_accepted(), "nobody knows it yet");
    let added = type_address(&phone, &adds, "4c5e.0c00.0001").await;
    assert!(added.text.contains(ADDED) && added.text.contains("Living room"), "{}", added.text);
    eventually("it is let in by its address", || async { home.router.login_mac(TV).await.is_accepted().then_some(()) })
        .await;
    let again = type_address(&phone, &adds, "4C-5E-0C-00-00-01").await;
    assert!(again.text.contains("has access with this package already"), "{}", again.text);

    let (other, adds) = home.customer(2).await;
    let taken = type_address(&other, &adds, &TV.to_string()).await;
    assert!(taken.status == 422 && taken.text.contains("has access already, with another package"), "{}", taken.text);
    assert_eq!(home.places(TV).await, 1);
    // Once that has ended, the device is free.
    let ended =
        "UPDATE entitlements e SET starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'
                 FROM entitlement_devices d WHERE d.entitlement_id = e.id AND d.mac = $1::text::macaddr";
    sqlx::query(ended).bind(TV.to_string()).execute(&home.world.pool).await.unwrap();
    assert!(type_address(&other, &adds, &TV.to_string()).await.text.contains(ADDED));
    let mut refused = 0;
    for number in 0..12 {
        let answer = type_address(&other, &adds, &format!("4C:5E:0C:00:02:{number:02}")).await;
        refused += i32::from(answer.status == 429);
    }
    assert!(refused >= 4, "ten an hour: {refused}");
}

#[tokio::test]
async fn who_is_signed_out_adds_nothing() {
    let home = Home::open(2).await;
    let (_, adds) = home.customer(1).await;
    let (_, code) = home.screen(&home.guest(TV)).await;
    // Another browser with the same page: the session that its token carries is refused there.
    let thief = home.guest(TV).with_agent("another browser");
    assert_eq!(type_code(&thief, &adds, &code).await.status, 400);
    assert_eq!(home.places(TV).await, 0);
    // No package is somebody else's to fill.
    let (other, own) = home.customer(2).await;
    let foreign = adds.attribute("name=\"package\"", "value").expect("a package");
    let answer = other.send(&own, "name=\"code\"", &[("package", &foreign), ("code", &code)]).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert!(type_code(&other, &own, &code).await.text.contains(ADDED), "the code is still good");
    assert_eq!(home.places(TV).await, 1);
}
