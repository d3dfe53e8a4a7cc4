//! What became of attempts to collect money, by the day and the way of paying. What is paid otherwise, such as vouchers, is not attempted: of
//! that there is only what was sold.

use shared::staff::SiteScope;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// What became of the attempts of a day, by one provider and in one currency. Money is in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day {
    /// The day, such as `2026-11-29`.
    pub day: String,
    /// Who collects: `mpesa`, `stripe`.
    pub provider: String,
    /// The currency.
    pub currency: String,
    /// How often it was tried.
    pub attempts: i64,
    /// How often it came to something.
    pub succeeded: i64,
    /// How often it did not.
    pub failed: i64,
    /// How often that is not known.
    pub stuck: i64,
    /// What came.
    pub amount: i64,
    /// What the provider kept of it.
    pub fees: i64,
    /// How many were confirmed within 2, 5, 10, 20, 30, 60, 120, 300 seconds, and later: each payment in one of them.
    pub confirmed: Vec<i64>,
}

/// What became of the attempts of each day. An hour has fewer than two thousand million of them: their sums are made of small numbers, which is
/// several times as fast.
pub async fn days(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Day>> {
    Ok(sqlx::query_as!(
        Day,
        r#"SELECT to_char(day, 'YYYY-MM-DD') AS "day!", provider AS "provider!", currency AS "currency!",
                  attempts AS "attempts!", succeeded AS "succeeded!", failed AS "failed!", stuck AS "stuck!", amount::bigint AS "amount!",
                  fees::bigint AS "fees!", ARRAY[c1, c2, c3, c4, c5, c6, c7, c8, c9] AS "confirmed!"
           FROM (SELECT (hour AT TIME ZONE $4)::date AS day, provider, currency, sum(attempts::integer) AS attempts, sum(succeeded::integer) AS succeeded,
                        sum(failed::integer) AS failed, sum(stuck::integer) AS stuck, sum(amount_minor) AS amount, sum(fee_minor) AS fees,
                        sum(confirmed_within[1]::integer) AS c1, sum(confirmed_within[2]::integer) AS c2, sum(confirmed_within[3]::integer) AS c3,
                        sum(confirmed_within[4]::integer) AS c4, sum(confirmed_within[5]::integer) AS c5, sum(confirmed_within[6]::integer) AS c6,
                        sum(confirmed_within[7]::integer) AS c7, sum(confirmed_within[8]::integer) AS c8, sum(confirmed_within[9]::integer) AS c9
                 FROM payments_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                   AND ($6::text IS NULL OR provider = $6)
                 GROUP BY 1, provider, currency) d
           ORDER BY day, provider, currency"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        provider
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What was sold and not collected by a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// How it was paid: `voucher`, `cash` or `other`.
    pub provider: String,
    /// The currency.
    pub currency: String,
    /// How often.
    pub sales: i64,
    /// For how much, in minor units.
    pub amount: i64,
}

/// What was sold and not collected by a provider. Vouchers are sold at no site.
pub async fn others(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Other>> {
    Ok(sqlx::query_as!(
        Other,
        r#"SELECT provider AS "provider!", currency AS "currency!", sum(orders)::bigint AS "sales!", sum(amount_minor)::bigint AS "amount!"
           FROM sales_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
             AND provider NOT IN ('mpesa', 'stripe') AND ($5::text IS NULL OR provider = $5)
           GROUP BY provider, currency ORDER BY provider, currency"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Why attempts failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Who collects.
    pub provider: String,
    /// The provider's code, or its words where there is none.
    pub result: String,
    /// How often.
    pub times: i64,
}

/// Why attempts failed, the most frequent first.
pub async fn failures(
    db: &Db,
    span: &Span,
    sites: &SiteScope,
    provider: Option<&str>,
    result: Option<&str>,
) -> Result<Vec<Failure>> {
    Ok(sqlx::query_as!(
        Failure,
        r#"SELECT provider AS "provider!", result AS "result!", sum(times::integer) AS "times!"
           FROM payment_results_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($4::uuid[] IS NULL OR site_id = ANY ($4))
             AND ($5::text IS NULL OR provider = $5) AND ($6::text IS NULL OR result = $6)
           GROUP BY provider, result ORDER BY 3 DESC, 1, 2 LIMIT 500"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        result
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Money that came in a time, of which nobody knows yet what it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Who collected it.
    pub provider: String,
    /// The currency.
    pub currency: String,
    /// How many receipts.
    pub receipts: i64,
    /// How much, in minor units.
    pub amount: i64,
}

/// Money that came in a time and waits for a person. It came to no site.
pub async fn waiting(db: &Db, span: &Span) -> Result<Vec<Waiting>> {
    Ok(sqlx::query_as!(
        Waiting,
        r#"SELECT provider AS "provider!", currency AS "currency!", count(*) AS "receipts!", sum(amount_minor)::bigint AS "amount!"
           FROM received_money
           WHERE state = 'unmatched' AND ignored_at IS NULL AND received_at >= $1 AND received_at < $2
           GROUP BY provider, currency"#,
        span.from,
        span.until
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}
