//! An hour at a router, and at a site.
//!
//! What somebody counted ([`super::sample`]) is left as it is. Of hours before anybody counted, the most that were open follows from when
//! sessions began and ended; a site has the sum of its routers then, which may be more than were open at one time.

use shared::time::{OffsetDateTime, hour_of};
use sqlx::PgConnection;
use time::Duration;

use super::{days, payments};
use crate::Result;
use crate::refusal::KEPT;

/// Refused logins and visits are let go of some at a time: the last day of those that are kept may not be whole.
const MARGIN: Duration = Duration::DAY;

/// Sums up these hours.
pub(super) async fn sum_up(
    tx: &mut PgConnection,
    from: OffsetDateTime,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<()> {
    routers(tx, from, until).await?;
    peaks(tx, from, until).await?;
    let kept = from.max(hour_of(now - KEPT + MARGIN));
    if kept < until {
        doors(tx, kept, until).await?;
        refusals(tx, kept, until).await?;
    }
    observe(tx, from, until, now).await?;
    payments::sum_up(tx, from, until).await?;
    sites(tx, from, until).await?;
    sales(tx, from, until).await?;
    days::sum_up(tx, from, until).await
}

/// Sessions and traffic of each router, and a row for each of its hours. radiusd writes no accepted login down but by its session.
async fn routers(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "WITH begun AS (
             SELECT nas_id, date_trunc('hour', started_at, 'UTC') AS hour, count(*) AS n
             FROM (SELECT nas_id, started_at FROM sessions WHERE started_at >= $1::timestamptz AND started_at < $2::timestamptz
                   UNION ALL
                   SELECT nas_id, started_at FROM sessions_ended WHERE started_at >= $1 AND started_at < $2
                     AND opened_on >= ($1 AT TIME ZONE 'UTC')::date - 2 AND opened_on < ($2 AT TIME ZONE 'UTC')::date + 32) s
             GROUP BY 1, 2),
         ended AS (
             SELECT nas_id, date_trunc('hour', ended_at, 'UTC') AS hour, count(*) AS n FROM sessions_ended
             WHERE ended_at >= $1 AND ended_at < $2
               AND opened_on >= ($1 AT TIME ZONE 'UTC')::date - 92 AND opened_on < ($2 AT TIME ZONE 'UTC')::date + 32
             GROUP BY 1, 2),
         used AS (
             SELECT nas_id, hour, sum(input_octets) AS input, sum(output_octets) AS output, sum(seconds) AS seconds
             FROM usage_hourly WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2)
         INSERT INTO nas_hourly AS h (hour, nas_id, site_id, logins, sessions_begun, sessions_ended, input_octets, output_octets, session_seconds)
         SELECT g.hour, g.nas_id, g.site_id, coalesce(b.n, 0), coalesce(b.n, 0), coalesce(e.n, 0), coalesce(u.input, 0), coalesce(u.output, 0),
                coalesce(u.seconds, 0)
         FROM (SELECT n.id AS nas_id, coalesce(n.site_id, '00000000-0000-0000-0000-000000000000') AS site_id, hour
               FROM nas n, generate_series($1, $2 - interval '1 hour', interval '1 hour') AS hour
               WHERE hour >= date_trunc('hour', n.created_at, 'UTC')) g
              LEFT JOIN begun b ON b.nas_id = g.nas_id AND b.hour = g.hour
              LEFT JOIN ended e ON e.nas_id = g.nas_id AND e.hour = g.hour
              LEFT JOIN used u ON u.nas_id = g.nas_id AND u.hour = g.hour
         ON CONFLICT (nas_id, hour) DO UPDATE SET logins = EXCLUDED.logins, sessions_begun = EXCLUDED.sessions_begun,
             sessions_ended = EXCLUDED.sessions_ended, input_octets = EXCLUDED.input_octets, output_octets = EXCLUDED.output_octets,
             session_seconds = EXCLUDED.session_seconds
         WHERE (h.logins, h.sessions_begun, h.sessions_ended, h.input_octets, h.output_octets, h.session_seconds)
             IS DISTINCT FROM (EXCLUDED.logins, EXCLUDED.sessions_begun, EXCLUDED.sessions_ended, EXCLUDED.input_octets,
                               EXCLUDED.output_octets, EXCLUDED.session_seconds)",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The most sessions that were open at a router, of hours before anybody counted.
async fn peaks(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    let since = sqlx::query_scalar!("SELECT through FROM facts_mark WHERE name = 'sampled_since'")
        .fetch_optional(&mut *tx)
        .await?;
    let until = since.map_or(until, |since| until.min(hour_of(since)));
    if until <= from {
        return Ok(());
    }
    sqlx::query!(
        "WITH open AS (
             SELECT nas_id, started_at, ended_at FROM sessions_ended
             WHERE ended_at > $1::timestamptz AND started_at < $2::timestamptz
               AND opened_on >= ($1 AT TIME ZONE 'UTC')::date - 92 AND opened_on < ($2 AT TIME ZONE 'UTC')::date + 32
             UNION ALL
             SELECT nas_id, started_at, NULL FROM sessions WHERE started_at < $2),
         steps AS (
             SELECT nas_id, greatest(started_at, $1) AS at, 1 AS step FROM open
             UNION ALL SELECT nas_id, ended_at, -1 FROM open WHERE ended_at < $2
             UNION ALL SELECT nas_id, hour, 0 FROM nas_hourly WHERE hour >= $1 AND hour < $2),
         running AS (
             SELECT nas_id, at, sum(step) OVER (PARTITION BY nas_id ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS n FROM steps),
         most AS (SELECT nas_id, date_trunc('hour', at, 'UTC') AS hour, max(n)::integer AS n FROM running GROUP BY 1, 2)
         UPDATE nas_hourly h SET peak_sessions = greatest(m.n, 0) FROM most m
         WHERE h.nas_id = m.nas_id AND h.hour = m.hour AND h.minutes_seen = 0 AND h.peak_sessions <> greatest(m.n, 0)",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Who was refused at each router, and how far guests came at the portal.
async fn doors(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "WITH counted AS (
             SELECT g.nas_id, g.hour, coalesce(r.n, 0) AS refused, coalesce(v.seen, 0) AS seen, coalesce(v.chosen, 0) AS chosen,
                    coalesce(v.paying, 0) AS paying
             FROM nas_hourly g
                  LEFT JOIN (SELECT nas_id, hour, sum(times) AS n FROM login_refusals WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2) r
                      ON r.nas_id = g.nas_id AND r.hour = g.hour
                  LEFT JOIN (SELECT nas_id, hour, count(*) AS seen, count(*) FILTER (WHERE step >= 2) AS chosen,
                                    count(*) FILTER (WHERE step >= 3) AS paying
                             FROM device_visits WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2) v
                      ON v.nas_id = g.nas_id AND v.hour = g.hour
             WHERE g.hour >= $1 AND g.hour < $2)
         UPDATE nas_hourly h SET failed_logins = c.refused, seen = c.seen, chosen = c.chosen, paying = c.paying FROM counted c
         WHERE h.nas_id = c.nas_id AND h.hour = c.hour
           AND (h.failed_logins, h.seen, h.chosen, h.paying) IS DISTINCT FROM (c.refused, c.seen, c.chosen, c.paying)",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Refused logins by their reason.
async fn refusals(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("DELETE FROM refusals_hourly WHERE hour >= $1 AND hour < $2", from, until).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO refusals_hourly (hour, nas_id, site_id, reason, times, devices)
         SELECT r.hour, r.nas_id, coalesce(h.site_id, n.site_id, '00000000-0000-0000-0000-000000000000'), r.reason, r.times, r.devices
         FROM (SELECT hour, nas_id, reason, sum(times) AS times, count(DISTINCT mac) AS devices
               FROM login_refusals WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2, 3) r
              LEFT JOIN nas_hourly h ON h.nas_id = r.nas_id AND h.hour = r.hour
              LEFT JOIN nas n ON n.id = r.nas_id",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether we saw what happened: not when the router had no line for half of the hour, nor when nobody counted in it though somebody did
/// before and after.
async fn observe(
    tx: &mut PgConnection,
    from: OffsetDateTime,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "WITH dark AS (
             SELECT nas_id, started_at, coalesce(ended_at, $3::timestamptz) AS ended_at FROM outages
             WHERE started_at < $2::timestamptz AND (ended_at > $1::timestamptz OR ended_at IS NULL)),
         cut AS (
             SELECT h.nas_id, h.hour FROM nas_hourly h JOIN dark d ON d.nas_id = h.nas_id
                 AND d.started_at < h.hour + interval '1 hour' AND d.ended_at > h.hour
             WHERE h.hour >= $1 AND h.hour < $2
             GROUP BY 1, 2
             HAVING sum(least(d.ended_at, h.hour + interval '1 hour') - greatest(d.started_at, h.hour)) >= interval '30 minutes'),
         counting AS (
             SELECT (SELECT date_trunc('hour', through, 'UTC') FROM facts_mark WHERE name = 'sampled_since') AS since,
                    (SELECT date_trunc('hour', through, 'UTC') FROM facts_mark WHERE name = 'sampled') AS last),
         seen AS (
             SELECT h.nas_id, h.hour, c.hour IS NULL
                    AND NOT (h.minutes_seen = 0 AND coalesce(h.hour > s.since AND h.hour < s.last, false)) AS observed
             FROM nas_hourly h CROSS JOIN counting s LEFT JOIN cut c ON c.nas_id = h.nas_id AND c.hour = h.hour
             WHERE h.hour >= $1 AND h.hour < $2)
         UPDATE nas_hourly h SET observed = s.observed FROM seen s
         WHERE h.nas_id = s.nas_id AND h.hour = s.hour AND h.observed <> s.observed",
        from,
        until,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What the routers of a site did together, and a row for each of its hours. What belongs to no site stands under the nil identity.
async fn sites(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "WITH together AS (
             SELECT site_id, hour, bool_or(observed) AS observed,
                    -- Who counts, counts at the site too. Otherwise it is the sum, which may be more than were open at one time.
                    coalesce(sum(peak_sessions) FILTER (WHERE minutes_seen = 0), 0)::integer AS peak, sum(logins) AS logins,
                    sum(failed_logins) AS failed, sum(sessions_begun) AS begun, sum(input_octets) AS input, sum(output_octets) AS output,
                    sum(session_seconds) AS seconds, sum(seen) AS seen, sum(chosen) AS chosen, sum(paying) AS paying
             FROM nas_hourly WHERE hour >= $1::timestamptz AND hour < $2::timestamptz GROUP BY 1, 2),
         tried AS (
             SELECT site_id, hour, sum(attempts) AS attempts, sum(failed) AS failed FROM payments_hourly
             WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2),
         grid AS (
             SELECT p.id AS site_id, hour
             FROM (SELECT id, created_at FROM sites UNION ALL SELECT '00000000-0000-0000-0000-000000000000', '-infinity') p,
                  generate_series($1, $2 - interval '1 hour', interval '1 hour') AS hour
             WHERE hour >= date_trunc('hour', p.created_at, 'UTC'))
         INSERT INTO site_hourly AS h (hour, site_id, observed, payment_attempts, payment_failures, peak_sessions, logins, failed_logins,
             sessions_begun, input_octets, output_octets, session_seconds, seen, chosen, paying)
         SELECT g.hour, g.site_id, coalesce(t.observed, true), coalesce(y.attempts, 0), coalesce(y.failed, 0), coalesce(t.peak, 0),
                coalesce(t.logins, 0), coalesce(t.failed, 0), coalesce(t.begun, 0), coalesce(t.input, 0), coalesce(t.output, 0),
                coalesce(t.seconds, 0), coalesce(t.seen, 0), coalesce(t.chosen, 0), coalesce(t.paying, 0)
         FROM grid g LEFT JOIN together t ON t.site_id = g.site_id AND t.hour = g.hour
              LEFT JOIN tried y ON y.site_id = g.site_id AND y.hour = g.hour
         ON CONFLICT (site_id, hour) DO UPDATE SET observed = EXCLUDED.observed, payment_attempts = EXCLUDED.payment_attempts,
             payment_failures = EXCLUDED.payment_failures, peak_sessions = greatest(h.peak_sessions, EXCLUDED.peak_sessions),
             logins = EXCLUDED.logins, failed_logins = EXCLUDED.failed_logins, sessions_begun = EXCLUDED.sessions_begun,
             input_octets = EXCLUDED.input_octets, output_octets = EXCLUDED.output_octets, session_seconds = EXCLUDED.session_seconds,
             seen = EXCLUDED.seen, chosen = EXCLUDED.chosen, paying = EXCLUDED.paying
         WHERE (h.observed, h.payment_attempts, h.payment_failures, h.logins, h.failed_logins, h.sessions_begun, h.input_octets,
                h.output_octets, h.session_seconds, h.seen, h.chosen, h.paying) IS DISTINCT FROM
               (EXCLUDED.observed, EXCLUDED.payment_attempts, EXCLUDED.payment_failures, EXCLUDED.logins, EXCLUDED.failed_logins,
                EXCLUDED.sessions_begun, EXCLUDED.input_octets, EXCLUDED.output_octets, EXCLUDED.session_seconds, EXCLUDED.seen,
                EXCLUDED.chosen, EXCLUDED.paying) OR h.peak_sessions < EXCLUDED.peak_sessions",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was sold at a site, and who was online after having paid.
async fn sales(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "WITH money AS (
             SELECT s.id AS site_id, coalesce(
                 (SELECT p.currency FROM packages p WHERE p.site_id IS NULL OR p.site_id = s.id GROUP BY p.currency
                  ORDER BY count(*) FILTER (WHERE p.active) DESC, count(*) DESC, p.currency LIMIT 1), 'KES') AS currency
             FROM (SELECT id FROM sites UNION ALL SELECT '00000000-0000-0000-0000-000000000000') s),
         bought AS (
             SELECT o.paid_at AS at, n.site_id, o.currency, (o.state = 'paid' AND o.amount_minor > 0)::integer AS stands,
                    CASE WHEN o.state = 'paid' OR EXISTS (
                        SELECT FROM payments y JOIN ledger_transactions t ON t.key = 'payment:' || y.id
                            JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
                        WHERE y.order_id = o.id AND a.code = 'sales') THEN o.amount_minor ELSE 0 END AS gross,
                    0 AS refunded, coalesce((SELECT sum(d.amount_minor) FROM order_discounts d WHERE d.order_id = o.id), 0) AS spared,
                    (o.wish <> 'another')::integer AS paid,
                    (o.wish <> 'another' AND EXISTS (
                        SELECT FROM (SELECT e.id FROM entitlements e WHERE e.order_id = o.id UNION ALL SELECT o.target_id) g
                        WHERE EXISTS (SELECT FROM sessions s WHERE s.entitlement_id = g.id AND s.started_at < o.paid_at + interval '1 hour')
                           OR EXISTS (SELECT FROM sessions_ended s
                                      WHERE s.entitlement_id = g.id AND s.started_at < o.paid_at + interval '1 hour' AND s.ended_at > o.paid_at
                                        AND s.opened_on >= ($1::timestamptz AT TIME ZONE 'UTC')::date - 32
                                        AND s.opened_on < ($2::timestamptz AT TIME ZONE 'UTC')::date + 32)))::integer AS online
             FROM orders o LEFT JOIN nas n ON n.id = o.nas_id WHERE o.paid_at >= $1 AND o.paid_at < $2
             UNION ALL
             SELECT v.sold_at, NULL, b.currency, 1, b.price_minor, 0, 0, 0, 0 FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
             WHERE v.sold_at >= $1 AND v.sold_at < $2 AND v.state <> 'void' AND b.price_minor IS NOT NULL AND NOT b.for_order
             UNION ALL
             SELECT t.posted_at, n.site_id, e.currency, 0, 0, e.amount_minor, 0, 0, 0
             FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
                  LEFT JOIN orders o ON o.id = t.order_id LEFT JOIN nas n ON n.id = o.nas_id
             -- The tax of a closed day is taken out of its sales, and given back to nobody.
             WHERE t.posted_at >= $1 AND t.posted_at < $2 AND a.code = 'sales' AND e.amount_minor > 0 AND t.key NOT LIKE 'vat:%'),
         summed AS (
             SELECT m.site_id, m.currency, date_trunc('hour', b.at, 'UTC') AS hour, sum(b.stands) AS stands,
                    sum(b.gross) FILTER (WHERE b.currency = m.currency) AS gross, sum(b.refunded) FILTER (WHERE b.currency = m.currency) AS refunded,
                    sum(b.spared) FILTER (WHERE b.currency = m.currency) AS spared, sum(b.paid) AS paid, sum(b.online) AS online
             FROM bought b JOIN money m ON m.site_id = coalesce(b.site_id, '00000000-0000-0000-0000-000000000000') GROUP BY 1, 2, 3),
         found AS (
             SELECT h.site_id, h.hour, m.currency, coalesce(s.stands, 0) AS stands, coalesce(s.gross, 0) AS gross,
                    coalesce(s.refunded, 0) AS refunded, coalesce(s.spared, 0) AS spared, coalesce(s.paid, 0) AS paid,
                    coalesce(s.online, 0) AS online
             FROM site_hourly h JOIN money m ON m.site_id = h.site_id LEFT JOIN summed s ON s.site_id = h.site_id AND s.hour = h.hour
             WHERE h.hour >= $1 AND h.hour < $2)
         UPDATE site_hourly h SET purchases = f.stands, currency = f.currency, gross_minor = f.gross, refunded_minor = f.refunded,
             discount_minor = f.spared, paid = f.paid, online = f.online
         FROM found f WHERE h.site_id = f.site_id AND h.hour = f.hour
           AND (h.purchases, h.currency, h.gross_minor, h.refunded_minor, h.discount_minor, h.paid, h.online)
               IS DISTINCT FROM (f.stands, f.currency, f.gross, f.refunded, f.spared, f.paid, f.online)",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}
