//! Who comes in: a TCP connection becomes a TLS connection, and its certificate a registered router.
//!
//! Everything before that is bounded, since anyone can connect: connections altogether, handshakes of one address, the
//! time of one handshake. Who is turned away is counted by reason, and logged now and then with the names that were
//! found, so that the operator can register them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{CertificateError, ServerConnection};
use shared::config;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use super::Stop;
use super::certificates::Certificates;
use super::connection::{self, Owner, Reason};
use super::live::{Live, may_come_from};
use super::names::{self, Holder};
use super::session;
use crate::pipeline::Pipeline;

/// Handshakes of one address at the same time: a site of routers behind one address comes back together after an
/// outage, and one stranger must not take all places.
const MAX_HANDSHAKES_OF_ONE: usize = 64;
/// After a failure to take a connection (no file descriptor is left), wait this long.
const PAUSE: Duration = Duration::from_millis(100);

/// What all listeners share.
pub(super) struct Door {
    certificates: Arc<Certificates>,
    pipeline: Arc<Pipeline>,
    live: Arc<Live>,
    stop: Stop,
    background: TaskTracker,
    places: Arc<Semaphore>,
    handshakes: Mutex<HashMap<IpAddr, usize>>,
    patience: Duration,
    idle: Duration,
}

/// Why somebody is turned away.
enum Refusal {
    /// The TLS handshake failed.
    Handshake(std::io::Error),
    /// It took too long.
    TooSlow,
    /// The certificate names no registered router.
    UnknownName(Vec<String>),
    /// The router is registered with another address.
    WrongAddress(String),
}

impl Door {
    pub(super) fn new(
        settings: &config::RadSec,
        certificates: &Arc<Certificates>,
        pipeline: &Arc<Pipeline>,
        live: &Arc<Live>,
        stop: &Stop,
        background: &TaskTracker,
    ) -> Door {
        Door {
            certificates: Arc::clone(certificates),
            pipeline: Arc::clone(pipeline),
            live: Arc::clone(live),
            stop: stop.clone(),
            background: background.clone(),
            places: Arc::new(Semaphore::new(settings.max_connections)),
            handshakes: Mutex::default(),
            patience: Duration::from_secs(settings.handshake_seconds),
            idle: Duration::from_secs(settings.idle_seconds),
        }
    }

    /// Takes connections until the server stops.
    pub(super) async fn open(self: Arc<Self>, listener: TcpListener, readers: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.listening.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, &readers),
                Err(error) => {
                    self.complain("radsec_accept", |more| {
                        tracing::warn!(%error, more, "a RadSec connection could not be taken");
                    });
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Gives a connection a place and a task, if there is one left.
    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, readers: &TaskTracker) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.count("no_place");
            return self.complain("radsec_no_place", |more| {
                tracing::warn!(%peer, more, "a RadSec connection was turned away: radsec.max_connections are open");
            });
        };
        let Some(turn) = Turn::take(self, peer.ip()) else {
            self.count("too_many_handshakes");
            return self.complain("radsec_too_many_handshakes", |more| {
                tracing::warn!(%peer, more, "a RadSec connection was turned away: its address has too many in their handshake");
            });
        };
        let door = Arc::clone(self);
        readers.spawn(async move {
            let admitted = tokio::select! {
                () = door.stop.listening.cancelled() => return,
                admitted = door.admit(stream, peer) => admitted,
            };
            drop(turn);
            match admitted {
                Ok((stream, owner)) => {
                    door.count("accepted");
                    door.serve(stream, peer, owner).await;
                }
                Err(refusal) => door.refuse(peer, &refusal),
            }
            drop(place);
        });
    }

    /// The handshake, and who has made it.
    async fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Result<(TlsStream<TcpStream>, Owner), Refusal> {
        // Answers are small and each is waited for. Failing to say so costs time, not correctness.
        drop(stream.set_nodelay(true));
        let handshake = TlsAcceptor::from(self.certificates.tls()).accept(stream);
        let stream = match tokio::time::timeout(self.patience, handshake).await {
            Ok(finished) => finished.map_err(Refusal::Handshake)?,
            Err(_) => return Err(Refusal::TooSlow),
        };
        let owner = self.identify(stream.get_ref().1, peer)?;
        Ok((stream, owner))
    }

    /// The registered router that the certificate names (RFC 6614 §2.3).
    fn identify(&self, session: &ServerConnection, peer: SocketAddr) -> Result<Owner, Refusal> {
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let holder = certificate.and_then(|certificate| names::read(certificate));
        let Some(Holder { names, not_after }) = holder else { return Err(Refusal::UnknownName(Vec::new())) };
        let registry = self.pipeline.clients.load();
        let found = names.iter().find_map(|name| Some((name, registry.by_radsec_name(name)?)));
        let Some((name, client)) = found else { return Err(Refusal::UnknownName(names)) };
        if !may_come_from(client, peer) {
            return Err(Refusal::WrongAddress(client.name.clone()));
        }
        let certificate_name = name.clone();
        Ok(Owner { nas: client.id, nas_name: client.name.clone(), certificate_name, not_after })
    }

    /// Reads the connection to its end; what is to be written goes on in the background.
    async fn serve(&self, stream: TlsStream<TcpStream>, peer: SocketAddr, owner: Owner) {
        let connection = self.live.add(peer, owner);
        let (nas, tls) = (connection.owner.nas_name.clone(), stream.get_ref().1.protocol_version());
        self.pipeline
            .metrics
            .radsec_router_not_after
            .with_label_values(&[&nas])
            .set(connection.owner.not_after.unix_timestamp());
        tracing::info!(%nas, %peer, name = %connection.owner.certificate_name, ?tls, "a router has connected by RadSec");
        connection.hear(self.pipeline.clock.monotonic());
        let (reading, writing) = tokio::io::split(stream);
        self.background.spawn({
            let (connection, live, metrics) =
                (Arc::clone(&connection), Arc::clone(&self.live), self.pipeline.metrics.clone());
            let answered = self.stop.answered.clone();
            async move {
                connection::write(&connection, writing, answered).await;
                live.remove(&connection);
                let reason = connection.reason().unwrap_or(Reason::Broken).label();
                metrics.radsec_closed.with_label_values(&[reason]).inc();
                tracing::info!(%nas, %peer, reason, "a RadSec connection has ended");
            }
        });
        session::read(&connection, reading, &self.pipeline, self.idle, &self.stop.listening).await;
    }

    fn refuse(&self, peer: SocketAddr, refusal: &Refusal) {
        let (result, throttle) = refusal.labels();
        self.count(result);
        self.complain(throttle, |more| match refusal {
            Refusal::Handshake(error) => {
                tracing::warn!(%peer, result, %error, more, "a RadSec handshake failed");
            }
            Refusal::TooSlow => tracing::warn!(%peer, more, "a RadSec handshake took too long"),
            Refusal::UnknownName(names) => {
                tracing::warn!(%peer, ?names, more, "a RadSec connection was turned away: no router is registered under a name of its certificate (portal nas set NAME --radsec-name …)");
            }
            Refusal::WrongAddress(nas) => {
                tracing::warn!(%peer, %nas, more, "a RadSec connection was turned away: this router is registered with another address");
            }
        });
    }

    fn count(&self, result: &str) {
        self.pipeline.metrics.radsec_handshakes.with_label_values(&[result]).inc();
    }

    /// Logs at most one line a reason and period.
    fn complain(&self, reason: &'static str, log: impl FnOnce(u64)) {
        if let Some(more) = self.pipeline.throttle.permit(reason, self.pipeline.clock.monotonic()) {
            log(more);
        }
    }
}

impl Refusal {
    /// The result that is counted, and the key under which log lines are limited.
    fn labels(&self) -> (&'static str, &'static str) {
        match self {
            Refusal::TooSlow => ("timeout", "radsec_timeout"),
            Refusal::UnknownName(_) => ("unknown_name", "radsec_unknown_name"),
            Refusal::WrongAddress(_) => ("wrong_address", "radsec_wrong_address"),
            Refusal::Handshake(error) => match error.get_ref().and_then(|error| error.downcast_ref()) {
                Some(rustls::Error::NoCertificatesPresented) => ("no_certificate", "radsec_no_certificate"),
                Some(rustls::Error::InvalidCertificate(error)) => match error {
                    CertificateError::UnknownIssuer => ("unknown_issuer", "radsec_unknown_issuer"),
                    CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                        ("expired", "radsec_expired")
                    }
                    _ => ("bad_certificate", "radsec_bad_certificate"),
                },
                Some(_) => ("tls_error", "radsec_tls_error"),
                None => ("broken", "radsec_broken"),
            },
        }
    }
}

/// One of the handshakes that an address may have at the same time; given back when it is dropped.
struct Turn {
    door: Arc<Door>,
    address: IpAddr,
}

impl Turn {
    fn take(door: &Arc<Door>, address: IpAddr) -> Option<Turn> {
        let mut handshakes = door.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = handshakes.entry(address).or_default();
        if *taken >= MAX_HANDSHAKES_OF_ONE {
            return None;
        }
        *taken += 1;
        Some(Turn { door: Arc::clone(door), address })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut handshakes = self.door.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = handshakes.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                handshakes.remove(&self.address);
            }
        }
    }
}
