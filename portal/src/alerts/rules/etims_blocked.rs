//! The tax authority signs nothing for a branch, and all invoices of that branch wait behind the first.
//!
//! What needs a person – an invoice or a device that is refused – is found at once. Where the authority is only away it goes on by itself:
//! that is found after hours. It is over when the branch signs again.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, counted, since};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let late = Duration::from_secs(u64::from(rule.threshold) * 3600);
    let is_late = |at| since(at, observed.now) >= late;
    let blocked = observed.etims.iter().filter(|branch| branch.needs_a_person || branch.since.is_some_and(is_late));
    let finding = blocked.map(|branch| Finding {
        subject: branch.branch.clone(),
        site: branch.site.clone(),
        title: format!("The Kenya Revenue Authority signs nothing for branch {}", branch.branch),
        lines: [branch.reason.clone(), counted(branch.waiting, "invoice waits", "invoices wait")]
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect(),
        raises: true,
    });
    finding.collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::books::etims::Blocked;

    use super::*;
    use crate::alerts::observe::tests::{at, quiet};

    #[test]
    fn what_needs_a_person_is_found_at_once_and_what_waits_after_hours() {
        let branch = |needs_a_person, seconds: Option<i64>| Blocked {
            branch: "00".into(),
            site: None,
            waiting: 3,
            since: seconds.map(at),
            needs_a_person,
            reason: "the authority is away".into(),
        };
        for (branch, expected) in [
            (branch(true, None), 1),
            (branch(true, Some(-1)), 1),
            (branch(false, Some(-6 * 3600 + 1)), 0),
            (branch(false, Some(-6 * 3600)), 1),
            (branch(false, None), 0),
        ] {
            let observed = Observed { etims: vec![branch.clone()], ..quiet() };
            let found = judge(&observed, &Rule::of(Kind::EtimsBlocked));
            assert_eq!(found.len(), expected, "{branch:?}");
            assert!(found.iter().all(|found| found.lines == ["the authority is away", "3 invoices wait"]), "{found:?}");
        }
    }
}
