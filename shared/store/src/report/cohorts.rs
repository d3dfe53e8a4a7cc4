//! Those who bought first in a month, and how many of them bought in the months after it. Months go by the clock of the home time zone.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// What those who bought first in a month did in it, or in a month after it. Money is in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// The month of their first purchase, such as `2026-11`.
    pub first: String,
    /// So many months after that.
    pub after: i32,
    /// So many months have begun since, the present one included: only months before that one are over.
    pub age: i32,
    /// The currency.
    pub currency: String,
    /// How many of them bought.
    pub buyers: i64,
    /// How often.
    pub purchases: i64,
    /// For how much.
    pub amount: i64,
}

/// Those who bought first in the last so many months, the present one included, and what they did since.
pub async fn since(
    db: &Db,
    site: Option<Uuid>,
    sites: &SiteScope,
    months: i32,
    now: OffsetDateTime,
) -> Result<Vec<Cell>> {
    Ok(sqlx::query_as!(
        Cell,
        r#"SELECT to_char(first_month, 'YYYY-MM') AS "first!", after AS "after!",
                  (extract(year FROM age(this, first_month)) * 12 + extract(month FROM age(this, first_month)))::integer AS "age!",
                  currency AS "currency!", sum(buyers)::bigint AS "buyers!", sum(purchases)::bigint AS "purchases!",
                  sum(amount_minor)::bigint AS "amount!"
           FROM (SELECT date_trunc('month', $1::timestamptz AT TIME ZONE $5) AS this) n,
                LATERAL (SELECT c.*, (extract(year FROM age(c.month, c.first_month)) * 12 + extract(month FROM age(c.month, c.first_month)))::integer AS after
                         FROM cohorts_monthly c
                         WHERE c.first_month > n.this - make_interval(months => $2) AND c.first_month <= n.this AND c.month <= n.this
                           AND ($3::uuid IS NULL OR c.site_id = $3) AND ($4::uuid[] IS NULL OR c.site_id = ANY ($4))) c
           GROUP BY first_month, this, after, currency ORDER BY first_month, after, currency"#,
        now,
        months,
        site,
        sites.filter() as Option<&[Uuid]>,
        shared::time::HOME
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
