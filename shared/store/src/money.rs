//! An amount as rows have it: minor units, and beside them the letters of a currency. Letters that are none are a surprise, which
//! names the row.

use shared::money::Money;

use crate::{Result, StoreError};

/// The amount of the row `key` of a table.
pub(crate) fn money(table: &'static str, key: impl ToString, minor: i64, currency: &str) -> Result<Money> {
    let currency = currency.parse().map_err(|error| StoreError::corrupt(table, key, error))?;
    Ok(Money { minor, currency })
}
