//! radiusd does not answer on its admin port, and no router was heard by another one: nobody can log in.
//!
//! It must last, since a restart takes some seconds. A radiusd that never answered a portal may be where none reaches it
//! (`radius.admin_listen`), and tells nothing.

use super::Finding;
use crate::alerts::observe::{Health, Observed};

pub(super) fn judge(observed: &Observed) -> Option<Vec<Finding>> {
    let finding = || Finding {
        subject: "radiusd".into(),
        site: None,
        title: "radiusd does not answer: nobody new can log in".into(),
        lines: Vec::new(),
        raises: true,
    };
    match observed.radiusd.as_ref()? {
        Health::Away => Some(vec![finding()]),
        Health::Told(_) => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn away_is_away_and_unknown_is_unknown() {
        let findings = judge(&Observed { radiusd: Some(Health::Away), ..quiet() }).expect("known");
        assert_eq!(found(&findings), [("radiusd", true)]);
        assert_eq!(judge(&Observed { radiusd: None, ..quiet() }), None);
    }
}
