//! This machine: its clock, its buffers, its disks and its ports; and the Redis server, which is as small a matter.
//!
//! What the kernel tells is read from /proc; where there is none, as in some containers, that is a note.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use shared::config::Config;
use store::redis::ServerState;

use super::{Finding, some_of};

/// What radiusd asks of the kernel for each socket: one burst of reports from every router after a power cut fits in.
const BUFFER_WISH: u64 = 4 << 20;
/// Room that must be left on a disk that we write to.
const ROOM_MIN: u64 = 256 << 20;
/// Room with which one can sleep.
const ROOM_WISH: u64 = 2 << 30;
/// What keeps a clock, by the names of its process (the kernel keeps fifteen letters).
const TIME_KEEPERS: [&str; 4] = ["chronyd", "ntpd", "systemd-timesyn", "openntpd"];
/// systemd-timesyncd writes it once the clock has been set.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
/// The state of a TCP socket that listens, in /proc/net/tcp.
const LISTENS: &str = "0A";

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    is_synchronised: bool,
    time_keeper: Option<&'static str>,
    buffer_max: Option<u64>,
    spool: Option<Disk>,
    spool_max: u64,
    ports: Vec<Port>,
}

/// A disk that we write to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Octets; `None`: it cannot be looked at from here.
    free: Option<u64>,
}

/// A port of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Port {
    what: &'static str,
    address: SocketAddr,
    /// Whether somebody holds it.
    is_held: bool,
    /// Whether the program that should hold it runs.
    is_running: bool,
}

pub(super) fn look(config: &Config, radiusd_runs: bool, portal_runs: bool) -> Facts {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let buffer_max = read("/proc/sys/net/core/rmem_max").trim().parse().ok();
    let udp = [read("/proc/net/udp"), read("/proc/net/udp6")];
    let tcp = [read("/proc/net/tcp"), read("/proc/net/tcp6")];
    let udp_port = |what, address: &SocketAddr| Port {
        what,
        address: *address,
        is_held: udp.iter().any(|table| is_held(table, address.port(), "")),
        is_running: radiusd_runs,
    };
    let tcp_port = |what, address: &SocketAddr, is_running| Port {
        what,
        address: *address,
        is_held: tcp.iter().any(|table| is_held(table, address.port(), LISTENS)),
        is_running,
    };
    let radius = &config.radius;
    let mut ports: Vec<Port> = radius.auth_listen.iter().map(|address| udp_port("logins", address)).collect();
    ports.extend(radius.acct_listen.iter().map(|address| udp_port("reports", address)));
    ports.push(tcp_port("radiusd's admin port", &radius.admin_listen, radiusd_runs));
    if let Some(radsec) = &config.radsec {
        ports.extend(radsec.listen.iter().map(|address| tcp_port("RadSec", address, radiusd_runs)));
    }
    ports.push(tcp_port("the portal", &config.portal.listen, portal_runs));
    ports.push(tcp_port("the portal's metrics", &config.portal.metrics_listen, portal_runs));
    ports.retain(|port| port.address.port() != 0);
    Facts {
        is_synchronised: Path::new(SYNCHRONISED).exists(),
        time_keeper: time_keeper(),
        buffer_max,
        spool: config.accounting.spool.as_deref().map(Disk::at),
        spool_max: config.accounting.spool_max_octets,
        ports,
    }
}

impl Disk {
    /// The disk on which a folder is, or will be.
    pub(super) fn at(path: &Path) -> Disk {
        let is_there = path.ancestors().find(|folder| folder.exists());
        let free = is_there.and_then(|folder| nix::sys::statvfs::statvfs(folder).ok());
        let free = free.map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        Disk { path: path.to_owned(), free }
    }
}

/// The process that keeps the clock, if one of those that are known runs.
fn time_keeper() -> Option<&'static str> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let names = processes.filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok());
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    TIME_KEEPERS.into_iter().find(|keeper| names.iter().any(|name| name == keeper))
}

/// Whether a port stands in a table of the kernel, as the local one of a socket in that state (empty: in any).
fn is_held(table: &str, port: u16, state: &str) -> bool {
    let wanted = format!("{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().and_then(|local| local.rsplit(':').next());
        let its_state = fields.nth(1).unwrap_or_default();
        local == Some(wanted.as_str()) && (state.is_empty() || its_state == state)
    })
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    vec![
        clock(facts.is_synchronised, facts.time_keeper),
        buffer(facts.buffer_max),
        spool(facts.spool.as_ref(), facts.spool_max),
        ports(&facts.ports),
    ]
}

fn clock(is_synchronised: bool, keeper: Option<&str>) -> Finding {
    const NAME: &str = "clock-synchronised";
    match (is_synchronised, keeper) {
        (true, _) => Finding::ok(NAME, "the clock is set by NTP"),
        (false, Some(keeper)) => Finding::ok(NAME, format!("{keeper} keeps the clock")),
        (false, None) => Finding::note(
            NAME,
            "nothing was found that keeps this machine's clock; access ends by it, and signed reports of payments are refused if \
             it is five minutes off",
            "install chrony or switch systemd-timesyncd on; in a container, see that the host does",
        ),
    }
}

fn buffer(max: Option<u64>) -> Finding {
    const NAME: &str = "receive-buffer";
    match max {
        Some(max) if max >= BUFFER_WISH => Finding::ok(NAME, format!("UDP sockets may buffer {} KiB", max >> 10)),
        Some(max) => Finding::note(
            NAME,
            format!(
                "UDP sockets may buffer only {} KiB: a burst of reports, as after a power cut, is lost and sent again",
                max >> 10
            ),
            format!(
                "put net.core.rmem_max={BUFFER_WISH} into /etc/sysctl.d/mlango.conf and run sysctl --system; restart radiusd"
            ),
        ),
        None => Finding::note(
            NAME,
            "how much UDP sockets may buffer cannot be found out from here",
            format!("on the host, see that net.core.rmem_max is at least {BUFFER_WISH}"),
        ),
    }
}

fn spool(disk: Option<&Disk>, max: u64) -> Finding {
    const NAME: &str = "disk-spool";
    let Some(disk) = disk else {
        return Finding::note(
            NAME,
            "this configuration names no accounting.spool: without one, reports are not acknowledged while PostgreSQL is away",
            "name a folder on a disk of radiusd's machine; under systemd it is $STATE_DIRECTORY/spool by itself, which is not seen \
             from here",
        );
    };
    let path = disk.path.display();
    match disk.free {
        Some(free) if free >= max.max(ROOM_MIN) => {
            Finding::ok(NAME, format!("{path} has room for the {} MiB that the spool may take", max >> 20))
        }
        Some(free) if free < ROOM_MIN => Finding::problem(
            NAME,
            format!("only {} MiB are free where the spool is ({path}): reports will not be acknowledged", free >> 20),
            "make room there",
        ),
        Some(free) => Finding::note(
            NAME,
            format!("{} MiB are free where the spool is ({path}), and it may take {} MiB", free >> 20, max >> 20),
            "make room there, or set accounting.spool_max_octets lower",
        ),
        None => Finding::note(NAME, format!("{path} cannot be looked at from here"), "run this where radiusd runs"),
    }
}

/// The disk of PostgreSQL's files, where they are on this machine and may be known.
pub(super) fn database_disk(disk: Option<&Disk>) -> Finding {
    const NAME: &str = "disk-database";
    let Some((path, free)) = disk.and_then(|disk| Some((disk.path.display(), disk.free?))) else {
        return Finding::ok(NAME, "PostgreSQL's disk is not seen from here");
    };
    let advice = "make room: old archives of its log, dumps, other programs' files; a full disk stops all that is sold";
    match free {
        ROOM_WISH.. => Finding::ok(NAME, format!("{} GiB are free where PostgreSQL's files are ({path})", free >> 30)),
        ROOM_MIN..ROOM_WISH => {
            Finding::note(NAME, format!("{} MiB are free where PostgreSQL's files are ({path})", free >> 20), advice)
        }
        _ => Finding::problem(
            NAME,
            format!("only {} MiB are free where PostgreSQL's files are ({path})", free >> 20),
            advice,
        ),
    }
}

fn ports(ports: &[Port]) -> Finding {
    const NAME: &str = "ports";
    let named = |wrong: &dyn Fn(&Port) -> bool| -> Vec<String> {
        let wrong = ports.iter().filter(|port| wrong(port));
        wrong.map(|port| format!("{} ({})", port.address, port.what)).collect()
    };
    let list = |names: &[String]| some_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let taken = named(&|port| port.is_held && !port.is_running);
    if !taken.is_empty() {
        return Finding::problem(
            NAME,
            format!("another program holds {}", list(&taken)),
            "`ss -lnup` and `ss -lntp` name it: stop it, or let Mlango listen elsewhere",
        );
    }
    let deaf = named(&|port| !port.is_held && port.is_running);
    if !deaf.is_empty() {
        return Finding::problem(
            NAME,
            format!("nothing listens on {}, although the program runs", list(&deaf)),
            "it was started with another configuration: restart it; or it runs on another machine or in another container, and then \
             this is to be looked at there",
        );
    }
    Finding::ok(NAME, "no port is held by another program")
}

/// What is wrong with Redis.
pub(super) fn redis(state: &ServerState) -> Vec<Finding> {
    vec![Finding::ok("redis", "Redis answers"), eviction(&state.eviction), persistence(state.is_kept)]
}

fn eviction(policy: &str) -> Finding {
    if policy == "noeviction" {
        return Finding::ok("redis-eviction", "Redis throws nothing away");
    }
    Finding::problem(
        "redis-eviction",
        format!(
            "Redis throws keys away when it is full (maxmemory-policy is {policy}): people are signed out, and guesses go uncounted"
        ),
        "set maxmemory-policy noeviction, and enough maxmemory; give caches of other programs a server of their own",
    )
}

fn persistence(is_kept: Option<bool>) -> Finding {
    const NAME: &str = "redis-persistence";
    match is_kept {
        Some(true) => Finding::ok(NAME, "what is in Redis survives a restart"),
        Some(false) => Finding::note(
            NAME,
            "a restart of Redis signs everybody out, and nothing else",
            "set appendonly yes, if that disturbs",
        ),
        None => Finding::note(
            NAME,
            "whether Redis keeps what is in it cannot be found out from here",
            "ask whoever runs it; without that a restart signs everybody out, and nothing else",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok, Problem};
    use super::super::table::expect;
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:2654 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
        \x20  1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n";

    #[test]
    fn ports_are_found_in_the_kernels_tables() {
        assert!(is_held(TCP, 9812, LISTENS) && is_held(TCP, 9812, ""));
        assert!(!is_held(TCP, 8080, LISTENS), "a connection is no listener");
        assert!(!is_held(TCP, 9813, "") && !is_held("", 9812, ""));
        let six = "  sl  local_address\n   0: 00000000000000000000000000000000:0714 00000000000000000000000000000000:0000 07\n";
        assert!(is_held(six, 1812, ""));
    }

    #[test]
    fn a_port_is_held_by_whom_it_belongs_to() {
        for (is_held, is_running, verdict) in
            [(true, true, Ok), (false, false, Ok), (true, false, Problem), (false, true, Problem)]
        {
            let address = "0.0.0.0:1812".parse().expect("an address");
            expect(&ports(&[Port { what: "logins", address, is_held, is_running }]), "ports", verdict);
        }
        expect(&ports(&[]), "ports", Ok);
    }

    #[test]
    fn clocks_are_kept_by_somebody() {
        for (is_synchronised, keeper, verdict) in
            [(true, None, Ok), (false, Some("chronyd"), Ok), (true, Some("chronyd"), Ok), (false, None, Note)]
        {
            expect(&clock(is_synchronised, keeper), "clock-synchronised", verdict);
        }
    }

    #[test]
    fn buffers_hold_a_burst() {
        for (max, verdict) in [(Some(4 << 20), Ok), (Some(212_992), Note), (None, Note)] {
            expect(&buffer(max), "receive-buffer", verdict);
        }
    }

    #[test]
    fn disks_have_room() {
        let disk = |free| Disk { path: "/var/lib/mlango/spool".into(), free };
        for (free, verdict) in [(Some(3 << 30), Ok), (Some(500 << 20), Note), (Some(1 << 20), Problem), (None, Note)] {
            expect(&spool(Some(&disk(free)), 1 << 30), "disk-spool", verdict);
        }
        expect(&spool(None, 1 << 30), "disk-spool", Note);
        for (free, verdict) in [(Some(3 << 30), Ok), (Some(1 << 30), Note), (Some(1 << 20), Problem), (None, Ok)] {
            expect(&database_disk(Some(&disk(free))), "disk-database", verdict);
        }
        expect(&database_disk(None), "disk-database", Ok);
        assert!(Disk::at(Path::new("/no/such/folder/yet")).free.is_some(), "the nearest folder that is there");
    }

    #[test]
    fn redis_throws_nothing_away() {
        for (policy, verdict) in
            [("noeviction", Ok), ("allkeys-lru", Problem), ("volatile-ttl", Problem), ("unknown", Problem)]
        {
            expect(&eviction(policy), "redis-eviction", verdict);
        }
        for (is_kept, verdict) in [(Some(true), Ok), (Some(false), Note), (None, Note)] {
            expect(&persistence(is_kept), "redis-persistence", verdict);
        }
    }
}
