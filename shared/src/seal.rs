//! Secrets at rest: router secrets and passwords that CHAP needs in clear are sealed with
//! AES-256-GCM under a key from the configuration, bound to the place they belong to.
//!
//! A sealed value is `1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)` under the first key that an installation ever had, and
//! `2 ‖ key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)` under every later one: programs that know of one key only read the first
//! form, and an installation that never changes its key never has the second. The context (for example
//! `nas.secret:<id>`) is authenticated with it, so a sealed value moved to another row does not open.
//! Each value has its own derived key material only through its random nonce: at 2^32 values under
//! one key the chance of a repeated nonce is still below 2^-32 (NIST SP 800-38D §8.3).
//!
//! [`SealKey`] is a ring: one key seals and signs, and others open and verify as well, while a key is being changed
//! (docs/operations/security.md). The key of [`SealKey::lookup`] is not changed with them: names and codes are found by what it
//! makes of them, and of many the name itself is not kept. It opens nothing and signs nothing. Without a setting of its own it is derived from the
//! first key, and that is how the first key is known.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rng;

/// How a value begins that the first key sealed.
const UNNAMED: u8 = 1;
/// How a value begins that says which key sealed it.
const NAMED: u8 = 2;
const NONCE: usize = 12;

/// By what a key is known: octets that follow from it and tell nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The keys that seal and that sign [`crate::token`]s. Printing them shows nothing.
pub struct SealKey {
    /// It seals and signs.
    current: One,
    /// They open and verify.
    others: Vec<One>,
    lookup: hmac::Key,
    lookup_octets: Zeroizing<[u8; 32]>,
}

/// One key, and what follows from it.
struct One {
    id: KeyId,
    /// Whether it is the first that this installation had.
    is_first: bool,
    aead: LessSafeKey,
    sign: hmac::Key,
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
    /// There are several keys, and it is not said by which one names are found.
    #[error(
        "secrets.old_seal_keys need secrets.lookup_key, or no login would be found: put the keys back as they were, and print it \
         with `portal secrets lookup-key`"
    )]
    NoLookupKey,
    /// Another key, another place, or damage.
    #[error("a sealed value does not open with this key: was secrets.seal_key changed?")]
    DoesNotOpen,
}

impl SealKey {
    /// Reads an only key from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<SealKey, SealError> {
        SealKey::ring(text, &[], None)
    }

    /// Reads the key that seals, those that only open, and the one by which names are found. Without the last the first is the only
    /// key that there ever was.
    pub fn ring(current: &str, others: &[&str], lookup: Option<&str>) -> Result<SealKey, SealError> {
        let root = Root::from_hex(current)?;
        let lookup_octets = match lookup {
            Some(text) => octets(text)?,
            None if others.is_empty() => root.derive("mlango lookup"),
            None => return Err(SealError::NoLookupKey),
        };
        let current = root.key(&lookup_octets)?;
        let mut known = Vec::new();
        for text in others {
            let other = Root::from_hex(text)?.key(&lookup_octets)?;
            // The same key twice is no mistake: it was the other one a moment ago.
            if other.id != current.id {
                known.push(other);
            }
        }
        let lookup = hmac::Key::new(hmac::HMAC_SHA256, lookup_octets.as_slice());
        Ok(SealKey { current, others: known, lookup, lookup_octets })
    }

    /// Seals `plain` for the place named by `context`.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = rng::bytes();
        let mut body = plain.to_vec();
        self.current
            .aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut body)
            .expect("AES-GCM seals any value of this length");
        let mut sealed = self.begins();
        sealed.reserve(NONCE + body.len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Opens what [`SealKey::seal`] made for the same place, with this key or one of the others.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen)?;
        let (id, rest) = match version {
            UNNAMED => (None, rest),
            NAMED => rest
                .split_first_chunk::<4>()
                .map(|(id, rest)| (Some(KeyId(*id)), rest))
                .ok_or(SealError::DoesNotOpen)?,
            _ => return Err(SealError::DoesNotOpen),
        };
        // A value without a name is the first key's; which one that is need not be believed, because no other opens it.
        let mut fitting = self.keys().filter(|key| id.is_none_or(|id| key.id == id));
        fitting.find_map(|key| key.open(context, rest)).ok_or(SealError::DoesNotOpen)
    }

    /// How a value begins that the present key sealed.
    pub fn begins(&self) -> Vec<u8> {
        match self.current.is_first {
            true => vec![UNNAMED],
            false => [&[NAMED][..], &self.current.id.0[..]].concat(),
        }
    }

    /// By what the key is known that seals.
    pub fn current(&self) -> KeyId {
        self.current.id
    }

    /// By what all keys are known that open, the one that seals first.
    pub fn known(&self) -> Vec<KeyId> {
        self.keys().map(|key| key.id).collect()
    }

    /// A fixed-length name under which a login or voucher can be found without storing it in clear.
    pub fn lookup(&self, name: &[u8]) -> [u8; 16] {
        truncated(&self.lookup, &[name])
    }

    /// The key of [`SealKey::lookup`], in hexadecimal digits: the one value that stays when the others are changed.
    pub fn lookup_key(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.lookup_octets.as_slice()))
    }

    pub(crate) fn signature(&self, purpose: &str, body: &[u8]) -> [u8; 16] {
        self.current.signature(purpose, body)
    }

    /// Whether one of the keys has signed this, in constant time for each.
    pub(crate) fn has_signed(&self, purpose: &str, body: &[u8], signature: &[u8]) -> bool {
        self.keys().any(|key| bool::from(key.signature(purpose, body).ct_eq(signature)))
    }

    fn keys(&self) -> impl Iterator<Item = &One> {
        std::iter::once(&self.current).chain(&self.others)
    }
}

impl One {
    fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self.aead.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    fn signature(&self, purpose: &str, body: &[u8]) -> [u8; 16] {
        truncated(&self.sign, &[purpose.as_bytes(), &[0], body])
    }
}

/// What everything else is derived from.
struct Root(hmac::Key);

impl Root {
    fn from_hex(text: &str) -> Result<Root, SealError> {
        Ok(Root(hmac::Key::new(hmac::HMAC_SHA256, octets(text)?.as_slice())))
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let tag = hmac::sign(&self.0, label.as_bytes());
        let octets: [u8; 32] = tag.as_ref()[..32].try_into().expect("SHA-256 gives 32 octets");
        Zeroizing::new(octets)
    }

    fn key(&self, lookup: &[u8; 32]) -> Result<One, SealError> {
        let aead =
            UnboundKey::new(&AES_256_GCM, self.derive("mlango seal").as_slice()).map_err(|_| SealError::BadKey)?;
        let [a, b, c, d, ..] = *self.derive("mlango key id");
        Ok(One {
            id: KeyId([a, b, c, d]),
            is_first: bool::from(self.derive("mlango lookup").as_slice().ct_eq(lookup.as_slice())),
            aead: LessSafeKey::new(aead),
            sign: hmac::Key::new(hmac::HMAC_SHA256, self.derive("mlango sign").as_slice()),
        })
    }
}

fn octets(text: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let bytes = Zeroizing::new(hex::decode(text.trim()).map_err(|_| SealError::BadKey)?);
    let octets: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::BadKey)?;
    Ok(Zeroizing::new(octets))
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
    SealKey::from_hex(&test_hex()).expect("64 digits")
}

#[cfg(test)]
fn test_hex() -> String {
    "5a".repeat(32)
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

    /// The first key, the one after it, and what names are found by.
    fn keys() -> (String, String, Zeroizing<String>) {
        (test_hex(), "a5".repeat(32), test_key().lookup_key())
    }

    #[test]
    fn while_a_key_is_changed_what_either_sealed_opens() {
        let (first, second, lookup) = keys();
        let learning = SealKey::ring(&first, &[&second], Some(&lookup)).expect("keys");
        let changed = SealKey::ring(&second, &[&first, &second], Some(&lookup)).expect("keys");
        let done = SealKey::ring(&second, &[], Some(&lookup)).expect("keys");
        let (old, new) = (learning.seal("x", b"secret"), changed.seal("x", b"secret"));
        assert_eq!((old[0], &new[..5]), (UNNAMED, &done.begins()[..]), "only a later key names itself");
        for (key, sealed, opens) in [
            (&test_key(), &old, true),
            (&test_key(), &new, false),
            (&learning, &new, true),
            (&changed, &old, true),
            (&done, &new, true),
            (&done, &old, false),
        ] {
            assert_eq!(key.open("x", sealed).is_ok(), opens, "{:?} {sealed:02x?}", key.known());
            assert!(key.open("y", sealed).is_err(), "another place");
        }
        assert_eq!((changed.known().len(), done.known(), changed.current()), (2, vec![done.current()], done.current()));
        assert_eq!(learning.begins(), [UNNAMED], "programs that know one key go on reading what it seals");
    }

    #[test]
    fn names_are_found_by_the_same_whatever_key_seals() {
        let (first, second, lookup) = keys();
        let done = SealKey::ring(&second, &[], Some(&lookup)).expect("keys");
        assert_eq!(done.lookup(b"amina"), test_key().lookup(b"amina"));
        assert_eq!(*done.lookup_key(), *lookup);
        assert_ne!(SealKey::from_hex(&second).expect("a key").lookup(b"amina"), test_key().lookup(b"amina"));
        assert_eq!(SealKey::ring(&second, &[&first], None).err(), Some(SealError::NoLookupKey));
        assert_eq!(SealKey::ring(&second, &["abc"], Some(&lookup)).err(), Some(SealError::BadKey));
    }

    #[test]
    fn the_key_is_never_printed_and_must_be_whole() {
        assert_eq!(format!("{:?}", test_key()), "SealKey");
        assert_eq!(SealKey::from_hex("abc").err(), Some(SealError::BadKey));
        assert_eq!(test_key().current().to_string().len(), 8);
    }
}
