//! Money came, and nobody knows what it is for: a customer has paid and is not online.
//!
//! Judged by how long the oldest receipt waits. What an operator ignores does not wait.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, NOWHERE, counted, since, span};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let (count, oldest) = observed.unmatched;
    let late = Duration::from_secs(u64::from(rule.threshold) * 60);
    let finding = |age| Finding {
        subject: NOWHERE.into(),
        site: None,
        title: format!("{} for somebody to say what they are for", counted(count, "payment waits", "payments wait")),
        lines: vec![format!("the oldest for {}", span(age))],
        raises: true,
    };
    let age = oldest.map(|at| since(at, observed.now)).filter(|age| *age >= late);
    age.map(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::*;
    use crate::alerts::observe::tests::{at, quiet};

    #[test]
    fn the_oldest_counts() {
        for (oldest, expected) in [(None, 0), (Some(-599), 0), (Some(-600), 1)] {
            let observed = Observed { unmatched: (2, oldest.map(at)), ..quiet() };
            assert_eq!(judge(&observed, &Rule::of(Kind::MoneyUnmatched)).len(), expected, "{oldest:?}");
        }
    }
}
