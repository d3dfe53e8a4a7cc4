//! Why money waits, in a sentence: what was typed as account number, and what is known of that now.

use shared::time::OffsetDateTime;
use store::unmatched::{self, Found, Listed, Reference};

use crate::App;
use crate::admin::Refusal;
use crate::payments::c2b;

/// Of money that is told of beside the receipt of a prompt, and that nobody could say anything of.
const NOT_BOOKED: &str = "M-Pesa’s report of a prompt that is paid named this receipt beside its own, and M-Pesa has not confirmed it: look at its \
                          statement first. It is not booked before you decide.";

/// Why this money waits.
pub(super) async fn of(app: &App, money: &Listed, now: OffsetDateTime) -> Result<String, Refusal> {
    if !money.is_booked {
        return Ok(NOT_BOOKED.into());
    }
    if let Some(stated) = stated(money) {
        return Ok(stated.into());
    }
    let reference = c2b::reference(&money.typed);
    let found = unmatched::expected(&app.db, &reference, money.amount, now).await?;
    Ok(in_words(money, &reference, found))
}

/// Of money of which only a statement tells.
fn stated(money: &Listed) -> Option<&'static str> {
    match money.provider.as_str() {
        "stripe" => Some("It stands on Stripe’s statement, and is no payment of an order here."),
        "bank" => Some("It stands on the bank’s statement, and nobody said here what it is for."),
        _ => None,
    }
}

fn in_words(money: &Listed, reference: &Reference, found: Found) -> String {
    let amount = money.amount;
    match (reference, found) {
        (Reference::OrderCode(code), Found::Nothing) => format!("No order has the code {code}."),
        (Reference::OrderCode(code), Found::Settled) => format!("Order {code} is paid already."),
        (Reference::OrderCode(code), Found::Open(price)) if price != amount => {
            format!("Order {code} costs {price}, and {amount} came.")
        }
        (Reference::OrderCode(code), Found::Open(_)) => {
            format!("Order {code} waits for just this, but M-Pesa did not confirm the payment in time.")
        }
        (Reference::Phone(phone), Found::Open(_)) => format!("{phone} was typed, who has an order of just this price."),
        (Reference::Phone(phone), Found::Nothing | Found::Settled) => {
            format!("{phone} was typed, who has no unpaid order of just this price.")
        }
        (Reference::Other, _) if money.typed.trim().is_empty() => {
            "Nothing was typed as account number, and who paid is not certain.".into()
        }
        (Reference::Other, _) => "What was typed is neither an order’s code nor a phone number.".into(),
    }
}

#[cfg(test)]
mod tests {
    use shared::money::Money;

    use super::*;
    use crate::admin::money::tests::money;

    #[test]
    fn every_reason_has_its_sentence() {
        let code = Reference::OrderCode("AB2CD3EF".into());
        let phone = Reference::Phone("0712345678".parse().expect("a phone"));
        let (other, same) = (Found::Open(Money::kes(2_000)), Found::Open(Money::kes(5_000)));
        for (reference, found, part) in [
            (&code, Found::Nothing, "No order has the code AB2CD3EF"),
            (&code, Found::Settled, "is paid already"),
            (&code, other, "costs KSh 20, and KSh 50 came"),
            (&code, same, "did not confirm"),
            (&phone, same, "has an order of just this price"),
            (&phone, Found::Nothing, "has no unpaid order"),
            (&Reference::Other, Found::Nothing, "neither an order"),
        ] {
            let words = in_words(&money("unmatched"), reference, found);
            assert!(words.contains(part), "{words}");
        }
        let of = |provider: &str| stated(&Listed { provider: provider.into(), ..money("unmatched") });
        assert!(of("mpesa").is_none() && of("bank").is_some_and(|words| words.contains("bank")));
        let nothing = Listed { typed: " ".into(), ..money("unmatched") };
        assert!(in_words(&nothing, &Reference::Other, Found::Nothing).starts_with("Nothing was typed"));
    }
}
