//! What the REST interface lists, a page at a time, a file an aggregate, and one thing of each by its identity.
//!
//! A page begins [`After`] the last thing of the page before it. What has an index by time is in the order of time and, within a moment,
//! of identities; the rest is in the order of identities, which are made in the order of time. Changes are not made here: they are
//! the aggregates' own, as the desk and the command line make them.

pub mod alert;
pub mod customer;
pub mod entitlement;
pub mod ledger;
pub mod log;
pub mod notification;
pub mod order;
pub mod outage;
pub mod payment;
pub mod received;
pub mod session;
pub mod site;

use shared::time::OffsetDateTime;
use uuid::Uuid;

/// The last second of the calendar: everything is before it.
const END_OF_TIME: i64 = 253_402_300_799;

/// A place in a list: what comes after it is what was before that moment or, at that moment, has a higher identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct After {
    /// The moment.
    pub at: OffsetDateTime,
    /// The identity.
    pub id: Uuid,
}

impl After {
    /// The beginning of every list.
    pub fn start() -> After {
        let at = OffsetDateTime::from_unix_timestamp(END_OF_TIME).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        After { at, id: Uuid::from_u128(u128::MAX) }
    }

    /// Whether it is the beginning.
    pub fn is_start(&self) -> bool {
        self.id == Uuid::from_u128(u128::MAX)
    }
}
