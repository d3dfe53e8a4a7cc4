//! Who will buy: what the models learn from, what they say of each customer, and what became of it.
//!
//! ```text
//!  orders ─► Past, a chunk of customers at a time ─► purchase_models        one run a night (`purchase_runs`), one portal at a time
//!         ─► Customer, the same ───────────────────► purchase_chances       by its lease: first the models, then chunk after chunk of
//!                                                    purchase_said          customers, each with how far it came in one transaction
//!  orders of the window, once it is over ──────────► the models' scores     and what was said is deleted
//! ```
//!
//! A purchase is a paid order above nothing of a customer who is not erased. Vouchers are bought by nobody whom we know.
//!
//! Refused here: to decide what a chance is. That is done in `forecast`, which knows no table.

use std::time::Duration;

use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result};

/// A night's run, taken by this process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Which night, by the clock of the home time zone.
    pub night: Date,
    /// The moment before which everything lies that is learnt from.
    pub cut: OffsetDateTime,
    /// The models of 7 and of 30 days, once they are there.
    pub models: Option<(Uuid, Uuid)>,
    /// The last customer of whom something is said.
    pub place: Uuid,
}

/// Begins the run of a night if it is not begun and `is_time`, or if there never was one; and takes the newest if it is not at its end and
/// nobody is at it. Nothing is begun before somebody has bought something since `since`.
pub async fn claim(
    db: &Db,
    night: Date,
    is_time: bool,
    since: OffsetDateTime,
    now: OffsetDateTime,
    lease: Duration,
) -> Result<Option<Run>> {
    sqlx::query!(
        "INSERT INTO purchase_runs (night, cut)
         SELECT $1::date, $2::timestamptz WHERE ($3::boolean OR NOT EXISTS (SELECT FROM purchase_runs))
             AND EXISTS (SELECT FROM orders WHERE paid_at >= $4 AND paid_at < $2 AND state = 'paid' AND amount_minor > 0)
         ON CONFLICT (night) DO NOTHING",
        night,
        now,
        is_time,
        since
    )
    .execute(&db.pool)
    .await?;
    let row = sqlx::query!(
        "UPDATE purchase_runs SET lease_until = $2 WHERE night = (
             SELECT night FROM purchase_runs
             WHERE night = (SELECT max(night) FROM purchase_runs) AND ended_at IS NULL AND (lease_until IS NULL OR lease_until <= $1)
             FOR UPDATE SKIP LOCKED)
         RETURNING night, cut, model_7, model_30, place",
        now,
        now + lease
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(|row| Run { night: row.night, cut: row.cut, models: row.model_7.zip(row.model_30), place: row.place }))
}

/// Goes on with a run for as long again.
pub async fn renew(db: &Db, night: Date, until: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE purchase_runs SET lease_until = $2 WHERE night = $1 AND ended_at IS NULL", night, until)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Ends a run: what is said of nobody any more, since they bought long ago or were erased, is deleted.
pub async fn end(db: &Db, run: &Run, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    sqlx::query!(
        "DELETE FROM purchase_chances c USING users u
         WHERE u.id = c.user_id AND (c.made_at < $1 OR u.erased_at IS NOT NULL)",
        run.cut
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE purchase_runs SET ended_at = $2, lease_until = NULL WHERE night = $1", run.night, now)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// How many customers there are.
pub async fn count(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users WHERE erased_at IS NULL"#)
        .fetch_one(&db.pool)
        .await?;
    Ok(unsigned(count))
}

/// The last of the next so many customers behind `after`; `None`: there is nobody behind it.
pub async fn reach(db: &Db, after: Uuid, many: u32) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM (SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2) next ORDER BY id DESC LIMIT 1",
        after,
        i64::from(many)
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Customers in the order of their identities: those behind the first until the second, which belongs to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Behind this one.
    pub after: Uuid,
    /// Until this one.
    pub until: Uuid,
}

/// When each customer of a chunk bought, in days before the cut, the earliest first: `-0.5` is twelve hours before it. Of so many customers
/// `every` so many-th is taken, by the last octets of the identity, which are random.
pub async fn pasts(
    db: &Db,
    chunk: Chunk,
    every: u32,
    from: OffsetDateTime,
    cut: OffsetDateTime,
) -> Result<Vec<Vec<f64>>> {
    // By the customers' key: a plan that reads all orders would read them once for each chunk.
    let mut tx = db.begin_by_key().await?;
    let pasts = sqlx::query_scalar!(
        r#"SELECT array_agg(extract(epoch FROM o.paid_at - $4::timestamptz)::double precision / 86400 ORDER BY o.paid_at) AS "days!"
           FROM users u JOIN orders o ON o.user_id = u.id
           WHERE u.id > $1 AND u.id <= $2 AND u.erased_at IS NULL
             AND (get_byte(uuid_send(u.id), 14) * 256 + get_byte(uuid_send(u.id), 15)) % $5 = 0
             AND o.paid_at >= $3 AND o.paid_at < $4 AND o.state = 'paid' AND o.amount_minor > 0
           GROUP BY u.id"#,
        chunk.after,
        chunk.until,
        from,
        cut,
        i32::try_from(every).unwrap_or(i32::MAX)
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(pasts)
}

/// A model that was fitted, with how it did on the last closed window.
#[derive(Clone, PartialEq, Debug)]
pub struct Fitted {
    /// Its identity.
    pub id: Uuid,
    /// How far it looks: 7 or 30 days.
    pub window_days: i16,
    /// Its weights; empty: there was too little to learn from.
    pub weights: Vec<f64>,
    /// What is said of those who bought in the period before, and of those who did not, where the model is not used.
    pub baseline: (f64, f64),
    /// AUC and Brier score of the model.
    pub score: Option<(f64, f64)>,
    /// The same of "as in the last period".
    pub baseline_score: Option<(f64, f64)>,
    /// Whether the model is better in both.
    pub is_used: bool,
}

/// Keeps the models of a run, of 7 and of 30 days. Others may go on with it then.
pub async fn keep_models(db: &Db, run: &Run, week: &Fitted, month: &Fitted, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    for model in [week, month] {
        sqlx::query!(
            "INSERT INTO purchase_models (id, window_days, made_at, cut, weights, baseline_yes, baseline_no, auc, brier, baseline_auc,
                 baseline_brier, is_used)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            model.id,
            model.window_days,
            now,
            run.cut,
            &model.weights,
            model.baseline.0,
            model.baseline.1,
            model.score.map(|(auc, _)| auc),
            model.score.map(|(_, brier)| brier),
            model.baseline_score.map(|(auc, _)| auc),
            model.baseline_score.map(|(_, brier)| brier),
            model.is_used
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query!(
        "UPDATE purchase_runs SET model_7 = $2, model_30 = $3, lease_until = NULL WHERE night = $1",
        run.night,
        week.id,
        month.id
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What a model needs to say something.
#[derive(Clone, PartialEq, Debug)]
pub struct Kept {
    /// Its identity.
    pub id: Uuid,
    /// Its weights.
    pub weights: Vec<f64>,
    /// The chance of those who bought in the period before, and of those who did not.
    pub baseline: (f64, f64),
    /// Whether the model says it, or the period before.
    pub is_used: bool,
}

/// A model by its identity.
pub async fn model(db: &Db, id: Uuid) -> Result<Kept> {
    let row =
        sqlx::query!("SELECT id, weights, baseline_yes, baseline_no, is_used FROM purchase_models WHERE id = $1", id)
            .fetch_one(&db.pool)
            .await?;
    Ok(Kept { id: row.id, weights: row.weights, baseline: (row.baseline_yes, row.baseline_no), is_used: row.is_used })
}

/// What a customer bought, and has.
#[derive(Clone, PartialEq, Debug)]
pub struct Customer {
    /// Who.
    pub user: Uuid,
    /// When, in days before the cut, the earliest first.
    pub days: Vec<f64>,
    /// For how much each time, in minor units.
    pub minor: Vec<i64>,
    /// In which currency each time.
    pub currencies: Vec<String>,
    /// At which hour of the day each time, by the clock of the site.
    pub hours: Vec<i32>,
    /// At which site each time; the nil identity: none.
    pub sites: Vec<Uuid>,
    /// The last time.
    pub last_at: OffsetDateTime,
    /// Whether something that was bought still runs.
    pub has_access: bool,
    /// When what ran last has ended.
    pub ran_out_at: Option<OffsetDateTime>,
}

/// The customers of a chunk who have bought something since `from`, with what they bought from then until the cut.
pub async fn customers(db: &Db, chunk: Chunk, from: OffsetDateTime, cut: OffsetDateTime) -> Result<Vec<Customer>> {
    let mut tx = db.begin_by_key().await?;
    let rows = sqlx::query!(
        r#"SELECT b.user_id AS "user_id!", b.days AS "days!", b.minor AS "minor!", b.currencies AS "currencies!", b.hours AS "hours!",
                  b.sites AS "sites!", b.last_at AS "last_at!", coalesce(e.runs, false) AS "has_access!", e.ran_out_at
           FROM (SELECT u.id AS user_id,
                        array_agg(extract(epoch FROM o.paid_at - $4::timestamptz)::double precision / 86400 ORDER BY o.paid_at) AS days,
                        array_agg(o.amount_minor ORDER BY o.paid_at) AS minor,
                        array_agg(o.currency::text ORDER BY o.paid_at) AS currencies,
                        array_agg(extract(hour FROM o.paid_at AT TIME ZONE coalesce(t.time_zone, 'Africa/Nairobi'))::integer
                                  ORDER BY o.paid_at) AS hours,
                        array_agg(coalesce(n.site_id, '00000000-0000-0000-0000-000000000000') ORDER BY o.paid_at) AS sites,
                        max(o.paid_at) AS last_at
                 FROM users u JOIN orders o ON o.user_id = u.id
                      LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites t ON t.id = n.site_id
                 WHERE u.id > $1 AND u.id <= $2 AND u.erased_at IS NULL
                   AND o.paid_at >= $3 AND o.paid_at < $4 AND o.state = 'paid' AND o.amount_minor > 0
                 GROUP BY u.id) b
                LEFT JOIN (SELECT user_id, bool_or(state = 'active' AND (expires_at IS NULL OR expires_at > $4)) AS runs,
                                  max(expires_at) FILTER (WHERE expires_at <= $4) AS ran_out_at
                           FROM entitlements WHERE user_id > $1 AND user_id <= $2 AND created_at >= $3 GROUP BY user_id) e
                ON e.user_id = b.user_id"#,
        chunk.after,
        chunk.until,
        from,
        cut
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let customer = rows.into_iter().map(|row| Customer {
        user: row.user_id,
        days: row.days,
        minor: row.minor,
        currencies: row.currencies,
        hours: row.hours,
        sites: row.sites,
        last_at: row.last_at,
        has_access: row.has_access,
        ran_out_at: row.ran_out_at,
    });
    Ok(customer.collect())
}

/// How many purchases there were at a site in an hour of the day, by its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SiteHour {
    /// The site; the nil identity: none.
    pub site: Uuid,
    /// The hour.
    pub hour: i32,
    /// How many.
    pub orders: i64,
}

/// At which hours of the day people buy at each site.
pub async fn site_hours(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<SiteHour>> {
    Ok(sqlx::query_as!(
        SiteHour,
        r#"SELECT s.site_id AS site, extract(hour FROM s.hour AT TIME ZONE coalesce(t.time_zone, 'Africa/Nairobi'))::integer AS "hour!",
                  sum(s.orders)::bigint AS "orders!"
           FROM sales_hourly s LEFT JOIN sites t ON t.id = s.site_id
           WHERE s.hour >= $1 AND s.hour < $2 AND s.provider <> 'voucher' GROUP BY 1, 2"#,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?)
}

/// What a purchase brings on average, in minor units, by currency.
pub async fn mean_spend(db: &Db, from: OffsetDateTime, until: OffsetDateTime) -> Result<Vec<(String, f64)>> {
    let rows = sqlx::query!(
        r#"SELECT currency::text AS "currency!", (sum(amount_minor) / sum(orders))::double precision AS "mean!"
           FROM sales_hourly WHERE hour >= $1 AND hour < $2 AND provider <> 'voucher' GROUP BY currency"#,
        from,
        until
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.currency, row.mean)).collect())
}

/// What is said of a customer.
#[derive(Clone, PartialEq, Debug)]
pub struct Chance {
    /// Who.
    pub user: Uuid,
    /// Where they usually buy; the nil identity: at no site.
    pub site: Uuid,
    /// The chance to buy within 7 days.
    pub week: f64,
    /// The chance to buy within 30 days.
    pub month: f64,
    /// What they will probably spend in the next 30 days, in minor units.
    pub expected_minor: i64,
    /// What they spend in 30 days in which they buy.
    pub worth_minor: i64,
    /// In which currency.
    pub currency: String,
    /// The hour of the day in which they usually buy, by the clock of the site.
    pub likely_hour: Option<i16>,
    /// When they bought last.
    pub last_at: OffsetDateTime,
    /// How often they have bought.
    pub purchases: i32,
    /// How long they usually wait; `None`: they have bought once.
    pub gap_seconds: Option<i64>,
    /// Whether they seem to stay away.
    pub is_leaving: bool,
    /// Why, in words that the desk knows.
    pub reasons: Vec<&'static str>,
    /// Whether it is kept for being scored.
    pub is_scored: bool,
}

/// Writes down what is said of a chunk of customers, and that the run has come so far.
pub async fn keep_chances(db: &Db, run: &Run, models: (Uuid, Uuid), chances: &[Chance], place: Uuid) -> Result<()> {
    let mut tx = db.begin().await?;
    let users: Vec<Uuid> = chances.iter().map(|chance| chance.user).collect();
    let sites: Vec<Uuid> = chances.iter().map(|chance| chance.site).collect();
    let weeks: Vec<f64> = chances.iter().map(|chance| chance.week).collect();
    let months: Vec<f64> = chances.iter().map(|chance| chance.month).collect();
    let expected: Vec<i64> = chances.iter().map(|chance| chance.expected_minor).collect();
    let worth: Vec<i64> = chances.iter().map(|chance| chance.worth_minor).collect();
    let currencies: Vec<String> = chances.iter().map(|chance| chance.currency.clone()).collect();
    let hours: Vec<Option<i16>> = chances.iter().map(|chance| chance.likely_hour).collect();
    let last: Vec<OffsetDateTime> = chances.iter().map(|chance| chance.last_at).collect();
    let purchases: Vec<i32> = chances.iter().map(|chance| chance.purchases).collect();
    let gaps: Vec<Option<i64>> = chances.iter().map(|chance| chance.gap_seconds).collect();
    let leaving: Vec<bool> = chances.iter().map(|chance| chance.is_leaving).collect();
    // An array of arrays has one length for all of them, which these have not.
    let reasons: Vec<String> = chances.iter().map(|chance| chance.reasons.join(",")).collect();
    sqlx::query!(
        "INSERT INTO purchase_chances (user_id, site_id, made_at, chance_7, chance_30, expected_minor, worth_minor, currency,
             likely_hour, last_at, purchases, gap_seconds, is_leaving, reasons)
         SELECT t.user_id, t.site_id, $1::timestamptz, t.chance_7, t.chance_30, t.expected_minor, t.worth_minor, t.currency,
                t.likely_hour, t.last_at, t.purchases, t.gap_seconds, t.is_leaving, string_to_array(t.reasons, ',')
         FROM unnest($2::uuid[], $3::uuid[], $4::double precision[], $5::double precision[], $6::bigint[], $7::bigint[], $8::text[],
                     $9::smallint[], $10::timestamptz[], $11::integer[], $12::bigint[], $13::boolean[], $14::text[])
                  AS t (user_id, site_id, chance_7, chance_30, expected_minor, worth_minor, currency, likely_hour, last_at, purchases,
                        gap_seconds, is_leaving, reasons)
              JOIN users u ON u.id = t.user_id AND u.erased_at IS NULL
         ON CONFLICT (user_id) DO UPDATE SET site_id = EXCLUDED.site_id, made_at = EXCLUDED.made_at, chance_7 = EXCLUDED.chance_7,
             chance_30 = EXCLUDED.chance_30, expected_minor = EXCLUDED.expected_minor, worth_minor = EXCLUDED.worth_minor,
             currency = EXCLUDED.currency, likely_hour = EXCLUDED.likely_hour, last_at = EXCLUDED.last_at,
             purchases = EXCLUDED.purchases, gap_seconds = EXCLUDED.gap_seconds, is_leaving = EXCLUDED.is_leaving,
             reasons = EXCLUDED.reasons",
        run.cut,
        &users,
        &sites,
        &weeks,
        &months,
        &expected,
        &worth,
        &currencies,
        &hours as &[Option<i16>],
        &last,
        &purchases,
        &gaps as &[Option<i64>],
        &leaving,
        &reasons
    )
    .execute(&mut *tx)
    .await?;
    let scored: Vec<&Chance> = chances.iter().filter(|chance| chance.is_scored).collect();
    let users: Vec<Uuid> = scored.iter().map(|chance| chance.user).collect();
    for (model, said) in [
        (models.0, scored.iter().map(|chance| chance.week).collect::<Vec<f64>>()),
        (models.1, scored.iter().map(|chance| chance.month).collect::<Vec<f64>>()),
    ] {
        sqlx::query!(
            "INSERT INTO purchase_said (model_id, user_id, chance)
             SELECT $1::uuid, t.user_id, t.chance FROM unnest($2::uuid[], $3::double precision[]) AS t (user_id, chance)
             ON CONFLICT (model_id, user_id) DO NOTHING",
            model,
            &users,
            &said
        )
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query!("UPDATE purchase_runs SET place = $2, lease_until = NULL WHERE night = $1", run.night, place)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// A model whose window is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// The model.
    pub id: Uuid,
    /// When it said something.
    pub cut: OffsetDateTime,
    /// The end of its window.
    pub until: OffsetDateTime,
}

/// The oldest model whose window is over and of which nobody has said yet how it did.
pub async fn due(db: &Db, now: OffsetDateTime) -> Result<Option<Due>> {
    let row = sqlx::query!(
        r#"SELECT id, cut, cut + window_days * interval '1 day' AS "until!" FROM purchase_models
           WHERE scored_at IS NULL AND cut + window_days * interval '1 day' <= $1 ORDER BY cut LIMIT 1"#,
        now
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(|row| Due { id: row.id, cut: row.cut, until: row.until }))
}

/// What was said of each, and whether they bought.
pub async fn said(db: &Db, due: &Due) -> Result<Vec<(f64, bool)>> {
    let rows = sqlx::query!(
        r#"SELECT s.chance::double precision AS "chance!",
                  EXISTS (SELECT FROM orders o WHERE o.user_id = s.user_id AND o.paid_at >= $2 AND o.paid_at < $3
                          AND o.state = 'paid' AND o.amount_minor > 0) AS "bought!"
           FROM purchase_said s WHERE s.model_id = $1"#,
        due.id,
        due.cut,
        due.until
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.chance, row.bought)).collect())
}

/// How a model did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Score {
    /// Area under the curve.
    pub auc: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// By tenths of those of whom something was said: the mean chance.
    pub said: Vec<f64>,
    /// The share of those who bought.
    pub did: Vec<f64>,
    /// How many they were.
    pub people: Vec<i64>,
}

/// Writes down how a model did, and forgets of whom it said what.
pub async fn keep_score(db: &Db, id: Uuid, score: &Score, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    sqlx::query!(
        "UPDATE purchase_models SET scored_at = $2, scored_auc = $3, scored_brier = $4, said = $5, did = $6, people = $7 WHERE id = $1",
        id,
        now,
        score.auc,
        score.brier,
        &score.said,
        &score.did,
        &score.people
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM purchase_said WHERE model_id = $1", id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
