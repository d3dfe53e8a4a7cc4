//! Forms that somebody else's page sends (ASVS 3.5.1, 3.5.3): every form of the desk and of the customers, without its secret, with
//! another session's, and from another site. Each is refused, and nothing has changed.
//!
//! The desk's forms are those of its routes, so that none is forgotten, and those that a walk over its pages finds, so that none leads
//! where no route is written down. No page that is only looked at changes anything.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use shared::staff::Role;

use crate::html::Form;
use crate::operator::{EMAIL, Operator, PASSWORD};
use crate::people::{Answer, Stage, Web, arrival, desk_routes, owned, secret};

const MAC: &str = "02:00:00:00:00:01";
/// A page of somebody else's.
const EVIL: &str = "https://evil.example";

/// How a browser, or whoever plays one, says where a form comes from.
const FOREIGN: [(&str, &str); 6] = [
    ("origin", EVIL),
    ("origin", "http://127.0.0.1.evil.example"),
    ("origin", "https://wifi.example.net@evil.example"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "CROSS-SITE"),
    ("sec-fetch-site", ""),
];

async fn from(web: &Web, path: &str, cookie: &str, fields: &[(String, String)], header: (&str, &str)) -> Answer {
    Answer::of(web.request(Method::POST, path, cookie).form(fields).header(header.0, header.1)).await
}

/// A path of the desk with what is there in the place of its names.
async fn filled_in(stage: &Stage, path: &str) -> String {
    let one = async |statement: &'static str| {
        let id: Option<uuid::Uuid> = sqlx::query_scalar(statement).fetch_optional(&stage.world.pool).await.unwrap();
        id.unwrap_or_default()
    };
    let id = match path.split('/').nth(1).unwrap_or_default() {
        "sessions" => format!("ses_{}", one("SELECT id FROM sessions LIMIT 1").await.simple()),
        "routers" => stage.nas.to_string(),
        "packages" => one("SELECT id FROM packages LIMIT 1").await.to_string(),
        "discounts" => one("SELECT id FROM discounts LIMIT 1").await.to_string(),
        "staff" => one("SELECT id FROM admin_users WHERE email = 'other@example.org'").await.to_string(),
        "outages" if path.contains("/sites/") => stage.site.to_string(),
        _ => uuid::Uuid::nil().to_string(),
    };
    let path =
        path.replace("{id}", &id).replace("{number}", &stage.batch.to_string()).replace("{receipt}", "AAAAAAAAA1");
    let path = path.replace("{name}", "ended").replace("{locale}", "en").replace("{handle}", &"0".repeat(32));
    let path = path.replace("{provider}", "xero").replace("{account}", "mpesa");
    let nobody = uuid::Uuid::nil().to_string();
    let path = ["{posting}", "{comparison}", "{user}", "{transaction}"]
        .iter()
        .fold(path, |path, name| path.replace(name, &nobody));
    format!("/admin{}", path.replace("{secret}", "nothing"))
}

/// Fields as any form of the desk might have them.
fn some_fields() -> Vec<(String, String)> {
    owned(&[
        ("package", "one-hour"),
        ("count", "1"),
        ("name", "x"),
        ("reason", "x"),
        ("confirmed", "yes"),
        ("role", "owner"),
        ("format", "csv"),
    ])
}

#[tokio::test]
async fn every_form_of_the_desk_is_refused_from_elsewhere() {
    let stage = Stage::open().await;
    stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let other = stage.staff("other@example.org", Role::Support).await;
    let (own, theirs) = (secret(&stage.web, &owner).await, secret(&stage.web, &other).await);
    let mut routes = Vec::new();
    for (group, method, path) in desk_routes() {
        if method == "POST" && group != "open" {
            routes.push(filled_in(&stage, path).await);
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    let before = stage.at_rest().await;
    for path in &routes {
        let with = |csrf: &str| [owned(&[("csrf", csrf)]), some_fields()].concat();
        for (what, fields) in [
            ("none", some_fields()),
            ("another's", with(&theirs)),
            ("empty", with("")),
            ("a longer one", with(&format!("{own}x"))),
        ] {
            let answer = stage.web.post(path, &owner.cookie, &fields).await;
            assert_eq!(answer.status, 403, "{path} with {what} secret: {}", answer.text);
            assert!(answer.text.contains("Nothing was changed"), "{path} with {what} secret: {}", answer.text);
        }
        for header in FOREIGN {
            let answer = from(&stage.web, path, &owner.cookie, &with(&own), header).await;
            assert_eq!(answer.status, 403, "{path} {header:?}: {}", answer.text);
        }
        // What no form of a browser's can send is not read as one.
        for kind in ["application/json", "text/plain"] {
            let body = format!("{{\"csrf\":\"{own}\"}}");
            let request = stage.web.request(Method::POST, path, &owner.cookie).header(CONTENT_TYPE, kind).body(body);
            let answer = Answer::of(request).await;
            assert!([403, 415].contains(&answer.status), "{path} {kind}: {}", answer.status);
        }
        // The secret in the address is none.
        let answer = stage.web.post(&format!("{path}?csrf={own}"), &owner.cookie, &some_fields()).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(stage.contents().await, before, "something was changed");
    // The session is still there: nothing of this ended it.
    assert_eq!(stage.web.get("/admin", &owner.cookie).await.status, 200);
}

/// Who takes a file with people in it stands in the audit log, though nothing is changed.
fn but_for_the_log(mut contents: BTreeMap<String, String>) -> BTreeMap<String, String> {
    contents.remove("admin_logs");
    contents.remove("admin_log_head");
    contents
}

#[tokio::test]
async fn looking_at_the_desk_changes_nothing_and_its_forms_are_those_that_are_known() {
    let stage = Stage::open().await;
    stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    stage.staff("other@example.org", Role::Support).await;
    let before = but_for_the_log(stage.at_rest().await);
    let pages = stage.web.walk(&["/admin"], &["/admin"], &owner.cookie).await;
    assert!(pages.len() > 25, "{:?}", pages.keys());
    let own = secret(&stage.web, &owner).await;
    let known: Vec<Vec<&str>> = desk_routes()
        .into_iter()
        .filter(|(_, method, _)| *method == "POST")
        .map(|(_, _, path)| path.split('/').collect())
        .collect();
    let is_known = |action: &str| {
        let parts: Vec<&str> = action.trim_start_matches("/admin").split('/').collect();
        let fits = |route: &&Vec<&str>| {
            route.len() == parts.len()
                && route.iter().zip(&parts).all(|(known, part)| known.starts_with('{') || known == part)
        };
        known.iter().any(|route| fits(&route))
    };
    let mut actions = BTreeSet::new();
    for (path, answer) in &pages {
        assert_eq!(answer.status, 200, "{path}");
        // Lists as files have no forms.
        if !answer.is_html() {
            continue;
        }
        for form in answer.page().forms() {
            if form.method == "get" {
                continue;
            }
            assert!(is_known(&form.action), "{path}: a form that goes to {}", form.action);
            let has_secret = form.fields.iter().any(|(name, value)| name == "csrf" && *value == own);
            assert!(has_secret, "{path}: a form without the secret: {form:?}");
            actions.insert(form.action);
        }
    }
    assert!(actions.len() > 12, "{actions:?}");
    assert_eq!(but_for_the_log(stage.contents().await), before, "looking has changed something");

    // A change that is asked for by looking is not made either.
    for (_, method, path) in desk_routes() {
        if method == "POST" {
            let path = filled_in(&stage, path).await;
            for answer in [
                stage.web.get(&format!("{path}?csrf={own}&confirmed=yes"), &owner.cookie).await,
                Answer::of(stage.web.request(Method::HEAD, &path, &owner.cookie)).await,
            ] {
                assert!(answer.status < 500, "{path}: {}", answer.status);
            }
        }
    }
    assert_eq!(but_for_the_log(stage.contents().await), before, "a change was made by GET");
}

#[tokio::test]
async fn the_sign_in_form_is_ours_alone() {
    let stage = Stage::open().await;
    stage.staff(EMAIL, Role::Support).await;
    let visitor = Operator::visitor(&stage.world).await;
    let page = stage.web.get("/admin/sign-in", &visitor.cookie).await;
    let form = page.form("/admin/sign-in");
    let mut fields = form.with("email", EMAIL);
    fields.retain(|(name, _)| name != "password");
    fields.extend(owned(&[("password", PASSWORD)]));
    for header in FOREIGN {
        let answer = from(&stage.web, "/admin/sign-in", &visitor.cookie, &fields, header).await;
        assert_eq!((answer.status, answer.cookie("mlango-desk")), (403, None), "{header:?}");
    }
    let answer = stage.web.post("/admin/sign-in", "", &fields).await;
    assert_eq!((answer.status, answer.cookie("mlango-desk")), (403, None), "without the cookie that belongs to it");
    let answer = stage.web.post("/admin/sign-in", &visitor.cookie, &fields).await;
    assert!(answer.cookie("mlango-desk").is_some(), "as it is, it is good: {answer:?}");
}

/// The customers' pages with forms, and what they are reached with.
async fn customer_pages(stage: &Stage) -> (String, BTreeMap<&'static str, Answer>) {
    let customer = stage.customer(MAC, "0712345670").await;
    let packages = stage.web.get(&arrival("02:00:00:00:00:02"), "").await;
    let visit = packages.visit();
    let asked = stage.web.send("/account/code", "", &[("visit", &visit), ("phone", "0712 345 671")]).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let adding = stage.web.get("/account/add", &customer.cookie).await;
    let order = stage.web.get(&customer.order, "").await;
    let pages = [
        ("packages", packages),
        ("sign in", stage.web.get(&format!("/account?visit={visit}"), "").await),
        ("code", asked),
        ("account", customer.account),
        ("adding", adding),
        ("order", order),
    ];
    (customer.cookie, pages.into())
}

/// Whether a form of a customers' page goes to us.
fn is_ours(form: &Form) -> bool {
    form.method == "post" && form.action.starts_with('/')
}

#[tokio::test]
async fn every_form_of_the_customers_is_refused_from_elsewhere() {
    let stage = Stage::open().await;
    let (cookie, pages) = customer_pages(&stage).await;
    let before = stage.at_rest().await;
    let mut actions = BTreeSet::new();
    for (name, answer) in &pages {
        let forms: Vec<Form> = answer.page().forms().into_iter().filter(is_ours).collect();
        assert!(!forms.is_empty(), "{name}: {}", answer.text);
        for form in forms {
            for header in FOREIGN {
                let answer = from(&stage.web, &form.action, &cookie, &form.fields, header).await;
                assert_eq!(answer.status, 403, "{name}: {} {header:?}: {}", form.action, answer.text);
            }
            // A sealed visit that nobody sealed.
            for (field, value) in form.fields.iter().filter(|(_, value)| value.len() > 100) {
                let mut damaged = value.clone().into_bytes();
                let middle = damaged.len() / 2;
                damaged[middle] = if damaged[middle] == b'A' { b'B' } else { b'A' };
                let damaged = form.with(field, &String::from_utf8(damaged).unwrap());
                let answer = stage.web.post(&form.action, "", &damaged).await;
                assert!((400..500).contains(&answer.status), "{name}: {} {field}: {}", form.action, answer.status);
            }
            actions.insert(form.action);
        }
    }
    assert!(actions.len() >= 12, "{actions:?}");
    assert_eq!(stage.contents().await, before, "something was changed");
}

/// A cookie alone does what its customer wants and nothing else: it does not come along with a form of another site (`SameSite`), and
/// where a browser does not know that, the site is told from the form's own headers.
#[tokio::test]
async fn without_their_visit_forms_of_nobody_do_nothing() {
    let stage = Stage::open().await;
    let (_, pages) = customer_pages(&stage).await;
    let before = stage.at_rest().await;
    for (name, answer) in &pages {
        for form in answer.page().forms().into_iter().filter(is_ours) {
            if form.action.starts_with("/o/") || form.action.contains("lang") {
                continue;
            }
            let fields: Vec<(String, String)> =
                form.fields.into_iter().filter(|(_, value)| value.len() <= 100).collect();
            let answer = stage.web.post(&form.action, "", &fields).await;
            let asks_who = answer.status == 200 && answer.text.contains("name=\"phone\"");
            assert!((400..500).contains(&answer.status) || asks_who, "{name}: {}: {}", form.action, answer.text);
        }
    }
    assert_eq!(stage.contents().await, before, "something was changed");
}
