//! What was used goes to the entitlements, which it may exhaust, and to the hours, in the transaction that found it.
//!
//! Short of that it may change what routers must allow: a stage of fair use is reached, or devices that share a quota have
//! used so much of it that what was left to each of them must be shared out anew.

use std::collections::{BTreeMap, HashMap};

use shared::entitlement::Used as InAll;
use shared::notice::{self, Notice};
use shared::rules::{FairUse, Rules};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::curve::Counters;
use super::session::Change;
use crate::package::{seconds, unsigned};
use crate::{Result, StoreError, facts, notification};

/// An entitlement while the row that counts its usage is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Held {
    /// Whether its clock runs.
    pub(super) has_begun: bool,
    is_active: bool,
    /// As far as usage matters.
    rules: Rules,
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
        r#"SELECT e.id, e.starts_at IS NOT NULL AS "has_begun!", e.state = 'active' AS "is_active!",
                  e.quota_octets, e.quota_up_octets, e.quota_down_octets, e.quota_seconds, e.fair_use, e.device_limit,
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
        let rules = Rules {
            quota_octets: row.quota_octets.map(unsigned),
            quota_up: row.quota_up_octets.map(unsigned),
            quota_down: row.quota_down_octets.map(unsigned),
            quota_time: seconds(row.quota_seconds),
            fair_use: FairUse::from_numbers(&row.fair_use)
                .ok_or_else(|| StoreError::corrupt("entitlements", row.id, "unknown stages of fair use"))?,
            device_limit: u32::try_from(row.device_limit).unwrap_or(1),
            ..Rules::default()
        };
        Ok((row.id, Held { has_begun: row.has_begun, is_active: row.is_active, rules, used }))
    });
    held.collect()
}

/// What a batch adds.
pub(super) struct Used {
    by_entitlement: BTreeMap<Uuid, Counters>,
    by_hour: BTreeMap<(OffsetDateTime, Uuid, Uuid), Counters>,
    /// Where sessions begin or end otherwise than was known: an hour counts them, also one in which nothing was used.
    moved: Vec<OffsetDateTime>,
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
    Used { by_entitlement, by_hour, moved: changes.iter().flat_map(Change::moved).collect() }
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

    /// The active entitlements of which routers must be told other limits than before: another speed, or other shares.
    pub(super) fn other_limits(&self, entitled: &Entitled) -> impl Iterator<Item = Uuid> {
        self.by_entitlement.iter().filter_map(|(id, used)| {
            let held = entitled.get(id).filter(|held| held.is_active && !held.is_exhausted_by(used))?;
            let (before, after) = (held.after(&Counters::ZERO), held.after(used));
            let stage = |used: InAll| held.rules.fair_use.stage(used.octets());
            (stage(before) != stage(after) || step(&held.rules, before) != step(&held.rules, after)).then_some(*id)
        })
    }

    /// The active entitlements of which so much data is used that their owners are told, with the quota that it is of.
    fn marks(&self, entitled: &Entitled) -> Vec<(Uuid, Notice, u64)> {
        let passed = |(id, used): (&Uuid, &Counters)| {
            let held = entitled.get(id).filter(|held| held.is_active)?;
            let (before, after) = (held.after(&Counters::ZERO), held.after(used));
            let quotas = [
                (held.rules.quota_octets, before.octets(), after.octets()),
                (held.rules.quota_up, before.up, after.up),
                (held.rules.quota_down, before.down, after.down),
            ];
            let of = |(quota, before, after): (Option<u64>, u64, u64)| {
                let quota = quota?;
                notice::passed(quota, before, after).map(|notice| (*id, notice, quota))
            };
            quotas.into_iter().find_map(of)
        };
        self.by_entitlement.iter().filter_map(passed).collect()
    }

    /// Adds it to entitlements and hours; returns what each entitlement has used in all.
    pub(super) async fn add(
        self,
        tx: &mut PgConnection,
        entitled: &Entitled,
        now: OffsetDateTime,
    ) -> Result<Vec<(Uuid, InAll)>> {
        let exhausted: Vec<Uuid> = self.exhausted(entitled).collect();
        let marks = self.marks(entitled);
        let total = |(id, used): (&Uuid, &Counters)| Some((*id, entitled.get(id)?.after(used)));
        let totals = self.by_entitlement.iter().filter_map(total).collect();
        let used_in = self.by_hour.keys().map(|(hour, ..)| *hour);
        let hours: Vec<OffsetDateTime> = used_in.chain(self.moved).collect();
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
            let of = now.unix_timestamp().to_string();
            notification::tell_owners(&mut *tx, Notice::Ended, &of, &exhausted, now).await?;
        }
        for (entitlement, notice, quota) in marks.into_iter().filter(|(id, ..)| !exhausted.contains(id)) {
            notification::tell_owners(&mut *tx, notice, &quota.to_string(), &[entitlement], now).await?;
        }
        take_from_hours(tx, lost).await?;
        // Hours that were summed up long ago are summed once more.
        facts::correct(tx, hours, now).await?;
        Ok(totals)
    }
}

impl Held {
    fn after(&self, used: &Counters) -> InAll {
        let sum = self.used.plus(*used);
        InAll { up: unsigned(sum.input), down: unsigned(sum.output), seconds: unsigned(sum.seconds) }
    }

    /// Whether several devices may share its data.
    pub(super) fn is_shared(&self) -> bool {
        let quotas = [self.rules.quota_octets, self.rules.quota_up, self.rules.quota_down];
        self.rules.device_limit > 1 && quotas.iter().any(Option::is_some)
    }

    fn is_exhausted_by(&self, used: &Counters) -> bool {
        self.rules.is_used_up(self.after(used))
    }
}

/// How often what is left of a shared quota has become a quarter less. Each router allows its device a part of what is left
/// (`radiusd::policy`); with each step the parts are told anew, so that no device runs into its own while there is more.
/// Below a hundredth of the quota each may use what is left.
fn step(rules: &Rules, used: InAll) -> u32 {
    const STEPS: u32 = 16;
    if rules.device_limit < 2 {
        return 0;
    }
    let steps = |quota: Option<u64>, used: u64| {
        let Some(quota) = quota else { return 0 };
        let (quota, left) = (u128::from(quota), u128::from(quota.saturating_sub(used)));
        (1..=STEPS).take_while(|&step| left * 4_u128.pow(step) <= quota * 3_u128.pow(step)).last().unwrap_or(0)
    };
    let up_down = steps(rules.quota_up, used.up).max(steps(rules.quota_down, used.down));
    steps(rules.quota_octets, used.octets()).max(up_down)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_shared_quota_are_told_anew_with_each_quarter_less() {
        let shared = Rules { quota_octets: Some(1000), device_limit: 2, ..Rules::default() };
        let at =
            |rules: &Rules, octets: u64| step(rules, InAll { up: octets / 2, down: octets - octets / 2, seconds: 0 });
        let steps = [0, 249, 250, 437, 438, 900, 990, 999, 1000, 5000].map(|octets| at(&shared, octets));
        assert_eq!(steps, [0, 0, 1, 1, 2, 8, 16, 16, 16, 16]);
        assert_eq!(at(&Rules { device_limit: 1, ..shared.clone() }, 999), 0, "one device has all of it");
        assert_eq!(at(&Rules { quota_octets: None, ..shared.clone() }, 999), 0);
        let by_direction = Rules { quota_octets: None, quota_down: Some(1000), ..shared };
        assert_eq!(at(&by_direction, 500), 1, "half of it is down");
    }
}
