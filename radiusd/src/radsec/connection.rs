//! One TLS connection, as the rest of the server sees it: whose it is, and a bounded queue of what goes out on it.
//!
//! [`Connection::queue`] is called by whoever has an answer: the connection's own reader, the journal, a reject that was
//! held back. It never waits. [`write()`] is the task that empties the queue, all that is there with one write. A router
//! that does not read what it is sent fills the queue and is cut off; it costs the others nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use radius_proto::Secret;
use shared::time::OffsetDateTime;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Octets that may wait for a router to read them: a kilobyte for each of the 256 requests that it can have under way,
/// where a usual answer has a fifth of that.
const MAX_QUEUED: usize = 256 * 1024;
/// Room that a connection keeps between two bursts, octets.
const KEPT: usize = 16 * 1024;
/// A router that is told farewell has so long to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection was closed: the label of a counter, and a word in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The router closed it.
    Peer,
    /// The network or TLS failed.
    Broken,
    /// Nothing was said for `radsec.idle_seconds`.
    Idle,
    /// The router sent what is malformed or not authentic (RFC 6613 §2.6.4).
    BadPacket,
    /// The router does not read its answers.
    Slow,
    /// The router is no longer registered under the name or address that it came with.
    Unregistered,
    /// Its certificate has expired meanwhile.
    Expired,
    /// The router has opened too many others.
    Replaced,
    /// The server stops.
    Stopping,
}

impl Reason {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Reason::Peer => "peer",
            Reason::Broken => "broken",
            Reason::Idle => "idle",
            Reason::BadPacket => "bad_packet",
            Reason::Slow => "slow",
            Reason::Unregistered => "unregistered",
            Reason::Expired => "expired",
            Reason::Replaced => "replaced",
            Reason::Stopping => "stopping",
        }
    }
}

/// Whose a connection is, as its handshake has shown.
#[derive(Debug)]
pub(crate) struct Owner {
    /// The router.
    pub(crate) nas: Uuid,
    /// Its name, as of the handshake.
    pub(crate) nas_name: String,
    /// The name in its certificate under which it is registered.
    pub(crate) certificate_name: String,
    /// Until when that certificate is good.
    pub(crate) not_after: OffsetDateTime,
}

/// An open connection.
pub(crate) struct Connection {
    /// Tells connections apart; no two of a server have the same.
    pub(crate) number: u64,
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// What packets on it are made with: `radsec`, whatever is registered (RFC 6614 §2.3).
    pub(crate) secret: Arc<Secret>,
    /// When the router last said anything, monotonic, milliseconds.
    heard: AtomicU64,
    outgoing: Mutex<Vec<u8>>,
    ready: Notify,
    closing: CancellationToken,
    reason: OnceLock<Reason>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(number: u64, peer: SocketAddr, owner: Owner, secret: Arc<Secret>) -> Connection {
        Connection {
            number,
            peer,
            owner,
            secret,
            heard: AtomicU64::new(0),
            outgoing: Mutex::default(),
            ready: Notify::new(),
            closing: CancellationToken::new(),
            reason: OnceLock::new(),
        }
    }

    /// Sends one packet soon.
    pub(crate) fn send(&self, packet: &[u8]) {
        self.queue(packet);
        self.wake();
    }

    /// Puts a packet into the queue; it leaves after the next [`Connection::wake`]. A router whose queue is full is cut
    /// off.
    pub(super) fn queue(&self, packet: &[u8]) {
        if self.reason().is_some() {
            return;
        }
        let mut outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        if outgoing.len() + packet.len() > MAX_QUEUED {
            drop(outgoing);
            return self.close(Reason::Slow);
        }
        outgoing.extend_from_slice(packet);
    }

    /// Lets the queue leave.
    pub(super) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Ends the connection; the first reason counts. What was queued before still leaves, but for [`Reason::Slow`].
    pub(crate) fn close(&self, reason: Reason) {
        // A later reason is a consequence of the first.
        self.reason.get_or_init(|| reason);
        self.closing.cancel();
    }

    /// Resolves when the connection is to end.
    pub(super) async fn closed(&self) {
        self.closing.cancelled().await;
    }

    /// Why it ends, once it does.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Notes that the router said something.
    pub(super) fn hear(&self, now: Duration) {
        self.heard.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When the router last said something, monotonic, milliseconds.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Exchanges the queue for an empty buffer.
    fn take(&self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.outgoing.lock().unwrap_or_else(PoisonError::into_inner), empty)
    }
}

/// Writes what is queued until the connection is closed, or until the server has answered everything.
pub(super) async fn write(connection: &Connection, mut stream: impl AsyncWrite + Unpin, answered: CancellationToken) {
    let mut chunk = Vec::new();
    let mut written = 0;
    while connection.reason().is_none() {
        if written < chunk.len() {
            tokio::select! {
                () = connection.closed() => break,
                // Cancel safe: if the branch is dropped, nothing of it was written.
                step = stream.write(&chunk[written..]) => match step {
                    Ok(octets) if octets > 0 => written += octets,
                    _ => return connection.close(Reason::Broken),
                }
            }
            if written == chunk.len() {
                tokio::select! {
                    () = connection.closed() => break,
                    flushed = stream.flush() => if flushed.is_err() {
                        return connection.close(Reason::Broken);
                    }
                }
            }
            continue;
        }
        chunk.clear();
        chunk.shrink_to(KEPT);
        written = 0;
        chunk = connection.take(chunk);
        if chunk.is_empty() {
            tokio::select! {
                () = connection.closed() => {}
                () = connection.ready.notified() => {}
                () = answered.cancelled() => connection.close(Reason::Stopping),
            }
        }
    }
    if connection.reason() != Some(Reason::Slow) {
        let rest = connection.take(Vec::new());
        // A router that is gone already hears no farewell.
        drop(tokio::time::timeout(FAREWELL, farewell(stream, &chunk[written..], &rest)).await);
    }
}

/// What was answered before the end still leaves; then the end is said properly, which tells it from a cut.
async fn farewell(mut stream: impl AsyncWrite + Unpin, first: &[u8], then: &[u8]) -> std::io::Result<()> {
    stream.write_all(first).await?;
    stream.write_all(then).await?;
    stream.flush().await?;
    stream.shutdown().await
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    pub(crate) fn connection(number: u64, nas: u128) -> Arc<Connection> {
        let owner = Owner {
            nas: Uuid::from_u128(nas),
            nas_name: format!("nas-{nas}"),
            certificate_name: format!("nas-{nas}.example.net"),
            not_after: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1000),
        };
        let secret = Arc::new(Secret::new(b"radsec").expect("not empty"));
        Arc::new(Connection::new(number, ([127, 0, 0, 1], 40_000).into(), owner, secret))
    }

    #[tokio::test]
    async fn what_was_queued_leaves_in_order_before_the_end() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let (connection, answered) = (connection(1, 1), CancellationToken::new());
        let writer = tokio::spawn({
            let (connection, answered) = (Arc::clone(&connection), answered.clone());
            async move { write(&connection, ours, answered).await }
        });
        for number in 0..100_u8 {
            connection.send(&[number; 10]);
        }
        let mut first = [0; 500];
        theirs.read_exact(&mut first).await.expect("half of it");
        connection.close(Reason::Idle);
        connection.close(Reason::Broken);
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.expect("the other half");
        let expected: Vec<u8> = (0..100).flat_map(|number| [number; 10]).collect();
        assert_eq!([&first[..], &rest].concat(), expected);
        writer.await.expect("it ends");
        assert_eq!(connection.reason(), Some(Reason::Idle), "the first reason counts");
    }

    #[tokio::test]
    async fn a_router_that_does_not_read_is_cut_off_and_holds_no_more_than_its_share() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let connection = connection(1, 1);
        let writer = tokio::spawn({
            let connection = Arc::clone(&connection);
            async move { write(&connection, ours, CancellationToken::new()).await }
        });
        let mut sent = 0;
        while connection.reason().is_none() {
            connection.send(&[0; 4096]);
            sent += 4096;
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.reason(), Some(Reason::Slow));
        assert!(sent <= 3 * MAX_QUEUED, "{sent} octets were taken");
        writer.await.expect("it ends although nobody reads");
    }

    #[tokio::test]
    async fn a_server_that_stops_says_what_it_has_answered() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let (connection, answered) = (connection(1, 1), CancellationToken::new());
        connection.queue(&[7; 100]);
        answered.cancel();
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.map(|_| all)
        });
        write(&connection, ours, answered).await;
        assert_eq!(reading.await.expect("it ends").expect("readable"), [7; 100]);
        assert_eq!(connection.reason(), Some(Reason::Stopping));
    }
}
