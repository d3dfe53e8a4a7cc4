//! Failed logins at a place where one in two hours has one, and bursts among them: how many are told before they are over, and how many hours
//! have an alarm where nothing was.

use forecast::anomaly;

use crate::lot::Lot;

/// Failed logins an hour, usually.
const USUAL: f64 = 0.5;
/// Hours from which the usual number is learnt: eight weeks.
const LEARNT: usize = 8 * 168;
/// Hours that are looked at together at most.
const LOOKED_AT: usize = 12;

/// The share of bursts that are told before they are over: so many failures more an hour, for so many hours.
pub(crate) fn recall(more: f64, hours: usize, times: usize, lot: &mut Lot) -> f64 {
    let mut found = 0;
    for _ in 0..times {
        let usual = learnt(lot);
        let mut series: Vec<f64> = (0..LOOKED_AT).map(|_| lot.poisson(USUAL)).collect();
        let is_told = (0..hours).any(|_| {
            series.push(lot.poisson(USUAL + more));
            anomaly::burst(&series[series.len() - LOOKED_AT..], usual).is_some()
        });
        found += usize::from(is_told);
    }
    found as f64 / times as f64
}

/// Hours with an alarm a week, where nothing happens.
pub(crate) fn false_hours(weeks: usize, lot: &mut Lot) -> f64 {
    let mut alarms = 0;
    for _ in 0..weeks {
        let usual = learnt(lot);
        let series: Vec<f64> = (0..168 + LOOKED_AT).map(|_| lot.poisson(USUAL)).collect();
        alarms += series.windows(LOOKED_AT).skip(1).filter(|hours| anomaly::burst(hours, usual).is_some()).count();
    }
    alarms as f64 / weeks as f64
}

/// The usual number as it is known: the mean of what came, and not the truth.
fn learnt(lot: &mut Lot) -> f64 {
    (0..LEARNT).map(|_| lot.poisson(USUAL)).sum::<f64>() / LEARNT as f64
}
