//! What was used goes to the entitlements, which it may exhaust, and to the hours, in the transaction that found it.

use std::collections::BTreeMap;

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::curve::Counters;
use super::session::Change;
use crate::Result;
use crate::package::unsigned;

/// Adds usage to entitlements and hours; returns what each entitlement has used in all.
pub(super) async fn add(tx: &mut PgConnection, changes: &[Change]) -> Result<Vec<(Uuid, u64)>> {
    let (mut by_entitlement, mut by_hour) = (BTreeMap::new(), BTreeMap::new());
    for change in changes {
        let Some(entitlement) = change.session.entitlement else { continue };
        add_to(&mut by_entitlement, entitlement, change.used);
        for (hour, used) in &change.hours {
            add_to(&mut by_hour, (*hour, change.session.nas, entitlement), *used);
        }
    }
    by_entitlement.retain(|_, used| !used.is_zero());
    // An hour gives back only what it has, but the row that would be inserted is checked before the one that is there
    // is found.
    let (gained, lost): (Vec<_>, Vec<_>) = by_hour
        .into_iter()
        .filter(|(_, used)| !used.is_zero())
        .partition(|(_, used)| used.seconds >= 0 && used.input >= 0 && used.output >= 0);
    let used = add_to_entitlements(tx, by_entitlement).await?;
    add_to_hours(tx, gained).await?;
    take_from_hours(tx, lost).await?;
    Ok(used)
}

fn add_to<K: Ord>(sums: &mut BTreeMap<K, Counters>, key: K, used: Counters) {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(used);
}

async fn add_to_entitlements(tx: &mut PgConnection, used: BTreeMap<Uuid, Counters>) -> Result<Vec<(Uuid, u64)>> {
    if used.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = used.keys().copied().collect();
    let column = Columns::of(used.into_values());
    let rows = sqlx::query!(
        r#"UPDATE entitlements e SET
               used_input_octets = e.used_input_octets + d.input,
               used_output_octets = e.used_output_octets + d.output,
               used_seconds = e.used_seconds + d.seconds,
               state = CASE WHEN e.state = 'active'
                             AND e.used_input_octets + e.used_output_octets + d.input + d.output >= e.quota_octets
                            THEN 'exhausted' ELSE e.state END
           FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d (id, input, output, seconds)
           WHERE e.id = d.id
           RETURNING e.id, e.used_input_octets + e.used_output_octets AS "used!""#,
        &ids,
        &column.input,
        &column.output,
        &column.seconds
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, unsigned(row.used))).collect())
}

type ByHour = ((OffsetDateTime, Uuid, Uuid), Counters);

async fn add_to_hours(tx: &mut PgConnection, rows: Vec<ByHour>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (hours, routers, entitlements, column) = by_hour(rows);
    sqlx::query!(
        "INSERT INTO usage_hourly AS u (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
         SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
         ON CONFLICT (hour, nas_id, entitlement_id) DO UPDATE SET
             input_octets = u.input_octets + EXCLUDED.input_octets,
             output_octets = u.output_octets + EXCLUDED.output_octets,
             seconds = u.seconds + EXCLUDED.seconds",
        &hours,
        &routers,
        &entitlements,
        &column.input,
        &column.output,
        &column.seconds
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn take_from_hours(tx: &mut PgConnection, rows: Vec<ByHour>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (hours, routers, entitlements, column) = by_hour(rows);
    sqlx::query!(
        "UPDATE usage_hourly u SET input_octets = u.input_octets + d.input, output_octets = u.output_octets + d.output,
             seconds = u.seconds + d.seconds
         FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS d (hour, nas, entitlement, input, output, seconds)
         WHERE u.hour = d.hour AND u.nas_id = d.nas AND u.entitlement_id = d.entitlement",
        &hours,
        &routers,
        &entitlements,
        &column.input,
        &column.output,
        &column.seconds
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn by_hour(rows: Vec<ByHour>) -> (Vec<OffsetDateTime>, Vec<Uuid>, Vec<Uuid>, Columns) {
    let hours = rows.iter().map(|((hour, _, _), _)| *hour).collect();
    let routers = rows.iter().map(|((_, nas, _), _)| *nas).collect();
    let entitlements = rows.iter().map(|((_, _, entitlement), _)| *entitlement).collect();
    (hours, routers, entitlements, Columns::of(rows.into_iter().map(|(_, used)| used)))
}

/// Counters, turned from rows to columns for `unnest`.
#[derive(Default)]
struct Columns {
    input: Vec<i64>,
    output: Vec<i64>,
    seconds: Vec<i64>,
}

impl Columns {
    fn of(rows: impl Iterator<Item = Counters>) -> Columns {
        let mut columns = Columns::default();
        for used in rows {
            columns.input.push(used.input);
            columns.output.push(used.output);
            columns.seconds.push(used.seconds);
        }
        columns
    }
}
