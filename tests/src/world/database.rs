//! The database of a test: a copy of one that was migrated once for all tests of a server.
//!
//! Migrating takes longer than many a test. The first that comes to a server makes a template, whose name has the digest of the
//! migrations, while the others wait for it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use shared::config;
use shared::seal::SealKey;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::Db;

use super::{direct_url, schema};

/// Makes the database `name`, with all migrations or with those until one, and a pool to it.
pub(super) async fn create(options: &PgConnectOptions, name: &str, until: Option<i64>) -> PgPool {
    let mut server = PgConnection::connect_with(options).await.expect("PostgreSQL for tests answers");
    let copied = match until {
        None => format!("CREATE DATABASE {name} TEMPLATE {}", template(&mut server, options).await),
        Some(_) => format!("CREATE DATABASE {name}"),
    };
    server.execute(AssertSqlSafe(copied)).await.expect("a database for this test");
    server.close().await.expect("the connection ends");
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect_with(options.clone().database(name))
        .await
        .expect("the test's database answers");
    if let Some(last) = until {
        schema::migrate_until(&pool, last).await;
    }
    pool
}

/// The name of the template, which is made if it is not there.
async fn template(server: &mut PgConnection, options: &PgConnectOptions) -> String {
    let name = format!("mlango_template_{}", digest().await);
    if !is_made(server, &name).await {
        // Until this connection ends.
        server.execute("SELECT pg_advisory_lock(hashtext('mlango template'))").await.expect("the others finish");
        if !is_made(server, &name).await {
            make(server, options, &name).await;
        }
    }
    name
}

async fn is_made(server: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)")
        .bind(name)
        .fetch_one(server)
        .await
        .expect("PostgreSQL tells its databases")
}

/// It is a template only when it is whole.
async fn make(server: &mut PgConnection, options: &PgConnectOptions, name: &str) {
    for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        server.execute(AssertSqlSafe(statement)).await.expect("an empty database");
    }
    let config = config::Database { write: direct_url(options, name), listen: None, max_connections: 1 };
    let seal = Arc::new(SealKey::from_hex(&hex::encode(shared::rng::bytes::<32>())).expect("64 digits"));
    let db = Db::open(&config, seal).expect("a valid URL");
    db.migrate().await.expect("the migrations apply");
    db.close().await;
    let whole = format!("ALTER DATABASE {name} IS_TEMPLATE true");
    server.execute(AssertSqlSafe(whole)).await.expect("the template is marked");
}

/// Of all migrations: with one more, or another, it is another.
async fn digest() -> String {
    let all = Migrator::new(schema::folder()).await.expect("the migrations can be read");
    let mut digest = Sha256::new();
    for migration in all.iter() {
        digest.update(&migration.checksum);
    }
    hex::encode(&digest.finalize()[..8])
}
