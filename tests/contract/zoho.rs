//! Zoho Books' connector: its flows against WireMock, whose stubs are made of Zoho's documentation.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use books::connector::{Access, Connector as _, Theirs, Topic, Trouble};
use books::posting::{Line, Part, Posting, Style};
use books::zoho::Zoho;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::macros::date;
use url::Url;

use crate::fake::{self, Fake};

const NUMBER: &str = "20261122-NBO1-M";

struct Stage {
    wiremock: Fake,
    http: reqwest::Client,
    zoho: Zoho,
    base: Url,
    calls: AtomicU64,
}

impl Stage {
    async fn start(program: &OsStr) -> Stage {
        let wiremock = Fake::wiremock(program).await;
        let base = Url::parse(wiremock.base()).expect("a URL");
        // Where the grant says that it is, not where it is set.
        let elsewhere = Url::parse("http://127.0.0.1:1").expect("a URL");
        let zoho = Zoho::new(elsewhere, Duration::from_secs(5)).expect("a client");
        Stage { wiremock, http: reqwest::Client::new(), zoho, base, calls: AtomicU64::new(0) }
    }

    fn access(&self) -> Access<'_> {
        Access { token: "1000.at", organisation: "10234695", base: Some(&self.base), calls: &self.calls }
    }

    /// From now on this is answered so; the last stub counts. What comes without token or organisation is answered by nobody.
    async fn stub(&self, method: &str, path: &str, more: Value, status: u16, body: Value) {
        let mut request = json!({
            "method": method, "urlPath": format!("/books/v3{path}"),
            "headers": { "Authorization": { "equalTo": "Zoho-oauthtoken 1000.at" } },
            "queryParameters": { "organization_id": { "equalTo": "10234695" } },
        });
        for (field, value) in more.as_object().expect("an object") {
            match (request.get_mut(field).and_then(Value::as_object_mut), value.as_object()) {
                (Some(there), Some(more)) => there.extend(more.clone()),
                _ => request[field] = value.clone(),
            }
        }
        let stub = json!({ "request": request, "response": { "status": status, "jsonBody": body } });
        self.add(stub).await;
    }

    async fn add(&self, stub: Value) {
        let answer = self.http.post(self.wiremock.at("/__admin/mappings")).json(&stub).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED, "{stub}");
    }

    /// Nothing of this kind is there.
    async fn nothing(&self, list: &str) {
        self.stub("GET", &format!("/{list}"), json!({}), 200, rows(list, json!([]))).await;
    }

    /// The bodies that came there, oldest first.
    async fn heard(&self, method: &str, path: &str) -> Vec<Value> {
        let wanted = json!({ "method": method, "urlPath": format!("/books/v3{path}") });
        let request = self.http.post(self.wiremock.at("/__admin/requests/find")).json(&wanted);
        let found: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        let read =
            |request: &Value| serde_json::from_str(request["body"].as_str().unwrap_or_default()).unwrap_or(Value::Null);
        found["requests"].as_array().expect("a list").iter().map(read).collect()
    }
}

fn rows(list: &str, rows: Value) -> Value {
    json!({ "code": 0, "message": "success", list: rows, "page_context": { "page": 1, "per_page": 200, "has_more_page": false } })
}

fn receipt(total: f64) -> Value {
    json!({
        "salesreceipt_id": "460000000030029", "receipt_number": NUMBER, "date": "2026-11-22", "status": "paid",
        "total": total, "currency_code": "KES",
    })
}

fn note(status: &str, balance: f64) -> Value {
    json!({
        "creditnote_id": "460000000040029", "creditnote_number": format!("{NUMBER}-R"), "date": "2026-11-22",
        "status": status, "total": 1500.0, "balance": balance, "currency_code": "KES",
    })
}

fn posting(part: Part) -> Posting {
    Posting {
        number: books::number::of_part(NUMBER, part),
        part,
        style: Style::Receipt,
        day: date!(2026 - 11 - 22),
        currency: "KES".into(),
        lines: vec![Line {
            description: "1 day".into(),
            quantity: 30,
            gross: 150_000,
            tax: 20_690,
            item: Some("460000000027009".into()),
            account: "460000000000388".into(),
            tax_code: Some("460000000027001".into()),
        }],
        contact: "460000000026049".into(),
        deposit: "460000000000358".into(),
        method: None,
        class: None,
        memo: "Wi-Fi at Kilimani".into(),
    }
}

#[tokio::test]
async fn a_sale_is_told_once_and_held_against_what_was_told() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stage = Stage::start(&program).await;
    let (zoho, sale) = (&stage.zoho, posting(Part::Sale));
    stage.nothing("salesreceipts").await;
    let query = json!({ "queryParameters": { "ignore_auto_number_generation": { "equalTo": "true" } } });
    stage
        .stub("POST", "/salesreceipts", query.clone(), 201, json!({ "code": 0, "salesreceipt": receipt(1500.0) }))
        .await;
    let made = zoho.post(&stage.access(), &sale, "key").await.expect("it is told");
    assert_eq!((made.id.as_str(), made.total, made.number.as_str()), ("460000000030029", 150_000, NUMBER));
    let told = &stage.heard("POST", "/salesreceipts").await[0];
    assert_eq!((&told["receipt_number"], &told["is_inclusive_tax"]), (&json!(NUMBER), &json!(true)));
    assert_eq!(stage.calls.load(Ordering::Relaxed), 2, "it was looked for, and told");

    // It is there now: it is found, and not told again.
    let day = json!({ "queryParameters": {
        "receipt_number": { "equalTo": NUMBER }, "date_start": { "equalTo": "2026-11-22" }, "date_end": { "equalTo": "2026-11-22" },
    } });
    stage.stub("GET", "/salesreceipts", day, 200, rows("salesreceipts", json!([receipt(1500.0)]))).await;
    assert_eq!(zoho.find(&stage.access(), Part::Sale, NUMBER).await, Ok(Some(made.clone())));
    assert_eq!(zoho.post(&stage.access(), &sale, "key").await, Err(Trouble::Duplicate));
    assert_eq!(stage.heard("POST", "/salesreceipts").await.len(), 1);

    // Another total than was told is taken back.
    stage.nothing("salesreceipts").await;
    stage.stub("POST", "/salesreceipts", query, 201, json!({ "code": 0, "salesreceipt": receipt(1501.0) })).await;
    stage.stub("DELETE", "/salesreceipts/460000000030029", json!({}), 200, json!({ "code": 0 })).await;
    let refused = zoho.post(&stage.access(), &sale, "key").await;
    assert!(matches!(&refused, Err(Trouble::Refused(why)) if why.contains("1501.00 of 1500.00")), "{refused:?}");
    assert_eq!(stage.heard("DELETE", "/salesreceipts/460000000030029").await.len(), 1);
    zoho.undo(&stage.access(), &made).await.expect("it is deleted");
}

#[tokio::test]
async fn what_goes_back_is_a_note_and_its_refund_and_a_lost_one_goes_on() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stage = Stage::start(&program).await;
    let (zoho, refund) = (&stage.zoho, posting(Part::Refund));
    let refunds = "/creditnotes/460000000040029/refunds";
    stage.nothing("creditnotes").await;
    stage.stub("POST", "/creditnotes", json!({}), 201, json!({ "code": 0, "creditnote": note("open", 1500.0) })).await;
    // The second step is not heard.
    let lost = json!({ "method": "POST", "urlPath": format!("/books/v3{refunds}") });
    stage.add(json!({ "request": lost, "response": { "fault": "CONNECTION_RESET_BY_PEER" } })).await;
    let unheard = zoho.post(&stage.access(), &refund, "key").await;
    assert!(matches!(unheard, Err(Trouble::Unknown(_))), "{unheard:?}");

    // The note is there, and its refund is not: it counts as not there, and is gone on with.
    stage.stub("GET", "/creditnotes", json!({}), 200, rows("creditnotes", json!([note("open", 1500.0)]))).await;
    assert_eq!(zoho.find(&stage.access(), Part::Refund, &refund.number).await, Ok(None));
    stage.stub("POST", refunds, json!({}), 201, json!({ "code": 0, "creditnote_refund": {} })).await;
    zoho.post(&stage.access(), &refund, "key").await.expect("it is refunded");
    assert_eq!(stage.heard("POST", "/creditnotes").await.len(), 1, "one note");
    let told = stage.heard("POST", refunds).await;
    let last = told.last().expect("a refund");
    assert_eq!((&last["amount"], &last["from_account_id"]), (&json!(1500.0), &json!("460000000000358")));

    // Undone: the refund goes, and the note is void.
    stage.stub("GET", "/creditnotes", json!({}), 200, rows("creditnotes", json!([note("closed", 0.0)]))).await;
    let there =
        zoho.find(&stage.access(), Part::Refund, &refund.number).await.expect("an answer").expect("it is there");
    let listed = json!({ "code": 0, "creditnote_refunds": [{ "creditnote_refund_id": "46" }] });
    stage.stub("GET", refunds, json!({}), 200, listed).await;
    stage.stub("DELETE", &format!("{refunds}/46"), json!({}), 200, json!({ "code": 0 })).await;
    stage.stub("POST", "/creditnotes/460000000040029/status/void", json!({}), 200, json!({ "code": 0 })).await;
    zoho.undo(&stage.access(), &there).await.expect("it is void");
    assert_eq!(stage.heard("DELETE", &format!("{refunds}/46")).await.len(), 1);
}

#[tokio::test]
async fn limits_tokens_and_refusals_are_told_by_their_code() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stage = Stage::start(&program).await;
    let (zoho, fees) = (&stage.zoho, posting(Part::Fees));
    stage.nothing("expenses").await;
    for (status, code, expected) in [
        (200, 44, Trouble::TooMany { wait: None, is_daily: false }),
        (429, 45, Trouble::TooMany { wait: None, is_daily: true }),
        (429, 1070, Trouble::TooMany { wait: None, is_daily: false }),
        (401, 57, Trouble::Expired),
        (200, 2, Trouble::Refused("Zoho Books says: no (code 2)".into())),
    ] {
        stage.stub("POST", "/expenses", json!({}), status, json!({ "code": code, "message": "no" })).await;
        assert_eq!(zoho.post(&stage.access(), &fees, "key").await, Err(expected), "{code}");
    }
    let lost = json!({ "method": "POST", "urlPath": "/books/v3/expenses" });
    stage.add(json!({ "request": lost, "response": { "fault": "CONNECTION_RESET_BY_PEER" } })).await;
    assert!(matches!(zoho.post(&stage.access(), &fees, "key").await, Err(Trouble::Unknown(_))));
    let lost = json!({ "method": "GET", "urlPath": "/books/v3/expenses" });
    stage.add(json!({ "request": lost, "response": { "fault": "CONNECTION_RESET_BY_PEER" } })).await;
    assert!(matches!(zoho.post(&stage.access(), &fees, "key").await, Err(Trouble::Away(_))), "nothing was told");
}

#[tokio::test]
async fn lists_are_read_to_their_end_and_hold_what_is_ours() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let stage = Stage::start(&program).await;
    let page = |page: &str| json!({ "queryParameters": { "page": { "equalTo": page } } });
    let mut first = rows("salesreceipts", json!([receipt(1500.0), { "receipt_number": "SR-00001" }]));
    first["page_context"]["has_more_page"] = json!(true);
    stage.stub("GET", "/salesreceipts", page("1"), 200, first).await;
    let mut other = receipt(20.5);
    other["receipt_number"] = json!("20261123-NBO1-S");
    other["date"] = json!("2026-11-23");
    stage.stub("GET", "/salesreceipts", page("2"), 200, rows("salesreceipts", json!([other]))).await;
    let days = (date!(2026 - 11 - 22), date!(2026 - 11 - 23));
    let found: Vec<Theirs> = stage.zoho.list(&stage.access(), Part::Sale, days).await.expect("a list");
    let told: Vec<(&str, i64)> = found.iter().map(|one| (one.number.as_str(), one.total)).collect();
    assert_eq!(told, [(NUMBER, 150_000), ("20261123-NBO1-S", 2050)]);

    let accounts =
        json!([{ "account_id": "46", "account_name": "Sales", "account_type": "income", "is_active": true }]);
    stage.stub("GET", "/chartofaccounts", json!({}), 200, rows("chartofaccounts", accounts)).await;
    for list in ["items", "contacts"] {
        stage.nothing(list).await;
    }
    stage.stub("GET", "/settings/taxes", json!({}), 200, rows("taxes", json!([]))).await;
    // Places and tags are off there.
    for list in ["/locations", "/reportingtags"] {
        stage.stub("GET", list, json!({}), 400, json!({ "code": 5, "message": "not enabled" })).await;
    }
    let choices = stage.zoho.choices(&stage.access()).await.expect("choices");
    let accounts: Vec<&str> =
        choices.iter().filter(|one| one.topic == Topic::Account).map(|one| one.name.as_str()).collect();
    assert_eq!(accounts, ["Sales"]);
    assert!(choices.iter().any(|one| one.topic == Topic::Method && one.id == "others"));
}
