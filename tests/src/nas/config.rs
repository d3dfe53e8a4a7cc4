//! What is set on the simulated router before it is switched on, and what a test can change while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use radius_proto::{EmptySecret, Secret};

/// `login-by` of the hotspot's profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginBy {
    /// The page shows a challenge and the browser answers it.
    pub http_chap: bool,
    /// The browser may send a clear password.
    pub http_pap: bool,
    /// A device is tried by its MAC address when it appears.
    pub mac: bool,
}

/// A word of `--login-by` is none of `http-chap`, `http-pap`, `mac`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("login-by knows http-chap, http-pap and mac, not \"{0}\"")]
pub struct UnknownLoginMethod(String);

impl FromStr for LoginBy {
    type Err = UnknownLoginMethod;

    fn from_str(text: &str) -> Result<LoginBy, UnknownLoginMethod> {
        let mut login_by = LoginBy { http_chap: false, http_pap: false, mac: false };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "http-chap" => login_by.http_chap = true,
                "http-pap" => login_by.http_pap = true,
                "mac" => login_by.mac = true,
                other => return Err(UnknownLoginMethod(other.to_owned())),
            }
        }
        Ok(login_by)
    }
}

/// Settings of a simulated router. [`NasConfig::new`] gives what a router has that was set up by the
/// project's provisioning script; the fields are public to be changed.
#[derive(Clone, Debug)]
pub struct NasConfig {
    /// Address of everything that the router does: its servlet, its CoA port, and the source of its requests.
    pub bind: Ipv4Addr,
    /// Port of the servlet; 0 takes a free one.
    pub http_port: u16,
    /// Port for Disconnect and CoA; RouterOS uses 3799. 0 takes a free one.
    pub coa_port: u16,
    /// `/system identity`: NAS-Identifier.
    pub identity: String,
    /// Name of the hotspot server: Called-Station-Id.
    pub server_name: String,
    /// Name of the interface: NAS-Port-Id.
    pub interface: String,
    /// NAS-IP-Address; `bind` when absent.
    pub nas_ip: Option<Ipv4Addr>,
    /// HOST or HOST:PORT that browsers know the servlet by, where that is not the bound address.
    pub hotspot_host: Option<String>,
    /// Addresses for clients. The first belongs to the router.
    pub pool: Ipv4Net,
    /// Where Access-Requests go.
    pub auth: SocketAddr,
    /// Where Accounting-Requests go.
    pub acct: SocketAddr,
    /// Another server, asked after the first one has not answered three times: where Access-Requests and where
    /// Accounting-Requests go. Each request begins with the first one again; when RouterOS would spare itself that is not
    /// documented.
    pub backup: Option<(SocketAddr, SocketAddr)>,
    /// The secret shared with these servers.
    pub secret: Secret,
    /// Wait after each of the three transmissions. RouterOS: 300 ms in old versions, 1100 ms in new ones.
    pub timeout: Duration,
    /// Sign Access-Requests and require signed answers (RouterOS 7.15 and later; on by default there).
    pub require_message_auth: bool,
    /// Base of the portal that the login page sends browsers to, with no slash at the end.
    pub portal_url: String,
    /// Ways to log in.
    pub login_by: LoginBy,
    /// `radius-location-id` and `radius-location-name`.
    pub location: Option<(String, String)>,
    /// `shared-users`: sessions for one name unless Port-Limit says otherwise; `None` is unlimited.
    pub shared_users: Option<u32>,
    /// Shortest interval between Interim-Updates whatever the server asks for; routers in the field show 10 s.
    pub interim_floor: Duration,
    /// Boot nibble of the first session ids.
    pub boot: u8,
    /// Whether Session-Timeout in a CoA counts from the CoA and not from the start of the session. Which of
    /// the two RouterOS does is not documented.
    pub coa_timeout_from_now: bool,
    /// Whether a CoA may change Mikrotik-Total-Limit. The manual does not list it among what can be changed.
    pub coa_total_limit: bool,
    /// User and password of the REST API, which is served on the servlet's port; `None`: it is off.
    pub rest: Option<(String, String)>,
    /// Seed for challenges and authenticators; random when absent.
    pub seed: Option<u64>,
}

impl NasConfig {
    /// A router on loopback with free ports, every way to log in, and Message-Authenticator required.
    ///
    /// # Errors
    /// If the secret is empty.
    pub fn new(auth: SocketAddr, acct: SocketAddr, secret: &[u8]) -> Result<NasConfig, EmptySecret> {
        Ok(NasConfig {
            bind: Ipv4Addr::LOCALHOST,
            http_port: 0,
            coa_port: 0,
            identity: "demo-router".to_owned(),
            server_name: "hs1".to_owned(),
            interface: "bridge-hs".to_owned(),
            nas_ip: None,
            hotspot_host: None,
            pool: Ipv4Net::new_assert(Ipv4Addr::new(10, 5, 50, 0), 24),
            auth,
            acct,
            backup: None,
            secret: Secret::new(secret)?,
            timeout: Duration::from_millis(300),
            require_message_auth: true,
            portal_url: "http://127.0.0.1:8080".to_owned(),
            login_by: LoginBy { http_chap: true, http_pap: true, mac: true },
            location: None,
            shared_users: None,
            interim_floor: Duration::from_secs(10),
            boot: 1,
            coa_timeout_from_now: false,
            coa_total_limit: false,
            rest: None,
            seed: None,
        })
    }

    /// NAS-IP-Address.
    pub(crate) fn nas_ip(&self) -> Ipv4Addr {
        self.nas_ip.unwrap_or(if self.bind.is_unspecified() { Ipv4Addr::LOCALHOST } else { self.bind })
    }
}

/// How the router answers Disconnect- and CoA-Requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CoaBehaviour {
    /// As RouterOS does.
    #[default]
    Normal,
    /// Not at all, as when its port is closed or the tunnel is down.
    Silent,
    /// Always a NAK with this Error-Cause.
    Nak(u32),
    /// An ACK, and nothing happens.
    AckWithoutCut,
}

/// How the router's REST API answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RestBehaviour {
    /// As RouterOS does.
    #[default]
    Normal,
    /// There is no such path, as on another version, or where something else listens.
    Off,
    /// The user or the password is wrong, whatever it is.
    WrongPassword,
    /// With an error of its own (500).
    Failing,
    /// As it should, so much later.
    Slow(Duration),
    /// It says that it takes sessions off, and does not.
    RemovesNothing,
}

/// What a test can make go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Misbehaviour {
    /// The answer to Disconnect and CoA.
    pub coa: CoaBehaviour,
    /// How long that answer is held back; what it does happens at once.
    pub coa_delay: Duration,
    /// The REST API.
    pub rest: RestBehaviour,
    /// Answers of the RADIUS server are lost on the way: the server has done its work, the router repeats.
    pub lose_replies: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_by_reads_words_and_names_the_unknown_one() {
        let all: LoginBy = "http-chap, http-pap,mac".parse().expect("known words");
        assert_eq!(all, LoginBy { http_chap: true, http_pap: true, mac: true });
        let one: LoginBy = "http-pap".parse().expect("a known word");
        assert!(!one.http_chap && one.http_pap && !one.mac);
        assert_eq!("trial".parse::<LoginBy>(), Err(UnknownLoginMethod("trial".to_owned())));
    }
}
