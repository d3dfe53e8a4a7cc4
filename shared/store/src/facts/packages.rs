//! How packages were sold, by the day of the sale, and what was used of what they allow. That is known when what was bought has ended, so that
//! a day is summed again a while after it: when packages of a day or a week, a month, a quarter and a year are over.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;

use super::{DAY, day};
use crate::Result;

/// So many days after a day it is summed again.
const AGAIN_AFTER: [u32; 4] = [8, 32, 93, 367];

/// Sums the days up again whose packages have ended on one of the days since that midnight.
pub(super) async fn look_again(tx: &mut PgConnection, since: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    let mut today = since + DAY;
    while today <= now {
        for days in AGAIN_AFTER {
            let then = today - DAY * days;
            sum_up(tx, then, then + DAY, now).await?;
        }
        today += DAY;
    }
    Ok(())
}

/// Sums up the days between two midnights.
pub(super) async fn sum_up(
    tx: &mut PgConnection,
    from: OffsetDateTime,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!("DELETE FROM package_daily WHERE day >= $1 AND day < $2", day(from), day(until))
        .execute(&mut *tx)
        .await?;
    // A voucher is bought by nobody that we know, at no site.
    sqlx::query!(
        r#"WITH sold AS (
             SELECT o.paid_at AS at, n.site_id, o.package_id, o.currency, o.amount_minor, o.state = 'paid' AS stands,
                    EXISTS (SELECT FROM orders b WHERE b.user_id = o.user_id AND b.paid_at < o.paid_at AND b.state = 'paid'
                            AND b.amount_minor > 0) AS is_back,
                    coalesce(e.id, g.entitlement_id) AS entitlement_id
             FROM orders o LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN entitlements e ON e.order_id = o.id
                  -- What was bought for another is used with the voucher that it became.
                  LEFT JOIN vouchers g ON g.order_id = o.id
             WHERE o.paid_at >= $1 AND o.paid_at < $2 AND o.amount_minor > 0 AND (o.state = 'paid' OR EXISTS (
                 SELECT FROM payments y JOIN ledger_transactions t ON t.key = 'payment:' || y.id
                     JOIN ledger_entries l ON l.transaction_id = t.id JOIN ledger_accounts a ON a.id = l.account_id
                 WHERE y.order_id = o.id AND a.code = 'sales'))
             UNION ALL
             SELECT v.sold_at, NULL, b.package_id, b.currency, b.price_minor, true, false, v.entitlement_id
             FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
             WHERE v.sold_at >= $1 AND v.sold_at < $2 AND v.state <> 'void' AND b.price_minor IS NOT NULL AND NOT b.for_order),
         used AS (
             SELECT s.*, coalesce(e.quota_seconds, e.duration_seconds) AS seconds_allowed, e.used_seconds + u.seconds AS seconds_used,
                    coalesce(e.quota_octets, e.quota_up_octets + e.quota_down_octets) AS octets_allowed,
                    e.used_input_octets + e.used_output_octets + u.input_octets + u.output_octets AS octets_used
             FROM sold s LEFT JOIN entitlements e ON e.id = s.entitlement_id AND (e.state <> 'active' OR e.expires_at <= $3)
                  LEFT JOIN entitlement_usage u ON u.entitlement_id = e.id)
         INSERT INTO package_daily (day, site_id, package_id, currency, purchases, "returning", gross_minor, refunded_minor, seconds_used,
             seconds_allowed, octets_used, octets_allowed)
         SELECT (at AT TIME ZONE 'UTC')::date, coalesce(site_id, '00000000-0000-0000-0000-000000000000'), package_id, currency,
                count(*) FILTER (WHERE stands), count(*) FILTER (WHERE stands AND is_back), sum(amount_minor),
                coalesce(sum(amount_minor) FILTER (WHERE NOT stands), 0),
                coalesce(sum(seconds_used) FILTER (WHERE seconds_allowed IS NOT NULL), 0), coalesce(sum(seconds_allowed), 0),
                coalesce(sum(octets_used) FILTER (WHERE octets_allowed IS NOT NULL), 0), coalesce(sum(octets_allowed), 0)
         FROM used GROUP BY 1, 2, 3, 4"#,
        from,
        until,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}
