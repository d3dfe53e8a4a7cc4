//! What radiusd tells on its admin port, which answers from memory: strangers, what it has counted of each router, and how accounting
//! fares.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::config::Config;
use url::Url;
use uuid::Uuid;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where radiusd answers: `portal.radiusd_url`, else on this machine.
///
/// # Errors
/// If the configuration leaves its port to chance.
pub fn admin_url(config: &Config) -> anyhow::Result<Url> {
    config.portal.radiusd_url.clone().map_or_else(|| on_this_machine(config.radius.admin_listen), Ok)
}

/// The same port, as this machine reaches it.
pub(crate) fn on_this_machine(listen: SocketAddr) -> anyhow::Result<Url> {
    anyhow::ensure!(
        listen.port() != 0,
        "radius.admin_listen names no port: say where radiusd is with portal.radiusd_url"
    );
    let host = match listen.ip() {
        any if any.is_unspecified() && any.is_ipv4() => "127.0.0.1".into(),
        any if any.is_unspecified() => "[::1]".into(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    Ok(format!("http://{host}:{}", listen.port()).parse()?)
}

/// Asks for one of its pages.
///
/// # Errors
/// If nothing answers there in time, or something else than radiusd.
pub async fn ask<T: DeserializeOwned>(url: Url, page: &str) -> anyhow::Result<T> {
    let answer = get(&url, page).await?;
    answer.json::<T>().await.with_context(|| format!("what answers at {url} is not radiusd"))
}

/// Asks for one of its pages that is text.
///
/// # Errors
/// If nothing answers there in time, or it breaks off.
pub(crate) async fn ask_text(url: Url, page: &str) -> anyhow::Result<String> {
    let answer = get(&url, page).await?;
    answer.text().await.with_context(|| format!("the answer at {url} breaks off"))
}

async fn get(url: &Url, page: &str) -> anyhow::Result<reqwest::Response> {
    let mut url = url.clone();
    url.set_path(page);
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(PATIENCE).build()?;
    let answer = client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
    answer.with_context(|| format!("radiusd does not answer at {url}; does it run?"))
}

/// Who has been heard that nobody has registered: `/strangers`.
#[derive(Debug, Deserialize)]
struct Heard {
    strangers: Vec<Stranger>,
}

/// A sender that nobody has registered. What it says of itself is not proved by anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stranger {
    /// Where it sends from.
    pub address: IpAddr,
    /// When it was heard first.
    pub first_seen: String,
    /// When it was heard last.
    pub last_seen: String,
    /// How often.
    pub packets: u64,
    /// Where its packets came.
    pub ports: Vec<String>,
    /// What they were.
    pub codes: Vec<String>,
    /// What it calls itself.
    pub nas_identifier: Option<String>,
    /// Which address it believes to have.
    pub nas_ip_address: Option<IpAddr>,
}

/// Asks who has been heard that nobody has registered.
///
/// # Errors
/// As [`ask`].
pub async fn strangers(url: Url) -> anyhow::Result<Vec<Stranger>> {
    Ok(ask::<Heard>(url, "/strangers").await?.strangers)
}

#[derive(Debug, Deserialize)]
struct Counted {
    routers: Vec<CountedRouter>,
}

#[derive(Debug, Deserialize)]
struct CountedRouter {
    id: Uuid,
    figures: Figures,
}

/// What was counted of a router since radiusd started.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct Figures {
    /// Logins that were accepted.
    pub accepts: u64,
    /// Logins that were refused.
    pub rejects: u64,
    /// Reports that were acknowledged.
    pub accounting: u64,
    /// The refused ones by reason.
    pub rejects_by_reason: BTreeMap<String, u64>,
    /// The last whole minute, if there was one.
    pub last_minute: Option<Minute>,
}

/// What happened in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Minute {
    /// Logins that were answered.
    pub logins: u64,
    /// Reports that were acknowledged.
    pub accounting: u64,
    /// How long an answer took on average, microseconds.
    pub took_us: Option<u64>,
}

/// Asks what was counted of each router.
///
/// # Errors
/// As [`ask`].
pub async fn routers(url: Url) -> anyhow::Result<BTreeMap<Uuid, Figures>> {
    let counted = ask::<Counted>(url, "/routers").await?;
    Ok(counted.routers.into_iter().map(|router| (router.id, router.figures)).collect())
}

/// How accounting fares: `/accounting`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Accounting {
    /// Whether records can be made durable, so that they are acknowledged.
    pub acknowledges: bool,
    /// Whether PostgreSQL takes them at the moment; else the spool does.
    pub postgresql_takes_records: bool,
    /// Records that wait to become durable.
    pub queue: Queue,
    /// Records that wait on disk.
    pub spool: Spool,
    /// Made durable in PostgreSQL since the server started.
    pub stored: u64,
    /// On disk.
    pub spooled: u64,
    /// Brought from there to PostgreSQL.
    pub replayed: u64,
    /// Refused by PostgreSQL.
    pub failed: u64,
}

/// The queue.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Queue {
    /// Waiting now.
    pub records: u64,
    /// May wait at most.
    pub capacity: u64,
}

/// The spool.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Spool {
    /// Waiting now.
    pub records: u64,
    /// The room that they take.
    pub octets: u64,
    /// How long the first has waited, seconds.
    pub oldest_age_seconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radiusd_is_found_where_the_configuration_says() {
        let url = |listen: &str| on_this_machine(listen.parse().expect("an address")).map(|url| url.to_string()).ok();
        assert_eq!(url("127.0.0.1:9812").as_deref(), Some("http://127.0.0.1:9812/"));
        assert_eq!(url("0.0.0.0:9812").as_deref(), Some("http://127.0.0.1:9812/"));
        assert_eq!(url("[::]:9812").as_deref(), Some("http://[::1]:9812/"));
        assert_eq!(url("127.0.0.1:0"), None);
    }
}
