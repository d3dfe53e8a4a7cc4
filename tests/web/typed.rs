//! Whatever somebody types, sends or has stored is text, to browsers and to the database (ASVS 1.2.1, 1.2.4; CVE-2025-4763, CVE-2026-5782,
//! CVE-2010-4275, CVE-2026-108107 in similar products): each variable of a router's login page, each field of each form, the names in the
//! database, and every RADIUS attribute.
//!
//! A page is read more strictly than a browser reads it ([`crate::html`]), and has the same elements and attributes as with harmless words.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use radius_proto::Code;
use radius_proto::attribute::rfc2866;
use reqwest::Url;
use shared::staff::Role;
use tests::world::eventually;
use tests::world::lab::{Draft, Lab, Port, SECRET, Wire};

use crate::html::Form;
use crate::operator::{EMAIL, Operator};
use crate::people::{Answer, LOGIN, Stage, Web};

/// It would end an attribute, open elements, run, and be calculated by engines of templates.
const HOSTILE: &str = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}${7*7}<!--";
/// They would end a text, or a statement.
const SQL: [&str; 5] = [
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\\'; SELECT pg_sleep(10); --",
    "$1) UNION SELECT password_hash FROM admin_users --",
    "%' AND 1=(SELECT 1/0) --",
];

/// Wants a page to be whole and to run nothing.
fn assert_harmless(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
    let headers = format!("{:?}", answer.headers);
    assert!(!headers.contains("onerror") && !headers.contains("DROP TABLE"), "{what}: {headers}");
    if answer.is_html() {
        let dangers = answer.page().dangers();
        assert!(dangers.is_empty(), "{what}: {dangers:?}");
    }
}

/// The variables of a login page, with harmless values.
const VARIABLES: [(&str, &str); 24] = [
    ("mac", "02:00:00:00:00:01"),
    ("ip", "10.5.50.9"),
    ("username", "amina"),
    ("identity", "cafe"),
    ("link-login", "http://10.5.50.1/login?dst=x"),
    ("link-login-only", LOGIN),
    ("link-orig", "http://example.com/"),
    ("link-redirect", "http://example.com/"),
    ("link-logout", "http://10.5.50.1/logout"),
    ("link-status", "http://10.5.50.1/status"),
    ("error", "something went wrong"),
    ("error-orig", "something went wrong"),
    ("trial", "no"),
    ("chap-id", "%5C371"),
    ("chap-challenge", "%5C357"),
    ("hostname", "10.5.50.1"),
    ("server-name", "hotspot1"),
    ("interface-name", "bridge"),
    ("session-id", "80100001"),
    ("popup", "true"),
    ("dst", "http://example.com/"),
    ("host-ip", "10.5.50.9"),
    ("location-name", "Market"),
    ("lang", "en"),
];

fn arrival(web: &Web, change: (&str, &str)) -> String {
    let pairs =
        VARIABLES.iter().map(|(name, value)| if *name == change.0 { (*name, change.1) } else { (*name, *value) });
    let url = Url::parse_with_params(&format!("{}/h", web.portal), pairs).unwrap();
    url.as_str().replace(&web.portal, "")
}

#[tokio::test]
async fn every_variable_of_a_routers_login_page_is_text() {
    let stage = Stage::open().await;
    let plain = stage.web.get(&arrival(&stage.web, ("", "")), "").await.page().skeleton();
    for (name, _) in VARIABLES {
        for value in
            [HOSTILE, "\u{0}", "<script>", "\" autofocus onfocus=\"alert(1)", "'-alert(1)-'", "\r\nSet-Cookie: a=b"]
                .into_iter()
                .chain(SQL)
        {
            let answer = stage.web.get(&arrival(&stage.web, (name, value)), "").await;
            assert_harmless(&format!("{name}={value:?}"), &answer);
            if answer.status == 200 && !["error", "mac", "lang"].contains(&name) {
                assert_eq!(answer.page().skeleton(), plain, "{name}={value:?}");
            }
        }
    }
    // What the router said is shown, as it is.
    let said = stage.web.get(&arrival(&stage.web, ("error", HOSTILE)), "").await;
    let other = stage.web.get(&arrival(&stage.web, ("error", "other words")), "").await;
    assert_eq!(said.page().skeleton(), other.page().skeleton());
}

/// Sends a form with this in each field that somebody types into.
async fn fill_in(web: &Web, cookie: &str, form: &Form, value: &str) -> Answer {
    let mut fields = form.fields.clone();
    fields.retain(|(name, _)| !form.typed.contains(name));
    fields.extend(form.typed.iter().map(|name| (name.clone(), value.to_owned())));
    if form.method == "get" {
        let path = form.action.split('?').next().unwrap_or_default();
        let url = Url::parse_with_params(&format!("{}{path}", web.portal), &fields).unwrap();
        return web.get(&url.as_str().replace(&web.portal, ""), cookie).await;
    }
    web.post(&form.action, cookie, &fields).await
}

#[tokio::test]
async fn every_field_of_the_customers_forms_is_text() {
    let stage = Stage::open().await;
    let customer = stage.customer("02:00:00:00:00:01", "0712345670").await;
    for (number, value) in [HOSTILE].into_iter().chain(SQL).enumerate() {
        // A device of its own each time: it may try so often an hour.
        let packages = stage.packages(&format!("02:00:00:00:02:0{number}")).await;
        let sign_in = stage.web.get(&format!("/account?visit={}", packages.visit()), "").await;
        let account = stage.web.get("/account", &customer.cookie).await;
        let adding = stage.web.get("/account/add", &customer.cookie).await;
        let mut sent = 0;
        for page in [packages, sign_in, account, adding] {
            for form in page.page().forms() {
                if !form.typed.is_empty() && form.action.starts_with('/') {
                    let answer = fill_in(&stage.web, &customer.cookie, &form, value).await;
                    assert_harmless(&format!("{} with {value:?}", form.action), &answer);
                    sent += 1;
                }
            }
        }
        assert!(sent >= 4, "{sent}");
        for path in [
            "/v/",
            "/o/",
            "/e/",
            "/u/",
            "/r/",
            "/capport/",
            "/packages?visit=",
            "/screen?screen=",
            "/?lang=",
            "/static/x/",
            "/brand/",
        ] {
            let segment: String =
                reqwest::Url::parse_with_params("http://x/", [("a", value)]).unwrap().query().unwrap()[2..]
                    .replace('+', "%20");
            assert_harmless(path, &stage.web.get(&format!("{path}{segment}"), "").await);
        }
    }
    assert_tables(&stage.world.pool).await;
}

/// The tables are there and hold what they held.
async fn assert_tables(pool: &sqlx::PgPool) {
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('users') IS NOT NULL AND to_regclass('admin_users') IS NOT NULL")
            .fetch_one(pool)
            .await
            .unwrap();
    assert!(there);
}

/// The desk's forms with something to type into, each once; that of one's own password last, since a new one ends the session.
async fn typed_forms(web: &Web, cookie: &str) -> Vec<(String, Form)> {
    let mut forms: BTreeMap<(bool, String), Form> = BTreeMap::new();
    for answer in web.walk(&["/admin"], &["/admin"], cookie).await.values().filter(|answer| answer.is_html()) {
        for form in answer.page().forms() {
            if !form.typed.is_empty() {
                let name = format!("{} {} {:?}", form.method, form.action, form.typed);
                forms.insert((form.action == "/admin/me/password", name), form);
            }
        }
    }
    forms.into_iter().map(|((_, name), form)| (name, form)).collect()
}

#[tokio::test]
async fn every_field_of_the_desks_forms_is_text() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    for (number, value) in [HOSTILE].into_iter().chain(SQL).enumerate() {
        // Somebody else each time, for the reason that the forms are in that order.
        let typist = stage.staff(&format!("typist{number}@example.org"), Role::Owner).await;
        let forms = typed_forms(&stage.web, &typist.cookie).await;
        assert!(forms.len() > 10, "{forms:?}");
        for (name, form) in &forms {
            assert_harmless(&format!("{name} with {value:?}"), &fill_in(&stage.web, &typist.cookie, form, value).await);
        }
        // Numbers and names in addresses.
        for path in ["sessions", "routers", "packages", "vouchers", "discounts", "money", "staff", "messages/texts"] {
            let mut url = Url::parse("http://x/").unwrap();
            url.path_segments_mut().unwrap().push(value);
            let answer = stage.web.get(&format!("/admin/{path}{}", url.path()), &owner.cookie).await;
            assert!([400, 404].contains(&answer.status), "{path} {value:?}: {}", answer.status);
            assert_harmless(path, &answer);
        }
    }
    // What was taken is shown as text wherever it is shown.
    for (path, answer) in stage.web.walk(&["/admin"], &["/admin"], &owner.cookie).await {
        assert_harmless(&path, &answer);
    }
    assert_tables(&stage.world.pool).await;
}

#[tokio::test]
async fn what_is_stored_is_shown_as_text() {
    let stage = Stage::open().await;
    stage.customer("02:00:00:00:00:01", "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    for statement in [
        "UPDATE sites SET name = $1",
        "UPDATE nas SET name = $1",
        "UPDATE packages SET name = $1",
        "UPDATE entitlements SET package_name = $1",
        "UPDATE voucher_batches SET agent = $1, label = $1",
        "UPDATE sessions SET user_name = $1, acct_session_id = $1",
        "INSERT INTO security_events (id, kind, at, detail, user_name) VALUES ('0192e4a0-0000-7000-8000-000000000001', 'device_locked', now(), $1, $1)",
        "INSERT INTO admin_logs (actor, action, object, at) VALUES ($1, $1, $1, now())",
        "INSERT INTO backup_runs (id, kind, started_at, ended_at, ok, detail) VALUES ('0192e4a0-0000-7000-8000-000000000001', 'full', now(), now(), false, $1)",
        "UPDATE notifications SET payload = jsonb_set(payload, '{package}', to_jsonb($1::text))",
    ] {
        sqlx::query(statement)
            .bind(HOSTILE)
            .execute(&stage.world.pool)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let mut showing = Vec::new();
    for (path, answer) in stage.web.walk(&["/admin"], &["/admin"], &owner.cookie).await {
        assert_harmless(&path, &answer);
        if answer.is_html() && answer.page().words().contains(HOSTILE) {
            showing.push(path);
        }
    }
    for path in [
        "/admin/sessions",
        "/admin/routers",
        "/admin/packages",
        "/admin/vouchers",
        "/admin/security",
        "/admin/audit",
        "/admin/backups",
    ] {
        assert!(showing.iter().any(|shown| shown == path), "{path} does not show what is stored: {showing:?}");
    }
    let packages = stage.packages("02:00:00:00:00:05").await;
    assert_harmless("packages", &packages);
    assert!(packages.page().words().contains(HOSTILE), "{}", packages.text);
    let again = stage.web.get(&crate::people::arrival("02:00:00:00:00:01"), "").await;
    assert_harmless("the device that has one", &again);
}

#[tokio::test]
async fn every_radius_attribute_is_text() {
    const ELSEWHERE: &str = "02:00:00:00:00:EE";
    let mut lab = Lab::new().await;
    // What it is answered, if anything, is of no interest: that the next one is served, is.
    let wire = Wire::at(Ipv4Addr::LOCALHOST).await;
    let (auth, acct) = (lab.address(Port::Auth), lab.address(Port::Acct));
    for payload in SQL.into_iter().chain([HOSTILE]) {
        for kind in 1..=255 {
            let login = lab.knock("nobody", ELSEWHERE).raw(kind, payload.as_bytes()).pap(b"x").sign();
            wire.send(auth, &login.finish()).await;
        }
        for login in [lab.knock(payload, ELSEWHERE), lab.knock("nobody", payload)] {
            wire.send(auth, &login.pap(payload.as_bytes()).sign().finish()).await;
        }
        let head = [1, u8::try_from(payload.len()).unwrap() + 2];
        let vendor = [&head[..], payload.as_bytes()].concat();
        wire.send(auth, &lab.knock("nobody", ELSEWHERE).vendor(14_988, &vendor).pap(b"x").sign().finish()).await;
        // User-Name, Calling-Station-Id, Called-Station-Id, NAS-Identifier, NAS-Port-Id, Acct-Session-Id, Acct-Multi-Session-Id, Class.
        let report = [1, 30, 31, 32, 87, 44, 50, 25]
            .into_iter()
            .fold(Draft::new(Code::AccountingRequest, SECRET).put(rfc2866::ACCT_STATUS_TYPE, 1), |report, kind| {
                report.raw(kind, payload.as_bytes())
            });
        wire.send(acct, &report.finish()).await;
        eventually("the report is stored with its words", || async {
            let count = "SELECT count(*) FROM sessions WHERE user_name = $1";
            let count: i64 = sqlx::query_scalar(count).bind(payload).fetch_one(&lab.world.pool).await.ok()?;
            (count == 1).then_some(())
        })
        .await;
        let answer = lab.answered(Port::Auth, &lab.good_login()).await;
        assert!(answer.is_accept(), "after {payload:?}: {:?}", answer.packet());
    }
    assert_tables(&lab.world.pool).await;
    lab.world.start_portal().await;
    let web = Web::of(&lab.world);
    let owner = Operator::sign_in(&lab.world).await;
    let pages = web.walk(&["/admin"], &["/admin"], &owner.cookie).await;
    for (path, answer) in &pages {
        assert_harmless(path, answer);
    }
    for payload in SQL.into_iter().chain([HOSTILE]) {
        assert!(pages["/admin/sessions"].page().words().contains(payload), "{payload:?} is not shown as it is");
    }
}
