//! Amounts as Zoho writes them: JSON numbers of shillings with their hundredths, to which ours are written and from which they are read by
//! their digits, without arithmetic on fractions.

use serde_json::{Number, Value};

/// The most that is taken, in minor units: what a number of JSON holds to the last digit.
const MOST: i64 = 99_999_999_999_999;

/// An amount of ours as people spell it: `1500.25`.
pub(super) fn spelt(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, part) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    format!("{sign}{whole}.{part:02}")
}

/// The same as a number of JSON. `None`: it is too large to be exact.
pub(super) fn told(minor: i64) -> Option<Value> {
    if minor.unsigned_abs() > MOST.unsigned_abs() {
        return None;
    }
    // Up to fifteen digits are the same after they were read as a fraction and written again.
    let number = spelt(minor).parse::<f64>().ok().and_then(Number::from_f64)?;
    Some(Value::Number(number))
}

/// What Zoho wrote, as a number or as text. `None`: it is no amount, or one with parts of a hundredth.
pub(super) fn heard(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = part.trim_end_matches('0');
    let is_plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !is_plain(whole) || !is_plain(part) {
        return None;
    }
    let minor = format!("{whole}{part:0<2}").parse::<i64>().ok()?;
    (minor <= MOST).then_some(sign * minor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_amount_is_not_read() {
        for (value, expected) in [
            (json!(1500), Some(150_000)),
            (json!(1500.25), Some(150_025)),
            (json!("1500.20"), Some(150_020)),
            (json!(-0.5), Some(-50)),
            (json!(0.1), Some(10)),
            (json!("1500.2500"), Some(150_025)),
            (json!(0.001), None),
            (json!("1,500.00"), None),
            (json!(""), None),
            (json!(1e20), None),
            (json!(null), None),
        ] {
            assert_eq!(heard(&value), expected, "{value}");
        }
        assert_eq!(told(MOST + 1), None);
    }

    proptest! {
        #[test]
        fn an_amount_comes_back_as_it_was_told(minor in -MOST..=MOST) {
            let told = told(minor).unwrap();
            prop_assert_eq!(heard(&told), Some(minor));
            let text = serde_json::to_string(&told).unwrap();
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(heard(&again), Some(minor));
        }
    }
}
