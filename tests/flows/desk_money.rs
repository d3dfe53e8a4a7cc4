//! Money that nobody knows, at the desk: why it waits, what it is assigned to, how it goes back, and what is left out of the list.

use serde_json::json;
use shared::money::Money;
use store::order::{NewOrder, Wish};
use store::unmatched::{self, Matched, Payer, Reference, Told, Trust, match_confirmation};
use tests::world::World;

use crate::operator::{Operator, audited, by_operator};

const AMINA: &str = "0712345678";
const RECEIPT: &str = "AAAAAAAAA1";

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

/// An order of an hour for KSh 20. Returns its code.
async fn order(world: &World) -> String {
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (phone, visit) = (AMINA.parse().unwrap(), json!({}));
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: None,
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let id = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, id, &new, now).await.unwrap());
    store::order::get(&world.db, id).await.unwrap().code
}

/// Money of which nobody knows what it is for.
async fn waits(world: &World, receipt: &str, minor: i64) {
    let told = Told {
        receipt: receipt.into(),
        amount: Money::kes(minor),
        payer_name: "AMINA <b>".into(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: "wifi".into(),
        reference: Reference::Other,
        paid_at: None,
    };
    let matched = match_confirmation(&world.db, &told, Trust::Reported, None, world.clock.now()).await.unwrap();
    assert_eq!(matched, Matched::Unmatched);
}

async fn stands(world: &World, receipt: &str) -> String {
    unmatched::get(&world.db, receipt).await.unwrap().state
}

async fn grants(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM entitlements").fetch_one(&world.pool).await.unwrap()
}

/// What is in an account.
async fn account(world: &World, code: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         WHERE a.code = $1",
    )
    .bind(code)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_waits_says_why_and_is_assigned_to_a_suggested_order() {
    let (world, operator) = desk().await;
    let code = order(&world).await;
    waits(&world, RECEIPT, 2_000).await;
    operator.get("/admin").await.says(200, "payments nobody knows");
    let list = operator.get("/admin/money").await;
    list.says(200, &format!("/admin/money/{RECEIPT}"));
    list.says(200, "neither an order’s code nor a phone number");
    assert!(!list.text.contains("AMINA <b>"), "what others wrote is escaped");
    let page = operator.get(&format!("/admin/money/{}", RECEIPT.to_lowercase())).await;
    page.says(200, &format!("Pay for {code}"));
    page.says(200, "only the price and the time fit");

    let assign = format!("/admin/money/{RECEIPT}/assign");
    operator.forged(&assign, &[("order", code.as_str()), ("confirmed", "yes")]).await;
    for (fields, sentence) in [
        (&[("order", "wifi")][..], "eight letters and digits"),
        (&[("order", "22222222")], "There is no order"),
        (&[("phone", "12"), ("package", "one-hour")], "lease check the phone number"),
        (&[("phone", AMINA), ("package", "nothing")], "Choose a package."),
    ] {
        operator.post(&assign, fields).await.says(422, sentence);
    }
    assert_eq!((stands(&world, RECEIPT).await.as_str(), grants(&world).await), ("unmatched", 0));

    let typed = code.to_lowercase();
    let done = operator.post_and_confirm(&assign, &[("order", typed.as_str())], "has not confirmed this payment").await;
    done.says(200, "It is assigned, and the customer has access.");
    assert_eq!((stands(&world, RECEIPT).await.as_str(), grants(&world).await), ("assigned", 1));
    assert_eq!(audited(&world, "money.assign").await, by_operator(&[&format!("{RECEIPT} to order {code}")]));
    operator.post(&assign, &[("order", code.as_str()), ("confirmed", "yes")]).await.says(409, "does not wait any more");
    assert_eq!(audited(&world, "money.assign").await.len(), 1);
    operator.get("/admin/money").await.says(200, "Nothing waits");
    operator.get("/admin/money/all").await.says(200, "assigned to an order");
    operator.get("/admin/money/BBBBBBBBB2").await.says(404, "It is not here");
}

#[tokio::test]
async fn a_package_is_given_for_it_and_the_rest_is_owed() {
    let (world, operator) = desk().await;
    world.package("one-hour", |_| {}).await;
    world.package("one-day", |package| package.price = Money::kes(8_000)).await;
    waits(&world, RECEIPT, 5_000).await;
    let page = operator.get(&format!("/admin/money/{RECEIPT}")).await;
    assert!(page.text.contains("one hour, KSh 20") && !page.text.contains("one day, KSh 80"), "{}", page.text);
    let assign = format!("/admin/money/{RECEIPT}/assign");
    let too_dear = [("phone", AMINA), ("package", "one-day")];
    operator.post(&assign, &too_dear).await.says(422, "KSh 50 does not pay for KSh 80.");
    let fields = [("phone", AMINA), ("package", "one-hour")];
    let done = operator.post_and_confirm(&assign, &fields, "KSh 30 more than the price").await;
    done.says(200, "KSh 30, owed to the customer");
    assert_eq!((account(&world, "refunds_due").await, account(&world, "unmatched").await), (-3_000, 0));
    assert_eq!(grants(&world).await, 1);
}

#[tokio::test]
async fn it_goes_back_and_is_owed_until_it_has_gone() {
    let (world, operator) = desk().await;
    waits(&world, RECEIPT, 2_000).await;
    let path = |what: &str| format!("/admin/money/{RECEIPT}/{what}");
    operator.forged(&path("refund"), &[("confirmed", "yes")]).await;
    operator.post(&path("reverse"), &[]).await.says(409, "[mpesa.initiator]");
    let early = [("proof", "RKU1234567"), ("confirmed", "yes")];
    operator.post(&path("given-back"), &early).await.says(409, "Nothing of AAAAAAAAA1 is owed");
    let owed = operator.post_and_confirm(&path("refund"), &[], "Does it go back?").await;
    owed.says(200, "it is owed to its payer");
    assert_eq!((stands(&world, RECEIPT).await.as_str(), account(&world, "refunds_due").await), ("refunded", -2_000));
    operator.get("/admin/money").await.says(200, "to be given back");
    operator.post(&path("given-back"), &[("proof", " ")]).await.says(422, "Write one to two hundred characters");
    let proof = [("proof", "RKU1234567")];
    operator.post_and_confirm(&path("given-back"), &proof, "Has it gone back?").await.says(200, "RKU1234567");
    assert_eq!((account(&world, "refunds_due").await, account(&world, "mpesa").await), (0, 0));
    assert_eq!(audited(&world, "money.refund").await, by_operator(&[RECEIPT]));
    assert_eq!(audited(&world, "money.given_back").await, by_operator(&["AAAAAAAAA1 by RKU1234567"]));
}

#[tokio::test]
async fn what_is_not_for_the_wi_fi_is_ignored_and_can_be_taken_up_again() {
    let (world, operator) = desk().await;
    order(&world).await;
    waits(&world, RECEIPT, 2_000).await;
    let path = |what: &str| format!("/admin/money/{RECEIPT}/{what}");
    operator.forged(&path("ignore"), &[("reason", "rent")]).await;
    operator.post(&path("ignore"), &[("reason", "  ")]).await.says(422, "Say why");
    operator.post(&path("ignore"), &[("reason", "rent of the shop")]).await.says(200, "rent of the shop");
    assert_eq!(unmatched::count_waiting(&world.db).await.unwrap(), 0);
    operator.get("/admin/money").await.says(200, "Nothing waits");
    operator.get("/admin/money/all").await.says(200, "ignored");
    assert_eq!(account(&world, "unmatched").await, -2_000, "it is owed to somebody all the same");
    operator.post(&path("heed"), &[]).await.says(200, "It waits again.");
    assert_eq!(unmatched::count_waiting(&world.db).await.unwrap(), 1);
    assert_eq!(audited(&world, "money.ignore").await, by_operator(&["AAAAAAAAA1 (rent of the shop)"]));
    assert_eq!(audited(&world, "money.heed").await, by_operator(&[RECEIPT]));
    // What is decided cannot be ignored any more.
    unmatched::refund_due(&world.db, RECEIPT, "desk", world.clock.now()).await.unwrap();
    operator.post(&path("ignore"), &[("reason", "rent")]).await.says(409, "goes back to its payer");
}
