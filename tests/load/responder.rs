//! The ceiling: a responder that checks nothing but the code, lets everyone in and acknowledges every record.
//!
//! It answers with the attributes that radiusd sends, in octets as many, and all authenticators are right; a
//! server that does nothing else cannot be faster on this machine. Two threads share one socket, 64 datagrams a
//! system call: the best that was found (SO_REUSEPORT would bind a router with one port to one thread).

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use radius_proto::attribute::{mikrotik, rfc2865, rfc2869};
use radius_proto::{BuildError, Code, MAX_PACKET, Packet, Secret};

use crate::wire::{self, BATCH};

/// Room for a request; longer ones are cut and then not answered.
const OCTETS: usize = 512;
/// How often a thread looks whether it shall stop.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A session ticket is as long as this.
pub(crate) const CLASS: [u8; 34] = *b"M1-session-of-16--entitlement-16--";

/// A socket and what it answers with.
pub(crate) struct Responder {
    socket: UdpSocket,
    secret: Secret,
}

impl Responder {
    /// Opens the port.
    ///
    /// # Errors
    /// If it is taken.
    pub(crate) fn open(listen: SocketAddrV4, secret: Secret) -> anyhow::Result<Responder> {
        let socket = UdpSocket::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        wire::widen(&socket)?;
        socket.set_read_timeout(Some(LOOK_UP))?;
        Ok(Responder { socket, secret })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Answers until told to stop. Several threads may do so together.
    ///
    /// # Errors
    /// If the kernel refuses to send or receive.
    pub(crate) fn answer_until(&self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut inbox = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let mut outbox = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let mut requests = Box::new([[0; OCTETS]; BATCH]);
        let mut replies = Box::new([[0; OCTETS]; BATCH]);
        while !stop.load(Ordering::Relaxed) {
            let mut addresses = [None; BATCH];
            let mut lengths = [0; BATCH];
            let received = receive(&self.socket, &mut inbox, &mut requests, &mut addresses, &mut lengths)?;
            let mut count = 0;
            for index in 0..received {
                let request = &requests[index][..lengths[index]];
                if let Some(length) = answer(request, &self.secret, &mut replies[count]) {
                    (lengths[count], addresses[count]) = (length, addresses[index]);
                    count += 1;
                }
            }
            send(&self.socket, &mut outbox, &replies, &addresses, &lengths, count)?;
        }
        Ok(())
    }
}

/// Waits for the first datagram, then takes what else is there.
fn receive(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrIn>,
    buffers: &mut [[u8; OCTETS]; BATCH],
    addresses: &mut [Option<SockaddrIn>; BATCH],
    lengths: &mut [usize; BATCH],
) -> anyhow::Result<usize> {
    let mut slices = buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
    let received = match recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_WAITFORONE, None) {
        Ok(received) => received,
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
        Err(error) => return Err(error).context("cannot receive"),
    };
    let mut count = 0;
    for message in received {
        (addresses[count], lengths[count]) = (message.address, message.bytes);
        count += 1;
    }
    Ok(count)
}

fn send(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrIn>,
    replies: &[[u8; OCTETS]; BATCH],
    addresses: &[Option<SockaddrIn>; BATCH],
    lengths: &[usize; BATCH],
    count: usize,
) -> anyhow::Result<()> {
    let mut from = 0;
    while from < count {
        let left = count - from;
        let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|index| {
            let at = from + index;
            [IoSlice::new(if at < count { &replies[at][..lengths[at]] } else { &[] })]
        });
        let nothing: [ControlMessage<'_>; 0] = [];
        match sendmmsg(
            socket.as_raw_fd(),
            headers,
            &slices[..left],
            &addresses[from..count],
            nothing,
            MsgFlags::empty(),
        ) {
            Ok(sent) => from += sent.count().max(1),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot send"),
        }
    }
    Ok(())
}

/// Writes the answer to a request. `None`: it is neither a login nor a record.
fn answer(request: &[u8], secret: &Secret, out: &mut [u8; OCTETS]) -> Option<usize> {
    let packet = Packet::parse(request).ok()?;
    let mut buffer = [0; MAX_PACKET];
    let reply = match packet.code() {
        Code::AccessRequest => accept(&packet, secret, &mut buffer),
        Code::AccountingRequest => acknowledge(&packet, secret, &mut buffer),
        _ => return None,
    };
    let reply = reply.ok()?;
    out[..reply.len()].copy_from_slice(reply);
    Some(reply.len())
}

fn accept<'b>(request: &Packet<'_>, secret: &Secret, buffer: &'b mut [u8; MAX_PACKET]) -> Result<&'b [u8], BuildError> {
    let mut reply = radius_proto::reply(buffer, Code::AccessAccept, request)?;
    reply
        .put(rfc2865::SESSION_TIMEOUT, 21_474_720)?
        .put(rfc2865::IDLE_TIMEOUT, 300)?
        .put(rfc2869::ACCT_INTERIM_INTERVAL, 60)?
        .put(rfc2865::CLASS, &CLASS)?
        .put(mikrotik::TOTAL_LIMIT, 1 << 30)?
        .put(mikrotik::TOTAL_LIMIT_GIGAWORDS, 24)?
        .put(mikrotik::RATE_LIMIT, b"5M/10M")?;
    Ok(reply.finish_reply(secret, request.authenticator()))
}

fn acknowledge<'b>(
    request: &Packet<'_>,
    secret: &Secret,
    buffer: &'b mut [u8; MAX_PACKET],
) -> Result<&'b [u8], BuildError> {
    let reply = radius_proto::reply(buffer, Code::AccountingResponse, request)?;
    Ok(reply.finish_reply(secret, request.authenticator()))
}
