//! Hotspots for benches of the portal: routers that are registered, and the address to which each sends its guests.
//!
//! No router is played here: a guest of these benches comes from a login page that we do not need, and goes no further than
//! to the page that would log it in.

use std::sync::Arc;

use ::tests::nas::Mac;
use anyhow::Context as _;
use shared::config::Config;
use shared::rng;
use shared::time::Clock;
use store::Db;
use store::nas::{NewNas, Settings};
use url::Url;

/// How the routers of these benches are called.
const ROUTER: &str = "hotspot";
/// Guests that a router has at most: the portal takes 3,000 forms an hour from one.
const GUESTS: u32 = 1_000;

/// The store, as the portal's configuration says where it is.
///
/// # Errors
/// If the configuration's address or key is none.
pub(crate) fn store(config: &Config) -> anyhow::Result<Db> {
    let seal = Arc::new(config.secrets.seal()?);
    Ok(Db::open(&config.database, seal)?)
}

/// Registers the routers of the guests from number `first` on, `count` of them.
///
/// # Errors
/// If PostgreSQL does not take one.
pub(crate) async fn register(db: &Db, first: u32, count: u32) -> anyhow::Result<()> {
    let now = Clock::system().now();
    for router in first / GUESTS..=(first + count.max(1) - 1) / GUESTS {
        let name = name(router);
        let hosts = [host(router)];
        let [_, _, high, low] = router.to_be_bytes();
        let settings = Settings {
            address: Some(std::net::IpAddr::from([127, 6, high, low]).into()),
            identifier: Some(&name),
            hotspot_hosts: Some(&hosts),
            ..Settings::default()
        };
        let new = NewNas { id: rng::id(now), name: &name, secret: b"nobody logs in here", settings };
        store::nas::save(db, &new, now).await.with_context(|| format!("cannot register {name}"))?;
    }
    Ok(())
}

/// Where the router of guest `number` sends that guest.
///
/// # Errors
/// If the portal's address cannot have a path.
pub(crate) fn arrival(portal: &Url, number: u32) -> anyhow::Result<Url> {
    let mut url = portal.join("/h")?;
    let router = number / GUESTS;
    let [a, b, c, d] = number.to_be_bytes();
    url.query_pairs_mut()
        .append_pair("mac", &Mac([0x06, 0x50, a, b, c, d]).to_string())
        .append_pair("ip", "10.5.50.9")
        .append_pair("identity", &name(router))
        .append_pair("link-login-only", &format!("http://{}/login", host(router)))
        .append_pair("link-orig", "");
    Ok(url)
}

fn name(router: u32) -> String {
    format!("{ROUTER}{router:05}")
}

fn host(router: u32) -> String {
    format!("{ROUTER}{router:05}.test")
}
