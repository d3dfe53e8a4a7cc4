//! Text messages by two providers, of which one takes over where the other cannot.
//!
//! ```text
//!  Sms::send ──► africastalking ─┐
//!      │                         ├─► wire (HTTP) ──► the provider
//!      └─ next ► twilio ─────────┘                      │
//!     store ◄── delivery ◄── Report::parse ◄── Form ◄──────┘ (its report, later)
//! ```
//!
//! * [`africastalking`], [`twilio`] – one request to the provider, what its answer means, what its reports mean;
//! * [`delivery`] – reports in one vocabulary, and which of them count;
//! * `wire` – HTTP within bounds.
//!
//! Every answer becomes a [`Sent`]. The next provider is asked only when certainly nothing was sent and the reason is
//! the provider's own; a message of which nobody knows whether it was sent stays [`Sent::Unknown`], since neither
//! provider has an idempotency key and a second request may be a second message.
//!
//! Nothing here knows a database, tries again later, or counts what a day has cost: [`config::Sms::cost_limit`] is for
//! whoever keeps the messages. No phone number and no text is logged or kept in a result.

use std::time::Duration;

use shared::config::{self, SmsProvider};
use shared::money::Money;
use shared::phone::Phone;
use shared::sms::{cost, to_gsm7_friendly};
use url::Url;

pub mod africastalking;
pub mod delivery;
pub mod twilio;
mod wire;

pub use africastalking::AfricasTalking;
pub use delivery::{Delivery, Form, Unreadable};
pub use twilio::Twilio;

/// Most segments of a text that is sent: each is paid for, and Twilio takes no more than 1600 letters.
pub const SEGMENTS_MAX: u32 = 10;

/// What became of asking for a text to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent {
    /// A provider has taken it. Whether it arrives is what reports tell.
    Accepted {
        /// The provider's reference, by which reports name it.
        reference: String,
        /// What it costs, where the provider tells at once.
        cost: Option<Money>,
        /// Messages that are charged; counted here where the provider does not tell.
        segments: u32,
    },
    /// Certainly nothing was sent.
    Refused {
        /// Whether the number or the text is the reason, so that every provider would refuse, or must not be asked to
        /// get around somebody's wish. Otherwise the reason is the provider's: its key, balance, sender, route, state.
        permanent: bool,
        /// The provider's code, or a word of ours.
        code: String,
        /// The provider's text, without phone numbers.
        text: String,
    },
    /// It may have been sent or not; why there is no answer.
    Unknown(String),
}

/// Whether the next provider is asked when it is not known what became of a message at the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterUnknown {
    /// No: better no message than two.
    Stop,
    /// Yes: better two messages than none, such as for a code that somebody waits for.
    AskNext,
}

/// What became of a message, and who said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What is known of the message.
    pub sent: Sent,
    /// Whose word that is; `None` if nobody was asked.
    pub provider: Option<SmsProvider>,
    /// What the others that were asked said, in the order in which they were asked.
    pub others: Vec<(SmsProvider, Sent)>,
}

/// Why the clients cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Neither http nor https.
    #[error("{0} must begin with https:// (or http:// for a simulator)")]
    NotHttp(&'static str),
    /// A provider is to be asked that is not set up.
    #[error("sms.providers names {0}, which has no section")]
    NoSection(&'static str),
    /// TLS or the resolver cannot be prepared.
    #[error("the SMS client cannot be prepared: {0}")]
    Client(#[from] reqwest::Error),
}

/// The providers, in the order in which they are asked. One per process.
#[derive(Debug)]
pub struct Sms {
    gateways: Vec<Gateway>,
    timeout: Duration,
}

#[derive(Debug)]
enum Gateway {
    AfricasTalking(AfricasTalking),
    Twilio(Twilio),
}

impl Sms {
    /// Prepares the clients; nothing is sent. `twilio_reports` is the public address to which Twilio is told to report;
    /// that of Africa's Talking is set in its dashboard.
    ///
    /// # Errors
    /// When a base URL is not http or https, or TLS cannot be prepared.
    pub fn new(settings: &config::Sms, twilio_reports: Option<&Url>) -> Result<Sms, SetupError> {
        let open = |provider| Gateway::open(provider, settings, twilio_reports);
        let gateways = settings.order().into_iter().map(open).collect::<Result<Vec<Gateway>, SetupError>>()?;
        Ok(Sms { gateways, timeout: settings.timeout() })
    }

    /// The longest that [`Sms::send`] takes: every provider is asked, and none answers.
    pub fn longest(&self) -> Duration {
        self.timeout * u32::try_from(self.gateways.len()).unwrap_or(u32::MAX)
    }

    /// Twilio, if it is asked: its reports are checked with its token.
    pub fn twilio(&self) -> Option<&Twilio> {
        self.gateways.iter().find_map(|gateway| match gateway {
            Gateway::Twilio(twilio) => Some(twilio),
            Gateway::AfricasTalking(_) => None,
        })
    }

    /// Sends a text, written plainly ([`to_gsm7_friendly`]), by the first provider that takes it.
    ///
    /// An empty text, and one of more than [`SEGMENTS_MAX`] segments, is refused without asking anybody.
    pub async fn send(&self, to: &Phone, text: &str, after_unknown: AfterUnknown) -> Outcome {
        let text = to_gsm7_friendly(text);
        if text.trim().is_empty() {
            return Outcome::unasked(Sent::text_refused("empty", "the text is empty"));
        }
        if cost(&text).segments > SEGMENTS_MAX {
            return Outcome::unasked(Sent::text_refused("too-long", "the text has too many segments"));
        }
        let mut outcome = Outcome::unasked(Sent::provider_refused("none", "no provider is set up"));
        let mut gateways = self.gateways.iter().peekable();
        while let Some(gateway) = gateways.next() {
            let sent = gateway.send(to, &text).await;
            let goes_on = gateways.peek().is_some() && !sent.is_final(after_unknown);
            if goes_on {
                let provider = gateway.provider().as_str();
                tracing::warn!(provider, to = %to.masked(), ?sent, "an SMS provider has failed; the next one is asked");
            }
            outcome.add(gateway.provider(), sent);
            if !goes_on {
                break;
            }
        }
        outcome
    }
}

impl Gateway {
    fn open(
        provider: SmsProvider,
        settings: &config::Sms,
        twilio_reports: Option<&Url>,
    ) -> Result<Gateway, SetupError> {
        let (missing, timeout) = (SetupError::NoSection(provider.as_str()), settings.timeout());
        match provider {
            SmsProvider::AfricasTalking => {
                let section = settings.africastalking.as_ref().ok_or(missing)?;
                Ok(Gateway::AfricasTalking(AfricasTalking::new(section, timeout)?))
            }
            SmsProvider::Twilio => {
                let section = settings.twilio.as_ref().ok_or(missing)?;
                Ok(Gateway::Twilio(Twilio::new(section, timeout, twilio_reports)?))
            }
        }
    }

    fn provider(&self) -> SmsProvider {
        match self {
            Gateway::AfricasTalking(_) => SmsProvider::AfricasTalking,
            Gateway::Twilio(_) => SmsProvider::Twilio,
        }
    }

    async fn send(&self, to: &Phone, text: &str) -> Sent {
        match self {
            Gateway::AfricasTalking(client) => client.send(to, text).await,
            Gateway::Twilio(client) => client.send(to, text).await,
        }
    }
}

impl Sent {
    /// Whether nobody else is asked after this.
    fn is_final(&self, after_unknown: AfterUnknown) -> bool {
        match self {
            Sent::Accepted { .. } => true,
            Sent::Refused { permanent, .. } => *permanent,
            Sent::Unknown(_) => after_unknown == AfterUnknown::Stop,
        }
    }

    /// What it is called in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Sent::Accepted { .. } => "accepted",
            Sent::Refused { .. } => "refused",
            Sent::Unknown(_) => "unknown",
        }
    }

    fn provider_refused(code: &str, text: &str) -> Sent {
        Sent::Refused { permanent: false, code: code.to_owned(), text: text.to_owned() }
    }

    fn text_refused(code: &str, text: &str) -> Sent {
        Sent::Refused { permanent: true, code: code.to_owned(), text: text.to_owned() }
    }
}

impl Outcome {
    fn unasked(sent: Sent) -> Outcome {
        Outcome { sent, provider: None, others: Vec::new() }
    }

    /// Takes up what the next provider said. Once a message may have been sent, only its acceptance is news: that
    /// another provider refuses it does not make it certain that nothing was sent.
    fn add(&mut self, provider: SmsProvider, sent: Sent) {
        if matches!(self.sent, Sent::Unknown(_)) && !matches!(sent, Sent::Accepted { .. }) {
            self.others.push((provider, sent));
            return;
        }
        let before = std::mem::replace(&mut self.sent, sent);
        if let Some(asked) = self.provider.replace(provider) {
            self.others.push((asked, before));
        }
    }
}

#[cfg(test)]
mod tests;
