//! Accounting can be stored nowhere: PostgreSQL is away, and the spool is full or its disk is. Nothing is acknowledged.

use super::Finding;
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed) -> Option<Vec<Finding>> {
    let finding = Finding {
        subject: "radiusd".into(),
        site: None,
        title: "Accounting can be stored nowhere, and routers get no answers".into(),
        lines: Vec::new(),
        raises: true,
    };
    Some(if observed.told()?.cannot_store { vec![finding] } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::Health;
    use crate::alerts::observe::tests::quiet;
    use crate::alerts::told::Told;

    #[test]
    fn it_is_as_radiusd_tells() {
        let told = Told { cannot_store: true, ..Told::default() };
        let observed = Observed { radiusd: Some(Health::Told(Box::new(told))), ..quiet() };
        assert_eq!(found(&judge(&observed).expect("known")), [("radiusd", true)]);
        assert_eq!(judge(&Observed { radiusd: Some(Health::Away), ..quiet() }), None, "what is open stays");
    }
}
