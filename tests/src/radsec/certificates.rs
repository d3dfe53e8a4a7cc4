//! Certificates as an operator makes them: an authority of his own, and what it signs for the server and for routers.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use shared::time::{Clock, OffsetDateTime};

/// An authority that signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// What a certificate shall say.
#[derive(Clone)]
pub struct Wish {
    /// SubjectAltName: DNS names and addresses; without any there is no such extension.
    pub names: Vec<String>,
    /// The common name.
    pub common_name: String,
    /// From when it is good.
    pub not_before: OffsetDateTime,
    /// Until when.
    pub not_after: OffsetDateTime,
    /// Whose it is.
    pub is_server: bool,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Wish {
    /// A router's certificate under this name, good for a month.
    pub fn router(name: &str) -> Wish {
        let now = Clock::system().now();
        Wish {
            names: vec![name.to_owned()],
            common_name: "a router".to_owned(),
            not_before: now - DAY,
            not_after: now + 30 * DAY,
            is_server: false,
        }
    }

    /// The server's certificate, for loopback, good for a month.
    pub fn server() -> Wish {
        let names = vec!["radius.example.net".to_owned(), "127.0.0.1".to_owned()];
        Wish { names, common_name: "127.0.0.1".to_owned(), is_server: true, ..Wish::router("") }
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn new(name: &str) -> Authority {
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name = named(name);
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(wanted, key).expect("a certificate of its own"))
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate.
    ///
    /// # Panics
    /// If a name cannot stand in a certificate.
    pub fn issue(&self, wish: &Wish) -> Identity {
        let mut wanted = CertificateParams::new(wish.names.clone()).expect("names that a certificate can hold");
        wanted.distinguished_name = named(&wish.common_name);
        (wanted.not_before, wanted.not_after) = (wish.not_before, wish.not_after);
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        wanted.extended_key_usages = vec![match wish.is_server {
            true => ExtendedKeyUsagePurpose::ServerAuth,
            false => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let key = KeyPair::generate().expect("a key");
        let certificate = wanted.signed_by(&key, &self.0).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}
