//! What was closed does not come into the accountant's program: it is refused there, or has waited for too long.
//!
//! What is refused waits for a person from the first moment. What waits is tried again by itself, so only a long wait is a matter.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, NOWHERE, counted, since, span};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let books = &observed.books;
    let late = Duration::from_secs(u64::from(rule.threshold) * 3600);
    let age = books.oldest.map(|at| since(at, observed.now)).filter(|age| *age >= late);
    if books.rejected == 0 && age.is_none() {
        return Vec::new();
    }
    let title = match books.rejected {
        0 => format!(
            "{} for the accountant's program",
            counted(books.pending + books.unknown, "document waits", "documents wait")
        ),
        refused => {
            format!("{} by the accountant's program", counted(refused, "document is refused", "documents are refused"))
        }
    };
    let lines = age.map(|age| format!("the oldest waits for {}", span(age))).into_iter().collect();
    vec![Finding { subject: NOWHERE.into(), site: None, title, lines, raises: true }]
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::books::posting::Standing;

    use super::*;
    use crate::alerts::observe::tests::{at, quiet};

    #[test]
    fn what_is_refused_counts_at_once_and_what_waits_after_a_day() {
        for (rejected, oldest, expected) in [
            (0, None, None),
            (0, Some(-86_399), None),
            (0, Some(-86_400), Some("3 documents wait for the accountant's program")),
            (1, None, Some("1 document is refused by the accountant's program")),
            (2, Some(-90_000), Some("2 documents are refused by the accountant's program")),
        ] {
            let books = Standing { pending: 2, unknown: 1, rejected, oldest: oldest.map(at) };
            let found = judge(&Observed { books, ..quiet() }, &Rule::of(Kind::BooksLate));
            assert_eq!(found.first().map(|finding| finding.title.as_str()), expected, "{rejected} {oldest:?}");
            let is_late = oldest.is_some_and(|oldest| oldest <= -86_400);
            assert!(found.iter().all(|finding| finding.lines.is_empty() != is_late), "{rejected} {oldest:?}");
        }
    }
}
