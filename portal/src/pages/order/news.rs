//! What the script of an order's page asks for, and is told by itself: the stage with its words. It reads the page anew when the stage
//! changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Serialize;
use tokio::sync::{broadcast, mpsc};

use super::Known;
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;

/// What the page's script asks for.
#[derive(PartialEq, Eq, Debug, Serialize)]
pub(crate) struct News {
    pub(super) stage: &'static str,
    pub(super) headline: String,
    pub(super) detail: String,
}

/// `GET /o/{token}/state`
pub(crate) async fn state(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Json<News>, AppError> {
    let known = Known::of(&app, &token).await?;
    Ok(Json(known.news(known.speech(wanted).language)))
}

/// `GET /o/{token}/events`: the same, each time that it changes, for as long as the page is open (server-sent events).
pub(crate) async fn events(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, AppError> {
    // What changes from now on is heard; what was before is read now.
    let mut changes = app.live.orders();
    let first = Known::of(&app, &token).await?;
    let id = first.order.id;
    let language = first.speech(wanted).language;
    let (send, receive) = mpsc::channel(1);
    app.clone().background.spawn(async move {
        let (mut known, mut told, mut pause) = (Some(first), None, Duration::ZERO);
        loop {
            // PostgreSQL may be away for a moment: the page keeps what it has.
            if let Some(known) = known.take() {
                pause = known.stage().looks_again();
                let news = known.news(language);
                if told.as_ref() != Some(&news) {
                    let event = Event::default().json_data(&news).unwrap_or_default();
                    if send.send(Ok(event)).await.is_err() {
                        return;
                    }
                    told = Some(news);
                }
            }
            let looks_again = tokio::time::sleep(pause);
            tokio::pin!(looks_again);
            loop {
                tokio::select! {
                    () = app.stopping.cancelled() => return,
                    () = send.closed() => return,
                    () = &mut looks_again => break,
                    change = changes.recv() => match change {
                        Ok(changed) if changed != id => {}
                        Err(broadcast::error::RecvError::Closed) => return,
                        // Its own, or too many to tell.
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    },
                }
            }
            known = Known::of(&app, &token).await.ok();
        }
    });
    let stream = futures::stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}
