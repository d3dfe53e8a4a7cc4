//! `portal wireguard`: what our end of the tunnel must know of the routers that come through it.
//!
//! It prints and changes nothing: WireGuard is the machine's own, and its private key is none of ours. What is printed goes behind the
//! `[Interface]` of that machine into `wg syncconf`.

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::json;
use store::nas::Peer;

use super::{Answer, Context};

/// Our end of the tunnel.
#[derive(Debug, Subcommand)]
pub(super) enum WireGuard {
    /// Print the routers as `[Peer]` sections, for `wg syncconf`.
    Peers(Answer),
}

impl WireGuard {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let WireGuard::Peers(answer) = self;
        let peers = store::nas::peers(&context.db).await?;
        let values: Vec<serde_json::Value> = peers
            .iter()
            .map(|peer| json!({ "nas": peer.name, "address": peer.address, "public_key": peer.public_key }))
            .collect();
        answer.give(&values, sections(&peers))
    }
}

fn sections(peers: &[Peer]) -> String {
    let mut text = String::from("# Routers that reported a key, by `portal wireguard peers`.\n");
    for Peer { name, address, public_key } in peers {
        // A name could hold anything; a comment holds what is printable.
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let section = write!(text, "\n# {name}\n[Peer]\nPublicKey = {public_key}\nAllowedIPs = {address}/32\n");
        section.expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_router_has_its_own_address_and_no_more() {
        let peer = Peer {
            name: "Cafe\n[Peer]".into(),
            address: std::net::Ipv4Addr::new(10, 99, 0, 2),
            public_key: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=".into(),
        };
        let text = sections(&[peer]);
        assert!(text.contains("# Cafe [Peer]\n[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\nAllowedIPs = 10.99.0.2/32\n"));
        assert_eq!(text.lines().filter(|line| *line == "[Peer]").count(), 1);
        assert!(sections(&[]).starts_with('#'));
    }
}
