//! Where a router's REST API is reached: what an operator types, what is stored and what radiusd asks is one value, checked here.
//!
//! Every request carries a password. So `http://` is taken only with an address that no packet from here reaches over the
//! open Internet, such as the router's in the tunnel, and never with a name, which may lead anywhere; elsewhere it is
//! `https://`. No router is at an address that is link-local, a group's or nobody's: behind such a one machines of clouds keep what nobody
//! else should ask for. There is nothing else in it: the path is the API's, and the user has a place of their own.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

/// Most characters, as the database holds it too.
const MAX_LENGTH: usize = 300;

/// The beginning of every address of a router's REST API: scheme, host and port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestUrl(String);

/// Why a text is no such address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestUrlError {
    /// Not a URL of http or https with a host.
    #[error("write where the router is reached, such as https://router.example.net or http://10.20.0.2:8080")]
    NotAnAddress,
    /// A user, a path, a query or a fragment.
    #[error("write scheme, host and port alone; the path is /rest by itself, and the user is told apart from it")]
    TooMuch,
    /// A link-local address, a group's, or none.
    #[error("no router is reached at an address that is link-local, a group's or nobody's")]
    Nobodys,
    /// `http://` with a name or a public address.
    #[error("http:// sends the password readable: it is for a private address, such as the router's in a tunnel")]
    Readable,
}

impl FromStr for RestUrl {
    type Err = RestUrlError;

    fn from_str(text: &str) -> Result<RestUrl, RestUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| RestUrlError::NotAnAddress)?;
        let host = url.host().ok_or(RestUrlError::NotAnAddress)?;
        if is_nobodys(&host) {
            return Err(RestUrlError::Nobodys);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_private(&host) => {}
            "http" => return Err(RestUrlError::Readable),
            _ => return Err(RestUrlError::NotAnAddress),
        }
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        let spelled = url.as_str().trim_end_matches('/');
        if !is_bare || spelled.len() > MAX_LENGTH {
            return Err(RestUrlError::TooMuch);
        }
        Ok(RestUrl(spelled.to_owned()))
    }
}

impl fmt::Display for RestUrl {
    /// Without a slash at the end: a path follows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_nobodys(host: &Host<&str>) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_unspecified() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast();
    let v6 = |ip: &Ipv6Addr| ip.is_unspecified() || ip.is_unicast_link_local() || ip.is_multicast();
    match host {
        Host::Ipv4(ip) => v4(*ip),
        Host::Ipv6(ip) => ip.to_ipv4_mapped().map_or_else(|| v6(ip), v4),
        Host::Domain(_) => false,
    }
}

fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => is_private_v4(*ip),
        Host::Ipv6(ip) => ip.to_ipv4_mapped().map_or_else(|| is_private_v6(*ip), is_private_v4),
        Host::Domain(_) => false,
    }
}

/// RFC 1918, this machine, and the addresses that carriers and overlay networks share (RFC 6598).
fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private() || ip.is_loopback() || (first == 100 && second & 0xc0 == 64)
}

/// Unique local addresses (RFC 4193), and this machine.
fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Result<String, RestUrlError> {
        text.parse::<RestUrl>().map(|url| url.to_string())
    }

    #[test]
    fn clear_text_is_for_private_addresses_alone() {
        for private in ["10.20.0.2", "172.31.255.1", "192.168.88.1", "100.64.0.9", "127.0.0.1", "[fd00::2]", "[::1]"] {
            let url = format!("http://{private}:8080");
            assert_eq!(spelled(&url), Ok(url.clone()));
        }
        for open in ["192.0.2.1", "100.128.0.1", "172.32.0.1", "[2001:db8::1]", "[::ffff:192.0.2.1]", "router.lan"] {
            assert_eq!(spelled(&format!("http://{open}")), Err(RestUrlError::Readable), "{open}");
            assert!(spelled(&format!("https://{open}")).is_ok(), "{open}");
        }
        // Other spellings of an address are the address.
        assert_eq!(spelled("http://0x0a140002/"), Ok("http://10.20.0.2".to_owned()));
        assert_eq!(spelled("http://3221225985"), Err(RestUrlError::Readable));
    }

    #[test]
    fn no_router_is_at_an_address_that_is_nobodys() {
        for nobodys in [
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:169.254.169.254]",
        ] {
            for scheme in ["http", "https"] {
                assert_eq!(spelled(&format!("{scheme}://{nobodys}")), Err(RestUrlError::Nobodys), "{scheme} {nobodys}");
            }
        }
    }

    #[test]
    fn it_is_scheme_host_and_port_and_nothing_else() {
        assert_eq!(spelled(" HTTPS://Router.Example.net:443/ "), Ok("https://router.example.net".to_owned()));
        for more in ["/rest", "/?a=b", "/#a", "?", "#"] {
            assert_eq!(spelled(&format!("https://r.example{more}")), Err(RestUrlError::TooMuch), "{more}");
        }
        assert_eq!(spelled("https://admin@r.example"), Err(RestUrlError::TooMuch));
        assert_eq!(spelled("https://:secret@r.example"), Err(RestUrlError::TooMuch));
        for nothing in ["", "10.20.0.2", "ftp://10.20.0.2", "mailto:a@b.example", "https://"] {
            assert_eq!(spelled(nothing), Err(RestUrlError::NotAnAddress), "{nothing}");
        }
    }
}
