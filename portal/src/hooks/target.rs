//! Where a webhook may go: to public addresses by https, and to networks that the operator has named.
//!
//! Whoever may name an address could else have us reach machines behind us (server-side request forgery). A name is looked up
//! once for each request, every address that it has is judged, and the connection is made to those and to no others; a redirect is not
//! followed. What is judged at the endpoint's making is judged again at each request, since names change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::{Client, redirect};
use url::{Host, Url};

/// Longest address, as the database holds it too.
const MAX_LENGTH: usize = 500;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Why an address is not one to which a webhook goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Not an address of https.
    #[error("write an address such as https://hooks.example.org/mlango")]
    NotAnAddress,
    /// A user or a fragment.
    #[error("an address for webhooks names neither a user nor a fragment")]
    TooMuch,
    /// Readable on the way, or to a machine of our own.
    #[error("webhooks go to public addresses by https; networks of your own are named in api.webhook_networks")]
    NotPublic,
    /// Nobody knows the name.
    #[error("the name of the receiver has no address")]
    Unknown,
    /// TLS cannot be set up.
    #[error("no request can be made")]
    Broken,
}

/// Reads an address, as far as that can be judged without looking its name up.
pub(crate) fn read(text: &str, networks: &[IpNet]) -> Result<Url, Refused> {
    let url = Url::parse(text).map_err(|_| Refused::NotAnAddress)?;
    let host = url.host().ok_or(Refused::NotAnAddress)?;
    if !matches!(url.scheme(), "https" | "http") || text.len() > MAX_LENGTH {
        return Err(Refused::NotAnAddress);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(Refused::TooMuch);
    }
    let literal = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    let is_named = |address: &IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
    let is_fine = match (url.scheme(), literal) {
        // Without TLS only the operator's own networks are trusted, and a name may lead anywhere.
        ("http", literal) => literal.is_some_and(|address| is_named(&address)),
        (_, Some(address)) => is_public(address) || is_named(&address),
        (_, None) => true,
    };
    if is_fine { Ok(url) } else { Err(Refused::NotPublic) }
}

/// A client that reaches this address and nothing else.
pub(crate) async fn client(url: &Url, networks: &[IpNet], timeout: Duration) -> Result<Client, Refused> {
    let builder = Client::builder()
        .timeout(timeout)
        .connect_timeout(CONNECT.min(timeout))
        .redirect(redirect::Policy::none())
        // A proxy would look the name up once more.
        .no_proxy();
    let builder = match url.host() {
        Some(Host::Domain(name)) => {
            let port = url.port_or_known_default().ok_or(Refused::NotAnAddress)?;
            let looked_up = tokio::time::timeout(CONNECT, tokio::net::lookup_host((name, port))).await;
            let addresses: Vec<SocketAddr> =
                looked_up.map_err(|_| Refused::Unknown)?.map_err(|_| Refused::Unknown)?.collect();
            if addresses.is_empty() {
                return Err(Refused::Unknown);
            }
            let is_named = |address: IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
            // One that leads inside makes the name worth nothing: the next look-up may give that one alone.
            if !addresses.iter().all(|address| is_public(address.ip()) || is_named(address.ip())) {
                return Err(Refused::NotPublic);
            }
            builder.resolve_to_addrs(name, &addresses)
        }
        _ => builder,
    };
    builder.build().map_err(|_| Refused::Broken)
}

/// Whether an address is reached over the open Internet, and no machine of ours or of our provider has it.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not one of the special-purpose addresses (RFC 6890 and its registry).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !is_special
}

/// Global unicast, without what wraps another address or is for documents.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    // 2001::/23 holds Teredo and the like, 2001:db8::/32 is for documents, 2002::/16 wraps an IPv4 address.
    is_global && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8)) && first != 0x2002 && first != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_behind_us_are_no_receivers() {
        for url in [
            "https://127.0.0.1/x",
            "https://10.0.0.1/x",
            "https://100.64.0.1/x",
            "https://169.254.169.254/latest/meta-data",
            "https://172.31.0.1/x",
            "https://192.168.1.1:8443/x",
            "https://0.0.0.0/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://255.255.255.255/x",
            "https://[::1]/x",
            "https://[fe80::1]/x",
            "https://[fd00::1]/x",
            "https://[::ffff:10.0.0.1]/x",
            "https://[64:ff9b::a00:1]/x",
            "https://[2002:a00:1::]/x",
            "http://hooks.example.org/x",
            "http://8.8.8.8/x",
        ] {
            assert_eq!(read(url, &[]), Err(Refused::NotPublic), "{url}");
        }
    }

    #[test]
    fn public_addresses_and_named_networks_are() {
        let own: Vec<IpNet> =
            vec!["127.0.0.0/8".parse().expect("a network"), "10.1.0.0/16".parse().expect("a network")];
        for url in ["https://hooks.example.org/x?y=1", "https://8.8.8.8:8443/x", "https://[2606:4700::1111]/x"] {
            assert!(read(url, &[]).is_ok(), "{url}");
        }
        for url in ["http://127.0.0.1:9000/x", "https://10.1.2.3/x", "https://[::ffff:10.1.2.3]/x"] {
            assert!(read(url, &own).is_ok(), "{url}");
        }
        assert_eq!(read("http://10.2.0.1/x", &own), Err(Refused::NotPublic));
        assert_eq!(read("http://inside.example/x", &own), Err(Refused::NotPublic), "a name may lead anywhere");
    }

    #[test]
    fn an_address_is_one_of_https_and_nothing_more() {
        for url in ["", "hooks.example.org", "ftp://hooks.example.org/", "javascript:alert(1)", "https://"] {
            assert_eq!(read(url, &[]), Err(Refused::NotAnAddress), "{url}");
        }
        for url in ["https://user:pw@hooks.example.org/", "https://hooks.example.org/#x"] {
            assert_eq!(read(url, &[]), Err(Refused::TooMuch), "{url}");
        }
        let long = format!("https://hooks.example.org/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(read(&long, &[]), Err(Refused::NotAnAddress));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_looked_up() {
        let url = read("https://localhost/x", &[]).expect("a name is not judged yet");
        let refused = client(&url, &[], Duration::from_secs(1)).await.map(|_| ());
        assert_eq!(refused, Err(Refused::NotPublic));
        let own = ["127.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")];
        assert!(client(&url, &own, Duration::from_secs(1)).await.is_ok());
    }
}
