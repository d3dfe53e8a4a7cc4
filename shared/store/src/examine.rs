//! What `portal doctor` asks of PostgreSQL: how the server is set, and what waits or is missing in our tables.
//!
//! Everything here only reads, and each question may be asked of a server that is set wrongly: what is wrong is said by the
//! caller, from the values.

use shared::time::OffsetDateTime;
use time::Date;

use crate::{Db, Result};

/// How the server is set, as this connection sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Such as 170002.
    pub version: i32,
    /// Whether it only follows another server.
    pub is_standby: bool,
    /// Whether transactions may not write unless they say so.
    pub is_read_only: bool,
    /// `fsync`.
    pub fsync: String,
    /// `synchronous_commit`.
    pub synchronous_commit: String,
    /// `full_page_writes`.
    pub full_page_writes: String,
    /// `autovacuum`.
    pub autovacuum: String,
    /// The most connections.
    pub max_connections: i32,
    /// Those of them that are kept for superusers.
    pub reserved_connections: i32,
    /// The encoding of the database.
    pub encoding: String,
    /// The version of the sorting rules that its indexes were made with.
    pub collation_recorded: Option<String>,
    /// The one that the system has now.
    pub collation_present: Option<String>,
    /// Transactions since the oldest one that is not frozen.
    pub transaction_age: i32,
    /// `archive_mode`.
    pub archive_mode: String,
    /// When a segment was last archived.
    pub archived_at: Option<OffsetDateTime>,
    /// When archiving last failed.
    pub archiving_failed_at: Option<OffsetDateTime>,
    /// Standbys that follow.
    pub standbys: i64,
    /// Its clock.
    pub now: OffsetDateTime,
}

/// Asks how the server is set.
pub async fn server(db: &Db) -> Result<Server> {
    Ok(sqlx::query_as!(
        Server,
        r#"SELECT current_setting('server_version_num')::integer AS "version!",
                  pg_is_in_recovery() AS "is_standby!",
                  (current_setting('default_transaction_read_only') = 'on') AS "is_read_only!",
                  current_setting('fsync') AS "fsync!",
                  current_setting('synchronous_commit') AS "synchronous_commit!",
                  current_setting('full_page_writes') AS "full_page_writes!",
                  current_setting('autovacuum') AS "autovacuum!",
                  current_setting('max_connections')::integer AS "max_connections!",
                  current_setting('superuser_reserved_connections')::integer AS "reserved_connections!",
                  pg_encoding_to_char(d.encoding)::text AS "encoding!",
                  d.datcollversion AS "collation_recorded?",
                  pg_database_collation_actual_version(d.oid) AS "collation_present?",
                  age(d.datfrozenxid) AS "transaction_age!",
                  current_setting('archive_mode') AS "archive_mode!",
                  (SELECT last_archived_time FROM pg_stat_archiver) AS "archived_at?",
                  (SELECT last_failed_time FROM pg_stat_archiver) AS "archiving_failed_at?",
                  (SELECT count(*) FROM pg_stat_replication) AS "standbys!",
                  clock_timestamp() AS "now!"
           FROM pg_database d WHERE d.datname = current_database()"#
    )
    .fetch_one(&db.pool)
    .await?)
}

/// Where its files lie; an error where we may not know.
pub async fn data_directory(db: &Db) -> Result<String> {
    Ok(sqlx::query_scalar!(r#"SELECT current_setting('data_directory') AS "directory!""#).fetch_one(&db.pool).await?)
}

/// Whether the history has a partition for the month of that day.
pub async fn has_partition(db: &Db, day: Date) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT to_regclass('sessions_ended_' || to_char($1::date, 'YYYY_MM')) IS NOT NULL AS "has!""#,
        day
    )
    .fetch_one(&db.pool)
    .await?)
}

/// What waits, and what there is to sell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shop {
    /// Packages on sale.
    pub packages: i64,
    /// Members of staff.
    pub staff: i64,
    /// Those whose account rests after too many wrong passwords.
    pub locked_staff: i64,
    /// Since when the oldest news waits to be sent.
    pub news_since: Option<OffsetDateTime>,
    /// Since when the oldest report of a provider waits to be worked on.
    pub reports_since: Option<OffsetDateTime>,
    /// What the ledger owes to customers, minor units.
    pub owed_minor: i64,
}

/// Looks into the shop.
pub async fn shop(db: &Db, now: OffsetDateTime) -> Result<Shop> {
    Ok(sqlx::query_as!(
        Shop,
        r#"SELECT (SELECT count(*) FROM packages WHERE active) AS "packages!",
                  (SELECT count(*) FROM admin_users) AS "staff!",
                  (SELECT count(*) FROM admin_users WHERE locked_until > $1) AS "locked_staff!",
                  (SELECT min(next_attempt_at) FROM notifications WHERE state = 'pending') AS "news_since?",
                  (SELECT min(received_at) FROM payment_events WHERE processed_at IS NULL) AS "reports_since?",
                  (SELECT coalesce(-sum(l.amount_minor), 0)::bigint FROM ledger_entries l
                   JOIN ledger_accounts a ON a.id = l.account_id WHERE a.code = 'refunds_due') AS "owed_minor!""#,
        now
    )
    .fetch_one(&db.pool)
    .await?)
}

/// A place, as far as its clock goes.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its time zone.
    pub time_zone: String,
    /// Degrees east, if they were said.
    pub longitude: Option<f64>,
}

/// All places.
pub async fn places(db: &Db) -> Result<Vec<Place>> {
    Ok(sqlx::query_as!(Place, "SELECT name, time_zone, longitude FROM sites ORDER BY name LIMIT 1000")
        .fetch_all(&db.pool)
        .await?)
}

/// How a router takes commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Obedience {
    /// The router's name.
    pub nas: String,
    /// Commands that it has refused and that wait for somebody.
    pub refused: i64,
    /// Commands without an answer.
    pub unanswered: i64,
}

/// The routers that refused commands since then, or did not answer them.
pub async fn obedience(db: &Db, since: OffsetDateTime) -> Result<Vec<Obedience>> {
    Ok(sqlx::query_as!(
        Obedience,
        r#"SELECT n.name AS nas, count(*) FILTER (WHERE c.state = 'refused') AS "refused!",
                  count(*) FILTER (WHERE c.state = 'unanswered') AS "unanswered!"
           FROM nas_commands c JOIN nas n ON n.id = c.nas_id
           WHERE c.state IN ('refused', 'unanswered') AND c.created_at > $1 GROUP BY n.name ORDER BY n.name"#,
        since
    )
    .fetch_all(&db.pool)
    .await?)
}
