//! What pages that are open are told at once: that an order has changed.
//!
//! One task listens to PostgreSQL and passes on which order it was; each open page ([`crate::pages::order::events`]) takes what
//! concerns it and reads it anew. A hint that is lost costs a page some seconds: it looks now and then by itself.

use std::time::Duration;

use store::Channel;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::App;

/// Hints that a page may have before it; beyond that it looks without being told.
const WAITING: usize = 256;
/// Wait before PostgreSQL is listened to again after it went away.
const RETRY: Duration = Duration::from_secs(2);

/// Whom to tell.
#[derive(Debug)]
pub(crate) struct Live(broadcast::Sender<Uuid>);

impl Default for Live {
    fn default() -> Live {
        Live(broadcast::Sender::new(WAITING))
    }
}

impl Live {
    /// The orders that change from now on.
    pub(crate) fn orders(&self) -> broadcast::Receiver<Uuid> {
        self.0.subscribe()
    }
}

/// Listens until `stop`.
pub(crate) async fn listen(app: App, stop: CancellationToken) {
    let mut listener = None;
    while !stop.is_cancelled() {
        let heard = async {
            let listener = match &mut listener {
                Some(open) => open,
                none => none.insert(app.db.listen(&[Channel::Orders]).await?),
            };
            listener.next_with().await
        };
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = heard => heard,
        };
        match heard {
            // Nobody may have a page open.
            Ok(Some((Channel::Orders, id))) => drop(id.parse().map(|id| app.live.0.send(id))),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "pages look by themselves until PostgreSQL tells of orders again");
                listener = None;
                if tokio::time::timeout(RETRY, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        }
    }
}
