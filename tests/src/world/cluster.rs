//! A PostgreSQL of one test's own, which can be killed, stopped in its tracks, and started again. As durable as in
//! production. PostgreSQL refuses to run as root: then it runs as the user of that name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::Connection as _;
use tokio::process::{Child, Command};

use super::{eventually, variable};

/// A private PostgreSQL. It is killed with its owner.
pub struct Cluster {
    folder: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Makes and starts one.
    ///
    /// # Panics
    /// If PostgreSQL's programs are not where `MLANGO_PG_BIN` says: `./mlango test` sets it.
    pub async fn start() -> Cluster {
        let name = format!("mlango_cluster_{:016x}", u64::from_be_bytes(shared::rng::bytes()));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the cluster");
        if am_root() {
            let given = Command::new("chown").arg("postgres").arg(&folder).status().await.expect("chown is there");
            assert!(given.success(), "there is no user postgres");
        }
        let mut cluster = Cluster { folder, server: None };
        let mut maker = cluster.program("initdb");
        maker.args(["--auth=trust", "--username=postgres", "--no-sync", "-D"]).arg(cluster.data());
        let made = maker.stdout(Stdio::null()).status().await.expect("initdb is there");
        assert!(made.success(), "the cluster could not be made");
        cluster.run().await;
        cluster
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=postgres", self.folder.display())
    }

    /// Starts it again after it was killed, and waits until it answers.
    pub async fn run(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).args(["-c", "listen_addresses="]).arg("-k").arg(&self.folder);
        let log = std::fs::File::create(self.folder.join("log")).expect("a log file");
        command.stdout(log.try_clone().expect("a second handle")).stderr(log).stdin(Stdio::null());
        self.server = Some(command.kill_on_drop(true).spawn().expect("postgres starts"));
        eventually("the cluster answers", || async {
            sqlx::PgConnection::connect(&self.url()).await.ok()?.close().await.ok()
        })
        .await;
    }

    /// kill -9 of the whole server, as a power cut would end it.
    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut server) = self.server.take() {
            server.wait().await.expect("its own child");
        }
    }

    /// Stops every process of the server in its tracks: connections stay, and nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends a signal to the server and all that it has started.
    fn signal(&self, signal: Signal) {
        let Some(server) = self.server.as_ref().and_then(Child::id) else { return };
        for process in [vec![server], children(server)].concat() {
            // One may have ended meanwhile.
            let _ = kill(Pid::from_raw(process.cast_signed()), signal);
        }
    }

    /// Where its data are.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> Command {
        self.command(Path::new(&variable("MLANGO_PG_BIN")).join(name))
    }

    /// A command as the user that the server runs as.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&program);
        if am_root() {
            command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", "--"])
                .arg(program);
        }
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // A folder that stays behind in the temporary place harms nobody.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn am_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("there is /proc");
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok())
    };
    numbers.filter(|process| parent_of(process) == Some(parent)).collect()
}
