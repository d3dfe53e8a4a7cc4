//! Accounting-Request: what a router reports, read into a [`Report`] for the store.
//!
//! The session is known by our ticket in `Class`. A router that does not return it is still recorded: the store finds
//! the session by what the router calls it. Time is ours: the router's clock orders nothing, its
//! Acct-Session-Time measures (RFC 2866 §5.2, §5.7).

use std::net::IpAddr;
use std::time::Duration;

use radius_proto::Packet;
use radius_proto::attribute::{rfc2865, rfc2866, rfc2869};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use store::accounting::{Event, Report, Restart, SessionKey};
use uuid::Uuid;

use crate::directory::Directory;
use crate::ticket::Ticket;

/// Longest Acct-Delay-Time that is believed: RouterOS gives a report up after seconds, others after hours.
const MAX_DELAY: Duration = Duration::from_secs(24 * 3600);
/// No session moves more than a pebibyte; a counter that says so is cut off there, so that it can harm no sum.
const MAX_OCTETS: u64 = 1 << 50;
/// Longest text that is stored of a name.
const MAX_TEXT: usize = 253;

/// What an Accounting-Request says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// About a session.
    Session {
        /// The report; its key is nil without our ticket.
        report: Box<Report>,
        /// For the metrics.
        status: &'static str,
    },
    /// About the router itself: Accounting-On or -Off.
    Router {
        /// Which router, and when.
        restart: Restart,
        /// Whether it stops serving, or has started.
        stops: bool,
        /// For the metrics and the log.
        status: &'static str,
    },
    /// Not a report that can be recorded.
    Unusable(&'static str),
}

/// Where an authentic Accounting-Request came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The router.
    pub nas: Uuid,
    /// The address of its packet.
    pub source: IpAddr,
    /// Whether several routers share the entry, so that only the address tells them apart.
    pub is_shared: bool,
}

/// Reads an authentic Accounting-Request that came at `now`.
pub fn read(packet: &Packet<'_>, from: Origin, directory: &Directory, now: OffsetDateTime) -> Reading {
    use rfc2866::acct_status_type as status_type;
    let (event, status) = match packet.get(rfc2866::ACCT_STATUS_TYPE) {
        Some(status_type::START) => (Event::Start, "Start"),
        Some(status_type::INTERIM_UPDATE) => (Event::Interim, "Interim-Update"),
        Some(status_type::STOP) => (Event::Stop, "Stop"),
        Some(status_type::ACCOUNTING_ON) => {
            return Reading::Router { restart: restart(packet, from, now), stops: false, status: "Accounting-On" };
        }
        Some(status_type::ACCOUNTING_OFF) => {
            return Reading::Router { restart: restart(packet, from, now), stops: true, status: "Accounting-Off" };
        }
        Some(_) => return Reading::Unusable("unknown_status_type"),
        None => return Reading::Unusable("no_status_type"),
    };
    let Some(acct_session_id) = packet.get(rfc2866::ACCT_SESSION_ID) else {
        return Reading::Unusable("no_session_id");
    };
    let user_name = packet.get(rfc2865::USER_NAME).unwrap_or_default();
    let mac = packet.get(rfc2865::CALLING_STATION_ID).and_then(Mac::from_bytes);
    let ticket = packet.all(rfc2865::CLASS).find_map(Ticket::decode).and_then(|t| Some((t, t.key()?)));
    let report = Report {
        session: ticket.map_or(SessionKey { id: Uuid::nil(), opened_on: now.to_utc().date() }, |(_, key)| key),
        nas: from.nas,
        nas_address: Some(from.source.to_canonical()),
        entitlement: ticket
            .map(|(ticket, _)| ticket.entitlement)
            .or_else(|| entitlement_of(directory, user_name, mac, now)),
        user_name: text(user_name),
        mac,
        framed_ip: packet.get(rfc2865::FRAMED_IP_ADDRESS).map(IpAddr::V4),
        acct_session_id: text(acct_session_id),
        event,
        seconds: u64::from(packet.get(rfc2866::ACCT_SESSION_TIME).unwrap_or(0)),
        input_octets: wide(packet.get(rfc2869::ACCT_INPUT_GIGAWORDS), packet.get(rfc2866::ACCT_INPUT_OCTETS)),
        output_octets: wide(packet.get(rfc2869::ACCT_OUTPUT_GIGAWORDS), packet.get(rfc2866::ACCT_OUTPUT_OCTETS)),
        terminate_cause: packet.get(rfc2866::ACCT_TERMINATE_CAUSE).map(cause),
        at: now - delay(packet),
    };
    Reading::Session { report: Box::new(report), status }
}

fn restart(packet: &Packet<'_>, from: Origin, now: OffsetDateTime) -> Restart {
    let address = from.is_shared.then(|| from.source.to_canonical());
    Restart { nas: from.nas, address, at: now - delay(packet) }
}

/// How far the router's Event-Timestamp is ahead of the moment at which the report must have been made.
pub(crate) fn clock_ahead_seconds(packet: &Packet<'_>, now: OffsetDateTime) -> Option<i64> {
    let stamp = i64::from(packet.get(rfc2869::EVENT_TIMESTAMP)?);
    Some(stamp - (now - delay(packet)).unix_timestamp())
}

/// Acct-Delay-Time, as far as it is believed.
fn delay(packet: &Packet<'_>) -> Duration {
    Duration::from_secs(u64::from(packet.get(rfc2866::ACCT_DELAY_TIME).unwrap_or(0))).min(MAX_DELAY)
}

/// Without a ticket, the entitlement is the one that this name or device opens now.
fn entitlement_of(directory: &Directory, user_name: &[u8], mac: Option<Mac>, now: OffsetDateTime) -> Option<Uuid> {
    if let Some(opening) = directory.login(user_name) {
        return Some(opening.held().id());
    }
    let is_mac_login = mac.is_some() && Mac::from_bytes(user_name) == mac;
    // The one that a login by this device would use now, else the newest.
    Some(directory.device(mac.filter(|_| is_mac_login)?, now.into())?.id())
}

/// Gigawords count how often 32 bits have wrapped (RFC 2869 §5.1, §5.2).
fn wide(gigawords: Option<u32>, octets: Option<u32>) -> u64 {
    (u64::from(gigawords.unwrap_or(0)) << 32 | u64::from(octets.unwrap_or(0))).min(MAX_OCTETS)
}

/// Text for PostgreSQL, which takes neither broken UTF-8 nor NUL; the length is bounded by the attribute.
fn text(octets: &[u8]) -> String {
    let octets = &octets[..octets.len().min(MAX_TEXT)];
    String::from_utf8_lossy(octets).replace('\0', "\u{fffd}")
}

fn cause(number: u32) -> String {
    rfc2866::acct_terminate_cause::name(number).map_or_else(|| format!("cause {number}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius_proto::{Builder, Code, MAX_PACKET, Secret};

    fn reading(fill: impl FnOnce(&mut Builder<'_>)) -> Reading {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccountingRequest, 1);
        fill(&mut request);
        let octets = request.finish_hashed_request(&Secret::new(b"s").expect("not empty"));
        let packet = Packet::parse(octets).expect("our own packet");
        read(
            &packet,
            Origin { nas: Uuid::from_u128(5), source: IpAddr::from([10, 0, 0, 1]), is_shared: false },
            &Directory::new(),
            OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1000),
        )
    }

    #[test]
    fn counters_are_64_bits_wide_and_time_is_ours() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("in range");
        let ticket = Ticket { session: shared::rng::id(now), entitlement: Uuid::from_u128(9) };
        let read = reading(|request| {
            request.put(rfc2866::ACCT_STATUS_TYPE, 2).expect("fits");
            request.put(rfc2866::ACCT_SESSION_ID, b"80100014").expect("fits");
            request.put(rfc2865::USER_NAME, b"a\0b").expect("fits");
            request.put(rfc2866::ACCT_INPUT_OCTETS, 7).expect("fits");
            request.put(rfc2869::ACCT_INPUT_GIGAWORDS, 2).expect("fits");
            request.put(rfc2866::ACCT_SESSION_TIME, 60).expect("fits");
            request.put(rfc2866::ACCT_DELAY_TIME, 10).expect("fits");
            request.put(rfc2866::ACCT_TERMINATE_CAUSE, 1).expect("fits");
            request.put(rfc2865::CLASS, b"somebody else's").expect("fits");
            request.put(rfc2865::CLASS, &ticket.encode()).expect("fits");
        });
        let Reading::Session { report, status } = read else { panic!("{read:?}") };
        assert_eq!(status, "Stop");
        assert_eq!(report.session.id, ticket.session);
        assert_eq!(report.entitlement, Some(Uuid::from_u128(9)));
        assert_eq!(report.input_octets, (2 << 32) + 7);
        assert_eq!(report.at.unix_timestamp(), 990);
        assert_eq!(report.user_name, "a\u{fffd}b");
        assert_eq!(report.terminate_cause.as_deref(), Some("User-Request"));
    }

    #[test]
    fn what_cannot_be_recorded_is_named() {
        assert_eq!(reading(|_| {}), Reading::Unusable("no_status_type"));
        let no_id = reading(|request| {
            request.put(rfc2866::ACCT_STATUS_TYPE, 1).expect("fits");
        });
        assert_eq!(no_id, Reading::Unusable("no_session_id"));
        let on = reading(|request| {
            request.put(rfc2866::ACCT_STATUS_TYPE, 7).expect("fits");
        });
        let at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1000);
        let restart = Restart { nas: Uuid::from_u128(5), address: None, at };
        assert_eq!(on, Reading::Router { restart, stops: false, status: "Accounting-On" });
    }
}
