//! What a pipeline under test knows, one router and one customer, and what any answer of it must be, whatever was asked.
//!
//! The rules of an answer are written here anew, by other means than the server's own, so that a fault of the server does
//! not excuse itself.

use std::time::Duration;

use radius_proto::attribute::{microsoft, rfc2865};
use radius_proto::message_authenticator::{Check, check_reply, check_request};
use radius_proto::password::{chap, mschap, pap};
use radius_proto::{Code, Packet, Secret, authenticator};
use shared::entitlement::{Credential, CredentialKind, Entitlement, State, Used};
use shared::mac::Mac;
use shared::rate::Rate;
use shared::rules::Rules;
use shared::time::OffsetDateTime;
use store::directory::{Entry, Version};
use store::nas::{MessageAuthenticatorPolicy, Nas};
use uuid::Uuid;

/// Between the router and the server.
pub(crate) const SECRET: &[u8] = b"testing123";
/// The customer's device.
pub(crate) const DEVICE: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// The customer.
pub(crate) const NAME: &[u8] = b"amina";
/// The customer's password.
pub(crate) const PASSWORD: &[u8] = b"siri";

/// A router at 127.0.0.1 that must sign.
pub(crate) fn router() -> Nas {
    Nas {
        id: Uuid::from_u128(1),
        name: "cafe".into(),
        address: Some("127.0.0.1/32".parse().expect("an address")),
        secret: SECRET.to_vec(),
        require_message_authenticator: MessageAuthenticatorPolicy::Auto { seen: true },
        limit_proxy_state: true,
        ..Nas::default()
    }
}

/// A login with every kind of limit, bound to one device.
pub(crate) fn entry(now: OffsetDateTime) -> Entry {
    let entitlement = Entitlement {
        id: Uuid::from_u128(2),
        package: "1 hour".into(),
        state: State::Active,
        starts_at: Some(now),
        expires_at: Some(now + Duration::from_secs(3600)),
        rules: Rules {
            duration: Some(Duration::from_secs(3600)),
            quota_octets: Some(1 << 30),
            rate: Some(Rate { up_bps: 2_000_000, down_bps: 5_000_000 }),
            device_limit: 2,
            idle_timeout: Some(Duration::from_secs(300)),
            ..Rules::default()
        },
        used: Used::default(),
        swaps_free_at: None,
        revision: 0,
        devices: vec![DEVICE],
    };
    let credential = Credential {
        id: Uuid::from_u128(3),
        entitlement: entitlement.id,
        kind: CredentialKind::Password,
        login: NAME.to_vec(),
        password: PASSWORD.to_vec(),
        mac: None,
        valid_until: None,
    };
    Entry { entitlement, credentials: vec![credential], version: Version::default() }
}

/// What is wrong with an answer that came from one of the two ports to this request; `secrets` are the router's.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn check(accounting: bool, request: &[u8], answer: &[u8], secrets: &[&[u8]]) -> Result<(), &'static str> {
    let request = Packet::parse(request).map_err(|_| "only packets are answered")?;
    let answer = Packet::parse(answer).map_err(|_| "an answer is a packet")?;
    holds(answer.identifier() == request.identifier(), "the Identifier is the request's")?;
    let is_possible = match (accounting, request.code()) {
        (false, Code::AccessRequest) => matches!(answer.code(), Code::AccessAccept | Code::AccessReject),
        (false, Code::StatusServer) => answer.code() == Code::AccessAccept,
        (true, Code::AccountingRequest | Code::StatusServer) => answer.code() == Code::AccountingResponse,
        _ => false,
    };
    holds(is_possible, "each port answers its own requests, each with its own answers")?;
    let mut secrets = secrets.iter().map(|octets| Secret::new(octets).expect("not empty"));
    let secret = secrets.find(|secret| authenticator::verify_reply(&answer, request.authenticator(), secret));
    let secret = secret.ok_or("an answer is made with a secret of the router, over the request's Authenticator")?;
    check_proofs(&request, &answer, &secret)?;
    holds(answer.attributes().all(|attribute| !attribute.value.is_empty()), "no value is empty (RFC 2865 §5)")?;
    let states = answer.all(rfc2865::PROXY_STATE).eq(request.all(rfc2865::PROXY_STATE));
    holds(states, "every Proxy-State comes back, in order, and no other (RFC 2865 §5.33)")?;
    let is_let_in = (request.code(), answer.code()) == (Code::AccessRequest, Code::AccessAccept);
    holds(!is_let_in || is_entitled(&request, &secret), "nobody is let in without a proof")
}

fn holds(condition: bool, rule: &'static str) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err(rule) }
}

/// Who asks has the secret, or says nothing of it where that is allowed, and is answered with the same.
fn check_proofs(request: &Packet<'_>, answer: &Packet<'_>, secret: &Secret) -> Result<(), &'static str> {
    let asked = check_request(request, secret);
    let answered = check_reply(answer, request.authenticator(), secret);
    if request.code() == Code::AccountingRequest {
        holds(authenticator::verify_request(request, secret), "a report proves the secret (RFC 2866 §3)")?;
        return holds(!asked.must_discard() && !answered.must_discard(), "no false signature counts (RFC 3579 §3.2)");
    }
    let may_be_unsigned = asked == Check::Absent && request.code() == Code::AccessRequest;
    holds(asked == Check::Valid || may_be_unsigned, "what is signed is signed rightly (RFC 3579 §3.2, RFC 5997 §3)")?;
    let first = answer.attributes().next().map(|attribute| attribute.kind);
    holds((answered, first) == (Check::Valid, Some(80)), "an answer is signed, and first (CVE-2024-3596)")
}

/// Whether a request proves the customer's password, or comes from a device under its own address.
fn is_entitled(request: &Packet<'_>, secret: &Secret) -> bool {
    let names: Vec<&[u8]> = request.attributes().filter(|a| a.kind == 1).map(|a| a.value).collect();
    let &[name] = names.as_slice() else { return false };
    match Mac::from_bytes(name) {
        Some(_) => proves(request, secret, b"") || proves(request, secret, name),
        None => name == NAME && proves(request, secret, PASSWORD),
    }
}

/// Whether any credential in a request was made with this password.
fn proves(request: &Packet<'_>, secret: &Secret, password: &[u8]) -> bool {
    let name = request.get(rfc2865::USER_NAME).unwrap_or_default();
    let challenge = request.get(microsoft::MS_CHAP_CHALLENGE).unwrap_or_default();
    let seed = request.authenticator();
    request.all(rfc2865::USER_PASSWORD).any(|hidden| pap::verify(hidden, seed, secret, password))
        || request.all(rfc2865::CHAP_PASSWORD).any(|it| chap::verify(it, chap::challenge(request), password))
        || request.all(microsoft::MS_CHAP_RESPONSE).any(|it| mschap::verify_v1(challenge, it, password).is_some())
        || request
            .all(microsoft::MS_CHAP2_RESPONSE)
            .any(|it| mschap::verify_v2(challenge, it, name, password).is_some())
}
