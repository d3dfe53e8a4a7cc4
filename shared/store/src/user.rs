//! Customers, known by their phone number in E.164: one number, one customer.

use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result};

/// The customer with that number, made if new. A name that is given replaces an empty one.
pub async fn ensure(db: &Db, id: Uuid, phone: &Phone, name: &str, now: OffsetDateTime) -> Result<Uuid> {
    let mut connection = db.pool.acquire().await?;
    ensure_in(&mut connection, id, phone, name, now).await
}

pub(crate) async fn ensure_in(
    connection: &mut sqlx::PgConnection,
    id: Uuid,
    phone: &Phone,
    name: &str,
    now: OffsetDateTime,
) -> Result<Uuid> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO users (id, phone, name, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (phone) DO UPDATE SET name = CASE WHEN $3 <> '' THEN $3 ELSE users.name END
         RETURNING id",
        id,
        phone.as_str(),
        name,
        now
    )
    .fetch_one(connection)
    .await?)
}
