//! What a login is made of: [`Login::read`] takes it from the packet and refuses what cannot be one. A guest can add
//! attributes of any kind through the router's login form, so an attribute that decides who is asked for must
//! stand exactly once.

use radius_proto::attribute::{rfc2865, rfc2869};
use radius_proto::password::{chap, pap};
use radius_proto::{Packet, Secret};
use shared::mac::Mac;
use shared::voucher;
use subtle::ConstantTimeEq as _;

use crate::policy::Denial;

/// What a login is made of.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// User-Name, octet for octet.
    pub name: &'a [u8],
    /// Calling-Station-Id, if it is a MAC address.
    pub mac: Option<Mac>,
    proof: Proof<'a>,
}

#[derive(Clone, Debug)]
enum Proof<'a> {
    Pap { password: &'a [u8] },
    Chap { response: &'a [u8], challenge: &'a [u8] },
}

/// Room for a revealed User-Password.
pub type Scratch = [u8; 128];

impl<'a> Login<'a> {
    /// Reads a login; a PAP password is revealed into `scratch`.
    ///
    /// # Errors
    /// [`Unreadable::Denied`]: answer with a Reject. [`Unreadable::Silent`]: say nothing. That is so when the revealed
    /// password is no text and nothing else proves the secret: the router's secret is another one.
    pub fn read(
        packet: &Packet<'a>,
        secret: &Secret,
        secret_is_proved: bool,
        scratch: &'a mut Scratch,
    ) -> Result<Login<'a>, Unreadable> {
        let denied = |denial| Err(Unreadable::Denied(denial));
        if packet.count(rfc2869::EAP_MESSAGE) > 0 {
            let passwords = packet.count(rfc2865::USER_PASSWORD) + packet.count(rfc2865::CHAP_PASSWORD);
            // RFC 3579 §3.1, §3.3: unsigned, or beside a password, it is no request to be answered.
            return if secret_is_proved && passwords == 0 {
                denied(Denial::EapNotOffered)
            } else {
                Err(Unreadable::Silent("eap_unsigned_or_with_password"))
            };
        }
        let once = [
            packet.count(rfc2865::USER_NAME),
            packet.count(rfc2865::USER_PASSWORD) + packet.count(rfc2865::CHAP_PASSWORD),
        ];
        let at_most_once = [packet.count(rfc2865::CALLING_STATION_ID), packet.count(rfc2865::CHAP_CHALLENGE)];
        if once != [1, 1] || at_most_once.iter().any(|&count| count > 1) {
            return denied(Denial::BadRequest);
        }
        let name = packet
            .get(rfc2865::USER_NAME)
            .filter(|name| !name.is_empty())
            .ok_or(Unreadable::Denied(Denial::BadRequest))?;
        let mac = packet.get(rfc2865::CALLING_STATION_ID).and_then(Mac::from_bytes);
        if let Some(response) = packet.get(rfc2865::CHAP_PASSWORD) {
            return Ok(Login { name, mac, proof: Proof::Chap { response, challenge: chap::challenge(packet) } });
        }
        let hidden = packet.get(rfc2865::USER_PASSWORD).unwrap_or_default();
        let password = pap::reveal(hidden, packet.authenticator(), secret, scratch)
            .ok_or(Unreadable::Denied(Denial::BadRequest))?;
        if !secret_is_proved && !is_text(password) {
            return Err(Unreadable::Silent("bad_secret"));
        }
        Ok(Login { name, mac, proof: Proof::Pap { password } })
    }

    /// The method, for the metrics.
    pub fn method(&self) -> &'static str {
        match (&self.proof, self.is_mac_login()) {
            (_, true) => "mac",
            (Proof::Pap { .. }, _) => "pap",
            (Proof::Chap { .. }, _) => "chap",
        }
    }

    /// Whether the router asks about a device by itself: the name is the device's own MAC.
    pub fn is_mac_login(&self) -> bool {
        self.mac.is_some() && Mac::from_bytes(self.name) == self.mac
    }

    /// Whether the proof was made with `expected`, in constant time.
    pub(super) fn proves(&self, expected: &[u8]) -> bool {
        match &self.proof {
            Proof::Pap { password } => bool::from(password.ct_eq(expected)),
            Proof::Chap { response, challenge } => chap::verify(response, challenge, expected),
        }
    }

    /// A MAC login proves itself with nothing, or with the MAC as the router writes it.
    pub(super) fn proves_mac(&self) -> bool {
        self.proves(b"") || self.proves(self.name)
    }

    /// A voucher proves itself by being known; its password field is the code again, or empty.
    pub(super) fn proves_voucher(&self, code: &[u8]) -> bool {
        let typed_again = match &self.proof {
            Proof::Pap { password } => std::str::from_utf8(password)
                .ok()
                .and_then(voucher::normalise)
                .is_some_and(|again| bool::from(again.as_bytes().ct_eq(code))),
            Proof::Chap { .. } => self.proves(code),
        };
        typed_again || self.proves(self.name) || self.proves(b"")
    }
}

/// Why a login could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// Refuse it for this reason.
    Denied(Denial),
    /// Say nothing, for this reason.
    Silent(&'static str),
}

/// With a wrong secret a revealed password is noise; people type text.
fn is_text(password: &[u8]) -> bool {
    std::str::from_utf8(password).is_ok_and(|text| !text.chars().any(char::is_control))
}
