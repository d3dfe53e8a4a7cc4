//! A credential in memory: 64 octets for almost every one, name and password included.
//!
//! Name and password stand in one piece beside the rest, so that checking a login touches no further memory; what is
//! longer than [`SHORT`] octets together has a heap allocation of its own. Only a one-time password changes here: a
//! login lets it end ([`Credential::spend`]). Everything else is replaced together with its entitlement.

use std::sync::atomic::{AtomicU64, Ordering};

use shared::entitlement::{Credential as Read, CredentialKind};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::policy::{Moment, Validity};

/// Octets of name and password together that need no allocation: a voucher has 22, a one-time password 28.
const SHORT: usize = 29;

/// What proves a right to the entitlement that it stands in.
pub struct Credential {
    id: Uuid,
    text: Text,
    valid_until: AtomicMoment,
    mac: Option<Mac>,
    kind: CredentialKind,
}

/// A name and a password; `split` is where the password begins.
#[derive(PartialEq, Eq)]
enum Text {
    Short { split: u8, end: u8, octets: [u8; SHORT] },
    Long { split: u32, octets: Box<[u8]> },
}

impl Text {
    fn new(login: &[u8], password: &[u8]) -> Text {
        let (split, end) = (login.len(), login.len() + password.len());
        let mut short = [0; SHORT];
        if let (Some(room), Ok(split), Ok(end)) = (short.get_mut(..end), u8::try_from(split), u8::try_from(end)) {
            let (front, back) = room.split_at_mut(login.len());
            front.copy_from_slice(login);
            back.copy_from_slice(password);
            return Text::Short { split, end, octets: short };
        }
        Text::Long { split: u32::try_from(split).unwrap_or(u32::MAX), octets: [login, password].concat().into() }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Text::Short { split, end, octets } => octets[..usize::from(*end)].split_at(usize::from(*split)),
            Text::Long { split, octets } => octets.split_at((*split as usize).min(octets.len())),
        }
    }
}

impl From<Read> for Credential {
    fn from(read: Read) -> Credential {
        Credential {
            id: read.id,
            text: Text::new(&read.login, &read.password),
            valid_until: AtomicMoment::new(read.valid_until.map(Moment::from)),
            mac: read.mac,
            kind: read.kind,
        }
    }
}

impl Credential {
    /// Its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What kind it is.
    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The name that is typed (for a voucher, its code).
    pub fn login(&self) -> &[u8] {
        self.text.parts().0
    }

    /// The password in clear, because CHAP needs it.
    pub fn password(&self) -> &[u8] {
        self.text.parts().1
    }

    /// What limits its use.
    pub fn validity(&self) -> Validity {
        Validity { kind: self.kind, mac: self.mac, until: self.valid_until.load() }
    }

    /// Lets it end at `until`, if it would last longer.
    pub(super) fn spend(&self, until: Moment) {
        self.valid_until.lower_to(until);
    }

    /// What a login has spent in memory stays spent when an older state is read from PostgreSQL: the same one-time
    /// password never lasts longer than it did. A new one, under the same identity, has another password.
    pub(super) fn keep_spent(&self, before: &[Credential]) {
        let same = |known: &&Credential| known.id == self.id && known.text == self.text;
        if self.kind == CredentialKind::OneTime
            && let Some(until) = before.iter().find(same).and_then(|known| known.valid_until.load())
        {
            self.spend(until);
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A moment that may be missing, which stands for the end of time, and which threads may bring forward.
struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    const NEVER: u64 = u64::MAX;

    fn new(moment: Option<Moment>) -> AtomicMoment {
        AtomicMoment(AtomicU64::new(moment.map_or(AtomicMoment::NEVER, Moment::number)))
    }

    fn load(&self) -> Option<Moment> {
        let number = self.0.load(Ordering::Relaxed);
        (number != AtomicMoment::NEVER).then(|| Moment::from_number(number))
    }

    fn lower_to(&self, moment: Moment) {
        self.0.fetch_min(moment.number(), Ordering::Relaxed);
    }
}

/// The credentials of one entitlement. One is the rule and stands inside; none and several are possible.
#[derive(Debug)]
pub(super) enum Credentials {
    One(Credential),
    Any(Box<[Credential]>),
}

impl From<Vec<Read>> for Credentials {
    fn from(mut read: Vec<Read>) -> Credentials {
        match (read.len(), read.pop()) {
            (1, Some(only)) => Credentials::One(only.into()),
            (_, last) => Credentials::Any(read.into_iter().chain(last).map(Credential::from).collect()),
        }
    }
}

impl Credentials {
    pub(super) fn all(&self) -> &[Credential] {
        match self {
            Credentials::One(only) => std::slice::from_ref(only),
            Credentials::Any(all) => all,
        }
    }
}

impl Credential {
    /// When it ends, as a person would write it; for tests and logs.
    pub fn valid_until(&self) -> Option<OffsetDateTime> {
        self.valid_until.load().map(OffsetDateTime::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(login: &str, password: &str) -> Read {
        Read {
            id: Uuid::from_u128(1),
            entitlement: Uuid::from_u128(2),
            kind: CredentialKind::OneTime,
            login: login.into(),
            password: password.into(),
            mac: None,
            valid_until: None,
        }
    }

    #[test]
    fn name_and_password_stand_apart_at_every_length() {
        for login in ["", "a", "ABCDE23456", &"n".repeat(253)] {
            for password in ["", "p", &"q".repeat(20), &"r".repeat(128)] {
                let credential = Credential::from(read(login, password));
                assert_eq!(credential.login(), login.as_bytes());
                assert_eq!(credential.password(), password.as_bytes());
            }
        }
    }

    #[test]
    fn it_is_as_small_as_the_head_says() {
        assert_eq!(size_of::<Credential>(), 64);
        assert_eq!(size_of::<Credentials>(), 64);
        assert!(matches!(Text::new(&[0; 10], &[0; 19]), Text::Short { .. }));
        assert!(matches!(Text::new(&[0; 10], &[0; 20]), Text::Long { .. }));
    }

    #[test]
    fn it_ends_earlier_never_later() {
        let at = |second| Moment::from(OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(second));
        let credential = Credential::from(read("a", "b"));
        assert_eq!(credential.validity().until, None);
        credential.spend(at(50));
        credential.spend(at(60));
        assert_eq!(credential.validity().until, Some(at(50)));
        let again = Credential::from(read("a", "b"));
        again.keep_spent(std::slice::from_ref(&credential));
        assert_eq!(again.validity().until, Some(at(50)), "an older state gives no time back");
        let new = Credential::from(read("a", "c"));
        new.keep_spent(&[credential]);
        assert_eq!(new.validity().until, None, "a new password has its own time");
    }

    #[test]
    fn none_one_and_several_are_kept() {
        for count in 0..3 {
            let credentials = Credentials::from(vec![read("a", "b"); count]);
            assert_eq!(credentials.all().len(), count);
        }
    }

    #[test]
    fn printing_it_shows_no_password() {
        let shown = format!("{:?}", Credentials::from(vec![read("amina", "siri")]));
        assert!(!shown.contains("siri") && !shown.contains("amina"), "{shown}");
    }
}
