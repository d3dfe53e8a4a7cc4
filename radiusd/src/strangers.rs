//! Senders that nobody has registered: a small sample of them in memory, from which an operator can adopt a router.
//!
//! Anyone can send from any address, so nothing here may cost anything. A packet of a stranger costs one short lock at
//! most, and not even that while somebody else holds it: then it is left out. At most [`MAX_SOURCES`] addresses are kept, the
//! one not heard for longest leaves, and at most [`FIRST_PER_SECOND`] + [`AGAIN_PER_SECOND`] new ones come in a second. A
//! flood from forged addresses would take all those places, and a router that waits to be adopted would hardly ever get one;
//! but a router sends again, which a forged address hardly does. So half of the places are for addresses that were heard
//! before, by a table of fingerprints that forgets by being overwritten.
//!
//! Nothing of this reaches the database, and what strangers say of themselves is believed by nobody.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use radius_proto::Packet;
use radius_proto::attribute::rfc2865;
use serde::Serialize;
use shared::time::{OffsetDateTime, rfc3339};

/// Addresses that are kept. An operator adopts one at a time; more than this is a flood.
const MAX_SOURCES: usize = 256;
/// Addresses that come in at their first packet, in a second.
const FIRST_PER_SECOND: u32 = 2;
/// Addresses that come in because they were heard before, in a second.
const AGAIN_PER_SECOND: u32 = 2;
/// Fingerprints of addresses heard once: 256 KiB. At 20,000 forged addresses a second a fingerprint lasts for about three
/// seconds, which is longer than a router waits before it sends again.
const FINGERPRINTS: usize = 1 << 16;
/// What a sender says of itself is read again this often.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Characters of a NAS-Identifier that are kept.
const MAX_TEXT: usize = 64;
/// Kinds of packets that are kept of one sender.
const MAX_CODES: usize = 8;

/// The sample.
#[derive(Debug)]
pub(crate) struct Strangers {
    /// Known to nobody outside, so that nobody can choose which fingerprint to overwrite.
    seed: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: HashMap<IpAddr, Stranger>,
    heard_once: Box<[u32]>,
    /// The second for which the two counts below are left.
    second: u64,
    first_left: u32,
    again_left: u32,
}

/// One sender.
#[derive(Clone, Debug)]
struct Stranger {
    first_seen: OffsetDateTime,
    last_seen: OffsetDateTime,
    /// Monotonic: what leaves is decided by it.
    last: Duration,
    read_at: Duration,
    packets: u64,
    ports: Vec<&'static str>,
    codes: Vec<&'static str>,
    nas_identifier: Option<String>,
    nas_ip_address: Option<Ipv4Addr>,
}

/// One sender as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Seen {
    address: IpAddr,
    first_seen: String,
    last_seen: String,
    packets: u64,
    ports: Vec<&'static str>,
    codes: Vec<&'static str>,
    nas_identifier: Option<String>,
    nas_ip_address: Option<Ipv4Addr>,
}

impl Strangers {
    pub(crate) fn new() -> Strangers {
        Strangers::seeded(u64::from_be_bytes(shared::rng::bytes()))
    }

    fn seeded(seed: u64) -> Strangers {
        let inner = Inner {
            known: HashMap::with_capacity(MAX_SOURCES + 1),
            heard_once: vec![0; FINGERPRINTS].into(),
            second: 0,
            first_left: FIRST_PER_SECOND,
            again_left: AGAIN_PER_SECOND,
        };
        Strangers { seed, inner: Mutex::new(inner) }
    }

    /// Notes a packet of an unknown sender. `port` is the label of where it came, `now` monotonic, `wall` the date.
    pub(crate) fn note(
        &self,
        source: SocketAddr,
        port: &'static str,
        packet: Option<&Packet<'_>>,
        now: Duration,
        wall: OffsetDateTime,
    ) {
        let address = source.ip().to_canonical();
        // A sample loses nothing by leaving out a packet; a reader that waits would lose time.
        let Ok(mut inner) = self.inner.try_lock() else { return };
        if !inner.known.contains_key(&address) {
            if !inner.admits(fingerprint(self.seed, address), now) {
                return;
            }
            inner.make_room();
            inner.known.insert(address, Stranger::new(now, wall));
        }
        if let Some(stranger) = inner.known.get_mut(&address) {
            stranger.hear(port, packet, now, wall);
        }
    }

    /// The sample, the last heard first, without those that are registered by now: they are forgotten.
    pub(crate) fn list(&self, is_registered: impl Fn(IpAddr) -> bool) -> Vec<Seen> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.known.retain(|address, _| !is_registered(*address));
        let mut sample: Vec<(IpAddr, Stranger)> = inner.known.iter().map(|(ip, known)| (*ip, known.clone())).collect();
        drop(inner);
        sample.sort_by_key(|(address, stranger)| (std::cmp::Reverse(stranger.last), *address));
        sample.into_iter().map(|(address, stranger)| stranger.shown(address)).collect()
    }
}

impl Inner {
    /// Whether a new address may come in now.
    fn admits(&mut self, hash: u64, now: Duration) -> bool {
        if self.second != now.as_secs() {
            (self.second, self.first_left, self.again_left) = (now.as_secs(), FIRST_PER_SECOND, AGAIN_PER_SECOND);
        }
        let [high, low] = [hash >> 32, hash].map(|half| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(0));
        let slot = &mut self.heard_once[low as usize % FINGERPRINTS];
        // The lowest bit is set, so that an empty slot is nobody's.
        let heard_before = std::mem::replace(slot, high | 1) == high | 1;
        let left = if heard_before { &mut self.again_left } else { &mut self.first_left };
        let admitted = *left > 0;
        *left = left.saturating_sub(1);
        admitted
    }

    fn make_room(&mut self) {
        if self.known.len() >= MAX_SOURCES {
            let oldest = self.known.iter().min_by_key(|(_, stranger)| stranger.last).map(|(address, _)| *address);
            oldest.and_then(|address| self.known.remove(&address));
        }
    }
}

impl Stranger {
    fn new(now: Duration, wall: OffsetDateTime) -> Stranger {
        Stranger {
            first_seen: wall,
            last_seen: wall,
            last: now,
            read_at: Duration::ZERO,
            packets: 0,
            ports: Vec::new(),
            codes: Vec::new(),
            nas_identifier: None,
            nas_ip_address: None,
        }
    }

    fn hear(&mut self, port: &'static str, packet: Option<&Packet<'_>>, now: Duration, wall: OffsetDateTime) {
        let is_due = self.packets == 0 || now.saturating_sub(self.read_at) >= READ_EVERY;
        (self.last, self.last_seen, self.packets) = (now, wall, self.packets.saturating_add(1));
        if !self.ports.contains(&port) {
            self.ports.push(port);
        }
        let Some(packet) = packet else { return };
        let code = packet.code().name();
        if !self.codes.contains(&code) && self.codes.len() < MAX_CODES {
            self.codes.push(code);
        }
        if is_due {
            self.read_at = now;
            self.nas_identifier = packet.get(rfc2865::NAS_IDENTIFIER).map(printable).or(self.nas_identifier.take());
            self.nas_ip_address = packet.get(rfc2865::NAS_IP_ADDRESS).or(self.nas_ip_address);
        }
    }

    fn shown(self, address: IpAddr) -> Seen {
        Seen {
            address,
            first_seen: rfc3339(self.first_seen),
            last_seen: rfc3339(self.last_seen),
            packets: self.packets,
            ports: self.ports,
            codes: self.codes,
            nas_identifier: self.nas_identifier,
            nas_ip_address: self.nas_ip_address,
        }
    }
}

fn fingerprint(seed: u64, address: IpAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, address).hash(&mut hasher);
    hasher.finish()
}

/// A stranger's text for a terminal: letters, digits and plain signs; whatever else becomes a mark.
fn printable(octets: &[u8]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ';
    let text = String::from_utf8_lossy(octets);
    text.chars().take(MAX_TEXT).map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use radius_proto::{Builder, Code, MAX_PACKET, Secret};
    use shared::time::Clock;

    use super::*;

    const WALL: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn from(number: u32) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + number), 40_000))
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn request(identifier: &[u8]) -> Vec<u8> {
        let mut buffer = [0; MAX_PACKET];
        let mut request = Builder::new(&mut buffer, Code::AccessRequest, 1);
        request.put(rfc2865::NAS_IDENTIFIER, identifier).expect("fits");
        request.put(rfc2865::NAS_IP_ADDRESS, [10, 20, 0, 2].into()).expect("fits");
        request.finish_access_request(&Secret::new(b"s").expect("not empty"), [7; 16]).to_vec()
    }

    #[test]
    fn a_router_that_knocks_is_shown_with_what_it_says() {
        let strangers = Strangers::new();
        let octets = request(b"cafe-1\x1b[31m\0");
        let packet = Packet::parse(&octets).expect("our own packet");
        strangers.note(from(1), "auth", Some(&packet), at(0), WALL);
        strangers.note(from(1), "acct", None, at(10), WALL + at(10));
        let shown = strangers.list(|_| false);
        assert_eq!(shown.len(), 1);
        let seen = &shown[0];
        assert_eq!(
            (seen.packets, seen.ports.as_slice(), seen.codes.as_slice()),
            (2, &["auth", "acct"][..], &["Access-Request"][..])
        );
        assert_eq!(seen.nas_identifier.as_deref(), Some("cafe-1\u{fffd}[31m\u{fffd}"), "nothing that a terminal obeys");
        assert_eq!(seen.nas_ip_address, Some(Ipv4Addr::new(10, 20, 0, 2)));
        assert_eq!(seen.first_seen, "1970-01-01T00:00:00Z");
    }

    #[test]
    fn an_address_that_arrives_on_an_ipv6_socket_is_shown_as_ipv4() {
        let strangers = Strangers::new();
        strangers.note("[::ffff:192.0.2.9]:1024".parse().expect("an address"), "auth", None, at(0), WALL);
        assert_eq!(strangers.list(|_| false)[0].address, IpAddr::from([192, 0, 2, 9]));
    }

    #[test]
    fn what_is_registered_is_no_stranger_any_more() {
        let strangers = Strangers::new();
        strangers.note(from(1), "auth", None, at(0), WALL);
        strangers.note(from(2), "auth", None, at(1), WALL);
        let left = strangers.list(|address| address == from(1).ip());
        assert_eq!(left.iter().map(|seen| seen.address).collect::<Vec<_>>(), [from(2).ip()]);
        assert_eq!(strangers.list(|_| false), left, "and it stays forgotten");
    }

    #[test]
    fn the_one_not_heard_for_longest_leaves() {
        let strangers = Strangers::new();
        let many = u32::try_from(MAX_SOURCES).expect("small") + 10;
        for number in 0..many {
            // One a second, so that each comes in; the first is heard again and again.
            strangers.note(from(number), "auth", None, at(u64::from(number) * 1000), WALL);
            strangers.note(from(0), "auth", None, at(u64::from(number) * 1000 + 1), WALL);
        }
        let shown = strangers.list(|_| false);
        assert_eq!(shown.len(), MAX_SOURCES);
        assert!(shown.iter().any(|seen| seen.address == from(0).ip()));
        assert!(!shown.iter().any(|seen| seen.address == from(1).ip()));
        assert!(shown.iter().any(|seen| seen.address == from(many - 1).ip()));
    }

    #[test]
    fn a_flood_of_forged_addresses_costs_little_and_hides_no_router() {
        const FLOOD: u32 = 100_000;
        let strangers = Strangers::seeded(7);
        let octets = request(b"forged");
        let packet = Packet::parse(&octets).expect("our own packet");
        let clock = Clock::system();
        let started = clock.monotonic();
        // Five seconds of 20,000 a second, each from an address of its own; a router tries every 1.1 seconds meanwhile.
        for number in 0..FLOOD {
            let now = Duration::from_micros(u64::from(number) * 50);
            strangers.note(from(number + 1), "auth", Some(&packet), now, WALL);
            if number % 22_000 == 10_000 {
                strangers.note(from(0), "auth", Some(&packet), now, WALL);
            }
        }
        let each = (clock.monotonic() - started) / FLOOD;
        println!("{FLOOD} packets of as many strangers: {each:?} each");
        let shown = strangers.list(|_| false);
        let admitted = 5 * (FIRST_PER_SECOND + AGAIN_PER_SECOND) as usize;
        assert!(shown.len() <= admitted, "{} of at most {admitted}", shown.len());
        assert!(shown.iter().any(|seen| seen.address == from(0).ip()), "the router came in when it sent again");
    }
}
