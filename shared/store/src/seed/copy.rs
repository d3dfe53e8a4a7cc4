//! Rows as PostgreSQL's `COPY … (FORMAT binary)` takes them: nothing is printed here and parsed there.
//!
//! ```text
//! PGCOPY\n\xff\r\n\0 | flags (4) | length of the extension (4) | rows … | -1 (2)
//! row:   number of columns (2) | columns …
//! column: octets (4; -1 for NULL) | the value as its type's binary form, big-endian
//! ```
//!
//! Who writes sees to it that the values stand in the order of the columns that COPY names.

use std::net::Ipv4Addr;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// Octets that are gathered before they are sent.
const SEND_AT: usize = 1 << 18;
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;
/// Dates and times count from 2000-01-01; this is that moment in Unix seconds.
const EPOCH_UNIX: i64 = 946_684_800;
const DAY_SECONDS: i64 = 86_400;
/// `PGSQL_AF_INET` and the mask of a single host.
const INET_HOST: [u8; 4] = [2, 32, 0, 4];

/// Rows that wait to be sent.
pub(super) struct Rows {
    octets: Vec<u8>,
}

impl Rows {
    fn new() -> Rows {
        let mut octets = Vec::with_capacity(SEND_AT + 4096);
        octets.extend_from_slice(HEAD);
        Rows { octets }
    }

    /// Begins a row of so many columns.
    pub(super) fn row(&mut self, columns: i16) -> &mut Rows {
        self.octets.extend_from_slice(&columns.to_be_bytes());
        self
    }

    fn value(&mut self, value: &[u8]) -> &mut Rows {
        let length = i32::try_from(value.len()).expect("values are short");
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(value);
        self
    }

    /// `uuid`
    pub(super) fn uuid(&mut self, value: Uuid) -> &mut Rows {
        self.value(value.as_bytes())
    }

    /// `text`
    pub(super) fn text(&mut self, value: &[u8]) -> &mut Rows {
        self.value(value)
    }

    /// `bigint`
    pub(super) fn bigint(&mut self, value: i64) -> &mut Rows {
        self.value(&value.to_be_bytes())
    }

    /// `timestamptz`, from Unix microseconds.
    pub(super) fn moment(&mut self, unix_micros: i64) -> &mut Rows {
        self.bigint(unix_micros - EPOCH_UNIX * 1_000_000)
    }

    /// `date`, from Unix seconds.
    pub(super) fn date(&mut self, unix_seconds: i64) -> &mut Rows {
        let days = (unix_seconds - EPOCH_UNIX).div_euclid(DAY_SECONDS);
        self.value(&i32::try_from(days).expect("days of this century").to_be_bytes())
    }

    /// `macaddr`
    pub(super) fn mac(&mut self, value: [u8; 6]) -> &mut Rows {
        self.value(&value)
    }

    /// `inet`
    pub(super) fn address(&mut self, value: Ipv4Addr) -> &mut Rows {
        let mut octets = [0; 8];
        octets[..4].copy_from_slice(&INET_HOST);
        octets[4..].copy_from_slice(&value.octets());
        self.value(&octets)
    }
}

/// Sends what `write` makes of each of `numbers`; it may make nothing, or several rows. Returns how many rows came in.
pub(super) async fn copy(
    connection: &mut PgConnection,
    statement: &str,
    numbers: impl Iterator<Item = u64>,
    mut write: impl FnMut(u64, &mut Rows),
) -> Result<u64> {
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut rows = Rows::new();
    for number in numbers {
        write(number, &mut rows);
        if rows.octets.len() >= SEND_AT {
            copy.send(rows.octets.as_slice()).await?;
            rows.octets.clear();
        }
    }
    rows.octets.extend_from_slice(&END.to_be_bytes());
    copy.send(rows.octets.as_slice()).await?;
    Ok(copy.finish().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_binary_form_of_their_types() {
        let mut rows = Rows { octets: Vec::new() };
        rows.row(2).moment(EPOCH_UNIX * 1_000_000 + 1).date(EPOCH_UNIX - 1);
        rows.row(1).address(Ipv4Addr::new(10, 0, 0, 1));
        let wanted: [&[u8]; 8] = [
            &[0, 2],
            &[0, 0, 0, 8],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 4],
            &[0xff, 0xff, 0xff, 0xff],
            &[0, 1],
            &[0, 0, 0, 8],
            &[2, 32, 0, 4, 10, 0, 0, 1],
        ];
        assert_eq!(rows.octets, wanted.concat());
    }
}
