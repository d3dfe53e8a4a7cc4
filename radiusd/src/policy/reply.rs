//! A grant or a denial in the words of a MikroTik router.
//!
//! RouterOS takes 64-bit limits in two attributes: the low 32 bits, and the number of 2^32 octets beside it.
//! `Mikrotik-Total-Limit` counts both directions together; `-Recv-` and `-Xmit-Limit` count what a device sends and gets.

use radius_proto::attribute::{mikrotik, rfc2865, rfc2869};
use radius_proto::{BuildError, Builder};
use shared::language::Language;
use shared::rules::DataLeft;

use super::{Denial, Grant};

/// Writes the attributes of an Access-Accept.
pub fn put_accept(
    reply: &mut Builder<'_>,
    grant: &Grant,
    class: &[u8],
    interim_seconds: u32,
) -> Result<(), BuildError> {
    if let Some(timeout) = grant.session_timeout {
        reply.put(rfc2865::SESSION_TIMEOUT, u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX))?;
    }
    if let Some(idle) = grant.idle_timeout {
        reply.put(rfc2865::IDLE_TIMEOUT, u32::try_from(idle.as_secs()).unwrap_or(u32::MAX))?;
    }
    let soon = grant.interim.map_or(u32::MAX, |interim| u32::try_from(interim.as_secs()).unwrap_or(u32::MAX));
    reply.put(rfc2869::ACCT_INTERIM_INTERVAL, interim_seconds.min(soon))?;
    reply.put(rfc2865::CLASS, class)?;
    put_data(reply, grant.data)?;
    if let Some(rate) = grant.rate {
        reply.put(mikrotik::RATE_LIMIT, rate.as_bytes())?;
    }
    Ok(())
}

/// Writes what may be used of each kind of data. The router calls what a device sends *received*.
pub(crate) fn put_data(packet: &mut Builder<'_>, data: DataLeft) -> Result<(), BuildError> {
    let limits = [
        (data.total, mikrotik::TOTAL_LIMIT, mikrotik::TOTAL_LIMIT_GIGAWORDS),
        (data.up, mikrotik::RECV_LIMIT, mikrotik::RECV_LIMIT_GIGAWORDS),
        (data.down, mikrotik::XMIT_LIMIT, mikrotik::XMIT_LIMIT_GIGAWORDS),
    ];
    for (limit, low, high) in limits {
        if let Some(octets) = limit {
            let [high_half, low_half] = halves(octets);
            packet.put(low, low_half)?;
            packet.put(high, high_half)?;
        }
    }
    Ok(())
}

/// Writes the attributes of an Access-Reject.
pub fn put_reject(reply: &mut Builder<'_>, denial: Denial, language: Language) -> Result<(), BuildError> {
    reply.put(rfc2865::REPLY_MESSAGE, denial.sentence(language).as_bytes())?;
    Ok(())
}

/// The two 32-bit halves of a count, high first.
fn halves(octets: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = octets.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use radius_proto::{Code, MAX_PACKET, Packet, Secret};
    use shared::rate::Rate;
    use std::time::Duration;

    #[test]
    fn an_accept_carries_every_limit() {
        let grant = Grant {
            session_timeout: Some(Duration::from_secs(3600)),
            data: DataLeft { total: Some((5 << 32) + 7), up: Some(1 << 33), down: None },
            rate: Some(Rate { up_bps: 1_000_000, down_bps: 2_000_000 }.text()),
            idle_timeout: Some(Duration::from_secs(300)),
            interim: Some(Duration::from_secs(90)),
            replaces: None,
        };
        let mut buffer = [0; MAX_PACKET];
        let mut reply = Builder::new(&mut buffer, Code::AccessAccept, 1);
        put_accept(&mut reply, &grant, b"class", 60).expect("fits");
        let secret = Secret::new(b"s").expect("not empty");
        let octets = reply.finish_reply(&secret, &[0; 16]);
        let packet = Packet::parse(octets).expect("our own packet");
        assert_eq!(packet.get(rfc2865::SESSION_TIMEOUT), Some(3600));
        assert_eq!(packet.get(rfc2865::IDLE_TIMEOUT), Some(300));
        assert_eq!(packet.get(rfc2869::ACCT_INTERIM_INTERVAL), Some(60));
        assert_eq!(packet.get(rfc2865::CLASS), Some(&b"class"[..]));
        assert_eq!(packet.get(mikrotik::TOTAL_LIMIT), Some(7));
        assert_eq!(packet.get(mikrotik::TOTAL_LIMIT_GIGAWORDS), Some(5));
        assert_eq!(packet.get(mikrotik::RECV_LIMIT), Some(0));
        assert_eq!(packet.get(mikrotik::RECV_LIMIT_GIGAWORDS), Some(2));
        assert_eq!(packet.get(mikrotik::XMIT_LIMIT), None);
        assert_eq!(packet.get(mikrotik::RATE_LIMIT), Some(&b"1M/2M"[..]));
    }
}
