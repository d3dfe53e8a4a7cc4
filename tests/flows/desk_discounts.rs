//! Discounts at the desk: made, changed and ended, with what each gave away, and what is wrong with a form said at its field.

use shared::discount::{Code, Kind};
use shared::money::Money;
use store::discount;
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, settle};
use tests::world::World;

use crate::operator::{Operator, audited, by_operator};

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

/// An order that is paid, by this code.
async fn buy(world: &World, code: &str) {
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (phone, visit) = ("0712345678".parse().unwrap(), serde_json::json!({}));
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: None,
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: Some(code),
        language: Default::default(),
    };
    let id = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, id, &new, now).await.unwrap());
    let payment = store::payment::begin(&world.db, id, "mpesa", now, now).await.unwrap();
    settle(&world.db, payment, &Evidence::default(), now).await.unwrap();
}

#[tokio::test]
async fn a_discount_is_made_used_changed_and_ended() {
    let (world, operator) = desk().await;
    let package = world.package("one-hour", |_| {}).await;
    let tick = format!("package:{}", package.id.simple());
    let fields = [
        ("name", "Welcome <b>"),
        ("code", "kari-bu"),
        ("amount", "5"),
        ("from", "2020-01-01T00:00"),
        ("hours", "daily 00:00-23:59, daily 23:59-24:00"),
        ("uses", "10"),
        (tick.as_str(), "on"),
    ];
    operator.forged("/admin/discounts", &fields).await;
    operator.post("/admin/discounts", &fields).await.says(422, "are no hours");
    let fields: Vec<(&str, &str)> = fields.into_iter().filter(|(name, _)| *name != "hours").collect();
    let saved = operator.post("/admin/discounts", &fields).await;
    saved.says(200, "The discount is saved.");
    assert!(!saved.text.contains("Welcome <b>"), "it is escaped");
    let code: Code = "KARIBU".parse().unwrap();
    let made = discount::by_code(&world.db, &code).await.unwrap().unwrap();
    assert_eq!((made.kind, made.conditions.uses_max), (Kind::Amount(Money::kes(500)), Some(10)));
    assert_eq!(made.conditions.packages, [package.id]);
    assert_eq!(audited(&world, "discount.save").await, by_operator(&["KARIBU"]));

    buy(&world, "karibu").await;
    let list = operator.get("/admin/discounts").await;
    list.says(200, "1 of 10");
    list.says(200, "KSh 5</td>");
    list.says(200, "only one hour");

    let page = format!("/admin/discounts/{}", made.id);
    let form = operator.get(&page).await;
    form.says(200, "value=\"2020-01-01T00:00\"");
    form.says(200, "value=\"5.00\"");
    let changed = [("name", "Welcome"), ("code", "KARIBU"), ("percent", "50"), ("stackable", "on")];
    operator.forged(&page, &changed).await;
    operator.post(&page, &changed).await.says(200, "50 %");
    let after = discount::get(&world.db, made.id).await.unwrap();
    assert!(after.kind == Kind::Percent(50) && after.stackable && after.conditions.packages.is_empty(), "{after:?}");

    operator.forged(&format!("{page}/end"), &[("confirmed", "yes")]).await;
    operator.post_and_confirm(&format!("{page}/end"), &[], "End this discount?").await.says(200, "is over");
    let over = discount::get(&world.db, made.id).await.unwrap();
    assert!(over.conditions.valid_until.is_some_and(|until| until <= world.clock.now()));
    assert_eq!(audited(&world, "discount.end").await, by_operator(&["KARIBU"]));
}

#[tokio::test]
async fn what_makes_no_sense_is_said_at_its_field_and_nothing_is_saved() {
    let (world, operator) = desk().await;
    let gone = format!("site:{}", shared::rng::id(world.clock.now()).simple());
    for (fields, sentence) in [
        (&[("percent", "20")][..], "Write one to two hundred characters on one line."),
        (&[("name", "n")], "Say how much it takes off"),
        (&[("name", "n"), ("percent", "20"), ("amount", "5")], "not both."),
        (&[("name", "n"), ("percent", "120")], "Write a whole number from 1 to 100."),
        (&[("name", "n"), ("percent", "20"), ("code", "k!")], "three to twenty letters and digits"),
        (&[("name", "n"), ("percent", "20"), ("owner", "0712345678")], "needs a code"),
        (&[("name", "n"), ("percent", "20"), ("every", "10"), ("first_purchase", "on")], "first purchase too"),
        (
            &[("name", "n"), ("percent", "20"), ("from", "2026-02-01T00:00"), ("until", "2026-01-01T00:00")],
            "ends after it begins",
        ),
        (&[("name", "n"), ("percent", "20"), (gone.as_str(), "on")], "not there any more"),
    ] {
        operator.post("/admin/discounts", fields).await.says(422, sentence);
    }
    assert!(discount::list(&world.db, world.clock.now()).await.unwrap().is_empty());
    assert!(audited(&world, "discount.save").await.is_empty());
    let happy = [("name", "Happy hour"), ("percent", "20")];
    operator.post("/admin/discounts", &happy).await.says(200, "The discount is saved.");
    operator.post("/admin/discounts", &happy).await.says(409, "Another discount has that code");
    let friend = [("name", "Friend"), ("percent", "20"), ("code", "FRIEND1"), ("owner", "0712345678")];
    operator.post("/admin/discounts", &friend).await.says(200, "a friend’s first purchase");
    let made = discount::by_code(&world.db, &"FRIEND1".parse().unwrap()).await.unwrap().unwrap();
    operator.get(&format!("/admin/discounts/{}", made.id)).await.says(200, "value=\"+254712345678\"");
}
