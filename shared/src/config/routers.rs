//! `[routers]`: what a router is told that is set up by one line (docs/operations/routers.md), and the tunnel that it may come through.
//!
//! All of it is written into a script that the router runs, so what is checked here is the shape: a name, an address, a key. Whether
//! anything answers there shows when a router tries.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::Ipv4Net;
use serde::Deserialize;

use super::ConfigError;

/// Most octets of a host's name.
const HOST_MAX: usize = 253;
/// Most servers of time, and most hosts that guests reach before they have paid.
const LIST_MAX: usize = 64;
/// Octets of a key of WireGuard.
const KEY_OCTETS: usize = 32;
/// The narrowest network of a tunnel: our address and one router's.
const PREFIX_MAX: u8 = 30;
/// The widest: more addresses than anybody has routers.
const PREFIX_MIN: u8 = 8;

/// `[routers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Routers {
    /// Where routers reach radiusd: an address, or a name that the router looks up when it is set up. Default: the host of
    /// `portal.public_url`. A router behind the tunnel uses our address there.
    pub radius: Option<String>,
    /// The same for a second radiusd, which routers ask when the first does not answer. Default: none.
    pub radius_backup: Option<String>,
    /// Servers of time, at most 64. Default `["time.cloudflare.com", "pool.ntp.org"]`.
    pub ntp: Vec<String>,
    /// Hosts that guests reach before they have paid, besides the portal's and Stripe's; `*` stands for anything. At most 64.
    /// Default: none.
    pub walled_garden: Vec<String>,
    /// The tunnel; without the section none is offered.
    pub tunnel: Option<Tunnel>,
}

/// `[routers.tunnel]`: WireGuard, with our end on this machine or beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Where routers reach our end: an address or a name.
    pub endpoint: String,
    /// Its port. Default 51820.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Our public key, as `wg pubkey` prints it.
    pub public_key: String,
    /// The network within the tunnel. Its first address is ours, the others are given to routers.
    pub network: Ipv4Net,
}

fn default_port() -> u16 {
    51_820
}

impl Default for Routers {
    fn default() -> Routers {
        Routers {
            radius: None,
            radius_backup: None,
            ntp: vec!["time.cloudflare.com".into(), "pool.ntp.org".into()],
            walled_garden: Vec::new(),
            tunnel: None,
        }
    }
}

impl Routers {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, hosts) in [
            ("radius", self.radius.as_slice()),
            ("radius_backup", self.radius_backup.as_slice()),
            ("ntp", self.ntp.as_slice()),
        ] {
            hosts.iter().try_for_each(|text| host(&format!("routers.{key}"), text, false))?;
        }
        self.walled_garden.iter().try_for_each(|text| host("routers.walled_garden", text, true))?;
        if self.ntp.len() > LIST_MAX || self.walled_garden.len() > LIST_MAX || self.ntp.is_empty() {
            return Err(ConfigError::Range(format!(
                "routers.ntp and routers.walled_garden have at most {LIST_MAX} hosts, and routers.ntp has one at least"
            )));
        }
        self.tunnel.as_ref().map_or(Ok(()), Tunnel::check)
    }
}

impl Tunnel {
    fn check(&self) -> Result<(), ConfigError> {
        host("routers.tunnel.endpoint", &self.endpoint, false)?;
        let key = STANDARD.decode(&self.public_key).unwrap_or_default();
        if key.len() != KEY_OCTETS {
            return Err(ConfigError::Range(
                "routers.tunnel.public_key is no key of WireGuard: write what `wg pubkey` prints".into(),
            ));
        }
        let prefix = self.network.prefix_len();
        if !(PREFIX_MIN..=PREFIX_MAX).contains(&prefix) || self.port == 0 {
            return Err(ConfigError::Range(format!(
                "routers.tunnel.network has a prefix from {PREFIX_MIN} to {PREFIX_MAX}, such as 10.99.0.0/16, and its port is not 0"
            )));
        }
        Ok(())
    }

    /// Our address within the tunnel.
    pub fn ours(&self) -> Ipv4Addr {
        self.network.hosts().next().unwrap_or_else(|| self.network.network())
    }
}

/// A name or an address. It is written into scripts, so it holds nothing that means something there.
fn host(key: &str, text: &str, may_have_stars: bool) -> Result<(), ConfigError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':') || (may_have_stars && c == '*');
    if text.is_empty() || text.len() > HOST_MAX || text.starts_with('-') || !text.chars().all(is_plain) {
        return Err(ConfigError::Range(format!(
            "{key} has {text:?}, which is neither a name nor an address of a host"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

    fn tunnel(network: &str, public_key: &str) -> Tunnel {
        Tunnel {
            endpoint: "vpn.example.net".into(),
            port: 51_820,
            public_key: public_key.into(),
            network: network.parse().expect("a network"),
        }
    }

    #[test]
    fn the_first_address_of_the_tunnel_is_ours() {
        let tunnel = tunnel("10.99.0.0/16", KEY);
        assert!(tunnel.check().is_ok());
        assert_eq!(tunnel.ours(), Ipv4Addr::new(10, 99, 0, 1));
    }

    #[test]
    fn what_cannot_be_a_tunnel_is_refused_by_name() {
        for (network, key, word) in
            [("10.99.0.0/16", "short=", "public_key"), ("10.99.0.0/31", KEY, "network"), ("0.0.0.0/0", KEY, "network")]
        {
            let refused = tunnel(network, key).check().expect_err(word).to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn hosts_hold_nothing_that_means_something_in_a_script() {
        for good in ["radius.example.net", "10.20.0.1", "2001:db8::1"] {
            assert!(host("routers.radius", good, false).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a;b", "$x", "[x]", "-a", "*.example.net", "http://a/"] {
            let refused = host("routers.radius", bad, false).expect_err(bad).to_string();
            assert!(refused.contains("routers.radius"), "{refused}");
        }
        assert!(host("routers.walled_garden", "*.example.net", true).is_ok());
        assert!(Routers::default().check().is_ok());
    }
}
