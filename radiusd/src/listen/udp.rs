//! A reader of one UDP socket: a thread that takes batches, hands each datagram to the pipeline, and sends the answers
//! that are ready.
//!
//! Several readers share a socket, so that a router with one source port keeps every core busy; the kernel wakes one
//! of them. What has waited in the socket's buffer for longer than its sender waits for an answer is shed: under
//! overload the answers that are given are the ones that still count. Before it comes to that the buffer is made shorter, and nobody
//! reads what could not be stored in time: what the kernel drops costs no work.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio_util::sync::CancellationToken;

use super::batch::{Inbox, Outbox};
use super::endpoint::Endpoint;
use crate::pipeline::{Arrival, Pipeline, Port};
use crate::road::Road;

/// How long a reader leaves the processor to the writers before it looks again, and how often it does before it reads all the same.
const A_LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 50;

/// Reads until it is told to stop.
pub(super) fn read(endpoint: &Arc<Endpoint>, pipeline: &Arc<Pipeline>, stop: &CancellationToken) {
    let stale_after = Duration::from_millis(pipeline.settings.stale_after_ms);
    let mut inbox = Inbox::new(Arc::clone(endpoint));
    let mut outbox = Outbox::new(Arc::clone(endpoint));
    while !stop.is_cancelled() {
        if endpoint.port == Port::Acct {
            let_writers_catch_up(pipeline);
        }
        let mut waited = Duration::ZERO;
        let received = inbox.receive(&pipeline.clock, |moment, envelope, datagram| {
            waited = waited.max(envelope.waited);
            let dropped = endpoint.newly_dropped(envelope.dropped);
            if dropped > 0 {
                pipeline.note_overflow(endpoint.port, dropped, moment.monotonic);
            }
            let arrival = Arrival {
                port: endpoint.port,
                listener: endpoint.number,
                road: Road::Udp { endpoint: Arc::clone(endpoint), peer: envelope.peer, local: envelope.local },
                received: moment.monotonic.saturating_sub(envelope.waited),
                now: moment.now,
            };
            if envelope.waited > stale_after {
                return pipeline.shed(&arrival);
            }
            pipeline.take(&mut outbox, arrival, datagram);
        });
        outbox.flush();
        // Silence counts too: then nothing has waited.
        endpoint.fit_buffer(waited, pipeline.clock.monotonic());
        match received {
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            // An ICMP error for an earlier answer surfaces here; it says nothing about the next datagram.
            Err(error) => tracing::debug!(%error, port = endpoint.port.label(), "receive"),
        }
    }
}

/// Reads nothing for a while if records wait long for being stored: whoever reads on takes the processor from who stores.
fn let_writers_catch_up(pipeline: &Pipeline) {
    for _ in 0..LOOKS {
        if !pipeline.journal.is_slow() {
            return;
        }
        std::thread::sleep(A_LOOK);
    }
}
