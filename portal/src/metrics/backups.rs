//! How backups stand, as gauges: read from the database by a job, so that every portal tells the same.
//!
//! A time of 0 means never, which is as old as it can be: an alert on the age of a backup goes off where none was made. What only a
//! backup or a drill can tell appears with the first of them.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use store::backup::{Archive, Kind, Newest};

use super::{gauges, register};

/// The kinds of backups. WAL goes on all the time and is `wal`.
const BACKUPS: [Kind; 3] = [Kind::Full, Kind::Diff, Kind::Incr];

/// The gauges.
#[derive(Debug)]
pub(crate) struct Backups {
    /// `mlango_backup_last_success_timestamp_seconds{kind}`.
    success: IntGaugeVec,
    /// `mlango_backup_size_bytes{kind}`.
    size: IntGaugeVec,
    /// `mlango_restore_drill_last_success_timestamp_seconds`.
    drill_success: IntGauge,
    /// `mlango_restore_drill_last_result`.
    drill_result: IntGaugeVec,
    /// `mlango_restore_drill_duration_seconds`.
    drill_duration: IntGaugeVec,
    /// `mlango_restore_drill_recovery_point_age_seconds`.
    drill_age: IntGaugeVec,
}

impl Backups {
    pub(super) fn new(registry: &Registry) -> Backups {
        let success = gauges(
            registry,
            "mlango_backup_last_success_timestamp_seconds",
            "When the last backup of a kind went well (wal: when WAL was archived last); 0: never.",
            &["kind"],
        );
        for kind in ["full", "diff", "wal"] {
            success.with_label_values(&[kind]).set(0);
        }
        let drill_success = IntGauge::with_opts(Opts::new(
            "mlango_restore_drill_last_success_timestamp_seconds",
            "When a backup was restored and found to be in order last; 0: never.",
        ));
        let drill_success = drill_success.expect("a valid metric name");
        register(registry, &drill_success);
        Backups {
            success,
            size: gauges(
                registry,
                "mlango_backup_size_bytes",
                "What the last backup of a kind takes in the repository.",
                &["kind"],
            ),
            drill_success,
            drill_result: gauges(
                registry,
                "mlango_restore_drill_last_result",
                "Whether the last restore drill went well: 1, or 0.",
                &[],
            ),
            drill_duration: gauges(
                registry,
                "mlango_restore_drill_duration_seconds",
                "How long the last drill that went well took, from the beginning of the restore to the end of the checks.",
                &[],
            ),
            drill_age: gauges(
                registry,
                "mlango_restore_drill_recovery_point_age_seconds",
                "How old the newest thing in that drill's database was when the drill began.",
                &[],
            ),
        }
    }

    /// Shows how they stand.
    pub(crate) fn show(&self, newest: &Newest, archive: Archive) {
        for kind in BACKUPS {
            let Some(run) = newest.good(kind) else { continue };
            self.success.with_label_values(&[kind.as_str()]).set(run.ended_at.unix_timestamp());
            if let Some(size) = run.size {
                self.size.with_label_values(&[kind.as_str()]).set(signed(size));
            }
        }
        if let Some(at) = archive.archived_at {
            self.success.with_label_values(&["wal"]).set(at.unix_timestamp());
        }
        if let Some(last) = newest.last(Kind::Drill) {
            self.drill_result.with_label_values::<&str>(&[]).set(last.ok.into());
        }
        let Some(good) = newest.good(Kind::Drill) else { return };
        self.drill_success.set(good.ended_at.unix_timestamp());
        self.drill_duration.with_label_values::<&str>(&[]).set(signed(good.took().as_secs()));
        if let Some(lost) = good.would_have_lost() {
            self.drill_age.with_label_values::<&str>(&[]).set(signed(lost.as_secs()));
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, TextEncoder};
    use shared::time::OffsetDateTime;
    use store::backup::Run;

    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).expect("encodes");
        String::from_utf8(text).expect("text")
    }

    fn run(kind: Kind, at: i64, ok: bool) -> Run {
        let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        let (started_at, ended_at) = (moment(at), moment(at + 30));
        let recovery_point = ok.then(|| moment(at - 70));
        Run { kind, started_at, ended_at, ok, size: Some(4096), recovery_point, detail: String::new() }
    }

    #[test]
    fn never_is_as_old_as_can_be_and_a_drill_that_was_not_has_not_failed() {
        let registry = Registry::new();
        let backups = Backups::new(&registry);
        backups.show(&Newest::default(), Archive::default());
        let text = text(&registry);
        for line in [
            r#"mlango_backup_last_success_timestamp_seconds{kind="full"} 0"#,
            r#"mlango_backup_last_success_timestamp_seconds{kind="wal"} 0"#,
            "mlango_restore_drill_last_success_timestamp_seconds 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
        }
        assert!(!text.contains("mlango_restore_drill_last_result"), "{text}");
    }

    #[test]
    fn a_failed_drill_is_told_beside_the_good_one_before() {
        let registry = Registry::new();
        let backups = Backups::new(&registry);
        let runs = vec![run(Kind::Full, 1000, true), run(Kind::Drill, 2000, true), run(Kind::Drill, 3000, false)];
        let archived_at = OffsetDateTime::from_unix_timestamp(4000).ok();
        backups.show(&Newest::of(runs), Archive { is_on: true, archived_at, failed_at: None });
        let text = text(&registry);
        for line in [
            r#"mlango_backup_last_success_timestamp_seconds{kind="full"} 1030"#,
            r#"mlango_backup_last_success_timestamp_seconds{kind="wal"} 4000"#,
            r#"mlango_backup_size_bytes{kind="full"} 4096"#,
            "mlango_restore_drill_last_success_timestamp_seconds 2030",
            "mlango_restore_drill_last_result 0",
            "mlango_restore_drill_duration_seconds 30",
            "mlango_restore_drill_recovery_point_age_seconds 70",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
        }
    }
}
