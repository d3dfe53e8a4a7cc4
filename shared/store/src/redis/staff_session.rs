//! Sessions of the desk: records under a keyed hash of their identifier, which only the browser holds, and for each member of staff
//! the list of them, so that they can be shown and ended.

use ::redis::AsyncCommands as _;
use uuid::Uuid;

use super::{Digest, Redis, key};
use crate::Result;

/// How long a list of sessions is kept after one was stored, seconds: longer than any of them lives.
const LIST_SECONDS: i64 = 8 * 24 * 3600;

impl Redis {
    /// Stores a session of a member of staff, or stores it anew, for so many seconds.
    pub async fn save_staff_session(&self, admin: Uuid, digest: &Digest, record: &[u8], seconds: u64) -> Result<()> {
        let (name, list) = (hex::encode(digest), key::staff_sessions(&self.prefix, admin));
        let mut connection = self.connection.clone();
        ::redis::pipe()
            .set_ex(key::staff_session(&self.prefix, &name), record, seconds.max(1))
            .ignore()
            .sadd(&list, &name)
            .ignore()
            .expire(&list, LIST_SECONDS)
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// Stores a session anew if it is still there: one that was ended meanwhile stays so. `false`: it was.
    pub async fn renew_staff_session(&self, digest: &Digest, record: &[u8], seconds: u64) -> Result<bool> {
        let mut connection = self.connection.clone();
        let stored: Option<String> = ::redis::cmd("SET")
            .arg(key::staff_session(&self.prefix, &hex::encode(digest)))
            .arg(record)
            .arg("XX")
            .arg("EX")
            .arg(seconds.max(1))
            .query_async(&mut connection)
            .await?;
        Ok(stored.is_some())
    }

    /// The record of a session.
    pub async fn load_staff_session(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let mut connection = self.connection.clone();
        Ok(connection.get(key::staff_session(&self.prefix, &hex::encode(digest))).await?)
    }

    /// Ends a session of a member of staff; one of another's is left alone. `false`: there was none.
    pub async fn end_staff_session(&self, admin: Uuid, digest: &Digest) -> Result<bool> {
        let (name, mut connection) = (hex::encode(digest), self.connection.clone());
        let removed: u32 = connection.srem(key::staff_sessions(&self.prefix, admin), &name).await?;
        if removed == 0 {
            return Ok(false);
        }
        let () = connection.del(key::staff_session(&self.prefix, &name)).await?;
        Ok(true)
    }

    /// The sessions of a member of staff that are open. Those that have run out are taken off the list.
    pub async fn staff_sessions(&self, admin: Uuid) -> Result<Vec<(Digest, Vec<u8>)>> {
        let (list, mut connection) = (key::staff_sessions(&self.prefix, admin), self.connection.clone());
        let names: Vec<String> = connection.smembers(&list).await?;
        let mut open = Vec::with_capacity(names.len());
        for name in names {
            let digest = hex::decode(&name).ok().and_then(|octets| Digest::try_from(octets).ok());
            let record: Option<Vec<u8>> = connection.get(key::staff_session(&self.prefix, &name)).await?;
            match digest.zip(record) {
                Some(session) => open.push(session),
                None => {
                    let () = connection.srem(&list, &name).await?;
                }
            }
        }
        Ok(open)
    }
}
