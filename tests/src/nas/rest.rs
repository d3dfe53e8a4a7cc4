//! The REST API of the router, as far as a hotspot is managed by it, with the ways of RouterOS:
//!
//! * all values are strings, numbers and truth values too; what has no value is left out;
//! * entries are named `*1A`, by a number in hexadecimal digits that says nothing;
//! * a query is a filter: what is listed has these values;
//! * taking an entry of the active list off ends the session with Admin-Reset;
//! * without the right user and password there is 401, whatever is asked.
//!
//! | path | | |
//! |---|---|---|
//! | `/rest/ip/hotspot/active` | GET | who is online |
//! | `/rest/ip/hotspot/active/*ID` | GET, DELETE | one of them |
//! | `/rest/system/identity` | GET | the router's name |
//! | `/rest/system/resource`, `/clock`, `/health` | GET | what it is and how it fares, as a board with one thermometer |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router as Routes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;
use serde_json::json;
use tracing::info;

use super::config::RestBehaviour;
use super::session::Session;
use super::shell::Shell;

/// An object of RouterOS.
type Fields = BTreeMap<&'static str, String>;

pub(crate) fn routes() -> Routes<Arc<Shell>> {
    Routes::new()
        .route("/rest/ip/hotspot/active", get(list))
        .route("/rest/ip/hotspot/active/{id}", get(one).delete(remove))
        .route("/rest/system/identity", get(identity))
        .route("/rest/system/resource", get(resource))
        .route("/rest/system/clock", get(clock))
        .route("/rest/system/health", get(health))
}

/// Somebody with the right user and password, at a router that behaves.
struct Caller;

impl FromRequestParts<Arc<Shell>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shell: &Arc<Shell>) -> Result<Caller, Response> {
        shell.with(|router, _| router.stats.rest_requests += 1);
        let behaviour = shell.misbehaviour().rest;
        info!(method = %parts.method, uri = %parts.uri, ?behaviour, "a request to the REST API");
        match behaviour {
            RestBehaviour::Normal | RestBehaviour::RemovesNothing => {}
            RestBehaviour::Off => return Err(error(StatusCode::NOT_FOUND)),
            RestBehaviour::WrongPassword => return Err(error(StatusCode::UNAUTHORIZED)),
            RestBehaviour::Failing => return Err(error(StatusCode::INTERNAL_SERVER_ERROR)),
            RestBehaviour::Slow(delay) => tokio::time::sleep(delay).await,
        }
        let Some((user, password)) = &shell.config.rest else {
            return Err(error(StatusCode::NOT_FOUND));
        };
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let given = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        if given == Some(expected.as_bytes()) { Ok(Caller) } else { Err(error(StatusCode::UNAUTHORIZED)) }
    }
}

async fn list(
    _: Caller,
    State(shell): State<Arc<Shell>>,
    Query(filter): Query<BTreeMap<String, String>>,
) -> Json<Vec<Fields>> {
    let matches = |fields: &Fields| filter.iter().all(|(name, value)| fields.get(name.as_str()) == Some(value));
    let all: Vec<Fields> =
        shell.with(|router, now| router.sessions().map(|session| fields(session, &shell, now)).collect());
    Json(all.into_iter().filter(matches).collect())
}

async fn one(_: Caller, State(shell): State<Arc<Shell>>, Path(id): Path<String>) -> Response {
    let found = shell.with(|router, now| {
        let session = router.sessions().find(|session| entry_id(session) == id);
        session.map(|session| fields(session, &shell, now))
    });
    found.map_or_else(|| error(StatusCode::NOT_FOUND), |fields| Json(fields).into_response())
}

async fn remove(_: Caller, State(shell): State<Arc<Shell>>, Path(id): Path<String>) -> Response {
    let obeys = shell.misbehaviour().rest != RestBehaviour::RemovesNothing;
    let was_there = shell.with(|router, now| {
        let found = router.sessions().find(|session| entry_id(session) == id).map(|session| session.mac);
        if let Some(mac) = found.filter(|_| obeys) {
            router.end(now, mac, cause::ADMIN_RESET);
            router.stats.rest_removed += 1;
        }
        found.is_some()
    });
    if was_there { StatusCode::NO_CONTENT.into_response() } else { error(StatusCode::NOT_FOUND) }
}

async fn identity(_: Caller, State(shell): State<Arc<Shell>>) -> Json<Fields> {
    Json(Fields::from([("name", shell.config.identity.clone())]))
}

async fn resource(_: Caller, State(shell): State<Arc<Shell>>) -> Json<Fields> {
    let uptime = shell.with(|_, now| span(now.as_secs()));
    let fields = [
        ("architecture-name", "mmips".to_owned()),
        ("board-name", "hEX lite".to_owned()),
        ("cpu-load", 7.to_string()),
        ("free-memory", 20_971_520.to_string()),
        ("platform", "MikroTik".to_owned()),
        ("total-memory", 67_108_864.to_string()),
        ("uptime", uptime),
        ("version", "7.15.3 (stable)".to_owned()),
    ];
    Json(Fields::from(fields))
}

/// Its clock is two hours and half a minute ahead of this machine's, in a zone three hours east of Greenwich.
async fn clock(_: Caller) -> Json<Fields> {
    let east = time::UtcOffset::from_hms(3, 0, 0).expect("a zone");
    let wrong = (shared::time::Clock::system().now() + Duration::from_secs(2 * 3600 + 30)).to_offset(east);
    Json(Fields::from([
        ("date", wrong.date().to_string()),
        ("time", format!("{:02}:{:02}:{:02}", wrong.hour(), wrong.minute(), wrong.second())),
        ("gmt-offset", "+03:00".to_owned()),
        ("time-zone-name", "Africa/Nairobi".to_owned()),
        ("time-zone-autodetect", false.to_string()),
    ]))
}

async fn health(_: Caller) -> Json<Vec<Fields>> {
    let thermometer = [(".id", "*D"), ("name", "temperature"), ("type", "C"), ("value", "45")];
    Json(vec![thermometer.into_iter().map(|(name, value)| (name, value.to_owned())).collect()])
}

fn entry_id(session: &Session) -> String {
    format!("*{:X}", session.number & 0x000f_ffff)
}

fn fields(session: &Session, shell: &Shell, now: Duration) -> Fields {
    let usage = session.usage(now);
    let mut fields = Fields::from([
        (".id", entry_id(session)),
        ("server", shell.config.server_name.clone()),
        ("user", session.user.clone()),
        ("address", session.ip.to_string()),
        ("mac-address", session.mac.to_string()),
        ("login-by", session.method.word().to_owned()),
        ("uptime", span(u64::from(usage.seconds))),
        ("idle-time", span(now.saturating_sub(session.last_traffic).as_secs())),
        ("keepalive-timeout", span(120)),
        ("bytes-in", usage.up.to_string()),
        ("bytes-out", usage.down.to_string()),
        ("packets-in", usage.up_packets.to_string()),
        ("packets-out", usage.down_packets.to_string()),
        ("radius", true.to_string()),
    ]);
    if let Some(left) = session.time_left(now) {
        fields.insert("session-time-left", span(left.as_secs()));
    }
    fields
}

/// `1w2d3h4m5s`, without what is zero.
fn span(seconds: u64) -> String {
    let parts =
        [("w", seconds / 604_800), ("d", seconds / 86_400 % 7), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60)];
    let mut text: String =
        parts.iter().filter(|(_, number)| *number > 0).map(|(unit, number)| format!("{number}{unit}")).collect();
    if !seconds.is_multiple_of(60) || text.is_empty() {
        text.push_str(&format!("{}s", seconds % 60));
    }
    text
}

fn error(status: StatusCode) -> Response {
    let message = status.canonical_reason().unwrap_or_default();
    (status, Json(json!({ "error": status.as_u16(), "message": message }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_written_as_routeros_writes_them() {
        let written = [0, 59, 60, 1758, 3600, 788_645].map(span);
        assert_eq!(written, ["0s", "59s", "1m", "29m18s", "1h", "1w2d3h4m5s"]);
    }
}
