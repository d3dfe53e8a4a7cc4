//! What a login is made of: [`Login::read`] takes it from the packet and refuses what cannot be one. A guest can add
//! attributes of any kind through the router's login form, so an attribute that decides who is asked for must
//! stand exactly once.

use radius_proto::attribute::{rfc2865, rfc2869};
use radius_proto::password::{chap, pap};
use radius_proto::{BuildError, Builder, Packet, Secret};
use shared::mac::Mac;
use shared::voucher;
use subtle::ConstantTimeEq as _;

use super::Service;
use super::ms_chap::MsChap;
use crate::policy::Denial;

/// What a login is made of.
#[derive(Debug)]
pub struct Login<'a> {
    /// User-Name, octet for octet.
    pub name: &'a [u8],
    /// The device, if the request names one by its MAC address.
    pub mac: Option<Mac>,
    /// The part of the router that asks.
    pub service: Service,
    proof: Proof<'a>,
}

#[derive(Debug)]
enum Proof<'a> {
    Pap { password: &'a [u8] },
    Chap { response: &'a [u8], challenge: &'a [u8] },
    MsChap(MsChap<'a>),
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
        let fields = Fields::of(packet);
        if fields.eap > 0 {
            // RFC 3579 §3.1, §3.3: unsigned, or beside a password, it is no request to be answered.
            return Err(if secret_is_proved && fields.passwords == 0 {
                Unreadable::Denied(Denial::EapNotOffered)
            } else {
                Unreadable::Silent("eap_unsigned_or_with_password")
            });
        }
        let bad = Unreadable::Denied(Denial::BadRequest);
        let name = fields.user_name.only().filter(|name| !name.is_empty()).ok_or(bad)?;
        let service = Service::of(packet);
        let mac = device(service, name, fields.calling_station_id.at_most_one().ok_or(bad)?);
        let challenge = fields.chap_challenge.at_most_one().ok_or(bad)?;
        if fields.passwords == 0 {
            let login = MsChap::read(packet).map_err(|()| bad)?.ok_or(bad)?;
            return Ok(Login { name, mac, service, proof: Proof::MsChap(login) });
        }
        if fields.passwords != 1 {
            return Err(bad);
        }
        if let Some(response) = fields.chap_password.only() {
            // RFC 2865 §5.3: without a CHAP-Challenge the Request Authenticator is the challenge.
            let challenge = challenge.filter(|octets| !octets.is_empty()).unwrap_or(packet.authenticator());
            return Ok(Login { name, mac, service, proof: Proof::Chap { response, challenge } });
        }
        let hidden = fields.user_password.only().ok_or(bad)?;
        let password = pap::reveal(hidden, packet.authenticator(), secret, scratch).ok_or(bad)?;
        if !secret_is_proved && !is_text(password) {
            return Err(Unreadable::Silent("bad_secret"));
        }
        Ok(Login { name, mac, service, proof: Proof::Pap { password } })
    }

    /// The method, for the metrics.
    pub fn method(&self) -> &'static str {
        match (&self.proof, self.is_mac_login()) {
            (_, true) => "mac",
            (Proof::Pap { .. }, _) => "pap",
            (Proof::Chap { .. }, _) => "chap",
            (Proof::MsChap(login), _) => login.method(),
        }
    }

    /// Whether the router asks about a device by itself: the name is the device's own MAC.
    pub fn is_mac_login(&self) -> bool {
        self.mac.is_some() && Mac::from_bytes(self.name) == self.mac
    }

    /// Whether the proof was made with `expected`, in constant time.
    pub(crate) fn proves(&self, expected: &[u8]) -> bool {
        match &self.proof {
            Proof::Pap { password } => bool::from(password.ct_eq(expected)),
            Proof::Chap { response, challenge } => chap::verify(response, challenge, expected),
            Proof::MsChap(login) => login.proves(self.name, expected),
        }
    }

    /// Writes what the method owes the client into an Access-Accept.
    pub(crate) fn put_accept(
        &self,
        reply: &mut Builder<'_>,
        request_authenticator: &[u8; 16],
        secret: &Secret,
    ) -> Result<(), BuildError> {
        match &self.proof {
            Proof::Pap { .. } | Proof::Chap { .. } => Ok(()),
            Proof::MsChap(login) => login.put_accept(reply, request_authenticator, secret),
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
                .and_then(|typed| voucher::normalise(typed).ok())
                .is_some_and(|again| bool::from(again.as_bytes().ct_eq(code))),
            Proof::Chap { .. } | Proof::MsChap(_) => self.proves(code),
        };
        typed_again || self.proves(self.name) || self.proves(b"")
    }
}

/// The standard attributes that a login is read from, each with how often it stands there.
#[derive(Default)]
struct Fields<'a> {
    user_name: Field<'a>,
    user_password: Field<'a>,
    chap_password: Field<'a>,
    chap_challenge: Field<'a>,
    calling_station_id: Field<'a>,
    /// Passwords of every kind together.
    passwords: usize,
    eap: usize,
}

#[derive(Default)]
struct Field<'a> {
    value: &'a [u8],
    count: usize,
}

impl<'a> Field<'a> {
    /// The value, if it stands there exactly once.
    fn only(&self) -> Option<&'a [u8]> {
        (self.count == 1).then_some(self.value)
    }

    /// The value if it is there; `None` if it is there more than once.
    fn at_most_one(&self) -> Option<Option<&'a [u8]>> {
        (self.count <= 1).then_some(self.only())
    }
}

impl<'a> Fields<'a> {
    /// One walk over the packet.
    fn of(packet: &Packet<'a>) -> Fields<'a> {
        let mut fields = Fields::default();
        for attribute in packet.attributes() {
            let field = match attribute.kind {
                kind if kind == rfc2865::USER_NAME.kind => &mut fields.user_name,
                kind if kind == rfc2865::USER_PASSWORD.kind => &mut fields.user_password,
                kind if kind == rfc2865::CHAP_PASSWORD.kind => &mut fields.chap_password,
                kind if kind == rfc2865::CHAP_CHALLENGE.kind => &mut fields.chap_challenge,
                kind if kind == rfc2865::CALLING_STATION_ID.kind => &mut fields.calling_station_id,
                kind if kind == rfc2869::EAP_MESSAGE.kind => {
                    fields.eap += 1;
                    continue;
                }
                _ => continue,
            };
            *field = Field { value: attribute.value, count: field.count + 1 };
        }
        fields.passwords = fields.user_password.count + fields.chap_password.count;
        fields
    }
}

/// The device that a request is about. RouterOS' DHCP server gives a client identifier (`1:0:e1:c:38:c8:f8`, hardware
/// type and octets without leading zeros) as Calling-Station-Id, and the MAC as User-Name.
fn device(service: Service, name: &[u8], calling_station_id: Option<&[u8]>) -> Option<Mac> {
    if service == Service::Dhcp {
        return Mac::from_bytes(name);
    }
    Mac::from_bytes(calling_station_id?)
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
