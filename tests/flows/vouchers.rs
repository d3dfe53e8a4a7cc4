//! Vouchers from the printing to the first login: who has the paper, what was sold, and that each is redeemed once.

use std::time::Duration;

use shared::time::OffsetDateTime;
use shared::voucher::{Code, new_code, printed};
use store::StoreError;
use store::entitlement::Activation;
use store::package::Starts;
use store::voucher::{self, Paper, Printed, State, Voucher, Which};
use tests::nas::Mac;
use tests::world::{World, eventually};
use tokio::task::JoinSet;

use crate::guest::Guest;

/// Addresses of makers: random ones take each other's place.
fn mac(number: u8) -> Mac {
    Mac([0, 0, 0, 0, 0x0e, number])
}

/// A batch of one-hour vouchers in the hands of an agent, with its codes.
async fn batch(world: &World, count: usize) -> (Printed, Vec<Code>) {
    // The clock of a voucher never begins with the printing, whatever its package says.
    let package = world.package("one-hour", |package| package.starts = Starts::Purchase).await;
    let codes: Vec<Code> = (0..count).map(|_| new_code()).collect();
    let paper = Paper { agent: Some("Mama Njeri"), label: "market", redeem_before: None };
    let made = voucher::print_batch(&world.db, &package, &paper, &codes, "amina", world.clock.now()).await;
    (made.unwrap(), codes)
}

async fn vouchers(world: &World, batch: Printed) -> Vec<Voucher> {
    voucher::batch(&world.db, batch.id).await.unwrap().1
}

fn serials(batch: Printed, first: u32, last: u32) -> Which<'static> {
    Which::Serials { batch: batch.id, first, last }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_sealed_and_can_be_printed_again() {
    let world = World::new().await;
    let (made, codes) = batch(&world, 50).await;
    let (batch, vouchers) = voucher::batch(&world.db, made.id).await.unwrap();
    assert_eq!((batch.number, batch.size, batch.counts.printed), (made.number, 50, 50));
    assert_eq!(
        (batch.agent.as_deref(), batch.label.as_str(), batch.package.as_str()),
        (Some("Mama Njeri"), "market", "one hour")
    );
    assert_eq!(batch.price, shared::money::Money::kes(2_000));
    assert!(vouchers.iter().map(|voucher| voucher.code).eq(codes.iter().copied()));
    assert!(vouchers.iter().map(|voucher| voucher.serial).eq(1..=50));
    let begun: i64 =
        sqlx::query_scalar("SELECT count(*) FROM entitlements WHERE starts_at IS NOT NULL OR paid_minor <> 2000")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(begun, 0);
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT lookup || login_sealed || password_sealed FROM credentials")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let clear =
        |code: &Code| stored.iter().any(|octets| octets.windows(code.len()).any(|part| part == code.as_bytes()));
    assert!(stored.len() == 50 && !codes.iter().any(clear));
    assert_eq!(voucher::batches(&world.db, Some("Mama Njeri"), 10).await.unwrap(), [batch]);
    assert!(voucher::batches(&world.db, Some("nobody"), 10).await.unwrap().is_empty());
    let package = store::package::by_slug(&world.db, "one-hour").await.unwrap();
    let again =
        voucher::print_batch(&world.db, &package, &Paper::default(), &codes[..1], "amina", world.clock.now()).await;
    assert!(conflict(again).contains("there already"));
    voucher::hand_over(&world.db, made.id, None, "amina", world.clock.now()).await.unwrap();
    let all = voucher::batches(&world.db, None, 10).await.unwrap();
    assert_eq!(all.len(), 1, "nothing was made of a code that was there");
    assert_eq!(all[0].agent, None);
}

#[tokio::test]
async fn a_voucher_is_redeemed_by_its_first_login() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let (made, codes) = batch(&world, 2).await;
    let typed = printed(&codes[0]).to_lowercase();
    assert!(router.login_pap(mac(1), &typed, &typed).await.is_accepted());
    let redeemed =
        eventually("the voucher is redeemed", || async { vouchers(&world, made).await.swap_remove(0).redeemed }).await;
    assert_eq!(redeemed.mac, Some(shared::mac::Mac(mac(1).0)));
    assert!(!router.login_chap(mac(2), &codes[0], &codes[0]).await.is_accepted(), "it is for one device");
    assert_eq!(vouchers(&world, made).await[1].state, State::Printed);
}

#[tokio::test]
async fn a_hundred_logins_at_once_are_one_redemption() {
    let world = World::new().await;
    let (made, _) = batch(&world, 1).await;
    let entitlement: uuid::Uuid =
        sqlx::query_scalar("SELECT entitlement_id FROM vouchers").fetch_one(&world.pool).await.unwrap();
    let at = world.clock.now();
    let mut logins = JoinSet::new();
    for number in 0..100 {
        let (db, mac) = (world.db.clone(), Some(shared::mac::Mac([0, 0, 0, 0, 0, number])));
        let login = Activation { entitlement, nas: None, mac, replaces: None, spent: None, at };
        logins.spawn(async move { store::entitlement::activate(&db, &[login]).await });
    }
    while let Some(login) = logins.join_next().await {
        login.unwrap().unwrap();
    }
    let redeemed = vouchers(&world, made).await[0].redeemed.unwrap();
    let bound: Vec<String> =
        sqlx::query_scalar("SELECT upper(mac::text) FROM entitlement_devices").fetch_all(&world.pool).await.unwrap();
    assert_eq!(bound, [redeemed.mac.unwrap().to_string()], "who redeemed it has it");
}

#[tokio::test]
async fn what_is_sold_and_void_is_noted_once_and_redeemed_vouchers_stay() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let (made, codes) = batch(&world, 10).await;
    let now = world.clock.now();
    assert_eq!(voucher::sell(&world.db, serials(made, 1, 4), "njeri", now).await.unwrap(), 4);
    assert_eq!(voucher::sell(&world.db, serials(made, 1, 5), "otieno", now).await.unwrap(), 1, "four were sold before");
    let beyond = voucher::sell(&world.db, serials(made, 9, 11), "njeri", now).await;
    assert!(matches!(beyond, Err(StoreError::Missing { .. })), "{beyond:?}");

    // The guest is faster than the till.
    assert!(router.login_pap(mac(6), &codes[5], "").await.is_accepted());
    eventually("the voucher is redeemed", || async {
        (vouchers(&world, made).await[5].state == State::Redeemed).then_some(())
    })
    .await;
    assert_eq!(voucher::sell(&world.db, serials(made, 6, 6), "njeri", now).await.unwrap(), 1);
    let sixth = vouchers(&world, made).await.swap_remove(5);
    assert!(sixth.state == State::Redeemed && sixth.sold.is_some_and(|sale| sale.by == "njeri"));

    let refused = voucher::void(&world.db, serials(made, 5, 8), "lost", "amina", now).await;
    assert!(conflict(refused).contains(&format!("voucher {}-0006 is redeemed", made.number)));
    assert!(conflict(voucher::void(&world.db, serials(made, 7, 8), "  ", "amina", now).await).contains("say why"));
    let lost: Vec<uuid::Uuid> = vouchers(&world, made).await[6..8].iter().map(|voucher| voucher.id).collect();
    assert_eq!(voucher::void(&world.db, Which::Ids(&lost), "lost", "amina", now).await.unwrap(), 2);
    assert_eq!(voucher::void(&world.db, serials(made, 7, 8), "again", "amina", now).await.unwrap(), 0);
    let seventh = vouchers(&world, made).await.swap_remove(6);
    assert!(seventh.voided.is_some_and(|voiding| voiding.reason == "lost"));
    assert!(conflict(voucher::sell(&world.db, serials(made, 7, 7), "njeri", now).await).contains("is void"));
    eventually("what is void opens nothing", || async {
        let refused = router.login_pap(mac(7), &codes[6], "").await.error();
        (refused.as_deref() == Some("This access was withdrawn. Please ask the operator.")).then_some(())
    })
    .await;
    let counts = voucher::batch(&world.db, made.id).await.unwrap().0.counts;
    assert_eq!((counts.printed, counts.sold, counts.redeemed, counts.void, counts.ever_sold), (2, 5, 1, 2, 6));
}

#[tokio::test]
async fn a_mistyped_code_is_told_and_is_no_guess() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let (_, codes) = batch(&world, 1).await;
    let mut mistyped = String::from(&*codes[0]);
    let last = if mistyped.ends_with('2') { "3" } else { "2" };
    mistyped.replace_range(10.., last);
    // More often than a device may guess.
    for _ in 0..12 {
        let refused = router.login_pap(mac(1), &mistyped, "").await.error();
        assert_eq!(refused.as_deref(), Some("Please check the code: one character looks wrong."));
    }
    assert!(router.login_pap(mac(1), &codes[0], "").await.is_accepted());
}

#[tokio::test]
async fn a_voucher_that_nobody_used_by_its_last_day_is_refused_in_its_own_words() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let package = world.package("one-hour", |_| {}).await;
    let codes = [new_code(), new_code()];
    let last = |end| Paper { redeem_before: Some(end), ..Paper::default() };
    let over =
        voucher::print_batch(&world.db, &package, &last(world.clock.now()), &codes, "desk", world.clock.now()).await;
    assert!(conflict(over).contains("is over already"));
    let end = world.clock.now() + Duration::from_secs(4);
    let made = voucher::print_batch(&world.db, &package, &last(end), &codes, "desk", world.clock.now()).await.unwrap();
    let kept = voucher::batch(&world.db, made.id).await.unwrap().0.redeem_before;
    assert_eq!(kept.map(OffsetDateTime::unix_timestamp), Some(end.unix_timestamp()));
    assert!(router.login_pap(mac(1), &codes[0], "").await.is_accepted());
    eventually("its last day is over", || async { (world.clock.now() > end).then_some(()) }).await;
    let refused = router.login_pap(mac(2), &codes[1], "").await.error();
    let sentence = "This voucher is too old: the last day to use it is over. Please ask the staff for a new one.";
    assert_eq!(refused.as_deref(), Some(sentence));
    assert!(router.login_pap(mac(1), &codes[0], "").await.is_accepted(), "who has begun to use it goes on");
    assert_eq!(vouchers(&world, made).await[1].state, State::Printed);

    // At the portal, in its own words and in the guest's language.
    let guest = Guest::new(&world.portal_url(), &router);
    for words in ["Siku ya mwisho ya kutumia vocha hii imepita", "The last day to use this voucher is over"] {
        // Each try begins at the router, whose challenge is good for one.
        let arrived = guest.arrive().await;
        let page = if words.starts_with('S') { guest.follow(&arrived, "Kiswahili").await } else { arrived };
        let going = guest.send(&page, "action=\"/voucher", &[("code", &printed(&codes[1]))]).await;
        let (_, back) = guest.go_online(&going).await;
        let link = back.attribute("id=\"continue\"", "href").unwrap_or_else(|| panic!("{}", back.text));
        let language = if words.starts_with('S') { "&lang=sw" } else { "" };
        let told = guest.get(&format!("{link}{language}")).await;
        assert!(told.text.contains(words) && !told.text.contains("The router says"), "{}", told.text);
    }
}

#[tokio::test]
async fn a_voucher_has_every_rule_of_its_package() {
    let world = World::new().await;
    let package = world
        .package("night", |package| {
            let rules = &mut package.rules;
            rules.quota_octets = Some(3_000_000);
            rules.quota_up = Some(1_000_000);
            rules.quota_down = Some(2_000_000);
            rules.quota_time = Some(Duration::from_secs(7200));
            rules.hours = Some("daily 18:00-08:00".parse().unwrap());
            rules.burst = Some("8M/8M 4M/4M 8/8".parse().unwrap());
            rules.fair_use = "1GB 1M/1M".parse().unwrap();
            rules.happy_hours = Some("daily 22:00-06:00 at 4M/8M".parse().unwrap());
            rules.device_limit = 3;
            rules.idle_timeout = Some(Duration::from_secs(600));
        })
        .await;
    let (codes, now) = ([new_code()], world.clock.now());
    voucher::print_batch(&world.db, &package, &Paper::default(), &codes, "desk", now).await.unwrap();
    let id = sqlx::query_scalar("SELECT id FROM entitlements").fetch_one(&world.pool).await.unwrap();
    let rules = store::entitlement::usage(&world.db, id).await.unwrap().rules;
    assert_eq!(rules, package.rules);
}
