//! nginx with the configuration that operators install, in front of a portal that only echoes: what comes through, what is
//! refused, and what its log keeps to itself.
//!
//! The configuration is the one of deploy/nginx; only addresses and files are other ones. nginx runs as a single process, so that
//! nothing of it outlives its test.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder};
use tests::radsec::{Authority, Wish};
use tests::world::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{Folder, program, read, succeeds};

/// Stands for every key that an address may carry.
const TOKEN: &str = "kT9secretQ2";

/// nginx before a portal, and how a guest reaches it.
struct Front {
    nginx: Child,
    folder: Folder,
    http: SocketAddr,
    https: SocketAddr,
    client: Client,
    /// Says the next piece of a page that waits for news.
    events: mpsc::Sender<&'static str>,
}

impl Front {
    /// Starts both, or says that nginx is not there.
    async fn start(name: &str) -> Option<Front> {
        let nginx = program("MLANGO_NGINX")?;
        let folder = Folder::new(name);
        let authority = Authority::new("nginx");
        let identity = authority.issue(&Wish::server());
        folder.write("fullchain.pem", &identity.certificate);
        folder.write("privkey.pem", &identity.key);
        let (events, portal) = portal().await;
        let (http, https) = (free_address(), free_address());
        configure(&folder, http, https, portal);
        let main = folder.path("nginx.conf");
        succeeds(Command::new(&nginx).arg("-t").args(["-p", text(&folder.0), "-c", text(&main)]));
        let mut command = Command::new(&nginx);
        command.args(["-p", text(&folder.0), "-c", text(&main)]).stdin(Stdio::null());
        let nginx = command.spawn().expect("nginx starts");
        let authority = Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate");
        let client = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([authority]);
        let client = client.build().expect("a client");
        let front = Front { nginx, folder, http, https, client, events };
        eventually("nginx answers", || async { front.get("/healthz").send().await.ok().map(drop) }).await;
        Some(front)
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("https://{}{path}", self.https))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path)
    }

    /// Sends so many of these at once. Returns how many were answered with 429, and how many with 200.
    async fn rush(&self, many: usize, method: Method, path: &str) -> (usize, usize) {
        let method = &method;
        let asked = (0..many).map(|_| async move { self.ask(method.clone(), path).send().await });
        let answers = futures::future::join_all(asked).await;
        let count = |wanted: StatusCode| {
            answers.iter().filter(|answer| matches!(answer, Ok(answer) if answer.status() == wanted)).count()
        };
        (count(StatusCode::TOO_MANY_REQUESTS), count(StatusCode::OK))
    }

    /// All that nginx has written.
    fn logs(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path(name)).unwrap_or_default();
        read("mlango.log") + &read("mlango-error.log") + &read("main-error.log")
    }

    /// The paths in its log, in order, those of the start left out.
    fn paths(&self) -> Vec<String> {
        let lines = std::fs::read_to_string(self.folder.path("mlango.log")).unwrap_or_default();
        let entry = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("a line is JSON") };
        let paths = lines.lines().map(|line| entry(line)["path"].as_str().expect("a path").to_owned());
        paths.filter(|path| path != "/healthz").collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.nginx.kill());
        drop(self.nginx.wait());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of ours are text")
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

/// Writes the configuration of deploy/nginx with these addresses and this folder.
fn configure(folder: &Folder, http: SocketAddr, https: SocketAddr, portal: SocketAddr) {
    let here = text(&folder.0);
    let mut server = read("deploy/nginx/mlango.conf");
    let mut put = |from: &str, to: &str| {
        assert!(server.contains(from), "{from} stands in the configuration");
        server = server.replace(from, to);
    };
    put("listen 80 ", &format!("listen {http} "));
    put("listen [::]:80 default_server;", "");
    put("listen 443 ", &format!("listen {https} "));
    put("listen [::]:443 ssl http2 default_server;", "");
    put("/etc/mlango/tls/", &format!("{here}/"));
    put("/etc/nginx/", &format!("{here}/"));
    put("/var/lib/mlango/acme", &format!("{here}/acme"));
    folder.write("mlango.conf", &server);
    folder.write(
        "mlango-log.conf",
        &read("deploy/nginx/mlango-log.conf").replace("/var/log/nginx/", &format!("{here}/")),
    );
    let upstream = read("deploy/nginx/mlango-upstream.conf");
    folder.write(
        "mlango-upstream.conf",
        &upstream.replace("127.0.0.1:8081", &portal.to_string()).replace("127.0.0.1:8082", &portal.to_string()),
    );
    std::fs::create_dir_all(folder.path("acme/.well-known/acme-challenge")).expect("a folder");
    folder.write("acme/.well-known/acme-challenge/proof", "proved");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|kind| format!("{kind}_temp_path {here}/{kind};\n")).collect();
    folder.write(
        "nginx.conf",
        &format!(
            "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/main-error.log crit;\n\
             events {{ worker_connections 1000; }}\nhttp {{\n{temporary}include {here}/mlango.conf;\n}}\n"
        ),
    );
}

/// A portal that answers with what it was told, and on the address of news with what the test says, when it says it.
async fn portal() -> (mpsc::Sender<&'static str>, SocketAddr) {
    let (send, receive) = mpsc::channel(1);
    let news = Arc::new(Mutex::new(Some(receive)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(echo).with_state(news)).await });
    (send, address)
}

type News = Arc<Mutex<Option<mpsc::Receiver<&'static str>>>>;

async fn echo(State(news): State<News>, uri: Uri, headers: HeaderMap, _body: Bytes) -> Response {
    if uri.path().ends_with("/events") {
        let receive = news.lock().expect("no panic before").take().expect("one page asks");
        let pieces = futures::stream::unfold(receive, async |mut receive| {
            let piece = receive.recv().await?;
            Some((Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes())), receive))
        });
        return ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces)).into_response();
    }
    let lines = headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    lines.collect::<String>().into_response()
}

#[tokio::test]
async fn news_comes_through_at_once() {
    let Some(front) = Front::start("news").await else { return };
    front.events.send("data: first\n\n").await.expect("the portal waits");
    let mut page = front.get(&format!("/o/{TOKEN}/events")).send().await.expect("an answer");
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(piece(&mut page, "data: first\n\n".len()).await, "data: first\n\n");
    // The second is said only now: were the first held back until there is more, it would not have come.
    front.events.send("data: second\n\n").await.expect("the portal waits");
    assert_eq!(piece(&mut page, "data: second\n\n".len()).await, "data: second\n\n");
}

/// So many octets of a page that is still being sent.
async fn piece(page: &mut reqwest::Response, octets: usize) -> String {
    let mut come = Vec::new();
    while come.len() < octets {
        come.extend_from_slice(&page.chunk().await.expect("the page goes on").expect("it has no end yet"));
    }
    String::from_utf8(come).expect("text")
}

#[tokio::test]
async fn the_clients_address_is_what_nginx_sees_and_not_what_the_client_says() {
    let Some(front) = Front::start("address").await else { return };
    let lies = ["x-forwarded-for", "x-real-ip", "forwarded"];
    let mut request = front.get("/h");
    for name in lies {
        request = request.header(name, "203.0.113.66");
    }
    let told = request.send().await.expect("an answer").text().await.expect("text");
    assert!(told.contains("x-forwarded-for: 127.0.0.1\n"), "{told}");
    assert!(!told.contains("203.0.113.66"), "{told}");
}

#[tokio::test]
async fn what_is_sent_too_often_is_refused_and_what_providers_report_is_not() {
    let Some(front) = Front::start("limits").await else { return };
    // 10 at once and one every two seconds; forms in general would let 50 through.
    let (refused, taken) = front.rush(40, Method::POST, "/admin/sign-in").await;
    assert!(refused > 0 && taken >= 10, "passwords are not tried by machine: {refused} refused, {taken} taken");
    // 50 at once and 5 a second: of 150 some are too many, however slow this machine is.
    let (refused, taken) = front.rush(150, Method::POST, "/buy").await;
    assert!(refused > 0 && taken >= 30, "{refused} forms refused, {taken} taken");
    let (refused, taken) = front.rush(150, Method::POST, &format!("/webhooks/mpesa/{TOKEN}")).await;
    assert_eq!((refused, taken), (0, 150), "no report is lost, though it comes from one address");
    let (refused, taken) = front.rush(100, Method::GET, "/h").await;
    assert_eq!((refused, taken), (0, 100), "a full café comes from one address");
    let large = front.ask(Method::POST, "/webhooks/stripe").body(vec![b'x'; 70_000]).send().await.expect("an answer");
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        large.headers().get(header::STRICT_TRANSPORT_SECURITY).map(|value| value.as_bytes()),
        Some(b"max-age=31536000".as_slice())
    );
}

#[tokio::test]
async fn the_log_has_no_key_in_whatever_spelling_it_comes() {
    let Some(front) = Front::start("log").await else { return };
    let gets = [
        ("/o/TOKEN", "/o/…"),
        ("/o/TOKEN/state?lang=sw", "/o/…/state"),
        ("//o//TOKEN/receipt", "/o/…/receipt"),
        ("/%6f/TOKEN", "/o/…"),
        ("/static/../o/TOKEN", "/o/…"),
        ("/O/TOKEN", "/O/…"),
        ("/v/TOKEN", "/v/…"),
        ("/e/TOKEN", "/e/…"),
        ("/TOKEN", "/…"),
        ("/unknown/TOKEN", "/…"),
        ("/packages?visit=TOKEN", "/packages"),
        ("/h?mac=TOKEN&chap-challenge=TOKEN", "/h"),
        ("/admin/money/RKTQDM7W6S", "/admin/money/RKTQDM7W6S"),
        ("/admin/invitation/TOKEN", "/admin/invitation/…"),
        ("/admin//invitation/%2e/TOKEN", "/admin/invitation/…"),
    ];
    let posts = [
        ("/webhooks/mpesa/TOKEN", "/webhooks/mpesa/…"),
        ("/webhooks/c2b/TOKEN/validation", "/webhooks/c2b/…/validation"),
        ("/webhooks/results/TOKEN/timeout", "/webhooks/results/…/timeout"),
        ("/webhooks/sms/africastalking/TOKEN", "/webhooks/sms/africastalking/…"),
        ("/webhooks/stripe", "/webhooks/stripe"),
    ];
    for (path, _) in gets {
        raw(&front, "GET", &path.replace("TOKEN", TOKEN)).await;
    }
    for (path, _) in posts {
        raw(&front, "POST", &path.replace("TOKEN", TOKEN)).await;
    }
    let expected: Vec<&str> = gets.iter().chain(&posts).map(|(_, path)| *path).collect();
    eventually("the log has all requests", || async { (front.paths().len() >= expected.len()).then_some(()) }).await;
    assert_eq!(front.paths(), expected);
    // What is refused is not told either.
    front.rush(150, Method::POST, &format!("/o/{TOKEN}/again")).await;
    let plain = format!("http://{}/v/{TOKEN}", front.http);
    front.client.get(plain).send().await.expect("an answer");
    let all = expected.len() + 150 + 1;
    eventually("that is logged", || async { (front.paths().len() >= all).then_some(()) }).await;
    assert!(!front.logs().contains(TOKEN), "{}", front.logs());
}

/// Sends a request whose path nobody tidies up before, and waits for its answer.
async fn raw(front: &Front, method: &str, path: &str) {
    // By plain HTTP, where the same log is written.
    let mut stream = TcpStream::connect(front.http).await.expect("nginx listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: portal.example.net\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{method} {path}");
}

#[tokio::test]
async fn plain_http_leads_to_https_and_carries_nothing_else() {
    let Some(front) = Front::start("plain").await else { return };
    let at = |path: &str| format!("http://{}{path}", front.http);
    let led = front.client.get(at("/h?mac=02:00:00:00:00:01&x=1")).send().await.expect("an answer");
    assert_eq!(led.status(), StatusCode::TEMPORARY_REDIRECT);
    let to = led.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    assert_eq!(to, Some("https://127.0.0.1/h?mac=02:00:00:00:00:01&x=1"), "with what the router said of the guest");
    let sent = front.client.post(at("/buy")).body("phone=0712345678").send().await.expect("an answer");
    assert_eq!(sent.status(), StatusCode::FORBIDDEN, "what was sent in clear is not sent again");
    let proof = front.client.get(at("/.well-known/acme-challenge/proof")).send().await.expect("an answer");
    assert_eq!(proof.text().await.expect("text"), "proved");
}
