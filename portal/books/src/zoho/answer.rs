//! What an answer of Zoho Books means: a function of its status and its body.
//!
//! Each answer has a `code`; 0 is success, everything else is a failure, whatever the status says, and its `message` is for people. Few
//! codes are branched on: those of limits (44 the minute's, 45 the day's, 1070 too many at once), of a token (14), of an organisation that we
//! are not let into (6041), of what is not there (1002) and of a number that is taken. Only Zoho's words refuse: a page of something
//! between us says nothing of what became of a request.

use std::time::Duration;

use serde_json::Value;
use time::Date;
use time::macros::format_description;

use super::amount;
use crate::connector::{Theirs, Trouble};
use crate::http::{Asked, quotable};
use crate::posting::Part;

/// Longest wait that an answer may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Longest id, in octets.
const ID_MAX: usize = 32;
/// A number is taken: of an invoice, and of a credit note.
const TAKEN: [i64; 2] = [1001, 12_018];

/// Zoho's document of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Receipt,
    Credit,
    Expense,
}

impl Kind {
    pub(super) fn of(part: Part) -> Kind {
        match part {
            Part::Sale => Kind::Receipt,
            Part::Refund => Kind::Credit,
            Part::Fees => Kind::Expense,
        }
    }

    fn part(self) -> Part {
        match self {
            Kind::Receipt => Part::Sale,
            Kind::Credit => Part::Refund,
            Kind::Expense => Part::Fees,
        }
    }

    /// Its segment in addresses.
    pub(super) fn path(self) -> &'static str {
        match self {
            Kind::Receipt => "salesreceipts",
            Kind::Credit => "creditnotes",
            Kind::Expense => "expenses",
        }
    }

    /// By which field it is found.
    pub(super) fn number_field(self) -> &'static str {
        match self {
            Kind::Receipt => "receipt_number",
            Kind::Credit => "creditnote_number",
            Kind::Expense => "reference_number",
        }
    }

    /// Where one of it stands in an answer. Of sales receipts both spellings were seen.
    fn one(self) -> &'static [&'static str] {
        match self {
            Kind::Receipt => &["salesreceipt", "sales_receipt"],
            Kind::Credit => &["creditnote"],
            Kind::Expense => &["expense"],
        }
    }

    /// Where several stand.
    pub(super) fn several(self) -> &'static [&'static str] {
        match self {
            Kind::Receipt => &["salesreceipts", "sales_receipts"],
            Kind::Credit => &["creditnotes"],
            Kind::Expense => &["expenses"],
        }
    }

    fn ids(self) -> &'static [&'static str] {
        match self {
            Kind::Receipt => &["salesreceipt_id", "sales_receipt_id"],
            Kind::Credit => &["creditnote_id"],
            Kind::Expense => &["expense_id"],
        }
    }

    fn numbers(self) -> &'static [&'static str] {
        match self {
            Kind::Receipt => &["receipt_number", "salesreceipt_number", "sales_receipt_number"],
            Kind::Credit => &["creditnote_number"],
            Kind::Expense => &["reference_number"],
        }
    }
}

/// A document of Zoho's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Credit {
    pub(super) theirs: Theirs,
    /// What of a credit note has not gone back yet.
    pub(super) open: i64,
    /// Whether a credit note does not count yet.
    pub(super) is_draft: bool,
}

impl Credit {
    /// Whether all of it is told: a credit note of ours is only with its refund.
    pub(super) fn is_whole(&self) -> bool {
        self.theirs.is_void || (self.open == 0 && !self.is_draft)
    }

    /// From the answer to a request for one.
    pub(super) fn of_answer(kind: Kind, answer: &Value) -> Option<Credit> {
        Credit::read(kind, any(answer, kind.one())?)
    }

    /// From a row of a list, or a whole document.
    pub(super) fn read(kind: Kind, row: &Value) -> Option<Credit> {
        let status = row.get("status").and_then(Value::as_str).unwrap_or_default();
        let day = row.get("date").and_then(Value::as_str)?;
        let total = row.get("total").and_then(amount::heard)?;
        let open = match kind {
            Kind::Credit => row.get("balance").and_then(amount::heard)?,
            Kind::Receipt | Kind::Expense => 0,
        };
        Some(Credit {
            theirs: Theirs {
                id: kind.ids().iter().find_map(|field| row.get(field).and_then(id))?,
                version: String::new(),
                number: number(kind, row)?.to_owned(),
                part: kind.part(),
                day: Date::parse(day, format_description!("[year]-[month]-[day]")).ok()?,
                total,
                currency: row.get("currency_code").and_then(Value::as_str)?.to_owned(),
                is_void: status == "void",
            },
            open,
            is_draft: kind == Kind::Credit && status == "draft",
        })
    }
}

/// The number of a row.
pub(super) fn number(kind: Kind, row: &Value) -> Option<&str> {
    kind.numbers().iter().find_map(|field| row.get(field)?.as_str()).filter(|number| !number.is_empty())
}

/// The first of these fields that is there.
pub(super) fn any<'a>(json: &'a Value, fields: &[&str]) -> Option<&'a Value> {
    fields.iter().find_map(|field| json.get(field))
}

/// An id, which is a long number, as text: bounded and plain, since it goes into addresses.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
    ((1..=ID_MAX).contains(&text.len()) && is_plain).then_some(text)
}

/// The refunds of a credit note.
pub(super) fn refunds(answer: &Value) -> Vec<String> {
    let rows = answer.get("creditnote_refunds").and_then(Value::as_array);
    rows.into_iter().flatten().filter_map(|row| id(row.get("creditnote_refund_id")?)).collect()
}

/// An answer, its JSON if it was JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
    /// How long to wait, where it is said against all custom.
    pub(super) wait: Option<Duration>,
}

/// Why a question has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// It is not there.
    Gone,
    Trouble(Trouble),
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Write {
    /// It is not there.
    Gone,
    Trouble(Trouble),
}

impl From<Read> for Trouble {
    fn from(failed: Read) -> Trouble {
        match failed {
            Read::Gone => Trouble::Refused("It is not in Zoho Books.".to_owned()),
            Read::Trouble(trouble) => trouble,
        }
    }
}

impl From<Write> for Trouble {
    fn from(failed: Write) -> Trouble {
        match failed {
            Write::Gone => Trouble::Refused("It is not in Zoho Books any more.".to_owned()),
            Write::Trouble(trouble) => trouble,
        }
    }
}

impl Answer {
    /// What was asked for.
    pub(super) fn read(self) -> Result<Value, Read> {
        self.judge(Asked::Read).map_err(|failed| match failed {
            Write::Gone => Read::Gone,
            Write::Trouble(trouble) => Read::Trouble(trouble),
        })
    }

    /// What was made or changed.
    pub(super) fn written(self) -> Result<Value, Write> {
        self.judge(Asked::Write)
    }

    fn judge(self, asked: Asked) -> Result<Value, Write> {
        let status = self.status;
        let code = self.json.as_ref().and_then(|json| json.get("code")?.as_i64());
        let trouble = match (code, status) {
            (Some(45), _) => self.too_many(true),
            (Some(44 | 1070), _) | (_, 429) => self.too_many(false),
            (Some(14), _) | (_, 401) => Trouble::Expired,
            (Some(6041), _) => Trouble::Reconnect(self.words()),
            // It may come after the work.
            (_, 500..) => asked.unsure(format!("Zoho Books answered with {status}.")),
            (Some(0), 200..=299) => match self.json {
                Some(json) => return Ok(json),
                None => asked.unsure(format!("Zoho Books answered with {status} and nothing that can be read.")),
            },
            (Some(0), _) | (None, _) => {
                asked.unsure(format!("Zoho Books answered with {status} and nothing that can be read."))
            }
            (Some(1002), _) | (Some(_), 404) => return Err(Write::Gone),
            (Some(code), _) if TAKEN.contains(&code) || self.says_taken() => Trouble::Duplicate,
            (Some(_), _) => Trouble::Refused(self.words()),
        };
        Err(Write::Trouble(trouble))
    }

    fn too_many(&self, is_daily: bool) -> Trouble {
        Trouble::TooMany { wait: self.wait.map(|wait| wait.min(PAUSE_MAX)), is_daily }
    }

    fn message(&self) -> &str {
        self.json.as_ref().and_then(|json| json.get("message")?.as_str()).unwrap_or_default()
    }

    /// Of sales receipts no code is known that says it.
    fn says_taken(&self) -> bool {
        let said = self.message().to_ascii_lowercase();
        said.contains("number") && said.contains("already exist")
    }

    fn words(&self) -> String {
        let code = self.json.as_ref().and_then(|json| json.get("code")?.as_i64()).unwrap_or_default();
        match quotable(self.message()) {
            said if said.is_empty() => format!("Zoho Books refuses it (code {code})."),
            said => format!("Zoho Books says: {said} (code {code})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer { status, json: Some(json), wait: None }
    }

    fn written(status: u16, code: i64, message: &str) -> Result<Value, Write> {
        answer(status, json!({ "code": code, "message": message })).written()
    }

    #[test]
    fn a_code_that_is_not_zero_is_a_failure_whatever_the_status_says() {
        let refused = |words: &str| Err(Write::Trouble(Trouble::Refused(words.into())));
        let too_many = |is_daily| Err(Write::Trouble(Trouble::TooMany { wait: None, is_daily }));
        for (status, code, message, expected) in [
            (
                200,
                2,
                "Invalid value passed for tax_id",
                refused("Zoho Books says: Invalid value passed for tax_id (code 2)"),
            ),
            (400, 1, "", refused("Zoho Books refuses it (code 1).")),
            (200, 44, "too many", too_many(false)),
            (429, 45, "too many", too_many(true)),
            (400, 1070, "too many", too_many(false)),
            (401, 57, "You are not authorized", Err(Write::Trouble(Trouble::Expired))),
            (200, 14, "Invalid value passed for authtoken", Err(Write::Trouble(Trouble::Expired))),
            (400, 1002, "Resource does not exist", Err(Write::Gone)),
            (400, 12_018, "taken", Err(Write::Trouble(Trouble::Duplicate))),
            (400, 99, "This sales receipt number already exists.", Err(Write::Trouble(Trouble::Duplicate))),
            (
                400,
                3062,
                "The customer already exists.",
                refused("Zoho Books says: The customer already exists. (code 3062)"),
            ),
        ] {
            assert_eq!(written(status, code, message), expected, "{status} {code} {message}");
        }
        assert!(matches!(written(403, 6041, "x"), Err(Write::Trouble(Trouble::Reconnect(_)))));
        assert!(written(201, 0, "success").is_ok());
    }

    #[test]
    fn what_cannot_be_read_may_have_been_done() {
        let page = |status| Answer { status, json: None, wait: None };
        for status in [200, 302, 403, 502] {
            assert!(matches!(page(status).written(), Err(Write::Trouble(Trouble::Unknown(_)))), "{status}");
            assert!(matches!(page(status).read(), Err(Read::Trouble(Trouble::Away(_)))), "{status}");
        }
        assert!(matches!(written(500, 0, ""), Err(Write::Trouble(Trouble::Unknown(_)))));
        assert!(matches!(written(500, 1000, "internal"), Err(Write::Trouble(Trouble::Unknown(_)))));
        let wait = Some(Duration::from_secs(86_400));
        let often = Answer { status: 429, json: None, wait };
        let expected = Trouble::TooMany { wait: Some(PAUSE_MAX), is_daily: false };
        assert_eq!(often.written(), Err(Write::Trouble(expected)));
    }

    #[test]
    fn a_credit_note_is_whole_when_it_is_refunded() {
        let note = |status: &str, balance: f64| {
            let row = json!({
                "creditnote_id": "460000000030029", "creditnote_number": "20261122-NBO1-M-R", "status": status,
                "date": "2026-11-22", "total": 1600.01, "balance": balance, "currency_code": "KES",
            });
            Credit::read(Kind::Credit, &row).unwrap()
        };
        assert!(note("closed", 0.0).is_whole() && note("void", 1600.01).is_whole());
        assert!(!note("open", 1600.01).is_whole() && !note("draft", 1600.01).is_whole());
        let read = note("closed", 0.0).theirs;
        assert_eq!((read.total, read.part, read.is_void), (160_001, Part::Refund, false));
    }

    #[test]
    fn both_spellings_of_a_receipt_are_read() {
        for (one, id, number) in [
            ("salesreceipt", "salesreceipt_id", "receipt_number"),
            ("sales_receipt", "sales_receipt_id", "salesreceipt_number"),
        ] {
            let row = json!({ id: "46", number: "20261122-NBO1-M", "date": "2026-11-22", "total": "50.00", "currency_code": "KES" });
            let read = Credit::of_answer(Kind::Receipt, &json!({ "code": 0, one: row })).unwrap();
            assert_eq!((read.theirs.id.as_str(), read.theirs.total), ("46", 5000));
            assert!(read.is_whole());
        }
    }

    #[test]
    fn an_id_is_a_long_number() {
        for (value, expected) in [
            (json!("460000000026049"), Some("460000000026049")),
            (json!(10_234_695), Some("10234695")),
            (json!("../x"), None),
            (json!(""), None),
            (json!(1.5), None),
            (json!("9".repeat(33)), None),
        ] {
            assert_eq!(id(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn what_they_say_names_nobody() {
        assert_eq!(quotable("Mail a@b.example\nis wrong"), "Mail *** is wrong");
    }
}
