//! An accountant's program does not let us in any more: nothing is told to it until a person connects it again.
//!
//! It is over when it is connected, or when the operator ends it.

use books::connector::Provider;

use super::{Finding, lines};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed) -> Vec<Finding> {
    let finding = |lost: &store::books::connection::Lost| Finding {
        subject: lost.id.to_string(),
        site: None,
        title: format!(
            "{} does not let us in any more to {}",
            Provider::named(&lost.provider).map_or(lost.provider.as_str(), |provider| provider.name()),
            lost.name
        ),
        lines: lines(Some(lost.reason.clone()).filter(|reason| !reason.is_empty())),
        raises: true,
    };
    observed.lost_books.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use store::books::connection::Lost;
    use uuid::Uuid;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn each_company_is_one_alert() {
        let lost = |number, name: &str| Lost {
            id: Uuid::from_u128(number),
            provider: "xero".into(),
            name: name.into(),
            reason: "invalid_grant".into(),
        };
        let observed = Observed { lost_books: vec![lost(1, "Duka Ltd"), lost(2, "Hoteli Ltd")], ..quiet() };
        let findings = judge(&observed);
        let first = Uuid::from_u128(1).to_string();
        assert_eq!(found(&findings)[0], (first.as_str(), true));
        assert_eq!((findings.len(), findings[0].title.as_str()), (2, "Xero does not let us in any more to Duka Ltd"));
        assert_eq!(findings[0].lines, ["invalid_grant"]);
    }
}
