//! The interface against its description: every route is in the OpenAPI document, and every path there is a route.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::operations::{Key, Operation};
use super::*;

/// The interface of an installation whose PostgreSQL is away.
fn interface() -> Router {
    let config = serde_json::json!({
        "database": { "write": "postgres:///mlango?host=/nonexistent&user=nobody" },
        "redis": { "url": "redis+unix:///nonexistent/redis.sock" },
        "secrets": { "seal_key": "5a".repeat(32) },
    });
    let app = App::open(serde_json::from_value(config).expect("a configuration")).expect("nothing is connected yet");
    routes(&app).with_state(app)
}

async fn ask(method: &str, path: &str, token: Option<&str>) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    interface().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
}

/// The path of an operation with something in its places.
fn filled(path: &str) -> String {
    path.replace("{id}", "ses_0192e4a0000070008000000000000001")
        .replace("{code}", "invalid")
        .replace("{receipt}", "RKTQDM7W6S")
        .replace("{number}", "20261122-NBO1-M")
        .replace("{name}/{language}", "ended/en")
}

#[tokio::test]
async fn every_operation_is_routed_and_closed_unless_it_says_otherwise() {
    let described = description();
    for Operation { method, path, scope, .. } in OPERATIONS {
        let open = scope.is_none();
        let security = &described["paths"][path][method]["security"];
        let expected = scope.map_or(json!([]), |scope| json!([{ "token": [scope.as_str()] }]));
        assert_eq!(*security, expected, "{method} {path}");
        for token in [None, Some("Basic bWx0"), Some("Bearer ")] {
            let response = ask(&method.to_uppercase(), &filled(path), token).await;
            assert_eq!(response.status().as_u16(), if open { 200 } else { 401 }, "{method} {path} {token:?}");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), !open, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_routed_is_a_problem_document_too() {
    for (method, path, status) in
        [("GET", "/nosuch", 404), ("DELETE", "/packages", 405), ("GET", "/sessions/x/disconnects", 405)]
    {
        let response = ask(method, path, None).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
        assert_eq!(response.headers().contains_key(header::ALLOW), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn without_the_database_nobody_is_let_in() {
    let response = ask("GET", "/packages", Some("Bearer mlt_x")).await;
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

fn description() -> Value {
    serde_json::from_str(OPENAPI).expect("openapi.json is JSON")
}

#[test]
fn the_description_lists_every_operation_and_no_other() {
    let described = description();
    let paths = described["paths"].as_object().expect("paths");
    let listed: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("an object").keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    let ours: BTreeSet<(String, String)> =
        OPERATIONS.iter().map(|operation| (operation.method.to_owned(), operation.path.to_owned())).collect();
    assert_eq!(listed, ours);
}

#[test]
fn every_operation_has_an_identity_a_tag_and_its_errors() {
    let described = description();
    let mut identities = BTreeSet::new();
    for Operation { method, path, scope, key } in OPERATIONS {
        let operation = &described["paths"][path][method];
        assert!(identities.insert(operation["operationId"].as_str().expect("operationId").to_owned()));
        assert!(operation["tags"][0].is_string() && operation["summary"].is_string(), "{path}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.contains_key("405"), "{path}");
        let closed = ["401", "403", "429", "500", "503"].iter().all(|status| responses.contains_key(*status));
        assert!(scope.is_none() || closed, "{path}");
        let parameters = operation["parameters"].to_string();
        assert_eq!(parameters.contains("#/components/parameters/IdempotencyKey"), key != Key::None, "{method} {path}");
        let changes = matches!(method, "patch" | "delete");
        assert_eq!(parameters.contains("#/components/parameters/IfMatch"), changes, "{method} {path}");
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(target) if key == "$ref" => found.push(target),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let described = description();
    let mut found = Vec::new();
    references(&described, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(described.pointer(pointer).is_some(), "{reference}");
    }
}

/// Each kind of problem is told where it can happen, and each is explained.
#[test]
fn what_is_not_a_success_is_a_problem_document_everywhere() {
    let described = description();
    for Operation { method, path, .. } in OPERATIONS {
        for (status, response) in described["paths"][path][method]["responses"].as_object().expect("responses") {
            let reference = response["$ref"].as_str().unwrap_or_default();
            let is_problem = reference.strip_prefix('#').and_then(|pointer| described.pointer(pointer));
            let is_problem = is_problem.is_some_and(|known| !known["content"]["application/problem+json"].is_null());
            assert_eq!(is_problem, status.starts_with(['4', '5']), "{method} {path} {status}");
        }
    }
}

/// What is taken is bounded: no field of a body may be anything.
#[test]
fn bodies_take_no_field_that_is_not_described() {
    let described = description();
    let mut bodies = 0;
    for (name, schema) in described["components"]["schemas"].as_object().expect("schemas") {
        if name.starts_with("New") || name.ends_with("Change") {
            bodies += 1;
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
    }
    assert!(bodies > 10, "{bodies}");
}

/// Words that the description lists are those that the program knows.
#[test]
fn words_of_the_description_are_the_programs() {
    let described = description();
    let schemas = &described["components"]["schemas"];
    let events = &schemas["NewWebhookEndpoint"]["properties"]["events"]["items"]["enum"];
    assert_eq!(*events, json!(store::webhook::TYPES));
    let notices: Vec<&str> = shared::notice::Notice::ALL.map(shared::notice::Notice::as_str).into();
    assert_eq!(schemas["Text"]["properties"]["name"]["enum"], json!(notices));
    let page = include_str!("../../../docs/operations/api.md");
    for kind in store::webhook::TYPES {
        assert!(page.contains(&format!("`{kind}`")), "{kind} in docs/operations/api.md");
    }
    for kind in Kind::ALL {
        let code = Problem::new(kind).code();
        assert!(page.contains(&format!("`{code}`")), "{code} in docs/operations/api.md");
    }
}

/// What an object of ours looks like is what its schema requires, field by field.
#[test]
fn the_json_of_things_is_the_described_one() {
    let described = description();
    let fields = |schema: &str| -> BTreeSet<String> {
        described["components"]["schemas"][schema]["required"]
            .as_array()
            .expect("required")
            .iter()
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    };
    let keys = |value: Value| -> BTreeSet<String> { value.as_object().expect("an object").keys().cloned().collect() };
    let money = json::Money { amount: 2000, currency: "KES".into() };
    assert_eq!(keys(serde_json::to_value(&money).expect("JSON")), fields("Money"));
    let package = json::Package {
        id: "pkg_".into(),
        slug: "s".into(),
        name: "n".into(),
        price: money.clone(),
        starts: "purchase",
        duration_seconds: None,
        quota_bytes: None,
        quota_seconds: Some(7200),
        hours: None,
        up_bits_per_second: None,
        down_bits_per_second: None,
        device_limit: 1,
        idle_timeout_seconds: None,
        until: None,
        quota_up_bytes: None,
        quota_down_bytes: None,
        burst: None,
        fair_use: None,
        happy_hours: None,
        device_policy: "strict",
        purchases_per_person: None,
        purchases_per_day: None,
        active: true,
        position: 1,
        version: 2,
        offered_from: None,
        offered_until: None,
        offered_hours: None,
        site_prices: vec![],
        texts: Default::default(),
    };
    let at = json::SitePrice { site: uuid::Uuid::nil(), price: Some(money.clone()) };
    assert_eq!(keys(serde_json::to_value(at).expect("JSON")), fields("SitePrice"));
    let texts = shared::sale::Texts::default();
    assert_eq!(keys(serde_json::to_value(&texts).expect("JSON")), fields("PackageTexts"));
    assert_eq!(keys(serde_json::to_value(&texts.english).expect("JSON")), fields("PackageText"));
    assert_eq!(keys(serde_json::to_value(package).expect("JSON")), fields("Package"));
    let nas = json::Nas {
        id: "nas_".into(),
        name: "n".into(),
        site: None,
        address: Some("10.0.0.1/32".into()),
        radsec_name: None,
        identifier: None,
        coa_port: 3799,
        require_message_authenticator: "auto",
        signing_required: false,
        limit_proxy_state: true,
        require_signed_answers: false,
        rest_url: None,
        rest_user: None,
        clock_offset_seconds: None,
        old_secret_until: None,
        secret_in_use: None,
        hotspot_hosts: vec![],
        last_seen_at: None,
    };
    assert_eq!(keys(serde_json::to_value(nas).expect("JSON")), fields("Nas"));
    let payment = json::Payment {
        id: "pay_".into(),
        order: "ABCDEF".into(),
        order_state: "paid".into(),
        phone: None,
        package: "n".into(),
        amount: money,
        state: "succeeded".into(),
        receipt: None,
        result: None,
        created_at: "t".into(),
    };
    assert_eq!(keys(serde_json::to_value(payment).expect("JSON")), fields("Payment"));
    let session = json::Session {
        id: "ses_".into(),
        nas: "n".into(),
        phone: None,
        package: None,
        user_name: "u".into(),
        mac: None,
        ip: None,
        acct_session_id: "a".into(),
        started_at: "t".into(),
        last_heard_at: "t".into(),
        input_bytes: 0,
        output_bytes: 0,
        cutoff_at: None,
        cut: None,
        ended_at: None,
        terminate_cause: None,
    };
    assert_eq!(keys(serde_json::to_value(session).expect("JSON")), fields("Session"));
}
