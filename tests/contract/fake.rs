//! Programs that somebody else wrote, as processes on loopback that end with the test.
//!
//! Each is named by a variable that `./mlango test` sets. Nothing is waited for but that it answers; what it says is kept
//! in a file and shown when it ends too early.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tests::world::eventually_within;
use tokio::process::{Child, Command};

/// Longest wait for one of them to answer. The slowest, a Java machine, needs two seconds where nothing else runs.
const START: Duration = Duration::from_secs(60);

/// A running fake. It is killed when this is dropped.
pub(crate) struct Fake {
    child: Child,
    base: String,
    /// Its own: where it stands, and writes what it says.
    folder: PathBuf,
}

impl Fake {
    /// Starts `name`, which will listen on this port of loopback, and waits until it answers there.
    async fn start(name: &str, mut command: Command, port: u16) -> Fake {
        let folder = folder(port);
        let output = std::fs::File::create(folder.join("log")).expect("a log file");
        let errors = output.try_clone().expect("a second handle");
        command.current_dir(&folder).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut fake = Fake { child, base: format!("http://127.0.0.1:{port}"), folder };
        let url = fake.base.clone();
        eventually_within(START, &format!("{name} answers"), || {
            let ended = fake.child.try_wait().expect("its own child");
            assert!(ended.is_none(), "{name} ended at its start: {}", fake.said());
            let url = url.clone();
            // Whatever it answers: that it does is enough.
            async move { reqwest::get(url).await.ok().map(drop) }
        })
        .await;
        fake
    }

    /// steady with an OpenAPI document: a request that is not as the document says is answered with 400.
    pub(crate) async fn steady(program: &OsStr, document: &Path) -> Fake {
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--quiet", "--no-color", "--port", &port.to_string()]);
        // Stripe writes lists and objects in brackets, which its document does not say; Twilio's has neither.
        for what in ["query-array", "form-array", "form-object"] {
            command.arg(format!("--validator-{what}-format=brackets"));
        }
        command.arg(document);
        Fake::start("steady", command, port).await
    }

    /// One of emulate's services, with this in it at its start. It trusts `authority` (a file of certificates) besides the
    /// authorities of the world.
    pub(crate) async fn emulate(
        program: &OsStr,
        service: &str,
        seed: &serde_json::Value,
        authority: Option<&Path>,
    ) -> Fake {
        let port = free_port();
        let file = folder(port).join("seed.json");
        std::fs::write(&file, serde_json::json!({ service: seed }).to_string()).expect("its seed is written");
        let mut command = Command::new(program);
        command.args(["start", "--service", service, "--port", &port.to_string(), "--config"]).arg(&file);
        if let Some(authority) = authority {
            command.env("NODE_EXTRA_CA_CERTS", authority);
        }
        Fake::start("emulate", command, port).await
    }

    /// localstripe, on loopback only.
    pub(crate) async fn localstripe(python: &OsStr) -> Fake {
        let port = free_port();
        let mut command = Command::new(python);
        command.arg(script("localstripe_on_loopback.py")).arg(port.to_string());
        Fake::start("localstripe", command, port).await
    }

    /// localstack-xero, on loopback only, with nothing in it.
    pub(crate) async fn localstack_xero(python: &OsStr) -> Fake {
        let port = free_port();
        let mut command = Command::new(python);
        command.args(["-m", "xero_local.server"]).env("XERO_HOST", "127.0.0.1").env("XERO_PORT", port.to_string());
        Fake::start("localstack-xero", command, port).await
    }

    /// oauth2-mock-server: an issuer of tokens that takes everybody.
    pub(crate) async fn oauth2(program: &OsStr) -> Fake {
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        Fake::start("oauth2-mock-server", command, port).await
    }

    /// The fake KRA of the package etims, and the address at which it is told to fail and asked what it has signed.
    pub(crate) async fn kra(python: &OsStr) -> (Fake, String) {
        let (port, control) = (free_port(), free_port());
        let mut command = Command::new(python);
        command.arg(script("fake_kra.py")).arg(port.to_string()).arg(control.to_string());
        (Fake::start("the fake KRA", command, port).await, format!("http://127.0.0.1:{control}"))
    }

    /// WireMock without a stub.
    pub(crate) async fn wiremock(program: &OsStr) -> Fake {
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--bind-address", "127.0.0.1", "--disable-banner"]);
        command.arg("--global-response-templating");
        Fake::start("wiremock", command, port).await
    }

    /// Where it is reached.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// An address below it.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The program that this variable names, or `None` after having said that the test is skipped.
pub(crate) fn program(variable: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        println!(
            "skipped: {variable} is not set; ./mlango test says at its start what could not be installed, and why"
        );
    }
    found
}

/// A provider's OpenAPI document in the shared folder, which is beside the checkout and no part of it; or `None` after
/// having said that the test is skipped.
pub(crate) fn document(file: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = std::env::var_os("MLANGO_SHARED").map_or(beside, PathBuf::from).join("data/specs").join(file);
    if !path.is_file() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A script of this folder.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract").join(name)
}

/// A folder for what listens on this port.
fn folder(port: u16) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mlango-fake-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for it");
    folder
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
