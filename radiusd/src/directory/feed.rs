//! Keeps the directory true: reads everything at the start, then follows `directory_changes`.
//!
//! NOTIFY is the hint that makes a change arrive within milliseconds; a look every second makes up for a lost
//! one. Reading goes by transaction horizon (see [`store::directory`]), so a lost connection misses nothing.
//! While PostgreSQL is away the directory stays as it is and says so.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use shared::entitlement::{Credential, Entitlement};
use shared::time::{Clock, OffsetDateTime};
use store::directory::{self as source, Horizon};
use store::{Channel, Db, Listener, StoreError};
use tokio_util::sync::CancellationToken;

use super::Directory;
use crate::administrators::Administrators;
use crate::client::Registry;
use crate::lifecycle::Health;
use crate::metrics::Metrics;

/// Without a hint, look this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure, wait this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest wait for one look, and for a reading of everything.
const LOOK_PATIENCE: Duration = Duration::from_secs(60);
/// Everything is read again this often, which lets go of what ended long ago.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Entitlements read by one statement.
const READ_AT_ONCE: usize = 500;

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
    horizon: Horizon,
    /// Changes at or above the horizon that were applied already.
    applied: HashSet<i64>,
    read_at: OffsetDateTime,
    /// When everything was read last.
    loaded_at: OffsetDateTime,
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
        // The horizon first: what commits during the reading is then read again, not missed.
        let horizon = source::horizon(&self.db).await?;
        let now = self.clock.now();
        self.read_clients().await?;
        let mut entitlements: Vec<Entitlement> = Vec::new();
        let mut credentials: HashMap<uuid::Uuid, Vec<Credential>> = HashMap::new();
        source::read_all(
            &self.db,
            now,
            |entitlement| entitlements.push(entitlement),
            |credential| credentials.entry(credential.entitlement).or_default().push(credential),
        )
        .await?;
        let keep: HashSet<uuid::Uuid> = entitlements.iter().map(|e| e.id).collect();
        for entitlement in entitlements {
            let opens = credentials.remove(&entitlement.id).unwrap_or_default();
            self.directory.put(entitlement, opens, now);
        }
        self.directory.retain(&keep);
        self.note_size();
        tracing::info!(
            entitlements = self.directory.len(),
            routers = self.clients.load().all().count(),
            "directory read"
        );
        Ok(Position { horizon, applied: HashSet::new(), read_at: now, loaded_at: now })
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
    pub(crate) async fn follow(self, mut position: Position, stop: CancellationToken) {
        let mut listener: Option<Listener> = None;
        while !stop.is_cancelled() {
            let step = tokio::select! {
                () = stop.cancelled() => return,
                step = self.step(&mut listener, &mut position) => step,
            };
            if let Err(error) = step {
                self.note_following(false);
                tracing::warn!(%error, "PostgreSQL is not followed: answering from memory, trying again");
                listener = None;
                if tokio::time::timeout(RETRY_AFTER, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        }
    }

    /// Catches up, then waits for a hint or for the next look.
    async fn step(&self, listener: &mut Option<Listener>, position: &mut Position) -> Result<(), StoreError> {
        let heard = match listener {
            Some(listener) => listener,
            None => listener.insert(self.db.listen(&[Channel::Directory]).await?),
        };
        let too_slow = StoreError::TooSlow { operation: "reading changes", patience: LOOK_PATIENCE };
        tokio::time::timeout(LOOK_PATIENCE, self.catch_up(position)).await.unwrap_or(Err(too_slow))?;
        self.note_following(true);
        match tokio::time::timeout(LOOK_EVERY, heard.next()).await {
            // A hint, a reopened connection, or time for a look: the next step catches up in any case.
            Ok(Ok(_)) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(error),
        }
    }

    async fn catch_up(&self, position: &mut Position) -> Result<(), StoreError> {
        let now = self.clock.now();
        if source::too_long_away(position.read_at, now) || now - position.loaded_at > READ_AGAIN_AFTER {
            *position = self.read_everything().await?;
            return Ok(());
        }
        let (changes, read) = source::changes(&self.db, position.horizon, &position.applied).await?;
        if changes.everything {
            *position = self.read_everything().await?;
            return Ok(());
        }
        if changes.nas {
            self.read_clients().await?;
        }
        for ids in changes.entitlements.chunks(READ_AT_ONCE) {
            let entries = source::read(&self.db, ids).await?;
            let found: HashSet<uuid::Uuid> = entries.iter().map(|entry| entry.entitlement.id).collect();
            for entry in entries {
                self.directory.put(entry.entitlement, entry.credentials, now);
            }
            for gone in ids.iter().filter(|id| !found.contains(id)) {
                self.directory.remove(*gone);
            }
        }
        if !changes.entitlements.is_empty() {
            self.note_size();
        }
        position.horizon = changes.next;
        position.applied = read.into_iter().collect();
        position.read_at = now;
        Ok(())
    }

    fn note_following(&self, following: bool) {
        self.health.set_following(following);
        self.metrics.degraded.with_label_values(&["directory"]).set(i64::from(!following));
    }

    fn note_size(&self) {
        self.metrics.directory_entitlements.set(i64::try_from(self.directory.len()).unwrap_or(i64::MAX));
    }
}
