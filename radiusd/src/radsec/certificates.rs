//! The files of `[radsec]`: our certificate and key, and the authorities that sign routers' certificates.
//!
//! [`Certificates`] holds what was read last. It is read again when a file changes or on SIGHUP; new handshakes take the
//! new ones, connections that are open go on. Files that do not fit together are refused with a sentence, and what was
//! good before stays.
//!
//! TLS 1.2 and 1.3 only, a certificate of the client is required, and no session is resumed: every connection shows its
//! certificate anew, so a change of the authorities counts for all of them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use shared::config::RadSec;
use shared::time::{Clock, OffsetDateTime, rfc3339};

use super::names;
use crate::metrics::Metrics;

/// Why the files cannot be used, each in a sentence for the person who wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("radsec.{key}: cannot read {path}: {source}")]
    Unreadable {
        /// Its key in the configuration.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds nothing of what it should.
    #[error("radsec.{key}: {path} holds no {wanted} in PEM")]
    Empty {
        /// Its key in the configuration.
        key: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A file is damaged.
    #[error("radsec.{key}: {path} is damaged: {reason}")]
    Damaged {
        /// Its key in the configuration.
        key: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key are no pair, or TLS cannot use them.
    #[error("radsec.certificate and radsec.key cannot be used together: {0}")]
    NoPair(rustls::Error),
    /// The authorities cannot be used.
    #[error("radsec.client_ca cannot be used: {0}")]
    Authorities(VerifierBuilderError),
}

/// What was read from the files.
pub(crate) struct Loaded {
    pub(super) tls: Arc<ServerConfig>,
    /// Until when our certificate is good, or the first of those that stand behind it.
    pub(crate) certificate_until: OffsetDateTime,
    /// Until when the first of the authorities is good.
    pub(crate) client_ca_until: OffsetDateTime,
}

/// The files, and what was read from them last.
pub(super) struct Certificates {
    settings: RadSec,
    clock: Clock,
    metrics: Metrics,
    tls: ArcSwap<ServerConfig>,
}

impl Certificates {
    pub(super) fn open(settings: &RadSec, clock: &Clock, metrics: &Metrics) -> Result<Certificates, CertificateError> {
        let loaded = load(settings, clock)?;
        let certificates = Certificates {
            settings: settings.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            tls: ArcSwap::new(Arc::clone(&loaded.tls)),
        };
        certificates.note(&loaded);
        Ok(certificates)
    }

    /// For the next handshake.
    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.tls.load_full()
    }

    /// What tells one version of the files from another.
    pub(super) fn stamp(&self) -> Stamp {
        let RadSec { certificate, key, client_ca, .. } = &self.settings;
        Stamp([certificate, key, client_ca].map(|path| mark(path)))
    }

    /// Reads the files again.
    pub(super) fn reload(&self) {
        match load(&self.settings, &self.clock) {
            Ok(loaded) => {
                self.tls.store(Arc::clone(&loaded.tls));
                self.note(&loaded);
                tracing::info!(
                    until = rfc3339(loaded.certificate_until),
                    "the certificates of RadSec were read again; new connections use them"
                );
            }
            Err(error) => {
                tracing::error!(%error, "the new certificates of RadSec are refused; those from before stay in use");
            }
        }
    }

    fn note(&self, loaded: &Loaded) {
        let now = self.clock.now();
        for (file, until) in [("certificate", loaded.certificate_until), ("client_ca", loaded.client_ca_until)] {
            self.metrics.radsec_not_after.with_label_values(&[file]).set(until.unix_timestamp());
            if until <= now {
                tracing::error!(
                    file,
                    until = rfc3339(until),
                    "a certificate of RadSec has expired: routers are turned away"
                );
            }
        }
    }
}

/// Which files there are; equal if none has changed.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Stamp([Option<Mark>; 3]);

/// Inode, modification in nanoseconds, length.
type Mark = (u64, i64, u64);

fn mark(path: &Path) -> Option<Mark> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec()), file.len()))
}

/// Reads the files and makes of them what a handshake needs.
pub(crate) fn load(settings: &RadSec, clock: &Clock) -> Result<Loaded, CertificateError> {
    let chain = certificates("certificate", &settings.certificate)?;
    let authorities = certificates("client_ca", &settings.client_ca)?;
    let certificate_until = first_expiry("certificate", &settings.certificate, &chain)?;
    let client_ca_until = first_expiry("client_ca", &settings.client_ca, &authorities)?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| damaged("client_ca", &settings.client_ca, &error))?;
    }
    let key = private_key(&settings.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(CertificateError::Authorities)?;
    let mut tls = ServerConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| builder.with_client_cert_verifier(clients).with_single_cert(chain, key))
        .map_err(CertificateError::NoPair)?;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    Ok(Loaded { tls: Arc::new(tls), certificate_until, client_ca_until })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(key, path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| damaged(key, path, &error))?;
    if found.is_empty() {
        return Err(CertificateError::Empty { key, path: path.to_owned(), wanted: "certificate" });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    match PrivateKeyDer::from_pem_slice(&read("key", path)?) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            Err(CertificateError::Empty { key: "key", path: path.to_owned(), wanted: "private key without a password" })
        }
        Err(error) => Err(damaged("key", path, &error)),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable { key, path: path.to_owned(), source })
}

fn damaged(key: &'static str, path: &Path, reason: &impl ToString) -> CertificateError {
    CertificateError::Damaged { key, path: path.to_owned(), reason: reason.to_string() }
}

fn first_expiry(
    key: &'static str,
    path: &Path,
    certificates: &[CertificateDer<'_>],
) -> Result<OffsetDateTime, CertificateError> {
    let read = certificates.iter().map(|certificate| names::expiry(certificate));
    let all: Option<Vec<OffsetDateTime>> = read.collect();
    all.and_then(|all| all.into_iter().min()).ok_or_else(|| damaged(key, path, &"a certificate in it cannot be read"))
}

/// The clock, as TLS asks for it.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.0.now().unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(since)))
    }
}
