//! Sessions go on although their routers were asked to end them: access is used that nobody paid for.

use shared::alert::Rule;

use super::{Finding, NOWHERE, counted};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let leaking = observed.leaking;
    let finding = || Finding {
        subject: NOWHERE.into(),
        site: None,
        title: format!(
            "{} although the routers were asked to end them",
            counted(leaking, "session goes on", "sessions go on")
        ),
        lines: Vec::new(),
        raises: leaking >= u64::from(rule.threshold),
    };
    (leaking > 0 && leaking * 2 >= u64::from(rule.threshold)).then(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn sessions_are_counted() {
        let rule = Rule { threshold: 4, ..Rule::of(Kind::SessionsLeaking) };
        for (leaking, expected) in [(0, vec![]), (1, vec![]), (2, vec![("-", false)]), (4, vec![("-", true)])] {
            let observed = Observed { leaking, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{leaking}");
        }
    }
}
