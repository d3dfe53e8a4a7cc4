//! `portal nas adopt`: routers that radiusd has heard from and that nobody has registered.
//!
//! radiusd keeps a sample of unknown senders in memory and shows it on its admin port, which is asked here. What a
//! sender says of itself is not proved by anything: it helps to recognise a router, and a person decides. The secret
//! is not among it; it comes on standard input, as everywhere.

use std::net::IpAddr;

use anyhow::Context as _;
use clap::Args;
use ipnet::IpNet;
use store::nas::Settings;
use url::Url;

use super::secret::Overlap;
use super::told::Told;
use crate::cli::{Answer, Context, secret_from_stdin, values};
use crate::radiusd::{self, Stranger};

#[derive(Debug, Args)]
pub(in crate::cli) struct Adopt {
    /// Show who has been heard.
    #[arg(long)]
    list: bool,
    /// The address to register, as the list shows it.
    #[arg(value_name = "ADDRESS", required_unless_present = "list", conflicts_with = "list",
        requires_all = ["name", "secret_stdin"])]
    address: Option<IpAddr>,
    /// The short name that the router gets.
    #[arg(long, value_parser = values::name)]
    name: Option<String>,
    /// Read the shared secret from standard input.
    #[arg(long)]
    secret_stdin: bool,
    /// Where radiusd's admin port is reached [default: radius.admin_listen of the configuration].
    #[arg(long, value_name = "URL")]
    radiusd: Option<Url>,
    #[command(flatten)]
    overlap: Overlap,
    #[command(flatten)]
    told: Told,
    #[command(flatten)]
    answer: Answer,
}

impl Adopt {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let url = self.radiusd.clone().map_or_else(|| radiusd::admin_url(&context.config), Ok)?;
        let strangers = radiusd::strangers(url).await?;
        let (Some(address), Some(name)) = (self.address, &self.name) else {
            return self.answer.give(&strangers, list(&strangers));
        };
        let heard = strangers.iter().find(|stranger| stranger.address == address).with_context(|| {
            format!("radiusd has heard nothing from {address}; `portal nas add --address {address}` registers it all the same")
        })?;
        let secret = secret_from_stdin("secret")?;
        let identifier = self.told.identifier.as_deref().or(heard.nas_identifier.as_deref());
        let settings =
            Settings { address: Some(IpNet::from(address)), identifier, ..self.told.settings(context).await? };
        super::register(context, name, Some(&secret), self.overlap, settings, self.answer).await
    }
}

fn list(strangers: &[Stranger]) -> String {
    if strangers.is_empty() {
        return "radiusd has heard from no address that is not registered.".into();
    }
    let mut table = values::Table::new(["address", "says it is", "packets", "to", "sends", "last heard"]);
    for stranger in strangers {
        table.row([
            stranger.address.to_string(),
            says(stranger),
            stranger.packets.to_string(),
            stranger.ports.join(", "),
            stranger.codes.join(", "),
            stranger.last_seen.clone(),
        ]);
    }
    format!(
        "{table}\nNobody has proved who they are. If one is your router, register it with the secret that the router has:\n\n  \
         portal nas adopt ADDRESS --name NAME --secret-stdin < secret.txt\n"
    )
}

/// What it says of itself. Another address than the one it comes from is a sign of address translation.
fn says(stranger: &Stranger) -> String {
    let identifier = stranger.nas_identifier.clone().unwrap_or_default();
    match stranger.nas_ip_address.filter(|ip| *ip != stranger.address) {
        Some(ip) => format!("{identifier} ({ip})").trim().to_owned(),
        None => identifier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_to_do_and_shows_a_translated_address() {
        let stranger = Stranger {
            address: "192.0.2.9".parse().expect("an address"),
            first_seen: "t".into(),
            last_seen: "t".into(),
            packets: 3,
            ports: vec!["auth".into()],
            codes: vec!["Access-Request".into()],
            nas_identifier: Some("cafe-1".into()),
            nas_ip_address: Some("10.20.0.2".parse().expect("an address")),
        };
        let text = list(&[stranger]);
        assert!(text.contains("cafe-1 (10.20.0.2)") && text.contains("portal nas adopt ADDRESS"), "{text}");
        assert_eq!(list(&[]), "radiusd has heard from no address that is not registered.");
    }
}
