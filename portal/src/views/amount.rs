//! Sizes, spans and speeds as people say them. Units of data and speed are the same in every language.

use std::time::Duration;

use shared::language::Language;
use shared::rate::Rate;

use super::text::say;

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
pub fn span(language: Language, duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days_alone = || say(language, "span-days").count("count", days);
    let said = match (days, hours, minutes) {
        (0, 0, 0) => say(language, "span-seconds").count("count", seconds),
        (0, 0, minutes) => say(language, "span-minutes").count("count", minutes),
        (0, hours, 0) => say(language, "span-hours").count("count", hours),
        (0, hours, minutes) => say(language, "span-hours-and-minutes").with("hours", hours).with("minutes", minutes),
        (_, 0, _) => days_alone(),
        (_, hours, _) => say(language, "span-days-and-hours").with("days", days_alone()).with("hours", hours),
    };
    said.to_string()
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
        for (seconds, english, swahili) in [
            (1, "1 second", "sekunde 1"),
            (1800, "30 minutes", "dakika 30"),
            (3600, "1 hour", "saa 1"),
            (4800, "1 h 20 min", "saa 1 dakika 20"),
            (86_400, "1 day", "siku 1"),
            (7 * 86_400, "7 days", "siku 7"),
            (90_000, "1 day 1 h", "siku 1 saa 1"),
        ] {
            let span = |language| span(language, Duration::from_secs(seconds));
            assert_eq!((span(Language::English).as_str(), span(Language::Swahili).as_str()), (english, swahili));
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
