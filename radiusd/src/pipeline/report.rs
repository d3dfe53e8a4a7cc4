//! An Accounting-Request's path, as far as the journal, and the answer to Status-Server.
//!
//! The answer to a report is made here and sent by the journal once the record is durable.

use radius_proto::{BuildError, Code, MAX_PACKET, Packet};
use shared::time::OffsetDateTime;

use super::{Exchange, Pipeline, Port, answer};
use crate::accounting::{self, Reading};
use crate::journal::Job;
use crate::road::Sink;

impl Pipeline {
    pub(super) fn accounting(&self, out: &mut dyn Sink, exchange: Exchange, packet: &Packet<'_>, now: OffsetDateTime) {
        let (nas, source) = (exchange.client.id, exchange.key.source.ip());
        let (report, ticket, status) = match accounting::read(packet, nas, source, &self.directory, now) {
            Reading::Session { report, ticket, status } => (report, ticket, status),
            Reading::Router { status } => {
                tracing::info!(nas = %exchange.client.name, status, "the router reports its own state");
                self.metrics.accounting_records.with_label_values(&[status, "noted"]).inc();
                return self.acknowledge(out, &exchange, packet);
            }
            Reading::Unusable(reason) => return self.give_up(&exchange, reason),
        };
        let mut buffer = [0; MAX_PACKET];
        let Ok(reply) = acknowledgement(&mut buffer, &exchange, packet) else {
            return self.give_up(&exchange, "reply_too_long");
        };
        let job = Job { report: *report, ticket, status, reply: reply.into(), exchange };
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
            Port::Acct if !self.journal.has_room() => self.give_up(exchange, "cannot_store"),
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
