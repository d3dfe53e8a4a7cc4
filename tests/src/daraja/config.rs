//! Settings of the simulated M-Pesa: the credentials that it expects, and how fast its customers, its answers
//! and its tokens are. The delays can also be changed while it runs.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What the simulator expects of its client, and how fast its customers are.
#[derive(Clone)]
pub struct DarajaConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Consumer key of the application.
    pub consumer_key: String,
    /// Consumer secret of the application.
    pub consumer_secret: String,
    /// Passkey of the shortcode.
    pub passkey: String,
    /// The paybill or till.
    pub shortcode: String,
    /// From a push to its decision and callback. The default, 3 s, is a quick customer.
    pub delay: Duration,
    /// How long a silent phone is waited for.
    pub silence: Duration,
    /// How long the answer to a push is held back. Longer than `delay`, the callback comes first.
    pub answer_delay: Duration,
    /// How long a token is good for.
    pub token_life: Duration,
    /// Seed for receipts and tokens; random when absent.
    pub seed: Option<u64>,
}

impl DarajaConfig {
    /// The sandbox's shortcode on a free port of loopback.
    #[must_use]
    pub fn new(consumer_key: &str, consumer_secret: &str, passkey: &str) -> DarajaConfig {
        DarajaConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            consumer_key: consumer_key.to_owned(),
            consumer_secret: consumer_secret.to_owned(),
            passkey: passkey.to_owned(),
            shortcode: "174379".to_owned(),
            delay: Duration::from_secs(3),
            silence: Duration::from_secs(90),
            answer_delay: Duration::ZERO,
            token_life: Duration::from_secs(3599),
            seed: None,
        }
    }
}

impl fmt::Debug for DarajaConfig {
    /// Prints no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shortcode {} on {}, delay {:?}", self.shortcode, self.listen, self.delay)
    }
}
