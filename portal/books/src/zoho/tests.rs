//! What is held against what was told. The flows stand in `tests/contract/zoho.rs`.

use super::*;
use crate::posting::{Line, Style};

/// A document of two lines: one that divides evenly, and one that does not.
pub(super) fn posting(part: Part) -> Posting {
    let line = |description: &str, quantity, gross, item: Option<&str>, tax: Option<&str>| Line {
        description: description.into(),
        quantity,
        gross,
        tax: 0,
        item: item.map(str::to_owned),
        account: "460000000000388".into(),
        tax_code: tax.map(str::to_owned),
    };
    Posting {
        number: number::of_part("20261122-NBO1-M", part),
        part,
        style: Style::Receipt,
        day: time::macros::date!(2026 - 11 - 22),
        currency: "KES".into(),
        lines: vec![
            line("1 day", 30, 150_000, Some("460000000027009"), Some("460000000027001")),
            line("Discounted", 3, 10_001, None, None),
        ],
        contact: "460000000026049".into(),
        deposit: "460000000000358".into(),
        method: Some("banktransfer".into()),
        class: Some("location:460000000038080".into()),
        memo: "Wi-Fi at Kilimani".into(),
    }
}

#[test]
fn another_total_or_currency_is_told() {
    let made = |total, currency: &str| Theirs {
        id: "46".into(),
        version: String::new(),
        number: "20261122-NBO1-M".into(),
        part: Part::Sale,
        day: time::macros::date!(2026 - 11 - 22),
        total,
        currency: currency.into(),
        is_void: false,
    };
    let differs = |total, currency| difference(&made(total, currency), &posting(Part::Sale));
    assert_eq!(differs(160_001, "KES"), None);
    assert!(differs(160_000, "KES").unwrap().contains("1600.00 of 1600.01 KES"));
    assert!(differs(160_001, "USD").unwrap().contains("Choose one whose currency is KES"));
}

#[test]
fn a_number_of_ours_begins_with_its_day() {
    assert_eq!(day_of("20261122-NBO1-M-R"), Some(time::macros::date!(2026 - 11 - 22)));
    assert_eq!(day_of("INV-7"), None);
}
