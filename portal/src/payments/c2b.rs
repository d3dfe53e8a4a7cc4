//! Reads what M-Pesa posts about a payment from its menu, before the money moves (validation) and after (confirmation), and
//! words the answer to a validation.
//!
//! Nearly everything is a string, except where it is a number; amounts come with cents or without; the payer's number is
//! whole, masked or hashed; the account number was typed by a person and is empty for a till. Amount and receipt must be
//! there. All else is read as far as it goes: money that came is never dropped for a field that cannot be read.

use serde_json::{Value, json};
use shared::config::Validation;
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use shared::voucher::ALPHABET;
use store::order::CODE_LENGTH;
pub use store::unmatched::Reference;
use store::unmatched::{Found, Payer, Told};
use time::{Date, Month, PrimitiveDateTime, Time};

use super::callback::{cents, is_receipt, plain};
use super::mpesa::EAST_AFRICA;

/// Most characters of a text that is kept; M-Pesa's own fields are shorter.
const TEXT_LIMIT: usize = 100;
/// A masked number must show this many digits at its end, or it is compared with nothing.
const SHOWN_AT_LEAST: usize = 3;

/// A body, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confirmation {
    /// The money.
    pub told: Told,
    /// The paybill or till to which it was paid.
    pub shortcode: Option<String>,
}

/// Why a body cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotC2b {
    /// Not JSON.
    #[error("not JSON")]
    NotJson,
    /// No `TransID`, or none that a receipt can be.
    #[error("no TransID")]
    NoReceipt,
    /// No `TransAmount` that can be read.
    #[error("no TransAmount")]
    NoAmount,
}

impl Confirmation {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not such a report.
    pub fn parse(body: &[u8]) -> Result<Confirmation, NotC2b> {
        let value: Value = serde_json::from_slice(body).map_err(|_| NotC2b::NotJson)?;
        let field = |name: &str| value.get(name).and_then(plain).map(|text| short(&text)).unwrap_or_default();
        let amount = value.get("TransAmount").and_then(plain).as_deref().and_then(cents);
        let amount = amount.filter(|&cents| cents > 0).map(Money::kes).ok_or(NotC2b::NoAmount)?;
        let receipt = Some(field("TransID")).filter(|text| is_receipt(text)).ok_or(NotC2b::NoReceipt)?;
        let names = [field("FirstName"), field("MiddleName"), field("LastName")];
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let (typed, payer_number) = (field("BillRefNumber"), field("MSISDN"));
        let told = Told {
            receipt,
            amount,
            payer_name: names.join(" "),
            payer: payer(&payer_number),
            payer_number,
            reference: reference(&typed),
            typed,
            paid_at: moment(&field("TransTime")),
        };
        Ok(Confirmation { told, shortcode: Some(field("BusinessShortCode")).filter(|code| !code.is_empty()) })
    }
}

/// What a person typed as account number. Blanks, dashes and the like do not count, nor does the size of letters. Codes have
/// no letter that looks like a digit, so of a look-alike in one only the letter that it was taken for can be meant; in a
/// phone number only the digit. If the whole is neither, a single word of it may be: people add a name.
pub fn reference(typed: &str) -> Reference {
    let whole = one_word(typed);
    if whole != Reference::Other {
        return whole;
    }
    let words = typed.split(|c: char| !c.is_ascii_alphanumeric()).map(one_word);
    let mut known = words.filter(|word| *word != Reference::Other);
    match (known.next(), known.next()) {
        (Some(only), None) => only,
        _ => Reference::Other,
    }
}

fn one_word(typed: &str) -> Reference {
    let letters = || typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
    let as_digits: String = letters().map(as_digit).collect();
    if let Ok(phone) = as_digits.parse::<Phone>() {
        return Reference::Phone(phone);
    }
    let code: String = letters().map(as_code_letter).collect();
    let is_code = code.len() == CODE_LENGTH && code.bytes().all(|letter| ALPHABET.contains(&letter));
    if is_code { Reference::OrderCode(code) } else { Reference::Other }
}

/// The digit for which this is taken.
fn as_digit(c: char) -> char {
    match c {
        'O' => '0',
        'I' | 'L' => '1',
        _ => c,
    }
}

/// The letter of our codes for which this is taken: they have neither `0` nor `O`, and neither `1` nor `I`.
fn as_code_letter(c: char) -> char {
    match c {
        '0' | 'O' => 'Q',
        '1' | 'I' => 'L',
        _ => c,
    }
}

/// The payer's number, as far as it is shown: `254712345678`, `2547 ***** 678`, or 64 hexadecimal digits.
pub(crate) fn payer(told: &str) -> Payer {
    let text: String = told.chars().filter(|c| !matches!(c, ' ' | '-' | '+')).collect();
    if let Ok(phone) = text.parse::<Phone>() {
        return Payer::Phone(phone);
    }
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Payer::Hashed(text.to_ascii_lowercase());
    }
    let begins = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let ends = text.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let middle = text.get(begins.len()..text.len().saturating_sub(ends.len())).unwrap_or_default();
    let is_masked = !middle.is_empty() && middle.chars().all(|c| matches!(c, '*' | 'x' | 'X'));
    if !is_masked || ends.len() < SHOWN_AT_LEAST {
        return Payer::Hidden;
    }
    let begins = begins.strip_prefix('0').map_or_else(|| begins.to_owned(), |national| format!("254{national}"));
    Payer::Masked { begins, ends: ends.to_owned() }
}

/// `YYYYMMDDHHmmss` in East Africa Time.
fn moment(text: &str) -> Option<OffsetDateTime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u8>().ok());
    let year = text.get(..4)?.parse::<i32>().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(number(4, 6)?).ok()?, number(6, 8)?).ok()?;
    let clock = Time::from_hms(number(8, 10)?, number(10, 12)?, number(12, 14)?).ok()?;
    Some(PrimitiveDateTime::new(date, clock).assume_offset(EAST_AFRICA))
}

/// As much of a text as is kept, on one line.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_LIMIT).collect()
}

/// The answer to a validation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The money may move.
    Accept,
    /// It stays with the payer.
    Refuse(Refused),
}

/// Why the money stays with the payer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The account number is wrong, or its order is paid.
    Account,
    /// Another amount than the order's price.
    Amount,
    /// The body cannot be read.
    Other,
}

impl Refused {
    /// M-Pesa's code for it.
    pub fn code(self) -> &'static str {
        match self {
            Refused::Account => "C2B00012",
            Refused::Amount => "C2B00013",
            Refused::Other => "C2B00016",
        }
    }
}

impl Answer {
    /// Its name in the store and in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Accept => "accepted",
            Answer::Refuse(why) => why.code(),
        }
    }

    /// The body of the answer.
    pub fn body(self) -> Value {
        match self {
            Answer::Accept => json!({ "ResultCode": "0", "ResultDesc": "Accepted" }),
            Answer::Refuse(why) => json!({ "ResultCode": why.code(), "ResultDesc": "Rejected" }),
        }
    }
}

/// Whether money may move that somebody is about to pay, by what its account number stands for. An empty account number is
/// a till's: it says nothing and is never wrong.
pub fn answer(told: &Told, found: Found, validation: Validation) -> Answer {
    match found {
        Found::Open(price) if price == told.amount => Answer::Accept,
        Found::Open(_) => Answer::Refuse(Refused::Amount),
        Found::Settled => Answer::Refuse(Refused::Account),
        Found::Nothing if validation == Validation::Strict && !told.typed.is_empty() => {
            Answer::Refuse(Refused::Account)
        }
        Found::Nothing => Answer::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in Safaricom's documentation, with fields of ours in place of some of its.
    fn body(changes: &[(&str, Value)]) -> Vec<u8> {
        let mut value = json!({
            "TransactionType": "Pay Bill", "TransID": "RKTQDM7W6S", "TransTime": "20191122063845", "TransAmount": "10.00",
            "BusinessShortCode": "600638", "BillRefNumber": "AB2CD3EF", "InvoiceNumber": "", "OrgAccountBalance": "49197.00",
            "ThirdPartyTransID": "", "MSISDN": "2547 ***** 126", "FirstName": "John", "MiddleName": "", "LastName": "Doe"
        });
        for (name, change) in changes {
            value[*name] = change.clone();
        }
        value.to_string().into_bytes()
    }

    fn read(changes: &[(&str, Value)]) -> Told {
        Confirmation::parse(&body(changes)).expect("readable").told
    }

    fn phone(text: &str) -> Phone {
        text.parse().expect("a phone")
    }

    #[test]
    fn a_confirmation_is_read() {
        let Confirmation { told, shortcode } = Confirmation::parse(&body(&[])).expect("readable");
        assert_eq!(
            (told.receipt.as_str(), told.amount, shortcode.as_deref()),
            ("RKTQDM7W6S", Money::kes(1000), Some("600638"))
        );
        assert_eq!((told.payer_name.as_str(), told.payer_number.as_str()), ("John Doe", "2547 ***** 126"));
        assert_eq!((told.typed.as_str(), &told.reference), ("AB2CD3EF", &Reference::OrderCode("AB2CD3EF".into())));
        // 2019-11-22 03:38:45 UTC.
        assert_eq!(told.paid_at.map(OffsetDateTime::unix_timestamp), Some(1_574_393_925));
    }

    #[test]
    fn amounts_and_codes_are_strings_or_numbers() {
        for (value, cents) in [
            (json!("10"), 1000),
            (json!("10.0"), 1000),
            (json!(10), 1000),
            (json!(10.5), 1050),
            (json!("1500.00"), 150_000),
        ] {
            assert_eq!(read(&[("TransAmount", value.clone())]).amount, Money::kes(cents), "{value}");
        }
        let numbers = body(&[("BusinessShortCode", json!(600_638)), ("MSISDN", json!(254_708_374_149_u64))]);
        let numbers = Confirmation::parse(&numbers).expect("readable");
        assert_eq!(numbers.shortcode.as_deref(), Some("600638"));
        assert_eq!(numbers.told.payer, Payer::Phone(phone("0708374149")));
    }

    #[test]
    fn what_is_missing_is_empty_and_only_receipt_and_amount_must_be_there() {
        let told = read(&[
            ("BillRefNumber", json!("")),
            ("MSISDN", Value::Null),
            ("FirstName", Value::Null),
            ("LastName", json!([])),
            ("TransTime", json!("yesterday")),
        ]);
        assert_eq!((told.payer_name.as_str(), told.paid_at, &told.payer), ("", None, &Payer::Hidden));
        assert_eq!(told.reference, Reference::Other);
        for (changes, error) in [
            (("TransAmount", json!("0.00")), NotC2b::NoAmount),
            (("TransAmount", json!("-5")), NotC2b::NoAmount),
            (("TransAmount", json!("ten")), NotC2b::NoAmount),
            (("TransAmount", Value::Null), NotC2b::NoAmount),
            (("TransID", json!("")), NotC2b::NoReceipt),
            (("TransID", json!("<script>")), NotC2b::NoReceipt),
        ] {
            assert_eq!(Confirmation::parse(&body(std::slice::from_ref(&changes))), Err(error), "{changes:?}");
        }
        for other in [&b""[..], b"<html>", b"TransID=1"] {
            assert_eq!(Confirmation::parse(other), Err(NotC2b::NotJson));
        }
        assert_eq!(Confirmation::parse(b"[1]"), Err(NotC2b::NoAmount));
    }

    #[test]
    fn long_and_broken_texts_are_kept_short_and_on_one_line() {
        let told = read(&[("BillRefNumber", json!("x".repeat(500))), ("FirstName", json!("Jo\u{0}\nhn"))]);
        assert_eq!((told.typed.len(), told.payer_name.as_str()), (TEXT_LIMIT, "John Doe"));
    }

    #[test]
    fn what_people_type_as_account_number() {
        let code = |text: &str| Reference::OrderCode(text.into());
        let number = |text: &str| Reference::Phone(phone(text));
        for (typed, expected) in [
            ("AB2CD3EF", code("AB2CD3EF")),
            (" ab2c-d3ef ", code("AB2CD3EF")),
            ("AB2C D3EF", code("AB2CD3EF")),
            ("AB2C.D3EF", code("AB2CD3EF")),
            // No code has 0, O, 1 or I.
            ("AB2CD3E0", code("AB2CD3EQ")),
            ("AB2CD3EO", code("AB2CD3EQ")),
            ("1b2cd3ef", code("LB2CD3EF")),
            ("IB2CD3EF", code("LB2CD3EF")),
            ("order AB2CD3EF", code("AB2CD3EF")),
            ("AB2CD3EF Amina", code("AB2CD3EF")),
            ("0712345678", number("0712345678")),
            ("+254 712-345-678", number("0712345678")),
            ("O7I2345678", number("0712345678")),
            ("712345678", number("0712345678")),
            ("0712345678 Amina", number("0712345678")),
            ("AB2CD3EF 0712345678", Reference::Other),
            ("AB2CD3E", Reference::Other),
            ("AB2CD3EFG", Reference::Other),
            ("Amina", Reference::Other),
            ("WIFI", Reference::Other),
            ("", Reference::Other),
            ("   ", Reference::Other),
            ("0812345678", Reference::Other),
            ("\u{e9}\u{1f600}", Reference::Other),
        ] {
            assert_eq!(reference(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn a_code_of_ours_is_read_as_it_is() {
        for _ in 0..200 {
            let code = shared::rng::code(CODE_LENGTH);
            assert_eq!(reference(&code.to_lowercase()), Reference::OrderCode(code));
        }
    }

    #[test]
    fn a_payers_number_is_whole_masked_hashed_or_hidden() {
        let masked = |begins: &str, ends: &str| Payer::Masked { begins: begins.into(), ends: ends.into() };
        let hash = "7132104d6aae9c3fac82095a42c2817952bca48e09d98d5bf4ac08218982fb90";
        for (told, expected) in [
            ("254712345678", Payer::Phone(phone("0712345678"))),
            ("0712 345 678", Payer::Phone(phone("0712345678"))),
            ("2547 ***** 126", masked("2547", "126")),
            ("2547*****126", masked("2547", "126")),
            ("07** *** 126", masked("2547", "126")),
            ("******5678", masked("", "5678")),
            ("2547xxxxx126", masked("2547", "126")),
            (hash, Payer::Hashed(hash.into())),
            (hash.to_uppercase().as_str(), Payer::Hashed(hash.into())),
            ("2547*******26", Payer::Hidden),
            ("2547********", Payer::Hidden),
            ("************", Payer::Hidden),
            ("2547?????126", Payer::Hidden),
            ("John", Payer::Hidden),
            ("12", Payer::Hidden),
            ("", Payer::Hidden),
        ] {
            assert_eq!(payer(told), expected, "{told:?}");
        }
    }

    #[test]
    fn a_validation_refuses_what_is_wrong_and_strictly_what_is_not_known() {
        use Validation::{Lenient, Strict};
        let (ten, twenty) = (Found::Open(Money::kes(1000)), Found::Open(Money::kes(2000)));
        for (typed, found, validation, expected) in [
            ("AB2CD3EF", ten, Strict, "accepted"),
            ("AB2CD3EF", ten, Lenient, "accepted"),
            ("AB2CD3EF", twenty, Lenient, "C2B00013"),
            ("AB2CD3EF", twenty, Strict, "C2B00013"),
            ("AB2CD3EF", Found::Settled, Lenient, "C2B00012"),
            ("AB2CD3EF", Found::Nothing, Lenient, "accepted"),
            ("AB2CD3EF", Found::Nothing, Strict, "C2B00012"),
            ("", Found::Nothing, Strict, "accepted"),
        ] {
            let told = read(&[("BillRefNumber", json!(typed))]);
            assert_eq!(answer(&told, found, validation).as_str(), expected, "{typed} {found:?} {validation:?}");
        }
        assert_eq!(Answer::Accept.body()["ResultCode"], "0");
        assert_eq!(Answer::Refuse(Refused::Other).body()["ResultCode"], "C2B00016");
    }
}
