//! What each customer bought and used in a month, and of those who bought first in a month, how many bought in the months after it. Months go
//! by the clock of the home time zone. Of who was erased nothing is said; the sums of cohorts have them, as the orders do.

use shared::time::{OffsetDateTime, Zone};
use sqlx::PgConnection;
use time::{Date, Month};

use crate::Result;

/// Where the month of a moment begins.
pub(super) fn begin(at: OffsetDateTime) -> OffsetDateTime {
    moment(first(at))
}

/// Where the month after that of a moment begins.
pub(super) fn end(at: OffsetDateTime) -> OffsetDateTime {
    let first = first(at);
    let year = first.year() + i32::from(first.month() == Month::December);
    moment(Date::from_calendar_date(year, first.month().next(), 1).expect("every month has a first"))
}

/// The first day of the month of a moment, as the clocks at home show it.
fn first(at: OffsetDateTime) -> Date {
    Zone::default().at(at).date().replace_day(1).expect("every month has a first")
}

/// When a day begins at home.
fn moment(day: Date) -> OffsetDateTime {
    Zone::default().midnight(day)
}

/// Sums up the month that begins then, as far as its hours are over.
pub(super) async fn sum_up(tx: &mut PgConnection, begins: OffsetDateTime, head: OffsetDateTime) -> Result<()> {
    let (month, until) = (first(begins), end(begins).min(head));
    // Somebody may have been erased while a round was under way that still knew them.
    sqlx::query!("DELETE FROM customer_monthly c USING users u WHERE u.id = c.user_id AND u.erased_at IS NOT NULL")
        .execute(&mut *tx)
        .await?;
    customers(tx, month, begins, until, false).await?;
    cohorts(tx, month, begins, until).await
}

/// Adds hours to what their month was summed up to. The whole month is summed with the first round of a day, and what came late comes in then.
pub(super) async fn add(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    customers(tx, first(from), from, until, true).await?;
    cohorts(tx, first(from), begin(from), until).await
}

async fn customers(
    tx: &mut PgConnection,
    month: Date,
    from: OffsetDateTime,
    until: OffsetDateTime,
    adds: bool,
) -> Result<()> {
    // Whoever stood there and has nothing any more has nothing.
    sqlx::query!(
        "WITH bought AS (
             SELECT site_id, user_id, sum(n) AS n, (array_agg(currency ORDER BY minor DESC, currency))[1] AS currency,
                    (array_agg(minor ORDER BY minor DESC, currency))[1] AS minor
             FROM (SELECT n.site_id, o.user_id, o.currency, count(*) AS n, sum(o.amount_minor)::bigint AS minor
                   FROM orders o LEFT JOIN nas n ON n.id = o.nas_id
                   WHERE o.paid_at >= $2 AND o.paid_at < $3 AND o.state = 'paid' AND o.amount_minor > 0 GROUP BY 1, 2, 3) each
             GROUP BY 1, 2),
         used AS (
             SELECT n.site_id, e.user_id, sum(u.input) AS input, sum(u.output) AS output, sum(u.seconds) AS seconds
             FROM (SELECT nas_id, entitlement_id, sum(input_octets) AS input, sum(output_octets) AS output, sum(seconds) AS seconds
                   FROM usage_hourly WHERE hour >= $2 AND hour < $3 GROUP BY 1, 2) u
                  JOIN entitlements e ON e.id = u.entitlement_id LEFT JOIN nas n ON n.id = u.nas_id
             WHERE e.user_id IS NOT NULL GROUP BY 1, 2),
         parts AS (
             SELECT coalesce(site_id, '00000000-0000-0000-0000-000000000000') AS site_id, user_id, n, currency, minor, 0 AS input, 0 AS output,
                    0 AS seconds FROM bought
             UNION ALL SELECT coalesce(site_id, '00000000-0000-0000-0000-000000000000'), user_id, 0, NULL, 0, input, output, seconds FROM used
             UNION ALL SELECT site_id, user_id, 0, NULL, 0, 0, 0, 0 FROM customer_monthly WHERE month = $1 AND NOT $4)
         INSERT INTO customer_monthly AS c (month, site_id, user_id, purchases, currency, amount_minor, input_octets, output_octets,
             session_seconds)
         SELECT $1, p.site_id, p.user_id, sum(p.n)::integer, coalesce(max(p.currency), 'KES'), sum(p.minor), sum(p.input), sum(p.output),
                sum(p.seconds)
         FROM parts p JOIN users u ON u.id = p.user_id WHERE u.erased_at IS NULL GROUP BY p.site_id, p.user_id
         ON CONFLICT (month, site_id, user_id) DO UPDATE SET
             -- Amounts of two currencies have no sum: what is added in another one waits for the whole month.
             currency = CASE WHEN EXCLUDED.purchases > 0 AND (NOT $4 OR c.purchases = 0) THEN EXCLUDED.currency ELSE c.currency END,
             purchases = CASE WHEN $4 THEN c.purchases ELSE 0 END + EXCLUDED.purchases,
             amount_minor = CASE WHEN $4 THEN c.amount_minor ELSE 0 END
                          + CASE WHEN $4 AND c.purchases > 0 AND c.currency <> EXCLUDED.currency THEN 0 ELSE EXCLUDED.amount_minor END,
             input_octets = CASE WHEN $4 THEN c.input_octets ELSE 0 END + EXCLUDED.input_octets,
             output_octets = CASE WHEN $4 THEN c.output_octets ELSE 0 END + EXCLUDED.output_octets,
             session_seconds = CASE WHEN $4 THEN c.session_seconds ELSE 0 END + EXCLUDED.session_seconds
         WHERE $4 OR (c.purchases, c.amount_minor, c.input_octets, c.output_octets, c.session_seconds) IS DISTINCT FROM
               (EXCLUDED.purchases, EXCLUDED.amount_minor, EXCLUDED.input_octets, EXCLUDED.output_octets, EXCLUDED.session_seconds)",
        month,
        from,
        until,
        adds
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Who bought in the month, by the month and the site of the first purchase; later ones count wherever they were made. A first purchase
/// stays the first when it was given back.
async fn cohorts(tx: &mut PgConnection, month: Date, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("DELETE FROM cohorts_monthly WHERE month = $1", month).execute(&mut *tx).await?;
    sqlx::query!(
        "WITH bought AS (
             SELECT user_id, currency, count(*) AS n, sum(amount_minor) AS minor FROM orders
             WHERE paid_at >= $2 AND paid_at < $3 AND state = 'paid' AND amount_minor > 0 GROUP BY 1, 2),
         firsts AS (
             SELECT b.user_id, date_trunc('month', f.paid_at AT TIME ZONE $4)::date AS month,
                    coalesce(n.site_id, '00000000-0000-0000-0000-000000000000') AS site_id
             FROM (SELECT DISTINCT user_id FROM bought) b
                  CROSS JOIN LATERAL (SELECT o.paid_at, o.nas_id FROM orders o
                                      WHERE o.user_id = b.user_id AND o.paid_at IS NOT NULL AND o.amount_minor > 0
                                      ORDER BY o.paid_at LIMIT 1) f
                  LEFT JOIN nas n ON n.id = f.nas_id)
         INSERT INTO cohorts_monthly (first_month, site_id, month, currency, buyers, purchases, amount_minor)
         SELECT f.month, f.site_id, $1, b.currency, count(*), sum(b.n), sum(b.minor)
         FROM bought b JOIN firsts f ON f.user_id = b.user_id GROUP BY 1, 2, 4",
        month,
        from,
        until,
        shared::time::HOME
    )
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_at_midnight_in_nairobi_and_follow_each_other() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        // 2026-12-31 21:00 UTC is midnight there.
        let new_year = at(1_798_750_800);
        assert_eq!((begin(new_year), end(new_year - std::time::Duration::from_secs(1))), (new_year, new_year));
        assert_eq!(first(new_year).to_string(), "2027-01-01");
        assert_eq!((end(new_year) - new_year).whole_days(), 31);
        // Also where the clocks at home were changed as a month began.
        let mut month = begin(at(-2_500_000_000));
        while month < new_year {
            assert_eq!((begin(month), begin(end(month))), (month, end(month)));
            month = end(month);
        }
    }
}
