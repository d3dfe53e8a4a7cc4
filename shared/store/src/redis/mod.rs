//! Redis: what may be lost and made again. Who is signed in, at the desk and as a customer, stands here, and codes that wait to be
//! typed, sent to phones or shown on screens; money, access and sessions at routers never do. Wrong guesses and tries of all
//! processes are counted here together.
//! Every wait is bounded, and callers say what happens when Redis is away.

mod code;
mod customer_session;
mod grant;
mod guessing;
pub mod key;
mod screen;
mod staff_session;
mod state;
mod tries;

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::Result;

pub use code::Tried;
pub use guessing::Digest;
pub use state::ServerState;
pub use tries::Tries;

/// Longest wait for an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest wait for a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that opens when first used and again when lost. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    prefix: std::sync::Arc<str>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Prepares the connection; a program can start while Redis is away.
    pub fn open(config: &shared::config::Redis) -> Result<Redis> {
        let client = ::redis::Client::open(config.url.as_str())?;
        let settings = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(1);
        Ok(Redis { connection: client.get_connection_manager_lazy(settings)?, prefix: config.prefix.as_str().into() })
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        ::redis::cmd("PING").query_async::<()>(&mut connection).await?;
        Ok(())
    }
}
