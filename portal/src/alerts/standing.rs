//! What every page of the desk shows of alerts: how many are not over, and, in the frame, that something critical is open.
//!
//! It is a copy in memory, renewed by the job and after each change at this portal's desk, so that no page asks the database for it. A
//! page shows only what its reader may know.

use std::sync::Arc;

use arc_swap::ArcSwap;
use shared::alert::{Kind, Severity};
use shared::staff::{Role, SiteScope};
use store::alert::{Alert, State};
use uuid::Uuid;

/// An alert, as far as a frame needs it.
#[derive(Clone, Debug)]
struct Brief {
    id: Uuid,
    kind: Kind,
    site: Option<Uuid>,
    severity: Severity,
    is_open: bool,
    title: String,
}

/// The copy.
#[derive(Debug, Default)]
pub(crate) struct Standing(ArcSwap<Vec<Brief>>);

/// What one reader is shown.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Shown {
    /// Alerts that are not over.
    pub(crate) count: usize,
    /// The critical ones that nobody minds: where they are, and what they say.
    pub(crate) alarm: Option<Alarm>,
}

/// Something critical is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alarm {
    /// Where to look.
    pub(crate) address: String,
    /// In a sentence without its point.
    pub(crate) text: String,
}

impl Standing {
    /// Renews the copy.
    pub(super) fn show(&self, present: &[Alert]) {
        let brief = |alert: &Alert| Brief {
            id: alert.id,
            kind: alert.kind,
            site: alert.site,
            severity: alert.severity,
            is_open: alert.state == State::Open,
            title: alert.title.clone(),
        };
        let active = present.iter().filter(|alert| alert.state != State::Resolved);
        self.0.store(Arc::new(active.map(brief).collect()));
    }

    /// What somebody of that role, who is limited to those sites, is shown.
    pub(crate) fn to(&self, role: Role, sites: &SiteScope) -> Shown {
        let known = self.0.load();
        let may_know = |brief: &&Brief| role.may(brief.kind.needs()) && may_see(sites, brief.kind, brief.site);
        let critical: Vec<&Brief> = known
            .iter()
            .filter(may_know)
            .filter(|brief| brief.is_open && brief.severity == Severity::Critical)
            .collect();
        Shown { count: known.iter().filter(may_know).count(), alarm: alarm(&critical) }
    }
}

/// Whether an alert of that kind at that site is for somebody who is limited to those. What is of no place is about all of them; a router
/// that stands at no site is seen only by those who are not limited, and so is what happens there.
pub(crate) fn may_see(sites: &SiteScope, kind: Kind, site: Option<Uuid>) -> bool {
    sites.covers(site) || site.is_none() && !kind.is_of_a_place()
}

fn alarm(critical: &[&Brief]) -> Option<Alarm> {
    match critical {
        [] => None,
        [one] => Some(Alarm { address: format!("/admin/alerts/{}", one.id), text: one.title.clone() }),
        [first, others @ ..] => {
            let text = format!("{}, and {} more", first.title, others.len());
            Some(Alarm { address: "/admin/alerts".into(), text })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(number: u128, kind: Kind, severity: Severity, is_open: bool) -> Brief {
        Brief { id: Uuid::from_u128(number), kind, site: None, severity, is_open, title: format!("Trouble {number}") }
    }

    fn standing(alerts: Vec<Brief>) -> Standing {
        Standing(ArcSwap::from_pointee(alerts))
    }

    #[test]
    fn a_frame_says_what_is_critical_and_open() {
        let shown = |alerts| standing(alerts).to(Role::Owner, &SiteScope::All);
        assert_eq!(shown(Vec::new()), Shown::default());
        let warning = || brief(1, Kind::RestoreDrill, Severity::Warning, true);
        let minded = || brief(2, Kind::DiskSpace, Severity::Critical, false);
        assert_eq!(shown(vec![warning(), minded()]), Shown { count: 2, alarm: None });
        let open = |number| brief(number, Kind::DiskSpace, Severity::Critical, true);
        let one = shown(vec![warning(), open(3)]).alarm.expect("an alarm");
        assert_eq!((one.address.ends_with("0003"), one.text.as_str()), (true, "Trouble 3"));
        let two = shown(vec![open(3), open(4)]).alarm.expect("an alarm");
        assert_eq!((two.address.as_str(), two.text.as_str()), ("/admin/alerts", "Trouble 3, and 1 more"));
    }

    #[test]
    fn nobody_is_shown_what_is_not_theirs() {
        let (here, there) = (Uuid::from_u128(8), Uuid::from_u128(9));
        let at_site = |site| Brief { site: Some(site), ..brief(1, Kind::VoucherGuessing, Severity::Critical, true) };
        let standing = standing(vec![at_site(here), brief(2, Kind::DiskSpace, Severity::Critical, true)]);
        let count = |role, sites: SiteScope| standing.to(role, &sites).count;
        assert_eq!(count(Role::Support, SiteScope::All), 2);
        assert_eq!(count(Role::Cashier, SiteScope::All), 1, "security is not a cashier's");
        assert_eq!(count(Role::Support, SiteScope::Only(vec![here])), 2);
        assert_eq!(count(Role::Support, SiteScope::Only(vec![there])), 1);
    }

    #[test]
    fn what_happens_at_a_router_of_no_site_is_not_for_who_is_limited() {
        let limited = SiteScope::Only(vec![Uuid::from_u128(8)]);
        for (kind, expected) in [
            (Kind::RouterSilent, false),
            (Kind::RouterUnheard, false),
            (Kind::VoucherGuessing, false),
            (Kind::DiskSpace, true),
            (Kind::DatabaseAway, true),
            (Kind::SessionsLeaking, true),
        ] {
            assert_eq!(may_see(&limited, kind, None), expected, "{kind:?}");
            assert!(may_see(&SiteScope::All, kind, None), "{kind:?}");
            let standing = standing(vec![brief(1, kind, Severity::Critical, true)]);
            assert_eq!(standing.to(Role::Support, &limited).count == 1, expected, "{kind:?}");
        }
    }
}
