//! The desk's reports: each answers its question as a page, for spreadsheets, on paper and as the data of its charts, for those who may see it and
//! nobody else; what cannot be read is said; and one that comes by e-mail comes once, for as long as its reader may see it. Once in a browser, of
//! which pictures are kept.

use reqwest::header::CONTENT_TYPE;
use shared::staff::{Permission, Role};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::admin::people;
use tests::smtp::{Protection, SmtpServer};
use tests::world::{Browser, World, at, eventually};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator, make};

const MARKET: Uuid = Uuid::from_u128(0xa);
const BEACH: Uuid = Uuid::from_u128(0xb);

async fn sql(world: &World, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&world.pool).await.unwrap();
}

/// Two sites with seventy days of hours that were all seen, and what is expected of today at the first. While what is returned is held, no portal
/// sums these hours up anew, out of sales that there are none of.
async fn facts(world: &World) -> Transaction<'static, Postgres> {
    let mut still = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE facts_mark IN EXCLUSIVE MODE").execute(&mut *still).await.unwrap();
    sql(world, &format!("INSERT INTO sites (id, name, created_at) VALUES ('{MARKET}', '=Market', now()), ('{BEACH}', 'Beach', now())")).await;
    sql(
        world,
        &format!(
            "INSERT INTO site_hourly (hour, site_id, purchases, gross_minor, refunded_minor, discount_minor, peak_sessions, logins, failed_logins)
             SELECT h, s, 2, 4000, 500, 100, 9, 5, 1
             FROM generate_series(date_trunc('hour', now(), 'UTC') - interval '70 days', date_trunc('hour', now(), 'UTC'), interval '1 hour') h,
                  (VALUES ('{MARKET}'::uuid), ('{BEACH}'::uuid)) v (s)"
        ),
    )
    .await;
    sql(
        world,
        &format!(
            "INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, expected, typical, low80, high80, low95, high95, naive)
             SELECT gen_random_uuid(), m, '{MARKET}', '00000000-0000-0000-0000-000000000000', date_trunc('hour', now(), 'UTC') - interval '40 hours',
                    now(), 'the same hour of the week', 'own', a, a, array_fill(0.5::float8, ARRAY[168]), array_fill(3.5::float8, ARRAY[168]),
                    array_fill(0.0::float8, ARRAY[168]), array_fill(5.0::float8, ARRAY[168]), a
             FROM (SELECT array_fill(2.0::float8, ARRAY[168]) a) x, (VALUES ('purchases')) v (m)"
        ),
    )
    .await;
    sql(
        world,
        &format!(
            "INSERT INTO cohorts_monthly (first_month, site_id, month, currency, buyers, purchases, amount_minor)
             VALUES (date_trunc('month', now()), '{MARKET}', date_trunc('month', now()), 'KES', 4, 8, 40000)"
        ),
    )
    .await;
    still
}

async fn desk() -> (World, Operator, Transaction<'static, Postgres>) {
    let mut world = World::new().await;
    let still = facts(&world).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator, still)
}

/// Where all reports are that somebody is shown.
async fn addresses(operator: &Operator) -> Vec<String> {
    let page = operator.get("/admin/reports").await;
    page.says(200, "What it answers");
    let table = page.text.split("<tbody>").nth(1).and_then(|rest| rest.split("</tbody>").next()).unwrap_or_default();
    table.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_report_answers_in_every_form() {
    let (_world, operator, _still) = desk().await;
    let all = addresses(&operator).await;
    assert_eq!(all.len(), 19, "{all:?}");
    for address in &all {
        let page = operator.get(address).await;
        page.says(200, "All reports");
        page.says(200, "As of ");
        for (ending, kind, begins) in [
            ("csv", "text/csv; charset=utf-8", "\u{feff}"),
            ("pdf", "application/pdf", "%PDF-1.7"),
            ("json", "application/json", "{"),
        ] {
            let answer = operator.ask("GET", &format!("{address}.{ending}")).await;
            assert_eq!(answer.status(), 200, "{address}.{ending}");
            assert_eq!(answer.headers()[CONTENT_TYPE], kind, "{address}.{ending}");
            let octets = answer.bytes().await.unwrap();
            assert!(octets.starts_with(begins.as_bytes()), "{address}.{ending}");
        }
        // What each chart and each file of the page is asked for is there.
        for part in page.text.split("data-chart=\"").skip(1).chain(page.text.split("<a href=\"/admin/reports/").skip(1))
        {
            let link = part.split('"').next().unwrap_or_default().replace("&#38;", "&").replace("&amp;", "&");
            let link = if link.starts_with("/admin") { link } else { format!("/admin/reports/{link}") };
            assert_eq!(operator.ask("GET", &link).await.status(), 200, "{link}");
        }
        operator.get(&format!("{address}?site=nonsense")).await.says(422, "Choose one of these.");
        assert_eq!(operator.ask("GET", &format!("{address}.json?site=nonsense")).await.status(), 422, "{address}");
        assert_eq!(operator.ask("GET", &format!("{address}.csv?section=nothing")).await.status(), 404, "{address}");
    }
    operator.get("/admin/reports/use/revenue").await.says(404, "It is not here");
    operator.get("/admin/reports/use/nothing").await.says(404, "It is not here");
}

#[tokio::test]
async fn a_report_is_for_those_who_may_see_it() {
    let (world, owner, _still) = desk().await;
    let all = addresses(&owner).await;
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    assert!(!Role::Cashier.may(Permission::SeeMoney));
    let theirs = addresses(&cashier).await;
    assert!(
        theirs.contains(&"/admin/reports/use/heavy".to_owned())
            && theirs.iter().all(|address| address.starts_with("/admin/reports/use/")),
        "{theirs:?}"
    );
    for address in &all {
        let is_theirs = theirs.contains(address);
        for ending in ["", ".csv", ".pdf", ".json"] {
            let status = cashier.ask("GET", &format!("{address}{ending}")).await.status().as_u16();
            // A file with people in it is for those alone who may see people.
            let has_people = address.ends_with("/heavy") && matches!(ending, ".csv" | ".pdf");
            assert_eq!(status, if is_theirs && !has_people { 200 } else { 403 }, "{address}{ending}");
        }
    }
    let today = cashier.get("/admin/reports/use/today").await;
    assert!(!today.text.contains("sold so far") && today.text.contains("Refused logins"), "{}", today.text);

    // Whoever is limited to a site is told of that one.
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[BEACH]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    for address in &all {
        let page = amina.get(address).await;
        assert!(page.status == 200 && !page.text.contains("Market"), "{address}: {}", page.text);
        amina.get(&format!("{address}?site={MARKET}")).await.says(422, "Choose one of these.");
    }
}

#[tokio::test]
async fn filters_stand_in_the_address_and_files_hold_no_formula() {
    let (_world, operator, _still) = desk().await;
    let revenue = "/admin/reports/money/revenue";
    for (query, words) in [
        ("period=fortnight", "Choose one of these."),
        ("from=2026-02-30", "Write a day such as 2026-11-29."),
        ("from=2026-01-02&until=2026-01-01", "Choose a day that is not before the first."),
        ("period=7&from=2026-01-02", "Choose the days beside, or leave those empty."),
        ("compare=tomorrow", "Choose one of these."),
        ("group=fortnight", "Choose one of these."),
        ("package=nothing", "Choose one of these."),
    ] {
        let page = operator.get(&format!("{revenue}?{}", query)).await;
        page.says(422, words);
        assert!(
            !page.text.contains("data-chart") && !page.text.contains("class=\"figures\""),
            "{query}: {}",
            page.text
        );
    }
    let page = operator.get(&format!("{revenue}?period=yesterday&site={MARKET}&compare=before")).await;
    // 24 hours of 40 - 5 shillings, as the day before.
    page.says(200, "KSh 840");
    page.says(200, "+0 %");
    page.says(200, "by the clock of Africa/Nairobi");
    let both = operator.get(&format!("{revenue}?period=yesterday&compare=none")).await;
    both.says(200, "KSh 1680");
    assert!(!both.text.contains("before KSh"), "{}", both.text);

    let data = operator.get(&format!("{revenue}.json?section=trend&period=yesterday&site={MARKET}")).await;
    let data: serde_json::Value = serde_json::from_str(&data.text).unwrap();
    assert_eq!(
        (data["shape"].as_str(), data["series"][0]["values"][0].as_f64()),
        (Some("bars"), Some(840.0)),
        "{data}"
    );
    let (name, file) = operator.file(&format!("{revenue}.csv?section=trend&period=yesterday&site={MARKET}")).await;
    assert_eq!(name, "attachment; filename=\"revenue-trend.csv\"");
    let file = String::from_utf8(file).unwrap();
    assert!(
        file.contains("first_day,currency,net,gross,discounts,given_back,sales")
            && file.contains(",840.00,960.00,24.00,120.00,48"),
        "{file}"
    );

    let today = operator.get("/admin/reports/use/today").await;
    today.says(200, "expected ");
    let (_, file) = operator.file("/admin/reports/use/today.csv").await;
    let file = String::from_utf8(file).unwrap();
    assert!(file.contains("\r\n'=Market,"), "{file}");
}

#[tokio::test]
async fn a_report_comes_by_mail_once_and_not_to_whoever_may_not_see_it() {
    let mut world = World::new().await;
    let Some(mail) = SmtpServer::configure(&world, Protection::None, true).await else { return };
    let _still = facts(&world).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let revenue = "/admin/reports/money/revenue";
    operator.get(revenue).await.says(200, "Send me this");
    let query = format!("site={MARKET}&period=7&group=week");
    let fields = [("every", "day"), ("query", query.as_str())];
    operator.forged(&format!("{revenue}/mail"), &fields).await;
    operator
        .post(&format!("{revenue}/mail"), &[("every", "day"), ("query", "site=nonsense")])
        .await
        .says(422, "cannot be read");
    operator.post(&format!("{revenue}/mail"), &fields).await.says(200, "It comes to you by e-mail from now on.");
    // The same once more is still one.
    operator.post(&format!("{revenue}/mail"), &fields).await;
    operator.get("/admin/reports").await.says(200, "every day");
    let object = format!("day {revenue}?site={MARKET}&period=7&group=week");
    assert_eq!(audited(&world, "report.mail").await, by_operator(&[object.as_str(), object.as_str()]));

    sql(&world, "UPDATE report_mails SET next_at = now() - interval '1 second'").await;
    let letter = mail.mail(0).await;
    assert_eq!(letter.to, [EMAIL]);
    assert_eq!(letter.header("subject"), "Mlango Wi-Fi: Revenue");
    assert!(
        letter.text.contains("net revenue: KSh 840") && letter.text.contains("/admin/reports/money/revenue?"),
        "{}",
        letter.text
    );
    let [(name, kind, octets)] = letter.files.as_slice() else { panic!("one file: {:?}", letter.files) };
    assert_eq!((name.as_str(), kind.as_str()), ("revenue.pdf", "application/pdf"));
    assert!(octets.starts_with("%PDF-1.7") && octets.contains("(Revenue) Tj"), "it came whole");
    assert_eq!(letter.defects, Vec::<String>::new());
    let is_later = || async {
        let query = "SELECT next_at > now() AND last_at IS NOT NULL AND problem = '' FROM report_mails";
        sqlx::query_scalar::<_, bool>(query).fetch_one(&world.pool).await.ok()?.then_some(())
    };
    eventually("it is noted, and the next one comes tomorrow", is_later).await;
    assert_eq!(mail.mails().len(), 1);

    // Who is a cashier now may not see money; who is suspended may see nothing.
    let id = world.staff_id(EMAIL).await;
    make(&world, "other@example.org", Role::Owner).await;
    people::set_access(&world.db, id, Role::Cashier, &[]).await.unwrap();
    sql(&world, "UPDATE report_mails SET next_at = now() - interval '1 second'").await;
    let problem = eventually("it is said why none came", || async {
        let query = "SELECT problem FROM report_mails WHERE problem <> '' AND next_at > now()";
        sqlx::query_scalar::<_, String>(query).fetch_optional(&world.pool).await.ok()?
    })
    .await;
    assert_eq!((problem.as_str(), mail.mails().len()), ("it may not be seen any more", 1));

    let operator = Operator::again(&world, EMAIL).await;
    let page = operator.get("/admin/reports").await;
    let stop =
        page.text.split("action=\"/admin/reports/mails/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let stop = format!("/admin/reports/mails/{stop}");
    let other = Operator::again(&world, "other@example.org").await;
    assert_eq!(other.answer(&stop, &[]).await.status(), 404, "it is not theirs");
    operator.post(&stop, &[]).await.says(200, "That report comes no more.");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM report_mails").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
}

/// Draws one chart of every shape from data of our own, in place of what the page's first chart asks for.
const EVERY_SHAPE: &str = r#"
    const series = (name, values, counts) => ({ name, values, counts: counts || [] });
    const hours = [...Array(24).keys()].map((hour) => String(hour).padStart(2, '0'));
    const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
    const wave = (low) => hours.map((_, at) => (at === 5 ? null : low + 5 + 4 * Math.sin(at / 4)));
    const week = (base) => days.map((day, row) => series(day, hours.map((_, at) => (row === 6 ? null : base + row * Math.sin(at / 3))), hours.map(() => row)));
    const charts = {
        stacked: { x: hours, series: [series('M-Pesa', wave(3)), series('Card', wave(1))] },
        line: { x: hours, series: [series('down', wave(3)), series('up', wave(0))] },
        band: { x: hours, series: [0, -2, 2, -4, 4, 1, 0.5].map((low, at) => series(['expected', 'low', 'high', 'lower', 'higher', 'last week', 'what was'][at], wave(low))) },
        heat: { x: hours, series: week(7), cap: 11 },
        diverging: { x: hours, series: week(0), cap: 4 },
        parts: { x: ['hour', 'day'], series: [series('KES', [30, 70])] },
        funnel: { x: ['seen', 'chosen', 'paid', 'online'], series: [series('devices', [90, 60, 40, 39])] },
        calibration: { x: [], series: [series('said', [0.05, 0.15, 0.5, 0.9]), series('was', [0.06, 0.1, null, 0.8], [90, 40, 0, 2])] },
    };
    const real = window.fetch, first = document.querySelector('[data-chart]'), main = document.querySelector('main');
    window.fetch = (address) => charts[address]
        ? Promise.resolve({ ok: true, json: () => Promise.resolve({ shape: address, unit: 'sales', cap: null, x: [], ...charts[address] }) })
        : real(address);
    for (const shape of Object.keys(charts)) {
        const place = document.createElement('div');
        place.className = 'chart';
        place.setAttribute('role', 'img');
        place.setAttribute('aria-label', shape);
        place.setAttribute('data-chart', shape);
        main.append(place);
    }
    first.remove();
    const again = document.createElement('script');
    again.src = document.querySelector('script[src$="charts.js"]').src;
    document.body.append(again);
    return Object.keys(charts).length;
"#;

#[tokio::test]
async fn reports_are_looked_at_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    let _still = facts(&world).await;
    world.register("cafe", b"secret", at([10, 0, 0, 1])).await;
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    for (path, words, name) in [
        ("", "Is today normal?", ""),
        ("/use/today", "Each site so far", "-today"),
        ("/money/revenue", "Net revenue by the day", "-revenue"),
        ("/money/revenue?from=x", "Write a day", "-wrong"),
    ] {
        let page = format!("{}/admin/reports{path}", world.portal_url());
        browser.pictures(&page, words, &format!("desk-reports{name}")).await;
    }
    browser.client.set_window_size(1100, 800).await.unwrap();
    browser.client.goto(&format!("{}/admin/reports/money/revenue", world.portal_url())).await.unwrap();
    browser.wait_for_charts().await;
    let shapes = browser.client.execute(EVERY_SHAPE, Vec::new()).await.unwrap();
    browser.wait_for_charts().await;
    let pictures = "return document.querySelectorAll('[data-drawn] svg.main-svg').length > 0 && document.querySelectorAll('[data-drawn]').length === arguments[0]";
    let all = browser.client.execute(pictures, vec![shapes.clone()]).await.unwrap();
    assert_eq!(all.as_bool(), Some(true), "a shape that cannot be drawn takes its place away: {shapes}");
    browser.picture("desk-reports-shapes").await;
    browser.close().await;
}
