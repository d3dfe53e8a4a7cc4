//! Somebody tries to sign in at the desk: sign-ins fail again and again, or an account or an address rests after too many.
//!
//! Failures stand in the audit log, and locks at the accounts and in the security log. It ends when fewer than half of the
//! threshold have failed within the window and nothing rests.

use shared::alert::Rule;

use super::{Finding, counted};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let sign_ins = &observed.sign_ins;
    let locks = observed.events_of(&["staff_locked", "staff_guessing"], rule).count() as u64;
    let is_locked = sign_ins.resting > 0 || locks > 0;
    let raises = is_locked || sign_ins.count >= u64::from(rule.threshold);
    if !raises && sign_ins.count * 2 < u64::from(rule.threshold) {
        return Vec::new();
    }
    let failed = counted(sign_ins.count, "sign-in", "sign-ins");
    let mut lines = vec![format!(
        "for {}, from {}",
        counted(sign_ins.accounts, "account", "accounts"),
        counted(sign_ins.addresses, "address", "addresses")
    )];
    lines.extend(
        (sign_ins.resting > 0).then(|| format!("{} now", counted(sign_ins.resting, "account rests", "accounts rest"))),
    );
    vec![Finding {
        subject: "desk".into(),
        site: None,
        title: format!("{failed} at the desk failed within {} minutes", rule.window_minutes),
        lines,
        raises,
    }]
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::alert::facts::FailedSignIns;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{event, quiet};

    #[test]
    fn many_failures_or_a_lock_raise_it() {
        let rule = Rule::of(Kind::StaffLogins);
        for (count, resting, locked, expected) in [
            (4, 0, false, vec![]),
            (5, 0, false, vec![("desk", false)]),
            (10, 0, false, vec![("desk", true)]),
            (0, 1, false, vec![("desk", true)]),
            (0, 0, true, vec![("desk", true)]),
        ] {
            let sign_ins = FailedSignIns { count, accounts: 1, addresses: 1, resting };
            let events = if locked { vec![event("staff_guessing", -5, None, 1)] } else { Vec::new() };
            let observed = Observed { sign_ins, events, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{count} {resting} {locked}");
        }
    }
}
