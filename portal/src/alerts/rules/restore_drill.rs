//! The last backup that was restored to try it was not in order, or none was restored lately: nobody knows whether they are any good.
//!
//! Where no drill was ever made none is missed.

use std::time::Duration;

use shared::alert::Rule;
use store::backup::Kind;

use super::{Finding, since, span};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let Some(last) = observed.backups.last(Kind::Drill) else { return Vec::new() };
    let late = Duration::from_secs(u64::from(rule.threshold) * 86_400);
    let age = since(last.ended_at, observed.now);
    let found = match last.ok {
        false => Some(("The last restore drill failed".to_owned(), vec![last.detail.clone()])),
        true if age > late => Some((format!("The last restore drill is {} old", span(age)), Vec::new())),
        true => None,
    };
    let finding = |(title, lines)| Finding { subject: "drill".into(), site: None, title, lines, raises: true };
    found.map(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind as Alert;
    use store::backup::{Newest, Run};

    use super::*;
    use crate::alerts::observe::tests::{at, quiet};

    #[test]
    fn a_drill_that_failed_or_is_old_raises_it() {
        for (runs, expected) in [
            (vec![], 0),
            (vec![(1, true)], 0),
            (vec![(8, true)], 0),
            (vec![(9, true)], 1),
            (vec![(2, true), (1, false)], 1),
            (vec![(2, false), (1, true)], 0),
        ] {
            let run = |(days, ok): &(i64, bool)| Run {
                kind: Kind::Drill,
                started_at: at(-days * 86_400),
                ended_at: at(-days * 86_400),
                ok: *ok,
                size: None,
                recovery_point: None,
                detail: "no table".into(),
            };
            let observed = Observed { backups: Newest::of(runs.iter().map(run).collect()), ..quiet() };
            assert_eq!(judge(&observed, &Rule::of(Alert::RestoreDrill)).len(), expected, "{runs:?}");
        }
    }
}
