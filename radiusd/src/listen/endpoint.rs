//! One UDP socket: how it is bound, and how a single packet leaves from it.
//!
//! A socket on a wildcard address asks the kernel which of the machine's addresses each request came to, and answers
//! from there (RFC 2865 §3): a router drops what comes from another address than it asked. The kernel also stamps each
//! request with its time of arrival, so that waiting in the socket's buffer counts as waiting, and says how many it had to drop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::pipeline::Port;

/// Receive buffer asked of the kernel, octets. It holds a burst of some thousand requests.
const RECEIVE_BUFFER: usize = 4 << 20;
/// As short as it becomes.
const SHORTEST_BUFFER: usize = 64 << 10;
/// How long a request may wait in it before it is made shorter.
const LONG_WAIT: Duration = Duration::from_millis(50);
/// It grows again this often, twofold.
const GROWS_EVERY: Duration = Duration::from_millis(100);
/// A reader looks this often whether it shall stop.
const STOP_LATENCY: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Endpoint {
    socket: Socket,
    buffer: Mutex<Buffer>,
    /// How many requests found no room in the buffer, as far as the kernel has told; it begins anew after 2³².
    dropped: AtomicU32,
    /// Which service listens here.
    pub(crate) port: Port,
    /// Its number among the listeners, for the duplicate cache.
    pub(crate) number: u8,
    /// Whether it listens on all addresses of the machine.
    pub(crate) wildcard: bool,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// How long the receive buffer is. Under overload whatever it holds waits, and what has waited too long costs work without use: it would be read to
/// be shed. So it is made as short as is answered in time, and the kernel drops the rest, which costs next to nothing. A burst finds it long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Buffer {
    octets: usize,
    /// When that was last changed, monotonic.
    since: Duration,
}

impl Buffer {
    /// How long it should be, now that a request has waited so long in it; `None`: as it is. Nothing follows from what came before the last change.
    fn fit(self, waited: Duration, now: Duration) -> Option<Buffer> {
        let age = now.saturating_sub(self.since);
        let octets = if waited > LONG_WAIT && age > waited {
            let share = LONG_WAIT.as_secs_f64() / waited.as_secs_f64();
            ((self.octets as f64 * share) as usize).max(SHORTEST_BUFFER)
        } else if waited < LONG_WAIT / 4 && age > GROWS_EVERY {
            (self.octets * 2).min(RECEIVE_BUFFER)
        } else {
            self.octets
        };
        (octets != self.octets).then_some(Buffer { octets, since: now })
    }
}

impl Endpoint {
    pub(crate) fn bind(address: SocketAddr, port: Port, number: u8) -> io::Result<Endpoint> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        set_receive_buffer(&socket, RECEIVE_BUFFER);
        let buffer = Mutex::new(Buffer { octets: RECEIVE_BUFFER, since: Duration::ZERO });
        socket.set_read_timeout(Some(STOP_LATENCY))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        let wildcard = address.ip().is_unspecified();
        if wildcard && address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        } else if wildcard {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Endpoint { socket, buffer, dropped: AtomicU32::new(0), port, number, wildcard, address })
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Makes the receive buffer as long as fits, after a request has waited so long in it.
    pub(super) fn fit_buffer(&self, waited: Duration, now: Duration) {
        // Whoever finds another reader at it has nothing to add.
        let Ok(mut buffer) = self.buffer.try_lock() else { return };
        if let Some(fitting) = buffer.fit(waited, now) {
            set_receive_buffer(&self.socket, fitting.octets);
            *buffer = fitting;
        }
    }

    /// How many of those that the kernel has dropped nobody has counted yet, now that it has told so many in all.
    pub(super) fn newly_dropped(&self, in_all: u32) -> u32 {
        let more = |known: u32| (in_all.wrapping_sub(known).cast_signed() > 0).then_some(in_all);
        let known = self.dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        known.map_or(0, |known| in_all.wrapping_sub(known))
    }

    /// Sends without waiting. A full buffer loses the packet, as the network may; the router asks again and is
    /// answered from the cache.
    pub(crate) fn send(&self, packet: &[u8], peer: SocketAddr, local: Option<IpAddr>) {
        let (data, to) = ([io::IoSlice::new(packet)], SockaddrStorage::from(peer));
        let send = |control: &[ControlMessage<'_>]| {
            sendmsg(self.descriptor(), &data, control, MsgFlags::MSG_DONTWAIT, Some(&to))
        };
        if let Err(error) = with_source(local, send) {
            note_lost(peer, error);
        }
    }
}

/// The kernel may allow less than is asked for; that is no reason not to serve. As root its limit can be passed.
fn set_receive_buffer(socket: &Socket, octets: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &octets).is_ok() {
        return;
    }
    if let Err(error) = socket.set_recv_buffer_size(octets) {
        tracing::debug!(%error, "the receive buffer stays as it is");
    }
}

pub(super) fn note_lost(peer: SocketAddr, error: Errno) {
    tracing::debug!(to = %peer, %error, "an answer could not be sent");
}

/// Calls `send` with the control message that names the address to send from, if there is one.
pub(super) fn with_source<T>(local: Option<IpAddr>, send: impl FnOnce(&[ControlMessage<'_>]) -> T) -> T {
    match local {
        None => send(&[]),
        Some(IpAddr::V4(ip)) => {
            let source = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
            send(&[ControlMessage::Ipv4PacketInfo(&info)])
        }
        Some(IpAddr::V6(ip)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            send(&[ControlMessage::Ipv6PacketInfo(&info)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_is_as_short_as_is_answered_in_time_and_grows_again() {
        let ms = Duration::from_millis;
        let long = Buffer { octets: RECEIVE_BUFFER, since: ms(1000) };
        assert_eq!(long.fit(ms(50), ms(9000)), None);
        assert_eq!(long.fit(ms(400), ms(1400)), None, "it came before the last change");
        let shorter = Buffer { octets: RECEIVE_BUFFER / 8, since: ms(1401) };
        assert_eq!(long.fit(ms(400), ms(1401)), Some(shorter));
        assert_eq!(shorter.fit(ms(60_000), ms(99_000)), Some(Buffer { octets: SHORTEST_BUFFER, since: ms(99_000) }));
        assert_eq!(shorter.fit(ms(13), ms(9000)), None);
        assert_eq!(shorter.fit(ms(0), ms(1500)), None, "it has just been changed");
        assert_eq!(shorter.fit(ms(0), ms(1502)), Some(Buffer { octets: RECEIVE_BUFFER / 4, since: ms(1502) }));
        assert_eq!(long.fit(ms(0), ms(9000)), None, "it does not grow without end");
    }
}
