//! The QuickBooks client. The TypeScript compiler says whether our bodies fit the types of quickbooks-node-promise; WireMock is a QuickBooks
//! that takes them, refuses them, or breaks the connection, with answers made of the payloads that Intuit documents.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use books::connector::{Access, Connector as _, Trouble};
use books::posting::{Line, Part, Posting, Style};
use books::quickbooks::{QuickBooks, body};
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::macros::date;
use tokio::process::Command;

use crate::fake::{self, Fake};

const REALM: &str = "4620816365";
const NUMBER: &str = "20261122-NBO1-M";

/// A day's document of each part: with and without tax, with pieces that divide the amount and with some that do not.
fn posting(part: Part, style: Style, is_taxed: bool) -> Posting {
    let line = |description: &str, quantity, gross, tax| Line {
        description: description.into(),
        quantity,
        gross,
        tax: if is_taxed { tax } else { 0 },
        item: Some("10".into()),
        account: "79".into(),
        tax_code: is_taxed.then(|| "5:3:4".into()),
    };
    Posting {
        number: NUMBER.into(),
        part,
        style,
        day: date!(2026 - 11 - 22),
        currency: "KES".into(),
        lines: vec![line("1-day pass", 30, 145_000, 20_000), line("1 hour", 7, 5_000, 690)],
        contact: "58".into(),
        deposit: "35".into(),
        method: Some("3".into()),
        class: Some("1".into()),
        memo: "M-Pesa at NBO1 on 22 November 2026".into(),
    }
}

/// A body, and the type that it must fit.
struct Claim {
    name: String,
    kind: &'static str,
    body: Value,
}

/// All that we tell.
fn claims() -> Vec<Claim> {
    let mut claims = Vec::new();
    for (is_taxed, how) in [(false, "plain"), (true, "taxed")] {
        for (kind, part, style) in [
            ("SalesReceipt", Part::Sale, Style::Receipt),
            ("RefundReceipt", Part::Refund, Style::Receipt),
            // Its own text wants the type of the party, which the type of a reference does not have.
            ("Purchase & { EntityRef?: { type?: string } }", Part::Fees, Style::Receipt),
            ("Invoice", Part::Sale, Style::Invoice),
        ] {
            let body = body::document(&posting(part, style, is_taxed)).expect("it can be told");
            claims.push(Claim { name: format!("{how}_{}_{}", part.as_str(), claims.len()), kind, body });
        }
        let body = body::payment(&posting(Part::Sale, Style::Invoice, is_taxed), "130").expect("it can be told");
        claims.push(Claim { name: format!("{how}_payment"), kind: "Payment", body });
    }
    claims
}

/// The same with one mistake each.
fn mistakes(claims: &[Claim]) -> Vec<Claim> {
    let mistake = |name: &str, like: &str, change: fn(&mut Value)| {
        let claim = claims.iter().find(|claim| claim.kind.starts_with(like)).expect("one of this kind");
        let mut body = claim.body.clone();
        change(&mut body);
        assert_ne!(body, claim.body, "{name}");
        Claim { name: name.to_owned(), kind: claim.kind, body }
    };
    vec![
        mistake("numeric_date", "SalesReceipt", |body| body["TxnDate"] = json!(20_261_122)),
        mistake("amount_as_text", "SalesReceipt", |body| body["Line"][0]["Amount"] = json!("1450.00")),
        mistake("line_without_amount", "SalesReceipt", |body| remove(&mut body["Line"][0], "Amount")),
        mistake("line_without_detail", "RefundReceipt", |body| remove(&mut body["Line"][1], "SalesItemLineDetail")),
        mistake("refund_from_nowhere", "RefundReceipt", |body| remove(body, "DepositToAccountRef")),
        mistake("id_as_number", "Purchase", |body| body["AccountRef"]["value"] = json!(35)),
        mistake("unpaid_purchase", "Purchase", |body| remove(body, "PaymentType")),
        mistake("tax_of_another_word", "Invoice", |body| body["GlobalTaxCalculation"] = json!("TaxIncluded")),
        mistake("field_that_is_not_there", "Invoice", |body| body["ClassRefs"] = json!([])),
        mistake("payment_of_nothing", "Payment", |body| remove(&mut body["Line"][0], "LinkedTxn")),
    ]
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().expect("an object").remove(field).expect("it was there");
}

/// The compiler, and the file with the types.
fn compiler() -> Option<(OsString, PathBuf)> {
    Some((fake::program("MLANGO_TSC")?, fake::program("MLANGO_QUICKBOOKS_TYPES")?.into()))
}

/// Compiles each claim as a file of its own; says whether all fit, and what is wrong.
async fn compile(tsc: &OsStr, types: &Path, folder: &Path, claims: &[Claim]) -> (bool, String) {
    let module = types.to_str().expect("a path that is text").trim_end_matches(".d.ts");
    let names = "Invoice, Payment, Purchase, RefundReceipt, SalesReceipt";
    let mut command = Command::new(tsc);
    command.args(["--strict", "--noEmit", "--pretty", "false", "--target", "es2022"]);
    command.args(["--module", "esnext", "--moduleResolution", "bundler"]).current_dir(folder);
    for claim in claims {
        let file = format!("{}.ts", claim.name);
        let text = format!(
            "import type {{ {names} }} from {};\nexport const body: {} = {};\n",
            json!(module),
            claim.kind,
            claim.body
        );
        std::fs::write(folder.join(&file), text).expect("the file is written");
        command.arg(file);
    }
    let output = command.kill_on_drop(true).output().await.expect("the compiler that MLANGO_TSC names starts");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn every_body_fits_the_types_of_quickbooks_node_promise() {
    let Some((tsc, types)) = compiler() else { return };
    let folder = std::env::temp_dir().join(format!("mlango-quickbooks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for it");
    let claims = claims();
    let (fits, said) = compile(&tsc, &types, &folder, &claims).await;
    assert!(fits, "{said}");
    // The control: each mistake is found, and named by its file.
    let mistakes = mistakes(&claims);
    let (fits, said) = compile(&tsc, &types, &folder, &mistakes).await;
    assert!(!fits);
    for mistake in &mistakes {
        let place = format!("{}.ts(", mistake.name);
        assert!(said.lines().any(|line| line.starts_with(&place) && line.contains("error TS")), "{place} {said}");
    }
    drop(std::fs::remove_dir_all(folder));
}

/// WireMock as a company in QuickBooks, and our client of it.
struct Company {
    wiremock: Fake,
    http: reqwest::Client,
    quickbooks: QuickBooks,
    calls: AtomicU64,
}

impl Company {
    async fn start(program: &OsStr) -> Company {
        let wiremock = Fake::wiremock(program).await;
        let base = wiremock.base().parse().expect("an address");
        let quickbooks = QuickBooks::new(base, Duration::from_secs(20)).expect("http");
        Company { wiremock, http: reqwest::Client::new(), quickbooks, calls: AtomicU64::new(0) }
    }

    fn access(&self) -> Access<'_> {
        Access { token: "token", organisation: REALM, base: None, calls: &self.calls }
    }

    /// From now on a request that is as Intuit wants it has this response; the last stub counts.
    async fn answers(&self, method: &str, path: &str, response: Value) {
        let mut request = json!({
            "method": method,
            "urlPath": format!("/v3/company/{REALM}/{path}"),
            "queryParameters": { "minorversion": { "equalTo": "75" } },
            "headers": { "Accept": { "equalTo": "application/json" }, "Authorization": { "equalTo": "Bearer token" } },
        });
        if method == "POST" {
            request["headers"]["Content-Type"] = json!({ "contains": "application/json" });
            request["queryParameters"]["requestid"] = json!({ "matches": "[A-Za-z0-9-]{1,50}" });
        }
        let stub = json!({ "request": request, "response": response });
        let answer = self.http.post(self.wiremock.at("/__admin/mappings")).json(&stub).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED, "{stub}");
    }

    /// The values that a part of the query had in requests to this path, oldest first.
    async fn heard(&self, method: &str, path: &str, parameter: &str) -> Vec<String> {
        let wanted = json!({ "method": method, "urlPath": format!("/v3/company/{REALM}/{path}") });
        let request = self.http.post(self.wiremock.at("/__admin/requests/find")).json(&wanted);
        let found: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        let requests = found["requests"].as_array().expect("a list of requests");
        let urls = requests.iter().map(|request| self.wiremock.at(request["url"].as_str().expect("an address")));
        let mut heard: Vec<String> = urls
            .map(|url| {
                let url: url::Url = url.parse().expect("an address");
                let mut pairs = url.query_pairs();
                pairs.find(|(name, _)| name == parameter).expect("it has that part").1.into_owned()
            })
            .collect();
        // Newest first, there.
        heard.reverse();
        heard
    }

    async fn post(&self, style: Style) -> Result<books::connector::Theirs, Trouble> {
        self.quickbooks
            .post(&self.access(), &posting(Part::Sale, style, false), "019300000000700080000000000000aa")
            .await
    }
}

fn with_json(status: u16, body: &Value) -> Value {
    let headers = json!({ "Content-Type": "application/json;charset=UTF-8", "intuit_tid": "1-69f0a24d-contract" });
    json!({ "status": status, "headers": headers, "jsonBody": body })
}

fn broken() -> Value {
    json!({ "fault": "CONNECTION_RESET_BY_PEER" })
}

/// A document as QuickBooks tells of it.
fn document(id: &str) -> Value {
    json!({
        "Id": id, "SyncToken": "0", "domain": "QBO", "sparse": false, "DocNumber": NUMBER, "TxnDate": "2026-11-22",
        "CurrencyRef": { "value": "KES", "name": "Kenyan Shilling" }, "CustomerRef": { "value": "58" },
        "GlobalTaxCalculation": "NotApplicable", "TotalAmt": 1500.00, "Balance": 0,
        "MetaData": { "CreateTime": "2026-11-22T23:10:00-08:00", "LastUpdatedTime": "2026-11-22T23:10:00-08:00" },
    })
}

fn one(entity: &str, document: &Value) -> Value {
    with_json(200, &json!({ entity: document, "time": "2026-11-22T23:10:00.000-08:00" }))
}

fn rows(entity: &str, documents: &[Value]) -> Value {
    let mut response = json!({});
    if !documents.is_empty() {
        response = json!({ entity: documents, "startPosition": 1, "maxResults": documents.len() });
    }
    with_json(200, &json!({ "QueryResponse": response, "time": "2026-11-22T23:10:00.000-08:00" }))
}

fn fault(status: u16, code: &str, message: &str, detail: &str) -> Value {
    let error = json!({ "Message": message, "Detail": detail, "code": code, "element": "" });
    with_json(
        status,
        &json!({ "Fault": { "Error": [error], "type": "ValidationFault" }, "time": "2026-11-22T23:10:00.000-08:00" }),
    )
}

#[tokio::test]
async fn quickbooks_takes_refuses_and_breaks_off_as_wiremock_says() {
    let Some(program) = fake::program("MLANGO_WIREMOCK") else { return };
    let company = Company::start(&program).await;
    a_sale_is_taken_once(&company).await;
    an_invoice_is_paid(&company).await;
    a_refusal_is_told_in_quickbooks_words(&company).await;
    a_lost_answer_is_found_by_its_number(&company).await;
}

async fn a_sale_is_taken_once(company: &Company) {
    company.answers("POST", "salesreceipt", one("SalesReceipt", &document("145"))).await;
    company.answers("GET", "salesreceipt/145", one("SalesReceipt", &document("145"))).await;
    for _ in 0..2 {
        let theirs = company.post(Style::Receipt).await.expect("taken");
        let told = (theirs.id.as_str(), theirs.number.as_str(), theirs.total, theirs.currency.as_str());
        assert_eq!(told, ("145", NUMBER, 150_000, "KES"));
    }
    let names = company.heard("POST", "salesreceipt", "requestid").await;
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], names[1], "QuickBooks can know that it is the same");
    assert_eq!(company.calls.load(Ordering::Relaxed), 4);
}

async fn an_invoice_is_paid(company: &Company) {
    let mut invoice = document("130");
    invoice["Balance"] = json!(1500.00);
    company.answers("POST", "invoice", one("Invoice", &invoice)).await;
    company.answers("GET", "invoice/130", one("Invoice", &invoice)).await;
    company.answers("POST", "payment", one("Payment", &document("131"))).await;
    let theirs = company.post(Style::Invoice).await.expect("taken");
    assert_eq!((theirs.id.as_str(), theirs.total), ("invoice/130", 150_000));
    assert_eq!(company.heard("POST", "payment", "requestid").await.len(), 1);
}

async fn a_refusal_is_told_in_quickbooks_words(company: &Company) {
    let reference = "Invalid Reference Id : Item elements id 10 not found";
    company.answers("POST", "salesreceipt", fault(200, "2500", "Invalid Reference Id", reference)).await;
    let refused = company.post(Style::Receipt).await;
    assert!(matches!(&refused, Err(Trouble::Refused(words)) if words.contains("Item elements id 10")), "{refused:?}");

    let number = "Duplicate Document Number Error : You must specify a different number.";
    company.answers("POST", "salesreceipt", fault(400, "6140", "Duplicate Document Number Error", number)).await;
    company.answers("GET", "query", rows("SalesReceipt", &[document("145")])).await;
    assert_eq!(company.post(Style::Receipt).await, Err(Trouble::Duplicate));
    let found = company.quickbooks.find(&company.access(), Part::Sale, NUMBER).await.expect("an answer");
    assert_eq!(found.map(|theirs| theirs.id).as_deref(), Some("145"));
    let asked = company.heard("GET", "query", "query").await;
    let question = format!("select * from SalesReceipt where DocNumber = '{NUMBER}' startposition 1 maxresults 1000");
    assert_eq!(asked.last(), Some(&question));

    let throttled = fault(429, "3001", "ThrottleExceeded", "The request exceeded the throttle limit");
    company.answers("POST", "salesreceipt", throttled).await;
    let wait = Some(Duration::from_secs(60));
    assert_eq!(company.post(Style::Receipt).await, Err(Trouble::TooMany { wait, is_daily: false }));

    // At 401 the envelope is written in small letters.
    let error = json!({ "message": "message=AuthenticationFailed; errorCode=003200; statusCode=401",
                        "detail": "Token expired", "code": "3200", "element": null });
    let expired = json!({ "warnings": null, "intuitObject": null, "status": null,
                          "fault": { "error": [error], "type": "AUTHENTICATION" } });
    company.answers("POST", "salesreceipt", with_json(401, &expired)).await;
    assert_eq!(company.post(Style::Receipt).await, Err(Trouble::Expired));
}

/// Nobody knows whether it was taken; its number tells, and it is not told again by itself.
async fn a_lost_answer_is_found_by_its_number(company: &Company) {
    let before = company.heard("POST", "salesreceipt", "requestid").await.len();
    company.answers("POST", "salesreceipt", broken()).await;
    let lost = company.post(Style::Receipt).await;
    assert!(matches!(lost, Err(Trouble::Unknown(_))), "{lost:?}");
    assert_eq!(company.heard("POST", "salesreceipt", "requestid").await.len(), before + 1);
    let find = || async { company.quickbooks.find(&company.access(), Part::Sale, NUMBER).await };
    company.answers("GET", "query", broken()).await;
    assert!(matches!(find().await, Err(Trouble::Away(_))));
    company.answers("GET", "query", rows("SalesReceipt", &[])).await;
    assert_eq!(find().await, Ok(None));
    company.answers("GET", "query", rows("SalesReceipt", &[document("146")])).await;
    assert_eq!(find().await.expect("an answer").map(|theirs| theirs.id).as_deref(), Some("146"));
}
