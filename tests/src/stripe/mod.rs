//! Stripe, simulated: Checkout Sessions, the page on which a card is typed, the bank's page behind it, signed events,
//! refunds and disputes.
//!
//! ```text
//!  client ──HTTP──► server ─► register (core, no I/O) ─► event, signed ──HTTP──► the client's webhook
//!  browser ─HTTP──► page ────────┘
//! ```
//!
//! * [`register`] holds sessions, refunds, idempotency keys and the schedule of events, driven with `now`.
//! * `wire` checks requests parameter by parameter, writes Stripe's JSON, and signs.
//! * `page` is what a guest sees: buttons in place of a card.
//! * `server` is HTTP.
//!
//! Its books have a line for each payment, refund and dispute. Left out: customers, prices, payment methods other than cards, currencies' own minima, restricted keys, and the
//! limit of requests. An event is sent once and repeated only when a test says so; Stripe repeats it for three days.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub mod config;
mod page;
pub mod register;
mod server;
mod wire;

pub use config::StripeConfig;
pub use register::{Choice, Dispute, Recorded, Refund, Register, Sent, Session, State};

use crate::nas::NotInTime;
use server::Shell;

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The port is taken or the address is not this machine's.
    #[error("the Stripe simulator cannot listen on {address}")]
    Bind {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No HTTP client for the events.
    #[error("no HTTP client for events: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Stripe {
    shell: Arc<Shell>,
    address: SocketAddr,
}

impl Stripe {
    /// Starts.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: StripeConfig) -> Result<Stripe, StripeError> {
        let address = config.listen;
        let bind_error = |source| StripeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        // Events go where the configuration says, not to a proxy of the environment, and follow no redirect.
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let shell = Arc::new(Shell::new(Register::new(config, format!("http://{address}")), client));
        shell.tasks.spawn(server::serve(Arc::clone(&shell), listener));
        shell.tasks.spawn(Arc::clone(&shell).keep_time());
        Ok(Stripe { shell, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `base_url` for the client's configuration.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every session so far, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.shell.read(|register| register.sessions().to_vec())
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Sent> {
        self.shell.read(|register| register.events().to_vec())
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Recorded> {
        self.shell.read(|register| register.journal().to_vec())
    }

    /// Looks at the whole state.
    pub fn read<T>(&self, look: impl FnOnce(&Register) -> T) -> T {
        self.shell.read(look)
    }

    /// Where events are sent from now on.
    pub fn set_webhook(&self, url: &str) {
        self.shell.with(|register, _| register.config.webhook_url = Some(url.to_owned()));
    }

    /// While true, events that become due are lost.
    pub fn lose_events(&self, lost: bool) {
        self.shell.with(|register, _| register.losing = lost);
    }

    /// While true, everything is answered with 500 and an `api_error`.
    pub fn set_outage(&self, outage: bool) {
        self.shell.with(|register, _| register.outage = outage);
    }

    /// How long answers to requests are held back; what was asked for is done at once.
    pub fn set_answer_delay(&self, delay: Duration) {
        self.shell.with(|register, _| register.config.answer_delay = delay);
    }

    /// What a guest does on the page of a session, without a browser. False if the session is not open.
    pub fn choose(&self, session: &str, choice: Choice) -> bool {
        self.shell.with(|register, now| register.choose(now, session, choice).is_ok())
    }

    /// What is kept of a payment from now on, in thousandths and a fixed part, and for a dispute.
    pub fn set_fees(&self, fee: (i64, i64), dispute_fee: i64) {
        self.shell.with(|register, _| (register.config.fee, register.config.dispute_fee) = (fee, dispute_fee));
    }

    /// While true, what is kept of payments is not written down yet.
    pub fn delay_books(&self, late: bool) {
        self.shell.with(|register, _| register.books_are_late = late);
    }

    /// Lets the owner of the card dispute a paid session, and the bank take the money. False if it is not paid.
    pub fn dispute(&self, session: &str) -> bool {
        self.shell.with(|register, now| register.dispute(now, session, false))
    }

    /// The same, where the bank only asks.
    pub fn inquire(&self, session: &str) -> bool {
        self.shell.with(|register, now| register.dispute(now, session, true))
    }

    /// Decides the newest dispute of a session. False if there is none.
    pub fn decide(&self, session: &str, is_won: bool) -> bool {
        self.shell.with(|register, now| register.decide(now, session, is_won))
    }

    /// Lets the card not take what was given back. False if there is no such refund.
    pub fn fail_refund(&self, refund: &str) -> bool {
        self.shell.with(|register, now| register.fail_refund(now, refund))
    }

    /// Sends an event (once more), signed anew. False if there is no such event.
    pub fn send_again(&self, event: &str) -> bool {
        let due = self.shell.with(|register, now| register.event(now, event));
        due.map(|due| self.shell.send(due)).is_some()
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// [`NotInTime`] if it does not hold within `within`.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Register) -> bool,
    ) -> Result<(), NotInTime> {
        let mut changes = self.shell.changes();
        let held = tokio::time::timeout(within, async {
            while !self.shell.read(|register| condition(register)) {
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

impl Drop for Stripe {
    fn drop(&mut self) {
        self.shell.stop.cancel();
    }
}

/// The header `Stripe-Signature` of a body, as it is signed at that moment.
#[must_use]
pub fn sign(secret: &str, at: time::OffsetDateTime, body: &str) -> String {
    wire::signature(secret, at, body)
}

#[cfg(test)]
#[path = "stripe_tests.rs"]
mod tests;
