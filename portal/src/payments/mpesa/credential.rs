//! `SecurityCredential`: the initiator's password, encrypted with RSA (PKCS #1 v1.5, RFC 8017 section 7.2) for the key in
//! Safaricom's certificate, in base64.
//!
//! Sandbox and production have certificates of their own. Nothing is checked of one but that it holds an RSA key: it comes
//! from Safaricom's page over TLS and is used beyond its date there. The encryption is made anew for each request.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shared::config::Initiator;

use super::SetupError;

/// Why a certificate is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// It is no X.509 certificate, neither PEM nor DER.
    #[error("this is no X.509 certificate, neither PEM nor DER")]
    NotACertificate,
    /// Its key is none of RSA, or too small or too large.
    #[error("its key is no RSA key of 2048 to 8192 bits")]
    NotRsa,
    /// The password does not fit into one block.
    #[error("the initiator's password is too long for its key")]
    TooLong,
}

/// The key for which passwords are encrypted: a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
pub(super) struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key for an initiator, tried with its password.
    pub(super) fn of(initiator: &Initiator) -> Result<Key, SetupError> {
        let file = std::fs::read(&initiator.certificate)
            .map_err(|source| SetupError::CertificateFile { path: initiator.certificate.clone(), source })?;
        let key = Key::in_certificate(&file)?;
        key.encrypt(initiator.password.expose())?;
        Ok(key)
    }

    fn in_certificate(file: &[u8]) -> Result<Key, Unfit> {
        let pem = x509_parser::pem::parse_x509_pem(file).ok().map(|(_, pem)| pem.contents);
        let der = pem.as_deref().unwrap_or(file);
        let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| Unfit::NotACertificate)?;
        let key = certificate.public_key().raw.to_vec();
        PublicEncryptingKey::from_der(&key).map_err(|_| Unfit::NotRsa)?;
        Ok(Key(key))
    }

    /// A password as M-Pesa wants it.
    pub(super) fn encrypt(&self, password: &str) -> Result<String, Unfit> {
        let key = PublicEncryptingKey::from_der(&self.0).map_err(|_| Unfit::NotRsa)?;
        let key = Pkcs1PublicEncryptingKey::new(key).map_err(|_| Unfit::NotRsa)?;
        if password.len() > key.max_plaintext_size() {
            return Err(Unfit::TooLong);
        }
        let mut block = vec![0; key.ciphertext_size()];
        let encrypted = key.encrypt(password.as_bytes(), &mut block).map_err(|_| Unfit::NotRsa)?;
        Ok(STANDARD.encode(&*encrypted))
    }
}

#[cfg(test)]
impl Key {
    /// The key itself, without a certificate around it.
    pub(super) fn of_public(key: &PublicEncryptingKey) -> Key {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let der = AsDer::<PublicKeyX509Der<'static>>::as_der(key).expect("a key has a spelling");
        let octets: &[u8] = der.as_ref();
        Key(octets.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{KeySize, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};

    use super::*;

    /// openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test; its private key was thrown away.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIC/zCCAeegAwIBAgIUBbBU/MUS5J5Vn/4XdohhfhRa1l0wDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjkwOTI1NDJaFw0yNjExMzAwOTI1
NDJaMA8xDTALBgNVBAMMBHRlc3QwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQDlc5FibejdvgrVUg8vcKEASmf9UG5qQZYmIbm6akiwnuxT8o44Pn7Iql+b
b31L5xNsjoAwDkRz68aQWgRztOSoHF2fVtE1LZY8bJDq3S0sgtsGIQolBptMXuBj
3xkir+2y9+x+TOqdtbPAPP8lN9Ya2A9tiKG84ggay1LxNFuzpCoipy2hebJHEFMH
+BQQCJuZ1W2S4H6zh5sgv7G7KQIgX/ANe3vCED1I4cO4AzTcX3jznVe6w293oyVN
nMtd7kRO1JNKbTHC9BvP7hWrtTa9+dhFBt8Cdh1/nLCBcXH7iSrecrWxrARFTXl7
d4TxcjS6/qPuUThgGDzcXENYN4eNAgMBAAGjUzBRMB0GA1UdDgQWBBSgqFv1tyGE
NWOdmPCUbPzoBOAjETAfBgNVHSMEGDAWgBSgqFv1tyGENWOdmPCUbPzoBOAjETAP
BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBGS0BsONAEY3lQhMNw
p94nwPbwlJBNMu8a91zqDzrTtdE42lDC/TQZNJfaCNDIEHijrbHnXUDmFvgyYcr8
K1606yklYQxsD08WkWCm1zdBbD63ltzGNhxYYmpFTgtNhLfXUpHjgQmBuE8Lzy7e
i7y1f5EzHoQBXAsUYj+VGegRERu7Y+77k4uJe8538GbkhJWFlPj14KpdQxrxdJEy
Js5rWbeWcIDtbUN74bfoA4e7z2TjuCcBB2Wdkp3G8dOk+KXnnI+yrAgIMZ9i79gX
AN7qYF40hB3CfvVhbUrxo8QTICInomOIaBvOqHYIYft8bWp6amPVfgXJhHMAAWqk
k1dp
-----END CERTIFICATE-----
";
    /// The same for P-256.
    const ELLIPTIC: &str = "\
-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUHfkaP/9FGBdU+6q/xFU529YUStgwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjkwOTI1NDJaFw0yNjExMzAwOTI1NDJa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASRy2d6
ZbyOTmnwJVhMPaYqcIZKFtsGwxGBBOqKSXpr8BlGD6ZQ/xKeXmQyzVPgYh+6n4dd
0MkW36d+Qa/OLM09o1MwUTAdBgNVHQ4EFgQUqM+My0J/4AKrzjcObzYdScoNbgAw
HwYDVR0jBBgwFoAUqM+My0J/4AKrzjcObzYdScoNbgAwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiBcMn9+6Zpx7olC+ARSIAHyWfySQugm195Jfafk
gbSCvwIgHP1C/AKjPgiGpouZg7Qx3YC9cEn9YWe+Npb7HVSqXcg=
-----END CERTIFICATE-----
";

    #[test]
    fn what_is_encrypted_opens_with_the_private_key_and_never_looks_the_same() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        let key = Key::of_public(&private.public_key());
        let private = Pkcs1PrivateDecryptingKey::new(private).expect("a key");
        let encrypted = [key.encrypt("Safaricom999!*!").expect("fits"), key.encrypt("Safaricom999!*!").expect("fits")];
        assert_ne!(encrypted[0], encrypted[1]);
        for text in encrypted {
            let block = STANDARD.decode(text).expect("base64");
            let mut plain = vec![0; private.min_output_size()];
            let opened: &[u8] = private.decrypt(&block, &mut plain).expect("opens");
            assert_eq!(opened, b"Safaricom999!*!");
        }
        assert_eq!(key.encrypt(&"x".repeat(246)), Err(Unfit::TooLong));
        assert!(key.encrypt(&"x".repeat(245)).is_ok());
    }

    #[test]
    fn the_key_is_found_in_pem_with_remarks_around_it_and_in_der() {
        let remarks = format!("Bag Attributes\r\n{}\nmore\n", CERTIFICATE.replace('\n', "\r\n"));
        let (_, pem) = x509_parser::pem::parse_x509_pem(CERTIFICATE.as_bytes()).expect("PEM");
        for file in [CERTIFICATE.as_bytes(), remarks.as_bytes(), &pem.contents] {
            let key = Key::in_certificate(file).expect("a certificate");
            assert_eq!(STANDARD.decode(key.encrypt("secret").expect("fits")).expect("base64").len(), 256);
        }
    }

    #[test]
    fn other_files_are_refused_by_kind() {
        for (file, problem) in [
            (&b""[..], Unfit::NotACertificate),
            (b"hunter2", Unfit::NotACertificate),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", Unfit::NotACertificate),
            (ELLIPTIC.as_bytes(), Unfit::NotRsa),
        ] {
            assert_eq!(Key::in_certificate(file).err(), Some(problem), "{}", String::from_utf8_lossy(file));
        }
    }
}
