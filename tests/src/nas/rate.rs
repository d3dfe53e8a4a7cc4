//! `Mikrotik-Rate-Limit`, as the manual of RouterOS writes it:
//!
//! ```text
//! rx[/tx] [rx-burst[/tx-burst] [rx-threshold[/tx-threshold] [rx-time[/tx-time] [priority [rx-min[/tx-min]]]]]]
//! ```
//!
//! Seen from the router: rx is the client's upload, tx its download. A missing tx part equals rx. With a
//! burst but no threshold the threshold is the rate; with no time the time is one second; a missing minimum
//! is the rate.

use serde::Serialize;

/// One number for each direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Pair {
    /// From the client (upload).
    pub rx: u64,
    /// To the client (download).
    pub tx: u64,
}

/// The speeds of a session, in bits per second; 0 is unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct RateLimit {
    /// The sustained rate.
    pub rate: Pair,
    /// Rate while bursting; equal to 0 where there is no burst.
    pub burst: Pair,
    /// Average above which bursting stops.
    pub threshold: Pair,
    /// Seconds over which the average is taken.
    pub burst_time: Pair,
    /// 1 (highest) to 8.
    pub priority: u8,
    /// Guaranteed rate.
    pub min_rate: Pair,
}

impl RateLimit {
    /// Reads the text; `None` if RouterOS would refuse it.
    #[must_use]
    pub fn parse(text: &str) -> Option<RateLimit> {
        let mut groups = text.split_ascii_whitespace();
        let rate = pair(groups.next()?, bits)?;
        let burst = groups.next().map(|group| pair(group, bits)).unwrap_or(Some(Pair::default()))?;
        let threshold = groups.next().map(|group| pair(group, bits)).unwrap_or(Some(rate))?;
        let one_second = Some(Pair { rx: 1, tx: 1 });
        let burst_time = groups.next().map(|group| pair(group, seconds)).unwrap_or(one_second)?;
        let priority = groups.next().map(|group| group.parse().ok()).unwrap_or(Some(8))?;
        let min_rate = groups.next().map(|group| pair(group, bits)).unwrap_or(Some(rate))?;
        let sound = groups.next().is_none() && (1..=8).contains(&priority) && min_within(min_rate, rate);
        sound.then_some(RateLimit { rate, burst, threshold, burst_time, priority, min_rate })
    }
}

/// The guaranteed rate may not exceed the rate; an unlimited rate holds any.
fn min_within(min: Pair, rate: Pair) -> bool {
    (rate.rx == 0 || min.rx <= rate.rx) && (rate.tx == 0 || min.tx <= rate.tx)
}

fn pair(group: &str, number: fn(&str) -> Option<u64>) -> Option<Pair> {
    let (rx, tx) = group.split_once('/').unwrap_or((group, group));
    Some(Pair { rx: number(rx)?, tx: number(tx)? })
}

/// Decimal suffixes only: `k` is 1000, `M` is 1,000,000.
fn bits(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1_000),
        b'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    plain(digits)?.checked_mul(unit)
}

fn seconds(text: &str) -> Option<u64> {
    plain(text.strip_suffix('s').unwrap_or(text))
}

fn plain(digits: &str) -> Option<u64> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_manual() {
        let one = RateLimit::parse("128k").expect("a rate");
        assert_eq!(one.rate, Pair { rx: 128_000, tx: 128_000 });
        let two = RateLimit::parse("64k/128M").expect("two rates");
        assert_eq!(two.rate, Pair { rx: 64_000, tx: 128_000_000 });
        let three = RateLimit::parse("64k 256k").expect("a burst");
        assert_eq!((three.burst.tx, three.threshold.rx, three.burst_time.rx), (256_000, 64_000, 1));
        let four = RateLimit::parse("64k/64k 256k/256k 128k/128k 10/10").expect("a burst with all parts");
        assert_eq!((four.threshold.tx, four.burst_time.tx, four.priority), (128_000, 10, 8));
    }

    #[test]
    fn priority_and_minimum_come_last() {
        let all = RateLimit::parse("5M/10M 0/0 0/0 0/0 3 1M/2M").expect("every group");
        assert_eq!((all.priority, all.min_rate), (3, Pair { rx: 1_000_000, tx: 2_000_000 }));
    }

    #[test]
    fn what_a_router_refuses() {
        for text in ["", "fast", "5G", "5M/", "1M 0/0 0/0 0/0 9", "1M 0 0 0 8 2M", "1M 0 0 0 8 1M extra", "-1M"] {
            assert_eq!(RateLimit::parse(text), None, "{text}");
        }
    }
}
