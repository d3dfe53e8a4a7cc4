//! Nothing at all was heard of a router for very long, though nobody was online there when it fell silent: it is broken, was moved, or
//! reports to somebody else.
//!
//! A router speaks only when somebody logs in or is online, so a quiet night is no reason. One that never spoke is being set up.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, at_site, by_site, counted, lines, since, span, subject};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let long = Duration::from_secs(u64::from(rule.threshold) * 3600);
    let silent = observed.routers.iter().filter(|router| !router.is_dark).filter_map(|router| {
        let silence = since(router.last_seen_at?, observed.now);
        (silence >= long).then(|| (router.site.clone(), format!("{}: for {}", router.name, span(silence))))
    });
    by_site(silent)
        .into_iter()
        .map(|(site, routers)| Finding {
            subject: subject(site.as_ref()),
            title: format!(
                "Nothing was heard of {}{} for more than {}",
                counted(routers.len(), "router", "routers"),
                at_site(site.as_ref()),
                span(long)
            ),
            lines: lines(routers),
            raises: true,
            site,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::alert::facts::Router;

    use super::*;
    use crate::alerts::observe::tests::{at, place, quiet};

    #[test]
    fn only_long_silence_of_one_that_has_spoken_and_is_not_dark_counts() {
        for (last_seen, is_dark, expected) in
            [(None, false, 0), (Some(-86_399), false, 0), (Some(-86_400), false, 1), (Some(-86_400), true, 0)]
        {
            let router = Router { name: "cafe".into(), site: place(1), last_seen_at: last_seen.map(at), is_dark };
            let observed = Observed { routers: vec![router], ..quiet() };
            assert_eq!(judge(&observed, &Rule::of(Kind::RouterUnheard)).len(), expected, "{last_seen:?} {is_dark}");
        }
    }
}
