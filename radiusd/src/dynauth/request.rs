//! A Disconnect-Request that RouterOS understands.
//!
//! It holds who and which session, and nothing else (RFC 5176 §3): User-Name, Framed-IP-Address and
//! Acct-Session-Id, since RouterOS finds a hotspot session by its address. A MAC as User-Name alone would
//! disconnect the wireless client instead. A router that found several sessions (Error-Cause 508) is told the device
//! too. Event-Timestamp against replay (§6.3), Message-Authenticator first.

use std::net::IpAddr;

use radius_proto::attribute::rfc5176::error_cause;
use radius_proto::attribute::{rfc2865, rfc2866, rfc2869};
use radius_proto::{BuildError, Builder, Code, MAX_PACKET, Secret};
use shared::time::OffsetDateTime;
use store::command::Command;

pub(super) fn disconnect<'b>(
    buffer: &'b mut [u8; MAX_PACKET],
    command: &Command,
    identifier: u8,
    secret: &Secret,
    now: OffsetDateTime,
) -> Result<&'b [u8], BuildError> {
    let mut request = Builder::new(buffer, Code::DisconnectRequest, identifier);
    request.reserve_message_authenticator()?;
    if !command.user_name.is_empty() {
        request.put(rfc2865::USER_NAME, command.user_name.as_bytes())?;
    }
    if let Some(IpAddr::V4(ip)) = command.framed_ip {
        request.put(rfc2865::FRAMED_IP_ADDRESS, ip)?;
    }
    if let (Some(error_cause::MULTIPLE_SESSION_SELECTION_UNSUPPORTED), Some(mac)) = (command.error_cause, command.mac) {
        request.put(rfc2865::CALLING_STATION_ID, mac.to_string().as_bytes())?;
    }
    request.put(rfc2866::ACCT_SESSION_ID, command.acct_session_id.as_bytes())?;
    request.put(rfc2869::EVENT_TIMESTAMP, u32::try_from(now.unix_timestamp()).unwrap_or(u32::MAX))?;
    Ok(request.finish_hashed_request(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius_proto::message_authenticator::{Check, check_request};
    use radius_proto::{Packet, authenticator};
    use uuid::Uuid;

    fn command() -> Command {
        Command {
            id: Uuid::from_u128(1),
            nas: Uuid::from_u128(2),
            session: Uuid::from_u128(3),
            nas_address: None,
            user_name: "amina".into(),
            mac: Some("02:00:00:00:0a:01".parse().expect("a MAC")),
            framed_ip: Some("10.5.50.9".parse().expect("an address")),
            acct_session_id: "80100014".into(),
            reason: "expired".into(),
            attempts: 1,
            error_cause: None,
            due_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn it_names_the_session_and_is_signed_twice() {
        let secret = Secret::new(b"s").expect("not empty");
        let mut buffer = [0; MAX_PACKET];
        let octets = disconnect(&mut buffer, &command(), 9, &secret, OffsetDateTime::UNIX_EPOCH).expect("fits");
        let packet = Packet::parse(octets).expect("our own packet");
        assert_eq!((packet.code(), packet.identifier()), (Code::DisconnectRequest, 9));
        assert_eq!(packet.attributes().next().map(|a| a.kind), Some(80));
        assert_eq!(packet.get(rfc2865::USER_NAME), Some(&b"amina"[..]));
        assert_eq!(packet.get(rfc2865::FRAMED_IP_ADDRESS), Some("10.5.50.9".parse().expect("an address")));
        assert_eq!(packet.get(rfc2866::ACCT_SESSION_ID), Some(&b"80100014"[..]));
        assert_eq!(packet.get(rfc2865::CALLING_STATION_ID), None);
        assert!(authenticator::verify_request(&packet, &secret));
        assert_eq!(check_request(&packet, &secret), Check::Valid);
    }

    #[test]
    fn a_router_that_found_several_sessions_is_told_the_device() {
        let command = Command { error_cause: Some(508), ..command() };
        let mut buffer = [0; MAX_PACKET];
        let secret = Secret::new(b"s").expect("not empty");
        let octets = disconnect(&mut buffer, &command, 9, &secret, OffsetDateTime::UNIX_EPOCH).expect("fits");
        let packet = Packet::parse(octets).expect("our own packet");
        assert_eq!(packet.get(rfc2865::CALLING_STATION_ID), Some(&b"02:00:00:00:0A:01"[..]));
    }
}
