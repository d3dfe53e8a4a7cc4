//! A customer's phone number in E.164.
//!
//! People type the same number in many ways; the portal stores one. Operators' prefixes are never
//! judged, because numbers move between networks: only the shape counts.
//!
//! Two other shapes stand here, so that everybody tells them alike: the number of somebody who was erased, which nobody can have
//! ([`Phone::erased`]), and numbers in a text that others may read ([`hide_in`]).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::rng;

/// How the number of somebody who was erased begins.
const ERASED: &str = "2540";
/// And how many digits follow.
const ERASED_DIGITS: usize = 11;

/// A number such as `+254712345678`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Phone(String);

/// The text has not the shape of a mobile number that we can charge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("please check the phone number: it should look like 0712 345 678")]
pub struct NotAPhone;

impl Phone {
    /// The number with its leading `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number without `+`, as M-Pesa wants it (`254712345678`).
    pub fn msisdn(&self) -> &str {
        &self.0[1..]
    }

    /// The number that stands for somebody who was erased: `+2540` and eleven random digits. No number in Kenya begins so, and none
    /// is as long; it can be stored wherever a number can.
    pub fn erased() -> Phone {
        Phone(format!("+{ERASED}{}", rng::digits(ERASED_DIGITS)))
    }

    /// Whether it stands for somebody who was erased.
    pub fn is_erased(&self) -> bool {
        is_erased(self.msisdn())
    }

    /// What a page may show of it: `07xx xxx 678`.
    pub fn masked(&self) -> String {
        if self.is_erased() {
            return "erased".to_owned();
        }
        let national = &self.0[4..];
        format!("0{}xx xxx {}", &national[..1], &national[national.len() - 3..])
    }
}

impl FromStr for Phone {
    type Err = NotAPhone;

    /// Reads `0712…`, `0112…`, `712…`, `254712…` and `+254712…` with any spaces, dots or dashes.
    fn from_str(text: &str) -> Result<Phone, NotAPhone> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect();
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAPhone);
        }
        if is_erased(digits) {
            return Ok(Phone(format!("+{digits}")));
        }
        let national = match digits.len() {
            12 => digits.strip_prefix("254"),
            10 => digits.strip_prefix('0'),
            9 => Some(digits),
            _ => None,
        };
        let national = national.filter(|n| n.starts_with(['7', '1'])).ok_or(NotAPhone)?;
        Ok(Phone(format!("+254{national}")))
    }
}

fn is_erased(digits: &str) -> bool {
    digits
        .strip_prefix(ERASED)
        .is_some_and(|rest| rest.len() == ERASED_DIGITS && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// A text in which every number of a customer is masked, as logs have it: `+254712345678` becomes `xxxxxxxxx678`. It is masked
/// wherever it is written as we write it; parts of identifiers and of other numbers stay.
pub fn hide_in(text: &str) -> Cow<'_, str> {
    let octets = text.as_bytes();
    let mut hidden: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(start) = octets.iter().skip(at).position(u8::is_ascii_digit).map(|found| at + found) {
        let length = octets.iter().skip(start).take_while(|octet| octet.is_ascii_digit()).count();
        let end = start + length;
        let before = start.checked_sub(1).and_then(|at| octets.get(at));
        if is_a_number(octets.get(start..end).unwrap_or_default()) && stands_alone(before, octets.get(end)) {
            let hidden = hidden.get_or_insert_with(|| octets.to_vec());
            if let Some(digits) = hidden.get_mut(start..end - SHOWN_DIGITS) {
                digits.fill(b'x');
            }
        }
        at = end;
    }
    match hidden.map(String::from_utf8) {
        Some(Ok(hidden)) => Cow::Owned(hidden),
        _ => Cow::Borrowed(text),
    }
}

/// How many of the last digits stay, by which people can still tell their own number.
const SHOWN_DIGITS: usize = 3;

fn is_a_number(digits: &[u8]) -> bool {
    match digits.len() {
        12 => digits.starts_with(b"2547") || digits.starts_with(b"2541"),
        10 => digits.starts_with(b"07") || digits.starts_with(b"01"),
        _ => false,
    }
}

/// Digits within a longer word, or behind a point or a dash, are part of something else.
fn stands_alone(before: Option<&u8>, after: Option<&u8>) -> bool {
    let belongs = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
    before.is_none_or(|octet| !belongs(octet) && !matches!(octet, b'.' | b'-'))
        && after.is_none_or(|octet| !belongs(octet) && *octet != b'-')
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_typing_it_is_one_number() {
        for text in ["0712345678", "712345678", "254712345678", "+254712345678", "0712 345 678", "+254 712-345-678"] {
            assert_eq!(text.parse::<Phone>().expect(text).as_str(), "+254712345678");
        }
        assert_eq!("0112345678".parse::<Phone>().expect("new prefix").msisdn(), "254112345678");
    }

    #[test]
    fn shapes_that_cannot_be_charged_are_refused() {
        for text in ["", "0812345678", "254812345678", "07123", "07123456789", "07l2345678", "hello"] {
            assert_eq!(text.parse::<Phone>(), Err(NotAPhone), "{text}");
        }
    }

    #[test]
    fn somebody_who_was_erased_has_a_number_that_nobody_types() {
        let (one, other) = (Phone::erased(), Phone::erased());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 16);
        assert_eq!(one.as_str().parse::<Phone>().as_ref(), Ok(&one), "it comes back from where it is stored");
        assert!(one.is_erased() && one.masked() == "erased");
        assert!(!"0712345678".parse::<Phone>().expect("valid").is_erased());
        for typed in ["+254012345678", "+2540712345678", "0012345678"] {
            assert_eq!(typed.parse::<Phone>(), Err(NotAPhone), "{typed}");
        }
    }

    #[test]
    fn numbers_in_a_text_are_masked_and_nothing_else_is() {
        for (text, hidden) in [
            ("to +254712345678 now", "to +xxxxxxxxx678 now"),
            ("{\"phone\":\"254712345678\"}", "{\"phone\":\"xxxxxxxxx678\"}"),
            ("0712345678, 0112345679", "xxxxxxx678, xxxxxxx679"),
            ("{\"phone\":254712345678}", "{\"phone\":xxxxxxxxx678}"),
            ("é0712345678é", "éxxxxxxx678é"),
        ] {
            assert_eq!(hide_in(text), hidden);
        }
        for text in [
            "",
            "07xx xxx 678",
            "1712345678 s, 1800000000000 ms",
            "id 0192e4a0-0000-7000-8000-254712345678",
            "RKT0712345678",
            "0.0712345678",
            "10.20.0.1:8080",
            "07123456789",
            "D0712345678F",
        ] {
            assert!(matches!(hide_in(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn pages_show_little_of_it() {
        assert_eq!("0712345678".parse::<Phone>().expect("valid").masked(), "07xx xxx 678");
    }
}
