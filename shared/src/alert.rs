//! What can go wrong so that somebody should be told: the kinds of alerts, how grave each is, and by which rule it is raised
//! until an operator says otherwise.
//!
//! [`Kind::terms`] is the whole of the defaults on one screen; `docs/operations/alerting.md` has the same table for people, and a
//! test holds the two together. What a rule looks at, and what its numbers mean, is with the rule itself, in the portal.
//!
//! Refused here: a number out of the range that its rule can work with ([`Rule::check`]).

use std::fmt;
use std::time::Duration;

use crate::staff::Permission;

/// How grave an alert is. Ordered: the gravest last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// To be known; nobody is told unless they want to be told everything.
    Info,
    /// To be looked at today.
    Warning,
    /// To be looked at now, at night too.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    /// The word in the database, in metrics and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an alert is about: one rule each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Many more wrong passwords and codes at a site than usual.
    FailedLogins,
    /// Sign-ins at the desk fail, or an account of the desk rests.
    StaffLogins,
    /// One phone or device tries to pay again and again.
    PaymentAttempts,
    /// Most customers of a provider cannot pay, whatever the reasons.
    PaymentFailures,
    /// Codes or passwords are guessed at a router.
    VoucherGuessing,
    /// Codes by SMS are guessed, a customer's sign-in was stolen, a payment report forged.
    AccountAttack,
    /// A device is online in two places.
    MacCloned,
    /// A router went dark while customers were online there.
    RouterSilent,
    /// Nothing was heard of a router for very long.
    RouterUnheard,
    /// M-Pesa, Stripe, SMS or e-mail does not work.
    ProviderFailing,
    /// radiusd does not answer.
    RadiusdAway,
    /// Accounting can be stored nowhere.
    NotStored,
    /// Accounting waits on disk since PostgreSQL does not take it.
    SpoolGrowing,
    /// A disk, or the spool's share of one, is nearly full.
    DiskSpace,
    /// There is no backup of today, or WAL does not leave the machine.
    BackupLate,
    /// The last restored backup was not in order, or none was restored lately.
    RestoreDrill,
    /// Sessions go on although their routers were asked to end them.
    SessionsLeaking,
    /// Money waits for somebody to say what it is for.
    MoneyUnmatched,
    /// The books do not balance.
    LedgerProof,
    /// The Kenya Revenue Authority signs nothing for a branch.
    EtimsBlocked,
    /// A certificate runs out.
    CertificateExpiry,
    /// There is no credit for SMS, or nearly none.
    SmsCredit,
    /// What was closed does not come into the accountant's program.
    BooksLate,
    /// PostgreSQL does not answer.
    DatabaseAway,
    /// Much less, or much more, is bought or used at a site than was expected.
    DemandUnusual,
    /// Many more logins fail at a site, over hours, than usual.
    LoginBurst,
    /// A site will probably come to its limit of sessions.
    CapacityNear,
    /// An accountant's program does not let us in any more.
    BooksReconnect,
}

/// A number of a rule that an operator can change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dial {
    /// What it counts, before the number.
    pub words: &'static str,
    /// What it is unless somebody says otherwise.
    pub default: u32,
    /// The least that makes sense.
    pub least: u32,
    /// The most.
    pub most: u32,
}

/// How a kind is raised and told unless somebody says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// From what on; `None`: there is no number in it.
    pub threshold: Option<Dial>,
    /// In, or for, how many minutes; `None`: no time matters.
    pub window: Option<Dial>,
    /// Whether it must last so long; otherwise the window is how far back events count.
    pub must_last: bool,
    /// How grave it is.
    pub severity: Severity,
    /// Minutes without an acknowledgement after which the owners are told; `None`: never.
    pub escalate_minutes: Option<u32>,
}

const fn dial(words: &'static str, default: u32, least: u32, most: u32) -> Option<Dial> {
    Some(Dial { words, default, least, most })
}

/// Events within so many minutes.
const fn within(minutes: u32) -> Option<Dial> {
    dial("minutes in which they count", minutes, 1, 180)
}

/// What must last so many minutes.
const fn lasting(minutes: u32) -> Option<Dial> {
    dial("minutes that it must last", minutes, 0, 120)
}

const fn warning(threshold: Option<Dial>, window: Option<Dial>) -> Terms {
    Terms { threshold, window, must_last: false, severity: Severity::Warning, escalate_minutes: None }
}

const fn critical(threshold: Option<Dial>, window: Option<Dial>, escalate_minutes: u32) -> Terms {
    Terms {
        threshold,
        window,
        must_last: false,
        severity: Severity::Critical,
        escalate_minutes: Some(escalate_minutes),
    }
}

const fn that_last(terms: Terms) -> Terms {
    Terms { must_last: true, ..terms }
}

impl Kind {
    /// All of them, as they are listed.
    pub const ALL: [Kind; 28] = [
        Kind::DatabaseAway,
        Kind::RadiusdAway,
        Kind::NotStored,
        Kind::SpoolGrowing,
        Kind::DiskSpace,
        Kind::BackupLate,
        Kind::RestoreDrill,
        Kind::CertificateExpiry,
        Kind::RouterSilent,
        Kind::RouterUnheard,
        Kind::DemandUnusual,
        Kind::CapacityNear,
        Kind::SessionsLeaking,
        Kind::ProviderFailing,
        Kind::PaymentFailures,
        Kind::PaymentAttempts,
        Kind::MoneyUnmatched,
        Kind::LedgerProof,
        Kind::BooksReconnect,
        Kind::EtimsBlocked,
        Kind::SmsCredit,
        Kind::BooksLate,
        Kind::FailedLogins,
        Kind::LoginBurst,
        Kind::VoucherGuessing,
        Kind::MacCloned,
        Kind::AccountAttack,
        Kind::StaffLogins,
    ];

    /// The word in the database, in metrics and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::FailedLogins => "failed_logins",
            Kind::StaffLogins => "staff_logins",
            Kind::PaymentAttempts => "payment_attempts",
            Kind::PaymentFailures => "payment_failures",
            Kind::VoucherGuessing => "voucher_guessing",
            Kind::AccountAttack => "account_attack",
            Kind::MacCloned => "mac_cloned",
            Kind::RouterSilent => "router_silent",
            Kind::RouterUnheard => "router_unheard",
            Kind::ProviderFailing => "provider_failing",
            Kind::RadiusdAway => "radiusd_away",
            Kind::NotStored => "not_stored",
            Kind::SpoolGrowing => "spool_growing",
            Kind::DiskSpace => "disk_space",
            Kind::BackupLate => "backup_late",
            Kind::RestoreDrill => "restore_drill",
            Kind::SessionsLeaking => "sessions_leaking",
            Kind::MoneyUnmatched => "money_unmatched",
            Kind::LedgerProof => "ledger_proof",
            Kind::EtimsBlocked => "etims_blocked",
            Kind::CertificateExpiry => "certificate_expiry",
            Kind::SmsCredit => "sms_credit",
            Kind::BooksLate => "books_postings_late",
            Kind::DatabaseAway => "database_away",
            Kind::DemandUnusual => "demand_unusual",
            Kind::LoginBurst => "login_burst",
            Kind::CapacityNear => "capacity_near",
            Kind::BooksReconnect => "books_reconnect",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it is called at the desk.
    pub fn label(self) -> &'static str {
        match self {
            Kind::FailedLogins => "failed logins",
            Kind::StaffLogins => "sign-ins at the desk",
            Kind::PaymentAttempts => "many payment attempts",
            Kind::PaymentFailures => "payments fail",
            Kind::VoucherGuessing => "codes are guessed",
            Kind::AccountAttack => "attacks on accounts",
            Kind::MacCloned => "cloned device",
            Kind::RouterSilent => "router silent",
            Kind::RouterUnheard => "router not heard for long",
            Kind::ProviderFailing => "provider fails",
            Kind::RadiusdAway => "radiusd away",
            Kind::NotStored => "accounting not stored",
            Kind::SpoolGrowing => "spool growing",
            Kind::DiskSpace => "disk space",
            Kind::BackupLate => "backup late",
            Kind::RestoreDrill => "restore drill",
            Kind::SessionsLeaking => "sessions leaking",
            Kind::MoneyUnmatched => "unmatched money",
            Kind::LedgerProof => "books do not balance",
            Kind::EtimsBlocked => "invoices not signed",
            Kind::CertificateExpiry => "certificate runs out",
            Kind::SmsCredit => "SMS credit",
            Kind::BooksLate => "books are not told",
            Kind::DatabaseAway => "database away",
            Kind::DemandUnusual => "unusual demand",
            Kind::LoginBurst => "logins fail for hours",
            Kind::CapacityNear => "limit of sessions near",
            Kind::BooksReconnect => "books not connected any more",
        }
    }

    /// What somebody must be allowed to do to see it, and to be told of it.
    pub fn needs(self) -> Permission {
        match self {
            Kind::PaymentAttempts
            | Kind::PaymentFailures
            | Kind::MoneyUnmatched
            | Kind::LedgerProof
            | Kind::DemandUnusual => Permission::SeeMoney,
            Kind::BooksLate | Kind::BooksReconnect | Kind::EtimsBlocked => Permission::SeeBooks,
            Kind::FailedLogins
            | Kind::LoginBurst
            | Kind::StaffLogins
            | Kind::VoucherGuessing
            | Kind::AccountAttack
            | Kind::MacCloned => Permission::Support,
            _ => Permission::See,
        }
    }

    /// Whether it happens at routers: what is found of it at no site is at a router that stands at none, or at one that is gone. What is
    /// of no place is about the whole installation.
    pub fn is_of_a_place(self) -> bool {
        match self {
            Kind::FailedLogins
            | Kind::PaymentAttempts
            | Kind::VoucherGuessing
            | Kind::MacCloned
            | Kind::RouterSilent
            | Kind::RouterUnheard
            | Kind::DemandUnusual
            | Kind::LoginBurst
            | Kind::CapacityNear => true,
            Kind::StaffLogins
            | Kind::PaymentFailures
            | Kind::AccountAttack
            | Kind::ProviderFailing
            | Kind::RadiusdAway
            | Kind::NotStored
            | Kind::SpoolGrowing
            | Kind::DiskSpace
            | Kind::BackupLate
            | Kind::RestoreDrill
            | Kind::SessionsLeaking
            | Kind::MoneyUnmatched
            | Kind::LedgerProof
            | Kind::BooksReconnect
            | Kind::EtimsBlocked
            | Kind::CertificateExpiry
            | Kind::SmsCredit
            | Kind::BooksLate
            | Kind::DatabaseAway => false,
        }
    }

    /// Its defaults.
    pub fn terms(self) -> Terms {
        match self {
            Kind::DatabaseAway => that_last(critical(None, dial("minutes that it must last", 1, 1, 60), 15)),
            Kind::RadiusdAway => that_last(critical(None, lasting(1), 15)),
            Kind::NotStored => that_last(critical(None, lasting(0), 15)),
            Kind::SpoolGrowing => {
                that_last(warning(dial("seconds that the oldest report waits", 60, 10, 86_400), lasting(2)))
            }
            Kind::DiskSpace => critical(dial("percent that must be free", 10, 1, 50), None, 60),
            Kind::BackupLate => critical(dial("hours since the last good backup", 26, 1, 720), None, 240),
            Kind::RestoreDrill => warning(dial("days since the last good drill", 8, 1, 365), None),
            Kind::CertificateExpiry => warning(dial("days that it is still good", 14, 1, 90), None),
            Kind::RouterSilent => that_last(critical(None, lasting(2), 30)),
            Kind::RouterUnheard => warning(dial("hours of silence", 24, 1, 720), None),
            Kind::SessionsLeaking => that_last(warning(dial("sessions", 1, 1, 10_000), lasting(2))),
            Kind::ProviderFailing => critical(dial("messages that no provider takes", 3, 1, 1000), within(30), 30),
            Kind::PaymentFailures => warning(dial("percent of the customers", 70, 20, 100), within(15)),
            Kind::PaymentAttempts => warning(dial("attempts of one phone or device", 8, 3, 1000), within(10)),
            Kind::MoneyUnmatched => warning(dial("minutes that it waits", 10, 1, 10_000), None),
            Kind::LedgerProof => critical(None, None, 60),
            Kind::BooksReconnect => warning(None, None),
            Kind::EtimsBlocked => critical(dial("hours that an invoice waits", 6, 1, 720), None, 240),
            Kind::BooksLate => warning(dial("hours that a document waits", 24, 1, 720), None),
            Kind::SmsCredit => warning(dial("percent of the day's limit", 90, 10, 100), None),
            Kind::FailedLogins => warning(dial("wrong guesses at a site", 20, 5, 100_000), within(15)),
            Kind::VoucherGuessing => critical(dial("devices or names locked", 5, 1, 10_000), within(15), 30),
            Kind::MacCloned => warning(dial("devices", 1, 1, 1000), dial("minutes in which they count", 65, 61, 180)),
            Kind::AccountAttack => warning(dial("events", 1, 1, 1000), within(60)),
            Kind::DemandUnusual => warning(dial("percent away from what was expected", 30, 10, 100), None),
            Kind::LoginBurst => warning(dial("failed logins together", 5, 3, 100_000), None),
            Kind::CapacityNear => warning(dial("percent likely within two days", 50, 5, 99), None),
            Kind::StaffLogins => critical(dial("sign-ins that failed", 10, 3, 1000), within(15), 30),
        }
    }
}

/// A rule as it is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Whether it is looked at.
    pub is_on: bool,
    /// From what on; 0 where there is no number in it.
    pub threshold: u32,
    /// In, or for, how many minutes; 0 where no time matters.
    pub window_minutes: u32,
    /// How grave it is.
    pub severity: Severity,
    /// Whether people are told by SMS.
    pub by_sms: bool,
    /// Whether people are told by e-mail.
    pub by_email: bool,
    /// Minutes without an acknowledgement after which the owners are told; `None`: never.
    pub escalate_minutes: Option<u32>,
    /// Whether people are told by SMS in the hours in which they sleep.
    pub wakes: bool,
}

/// Most minutes before the owners are told: a day.
pub const ESCALATE_MOST: u32 = 1440;

impl Rule {
    /// The rule of a kind until somebody says otherwise.
    pub fn of(kind: Kind) -> Rule {
        let terms = kind.terms();
        let is_critical = terms.severity == Severity::Critical;
        Rule {
            is_on: true,
            threshold: terms.threshold.map_or(0, |dial| dial.default),
            window_minutes: terms.window.map_or(0, |dial| dial.default),
            severity: terms.severity,
            by_sms: is_critical,
            by_email: true,
            escalate_minutes: terms.escalate_minutes,
            wakes: is_critical,
        }
    }

    /// The window.
    pub fn window(&self) -> Duration {
        Duration::from_secs(u64::from(self.window_minutes) * 60)
    }

    /// Whether its numbers are such that the rule of this kind can work with them.
    pub fn check(&self, kind: Kind) -> bool {
        let terms = kind.terms();
        let fits =
            |dial: Option<Dial>, value| dial.map_or(value == 0, |dial| (dial.least..=dial.most).contains(&value));
        fits(terms.threshold, self.threshold)
            && fits(terms.window, self.window_minutes)
            && self.escalate_minutes.is_none_or(|minutes| (1..=ESCALATE_MOST).contains(&minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written_and_every_kind_is_listed_once() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(Kind::ALL.into_iter().position(|other| other == kind), Some(at), "{kind:?} twice");
        }
        assert!(Severity::ALL.into_iter().all(|severity| Severity::parse(severity.as_str()) == Some(severity)));
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
        assert_eq!((Kind::parse("weather"), Severity::parse("fatal")), (None, None));
    }

    #[test]
    fn every_default_is_within_its_own_range() {
        for kind in Kind::ALL {
            assert!(Rule::of(kind).check(kind), "{kind:?}");
            let terms = kind.terms();
            assert!(!terms.must_last || terms.window.is_some(), "{kind:?} must last, and nobody says how long");
            let out = Rule { threshold: u32::MAX, ..Rule::of(kind) };
            assert!(!out.check(kind), "{kind:?}");
            assert!(!Rule { escalate_minutes: Some(0), ..Rule::of(kind) }.check(kind), "{kind:?}");
        }
    }

    /// A row of the table of `docs/operations/alerting.md`.
    fn row(kind: Kind) -> String {
        let (terms, rule) = (kind.terms(), Rule::of(kind));
        let number =
            |dial: Option<Dial>| dial.map_or("–".to_owned(), |dial| format!("{}: {}", dial.words, dial.default));
        let escalates = rule.escalate_minutes.map_or("never".to_owned(), |minutes| format!("after {minutes} min"));
        let ways = if rule.by_sms { "SMS, e-mail" } else { "e-mail" };
        format!(
            "| [`{0}`](#{0}) | {1} | {2} | {3} | {ways} | {escalates} |",
            kind.as_str(),
            number(terms.threshold),
            number(terms.window),
            rule.severity
        )
    }

    #[test]
    fn the_defaults_are_those_that_people_read() {
        let page = include_str!("../../docs/operations/alerting.md");
        for kind in Kind::ALL {
            assert!(page.contains(&row(kind)), "docs/operations/alerting.md lacks: {}", row(kind));
            assert!(page.contains(&format!("### {}\n", kind.as_str())), "{kind:?}: what to do?");
        }
    }
}
