//! Once a minute, how many sessions are open at each router and site: the most of an hour is kept, and in how many of its minutes somebody
//! counted. It is read from the small table of open sessions.

use shared::time::{OffsetDateTime, hour_of};
use time::Duration;

use crate::{Db, Result};

/// Counts the open sessions. However many portals run, each minute is counted once. Returns whether this was the one.
pub async fn sample(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let minute =
        now - Duration::seconds(now.unix_timestamp().rem_euclid(60)) - Duration::nanoseconds(now.nanosecond().into());
    let mut tx = db.pool.begin().await?;
    // `sampled_since` is when it was begun, `sampled` when it was done last.
    let is_ours = sqlx::query!(
        "WITH begun AS (INSERT INTO facts_mark (name, through) VALUES ('sampled_since', $1) ON CONFLICT DO NOTHING)
         INSERT INTO facts_mark AS m (name, through) VALUES ('sampled', $1)
         ON CONFLICT (name) DO UPDATE SET through = EXCLUDED.through WHERE m.through < EXCLUDED.through",
        minute
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    if !is_ours {
        return Ok(false);
    }
    // The rows of this hour are summed up by whoever holds this one.
    sqlx::query_scalar!("SELECT name FROM facts_mark WHERE name = 'hours' FOR UPDATE").fetch_optional(&mut *tx).await?;
    sqlx::query!(
        "WITH counted AS (
             SELECT n.id, coalesce(n.site_id, '00000000-0000-0000-0000-000000000000') AS site_id, coalesce(s.open, 0)::integer AS open
             FROM nas n LEFT JOIN (SELECT nas_id, count(*) AS open FROM sessions WHERE ended_at IS NULL GROUP BY nas_id) s ON s.nas_id = n.id),
         at_sites AS (
             INSERT INTO site_hourly AS h (hour, site_id, peak_sessions)
             SELECT $1, site_id, sum(open) FROM counted GROUP BY site_id
             ON CONFLICT (site_id, hour) DO UPDATE SET peak_sessions = EXCLUDED.peak_sessions
             WHERE h.peak_sessions < EXCLUDED.peak_sessions)
         INSERT INTO nas_hourly AS h (hour, nas_id, site_id, minutes_seen, peak_sessions)
         SELECT $1, id, site_id, 1, open FROM counted
         ON CONFLICT (nas_id, hour) DO UPDATE SET minutes_seen = least(h.minutes_seen + 1, 60),
             peak_sessions = greatest(h.peak_sessions, EXCLUDED.peak_sessions)",
        hour_of(now)
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}
