//! An accounting record as octets: what the spool keeps of a [`Record`].
//!
//! ```text
//! version 1 │ then for each field that is there: number 1 │ length 2 │ value
//! ```
//!
//! Numbers are little-endian, texts UTF-8, moments nanoseconds since the Unix epoch. Fields may stand in any order. To
//! add one: give it the next number in [`field`], write it, read it, and say what stands for it in records that are
//! older. That needs no new version; a program that does not know the field sets the record aside instead of counting
//! something else.
//!
//! What is refused: guessing. A record that is not understood is an error that names its position, never a panic.

use std::net::IpAddr;

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use store::accounting::{Event, Report, Restart, SessionKey};
use time::Date;
use uuid::Uuid;

use super::Record;
use super::spool::Position;

/// The layout above.
const VERSION: u8 = 1;
/// What a router tells of itself, beside the events of sessions.
const ROUTER_STARTS: u8 = 4;
const ROUTER_STOPS: u8 = 5;
/// The fields' numbers. None is ever used for something else.
mod field {
    pub(super) const SESSION: u8 = 1;
    pub(super) const OPENED_ON: u8 = 2;
    pub(super) const NAS: u8 = 3;
    pub(super) const NAS_ADDRESS: u8 = 4;
    pub(super) const ENTITLEMENT: u8 = 5;
    pub(super) const USER_NAME: u8 = 6;
    pub(super) const MAC: u8 = 7;
    pub(super) const FRAMED_IP: u8 = 8;
    pub(super) const ACCT_SESSION_ID: u8 = 9;
    pub(super) const EVENT: u8 = 10;
    pub(super) const SECONDS: u8 = 11;
    pub(super) const INPUT_OCTETS: u8 = 12;
    pub(super) const OUTPUT_OCTETS: u8 = 13;
    pub(super) const TERMINATE_CAUSE: u8 = 14;
    pub(super) const AT: u8 = 15;
}

/// A record that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the spooled record at {position} cannot be read: {why}")]
pub(crate) struct Unreadable {
    /// Which one.
    pub(crate) position: Position,
    /// What is wrong with it.
    pub(crate) why: Why,
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Why {
    /// It has no octets.
    #[error("it is empty")]
    Empty,
    /// A version that this program does not know.
    #[error("it is of version {0}, which this program does not know")]
    Version(u8),
    /// A field that this program does not know.
    #[error("it has field {0}, which this program does not know")]
    Unknown(u8),
    /// It ends within a field.
    #[error("it ends within a field")]
    Short,
    /// A field's value cannot be one.
    #[error("field {0} has a value that cannot be one")]
    Value(u8),
    /// A field that each record has is not there.
    #[error("field {0} is not there")]
    Missing(u8),
}

/// A record's octets.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Out(vec![VERSION]);
    match record {
        Record::Session(report) => put_session(&mut out, report),
        Record::Router { restart: Restart { nas, address, at }, stops } => {
            out.put(field::NAS, nas.as_bytes());
            out.put_some(field::NAS_ADDRESS, address.as_ref().map(octets));
            out.put(field::EVENT, &[if *stops { ROUTER_STOPS } else { ROUTER_STARTS }]);
            out.put(field::AT, &at.unix_timestamp_nanos().to_le_bytes());
        }
    }
    out.0
}

fn put_session(out: &mut Out, report: &Report) {
    // Named one by one, so that a field that is added to the report cannot be forgotten here.
    let Report {
        session: SessionKey { id, opened_on },
        nas,
        nas_address,
        entitlement,
        user_name,
        mac,
        framed_ip,
        acct_session_id,
        event,
        seconds,
        input_octets,
        output_octets,
        terminate_cause,
        at,
    } = report;
    out.put(field::SESSION, id.as_bytes());
    out.put(field::OPENED_ON, &opened_on.to_julian_day().to_le_bytes());
    out.put(field::NAS, nas.as_bytes());
    out.put_some(field::NAS_ADDRESS, nas_address.as_ref().map(octets));
    out.put_some(field::ENTITLEMENT, entitlement.as_ref().map(Uuid::as_bytes));
    out.put(field::USER_NAME, user_name.as_bytes());
    out.put_some(field::MAC, mac.map(|mac| mac.0));
    out.put_some(field::FRAMED_IP, framed_ip.as_ref().map(octets));
    out.put(field::ACCT_SESSION_ID, acct_session_id.as_bytes());
    out.put(field::EVENT, &[event_number(*event)]);
    out.put(field::SECONDS, &seconds.to_le_bytes());
    out.put(field::INPUT_OCTETS, &input_octets.to_le_bytes());
    out.put(field::OUTPUT_OCTETS, &output_octets.to_le_bytes());
    out.put_some(field::TERMINATE_CAUSE, terminate_cause.as_ref());
    out.put(field::AT, &at.unix_timestamp_nanos().to_le_bytes());
}

/// A record that is being written.
struct Out(Vec<u8>);

impl Out {
    fn put(&mut self, number: u8, value: &[u8]) {
        let length = u16::try_from(value.len()).expect("a text is no longer than the attribute that it came in");
        self.0.push(number);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
    }

    fn put_some(&mut self, number: u8, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.put(number, value.as_ref());
        }
    }
}

/// Reads the record that the spool has at `position`.
pub(crate) fn decode(position: Position, octets: &[u8]) -> Result<Record, Unreadable> {
    read(octets).map_err(|why| Unreadable { position, why })
}

fn read(octets: &[u8]) -> Result<Record, Why> {
    let (&version, octets) = octets.split_first().ok_or(Why::Empty)?;
    if version != VERSION {
        return Err(Why::Version(version));
    }
    let fields = Fields::read(octets)?;
    let moment = i128::from_le_bytes(fields.exact(field::AT)?);
    let at = OffsetDateTime::from_unix_timestamp_nanos(moment).map_err(|_| Why::Value(field::AT))?;
    let nas = Uuid::from_bytes(fields.exact(field::NAS)?);
    let address = fields.address(field::NAS_ADDRESS)?;
    match fields.exact(field::EVENT)? {
        [number @ (ROUTER_STARTS | ROUTER_STOPS)] => {
            Ok(Record::Router { restart: Restart { nas, address, at }, stops: number == ROUTER_STOPS })
        }
        [number] => {
            let event = event_of(number).ok_or(Why::Value(field::EVENT))?;
            Ok(Record::Session(Box::new(session(&fields, event, (nas, address), at)?)))
        }
    }
}

fn session(
    fields: &Fields<'_>,
    event: Event,
    (nas, nas_address): (Uuid, Option<IpAddr>),
    at: OffsetDateTime,
) -> Result<Report, Why> {
    let day = i32::from_le_bytes(fields.exact(field::OPENED_ON)?);
    Ok(Report {
        session: SessionKey {
            id: Uuid::from_bytes(fields.exact(field::SESSION)?),
            opened_on: Date::from_julian_day(day).map_err(|_| Why::Value(field::OPENED_ON))?,
        },
        nas,
        nas_address,
        entitlement: fields.perhaps(field::ENTITLEMENT)?.map(Uuid::from_bytes),
        user_name: fields.text(field::USER_NAME)?.ok_or(Why::Missing(field::USER_NAME))?,
        mac: fields.perhaps(field::MAC)?.map(Mac),
        framed_ip: fields.address(field::FRAMED_IP)?,
        acct_session_id: fields.text(field::ACCT_SESSION_ID)?.ok_or(Why::Missing(field::ACCT_SESSION_ID))?,
        event,
        seconds: u64::from_le_bytes(fields.exact(field::SECONDS)?),
        input_octets: u64::from_le_bytes(fields.exact(field::INPUT_OCTETS)?),
        output_octets: u64::from_le_bytes(fields.exact(field::OUTPUT_OCTETS)?),
        terminate_cause: fields.text(field::TERMINATE_CAUSE)?,
        at,
    })
}

/// The fields of a record, by their numbers.
struct Fields<'a>([Option<&'a [u8]>; field::AT as usize + 1]);

impl<'a> Fields<'a> {
    fn read(mut octets: &'a [u8]) -> Result<Fields<'a>, Why> {
        let mut fields = Fields([None; _]);
        while let Some((&number, rest)) = octets.split_first() {
            let (length, rest) = rest.split_first_chunk().ok_or(Why::Short)?;
            let length = usize::from(u16::from_le_bytes(*length));
            let (value, rest) = rest.split_at_checked(length).ok_or(Why::Short)?;
            *fields.0.get_mut(usize::from(number)).filter(|_| number != 0).ok_or(Why::Unknown(number))? = Some(value);
            octets = rest;
        }
        Ok(fields)
    }

    fn get(&self, number: u8) -> Option<&'a [u8]> {
        self.0[usize::from(number)]
    }

    fn perhaps<const N: usize>(&self, number: u8) -> Result<Option<[u8; N]>, Why> {
        self.get(number).map(|value| value.try_into().map_err(|_| Why::Value(number))).transpose()
    }

    fn exact<const N: usize>(&self, number: u8) -> Result<[u8; N], Why> {
        self.perhaps(number)?.ok_or(Why::Missing(number))
    }

    fn text(&self, number: u8) -> Result<Option<String>, Why> {
        let text = self.get(number).map(|value| str::from_utf8(value).map_err(|_| Why::Value(number)));
        Ok(text.transpose()?.map(str::to_owned))
    }

    fn address(&self, number: u8) -> Result<Option<IpAddr>, Why> {
        match self.get(number) {
            Some(value) if value.len() == 4 => Ok(self.perhaps::<4>(number)?.map(IpAddr::from)),
            _ => Ok(self.perhaps::<16>(number)?.map(IpAddr::from)),
        }
    }
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn event_number(event: Event) -> u8 {
    match event {
        Event::Start => 1,
        Event::Interim => 2,
        Event::Stop => 3,
    }
}

fn event_of(number: u8) -> Option<Event> {
    match number {
        1 => Some(Event::Start),
        2 => Some(Event::Interim),
        3 => Some(Event::Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option;
    use proptest::prelude::*;

    prop_compose! {
        fn report()(
            (id, day, nas, nas_address) in (any::<u128>(), 0..100_000_i32, any::<u128>(), option::of(any::<IpAddr>())),
            (entitlement, user_name, mac) in (option::of(any::<u128>()), ".{0,253}", option::of(any::<[u8; 6]>())),
            (framed_ip, acct_session_id, event) in (option::of(any::<IpAddr>()), ".{0,64}", 1..=3_u8),
            (seconds, input_octets, output_octets) in (any::<u64>(), any::<u64>(), any::<u64>()),
            (terminate_cause, at) in (option::of("[A-Z][a-z-]{0,30}"), 0..4_000_000_000_000_000_000_i128),
        ) -> Report {
            Report {
                session: SessionKey {
                    id: Uuid::from_u128(id),
                    opened_on: Date::from_julian_day(2_440_588 + day).expect("in range"),
                },
                nas: Uuid::from_u128(nas),
                nas_address,
                entitlement: entitlement.map(Uuid::from_u128),
                user_name,
                mac: mac.map(Mac),
                framed_ip,
                acct_session_id,
                event: event_of(event).expect("in range"),
                seconds,
                input_octets,
                output_octets,
                terminate_cause,
                at: OffsetDateTime::from_unix_timestamp_nanos(at).expect("in range"),
            }
        }
    }

    fn usual() -> Record {
        let report = Report {
            session: SessionKey { id: Uuid::from_u128(1), opened_on: OffsetDateTime::UNIX_EPOCH.date() },
            nas: Uuid::from_u128(2),
            nas_address: Some(IpAddr::from([10, 0, 0, 1])),
            entitlement: Some(Uuid::from_u128(3)),
            user_name: "user0000001".into(),
            mac: Some(Mac([1, 2, 3, 4, 5, 6])),
            framed_ip: Some(IpAddr::from([10, 5, 50, 17])),
            acct_session_id: "80100014".into(),
            event: Event::Interim,
            seconds: 600,
            input_octets: 1 << 33,
            output_octets: 1 << 34,
            terminate_cause: None,
            at: OffsetDateTime::UNIX_EPOCH,
        };
        Record::Session(Box::new(report))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(report in report(), stops: bool) {
            let restart = Restart { nas: report.nas, address: report.nas_address, at: report.at };
            for record in [Record::Session(Box::new(report)), Record::Router { restart, stops }] {
                prop_assert_eq!(decode(7, &encode(&record)), Ok(record));
            }
        }

        #[test]
        fn no_octets_are_a_reason_to_panic(octets: Vec<u8>) {
            let mut versioned = vec![VERSION];
            versioned.extend_from_slice(&octets);
            let _ = decode(0, &octets);
            prop_assert!(decode(0, &versioned).is_err());
        }

        #[test]
        fn a_record_that_was_cut_is_an_error_and_never_another_record(report in report(), at: prop::sample::Index) {
            let octets = encode(&Record::Session(Box::new(report)));
            prop_assert!(decode(0, &octets[..at.index(octets.len())]).is_err());
        }
    }

    #[test]
    fn a_usual_record_is_small() {
        assert!(encode(&usual()).len() <= 230, "{}", encode(&usual()).len());
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_position() {
        let octets = encode(&usual());
        let mut newer = octets.clone();
        newer[0] = 9;
        assert_eq!(decode(41, &newer), Err(Unreadable { position: 41, why: Why::Version(9) }));
        let mut more = octets.clone();
        more.extend_from_slice(&[99, 1, 0, 5]);
        assert_eq!(decode(42, &more), Err(Unreadable { position: 42, why: Why::Unknown(99) }));
        assert_eq!(decode(43, &[]), Err(Unreadable { position: 43, why: Why::Empty }));
        let without_the_last = &octets[..octets.len() - 19];
        assert_eq!(decode(44, without_the_last), Err(Unreadable { position: 44, why: Why::Missing(field::AT) }));
        let message = "the spooled record at 42 cannot be read: it has field 99, which this program does not know";
        assert_eq!(decode(42, &more).expect_err("unknown").to_string(), message);
    }
}
