//! `[api]`: the REST interface, and the webhooks by which other programs are told of what happens.

use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::{ConfigError, range};

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// How often one token may ask within a minute. Default 600, 1–100000.
    pub requests_per_minute: u32,
    /// Longest wait for the answer of whoever is told, seconds. Default 20, 1–30.
    pub webhook_timeout_seconds: u64,
    /// Networks of one's own to which webhooks may go, by http too. Default none: they go to public addresses by https only, so
    /// that nobody who may name an address reaches machines behind us.
    pub webhook_networks: Vec<IpNet>,
}

impl Default for Api {
    fn default() -> Api {
        Api { requests_per_minute: 600, webhook_timeout_seconds: 20, webhook_networks: Vec::new() }
    }
}

impl Api {
    /// The longest wait for an answer to a webhook.
    pub fn webhook_timeout(&self) -> Duration {
        Duration::from_secs(self.webhook_timeout_seconds)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("api.requests_per_minute", u64::from(self.requests_per_minute), 1, 100_000)?;
        range("api.webhook_timeout_seconds", self.webhook_timeout_seconds, 1, 30)
    }
}
