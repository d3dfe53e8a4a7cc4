//! User-Password (RFC 2865 §5.2). The password is padded with NULs to a multiple of 16 octets, and each block
//! is combined by XOR with an MD5 that depends on the secret and on the block before:
//!
//! ```text
//! c(1) = p(1) xor MD5(secret + Request Authenticator)
//! c(i) = p(i) xor MD5(secret + c(i-1))                      at most 8 blocks
//! ```
//!
//! The padding cannot be told from NULs at the end of a password; those are dropped. NULs inside stay.

use zeroize::Zeroizing;

use crate::constant_time;
use crate::limits::{AUTHENTICATOR, MAX_PASSWORD};
use crate::secret::Secret;

/// Octets that are hidden together.
const BLOCK: usize = 16;

/// Reads a hidden password. `None` if its length is not a multiple of 16 from 16 to 128.
pub fn reveal<'o>(
    hidden: &[u8],
    authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
    out: &'o mut [u8; MAX_PASSWORD],
) -> Option<&'o [u8]> {
    let padded = reveal_padded(hidden, authenticator, secret, out)?;
    let length = padded.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    Some(&padded[..length])
}

/// Whether the hidden password is this one, in a time that depends only on how many blocks are hidden.
#[must_use]
pub fn verify(hidden: &[u8], authenticator: &[u8; AUTHENTICATOR], secret: &Secret, password: &[u8]) -> bool {
    if !is_hidden(hidden) {
        return false;
    }
    let mut expected = Zeroizing::new([0; BLOCK]);
    let mut previous = authenticator;
    let mut same = password.len() <= hidden.len();
    for (place, cipher) in hidden.as_chunks::<BLOCK>().0.iter().enumerate() {
        let block = password.get(place * BLOCK..).unwrap_or_default();
        let block = block.get(..BLOCK).unwrap_or(block);
        expected[..block.len()].copy_from_slice(block);
        expected[block.len()..].fill(0);
        xor(&mut *expected, &secret.md5_before(previous));
        same &= constant_time::equal(&expected, cipher);
        previous = cipher;
    }
    same
}

/// Hides a password. `None` if it is longer than 128 octets. An empty one becomes one block.
pub fn hide<'o>(
    password: &[u8],
    authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
    out: &'o mut [u8; MAX_PASSWORD],
) -> Option<&'o [u8]> {
    out.fill(0);
    out.get_mut(..password.len())?.copy_from_slice(password);
    let length = password.len().max(1).next_multiple_of(BLOCK);
    let mut previous = *authenticator;
    for block in out[..length].chunks_exact_mut(BLOCK) {
        xor(block, &secret.md5_before(&previous));
        previous.copy_from_slice(block);
    }
    Some(&out[..length])
}

/// As [`reveal`], with the padding: what was hidden need not be text that ends where the NULs start.
pub(super) fn reveal_padded<'o>(
    hidden: &[u8],
    authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
    out: &'o mut [u8; MAX_PASSWORD],
) -> Option<&'o [u8]> {
    if !is_hidden(hidden) {
        return None;
    }
    out.fill(0);
    out[..hidden.len()].copy_from_slice(hidden);
    let mut previous: &[u8] = authenticator;
    for (block, cipher) in out.chunks_exact_mut(BLOCK).zip(hidden.chunks_exact(BLOCK)) {
        xor(block, &secret.md5_before(previous));
        previous = cipher;
    }
    Some(&out[..hidden.len()])
}

/// Whether octets have the length of a hidden password: 16 to 128, in blocks.
fn is_hidden(octets: &[u8]) -> bool {
    (1..=MAX_PASSWORD).contains(&octets.len()) && octets.len().is_multiple_of(BLOCK)
}

pub(super) fn xor(block: &mut [u8], mask: &[u8; BLOCK]) {
    for (octet, mask) in block.iter_mut().zip(mask) {
        *octet ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(b"xyzzy5461").expect("not empty")
    }

    #[test]
    fn lengths_outside_rfc2865_are_refused() {
        let mut out = [0; MAX_PASSWORD];
        for length in [0, 1, 15, 17, 127, 129, 144, 253] {
            assert_eq!(reveal(&[7; 253][..length], &[1; 16], &secret(), &mut out), None, "{length}");
        }
        for length in (16..=128).step_by(16) {
            assert!(reveal(&[7; 253][..length], &[1; 16], &secret(), &mut out).is_some(), "{length}");
        }
        assert_eq!(hide(&[b'x'; 129], &[1; 16], &secret(), &mut out), None);
    }

    #[test]
    fn nul_inside_stays_and_nul_at_the_end_is_padding() {
        let (mut hidden, mut plain) = ([0; MAX_PASSWORD], [0; MAX_PASSWORD]);
        let hidden = hide(b"a\0b\0\0", &[9; 16], &secret(), &mut hidden).expect("short enough");
        assert_eq!(reveal(hidden, &[9; 16], &secret(), &mut plain), Some(&b"a\0b"[..]));
        assert!(verify(hidden, &[9; 16], &secret(), b"a\0b"));
        assert!(!verify(hidden, &[9; 16], &secret(), b"a"));
    }

    #[test]
    fn verify_tells_wrong_password_secret_and_authenticator() {
        let mut out = [0; MAX_PASSWORD];
        let hidden = hide(b"arctangent", &[3; 16], &secret(), &mut out).expect("short enough");
        let other = Secret::new(b"other").expect("not empty");
        assert!(verify(hidden, &[3; 16], &secret(), b"arctangent"));
        assert!(!verify(hidden, &[3; 16], &secret(), b"arctangenT"));
        assert!(!verify(hidden, &[3; 16], &secret(), b""));
        assert!(!verify(hidden, &[4; 16], &secret(), b"arctangent"));
        assert!(!verify(hidden, &[3; 16], &other, b"arctangent"));
        assert!(!verify(hidden, &[3; 16], &secret(), &[b'x'; 129]));
        assert!(!verify(hidden, &[3; 16], &secret(), b"arctangent\0\0\0\0\0\0x"), "more than is hidden");
        let hidden = hide(b"sixteen octets..and more", &[3; 16], &secret(), &mut out).expect("short enough");
        assert!(verify(hidden, &[3; 16], &secret(), b"sixteen octets..and more"));
        assert!(!verify(hidden, &[3; 16], &secret(), b"sixteen octets.."));
        assert!(!verify(hidden, &[3; 16], &secret(), b"sixteen octets..and More"));
    }

    #[test]
    fn the_empty_password_is_one_block() {
        let (mut hidden, mut plain) = ([0; MAX_PASSWORD], [0; MAX_PASSWORD]);
        let hidden = hide(b"", &[5; 16], &secret(), &mut hidden).expect("short enough");
        assert_eq!(hidden.len(), 16);
        assert_eq!(reveal(hidden, &[5; 16], &secret(), &mut plain), Some(&b""[..]));
        assert!(verify(hidden, &[5; 16], &secret(), b""));
    }
}
