//! The table of the steps between reports in different hours, by which usage is spread over the hours anew when a late report
//! comes ([`super::curve`]), read and written in sets. Whoever does holds the sessions ([`super::rows`]).

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::SessionKey;
use super::curve::{Counters, Crossing, Point};
use super::rows::{Points, columns};
use crate::Result;

/// The stored steps between hours of these sessions, in order.
pub(super) async fn read(tx: &mut PgConnection, keys: &[SessionKey]) -> Result<HashMap<Uuid, Vec<Crossing>>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (days, ids) = columns(keys);
    let rows = sqlx::query!(
        "SELECT c.session_id, c.from_at, c.from_seconds, c.from_input, c.from_output, c.to_at, c.to_seconds, c.to_input, c.to_output
         FROM unnest($1::date[], $2::uuid[]) AS k (opened_on, id)
              JOIN session_crossings c ON c.opened_on = k.opened_on AND c.session_id = k.id
         ORDER BY c.session_id, c.to_at",
        &days,
        &ids
    )
    .fetch_all(tx)
    .await?;
    let mut found: HashMap<Uuid, Vec<Crossing>> = HashMap::new();
    for row in rows {
        let from = Counters { seconds: row.from_seconds, input: row.from_input, output: row.from_output };
        let to = Counters { seconds: row.to_seconds, input: row.to_input, output: row.to_output };
        let (from, to) = (Point { at: row.from_at, counters: from }, Point { at: row.to_at, counters: to });
        found.entry(row.session_id).or_default().push(Crossing { from, to });
    }
    Ok(found)
}

/// Forgets the steps of these sessions.
pub(super) async fn delete(tx: &mut PgConnection, keys: &[SessionKey]) -> Result<()> {
    if !keys.is_empty() {
        let (days, ids) = columns(keys);
        sqlx::query!(
            "DELETE FROM session_crossings c USING unnest($1::date[], $2::uuid[]) AS k (opened_on, id)
             WHERE c.opened_on = k.opened_on AND c.session_id = k.id",
            &days,
            &ids
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Writes steps that are not there.
pub(super) async fn insert(tx: &mut PgConnection, crossings: &[(SessionKey, Crossing)]) -> Result<()> {
    if crossings.is_empty() {
        return Ok(());
    }
    let keys: Vec<SessionKey> = crossings.iter().map(|(key, _)| *key).collect();
    let (days, ids) = columns(&keys);
    let (mut from, mut to) = (Points::default(), Points::default());
    for (_, crossing) in crossings {
        from.push(crossing.from);
        to.push(crossing.to);
    }
    sqlx::query!(
        "INSERT INTO session_crossings (opened_on, session_id, from_at, from_seconds, from_input, from_output,
             to_at, to_seconds, to_input, to_output)
         SELECT * FROM unnest($1::date[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::timestamptz[], $8::bigint[], $9::bigint[], $10::bigint[])",
        &days,
        &ids,
        &from.at,
        &from.seconds,
        &from.input,
        &from.output,
        &to.at,
        &to.seconds,
        &to.input,
        &to.output
    )
    .execute(tx)
    .await?;
    Ok(())
}
