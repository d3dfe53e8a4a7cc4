//! What becomes of printed vouchers: handed over, sold, void, redeemed.
//!
//! Once is enough for everything: who sells, voids or redeems again changes nothing. Who changes vouchers holds their
//! entitlements first, in the common order, so that a sale, a login and an operator who voids never wait for each other in a
//! circle. What that means for the books is booked in the same transaction ([`crate::books::cash`]).

use std::collections::BTreeSet;

use shared::mac::Mac;
use shared::time::OffsetDateTime;
use shared::voucher::paper_number;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{State, check_agent, whole};
use crate::admin::Author;
use crate::books::cash;
use crate::{Db, Result, StoreError, entitlement};

/// Notes who has the paper of a batch from now on; `None`: the operator.
pub async fn hand_over(
    db: &Db,
    batch: Uuid,
    agent: Option<&str>,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<()> {
    let by: Author<'_> = by.into();
    check_agent(agent)?;
    let mut tx = db.begin().await?;
    let changed = sqlx::query!("UPDATE voucher_batches SET agent = $2 WHERE id = $1", batch, agent)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if changed != 1 {
        return Err(StoreError::missing("batch of vouchers", batch));
    }
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Which vouchers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which<'a> {
    /// These.
    Ids(&'a [Uuid]),
    /// Those of a batch from one serial to another, both included.
    Serials {
        /// The batch.
        batch: Uuid,
        /// The first one.
        first: u32,
        /// The last one.
        last: u32,
    },
}

/// Notes that vouchers were sold, by whom. A voucher that was redeemed before its sale was noted stays redeemed, and sold it is
/// all the same. Returns how many were not known to be sold.
///
/// # Errors
/// [`StoreError::Conflict`]: one of them is void. [`StoreError::Missing`]: one of them is not there. Then none was sold.
pub async fn sell(db: &Db, which: Which<'_>, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<u64> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let held = hold(&mut tx, which).await?;
    refuse(&held, State::Void, "is void")?;
    let ids: Vec<Uuid> = held.iter().filter(|voucher| !voucher.is_sold).map(|voucher| voucher.id).collect();
    let sold = sqlx::query!(
        "UPDATE vouchers SET state = CASE state WHEN 'printed' THEN 'sold' ELSE state END, sold_at = $2, sold_by = $3
         WHERE id = ANY ($1) AND sold_at IS NULL AND state IN ('printed', 'redeemed')",
        &ids,
        now,
        by.name
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    expect_all(&ids, sold)?;
    cash::sold(&mut tx, &ids, now).await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(sold)
}

/// Makes vouchers worth nothing and takes back what they open. Returns how many were not void before.
///
/// A login that was accepted a moment ago, and is written down after this, changes nothing any more: its session is ended.
///
/// # Errors
/// [`StoreError::Conflict`]: one of them is redeemed, or no reason is given. [`StoreError::Missing`]: one of them is not there.
/// Then none became void.
pub async fn void(
    db: &Db,
    which: Which<'_>,
    reason: &str,
    by: impl Into<Author<'_>>,
    now: OffsetDateTime,
) -> Result<u64> {
    let by: Author<'_> = by.into();
    if reason.trim().is_empty() {
        return Err(StoreError::Conflict("say why these vouchers are to be worth nothing".into()));
    }
    let mut tx = db.begin().await?;
    let held = hold(&mut tx, which).await?;
    refuse(&held, State::Redeemed, "is redeemed, so somebody is using it")?;
    let good = held.iter().filter(|voucher| voucher.state != State::Void);
    let (ids, entitlements): (Vec<Uuid>, Vec<Uuid>) = good.map(|voucher| (voucher.id, voucher.entitlement)).unzip();
    let voided = sqlx::query!(
        "UPDATE vouchers SET state = 'void', voided_at = $2, voided_by = $3, void_reason = $4
         WHERE id = ANY ($1) AND state IN ('printed', 'sold')",
        &ids,
        now,
        by.name,
        reason.trim()
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    expect_all(&ids, voided)?;
    sqlx::query!("UPDATE entitlements SET state = 'revoked' WHERE id = ANY ($1)", &entitlements)
        .execute(&mut *tx)
        .await?;
    cash::undone(&mut tx, &ids, now).await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(voided)
}

/// Notes the first login of those of these entitlements that came from vouchers: which device it was, and when. However many
/// logins are written down at once, by however many servers, one of them finds the voucher unused; the others find it
/// redeemed and change nothing. What was booked as owed for them is owed no more. The caller holds the entitlements.
pub(crate) async fn redeem(
    tx: &mut PgConnection,
    entitlements: &[Uuid],
    macs: &[Option<Mac>],
    at: &[OffsetDateTime],
    now: OffsetDateTime,
) -> Result<()> {
    let macs: Vec<Option<String>> = macs.iter().map(|mac| mac.map(|mac| mac.to_string())).collect();
    let redeemed = sqlx::query!(
        "UPDATE vouchers v SET state = 'redeemed', redeemed_at = f.at, redeemed_mac = f.mac::macaddr
         FROM (SELECT DISTINCT ON (id) id, mac, at FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS l (id, mac, at)
               ORDER BY id, at) f
         WHERE v.entitlement_id = f.id AND v.state IN ('printed', 'sold') RETURNING v.id, v.sold_transaction",
        entitlements,
        &macs as &[Option<String>],
        at
    )
    .fetch_all(&mut *tx)
    .await?;
    let sold = redeemed.into_iter().filter_map(|row| Some((row.id, row.sold_transaction?)));
    let (vouchers, sales): (Vec<Uuid>, Vec<Uuid>) = sold.unzip();
    if vouchers.is_empty() { Ok(()) } else { cash::used(tx, &vouchers, &sales, now).await }
}

/// A voucher while its entitlement is held.
struct Held {
    id: Uuid,
    entitlement: Uuid,
    /// What staff call it.
    number: String,
    state: State,
    is_sold: bool,
}

/// A voucher before its entitlement is held: only what never changes.
struct Key {
    id: Uuid,
    entitlement: Uuid,
}

/// Reads vouchers and holds them, their entitlements first.
async fn hold(tx: &mut PgConnection, which: Which<'_>) -> Result<Vec<Held>> {
    let keys = keys(tx, which).await?;
    let (ids, entitlements): (Vec<Uuid>, Vec<Uuid>) = keys.into_iter().map(|key| (key.id, key.entitlement)).unzip();
    entitlement::lock(tx, &entitlements).await?;
    let rows = sqlx::query!(
        r#"SELECT v.id, v.entitlement_id, v.serial, v.state, v.sold_at IS NOT NULL AS "is_sold!", b.number
           FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id
           WHERE v.id = ANY ($1) ORDER BY v.id FOR NO KEY UPDATE OF v"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Held {
                id: row.id,
                entitlement: row.entitlement_id,
                number: paper_number(whole(row.number), whole(row.serial)),
                state: State::parse(&row.state)
                    .ok_or_else(|| StoreError::corrupt("vouchers", row.id, "unknown state"))?,
                is_sold: row.is_sold,
            })
        })
        .collect()
}

/// Finds vouchers, all of them or none.
async fn keys(tx: &mut PgConnection, which: Which<'_>) -> Result<Vec<Key>> {
    match which {
        Which::Ids(ids) => {
            let keys =
                sqlx::query_as!(Key, "SELECT id, entitlement_id AS entitlement FROM vouchers WHERE id = ANY ($1)", ids)
                    .fetch_all(tx)
                    .await?;
            let found: BTreeSet<Uuid> = keys.iter().map(|key| key.id).collect();
            match ids.iter().find(|id| !found.contains(*id)) {
                Some(missing) => Err(StoreError::missing("voucher", missing)),
                None => Ok(keys),
            }
        }
        Which::Serials { batch, first, last } => {
            let keys = sqlx::query_as!(
                Key,
                "SELECT id, entitlement_id AS entitlement FROM vouchers WHERE batch_id = $1 AND serial BETWEEN $2 AND $3",
                batch,
                i32::try_from(first).unwrap_or(i32::MAX),
                i32::try_from(last).unwrap_or(i32::MAX)
            )
            .fetch_all(tx)
            .await?;
            // Serials have no gaps: with fewer than there are numbers, the range goes beyond the batch.
            if last.checked_sub(first).is_some_and(|more| keys.len() as u64 == u64::from(more) + 1) {
                return Ok(keys);
            }
            Err(StoreError::missing("range of vouchers", format!("from {first} to {last} in this batch")))
        }
    }
}

/// Refuses to change anything if one of the vouchers stands there.
fn refuse(held: &[Held], state: State, why: &str) -> Result<()> {
    match held.iter().find(|voucher| voucher.state == state) {
        Some(voucher) => Err(StoreError::Conflict(format!("voucher {} {why}: nothing was changed", voucher.number))),
        None => Ok(()),
    }
}

/// Held rows do not change under us: that fewer were written than read would be a mistake of ours.
fn expect_all(ids: &[Uuid], written: u64) -> Result<()> {
    if written == ids.len() as u64 {
        return Ok(());
    }
    let key = ids.first().map(Uuid::to_string).unwrap_or_default();
    Err(StoreError::corrupt("vouchers", key, format!("{} were held and {written} written", ids.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(serial: u32, state: State) -> Held {
        Held {
            id: Uuid::from_u128(serial.into()),
            entitlement: Uuid::from_u128(100 + u128::from(serial)),
            number: paper_number(42, serial),
            state,
            is_sold: false,
        }
    }

    #[test]
    fn a_refusal_names_the_voucher_as_the_paper_does() {
        let all = [held(6, State::Printed), held(7, State::Redeemed)];
        assert!(refuse(&all, State::Void, "is void").is_ok());
        let refused = refuse(&all, State::Redeemed, "is redeemed").expect_err("one of them is");
        assert_eq!(refused.to_string(), "voucher 42-0007 is redeemed: nothing was changed");
    }

    #[test]
    fn what_was_held_is_written() {
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
        assert!(expect_all(&ids, 2).is_ok() && expect_all(&[], 0).is_ok());
        assert!(expect_all(&ids, 1).is_err());
    }
}
