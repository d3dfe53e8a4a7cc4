//! Reading one connection: packets are cut out of the stream and handed on, until one side ends it.
//!
//! The answers that are ready at once, of all packets that one read has brought, leave with one write.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Reason};
use super::frames::Frames;
use crate::pipeline::{Arrival, LISTENER_RADSEC, Pipeline, Port, Reception};
use crate::road::{Road, Sink};

/// Reads until the connection ends, and says why in [`Connection::reason`]; or until the server takes nothing more, which
/// leaves the connection open for the answers that are due.
pub(super) async fn read(
    connection: &Arc<Connection>,
    mut stream: impl AsyncRead + Unpin,
    pipeline: &Arc<Pipeline>,
    idle: Duration,
    stop: &CancellationToken,
) {
    let mut frames = Frames::new();
    loop {
        let next = tokio::time::timeout(idle, stream.read(frames.space()));
        let read = tokio::select! {
            () = stop.cancelled() => return,
            () = connection.closed() => return,
            read = next => read,
        };
        let octets = match read {
            Err(_) => return connection.close(Reason::Idle),
            Ok(Ok(0)) => return connection.close(Reason::Peer),
            Ok(Ok(octets)) => octets,
            Ok(Err(_)) => return connection.close(Reason::Broken),
        };
        frames.received(octets);
        connection.hear(pipeline.clock.monotonic());
        let outcome = hand_on(connection, &mut frames, pipeline);
        connection.wake();
        if let Err(reason) = outcome {
            return connection.close(reason);
        }
    }
}

/// Handles every whole packet that is here.
fn hand_on(connection: &Arc<Connection>, frames: &mut Frames, pipeline: &Arc<Pipeline>) -> Result<(), Reason> {
    let (received, now) = (pipeline.clock.monotonic(), pipeline.clock.now());
    let mut answers = Answers(connection);
    loop {
        let road = Road::Tls(Arc::clone(connection));
        let arrival = Arrival { port: Port::RadSec, listener: LISTENER_RADSEC, road, received, now };
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(_) => {
                pipeline.drop_packet(&arrival, "bad_length");
                return Err(Reason::BadPacket);
            }
        };
        if pipeline.take(&mut answers, arrival, frame) == Reception::Broken {
            return Err(Reason::BadPacket);
        }
    }
}

/// Takes the answers to this connection's requests into its queue, without waking its writer for each.
struct Answers<'a>(&'a Arc<Connection>);

impl Sink for Answers<'_> {
    fn push(&mut self, road: &Road, packet: &[u8]) {
        match road {
            Road::Tls(connection) if Arc::ptr_eq(connection, self.0) => connection.queue(packet),
            _ => road.send(packet),
        }
    }
}
