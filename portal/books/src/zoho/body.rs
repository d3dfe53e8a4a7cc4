//! What Zoho Books is told: a function of the posting.
//!
//! Prices hold their tax (`is_inclusive_tax`), so that Zoho takes it out of the same gross. Of a line that divides evenly the number of things
//! and the price of one are told; else one thing at the price of all, with the number in its words: a rate that does not come out even would
//! be rounded, and the total with it. Ids are long numbers that stand as text.

use serde_json::{Map, Value, json};
use time::Date;

use super::amount;
use crate::connector::Trouble;
use crate::posting::{Line, Posting};

/// Zoho's longest text of a line.
const DESCRIPTION_MAX: usize = 2000;
/// Its longest name of something that stands in no list of items.
const NAME_MAX: usize = 100;
/// Its longest note of an expense, which is the shortest of the three.
const NOTE_MAX: usize = 500;
/// How something is paid where the operator chose nothing.
const METHOD: &str = "others";

/// A sales receipt.
///
/// # Errors
/// [`Trouble::Refused`]: it cannot be told exactly.
pub fn receipt(posting: &Posting) -> Result<Value, Trouble> {
    let mut body = document(posting)?;
    body.insert("receipt_number".into(), json!(posting.number));
    body.insert("payment_mode".into(), json!(posting.method.as_deref().unwrap_or(METHOD)));
    // Where the money is.
    body.insert("account_id".into(), json!(posting.deposit));
    Ok(Value::Object(body))
}

/// A credit note.
///
/// # Errors
/// [`Trouble::Refused`]: it cannot be told exactly.
pub fn credit(posting: &Posting) -> Result<Value, Trouble> {
    let mut body = document(posting)?;
    body.insert("creditnote_number".into(), json!(posting.number));
    Ok(Value::Object(body))
}

/// The refund of a credit note, from the account where the money was.
///
/// # Errors
/// [`Trouble::Refused`]: it cannot be told exactly.
pub fn refund(posting: &Posting, open: i64) -> Result<Value, Trouble> {
    Ok(json!({
        "date": day(posting.day),
        "refund_mode": posting.method.as_deref().unwrap_or(METHOD),
        "reference_number": posting.number,
        "amount": exact(open)?,
        "from_account_id": posting.deposit,
        "description": cut(&posting.memo, NOTE_MAX),
    }))
}

/// An expense.
///
/// # Errors
/// [`Trouble::Refused`]: it cannot be told exactly.
pub fn expense(posting: &Posting) -> Result<Value, Trouble> {
    let mut body = Map::new();
    body.insert("date".into(), json!(day(posting.day)));
    body.insert("reference_number".into(), json!(posting.number));
    body.insert("paid_through_account_id".into(), json!(posting.deposit));
    body.insert("amount".into(), exact(posting.total())?);
    body.insert("is_inclusive_tax".into(), json!(true));
    body.insert("description".into(), json!(cut(&posting.memo, NOTE_MAX)));
    if !posting.contact.is_empty() {
        body.insert("vendor_id".into(), json!(posting.contact));
    }
    if let [line] = posting.lines.as_slice() {
        body.insert("account_id".into(), json!(line.account));
        tax(&mut body, line);
        place(&mut body, posting.class.as_deref(), true);
        return Ok(Value::Object(body));
    }
    let lines = posting.lines.iter().zip(1..).map(|(line, order): (&Line, i64)| {
        let mut told = Map::new();
        told.insert("account_id".into(), json!(line.account));
        told.insert("description".into(), json!(cut(&line.description, DESCRIPTION_MAX)));
        told.insert("amount".into(), exact(line.gross)?);
        told.insert("item_order".into(), json!(order));
        tax(&mut told, line);
        tag(&mut told, posting.class.as_deref());
        Ok(Value::Object(told))
    });
    let lines = lines.collect::<Result<Vec<Value>, Trouble>>()?;
    body.insert("line_items".into(), Value::Array(lines));
    place(&mut body, posting.class.as_deref(), false);
    Ok(Value::Object(body))
}

/// What a sales receipt and a credit note have in common.
fn document(posting: &Posting) -> Result<Map<String, Value>, Trouble> {
    let mut body = Map::new();
    body.insert("customer_id".into(), json!(posting.contact));
    body.insert("date".into(), json!(day(posting.day)));
    body.insert("reference_number".into(), json!(posting.number));
    body.insert("is_inclusive_tax".into(), json!(true));
    body.insert("notes".into(), json!(cut(&posting.memo, NOTE_MAX)));
    let lines = posting.lines.iter().zip(1..).map(|(line, order)| sold(line, order, posting.class.as_deref()));
    body.insert("line_items".into(), Value::Array(lines.collect::<Result<Vec<Value>, Trouble>>()?));
    place(&mut body, posting.class.as_deref(), false);
    Ok(body)
}

fn sold(line: &Line, order: i64, class: Option<&str>) -> Result<Value, Trouble> {
    let is_even = line.quantity > 0 && line.gross % line.quantity == 0;
    let (quantity, rate) = if is_even { (line.quantity, line.gross / line.quantity) } else { (1, line.gross) };
    let words = match is_even {
        true => line.description.clone(),
        false => format!("{} × {}", line.quantity, line.description),
    };
    let mut told = Map::new();
    match &line.item {
        Some(item) => told.insert("item_id".into(), json!(item)),
        None => told.insert("name".into(), json!(cut(&line.description, NAME_MAX))),
    };
    told.insert("description".into(), json!(cut(&words, DESCRIPTION_MAX)));
    told.insert("quantity".into(), json!(quantity));
    told.insert("rate".into(), exact(rate)?);
    told.insert("account_id".into(), json!(line.account));
    told.insert("item_order".into(), json!(order));
    tax(&mut told, line);
    tag(&mut told, class);
    Ok(Value::Object(told))
}

fn tax(told: &mut Map<String, Value>, line: &Line) {
    if let Some(code) = &line.tax_code {
        told.insert("tax_id".into(), json!(code));
    }
}

/// A tag stands at each line; a place at the document. An expense of one line is its own line.
fn place(body: &mut Map<String, Value>, class: Option<&str>, is_line: bool) {
    if let Some(location) = class.and_then(|class| class.strip_prefix("location:")) {
        body.insert("location_id".into(), json!(location));
    }
    if is_line {
        tag(body, class);
    }
}

fn tag(told: &mut Map<String, Value>, class: Option<&str>) {
    let tag = class.and_then(|class| class.strip_prefix("tag:")).and_then(|tag| tag.split_once(':'));
    if let Some((tag, option)) = tag {
        told.insert("tags".into(), json!([{ "tag_id": tag, "tag_option_id": option }]));
    }
}

fn exact(minor: i64) -> Result<Value, Trouble> {
    amount::told(minor).ok_or_else(|| Trouble::Refused("The amount is too large for Zoho Books.".to_owned()))
}

/// A day as Zoho writes it.
pub(super) fn day(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// So many letters of a text.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::posting;
    use super::*;
    use crate::posting::Part;

    #[test]
    fn a_days_sales_are_a_receipt_with_the_tax_in_its_prices() {
        let told = receipt(&posting(Part::Sale)).unwrap();
        let expected = json!({
            "customer_id": "460000000026049", "date": "2026-11-22", "receipt_number": "20261122-NBO1-M",
            "reference_number": "20261122-NBO1-M", "is_inclusive_tax": true, "payment_mode": "banktransfer",
            "account_id": "460000000000358", "notes": "Wi-Fi at Kilimani", "location_id": "460000000038080",
            "line_items": [
                { "item_id": "460000000027009", "description": "1 day", "quantity": 30, "rate": 50.0,
                  "account_id": "460000000000388", "tax_id": "460000000027001", "item_order": 1 },
                { "name": "Discounted", "description": "3 × Discounted", "quantity": 1, "rate": 100.01,
                  "account_id": "460000000000388", "item_order": 2 },
            ],
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_goes_back_is_a_credit_note_and_its_refund_from_the_same_account() {
        let posting = posting(Part::Refund);
        let told = credit(&posting).unwrap();
        assert_eq!(told["creditnote_number"], "20261122-NBO1-M-R");
        assert!(told.get("payment_mode").is_none() && told.get("account_id").is_none());
        let back = refund(&posting, 160_001).unwrap();
        assert_eq!(back["amount"], json!(1600.01));
        assert_eq!(
            (&back["from_account_id"], &back["refund_mode"]),
            (&json!("460000000000358"), &json!("banktransfer"))
        );
        assert_eq!(back["reference_number"], "20261122-NBO1-M-R");
    }

    #[test]
    fn a_providers_fee_is_an_expense_paid_from_where_the_money_is() {
        let mut fees = posting(Part::Fees);
        fees.lines.truncate(1);
        fees.class = Some("tag:1:2".into());
        let told = expense(&fees).unwrap();
        assert_eq!(told["amount"], json!(1500.0));
        assert_eq!((&told["account_id"], &told["vendor_id"]), (&json!("460000000000388"), &json!("460000000026049")));
        assert_eq!(told["paid_through_account_id"], "460000000000358");
        assert_eq!(told["tags"], json!([{ "tag_id": "1", "tag_option_id": "2" }]));
        assert!(told.get("line_items").is_none());
        fees.contact = String::new();
        assert!(expense(&fees).unwrap().get("vendor_id").is_none());
        let several = expense(&posting(Part::Fees)).unwrap();
        assert_eq!((&several["amount"], several["line_items"].as_array().unwrap().len()), (&json!(1600.01), 2));
        assert!(several.get("account_id").is_none());
    }

    #[test]
    fn a_tag_stands_at_each_line() {
        let posting = Posting { class: Some("tag:7:8".into()), ..posting(Part::Sale) };
        let told = receipt(&posting).unwrap();
        let tagged = told["line_items"].as_array().unwrap().iter().all(|line| line["tags"][0]["tag_option_id"] == "8");
        assert!(tagged && told.get("location_id").is_none(), "{told}");
    }

    #[test]
    fn without_a_method_it_is_something_else() {
        let posting = Posting { method: None, ..posting(Part::Sale) };
        assert_eq!(receipt(&posting).unwrap()["payment_mode"], "others");
    }
}
