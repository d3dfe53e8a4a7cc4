//! Orders that waiting money may be for, to be shown to the person who decides.
//!
//! [`super::match_confirmation`] pays an order only where it is certain. Here all are found that can be meant, with what speaks for
//! each: the code or the number that was typed, the payer's number as far as it is shown, or only the price and the time. An order
//! that costs more than what came is none of them.

use std::time::Duration;

use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;

use super::{Listed, Payer, Reference};
use crate::money::money;
use crate::{Db, Result, StoreError};

/// Orders that were made so long before the payment, or after it, are looked at.
const AROUND: Duration = Duration::from_secs(24 * 3600);
/// The price alone speaks for an order that was made so shortly before.
const JUST_BEFORE: Duration = Duration::from_secs(30 * 60);
/// Most orders that are looked at.
const LOOKED_AT: i64 = 1000;
/// Most that are suggested: more than a person compares.
const SUGGESTED: usize = 8;

/// What speaks for an order, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Because {
    /// Its code was typed.
    Code,
    /// Its customer's number was typed.
    Number,
    /// Its customer's number can be the payer's.
    Payer,
    /// It costs just this and was made shortly before.
    Price,
}

/// An order that is not paid and may be meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suggestion {
    /// Its code.
    pub order: String,
    /// Whose it is.
    pub phone: Phone,
    /// What is bought.
    pub package: String,
    /// What it costs.
    pub price: Money,
    /// When it was made.
    pub at: OffsetDateTime,
    /// What speaks for it.
    pub because: Because,
}

/// The orders that this money may be for, the likeliest first. `reference` and `payer` are what was told with it, read.
pub async fn suggestions(db: &Db, told: &Listed, reference: &Reference, payer: &Payer) -> Result<Vec<Suggestion>> {
    let code = match reference {
        Reference::OrderCode(code) => Some(code.as_str()),
        Reference::Phone(_) | Reference::Other => None,
    };
    let rows = sqlx::query!(
        r#"SELECT code, phone, package->>'name' AS "package!", amount_minor, currency, created_at FROM orders
           WHERE state NOT IN ('paid', 'refund_due') AND currency = $2 AND amount_minor BETWEEN 1 AND $3
             AND (code = $1 OR created_at BETWEEN $4 AND $5)
           ORDER BY created_at DESC LIMIT $6"#,
        code,
        told.amount.currency.as_str(),
        told.amount.minor,
        told.at - AROUND,
        told.at + AROUND,
        LOOKED_AT
    )
    .fetch_all(&db.pool)
    .await?;
    let mut found = Vec::new();
    for row in rows {
        let phone = row.phone.parse::<Phone>().map_err(|error| StoreError::corrupt("orders", &row.code, error))?;
        let (price, at) = (money("orders", &row.code, row.amount_minor, &row.currency)?, row.created_at);
        let because = because(told, reference, payer, &Candidate { code: &row.code, phone: &phone, price, at });
        let Some(because) = because else { continue };
        found.push(Suggestion { order: row.code, phone, package: row.package, price, at, because });
    }
    // A stable sort: of equal ones the newest stays first.
    found.sort_by_key(|suggestion| suggestion.because);
    found.truncate(SUGGESTED);
    Ok(found)
}

struct Candidate<'a> {
    code: &'a str,
    phone: &'a Phone,
    price: Money,
    at: OffsetDateTime,
}

fn because(told: &Listed, reference: &Reference, payer: &Payer, order: &Candidate<'_>) -> Option<Because> {
    let is_just_before = order.at <= told.at && told.at - order.at <= JUST_BEFORE;
    match reference {
        Reference::OrderCode(typed) if typed == order.code => Some(Because::Code),
        Reference::Phone(typed) if typed == order.phone => Some(Because::Number),
        _ if payer.may_be(order.phone) => Some(Because::Payer),
        _ if order.price == told.amount && is_just_before => Some(Because::Price),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_for_an_order_is_named_the_strongest_first() {
        let at = |minutes: u64| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60 * minutes);
        let told = Listed {
            provider: "mpesa".into(),
            receipt: "AAAAAAAAA1".into(),
            amount: Money::kes(2_000),
            payer_name: String::new(),
            payer_number: String::new(),
            typed: String::new(),
            at: at(100),
            is_confirmed: false,
            is_booked: true,
            state: "unmatched".into(),
            order: None,
            rest: None,
            decided_by: None,
            given_back_at: None,
            given_back_proof: None,
            ignored: None,
        };
        let phone: Phone = "0712345678".parse().expect("a phone");
        let code = Reference::OrderCode("AB2CD3EF".into());
        let masked = Payer::Masked { begins: "2547".into(), ends: "678".into() };
        let typed = Reference::Phone(phone.clone());
        for (reference, payer, made, minor, expected) in [
            (&code, &masked, 10, 1_000, Some(Because::Code)),
            (&typed, &masked, 10, 1_000, Some(Because::Number)),
            (&Reference::Other, &masked, 10, 1_000, Some(Because::Payer)),
            (&Reference::Other, &Payer::Hidden, 70, 2_000, Some(Because::Price)),
            (&Reference::Other, &Payer::Hidden, 69, 2_000, None),
            (&Reference::Other, &Payer::Hidden, 101, 2_000, None),
            (&Reference::Other, &Payer::Hidden, 90, 1_000, None),
        ] {
            let order = Candidate { code: "AB2CD3EF", phone: &phone, price: Money::kes(minor), at: at(made) };
            assert_eq!(because(&told, reference, payer, &order), expected, "{reference:?} {payer:?} {made} {minor}");
        }
    }
}
