//! How things stand, for the desk's overview: each number out of an index, and none of them from a reading of a whole history.

use std::time::Duration;

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result};

/// A session ends soon that must end within this time.
pub const SOON: Duration = Duration::from_secs(15 * 60);
/// Commands and reports that are older than this while they wait are late.
const LATE: Duration = Duration::from_secs(60);

/// What was sold in a time, of one package at one site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sold {
    /// The package's name.
    pub package: String,
    /// The site's name; none: sold at no router, as vouchers are.
    pub site: Option<String>,
    /// Orders and vouchers.
    pub orders: u64,
    /// What they brought.
    pub amount: Money,
}

/// What was sold from `from` until before `until`: orders that were paid, and vouchers that were noted as sold.
pub async fn sold(db: &Db, from: OffsetDateTime, until: OffsetDateTime, sites: &SiteScope) -> Result<Vec<Sold>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(p.name, '') AS "package!", s.name AS "site?", d.currency AS "currency!", count(*) AS "orders!",
                  sum(d.minor)::bigint AS "minor!"
           FROM (SELECT o.package_id, n.site_id, o.currency, o.amount_minor AS minor FROM orders o LEFT JOIN nas n ON n.id = o.nas_id
                 WHERE o.paid_at >= $1 AND o.paid_at < $2 AND o.state = 'paid' AND o.amount_minor > 0
                 UNION ALL
                 SELECT b.package_id, NULL, b.currency, b.price_minor FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
                 WHERE v.sold_at >= $1 AND v.sold_at < $2 AND v.state <> 'void' AND b.price_minor IS NOT NULL AND NOT b.for_order) d
                LEFT JOIN packages p ON p.id = d.package_id LEFT JOIN sites s ON s.id = d.site_id
           WHERE $3::uuid[] IS NULL OR d.site_id = ANY ($3)
           GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 2"#,
        from,
        until,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money("orders", &row.package, row.minor, &row.currency)?;
            Ok(Sold { package: row.package, site: row.site, orders: unsigned(row.orders), amount })
        })
        .collect()
}

/// The open sessions of each router, by name.
pub async fn online(db: &Db, sites: &SiteScope) -> Result<Vec<(String, u64)>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(n.name, '(removed router)') AS "nas!", s.count AS "count!"
           FROM (SELECT nas_id, count(*) AS count FROM sessions WHERE ended_at IS NULL GROUP BY nas_id) s
                LEFT JOIN nas n ON n.id = s.nas_id
           WHERE $1::uuid[] IS NULL OR n.site_id = ANY ($1) ORDER BY 1"#,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.nas, unsigned(row.count))).collect())
}

/// How many open sessions must end soon.
pub async fn ending(db: &Db, sites: &SiteScope, now: OffsetDateTime) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM sessions s
           WHERE s.cutoff_at > $1 AND s.cutoff_at <= $2 AND s.cut_requested_at IS NULL AND s.ended_at IS NULL
             AND ($3::uuid[] IS NULL OR s.nas_id IN (SELECT id FROM nas WHERE site_id = ANY ($3)))"#,
        now,
        now + SOON,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}

/// What the portal itself has to do and has not done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Behind {
    /// Reports of providers that wait to be worked on for too long.
    pub reports: u64,
    /// Messages that should have been sent.
    pub messages: u64,
}

/// What waits for longer than it should.
pub async fn behind(db: &Db, now: OffsetDateTime) -> Result<Behind> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM payment_events WHERE processed_at IS NULL AND next_attempt_at <= $1) AS "reports!",
                  (SELECT count(*) FROM notifications WHERE state = 'pending' AND next_attempt_at <= $1) AS "messages!""#,
        now - LATE
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(Behind { reports: unsigned(row.reports), messages: unsigned(row.messages) })
}
