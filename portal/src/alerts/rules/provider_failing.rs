//! M-Pesa, Stripe, SMS or e-mail does not work.
//!
//! A provider of payments fails by the evidence of the last minutes: it cannot be reached, breaks off, or never says how a prompt ended
//! ([`crate::payments::trouble`], which has thresholds of its own). A way to people fails when messages wait that nobody takes, at
//! least as many as the threshold and more than were taken meanwhile; it ends when more are taken.

use shared::alert::Rule;
use shared::notice::Channel;

use super::payment_failures::provider;
use super::{Finding, counted};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let payments = observed.gateways.iter().filter(|(_, fails)| *fails).map(|(name, _)| Finding {
        subject: (*name).to_owned(),
        site: None,
        title: format!("Payments by {} fail for most customers", provider(name)),
        lines: vec!["Customers are told so, and what they can do instead, where the pages know it".into()],
        raises: true,
    });
    let messages = observed.messages.iter().filter(|way| way.refused > way.taken).map(|way| Finding {
        subject: way.channel.as_str().to_owned(),
        site: None,
        title: format!(
            "{} cannot be sent: {} for a provider that takes them",
            if way.channel == Channel::Sms { "SMS" } else { "E-mail" },
            counted(way.refused, "message waits", "messages wait")
        ),
        lines: vec![format!("{} taken within {} minutes", way.taken, rule.window_minutes)],
        raises: way.refused >= u64::from(rule.threshold),
    });
    payments.chain(messages).collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::alert::facts::Messages;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn a_way_fails_when_more_is_refused_than_taken() {
        let rule = Rule::of(Kind::ProviderFailing);
        for (taken, refused, expected) in [
            (0, 0, vec![]),
            (0, 2, vec![("sms", false)]),
            (0, 3, vec![("sms", true)]),
            (3, 3, vec![]),
            (2, 3, vec![("sms", true)]),
            (100, 3, vec![]),
        ] {
            let messages = vec![Messages { channel: Channel::Sms, taken, refused, without_credit: 0 }];
            let observed = Observed { messages, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{taken} taken, {refused} refused");
        }
        let observed = Observed { gateways: vec![("mpesa", true), ("stripe", false)], ..quiet() };
        assert_eq!(found(&judge(&observed, &rule)), [("mpesa", true)]);
    }
}
