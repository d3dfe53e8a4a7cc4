//! Logins that were refused, remembered for some days so that whoever helps a customer can say why.
//!
//! radiusd writes them after its answers, several at once; the same device that is refused for the same reason with the same name
//! stands in one row an hour, with how often. Names are kept as a keyed hash, by which a voucher's own refusals are found, and by
//! their first letters. Who reads them is [`crate::timeline`].

use std::time::Duration;

use shared::mac::Mac;
use shared::time::{OffsetDateTime, hour_of};
use uuid::Uuid;

use crate::{Db, Result, security};

/// How long they are kept: a customer complains within days.
pub const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Most rows that are forgotten at once.
const FORGOTTEN_AT_ONCE: i64 = 5000;

/// A refused login, or several that are the same but for their time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The router.
    pub nas: Uuid,
    /// The device, if the router named it.
    pub mac: Option<Mac>,
    /// What was typed as name, octet for octet; a voucher's code in its one spelling.
    pub name: Box<[u8]>,
    /// Why, by the word of [`shared::denial::Denial::label`].
    pub reason: &'static str,
    /// The first time, and the last.
    pub first_at: OffsetDateTime,
    /// The last time.
    pub last_at: OffsetDateTime,
    /// How often.
    pub times: u32,
}

/// Writes refusals down, each in the row of its hour. No two of them may be the same but for their time.
pub async fn record(db: &Db, refusals: &[Refused]) -> Result<()> {
    let nas: Vec<Uuid> = refusals.iter().map(|refused| refused.nas).collect();
    let macs: Vec<Option<String>> = refusals.iter().map(|refused| refused.mac.map(|mac| mac.to_string())).collect();
    let lookups: Vec<Vec<u8>> = refusals.iter().map(|refused| db.seal.lookup(&refused.name).to_vec()).collect();
    let names: Vec<String> = refusals.iter().map(|refused| security::masked(&refused.name)).collect();
    let reasons: Vec<String> = refusals.iter().map(|refused| refused.reason.to_owned()).collect();
    let hours: Vec<OffsetDateTime> = refusals.iter().map(|refused| hour_of(refused.last_at)).collect();
    let first: Vec<OffsetDateTime> = refusals.iter().map(|refused| refused.first_at).collect();
    let last: Vec<OffsetDateTime> = refusals.iter().map(|refused| refused.last_at).collect();
    let times: Vec<i32> = refusals.iter().map(|refused| i32::try_from(refused.times).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "INSERT INTO login_refusals AS r (nas_id, mac, lookup, name, reason, hour, first_at, last_at, times)
         SELECT nas, mac::macaddr, lookup, name, reason, hour, first_at, last_at, times
         FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
                     $8::timestamptz[], $9::integer[])
                  AS t (nas, mac, lookup, name, reason, hour, first_at, last_at, times)
         ORDER BY mac, hour, nas, lookup, reason
         ON CONFLICT (mac, hour, nas_id, lookup, reason) DO UPDATE SET
             first_at = least(r.first_at, EXCLUDED.first_at), last_at = greatest(r.last_at, EXCLUDED.last_at),
             times = least(r.times::bigint + EXCLUDED.times, 2147483647)::integer",
        &nas,
        &macs as &[Option<String>],
        &lookups,
        &names,
        &reasons,
        &hours,
        &first,
        &last,
        &times
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Forgets what has been kept long enough, some thousands at a time. Returns whether there is more.
pub async fn forget(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let gone = sqlx::query!(
        "DELETE FROM login_refusals WHERE ctid = ANY (ARRAY(SELECT ctid FROM login_refusals WHERE hour < $1 ORDER BY hour LIMIT $2))",
        now - KEPT,
        FORGOTTEN_AT_ONCE
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= FORGOTTEN_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_with_itself_and_holds_what_is_in_it() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in the calendar");
        for (moment, hour) in [(0, 0), (3599, 0), (3600, 3600), (7300, 7200), (-1, -3600)] {
            assert_eq!(hour_of(at(moment)), at(hour), "{moment}");
        }
        let later = at(7300) + Duration::from_millis(250);
        assert_eq!(hour_of(later), at(7200));
    }
}
