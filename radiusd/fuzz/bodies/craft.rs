//! What the fuzzer's octets are turned into: datagrams of two routers and a stranger, some of them put right, so that
//! mutations get past what a signature would refuse.
//!
//! ```text
//! datagram:  control (1)  length (2)  octets (length, or what is left)
//! control:   bits 0-1   0 as it is   1 Length put right   2 signed with the secret   3 signed with the secret before
//!            bit 2      a Message-Authenticator comes first, if there is none
//!            bit 3      the credentials are made right for the customer's password
//!            bit 4      to the accounting port
//!            bits 5, 7  from the router at 127.0.0.1; 5: from the one at 127.0.0.2; 7: from a stranger
//!            bit 6      sent twice
//! ```
//!
//! The proofs are computed here anew from the RFCs, since the builder writes nothing that is malformed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use radius_proto::attribute::{microsoft, rfc2865};
use radius_proto::password::{chap, mschap, pap};
use radius_proto::{Packet, Secret};

use super::known::{PASSWORD, SECRET};

/// The secret that the router at 127.0.0.2 had before.
pub(crate) const OLD_SECRET: &[u8] = b"testing122";

/// Most datagrams of one input.
const MAX_DATAGRAMS: usize = 16;

const HEADER: usize = 20;
const USER_PASSWORD: u8 = 2;
const CHAP_PASSWORD: u8 = 3;
const VENDOR_SPECIFIC: u8 = 26;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    /// The router that must sign.
    Strict,
    /// The router that need not, and whose secret is being changed.
    Lenient,
    /// Nobody that is known.
    Stranger,
}

/// What is sent.
pub(crate) struct Datagram {
    pub(crate) octets: Vec<u8>,
    pub(crate) sender: Sender,
    pub(crate) accounting: bool,
    pub(crate) twice: bool,
}

/// The datagrams of an input.
pub(crate) fn datagrams(mut data: &[u8]) -> Vec<Datagram> {
    let mut all = Vec::new();
    while let (Some((&[control, high, low], rest)), true) = (data.split_first_chunk(), all.len() < MAX_DATAGRAMS) {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (octets, rest) = rest.split_at(length);
        data = rest;
        all.push(datagram(control, octets.to_vec()));
    }
    all
}

fn datagram(control: u8, mut octets: Vec<u8>) -> Datagram {
    let has = |bit: u8| control & (1 << bit) != 0;
    let secret = match control & 3 {
        2 => Some(SECRET),
        3 => Some(OLD_SECRET),
        _ => None,
    };
    if octets.len() >= HEADER {
        if has(2) && !octets[HEADER..].starts_with(&[MESSAGE_AUTHENTICATOR, 18]) {
            let signature = [&[MESSAGE_AUTHENTICATOR, 18][..], &[0; 16]].concat();
            octets.splice(HEADER..HEADER, signature);
        }
        if control & 3 != 0 {
            put_length(&mut octets);
        }
        if has(3) {
            prove_password(&mut octets, secret.unwrap_or(SECRET));
        }
        if let Some(secret) = secret {
            sign(&mut octets, secret);
        }
    }
    let sender = match (has(5), has(7)) {
        (_, true) => Sender::Stranger,
        (true, false) => Sender::Lenient,
        (false, false) => Sender::Strict,
    };
    Datagram { octets, sender, accounting: has(4), twice: has(6) }
}

fn put_length(octets: &mut [u8]) {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    octets[2..4].copy_from_slice(&length.to_be_bytes());
}

/// Where each attribute begins, as far as their lengths lead.
fn attributes(octets: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut at, mut found) = (HEADER, Vec::new());
    while let Some(&[kind, length]) = octets.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = at + usize::from(length);
        if length < 2 || end > octets.len() {
            break;
        }
        found.push((kind, at + 2..end));
        at = end;
    }
    found
}

/// Puts in place of each credential, where it has the room, the one that the customer's password makes.
fn prove_password(octets: &mut [u8], secret: &[u8]) {
    let whole = octets.to_vec();
    let Ok(packet) = Packet::parse(&whole) else { return };
    let secret = Secret::new(secret).expect("not empty");
    let name = packet.get(rfc2865::USER_NAME).unwrap_or_default();
    let challenge = packet.get(microsoft::MS_CHAP_CHALLENGE).unwrap_or_default();
    for (kind, place) in attributes(&whole) {
        let value = &mut octets[place];
        match kind {
            USER_PASSWORD => {
                let mut room = [0; 128];
                let hidden = pap::hide(PASSWORD, packet.authenticator(), &secret, &mut room).expect("it is short");
                if value.len() == hidden.len() {
                    value.copy_from_slice(hidden);
                }
            }
            CHAP_PASSWORD if value.len() == 17 => {
                value.copy_from_slice(&chap::response(value[0], PASSWORD, chap::challenge(&packet)));
            }
            VENDOR_SPECIFIC if value.len() == 56 && value.starts_with(&[0, 0, 1, 55]) => {
                let (ident, peer) = (value[6], whole_peer_challenge(value));
                let right = match value[4] {
                    1 => challenge.try_into().ok().and_then(|it| mschap::response_v1(ident, it, PASSWORD)),
                    25 => {
                        challenge.try_into().ok().and_then(|it| mschap::response_v2(ident, it, &peer, name, PASSWORD))
                    }
                    _ => None,
                };
                if let Some(right) = right {
                    value[6..].copy_from_slice(&right);
                }
            }
            _ => {}
        }
    }
}

/// The Peer-Challenge of an MS-CHAP2-Response inside its Vendor-Specific (RFC 2548 §2.3.2).
fn whole_peer_challenge(value: &[u8]) -> [u8; 16] {
    value[8..24].try_into().expect("sixteen octets")
}

/// Computes the first Message-Authenticator of the right length (RFC 3579 §3.2), and the Authenticator where it is a hash
/// (RFC 2866 §3, RFC 5176 §2.3).
fn sign(octets: &mut [u8], secret: &[u8]) {
    let is_hash = [4, 40, 43].contains(&octets[0]);
    if is_hash {
        octets[4..HEADER].fill(0);
    }
    let signature =
        attributes(octets).into_iter().find(|(kind, place)| *kind == MESSAGE_AUTHENTICATOR && place.len() == 16);
    if let Some((_, place)) = signature {
        octets[place.clone()].fill(0);
        let mut mac = Hmac::<Md5>::new_from_slice(secret).expect("HMAC takes a key of any length");
        mac.update(octets);
        octets[place].copy_from_slice(&mac.finalize().into_bytes());
    }
    if is_hash {
        let digest = Md5::new().chain_update(&*octets).chain_update(secret).finalize();
        octets[4..HEADER].copy_from_slice(&digest);
    }
}
