//! A relay that passes requests on as they are and writes down what passed, and TLS in front of it.
//!
//! It stands where the test wants to know what one side said and what the other answered. It changes nothing, but that it
//! can leave out a field that a fake does not know and its original does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tests::radsec::{Authority, Wish};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Headers that are about one connection, and not about what is carried.
const HOP: [header::HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];

/// A request that passed, and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) status: StatusCode,
    pub(crate) answered: HeaderMap,
    pub(crate) answer: Bytes,
}

impl Passed {
    /// A header of the request, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }

    /// A header of the answer, or nothing.
    pub(crate) fn said(&self, name: &str) -> &str {
        text(&self.answered, name)
    }

    /// The request as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A running relay.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where it passes on to.
    to: String,
    /// A field of forms that is left out.
    without: Option<&'static str>,
    client: reqwest::Client,
    passed: Mutex<Vec<Passed>>,
}

impl Relay {
    /// A relay to this address.
    pub(crate) async fn to(to: &str) -> Relay {
        Relay::start(to, None).await
    }

    /// The same, which leaves this field out of every form.
    pub(crate) async fn without(to: &str, field: &'static str) -> Relay {
        Relay::start(to, Some(field)).await
    }

    async fn start(to: &str, without: Option<&'static str>) -> Relay {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let shared = Arc::new(Shared {
            to: to.to_owned(),
            without,
            client: client.expect("a client"),
            passed: Mutex::new(Vec::new()),
        });
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Relay { address, shared }
    }

    /// Where it is reached.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What passed so far, oldest first.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.shared.passed.lock().expect("no panic before").clone()
    }

    /// TLS in front of it, with a certificate of this authority for loopback. Returns where that is reached.
    pub(crate) async fn behind_tls(&self, authority: &Authority) -> SocketAddr {
        let identity = authority.issue(&Wish::server());
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("versions that exist")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, inside) = (listener.local_addr().expect("bound"), self.address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(acceptor.clone(), stream, inside));
            }
        });
        address
    }
}

/// Carries one connection through TLS until either side hangs up.
async fn carry(acceptor: TlsAcceptor, stream: TcpStream, inside: SocketAddr) -> std::io::Result<()> {
    let mut outer = acceptor.accept(stream).await?;
    let mut inner = TcpStream::connect(inside).await?;
    tokio::io::copy_bidirectional(&mut outer, &mut inner).await.map(drop)
}

async fn pass(State(relay): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let line = format!("{method} {uri}");
    let mut onward = headers.clone();
    onward.remove(header::HOST);
    for name in HOP {
        onward.remove(name);
    }
    let sent = match relay.without {
        Some(field) => leave_out(&body, field),
        None => body.clone(),
    };
    let request = relay.client.request(method, format!("{}{uri}", relay.to)).headers(onward).body(sent);
    let Ok(response) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut answered) = (response.status(), response.headers().clone());
    let Ok(answer) = response.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    for name in HOP {
        answered.remove(name);
    }
    let passed = Passed { line, headers, body, status, answered: answered.clone(), answer: answer.clone() };
    relay.passed.lock().expect("no panic before").push(passed);
    let mut back = Response::new(Body::from(answer));
    *back.status_mut() = status;
    *back.headers_mut() = answered;
    back
}

fn leave_out(form: &[u8], name: &str) -> Bytes {
    let kept = url::form_urlencoded::parse(form).filter(|(field, _)| **field != *name);
    Bytes::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish())
}
