//! What a member of staff has begun at an accountant's program and comes back with: under a keyed hash of the session and of the secret
//! that comes back a sealed record. Redis learns neither whose it is nor what it holds.

use super::{Digest, Redis, key};
use crate::Result;

impl Redis {
    /// Keeps what was begun for so many seconds.
    pub async fn put_grant(&self, digest: &Digest, record: &str, seconds: u64) -> Result<()> {
        let mut connection = self.connection.clone();
        ::redis::cmd("SET")
            .arg(key::grant(&self.prefix, &hex::encode(digest)))
            .arg(record)
            .arg("EX")
            .arg(seconds.max(1))
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// Takes what was begun: of several who bring the same secret one has it.
    pub async fn take_grant(&self, digest: &Digest) -> Result<Option<String>> {
        let (key, mut connection) = (key::grant(&self.prefix, &hex::encode(digest)), self.connection.clone());
        let (record,): (Option<String>,) =
            ::redis::pipe().atomic().get(&key).del(&key).ignore().query_async(&mut connection).await?;
        Ok(record)
    }
}
