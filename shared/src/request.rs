//! The name of a request: of a page that was asked for, a provider's report, a call of the REST interface, or a command at a terminal.
//!
//! What a request causes (a payment's work, a router's command, a message) carries its name, so that one search finds all of it in
//! the logs of both programs. It says nothing about anybody: a UUID of ours, or of a proxy that is trusted. As its value is a UUID, it
//! can neither be long nor hold anything that a log or a statement would misread.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::rng;
use crate::time::OffsetDateTime;

/// Digits of a UUID without dashes, as nginx makes its `$request_id` and as we write it.
const PLAIN: usize = 32;
/// Characters of a UUID with dashes.
const DASHED: usize = 36;

/// The name of a request; 32 hexadecimal digits where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(Uuid);

/// The text is not a request's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a request's name has 32 hexadecimal digits, or is a UUID")]
pub struct NotARequestId;

impl RequestId {
    /// A new one.
    pub fn new(now: OffsetDateTime) -> RequestId {
        RequestId(rng::id(now))
    }

    /// As it stands in the database.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for RequestId {
    fn from(id: Uuid) -> RequestId {
        RequestId(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<RequestId, NotARequestId> {
        if !matches!(text.len(), PLAIN | DASHED) {
            return Err(NotARequestId);
        }
        Uuid::try_parse(text).map(RequestId).map_err(|_| NotARequestId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_32_hexadecimal_digits() {
        let name = RequestId::new(OffsetDateTime::UNIX_EPOCH).to_string();
        assert!(name.len() == PLAIN && name.bytes().all(|digit| digit.is_ascii_hexdigit()), "{name}");
        assert_eq!(name.parse::<RequestId>().map(|name| name.to_string()), Ok(name));
        for text in ["0192E4A0000070008000254712345678", "0192e4a0-0000-7000-8000-254712345678"] {
            let read = text.parse::<RequestId>().map(|name| name.to_string());
            assert_eq!(read.as_deref(), Ok("0192e4a0000070008000254712345678"), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let long = "a".repeat(4096);
        for text in [
            "",
            "0192e4a0",
            "0192e4a000007000800025471234567g",
            "0192e4a0000070008000254712345678 ",
            "{0192e4a0-0000-7000-8000-254712345678}",
            "0192e4a0' OR 'a' = 'a' -- 0192e4a0",
            "0712345678",
            &long,
        ] {
            assert_eq!(text.parse::<RequestId>(), Err(NotARequestId), "{text}");
        }
    }
}
