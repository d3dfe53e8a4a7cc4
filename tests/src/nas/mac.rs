//! MAC addresses as RouterOS prints them by default: `AA:BB:CC:DD:EE:FF`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Six octets of a phone's wireless card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(pub [u8; 6]);

/// The text is not twelve hexadecimal digits, plain or in pairs joined by `:` or `-`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a MAC address")]
pub struct NotAMac;

impl Mac {
    /// The address of phone number `number` of a test or demo: `02:00:00:00:00:01` is phone 1.
    #[must_use]
    pub const fn phone(number: u32) -> Mac {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([0x02, 0x00, a, b, c, d])
    }

    /// The address of guest number `number`, apart from the phones.
    #[must_use]
    pub(crate) const fn guest(number: u32) -> Mac {
        let [a, b, c, d] = number.to_be_bytes();
        Mac([0x06, 0x47, a, b, c, d])
    }

    /// The address for a browser that never joined: made from where it connects from.
    #[must_use]
    pub(crate) fn of_peer(peer: IpAddr) -> Mac {
        let [a, b, c, d] = match peer.to_canonical() {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                let [.., a, b, c, d] = address.octets();
                Ipv4Addr::new(a, b, c, d).octets()
            }
        };
        Mac([0x0a, 0x50, a, b, c, d])
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

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        let grouped = text.len() == 17;
        let separators = text.bytes().skip(2).step_by(3).all(|octet| matches!(octet, b':' | b'-'));
        if grouped && !separators {
            return Err(NotAMac);
        }
        let digits: String = text.chars().filter(|letter| !(grouped && matches!(letter, ':' | '-'))).collect();
        let mut octets = [0; 6];
        hex::decode_to_slice(digits, &mut octets).map_err(|_| NotAMac)?;
        Ok(Mac(octets))
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;

    fn try_from(text: String) -> Result<Mac, NotAMac> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_spellings_read_and_one_is_written() {
        for text in ["02:ab:00:00:00:01", "02-AB-00-00-00-01", "02ab00000001"] {
            let mac: Mac = text.parse().expect(text);
            assert_eq!(mac.to_string(), "02:AB:00:00:00:01");
        }
        for text in ["", "02:ab:00:00:00", "02:ab:00:00:00:0g", "02ab:00000:01:00z", "alice"] {
            assert_eq!(text.parse::<Mac>(), Err(NotAMac), "{text}");
        }
    }

    #[test]
    fn phones_guests_and_peers_do_not_meet() {
        let peer = Mac::of_peer(IpAddr::V4(Ipv4Addr::new(0, 0, 0, 1)));
        assert_ne!(Mac::phone(1), Mac::guest(1));
        assert_ne!(Mac::phone(1), peer);
        assert_eq!(Mac::phone(258).to_string(), "02:00:00:00:01:02");
    }
}
