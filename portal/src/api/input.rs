//! Bodies: an object of JSON whose fields are read one by one, each with what it may be. What is wrong with all of them is said at
//! once, with pointers; a field that nobody has read is refused, so that a misspelt one is not passed over.
//!
//! What is accepted here is what the description says: not a letter more. In a change (merge-patch, RFC 7396) a field that is not
//! there stays, and null takes a limit away. `60.0` is a whole number, as JSON Schema has it.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde_json::{Map, Value};
use shared::money::{Currency, Money};
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::id::{self, Kind as Thing};
use super::problem::{Invalid, Kind, Problem};
use crate::App;

/// Largest body, octets.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// Why a value is not accepted: what would be.
pub(super) type Read<T> = Result<T, String>;

/// The fields of a body that are not read yet, and what was wrong with those that are.
#[derive(Debug)]
pub(super) struct Input {
    fields: Map<String, Value>,
    wrong: Vec<Invalid>,
}

impl FromRequest<App> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Input, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && kind != "application/merge-patch+json" {
            return Err(Problem::new(Kind::UnsupportedMediaType));
        }
        let body = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| Problem::new(Kind::TooLarge))?;
        Input::parse(&body)
    }
}

impl Input {
    fn parse(body: &Bytes) -> Result<Input, Problem> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::new(Kind::BadRequest).because(format!("The body is not JSON: {error}.")))?;
        Input::of(value)
    }

    fn of(value: Value) -> Result<Input, Problem> {
        match value {
            Value::Object(fields) => Ok(Input { fields, wrong: Vec::new() }),
            _ => Err(Problem::invalid("", "type", "the body must be an object")),
        }
    }

    /// A field that must be there.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.fields.remove(name) {
            Some(value) => self.keep(name, read(&value)),
            None => {
                self.note(name, "required", format!("{name} must be there"));
                None
            }
        }
    }

    /// A field that may be left out, or null.
    pub(super) fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        self.nullable(name, read).flatten()
    }

    /// A field of a change: `None` if it is not there. It has no null.
    pub(super) fn change<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        let value = self.fields.remove(name)?;
        self.keep(name, read(&value))
    }

    /// A field of a change that may be null: `None` if it is not there, `Some(None)` if it is null.
    pub(super) fn nullable<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<Option<T>> {
        match self.fields.remove(name)? {
            Value::Null => Some(None),
            value => self.keep(name, read(&value)).map(Some),
        }
    }

    fn keep<T>(&mut self, name: &str, read: Read<T>) -> Option<T> {
        read.map_err(|detail| self.note(name, "not_accepted", format!("{name}: {detail}"))).ok()
    }

    /// Says what is wrong with a field.
    pub(super) fn note(&mut self, name: &str, code: &'static str, detail: String) {
        self.wrong.push(Invalid { pointer: format!("/{}", escaped(name)), code, detail });
    }

    /// All fields are read.
    ///
    /// # Errors
    /// What is wrong with them, those that nobody has read included.
    pub(super) fn done(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.fields).keys() {
            self.note(name, "unknown", "there is no such field".into());
        }
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(self.wrong.into_iter().fold(Problem::new(Kind::Invalid), Problem::with)),
        }
    }
}

/// A field that [`Input::done`] has vouched for.
pub(super) fn got<T>(field: Option<T>) -> Result<T, Problem> {
    field.ok_or_else(|| Problem::new(Kind::Internal))
}

/// A name as a JSON pointer writes it (RFC 6901 §3), and no longer than anybody reads.
fn escaped(name: &str) -> String {
    name.chars().take(100).collect::<String>().replace('~', "~0").replace('/', "~1")
}

/// Some text on one line, without blanks around it.
pub(super) fn line(most: usize) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let text = value.as_str().ok_or("write text")?;
        let is_fine = is_line(text) && (1..=most).contains(&text.chars().count());
        if is_fine {
            Ok(text.to_owned())
        } else {
            Err(format!("write one to {most} characters on one line, without blanks around them"))
        }
    }
}

/// The same, or nothing.
pub(super) fn line_or_empty(most: usize) -> impl Fn(&Value) -> Read<String> {
    move |value| if value == "" { Ok(String::new()) } else { line(most)(value) }
}

fn is_line(text: &str) -> bool {
    text.trim() == text && !text.is_empty() && !text.chars().any(char::is_control)
}

/// A whole number.
pub(super) fn whole(range: RangeInclusive<i64>) -> impl Fn(&Value) -> Read<i64> {
    move |value| {
        // Up to 2^53 a float is exact, and what lies beyond is in no range here.
        let integral = |number: f64| (number.fract() == 0.0 && number.abs() <= 9e15).then_some(number as i64);
        let number = value.as_i64().or_else(|| value.as_f64().and_then(integral));
        let number = number.filter(|number| range.contains(number));
        number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
    }
}

/// The same, of a count that is not negative.
pub(super) fn count(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Read<u32> {
    let read = whole(i64::from(*range.start())..=i64::from(*range.end()));
    move |value| u32::try_from(read(value)?).map_err(|error| error.to_string())
}

/// The same, of seconds, octets or bits.
pub(super) fn size(range: RangeInclusive<i64>) -> impl Fn(&Value) -> Read<u64> {
    let read = whole(range);
    move |value| u64::try_from(read(value)?).map_err(|error| error.to_string())
}

/// A number.
pub(super) fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Read<f64> {
    move |value| {
        let number = value.as_f64().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("write a number from {} to {}", range.start(), range.end()))
    }
}

/// True or false.
pub(super) fn flag(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "write true or false".into())
}

/// One of some words.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Read<T> + use<T> {
    let known: Vec<(String, T)> = words.iter().map(|(word, means)| ((*word).to_owned(), *means)).collect();
    move |value| {
        let found = known.iter().find(|(word, _)| value.as_str() == Some(word.as_str())).map(|(_, means)| *means);
        found.ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| word.as_str()).collect();
            format!("write one of {}", words.join(", "))
        })
    }
}

/// Text in a grammar of its own.
pub(super) fn parsed<T: FromStr>(value: &Value) -> Read<T>
where
    T::Err: std::fmt::Display,
{
    let text = value.as_str().filter(|text| text.len() <= 500).ok_or("write text")?;
    // What an answer shows can be sent again.
    text.replace('–', "-").parse::<T>().map_err(|error: T::Err| error.to_string())
}

/// What a function of the command line reads.
pub(super) fn spelt<T, E: std::fmt::Display>(read: impl Fn(&str) -> Result<T, E>) -> impl Fn(&Value) -> Read<T> {
    move |value| {
        let text = value.as_str().filter(|text| text.len() <= 500).ok_or("write text")?;
        read(text).map_err(|error| error.to_string())
    }
}

/// The same of what has one spelling: the one that it reads to.
pub(super) fn exactly<T: ToString, E: std::fmt::Display>(
    read: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&Value) -> Read<T> {
    move |value| {
        let text = value.as_str().filter(|text| text.len() <= 500).ok_or("write text")?;
        let value = read(text).map_err(|error| error.to_string())?;
        let spelling = value.to_string();
        if spelling == text { Ok(value) } else { Err(format!("write it as {spelling}")) }
    }
}

/// Visible letters of ASCII, as RADIUS and HTTP carry them.
pub(super) fn visible(most: usize) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let is_fine =
            |text: &&str| (1..=most).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
        let text = value.as_str().filter(is_fine);
        text.map(str::to_owned).ok_or_else(|| format!("write one to {most} visible letters of ASCII"))
    }
}

/// A moment (RFC 3339).
pub(super) fn moment(value: &Value) -> Read<OffsetDateTime> {
    let read = value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let read = read.and_then(|at| at.checked_to_offset(time::UtcOffset::UTC));
    read.ok_or_else(|| "write a moment such as 2026-12-01T00:00:00Z".into())
}

/// An identifier of that kind.
pub(super) fn id_of(kind: Thing) -> impl Fn(&Value) -> Read<Uuid> {
    move |value| {
        let read = value.as_str().and_then(|text| id::exact(kind, text));
        read.ok_or_else(|| format!("write an identifier such as {}", id::spell(kind, Uuid::nil())))
    }
}

/// A phone number, whole.
pub(super) fn phone(value: &Value) -> Read<Phone> {
    value.as_str().ok_or_else(|| "write text".to_owned()).and_then(phone_text)
}

/// The same, in an address.
pub(super) fn phone_text(text: &str) -> Read<Phone> {
    let read = text.parse::<Phone>().ok().filter(|phone| phone.as_str() == text);
    read.ok_or_else(|| "write a number such as +254712345678".into())
}

/// An amount that is not negative.
pub(super) fn money(value: &Value) -> Read<Money> {
    let wrong = || "write an amount such as {\"amount\": 2000, \"currency\": \"KES\"}".to_owned();
    let fields = value.as_object().filter(|fields| fields.len() == 2).ok_or_else(wrong)?;
    let minor = whole(0..=MAX_MINOR)(fields.get("amount").ok_or_else(wrong)?)?;
    let currency = fields.get("currency").and_then(Value::as_str).ok_or_else(wrong)?;
    Ok(Money { minor, currency: currency.parse::<Currency>().map_err(|error| error.to_string())? })
}

/// Most minor units of an amount: what JavaScript has exactly.
pub(super) const MAX_MINOR: i64 = 9_007_199_254_740_991;

/// A list of at most so many different things.
pub(super) fn list<T: PartialEq>(most: usize, read: impl Fn(&Value) -> Read<T>) -> impl Fn(&Value) -> Read<Vec<T>> {
    move |value| {
        let values = value.as_array().filter(|values| values.len() <= most);
        let values = values.ok_or_else(|| format!("write a list of at most {most}"))?;
        let mut all: Vec<T> = Vec::with_capacity(values.len());
        for value in values {
            let one = read(value)?;
            if all.contains(&one) {
                return Err("write each once".into());
            }
            all.push(one);
        }
        Ok(all)
    }
}

/// An object of its own, within a field.
pub(super) fn object<T>(value: &Value, read: impl FnOnce(&mut Input) -> Option<T>) -> Read<T> {
    let mut input = Input::of(value.clone()).map_err(|_| "write an object".to_owned())?;
    let value = read(&mut input);
    let unknown = input.fields.keys().next().map(|name| format!("there is no field {name}"));
    match (value, input.wrong.first()) {
        (_, Some(wrong)) => Err(wrong.detail.clone()),
        (None, None) => Err("not complete".into()),
        (Some(value), None) => unknown.map_or(Ok(value), Err),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(value: Value) -> Input {
        Input::of(value).expect("an object")
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_what_nobody_reads_is_refused() {
        let mut body = input(json!({ "name": " x", "count": 0, "colour": "red" }));
        assert_eq!(body.required("name", line(200)), None);
        assert_eq!(body.required("count", count(1..=10)), None);
        assert_eq!(body.required("price", money), None);
        let problem = format!("{:?}", body.done().expect_err("four mistakes"));
        for pointer in ["/name", "/count", "/price", "/colour"] {
            assert!(problem.contains(&format!("\"{pointer}\"")), "{pointer}: {problem}");
        }
    }

    #[test]
    fn a_change_tells_what_is_not_said_from_what_is_taken_away() {
        let mut body = input(json!({ "limit": null, "name": "x" }));
        assert_eq!(body.nullable("limit", count(1..=10)), Some(None));
        assert_eq!(body.nullable("other", count(1..=10)), None);
        assert_eq!(body.change("name", line(200)), Some("x".to_owned()));
        assert!(body.done().is_ok());
        let mut body = input(json!({ "name": null }));
        assert_eq!(body.change("name", line(200)), None);
        assert!(body.done().is_err(), "a name cannot be taken away");
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        let read = whole(0..=100);
        assert_eq!((read(&json!(60)), read(&json!(60.0))), (Ok(60), Ok(60)));
        for value in [json!(60.5), json!(101), json!(-1), json!("60"), json!(true), json!(null), json!(1e300)] {
            assert!(read(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn values_have_one_spelling() {
        assert!(phone(&json!("+254712345678")).is_ok() && phone(&json!("0712345678")).is_err());
        assert!(moment(&json!("2026-12-01T00:00:00+03:00")).is_ok() && moment(&json!("tomorrow")).is_err());
        assert_eq!(money(&json!({ "amount": 2000, "currency": "KES" })), Ok(Money::kes(2_000)));
        for value in
            [json!(2000), json!({ "amount": -1, "currency": "KES" }), json!({ "amount": 1, "currency": "KES", "x": 1 })]
        {
            assert!(money(&value).is_err(), "{value}");
        }
        assert_eq!(word(&[("auto", 1), ("yes", 2)])(&json!("yes")), Ok(2));
        assert!(list(2, count(0..=9))(&json!([1, 1])).is_err() && list(2, count(0..=9))(&json!([1, 2, 3])).is_err());
        for text in ["", " ", "x ", "a\nb"] {
            assert!(line(200)(&json!(text)).is_err(), "{text:?}");
        }
        assert!(line_or_empty(200)(&json!("")).is_ok());
    }

    #[test]
    fn a_pointer_is_escaped() {
        assert_eq!(escaped("a/b~c"), "a~1b~0c");
    }
}
