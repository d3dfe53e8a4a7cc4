//! Outages, a page at a time, and one by its identity.

use std::time::Duration;

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::outage::{Cause, GivenBack, Outage};
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

struct Row {
    id: Uuid,
    nas: String,
    site_id: Option<Uuid>,
    site: Option<String>,
    cause: String,
    started_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
    given_back_at: Option<OffsetDateTime>,
    given_back_by: Option<String>,
    customers: i64,
    credited: i64,
    seconds: i64,
}

impl TryFrom<Row> for Outage {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Outage> {
        let cause = [Cause::Silent, Cause::NoTraffic].into_iter().find(|cause| cause.as_str() == row.cause);
        let given = row.given_back_at.zip(row.given_back_by);
        Ok(Outage {
            cause: cause.ok_or_else(|| StoreError::corrupt("outages", row.id, "unknown cause"))?,
            given_back: given.map(|(at, by)| GivenBack {
                at,
                by,
                customers: unsigned(row.credited),
                time: Duration::from_secs(unsigned(row.seconds)),
            }),
            id: row.id,
            nas: row.nas,
            site: row.site_id.zip(row.site),
            started_at: row.started_at,
            ended_at: row.ended_at,
            customers: unsigned(row.customers),
        })
    }
}

/// Outages, from a clause that chooses them before their customers are counted.
macro_rules! outages {
    ($from:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT o.id, coalesce(n.name, '(removed router)') AS "nas!", t.id AS "site_id?", t.name AS "site?", o.cause, o.started_at,
                      o.ended_at, o.given_back_at, o.given_back_by, a.customers AS "customers!", a.credited AS "credited!",
                      a.seconds AS "seconds!"
               FROM "# + $from + r#" o LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites t ON t.id = n.site_id,
                    LATERAL (SELECT count(*) AS customers, count(*) FILTER (WHERE seconds > 0 OR online_seconds > 0) AS credited,
                                    coalesce(sum(seconds + coalesce(online_seconds, 0)), 0)::bigint AS seconds
                             FROM outage_entitlements WHERE outage_id = o.id) a
               ORDER BY o.started_at DESC, o.id"#,
            $($argument),+
        )
    };
}

/// A page of outages.
pub async fn list(db: &Db, after: After, limit: u32) -> Result<Vec<Outage>> {
    outages!(
        "(SELECT * FROM outages WHERE started_at <= $1 AND (started_at < $1 OR id > $2) ORDER BY started_at DESC, id LIMIT $3)",
        after.at,
        after.id,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Outage::try_from)
    .collect()
}

/// One outage.
pub async fn get(db: &Db, id: Uuid) -> Result<Outage> {
    outages!("(SELECT * FROM outages WHERE id = $1)", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("outage", id))?
        .try_into()
}
