//! Messages will not be sent for want of money: the provider says that the account is empty, or what a day may cost
//! (`sms.cost_limit_per_day`) is nearly spent.
//!
//! Neither provider tells how much is left, so an account that empties is seen when it is empty.

use shared::alert::Rule;
use shared::money::Money;

use super::{Finding, counted};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let finding = |subject: &str, title: String| Finding {
        subject: subject.into(),
        site: None,
        title,
        lines: Vec::new(),
        raises: true,
    };
    let without: u64 = observed.messages.iter().map(|way| way.without_credit).sum();
    let empty = (without > 0).then(|| {
        let waiting = counted(without, "message waits", "messages wait");
        finding("balance", format!("The SMS provider has no credit left: {waiting}"))
    });
    let spent = observed.cost.and_then(|(spent, limit)| {
        let hundredths = spent.saturating_mul(100).checked_div(limit)?;
        let title = format!("SMS have cost {} of the {} that a day may cost", Money::kes(spent), Money::kes(limit));
        (hundredths >= i64::from(rule.threshold)).then(|| finding("day", title))
    });
    empty.into_iter().chain(spent).collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use shared::notice::Channel;
    use store::alert::facts::Messages;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn an_empty_account_and_a_days_limit_count() {
        let rule = Rule::of(Kind::SmsCredit);
        for (without_credit, cost, expected) in [
            (0, None, vec![]),
            (1, None, vec![("balance", true)]),
            (0, Some((89, 100)), vec![]),
            (0, Some((90, 100)), vec![("day", true)]),
            (0, Some((90, 0)), vec![]),
        ] {
            let messages = vec![Messages { channel: Channel::Sms, taken: 9, refused: 0, without_credit }];
            let observed = Observed { messages, cost, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{without_credit} {cost:?}");
        }
    }
}
