//! Whole conversations with a Xero that says what the test wants: what is asked, in which order, and what follows when an answer is lost.
//! What Xero really says is held in `tests/contract/xero.rs`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use time::macros::date;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::posting::{Line, Style};

/// What the other side does with one request.
enum Act {
    Says(u16, Value),
    /// Hangs up instead of answering.
    HangsUp,
}

/// A request: its method and path, its headers, its body.
#[derive(Clone, Debug)]
struct Heard {
    line: String,
    head: String,
    body: Value,
}

struct Stage {
    xero: Xero,
    heard: Arc<Mutex<Vec<Heard>>>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    calls: AtomicU64,
}

impl Stage {
    async fn new(acts: Vec<Act>) -> Stage {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("an address");
        let (heard, acts) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::from(acts))));
        let (told, does) = (Arc::clone(&heard), Arc::clone(&acts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &told, &does).await;
            }
        });
        let xero = Xero::new(base, Duration::from_secs(20)).expect("a client");
        Stage { xero, heard, acts, calls: AtomicU64::new(0) }
    }

    fn access(&self) -> Access<'_> {
        Access { token: "a-token", organisation: "a-tenant", base: None, calls: &self.calls }
    }

    async fn post(&self, posting: &Posting) -> Result<Theirs, Trouble> {
        self.xero.post(&self.access(), posting, "a-key").await
    }

    /// What was asked, and that all that was to be said was said.
    fn lines(&self) -> Vec<String> {
        assert!(self.acts.lock().expect("no panic before").is_empty(), "more was to be asked");
        let heard = self.heard.lock().expect("no panic before");
        assert_eq!(self.calls.load(Ordering::Relaxed), heard.len() as u64, "every request is counted");
        // Without questions, whose words the contract tests hold.
        heard.iter().map(|one| one.line.split('?').next().unwrap_or_default().to_owned()).collect()
    }

    fn body(&self, at: usize) -> Value {
        self.heard.lock().expect("no panic before")[at].body.clone()
    }

    fn head(&self, at: usize) -> String {
        self.heard.lock().expect("no panic before")[at].head.clone()
    }
}

async fn serve(mut stream: TcpStream, heard: &Mutex<Vec<Heard>>, acts: &Mutex<VecDeque<Act>>) {
    let mut octets = Vec::new();
    let (head, length) = loop {
        stream.read_buf(&mut octets).await.expect("a request");
        let text = String::from_utf8_lossy(&octets).into_owned();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        break (head.to_owned(), length.unwrap_or(0));
    };
    while octets.len() < head.len() + 4 + length {
        stream.read_buf(&mut octets).await.expect("its body");
    }
    let body = serde_json::from_slice(&octets[head.len() + 4..]).unwrap_or_default();
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    heard.lock().expect("no panic before").push(Heard { line, head, body });
    let act = acts.lock().expect("no panic before").pop_front();
    if let Some(Act::Says(status, answer)) = act {
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all((head + &answer).as_bytes()).await.expect("an answer");
    }
}

fn posting(part: Part) -> Posting {
    Posting {
        number: "20261122-NBO1-M".into(),
        part,
        style: Style::Receipt,
        day: date!(2026 - 11 - 22),
        currency: "KES".into(),
        lines: vec![Line {
            description: "1-day pass".into(),
            quantity: 30,
            gross: 150_000,
            tax: 20_690,
            item: None,
            account: "200".into(),
            tax_code: Some("OUTPUT".into()),
        }],
        contact: "430fa14a-f945-44d3-9f97-5df5e28441b8".into(),
        deposit: "090".into(),
        method: None,
        class: None,
        memo: String::new(),
    }
}

/// The document as it stands there.
fn standing(part: Part, status: &str, due: f64) -> Value {
    let kind = Kind::of(part);
    let mut one = json!({
        "Type": kind.word, kind.id: "their-id", kind.number: "20261122-NBO1-M", "Status": status,
        "DateString": "2026-11-22T00:00:00", "Total": 1500.0, "CurrencyCode": "KES", "HasErrors": false,
        "Payments": if due == 0.0 { json!([{ "PaymentID": "their-payment" }]) } else { json!([]) },
    });
    if let Some(field) = kind.due {
        one.as_object_mut().expect("an object").insert(field.into(), json!(due));
    }
    json!({ kind.list: [one] })
}

fn nothing(part: Part) -> Act {
    Act::Says(200, json!({ Kind::of(part).list: [] }))
}

fn there(status: &str, due: f64) -> Act {
    Act::Says(200, standing(Part::Sale, status, due))
}

fn paid() -> Act {
    Act::Says(200, json!({ "Payments": [{ "PaymentID": "their-payment", "Amount": 1500.0 }] }))
}

fn wrong(message: &str) -> Act {
    let errors = json!([{ "ValidationErrors": [{ "Message": message }] }]);
    Act::Says(
        400,
        json!({ "Type": "ValidationException", "Message": "A validation exception occurred", "Elements": errors }),
    )
}

const LOOK: &str = "GET /api.xro/2.0/Invoices";
const MAKE: &str = "PUT /api.xro/2.0/Invoices";
const PAY: &str = "POST /api.xro/2.0/Payments";

#[tokio::test]
async fn a_sale_is_looked_for_made_and_paid() {
    let stage = Stage::new(vec![nothing(Part::Sale), there("AUTHORISED", 1500.0), paid()]).await;
    let theirs = stage.post(&posting(Part::Sale)).await.expect("it is taken");
    assert_eq!((theirs.id.as_str(), theirs.total), ("their-id", 150_000));
    assert_eq!(stage.lines(), [LOOK, MAKE, PAY]);
    assert_eq!(stage.body(2)["Invoice"], json!({ "InvoiceID": "their-id" }));
    assert_eq!(stage.body(2)["Amount"], json!(1500));
    for at in 0..3 {
        let head = stage.head(at).to_ascii_lowercase();
        for line in ["authorization: bearer a-token", "xero-tenant-id: a-tenant", "accept: application/json"] {
            assert!(head.contains(line), "{line}: {head}");
        }
        assert_eq!(head.contains("idempotency-key: a-key-"), at > 0, "{head}");
    }
}

#[tokio::test]
async fn a_payment_that_was_lost_is_made_and_the_invoice_is_not_made_again() {
    let acts = vec![
        nothing(Part::Sale),
        there("AUTHORISED", 1500.0),
        Act::HangsUp,
        // It is looked for, is half there, and told again.
        there("AUTHORISED", 1500.0),
        there("AUTHORISED", 1500.0),
        paid(),
        there("PAID", 0.0),
    ];
    let stage = Stage::new(acts).await;
    let sale = posting(Part::Sale);
    assert!(matches!(stage.post(&sale).await, Err(Trouble::Unknown(_))));
    assert_eq!(stage.xero.find(&stage.access(), Part::Sale, &sale.number).await, Ok(None));
    assert!(stage.post(&sale).await.is_ok());
    let found = stage.xero.find(&stage.access(), Part::Sale, &sale.number).await.expect("an answer");
    assert_eq!(found.expect("it is there").id, "their-id");
    assert_eq!(stage.lines(), [LOOK, MAKE, PAY, LOOK, LOOK, PAY, LOOK]);
    assert_eq!(stage.body(2), stage.body(5), "the same payment");
}

#[tokio::test]
async fn only_what_is_due_is_paid_and_a_payment_that_came_late_counts() {
    let stage = Stage::new(vec![there("AUTHORISED", 500.0), paid()]).await;
    assert!(stage.post(&posting(Part::Sale)).await.is_ok());
    assert_eq!(stage.body(1)["Amount"], json!(500));
    let late = "Payment amount exceeds the amount outstanding on this document";
    let stage = Stage::new(vec![there("AUTHORISED", 1500.0), wrong(late), there("PAID", 0.0)]).await;
    assert!(stage.post(&posting(Part::Sale)).await.is_ok());
    assert_eq!(stage.lines(), [LOOK, PAY, LOOK]);
    let stage =
        Stage::new(vec![there("AUTHORISED", 1500.0), wrong("No such account"), there("AUTHORISED", 1500.0)]).await;
    let refused = stage.post(&posting(Part::Sale)).await;
    assert!(
        matches!(&refused, Err(Trouble::Refused(why)) if why.contains("No such account") && why.contains("not paid")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_there_is_not_made_again() {
    let stage = Stage::new(vec![there("PAID", 0.0)]).await;
    assert_eq!(stage.post(&posting(Part::Sale)).await, Err(Trouble::Duplicate));
    let stage = Stage::new(vec![there("DRAFT", 1500.0)]).await;
    assert!(matches!(stage.post(&posting(Part::Sale)).await, Err(Trouble::Refused(why)) if why.contains("draft")));
    // Between looking and making somebody else made it, and has paid it or not yet.
    let unique = || wrong("Invoice # must be unique.");
    let stage = Stage::new(vec![nothing(Part::Sale), unique(), there("PAID", 0.0)]).await;
    assert_eq!(stage.post(&posting(Part::Sale)).await, Err(Trouble::Duplicate));
    let stage = Stage::new(vec![nothing(Part::Sale), unique(), there("AUTHORISED", 1500.0), paid()]).await;
    assert!(stage.post(&posting(Part::Sale)).await.is_ok());
    assert_eq!(stage.lines(), [LOOK, MAKE, LOOK, PAY]);
    // Another amount is not paid as if it were ours.
    let mut other = posting(Part::Sale);
    other.lines[0].gross = 140_000;
    let stage = Stage::new(vec![there("AUTHORISED", 1500.0)]).await;
    let refused = stage.post(&other).await;
    assert!(
        matches!(&refused, Err(Trouble::Refused(why)) if why.contains("KES 1500 instead of KES 1400")),
        "{refused:?}"
    );
    // An answer that is not understood is not an absence.
    let stage = Stage::new(vec![Act::Says(
        200,
        json!({ "Invoices": [{ "Type": "ACCREC", "InvoiceNumber": "20261122-NBO1-M" }] }),
    )])
    .await;
    assert!(matches!(stage.post(&posting(Part::Sale)).await, Err(Trouble::Away(_))));
    assert_eq!(stage.lines(), [LOOK]);
}

#[tokio::test]
async fn a_void_one_is_made_again_where_xero_takes_its_number_again() {
    let stage = Stage::new(vec![there("VOIDED", 0.0), there("AUTHORISED", 1500.0), paid()]).await;
    assert!(stage.post(&posting(Part::Sale)).await.is_ok());
    assert_eq!(stage.lines(), [LOOK, MAKE, PAY]);
    let stage = Stage::new(vec![there("VOIDED", 0.0), wrong("Invoice # must be unique."), there("VOIDED", 0.0)]).await;
    assert!(matches!(stage.post(&posting(Part::Sale)).await, Err(Trouble::Refused(why)) if why.contains("void")));
    let stage = Stage::new(vec![there("VOIDED", 0.0)]).await;
    let found = stage.xero.find(&stage.access(), Part::Sale, "20261122-NBO1-M").await.expect("an answer");
    assert!(found.is_some_and(|found| found.is_void));
}

#[tokio::test]
async fn trouble_between_the_two_calls_is_told_and_the_next_time_completes_it() {
    for (status, answer) in [(401, json!({ "Detail": "TokenExpired" })), (429, json!({})), (503, json!({}))] {
        let stage = Stage::new(vec![nothing(Part::Sale), there("AUTHORISED", 1500.0), Act::Says(status, answer)]).await;
        let trouble = stage.post(&posting(Part::Sale)).await.expect_err("trouble").label();
        let expected = match status {
            401 => "expired",
            429 => "too_many",
            _ => "unknown",
        };
        assert_eq!(trouble, expected);
    }
}

#[tokio::test]
async fn a_refund_is_paid_out_and_fees_need_no_payment() {
    let note = |due| Act::Says(200, standing(Part::Refund, "AUTHORISED", due));
    let stage = Stage::new(vec![nothing(Part::Refund), note(1500.0), paid()]).await;
    assert!(stage.post(&posting(Part::Refund)).await.is_ok());
    assert_eq!(stage.lines(), ["GET /api.xro/2.0/CreditNotes", "PUT /api.xro/2.0/CreditNotes", PAY]);
    assert_eq!(stage.body(2)["CreditNote"], json!({ "CreditNoteID": "their-id" }));
    let spent = || Act::Says(200, standing(Part::Fees, "AUTHORISED", 0.0));
    let stage = Stage::new(vec![nothing(Part::Fees), spent()]).await;
    assert!(stage.post(&posting(Part::Fees)).await.is_ok());
    assert_eq!(stage.lines(), ["GET /api.xro/2.0/BankTransactions", "PUT /api.xro/2.0/BankTransactions"]);
    // Nobody else sees to it that there is one only.
    let stage = Stage::new(vec![spent()]).await;
    assert_eq!(stage.post(&posting(Part::Fees)).await, Err(Trouble::Duplicate));
}

#[tokio::test]
async fn all_pages_are_read_and_what_is_half_there_is_missing() {
    let page = |range: std::ops::Range<u32>, pages: u32| {
        let one = |at: u32| {
            let mut one =
                standing(Part::Sale, if at == 3 { "AUTHORISED" } else { "PAID" }, if at == 3 { 1500.0 } else { 0.0 });
            one["Invoices"][0]["InvoiceNumber"] = json!(format!("20261122-S{at}-M"));
            one["Invoices"][0].take()
        };
        Act::Says(
            200,
            json!({ "pagination": { "pageCount": pages }, "Invoices": range.map(one).collect::<Vec<Value>>() }),
        )
    };
    let stage = Stage::new(vec![page(0..100, 2), page(100..150, 2)]).await;
    let days = (date!(2026 - 11 - 01), date!(2026 - 11 - 30));
    let listed = stage.xero.list(&stage.access(), Part::Sale, days).await.expect("a list");
    assert_eq!(listed.len(), 149);
    assert!(listed.iter().all(|theirs| theirs.number != "20261122-S3-M"));
    assert_eq!(stage.lines(), [LOOK, LOOK]);
    let asked = stage.heard.lock().expect("no panic before")[1].line.clone();
    assert!(
        asked.contains("page=2") && asked.contains("DateTime%282026%2C11%2C30%29") && !asked.contains('+'),
        "{asked}"
    );
    // Days that were not asked for are left out, whatever a filter does.
    let stage = Stage::new(vec![page(0..2, 1)]).await;
    let listed = stage.xero.list(&stage.access(), Part::Sale, (date!(2026 - 11 - 01), date!(2026 - 11 - 21))).await;
    assert_eq!(listed, Ok(Vec::new()));
}

#[tokio::test]
async fn a_paid_document_is_made_void_after_its_payments() {
    let done = || Act::Says(200, json!({ "Status": "OK" }));
    let theirs =
        |part| heard::document(&standing(part, "PAID", 0.0)[Kind::of(part).list][0], part).expect("one").theirs;
    let stage = Stage::new(vec![there("PAID", 0.0), done(), done()]).await;
    assert_eq!(stage.xero.undo(&stage.access(), &theirs(Part::Sale)).await, Ok(()));
    assert_eq!(
        stage.lines(),
        [
            "GET /api.xro/2.0/Invoices/their-id",
            "POST /api.xro/2.0/Payments/their-payment",
            "POST /api.xro/2.0/Invoices/their-id",
        ]
    );
    assert_eq!(stage.body(1), json!({ "Status": "DELETED" }));
    assert_eq!(stage.body(2)["Invoices"][0]["Status"], json!("VOIDED"));
    // A payment that was reconciled stays, and with it the document.
    let stage = Stage::new(vec![there("PAID", 0.0), wrong("Payment is reconciled")]).await;
    let refused = stage.xero.undo(&stage.access(), &theirs(Part::Sale)).await;
    assert_eq!(refused, Err(Trouble::Refused("Payment is reconciled".into())));
    let stage = Stage::new(vec![there("VOIDED", 0.0)]).await;
    assert_eq!(stage.xero.undo(&stage.access(), &theirs(Part::Sale)).await, Ok(()));
    let mut spent = standing(Part::Fees, "AUTHORISED", 0.0);
    spent["BankTransactions"][0]["Payments"] = json!([]);
    let stage = Stage::new(vec![Act::Says(200, spent), done()]).await;
    assert_eq!(stage.xero.undo(&stage.access(), &theirs(Part::Fees)).await, Ok(()));
    assert_eq!(stage.body(1)["BankTransactions"][0]["Status"], json!("DELETED"));
}
