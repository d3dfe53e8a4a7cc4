//! Closing the days that are over, each place by its own clock, and a place's days in their order.
//!
//! A place whose day cannot be closed holds up no other one; the job says so once, and is seen as stuck if that lasts. Several portals may
//! close the same day at the same moment: it is closed once, and the others find it closed.
//!
//! After a round in which something was due it is looked whether a server of an older version has let somebody in with a voucher and not booked
//! that: what is found is of the next day. That is about once a day, and with every round while a day cannot be closed.

use store::StoreError;
use store::books::cash;
use store::books::day::{self, Due};

use crate::App;

/// Who closes a day that nobody has closed by hand.
const CLOSER: &str = "closing";
/// Days that are closed before a shutdown is noticed.
const ROUND: usize = 20;

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
    let booked = if is_any_due { book_used(app).await } else { Ok(()) };
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
