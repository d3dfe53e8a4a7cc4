//! What a receipt says beside the order itself: which tax was in its price on the day on which it was paid.

use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// The letter and the rate, in hundredths of a percent, of the tax of an order on the day of its payment, by the time of the place. The
/// same that its day is closed with.
///
/// # Errors
/// [`StoreError::Missing`]: there is no such order, or it is not paid.
pub async fn tax_of(db: &Db, order: Uuid) -> Result<(String, i32)> {
    let row = sqlx::query!(
        r#"SELECT x.letter AS "letter!", x.rate AS "rate!"
           FROM orders o LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites s ON s.id = n.site_id
           CROSS JOIN LATERAL etims_tax(o.package_id, (o.paid_at AT TIME ZONE coalesce(s.time_zone, 'Africa/Nairobi'))::date) x
           WHERE o.id = $1 AND o.paid_at IS NOT NULL"#,
        order
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(|row| (row.letter, row.rate)).ok_or_else(|| StoreError::missing("paid order", order))
}

/// The order of a payment.
///
/// # Errors
/// [`StoreError::Missing`]: there is no such payment.
pub async fn order_of(db: &Db, payment: Uuid) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT order_id FROM payments WHERE id = $1", payment)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("payment", payment))
}
