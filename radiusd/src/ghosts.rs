//! Ghosts: sessions of which their router speaks no more. They are closed at their last known counters, so that nobody
//! is counted as online who is not; one whose router speaks of it again goes on.
//!
//! A router that had sessions and says nothing at all has an outage, which is written down before they are closed, so that
//! it is known whom it concerned.
//!
//! Silence counts only while somebody listens: a server closes nothing until it has run for as long as a session
//! must be silent, nor while reports wait for PostgreSQL. Several servers share the work; each session is closed once.

use std::sync::Arc;
use std::time::Duration;

use shared::time::Clock;
use store::accounting::{self, Closed};
use store::{Db, StoreError, outage};
use tokio_util::sync::CancellationToken;

use crate::journal::Standing;
use crate::lines::Lines;
use crate::metrics::Metrics;

/// Intervals without a report after which a session is a ghost.
pub(crate) const SILENT_INTERVALS: f32 = 2.5;
/// Intervals without a report after its router has said that it started.
const RESTART_INTERVALS: f32 = 1.5;
/// Intervals without any packet of a router with open sessions after which it is taken for dark: sooner than its sessions are
/// closed.
const DARK_INTERVALS: f32 = 1.5;
/// Looks in one interval: how late a ghost may be closed.
const LOOKS_PER_INTERVAL: u32 = 6;
/// Longest wait for one look.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Ghosts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) journal: Arc<Standing>,
    pub(crate) lines: Arc<Lines>,
    /// How often routers report usage.
    pub(crate) interim: Duration,
}

impl Ghosts {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let silence = self.interim.mul_f32(SILENT_INTERVALS);
        let mut listening_since = self.clock.monotonic();
        while tokio::time::timeout(self.interim / LOOKS_PER_INTERVAL, stop.cancelled()).await.is_err() {
            if self.journal.is_behind() {
                listening_since = self.clock.monotonic();
            }
            if self.clock.monotonic().saturating_sub(listening_since) >= silence {
                self.look_for_outages().await;
                self.look_for_cut_lines().await;
                self.look(silence).await;
            }
        }
    }

    async fn look_for_outages(&self) {
        let noting = outage::note(&self.db, self.interim.mul_f32(DARK_INTERVALS), self.clock.now());
        let too_slow = StoreError::TooSlow { operation: "outages", patience: PATIENCE };
        match tokio::time::timeout(PATIENCE, noting).await.unwrap_or(Err(too_slow)) {
            Ok(noted) => {
                for nas in noted.began {
                    tracing::warn!(nas, "nothing is heard of this router any more, and customers were online there");
                }
                for nas in noted.ended {
                    tracing::info!(nas, "this router is heard again: its customers can be given the time back");
                }
            }
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "outages wait for PostgreSQL"),
            Err(error) => tracing::error!(%error, "outages"),
        }
    }

    async fn look_for_cut_lines(&self) {
        let changes = self.lines.changes();
        if changes.is_empty() {
            return;
        }
        let noting = outage::note_quiet(&self.db, &changes, self.clock.now());
        let too_slow = StoreError::TooSlow { operation: "cut lines", patience: PATIENCE };
        match tokio::time::timeout(PATIENCE, noting).await.unwrap_or(Err(too_slow)) {
            Ok(noted) => {
                for nas in noted.began {
                    tracing::warn!(
                        nas,
                        "customers are online at this router and nothing comes to them: its line may be cut"
                    );
                }
                for nas in noted.ended {
                    tracing::info!(
                        nas,
                        "traffic comes again to this router's customers, who can be given the time back"
                    );
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what is known of cut lines could not be written down; it is tried again");
                self.lines.put_back(changes);
            }
        }
    }

    async fn look(&self, silence: Duration) {
        let patience = self.interim.mul_f32(RESTART_INTERVALS);
        let closing = accounting::close_silent(&self.db, silence, patience, self.clock.now());
        let too_slow = StoreError::TooSlow { operation: "closing ghosts", patience: PATIENCE };
        match tokio::time::timeout(PATIENCE, closing).await.unwrap_or(Err(too_slow)) {
            Ok(closed) => self.note(closed),
            Err(error) if error.is_unavailable() => tracing::debug!(%error, "ghosts wait for PostgreSQL"),
            Err(error) => tracing::error!(%error, "ghosts"),
        }
    }

    fn note(&self, closed: Closed) {
        for (reason, count) in [("silent", closed.silent), ("router_restarted", closed.restarted)] {
            if count > 0 {
                self.metrics.stale_closed.with_label_values(&[reason]).inc_by(count as u64);
                tracing::info!(reason, count, "sessions of which nobody speaks any more are closed");
            }
        }
    }
}
