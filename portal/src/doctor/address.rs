//! How guests and providers reach us: the address, its certificate, and what M-Pesa takes of it.
//!
//! A portal on this machine alone is right as long as every router is; a provider that calls back needs an address that the
//! world reaches. Certificates are looked at as a browser would, from here.

use std::net::IpAddr;
use std::time::Duration;

use shared::config::Config;
use shared::time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{Finding, about};
use crate::payments::mpesa::operations::forbidden_word;
use crate::urls;

/// Longest wait for the portal's public address, from here.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends sooner should have been renewed.
const RENEW_WITHIN: Duration = Duration::from_secs(14 * 24 * 3600);
/// Hosts of Safaricom, which report only to addresses that the world reaches.
const SAFARICOM: &str = "safaricom.co.ke";

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    url: Url,
    /// Whether guests are elsewhere than on this machine.
    has_routers: bool,
    addresses: Result<Vec<IpAddr>, String>,
    certificate: Certificate,
    /// Who reports to us from outside, and where.
    callers: Vec<Caller>,
    /// A word that M-Pesa takes in no address.
    forbidden: Option<&'static str>,
}

/// A provider that reports to us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    name: &'static str,
    url: Url,
    addresses: Result<Vec<IpAddr>, String>,
}

/// The certificate at the public address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Certificate {
    /// The address has none.
    None,
    /// It is good, until then.
    Good(OffsetDateTime),
    /// A browser refuses it.
    Refused(String),
    /// Nothing answers there, from here.
    Unreachable(String),
}

pub(super) async fn look(config: &Config, has_routers: bool) -> Facts {
    let url = config.portal.public_url.clone();
    let mut callers = Vec::new();
    for (name, url) in outside(config) {
        let addresses = resolve(&url).await;
        callers.push(Caller { name, url, addresses });
    }
    let certificate = certificate_of(&url).await;
    Facts { addresses: resolve(&url).await, has_routers, certificate, callers, forbidden: forbidden(config), url }
}

/// The providers that call us, with where they do. A simulator on this machine needs no address in the world.
fn outside(config: &Config) -> Vec<(&'static str, Url)> {
    let public = &config.portal.public_url;
    let mut callers = Vec::new();
    if let Some(mpesa) = &config.mpesa
        && mpesa.base_url.host_str().is_some_and(|host| host.ends_with(SAFARICOM))
    {
        callers.push(("M-Pesa", mpesa.callback_base_url.clone().unwrap_or_else(|| public.clone())));
    }
    if let Some(stripe) = &config.stripe
        && stripe.base_url.host_str() == Some("api.stripe.com")
    {
        callers.push(("Stripe", public.clone()));
    }
    callers
}

/// The first word that M-Pesa refuses in one of the addresses that we would give it. Their tokens hold none.
fn forbidden(config: &Config) -> Option<&'static str> {
    let mpesa = config.mpesa.as_ref()?;
    let base = mpesa.callback_base_url.as_ref().unwrap_or(&config.portal.public_url);
    let key = config.secrets.seal().ok()?;
    let (result, timeout) = urls::mpesa_results(base, &key, Uuid::nil());
    let c2b = urls::c2b(base, &key, &mpesa.shortcode);
    [result, timeout, c2b.validation, c2b.confirmation].iter().find_map(|address| forbidden_word(address))
}

async fn resolve(url: &Url) -> Result<Vec<IpAddr>, String> {
    let host = url.host_str().ok_or("it names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn certificate_of(url: &Url) -> Certificate {
    if url.scheme() != "https" {
        return Certificate::None;
    }
    let client = |trusting: bool| {
        reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .tls_info(true)
            .tls_danger_accept_invalid_certs(trusting)
            .build()
    };
    let answer = match client(false) {
        Ok(client) => client.get(url.clone()).send().await,
        Err(error) => return Certificate::Unreachable(chain(&error)),
    };
    match answer {
        Ok(answer) => match not_after(&answer) {
            Some(until) => Certificate::Good(until),
            None => Certificate::Refused("it cannot be read".to_owned()),
        },
        Err(refused) => {
            let trusting = match client(true) {
                Ok(client) => client.get(url.clone()).send().await.is_ok(),
                Err(_) => false,
            };
            // Somebody answers who is not believed: then it is the certificate.
            if trusting { Certificate::Refused(chain(&refused)) } else { Certificate::Unreachable(chain(&refused)) }
        }
    }
}

fn not_after(answer: &reqwest::Response) -> Option<OffsetDateTime> {
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(info.peer_certificate()?).ok()?;
    OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
}

/// The innermost reason of an error, which says most.
fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

pub(super) fn judge(facts: &Facts, now: OffsetDateTime) -> Vec<Finding> {
    vec![
        scheme(&facts.url, facts.has_routers),
        leads_here(&facts.addresses, facts.has_routers),
        certificate(&facts.certificate, now),
        callbacks(&facts.callers),
        words(facts.forbidden),
    ]
}

fn scheme(url: &Url, has_routers: bool) -> Finding {
    const NAME: &str = "public-url";
    match (url.scheme(), has_routers) {
        ("https", _) => Finding::ok(NAME, format!("guests reach the portal at {url}, encrypted")),
        (_, true) => Finding::problem(
            NAME,
            format!(
                "guests reach the portal at {url}, so that others in the Wi-Fi can read numbers and codes on their way"
            ),
            "put a proxy with a certificate in front of the portal (deploy/README.md), and set portal.public_url to its https address",
        ),
        (_, false) => Finding::note(
            NAME,
            format!("the portal is reached at {url}, not encrypted: good for trying on this machine"),
            "before a router is connected, put a proxy with a certificate in front of it",
        ),
    }
}

fn leads_here(addresses: &Result<Vec<IpAddr>, String>, has_routers: bool) -> Finding {
    const NAME: &str = "public-url-address";
    let advice = "set portal.public_url to an address that guests reach before they have paid, and let the routers' walled garden \
                  pass it";
    match addresses {
        Err(error) => Finding::problem(NAME, format!("the host of portal.public_url is not found: {error}"), advice),
        Ok(found) if found.is_empty() => Finding::problem(NAME, "the host of portal.public_url has no address", advice),
        Ok(found) if found.iter().all(IpAddr::is_loopback) && has_routers => Finding::problem(
            NAME,
            "portal.public_url leads every guest to the guest's own device, since it names this machine by itself",
            advice,
        ),
        Ok(found) if found.iter().all(IpAddr::is_loopback) => {
            Finding::note(NAME, "portal.public_url can be reached on this machine only", advice)
        }
        Ok(_) => Finding::ok(NAME, "the host of portal.public_url is found"),
    }
}

fn certificate(found: &Certificate, now: OffsetDateTime) -> Finding {
    const NAME: &str = "certificate";
    match found {
        Certificate::None => Finding::ok(NAME, "there is no certificate to look at"),
        Certificate::Good(until) => {
            let left = Duration::try_from(*until - now).unwrap_or_default();
            if left > RENEW_WITHIN {
                return Finding::ok(NAME, format!("the certificate is good for {}", about(left)));
            }
            let what = format!("the certificate of portal.public_url ends in {}", about(left));
            Finding::problem(NAME, what, "renew it, and see why that did not happen by itself")
        }
        Certificate::Refused(why) => Finding::problem(
            NAME,
            format!("browsers refuse the certificate of portal.public_url: {why}"),
            "give the proxy a certificate for this name, with those between it and its root",
        ),
        Certificate::Unreachable(why) => Finding::note(
            NAME,
            format!("portal.public_url cannot be reached from here: {why}"),
            "try it from a phone; some networks do not let a machine reach its own public address",
        ),
    }
}

fn callbacks(callers: &[Caller]) -> Finding {
    const NAME: &str = "callback-url";
    for caller in callers {
        let Caller { name, url, addresses } = caller;
        let advice = "give the portal an https address that the Internet reaches, and name it as portal.public_url, or for M-Pesa \
                      alone as mpesa.callback_base_url; until then payments are found only by asking, which takes longer";
        if url.scheme() != "https" {
            return Finding::problem(
                NAME,
                format!("{name} reports to https addresses only, and is told {url}"),
                advice,
            );
        }
        let is_public = addresses.as_ref().is_ok_and(|found| found.iter().any(|address| is_public(*address)));
        if !is_public {
            let what = format!("{name} cannot reach {url}: its address is not one of the Internet");
            return Finding::problem(NAME, what, advice);
        }
    }
    match callers {
        [] => Finding::ok(NAME, "no provider has to reach us"),
        some => {
            let names: Vec<&str> = some.iter().map(|caller| caller.name).collect();
            Finding::ok(NAME, format!("{} can report to us", names.join(" and ")))
        }
    }
}

/// Whether an address is one of the Internet, and not of a house or a carrier.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_other = ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_documentation();
            !(ip.is_private() || is_shared || is_other || ip.is_multicast() || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_local)
        }
    }
}

fn words(forbidden: Option<&'static str>) -> Finding {
    match forbidden {
        None => Finding::ok("callback-words", "no address that M-Pesa is told has a word that it refuses"),
        Some(word) => Finding::problem(
            "callback-words",
            format!("the addresses that M-Pesa is told hold \"{word}\", and it refuses such addresses"),
            "give the portal another name, or another one for M-Pesa alone (mpesa.callback_base_url)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok as Good, Problem};
    use super::super::table::expect;
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    fn found(addresses: &[&str]) -> Result<Vec<IpAddr>, String> {
        Ok(addresses.iter().map(|address| address.parse().expect("an address")).collect())
    }

    #[test]
    fn guests_who_are_elsewhere_need_encryption_and_an_address() {
        for (address, has_routers, verdict) in [
            ("https://wifi.example", true, Good),
            ("http://wifi.example", true, Problem),
            ("http://127.0.0.1:8080", false, Note),
        ] {
            expect(&scheme(&url(address), has_routers), "public-url", verdict);
        }
        for (addresses, has_routers, verdict) in [
            (found(&["196.201.214.200"]), true, Good),
            (found(&["10.20.0.1"]), true, Good),
            (found(&["127.0.0.1"]), true, Problem),
            (found(&["127.0.0.1", "::1"]), false, Note),
            (found(&[]), true, Problem),
            (Err("no such host".to_owned()), true, Problem),
        ] {
            expect(&leads_here(&addresses, has_routers), "public-url-address", verdict);
        }
    }

    #[test]
    fn a_certificate_is_renewed_in_time() {
        let now = at(1_800_000_000);
        let day = 24 * 3600;
        for (certificate_found, verdict) in [
            (Certificate::None, Good),
            (Certificate::Good(now + time::Duration::seconds(60 * day)), Good),
            (Certificate::Good(now + time::Duration::seconds(13 * day)), Problem),
            (Certificate::Good(now - time::Duration::seconds(day)), Problem),
            (Certificate::Refused("expired".into()), Problem),
            (Certificate::Unreachable("timed out".into()), Note),
        ] {
            expect(&certificate(&certificate_found, now), "certificate", verdict);
        }
    }

    #[test]
    fn providers_reach_us_over_the_internet() {
        let caller = |address: &str, addresses| vec![Caller { name: "M-Pesa", url: url(address), addresses }];
        for (callers, verdict) in [
            (Vec::new(), Good),
            (caller("https://wifi.example", found(&["196.201.214.200"])), Good),
            (caller("https://wifi.example", found(&["10.0.0.1", "196.201.214.200"])), Good),
            (caller("http://wifi.example", found(&["196.201.214.200"])), Problem),
            (caller("https://wifi.example", found(&["192.168.1.4"])), Problem),
            (caller("https://wifi.example", found(&["100.64.0.7"])), Problem),
            (caller("https://wifi.example", found(&["fd00::1"])), Problem),
            (caller("https://wifi.example", Err("no such host".to_owned())), Problem),
        ] {
            expect(&callbacks(&callers), "callback-url", verdict);
        }
        assert!(is_public("2a00:1450::1".parse().expect("an address")));
    }

    #[test]
    fn words_that_mpesa_refuses_are_named() {
        expect(&words(None), "callback-words", Good);
        expect(&words(Some("mpesa")), "callback-words", Problem);
    }
}
