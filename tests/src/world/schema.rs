//! The schema of a release before this one, as an upgrade finds it: the migrations as they are, without the newest.
//!
//! Which migration was a release's last one stands in a table of `migrations/README.md`.

use std::path::{Path, PathBuf};

use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::PgPool;

use super::{World, program};

/// The last migration of the last release that is marked.
///
/// # Panics
/// If the page has no such table.
pub fn released() -> i64 {
    let page = std::fs::read_to_string(folder().join("README.md")).expect("the page is there");
    let last = page.lines().filter_map(|line| line.strip_prefix("| ")?.split('`').nth(1)?.parse().ok()).next_back();
    last.expect("a row of the table names a migration")
}

/// Applies all migrations up to that one.
pub(super) async fn migrate_until(pool: &PgPool, last: i64) {
    let all = Migrator::new(folder()).await.expect("the migrations can be read");
    let old: Vec<Migration> = all.iter().filter(|migration| migration.version <= last).cloned().collect();
    assert!(old.last().is_some_and(|migration| migration.version == last), "there is no migration {last}");
    Migrator::with_migrations(old).run(pool).await.expect("the old migrations apply");
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations")
}

impl World {
    /// Starts radiusd, which must end by itself, and returns what it said.
    ///
    /// # Panics
    /// If it ends well.
    pub async fn radiusd_refuses(&self) -> String {
        let (is_well, said) = program::outcome("radiusd", &self.config(), &[]).await;
        assert!(!is_well, "radiusd must refuse: {said}");
        said
    }
}
