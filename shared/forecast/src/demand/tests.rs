//! Forecasts of series whose truth is known, because they are made here: a small generator gives the noise, the same in every run.

use super::*;

/// A linear congruential generator, for noise.
struct Noise(u64);

impl Noise {
    /// From 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }

    /// How many of so many come, when each comes with this chance: close to Poisson where the chance is small.
    fn count(&mut self, of: u32, chance: f64) -> f64 {
        f64::from((0..of).filter(|_| self.next() < chance).map(|_| 1).sum::<u32>())
    }
}

/// Quiet nights, a peak in the evening, and twice as much at weekends.
fn pattern(at: usize) -> f64 {
    let (day, hour) = (at / 24 % 7, at % 24);
    let of_day = match hour {
        0..6 => 0.1,
        6..17 => 1.0,
        17..22 => 3.0,
        _ => 0.5,
    };
    of_day * if day >= 5 { 2.0 } else { 1.0 }
}

fn made(weeks: usize, value: impl FnMut(usize) -> Option<f64>) -> Series {
    Series { begins: 0, values: (0..weeks * WEEK).map(value).collect() }
}

/// The pattern at a level, with the noise of counting.
fn counted(weeks: usize, level: f64, seed: u64) -> Series {
    let mut noise = Noise(seed);
    made(weeks, |at| Some(noise.count(1000, level * pattern(at) / 1000.0)))
}

fn error(forecast: &Forecast, truth: impl Fn(usize) -> f64, of: impl Fn(&Hour) -> f64) -> f64 {
    forecast.hours.iter().enumerate().map(|(ahead, hour)| (of(hour) - truth(ahead)).abs()).sum()
}

#[test]
fn a_weekly_pattern_is_found() {
    let forecast = forecast(&counted(16, 20.0, 1), WEEK, None);
    assert_eq!(forecast.basis, Basis::Own);
    let (ours, naive) = (
        error(&forecast, |at| 20.0 * pattern(at), |hour| hour.expected),
        error(&forecast, |at| 20.0 * pattern(at), |hour| hour.naive),
    );
    assert!(ours < 0.5 * naive, "{ours} against {naive}");
    assert!(forecast.mase.expect("tried") < 0.85 * forecast.naive_mase.expect("tried"), "{forecast:?}");
    assert!(forecast.rule.contains("best rules"), "{}", forecast.rule);
}

#[test]
fn the_first_hour_is_the_one_after_the_last() {
    // It begins on a Wednesday and ends in the middle of a day.
    let mut series = made(9, |at| Some(((at + 48) % WEEK) as f64));
    series.begins = 48;
    series.values.truncate(8 * WEEK + 31);
    let forecast = forecast(&series, 3 * WEEK, None);
    for (ahead, hour) in forecast.hours.iter().enumerate() {
        let truth = ((48 + 31 + ahead) % WEEK) as f64;
        assert!((hour.expected - truth).abs() < 1e-6 && (hour.naive - truth).abs() < 1e-6, "{ahead}: {hour:?}");
    }
}

#[test]
fn an_outage_is_missing_and_not_zero() {
    let whole = counted(12, 20.0, 2);
    // The last three days, and one whole week.
    let is_out = |at: usize| at >= 12 * WEEK - 72 || (5 * WEEK..6 * WEEK).contains(&at);
    let values =
        |hole: Option<f64>| whole.values.iter().enumerate().map(|(at, v)| if is_out(at) { hole } else { *v }).collect();
    let unseen = forecast(&Series { begins: 0, values: values(None) }, WEEK, None);
    let zero = forecast(&Series { begins: 0, values: values(Some(0.0)) }, WEEK, None);
    let truth = |at: usize| 20.0 * pattern(at);
    let total = (0..WEEK).map(truth).sum::<f64>();
    let off = |forecast: &Forecast| error(forecast, truth, |hour| hour.expected) / total;
    assert!(off(&unseen) < 0.1, "{}", off(&unseen));
    assert!(off(&zero) > 2.0 * off(&unseen), "zeros are believed: {}", off(&zero));
    assert!(unseen.hours.iter().all(|hour| hour.naive.is_finite()));
    let naive = unseen.hours.iter().map(|hour| hour.naive).sum::<f64>();
    assert!((naive / total - 1.0).abs() < 0.1, "hours that the last week did not see come from the week before");
}

#[test]
fn a_shift_of_the_level_is_followed() {
    let mut noise = Noise(3);
    let series = made(16, |at| {
        let level = if at < 13 * WEEK { 10.0 } else { 25.0 };
        Some(noise.count(1000, level * pattern(at) / 1000.0))
    });
    let forecast = forecast(&series, WEEK, None);
    let (said, truth) = (
        forecast.hours.iter().map(|hour| hour.expected).sum::<f64>(),
        (0..WEEK).map(|at| 25.0 * pattern(at)).sum::<f64>(),
    );
    assert!((said / truth - 1.0).abs() < 0.15, "{said} of {truth}: {}", forecast.rule);
}

#[test]
fn what_repeats_itself_is_said_as_last_week() {
    let series = made(10, |at| Some(if at / WEEK < 9 { pattern(at) * 7.0 } else { pattern(at + 24) * 9.0 }));
    let forecast = forecast(&series, WEEK, None);
    assert!(forecast.rule.starts_with("as last week"), "{}", forecast.rule);
    assert!(forecast.hours.iter().all(|hour| hour.typical == hour.naive && hour.expected == hour.naive));
}

#[test]
fn a_holiday_in_the_last_week_is_not_repeated() {
    // A timetable, nearly: the same every week, but for the last Thursday.
    let mut noise = Noise(10);
    let series = made(12, |at| {
        let is_holiday = at / WEEK == 11 && at % WEEK / 24 == 3;
        Some(
            (30.0 * pattern(at)).round() * if is_holiday { 0.5 } else { 1.0 }
                + if noise.next() < 0.05 { 1.0 } else { 0.0 },
        )
    });
    let forecast = forecast(&series, WEEK, None);
    let evening = &forecast.hours[3 * 24 + 19];
    assert!(
        (evening.typical - 90.0).abs() < 3.0 && (evening.expected - 90.0).abs() < 3.0,
        "{evening:?}: {}",
        forecast.rule
    );
    assert!((evening.naive - 45.0).abs() < 3.0, "the baseline stays what it is: {evening:?}");
}

#[test]
fn a_quiet_series_keeps_its_total_and_its_typical_hours_are_whole() {
    let forecast = forecast(&counted(16, 0.6, 4), WEEK, None);
    let (said, truth) = (
        forecast.hours.iter().map(|hour| hour.expected).sum::<f64>(),
        (0..WEEK).map(|at| 0.6 * pattern(at)).sum::<f64>(),
    );
    assert!((said / truth - 1.0).abs() < 0.15, "{said} of {truth}");
    assert!(forecast.hours.iter().all(|hour| hour.typical.fract() == 0.0), "{}", forecast.rule);
    assert!(forecast.hours.iter().all(|hour| hour.low95 >= 0.0));
}

#[test]
fn bands_cover_what_they_promise() {
    let (mut all, mut in_80, mut in_95) = (0.0, 0.0, 0.0);
    for (seed, level) in [(5, 1.0), (6, 5.0), (7, 40.0), (8, 100.0)] {
        let whole = counted(17, level, seed);
        let history = Series { begins: 0, values: whole.values[..16 * WEEK].to_vec() };
        for (hour, truth) in forecast(&history, WEEK, None).hours.iter().zip(&whole.values[16 * WEEK..]) {
            let truth = truth.expect("no hour is missing");
            all += 1.0;
            in_80 += if (hour.low80..=hour.high80).contains(&truth) { 1.0 } else { 0.0 };
            in_95 += if (hour.low95..=hour.high95).contains(&truth) { 1.0 } else { 0.0 };
        }
    }
    assert!((0.76..0.88).contains(&(in_80 / all)), "{}", in_80 / all);
    assert!((0.93..0.985).contains(&(in_95 / all)), "{}", in_95 / all);
}

#[test]
fn a_young_series_borrows_and_a_short_one_claims_nothing() {
    let others: Vec<Series> =
        (0..5_u32).map(|site| counted(8, 10.0 * f64::from(site + 1), 20 + u64::from(site))).collect();
    let pool = Pool::of(&others).expect("five series");
    // Three days of a new site that has a tenth of what the others have.
    let mut young = counted(1, 2.0, 30);
    young.values.truncate(72);
    let borrowed = forecast(&young, WEEK, Some(&pool));
    assert_eq!((borrowed.basis, borrowed.mase), (Basis::Borrowed, None));
    let truth = |ahead: usize| 2.0 * pattern(72 + ahead);
    let total = (0..WEEK).map(truth).sum::<f64>();
    assert!(error(&borrowed, truth, |hour| hour.expected) / total < 0.25, "weekends are known from the others");
    assert_eq!(forecast(&young, WEEK, None).basis, Basis::Short);
    assert_eq!(forecast(&counted(3, 20.0, 31), WEEK, Some(&pool)).basis, Basis::Short);
    assert_eq!(forecast(&counted(5, 20.0, 32), WEEK, Some(&pool)).basis, Basis::Own);
    // A site that has nothing yet is said to be like the others.
    let none = forecast(&Series::default(), WEEK, Some(&pool));
    assert_eq!(none.basis, Basis::Borrowed);
    assert!(none.hours.iter().map(|hour| hour.expected).sum::<f64>() > 0.0);
}

#[test]
fn money_that_is_paid_back_may_be_below_nothing() {
    let mut noise = Noise(9);
    let series = made(10, |_| Some(100.0 * (noise.next() - 0.7)));
    assert!(forecast(&series, WEEK, None).hours.iter().any(|hour| hour.low95 < 0.0));
}

fn holds(forecast: &Forecast, horizon: usize, what: &str) {
    assert_eq!(forecast.hours.len(), horizon, "{what}");
    for hour in &forecast.hours {
        let all = [hour.low95, hour.low80, hour.typical, hour.high80, hour.high95, hour.expected, hour.naive];
        assert!(all.iter().all(|value| value.is_finite()), "{what}: {hour:?}");
        assert!(all[..5].windows(2).all(|pair| pair[0] <= pair[1]), "{what}: {hour:?}");
        assert!((hour.low80..=hour.high80).contains(&hour.expected), "{what}: {hour:?}");
    }
    for error in [forecast.mase, forecast.naive_mase].into_iter().flatten() {
        assert!(error.is_finite() && error >= 0.0, "{what}: {error}");
    }
}

#[test]
fn nothing_panics() {
    let pool = Pool::of(&[counted(5, 3.0, 40)]).expect("a series");
    for weeks in [0, 1, 2, 3, 9, 40] {
        for (what, series) in [
            ("unseen", made(weeks, |_| None)),
            ("zero", made(weeks, |_| Some(0.0))),
            ("constant", made(weeks, |_| Some(7.5))),
            ("infinite", made(weeks, |at| Some(if at % 5 == 0 { f64::INFINITY } else { f64::NAN }))),
            ("below nothing", made(weeks, |_| Some(-3.0))),
            ("one", made(weeks, |at| (at == 0).then_some(1.0))),
            ("the last", made(weeks, |at| (at + 1 == weeks * WEEK).then_some(1e12))),
        ] {
            for horizon in [0, 1, WEEK, 400] {
                for pool in [None, Some(&pool)] {
                    holds(&forecast(&series, horizon, pool), horizon, what);
                }
            }
        }
    }
}

#[test]
fn whatever_the_series_its_forecast_holds() {
    let mut noise = Noise(50);
    for case in 0..150 {
        let length = (noise.next() * 3000.0) as usize;
        let (level, unseen, wild) =
            (10_f64.powf(noise.next() * 6.0 - 2.0), noise.next() * noise.next(), noise.next() < 0.2);
        let whole = noise.next() < 0.5;
        let values = (0..length)
            .map(|at| {
                let value = level * pattern(at) * noise.next() * if wild { (noise.next() - 0.3) * 1e6 } else { 1.0 };
                (noise.next() >= unseen).then_some(if whole { value.round() } else { value })
            })
            .collect();
        let series = Series { begins: case % WEEK, values };
        let horizon = (noise.next() * 300.0) as usize;
        let said = forecast(&series, horizon, None);
        holds(&said, horizon, &format!("case {case}"));
        assert_eq!(said, forecast(&series, horizon, None), "case {case}: the same series has the same forecast");
    }
}
