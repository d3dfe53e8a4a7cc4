//! Codes that were sent by SMS and wait to be typed: a keyed hash of each, the tries that were made, and nothing else. Redis does not
//! learn a code, nor whose it is.

use ::redis::Script;

use super::{Digest, Redis, key};
use crate::Result;

/// What became of a code that somebody typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tried {
    /// It is right; it is used up by that, so of several who type it at the same moment one is right.
    Right,
    /// It is wrong; so many tries are left.
    Wrong(u32),
    /// There is none, or none any more.
    Over,
}

/// Counts a try and compares in one step, so that tries at the same moment are counted one after the other.
const TRY: &str = r"
local digest = redis.call('HGET', KEYS[1], 'digest')
if not digest then return -1 end
if digest == ARGV[1] then redis.call('DEL', KEYS[1]) return 100 end
local left = tonumber(ARGV[2]) - redis.call('HINCRBY', KEYS[1], 'tries', 1)
if left <= 0 then redis.call('DEL', KEYS[1]) return -1 end
return left";
/// What [`TRY`] answers to the right code.
const RIGHT: i64 = 100;

impl Redis {
    /// Lets a code be typed for so many seconds, as the answer to this request.
    pub async fn put_code(&self, request: &str, digest: &Digest, seconds: u64) -> Result<()> {
        let (key, mut connection) = (key::code(&self.prefix, request), self.connection.clone());
        ::redis::pipe()
            .atomic()
            .hset(&key, "digest", hex::encode(digest))
            .ignore()
            .expire(&key, i64::try_from(seconds.max(1)).unwrap_or(i64::MAX))
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// Tries a code as the answer to this request; of the wrong ones, the `tries`-th ends it.
    pub async fn try_code(&self, request: &str, digest: &Digest, tries: u32) -> Result<Tried> {
        let mut connection = self.connection.clone();
        let answer: i64 = Script::new(TRY)
            .key(key::code(&self.prefix, request))
            .arg(hex::encode(digest))
            .arg(tries.min(99))
            .invoke_async(&mut connection)
            .await?;
        Ok(match answer {
            RIGHT => Tried::Right,
            left @ 1.. => Tried::Wrong(u32::try_from(left).unwrap_or(0)),
            _ => Tried::Over,
        })
    }
}
