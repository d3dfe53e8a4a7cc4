//! The terms of a session: what an Access-Accept grants and a CoA-Request changes. Read from a packet into
//! plain values, so that the router's core needs no packet.

use std::time::Duration;

use radius_proto::Packet;
use radius_proto::attribute::{Attr, Integer, Text};
use radius_proto::attribute::{mikrotik, rfc2865, rfc2869, wispr};
use serde::Serialize;

use super::rate::RateLimit;

/// Attributes of an Accept or a CoA that the simulated router understands; `None` where absent.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Terms {
    /// Session-Timeout, in seconds. 0 is taken for absent (what RouterOS does then is not documented).
    pub session_timeout: Option<u32>,
    /// Idle-Timeout, in seconds.
    pub idle_timeout: Option<u32>,
    /// Acct-Interim-Interval, in seconds.
    pub interim_interval: Option<u32>,
    /// Port-Limit: sessions at once for this name.
    pub port_limit: Option<u32>,
    /// Every Class, in order.
    #[serde(skip)]
    pub class: Vec<Vec<u8>>,
    /// Mikrotik-Rate-Limit as sent.
    pub rate_limit: Option<String>,
    /// Octets that the client may send, gigawords joined in.
    pub recv_limit: Option<u64>,
    /// Octets that the client may receive.
    pub xmit_limit: Option<u64>,
    /// Octets both ways.
    pub total_limit: Option<u64>,
    /// Mikrotik-Group: the hotspot's user profile.
    pub group: Option<String>,
    /// Mikrotik-Address-List.
    pub address_list: Option<String>,
    /// Filter-Id.
    pub filter_id: Option<String>,
    /// WISPr-Redirection-URL: where the browser goes after login.
    pub redirection_url: Option<String>,
    /// Reply-Message, several joined by spaces.
    pub reply_message: Option<String>,
}

impl Terms {
    /// Reads an Access-Accept, Access-Reject or CoA-Request.
    #[must_use]
    pub fn read(packet: &Packet<'_>) -> Terms {
        let messages: Vec<String> = packet.all(rfc2865::REPLY_MESSAGE).map(lossy).collect();
        Terms {
            session_timeout: positive(packet, rfc2865::SESSION_TIMEOUT),
            idle_timeout: positive(packet, rfc2865::IDLE_TIMEOUT),
            interim_interval: positive(packet, rfc2869::ACCT_INTERIM_INTERVAL),
            port_limit: positive(packet, rfc2865::PORT_LIMIT),
            class: packet.all(rfc2865::CLASS).map(<[u8]>::to_vec).collect(),
            rate_limit: text(packet, mikrotik::RATE_LIMIT),
            recv_limit: octets(packet, mikrotik::RECV_LIMIT, mikrotik::RECV_LIMIT_GIGAWORDS),
            xmit_limit: octets(packet, mikrotik::XMIT_LIMIT, mikrotik::XMIT_LIMIT_GIGAWORDS),
            total_limit: octets(packet, mikrotik::TOTAL_LIMIT, mikrotik::TOTAL_LIMIT_GIGAWORDS),
            group: text(packet, mikrotik::GROUP),
            address_list: text(packet, mikrotik::ADDRESS_LIST),
            filter_id: text(packet, rfc2865::FILTER_ID),
            redirection_url: text(packet, wispr::REDIRECTION_URL),
            reply_message: (!messages.is_empty()).then(|| messages.join(" ")),
        }
    }

    /// Takes over what a CoA may change. Address list, redirection and interim interval stay as they were.
    pub(crate) fn amend(&mut self, change: Terms, total_limit_too: bool) {
        replace(&mut self.session_timeout, change.session_timeout);
        replace(&mut self.idle_timeout, change.idle_timeout);
        replace(&mut self.port_limit, change.port_limit);
        replace(&mut self.rate_limit, change.rate_limit);
        replace(&mut self.recv_limit, change.recv_limit);
        replace(&mut self.xmit_limit, change.xmit_limit);
        replace(&mut self.group, change.group);
        replace(&mut self.filter_id, change.filter_id);
        if total_limit_too {
            replace(&mut self.total_limit, change.total_limit);
        }
    }

    /// The speeds, if there is a rate limit and RouterOS would understand it.
    #[must_use]
    pub fn speeds(&self) -> Option<RateLimit> {
        RateLimit::parse(self.rate_limit.as_deref()?)
    }

    /// Time between Interim-Updates; `None` without Acct-Interim-Interval: then there are none.
    pub(crate) fn interim(&self, floor: Duration) -> Option<Duration> {
        let asked = Duration::from_secs(u64::from(self.interim_interval?));
        Some(asked.max(floor))
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

fn positive(packet: &Packet<'_>, attribute: Attr<Integer>) -> Option<u32> {
    packet.get(attribute).filter(|&number| number > 0)
}

fn text(packet: &Packet<'_>, attribute: Attr<Text>) -> Option<String> {
    packet.get(attribute).map(lossy)
}

pub(crate) fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Joins a limit and its gigawords; a limit of nothing is no limit.
fn octets(packet: &Packet<'_>, low: Attr<Integer>, high: Attr<Integer>) -> Option<u64> {
    let low = u64::from(packet.get(low).unwrap_or(0));
    let high = u64::from(packet.get(high).unwrap_or(0));
    Some(high << 32 | low).filter(|&limit| limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius_proto::{Builder, Code, MAX_PACKET, Secret};

    #[test]
    fn an_accept_is_read_with_its_gigawords() {
        let secret = Secret::new(b"s").expect("not empty");
        let mut buf = [0; MAX_PACKET];
        let mut accept = Builder::new(&mut buf, Code::AccessAccept, 1);
        accept.put(mikrotik::TOTAL_LIMIT, 7).expect("fits");
        accept.put(mikrotik::TOTAL_LIMIT_GIGAWORDS, 2).expect("fits");
        accept.put(rfc2865::SESSION_TIMEOUT, 0).expect("fits");
        accept.put(rfc2865::CLASS, &b"one"[..]).expect("fits");
        accept.put(rfc2865::CLASS, &b"two"[..]).expect("fits");
        accept.put(mikrotik::RATE_LIMIT, &b"1M/2M"[..]).expect("fits");
        let bytes = accept.finish_reply(&secret, &[0; 16]);
        let terms = Terms::read(&Packet::parse(bytes).expect("well formed"));
        assert_eq!(terms.total_limit, Some((2 << 32) + 7));
        assert_eq!(terms.session_timeout, None, "0 is no timeout");
        assert_eq!(terms.class, [b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(terms.speeds().map(|speeds| speeds.rate.tx), Some(2_000_000));
    }

    #[test]
    fn a_coa_changes_only_what_it_names() {
        let mut terms = Terms { session_timeout: Some(60), total_limit: Some(5), ..Terms::default() };
        let change = Terms { rate_limit: Some("1M".into()), total_limit: Some(9), ..Terms::default() };
        terms.amend(change.clone(), false);
        assert_eq!((terms.session_timeout, terms.total_limit), (Some(60), Some(5)));
        assert_eq!(terms.rate_limit.as_deref(), Some("1M"));
        terms.amend(change, true);
        assert_eq!(terms.total_limit, Some(9));
    }

    #[test]
    fn the_floor_of_the_interval_holds() {
        let terms = Terms { interim_interval: Some(2), ..Terms::default() };
        assert_eq!(terms.interim(Duration::from_secs(10)), Some(Duration::from_secs(10)));
        assert_eq!(Terms::default().interim(Duration::from_secs(10)), None);
    }
}
