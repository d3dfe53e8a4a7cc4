//! A customer's phone number in E.164.
//!
//! People type the same number in many ways; the portal stores one. Operators' prefixes are never
//! judged, because numbers move between networks: only the shape counts.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

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

    /// What a page may show of it: `07xx xxx 678`.
    pub fn masked(&self) -> String {
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
    fn pages_show_little_of_it() {
        assert_eq!("0712345678".parse::<Phone>().expect("valid").masked(), "07xx xxx 678");
    }
}
