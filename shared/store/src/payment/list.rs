//! The newest payments, with what became of each, for programs; the desk has a list of them all. What a report told otherwise later stands
//! beside the amount; nothing is changed here.

use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::money::money;
use crate::{Db, Result};

/// A payment as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its identity.
    pub id: Uuid,
    /// The order's code.
    pub order_code: String,
    /// The order's state.
    pub order_state: String,
    /// Who pays.
    pub phone: Option<Phone>,
    /// The package's name.
    pub package: String,
    /// The amount.
    pub amount: Money,
    /// Its state.
    pub state: String,
    /// Who was asked for it.
    pub provider: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// The provider's code and text, if it failed.
    pub result: Option<String>,
    /// Another amount than is booked, which a report told later.
    pub told: Option<Money>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// The newest payments.
pub async fn list(db: &Db, limit: u32) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"SELECT y.id, o.code, o.state AS order_state, o.phone, o.package->>'name' AS "package!", y.amount_minor, y.currency, y.state,
                  y.provider, y.receipt, y.result_text, y.told_minor, y.created_at
           FROM payments y JOIN orders o ON o.id = y.order_id ORDER BY y.created_at DESC, y.id LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = money("payments", row.id, row.amount_minor, &row.currency)?;
            Ok(Listed {
                amount,
                told: row.told_minor.map(|minor| Money { minor, ..amount }),
                phone: row.phone.parse().ok(),
                id: row.id,
                order_code: row.code,
                order_state: row.order_state,
                package: row.package,
                state: row.state,
                provider: row.provider,
                receipt: row.receipt,
                result: row.result_text,
                created_at: row.created_at,
            })
        })
        .collect()
}
