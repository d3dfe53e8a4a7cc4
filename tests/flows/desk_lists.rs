//! The desk's long lists: from page to page and back without losing or doubling anybody, filters that say what is wrong with them, files that no
//! spreadsheet calculates, numbers as whoever asks may see them; sites; sums by the hour and the charts of them; the overview that is told what
//! changes. Once in a browser, of which pictures are kept.

use std::collections::BTreeSet;

use shared::staff::Role;
use sqlx::AssertSqlSafe;
use store::admin::people;
use tests::world::{Browser, World, at, eventually};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator, make};

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

async fn sql(world: &World, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&world.pool).await.unwrap();
}

/// Customers who came in the same moment, as an import makes them, and one who came before.
async fn customers(world: &World, count: u32) {
    sql(
        world,
        &format!(
            "INSERT INTO users (id, phone, name, created_at)
             SELECT gen_random_uuid(), '+2547' || lpad(i::text, 8, '0'), CASE WHEN i = 7 THEN '=cmd|calc' ELSE 'Name ' || i END,
                    '2026-01-01T00:00:00Z'::timestamptz - CASE WHEN i = 1 THEN interval '1 day' ELSE interval '0' END
             FROM generate_series(1, {count}) i"
        ),
    )
    .await;
}

/// The numbers on a page, in its order.
fn numbers(page: &str) -> Vec<String> {
    page.split("+2547").skip(1).map(|rest| rest.chars().take(8).collect()).collect()
}

/// Where a link of this kind leads.
fn link(page: &str, rel: &str) -> Option<String> {
    let before = page.split(&format!("\" rel=\"{rel}\"")).next().filter(|before| before.len() < page.len())?;
    Some(before.rsplit("href=\"").next()?.replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn a_list_is_read_from_page_to_page_and_back() {
    let (world, operator) = desk().await;
    customers(&world, 120).await;
    for address in ["/admin/customers", "/admin/customers?sort=since", "/admin/customers?sort=-phone"] {
        let mut page = operator.get(address).await.text;
        let mut pages = vec![numbers(&page)];
        assert_eq!(link(&page, "prev"), None, "{address}");
        while let Some(next) = link(&page, "next") {
            page = operator.get(&next).await.text;
            pages.push(numbers(&page));
        }
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [50, 50, 20], "{address}");
        let all: BTreeSet<&String> = pages.iter().flatten().collect();
        assert_eq!(all.len(), 120, "{address}: nobody twice, nobody left out");
        page = operator.get(&link(&page, "prev").expect("a way back")).await.text;
        assert_eq!(numbers(&page), pages[1], "{address}");
        page = operator.get(&link(&page, "prev").expect("a way back")).await.text;
        assert_eq!(numbers(&page), pages[0], "{address}");
        assert_eq!(link(&page, "prev"), None, "{address}: it is the first");
    }
    let by_number = numbers(&operator.get("/admin/customers?sort=phone").await.text);
    assert!(by_number.is_sorted() && by_number[0] == "00000001", "{by_number:?}");
    let newest = numbers(&operator.get("/admin/customers").await.text);
    assert!(!newest.contains(&"00000001".to_owned()), "who came before is on the last page");
}

#[tokio::test]
async fn people_are_found_by_what_is_known_of_them() {
    let (world, operator) = desk().await;
    customers(&world, 30).await;
    sql(&world, "INSERT INTO devices (id, user_id, mac, bound_at) SELECT gen_random_uuid(), id, '02:00:00:00:00:42', now() FROM users WHERE phone = '+254700000009'").await;
    sql(&world, "UPDATE users SET status = 'suspended' WHERE phone = '+254700000011'").await;
    for (query, found) in [
        ("phone=0700000012", &["00000012"][..]),
        ("phone=%2B2547000000", &[]),
        ("end=025", &["00000025"]),
        ("name=name%2022", &["00000022"]),
        ("name=%25", &[]),
        ("mac=02-00-00-00-00-42", &["00000009"]),
        ("status=suspended", &["00000011"]),
    ] {
        let page = operator.get(&format!("/admin/customers?{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        let shown = numbers(&page.text);
        // What was asked for stands in its field too.
        let rows = page.text.split("<tbody>").nth(1).unwrap_or_default();
        if found.is_empty() && query.starts_with("phone=%2B") {
            assert_eq!(numbers(rows).len(), 30, "{query}: {shown:?}");
        } else {
            assert_eq!(numbers(rows), found, "{query}");
        }
    }
    let one = operator.get("/admin/customers?end=009").await.text;
    let address = one.split("href=\"/admin/customers/cus_").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let page = operator.get(&format!("/admin/customers/cus_{address}")).await;
    for words in ["Customer +254700000009", "Name 9", "Nothing was bought.", "Not online."] {
        page.says(200, words);
    }
    operator.get("/admin/customers/cus_00000000000000000000000000000000").await.says(404, "It is not here");
}

#[tokio::test]
async fn what_a_list_cannot_do_is_said_and_not_left_out() {
    let (world, operator) = desk().await;
    customers(&world, 60).await;
    for (address, sentence) in [
        ("/admin/customers?mac=nonsense", "aria-invalid"),
        ("/admin/customers?phone=07", "Write three digits or more."),
        ("/admin/customers?sort=name", "This list cannot be sorted by name."),
        ("/admin/customers?cursor=AAAA", "begin it again"),
        ("/admin/customers?name=a&end=678", "one of these at a time"),
        ("/admin/orders?state=lost", "Choose one of these."),
        ("/admin/sessions/ended?from=2026-11-30&until=2026-11-29", "Choose a day that is not before the first."),
        ("/admin/sessions?phone=0799999999", "No customer has this number."),
        ("/admin/customers.csv?mac=nonsense", "aria-invalid"),
        ("/admin/charts?days=5", "Choose one of these."),
    ] {
        operator.get(address).await.says(422, sentence);
    }
    // A place in one list is none in another, nor in the same one with another filter.
    let next = link(&operator.get("/admin/customers").await.text, "next").unwrap();
    operator.get(&format!("{next}&name=x")).await.says(422, "begin it again");
    operator.get(&next.replace("/admin/customers", "/admin/devices")).await.says(422, "begin it again");
}

#[tokio::test]
async fn a_file_has_the_whole_list_no_formula_and_a_line_in_the_audit_log() {
    let (world, operator) = desk().await;
    customers(&world, 120).await;
    let (name, octets) = operator.file("/admin/customers.csv?name=name").await;
    assert_eq!(name, "attachment; filename=\"customers.csv\"");
    let text = String::from_utf8(octets).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("it says that it is UTF-8");
    assert_eq!(text.lines().count(), 120, "a heading, and all but the one of another name");
    assert!(text.starts_with("phone,name,package,language,status,since,id\r\n"), "{text}");
    let (_, octets) = operator.file("/admin/customers.csv?end=00000007").await;
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("'+254700000007,'=cmd|calc,"), "{text}");
    assert_eq!(
        audited(&world, "list.export").await,
        by_operator(&["/admin/customers?name=*", "/admin/customers?end=*"])
    );
}

#[tokio::test]
async fn whoever_may_not_see_people_finds_and_exports_none() {
    let mut world = World::new().await;
    world.start_portal().await;
    customers(&world, 5).await;
    let operator = Operator::sign_in_as(&world, "looks@example.org", Role::ReadOnly).await;
    let page = operator.get("/admin/customers").await;
    page.says(200, "07xx xxx 003");
    assert!(!page.text.contains("+254700") && !page.text.contains("Name 3"), "{}", page.text);
    for query in ["phone=0700000003", "end=003", "name=name"] {
        operator.get(&format!("/admin/customers?{query}")).await.says(422, "may see whole phone numbers");
        operator.get(&format!("/admin/customers.csv?{query}")).await.says(422, "may see whole phone numbers");
    }
    operator.get("/admin/orders?phone=0700000003").await.says(422, "may see whole phone numbers");
    let (_, octets) = operator.file("/admin/customers.csv").await;
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("07xx xxx 003") && !text.contains("254700") && !text.contains("Name 3"), "{text}");
    assert!(audited(&world, "list.export").await.is_empty(), "nobody's number went out");
    let operator = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    for path in
        ["/admin/orders", "/admin/ledger", "/admin/payments.csv", "/admin/charts/data/revenue", "/admin/settings"]
    {
        operator.get(path).await.says(403, "may");
    }
    let overview = operator.get("/admin").await;
    assert!(overview.status == 200 && !overview.text.contains("sold today"), "{}", overview.text);
}

#[tokio::test]
async fn a_site_is_made_with_its_clock_and_moved_to_another() {
    let (world, operator) = desk().await;
    let fields = |zone: &'static str, latitude: &'static str| {
        [("name", "Market <b>"), ("time_zone", zone), ("latitude", latitude), ("longitude", "36.8219")]
    };
    operator.forged("/admin/sites", &fields("Africa/Nairobi", "-1.2921")).await;
    operator.post("/admin/sites", &fields("Africa/Atlantis", "-1.2921")).await.says(422, "Choose one of these.");
    operator.post("/admin/sites", &fields("Africa/Nairobi", "north")).await.says(422, "Write degrees such as -1.2921");
    let made = operator.post("/admin/sites", &fields("Africa/Nairobi", "-1.2921")).await;
    made.says(200, "-1.2921, 36.8219");
    assert!(!made.text.contains("Market <b>"), "it is escaped");
    operator.post("/admin/sites", &fields("Africa/Nairobi", "-1.2921")).await.says(422, "There is a site Market");
    let id: Uuid = sqlx::query_scalar("SELECT id FROM sites").fetch_one(&world.pool).await.unwrap();
    let page = format!("/admin/sites/{id}");
    operator.get(&page).await.says(200, "<option value=\"Africa/Nairobi\" selected>");
    operator.post(&page, &fields("Africa/Kinshasa", "")).await.says(422, "latitude and longitude both");
    operator.post(&page, &[("name", "Beach"), ("time_zone", "Africa/Kinshasa")]).await.says(200, "Africa/Kinshasa");
    let (name, zone, has_no_position): (String, String, bool) =
        sqlx::query_as("SELECT name, time_zone, latitude IS NULL FROM sites").fetch_one(&world.pool).await.unwrap();
    assert_eq!((name.as_str(), zone.as_str(), has_no_position), ("Beach", "Africa/Kinshasa", true));
    assert_eq!(audited(&world, "site.add").await, by_operator(&["Market <b>"]));
    assert_eq!(audited(&world, "site.change").await, by_operator(&["Beach"]));
}

/// What was sold and used at a router of a site: two orders of today, one of a week ago, and an hour of use.
async fn sold_and_used(world: &World) {
    let nas = world.register("cafe", b"secret", at([10, 0, 0, 1])).await;
    let package = world.package("one-hour", |_| {}).await;
    sql(world, "INSERT INTO sites (id, name, created_at) VALUES (gen_random_uuid(), 'Market', now())").await;
    sql(world, "UPDATE nas SET site_id = (SELECT id FROM sites)").await;
    customers(world, 3).await;
    let orders = "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
         SELECT gen_random_uuid(), 'ABCD234' || i, u.id, u.phone, $1, '{\"name\":\"one hour\"}', 2000, 'KES', $2, 'paid', at, at, at
         FROM (VALUES (1, now() - interval '1 second'), (2, now() - interval '2 seconds'), (3, now() - interval '7 days 1 second')) o (i, at),
              (SELECT id, phone FROM users LIMIT 1) u";
    sqlx::query(orders).bind(package.id).bind(nas).execute(&world.pool).await.unwrap();
    let usage = "INSERT INTO usage_hourly (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
         VALUES (date_trunc('hour', now(), 'UTC'), $1, gen_random_uuid(), 450000000, 900000000, 7200)";
    sqlx::query(usage).bind(nas).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn sums_by_the_hour_are_those_of_what_they_sum_up_and_charts_show_them() {
    let mut world = World::new().await;
    sold_and_used(&world).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let now = world.clock.now();
    eventually("the past is summed up", || async {
        store::rollup::advance(&world.db, now).await.ok()?;
        let through: Option<time::OffsetDateTime> =
            sqlx::query_scalar("SELECT through FROM rollup_mark").fetch_optional(&world.pool).await.ok()?;
        through.filter(|through| now - *through < std::time::Duration::from_secs(3600))
    })
    .await;
    let sums = || async {
        let sums: (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT sum(orders)::bigint FROM sales_hourly), (SELECT sum(amount_minor)::bigint FROM sales_hourly),
                    (SELECT sum(seconds)::bigint FROM traffic_hourly)",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        sums
    };
    assert_eq!(sums().await, (3, 6000, 7200));
    // Once more is the same, and money that went back is not sold.
    sql(&world, "UPDATE orders SET state = 'refund_due' WHERE code = 'ABCD2341'").await;
    eventually("the sums follow", || async {
        store::rollup::advance(&world.db, now).await.ok()?;
        (sums().await == (2, 4000, 7200)).then_some(())
    })
    .await;

    let revenue = operator.get("/admin/charts/data/revenue?days=30").await;
    let revenue: serde_json::Value = serde_json::from_str(&revenue.text).unwrap();
    assert_eq!((revenue["shape"].as_str(), revenue["series"][0]["name"].as_str()), (Some("bars"), Some("KES")));
    let total: f64 = revenue["series"][0]["values"].as_array().unwrap().iter().filter_map(|v| v.as_f64()).sum();
    assert!((total - 40.0).abs() < 1e-9, "{revenue}");
    let speed = operator.get("/admin/charts/use/throughput?days=7").await;
    let speed: serde_json::Value = serde_json::from_str(&speed.text).unwrap();
    assert_eq!(speed["series"][0]["values"][0], 2.0, "900 MB in an hour: {speed}");
    operator.get("/admin/charts/use/revenue").await.says(404, "It is not here");
    operator.get("/admin/charts").await.says(200, "one hour");
}

#[tokio::test]
async fn the_overview_compares_with_last_week_and_is_told_what_changes() {
    let mut world = World::new().await;
    sold_and_used(&world).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let page = operator.get("/admin").await;
    for words in
        ["one hour", "Market", "by this hour a week ago", "What this rests on", "does not say how it is", "PostgreSQL"]
    {
        page.says(200, words);
    }
    let told = operator.first_event("/admin/live").await;
    assert!(told.contains("<ul class=\"figures\">") && told.contains("sold today"), "{told}");
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    let told = cashier.first_event("/admin/live").await;
    assert!(told.contains("online") && !told.contains("sold today"), "{told}");
}

/// Two sites with an order, a payment, an open and an ended session each.
async fn two_sites(world: &World) -> [(Uuid, Uuid); 2] {
    let (now, package) = (world.clock.now(), world.package("one-hour", |_| {}).await);
    let mut sites = Vec::new();
    for (number, name) in [(1, "Market"), (2, "Beach")] {
        let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
        let nas = world.register(&name.to_lowercase(), b"secret", settings).await;
        let phone = format!("071234567{number}").parse().unwrap();
        let user = store::user::ensure(&world.db, shared::rng::id(now), &phone, "", now).await.unwrap();
        let order = "WITH made AS (INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
                 SELECT gen_random_uuid(), 'ABCD234' || $1, id, phone, $2, '{\"name\":\"one hour\"}', 2000, 'KES', $3, 'paid', now(), now(), now()
                 FROM users WHERE id = $4 RETURNING id)
             INSERT INTO payments (id, order_id, provider, amount_minor, currency, receipt, state, created_at, updated_at)
             SELECT gen_random_uuid(), id, 'mpesa', 2000, 'KES', 'RECEIPT' || $1, 'succeeded', now(), now() FROM made";
        let order = sqlx::query(order).bind(number.to_string()).bind(package.id).bind(nas).bind(user);
        order.execute(&world.pool).await.unwrap();
        for (table, who) in [("sessions", "guest"), ("sessions_ended", "gone")] {
            let ended = if table == "sessions" { "NULL" } else { "now()" };
            let session = format!(
                "INSERT INTO {table} (id, opened_on, nas_id, user_name, acct_session_id, started_at, last_heard_at, ended_at)
                 VALUES (gen_random_uuid(), current_date, $1, $2, $2, now(), now(), {ended})"
            );
            let session = sqlx::query(AssertSqlSafe(session)).bind(nas).bind(format!("{who}-{number}"));
            session.execute(&world.pool).await.unwrap();
        }
        sites.push((site, user));
    }
    [sites[0], sites[1]]
}

#[tokio::test]
async fn who_is_limited_to_a_site_finds_nothing_of_another_in_lists_files_and_charts() {
    let mut world = World::new().await;
    let [(market, _), (beach, elsewhere)] = two_sites(&world).await;
    world.start_portal().await;
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    for (path, theirs, other) in [
        ("/admin/sessions", "guest-1", "guest-2"),
        ("/admin/sessions.csv", "guest-1", "guest-2"),
        ("/admin/sessions/ended", "gone-1", "gone-2"),
        ("/admin/sessions/ended.csv", "gone-1", "gone-2"),
        ("/admin/orders", "ABCD2341", "ABCD2342"),
        ("/admin/orders.csv", "ABCD2341", "ABCD2342"),
        ("/admin/payments", "RECEIPT1", "RECEIPT2"),
        ("/admin/payments.csv", "RECEIPT1", "RECEIPT2"),
        ("/admin/sites", "Market", "Beach"),
        ("/admin/charts", "Market", "Beach"),
        ("/admin", "sold today, 1 orders", "beach"),
    ] {
        let page = amina.get(path).await;
        page.says(200, theirs);
        assert!(!page.text.contains(other) && !page.text.contains("beach"), "{path}: {}", page.text);
    }
    let told = amina.first_event("/admin/live").await;
    assert!(told.contains("market") && !told.contains("beach"), "{told}");
    // Nor by asking for it.
    amina.get(&format!("/admin/sessions?site={beach}")).await.says(422, "Choose one of these.");
    amina.get(&format!("/admin/charts/use/use?site={beach}")).await.says(404, "It is not here");
    let page = amina.get(&format!("/admin/customers/cus_{}", elsewhere.simple())).await;
    page.says(200, "Nothing was ordered.");
    assert!(!page.text.contains("ABCD2342"), "{}", page.text);
}

#[tokio::test]
async fn who_is_limited_to_a_site_is_told_no_story_of_another_and_helps_nobody_there() {
    let mut world = World::new().await;
    let [(market, here), (_, elsewhere)] = two_sites(&world).await;
    world.start_portal().await;
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    let story = |user: Uuid| format!("/admin/support/customer/cus_{}", user.simple());
    amina.get(&story(here)).await.says(200, "ABCD2341");
    amina.get("/admin/support/receipt/RECEIPT1").await.says(200, "ABCD2341");
    let other = story(elsewhere);
    for path in [other.as_str(), "/admin/support/order/ABCD2342", "/admin/support/receipt/RECEIPT2"] {
        amina.get(path).await.says(404, "It is not here");
    }
    amina.post("/admin/support", &[("q", "0712345672")]).await.says(404, "");
    let number = Uuid::from_u128(7).to_string();
    let about = format!("customer/cus_{}", here.simple());
    let again = [("number", number.as_str()), ("about", about.as_str()), ("order", "ABCD2342"), ("reason", "lost")];
    assert_eq!(amina.answer("/admin/support/grant", &again).await.status(), 404);
    // Of somebody who was at both, what was here.
    sqlx::query("UPDATE orders SET user_id = $1").bind(here).execute(&world.pool).await.unwrap();
    let page = amina.get(&story(here)).await;
    page.says(200, "ABCD2341");
    assert!(!page.text.contains("ABCD2342") && !page.text.contains("beach"), "{}", page.text);
    amina.get("/admin/support/order/ABCD2342").await.says(404, "It is not here");
    let owner = Operator::sign_in(&world).await;
    owner.get(&story(here)).await.says(200, "ABCD2342");
    // Who was seen nowhere yet may be helped everywhere.
    amina.get(&other).await.says(200, "+254712345672");
}

/// The tables are too long here to be read from end to end: PostgreSQL goes by the indexes that were made for the lists.
#[tokio::test]
async fn lists_are_read_by_their_indexes() {
    let mut world = World::new().await;
    world.register("router1", b"secret", at([10, 0, 0, 1])).await;
    world.portal_command(&["seed", "--customers", "20000", "--history", "60000", "--bound"], "").await;
    sql(&world, "ANALYZE").await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    for path in [
        "/admin/customers",
        "/admin/customers?phone=%2B99900007",
        "/admin/customers?end=00123",
        "/admin/sessions/ended",
    ] {
        operator.get(path).await.says(200, "<tbody>");
    }
    for index in ["users_by_time", "users_by_phone_begin", "users_by_phone_end", "sessions_ended_%started_at_id%"] {
        eventually(&format!("{index} is used"), || async {
            let used: i64 = sqlx::query_scalar(
                "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE $1",
            )
            .bind(index)
            .fetch_one(&world.pool)
            .await
            .ok()?;
            (used > 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn lists_and_charts_are_looked_at_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    sold_and_used(&world).await;
    sql(&world, "INSERT INTO users (id, phone, name, created_at) SELECT gen_random_uuid(), '+25471' || lpad(i::text, 7, '0'), 'A name of some length ' || i, now() FROM generate_series(1, 80) i").await;
    store::rollup::advance(&world.db, world.clock.now()).await.unwrap();
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    for (path, words) in [
        ("/customers", "After these"),
        ("/customers?mac=x", "Device"),
        ("/orders", "ABCD2341"),
        ("/charts", "Revenue by the day"),
        ("", "What this rests on"),
    ] {
        let name = format!("desk-lists{}", path.replace(['/', '?', '='], "-"));
        browser.pictures(&format!("{}/admin{path}", world.portal_url()), words, &name).await;
    }
    browser.client.goto(&format!("{}/admin/customers", world.portal_url())).await.unwrap();
    browser.press("a[rel=next]").await;
    browser.wait_for("Before these").await;
    browser.press("main td a").await;
    browser.wait_for("Proved to hold the phone").await;
    browser.picture("desk-customer-small").await;
    browser.close().await;
}
