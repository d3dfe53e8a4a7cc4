//! A router went dark while customers were online there, or nothing comes to its customers any more.
//!
//! radiusd writes such outages down, and when they are over. All routers of a site are one alert: a power cut takes several.

use super::{Finding, at_site, by_site, clock, counted, lines, subject};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed) -> Vec<Finding> {
    by_site(observed.dark.iter().map(|dark| (dark.site.clone(), dark)))
        .into_iter()
        .map(|(site, dark)| {
            let title = match &dark[..] {
                [one] if one.speaks => {
                    format!("Nothing comes to the customers of router {}{}", one.router, at_site(site.as_ref()))
                }
                [one] => format!("Router {}{} is silent", one.router, at_site(site.as_ref())),
                several => format!("{} routers{} are silent", several.len(), at_site(site.as_ref())),
            };
            let line = |dark: &&store::alert::facts::Dark| {
                let (since, customers) =
                    (clock(dark.since, observed.now), counted(dark.customers, "customer", "customers"));
                format!("{}: since {since}, {customers} were online", dark.router)
            };
            let lines = lines(dark.iter().map(line));
            Finding { subject: subject(site.as_ref()), title, lines, raises: true, site }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use store::alert::facts::Dark;

    use super::*;
    use crate::alerts::observe::tests::{at, place, quiet};

    #[test]
    fn routers_of_a_site_are_one_alert() {
        let dark = |router: &str, number, speaks| Dark {
            router: router.into(),
            site: place(number),
            since: at(-600),
            speaks,
            customers: 3,
        };
        let title = |dark: Vec<Dark>| {
            judge(&Observed { dark, ..quiet() }).into_iter().map(|found| found.title).collect::<Vec<_>>()
        };
        assert_eq!(title(vec![dark("cafe", 1, false)]), ["Router cafe at Site 1 is silent"]);
        assert_eq!(title(vec![dark("cafe", 1, true)]), ["Nothing comes to the customers of router cafe at Site 1"]);
        assert_eq!(
            title(vec![dark("cafe", 1, false), dark("roof", 1, false), dark("gate", 2, false)]),
            ["2 routers at Site 1 are silent", "Router gate at Site 2 is silent"]
        );
    }
}
