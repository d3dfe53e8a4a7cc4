//! The hours of routers and sites by the day, so that a year of them costs a report what days cost: what stands here follows from the hours alone.

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Duration;

use super::{DAY, midnight};
use crate::Result;

/// Sums the days up, anew and whole, that these hours are in.
pub(super) async fn sum_up(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    let (first, after) = (midnight(from), midnight(until - Duration::SECOND) + DAY);
    sqlx::query!(
        "INSERT INTO use_daily AS d (day, site_id, nas_id, missing, peak_sessions, logins, input_octets, output_octets, busiest_octets)
         SELECT (hour AT TIME ZONE 'UTC')::date, site_id, nas_id, count(*) FILTER (WHERE NOT observed), max(peak_sessions), sum(logins),
                sum(input_octets), sum(output_octets), max(output_octets)
         FROM (SELECT hour, site_id, nas_id, observed, peak_sessions, logins, input_octets, output_octets
               FROM nas_hourly WHERE hour >= $1 AND hour < $2
               UNION ALL
               SELECT hour, site_id, '00000000-0000-0000-0000-000000000000', observed, peak_sessions, logins, input_octets, output_octets
               FROM site_hourly WHERE hour >= $1 AND hour < $2) h
         GROUP BY 1, 2, 3
         ON CONFLICT (nas_id, day, site_id) DO UPDATE SET missing = EXCLUDED.missing, peak_sessions = EXCLUDED.peak_sessions,
             logins = EXCLUDED.logins, input_octets = EXCLUDED.input_octets, output_octets = EXCLUDED.output_octets,
             busiest_octets = EXCLUDED.busiest_octets
         WHERE (d.missing, d.peak_sessions, d.logins, d.input_octets, d.output_octets, d.busiest_octets) IS DISTINCT FROM
               (EXCLUDED.missing, EXCLUDED.peak_sessions, EXCLUDED.logins, EXCLUDED.input_octets, EXCLUDED.output_octets,
                EXCLUDED.busiest_octets)",
        first,
        after
    )
    .execute(tx)
    .await?;
    Ok(())
}
