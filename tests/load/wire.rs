//! Datagrams in batches: one system call takes or gives up to 64 of them (`recvmmsg`, `sendmmsg`), which costs
//! half of what single calls cost. Sockets are connected, so the kernel drops what comes from elsewhere.
//!
//! Nothing here knows RADIUS, and nothing blocks except [`wait`].

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Datagrams in one system call.
pub(crate) const BATCH: usize = 64;
/// Room for an answer; a longer one is cut and then found malformed.
const REPLY_OCTETS: usize = 512;
/// Octets that the kernel may hold for a socket, asked for; the system's limit may be lower.
const SOCKET_BUFFER: usize = 4 << 20;

/// A non-blocking socket at `from` that speaks with `server` only.
pub(crate) fn connect(from: Ipv4Addr, server: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0)).with_context(|| format!("cannot use a port at {from}"))?;
    socket.connect(server).with_context(|| format!("cannot reach {server}"))?;
    socket.set_nonblocking(true)?;
    widen(&socket)?;
    Ok(socket)
}

/// Asks for room in the kernel, so that no burst is lost between it and us.
pub(crate) fn widen(socket: &UdpSocket) -> anyhow::Result<()> {
    setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER).context("cannot set the receive buffer")?;
    setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER).context("cannot set the send buffer")
}

/// Where answers arrive.
pub(crate) struct Inbox {
    headers: MultiHeaders<()>,
    buffers: Box<[[u8; REPLY_OCTETS]; BATCH]>,
    lengths: [usize; BATCH],
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: Box::new([[0; REPLY_OCTETS]; BATCH]),
            lengths: [0; BATCH],
        }
    }

    /// Takes what has come, at most [`BATCH`]. Returns how many; read them with [`Inbox::datagram`].
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] when nobody listens there; others as the kernel says.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let received = match recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)
        {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in received {
            self.lengths[count] = message.bytes;
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn datagram(&self, index: usize) -> &[u8] {
        &self.buffers[index][..self.lengths[index]]
    }
}

/// Where datagrams leave.
pub(crate) struct Outbox {
    headers: MultiHeaders<()>,
}

impl Outbox {
    pub(crate) fn new() -> Outbox {
        Outbox { headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Sends `count` datagrams, at most [`BATCH`]. Returns how many the kernel took.
    ///
    /// # Errors
    /// As [`Inbox::receive`].
    pub(crate) fn send<'d>(
        &mut self,
        socket: &UdpSocket,
        count: usize,
        datagram: impl Fn(usize) -> &'d [u8],
    ) -> io::Result<usize> {
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|index| [IoSlice::new(if index < count { datagram(index) } else { &[] })]);
        let nowhere: [Option<()>; BATCH] = [None; BATCH];
        let nothing: [ControlMessage<'_>; 0] = [];
        match sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            &slices[..count],
            nowhere,
            nothing,
            MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(sent) => Ok(sent.count()),
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits until one of the sockets has something, at most this long, to the nanosecond: `poll` counts in whole
/// milliseconds, which is longer than a login. `each` is told which ones do.
pub(crate) fn wait<'s>(
    sockets: impl Iterator<Item = &'s UdpSocket>,
    longest: Duration,
    mut each: impl FnMut(usize),
) -> io::Result<()> {
    let mut watched: Vec<PollFd<'_>> = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    match ppoll(&mut watched, Some(TimeSpec::from_duration(longest)), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    for (index, socket) in watched.iter().enumerate() {
        if socket.any().unwrap_or(true) {
            each(index);
        }
    }
    Ok(())
}
