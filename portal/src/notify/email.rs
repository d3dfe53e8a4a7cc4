//! E-mail: one message to one address, handed to the operator's mail server.
//!
//! ```text
//!  Email::send ──► open (TCP, TLS, AUTH, MAIL) ──► name (RCPT, DATA) ──► the message ──► the server's word
//!                  └──── lost here: certainly nothing was sent ─────┘    └ lost here: nobody knows
//! ```
//!
//! SMTP is lettre's, spoken a step at a time and not by its transport: what an answer, or none, means depends on the step. It
//! becomes a [`Sent`], in the vocabulary of SMS: a code 4yz is tried again, 5yz about the recipient or the message is
//! final (RFC 5321 section 4.2.1), and 5yz about us (a password, a sender that the server does not let us use) is for the
//! operator to correct, so the news waits for that. There is one server, so there is nobody to ask next.
//!
//! Messages are plain text in UTF-8, some with a file beside it. A brand, a package's name, what an operator words: none of it can write a header or a
//! command, since control characters are taken out of all that comes in, and addresses have none.
//!
//! Nothing here knows a database, words a message or tries again later. No address and no text is logged or kept in a
//! result.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Severity;
use shared::config::{self, Encryption};
use shared::email::EmailAddress;
use shared::time::OffsetDateTime;
use url::{Host, Url};
use uuid::Uuid;

use super::sms::Sent;
use crate::urls;

/// What this way of sending is called where providers are.
pub const PROVIDER: &str = "smtp";

/// Steps of sending a message, each of which has its time.
const STEPS: u32 = 3;
/// Longest wait for the answer to our good-bye, after which the connection is closed all the same.
const GOODBYE: Duration = Duration::from_secs(1);
/// Longest subject, in characters. A line of a header has at most 998 octets (RFC 5322 section 2.1.1) and is folded, so
/// this is for those who read it.
const SUBJECT_LIMIT: usize = 200;
/// Longest text, in octets. Ours have some hundred.
const TEXT_LIMIT: usize = 64 * 1024;
/// Longest file that goes with a message, in octets. Mail servers take ten million and more, and a file grows by a third on the way.
const FILE_LIMIT: usize = 5 * 1024 * 1024;
/// Most letters that are kept of a server's text.
const QUOTE_LIMIT: usize = 200;

/// A message to one address.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Its identity. Handed over again it is the same message, by which mail programs know not to show it twice.
    pub id: Uuid,
    /// Whom it is for.
    pub to: &'a EmailAddress,
    /// Its subject; line breaks in it become blanks.
    pub subject: &'a str,
    /// Its text; other control characters than line breaks become blanks.
    pub text: &'a str,
    /// Where one request, without a sign-in, ends such messages (RFC 8058); `None`: they cannot be refused so.
    pub refuse: Option<&'a str>,
}

/// A file that goes with a message.
#[derive(Clone, Copy)]
pub struct Attached<'a> {
    /// Its name, of plain letters.
    pub name: &'a str,
    /// Its media type, such as `application/pdf`.
    pub media: &'a str,
    /// What is in it.
    pub octets: &'a [u8],
}

/// Why e-mail cannot be sent from here.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The sender's address, or its name, cannot stand in a message.
    #[error("email.from cannot stand in a message: {0}")]
    From(String),
    /// The file of the authorities cannot be read.
    #[error("email.ca_file: cannot read {path}: {source}")]
    CaFile {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate is in it.
    #[error("email.ca_file: there is no certificate in {0}")]
    NoCertificate(PathBuf),
    /// The portal's public URL names no host, which messages need in their identities.
    #[error("portal.public_url names no host")]
    NoHost,
    /// TLS cannot be prepared.
    #[error("the e-mail client cannot be prepared: {0}")]
    Tls(#[from] smtp::Error),
}

/// The client of the mail server. One per process; each message has a connection of its own.
#[derive(Debug)]
pub struct Email {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    from: Mailbox,
    /// What we call ourselves in the greeting.
    hello: ClientId,
    /// What stands behind the `@` of our messages' identities.
    domain: String,
    /// Where whoever does not want our messages says so, of those that one request does not end.
    unsubscribe: String,
    timeout: Duration,
}

/// How far a message has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The server has heard of us.
    Opening,
    /// And of the recipient.
    Naming,
    /// The message was handed over, or a part of it.
    Handing,
}

/// A step that did not end as it should.
enum Failure {
    /// What the server said, or what became of the connection.
    Smtp(smtp::Error),
    /// No answer came in time.
    TimedOut,
    /// An answer came that has no place there.
    OutOfPlace,
}

impl Email {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// When the sender cannot stand in a message, a file cannot be read, or TLS cannot be prepared.
    pub fn new(settings: &config::Email, public_url: &Url) -> Result<Email, SetupError> {
        let host = public_url.host().ok_or(SetupError::NoHost)?;
        let from = address(&settings.from.address).map_err(|error| SetupError::From(error.to_string()))?;
        let sign_in = |name: &String| Credentials::new(name.clone(), settings.password.expose().to_owned());
        let email = Email {
            host: settings.host.clone(),
            port: settings.port(),
            tls: match settings.encryption {
                Encryption::Starttls => Tls::Required(tls(settings)?),
                Encryption::Tls => Tls::Wrapper(tls(settings)?),
                Encryption::None => Tls::None,
            },
            credentials: settings.username.as_ref().map(sign_in),
            from: Mailbox::new(settings.from.name.clone(), from.clone()),
            domain: host.to_string(),
            hello: match host {
                Host::Domain(name) => ClientId::Domain(name.to_owned()),
                Host::Ipv4(address) => ClientId::Ipv4(address),
                Host::Ipv6(address) => ClientId::Ipv6(address),
            },
            unsubscribe: urls::whole(public_url, urls::ACCOUNT),
            timeout: settings.timeout(),
        };
        // A sender that no message can have is found now, and not when a customer is to be told something.
        let trial = Message { id: Uuid::nil(), to: &settings.from.address, subject: "", text: "", refuse: None };
        let written = email.write(&trial, None, from, OffsetDateTime::UNIX_EPOCH);
        written.map_err(|error| SetupError::From(error.to_string()))?;
        Ok(email)
    }

    /// The longest that [`Email::send`] takes.
    pub fn longest(&self) -> Duration {
        self.timeout * STEPS + GOODBYE
    }

    /// Sends a message. One connection, whatever the answer.
    pub async fn send(&self, message: &Message<'_>, now: OffsetDateTime) -> Sent {
        self.send_with(message, None, now).await
    }

    /// Sends a message with a file.
    pub async fn send_with(&self, message: &Message<'_>, file: Option<&Attached<'_>>, now: OffsetDateTime) -> Sent {
        if file.is_some_and(|file| file.octets.len() > FILE_LIMIT) {
            return refused(true, "too-long", "the file is too long");
        }
        if message.text.len() > TEXT_LIMIT {
            return refused(true, "too-long", "the text is too long");
        }
        let Ok(to) = address(message.to) else {
            return refused(true, "address", "the address cannot be sent to");
        };
        let Ok(octets) = self.write(message, file, to.clone(), now) else {
            return refused(true, "unwritable", "the message cannot be written");
        };
        let mut connection = match self.within(self.open()).await {
            Ok(connection) => connection,
            Err(failure) => return failure.meaning(Step::Opening),
        };
        let handed = match self.within(name(&mut connection, to)).await {
            Ok(()) => {
                let handed = self.within(hand_over(&mut connection, &octets)).await;
                handed.map_err(|failure| (Step::Handing, failure))
            }
            Err(failure) => Err((Step::Naming, failure)),
        };
        let is_our_turn = match &handed {
            Ok(()) => true,
            Err((_, failure)) => failure.is_answer(),
        };
        // Otherwise the server may be in the middle of the message, and would take our good-bye for a part of it.
        if is_our_turn {
            tokio::time::timeout(GOODBYE, connection.abort()).await.ok();
        }
        match handed {
            Ok(()) => Sent::Accepted { reference: self.reference(message.id), cost: None, segments: 0 },
            Err((step, failure)) => failure.meaning(step),
        }
    }

    /// Waits for one step.
    async fn within<T>(&self, step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout(self.timeout, step).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// All that is about us: the connection, its encryption, the sign-in, the sender.
    async fn open(&self) -> Result<AsyncSmtpConnection, Failure> {
        let server = (self.host.as_str(), self.port);
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        // Half of the step's time, so that there is some left for the server's second address.
        let patience = Some(self.timeout / 2);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, patience, &self.hello, wrapper, None).await?;
        if let Tls::Required(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        connection.command(Mail::new(Some(self.from.email.clone()), Vec::new())).await?;
        Ok(connection)
    }

    /// The message as it is handed over (RFC 5322).
    fn write(
        &self,
        message: &Message<'_>,
        file: Option<&Attached<'_>>,
        to: Address,
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, lettre::error::Error> {
        let header = |name, value| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
        // RFC 2369 section 3.2. What is not ended by one request leads to a page.
        let leave = format!("<{}>", message.refuse.unwrap_or(&self.unsubscribe));
        let mut written = lettre::Message::builder()
            .message_id(Some(format!("<{}>", self.reference(message.id))))
            .date(SystemTime::from(now))
            .from(self.from.clone())
            .to(Mailbox::from(to))
            .subject(one_line(message.subject))
            // Machines that answer for people on holiday do not answer a machine (RFC 3834 section 5).
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(header("List-Unsubscribe", leave));
        if message.refuse.is_some() {
            // RFC 8058 section 3.1: these words and no others.
            written = written.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        let text = SinglePart::plain(lines(message.text));
        let Some(file) = file else { return Ok(written.singlepart(text)?.formatted()) };
        let media = ContentType::parse(file.media).unwrap_or(ContentType::TEXT_PLAIN);
        let file = Attachment::new(file.name.to_owned()).body(file.octets.to_vec(), media);
        // The same message handed over again is the same to the octet, so its parts are told apart by its own name.
        let parts = MultiPart::mixed().boundary(message.id.simple().to_string());
        Ok(written.multipart(parts.singlepart(text).singlepart(file))?.formatted())
    }

    /// By what name a message goes: its Message-ID without the brackets.
    fn reference(&self, id: Uuid) -> String {
        format!("{id}@{}", self.domain)
    }
}

/// The recipient, and the wish to hand a message over.
async fn name(connection: &mut AsyncSmtpConnection, to: Address) -> Result<(), Failure> {
    connection.command(Rcpt::new(to, Vec::new())).await?;
    // Anything but 354 (RFC 5321 section 4.1.1.4) would read the message as commands.
    let answer = connection.command(Data).await?;
    if answer.has_code(354) { Ok(()) } else { Err(Failure::OutOfPlace) }
}

/// The message itself. It is the server's once it has said so.
async fn hand_over(connection: &mut AsyncSmtpConnection, octets: &[u8]) -> Result<(), Failure> {
    let answer = connection.message(octets).await?;
    let is_taken = answer.code().severity == Severity::PositiveCompletion;
    if is_taken { Ok(()) } else { Err(Failure::OutOfPlace) }
}

impl Failure {
    /// Whether the server has said something and waits for us.
    fn is_answer(&self) -> bool {
        matches!(self, Failure::Smtp(error) if error.status().is_some())
    }

    /// What it means for the message.
    fn meaning(&self, step: Step) -> Sent {
        let error = match self {
            Failure::Smtp(error) => error,
            Failure::TimedOut => return lost(step, "no answer in time"),
            Failure::OutOfPlace => return lost(step, "the server's answer has no place there"),
        };
        match error.status() {
            Some(code) => {
                // Before the recipient was named it is about us, and would be the same for everybody.
                let permanent = error.is_permanent() && step != Step::Opening;
                let text = error.source().map(ToString::to_string).unwrap_or_default();
                refused(permanent, &code.to_string(), &quotable(&text))
            }
            None => lost(step, &quotable(&error.to_string())),
        }
    }
}

impl From<smtp::Error> for Failure {
    fn from(error: smtp::Error) -> Failure {
        Failure::Smtp(error)
    }
}

/// Without the server's word: before the message was handed over nothing was sent.
fn lost(step: Step, why: &str) -> Sent {
    match step {
        Step::Opening | Step::Naming => refused(false, "unreachable", why),
        Step::Handing => Sent::Unknown(why.to_owned()),
    }
}

fn refused(permanent: bool, code: &str, text: &str) -> Sent {
    Sent::Refused { permanent, code: code.to_owned(), text: text.to_owned() }
}

fn address(address: &EmailAddress) -> Result<Address, AddressError> {
    address.as_str().parse()
}

fn tls(settings: &config::Email) -> Result<TlsParameters, SetupError> {
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read_to_string(path).map_err(|source| SetupError::CaFile { path: path.clone(), source })?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(SetupError::NoCertificate(path.clone()));
        }
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
    }
    Ok(parameters.build()?)
}

/// A subject: one line, bounded.
fn one_line(text: &str) -> String {
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = text.chars().map(blank).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SUBJECT_LIMIT).collect()
}

/// A text: lines, without other control characters.
fn lines(text: &str) -> String {
    let blank = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    text.replace("\r\n", "\n").chars().map(blank).collect()
}

/// A server's text as it may be stored and logged: bounded, in one line, and without addresses, which servers like to
/// repeat in what they complain about.
fn quotable(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let shown = words.filter(|word| !word.is_empty()).map(|word| if word.contains('@') { "***" } else { word });
    shown.collect::<Vec<_>>().join(" ").chars().take(QUOTE_LIMIT).collect()
}

#[cfg(test)]
mod tests;
