//! What the reports of money say, out of facts by the hour, the day and the month, and of the few payments and receipts that do not match: their
//! figures, their own filters, and what is left out for whoever is limited to a site. Facts stand ten days back and no portal sums them up anew.

use shared::staff::Role;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::admin::people;
use store::voucher;
use tests::world::{World, at};
use uuid::Uuid;

use crate::operator::{Operator, make};

/// Ten days ago, at nine in the morning of Nairobi.
const THEN: &str = "(date_trunc('day', now(), 'UTC') - interval '10 days' + interval '6 hours')";
const NIL: Uuid = Uuid::nil();

/// Two sites with a router each, a package and a customer.
struct Place {
    /// While it is held, no portal sums up hours, out of sales that there are none of. It goes before the world does.
    _still: Transaction<'static, Postgres>,
    world: World,
    market: Uuid,
    beach: Uuid,
    operator: Operator,
}

impl Place {
    async fn new() -> Place {
        let mut world = World::new().await;
        let mut still = world.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE facts_mark, rollup_mark IN EXCLUSIVE MODE").execute(&mut *still).await.unwrap();
        let (market, beach) = (site(&world, "Market", 1).await, site(&world, "Beach", 2).await);
        world.package("one-hour", |_| {}).await;
        world.start_portal().await;
        let operator = Operator::sign_in(&world).await;
        Place { _still: still, world, market, beach, operator }
    }

    async fn sql(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.world.pool).await.unwrap();
    }

    /// Somebody who sees money, of one site.
    async fn limited(&self, site: Uuid) -> Operator {
        make(&self.world, "amina@example.org", Role::Support).await;
        let id = self.world.staff_id("amina@example.org").await;
        people::set_access(&self.world.db, id, Role::Support, &[site]).await.unwrap();
        Operator::again(&self.world, "amina@example.org").await
    }

    /// Attempts by M-Pesa at both sites, vouchers at none, and money of which nobody knows what it is for.
    async fn paid(&self) {
        self.sql(&format!(
            "INSERT INTO payments_hourly (hour, site_id, provider, currency, attempts, succeeded, failed, stuck, amount_minor, fee_minor, confirmed_within)
             SELECT {THEN}, id, 'mpesa', 'KES', 10, 8, 1, 1, 16000, 120, '{{0,0,8,0,0,0,0,0,0}}' FROM sites"
        ))
        .await;
        self.sql(&format!(
            "INSERT INTO payment_results_hourly (hour, site_id, provider, result, times) SELECT {THEN}, id, 'mpesa', '1032', 1 FROM sites"
        ))
        .await;
        self.sql(&format!(
            "INSERT INTO sales_hourly (hour, site_id, package_id, provider, currency, orders, amount_minor)
             SELECT {THEN}, '{NIL}', id, 'voucher', 'KES', 3, 6000 FROM packages"
        ))
        .await;
        self.sql(&format!(
            "INSERT INTO received_money (id, provider, receipt, amount_minor, currency, received_at, state)
             VALUES (gen_random_uuid(), 'mpesa', 'SKQ1UNMATCHED', 3000, 'KES', {THEN}, 'unmatched')"
        ))
        .await;
    }

    /// An order at the market whose payment has this state.
    async fn payment(&self, code: &str, state: &str) {
        let (order, paid_at) = if state == "succeeded" { ("paid", THEN) } else { (state, "NULL") };
        self.sql(&format!(
            "WITH payer AS (
                 INSERT INTO users (id, phone, name, created_at) VALUES (gen_random_uuid(), '+254712345678', 'Asha', now())
                 ON CONFLICT (phone) DO UPDATE SET name = EXCLUDED.name RETURNING id),
             bought AS (
                 INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
                 SELECT gen_random_uuid(), '{code}', payer.id, '+254712345678', p.id, '{{\"name\":\"one hour\"}}', 2000, 'KES', n.id, '{order}',
                        {paid_at}::timestamptz, {THEN}, {THEN}
                 FROM payer, packages p, nas n WHERE n.site_id = '{market}' RETURNING id)
             INSERT INTO payments (id, order_id, provider, amount_minor, currency, checkout_request_id, state, created_at, updated_at)
             SELECT gen_random_uuid(), id, 'mpesa', 2000, 'KES', 'ws_{code}', '{state}', {THEN}, {THEN} FROM bought",
            market = self.market
        ))
        .await;
    }

    /// A line of M-Pesa's statement that is settled, and what was booked for it: under that key, or else under the line's own.
    async fn resolved(&self, reference: &str, minor: i64, key: Option<&str>) {
        let key = key.map_or("'statement:' || ids.line".to_owned(), |key| format!("'{key}'"));
        let (other, resolution) = if key.contains("received") { ("unmatched", "assign") } else { ("bank", "transfer") };
        self.sql(&format!(
            "WITH ids AS (SELECT gen_random_uuid() AS line, gen_random_uuid() AS transaction, gen_random_uuid() AS file),
             brought AS (
                 INSERT INTO statements (id, account, format, file_name, digest, since, until, imported_at, imported_by)
                 SELECT file, 'mpesa', 'mpesa', 'test.csv', sha256('{reference}'::bytea), {THEN}, {THEN}, {THEN}, 'test' FROM ids),
             booked AS (
                 INSERT INTO ledger_transactions (id, key, description, posted_at) SELECT transaction, {key}, 'test', {THEN} FROM ids),
             sides AS (
                 INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
                 SELECT gen_random_uuid(), ids.transaction, a.id, CASE a.code WHEN 'mpesa' THEN {minor} ELSE -({minor}) END, 'KES'
                 FROM ids, ledger_accounts a WHERE a.code IN ('mpesa', '{other}'))
             INSERT INTO statement_lines (id, statement_id, account, reference, kind, happened_at, amount_minor, currency, transaction_id, state,
                 resolution, resolved_at, resolved_by)
             SELECT line, file, 'mpesa', '{reference}', 'other', {THEN}, {minor}, 'KES', transaction, 'resolved', '{resolution}', {THEN}, 'test'
             FROM ids"
        ))
        .await;
    }
}

async fn site(world: &World, name: &str, number: u8) -> Uuid {
    let now = world.clock.now();
    let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
    let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
    world.register(&name.to_lowercase(), b"secret", settings).await;
    site
}

/// A file of a report: its lines, each as its cells.
async fn lines(operator: &Operator, path: &str) -> Vec<Vec<String>> {
    let (_, octets) = operator.file(&format!("/admin/reports/money/{path}")).await;
    let text = String::from_utf8(octets).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn payments_are_told_by_the_way_of_paying_with_what_failed_and_what_waits() {
    let place = Place::new().await;
    place.paid().await;
    let operator = &place.operator;
    let methods = lines(operator, "payments.csv?section=methods").await;
    assert_eq!(methods[0], ["M-Pesa", "KES", "20", "16", "80.00", "7.5", "2", "2", "1", "320.00", "2.40"]);
    assert_eq!(methods[1], ["Voucher", "KES", "", "3", "", "", "", "", "", "60.00", ""]);
    let one = lines(operator, &format!("payments.csv?section=methods&site={}", place.beach)).await;
    assert_eq!(
        one,
        [["M-Pesa", "KES", "10", "8", "80.00", "7.5", "1", "1", "", "160.00", "1.20"]],
        "no receipt is of a site"
    );
    let results = lines(operator, "payments.csv?section=results&result=1032").await;
    assert_eq!(results, [["it was cancelled on the phone", "mpesa", "1032", "2", "100.00"]]);
    assert!(lines(operator, "payments.csv?section=results&result=2001").await.is_empty());
    assert!(lines(operator, "payments.csv?section=methods&provider=stripe").await.is_empty());
    operator.get("/admin/reports/money/payments?result=4711").await.says(422, "Choose one of these.");
    let amina = place.limited(place.market).await;
    let methods = lines(&amina, "payments.csv?section=methods").await;
    assert_eq!(methods, [["M-Pesa", "KES", "10", "8", "80.00", "7.5", "1", "1", "", "160.00", "1.20"]]);
}

#[tokio::test]
async fn what_is_booked_stands_beside_what_payments_say_and_each_mismatch_leads_to_its_page() {
    let place = Place::new().await;
    place.paid().await;
    place
        .sql(&format!(
            "INSERT INTO ledger_hourly (hour, account_id, currency, debit_minor, credit_minor, entries)
             SELECT {THEN}, id, 'KES', CASE code WHEN 'mpesa' THEN 36000 ELSE 300 END, CASE code WHEN 'mpesa' THEN 500 ELSE 800 END, 3
             FROM ledger_accounts WHERE code IN ('mpesa', 'refunds_due')"
        ))
        .await;
    for (code, state) in [("STUCK11", "unknown"), ("GOOD111", "succeeded")] {
        place.payment(code, state).await;
    }
    let operator = &place.operator;
    let days = lines(operator, "reconciliation.csv?section=days").await;
    assert_eq!(days.len(), 1);
    // 360 were booked in: 320 by payments, 30 without an order, and 10 that nobody explains.
    assert_eq!(days[0][1..], ["mpesa", "KES", "320.00", "30.00", "0.00", "360.00", "10.00", "10.00", "5.00", "30.00"]);
    // Of these a transfer from the bank was booked from a statement; what was given out, and money without an order, were too, and are elsewhere.
    for (reference, minor, key) in [
        ("TRANSFER01", 600, None),
        ("TRANSFER02", -200, None),
        ("SKQ1UNMATCHED", 3_000, Some("received:mpesa:SKQ1UNMATCHED")),
    ] {
        place.resolved(reference, minor, key).await;
    }
    let days = lines(operator, "reconciliation.csv?section=days").await;
    assert_eq!(days[0][1..], ["mpesa", "KES", "320.00", "30.00", "6.00", "360.00", "4.00", "4.00", "5.00", "30.00"]);
    let refunds = lines(operator, "reconciliation.csv?section=refunds").await;
    assert_eq!(refunds[0][1..], ["KES", "8.00", "3.00", "5.00"]);

    let cases = lines(operator, "reconciliation.csv?section=cases").await;
    let found: Vec<(&str, &str)> = cases.iter().map(|case| (case[0].as_str(), case[6].as_str())).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&("SKQ1UNMATCHED", "unmatched")) && found.contains(&("ws_STUCK11", "unknown")), "{found:?}");
    let page = operator.get("/admin/reports/money/reconciliation").await;
    page.says(200, "href=\"/admin/money/SKQ1UNMATCHED\"");
    let address =
        page.text.split("href=\"/admin/payments/pay_").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    operator.get(&format!("/admin/payments/pay_{address}")).await.says(200, "STUCK11");
    let all = lines(operator, "reconciliation.csv?section=cases&show=all").await;
    assert!(all.len() == 3 && all.iter().any(|case| case[0] == "ws_GOOD111" && case[5] == "matches"), "{all:?}");

    let amina = place.limited(place.beach).await;
    let days = lines(&amina, "reconciliation.csv?section=days").await;
    assert_eq!(days[0][1..], ["mpesa", "KES", "160.00"], "the ledger knows no site");
    assert!(lines(&amina, "reconciliation.csv?section=cases&show=all").await.is_empty(), "they are of the market");
}

#[tokio::test]
async fn packages_and_cohorts_are_told_by_site() {
    let place = Place::new().await;
    place
        .sql(&format!(
            "INSERT INTO package_daily (day, site_id, package_id, currency, purchases, \"returning\", gross_minor, refunded_minor, seconds_used, seconds_allowed)
             SELECT {THEN}::date, '{}', id, 'KES', 4, 1, 8000, 2000, 7200, 14400 FROM packages",
            place.market
        ))
        .await;
    let told = ["one hour", "20.00", "KES", "4", "60.00", "100.00", "20.00", "25.00", "50.00", "", "15.00"];
    let operator = &place.operator;
    assert_eq!(lines(operator, "packages.csv?compare=none").await, [told]);
    assert_eq!(lines(operator, "packages.csv?compare=none&price=50").await, [told]);
    assert!(lines(operator, "packages.csv?compare=none&price=20").await.is_empty(), "it costs 20, and not less");
    assert!(lines(operator, &format!("packages.csv?compare=none&site={}", place.beach)).await.is_empty());

    // Ten bought first three months ago, four of them again in the next one, nobody in the one after that; and this month is not over.
    place
        .sql(&format!(
            "INSERT INTO cohorts_monthly (first_month, site_id, month, currency, buyers, purchases, amount_minor)
             SELECT this - interval '3 months', '{}', this - interval '3 months' + make_interval(months => v.after), 'KES', v.buyers, v.buyers, v.buyers * 2000
             FROM (SELECT date_trunc('month', now() AT TIME ZONE 'Africa/Nairobi') AS this) n, (VALUES (0, 10), (1, 4), (3, 2)) v (after, buyers)",
            place.market
        ))
        .await;
    let cohorts = lines(operator, "cohorts.csv").await;
    assert_eq!(cohorts.len(), 1);
    assert_eq!(cohorts[0][1..], ["10", "32.00", "40.00", "0.00"]);
    assert!(lines(operator, &format!("cohorts.csv?site={}", place.beach)).await.is_empty());
}

#[tokio::test]
async fn vouchers_are_told_by_batch_and_agent_with_what_was_used_without_a_sale() {
    let place = Place::new().await;
    let operator = &place.operator;
    let fields = [("package", "one-hour"), ("count", "10"), ("agent", "Mama Njeri"), ("label", "market")];
    operator.post("/admin/vouchers", &fields).await.says(200, "The vouchers are made.");
    let (db, now) = (&place.world.db, place.world.clock.now());
    let batch = voucher::batches(db, None, 1).await.unwrap().remove(0);
    let serials = |first, last| voucher::Which::Serials { batch: batch.id, first, last };
    voucher::sell(db, serials(1, 3), "test", now).await.unwrap();
    voucher::void(db, serials(6, 6), "torn", "test", now).await.unwrap();
    place.sql("UPDATE vouchers SET state = 'redeemed', redeemed_at = now() WHERE serial IN (1, 5)").await;
    let stock = ["10", "3", "2", "1", "0", "1", "5", "2", "140.00"];
    let batches = lines(operator, "vouchers.csv?section=batches").await;
    let number = batch.number.to_string();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0][..5], [number.as_str(), "one hour", "Mama Njeri", "20.00", "KES"]);
    assert_eq!(batches[0][5..], stock);
    let agents = lines(operator, "vouchers.csv?section=agents").await;
    assert_eq!(
        (&agents[0][..4], &agents[0][4..]),
        (&["Mama Njeri", "KES", "3", "2"].map(str::to_owned)[..], &stock.map(str::to_owned)[..])
    );
    let days = lines(operator, "vouchers.csv?section=days").await;
    assert_eq!(days[0][1..], ["KES", "3", "60.00", "2"]);
    assert!(lines(operator, "vouchers.csv?section=batches&agent=-").await.is_empty(), "the operator has none");
    // What has expired is worth nothing.
    place.sql("UPDATE voucher_batches SET created_at = now() - interval '2 days', redeem_before = now() - interval '1 minute'").await;
    let batches = lines(operator, "vouchers.csv?section=batches").await;
    assert_eq!(batches[0][5..], ["10", "3", "2", "1", "7", "1", "0", "0", "0.00"]);
}
