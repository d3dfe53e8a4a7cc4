//! The only door to randomness, all of it from the operating system's generator.
//!
//! Secrets, identifiers and codes are made here, each with its length and alphabet, so that a reader
//! can check in one place how hard they are to guess.

use ::rand::TryRng;
use ::rand::rngs::SysRng;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::time::OffsetDateTime;

/// `N` random octets.
///
/// # Panics
/// If the operating system cannot give random numbers: nothing safe can be done without them.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    SysRng.try_fill_bytes(&mut out).expect("the operating system gives random numbers");
    out
}

/// A new UUIDv7: ordered by `now`, 74 random bits.
pub fn id(now: OffsetDateTime) -> Uuid {
    let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes()).into_uuid()
}

/// A secret for machines: 256 random bits in URL-safe base64 (43 characters).
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A password that lives for minutes and is sent by a browser: 120 random bits, 20 characters.
pub fn one_time_password() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<15>())
}

/// A code that people read and type: `length` characters of [`crate::voucher::ALPHABET`], unbiased.
pub fn code(length: usize) -> String {
    let alphabet = crate::voucher::ALPHABET;
    debug_assert_eq!(256 % alphabet.len(), 0, "the alphabet's length divides 256, so no character is favoured");
    (0..length).map(|_| char::from(alphabet[usize::from(bytes::<1>()[0]) % alphabet.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_ordered_by_time() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        assert!(id(at(1_000)) < id(at(2_000)));
        assert_eq!(id(at(1_000)).get_version_num(), 7);
    }

    #[test]
    fn secrets_differ_and_have_their_length() {
        assert_ne!(secret(), secret());
        assert_eq!(secret().len(), 43);
        assert_eq!(one_time_password().len(), 20);
        assert_eq!(code(10).len(), 10);
    }
}
