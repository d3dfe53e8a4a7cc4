//! The names of documents: made of the day, the place and the way of payment, so that a document has the same name whenever and however
//! often it is made. Accountants' programs refuse a second document of the same name, or let us look for it.
//!
//! `20261122-NBO1-M` is what came by M-Pesa at NBO1 on 22 November 2026; `…-R` what went back of it, `…-F` what the provider kept. Of
//! another currency than the operator's own the code follows the letter: `20261122-NBO1-SUSD`. Never longer than the 21 characters that
//! QuickBooks takes.

use time::Date;

use crate::posting::Part;

/// The longest name.
pub const LENGTH_MAX: usize = 21;
/// The longest code of a place.
pub const SITE_CODE_MAX: usize = 5;
/// Stands for the place where none is known.
pub const NO_SITE: &str = "OTHER";

/// The name of a day's document. `method` is the word of the store: `mpesa`, `stripe`, `cash`; `currency` only where it is not the
/// operator's own.
pub fn of_day(day: Date, site_code: &str, method: &str, currency: Option<&str>) -> String {
    let letter: String = method.chars().take(1).map(|letter| letter.to_ascii_uppercase()).collect();
    let (year, month, day) = (day.year(), u8::from(day.month()), day.day());
    format!("{year:04}{month:02}{day:02}-{site_code}-{letter}{}", currency.unwrap_or_default())
}

/// The name of a part of it.
pub fn of_part(document: &str, part: Part) -> String {
    match part {
        Part::Sale => document.to_owned(),
        Part::Refund => format!("{document}-R"),
        Part::Fees => format!("{document}-F"),
    }
}

/// Whether a name is of our making: it begins with a day, and is no longer than ours are. What an accountant or the program itself numbers
/// is not, and is left alone.
pub fn is_ours(number: &str) -> bool {
    let Some((day, rest)) = number.split_once('-') else { return false };
    let is_plain = |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || octet == b'-';
    let is_day = day.len() == 8 && Date::parse(day, time::macros::format_description!("[year][month][day]")).is_ok();
    is_day && !rest.is_empty() && number.len() <= LENGTH_MAX && rest.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_number_is_not_ours() {
        let day = time::macros::date!(2026 - 11 - 22);
        for method in ["mpesa", "stripe", "cash"] {
            for currency in [None, Some("USD")] {
                let document = of_day(day, NO_SITE, method, currency);
                assert!(Part::ALL.into_iter().all(|part| is_ours(&of_part(&document, part))), "{document}");
            }
        }
        for number in [
            "",
            "1037",
            "20261122",
            "20261122-",
            "20261332-NBO1-M",
            "2026112-NBO1-M",
            "INV-20261122",
            "20261122-nbo1-m",
        ] {
            assert!(!is_ours(number), "{number}");
        }
    }

    #[test]
    fn a_document_has_one_name_that_every_program_takes() {
        let day = time::macros::date!(2026 - 11 - 22);
        let own = of_day(day, "NBO1", "mpesa", None);
        assert_eq!(own, "20261122-NBO1-M");
        assert_eq!(of_part(&own, Part::Refund), "20261122-NBO1-M-R");
        assert_eq!(of_part(&own, Part::Fees), "20261122-NBO1-M-F");
        let longest = of_part(&of_day(day, NO_SITE, "stripe", Some("USD")), Part::Fees);
        assert_eq!(longest, "20261122-OTHER-SUSD-F");
        assert_eq!(longest.len(), LENGTH_MAX);
        assert_eq!(NO_SITE.len(), SITE_CODE_MAX);
    }
}
