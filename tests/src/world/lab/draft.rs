//! A packet under construction that may break any rule: attributes of no length, of type 0, twice, in any place.
//!
//! `radius_proto::Builder` refuses what no one may send, so a test of refusals cannot use it. The proofs are computed
//! here anew from the RFCs (RFC 2865 §3 and §5.2, RFC 2866 §3, RFC 2869 §5.14), so that a fault in `radius-proto` cannot
//! hide from a test by being on both sides.

use std::sync::atomic::{AtomicU8, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use radius_proto::attribute::SCRATCH;
use radius_proto::{Attr, Code, Value};

const HEADER: usize = 20;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// What a packet is made of; [`Draft::finish`] computes its proofs.
#[derive(Clone, Debug)]
pub struct Draft {
    secret: Vec<u8>,
    code: u8,
    identifier: u8,
    authenticator: [u8; 16],
    attributes: Vec<u8>,
    /// Where the value of the Message-Authenticator starts among the attributes.
    signature: Option<usize>,
    /// The Authenticator of the request that this answers.
    answers: Option<[u8; 16]>,
}

impl Draft {
    /// A request without attributes, with an Identifier of its own and a random Authenticator.
    pub fn new(code: Code, secret: &[u8]) -> Draft {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        Draft {
            secret: secret.to_vec(),
            code: code.as_u8(),
            identifier: NEXT.fetch_add(1, Ordering::Relaxed),
            authenticator: shared::rng::bytes(),
            attributes: Vec::new(),
            signature: None,
            answers: None,
        }
    }

    /// An answer to that request, with its Identifier and under its Authenticator.
    pub fn answer(code: Code, request: &[u8], secret: &[u8]) -> Draft {
        let authenticator = request[4..HEADER].try_into().expect("a request has a header");
        Draft { identifier: request[1], answers: Some(authenticator), ..Draft::new(code, secret) }
    }

    /// The same with a Code of any number.
    pub fn code(self, code: u8) -> Draft {
        Draft { code, ..self }
    }

    /// The same with this Identifier.
    pub fn identifier(self, identifier: u8) -> Draft {
        Draft { identifier, ..self }
    }

    /// The same with this Request Authenticator; call it before a password is hidden under it.
    pub fn authenticator(self, authenticator: [u8; 16]) -> Draft {
        Draft { authenticator, ..self }
    }

    /// The same as another request: with the next Identifier and another Authenticator. What was hidden under the old
    /// Authenticator is not hidden anew.
    pub fn again(&self) -> Draft {
        let fresh = Draft::new(Code::AccessRequest, &self.secret);
        Draft { identifier: fresh.identifier, authenticator: fresh.authenticator, ..self.clone() }
    }

    /// Appends an attribute with a value of its type.
    pub fn put<T: Value>(self, attr: Attr<T>, value: T::Ref<'_>) -> Draft {
        let mut scratch = [0; SCRATCH];
        let value = T::encode(&value, &mut scratch);
        match attr.vendor {
            0 => self.raw(attr.kind, value),
            vendor => self.vendor(vendor, &[&[attr.kind, octet(value.len() + 2)], value].concat()),
        }
    }

    /// Appends an attribute of any type with any value, the empty one included.
    pub fn raw(self, kind: u8, value: &[u8]) -> Draft {
        self.octets(&[&[kind, octet(value.len() + 2)], value].concat())
    }

    /// Appends a Vendor-Specific with these octets after its Vendor-Id.
    pub fn vendor(self, vendor: u32, inner: &[u8]) -> Draft {
        self.raw(26, &[&vendor.to_be_bytes(), inner].concat())
    }

    /// Appends octets that need not be an attribute.
    pub fn octets(mut self, octets: &[u8]) -> Draft {
        self.attributes.extend_from_slice(octets);
        self
    }

    /// Appends a User-Password, hidden (RFC 2865 §5.2): `c(i) = p(i) xor MD5(secret + c(i-1))`, `c(0)` the Authenticator.
    pub fn pap(self, password: &[u8]) -> Draft {
        let mut padded = password.to_vec();
        padded.resize(password.len().div_ceil(16).max(1) * 16, 0);
        let (mut hidden, mut before) = (Vec::new(), self.authenticator.to_vec());
        for block in padded.chunks(16) {
            let pad = md5(&[&self.secret, &before]);
            before = block.iter().zip(pad).map(|(octet, pad)| octet ^ pad).collect();
            hidden.extend_from_slice(&before);
        }
        self.raw(2, &hidden)
    }

    /// Appends CHAP-Challenge and CHAP-Password (RFC 2865 §5.3): `id + MD5(id + password + challenge)`.
    pub fn chap(self, password: &[u8]) -> Draft {
        let challenge: [u8; 16] = shared::rng::bytes();
        self.raw(60, &challenge).chap_response(password, &challenge)
    }

    /// Appends a CHAP-Password alone, made with this challenge.
    pub fn chap_response(self, password: &[u8], challenge: &[u8]) -> Draft {
        let digest = md5(&[&[7], password, challenge]);
        self.raw(3, &[&[7][..], &digest].concat())
    }

    /// The Request Authenticator, which is also the challenge of a CHAP-Password that comes without one.
    pub fn challenge(&self) -> [u8; 16] {
        self.authenticator
    }

    /// Puts the Message-Authenticator here; [`Draft::finish`] computes it.
    pub fn sign(mut self) -> Draft {
        self.signature = Some(self.attributes.len() + 2);
        self.raw(MESSAGE_AUTHENTICATOR, &[0; 16])
    }

    /// The datagram: Length, then Message-Authenticator, then, where it is a hash, the Authenticator.
    pub fn finish(&self) -> Vec<u8> {
        let is_hash = self.answers.is_some() || [4, 40, 43].contains(&self.code);
        let seed = self.answers.unwrap_or(if is_hash { [0; 16] } else { self.authenticator });
        let length = u16::try_from(HEADER + self.attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
        let mut packet = [&[self.code, self.identifier][..], &length, &seed, &self.attributes].concat();
        if let Some(start) = self.signature {
            let start = HEADER + start;
            let proof = hmac_md5(&self.secret, &packet);
            packet[start..start + 16].copy_from_slice(&proof);
        }
        if is_hash {
            let proof = md5(&[&packet, &self.secret]);
            packet[4..HEADER].copy_from_slice(&proof);
        }
        packet
    }
}

/// MD5 over all parts, one after the other.
pub fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-MD5 over a packet.
pub fn hmac_md5(key: &[u8], packet: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(packet);
    mac.finalize().into_bytes().into()
}

fn octet(length: usize) -> u8 {
    u8::try_from(length).expect("an attribute has at most 255 octets")
}

#[cfg(test)]
mod tests {
    use radius_proto::message_authenticator::{Check, check_request};
    use radius_proto::{Packet, Secret, authenticator, password};

    use super::*;

    #[test]
    fn what_it_writes_is_what_the_protocol_crate_reads() {
        let secret = Secret::new(b"between us two").expect("not empty");
        let draft = Draft::new(Code::AccessRequest, b"between us two").pap(b"a password of more than one block").sign();
        let octets = draft.finish();
        let packet = Packet::parse(&octets).expect("well formed");
        assert_eq!(check_request(&packet, &secret), Check::Valid);
        let hidden = packet.attributes().next().expect("User-Password").value;
        let mut out = [0; 128];
        let revealed = password::pap::reveal(hidden, packet.authenticator(), &secret, &mut out);
        assert_eq!(revealed, Some(&b"a password of more than one block"[..]));

        let octets = Draft::new(Code::AccountingRequest, b"between us two").raw(44, b"1").sign().finish();
        let packet = Packet::parse(&octets).expect("well formed");
        assert!(authenticator::verify_request(&packet, &secret));
        assert_eq!(check_request(&packet, &secret), Check::Valid);
    }
}
