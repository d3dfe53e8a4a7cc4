//! Most customers of a provider cannot pay, whatever the reasons: the provider has trouble that it does not admit, a price is wrong,
//! or the page is.
//!
//! Customers are counted and not attempts, and a customer who could pay in the end has paid. It takes a few to judge by; it ends
//! when a fifth of a hundred fewer fail than raise it, or when too few try.

use shared::alert::Rule;

use super::{Finding, counted};
use crate::alerts::observe::Observed;

/// Customers below which nothing can be said.
const CUSTOMERS: u64 = 5;
/// Hundredths below the threshold at which it ends.
const MARGIN: u64 = 20;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let least = u64::from(rule.threshold);
    let told = observed.outcomes.iter().filter(|outcome| outcome.customers >= CUSTOMERS);
    let finding = |outcome: &store::alert::facts::Outcome| {
        let hundredths = outcome.in_vain * 100 / outcome.customers;
        (hundredths + MARGIN >= least && outcome.in_vain > 0).then(|| Finding {
            subject: outcome.provider.clone(),
            site: None,
            title: format!(
                "{} of {} could not pay by {} within {} minutes",
                outcome.in_vain,
                counted(outcome.customers, "customer", "customers"),
                provider(&outcome.provider),
                rule.window_minutes
            ),
            lines: Vec::new(),
            raises: hundredths >= least,
        })
    };
    told.filter_map(finding).collect()
}

/// What people call a provider.
pub(super) fn provider(name: &str) -> &str {
    match name {
        "mpesa" => "M-Pesa",
        "stripe" => "card",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::alert::facts::Outcome;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn most_of_several_must_fail() {
        let rule = Rule::of(Kind::PaymentFailures);
        for (customers, in_vain, expected) in [
            (4, 4, vec![]),
            (5, 2, vec![]),
            (10, 5, vec![("mpesa", false)]),
            (10, 6, vec![("mpesa", false)]),
            (10, 7, vec![("mpesa", true)]),
            (5, 5, vec![("mpesa", true)]),
        ] {
            let outcomes = vec![Outcome { provider: "mpesa".into(), customers, in_vain }];
            let observed = Observed { outcomes, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{in_vain} of {customers}");
        }
    }
}
