//! The secret that a server and a NAS share. It holds the key twice: as octets, for the MD5 constructions of
//! RFC 2865, and as an HMAC-MD5 state that has already absorbed the key, which saves two of the compressions
//! that each Message-Authenticator would cost. Both are wiped when dropped. It prints nothing of itself, and
//! it cannot be compared, so that no comparison in variable time can be written by accident.

use core::fmt;

use alloc::boxed::Box;
use hmac::{Hmac, KeyInit};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::error::EmptySecret;
use crate::limits::AUTHENTICATOR;

/// A shared secret (RFC 2865 §3), never empty.
#[derive(Clone)]
pub struct Secret {
    octets: Zeroizing<Box<[u8]>>,
    keyed: Hmac<Md5>,
}

impl Secret {
    /// Takes the octets of a secret.
    ///
    /// # Errors
    /// [`EmptySecret`] if there are none.
    pub fn new(octets: &[u8]) -> Result<Secret, EmptySecret> {
        if octets.is_empty() {
            return Err(EmptySecret);
        }
        let keyed = Hmac::<Md5>::new_from_slice(octets).expect("HMAC takes a key of any length");
        Ok(Secret { octets: Zeroizing::new(octets.into()), keyed })
    }

    /// A fresh HMAC-MD5 under this key.
    pub(crate) fn hmac(&self) -> Hmac<Md5> {
        self.keyed.clone()
    }

    /// MD5 over the parts and then the secret: the construction of both authenticators (RFC 2865 §3).
    pub(crate) fn md5_after(&self, parts: &[&[u8]]) -> [u8; AUTHENTICATOR] {
        let mut hash = Md5::new();
        for part in parts {
            hash.update(part);
        }
        hash.update(&**self.octets);
        hash.finalize().into()
    }

    /// MD5 over the secret and then one block: the construction that hides passwords (RFC 2865 §5.2).
    pub(crate) fn md5_before(&self, block: &[u8]) -> [u8; AUTHENTICATOR] {
        let mut hash = Md5::new();
        hash.update(&**self.octets);
        hash.update(block);
        hash.finalize().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use crate::error::EmptySecret;
    use alloc::format;

    #[test]
    fn an_empty_secret_is_refused() {
        assert_eq!(Secret::new(b"").err(), Some(EmptySecret));
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new(b"xyzzy5461").expect("not empty");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
