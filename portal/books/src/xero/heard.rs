//! What Xero says: its documents, what can be chosen there, and why it refuses. Nothing is asked here.
//!
//! Dates come as `/Date(1795305600000+0000)/`: milliseconds of the midnight in UTC with which the day begins, whatever is behind the plus.
//! Where the same day stands in a text beside it (`DateString`), the text is read.

use serde_json::Value;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::amount;
use super::kind::Kind;
use crate::connector::{Choice, Theirs, Topic};
use crate::posting::Part;

/// Most letters of what Xero says that are kept.
const WORDS_MAX: usize = 500;

/// A document as it stands in Xero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Document {
    /// What every program's documents have.
    pub(super) theirs: Theirs,
    /// Where it stands.
    pub(super) state: State,
    /// What is still to be paid of it.
    pub(super) due: i64,
    /// Xero's names of what pays it.
    pub(super) payments: Vec<String>,
}

/// Where a document stands. What tells us more stands further up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum State {
    /// It counts no more.
    Void,
    /// It is in no report: somebody has to approve it, or throw it away.
    Draft,
    /// It counts, and what pays it is missing, or a part of that.
    Unpaid,
    /// It counts and is paid: all that we tell is there.
    Whole,
}

/// A document of Xero's; `None`: it is of another kind, or not understood.
pub(super) fn document(value: &Value, part: Part) -> Option<Document> {
    let kind = Kind::of(part);
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    if text("Type")? != kind.word {
        return None;
    }
    let number = text(kind.number)?.to_owned();
    let status = text("Status")?;
    let total = minor(value, "Total")?;
    // What it is not said of is paid as a whole or not at all.
    let unsaid = if status == "PAID" { 0 } else { total };
    let due = kind.due.map_or(0, |field| minor(value, field).unwrap_or(unsaid));
    let state = match status {
        "VOIDED" | "DELETED" => State::Void,
        "DRAFT" | "SUBMITTED" => State::Draft,
        "AUTHORISED" if due != 0 => State::Unpaid,
        "AUTHORISED" | "PAID" => State::Whole,
        _ => return None,
    };
    let payments = value.get("Payments").and_then(Value::as_array);
    let theirs = Theirs {
        id: text(kind.id)?.to_owned(),
        version: String::new(),
        number,
        part,
        day: day(value)?,
        total,
        currency: text("CurrencyCode")?.to_owned(),
        is_void: state == State::Void,
    };
    Some(Document { theirs, state, due, payments: payments.into_iter().flatten().filter_map(payment).collect() })
}

/// The documents in an answer that have a number that is `wanted`. `None`: one of those is not understood, so that nobody may say that it
/// is not there.
pub(super) fn documents(answer: &Value, part: Part, wanted: impl Fn(&str) -> bool) -> Option<Vec<Document>> {
    let kind = Kind::of(part);
    let is_ours = |value: &&Value| {
        let is_of_kind = value.get("Type").and_then(Value::as_str).is_none_or(|word| word == kind.word);
        is_of_kind && value.get(kind.number).and_then(Value::as_str).is_some_and(&wanted)
    };
    list(answer, kind.list)?.iter().filter(is_ours).map(|value| document(value, part)).collect()
}

/// The list of this name in an answer.
pub(super) fn list<'a>(answer: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    answer.get(name)?.as_array()
}

/// Whether a page is the last. Xero says how many there are; where it does not, one that is not full is the last.
pub(super) fn is_last(answer: &Value, page: u64, count: usize, full: usize) -> bool {
    match answer.pointer("/pagination/pageCount").and_then(Value::as_u64) {
        Some(pages) => page >= pages || count == 0,
        None => count < full,
    }
}

/// Xero's name of a payment that counts.
fn payment(value: &Value) -> Option<String> {
    let counts = value.get("Status").and_then(Value::as_str) != Some("DELETED");
    value.get("PaymentID").and_then(Value::as_str).filter(|_| counts).map(str::to_owned)
}

fn minor(value: &Value, field: &str) -> Option<i64> {
    value.get(field)?.as_number().and_then(amount::heard)
}

/// The day of a document.
fn day(value: &Value) -> Option<Date> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    text("DateString").and_then(iso).or_else(|| {
        let date = text("Date")?;
        milliseconds(date).or_else(|| iso(date))
    })
}

/// `2026-11-22`, and whatever follows.
fn iso(text: &str) -> Option<Date> {
    Date::parse(text.get(..10)?, format_description!("[year]-[month]-[day]")).ok()
}

/// `/Date(1795305600000+0000)/`
fn milliseconds(text: &str) -> Option<Date> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // A minus at the beginning belongs to the number: a day before 1970.
    let end =
        inside.char_indices().skip(1).find(|(_, letter)| matches!(letter, '+' | '-')).map_or(inside.len(), |it| it.0);
    let milliseconds: i64 = inside[..end].parse().ok()?;
    OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1000)).ok().map(OffsetDateTime::date)
}

/// Why something in an answer to a change is not done: the sentences that Xero has for people. Empty: all of it is done.
pub(super) fn faults(answer: &Value) -> Vec<String> {
    let mut words = Vec::new();
    collect(answer, &mut words);
    if words.is_empty() && is_fault(answer) {
        words.push("Xero does not say why".to_owned());
    }
    words
}

/// Sentences stand in `ValidationErrors`, at the document or at what it holds: a line, its contact, the account of a payment.
fn collect(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_array().filter(|_| name == "ValidationErrors") {
                    Some(errors) => {
                        let messages = errors.iter().filter_map(|error| error.get("Message").and_then(Value::as_str));
                        for message in messages.map(quoted) {
                            if !words.contains(&message) {
                                words.push(message);
                            }
                        }
                    }
                    None => collect(value, words),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, words)),
        _ => {}
    }
}

/// Whether something in a list of an answer is marked as not done. Xero answers with HTTP 200 then.
fn is_fault(answer: &Value) -> bool {
    let is_marked = |value: &Value| {
        let is_set = |field: &str| value.get(field).and_then(Value::as_bool) == Some(true);
        let word = value.get("StatusAttributeString").and_then(Value::as_str);
        word == Some("ERROR") || is_set("HasErrors") || is_set("HasValidationErrors")
    };
    let lists = answer.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array());
    lists.flatten().any(is_marked)
}

/// What else an answer says of an error: `Detail` or `Message`, or its `Title`.
pub(super) fn remark(answer: Option<&Value>) -> Option<String> {
    let words = ["Detail", "Message", "Title"].into_iter().filter_map(|field| answer?.get(field)?.as_str());
    words.map(quoted).find(|words| !words.is_empty())
}

/// What was said, without what cannot be shown, and not without end.
pub(super) fn quoted(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(WORDS_MAX).collect()
}

/// What can be chosen, of an answer about this.
pub(super) fn choices(topic: Topic, answer: &Value) -> Option<Vec<Choice>> {
    let found = match topic {
        Topic::Account => list(answer, "Accounts")?.iter().filter_map(account).collect(),
        Topic::Item => list(answer, "Items")?.iter().filter_map(item).collect(),
        Topic::Tax => list(answer, "TaxRates")?.iter().filter_map(tax).collect(),
        Topic::Class => list(answer, "TrackingCategories")?.iter().flat_map(options).collect(),
        Topic::Contact => list(answer, "Contacts")?.iter().filter_map(contact).collect(),
        // How something was paid is said by the account that it was paid to.
        Topic::Method => Vec::new(),
    };
    Some(found)
}

fn word<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|word| !word.is_empty())
}

/// Whether it is in use. What says nothing of it is.
fn is_active(value: &Value, field: &str) -> bool {
    word(value, field).is_none_or(|status| status == "ACTIVE")
}

/// An account. Those that Xero keeps itself, such as what customers owe, take nothing from outside.
fn account(value: &Value) -> Option<Choice> {
    if !is_active(value, "Status") || word(value, "SystemAccount").is_some() {
        return None;
    }
    let (code, name) = (word(value, "Code"), word(value, "Name")?);
    Some(Choice {
        topic: Topic::Account,
        id: code.or_else(|| word(value, "AccountID"))?.to_owned(),
        name: code.map_or_else(|| name.to_owned(), |code| format!("{code} {name}")),
        detail: kind_of_account(value).to_owned(),
    })
}

/// What an account is for: its type says more than its class, which is left out now and then.
fn kind_of_account(value: &Value) -> &'static str {
    match (word(value, "Type").unwrap_or_default(), word(value, "Class").unwrap_or_default()) {
        ("BANK", _) => "bank",
        ("REVENUE" | "SALES" | "OTHERINCOME", _) | (_, "REVENUE") => "income",
        ("EXPENSE" | "OVERHEADS" | "DIRECTCOSTS" | "DEPRECIATN", _) | (_, "EXPENSE") => "expense",
        ("CURRLIAB" | "LIABILITY" | "TERMLIAB" | "PAYG", _) | (_, "LIABILITY") => "liability",
        ("EQUITY", _) | (_, "EQUITY") => "equity",
        ("CURRENT" | "FIXED" | "INVENTORY" | "NONCURRENT" | "PREPAYMENT", _) | (_, "ASSET") => "asset",
        _ => "",
    }
}

fn item(value: &Value) -> Option<Choice> {
    let code = word(value, "Code")?;
    let is_sold = value.get("IsSold").and_then(Value::as_bool) != Some(false);
    let is_stock = value.get("IsTrackedAsInventory").and_then(Value::as_bool) == Some(true);
    is_sold.then(|| Choice {
        topic: Topic::Item,
        id: code.to_owned(),
        name: word(value, "Name").unwrap_or(code).to_owned(),
        detail: if is_stock { "inventory".to_owned() } else { String::new() },
    })
}

fn tax(value: &Value) -> Option<Choice> {
    let id = word(value, "TaxType").filter(|_| is_active(value, "Status"))?;
    let rate = value.get("EffectiveRate").or_else(|| value.get("DisplayTaxRate")).and_then(Value::as_number);
    let rate = rate.map(ToString::to_string).unwrap_or_default();
    Some(Choice {
        topic: Topic::Tax,
        id: id.to_owned(),
        name: word(value, "Name").unwrap_or(id).to_owned(),
        detail: rate.strip_suffix(".0").unwrap_or(&rate).to_owned(),
    })
}

/// The options of a tracking category. A document names both, and so does a choice: `category/option`.
fn options(category: &Value) -> Vec<Choice> {
    let Some(id) = word(category, "TrackingCategoryID").filter(|_| is_active(category, "Status")) else {
        return Vec::new();
    };
    let of = word(category, "Name").unwrap_or_default();
    let options = category.get("Options").and_then(Value::as_array);
    let option = |value: &Value| {
        let (option, name) = (word(value, "TrackingOptionID")?, word(value, "Name")?);
        is_active(value, "Status").then(|| Choice {
            topic: Topic::Class,
            id: format!("{id}/{option}"),
            name: format!("{of}: {name}"),
            detail: String::new(),
        })
    };
    options.into_iter().flatten().filter_map(option).collect()
}

fn contact(value: &Value) -> Option<Choice> {
    let id = word(value, "ContactID").filter(|_| is_active(value, "ContactStatus"))?;
    Some(Choice {
        topic: Topic::Contact,
        id: id.to_owned(),
        name: word(value, "Name")?.to_owned(),
        detail: String::new(),
    })
}

#[cfg(test)]
mod tests;
