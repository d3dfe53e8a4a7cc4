//! What can be chosen in a company: read from its lists, only what is in use there.
//!
//! A site is a *location* there (`Department`), not a class: a document is of one site, a location stands once on a document, and classes
//! would stand on each line and in the preferences. Items are services and goods without stock: others would want stock to be counted.

use std::collections::HashMap;

use serde_json::Value;

use super::answer::id;
use super::body::TaxCode;
use crate::connector::{Choice, Topic};
use crate::http::quotable;

/// The lists that are read. The rates come before the codes that name them.
pub(super) const LISTS: [(&str, Topic); 8] = [
    ("Account", Topic::Account),
    ("Item", Topic::Item),
    (TAX_RATE, Topic::Tax),
    ("TaxCode", Topic::Tax),
    (LOCATION, Topic::Class),
    ("Customer", Topic::Contact),
    ("Vendor", Topic::Contact),
    ("PaymentMethod", Topic::Method),
];
/// Cannot be chosen itself: a tax is a code.
pub(super) const TAX_RATE: &str = "TaxRate";
/// A list that smaller plans do not have.
pub(super) const LOCATION: &str = "Department";

/// Percent by the id of the rate.
pub(super) type Rates = HashMap<String, String>;

/// The rates by their ids.
pub(super) fn rates(rows: &[Value]) -> Rates {
    let percent = |row: &Value| match row.get("RateValue")? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(quotable(text)),
        _ => None,
    };
    let plain = |percent: String| percent.strip_suffix(".0").map(str::to_owned).unwrap_or(percent);
    rows.iter().filter_map(|row| Some((id(row)?, plain(percent(row)?)))).collect()
}

/// What of a list can be chosen.
pub(super) fn of(list: &str, topic: Topic, rows: &[Value], rates: &Rates) -> Vec<Choice> {
    rows.iter().filter_map(|row| choice(list, topic, row, rates)).collect()
}

fn choice(list: &str, topic: Topic, row: &Value, rates: &Rates) -> Option<Choice> {
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
    if row.get("Active") == Some(&Value::Bool(false)) || row.get("Hidden") == Some(&Value::Bool(true)) {
        return None;
    }
    let names = ["FullyQualifiedName", "DisplayName", "Name"].map(text);
    let name = quotable(names.into_iter().find(|name| !name.is_empty())?);
    let (id, detail) = match list {
        "Account" => (id(row)?, words(&[text("AccountType"), text("Classification")]).to_lowercase()),
        "Item" => {
            let kind = Some(text("Type")).filter(|kind| matches!(*kind, "Service" | "NonInventory"))?;
            let income = row.pointer("/IncomeAccountRef/name").and_then(Value::as_str).unwrap_or_default();
            (id(row)?, words(&[if kind == "Service" { "service" } else { "non-inventory" }, income]))
        }
        "TaxCode" => tax(row, rates)?,
        "Customer" => (id(row)?, "customer".to_owned()),
        "Vendor" => (id(row)?, "supplier".to_owned()),
        LOCATION => (id(row)?, "location".to_owned()),
        "PaymentMethod" => (id(row)?, String::new()),
        _ => return None,
    };
    Some(Choice { topic, id, name, detail })
}

fn tax(row: &Value, rates: &Rates) -> Option<(String, String)> {
    let code = id(row)?;
    let all = |list: &str| -> Vec<&str> {
        let details = row.pointer(&format!("/{list}/TaxRateDetail")).and_then(Value::as_array);
        details.into_iter().flatten().filter_map(|detail| detail.pointer("/TaxRateRef/value")?.as_str()).collect()
    };
    let (sales, purchases) = (all("SalesTaxRateList"), all("PurchaseTaxRateList"));
    let one = |rates: &[&'_ str]| -> Option<String> {
        match rates {
            [rate] if !rate.contains(':') => Some((*rate).to_owned()),
            _ => None,
        }
    };
    let (sale, purchase) = (one(&sales), one(&purchases));
    let whole = TaxCode { code: &code, sales: sale.as_deref(), purchase: purchase.as_deref() };
    let shown = if sales.is_empty() { &purchases } else { &sales };
    let percents: Vec<&str> = shown.iter().filter_map(|rate| rates.get(*rate)).map(String::as_str).collect();
    Some((whole.to_id(), percents.join(" + ")))
}

fn words(parts: &[&str]) -> String {
    let said: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| quotable(part)).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(list: &str, topic: Topic, row: Value, rates: &Rates) -> Option<(String, String, String)> {
        of(list, topic, &[row], rates).pop().map(|choice| (choice.id, choice.name, choice.detail))
    }

    fn some(id: &str, name: &str, detail: &str) -> Option<(String, String, String)> {
        Some((id.to_owned(), name.to_owned(), detail.to_owned()))
    }

    #[test]
    fn lists_are_read_and_what_is_not_in_use_is_left_out() {
        let none = Rates::new();
        let account = json!({
            "Id": "35", "Name": "Clearing", "FullyQualifiedName": "M-Pesa:Clearing", "Active": true,
            "AccountType": "Bank", "Classification": "Asset", "CurrentBalance": 1201.5,
        });
        assert_eq!(
            seen("Account", Topic::Account, account.clone(), &none),
            some("35", "M-Pesa:Clearing", "bank, asset")
        );
        let mut closed = account;
        closed["Active"] = json!(false);
        assert_eq!(seen("Account", Topic::Account, closed, &none), None);
        let item = |kind: &str| json!({ "Id": "10", "Name": "1 day", "Type": kind, "IncomeAccountRef": { "value": "79", "name": "Sales" } });
        assert_eq!(seen("Item", Topic::Item, item("Service"), &none), some("10", "1 day", "service, Sales"));
        assert_eq!(seen("Item", Topic::Item, item("NonInventory"), &none), some("10", "1 day", "non-inventory, Sales"));
        assert_eq!(seen("Item", Topic::Item, item("Inventory"), &none), None);
        assert_eq!(seen("Item", Topic::Item, item("Category"), &none), None);
        let customer = json!({ "Id": "58", "DisplayName": "Wi-Fi customers" });
        assert_eq!(seen("Customer", Topic::Contact, customer, &none), some("58", "Wi-Fi customers", "customer"));
        let method = json!({ "Id": "3", "Name": "M-Pesa" });
        assert_eq!(seen("PaymentMethod", Topic::Method, method, &none), some("3", "M-Pesa", ""));
        let location = json!({ "Id": "1", "Name": "NBO1", "FullyQualifiedName": "Kenya:NBO1" });
        assert_eq!(seen(LOCATION, Topic::Class, location, &none), some("1", "Kenya:NBO1", "location"));
        let strange = json!({ "Id": "1'; drop", "Name": "x" });
        assert_eq!(seen("PaymentMethod", Topic::Method, strange, &none), None);
    }

    #[test]
    fn a_tax_is_its_code_with_its_one_rate_on_either_side() {
        let rows = [
            json!({ "Id": "3", "RateValue": 16 }),
            json!({ "Id": "4", "RateValue": "16" }),
            json!({ "Id": "8", "RateValue": 2.5 }),
        ];
        let rates = rates(&rows);
        let list = |ids: &[&str]| {
            let details: Vec<Value> = ids.iter().map(|id| json!({ "TaxRateRef": { "value": id } })).collect();
            json!({ "TaxRateDetail": details })
        };
        let code = |sales: &[&str], purchases: &[&str]| {
            json!({ "Id": "5", "Name": "16.0% S", "Active": true,
                    "SalesTaxRateList": list(sales), "PurchaseTaxRateList": list(purchases) })
        };
        for (sales, purchases, id, detail) in [
            (&["3"][..], &["4"][..], "5:3:4", "16"),
            (&["3"], &[], "5:3", "16"),
            (&[], &["4"], "5::4", "16"),
            (&["3", "8"], &["4"], "5::4", "16 + 2.5"),
            (&[], &[], "5", ""),
        ] {
            assert_eq!(
                seen("TaxCode", Topic::Tax, code(sales, purchases), &rates),
                some(id, "16.0% S", detail),
                "{id}"
            );
        }
        let hidden = json!({ "Id": "9", "Name": "old", "Hidden": true });
        assert_eq!(seen("TaxCode", Topic::Tax, hidden, &rates), None);
    }
}
