//! A customer's speed, in bits per second, seen from the customer: up is what the phone sends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Upload and download speed in bit/s; zero is "no limit".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// From the customer, bit/s. The router calls this rx.
    pub up_bps: u64,
    /// To the customer, bit/s. The router calls this tx.
    pub down_bps: u64,
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
}
