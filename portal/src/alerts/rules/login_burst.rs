//! Logins fail at a site for hours, more often than they usually do there: somebody tries slowly, or codes are misprinted.
//!
//! It is looked at by the hour, over one, three and twelve of them ([`crate::predictions::anomalies`]), beside the two weeks before:
//! what comes too slowly for [`super::failed_logins`], which counts minutes, is seen here. It raises from the threshold on, and ends when no
//! hour is unusual any more.

use shared::alert::{Kind, Rule};
use shared::time::OffsetDateTime;
use store::alert::facts::Site;

use super::{Finding, at_site, counted, subject};
use crate::alerts::observe::Observed;
use crate::predictions::anomalies::{self, Burst};

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let found = anomalies::of_kind::<Burst>(observed.found.as_ref()?, Kind::LoginBurst);
    let finding = |(site, (_, burst)): (Site, (OffsetDateTime, Burst))| {
        let site = Some(site);
        let failed = burst.observed.max(0.0).round() as u64;
        Finding {
            subject: subject(site.as_ref()),
            title: format!(
                "{}{} within {}",
                counted(failed, "login failed", "logins failed"),
                at_site(site.as_ref()),
                counted(burst.hours as u64, "hour", "hours")
            ),
            lines: vec![format!("usual is {:.1}", burst.expected)],
            raises: failed >= u64::from(rule.threshold),
            site,
        }
    };
    Some(anomalies::by_site(found).into_iter().map(finding).collect())
}

#[cfg(test)]
mod tests {
    use store::prediction::lately::Found;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{at, place, quiet};

    #[test]
    fn from_the_threshold_on_it_raises() {
        let (rule, subject) = (Rule::of(Kind::LoginBurst), subject(place(1).as_ref()));
        for (failed, raises) in [(4.0, false), (5.0, true), (15.0, true)] {
            let detail = serde_json::json!({ "observed": failed, "expected": 1.5, "hours": 3 });
            let site = place(1).expect("a site");
            let of = vec![Found { kind: "login_burst".into(), site, hour: at(0), detail }];
            let findings = judge(&Observed { found: Some(of), ..quiet() }, &rule).expect("known");
            assert_eq!(found(&findings), [(subject.as_str(), raises)], "{failed}");
        }
    }
}
