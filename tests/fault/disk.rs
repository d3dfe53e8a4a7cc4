//! The spool's disk is full, or fails, while PostgreSQL is away too: nothing is acknowledged, Status-Server is silent so that routers
//! turn elsewhere, logins go on, and everything recovers by itself. And what the system calls say of the promise: durable
//! before answered.
//!
//! These need root (a disk of 1 MiB) or strace; where these are missing they say so.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use radius_proto::Code;
use tests::nas::{Delivery, Nas, Router};
use tests::world::lab::{Draft, Wire};
use tests::world::{Settings, World, at, eventually};
use tokio::process::{Child, Command};

use crate::kill::start_on_fixed_ports;
use crate::reports::{Busy, PATIENCE, mac};

const WATCH: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Another router, which only asks whether the server is alive.
struct Watch(Wire);

impl Watch {
    async fn register(world: &World) -> Watch {
        world.register("watch", b"watched", at(WATCH)).await;
        world.radiusd_knows("watch").await;
        Watch(Wire::at(IpAddr::from(WATCH)).await)
    }

    /// Whether the accounting port answers Status-Server.
    async fn is_answered(&self, world: &World) -> bool {
        let to = world.radiusd.as_ref().unwrap().address("acct").parse().unwrap();
        self.0.send(to, &Draft::new(Code::StatusServer, b"watched").sign().finish()).await;
        self.0.receive_within(Duration::from_secs(1)).await.is_some()
    }
}

/// Waits until nothing can be stored, and checks what must be so then; returns how many reports are acknowledged.
async fn nothing_can_be_stored(world: &World, busy: &Busy, watch: &Watch) {
    let radiusd = world.radiusd.as_ref().unwrap();
    eventually("nothing can be stored", || async {
        (radiusd.metric("mlango_acct_cannot_store").await > 0.5).then_some(())
    })
    .await;
    // What was made durable before may still be on its way to the router; what it gives up from here on was not.
    let given_up = |r: &Router| r.journal().entries().iter().filter(|e| e.delivery == Delivery::Dropped).count();
    let enough = busy.router.read(given_up) + 50;
    busy.router.wait_for("reports are given up", PATIENCE, move |r| given_up(r) >= enough).await.unwrap();
    let before = busy.acknowledged();
    assert!(!watch.is_answered(world).await, "Status-Server is silent");
    assert!(busy.router.login_mac(mac(1)).await.is_accepted(), "logins go on");
    assert_eq!(busy.acknowledged(), before, "nothing is acknowledged");
}

/// A small disk in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    async fn mount() -> Option<SmallDisk> {
        let path = std::env::temp_dir().join(format!("mlango_disk_{:016x}", u64::from_be_bytes(shared::rng::bytes())));
        std::fs::create_dir_all(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(&path).status().await;
        if mounted.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(path));
        }
        println!("skipped: only root can mount a disk of 1 MiB");
        None
    }

    /// Leaves no room on it.
    fn fill(&self) {
        use std::io::Write as _;
        let mut filler = std::fs::File::create(self.0.join("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        while filler.write_all(&[0]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What cannot be unmounted goes with the machine.
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).status());
        drop(std::fs::remove_dir(&self.0));
    }
}

#[tokio::test]
async fn a_full_disk_stops_acknowledgements_and_nothing_else() {
    let Some(disk) = SmallDisk::mount().await else { return };
    let mut world = World::with(Settings { spool: Some(disk.0.join("spool")), ..Settings::default() }).await;
    start_on_fixed_ports(&mut world).await;
    let watch = Watch::register(&world).await;
    let busy = Busy::start(&world).await;
    assert!(watch.is_answered(&world).await);
    world.postgres.cut();
    let radiusd = world.radiusd.as_ref().unwrap();
    eventually("the spool is used", || async {
        (radiusd.metric("mlango_acct_spool_records").await > 10.0).then_some(())
    })
    .await;
    disk.fill();
    nothing_can_be_stored(&world, &busy, &watch).await;
    // Room on the disk is enough, PostgreSQL still being away.
    disk.make_room();
    busy.acknowledges(50).await;
    eventually("Status-Server is answered again", || async { watch.is_answered(&world).await.then_some(()) }).await;
    // And with the disk full again, PostgreSQL's return is.
    disk.fill();
    nothing_can_be_stored(&world, &busy, &watch).await;
    world.postgres.mend();
    busy.acknowledges(50).await;
    println!("{} acknowledged reports", busy.end(&world).await);
}

/// strace on the running radiusd; it lets go when this is dropped.
struct Trace {
    strace: Child,
    output: PathBuf,
}

impl Trace {
    async fn attach(world: &World, arguments: &[&str]) -> Option<Trace> {
        let Ok(strace) = std::env::var("MLANGO_STRACE") else {
            println!("skipped: there is no strace");
            return None;
        };
        let output = world.config().with_file_name("strace.txt");
        let pid = world.radiusd.as_ref().unwrap().pid().to_string();
        let mut command = Command::new(strace);
        command.args(["-f", "-q", "-s", "64", "-p", &pid, "-o"]).arg(&output).args(arguments).kill_on_drop(true);
        let strace = command.spawn().unwrap();
        let threads = format!("/proc/{pid}/task");
        eventually("strace is attached to every thread", || async {
            let mut traced = std::fs::read_dir(&threads).ok()?.map(|thread| {
                let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
                Some(!status.lines().any(|line| line == "TracerPid:\t0"))
            });
            traced.all(|traced| traced == Some(true)).then_some(())
        })
        .await;
        Some(Trace { strace, output })
    }

    /// Lets go, and returns what was seen.
    async fn end(mut self) -> String {
        // kill -9 would leave the threads that it holds stopped.
        let pid = self.strace.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        self.strace.wait().await.unwrap();
        std::fs::read_to_string(&self.output).unwrap()
    }
}

#[tokio::test]
async fn an_fsync_that_fails_is_never_taken_for_one_that_worked() {
    let mut world = World::new().await;
    start_on_fixed_ports(&mut world).await;
    let watch = Watch::register(&world).await;
    let busy = Busy::start(&world).await;
    busy.acknowledges(20).await;
    let calls =
        ["-e", "trace=fsync,fdatasync,sync_file_range", "-e", "inject=fsync,fdatasync,sync_file_range:error=EIO"];
    let Some(trace) = Trace::attach(&world, &calls).await else { return };
    world.postgres.cut();
    nothing_can_be_stored(&world, &busy, &watch).await;
    let calls = trace.end().await;
    assert!(calls.contains("EIO"), "no fsync was tried: {calls}");
    // The disk works again; the spool is read anew before anything is written to it.
    busy.acknowledges(50).await;
    assert!(world.radiusd.as_ref().unwrap().log().contains("the spool was opened anew after a failure"));
    world.postgres.mend();
    println!("{} acknowledged reports", busy.end(&world).await);
}

/// Every Accounting-Response comes after a call that made its report durable: between two of them there is one.
fn durable_before_answered(calls: &str, makes_durable: impl Fn(&str) -> bool) -> usize {
    let (mut answers, mut is_durable) = (0, false);
    for call in calls.lines() {
        if makes_durable(call) {
            is_durable = true;
        } else if call.contains("send") && call.contains("\"\\5") {
            assert!(is_durable, "answer {answers} came before its report was durable:\n{calls}");
            (answers, is_durable) = (answers + 1, false);
        }
    }
    answers
}

const ONE_BY_ONE: usize = 20;

/// Reports one after the other, each acknowledged before the next, so that each is a batch of its own.
async fn report_one_by_one(router: &Nas) {
    for _ in 0..ONE_BY_ONE {
        router.traffic(mac(1), 1000, 1000);
        router.interim_now(mac(1));
        router.wait_for("the report is acknowledged", PATIENCE, |r| r.journal().is_settled()).await.unwrap();
    }
}

#[tokio::test]
async fn no_answer_leaves_before_its_report_is_on_the_disk_or_committed() {
    for (accounting, calls, durable) in [
        ("commit = \"journal\"\n", "trace=fsync,fdatasync,sendto,sendmsg,sendmmsg", "sync("),
        ("commit = \"database\"\n", "trace=recvfrom,read,sendto,sendmsg,sendmmsg", "COMMIT"),
    ] {
        let mut world = World::with(Settings { accounting: accounting.to_owned(), ..Settings::default() }).await;
        start_on_fixed_ports(&mut world).await;
        let router = world.router("cafe", |_| {}).await;
        let package = world.package("a-week", |_| {}).await;
        world.grant(&package, "amina", "siri").await;
        assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
        router.wait_for("the start is safe", PATIENCE, |r| r.journal().is_settled()).await.unwrap();
        let Some(trace) = Trace::attach(&world, &["-e", calls]).await else { return };
        report_one_by_one(&router).await;
        let seen = trace.end().await;
        let is_durable = |call: &str| match durable {
            "sync(" => (call.contains("sync(") || call.contains("sync resumed")) && call.ends_with("= 0"),
            _ => (call.contains("recv") || call.contains("read")) && call.contains(durable),
        };
        let answers = durable_before_answered(&seen, is_durable);
        assert!(answers >= ONE_BY_ONE, "{answers} answers were seen:\n{seen}");
    }
}
