//! Who may do what at the desk: roles, what each of them may, and the sites that somebody is limited to.
//!
//! [`TABLE`] is the whole of it, on one screen: a role may what stands beside it and nothing else. The portal asks it in
//! one place, before a page is made or a form is read; the table in `docs/operations/staff.md` says the same for people,
//! and a test holds the two together.
//!
//! Refused here: exceptions for one person. Who needs more gets another role.

use std::fmt;

use uuid::Uuid;

/// What somebody is at the desk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Whose business it is.
    Owner,
    /// Runs it from day to day.
    Manager,
    /// Hands out vouchers.
    Cashier,
    /// Helps customers.
    Support,
    /// Keeps the books.
    Accountant,
    /// Looks, and changes nothing.
    ReadOnly,
}

impl Role {
    /// All roles, as they are listed.
    pub const ALL: [Role; 6] =
        [Role::Owner, Role::Manager, Role::Cashier, Role::Support, Role::Accountant, Role::ReadOnly];

    /// The word in the database, on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Manager => "manager",
            Role::Cashier => "cashier",
            Role::Support => "support",
            Role::Accountant => "accountant",
            Role::ReadOnly => "read_only",
        }
    }

    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Role::ReadOnly => "read only",
            other => other.as_str(),
        }
    }

    /// Reads the word in the database.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether it may do that.
    pub fn may(self, permission: Permission) -> bool {
        permission.roles().contains(&self)
    }

    /// Whether a second factor is compulsory: for those who can change money, prices or routers.
    pub fn must_have_second_factor(self) -> bool {
        matches!(self, Role::Owner | Role::Manager)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What a page or a change of the desk asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permission {
    /// Who is online, the routers, what is on sale, the batches of vouchers, what was sent.
    See,
    /// Payments, receipts and what was sold.
    SeeMoney,
    /// Whole phone numbers; without it their middle is hidden.
    SeePeople,
    /// Give vouchers to agents, print those that are still good, note them as sold.
    Sell,
    /// Disconnect sessions, give lost time back, see what the security log says.
    Support,
    /// Say what money is for, and give it back.
    MoveMoney,
    /// The books: closed days, their documents, cash with agents, taxes, and what accountants' programs were told of them.
    SeeBooks,
    /// Close days, take cash from agents, set taxes, and tell accountants' programs.
    KeepBooks,
    /// Make vouchers and make them worth nothing; packages, discounts and texts.
    EditOffers,
    /// Routers and their secrets.
    EditRouters,
    /// Who may come to the desk, and as what.
    ManageStaff,
    /// The audit log.
    SeeAudit,
    /// What holds for the whole installation: brand, providers, tokens of programs.
    Settings,
}

/// What each role may.
const TABLE: [(Permission, &[Role]); 13] = {
    use Role::{Accountant, Cashier, Manager, Owner, ReadOnly, Support};
    [
        (Permission::See, &[Owner, Manager, Cashier, Support, Accountant, ReadOnly]),
        (Permission::SeeMoney, &[Owner, Manager, Support, Accountant, ReadOnly]),
        (Permission::SeePeople, &[Owner, Manager, Support, Accountant]),
        (Permission::Sell, &[Owner, Manager, Cashier]),
        (Permission::Support, &[Owner, Manager, Support]),
        (Permission::MoveMoney, &[Owner, Manager, Accountant]),
        (Permission::SeeBooks, &[Owner, Manager, Accountant]),
        (Permission::KeepBooks, &[Owner, Manager, Accountant]),
        (Permission::EditOffers, &[Owner, Manager]),
        (Permission::EditRouters, &[Owner, Manager]),
        (Permission::ManageStaff, &[Owner]),
        (Permission::SeeAudit, &[Owner, Manager]),
        (Permission::Settings, &[Owner]),
    ]
};

impl Permission {
    /// All of them, as the table has them.
    pub fn all() -> impl Iterator<Item = Permission> {
        TABLE.into_iter().map(|(permission, _)| permission)
    }

    /// Who may.
    pub fn roles(self) -> &'static [Role] {
        match TABLE.into_iter().find(|(permission, _)| *permission == self) {
            Some((_, roles)) => roles,
            None => &[],
        }
    }

    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::See => "see",
            Permission::SeeMoney => "see_money",
            Permission::SeePeople => "see_people",
            Permission::Sell => "sell",
            Permission::Support => "support",
            Permission::MoveMoney => "move_money",
            Permission::SeeBooks => "see_books",
            Permission::KeepBooks => "keep_books",
            Permission::EditOffers => "edit_offers",
            Permission::EditRouters => "edit_routers",
            Permission::ManageStaff => "manage_staff",
            Permission::SeeAudit => "see_audit",
            Permission::Settings => "settings",
        }
    }

    /// What is allowed, so that "Only … may …" becomes a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Permission::See => "look around at the desk",
            Permission::SeeMoney => "see payments and receipts",
            Permission::SeePeople => "see whole phone numbers",
            Permission::Sell => "hand out vouchers",
            Permission::Support => "help customers: disconnect sessions, give time back, read the security log",
            Permission::MoveMoney => "decide about money",
            Permission::SeeBooks => "read the books",
            Permission::KeepBooks => "keep the books",
            Permission::EditOffers => "change what is on sale: vouchers, packages, discounts and texts",
            Permission::EditRouters => "change routers",
            Permission::ManageStaff => "manage staff",
            Permission::SeeAudit => "read the audit log",
            Permission::Settings => "change settings",
        }
    }

    /// Who may, in a sentence: `Only owner and manager may change routers.`
    pub fn sentence(self) -> String {
        let labels: Vec<&str> = self.roles().iter().map(|role| role.label()).collect();
        let who = match labels.split_last() {
            None => "nobody".to_owned(),
            Some((last, [])) => format!("the {last}"),
            Some((last, before)) => format!("{} and {last}", before.join(", ")),
        };
        format!("Only {who} may {}.", self.words())
    }
}

/// The sites that somebody is limited to.
///
/// What stands at no site, such as a router that nobody gave one, is seen only by those who are not limited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SiteScope {
    /// All, those that are added later included.
    All,
    /// These.
    Only(Vec<Uuid>),
}

impl SiteScope {
    /// From the sites that are listed for somebody: none is all.
    pub fn of(sites: Vec<Uuid>) -> SiteScope {
        if sites.is_empty() { SiteScope::All } else { SiteScope::Only(sites) }
    }

    /// For a statement's filter: `$1::uuid[] IS NULL OR site_id = ANY ($1)`.
    pub fn filter(&self) -> Option<&[Uuid]> {
        match self {
            SiteScope::All => None,
            SiteScope::Only(sites) => Some(sites),
        }
    }

    /// Whether what stands there is within.
    pub fn covers(&self, site: Option<Uuid>) -> bool {
        match self {
            SiteScope::All => true,
            SiteScope::Only(sites) => site.is_some_and(|site| sites.contains(&site)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as `docs/operations/staff.md` has it: a row a permission, a column a role.
    fn documented() -> Vec<(String, Vec<bool>)> {
        let page = include_str!("../../docs/operations/staff.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|line| {
            let (name, cells) = line.split_once('`')?;
            let marks: Vec<bool> = cells.split('|').skip(1).take(Role::ALL.len()).map(|c| c.trim() == "yes").collect();
            (marks.len() == Role::ALL.len()).then(|| (name.to_owned(), marks))
        });
        rows.collect()
    }

    #[test]
    fn the_table_is_the_one_that_people_read() {
        let table: Vec<(String, Vec<bool>)> = Permission::all()
            .map(|permission| (permission.as_str().to_owned(), Role::ALL.map(|role| role.may(permission)).into()))
            .collect();
        assert_eq!(documented(), table, "docs/operations/staff.md says something else");
    }

    #[test]
    fn every_permission_has_its_row_and_nobody_may_what_an_owner_may_not() {
        for (at, permission) in Permission::all().enumerate() {
            assert_eq!(Permission::all().position(|other| other == permission), Some(at), "{permission:?} twice");
            assert!(Role::Owner.may(permission), "{permission:?}");
        }
        assert!(
            Permission::all()
                .filter(|permission| Role::ReadOnly.may(*permission))
                .all(|permission| matches!(permission, Permission::See | Permission::SeeMoney))
        );
    }

    #[test]
    fn who_changes_prices_routers_or_staff_has_a_second_factor() {
        for permission in
            [Permission::EditOffers, Permission::EditRouters, Permission::ManageStaff, Permission::Settings]
        {
            assert!(permission.roles().iter().all(|role| role.must_have_second_factor()), "{permission:?}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Role::ALL.into_iter().all(|role| Role::parse(role.as_str()) == Some(role)));
        assert_eq!((Role::parse("root"), Role::parse("")), (None, None));
        assert_eq!(Permission::ManageStaff.sentence(), "Only the owner may manage staff.");
        assert_eq!(Permission::EditRouters.sentence(), "Only owner and manager may change routers.");
        assert_eq!(Permission::Sell.sentence(), "Only owner, manager and cashier may hand out vouchers.");
    }

    #[test]
    fn a_scope_covers_its_sites_and_what_has_none_only_where_there_is_no_limit() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (all, one) = (SiteScope::of(Vec::new()), SiteScope::of(vec![here]));
        assert!(all.covers(None) && all.covers(Some(there)) && all.filter().is_none());
        assert!(one.covers(Some(here)) && !one.covers(Some(there)) && !one.covers(None));
        assert_eq!(one.filter(), Some(&[here][..]));
    }
}
