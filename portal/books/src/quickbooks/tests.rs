//! What is asked in which order: a QuickBooks of these tests hears each request and answers by a script.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use time::macros::date;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::posting::Line;

/// What is answered to the next request: status and JSON, or a broken connection.
type Script = Vec<Option<(u16, Value)>>;

/// A request that was heard: its first line and its JSON.
#[derive(Clone, Debug)]
struct Heard {
    line: String,
    body: Value,
}

impl Heard {
    fn name(&self) -> &str {
        let (_, rest) = self.line.split_once("requestid=").expect("it has a name");
        rest.split(['&', ' ']).next().expect("a text has a first part")
    }
}

struct Company {
    quickbooks: QuickBooks,
    heard: Arc<Mutex<Vec<Heard>>>,
    calls: AtomicU64,
}

impl Company {
    async fn answering(script: Script) -> Company {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&heard);
        tokio::spawn(async move {
            for answer in script {
                let (stream, _) = listener.accept().await.expect("a connection");
                serve(stream, answer, &written).await;
            }
        });
        let quickbooks = QuickBooks::new(base, Duration::from_secs(20)).expect("a client");
        Company { quickbooks, heard, calls: AtomicU64::new(0) }
    }

    fn access(&self) -> Access<'_> {
        Access { token: "token", organisation: "4620816365", base: None, calls: &self.calls }
    }

    /// What was heard, which is as much as was counted.
    fn heard(&self) -> Vec<Heard> {
        let heard = self.heard.lock().expect("no panic before").clone();
        assert_eq!(self.calls.load(Ordering::Relaxed), u64::try_from(heard.len()).expect("few"));
        heard
    }

    /// The first lines, without what comes after the question mark.
    fn asked(&self) -> Vec<String> {
        let short = |heard: &Heard| heard.line.split('?').next().unwrap_or_default().to_owned();
        self.heard().iter().map(short).map(|line| line.replace("/v3/company/4620816365/", "")).collect()
    }
}

/// One request on one connection.
async fn serve(mut stream: TcpStream, answer: Option<(u16, Value)>, heard: &Mutex<Vec<Heard>>) {
    let mut octets = Vec::new();
    let (head, body) = loop {
        assert_ne!(stream.read_buf(&mut octets).await.expect("readable"), 0, "it ended early");
        let text = String::from_utf8_lossy(&octets);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
            break (head.to_owned(), body.to_owned());
        }
    };
    for header in ["authorization: Bearer token", "accept: application/json"] {
        assert!(head.lines().any(|line| line.eq_ignore_ascii_case(header)), "{header}: {head}");
    }
    let line = head.lines().next().unwrap_or_default().to_owned();
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    heard.lock().expect("no panic before").push(Heard { line, body });
    let Some((status, json)) = answer else { return };
    let json = json.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json;charset=UTF-8\r\nintuit_tid: 1-tid\r\nconnection: close"
    );
    stream
        .write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{json}", json.len()).as_bytes())
        .await
        .expect("it reads");
}

const NUMBER: &str = "20261122-NBO1-M";

fn posting(style: Style) -> Posting {
    let line = Line {
        description: "1-day pass".into(),
        quantity: 30,
        gross: 150_000,
        tax: 0,
        item: Some("10".into()),
        account: "79".into(),
        tax_code: None,
    };
    Posting {
        number: NUMBER.into(),
        part: Part::Sale,
        style,
        day: date!(2026 - 11 - 22),
        currency: "KES".into(),
        lines: vec![line],
        contact: "58".into(),
        deposit: "35".into(),
        method: None,
        class: None,
        memo: String::new(),
    }
}

fn object(id: &str, total: Value) -> Value {
    json!({ "Id": id, "SyncToken": "0", "DocNumber": NUMBER, "TxnDate": "2026-11-22", "TotalAmt": total,
            "CurrencyRef": { "value": "KES" } })
}

fn one(entity: &str, object: Value) -> Option<(u16, Value)> {
    Some((200, json!({ entity: object, "time": "2026-11-22T10:00:00.000-08:00" })))
}

fn rows(entity: &str, rows: &[Value]) -> Option<(u16, Value)> {
    let response = if rows.is_empty() { json!({}) } else { json!({ entity: rows, "startPosition": 1 }) };
    Some((200, json!({ "QueryResponse": response, "time": "2026-11-22T10:00:00.000-08:00" })))
}

fn fault(status: u16, code: &str) -> Option<(u16, Value)> {
    let error = json!({ "Message": "Oh", "Detail": "Oh no", "code": code });
    Some((status, json!({ "Fault": { "Error": [error], "type": "ValidationFault" } })))
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

#[tokio::test]
async fn a_sale_is_told_once_and_read_again() {
    let receipt = object("145", json!(1500));
    let company = Company::answering(vec![one("SalesReceipt", receipt.clone()), one("SalesReceipt", receipt)]).await;
    let theirs = company.quickbooks.post(&company.access(), &posting(Style::Receipt), "key-1").await.expect("taken");
    assert_eq!((theirs.id.as_str(), theirs.total, theirs.is_void), ("145", 150_000, false));
    assert_eq!(company.asked(), ["POST salesreceipt", "GET salesreceipt/145"]);
    let heard = company.heard();
    assert!(heard[0].line.contains("minorversion=75"), "{}", heard[0].line);
    assert_eq!(heard[0].body["Line"][0]["Amount"], json!(1500));
    assert!(heard[0].name().starts_with("key1-") && heard[0].name().len() <= 50);
}

#[tokio::test]
async fn what_is_gone_is_told_again_under_another_name() {
    let made = |id| one("SalesReceipt", object(id, json!(1500)));
    // Deleted since it was told first; then, void since it was told second.
    let script = vec![
        made("145"),
        fault(400, "610"),
        made("146"),
        one("SalesReceipt", object("146", json!(0))),
        fault(400, "6140"),
        rows("SalesReceipt", &[object("146", json!(0))]),
        made("147"),
        made("147"),
    ];
    let company = Company::answering(script).await;
    let theirs = company.quickbooks.post(&company.access(), &posting(Style::Receipt), "key").await.expect("taken");
    assert_eq!(theirs.id, "147");
    let told: Vec<Heard> = company.heard().into_iter().filter(|heard| heard.line.starts_with("POST")).collect();
    let names: std::collections::BTreeSet<&str> = told.iter().map(Heard::name).collect();
    assert_eq!((told.len(), names.len()), (4, 4), "{names:?}");
    let repeats: Vec<bool> = told.iter().map(|heard| heard.line.contains("include=allowduplicatedocnum")).collect();
    assert_eq!(repeats, [false, false, false, true], "only beside what is void");
}

#[tokio::test]
async fn a_number_that_is_taken_is_said_to_be_taken() {
    let script = vec![fault(400, "6140"), rows("SalesReceipt", &[object("145", json!(1500))])];
    let company = Company::answering(script).await;
    let posted = company.quickbooks.post(&company.access(), &posting(Style::Receipt), "key").await;
    assert_eq!(posted, Err(Trouble::Duplicate));
}

#[tokio::test]
async fn what_is_not_what_was_told_is_taken_back() {
    for (wrong, word) in [
        (object("145", json!(1740)), "1740.00 of 1500.00"),
        (with(object("145", json!(1500)), "DocNumber", json!("1037")), "custom transaction numbers"),
    ] {
        let made = one("SalesReceipt", wrong);
        let company = Company::answering(vec![made.clone(), made.clone(), made]).await;
        let posted = company.quickbooks.post(&company.access(), &posting(Style::Receipt), "key").await;
        assert!(matches!(&posted, Err(Trouble::Refused(words)) if words.contains(word)), "{posted:?}");
        let heard = company.heard();
        assert!(heard[2].line.contains("operation=delete"), "{}", heard[2].line);
        assert_eq!(heard[2].body, json!({ "Id": "145", "SyncToken": "0" }));
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_a_search_finds_it() {
    let script = vec![None, rows("SalesReceipt", &[object("145", json!(1500))])];
    let company = Company::answering(script).await;
    let posted = company.quickbooks.post(&company.access(), &posting(Style::Receipt), "key").await;
    assert!(matches!(posted, Err(Trouble::Unknown(_))), "{posted:?}");
    let found = company.quickbooks.find(&company.access(), Part::Sale, NUMBER).await.expect("an answer");
    assert_eq!(found.map(|theirs| theirs.id).as_deref(), Some("145"));
}

#[tokio::test]
async fn an_invoice_is_made_and_paid_and_completed_where_it_stopped() {
    let unpaid = with(object("130", json!(1500)), "Balance", json!(1500));
    let made = || one("Invoice", unpaid.clone());
    let paid = || one("Payment", with(object("131", json!(1500)), "PaymentRefNum", json!(NUMBER)));
    let company = Company::answering(vec![made(), made(), paid()]).await;
    let theirs = company.quickbooks.post(&company.access(), &posting(Style::Invoice), "key").await.expect("taken");
    assert_eq!(theirs.id, "invoice/130");
    assert_eq!(company.asked(), ["POST invoice", "GET invoice/130", "POST payment"]);
    assert_eq!(company.heard()[2].body["Line"][0]["LinkedTxn"][0]["TxnId"], "130");

    // The payment was not heard of, and was not made: half of it is not found, and the other half is made later.
    let row = || rows("Invoice", std::slice::from_ref(&unpaid));
    let script = vec![made(), made(), None, rows("SalesReceipt", &[]), row(), fault(400, "6140"), row(), row(), paid()];
    let company = Company::answering(script).await;
    let (quickbooks, access) = (&company.quickbooks, company.access());
    let posted = quickbooks.post(&access, &posting(Style::Invoice), "key").await;
    assert!(matches!(posted, Err(Trouble::Unknown(_))), "{posted:?}");
    assert_eq!(quickbooks.find(&access, Part::Sale, NUMBER).await, Ok(None));
    let theirs = quickbooks.post(&access, &posting(Style::Invoice), "key").await.expect("taken");
    assert_eq!(theirs.id, "invoice/130");
    let names: Vec<String> = company
        .heard()
        .iter()
        .filter(|heard| heard.line.starts_with("POST /v3/company/4620816365/payment"))
        .map(|heard| heard.name().to_owned())
        .collect();
    assert!(names.len() == 2 && names[0] == names[1], "the same payment has the same name: {names:?}");
}

#[tokio::test]
async fn undoing_reads_what_changed_meanwhile_once() {
    let theirs = |part, id: &str| Theirs {
        id: id.into(),
        version: "0".into(),
        number: NUMBER.into(),
        part,
        day: date!(2026 - 11 - 22),
        total: 150_000,
        currency: "KES".into(),
        is_void: false,
    };
    let now = with(object("145", json!(1500)), "SyncToken", json!("3"));
    let script = vec![fault(400, "5010"), one("SalesReceipt", now), one("SalesReceipt", object("145", json!(0)))];
    let company = Company::answering(script).await;
    assert_eq!(company.quickbooks.undo(&company.access(), &theirs(Part::Sale, "145")).await, Ok(()));
    let heard = company.heard();
    assert!(heard[2].line.contains("operation=update&include=void"), "{}", heard[2].line);
    assert_eq!(heard[2].body, json!({ "Id": "145", "SyncToken": "3", "sparse": true }));

    for (part, path) in [(Part::Refund, "POST refundreceipt"), (Part::Fees, "POST purchase")] {
        let company = Company::answering(vec![fault(400, "610")]).await;
        assert_eq!(company.quickbooks.undo(&company.access(), &theirs(part, "7")).await, Ok(()), "it is gone already");
        assert_eq!(company.asked(), [path]);
        assert!(company.heard()[0].line.contains("operation=delete"));
    }

    let linked = with(object("130", json!(1500)), "LinkedTxn", json!([{ "TxnId": "131", "TxnType": "Payment" }]));
    let payment = |reference: &str| one("Payment", with(object("131", json!(1500)), "PaymentRefNum", json!(reference)));
    let script = vec![one("Invoice", linked.clone()), payment(NUMBER), payment(NUMBER), one("Invoice", linked.clone())];
    let company = Company::answering(script).await;
    assert_eq!(company.quickbooks.undo(&company.access(), &theirs(Part::Sale, "invoice/130")).await, Ok(()));
    assert_eq!(company.asked(), ["GET invoice/130", "GET payment/131", "POST payment", "POST invoice"]);
    assert!(company.heard()[3].line.contains("operation=void"));

    let company = Company::answering(vec![one("Invoice", linked), payment("cheque 7")]).await;
    let undone = company.quickbooks.undo(&company.access(), &theirs(Part::Sale, "invoice/130")).await;
    assert!(matches!(undone, Err(Trouble::Refused(_))), "somebody else's payment stays: {undone:?}");
}

#[tokio::test]
async fn lists_come_by_the_page_and_hold_only_what_is_ours() {
    let ours = |id: usize| with(object(&id.to_string(), json!(1500)), "DocNumber", json!(NUMBER));
    let first: Vec<Value> = (1..=1000).map(ours).collect();
    let last = [ours(1001), with(object("1002", json!(20)), "DocNumber", json!("1037"))];
    let script = vec![rows("SalesReceipt", &first), rows("SalesReceipt", &last), rows("Invoice", &[])];
    let company = Company::answering(script).await;
    let days = (date!(2026 - 11 - 01), date!(2026 - 11 - 30));
    let listed = company.quickbooks.list(&company.access(), Part::Sale, days).await.expect("an answer");
    assert_eq!(listed.len(), 1001);
    let heard = company.heard();
    let asked = |line: &str| {
        let url: Url = format!("http://x{}", line.split(' ').nth(1).expect("a path")).parse().expect("an address");
        url.query_pairs().next().expect("a question").1.into_owned()
    };
    let condition = "where TxnDate >= '2026-11-01' and TxnDate <= '2026-11-30'";
    assert_eq!(
        asked(&heard[0].line),
        format!("select * from SalesReceipt {condition} startposition 1 maxresults 1000")
    );
    assert_eq!(
        asked(&heard[1].line),
        format!("select * from SalesReceipt {condition} startposition 1001 maxresults 1000")
    );
    assert_eq!(asked(&heard[2].line), format!("select * from Invoice {condition} startposition 1 maxresults 1000"));
}

#[tokio::test]
async fn a_plan_without_locations_has_all_other_choices() {
    let account = json!({ "Id": "35", "Name": "Clearing", "AccountType": "Bank", "Classification": "Asset" });
    let rate = json!({ "Id": "3", "RateValue": 16 });
    let details = json!({ "TaxRateDetail": [{ "TaxRateRef": { "value": "3" } }] });
    let code = json!({ "Id": "5", "Name": "16% S", "SalesTaxRateList": details });
    let script = vec![
        rows("Account", &[account]),
        rows("Item", &[]),
        rows("TaxRate", &[rate]),
        rows("TaxCode", &[code]),
        fault(400, "5020"),
        rows("Customer", &[]),
        rows("Vendor", &[]),
        rows("PaymentMethod", &[]),
    ];
    let company = Company::answering(script).await;
    let choices = company.quickbooks.choices(&company.access()).await.expect("an answer");
    let ids: Vec<&str> = choices.iter().map(|choice| choice.id.as_str()).collect();
    assert_eq!(ids, ["35", "5:3"]);
    assert_eq!(company.heard().len(), 8);
}

#[tokio::test]
async fn what_was_not_sent_was_not_taken() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let base = format!("http://{closed}").parse().expect("an address");
    let calls = AtomicU64::new(0);
    let access = Access { token: "token", organisation: "1", base: None, calls: &calls };
    let quickbooks = QuickBooks::new(base, Duration::from_secs(20)).expect("a client");
    let posted = quickbooks.post(&access, &posting(Style::Receipt), "key").await;
    assert!(matches!(posted, Err(Trouble::Away(_))), "{posted:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 1, "it was tried");
}
