//! Sums by the hour: what was sold, what was used at each router, what was booked to each account. Charts and totals read these, so that a year
//! of orders and sessions costs them no more than a year of hours.
//!
//! ```text
//!  orders, vouchers ─► sales_hourly      one portal at a time, the holder of the row of `rollup_mark`:
//!  usage_hourly ─────► traffic_hourly    sums anew the last hours with each round, the last two days with the first round
//!  ledger_entries ───► ledger_hourly     of an hour, and the whole past from its beginning on, some days a round
//! ```
//!
//! Usage that is reported late moves in hours that are long over, and sales are given back: of what comes later than [`DEEP`] the hour is
//! written down, and summed once more beside its facts ([`crate::facts`]).

use std::time::Duration;

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, hour_of};
use sqlx::PgConnection;
use time::UtcOffset;
use uuid::Uuid;

use crate::money::money;
use crate::{Db, Result};

/// How far back each round goes: a transaction that was open at the turn of the hour has ended since.
const SHALLOW: Duration = Duration::from_secs(2 * 3600);
/// How far back the first round of an hour goes.
const DEEP: Duration = Duration::from_secs(48 * 3600);
/// What one round sums up at most.
const ROUND: Duration = Duration::from_secs(7 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// Brings the sums up to now, or one round nearer. Returns whether there is more to do.
pub async fn advance(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.pool.begin().await?;
    let mark =
        sqlx::query_scalar!("SELECT through FROM rollup_mark FOR UPDATE SKIP LOCKED").fetch_optional(&mut *tx).await?;
    let Some(through) = mark else {
        // Nobody has begun, or another portal is at it.
        let begun = begin(&mut tx, now).await?;
        tx.commit().await?;
        return Ok(begun);
    };
    let head = hour_of(now);
    let back = if through < head { DEEP } else { SHALLOW };
    let until = (through + ROUND).min(head + Duration::from_secs(3600));
    sum_up(&mut tx, through - back, until).await?;
    let is_there = until > head;
    sqlx::query!("UPDATE rollup_mark SET through = $1", if is_there { head } else { until }).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(!is_there)
}

/// Sums hours up again of which something was changed that no round finds any more. Returns whether it could: not while another one sums.
pub(crate) async fn sum_again(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<bool> {
    let mark =
        sqlx::query_scalar!("SELECT through FROM rollup_mark FOR UPDATE SKIP LOCKED").fetch_optional(&mut *tx).await?;
    // Without a mark the whole past is still to be summed.
    let Some(through) = mark else { return Ok(false) };
    if from < through {
        sum_up(tx, from, until.min(through + Duration::from_secs(3600))).await?;
    }
    Ok(true)
}

/// Sums the past up anew from its beginning, in rounds: much of it was written just now.
pub async fn begin_anew(db: &Db) -> Result<()> {
    sqlx::query!("DELETE FROM rollup_mark").execute(&db.pool).await?;
    Ok(())
}

/// Marks where the past begins. Returns whether this made the mark.
async fn begin(tx: &mut PgConnection, now: OffsetDateTime) -> Result<bool> {
    Ok(sqlx::query!(
        "INSERT INTO rollup_mark (through)
         SELECT date_trunc('hour', least((SELECT min(hour) FROM usage_hourly), (SELECT min(paid_at) FROM orders),
             (SELECT min(sold_at) FROM vouchers), (SELECT min(posted_at) FROM ledger_transactions), $1), 'UTC')
         ON CONFLICT DO NOTHING",
        now
    )
    .execute(tx)
    .await?
    .rows_affected()
        == 1)
}

async fn sum_up(tx: &mut PgConnection, from: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("DELETE FROM sales_hourly WHERE hour >= $1 AND hour < $2", from, until).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO sales_hourly (hour, site_id, package_id, provider, currency, orders, amount_minor)
         SELECT date_trunc('hour', at, 'UTC'), coalesce(site_id, '00000000-0000-0000-0000-000000000000'), package_id, provider, currency,
                count(*), sum(minor)
         FROM (SELECT o.paid_at AS at, n.site_id, o.package_id, o.currency, o.amount_minor AS minor,
                      coalesce((SELECT y.provider FROM payments y WHERE y.order_id = o.id AND y.state = 'succeeded'
                                ORDER BY y.created_at, y.id LIMIT 1), 'other') AS provider
               FROM orders o LEFT JOIN nas n ON n.id = o.nas_id
               WHERE o.paid_at >= $1 AND o.paid_at < $2 AND o.state = 'paid' AND o.amount_minor > 0
               UNION ALL
               SELECT v.sold_at, NULL, b.package_id, b.currency, b.price_minor, 'voucher'
               FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
               WHERE v.sold_at >= $1 AND v.sold_at < $2 AND v.state <> 'void' AND b.price_minor IS NOT NULL
                 -- What was bought for another is the order's sale.
                 AND NOT b.for_order) sold
         GROUP BY 1, 2, 3, 4, 5",
        from,
        until
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM traffic_hourly WHERE hour >= $1 AND hour < $2", from, until).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO traffic_hourly (hour, nas_id, input_octets, output_octets, seconds)
         SELECT hour, nas_id, sum(input_octets), sum(output_octets), sum(seconds)
         FROM usage_hourly WHERE hour >= $1 AND hour < $2 GROUP BY hour, nas_id",
        from,
        until
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM ledger_hourly WHERE hour >= $1 AND hour < $2", from, until).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO ledger_hourly (hour, account_id, currency, debit_minor, credit_minor, entries)
         SELECT date_trunc('hour', t.posted_at, 'UTC'), e.account_id, e.currency, coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
                coalesce(-sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0), count(*)
         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE t.posted_at >= $1 AND t.posted_at < $2 GROUP BY 1, 2, 3",
        from,
        until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What charts are asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// From this hour on.
    pub from: OffsetDateTime,
    /// Until before this one.
    pub until: OffsetDateTime,
    /// At this site; else at all.
    pub site: Option<Uuid>,
    /// The clock by which days and hours are counted.
    pub time_zone: String,
}

impl Span {
    /// The whole days (UTC) in it: where the first one begins and the last one ends. Both are its end if there is none.
    pub(crate) fn whole_days(&self) -> (OffsetDateTime, OffsetDateTime) {
        let midnight = |at: OffsetDateTime| at.to_offset(UtcOffset::UTC).date().midnight().assume_utc();
        let first = midnight(self.from);
        let first = if first < self.from { first + DAY } else { first };
        let last = midnight(self.until);
        if first < last { (first, last) } else { (self.until, self.until) }
    }
}

/// What was sold on a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DaySales {
    /// The day, such as `2026-11-29`.
    pub day: String,
    /// Orders and vouchers.
    pub orders: i64,
    /// What they brought.
    pub amount: Money,
}

/// What was sold on each day on which something was, by currency.
pub async fn sales_by_day(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<DaySales>> {
    let rows = sqlx::query!(
        r#"SELECT to_char(hour AT TIME ZONE $4, 'YYYY-MM-DD') AS "day!", currency, sum(orders)::bigint AS "orders!",
                  sum(amount_minor)::bigint AS "minor!"
           FROM sales_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY 1, currency ORDER BY 1, currency"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money("sales_hourly", &row.day, row.minor, &row.currency)?;
            Ok(DaySales { day: row.day, orders: row.orders, amount })
        })
        .collect()
}

/// What was used in an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HourTraffic {
    /// The hour by the clock of the place, such as `2026-11-29 21:00`.
    pub hour: String,
    /// Octets from customers.
    pub up: i64,
    /// Octets to customers.
    pub down: i64,
    /// Seconds that all sessions together were open.
    pub seconds: i64,
}

/// What was used in each hour in which something was.
pub async fn traffic_by_hour(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<HourTraffic>> {
    Ok(sqlx::query_as!(
        HourTraffic,
        r#"SELECT to_char(t.hour AT TIME ZONE $4, 'YYYY-MM-DD HH24:MI') AS "hour!", sum(t.input_octets)::bigint AS "up!",
                  sum(t.output_octets)::bigint AS "down!", sum(t.seconds)::bigint AS "seconds!"
           FROM traffic_hourly t LEFT JOIN nas n ON n.id = t.nas_id
           WHERE t.hour >= $1 AND t.hour < $2 AND ($3::uuid IS NULL OR n.site_id = $3) AND ($5::uuid[] IS NULL OR n.site_id = ANY ($5))
           GROUP BY t.hour ORDER BY t.hour"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?)
}

/// An hour of the week and how much there was in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heat {
    /// 1 is Monday.
    pub weekday: i32,
    /// 0 to 23.
    pub hour: i32,
    /// Orders, or seconds that sessions were open.
    pub amount: i64,
}

/// Sales by weekday and hour.
pub async fn heat_of_sales(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Heat>> {
    Ok(sqlx::query_as!(
        Heat,
        r#"SELECT extract(isodow FROM hour AT TIME ZONE $4)::integer AS "weekday!", extract(hour FROM hour AT TIME ZONE $4)::integer AS "hour!",
                  sum(orders)::bigint AS "amount!"
           FROM sales_hourly
           WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
           GROUP BY 1, 2 ORDER BY 1, 2"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Use by weekday and hour: seconds that sessions were open.
pub async fn heat_of_use(db: &Db, span: &Span, sites: &SiteScope) -> Result<Vec<Heat>> {
    Ok(sqlx::query_as!(
        Heat,
        r#"SELECT extract(isodow FROM t.hour AT TIME ZONE $4)::integer AS "weekday!",
                  extract(hour FROM t.hour AT TIME ZONE $4)::integer AS "hour!", sum(t.seconds)::bigint AS "amount!"
           FROM traffic_hourly t LEFT JOIN nas n ON n.id = t.nas_id
           WHERE t.hour >= $1 AND t.hour < $2 AND ($3::uuid IS NULL OR n.site_id = $3) AND ($5::uuid[] IS NULL OR n.site_id = ANY ($5))
           GROUP BY 1, 2 ORDER BY 1, 2"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?)
}

/// A part of what was sold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The package, or the way of paying as [`crate::payment`] names it.
    pub name: String,
    /// Orders and vouchers.
    pub orders: i64,
    /// What they brought.
    pub amount: Money,
}

/// Of what shares are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShareBy {
    /// Packages, by their names now.
    Package,
    /// Ways of paying.
    Provider,
}

/// What was sold, by package or by way of paying, the most first.
pub async fn shares(db: &Db, by: ShareBy, span: &Span, sites: &SiteScope) -> Result<Vec<Share>> {
    let rows = sqlx::query!(
        r#"SELECT CASE WHEN $4 THEN coalesce(p.name, 'a package that is gone') ELSE h.provider END AS "name!", h.currency,
                  sum(h.orders)::bigint AS "orders!", sum(h.amount_minor)::bigint AS "minor!"
           FROM sales_hourly h LEFT JOIN packages p ON p.id = h.package_id
           WHERE h.hour >= $1 AND h.hour < $2 AND ($3::uuid IS NULL OR h.site_id = $3) AND ($5::uuid[] IS NULL OR h.site_id = ANY ($5))
           GROUP BY 1, h.currency ORDER BY sum(h.amount_minor) DESC, 1 LIMIT 50"#,
        span.from,
        span.until,
        span.site,
        by == ShareBy::Package,
        sites.filter() as Option<&[Uuid]>
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money("sales_hourly", &row.name, row.minor, &row.currency)?;
            Ok(Share { name: row.name, orders: row.orders, amount })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_where_it_begins() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        assert_eq!(hour_of(at(7_199) + Duration::from_millis(900)), at(3_600));
        assert_eq!(hour_of(at(7_200)), at(7_200));
    }

    #[test]
    fn whole_days_are_those_that_begin_and_end_within() {
        let span = |from: i64, until: i64| {
            let at = |hours: i64| OffsetDateTime::from_unix_timestamp(hours * 3600).expect("in range");
            let span = Span { from: at(from), until: at(until), site: None, time_zone: String::new() };
            let (first, last) = span.whole_days();
            (first.unix_timestamp() / 3600, last.unix_timestamp() / 3600)
        };
        assert_eq!(span(24, 72), (24, 72));
        assert_eq!(span(21, 93), (24, 72), "a day of Nairobi begins at 21:00");
        assert_eq!(span(25, 71), (71, 71), "none");
        assert_eq!(span(25, 48), (48, 48));
        assert_eq!(span(23, 48), (24, 48));
    }
}
