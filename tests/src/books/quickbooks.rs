//! QuickBooks Online v3, as far as documents go: create, read, query, delete, void; names of requests, its envelope of faults, its tokens.
//!
//! As the real one: a request of a name that it has seen is answered as it was then; a number is taken once for each kind of document, also by
//! what is void; what is void stays with its total at zero; a product that it does not know is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Books, Document, Fault, Shell};
use crate::daraja::cut::Scissors;

/// Kinds of documents: their names in addresses and in answers.
const ENTITIES: [(&str, &str); 5] = [
    ("salesreceipt", "SalesReceipt"),
    ("invoice", "Invoice"),
    ("payment", "Payment"),
    ("refundreceipt", "RefundReceipt"),
    ("purchase", "Purchase"),
];
/// How often it is looked whether answers are still held back.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn router(shell: Arc<Shell>) -> Router {
    Router::new()
        .route("/v3/company/{realm}/query", get(query))
        .route("/v3/company/{realm}/{entity}", post(write))
        .route("/v3/company/{realm}/{entity}/{id}", get(read))
        .route("/tokens", post(tokens))
        .with_state(shell)
}

/// What can be chosen.
pub(super) fn lists() -> HashMap<String, Vec<Value>> {
    let account =
        |id: &str, name: &str, kind: &str| json!({ "Id": id, "Name": name, "AccountType": kind, "Active": true });
    let item = |id: &str, name: &str| json!({ "Id": id, "Name": name, "Type": "Service", "Active": true });
    let all = [
        (
            "Account",
            vec![
                account("35", "M-Pesa", "Bank"),
                account("36", "Cash", "Bank"),
                account("37", "Cards", "Bank"),
                account("60", "Payment fees", "Expense"),
            ],
        ),
        ("Item", vec![item("10", "Access"), item("11", "Vouchers not used yet")]),
        ("Customer", vec![json!({ "Id": "58", "DisplayName": "Guests", "Active": true })]),
        ("Vendor", vec![json!({ "Id": "59", "DisplayName": "Safaricom", "Active": true })]),
    ];
    all.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect()
}

type Asked = HashMap<String, String>;

/// Counts a request, and one that is under way as long as it lives.
struct UnderWay(Arc<Shell>);

impl UnderWay {
    fn begin(shell: &Arc<Shell>, what: &'static str) -> UnderWay {
        shell.with(|books| {
            *books.calls.entry(what).or_default() += 1;
            books.under_way += 1;
            books.most_under_way = books.most_under_way.max(books.under_way);
        });
        UnderWay(Arc::clone(shell))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|books| books.under_way -= 1);
    }
}

async fn tokens(State(shell): State<Arc<Shell>>) -> Response {
    let (access, refresh) = shell.with(|books| {
        *books.calls.entry("token").or_default() += 1;
        books.tokens += 1;
        (books.token(), format!("refresh-{}", books.tokens))
    });
    let body = json!({ "token_type": "bearer", "access_token": access, "refresh_token": refresh, "expires_in": 3600,
        "x_refresh_token_expires_in": 8_726_400 });
    Json(body).into_response()
}

fn is_let_in(books: &Books, headers: &HeaderMap) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    sent == Some(format!("Bearer {}", books.token()).as_str())
}

fn fault(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "Fault": { "Error": [{ "Message": message, "Detail": message, "code": code }], "type": "ValidationFault" },
        "time": "2026-11-22T12:00:00.000-08:00" });
    (status, Json(body)).into_response()
}

fn not_let_in() -> Response {
    let body = json!({ "fault": { "error": [{ "message": "AuthenticationFailed", "code": "3200" }], "type": "AUTHENTICATION" } });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

async fn read(
    State(shell): State<Arc<Shell>>,
    Path((_, entity, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let _under_way = UnderWay::begin(&shell, "read");
    let books = shell.lock();
    if !is_let_in(&books, &headers) {
        return not_let_in();
    }
    let Some(name) = name_of(&entity) else { return fault(StatusCode::BAD_REQUEST, "500", "Unsupported Operation") };
    match books.documents.get(&(name.to_owned(), id)) {
        Some(document) => Json(envelope(name, document)).into_response(),
        None => fault(StatusCode::BAD_REQUEST, "610", "Object Not Found"),
    }
}

async fn query(State(shell): State<Arc<Shell>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let _under_way = UnderWay::begin(&shell, "query");
    let books = shell.lock();
    if !is_let_in(&books, &headers) {
        return not_let_in();
    }
    let question = asked.get("query").map(String::as_str).unwrap_or_default();
    match answer(&books, question) {
        Some((list, rows)) => {
            let found = if rows.is_empty() { json!({}) } else { json!({ list: rows }) };
            Json(json!({ "QueryResponse": found, "time": "2026-11-22T12:00:00.000-08:00" })).into_response()
        }
        None => fault(StatusCode::BAD_REQUEST, "4000", "Error parsing query"),
    }
}

/// `select * from SalesReceipt where DocNumber = '…' startposition 1 maxresults 1000`.
fn answer(books: &Books, question: &str) -> Option<(String, Vec<Value>)> {
    let rest = question.strip_prefix("select * from ")?;
    let (rest, page) = rest.split_once(" startposition ")?;
    let (start, most) = page.split_once(" maxresults ")?;
    let (start, most): (usize, usize) = (start.parse().ok()?, most.parse().ok()?);
    let (list, condition) = rest.split_once(" where ").unwrap_or((rest, ""));
    let quoted: Vec<&str> = condition.split('\'').skip(1).step_by(2).collect();
    let rows: Vec<Value> = match (quoted.as_slice(), condition) {
        ([number], _) if condition.starts_with("DocNumber = ") => {
            books.of_number(list, number).into_iter().map(written).collect()
        }
        ([since, until], _) if condition.starts_with("TxnDate >= ") => {
            books.of_days(list, since, until).into_iter().map(written).collect()
        }
        ([], _) => books.lists.get(list).cloned().unwrap_or_default(),
        _ => return None,
    };
    Some((list.to_owned(), rows.into_iter().skip(start.checked_sub(1)?).take(most).collect()))
}

async fn write(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((_, entity)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_undone = asked.contains_key("operation");
    let _under_way = UnderWay::begin(&shell, if is_undone { "undo" } else { "create" });
    let Some(name) = name_of(&entity) else { return fault(StatusCode::BAD_REQUEST, "500", "Unsupported Operation") };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return fault(StatusCode::BAD_REQUEST, "2010", "Request has invalid or unsupported property");
    };
    let (response, hurt) = shell.with(|books| {
        if !is_let_in(books, &headers) {
            return (not_let_in(), None);
        }
        let hurt = if is_undone { None } else { books.faults.pop_front() };
        match hurt {
            Some(Fault::Expires) => {
                books.tokens += 1;
                (not_let_in(), None)
            }
            Some(Fault::TooMany(wait)) => (too_many(wait), None),
            Some(Fault::Fails) => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), None),
            Some(Fault::FaultOnOk) => (fault(StatusCode::OK, "6000", "A business validation error has occurred"), None),
            Some(Fault::Forbids) => (fault(StatusCode::FORBIDDEN, "3100", "ApplicationAuthorizationFailed"), None),
            Some(Fault::Drops) => (StatusCode::OK.into_response(), hurt),
            _ => (done(books, name, &asked, &body), hurt),
        }
    });
    match hurt {
        Some(Fault::Drops | Fault::LosesTheAnswer) => scissors.cut(),
        Some(Fault::FailsAfterwards) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => {}
    }
    while shell.lock().held {
        tokio::time::sleep(LOOK).await;
    }
    response
}

fn too_many(wait: Option<u32>) -> Response {
    let mut response = fault(StatusCode::TOO_MANY_REQUESTS, "3001", "ThrottleExceeded");
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}

fn done(books: &mut Books, name: &str, asked: &Asked, body: &Value) -> Response {
    let request = asked.get("requestid").cloned().unwrap_or_default();
    if let Some(answered) = books.answered.get(&request) {
        return Json(answered.clone()).into_response();
    }
    let answered = match asked.get("operation") {
        Some(operation) => undo(books, name, operation, body),
        None => create(books, name, asked, body),
    };
    match answered {
        Ok(answer) => {
            if !request.is_empty() {
                books.answered.insert(request, answer.clone());
            }
            Json(answer).into_response()
        }
        Err((code, message)) => fault(StatusCode::BAD_REQUEST, code, message),
    }
}

fn create(books: &mut Books, name: &str, asked: &Asked, body: &Value) -> Result<Value, (&'static str, &'static str)> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (number, day) = (text("/DocNumber"), text("/TxnDate"));
    let is_second = asked.get("include").is_some_and(|include| include == "allowduplicatedocnum");
    if !number.is_empty() && !is_second && !books.of_number(name, &number).is_empty() {
        return Err(("6140", "Duplicate Document Number Error"));
    }
    let lines = body.get("Line").and_then(Value::as_array).cloned().unwrap_or_default();
    let items = books.lists.get("Item").cloned().unwrap_or_default();
    let is_known = |line: &Value| {
        let item = line.pointer("/SalesItemLineDetail/ItemRef/value");
        item.is_none_or(|item| items.iter().any(|known| known.get("Id") == Some(item)))
    };
    if !lines.iter().all(is_known) {
        return Err(("2500", "Invalid Reference Id"));
    }
    let amounts: i64 = lines.iter().filter_map(|line| cents(line.get("Amount")?)).sum();
    let tax = body.pointer("/TxnTaxDetail/TotalTax").and_then(cents).unwrap_or_default();
    let document = books.insert(name, &number, &day, amounts + tax, body.clone());
    Ok(envelope(name, &document))
}

fn undo(books: &mut Books, name: &str, operation: &str, body: &Value) -> Result<Value, (&'static str, &'static str)> {
    let id = body.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = (name.to_owned(), id.clone());
    let document = books.documents.get_mut(&key).ok_or(("610", "Object Not Found"))?;
    if body.get("SyncToken").and_then(Value::as_str) != Some(document.version.to_string().as_str()) {
        return Err(("5010", "Stale Object Error"));
    }
    if operation == "delete" {
        books.remove(name, &id);
        return Ok(json!({ name: { "Id": id, "status": "Deleted" } }));
    }
    document.is_void = true;
    document.total = 0;
    document.version += 1;
    Ok(envelope(name, document))
}

fn name_of(path: &str) -> Option<&'static str> {
    ENTITIES.into_iter().find(|(entity, _)| *entity == path).map(|(_, name)| name)
}

fn envelope(name: &str, document: &Document) -> Value {
    json!({ name: written(document), "time": "2026-11-22T12:00:00.000-08:00" })
}

/// A document as it answers it: what was told, with its own fields.
fn written(document: &Document) -> Value {
    let mut fields = document.body.as_object().cloned().unwrap_or_default();
    fields.insert("Id".into(), json!(document.id));
    fields.insert("SyncToken".into(), json!(document.version.to_string()));
    fields.insert("DocNumber".into(), json!(document.number));
    fields.insert("TxnDate".into(), json!(document.day));
    fields.insert("TotalAmt".into(), decimal(document.total));
    fields.entry("CurrencyRef").or_insert_with(|| json!({ "value": "KES" }));
    Value::Object(fields)
}

/// A decimal amount in minor units, by its digits.
fn cents(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let minor = format!("{rest:0<2}");
    Some(whole.parse::<i64>().ok()? * 100 + minor.get(..2)?.parse::<i64>().ok()?)
}

fn decimal(minor: i64) -> Value {
    let text = format!("{}.{:02}", minor / 100, minor % 100);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_found_by_number_and_day_and_its_request_is_done_once() {
        let mut books = Books { lists: lists(), ..Books::default() };
        let body = json!({ "DocNumber": "20261122-NBO1-M", "TxnDate": "2026-11-22", "Line": [{ "Amount": 50.25 }] });
        let asked = Asked::from([("requestid".to_owned(), "one".to_owned())]);
        for _ in 0..2 {
            assert_eq!(done(&mut books, "SalesReceipt", &asked, &body).status(), 200);
        }
        assert_eq!((books.count(), books.documents()[0].total), (1, 5025));
        assert_eq!(done(&mut books, "SalesReceipt", &Asked::new(), &body).status(), 400, "the number is taken");
        let rows = |question: &str| answer(&books, question).map(|(_, rows)| rows.len());
        let page = "startposition 1 maxresults 1000";
        assert_eq!(rows(&format!("select * from SalesReceipt where DocNumber = '20261122-NBO1-M' {page}")), Some(1));
        assert_eq!(
            rows(&format!(
                "select * from SalesReceipt where TxnDate >= '2026-11-01' and TxnDate <= '2026-11-30' {page}"
            )),
            Some(1)
        );
        assert_eq!(rows(&format!("select * from Purchase where DocNumber = '20261122-NBO1-M' {page}")), Some(0));
        assert_eq!(rows(&format!("select * from Item where Active = true {page}")), Some(2));
        assert_eq!(rows("delete from Item"), None);
        assert_eq!(decimal(5).to_string(), "0.05");
    }

    #[test]
    fn what_is_undone_is_void_or_gone() {
        let mut books = Books { lists: lists(), ..Books::default() };
        let one = books.insert("SalesReceipt", "A", "2026-11-22", 100, Value::Null);
        let two = books.insert("Purchase", "B", "2026-11-22", 100, Value::Null);
        let token = |document: &Document, version: &str| json!({ "Id": document.id, "SyncToken": version });
        assert!(undo(&mut books, "SalesReceipt", "update", &token(&one, "7")).is_err(), "it was changed meanwhile");
        assert!(undo(&mut books, "SalesReceipt", "update", &token(&one, "0")).is_ok());
        assert!(undo(&mut books, "Purchase", "delete", &token(&two, "0")).is_ok());
        let left = books.documents();
        assert_eq!((left.len(), left[0].total, left[0].is_void, left[0].version), (1, 0, true, 1));
    }
}
