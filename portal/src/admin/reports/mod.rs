//! `/admin/reports`: what the operator wants to know, a file a question.
//!
//! ```text
//!  ?from=…&until=…&compare=…&site=…  ─► Common ─┐
//!  a report's own filters            ─► Asked  ─┴─► answer(Question) ─► Answer ─► page · CSV · PDF · e-mail · data of a chart
//! ```
//!
//! [`common`] reads the filters that all share, [`page`] shows an answer, [`mod@file`] writes it for spreadsheets, [`paper`] for paper, and [`mail`]
//! sends it to whoever asked for it, for as long as they may see it.
//!
//! Reports read facts by the hour, the day and the month ([`store::facts`]) and never the orders and sessions themselves.

pub(in crate::admin) mod amounts;
pub(in crate::admin) mod chart;
pub(in crate::admin) mod file;
pub(crate) mod mail;
pub(in crate::admin) mod page;
pub(in crate::admin) mod paper;
pub(in crate::admin) mod report;

mod alert_log;
mod authentication;
mod behaviour;
mod capacity;
mod churn;
mod cohorts;
mod common;
mod funnel;
mod heavy;
mod likely;
mod network;
mod next_days;
mod packages;
mod payments;
mod peak_hours;
mod reconciliation;
mod revenue;
mod scorecard;
mod today;
mod usage;
mod vouchers;

use shared::staff::Permission;

pub(in crate::admin) use self::churn::range as churn_range;
use self::report::{About, Question, Told};
use crate::session::Staff;

/// The reports, in the order of the page that lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::admin) enum Which {
    Today,
    Revenue,
    PeakHours,
    NextDays,
    Scorecard,
    Packages,
    Payments,
    Reconciliation,
    Likely,
    Churn,
    Cohorts,
    Behaviour,
    Network,
    Capacity,
    Heavy,
    Authentication,
    AlertLog,
    Vouchers,
    Funnel,
}

impl Which {
    pub(in crate::admin) const ALL: [Which; 19] = [
        Which::Today,
        Which::Revenue,
        Which::PeakHours,
        Which::NextDays,
        Which::Scorecard,
        Which::Packages,
        Which::Payments,
        Which::Reconciliation,
        Which::Likely,
        Which::Churn,
        Which::Cohorts,
        Which::Behaviour,
        Which::Network,
        Which::Capacity,
        Which::Heavy,
        Which::Authentication,
        Which::AlertLog,
        Which::Vouchers,
        Which::Funnel,
    ];

    /// What it is.
    pub(in crate::admin) fn about(self) -> &'static About {
        match self {
            Which::Today => &today::ABOUT,
            Which::Revenue => &revenue::ABOUT,
            Which::PeakHours => &peak_hours::ABOUT,
            Which::NextDays => &next_days::ABOUT,
            Which::Scorecard => &scorecard::ABOUT,
            Which::Packages => &packages::ABOUT,
            Which::Payments => &payments::ABOUT,
            Which::Reconciliation => &reconciliation::ABOUT,
            Which::Likely => &likely::ABOUT,
            Which::Churn => &churn::ABOUT,
            Which::Cohorts => &cohorts::ABOUT,
            Which::Behaviour => &behaviour::ABOUT,
            Which::Network => &network::ABOUT,
            Which::Capacity => &capacity::ABOUT,
            Which::Heavy => &heavy::ABOUT,
            Which::Authentication => &authentication::ABOUT,
            Which::AlertLog => &alert_log::ABOUT,
            Which::Vouchers => &vouchers::ABOUT,
            Which::Funnel => &funnel::ABOUT,
        }
    }

    /// The one with this name in addresses.
    fn named(slug: &str) -> Option<Which> {
        Which::ALL.into_iter().find(|which| which.about().slug == slug)
    }

    /// Whether it tells of single customers. A file of it is for those alone who may see people, and is written down in the audit log.
    fn has_people(self) -> bool {
        matches!(self, Which::Likely | Which::Churn | Which::Heavy)
    }

    /// Whether somebody may see it.
    fn is_for(self, staff: &Staff) -> bool {
        staff.may(self.about().needs)
    }

    /// Whether they may take it away as a file.
    fn leaves_with(self, staff: &Staff) -> bool {
        self.is_for(staff) && (!self.has_people() || staff.may(Permission::SeePeople))
    }

    /// Where it is.
    fn path(self) -> String {
        let about = self.about();
        let kind = if about.needs == Permission::SeeMoney { "money" } else { "use" };
        format!("/admin/reports/{kind}/{}", about.slug)
    }

    /// What it says.
    pub(in crate::admin) async fn answer(self, question: &mut Question<'_>) -> Told {
        match self {
            Which::Today => today::answer(question).await,
            Which::Revenue => revenue::answer(question).await,
            Which::PeakHours => peak_hours::answer(question).await,
            Which::NextDays => next_days::answer(question).await,
            Which::Scorecard => scorecard::answer(question).await,
            Which::Packages => packages::answer(question).await,
            Which::Payments => payments::answer(question).await,
            Which::Reconciliation => reconciliation::answer(question).await,
            Which::Likely => likely::answer(question).await,
            Which::Churn => churn::answer(question).await,
            Which::Cohorts => cohorts::answer(question).await,
            Which::Behaviour => behaviour::answer(question).await,
            Which::Network => network::answer(question).await,
            Which::Capacity => capacity::answer(question).await,
            Which::Heavy => heavy::answer(question).await,
            Which::Authentication => authentication::answer(question).await,
            Which::AlertLog => alert_log::answer(question).await,
            Which::Vouchers => vouchers::answer(question).await,
            Which::Funnel => funnel::answer(question).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_has_an_address_and_a_question_of_its_own() {
        for which in Which::ALL {
            let about = which.about();
            let plain = about.slug.bytes().all(|octet| octet.is_ascii_lowercase() || matches!(octet, b'-' | b'_'));
            assert!(plain && !about.slug.is_empty(), "{about:?}");
            assert_eq!(Which::named(about.slug), Some(which), "{about:?}");
            assert!(about.question.ends_with('?') && !about.title.is_empty(), "{about:?}");
            assert!(matches!(about.needs, Permission::See | Permission::SeeMoney), "{about:?}");
        }
        assert_eq!(Which::named("nothing"), None);
    }
}
