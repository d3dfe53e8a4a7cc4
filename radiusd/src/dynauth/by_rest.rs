//! Cuts for which CoA is not enough: the router's REST API tells whether the session is still there, and takes it off.
//!
//! ```text
//! clerk ──a cut that is stuck──▶ still wanted? ──▶ look ──┬─ not there ─────────────────────────▶ gone
//!   ▲                                                     └─ there ──▶ take off ──▶ look again ──▶ removed
//!   └────────────────────────────────── finding ──────────────────────────────────────────────────┘
//! ```
//!
//! Each look is a task of its own, so that the clerk waits for no router; what it found is written down by the clerk. A look that
//! finds nothing out changes nothing: the command goes on as it would without REST. A router that could not be asked is left alone
//! for a moment, so that a dark one with many sessions costs a few looks and not as many.
//!
//! RouterOS does not tell a session's Acct-Session-Id here. An entry is ours by its device and address, and if it did not begin later:
//! a guest who has logged in again since must not be taken off for the session before ([`is_ours`]). Sessions of other services than the
//! hotspot are not in this list at all, and are not looked for. And who lists nobody must be the right router: that a session is
//! gone is believed of one that calls itself as it was registered.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::time::{Clock, OffsetDateTime};
use store::command::{self, Command, Kind};
use store::nas::Rest;
use store::{Db, StoreError};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use crate::client::Client;
use crate::routeros::{Active, By, EntryId, Failure, RouterOs};

/// Looks under way, or waiting for their turn, at the same time.
const AT_ONCE: usize = 1024;
/// Longest look, the wait for its turn included. A command that is not sent meanwhile comes back by itself after 45 s.
const LONGEST: Duration = Duration::from_secs(30);
/// A router that could not be asked is not asked again for so long.
const PAUSE: Duration = Duration::from_secs(10);
/// A session that began so much later than ours is another one. Reports may be a few seconds late.
const LATER: time::Duration = time::Duration::minutes(1);
/// How RouterOS begins the Acct-Session-Ids of its hotspot, and how many digits they have.
const HOTSPOT: &str = "80";
const SESSION_DIGITS: usize = 8;

/// What came of a look.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) command: Box<Command>,
    pub(super) client: Arc<Client>,
    /// Whether it was not sent for the sake of this look.
    pub(super) withheld: bool,
    pub(super) outcome: Outcome,
}

/// What is known of the session now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The router, asked then, did not have it.
    Gone {
        /// When.
        asked: OffsetDateTime,
    },
    /// It was taken off, and is not there any more.
    Removed,
    /// Nothing, or the cut is not needed any more.
    Unsettled,
}

/// Why a look found nothing out.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Router(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the router at this address calls itself {0:?}: is it another one?")]
    AnotherRouter(String),
    #[error("the router says that it took the session off, and lists it still")]
    StillThere,
    #[error("it took too long")]
    TooLong,
}

/// The looks under way.
pub(super) struct ByRest {
    routeros: Arc<RouterOs>,
    db: Db,
    clock: Clock,
    looks: JoinSet<Finding>,
    /// Their commands: each is looked at once at a time.
    in_hand: HashSet<Uuid>,
    left_alone: LeftAlone,
}

/// Routers that could not be asked, and until when they are left alone.
#[derive(Clone, Default)]
struct LeftAlone(Arc<Mutex<HashMap<Uuid, Duration>>>);

impl LeftAlone {
    fn add(&self, nas: Uuid, now: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| *until > now);
        all.insert(nas, now + PAUSE);
    }

    fn has(&self, nas: Uuid, now: Duration) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&nas).is_some_and(|until| *until > now)
    }
}

impl ByRest {
    pub(super) fn new(routeros: Arc<RouterOs>, db: Db, clock: Clock) -> ByRest {
        let (looks, in_hand, left_alone) = (JoinSet::new(), HashSet::new(), LeftAlone::default());
        ByRest { routeros, db, clock, looks, in_hand, left_alone }
    }

    /// Begins to look for the session of a cut at its router. Returns the command if that cannot be done, or not now.
    pub(super) fn look(&mut self, client: &Arc<Client>, command: Box<Command>, withheld: bool) -> Option<Box<Command>> {
        let possible = client.rest().is_some()
            && command.kind == Kind::Disconnect
            && is_hotspot(&command.acct_session_id)
            && places(&command).next().is_some()
            && !self.left_alone.has(client.id, self.clock.monotonic());
        if !possible || self.looks.len() >= AT_ONCE || !self.in_hand.insert(command.id) {
            return Some(command);
        }
        let look = Look {
            routeros: Arc::clone(&self.routeros),
            db: self.db.clone(),
            clock: self.clock.clone(),
            left_alone: self.left_alone.clone(),
            client: Arc::clone(client),
            command,
        };
        self.looks.spawn(look.run(withheld));
        None
    }

    /// Waits for what looks have found, for ever if there are none.
    pub(super) async fn findings(&mut self, found: &mut Vec<Finding>) {
        let Some(first) = self.looks.join_next().await else { return std::future::pending().await };
        self.take(first, found);
        while let Some(next) = self.looks.try_join_next() {
            self.take(next, found);
        }
        if self.looks.is_empty() {
            // What a look held that panicked is let go too.
            self.in_hand.clear();
        }
    }

    fn take(&mut self, ended: Result<Finding, JoinError>, found: &mut Vec<Finding>) {
        match ended {
            Ok(finding) => {
                self.in_hand.remove(&finding.command.id);
                found.push(finding);
            }
            Err(error) => tracing::error!(%error, "a look at a router ended by itself"),
        }
    }
}

/// One look.
struct Look {
    routeros: Arc<RouterOs>,
    db: Db,
    clock: Clock,
    left_alone: LeftAlone,
    client: Arc<Client>,
    command: Box<Command>,
}

impl Look {
    async fn run(self, withheld: bool) -> Finding {
        let settled = tokio::time::timeout(LONGEST, self.settle()).await.unwrap_or(Err(Trouble::TooLong));
        let outcome = settled.unwrap_or_else(|trouble| {
            if matches!(trouble, Trouble::Router(_) | Trouble::AnotherRouter(_)) {
                self.left_alone.add(self.client.id, self.clock.monotonic());
            }
            tracing::warn!(nas = %self.client.name, session = %self.command.session, request = super::asked_by(&self.command), %trouble, "REST did not help with a cut: it goes on without");
            Outcome::Unsettled
        });
        Finding { command: self.command, client: self.client, withheld, outcome }
    }

    async fn settle(&self) -> Result<Outcome, Trouble> {
        let Some(rest) = self.client.rest() else { return Ok(Outcome::Unsettled) };
        let _turn = self.routeros.turn(self.client.id).await;
        if self.left_alone.has(self.client.id, self.clock.monotonic()) {
            return Ok(Outcome::Unsettled);
        }
        // Since the router was asked by CoA the guest may have paid, or the Stop have come.
        let asked = self.clock.now();
        if !command::is_wanted(&self.db, self.command.id, asked).await? {
            return Ok(Outcome::Unsettled);
        }
        let Some(entry) = self.find(rest).await? else {
            self.expect_the_right_router(rest).await?;
            return Ok(Outcome::Gone { asked });
        };
        self.routeros.remove(rest, &entry).await?;
        match self.find(rest).await? {
            None => Ok(Outcome::Removed),
            Some(_) => Err(Trouble::StillThere),
        }
    }

    /// The entry of the session. Which address the router lists where it translates addresses is not documented, so what is not
    /// found by its address is looked for by its device.
    async fn find(&self, rest: &Rest) -> Result<Option<EntryId>, Trouble> {
        for place in places(&self.command) {
            let listed = self.routeros.active(rest, place).await?;
            let now = self.clock.now();
            if let Some(entry) = listed.into_iter().find(|entry| is_ours(entry, &self.command, now)) {
                return Ok(Some(entry.id));
            }
        }
        Ok(None)
    }

    async fn expect_the_right_router(&self, rest: &Rest) -> Result<(), Trouble> {
        let Some(expected) = self.client.identifier() else { return Ok(()) };
        let said = self.routeros.identity(rest).await?;
        if said == expected { Ok(()) } else { Err(Trouble::AnotherRouter(said)) }
    }
}

/// Where the session of a command is looked for.
fn places(command: &Command) -> impl Iterator<Item = By> + use<> {
    let by_address = match command.framed_ip {
        Some(IpAddr::V4(ip)) => Some(By::Address(ip)),
        _ => None,
    };
    by_address.into_iter().chain(command.mac.map(By::Device))
}

/// Whether the router's hotspot has named the session.
fn is_hotspot(acct_session_id: &str) -> bool {
    acct_session_id.len() == SESSION_DIGITS
        && acct_session_id.starts_with(HOTSPOT)
        && acct_session_id.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether an entry that is listed now is the session of this command. At its address no other can have begun earlier; at another
/// address the same device may have a second session, which began at another time.
fn is_ours(entry: &Active, command: &Command, now: OffsetDateTime) -> bool {
    let same_device = match (entry.mac, command.mac) {
        (Some(listed), Some(ours)) if listed != ours => return false,
        (listed, ours) => listed.is_some() && ours.is_some(),
    };
    let later_by = (now - entry.uptime) - command.reported.started_at;
    let at_its_place = command.framed_ip == Some(entry.address);
    later_by <= LATER && (at_its_place || (same_device && later_by >= -LATER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::mac::Mac;
    use store::command::Reported;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn device(number: u8) -> Mac {
        Mac([0x02, 0, 0, 0, 0x0a, number])
    }

    /// A cut of a session that began an hour ago.
    fn cut() -> Command {
        Command {
            id: Uuid::from_u128(1),
            nas: Uuid::from_u128(2),
            kind: Kind::Disconnect,
            generation: 0,
            session: Uuid::from_u128(3),
            entitlement: None,
            reported: Reported { started_at: NOW - Duration::from_secs(3600), up: 0, down: 0 },
            limits: None,
            nas_address: None,
            user_name: "amina".into(),
            mac: Some(device(1)),
            framed_ip: Some(IpAddr::from([10, 5, 50, 9])),
            acct_session_id: "80100014".into(),
            reason: "expired".into(),
            attempts: 2,
            error_cause: None,
            acknowledged: true,
            due_at: NOW,
            trace: None,
        }
    }

    fn listed(address: u8, mac: Option<Mac>, uptime_seconds: u64) -> Active {
        let json = serde_json::json!([{ ".id": "*1A", "address": format!("10.5.50.{address}"), "uptime": "0s" }]);
        let mut entries = crate::routeros::read_active(json.to_string().as_bytes()).expect("an entry");
        Active { mac, uptime: Duration::from_secs(uptime_seconds), ..entries.remove(0) }
    }

    fn ours(address: u8, mac: Option<Mac>, uptime_seconds: u64) -> bool {
        is_ours(&listed(address, mac, uptime_seconds), &cut(), NOW)
    }

    #[test]
    fn a_session_is_known_by_its_device_and_place() {
        assert!(ours(9, Some(device(1)), 3600));
        assert!(ours(9, None, 3600), "the device is not listed");
        assert!(!ours(9, Some(device(2)), 3600), "another one has the address now");
        assert!(ours(10, Some(device(1)), 3600), "the router lists another address of it");
        assert!(!ours(10, Some(device(1)), 7200), "a second session of the device");
        assert!(!ours(10, None, 3600) && !ours(10, Some(device(2)), 3600));
        let unnamed = Command { mac: None, ..cut() };
        assert!(is_ours(&listed(9, Some(device(1)), 3600), &unnamed, NOW));
        assert!(!is_ours(&listed(10, Some(device(1)), 3600), &unnamed, NOW));
    }

    #[test]
    fn a_router_that_could_not_be_asked_is_left_alone_for_a_moment() {
        let (left_alone, second) = (LeftAlone::default(), Duration::from_secs(1));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        left_alone.add(one, second);
        assert!(left_alone.has(one, PAUSE) && !left_alone.has(one, PAUSE + second) && !left_alone.has(other, second));
        left_alone.add(other, PAUSE + second);
        assert_eq!(left_alone.0.lock().map(|all| all.len()).ok(), Some(1), "what is over is forgotten");
    }

    #[test]
    fn who_has_logged_in_again_since_is_somebody_else() {
        assert!(ours(9, Some(device(1)), 3540), "its Start may have come late");
        assert!(!ours(9, Some(device(1)), 3539) && !ours(9, Some(device(1)), 0));
        assert!(ours(9, Some(device(1)), 90_000), "and we may have heard late of it");
    }

    #[test]
    fn only_the_hotspots_sessions_are_looked_for_by_address_and_then_by_device() {
        assert!(is_hotspot("80100014") && is_hotspot("80Ff0014"));
        for other in ["81600041", "82300701", "86b00006", "8010001", "801000145", "80100x14", "", "800000\u{e9}"] {
            assert!(!is_hotspot(other), "{other}");
        }
        let where_to = |command: &Command| places(command).collect::<Vec<_>>();
        let (address, mac) = (By::Address([10, 5, 50, 9].into()), By::Device(device(1)));
        assert_eq!(where_to(&cut()), [address, mac]);
        assert_eq!(where_to(&Command { framed_ip: Some("2001:db8::9".parse().expect("an address")), ..cut() }), [mac]);
        assert!(where_to(&Command { framed_ip: None, mac: None, ..cut() }).is_empty());
    }
}
