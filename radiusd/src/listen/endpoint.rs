//! One UDP socket: how it is bound, and how a single packet leaves from it.
//!
//! A socket on a wildcard address asks the kernel which of the machine's addresses each request came to, and answers
//! from there (RFC 2865 §3): a router drops what comes from another address than it asked. The kernel also stamps each
//! request with its time of arrival, so that waiting in the socket's buffer counts as waiting.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::pipeline::Port;

/// Receive buffer asked of the kernel, octets. It holds a burst of some thousand requests; what has waited too long in
/// it is shed by its time stamp.
const RECEIVE_BUFFER: usize = 4 << 20;
/// A reader looks this often whether it shall stop.
const STOP_LATENCY: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Endpoint {
    socket: Socket,
    /// Which service listens here.
    pub(crate) port: Port,
    /// Its number among the listeners, for the duplicate cache.
    pub(crate) number: u8,
    /// Whether it listens on all addresses of the machine.
    pub(crate) wildcard: bool,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Endpoint {
    pub(crate) fn bind(address: SocketAddr, port: Port, number: u8) -> io::Result<Endpoint> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        grow_receive_buffer(&socket);
        socket.set_read_timeout(Some(STOP_LATENCY))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        let wildcard = address.ip().is_unspecified();
        if wildcard && address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        } else if wildcard {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Endpoint { socket, port, number, wildcard, address })
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
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
fn grow_receive_buffer(socket: &Socket) {
    if setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_ok() {
        return;
    }
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
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
