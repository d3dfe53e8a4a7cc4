//! The page of the simulator: which number ends how, and what the phones of the demo have been through.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::outcome::Outcome;
use super::till::{Till, Transaction};

/// Payments shown, newest first.
const SHOWN: usize = 30;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left}";

/// The whole page.
pub(crate) fn overview(till: &Till, now: OffsetDateTime) -> String {
    let mut body = "<h1>Simulated M-Pesa</h1><p>The last digit of the customer's number decides what happens.</p>\
                    <table><tr><th>Digit</th><th>Outcome</th></tr>"
        .to_owned();
    for (digit, outcome) in Outcome::BY_DIGIT.iter().enumerate() {
        let _ = write!(body, "<tr><td>{digit}</td><td>{}</td></tr>", outcome.story());
    }
    body.push_str(
        "</table><h2>Payments</h2><table id=\"payments\"><tr><th>Phone</th><th>KSh</th><th>Reference</th><th>Now</th>\
         <th>Receipt</th><th>Callbacks answered with</th><th>Queries</th></tr>",
    );
    for transaction in till.transactions().iter().rev().take(SHOWN) {
        row(&mut body, transaction, now);
    }
    body.push_str("</table>");
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <title>Simulated M-Pesa</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
}

fn row(body: &mut String, transaction: &Transaction, now: OffsetDateTime) {
    let decided = now >= transaction.decided_at;
    let state = if decided { transaction.outcome.story() } else { "the phone shows: enter your PIN" };
    let receipt = transaction.receipt.as_deref().filter(|_| decided).unwrap_or_default();
    let answers: Vec<String> = transaction
        .callbacks
        .iter()
        .map(|status| status.map_or("no answer".to_owned(), |status| status.to_string()))
        .collect();
    let _ = write!(
        body,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{state}</td><td>{receipt}</td><td>{}</td><td>{}</td></tr>",
        transaction.phone,
        transaction.amount,
        escape(&transaction.reference),
        answers.join(", "),
        transaction.queries,
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
