//! How arguments spell durations, data, speeds, prices and names, and how tables are printed for people. The desk's forms spell
//! prices, names and receipts in the same way.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use shared::sale::AtSite;
use store::nas::{MAX_OVERLAP, Requirement};

/// Most octets that are read as a secret from standard input.
pub(super) const MAX_SECRET: u64 = 4096;

/// Longest time that a package may last, seconds: ten years, as the database holds it too.
const MAX_DURATION: u64 = 315_360_000;

/// `90s`, `30m`, `1h`, `1d` or `1w`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    match with_unit(text, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)]) {
        Some(seconds) if seconds <= MAX_DURATION => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("at most ten years"),
        None => Err("write a number and its unit, such as 30m, 1h, 1d or 1w"),
    }
}

/// How long an old secret is honoured: a duration of at most thirty days, or `0`.
pub(super) fn overlap(text: &str) -> Result<Duration, &'static str> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => duration(text).and_then(|time| if time <= MAX_OVERLAP { Ok(time) } else { Err("at most 30d") }),
    }
}

/// `500MB`, `2GB`: decimal, as data is sold.
pub(crate) fn octets(text: &str) -> Result<u64, &'static str> {
    with_unit(text, &[("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)])
        .ok_or("write a number and its unit, such as 500MB or 2GB")
}

/// `512k` or `3M`, bit/s; `0` is without limit.
pub(super) fn speed(text: &str) -> Result<u64, &'static str> {
    if text == "0" {
        return Ok(0);
    }
    with_unit(text, &[("k", 1_000), ("M", 1_000_000)]).ok_or("write a speed such as 512k or 3M, or 0 for no limit")
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|&value| value > 0 && i64::try_from(value).is_ok())
}

/// `20` or `20.50`, in minor units.
pub(crate) fn price(text: &str) -> Result<i64, &'static str> {
    let wrong = "write a price such as 20 or 20.50";
    let (units, cents) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(cents) || cents.len() != 2 {
        return Err(wrong);
    }
    format!("{units}{cents}").parse().map_err(|_| wrong)
}

/// A site and what a package costs there, such as `Market=15`, `Market: 15`, `Beach=no` (it is not sold there) or `Beach=usual`, which
/// is `None`.
pub(crate) fn at_site(text: &str) -> Result<(String, Option<AtSite>), &'static str> {
    let wrong = "write a site and a price, such as Market=15, or Market=no where it is not sold";
    let (site, at) = text.rsplit_once(['=', ':']).ok_or(wrong)?;
    let at = match at.trim() {
        "no" | "not sold" => Some(AtSite::NotSold),
        "usual" => None,
        amount => Some(AtSite::Costs(price(amount).map_err(|_| wrong)?)),
    };
    Ok((name(site)?, at))
}

/// An address or a network in CIDR notation.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse().map_err(|_| "write an address or a network, such as 10.0.0.1 or 10.0.0.0/24"),
    }
}

/// A name in a certificate, in its one spelling.
pub(crate) fn certificate_name(text: &str) -> Result<String, &'static str> {
    let name = name(text).map(|name| store::nas::radsec_name(&name)).unwrap_or_default();
    if name.is_empty() || name.contains('*') {
        return Err("write the DNS name, address or common name in the router's certificate, such as cafe.example.net");
    }
    Ok(name)
}

/// `auto`, `yes` or `no`.
pub(super) fn requirement(text: &str) -> Result<Requirement, &'static str> {
    Requirement::parse(text).ok_or("write auto, yes or no")
}

/// `host` or `host:port`, in lower case.
pub(crate) fn host(text: &str) -> Result<String, &'static str> {
    let is_host = url::Url::parse(&format!("http://{text}/")).is_ok_and(|url| {
        url.path() == "/" && url.username().is_empty() && url.host_str().is_some() && url.query().is_none()
    });
    if is_host && !text.contains(['/', '?', '#', '@']) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("write a host such as 10.5.50.1 or login.hotspot:8090, not an address with http://")
    }
}

/// A user of a router, as HTTP's Basic authentication can carry it.
pub(crate) fn router_user(text: &str) -> Result<String, &'static str> {
    match name(text) {
        Ok(user) if !user.contains(':') => Ok(user),
        _ => Err("write the name of a user on the router, without a colon"),
    }
}

/// An address to sign in with, in lower case.
pub(crate) fn email(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
    match parts {
        Some(_) if name(text).is_ok() && !text.contains(' ') => Ok(text.to_lowercase()),
        _ => Err("write an address such as name@example.org"),
    }
}

/// Some text on one line.
pub(crate) fn name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err("write one to two hundred characters on one line");
    }
    Ok(text.to_owned())
}

/// A receipt of M-Pesa, in its one spelling.
pub(crate) fn receipt(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if !(6..=20).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("write a receipt such as RKTQDM7W6S");
    }
    Ok(text.to_ascii_uppercase())
}

/// A receipt, of M-Pesa or of Stripe (`pi_…`), or the code of an order.
pub(super) fn refundable(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    match text.strip_prefix("pi_") {
        Some(rest)
            if (1..=60).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            Ok(text.to_owned())
        }
        _ => receipt(text).map_err(|_| "write a receipt such as RKTQDM7W6S or pi_3Px…, or the code of an order"),
    }
}

/// What a URL can carry.
pub(crate) fn slug(text: &str) -> Result<String, &'static str> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > 63 || text.starts_with('-') || !text.bytes().all(fine) {
        return Err("write small letters, digits and dashes, such as 1-hour");
    }
    Ok(text.to_owned())
}

/// Columns as wide as what stands in them.
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(heads: [&str; N]) -> Table<N> {
        Table { rows: vec![heads.map(str::to_uppercase)] }
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(duration("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("1w"), Ok(Duration::from_secs(604_800)));
        assert_eq!((overlap("0"), overlap("2h")), (Ok(Duration::ZERO), Ok(Duration::from_secs(7200))));
        assert_eq!((overlap("31d"), overlap("x").is_err()), (Err("at most 30d"), true));
        assert_eq!(octets("500MB"), Ok(500_000_000));
        assert_eq!(speed("512k"), Ok(512_000));
        assert_eq!(speed("0"), Ok(0));
        assert_eq!(price("20"), Ok(2000));
        assert_eq!(price("20.05"), Ok(2005));
    }

    #[test]
    fn a_site_has_a_price_or_none() {
        let read = at_site;
        let market = || "Market".to_owned();
        assert_eq!(read("Market=15"), Ok((market(), Some(AtSite::Costs(1500)))));
        assert_eq!(read("Market: 15.50"), Ok((market(), Some(AtSite::Costs(1550)))));
        assert_eq!(read("Market = no"), Ok((market(), Some(AtSite::NotSold))));
        assert_eq!(read("Market: not sold"), Ok((market(), Some(AtSite::NotSold))));
        assert_eq!(read("Market=usual"), Ok((market(), None)));
        assert_eq!(read("Stage 3: Gate=0"), Ok(("Stage 3: Gate".to_owned(), Some(AtSite::Costs(0)))));
        for text in ["", "Market", "Market=", "=15", "Market=-1", "Market=free"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_without_sense_are_refused() {
        for text in ["", "1", "h", "1x", "-1h", "1.5h", "0m", "3651d", "99999999999999999999w"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "-1", "20.5", "20.", ".50", "1e3", "KSh 20", "99999999999999999999"] {
            assert!(price(text).is_err(), "{text}");
        }
        assert!(octets("5XB").is_err() && speed("5").is_err());
    }

    #[test]
    fn networks_and_hosts() {
        assert_eq!(network("10.0.0.1").expect("an address").to_string(), "10.0.0.1/32");
        assert_eq!(network("10.0.0.0/24").expect("a network").to_string(), "10.0.0.0/24");
        assert_eq!(certificate_name("Cafe.Example"), Ok("cafe.example".into()));
        assert!(certificate_name("").is_err() && certificate_name("*.example").is_err());
        assert!(network("router").is_err());
        assert_eq!(host("Login.Hotspot:8090"), Ok("login.hotspot:8090".into()));
        for text in ["", "http://10.5.50.1", "10.5.50.1/login", "a@b", "h:99999", "a b"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_slugs_and_addresses() {
        assert_eq!(email("Me@Example.org"), Ok("me@example.org".into()));
        assert!(email("@x").is_err() && email("a").is_err() && email("a b@c").is_err() && email("a\n@b").is_err());
        assert_eq!(email("a@b\n"), Ok("a@b".into()));
        assert!(slug("1-hour").is_ok() && slug("1 hour").is_err() && slug("-x").is_err());
        assert_eq!(receipt(" rktqdm7w6s"), Ok("RKTQDM7W6S".into()));
        assert!(receipt("RKTQ").is_err() && receipt("RKTQ-DM7W6S").is_err());
        assert!(name("Demo Café").is_ok() && name("a\u{7}b").is_err() && name("  ").is_err());
    }

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(["name", "price"]);
        table.row(["1 hour".into(), "KSh 20".into()]);
        assert_eq!(table.to_string(), "NAME    PRICE\n1 hour  KSh 20\n");
    }
}
