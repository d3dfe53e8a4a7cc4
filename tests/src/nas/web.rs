//! The HTTP servlet of the hotspot, the "internet" behind it, and the simulator's own pages.
//!
//! | path | who | what |
//! |---|---|---|
//! | `/join?mac=` or `?phone=N` | phone | joins the Wi-Fi as that phone (kept in a cookie), then `/` |
//! | `/login` | hotspot | the page, or with `username` the login itself; GET and POST |
//! | `/status`, `/logout` | hotspot | as RouterOS |
//! | `/`, any other path | hotspot | to `/login` unless logged in |
//! | `/generate_204` | world | what Android probes |
//! | `/rest/…` | administrator | the REST API, see [`rest`] |
//! | `/internet`, `/internet/download?bytes=N` | world | a page, and N octets that are counted and mostly not sent |
//! | `/sim`, `/sim/state`, `POST /sim/traffic` | test | what the simulator knows |
//!
//! Which phone a browser is: the cookie, else an address made from where it connects from. A phone that is
//! new joins by its first request, and with `login-by=mac` is tried by its address before it is answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequestParts, Query, RawQuery, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router as Routes};
use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;
use radius_proto::limits::MAX_PASSWORD;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tracing::warn;

use super::form::{LoginForm, escape_url, octal};
use super::mac::Mac;
use super::packet::Proof;
use super::pages;
use super::rest;
use super::router::Refusal;
use super::session::LoginMethod;
use super::shell::{Login, LoginOutcome, Shell};
use super::state;

/// The cookie that says which phone a browser is. Cookies do not tell ports apart, so the name is its own.
const PHONE_COOKIE: &str = "nas-sim-phone";

/// Octets that a request is counted as.
const REQUEST_OCTETS: u64 = 400;

/// Most octets of a download that are really sent.
const DOWNLOAD_SENT_MAX: usize = 64 * 1024;

/// How long open connections may finish after the router is switched off.
const LINGER: Duration = Duration::from_millis(500);

/// Serves until the router stops.
pub(crate) async fn serve(shell: Arc<Shell>, listener: TcpListener) {
    let stop = shell.stop.clone();
    let service = routes(shell).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served { warn!(%error, "the web servlet has failed") },
        () = patience => {}
    }
}

fn routes(shell: Arc<Shell>) -> Routes {
    Routes::new()
        .route("/", get(root))
        .route("/join", get(join))
        .route("/login", get(login_by_query).post(login_by_form))
        .route("/status", get(status))
        .route("/logout", get(logout).post(logout))
        .route("/generate_204", get(probe))
        .route("/internet", get(internet))
        .route("/internet/download", get(download))
        .route("/sim", get(sim))
        .route("/sim/state", get(sim_state))
        .route("/sim/traffic", post(sim_traffic))
        .merge(rest::routes())
        .fallback(get(elsewhere))
        .with_state(shell)
}

/// The phone that a request comes from; it is in the Wi-Fi when a handler gets it.
struct Visitor {
    mac: Mac,
    online: bool,
}

impl FromRequestParts<Arc<Shell>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shell: &Arc<Shell>) -> Result<Visitor, Response> {
        let Ok(Phone(mac)) = Phone::from_request_parts(parts, shell).await;
        if let Err(refusal) = shell.join(mac, false).await {
            return Err(no_service(&refusal));
        }
        let online = shell.with(|router, _| router.session(mac).is_some());
        Ok(Visitor { mac, online })
    }
}

/// The phone that a request comes from, in the Wi-Fi or not.
struct Phone(Mac);

impl FromRequestParts<Arc<Shell>> for Phone {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shell>) -> Result<Phone, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let by_address = peer.map_or(Mac::phone(0), Mac::of_peer);
        Ok(Phone(phone_cookie(&parts.headers).unwrap_or(by_address)))
    }
}

fn phone_cookie(headers: &HeaderMap) -> Option<Mac> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == PHONE_COOKIE).then(|| value.parse().ok())?)
}

/// Where a browser says it joins.
#[derive(Deserialize)]
struct JoinQuery {
    mac: Option<String>,
    phone: Option<u32>,
}

async fn join(State(shell): State<Arc<Shell>>, Phone(seen): Phone, Query(query): Query<JoinQuery>) -> Response {
    let mac = match (query.mac.as_deref(), query.phone) {
        (Some(text), _) => match text.parse() {
            Ok(mac) => mac,
            Err(error) => {
                return (StatusCode::BAD_REQUEST, Html(pages::message(&format!("{error}: {text}")))).into_response();
            }
        },
        (None, Some(number)) => Mac::phone(number),
        (None, None) => seen,
    };
    if let Err(refusal) = shell.join(mac, true).await {
        return no_service(&refusal);
    }
    let cookie = format!("{PHONE_COOKIE}={mac}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], to("/")).into_response()
}

async fn root(State(shell): State<Arc<Shell>>, visitor: Visitor, uri: Uri) -> Response {
    if visitor.online { to("/status") } else { to_login(&shell, &uri) }
}

async fn elsewhere(State(shell): State<Arc<Shell>>, visitor: Visitor, uri: Uri) -> Response {
    if visitor.online {
        return (StatusCode::NOT_FOUND, Html(pages::message("The simulated internet has one page: /internet")))
            .into_response();
    }
    to_login(&shell, &uri)
}

async fn login_by_query(State(shell): State<Arc<Shell>>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let form = LoginForm::parse(query.unwrap_or_default().as_bytes());
    login(&shell, &visitor, form).await
}

async fn login_by_form(State(shell): State<Arc<Shell>>, visitor: Visitor, body: Bytes) -> Response {
    login(&shell, &visitor, LoginForm::parse(&body)).await
}

async fn login(shell: &Arc<Shell>, visitor: &Visitor, form: LoginForm) -> Response {
    let destination = form.destination().unwrap_or("/status").to_owned();
    if visitor.online {
        return to(&destination);
    }
    let Some(user) = form.username.clone() else {
        return login_page(shell, visitor.mac, &form, None);
    };
    let outcome = match proof(shell, visitor.mac, &form) {
        Ok((method, proof)) => {
            shell.login(Login { mac: visitor.mac, user, method, proof, injected: form.injected.clone() }).await
        }
        Err(refusal) => LoginOutcome::Refused(refusal),
    };
    match outcome.error() {
        None => to(outcome.terms().and_then(|terms| terms.redirection_url.as_deref()).unwrap_or(&destination)),
        Some(error) => login_page(shell, visitor.mac, &form, Some(&error)),
    }
}

/// What the password field proves: the answer to the challenge that the page showed, or a clear password.
fn proof(shell: &Arc<Shell>, mac: Mac, form: &LoginForm) -> Result<(LoginMethod, Proof), Refusal> {
    let login_by = shell.config.login_by;
    if let Some(digest) = form.chap_digest().filter(|_| login_by.http_chap) {
        let shown = shell.with(|router, now| router.take_challenge(now, mac));
        let challenge = shown.ok_or(Refusal::ChallengeMissing)?;
        let mut response = [challenge.id; 17];
        response[1..].copy_from_slice(&digest);
        return Ok((LoginMethod::HttpChap, Proof::Chap { challenge: challenge.octets, response }));
    }
    if !login_by.http_pap {
        return Err(Refusal::ChallengeMissing);
    }
    if form.password.len() > MAX_PASSWORD {
        return Err(Refusal::InvalidUsername);
    }
    Ok((LoginMethod::HttpPap, Proof::Pap { password: form.password.clone().into_bytes() }))
}

/// `login.html` as an operator with an outside portal installs it: it sends the browser there with what the
/// router knows.
fn login_page(shell: &Arc<Shell>, mac: Mac, form: &LoginForm, error: Option<&str>) -> Response {
    let chap = shell.config.login_by.http_chap;
    let (ip, challenge) = shell.with(|router, now| {
        let ip = router.hosts().find(|(host, _)| *host == mac).map(|(_, host)| host.ip);
        (ip, if chap { router.challenge(now, mac) } else { None })
    });
    let mut url = format!(
        "{}/h?mac={}&ip={}&identity={}&link-login-only={}&link-orig={}&error={}",
        shell.config.portal_url,
        escape_url(&mac.to_string()),
        ip.map(|ip| ip.to_string()).unwrap_or_default(),
        escape_url(&shell.config.identity),
        escape_url(&format!("{}/login", shell.hotspot_url)),
        escape_url(form.dst.as_deref().unwrap_or_default()),
        escape_url(error.unwrap_or_default()),
    );
    if let Some(challenge) = challenge {
        let (id, octets) = (octal(&[challenge.id]), octal(&challenge.octets));
        url.push_str(&format!("&chap-id={}&chap-challenge={}", escape_url(&id), escape_url(&octets)));
    }
    Html(pages::login(&url, error)).into_response()
}

async fn status(State(shell): State<Arc<Shell>>, visitor: Visitor, uri: Uri) -> Response {
    let page = shell.with(|router, now| router.session(visitor.mac).map(|session| pages::status(session, now)));
    page.map_or_else(|| to_login(&shell, &uri), |page| Html(page).into_response())
}

async fn logout(State(shell): State<Arc<Shell>>, visitor: Visitor) -> Response {
    let usage = shell.with(|router, now| {
        let usage = router.session(visitor.mac).map(|session| session.usage(now));
        router.end(now, visitor.mac, cause::USER_REQUEST);
        usage
    });
    usage.map_or_else(|| to("/login"), |usage| Html(pages::logged_out(&usage)).into_response())
}

async fn probe(State(shell): State<Arc<Shell>>, visitor: Visitor, uri: Uri) -> Response {
    if visitor.online { StatusCode::NO_CONTENT.into_response() } else { to_login(&shell, &uri) }
}

async fn internet(State(shell): State<Arc<Shell>>, visitor: Visitor, uri: Uri) -> Response {
    let page = pages::internet();
    let length = u64::try_from(page.len()).unwrap_or(u64::MAX);
    match shell.with(|router, now| router.traffic(now, visitor.mac, REQUEST_OCTETS, length)) {
        Some(_) => Html(page).into_response(),
        None => to_login(&shell, &uri),
    }
}

/// How much is downloaded.
#[derive(Deserialize)]
struct DownloadQuery {
    bytes: u64,
}

async fn download(
    State(shell): State<Arc<Shell>>,
    visitor: Visitor,
    Query(query): Query<DownloadQuery>,
    uri: Uri,
) -> Response {
    let Some((_, down)) = shell.with(|router, now| router.traffic(now, visitor.mac, 0, query.bytes)) else {
        return to_login(&shell, &uri);
    };
    let sent = usize::try_from(down).unwrap_or(usize::MAX).min(DOWNLOAD_SENT_MAX);
    ([("x-counted-octets", down.to_string())], vec![b'.'; sent]).into_response()
}

async fn sim(State(shell): State<Arc<Shell>>, Phone(mac): Phone) -> Html<String> {
    Html(shell.with(|router, now| pages::simulator(router, &shell.config.identity, mac, now)))
}

async fn sim_state(State(shell): State<Arc<Shell>>) -> Response {
    Json(shell.with(|router, now| state::state(router, &shell.config.identity, now))).into_response()
}

/// Traffic that a test or the demo makes.
#[derive(Deserialize)]
struct Traffic {
    mac: Mac,
    up: u64,
    down: u64,
}

async fn sim_traffic(State(shell): State<Arc<Shell>>, Json(traffic): Json<Traffic>) -> Response {
    let counted = shell.with(|router, now| router.traffic(now, traffic.mac, traffic.up, traffic.down));
    match counted {
        Some((up, down)) => {
            let online = shell.with(|router, _| router.session(traffic.mac).is_some());
            Json(json!({ "up": up, "down": down, "logged_in": online })).into_response()
        }
        None => (StatusCode::CONFLICT, Json(json!({ "error": "this phone is not logged in" }))).into_response(),
    }
}

fn to(location: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, header_safe(location))]).into_response()
}

/// The hotspot's redirect: `link-orig` is what the browser asked for.
fn to_login(shell: &Shell, uri: &Uri) -> Response {
    to(&format!("/login?dst={}", escape_url(&format!("{}{uri}", shell.hotspot_url))))
}

fn no_service(refusal: &Refusal) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Html(pages::message(&refusal.to_string()))).into_response()
}

/// A location that a header can hold: a browser may have sent anything as `dst`.
fn header_safe(location: &str) -> String {
    location.chars().filter(|letter| letter.is_ascii_graphic()).collect()
}
