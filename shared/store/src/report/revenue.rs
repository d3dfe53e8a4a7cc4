//! What was sold, by the day, the week or the month: all of it by the hours of sites, and of one package or one way of paying by what was sold of
//! that, which knows nothing of discounts and of what went back. Buyers are counted by the month, since that is how they are kept.

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// By what sums are put together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The day.
    Day,
    /// The week, from Monday on.
    Week,
    /// The month.
    Month,
}

impl By {
    /// All of them; the first is the usual one.
    pub const ALL: [By; 3] = [By::Day, By::Week, By::Month];

    /// Its word, in statements and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Week => "week",
            By::Month => "month",
        }
    }
}

/// What was sold in a day, a week or a month, in one currency. Money is in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sum {
    /// Its first day, such as `2026-11-29`.
    pub day: String,
    /// The currency.
    pub currency: String,
    /// Orders and vouchers.
    pub sales: i64,
    /// What was paid for them.
    pub gross: i64,
    /// What discounts had taken off before.
    pub discounts: i64,
    /// What was given back in that time.
    pub refunds: i64,
    /// Hours in which somebody looked, and in which nobody did.
    pub seen: i64,
    /// See `seen`.
    pub unseen: i64,
}

/// What was sold at sites.
pub async fn sums(db: &Db, by: By, span: &Span, sites: &SiteScope) -> Result<Vec<Sum>> {
    Ok(sqlx::query_as!(
        Sum,
        r#"SELECT to_char(date_trunc($6::text, hour AT TIME ZONE $4), 'YYYY-MM-DD') AS "day!", currency AS "currency!",
                  sum(purchases)::bigint AS "sales!", sum(gross_minor)::bigint AS "gross!", sum(discount_minor)::bigint AS "discounts!",
                  sum(refunded_minor)::bigint AS "refunds!", count(*) FILTER (WHERE observed) AS "seen!",
                  count(*) FILTER (WHERE NOT observed) AS "unseen!"
           FROM site_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY 1, currency ORDER BY 1, currency"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        by.as_str()
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What was sold of one package, or paid in one way.
pub async fn sums_of(
    db: &Db,
    by: By,
    span: &Span,
    sites: &SiteScope,
    package: Option<Uuid>,
    provider: Option<&str>,
) -> Result<Vec<Sum>> {
    Ok(sqlx::query_as!(
        Sum,
        r#"SELECT to_char(date_trunc($6::text, hour AT TIME ZONE $4), 'YYYY-MM-DD') AS "day!", currency AS "currency!",
                  sum(orders)::bigint AS "sales!", sum(amount_minor)::bigint AS "gross!", 0::bigint AS "discounts!", 0::bigint AS "refunds!",
                  count(*) AS "seen!", 0::bigint AS "unseen!"
           FROM sales_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
             AND ($7::uuid IS NULL OR package_id = $7) AND ($8::text IS NULL OR provider = $8)
           GROUP BY 1, currency ORDER BY 1, currency"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        by.as_str(),
        package,
        provider
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Who bought in a month, in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buyers {
    /// The month, such as `2026-11`.
    pub month: String,
    /// The currency.
    pub currency: String,
    /// Customers who bought. Each is of the site of the first purchase; who bought in two currencies counts in both.
    pub buyers: i64,
    /// How often.
    pub purchases: i64,
    /// For how much, in minor units.
    pub amount: i64,
}

/// Who bought in each month that has a day between these moments. Of a site: whose first purchase was there, wherever they have bought since.
pub async fn buyers(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Buyers>> {
    Ok(sqlx::query_as!(
        Buyers,
        r#"SELECT to_char(month, 'YYYY-MM') AS "month!", currency AS "currency!", sum(buyers)::bigint AS "buyers!",
                  sum(purchases)::bigint AS "purchases!", sum(amount_minor)::bigint AS "amount!"
           FROM cohorts_monthly
           WHERE month >= date_trunc('month', $1::timestamptz AT TIME ZONE $4)::date AND month < ($2::timestamptz AT TIME ZONE $4)
             AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY month, currency ORDER BY month, currency"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
