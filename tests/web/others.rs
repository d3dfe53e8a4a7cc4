//! What belongs to somebody else (ASVS 8.2.2, 8.2.3, 8.4.1): a customer reaches nothing of another's by its identifier, and a member of staff
//! who is limited to sites nothing that stands elsewhere, on any route. Which role reaches which route is in `tests/flows/desk_staff.rs`.

use shared::staff::Role;
use store::accounting::{self, Report};
use store::admin::people;
use tests::world::{at, first_report};
use uuid::Uuid;

use crate::operator::{self, Operator};
use crate::people::{Answer, Stage, desk_routes, owned, secret};

const A: &str = "02:00:00:00:00:0A";
const B: &str = "02:00:00:00:00:0B";

/// The first value of a field with this name on a page.
fn value(answer: &Answer, name: &str) -> String {
    let fields = answer.page().forms().into_iter().flat_map(|form| form.fields);
    let mut values = fields.filter(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value);
    values.next().unwrap_or_else(|| panic!("no {name}: {}", answer.text))
}

#[tokio::test]
async fn a_customer_reaches_nothing_of_another() {
    let stage = Stage::open().await;
    let a = stage.customer(A, "0712345670").await;
    let b = stage.customer(B, "0712345680").await;
    // A second session of A's, so that there is one to end; its handle stands on the page of the first.
    stage.web.send(&format!("{}/account", a.order), "", &[]).await;
    let page = stage.web.get("/account", &a.cookie).await;
    let session = value(&page, "session");
    let package: Uuid = sqlx::query_scalar(
        "SELECT e.id FROM entitlements e JOIN orders o ON o.id = e.order_id JOIN users u ON u.id = o.user_id
                              WHERE u.phone LIKE '%712345670'",
    )
    .fetch_one(&stage.world.pool)
    .await
    .unwrap();
    let package = package.to_string();
    let visit = b.account.visit();
    let before = stage.at_rest().await;
    for visit in ["", visit.as_str()] {
        for (path, fields) in [
            ("/account/use", vec![("package", package.as_str())]),
            ("/account/device", vec![("package", package.as_str()), ("mac", A), ("label", "mine")]),
            ("/account/remove", vec![("package", package.as_str()), ("mac", A)]),
            ("/account/add/code", vec![("package", package.as_str()), ("code", "ABCDEF")]),
            (
                "/account/add/address",
                vec![("package", package.as_str()), ("mac", "00:11:22:33:44:55"), ("label", "TV")],
            ),
            ("/account/sessions", vec![("session", session.as_str())]),
        ] {
            let fields = [owned(&[("visit", visit)]), owned(&fields)].concat();
            let answer = stage.web.post(path, &b.cookie, &fields).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
            assert!(!answer.text.contains(A), "{path}: {}", answer.text);
        }
    }
    assert_eq!(stage.contents().await, before, "something was changed");
    let own = stage.web.get("/account", &a.cookie).await;
    assert!(own.text.contains(&session), "A's other session still is");
    // With A's own cookie the same is done: the identifiers are right.
    let done = stage
        .web
        .send("/account/device", &a.cookie, &[("visit", ""), ("package", &package), ("mac", A), ("label", "mine")])
        .await;
    assert!(done.status == 200 && done.text.contains("mine"), "{}", done.text);
    let done = stage.web.send("/account/sessions", &a.cookie, &[("visit", ""), ("session", &session)]).await;
    assert_eq!(done.status, 200, "{}", done.text);

    // Nothing on B's pages is A's, and no page is reached with the token of another purpose.
    let page = stage.web.get("/account", &b.cookie).await;
    assert!(!page.text.contains(&package) && !page.text.contains("xxx 670"), "{}", page.text);
    let token = a.order.trim_start_matches("/o/");
    for path in
        [format!("/e/{token}"), format!("/u/{token}"), format!("/webhooks/mpesa/{token}"), format!("/r/{token}")]
    {
        let get = stage.web.get(&path, &b.cookie).await;
        let post = stage.web.send(&path, &b.cookie, &[]).await;
        assert!(get.status >= 400 && post.status >= 400, "{path}: {} {}", get.status, post.status);
    }
}

#[tokio::test]
async fn a_customers_session_is_of_one_device() {
    let stage = Stage::open().await;
    let a = stage.customer(A, "0712345670").await;
    let elsewhere = stage.packages(B).await.visit();
    // The cookie, stolen, with the visit of another device; and the page's own form, which has the session in it.
    let stolen = stage.web.get(&format!("/account?visit={elsewhere}"), &a.cookie).await;
    assert!(stolen.text.contains("/account/code"), "{}", stolen.text);
    let events: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM security_events").fetch_all(&stage.world.pool).await.unwrap();
    assert_eq!(events, ["session_stolen"]);
    let own = stage.web.get("/account", &a.cookie).await;
    assert!(!own.text.contains("/account/code"), "its owner is still signed in: {}", own.text);
}

/// A second site with something of each kind, at which a limited manager has no business.
struct Elsewhere {
    site: Uuid,
    router: Uuid,
    session: String,
    outage: Uuid,
}

async fn place(stage: &Stage, name: &str, number: u8) -> Elsewhere {
    let (world, now) = (&stage.world, stage.world.clock.now());
    let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
    let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 1, number]) };
    let router = world.register(&format!("router-{number}"), b"secret", settings).await;
    let report = Report {
        user_name: format!("guest-at-{number}"),
        acct_session_id: format!("8010000{number}"),
        ..first_report(router, now)
    };
    let session = format!("ses_{}", report.session.id.simple());
    accounting::record(&world.db, &[report], now).await.unwrap();
    let outage = shared::rng::id(now);
    sqlx::query(
        "INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
         VALUES ($1, $2, now() - interval '2 hours', now() - interval '1 hour', now())",
    )
    .bind(outage)
    .bind(router)
    .execute(&world.pool)
    .await
    .unwrap();
    Elsewhere { site, router, session, outage }
}

/// A route of the desk about something that stands at a site, with the identifiers of that place. `None`: it knows no sites.
fn about(place: &Elsewhere, path: &str) -> Option<String> {
    let id = match path.split('/').nth(1)? {
        "routers" => place.router.to_string(),
        "sessions" => place.session.clone(),
        "outages" if path.contains("/sites/") => place.site.to_string(),
        "outages" => place.outage.to_string(),
        _ => return None,
    };
    path.contains("{id}").then(|| format!("/admin{}", path.replace("{id}", &id)))
}

#[tokio::test]
async fn whoever_is_limited_to_a_site_reaches_no_route_of_another() {
    let stage = Stage::open().await;
    let (here, there) = (place(&stage, "Beach", 1).await, place(&stage, "Harbour", 2).await);
    for role in [Role::Manager, Role::Support, Role::ReadOnly] {
        let email = format!("{}@example.org", role.as_str());
        operator::make(&stage.world, &email, role).await;
        let id = stage.world.staff_id(&email).await;
        people::set_access(&stage.world.db, id, role, &[here.site]).await.unwrap();
        let limited = Operator::again(&stage.world, &email).await;
        let csrf = secret(&stage.web, &limited).await;
        let before = stage.at_rest().await;
        let mut walked = 0;
        for (group, method, path) in desk_routes() {
            let Some(address) = about(&there, path) else { continue };
            let permission = shared::staff::Permission::all().find(|permission| permission.as_str() == group).unwrap();
            let answer = match method {
                "POST" => {
                    let fields = [
                        ("csrf", csrf.as_str()),
                        ("confirmed", "yes"),
                        ("name", "x"),
                        ("latitude", "1"),
                        ("longitude", "1"),
                    ];
                    stage.web.send(&address, &limited.cookie, &fields).await
                }
                _ => stage.web.get(&address, &limited.cookie).await,
            };
            let expected = if role.may(permission) { 404 } else { 403 };
            assert_eq!(answer.status, expected, "{role}: {method} {path}: {}", answer.text);
            assert!(
                !answer.text.contains("router-2") && !answer.text.contains("guest-at-2"),
                "{role}: {path}: {}",
                answer.text
            );
            walked += 1;
            // The same at their own site is there: it is the site that counts. Only a router that was set up by a line has a script.
            if method == "GET" && role.may(permission) && !path.ends_with("/script") {
                let own = stage.web.get(&about(&here, path).unwrap(), &limited.cookie).await;
                assert!(own.status != 404 && own.status < 500, "{role}: {path}: {}", own.status);
            }
        }
        assert!(walked >= 8, "{walked}");
        assert_eq!(stage.contents().await, before, "{role}: something was changed elsewhere");
        // No list and no page that links lead to has a word of it.
        for (path, answer) in stage.web.walk(&["/admin"], &["/admin"], &limited.cookie).await {
            let words = ["router-2", "guest-at-2"];
            assert!(words.iter().all(|word| !answer.text.contains(word)), "{role}: {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn whoever_is_limited_to_a_site_puts_no_router_elsewhere() {
    let stage = Stage::open().await;
    let (here, _) = (place(&stage, "Beach", 1).await, place(&stage, "Harbour", 2).await);
    operator::make(&stage.world, "manager@example.org", Role::Manager).await;
    let id = stage.world.staff_id("manager@example.org").await;
    people::set_access(&stage.world.db, id, Role::Manager, &[here.site]).await.unwrap();
    let limited = Operator::again(&stage.world, "manager@example.org").await;
    let csrf = secret(&stage.web, &limited).await;
    let own = format!("/admin/routers/{}", here.router);
    let before = stage.at_rest().await;
    for site in ["Harbour", "Somewhere new", ""] {
        let fields = [("csrf", csrf.as_str()), ("name", "router-1"), ("site", site), ("hosts", "")];
        let answer = stage.web.send(&own, &limited.cookie, &fields).await;
        assert_eq!(answer.status, 422, "{site:?}: {}", answer.text);
        let fields = [
            ("csrf", csrf.as_str()),
            ("name", "another"),
            ("site", site),
            ("interface", "bridge"),
            ("version", "7"),
            ("address", "10.9.1.9"),
            ("guests", "10.5.50.0/24"),
        ];
        let answer = stage.web.send("/admin/routers", &limited.cookie, &fields).await;
        assert!(answer.status == 422 && answer.text.contains("that you are limited to"), "{site:?}: {}", answer.text);
    }
    assert_eq!(stage.contents().await, before, "something was changed");
    let fields = [("csrf", csrf.as_str()), ("name", "router-1"), ("site", "Beach"), ("hosts", "")];
    assert_eq!(stage.web.send(&own, &limited.cookie, &fields).await.status, 303);
}
