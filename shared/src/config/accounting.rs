//! `[accounting]`: where usage reports become durable, and how long they are kept.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, range};

/// `[accounting]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounting {
    /// What a report must be in before it is acknowledged. Default `journal` where there is a spool, else `database`.
    pub commit: Option<Commit>,
    /// Folder of the spool, on a disk of this machine; it is made if it is not there, and belongs to one radiusd.
    /// Default: `spool` in the service manager's `$STATE_DIRECTORY`; without that none, and nothing is acknowledged
    /// while PostgreSQL is away.
    pub spool: Option<PathBuf>,
    /// Most that the spool may hold, octets. Default 1 GiB, 1 MiB–1 TiB. A report takes some 200.
    pub spool_max_octets: u64,
    /// How long PostgreSQL may take for a batch before the spool takes it, milliseconds. Default 1000, 50–10000;
    /// shorter than a router's patience.
    pub patience_ms: u64,
    /// Reports that may wait to become durable before new ones are left for the router to send again.
    /// Default 8192, 64–1000000.
    pub queue: usize,
    /// Months for which ended sessions and hourly usage are kept. Default 0: for ever; else 2–1200.
    pub keep_months: u32,
    /// What happens to a month that is older. Default `archive`.
    pub after: After,
}

/// What a report must be in before it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commit {
    /// Committed in PostgreSQL; in the spool while PostgreSQL is away or slow, or reports come faster than it commits them.
    Database,
    /// Safe in the spool, from which PostgreSQL gets it a moment later.
    Journal,
}

/// What happens to a month that need not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It becomes a table of its own that nothing reads: `sessions_ended_2026_01_archived`.
    #[default]
    Archive,
    /// It is dropped.
    Drop,
}

impl Default for Accounting {
    fn default() -> Accounting {
        Accounting {
            commit: None,
            spool: None,
            spool_max_octets: 1 << 30,
            patience_ms: 1000,
            queue: 8192,
            keep_months: 0,
            after: After::default(),
        }
    }
}

impl Accounting {
    /// What a report must be in before it is acknowledged.
    pub fn commit(&self) -> Commit {
        self.commit.unwrap_or(if self.spool.is_some() { Commit::Journal } else { Commit::Database })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("accounting.spool_max_octets", self.spool_max_octets, 1 << 20, 1 << 40)?;
        range("accounting.patience_ms", self.patience_ms, 50, 10_000)?;
        range("accounting.queue", self.queue as u64, 64, 1_000_000)?;
        if self.keep_months > 0 {
            range("accounting.keep_months", u64::from(self.keep_months), 2, 1200)?;
        }
        if self.commit() == Commit::Journal && self.spool.is_none() {
            return Err(ConfigError::Range(
                "accounting.commit is \"journal\", which needs a folder for the journal: say accounting.spool".into(),
            ));
        }
        Ok(())
    }
}
