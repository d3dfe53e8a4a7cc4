//! Keeps the directory true: reads everything at the start, then follows `directory_changes`.
//!
//! NOTIFY is the hint that makes a change arrive within milliseconds. Not every change gives one, and one can be lost with
//! its connection: a look every [`LOOK_EVERY`] makes up for both. Hints may come by the hundred, looks do not: between two
//! there are at least [`LOOK_GAP`], and all hints until then are one.
//!
//! Reading goes by snapshot (see [`store::directory`]), so a lost connection misses nothing and an old transaction elsewhere
//! costs nothing. While PostgreSQL is away the directory stays as it is and says so.
//!
//! When everything must be read again, that happens a page at a time between looks ([`super::load`]).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use shared::time::{Clock, OffsetDateTime};
use store::directory::{self as source, Snapshot};
use store::{Channel, Db, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Directory;
use super::load::{self, Rereading};
use crate::administrators::Administrators;
use crate::client::Registry;
use crate::lifecycle::Health;
use crate::metrics::Metrics;
use crate::policy::Moment;

/// Without a hint, look this often: half of what a change may take to be honoured. A look that finds nothing costs
/// PostgreSQL a tenth of a millisecond.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two looks at least this long: a tenth of what a change may take to be honoured.
const LOOK_GAP: Duration = Duration::from_millis(10);
/// After a failure, wait this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Without a connection to hear hints with, try again so often: they save milliseconds, and each failure is a line in the
/// log.
const HEAR_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Longest wait for one look, and for one page of a reading of everything.
const LOOK_PATIENCE: Duration = Duration::from_secs(60);
/// Everything is read again this often, in case that memory differs for a reason nobody thought of.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Entitlements read by one statement.
const READ_AT_ONCE: usize = 500;
/// One of the directory's shards is searched this often for what ended long ago: each about once a minute.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// The parts that the feed works with.
pub(crate) struct Feed {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clients: Arc<ArcSwap<Registry>>,
    pub(crate) administrators: Arc<ArcSwap<Administrators>>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

/// Where the feed stands in the stream of changes.
pub(crate) struct Position {
    /// What the last look saw.
    seen: Snapshot,
    read_at: OffsetDateTime,
    /// When the last look began, monotonic.
    looked_at: Duration,
    /// When everything was read last.
    loaded_at: OffsetDateTime,
    rereading: Option<Rereading>,
    /// The shard that is searched next for what has ended, and when the last one was.
    forget_next: usize,
    forgot_at: Duration,
}

impl Feed {
    /// Reads everything, waiting for PostgreSQL as long as it takes. `None`: shut down meanwhile.
    ///
    /// An old or newer schema, or a seal key that does not fit, is an error: waiting would not help.
    pub(crate) async fn load(&self, shutdown: &CancellationToken) -> anyhow::Result<Option<Position>> {
        loop {
            let attempt = async {
                self.db.expect_current_schema().await?;
                self.read_everything().await
            };
            match attempt.await {
                Ok(position) => {
                    self.health.set_loaded();
                    return Ok(Some(position));
                }
                Err(error) if error.is_unavailable() => {
                    tracing::warn!(%error, "waiting for PostgreSQL before the first reading of the directory");
                }
                Err(error) => return Err(error.into()),
            }
            if tokio::time::timeout(RETRY_AFTER, shutdown.cancelled()).await.is_ok() {
                return Ok(None);
            }
        }
    }

    async fn read_everything(&self) -> Result<Position, StoreError> {
        let started = self.clock.monotonic();
        // The snapshot first: what commits during the reading is then read again, not missed.
        let seen = source::snapshot(&self.db).await?;
        let now = self.clock.now();
        self.read_clients().await?;
        load::everything(&self.db, &self.clock, &self.directory, &seen).await?;
        self.note_size();
        tracing::info!(
            entitlements = self.directory.len(),
            routers = self.clients.load().all().count(),
            seconds = self.clock.monotonic().saturating_sub(started).as_secs_f64(),
            "directory read"
        );
        Ok(Position {
            seen,
            read_at: now,
            looked_at: started,
            loaded_at: now,
            rereading: None,
            forget_next: 0,
            forgot_at: started,
        })
    }

    async fn read_clients(&self) -> Result<(), StoreError> {
        let list = store::nas::all(&self.db).await?;
        let registry = Registry::new(&list, &self.clients.load());
        self.metrics.known.reset();
        for client in registry.all() {
            self.metrics.known.with_label_values(&[&client.name]).set(1);
        }
        self.clients.store(Arc::new(registry));
        self.administrators.store(Arc::new(Administrators::new(store::router_login::all(&self.db).await?)));
        Ok(())
    }

    /// Follows the changes until `stop`.
    pub(crate) async fn follow(self, position: Position, stop: CancellationToken) {
        let hint = Notify::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.hear(&hint) => {}
            () = self.look(position, &hint) => {}
        }
    }

    /// Turns what is heard into one hint until the next look. Without a connection to hear with, looks go on.
    async fn hear(&self, hint: &Notify) {
        loop {
            if let Err(error) = self.hear_while_connected(hint).await {
                tracing::warn!(%error, "no hints of changes from PostgreSQL: looking every {LOOK_EVERY:?}");
            }
            tokio::time::sleep(HEAR_AGAIN_AFTER).await;
        }
    }

    async fn hear_while_connected(&self, hint: &Notify) -> Result<(), StoreError> {
        let mut listener = self.db.listen(&[Channel::Directory]).await?;
        loop {
            listener.next().await?;
            hint.notify_one();
        }
    }

    async fn look(&self, mut position: Position, hint: &Notify) {
        loop {
            if let Err(error) = self.step(&mut position).await {
                self.note_following(false);
                tracing::warn!(%error, "PostgreSQL is not followed: answering from memory, trying again");
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
            let wait = if position.rereading.is_some() { Duration::ZERO } else { LOOK_EVERY };
            // Heard or not, the next step catches up.
            drop(tokio::time::timeout(wait, hint.notified()).await);
            let gap = (position.looked_at + LOOK_GAP).saturating_sub(self.clock.monotonic());
            tokio::time::sleep(gap).await;
        }
    }

    /// Catches up, and goes on with a reading of everything.
    async fn step(&self, position: &mut Position) -> Result<(), StoreError> {
        position.looked_at = self.clock.monotonic();
        within("reading changes", self.catch_up(position)).await?;
        self.forget_ended(position);
        let owed = position.rereading.as_ref().is_some_and(|rereading| rereading.owed);
        self.note_following(!owed);
        within("reading everything", self.read_on(position)).await
    }

    async fn catch_up(&self, position: &mut Position) -> Result<(), StoreError> {
        let now = self.clock.now();
        let changes = source::changes(&self.db, &position.seen).await?;
        if changes.rewound {
            tracing::warn!("PostgreSQL has gone back in time, as after the restoring of a backup: reading everything");
            self.directory.forget_versions();
        }
        if changes.everything || source::too_long_away(position.read_at, now) {
            self.read_clients().await?;
            match &mut position.rereading {
                Some(rereading) => rereading.ask_again(&changes.next),
                None => position.rereading = Some(Rereading::new(&changes.next, true)),
            }
        } else if changes.nas {
            self.read_clients().await?;
        }
        if position.rereading.is_none() && now - position.loaded_at > READ_AGAIN_AFTER {
            position.rereading = Some(Rereading::new(&changes.next, false));
        }
        for ids in changes.entitlements.chunks(READ_AT_ONCE) {
            let entries = source::read(&self.db, ids).await?;
            let found: HashSet<Uuid> = entries.iter().map(|entry| entry.entitlement.id).collect();
            load::put_all(&self.db, &self.directory, entries, now).await?;
            for gone in ids.iter().filter(|id| !found.contains(id)) {
                // Gone at the latest now: a removal after this look is in the next one.
                self.directory.remove(*gone, changes.next.version());
            }
        }
        if !changes.entitlements.is_empty() {
            self.note_size();
        }
        position.seen = changes.next;
        position.read_at = now;
        Ok(())
    }

    /// Reads one more page of everything.
    async fn read_on(&self, position: &mut Position) -> Result<(), StoreError> {
        let Some(rereading) = &mut position.rereading else { return Ok(()) };
        let now = self.clock.now();
        if rereading.step(&self.db, &self.directory, now).await? {
            position.rereading = None;
            position.loaded_at = now;
            self.note_size();
            tracing::info!(entitlements = self.directory.len(), "directory read again");
        }
        Ok(())
    }

    /// Lets go of what ended so long ago that nobody asks for it any more.
    fn forget_ended(&self, position: &mut Position) {
        if position.looked_at.saturating_sub(position.forgot_at) < FORGET_EVERY {
            return;
        }
        let then = Moment::from(self.clock.now()).before(source::KEEP_ENDED);
        if self.directory.forget_ended(position.forget_next, then) > 0 {
            self.note_size();
        }
        position.forget_next = position.forget_next.wrapping_add(1);
        position.forgot_at = position.looked_at;
    }

    fn note_following(&self, following: bool) {
        self.health.set_following(following);
        self.metrics.degraded.with_label_values(&["directory"]).set(i64::from(!following));
    }

    fn note_size(&self) {
        self.metrics.directory_entitlements.set(i64::try_from(self.directory.len()).unwrap_or(i64::MAX));
    }
}

/// A look that takes longer has lost its connection in silence.
async fn within(operation: &'static str, work: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let too_slow = StoreError::TooSlow { operation, patience: LOOK_PATIENCE };
    tokio::time::timeout(LOOK_PATIENCE, work).await.unwrap_or(Err(too_slow))
}
