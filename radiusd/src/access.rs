//! Access-Request: who asks, with what proof, and what memory says to it.
//!
//! [`Login::read`] takes from the packet what a login is made of and refuses what cannot be one. A guest can add
//! attributes of any kind through the router's login form, so an attribute that decides who is asked for must
//! stand exactly once. [`judge`] finds the credential or the device in the directory, checks the proof and asks
//! the policy. It never waits: what memory does not know is [`Verdict::NotInMemory`], and the pipeline looks it up
//! once, bounded by [`MAX_LOOKUPS`] at a time.

use std::sync::Arc;
use std::time::Duration;

use radius_proto::attribute::{rfc2865, rfc2869};
use radius_proto::password::{chap, pap};
use radius_proto::{Packet, Secret};
use shared::entitlement::{Credential, CredentialKind};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use shared::voucher;
use store::Db;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::directory::{Directory, Held};
use crate::policy::{self, Denial, Grant};

/// Look-ups of unknown names that may run at the same time; more are refused with "try again".
pub(crate) const MAX_LOOKUPS: usize = 16;
/// After its login a one-time password stays good this long: a form sent twice is one login.
const ONE_TIME_GRACE: Duration = Duration::from_secs(30);

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
    fn proves(&self, expected: &[u8]) -> bool {
        match &self.proof {
            Proof::Pap { password } => bool::from(password.ct_eq(expected)),
            Proof::Chap { response, challenge } => chap::verify(response, challenge, expected),
        }
    }

    /// A MAC login proves itself with nothing, or with the MAC as the router writes it.
    fn proves_mac(&self) -> bool {
        self.proves(b"") || self.proves(self.name)
    }

    /// A voucher proves itself by being known; its password field is the code again, or empty.
    fn proves_voucher(&self, code: &[u8]) -> bool {
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

/// What memory says to a login.
#[derive(Debug)]
pub enum Verdict {
    /// Let it in.
    Granted(Granted),
    /// Refuse it.
    Denied(Denial),
    /// Memory knows neither name nor device.
    NotInMemory,
}

/// An accepted login and what it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Granted {
    /// What the router shall allow.
    pub grant: Grant,
    /// The entitlement.
    pub entitlement: Uuid,
    /// What PostgreSQL must be told, if anything changed.
    pub record: Option<store::entitlement::Activation>,
}

/// Whether what memory holds was just read from PostgreSQL for this login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// As the feed left it; a change may be on its way.
    Usual,
    /// Read a moment ago.
    Fresh,
}

/// Judges a login by what is in memory.
pub fn judge(login: &Login<'_>, directory: &Directory, memory: Memory, now: OffsetDateTime) -> Verdict {
    if login.is_mac_login() {
        return judge_device(login, directory, now);
    }
    let Some(credential) = find(directory, login.name) else { return Verdict::NotInMemory };
    let proved = match credential.kind {
        CredentialKind::Voucher => login.proves_voucher(&credential.password),
        CredentialKind::Password | CredentialKind::OneTime => login.proves(&credential.password),
    };
    // The portal makes a new one-time password and the browser sends it at once: it may overtake the feed.
    let denied = |denial| match (credential.kind, memory) {
        (CredentialKind::OneTime, Memory::Usual) => Verdict::NotInMemory,
        _ => Verdict::Denied(denial),
    };
    if !proved {
        return denied(Denial::BadPassword);
    }
    if let Err(denial) = policy::check_credential(&credential, login.mac, now) {
        return denied(denial);
    }
    let Some(held) = directory.entitlement(credential.entitlement) else { return Verdict::NotInMemory };
    admit(&held, login.mac, Some(&credential), directory, now)
}

fn find(directory: &Directory, name: &[u8]) -> Option<Arc<Credential>> {
    directory.login(name).or_else(|| directory.login(spelling(name)?.as_bytes()))
}

/// The one spelling of a name that may be a voucher's code.
fn spelling(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).ok().and_then(voucher::normalise)
}

fn judge_device(login: &Login<'_>, directory: &Directory, now: OffsetDateTime) -> Verdict {
    let Some(mac) = login.mac else { return Verdict::Denied(Denial::BadRequest) };
    if !login.proves_mac() {
        return Verdict::Denied(Denial::BadPassword);
    }
    let mut verdict = Verdict::NotInMemory;
    for held in directory.device(mac) {
        match admit(&held, Some(mac), None, directory, now) {
            Verdict::Denied(denial) => verdict = Verdict::Denied(denial),
            other => return other,
        }
    }
    verdict
}

/// Asks the policy and, if it agrees, takes the device's place and starts the clock.
fn admit(
    held: &Held,
    mac: Option<Mac>,
    credential: Option<&Credential>,
    directory: &Directory,
    now: OffsetDateTime,
) -> Verdict {
    let entitlement = held.snapshot();
    let grant = match policy::decide(&entitlement, mac, now) {
        Ok(grant) => grant,
        Err(denial) => return Verdict::Denied(denial),
    };
    let Some(changed) = held.login(mac, now) else { return Verdict::Denied(Denial::TooManyDevices) };
    if let Some(mac) = mac {
        directory.bind(mac, entitlement.id);
    }
    let spent = credential.filter(|c| c.kind == CredentialKind::OneTime);
    if let Some(credential) = spent {
        let until = now + ONE_TIME_GRACE;
        if credential.valid_until.is_none_or(|valid| valid > until) {
            directory.spend(credential, until);
        }
    }
    let record = (changed || spent.is_some()).then(|| store::entitlement::Activation {
        entitlement: entitlement.id,
        mac,
        spent: spent.map(|credential| credential.id),
        at: now,
    });
    Verdict::Granted(Granted { grant, entitlement: entitlement.id, record })
}

/// Asks PostgreSQL once for a name or device that memory does not know, and puts what it finds into memory.
pub(crate) async fn look_up(
    db: &Db,
    directory: &Directory,
    name: &[u8],
    mac: Option<Mac>,
    now: OffsetDateTime,
) -> Result<(), store::StoreError> {
    let mut ids = Vec::new();
    match mac {
        Some(mac) => ids = store::directory::find_device(db, mac).await?,
        None => {
            let mut found = store::directory::find_login(db, name).await?;
            if let (None, Some(code)) = (found, spelling(name)) {
                found = store::directory::find_login(db, code.as_bytes()).await?;
            }
            ids.extend(found);
        }
    }
    if !ids.is_empty() {
        for entry in store::directory::read(db, &ids).await? {
            directory.put(entry.entitlement, entry.credentials, now);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius_proto::{Builder, Code, MAX_PACKET};
    use shared::entitlement::{Entitlement, State};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const MAC: &str = "02:00:00:00:00:01";

    fn secret() -> Secret {
        Secret::new(b"testing123").expect("not empty")
    }

    fn directory() -> Directory {
        let directory = Directory::new();
        let entitlement = |id: u128| Entitlement {
            id: Uuid::from_u128(id),
            package: "1 hour".into(),
            state: State::Active,
            starts_at: None,
            expires_at: None,
            duration: Some(Duration::from_secs(3600)),
            quota_octets: None,
            used_octets: 0,
            rate: None,
            device_limit: 1,
            idle_timeout: None,
            devices: vec![],
        };
        let credential = |id: u128, kind, login: &str, password: &str| Credential {
            id: Uuid::from_u128(id + 100),
            entitlement: Uuid::from_u128(id),
            kind,
            login: login.into(),
            password: password.into(),
            mac: (kind == CredentialKind::OneTime).then(|| MAC.parse().expect("a MAC")),
            valid_until: (kind == CredentialKind::OneTime).then(|| NOW + Duration::from_secs(600)),
        };
        directory.put(entitlement(1), vec![credential(1, CredentialKind::Password, "amina", "siri")], NOW);
        directory.put(entitlement(2), vec![credential(2, CredentialKind::Voucher, "ABCDE23456", "ABCDE23456")], NOW);
        directory.put(entitlement(3), vec![credential(3, CredentialKind::OneTime, "ORDER234", "once")], NOW);
        directory
    }

    enum Way<'a> {
        Pap(&'a str),
        Chap(&'a str),
    }

    fn ask(directory: &Directory, name: &str, way: &Way<'_>, mac: &str, now: OffsetDateTime) -> Verdict {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        let authenticator = [7; 16];
        request.put(rfc2865::CALLING_STATION_ID, mac.as_bytes()).expect("fits");
        request.put(rfc2865::USER_NAME, name.as_bytes()).expect("fits");
        match way {
            Way::Pap(password) => {
                request.put_user_password(password.as_bytes(), &authenticator, &secret()).expect("fits");
            }
            Way::Chap(password) => {
                request.put(rfc2865::CHAP_CHALLENGE, &[9; 16]).expect("fits");
                request.put(rfc2865::CHAP_PASSWORD, &chap::response(5, password.as_bytes(), &[9; 16])).expect("fits");
            }
        }
        let octets = request.finish_access_request(&secret(), authenticator);
        let packet = Packet::parse(octets).expect("our own packet");
        let mut scratch = [0; 128];
        let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
        judge(&login, directory, Memory::Fresh, now)
    }

    fn denial(verdict: Verdict) -> Option<Denial> {
        match verdict {
            Verdict::Denied(denial) => Some(denial),
            _ => None,
        }
    }

    #[test]
    fn pap_and_chap_prove_the_same_password() {
        for way in [Way::Pap("siri"), Way::Chap("siri")] {
            assert!(matches!(ask(&directory(), "amina", &way, MAC, NOW), Verdict::Granted(_)));
        }
        for way in [Way::Pap("Siri"), Way::Chap("siri "), Way::Pap("")] {
            assert_eq!(denial(ask(&directory(), "amina", &way, MAC, NOW)), Some(Denial::BadPassword));
        }
        assert!(matches!(ask(&directory(), "juma", &Way::Pap("siri"), MAC, NOW), Verdict::NotInMemory));
    }

    #[test]
    fn a_voucher_is_typed_in_any_way() {
        for (name, way) in [
            ("ABCDE23456", Way::Pap("ABCDE23456")),
            ("abcde-23456", Way::Pap("abcde 23456")),
            ("abcde-23456", Way::Pap("")),
            ("ABCDE23456", Way::Chap("ABCDE23456")),
            ("abcde23456", Way::Chap("abcde23456")),
        ] {
            assert!(matches!(ask(&directory(), name, &way, MAC, NOW), Verdict::Granted(_)), "{name}");
        }
        assert_eq!(denial(ask(&directory(), "ABCDE23456", &Way::Pap("x"), MAC, NOW)), Some(Denial::BadPassword));
    }

    #[test]
    fn a_one_time_password_is_good_once_with_a_short_grace() {
        let directory = directory();
        let way = Way::Pap("once");
        assert_eq!(denial(ask(&directory, "ORDER234", &way, "02:00:00:00:00:09", NOW)), Some(Denial::WrongDevice));
        let Verdict::Granted(granted) = ask(&directory, "ORDER234", &way, MAC, NOW) else { panic!("refused") };
        assert_eq!(granted.record.expect("to be written down").spent, Some(Uuid::from_u128(103)));
        let soon = NOW + Duration::from_secs(29);
        assert!(matches!(ask(&directory, "ORDER234", &way, MAC, soon), Verdict::Granted(_)));
        let later = NOW + Duration::from_secs(60);
        assert_eq!(denial(ask(&directory, "ORDER234", &way, MAC, later)), Some(Denial::CredentialOver));
    }

    #[test]
    fn a_new_one_time_password_may_overtake_the_feed() {
        let directory = directory();
        let judged = |memory| {
            let mut buffer = [0; MAX_PACKET];
            let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
            request.put(rfc2865::CALLING_STATION_ID, MAC.as_bytes()).expect("fits");
            request.put(rfc2865::USER_NAME, b"ORDER234").expect("fits");
            request.put_user_password(b"newer", &[7; 16], &secret()).expect("fits");
            let octets = request.finish_access_request(&secret(), [7; 16]);
            let packet = Packet::parse(octets).expect("our own packet");
            let mut scratch = [0; 128];
            let login = Login::read(&packet, &secret(), true, &mut scratch).expect("readable");
            judge(&login, &directory, memory, NOW)
        };
        assert!(matches!(judged(Memory::Usual), Verdict::NotInMemory), "so it is looked up");
        assert_eq!(denial(judged(Memory::Fresh)), Some(Denial::BadPassword));
    }

    #[test]
    fn a_device_is_let_in_by_its_mac_once_it_is_bound() {
        let directory = directory();
        assert!(matches!(ask(&directory, MAC, &Way::Chap(""), MAC, NOW), Verdict::NotInMemory));
        assert!(matches!(ask(&directory, "amina", &Way::Pap("siri"), MAC, NOW), Verdict::Granted(_)));
        for (name, way) in
            [(MAC, Way::Chap("")), (MAC, Way::Pap("")), ("02-00-00-00-00-01", Way::Pap("02-00-00-00-00-01"))]
        {
            assert!(matches!(ask(&directory, name, &way, MAC, NOW), Verdict::Granted(_)), "{name}");
        }
        assert_eq!(denial(ask(&directory, MAC, &Way::Pap("x"), MAC, NOW)), Some(Denial::BadPassword));
        let over = NOW + Duration::from_secs(3600);
        assert_eq!(denial(ask(&directory, MAC, &Way::Pap(""), MAC, over)), Some(Denial::TimeOver));
    }

    #[test]
    fn a_second_device_finds_its_place_taken() {
        let directory = directory();
        assert!(matches!(ask(&directory, "amina", &Way::Pap("siri"), MAC, NOW), Verdict::Granted(_)));
        let other = ask(&directory, "amina", &Way::Pap("siri"), "02:00:00:00:00:02", NOW);
        assert_eq!(denial(other), Some(Denial::TooManyDevices));
    }

    #[test]
    fn a_wrong_secret_shows_in_a_password_that_is_no_text() {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        request.put(rfc2865::USER_NAME, b"amina").expect("fits");
        request.put_user_password(b"siri", &[7; 16], &Secret::new(b"other").expect("not empty")).expect("fits");
        let octets = request.finish_access_request(&secret(), [7; 16]);
        let packet = Packet::parse(octets).expect("our own packet");
        let read = Login::read(&packet, &secret(), false, &mut [0; 128]).map(|login| login.method());
        assert_eq!(read, Err(Unreadable::Silent("bad_secret")));
    }

    #[test]
    fn attributes_that_a_guest_adds_do_not_change_who_is_asked_for() {
        for (attribute, value) in [
            (rfc2865::USER_NAME.kind, &b"juma"[..]),
            (rfc2865::CALLING_STATION_ID.kind, b"x"),
            (rfc2865::CHAP_PASSWORD.kind, &[0; 17]),
        ] {
            let mut buffer = [0; MAX_PACKET];
            let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
            request.put(rfc2865::CALLING_STATION_ID, MAC.as_bytes()).expect("fits");
            request.put(rfc2865::USER_NAME, b"amina").expect("fits");
            request.put_user_password(b"siri", &[7; 16], &secret()).expect("fits");
            request.put_raw(attribute, value).expect("fits");
            let octets = request.finish_access_request(&secret(), [7; 16]);
            let packet = Packet::parse(octets).expect("our own packet");
            let read = Login::read(&packet, &secret(), true, &mut [0; 128]).map(|login| login.method());
            assert_eq!(read, Err(Unreadable::Denied(Denial::BadRequest)), "attribute {attribute}");
        }
    }
}
