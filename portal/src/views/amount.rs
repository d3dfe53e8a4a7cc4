//! Sizes, spans and speeds as people say them.

use std::time::Duration;

use shared::rate::Rate;

/// `500 MB`, `1.5 GB`. A quota that is a whole number of 1,000,000 octets is counted in thousands, any other in
/// 1024s, so that the operator's round number stays round; what was used is counted as its quota is.
pub fn data(octets: u64, base: Base) -> String {
    let base = base.0;
    let mut value = octets as f64;
    let mut unit = 0;
    while value >= base && unit < UNITS.len() - 1 {
        value /= base;
        unit += 1;
    }
    let text = if unit == 0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

/// What a kilo is.
#[derive(Clone, Copy, Debug)]
pub struct Base(f64);

impl Base {
    /// The base in which `quota` is round.
    pub fn of(quota: Option<u64>) -> Base {
        match quota {
            Some(quota) if quota % 1_000_000 != 0 => Base(1024.0),
            _ => Base(1000.0),
        }
    }
}

/// `30 minutes`, `1 hour`, `7 days`, `1 h 20 min`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => plural(seconds, "second"),
        (0, 0, minutes) => plural(minutes, "minute"),
        (0, hours, 0) => plural(hours, "hour"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => plural(days, "day"),
        (days, hours, _) => format!("{} {hours} h", plural(days, "day")),
    }
}

fn plural(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// `5 Mbit/s`: the speed towards the guest, which is the one that is noticed.
pub fn speed(rate: Rate) -> Option<String> {
    match rate.down_bps {
        0 => None,
        bps if bps < 1_000_000 => Some(format!("{} kbit/s", bps / 1000)),
        bps if bps % 1_000_000 == 0 => Some(format!("{} Mbit/s", bps / 1_000_000)),
        bps => Some(format!("{:.1} Mbit/s", bps as f64 / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_quotas_stay_round() {
        for (octets, text) in [
            (500_000_000, "500 MB"),
            (1_500_000_000, "1.5 GB"),
            (1 << 30, "1 GB"),
            (100 << 20, "100 MB"),
            (999, "999 B"),
        ] {
            assert_eq!(data(octets, Base::of(Some(octets))), text, "{octets}");
        }
        assert_eq!(data(12_345_678, Base::of(Some(500_000_000))), "12.3 MB");
    }

    #[test]
    fn spans_read_as_people_say_them() {
        for (seconds, text) in [
            (1800, "30 minutes"),
            (3600, "1 hour"),
            (4800, "1 h 20 min"),
            (86_400, "1 day"),
            (7 * 86_400, "7 days"),
            (90_000, "1 day 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn speeds_are_the_guests_download() {
        let rate = |down_bps| Rate { up_bps: 1, down_bps };
        assert_eq!(speed(rate(5_000_000)).as_deref(), Some("5 Mbit/s"));
        assert_eq!(speed(rate(512_000)).as_deref(), Some("512 kbit/s"));
        assert_eq!(speed(rate(0)), None);
    }
}
