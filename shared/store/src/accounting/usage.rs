//! What was used goes to the entitlements, which it may exhaust, and to the hours, in the transaction that found it.

use std::collections::{BTreeMap, HashMap};

use shared::entitlement::Used as InAll;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::curve::Counters;
use super::session::Change;
use crate::Result;
use crate::package::unsigned;

/// An entitlement while the row that counts its usage is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held {
    /// Whether its clock runs.
    pub(super) has_begun: bool,
    is_active: bool,
    quota_octets: Option<i64>,
    quota_seconds: Option<i64>,
    used: Counters,
}

/// The entitlements of a batch, as far as there are such.
pub(super) type Entitled = HashMap<Uuid, Held>;

/// Reads entitlements and holds what counts their usage, in one order, until the transaction ends. It has been settled by
/// then who adds to it first, and so what is read here is true.
pub(super) async fn lock(tx: &mut PgConnection, ids: impl Iterator<Item = Uuid>) -> Result<Entitled> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Entitled::new());
    }
    let rows = sqlx::query!(
        r#"SELECT e.id, e.starts_at IS NOT NULL AS "has_begun!", e.state = 'active' AS "is_active!", e.quota_octets, e.quota_seconds,
                  e.used_input_octets + u.input_octets AS "input!", e.used_output_octets + u.output_octets AS "output!",
                  e.used_seconds + u.seconds AS "seconds!"
           FROM entitlements e JOIN entitlement_usage u ON u.entitlement_id = e.id
           WHERE e.id = ANY ($1) ORDER BY e.id FOR NO KEY UPDATE OF u"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    let held = rows.into_iter().map(|row| {
        let used = Counters { seconds: row.seconds, input: row.input, output: row.output };
        let (has_begun, is_active) = (row.has_begun, row.is_active);
        let (quota_octets, quota_seconds) = (row.quota_octets, row.quota_seconds);
        (row.id, Held { has_begun, is_active, quota_octets, quota_seconds, used })
    });
    Ok(held.collect())
}

/// What a batch adds.
pub(super) struct Used {
    by_entitlement: BTreeMap<Uuid, Counters>,
    by_hour: BTreeMap<(OffsetDateTime, Uuid, Uuid), Counters>,
}

/// What was used by these sessions.
pub(super) fn of(changes: &[Change]) -> Used {
    let (mut by_entitlement, mut by_hour) = (BTreeMap::new(), BTreeMap::new());
    for change in changes {
        let Some(entitlement) = change.session.entitlement else { continue };
        sum_up(&mut by_entitlement, entitlement, change.used);
        for (hour, used) in &change.hours {
            sum_up(&mut by_hour, (*hour, change.session.nas, entitlement), *used);
        }
    }
    by_entitlement.retain(|_, used| !used.is_zero());
    by_hour.retain(|_, used| !used.is_zero());
    Used { by_entitlement, by_hour }
}

fn sum_up<K: Ord>(sums: &mut BTreeMap<K, Counters>, key: K, used: Counters) {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(used);
}

impl Used {
    /// The active entitlements whose quota it crosses.
    pub(super) fn exhausted(&self, entitled: &Entitled) -> impl Iterator<Item = Uuid> {
        self.by_entitlement.iter().filter_map(|(id, used)| {
            let held = entitled.get(id).filter(|held| held.is_active)?;
            held.is_exhausted_by(used).then_some(*id)
        })
    }

    /// Adds it to entitlements and hours; returns what each entitlement has used in all.
    pub(super) async fn add(self, tx: &mut PgConnection, entitled: &Entitled) -> Result<Vec<(Uuid, InAll)>> {
        let exhausted: Vec<Uuid> = self.exhausted(entitled).collect();
        let total = |(id, used): (&Uuid, &Counters)| Some((*id, entitled.get(id)?.after(used)));
        let totals = self.by_entitlement.iter().filter_map(total).collect();
        // An hour gives back only what it has, but the row that would be inserted is checked before the one that is there
        // is found.
        let (gained, lost): (Vec<_>, Vec<_>) =
            self.by_hour.into_iter().partition(|(_, used)| used.seconds >= 0 && used.input >= 0 && used.output >= 0);
        add_to(tx, self.by_entitlement, gained).await?;
        if !exhausted.is_empty() {
            sqlx::query!(
                "UPDATE entitlements SET state = 'exhausted' WHERE id = ANY ($1) AND state = 'active'",
                &exhausted
            )
            .execute(&mut *tx)
            .await?;
        }
        take_from_hours(tx, lost).await?;
        Ok(totals)
    }
}

impl Held {
    fn after(&self, used: &Counters) -> InAll {
        let sum = self.used.plus(*used);
        InAll { octets: unsigned(sum.input.saturating_add(sum.output)), seconds: unsigned(sum.seconds) }
    }

    fn is_exhausted_by(&self, used: &Counters) -> bool {
        let InAll { octets, seconds } = self.after(used);
        self.quota_octets.is_some_and(|quota| octets >= unsigned(quota))
            || self.quota_seconds.is_some_and(|quota| seconds >= unsigned(quota))
    }
}

type ByHour = ((OffsetDateTime, Uuid, Uuid), Counters);

/// Adds to the entitlements and to the hours. Mostly each entitlement has one hour, so one statement does for both.
async fn add_to(tx: &mut PgConnection, used: BTreeMap<Uuid, Counters>, gained: Vec<ByHour>) -> Result<()> {
    if used.is_empty() && gained.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = used.keys().copied().collect();
    let in_all = Columns::of(used.into_values());
    let (hours, routers, entitlements, by_hour) = by_hour(gained);
    sqlx::query!(
        "WITH in_all AS (
             UPDATE entitlement_usage u
             SET input_octets = u.input_octets + d.input, output_octets = u.output_octets + d.output, seconds = u.seconds + d.seconds
             FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d (id, input, output, seconds)
             WHERE u.entitlement_id = d.id)
         INSERT INTO usage_hourly AS u (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
         SELECT * FROM unnest($5::timestamptz[], $6::uuid[], $7::uuid[], $8::bigint[], $9::bigint[], $10::bigint[])
         ON CONFLICT (hour, nas_id, entitlement_id) DO UPDATE SET
             input_octets = u.input_octets + EXCLUDED.input_octets,
             output_octets = u.output_octets + EXCLUDED.output_octets,
             seconds = u.seconds + EXCLUDED.seconds",
        &ids,
        &in_all.input,
        &in_all.output,
        &in_all.seconds,
        &hours,
        &routers,
        &entitlements,
        &by_hour.input,
        &by_hour.output,
        &by_hour.seconds
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
