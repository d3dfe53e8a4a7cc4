//! The Kenya Revenue Authority's side of eTIMS, as the fake of the package `etims` plays it (OSCU): it takes no number twice and none after a
//! gap, no item that is not registered and no sum that is not that of the lines. What is sold is signed once each, whatever breaks on the way.

use std::ffi::OsStr;
use std::net::IpAddr;

use serde_json::{Value, json};
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, Zone};
use store::admin::Audit;
use store::books::{day, etims};
use tests::world::{World, eventually_within};
use uuid::Uuid;

use crate::fake::{self, Fake};

const TIN: &str = "P051234567A";
const SIGN: &str = "/saveTrnsSalesOsdc";
const REGISTER: &str = "/saveItem";
/// Longest wait for a handful of invoices: some of them rest for a round of the job after what broke.
const SIGNED: std::time::Duration = std::time::Duration::from_secs(60);

/// A portal that has its sales signed by the fake, whose device has this serial number: an invoice for each order, or day.
async fn place(python: &OsStr, serial: &str, per: &str) -> (World, Fake, String) {
    let (kra, control) = Fake::kra(python).await;
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    sqlx::query("INSERT INTO package_taxes (package_id, letter, since, set_at, set_by) VALUES ($1, 'B', '2000-01-01', now(), 'test')")
        .bind(package.id)
        .execute(&world.pool)
        .await
        .expect("its letter is set");
    let base = kra.base();
    let sections = format!(
        "\n[etims]\nbase_url = \"{base}\"\ntin = \"{TIN}\"\nitem_class = \"8111180000\"\ntimeout_ms = 1000\n\
         per = \"{per}\"\n\
         branches = [{{ branch = \"00\", serial = \"{serial}\" }}]\n"
    );
    crate::configure(&world, &sections);
    world.start_portal().await;
    (world, kra, control)
}

/// Asks the fake something, or tells it what to do.
async fn control(control: &str, what: &str, said: Value) -> Value {
    let request = reqwest::Client::new().post(format!("{control}{what}")).json(&said);
    request.send().await.expect("an answer").json().await.expect("JSON")
}

async fn fail(to: &str, path: &str, mut fault: Value) {
    fault["path"] = path.into();
    control(to, "/fail", fault).await;
}

/// An order of KSh 20 that is paid and booked. Returns its identity.
async fn sell(world: &World, code: &str) -> Uuid {
    let mut tx = world.pool.begin().await.expect("a transaction");
    let order = sell_in(&mut tx, code, "mpesa", 0).await;
    tx.commit().await.expect("it is booked");
    order
}

/// The same within a transaction, paid in that way and so many days ago.
async fn sell_in(tx: &mut sqlx::PgConnection, code: &str, provider: &str, days: i32) -> Uuid {
    let order: Uuid = sqlx::query_scalar(
        "WITH payer AS (
             INSERT INTO users (id, phone, name, created_at) VALUES (gen_random_uuid(), '+254712345678', '', now())
             ON CONFLICT (phone) DO UPDATE SET name = EXCLUDED.name RETURNING id)
         INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, state, paid_at, created_at, updated_at)
         SELECT gen_random_uuid(), $1, payer.id, '+254712345678', p.id, jsonb_build_object('name', p.name), 2000, 'KES', 'paid', sold.at,
                sold.at, sold.at
         FROM payer, packages p, (SELECT now() - make_interval(days => $2) AS at) sold RETURNING id",
    )
    .bind(code)
    .bind(days)
    .fetch_one(&mut *tx)
    .await
    .expect("an order");
    let payment: Uuid = sqlx::query_scalar(
        "INSERT INTO payments (id, order_id, provider, amount_minor, currency, checkout_request_id, state, created_at, updated_at)
         VALUES (gen_random_uuid(), $1, $3, 2000, 'KES', 'ws_' || $2, 'succeeded', now(), now()) RETURNING id",
    )
    .bind(order)
    .bind(code)
    .bind(provider)
    .fetch_one(&mut *tx)
    .await
    .expect("a payment");
    book(&mut *tx, &format!("payment:{payment}"), order, (provider, "sales"), days).await;
    order
}

async fn book(tx: &mut sqlx::PgConnection, key: &str, order: Uuid, (debit, credit): (&str, &str), days: i32) {
    let transaction: Uuid = sqlx::query_scalar(
        "INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
         VALUES (gen_random_uuid(), $1, $2, 'test', now() - make_interval(days => $3)) RETURNING id",
    )
    .bind(key)
    .bind(order)
    .bind(days)
    .fetch_one(&mut *tx)
    .await
    .expect("a transaction of the ledger");
    sqlx::query(
        "INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
         SELECT gen_random_uuid(), $1, id, CASE code WHEN $2 THEN 2000 ELSE -2000 END, 'KES'
         FROM ledger_accounts WHERE code IN ($2, $3)",
    )
    .bind(transaction)
    .bind(debit)
    .bind(credit)
    .execute(&mut *tx)
    .await
    .expect("its entries");
}

async fn begun(world: &World) {
    eventually_within(SIGNED, "the device has its key", || async {
        let has: Option<bool> = sqlx::query_scalar("SELECT key_sealed IS NOT NULL FROM etims_branches")
            .fetch_optional(&world.pool)
            .await
            .ok()?;
        has?.then_some(())
    })
    .await;
}

/// Waits until so many are signed. What rests after something broke is let go on at once: what is tried is the order, not the pause.
async fn signed(world: &World, count: i64) {
    eventually_within(SIGNED, &format!("{count} are signed"), || async {
        sqlx::query("UPDATE etims_branches SET next_attempt_at = NULL").execute(&world.pool).await.ok()?;
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM etims_invoices WHERE state = 'signed'")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (found == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn twenty_sales_and_a_credit_note_are_signed_once_each_and_without_a_gap_whatever_breaks() {
    let Some(python) = fake::program("MLANGO_ETIMS") else { return };
    let (world, _kra, fake) = place(&python, "MLANGO-1", "order").await;
    begun(&world).await;
    fail(&fake, REGISTER, json!({ "http_status": 503 })).await;
    let first = sell(&world, "ETIMS001").await;
    for fault in [
        json!({ "lose_answer": true }),
        json!({ "drop": true }),
        json!({ "http_status": 502 }),
        json!({ "delay": 1.5 }),
        json!({ "result_code": "999" }),
        json!({ "lose_answer": true, "times": 2 }),
    ] {
        fail(&fake, SIGN, fault).await;
    }
    for number in 2..=20 {
        sell(&world, &format!("ETIMS{number:03}")).await;
    }
    let mut tx = world.pool.begin().await.expect("a transaction");
    book(&mut tx, "refund_due:first", first, ("sales", "refunds_due"), 0).await;
    tx.commit().await.expect("it is booked");
    signed(&world, 21).await;

    let theirs = control(&fake, "/sales", json!({ "tin": TIN, "branch": "00" })).await;
    let theirs = theirs.as_array().expect("a list");
    let numbers: Vec<i64> = theirs.iter().map(|sale| sale["number"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<i64>>(), "no gap, and none twice");
    let mut references: Vec<&str> =
        theirs.iter().filter(|sale| sale["type"] == "S").filter_map(|sale| sale["reference"].as_str()).collect();
    references.sort_unstable();
    let all: Vec<String> = (1..=20).map(|number| format!("ETIMS{number:03}")).collect();
    assert_eq!(references, all, "each sale once");
    assert!(
        theirs.iter().all(|sale| sale["amount"] == 20 && sale["tax"] == 2.76 && sale["payment"] == "06"),
        "{theirs:?}"
    );
    let credits: Vec<&Value> = theirs.iter().filter(|sale| sale["type"] == "R").collect();
    let [credit] = credits[..] else { panic!("one credit note: {credits:?}") };
    let of = theirs.iter().find(|sale| sale["reference"] == "ETIMS001" && sale["type"] == "S").expect("its sale");
    assert_eq!(credit["original"], of["number"]);

    // Ours are the same, and a signature that we have is theirs.
    let ours: Vec<(i64, String, Option<String>)> =
        sqlx::query_as("SELECT number, reference, signature FROM etims_invoices ORDER BY number")
            .fetch_all(&world.pool)
            .await
            .expect("rows");
    assert_eq!(ours.len(), 21);
    for ((number, reference, signature), theirs) in ours.iter().zip(theirs) {
        assert_eq!((&json!(number), &json!(reference)), (&theirs["number"], &theirs["reference"]));
        assert!(signature.as_ref().is_none_or(|signature| theirs["signature"] == json!(signature)), "{reference}");
    }
    let lost = ours.iter().filter(|(.., signature)| signature.is_none()).count();
    assert!((1..=4).contains(&lost), "only where an answer was lost: {lost}");
    assert_eq!(control(&fake, "/asked", json!({ "path": REGISTER })).await, 1, "an item is registered once");
    assert!(etims::blocked(&world.db).await.expect("a list").is_empty());
}

#[tokio::test]
async fn a_closed_day_is_one_invoice_for_each_way_of_payment_and_what_goes_back_of_it_is_a_credit_note() {
    let Some(python) = fake::program("MLANGO_ETIMS") else { return };
    let (world, _kra, fake) = place(&python, "MLANGO-1", "day").await;
    begun(&world).await;
    // At once: the portal closes what is over by itself, and whoever closes the day second finds the same documents.
    let mut tx = world.pool.begin().await.expect("a transaction");
    let first = sell_in(&mut tx, "ETIMS201", "mpesa", 3).await;
    for (code, provider) in [("ETIMS202", "mpesa"), ("ETIMS203", "stripe"), ("ETIMS204", "mpesa")] {
        sell_in(&mut tx, code, provider, 3).await;
    }
    tx.commit().await.expect("they are booked");
    let posted: OffsetDateTime = sqlx::query_scalar("SELECT min(posted_at) FROM ledger_transactions")
        .fetch_one(&world.pool)
        .await
        .expect("a moment");
    let sold_on = Zone::default().at(posted).date();
    let mut closed =
        day::close(&world.db, None, sold_on, "test", world.clock.now()).await.expect("it is over").documents;
    closed.sort_unstable();
    let [mpesa, card] = &closed[..] else { panic!("a document for each way of payment: {closed:?}") };
    signed(&world, 2).await;
    let mut tx = world.pool.begin().await.expect("a transaction");
    book(&mut tx, "refund_due:first", first, ("sales", "refunds_due"), 0).await;
    tx.commit().await.expect("it is booked");
    signed(&world, 3).await;

    let theirs = control(&fake, "/sales", json!({ "tin": TIN, "branch": "00" })).await;
    let theirs = theirs.as_array().expect("a list");
    let told: Vec<Value> = theirs
        .iter()
        .map(|sale| json!([sale["type"], sale["reference"], sale["payment"], sale["amount"], sale["tax"]]))
        .collect();
    // The orders are in their day's, and none is told by itself.
    assert_eq!(told.len(), 3, "{theirs:?}");
    for expected in [
        json!(["S", mpesa, "06", 60, 8.28]),
        json!(["S", card, "05", 20, 2.76]),
        json!(["R", "ETIMS201", "06", 20, 2.76]),
    ] {
        assert!(told.contains(&expected), "{expected}: {told:?}");
    }
    let number_of = |kind: &str, reference: &str| {
        let found = theirs.iter().find(|sale| sale["type"] == kind && sale["reference"] == reference);
        found.map(|sale| sale["number"].clone())
    };
    let credit = theirs.iter().find(|sale| sale["type"] == "R").expect("a credit note");
    assert_eq!(Some(&credit["original"]), number_of("S", mpesa).as_ref(), "it gives back of the day's invoice");
}

#[tokio::test]
async fn what_is_refused_keeps_its_number_and_holds_up_its_branch_until_somebody_has_looked() {
    let Some(python) = fake::program("MLANGO_ETIMS") else { return };
    let (world, _kra, fake) = place(&python, "MLANGO-2", "order").await;
    begun(&world).await;
    fail(&fake, SIGN, json!({ "result_code": "910", "message": "Request parameter error (itemClsCd)" })).await;
    sell(&world, "ETIMS101").await;
    let refused: Uuid = eventually_within(SIGNED, "it is refused", || async {
        sqlx::query_scalar("SELECT id FROM etims_invoices WHERE state = 'rejected' AND number = 1")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    sell(&world, "ETIMS102").await;
    eventually_within(SIGNED, "the next one waits", || async {
        let waits: i64 =
            sqlx::query_scalar("SELECT count(*) FROM etims_invoices WHERE state = 'pending' AND number IS NULL")
                .fetch_one(&world.pool)
                .await
                .ok()?;
        (waits == 1).then_some(())
    })
    .await;
    let [blocked] = &etims::blocked(&world.db).await.expect("a list")[..] else { panic!("one branch") };
    assert!(blocked.needs_a_person && blocked.reason.contains("itemClsCd") && blocked.waiting == 2, "{blocked:?}");

    let object = refused.to_string();
    let address: Option<IpAddr> = None;
    let line = Audit { actor: "test", action: "etims.again", object: &object, address };
    etims::try_again(&world.db, refused, &SiteScope::All, &line, world.clock.now()).await.expect("it is refused");
    signed(&world, 2).await;
    let theirs = control(&fake, "/sales", json!({ "tin": TIN, "branch": "00" })).await;
    let found: Vec<(i64, &str)> = theirs
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|sale| Some((sale["number"].as_i64()?, sale["reference"].as_str()?)))
        .collect();
    assert_eq!(found, [(1, "ETIMS101"), (2, "ETIMS102")]);
}

#[tokio::test]
async fn a_device_that_is_not_approved_is_not_let_in_and_says_why() {
    let Some(python) = fake::program("MLANGO_ETIMS") else { return };
    let (world, _kra, _fake) = place(&python, "SOMEBODY-ELSES", "order").await;
    let blocked = eventually_within(SIGNED, "the branch is barred", || async {
        etims::blocked(&world.db).await.ok()?.into_iter().find(|branch| branch.needs_a_person)
    })
    .await;
    assert!(blocked.reason.contains("has not approved") && blocked.reason.contains("905"), "{}", blocked.reason);
}
