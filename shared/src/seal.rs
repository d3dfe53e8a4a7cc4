//! Secrets at rest: router secrets and passwords that CHAP needs in clear are sealed with
//! AES-256-GCM under a key from the configuration, bound to the place they belong to.
//!
//! A sealed value is `version (1) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. The context (for example
//! `nas.secret:<id>`) is authenticated with it, so a sealed value moved to another row does not open.
//! Each value has its own derived key material only through its random nonce: at 2^32 values under
//! one key the chance of a repeated nonce is still below 2^-32 (NIST SP 800-38D §8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::rng;

const VERSION: u8 = 1;
const NONCE: usize = 12;

/// The key that seals and that signs [`crate::token`]s. Printing it shows nothing.
pub struct SealKey {
    aead: LessSafeKey,
    sign: hmac::Key,
    lookup: hmac::Key,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

/// Why a sealed value could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// The key is not 64 hexadecimal digits.
    #[error("the seal key must be 64 hexadecimal digits (32 octets)")]
    BadKey,
    /// Another key, another place, or damage.
    #[error("a sealed value does not open with this key: was secrets.seal_key changed?")]
    DoesNotOpen,
}

impl SealKey {
    /// Reads the key from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<SealKey, SealError> {
        let bytes = Zeroizing::new(hex::decode(text.trim()).map_err(|_| SealError::BadKey)?);
        let master: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::BadKey)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, master);
        let derive = |label: &str| hmac::sign(&root, label.as_bytes());
        let aead = UnboundKey::new(&AES_256_GCM, derive("mlango seal").as_ref()).map_err(|_| SealError::BadKey)?;
        Ok(SealKey {
            aead: LessSafeKey::new(aead),
            sign: hmac::Key::new(hmac::HMAC_SHA256, derive("mlango sign").as_ref()),
            lookup: hmac::Key::new(hmac::HMAC_SHA256, derive("mlango lookup").as_ref()),
        })
    }

    /// Seals `plain` for the place named by `context`.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = rng::bytes();
        let mut body = plain.to_vec();
        self.aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut body)
            .expect("AES-GCM seals any value of this length");
        let mut sealed = Vec::with_capacity(1 + NONCE + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Opens what [`SealKey::seal`] made for the same place.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen)?;
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(SealError::DoesNotOpen)?;
        if version != VERSION {
            return Err(SealError::DoesNotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::DoesNotOpen)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .aead
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| SealError::DoesNotOpen)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// A fixed-length name under which a login or voucher can be found without storing it in clear.
    pub fn lookup(&self, name: &[u8]) -> [u8; 16] {
        truncated(&self.lookup, &[name])
    }

    pub(crate) fn signature(&self, purpose: &str, body: &[u8]) -> [u8; 16] {
        truncated(&self.sign, &[purpose.as_bytes(), &[0], body])
    }
}

fn truncated(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let tag = context.sign();
    tag.as_ref()[..16].try_into().expect("SHA-256 gives 32 octets")
}

/// Keys for tests.
#[cfg(test)]
pub(crate) fn test_key() -> SealKey {
    SealKey::from_hex(&"5a".repeat(32)).expect("64 digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_with_its_key() {
        let key = test_key();
        let sealed = key.seal("nas.secret:1", b"testing123");
        assert_eq!(key.open("nas.secret:1", &sealed).expect("opens").as_slice(), b"testing123");
        assert_eq!(key.open("nas.secret:2", &sealed).err(), Some(SealError::DoesNotOpen));
        let other = SealKey::from_hex(&"a5".repeat(32)).expect("64 digits");
        assert_eq!(other.open("nas.secret:1", &sealed).err(), Some(SealError::DoesNotOpen));
    }

    #[test]
    fn damage_is_noticed_at_every_octet() {
        let key = test_key();
        let sealed = key.seal("x", b"secret");
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.open("x", &damaged).err(), Some(SealError::DoesNotOpen), "octet {at}");
            assert_eq!(key.open("x", &sealed[..at]).err(), Some(SealError::DoesNotOpen), "cut at {at}");
        }
    }

    #[test]
    fn the_key_is_never_printed_and_must_be_whole() {
        assert_eq!(format!("{:?}", test_key()), "SealKey");
        assert_eq!(SealKey::from_hex("abc").err(), Some(SealError::BadKey));
    }
}
