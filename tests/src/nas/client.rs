//! The RADIUS client: one request, three transmissions, one answer or none.
//!
//! RouterOS repeats a request with the same identifier, source port and octets, a fixed time apart, and
//! gives up a time after the third. Each request here has a socket of its own, bound to the router's address,
//! so an answer to an older request cannot be taken for one to this.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use radius_proto::message_authenticator::{Check, check_reply};
use radius_proto::{Code, MAX_PACKET, Packet, Secret, authenticator};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Transmissions of one request; not configurable on RouterOS either.
const TRANSMISSIONS: u8 = 3;

/// One request and where it goes.
pub(crate) struct Request<'a> {
    pub(crate) bind: Ipv4Addr,
    pub(crate) server: SocketAddr,
    pub(crate) bytes: &'a [u8],
    pub(crate) secret: &'a Secret,
    /// Wait after each transmission.
    pub(crate) timeout: Duration,
    /// Whether an answer without Message-Authenticator counts as bad.
    pub(crate) require_message_auth: bool,
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The answer, checked.
    pub(crate) reply: Option<Vec<u8>>,
    pub(crate) transmissions: u8,
    pub(crate) bad_replies: u64,
    pub(crate) lost_replies: u64,
    pub(crate) round_trip: Duration,
}

/// Sends a request until it is answered or given up. `hears` says whether an answer that has come reaches
/// the router at all.
pub(crate) async fn exchange(request: &Request<'_>, hears: impl Fn() -> bool) -> io::Result<Outcome> {
    let socket = UdpSocket::bind((request.bind, 0)).await?;
    socket.connect(request.server).await?;
    let mut outcome = Outcome::default();
    let begun = Instant::now();
    let mut buf = [0; MAX_PACKET];
    while outcome.transmissions < TRANSMISSIONS {
        // A refused port shows as an error of a later call. To a router it is one more request without answer.
        drop(socket.send(request.bytes).await);
        outcome.transmissions += 1;
        let deadline = Instant::now() + request.timeout;
        while let Ok(received) = timeout_at(deadline, socket.recv(&mut buf)).await {
            let Ok(length) = received else { continue };
            if !hears() {
                outcome.lost_replies += 1;
            } else if accept(request, &buf[..length]) {
                outcome.round_trip = begun.elapsed();
                outcome.reply = Some(buf[..length].to_vec());
                return Ok(outcome);
            } else {
                outcome.bad_replies += 1;
            }
        }
    }
    Ok(outcome)
}

/// Whether a datagram is an answer to the request, from the server.
fn accept(request: &Request<'_>, datagram: &[u8]) -> bool {
    let Ok(sent) = Packet::parse(request.bytes) else {
        return false;
    };
    let Ok(reply) = Packet::parse(datagram) else {
        return false;
    };
    let fits = match sent.code() {
        Code::AccessRequest => matches!(reply.code(), Code::AccessAccept | Code::AccessReject | Code::AccessChallenge),
        _ => reply.code() == Code::AccountingResponse,
    };
    let signed = match check_reply(&reply, sent.authenticator(), request.secret) {
        Check::Valid => true,
        Check::Absent => !request.require_message_auth,
        Check::Invalid | Check::Repeated | Check::BadLength => false,
    };
    let ours = reply.identifier() == sent.identifier();
    fits && ours && signed && authenticator::verify_reply(&reply, sent.authenticator(), request.secret)
}

#[cfg(test)]
mod tests {
    use radius_proto::Builder;

    use super::*;

    fn judge(reply_code: Code, identifier: u8, sign: bool, secret: &[u8], require: bool) -> bool {
        let ours = Secret::new(b"secret").expect("not empty");
        let theirs = Secret::new(secret).expect("not empty");
        let mut buf = [0; MAX_PACKET];
        let sent = Builder::new(&mut buf, Code::AccessRequest, 7).finish_access_request(&ours, [3; 16]).to_vec();
        let mut builder = Builder::new(&mut buf, reply_code, identifier);
        if sign {
            builder.reserve_message_authenticator().expect("fits");
        }
        let reply = builder.finish_reply(&theirs, &[3; 16]).to_vec();
        let request = Request {
            bind: Ipv4Addr::LOCALHOST,
            server: ([127, 0, 0, 1], 9).into(),
            bytes: &sent,
            secret: &ours,
            timeout: Duration::ZERO,
            require_message_auth: require,
        };
        accept(&request, &reply)
    }

    #[test]
    fn only_the_servers_signed_answer_counts() {
        assert!(judge(Code::AccessAccept, 7, true, b"secret", true));
        assert!(judge(Code::AccessReject, 7, false, b"secret", false));
        assert!(!judge(Code::AccessAccept, 7, false, b"secret", true), "no Message-Authenticator");
        assert!(!judge(Code::AccessAccept, 7, true, b"other", false), "wrong secret");
        assert!(!judge(Code::AccessAccept, 8, true, b"secret", true), "wrong identifier");
        assert!(!judge(Code::AccountingResponse, 7, true, b"secret", true), "wrong kind");
    }
}
