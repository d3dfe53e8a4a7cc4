//! A real mail server, which others wrote: aiosmtpd, behind a handler that answers as a test tells it
//! (`tests/smtp/server.py`).
//!
//! ```text
//!  the portal ──SMTP, TLS──► aiosmtpd ──► mail.jsonl ──► SmtpServer::mails
//!                               ▲─────── mood.json ◄── SmtpServer::set_mood
//! ```
//!
//! The interpreter that has it is named by `MLANGO_AIOSMTPD`. Where that is not set a test says so and passes; in CI, which
//! sets `MLANGO_CI`, it fails, so that these tests are never left out where a change is judged.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::radsec::{Authority, Wish};
use crate::world::{World, eventually};

/// With what the portal signs in where the connection is encrypted.
pub const LOGIN: (&str, &str) = ("wifi", "siri ya barua");
/// In whose name it sends.
pub const FROM: &str = "wifi@example.org";

/// How connections are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Not at all, and nobody signs in.
    None,
    /// By STARTTLS, without which nothing else is taken.
    Starttls,
    /// From the first octet on.
    Tls,
}

/// How the server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It takes everything.
    Well,
    /// It answers so to the recipient.
    ToRecipients(&'static str),
    /// It answers so to the message.
    ToMessages(&'static str),
    /// It takes the message, and breaks the connection before it has said so.
    LosesTheAnswer,
}

/// A message that came whole, whatever the answer was.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Names and values, as a mail program shows them.
    pub headers: Vec<(String, String)>,
    /// The text.
    pub text: String,
    /// What is attached: name, media type, and the octets as Latin-1.
    pub files: Vec<(String, String, String)>,
    /// What is wrong with the message by the books of whoever read it.
    pub defects: Vec<String>,
    /// What the client called itself.
    pub hello: String,
    /// Whether the connection was encrypted.
    pub is_encrypted: bool,
    /// Who had signed in.
    pub login: Option<String>,
}

impl Mail {
    /// The first header of that name; nothing if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.as_str())
    }

    /// The first address of a page in the text.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn link(&self) -> &str {
        let link = self.text.split_whitespace().find(|word| word.starts_with("http"));
        link.unwrap_or_else(|| panic!("no link: {}", self.text))
    }
}

/// A running server. It ends with its owner.
pub struct SmtpServer {
    folder: PathBuf,
    _process: Child,
}

impl SmtpServer {
    /// Starts a server and names it in the configuration of a world whose portal is still to be started. The portal trusts the
    /// authority that has signed the server's certificate if it `is_trusted`.
    ///
    /// `None`, said aloud: there is no aiosmtpd here.
    ///
    /// # Panics
    /// If the server does not start, and in CI if it is not there.
    pub async fn configure(world: &World, protection: Protection, is_trusted: bool) -> Option<SmtpServer> {
        let Some(python) = std::env::var_os("MLANGO_AIOSMTPD") else {
            assert!(
                std::env::var_os("MLANGO_CI").is_none(),
                "CI must run the tests with a mail server: MLANGO_AIOSMTPD"
            );
            println!("skipped: aiosmtpd is not installed (MLANGO_AIOSMTPD is not set)");
            return None;
        };
        let config = world.config();
        let folder = config.parent().expect("the configuration stands in a folder").join("smtp");
        std::fs::create_dir_all(&folder).expect("a folder for mails");
        let mut command = Command::new(python);
        command.arg(script()).arg(&folder);
        let mut section =
            format!("\n[email]\nhost = \"127.0.0.1\"\nfrom = \"Mlango Wi-Fi <{FROM}>\"\ntimeout_ms = 5000\n");
        section.push_str(match protection {
            Protection::None => "encryption = \"none\"\n",
            Protection::Starttls => "encryption = \"starttls\"\n",
            Protection::Tls => "encryption = \"tls\"\n",
        });
        if protection != Protection::None {
            let ca_file = certify(&folder, &mut command, is_trusted);
            let (name, password) = LOGIN;
            command.args(["--login", name, password]).args((protection == Protection::Tls).then_some("--wrapped"));
            section.push_str(&format!(
                "ca_file = \"{}\"\nusername = \"{name}\"\npassword = \"{password}\"\n",
                ca_file.display()
            ));
        }
        let process = start(command, &folder);
        let port = port(&folder).await;
        let text = std::fs::read_to_string(&config).expect("the configuration is there");
        std::fs::write(&config, format!("{text}{section}port = {port}\n")).expect("the configuration is written");
        Some(SmtpServer { folder, _process: process })
    }

    /// Puts the server in a mood, for later messages.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn set_mood(&self, mood: Mood) {
        let mood = match mood {
            Mood::Well => json!({}),
            Mood::ToRecipients(answer) => json!({ "recipient": answer }),
            Mood::ToMessages(answer) => json!({ "message": answer }),
            Mood::LosesTheAnswer => json!({ "loses": true }),
        };
        // Whole, under its name at once: the server may read it just now.
        let (path, new) = (self.folder.join("mood.json"), self.folder.join("mood.new"));
        std::fs::write(&new, mood.to_string()).expect("the mood is written");
        std::fs::rename(&new, &path).expect("the mood is put in place");
    }

    /// Every message that came, oldest first.
    ///
    /// # Panics
    /// If the server has written what is no message.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        let text = std::fs::read_to_string(self.folder.join("mail.jsonl")).unwrap_or_default();
        // What has no end of its line yet is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a message")).collect()
    }

    /// Waits for the message of that number.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn mail(&self, number: usize) -> Mail {
        eventually("an e-mail comes", || async { self.mails().get(number).cloned() }).await
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("smtp/server.py")
}

/// Gives the server a certificate for loopback. Returns the file of the authority that the portal shall trust.
fn certify(folder: &Path, command: &mut Command, is_trusted: bool) -> PathBuf {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file of certificates is written");
        path
    };
    let authority = Authority::new("an authority of the house");
    let identity = authority.issue(&Wish::server());
    command.arg("--tls").arg(put("server.pem", &identity.certificate)).arg(put("server.key", &identity.key));
    let trusted = if is_trusted { authority } else { Authority::new("another authority") };
    put("ca.pem", &trusted.pem())
}

fn start(mut command: Command, folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("server.log")).expect("a log file");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("the interpreter that MLANGO_AIOSMTPD names does not start: {error}"))
}

/// Where the server listens, once it does.
async fn port(folder: &Path) -> u16 {
    let log = folder.join("server.log");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let what = format!("the mail server listens; its log is {}", log.display());
    eventually(&what, || async {
        assert!(!said().contains("Traceback"), "the mail server does not start: {}", said());
        std::fs::read_to_string(folder.join("port")).ok()?.parse().ok()
    })
    .await
}
