//! An Accounting-Request's path, as far as the journal, and the answer to Status-Server.
//!
//! The answer to a report is made here and sent by the journal once the record is durable.

use radius_proto::{BuildError, Code, MAX_PACKET, Packet};
use shared::time::OffsetDateTime;

use super::{Exchange, Pipeline, Port, answer};
use crate::accounting::{self, Origin, Reading};
use crate::client::Client;
use crate::journal::{Job, Record};
use crate::road::Sink;

impl Pipeline {
    pub(super) fn accounting(&self, exchange: Exchange, packet: &Packet<'_>, now: OffsetDateTime) {
        note_clock(&exchange.client, packet, now);
        let client = &exchange.client;
        let from = Origin { nas: client.id, source: exchange.key.source.ip(), is_shared: client.is_network() };
        let (record, status) = match accounting::read(packet, from, &self.directory, now) {
            Reading::Session { report, status } => (Record::Session(report), status),
            Reading::Router { restart, stops, status } => {
                tracing::info!(nas = %client.name, source = %from.source, status, "the router reports its own state");
                (Record::Router { restart, stops }, status)
            }
            Reading::Unusable(reason) => return self.give_up(&exchange, reason),
        };
        let mut buffer = [0; MAX_PACKET];
        let Ok(reply) = acknowledgement(&mut buffer, &exchange, packet) else {
            return self.give_up(&exchange, "reply_too_long");
        };
        let job = Job { record, status, reply: reply.into(), exchange, entered: self.clock.monotonic() };
        if let Err(job) = self.journal.enter(job) {
            // Left for the router to send again, when there may be room.
            self.give_up(&job.exchange, "queue_full");
        }
    }

    fn acknowledge(&self, out: &mut dyn Sink, exchange: &Exchange, packet: &Packet<'_>) {
        let mut buffer = [0; MAX_PACKET];
        match acknowledgement(&mut buffer, exchange, packet) {
            Ok(reply) => {
                let code = Code::AccountingResponse;
                answer(out, &self.duplicates, &self.metrics, &self.clock, exchange, reply, code);
            }
            Err(_) => self.give_up(exchange, "reply_too_long"),
        }
    }

    /// Status-Server (RFC 5997): alive and able to do this port's work; nothing else in it is looked at. A server that
    /// cannot take an accounting record falls silent, so that the router turns to another one (§4.3).
    pub(super) fn status(&self, out: &mut dyn Sink, exchange: &Exchange, packet: &Packet<'_>) {
        match exchange.port {
            Port::Acct if !self.journal.can_store() => self.give_up(exchange, "cannot_store"),
            Port::Acct => self.acknowledge(out, exchange, packet),
            // One port for everything: logins are answered from memory whatever becomes of accounting.
            Port::Auth | Port::RadSec => {
                let mut buffer = [0; MAX_PACKET];
                let built = radius_proto::reply(&mut buffer, Code::AccessAccept, packet)
                    .and_then(|mut reply| reply.copy_proxy_state(packet).map(|_| ()).map(|()| reply));
                self.finish(out, exchange, built, Code::AccessAccept);
            }
        }
    }
}

/// A router's clock orders nothing and measures nothing here (RFC 2869 §5.3): that it is wrong is told, once.
fn note_clock(client: &Client, packet: &Packet<'_>, now: OffsetDateTime) {
    if let Some(ahead) = accounting::clock_ahead_seconds(packet, now)
        && client.note_clock(ahead)
    {
        tracing::warn!(nas = %client.name, ahead_seconds = ahead,
            "the Event-Timestamp of this router says that its clock is wrong; its reports count as of our clock");
    }
}

fn acknowledgement<'b>(
    buffer: &'b mut [u8; MAX_PACKET],
    exchange: &Exchange,
    packet: &Packet<'_>,
) -> Result<&'b [u8], BuildError> {
    let mut reply = radius_proto::reply(buffer, Code::AccountingResponse, packet)?;
    // Status-Server on the accounting port is answered by a signed packet too (RFC 5997 §3), first as everywhere.
    if packet.code() == Code::StatusServer {
        reply.reserve_message_authenticator()?;
    }
    reply.copy_proxy_state(packet)?;
    Ok(reply.finish_reply(&exchange.secret, &exchange.authenticator))
}
