//! E-mail against a mail server that says at each step what a test tells it, and remembers what it heard.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const ID: Uuid = Uuid::from_u128(0x0192_e4a0_0000_7000_8000_0000_0000_0001);

/// What the server does at a step, instead of what it usually says.
#[derive(Clone, Copy)]
enum Does {
    Says(&'static str),
    Drops,
    Nothing,
}

/// A step by the command that begins it: the greeting has none, and the end of a message is a dot.
type Script = Vec<(&'static str, Does)>;
type Heard = Arc<Mutex<Vec<String>>>;

fn usual(step: &str) -> &'static str {
    match step {
        "" => "220 mail.test",
        "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 SIZE 1000000",
        "DATA" => "354 go on",
        "." => "250 2.0.0 queued",
        "QUIT" => "221 bye",
        _ => "250 ok",
    }
}

async fn serve(stream: TcpStream, script: Script, heard: Heard) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut step, mut in_message) = (String::new(), false);
    loop {
        let does = script.iter().find(|(at, _)| *at == step).map(|(_, does)| *does);
        let says = match does.unwrap_or(Does::Says(usual(&step))) {
            Does::Says(says) => says,
            Does::Drops => return Ok(()),
            Does::Nothing => std::future::pending().await,
        };
        write.write_all(format!("{says}\r\n").as_bytes()).await?;
        in_message |= says.starts_with("354");
        loop {
            let Some(line) = lines.next_line().await? else { return Ok(()) };
            heard.lock().expect("no panic before").push(line.clone());
            if !in_message || line == "." {
                in_message = false;
                step = line.split(' ').next().unwrap_or_default().to_owned();
                break;
            }
        }
    }
}

async fn server(script: Script) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let heard = Heard::default();
    let book = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script.clone(), Arc::clone(&book)));
        }
    });
    (port, heard)
}

fn email(port: u16, more: Value) -> Email {
    let mut settings = json!({
        "host": "127.0.0.1", "port": port, "encryption": "none", "from": "Mlango Wi-Fi <wifi@example.org>",
        "timeout_ms": 5000,
    });
    for (key, value) in more.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    let settings: config::Email = serde_json::from_value(settings).expect("a section");
    Email::new(&settings, &Url::parse("https://wifi.example.org/portal").expect("a URL")).expect("a client")
}

fn amina() -> EmailAddress {
    "amina@example.org".parse().expect("an address")
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(784_887_151).expect("in the calendar")
}

async fn send(email: &Email, text: &str) -> Sent {
    let to = amina();
    email.send(&Message { id: ID, to: &to, subject: "Your receipt", text, refuse: None }, now()).await
}

/// What becomes of a message at a server that does this at one step, and the lines that the server heard.
async fn at(step: &'static str, does: Does, more: Value) -> (Sent, Vec<String>) {
    let (port, heard) = server(vec![(step, does)]).await;
    let sent = send(&email(port, more), "Asante.").await;
    let heard = heard.lock().expect("no panic before").clone();
    (sent, heard)
}

fn written(subject: &str, text: &str) -> String {
    written_with(subject, text, None)
}

fn written_with(subject: &str, text: &str, refuse: Option<&str>) -> String {
    let to = amina();
    let message = Message { id: ID, to: &to, subject, text, refuse };
    let octets =
        email(25, json!({})).write(&message, None, address(&to).expect("valid"), now()).expect("it can be written");
    String::from_utf8(octets).expect("ASCII")
}

/// The headers' names, and the body.
fn parts(written: &str) -> (Vec<&str>, &str) {
    let (head, body) = written.split_once("\r\n\r\n").expect("a head and a body");
    let begins = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    (begins.map(|line| line.split_once(':').expect("a name and a value").0).collect(), body)
}

const NAMES: [&str; 10] = [
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "List-Unsubscribe",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

#[test]
fn a_message_says_who_it_is_from_and_that_a_machine_wrote_it() {
    let written = written("Your receipt", "Asante.\nKaribu tena.");
    for line in [
        "Message-ID: <0192e4a0-0000-7000-8000-000000000001@wifi.example.org>",
        "Date: Tue, 15 Nov 1994 08:12:31 +0000",
        "From: \"Mlango Wi-Fi\" <wifi@example.org>",
        "To: amina@example.org",
        "Subject: Your receipt",
        "Auto-Submitted: auto-generated",
        "List-Unsubscribe: <https://wifi.example.org/portal/account>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(written.split("\r\n").any(|found| found == line), "{line}\n{written}");
    }
    let (names, body) = parts(&written);
    assert_eq!(names, NAMES);
    assert_eq!(body, "Asante.\r\nKaribu tena.\r\n");
    assert!(written.is_ascii());
}

#[test]
fn what_can_be_refused_says_where_one_request_does_it() {
    let address = "https://wifi.example.org/portal/u/AZrqXk2mT0a7h6Vw1Qq9mQAAAAAAAAAAAAAAAAAAAAA";
    let written = written_with("It ends soon", "Asante.", Some(address));
    // A mail program may fold a long header; what it says is the same.
    let whole = written.replace("\r\n ", " ");
    let leave = format!("List-Unsubscribe: <{address}>");
    for line in [leave.as_str(), "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] {
        assert!(
            whole.split("\r\n").any(|found| found.split_whitespace().eq(line.split_whitespace())),
            "{line}\n{written}"
        );
    }
    assert_eq!(parts(&written).0.len(), NAMES.len() + 1);
}

#[test]
fn no_subject_and_no_text_writes_a_header() {
    let evil = "Hi\r\nBcc: victim@example.org\r\n\r\nX-Evil: 1\nFrom: evil@example.org\rTo: a\0b\u{b}c\u{85}d";
    let long = format!("{} {}", "é".repeat(300), "x".repeat(2000));
    for subject in [evil, long.as_str(), "", "=?utf-8?q?=0D=0ABcc:_victim@example.org?="] {
        let written = written(subject, evil);
        let (names, _) = parts(&written);
        assert_eq!(names, NAMES, "{written}");
        assert!(written.is_ascii());
        assert!(written.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{written}");
    }
    assert_eq!(one_line(evil), "Hi Bcc: victim@example.org X-Evil: 1 From: evil@example.org To: a b c d");
    assert_eq!(one_line(&long).chars().count(), SUBJECT_LIMIT);
    assert_eq!(lines("a\r\nb\rc\n\td\0"), "a\nb c\n d ");
}

#[tokio::test]
async fn a_message_is_handed_over_in_one_connection_and_its_dots_end_nothing() {
    let (port, heard) = server(Vec::new()).await;
    let sent = send(&email(port, json!({})), "one\n.\nMAIL FROM:<evil@example.org>\n..two").await;
    let reference = "0192e4a0-0000-7000-8000-000000000001@wifi.example.org".to_owned();
    assert_eq!(sent, Sent::Accepted { reference, cost: None, segments: 0 });
    let heard = heard.lock().expect("no panic before").clone();
    let commands: Vec<&str> = heard.iter().take(4).map(String::as_str).collect();
    assert_eq!(
        commands,
        ["EHLO wifi.example.org", "MAIL FROM:<wifi@example.org>", "RCPT TO:<amina@example.org>", "DATA"]
    );
    assert_eq!(heard.iter().filter(|line| *line == ".").count(), 1);
    assert!(heard.iter().any(|line| line == "..") && heard.iter().any(|line| line == "...two"), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn an_answer_means_what_it_means_at_its_step() {
    for (step, says, permanent) in [
        ("", "421 4.3.2 too busy", false),
        ("", "554 5.7.1 nobody from there", false),
        ("EHLO", "502 not here", false),
        ("MAIL", "451 4.3.0 later", false),
        ("MAIL", "550 5.7.1 not in the name of <wifi@example.org>", false),
        ("RCPT", "450 4.2.1 later", false),
        ("RCPT", "550 5.1.1 <amina@example.org>: no such mailbox", true),
        ("DATA", "451 4.3.0 later", false),
        ("DATA", "554 5.5.1 no", true),
        (".", "451 4.7.1 come back in five minutes", false),
        (".", "554 5.7.1 we do not like it", true),
    ] {
        let (sent, _) = at(step, Does::Says(says), json!({})).await;
        match sent {
            Sent::Refused { permanent: told, code, text } => {
                assert_eq!((told, code.as_str()), (permanent, &says[..3]), "{step} {says}");
                assert!(!text.is_empty() && !text.contains('@'), "{step} {says}: {text}");
            }
            other => panic!("{step} {says}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_before_the_message_has_sent_nothing() {
    for step in ["", "EHLO", "MAIL", "RCPT", "DATA"] {
        let (sent, _) = at(step, Does::Drops, json!({})).await;
        assert!(
            matches!(&sent, Sent::Refused { permanent: false, code, .. } if code == "unreachable"),
            "{step} {sent:?}"
        );
    }
    let (sent, _) = at(".", Does::Drops, json!({})).await;
    assert!(matches!(sent, Sent::Unknown(_)), "{sent:?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
    let sent = send(&email(closed, json!({})), "Asante.").await;
    assert!(matches!(&sent, Sent::Refused { permanent: false, code, .. } if code == "unreachable"), "{sent:?}");
}

#[tokio::test]
async fn silence_ends_in_time() {
    let soon = json!({ "timeout_ms": 300 });
    let (sent, heard) = at("RCPT", Does::Nothing, soon.clone()).await;
    assert_eq!(sent, refused(false, "unreachable", "no answer in time"));
    assert!(!heard.iter().any(|line| line == "QUIT"), "{heard:?}");
    let (sent, _) = at(".", Does::Nothing, soon.clone()).await;
    assert_eq!(sent, Sent::Unknown("no answer in time".into()));
    assert_eq!(email(25, soon).longest(), Duration::from_millis(1900));
}

#[tokio::test]
async fn an_answer_out_of_place_is_not_taken_for_another() {
    let (sent, heard) = at("DATA", Does::Says("250 ok"), json!({})).await;
    assert!(matches!(sent, Sent::Refused { permanent: false, .. }), "{sent:?}");
    assert_eq!(heard.last().map(String::as_str), Some("DATA"), "no word of the message is said: {heard:?}");
    let (sent, _) = at(".", Does::Says("354 more"), json!({})).await;
    assert!(matches!(sent, Sent::Unknown(_)), "{sent:?}");
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_encrypt_or_does_not_know_us() {
    let (sent, heard) = at("none", Does::Drops, json!({ "encryption": "starttls" })).await;
    assert!(matches!(sent, Sent::Refused { permanent: false, .. }), "{sent:?}");
    assert!(!heard.iter().any(|line| line.starts_with("MAIL")), "{heard:?}");
    let (sent, heard) = at("none", Does::Drops, json!({ "username": "wifi", "password": "hunter2" })).await;
    assert!(matches!(sent, Sent::Refused { permanent: false, .. }), "{sent:?}");
    assert!(!heard.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")), "{heard:?}");
}

#[tokio::test]
async fn a_password_that_is_wrong_is_for_the_operator_to_correct() {
    let offers = "250-mail.test\r\n250 AUTH PLAIN";
    let script = vec![("EHLO", Does::Says(offers)), ("AUTH", Does::Says("535 5.7.8 wrong"))];
    let (port, heard) = server(script).await;
    let sent = send(&email(port, json!({ "username": "wifi", "password": "hunter2" })), "Asante.").await;
    assert_eq!(sent, refused(false, "535", "5.7.8 wrong"));
    assert_eq!(heard.lock().expect("no panic before").len(), 2);
}

#[test]
fn what_cannot_be_set_up_is_said_at_the_start() {
    let settings = |more: Value| -> config::Email {
        let mut settings = json!({ "host": "mail.example.org", "from": "wifi@example.org" });
        for (key, value) in more.as_object().expect("an object") {
            settings[key] = value.clone();
        }
        serde_json::from_value(settings).expect("a section")
    };
    let url = Url::parse("https://wifi.example.org").expect("a URL");
    let error = Email::new(&settings(json!({ "ca_file": "/nonexistent/ca.pem" })), &url).expect_err("no file");
    assert!(error.to_string().starts_with("email.ca_file: cannot read /nonexistent/ca.pem"), "{error}");
    let none = json!({ "ca_file": concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml") });
    let error = Email::new(&settings(none), &url).expect_err("no certificate");
    assert!(error.to_string().contains("there is no certificate in"), "{error}");
    for from in ["Kahawa, Wi-Fi (Ngong) <wifi@example.org>", "Café ☕ O'Neil & 9 <wifi@example.org>"] {
        let settings = settings(json!({ "encryption": "none", "host": "127.0.0.1", "from": from }));
        assert!(Email::new(&settings, &url).is_ok(), "{from}");
    }
}

#[test]
fn a_quoted_text_has_no_address() {
    assert_eq!(quotable("5.1.1 <amina@example.org>:\r\nno such\tmailbox"), "5.1.1 *** no such mailbox");
    assert_eq!(quotable(&"a".repeat(10_000)).len(), QUOTE_LIMIT);
}
