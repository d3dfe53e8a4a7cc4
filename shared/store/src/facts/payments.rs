//! Attempts to collect money, in the hour in which they were begun: how many came to something and how fast, and why others did not.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;

use crate::Result;

/// Sums up these hours.
pub(super) async fn sum_up(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("DELETE FROM payments_hourly WHERE hour >= $1 AND hour < $2", from, until).execute(&mut *tx).await?;
    // What the provider kept is known within days, and stands in the ledger under the order.
    sqlx::query!(
        "WITH tried AS (
             SELECT date_trunc('hour', y.created_at, 'UTC') AS hour, coalesce(n.site_id, '00000000-0000-0000-0000-000000000000') AS site_id,
                    y.provider, y.currency, y.state, y.amount_minor, y.order_id, y.id,
                    width_bucket(extract(epoch FROM greatest(o.paid_at - y.created_at, interval '0'))::float8,
                                 ARRAY[2.000001, 5.000001, 10.000001, 20.000001, 30.000001, 60.000001, 120.000001, 300.000001]::float8[]) AS bucket
             FROM payments y JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
             WHERE y.created_at >= $1::timestamptz AND y.created_at < $2::timestamptz),
         fees AS (
             SELECT t.order_id, e.currency, sum(e.amount_minor) AS minor
             FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
             WHERE t.posted_at >= $1 AND t.posted_at < $2 + interval '7 days' AND a.code = 'fees' AND t.order_id IS NOT NULL
             GROUP BY 1, 2)
         INSERT INTO payments_hourly (hour, site_id, provider, currency, attempts, succeeded, failed, stuck, amount_minor, fee_minor,
             confirmed_within)
         SELECT y.hour, y.site_id, y.provider, y.currency, count(*), count(*) FILTER (WHERE y.state = 'succeeded'),
                count(*) FILTER (WHERE y.state = 'failed'), count(*) FILTER (WHERE y.state NOT IN ('succeeded', 'failed')),
                coalesce(sum(y.amount_minor) FILTER (WHERE y.state = 'succeeded'), 0),
                coalesce(sum(f.minor) FILTER (WHERE y.state = 'succeeded'), 0),
                ARRAY[count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 0), count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 1),
                      count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 2), count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 3),
                      count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 4), count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 5),
                      count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 6), count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 7),
                      count(*) FILTER (WHERE y.state = 'succeeded' AND y.bucket = 8)]
         FROM tried y LEFT JOIN fees f ON f.order_id = y.order_id AND f.currency = y.currency
              -- Of an order that was paid twice they count once.
              AND y.id = (SELECT z.id FROM payments z WHERE z.order_id = y.order_id AND z.state = 'succeeded' ORDER BY z.created_at, z.id LIMIT 1)
         GROUP BY 1, 2, 3, 4",
        from,
        until
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM payment_results_hourly WHERE hour >= $1 AND hour < $2", from, until)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "INSERT INTO payment_results_hourly (hour, site_id, provider, result, times)
         SELECT date_trunc('hour', y.created_at, 'UTC'), coalesce(n.site_id, '00000000-0000-0000-0000-000000000000'), y.provider,
                left(coalesce(nullif(y.result_code, ''), nullif(y.result_text, ''), 'nothing was said'), 200), count(*)
         FROM payments y JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
         WHERE y.created_at >= $1 AND y.created_at < $2 AND y.state = 'failed' GROUP BY 1, 2, 3, 4",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}
