//! Packages at the desk: made, changed, moved, taken off sale and sold again, with what customers see and what they were before; what is wrong
//! with a form is said at its field. Once in a browser, of which pictures are kept.

use shared::money::Money;
use shared::staff::Role;
use store::package;
use store::package::version;
use tests::world::{Browser, World};

use crate::operator::{self, EMAIL, Operator, audited, by_browser, by_operator};

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let now = world.clock.now();
    store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

/// What a form of a package sends, with these fields other than usual.
fn filled<'a>(other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("name", "1 hour"),
        ("price", "20"),
        ("duration", "1h"),
        ("calendar", ""),
        ("starts", "first_login"),
        ("devices", "1"),
        ("device_policy", "strict"),
    ];
    let kept = usual.into_iter().filter(|(name, _)| !other.iter().any(|(named, _)| named == name));
    kept.chain(other.iter().copied()).collect()
}

#[tokio::test]
async fn a_package_is_made_changed_and_kept_as_it_was() {
    let (world, operator) = desk().await;
    let fields = filled(&[
        ("slug", "1-hour"),
        ("name", "1 hour <b>"),
        ("name_sw", "Saa moja"),
        ("sites", "Market: 15"),
        ("offered_hours", "daily 06:00-22:00"),
        ("speed", "3M/5M"),
    ]);
    operator.forged("/admin/packages", &fields).await;
    let made = operator.post("/admin/packages", &fields).await;
    made.says(200, "The package is saved.");
    made.says(200, "Saa moja");
    made.says(200, "Lipa KSh 20");
    assert!(!made.text.contains("1 hour <b>"), "it is escaped");
    assert_eq!(audited(&world, "package.save").await, by_operator(&["1-hour"]));
    operator.post("/admin/packages", &fields).await.says(409, "There is a package 1-hour already.");

    let first = package::by_slug(&world.db, "1-hour").await.unwrap();
    let page = format!("/admin/packages/{}", first.id);
    let form = operator.get(&page).await;
    for value in ["Market: 15", "value=\"1h\"", "value=\"3M/5M\"", "value=\"daily 06:00-22:00\""] {
        form.says(200, value);
    }
    let changed = filled(&[("version", "1"), ("price", "25"), ("speed", "3M/5M")]);
    operator.forged(&page, &changed).await;
    operator.post(&page, &changed).await.says(200, "The package is saved.");
    let second = package::by_id(&world.db, first.id).await.unwrap();
    assert_eq!((second.price, second.version, second.slug.as_str()), (Money::kes(2500), 2, "1-hour"));
    assert!(second.sale.sites.is_empty() && second.sale.hours.is_none(), "{second:?}");
    let versions = version::all(&world.db, first.id).await.unwrap();
    assert_eq!(versions[1].package, first);
    assert_eq!(versions[0].by, EMAIL);
    operator.get(&page).await.says(200, "name, price, prices by site, when it is offered, words for customers");
    // A page that was open since before the change does not undo it.
    operator.post(&page, &changed).await.says(409, "Somebody changed it meanwhile");
    assert_eq!(package::by_id(&world.db, first.id).await.unwrap(), second);
}

#[tokio::test]
async fn what_makes_no_sense_is_said_at_its_field_and_nothing_is_saved() {
    let (world, operator) = desk().await;
    for (fields, sentence) in [
        (&[("slug", "One hour")][..], "Write small letters, digits and dashes"),
        (&[("slug", "x"), ("price", "free")], "Write a price such as 20 or 20.50."),
        (&[("slug", "x"), ("sites", "Beach: 15")], "There is no site Beach; there are: Market."),
        (&[("slug", "x"), ("sites", "Market: cheap")], "write a site and a price"),
        (&[("slug", "x"), ("duration", "")], "Say when it ends"),
        (&[("slug", "x"), ("calendar", "day")], "not both."),
        (&[("slug", "x"), ("offered_hours", "mon 8-17")], "are no hours"),
        (
            &[("slug", "x"), ("offered_from", "2026-02-01T00:00"), ("offered_until", "2026-01-01T00:00")],
            "offered until a moment after",
        ),
        (&[("slug", "x"), ("devices", "0")], "Write a whole number from 1 to 100."),
    ] {
        let answer = operator.post("/admin/packages", &filled(fields)).await;
        assert!(answer.status == 422 && answer.text.contains(sentence), "{sentence}: {}", answer.text);
    }
    assert!(package::all(&world.db).await.unwrap().is_empty());
    assert!(audited(&world, "package.save").await.is_empty());
}

#[tokio::test]
async fn packages_are_moved_retired_and_sold_again() {
    let (world, operator) = desk().await;
    let hour = world.package("one-hour", |_| {}).await;
    let day = world.package("one-day", |p| p.price = Money::kes(5000)).await;
    let order = async || -> Vec<String> {
        package::all(&world.db).await.unwrap().into_iter().map(|package| package.slug).collect()
    };
    let of = |package: &package::Package, what: &str| format!("/admin/packages/{}/{what}", package.id);
    operator.forged(&of(&day, "up"), &[]).await;
    operator.post(&of(&day, "up"), &[]).await.says(200, "in this order now");
    assert_eq!(order().await, ["one-day", "one-hour"]);
    operator.post(&of(&day, "down"), &[]).await.says(200, "in this order now");
    operator.post(&of(&day, "down"), &[]).await.says(200, "one-day");
    assert_eq!(order().await, ["one-hour", "one-day"]);
    assert_eq!(audited(&world, "package.move").await, by_operator(&["one-day", "one-day"]));

    operator.forged(&of(&hour, "retire"), &[("confirmed", "yes")]).await;
    operator
        .post_and_confirm(&of(&hour, "retire"), &[], "Sell this package no more?")
        .await
        .says(200, "not sold any more");
    let now = world.clock.now();
    let offered = async || -> Vec<String> {
        let offered = package::offered(&world.db, None, now).await.unwrap();
        offered.into_iter().map(|package| package.slug).collect()
    };
    assert_eq!(offered().await, ["one-day"]);
    operator.post_and_confirm(&of(&hour, "sell"), &[], "Sell this package again?").await.says(200, "sold again");
    assert_eq!(offered().await, ["one-hour", "one-day"]);
    assert_eq!(audited(&world, "package.retire").await, by_operator(&["one-hour"]));
    assert_eq!(audited(&world, "package.sell").await, by_operator(&["one-hour"]));
    operator.get(&format!("/admin/packages/{}", hour.id)).await.says(200, "not sold any more");
}

#[tokio::test]
async fn a_package_is_made_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.start_portal().await;
    operator::make(&world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    browser.client.goto(&format!("{}/admin/packages/new", world.portal_url())).await.unwrap();
    browser.wait_for("New package").await;
    for (field, value) in
        [("slug", "1-hour"), ("name", "1 hour"), ("name_sw", "Saa moja"), ("price", "20"), ("sites", "Nowhere: 15")]
    {
        browser.fill(field, value).await;
    }
    browser.press("main form button").await;
    browser.wait_for("Say when it ends").await;
    browser.wait_for("There is no site Nowhere").await;
    browser.picture("desk-package-wrong").await;
    browser.fill("duration", "1h").await;
    browser.fill("sites", " ").await;
    browser.press("main form button").await;
    browser.wait_for("The package is saved.").await;
    browser.wait_for("Lipa KSh 20").await;
    browser.fill("price", "25").await;
    browser.press("main form button").await;
    browser.wait_for("Lipa KSh 25").await;
    let page = browser.client.current_url().await.unwrap();
    browser.pictures(page.as_str(), "Lipa KSh 25", "desk-package").await;
    browser.pictures(&format!("{}/admin/packages", world.portal_url()), "on sale", "desk-packages-one").await;
    browser.close().await;
}
