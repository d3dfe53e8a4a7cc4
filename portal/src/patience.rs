//! How long a browser may take. A connection on which nothing moves is closed, and so is one whose request is not whole, or not
//! answered, after a minute: whoever sends an octet now and then would otherwise hold a connection for ever, and a thousand of them.
//!
//! It looks at octets alone, so it needs to know nothing of HTTP: a request begins with the first octet that is read after something
//! was written, and ends with the next that is written. An answer that goes on for hours (the news of an order) writes now and then.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, MissedTickBehavior};

/// How often it is looked.
const TICK: Duration = Duration::from_secs(10);
/// Looks after which a request must be answered: between 50 and 60 s. Longer than any provider is waited for.
const UNANSWERED_MAX: u32 = 6;
/// Looks after which something must have moved: between 70 and 80 s, longer than a proxy in front keeps a connection for its
/// next request.
const QUIET_MAX: u32 = 8;

/// Accepts connections that are watched.
#[derive(Debug)]
pub(crate) struct Patient(TcpListener);

impl Patient {
    pub(crate) fn new(listener: TcpListener) -> Patient {
        Patient(listener)
    }
}

impl Listener for Patient {
    type Io = Watched<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched<TcpStream>, SocketAddr) {
        let (stream, from) = Listener::accept(&mut self.0).await;
        (Watched::every(TICK, stream), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that ends when it takes too long.
#[derive(Debug)]
pub(crate) struct Watched<Io> {
    io: Io,
    tick: Interval,
    /// Looks since the last octet.
    quiet: u32,
    /// Looks since a request has begun that nothing was answered to.
    unanswered: Option<u32>,
}

impl<Io> Watched<Io> {
    fn every(period: Duration, io: Io) -> Watched<Io> {
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one would be at once.
        tick.reset();
        Watched { io, tick, quiet: 0, unanswered: None }
    }

    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.tick.poll_tick(cx).is_ready() {
            self.quiet += 1;
            self.unanswered = self.unanswered.map(|looks| looks + 1);
        }
        let is_over = self.quiet >= QUIET_MAX || self.unanswered.is_some_and(|looks| looks >= UNANSWERED_MAX);
        if is_over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn wrote(&mut self, octets: usize) {
        if octets > 0 {
            self.quiet = 0;
            self.unanswered = None;
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.look(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.quiet = 0;
            this.unanswered = this.unanswered.or(Some(0));
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look(cx)?;
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, octets))?;
        this.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look(cx)?;
        let written = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, octets))?;
        this.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn nobody_is_waited_for_who_says_nothing() {
        let (_client, server) = tokio::io::duplex(64);
        let mut watched = Watched::every(Duration::from_millis(1), server);
        let error = watched.read_u8().await.expect_err("it is closed");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_request_that_comes_octet_by_octet_ends() {
        let (mut client, server) = tokio::io::duplex(1);
        let mut watched = Watched::every(Duration::from_millis(1), server);
        let trickle = tokio::spawn(async move { while client.write_u8(b'x').await.is_ok() {} });
        let error = loop {
            if let Err(error) = watched.read_u8().await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(watched);
        trickle.await.expect("it ends with the connection");
    }

    #[tokio::test]
    async fn who_is_answered_may_go_on() {
        let (mut client, server) = tokio::io::duplex(64);
        // Far longer than a round takes, and far shorter than all of them.
        let mut watched = Watched::every(Duration::from_millis(20), server);
        let server = tokio::spawn(async move {
            for _ in 0..300 {
                let octet = watched.read_u8().await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
                watched.write_u8(octet).await?;
            }
            io::Result::Ok(())
        });
        for round in 0..300_u16 {
            let octet = round.to_le_bytes()[0];
            client.write_u8(octet).await.expect("it is open");
            assert_eq!(client.read_u8().await.expect("it is open"), octet);
        }
        server.await.expect("it ends").expect("nothing took too long");
    }
}
