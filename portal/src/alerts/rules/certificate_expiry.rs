//! A certificate of RadSec runs out: ours, an authority's, or one that a router came with. Then routers cannot connect any more.
//!
//! radiusd tells when. The certificate of the portal's web address is the proxy's in front of it, and not seen from here.

use std::time::Duration;

use shared::alert::Rule;
use shared::time::OffsetDateTime;

use super::{Finding, clock, counted, lines};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Option<Vec<Finding>> {
    let soon = observed.now + Duration::from_secs(u64::from(rule.threshold) * 86_400);
    let ends = observed.told()?.certificates.iter().filter_map(|(name, end)| {
        let end = OffsetDateTime::from_unix_timestamp(*end).ok()?;
        (end < soon).then(|| {
            let word = if end <= observed.now { "ran out" } else { "runs out" };
            format!("{name} {word} at {}", clock(end, observed.now))
        })
    });
    let ends = lines(ends);
    let finding = || Finding {
        subject: "radsec".into(),
        site: None,
        title: format!(
            "{} out within {} days",
            counted(ends.len(), "certificate of RadSec runs", "certificates of RadSec run"),
            rule.threshold
        ),
        lines: ends.clone(),
        raises: true,
    };
    Some((!ends.is_empty()).then(finding).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::*;
    use crate::alerts::observe::Health;
    use crate::alerts::observe::tests::{at, quiet};
    use crate::alerts::told::Told;

    #[test]
    fn what_runs_out_soon_counts_and_what_has_run_out() {
        for (days, expected) in [(15, 0), (13, 1), (-1, 1)] {
            let certificates = vec![("RadSec's certificate".into(), at(days * 86_400).unix_timestamp())];
            let told = Told { certificates, ..Told::default() };
            let observed = Observed { radiusd: Some(Health::Told(Box::new(told))), ..quiet() };
            let findings = judge(&observed, &Rule::of(Kind::CertificateExpiry)).expect("known");
            assert_eq!(findings.len(), expected, "{days} days");
        }
    }
}
