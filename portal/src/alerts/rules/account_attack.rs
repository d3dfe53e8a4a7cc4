//! Somebody is after accounts or money by way of the portal: codes by SMS or of screens are tried too often, a customer's sign-in was
//! used from another device, a payment was reported in a provider's name by somebody else or told of otherwise after it was settled,
//! or the owner of a card says that it was not they who paid.
//!
//! The security log has them, and writes the same down once an hour at most.

use shared::alert::Rule;

use super::{Finding, NOWHERE, counted, lines};
use crate::alerts::observe::Observed;

/// What the security log calls them.
const KINDS: [&str; 5] = ["session_stolen", "code_guessing", "forged_report", "card_disputed", "money_differs"];

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let words = |kind: &str| match kind {
        "session_stolen" => "a customer's sign-in was used from another device",
        "forged_report" => "a payment was reported in a provider's name by somebody else",
        "card_disputed" => "the owner of a card says that a payment was not theirs",
        "money_differs" => "a payment that is settled was told of otherwise",
        _ => "codes by SMS or of screens are asked for or tried too often",
    };
    let events: Vec<_> = observed.events_of(&KINDS, rule).collect();
    let count = events.len() as u64;
    if count * 2 < u64::from(rule.threshold) || events.is_empty() {
        return Vec::new();
    }
    let line = |event: &&store::alert::facts::Event| match event.detail.as_str() {
        "" => words(&event.kind).to_owned(),
        detail => format!("{}: {detail}", words(&event.kind)),
    };
    vec![Finding {
        subject: NOWHERE.into(),
        site: None,
        title: format!("Somebody is after accounts or payments: {} lately", counted(count, "event", "events")),
        lines: lines(events.iter().map(line)),
        raises: count >= u64::from(rule.threshold),
    }]
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{event, quiet};

    #[test]
    fn each_of_them_counts_within_the_window() {
        let rule = Rule::of(Kind::AccountAttack);
        for (kind, seconds, expected) in [
            ("session_stolen", -10, vec![("-", true)]),
            ("code_guessing", -10, vec![("-", true)]),
            ("forged_report", -3599, vec![("-", true)]),
            ("forged_report", -3600, vec![]),
            ("device_locked", -10, vec![]),
        ] {
            let observed = Observed { events: vec![event(kind, seconds, None, 1)], ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{kind} {seconds}");
        }
        let three = Rule { threshold: 3, ..rule };
        let observed = Observed { events: vec![event("code_guessing", -1, None, 1); 2], ..quiet() };
        assert_eq!(found(&judge(&observed, &three)), [("-", false)]);
    }
}
