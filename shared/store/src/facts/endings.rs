//! How sessions ended, by the day of their end. A session that was open for more than a quarter of a year is in no sum: its month is not
//! looked at.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;

use super::day;
use crate::Result;

/// Sums up the days between two midnights.
pub(super) async fn sum_up(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("DELETE FROM endings_daily WHERE day >= $1 AND day < $2", day(from), day(until))
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "WITH ended AS MATERIALIZED (
             SELECT (ended_at AT TIME ZONE 'UTC')::date AS day, nas_id,
                    coalesce(nullif(terminate_cause, ''), CASE WHEN lost THEN 'Lost' ELSE 'Unknown' END) AS cause,
                    extract(hour FROM ended_at AT TIME ZONE 'UTC')::integer AS hour,
                    width_bucket(session_seconds, ARRAY[61, 301, 901, 1801, 3601, 7201, 14401, 28801, 86401]::bigint[]) AS lasted,
                    count(*) AS n, sum(session_seconds) AS seconds
             FROM sessions_ended
             WHERE ended_at >= $1::timestamptz AND ended_at < $2::timestamptz
               AND opened_on >= ($1 AT TIME ZONE 'UTC')::date - 92 AND opened_on < ($2 AT TIME ZONE 'UTC')::date + 32
             GROUP BY 1, 2, 3, 4, 5),
         kinds AS (SELECT day, nas_id, cause, sum(n) AS sessions, sum(seconds) AS seconds FROM ended GROUP BY 1, 2, 3),
         hours AS (
             SELECT k.day, k.nas_id, k.cause, array_agg(coalesce(e.n, 0) ORDER BY place) AS by_hour
             FROM kinds k CROSS JOIN generate_series(0, 23) AS place
                  LEFT JOIN (SELECT day, nas_id, cause, hour, sum(n)::bigint AS n FROM ended GROUP BY 1, 2, 3, 4) e
                      ON (e.day, e.nas_id, e.cause, e.hour) = (k.day, k.nas_id, k.cause, place)
             GROUP BY 1, 2, 3),
         lengths AS (
             SELECT k.day, k.nas_id, k.cause, array_agg(coalesce(e.n, 0) ORDER BY place) AS lasted_until
             FROM kinds k CROSS JOIN generate_series(0, 9) AS place
                  LEFT JOIN (SELECT day, nas_id, cause, lasted, sum(n)::bigint AS n FROM ended GROUP BY 1, 2, 3, 4) e
                      ON (e.day, e.nas_id, e.cause, e.lasted) = (k.day, k.nas_id, k.cause, place)
             GROUP BY 1, 2, 3)
         INSERT INTO endings_daily (day, nas_id, site_id, cause, by_hour, lasted_until, sessions, seconds)
         SELECT k.day, k.nas_id, coalesce(n.site_id, '00000000-0000-0000-0000-000000000000'), k.cause, h.by_hour, l.lasted_until,
                k.sessions, k.seconds
         FROM kinds k JOIN hours h USING (day, nas_id, cause) JOIN lengths l USING (day, nas_id, cause) LEFT JOIN nas n ON n.id = k.nas_id",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}
