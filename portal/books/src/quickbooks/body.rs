//! What QuickBooks is told, as JSON: a function of the posting alone. References are ids as text, amounts are decimal numbers.
//!
//! Outside the United States, QuickBooks takes the amount of a line to be *without* tax, whatever `GlobalTaxCalculation` says: that field
//! only decides how the form is shown. So a line with a tax code carries its net as `Amount`, and what was paid as `TaxInclusiveAmt`.
//! Left alone QuickBooks then works out the tax from the net, which is not always the tax that we have booked: a net that was rounded, times
//! the rate, is rounded again, and one price in seven is a cent apart. Therefore the tax is told too (`TxnTaxDetail`, a line for each rate):
//! what is told is not worked out again. It names the *rate* besides the code, and so does our name of a tax: see [`TaxCode`].
//!
//! `Amount` must be `Qty` times `UnitPrice`, to the cent. Where the pieces do not divide it, one piece is told, and how many there were stands
//! in the description: a rounding difference is no amount of money.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};
use time::macros::format_description;

use crate::number;
use crate::posting::{Line, Part, Posting, Style};

/// Largest amount, in minor units: QuickBooks takes ten digits before the point.
const AMOUNT_MAX: i64 = 999_999_999_999;
/// Most lines of a document with tax.
const LINES_MAX: usize = 750;
/// Most letters of a description and of a note.
const TEXT_MAX: usize = 4000;

/// What a document is in QuickBooks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entity {
    /// Sold and paid at once.
    SalesReceipt,
    /// Sold; paid by a [`Entity::Payment`].
    Invoice,
    /// What paid an invoice.
    Payment,
    /// Money that went back.
    RefundReceipt,
    /// Money that was spent: an expense, as its form is called.
    Purchase,
}

impl Entity {
    /// What a posting becomes.
    pub fn of(posting: &Posting) -> Entity {
        match (posting.part, posting.style) {
            (Part::Sale, Style::Receipt) => Entity::SalesReceipt,
            (Part::Sale, Style::Invoice) => Entity::Invoice,
            (Part::Refund, _) => Entity::RefundReceipt,
            (Part::Fees, _) => Entity::Purchase,
        }
    }

    /// Where a part is looked for.
    pub(super) fn of_part(part: Part) -> &'static [Entity] {
        match part {
            Part::Sale => &[Entity::SalesReceipt, Entity::Invoice],
            Part::Refund => &[Entity::RefundReceipt],
            Part::Fees => &[Entity::Purchase],
        }
    }

    /// Its name in queries and answers.
    pub fn name(self) -> &'static str {
        match self {
            Entity::SalesReceipt => "SalesReceipt",
            Entity::Invoice => "Invoice",
            Entity::Payment => "Payment",
            Entity::RefundReceipt => "RefundReceipt",
            Entity::Purchase => "Purchase",
        }
    }

    /// Its name in addresses.
    pub(super) fn path(self) -> &'static str {
        match self {
            Entity::SalesReceipt => "salesreceipt",
            Entity::Invoice => "invoice",
            Entity::Payment => "payment",
            Entity::RefundReceipt => "refundreceipt",
            Entity::Purchase => "purchase",
        }
    }
}

/// Why a posting cannot be told, in the words of the person who can mend it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// QuickBooks takes a line without an item for a remark, and passes over its amount.
    #[error("“{0}” has no product or service of QuickBooks: choose one on the mapping page")]
    NoItem(String),
    /// One line has a tax code and another has none, which QuickBooks refuses.
    #[error("“{0}” has no tax code, and other lines have: choose one on the mapping page, or none for all")]
    NoTaxCode(String),
    /// Below zero, or of more digits than QuickBooks takes.
    #[error("“{0}”: QuickBooks takes no such amount")]
    Amount(String),
    /// No line, or more than QuickBooks takes.
    #[error("QuickBooks takes documents of 1 to {LINES_MAX} lines, and this one has {0}")]
    Lines(usize),
    /// A name that QuickBooks would cut off, so that it would not be found again.
    #[error("the number {0} is longer than QuickBooks takes")]
    Number(String),
}

/// A tax as it is chosen: the code, and the rates of it on sales and on purchases where it has one rate each. Written `5:3:4`, with nothing
/// where there is no rate or more than one (`5`, `5:3`, `5::4`). Forms name the code, taxes that are told name the rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaxCode<'a> {
    /// Its id.
    pub code: &'a str,
    /// The id of its one rate on sales.
    pub sales: Option<&'a str>,
    /// The id of its one rate on purchases.
    pub purchase: Option<&'a str>,
}

impl<'a> TaxCode<'a> {
    /// Reads what [`TaxCode::to_id`] wrote, or a code alone.
    pub fn parse(id: &'a str) -> TaxCode<'a> {
        let mut parts = id.split(':');
        let code = parts.next().unwrap_or_default();
        let mut rate = || parts.next().filter(|rate| !rate.is_empty());
        TaxCode { code, sales: rate(), purchase: rate() }
    }

    /// As it is kept and chosen.
    pub fn to_id(&self) -> String {
        let whole = format!("{}:{}:{}", self.code, self.sales.unwrap_or_default(), self.purchase.unwrap_or_default());
        whole.trim_end_matches(':').to_owned()
    }
}

/// What is told of a posting: a sales receipt, an invoice, a refund receipt or an expense, as [`Entity::of`] says.
///
/// # Errors
/// When QuickBooks would refuse it, or take it for something else.
pub fn document(posting: &Posting) -> Result<Value, Unfit> {
    check(posting)?;
    let is_taxed = posting.lines.iter().any(|line| line.tax_code.is_some());
    let is_purchase = posting.part == Part::Fees;
    let lines: Result<Vec<Value>, Unfit> = posting
        .lines
        .iter()
        .map(|line| if is_purchase { expense_line(line, is_taxed) } else { sales_line(line, is_taxed) })
        .collect();
    let mut body = head(posting);
    body.insert("DocNumber".into(), json!(posting.number));
    body.insert("Line".into(), Value::Array(lines?));
    body.insert("GlobalTaxCalculation".into(), json!(if is_taxed { "TaxInclusive" } else { "NotApplicable" }));
    if let Some(tax) = is_taxed.then(|| tax_detail(&posting.lines, is_purchase)).flatten() {
        body.insert("TxnTaxDetail".into(), tax);
    }
    if let Some(class) = &posting.class {
        body.insert("DepartmentRef".into(), reference(class));
    }
    match Entity::of(posting) {
        Entity::Purchase => {
            // Cash: the money leaves at once, and a second one of the same number is refused.
            body.insert("PaymentType".into(), json!("Cash"));
            body.insert("AccountRef".into(), reference(&posting.deposit));
            if !posting.contact.is_empty() {
                body.insert("EntityRef".into(), json!({ "value": posting.contact, "type": "Vendor" }));
            }
        }
        // It is not paid yet, so there is no money that could be somewhere.
        Entity::Invoice => {
            body.insert("CustomerRef".into(), reference(&posting.contact));
            body.insert("DueDate".into(), json!(day(posting)));
        }
        Entity::SalesReceipt | Entity::RefundReceipt | Entity::Payment => money_side(&mut body, posting),
    }
    Ok(Value::Object(body))
}

/// What pays the invoice of this id: all of it, at once.
///
/// # Errors
/// When the amount is none that QuickBooks takes.
pub fn payment(posting: &Posting, invoice: &str) -> Result<Value, Unfit> {
    check(posting)?;
    let total = decimal(posting.total()).ok_or_else(|| Unfit::Amount(posting.number.clone()))?;
    let mut body = head(posting);
    money_side(&mut body, posting);
    body.insert("TotalAmt".into(), json!(total));
    let paid = json!([{ "TxnId": invoice, "TxnType": "Invoice" }]);
    body.insert("Line".into(), json!([{ "Amount": total, "LinkedTxn": paid }]));
    Ok(Value::Object(body))
}

fn check(posting: &Posting) -> Result<(), Unfit> {
    if posting.number.is_empty() || posting.number.len() > number::LENGTH_MAX {
        return Err(Unfit::Number(posting.number.clone()));
    }
    if !(1..=LINES_MAX).contains(&posting.lines.len()) {
        return Err(Unfit::Lines(posting.lines.len()));
    }
    let sum = posting.lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.gross));
    if sum.is_none_or(|sum| sum > AMOUNT_MAX) {
        return Err(Unfit::Amount(posting.number.clone()));
    }
    match posting.lines.iter().find(|line| line.gross < 0 || line.tax < 0 || line.tax > line.gross) {
        Some(line) => Err(Unfit::Amount(line.description.clone())),
        None => Ok(()),
    }
}

/// What all of them have.
fn head(posting: &Posting) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("TxnDate".into(), json!(day(posting)));
    head.insert("CurrencyRef".into(), reference(&posting.currency));
    head.insert("PrivateNote".into(), json!(cut(&posting.memo)));
    head
}

/// What all have that move money of a customer's: whose, how, and where it is.
fn money_side(body: &mut Map<String, Value>, posting: &Posting) {
    body.insert("CustomerRef".into(), reference(&posting.contact));
    body.insert("DepositToAccountRef".into(), reference(&posting.deposit));
    // A refund out of a bank account must have one.
    body.insert("PaymentRefNum".into(), json!(posting.number));
    if let Some(method) = &posting.method {
        body.insert("PaymentMethodRef".into(), reference(method));
    }
}

fn day(posting: &Posting) -> String {
    posting.day.format(format_description!("[year]-[month]-[day]")).expect("a date has all that is asked for")
}

fn sales_line(line: &Line, is_taxed: bool) -> Result<Value, Unfit> {
    let item = line.item.as_ref().ok_or_else(|| Unfit::NoItem(line.description.clone()))?;
    let net = net(line, is_taxed);
    let (pieces, description) = match line.quantity {
        pieces if pieces > 1 && net % pieces == 0 => (pieces, line.description.clone()),
        pieces if pieces > 1 => (1, format!("{pieces} × {}", line.description)),
        _ => (1, line.description.clone()),
    };
    let mut detail = Map::new();
    detail.insert("ItemRef".into(), reference(item));
    detail.insert("Qty".into(), json!(pieces));
    detail.insert("UnitPrice".into(), json!(amount(net / pieces, line)?));
    tax_of_line(&mut detail, line, is_taxed)?;
    Ok(json!({
        "DetailType": "SalesItemLineDetail",
        "Amount": amount(net, line)?,
        "Description": cut(&description),
        "SalesItemLineDetail": detail,
    }))
}

fn expense_line(line: &Line, is_taxed: bool) -> Result<Value, Unfit> {
    let mut detail = Map::new();
    detail.insert("AccountRef".into(), reference(&line.account));
    tax_of_line(&mut detail, line, is_taxed)?;
    Ok(json!({
        "DetailType": "AccountBasedExpenseLineDetail",
        "Amount": amount(net(line, is_taxed), line)?,
        "Description": cut(&line.description),
        "AccountBasedExpenseLineDetail": detail,
    }))
}

/// Without tax codes nothing is known of tax there, and all of it is the price.
fn net(line: &Line, is_taxed: bool) -> i64 {
    if is_taxed { line.gross - line.tax } else { line.gross }
}

fn tax_of_line(detail: &mut Map<String, Value>, line: &Line, is_taxed: bool) -> Result<(), Unfit> {
    if !is_taxed {
        return Ok(());
    }
    let code = line.tax_code.as_deref().ok_or_else(|| Unfit::NoTaxCode(line.description.clone()))?;
    detail.insert("TaxCodeRef".into(), reference(TaxCode::parse(code).code));
    detail.insert("TaxInclusiveAmt".into(), json!(amount(line.gross, line)?));
    Ok(())
}

/// The tax of all lines by rate; nothing where one of them has a code of no rate or of several, which QuickBooks must work out.
fn tax_detail(lines: &[Line], is_purchase: bool) -> Option<Value> {
    let mut rates: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for line in lines {
        let code = TaxCode::parse(line.tax_code.as_deref()?);
        let (net, tax) = rates.entry(if is_purchase { code.purchase? } else { code.sales? }).or_default();
        *net += line.gross - line.tax;
        *tax += line.tax;
    }
    let total: i64 = rates.values().map(|(_, tax)| tax).sum();
    let taxes: Option<Vec<Value>> = rates
        .iter()
        .map(|(rate, (net, tax))| {
            let detail = json!({
                "TaxRateRef": reference(rate), "PercentBased": true, "NetAmountTaxable": decimal(*net)?,
            });
            Some(json!({ "DetailType": "TaxLineDetail", "Amount": decimal(*tax)?, "TaxLineDetail": detail }))
        })
        .collect();
    Some(json!({ "TotalTax": decimal(total)?, "TaxLine": taxes? }))
}

fn reference(id: &str) -> Value {
    json!({ "value": id })
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn amount(minor: i64, line: &Line) -> Result<Number, Unfit> {
    decimal(minor).ok_or_else(|| Unfit::Amount(line.description.clone()))
}

/// Minor units as the decimal number that JSON has for them, exactly: whole amounts as whole numbers, others through the nearest binary
/// fraction. A decimal of at most fifteen digits (and ours have twelve) is the shortest that reads back as its nearest fraction, and the
/// shortest is what is written.
fn decimal(minor: i64) -> Option<Number> {
    if !(0..=AMOUNT_MAX).contains(&minor) {
        return None;
    }
    if minor % 100 == 0 {
        return Some(Number::from(minor / 100));
    }
    Number::from_f64(format!("{}.{:02}", minor / 100, minor % 100).parse().ok()?)
}

#[cfg(test)]
mod tests;
