//! The server seen by Debian's `libpam-radius-auth`, by which a machine lets people in who are known to RADIUS, driven by
//! `pamtester`. Version 2 of the module signs nothing (no Message-Authenticator) and sends the port after the
//! authentication port its accounting.
//!
//! The module reads its servers from a file of ours; the service lies in a folder that is bound over `/etc/pam.d` in a
//! mount namespace of its own, so that nothing of this machine is changed.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use store::nas::{Requirement, Settings};
use tests::world::at;
use tests::world::lab::{Lab, LabSettings, NAME, PASSWORD, Port, SECRET, free_port};

use crate::Ran;

/// The name of the service; it is also what the module gives as NAS-Identifier.
const SERVICE: &str = "mlango-test";

/// Binds a folder over `/etc/pam.d`, where only this process sees it, and becomes pamtester.
const SCRIPT: &str = "mount --bind \"$1\" /etc/pam.d && shift && exec \"$@\"";

/// A laboratory beside a PAM service that asks it.
struct Machine {
    lab: Lab,
    folder: PathBuf,
    pamtester: std::ffi::OsString,
}

impl Machine {
    /// `None` if the programs are not here.
    async fn new(requirement: Requirement) -> Option<Machine> {
        let (pamtester, module) = (crate::program("MLANGO_PAMTESTER")?, crate::program("MLANGO_PAM_RADIUS")?);
        let mut settings = LabSettings {
            router: Settings { require_message_authenticator: Some(requirement), ..at(Ipv4Addr::LOCALHOST) },
            ..LabSettings::default()
        };
        let (auth, acct) = neighbouring_ports();
        settings.world.auth_listen = vec![format!("127.0.0.1:{auth}")];
        settings.world.acct_listen = vec![format!("127.0.0.1:{acct}")];
        let lab = Lab::with(settings).await;
        let folder = lab.world.config().parent().expect("it is in a folder").join("pam.d");
        std::fs::create_dir_all(&folder).expect("a folder of the test");
        let servers = folder.with_file_name("pam-servers");
        let secret = std::str::from_utf8(SECRET).expect("text");
        std::fs::write(&servers, format!("127.0.0.1:{auth} {secret} 3\n")).expect("written");
        let line = |kind: &str| format!("{kind} required {} conf={} retry=1\n", module.display(), servers.display());
        std::fs::write(folder.join(SERVICE), ["auth", "account", "session"].map(line).concat()).expect("written");
        Some(Machine { lab, folder, pamtester })
    }

    /// Runs operations of PAM for a user, who types this password.
    async fn try_as(&self, name: &str, password: &str, operations: &[&str]) -> Ran {
        let (folder, pamtester) = (self.folder.display().to_string(), self.pamtester.to_string_lossy());
        let namespace =
            ["-m", "--propagation", "private", "sh", "-c", SCRIPT, "sh", &folder, &pamtester, SERVICE, name];
        crate::run(OsStr::new("unshare"), &[&namespace, operations].concat(), &format!("{password}\n")).await
    }
}

/// Two free ports, one after the other.
fn neighbouring_ports() -> (u16, u16) {
    for _ in 0..100 {
        let port = free_port(Ipv4Addr::LOCALHOST);
        let next = port.checked_add(1).filter(|next| std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, *next)).is_ok());
        if let Some(next) = next {
            return (port, next);
        }
    }
    panic!("no two neighbouring ports are free");
}

#[tokio::test]
async fn a_machine_lets_in_who_knows_the_password_and_nobody_else() {
    let Some(machine) = Machine::new(Requirement::Auto).await else { return };
    let right = machine.try_as(NAME, PASSWORD, &["authenticate"]).await;
    assert!(right.succeeded, "{}", right.output);
    for (name, password) in [(NAME, "not the password"), ("nobody", PASSWORD), (NAME, "")] {
        let wrong = machine.try_as(name, password, &["authenticate"]).await;
        assert!(!wrong.succeeded, "{name} with {password:?}: {}", wrong.output);
    }
    let rejects = machine.lab.total("mlango_radius_access_rejects_total").await;
    assert!(rejects >= 3.0, "they were refused, not left unanswered: {rejects}");
}

#[tokio::test]
async fn a_session_is_reported_and_recorded() {
    let Some(machine) = Machine::new(Requirement::Auto).await else { return };
    let session = machine.try_as(NAME, PASSWORD, &["authenticate", "open_session", "close_session"]).await;
    assert!(session.succeeded, "{}", session.output);
    assert_eq!(machine.lab.sessions().await, (0, 1), "opened and closed");
    let user: String =
        sqlx::query_scalar("SELECT user_name FROM sessions_ended").fetch_one(&machine.lab.world.pool).await.unwrap();
    assert_eq!(user, NAME);
}

#[tokio::test]
async fn where_signing_is_asked_for_a_module_that_does_not_sign_is_met_with_silence() {
    let Some(machine) = Machine::new(Requirement::Yes).await else { return };
    let right = machine.try_as(NAME, PASSWORD, &["authenticate"]).await;
    let drops = machine.lab.drops().await;
    let unsigned = drops.get(&format!(r#"listener="{}",reason="no_message_authenticator""#, Port::Auth.label()));
    // Version 3 of the module signs; Debian's version 2 does not.
    assert_eq!(right.succeeded, unsigned.is_none(), "{}\n{drops:?}", right.output);
}
