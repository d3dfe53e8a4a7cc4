//! The router with its sockets: gives the core its `now`, sends its reports, and asks the server on its behalf.
//!
//! Everything goes through [`Shell::with`], which holds the lock for one step of the core, never across an
//! await. A login and a report run in tasks of their own, so that a browser that hangs up in the middle
//! leaves nothing half done. Two tokens end tasks: `power` at a power cut, and `stop`, its parent, at the end
//! of the simulator.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use radius_proto::password::chap;
use radius_proto::{Code, MAX_PACKET, Packet};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::client::{self, Outcome};
use super::config::{Misbehaviour, NasConfig};
use super::dynauth;
use super::journal::Delivery;
use super::mac::Mac;
use super::packet::{self, Access, Injected, Proof};
use super::router::{Challenge, Refusal, Report, Router};
use super::session::{Attempt, LoginMethod};
use super::terms::Terms;

/// What came of a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoginOutcome {
    /// The server said yes and the session has begun.
    Accepted {
        /// Acct-Session-Id.
        session_id: String,
        /// The phone's address.
        ip: Ipv4Addr,
        /// Attributes of the Accept.
        terms: Box<Terms>,
    },
    /// The server said no.
    Rejected {
        /// Its Reply-Message, or RouterOS' own words.
        message: String,
    },
    /// Three transmissions without a valid answer.
    Timeout,
    /// The router itself said no.
    Refused(Refusal),
}

impl LoginOutcome {
    /// Whether the phone is online now.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, LoginOutcome::Accepted { .. })
    }

    /// Attributes of the Accept.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            LoginOutcome::Accepted { terms, .. } => Some(terms),
            _ => None,
        }
    }

    /// `$(error)` of the login page; `None` when there is no error.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match self {
            LoginOutcome::Accepted { .. } => None,
            LoginOutcome::Rejected { message } => Some(message.clone()),
            LoginOutcome::Timeout => Some("RADIUS server is not responding".to_owned()),
            LoginOutcome::Refused(refusal) => Some(refusal.to_string()),
        }
    }
}

/// A login as it was asked for.
pub(crate) struct Login {
    pub(crate) mac: Mac,
    pub(crate) user: String,
    pub(crate) method: LoginMethod,
    pub(crate) proof: Proof,
    pub(crate) injected: Vec<Injected>,
}

/// A running router.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) config: NasConfig,
    /// `http://` and what browsers know the servlet by.
    pub(crate) hotspot_url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    power: Mutex<CancellationToken>,
    router: Mutex<Router>,
    misbehaviour: Mutex<Misbehaviour>,
    changed: watch::Sender<u64>,
    identifier: AtomicU8,
    started: Instant,
    started_unix: Duration,
}

impl Shell {
    pub(crate) fn new(config: NasConfig, hotspot_url: String) -> Shell {
        let stop = CancellationToken::new();
        Shell {
            router: Mutex::new(Router::new(config.clone())),
            config,
            hotspot_url,
            power: Mutex::new(stop.child_token()),
            stop,
            tasks: TaskTracker::new(),
            misbehaviour: Mutex::default(),
            changed: watch::Sender::new(0),
            identifier: AtomicU8::new(0),
            started: Instant::now(),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// One step of the core: what is due first, then `act`, then its reports are sent.
    pub(crate) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut Router, Duration) -> T) -> T {
        let mut router = lock(&self.router);
        let now = self.started.elapsed();
        router.poll(now);
        let answer = act(&mut router, now);
        let reports = router.take_reports();
        drop(router);
        for report in reports {
            self.tasks.spawn(Arc::clone(self).deliver(report, self.power()));
        }
        self.notify();
        answer
    }

    /// A look at the core. It may be behind: what has become due since the last step has not been done.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Router, Duration) -> T) -> T {
        let router = lock(&self.router);
        look(&router, self.started.elapsed())
    }

    /// Tells when the state has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn misbehaviour(&self) -> Misbehaviour {
        *lock(&self.misbehaviour)
    }

    pub(crate) fn misbehave(&self, misbehaviour: Misbehaviour) {
        *lock(&self.misbehaviour) = misbehaviour;
    }

    /// Cuts the power and gives it back.
    pub(crate) fn power_cycle(self: &Arc<Self>) {
        let before = std::mem::replace(&mut *lock(&self.power), self.stop.child_token());
        before.cancel();
        self.with(Router::power_cycle);
        info!("power cut: every session is gone without a Stop; Accounting-On is sent");
    }

    /// A phone joins the Wi-Fi. With `login-by=mac` a new one is tried by its address at once; `again` also
    /// tries one that was there.
    pub(crate) async fn join(self: &Arc<Self>, mac: Mac, again: bool) -> Result<Option<LoginOutcome>, Refusal> {
        let (new, online) = self.with(|router, now| (router.join(now, mac), router.session(mac).is_some()));
        if (!new? && !again) || online || !self.config.login_by.mac {
            return Ok(None);
        }
        Ok(Some(self.login_mac(mac).await))
    }

    /// Logs a phone in by its address: an empty password, as CHAP where the hotspot does CHAP.
    pub(crate) async fn login_mac(self: &Arc<Self>, mac: Mac) -> LoginOutcome {
        let proof = if self.config.login_by.http_chap {
            chap_proof(self.with(|router, now| router.own_challenge(now)), b"")
        } else {
            Proof::Pap { password: Vec::new() }
        };
        self.login(Login { mac, user: mac.to_string(), method: LoginMethod::Mac, proof, injected: Vec::new() }).await
    }

    /// Logs a phone in: asks the server, and begins the session if it says yes.
    pub(crate) async fn login(self: &Arc<Self>, login: Login) -> LoginOutcome {
        let task = self.tasks.spawn(Arc::clone(self).run_login(login));
        // The task ends only by finishing; a panic in it is a bug of the simulator.
        task.await.unwrap_or(LoginOutcome::Timeout)
    }

    async fn run_login(self: Arc<Self>, login: Login) -> LoginOutcome {
        let begun = self.with(|router, now| {
            let attempt = router.begin_login(now, login.mac, &login.user, login.method)?;
            Ok((attempt, router.authenticator()))
        });
        let outcome = match begun {
            Ok((attempt, authenticator)) => self.ask(&login, attempt, authenticator).await,
            Err(refusal) => LoginOutcome::Refused(refusal),
        };
        if matches!(outcome, LoginOutcome::Refused(_)) {
            self.with(|router, _| router.stats.refusals += 1);
        }
        match outcome.error() {
            None => {
                info!(mac = %login.mac, user = login.user, "logged in by {}", login.method.word())
            }
            Some(error) => {
                info!(mac = %login.mac, user = login.user, error, "login by {} failed", login.method.word())
            }
        }
        outcome
    }

    async fn ask(self: &Arc<Self>, login: &Login, attempt: Attempt, authenticator: [u8; 16]) -> LoginOutcome {
        let access = Access {
            config: &self.config,
            attempt: &attempt,
            proof: &login.proof,
            injected: &login.injected,
            hotspot_url: &self.hotspot_url,
        };
        let Ok(bytes) = packet::access_request(&access, self.next_identifier(), authenticator) else {
            self.with(|router, now| router.finish_login(now, attempt, None)).ok();
            return LoginOutcome::Refused(Refusal::InvalidUsername);
        };
        let asked = self.power().run_until_cancelled_owned(self.exchange(&bytes, true)).await;
        let reply = asked.unwrap_or_default().reply;
        let parsed = reply.as_deref().and_then(|bytes| Packet::parse(bytes).ok());
        let Some(reply) = parsed else {
            self.with(|router, now| router.finish_login(now, attempt, None)).ok();
            return LoginOutcome::Timeout;
        };
        let terms = Terms::read(&reply);
        let accepted = reply.code() == Code::AccessAccept;
        let (session_id, ip) = (attempt.session_id(), attempt.ip);
        let begun = self.with(|router, now| {
            *(if accepted { &mut router.stats.accepts } else { &mut router.stats.rejects }) += 1;
            router.finish_login(now, attempt, accepted.then(|| terms.clone()))
        });
        match begun {
            Err(refusal) => LoginOutcome::Refused(refusal),
            Ok(()) if accepted => LoginOutcome::Accepted { session_id, ip, terms: Box::new(terms) },
            Ok(()) => {
                let message = terms.reply_message.unwrap_or_else(|| Refusal::InvalidUsername.to_string());
                LoginOutcome::Rejected { message }
            }
        }
    }

    /// Sends a report until it is acknowledged, given up, or the power goes.
    async fn deliver(self: Arc<Self>, report: Report, power: CancellationToken) {
        let identifier = self.next_identifier();
        let happened = (self.started_unix + report.at).as_secs();
        let unix_time = u32::try_from(happened).unwrap_or(u32::MAX);
        let outcome = match packet::accounting_request(&self.config, &report, identifier, unix_time) {
            Ok(bytes) => power.run_until_cancelled(self.exchange(&bytes, false)).await,
            Err(error) => {
                warn!(%error, "a report does not fit into a packet");
                None
            }
        };
        let delivery = match &outcome {
            Some(Outcome { reply: Some(_), .. }) => Delivery::Acknowledged,
            Some(Outcome { transmissions, .. }) => {
                warn!(kind = ?report.kind, transmissions, "no answer to an accounting report; it is dropped");
                Delivery::Dropped
            }
            // The power went while it was on its way.
            None => Delivery::Dropped,
        };
        let transmissions = outcome.map_or(0, |outcome| outcome.transmissions);
        self.with(|router, _| {
            let counter = match delivery {
                Delivery::Acknowledged => &mut router.stats.acct_acknowledged,
                Delivery::Dropped | Delivery::Pending => &mut router.stats.acct_dropped,
            };
            *counter += 1;
            router.settle(&report, identifier, transmissions, delivery);
        });
    }

    /// One request to the server, and to the backup if that does not answer, counted.
    async fn exchange(self: &Arc<Self>, bytes: &[u8], access: bool) -> Outcome {
        let first = if access { self.config.auth } else { self.config.acct };
        let mut outcome = self.exchange_with(first, bytes, access).await;
        let backup = self.config.backup.filter(|_| outcome.reply.is_none());
        if let Some((auth, acct)) = backup {
            let second = self.exchange_with(if access { auth } else { acct }, bytes, access).await;
            outcome = Outcome {
                transmissions: outcome.transmissions.saturating_add(second.transmissions),
                bad_replies: outcome.bad_replies + second.bad_replies,
                lost_replies: outcome.lost_replies + second.lost_replies,
                ..second
            };
        }
        self.with(|router, _| {
            let stats = &mut router.stats;
            *(if access { &mut stats.requests } else { &mut stats.acct_requests }) += 1;
            stats.resends += u64::from(outcome.transmissions.saturating_sub(1));
            stats.bad_replies += outcome.bad_replies;
            stats.lost_replies += outcome.lost_replies;
            match &outcome.reply {
                Some(_) => {
                    stats.last_request_rtt_us = u64::try_from(outcome.round_trip.as_micros()).unwrap_or(u64::MAX)
                }
                None if access => stats.timeouts += 1,
                None => {}
            }
        });
        outcome
    }

    /// One request to one server.
    async fn exchange_with(self: &Arc<Self>, server: SocketAddr, bytes: &[u8], access: bool) -> Outcome {
        let request = client::Request {
            bind: self.config.bind,
            server,
            bytes,
            secret: &self.config.secret,
            timeout: self.config.timeout,
            // RouterOS asks for Message-Authenticator in answers to Access-Requests only.
            require_message_auth: access && self.config.require_message_auth,
        };
        let outcome = client::exchange(&request, || !self.misbehaviour().lose_replies).await;
        outcome.unwrap_or_else(|error| {
            warn!(%error, "cannot open a socket for a RADIUS request");
            Outcome::default()
        })
    }

    /// Does what becomes due, when it becomes due.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            let wait = self.read(|router, now| router.next_deadline().map(|at| at.saturating_sub(now)));
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = changes.changed() => {}
                () = due => self.with(|_, _| ()),
            }
        }
    }

    /// Answers Disconnect and CoA.
    pub(crate) async fn serve_coa(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut buf = [0; MAX_PACKET];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = socket.recv_from(&mut buf) => received,
            };
            // An ICMP error for an earlier answer shows here; it says nothing about this socket.
            let Ok((length, peer)) = received else {
                continue;
            };
            let Misbehaviour { coa, coa_delay, .. } = self.misbehaviour();
            let reply = self.with(|router, now| dynauth::answer(router, now, &self.config, coa, &buf[..length]));
            let kind = reply.as_ref().and_then(|bytes| Code::from_u8(bytes[0])).map_or("no answer", Code::name);
            info!(%peer, "a request on the CoA port: {kind}");
            let Some(reply) = reply else { continue };
            let socket = Arc::clone(&socket);
            self.tasks.spawn(self.power().run_until_cancelled_owned(async move {
                tokio::time::sleep(coa_delay).await;
                // Nobody repeats an answer that could not be sent; the server will ask again.
                drop(socket.send_to(&reply, peer).await);
            }));
        }
    }

    fn power(&self) -> CancellationToken {
        lock(&self.power).clone()
    }

    /// One counter for authentication and accounting, as on RouterOS.
    fn next_identifier(&self) -> u8 {
        self.identifier.fetch_add(1, Ordering::Relaxed)
    }

    fn notify(&self) {
        self.changed.send_modify(|revision| *revision = revision.wrapping_add(1));
    }
}

/// The answer to a challenge.
pub(crate) fn chap_proof(challenge: Challenge, password: &[u8]) -> Proof {
    let response = chap::response(challenge.id, password, &challenge.octets);
    Proof::Chap { challenge: challenge.octets, response }
}

/// Binds the CoA port, with the error that a person needs.
pub(crate) async fn bind_coa(address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    UdpSocket::bind((IpAddr::V4(address), port)).await
}

/// A poisoned lock is entered: the state is a simulator's, and the panic has failed the test already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
