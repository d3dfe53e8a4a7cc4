//! What an answer of QuickBooks means: a function of its status, a header and its body.
//!
//! A fault is a fault whatever the status is, 200 included; at 401 its envelope is written in small letters. Its codes are branched on only
//! where all that is known of them agrees (6140 number taken, 5010 changed meanwhile, 610 not there); everything else goes by the status, and
//! QuickBooks' own words are shown. Only QuickBooks' words refuse: a page of something between us and it says nothing of what became of a request.

use std::time::Duration;

use outgoing::Silence;
use serde_json::Value;
use time::Date;
use time::macros::format_description;

use super::body::Entity;
use crate::connector::{Theirs, Trouble};
use crate::http::{Asked, quotable};
use crate::posting::Part;

/// How long to wait after "too many": QuickBooks counts by the minute.
pub(super) const PAUSE: Duration = Duration::from_secs(60);
/// Longest wait that an answer may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Longest id, in octets.
const ID_MAX: usize = 64;

/// An answer, its JSON if it was JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
    /// How long to wait, where it is said.
    pub(super) wait: Option<Duration>,
}

/// Why there is nothing of what was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It was changed since it was read (5010).
    Stale,
    /// It is not there (610).
    Gone,
    /// What the caller has to know.
    Trouble(Trouble),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::Stale => Trouble::Away("somebody is changing it in QuickBooks just now".into()),
            Failure::Gone => Trouble::Refused("it is not in QuickBooks any more".into()),
            Failure::Trouble(trouble) => trouble,
        }
    }
}

impl Answer {
    /// What it holds, or why it does not.
    pub(super) fn judge(self, asked: Asked) -> Result<Value, Failure> {
        let trouble = |trouble| Err(Failure::Trouble(trouble));
        let unheard = |words: String| trouble(asked.unsure(words));
        let fault = self.json.as_ref().and_then(Fault::of);
        match (self.status, fault) {
            (401, _) => trouble(Trouble::Expired),
            (429, _) => {
                trouble(Trouble::TooMany { wait: Some(self.wait.unwrap_or(PAUSE).min(PAUSE_MAX)), is_daily: false })
            }
            // It comes after the work too.
            (500.., fault) => unheard(said_of(self.status, fault.as_ref())),
            (_, Some(fault)) if fault.is_of_system() => unheard(said_of(self.status, Some(&fault))),
            (403, Some(fault)) => trouble(Trouble::Reconnect(fault.words)),
            (_, Some(fault)) => Err(fault.failure()),
            (200..=299, None) => match self.json {
                Some(json) => Ok(json),
                None => unheard(said_of(self.status, None)),
            },
            (_, None) => unheard(said_of(self.status, None)),
        }
    }
}

fn said_of(status: u16, fault: Option<&Fault>) -> String {
    match fault {
        Some(fault) => format!("QuickBooks answered with {status}: {}", fault.words),
        None => format!("QuickBooks answered with {status} and nothing that can be read"),
    }
}

/// What no answer means.
pub(super) fn silence(silence: Silence, asked: Asked) -> Failure {
    let words = match silence {
        Silence::NotSent => "QuickBooks cannot be reached",
        Silence::TimedOut => "QuickBooks did not answer in time",
        Silence::Broken => "the connection to QuickBooks broke off",
    };
    Failure::Trouble(asked.unheard(silence, words))
}

/// The first error of an envelope of faults.
struct Fault {
    kind: String,
    code: String,
    words: String,
}

impl Fault {
    fn of(json: &Value) -> Option<Fault> {
        let fault = either(json, "Fault", "fault")?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let error = either(fault, "Error", "error").and_then(|errors| errors.get(0));
        let field = |large, small| text(error.and_then(|error| either(error, large, small)));
        // A code is text there; once it was seen as a number.
        let code = error.and_then(|error| either(error, "code", "Code")).map_or_else(String::new, |code| match code {
            Value::String(code) => code.clone(),
            other => other.to_string(),
        });
        let (message, detail) = (field("Message", "message"), field("Detail", "detail"));
        let said = match (message.as_str(), detail.as_str()) {
            ("", detail) => detail.to_owned(),
            (message, detail) if detail.is_empty() || detail == message => message.to_owned(),
            (message, detail) => format!("{message}: {detail}"),
        };
        let words = match quotable(&said) {
            said if said.is_empty() => format!("QuickBooks refuses it (code {})", quotable(&code)),
            said => format!("QuickBooks says: {said} (code {})", quotable(&code)),
        };
        Some(Fault { kind: text(either(fault, "type", "Type")), code, words })
    }

    /// Something broke on their side, which is no word on what was asked.
    fn is_of_system(&self) -> bool {
        matches!(self.kind.to_ascii_lowercase().as_str(), "systemfault" | "servicefault" | "system" | "service")
    }

    fn failure(self) -> Failure {
        match self.code.trim_start_matches('0') {
            "6140" => Failure::Trouble(Trouble::Duplicate),
            "5010" => Failure::Stale,
            "610" => Failure::Gone,
            "6240" => Failure::Trouble(Trouble::Refused(format!(
                "{}. A customer, supplier or employee has this name already: names are unique among all three",
                self.words
            ))),
            _ => Failure::Trouble(Trouble::Refused(self.words)),
        }
    }
}

fn either<'a>(value: &'a Value, large: &str, small: &str) -> Option<&'a Value> {
    value.get(large).or_else(|| value.get(small))
}

/// A document as QuickBooks has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) entity: Entity,
    pub(super) theirs: Theirs,
    /// What of it is not paid yet, where that can be.
    pub(super) balance: i64,
    /// The payments that are linked to it.
    pub(super) payments: Vec<String>,
    /// The reference of a payment.
    pub(super) reference: String,
}

impl Found {
    /// Reads one. The currency is `currency` where a company with one currency does not name it.
    pub(super) fn read(entity: Entity, value: &Value, currency: &str) -> Option<Found> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let total = minor(value.get("TotalAmt")?)?;
        let linked = value.get("LinkedTxn").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_payment = |link: &&Value| link.get("TxnType").and_then(Value::as_str) == Some("Payment");
        let theirs = Theirs {
            id: to_id(entity, &id(value)?),
            version: text("SyncToken").to_owned(),
            number: text("DocNumber").to_owned(),
            part: part(entity),
            day: day(text("TxnDate"))?,
            total,
            currency: value.pointer("/CurrencyRef/value").and_then(Value::as_str).unwrap_or(currency).to_owned(),
            // A void document stays, with all its amounts at zero; none of ours comes to nothing.
            is_void: total == 0,
        };
        Some(Found {
            entity,
            theirs,
            balance: value.get("Balance").and_then(minor).unwrap_or_default(),
            payments: linked.iter().filter(is_payment).filter_map(|link| plain(link.get("TxnId")?.as_str()?)).collect(),
            reference: text("PaymentRefNum").to_owned(),
        })
    }
}

fn part(entity: Entity) -> Part {
    match entity {
        Entity::SalesReceipt | Entity::Invoice | Entity::Payment => Part::Sale,
        Entity::RefundReceipt => Part::Refund,
        Entity::Purchase => Part::Fees,
    }
}

/// A sale may be a receipt or an invoice, and ids are each entity's own: an invoice says so.
fn to_id(entity: Entity, id: &str) -> String {
    if entity == Entity::Invoice { format!("{INVOICE}{id}") } else { id.to_owned() }
}

const INVOICE: &str = "invoice/";

/// What a document is, and QuickBooks' own id of it.
pub(super) fn entity_of(theirs: &Theirs) -> (Entity, &str) {
    match (theirs.part, theirs.id.strip_prefix(INVOICE)) {
        (Part::Sale, Some(id)) => (Entity::Invoice, id),
        (Part::Sale, None) => (Entity::SalesReceipt, &theirs.id),
        (Part::Refund, _) => (Entity::RefundReceipt, &theirs.id),
        (Part::Fees, _) => (Entity::Purchase, &theirs.id),
    }
}

/// The id of an object, bounded and plain: it goes into addresses and tables.
pub(super) fn id(value: &Value) -> Option<String> {
    plain(value.get("Id")?.as_str()?)
}

fn plain(id: &str) -> Option<String> {
    let is_plain = id.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    ((1..=ID_MAX).contains(&id.len()) && is_plain).then(|| id.to_owned())
}

/// A day, whatever zone stands behind it.
fn day(text: &str) -> Option<Date> {
    Date::parse(text.get(..10)?, format_description!("[year]-[month]-[day]")).ok()
}

/// A decimal amount in minor units, read by its digits; nothing where it has more than two that count behind the point.
pub(super) fn minor(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (is_below, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let rest = rest.trim_end_matches('0');
    let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || rest.len() > 2 || !is_number(whole) || !is_number(rest) {
        return None;
    }
    let minor = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(format!("{rest:0<2}").parse().ok()?)?;
    Some(if is_below { -minor } else { minor })
}

#[cfg(test)]
mod tests;
