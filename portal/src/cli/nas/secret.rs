//! `portal nas rotate-secret`: a new secret for a router, which the router can be given within the overlap.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shared::rng;
use shared::time::rfc3339;
use store::nas::SecretChange;

use crate::cli::{Answer, Context, routeros, secret_from_stdin, values};

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateSecret {
    /// Its short name.
    #[arg(value_name = "NAME")]
    name: String,
    /// Read the new secret from standard input.
    #[arg(long, required_unless_present = "generate", conflicts_with = "generate")]
    secret_stdin: bool,
    /// Make a new secret of 256 bits, and show it.
    #[arg(long)]
    generate: bool,
    #[command(flatten)]
    overlap: Overlap,
    #[command(flatten)]
    answer: Answer,
}

/// How long a secret that is replaced goes on counting.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Overlap {
    /// If the secret is a new one, how long the one before counts beside it; 0: not at all.
    #[arg(long, default_value = "24h", value_parser = values::overlap)]
    pub(super) overlap: Duration,
}

impl RotateSecret {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let made = self.generate.then(rng::secret);
        let secret = match &made {
            Some(secret) => secret.clone(),
            None => secret_from_stdin("secret")?,
        };
        let (overlap, now) = (self.overlap.overlap, context.now());
        let change = store::nas::rotate_secret(&context.db, &self.name, secret.as_bytes(), overlap, now).await?;
        context.audit("nas.rotate_secret", &self.name).await?;
        let line = routeros::set_secret(context.config.portal.public_url.host_str(), made.as_deref());
        let value = json!({ "name": self.name, "routeros": line, "secret": made,
            "result": if change == SecretChange::Same { "unchanged" } else { "rotated" },
            "old_secret_until": old_until(change) });
        let text = format!("{}\nIn the router's terminal:\n\n{line}\n", what_counts(change));
        self.answer.give(&value, text)
    }
}

/// Until when the secret before counts, as JSON spells it.
pub(super) fn old_until(change: SecretChange) -> Option<String> {
    match change {
        SecretChange::Same => None,
        SecretChange::Replaced { old_until } => old_until.map(rfc3339),
    }
}

/// Which secrets count now, in words.
pub(super) fn what_counts(change: SecretChange) -> String {
    match (change, old_until(change)) {
        (SecretChange::Same, _) => "The router has this secret already.".into(),
        (_, Some(until)) => format!("The new secret counts from now on, the old one until {until}."),
        (_, None) => "The new secret counts from now on, and the old one no more.".into(),
    }
}
