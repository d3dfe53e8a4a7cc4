//! Safaricom's Daraja, simulated: OAuth, STK push, its callback, STK query, reversal and Transaction Status.
//!
//! ```text
//!  client ──HTTP──► server ─► till (core, no I/O) ─► callback ──HTTP──► the client's CallBackURL
//! ```
//!
//! * [`till`] holds tokens, payments and the schedule of callbacks, driven with `now`.
//! * [`outcome`] tells what becomes of a payment: by the last digit of the number, or as a test says.
//! * [`fate`] tells what goes wrong around it: answers that are lost, reports that are dropped, late, doubled, early or
//!   wrong. Nothing, unless a test gives the odds or decrees it. [`forgery`] writes reports that M-Pesa did not send.
//! * [`back`] gives money back, and tells what became of a payment or of a reversal.
//! * [`standing`] says whether a payment of ours stands as what was really collected.
//! * `wire` checks requests field by field and writes Daraja's JSON with its odd types.
//! * `server` is HTTP; `cut` is the listener that can lose an answer; `page` shows the demo its phones.
//!
//! Left out: C2B, B2C, throttling, and the refusal of a second push while one is on the phone. A callback is sent once and
//! never repeated, as in Daraja's worst case.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub mod back;
pub mod config;
pub(crate) mod cut;
pub mod fate;
pub mod forgery;
pub mod outcome;
mod page;
mod server;
pub mod standing;
pub mod till;
mod wire;

pub use back::{Reversal, WayBack};
pub use config::DarajaConfig;
pub use fate::{Answer, Fate, Odds, Report, Says};
pub use forgery::{Forgery, Letter};
pub use outcome::{Outcome, Verdict};
pub use till::{Recorded, Till, Told, Transaction};

use crate::nas::NotInTime;
use server::Shell;

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum DarajaError {
    /// The port is taken or the address is not this machine's.
    #[error("the M-Pesa simulator cannot listen on {address}")]
    Bind {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No HTTP client for the callbacks.
    #[error("no HTTP client for callbacks: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Daraja {
    shell: Arc<Shell>,
    address: SocketAddr,
}

impl Daraja {
    /// Starts.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: DarajaConfig) -> Result<Daraja, DarajaError> {
        let address = config.listen;
        let bind_error = |source| DarajaError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        // Callbacks go where the request said, not to a proxy of the environment, and follow no redirect.
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let shell = Arc::new(Shell::new(Till::new(config), client));
        shell.tasks.spawn(server::serve(Arc::clone(&shell), listener));
        shell.tasks.spawn(Arc::clone(&shell).keep_time());
        Ok(Daraja { shell, address })
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

    /// Every payment so far, oldest first.
    #[must_use]
    pub fn transactions(&self) -> Vec<Transaction> {
        self.shell.read(|till| till.transactions().to_vec())
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Recorded> {
        self.shell.read(|till| till.journal().to_vec())
    }

    /// Looks at the whole state.
    pub fn read<T>(&self, look: impl FnOnce(&Till) -> T) -> T {
        self.shell.read(look)
    }

    /// From a push to its decision and callback, for later pushes.
    pub fn set_delay(&self, delay: Duration) {
        self.shell.with(|till, _| till.config.delay = delay);
    }

    /// How long a silent phone is waited for, for later pushes.
    pub fn set_silence(&self, silence: Duration) {
        self.shell.with(|till, _| till.config.silence = silence);
    }

    /// How long answers to pushes are held back; longer than the delay, callbacks come first.
    pub fn set_answer_delay(&self, delay: Duration) {
        self.shell.with(|till, _| till.config.answer_delay = delay);
    }

    /// Gives a number (`254…`) a story other than that of its last digit, for later pushes.
    pub fn tell(&self, phone: &str, outcome: Outcome) {
        self.shell.with(|till, _| till.tell(phone, outcome));
    }

    /// How often something goes wrong with later pushes, and with queries, by the dice of that seed.
    ///
    /// # Panics
    /// If the odds of what can become of an answer are together more than a hundred.
    pub fn set_odds(&self, odds: Odds, seed: u64) {
        let together = [odds.answer_late, odds.answer_lost, odds.answer_error, odds.push_refused].map(u32::from);
        assert!(together.iter().sum::<u32>() <= 100, "an answer has one fate: {odds:?}");
        self.shell.with(|till, _| till.set_odds(odds, seed));
    }

    /// Gives a number (`254…`) this fate, for later pushes, whatever the odds. Who pays is still the outcome's.
    pub fn decree(&self, phone: &str, fate: Fate) {
        self.shell.with(|till, _| till.decree(phone, fate));
    }

    /// What becomes of reversals from now on.
    pub fn set_way_back(&self, way: WayBack) {
        self.shell.with(|till, _| till.way_back = way);
    }

    /// Every reversal that was heard of, oldest first.
    #[must_use]
    pub fn reversals(&self) -> Vec<Reversal> {
        self.shell.read(|till| till.reversals().to_vec())
    }

    /// While true, everything is answered with 503 and errorCode 500.002.1001.
    pub fn set_outage(&self, outage: bool) {
        self.shell.with(|till, _| till.outage = outage);
    }

    /// Makes every token invalid.
    pub fn forget_tokens(&self) {
        self.shell.with(|till, _| till.forget_tokens());
    }

    /// Sends the callback of a payment (once more), whatever its story, fate and schedule; it tells the truth. False if
    /// there is no such payment.
    pub fn call_back(&self, checkout_request_id: &str) -> bool {
        let callback = self.shell.read(|till| till.callback(till.index_of(checkout_request_id)?, Says::Truth));
        callback.map(|callback| self.shell.send(callback)).is_some()
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// [`NotInTime`] if it does not hold within `within`.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Till) -> bool,
    ) -> Result<(), NotInTime> {
        let mut changes = self.shell.changes();
        let held = tokio::time::timeout(within, async {
            while !self.shell.read(|till| condition(till)) {
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

impl Drop for Daraja {
    fn drop(&mut self) {
        self.shell.stop.cancel();
    }
}

#[cfg(test)]
#[path = "daraja_tests.rs"]
mod tests;
