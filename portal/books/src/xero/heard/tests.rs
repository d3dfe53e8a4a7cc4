//! Documents, choices and refusals as Xero writes them; the shapes are those of its OpenAPI document's examples.

use serde_json::json;
use time::macros::date;

use super::*;
use crate::number::is_ours;

fn invoice(fields: Value) -> Value {
    let mut invoice = json!({
        "Type": "ACCREC", "InvoiceID": "i1", "InvoiceNumber": "20261122-NBO1-M", "Status": "PAID",
        "Date": "/Date(1795305600000+0000)/", "DateString": "2026-11-22T00:00:00", "Total": 1500.00, "AmountDue": 0.00,
        "AmountPaid": 1500.00, "CurrencyCode": "KES", "Payments": [{ "PaymentID": "p1", "Amount": 1500.0 }],
    });
    invoice.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    invoice
}

fn state(fields: Value) -> Option<State> {
    document(&invoice(fields), Part::Sale).map(|document| document.state)
}

#[test]
fn an_invoice_is_read_with_its_day_and_its_amount() {
    let read = document(&invoice(json!({})), Part::Sale).expect("a document");
    let theirs = Theirs {
        id: "i1".into(),
        version: String::new(),
        number: "20261122-NBO1-M".into(),
        part: Part::Sale,
        day: date!(2026 - 11 - 22),
        total: 150_000,
        currency: "KES".into(),
        is_void: false,
    };
    assert_eq!(read, Document { theirs, state: State::Whole, due: 0, payments: vec!["p1".into()] });
}

#[test]
fn only_what_is_paid_is_whole() {
    assert_eq!(state(json!({ "Status": "AUTHORISED", "AmountDue": 1500.0 })), Some(State::Unpaid));
    assert_eq!(state(json!({ "Status": "AUTHORISED", "AmountDue": 0.01 })), Some(State::Unpaid));
    assert_eq!(state(json!({ "Status": "AUTHORISED", "AmountDue": 0 })), Some(State::Whole));
    assert_eq!(state(json!({ "Status": "AUTHORISED", "AmountDue": null })), Some(State::Unpaid));
    assert_eq!(state(json!({ "Status": "PAID", "AmountDue": null })), Some(State::Whole));
    for status in ["DRAFT", "SUBMITTED"] {
        assert_eq!(state(json!({ "Status": status })), Some(State::Draft));
    }
    for status in ["VOIDED", "DELETED"] {
        assert_eq!(state(json!({ "Status": status })), Some(State::Void));
    }
    assert_eq!(state(json!({ "Status": "DREAMING" })), None);
    let note = json!({ "Type": "ACCRECCREDIT", "CreditNoteID": "c1", "CreditNoteNumber": "20261122-NBO1-M-R",
        "Status": "AUTHORISED", "DateString": "2026-11-22T00:00:00", "Total": 50, "RemainingCredit": 50, "CurrencyCode": "KES" });
    let read = document(&note, Part::Refund).expect("a document");
    assert_eq!((read.state, read.due), (State::Unpaid, 5_000));
    let spent = json!({ "Type": "SPEND", "BankTransactionID": "b1", "Reference": "20261122-NBO1-M-F",
        "Status": "AUTHORISED", "DateString": "2026-11-22T00:00:00", "Total": 2.33, "CurrencyCode": "KES" });
    let read = document(&spent, Part::Fees).expect("a document");
    assert_eq!((read.state, read.theirs.total), (State::Whole, 233));
    assert_eq!(document(&spent, Part::Sale), None, "another kind");
}

#[test]
fn a_payment_that_was_taken_back_is_none() {
    let payments = json!({ "Payments": [{ "PaymentID": "p1", "Status": "DELETED" }, { "PaymentID": "p2", "Status": "AUTHORISED" }] });
    assert_eq!(document(&invoice(payments), Part::Sale).expect("a document").payments, ["p2"]);
}

#[test]
fn days_are_read_as_xero_writes_them() {
    for (text, expected) in [
        ("/Date(1795305600000+0000)/", Some(date!(2026 - 11 - 22))),
        ("/Date(1795305600000+1300)/", Some(date!(2026 - 11 - 22))),
        ("/Date(1795305600000)/", Some(date!(2026 - 11 - 22))),
        ("/Date(1795391999999+0000)/", Some(date!(2026 - 11 - 22))),
        ("/Date(1795392000000+0000)/", Some(date!(2026 - 11 - 23))),
        ("/Date(-86400000+0000)/", Some(date!(1969 - 12 - 31))),
        ("/Date(0-0000)/", Some(date!(1970 - 01 - 01))),
        ("2026-11-22", Some(date!(2026 - 11 - 22))),
        ("2026-11-22T00:00:00", Some(date!(2026 - 11 - 22))),
        ("/Date()/", None),
        ("/Date(x+0000)/", None),
        ("/Date(9223372036854775807)/", None),
        ("22 November", None),
        ("", None),
    ] {
        assert_eq!(day(&json!({ "Date": text })), expected, "{text}");
    }
    let both = json!({ "Date": "/Date(1795305600000+0000)/", "DateString": "2026-11-21T00:00:00" });
    assert_eq!(day(&both), Some(date!(2026 - 11 - 21)), "the text is the saner");
}

#[test]
fn what_is_ours_and_not_understood_is_not_passed_over() {
    let answer =
        |fields: Value| json!({ "Invoices": [invoice(fields), invoice(json!({ "InvoiceNumber": "INV-0001" }))] });
    let of = |answer: &Value| documents(answer, Part::Sale, is_ours).map(|found| found.len());
    assert_eq!(of(&answer(json!({}))), Some(1), "the other is not ours");
    assert_eq!(of(&answer(json!({ "Total": "1500" }))), None);
    assert_eq!(of(&answer(json!({ "Total": 1500.001 }))), None);
    assert_eq!(
        of(&answer(json!({ "Type": "ACCPAY", "Total": null }))),
        Some(0),
        "a supplier's bill may have any number"
    );
    assert_eq!(of(&json!({ "Status": "OK" })), None);
}

#[test]
fn numbers_of_ours_are_known_by_their_shape() {
    for number in ["20261122-NBO1-M", "20261122-OTHER-SUSD-F", "20261122-AB12CD34"] {
        assert!(is_ours(number), "{number}");
    }
    for number in
        ["INV-0001", "20261122", "2026112-NBO1-M", "20261122-nbo1-m", "20261122-NBO1-M-and-more-of", "2026112é-N", ""]
    {
        assert!(!is_ours(number), "{number}");
    }
}

#[test]
fn pages_end_where_xero_says_or_where_one_is_not_full() {
    let of = |pages: u64| json!({ "pagination": { "page": 1, "pageSize": 100, "pageCount": pages, "itemCount": 150 } });
    assert!(!is_last(&of(2), 1, 100, 100));
    assert!(is_last(&of(2), 2, 50, 100));
    assert!(is_last(&of(9), 1, 0, 100), "an empty page is the last, whatever is said");
    assert!(!is_last(&json!({}), 1, 100, 100));
    assert!(is_last(&json!({}), 1, 99, 100));
}

#[test]
fn sentences_are_found_wherever_they_stand_and_once() {
    let answer = json!({ "Payments": [{
        "ValidationErrors": [{ "Message": "Not valid" }],
        "Invoice": { "ValidationErrors": [{ "Message": "Not  valid" }, { "Message": "No invoice" }] },
        "Warnings": [{ "Message": "Beware" }],
    }] });
    // By the names of the fields that they stand in, so that they always come in one order.
    assert_eq!(faults(&answer), ["Not valid", "No invoice"]);
    assert!(faults(&json!({ "Invoices": [{ "HasErrors": false, "StatusAttributeString": "OK" }] })).is_empty());
    assert_eq!(faults(&json!({ "Invoices": [{ "StatusAttributeString": "ERROR" }] })).len(), 1);
    assert_eq!(quoted(&"a".repeat(10_000)).len(), WORDS_MAX);
}

#[test]
fn only_what_is_in_use_can_be_chosen() {
    let chosen = |topic, answer: Value| -> Vec<(String, String, String)> {
        let all = choices(topic, &answer).expect("an answer about it");
        all.into_iter().map(|choice| (choice.id, choice.name, choice.detail)).collect()
    };
    let line = |id: &str, name: &str, detail: &str| (id.to_owned(), name.to_owned(), detail.to_owned());
    let accounts = json!({ "Accounts": [
        { "AccountID": "a1", "Code": "200", "Name": "Sales", "Type": "REVENUE", "Class": "REVENUE", "Status": "ACTIVE" },
        { "AccountID": "a2", "Name": "M-Pesa clearing", "Type": "BANK", "Class": "ASSET", "Status": "ACTIVE", "SystemAccount": "" },
        { "AccountID": "a3", "Code": "404", "Name": "Bank fees", "Type": "OVERHEADS", "Class": "EXPENSE" },
        { "AccountID": "a6", "Code": "835", "Name": "Vouchers", "Type": "CURRLIAB" },
        { "AccountID": "a7", "Code": "836", "Name": "Another", "Type": "NEWLY", "Class": "LIABILITY" },
        { "AccountID": "a4", "Code": "610", "Name": "Accounts Receivable", "Type": "CURRENT", "Class": "ASSET", "SystemAccount": "DEBTORS" },
        { "AccountID": "a5", "Code": "999", "Name": "Old", "Type": "REVENUE", "Class": "REVENUE", "Status": "ARCHIVED" },
    ] });
    let expected = [
        line("200", "200 Sales", "income"),
        line("a2", "M-Pesa clearing", "bank"),
        line("404", "404 Bank fees", "expense"),
        line("835", "835 Vouchers", "liability"),
        line("836", "836 Another", "liability"),
    ];
    assert_eq!(chosen(Topic::Account, accounts), expected);
    let items = json!({ "Items": [{ "Code": "DAY", "Name": "1-day pass", "IsSold": true }, { "Code": "X", "IsSold": false },
                                  { "Code": "Y", "IsTrackedAsInventory": true }] });
    assert_eq!(chosen(Topic::Item, items), [line("DAY", "1-day pass", ""), line("Y", "Y", "inventory")]);
    let taxes = json!({ "TaxRates": [
        { "Name": "16% VAT", "TaxType": "OUTPUT", "EffectiveRate": 16.0000, "Status": "ACTIVE" },
        { "Name": "Half", "TaxType": "TAX001", "DisplayTaxRate": 12.5, "Status": "ACTIVE" },
        { "Name": "Gone", "TaxType": "TAX002", "EffectiveRate": 8, "Status": "DELETED" },
    ] });
    assert_eq!(chosen(Topic::Tax, taxes), [line("OUTPUT", "16% VAT", "16"), line("TAX001", "Half", "12.5")]);
    let tracking = json!({ "TrackingCategories": [
        { "TrackingCategoryID": "c1", "Name": "Site", "Status": "ACTIVE", "Options": [
            { "TrackingOptionID": "o1", "Name": "NBO1", "Status": "ACTIVE" },
            { "TrackingOptionID": "o2", "Name": "Closed", "Status": "ARCHIVED" } ] },
        { "TrackingCategoryID": "c2", "Name": "Old", "Status": "ARCHIVED", "Options": [{ "TrackingOptionID": "o3", "Name": "x" }] },
    ] });
    assert_eq!(chosen(Topic::Class, tracking), [line("c1/o1", "Site: NBO1", "")]);
    let contacts = json!({ "Contacts": [{ "ContactID": "k1", "Name": "Wi-Fi customers", "ContactStatus": "ACTIVE" },
                                        { "ContactID": "k2", "Name": "Gone", "ContactStatus": "ARCHIVED" }] });
    assert_eq!(chosen(Topic::Contact, contacts), [line("k1", "Wi-Fi customers", "")]);
    assert_eq!(choices(Topic::Tax, &json!({})), None);
}
