//! A device is online at two routers at once: its address was copied, most likely to use what somebody else has paid for.
//!
//! radiusd writes each into the security log once an hour as long as it goes on, so the window is longer than that. The alert is at
//! the site to which the device came last, and leaves it to the log to say which device it is.

use std::collections::BTreeSet;

use shared::alert::Rule;

use super::{Finding, at_site, by_site, counted, lines, subject};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let events = observed.events_of(&["mac_cloned"], rule);
    by_site(events.map(|event| (event.site.clone(), event)))
        .into_iter()
        .map(|(site, events)| {
            let devices: BTreeSet<_> = events.iter().map(|event| event.mac.map(|mac| mac.0)).collect();
            Finding {
                subject: subject(site.as_ref()),
                title: format!(
                    "Online in two places at once: {}{}",
                    counted(devices.len(), "device", "devices"),
                    at_site(site.as_ref())
                ),
                raises: devices.len() as u64 >= u64::from(rule.threshold),
                lines: lines(events.iter().map(|event| format!("at routers {}", event.detail))),
                site,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{event, place, quiet};

    #[test]
    fn devices_are_counted_once_for_a_site() {
        let rule = Rule::of(Kind::MacCloned);
        let two = Rule { threshold: 2, ..rule };
        let twice = || vec![event("mac_cloned", -10, place(1), 1), event("mac_cloned", -3600, place(1), 1)];
        for (events, rule, expected) in [
            (twice(), rule, vec![true]),
            (twice(), two, vec![false]),
            (vec![event("mac_cloned", -10, place(1), 1), event("mac_cloned", -10, None, 2)], rule, vec![true, true]),
            (vec![event("mac_cloned", -3901, place(1), 1)], rule, vec![]),
        ] {
            let observed = Observed { events, ..quiet() };
            let findings = judge(&observed, &rule);
            let raises: Vec<bool> = found(&findings).into_iter().map(|(_, raises)| raises).collect();
            assert_eq!(raises, expected, "{:?}", observed.events);
        }
    }
}
