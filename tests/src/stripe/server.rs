//! The HTTP side of the simulator: Stripe's paths, the pages of guests, and the events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::page;
use super::register::{Choice, DueEvent, Next, Recorded, Register, Session};
use super::wire::Fault;

/// Path of the sessions.
pub(crate) const SESSIONS_PATH: &str = "/v1/checkout/sessions";
/// Path of the refunds.
pub(crate) const REFUNDS_PATH: &str = "/v1/refunds";
/// Path of the payments.
const PAYMENTS_PATH: &str = "/v1/payment_intents";
/// Path of the disputes.
const DISPUTES_PATH: &str = "/v1/disputes";

/// How long the answer to an event is waited for.
const EVENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long open connections may finish after the end.
const LINGER: Duration = Duration::from_millis(500);

/// A running simulator.
#[derive(Debug)]
pub(crate) struct Shell {
    register: Mutex<Register>,
    changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    client: reqwest::Client,
}

impl Shell {
    pub(crate) fn new(register: Register, client: reqwest::Client) -> Shell {
        Shell {
            register: Mutex::new(register),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            client,
        }
    }

    /// One step of the core.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Register, OffsetDateTime) -> T) -> T {
        let answer = act(&mut self.lock(), OffsetDateTime::now_utc());
        self.changed.send_modify(|revision| *revision = revision.wrapping_add(1));
        answer
    }

    /// A look at the core.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Register) -> T) -> T {
        look(&self.lock())
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends sessions and sends events when they are due.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            let wait = self.read(Register::next_event).map(|at| at - OffsetDateTime::now_utc());
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
        for event in self.with(Register::due_events) {
            self.send(event);
        }
    }

    /// Sends an event, once.
    pub(crate) fn send(self: &Arc<Self>, due: DueEvent) {
        let shell = Arc::clone(self);
        let sending = async move {
            let DueEvent { event, url, signature, body } = due;
            let request = shell.client.post(url).header(CONTENT_TYPE, "application/json; charset=utf-8");
            let request = request.header("stripe-signature", signature).body(body);
            let status = match request.timeout(EVENT_PATIENCE).send().await {
                Ok(response) => Some(response.status().as_u16()),
                Err(error) => {
                    warn!(%error, "an event was not answered");
                    None
                }
            };
            info!(status, "event sent");
            shell.with(|register, _| register.answered(event, status));
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(sending));
    }
}

/// Serves until the end.
pub(crate) async fn serve(shell: Arc<Shell>, listener: TcpListener) {
    let stop = shell.stop.clone();
    let routes = Router::new()
        .route(SESSIONS_PATH, post(create))
        .route("/v1/checkout/sessions/{id}", get(look))
        .route("/v1/checkout/sessions/{id}/expire", post(expire))
        .route(REFUNDS_PATH, post(refund).get(refunds))
        .route("/v1/refunds/{id}", get(look_at_refund))
        .route("/v1/payment_intents/{id}", get(look_at_payment))
        .route("/v1/disputes/{id}", get(look_at_dispute))
        .route("/c/pay/{id}", get(checkout).post(choose))
        .route("/c/bank/{id}", get(bank).post(choose))
        .route("/", get(overview))
        .with_state(shell);
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served { warn!(%error, "the server has failed") },
        () = patience => {}
    }
}

async fn create(State(shell): State<Arc<Shell>>, headers: HeaderMap, form: Bytes) -> Response {
    let line = format!("POST {SESSIONS_PATH}");
    once(&shell, &headers, &line, &form, |register, now| register.create(now, &form)).await
}

async fn look(
    State(shell): State<Arc<Shell>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let with_payment = query.is_some_and(|query| query.contains("payment_intent"));
    let line = format!("GET {SESSIONS_PATH}/{id}");
    answer(&shell, &headers, &line, b"", |register, now| register.look(now, &id, with_payment)).await
}

async fn expire(State(shell): State<Arc<Shell>>, Path(id): Path<String>, headers: HeaderMap, form: Bytes) -> Response {
    let line = format!("POST {SESSIONS_PATH}/{id}/expire");
    once(&shell, &headers, &line, &form, |register, now| register.expire(now, &id)).await
}

async fn refund(State(shell): State<Arc<Shell>>, headers: HeaderMap, form: Bytes) -> Response {
    let line = format!("POST {REFUNDS_PATH}");
    once(&shell, &headers, &line, &form, |register, now| register.refund(now, &form)).await
}

/// What the refunds of a payment are asked for with.
#[derive(Deserialize)]
struct OfPayment {
    payment_intent: String,
}

async fn refunds(
    State(shell): State<Arc<Shell>>,
    Query(of): Query<OfPayment>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let with_lines = query.is_some_and(|query| query.contains("balance_transaction"));
    let line = format!("GET {REFUNDS_PATH}");
    answer(&shell, &headers, &line, b"", |register, _| Ok(register.look_at_refunds(&of.payment_intent, with_lines)))
        .await
}

async fn look_at_refund(State(shell): State<Arc<Shell>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let line = format!("GET {REFUNDS_PATH}/{id}");
    answer(&shell, &headers, &line, b"", |register, _| register.look_at_refund(&id)).await
}

async fn look_at_payment(
    State(shell): State<Arc<Shell>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let with_line = query.is_some_and(|query| query.contains("balance_transaction"));
    let line = format!("GET {PAYMENTS_PATH}/{id}");
    answer(&shell, &headers, &line, b"", |register, _| register.look_at_payment(&id, with_line)).await
}

async fn look_at_dispute(State(shell): State<Arc<Shell>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let line = format!("GET {DISPUTES_PATH}/{id}");
    answer(&shell, &headers, &line, b"", |register, _| register.look_at_dispute(&id)).await
}

/// Answers a request that makes something: once for its idempotency key.
async fn once(
    shell: &Shell,
    headers: &HeaderMap,
    line: &str,
    form: &[u8],
    act: impl FnOnce(&mut Register, OffsetDateTime) -> Result<Value, Fault>,
) -> Response {
    let key = text(headers, "idempotency-key");
    answer(shell, headers, line, form, |register, now| register.once(key, line, form, |register| act(register, now)))
        .await
}

/// Answers a request of the client: whether it may ask, what it asked for, and a line in the journal.
async fn answer(
    shell: &Shell,
    headers: &HeaderMap,
    line: &str,
    form: &[u8],
    act: impl FnOnce(&mut Register, OffsetDateTime) -> Result<Value, Fault>,
) -> Response {
    let (response, wait) = shell.with(|register, now| {
        let done = register.admit(text(headers, AUTHORIZATION.as_str())).and_then(|()| act(register, now));
        let (status, body) = match done {
            Ok(body) => (200, body),
            Err(fault) => (fault.status, fault.body()),
        };
        let key = text(headers, "idempotency-key").map(str::to_owned);
        let form = String::from_utf8_lossy(form).into_owned();
        register.write_down(Recorded { at: now, line: line.to_owned(), status, key, form });
        info!(status, line, "request");
        let request = [(HeaderName::from_static("request-id"), register.request_id())];
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        ((status, request, Json(body)).into_response(), register.config.answer_delay)
    });
    tokio::time::sleep(wait).await;
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn checkout(State(shell): State<Arc<Shell>>, Path(id): Path<String>) -> Response {
    shown(&shell, &id, page::checkout)
}

async fn bank(State(shell): State<Arc<Shell>>, Path(id): Path<String>) -> Response {
    shown(&shell, &id, page::bank)
}

fn shown(shell: &Shell, id: &str, page: impl FnOnce(&Session) -> String) -> Response {
    match shell.read(|register| register.session(id).map(page)) {
        Some(page) => Html(page).into_response(),
        None => (StatusCode::NOT_FOUND, Html(page::nothing())).into_response(),
    }
}

/// What a button sends.
#[derive(Deserialize)]
struct Pressed {
    choice: Choice,
}

async fn choose(State(shell): State<Arc<Shell>>, Path(id): Path<String>, Form(pressed): Form<Pressed>) -> Response {
    match shell.with(|register, now| register.choose(now, &id, pressed.choice)) {
        Ok(Next::Away(url)) => Redirect::to(&url).into_response(),
        Ok(Next::Bank) => Redirect::to(&format!("/c/bank/{id}")).into_response(),
        // Also for a button of a page that is out of date: the page says how it stands.
        Ok(Next::Again) | Err(_) => Redirect::to(&format!("/c/pay/{id}")).into_response(),
    }
}

async fn overview(State(shell): State<Arc<Shell>>) -> Html<String> {
    Html(shell.read(page::overview))
}
