//! Settings of the simulated Stripe: the keys that it expects and signs with, where it reports, and how fast it is. The
//! delays can also be changed while it runs.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What the simulator expects of its client, and where it reports.
#[derive(Clone)]
pub struct StripeConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The account's secret key.
    pub secret_key: String,
    /// The signing secret of the endpoint.
    pub webhook_secret: String,
    /// Where events are sent; without it they are only written down.
    pub webhook_url: Option<String>,
    /// From what happened to its event. The default, 300 ms, is about Stripe's.
    pub delay: Duration,
    /// How long answers to requests are held back.
    pub answer_delay: Duration,
    /// The smallest amount that is charged, as Stripe writes amounts.
    pub smallest: i64,
    /// What is kept of a payment: this many thousandths of it, and a fixed part. Stripe gives none of it back with a refund.
    pub fee: (i64, i64),
    /// What is kept for a dispute, and given back when it is won.
    pub dispute_fee: i64,
    /// Seed for identifiers; random when absent.
    pub seed: Option<u64>,
}

impl StripeConfig {
    /// An account in test mode on a free port of loopback.
    #[must_use]
    pub fn new(secret_key: &str, webhook_secret: &str) -> StripeConfig {
        StripeConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret_key: secret_key.to_owned(),
            webhook_secret: webhook_secret.to_owned(),
            webhook_url: None,
            delay: Duration::from_millis(300),
            answer_delay: Duration::ZERO,
            smallest: 50,
            fee: (0, 0),
            dispute_fee: 0,
            seed: None,
        }
    }
}

impl fmt::Debug for StripeConfig {
    /// Prints no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stripe on {}, reports to {:?}, delay {:?}", self.listen, self.webhook_url, self.delay)
    }
}
