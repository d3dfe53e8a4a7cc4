//! Faults put into series, and how many of them are found: the false alerts are those in the same weeks without a fault.
//!
//! What is expected of a day is said at its midnight, as the nightly job does: the mean of the same hour of the week in the eight weeks before,
//! at the level of the last seven days.

use forecast::anomaly::{self, Finding, Kind};
use forecast::series::WEEK;

use crate::lot::Lot;

/// Weeks that a profile is the mean of, and the hours after which there is an expectation: one week more, for the level.
const WEEKS: usize = 8;
pub(crate) const KNOWN_FROM: usize = (WEEKS + 1) * WEEK;
/// Hours before a fault that are given to the detector.
const LEARNT: usize = 8 * WEEK;

/// A series, and what was expected of each of its hours.
pub(crate) struct Site {
    pub(crate) actual: Vec<Option<f64>>,
    pub(crate) expected: Vec<f64>,
}

impl Site {
    pub(crate) fn new(actual: Vec<Option<f64>>) -> Site {
        let expected = expected(&actual);
        Site { actual, expected }
    }
}

/// The counts of ten streets of Auckland, hour by hour; `None` if the file is not there.
pub(crate) fn auckland(shared: &str) -> Option<Vec<Vec<Option<f64>>>> {
    let text = std::fs::read_to_string(format!("{shared}/data/series/akl_ped_10sites_2024-10_2025-12.csv")).ok()?;
    let mut series: Vec<Vec<Option<f64>>> = Vec::new();
    for line in text.lines().skip(1) {
        let values = line.split(',').skip(1).map(|value| value.parse().ok());
        for (at, value) in values.enumerate() {
            if series.len() <= at {
                series.push(Vec::new());
            }
            series[at].push(value);
        }
    }
    Some(series)
}

/// A quiet place with the rhythm of a busy one: of its customers each is kept with the same chance, so that so many an hour are left.
pub(crate) fn thinned(series: &[Option<f64>], mean: f64, lot: &mut Lot) -> Vec<Option<f64>> {
    let seen = series.iter().flatten().count() as f64;
    let chance = mean * seen / series.iter().flatten().sum::<f64>();
    series.iter().map(|value| value.map(|value| lot.kept(value, chance))).collect()
}

/// What was expected of each hour at the midnight before it; not a number for the first nine weeks.
fn expected(actual: &[Option<f64>]) -> Vec<f64> {
    let profile: Vec<f64> = (0..actual.len()).map(|at| profile(actual, at)).collect();
    let mut expected = vec![f64::NAN; actual.len()];
    for midnight in (KNOWN_FROM..actual.len()).step_by(24) {
        let (mut there_was, mut there_should) = (0.0, 0.0);
        for at in midnight - WEEK..midnight {
            if let Some(value) = actual[at] {
                there_was += value;
                there_should += profile[at];
            }
        }
        let level = if there_should > 0.0 { (there_was / there_should).clamp(0.5, 2.0) } else { 1.0 };
        for at in midnight..(midnight + 24).min(actual.len()) {
            expected[at] = profile[at] * level;
        }
    }
    expected
}

fn profile(actual: &[Option<f64>], at: usize) -> f64 {
    let before = (1..=WEEKS).filter_map(|week| actual.get(at.checked_sub(week * WEEK)?).copied().flatten());
    let (sum, count) = before.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// What happens to a series.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) hours: usize,
    /// What is left of each hour, as a share.
    pub(crate) share: f64,
    /// What must be expected of its hours, on average, for the fault to be put there.
    pub(crate) expected_min: f64,
}

/// What became of the faults.
pub(crate) struct Found {
    pub(crate) recall: f64,
    /// Hours until the alarm, the median of those found.
    pub(crate) delay: usize,
    pub(crate) faults: usize,
}

/// Puts the fault into each site so many times, one at a time, at hours drawn by lot, and looks whether it is found before it is over, as what
/// it is (less or more than expected).
pub(crate) fn measure(sites: &[Site], span: (usize, usize), fault: Fault, each: usize, lot: &mut Lot) -> Found {
    let (mut delays, mut faults) = (Vec::new(), 0);
    for site in sites {
        let mut left = each;
        // A site with too few hours that qualify gets fewer.
        for _ in 0..each * 20 {
            let start = span.0 + lot.below(span.1 - span.0 - fault.hours);
            let hours = start..start + fault.hours;
            let awaited: f64 = site.expected[hours.clone()].iter().sum();
            if left == 0 || awaited < fault.expected_min * fault.hours as f64 || site.actual[hours].contains(&None) {
                continue;
            }
            left -= 1;
            faults += 1;
            delays.extend(delay(site, start, fault, lot));
        }
    }
    delays.sort_unstable();
    let delay = delays.get(delays.len() / 2).copied().unwrap_or(0);
    Found { recall: delays.len() as f64 / (faults as f64).max(1.0), delay, faults }
}

/// Hours from the beginning of a fault until it is found, told hour by hour; `None` if it is over before.
fn delay(site: &Site, start: usize, fault: Fault, lot: &mut Lot) -> Option<usize> {
    let from = start.saturating_sub(LEARNT).max(KNOWN_FROM);
    let mut actual = site.actual[from..].to_vec();
    for value in actual[start - from..start - from + fault.hours].iter_mut().flatten() {
        *value = if fault.share < 1.0 { lot.kept(*value, fault.share) } else { (*value * fault.share).round() };
    }
    let is_it = |finding: &Finding| {
        let is_low = matches!(finding.kind, Kind::Outage | Kind::Drop);
        finding.until > start - from && finding.from < start - from + fault.hours && is_low == (fault.share < 1.0)
    };
    (1..=fault.hours).find(|hours| {
        let now = (start - from + hours).min(actual.len());
        anomaly::scan(&actual[..now], &site.expected[from..from + now]).iter().any(|finding| {
            // It must be news: in its last alarm this hour has a part.
            is_it(finding) && finding.until == now
        })
    })
}

/// Findings a week and site where no fault was put.
pub(crate) fn false_alerts(sites: &[Site], span: (usize, usize)) -> f64 {
    let weeks = (span.1 - span.0) as f64 / WEEK as f64 * sites.len() as f64;
    findings(sites, span).count() as f64 / weeks
}

/// What the plain rule "half or double of the same hour last week" says where no fault was put, where 8 are expected of three hours together or
/// were there last week: alarms within six hours are one, as ours are.
pub(crate) fn half_or_double(sites: &[Site], span: (usize, usize)) -> f64 {
    let weeks = (span.1 - span.0) as f64 / WEEK as f64 * sites.len() as f64;
    let mut alerts = 0;
    for site in sites {
        let sum = |until: usize| site.actual[until - 3..until].iter().copied().sum::<Option<f64>>();
        let mut last = None;
        for until in span.0 + 3..=span.1 {
            let (Some(now), Some(before)) = (sum(until), sum(until - WEEK)) else { continue };
            if now.max(before) < 8.0 || (now >= before / 2.0 && now <= before * 2.0) {
                continue;
            }
            alerts += usize::from(last.is_none_or(|last| until > last + 6));
            last = Some(until);
        }
    }
    alerts as f64 / weeks
}

/// Everything that is found in a span, looked back on.
pub(crate) fn findings(sites: &[Site], span: (usize, usize)) -> impl Iterator<Item = Finding> + '_ {
    let from = span.0.saturating_sub(LEARNT).max(KNOWN_FROM);
    sites.iter().flat_map(move |site| {
        let found = anomaly::scan(&site.actual[from..span.1], &site.expected[from..span.1]);
        found.into_iter().filter(move |finding| finding.from + from >= span.0)
    })
}
