//! A NAS that somebody else wrote: `hostapd` guards a wired port, `wpa_supplicant` is the device behind it. hostapd reports the
//! session to radiusd and takes its Disconnect-Request, with Message-Authenticator and a fresh Event-Timestamp required.
//!
//! EAP is not our business: a second hostapd is its server. Both ends of the wire, and the namespace of the device, are made
//! for the test and go with it. hostapd takes no CoA-Request for a speed (its answer is 401, Unsupported-Attribute), and
//! so it also shows what becomes of a change that a router cannot make.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use store::nas::Settings;
use tests::world::lab::{Lab, LabSettings, NAME, PASSWORD, SECRET, free_port};
use tests::world::{at, eventually};
use tokio::process::{Child, Command};

/// A wire between this namespace and another one, for one test.
struct Cable {
    namespace: String,
    /// Our end.
    near: String,
    /// The device's end.
    far: String,
}

impl Cable {
    /// `None`, said aloud, where no namespace can be made.
    fn plug() -> Option<Cable> {
        let number = u32::from_be_bytes(shared::rng::bytes());
        let name = |end: &str| format!("mlg{end}{number:08x}");
        let cable = Cable { namespace: name("n"), near: name("a"), far: name("b") };
        let Cable { namespace, near, far } = &cable;
        let steps = [
            format!("netns add {namespace}"),
            format!("link add {near} type veth peer name {far}"),
            format!("link set {far} netns {namespace}"),
            format!("link set {near} up"),
            format!("-n {namespace} link set {far} up"),
        ];
        if steps.iter().all(|step| ip(step)) {
            return Some(cable);
        }
        println!("skipped: no network namespace can be made here");
        None
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.namespace));
        ip(&format!("link del {}", self.near));
    }
}

fn ip(step: &str) -> bool {
    let status =
        std::process::Command::new("ip").args(step.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A port behind hostapd, with a device that has got in.
struct Stage {
    lab: Lab,
    log: PathBuf,
    /// Killed with the stage, before the cable goes.
    _programs: Vec<Child>,
    _cable: Cable,
}

impl Stage {
    async fn with(settings: Settings<'static>) -> Option<Stage> {
        let (hostapd, supplicant) = (crate::program("MLANGO_HOSTAPD")?, crate::program("MLANGO_WPA_SUPPLICANT")?);
        let cable = Cable::plug()?;
        let (commands, eap) = (free_port(Ipv4Addr::LOCALHOST), free_port(Ipv4Addr::LOCALHOST));
        let router = Settings { coa_port: Some(commands), ..settings };
        let lab = Lab::with(LabSettings { router, ..LabSettings::default() }).await;
        let folder = lab.world.config().parent().expect("a folder").to_owned();
        let file = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).expect("a file");
            folder.join(name)
        };
        let secret = std::str::from_utf8(SECRET).expect("text");
        let users = file("eap.users", format!("\"{NAME}\" MD5 \"{PASSWORD}\"\n"));
        let clients = file("eap.clients", format!("127.0.0.1 {secret}\n"));
        let server = file(
            "eap.conf",
            format!(
                "driver=none\neap_server=1\neap_user_file={}\nradius_server_clients={}\nradius_server_auth_port={eap}\n",
                users.display(),
                clients.display()
            ),
        );
        let acct = lab.radiusd().address("acct").rsplit(':').next().expect("a port").to_owned();
        let nas = file(
            "hostapd.conf",
            format!(
                "interface={}\ndriver=wired\nlogger_stdout=-1\nlogger_stdout_level=0\nieee8021x=1\nuse_pae_group_addr=1\n\
                 own_ip_addr=127.0.0.1\nnas_identifier=lab\n\
                 auth_server_addr=127.0.0.1\nauth_server_port={eap}\nauth_server_shared_secret={secret}\n\
                 acct_server_addr=127.0.0.1\nacct_server_port={acct}\nacct_server_shared_secret={secret}\n\
                 radius_das_port={commands}\nradius_das_client=127.0.0.1 {secret}\n\
                 radius_das_require_event_timestamp=1\nradius_das_require_message_authenticator=1\n",
                cable.near
            ),
        );
        let device = file(
            "device.conf",
            format!(
                "ap_scan=0\nnetwork={{\n key_mgmt=IEEE8021X\n eap=MD5\n identity=\"{NAME}\"\n password=\"{PASSWORD}\"\n eapol_flags=0\n}}\n"
            ),
        );
        let log = folder.join("hostapd.log");
        let mut programs = vec![
            start(&hostapd, &["-t".into(), server.into()], &folder.join("eap.log")),
            start(&hostapd, &["-dd".into(), nas.into()], &log),
        ];
        said(&log, "AP-ENABLED").await;
        let in_namespace = ["netns", "exec", &cable.namespace].map(OsString::from);
        let arguments = ["-Dwired".into(), "-i".into(), cable.far.clone().into(), "-c".into(), device.into()];
        let all: Vec<OsString> = in_namespace.into_iter().chain([supplicant]).chain(arguments).collect();
        programs.push(start(&"ip".into(), &all, &folder.join("device.log")));
        let stage = Stage { lab, log, _programs: programs, _cable: cable };
        stage.open(1).await;
        Some(stage)
    }

    /// Waits until so many sessions are open.
    async fn open(&self, count: usize) -> Vec<store::session::Session> {
        let what = format!(
            "{count} sessions are open; hostapd says: {}",
            std::fs::read_to_string(&self.log).unwrap_or_default()
        );
        eventually(&what, || async {
            let open = store::session::open(&self.lab.world.db, 10).await.ok()?;
            (open.len() == count).then_some(open)
        })
        .await
    }

    async fn command(&self, kind: &str, state: &str) -> Option<i32> {
        eventually(&format!("the {kind} is {state}"), || async {
            sqlx::query_as::<_, (Option<i32>,)>("SELECT error_cause FROM nas_commands WHERE kind = $1 AND state = $2")
                .bind(kind)
                .bind(state)
                .fetch_optional(&self.lab.world.pool)
                .await
                .ok()?
        })
        .await
        .0
    }
}

fn start(program: &OsString, arguments: &[OsString], log: &Path) -> Child {
    let output = std::fs::File::create(log).expect("a log file");
    let errors = output.try_clone().expect("a second handle");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

async fn said(log: &Path, words: &str) {
    eventually(&format!("hostapd says {words}: {}", std::fs::read_to_string(log).unwrap_or_default()), || async {
        std::fs::read_to_string(log).ok()?.contains(words).then_some(())
    })
    .await;
}

#[tokio::test]
async fn hostapd_ends_a_session_when_it_is_asked() {
    let Some(stage) = Stage::with(at(Ipv4Addr::LOCALHOST)).await else { return };
    let db = &stage.lab.world.db;
    let session = &stage.open(1).await[0];
    assert_eq!(session.user_name, NAME);
    store::session::disconnect(db, session.id, stage.lab.world.clock.now()).await.unwrap();
    said(&stage.log, "Found a matching session").await;
    stage.command("disconnect", "proved").await;
    let radiusd = stage.lab.radiusd();
    assert!(radiusd.metric("mlango_coa_requests_total{kind=\"disconnect\",result=\"ack\"}").await >= 1.0);
}

#[tokio::test]
async fn a_change_that_hostapd_cannot_make_ends_in_a_disconnect_that_it_can() {
    let Some(stage) = Stage::with(at(Ipv4Addr::LOCALHOST)).await else { return };
    let session = stage.open(1).await[0].id;
    // The session becomes that of the customer, whose speed is then another one.
    let pool = &stage.lab.world.pool;
    let use_it = "UPDATE sessions SET entitlement_id = $1 WHERE id = $2";
    sqlx::query(use_it).bind(stage.lab.entitlement).bind(session).execute(pool).await.unwrap();
    let faster = "UPDATE entitlements SET down_bps = 9000000, expires_at = now() + interval '1 hour', starts_at = now() WHERE id = $1";
    sqlx::query(faster).bind(stage.lab.entitlement).execute(pool).await.unwrap();
    assert_eq!(stage.command("coa", "abandoned").await, Some(401), "Unsupported-Attribute (RFC 5176 §3.5)");
    said(&stage.log, "Found a matching session").await;
    stage.command("disconnect", "proved").await;
}
