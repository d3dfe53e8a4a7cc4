//! An Access-Request's path: what it asks is read, judged by what is in memory, and answered.
//!
//! Two things may happen later, off the reader: a name that memory does not know is looked up once in PostgreSQL, and
//! a reject is held back so that guessing is slow. Both are bounded, and neither holds a reader.

use std::sync::Arc;
use std::time::Duration;

use radius_proto::attribute::{mikrotik, rfc2865};
use radius_proto::{Code, MAX_PACKET, Packet};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use shared::voucher::{self, NotACode};

use super::{Exchange, Pipeline, Port};
use crate::access::{self, Granted, Login, Memory, Scratch, Service, Unreadable, Verdict};
use crate::guard::Admission;
use crate::policy::{self, Denial};
use crate::road::{Direct, Sink};
use crate::ticket::Ticket;

impl Pipeline {
    pub(super) fn access(
        self: &Arc<Self>,
        out: &mut dyn Sink,
        mut exchange: Exchange,
        packet: &Packet<'_>,
        proved: bool,
        now: OffsetDateTime,
    ) {
        let mut scratch: Scratch = [0; 128];
        let login = match read(packet, &mut exchange, proved, now, &mut scratch) {
            Ok(login) => login,
            Err(Unreadable::Denied(denial)) => return self.reject(out, exchange, packet, denial),
            Err(Unreadable::Silent(reason)) => return self.give_up(&exchange, reason),
        };
        self.metrics.note_service(login.service);
        if login.service == Service::Login {
            return self.administrator(out, exchange, packet, &login);
        }
        if !self.may_try(&exchange, &login) {
            return self.reject(out, exchange, packet, Denial::Locked);
        }
        match access::judge(&login, &self.directory, Memory::Usual, now) {
            Verdict::Granted(granted) => {
                self.metrics.directory_hits.inc();
                self.accept(out, &exchange, packet, &login, granted, now);
            }
            Verdict::Denied(denial) => {
                self.metrics.directory_hits.inc();
                self.reject(out, exchange, packet, denial);
            }
            Verdict::NotInMemory => {
                self.metrics.directory_misses.inc();
                self.look_up(exchange, packet, proved);
            }
        }
    }

    /// Whether a login may be looked at, after wrong guesses. A device that knocks by itself guesses nothing.
    fn may_try(&self, exchange: &Exchange, login: &Login<'_>) -> bool {
        if login.is_mac_login() {
            return true;
        }
        match self.guard.admits(exchange.client.id, login.mac, login.name, self.clock.monotonic()) {
            Admission::Open => true,
            Admission::KnownDevicesOnly => access::is_known(login, &self.directory),
            Admission::Locked => false,
        }
    }

    /// Somebody signs in to the router itself. Guests' names are not looked at here, nor administrators' elsewhere.
    fn administrator(self: &Arc<Self>, out: &mut dyn Sink, exchange: Exchange, packet: &Packet<'_>, login: &Login<'_>) {
        let administrators = self.administrators.load();
        let found = administrators.find(login.name, exchange.client.id);
        let Some(found) = found.filter(|found| login.proves(&found.password)) else {
            return self.reject(out, exchange, packet, Denial::RouterLogin);
        };
        tracing::info!(nas = %exchange.client.name, name = %found.name, group = %found.group, method = login.method(),
            "an administrator signs in to the router");
        let mut buffer = [0; MAX_PACKET];
        let built = radius_proto::reply(&mut buffer, Code::AccessAccept, packet).and_then(|mut reply| {
            reply.put(mikrotik::GROUP, found.group.as_bytes())?;
            login.put_accept(&mut reply, &exchange.authenticator, &exchange.secret)?;
            reply.copy_proxy_state(packet)?;
            Ok(reply)
        });
        self.metrics.note_method(login.method());
        self.finish(out, &exchange, built, Code::AccessAccept);
    }

    /// Asks PostgreSQL once, off the reader, then judges again.
    fn look_up(self: &Arc<Self>, mut exchange: Exchange, packet: &Packet<'_>, proved: bool) {
        let pipeline = Arc::clone(self);
        let octets = packet.as_bytes().to_vec();
        tokio::spawn(async move {
            let packet = Packet::parse(&octets).expect("it parsed before");
            let mut scratch: Scratch = [0; 128];
            let asked = match read(&packet, &mut exchange, proved, pipeline.clock.now(), &mut scratch) {
                Ok(login) => (login.name, login.mac.filter(|_| login.is_mac_login())),
                Err(_) => return pipeline.give_up(&exchange, "bad_secret"),
            };
            let unknown = match asked {
                (_, Some(_)) => Denial::UnknownDevice,
                (name, None) if voucher::normalise(name) == Err(NotACode::Mistyped) => Denial::MistypedCode,
                (_, None) => Denial::UnknownUser,
            };
            let found = pipeline.ask_database(asked.0, asked.1).await;
            let (now, out) = (exchange.client.here(pipeline.clock.now()), &mut Direct);
            if !found {
                return pipeline.reject(out, exchange, &packet, Denial::CannotCheck);
            }
            let mut scratch: Scratch = [0; 128];
            let Ok(login) = read(&packet, &mut exchange, proved, now, &mut scratch) else {
                return pipeline.give_up(&exchange, "bad_secret");
            };
            match access::judge(&login, &pipeline.directory, Memory::Fresh, now) {
                Verdict::Granted(granted) => pipeline.accept(out, &exchange, &packet, &login, granted, now),
                Verdict::Denied(denial) => pipeline.reject(out, exchange, &packet, denial),
                Verdict::NotInMemory => pipeline.reject(out, exchange, &packet, unknown),
            }
        });
    }

    /// `false`: PostgreSQL could not be asked in time.
    async fn ask_database(&self, name: &[u8], device: Option<Mac>) -> bool {
        let Ok(_permit) = self.lookups.try_acquire() else { return false };
        let patience = Duration::from_millis(self.settings.lookup_timeout_ms);
        let asked = access::look_up(&self.db, &self.directory, name, device, self.clock.now());
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                if let Some(more) = self.throttle.permit("lookup", self.clock.monotonic()) {
                    tracing::warn!(%error, more, "an unknown name could not be looked up");
                }
                false
            }
            Err(_) => false,
        }
    }

    fn accept(
        &self,
        out: &mut dyn Sink,
        exchange: &Exchange,
        packet: &Packet<'_>,
        login: &Login<'_>,
        granted: Granted,
        now: OffsetDateTime,
    ) {
        let ticket = Ticket::new(granted.entitlement, granted.revision, now);
        let mut buffer = [0; MAX_PACKET];
        let built = radius_proto::reply(&mut buffer, Code::AccessAccept, packet).and_then(|mut reply| {
            policy::put_accept(&mut reply, &granted.grant, &ticket.encode(), self.settings.interim_seconds)?;
            login.put_accept(&mut reply, &exchange.authenticator, &exchange.secret)?;
            reply.copy_proxy_state(packet)?;
            Ok(reply)
        });
        // A password that is right was hidden with the right secret, though nothing else says so.
        if login.method() == "pap" && exchange.port != Port::RadSec {
            exchange.client.proved_with(&exchange.secret, now);
        }
        self.metrics.note_method(login.method());
        tracing::debug!(nas = %exchange.client.name, service = login.service.label(), method = login.method(),
            session = %ticket.session, "login accepted");
        self.finish(out, exchange, built, Code::AccessAccept);
        if let Some(record) = granted.record {
            self.logins.write(store::entitlement::Activation { nas: Some(exchange.client.id), ..record });
        }
    }

    /// Answers with a reason, held back for a moment so that guessing is slow; no reader waits for it.
    fn reject(self: &Arc<Self>, out: &mut dyn Sink, exchange: Exchange, packet: &Packet<'_>, denial: Denial) {
        self.metrics.rejects.with_label_values(&[denial.label()]).inc();
        exchange.client.figures().refused(denial.label());
        tracing::debug!(nas = %exchange.client.name, service = Service::of(packet).label(),
            reason = denial.label(), "login refused");
        self.remember(&exchange, packet, denial);
        let delay = Duration::from_millis(self.settings.reject_delay_ms) * self.note_guess(&exchange, packet, denial);
        // A device that knocks by itself guesses nothing, and its guest is waiting for the page; nor does EAP, which has
        // not come to a password yet, and whose access point counts the seconds.
        let permit = match denial {
            // Nor does one that is locked, whatever it sends.
            Denial::UnknownDevice | Denial::EapNotOffered | Denial::Locked => None,
            _ if delay.is_zero() => None,
            _ => Arc::clone(&self.delayed).try_acquire_owned().ok(),
        };
        let Some(permit) = permit else { return self.send_reject(out, &exchange, packet, denial) };
        let pipeline = Arc::clone(self);
        let octets = packet.as_bytes().to_vec();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let packet = Packet::parse(&octets).expect("it parsed before");
            pipeline.send_reject(&mut Direct, &exchange, &packet, denial);
            drop(permit);
        });
    }

    /// Has a refusal written down for those who help customers; a device that knocks by itself has typed no name. Who wants to
    /// sign in to the router itself is no customer.
    fn remember(&self, exchange: &Exchange, packet: &Packet<'_>, denial: Denial) {
        if denial == Denial::RouterLogin {
            return;
        }
        let name = packet.get(rfc2865::USER_NAME).unwrap_or_default();
        let mac = packet.get(rfc2865::CALLING_STATION_ID).and_then(Mac::from_bytes);
        let typed: &[u8] = if mac.is_some() && Mac::from_bytes(name) == mac { &[] } else { name };
        self.refusals.write(exchange.client.id, mac, typed, denial, self.clock.now());
    }

    /// Counts a wrong guess. Returns how many times as long as usual its answer is held back.
    fn note_guess(&self, exchange: &Exchange, packet: &Packet<'_>, denial: Denial) -> u32 {
        let name = packet.get(rfc2865::USER_NAME).unwrap_or_default();
        let mac = packet.get(rfc2865::CALLING_STATION_ID).and_then(Mac::from_bytes);
        // A device that knocks by itself, and is not known, has guessed nothing.
        if mac.is_some() && Mac::from_bytes(name) == mac {
            return 1;
        }
        if matches!(denial, Denial::BadPassword | Denial::UnknownUser) {
            self.metrics.login_guesses.with_label_values(&[&exchange.client.name]).inc();
        }
        self.guard.note(exchange.client.id, mac, name, denial, self.clock.monotonic())
    }

    fn send_reject(&self, out: &mut dyn Sink, exchange: &Exchange, packet: &Packet<'_>, denial: Denial) {
        let mut buffer = [0; MAX_PACKET];
        let built = radius_proto::reply(&mut buffer, Code::AccessReject, packet).and_then(|mut reply| {
            policy::put_reject(&mut reply, denial, self.settings.language)?;
            access::put_refusal(&mut reply, packet)?;
            if denial == Denial::EapNotOffered {
                access::put_eap_failure(&mut reply, packet)?;
            }
            reply.copy_proxy_state(packet)?;
            Ok(reply)
        });
        self.finish(out, exchange, built, Code::AccessReject);
    }
}

/// Reads a login. During a rotation of the secret an unsigned request does not say which secret it was made with:
/// a password that is text under one of them tells, and the answer is made with that one.
fn read<'a>(
    packet: &Packet<'a>,
    exchange: &mut Exchange,
    proved: bool,
    now: OffsetDateTime,
    scratch: &'a mut Scratch,
) -> Result<Login<'a>, Unreadable> {
    let other = if proved { None } else { exchange.client.secrets(now).nth(1).cloned() };
    let Some(other) = other else { return Login::read(packet, &exchange.secret, proved, scratch) };
    let mut trial: Scratch = [0; 128];
    if let Err(Unreadable::Silent("bad_secret")) = Login::read(packet, &exchange.secret, false, &mut trial) {
        exchange.secret = other;
    }
    Login::read(packet, &exchange.secret, false, scratch)
}
