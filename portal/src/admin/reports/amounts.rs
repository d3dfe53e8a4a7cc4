//! What the reports of money share: amounts in words and in files, currencies in order, and what ways of paying are called.
//!
//! Refused here: adding up amounts of different currencies.

use shared::money::Money;

use crate::admin::listing::Cell;

/// An amount in words.
pub(in crate::admin) fn amount(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{currency} {}", decimal(minor)),
    }
}

/// The same in a cell; a file has the number alone.
pub(in crate::admin) fn cell(minor: i64, currency: &str) -> Cell {
    Cell::text(amount(minor, currency)).value(decimal(minor))
}

/// `20.50`.
pub(in crate::admin) fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.unsigned_abs() / 100, minor.unsigned_abs() % 100)
}

/// The currencies of these amounts, the one with most first.
pub(super) fn currencies<'a>(amounts: impl Iterator<Item = (&'a str, i64)>) -> Vec<&'a str> {
    let mut found: Vec<(&str, i64)> = Vec::new();
    for (currency, amount) in amounts {
        match found.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => found.push((currency, amount)),
        }
    }
    found.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    found.into_iter().map(|(currency, _)| currency).collect()
}

/// What is said where there is more than one currency.
pub(super) fn several(currencies: &[&str]) -> Option<String> {
    let (main, others) = currencies.split_first().filter(|(_, others)| !others.is_empty())?;
    Some(format!("Figures and charts of amounts are of {main}; {} stand in the tables.", others.join(", ")))
}

/// What a way of paying is called.
pub(in crate::admin) fn method(provider: &str) -> &'static str {
    match provider {
        "mpesa" => "M-Pesa",
        "stripe" => "Card",
        "voucher" => "Voucher",
        "cash" => "Cash",
        _ => "Another way",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_words_on_a_page_and_a_number_in_a_file() {
        let cell = cell(-2_050, "KES");
        assert_eq!((cell.text.as_str(), cell.value.as_str()), ("-KSh 20.50", "-20.50"));
        assert_eq!(amount(5, "odd"), "odd 0.05");
    }

    #[test]
    fn the_currency_with_most_comes_first_and_nothing_is_added_across() {
        let amounts = [("KES", 3), ("USD", 5), ("KES", 4)];
        let found = currencies(amounts.into_iter());
        assert_eq!(found, ["KES", "USD"]);
        assert!(several(&found).is_some_and(|said| said.contains("of KES; USD stand")));
        assert_eq!(several(&["KES"]), None);
    }
}
