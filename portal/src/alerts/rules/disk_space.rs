//! A disk is nearly full: one that a portal sees, or what the spool may use of one. Each machine's are alerts of their own.
//!
//! It ends when two hundredths more are free than the threshold asks for. PostgreSQL's own disk is seen where it is a portal's machine's.

use shared::alert::Rule;

use super::Finding;
use crate::alerts::observe::Observed;

/// Hundredths above the threshold at which it ends.
const MARGIN: u32 = 2;
/// What the spool is called among the disks.
const SPOOL: &str = "spool";

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let finding = |subject: &str, free: u32, title: String| {
        (free < rule.threshold + MARGIN).then(|| Finding {
            subject: subject.into(),
            site: None,
            title,
            lines: Vec::new(),
            raises: free < rule.threshold,
        })
    };
    let disks = observed.disks.iter().filter_map(|disk| {
        let title = format!("Only {} % of the disk of {} on {} is free", disk.free_percent, disk.path, disk.host);
        finding(&disk.name(), disk.free_percent, title)
    });
    let spool = match observed.told() {
        Some(told) => spool_free(told.spool_octets, told.spool_capacity).and_then(|free| {
            let title = format!("The spool is nearly full: {free} % of accounting.spool_max_octets are free");
            finding(SPOOL, free, title)
        }),
        // What is open stays, as nothing else is known.
        None => finding(SPOOL, rule.threshold, "The spool was nearly full when radiusd was heard last".into()),
    };
    disks.chain(spool).collect()
}

/// Hundredths of its room that the spool has left; `None`: there is none.
fn spool_free(octets: u64, capacity: u64) -> Option<u32> {
    let used = octets.saturating_mul(100).checked_div(capacity)?;
    Some(100 - u32::try_from(used).unwrap_or(100).min(100))
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;

    use super::super::tests::found;
    use super::*;
    use crate::alerts::disk::Disk;
    use crate::alerts::observe::Health;
    use crate::alerts::observe::tests::quiet;
    use crate::alerts::told::Told;

    #[test]
    fn little_room_raises_it_and_a_little_more_ends_it() {
        let rule = Rule::of(Kind::DiskSpace);
        for (free_percent, expected) in [
            (100, vec![]),
            (12, vec![]),
            (11, vec![("cafe:/", false)]),
            (10, vec![("cafe:/", false)]),
            (9, vec![("cafe:/", true)]),
        ] {
            let disks = vec![Disk { host: "cafe".into(), path: "/".into(), free_percent }];
            let observed = Observed { disks, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{free_percent} %");
        }
    }

    #[test]
    fn no_machines_disk_hides_anothers() {
        let disk = |host: &str| Disk { host: host.into(), path: "/".into(), free_percent: 4 };
        let observed = Observed { disks: vec![disk("one"), disk("two")], ..quiet() };
        let findings = judge(&observed, &Rule::of(Kind::DiskSpace));
        assert_eq!(found(&findings), [("one:/", true), ("two:/", true)]);
        assert_eq!(findings[1].title, "Only 4 % of the disk of / on two is free");
    }

    #[test]
    fn the_spool_is_a_disk_too() {
        let rule = Rule::of(Kind::DiskSpace);
        for (spool_octets, spool_capacity, expected) in
            [(0, 0, vec![]), (50, 100, vec![]), (95, 100, vec![("spool", true)]), (500, 100, vec![("spool", true)])]
        {
            let told = Told { spool_octets, spool_capacity, ..Told::default() };
            let observed = Observed { radiusd: Some(Health::Told(Box::new(told))), ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{spool_octets} of {spool_capacity}");
        }
        let observed = Observed { radiusd: None, ..quiet() };
        assert_eq!(found(&judge(&observed, &rule)), [("spool", false)], "keeps what is open, and raises nothing");
    }
}
