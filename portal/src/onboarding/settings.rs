//! Puts together what a script is made of: what was chosen for the router, its own row, and the configuration as it is now. A line that
//! was made before the configuration changed gives a script of today.

use std::net::IpAddr;

use shared::config::Config;
use store::nas::{Enrolment, Nas};
use url::Url;

use super::{Fault, Plan, Section, Settings, Tunnel};

/// East Africa, where a site is that says nothing else.
const TIME_ZONE: &str = "Africa/Nairobi";
/// Where Stripe's pages and what they load come from (docs/operations/cards.md).
const STRIPE: [&str; 4] = ["checkout.stripe.com", "js.stripe.com", "api.stripe.com", "hooks.stripe.com"];

/// Why there is no script for a router.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unready {
    /// What was chosen cannot be read any more.
    #[error("what was chosen for this router cannot be read: set it up anew")]
    Plan,
    /// It comes through a tunnel, and there is none.
    #[error("this router comes through the tunnel, and [routers.tunnel] is not configured any more")]
    NoTunnel,
    /// The secret is no text.
    #[error("the secret of this router is no text: give it another one")]
    Secret,
    /// The script does not hold together.
    #[error("the script does not hold together, which is a mistake of ours: {0}")]
    Fault(#[from] Fault),
}

impl Settings {
    /// For this router, with this token in its line.
    pub(crate) fn of(config: &Config, nas: &Nas, enrolment: &Enrolment, token: &str) -> Result<Settings, Unready> {
        let plan: Plan = serde_json::from_value(enrolment.plan.clone()).map_err(|_| Unready::Plan)?;
        let portal = config.portal.public_url.as_str().trim_end_matches('/').to_owned();
        let tunnel = match (plan.behind_tunnel, &config.routers.tunnel, enrolment.tunnel_address) {
            (false, ..) => None,
            (true, Some(tunnel), Some(address)) => Some(Tunnel {
                address,
                network: tunnel.network,
                ours: tunnel.ours(),
                public_key: tunnel.public_key.clone(),
                endpoint: tunnel.endpoint.clone(),
                port: tunnel.port,
            }),
            (true, ..) => return Err(Unready::NoTunnel),
        };
        let port = |sockets: &[std::net::SocketAddr], usual| sockets.first().map_or(usual, std::net::SocketAddr::port);
        let rest = nas.rest.as_ref().filter(|_| plan.has(Section::Rest));
        Ok(Settings {
            identity: nas.identifier.clone().unwrap_or_else(|| nas.name.clone()),
            secret: String::from_utf8(nas.secret.clone()).map_err(|_| Unready::Secret)?,
            rest_password: rest.map(|rest| rest.password.as_str().to_owned()),
            radius: radius(config, tunnel.as_ref()),
            auth_port: port(&config.radius.auth_listen, 1812),
            acct_port: port(&config.radius.acct_listen, 1813),
            coa_port: nas.coa_port,
            ntp: config.routers.ntp.clone(),
            time_zone: nas.time_zone.clone().unwrap_or_else(|| TIME_ZONE.to_owned()),
            garden: garden(config),
            capport: capport(&config.portal.public_url, &nas.name),
            report: format!("{portal}/r/{token}/report"),
            plan,
            tunnel,
            portal,
        })
    }
}

/// Where radiusd is for this router. In the tunnel that is our end of it, and a backup counts only if it is in there too: from anywhere
/// else it would see the router at another address.
fn radius(config: &Config, tunnel: Option<&Tunnel>) -> Vec<String> {
    let backup = config.routers.radius_backup.clone();
    match tunnel {
        Some(tunnel) => {
            let is_inside = |host: &String| match host.parse() {
                Ok(IpAddr::V4(ip)) => tunnel.network.contains(&ip) && ip != tunnel.ours,
                _ => false,
            };
            [Some(tunnel.ours.to_string()), backup.filter(is_inside)].into_iter().flatten().collect()
        }
        None => {
            let primary = config.routers.radius.clone().unwrap_or_else(|| host(&config.portal.public_url));
            [Some(primary), backup].into_iter().flatten().collect()
        }
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or("127.0.0.1").trim_matches(['[', ']']).to_owned()
}

fn garden(config: &Config) -> Vec<String> {
    let stripe = STRIPE.iter().filter(|_| config.stripe.is_some()).map(|host| (*host).to_owned());
    let mut hosts: Vec<String> = std::iter::once(host(&config.portal.public_url))
        .chain(stripe)
        .chain(config.routers.walled_garden.clone())
        .collect();
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

/// RFC 8910 §2 wants https.
fn capport(public: &Url, router: &str) -> Option<String> {
    let mut url = public.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("capport").push(router);
    (url.scheme() == "https").then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routers_name_fits_into_an_address() {
        let public: Url = "https://wifi.example.net/".parse().expect("a URL");
        let url = capport(&public, "Cafe \"1\"/é").expect("https");
        assert_eq!(url, "https://wifi.example.net/capport/Cafe%20%221%22%2F%C3%A9");
        assert_eq!(capport(&"http://10.0.0.1".parse().expect("a URL"), "a"), None);
    }
}
