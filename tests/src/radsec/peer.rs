//! A router's end of a RadSec connection, and the packets that it says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use radius_proto::attribute::{rfc2865, rfc2866};
use radius_proto::message_authenticator::check_reply;
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Authority, Identity, SECRET};

/// An open connection.
pub struct Peer {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

impl Peer {
    /// Connects from `from`, trusting `authority`, with a certificate or with none, by any version of TLS.
    ///
    /// # Errors
    /// If the connection or the handshake fails. A server of TLS 1.3 may still refuse the certificate after this: see
    /// [`Peer::receive`].
    pub async fn connect(
        server: SocketAddr,
        from: Ipv4Addr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> std::io::Result<Peer> {
        Peer::connect_by(rustls::ALL_VERSIONS, server, from, authority, identity).await
    }

    /// Connects by these versions of TLS only.
    ///
    /// # Errors
    /// As [`Peer::connect`].
    pub async fn connect_by(
        versions: &[&'static SupportedProtocolVersion],
        server: SocketAddr,
        from: Ipv4Addr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> std::io::Result<Peer> {
        let config = client_config(versions, authority, identity);
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        // Small, so that a test which does not read fills it soon.
        socket.set_recv_buffer_size(8 * 1024)?;
        let stream = socket.connect(server).await?;
        let name = ServerName::IpAddress(server.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Peer { stream, unread: Vec::new() })
    }

    /// The address that the server sees.
    pub fn address(&self) -> SocketAddr {
        self.stream.get_ref().0.local_addr().expect("a connected socket")
    }

    /// The server's certificate, DER.
    pub fn server_certificate(&self) -> Vec<u8> {
        let certificates = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        certificates.first().map(|first| first.to_vec()).unwrap_or_default()
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// If the server has hung up.
    pub async fn send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    /// The next packet; `None` if the server has ended the connection.
    ///
    /// # Errors
    /// If the connection was cut, or refused by the server.
    pub async fn receive(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(&[_, _, high, low]) = self.unread.first_chunk::<4>() {
                let length = usize::from(u16::from_be_bytes([high, low]));
                if length <= self.unread.len() {
                    let rest = self.unread.split_off(length);
                    return Ok(Some(std::mem::replace(&mut self.unread, rest)));
                }
            }
            let mut room = [0; MAX_PACKET];
            match self.stream.read(&mut room).await? {
                0 => return Ok(None),
                octets => self.unread.extend_from_slice(&room[..octets]),
            }
        }
    }

    /// Sends a request and returns the next packet.
    ///
    /// # Panics
    /// If the connection ends instead, or the packet is no answer to the request.
    pub async fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        self.send(request).await.expect("the server takes it");
        let answer = self.receive().await.expect("the connection holds").expect("the server answers");
        assert!(is_answer(request, &answer), "{answer:?} is no answer to {request:?}");
        answer
    }
}

fn client_config(
    versions: &[&'static SupportedProtocolVersion],
    authority: &Authority,
    identity: Option<&Identity>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&authority.pem())).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions that exist")
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate: pem, key }) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(vec![certificate(pem)], key).expect("a pair")
        }
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn secret() -> Secret {
    Secret::new(SECRET).expect("not empty")
}

/// An Access-Request with a password, signed or not, with this many octets of Proxy-State, which the answer repeats.
///
/// # Panics
/// If it does not fit into a packet.
pub fn access_request(identifier: u8, name: &str, password: &str, signed: bool, proxy_state: usize) -> Vec<u8> {
    let (mut buffer, authenticator) = ([0; MAX_PACKET], shared::rng::bytes());
    let mut packet = Builder::new(&mut buffer, Code::AccessRequest, identifier);
    packet.put(rfc2865::USER_NAME, name.as_bytes()).expect("room");
    packet.put_user_password(password.as_bytes(), &authenticator, &secret()).expect("room");
    packet.put(rfc2865::CALLING_STATION_ID, b"02:00:00:00:00:01").expect("room");
    for part in vec![0x5a; proxy_state].chunks(250) {
        packet.put(rfc2865::PROXY_STATE, part).expect("room");
    }
    if signed {
        packet.reserve_message_authenticator().expect("room");
    }
    packet.finish_access_request(&secret(), authenticator).to_vec()
}

/// An Accounting-Request of this kind about a session.
///
/// # Panics
/// If it does not fit into a packet.
pub fn accounting_request(identifier: u8, status: u32, name: &str, session: &str, class: Option<&[u8]>) -> Vec<u8> {
    let mut buffer = [0; MAX_PACKET];
    let mut packet = Builder::new(&mut buffer, Code::AccountingRequest, identifier);
    packet.put(rfc2866::ACCT_STATUS_TYPE, status).expect("room");
    packet.put(rfc2865::USER_NAME, name.as_bytes()).expect("room");
    packet.put(rfc2866::ACCT_SESSION_ID, session.as_bytes()).expect("room");
    packet.put(rfc2865::CALLING_STATION_ID, b"02:00:00:00:00:01").expect("room");
    packet.put(rfc2865::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 5, 50, 9)).expect("room");
    if let Some(class) = class {
        packet.put(rfc2865::CLASS, class).expect("room");
    }
    packet.finish_hashed_request(&secret()).to_vec()
}

/// A Status-Server, signed or not.
///
/// # Panics
/// If it does not fit into a packet.
pub fn status_server(identifier: u8, signed: bool) -> Vec<u8> {
    let mut buffer = [0; MAX_PACKET];
    let mut packet = Builder::new(&mut buffer, Code::StatusServer, identifier);
    if signed {
        packet.reserve_message_authenticator().expect("room");
    }
    packet.finish_access_request(&secret(), shared::rng::bytes()).to_vec()
}

/// The answer to a Disconnect-Request.
///
/// # Panics
/// If the request is none.
pub fn disconnect_answer(request: &[u8], acknowledge: bool) -> Vec<u8> {
    let request = Packet::parse(request).expect("a packet");
    assert!(authenticator::verify_request(&request, &secret()), "the request was made with the secret of RadSec");
    let mut buffer = [0; MAX_PACKET];
    let code = if acknowledge { Code::DisconnectAck } else { Code::DisconnectNak };
    let answer = Builder::new(&mut buffer, code, request.identifier());
    answer.finish_reply(&secret(), request.authenticator()).to_vec()
}

/// Whether a packet answers a request: same Identifier, and made with the secret over the request's authenticator.
pub fn is_answer(request: &[u8], answer: &[u8]) -> bool {
    let (Ok(request), Ok(answer)) = (Packet::parse(request), Packet::parse(answer)) else { return false };
    request.identifier() == answer.identifier()
        && authenticator::verify_reply(&answer, request.authenticator(), &secret())
        && !check_reply(&answer, request.authenticator(), &secret()).must_discard()
}
