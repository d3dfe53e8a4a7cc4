//! Facts: what happened in an hour stands there as it happened, nothing is a zero and an outage is missing; summing twice changes nothing;
//! what comes late, or is taken back, finds its old hour, in whichever order; counting open sessions says when nobody was there to count.

use std::time::Duration;

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::AssertSqlSafe;
use store::accounting::{self, Event, Report, SessionKey};
use store::facts::{self, Measure};
use store::visit::{Step, Visited};
use tests::dice::Dice;
use tests::world::{World, at, first_report};
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// How many hours the place has been there.
const SINCE: u32 = 120;
const TABLES: [&str; 10] = [
    "nas_hourly",
    "site_hourly",
    "use_daily",
    "refusals_hourly",
    "payments_hourly",
    "payment_results_hourly",
    "endings_daily",
    "package_daily",
    "customer_monthly",
    "cohorts_monthly",
];

/// Hours of a router, of a site, and days of both, that are not what the rows say of which they are the sums.
const AMISS: [&str; 3] = [
    "SELECT count(*) FROM nas_hourly h
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT nas_id, started_at FROM sessions UNION ALL SELECT nas_id, started_at FROM sessions_ended) s
                         WHERE s.nas_id = h.nas_id AND s.started_at >= h.hour AND s.started_at < h.hour + interval '1 hour') begun
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM sessions_ended s
                         WHERE s.nas_id = h.nas_id AND s.ended_at >= h.hour AND s.ended_at < h.hour + interval '1 hour') ended
     CROSS JOIN LATERAL (SELECT coalesce(sum(input_octets), 0) AS input, coalesce(sum(output_octets), 0) AS output, coalesce(sum(seconds), 0) AS seconds
                         FROM usage_hourly u WHERE u.nas_id = h.nas_id AND u.hour = h.hour) used
     WHERE (h.logins, h.sessions_begun, h.sessions_ended, h.input_octets, h.output_octets, h.session_seconds)
           IS DISTINCT FROM (begun.n, begun.n, ended.n, used.input, used.output, used.seconds)",
    "SELECT count(*) FROM site_hourly h
     CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE o.state = 'paid') AS stands, coalesce(sum(o.amount_minor), 0) AS gross
                         FROM orders o JOIN nas n ON n.id = o.nas_id
                         WHERE n.site_id = h.site_id AND o.paid_at >= h.hour AND o.paid_at < h.hour + interval '1 hour') sold
     CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount_minor), 0) AS minor
                         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
                              JOIN orders o ON o.id = t.order_id JOIN nas n ON n.id = o.nas_id
                         WHERE n.site_id = h.site_id AND a.code = 'sales' AND e.amount_minor > 0
                           AND t.posted_at >= h.hour AND t.posted_at < h.hour + interval '1 hour') back
     CROSS JOIN LATERAL (SELECT count(*) AS n FROM payments y JOIN orders o ON o.id = y.order_id JOIN nas n ON n.id = o.nas_id
                         WHERE n.site_id = h.site_id AND y.created_at >= h.hour AND y.created_at < h.hour + interval '1 hour') tried
     WHERE (h.purchases, h.gross_minor, h.refunded_minor, h.payment_attempts) IS DISTINCT FROM (sold.stands, sold.gross, back.minor, tried.n)",
    "SELECT count(*) FROM (
         SELECT (hour AT TIME ZONE 'UTC')::date, site_id, nas_id, count(*) FILTER (WHERE NOT observed), max(peak_sessions), sum(logins),
                sum(input_octets), sum(output_octets), max(output_octets)
         FROM (SELECT hour, site_id, nas_id, observed, peak_sessions, logins, input_octets, output_octets FROM nas_hourly
               UNION ALL
               SELECT hour, site_id, '00000000-0000-0000-0000-000000000000', observed, peak_sessions, logins, input_octets, output_octets FROM site_hourly) h
         GROUP BY 1, 2, 3
         EXCEPT
         SELECT day, site_id, nas_id, missing, peak_sessions, logins, input_octets, output_octets, busiest_octets FROM use_daily) days",
];

/// A site with a router, a package and a customer, half past an hour.
struct Place {
    world: World,
    site: Uuid,
    nas: Uuid,
    package: store::package::Package,
    user: Uuid,
    now: OffsetDateTime,
}

impl Place {
    async fn new() -> Place {
        let world = World::new().await;
        let now = shared::time::hour_of(world.clock.now()) + MINUTE * 30;
        let site = store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, 1]) };
        let nas = world.register("market", b"secret", settings).await;
        let package = world.package("one-hour", |_| {}).await;
        let phone = "0712345678".parse().unwrap();
        let user = store::user::ensure(&world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
        let place = Place { world, site, nas, package, user, now };
        for table in ["nas", "sites"] {
            let statement = format!("UPDATE {table} SET created_at = $1");
            let since = place.ago(SINCE);
            sqlx::query(AssertSqlSafe(statement)).bind(since).execute(&place.world.pool).await.unwrap();
        }
        place
    }

    /// Where an hour begins.
    fn ago(&self, hours: u32) -> OffsetDateTime {
        shared::time::hour_of(self.now) - HOUR * hours
    }

    /// Does all rounds that there are to do.
    async fn sum_up(&self, now: OffsetDateTime) {
        for _ in 0..50 {
            let more = store::rollup::advance(&self.world.db, now).await.unwrap();
            if !(facts::advance(&self.world.db, now).await.unwrap() || more) {
                return;
            }
        }
        panic!("there is no end to it");
    }

    /// Runs a statement of a moment and an identity.
    async fn run(&self, statement: &str, moment: OffsetDateTime, id: Uuid) {
        let statement = sqlx::query(AssertSqlSafe(statement.to_owned())).bind(moment).bind(id);
        statement.execute(&self.world.pool).await.unwrap();
    }

    async fn number(&self, statement: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&self.world.pool).await.unwrap()
    }

    /// The values of the hours from so many ago to before so many ago.
    async fn values(&self, measure: Measure, site: Uuid, from: u32, until: u32) -> Vec<Option<f64>> {
        let (from, until) = (self.ago(from), self.ago(until));
        let hours = facts::hours(&self.world.db, measure, Some(site), from, until).await.unwrap();
        hours.into_iter().map(|(_, value)| value).collect()
    }

    /// A package is bought by M-Pesa, and booked. Returns the order.
    async fn sale(&self, code: &str, moment: OffsetDateTime) -> Uuid {
        let (order, payment) = (shared::rng::id(self.now), shared::rng::id(self.now));
        sqlx::query(
            "WITH sold AS (
                 INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
                 VALUES ($1, $2, $3, '+254712345678', $4, '{\"name\":\"one hour\"}', 2000, 'KES', $5, 'paid', $6, $6::timestamptz - interval '7 seconds', $6))
             INSERT INTO payments (id, order_id, provider, amount_minor, currency, receipt, state, created_at, updated_at)
             VALUES ($7, $1, 'mpesa', 2000, 'KES', $2, 'succeeded', $6::timestamptz - interval '7 seconds', $6)",
        )
        .bind(order)
        .bind(code)
        .bind(self.user)
        .bind(self.package.id)
        .bind(self.nas)
        .bind(moment)
        .bind(payment)
        .execute(&self.world.pool)
        .await
        .unwrap();
        self.book(&format!("payment:{payment}"), order, ("mpesa", "sales"), moment).await;
        order
    }

    async fn book(&self, key: &str, order: Uuid, (debit, credit): (&str, &str), moment: OffsetDateTime) {
        sqlx::query(
            "WITH booked AS (
                 INSERT INTO ledger_transactions (id, key, order_id, description, posted_at) VALUES (gen_random_uuid(), $1, $2, 'a test', $5)
                 RETURNING id)
             INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT gen_random_uuid(), booked.id, a.id, CASE a.code WHEN $3 THEN 2000 ELSE -2000 END, 'KES'
             FROM booked, ledger_accounts a WHERE a.code IN ($3, $4)",
        )
        .bind(key)
        .bind(order)
        .bind(debit)
        .bind(credit)
        .bind(moment)
        .execute(&self.world.pool)
        .await
        .unwrap();
    }

    /// What was sold goes back.
    async fn give_back(&self, order: Uuid, moment: OffsetDateTime) {
        let statement = "UPDATE orders SET state = 'refund_due', updated_at = $1 WHERE id = $2";
        self.run(statement, moment, order).await;
        self.book(&format!("refund_due:{order}"), order, ("sales", "refunds_due"), moment).await;
    }

    /// The customer's access. Returns its entitlement.
    async fn access(&self, login: &str) -> Uuid {
        let id = self.world.grant(&self.package, login, "siri").await;
        let whose = "UPDATE entitlements SET user_id = $1 WHERE id = $2";
        sqlx::query(whose).bind(self.user).bind(id).execute(&self.world.pool).await.unwrap();
        id
    }

    /// A session of ten minutes in which 900 octets came down.
    async fn session(&self, entitlement: Uuid, begins: OffsetDateTime) {
        let session = SessionKey { id: shared::rng::id(begins), opened_on: begins.date() };
        let acct_session_id = session.id.to_string();
        let start =
            Report { session, entitlement: Some(entitlement), acct_session_id, ..first_report(self.nas, begins) };
        let stop = Report {
            event: Event::Stop,
            seconds: 600,
            input_octets: 100,
            output_octets: 900,
            terminate_cause: Some("User-Request".into()),
            at: begins + MINUTE * 10,
            ..start.clone()
        };
        accounting::record(&self.world.db, &[start, stop], self.now).await.unwrap();
    }

    /// All facts, as one text.
    async fn all(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in TABLES {
            let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t");
            let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&self.world.pool).await.unwrap();
            all.push(format!("{table}\n{rows}"));
        }
        all
    }
}

#[tokio::test]
async fn an_hour_is_as_it_was_and_summing_it_twice_changes_nothing() {
    let place = Place::new().await;
    let (db, busy) = (&place.world.db, place.ago(3));
    let order = place.sale("ABCD2341", busy + MINUTE * 5).await;
    let access = place.access("amina").await;
    let bought = "UPDATE entitlements SET order_id = $1 WHERE id = $2";
    sqlx::query(bought).bind(order).bind(access).execute(&place.world.pool).await.unwrap();
    place.session(access, busy + MINUTE * 10).await;
    let visited =
        Visited { nas: place.nas, mac: "02:00:00:00:00:01".parse().unwrap(), step: Step::Paying, said: String::new() };
    store::visit::record(db, &visited, busy + MINUTE).await.unwrap();
    let (first_at, last_at) = (busy + MINUTE, busy + MINUTE * 2);
    let refused = store::refusal::Refused {
        nas: place.nas,
        mac: Some(visited.mac),
        name: b"amina".as_slice().into(),
        reason: "wrong_password",
        first_at,
        last_at,
        times: 4,
    };
    store::refusal::record(db, &[refused]).await.unwrap();
    let outage = "INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
         VALUES (gen_random_uuid(), $2, $1 + interval '10 minutes', $1 + interval '130 minutes', $1 + interval '20 minutes')";
    place.run(outage, place.ago(6), place.nas).await;
    place.sum_up(place.now).await;

    // Dark for fifty minutes, for sixty and for ten.
    let sold = place.values(Measure::Purchases, place.site, 8, 2).await;
    assert_eq!(sold, [Some(0.0), Some(0.0), None, None, Some(0.0), Some(1.0)]);
    let one = |measure| place.values(measure, place.site, 3, 2);
    assert_eq!(one(Measure::Revenue).await, [Some(2000.0)]);
    assert_eq!(one(Measure::Octets).await, [Some(900.0)]);
    assert_eq!(one(Measure::Sessions).await, [Some(1.0)]);
    assert_eq!(one(Measure::FailedLogins).await, [Some(4.0)]);
    assert_eq!(one(Measure::PaymentFailures).await, [Some(0.0)]);
    let steps = "SELECT (seen * 10000 + chosen * 1000 + paying * 100 + paid * 10 + online)::bigint FROM site_hourly WHERE purchases = 1";
    assert_eq!(place.number(steps).await, 11_111);
    let packages = facts::package_hours(db, place.package.id, Some(place.site), place.ago(6), place.ago(2)).await;
    let packages: Vec<Option<f64>> = packages.unwrap().into_iter().map(|(_, value)| value).collect();
    assert_eq!(packages, [None, None, Some(0.0), Some(1.0)]);
    // The site and its router have a row for each hour since they are there, this one included.
    let hours = i64::from(SINCE) + 1;
    assert_eq!(place.number("SELECT count(*) FROM nas_hourly").await, hours);
    let at_sites = "SELECT count(*) FROM site_hourly WHERE site_id <> '00000000-0000-0000-0000-000000000000'";
    assert_eq!(place.number(at_sites).await, hours);
    assert_eq!(facts::sites_with_facts(db).await.unwrap()[0].since, place.ago(SINCE));
    let within = "SELECT confirmed_within[3] FROM payments_hourly WHERE attempts = 1 AND succeeded = 1";
    assert_eq!(place.number(within).await, 1, "seven seconds are more than five and no more than ten");
    assert_eq!(place.number("SELECT lasted_until[3] FROM endings_daily WHERE cause = 'User-Request'").await, 1);
    let used = "SELECT (purchases * 1000 + output_octets)::bigint FROM customer_monthly";
    assert_eq!(place.number(used).await, 1900);
    assert_eq!(place.number("SELECT buyers FROM cohorts_monthly").await, 1);
    assert_eq!(place.number("SELECT count(*) FROM facts_dirty").await, 0, "nothing of it is late");

    let before = place.all().await;
    place.sum_up(place.now).await;
    assert_eq!(place.all().await, before);
    // Nor does all of it from the beginning.
    facts::begin_anew(db).await.unwrap();
    place.sum_up(place.now).await;
    assert_eq!(place.all().await, before);
    // Money that goes back is taken from the hour in which it goes; the purchase stands no more.
    place.give_back(order, place.ago(1) + MINUTE).await;
    place.sum_up(place.now + HOUR).await;
    assert_eq!(place.values(Measure::Revenue, place.site, 3, 0).await, [Some(2000.0), Some(0.0), Some(-2000.0)]);
    assert_eq!(one(Measure::Purchases).await, [Some(0.0)]);
}

#[tokio::test]
async fn what_is_bought_for_another_is_sold_once() {
    let place = Place::new().await;
    let order = place.sale("ABCD2343", place.ago(3) + MINUTE).await;
    place.access("amina").await;
    // The order became a voucher, which counts as sold as soon as it is there.
    let voucher = "WITH batch AS (
             INSERT INTO voucher_batches (id, package_id, size, package_name, price_minor, currency, created_by, created_at, for_order)
             SELECT gen_random_uuid(), package_id, 1, 'one hour', amount_minor, currency, 'test', $1, true FROM orders WHERE id = $2 RETURNING id)
         INSERT INTO vouchers (id, batch_id, entitlement_id, state, sold_at, sold_by, order_id)
         SELECT gen_random_uuid(), batch.id, e.id, 'sold', $1, 'test', $2 FROM batch, entitlements e";
    place.run(voucher, place.ago(3) + MINUTE, order).await;
    place.sum_up(place.now).await;
    assert_eq!(place.values(Measure::Revenue, place.site, 3, 2).await, [Some(2000.0)]);
    assert_eq!(place.number("SELECT sum(purchases)::bigint FROM site_hourly").await, 1);
    assert_eq!(place.number("SELECT sum(orders)::bigint FROM sales_hourly").await, 1);
    assert_eq!(place.number("SELECT sum(purchases * 10000 + gross_minor)::bigint FROM package_daily").await, 12_000);
    let first_page = store::overview::sold(&place.world.db, place.ago(5), place.now, &SiteScope::All).await.unwrap();
    assert_eq!(first_page.iter().map(|sold| sold.orders).sum::<u64>(), 1);
}

#[tokio::test]
async fn what_is_late_or_taken_back_finds_its_old_hour() {
    let place = Place::new().await;
    let (db, pool) = (&place.world.db, &place.world.pool);
    let order = place.sale("ABCD2342", place.ago(96) + MINUTE).await;
    place.world.voucher(&place.package, &shared::voucher::new_code()).await;
    place.run("UPDATE vouchers SET state = 'sold', sold_at = $1, sold_by = $2::text", place.ago(95), place.user).await;
    let access = place.access("amina").await;
    place.sum_up(place.now).await;
    let nobody = Uuid::nil();
    assert_eq!(place.values(Measure::Purchases, place.site, 96, 95).await, [Some(1.0)]);
    assert_eq!(place.values(Measure::Purchases, nobody, 95, 94).await, [Some(1.0)]);
    assert_eq!(place.values(Measure::Octets, place.site, 94, 93).await, [Some(0.0)]);

    place.give_back(order, place.now).await;
    let voucher: Uuid = sqlx::query_scalar("SELECT id FROM vouchers").fetch_one(pool).await.unwrap();
    store::voucher::void(db, store::voucher::Which::Ids(&[voucher]), "lost", "test", place.now).await.unwrap();
    // The router had no line for four days, and tells now.
    place.session(access, place.ago(94) + MINUTE).await;
    let late: Vec<OffsetDateTime> =
        sqlx::query_scalar("SELECT DISTINCT hour FROM facts_dirty ORDER BY hour").fetch_all(pool).await.unwrap();
    assert_eq!(late, [place.ago(96), place.ago(95), place.ago(94)]);

    place.sum_up(place.now).await;
    assert_eq!(place.values(Measure::Purchases, place.site, 96, 95).await, [Some(0.0)]);
    assert_eq!(place.values(Measure::Purchases, nobody, 95, 94).await, [Some(0.0)]);
    assert_eq!(place.values(Measure::Octets, place.site, 94, 93).await, [Some(900.0)]);
    assert_eq!(place.number("SELECT count(*) FROM facts_dirty").await, 0);
    assert_eq!(place.number("SELECT count(*) FROM sales_hourly").await, 0, "the charts' sums follow too");
    assert_eq!(place.number("SELECT sum(output_octets)::bigint FROM traffic_hourly").await, 900);
    assert_eq!(place.number("SELECT sum(sessions)::bigint FROM endings_daily").await, 1);
    // Months follow within the hour.
    place.sum_up(place.now + HOUR).await;
    let used = "SELECT sum(purchases * 1000 + output_octets)::bigint FROM customer_monthly";
    assert_eq!(place.number(used).await, 900);
}

#[tokio::test]
async fn a_session_that_is_told_late_is_counted_where_it_begins_and_ends_also_where_nothing_was_used() {
    let place = Place::new().await;
    let db = &place.world.db;
    let access = place.access("amina").await;
    place.sum_up(place.now).await;
    // One ends as an hour begins.
    place.session(access, place.ago(94) - MINUTE * 10).await;
    // Of one nobody knows whose it is.
    let start = first_report(place.nas, place.ago(90) + MINUTE);
    let stop = Report { event: Event::Stop, seconds: 3600, at: start.at + HOUR, ..start.clone() };
    accounting::record(db, &[start, stop], place.now).await.unwrap();
    // One was open when its router fell silent, and nobody was there to see it.
    let begins = place.ago(80) + MINUTE;
    let acct_session_id = "80100002".to_owned();
    let start = Report { entitlement: Some(access), acct_session_id, ..first_report(place.nas, begins) };
    let last = Report { event: Event::Interim, seconds: 3600, at: begins + HOUR, ..start.clone() };
    accounting::record(db, &[start, last], place.now).await.unwrap();
    place.sum_up(place.now).await;
    let ended = "SELECT sum(sessions_ended)::bigint FROM nas_hourly";
    assert_eq!((place.number(ended).await, place.number(AMISS[0]).await), (2, 0));
    assert_eq!(accounting::close_silent(db, HOUR, HOUR, place.now).await.unwrap().silent, 1);
    place.sum_up(place.now).await;
    assert_eq!((place.number(ended).await, place.number(AMISS[0]).await), (3, 0));
    assert_eq!(place.number("SELECT sum(sessions)::bigint FROM endings_daily").await, 3);
}

/// A router says that a session has lasted for a century: the facts go back no further than they would otherwise, and come to an end.
#[tokio::test]
async fn a_session_of_a_century_takes_no_facts_back_to_its_beginning() {
    let place = Place::new().await;
    let db = &place.world.db;
    place.sum_up(place.now).await;
    let start = first_report(place.nas, place.ago(90) + MINUTE);
    let stop = Report { event: Event::Stop, seconds: u64::from(u32::MAX), ..start.clone() };
    accounting::record(db, &[start, stop], place.now).await.unwrap();
    place.sum_up(place.now).await;
    let old = "SELECT count(*) FROM site_hourly WHERE hour < now() - interval '1 year'";
    assert_eq!(place.number(old).await, 0);
    facts::begin_anew(db).await.unwrap();
    place.sum_up(place.now).await;
    assert_eq!(place.number("SELECT count(*) FROM facts_mark WHERE through < now() - interval '1 year'").await, 0);
    assert_eq!(place.number(old).await, 0);
}

/// Sales, what goes back of them and sessions that are told of at once, or days later, in any order, with rounds in between wherever they fall.
#[tokio::test]
async fn whatever_the_order_an_hour_is_the_sum_of_its_rows() {
    let seed = Dice::shaken().draw();
    println!("seed {seed}");
    let (mut dice, place) = (Dice::seeded(seed), Place::new().await);
    let access = place.access("amina").await;
    // A session of ten minutes ends within an hour, as the next one begins, or in it.
    let ago = |dice: &mut Dice, most: u64| {
        let hours = u32::try_from(dice.between(1, most)).unwrap();
        place.ago(hours) + MINUTE * u32::try_from(dice.between(0, 59)).unwrap()
    };
    let code = |number: u32| format!("DICE{number:04}");
    let mut sold = Vec::new();
    // What was sold before anything was summed up lies as far back as the place is old; later, money comes as it is paid.
    for number in 0..8 {
        let moment = ago(&mut dice, u64::from(SINCE) - 1);
        sold.push(place.sale(&code(number), moment).await);
    }
    for number in 8..40 {
        match dice.between(0, 3) {
            0 => {
                let moment = ago(&mut dice, 40);
                sold.push(place.sale(&code(number), moment).await);
            }
            1 if !sold.is_empty() => {
                let which = usize::try_from(dice.draw() % sold.len() as u64).unwrap();
                place.give_back(sold.swap_remove(which), place.now).await;
            }
            _ => {
                let moment = ago(&mut dice, u64::from(SINCE) - 1);
                place.session(access, moment).await;
            }
        }
        if dice.chance(20) {
            place.sum_up(place.now).await;
        }
    }
    // The first round of the next hour looks two days back.
    place.sum_up(place.now + HOUR).await;
    for amiss in AMISS {
        assert_eq!(place.number(amiss).await, 0, "seed {seed}: {amiss}");
    }
    let seen = "SELECT sum(sessions_begun + purchases + refunded_minor)::bigint FROM site_hourly";
    assert!(place.number(seen).await > 8, "seed {seed}: something was summed");
    assert_eq!(place.number("SELECT count(*) FROM facts_dirty").await, 0, "seed {seed}");
}

#[tokio::test]
async fn open_sessions_are_counted_once_a_minute_and_an_hour_without_is_missing() {
    let place = Place::new().await;
    let db = &place.world.db;
    let access = place.access("amina").await;
    for name in ["first", "second"] {
        let session = SessionKey { id: shared::rng::id(place.now), opened_on: place.now.date() };
        let report = Report {
            session,
            entitlement: Some(access),
            acct_session_id: name.into(),
            ..first_report(place.nas, place.now - MINUTE)
        };
        accounting::record(db, &[report], place.now).await.unwrap();
    }
    assert!(facts::sample(db, place.now).await.unwrap());
    assert!(!facts::sample(db, place.now + Duration::from_secs(59)).await.unwrap(), "another portal was first");
    sqlx::query("DELETE FROM sessions WHERE acct_session_id = 'second'").execute(&place.world.pool).await.unwrap();
    assert!(facts::sample(db, place.now + MINUTE).await.unwrap());
    let seen = "SELECT (minutes_seen * 100 + peak_sessions)::bigint FROM nas_hourly WHERE minutes_seen > 0";
    assert_eq!(place.number(seen).await, 202);
    // Nothing runs for two hours.
    let back = place.now + HOUR * 3;
    assert!(facts::sample(db, back).await.unwrap());
    place.sum_up(back).await;
    let hours = facts::hours(db, Measure::Sessions, Some(place.site), place.ago(1), back).await.unwrap();
    let hours: Vec<Option<f64>> = hours.into_iter().map(|(_, most)| most).collect();
    assert_eq!(hours, [Some(0.0), Some(2.0), None, None, Some(1.0)]);
}

#[tokio::test]
async fn what_is_summed_up_and_said_of_a_person_is_handed_over_and_goes_with_the_person() {
    let place = Place::new().await;
    let (db, phone) = (&place.world.db, "0712345678".parse().unwrap());
    for statement in [
        "INSERT INTO customer_monthly (month, site_id, user_id, purchases, amount_minor) VALUES (date_trunc('month', $1)::date, gen_random_uuid(), $2, 3, 6000)",
        "INSERT INTO purchase_chances (user_id, site_id, made_at, chance_7, chance_30, expected_minor, worth_minor, currency, last_at, purchases,
             is_leaving, reasons)
         VALUES ($2, gen_random_uuid(), $1, .25, .5, 900, 1800, 'KES', $1, 3, false, '{often}')",
        "WITH m AS (INSERT INTO purchase_models (id, window_days, made_at, cut, weights, baseline_yes, baseline_no, is_used)
                    VALUES (gen_random_uuid(), 7, $1, $1, '{}', .5, .1, true) RETURNING id)
         INSERT INTO purchase_said (model_id, user_id, chance) SELECT id, $2, .25 FROM m",
        "WITH c AS (INSERT INTO campaigns (id, name, text, text_sw, audience, filter, site_ids, seed, held_out_percent, measured_until, created_by, created_at)
                    VALUES (gen_random_uuid(), 'Rain', 'Come', 'Njoo', 'likely', '{}', '{}', 'a', 10, $1, 'test', $1) RETURNING id)
         INSERT INTO campaign_members (campaign_id, user_id, lot, is_held_out) SELECT id, $2, 1, true FROM c",
    ] {
        place.run(statement, place.now, place.user).await;
    }
    let known = store::person::export(db, &phone).await.unwrap().unwrap();
    assert_eq!(known["months"][0]["amount_minor"], 6000);
    assert_eq!(known["predictions"]["now"]["why"][0], "often");
    assert_eq!(known["predictions"]["before"][0]["within_days"], 7);
    assert_eq!(
        (&known["campaigns"][0]["campaign"], &known["campaigns"][0]["left_out"]),
        (&"Rain".into(), &true.into())
    );
    store::person::erase(db, &phone, false, "test", place.now).await.unwrap().unwrap();
    let left = "SELECT (SELECT count(*) FROM customer_monthly) + (SELECT count(*) FROM purchase_chances)
             + (SELECT count(*) FROM purchase_said) + (SELECT count(*) FROM campaign_members)";
    assert_eq!(place.number(left).await, 0);
}
