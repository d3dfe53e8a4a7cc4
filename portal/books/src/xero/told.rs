//! What Xero is told: the JSON of our documents, of what pays them, and of what makes that they count no more. Nothing is sent here.
//!
//! What an operator chose is told as [`super::heard::choices`] has named it: an account by its code, or by Xero's identifier where it has no
//! code, as bank accounts often have none; a contact by its identifier; a tax by its type; a tracking option as `category/option`, both by
//! their identifiers.

use serde_json::{Map, Value, json};
use time::Date;

use super::amount;
use super::kind::Kind;
use crate::posting::{Line, Part, Posting};

/// Most letters of a line's description that Xero takes.
const DESCRIPTION_MAX: usize = 4000;
/// Most letters of a reference that Xero takes.
const REFERENCE_MAX: usize = 255;

/// A document in the list in which Xero wants it.
///
/// # Errors
/// Why it cannot be told, in the operator's words.
pub(super) fn document(posting: &Posting) -> Result<Value, String> {
    let kind = Kind::of(posting.part);
    let lines: Result<Vec<Value>, String> = posting.lines.iter().map(|one| line(one, posting)).collect();
    let mut document = json!({
        "Type": kind.word,
        "Contact": { "ContactID": posting.contact },
        "Date": day(posting.day),
        // Our prices hold the tax, and Xero is told which part of them it is.
        "LineAmountTypes": "Inclusive",
        "LineItems": lines?,
        "Status": "AUTHORISED",
        kind.number: posting.number,
    });
    let fields = document.as_object_mut().expect("an object was written");
    match posting.part {
        Part::Sale | Part::Refund => {
            fields.insert("CurrencyCode".into(), json!(posting.currency));
            fields.insert("Reference".into(), json!(clipped(&posting.memo, REFERENCE_MAX)));
        }
        // Its currency is that of the account that it goes from.
        Part::Fees => drop(fields.insert("BankAccount".into(), account(&posting.deposit))),
    }
    if posting.part == Part::Sale {
        fields.insert("DueDate".into(), json!(day(posting.day)));
    }
    Ok(json!({ kind.list: [document] }))
}

/// What pays this document, or pays it out: so much, to or from where the money is.
///
/// # Errors
/// Why it cannot be told, in the operator's words.
pub(super) fn payment(posting: &Posting, id: &str, minor: i64) -> Result<Value, String> {
    let kind = Kind::of(posting.part);
    Ok(json!({
        kind.singular: { kind.id: id },
        "Account": account(&posting.deposit),
        "Date": day(posting.day),
        "Amount": exact(minor)?,
        "Reference": posting.number,
    }))
}

/// That a payment counts no more.
pub(super) fn payment_undone() -> Value {
    json!({ "Status": "DELETED" })
}

/// That a document counts no more: this status. Of money spent Xero's description wants all that has to be there when it is made, so that
/// is said again as it stands.
pub(super) fn undone(part: Part, id: &str, status: &str, now: &Value) -> Value {
    let kind = Kind::of(part);
    let mut document = json!({ kind.id: id, "Status": status });
    if part == Part::Fees {
        let fields = document.as_object_mut().expect("an object was written");
        let lines = now.get("LineItems").and_then(Value::as_array);
        fields.insert("Type".into(), json!(kind.word));
        fields.insert("BankAccount".into(), only(now.get("BankAccount"), &["AccountID", "Code"]));
        fields.insert(
            "LineItems".into(),
            lines.into_iter().flatten().map(|line| only(Some(line), &LINE_FIELDS)).collect(),
        );
    }
    json!({ kind.list: [document] })
}

/// What is said again of a line.
const LINE_FIELDS: [&str; 8] =
    ["LineItemID", "Description", "Quantity", "UnitAmount", "LineAmount", "AccountCode", "TaxType", "TaxAmount"];

/// These fields of an object, where they hold something.
fn only(object: Option<&Value>, names: &[&str]) -> Value {
    let held = |name: &&str| {
        object?.get(*name).filter(|value| !value.is_null()).map(|value| ((*name).to_owned(), value.clone()))
    };
    Value::Object(names.iter().filter_map(held).collect::<Map<String, Value>>())
}

/// One line. Its amount is always said, and is what counts; how many and for how much each is said where the two make that amount, and
/// otherwise it is one of everything, and how many is said in words.
fn line(line: &Line, posting: &Posting) -> Result<Value, String> {
    let (count, description) = (line.quantity.max(1), line.description.trim());
    // Xero refuses a line without words.
    let description = if description.is_empty() { posting.number.as_str() } else { description };
    let (quantity, description) = match line.gross % count {
        0 => (count, description.to_owned()),
        _ => (1, format!("{count} × {description}")),
    };
    let mut told = json!({
        "Description": clipped(&description, DESCRIPTION_MAX),
        "Quantity": quantity,
        "UnitAmount": exact(line.gross / quantity)?,
        "LineAmount": exact(line.gross)?,
    });
    let fields = told.as_object_mut().expect("an object was written");
    let key = if is_identifier(&line.account) { "AccountID" } else { "AccountCode" };
    fields.insert(key.into(), json!(line.account));
    if let Some(item) = &line.item {
        fields.insert("ItemCode".into(), json!(item));
    }
    // Where no tax was chosen, Xero takes that of the account and reckons it itself; to say an amount of it would contradict that.
    if let Some(tax) = &line.tax_code {
        fields.insert("TaxType".into(), json!(tax));
        fields.insert("TaxAmount".into(), json!(exact(line.tax)?));
    }
    if let Some(class) = &posting.class {
        fields.insert("Tracking".into(), json!([tracking(class)?]));
    }
    Ok(told)
}

fn tracking(class: &str) -> Result<Value, String> {
    let both = class.split_once('/').filter(|(category, option)| is_identifier(category) && is_identifier(option));
    let (category, option) =
        both.ok_or_else(|| format!("“{class}” is no tracking option of Xero's: choose it again for the site"))?;
    Ok(json!({ "TrackingCategoryID": category, "TrackingOptionID": option }))
}

fn account(name: &str) -> Value {
    if is_identifier(name) { json!({ "AccountID": name }) } else { json!({ "Code": name }) }
}

fn exact(minor: i64) -> Result<serde_json::Number, String> {
    amount::told(minor).ok_or_else(|| "an amount is too large to be told to the cent".to_owned())
}

/// Whether this is one of Xero's identifiers, 8-4-4-4-12 hexadecimal digits. A code of an account has at most ten letters.
fn is_identifier(name: &str) -> bool {
    let is_right = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    name.len() == 36 && name.bytes().enumerate().all(is_right)
}

pub(super) fn day(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

fn clipped(text: &str, letters: usize) -> String {
    text.chars().take(letters).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;
    use crate::posting::Style;

    const BANK: &str = "297c2dc5-cc47-4afd-8ec8-74990b8761e9";
    const CLASS: &str = "e2f2f732-e92a-4f3a-9c4d-ee4da0182a13/ae777a87-5ef3-4fa0-a4f0-d10e1f13073a";

    fn one_line(quantity: i64, gross: i64) -> Line {
        Line {
            description: "1-day pass".into(),
            quantity,
            gross,
            tax: crate::tax::Rate::from_basis_points(1600).expect("a rate").of_gross(gross),
            item: None,
            account: "200".into(),
            tax_code: Some("OUTPUT".into()),
        }
    }

    fn posting(part: Part, lines: Vec<Line>) -> Posting {
        Posting {
            number: "20261122-NBO1-M".into(),
            part,
            style: Style::Receipt,
            day: date!(2026 - 11 - 22),
            currency: "KES".into(),
            lines,
            contact: "430fa14a-f945-44d3-9f97-5df5e28441b8".into(),
            deposit: BANK.into(),
            method: None,
            class: None,
            memo: "Wi-Fi by M-Pesa at NBO1".into(),
        }
    }

    #[test]
    fn a_sale_is_an_invoice_with_the_tax_in_its_prices() {
        let mut posting = posting(Part::Sale, vec![one_line(30, 150_000)]);
        posting.class = Some(CLASS.into());
        posting.lines[0].item = Some("DAY".into());
        let expected = json!({ "Invoices": [{
            "Type": "ACCREC", "InvoiceNumber": "20261122-NBO1-M", "Reference": "Wi-Fi by M-Pesa at NBO1",
            "Contact": { "ContactID": "430fa14a-f945-44d3-9f97-5df5e28441b8" },
            "Date": "2026-11-22", "DueDate": "2026-11-22", "CurrencyCode": "KES",
            "LineAmountTypes": "Inclusive", "Status": "AUTHORISED",
            "LineItems": [{
                "Description": "1-day pass", "Quantity": 30, "UnitAmount": 50, "LineAmount": 1500,
                "AccountCode": "200", "ItemCode": "DAY", "TaxType": "OUTPUT", "TaxAmount": 206.9,
                "Tracking": [{
                    "TrackingCategoryID": "e2f2f732-e92a-4f3a-9c4d-ee4da0182a13",
                    "TrackingOptionID": "ae777a87-5ef3-4fa0-a4f0-d10e1f13073a",
                }],
            }],
        }] });
        assert_eq!(document(&posting).expect("a document"), expected);
        let payment = payment(&posting, "an-invoice", 150_000).expect("a payment");
        let expected = json!({
            "Invoice": { "InvoiceID": "an-invoice" }, "Account": { "AccountID": BANK },
            "Date": "2026-11-22", "Amount": 1500, "Reference": "20261122-NBO1-M",
        });
        assert_eq!(payment, expected);
    }

    #[test]
    fn what_goes_back_is_a_credit_note_and_what_is_kept_is_spent() {
        let back = document(&posting(Part::Refund, vec![one_line(1, 5_000)])).expect("a document");
        let note = &back["CreditNotes"][0];
        assert_eq!((&note["Type"], &note["CreditNoteNumber"]), (&json!("ACCRECCREDIT"), &json!("20261122-NBO1-M")));
        assert_eq!(note.get("DueDate"), None);
        let mut kept = posting(Part::Fees, vec![one_line(1, 233)]);
        kept.deposit = "090".into();
        let kept = document(&kept).expect("a document");
        let spent = &kept["BankTransactions"][0];
        assert_eq!((&spent["Type"], &spent["Reference"]), (&json!("SPEND"), &json!("20261122-NBO1-M")));
        assert_eq!(spent["BankAccount"], json!({ "Code": "090" }));
        assert_eq!(spent.get("CurrencyCode"), None);
        assert_eq!(spent["LineItems"][0]["UnitAmount"], json!(2.33));
    }

    #[test]
    fn what_does_not_divide_is_one_and_says_in_words_how_many() {
        let told = document(&posting(Part::Sale, vec![one_line(3, 1_000)])).expect("a document");
        let told = &told["Invoices"][0]["LineItems"][0];
        assert_eq!((&told["Quantity"], &told["UnitAmount"], &told["LineAmount"]), (&json!(1), &json!(10), &json!(10)));
        assert_eq!(told["Description"], "3 × 1-day pass");
    }

    #[test]
    fn without_a_tax_nothing_is_said_of_it_and_without_words_the_number_stands() {
        let mut posting = posting(Part::Sale, vec![one_line(0, 0)]);
        posting.lines[0].tax_code = None;
        posting.lines[0].description = " ".into();
        let told = document(&posting).expect("a document");
        let told = &told["Invoices"][0]["LineItems"][0];
        assert_eq!((told.get("TaxType"), told.get("TaxAmount")), (None, None));
        assert_eq!((&told["Description"], &told["Quantity"]), (&json!("20261122-NBO1-M"), &json!(1)));
    }

    #[test]
    fn what_cannot_be_told_is_said_in_words() {
        for class in ["Nairobi", "e2f2f732-e92a-4f3a-9c4d-ee4da0182a13", "a/b"] {
            let mut posting = posting(Part::Sale, vec![one_line(1, 100)]);
            posting.class = Some(class.into());
            assert!(document(&posting).is_err_and(|why| why.contains(class)), "{class}");
        }
        assert!(document(&posting(Part::Sale, vec![one_line(1, i64::MAX)])).is_err());
    }

    #[test]
    fn money_spent_is_undone_with_what_it_is_made_of() {
        let now = json!({
            "BankAccount": { "AccountID": BANK, "Code": null, "Name": "M-Pesa clearing" },
            "LineItems": [{ "LineItemID": "l1", "LineAmount": 2.33, "AccountCode": "404", "ValidationErrors": [] }],
        });
        let expected = json!({ "BankTransactions": [{
            "BankTransactionID": "b1", "Status": "DELETED", "Type": "SPEND", "BankAccount": { "AccountID": BANK },
            "LineItems": [{ "LineItemID": "l1", "LineAmount": 2.33, "AccountCode": "404" }],
        }] });
        assert_eq!(undone(Part::Fees, "b1", "DELETED", &now), expected);
        let expected = json!({ "Invoices": [{ "InvoiceID": "i1", "Status": "VOIDED" }] });
        assert_eq!(undone(Part::Sale, "i1", "VOIDED", &now), expected);
    }

    proptest! {
        #[test]
        fn lines_always_make_their_amount(quantity in 0i64..500, gross in 0i64..100_000_000) {
            let told = document(&posting(Part::Sale, vec![one_line(quantity, gross)])).expect("a document");
            let told = &told["Invoices"][0]["LineItems"][0];
            let minor = |field: &str| told[field].as_number().and_then(amount::heard).expect("an amount");
            prop_assert_eq!(minor("LineAmount"), gross);
            prop_assert_eq!(told["Quantity"].as_i64().expect("a count") * minor("UnitAmount"), gross);
        }
    }
}
