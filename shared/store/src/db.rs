//! The connection to PostgreSQL: a pool for statements, a listener for hints, and the migrations.
//!
//! Statements go to `database.write`, which may be a pooler: nothing here uses session state. The
//! listener opens `database.listen` itself. Waiting for a connection is bounded here; how long an answer may
//! take is bounded by the caller, who knows what it is worth.

use std::sync::Arc;
use std::time::Duration;

use shared::config;
use shared::seal::SealKey;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::{Result, StoreError, trace};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Longest wait for a free connection. Longer than a commit under load, shorter than a router's patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// PostgreSQL and the key that seals secrets in it. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pub(crate) pool: PgPool,
    pub(crate) seal: Arc<SealKey>,
    listen: Arc<PgConnectOptions>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Db")
    }
}

/// How many connections there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolState {
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Connections in use.
    pub used: u32,
    /// The most there may be.
    pub max: u32,
}

/// How the database's schema stands to this program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigrationState {
    /// Exactly what this program expects.
    Current,
    /// Migrations are waiting.
    Behind {
        /// How many.
        pending: usize,
    },
    /// A newer program has migrated it, and has taken nothing away that this one reads: it may run.
    Newer,
    /// A newer program has migrated it, and this one may not run on it.
    Ahead,
}

impl Db {
    /// Prepares the pool; connects when first used, so that a program can start while PostgreSQL is away.
    pub fn open(config: &config::Database, seal: Arc<SealKey>) -> Result<Db> {
        let write: PgConnectOptions = config.write.parse()?;
        let listen: PgConnectOptions = config.listen_url().parse()?;
        let max = config.max_connections;
        let pool = PgPoolOptions::new()
            .max_connections(max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(write);
        Ok(Db { pool, seal, listen: Arc::new(listen) })
    }

    /// The key that seals secrets and signs tokens.
    pub fn seal(&self) -> &SealKey {
        &self.seal
    }

    /// Whether PostgreSQL answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query_scalar!("SELECT 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// How many connections there are, for the metrics.
    pub fn pool_state(&self) -> PoolState {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(0);
        PoolState { idle, used: self.pool.size().saturating_sub(idle), max: self.pool.options().get_max_connections() }
    }

    /// Applies the migrations that are missing and makes the months' partitions.
    pub async fn migrate(&self) -> Result<usize> {
        let pending = match self.migration_state().await? {
            MigrationState::Current => 0,
            // All of ours are applied; the others are not ours to look at.
            MigrationState::Newer => {
                self.make_partitions().await?;
                return Ok(0);
            }
            MigrationState::Behind { pending } => pending,
            MigrationState::Ahead => return Err(StoreError::Schema(
                "the database was migrated by a newer version of Mlango: start that version, or restore an older backup"
                    .into(),
            )),
        };
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(|error| StoreError::Schema(format!("the migration stopped: {error}")))?;
        self.make_partitions().await?;
        Ok(pending)
    }

    /// Begins a transaction. What is written in it to be done later has the name of the request that this is done for ([`trace`]).
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(match trace::current() {
            Some(request) => self.pool.begin_with(AssertSqlSafe(format!("BEGIN; {}", trace::setting(request)))).await?,
            None => self.pool.begin().await?,
        })
    }

    /// The same for one whose statements go by a key, each of them. A plan that was made while a table was empty would read
    /// the whole of it, and be kept until the next ANALYZE.
    pub(crate) async fn begin_by_key(&self) -> Result<Transaction<'static, Postgres>> {
        const BY_KEY: &str = "BEGIN; SET LOCAL enable_seqscan = off";
        Ok(match trace::current() {
            Some(request) => {
                self.pool.begin_with(AssertSqlSafe(format!("{BY_KEY}; {}", trace::setting(request)))).await?
            }
            None => self.pool.begin_with(BY_KEY).await?,
        })
    }

    /// Begins a transaction for a report's statement, which reads some hours or some years. It is planned anew for what is asked: the plan that
    /// PostgreSQL keeps after a few times is made for a few hours, whatever is asked, and takes several times as long for a year.
    pub(crate) async fn begin_report(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin_with("BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan").await?)
    }

    /// Makes the partitions of the history for the coming months.
    pub async fn make_partitions(&self) -> Result<()> {
        sqlx::query!("SELECT make_session_partitions(current_date, 3)").execute(&self.pool).await?;
        Ok(())
    }

    /// Takes months that need not be kept any more out of the history: all that ended more than `keep_months` ago, 0:
    /// none. They are dropped, or left as tables of their own. Returns the names of the partitions.
    pub async fn retire_partitions(&self, keep_months: u32, archive: bool) -> Result<Vec<String>> {
        let keep = (keep_months > 0).then(|| i32::try_from(keep_months).unwrap_or(i32::MAX));
        Ok(sqlx::query_scalar!(
            r#"SELECT name AS "name!" FROM retire_session_partitions(current_date,
                   (date_trunc('month', current_date) - make_interval(months => $1))::date, $2) AS name"#,
            keep as Option<i32>,
            archive
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Compares the database's schema with what this program expects.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        let exists = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#)
            .fetch_one(&self.pool)
            .await?;
        let known: Vec<i64> = MIGRATIONS.iter().map(|m| m.version).collect();
        if !exists {
            return Ok(MigrationState::Behind { pending: known.len() });
        }
        let applied: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&self.pool).await?;
        if applied.iter().any(|version| !known.contains(version)) {
            let is_whole = known.iter().all(|version| applied.contains(version));
            let may_run = is_whole && self.schema_floor().await?.is_some_and(|floor| known.contains(&floor));
            return Ok(if may_run { MigrationState::Newer } else { MigrationState::Ahead });
        }
        match known.iter().filter(|version| !applied.contains(version)).count() {
            0 => Ok(MigrationState::Current),
            pending => Ok(MigrationState::Behind { pending }),
        }
    }

    /// The migration that a program must know to run on this schema, if that is newer than its own.
    async fn schema_floor(&self) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar!("SELECT version FROM schema_floor").fetch_optional(&self.pool).await?)
    }

    /// Refuses to go on with a schema that this program cannot work with.
    pub async fn expect_current_schema(&self) -> Result<()> {
        match self.migration_state().await? {
            MigrationState::Current => Ok(()),
            MigrationState::Newer => {
                tracing::warn!(
                    "the database was migrated by a newer version of Mlango, which this one can work with for a while"
                );
                Ok(())
            }
            MigrationState::Behind { pending } => Err(StoreError::Schema(format!(
                "the database lacks {pending} migration(s): run `portal migrate` first"
            ))),
            MigrationState::Ahead => Err(StoreError::Schema(
                "the database was migrated by a newer version of Mlango: start that version instead".into(),
            )),
        }
    }

    /// Opens a connection that hears hints on `channels`.
    pub async fn listen(&self, channels: &[Channel]) -> Result<Listener> {
        // A pool of one of its own, because a pooler in front of `write` does not pass notifications on.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with((*self.listen).clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen_all(channels.iter().map(|channel| channel.name())).await?;
        Ok(Listener { inner: listener })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What can be listened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Rows were added to `directory_changes`.
    Directory,
    /// Rows were added to `nas_commands`.
    Commands,
    /// An order has changed; which one is told with it.
    Orders,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Channel::Directory => "mlango_directory",
            Channel::Commands => "mlango_commands",
            Channel::Orders => "mlango_orders",
        }
    }
}

/// A connection that hears hints. A hint says "look now"; a lost one is made good by looking now and then.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Listener {
    /// Waits for the next hint. `Ok(None)`: the connection was lost and is open again, so look at everything;
    /// an error: it cannot be opened now, wait and call [`Db::listen`] again.
    pub async fn next(&mut self) -> Result<Option<Channel>> {
        Ok(self.next_with().await?.map(|(channel, _)| channel))
    }

    /// The same, with what is told with it.
    pub async fn next_with(&mut self) -> Result<Option<(Channel, String)>> {
        const ALL: [Channel; 3] = [Channel::Directory, Channel::Commands, Channel::Orders];
        loop {
            let Some(notification) = self.inner.try_recv().await? else { return Ok(None) };
            if let Some(channel) = ALL.into_iter().find(|channel| channel.name() == notification.channel()) {
                return Ok(Some((channel, notification.payload().to_owned())));
            }
        }
    }
}
