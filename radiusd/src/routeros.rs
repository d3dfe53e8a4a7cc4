//! The REST API of RouterOS 7, as a client: who is online at a hotspot, and taking somebody off.
//!
//! | question | request | answer |
//! |---|---|---|
//! | [`RouterOs::active`] | `GET /rest/ip/hotspot/active?address=IP`, or `?mac-address=MAC` | an array of objects whose values are all strings |
//! | [`RouterOs::remove`] | `DELETE /rest/ip/hotspot/active/*ID` | nothing |
//! | [`RouterOs::identity`] | `GET /rest/system/identity` | `{"name": "…"}` |
//!
//! An answer is read strictly: what has another shape is [`Failure::Unreadable`], never an empty list, since from an empty list it
//! follows that somebody is gone. A router may take no notice of the filter, so whoever asks looks at the entries.
//!
//! A router is a small machine that forwards packets meanwhile: few requests at a time ([`RouterOs::turn`]), each with a bounded
//! wait. The password goes to the registered address alone: no redirect is followed and no proxy is asked.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client as Http, Method, StatusCode, redirect};
use shared::mac::Mac;
use store::nas::Rest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::metrics::Metrics;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for the whole of an answer, the connection included.
const ANSWER: Duration = Duration::from_secs(5);
/// A connection is kept so long for the next question of the same look.
const IDLE: Duration = Duration::from_secs(5);
/// Sessions that are looked at together at one router.
const AT_A_ROUTER: usize = 2;
/// At all routers.
const IN_ALL: usize = 64;
/// Places of so many routers are remembered; beyond that, those that nobody has or waits for are forgotten.
const REMEMBERED: usize = 1024;
/// Largest answer that is read, octets: five hundred guests, had the router not filtered.
const ANSWER_LIMIT: usize = 256 * 1024;
/// Longest session that is believed: a hundred years.
const MAX_SPAN: Duration = Duration::from_secs(100 * 366 * 86_400);
/// Most digits of an identifier, behind its asterisk.
const ID_DIGITS: usize = 16;

/// Why routers cannot be asked by REST at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of authorities cannot be read.
    #[error("radius.routeros_ca_file: cannot read {path}: {source}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no certificate in it.
    #[error("radius.routeros_ca_file: {0} holds no certificate (PEM)")]
    NoCertificate(PathBuf),
    /// A certificate is damaged, or TLS cannot be prepared.
    #[error("the client for the REST API of routers cannot be prepared: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a question has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection, or one that broke; also a certificate that is not good.
    #[error("the router cannot be reached at this address")]
    Unreachable,
    /// No answer in time.
    #[error("the router did not answer in time")]
    TimedOut,
    /// The user, the password, or what the user may.
    #[error("the router refuses this user or password, or the user may not do this")]
    Refused,
    /// Another HTTP status.
    #[error("the router answered with status {0}")]
    Status(u16),
    /// Not what RouterOS answers.
    #[error("the router's answer cannot be read")]
    Unreadable,
}

impl Failure {
    /// Its word in the metrics.
    fn label(self) -> &'static str {
        match self {
            Failure::Unreachable => "unreachable",
            Failure::TimedOut => "timeout",
            Failure::Refused => "refused",
            Failure::Status(_) => "failed",
            Failure::Unreadable => "unreadable",
        }
    }

    fn of(error: &reqwest::Error) -> Failure {
        if error.is_timeout() { Failure::TimedOut } else { Failure::Unreachable }
    }
}

/// By what an active session is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Address(Ipv4Addr),
    Device(Mac),
}

impl fmt::Display for By {
    /// A query of RouterOS. Neither value has a character that must be escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Address(ip) => write!(f, "address={ip}"),
            By::Device(mac) => write!(f, "mac-address={mac}"),
        }
    }
}

/// The router's name of an entry, such as `*1A`. It is part of a path, so nothing else is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EntryId(String);

impl EntryId {
    fn parse(text: &str) -> Option<EntryId> {
        let digits = text.strip_prefix('*')?;
        let fits = (1..=ID_DIGITS).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        fits.then(|| EntryId(text.to_owned()))
    }
}

/// An entry of `/ip/hotspot/active`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Active {
    pub(crate) id: EntryId,
    pub(crate) address: IpAddr,
    pub(crate) mac: Option<Mac>,
    /// How long the session has lasted.
    pub(crate) uptime: Duration,
}

/// The right to ask a router now, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _at_the_router: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

/// The client. One per process.
#[derive(Debug)]
pub(crate) struct RouterOs {
    http: Http,
    metrics: Metrics,
    in_all: Arc<Semaphore>,
    at_routers: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

/// Reads `radius.routeros_ca_file` as the server would.
///
/// # Errors
/// What is wrong with it.
pub fn check(ca_file: &Path) -> Result<(), SetupError> {
    http(Some(ca_file)).map(drop)
}

impl RouterOs {
    /// Prepares the client; nothing is sent.
    pub(crate) fn new(ca_file: Option<&Path>, metrics: Metrics) -> Result<RouterOs, SetupError> {
        Ok(RouterOs {
            http: http(ca_file)?,
            metrics,
            in_all: Arc::new(Semaphore::new(IN_ALL)),
            at_routers: Mutex::default(),
        })
    }

    /// Waits for a place at this router, and among all. Whoever waits bounds the wait.
    pub(crate) async fn turn(&self, nas: Uuid) -> Turn {
        let at_the_router = self.places(nas);
        Turn {
            _at_the_router: at_the_router.acquire_owned().await.expect("it is never closed"),
            _in_all: Arc::clone(&self.in_all).acquire_owned().await.expect("it is never closed"),
        }
    }

    fn places(&self, nas: Uuid) -> Arc<Semaphore> {
        let mut at_routers = self.at_routers.lock().unwrap_or_else(PoisonError::into_inner);
        if at_routers.len() >= REMEMBERED {
            at_routers.retain(|_, places| Arc::strong_count(places) > 1);
        }
        Arc::clone(at_routers.entry(nas).or_insert_with(|| Arc::new(Semaphore::new(AT_A_ROUTER))))
    }

    /// Who is online at the hotspot, of those that match.
    pub(crate) async fn active(&self, rest: &Rest, by: By) -> Result<Vec<Active>, Failure> {
        self.count("active", async {
            read_active(&self.ask(rest, Method::GET, &format!("/rest/ip/hotspot/active?{by}")).await?)
        })
        .await
    }

    /// Takes a session off the hotspot. One that is not there any more is off too.
    pub(crate) async fn remove(&self, rest: &Rest, id: &EntryId) -> Result<(), Failure> {
        self.count("remove", async {
            match self.ask(rest, Method::DELETE, &format!("/rest/ip/hotspot/active/{}", id.0)).await {
                Ok(_) | Err(Failure::Status(404)) => Ok(()),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    /// What the router calls itself.
    pub(crate) async fn identity(&self, rest: &Rest) -> Result<String, Failure> {
        self.count("identity", async {
            let octets = self.ask(rest, Method::GET, "/rest/system/identity").await?;
            let mut fields: Fields = serde_json::from_slice(&octets).map_err(|_| Failure::Unreadable)?;
            fields.remove("name").ok_or(Failure::Unreadable)
        })
        .await
    }

    async fn count<T>(
        &self,
        operation: &'static str,
        question: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let answer = question.await;
        let result = answer.as_ref().map_or_else(|failure| failure.label(), |_| "ok");
        self.metrics.routeros_requests.with_label_values(&[operation, result]).inc();
        answer
    }

    /// One request. Its answer, if the router has done what was asked.
    async fn ask(&self, rest: &Rest, method: Method, path: &str) -> Result<Vec<u8>, Failure> {
        let request = self
            .http
            .request(method, format!("{}{path}", rest.url))
            .basic_auth(&rest.user, Some(rest.password.as_str()));
        let mut response = request.send().await.map_err(|error| Failure::of(&error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Refused),
            status => return Err(Failure::Status(status.as_u16())),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of(&error))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(Failure::Unreadable);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn http(ca_file: Option<&Path>) -> Result<Http, SetupError> {
    let client = || {
        Http::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(AT_A_ROUTER)
            .redirect(redirect::Policy::none())
            .no_proxy()
    };
    if let Some(path) = ca_file {
        return Ok(client().tls_certs_only(authorities(path)?).build()?);
    }
    match client().build() {
        Ok(http) => Ok(http),
        // Most servers ask no router by https, and none of them shall fail to start for the lack of authorities.
        Err(error) => {
            tracing::warn!(%error, "this machine trusts no authorities: without radius.routeros_ca_file no router can be asked by https");
            Ok(client().tls_certs_only([]).build()?)
        }
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let pem = std::fs::read(path).map_err(|source| SetupError::File { path: path.to_owned(), source })?;
    let certificates = Certificate::from_pem_bundle(&pem)?;
    if certificates.is_empty() { Err(SetupError::NoCertificate(path.to_owned())) } else { Ok(certificates) }
}

/// An object as RouterOS writes it: numbers and truth values are strings too.
type Fields = BTreeMap<String, String>;

pub(crate) fn read_active(octets: &[u8]) -> Result<Vec<Active>, Failure> {
    let entries: Vec<Fields> = serde_json::from_slice(octets).map_err(|_| Failure::Unreadable)?;
    entries.iter().map(|fields| read_entry(fields).ok_or(Failure::Unreadable)).collect()
}

fn read_entry(fields: &Fields) -> Option<Active> {
    let mac = match fields.get("mac-address") {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(Active {
        id: EntryId::parse(fields.get(".id")?)?,
        address: fields.get("address")?.parse().ok()?,
        mac,
        uptime: span(fields.get("uptime")?)?,
    })
}

/// A span of time as RouterOS writes it: `1w2d3h4m5s`, `29m18s`, `0s`.
fn span(text: &str) -> Option<Duration> {
    /// Units and their milliseconds; one that begins like another comes before it.
    const UNITS: [(&str, u64); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];
    let (mut rest, mut millis) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let behind = &rest[digits..];
        let (unit, factor) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        millis = millis.checked_add(number.checked_mul(*factor)?)?;
        rest = &behind[unit.len()..];
    }
    Some(Duration::from_millis(millis)).filter(|span| !text.is_empty() && *span <= MAX_SPAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Request;
    use axum::http::{HeaderMap, StatusCode as Code, header};
    use axum::response::IntoResponse as _;
    use axum::{Router, body::Body};
    use tokio::net::TcpListener;
    use zeroize::Zeroizing;

    const ENTRY: &str = r#"{".id":"*1A","address":"10.5.50.9","mac-address":"02:00:00:00:0A:01","uptime":"29m18s","user":"amina","radius":"true","bytes-in":"1048576"}"#;

    /// A router that answers each request with what `answer` makes of its method, path and query.
    async fn router(answer: fn(&str, &HeaderMap) -> (Code, String)) -> (RouterOs, Rest) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a private address");
        let routes = Router::new().fallback(move |request: Request<Body>| async move {
            let asked = format!("{} {}", request.method(), request.uri());
            let (status, body) = answer(&asked, request.headers());
            (status, [(header::LOCATION, "http://127.0.0.1:9/elsewhere")], body).into_response()
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let rest = Rest { url, user: "mlango".to_owned(), password: Zeroizing::new("open sesame".to_owned()) };
        (RouterOs::new(None, Metrics::new().expect("metrics")).expect("a client"), rest)
    }

    fn counted(routeros: &RouterOs, operation: &str, result: &str) -> u64 {
        routeros.metrics.routeros_requests.with_label_values(&[operation, result]).get()
    }

    #[tokio::test]
    async fn it_asks_as_routeros_is_asked_and_reads_what_routeros_says() {
        let (routeros, rest) = router(|asked, headers| {
            // mlango:open sesame
            let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if basic != Some("Basic bWxhbmdvOm9wZW4gc2VzYW1l") {
                return (Code::UNAUTHORIZED, String::new());
            }
            match asked {
                "GET /rest/ip/hotspot/active?address=10.5.50.9" => (Code::OK, format!("[{ENTRY}]")),
                "GET /rest/ip/hotspot/active?mac-address=02:00:00:00:0A:02" => (Code::OK, "[]".to_owned()),
                "DELETE /rest/ip/hotspot/active/*1A" => (Code::NO_CONTENT, String::new()),
                "GET /rest/system/identity" => (Code::OK, r#"{"name":"cafe"}"#.to_owned()),
                _ => (Code::NOT_FOUND, r#"{"error":404,"message":"Not Found"}"#.to_owned()),
            }
        })
        .await;
        let found = routeros.active(&rest, By::Address(Ipv4Addr::new(10, 5, 50, 9))).await.expect("an answer");
        let [entry] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(entry.address, Ipv4Addr::new(10, 5, 50, 9));
        assert_eq!(entry.mac, "02:00:00:00:0a:01".parse().ok());
        assert_eq!(entry.uptime, Duration::from_secs(29 * 60 + 18));
        let other = By::Device("02:00:00:00:0a:02".parse().expect("a MAC"));
        assert_eq!(routeros.active(&rest, other).await, Ok(Vec::new()));
        assert_eq!(routeros.remove(&rest, &entry.id).await, Ok(()));
        assert_eq!(routeros.remove(&rest, &EntryId("*1B".to_owned())).await, Ok(()), "it is not there: it is off");
        assert_eq!(routeros.identity(&rest).await.as_deref(), Ok("cafe"));
        let stranger = Rest { password: Zeroizing::new("guess".to_owned()), ..rest };
        assert_eq!(routeros.active(&stranger, other).await, Err(Failure::Refused));
        let counts = [("active", "ok"), ("active", "refused"), ("remove", "ok"), ("identity", "ok")];
        assert_eq!(counts.map(|(operation, result)| counted(&routeros, operation, result)), [2, 1, 2, 1]);
    }

    #[tokio::test]
    async fn what_is_not_an_answer_of_routeros_is_a_failure_and_no_empty_list() {
        let by = By::Address(Ipv4Addr::new(10, 5, 50, 9));
        let (routeros, rest) = router(|_, _| (Code::INTERNAL_SERVER_ERROR, "[]".to_owned())).await;
        assert_eq!(routeros.active(&rest, by).await, Err(Failure::Status(500)));
        let (routeros, rest) = router(|_, _| (Code::FOUND, "[]".to_owned())).await;
        assert_eq!(routeros.active(&rest, by).await, Err(Failure::Status(302)), "no redirect is followed");
        let (routeros, rest) = router(|_, _| (Code::OK, "<html>Log in</html>".to_owned())).await;
        assert_eq!(routeros.active(&rest, by).await, Err(Failure::Unreadable));
        assert_eq!(routeros.identity(&rest).await, Err(Failure::Unreadable));
        let (routeros, rest) = router(|_, _| (Code::OK, " ".repeat(ANSWER_LIMIT + 1))).await;
        assert_eq!(routeros.active(&rest, by).await, Err(Failure::Unreadable));
        let nowhere = Rest { url: "http://127.0.0.1:1".parse().expect("an address"), ..rest };
        assert_eq!(routeros.active(&nowhere, by).await, Err(Failure::Unreachable));
        assert_eq!(counted(&routeros, "active", "unreachable"), 1);
    }

    #[test]
    fn entries_are_read_strictly() {
        assert_eq!(read_active(b"[]"), Ok(Vec::new()));
        let without = |field: &str| ENTRY.replace(field, "other");
        for broken in [
            String::new(),
            "{}".to_owned(),
            format!("[{ENTRY}"),
            "[[]]".to_owned(),
            format!("[{}]", without(".id")),
            format!("[{}]", without("address\":\"10")),
            format!("[{}]", without("uptime")),
            format!("[{}]", ENTRY.replace("*1A", "*1A/../..")),
            format!("[{}]", ENTRY.replace("*1A", "1A")),
            format!("[{}]", ENTRY.replace("02:00:00:00:0A:01", "somebody")),
            format!("[{}]", ENTRY.replace(r#""true""#, "true")),
        ] {
            assert_eq!(read_active(broken.as_bytes()), Err(Failure::Unreadable), "{broken}");
        }
        let without_mac = format!("[{}]", without("mac-address"));
        assert_eq!(read_active(without_mac.as_bytes()).expect("it is not told always")[0].mac, None);
    }

    #[test]
    fn spans_are_read_as_routeros_writes_them() {
        let seconds = |text: &str| span(text).map(|span| span.as_secs());
        assert_eq!(seconds("29m18s"), Some(1758));
        assert_eq!(seconds("1w2d3h4m5s"), Some(788_645));
        assert_eq!((seconds("5200w"), seconds("5300w")), (Some(5200 * 604_800), None));
        assert_eq!((seconds("0s"), span("150ms")), (Some(0), Some(Duration::from_millis(150))));
        for nothing in
            ["", "5", "s", "1y", "1h-2m", "00:29:18", "99999999999999999999s", "99999999999999w99999999999999w"]
        {
            assert_eq!(span(nothing), None, "{nothing}");
        }
    }

    #[tokio::test]
    async fn a_router_is_asked_few_things_at_a_time_and_holds_up_no_other() {
        let routeros = RouterOs::new(None, Metrics::new().expect("metrics")).expect("a client");
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut turns = Vec::new();
        for _ in 0..AT_A_ROUTER {
            turns.push(routeros.turn(one).await);
        }
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, routeros.turn(one)).await.is_err(), "it waits");
        assert!(tokio::time::timeout(soon, routeros.turn(other)).await.is_ok());
        turns.pop();
        assert!(tokio::time::timeout(soon, routeros.turn(one)).await.is_ok());
    }
}
