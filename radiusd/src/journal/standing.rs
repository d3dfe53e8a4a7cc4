//! How accounting stands at the moment, for all who must know: the writers, the replay, Status-Server, the health
//! pages, and what closes ghosts.

use std::sync::atomic::{AtomicBool, Ordering};

/// Where records go, and whether they can.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    database_is_away: AtomicBool,
    cannot_store: AtomicBool,
    spool_is_full: AtomicBool,
}

impl Standing {
    /// Whether PostgreSQL did not take the last batch in time.
    pub(crate) fn database_is_away(&self) -> bool {
        self.database_is_away.load(Ordering::Relaxed)
    }

    /// Notes that it did, or did not. Returns whether that is news.
    pub(super) fn set_database_away(&self, away: bool) -> bool {
        self.database_is_away.swap(away, Ordering::Relaxed) != away
    }

    /// Whether neither PostgreSQL nor the spool takes records.
    pub(crate) fn cannot_store(&self) -> bool {
        self.cannot_store.load(Ordering::Relaxed)
    }

    pub(super) fn set_cannot_store(&self, cannot: bool) -> bool {
        self.cannot_store.swap(cannot, Ordering::Relaxed) != cannot
    }

    /// Notes whether the spool can take another batch.
    pub(super) fn set_spool_full(&self, full: bool) {
        self.spool_is_full.store(full, Ordering::Relaxed);
    }

    /// Whether the next record could be made durable, as far as is known before it is tried.
    pub(crate) fn can_store(&self) -> bool {
        !self.cannot_store() && !(self.database_is_away() && self.spool_is_full.load(Ordering::Relaxed))
    }

    /// Whether PostgreSQL lags behind what routers have reported for more than a moment.
    pub(crate) fn is_behind(&self) -> bool {
        self.database_is_away() || self.cannot_store()
    }
}
