//! One phone or one device tries to pay again and again in vain: somebody sends prompts to strangers' phones, tries out cards, or
//! needs help.
//!
//! Counted are attempts that became no payment. All at one site is one alert, a line for each phone and device; it ends when nobody
//! there has half as many any more.

use shared::alert::Rule;

use super::{Finding, at_site, by_site, lines, subject};
use crate::alerts::observe::Observed;

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let least = u64::from(rule.threshold);
    let busy = observed.payers.iter().filter(|payer| payer.attempts * 2 >= least);
    by_site(busy.map(|payer| (payer.site.clone(), payer)))
        .into_iter()
        .map(|(site, payers)| {
            let name = |payer: &&store::alert::facts::Payer| match (&payer.phone, payer.mac) {
                (Some(phone), _) => phone.masked(),
                (None, Some(_)) => "a device".to_owned(),
                (None, None) => "a phone".to_owned(),
            };
            Finding {
                subject: subject(site.as_ref()),
                title: format!("A phone or device tries to pay again and again{}", at_site(site.as_ref())),
                lines: lines(payers.iter().map(|payer| format!("{}: {} times in vain", name(payer), payer.attempts))),
                raises: payers.iter().any(|payer| payer.attempts >= least),
                site,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::alert::facts::Payer;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{place, quiet};

    fn payer(attempts: u64) -> Payer {
        Payer { phone: "0712345678".parse().ok(), mac: None, site: place(1), attempts }
    }

    #[test]
    fn who_tries_often_raises_it_and_others_at_the_site_are_lines_of_it() {
        let rule = Rule::of(Kind::PaymentAttempts);
        for (attempts, expected) in
            [(vec![3], vec![]), (vec![4], vec![false]), (vec![8], vec![true]), (vec![4, 9], vec![true])]
        {
            let payers: Vec<Payer> = attempts.iter().map(|attempts| payer(*attempts)).collect();
            let observed = Observed { payers, ..quiet() };
            let findings = judge(&observed, &rule);
            let raises: Vec<bool> = found(&findings).into_iter().map(|(_, raises)| raises).collect();
            assert_eq!(raises, expected, "{attempts:?}");
        }
        let observed = Observed { payers: vec![payer(9)], ..quiet() };
        assert_eq!(judge(&observed, &rule)[0].lines, ["07xx xxx 678: 9 times in vain"]);
    }
}
