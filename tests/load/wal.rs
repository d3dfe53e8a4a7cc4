//! How much PostgreSQL writes to its log (WAL), asked of it between two rounds.

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::{Builder, Runtime};

/// A connection that asks for nothing else.
pub(crate) struct Wal {
    runtime: Runtime,
    connection: PgConnection,
}

impl Wal {
    /// Connects.
    ///
    /// # Errors
    /// If PostgreSQL does not let us in.
    pub(crate) fn open(url: &str) -> anyhow::Result<Wal> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(PgConnection::connect(url)).context("cannot ask PostgreSQL about its log")?;
        Ok(Wal { runtime, connection })
    }

    /// Octets written since the cluster was made.
    ///
    /// # Errors
    /// If PostgreSQL has gone.
    pub(crate) fn position(&mut self) -> anyhow::Result<u64> {
        let asked = sqlx::query_scalar::<_, i64>("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint");
        let octets = self.runtime.block_on(asked.fetch_one(&mut self.connection)).context("where the log stands")?;
        Ok(u64::try_from(octets)?)
    }
}
