//! A batch of accounting reports becomes sessions, usage and consequences in one transaction.
//!
//! Accounting is a join: counters merge by maximum, the start is the earliest, a Stop is final. Any order, any
//! repetition and any split over servers gives the same rows, the same usage, and the same hours. A batch is read,
//! joined and written, each in sets:
//!
//! 1. the reports of a session become one account of it ([`session`]);
//! 2. what counts the usage of the entitlements in use is locked ([`usage`]), then the sessions, wherever they stand
//!    ([`rows`]);
//! 3. account and session are joined in memory: what is new of usage, in all and by hour, falls out ([`curve`]);
//! 4. sessions are written where they belong now, open or ended; an end proves a cut that was asked for;
//! 5. usage is added to entitlements (a crossed quota changes their state, and by trigger the deadlines of all their
//!    open sessions) and to hours.
//!
//! Which session a report without our ticket is about is settled in [`identity`]; what a router tells about itself, and
//! what becomes of sessions that nobody speaks of any more, in [`silence`].
//!
//! Nothing is decided here about what a customer may do, and nothing is refused: a report about an unknown
//! router or entitlement is recorded too.

mod curve;
mod hold;
mod identity;
mod rows;
mod session;
mod silence;
mod steps;
mod usage;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::net::IpAddr;

use shared::entitlement::Used;
use shared::mac::Mac;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use self::session::{Account, Change, Crossings, Standing, Stored, begin};
use self::usage::Entitled;
use crate::{Db, Result, command, entitlement, voucher};

pub use self::curve::{Counters, Hours};
pub use self::identity::START_WINDOW_SECONDS;
pub use self::silence::{Closed, Restart, close_silent, end_lost, end_removed, router_restarted, router_stopped};

/// What a report says has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Acct-Status-Type Start.
    Start,
    /// Interim-Update.
    Interim,
    /// Stop: final.
    Stop,
}

/// One accounting report about one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The session.
    pub session: SessionKey,
    /// The router that reports.
    pub nas: Uuid,
    /// The address that its report came from.
    pub nas_address: Option<IpAddr>,
    /// The entitlement in use, if known.
    pub entitlement: Option<Uuid>,
    /// User-Name.
    pub user_name: String,
    /// Calling-Station-Id.
    pub mac: Option<Mac>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// What happened.
    pub event: Event,
    /// Acct-Session-Time.
    pub seconds: u64,
    /// Octets from the customer.
    pub input_octets: u64,
    /// Octets to the customer.
    pub output_octets: u64,
    /// Acct-Terminate-Cause, in words.
    pub terminate_cause: Option<String>,
    /// When it happened, by our clock.
    pub at: OffsetDateTime,
}

/// Which session a report is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionKey {
    /// The ticket that we gave out in `Class`; nil without one: the session is found by what the router calls it.
    pub id: Uuid,
    /// The day it was opened: the partition in which its history stands.
    pub opened_on: Date,
}

impl SessionKey {
    /// The key of a session whose identity is one of ours, a UUIDv7: its time part names the day. `None` if we cannot have
    /// made it.
    pub fn of(session: Uuid) -> Option<SessionKey> {
        let opened = rng::made_at(session)?;
        // A time part far from reality was not made by us.
        ((2020..2200).contains(&opened.year())).then(|| SessionKey { id: session, opened_on: opened.date() })
    }
}

/// What a batch changed that memory must know: octets per entitlement, after the merge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Merged {
    /// Entitlement and what it has used in all.
    pub used: Vec<(Uuid, Used)>,
    /// Sessions that ended in this batch.
    pub ended: usize,
    /// Reports that changed nothing: repetitions.
    pub repeated: usize,
    /// What open sessions were sent since their last report, by router.
    pub traffic: HashMap<Uuid, Traffic>,
}

/// What went to customers at a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Octets to customers.
    pub octets: u64,
    /// In so many seconds, those of all sessions added up.
    pub seconds: u64,
    /// Reports that told it.
    pub reports: u32,
}

impl Traffic {
    /// Adds what another batch has told.
    pub fn add(&mut self, more: Traffic) {
        self.octets = self.octets.saturating_add(more.octets);
        self.seconds = self.seconds.saturating_add(more.seconds);
        self.reports = self.reports.saturating_add(more.reports);
    }
}

/// What was told of sessions that were open and are.
fn traffic(changes: &[Change]) -> HashMap<Uuid, Traffic> {
    let mut by_router = HashMap::<Uuid, Traffic>::new();
    for change in changes.iter().filter(|change| change.before == Some(Standing::Open)) {
        if let (Ok(octets), Ok(seconds @ 1..)) = (u64::try_from(change.used.output), u64::try_from(change.used.seconds))
        {
            by_router.entry(change.session.nas).or_default().add(Traffic { octets, seconds, reports: 1 });
        }
    }
    by_router
}

/// Records a batch. When it returns `Ok`, every report is durable.
pub async fn record(db: &Db, reports: &[impl Borrow<Report> + Sync], now: OffsetDateTime) -> Result<Merged> {
    let reports: Vec<&Report> = reports.iter().map(Borrow::borrow).collect();
    let mut held = Vec::new();
    loop {
        let mut tx = db.begin_by_key().await?;
        let keys = identity::settle(&mut tx, &reports).await?;
        match record_in(&mut tx, Account::of_batch(&reports, &keys), held, now).await? {
            Outcome::Recorded(merged) => {
                tx.commit().await?;
                return Ok(merged);
            }
            Outcome::Hold(entitlements) => held = entitlements,
        }
        tx.rollback().await?;
    }
}

/// What came of an attempt.
enum Outcome {
    Recorded(Merged),
    /// Nothing was written: it must be done while these entitlements are held.
    Hold(Vec<Uuid>),
}

/// Most reports only move counters, and for these an entitlement itself is not held, just the row that counts its usage.
/// What changes the entitlement wants it held: a session that starts its clock, usage that exhausts it. That is seen only after
/// the sessions have been read, too late to hold another row in the common order. So such a batch starts anew.
async fn record_in(
    tx: &mut PgConnection,
    mut accounts: Vec<Account>,
    mut held: Vec<Uuid>,
    now: OffsetDateTime,
) -> Result<Outcome> {
    if !held.is_empty() {
        entitlement::lock(tx, &held).await?;
    }
    let told = accounts.iter().filter_map(|account| account.entitlement);
    // Held before the deadline of a new session is read: nobody moves it between then and our commit.
    let entitled = usage::lock(tx, told.chain(held.iter().copied())).await?;
    for account in &mut accounts {
        account.entitlement = account.entitlement.filter(|id| entitled.contains_key(id));
    }
    let changes = join(tx, accounts).await?;
    let used = usage::of(&changes);
    let mut wanted: Vec<Uuid> = waiting(&changes, &entitled).map(|(id, _)| id).collect();
    wanted.extend(used.exhausted(&entitled));
    // What only the stored session knows of was not counted on.
    let unknown =
        changes.iter().filter_map(|change| change.session.entitlement).filter(|id| !entitled.contains_key(id));
    wanted.extend(unknown);
    wanted.retain(|id| held.binary_search(id).is_err());
    if !wanted.is_empty() {
        held.append(&mut wanted);
        held.sort_unstable();
        held.dedup();
        return Ok(Outcome::Hold(held));
    }
    let mut to_tell = write(tx, &changes, &entitled, now).await?;
    to_tell.extend(used.other_limits(&entitled));
    to_tell.extend(shared_by_more(tx, &changes, &entitled).await?);
    let used = used.add(tx, &entitled, now).await?;
    if !to_tell.is_empty() {
        to_tell.sort_unstable();
        to_tell.dedup();
        command::ask_for_change(tx, &to_tell, now).await?;
    }
    let is_new_end = |change: &&Change| change.session.standing != Standing::Open && !was_ended(change);
    Ok(Outcome::Recorded(Merged {
        used,
        ended: changes.iter().filter(is_new_end).count(),
        repeated: changes.iter().filter(|change| change.is_repetition()).count(),
        traffic: traffic(&changes),
    }))
}

/// Reads the sessions, holds them, and joins what is told of them.
async fn join(tx: &mut PgConnection, accounts: Vec<Account>) -> Result<Vec<Change>> {
    let mut stored = rows::lock(tx, &accounts).await?;
    let late: Vec<SessionKey> = accounts
        .iter()
        .filter_map(|told| stored.get(&told.key.id).filter(|session| session.needs_steps(told)))
        .map(|session| session.key)
        .collect();
    let steps = steps::read(tx, &late).await?;
    Ok(accounts
        .into_iter()
        .map(|told| match stored.remove(&told.key.id) {
            Some(session) => {
                let steps = steps.get(&session.key.id).map_or(&[][..], Vec::as_slice);
                session.join(told, steps)
            }
            None => begin(told),
        })
        .collect())
}

fn was_ended(change: &Change) -> bool {
    !matches!(change.before, None | Some(Standing::Open))
}

/// Writes sessions where they belong now. Returns the entitlements of which routers do not know what holds, as those sessions tell that
/// were opened.
async fn write(
    tx: &mut PgConnection,
    changes: &[Change],
    entitled: &Entitled,
    now: OffsetDateTime,
) -> Result<Vec<Uuid>> {
    let (mut opened, mut advanced, mut updated, mut ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut leave_open, mut leave_ended, mut proved) = (Vec::new(), Vec::new(), Vec::new());
    let (mut forget, mut crossings) = (Vec::new(), Vec::new());
    for change in changes {
        let session = &change.session;
        match (&change.before, &session.standing) {
            (Some(Standing::Open), Standing::Open) if change.only_counters => advanced.push(session),
            (Some(Standing::Open), Standing::Open) => updated.push(session),
            (None, Standing::Open) => opened.push(change),
            (Some(_), Standing::Open) => {
                leave_ended.push(session.key);
                opened.push(change);
            }
            (before, _) => {
                if before.as_ref() == Some(&Standing::Open) {
                    leave_open.push(session.key.id);
                }
                if !was_ended(change) {
                    proved.push(session.key.id);
                }
                ended.push(session);
            }
        }
        let new = match &change.crossings {
            Crossings::Add(new) => new,
            Crossings::Replace(new) => {
                forget.push(session.key);
                new
            }
        };
        crossings.extend(new.iter().map(|crossing| (session.key, *crossing)));
    }
    rows::delete_ended(tx, &leave_ended).await?;
    let told_too_late = rows::insert_open(tx, &opened).await?;
    rows::advance_open(tx, &advanced).await?;
    rows::update_open(tx, &updated).await?;
    start_clocks(tx, changes, entitled, now).await?;
    let newly: Vec<Uuid> =
        changes.iter().filter(|change| change.newly_entitled).map(|change| change.session.key.id).collect();
    rows::take_deadlines(tx, &newly).await?;
    rows::put_ended(tx, &ended, &leave_open).await?;
    prove_cuts(tx, &proved, now).await?;
    steps::delete(tx, &forget).await?;
    steps::insert(tx, &crossings).await?;
    Ok(told_too_late)
}

/// A new session starts the clock of the entitlement it uses, if that has not begun; the deadline follows by trigger. If it came
/// from a voucher, that is redeemed. A running session starts nothing: what its device bought meanwhile is for later.
async fn start_clocks(
    tx: &mut PgConnection,
    changes: &[Change],
    entitled: &Entitled,
    now: OffsetDateTime,
) -> Result<()> {
    let (mut ids, mut routers, mut macs, mut at) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, session) in waiting(changes, entitled) {
        ids.push(id);
        routers.push(Some(session.nas));
        macs.push(session.mac);
        at.push(session.started_at);
    }
    if ids.is_empty() {
        return Ok(());
    }
    entitlement::start_clocks(tx, &ids, &routers, &at).await?;
    voucher::redeem(tx, &ids, &macs, &at, now).await
}

/// The entitlements that waited for these new sessions to begin.
fn waiting<'a>(changes: &'a [Change], entitled: &'a Entitled) -> impl Iterator<Item = (Uuid, &'a Stored)> + 'a {
    let new = changes.iter().filter(|change| change.before.is_none()).map(|change| &change.session);
    let waits = |id: &Uuid| entitled.get(id).is_some_and(|entitlement| !entitlement.has_begun);
    new.filter_map(move |session| Some((session.entitlement.filter(waits)?, session)))
}

/// The entitlements whose data one more device shares from now on: the parts of the others are smaller.
async fn shared_by_more(tx: &mut PgConnection, changes: &[Change], entitled: &Entitled) -> Result<Vec<Uuid>> {
    let shares = |id: &Uuid| entitled.get(id).is_some_and(usage::Held::is_shared);
    let new: Vec<Uuid> = changes
        .iter()
        .filter(|change| change.before.is_none() && change.session.standing == Standing::Open)
        .filter(|change| change.session.entitlement.as_ref().is_some_and(shares))
        .map(|change| change.session.key.id)
        .collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT n.entitlement_id AS "id!" FROM sessions n
           JOIN sessions o ON o.entitlement_id = n.entitlement_id AND o.mac <> n.mac AND o.ended_at IS NULL
           WHERE n.id = ANY ($1)"#,
        &new
    )
    .fetch_all(tx)
    .await?)
}

/// The end of a session proves any cut that was asked for.
async fn prove_cuts(tx: &mut PgConnection, ended: &[Uuid], now: OffsetDateTime) -> Result<()> {
    if !ended.is_empty() {
        sqlx::query!(
            "UPDATE nas_commands SET state = 'proved', proved_at = $2, lease_until = NULL
             WHERE session_id = ANY ($1) AND kind = 'disconnect' AND state NOT IN ('proved', 'abandoned')",
            ended,
            now
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

impl Report {
    /// When the session began: when it happened, less how long it had lasted.
    fn started_at(&self) -> OffsetDateTime {
        self.at - std::time::Duration::from_secs(self.seconds)
    }
}

/// What a session used in which hour, as far as its steps between hours are kept; empty if there is no such session.
pub(crate) async fn hours_of(db: &Db, key: SessionKey) -> Result<Hours> {
    let mut tx = db.pool.begin().await?;
    let steps = steps::read(&mut tx, &[key]).await?;
    let stored = rows::read(&mut tx, key).await?;
    Ok(stored.map(|session| session.hours(steps.get(&key.id).map_or(&[][..], Vec::as_slice))).unwrap_or_default())
}
