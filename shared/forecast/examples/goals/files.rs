//! The files with the series, read where they lie, and series that are made of nothing or thinned out of them with a seed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use forecast::series::{Series, WEEK};

/// Both hourly files, and the week of the parks, begin on a Tuesday, at midnight.
const TUESDAY: usize = 24;

/// A series and what it is called.
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) series: Series,
}

/// A car park by the hour, with the mean of the readings of an hour.
pub(crate) struct Park {
    pub(crate) places: f64,
    pub(crate) series: Series,
}

impl Park {
    /// Whether one hour in ten that was seen reached this share of the places.
    pub(crate) fn is_often_full(&self, share: f64) -> bool {
        let seen = self.series.values.iter().flatten().count();
        let full = self.series.values.iter().flatten().filter(|cars| **cars >= share * self.places).count();
        full * 10 >= seen.max(1)
    }
}

/// A file with a column for each site and a row for each hour. An empty cell is an hour that nobody saw.
pub(crate) fn hourly(path: &Path) -> io::Result<Vec<Site>> {
    let text = std::fs::read_to_string(path)?;
    let mut rows = text.lines();
    let names = rows.next().unwrap_or_default().split(',').skip(1);
    let series = || Series { begins: TUESDAY, values: Vec::new() };
    let mut sites: Vec<Site> = names.map(|name| Site { name: name.to_owned(), series: series() }).collect();
    for row in rows {
        for (site, cell) in sites.iter_mut().zip(row.split(',').skip(1)) {
            site.series.values.push(cell.trim().parse().ok());
        }
    }
    Ok(sites)
}

/// A row for each reading, about every half hour from eight to half past four.
pub(crate) fn parks(path: &Path) -> io::Result<Vec<Park>> {
    let text = std::fs::read_to_string(path)?;
    let mut hours: BTreeMap<&str, (f64, BTreeMap<usize, Vec<f64>>)> = BTreeMap::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let [name, places, cars, time] = cells[..] else { continue };
        let (Ok(places), Ok(cars), Some(hour)) = (places.parse(), cars.parse(), hour_of_2016(time)) else { continue };
        let park = hours.entry(name).or_insert_with(|| (places, BTreeMap::new()));
        park.1.entry(hour).or_default().push(cars);
    }
    let last = hours.values().filter_map(|(_, hours)| hours.keys().max()).max().copied().unwrap_or(0);
    let (begin, end) = (hour_of_2016("2016-10-04 00:00").unwrap_or(0), last.next_multiple_of(24));
    let park = |(places, hours): (f64, BTreeMap<usize, Vec<f64>>)| {
        let mean = |hour| hours.get(&hour).map(|cars| cars.iter().sum::<f64>() / cars.len() as f64);
        Park { places, series: Series { begins: TUESDAY, values: (begin..end).map(mean).collect() } }
    };
    Ok(hours.into_values().map(park).collect())
}

/// The hour of the year of a reading. They are a few minutes early or late, so a quarter of an hour is added.
fn hour_of_2016(time: &str) -> Option<usize> {
    const BEFORE_MONTH: [usize; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
    let part = |at: std::ops::Range<usize>| time.get(at)?.parse::<usize>().ok();
    let days = BEFORE_MONTH.get(part(5..7)?.checked_sub(1)?)? + part(8..10)?.checked_sub(1)?;
    Some(days * 24 + (part(11..13)? * 60 + part(14..16)? + 15) / 60)
}

/// A linear congruential generator: the same series in every run.
struct Noise(u64);

impl Noise {
    /// From 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}

/// A site where each visitor is kept with the chance that leaves this mean.
pub(crate) fn thinned(site: &Site, mean: f64, seed: u64) -> Site {
    let seen: Vec<f64> = site.series.values.iter().flatten().copied().collect();
    let chance = mean * seen.len() as f64 / seen.iter().sum::<f64>();
    let mut noise = Noise(seed);
    let mut keep = |count: f64| {
        let mut kept = 0.0;
        let mut left = count;
        while left >= 1.0 {
            kept += if noise.next() < chance { 1.0 } else { 0.0 };
            left -= 1.0;
        }
        kept
    };
    let values = site.series.values.iter().map(|value| value.map(&mut keep)).collect();
    Site { name: site.name.clone(), series: Series { begins: site.series.begins, values } }
}

/// A series like that of a small hotspot: evenings, weekends, a level that wanders, and noise.
pub(crate) fn made(seed: u64, weeks: usize) -> Series {
    let mut noise = Noise(seed);
    let mut level = 0.5 + 20.0 * noise.next();
    let values = (0..weeks * WEEK).map(|at| {
        if at % WEEK == 0 {
            level *= 0.9 + 0.2 * noise.next();
        }
        let evening = if (17..22).contains(&(at % 24)) { 2.0 } else { 0.5 };
        Some((level * evening * (noise.next() + noise.next())).round())
    });
    Series { begins: 0, values: values.collect() }
}
