//! Two providers of text messages, simulated behind one address: Africa's Talking and Twilio.
//!
//! ```text
//!  client ──HTTP──► a provider ──► book (messages, requests)
//!                                    └─ SmsSim::report ──HTTP──► the client's address for reports
//! ```
//!
//! Each checks a request as the real one does, in its own words and with its odd types, and remembers what it has
//! taken. A test says in which [`Mood`] a provider is and how long it thinks, and has delivery reports posted: Africa's
//! Talking's to the one address of [`SmsSimConfig`], Twilio's signed, and to the address that came with the message.
//!
//! Left out: several recipients, balances, opt-out by answer, and reports that come by themselves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;
use url::form_urlencoded;

mod africastalking;
pub mod twilio;

use crate::daraja::cut::{Scissors, Severable};
use crate::nas::NotInTime;

/// How long a provider waits for the answer to a report.
const REPORT_PATIENCE: Duration = Duration::from_secs(10);
/// How long open connections may finish after the end.
const LINGER: Duration = Duration::from_millis(500);

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provider {
    /// Africa's Talking.
    AfricasTalking,
    /// Twilio.
    Twilio,
}

/// How a provider answers a request that is in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It takes the message.
    Well,
    /// It refuses with this code: a recipient's statusCode at Africa's Talking, an error's code at Twilio.
    Refuses(u32),
    /// It has had too many requests: 429.
    Throttles,
    /// It fails inside: 500. The message is lost.
    Fails,
    /// It breaks the connection. The message is lost.
    Drops,
    /// It takes the message and breaks the connection before it has answered.
    LosesTheAnswer,
}

/// What the simulator expects of its client.
#[derive(Clone)]
pub struct SmsSimConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The user name at Africa's Talking.
    pub username: String,
    /// The key at Africa's Talking.
    pub api_key: String,
    /// Where Africa's Talking posts reports, as it is set in its dashboard.
    pub africastalking_reports: Option<String>,
    /// The account at Twilio.
    pub account_sid: String,
    /// The token at Twilio.
    pub auth_token: String,
}

/// A message that a provider has taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// By whom.
    pub provider: Provider,
    /// The provider's reference.
    pub reference: String,
    /// The number, with its `+`.
    pub to: String,
    /// The sender, where one was given: a number, a name, or a messaging service.
    pub from: Option<String>,
    /// The text.
    pub text: String,
    /// Where reports are to be posted.
    pub reports_to: Option<String>,
}

/// What the providers have seen.
#[derive(Debug)]
pub struct Book {
    messages: Vec<Message>,
    requests: [usize; 2],
    moods: [Mood; 2],
    delays: [Duration; 2],
}

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SmsSimError {
    /// The port is taken or the address is not this machine's.
    #[error("the SMS simulator cannot listen on {address}")]
    Bind {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No HTTP client for the reports.
    #[error("no HTTP client for reports: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a report was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No message has this reference.
    #[error("there is no message {0}")]
    NoSuchMessage(String),
    /// Nobody said where reports go.
    #[error("nobody said where reports go")]
    NoAddress,
    /// The client did not answer.
    #[error("the report was not answered: {0}")]
    NotAnswered(reqwest::Error),
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct SmsSim {
    shell: Arc<Shell>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shell {
    config: SmsSimConfig,
    book: Mutex<Book>,
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
    client: reqwest::Client,
}

/// What a provider does with a request.
struct Answer {
    response: Response,
    /// Whether the connection breaks instead.
    cut: bool,
}

impl SmsSim {
    /// Starts.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: SmsSimConfig) -> Result<SmsSim, SmsSimError> {
        let address = config.listen;
        let bind_error = |source| SmsSimError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        // Reports go where they were asked for, not to a proxy of the environment, and follow no redirect.
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let shell = Arc::new(Shell::new(config, client));
        shell.tasks.spawn(serve(Arc::clone(&shell), listener));
        Ok(SmsSim { shell, address })
    }

    /// `base_url` of both providers for the client's configuration.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every message that was taken, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.shell.lock().messages.clone()
    }

    /// How many requests a provider has had, whatever the answer.
    #[must_use]
    pub fn requests(&self, provider: Provider) -> usize {
        self.shell.lock().requests[provider.index()]
    }

    /// Puts a provider in a mood, for later requests.
    pub fn set_mood(&self, provider: Provider, mood: Mood) {
        self.shell.with(|book| book.moods[provider.index()] = mood);
    }

    /// How long a provider thinks before it answers, for later requests. The message is taken at once.
    pub fn set_delay(&self, provider: Provider, delay: Duration) {
        self.shell.with(|book| book.delays[provider.index()] = delay);
    }

    /// Posts a delivery report in the provider's words, such as `Success` or `delivered`, with the reason of a failure
    /// (`UserDoesNotExist`, `30005`), and gives the HTTP status of the answer. It can be posted any number of times.
    ///
    /// # Errors
    /// If there is no such message, nobody said where reports go, or the client does not answer.
    pub async fn report(&self, reference: &str, status: &str, reason: Option<&str>) -> Result<u16, ReportError> {
        let found = self.shell.lock().messages.iter().find(|message| message.reference == reference).cloned();
        let message = found.ok_or_else(|| ReportError::NoSuchMessage(reference.to_owned()))?;
        let config = &self.shell.config;
        let address = message.reports_to.as_ref().or(match message.provider {
            Provider::AfricasTalking => config.africastalking_reports.as_ref(),
            Provider::Twilio => None,
        });
        let address = address.ok_or(ReportError::NoAddress)?;
        let mut request = self.shell.client.post(address.as_str()).timeout(REPORT_PATIENCE);
        let fields = match message.provider {
            Provider::AfricasTalking => africastalking::report(&message, status, reason),
            Provider::Twilio => twilio::report(config, &message, status, reason),
        };
        if message.provider == Provider::Twilio {
            request = request.header("X-Twilio-Signature", twilio::signature(&config.auth_token, address, &fields));
        }
        let response = request.form(&fields).send().await.map_err(ReportError::NotAnswered)?;
        Ok(response.status().as_u16())
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// [`NotInTime`] if it does not hold within `within`.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Book) -> bool,
    ) -> Result<(), NotInTime> {
        let mut changes = self.shell.changed.subscribe();
        let held = tokio::time::timeout(within, async {
            while !condition(&self.shell.lock()) {
                // The sender lives as long as the shell; a change that came in between is seen at once.
                changes.changed().await.ok();
            }
        });
        held.await.map_err(|_| NotInTime { what: what.to_owned(), within })
    }

    /// Stops.
    pub async fn shutdown(self) {
        self.shell.stop.cancel();
        self.shell.tasks.close();
        self.shell.tasks.wait().await;
    }
}

impl Drop for SmsSim {
    fn drop(&mut self) {
        self.shell.stop.cancel();
    }
}

impl SmsSimConfig {
    /// Both providers on a free port of loopback.
    #[must_use]
    pub fn new(username: &str, api_key: &str, account_sid: &str, auth_token: &str) -> SmsSimConfig {
        SmsSimConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            username: username.to_owned(),
            api_key: api_key.to_owned(),
            africastalking_reports: None,
            account_sid: account_sid.to_owned(),
            auth_token: auth_token.to_owned(),
        }
    }
}

impl fmt::Debug for SmsSimConfig {
    /// Prints no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} on {}", self.username, self.account_sid, self.listen)
    }
}

impl Provider {
    fn index(self) -> usize {
        match self {
            Provider::AfricasTalking => 0,
            Provider::Twilio => 1,
        }
    }
}

impl Book {
    /// Every message that was taken, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How many requests a provider has had, whatever the answer.
    #[must_use]
    pub fn requests(&self, provider: Provider) -> usize {
        self.requests[provider.index()]
    }

    /// Keeps a message under a new reference, which it gives.
    fn take(&mut self, mut message: Message) -> String {
        let kind = match message.provider {
            Provider::AfricasTalking => "ATXid_",
            Provider::Twilio => "SM",
        };
        message.reference = format!("{kind}{:032x}", self.messages.len() + 1);
        let reference = message.reference.clone();
        self.messages.push(message);
        reference
    }
}

impl Shell {
    fn new(config: SmsSimConfig, client: reqwest::Client) -> Shell {
        Shell {
            config,
            book: Mutex::new(Book {
                messages: Vec::new(),
                requests: [0; 2],
                moods: [Mood::Well; 2],
                delays: [Duration::ZERO; 2],
            }),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            client,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Book) -> T) -> T {
        let answer = act(&mut self.lock());
        self.changed.send_modify(|revision| *revision = revision.wrapping_add(1));
        answer
    }

    /// Counts a request, has it answered in the provider's mood, and gives the answer after the provider's delay.
    async fn answer(
        &self,
        provider: Provider,
        scissors: &Scissors,
        answer: impl FnOnce(&mut Book, Mood) -> Answer,
    ) -> Response {
        let (answer, delay) = self.with(|book| {
            book.requests[provider.index()] += 1;
            let (mood, delay) = (book.moods[provider.index()], book.delays[provider.index()]);
            let answer: Answer = match mood {
                Mood::Throttles if provider == Provider::Twilio => {
                    twilio::error(429, 20429, "Too Many Requests").into()
                }
                Mood::Throttles => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests").into_response().into(),
                Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response().into(),
                Mood::Drops => Answer { response: StatusCode::OK.into_response(), cut: true },
                Mood::Well | Mood::Refuses(_) | Mood::LosesTheAnswer => answer(book, mood),
            };
            (answer, delay)
        });
        tokio::time::sleep(delay).await;
        if answer.cut {
            scissors.cut();
        }
        answer.response
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer { response, cut: false }
    }
}

/// Serves until the end.
async fn serve(shell: Arc<Shell>, listener: TcpListener) {
    let stop = shell.stop.clone();
    let routes = Router::new()
        .route("/", get(show))
        .route("/version1/messaging", post(ask_africastalking))
        .route("/2010-04-01/Accounts/{account}/Messages.json", post(ask_twilio))
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

/// What phones were sent, the newest first.
async fn show(State(shell): State<Arc<Shell>>) -> String {
    let book = shell.lock();
    let lines = book.messages.iter().rev().map(|message| format!("{}: {}\n", message.to, message.text));
    lines.collect()
}

async fn ask_africastalking(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let decide = |book: &mut Book, mood| africastalking::take(&shell.config, book, mood, &headers, &fields(&body));
    shell.answer(Provider::AfricasTalking, &scissors, decide).await
}

async fn ask_twilio(
    State(shell): State<Arc<Shell>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let decide = |book: &mut Book, mood| {
        let basic = STANDARD.encode(format!("{}:{}", shell.config.account_sid, shell.config.auth_token));
        let is_known =
            account == shell.config.account_sid && header(&headers, AUTHORIZATION.as_str()) == format!("Basic {basic}");
        if is_known {
            twilio::take(book, mood, &fields(&body))
        } else {
            twilio::error(401, 20003, "Authenticate").into()
        }
    };
    shell.answer(Provider::Twilio, &scissors, decide).await
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// The first field of that name that is not empty.
fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, value)| found == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// E.164: a `+`, which a client that does not encode its form turns into a blank, and up to 15 digits.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|number| (8..=15).contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
