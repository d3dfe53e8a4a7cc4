//! Letting go of what need not be known any more, table by table, in batches that lock little.
//!
//! Which time counts for which table is the caller's; what is done to a row is here. A batch is a transaction of its own, takes the
//! oldest rows first and leaves those that somebody else holds to the next one, so that several programs may do it at the same
//! time. Refused here: orders, payments and the ledger as such, and the audit log.

use shared::time::OffsetDateTime;
use sqlx::{AssertSqlSafe, PgConnection};
use time::{Date, Month};

use crate::{Db, Result};

/// What is let go of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// The words of providers' reports that were worked on.
    PaymentReports,
    /// Of orders: the device's address and the visit.
    Visits,
    /// Of ended sessions: device, address and login name.
    SessionPeople,
    /// Messages.
    Messages,
    /// The security log.
    Security,
    /// Commands to routers that are over.
    Commands,
    /// Facts by the hour, the day and the month.
    Facts,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 7] = [
        Rule::PaymentReports,
        Rule::Visits,
        Rule::SessionPeople,
        Rule::Messages,
        Rule::Security,
        Rule::Commands,
        Rule::Facts,
    ];

    /// Its name, in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::PaymentReports => "payment_reports",
            Rule::Visits => "visits",
            Rule::SessionPeople => "session_people",
            Rule::Messages => "messages",
            Rule::Security => "security",
            Rule::Commands => "commands",
            Rule::Facts => "facts",
        }
    }
}

/// Carries a rule out on at most `limit` rows from before that moment. Returns how many there were; fewer than `limit`: it is done.
pub async fn carry_out(db: &Db, rule: Rule, before: OffsetDateTime, limit: u32, now: OffsetDateTime) -> Result<u64> {
    let most = i64::from(limit);
    match rule {
        Rule::PaymentReports => payment_reports(db, before, most).await,
        Rule::Visits => visits(db, before, most, now).await,
        Rule::SessionPeople => session_people(db, before, most, now).await,
        Rule::Messages => messages(db, before, most).await,
        Rule::Security => security(db, before, most).await,
        Rule::Commands => commands(db, before, most).await,
        Rule::Facts => facts(db, before, most).await,
    }
}

async fn payment_reports(db: &Db, before: OffsetDateTime, most: i64) -> Result<u64> {
    Ok(sqlx::query!(
        "UPDATE payment_events SET body = '', headers = '{}', source = NULL WHERE id IN (
             SELECT id FROM payment_events WHERE octet_length(body) > 0 AND received_at < $1 AND processed_at IS NOT NULL
             ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

async fn visits(db: &Db, before: OffsetDateTime, most: i64, now: OffsetDateTime) -> Result<u64> {
    let done = mark(db, Rule::Visits.as_str()).await?;
    let rows = sqlx::query!(
        "UPDATE orders SET visit = '{}', mac = NULL WHERE id IN (
             SELECT id FROM orders WHERE created_at >= $1 AND created_at < $2 AND (mac IS NOT NULL OR visit <> '{}')
             ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED)",
        done,
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if is_less(rows, most) {
        set_mark(db, Rule::Visits.as_str(), before, now).await?;
    }
    Ok(rows)
}

async fn session_people(db: &Db, before: OffsetDateTime, most: i64, now: OffsetDateTime) -> Result<u64> {
    let done = mark(db, Rule::SessionPeople.as_str()).await?;
    // A row that is moved to another day does not come into it: the day is part of its key.
    let rows = sqlx::query!(
        "UPDATE sessions_ended SET mac = NULL, framed_ip = NULL, user_name = '' WHERE (opened_on, id) IN (
             SELECT opened_on, id FROM sessions_ended
             WHERE opened_on >= $1 AND opened_on < $2 AND (mac IS NOT NULL OR framed_ip IS NOT NULL OR user_name <> '')
             ORDER BY opened_on LIMIT $3 FOR UPDATE SKIP LOCKED)",
        done.date(),
        before.date(),
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if !is_less(rows, most) {
        return Ok(rows);
    }
    let archived = archived_people(db, before, most - i64::try_from(rows).unwrap_or(most), now).await?;
    if archived == 0 {
        set_mark(db, Rule::SessionPeople.as_str(), before, now).await?;
    }
    Ok(rows + archived)
}

/// The same in months that were archived, each of which is done once.
async fn archived_people(db: &Db, before: OffsetDateTime, most: i64, now: OffsetDateTime) -> Result<u64> {
    let mut connection = db.pool.acquire().await?;
    let tables = archived_tables(&mut connection).await?;
    drop(connection);
    for (table, end) in tables {
        if end > before.date() || mark(db, &table).await? > OffsetDateTime::UNIX_EPOCH {
            continue;
        }
        let statement = format!(
            "UPDATE {table} SET mac = NULL, framed_ip = NULL, user_name = '' WHERE ctid IN (
                 SELECT ctid FROM {table} WHERE mac IS NOT NULL OR framed_ip IS NOT NULL OR user_name <> '' LIMIT $1)"
        );
        // The name has the shape that `archived_tables` asks for.
        let rows = sqlx::query(AssertSqlSafe(statement)).bind(most).execute(&db.pool).await?.rows_affected();
        if rows > 0 {
            return Ok(rows);
        }
        set_mark(db, &table, before, now).await?;
    }
    Ok(0)
}

async fn messages(db: &Db, before: OffsetDateTime, most: i64) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM notifications WHERE id IN (
             SELECT id FROM notifications WHERE created_at < $1 AND state <> 'pending'
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// The log, and alerts that are over with what was told of them.
async fn security(db: &Db, before: OffsetDateTime, most: i64) -> Result<u64> {
    let events = sqlx::query!(
        "DELETE FROM security_events WHERE id IN (
             SELECT id FROM security_events WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    let alerts = sqlx::query!(
        "DELETE FROM alerts WHERE id IN (
             SELECT id FROM alerts WHERE state = 'resolved' AND resolved_at < $1 ORDER BY resolved_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(events + alerts)
}

async fn commands(db: &Db, before: OffsetDateTime, most: i64) -> Result<u64> {
    Ok(sqlx::query!(
        "DELETE FROM nas_commands WHERE id IN (
             SELECT id FROM nas_commands WHERE created_at < $1 AND state IN ('proved', 'abandoned') LIMIT $2 FOR UPDATE SKIP LOCKED)",
        before,
        most
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// The tables of [`crate::facts`], and what their rows go by.
const FACTS: [(&str, &str); 10] = [
    ("nas_hourly", "hour"),
    ("site_hourly", "hour"),
    ("use_daily", "day"),
    ("refusals_hourly", "hour"),
    ("payments_hourly", "hour"),
    ("payment_results_hourly", "hour"),
    ("endings_daily", "day"),
    ("package_daily", "day"),
    ("customer_monthly", "month"),
    ("cohorts_monthly", "month"),
];

async fn facts(db: &Db, before: OffsetDateTime, most: i64) -> Result<u64> {
    let mut rows = 0;
    for (table, column) in FACTS {
        let statement = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {column} < $1 ORDER BY {column} LIMIT $2))"
        );
        // The names stand above.
        let statement = sqlx::query(AssertSqlSafe(statement)).bind(before).bind(most);
        rows += statement.execute(&db.pool).await?.rows_affected();
    }
    Ok(rows)
}

fn is_less(rows: u64, most: i64) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows < most)
}

/// Until when a rule has been carried out.
async fn mark(db: &Db, rule: &str) -> Result<OffsetDateTime> {
    let done = sqlx::query_scalar!("SELECT done_until FROM retention_marks WHERE rule = $1", rule)
        .fetch_optional(&db.pool)
        .await?;
    Ok(done.unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

async fn set_mark(db: &Db, rule: &str, until: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO retention_marks (rule, done_until, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (rule) DO UPDATE SET done_until = greatest(retention_marks.done_until, EXCLUDED.done_until), updated_at = $3",
        rule,
        until,
        now
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The months of ended sessions that were taken out of the history and left as tables of their own, each with the day after it.
pub(crate) async fn archived_tables(connection: &mut PgConnection) -> Result<Vec<(String, Date)>> {
    let names = sqlx::query_scalar!(
        r#"SELECT relname::text AS "name!" FROM pg_class
           WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
             AND relname ~ '^sessions_ended_[0-9]{4}_[0-9]{2}_archived$' ORDER BY relname"#
    )
    .fetch_all(connection)
    .await?;
    Ok(names.into_iter().filter_map(|name| day_after(&name).map(|day| (name, day))).collect())
}

/// `sessions_ended_2026_01_archived` holds what began before the first of February 2026.
fn day_after(name: &str) -> Option<Date> {
    let month = name.strip_prefix("sessions_ended_")?.strip_suffix("_archived")?;
    let (year, month) = month.split_once('_')?;
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let year = year.parse::<i32>().ok()? + i32::from(month == Month::December);
    Date::from_calendar_date(year, month.next(), 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_archived_month_says_when_it_ended() {
        let day = |name: &str| day_after(name).map(|day| day.to_string());
        assert_eq!(day("sessions_ended_2026_01_archived").as_deref(), Some("2026-02-01"));
        assert_eq!(day("sessions_ended_2026_12_archived").as_deref(), Some("2027-01-01"));
        assert_eq!(day("sessions_ended_2026_13_archived"), None);
        assert_eq!(day("sessions_ended_2026_01"), None);
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Rule::ALL.into_iter().map(Rule::as_str).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
