//! How often something was tried, counted by all processes together.

use super::{Redis, key};
use crate::Result;

/// Tries of one name in one window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tries {
    /// How many, this one included.
    pub count: u32,
    /// Seconds until they are forgotten.
    pub forgotten_in: u64,
}

impl Redis {
    /// Counts a try under a name; the first one opens a window of so many seconds.
    pub async fn count_try(&self, name: &str, seconds: u64) -> Result<Tries> {
        let (key, mut connection) = (key::tries(&self.prefix, name), self.connection.clone());
        let (count, left): (u32, i64) = ::redis::pipe()
            .atomic()
            .incr(&key, 1)
            .cmd("EXPIRE")
            .arg(&key)
            .arg(seconds.max(1))
            .arg("NX")
            .ignore()
            .ttl(&key)
            .query_async(&mut connection)
            .await?;
        Ok(Tries { count, forgotten_in: u64::try_from(left).unwrap_or(0) })
    }
}
