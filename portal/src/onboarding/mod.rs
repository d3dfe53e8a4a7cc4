//! A router in one paste: the script that it fetches and runs, and what it reports back.
//!
//! ```text
//!  desk: the form ──► Plan ─┐
//!  configuration ───────────┼─► Settings ──► render ──► Script ──► check ──► /r/TOKEN, or a preview without secrets
//!  the router's own row ────┘                (steps, script, text)
//!  router ──► /r/TOKEN/report ──► report ──► its row
//! ```
//!
//! * [`settings`] puts together what a script is made of; [`steps`] writes it, a step a topic, with [`script`] and [`text`];
//! * [`text`] also checks each script before it is given to anybody: what does not hold together is not served;
//! * [`page`] is the login page that routers fetch; [`report`] reads what they send; [`serve`] has the addresses.
//!
//! A script may be run again at any time: it changes what is there and bears our name (`mlango`) or adds it, and leaves everything else
//! alone. Refused here: secrets on the router's screen or in its log, commands that one version of RouterOS does not know outside of
//! [`script::Writer::deferred`] (they would keep a whole line from being run), and text of anybody's that is not quoted.

mod page;
mod report;
mod script;
pub(crate) mod serve;
mod settings;
mod steps;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub(crate) use self::report::moment;
pub use self::script::Script;
pub(crate) use self::settings::Unready;
pub use self::steps::Step;
pub(crate) use self::text::quote;
pub use self::text::{Fault, check};

/// The file that the line fetches, on the router.
pub(crate) const FILE: &str = "mlango.rsc";
/// The user of the REST API that a script makes on the router.
pub(crate) const REST_USER: &str = "mlango";

/// Which RouterOS a router has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Version {
    /// 7, from 7.1 on.
    #[serde(rename = "7")]
    V7,
    /// 6.49, the last of the sixes.
    #[serde(rename = "6")]
    V6,
}

/// What a script sets besides the router's name and RADIUS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Time zone and servers of time.
    Clock,
    /// The guests' network: address, DHCP, way out.
    Network,
    /// The hotspot and its profile.
    Hotspot,
    /// Hosts that guests reach before they have paid.
    Garden,
    /// The login page.
    Pages,
    /// DHCP's option 114.
    Option114,
    /// A user for the REST API.
    Rest,
}

impl Section {
    /// All of them, in the order of the script.
    pub const ALL: [Section; 7] = [
        Section::Clock,
        Section::Network,
        Section::Hotspot,
        Section::Garden,
        Section::Pages,
        Section::Option114,
        Section::Rest,
    ];

    /// Its word in a form.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Section::Clock => "clock",
            Section::Network => "network",
            Section::Hotspot => "hotspot",
            Section::Garden => "garden",
            Section::Pages => "pages",
            Section::Option114 => "option114",
            Section::Rest => "rest",
        }
    }

    /// What it does, for whoever chooses.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Section::Clock => "Clock: time zone and NTP",
            Section::Network => "The guests’ network: address, DHCP and the way out, where they are not there yet",
            Section::Hotspot => "The hotspot and its profile",
            Section::Garden => "Walled garden, in both menus: the portal and what paying needs",
            Section::Pages => "The login page",
            Section::Option114 => "DHCP option 114, which tells devices where the portal is (needs https)",
            Section::Rest => "A user for the REST API, with which radiusd looks who is online (RouterOS 7)",
        }
    }
}

/// What somebody chose for a router; kept with it, without a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Which RouterOS it has.
    pub version: Version,
    /// The interface of the hotspot.
    pub interface: String,
    /// The name of its login page; empty: its address alone.
    pub dns_name: String,
    /// The guests' network.
    pub guests: Option<Ipv4Net>,
    /// What is set.
    pub sections: BTreeSet<Section>,
    /// Whether it comes through the tunnel.
    pub behind_tunnel: bool,
    /// Whether it checks the portal's certificate.
    pub check_certificate: bool,
}

impl Plan {
    /// Whether this is set.
    pub fn has(&self, section: Section) -> bool {
        self.sections.contains(&section)
    }

    /// The names by which guests reach its login page.
    pub(crate) fn hotspot_hosts(&self) -> Vec<String> {
        let name = Some(self.dns_name.clone()).filter(|name| !name.is_empty());
        name.into_iter().chain(self.guests.map(|guests| steps::gateway(guests).to_string())).collect()
    }

    /// How it checks the portal's certificate, as `/tool fetch` spells it.
    fn certificate_check(&self) -> &'static str {
        match (self.check_certificate, self.version) {
            (false, _) => "no",
            (true, Version::V7) => "yes-without-crl",
            (true, Version::V6) => "yes",
        }
    }
}

/// All that a script is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// What was chosen.
    pub plan: Plan,
    /// The router's name.
    pub identity: String,
    /// The secret that it shares with radiusd.
    pub secret: String,
    /// The password of [`REST_USER`].
    pub rest_password: Option<String>,
    /// Where radiusd is, the backup last.
    pub radius: Vec<String>,
    /// Where Access-Requests go.
    pub auth_port: u16,
    /// Where Accounting-Requests go.
    pub acct_port: u16,
    /// Where the router takes Disconnect-Requests.
    pub coa_port: u16,
    /// The tunnel, if the router comes through it.
    pub tunnel: Option<Tunnel>,
    /// Servers of time.
    pub ntp: Vec<String>,
    /// The time zone of its site.
    pub time_zone: String,
    /// Hosts that guests reach before they have paid.
    pub garden: Vec<String>,
    /// The portal, without a slash at the end.
    pub portal: String,
    /// Where devices ask whether they are captive, if that is https.
    pub capport: Option<String>,
    /// Where it reports.
    pub report: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("identity", &self.identity).field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// One router's end of the tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// Its address.
    pub address: Ipv4Addr,
    /// The network within.
    pub network: Ipv4Net,
    /// Our address.
    pub ours: Ipv4Addr,
    /// Our public key.
    pub public_key: String,
    /// Where our end is reached.
    pub endpoint: String,
    /// Its port.
    pub port: u16,
}

/// What stands for a secret where one is not to be shown.
const HIDDEN: &str = "NOT-SHOWN-HERE";

impl Settings {
    /// The same without a secret, to be looked at.
    #[must_use]
    pub fn blanked(self) -> Settings {
        let report = format!("{}/r/{HIDDEN}/report", self.portal);
        let rest_password = self.rest_password.map(|_| HIDDEN.to_owned());
        Settings { secret: HIDDEN.into(), rest_password, report, ..self }
    }
}

/// Writes the script, and checks it.
///
/// # Errors
/// What does not hold together in it, which is a mistake of ours.
pub fn render(settings: &Settings) -> Result<Script, Fault> {
    let script = steps::write(settings);
    check(&script.text)?;
    script.deferred.iter().try_for_each(|command| check(command))?;
    Ok(script)
}

/// The line that an operator pastes. It stops at the first of its parts that fails.
pub fn line(portal: &str, token: &str, plan: &Plan) -> String {
    let (url, certificate) = (quote(&format!("{portal}/r/{token}")), plan.certificate_check());
    format!(
        "/tool fetch url={url} dst-path={FILE} check-certificate={certificate}; /import file-name={FILE}; /file remove [find name=\"{FILE}\"]"
    )
}

#[cfg(test)]
mod tests;
