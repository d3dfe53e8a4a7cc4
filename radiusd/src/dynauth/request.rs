//! Disconnect- and CoA-Requests that RouterOS understands.
//!
//! They hold who and which session (RFC 5176 §3): User-Name, Framed-IP-Address and
//! Acct-Session-Id, since RouterOS finds a hotspot session by its address. A MAC as User-Name alone would
//! disconnect the wireless client instead. A router that found several sessions (Error-Cause 508) is told the device
//! too. Event-Timestamp against replay (§6.3), Message-Authenticator first. A CoA-Request says besides what the session may.

use std::net::IpAddr;
use std::time::Duration;

use radius_proto::attribute::rfc5176::error_cause;
use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869};
use radius_proto::{BuildError, Builder, Code, MAX_PACKET, Secret};
use shared::rate::Rate;
use shared::rules::DataLeft;
use shared::time::OffsetDateTime;
use store::command::{Command, Kind, Limits, Reported};

use crate::policy::{Grant, MAX_SESSION_TIMEOUT, put_data, whole_seconds_up};

pub(super) fn build<'b>(
    buffer: &'b mut [u8; MAX_PACKET],
    command: &Command,
    identifier: u8,
    secret: &Secret,
    now: OffsetDateTime,
) -> Result<&'b [u8], BuildError> {
    let code = match command.kind {
        Kind::Disconnect => Code::DisconnectRequest,
        Kind::Change => Code::CoaRequest,
    };
    let mut request = Builder::new(buffer, code, identifier);
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
    if let Some(limits) = command.limits.as_deref() {
        put_limits(&mut request, limits)?;
    }
    Ok(request.finish_hashed_request(secret))
}

/// What a session may from now on. Each kind of limit is told, since what is not told stays as it was.
fn put_limits(request: &mut Builder<'_>, limits: &Limits) -> Result<(), BuildError> {
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    if let Some(timeout) = limits.session_timeout {
        request.put(rfc2865::SESSION_TIMEOUT, seconds(timeout))?;
    }
    if let Some(idle) = limits.idle_timeout {
        request.put(rfc2865::IDLE_TIMEOUT, seconds(idle))?;
    }
    request.put(mikrotik::RATE_LIMIT, limits.rate.as_bytes())?;
    put_data(request, DataLeft { total: limits.total, up: limits.up, down: limits.down })
}

/// What a session may as a whole that was granted `grant` now. A router counts its octets, and its time most likely too, from
/// the session's beginning, so what was used before is added. If it counts the time from now on, its limit comes
/// later than ours, which then is the one that ends the session; a limit that came too early would be worse.
pub(super) fn limits(grant: &Grant, reported: &Reported, now: OffsetDateTime) -> Limits {
    let lasted = Duration::try_from(now - reported.started_at).unwrap_or_default();
    let plus = |left: Option<u64>, used: u64| left.map(|left| left.saturating_add(used));
    // Rounded up, for the same reason.
    let timeout = |left: Duration| whole_seconds_up(left + lasted).min(MAX_SESSION_TIMEOUT);
    Limits {
        session_timeout: grant.session_timeout.map(timeout),
        idle_timeout: grant.idle_timeout,
        rate: grant.rate.unwrap_or_else(|| Rate::UNLIMITED.text()),
        total: plus(grant.data.total, reported.up.saturating_add(reported.down)),
        up: plus(grant.data.up, reported.up),
        down: plus(grant.data.down, reported.down),
    }
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
            kind: Kind::Disconnect,
            generation: 0,
            session: Uuid::from_u128(3),
            entitlement: None,
            reported: Reported { started_at: OffsetDateTime::UNIX_EPOCH, up: 0, down: 0 },
            limits: None,
            nas_address: None,
            user_name: "amina".into(),
            mac: Some("02:00:00:00:0a:01".parse().expect("a MAC")),
            framed_ip: Some("10.5.50.9".parse().expect("an address")),
            acct_session_id: "80100014".into(),
            reason: "expired".into(),
            attempts: 1,
            error_cause: None,
            acknowledged: false,
            due_at: OffsetDateTime::UNIX_EPOCH,
            trace: None,
        }
    }

    #[test]
    fn it_names_the_session_and_is_signed_twice() {
        let secret = Secret::new(b"s").expect("not empty");
        let mut buffer = [0; MAX_PACKET];
        let octets = build(&mut buffer, &command(), 9, &secret, OffsetDateTime::UNIX_EPOCH).expect("fits");
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
        let octets = build(&mut buffer, &command, 9, &secret, OffsetDateTime::UNIX_EPOCH).expect("fits");
        let packet = Packet::parse(octets).expect("our own packet");
        assert_eq!(packet.get(rfc2865::CALLING_STATION_ID), Some(&b"02:00:00:00:0A:01"[..]));
    }

    #[test]
    fn a_change_tells_what_the_session_may_as_a_whole() {
        let grant = Grant {
            session_timeout: Some(Duration::from_secs(3600)),
            data: DataLeft { total: Some(1000), up: None, down: Some(500) },
            rate: None,
            idle_timeout: Some(Duration::from_secs(300)),
            interim: None,
            replaces: None,
        };
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(899_100);
        let reported = Reported { started_at: OffsetDateTime::UNIX_EPOCH, up: 70, down: 30 };
        let limits = limits(&grant, &reported, now);
        let command = Command { kind: Kind::Change, limits: Some(Box::new(limits)), ..command() };
        let secret = Secret::new(b"s").expect("not empty");
        let mut buffer = [0; MAX_PACKET];
        let octets = build(&mut buffer, &command, 9, &secret, now).expect("fits");
        let packet = Packet::parse(octets).expect("our own packet");
        assert_eq!(packet.code(), Code::CoaRequest);
        assert_eq!(packet.get(rfc2866::ACCT_SESSION_ID), Some(&b"80100014"[..]));
        assert_eq!(packet.get(rfc2865::SESSION_TIMEOUT), Some(4500));
        assert_eq!(packet.get(rfc2865::IDLE_TIMEOUT), Some(300));
        assert_eq!(packet.get(mikrotik::RATE_LIMIT), Some(&b"0/0"[..]), "a limit of before is lifted");
        assert_eq!(packet.get(mikrotik::TOTAL_LIMIT), Some(1100));
        assert_eq!((packet.get(mikrotik::RECV_LIMIT), packet.get(mikrotik::XMIT_LIMIT)), (None, Some(530)));
        assert!(authenticator::verify_request(&packet, &secret));
    }
}
