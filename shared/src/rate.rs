//! A customer's speed, in bits per second, seen from the customer: up is what the phone sends.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// Upload and download speed in bit/s; zero is "no limit".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// From the customer, bit/s. The router calls this rx.
    pub up_bps: u64,
    /// To the customer, bit/s. The router calls this tx.
    pub down_bps: u64,
}

/// Longest text of a [`Rate`]: two 64-bit numbers of twenty digits and the stroke between them.
const LONGEST: usize = 41;

/// A [`Rate`] in the words of RouterOS, made once and kept without a heap allocation: it stands in every
/// Access-Accept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateText {
    octets: [u8; LONGEST],
    length: u8,
}

impl RateText {
    /// The text, for example `2M/5M`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Write for RateText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let from = usize::from(self.length);
        let room = self.octets.get_mut(from..from + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += u8::try_from(text.len()).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

impl fmt::Debug for RateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl Rate {
    /// The text that goes into `Mikrotik-Rate-Limit`.
    pub fn text(self) -> RateText {
        let mut text = RateText { octets: [0; LONGEST], length: 0 };
        write!(text, "{self}").expect("two numbers of twenty digits fit");
        text
    }
}

/// Prints as RouterOS reads it in `Mikrotik-Rate-Limit`: `rx/tx` with decimal `k` and `M`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_bps(f, self.up_bps)?;
        f.write_str("/")?;
        write_bps(f, self.down_bps)
    }
}

fn write_bps(f: &mut fmt::Formatter<'_>, bps: u64) -> fmt::Result {
    match bps {
        0 => f.write_str("0"),
        n if n % 1_000_000 == 0 => write!(f, "{}M", n / 1_000_000),
        n if n % 1_000 == 0 => write!(f, "{}k", n / 1_000),
        n => write!(f, "{n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_the_routers_grammar() {
        assert_eq!(Rate { up_bps: 2_000_000, down_bps: 5_000_000 }.to_string(), "2M/5M");
        assert_eq!(Rate { up_bps: 128_000, down_bps: 1_500 }.to_string(), "128k/1500");
        assert_eq!(Rate { up_bps: 0, down_bps: 0 }.to_string(), "0/0");
    }

    #[test]
    fn the_kept_text_is_what_is_printed_up_to_the_greatest_rate() {
        for (up_bps, down_bps) in [(0, 0), (2_000_000, 5_000_000), (1, 1_500), (u64::MAX, u64::MAX)] {
            let rate = Rate { up_bps, down_bps };
            assert_eq!(rate.text().as_bytes(), rate.to_string().as_bytes());
        }
        assert_eq!(Rate { up_bps: u64::MAX, down_bps: u64::MAX }.text().as_bytes().len(), LONGEST);
    }
}
