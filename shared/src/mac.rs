//! A device's MAC address, in every spelling that routers use.
//!
//! RouterOS prints the same address in seven ways (`radius-mac-format`), access points in more. They
//! are read here into six octets; inside the system there is one spelling, `AA:BB:CC:DD:EE:FF`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Six octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// The text is not twelve hexadecimal digits, grouped by `:`, `-`, `.` or spaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a MAC address: write twelve hexadecimal digits, such as AA:BB:CC:DD:EE:FF")]
pub struct NotAMac;

impl Mac {
    /// Reads an address from octets off the wire; `None` if they spell no MAC address.
    pub fn from_bytes(text: &[u8]) -> Option<Mac> {
        if text.len() > 17 {
            return None;
        }
        let mut octets = [0; 6];
        let mut digits = 0;
        for &byte in text {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                b':' | b'-' | b'.' | b' ' => continue,
                _ => return None,
            };
            let octet = octets.get_mut(digits / 2)?;
            *octet = *octet << 4 | digit;
            digits += 1;
        }
        (digits == 12).then_some(Mac(octets))
    }

    /// Whether it can be the address of one device: not of a group (RFC 9542 §2.1, the lowest bit of the first octet), and not all zeros.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 0x01 == 0 && self.0 != [0; 6]
    }

    /// Whether the address was made up by the device (locally administered bit), as phones that hide
    /// their real one do.
    pub fn is_random(self) -> bool {
        self.0[0] & 0x02 != 0
    }
}

impl FromStr for Mac {
    type Err = NotAMac;
    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        Mac::from_bytes(text.trim().as_bytes()).ok_or(NotAMac)
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;
    fn try_from(text: String) -> Result<Mac, NotAMac> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_twelve_digits_spell_no_address() {
        for text in ["0200000000010", "25471234567890", "02:00:00:00:00201", "00000000000000000"] {
            assert_eq!(text.parse::<Mac>(), Err(NotAMac), "{text}");
        }
    }

    #[test]
    fn every_router_format_is_read() {
        for text in [
            "02:AB:00:12:EF:09",
            "02AB:0012:EF09",
            "02AB00:12EF09",
            "02-AB-00-12-EF-09",
            "02AB00-12EF09",
            "02AB0012EF09",
            "02 AB 00 12 EF 09",
            "02ab.0012.ef09",
        ] {
            assert_eq!(text.parse::<Mac>().expect(text).to_string(), "02:AB:00:12:EF:09");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "02:AB:00:12:EF", "02:AB:00:12:EF:09:11", "customer01", "GG:AB:00:12:EF:09"] {
            assert_eq!(text.parse::<Mac>(), Err(NotAMac), "{text}");
        }
    }

    #[test]
    fn random_addresses_are_told_apart() {
        assert!(Mac([0x02, 0, 0, 0, 0, 1]).is_random());
        assert!(!Mac([0x4C, 0x5E, 0x0C, 0, 0, 1]).is_random());
    }

    #[test]
    fn addresses_of_groups_are_no_devices() {
        assert!(Mac([0x02, 0, 0, 0, 0, 1]).is_unicast() && Mac([0, 0, 0, 0, 0, 1]).is_unicast());
        for group in [Mac([0xFF; 6]), Mac([0x01, 0, 0x5E, 0, 0, 1]), Mac([0x33, 0x33, 0, 0, 0, 1]), Mac([0; 6])] {
            assert!(!group.is_unicast(), "{group}");
        }
    }
}
