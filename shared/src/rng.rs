//! The only door to randomness, all of it from the operating system's generator.
//!
//! Secrets, identifiers and codes are made here, each with its length and alphabet, so that a reader
//! can check in one place how hard they are to guess.

use std::cell::RefCell;

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

/// A new UUIDv7: ordered by `now`, 74 random bits. Every accepted login has one, so the random bits come from this
/// thread's [`Pool`].
pub fn id(now: OffsetDateTime) -> Uuid {
    with_bits(now, &POOL.with_borrow_mut(Pool::take))
}

/// How many numbers an identifier of [`marked_id`] can carry.
pub const MARKS: u16 = 1 << 12;

/// A new UUIDv7 that carries a number, modulo [`MARKS`], in its `rand_a` (RFC 9562 §5.7): ordered by `now`, 62 random bits.
pub fn marked_id(now: OffsetDateTime, mark: u16) -> Uuid {
    let mut bits = POOL.with_borrow_mut(Pool::take);
    bits[..2].copy_from_slice(&mark.to_be_bytes());
    with_bits(now, &bits)
}

/// The number that an identifier of [`marked_id`] carries; any other one's is by chance.
pub fn mark_of(id: Uuid) -> u16 {
    let octets = id.as_bytes();
    u16::from_be_bytes([octets[6], octets[7]]) % MARKS
}

fn with_bits(now: OffsetDateTime, bits: &[u8; ID_OCTETS]) -> Uuid {
    let milliseconds = u64::try_from(now.unix_timestamp()).unwrap_or(0) * 1000 + u64::from(now.millisecond());
    uuid::Builder::from_unix_timestamp_millis(milliseconds, bits).into_uuid()
}

/// When an identifier of [`id`] was made, to the millisecond; `None` for one that has no time in it.
pub fn made_at(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

/// Octets fetched by one system call.
const POOL_OCTETS: usize = 1024;
/// Octets of an identifier.
const ID_OCTETS: usize = 10;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { octets: [0; POOL_OCTETS], left: 0 }) };
}

/// Octets from the operating system, fetched by the kilobyte, for identifiers alone: a system call for each login
/// would cost more than the login. Each octet is given out once and wiped from here; secrets do not come from here.
struct Pool {
    octets: [u8; POOL_OCTETS],
    left: usize,
}

impl Pool {
    fn take(&mut self) -> [u8; ID_OCTETS] {
        if self.left < ID_OCTETS {
            self.octets = bytes();
            self.left = POOL_OCTETS;
        }
        let from = self.left - ID_OCTETS;
        let mut taken = [0; ID_OCTETS];
        taken.swap_with_slice(&mut self.octets[from..self.left]);
        self.left = from;
        taken
    }
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

/// `length` decimal digits, unbiased: a code that is sent by SMS.
pub fn digits(length: usize) -> String {
    // Of 256 values, the 250 below a multiple of ten are used.
    let digit = || loop {
        let [octet] = bytes::<1>();
        if octet < 250 {
            return char::from(b'0' + octet % 10);
        }
    };
    (0..length).map(|_| digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_ordered_by_time() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        assert!(id(at(1_000)) < id(at(2_000)));
        assert_eq!(id(at(1_000)).get_version_num(), 7);
        let moment = at(1_800_000_000) + std::time::Duration::from_millis(123);
        assert_eq!(made_at(id(moment)), Some(moment));
        assert_eq!(made_at(Uuid::from_u128(7)), None);
    }

    #[test]
    fn an_identifier_carries_a_number_and_is_one_like_the_others() {
        let moment = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
        for (mark, carried) in [(0, 0), (1, 1), (0x123, 0x123), (4095, 4095), (4096, 0), (u16::MAX, 4095)] {
            let (one, other) = (marked_id(moment, mark), marked_id(moment, mark));
            assert_eq!((mark_of(one), mark_of(other)), (carried, carried));
            assert_ne!(one, other);
            assert_eq!((one.get_version_num(), one.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(made_at(one), Some(moment));
        }
    }

    #[test]
    fn identifiers_of_one_moment_differ_and_what_was_given_out_is_wiped() {
        let made: std::collections::HashSet<Uuid> = (0..5_000).map(|_| id(OffsetDateTime::UNIX_EPOCH)).collect();
        assert_eq!(made.len(), 5_000);
        let mut pool = Pool { octets: [0; POOL_OCTETS], left: 0 };
        let first = pool.take();
        assert_ne!(first, [0; ID_OCTETS]);
        assert_eq!(pool.octets[pool.left..], [0; ID_OCTETS]);
        while pool.left >= ID_OCTETS {
            pool.take();
        }
        assert!(pool.octets[pool.left..].iter().all(|&octet| octet == 0));
    }

    #[test]
    fn secrets_differ_and_have_their_length() {
        assert_ne!(secret(), secret());
        assert_eq!(secret().len(), 43);
        assert_eq!(one_time_password().len(), 20);
        assert_eq!(code(10).len(), 10);
        let digits = digits(2000);
        assert!(('0'..='9').all(|digit| (120..280).contains(&digits.matches(digit).count())), "{digits}");
    }
}
