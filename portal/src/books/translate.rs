//! A part of a closed document, in the words of the accountant's program: our packages, sites, taxes and ways of payment become what the
//! operator chose for them there. A function of both; what is missing is said in words that lead to the mapping page.
//!
//! What each program cannot do without: QuickBooks wants a product or service for each line of a sale, which knows its account; Xero and Zoho
//! want the account itself. A letter of tax needs a choice where there is tax in the line.
//!
//! A way of payment, and the customer of daily sales, can have a choice for a currency of their own (`stripe:USD`, `USD`), which comes before
//! the one for all: an account and a customer there mostly have one currency, and a program refuses another one or converts it.
//!
//! Refused here: guessing. A line without an account is not told.

use ::books::connector::Provider;
use ::books::posting::{Line, Part, Posting, Style};
use shared::money::Currency;
use store::books::mapping::{ALL, Mappings};
use store::books::posting::make::Telling;
use store::books::posting::parts::{self, Purpose, Told};
use time::Date;

/// The subject of what is owed for paper, among items.
pub(crate) const DEFERRED: &str = "deferred";
/// The subject of what a provider gave back, among items.
pub(crate) const FEES: &str = "fees";
/// The subject of a line without tax.
pub(crate) const NO_TAX: &str = "none";

/// What the program is told.
///
/// # Errors
/// What is missing, a sentence each.
pub(crate) fn translate(telling: &Telling, mappings: &Mappings, provider: Provider) -> Result<Posting, Vec<String>> {
    let mut look = Look { mappings, provider, missing: Vec::new() };
    let part = part(telling.part);
    let lines = telling.lines.iter().map(|line| look.line(line, part)).collect();
    let method = telling.method.as_str();
    let currency = telling.currency.as_str();
    let paid = of_currency(method, currency);
    let contact = match (&telling.customer, part) {
        (Some(customer), _) => Some(customer.clone()),
        (None, Part::Fees) => look
            .wanted("supplier", [&paid, method], || format!("who keeps the fees of {}", in_currency(method, currency))),
        (None, _) => look.wanted("customer", [currency, ALL], || "the customer of daily sales".to_owned()),
    };
    let deposit = look
        .wanted("deposit", [&paid, method], || format!("the account of money by {}", in_currency(method, currency)));
    let site = telling.site.map(|site| site.to_string());
    let posting = Posting {
        number: telling.number.clone(),
        part,
        style: if telling.customer.is_some() { Style::Invoice } else { Style::Receipt },
        day: telling.day,
        currency: telling.currency.clone(),
        lines,
        contact: contact.unwrap_or_default(),
        deposit: deposit.unwrap_or_default(),
        method: look.chosen("method", method),
        class: look.chosen("class", site.as_deref().unwrap_or(ALL)),
        memo: memo(telling, part),
    };
    if look.missing.is_empty() { Ok(posting) } else { Err(look.missing) }
}

/// The same part, as the package of programs names it.
pub(crate) fn part(part: parts::Part) -> Part {
    match part {
        parts::Part::Sale => Part::Sale,
        parts::Part::Refund => Part::Refund,
        parts::Part::Fees => Part::Fees,
    }
}

/// A way of payment for people.
pub(crate) fn word(method: &str) -> &str {
    match method {
        "mpesa" => "M-Pesa",
        "stripe" => "card",
        other => other,
    }
}

/// The subject of a way of payment in one currency.
pub(crate) fn of_currency(method: &str, currency: &str) -> String {
    format!("{method}:{currency}")
}

/// A way of payment for people, with its currency where that is not the country's own: `card in USD`.
pub(crate) fn in_currency(method: &str, currency: &str) -> String {
    let method = word(method);
    if currency == Currency::KES.as_str() { method.to_owned() } else { format!("{method} in {currency}") }
}

struct Look<'a> {
    mappings: &'a Mappings,
    provider: Provider,
    missing: Vec<String>,
}

impl Look<'_> {
    /// What was chosen for this subject, or for all.
    fn chosen(&self, what: &str, subject: &str) -> Option<String> {
        let of = |subject: &str| self.mappings.get(&(what.to_owned(), subject.to_owned()));
        of(subject).or_else(|| of(ALL)).cloned()
    }

    /// The same of what it cannot do without, for the first of these subjects that has a choice.
    fn wanted(&mut self, what: &str, subjects: [&str; 2], of: impl FnOnce() -> String) -> Option<String> {
        let [narrow, wide] = subjects;
        let own = self.mappings.get(&(what.to_owned(), narrow.to_owned())).cloned();
        let chosen = own.or_else(|| self.chosen(what, wide));
        if chosen.is_none() {
            let words = format!("{} is not chosen in {}", capital(&of()), self.provider.name());
            self.lacks(&words);
        }
        chosen
    }

    fn lacks(&mut self, words: &str) {
        let sentence = format!("{words}: choose one on the mapping page.");
        if !self.missing.contains(&sentence) {
            self.missing.push(sentence);
        }
    }

    fn line(&mut self, line: &Told, part: Part) -> Line {
        let package = line.package.map(|package| package.to_string());
        let subject = package.as_deref().unwrap_or(ALL);
        let (account, kind, item) = match line.purpose {
            Purpose::Income => (self.chosen("income", subject), "account of income", subject),
            Purpose::Deferred => (self.chosen("deferred", ALL), "account for vouchers that are not used yet", DEFERRED),
            Purpose::Fees => (self.chosen("fees", ALL), "account of expenses for fees", FEES),
        };
        let item = if part == Part::Fees { None } else { self.chosen("item", item) };
        let program = self.provider.name();
        let is_by_item = self.provider == Provider::QuickBooks && part != Part::Fees;
        if is_by_item && item.is_none() {
            self.lacks(&format!("“{}” has no product or service in {program}", line.description));
        }
        if !is_by_item && account.is_none() {
            self.lacks(&format!("“{}” has no {kind} in {program}", line.description));
        }
        let letter = line.letter.as_deref();
        let tax_code = self.mappings.get(&("tax".to_owned(), letter.unwrap_or(NO_TAX).to_owned())).cloned();
        if tax_code.is_none() && line.tax > 0 {
            self.lacks(&format!("Tax {} has no tax in {program}", letter.unwrap_or("without a letter")));
        }
        Line {
            description: line.description.clone(),
            quantity: line.quantity.max(1),
            gross: line.gross,
            tax: line.tax,
            item,
            account: account.unwrap_or_default(),
            tax_code,
        }
    }
}

/// `Document 20261122-NBO1-M: sold on 22 November 2026 at Market by M-Pesa.`
fn memo(telling: &Telling, part: Part) -> String {
    let what = match part {
        Part::Sale => "sold",
        Part::Refund => "given back, and owed no more",
        Part::Fees => "kept by the provider",
    };
    let place = telling.site_name.as_deref().map_or_else(String::new, |site| format!(" at {site}"));
    let (day, method) = (said(telling.day), word(&telling.method));
    format!("Document {}: {what} on {day}{place} by {method}.", telling.document)
}

/// `22 November 2026`.
pub(crate) fn said(day: Date) -> String {
    format!("{} {} {}", day.day(), day.month(), day.year())
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use time::macros::date;
    use uuid::Uuid;

    use super::*;

    pub(crate) const PACKAGE: Uuid = Uuid::from_u128(1);

    pub(crate) fn telling(part: parts::Part, lines: Vec<Told>) -> Telling {
        Telling {
            number: "20261122-NBO1-M".into(),
            part,
            document: "20261122-NBO1-M".into(),
            day: date!(2026 - 11 - 22),
            site_name: Some("Market".into()),
            site: Some(Uuid::from_u128(7)),
            method: "mpesa".into(),
            currency: "KES".into(),
            lines,
            customer: None,
        }
    }

    pub(crate) fn told(purpose: Purpose, gross: i64, tax: i64) -> Told {
        Told {
            purpose,
            package: (purpose == Purpose::Income).then_some(PACKAGE),
            description: "1 hour".into(),
            quantity: 2,
            gross,
            tax,
            letter: (tax > 0).then(|| "B".to_owned()),
        }
    }

    pub(crate) fn mappings(chosen: &[(&str, &str, &str)]) -> Mappings {
        chosen
            .iter()
            .map(|(what, subject, id)| (((*what).to_owned(), (*subject).to_owned()), (*id).to_owned()))
            .collect()
    }

    fn all() -> Mappings {
        mappings(&[
            ("item", "*", "10"),
            ("item", &PACKAGE.to_string(), "11"),
            ("item", DEFERRED, "12"),
            ("income", "*", "200"),
            ("deferred", "*", "800"),
            ("fees", "*", "400"),
            ("tax", "B", "5"),
            ("customer", "*", "58"),
            ("supplier", "mpesa", "59"),
            ("deposit", "mpesa", "35"),
            ("class", "00000000-0000-0000-0000-000000000007", "3"),
        ])
    }

    #[test]
    fn what_was_chosen_stands_in_the_place_of_what_is_ours() {
        let lines = vec![told(Purpose::Income, 11_600, 1_600), told(Purpose::Deferred, 500, 0)];
        let posting = translate(&telling(parts::Part::Sale, lines), &all(), Provider::Xero).expect("all is chosen");
        assert_eq!((posting.contact.as_str(), posting.deposit.as_str(), posting.total()), ("58", "35", 12_100));
        assert_eq!((posting.class.as_deref(), posting.method), (Some("3"), None));
        let [sale, owed] = posting.lines.as_slice() else { panic!("two lines") };
        assert_eq!(
            (sale.item.as_deref(), sale.account.as_str(), sale.tax_code.as_deref()),
            (Some("11"), "200", Some("5"))
        );
        assert_eq!((owed.item.as_deref(), owed.account.as_str(), owed.tax_code.as_deref()), (Some("12"), "800", None));
        assert_eq!(posting.memo, "Document 20261122-NBO1-M: sold on 22 November 2026 at Market by M-Pesa.");
        let fees = telling(parts::Part::Fees, vec![told(Purpose::Fees, 120, 0)]);
        let fees = translate(&fees, &all(), Provider::QuickBooks).expect("all is chosen");
        assert_eq!(
            (fees.contact.as_str(), fees.lines[0].account.as_str(), fees.lines[0].item.as_deref()),
            ("59", "400", None)
        );
    }

    #[test]
    fn money_of_another_currency_goes_where_that_is_kept() {
        let foreign = Telling {
            method: "stripe".into(),
            currency: "USD".into(),
            ..telling(parts::Part::Sale, vec![told(Purpose::Income, 100, 0)])
        };
        let with = |own: &[(&str, &str, &str)]| {
            let mut chosen = all();
            chosen.extend(mappings(own));
            translate(&foreign, &chosen, Provider::Xero).map(|posting| (posting.deposit, posting.contact))
        };
        let says = |text: &str| Err(vec![text.to_owned()]);
        assert_eq!(
            with(&[]),
            says("The account of money by card in USD is not chosen in Xero: choose one on the mapping page.")
        );
        let (of_all, of_usd) = (("deposit", "stripe", "36"), ("deposit", "stripe:USD", "37"));
        assert_eq!(with(&[of_all]), Ok(("36".into(), "58".into())));
        assert_eq!(with(&[of_all, of_usd, ("customer", "USD", "70")]), Ok(("37".into(), "70".into())));
        let other = ("deposit", "stripe:EUR", "38");
        assert_eq!(
            with(&[of_all, other, ("customer", "EUR", "71")]),
            Ok(("36".into(), "58".into())),
            "that is another"
        );
        let fees = Telling { part: parts::Part::Fees, lines: vec![told(Purpose::Fees, 5, 0)], ..foreign.clone() };
        let mut chosen = all();
        chosen.extend(mappings(&[of_usd, ("supplier", "stripe", "60"), ("supplier", "stripe:USD", "61")]));
        let fees = translate(&fees, &chosen, Provider::Zoho).expect("all is chosen");
        assert_eq!((fees.contact.as_str(), fees.deposit.as_str()), ("61", "37"));
    }

    #[test]
    fn what_is_missing_is_said_in_words_and_once() {
        let twice = vec![told(Purpose::Income, 11_600, 1_600), told(Purpose::Income, 11_600, 1_600)];
        let day = telling(parts::Part::Sale, twice);
        let missing = translate(&day, &Mappings::new(), Provider::Xero).expect_err("nothing is chosen");
        assert_eq!(
            missing,
            [
                "“1 hour” has no account of income in Xero: choose one on the mapping page.",
                "Tax B has no tax in Xero: choose one on the mapping page.",
                "The customer of daily sales is not chosen in Xero: choose one on the mapping page.",
                "The account of money by M-Pesa is not chosen in Xero: choose one on the mapping page."
            ]
        );
        let missing = translate(&day, &Mappings::new(), Provider::QuickBooks).expect_err("nothing is chosen");
        assert!(missing[0].starts_with("“1 hour” has no product or service in QuickBooks Online"), "{missing:?}");
        for without in ["deposit", "customer", "tax", "income"] {
            let mut chosen = all();
            chosen.retain(|(what, _), _| what != without);
            let lacks = translate(&day, &chosen, Provider::Zoho).expect_err(without);
            assert_eq!(lacks.len(), 1, "{lacks:?}");
        }
    }

    #[test]
    fn an_order_of_a_business_customer_is_an_invoice_to_them() {
        let one =
            Telling { customer: Some("77".into()), ..telling(parts::Part::Sale, vec![told(Purpose::Income, 100, 0)]) };
        let posting = translate(&one, &all(), Provider::QuickBooks).expect("all is chosen");
        assert_eq!((posting.contact.as_str(), posting.style), ("77", Style::Invoice));
    }
}
