//! Wrong guesses, counted by all servers together, and what is locked for them. The digests are keyed hashes: Redis does not
//! learn whose they are.

use super::{Redis, key};
use crate::Result;

/// What guesses are counted under.
pub type Digest = [u8; 16];

impl Redis {
    /// Counts a wrong guess. Returns how many there were since the first one of this window, which lasts so many seconds.
    pub async fn count_guess(&self, digest: &Digest, seconds: u64) -> Result<u32> {
        let (key, mut connection) = (key::guesses(&self.prefix, &hex::encode(digest)), self.connection.clone());
        let (count,): (u32,) = ::redis::pipe()
            .atomic()
            .incr(&key, 1)
            .cmd("EXPIRE")
            .arg(&key)
            .arg(seconds.max(1))
            .arg("NX")
            .ignore()
            .query_async(&mut connection)
            .await?;
        Ok(count)
    }

    /// Lets all servers know that something is locked until then (Unix seconds). Its guesses are paid for.
    pub async fn lock(&self, digest: &Digest, until: i64) -> Result<()> {
        let (name, mut connection) = (hex::encode(digest), self.connection.clone());
        ::redis::pipe()
            .cmd("ZADD")
            .arg(key::locks(&self.prefix))
            .arg("GT")
            .arg(until)
            .arg(&name)
            .ignore()
            .del(key::guesses(&self.prefix, &name))
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// What is locked, and until when; what is so no more is forgotten.
    pub async fn locks(&self, now: i64) -> Result<Vec<(Digest, i64)>> {
        let (key, mut connection) = (key::locks(&self.prefix), self.connection.clone());
        let (found,): (Vec<(String, i64)>,) = ::redis::pipe()
            .cmd("ZREMRANGEBYSCORE")
            .arg(&key)
            .arg("-inf")
            .arg(now)
            .ignore()
            .cmd("ZRANGE")
            .arg(&key)
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES")
            .query_async(&mut connection)
            .await?;
        let read = |(text, until): (String, i64)| Some((hex::decode(text).ok()?.try_into().ok()?, until));
        Ok(found.into_iter().filter_map(read).collect())
    }
}
