//! The rules: a file each, which says what it looks at, what its numbers mean and what ends it. Each is a function of what was
//! observed and of its numbers; it finds causes, and says of each whether it is strong enough to raise an alert or only to keep one
//! that is open. So an alert does not flicker at its threshold.
//!
//! What is found at one site is one finding, however many devices, phones or routers it is about: these are lines of it.

mod account_attack;
mod backup_late;
mod books_postings_late;
mod books_reconnect;
mod capacity_near;
mod certificate_expiry;
mod demand_unusual;
mod disk_space;
mod etims_blocked;
mod failed_logins;
mod ledger_proof;
mod login_burst;
mod mac_cloned;
mod money_unmatched;
mod not_stored;
mod payment_attempts;
mod payment_failures;
mod provider_failing;
mod radiusd_away;
mod restore_drill;
mod router_silent;
mod router_unheard;
mod sessions_leaking;
mod sms_credit;
mod spool_growing;
mod staff_logins;
mod voucher_guessing;

use std::collections::BTreeMap;
use std::time::Duration;

use shared::alert::{Kind, Rule};
use shared::language::Language;
use shared::time::OffsetDateTime;
use store::alert::facts::Site;

use super::observe::Observed;
use crate::views::{amount, time};

/// Most lines of a finding: whoever wants to see more looks at the page that it is about.
const LINES: usize = 20;
/// The subject of what is at no site.
const NOWHERE: &str = "-";

/// A cause that a rule has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// What it is about, within the kind.
    pub(super) subject: String,
    /// Where, if it is about a place.
    pub(super) site: Option<Site>,
    /// In a sentence without its point.
    pub(super) title: String,
    /// More, a line each.
    pub(super) lines: Vec<String>,
    /// Whether it is strong enough to raise an alert; else it keeps one that is open.
    pub(super) raises: bool,
}

/// What a rule finds; `None`: nothing is known now.
pub(super) fn judge(kind: Kind, observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    match kind {
        Kind::FailedLogins => failed_logins::judge(observed, rule),
        Kind::StaffLogins => Some(staff_logins::judge(observed, rule)),
        Kind::PaymentAttempts => Some(payment_attempts::judge(observed, rule)),
        Kind::PaymentFailures => Some(payment_failures::judge(observed, rule)),
        Kind::VoucherGuessing => Some(voucher_guessing::judge(observed, rule)),
        Kind::AccountAttack => Some(account_attack::judge(observed, rule)),
        Kind::MacCloned => Some(mac_cloned::judge(observed, rule)),
        Kind::RouterSilent => Some(router_silent::judge(observed)),
        Kind::RouterUnheard => Some(router_unheard::judge(observed, rule)),
        Kind::ProviderFailing => Some(provider_failing::judge(observed, rule)),
        Kind::RadiusdAway => radiusd_away::judge(observed),
        Kind::NotStored => not_stored::judge(observed),
        Kind::SpoolGrowing => spool_growing::judge(observed, rule),
        Kind::DiskSpace => Some(disk_space::judge(observed, rule)),
        Kind::BackupLate => Some(backup_late::judge(observed, rule)),
        Kind::RestoreDrill => Some(restore_drill::judge(observed, rule)),
        Kind::SessionsLeaking => Some(sessions_leaking::judge(observed, rule)),
        Kind::MoneyUnmatched => Some(money_unmatched::judge(observed, rule)),
        Kind::LedgerProof => Some(ledger_proof::judge(observed)),
        Kind::BooksReconnect => Some(books_reconnect::judge(observed)),
        Kind::EtimsBlocked => Some(etims_blocked::judge(observed, rule)),
        Kind::CertificateExpiry => certificate_expiry::judge(observed, rule),
        Kind::SmsCredit => Some(sms_credit::judge(observed, rule)),
        Kind::BooksLate => Some(books_postings_late::judge(observed, rule)),
        Kind::DemandUnusual => demand_unusual::judge(observed, rule),
        Kind::LoginBurst => login_burst::judge(observed, rule),
        Kind::CapacityNear => capacity_near::judge(observed, rule),
        // It is noticed by nobody having an answer: super::blackout.
        Kind::DatabaseAway => Some(Vec::new()),
    }
}

/// The subject of what is at a site.
pub(super) fn subject(site: Option<&Site>) -> String {
    site.map_or_else(|| NOWHERE.to_owned(), |site| site.id.to_string())
}

/// ` at Kilimani`, or nothing.
fn at_site(site: Option<&Site>) -> String {
    site.map_or_else(String::new, |site| format!(" at {}", site.name))
}

/// What was found, by where.
fn by_site<T>(found: impl IntoIterator<Item = (Option<Site>, T)>) -> BTreeMap<Option<Site>, Vec<T>> {
    let mut sites: BTreeMap<Option<Site>, Vec<T>> = BTreeMap::new();
    for (site, thing) in found {
        sites.entry(site).or_default().push(thing);
    }
    sites
}

/// Lines, each once, and how many more there were.
fn lines(all: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut more = 0_u32;
    for line in all {
        if lines.contains(&line) {
            continue;
        }
        if lines.len() < LINES { lines.push(line) } else { more += 1 }
    }
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines
}

/// `1 device`, `3 devices`.
fn counted(count: impl TryInto<u64>, one: &str, many: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

/// `3 minutes`.
fn span(duration: Duration) -> String {
    amount::span(Language::English, duration)
}

/// How long ago something was.
fn since(at: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(now - at).unwrap_or_default()
}

/// `14:03`, with the day if it is another.
fn clock(at: OffsetDateTime, now: OffsetDateTime) -> String {
    time::clock(Language::English, at, now)
}

#[cfg(test)]
mod tests {
    use store::alert::facts::{Dark, Payer, Router};

    use super::super::observe::tests::{at, event, place, quiet};
    use super::*;

    /// Subject and whether it raises, of each.
    pub(super) fn found(findings: &[Finding]) -> Vec<(&str, bool)> {
        findings.iter().map(|finding| (finding.subject.as_str(), finding.raises)).collect()
    }

    #[test]
    fn where_all_is_well_no_rule_finds_anything() {
        for kind in Kind::ALL {
            assert_eq!(judge(kind, &quiet(), &Rule::of(kind)), Some(Vec::new()), "{kind:?}");
        }
    }

    #[test]
    fn what_radiusd_does_not_tell_is_not_known() {
        let observed = Observed { radiusd: None, guesses: None, ..quiet() };
        let unknown: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| judge(*kind, &observed, &Rule::of(*kind)).is_none()).collect();
        assert_eq!(
            unknown,
            [Kind::RadiusdAway, Kind::NotStored, Kind::SpoolGrowing, Kind::CertificateExpiry, Kind::FailedLogins]
        );
    }

    #[test]
    fn what_is_found_at_a_router_of_no_site_is_of_a_place() {
        let router = Router { name: "cafe".into(), site: None, last_seen_at: Some(at(-999_999)), is_dark: false };
        let dark = Dark { router: "roof".into(), site: None, since: at(-600), speaks: false, customers: 3 };
        let observed = Observed {
            routers: vec![router],
            dark: vec![dark],
            events: ["router_guessing", "mac_cloned"].map(|kind| event(kind, -10, None, 1)).into(),
            payers: vec![Payer { phone: None, mac: None, site: None, attempts: 99 }],
            guesses: Some(vec![(None, 500, 0)]),
            ..quiet()
        };
        let found = Kind::ALL.into_iter().filter(|kind| {
            let findings = judge(*kind, &observed, &Rule::of(*kind)).unwrap_or_default();
            findings.iter().any(|finding| finding.site.is_none())
        });
        let found: Vec<Kind> = found.collect();
        assert_eq!(found.len(), 6, "{found:?}");
        assert!(found.iter().all(|kind| kind.is_of_a_place()), "{found:?}");
    }

    #[test]
    fn lines_are_bounded_and_stand_once() {
        assert_eq!(lines(["a", "b", "a"].map(String::from)), ["a", "b"]);
        let many = lines((0..30).map(|number| number.to_string()));
        assert_eq!((many.len(), many.last().map(String::as_str)), (LINES + 1, Some("and 10 more")));
    }

    #[test]
    fn sites_are_subjects() {
        assert_eq!((subject(None), at_site(None)), ("-".into(), String::new()));
        let site = place(1);
        assert_eq!(subject(site.as_ref()), "00000000-0000-0000-0000-000000000001");
        assert_eq!(at_site(site.as_ref()), " at Site 1");
        assert_eq!(
            (counted(1_u32, "device", "devices"), counted(3_usize, "device", "devices")),
            ("1 device".into(), "3 devices".into())
        );
    }
}
