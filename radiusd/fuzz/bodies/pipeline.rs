//! Whatever two routers and a stranger send, the server answers rightly or not at all: [`known::check`] says what right
//! is. Besides, a stranger is never answered, what is sent twice is answered twice with the same octets, and a report is
//! acknowledged once it is stored.
//!
//! Each input meets a server of its own, so that a failure is repeated by its input alone.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;

use radius_proto::Code;
use radiusd::harness::{Answers, Harness};
use shared::time::Clock;
use store::nas::{MessageAuthenticatorPolicy, Nas, OldSecret};
use uuid::Uuid;

mod craft;
pub(crate) mod known;

use craft::{Datagram, OLD_SECRET, Sender, datagrams};
use known::SECRET;

/// A router at 127.0.0.2 that need not sign, and whose secret is being changed.
fn lenient(now: shared::time::OffsetDateTime) -> Nas {
    let until = now + std::time::Duration::from_secs(3600);
    Nas {
        id: Uuid::from_u128(9),
        name: "old".into(),
        address: Some("127.0.0.2/32".parse().expect("an address")),
        secret_generation: 1,
        old_secret: Some(OldSecret { secret: OLD_SECRET.to_vec(), generation: 0, until }),
        require_message_authenticator: MessageAuthenticatorPolicy::No,
        limit_proxy_state: false,
        ..known::router()
    }
}

/// The sockets of the senders: what is answered later comes there.
struct Sockets([(UdpSocket, SocketAddr); 3]);

impl Sockets {
    fn shared() -> &'static Sockets {
        static SOCKETS: OnceLock<Sockets> = OnceLock::new();
        SOCKETS.get_or_init(|| {
            Sockets([1, 2, 9].map(|last| {
                let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("a port of loopback is free");
                socket.set_nonblocking(true).expect("a socket need not wait");
                let address = socket.local_addr().expect("it is bound");
                (socket, address)
            }))
        })
    }

    fn of(&self, sender: Sender) -> &(UdpSocket, SocketAddr) {
        match sender {
            Sender::Strict => &self.0[0],
            Sender::Lenient => &self.0[1],
            Sender::Stranger => &self.0[2],
        }
    }
}

/// Hands an input's datagrams to a server and fails where an answer is wrong. Returns the Codes of the answers: those at
/// once, then those of reports, then those that came later.
pub(crate) fn run(data: &[u8]) -> Vec<Code> {
    let sent = datagrams(data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let now = Clock::system().now();
    let mut harness = Harness::new(&[known::router(), lenient(now)], vec![known::entry(now)]).expect("a pipeline");
    let (mut answers, mut codes) = (Answers::default(), Vec::new());
    for (number, datagram) in sent.iter().enumerate() {
        let (_, peer) = *Sockets::shared().of(datagram.sender);
        let mut take = || harness.take(datagram.accounting, peer, &datagram.octets, &mut answers).map(<[u8]>::to_vec);
        let first = take();
        codes.extend(first.as_deref().map(|answer| answered(&sent[..=number], answer)));
        if datagram.twice {
            let second = take();
            assert!(first.is_none() || first == second, "what is sent twice is answered twice with the same");
        }
    }
    codes.extend(harness.store().iter().map(|answer| answered(&sent, answer)));
    // What goes on elsewhere: a name that memory does not know is refused by a task of its own.
    runtime.block_on(async {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    });
    let mut room = [0; 5000];
    for (socket, _) in &Sockets::shared().0 {
        while let Ok((length, _)) = socket.recv_from(&mut room) {
            codes.push(answered(&sent, &room[..length]));
        }
    }
    codes
}

/// The Code of an answer, which must be right for the last of these datagrams, or for one before it: a request with
/// another's Identifier and Authenticator counts as its retransmission, whatever else it says.
fn answered(sent: &[Datagram], answer: &[u8]) -> Code {
    let mut broken = Vec::new();
    for datagram in sent.iter().rev() {
        match is_right(datagram, answer) {
            Ok(()) => return Code::from_u8(answer[0]).expect("it was checked"),
            Err(rule) => broken.push(rule),
        }
    }
    panic!("{answer:?} answers nothing that was sent: {broken:?}");
}

fn is_right(datagram: &Datagram, answer: &[u8]) -> Result<(), &'static str> {
    let secrets: &[&[u8]] = match datagram.sender {
        Sender::Strict => &[SECRET],
        Sender::Lenient => &[SECRET, OLD_SECRET],
        Sender::Stranger => return Err("a stranger is not answered"),
    };
    known::check(datagram.accounting, &datagram.octets, answer, secrets)
}
