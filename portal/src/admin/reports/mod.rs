//! `/admin/reports`: what the operator wants to know, a file a question.
//!
//! ```text
//!  ?from=…&until=…&compare=…&site=…  ─► Common ─┐
//!  a report's own filters            ─► Asked  ─┴─► answer(Question) ─► Answer ─► page · CSV · PDF · e-mail · data of a chart
//! ```
//!
//! Reports read facts by the hour, the day and the month ([`store::facts`]) and never the orders and sessions themselves.

pub(in crate::admin) mod chart;
pub(in crate::admin) mod report;

mod alert_log;
mod amounts;
mod authentication;
mod behaviour;
mod capacity;
mod churn;
mod cohorts;
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
mod vouchers;

use self::report::{About, Question, Told};

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
