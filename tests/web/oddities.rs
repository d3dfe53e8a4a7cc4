//! Requests that no browser sends: two lengths, bodies without end, heads without end, other spellings of the desk's addresses, methods in
//! disguise. Each is refused or read in the one way that RFC 9112 has, none opens what the desk's door keeps shut, and the portal is there
//! afterwards.

use std::time::Duration;

use reqwest::Method;
use shared::staff::Role;
use tests::world::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::operator::EMAIL;
use crate::people::{Answer, Stage, arrival, secret};

/// What is on every page of the desk and on no other.
const INSIDE: &str = "Sign out";

async fn connect(stage: &Stage) -> TcpStream {
    TcpStream::connect(stage.web.portal.trim_start_matches("http://")).await.unwrap()
}

/// Sends octets as they are, and reads what comes until the connection is closed.
async fn raw(stage: &Stage, octets: &[u8]) -> String {
    let mut stream = connect(stage).await;
    // Whoever is refused early need not take the rest.
    drop(stream.write_all(octets).await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let shown: String = String::from_utf8_lossy(octets).chars().take(200).collect();
    // A connection that is reset has ended as well.
    drop(read.unwrap_or_else(|_| panic!("no end of an answer to {shown:?}")));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer; 0: there was none.
fn status(answer: &str) -> u16 {
    let first = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "));
    first.and_then(|rest| rest.get(..3)).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

async fn assert_lives(stage: &Stage, after: &str) {
    assert_eq!(stage.web.get("/healthz", "").await.status, 200, "after {after:?}");
}

#[tokio::test]
async fn a_request_whose_length_can_be_read_in_two_ways_is_refused() {
    let stage = Stage::open().await;
    let post = |heads: &str, body: &str| {
        format!(
            "POST /buy HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n{heads}\r\n\r\n{body}"
        )
    };
    let hidden = "GET /admin/sign-in HTTP/1.1\r\nHost: x\r\n\r\n";
    for (heads, body) in [
        ("Content-Length: 5\r\nContent-Length: 6", "hello!"),
        ("Content-Length: 6\r\nContent-Length: 5", "hello!"),
        ("Content-Length: 5, 6", "hello!"),
        ("Content-Length: -1", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length: 5 6", "hello"),
        ("Content-Length: 99999999999999999999", "hello"),
        ("Transfer-Encoding: identity", hidden),
        ("Transfer-Encoding: chunked, identity", hidden),
        ("Transfer-Encoding: xchunked", hidden),
        ("Transfer-Encoding : chunked", hidden),
        (" Transfer-Encoding: chunked", hidden),
        ("X: y\r\n Transfer-Encoding: chunked", hidden),
        ("Transfer\0-Encoding: chunked", hidden),
        ("X: y\0z", hidden),
        ("X\u{7f}: y", hidden),
    ] {
        let answer = raw(&stage, post(heads, body).as_bytes()).await;
        assert_eq!(status(&answer), 400, "{heads:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{heads:?}: one answer, and no second request is read: {answer}"
        );
        assert_lives(&stage, heads).await;
    }
    // Both kinds of length: chunks count (RFC 9112 §6.3), so what stands in them is a body and no request.
    for heads in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\nConnection: close",
    ] {
        let body = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let answer = raw(&stage, post(heads, &body).as_bytes()).await;
        assert!((400..500).contains(&status(&answer)), "{heads:?}: {answer}");
        assert!(
            answer.matches("HTTP/1.1 ").count() == 1 && !answer.contains("name=\"password\""),
            "{heads:?}: {answer}"
        );
    }
    for chunk in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello world\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello",
    ] {
        let answer = raw(&stage, post("Transfer-Encoding: chunked\r\nConnection: close", chunk).as_bytes()).await;
        assert!([0, 400, 413, 422].contains(&status(&answer)), "{chunk:?}: {answer}");
        assert_lives(&stage, chunk).await;
    }
}

#[tokio::test]
async fn heads_that_make_no_sense_or_have_no_end_are_refused() {
    let stage = Stage::open().await;
    let long = "a".repeat(1_000_000);
    let many = (0..5000).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    for request in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /h?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\nHost: x\r\n\r\n"),
        "GET\r\n\r\n".to_owned(),
        "GE T / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}".to_owned(),
        "\0\0\0\0".to_owned(),
    ] {
        let answer = raw(&stage, request.as_bytes()).await;
        let shown: String = request.chars().take(60).collect();
        assert!([0, 400, 404, 414, 431, 505].contains(&status(&answer)), "{shown:?}: {answer:.300}");
        assert!(!answer.contains(INSIDE) && answer.len() < 10_000, "{shown:?}: {answer:.300}");
        assert_lives(&stage, &shown).await;
    }
    // Cookies of a length that some browsers collect are no reason not to serve.
    let cookies = (0..40).map(|number| format!("other-{number}={}", "v".repeat(100))).collect::<Vec<_>>().join("; ");
    assert_eq!(stage.web.get("/", &cookies).await.status, 200);
}

#[tokio::test]
async fn a_body_without_end_is_refused_before_it_is_kept() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let csrf = secret(&stage.web, &owner).await;
    let megabyte = "x".repeat(1_000_000);
    for (path, cookie) in [
        ("/buy", ""),
        ("/voucher", ""),
        ("/screen", ""),
        ("/account/code", ""),
        ("/account/verify", ""),
        ("/account/messages", ""),
        ("/admin/sign-in", ""),
        ("/admin/vouchers", owner.cookie.as_str()),
        ("/admin/staff", owner.cookie.as_str()),
        ("/webhooks/mpesa/nothing", ""),
        ("/webhooks/stripe", ""),
        ("/api/v1/sessions/ses_1/disconnects", ""),
        ("/r/nothing/report", ""),
    ] {
        for length in ["Content-Length: 10000000", "Transfer-Encoding: chunked"] {
            let is_chunked = length.starts_with("Transfer");
            let mut stream = connect(&stage).await;
            let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n{cookie}{length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let first = format!("csrf={csrf}&visit=");
            let start = if is_chunked { format!("{:x}\r\n{first}\r\n", first.len()) } else { first };
            // The portal may stop listening at any moment of this; what it has said by then counts.
            let (mut reader, mut writer) = stream.into_split();
            let written = async {
                writer.write_all(start.as_bytes()).await?;
                for _ in 0..9 {
                    let piece =
                        if is_chunked { format!("{:x}\r\n{megabyte}\r\n", megabyte.len()) } else { megabyte.clone() };
                    writer.write_all(piece.as_bytes()).await?;
                }
                std::io::Result::Ok(())
            };
            let read = async {
                let mut answer = Vec::new();
                drop(reader.read_to_end(&mut answer).await);
                String::from_utf8_lossy(&answer).into_owned()
            };
            let both = tokio::time::timeout(PATIENCE, async { tokio::join!(written, read) }).await;
            let (_, answer) = both.unwrap_or_else(|_| panic!("{path} {length}: neither refused nor closed"));
            let refused = status(&answer);
            assert!(refused == 0 || refused == 303 || (400..500).contains(&refused), "{path} {length}: {answer:.300}");
        }
        assert_lives(&stage, path).await;
    }
}

/// Other spellings of the desk's addresses, as they go over the wire.
const SPELLINGS: [&str; 34] = [
    "//admin",
    "//admin/staff",
    "///admin/staff",
    "/admin//staff",
    "/admin/staff/",
    "/admin/./staff",
    "/./admin/staff",
    "/x/../admin/staff",
    "/static/x/../../admin/staff",
    "/o/../admin/staff",
    "/api/v1/../../admin/staff",
    "/admin/sign-in/../staff",
    "/admin/sign-in/..%2fstaff",
    "/admin/sign-in%2f..%2fstaff",
    "/admin/sign-in;/../staff",
    "/admin;/staff",
    "/admin;x=y/staff",
    "/admin/staff;x=y",
    "/admin/staff.json",
    "/admin/staff%00",
    "/admin/staff%20",
    "/admin/staff%2f",
    "/admin%2fstaff",
    "/admin%2Fstaff",
    "/admin%5cstaff",
    "/admin\\staff",
    "\\admin\\staff",
    "/%61dmin/staff",
    "/%61%64%6d%69%6e/staff",
    "/%2561dmin/staff",
    "/ADMIN/staff",
    "/Admin/Staff",
    "/admin/%2e%2e/admin/staff",
    "/admin/staff?x=/admin/sign-in",
];

#[tokio::test]
async fn no_spelling_of_its_address_gets_past_the_desks_door() {
    let stage = Stage::open().await;
    // Whoever reads only is at the desk, and has no business with staff.
    let reader = stage.staff("read@example.org", Role::ReadOnly).await;
    for path in SPELLINGS {
        for cookie in ["", reader.cookie.as_str()] {
            let cookie_line = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
            for target in [path.to_owned(), format!("http://127.0.0.1{path}")] {
                let request =
                    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie_line}Connection: close\r\n\r\n");
                let answer = raw(&stage, request.as_bytes()).await;
                assert!(
                    [303, 308, 400, 401, 403, 404].contains(&status(&answer)),
                    "{target} {cookie:?}: {answer:.400}"
                );
                let is_list = answer.contains("read@example.org") && answer.contains("Invite");
                assert!(!is_list, "{target} {cookie:?}: {answer:.400}");
                if cookie.is_empty() {
                    assert!(!answer.contains(INSIDE), "{target}: {answer:.400}");
                }
            }
        }
    }
    assert_lives(&stage, "all spellings").await;
}

#[tokio::test]
async fn a_method_in_disguise_is_what_it_is() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let reader = stage.staff("read@example.org", Role::ReadOnly).await;
    let csrf = secret(&stage.web, &owner).await;
    let before = stage.at_rest().await;
    let path = format!("/admin/vouchers/{}/void", stage.batch);
    for header in ["x-http-method-override", "x-http-method", "x-method-override", "_method"] {
        // Looking stays looking.
        for path in ["/admin/sign-out", path.as_str()] {
            let request = stage.web.request(
                Method::GET,
                &format!("{path}?_method=POST&csrf={csrf}&confirmed=yes"),
                &owner.cookie,
            );
            let answer = Answer::of(request.header(header, "POST")).await;
            assert!(answer.status < 500, "{path} {header}: {}", answer.status);
        }
        // And a change does not become harmless by its name.
        let request = stage.web.request(Method::POST, "/admin/vouchers", &reader.cookie).header(header, "GET");
        assert_eq!(Answer::of(request.form(&[("csrf", "x")])).await.status, 403, "{header}");
    }
    for header in ["x-original-url", "x-rewrite-url", "x-forwarded-prefix", "x-forwarded-uri"] {
        let request = stage.web.request(Method::GET, "/", "").header(header, "/admin/staff");
        let answer = Answer::of(request).await;
        assert!(answer.status == 200 && !answer.text.contains(INSIDE), "{header}: {}", answer.text);
    }
    for method in ["PROPFIND", "FOO", "admin", "LINK"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = Answer::of(stage.web.request(method.clone(), "/admin/staff", &owner.cookie)).await;
        assert!([403, 405].contains(&answer.status) && !answer.text.contains("Invite"), "{method}: {}", answer.status);
    }
    assert_eq!(stage.contents().await, before, "something was changed");
    assert_eq!(stage.web.get("/admin", &owner.cookie).await.status, 200, "the session is still there");
}

/// It takes a minute, so it runs with `./mlango test --full`; how it is measured is tested beside it, in `portal/src/patience.rs`.
#[tokio::test]
async fn a_request_that_comes_too_slowly_is_closed() {
    if std::env::var_os("MLANGO_FULL").is_none() {
        println!("skipped: it waits for a minute, with ./mlango test --full");
        return;
    }
    let stage = Stage::open().await;
    let heads = ["GET / HTTP/1.1\r\nHost: x\r\n", "POST /buy HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n", ""];
    let slow = heads.map(|head| {
        let stage = &stage;
        async move {
            let mut stream = connect(stage).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut reader, mut writer) = stream.into_split();
            let trickle = async {
                // Two octets a second, for as long as somebody listens; of nothing, nothing.
                while !head.is_empty() && writer.write_all(b"X").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut answer = Vec::new();
            let closed = async { drop(reader.read_to_end(&mut answer).await) };
            tokio::select! {
                () = trickle => {}
                () = closed => {}
                () = tokio::time::sleep(Duration::from_secs(100)) => panic!("{head:?} is still waited for"),
            }
        }
    });
    futures::future::join_all(slow).await;
    assert_eq!(stage.web.get(&arrival("02:00:00:00:00:01"), "").await.status, 200);
}
