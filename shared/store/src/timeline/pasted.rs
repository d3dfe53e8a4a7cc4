//! What somebody pasted into the desk's search: everything that the text can mean, by its shape alone.
//!
//! A text often means more than one thing. Twelve digits are a phone number and the address of a device; ten letters and digits are a
//! receipt and an old voucher. Nothing is decided here: [`super::find()`] looks each of them up, and whoever asks is told what was
//! looked for.

use std::net::Ipv4Addr;

use shared::email::EmailAddress;
use shared::mac::Mac;
use shared::phone::Phone;
use shared::voucher::{self, Code, NotACode};
use uuid::Uuid;

use crate::order::CODE_LENGTH;

/// Longest text that is looked at, in octets: longer than a name of Stripe's.
pub const MAX_PASTED: usize = 120;
/// Letters and digits of a receipt of M-Pesa.
const RECEIPT: usize = 10;
/// What Stripe's names of pages and of payments begin with.
const OF_STRIPE: [&str; 2] = ["cs_", "pi_"];
/// What a router calls a session has so many characters.
const SESSION: std::ops::RangeInclusive<usize> = 4..=64;

/// Something that a pasted text can mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Guess {
    /// A customer's number.
    Phone(Phone),
    /// A customer's e-mail address.
    Email(EmailAddress),
    /// A device.
    Mac(Mac),
    /// An address that a router gave a device.
    Address(Ipv4Addr),
    /// The code of an order, in capitals.
    Order(String),
    /// A receipt of M-Pesa, in capitals.
    Receipt(String),
    /// What Stripe calls a page or a payment.
    Card(String),
    /// The code of a voucher, in its one spelling.
    Voucher(Code),
    /// The code of a voucher with one character wrong: there is none.
    MistypedVoucher,
    /// The number on a voucher's paper: batch and serial.
    Paper(u32, u32),
    /// A session as the desk and the interface call it.
    Session(Uuid),
    /// What a router calls a session (Acct-Session-Id).
    RouterSession(String),
}

/// All that a text can mean, the likeliest first; none: it has no shape that is known.
pub fn guesses(text: &str) -> Vec<Guess> {
    let text = text.trim();
    let mut found = Vec::new();
    if text.is_empty() || text.len() > MAX_PASTED {
        return found;
    }
    found.extend(text.parse().ok().map(Guess::Email));
    found.extend(text.parse().ok().map(Guess::Address));
    found.extend(text.parse().ok().map(Guess::Phone));
    found.extend(Mac::from_bytes(text.as_bytes()).filter(|mac| mac.is_unicast()).map(Guess::Mac));
    found.extend(paper(text).map(|(batch, serial)| Guess::Paper(batch, serial)));
    found.extend(text.strip_prefix("ses_").and_then(|id| Uuid::try_parse(id).ok()).map(Guess::Session));
    if OF_STRIPE.iter().any(|begin| text.starts_with(begin)) && is_word(text) {
        found.push(Guess::Card(text.to_owned()));
    }
    let joined: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_ascii_uppercase();
    let is_plain = joined.bytes().all(|octet| octet.is_ascii_alphanumeric());
    let has_letter = joined.bytes().any(|octet| octet.is_ascii_alphabetic());
    if is_plain && joined.len() == CODE_LENGTH {
        found.push(Guess::Order(joined.clone()));
    }
    if is_plain && has_letter && joined.len() == RECEIPT {
        found.push(Guess::Receipt(joined));
    }
    match voucher::normalise(text) {
        Ok(code) => found.push(Guess::Voucher(code)),
        Err(NotACode::Mistyped) => found.push(Guess::MistypedVoucher),
        Err(NotACode::Grammar) => {}
    }
    if SESSION.contains(&text.len()) && is_word(text) {
        found.push(Guess::RouterSession(text.to_owned()));
    }
    found
}

/// One word, such as routers and providers make them.
fn is_word(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b':' | b'.' | b'/'))
}

/// `42-0007`.
fn paper(text: &str) -> Option<(u32, u32)> {
    let (batch, serial) = text.split_once('-')?;
    let digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
    let read = |part: &str| part.parse::<u32>().ok().filter(|number| *number > 0 && digits(part));
    Some((read(batch)?, read(serial)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds that a text can mean.
    fn kinds(text: &str) -> Vec<&'static str> {
        let kind = |guess: &Guess| match guess {
            Guess::Phone(_) => "phone",
            Guess::Email(_) => "email",
            Guess::Mac(_) => "mac",
            Guess::Address(_) => "address",
            Guess::Order(_) => "order",
            Guess::Receipt(_) => "receipt",
            Guess::Card(_) => "card",
            Guess::Voucher(_) => "voucher",
            Guess::MistypedVoucher => "mistyped",
            Guess::Paper(..) => "paper",
            Guess::Session(_) => "session",
            Guess::RouterSession(_) => "router",
        };
        guesses(text).iter().map(kind).collect()
    }

    #[test]
    fn each_text_means_what_its_shape_allows() {
        let code = voucher::new_code();
        let (printed, spelt) = (voucher::printed(&code), code.to_lowercase());
        for (text, expected) in [
            ("", &[][..]),
            ("   ", &[]),
            ("0712 345 678", &["phone"]),
            (" +254 712-345-678 ", &["phone"]),
            ("amina@example.org", &["email"]),
            ("10.5.50.7", &["address", "router"]),
            ("4c:5e:0c:12:34:56", &["mac", "router"]),
            ("4C-5E-0C-12-34-56", &["mac", "router"]),
            ("4c5e.0c12.3456", &["mac", "router"]),
            // An address with the bit of groups is no device's.
            ("254712345678", &["phone", "router"]),
            ("AB2C D3EF", &["order"]),
            ("ab2cd3ef", &["order", "router"]),
            ("RKTQDM7W6S", &["receipt", "voucher", "router"]),
            ("rkt1dm0w6s", &["receipt", "router"]),
            ("pi_3PxAbCdEf0123", &["card", "router"]),
            ("cs_test_a1B2", &["card", "router"]),
            (printed.as_str(), &["voucher", "router"]),
            (spelt.as_str(), &["voucher", "router"]),
            ("42-0007", &["paper", "router"]),
            ("ses_0192e4a0000070008000000000000001", &["session", "router"]),
            ("80100001", &["order", "router"]),
            ("what is this?", &[]),
            ("x", &[]),
        ] {
            assert_eq!(kinds(text), expected, "{text:?}");
        }
        assert!(guesses(&"1".repeat(MAX_PASTED + 1)).is_empty());
    }

    #[test]
    fn every_way_of_writing_it_is_one_thing() {
        let phone = Guess::Phone("0712345678".parse().expect("a phone"));
        for text in ["0712345678", "712345678", "254712345678", "+254712345678", "0712.345.678", "(0712) 345 678"] {
            assert_eq!(guesses(text).first(), Some(&phone), "{text}");
        }
        let mac = Guess::Mac(Mac([0x4c, 0x5e, 0x0c, 0x12, 0x34, 0x56]));
        for text in ["4C:5E:0C:12:34:56", "4c-5e-0c-12-34-56", "4c5e0c123456", "4C5E.0C12.3456"] {
            assert!(guesses(text).contains(&mac), "{text}");
        }
        assert_eq!(guesses("42-0007").first(), Some(&Guess::Paper(42, 7)));
        assert_eq!(guesses("ab2c-d3ef").first(), Some(&Guess::Order("AB2CD3EF".into())));
    }

    #[test]
    fn a_code_with_one_character_wrong_is_told_from_one_that_is_not_there() {
        let code = voucher::new_code();
        let last = code.chars().last().expect("eleven");
        let other = if last == 'A' { 'B' } else { 'A' };
        let wrong = format!("{}{other}", &code[..code.len() - 1]);
        assert!(guesses(&wrong).contains(&Guess::MistypedVoucher), "{wrong}");
    }
}
