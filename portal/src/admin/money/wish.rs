//! What money shall pay for, read from a form: an order by its code, or a package for a customer.

use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use store::package::Package;
use store::unmatched::{self, Found, Listed, Purpose, Reference};

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Problems, told};
use crate::payments::c2b;

/// What money shall pay for.
#[derive(Debug)]
pub(super) enum Wish {
    /// This order.
    Order { code: String, price: Money },
    /// This package, for this customer.
    Package { phone: Phone, package: Box<Package> },
}

impl Wish {
    /// Reads it. `None`: what is wrong stands in `problems`.
    pub(super) async fn read(
        app: &App,
        money: &Listed,
        sent: &Fields,
        problems: &mut Problems,
        now: OffsetDateTime,
    ) -> Result<Option<Wish>, Refusal> {
        let wish = match sent.text("order") {
            "" => Wish::package(app, sent, problems).await?,
            typed => Wish::order(app, money, typed, problems, now).await?,
        };
        let Some(wish) = wish else { return Ok(None) };
        let (price, field) = match &wish {
            Wish::Order { price, .. } => (*price, "order"),
            Wish::Package { package, .. } => (package.price, "package"),
        };
        if price.minor == 0 {
            problems.note(field, "that costs nothing, so money cannot pay for it");
            return Ok(None);
        }
        if price.currency != money.amount.currency || price.minor > money.amount.minor {
            problems.note(field, format!("{} does not pay for {price}", money.amount));
            return Ok(None);
        }
        Ok(Some(wish))
    }

    async fn order(
        app: &App,
        money: &Listed,
        typed: &str,
        problems: &mut Problems,
        now: OffsetDateTime,
    ) -> Result<Option<Wish>, Refusal> {
        let reference = c2b::reference(typed);
        let Reference::OrderCode(code) = &reference else {
            problems.note("order", "an order’s code has eight letters and digits, such as AB2CD3EF");
            return Ok(None);
        };
        let problem = match unmatched::expected(&app.db, &reference, money.amount, now).await? {
            Found::Open(price) => return Ok(Some(Wish::Order { code: code.clone(), price })),
            Found::Nothing => format!("there is no order {code}"),
            Found::Settled => format!("order {code} is paid already: name the customer and a package instead"),
        };
        problems.note("order", problem);
        Ok(None)
    }

    async fn package(app: &App, sent: &Fields, problems: &mut Problems) -> Result<Option<Wish>, Refusal> {
        let phone = problems.keep("phone", sent.text("phone").parse::<Phone>());
        let package = told(store::package::by_slug(&app.db, sent.text("package")).await)?;
        let package = problems.keep("package", package.map_err(|_| "choose a package"));
        Ok(phone.zip(package).map(|(phone, package)| Wish::Package { phone, package: Box::new(package) }))
    }

    /// The same as the store is told it.
    pub(super) fn purpose(&self) -> Purpose<'_> {
        match self {
            Wish::Order { code, .. } => Purpose::Order(code),
            Wish::Package { phone, package } => Purpose::Package { phone, package },
        }
    }

    /// What will be done, in sentences.
    pub(super) fn in_words(&self, money: &Listed) -> Vec<String> {
        let (amount, receipt) = (money.amount, &money.receipt);
        let (what, price) = match self {
            Wish::Order { code, price } => (format!("for order {code}"), *price),
            Wish::Package { phone, package } => (format!("for {} for {phone}", package.name), package.price),
        };
        let mut lines =
            vec![format!("{amount} of receipt {receipt} pays {what}, which costs {price}. Access is given at once.")];
        let rest = Money { minor: amount.minor - price.minor, ..amount };
        if rest.minor > 0 {
            lines.push(format!("{rest} more than the price came: that is owed to the customer."));
        }
        if !money.is_confirmed {
            lines.push("M-Pesa has not confirmed this payment: look at its statement first.".into());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::money::tests::money;

    #[test]
    fn whoever_confirms_has_read_what_is_left_and_what_is_not_certain() {
        let wish = Wish::Order { code: "AB2CD3EF".into(), price: Money::kes(2_000) };
        let lines = wish.in_words(&money("unmatched"));
        assert_eq!(
            lines[0],
            "KSh 50 of receipt RKTQDM7W6S pays for order AB2CD3EF, which costs KSh 20. Access is given at once."
        );
        assert!(lines[1].starts_with("KSh 30 more") && lines[2].contains("has not confirmed"), "{lines:?}");
        let exact = Wish::Order { code: "AB2CD3EF".into(), price: Money::kes(5_000) };
        assert_eq!(exact.in_words(&Listed { is_confirmed: true, ..money("unmatched") }).len(), 1);
    }
}
