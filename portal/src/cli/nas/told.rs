//! What can be said of a router on the command line. What is not said stays as it is; a new router gets the default.

use clap::Args;
use ipnet::IpNet;
use shared::rng;
use store::nas::{Requirement, Settings};

use crate::cli::{Context, values};

/// What a router is recognised by. A new one needs one of the two.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The address or network that its packets come from.
    #[arg(long, value_parser = values::network)]
    pub(super) address: Option<IpNet>,
    /// The name in its client certificate, for RadSec: a DNS name or address of the SubjectAltName, or the common name.
    #[arg(long, value_name = "NAME", value_parser = values::certificate_name)]
    pub(super) radsec_name: Option<String>,
}

/// Everything else.
#[derive(Debug, Args)]
pub(super) struct Told {
    /// Its NAS-Identifier (on RouterOS: /system identity).
    #[arg(long)]
    pub(super) identifier: Option<String>,
    /// The site where it stands; made if new.
    #[arg(long, value_parser = values::name)]
    site: Option<String>,
    /// The port where it takes Disconnect-Requests [default: 3799].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    coa_port: Option<u16>,
    /// Whether its Access-Requests must be signed; auto: from the first signed one on [default: auto].
    #[arg(long, value_name = "auto|yes|no", value_parser = values::requirement)]
    require_message_authenticator: Option<Requirement>,
    /// Whether an unsigned Access-Request with Proxy-State is left unanswered; false only for a proxy [default: true].
    #[arg(long, value_name = "true|false")]
    limit_proxy_state: Option<bool>,
    /// Whether its answers to commands must be signed too; true only if the router signs them [default: false].
    #[arg(long, value_name = "true|false")]
    require_signed_answers: Option<bool>,
    /// Whether a device stays as it is when the router refuses to change its session (CoA); false: it is sent off, and logs
    /// in again with what it may now [default: false].
    #[arg(long, value_name = "true|false")]
    keep_on_refused_change: Option<bool>,
    /// A host that its login page sends guests back to, with the port if it is not 80; may be repeated, and replaces
    /// those that were told before.
    #[arg(long = "hotspot-host", value_name = "HOST[:PORT]", value_parser = values::host)]
    hotspot_hosts: Vec<String>,
}

impl Told {
    /// The same for the store, without a [`Place`]; a site that is new is made.
    pub(super) async fn settings(&self, context: &Context) -> anyhow::Result<Settings<'_>> {
        let now = context.now();
        let site_id = match &self.site {
            Some(name) => Some(store::site::ensure(&context.db, rng::id(now), name, now).await?),
            None => None,
        };
        Ok(Settings {
            site_id,
            identifier: self.identifier.as_deref(),
            coa_port: self.coa_port,
            require_message_authenticator: self.require_message_authenticator,
            limit_proxy_state: self.limit_proxy_state,
            require_signed_answers: self.require_signed_answers,
            keep_on_refused_change: self.keep_on_refused_change,
            hotspot_hosts: (!self.hotspot_hosts.is_empty()).then_some(&self.hotspot_hosts),
            ..Settings::default()
        })
    }
}
