//! Accounting waits on radiusd's disk because PostgreSQL does not take it, or not fast enough. Usage and limits stand still.
//!
//! Judged by how long the oldest report has waited; it ends at half of that. While PostgreSQL is away altogether nothing is judged at
//! all, and another alert says so.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, counted, span};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let told = observed.told()?;
    let (age, least) = (told.spool_age, u64::from(rule.threshold));
    let finding = || Finding {
        subject: "radiusd".into(),
        site: None,
        title: format!("Accounting waits on disk, the oldest report for {}", span(Duration::from_secs(age))),
        lines: vec![
            counted(told.spool_records, "report waits", "reports wait"),
            if told.is_degraded { "PostgreSQL does not take them" } else { "PostgreSQL takes them, slowly" }.to_owned(),
        ],
        raises: age >= least,
    };
    Some((age > 0 && age * 2 >= least).then(finding).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::Health;
    use crate::alerts::observe::tests::quiet;
    use crate::alerts::told::Told;

    #[test]
    fn the_age_of_the_oldest_counts() {
        let rule = Rule::of(Kind::SpoolGrowing);
        for (spool_age, expected) in
            [(0, vec![]), (29, vec![]), (30, vec![("radiusd", false)]), (60, vec![("radiusd", true)])]
        {
            let told = Told { spool_age, is_degraded: true, ..Told::default() };
            let observed = Observed { radiusd: Some(Health::Told(Box::new(told))), ..quiet() };
            assert_eq!(found(&judge(&observed, &rule).expect("known")), expected, "{spool_age} s");
        }
    }
}
