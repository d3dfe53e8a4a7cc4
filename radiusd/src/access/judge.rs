//! What memory says to a login: [`judge`] finds the credential or the device in the directory, checks the proof and
//! asks the policy. It never waits: what memory does not know is [`Verdict::NotInMemory`], and the pipeline looks it
//! up once, bounded by [`MAX_LOOKUPS`] at a time.

use std::time::Duration;

use shared::entitlement::CredentialKind;
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use shared::voucher;
use store::Db;
use uuid::Uuid;

use super::Login;
use crate::directory::{Directory, Held, Opening, Refusal};
use crate::policy::{self, Denial, Grant, Moment};

/// Look-ups of unknown names that may run at the same time; more are refused with "try again".
pub(crate) const MAX_LOOKUPS: usize = 16;
/// After its login a one-time password stays good this long: a form sent twice is one login.
const ONE_TIME_GRACE: Duration = Duration::from_secs(30);
/// How often a login begins anew because what it found was being replaced at that moment. Each time it waits for that to be
/// over, so a second time is rare and a third needs as many changes of one entitlement within microseconds.
const TRIES: usize = 4;

/// What memory says to a login.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a login allocates nothing, and its verdict is moved once")]
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
    /// The revision of it that the grant was made from ([`Held::revision`]).
    pub revision: u16,
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

/// Judges a login by what is in memory. Nothing is allocated unless the login changes something.
pub fn judge(login: &Login<'_>, directory: &Directory, memory: Memory, now: OffsetDateTime) -> Verdict {
    for _ in 0..TRIES {
        let judged = match login.mac.filter(|_| login.is_mac_login()) {
            Some(mac) => judge_device(login, mac, directory, now),
            None => judge_name(login, directory, memory, now),
        };
        match judged {
            Ok(verdict) => return verdict,
            // Waits until the newer reading stands.
            Err(Superseded(id)) => drop(directory.entitlement(id)),
        }
    }
    Verdict::NotInMemory
}

/// The entitlement was replaced by a newer reading while the login was judged.
struct Superseded(Uuid);

fn judge_name(
    login: &Login<'_>,
    directory: &Directory,
    memory: Memory,
    now: OffsetDateTime,
) -> Result<Verdict, Superseded> {
    let Some(opening) = find(directory, login.name) else { return Ok(Verdict::NotInMemory) };
    let credential = opening.credential();
    let proved = match credential.kind() {
        CredentialKind::Voucher => login.proves_voucher(credential.password()),
        CredentialKind::Password | CredentialKind::OneTime => login.proves(credential.password()),
    };
    // The portal makes a new one-time password and the browser sends it at once: it may overtake the feed.
    let denied = |denial| match (credential.kind(), memory) {
        (CredentialKind::OneTime, Memory::Usual) => Verdict::NotInMemory,
        _ => Verdict::Denied(denial),
    };
    if !proved {
        return Ok(denied(Denial::BadPassword));
    }
    let mut validity = credential.validity();
    // Who has used a voucher by its last day may go on after it.
    if credential.kind() == CredentialKind::Voucher
        && opening.held().with_standing(|standing| standing.starts_at.is_some())
    {
        validity.until = None;
    }
    if let Err(denial) = policy::check_credential(&validity, login.mac, now.into()) {
        return Ok(denied(denial));
    }
    admit(opening.held(), login.mac, Some(&opening), directory, now)
}

/// Whether a login is of a device that has a place in what its name opens, or whose password was made for it.
pub(crate) fn is_known(login: &Login<'_>, directory: &Directory) -> bool {
    find(directory, login.name).is_some_and(|opening| {
        let made_for = opening.credential().validity().mac;
        (made_for.is_some() && made_for == login.mac)
            || opening.held().with_standing(|standing| standing.is_bound(login.mac))
    })
}

fn find(directory: &Directory, name: &[u8]) -> Option<Opening> {
    directory.login(name).or_else(|| directory.login(voucher::normalise(name).ok()?.as_bytes()))
}

fn judge_device(
    login: &Login<'_>,
    mac: Mac,
    directory: &Directory,
    now: OffsetDateTime,
) -> Result<Verdict, Superseded> {
    if !login.proves_mac() {
        return Ok(Verdict::Denied(Denial::BadPassword));
    }
    match directory.device(mac, now.into()) {
        Some(held) => admit(&held, Some(mac), None, directory, now),
        None => Ok(Verdict::NotInMemory),
    }
}

/// Asks the policy, which takes the device's place and starts the clock if it agrees, and tells the rest of memory.
fn admit(
    held: &Held,
    mac: Option<Mac>,
    opening: Option<&Opening>,
    directory: &Directory,
    now: OffsetDateTime,
) -> Result<Verdict, Superseded> {
    let admission = match held.admit(mac, now) {
        Ok(admission) => admission,
        Err(Refusal::Denied(denial)) => return Ok(Verdict::Denied(denial)),
        Err(Refusal::Superseded) => return Err(Superseded(held.id())),
    };
    if let (true, Some(mac)) = (admission.bound, mac) {
        directory.bind(mac, held.id());
    }
    if let Some(old) = admission.grant.replaces {
        directory.unbind(old, held.id());
    }
    let spent = opening.filter(|opening| opening.credential().kind() == CredentialKind::OneTime);
    if let Some(opening) = spent {
        directory.spend(opening, Moment::from(now).after(ONE_TIME_GRACE));
    }
    let record = (admission.bound || admission.started || spent.is_some()).then(|| store::entitlement::Activation {
        entitlement: held.id(),
        nas: None,
        mac,
        replaces: admission.grant.replaces,
        spent: spent.map(|opening| opening.credential().id()),
        at: now,
    });
    Ok(Verdict::Granted(Granted { grant: admission.grant, entitlement: held.id(), revision: held.revision(), record }))
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
            if let (None, Ok(code)) = (found, voucher::normalise(name)) {
                found = store::directory::find_login(db, code.as_bytes()).await?;
            }
            ids.extend(found);
        }
    }
    if !ids.is_empty() {
        for entry in store::directory::read(db, &ids).await? {
            // The feed may have read a newer state meanwhile, which then stays.
            directory.put(entry, now);
        }
    }
    Ok(())
}
