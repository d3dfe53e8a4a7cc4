//! Invoices for the Kenya Revenue Authority: what is to be signed, in which order, and what became of it.
//!
//! ```text
//!  configure   the branches that the configuration names
//!  make        what the ledger has of sales ─► an invoice each, or one a day, in the order of its branch   [`mod@make`]
//!  claim       one writer a branch, under a lease ─► number ─► sending ─► signed, unknown, rejected         [`write`]
//!  branches    how it stands; try again; a signature that was found elsewhere                               [`list`]
//! ```
//!
//! An invoice is of what was booked as a sale: a trigger notes each such transaction as long as a branch is configured (`etims_transactions`),
//! and no transaction is in two invoices, whichever way they are made. It gets its number when it is its turn, and what is sent is
//! written down before it is sent: so an invoice of which no answer came is sent again as it was, under its number.
//!
//! Refused here: an invoice before the one ahead of it is signed, a number that is used twice or left out, and what is no Kenyan money.

use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result};

mod list;
mod make;
mod write;

pub use self::list::{
    Blocked, Counts, Overview, Stamp, Waiting, blocked, branches, counts, find_signature, of_order, try_again,
    try_branch, waiting,
};
pub use self::make::{Per, make};
pub use self::write::{
    Due, Item, Line, Outcome, Signature, Turn, begun, claim, held_up, hold, item, next, number, outcome, registered,
    release, sending,
};

/// The account whose entries are sales.
const SALES: Uuid = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0002);

/// A branch as the configuration names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The branch, two digits.
    pub branch: String,
    /// The serial number of its device.
    pub serial: String,
    /// The site whose sales it signs; `None`: those of all sites that have no branch of their own.
    pub site: Option<Uuid>,
    /// The number of its first invoice, where it has made none.
    pub first_number: i64,
}

/// Makes the branches those that are named; without any, nothing is noted of sales from now on. A branch that is named no more keeps
/// what it has, and a device with another serial number begins anew.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn configure(db: &Db, tin: &str, wanted: &[Wanted], now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let codes: Vec<String> = wanted.iter().map(|one| one.branch.clone()).collect();
    let sites: Vec<Option<Uuid>> = wanted.iter().map(|one| one.site).collect();
    // First those that are not as they should be: a site changes from one to another.
    sqlx::query!(
        "UPDATE etims_branches b SET is_used = false WHERE b.is_used AND NOT EXISTS (
             SELECT FROM unnest($2::text[], $3::uuid[]) AS w (branch, site)
             WHERE b.tin = $1 AND b.branch = w.branch AND b.site_id IS NOT DISTINCT FROM w.site)",
        tin,
        &codes,
        &sites as &[Option<Uuid>]
    )
    .execute(&mut *tx)
    .await?;
    for one in wanted {
        sqlx::query!(
            "INSERT INTO etims_branches (id, tin, branch, serial, site_id, next_number, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tin, branch) DO UPDATE SET is_used = true, site_id = EXCLUDED.site_id, serial = EXCLUDED.serial,
                 key_sealed = CASE WHEN etims_branches.serial = EXCLUDED.serial THEN etims_branches.key_sealed END,
                 next_attempt_at = NULL, is_barred = false, reason = ''
             WHERE NOT etims_branches.is_used OR etims_branches.serial <> EXCLUDED.serial",
            rng::id(now),
            tin,
            one.branch,
            one.serial,
            one.site,
            one.first_number,
            now
        )
        .execute(&mut *tx)
        .await?;
        begin_later(&mut tx, tin, one).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Where nothing of ours is signed yet, or may be, the numbers begin where the configuration says: another program has used those before.
async fn begin_later(tx: &mut PgConnection, tin: &str, wanted: &Wanted) -> Result<()> {
    let moved = sqlx::query_scalar!(
        "UPDATE etims_branches b SET next_number = $3, next_attempt_at = NULL
         WHERE b.tin = $1 AND b.branch = $2 AND b.next_number <= $3 AND NOT EXISTS (
             SELECT FROM etims_invoices e WHERE e.branch_id = b.id AND e.state IN ('unknown', 'signed'))
           AND (b.next_number < $3 OR EXISTS (SELECT FROM etims_invoices e WHERE e.branch_id = b.id AND e.number < $3))
         RETURNING b.id",
        tin,
        wanted.branch,
        wanted.first_number
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(branch) = moved else { return Ok(()) };
    sqlx::query!(
        "UPDATE etims_invoices SET number = NULL, request = NULL, state = 'pending', reason = ''
         WHERE branch_id = $1 AND number IS NOT NULL",
        branch
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn context(branch: Uuid) -> String {
    format!("etims.key:{branch}")
}
