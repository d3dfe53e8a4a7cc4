//! One UDP socket and its readers: how it is bound, and how datagrams are taken from it without waiting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use radius_proto::MAX_PACKET;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::pipeline::{Pipeline, Port};

/// Receive buffer asked of the kernel, octets. It holds a burst of some thousand requests; much more would only
/// keep requests that the router has given up on.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams taken in a row before other tasks get a turn.
const DRAIN: usize = 64;

pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // A smaller buffer than asked for is no reason not to serve; `mlango doctor` tells of the kernel's limit.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer stays as it is");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

pub(crate) async fn read(
    socket: Arc<UdpSocket>,
    port: Port,
    number: u8,
    pipeline: Arc<Pipeline>,
    stop: CancellationToken,
) {
    let mut buffer = [0; MAX_PACKET];
    loop {
        let readable = tokio::select! {
            () = stop.cancelled() => return,
            readable = socket.readable() => readable,
        };
        if let Err(error) = readable {
            tracing::error!(%error, port = port.label(), "the socket cannot be waited for");
            return;
        }
        for _ in 0..DRAIN {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, source)) => pipeline.take(&socket, port, number, source, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error for an earlier answer surfaces here; it says nothing about the next datagram.
                Err(error) => tracing::debug!(%error, port = port.label(), "receive"),
            }
        }
        tokio::task::yield_now().await;
    }
}
