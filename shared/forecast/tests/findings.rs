//! What the bench of findings measures, on customers and places that are simulated from a seed: the goals hold without anybody's data, and a model
//! or a rule that got worse is found before the bench is asked. The bench's own parts do the measuring.

#[path = "../examples/findings/bursts.rs"]
mod bursts;
#[path = "../examples/findings/buyers.rs"]
#[expect(dead_code, reason = "the bench reads files as well, and prints more")]
mod buyers;
#[path = "../examples/findings/faults.rs"]
#[expect(dead_code, reason = "the bench reads files as well, and prints more")]
mod faults;
#[path = "../examples/findings/lot.rs"]
mod lot;

use faults::{Fault, Site};
use lot::Lot;

/// Hours of a simulated place, and of them those that are judged, the last ones.
const HOURS: usize = 25 * 168;
const JUDGED: usize = 8 * 168;

/// A place with a rhythm of its own: days that are better and worse throughout, weekends, and a night in which hardly anybody is there.
fn place(by_day: f64, lot: &mut Lot) -> Site {
    let (mut day, mut weekend) = (1.0, 1.0);
    let value = |at: usize| {
        if at.is_multiple_of(24) {
            day = (0.12 * lot.normal()).exp();
            weekend = if at / 24 % 7 >= 5 { 0.6 } else { 1.0 };
        }
        let rhythm = 0.52 - 0.48 * (std::f64::consts::TAU * (at % 24) as f64 / 24.0).cos();
        Some(lot.poisson(by_day * rhythm * day * weekend))
    };
    Site::new((0..HOURS).map(value).collect())
}

#[test]
fn a_model_beats_the_habit_and_says_what_comes() {
    let base = buyers::simulated(25_000, 400.0, &mut Lot(8));
    for window in [7.0, 30.0] {
        let told = buyers::told(&base, 400.0 - window, window).expect("enough customers");
        assert!(told.auc > told.habit_auc + 0.05, "AUC {} beside {}", told.auc, told.habit_auc);
        assert!(told.brier < 0.9 * told.habit_brier, "Brier {} beside {}", told.brier, told.habit_brier);
        assert!(told.worst_tenth() <= 0.03, "a tenth is off by {}: {:?}", told.worst_tenth(), told.tenths);
        assert!((told.total - 1.0).abs() < 0.06, "of 1 purchase {} are expected", told.total);
    }
}

#[test]
fn outages_of_busy_places_are_found_and_few_alerts_are_false() {
    let mut lot = Lot(3);
    let places: Vec<Site> = [40.0, 100.0, 250.0, 600.0].map(|by_day| place(by_day, &mut lot)).into();
    let span = (HOURS - JUDGED, HOURS);
    let outage = Fault { hours: 6, share: 0.05, expected_min: 8.0 };
    let found = faults::measure(&places, span, outage, 15, &mut lot);
    assert_eq!(found.faults, 60);
    assert!(found.recall >= 0.98 && found.delay <= 3, "{} found, after {} hours", found.recall, found.delay);
    let alerts = faults::false_alerts(&places, span);
    assert!(alerts <= 0.7, "{alerts} alerts a week where nothing was");
    // Without this the alerts would be few because the places are dead calm.
    assert!(faults::half_or_double(&places, span) > 2.0 * alerts);
}

#[test]
fn outages_of_quiet_places_are_found_where_they_can_be() {
    let mut lot = Lot(4);
    let places: Vec<Site> = (0..4).map(|_| place(4.0, &mut lot)).collect();
    let span = (HOURS - JUDGED, HOURS);
    let outage = Fault { hours: 6, share: 0.05, expected_min: 2.0 };
    let found = faults::measure(&places, span, outage, 15, &mut lot);
    let alerts = faults::false_alerts(&places, span);
    assert!(found.recall >= 0.6 && alerts <= 0.2, "{} found, {alerts} alerts a week where nothing was", found.recall);
}

#[test]
fn bursts_of_failed_logins_are_found_quick_and_slow() {
    let mut lot = Lot(5);
    let (quick, slow) = (bursts::recall(5.0, 3, 500, &mut lot), bursts::recall(2.0, 12, 500, &mut lot));
    let alarms = bursts::false_hours(500, &mut lot);
    assert!(
        quick >= 0.95 && slow >= 0.9 && alarms <= 0.25,
        "{quick} {slow} found, {alarms} hours with an alarm a week"
    );
}

#[test]
fn the_same_seed_draws_the_same_lots() {
    let mut lots = Lot(1);
    let drawn: Vec<f64> = (0..20_000).map(|_| lots.gamma(0.8)).collect();
    let mean = drawn.iter().sum::<f64>() / 20_000.0;
    let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 20_000.0;
    assert!((mean - 0.8).abs() < 0.03 && (variance - 0.8).abs() < 0.06, "{mean} {variance}");
    let mut again = Lot(1);
    assert_eq!(again.gamma(0.8), drawn[0]);
}
