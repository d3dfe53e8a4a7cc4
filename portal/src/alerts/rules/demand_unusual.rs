//! Much less, or much more, is bought or used at a site than was expected: the line is cut where the router still speaks, the login page is
//! broken, nobody can pay, or something happens in town.
//!
//! What is unusual is found once an hour beside the stored forecast ([`crate::predictions::anomalies`]). It raises if it is grave, went
//! on within the last two hours, and is as far away from what was expected as the threshold says. It ends when six hours were as expected:
//! what comes back before that is the same.

use shared::alert::{Kind, Rule};
use shared::time::OffsetDateTime;
use store::alert::facts::Site;

use super::{Finding, at_site, clock, counted, subject};
use crate::alerts::observe::Observed;
use crate::predictions::anomalies::{self, Unusual};
use crate::views::amount::{Base, data};

/// Hours within which it must have gone on to raise an alert, and to keep one.
const RAISES: i64 = 2;
const KEEPS: i64 = 6;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let found = anomalies::of_kind::<Vec<Unusual>>(observed.found.as_ref()?, Kind::DemandUnusual);
    let sites = anomalies::by_site(found).into_iter();
    Some(sites.filter_map(|(site, (hour, unusual))| finding(site, hour, &unusual, observed.now, rule)).collect())
}

fn finding(site: Site, hour: OffsetDateTime, unusual: &[Unusual], now: OffsetDateTime, rule: &Rule) -> Option<Finding> {
    let ago = |of: &Unusual| (hour.unix_timestamp() - of.until) / 3600;
    let raises = |of: &Unusual| of.is_grave && ago(of) < RAISES && percent_away(of) >= f64::from(rule.threshold);
    let mut present: Vec<&Unusual> = unusual.iter().filter(|of| ago(of) < KEEPS).collect();
    // What raises it comes first, and then what is over last.
    present.sort_by_key(|of| (!raises(of), -of.until));
    let first = present.first()?;
    let site = Some(site);
    Some(Finding {
        subject: subject(site.as_ref()),
        title: format!("{}{}: {}", words(first), at_site(site.as_ref()), numbers(first)),
        lines: super::lines(present.iter().map(|of| {
            let at =
                |seconds| OffsetDateTime::from_unix_timestamp(seconds).map(|at| clock(at, now)).unwrap_or_default();
            format!("{} from {} to {}: {}", words(of), at(of.from), at(of.until), numbers(of))
        })),
        raises: raises(first),
        site,
    })
}

fn is_data(of: &Unusual) -> bool {
    of.measure == "octets"
}

fn words(of: &Unusual) -> &'static str {
    match (of.what.as_str(), is_data(of)) {
        ("outage", false) => "Next to nothing is bought",
        ("outage", true) => "Next to no data is used",
        ("surge", false) => "Much more is bought than expected",
        ("surge", true) => "Much more data is used than expected",
        (_, false) => "Much less is bought than expected",
        (_, true) => "Much less data is used than expected",
    }
}

/// `3 instead of 41 purchases in 5 hours`
fn numbers(of: &Unusual) -> String {
    let hours = counted((of.until - of.from) / 3600, "hour", "hours");
    let octets = |value: f64| data(value.max(0.0) as u64, Base::of(None));
    match is_data(of) {
        true => format!("{} instead of {} in {hours}", octets(of.observed), octets(of.expected)),
        false => format!("{:.0} instead of {:.0} purchases in {hours}", of.observed, of.expected),
    }
}

/// How far away it is, in hundredths of what was expected.
fn percent_away(of: &Unusual) -> f64 {
    if of.expected > 0.0 { (of.observed - of.expected).abs() / of.expected * 100.0 } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use store::prediction::lately::Found;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{at, place, quiet};

    fn unusual(what: &str, is_grave: bool, observed: f64, until_hours_ago: i64) -> Unusual {
        let until = at(0).unix_timestamp() - until_hours_ago * 3600;
        Unusual {
            measure: "purchases".into(),
            what: what.into(),
            is_grave,
            observed,
            expected: 40.0,
            from: until - 5 * 3600,
            until,
        }
    }

    fn observed(unusual: &[Unusual]) -> Observed {
        let detail = serde_json::to_value(unusual).expect("plain values");
        let site = place(1).expect("a site");
        Observed { found: Some(vec![Found { kind: "demand_unusual".into(), site, hour: at(0), detail }]), ..quiet() }
    }

    #[test]
    fn what_is_grave_and_goes_on_raises_and_what_was_keeps() {
        let (rule, subject) = (Rule::of(Kind::DemandUnusual), subject(place(1).as_ref()));
        for (all, expected) in [
            (vec![unusual("outage", true, 1.0, 0)], Some(true)),
            (vec![unusual("outage", true, 1.0, 1)], Some(true)),
            (vec![unusual("outage", true, 1.0, 2)], Some(false)),
            (vec![unusual("outage", true, 1.0, 6)], None),
            (vec![unusual("drop", false, 20.0, 0)], Some(false)),
            (vec![unusual("surge", true, 90.0, 0)], Some(true)),
            (vec![unusual("drop", true, 30.0, 0)], Some(false)),
            (vec![unusual("drop", false, 20.0, 0), unusual("outage", true, 1.0, 1)], Some(true)),
        ] {
            let findings = judge(&observed(&all), &rule).expect("known");
            let wanted: Vec<(&str, bool)> = expected.map(|raises| (subject.as_str(), raises)).into_iter().collect();
            assert_eq!(found(&findings), wanted, "{all:?}");
        }
    }

    #[test]
    fn it_says_how_much_there_was_and_how_much_was_expected() {
        let data = Unusual { measure: "octets".into(), expected: 9e9, observed: 3e9, ..unusual("drop", true, 0.0, 0) };
        let findings = judge(&observed(&[unusual("outage", true, 1.4, 0), data]), &Rule::of(Kind::DemandUnusual));
        let [finding] = &findings.expect("known")[..] else { panic!("one for a site") };
        assert_eq!(finding.title, "Next to nothing is bought at Site 1: 1 instead of 40 purchases in 5 hours");
        assert!(finding.lines[1].starts_with("Much less data is used than expected from "), "{:?}", finding.lines);
        assert!(finding.lines[1].ends_with(": 3 GB instead of 9 GB in 5 hours"), "{:?}", finding.lines);
    }

    #[test]
    fn what_nobody_has_looked_at_is_not_known() {
        assert_eq!(judge(&Observed { found: None, ..quiet() }, &Rule::of(Kind::DemandUnusual)), None);
    }
}
