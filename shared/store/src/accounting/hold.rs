//! What has no row yet is held under a number until the transaction ends: PostgreSQL's advisory locks.
//!
//! Several share a number, so that a transaction about very many holds a bounded part of the room that PostgreSQL has for
//! locks; who shares one by chance waits for a moment. Numbers are held in their order, names before identities, so that two
//! transactions cannot wait for each other in a circle.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// Numbers of each kind. Both together fit into a default PostgreSQL's room, which is 6,400 locks.
const NUMBERS: i32 = 2048;
/// The kinds.
const NAMES: i32 = 1;
const IDENTITIES: i32 = 2;

/// Holds what routers call their sessions.
pub(super) async fn names(tx: &mut PgConnection, names: &[String]) -> Result<()> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock($2, n) FROM (
             SELECT DISTINCT (hashtextextended(name, 0) & ($3 - 1))::integer AS n FROM unnest($1::text[]) AS name ORDER BY n) AS numbers",
        names,
        NAMES,
        NUMBERS
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Holds the identities of sessions.
pub(super) async fn identities(tx: &mut PgConnection, ids: impl Iterator<Item = Uuid>) -> Result<()> {
    // The end of a UUIDv7 is random.
    let number = |id: Uuid| i32::try_from(id.as_u128() % u128::from(NUMBERS.unsigned_abs())).unwrap_or(0);
    let numbers: Vec<i32> = ids.map(number).collect::<BTreeSet<i32>>().into_iter().collect();
    if !numbers.is_empty() {
        sqlx::query!("SELECT pg_advisory_xact_lock($2, n) FROM unnest($1::integer[]) AS n", &numbers, IDENTITIES)
            .fetch_all(tx)
            .await?;
    }
    Ok(())
}
