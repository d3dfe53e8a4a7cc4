//! Session keys for MPPE, the encryption of PPP (RFC 3079), and how RADIUS carries them to the NAS (RFC 2548
//! §2.4).
//!
//! * From MS-CHAPv2 both ends derive a key for each direction. [`SessionKeys`] holds them as the NAS uses them:
//!   the NAS is the server of the PPP link, so its send key is the client's receive key, whichever side derives
//!   it. They travel as MS-MPPE-Send-Key and MS-MPPE-Recv-Key, [`hide_key`] under a salt:
//!
//!   ```text
//!   | Salt (2) | c(1) | c(2)      P = Key-Length (1), Key (16), zeros (15)          RFC 2548 §2.4.2
//!   c(1) = p(1) xor MD5(secret + Request Authenticator + Salt)
//!   c(2) = p(2) xor MD5(secret + c(1))
//!   ```
//!
//! * From MS-CHAPv1 the NAS derives them itself, out of the hash of the password's hash. That travels as
//!   MS-CHAP-MPPE-Keys: eight octets of LM key, sixteen of NT key, hidden as a User-Password is, [`hide_v1_keys`].
//!   The LM key is zeros, for nothing of LM is used here; so no 40-bit key can be derived. The NT key is the hash
//!   of the hash: RFC 2548 §2.4.1 can be read otherwise, but RFC 3079 §2.3 starts there and every NAS expects it.
//!
//! Random octets for the salt are an argument. The `put_*` methods of [`Builder`] write the attributes; the
//! `reveal_*` functions read them, for test clients.

use core::fmt;

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use crate::attribute::microsoft;
use crate::builder::Builder;
use crate::error::BuildError;
use crate::limits::{AUTHENTICATOR, MAX_PASSWORD};
use crate::secret::Secret;

use super::mschap::{V1Proof, V2Proof};
use super::pap;

/// Octets of a session key. A NAS that negotiated 40 or 56 bits takes the first eight (RFC 3079 §3.1, §3.2).
pub const KEY: usize = 16;

/// Octets of a hidden session key: salt, and two blocks.
pub const HIDDEN_KEY: usize = 34;

/// Octets of the keys of version 1: LM key and NT key (RFC 2548 §2.4.1).
pub const V1_KEYS: usize = 24;

/// Octets of those, hidden.
pub const HIDDEN_V1_KEYS: usize = 32;

/// The bit of a salt that must be set (RFC 2548 §2.4.2).
const SALT_BIT: u16 = 0x8000;

/// The keys of one session, named as the NAS uses them.
#[derive(Clone)]
pub struct SessionKeys {
    /// Encrypts what the NAS sends to the client.
    pub send: Zeroizing<[u8; KEY]>,
    /// Decrypts what the NAS receives from the client.
    pub receive: Zeroizing<[u8; KEY]>,
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}

impl V2Proof {
    /// The keys of the session (RFC 3079 §3.3).
    #[must_use]
    pub fn session_keys(&self) -> SessionKeys {
        const MASTER: &[u8; 27] = b"This is the MPPE Master Key";
        const CLIENT_SENDS: &[u8; 84] =
            b"On the client side, this is the send key; on the server side, it is the receive key.";
        const CLIENT_RECEIVES: &[u8; 84] =
            b"On the client side, this is the receive key; on the server side, it is the send key.";
        let master =
            Sha1::new().chain_update(*self.hash_hash).chain_update(self.nt_response).chain_update(MASTER).finalize();
        let master = first_key(&master.into());
        SessionKeys { send: start_key(&master, CLIENT_RECEIVES), receive: start_key(&master, CLIENT_SENDS) }
    }
}

impl V1Proof {
    /// LM key, all zeros, and NT key, from which the NAS derives the keys of the session (RFC 3079 §2.3).
    #[must_use]
    pub fn mppe_keys(&self) -> Zeroizing<[u8; V1_KEYS]> {
        let mut keys = Zeroizing::new([0; V1_KEYS]);
        keys[8..].copy_from_slice(&*self.hash_hash);
        keys
    }
}

/// GetAsymmetricStartKey for 128 bits (RFC 3079 §3.4).
fn start_key(master: &[u8; KEY], direction: &[u8; 84]) -> Zeroizing<[u8; KEY]> {
    let digest = Sha1::new()
        .chain_update(master)
        .chain_update([0; 40])
        .chain_update(direction)
        .chain_update([0xf2; 40])
        .finalize();
    first_key(&digest.into())
}

fn first_key(digest: &[u8; 20]) -> Zeroizing<[u8; KEY]> {
    Zeroizing::new(*digest.first_chunk().expect("sixteen of twenty octets"))
}

/// Hides a session key. The highest bit of the salt is set in any case; every salt of a packet must be another.
#[must_use]
pub fn hide_key(
    key: &[u8; KEY],
    salt: u16,
    request_authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
) -> [u8; HIDDEN_KEY] {
    let salt = (salt | SALT_BIT).to_be_bytes();
    let mut out = [0; HIDDEN_KEY];
    out[..2].copy_from_slice(&salt);
    out[2] = 16;
    out[3..3 + KEY].copy_from_slice(key);
    pap::xor(&mut out[2..18], &first_mask(salt, request_authenticator, secret));
    let mask = secret.md5_before(&out[2..18]);
    pap::xor(&mut out[18..], &mask);
    out
}

/// Reads a hidden session key. `None` if it is not sixteen octets long, as after a wrong secret, or the salt or
/// the length breaks RFC 2548 §2.4.2.
#[must_use]
pub fn reveal_key(
    hidden: &[u8],
    request_authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
) -> Option<Zeroizing<[u8; KEY]>> {
    let hidden: &[u8; HIDDEN_KEY] = hidden.try_into().ok()?;
    let salt = [hidden[0], hidden[1]];
    if u16::from_be_bytes(salt) & SALT_BIT == 0 {
        return None;
    }
    let mut plain = Zeroizing::new([0; HIDDEN_KEY - 2]);
    plain.copy_from_slice(&hidden[2..]);
    pap::xor(&mut plain[..16], &first_mask(salt, request_authenticator, secret));
    pap::xor(&mut plain[16..], &secret.md5_before(&hidden[2..18]));
    if usize::from(plain[0]) != KEY {
        return None;
    }
    plain[1..].first_chunk().map(|key| Zeroizing::new(*key))
}

fn first_mask(salt: [u8; 2], request_authenticator: &[u8; AUTHENTICATOR], secret: &Secret) -> [u8; 16] {
    let mut seed = [0; AUTHENTICATOR + 2];
    seed[..AUTHENTICATOR].copy_from_slice(request_authenticator);
    seed[AUTHENTICATOR..].copy_from_slice(&salt);
    secret.md5_before(&seed)
}

/// Hides the keys of version 1.
#[must_use]
pub fn hide_v1_keys(
    keys: &[u8; V1_KEYS],
    request_authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
) -> [u8; HIDDEN_V1_KEYS] {
    let mut scratch = Zeroizing::new([0; MAX_PASSWORD]);
    let hidden = pap::hide(keys, request_authenticator, secret, &mut scratch);
    let hidden = hidden.and_then(|hidden| hidden.try_into().ok());
    hidden.expect("twenty-four octets take two blocks")
}

/// Reads the hidden keys of version 1. `None` if they are not thirty-two octets, or their padding is not zeros,
/// as after a wrong secret.
#[must_use]
pub fn reveal_v1_keys(
    hidden: &[u8],
    request_authenticator: &[u8; AUTHENTICATOR],
    secret: &Secret,
) -> Option<Zeroizing<[u8; V1_KEYS]>> {
    let hidden: &[u8; HIDDEN_V1_KEYS] = hidden.try_into().ok()?;
    let mut scratch = Zeroizing::new([0; MAX_PASSWORD]);
    let padded = pap::reveal_padded(hidden, request_authenticator, secret, &mut scratch)?;
    let (keys, padding) = padded.split_first_chunk::<V1_KEYS>()?;
    padding.iter().all(|&octet| octet == 0).then(|| Zeroizing::new(*keys))
}

impl Builder<'_> {
    /// Appends MS-MPPE-Send-Key and MS-MPPE-Recv-Key to an Access-Accept (RFC 2548 §2.4.2, §2.4.3). `salt` is
    /// random; the two salts in the packet differ.
    ///
    /// # Errors
    /// If the packet is full; the first may then be there without the second.
    pub fn put_mppe_keys(
        &mut self,
        keys: &SessionKeys,
        salt: u16,
        request_authenticator: &[u8; AUTHENTICATOR],
        secret: &Secret,
    ) -> Result<&mut Self, BuildError> {
        let send = hide_key(&keys.send, salt, request_authenticator, secret);
        let receive = hide_key(&keys.receive, salt ^ 1, request_authenticator, secret);
        self.put(microsoft::MS_MPPE_SEND_KEY, &send)?;
        self.put(microsoft::MS_MPPE_RECV_KEY, &receive)
    }

    /// Appends MS-CHAP-MPPE-Keys to an Access-Accept (RFC 2548 §2.4.1).
    ///
    /// # Errors
    /// If the packet is full.
    pub fn put_ms_chap_mppe_keys(
        &mut self,
        proof: &V1Proof,
        request_authenticator: &[u8; AUTHENTICATOR],
        secret: &Secret,
    ) -> Result<&mut Self, BuildError> {
        let hidden = hide_v1_keys(&proof.mppe_keys(), request_authenticator, secret);
        self.put(microsoft::MS_CHAP_MPPE_KEYS, &hidden)
    }

    /// Appends MS-MPPE-Encryption-Policy and -Types (RFC 2548 §2.4.4, §2.4.5): values of
    /// [`microsoft::ms_mppe_encryption_policy`] and [`microsoft::ms_mppe_encryption_types`]. After MS-CHAPv1 only
    /// 128 bits can work.
    ///
    /// # Errors
    /// If the packet is full; the first may then be there without the second.
    pub fn put_mppe_policy(&mut self, policy: u32, types: u32) -> Result<&mut Self, BuildError> {
        self.put(microsoft::MS_MPPE_ENCRYPTION_POLICY, policy)?;
        self.put(microsoft::MS_MPPE_ENCRYPTION_TYPES, types)
    }
}

#[cfg(test)]
mod tests;
