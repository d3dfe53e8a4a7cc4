//! Codes or passwords are guessed at a router: so many that new logins wait there, or so many devices and names are locked.
//!
//! The security log has both, and which devices they were: an alert names none. All at one site is one alert; it ends when the window holds fewer than half of the threshold.

use std::collections::BTreeMap;

use shared::alert::Rule;

use super::{Finding, at_site, by_site, counted, lines, subject};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let events = observed.events_of(&["router_guessing", "device_locked", "login_locked"], rule);
    let sites = by_site(events.map(|event| (event.site.clone(), event)));
    let finding = |(site, events): (Option<_>, Vec<&store::alert::facts::Event>)| {
        let (waiting, locked): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.kind == "router_guessing");
        let locks = locked.len() as u64;
        let raises = !waiting.is_empty() || locks >= u64::from(rule.threshold);
        let title = match waiting.is_empty() {
            true => {
                format!("Passwords or codes are guessed{}: {}", at_site(site.as_ref()), counted(locks, "lock", "locks"))
            }
            false => format!("So many codes are guessed{} that new logins wait", at_site(site.as_ref())),
        };
        let mut locks_at: BTreeMap<String, u64> = BTreeMap::new();
        for event in &locked {
            *locks_at.entry(router(event)).or_default() += 1;
        }
        let waiting = waiting.iter().map(|event| format!("{}: new logins wait", router(event)));
        let locked = locks_at.into_iter().map(|(name, count)| format!("{name}: {}", counted(count, "lock", "locks")));
        let found =
            || Finding { subject: subject(site.as_ref()), lines: lines(waiting.chain(locked)), site, title, raises };
        (raises || locks * 2 >= u64::from(rule.threshold)).then(found)
    };
    sites.into_iter().filter_map(finding).collect()
}

fn router(event: &store::alert::facts::Event) -> String {
    format!("router {}", event.router.as_deref().unwrap_or("(removed)"))
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{event, place, quiet};

    #[test]
    fn locks_add_up_and_a_router_that_waits_is_enough() {
        let rule = Rule::of(Kind::VoucherGuessing);
        let one = subject(place(1).as_ref());
        let locks = |count: u8| (0..count).map(|mac| event("device_locked", -60, place(1), mac)).collect::<Vec<_>>();
        for (events, expected) in [
            (locks(2), vec![]),
            (locks(3), vec![(one.as_str(), false)]),
            (locks(5), vec![(one.as_str(), true)]),
            (vec![event("router_guessing", -60, place(1), 1)], vec![(one.as_str(), true)]),
            (vec![event("router_guessing", -901, place(1), 1)], vec![]),
            (vec![event("mac_cloned", -60, place(1), 1)], vec![]),
        ] {
            let observed = Observed { events, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{:?}", observed.events);
        }
    }

    #[test]
    fn a_site_is_one_alert_however_many_guess() {
        let events = (0..40)
            .flat_map(|mac| [event("login_locked", -60, place(1), mac), event("login_locked", -60, place(2), mac)]);
        let observed = Observed { events: events.collect(), ..quiet() };
        let findings = judge(&observed, &Rule::of(Kind::VoucherGuessing));
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].title, "Passwords or codes are guessed at Site 1: 40 locks");
        assert_eq!(findings[0].lines, ["router cafe: 40 locks"]);
    }
}
