//! Days are closed once, in their order, into documents that add up and never change; vouchers and the cash of agents are in them; and the
//! portal closes by itself. Everything happens on days of March 2026, but for what the portal does by its own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use shared::voucher::new_code;
use sqlx::AssertSqlSafe;
use store::StoreError;
use store::books::document::{self, Document, Kind};
use store::books::{cash, day, tax};
use store::entitlement::Activation;
use store::fee::{self, Charge};
use store::order::{NewOrder, Wish};
use store::package::Package;
use store::settlement::{Evidence, Settled, settle};
use store::voucher::{self, Paper, Which};
use tests::world::{World, at, eventually};
use time::Date;
use time::macros::{date, datetime};
use uuid::Uuid;

const FIRST: Date = date!(2026 - 03 - 10);
/// Its beginning in Nairobi.
const MIDNIGHT: OffsetDateTime = datetime!(2026-03-09 21:00 UTC);
const BY: &str = "amina@example.org";

fn day_of(number: i64) -> Date {
    FIRST + time::Duration::days(number)
}

/// A moment of a day there.
fn minute(day: i64, minute: i64) -> OffsetDateTime {
    MIDNIGHT + time::Duration::minutes(day * 1440 + minute)
}

/// A site with a router, and what is sold there.
struct Place {
    site: Uuid,
    router: Uuid,
}

impl Place {
    async fn new(world: &World, name: &str, number: u16) -> Place {
        let site = store::site::ensure(&world.db, shared::rng::id(MIDNIGHT), name, MIDNIGHT).await.unwrap();
        let [high, low] = number.to_be_bytes();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, high, low]) };
        let router = world.register(&format!("router-{number}"), b"secret", settings).await;
        Place { site, router }
    }

    /// An order of that package, paid at that moment. Returns its payment.
    async fn sale(&self, world: &World, package: &Package, provider: &str, when: OffsetDateTime) -> Uuid {
        let new = NewOrder {
            phone: &"0712345678".parse().unwrap(),
            package,
            nas_id: Some(self.router),
            mac: None,
            visit: &serde_json::json!({}),
            wish: Wish::New,
            site: None,
            code: None,
            language: Default::default(),
        };
        let order = shared::rng::id(when);
        assert!(store::order::place_once(&world.db, order, &new, when).await.unwrap());
        let payment = store::payment::begin(&world.db, order, provider, when, when).await.unwrap();
        let evidence = Evidence { receipt: Some(format!("R{payment}")), amount: Some(package.price), charge: None };
        let settled = settle(&world.db, payment, &evidence, when).await.unwrap();
        assert!(matches!(settled, Settled::Granted { .. }), "{settled:?}");
        payment
    }

    async fn close(&self, world: &World, number: i64) -> Result<day::Closed, StoreError> {
        day::close(&world.db, Some(self.site), day_of(number), BY, minute(number + 1, 5)).await
    }
}

/// What the provider keeps of a payment by card.
async fn fee_of(world: &World, payment: Uuid, minor: i64, when: OffsetDateTime) {
    let due = fee::Due { payment, receipt: String::new(), has_refunds: false, has_charge: true, attempts: 0 };
    let charge = Charge { line: format!("txn_{payment}"), fee: Money::kes(minor) };
    assert_eq!(fee::book(&world.db, &due, &[charge], false, when).await.unwrap(), 1);
}

async fn run(world: &World, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&world.pool).await.unwrap();
}

async fn number(world: &World, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&world.pool).await.unwrap()
}

async fn open(world: &World, number: &str) -> Document {
    document::find(&world.db, number, &SiteScope::All).await.unwrap().unwrap()
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

/// Of a line its kind, account, quantity, list, discount, gross and tax.
type Told<'a> = (Kind, &'a str, i64, i64, i64, i64, i64);

fn lines(document: &Document) -> Vec<Told<'_>> {
    let lines = document.lines.iter();
    let told = lines.map(|l| (l.kind, l.account.as_str(), l.quantity, l.list, l.discount, l.gross, l.tax));
    told.collect()
}

/// What must hold of every document, whatever happened: it balances, its lines are what its money changed by, and each account stands
/// against its lines, but for the tax.
fn adds_up(document: &Document) {
    let entry = |code: &str| {
        document.entries.iter().find(|entry| entry.account == code).map_or(0, |entry| entry.debit - entry.credit)
    };
    let off: i64 = document.entries.iter().map(|entry| entry.debit - entry.credit).sum();
    assert_eq!(off, 0, "{document:?}");
    let lines: i64 = document.lines.iter().map(|line| line.gross).sum();
    assert_eq!(lines, entry(&document.method), "{document:?}");
    let mut accounts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &document.lines {
        *accounts.entry(&line.account).or_default() += line.gross;
    }
    let tax: i64 = document.lines.iter().map(|line| line.tax).sum();
    for (account, gross) in accounts {
        let left = if account == "sales" { gross - tax } else { gross };
        assert_eq!(-entry(account), left, "{account} of {document:?}");
    }
    assert_eq!(-entry("vat"), tax);
    assert!(document.lines.iter().all(|line| line.list - line.discount == line.gross));
}

#[tokio::test]
async fn a_day_is_closed_once_into_documents_that_add_up() {
    let world = World::new().await;
    let (market, beach) = (Place::new(&world, "Market", 1).await, Place::new(&world, "Beach", 2).await);
    let package = world.package("one-hour", |_| {}).await;
    tax::set_letter(&world.db, None, "B", FIRST, BY, MIDNIGHT).await.unwrap();
    let discounted = market.sale(&world, &package, "mpesa", minute(0, 0)).await;
    run(
        &world,
        &format!(
            "UPDATE orders SET full_minor = 2500 WHERE id = (SELECT order_id FROM payments WHERE id = '{discounted}')"
        ),
    )
    .await;
    market.sale(&world, &package, "mpesa", minute(0, 1439)).await;
    let card = market.sale(&world, &package, "stripe", minute(0, 700)).await;
    fee_of(&world, card, 90, minute(0, 701)).await;
    store::refund::ask(&world.db, card, BY, minute(0, 800)).await.unwrap();
    // Of the next day, by the clock of the place.
    let late = market.sale(&world, &package, "stripe", minute(1, 0)).await;

    assert!(
        conflict(day::close(&world.db, Some(market.site), FIRST, BY, minute(1, -1)).await).contains("is not over yet")
    );
    assert!(conflict(market.close(&world, -1).await).contains("the books of Market begin after"));
    assert!(conflict(day::close(&world.db, None, FIRST, BY, minute(90, 0)).await).contains("nothing was ever booked"));
    assert!(conflict(market.close(&world, 1).await).contains("close 2026-03-10 at Market before 2026-03-11"));
    let due = day::due(&world.db, minute(2, 0), Duration::ZERO).await.unwrap();
    let of_market = |day| day::Due { site: Some(market.site), day };
    assert_eq!(due, [FIRST, day_of(1)].map(of_market), "nothing was ever booked at the beach, or at no site");

    let closed = market.close(&world, 0).await.unwrap();
    assert!(closed.is_new);
    assert_eq!(closed.documents, ["20260310-MARKE-M", "20260310-MARKE-S"]);
    let mobile = open(&world, "20260310-MARKE-M").await;
    assert_eq!(
        lines(&mobile),
        [(Kind::Sale, "sales", 1, 2000, 0, 2000, 276), (Kind::Sale, "sales", 1, 2500, 500, 2000, 276)]
    );
    let cards = open(&world, "20260310-MARKE-S").await;
    assert_eq!(
        lines(&cards),
        [
            (Kind::Sale, "sales", 1, 2000, 0, 2000, 276),
            (Kind::Refund, "sales", 1, -2000, 0, -2000, -276),
            (Kind::Fee, "fees", 1, -90, 0, -90, 0),
            (Kind::Other, "refunds_due", 1, 2000, 0, 2000, 0),
        ]
    );
    adds_up(&mobile);
    adds_up(&cards);
    assert_eq!((mobile.lines[0].tax_letter.as_deref(), mobile.lines[0].tax_rate), (Some("B"), Some(1600)));
    assert_eq!(number(&world, "SELECT count(*) FROM ledger_transactions WHERE key LIKE 'vat:%'").await, 1);

    let again = market.close(&world, 0).await.unwrap();
    assert_eq!((again.is_new, again.day, again.documents), (false, closed.day, closed.documents));
    let both = futures::future::join_all((0..8).map(|_| market.close(&world, 1))).await;
    let both: Vec<day::Closed> = both.into_iter().map(Result::unwrap).collect();
    assert_eq!(both.iter().filter(|closed| closed.is_new).count(), 1);
    assert!(both.iter().all(|closed| closed.documents == ["20260311-MARKE-S"] && closed.day == both[0].day));

    // Nothing happened, and the day is closed; what is booked for it later is of the next one.
    assert_eq!(market.close(&world, 2).await.unwrap().documents, [""; 0]);
    store::refund::ask(&world.db, late, BY, minute(2, 30)).await.unwrap();
    assert_eq!(market.close(&world, 3).await.unwrap().documents, ["20260313-MARKE-S"]);
    assert_eq!(lines(&open(&world, "20260313-MARKE-S").await)[0].0, Kind::Refund);

    let elsewhere = SiteScope::Only(vec![beach.site]);
    assert!(document::find(&world.db, "20260310-MARKE-M", &elsewhere).await.unwrap().is_none());
    assert!(day::list(&world.db, &elsewhere, FIRST, day_of(9)).await.unwrap().is_empty());
    let days = day::list(&world.db, &SiteScope::All, FIRST, day_of(9)).await.unwrap();
    assert_eq!(days.iter().map(|day| day.documents.len()).collect::<Vec<usize>>(), [1, 0, 1, 2]);
    let summary = &days[3].documents[1];
    assert_eq!((summary.sales, summary.refunds, summary.fees, summary.tax), (2000, 2000, 90, 0));
    let balance = document::trial_balance(&world.db, None).await.unwrap();
    assert_eq!(balance.iter().map(|balance| balance.debit - balance.credit).sum::<i64>(), 0);
    assert!(balance.iter().any(|balance| (balance.account.as_str(), balance.debit) == ("mpesa", 4000)));
    for sql in [
        "UPDATE book_lines SET gross_minor = 1",
        "DELETE FROM book_days",
        "UPDATE sites SET book_code = 'X1' WHERE name = 'Market'",
    ] {
        assert!(sqlx::query(AssertSqlSafe(sql)).execute(&world.pool).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn vouchers_are_owed_until_they_are_used_and_agents_owe_their_cash() {
    let world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    let codes: Vec<_> = (0..8).map(|_| new_code()).collect();
    let paper = Paper { agent: Some("Mama Njeri"), ..Paper::default() };
    let made = voucher::print_batch(&world.db, &package, &paper, &codes, "desk", minute(0, 0)).await.unwrap();
    let serials = |first, last| Which::Serials { batch: made.id, first, last };
    let entitlements: Vec<Uuid> =
        sqlx::query_scalar("SELECT entitlement_id FROM vouchers ORDER BY serial").fetch_all(&world.pool).await.unwrap();
    let redeem = async |serial: usize, at| {
        let entitlement = entitlements[serial - 1];
        let login = Activation { entitlement, nas: None, mac: None, replaces: None, spent: None, at };
        store::entitlement::activate(&world.db, &[login]).await.unwrap();
    };
    // What was sold before there were books was not booked as owed, and is not released.
    run(&world, "UPDATE vouchers SET state = 'sold', sold_at = now(), sold_by = 'desk' WHERE serial = 7").await;
    redeem(7, minute(0, 1)).await;
    // The guest is faster than the till with the sixth.
    redeem(6, minute(0, 2)).await;
    assert_eq!(number(&world, "SELECT count(*) FROM ledger_transactions").await, 0);
    assert_eq!(voucher::sell(&world.db, serials(1, 6), "desk", minute(0, 3)).await.unwrap(), 6);
    assert_eq!(voucher::sell(&world.db, serials(1, 6), "desk", minute(0, 4)).await.unwrap(), 0);
    redeem(1, minute(0, 5)).await;
    redeem(1, minute(0, 6)).await;
    voucher::void(&world.db, serials(2, 3), "torn", "desk", minute(0, 7)).await.unwrap();
    // Never sold: nothing is undone.
    voucher::void(&world.db, serials(8, 8), "torn", "desk", minute(0, 7)).await.unwrap();

    let owes = |sold, undone, handed_over| cash::Agent {
        name: "Mama Njeri".into(),
        currency: "KES".into(),
        sold,
        undone,
        handed_over,
        owes: sold - undone - handed_over,
    };
    assert_eq!(cash::agents(&world.db).await.unwrap(), [owes(12_000, 4000, 0)]);
    let hand_over = |minor| cash::hand_over(&world.db, "Mama Njeri", Money::kes(minor), " note ", BY, minute(0, 9));
    assert!(conflict(hand_over(8001).await).contains("owes KSh 80, which is less than KSh 80.01"));
    assert!(conflict(hand_over(0).await).contains("how much"));
    let two = futures::future::join_all([hand_over(5000), hand_over(5000)]).await;
    assert_eq!(two.iter().filter(|one| one.is_ok()).count(), 1, "of two who write down the same one is refused");
    assert_eq!(cash::agents(&world.db).await.unwrap(), [owes(12_000, 4000, 5000)]);
    let events = cash::events(&world.db, "Mama Njeri", 10).await.unwrap();
    let events: Vec<_> = events.iter().map(|event| (event.kind, event.quantity, event.amount.minor)).collect();
    assert_eq!((events[0], events[1]), ((cash::Kind::HandedOver, 1, 5000), (cash::Kind::Undone, 2, 4000)));
    assert_eq!(events.len(), 4, "what was sold unused, and what was used before");
    assert_eq!(number(&world, "SELECT count(*) FROM admin_logs WHERE action = 'books.hand_over'").await, 1);

    let closed = day::close(&world.db, None, FIRST, BY, minute(1, 0)).await.unwrap();
    assert_eq!(closed.documents, ["20260310-OTHER-C"]);
    let document = open(&world, "20260310-OTHER-C").await;
    adds_up(&document);
    assert_eq!(
        lines(&document),
        [
            (Kind::Sale, "sales", 1, 2000, 0, 2000, 0),
            (Kind::VoucherSold, "deferred", 5, 10_000, 0, 10_000, 0),
            (Kind::VoucherUsed, "sales", 1, 2000, 0, 2000, 0),
            (Kind::VoucherUsed, "deferred", 1, -2000, 0, -2000, 0),
            (Kind::VoucherUndone, "deferred", 2, -4000, 0, -4000, 0),
            (Kind::Other, "bank", 1, -5000, 0, -5000, 0),
        ]
    );
    assert!(document.lines.iter().all(|line| line.agent.as_deref() == Some("Mama Njeri")));
    let summary = day::list(&world.db, &SiteScope::All, FIRST, FIRST).await.unwrap().remove(0).documents.remove(0);
    assert_eq!((summary.sales, summary.refunds), (12_000, 4000), "paper counts once");
}

/// As a server does that knows of no books.
async fn redeem_without_books(world: &World, serials: &str, at: OffsetDateTime) {
    let changed = sqlx::query(AssertSqlSafe(format!(
        "UPDATE vouchers SET state = 'redeemed', redeemed_at = $1 WHERE serial IN ({serials}) AND state IN ('printed', 'sold')"
    )))
    .bind(at)
    .execute(&world.pool)
    .await
    .unwrap();
    assert!(changed.rows_affected() > 0);
}

#[tokio::test]
async fn what_an_older_server_let_in_is_booked_once_when_a_day_is_closed() {
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    let codes: Vec<_> = (0..6).map(|_| new_code()).collect();
    let paper = Paper { agent: Some("Mama Njeri"), ..Paper::default() };
    // By the portal's clock: it closes what is over.
    let now = world.clock.now();
    let ago = |hours| now - time::Duration::hours(hours);
    let made = voucher::print_batch(&world.db, &package, &paper, &codes, "desk", ago(80)).await.unwrap();
    let serials = |first, last| Which::Serials { batch: made.id, first, last };
    let used = "SELECT count(*) FROM cash_events WHERE kind = 'used'";
    let owed = "SELECT -sum(e.amount_minor)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE a.code = 'deferred'";
    // The fifth is used before its sale is noted: nothing is owed for it. The sixth is never sold.
    redeem_without_books(&world, "5, 6", ago(79)).await;
    voucher::sell(&world.db, serials(1, 5), "desk", ago(78)).await.unwrap();
    let entitlement: Uuid = sqlx::query_scalar("SELECT entitlement_id FROM vouchers WHERE serial = 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let login = Activation { entitlement, nas: None, mac: None, replaces: None, spent: None, at: ago(77) };
    store::entitlement::activate(&world.db, &[login]).await.unwrap();
    redeem_without_books(&world, "2", ago(77)).await;
    assert_eq!((number(&world, used).await, number(&world, owed).await), (1, 6000));

    let both = futures::future::join_all((0..4).map(|_| cash::used_unbooked(&world.db, ago(76)))).await;
    assert_eq!(both.into_iter().map(Result::unwrap).sum::<u64>(), 1, "the second one, and once");
    assert_eq!(
        (number(&world, used).await, number(&world, owed).await),
        (2, 4000),
        "the third and the fourth are not used"
    );
    assert_eq!(cash::used_unbooked(&world.db, now).await.unwrap(), 0);

    redeem_without_books(&world, "3", ago(75)).await;
    world.start_portal().await;
    eventually("it is income", || async { (number(&world, used).await == 3).then_some(()) }).await;
    assert_eq!(number(&world, owed).await, 2000);
}

#[tokio::test]
async fn what_an_older_server_let_in_is_booked_though_no_day_can_be_closed() {
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    let ago = |hours| world.clock.now() - time::Duration::hours(hours);
    let made =
        voucher::print_batch(&world.db, &package, &Paper::default(), &[new_code()], "desk", ago(80)).await.unwrap();
    let all = Which::Serials { batch: made.id, first: 1, last: 1 };
    voucher::sell(&world.db, all, "desk", ago(78)).await.unwrap();
    redeem_without_books(&world, "1", ago(77)).await;
    run(
        &world,
        "CREATE FUNCTION refuse_days() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no day is closed'; END $$",
    )
    .await;
    run(&world, "CREATE TRIGGER refuse_days BEFORE INSERT ON book_days FOR EACH ROW EXECUTE FUNCTION refuse_days()")
        .await;
    world.start_portal().await;
    eventually("it is income", || async {
        (number(&world, "SELECT count(*) FROM cash_events WHERE kind = 'used'").await == 1).then_some(())
    })
    .await;
    assert_eq!(number(&world, "SELECT count(*) FROM book_days").await, 0);
}

#[tokio::test]
async fn a_place_begins_on_the_day_of_its_first_sale_however_the_others_stand() {
    let world = World::new().await;
    let (market, beach) = (Place::new(&world, "Market", 1).await, Place::new(&world, "Beach", 2).await);
    let package = world.package("one-hour", |_| {}).await;
    let due = |when: OffsetDateTime| {
        let (db, names) = (&world.db, [(market.site, "Market"), (beach.site, "Beach")]);
        async move {
            let name =
                |site: Option<Uuid>| names.iter().find(|(id, _)| Some(*id) == site).map_or("no site", |one| one.1);
            let due = day::due(db, when, Duration::from_secs(3600)).await.unwrap();
            let mut due: Vec<(&str, Date)> = due.into_iter().map(|due| (name(due.site), due.day)).collect();
            due.sort_unstable();
            due
        }
    };
    market.sale(&world, &package, "mpesa", minute(0, 600)).await;
    // The first minute and the last of the day are of it, and the day is due an hour after its end.
    beach.sale(&world, &package, "mpesa", minute(1, 1439)).await;
    assert!(due(minute(1, 59)).await.is_empty());
    assert_eq!(due(minute(1, 60)).await, [("Market", FIRST)]);
    assert_eq!(due(minute(2, 59)).await, [("Market", FIRST)]);
    // Nobody closes the days of the market meanwhile, or somebody does: the beach begins on the same day.
    let begins = ("Beach", day_of(1));
    assert_eq!(due(minute(2, 60)).await, [begins, ("Market", FIRST), ("Market", day_of(1))]);
    market.close(&world, 0).await.unwrap();
    market.close(&world, 1).await.unwrap();
    assert_eq!(due(minute(2, 60)).await, [begins]);
    assert!(conflict(beach.close(&world, 0).await).contains("the books of Beach begin after"));
    beach.close(&world, 1).await.unwrap();
    assert!(due(minute(2, 60)).await.is_empty());
}

/// The days of the market cannot be closed, and more of it waits than is looked at at once, twice.
#[tokio::test]
async fn a_place_begins_though_all_that_is_oldest_is_of_another_one() {
    let world = World::new().await;
    let (market, beach) = (Place::new(&world, "Market", 1).await, Place::new(&world, "Beach", 2).await);
    let package = world.package("one-hour", |_| {}).await;
    market.sale(&world, &package, "mpesa", minute(0, 600)).await;
    run(
        &world,
        "INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
         SELECT gen_random_uuid(), 'test:' || n, t.order_id, 'a test', t.posted_at + n * interval '1 millisecond'
         FROM ledger_transactions t CROSS JOIN generate_series(1, 40000) n WHERE t.key LIKE 'payment:%'",
    )
    .await;
    beach.sale(&world, &package, "mpesa", minute(0, 700)).await;
    // It stands in the last of three parts. The oldest one is looked at each time, the others in turn.
    let mut found = 0;
    for round in 0..2 {
        let when = minute(1, 60 + 2 * round);
        let due = day::due(&world.db, when, Duration::from_secs(3600)).await.unwrap();
        let first = |place: &Place| due.iter().find(|due| due.site == Some(place.site)).map(|due| due.day);
        assert_eq!(first(&market), Some(FIRST));
        found += i32::from(first(&beach) == Some(FIRST));
    }
    assert_eq!(found, 1);
    beach.close(&world, 0).await.unwrap();
}

#[tokio::test]
async fn the_portal_closes_each_day_in_its_order_by_itself() {
    let mut world = World::new().await;
    let market = Place::new(&world, "Market", 1).await;
    let package = world.package("one-hour", |_| {}).await;
    let now = world.clock.now();
    for days in [3, 5] {
        market.sale(&world, &package, "mpesa", now - time::Duration::days(days)).await;
    }
    world.start_portal().await;
    eventually("all days that are over are closed", || async {
        let due = day::due(&world.db, world.clock.now(), Duration::from_secs(3 * 3600)).await.unwrap();
        due.is_empty().then_some(())
    })
    .await;
    let (days, span, documents): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), (max(day) - min(day) + 1)::bigint, (SELECT count(*) FROM book_documents) FROM book_days",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((days, documents), (span, 2), "without a gap");
    assert!((4..=5).contains(&days), "yesterday may be open until three at night: {days}");
    assert_eq!(number(&world, "SELECT count(*) FROM unclosed_transactions").await, 0);
}

#[test]
fn names_and_taxes_are_the_same_rules_as_those_of_the_books() {
    for (method, currency) in [("mpesa", None), ("stripe", Some("USD")), ("cash", Some("TZS"))] {
        let ours = document::number(FIRST, "NBO1", method, currency);
        assert_eq!(ours, books::number::of_day(FIRST, "NBO1", method, currency));
    }
    assert_eq!(document::NO_SITE, books::number::NO_SITE);
    for rate in [0, 800, 1600, 10_000] {
        let theirs = books::tax::Rate::from_basis_points(rate).unwrap();
        for gross in -5000..5000 {
            assert_eq!(tax::of_gross(gross, rate), theirs.of_gross(gross), "{gross} at {rate}");
        }
    }
}

/// Something that happens at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Mobile,
    Card,
    CardWithFee,
    CardGivenBack,
}

#[derive(Clone, Debug)]
struct Happening {
    what: What,
    /// The day on which it is booked, of three.
    day: i64,
    minute: i64,
    /// By how many days its day is closed before the programs have written it down.
    late: i64,
}

fn happenings() -> impl Strategy<Value = Vec<(Happening, u32)>> {
    let what =
        proptest::sample::select(vec![What::Mobile, What::Card, What::Card, What::CardWithFee, What::CardGivenBack]);
    let one = (what, 0..3_i64, 0..1440_i64, prop_oneof![3 => Just(0_i64), 1 => 1..3_i64]);
    // The number says the order in which they arrive at the second place.
    let one = one.prop_map(|(what, day, minute, late)| Happening { what, day, minute, late });
    proptest::collection::vec((one, any::<u32>()), 0..7)
}

impl Happening {
    async fn happen(&self, world: &World, place: &Place, packages: &[Package; 2]) {
        let when = minute(self.day, self.minute);
        let package = &packages[usize::from(self.minute % 2 == 1)];
        let provider = if self.what == What::Mobile { "mpesa" } else { "stripe" };
        let payment = place.sale(world, package, provider, when).await;
        match self.what {
            What::Mobile | What::Card => {}
            What::CardWithFee => fee_of(world, payment, 35, when).await,
            What::CardGivenBack => {
                store::refund::ask(&world.db, payment, BY, when).await.unwrap();
            }
        }
    }
}

/// Lets all that happens arrive, in this order but for what is late, and closes a day when all of it that is in time has arrived; each day
/// twice. Returns the documents of each day.
async fn month(world: &World, place: &Place, packages: &[Package; 2], all: &[&Happening]) -> Vec<Vec<Document>> {
    let mut days = Vec::new();
    for today in 0..6_i64 {
        for happening in all.iter().filter(|one| one.day + one.late == today) {
            happening.happen(world, place, packages).await;
        }
        // The first day of a place without any is not in its order.
        let closed = place.close(world, today).await.unwrap();
        let again = place.close(world, today).await.unwrap();
        assert_eq!((again.is_new, &again.documents, again.day), (false, &closed.documents, closed.day));
        let mut documents = Vec::new();
        for number in &closed.documents {
            documents.push(open(world, number).await);
        }
        days.push(documents);
    }
    days
}

/// What a document says, but for where and who.
fn essence(document: &Document) -> String {
    let lines: Vec<String> = document.lines.iter().map(|line| format!("{line:?}")).collect();
    format!("{} {} {} {lines:?} {:?}", document.day, document.method, document.currency, document.entries)
}

/// The sums of accounts by the ledger, of what was booked at a place and of its tax.
async fn ledger(world: &World, place: &Place, numbers: &[String]) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT a.code, sum(e.amount_minor)::bigint FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
             JOIN ledger_accounts a ON a.id = e.account_id LEFT JOIN orders o ON o.id = t.order_id
         WHERE o.nas_id = $1 OR t.key = ANY ($2) GROUP BY a.code",
    )
    .bind(place.router)
    .bind(numbers.iter().map(|number| format!("vat:{number}")).collect::<Vec<String>>())
    .fetch_all(&world.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

async fn holds(world: &World, packages: &[Package; 2], places: u16, all: &[(Happening, u32)]) {
    let name = |which: u16| format!("Place {places} {which}");
    let one = Place::new(world, &name(1), 100 + 2 * places).await;
    let other = Place::new(world, &name(2), 101 + 2 * places).await;
    let given: Vec<&Happening> = all.iter().map(|(happening, _)| happening).collect();
    let mut mixed: Vec<&(Happening, u32)> = all.iter().collect();
    mixed.sort_by_key(|(_, order)| *order);
    let mixed: Vec<&Happening> = mixed.into_iter().map(|(happening, _)| happening).collect();
    let days = month(world, &one, packages, &given).await;
    let others = month(world, &other, packages, &mixed).await;
    let essences = |days: &[Vec<Document>]| -> Vec<Vec<String>> {
        days.iter().map(|documents| documents.iter().map(essence).collect()).collect()
    };
    assert_eq!(essences(&days), essences(&others), "in whatever order it arrives");
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let documents: Vec<&Document> = days.iter().flatten().collect();
    for document in &documents {
        adds_up(document);
        for entry in &document.entries {
            *sums.entry(entry.account.clone()).or_default() += entry.debit - entry.credit;
        }
    }
    let numbers: Vec<String> = documents.iter().map(|document| document.number.clone()).collect();
    assert_eq!(sums, ledger(world, &one, &numbers).await);
    // What is late is in the day that was open when it came.
    for (today, documents) in (0_i64..).zip(&days) {
        let came = given.iter().filter(|one| one.day + one.late == today).count();
        let sales: i64 = documents.iter().flat_map(|document| &document.lines).map(sold).sum();
        assert_eq!(i64::try_from(came).unwrap(), sales, "{today} of {all:?}");
    }
    assert_eq!(number(world, "SELECT count(*) FROM unclosed_transactions").await, 0);
}

fn sold(line: &document::Line) -> i64 {
    if line.kind == Kind::Sale { line.quantity } else { 0 }
}

#[test]
fn in_whatever_order_it_arrives_and_however_late_every_transaction_is_in_one_document_that_balances() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, packages) = runtime.block_on(async {
        let world = World::new().await;
        let packages = [
            world.package("one-hour", |_| {}).await,
            world.package("one-day", |package| package.price = Money::kes(5_000)).await,
        ];
        tax::set_letter(&world.db, None, "B", FIRST, BY, MIDNIGHT).await.unwrap();
        tax::set_letter(&world.db, Some(packages[1].id), "E", day_of(1), BY, MIDNIGHT).await.unwrap();
        (world, packages)
    });
    let places = std::sync::atomic::AtomicU16::new(0);
    let config = Config { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&happenings(), |all| {
        let case = places.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        runtime.block_on(holds(&world, &packages, case, &all));
        Ok(())
    });
    let _guard = runtime.enter();
    drop(world);
    outcome.unwrap();
}
