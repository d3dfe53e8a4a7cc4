//! What a program changes and its line in the audit log are there together, or neither is.

use serde_json::json;
use shared::time::Zone;
use sqlx::{AssertSqlSafe, Executor as _};
use tests::world::{World, at};
use uuid::Uuid;

use crate::api_client::{Answer, Program, send};
use crate::api_offers::people;
use crate::api_once::{RECEIPT, waits};
use crate::operator::audited;

/// From then on nothing can be written into the audit log.
const BREAK: &str = "ALTER TABLE admin_logs ADD CONSTRAINT unwritable CHECK (false) NOT VALID";
const MEND: &str = "ALTER TABLE admin_logs DROP CONSTRAINT unwritable";
/// What is not changed by anybody else meanwhile.
const TABLES: [&str; 10] = [
    "calendar_days",
    "campaigns",
    "discounts",
    "entitlements",
    "ledger_entries",
    "orders",
    "outages",
    "received_money",
    "voucher_batches",
    "vouchers",
];

/// All rows of these tables, a text each.
async fn everything(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for table in TABLES {
        let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t");
        let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&world.pool).await.unwrap();
        all.push(format!("{table}\n{rows}"));
    }
    all
}

/// A router of ours was dark for an hour. Returns the outage, as an address spells it.
async fn outage(world: &World) -> String {
    world.register("edge", b"secret", at([10, 9, 9, 9])).await;
    let outage = "INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
         SELECT gen_random_uuid(), id, now() - interval '2 hours', now() - interval '1 hour', now() FROM nas RETURNING id";
    let outage: Uuid = sqlx::query_scalar(outage).fetch_one(&world.pool).await.unwrap();
    format!("/outages/out_{}", outage.simple())
}

#[tokio::test]
async fn what_cannot_stand_in_the_audit_log_is_not_done() {
    let mut world = World::new().await;
    let _sms = world.sms().await;
    people(&world).await;
    waits(&world).await;
    let (package, outage) = (world.package("one-hour", |_| {}).await, outage(&world).await);
    world.start_portal().await;
    let program = Program::with(&world, "till", &[]).await;
    let package = format!("pkg_{}", package.id.simple());
    let print = json!({ "package": package, "size": 3 });
    let batch = program.once("print", "/voucher-batches", print.clone()).await.is(201);
    let day = |name: &str| json!({ "kind": "closed", "name": name, "from": "2032-01-01T00:00:00Z", "until": "2032-01-02T00:00:00Z" });
    let closed = program.post("/calendar-days", day("Stock-taking")).await.is(201);
    let place = |made: &Answer| made.header("location").trim_start_matches("/api/v1").to_owned();
    let (paper, money) = (place(&batch), format!("/received-money/{RECEIPT}"));
    let offer = json!({ "name": "Where are you", "audience": { "kind": "leaving" }, "new_code": { "code": "RUDI20", "percent": 20 },
        "text": "20 % off with RUDI20.", "text_sw": "Punguzo la 20 % kwa RUDI20." });

    world.pool.execute(BREAK).await.unwrap();
    let before = everything(&world).await;
    for (number, (path, body)) in (0..).zip([
        ("/campaigns".to_owned(), offer.clone()),
        ("/voucher-batches".to_owned(), print),
        (format!("{paper}/sales"), json!({ "first": 1, "last": 2 })),
        (format!("{paper}/voids"), json!({ "first": 3, "last": 3, "reason": "lost" })),
        (format!("{money}/assignments"), json!({ "phone": "+254712345678", "package": package })),
        (format!("{money}/refunds"), json!({})),
        (format!("{money}/ignores"), json!({ "reason": "rent" })),
        (format!("{outage}/give-backs"), json!({})),
        ("/calendar-days".to_owned(), day("Feast")),
        ("/calendar-days/holidays".to_owned(), json!({ "year": Zone::default().at(world.clock.now()).year() + 1 })),
    ]) {
        program.once(&format!("key-{number}"), &path, body).await.refused_as(500, "internal");
    }
    let handed = json!({ "agent": "Mama Njeri" });
    program.patch(batch.header("etag"), &paper, handed).await.refused_as(500, "internal");
    let removal = program.request("delete", &place(&closed)).header("if-match", closed.header("etag"));
    send(removal).await.refused_as(500, "internal");
    assert_eq!(everything(&world).await, before);

    // Under the same keys both are there.
    world.pool.execute(MEND).await.unwrap();
    let begun = program.once("key-0", "/campaigns", offer).await.is(201);
    program.once("key-2", &format!("{paper}/sales"), json!({ "first": 1, "last": 2 })).await.is(200);
    program.once("key-5", &format!("{money}/refunds"), json!({})).await.is(200);
    world.pool.execute(BREAK).await.unwrap();
    program.post(&format!("{}/stops", place(&begun)), json!({})).await.refused_as(500, "internal");
    assert_ne!(program.get(&place(&begun)).await.is(200).text_of("state"), "stopped");
    let number = batch.json["number"].as_u64().unwrap();
    for (action, object) in [
        ("campaign.begin", "Where are you".to_owned()),
        ("voucher.print", format!("batch {number}: 3 of one-hour")),
        ("voucher.sell", format!("batch {number}: 1-2")),
        ("money.refund", RECEIPT.to_owned()),
        ("calendar.add", "Stock-taking".to_owned()),
    ] {
        assert_eq!(audited(&world, action).await, [("token till".to_owned(), object)]);
    }
    assert!(audited(&world, "campaign.stop").await.is_empty());
}
