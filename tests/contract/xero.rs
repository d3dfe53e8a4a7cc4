//! The Xero connector: every request of a document's life against Xero's own OpenAPI document (steady), its reading of what that document
//! has as examples, and localstack-xero, which keeps what it is told.
//!
//! steady answers with examples and keeps nothing, so that alone nothing would ever be paid or undone. [`Judge`] has it judge each request,
//! and answers for it where a document has to be the one that was told before.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use books::connector::{Access, Choice, Connector as _, Theirs, Topic, Trouble};
use books::number;
use books::posting::{Line, Part, Posting, Style};
use books::xero::Xero;
use serde_json::{Value, json};
use time::Date;
use time::macros::date;
use tokio::net::TcpListener;

use crate::fake::{self, Fake};
use crate::relay::Relay;

const DOCUMENT: &str = "xero/xero_accounting.yaml";
/// Where Xero's paths begin, which steady leaves out.
const PREFIX: &str = "/api.xro/2.0";
/// One of Xero's identifiers, for whatever has one.
const ID: &str = "297c2dc5-cc47-4afd-8ec8-74990b8761e9";
const DAY: Date = date!(2026 - 11 - 22);

fn client(base: &str) -> Xero {
    Xero::new(base.parse().expect("an address"), Duration::from_secs(20)).expect("a client")
}

fn access(calls: &AtomicU64) -> Access<'_> {
    Access { token: "a-token", organisation: ID, base: None, calls }
}

/// A document with a line of each kind: one that divides, one that does not, one without item, code and tax.
fn posting(document: &str, part: Part) -> Posting {
    let line = |quantity, gross, tax| Line {
        description: "1-day pass".into(),
        quantity,
        gross,
        tax,
        item: Some("DAY".into()),
        account: "200".into(),
        tax_code: Some("OUTPUT".into()),
    };
    let bare = Line { item: None, account: ID.into(), tax_code: None, ..line(1, 5, 0) };
    Posting {
        number: number::of_part(document, part),
        part,
        style: Style::Receipt,
        day: DAY,
        currency: "KES".into(),
        lines: vec![line(30, 150_000, 20_690), line(3, 10_001, 1_379), bare],
        contact: ID.into(),
        deposit: ID.into(),
        method: None,
        class: Some(format!("{ID}/{ID}")),
        memo: "Wi-Fi by M-Pesa at NBO1".into(),
    }
}

/// A request, and what steady thinks of it.
#[derive(Clone, Debug)]
struct Judged {
    /// Its method, and its path without what is asked.
    line: String,
    /// Path and query, as steady was asked.
    at: String,
    headers: HeaderMap,
    body: Bytes,
    is_valid: bool,
    said: String,
}

/// Stands before steady.
struct Judge {
    steady: String,
    http: reqwest::Client,
    judged: Mutex<Vec<Judged>>,
    /// Whether it answers for steady about documents, whose answers are Xero's examples otherwise.
    keeps: bool,
    /// Every document that was told: its list and itself.
    told: Mutex<Vec<(String, Value)>>,
}

impl Judge {
    async fn new(steady: &Fake, keeps: bool) -> (String, Arc<Judge>) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let (judged, told) = (Mutex::default(), Mutex::default());
        let judge = Arc::new(Judge { steady: steady.base().to_owned(), http, judged, keeps, told });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let routes = Router::new().fallback(Judge::hear).with_state(Arc::clone(&judge));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (base, judge)
    }

    /// Asks steady. Returns whether it has nothing at all to say of the request, and what it answers.
    async fn steady(&self, method: Method, at: &str, headers: HeaderMap, body: Bytes) -> (bool, Value) {
        let request = self.http.request(method, format!("{}{at}", self.steady)).headers(headers).body(body);
        let answer = request.send().await.expect("an answer");
        let said = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let verdict = (said("x-steady-request-valid"), said("x-steady-error-count"));
        let is_valid = answer.status().is_success() && verdict == (Some("true".into()), Some("0".into()));
        (is_valid, answer.json().await.unwrap_or_default())
    }

    async fn hear(
        State(judge): State<Arc<Judge>>,
        method: Method,
        uri: Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let (whole, path) = (uri.to_string(), uri.path());
        let (Some(at), Some(path)) = (whole.strip_prefix(PREFIX), path.strip_prefix(PREFIX)) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(name);
        }
        let (is_valid, said) = judge.steady(method.clone(), at, headers.clone(), body.clone()).await;
        let kept = judge.keeps.then(|| judge.answer(&method, path, &body)).flatten();
        let answer = kept.unwrap_or_else(|| said.clone());
        let (line, at, said) =
            (format!("{method} {path}"), at.to_owned(), said.to_string().chars().take(2_000).collect());
        judge.judged.lock().expect("no panic before").push(Judged { line, at, headers, body, is_valid, said });
        ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
    }

    /// What Xero would say of the documents that it was told; nothing where it is about something else.
    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> Option<Value> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut told = self.told.lock().expect("no panic before");
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (list, one) = (parts[0], parts.get(1));
        let is_document = ["Invoices", "CreditNotes", "BankTransactions"].contains(&list);
        match (method.as_str(), one) {
            ("GET", _) if is_document => {}
            ("PUT", None) if is_document => told.push((list.to_owned(), standing(list, &body[list][0]))),
            ("POST", Some(_)) if is_document => {
                let status = &body[list][0]["Status"];
                told.iter_mut()
                    .filter(|(of, _)| of == list)
                    .for_each(|(_, document)| document["Status"] = status.clone());
            }
            ("POST", None) if list == "Payments" => {
                let of = if body.get("Invoice").is_some() { "Invoices" } else { "CreditNotes" };
                for (_, document) in told.iter_mut().filter(|(list, _)| list == of) {
                    document["Payments"] = json!([{ "PaymentID": ID, "Amount": body["Amount"] }]);
                    (document["AmountDue"], document["RemainingCredit"]) = (json!(0), json!(0));
                    document["Status"] = json!("PAID");
                }
                return Some(json!({ "Payments": [{ "PaymentID": ID, "HasValidationErrors": false }] }));
            }
            _ => return None,
        }
        let of_list: Vec<&Value> = told.iter().filter(|(of, _)| of == list).map(|(_, document)| document).collect();
        is_document.then(|| json!({ list: of_list }))
    }

    fn judged(&self) -> Vec<Judged> {
        self.judged.lock().expect("no panic before").clone()
    }
}

/// A document as it stands after it was told.
fn standing(list: &str, told: &Value) -> Value {
    let amounts = told["LineItems"].as_array().into_iter().flatten().map(|line| line["LineAmount"].as_f64());
    let total = (amounts.map(|amount| amount.expect("a number") * 100.0).sum::<f64>()).round() / 100.0;
    let mut document = told.clone();
    document[list.trim_end_matches('s').to_owned() + "ID"] = json!(ID);
    document["Date"] = json!("/Date(1795305600000+0000)/");
    document["CurrencyCode"] = json!("KES");
    for field in ["Total", "AmountDue", "RemainingCredit"] {
        document[field] = json!(total);
    }
    document
}

#[tokio::test]
async fn every_request_is_as_xeros_document_says() {
    let Some(program) = fake::program("MLANGO_STEADY") else { return };
    let Some(document) = fake::document(DOCUMENT) else { return };
    let steady = Fake::steady(&program, &document).await;
    let (base, judge) = Judge::new(&steady, true).await;
    let (xero, calls) = (client(&base), AtomicU64::new(0));
    let access = access(&calls);
    for part in Part::ALL {
        let posting = posting("20261122-NBO1-M", part);
        let theirs = xero.post(&access, &posting, "a-key").await.expect("it is taken");
        assert_eq!((theirs.day, theirs.total), (DAY, posting.total()), "{theirs:?}");
        let found = xero.find(&access, part, &posting.number).await.expect("an answer");
        assert_eq!(found.as_ref(), Some(&theirs));
        assert_eq!(xero.list(&access, part, (DAY, DAY)).await, Ok(vec![theirs.clone()]));
        assert_eq!(xero.undo(&access, &theirs).await, Ok(()));
        let found = xero.find(&access, part, &posting.number).await.expect("an answer");
        assert!(found.is_some_and(|found| found.is_void));
    }
    // These answers are Xero's own examples.
    let choices = xero.choices(&access).await.expect("what can be chosen");
    assert_chosen(&choices);

    let judged = judge.judged();
    assert_eq!(calls.load(Ordering::Relaxed), judged.len() as u64, "every request is counted");
    for one in &judged {
        assert!(one.is_valid, "{} {}: {}", one.line, String::from_utf8_lossy(&one.body), one.said);
    }
    assert_eq!(judged.iter().map(|one| one.line.clone()).collect::<Vec<_>>(), requests());
    assert_names(&std::fs::read_to_string(&document).expect("the document is readable"), &judged);
    steady_finds_what_is_wrong(&judge, &judged).await;
    what_xeros_examples_refuse(&steady).await;
}

/// Xero's examples of what is answered where such documents are made are refusals, with HTTP 200: the sentences are found.
async fn what_xeros_examples_refuse(steady: &Fake) {
    let (base, _) = Judge::new(steady, false).await;
    let (xero, calls) = (client(&base), AtomicU64::new(0));
    for (part, words) in
        [(Part::Refund, "An existing Credit Note"), (Part::Fees, "The Contact must contain at least 1")]
    {
        let refused = xero.post(&access(&calls), &posting("20261122-NBO1-M", part), "a-key").await;
        assert!(matches!(&refused, Err(Trouble::Refused(why)) if why.starts_with(words)), "{refused:?}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 4, "nothing is paid of what was refused");
}

/// What is asked for a life of each document, and for the choices.
fn requests() -> Vec<String> {
    let life = |list: &str, is_paid: bool| {
        let mut lines = vec![format!("GET /{list}"), format!("PUT /{list}")];
        lines.extend(is_paid.then(|| "POST /Payments".to_owned()));
        lines.extend([format!("GET /{list}"), format!("GET /{list}"), format!("GET /{list}/{ID}")]);
        lines.extend(is_paid.then(|| format!("POST /Payments/{ID}")));
        lines.extend([format!("POST /{list}/{ID}"), format!("GET /{list}")]);
        lines
    };
    let mut lines = life("Invoices", true);
    lines.extend(life("CreditNotes", true));
    lines.extend(life("BankTransactions", false));
    lines
        .extend(["Accounts", "Items", "TaxRates", "TrackingCategories", "Contacts"].map(|list| format!("GET /{list}")));
    lines
}

/// Of each topic something is read of the examples, in which only tracking categories have nothing to choose.
fn assert_chosen(choices: &[Choice]) {
    for topic in [Topic::Account, Topic::Item, Topic::Tax, Topic::Contact] {
        assert!(choices.iter().any(|choice| choice.topic == topic), "{topic:?}: {choices:?}");
    }
    for (topic, id, detail) in
        [(Topic::Account, "091", "bank"), (Topic::Account, "200", "income"), (Topic::Tax, "OUTPUT2", "15")]
    {
        let is_there = |choice: &Choice| choice.topic == topic && choice.id == id && choice.detail == detail;
        assert!(choices.iter().any(is_there), "{id}: {choices:?}");
    }
}

/// That every field that we tell is one of Xero's. steady says nothing of fields that the document does not have, since it does not forbid
/// them; Xero passes over them in silence.
fn assert_names(document: &str, judged: &[Judged]) {
    for (list, of) in [("Invoices", "Invoice"), ("CreditNotes", "CreditNote"), ("BankTransactions", "BankTransaction")]
    {
        let bodies = judged.iter().filter(|one| {
            one.line.starts_with(&format!("PUT /{list}")) || one.line.starts_with(&format!("POST /{list}"))
        });
        let bodies: Vec<Value> = bodies.map(|one| serde_json::from_slice(&one.body).expect("JSON")).collect();
        assert_eq!(bodies.len(), 2, "{list} is made and undone");
        for told in bodies.iter().map(|body| &body[list][0]) {
            assert_known(document, of, told);
            for (field, of) in [("Contact", "Contact"), ("BankAccount", "Account")] {
                assert_known(document, of, &told[field]);
            }
            for line in told["LineItems"].as_array().into_iter().flatten() {
                assert_known(document, "LineItem", line);
                line["Tracking"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|one| assert_known(document, "LineItemTracking", one));
            }
        }
    }
    for one in judged.iter().filter(|one| one.line == "POST /Payments") {
        let payment: Value = serde_json::from_slice(&one.body).expect("JSON");
        assert_known(document, "Payment", &payment);
        for (field, of) in [("Invoice", "Invoice"), ("CreditNote", "CreditNote"), ("Account", "Account")] {
            assert_known(document, of, &payment[field]);
        }
    }
    let fields = fields(document, "LineItem");
    assert!(fields.contains("LineAmount") && !fields.contains("Amount") && !fields.contains("LineItems"), "{fields:?}");
}

fn assert_known(document: &str, of: &str, told: &Value) {
    let known = fields(document, of);
    for field in told.as_object().into_iter().flat_map(|fields| fields.keys()) {
        assert!(known.contains(field.as_str()), "{of} has no {field}");
    }
}

/// The fields of something in the document, which is written with two blanks a step.
fn fields<'a>(document: &'a str, of: &str) -> BTreeSet<&'a str> {
    let head = format!("    {of}:");
    let lines = document.lines().skip_while(|line| *line != "  schemas:").skip_while(|line| *line != head).skip(1);
    let inside = lines.take_while(|line| line.starts_with("     "));
    let properties =
        inside.skip_while(|line| *line != "      properties:").skip(1).take_while(|line| line.starts_with("       "));
    properties
        .filter_map(|line| line.strip_prefix("        ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')))
        .collect()
}

/// The control: our own requests, each with one mistake, are found out.
async fn steady_finds_what_is_wrong(judge: &Judge, judged: &[Judged]) {
    let of = |line: &str| judged.iter().find(|one| one.line.starts_with(line)).expect("it was asked").clone();
    let (invoice, payment, spent) = (of("PUT /Invoices"), of("POST /Payments"), of("PUT /BankTransactions"));
    let (undone, looked) = (of("POST /BankTransactions"), of("GET /Contacts"));
    for (one, was, is) in [
        (&invoice, "\"ACCREC\"", "\"SALE\""),
        (&invoice, ":30,", ":\"30\","),
        (&invoice, "\"Inclusive\"", "\"inclusive\""),
        (&invoice, "\"KES\"", "\"KSH\""),
        (&invoice, "\"AUTHORISED\"", "\"APPROVED\""),
        (&invoice, "297c2dc5-cc47", "297c2dc5cc47"),
        (&payment, "1600.06", "\"1600.06\""),
        (&spent, "\"SPEND\"", "\"SPENT\""),
        (&spent, "\"BankAccount\"", "\"Account\""),
        (&undone, "\"LineItems\"", "\"Lines\""),
    ] {
        let text = String::from_utf8_lossy(&one.body).into_owned();
        let changed = text.replace(was, is);
        assert_ne!(changed, text, "there is a mistake in it");
        let (is_valid, _) = judge.steady(method(one), &one.at, one.headers.clone(), changed.clone().into()).await;
        assert!(!is_valid, "{} {changed}", one.line);
    }
    for (one, was, is) in [
        (&invoice, "summarizeErrors=false", "summarizeErrors=no"),
        (&invoice, "summarizeErrors", "summariseErrors"),
        (&invoice, "/Invoices", "/Invoice"),
        (&looked, "pageSize=1000", "pageSize=many"),
        (&looked, "summaryOnly", "summary"),
    ] {
        let changed = one.at.replace(was, is);
        assert_ne!(changed, one.at, "there is a mistake in it");
        let (is_valid, _) = judge.steady(method(one), &changed, one.headers.clone(), one.body.clone()).await;
        assert!(!is_valid, "{changed}");
    }
    let mut nobodys = invoice.headers.clone();
    nobodys.remove("xero-tenant-id");
    let (is_valid, _) = judge.steady(method(&invoice), &invoice.at, nobodys, invoice.body.clone()).await;
    assert!(!is_valid, "without the organisation");
}

fn method(one: &Judged) -> Method {
    one.line.split(' ').next().and_then(|word| word.parse().ok()).expect("a method")
}

/// localstack-xero, and what stands before it and writes down what passes.
struct Local {
    relay: Relay,
    fake: Fake,
    xero: Xero,
    calls: AtomicU64,
}

impl Local {
    async fn start() -> Option<Local> {
        let fake = Fake::localstack_xero(&fake::program("MLANGO_LOCALSTACK_XERO")?).await;
        let relay = Relay::to(fake.base()).await;
        let xero = client(&relay.base());
        Some(Local { relay, fake, xero, calls: AtomicU64::new(0) })
    }

    async fn find(&self, number: &str) -> Option<Theirs> {
        self.xero.find(&access(&self.calls), Part::Sale, number).await.expect("an answer")
    }

    async fn list(&self, days: (Date, Date)) -> Vec<Theirs> {
        self.xero.list(&access(&self.calls), Part::Sale, days).await.expect("a list")
    }

    /// Makes invoices as somebody else would.
    async fn make(&self, invoices: Vec<Value>) {
        let request = reqwest::Client::new().put(self.fake.at(&format!("{PREFIX}/Invoices")));
        let request =
            request.bearer_auth("another").header("xero-tenant-id", ID).json(&json!({ "Invoices": invoices }));
        assert!(request.send().await.expect("an answer").status().is_success());
    }

    /// What passed, without what was asked for.
    fn lines(&self) -> Vec<String> {
        let line = |line: &str| line.split('?').next().unwrap_or_default().replace(PREFIX, "");
        self.relay.passed().iter().map(|one| line(&one.line)).collect()
    }
}

#[tokio::test]
async fn what_localstack_was_told_is_there_once_and_can_be_undone() {
    let Some(local) = Local::start().await else { return };
    let sale = posting("20261122-NBO1-M", Part::Sale);
    assert_eq!(local.find(&sale.number).await, None);
    let theirs = local.xero.post(&access(&local.calls), &sale, "a-key").await.expect("it is taken");
    assert_eq!((theirs.total, theirs.currency.as_str(), theirs.day), (160_006, "KES", DAY));
    assert_eq!(local.xero.post(&access(&local.calls), &sale, "a-key").await, Err(Trouble::Duplicate));
    assert_eq!(local.find(&sale.number).await.as_ref(), Some(&theirs));
    assert_eq!(local.list((DAY, DAY)).await, std::slice::from_ref(&theirs));
    let (before, after) = (DAY.previous_day().expect("a day"), DAY.next_day().expect("a day"));
    assert_eq!(local.list((before, before)).await, []);
    assert_eq!(local.list((after, after)).await, []);

    assert_eq!(local.xero.undo(&access(&local.calls), &theirs).await, Ok(()));
    assert_eq!(local.find(&sale.number).await, Some(Theirs { is_void: true, ..theirs.clone() }));
    let passed = local.lines().len();
    assert_eq!(local.xero.undo(&access(&local.calls), &theirs).await, Ok(()), "twice is once");
    assert_eq!(local.lines().len(), passed + 1, "it was only looked at");
    // What was undone can be told again, and is another then.
    let again = local.xero.post(&access(&local.calls), &sale, "a-key").await.expect("it is taken");
    assert_ne!(again.id, theirs.id);
    assert_eq!(local.find(&sale.number).await, Some(again));
}

#[tokio::test]
async fn an_invoice_at_localstack_that_nobody_paid_is_only_paid() {
    let Some(local) = Local::start().await else { return };
    let sale = posting("20261122-NBO1-M", Part::Sale);
    let half = json!({
        "Type": "ACCREC", "InvoiceNumber": sale.number, "Date": "2026-11-22", "CurrencyCode": "KES",
        "Status": "AUTHORISED", "LineItems": [{ "LineAmount": 1600.06 }],
    });
    local.make(vec![half]).await;
    assert_eq!(local.find(&sale.number).await, None, "half of it is nothing");
    assert_eq!(local.list((DAY, DAY)).await, []);
    let theirs = local.xero.post(&access(&local.calls), &sale, "a-key").await.expect("it is completed");
    assert_eq!(local.find(&sale.number).await, Some(theirs));
    assert_eq!(local.list((DAY, DAY)).await.len(), 1);
    let changes: Vec<String> = local.lines().into_iter().filter(|line| !line.starts_with("GET")).collect();
    assert_eq!(changes, ["POST /Payments"]);
}

#[tokio::test]
async fn all_pages_of_localstack_are_read_and_others_numbers_are_left_alone() {
    let Some(local) = Local::start().await else { return };
    let invoice = |number: String| {
        json!({ "Type": "ACCREC", "InvoiceNumber": number, "Date": "2026-11-22", "CurrencyCode": "KES", "Status": "PAID",
                "AmountDue": 0, "LineItems": [{ "LineAmount": 50.29 }] })
    };
    let ours = (0..150).map(|at| invoice(format!("20261122-S{at}-M")));
    let others = (0..30).map(|at| invoice(format!("INV-{at:04}")));
    local.make(ours.chain(others).collect()).await;
    let listed = local.list((DAY, DAY)).await;
    assert_eq!(listed.len(), 150);
    assert_eq!(listed.iter().map(|theirs| theirs.total).sum::<i64>(), 150 * 5_029);
    assert_eq!(local.lines(), ["GET /Invoices", "GET /Invoices"], "two pages");
    let known = Access { token: "", ..access(&local.calls) };
    assert_eq!(local.xero.find(&known, Part::Sale, "INV-0001").await, Err(Trouble::Expired), "nobody's token");
}
