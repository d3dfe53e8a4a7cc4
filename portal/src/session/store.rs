//! Where session records live: Redis, as JSON under the session's identifier, gone when their time is over.
//!
//! Redis itself forgets a record whose time is over, so what it returns is good. An answer that does not
//! come is an error and never "no session": the difference decides between "Redis is away" and "sign in".

use std::pin::Pin;

use store::redis::Redis;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::INACTIVITY;

/// Identifiers are 128 random bits: a second collision in a row means that randomness is broken.
const CREATE_TRIES: u32 = 3;

/// Session records in Redis.
#[derive(Clone, Debug)]
pub(super) struct RedisStore(pub(super) Redis);

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

// The trait's methods are spelt as its macro spells them: boxed futures over all borrowed arguments.
impl SessionStore for RedisStore {
    fn create<'s, 'r, 'a>(&'s self, record: &'r mut Record) -> Answer<'a, ()>
    where
        's: 'a,
        'r: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            for _ in 0..CREATE_TRIES {
                let stored = self.0.create_web_session(&record.id.to_string(), &encode(record)?, lifetime()).await;
                if stored.map_err(backend)? {
                    return Ok(());
                }
                record.id = Id(i128::from_le_bytes(shared::rng::bytes()));
            }
            Err(Error::Backend("no free session identifier was found".into()))
        })
    }

    fn save<'s, 'r, 'a>(&'s self, record: &'r Record) -> Answer<'a, ()>
    where
        's: 'a,
        'r: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            self.0.save_web_session(&record.id.to_string(), &encode(record)?, lifetime()).await.map_err(backend)
        })
    }

    fn load<'s, 'i, 'a>(&'s self, id: &'i Id) -> Answer<'a, Option<Record>>
    where
        's: 'a,
        'i: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            match self.0.load_web_session(&id.to_string()).await.map_err(backend)? {
                None => Ok(None),
                Some(json) => serde_json::from_slice(&json).map(Some).map_err(|e| Error::Decode(e.to_string())),
            }
        })
    }

    fn delete<'s, 'i, 'a>(&'s self, id: &'i Id) -> Answer<'a, ()>
    where
        's: 'a,
        'i: 'a,
        Self: 'a,
    {
        Box::pin(async move { self.0.delete_web_session(&id.to_string()).await.map_err(backend) })
    }
}

fn lifetime() -> u64 {
    INACTIVITY.as_secs()
}

fn encode(record: &Record) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::Encode(error.to_string()))
}

fn backend(error: store::StoreError) -> Error {
    Error::Backend(error.to_string())
}
