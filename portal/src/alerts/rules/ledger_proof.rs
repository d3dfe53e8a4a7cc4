//! The books do not balance. The database refuses such a transaction, so somebody has written past it, or a disk is broken.
//!
//! All of the ledger is added up once an hour, and with every look while something is wrong.

use super::{Finding, counted};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed) -> Vec<Finding> {
    let finding = || Finding {
        subject: "ledger".into(),
        site: None,
        title: format!(
            "{} in the ledger",
            counted(observed.unbalanced, "transaction does not balance", "transactions do not balance")
        ),
        lines: Vec::new(),
        raises: true,
    };
    (observed.unbalanced > 0).then(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::observe::tests::quiet;

    #[test]
    fn one_is_enough() {
        assert_eq!(
            judge(&Observed { unbalanced: 1, ..quiet() })[0].title,
            "1 transaction does not balance in the ledger"
        );
        assert!(judge(&quiet()).is_empty());
    }
}
