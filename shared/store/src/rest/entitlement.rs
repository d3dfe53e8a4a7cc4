//! Entitlements with their use, and the end of one at an operator's wish.

use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::{Db, Result, StoreError};

/// An entitlement with its use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entitlement {
    /// Its identity.
    pub id: Uuid,
    /// Whose it is; `None`: nobody's, as a voucher's.
    pub user: Option<Uuid>,
    /// The order that it was bought with.
    pub order: Option<Uuid>,
    /// The package that it came from.
    pub package: Option<Uuid>,
    /// That one's name, as it was.
    pub package_name: String,
    /// `active`, `exhausted`, `expired` or `revoked`.
    pub state: String,
    /// When its clock started.
    pub starts_at: Option<OffsetDateTime>,
    /// When access ends.
    pub expires_at: Option<OffsetDateTime>,
    /// Octets allowed, up and down together.
    pub quota_octets: Option<i64>,
    /// Seconds allowed online.
    pub quota_seconds: Option<i64>,
    /// Octets from the customer.
    pub used_up: i64,
    /// Octets to the customer.
    pub used_down: i64,
    /// Seconds online.
    pub used_seconds: i64,
    /// Devices that may share it.
    pub device_limit: i32,
    /// When it was given.
    pub created_at: OffsetDateTime,
}

/// Entitlements, by what follows the tables' names.
macro_rules! entitlements {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Entitlement,
            r#"SELECT e.id, e.user_id AS "user?", e.order_id AS "order?", e.package_id AS "package?", e.package_name, e.state,
                      e.starts_at, e.expires_at, e.quota_octets, e.quota_seconds,
                      e.used_input_octets + u.input_octets AS "used_up!", e.used_output_octets + u.output_octets AS "used_down!",
                      e.used_seconds + u.seconds AS "used_seconds!", e.device_limit, e.created_at
               FROM entitlements e JOIN entitlement_usage u ON u.entitlement_id = e.id "# + $rest,
            $($argument),+
        )
    };
}

/// A page of entitlements, or of those of a customer, or in a state.
pub async fn list(
    db: &Db,
    user: Option<Uuid>,
    state: Option<&str>,
    after: After,
    limit: u32,
) -> Result<Vec<Entitlement>> {
    Ok(entitlements!(
        "WHERE e.id < $1 AND ($2::uuid IS NULL OR e.user_id = $2) AND ($3::text IS NULL OR e.state = $3)
         ORDER BY e.id DESC LIMIT $4",
        after.id,
        user as Option<Uuid>,
        state,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// One entitlement.
pub async fn get(db: &Db, id: Uuid) -> Result<Entitlement> {
    entitlements!("WHERE e.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("entitlement", id))
}

/// Ends access at an operator's wish; its sessions are ended with it. What has ended stays as it is.
///
/// # Errors
/// [`StoreError::Conflict`]: a voucher opens it, and paper is made worth nothing by its number.
pub async fn end(db: &Db, id: Uuid) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    crate::entitlement::lock(&mut tx, &[id]).await?;
    let row = sqlx::query!(
        r#"SELECT e.state, EXISTS (SELECT FROM vouchers v WHERE v.entitlement_id = e.id AND v.state IN ('printed', 'sold')) AS "is_paper!"
           FROM entitlements e WHERE e.id = $1"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("entitlement", id))?;
    if row.is_paper {
        return Err(StoreError::Conflict(
            "a voucher that nobody uses opens it: make the voucher worth nothing instead".into(),
        ));
    }
    sqlx::query!("UPDATE entitlements SET state = 'revoked' WHERE id = $1 AND state = 'active'", id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}
