//! How the Redis server is set, as far as it matters here: that it throws nothing away, and whether it keeps anything.

use std::collections::HashMap;

use super::Redis;
use crate::Result;

/// How the server is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerState {
    /// What it does when its memory is full: `noeviction` is right.
    pub eviction: String,
    /// Whether what is in it survives a restart; `None`: we may not know.
    pub is_kept: Option<bool>,
}

impl Redis {
    /// Asks how the server is set.
    pub async fn server_state(&self) -> Result<ServerState> {
        let mut connection = self.connection.clone();
        let text: String = ::redis::cmd("INFO").query_async(&mut connection).await?;
        let eviction = field(&text, "maxmemory_policy").unwrap_or("unknown").to_owned();
        let is_kept = if field(&text, "aof_enabled") == Some("1") {
            Some(true)
        } else {
            // Servers that somebody else runs often refuse this.
            let asked: ::redis::RedisResult<HashMap<String, String>> =
                ::redis::cmd("CONFIG").arg("GET").arg("save").query_async(&mut connection).await;
            asked.ok().and_then(|settings| settings.get("save").map(|points| !points.is_empty()))
        };
        Ok(ServerState { eviction, is_kept })
    }
}

/// A line of what the server says of itself: `name:value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let text = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n";
        assert_eq!(field(text, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(text, "maxmemory"), Some("0"));
        assert_eq!(field(text, "policy"), None);
    }
}
