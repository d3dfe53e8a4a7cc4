//! One Accounting-Request as a hotspot of RouterOS sends it: its attributes in their order.
//!
//! Counters are always whole: both halves of the octets, zero or not. The router's clock is right here, and no record
//! is delayed: a second try has the same octets.

use radius_proto::attribute::{rfc2865, rfc2866, rfc2869};
use radius_proto::{BuildError, Builder, Code, MAX_PACKET};

use crate::request::{Recipe, put_identity};

/// What a record reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Start,
    Interim,
    Stop,
}

/// What a session has used so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counters {
    /// Octets from the customer.
    pub(crate) input: u64,
    /// Octets to the customer.
    pub(crate) output: u64,
    /// Acct-Session-Time.
    pub(crate) seconds: u32,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'s> {
    pub(crate) event: Event,
    pub(crate) customer: u32,
    /// The router's number of the session: Acct-Session-Id and NAS-Port.
    pub(crate) session: u32,
    /// As the login's answer gave it; empty if it gave none.
    pub(crate) class: &'s [u8],
    pub(crate) counters: Counters,
    /// Event-Timestamp.
    pub(crate) unix_time: u32,
}

/// Octets in a packet of the counters of packets, which nobody looks at.
const PACKET: u64 = 800;

impl Record<'_> {
    /// Writes it. Returns its octets and its Request Authenticator.
    ///
    /// # Errors
    /// If the Class is longer than there is room for.
    pub(crate) fn write<'b>(
        &self,
        recipe: &Recipe,
        identifier: u8,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError> {
        let mut packet = Builder::new(buffer, Code::AccountingRequest, identifier);
        packet.put(rfc2866::ACCT_STATUS_TYPE, self.status_type())?;
        if self.event == Event::Stop {
            packet.put(rfc2866::ACCT_TERMINATE_CAUSE, rfc2866::acct_terminate_cause::USER_REQUEST)?;
        }
        put_identity(&mut packet, self.customer, self.session)?;
        if !self.class.is_empty() {
            packet.put(rfc2865::CLASS, self.class)?;
        }
        packet.put(rfc2869::EVENT_TIMESTAMP, self.unix_time)?;
        if self.event != Event::Start {
            self.put_counters(&mut packet)?;
        }
        packet
            .put(rfc2865::NAS_IDENTIFIER, b"MikroTik")?
            .put(rfc2866::ACCT_DELAY_TIME, 0)?
            .put(rfc2865::NAS_IP_ADDRESS, recipe.nas)?;
        let octets = packet.finish_hashed_request(&recipe.secret);
        let authenticator = octets[4..20].try_into().expect("a header has 20 octets");
        Ok((octets, authenticator))
    }

    fn status_type(&self) -> u32 {
        match self.event {
            Event::Start => rfc2866::acct_status_type::START,
            Event::Interim => rfc2866::acct_status_type::INTERIM_UPDATE,
            Event::Stop => rfc2866::acct_status_type::STOP,
        }
    }

    fn put_counters(&self, packet: &mut Builder<'_>) -> Result<(), BuildError> {
        let Counters { input, output, seconds } = self.counters;
        packet
            .put(rfc2866::ACCT_INPUT_OCTETS, low(input))?
            .put(rfc2866::ACCT_OUTPUT_OCTETS, low(output))?
            .put(rfc2869::ACCT_INPUT_GIGAWORDS, low(input >> 32))?
            .put(rfc2869::ACCT_OUTPUT_GIGAWORDS, low(output >> 32))?
            .put(rfc2866::ACCT_INPUT_PACKETS, low(input / PACKET))?
            .put(rfc2866::ACCT_OUTPUT_PACKETS, low(output / PACKET))?
            .put(rfc2866::ACCT_SESSION_TIME, seconds)?;
        Ok(())
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("the upper half is masked off")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use radius_proto::{Packet, Secret, authenticator};

    use super::*;
    use crate::request::REQUEST_OCTETS;

    #[test]
    fn a_record_is_what_a_router_sends() {
        let secret = Secret::new(b"bench").expect("not empty");
        let recipe = Recipe { secret, chap: false, signed: true, must_be_signed: true, nas: Ipv4Addr::LOCALHOST };
        let counters = Counters { input: (1 << 32) + 5, output: 3 << 32, seconds: 61 };
        let stop = Record {
            event: Event::Stop,
            customer: 7,
            session: 0x8010_0014,
            class: &[9; 253],
            counters,
            unix_time: 1_795_000_000,
        };
        let mut buffer = [0; MAX_PACKET];
        let (octets, proof) = stop.write(&recipe, 3, &mut buffer).expect("fits");
        assert!(octets.len() <= REQUEST_OCTETS, "{} octets", octets.len());
        let packet = Packet::parse(octets).expect("well formed");
        assert_eq!(packet.authenticator(), &proof);
        assert!(authenticator::verify_request(&packet, &recipe.secret));
        let kinds = |packet: &Packet<'_>| packet.attributes().map(|attribute| attribute.kind).collect::<Vec<u8>>();
        let order = [40, 49, 61, 31, 30, 87, 1, 5, 44, 8, 26, 25, 55, 42, 43, 52, 53, 47, 48, 46, 32, 41, 4];
        assert_eq!(kinds(&packet), order);
        assert_eq!(packet.get(rfc2866::ACCT_SESSION_ID), Some(&b"80100014"[..]));
        assert_eq!(packet.get(rfc2866::ACCT_INPUT_OCTETS), Some(5));
        assert_eq!(packet.get(rfc2869::ACCT_INPUT_GIGAWORDS), Some(1));
        let start = Record { event: Event::Start, class: &[], ..stop };
        let mut buffer = [0; MAX_PACKET];
        let (octets, _) = start.write(&recipe, 3, &mut buffer).expect("fits");
        let packet = Packet::parse(octets).expect("well formed");
        assert_eq!(kinds(&packet), [40, 61, 31, 30, 87, 1, 5, 44, 8, 26, 55, 32, 41, 4]);
    }
}
