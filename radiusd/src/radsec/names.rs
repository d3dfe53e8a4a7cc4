//! Whom a router's certificate names (RFC 6614 §2.3).
//!
//! The chain, the times and the use of the certificate were checked by the TLS handshake; here it is only read. Its
//! names are the DNS names and addresses of SubjectAltName, and the common names where there is no SubjectAltName at
//! all. Wildcards mean nothing: a name is compared as it stands.

use std::net::IpAddr;

use shared::time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// Names that are looked at; a certificate may hold any number.
const MAX_NAMES: usize = 64;

/// What a certificate says of its holder.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Holder {
    /// In lower case, in the order of the certificate.
    pub(super) names: Vec<String>,
    /// Until when it is good.
    pub(super) not_after: OffsetDateTime,
}

/// Reads a certificate, DER. `None`: it is none.
pub(super) fn read(der: &[u8]) -> Option<Holder> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Holder { names: names(&certificate)?, not_after: not_after(&certificate)? })
}

/// Until when a certificate, DER, is good.
pub(super) fn expiry(der: &[u8]) -> Option<OffsetDateTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    not_after(&certificate)
}

fn not_after(certificate: &X509Certificate<'_>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
}

fn names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let names: Vec<String> = match certificate.subject_alternative_name().ok()? {
        Some(extension) => extension.value.general_names.iter().filter_map(general_name).take(MAX_NAMES).collect(),
        None => {
            let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            common.map(normal).take(MAX_NAMES).collect()
        }
    };
    Some(names)
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(normal(name)),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*octets).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// One spelling for each name, that of the register of routers.
fn normal(name: &str) -> String {
    store::nas::radsec_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(normal("Cafe.Example.NET."), "cafe.example.net");
        assert_eq!(normal("2001:DB8:0:0::1"), "2001:db8::1");
        assert_eq!(normal("10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for octets in [&b""[..], b"\x30\x03\x02\x01\x01", &[0x30; 200]] {
            assert_eq!(read(octets), None);
        }
    }
}
