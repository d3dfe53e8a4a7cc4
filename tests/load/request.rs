//! One login as a hotspot of RouterOS asks for it, made afresh each time, and the proof that an answer is one.
//!
//! The attributes and their order are those of real routers. Customers are those of `portal seed`: number 7 is
//! `user0000007` with the password `pw0000007`, and always comes with the same phone, 02:00:00:00:00:07, so that
//! a device that was bound by a first login is the bound one ever after.
//!
//! Nothing here allocates: a request is written into a buffer of the caller. An answer is checked whole (code,
//! Response Authenticator, Message-Authenticator), because a generator that only counts datagrams would call a
//! server fast that answers nonsense.

use std::net::Ipv4Addr;

use ::tests::dice::Dice;
use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869, wispr};
use radius_proto::message_authenticator::{Check, check_reply};
use radius_proto::password::chap;
use radius_proto::{BuildError, Builder, Code, MAX_PACKET, Packet, Secret, authenticator};

/// Room for a request: the longest login has 277 octets, a Stop 192 and a Class.
pub(crate) const REQUEST_OCTETS: usize = 448;

/// What all requests of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// Shared with the server.
    pub(crate) secret: Secret,
    /// CHAP instead of PAP.
    pub(crate) chap: bool,
    /// Whether requests carry a Message-Authenticator (`require-message-auth` of RouterOS).
    pub(crate) signed: bool,
    /// Whether an answer without a Message-Authenticator is wrong.
    pub(crate) must_be_signed: bool,
    /// NAS-IP-Address.
    pub(crate) nas: Ipv4Addr,
}

impl Recipe {
    /// Writes a login of a customer, to any session. Returns its octets and its Request Authenticator.
    ///
    /// # Errors
    /// None in practice: the attributes fit.
    pub(crate) fn write<'b>(
        &self,
        customer: u32,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        let session = 0x8000_0000 | u32::try_from(dice.draw() >> 40).unwrap_or(0);
        self.write_for(customer, session, identifier, dice, buffer)
    }

    /// The same, for the session that the router has given this number.
    ///
    /// # Errors
    /// As [`Recipe::write`].
    pub(crate) fn write_for<'b>(
        &self,
        customer: u32,
        session: u32,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        let random: [u8; 16] = random_octets(dice);
        let password = numbered::<9>(b"pw", customer);
        let mut packet = Builder::new(buffer, Code::AccessRequest, identifier);
        put_identity(&mut packet, customer, session)?;
        if self.chap {
            let challenge: [u8; 16] = random_octets(dice);
            let answer = chap::response(challenge[0], &password, &challenge);
            packet.put(rfc2865::CHAP_CHALLENGE, &challenge)?.put(rfc2865::CHAP_PASSWORD, &answer)?;
        } else {
            packet.put_user_password(&password, &random, &self.secret)?;
        }
        packet
            .put(rfc2865::SERVICE_TYPE, rfc2865::service_type::LOGIN_USER)?
            .put(wispr::LOGOFF_URL, b"http://10.5.50.1/logout")?
            .put(rfc2865::NAS_IDENTIFIER, b"MikroTik")?
            .put(rfc2865::NAS_IP_ADDRESS, self.nas)?;
        if self.signed {
            packet.reserve_message_authenticator()?;
        }
        Ok((packet.finish_access_request(&self.secret, random), random))
    }

    /// What an answer to the login with this Authenticator says, if it is right in every respect.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, reply: &[u8], request_authenticator: &[u8; 16]) -> Result<Answer, Fault> {
        let packet = Packet::parse(reply).map_err(|_| Fault::Malformed)?;
        let answer = match packet.code() {
            Code::AccessAccept => Answer::Accept,
            Code::AccessReject => Answer::Reject,
            _ => return Err(Fault::Code),
        };
        self.prove(&packet, request_authenticator, self.must_be_signed).map(|()| answer)
    }

    /// The same for a record: its answer need not be signed, since its Response Authenticator covers a request that
    /// nobody else could have made (RFC 2866 §3).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check_record(&self, reply: &[u8], request_authenticator: &[u8; 16]) -> Result<Answer, Fault> {
        let packet = Packet::parse(reply).map_err(|_| Fault::Malformed)?;
        if packet.code() != Code::AccountingResponse {
            return Err(Fault::Code);
        }
        self.prove(&packet, request_authenticator, false).map(|()| Answer::Accept)
    }

    fn prove(&self, packet: &Packet<'_>, request_authenticator: &[u8; 16], must_be_signed: bool) -> Result<(), Fault> {
        if !authenticator::verify_reply(packet, request_authenticator, &self.secret) {
            return Err(Fault::Authenticator);
        }
        match check_reply(packet, request_authenticator, &self.secret) {
            Check::Valid => Ok(()),
            Check::Absent if must_be_signed => Err(Fault::Unsigned),
            Check::Absent => Ok(()),
            _ => Err(Fault::MessageAuthenticator),
        }
    }
}

/// The attributes that say whose session it is, the same in a login and in a record.
pub(crate) fn put_identity(packet: &mut Builder<'_>, customer: u32, session: u32) -> Result<(), BuildError> {
    let ip = Ipv4Addr::from(0x0a00_0000 | (customer & 0x00ff_ffff));
    packet
        .put(rfc2865::NAS_PORT_TYPE, rfc2865::nas_port_type::WIRELESS_802_11)?
        .put(rfc2865::CALLING_STATION_ID, &phone(customer))?
        .put(rfc2865::CALLED_STATION_ID, b"hotspot1")?
        .put(rfc2869::NAS_PORT_ID, b"bridge")?
        .put(rfc2865::USER_NAME, &numbered::<11>(b"user", customer))?
        .put(rfc2865::NAS_PORT, session)?
        .put(rfc2866::ACCT_SESSION_ID, &hexadecimal(session))?
        .put(rfc2865::FRAMED_IP_ADDRESS, ip)?
        .put(mikrotik::HOST_IP, ip)?;
    Ok(())
}

/// A right answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// What was asked for is done: let in, or recorded.
    Accept,
    Reject,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is no packet.
    Malformed,
    /// It answers a question that nobody asked.
    Unasked,
    /// It is an answer to something else.
    Code,
    /// Its Response Authenticator is wrong: another secret, or another request's answer.
    Authenticator,
    /// Its Message-Authenticator is wrong.
    MessageAuthenticator,
    /// It has none and must.
    Unsigned,
}

impl Fault {
    /// All of them, in the order of their counters.
    pub(crate) const ALL: [Fault; 6] = [
        Fault::Malformed,
        Fault::Unasked,
        Fault::Code,
        Fault::Authenticator,
        Fault::MessageAuthenticator,
        Fault::Unsigned,
    ];

    /// A word for the report.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed",
            Fault::Unasked => "unasked",
            Fault::Code => "code",
            Fault::Authenticator => "response authenticator",
            Fault::MessageAuthenticator => "message authenticator",
            Fault::Unsigned => "unsigned",
        }
    }
}

/// Random octets, eight from each draw.
fn random_octets(dice: &mut Dice) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&dice.draw().to_be_bytes());
    octets[8..].copy_from_slice(&dice.draw().to_be_bytes());
    octets
}

/// A word and a number of seven digits.
fn numbered<const N: usize>(word: &[u8], mut number: u32) -> [u8; N] {
    let mut out = [b'0'; N];
    out[..word.len()].copy_from_slice(word);
    for digit in out[word.len()..].iter_mut().rev() {
        *digit = b"0123456789"[number as usize % 10];
        number /= 10;
    }
    out
}

/// A customer's phone, as RouterOS writes a MAC address.
fn phone(customer: u32) -> [u8; 17] {
    let mut out = *b"02:00:00:00:00:00";
    let digits = hexadecimal(customer);
    for (pair, from) in digits.chunks_exact(2).enumerate() {
        out[6 + pair * 3] = from[0].to_ascii_uppercase();
        out[7 + pair * 3] = from[1].to_ascii_uppercase();
    }
    out
}

/// Eight digits, as RouterOS writes the number of a session.
pub(crate) fn hexadecimal(number: u32) -> [u8; 8] {
    let mut out = [0; 8];
    for (index, digit) in out.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (28 - 4 * index)) as usize & 15];
    }
    out
}

#[cfg(test)]
mod tests {
    use radius_proto::message_authenticator::check_request;
    use radius_proto::password::pap;

    use super::*;

    fn recipe(chap: bool) -> Recipe {
        let secret = Secret::new(b"bench").expect("not empty");
        Recipe { secret, chap, signed: true, must_be_signed: true, nas: Ipv4Addr::LOCALHOST }
    }

    #[test]
    fn a_request_is_what_a_router_sends() {
        let mut buffer = [0; MAX_PACKET];
        let mut dice = Dice::seeded(1);
        let recipe = recipe(false);
        let (octets, random) = recipe.write(0x000a_bcde, 9, &mut dice, &mut buffer).expect("fits");
        assert!(octets.len() <= REQUEST_OCTETS);
        let packet = Packet::parse(octets).expect("well formed");
        let kinds: Vec<u8> = packet.attributes().map(|attribute| attribute.kind).collect();
        assert_eq!(kinds, [61, 31, 30, 87, 1, 5, 44, 8, 26, 2, 6, 26, 32, 4, 80]);
        assert_eq!(packet.get(rfc2865::CALLING_STATION_ID), Some(&b"02:00:00:0A:BC:DE"[..]));
        assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"user0703710"[..]));
        assert_eq!(check_request(&packet, &recipe.secret), Check::Valid);
        let hidden = packet.get(rfc2865::USER_PASSWORD).expect("a password");
        assert!(pap::verify(hidden, &random, &recipe.secret, b"pw0703710"));
    }

    #[test]
    fn no_two_requests_are_alike_and_chap_proves_the_password() {
        let mut dice = Dice::seeded(2);
        let recipe = recipe(true);
        let mut made = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut buffer = [0; MAX_PACKET];
            let (octets, random) = recipe.write(1, 1, &mut dice, &mut buffer).expect("fits");
            assert!(octets.len() <= REQUEST_OCTETS);
            assert!(made.insert(random));
            let packet = Packet::parse(octets).expect("well formed");
            let answer = packet.get(rfc2865::CHAP_PASSWORD).expect("a password");
            assert!(chap::verify(answer, chap::challenge(&packet), b"pw0000001"));
        }
    }

    #[test]
    fn a_wrong_answer_is_found_out() {
        let recipe = recipe(false);
        let mut buffer = [0; MAX_PACKET];
        let reply = |code, secret: &Secret, signed: bool, request: &[u8; 16]| {
            let mut buffer = [0; MAX_PACKET];
            let mut packet = Builder::new(&mut buffer, code, 1);
            if signed {
                packet.reserve_message_authenticator().expect("room");
            }
            packet.finish_reply(secret, request).to_vec()
        };
        let other = Secret::new(b"other").expect("not empty");
        let good = reply(Code::AccessAccept, &recipe.secret, true, &[7; 16]);
        assert_eq!(recipe.check(&good, &[7; 16]), Ok(Answer::Accept));
        assert_eq!(recipe.check(&good, &[8; 16]), Err(Fault::Authenticator));
        assert_eq!(recipe.check(&good[..30], &[7; 16]), Err(Fault::Malformed));
        let reject = reply(Code::AccessReject, &recipe.secret, true, &[7; 16]);
        assert_eq!(recipe.check(&reject, &[7; 16]), Ok(Answer::Reject));
        let foreign = reply(Code::AccessAccept, &other, true, &[7; 16]);
        assert_eq!(recipe.check(&foreign, &[7; 16]), Err(Fault::Authenticator));
        let accounting = reply(Code::AccountingResponse, &recipe.secret, false, &[7; 16]);
        assert_eq!(recipe.check(&accounting, &[7; 16]), Err(Fault::Code));
        assert_eq!(recipe.check_record(&accounting, &[7; 16]), Ok(Answer::Accept), "it need not be signed");
        assert_eq!(recipe.check_record(&accounting, &[8; 16]), Err(Fault::Authenticator));
        assert_eq!(recipe.check_record(&good, &[7; 16]), Err(Fault::Code));
        let unsigned = reply(Code::AccessAccept, &recipe.secret, false, &[7; 16]);
        assert_eq!(recipe.check(&unsigned, &[7; 16]), Err(Fault::Unsigned));
        let lenient = Recipe { must_be_signed: false, ..recipe.clone() };
        assert_eq!(lenient.check(&unsigned, &[7; 16]), Ok(Answer::Accept));
        // A right Response Authenticator over a wrong Message-Authenticator.
        let mut packet = Builder::new(&mut buffer, Code::AccessAccept, 1);
        packet.reserve_message_authenticator().expect("room");
        let mut forged = packet.finish_reply(&recipe.secret, &[8; 16]).to_vec();
        forged[4..20].copy_from_slice(&[7; 16]);
        let digest = {
            use md5::{Digest as _, Md5};
            let mut hash = Md5::new();
            hash.update(&forged);
            hash.update(b"bench");
            hash.finalize()
        };
        forged[4..20].copy_from_slice(&digest);
        assert_eq!(lenient.check(&forged, &[7; 16]), Err(Fault::MessageAuthenticator));
    }
}
