//! What the router has reported, and what became of each report: the oracle of fault tests. An entry that is
//! [`Delivery::Acknowledged`] must be found in the server's books whatever crashed; one that is
//! [`Delivery::Dropped`] may or may not be, because the answer can be lost as well as the request.
//!
//! The journal holds at most [`CAPACITY`] entries; later reports are sent but only counted.

use std::time::Duration;

use serde::Serialize;

use super::mac::Mac;
use super::session::Usage;

/// Most entries that are kept: an hour of a busy load test, some 50 MB.
pub const CAPACITY: usize = 250_000;

/// Kind of an accounting report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// The router has started.
    AccountingOn,
    /// A session has started.
    Start,
    /// A session goes on.
    InterimUpdate,
    /// A session has ended, with its Acct-Terminate-Cause.
    Stop(u32),
}

/// What became of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// On its way.
    Pending,
    /// The server has acknowledged it, with a correct Response Authenticator.
    Acknowledged,
    /// Given up after three transmissions, or at a power cut: RouterOS queues nothing.
    Dropped,
}

/// One accounting report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// Position in the journal, from 0.
    pub index: usize,
    /// When it happened, since the router's clock was made.
    pub at: Duration,
    /// What it says.
    pub kind: ReportKind,
    /// Acct-Session-Id; empty for Accounting-On.
    pub session_id: String,
    /// User-Name; empty for Accounting-On.
    pub user: String,
    /// The phone.
    pub mac: Option<Mac>,
    /// Counters as reported (all 0 in a Start).
    pub usage: Usage,
    /// Identifier of the packet.
    pub identifier: u8,
    /// How often it was sent.
    pub transmissions: u8,
    /// What became of it.
    pub delivery: Delivery,
}

/// Every report since the simulator started, reboots included.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    unrecorded: u64,
}

impl Journal {
    /// Adds an entry, whose index is set here.
    pub(crate) fn add(&mut self, mut entry: Entry) -> Option<usize> {
        let index = self.entries.len();
        if index == CAPACITY {
            self.unrecorded += 1;
            return None;
        }
        entry.index = index;
        self.entries.push(entry);
        Some(index)
    }

    /// Records how a report went.
    pub(crate) fn settle(&mut self, index: Option<usize>, identifier: u8, transmissions: u8, delivery: Delivery) {
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            (entry.identifier, entry.transmissions, entry.delivery) = (identifier, transmissions, delivery);
        }
    }

    /// All entries in the order in which things happened.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that the server has acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.delivery == Delivery::Acknowledged)
    }

    /// The entries about one phone.
    pub fn of(&self, mac: Mac) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.mac == Some(mac))
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.entries.iter().all(|entry| entry.delivery != Delivery::Pending)
    }

    /// Reports that were sent after the journal was full.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded
    }
}
