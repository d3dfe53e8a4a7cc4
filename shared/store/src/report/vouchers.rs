//! Vouchers on paper: what of each batch is sold, used, expired and still worth something. Of a batch only those are counted that are not both sold
//! and used, in their index; the others are the rest of its size.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Batches that are told of at most.
const BATCHES: i64 = 500;
/// Agents that can be chosen at most.
const AGENTS: i64 = 500;

/// A batch, as it stands now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its number on the paper.
    pub number: i32,
    /// The package's name, as the paper says.
    pub package: String,
    /// The price, as the paper says, in minor units.
    pub price: i64,
    /// The currency.
    pub currency: String,
    /// Who has the paper; `None`: the operator.
    pub agent: Option<String>,
    /// How many were printed.
    pub printed: i64,
    /// How many are neither sold, nor used, nor void.
    pub unsold: i64,
    /// How many are sold and not used.
    pub unused: i64,
    /// How many are void.
    pub void: i64,
    /// How many have a sale, whatever became of them.
    pub sold: i64,
    /// How many were used and have no sale.
    pub used_unsold: i64,
    /// Whether what is not used is worth nothing any more.
    pub is_expired: bool,
    /// When it was printed.
    pub created_at: OffsetDateTime,
}

/// The batches that were printed in a span, or of which something is outstanding; the newest first. A package of all sites is of no site.
pub async fn batches(
    db: &Db,
    span: &Span,
    sites: &SiteScope,
    agent: Option<&str>,
    now: OffsetDateTime,
) -> Result<Vec<Batch>> {
    Ok(sqlx::query_as!(
        Batch,
        r#"SELECT b.number AS "number!", coalesce(b.package_name, p.name) AS "package!", coalesce(b.price_minor, p.price_minor) AS "price!",
                  coalesce(b.currency, p.currency) AS "currency!", b.agent AS "agent?", b.size::bigint AS "printed!",
                  coalesce(c.unsold, 0) AS "unsold!", coalesce(c.unused, 0) AS "unused!", coalesce(c.void, 0) AS "void!",
                  (b.size - coalesce(c.without, 0)) AS "sold!", coalesce(c.used_unsold, 0) AS "used_unsold!",
                  b.redeem_before IS NOT NULL AND b.redeem_before <= $6 AS "is_expired!", b.created_at AS "created_at!"
           FROM voucher_batches b JOIN packages p ON p.id = b.package_id
                LEFT JOIN (SELECT batch_id, count(*) FILTER (WHERE state = 'printed') AS unsold, count(*) FILTER (WHERE state = 'sold') AS unused,
                                  count(*) FILTER (WHERE state = 'void') AS void, count(*) FILTER (WHERE sold_at IS NULL) AS without,
                                  count(*) FILTER (WHERE state = 'redeemed' AND sold_at IS NULL) AS used_unsold
                           FROM vouchers WHERE state <> 'redeemed' OR sold_at IS NULL GROUP BY batch_id) c ON c.batch_id = b.id
           WHERE NOT b.for_order AND ($3::uuid IS NULL OR p.site_id = $3) AND ($4::uuid[] IS NULL OR p.site_id = ANY ($4))
             AND ($5::text IS NULL OR coalesce(b.agent, '') = $5)
             AND (b.created_at >= $1 AND b.created_at < $2
                  OR c.unsold + c.unused > 0 AND (b.redeem_before IS NULL OR b.redeem_before > $6))
           ORDER BY b.number DESC LIMIT $7"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        agent,
        now,
        BATCHES
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What was sold and used on a day, of one agent's paper and in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day {
    /// The day, such as `2026-11-29`.
    pub day: String,
    /// Whose paper; `None`: the operator's.
    pub agent: Option<String>,
    /// The currency.
    pub currency: String,
    /// How many were sold.
    pub sold: i64,
    /// For how much, in minor units.
    pub amount: i64,
    /// How many were used first.
    pub used: i64,
}

/// What was sold and used on each day.
pub async fn days(db: &Db, span: &Span, sites: &SiteScope, agent: Option<&str>) -> Result<Vec<Day>> {
    Ok(sqlx::query_as!(
        Day,
        r#"SELECT to_char(h.day, 'YYYY-MM-DD') AS "day!", b.agent AS "agent?", coalesce(b.currency, p.currency) AS "currency!",
                  sum(h.sold)::bigint AS "sold!", sum(h.sold * coalesce(b.price_minor, p.price_minor))::bigint AS "amount!",
                  sum(h.used)::bigint AS "used!"
           FROM (SELECT batch_id, (sold_at AT TIME ZONE $5)::date AS day, count(*) AS sold, 0 AS used FROM vouchers
                 WHERE sold_at >= $1 AND sold_at < $2 AND state <> 'void' GROUP BY 1, 2
                 UNION ALL
                 SELECT batch_id, (redeemed_at AT TIME ZONE $5)::date, 0, count(*) FROM vouchers
                 WHERE redeemed_at >= $1 AND redeemed_at < $2 GROUP BY 1, 2) h
                JOIN voucher_batches b ON b.id = h.batch_id JOIN packages p ON p.id = b.package_id
           WHERE NOT b.for_order AND ($3::uuid IS NULL OR p.site_id = $3) AND ($4::uuid[] IS NULL OR p.site_id = ANY ($4))
             AND ($6::text IS NULL OR coalesce(b.agent, '') = $6)
           GROUP BY 1, 2, 3 ORDER BY 1, 2 NULLS FIRST, 3"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        span.time_zone,
        agent
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Who has or had paper.
pub async fn agents(db: &Db) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT agent AS "agent!" FROM voucher_batches WHERE agent IS NOT NULL ORDER BY 1 LIMIT $1"#,
        AGENTS
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
