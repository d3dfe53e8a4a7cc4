//! How packages were sold, and what was used of what they allow, out of sums by the day (UTC) of the sale.

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Which packages are asked about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Wanted {
    /// This one; else all.
    pub package: Option<Uuid>,
    /// Those that cost so much or more now, in minor units.
    pub from: Option<i64>,
    /// Those that cost less now.
    pub below: Option<i64>,
}

/// A package as it was sold in one currency. Money is in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sold {
    /// The package.
    pub package: Uuid,
    /// Its name.
    pub name: String,
    /// What it costs now; `None`: it is gone, or costs another currency.
    pub price: Option<i64>,
    /// The currency.
    pub currency: String,
    /// Sales that stand.
    pub purchases: i64,
    /// Those of them whose buyer had bought something before.
    pub returning: i64,
    /// What was paid.
    pub gross: i64,
    /// What of it was given back later.
    pub refunded: i64,
    /// Of what was sold then and has ended: the time that it allowed.
    pub seconds_allowed: i64,
    /// The time that was used.
    pub seconds_used: i64,
    /// The octets that it allowed.
    pub octets_allowed: i64,
    /// The octets that were used.
    pub octets_used: i64,
}

/// The packages that were sold on the days of a span, those first that brought most. A day that the span only begins counts whole.
pub async fn sold(db: &Db, span: &Span, sites: &SiteScope, wanted: Wanted) -> Result<Vec<Sold>> {
    Ok(sqlx::query_as!(
        Sold,
        r#"SELECT d.package_id AS "package!", coalesce(p.name, 'a package that is gone') AS "name!",
                  CASE WHEN p.currency = d.currency THEN p.price_minor END AS "price?", d.currency AS "currency!", d.purchases AS "purchases!",
                  d.back AS "returning!", d.gross AS "gross!", d.refunded AS "refunded!", d.seconds_allowed AS "seconds_allowed!",
                  d.seconds_used AS "seconds_used!", d.octets_allowed AS "octets_allowed!", d.octets_used AS "octets_used!"
           FROM (SELECT package_id, currency, sum(purchases)::bigint AS purchases, sum("returning")::bigint AS back,
                        sum(gross_minor)::bigint AS gross, sum(refunded_minor)::bigint AS refunded,
                        sum(seconds_allowed)::bigint AS seconds_allowed, sum(seconds_used)::bigint AS seconds_used,
                        sum(octets_allowed)::bigint AS octets_allowed, sum(octets_used)::bigint AS octets_used
                 FROM package_daily
                 WHERE day >= ($1::timestamptz AT TIME ZONE $4)::date AND day <= (($2::timestamptz AT TIME ZONE $4) - interval '1 second')::date
                   AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                   AND ($6::uuid IS NULL OR package_id = $6)
                 GROUP BY package_id, currency) d
                LEFT JOIN packages p ON p.id = d.package_id
           WHERE ($7::bigint IS NULL OR p.price_minor >= $7) AND ($8::bigint IS NULL OR p.price_minor < $8)
           ORDER BY d.gross - d.refunded DESC, 2, 1, 4 LIMIT 1000"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        wanted.package,
        wanted.from,
        wanted.below
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
