//! A hotspot router of RouterOS, simulated: the NAS that tests and the demo log in through.
//!
//! ```text
//!  browser ──HTTP──► web, form, pages ─┐                    ┌─ client ──UDP──► RADIUS server
//!  test ───────────► Nas ──────────────┼─► shell ─► router ─┤
//!  RADIUS server ──UDP 3799──► dynauth ┘      (core, no I/O)└─ journal (what was reported, what was acknowledged)
//! ```
//!
//! * [`router`] is the core: hosts, sessions, limits, counters and session ids, driven with `now`;
//!   [`session`], [`terms`] and [`rate`] are its parts.
//! * `packet` writes requests in RouterOS' order; `client` sends each three times and checks the answer;
//!   `dynauth` answers Disconnect and CoA with RouterOS' quirks.
//! * `shell` gives the core its sockets and its clock; `web`, `form` and `pages` are the HTTP servlet, `rest` the REST API;
//!   `guests` are phones that come and go by themselves.
//!
//! What is simulated is what a server can observe: packets, pages, and the moments of both. There is no
//! traffic: octets are told to the router. What no source documents of RouterOS is a setting of
//! [`NasConfig`]. Left out: PPP, DHCP, cookies of the hotspot, trial users, HTTPS, a walled garden (browsers
//! reach the portal anyway).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

mod client;
pub mod config;
mod dynauth;
mod form;
mod guests;
pub mod journal;
pub mod mac;
mod packet;
mod pages;
pub mod rate;
mod rest;
pub mod router;
pub mod session;
mod shell;
mod state;
pub mod stats;
pub mod terms;
mod web;

pub use config::{CoaBehaviour, LoginBy, Misbehaviour, NasConfig, RestBehaviour};
pub use guests::Guests;
pub use journal::{Delivery, Entry, Journal, ReportKind};
pub use mac::Mac;
pub use router::{Refusal, Router};
pub use session::{LoginMethod, Session, Usage};
pub use shell::LoginOutcome;
pub use stats::Stats;
pub use terms::Terms;

use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;

use packet::Proof;
use shell::{Login, Shell, chap_proof};

/// Why a router could not be switched on.
#[derive(Debug, thiserror::Error)]
pub enum NasError {
    /// A port is taken or the address is not this machine's.
    #[error("the {what} of the router cannot listen on {address}")]
    Bind {
        /// Which listener.
        what: &'static str,
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A condition that did not come true in time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("after {within:?} still not true: {what}")]
pub struct NotInTime {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub within: Duration,
}

/// A running simulated router. Dropping it stops it, as a power cut does.
#[derive(Debug)]
pub struct Nas {
    shell: Arc<Shell>,
    http: SocketAddr,
    coa: SocketAddr,
}

impl Nas {
    /// Switches a router on: binds its ports, serves, and sends Accounting-On.
    ///
    /// # Errors
    /// If a port cannot be bound.
    pub async fn start(config: NasConfig) -> Result<Nas, NasError> {
        let bind_error = |what, port| {
            let address = SocketAddr::from((config.bind, port));
            move |source| NasError::Bind { what, address, source }
        };
        let listener = TcpListener::bind((config.bind, config.http_port)).await;
        let listener = listener.map_err(bind_error("web servlet", config.http_port))?;
        let coa_socket = shell::bind_coa(config.bind, config.coa_port).await;
        let coa_socket = coa_socket.map_err(bind_error("CoA port", config.coa_port))?;
        let http = listener.local_addr().map_err(bind_error("web servlet", config.http_port))?;
        let coa = coa_socket.local_addr().map_err(bind_error("CoA port", config.coa_port))?;
        let host = config.hotspot_host.clone().unwrap_or_else(|| http.to_string());
        let shell = Arc::new(Shell::new(config, format!("http://{host}")));
        shell.tasks.spawn(web::serve(Arc::clone(&shell), listener));
        shell.tasks.spawn(Arc::clone(&shell).serve_coa(coa_socket));
        shell.tasks.spawn(Arc::clone(&shell).keep_time());
        // The first step sends Accounting-On.
        shell.with(|_, _| ());
        Ok(Nas { shell, http, coa })
    }

    /// Where the servlet listens.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where Disconnect and CoA are taken.
    #[must_use]
    pub fn coa_addr(&self) -> SocketAddr {
        self.coa
    }

    /// `http://HOST:PORT` of the servlet as browsers know it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shell.hotspot_url
    }

    /// A phone joins the Wi-Fi; with `login-by=mac` it is tried by its address and that outcome returned.
    ///
    /// # Errors
    /// If there is no address for it.
    pub async fn join(&self, mac: Mac) -> Result<Option<LoginOutcome>, Refusal> {
        self.shell.join(mac, true).await
    }

    /// A phone goes out of reach: Lost-Service if it was logged in.
    pub fn leave(&self, mac: Mac) {
        self.shell.with(|router, now| router.leave(now, mac));
    }

    /// Logs in with a clear password.
    pub async fn login_pap(&self, mac: Mac, user: &str, password: &str) -> LoginOutcome {
        let proof = Proof::Pap { password: password.as_bytes().to_vec() };
        self.login(mac, user, LoginMethod::HttpPap, proof).await
    }

    /// Logs in with the answer to a challenge, as the page's script would make it.
    pub async fn login_chap(&self, mac: Mac, user: &str, password: &str) -> LoginOutcome {
        let challenge = self.shell.with(|router, now| router.own_challenge(now));
        self.login(mac, user, LoginMethod::HttpChap, chap_proof(challenge, password.as_bytes())).await
    }

    /// Logs in by the phone's address.
    pub async fn login_mac(&self, mac: Mac) -> LoginOutcome {
        self.shell.login_mac(mac).await
    }

    async fn login(&self, mac: Mac, user: &str, method: LoginMethod, proof: Proof) -> LoginOutcome {
        self.shell.login(Login { mac, user: user.to_owned(), method, proof, injected: Vec::new() }).await
    }

    /// Traffic of a phone, in octets: what was let through, or `None` when it is not logged in.
    pub fn traffic(&self, mac: Mac, up: u64, down: u64) -> Option<(u64, u64)> {
        self.shell.with(|router, now| router.traffic(now, mac, up, down))
    }

    /// The user presses "log out". False if the phone was not logged in.
    pub fn logout(&self, mac: Mac) -> bool {
        self.shell.with(|router, now| router.end(now, mac, cause::USER_REQUEST))
    }

    /// The phone's session.
    #[must_use]
    pub fn session(&self, mac: Mac) -> Option<Session> {
        self.shell.with(|router, _| router.session(mac).cloned())
    }

    /// Sends an Interim-Update out of turn. False if the phone is not logged in.
    pub fn interim_now(&self, mac: Mac) -> bool {
        self.shell.with(|router, now| router.interim_now(now, mac))
    }

    /// The phone's session is gone and nobody is told: no Stop. False if there is none.
    pub fn forget(&self, mac: Mac) -> bool {
        self.shell.with(|router, _| router.forget(mac))
    }

    /// Cuts the power and gives it back: no Stops, a new boot nibble, Accounting-On.
    pub fn reboot(&self) {
        self.shell.power_cycle();
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shell.read(|router, _| router.stats().clone())
    }

    /// Every accounting report so far and what became of it.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.shell.read(|router, _| router.journal().entries().to_vec())
    }

    /// Looks at the whole state.
    pub fn read<T>(&self, look: impl FnOnce(&Router) -> T) -> T {
        self.shell.read(|router, _| look(router))
    }

    /// Makes something go wrong from now on; `Misbehaviour::default()` ends it.
    pub fn misbehave(&self, misbehaviour: Misbehaviour) {
        self.shell.misbehave(misbehaviour);
    }

    /// Sends phones that log in, use the network and leave, until the router stops.
    pub fn run_guests(&self, guests: Guests) {
        guests.run(&self.shell);
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// [`NotInTime`] if it does not hold within `within`.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Router) -> bool,
    ) -> Result<(), NotInTime> {
        let mut changes = self.shell.changes();
        let held = tokio::time::timeout(within, async {
            while !self.shell.read(|router, _| condition(router)) {
                // The sender lives as long as the shell; a change that came in between is seen at once.
                changes.changed().await.ok();
            }
        });
        held.await.map_err(|_| NotInTime { what: what.to_owned(), within })
    }

    /// Switches the router off, as a power cut does: nobody is logged out and nothing is sent.
    pub async fn shutdown(self) {
        self.shell.stop.cancel();
        self.shell.tasks.close();
        self.shell.tasks.wait().await;
    }
}

impl Drop for Nas {
    fn drop(&mut self) {
        self.shell.stop.cancel();
    }
}

#[cfg(test)]
#[path = "nas_tests.rs"]
mod tests;
