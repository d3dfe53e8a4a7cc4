//! Printing: entitlements, credentials and vouchers of a whole batch, in one transaction and a statement a table.

use shared::rng;
use shared::time::OffsetDateTime;
use shared::voucher::Code;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{check_agent, whole};
use crate::admin::Author;
use crate::package::Package;
use crate::{Db, Result, StoreError, entitlement};

/// Vouchers of one batch at most. As many entitlements in one statement are still told to radiusd one by one; from 20,000 on it
/// would read everything again.
pub const MAX_BATCH: usize = 10_000;

/// A batch that was printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Printed {
    /// Its identity.
    pub id: Uuid,
    /// Its number on the paper.
    pub number: u32,
}

/// What is said of a batch beside what it is good for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Paper<'a> {
    /// Who has it; `None`: the operator.
    pub agent: Option<&'a str>,
    /// What it is printed for, in the operator's words.
    pub label: &'a str,
    /// From when on what nobody has used is worth nothing; `None`: never.
    pub redeem_before: Option<OffsetDateTime>,
}

/// Makes vouchers of these codes, the first one with the serial 1. Each can be used from now on, sold or not: paper that nobody
/// may use yet is not handed out yet.
///
/// The date stands with each credential: radiusd decides by it, from memory, without knowing batches.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the operator: there are too many codes, or none, or one of them was made
/// before, or their last day is over. Then nothing was made.
pub async fn print_batch(
    db: &Db,
    package: &Package,
    paper: &Paper<'_>,
    codes: &[Code],
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<Printed> {
    print_batch_as(db, rng::id(now), package, paper, codes, by, now).await
}

/// The same under an identity of the caller's, once: the same identity again finds the batch that was printed, whatever the codes. A line of
/// the audit log has the batch's number before what it has of the caller.
///
/// # Errors
/// As [`print_batch`].
pub async fn print_batch_as(
    db: &Db,
    id: Uuid,
    package: &Package,
    paper: &Paper<'_>,
    codes: &[Code],
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<Printed> {
    if codes.is_empty() || codes.len() > MAX_BATCH {
        return Err(StoreError::Conflict(format!("a batch has at least one voucher and at most {MAX_BATCH}")));
    }
    check_agent(paper.agent)?;
    if paper.redeem_before.is_some_and(|end| end <= now) {
        return Err(StoreError::Conflict("the last day of these vouchers is over already".into()));
    }
    let by: Author<'_> = by.into();
    // Sealed before a connection is taken: that is most of the work.
    let columns = Columns::of(db, codes, now);
    let mut tx = db.pool.begin().await?;
    let before =
        sqlx::query_scalar!("SELECT number FROM voucher_batches WHERE id = $1", id).fetch_optional(&mut *tx).await?;
    if let Some(number) = before {
        return Ok(Printed { id, number: whole(number) });
    }
    let number = sqlx::query_scalar!(
        "INSERT INTO voucher_batches (id, package_id, label, size, agent, package_name, price_minor, currency, created_by, created_at,
             redeem_before)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING number",
        id,
        package.id,
        paper.label,
        i32::try_from(codes.len()).unwrap_or(i32::MAX),
        paper.agent,
        package.name,
        package.price.minor,
        package.price.currency.as_str(),
        by.name,
        now,
        paper.redeem_before
    )
    .fetch_one(&mut *tx)
    .await?;
    entitlement::insert_waiting(&mut tx, &columns.entitlements, package, now).await?;
    columns.insert_credentials(&mut tx, paper.redeem_before, now).await?;
    sqlx::query!(
        "INSERT INTO vouchers (id, batch_id, entitlement_id, serial)
         SELECT v.id, $2, v.entitlement, v.serial::integer
         FROM unnest($1::uuid[], $3::uuid[]) WITH ORDINALITY AS v (id, entitlement, serial)",
        &columns.vouchers,
        id,
        &columns.entitlements
    )
    .execute(&mut *tx)
    .await?;
    let object = format!("batch {}: {}", whole(number), by.object());
    by.note_of(&mut tx, &object, now).await?;
    tx.commit().await?;
    Ok(Printed { id, number: whole(number) })
}

/// New vouchers, turned from rows to columns for `unnest`.
struct Columns {
    vouchers: Vec<Uuid>,
    entitlements: Vec<Uuid>,
    credentials: Vec<Uuid>,
    lookups: Vec<Vec<u8>>,
    logins: Vec<Vec<u8>>,
    passwords: Vec<Vec<u8>>,
}

impl Columns {
    fn of(db: &Db, codes: &[Code], now: OffsetDateTime) -> Columns {
        let ids = || codes.iter().map(|_| rng::id(now)).collect::<Vec<Uuid>>();
        let credentials = ids();
        let seal = |context: fn(Uuid) -> entitlement::SealContext| {
            let sealed = |(code, id): (&Code, &Uuid)| db.seal.seal(&context(*id), code.as_bytes());
            codes.iter().zip(&credentials).map(sealed).collect::<Vec<Vec<u8>>>()
        };
        Columns {
            vouchers: ids(),
            entitlements: ids(),
            lookups: codes.iter().map(|code| db.seal.lookup(code.as_bytes()).to_vec()).collect(),
            logins: seal(entitlement::login_context),
            passwords: seal(entitlement::password_context),
            credentials,
        }
    }

    async fn insert_credentials(
        &self,
        tx: &mut PgConnection,
        valid_until: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<()> {
        sqlx::query!(
            "INSERT INTO credentials (id, entitlement_id, kind, lookup, login_sealed, password_sealed, created_at, valid_until)
             SELECT c.id, c.entitlement, 'voucher', c.lookup, c.login, c.password, $6, $7
             FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[]) AS c (id, entitlement, lookup, login, password)",
            &self.credentials,
            &self.entitlements,
            &self.lookups,
            &self.logins,
            &self.passwords,
            now,
            valid_until
        )
        .execute(tx)
        .await
        .map_err(|error| match StoreError::from(error) {
            StoreError::Conflict(_) => {
                StoreError::Conflict("one of these codes is there already: nothing was printed, so make new ones".into())
            }
            other => other,
        })?;
        Ok(())
    }
}
