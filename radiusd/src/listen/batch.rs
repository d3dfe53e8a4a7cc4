//! Datagrams by the batch: up to [`BATCH`] requests come in with one system call, and their answers leave with one.
//!
//! ```text
//! recvmmsg ──▶ Inbox ──▶ pipeline ──▶ Outbox ──▶ sendmmsg
//! ```
//!
//! Under light load a batch is one datagram and nothing waits for company. All room is made once; after that neither
//! direction allocates.

use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg};
use nix::sys::time::TimeSpec;
use radius_proto::MAX_PACKET;
use shared::time::{Clock, OffsetDateTime};

use super::endpoint::{Endpoint, note_lost, with_source};
use crate::road::{Road, Sink};

/// Datagrams in a batch, at most.
const BATCH: usize = 64;

type Room = Box<[[u8; MAX_PACKET]]>;

/// What the kernel says of a datagram beside its octets.
pub(super) struct Envelope {
    pub(super) peer: SocketAddr,
    /// The address that was asked, on a wildcard socket.
    pub(super) local: Option<IpAddr>,
    /// How long it waited in the socket's buffer.
    pub(super) waited: Duration,
    /// How many found no room there before it, since the socket was made.
    pub(super) dropped: u32,
}

/// When a batch was received; all of it is handled as of then.
pub(super) struct Moment {
    pub(super) now: OffsetDateTime,
    pub(super) monotonic: Duration,
}

/// Requests as they come in.
pub(super) struct Inbox {
    endpoint: Arc<Endpoint>,
    headers: MultiHeaders<SockaddrStorage>,
    room: Room,
}

impl Inbox {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Inbox {
        Inbox { headers: receive_headers(&endpoint), endpoint, room: room() }
    }

    /// Waits a moment for datagrams and hands each of a batch to `take`.
    pub(super) fn receive(
        &mut self,
        clock: &Clock,
        mut take: impl FnMut(&Moment, Envelope, &[u8]),
    ) -> Result<(), Errno> {
        let mut rooms = self.room.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().map_or(&mut [], |room| room.as_mut_slice()))]);
        let descriptor = self.endpoint.descriptor();
        let received = recvmmsg(descriptor, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)?;
        let moment = Moment { now: clock.now(), monotonic: clock.monotonic() };
        let now = SystemTime::from(moment.now);
        let mut cut_short = false;
        for message in received {
            let Some(peer) = message.address.as_ref().and_then(socket_address) else { continue };
            let mut envelope = Envelope { peer, local: None, waited: Duration::ZERO, dropped: 0 };
            cut_short |= !envelope.read(&message, now);
            take(&moment, envelope, message.iovs().next().unwrap_or_default());
        }
        if cut_short {
            // The kernel shrinks the room for control messages to what it used; begin anew with all of it. It uses more from the first
            // request on that it had to drop. Of this one batch it has told nothing: on a wildcard socket its answers leave from the address
            // that the route chooses.
            self.headers = receive_headers(&self.endpoint);
        }
        Ok(())
    }
}

fn room() -> Room {
    vec![[0; MAX_PACKET]; BATCH].into_boxed_slice()
}

fn receive_headers(endpoint: &Endpoint) -> MultiHeaders<SockaddrStorage> {
    let control = match (endpoint.wildcard, endpoint.address.is_ipv4()) {
        (false, _) => nix::cmsg_space!(TimeSpec, u32),
        (true, true) => nix::cmsg_space!(TimeSpec, u32, libc::in_pktinfo),
        (true, false) => nix::cmsg_space!(TimeSpec, u32, libc::in6_pktinfo),
    };
    MultiHeaders::preallocate(BATCH, Some(control))
}

impl Envelope {
    /// Reads what the kernel says. `false`: it could not tell all.
    fn read(&mut self, message: &RecvMsg<'_, '_, SockaddrStorage>, now: SystemTime) -> bool {
        let Ok(messages) = message.cmsgs() else { return false };
        for control in messages {
            match control {
                ControlMessageOwned::ScmTimestampns(arrived) => {
                    let arrived = SystemTime::UNIX_EPOCH + Duration::from(arrived);
                    // A clock that was set back in between makes this negative: then nothing is known.
                    self.waited = now.duration_since(arrived).unwrap_or_default();
                }
                ControlMessageOwned::RxqOvfl(dropped) => self.dropped = dropped,
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    self.local = Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => self.local = Some(IpAddr::from(info.ipi6_addr.s6_addr)),
                _ => {}
            }
        }
        true
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(std::net::SocketAddrV4::from(*v4)));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(std::net::SocketAddrV6::from(*v6))))
}

/// Answers as they go out.
pub(super) struct Outbox {
    endpoint: Arc<Endpoint>,
    plain: MultiHeaders<SockaddrStorage>,
    with_source: MultiHeaders<SockaddrStorage>,
    room: Room,
    lengths: [usize; BATCH],
    peers: [Option<SockaddrStorage>; BATCH],
    locals: [Option<IpAddr>; BATCH],
    used: usize,
}

impl Outbox {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Outbox {
        let source = if endpoint.address.is_ipv4() {
            nix::cmsg_space!(libc::in_pktinfo)
        } else {
            nix::cmsg_space!(libc::in6_pktinfo)
        };
        Outbox {
            endpoint,
            plain: MultiHeaders::preallocate(BATCH, None),
            with_source: MultiHeaders::preallocate(BATCH, Some(source)),
            room: room(),
            lengths: [0; BATCH],
            peers: [None; BATCH],
            locals: [None; BATCH],
            used: 0,
        }
    }

    /// Sends everything that was pushed. Answers that leave from one address leave together.
    pub(super) fn flush(&mut self) {
        let mut from = 0;
        while from < self.used {
            let local = self.locals[from];
            let same = self.locals[from..self.used].iter().take_while(|other| **other == local).count();
            from += self.send_some(from, from + same);
        }
        self.used = 0;
    }

    /// Sends what the kernel takes of `from..to`; returns how many are done with, at least one.
    fn send_some(&mut self, from: usize, to: usize) -> usize {
        let mut packets = self.room[from..to].iter().zip(&self.lengths[from..to]);
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSlice::new(packets.next().map_or(&[], |(room, length)| &room[..*length]))]);
        let (descriptor, peers, local) = (self.endpoint.descriptor(), &self.peers[from..to], self.locals[from]);
        let headers = if local.is_some() { &mut self.with_source } else { &mut self.plain };
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = with_source(local, |source| {
            sendmmsg(descriptor, headers, slices.iter().take(to - from), peers, source, flags).map(Iterator::count)
        });
        match sent {
            Ok(sent) => sent.max(1),
            Err(error) => {
                if let Some(peer) = self.peers[from].as_ref().and_then(socket_address) {
                    note_lost(peer, error);
                }
                1
            }
        }
    }
}

impl Sink for Outbox {
    fn push(&mut self, road: &Road, packet: &[u8]) {
        let Road::Udp { endpoint, peer, local } = road else { return road.send(packet) };
        if !Arc::ptr_eq(endpoint, &self.endpoint) || packet.len() > MAX_PACKET {
            return road.send(packet);
        }
        if self.used == BATCH {
            self.flush();
        }
        self.room[self.used][..packet.len()].copy_from_slice(packet);
        self.lengths[self.used] = packet.len();
        self.peers[self.used] = Some(SockaddrStorage::from(*peer));
        self.locals[self.used] = *local;
        self.used += 1;
    }
}

/// Takes answers that became ready together, whichever sockets they leave by, and sends them when `push` is over.
pub(crate) fn send_together(push: impl FnOnce(&mut dyn Sink)) {
    POST.with_borrow_mut(|post| {
        push(post);
        post.0.iter_mut().for_each(Outbox::flush);
    });
}

thread_local! {
    /// The kernel's headers stay on one thread.
    static POST: RefCell<Post> = const { RefCell::new(Post(Vec::new())) };
}

/// An outbox for each socket that was used.
struct Post(Vec<Outbox>);

impl Sink for Post {
    fn push(&mut self, road: &Road, packet: &[u8]) {
        let Road::Udp { endpoint, .. } = road else { return road.send(packet) };
        let known = self.0.iter().position(|outbox| Arc::ptr_eq(&outbox.endpoint, endpoint));
        let place = known.unwrap_or_else(|| {
            self.0.push(Outbox::new(Arc::clone(endpoint)));
            self.0.len() - 1
        });
        self.0[place].push(road, packet);
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use shared::time::Clock;

    use super::*;
    use crate::pipeline::Port;

    #[test]
    fn what_finds_no_room_in_the_buffer_is_counted() {
        const SENT: u32 = 5000;
        let address = "127.0.0.1:0".parse().expect("an address");
        let endpoint = Arc::new(Endpoint::bind(address, Port::Acct, 0).expect("it is free"));
        endpoint.fit_buffer(Duration::from_secs(1), Duration::from_secs(60));
        let router = UdpSocket::bind("127.0.0.1:0").expect("it is free");
        let send = || router.send_to(&[4; 200], endpoint.address).expect("loopback takes it");
        (0..SENT).for_each(|_| assert_eq!(send(), 200));
        let (mut inbox, clock) = (Inbox::new(Arc::clone(&endpoint)), Clock::system());
        let (mut received, mut dropped) = (0, 0);
        loop {
            let before = received;
            let result = inbox.receive(&clock, |_, envelope, datagram| {
                received += u32::from(datagram.len() == 200);
                dropped += endpoint.newly_dropped(envelope.dropped);
            });
            if received == before {
                assert_eq!(result, Err(Errno::EAGAIN));
                break;
            }
        }
        assert!((1..SENT).contains(&received), "{received}");
        // What was dropped after the last one is told with the next; there was no room for it in the headers, which are made anew.
        for _ in 0..2 {
            send();
            let count = |_: &Moment, envelope: Envelope, _: &[u8]| dropped += endpoint.newly_dropped(envelope.dropped);
            inbox.receive(&clock, count).expect("one more");
        }
        assert_eq!(received + dropped, SENT);
        assert_eq!((endpoint.newly_dropped(dropped), endpoint.newly_dropped(dropped + 2)), (0, 2));
    }
}
