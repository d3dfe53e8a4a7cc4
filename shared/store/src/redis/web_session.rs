//! Web sessions: opaque records under random identifiers, gone when their time is over.

use ::redis::AsyncCommands as _;

use super::{Redis, key};
use crate::Result;

impl Redis {
    /// Stores a record if none has that identifier. `false`: one has.
    pub async fn create_web_session(&self, id: &str, record: &[u8], seconds: u64) -> Result<bool> {
        let mut connection = self.connection.clone();
        let stored: Option<String> = ::redis::cmd("SET")
            .arg(key::web_session(&self.prefix, id))
            .arg(record)
            .arg("NX")
            .arg("EX")
            .arg(seconds.max(1))
            .query_async(&mut connection)
            .await?;
        Ok(stored.is_some())
    }

    /// Stores a record over an earlier one.
    pub async fn save_web_session(&self, id: &str, record: &[u8], seconds: u64) -> Result<()> {
        let mut connection = self.connection.clone();
        let () = connection.set_ex(key::web_session(&self.prefix, id), record, seconds.max(1)).await?;
        Ok(())
    }

    /// The record of that identifier.
    pub async fn load_web_session(&self, id: &str) -> Result<Option<Vec<u8>>> {
        let mut connection = self.connection.clone();
        Ok(connection.get(key::web_session(&self.prefix, id)).await?)
    }

    /// Forgets a record.
    pub async fn delete_web_session(&self, id: &str) -> Result<()> {
        let mut connection = self.connection.clone();
        let () = connection.del(key::web_session(&self.prefix, id)).await?;
        Ok(())
    }
}
