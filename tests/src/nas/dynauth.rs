//! The router's side of Disconnect and CoA (RFC 5176), with the quirks of RouterOS:
//!
//! * a hotspot session is found by User-Name and Framed-IP-Address; without either there is no session;
//! * Acct-Session-Id is optional but must be right when it is there;
//! * an unknown session gets a NAK with Error-Cause 406 (Unsupported-Extension), not 503;
//! * an ACK contains NAS-Identifier and nothing else; Proxy-State is not copied;
//! * there is no memory of answers: a Disconnect that is repeated because its ACK was lost gets a NAK;
//! * a CoA that only identifies the session gets an ACK;
//! * a datagram with a wrong authenticator gets no answer at all.
//!
//! [`answer`] is a function of the router's state and the datagram; the socket is in `shell`.

use std::time::Duration;

use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;
use radius_proto::attribute::rfc5176::error_cause;
use radius_proto::attribute::{rfc2865, rfc2866, rfc5176};
use radius_proto::message_authenticator::check_request;
use radius_proto::{BuildError, Builder, Code, MAX_PACKET, Packet, authenticator};

use super::config::{CoaBehaviour, NasConfig};
use super::mac::Mac;
use super::router::Router;
use super::terms::Terms;

/// Handles one datagram of the CoA port; `None` when it gets no answer.
pub(crate) fn answer(
    router: &mut Router,
    now: Duration,
    config: &NasConfig,
    behaviour: CoaBehaviour,
    datagram: &[u8],
) -> Option<Vec<u8>> {
    let Some(request) = genuine(config, datagram) else {
        router.stats.coa_bad_requests += 1;
        return None;
    };
    router.stats.coa_requests += 1;
    let found = find(router, &request);
    let refused = match (behaviour, found) {
        (CoaBehaviour::Silent, _) => return None,
        (CoaBehaviour::Nak(error_cause), _) => Some(error_cause),
        (CoaBehaviour::AckWithoutCut, _) => None,
        (CoaBehaviour::Normal, None) => Some(error_cause::UNSUPPORTED_EXTENSION),
        (CoaBehaviour::Normal, Some(mac)) => {
            obey(router, now, &request, mac);
            None
        }
    };
    match refused {
        None => router.stats.coa_acks += 1,
        Some(_) => router.stats.coa_naks += 1,
    }
    write_answer(config, &request, refused).ok()
}

/// The packet, if it is a Disconnect or CoA from someone who knows the secret.
fn genuine<'a>(config: &NasConfig, datagram: &'a [u8]) -> Option<Packet<'a>> {
    let packet = Packet::parse(datagram).ok()?;
    let known = matches!(packet.code(), Code::DisconnectRequest | Code::CoaRequest);
    let genuine = known
        && authenticator::verify_request(&packet, &config.secret)
        && !check_request(&packet, &config.secret).must_discard();
    genuine.then_some(packet)
}

fn find(router: &Router, request: &Packet<'_>) -> Option<Mac> {
    let user = request.get(rfc2865::USER_NAME)?;
    let ip = request.get(rfc2865::FRAMED_IP_ADDRESS)?;
    router.find(user, ip, request.get(rfc2866::ACCT_SESSION_ID)).map(|session| session.mac)
}

fn obey(router: &mut Router, now: Duration, request: &Packet<'_>, mac: Mac) {
    if request.code() == Code::DisconnectRequest {
        router.end(now, mac, cause::ADMIN_RESET);
    } else {
        router.amend(now, mac, Terms::read(request));
    }
}

fn write_answer(config: &NasConfig, request: &Packet<'_>, refused: Option<u32>) -> Result<Vec<u8>, BuildError> {
    let code = match (request.code(), refused.is_some()) {
        (Code::DisconnectRequest, false) => Code::DisconnectAck,
        (Code::DisconnectRequest, true) => Code::DisconnectNak,
        (_, false) => Code::CoaAck,
        (_, true) => Code::CoaNak,
    };
    let mut buf = [0; MAX_PACKET];
    let mut reply = Builder::new(&mut buf, code, request.identifier());
    if let Some(error_cause) = refused {
        reply.put(rfc5176::ERROR_CAUSE, error_cause)?;
    }
    reply.put(rfc2865::NAS_IDENTIFIER, config.identity.as_bytes())?;
    Ok(reply.finish_reply(&config.secret, request.authenticator()).to_vec())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use radius_proto::Secret;
    use radius_proto::attribute::mikrotik;

    use super::*;
    use crate::nas::journal::ReportKind;
    use crate::nas::session::LoginMethod;

    const PHONE: Mac = Mac::phone(1);
    const NOW: Duration = Duration::from_secs(5);

    fn online() -> (NasConfig, Router) {
        let nowhere = ([127, 0, 0, 1], 9).into();
        let config = NasConfig::new(nowhere, nowhere, b"secret").expect("a secret");
        let mut router = Router::new(config.clone());
        let attempt = router.begin_login(NOW, PHONE, "ann", LoginMethod::HttpPap).expect("begun");
        router.finish_login(NOW, attempt, Some(Terms::default())).expect("granted");
        (config, router)
    }

    /// A request of this code; `write` adds attributes.
    fn request(code: Code, secret: &[u8], write: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
        let mut buf = [0; MAX_PACKET];
        let mut builder = Builder::new(&mut buf, code, 9);
        write(&mut builder);
        builder.finish_hashed_request(&Secret::new(secret).expect("not empty")).to_vec()
    }

    fn named(builder: &mut Builder<'_>) {
        builder.put(rfc2865::USER_NAME, &b"ann"[..]).expect("fits");
        builder.put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 5, 50, 2)).expect("fits");
    }

    fn ask(router: &mut Router, config: &NasConfig, datagram: &[u8]) -> Option<(Code, Option<u32>, usize)> {
        let reply = answer(router, NOW, config, CoaBehaviour::Normal, datagram)?;
        let sent = Packet::parse(datagram).expect("well formed");
        let reply = Packet::parse(&reply).expect("well formed");
        assert!(authenticator::verify_reply(&reply, sent.authenticator(), &config.secret));
        Some((reply.code(), reply.get(rfc5176::ERROR_CAUSE), reply.attributes().count()))
    }

    #[test]
    fn a_disconnect_cuts_with_admin_reset_and_its_repetition_gets_a_nak() {
        let (config, mut router) = online();
        let cut = request(Code::DisconnectRequest, b"secret", |builder| {
            named(builder);
            builder.put(rfc2866::ACCT_SESSION_ID, &b"80100001"[..]).expect("fits");
        });
        assert_eq!(ask(&mut router, &config, &cut), Some((Code::DisconnectAck, None, 1)));
        assert!(router.session(PHONE).is_none());
        let stop = router.journal().of(PHONE).last().expect("a Stop").kind;
        assert_eq!(stop, ReportKind::Stop(cause::ADMIN_RESET));
        assert_eq!(ask(&mut router, &config, &cut), Some((Code::DisconnectNak, Some(406), 2)));
    }

    #[test]
    fn a_session_is_found_by_name_and_address_and_nothing_less() {
        let (config, mut router) = online();
        let no_address = request(Code::DisconnectRequest, b"secret", |builder| {
            builder.put(rfc2865::USER_NAME, &b"ann"[..]).expect("fits");
            builder.put(rfc2866::ACCT_SESSION_ID, &b"80100001"[..]).expect("fits");
        });
        let other_id = request(Code::DisconnectRequest, b"secret", |builder| {
            named(builder);
            builder.put(rfc2866::ACCT_SESSION_ID, &b"80100002"[..]).expect("fits");
        });
        for datagram in [no_address, other_id] {
            assert_eq!(ask(&mut router, &config, &datagram), Some((Code::DisconnectNak, Some(406), 2)));
        }
        assert!(router.session(PHONE).is_some());
    }

    #[test]
    fn a_wrong_secret_gets_silence_and_is_counted() {
        let (config, mut router) = online();
        let forged = request(Code::DisconnectRequest, b"guess", named);
        assert_eq!(ask(&mut router, &config, &forged), None);
        assert!(router.session(PHONE).is_some());
        assert_eq!((router.stats().coa_bad_requests, router.stats().coa_requests), (1, 0));
    }

    #[test]
    fn a_coa_changes_speeds_and_one_without_changes_is_a_probe() {
        let (config, mut router) = online();
        let probe = request(Code::CoaRequest, b"secret", named);
        assert_eq!(ask(&mut router, &config, &probe), Some((Code::CoaAck, None, 1)));
        let faster = request(Code::CoaRequest, b"secret", |builder| {
            named(builder);
            builder.put(mikrotik::RATE_LIMIT, &b"2M/4M"[..]).expect("fits");
        });
        assert_eq!(ask(&mut router, &config, &faster), Some((Code::CoaAck, None, 1)));
        let speeds = router.session(PHONE).expect("active").terms.speeds().expect("a rate");
        assert_eq!(speeds.rate.tx, 4_000_000);
    }

    #[test]
    fn misbehaviour_on_request() {
        let (config, mut router) = online();
        let cut = request(Code::DisconnectRequest, b"secret", named);
        assert_eq!(answer(&mut router, NOW, &config, CoaBehaviour::Silent, &cut), None);
        let nak = answer(&mut router, NOW, &config, CoaBehaviour::Nak(504), &cut).expect("a NAK");
        assert_eq!(Packet::parse(&nak).expect("well formed").get(rfc5176::ERROR_CAUSE), Some(504));
        let ack = answer(&mut router, NOW, &config, CoaBehaviour::AckWithoutCut, &cut).expect("an ACK");
        assert_eq!(Packet::parse(&ack).expect("well formed").code(), Code::DisconnectAck);
        assert!(router.session(PHONE).is_some(), "nothing was cut");
    }
}
