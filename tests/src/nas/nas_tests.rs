//! The router over loopback: real sockets, and a RADIUS server of a few lines.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use radius_proto::attribute::{mikrotik, rfc2865, rfc2866, rfc2869, rfc5176};
use radius_proto::password::{chap as chap_password, pap};
use radius_proto::{Builder, Code, MAX_PACKET, Packet, Secret, authenticator, reply};
use reqwest::StatusCode;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use tokio::net::UdpSocket;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const PHONE: Mac = Mac::phone(1);
const SECRET: &[u8] = b"a shared secret";

/// What the stand-in server does, and what it was sent (octets of each datagram, repetitions included).
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// How the stand-in server answers.
#[derive(Clone, Copy)]
struct Manners {
    secret: &'static [u8],
    /// Requests of each kind (Access, Accounting) that it does not answer.
    deaf_to: usize,
    sign: bool,
}

const POLITE: Manners = Manners { secret: SECRET, deaf_to: 0, sign: true };

impl Server {
    /// Knows one login, `ann` with `open`, and the MAC address of phone 7.
    async fn start(manners: Manners) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let server = Server { address: socket.local_addr().expect("bound"), heard: Arc::default() };
        let heard = Arc::clone(&server.heard);
        tokio::spawn(async move {
            let mut buf = [0; MAX_PACKET];
            loop {
                let (length, peer) = socket.recv_from(&mut buf).await.expect("readable");
                let seen = {
                    let mut heard = heard.lock().expect("no panic before");
                    heard.push(buf[..length].to_vec());
                    heard.iter().filter(|datagram| datagram[0] == buf[0]).count()
                };
                if seen > manners.deaf_to {
                    let answer = answer(manners, &buf[..length]);
                    socket.send_to(&answer, peer).await.expect("sent");
                }
            }
        });
        server
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("no panic before").clone()
    }

    async fn router(&self, change: impl FnOnce(&mut NasConfig)) -> Nas {
        let mut config = NasConfig::new(self.address, self.address, SECRET).expect("a secret");
        config.timeout = Duration::from_secs(2);
        config.interim_floor = Duration::ZERO;
        config.portal_url = "http://portal.example".to_owned();
        change(&mut config);
        Nas::start(config).await.expect("free ports")
    }
}

fn answer(manners: Manners, datagram: &[u8]) -> Vec<u8> {
    let secret = Secret::new(manners.secret).expect("not empty");
    let request = Packet::parse(datagram).expect("well formed");
    let mut buf = [0; MAX_PACKET];
    if request.code() == Code::AccountingRequest {
        assert!(authenticator::verify_request(&request, &Secret::new(SECRET).expect("not empty")));
        let reply = reply(&mut buf, Code::AccountingResponse, &request).expect("fits");
        return reply.finish_reply(&secret, request.authenticator()).to_vec();
    }
    let welcome = knows(&request);
    let code = if welcome { Code::AccessAccept } else { Code::AccessReject };
    let mut reply = Builder::new(&mut buf, code, request.identifier());
    if manners.sign {
        reply.reserve_message_authenticator().expect("fits");
    }
    if welcome {
        reply.put(rfc2865::SESSION_TIMEOUT, 3600).expect("fits");
        reply.put(rfc2865::CLASS, &b"ticket-1"[..]).expect("fits");
        reply.put(mikrotik::RATE_LIMIT, &b"1M/2M"[..]).expect("fits");
        reply.put(mikrotik::TOTAL_LIMIT, 1_000_000).expect("fits");
    } else {
        reply.put(rfc2865::REPLY_MESSAGE, &b"Buy a package & try again"[..]).expect("fits");
    }
    reply.finish_reply(&secret, request.authenticator()).to_vec()
}

fn knows(request: &Packet<'_>) -> bool {
    let secret = Secret::new(SECRET).expect("not empty");
    let user = request.get(rfc2865::USER_NAME).expect("a name");
    let password: &[u8] = if user == Mac::phone(7).to_string().as_bytes() { b"" } else { b"open" };
    let known = user == b"ann" || password.is_empty();
    let mut out = [0; 128];
    let right = match request.get(rfc2865::CHAP_PASSWORD) {
        Some(response) => chap_password::verify(response, chap_password::challenge(request), password),
        None => request
            .get(rfc2865::USER_PASSWORD)
            .and_then(|hidden| pap::reveal(hidden, request.authenticator(), &secret, &mut out))
            .is_some_and(|revealed| revealed == password),
    };
    known && right
}

async fn settled(nas: &Nas, reports: usize) {
    nas.wait_for("reports are settled", PATIENCE, |router| {
        router.journal().entries().len() == reports && router.journal().is_settled()
    })
    .await
    .expect("in time");
}

#[tokio::test]
async fn a_session_from_login_to_logout_is_accounted() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|_| ()).await;
    let outcome = nas.login_pap(PHONE, "ann", "open").await;
    assert!(outcome.is_accepted(), "{outcome:?}");
    assert_eq!(outcome.terms().expect("terms").rate_limit.as_deref(), Some("1M/2M"));
    assert_eq!(nas.traffic(PHONE, 10, 500), Some((10, 500)));
    assert!(nas.interim_now(PHONE) && nas.logout(PHONE));
    settled(&nas, 4).await;
    let kinds: Vec<ReportKind> = nas.journal().iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [ReportKind::AccountingOn, ReportKind::Start, ReportKind::InterimUpdate, ReportKind::Stop(1)]);
    assert!(nas.journal().iter().all(|entry| entry.delivery == Delivery::Acknowledged && entry.transmissions == 1));
    let stop = server
        .heard()
        .into_iter()
        .rfind(|datagram| Packet::parse(datagram).expect("well formed").get(rfc2866::ACCT_STATUS_TYPE) == Some(2));
    let stop = stop.expect("a Stop was heard");
    let stop = Packet::parse(&stop).expect("well formed");
    assert_eq!(stop.get(rfc2865::CLASS), Some(&b"ticket-1"[..]));
    assert_eq!((stop.get(rfc2866::ACCT_INPUT_OCTETS), stop.get(rfc2866::ACCT_OUTPUT_OCTETS)), (Some(10), Some(500)));
    assert!(stop.get(rfc2869::EVENT_TIMESTAMP).is_some_and(|stamp| stamp > 1_600_000_000));
    nas.shutdown().await;
}

#[tokio::test]
async fn chap_and_mac_logins_verify() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|_| ()).await;
    assert!(nas.login_chap(PHONE, "ann", "open").await.is_accepted());
    let wrong = nas.login_chap(Mac::phone(2), "ann", "shut").await;
    assert_eq!(wrong.error().as_deref(), Some("Buy a package & try again"));
    let known = nas.join(Mac::phone(7)).await.expect("room").expect("tried by its address");
    assert!(known.is_accepted(), "{known:?}");
    let stranger = nas.join(Mac::phone(8)).await.expect("room").expect("tried by its address");
    assert!(!stranger.is_accepted());
    let old = server.router(|config| config.login_by.http_chap = false).await;
    assert!(old.login_mac(Mac::phone(7)).await.is_accepted(), "an empty password by PAP");
}

#[tokio::test]
async fn a_deaf_server_is_asked_three_times_with_the_same_octets() {
    let server = Server::start(Manners { deaf_to: 2, ..POLITE }).await;
    let nas = server.router(|config| config.timeout = Duration::from_millis(400)).await;
    assert!(nas.login_pap(PHONE, "ann", "open").await.is_accepted(), "the third is answered");
    let asked: Vec<Vec<u8>> = server.heard().into_iter().filter(|datagram| datagram[0] == 1).collect();
    assert_eq!(asked.len(), 3);
    assert!(asked[0] == asked[1] && asked[1] == asked[2]);
    nas.misbehave(Misbehaviour { lose_replies: true, ..Misbehaviour::default() });
    let lost = nas.login_pap(Mac::phone(2), "ann", "open").await;
    assert_eq!(lost, LoginOutcome::Timeout);
    nas.logout(PHONE);
    nas.wait_for("the Stop is given up", PATIENCE, |router| {
        router.journal().entries().last().is_some_and(|entry| entry.delivery == Delivery::Dropped)
    })
    .await
    .expect("in time");
    assert_eq!(nas.journal().last().expect("the Stop").transmissions, 3);
    assert!(nas.stats().lost_replies >= 6 && nas.stats().timeouts == 1, "{:?}", nas.stats());
}

#[tokio::test]
async fn answers_with_the_wrong_secret_or_no_signature_are_bad() {
    for (manners, require, bad) in [
        (Manners { secret: b"another secret", ..POLITE }, true, true),
        (Manners { sign: false, ..POLITE }, true, true),
        (Manners { sign: false, ..POLITE }, false, false),
    ] {
        let server = Server::start(manners).await;
        let nas = server.router(|config| {
            config.require_message_auth = require;
            config.timeout = Duration::from_millis(400);
        });
        let nas = nas.await;
        let outcome = nas.login_chap(PHONE, "ann", "open").await;
        assert_eq!(outcome == LoginOutcome::Timeout, bad, "{outcome:?}");
        assert_eq!(nas.stats().bad_replies >= 3, bad);
    }
}

#[tokio::test]
async fn a_disconnect_over_udp_is_obeyed_and_a_reboot_forgets() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|_| ()).await;
    assert!(nas.login_pap(PHONE, "ann", "open").await.is_accepted());
    let session = nas.session(PHONE).expect("active");
    let secret = Secret::new(SECRET).expect("not empty");
    let mut buf = [0; MAX_PACKET];
    let mut cut = Builder::new(&mut buf, Code::DisconnectRequest, 1);
    cut.put(rfc2865::USER_NAME, &b"ann"[..]).expect("fits");
    cut.put(rfc2865::FRAMED_IP_ADDRESS, session.ip).expect("fits");
    cut.reserve_message_authenticator().expect("fits");
    let cut = cut.finish_hashed_request(&secret).to_vec();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    for expected in [Code::DisconnectAck, Code::DisconnectNak] {
        socket.send_to(&cut, nas.coa_addr()).await.expect("sent");
        let mut answer = [0; MAX_PACKET];
        let length =
            tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await.expect("in time").expect("readable");
        let answer = Packet::parse(&answer[..length]).expect("well formed");
        assert_eq!(answer.code(), expected);
        assert_eq!(answer.get(rfc5176::ERROR_CAUSE), (expected == Code::DisconnectNak).then_some(406));
    }
    assert!(nas.session(PHONE).is_none());
    assert!(nas.login_pap(PHONE, "ann", "open").await.is_accepted());
    nas.reboot();
    assert!(nas.session(PHONE).is_none());
    assert!(nas.login_pap(PHONE, "ann", "open").await.is_accepted());
    assert_eq!(nas.session(PHONE).expect("active").session_id(), "80200001");
}

#[tokio::test]
async fn the_rest_api_lists_who_is_online_and_takes_them_off() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|config| config.rest = Some(("mlango".to_owned(), "open sesame".to_owned()))).await;
    assert!(nas.login_pap(PHONE, "ann", "open").await.is_accepted());
    assert_eq!(nas.traffic(PHONE, 10, 500), Some((10, 500)));
    let client = reqwest::Client::new();
    let ask = async |method: reqwest::Method, path: &str, password: &str| {
        let request = client.request(method, format!("{}/rest/{path}", nas.url())).basic_auth("mlango", Some(password));
        let answer = request.send().await.expect("answered");
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap_or_default())
    };
    let get = async |path: &str| ask(reqwest::Method::GET, path, "open sesame").await;
    let (status, listed) = get("ip/hotspot/active?address=10.5.50.2").await;
    assert_eq!((status, listed.as_array().map(Vec::len)), (200, Some(1)));
    let entry = listed[0].as_object().expect("an object");
    assert!(entry.values().all(serde_json::Value::is_string), "{entry:?}");
    assert_eq!((&entry[".id"], &entry["bytes-out"], &entry["radius"]), (&"*1".into(), &"500".into(), &"true".into()));
    assert_eq!(get(&format!("ip/hotspot/active?mac-address={PHONE}")).await.1, listed);
    assert_eq!(get("ip/hotspot/active?address=10.5.50.3").await, (200, serde_json::json!([])));
    assert_eq!(get("system/identity").await.1["name"], "demo-router");
    assert_eq!(ask(reqwest::Method::GET, "ip/hotspot/active", "guess").await.0, 401);

    let remove = async || ask(reqwest::Method::DELETE, "ip/hotspot/active/*1", "open sesame").await.0;
    nas.misbehave(Misbehaviour { rest: RestBehaviour::RemovesNothing, ..Misbehaviour::default() });
    assert_eq!(remove().await, 204);
    assert!(nas.session(PHONE).is_some());
    nas.misbehave(Misbehaviour::default());
    assert_eq!((remove().await, remove().await), (204, 404));
    assert!(nas.session(PHONE).is_none());
    let stop = nas.journal().last().expect("a Stop").kind;
    assert_eq!(stop, ReportKind::Stop(cause::ADMIN_RESET));
    let without = server.router(|_| ()).await;
    let answer = client.get(format!("{}/rest/system/identity", without.url())).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND, "it is off");
}

/// A captive browser: no redirects by itself, one cookie.
struct Browser {
    client: reqwest::Client,
    url: String,
    cookie: String,
}

impl Browser {
    async fn join(nas: &Nas, phone: u32) -> Browser {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let answer = client.get(format!("{}/join?phone={phone}", nas.url())).send().await.expect("answered");
        assert_eq!((answer.status(), location(&answer)), (StatusCode::FOUND, "/".to_owned()));
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("text").split(';').next().expect("one").to_owned();
        Browser { client, url: nas.url().to_owned(), cookie }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).send().await.expect("answered")
    }

    async fn login(&self, fields: &[(&str, &str)]) -> reqwest::Response {
        let request = self.client.post(format!("{}/login", self.url)).header(COOKIE, &self.cookie);
        request.form(fields).send().await.expect("answered")
    }
}

fn location(answer: &reqwest::Response) -> String {
    answer.headers()[LOCATION].to_str().expect("text").to_owned()
}

/// The query of the portal's URL in a login page.
fn portal_query(page: &str) -> Vec<(String, String)> {
    let link = page.split_once("href=\"").expect("a link").1.split_once('"').expect("its end").0.replace("&amp;", "&");
    let url = url::Url::parse(&link).expect("a URL");
    assert_eq!((url.host_str(), url.path()), (Some("portal.example"), "/h"));
    url.query_pairs().into_owned().collect()
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> &'q str {
    query.iter().find(|(key, _)| key == name).map_or("(absent)", |(_, value)| value)
}

/// Reads `\ooo` escapes, as the page's script does.
fn unescape(text: &str) -> Vec<u8> {
    text.split('\\').skip(1).map(|octal| u8::from_str_radix(octal, 8).expect("octal")).collect()
}

#[tokio::test]
async fn a_browser_is_sent_to_the_portal_and_comes_back_with_a_login() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|config| config.login_by.mac = false).await;
    let browser = Browser::join(&nas, 3).await;
    let captive = location(&browser.get("/generate_204").await);
    assert!(captive.starts_with("/login?dst=http"), "{captive}");
    let query = portal_query(&browser.get(&captive).await.text().await.expect("text"));
    assert_eq!(value(&query, "mac"), Mac::phone(3).to_string());
    assert_eq!(value(&query, "identity"), "demo-router");
    assert_eq!(value(&query, "link-login-only"), format!("{}/login", nas.url()));
    assert_eq!(value(&query, "link-orig"), format!("{}/generate_204", nas.url()));
    assert_eq!(value(&query, "error"), "");
    let refused = browser.login(&[("username", "ann"), ("password", "shut"), ("radius77", "injected")]).await;
    let again = portal_query(&refused.text().await.expect("text"));
    assert_eq!(value(&again, "error"), "Buy a package & try again");
    let (id, challenge) = (unescape(value(&again, "chap-id")), unescape(value(&again, "chap-challenge")));
    let digest = hex::encode(&chap_password::response(id[0], b"open", &challenge)[1..]);
    let dst = format!("{}/internet", nas.url());
    let welcome = browser.login(&[("username", "ann"), ("password", &digest), ("dst", &dst)]).await;
    assert_eq!((welcome.status(), location(&welcome)), (StatusCode::FOUND, dst));
    assert_eq!(browser.get("/generate_204").await.status(), StatusCode::NO_CONTENT);
    assert!(browser.get("/internet").await.text().await.expect("text").contains("You are on the internet"));
    let smuggled = server
        .heard()
        .iter()
        .any(|datagram| Packet::parse(datagram).expect("well formed").get(rfc2869::CONNECT_INFO) == Some(b"injected"));
    assert!(smuggled, "a field of the form becomes an attribute");
}

#[tokio::test]
async fn the_servlet_counts_shows_and_cuts() {
    let server = Server::start(POLITE).await;
    let nas = server.router(|config| config.login_by.mac = false).await;
    let browser = Browser::join(&nas, 4).await;
    let by_get = browser.get("/login?username=ann&password=open&dst=javascript:alert(1)").await;
    assert_eq!(location(&by_get), "/status");
    let status = browser.get("/status").await.text().await.expect("text");
    assert!(status.contains("1M/2M") && status.contains("ann"), "{status}");
    let download = browser.get("/internet/download?bytes=900000").await;
    assert_eq!(download.bytes().await.expect("a body").len(), 65536);
    assert_eq!(nas.session(Mac::phone(4)).expect("active").bytes(), (0, 900_000));
    let state: serde_json::Value = browser.get("/sim/state").await.json().await.expect("JSON");
    assert_eq!(state["sessions"][0]["bytes_left"], 100_000);
    assert!(browser.get("/sim").await.text().await.expect("text").contains(&Mac::phone(4).to_string()));
    let over = serde_json::json!({ "mac": Mac::phone(4), "up": 0, "down": 200_000 });
    let cut: serde_json::Value = browser
        .client
        .post(format!("{}/sim/traffic", nas.url()))
        .json(&over)
        .send()
        .await
        .expect("answered")
        .json()
        .await
        .expect("JSON");
    assert_eq!((&cut["down"], &cut["logged_in"]), (&100_000.into(), &false.into()));
    assert_eq!(location(&browser.get("/internet").await).get(..11), Some("/login?dst="));
    assert_eq!(location(&browser.get("/logout").await), "/login");
}

#[tokio::test]
async fn a_silent_server_is_told_to_the_guest_in_the_routers_words() {
    let server = Server::start(Manners { deaf_to: usize::MAX, ..POLITE }).await;
    let nas = server.router(|config| {
        config.login_by.mac = false;
        config.timeout = Duration::from_millis(10);
    });
    let nas = nas.await;
    let browser = Browser::join(&nas, 5).await;
    let page = browser.login(&[("username", "ann"), ("password", "open")]).await.text().await.expect("text");
    assert_eq!(value(&portal_query(&page), "error"), "RADIUS server is not responding");
}
