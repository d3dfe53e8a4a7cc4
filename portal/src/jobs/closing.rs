//! Closing the days that are over, each place by its own clock, and a place's days in their order.
//!
//! A place whose day cannot be closed holds up no other one; the job says so once, and is seen as stuck if that lasts. Several portals may
//! close the same day at the same moment: it is closed once, and the others find it closed.
//!
//! After a round in which something was due it is looked whether a server of an older version has let somebody in with a voucher and not booked
//! that: what is found is of the next day. That is about once a day, and every two minutes while a day cannot be closed, when rounds follow each
//! other at once.

use std::sync::atomic::{AtomicI64, Ordering};

use shared::time::OffsetDateTime;
use store::StoreError;
use store::books::cash;
use store::books::day::{self, Due};

use crate::App;

/// Who closes a day that nobody has closed by hand.
const CLOSER: &str = "closing";
/// Days that are closed before a shutdown is noticed.
const ROUND: usize = 20;

/// While nothing can be closed, how long it takes until vouchers are looked at again.
const LOOKS_EVERY: time::Duration = time::Duration::minutes(2);

/// What this process remembers of its rounds: when it last looked at vouchers, in Unix seconds.
#[derive(Debug, Default)]
pub(crate) struct Closing(AtomicI64);

impl Closing {
    /// Whether vouchers are to be looked at, and notes that they are.
    fn looks(&self, is_closed: bool, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        let looks = is_closed || now - self.0.load(Ordering::Relaxed) >= LOOKS_EVERY.whole_seconds();
        if looks {
            self.0.store(now, Ordering::Relaxed);
        }
        looks
    }
}

/// One round. Returns whether there is more to close.
pub(super) async fn close_due(app: &App) -> Result<bool, StoreError> {
    let due = day::due(&app.db, app.clock.now(), app.config.books.close_after()).await?;
    let is_any_due = !due.is_empty();
    let mut refused: Vec<(Due, StoreError)> = Vec::new();
    let mut closed = 0;
    for next in due {
        if refused.iter().any(|(first, _)| first.site == next.site) {
            continue;
        }
        if closed == ROUND {
            break;
        }
        match day::close(&app.db, next.site, next.day, CLOSER, app.clock.now()).await {
            Ok(done) => {
                closed += 1;
                if done.is_new && !done.documents.is_empty() {
                    tracing::info!(day = %next.day, documents = ?done.documents, "a day is closed");
                }
            }
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => refused.push((next, error)),
        }
    }
    let looks = is_any_due && app.closing.looks(closed > 0, app.clock.now());
    let booked = if looks { book_used(app).await } else { Ok(()) };
    if closed == ROUND {
        return booked.map(|()| true);
    }
    match (refused.pop(), booked) {
        (None, booked) => booked.map(|()| false),
        (Some((_, error)), Ok(())) => Err(error),
        (Some((_, error)), Err(besides)) => {
            tracing::error!(error = %besides, "what was used at a server of an older version could not be booked");
            Err(error)
        }
    }
}

async fn book_used(app: &App) -> Result<(), StoreError> {
    let late = cash::used_unbooked(&app.db, app.clock.now()).await?;
    if late > 0 {
        tracing::info!(late, "vouchers were used at a server of an older version: that is booked now");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vouchers_are_looked_at_after_a_day_is_closed_and_every_two_minutes_while_none_can_be() {
        let (closing, at) =
            (Closing::default(), |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range"));
        let rounds = [
            (false, 1_000, true),
            (false, 1_002, false),
            (true, 1_004, true),
            (false, 1_123, false),
            (false, 1_124, true),
        ];
        for (is_closed, seconds, looks) in rounds {
            assert_eq!(closing.looks(is_closed, at(seconds)), looks, "{seconds}");
        }
    }
}
