//! Amounts as Xero writes them: JSON numbers in major units, `1234.56`, where ours are whole numbers of hundredths.
//!
//! A JSON number is a binary fraction here, and most hundredths are none. It is exact nevertheless: a decimal of at most fifteen
//! significant digits becomes the nearest binary fraction, and the shortest decimal that becomes the same fraction is that decimal again.
//! So an amount is told as what its decimal spelling is read as, and heard as what its shortest spelling says; nothing is multiplied,
//! divided or rounded. What has more digits, or parts of a hundredth, is not rounded: it is not told, or not read.

use serde_json::Number;

/// The first amount that is too large: fifteen digits are exact, two of them behind the point.
const TOO_LARGE: i64 = 1_000_000_000_000_000;

/// An amount of ours as a JSON number; `None`: it cannot be said exactly.
pub(super) fn told(minor: i64) -> Option<Number> {
    if minor <= -TOO_LARGE || minor >= TOO_LARGE {
        return None;
    }
    if minor % 100 == 0 {
        return Some(Number::from(minor / 100));
    }
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, part) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    format!("{sign}{whole}.{part:02}").parse().ok().and_then(Number::from_f64)
}

/// A JSON number as an amount of ours; `None`: it is none, to the hundredth.
pub(super) fn heard(number: &Number) -> Option<i64> {
    let text = number.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    // Zeros behind the hundredths say nothing; an exponent, which is for what is very large or very small, is no amount.
    let part = part.trim_end_matches('0');
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !is_plain(whole) || !is_plain(part) {
        return None;
    }
    let minor: i64 = format!("{whole}{part:0<2}").parse().ok()?;
    (minor < TOO_LARGE).then_some(sign * minor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn spelt(minor: i64) -> String {
        serde_json::to_string(&told(minor).expect("an amount")).expect("a number is JSON")
    }

    #[test]
    fn amounts_are_spelt_as_people_spell_them() {
        for (minor, text) in [
            (0, "0"),
            (1, "0.01"),
            (10, "0.1"),
            (29, "0.29"),
            (100, "1"),
            (5_000, "50"),
            (115_029, "1150.29"),
            (-690, "-6.9"),
            (-5, "-0.05"),
            (999_999_999_999_999, "9999999999999.99"),
        ] {
            assert_eq!(spelt(minor), text, "{minor}");
        }
        assert_eq!(told(TOO_LARGE), None);
        assert_eq!(told(-TOO_LARGE), None);
        assert_eq!(told(i64::MIN), None);
    }

    #[test]
    fn every_hundredth_up_to_ten_thousand_comes_back() {
        for minor in -1_000_000..=1_000_000 {
            let text = spelt(minor);
            let number: Number = serde_json::from_str(&text).expect("a number");
            assert_eq!(heard(&number), Some(minor), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_not_rounded_to_one() {
        let read = |value: Value| value.as_number().and_then(heard);
        for (value, expected) in [
            (json!(1500), Some(150_000)),
            (json!(1500.0), Some(150_000)),
            (json!(-0.5), Some(-50)),
            (json!(0.0), Some(0)),
            (json!(-0.0), Some(0)),
            (json!(0.1 + 0.2), None),
            (json!(12.345), None),
            (json!(0.001), None),
            (json!(1e-7), None),
            (json!(1e300), None),
            (json!(9_999_999_999_999.99), Some(999_999_999_999_999)),
            (json!(10_000_000_000_000_i64), None),
            (json!(u64::MAX), None),
        ] {
            assert_eq!(read(value.clone()), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_is_heard_as_it_is_told(minor in (1 - TOO_LARGE)..TOO_LARGE) {
            let number: Number = serde_json::from_str(&spelt(minor)).expect("a number");
            prop_assert_eq!(heard(&number), Some(minor));
        }

        #[test]
        fn it_has_two_places_at_most_and_no_exponent(minor in (1 - TOO_LARGE)..TOO_LARGE) {
            let text = spelt(minor);
            prop_assert!(text.split_once('.').is_none_or(|(_, part)| part.len() <= 2), "{}", text);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-'), "{}", text);
        }
    }
}
