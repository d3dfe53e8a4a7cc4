//! How signing stands, for the desk, alerts, metrics and receipts; and what a person can do: try again, and note a signature that was
//! found on the authority's own pages.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::admin::{Audit, audit_in};
use crate::alert::facts::Site;
use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Most invoices that are listed.
const LISTED: i64 = 200;

/// A branch and how it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overview {
    /// Its identity.
    pub id: Uuid,
    /// The taxpayer.
    pub tin: String,
    /// Two digits.
    pub branch: String,
    /// The site whose sales it signs; `None`: of all others.
    pub site: Option<String>,
    /// The serial number of its device.
    pub serial: String,
    /// The authority's name of the device; empty where it is not known.
    pub device: String,
    /// Whether the configuration names it.
    pub is_used: bool,
    /// Whether its device has its key.
    pub has_key: bool,
    /// Whether it waits for a person, because the device is not let in.
    pub is_barred: bool,
    /// Why the last try came to nothing; empty where it did not.
    pub reason: String,
    /// Nothing is tried before.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The last number that it has given.
    pub last_number: i64,
    /// What waits for its signature, what of it may be signed, and what the authority refused.
    pub waiting: u64,
    /// Of these: it may be signed.
    pub unknown: u64,
    /// Of these: refused.
    pub rejected: u64,
    /// Signed, and the signature was lost.
    pub lost: u64,
    /// Since when the oldest waits.
    pub oldest_at: Option<OffsetDateTime>,
}

/// All branches that somebody may see. Who is limited to sites sees the branches of these.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn branches(db: &Db, scope: &SiteScope) -> Result<Vec<Overview>> {
    let rows = sqlx::query!(
        r#"SELECT b.id, b.tin, b.branch, s.name AS "site?", b.serial, b.device, b.is_used, b.key_sealed IS NOT NULL AS "has_key!",
                  b.is_barred, b.reason, b.next_attempt_at, b.next_number - 1 AS "last_number!",
                  w.waiting AS "waiting!", w.unknown AS "unknown!", w.rejected AS "rejected!", w.oldest_at,
                  (SELECT count(*) FROM etims_invoices e WHERE e.branch_id = b.id AND e.state = 'signed' AND e.signature IS NULL) AS "lost!"
           FROM etims_branches b LEFT JOIN sites s ON s.id = b.site_id
           CROSS JOIN LATERAL (SELECT count(*) AS waiting, count(*) FILTER (WHERE e.state = 'unknown') AS unknown,
                                      count(*) FILTER (WHERE e.state = 'rejected') AS rejected, min(e.created_at) AS oldest_at
                               FROM etims_invoices e WHERE e.branch_id = b.id AND e.state <> 'signed') w
           WHERE $1::uuid[] IS NULL OR b.site_id = ANY ($1)
           ORDER BY b.is_used DESC, b.tin, b.branch"#,
        scope.filter()
    )
    .fetch_all(&db.pool)
    .await?;
    let overview = rows.into_iter().map(|row| Overview {
        id: row.id,
        tin: row.tin,
        branch: row.branch,
        site: row.site,
        serial: row.serial,
        device: row.device,
        is_used: row.is_used,
        has_key: row.has_key,
        is_barred: row.is_barred,
        reason: row.reason,
        next_attempt_at: row.next_attempt_at,
        last_number: row.last_number,
        waiting: unsigned(row.waiting),
        unknown: unsigned(row.unknown),
        rejected: unsigned(row.rejected),
        lost: unsigned(row.lost),
        oldest_at: row.oldest_at,
    });
    Ok(overview.collect())
}

/// An invoice that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its identity.
    pub id: Uuid,
    /// Its branch.
    pub branch: String,
    /// `sale` or `credit`.
    pub kind: String,
    /// The order's code, or the document's number.
    pub reference: String,
    /// Its number, if it has one.
    pub number: Option<i64>,
    /// What it comes to, in cents.
    pub amount: i64,
    /// `pending`, `unknown`, `rejected`, or `signed` without a signature.
    pub state: String,
    /// Why.
    pub reason: String,
    /// How often it was sent.
    pub attempts: i32,
    /// Since when it waits.
    pub since: OffsetDateTime,
}

/// What is not signed, in the order in which it will be, and what is signed without a signature.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn waiting(db: &Db, scope: &SiteScope) -> Result<Vec<Waiting>> {
    Ok(sqlx::query_as!(
        Waiting,
        r#"SELECT e.id, b.branch, e.kind, e.reference, e.number, e.amount_minor AS amount, e.state, e.reason, e.attempts,
                  e.created_at AS since
           FROM etims_invoices e JOIN etims_branches b ON b.id = e.branch_id
           WHERE (e.state <> 'signed' OR e.signature IS NULL) AND ($1::uuid[] IS NULL OR b.site_id = ANY ($1))
           ORDER BY e.state = 'signed', b.branch, e.number NULLS LAST, e.turn LIMIT $2"#,
        scope.filter(),
        LISTED
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Lets an invoice that the authority has refused be sent again, under its number: with what it would say now, the tax included.
///
/// # Errors
/// [`StoreError::Missing`]: there is none that somebody of this scope may see. [`StoreError::Conflict`]: it is not refused (any more).
pub async fn try_again(db: &Db, id: Uuid, scope: &SiteScope, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let row = sqlx::query!(
        "SELECT e.branch_id, e.state FROM etims_invoices e JOIN etims_branches b ON b.id = e.branch_id
         WHERE e.id = $1 AND ($2::uuid[] IS NULL OR b.site_id = ANY ($2)) FOR UPDATE OF b",
        id,
        scope.filter()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("invoice", id))?;
    if row.state != "rejected" {
        return Err(StoreError::Conflict("This invoice is not refused any more.".into()));
    }
    sqlx::query!("UPDATE etims_invoices SET state = 'pending', request = NULL, reason = '' WHERE id = $1", id)
        .execute(&mut *tx)
        .await?;
    // What was mended may be the letter of a package. A credit note has those of what it gives back.
    sqlx::query!(
        "UPDATE etims_lines l SET tax_letter = x.letter, tax_rate = x.rate
         FROM etims_invoices e
         LEFT JOIN book_documents d ON d.id = e.document_id LEFT JOIN book_days day ON day.id = d.day_id
         LEFT JOIN orders o ON o.id = e.order_id LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites s ON s.id = n.site_id,
         LATERAL (SELECT * FROM etims_lines own WHERE own.invoice_id = e.id) own,
         LATERAL etims_tax(own.package_id,
             coalesce(day.day, (e.happened_at AT TIME ZONE coalesce(s.time_zone, 'Africa/Nairobi'))::date)) x
         WHERE e.id = $1 AND e.kind = 'sale' AND l.invoice_id = e.id AND l.position = own.position",
        id
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("UPDATE etims_branches SET next_attempt_at = NULL, reason = '' WHERE id = $1", row.branch_id)
        .execute(&mut *tx)
        .await?;
    audit_in(&mut tx, line, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Has a branch try at once.
///
/// # Errors
/// [`StoreError::Missing`]: there is none that somebody of this scope may see.
pub async fn try_branch(db: &Db, id: Uuid, scope: &SiteScope, line: &Audit<'_>, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    let changed = sqlx::query!(
        "UPDATE etims_branches SET next_attempt_at = NULL WHERE id = $1 AND ($2::uuid[] IS NULL OR site_id = ANY ($2))",
        id,
        scope.filter()
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::missing("branch", id));
    }
    audit_in(&mut tx, line, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Notes the signature of an invoice whose answer was lost, as somebody read it on the authority's own pages.
///
/// # Errors
/// [`StoreError::Missing`]: there is none that somebody of this scope may see. [`StoreError::Conflict`]: it is not missing.
pub async fn find_signature(
    db: &Db,
    id: Uuid,
    (signature, receipt_number): (&str, Option<i64>),
    scope: &SiteScope,
    line: &Audit<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.begin().await?;
    let row = sqlx::query!(
        "SELECT e.state, e.signature FROM etims_invoices e JOIN etims_branches b ON b.id = e.branch_id
         WHERE e.id = $1 AND ($2::uuid[] IS NULL OR b.site_id = ANY ($2)) FOR UPDATE OF e",
        id,
        scope.filter()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("invoice", id))?;
    if row.state != "signed" || row.signature.is_some() {
        return Err(StoreError::Conflict("No signature is missing of this invoice.".into()));
    }
    sqlx::query!(
        "UPDATE etims_invoices SET signature = $2, receipt_number = coalesce($3, receipt_number), reason = '' WHERE id = $1",
        id,
        signature,
        receipt_number
    )
    .execute(&mut *tx)
    .await?;
    audit_in(&mut tx, line, now).await?;
    tx.commit().await?;
    Ok(())
}

/// How many invoices there are in each state, by the state's word; `lost` are those without a signature.
pub type Counts = Vec<(&'static str, u64)>;

/// Counts them. What is signed is counted by the numbers that branches have given, so that nobody reads all of them.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn counts(db: &Db) -> Result<Counts> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state = 'pending') AS "pending!", count(*) FILTER (WHERE state = 'unknown') AS "unknown!",
                  count(*) FILTER (WHERE state = 'rejected') AS "rejected!",
                  (SELECT count(*) FROM etims_invoices WHERE state = 'signed' AND signature IS NULL) AS "lost!",
                  (SELECT count(*) FROM etims_transactions WHERE invoice_id IS NULL) AS "unmade!"
           FROM etims_invoices WHERE state <> 'signed'"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(vec![
        ("unmade", unsigned(row.unmade)),
        ("pending", unsigned(row.pending)),
        ("unknown", unsigned(row.unknown)),
        ("rejected", unsigned(row.rejected)),
        ("lost", unsigned(row.lost)),
    ])
}

/// A branch at which nothing goes on by itself, or for too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocked {
    /// Its two digits.
    pub branch: String,
    /// The site whose sales it signs.
    pub site: Option<Site>,
    /// How many invoices wait.
    pub waiting: u64,
    /// Since when the oldest does.
    pub since: Option<OffsetDateTime>,
    /// Whether it goes on only after a person has acted.
    pub needs_a_person: bool,
    /// Why, in words.
    pub reason: String,
}

/// The branches in use that have something refused in the way, whose device is not let in, or at which something waits.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn blocked(db: &Db) -> Result<Vec<Blocked>> {
    let rows = sqlx::query!(
        r#"SELECT b.branch, s.id AS "site_id?", s.name AS "site?", w.waiting AS "waiting!", w.oldest_at,
                  b.is_barred OR w.rejected > 0 AS "needs_a_person!",
                  coalesce((SELECT e.reason FROM etims_invoices e WHERE e.branch_id = b.id AND e.state = 'rejected'
                            ORDER BY e.number LIMIT 1), b.reason) AS "reason!"
           FROM etims_branches b LEFT JOIN sites s ON s.id = b.site_id
           CROSS JOIN LATERAL (SELECT count(*) AS waiting, count(*) FILTER (WHERE e.state = 'rejected') AS rejected,
                                      min(e.created_at) AS oldest_at
                               FROM etims_invoices e WHERE e.branch_id = b.id AND e.state <> 'signed') w
           WHERE b.is_used AND (b.is_barred OR w.waiting > 0) ORDER BY b.branch"#
    )
    .fetch_all(&db.pool)
    .await?;
    let blocked = rows.into_iter().map(|row| Blocked {
        branch: row.branch,
        site: row.site_id.zip(row.site).map(|(id, name)| Site { id, name }),
        waiting: unsigned(row.waiting),
        since: row.oldest_at,
        needs_a_person: row.needs_a_person,
        reason: row.reason,
    });
    Ok(blocked.collect())
}

/// What a receipt shows of the authority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Whether it is a credit note.
    pub is_credit: bool,
    /// The taxpayer.
    pub tin: String,
    /// The branch.
    pub branch: String,
    /// The authority's name of the device; empty where it is not known.
    pub device: String,
    /// The number of the invoice at its branch.
    pub number: i64,
    /// The authority's own number of the receipt.
    pub receipt_number: Option<i64>,
    /// The signature; `None`: its answer was lost.
    pub signature: Option<String>,
    /// What is printed beside it.
    pub internal_data: Option<String>,
    /// When it was signed.
    pub signed_at: OffsetDateTime,
}

/// What is signed of an order: its invoice, and what was given back of it. An order that is told with the others of its day has no invoice
/// of its own.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn of_order(db: &Db, order: Uuid) -> Result<Vec<Stamp>> {
    Ok(sqlx::query_as!(
        Stamp,
        r#"SELECT e.kind = 'credit' AS "is_credit!", b.tin, b.branch, b.device, e.number AS "number!", e.receipt_number,
                  e.signature, e.internal_data, e.signed_at AS "signed_at!"
           FROM etims_invoices e JOIN etims_branches b ON b.id = e.branch_id
           WHERE e.order_id = $1 AND e.state = 'signed' ORDER BY e.number"#,
        order
    )
    .fetch_all(&db.pool)
    .await?)
}
