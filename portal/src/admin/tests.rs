//! The desk's pages with sample data, and its doors with neither PostgreSQL nor Redis behind them.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::page::tests::{assert_whole, page};
use super::*;

/// The desk of an installation whose PostgreSQL and Redis are both away.
fn desk() -> Router {
    let config = serde_json::json!({
        "database": { "write": "postgres:///mlango?host=/nonexistent&user=nobody" },
        "redis": { "url": "redis+unix:///nonexistent/redis.sock" },
        "secrets": { "seal_key": "5a".repeat(32) },
    });
    let app = App::open(serde_json::from_value(config).expect("a configuration")).expect("nothing is connected yet");
    Router::new().nest("/admin", routes(&app)).with_state(app)
}

async fn ask(request: axum::http::request::Builder, body: &'static str) -> (u16, axum::http::HeaderMap, String) {
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = desk().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("infallible");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body(), 100_000).await.expect("a body in memory");
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

const PAGES: &[&str] = &[
    "/admin/live",
    "/admin/map",
    "/admin/map/live",
    "/admin/map/sites.geojson",
    "/admin/customers",
    "/admin/customers.csv",
    "/admin/customers/cus_0192e4a0000070008000000000000001",
    "/admin/devices",
    "/admin/orders",
    "/admin/orders.csv",
    "/admin/ledger",
    "/admin/sessions.csv",
    "/admin/sites",
    "/admin/sites/new",
    "/admin/settings",
    "/admin/books/programs",
    "/admin/books/programs/xero/finish?code=a&state=b",
    "/admin/campaigns",
    "/admin/campaigns/new?audience=likely",
    "/admin/campaigns/0192e4a0-0000-7000-8000-000000000001",
    "/admin/books",
    "/admin/books/balance",
    "/admin/books/balance.csv",
    "/admin/books/cash",
    "/admin/books/cash.csv",
    "/admin/books/cash/agent?name=Njeri",
    "/admin/books/days.csv",
    "/admin/books/documents/20261122-NBO1-M.pdf",
    "/admin/books/etims",
    "/admin/books/lines.csv",
    "/admin/books/taxes",
    "/admin/calendar",
    "/admin/charts",
    "/admin/charts/data/revenue",
    "/admin/charts/use/use",
    "/admin/reports",
    "/admin/reports/use/today",
    "/admin/reports/use/today.pdf",
    "/admin/reports/money/revenue.csv",
    "/admin/jobs",
    "/admin/jobs/disconnect",
    "/admin/jobs/void",
    "/admin",
    "/admin/accounting",
    "/admin/backups",
    "/admin/outages",
    "/admin/packages",
    "/admin/packages/new",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001",
    "/admin/routers",
    "/admin/routers/new",
    "/admin/routers/0192e4a0-0000-7000-8000-000000000001",
    "/admin/routers/0192e4a0-0000-7000-8000-000000000001/script",
    "/admin/security",
    "/admin/support",
    "/admin/support/device/02:00:00:00:00:01",
    "/admin/sessions",
    "/admin/sessions/leaking",
    "/admin/sessions/ended",
    "/admin/sessions/ses_0192e4a0000070008000000000000001",
    "/admin/payments",
    "/admin/payments/pay_0192e4a0000070008000000000000001",
    "/admin/payments/pay_0192e4a0000070008000000000000001/receipt.pdf",
    "/admin/money",
    "/admin/money/all",
    "/admin/money/RKTQDM7W6S",
    "/admin/vouchers",
    "/admin/vouchers/new",
    "/admin/vouchers/42",
    "/admin/discounts",
    "/admin/discounts/new",
    "/admin/discounts/0192e4a0-0000-7000-8000-000000000001",
    "/admin/messages",
    "/admin/messages/texts/ended/sw",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/documents",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/drift",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/mapping",
    "/admin/books/statements",
    "/admin/books/statements/new",
    "/admin/books/statements/mpesa",
    "/admin/books/statements/mpesa/differences.csv",
    "/admin/me",
    "/admin/me/second-factor",
    "/admin/staff",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001",
    "/admin/audit",
];
const CHANGES: &[&str] = &[
    "/admin/books/cash/handed-over",
    "/admin/books/close",
    "/admin/books/etims/branches/0192e4a0-0000-7000-8000-000000000001/try",
    "/admin/books/etims/invoices/0192e4a0-0000-7000-8000-000000000001/again",
    "/admin/books/etims/invoices/0192e4a0-0000-7000-8000-000000000001/signature",
    "/admin/books/taxes/letters",
    "/admin/books/taxes/rates",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/disconnect",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/check",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/documents/tell",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/documents/0192e4a0-0000-7000-8000-000000000001/again",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/drift/0192e4a0-0000-7000-8000-000000000001/post",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/drift/0192e4a0-0000-7000-8000-000000000001/reverse",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/mapping/customers",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/mapping/customers/0192e4a0-0000-7000-8000-000000000001/remove",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/mapping/dry-run",
    "/admin/books/programs/0192e4a0-0000-7000-8000-000000000001/mapping/read",
    "/admin/books/programs/xero/choose",
    "/admin/books/programs/xero/connect",
    "/admin/campaigns/0192e4a0-0000-7000-8000-000000000001/stop",
    "/admin/jobs/0192e4a0-0000-7000-8000-000000000001/cancel",
    "/admin/sign-out",
    "/admin/reports/use/today/mail",
    "/admin/reports/money/revenue/mail",
    "/admin/reports/mails/0192e4a0-0000-7000-8000-000000000001/stop",
    "/admin/sessions/ses_0192e4a0000070008000000000000001/disconnect",
    "/admin/outages/0192e4a0-0000-7000-8000-000000000001/give-back",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001/up",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001/down",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001/retire",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001/sell",
    "/admin/routers/0192e4a0-0000-7000-8000-000000000001/position",
    "/admin/routers/0192e4a0-0000-7000-8000-000000000001/line",
    "/admin/money/RKTQDM7W6S/assign",
    "/admin/money/RKTQDM7W6S/refund",
    "/admin/money/RKTQDM7W6S/reverse",
    "/admin/money/RKTQDM7W6S/given-back",
    "/admin/money/RKTQDM7W6S/ignore",
    "/admin/money/RKTQDM7W6S/heed",
    "/admin/payments/pay_0192e4a0000070008000000000000001/refund",
    "/admin/payments/pay_0192e4a0000070008000000000000001/given-back",
    "/admin/payments/pay_0192e4a0000070008000000000000001/again",
    "/admin/support/disconnect",
    "/admin/support/grant",
    "/admin/support/move",
    "/admin/support/resend",
    "/admin/support/refund",
    "/admin/vouchers/42/file",
    "/admin/vouchers/42/give",
    "/admin/vouchers/42/sell",
    "/admin/vouchers/42/void",
    "/admin/calendar/0192e4a0-0000-7000-8000-000000000001/remove",
    "/admin/discounts/0192e4a0-0000-7000-8000-000000000001/end",
    "/admin/messages/texts/ended/off",
    "/admin/messages/texts/ended/on",
    "/admin/messages/texts/ended/sw/reset",
    "/admin/books/statements/lines/0192e4a0-0000-7000-8000-000000000001/resolve",
    "/admin/books/statements/mpesa/fees",
    "/admin/books/statements/mpesa/missing/0192e4a0-0000-7000-8000-000000000001/explain",
    "/admin/me/password",
    "/admin/me/recovery-codes",
    "/admin/me/second-factor/off",
    "/admin/me/sessions/end-others",
    "/admin/me/sessions/00/end",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/access",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/link",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/reset-second-factor",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/restore",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/sessions/00/end",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/sign-out",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/suspend",
    "/admin/staff/0192e4a0-0000-7000-8000-000000000001/unlock",
];
/// Addresses that show a form, and take it.
const FORMS: &[&str] = &[
    "/admin/campaigns",
    "/admin/books/statements",
    "/admin/support",
    "/admin/calendar",
    "/admin/sites",
    "/admin/sites/0192e4a0-0000-7000-8000-000000000001",
    "/admin/jobs/disconnect",
    "/admin/jobs/void",
    "/admin/packages",
    "/admin/packages/0192e4a0-0000-7000-8000-000000000001",
    "/admin/routers",
    "/admin/routers/0192e4a0-0000-7000-8000-000000000001",
    "/admin/staff",
    "/admin/me/second-factor",
    "/admin/vouchers",
    "/admin/discounts",
    "/admin/discounts/0192e4a0-0000-7000-8000-000000000001",
    "/admin/messages/texts/ended/sw",
];

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    for path in PAGES.iter().copied() {
        let (status, headers, body) = ask(Request::get(path), "").await;
        // From there it goes on to the page that was asked for; the overview needs no word.
        let there = headers[header::LOCATION].to_str().expect("plain");
        let back = there.strip_prefix(SIGN_IN).and_then(|query| query.strip_prefix("?to=")).map(|back| {
            url::form_urlencoded::parse(back.as_bytes()).map(|(name, _)| name.into_owned()).collect::<String>()
        });
        let expected = (path != OVERVIEW).then(|| path.to_owned());
        assert_eq!((status, back), (303, expected), "{path}: {there}");
        assert!(there.starts_with(SIGN_IN), "{path}: {there}");
        assert!(body.is_empty(), "{path}");
        let (status, ..) = ask(Request::get(path).header("cookie", "mlango-desk=not-one-of-ours"), "").await;
        assert_eq!(status, 303, "{path}");
    }
}

#[tokio::test]
async fn no_change_by_get_by_another_site_or_without_a_session() {
    for path in CHANGES.iter().copied() {
        // The door comes first: whoever is signed in reads that it is not done so (405).
        assert_eq!(ask(Request::get(path), "").await.0, 303, "{path}");
    }
    for path in CHANGES.iter().chain(FORMS).copied() {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")]
        {
            let (status, _, body) = ask(Request::post(path).header(name, value), "csrf=x").await;
            assert_eq!(status, 403, "{path} {name} {value}");
            assert!(body.contains("Nothing was changed"));
        }
        assert_eq!(ask(Request::post(path), "csrf=x").await.0, 303, "{path}");
    }
}

#[tokio::test]
async fn the_sign_in_form_needs_its_own_secret() {
    for (cookie, form) in [
        ("", "csrf=&email=a@b&password=x"),
        ("", "csrf=guess&email=a@b&password=x"),
        ("mlango-sign-in=theirs", "csrf=ours&email=a@b&password=x"),
        ("mlango-sign-in=", "csrf=&email=a@b&password=x"),
        ("mlango-sign-in=theirs", "email=a@b&password=x"),
    ] {
        assert_eq!(ask(Request::post(SIGN_IN).header("cookie", cookie), form).await.0, 403, "{cookie} {form}");
    }
}

#[tokio::test]
async fn without_redis_the_desk_says_so_and_nobody_is_signed_in() {
    let session = "mlango-desk=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let form = "csrf=secret&email=a@b&password=x";
    for request in [Request::get(SIGN_IN), Request::get("/admin").header("cookie", session)] {
        let (status, headers, body) = ask(request, "").await;
        assert_eq!(status, 503);
        assert!(body.contains("cannot reach Redis"), "{body}");
        assert!(!headers.contains_key(header::SET_COOKIE));
    }
    let (status, headers, body) = ask(Request::post(SIGN_IN).header("cookie", "mlango-sign-in=secret"), form).await;
    assert_eq!(status, 503);
    assert!(body.contains("cannot reach Redis") && !headers.contains_key(header::SET_COOKIE), "{body}");
}

#[tokio::test]
async fn forms_of_the_desk_name_their_origin() {
    let (_, headers, _) = ask(Request::get("/admin/nosuch"), "").await;
    assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
}

/// Every route of the desk as `mod.rs` has it: the group, the method, the path. `open` is no group.
fn routes_of_the_source() -> Vec<String> {
    let source = include_str!("mod.rs").split("#[cfg(test)]").next().unwrap_or_default();
    let functions: Vec<(&str, &str)> = source
        .split("\nfn ")
        .chain(source.split("\npub fn ").skip(1))
        .filter_map(|text| Some((text.split('(').next()?, text.split("\n}").next()?)))
        .collect();
    let of = |name: &str| functions.iter().find(|(known, _)| *known == name).map_or("", |(_, body)| *body);
    let mut groups: Vec<(String, String)> =
        [("open", "routes"), ("unfinished", "unfinished_routes"), ("own", "own_routes")]
            .map(|(group, function)| (group.to_owned(), of(function).to_owned()))
            .into();
    for group in of("routes").split("group(app, Permission::").skip(1) {
        let (permission, rest) = group.split_once(", ").expect("a permission and its routes");
        let permission = Permission::all().find(|known| format!("{known:?}") == permission).expect("a permission");
        let function = rest.split("()").next().expect("a function");
        groups.push((permission.as_str().to_owned(), of(function).to_owned()));
    }
    let mut found = Vec::new();
    for (group, body) in groups {
        assert!(!body.is_empty(), "the routes of {group} do not stand in mod.rs");
        for route in body.split(".route(\"").skip(1) {
            let (path, handlers) = route.split_once('"').expect("a path ends");
            for (method, call) in [("GET", "get("), ("POST", "post(")] {
                if handlers.contains(call) {
                    found.push(format!("{group} {method} {path}"));
                }
            }
        }
    }
    found.sort();
    found
}

/// Tells a change of who may do what from an oversight.
#[test]
fn every_route_is_in_the_group_that_is_written_down() {
    let mut written: Vec<&str> = include_str!("routes.txt").lines().collect();
    written.sort_unstable();
    assert_eq!(
        routes_of_the_source(),
        written,
        "a route needs a line in routes.txt, and belongs into a group of mod.rs"
    );
    let calls = include_str!("mod.rs").matches(".route(\"").count();
    assert!(calls > 40, "{calls}");
}

#[test]
fn every_page_renders_with_sample_data() {
    assert_whole(&overview::tests::sample(page()));
    assert_whole(&alerts::tests::sample(page()));
    assert_whole(&alerts::tests::single(page()));
    assert_whole(&alerts::rules::tests::sample(page()));
    assert_whole(&alerts::rules::tests::form(page()));
    assert_whole(&alerts::rules::tests::muting(page()));
    assert_whole(&alerts::mine::tests::sample(page()));
    assert_whole(&backups::tests::sample(page()));
    assert_whole(&books::programs::tests::sample(page()));
    assert_whole(&books::mapping::tests::sample(page()));
    assert_whole(&books::told::tests::sample(page()));
    assert_whole(&books::drift::tests::sample(page()));
    assert_whole(&books::programs::connect::tests::go(page()));
    assert_whole(&books::programs::connect::tests::came_back());
    assert_whole(&books::programs::connect::tests::companies(page()));
    assert_whole(&outages::tests::sample(page()));
    assert_whole(&packages::tests::sample(page()));
    assert_whole(&packages::edit::tests::new(page()));
    assert_whole(&packages::edit::tests::sample(page()));
    assert_whole(&routers::tests::sample(page()));
    assert_whole(&routers::enrol::tests::sample(page()));
    assert_whole(&routers::enrol::tests::line(page()));
    assert_whole(&routers::one::tests::sample(page()));
    assert_whole(&routers::one::tests::script(page()));
    assert_whole(&security::tests::sample(page()));
    assert_whole(&sessions::tests::leaking(page()));
    assert_whole(&listing::tests::sample());
    assert_whole(&listing::tests::problem(page()));
    assert_whole(&books::statements::tests::sample(page()));
    assert_whole(&books::statements::account::tests::sample(page()));
    assert_whole(&books::statements::upload::tests::sample(page()));
    assert_whole(&campaigns::tests::sample(page()));
    assert_whole(&campaigns::tests::single(page()));
    assert_whole(&campaigns::edit::tests::sample(page()));
    assert_whole(&customer::tests::sample(page()));
    assert_whole(&books::days::tests::sample(page()));
    assert_whole(&books::document::tests::sample(page()));
    assert_whole(&books::balance::tests::sample(page()));
    assert_whole(&books::cash::tests::sample(page()));
    assert_whole(&books::cash::tests::single(page()));
    assert_whole(&books::etims::tests::sample(page()));
    assert_whole(&books::taxes::tests::sample(page()));
    assert_whole(&calendar::tests::sample(page()));
    assert_whole(&charts::tests::sample(page()));
    assert_whole(&reports::page::tests::sample(page()));
    assert_whole(&reports::page::tests::overview(page()));
    assert_whole(&map::tests::sample(page()));
    assert_whole(&map::tests::with_google(page()));
    assert_whole(&jobs::tests::sample(page()));
    assert_whole(&settings::tests::sample(page()));
    assert_whole(&sites::tests::sample(page()));
    assert_whole(&story::tests::sample(page()));
    assert_whole(&support::tests::sample(page()));
    assert_whole(&support::tests::asked(page()));
    assert_whole(&accounting::tests::sample(page()));
    assert_whole(&payment::tests::sample(page()));
    assert_whole(&money::tests::sample(page()));
    assert_whole(&money::receipt::tests::sample(page()));
    assert_whole(&vouchers::tests::sample(page()));
    assert_whole(&vouchers::tests::new(page()));
    assert_whole(&vouchers::batch::tests::sample(page()));
    assert_whole(&discounts::tests::sample(page()));
    assert_whole(&discounts::edit::tests::sample(page()));
    assert_whole(&messages::texts::tests::sample(page()));
    assert_whole(&messages::texts::tests::form(page()));
    assert_whole(&form::tests::sample(page()));
    assert_whole(&form::tests::asked_twice(page()));
    assert_whole(&me::tests::sample(page()));
    assert_whole(&me::second_factor::tests::sample(page()));
    assert_whole(&me::second_factor::tests::codes(page()));
    assert_whole(&proof::tests::sample(page()));
    assert_whole(&staff::tests::sample(page()));
    assert_whole(&staff::tests::link(page()));
    assert_whole(&staff::member::tests::sample(page()));
    assert_whole(&staff::invitation::tests::sample());
    assert_whole(&audit_log::tests::sample(page()));
    assert_whole(&sign_in::tests::sample());
    assert_whole(&second_step::tests::sample());
    assert_whole(&refusal::tests::sample());
}

#[test]
fn every_template_of_the_desk_belongs_to_a_page_above() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/admin");
    let mut names: Vec<String> = std::fs::read_dir(here)
        .expect("the templates are there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "accounting.html",
            "alert.html",
            "alert_rules.html",
            "alerts.html",
            "audit.html",
            "backups.html",
            "books",
            "calendar.html",
            "campaign.html",
            "campaigns.html",
            "charts.html",
            "customer.html",
            "discounts.html",
            "field.html",
            "form.html",
            "form_page.html",
            "invitation.html",
            "jobs.html",
            "layout.html",
            "leaking.html",
            "list.html",
            "map.html",
            "me.html",
            "message_texts.html",
            "money.html",
            "money_cards.html",
            "money_owed.html",
            "money_receipt.html",
            "notice.html",
            "outages.html",
            "overview.html",
            "overview_now.html",
            "package.html",
            "packages.html",
            "payment.html",
            "recovery_codes.html",
            "report.html",
            "reports.html",
            "router.html",
            "router_line.html",
            "router_script.html",
            "routers.html",
            "rows.html",
            "second_factor.html",
            "security.html",
            "session.html",
            "settings.html",
            "sign_in.html",
            "sign_in_code.html",
            "sites.html",
            "staff.html",
            "staff_link.html",
            "staff_member.html",
            "staff_sessions.html",
            "support.html",
            "support_story.html",
            "voucher_batch.html",
            "vouchers.html",
        ],
        "a new template needs a line in the test above"
    );
    let mut names: Vec<String> = std::fs::read_dir(format!("{here}/books"))
        .expect("the templates are there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let books = [
        "balance.html",
        "cash.html",
        "company.html",
        "document.html",
        "drift.html",
        "etims.html",
        "index.html",
        "mapping.html",
        "program_back.html",
        "program_go.html",
        "programs.html",
        "sheet.html",
        "statement_account.html",
        "statement_upload.html",
        "statements.html",
        "taxes.html",
        "told.html",
    ];
    assert_eq!(names, books, "a new template needs a line in the test above");
}
