//! A site will probably come to its limit of sessions within two days: there is time to do something about it.
//!
//! How likely that is in each hour follows from the forecast of sessions and its bands ([`crate::predictions::anomalies`]); sites without a
//! limit are not looked at. It raises from the threshold on, and ends when it is less likely by a fifth.

use shared::alert::{Kind, Rule};
use shared::time::OffsetDateTime;
use store::alert::facts::Site;

use super::{Finding, at_site, clock, subject};
use crate::alerts::observe::Observed;
use crate::predictions::anomalies::{self, Near};

/// Part of the threshold at which it ends.
const KEEPS: f64 = 0.8;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let found = anomalies::of_kind::<Near>(observed.found.as_ref()?, Kind::CapacityNear);
    let least = f64::from(rule.threshold);
    let finding = |(site, (_, near)): (Site, (OffsetDateTime, Near))| {
        let (site, percent) = (Some(site), near.chance * 100.0);
        let at = OffsetDateTime::from_unix_timestamp(near.at).map(|at| clock(at, observed.now)).unwrap_or_default();
        (percent >= least * KEEPS).then(|| Finding {
            subject: subject(site.as_ref()),
            title: format!("The limit of {} sessions is near{}", near.limit, at_site(site.as_ref())),
            lines: vec![format!("{percent:.0} % likely at {at}, when {:.0} are expected", near.expected)],
            raises: percent >= least,
            site: site.clone(),
        })
    };
    Some(anomalies::by_site(found).into_iter().filter_map(finding).collect())
}

#[cfg(test)]
mod tests {
    use store::prediction::lately::Found;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{at, place, quiet};

    #[test]
    fn what_is_likely_raises_and_what_is_nearly_so_keeps() {
        let (rule, subject) = (Rule::of(Kind::CapacityNear), subject(place(1).as_ref()));
        for (chance, expected) in [(0.39, vec![]), (0.41, vec![false]), (0.5, vec![true]), (0.97, vec![true])] {
            let detail =
                serde_json::json!({ "limit": 40, "chance": chance, "at": at(3600).unix_timestamp(), "expected": 37.2 });
            let site = place(1).expect("a site");
            let of = vec![Found { kind: "capacity_near".into(), site, hour: at(0), detail }];
            let findings = judge(&Observed { found: Some(of), ..quiet() }, &rule).expect("known");
            let wanted: Vec<(&str, bool)> = expected.into_iter().map(|raises| (subject.as_str(), raises)).collect();
            assert_eq!(found(&findings), wanted, "{chance}");
        }
    }
}
