//! Screens that show a code and wait to be added: under a keyed hash of the code a sealed record of the device, and nothing else.
//! Redis learns neither the code nor whose screen it is.

use ::redis::AsyncCommands as _;

use super::{Digest, Redis, key};
use crate::Result;

impl Redis {
    /// Lets a screen be added by its code for so many seconds. `false`: another one shows the same code.
    pub async fn put_screen(&self, digest: &Digest, record: &str, seconds: u64) -> Result<bool> {
        let mut connection = self.connection.clone();
        let stored: Option<String> = ::redis::cmd("SET")
            .arg(key::screen(&self.prefix, &hex::encode(digest)))
            .arg(record)
            .arg("NX")
            .arg("EX")
            .arg(seconds.max(1))
            .query_async(&mut connection)
            .await?;
        Ok(stored.is_some())
    }

    /// Whether a screen's code still waits to be typed.
    pub async fn has_screen(&self, digest: &Digest) -> Result<bool> {
        let mut connection = self.connection.clone();
        Ok(connection.exists(key::screen(&self.prefix, &hex::encode(digest))).await?)
    }

    /// Takes a screen by its code: of several who type it at the same moment one has it. Returns the record, and the seconds for
    /// which the code would have been good.
    pub async fn take_screen(&self, digest: &Digest) -> Result<Option<(String, u64)>> {
        let (key, mut connection) = (key::screen(&self.prefix, &hex::encode(digest)), self.connection.clone());
        let (record, left): (Option<String>, i64) =
            ::redis::pipe().atomic().get(&key).ttl(&key).del(&key).ignore().query_async(&mut connection).await?;
        Ok(record.map(|record| (record, u64::try_from(left).unwrap_or(0))))
    }
}
