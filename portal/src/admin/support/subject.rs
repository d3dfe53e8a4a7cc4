//! Whose story a page tells: how that is spelt in addresses, and what it is called.
//!
//! Addresses are kept in histories and logs, so none holds what opens something or who somebody is: a customer stands there by an
//! identity, a voucher by the number on its paper. What was pasted is sent by a form, and never stands in an address.

use shared::mac::Mac;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use shared::voucher::paper_number;
use store::accounting::SessionKey;
use store::timeline::{Guess, MAX_PASTED, Match, Named, Story, Subject, order_of, voucher_of};

use crate::App;
use crate::admin::Refusal;
use crate::admin::words;
use crate::api::id::{self, Kind};

/// Where a story is, below `/admin/support/`: its kind and its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct About {
    pub(super) kind: String,
    pub(super) name: String,
}

impl About {
    /// Reads `kind/name`.
    pub(super) fn read(text: &str) -> Option<About> {
        let (kind, name) = text.split_once('/')?;
        let is_plain = |part: &str| {
            let is_fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b':');
            !part.is_empty() && part.len() <= MAX_PASTED && part.bytes().all(is_fine)
        };
        (is_plain(kind) && is_plain(name)).then(|| About { kind: kind.to_owned(), name: name.to_owned() })
    }

    /// `kind/name`, as a form carries it.
    pub(super) fn spelt(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// The address of the story.
    pub(super) fn path(&self) -> String {
        format!("/admin/support/{}", self.spelt())
    }

    /// Of something that was found.
    pub(super) fn of(found: &Match) -> About {
        let (kind, name) = match (&found.named, &found.subject) {
            (Named::Order { code, .. }, _) => ("order", code.clone()),
            (Named::Voucher { batch, serial, .. }, _) => ("voucher", paper_number(*batch, *serial)),
            (Named::Session { id, .. }, _) => ("session", id::spell(Kind::Session, *id)),
            (Named::Receipt { receipt, .. }, _) => ("receipt", receipt.clone()),
            (Named::Device { mac }, _) => ("device", mac.to_string()),
            (Named::Customer { .. }, Subject::Customer(user)) => ("customer", id::spell(Kind::Customer, *user)),
            // Nothing else is called a customer.
            (Named::Customer { .. }, _) => ("customer", String::new()),
        };
        About { kind: kind.to_owned(), name }
    }

    /// Of a customer.
    pub(super) fn customer(user: uuid::Uuid) -> About {
        About { kind: "customer".into(), name: id::spell(Kind::Customer, user) }
    }

    /// Of a device.
    pub(super) fn device(mac: Mac) -> About {
        About { kind: "device".into(), name: mac.to_string() }
    }

    /// Whose story that is.
    pub(super) async fn subject(&self, app: &App) -> Result<Subject, Refusal> {
        let name = self.name.as_str();
        let subject = match self.kind.as_str() {
            "customer" => id::read(Kind::Customer, name).map(Subject::Customer),
            "device" => name.parse::<Mac>().ok().map(Subject::Device),
            "order" => Some(Subject::Order(order_of(&app.db, &name.to_ascii_uppercase()).await?)),
            "receipt" if name.contains('_') => Some(Subject::Receipt(name.to_owned())),
            "receipt" => Some(Subject::Receipt(name.to_ascii_uppercase())),
            "voucher" => match paper(name) {
                Some((batch, serial)) => Some(Subject::Voucher(voucher_of(&app.db, batch, serial).await?)),
                None => None,
            },
            "session" => id::read(Kind::Session, name).and_then(SessionKey::of).map(Subject::Session),
            _ => None,
        };
        subject.ok_or(Refusal::NotFound)
    }

    /// What the story is of.
    pub(super) fn title(&self, story: &Story, role: Role) -> String {
        match (self.kind.as_str(), story.people.first()) {
            ("customer", Some(person)) if person.name.is_empty() => words::phone(role, &person.phone),
            ("customer", Some(person)) => format!("{}, {}", words::phone(role, &person.phone), person.name),
            ("customer", None) => "A customer".to_owned(),
            ("device", _) => self.name.clone(),
            ("order", _) => format!("Order {}", self.name),
            ("receipt", _) => format!("Receipt {}", self.name),
            ("voucher", _) => format!("Voucher {}", self.name),
            _ => "A session".to_owned(),
        }
    }
}

fn paper(name: &str) -> Option<(u32, u32)> {
    let (batch, serial) = name.split_once('-')?;
    Some((batch.parse().ok()?, serial.parse().ok()?))
}

/// What something is called that was found, for whoever chooses.
pub(super) fn label(found: &Named, role: Role, now: OffsetDateTime) -> String {
    match found {
        Named::Customer { phone } => format!("The customer {}", words::phone(role, phone)),
        Named::Device { mac } => format!("The device {mac}"),
        Named::Order { code, package, at } => format!("Order {code}: {package}, made {}", words::ago(*at, now)),
        Named::Receipt { receipt, amount, at } => format!("{amount} with receipt {receipt}, {}", words::ago(*at, now)),
        Named::Voucher { batch, serial, package } => format!("Voucher {}: {package}", paper_number(*batch, *serial)),
        Named::Session { mac, nas, at, is_open, .. } => {
            let who = mac.map_or_else(|| "a device".to_owned(), |mac| mac.to_string());
            let state = if *is_open { "goes on" } else { "has ended" };
            format!("A session of {who} at {nas}, begun {}, which {state}", words::ago(*at, now))
        }
    }
}

/// What was looked for, where nothing was found.
pub(super) fn looked_for(guess: &Guess) -> &'static str {
    match guess {
        Guess::Phone(_) => "a customer with that phone number, and money from it that waits",
        Guess::Email(_) => "a customer with that e-mail address",
        Guess::Mac(_) => {
            "a device with that address: among packages, orders and sessions, and for two weeks refused logins and visits"
        }
        Guess::Address(_) => "a session with that IP address: now, and those that ended within a day",
        Guess::Order(_) => "an order with that code",
        Guess::Receipt(_) => "a payment with that receipt of M-Pesa",
        Guess::Card(_) => "a payment with that name at Stripe",
        Guess::Voucher(_) => "a voucher with that code",
        Guess::MistypedVoucher => "a voucher with that code: there is none, one of its characters is wrong",
        Guess::Paper(..) => "a voucher with that number on its paper",
        Guess::Session(_) => "a session with that identity",
        Guess::RouterSession(_) => "a session that a router calls so",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_carries_is_an_address_of_ours_and_no_other() {
        for text in ["customer/cus_1", "device/4C:5E:0C:12:34:56", "voucher/42-0007", "receipt/pi_3Px"] {
            let about = About::read(text).expect("fine");
            assert_eq!((about.spelt().as_str(), about.path()), (text, format!("/admin/support/{text}")));
        }
        for text in
            ["", "customer", "customer/", "/evil.example", "a/b/c", "a/b?c", "a/..%2f", "https://evil.example", "a/b c"]
        {
            assert_eq!(About::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_found_is_called_by_what_opens_nothing() {
        let named = Named::Voucher { batch: 42, serial: 7, package: "one hour".into() };
        let found = Match { subject: Subject::Voucher(uuid::Uuid::nil()), named };
        assert_eq!(About::of(&found).spelt(), "voucher/42-0007");
        let phone = "0712345678".parse().expect("a phone");
        let found = Match { subject: Subject::Customer(uuid::Uuid::nil()), named: Named::Customer { phone } };
        assert!(!About::of(&found).path().contains("712345678"));
        let now = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(label(&found.named, Role::Cashier, now), "The customer 07xx xxx 678");
        assert_eq!(label(&found.named, Role::Support, now), "The customer +254712345678");
    }
}
