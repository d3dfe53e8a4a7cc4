//! What memory says to a login: [`judge`] finds the credential or the device in the directory, checks the proof and
//! asks the policy. It never waits: what memory does not know is [`Verdict::NotInMemory`], and the pipeline looks it
//! up once, bounded by [`MAX_LOOKUPS`] at a time.

use std::sync::Arc;
use std::time::Duration;

use shared::entitlement::{Credential, CredentialKind};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use shared::voucher;
use store::Db;
use uuid::Uuid;

use super::Login;
use crate::directory::{Directory, Held};
use crate::policy::{self, Denial, Grant};

/// Look-ups of unknown names that may run at the same time; more are refused with "try again".
pub(crate) const MAX_LOOKUPS: usize = 16;
/// After its login a one-time password stays good this long: a form sent twice is one login.
const ONE_TIME_GRACE: Duration = Duration::from_secs(30);

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
