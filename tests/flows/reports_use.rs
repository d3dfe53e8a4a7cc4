//! What the reports of use and trouble say, out of facts by the hour, the day and the month: their figures, who sees which of them, and what is
//! left out for whoever is limited to a site. Facts stand ten days back and no portal sums them up anew.

use shared::staff::Role;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::admin::people;
use tests::world::{World, at};
use uuid::Uuid;

use crate::operator::{Operator, audited, by_operator, make};

/// Ten days ago, at nine in the morning of Nairobi.
const THEN: &str = "(date_trunc('day', now(), 'UTC') - interval '10 days' + interval '6 hours')";

async fn sql(world: &World, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&world.pool).await.unwrap();
}

/// A site with a router.
async fn site(world: &World, name: &str, number: u8) -> Uuid {
    let now = world.clock.now();
    let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
    let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
    world.register(&name.to_lowercase(), b"secret", settings).await;
    site
}

/// Two sites with a router each. While what comes last is held, no portal sums up hours and months; it goes before the world does.
async fn two_sites() -> (World, Uuid, Uuid, Transaction<'static, Postgres>) {
    let mut world = World::new().await;
    let mut still = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE facts_mark IN EXCLUSIVE MODE").execute(&mut *still).await.unwrap();
    let (market, beach) = (site(&world, "Market", 1).await, site(&world, "Beach", 2).await);
    world.start_portal().await;
    (world, market, beach, still)
}

/// Three hours in which 900 MB went down and 90 MB up, with twelve sessions at most, and how far guests came.
async fn hours(world: &World) {
    for (table, key, from) in [("nas_hourly", "nas_id, ", "n.id, "), ("site_hourly", "", "")] {
        sql(
            world,
            &format!(
                "INSERT INTO {table} (hour, {key}site_id, peak_sessions, logins, input_octets, output_octets, seen, chosen, paying)
                 SELECT {THEN} + make_interval(hours => h), {from}n.site_id, 12, 30, 90000000, 900000000, 20, 10, 9
                 FROM nas n, generate_series(0, 2) h
                 ON CONFLICT DO NOTHING"
            ),
        )
        .await;
    }
    for (table, nas) in [("nas_hourly", "nas_id"), ("site_hourly", "'00000000-0000-0000-0000-000000000000'::uuid")] {
        sql(
            world,
            &format!(
                "INSERT INTO use_daily (day, site_id, nas_id, missing, peak_sessions, logins, input_octets, output_octets, busiest_octets)
                 SELECT {THEN}::date, site_id, {nas}, 0, max(peak_sessions), sum(logins), sum(input_octets), sum(output_octets), max(output_octets)
                 FROM {table} WHERE hour >= {THEN} AND hour < {THEN} + interval '3 hours' GROUP BY site_id, 3"
            ),
        )
        .await;
    }
    sql(world, "UPDATE site_hourly SET paid = 6, online = 5, purchases = 6, gross_minor = 12000 WHERE seen = 20").await;
}

/// A file of a report: its lines, each as its cells.
async fn lines(operator: &Operator, path: &str) -> Vec<Vec<String>> {
    let (_, octets) = operator.file(path).await;
    let text = String::from_utf8(octets).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The line that begins so.
fn line<'a>(lines: &'a [Vec<String>], begin: &str) -> &'a [String] {
    lines.iter().find(|line| line[0] == begin).unwrap_or_else(|| panic!("no {begin}: {lines:?}"))
}

/// Somebody who helps at one site.
async fn limited(world: &World, site: Uuid) -> Operator {
    make(world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[site]).await.unwrap();
    Operator::again(world, "amina@example.org").await
}

#[tokio::test]
async fn what_is_used_is_told_by_site_and_to_nobody_of_another_one() {
    let (world, market, beach, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    hours(&world).await;
    sql(
        &world,
        &format!(
            "INSERT INTO endings_daily (day, nas_id, site_id, cause, by_hour, lasted_until, sessions, seconds)
             SELECT {THEN}::date, id, site_id, 'Idle-Timeout', array_fill(0::bigint, ARRAY[20]) || '{{8,0,0,0}}'::bigint[],
                    '{{0,0,8,0,0,0,0,0,0,0}}', 8, 4800 FROM nas"
        ),
    )
    .await;
    let sites = lines(&operator, "/admin/reports/use/network.csv?section=sites").await;
    let told = ["Market", "2700000000", "270000000", "2.0", "2.0", "12", "10.0"];
    assert_eq!(line(&sites, "Market"), told);
    assert_eq!(line(&sites, "Beach")[1..], told[1..]);
    let routers = lines(&operator, "/admin/reports/use/network.csv?section=routers").await;
    assert_eq!(line(&routers, "market")[1..], told[1..]);
    // Nine in the morning, and both sites together.
    let by_hour = lines(&operator, "/admin/reports/use/network.csv?section=hours").await;
    assert_eq!(line(&by_hour, "09:00")[3..], ["4.0", "24"]);

    let lengths = lines(&operator, "/admin/reports/use/behaviour.csv?section=lengths").await;
    assert_eq!(line(&lengths, "up to 15 minutes"), ["up to 15 minutes", "16", "100.00", "0"]);
    let ended = lines(&operator, "/admin/reports/use/behaviour.csv?section=hours").await;
    assert_eq!(line(&ended, "23:00"), ["23:00", "16", "100.00"], "20:00 of UTC in Nairobi");
    operator.get("/admin/reports/use/behaviour").await.says(200, "nothing was sent or asked for a while");

    let amina = limited(&world, market).await;
    let sites = lines(&amina, "/admin/reports/use/network.csv?section=sites").await;
    assert_eq!(sites, [told.map(str::to_owned)]);
    for report in ["network", "behaviour", "capacity", "heavy", "authentication", "alert-log"] {
        let page = amina.get(&format!("/admin/reports/use/{report}")).await;
        assert!(page.status == 200 && !page.text.to_lowercase().contains("beach"), "{report}: {}", page.text);
        amina.get(&format!("/admin/reports/use/{report}?site={beach}")).await.says(422, "Choose one of these.");
    }
}

#[tokio::test]
async fn a_site_is_full_by_its_limit_and_the_forecast_says_when_it_will_be() {
    let (world, market, _, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    hours(&world).await;
    let page = format!("/admin/sites/{market}");
    let fields = |limit: &'static str| [("name", "Market"), ("time_zone", "Africa/Nairobi"), ("session_limit", limit)];
    operator.post(&page, &fields("none")).await.says(422, "Write a whole number from 1 to 1000000.");
    operator.post(&page, &fields("10")).await.says(200, "Market");
    operator.get(&page).await.says(200, "name=\"session_limit\"");
    assert_eq!(audited(&world, "site.change").await, by_operator(&["Market"]));
    let forecast = format!(
        "INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, expected, typical, low80, high80, low95, high95, naive)
         SELECT gen_random_uuid(), 'sessions', '{market}', '00000000-0000-0000-0000-000000000000', date_trunc('hour', now(), 'UTC') + interval '1 hour',
                now(), 'as last week', 'own', e, e, l, h, l, h, e
         FROM (SELECT array_fill(20::float8, ARRAY[168]) AS e, array_fill(18::float8, ARRAY[168]) AS l, array_fill(22::float8, ARRAY[168]) AS h) f
         ON CONFLICT (measure, site_id, package_id, origin) DO UPDATE SET expected = EXCLUDED.expected, typical = EXCLUDED.typical,
             low80 = EXCLUDED.low80, high80 = EXCLUDED.high80, low95 = EXCLUDED.low95, high95 = EXCLUDED.high95, is_shown = true"
    );
    sql(&world, &forecast).await;
    let sites = lines(&operator, "/admin/reports/use/capacity.csv?section=sites").await;
    let told = line(&sites, "Market");
    assert_eq!(told[1..5], ["10", "12", "12", "3"], "all three hours were full");
    let (chance, hours): (f64, f64) = (told[5].parse().unwrap(), told[6].parse().unwrap());
    assert!(chance > 90.0 && hours > 150.0, "twenty are expected where nine are full: {told:?}");
    assert_eq!(line(&sites, "Beach")[1], "", "nobody said how many it can carry");
    let ahead = lines(&operator, &format!("/admin/reports/use/capacity.csv?section=ahead&site={market}")).await;
    assert_eq!(ahead.len(), 168);
    // Twelve are less than the limit of a hundred.
    operator.post(&page, &fields("100")).await.says(200, "Market");
    let sites = lines(&operator, "/admin/reports/use/capacity.csv?section=sites").await;
    assert_eq!(line(&sites, "Market")[1..5], ["100", "12", "12", "0"]);
}

#[tokio::test]
async fn who_uses_most_is_told_with_the_share_of_the_site_and_masked_for_some() {
    let (world, market, _, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    let phone = "0712345678".parse().unwrap();
    let now = world.clock.now();
    let user = store::user::ensure(&world.db, shared::rng::id(now), &phone, "Asha", now).await.unwrap();
    hours(&world).await;
    sql(
        &world,
        &format!(
            "INSERT INTO customer_monthly (month, site_id, user_id, input_octets, output_octets, session_seconds)
             VALUES (date_trunc('month', {THEN} AT TIME ZONE 'Africa/Nairobi')::date, '{market}', '{user}', 148500000, 1336500000, 7200)"
        ),
    )
    .await;
    let users = lines(&operator, "/admin/reports/use/heavy.csv").await;
    let told = line(&users, "'+254712345678");
    assert_eq!(told[2..9], ["1336500000", "148500000", "7200", "0", "1", "Market", "50.00"]);
    operator.get("/admin/reports/use/heavy?least=10").await.says(200, "Nobody used so much in this time.");
    let looks = Operator::sign_in_as(&world, "looks@example.org", Role::ReadOnly).await;
    let page = looks.get("/admin/reports/use/heavy").await;
    page.says(200, "07xx xxx 678");
    assert!(!page.text.contains("712345678") && !page.text.contains("Asha"), "{}", page.text);
}

#[tokio::test]
async fn refused_logins_are_told_by_reason_and_bursts_are_found() {
    let (world, _, _, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    hours(&world).await;
    sql(
        &world,
        &format!(
            "INSERT INTO refusals_hourly (hour, nas_id, site_id, reason, times, devices)
             SELECT {THEN} + interval '1 hour', id, site_id, r.reason, r.times, 1
             FROM nas, (VALUES ('bad_password', 10), ('unknown_device', 50)) r (reason, times) WHERE name = 'market'"
        ),
    )
    .await;
    let routers = lines(&operator, "/admin/reports/use/authentication.csv?section=routers").await;
    assert_eq!(line(&routers, "market"), ["market", "90", "10", "10.00", "50", "1"]);
    assert_eq!(line(&routers, "beach"), ["beach", "90", "0", "0.00", "0", "0"]);
    let bursts = lines(&operator, "/admin/reports/use/authentication.csv?section=bursts").await;
    assert_eq!((bursts.len(), bursts[0][2].as_str(), bursts[0][4].as_str()), (1, "market", "10"));
    let expired = lines(&operator, "/admin/reports/use/authentication.csv?section=routers&reason=expired").await;
    assert_eq!(line(&expired, "market")[2], "0");
    operator.get("/admin/reports/use/authentication?reason=weather").await.says(422, "Choose one of these.");
    operator.get("/admin/reports/use/authentication").await.says(200, "The password is not right.");
}

#[tokio::test]
async fn alerts_are_told_with_who_minded_them_and_whether_they_were_real() {
    let (world, market, beach, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    for (site, kind, title, note) in [
        (market, "router_silent", "the market is silent", "false: a test"),
        (beach, "router_silent", "the beach is silent", "the line was cut"),
        (market, "payment_failures", "nobody can pay", "M-Pesa was away"),
    ] {
        sql(
            &world,
            &format!(
                "INSERT INTO alerts (id, kind, subject, site_id, title, detail, severity, state, first_seen_at, last_seen_at, opened_at, told_at,
                                     acknowledged_at, acknowledged_by, note, resolved_at)
                 SELECT gen_random_uuid(), '{kind}', '{title}', '{site}', '{title}', '{{\"lines\": [\"usual is 2\"]}}', 'warning', 'resolved', at, at, at,
                        at + interval '20 seconds', at + interval '2 minutes', 'asha@example.org', '{note}', at + interval '1 hour'
                 FROM (SELECT {THEN} AS at) o"
            ),
        )
        .await;
    }
    let kinds = lines(&operator, "/admin/reports/use/alert-log.csv?section=kinds").await;
    assert_eq!(line(&kinds, "router_silent"), ["router_silent", "2", "2", "1", "1", "120", "3600"]);
    assert_eq!(line(&kinds, "payment_failures")[3..5], ["1", "0"]);
    let page = operator.get("/admin/reports/use/alert-log?kind=payment_failures").await;
    for words in ["Nobody can pay.", "usual is 2", "asha@example.org", "M-Pesa was away", "1 hour"] {
        page.says(200, words);
    }
    assert!(!page.text.contains("is silent"), "{}", page.text);
    // Neither alerts of another site, nor those of money for whoever may see none.
    let amina = limited(&world, market).await;
    let page = amina.get("/admin/reports/use/alert-log").await;
    page.says(200, "The market is silent.");
    assert!(!page.text.contains("beach is silent"), "{}", page.text);
    // Nor those of a router that stands at no site.
    sql(&world, "UPDATE alerts SET site_id = NULL WHERE title = 'the beach is silent'").await;
    let page = amina.get("/admin/reports/use/alert-log").await;
    page.says(200, "The market is silent.");
    assert!(!page.text.contains("beach is silent"), "{}", page.text);
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    let page = cashier.get("/admin/reports/use/alert-log").await;
    page.says(200, "The beach is silent.");
    assert!(!page.text.contains("Nobody can pay."), "{}", page.text);
    cashier.get("/admin/reports/use/alert-log?kind=payment_failures").await.says(422, "Choose one of these.");
}

#[tokio::test]
async fn each_step_of_the_portal_has_what_it_costs_and_why() {
    let (world, market, beach, _still) = two_sites().await;
    let operator = Operator::sign_in(&world).await;
    hours(&world).await;
    sql(
        &world,
        &format!(
            "INSERT INTO payment_results_hourly (hour, site_id, provider, result, times)
             VALUES ({THEN}, '{market}', 'mpesa', '1032', 5), ({THEN}, '{beach}', 'mpesa', '2001', 1)"
        ),
    )
    .await;
    let steps = lines(&operator, &format!("/admin/reports/money/funnel.csv?section=steps&site={market}")).await;
    // Three hours of 20, 10, 9, 6 and 5, at KSh 20 each.
    let told: Vec<Vec<&str>> = steps.iter().map(|line| line[1..6].iter().map(String::as_str).collect()).collect();
    assert_eq!(
        told,
        [
            ["60", "100.00", "30", "50.00", "600.00"],
            ["30", "50.00", "3", "10.00", "60.00"],
            ["27", "45.00", "9", "33.33", "180.00"],
            ["18", "30.00", "3", "16.67", "60.00"],
            ["15", "25.00", "", "", ""],
        ]
    );
    assert_eq!(steps[2][6], "it was cancelled on the phone");
    let sites = lines(&operator, "/admin/reports/money/funnel.csv?section=sites").await;
    assert_eq!(line(&sites, "Beach")[9], "a wrong PIN was typed");
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    cashier.get("/admin/reports/money/funnel").await.says(403, "may");
}
