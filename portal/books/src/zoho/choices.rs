//! What can be chosen in Zoho Books: its lists, and each row as a choice. Only what is in use.

use serde_json::Value;

use super::answer::{any, id};
use crate::connector::{Choice, Topic};
use crate::http::quotable;

/// How a document can be paid, which stands in no list.
const METHODS: [(&str, &str); 7] = [
    ("cash", "Cash"),
    ("banktransfer", "Bank transfer"),
    ("bankremittance", "Bank remittance"),
    ("creditcard", "Credit card"),
    ("check", "Cheque"),
    ("autotransaction", "Automatic transaction"),
    ("others", "Other"),
];

/// A list of Zoho's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    Accounts,
    Items,
    Taxes,
    Contacts,
    Locations,
}

impl List {
    pub(super) const ALL: [List; 5] = [List::Accounts, List::Items, List::Taxes, List::Contacts, List::Locations];

    pub(super) fn path(self) -> &'static [&'static str] {
        match self {
            List::Accounts => &["chartofaccounts"],
            List::Items => &["items"],
            List::Taxes => &["settings", "taxes"],
            List::Contacts => &["contacts"],
            List::Locations => &["locations"],
        }
    }

    pub(super) fn query(self) -> &'static [(&'static str, &'static str)] {
        match self {
            List::Accounts => &[("filter_by", "AccountType.Active")],
            List::Items | List::Contacts => &[("filter_by", "Status.Active")],
            List::Taxes | List::Locations => &[],
        }
    }

    /// Whether an organisation can be without it.
    pub(super) fn may_be_off(self) -> bool {
        matches!(self, List::Items | List::Locations)
    }

    /// A row as a choice.
    pub(super) fn choice(self, row: &Value) -> Option<Choice> {
        let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_off = row.get("is_active") == Some(&Value::Bool(false)) || text("status") == "inactive";
        if is_off {
            return None;
        }
        let (topic, id_field, name, detail) = match self {
            List::Accounts => {
                (Topic::Account, "account_id", text("account_name"), account(text("account_type")).to_owned())
            }
            List::Items => (Topic::Item, "item_id", any(row, &["name", "item_name"])?.as_str()?, String::new()),
            List::Taxes => (Topic::Tax, "tax_id", text("tax_name"), percent(row)),
            List::Contacts => {
                (Topic::Contact, "contact_id", text("contact_name"), contact(text("contact_type"))?.to_owned())
            }
            List::Locations => (Topic::Class, "location_id", text("location_name"), "location".to_owned()),
        };
        let id = id(row.get(id_field)?)?;
        let name = Some(quotable(name)).filter(|name| !name.is_empty())?;
        let id = if self == List::Locations { format!("location:{id}") } else { id };
        Some(Choice { topic, id, name, detail })
    }
}

/// The ways of payment.
pub(super) fn methods() -> Vec<Choice> {
    let choice = |(id, name): &(&str, &str)| Choice {
        topic: Topic::Method,
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        detail: String::new(),
    };
    METHODS.iter().map(choice).collect()
}

/// The kind of an account, in the words that all programs have in common.
fn account(kind: &str) -> &str {
    match kind {
        "income" | "other_income" => "income",
        "expense" | "other_expense" | "cost_of_goods_sold" => "expense",
        "cash" | "bank" | "credit_card" | "payment_clearing" => "bank",
        kind if kind.contains("liability") => "liability",
        kind if kind.contains("asset") => "asset",
        other => other,
    }
}

fn contact(kind: &str) -> Option<&'static str> {
    match kind {
        "customer" => Some("customer"),
        "vendor" => Some("supplier"),
        _ => None,
    }
}

fn percent(row: &Value) -> String {
    match row.get("tax_percentage") {
        Some(Value::Number(number)) => {
            let text = number.to_string();
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
        Some(Value::String(text)) => quotable(text),
        _ => String::new(),
    }
}

/// A reporting tag: its id and name.
pub(super) fn tag(row: &Value) -> Option<(String, String)> {
    let is_off = row.get("is_active") == Some(&Value::Bool(false)) || row.get("status")?.as_str() == Some("inactive");
    let name = quotable(row.get("tag_name")?.as_str()?);
    (!is_off).then_some((id(row.get("tag_id")?)?, name))
}

/// What can be chosen of a tag.
pub(super) fn tag_options(tag: &str, name: &str, answer: &Value) -> Vec<Choice> {
    let rows = answer.pointer("/reporting_tag/tag_options").and_then(Value::as_array);
    let choice = |row: &Value| {
        let option = row.get("tag_option_name")?.as_str()?;
        let is_off = row.get("is_active") == Some(&Value::Bool(false));
        (!is_off).then_some(Choice {
            topic: Topic::Class,
            id: format!("tag:{tag}:{}", id(row.get("tag_option_id")?)?),
            name: format!("{name}: {}", quotable(option)),
            detail: "tag".to_owned(),
        })
    };
    rows.into_iter().flatten().filter_map(choice).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(list: List, row: Value) -> Option<(Topic, String, String, String)> {
        list.choice(&row).map(|choice| (choice.topic, choice.id, choice.name, choice.detail))
    }

    #[test]
    fn lists_become_choices_in_the_words_of_all_programs() {
        let some = |topic, id: &str, name: &str, detail: &str| Some((topic, id.into(), name.into(), detail.into()));
        for (list, row, expected) in [
            (
                List::Accounts,
                json!({ "account_id": "46", "account_name": "Sales", "account_type": "income", "is_active": true }),
                some(Topic::Account, "46", "Sales", "income"),
            ),
            (
                List::Accounts,
                json!({ "account_id": "46", "account_name": "M-Pesa", "account_type": "bank", "is_active": true }),
                some(Topic::Account, "46", "M-Pesa", "bank"),
            ),
            (
                List::Accounts,
                json!({ "account_id": "46", "account_name": "Paper", "account_type": "other_current_liability" }),
                some(Topic::Account, "46", "Paper", "liability"),
            ),
            (List::Accounts, json!({ "account_id": "46", "account_name": "Old", "is_active": false }), None),
            (
                List::Items,
                json!({ "item_id": "7", "name": "1 day", "status": "active" }),
                some(Topic::Item, "7", "1 day", ""),
            ),
            (List::Items, json!({ "item_id": "7", "name": "1 day", "status": "inactive" }), None),
            (
                List::Taxes,
                json!({ "tax_id": "8", "tax_name": "VAT", "tax_percentage": 16 }),
                some(Topic::Tax, "8", "VAT", "16"),
            ),
            (
                List::Contacts,
                json!({ "contact_id": "9", "contact_name": "Walk-in", "contact_type": "customer" }),
                some(Topic::Contact, "9", "Walk-in", "customer"),
            ),
            (
                List::Contacts,
                json!({ "contact_id": "9", "contact_name": "Safaricom", "contact_type": "vendor" }),
                some(Topic::Contact, "9", "Safaricom", "supplier"),
            ),
            (
                List::Locations,
                json!({ "location_id": "5", "location_name": "Kilimani" }),
                some(Topic::Class, "location:5", "Kilimani", "location"),
            ),
            (List::Items, json!({ "item_id": "../7", "name": "1 day" }), None),
        ] {
            assert_eq!(of(list, row.clone()), expected, "{row}");
        }
    }

    #[test]
    fn a_tags_options_are_chosen_with_the_tag() {
        assert_eq!(
            tag(&json!({ "tag_id": "1", "tag_name": "Site", "status": "active" })),
            Some(("1".into(), "Site".into()))
        );
        let answer = json!({ "reporting_tag": { "tag_options": [
            { "tag_option_id": "2", "tag_option_name": "Kilimani", "is_active": true },
            { "tag_option_id": "3", "tag_option_name": "Old", "is_active": false },
        ] } });
        let found = tag_options("1", "Site", &answer);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("tag:1:2", "Site: Kilimani"));
    }
}
