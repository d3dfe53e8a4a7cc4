//! The HTTP side of the simulator: Daraja's paths, the callbacks, and the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::back::Taken;
use super::cut::{Scissors, Severable};
use super::fate::Answer;
use super::page;
use super::till::{DueCallback, Pushed, Till, Told};
use super::wire::{self, Fault};

/// Path of the push.
pub(crate) const PUSH_PATH: &str = "/mpesa/stkpush/v1/processrequest";
/// Path of the query.
pub(crate) const QUERY_PATH: &str = "/mpesa/stkpushquery/v1/query";
/// Path of a reversal.
pub(crate) const REVERSAL_PATH: &str = "/mpesa/reversal/v1/request";
/// Path of Transaction Status.
pub(crate) const STATUS_PATH: &str = "/mpesa/transactionstatus/v1/query";
/// Path of the token.
pub(crate) const TOKEN_PATH: &str = "/oauth/v1/generate";

/// How long Daraja waits for the answer to a callback.
const CALLBACK_PATIENCE: Duration = Duration::from_secs(10);

/// How long open connections may finish after the end.
const LINGER: Duration = Duration::from_millis(500);

/// A running simulator.
#[derive(Debug)]
pub(crate) struct Shell {
    till: Mutex<Till>,
    changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    client: reqwest::Client,
}

impl Shell {
    pub(crate) fn new(till: Till, client: reqwest::Client) -> Shell {
        Shell {
            till: Mutex::new(till),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            client,
        }
    }

    /// One step of the core.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Till, OffsetDateTime) -> T) -> T {
        let answer = act(&mut self.lock(), OffsetDateTime::now_utc());
        self.changed.send_modify(|revision| *revision = revision.wrapping_add(1));
        answer
    }

    /// A look at the core.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Till) -> T) -> T {
        look(&self.lock())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Till> {
        self.till.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends callbacks when they are due.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            let wait = self.read(Till::next_callback).map(|at| at - OffsetDateTime::now_utc());
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = changes.changed() => {}
                () = due => self.send_due(),
            }
        }
    }

    fn send_due(self: &Arc<Self>) {
        for callback in self.with(Till::due_callbacks) {
            self.send(callback);
        }
    }

    /// Sends one callback, once: whatever the answer is, Daraja does not repeat it here.
    pub(crate) fn send(self: &Arc<Self>, callback: DueCallback) {
        let shell = Arc::clone(self);
        let sending = async move {
            let DueCallback { transaction, says, url, body } = callback;
            let request = shell.client.post(url).header("content-type", "application/json").body(body);
            let sent = OffsetDateTime::now_utc();
            let status = match request.timeout(CALLBACK_PATIENCE).send().await {
                Ok(response) => Some(response.status().as_u16()),
                Err(error) => {
                    // The URL may hold the secret of an order.
                    warn!(error = %error.without_url(), "a callback was not answered");
                    None
                }
            };
            info!(status, "callback sent");
            shell.with(|till, now| till.called_back(transaction, Told { sent, at: now, says, status }));
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(sending));
    }
}

impl Shell {
    /// Reports how a request ended, once.
    fn report(self: &Arc<Self>, (url, body): (String, Value)) {
        let shell = Arc::clone(self);
        let sending = async move {
            if let Err(error) = shell.client.post(url).timeout(CALLBACK_PATIENCE).json(&body).send().await {
                // The URL holds a secret of the request.
                warn!(error = %error.without_url(), "a report was not answered");
            }
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(sending));
    }
}

/// Serves until the end.
pub(crate) async fn serve(shell: Arc<Shell>, listener: TcpListener) {
    let stop = shell.stop.clone();
    let routes = Router::new()
        .route(TOKEN_PATH, get(token))
        .route(PUSH_PATH, post(push))
        .route(QUERY_PATH, post(query))
        .route(REVERSAL_PATH, post(reversal))
        .route(STATUS_PATH, post(status))
        .route("/", get(overview))
        .with_state(shell);
    let service = routes.into_make_service_with_connect_info::<Scissors>();
    let serving = axum::serve(Severable(listener), service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served { warn!(%error, "the server has failed") },
        () = patience => {}
    }
}

/// `?grant_type=`.
#[derive(Deserialize)]
struct Grant {
    #[serde(default)]
    grant_type: String,
}

async fn token(State(shell): State<Arc<Shell>>, Query(grant): Query<Grant>, headers: HeaderMap) -> Response {
    shell.with(|till, now| {
        let granted = match outage(till) {
            Some(fault) => Err(Some(fault)),
            None => till.grant(now, &grant.grant_type, authorization(&headers)),
        };
        let (status, response) = match granted {
            Ok(body) => (200, Json(body).into_response()),
            Err(Some(fault)) => (fault.status, fault_response(till, &fault)),
            Err(None) => (400, StatusCode::BAD_REQUEST.into_response()),
        };
        till.write_down(now, TOKEN_PATH, status, b"");
        response
    })
}

async fn push(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (response, wait) = shell.with(|till, now| {
        let mut wait = till.config.answer_delay;
        let pushed = checked(till, now, &headers).and_then(|()| till.push(now, &body));
        let (status, response) = match pushed {
            Ok(Pushed { way: Answer::Error | Answer::Refused, .. }) => faulty(till, &wire::broken()),
            Ok(Pushed { answer, way }) => {
                match way {
                    Answer::Lost => scissors.cut(),
                    Answer::Late(by) => wait += by,
                    Answer::Given | Answer::Error | Answer::Refused => {}
                }
                (if way == Answer::Lost { 0 } else { 200 }, Json(answer).into_response())
            }
            Err(fault) => faulty(till, &fault),
        };
        till.write_down(now, PUSH_PATH, status, &body);
        info!(status, "STK push");
        (response, wait)
    });
    tokio::time::sleep(wait).await;
    response
}

async fn query(State(shell): State<Arc<Shell>>, headers: HeaderMap, body: Bytes) -> Response {
    let (response, wait) = shell.with(|till, now| {
        let asked = checked(till, now, &headers).and_then(|()| till.query(now, &body));
        let (asked, wait) = match till.way_of_query() {
            Answer::Late(by) => (asked, by),
            Answer::Given => (asked, Duration::ZERO),
            Answer::Lost | Answer::Error | Answer::Refused => (Err(wire::broken()), Duration::ZERO),
        };
        let (status, response) = match asked {
            Ok(answer) => (200, Json::<Value>(answer).into_response()),
            Err(fault) => faulty(till, &fault),
        };
        till.write_down(now, QUERY_PATH, status, &body);
        info!(status, "STK query");
        (response, wait)
    });
    tokio::time::sleep(wait).await;
    response
}

async fn reversal(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    later(&shell, REVERSAL_PATH, &scissors, &headers, &body, Till::reverse)
}

async fn status(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    later(&shell, STATUS_PATH, &scissors, &headers, &body, Till::status)
}

/// Takes a request whose answer comes later, at an address of its own.
fn later(
    shell: &Arc<Shell>,
    path: &str,
    scissors: &Scissors,
    headers: &HeaderMap,
    body: &Bytes,
    take: fn(&mut Till, OffsetDateTime, &[u8]) -> Result<Taken, Fault>,
) -> Response {
    let (response, report) = shell.with(|till, now| {
        let taken = checked(till, now, headers).and_then(|()| take(till, now, body));
        let (status, response, report) = match taken {
            Ok(Taken { answer, is_cut, report }) => {
                if is_cut {
                    scissors.cut();
                }
                (if is_cut { 0 } else { 200 }, Json(answer).into_response(), report)
            }
            Err(fault) => {
                let (status, response) = faulty(till, &fault);
                (status, response, None)
            }
        };
        till.write_down(now, path, status, body);
        info!(status, path, "a request whose answer comes later");
        (response, report)
    });
    if let Some(report) = report {
        shell.report(report);
    }
    response
}

async fn overview(State(shell): State<Arc<Shell>>) -> Html<String> {
    Html(shell.with(|till, now| page::overview(till, now)))
}

/// Outage and token, which come before anything else.
fn checked(till: &Till, now: OffsetDateTime, headers: &HeaderMap) -> Result<(), Fault> {
    outage(till).map_or(Ok(()), Err)?;
    till.authorize(now, authorization(headers))
}

fn outage(till: &Till) -> Option<Fault> {
    till.outage
        .then(|| Fault::new(503, "500.002.1001", "Service is currently under maintenance. Please try again later"))
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// The status and the answer of a refusal.
fn faulty(till: &mut Till, fault: &Fault) -> (u16, Response) {
    (fault.status, fault_response(till, fault))
}

fn fault_response(till: &mut Till, fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(fault.body(&till.request_id()))).into_response()
}
