//! Sessions of customers: records under a keyed hash of their identifier, which only the customer's browser holds, and for each customer
//! the list of them, so that they can be shown and ended.

use ::redis::AsyncCommands as _;
use uuid::Uuid;

use super::{Digest, Redis, key};
use crate::Result;

impl Redis {
    /// Stores a session of a customer, or stores it anew.
    pub async fn save_customer_session(&self, user: Uuid, digest: &Digest, record: &[u8], seconds: u64) -> Result<()> {
        let (name, list) = (hex::encode(digest), key::customer_sessions(&self.prefix, user));
        let mut connection = self.connection.clone();
        ::redis::pipe()
            .set_ex(key::customer_session(&self.prefix, &name), record, seconds.max(1))
            .ignore()
            .sadd(&list, &name)
            .ignore()
            .expire(&list, i64::try_from(seconds.max(1)).unwrap_or(i64::MAX))
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// The record of a session.
    pub async fn load_customer_session(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let mut connection = self.connection.clone();
        Ok(connection.get(key::customer_session(&self.prefix, &hex::encode(digest))).await?)
    }

    /// Ends a session of a customer.
    pub async fn end_customer_session(&self, user: Uuid, digest: &Digest) -> Result<()> {
        let (name, mut connection) = (hex::encode(digest), self.connection.clone());
        ::redis::pipe()
            .del(key::customer_session(&self.prefix, &name))
            .ignore()
            .srem(key::customer_sessions(&self.prefix, user), &name)
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// Ends all sessions of a customer.
    pub async fn end_customer_sessions(&self, user: Uuid) -> Result<()> {
        let (list, mut connection) = (key::customer_sessions(&self.prefix, user), self.connection.clone());
        let names: Vec<String> = connection.smembers(&list).await?;
        let mut pipe = ::redis::pipe();
        for name in names {
            pipe.del(key::customer_session(&self.prefix, &name)).ignore();
        }
        pipe.del(&list).ignore().query_async::<()>(&mut connection).await?;
        Ok(())
    }

    /// The sessions of a customer that are open. Those that have run out are taken off the list.
    pub async fn customer_sessions(&self, user: Uuid) -> Result<Vec<(Digest, Vec<u8>)>> {
        let (list, mut connection) = (key::customer_sessions(&self.prefix, user), self.connection.clone());
        let names: Vec<String> = connection.smembers(&list).await?;
        let mut open = Vec::with_capacity(names.len());
        for name in names {
            let digest = hex::decode(&name).ok().and_then(|octets| Digest::try_from(octets).ok());
            let record: Option<Vec<u8>> = connection.get(key::customer_session(&self.prefix, &name)).await?;
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
