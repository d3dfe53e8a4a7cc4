//! What is measured of forecasts: errors, what the bands hold, totals, and chances that a limit is reached.

use std::collections::BTreeMap;

use forecast::capacity;
use forecast::demand::Hour;
use forecast::score;

/// The figures of a family of series, a week of a series at a time.
#[derive(Default)]
pub(crate) struct Figures {
    weeks: f64,
    mase: f64,
    naive_mase: f64,
    totals: f64,
    naive_totals: f64,
    hours: f64,
    in_80: f64,
    in_95: f64,
    of_series: BTreeMap<String, (f64, f64)>,
}

impl Figures {
    /// A forecast, and what came. Nothing is taken where the series never changed, or nothing was seen.
    pub(crate) fn take(&mut self, name: &str, scale: Option<f64>, said: &[Hour], truth: &[Option<f64>]) {
        let pairs = || said.iter().zip(truth).filter_map(|(hour, truth)| truth.map(|truth| (hour, truth)));
        let Some(scale) = scale.filter(|_| pairs().next().is_some()) else { return };
        let hours = pairs().count() as f64;
        let off =
            |of: fn(&Hour) -> f64| pairs().map(|(hour, truth)| (of(hour) - truth).abs()).sum::<f64>() / hours / scale;
        let total = pairs().map(|(_, truth)| truth).sum::<f64>();
        let total_off = |of: fn(&Hour) -> f64| (pairs().map(|(hour, _)| of(hour)).sum::<f64>() - total).abs() / total;
        let inside = |low: fn(&Hour) -> f64, high: fn(&Hour) -> f64| {
            pairs().filter(|(hour, truth)| (low(hour)..=high(hour)).contains(truth)).count() as f64
        };
        let (ours, naive) = (off(|hour| hour.typical), off(|hour| hour.naive));
        self.weeks += 1.0;
        self.mase += ours;
        self.naive_mase += naive;
        self.totals += total_off(|hour| hour.expected);
        self.naive_totals += total_off(|hour| hour.naive);
        self.hours += hours;
        self.in_80 += inside(|hour| hour.low80, |hour| hour.high80);
        self.in_95 += inside(|hour| hour.low95, |hour| hour.high95);
        let series = self.of_series.entry(name.to_owned()).or_default();
        *series = (series.0 + ours, series.1 + naive);
    }

    pub(crate) fn mase(&self) -> f64 {
        self.mase / self.weeks
    }

    pub(crate) fn naive_mase(&self) -> f64 {
        self.naive_mase / self.weeks
    }

    pub(crate) fn totals(&self) -> f64 {
        self.totals / self.weeks
    }

    pub(crate) fn naive_totals(&self) -> f64 {
        self.naive_totals / self.weeks
    }

    /// The shares of hours in both bands.
    pub(crate) fn covered(&self) -> (f64, f64) {
        (self.in_80 / self.hours, self.in_95 / self.hours)
    }

    /// The series that is worst against saying "as last week".
    pub(crate) fn worst(&self) -> f64 {
        self.of_series.values().map(|(ours, naive)| ours / naive).fold(0.0, f64::max)
    }
}

/// Chances that a limit is reached, and whether it was.
#[derive(Default)]
pub(crate) struct Chances {
    ours: Vec<(f64, bool)>,
    naive: Vec<(f64, bool)>,
    off: f64,
    naive_off: f64,
}

impl Chances {
    /// A forecast, and what came.
    pub(crate) fn take(&mut self, said: &[Hour], truth: &[Option<f64>], limit: f64, places: f64) {
        for ((hour, chance), truth) in said.iter().zip(capacity::chances(said, limit)).zip(truth) {
            let Some(truth) = truth else { continue };
            self.ours.push((chance, *truth >= limit));
            self.naive.push((if hour.naive >= limit { 1.0 } else { 0.0 }, *truth >= limit));
            self.off += (hour.typical - truth).abs() / places;
            self.naive_off += (hour.naive - truth).abs() / places;
        }
    }

    pub(crate) fn hours(&self) -> usize {
        self.ours.len()
    }

    /// The share of hours in which it was reached.
    pub(crate) fn base(&self) -> f64 {
        self.ours.iter().filter(|(_, did)| *did).count() as f64 / self.ours.len() as f64
    }

    pub(crate) fn auc(&self) -> (f64, f64) {
        let auc = |said: &[(f64, bool)]| score::auc(said).unwrap_or(f64::NAN);
        (auc(&self.ours), auc(&self.naive))
    }

    pub(crate) fn brier(&self) -> (f64, f64) {
        let brier = |said: &[(f64, bool)]| score::brier(said).unwrap_or(f64::NAN);
        (brier(&self.ours), brier(&self.naive))
    }

    pub(crate) fn use_off(&self) -> (f64, f64) {
        (self.off / self.ours.len() as f64, self.naive_off / self.ours.len() as f64)
    }
}
