//! What an e-mail says: under its subject the text of the news, as it would be sent by SMS; for a payment the lines of its
//! receipt; and at the end why it comes, and where to say that it shall not, or that it comes to whoever refuses the others too.

use std::collections::BTreeMap;

use shared::language::Language;
use shared::notice::Notice;
use store::notification::{self, News};
use store::order::{self, Order};
use store::payment::Receipt;
use store::{StoreError, discount, payment};
use uuid::Uuid;

use super::texts;
use crate::App;
use crate::urls;
use crate::views::text::say;
use crate::views::{time, words};

/// An e-mail, worded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    /// Where one request ends such e-mails, if they can be refused.
    pub(crate) refuse: Option<String>,
}

/// Words a piece of news as an e-mail. `values` and `text` are what its SMS would be made of and say.
pub(crate) async fn word(
    app: &App,
    notice: Notice,
    news: &News,
    values: &BTreeMap<&'static str, String>,
    text: &str,
) -> Result<Letter, StoreError> {
    let receipt = match (notice, order_of(news)) {
        (Notice::PaymentReceived, Some(order)) => receipt(app, order, language_of(&news.locale)).await?,
        _ => None,
    };
    let refuse = notice
        .can_be_refused()
        .then(|| urls::whole(&app.config.portal.public_url, &urls::email_refusal(app.db.seal(), news.user)));
    // Nobody gets this news who has not just asked for it, and nothing else comes there yet.
    let why = (notice != Notice::AddressProof).then(|| why(app, language_of(&news.locale), refuse.as_deref()));
    let parts = [Some(text.to_owned()), receipt, why];
    Ok(Letter {
        subject: subject(app, notice, &news.locale, values).await?,
        text: parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"),
        refuse,
    })
}

/// The order that news is about.
pub(crate) fn order_of(news: &News) -> Option<Uuid> {
    news.payload.get("order").and_then(serde_json::Value::as_str)?.parse().ok()
}

async fn subject(
    app: &App,
    notice: Notice,
    locale: &str,
    values: &BTreeMap<&'static str, String>,
) -> Result<String, StoreError> {
    let own = notification::subject(&app.db, notice, locale).await?;
    let ours = || texts::fill_subject(texts::built_in_subject(notice, locale), values).unwrap_or_default();
    Ok(match own.as_deref().map(|text| texts::fill_subject(text, values)) {
        Some(Ok(subject)) if !subject.is_empty() => subject,
        // It was tried when it was written; a mistake since then is ours.
        Some(Err(error)) => {
            tracing::error!(notice = notice.as_str(), %error, "an operator's subject does not work; ours is sent");
            ours()
        }
        _ => ours(),
    })
}

/// The lines of a receipt, as its page has them. `None`: nothing was paid, or it is not there any more.
async fn receipt(app: &App, id: Uuid, language: Language) -> Result<Option<String>, StoreError> {
    let order = match order::get(&app.db, id).await {
        Err(StoreError::Missing { .. }) => return Ok(None),
        other => other?,
    };
    let Some(paid_at) = order.paid_at else { return Ok(None) };
    let savings = discount::of_order(&app.db, id).await?;
    let savings = savings.iter().map(|applied| format!("{}, {}", applied.name, applied.saving)).collect();
    let reference = payment::receipt_of(&app.db, id).await?;
    let paid = Paid { order, when: time::stamp(language, paid_at), savings, reference };
    Ok(Some(paid.lines(&app.config.portal.brand, language)))
}

/// What a receipt is made of.
struct Paid {
    order: Order,
    when: String,
    /// What lowered the price, a line each.
    savings: Vec<String>,
    /// The provider's receipt.
    reference: Option<Receipt>,
}

impl Paid {
    fn lines(&self, brand: &str, language: Language) -> String {
        let mut lines = vec![
            (say(language, "receipt-paid-to"), brand.to_owned()),
            (say(language, "receipt-for"), self.order.package_in(language).to_owned()),
            (say(language, "receipt-amount"), self.order.amount.to_string()),
        ];
        lines.extend(self.savings.iter().map(|saving| (say(language, "receipt-saved"), saving.clone())));
        lines.push((say(language, "receipt-when"), self.when.clone()));
        lines.push((say(language, "receipt-by"), self.order.phone.masked()));
        let reference = |receipt: &Receipt| (say(language, words::receipt(&receipt.provider)), receipt.number.clone());
        lines.extend(self.reference.iter().map(reference));
        lines.push((say(language, "receipt-order"), self.order.code.clone()));
        let lines: Vec<String> = lines.into_iter().map(|(label, value)| format!("{label}: {value}")).collect();
        format!("{}\n{}", say(language, "receipt-heading"), lines.join("\n"))
    }
}

/// A customer's language, as the store has it.
pub(super) fn language_of(locale: &str) -> Language {
    Language::parse(locale).unwrap_or_default()
}

/// Why a customer gets an e-mail, and where that ends: with one click, or, for what is not sent to many, on the customer's page.
fn why(app: &App, language: Language, refuse: Option<&str>) -> String {
    let portal = &app.config.portal;
    let account = urls::whole(&portal.public_url, urls::ACCOUNT);
    let mut lines = vec![say(language, "email-why").with("account", account).to_string()];
    lines.push(match refuse {
        Some(link) => say(language, "email-why-refuse").with("link", link).to_string(),
        None => say(language, "email-why-comes").to_string(),
    });
    if !portal.support_phone.is_empty() {
        lines.push(format!("{} {}", say(language, "layout-help"), portal.support_phone));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use shared::money::Money;
    use shared::time::OffsetDateTime;
    use store::order::OrderState;

    use super::*;

    fn paid() -> Paid {
        let order = Order {
            id: Uuid::nil(),
            code: "AB12CD34".into(),
            state: OrderState::Paid,
            reason: String::new(),
            user_id: Uuid::nil(),
            phone: "0712345678".parse().expect("a phone"),
            package_id: Uuid::nil(),
            package: "1 day".into(),
            package_version: None,
            texts: Default::default(),
            amount: Money::kes(4_000),
            mac: None,
            nas_id: None,
            visit: serde_json::Value::Null,
            entitlement: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            paid_at: Some(OffsetDateTime::UNIX_EPOCH),
        };
        Paid {
            order,
            when: "1 January 1970, 03:00".into(),
            savings: vec!["Happy hour, KSh 10".into()],
            reference: Some(Receipt { provider: "mpesa".into(), number: "SFF6XYZ123".into() }),
        }
    }

    #[test]
    fn a_receipt_has_the_lines_of_its_page() {
        assert_eq!(
            paid().lines("Mlango Wi-Fi", Language::English),
            "Receipt\nPaid to: Mlango Wi-Fi\nFor: 1 day\nAmount: KSh 40\nSaved: Happy hour, KSh 10\n\
             When: 1 January 1970, 03:00\nBy: 07xx xxx 678\nM-Pesa receipt: SFF6XYZ123\nOrder: AB12CD34"
        );
        let card = Receipt { provider: "stripe".into(), number: "pi_3PxQ".into() };
        let card = Paid { reference: Some(card), ..paid() }.lines("Mlango Wi-Fi", Language::English);
        assert!(card.contains("\nCard payment: pi_3PxQ\n") && !card.contains("M-Pesa"), "{card}");
        let swahili = Paid { savings: Vec::new(), reference: None, ..paid() }.lines("Mlango Wi-Fi", Language::Swahili);
        assert_eq!(
            swahili,
            "Risiti\nKimelipwa kwa: Mlango Wi-Fi\nKifurushi: 1 day\nKiasi: KSh 40\nWakati: 1 January 1970, 03:00\n\
             Kutoka: 07xx xxx 678\nOda: AB12CD34"
        );
    }
}
