//! More of what somebody has already: the same package again makes it longer, another one takes its place at once.
//!
//! What becomes of it is decided by [`shared::stacking`]; here it is read, held and written. Its open sessions go on: their
//! deadlines move and their routers are asked to allow more, by trigger, in this transaction.

use shared::entitlement::{State, Used};
use shared::stacking::{self, Becomes, Had};
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Bought, bind};
use crate::package::{Package, RuleColumns, Starts, rule_columns, signed, unsigned};
use crate::{Result, StoreError, entitlement};

/// What shall be done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Topping {
    Extend,
    Upgrade,
}

impl Topping {
    fn as_str(self) -> &'static str {
        match self {
            Topping::Extend => "extend",
            Topping::Upgrade => "upgrade",
        }
    }
}

/// Changes what is had; `None`: it cannot be done any more, and nothing was changed.
pub(super) async fn apply(
    tx: &mut PgConnection,
    target: Uuid,
    package: &Package,
    bought: &Bought,
    topping: Topping,
    now: OffsetDateTime,
) -> Result<Option<Uuid>> {
    let Some(held) = hold(tx, target, now).await? else { return Ok(None) };
    let becomes = match topping {
        Topping::Extend => stacking::extended(&held.had, &package.rules, bought.paid),
        // Only its owner may put another one in its place: a gift must not make it slower.
        Topping::Upgrade if held.user != Some(bought.user) => None,
        Topping::Upgrade => {
            let until = package.rules.until.map(|until| until.as_str().to_owned());
            let ends_at =
                sqlx::query_scalar!("SELECT access_end($1, NULL, router_zone($2), $3)", until, bought.nas, now)
                    .fetch_one(&mut *tx)
                    .await?;
            let begins = package.starts == Starts::Purchase;
            Some(stacking::upgraded(
                &held.had,
                &package.rules,
                (package.price.minor, bought.paid),
                begins,
                ends_at,
                now,
            ))
        }
    };
    let Some(becomes) = becomes else { return Ok(None) };
    note(tx, target, bought, topping, becomes.paid - bought.paid, now).await?;
    write(tx, target, package, topping, &becomes).await?;
    if let Some(mac) = bought.mac {
        bind(tx, target, bought.user, mac, now).await?;
    }
    Ok(Some(target))
}

struct Held {
    had: Had,
    user: Option<Uuid>,
}

/// Reads what is had, and holds it and the row that counts its usage. `None` if it cannot be used any more.
async fn hold(tx: &mut PgConnection, id: Uuid, now: OffsetDateTime) -> Result<Option<Held>> {
    entitlement::lock(tx, &[id]).await?;
    let Some(row) = sqlx::query!(
        r#"SELECT e.user_id, e.state, e.starts_at, e.expires_at, e.duration_seconds, e.until, e.quota_octets, e.quota_up_octets,
                  e.quota_down_octets, e.quota_seconds, e.hours::text AS hours, e.up_bps, e.down_bps, e.burst, e.fair_use,
                  e.happy_hours::text AS happy_hours, e.happy_up_bps, e.happy_down_bps,
                  e.device_limit, e.device_policy, e.idle_timeout_seconds,
                  e.used_input_octets + u.input_octets AS "used_up!", e.used_output_octets + u.output_octets AS "used_down!",
                  e.used_seconds + u.seconds AS "used_seconds!", e.before_up, e.before_down, e.before_seconds,
                  coalesce(e.paid_minor,
                           (SELECT b.price_minor FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id WHERE v.entitlement_id = e.id),
                           (SELECT p.price_minor FROM packages p WHERE p.id = e.package_id), 0) AS "paid!"
           FROM entitlements e JOIN entitlement_usage u ON u.entitlement_id = e.id WHERE e.id = $1 FOR NO KEY UPDATE OF u"#,
        id
    )
    .fetch_optional(tx)
    .await?
    else {
        return Ok(None);
    };
    let used = Used { up: unsigned(row.used_up), down: unsigned(row.used_down), seconds: unsigned(row.used_seconds) };
    let before =
        Used { up: unsigned(row.before_up), down: unsigned(row.before_down), seconds: unsigned(row.before_seconds) };
    let rules = rule_columns!(row).rules().map_err(|problem| StoreError::corrupt("entitlements", id, problem))?;
    let is_usable =
        row.state == State::Active.as_str() && row.expires_at.is_none_or(|end| end > now) && !rules.is_used_up(used);
    let had = Had { rules, starts_at: row.starts_at, expires_at: row.expires_at, used, before, paid: row.paid };
    Ok(is_usable.then_some(Held { had, user: row.user_id }))
}

/// Writes down what it was.
async fn note(
    tx: &mut PgConnection,
    id: Uuid,
    bought: &Bought,
    topping: Topping,
    credit: i64,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO entitlement_changes (order_id, entitlement_id, kind, before, credit_minor, at)
         SELECT $1, e.id, $3, to_jsonb(e), $4, $5 FROM entitlements e WHERE e.id = $2",
        bought.order,
        id,
        topping.as_str(),
        // What is made longer stays what it was: all that was paid for it goes on counting.
        if topping == Topping::Upgrade { credit.max(0) } else { 0 },
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn write(tx: &mut PgConnection, id: Uuid, package: &Package, topping: Topping, becomes: &Becomes) -> Result<()> {
    let rules = RuleColumns::of(&becomes.rules);
    sqlx::query!(
        "UPDATE entitlements SET
             package_id = CASE WHEN $2 THEN $3 ELSE package_id END, package_name = CASE WHEN $2 THEN $4 ELSE package_name END,
             starts = CASE WHEN $2 THEN $5 ELSE starts END,
             duration_seconds = $6, until = $7, quota_octets = $8, quota_up_octets = $9, quota_down_octets = $10,
             quota_seconds = $11, hours = $12::text::int4multirange, up_bps = $13, down_bps = $14, burst = $15, fair_use = $16,
             device_limit = $17, device_policy = $18, idle_timeout_seconds = $19, starts_at = $20, expires_at = $21,
             paid_minor = $22, before_up = $23, before_down = $24, before_seconds = $25,
             happy_hours = $26::text::int4multirange, happy_up_bps = $27, happy_down_bps = $28
         WHERE id = $1",
        id,
        topping == Topping::Upgrade,
        package.id,
        package.name,
        package.starts.as_str(),
        rules.duration_seconds,
        rules.until,
        rules.quota_octets,
        rules.quota_up_octets,
        rules.quota_down_octets,
        rules.quota_seconds,
        rules.hours,
        rules.up_bps,
        rules.down_bps,
        rules.burst,
        &rules.fair_use,
        rules.device_limit,
        rules.device_policy,
        rules.idle_timeout_seconds,
        becomes.starts_at,
        becomes.expires_at,
        becomes.paid,
        signed(becomes.before.up),
        signed(becomes.before.down),
        signed(becomes.before.seconds),
        rules.happy_hours,
        rules.happy_up_bps,
        rules.happy_down_bps
    )
    .execute(tx)
    .await?;
    Ok(())
}
