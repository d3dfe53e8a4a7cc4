//! A customer's speed, in bits per second, seen from the customer: up is what the phone sends.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Upload and download speed in bit/s; zero is "no limit".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// From the customer, bit/s. The router calls this rx.
    pub up_bps: u64,
    /// To the customer, bit/s. The router calls this tx.
    pub down_bps: u64,
}

/// Longest text of a [`Rate`]: two 64-bit numbers of twenty digits and the stroke between them.
const LONGEST_RATE: usize = 41;
/// Longest text of a [`Rate`] with a [`Burst`]: three such pairs, one of seconds, and the blanks between them.
const LONGEST: usize = 3 * LONGEST_RATE + 21 + 3;

/// A [`Rate`], perhaps with a [`Burst`], in the words of RouterOS, made once and kept without a heap allocation: it stands in every
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
    /// No limit at all.
    pub const UNLIMITED: Rate = Rate { up_bps: 0, down_bps: 0 };

    /// The text that goes into `Mikrotik-Rate-Limit`.
    pub fn text(self) -> RateText {
        self.text_with(None)
    }

    /// The same, with a burst.
    pub fn text_with(self, burst: Option<Burst>) -> RateText {
        let mut text = RateText { octets: [0; LONGEST], length: 0 };
        match burst {
            Some(burst) => write!(text, "{self} {burst}"),
            None => write!(text, "{self}"),
        }
        .expect("numbers of twenty digits fit");
        text
    }
}

/// Reads the text of a rate: `512k/1M`, from and to the customer.
impl FromStr for Rate {
    type Err = NotARate;
    fn from_str(text: &str) -> Result<Rate, NotARate> {
        let (up, down) = text.split_once('/').ok_or(NotARate)?;
        Ok(Rate { up_bps: bps(up)?, down_bps: bps(down)? })
    }
}

/// The text of a rate is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write two speeds such as 512k/1M")]
pub struct NotARate;

/// How a speed may be exceeded for a while: while the average over so many seconds is below the threshold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Burst {
    /// The speed meanwhile.
    peak: Rate,
    /// The average from which on it is over.
    threshold: Rate,
    /// Over how many seconds the average is taken, up and down.
    seconds: (u32, u32),
}

/// Why a burst is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotABurst {
    /// Not the grammar.
    #[error("write speed, threshold and seconds, such as \"4M/8M 1M/3M 10/10\"")]
    Grammar,
    /// It would never begin.
    #[error("a burst must be faster than its threshold, which must not be 0, and last at least a second")]
    Never,
    /// It is no burst beside that speed.
    #[error("a burst must be faster than the package's own speed")]
    Slow,
}

impl Burst {
    /// Whether it makes that speed faster, in both directions.
    ///
    /// # Errors
    /// [`NotABurst::Slow`].
    pub fn fits(&self, rate: Rate) -> Result<(), NotABurst> {
        let faster = |peak: u64, rate: u64| rate > 0 && peak >= rate;
        let (up, down) = (faster(self.peak.up_bps, rate.up_bps), faster(self.peak.down_bps, rate.down_bps));
        if up && down { Ok(()) } else { Err(NotABurst::Slow) }
    }
}

/// RouterOS' own order: speed, threshold, seconds, each from and to the customer.
impl FromStr for Burst {
    type Err = NotABurst;
    fn from_str(text: &str) -> Result<Burst, NotABurst> {
        let mut groups = text.split_ascii_whitespace();
        let mut group = || groups.next().ok_or(NotABurst::Grammar);
        let rate = |text: &str| text.parse::<Rate>().map_err(|_| NotABurst::Grammar);
        let (peak, threshold) = (rate(group()?)?, rate(group()?)?);
        let (up, down) = group()?.split_once('/').ok_or(NotABurst::Grammar)?;
        let whole = |text: &str| text.parse::<u32>().map_err(|_| NotABurst::Grammar);
        let seconds = (whole(up)?, whole(down)?);
        if groups.next().is_some() {
            return Err(NotABurst::Grammar);
        }
        let begins = |peak: u64, threshold: u64, seconds: u32| threshold > 0 && peak > threshold && seconds > 0;
        if begins(peak.up_bps, threshold.up_bps, seconds.0) && begins(peak.down_bps, threshold.down_bps, seconds.1) {
            Ok(Burst { peak, threshold, seconds })
        } else {
            Err(NotABurst::Never)
        }
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}/{}", self.peak, self.threshold, self.seconds.0, self.seconds.1)
    }
}

impl TryFrom<String> for Burst {
    type Error = NotABurst;
    fn try_from(text: String) -> Result<Burst, NotABurst> {
        text.parse()
    }
}

impl From<Burst> for String {
    fn from(burst: Burst) -> String {
        burst.to_string()
    }
}

/// `0`, `512k`, `3M`, or bits per second.
fn bps(text: &str) -> Result<u64, NotARate> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let value = digits.parse::<u64>().ok().filter(|_| is_number).and_then(|number| number.checked_mul(unit));
    value.filter(|&bps| i64::try_from(bps).is_ok()).ok_or(NotARate)
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
        assert_eq!(Rate { up_bps: u64::MAX, down_bps: u64::MAX }.text().as_bytes().len(), LONGEST_RATE);
        let greatest = Rate { up_bps: u64::MAX, down_bps: u64::MAX };
        let burst = Burst { peak: greatest, threshold: greatest, seconds: (u32::MAX, u32::MAX) };
        assert_eq!(greatest.text_with(Some(burst)).as_bytes().len(), LONGEST);
    }

    #[test]
    fn a_burst_is_read_as_it_is_printed_and_must_be_one() {
        let burst: Burst = "4M/8M 1M/3M 10/12".parse().expect("a burst");
        assert_eq!(burst.to_string(), "4M/8M 1M/3M 10/12");
        let rate = Rate { up_bps: 2_000_000, down_bps: 5_000_000 };
        assert_eq!(rate.text_with(Some(burst)).as_bytes(), b"2M/5M 4M/8M 1M/3M 10/12");
        assert_eq!(burst.fits(rate), Ok(()));
        assert_eq!(burst.fits(Rate { up_bps: 2_000_000, down_bps: 9_000_000 }), Err(NotABurst::Slow));
        assert_eq!(burst.fits(Rate::UNLIMITED), Err(NotABurst::Slow));
        for text in ["", "4M/8M", "4M/8M 1M/3M", "4M/8M 1M/3M 10", "4M/8M 1M/3M 10/10 8", "4G/8M 1M/3M 1/1"] {
            assert_eq!(text.parse::<Burst>(), Err(NotABurst::Grammar), "{text}");
        }
        for text in ["1M/8M 1M/3M 10/10", "4M/8M 0/3M 10/10", "4M/8M 1M/3M 0/10"] {
            assert_eq!(text.parse::<Burst>(), Err(NotABurst::Never), "{text}");
        }
    }
}
