//! A UDP socket that plays a router, and the answers that it hears: each is checked against its request before a test
//! looks at it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use radius_proto::attribute::rfc2865;
use radius_proto::{Attr, Code, Packet, Value};
use tokio::net::UdpSocket;

use super::draft::{hmac_md5, md5};
use crate::world::PATIENCE;

/// A socket on one address of this machine.
#[derive(Debug)]
pub struct Wire {
    socket: UdpSocket,
}

/// A datagram that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Where it came from.
    pub from: SocketAddr,
    /// When it was read.
    pub at: Instant,
}

impl Wire {
    /// A socket on that address, on a port of its own.
    ///
    /// # Panics
    /// If this machine has no such address.
    pub async fn at(address: impl Into<IpAddr>) -> Wire {
        let address = SocketAddr::new(address.into(), 0);
        Wire { socket: UdpSocket::bind(address).await.unwrap_or_else(|error| panic!("{address}: {error}")) }
    }

    /// Where it is.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// Sends a datagram.
    ///
    /// # Panics
    /// If this machine cannot send it.
    pub async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let sent = self.socket.send_to(datagram, to).await;
        assert_eq!(sent.unwrap_or_else(|error| panic!("to {to}: {error}")), datagram.len());
    }

    /// Waits for the next datagram.
    ///
    /// # Panics
    /// If none comes within [`PATIENCE`].
    pub async fn receive(&self) -> Datagram {
        self.receive_within(PATIENCE).await.unwrap_or_else(|| panic!("nothing came to {}", self.address()))
    }

    /// Waits so long for the next datagram.
    ///
    /// # Panics
    /// If the socket fails.
    pub async fn receive_within(&self, patience: Duration) -> Option<Datagram> {
        let mut buffer = [0; 5000];
        let received = tokio::time::timeout(patience, self.socket.recv_from(&mut buffer)).await.ok()?;
        let (length, from) = received.expect("the socket works");
        Some(Datagram { octets: buffer[..length].to_vec(), from, at: Instant::now() })
    }

    /// A datagram that is here already.
    pub fn waiting(&self) -> Option<Datagram> {
        let mut buffer = [0; 5000];
        let (length, from) = self.socket.try_recv_from(&mut buffer).ok()?;
        Some(Datagram { octets: buffer[..length].to_vec(), from, at: Instant::now() })
    }

    /// Sends a request and waits for its answer, which must prove itself.
    ///
    /// # Panics
    /// If no answer comes, or one that is not right.
    pub async fn ask(&self, to: SocketAddr, request: &[u8], secret: &[u8]) -> Answer {
        self.send(to, request).await;
        let answer = Answer::check(self.receive().await, request, secret);
        assert_eq!(answer.from, to, "an answer comes from where the question went (RFC 2865 §3)");
        answer
    }
}

/// An answer that has proved itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Where it came from.
    pub from: SocketAddr,
    /// When it was read.
    pub at: Instant,
}

impl Answer {
    /// Checks what must be right in every answer, whatever it says: its length, its Identifier, its Response
    /// Authenticator, no attribute without a value, and, where it answers an Access-Request, a right
    /// Message-Authenticator as the first attribute.
    ///
    /// # Panics
    /// If anything of that is not so.
    pub fn check(datagram: Datagram, request: &[u8], secret: &[u8]) -> Answer {
        let Datagram { octets, from, at } = datagram;
        assert!((20..=4096).contains(&octets.len()), "{} octets", octets.len());
        assert_eq!(usize::from(u16::from_be_bytes([octets[2], octets[3]])), octets.len(), "Length");
        assert_eq!(octets[1], request[1], "Identifier");
        let authenticator = md5(&[&octets[..4], &request[4..20], &octets[20..], secret]);
        assert_eq!(octets[4..20], authenticator, "Response Authenticator");
        let packet = Packet::parse(&octets).unwrap_or_else(|error| panic!("{error}"));
        for attribute in packet.attributes() {
            assert!(!attribute.value.is_empty(), "{attribute:?} has no value (RFC 2865 §5)");
        }
        let signatures: Vec<usize> = packet.attributes().filter(|a| a.kind == 80).map(|a| a.offset).collect();
        let is_access = [Code::AccessAccept, Code::AccessReject, Code::AccessChallenge, Code::ProtocolError];
        if is_access.contains(&packet.code()) {
            assert_eq!(signatures, [20], "Message-Authenticator once, straight after the header");
        }
        if let &[start] = signatures.as_slice() {
            let mut unsigned = [&octets[..4], &request[4..20], &octets[20..]].concat();
            unsigned[start + 2..start + 18].fill(0);
            assert_eq!(octets[start + 2..start + 18], hmac_md5(secret, &unsigned), "Message-Authenticator");
        }
        Answer { octets, from, at }
    }

    /// The packet.
    ///
    /// # Panics
    /// Never: it parsed before.
    pub fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.octets).expect("it parsed before")
    }

    /// What it is.
    pub fn code(&self) -> Code {
        self.packet().code()
    }

    /// Whether it lets somebody in.
    pub fn is_accept(&self) -> bool {
        self.code() == Code::AccessAccept
    }

    /// An attribute's value, if it has it.
    pub fn get<T: Value>(&self, attr: Attr<T>) -> Option<T::Ref<'_>> {
        self.packet().get(attr)
    }

    /// Type and value of every attribute that is the same in each of a customer's logins: all but
    /// Message-Authenticator, Class, and Session-Timeout, which the passing time shortens.
    pub fn terms(&self) -> Vec<(u8, Vec<u8>)> {
        let differs = |kind: u8| [80, 25, 27].contains(&kind);
        self.packet().attributes().filter(|a| !differs(a.kind)).map(|a| (a.kind, a.value.to_vec())).collect()
    }

    /// The entitlement that the ticket in Class names.
    pub fn entitlement(&self) -> Option<&[u8]> {
        self.get(rfc2865::CLASS)?.get(18..)
    }

    /// Every Proxy-State, in order.
    pub fn proxy_states(&self) -> Vec<Vec<u8>> {
        self.packet().attributes().filter(|a| a.kind == 33).map(|a| a.value.to_vec()).collect()
    }
}
