//! What a process costs, read from /proc: CPU time and resident memory.
//!
//! A server of many processes (PostgreSQL) is watched as a tree: the process, its children, and the children
//! that it has buried. Its memory is not summed, since most of it is shared.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, ensure};

/// Nanoseconds of a clock tick: USER_HZ is 100 on every Linux that user space sees.
const TICK: u64 = 10_000_000;

/// A process to look at: `NAME=PID`, or `NAME=PID+` with its children.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) with_children: bool,
}

impl FromStr for Watched {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Watched> {
        let (name, pid) = text.split_once('=').context("write NAME=PID, or NAME=PID+ with its children")?;
        let (pid, with_children) = match pid.strip_suffix('+') {
            Some(pid) => (pid, true),
            None => (pid, false),
        };
        let pid = pid.parse().with_context(|| format!("{pid} is no process id"))?;
        ensure!(!name.is_empty(), "the process needs a name");
        Ok(Watched { name: name.to_owned(), pid, with_children })
    }
}

/// One look at a process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Look {
    /// CPU time since it was started, nanoseconds.
    pub(crate) cpu: u64,
    /// Resident octets; 0 for a tree.
    pub(crate) resident: u64,
}

impl Watched {
    /// Looks.
    ///
    /// # Errors
    /// If the process has ended.
    pub(crate) fn look(&self) -> anyhow::Result<Look> {
        let own = Stat::read(self.pid).with_context(|| format!("{} (process {}) has ended", self.name, self.pid))?;
        if !self.with_children {
            return Ok(Look { cpu: own.own * TICK, resident: resident(self.pid)? });
        }
        let mut ticks = own.own + own.buried;
        for entry in std::fs::read_dir("/proc")? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse() else { continue };
            // One that ends while we look is counted with the buried ones next time.
            if let Ok(stat) = Stat::read(pid)
                && stat.parent == self.pid
            {
                ticks += stat.own + stat.buried;
            }
        }
        Ok(Look { cpu: ticks * TICK, resident: 0 })
    }
}

/// Our own look.
pub(crate) fn myself() -> anyhow::Result<Look> {
    Watched { name: "load".into(), pid: std::process::id(), with_children: false }.look()
}

struct Stat {
    parent: u32,
    /// Ticks of the process, its ended threads included.
    own: u64,
    /// Ticks of children that it has waited for.
    buried: u64,
}

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Stat> {
        Stat::parse(&std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat")))?)
    }

    /// proc(5): the name stands in parentheses and may hold anything; after it come state, parent, …, and as
    /// 14th to 17th field of the whole utime, stime, cutime, cstime.
    fn parse(text: &str) -> anyhow::Result<Stat> {
        let (_, rest) = text.rsplit_once(')').context("no name in stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| -> anyhow::Result<u64> {
            fields.get(index).context("stat is short")?.parse().context("stat has no number there")
        };
        Ok(Stat {
            parent: u32::try_from(number(1)?)?,
            own: number(11)? + number(12)?,
            buried: number(13)? + number(14)?,
        })
    }
}

fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("status has no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_is_no_trouble() {
        let text = "77 (a) (b c) S 5 1 1 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 99 1 1";
        let stat = Stat::parse(text).expect("readable");
        assert_eq!((stat.parent, stat.own, stat.buried), (5, 120, 7));
        assert!(Stat::parse("77 (short) S 5").is_err());
    }

    #[test]
    fn we_see_ourselves_work() {
        let before = myself().expect("we live");
        let mut sum = 0_u64;
        while myself().expect("we live").cpu == before.cpu {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        assert!(before.resident > 100 * 1024);
        let tree: Watched = format!("tree={}+", std::process::id()).parse().expect("readable");
        assert!(tree.look().expect("we live").cpu >= before.cpu);
        assert!("nameless".parse::<Watched>().is_err());
    }
}
