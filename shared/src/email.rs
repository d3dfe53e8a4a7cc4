//! A customer's e-mail address.
//!
//! Only plain addresses are taken: RFC 5321 section 4.1.2 `Dot-string "@" Domain` in ASCII, with a domain that has a
//! dot. Quoted names, comments and numeric hosts are legal and in nobody's hands; without them an address has no letter
//! that could end a header or a command of SMTP. Domains written in other alphabets are taken in their ASCII form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most octets of an address: RFC 5321 section 4.5.3.1.3 has 256 for a path with its angle brackets.
const ADDRESS_MAX: usize = 254;
/// Most octets before the `@` (RFC 5321 section 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Most octets of one part of a domain (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;
/// What a name may have besides letters and digits: `atext` of RFC 5322 section 3.2.3.
const ATEXT: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// An address such as `amina@example.org`, its domain in small letters.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailAddress(String);

/// The text has not the shape of an address that we can send to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("please check the e-mail address: it should look like amina@example.org")]
pub struct NotAnAddress;

impl EmailAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a page may show of it: `a***@example.org`.
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        format!("{}***@{domain}", local.get(..1).unwrap_or_default())
    }
}

impl FromStr for EmailAddress {
    type Err = NotAnAddress;

    /// Reads an address with any blanks around it.
    fn from_str(text: &str) -> Result<EmailAddress, NotAnAddress> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(NotAnAddress)?;
        if text.len() <= ADDRESS_MAX && is_local(local) && is_domain(domain) {
            Ok(EmailAddress(format!("{local}@{}", domain.to_ascii_lowercase())))
        } else {
            Err(NotAnAddress)
        }
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<EmailAddress, NotAnAddress> {
        text.parse()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Atoms with dots between them.
fn is_local(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|octet| octet.is_ascii_alphanumeric() || ATEXT.contains(&octet))
    };
    text.len() <= LOCAL_MAX && text.split('.').all(is_atom)
}

/// At least two labels, of which the last one is no number: an address of a host is not a domain.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit());
    text.split('.').all(is_label) && text.rsplit_once('.').is_some_and(|(_, last)| !is_number(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_taken() {
        for (text, expected) in [
            ("amina@example.org", "amina@example.org"),
            ("  Amina.Otieno+wifi@Example.CO.KE ", "Amina.Otieno+wifi@example.co.ke"),
            ("o'neil_{x}@xn--bcher-kva.example", "o'neil_{x}@xn--bcher-kva.example"),
        ] {
            assert_eq!(text.parse::<EmailAddress>().expect(text).as_str(), expected);
        }
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused() {
        let long = format!("{}@example.org", "a".repeat(LOCAL_MAX + 1));
        let longer = format!("a@{}example.org", "b.".repeat(ADDRESS_MAX / 2));
        let label = format!("a@{}.org", "b".repeat(LABEL_MAX + 1));
        for text in [
            "",
            "amina",
            "@example.org",
            "amina@",
            "amina@localhost",
            "amina@127.0.0.1",
            "amina@[127.0.0.1]",
            "amina@example..org",
            "amina@.example.org",
            "amina@-example.org",
            "amina@example.org.",
            "amina..x@example.org",
            ".amina@example.org",
            "two words@example.org",
            "\"two words\"@example.org",
            "amina@example.org, b@example.org",
            "amina@b@example.org",
            "Amina <amina@example.org>",
            "amina@example.org>\r\nRCPT TO:<b@example.org",
            "amina@example.org\nBcc: b@example.org",
            "am\0ina@example.org",
            "amina@exämple.org",
            long.as_str(),
            longer.as_str(),
            label.as_str(),
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(NotAnAddress), "{text:?}");
        }
    }

    #[test]
    fn pages_show_little_of_it() {
        assert_eq!("amina@example.org".parse::<EmailAddress>().expect("valid").masked(), "a***@example.org");
    }
}
