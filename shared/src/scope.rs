//! What a token of the REST interface may do: a word for each kind of thing and what is done to it, such as `packages:read`.
//!
//! [`Scope`] is what an operation asks for, [`Scopes`] what a token was given: words, or patterns such as `packages:*`, `*:read`
//! and `*`. A pattern also covers what is added later, which is what whoever writes one means. `write` does not imply `read`.
//!
//! Refused here: deciding who asks. That is the portal's, at one door.

use std::fmt;

/// What an operation asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each is its own word; docs/operations/api.md says what it allows")]
pub enum Scope {
    SitesRead,
    SitesWrite,
    RoutersRead,
    RoutersWrite,
    RoutersSecret,
    PackagesRead,
    PackagesWrite,
    DiscountsRead,
    DiscountsWrite,
    CampaignsRead,
    CampaignsWrite,
    CalendarRead,
    CalendarWrite,
    VouchersRead,
    VouchersWrite,
    VouchersCodes,
    CustomersRead,
    CustomersWrite,
    EntitlementsRead,
    EntitlementsWrite,
    OrdersRead,
    MoneyRead,
    MoneyDecide,
    MoneyRefund,
    SessionsRead,
    SessionsWrite,
    OutagesRead,
    OutagesWrite,
    LedgerRead,
    MessagesRead,
    MessagesWrite,
    SecurityRead,
    AuditRead,
    WebhooksRead,
    WebhooksWrite,
    AlertsRead,
    AlertsWrite,
    BooksRead,
    BooksWrite,
}

impl Scope {
    /// All of them, as they are documented.
    pub const ALL: [Scope; 39] = [
        Scope::SitesRead,
        Scope::SitesWrite,
        Scope::RoutersRead,
        Scope::RoutersWrite,
        Scope::RoutersSecret,
        Scope::PackagesRead,
        Scope::PackagesWrite,
        Scope::DiscountsRead,
        Scope::DiscountsWrite,
        Scope::CampaignsRead,
        Scope::CampaignsWrite,
        Scope::CalendarRead,
        Scope::CalendarWrite,
        Scope::VouchersRead,
        Scope::VouchersWrite,
        Scope::VouchersCodes,
        Scope::CustomersRead,
        Scope::CustomersWrite,
        Scope::EntitlementsRead,
        Scope::EntitlementsWrite,
        Scope::OrdersRead,
        Scope::MoneyRead,
        Scope::MoneyDecide,
        Scope::MoneyRefund,
        Scope::SessionsRead,
        Scope::SessionsWrite,
        Scope::OutagesRead,
        Scope::OutagesWrite,
        Scope::LedgerRead,
        Scope::MessagesRead,
        Scope::MessagesWrite,
        Scope::SecurityRead,
        Scope::AuditRead,
        Scope::WebhooksRead,
        Scope::WebhooksWrite,
        Scope::AlertsRead,
        Scope::AlertsWrite,
        Scope::BooksRead,
        Scope::BooksWrite,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::SitesRead => "sites:read",
            Scope::SitesWrite => "sites:write",
            Scope::RoutersRead => "routers:read",
            Scope::RoutersWrite => "routers:write",
            Scope::RoutersSecret => "routers:secret",
            Scope::PackagesRead => "packages:read",
            Scope::PackagesWrite => "packages:write",
            Scope::DiscountsRead => "discounts:read",
            Scope::DiscountsWrite => "discounts:write",
            Scope::CampaignsRead => "campaigns:read",
            Scope::CampaignsWrite => "campaigns:write",
            Scope::CalendarRead => "calendar:read",
            Scope::CalendarWrite => "calendar:write",
            Scope::VouchersRead => "vouchers:read",
            Scope::VouchersWrite => "vouchers:write",
            Scope::VouchersCodes => "vouchers:codes",
            Scope::CustomersRead => "customers:read",
            Scope::CustomersWrite => "customers:write",
            Scope::EntitlementsRead => "entitlements:read",
            Scope::EntitlementsWrite => "entitlements:write",
            Scope::OrdersRead => "orders:read",
            Scope::MoneyRead => "money:read",
            Scope::MoneyDecide => "money:decide",
            Scope::MoneyRefund => "money:refund",
            Scope::SessionsRead => "sessions:read",
            Scope::SessionsWrite => "sessions:write",
            Scope::OutagesRead => "outages:read",
            Scope::OutagesWrite => "outages:write",
            Scope::LedgerRead => "ledger:read",
            Scope::MessagesRead => "messages:read",
            Scope::MessagesWrite => "messages:write",
            Scope::SecurityRead => "security:read",
            Scope::AuditRead => "audit:read",
            Scope::WebhooksRead => "webhooks:read",
            Scope::WebhooksWrite => "webhooks:write",
            Scope::AlertsRead => "alerts:read",
            Scope::AlertsWrite => "alerts:write",
            Scope::BooksRead => "books:read",
            Scope::BooksWrite => "books:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a scope, nor a pattern that any scope fits.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no scope: write one such as packages:read, packages:*, *:read, or * for all")]
pub struct NotAScope(String);

/// What a token was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads words and patterns.
    ///
    /// # Errors
    /// [`NotAScope`]: one that fits no scope that there is.
    pub fn parse(words: &[String]) -> Result<Scopes, NotAScope> {
        let unknown = |word: &&String| !Scope::ALL.into_iter().any(|scope| fits(word, scope));
        match words.iter().find(unknown) {
            Some(word) => Err(NotAScope(word.clone())),
            None => Ok(Scopes(words.to_vec())),
        }
    }

    /// As the database has them. What a newer program has written and this one does not know allows nothing here.
    pub fn stored(words: Vec<String>) -> Scopes {
        Scopes(words)
    }

    /// The words, as they were given.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// Whether that is among them.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.iter().any(|word| fits(word, scope))
    }
}

/// Whether a scope is this word, or fits this pattern.
fn fits(word: &str, scope: Scope) -> bool {
    if word == "*" {
        return true;
    }
    let part = |asked: &str, has: &str| asked == "*" || asked == has;
    word.split_once(':')
        .zip(scope.as_str().split_once(':'))
        .is_some_and(|((thing, act), (its_thing, its_act))| part(thing, its_thing) && part(act, its_act))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn given(words: &[&str]) -> Scopes {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Scopes::parse(&words).expect("scopes")
    }

    #[test]
    fn every_scope_has_a_word_of_its_own_with_two_parts() {
        let words: BTreeSet<&str> = Scope::ALL.map(Scope::as_str).into();
        assert_eq!(words.len(), Scope::ALL.len());
        assert!(words.iter().all(|word| word.split(':').count() == 2));
    }

    #[test]
    fn every_scope_is_told_to_people() {
        let page = include_str!("../../docs/operations/api.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.contains(':')).collect();
        for scope in Scope::ALL {
            let word = format!("`{scope}`");
            assert_eq!(rows.iter().filter(|row| row.contains(&word)).count(), 1, "{word} in docs/operations/api.md");
        }
    }

    #[test]
    fn a_token_may_what_its_words_say_and_nothing_else() {
        let table = [
            (given(&["*"]), true, true, true),
            (given(&["packages:read"]), true, false, false),
            (given(&["packages:*"]), true, true, false),
            (given(&["*:read"]), true, false, true),
            (given(&["money:read", "packages:write"]), false, true, true),
            (Scopes::stored(vec!["packages:paint".into()]), false, false, false),
        ];
        for (scopes, reads, writes, money) in table {
            assert_eq!(scopes.allow(Scope::PackagesRead), reads, "{scopes:?}");
            assert_eq!(scopes.allow(Scope::PackagesWrite), writes, "{scopes:?}");
            assert_eq!(scopes.allow(Scope::MoneyRead), money, "{scopes:?}");
        }
    }

    #[test]
    fn a_word_that_means_nothing_is_refused_by_name() {
        for word in ["", "packages", "packages:paint", "cats:*", "packages:read:now", "**"] {
            let error = Scopes::parse(&["*".to_owned(), word.to_owned()]).expect_err(word);
            assert!(error.to_string().starts_with(&format!("\"{word}\"")), "{error}");
        }
    }
}
