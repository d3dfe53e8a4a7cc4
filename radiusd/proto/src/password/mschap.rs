//! MS-CHAP, version 1 (RFC 2433) and 2 (RFC 2759), as RADIUS carries it (RFC 2548 §2.1 and §2.3): how PPPoE and
//! VPN clients prove a password. Both send a DES encryption of the challenge under a hash of the password:
//!
//! ```text
//! MS-CHAP-Response    | Ident | Flags |        LM-Response (24)          | NT-Response (24) |   RFC 2548 §2.1.3
//! MS-CHAP2-Response   | Ident | Flags | Peer-Challenge (16) | zeros (8)  | Response (24)    |   RFC 2548 §2.3.2
//! ```
//!
//! [`verify_v1`] and [`verify_v2`] judge a response and return a proof, from which the answer is made: in
//! version 2 the server proves in [`V2Proof::success`] that it knows the password too, and either gives the keys
//! of [`super::mppe`]. [`Failure`] is the text of a refusal. [`response_v1`] and [`response_v2`] are the peer's
//! side, for test clients.
//!
//! What it refuses: the LM-Response, which a personal computer breaks in seconds; a password that is not UTF-8,
//! since what is hashed is UTF-16; and changes of a password. MD4 and DES are broken too: who hears the exchange
//! can guess the password offline. The protocol is here because the clients have no other, not because it is good.

use core::fmt;

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::{Digest, Md4};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::attribute::microsoft;
use crate::builder::Builder;
use crate::constant_time;
use crate::error::BuildError;

/// Octets of the challenge of version 1 (RFC 2433 §4).
pub const CHALLENGE_V1: usize = 8;

/// Octets of the challenge of version 2, the peer's and ours (RFC 2759 §3, §4).
pub const CHALLENGE_V2: usize = 16;

/// Octets of MS-CHAP-Response and of MS-CHAP2-Response (RFC 2548 §2.1.3, §2.3.2).
pub const RESPONSE: usize = 50;

/// Octets of MS-CHAP2-Success: Ident, `S=` and forty digits (RFC 2548 §2.3.3).
pub const SUCCESS: usize = 43;

/// Longest password, in UTF-16 units (RFC 2759 §8.3: "0-to-256-unicode-char").
pub const MAX_PASSWORD_UNITS: usize = 256;

/// Octets of an NT-Response.
pub(super) const NT_RESPONSE: usize = 24;

/// The bit of Flags that says that the NT-Response is to be used (RFC 2548 §2.1.3).
const USE_NT_RESPONSE: u8 = 1;

/// MD4 of the MD4 of a password: what a server may keep to derive session keys, and so worth a password.
pub(super) type HashHash = Zeroizing<[u8; 16]>;

/// Somebody knows the password, by version 1.
pub struct V1Proof {
    pub(super) hash_hash: HashHash,
}

/// Somebody knows the password, by version 2.
pub struct V2Proof {
    /// The value of MS-CHAP2-Success: proof to the peer that we know it too. The peer hangs up without it.
    pub success: [u8; SUCCESS],
    pub(super) hash_hash: HashHash,
    pub(super) nt_response: [u8; NT_RESPONSE],
}

impl fmt::Debug for V1Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("V1Proof(..)")
    }
}

impl fmt::Debug for V2Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("V2Proof(..)")
    }
}

/// Judges an MS-CHAP-Response by its NT-Response. `None` if it is wrong, says that only its LM-Response counts,
/// or has another length than [`RESPONSE`]; or the challenge another than [`CHALLENGE_V1`].
#[must_use]
pub fn verify_v1(challenge: &[u8], response: &[u8], password: &[u8]) -> Option<V1Proof> {
    let challenge = challenge.try_into().ok()?;
    let response: &[u8; RESPONSE] = response.try_into().ok()?;
    if response[1] & USE_NT_RESPONSE == 0 {
        return None;
    }
    let hash = password_hash(password)?;
    let expected = challenge_response(challenge, &hash);
    constant_time::equal(&expected, response.last_chunk()?).then(|| V1Proof { hash_hash: hash_hash(&hash) })
}

/// Judges an MS-CHAP2-Response. The user name is the one of the request; a leading `DOMAIN\` is left out of the
/// hash (RFC 2759 §8.2). `None` if the response is wrong or has another length than [`RESPONSE`], or the challenge
/// another than [`CHALLENGE_V2`].
#[must_use]
pub fn verify_v2(challenge: &[u8], response: &[u8], user_name: &[u8], password: &[u8]) -> Option<V2Proof> {
    let challenge: &[u8; CHALLENGE_V2] = challenge.try_into().ok()?;
    let response: &[u8; RESPONSE] = response.try_into().ok()?;
    let (ident, peer_challenge) = (response[0], response[2..].first_chunk()?);
    let nt_response: &[u8; NT_RESPONSE] = response.last_chunk()?;
    let hash = password_hash(password)?;
    let hashed = challenge_hash(peer_challenge, challenge, user_name);
    if !constant_time::equal(&challenge_response(&hashed, &hash), nt_response) {
        return None;
    }
    let hash_hash = hash_hash(&hash);
    let success = success(ident, &hash_hash, nt_response, &hashed);
    Some(V2Proof { success, hash_hash, nt_response: *nt_response })
}

/// The MS-CHAP-Response of a peer that knows the password: an NT-Response, and zeros for LM. `None` for a
/// password that cannot be hashed.
#[must_use]
pub fn response_v1(ident: u8, challenge: &[u8; CHALLENGE_V1], password: &[u8]) -> Option<[u8; RESPONSE]> {
    let mut out = [0; RESPONSE];
    (out[0], out[1]) = (ident, USE_NT_RESPONSE);
    out[26..].copy_from_slice(&challenge_response(challenge, &*password_hash(password)?));
    Some(out)
}

/// The MS-CHAP2-Response of a peer that knows the password. Handed to [`verify_v2`], it gives that peer the
/// success that it must wait for, and its keys. `None` for a password that cannot be hashed.
#[must_use]
pub fn response_v2(
    ident: u8,
    challenge: &[u8; CHALLENGE_V2],
    peer_challenge: &[u8; CHALLENGE_V2],
    user_name: &[u8],
    password: &[u8],
) -> Option<[u8; RESPONSE]> {
    let hashed = challenge_hash(peer_challenge, challenge, user_name);
    let mut out = [0; RESPONSE];
    out[0] = ident;
    out[2..18].copy_from_slice(peer_challenge);
    out[26..].copy_from_slice(&challenge_response(&hashed, &*password_hash(password)?));
    Some(out)
}

/// Why a peer is refused: the error codes that both versions share (RFC 2433 §8, RFC 2759 §6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum ErrorCode {
    /// Not at this hour.
    RestrictedLogonHours = 646,
    /// The account is disabled.
    AccountDisabled = 647,
    /// The password has expired. The peer may ask for a new one, which nobody here will take.
    PasswordExpired = 648,
    /// This account may not dial in.
    NoDialinPermission = 649,
    /// Wrong name or password.
    AuthenticationFailure = 691,
}

/// The value of an MS-CHAP-Error (RFC 2548 §2.1.5): Ident and text. No second try is offered, since the new
/// challenge would have to be remembered; V=3 says which change of password is spoken, and it must be there.
///
/// ```text
/// E=691 R=0 V=3                                                             RFC 2433 §8
/// E=691 R=0 C=0123456789ABCDEF0123456789ABCDEF V=3 M=Access denied          RFC 2759 §6: C must be there
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    octets: [u8; Failure::MAX],
    length: usize,
}

impl Failure {
    /// Octets of the longer form.
    const MAX: usize = 65;

    /// To a peer of version 1, whose response had this Ident.
    #[must_use]
    pub fn v1(ident: u8, code: ErrorCode) -> Failure {
        let mut failure = Failure::start(ident, code);
        failure.push(b" V=3");
        failure
    }

    /// To a peer of version 2. `challenge` is any random value, or the one that was answered.
    #[must_use]
    pub fn v2(ident: u8, code: ErrorCode, challenge: &[u8; CHALLENGE_V2]) -> Failure {
        let mut failure = Failure::start(ident, code);
        failure.push(b" C=");
        failure.push(&digits::<{ CHALLENGE_V2 * 2 }>(challenge));
        failure.push(b" V=3 M=Access denied");
        failure
    }

    /// Ident and text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn start(ident: u8, code: ErrorCode) -> Failure {
        let mut failure = Failure { octets: [0; Failure::MAX], length: 0 };
        failure.push(&[ident]);
        failure.push(match code {
            ErrorCode::RestrictedLogonHours => b"E=646 R=0",
            ErrorCode::AccountDisabled => b"E=647 R=0",
            ErrorCode::PasswordExpired => b"E=648 R=0",
            ErrorCode::NoDialinPermission => b"E=649 R=0",
            ErrorCode::AuthenticationFailure => b"E=691 R=0",
        });
        failure
    }

    fn push(&mut self, text: &[u8]) {
        self.octets[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }
}

impl Builder<'_> {
    /// Appends MS-CHAP2-Success, without which the peer ends the session (RFC 2548 §2.3.3, RFC 2759 §5).
    ///
    /// # Errors
    /// If the packet is full.
    pub fn put_ms_chap2_success(&mut self, proof: &V2Proof) -> Result<&mut Self, BuildError> {
        self.put(microsoft::MS_CHAP2_SUCCESS, &proof.success)
    }

    /// Appends MS-CHAP-Error to an Access-Reject (RFC 2548 §2.1.5).
    ///
    /// # Errors
    /// If the packet is full.
    pub fn put_ms_chap_error(&mut self, failure: &Failure) -> Result<&mut Self, BuildError> {
        self.put(microsoft::MS_CHAP_ERROR, failure.as_bytes())
    }
}

/// NtPasswordHash (RFC 2759 §8.3): MD4 over the password in UTF-16, little-endian.
fn password_hash(password: &[u8]) -> Option<Zeroizing<[u8; 16]>> {
    let mut hash = Md4::new();
    let mut units = 0;
    for unit in core::str::from_utf8(password).ok()?.encode_utf16() {
        units += 1;
        if units > MAX_PASSWORD_UNITS {
            return None;
        }
        hash.update(unit.to_le_bytes());
    }
    Some(Zeroizing::new(hash.finalize().into()))
}

/// HashNtPasswordHash (RFC 2759 §8.4).
fn hash_hash(password_hash: &[u8; 16]) -> HashHash {
    Zeroizing::new(Md4::digest(password_hash).into())
}

/// ChallengeHash (RFC 2759 §8.2): the first eight octets of SHA-1 over both challenges and the user name.
fn challenge_hash(peer: &[u8; CHALLENGE_V2], ours: &[u8; CHALLENGE_V2], user_name: &[u8]) -> [u8; CHALLENGE_V1] {
    let account = user_name.iter().position(|&octet| octet == b'\\').map_or(user_name, |at| &user_name[at + 1..]);
    let digest: [u8; 20] = Sha1::new().chain_update(peer).chain_update(ours).chain_update(account).finalize().into();
    let mut out = [0; CHALLENGE_V1];
    out.copy_from_slice(&digest[..CHALLENGE_V1]);
    out
}

/// ChallengeResponse (RFC 2433 A.7, RFC 2759 §8.5): the challenge encrypted three times, under the hash and
/// five zero octets as three keys of 56 bits.
fn challenge_response(challenge: &[u8; CHALLENGE_V1], password_hash: &[u8; 16]) -> [u8; NT_RESPONSE] {
    let mut padded = Zeroizing::new([0; 21]);
    padded[..16].copy_from_slice(password_hash);
    let mut out = [0; NT_RESPONSE];
    for (out, key) in out.chunks_exact_mut(8).zip(padded.as_chunks::<7>().0) {
        let mut block = (*challenge).into();
        Des::new(&(*des_key(key)).into()).encrypt_block(&mut block);
        out.copy_from_slice(&block);
    }
    out
}

/// Spreads 56 bits over eight octets, whose lowest bits DES takes for parity and ignores (RFC 2433 B.3).
fn des_key(raw: &[u8; 7]) -> Zeroizing<[u8; 8]> {
    let [a, b, c, d, e, f, g] = *raw;
    let bits = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    let mut key = Zeroizing::new([0; 8]);
    for (octet, place) in key.iter_mut().zip((0..8).rev()) {
        *octet = u8::try_from((bits >> (7 * place)) & 0x7f).expect("seven bits") << 1;
    }
    key
}

/// GenerateAuthenticatorResponse (RFC 2759 §8.7), behind the Ident of the response.
fn success(
    ident: u8,
    hash_hash: &[u8; 16],
    nt_response: &[u8; NT_RESPONSE],
    challenge: &[u8; CHALLENGE_V1],
) -> [u8; SUCCESS] {
    const MAGIC_1: &[u8; 39] = b"Magic server to client signing constant";
    const MAGIC_2: &[u8; 41] = b"Pad to make it do more than one iteration";
    let inner = Sha1::new().chain_update(hash_hash).chain_update(nt_response).chain_update(MAGIC_1).finalize();
    let outer = Sha1::new().chain_update(inner).chain_update(challenge).chain_update(MAGIC_2).finalize();
    let mut out = [0; SUCCESS];
    out[0] = ident;
    out[1..3].copy_from_slice(b"S=");
    out[3..].copy_from_slice(&digits::<40>(&outer));
    out
}

/// Hexadecimal digits, in capitals as RFC 2759 §5 demands. `N` is twice the number of octets.
fn digits<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (pair, octet) in out.chunks_exact_mut(2).zip(octets) {
        for (digit, value) in pair.iter_mut().zip([octet >> 4, octet & 15]) {
            *digit = b"0123456789ABCDEF"[usize::from(value)];
        }
    }
    out
}

#[cfg(test)]
mod tests;
