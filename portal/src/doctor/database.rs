//! PostgreSQL: whether it answers, is set to keep what it has confirmed, and has our schema.

use std::path::Path;
use std::time::Duration;

use shared::config::Config;
use shared::time::{Clock, OffsetDateTime};
use store::examine::{self, Server};
use store::{Db, MigrationState, StoreError};
use time::Month;

use super::machine::Disk;
use super::{Finding, about};

/// The oldest version that Mlango is written for.
const VERSION_MIN: i32 = 150_000;
/// What clocks may differ by before sessions are cut visibly early or late.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(2);
/// Transactions after which PostgreSQL vacuums by force (its default is 200 million), and after twice of which something holds it up.
const AGE_MAX: i32 = 500_000_000;
/// Ports on which poolers usually listen: PgBouncer, and a pooler of the large providers.
const POOLERS: [u16; 2] = [6432, 6543];
/// Programs that open connections: radiusd and the portal.
const PROGRAMS: i32 = 2;
/// Connections beside those: commands, backups, whoever looks.
const SPARE: i32 = 5;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    server: Server,
    /// How far this machine's clock is ahead of the server's.
    ahead: time::Duration,
    schema: MigrationState,
    has_next_month: bool,
    /// Most connections of one program.
    pool: u32,
    port: Option<u16>,
    has_listen: bool,
}

impl Facts {
    /// Whether our tables can be looked into.
    pub(super) fn schema_is_ours(&self) -> bool {
        matches!(self.schema, MigrationState::Current | MigrationState::Newer)
    }
}

pub(super) async fn look(db: &Db, config: &Config, clock: &Clock) -> Result<Facts, StoreError> {
    // The first question pays for the connection.
    db.ping().await?;
    let (before, asked) = (clock.now(), clock.monotonic());
    let server = examine::server(db).await?;
    // The server has looked at its clock about half way.
    let here = before + (clock.monotonic() - asked) / 2;
    let ahead = here - server.now;
    let schema = db.migration_state().await?;
    let next = next_month(before);
    let has_next_month = examine::has_partition(db, next).await?;
    let url = url::Url::parse(&config.database.write).ok();
    Ok(Facts {
        server,
        ahead,
        schema,
        has_next_month,
        pool: config.database.max_connections,
        port: url.and_then(|url| url.port()),
        has_listen: config.database.listen.is_some(),
    })
}

/// The disk of PostgreSQL's files, where they are on this machine and we may know.
pub(super) async fn disk(db: &Db, config: &Config) -> Option<Disk> {
    let url = url::Url::parse(&config.database.write).ok()?;
    let is_here = matches!(url.host_str(), None | Some("" | "localhost" | "127.0.0.1" | "[::1]"));
    let directory = examine::data_directory(db).await.ok().filter(|_| is_here)?;
    let path = Path::new(&directory);
    path.exists().then(|| Disk::at(path))
}

/// The first day of the month after that moment.
fn next_month(now: OffsetDateTime) -> time::Date {
    let (year, month) = (now.year(), now.month());
    let year = if month == Month::December { year + 1 } else { year };
    time::Date::from_calendar_date(year, month.next(), 1).unwrap_or(now.date())
}

/// PostgreSQL could not be asked.
pub(super) fn away(error: &StoreError) -> Finding {
    let advice = match error {
        StoreError::Corrupt { .. } => "put the seal key back with which this was written, from your copy of it",
        _ => "start it, or correct database.write; its own log says more",
    };
    Finding::problem("database", error.to_string(), advice)
}

pub(super) fn judge(facts: &Facts, now: OffsetDateTime) -> Vec<Finding> {
    let server = &facts.server;
    let mut found = vec![
        Finding::ok("database", "PostgreSQL answers"),
        version(server.version),
        writable(server.is_standby, server.is_read_only),
        clock(facts.ahead),
        fsync(&server.fsync),
        commits(&server.synchronous_commit),
        pages(&server.full_page_writes),
        connections(server.max_connections, server.reserved_connections, facts.pool),
        vacuum(&server.autovacuum),
        age(server.transaction_age),
        encoding(&server.encoding),
        sorting(server.collation_recorded.as_deref(), server.collation_present.as_deref()),
        listen(facts.port, facts.has_listen),
        schema(facts.schema),
        backups(server, now),
    ];
    if facts.schema_is_ours() {
        found.push(months(facts.has_next_month));
    }
    found
}

fn version(number: i32) -> Finding {
    let major = number / 10_000;
    if number >= VERSION_MIN {
        Finding::ok("database-version", format!("it is PostgreSQL {major}"))
    } else {
        let what = format!("it is PostgreSQL {major}, and Mlango needs 15 or newer");
        Finding::problem("database-version", what, "upgrade it with pg_upgrade, after a backup")
    }
}

fn writable(is_standby: bool, is_read_only: bool) -> Finding {
    const NAME: &str = "database-writable";
    match (is_standby, is_read_only) {
        (true, _) => Finding::problem(
            NAME,
            "database.write leads to a standby, which takes no changes",
            "name the primary, or an address that follows it",
        ),
        (false, true) => Finding::problem(
            NAME,
            "default_transaction_read_only is on, so nothing can be sold or recorded",
            "set it off for this database and its user",
        ),
        (false, false) => Finding::ok(NAME, "it takes changes"),
    }
}

fn clock(ahead: time::Duration) -> Finding {
    let off = ahead.unsigned_abs();
    if off <= CLOCK_SKEW_MAX {
        return Finding::ok("database-clock", "this machine's clock agrees with PostgreSQL's");
    }
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    let what = format!("this machine's clock is {} {way} PostgreSQL's: access would end early or late", about(off));
    Finding::problem("database-clock", what, "let both be set by NTP (chrony, systemd-timesyncd)")
}

fn fsync(setting: &str) -> Finding {
    if setting == "on" {
        Finding::ok("database-fsync", "fsync is on")
    } else {
        let what = "fsync is off: a power cut can destroy the whole database";
        Finding::problem("database-fsync", what, "set fsync = on, and reload PostgreSQL")
    }
}

fn commits(setting: &str) -> Finding {
    if setting == "off" {
        Finding::problem(
            "database-commits",
            "synchronous_commit is off: a power cut loses payments and reports that were confirmed",
            "set synchronous_commit = on for this database, its user and the server",
        )
    } else {
        Finding::ok("database-commits", format!("what is confirmed is on disk (synchronous_commit is {setting})"))
    }
}

fn pages(setting: &str) -> Finding {
    if setting == "on" {
        Finding::ok("database-pages", "full_page_writes is on")
    } else {
        Finding::problem(
            "database-pages",
            "full_page_writes is off: a power cut can leave half a page, which nothing repairs",
            "set full_page_writes = on, unless the file system never tears a page",
        )
    }
}

fn connections(max: i32, reserved: i32, pool: u32) -> Finding {
    // One more for what a program listens with.
    let needed = PROGRAMS * (i32::try_from(pool).unwrap_or(i32::MAX / 4) + 1) + SPARE;
    let free = max - reserved;
    if free >= needed {
        Finding::ok("database-connections", format!("{free} connections are enough for both programs"))
    } else {
        Finding::problem(
            "database-connections",
            format!("PostgreSQL takes {free} connections, and both programs together may want {needed}"),
            format!("set max_connections to {} or more, or database.max_connections lower", needed + reserved),
        )
    }
}

fn vacuum(setting: &str) -> Finding {
    if setting == "on" {
        Finding::ok("database-vacuum", "autovacuum is on")
    } else {
        let what = "autovacuum is off: tables that change with every report grow without end and become slow";
        Finding::problem("database-vacuum", what, "set autovacuum = on, and reload PostgreSQL")
    }
}

fn age(transactions: i32) -> Finding {
    let millions = transactions / 1_000_000;
    if transactions <= AGE_MAX {
        return Finding::ok("database-age", format!("the oldest row is {millions} million transactions old"));
    }
    Finding::problem(
        "database-age",
        format!("the oldest row is {millions} million transactions old; at 2,000 million PostgreSQL stops"),
        "look for transactions that were open for days (pg_stat_activity, pg_prepared_xacts, pg_replication_slots), end them, and \
         run VACUUM FREEZE",
    )
}

fn encoding(name: &str) -> Finding {
    if name == "UTF8" {
        Finding::ok("database-encoding", "the database holds text as UTF-8")
    } else {
        Finding::problem(
            "database-encoding",
            format!("the database holds text as {name}: names in other scripts cannot be stored"),
            "make a database with the encoding UTF8 and the template template0, and bring the data over with pg_dump",
        )
    }
}

fn sorting(recorded: Option<&str>, present: Option<&str>) -> Finding {
    match (recorded, present) {
        (Some(recorded), Some(present)) if recorded != present => Finding::problem(
            "database-sorting",
            format!(
                "indexes were made with version {recorded} of the sorting rules, and the system has {present}: rows may not be found"
            ),
            "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION",
        ),
        _ => Finding::ok("database-sorting", "indexes were made with the sorting rules that the system has"),
    }
}

fn listen(port: Option<u16>, has_listen: bool) -> Finding {
    match port {
        Some(port) if POOLERS.contains(&port) && !has_listen => Finding::problem(
            "database-listen",
            format!("database.write goes to port {port}, where poolers are, and there is no database.listen"),
            "name a direct connection as database.listen: poolers do not pass on what PostgreSQL notifies, and changes come late",
        ),
        _ => Finding::ok("database-listen", "changes are heard by a direct connection"),
    }
}

fn schema(state: MigrationState) -> Finding {
    const NAME: &str = "database-schema";
    match state {
        MigrationState::Current => Finding::ok(NAME, "the database's schema is this version's"),
        MigrationState::Behind { pending } => Finding::problem(
            NAME,
            format!("{pending} migration(s) are missing, so no program of this version starts"),
            "run `portal migrate`; what runs now goes on meanwhile",
        ),
        MigrationState::Newer => Finding::note(
            NAME,
            "the database was migrated by a newer version of Mlango, which this one can work with",
            "upgrade the programs too, as in docs/operations/upgrade.md",
        ),
        MigrationState::Ahead => Finding::problem(
            NAME,
            "the database was migrated by a newer version of Mlango than this one",
            "install that version, or restore the backup from before the upgrade",
        ),
    }
}

fn months(has_next: bool) -> Finding {
    if has_next {
        Finding::ok("database-months", "the history has its table for the next month")
    } else {
        Finding::note(
            "database-months",
            "the history has no table for the next month: what is recorded then goes where it cannot be dropped by the month",
            "radiusd makes it once a day: see that it runs, or run `portal migrate`, which makes it too",
        )
    }
}

fn backups(server: &Server, now: OffsetDateTime) -> Finding {
    const NAME: &str = "backups";
    let (done, failed) = (server.archived_at, server.archiving_failed_at);
    let is_archiving = server.archive_mode != "off";
    if is_archiving && failed.is_some_and(|failed| done.is_none_or(|done| failed > done)) {
        let since = done
            .map_or_else(|| "never worked".to_owned(), |done| format!("last worked {} ago", about(since(done, now))));
        return Finding::problem(
            NAME,
            format!("PostgreSQL cannot archive its log: it {since}"),
            "see what archive_command says in PostgreSQL's log; until then the disk fills and no backup is whole",
        );
    }
    if is_archiving || server.standbys > 0 {
        return Finding::ok(NAME, "PostgreSQL's log is archived, or a standby follows");
    }
    Finding::note(
        NAME,
        "PostgreSQL archives nothing and no standby follows: what was sold since the last dump is lost with the disk",
        "set up WAL archiving or a standby, and restore from it once to see that it works; nightly dumps are the least",
    )
}

fn since(then: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(now - then).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok, Problem};
    use super::super::table::expect;
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn server() -> Server {
        Server {
            version: 170_002,
            is_standby: false,
            is_read_only: false,
            fsync: "on".into(),
            synchronous_commit: "on".into(),
            full_page_writes: "on".into(),
            autovacuum: "on".into(),
            max_connections: 100,
            reserved_connections: 3,
            encoding: "UTF8".into(),
            collation_recorded: Some("2.36".into()),
            collation_present: Some("2.36".into()),
            transaction_age: 1_000_000,
            archive_mode: "on".into(),
            archived_at: Some(at(1_800_000_000)),
            archiving_failed_at: None,
            standbys: 0,
            now: at(1_800_000_000),
        }
    }

    #[test]
    fn a_server_that_is_set_well_has_no_findings() {
        let facts = Facts {
            server: server(),
            ahead: time::Duration::ZERO,
            schema: MigrationState::Current,
            has_next_month: true,
            pool: 10,
            port: None,
            has_listen: false,
        };
        let found = judge(&facts, at(1_800_000_060));
        assert!(found.iter().all(|finding| finding.verdict == Ok), "{found:?}");
        assert_eq!(found.len(), 16);
        let behind = Facts { schema: MigrationState::Behind { pending: 2 }, ..facts };
        assert_eq!(judge(&behind, at(1_800_000_060)).len(), 15, "tables of another schema are not looked into");
    }

    #[test]
    fn settings_that_lose_what_was_confirmed_are_problems() {
        for (value, verdict) in [("on", Ok), ("off", Problem)] {
            expect(&fsync(value), "database-fsync", verdict);
            expect(&pages(value), "database-pages", verdict);
            expect(&vacuum(value), "database-vacuum", verdict);
        }
        for (value, verdict) in [("on", Ok), ("remote_apply", Ok), ("local", Ok), ("off", Problem)] {
            expect(&commits(value), "database-commits", verdict);
        }
    }

    #[test]
    fn what_the_server_is_and_can_do_is_judged() {
        for (number, verdict) in [(140_009, Problem), (150_000, Ok), (180_001, Ok)] {
            expect(&version(number), "database-version", verdict);
        }
        for (standby, read_only, verdict) in [(false, false, Ok), (true, false, Problem), (false, true, Problem)] {
            expect(&writable(standby, read_only), "database-writable", verdict);
        }
        for (max, pool, verdict) in [(100, 10, Ok), (30, 10, Ok), (29, 10, Problem), (100, 200, Problem)] {
            expect(&connections(max, 3, pool), "database-connections", verdict);
        }
        for (transactions, verdict) in [(1_000_000, Ok), (500_000_000, Ok), (900_000_000, Problem)] {
            expect(&age(transactions), "database-age", verdict);
        }
        for (name, verdict) in [("UTF8", Ok), ("SQL_ASCII", Problem), ("LATIN1", Problem)] {
            expect(&encoding(name), "database-encoding", verdict);
        }
        for (recorded, present, verdict) in [
            (Some("2.36"), Some("2.36"), Ok),
            (Some("2.31"), Some("2.36"), Problem),
            (None, Some("2.36"), Ok),
            (None, None, Ok),
        ] {
            expect(&sorting(recorded, present), "database-sorting", verdict);
        }
    }

    #[test]
    fn clocks_may_differ_by_two_seconds() {
        for (seconds, verdict) in [(0, Ok), (2, Ok), (-2, Ok), (3, Problem), (-90, Problem)] {
            expect(&clock(time::Duration::seconds(seconds)), "database-clock", verdict);
        }
        assert!(clock(time::Duration::seconds(-90)).what.contains("90 seconds behind"));
    }

    #[test]
    fn a_pooler_needs_a_direct_connection_beside_it() {
        for (port, has_listen, verdict) in
            [(None, false, Ok), (Some(5432), false, Ok), (Some(6432), true, Ok), (Some(6432), false, Problem)]
        {
            expect(&listen(port, has_listen), "database-listen", verdict);
        }
    }

    #[test]
    fn the_schema_is_this_versions() {
        expect(&schema(MigrationState::Current), "database-schema", Ok);
        expect(&schema(MigrationState::Behind { pending: 1 }), "database-schema", Problem);
        expect(&schema(MigrationState::Newer), "database-schema", Note);
        expect(&schema(MigrationState::Ahead), "database-schema", Problem);
        expect(&months(true), "database-months", Ok);
        expect(&months(false), "database-months", Note);
        let after = |year, month, day| {
            let date = time::Date::from_calendar_date(year, month, day).expect("a date");
            next_month(at(0).replace_date(date)).to_string()
        };
        assert_eq!(after(2026, Month::December, 31), "2027-01-01");
        assert_eq!(after(2026, Month::January, 31), "2026-02-01");
    }

    #[test]
    fn backups_that_fail_are_a_problem_and_none_at_all_a_note() {
        let now = at(1_800_003_600);
        let (then, later) = (Some(at(1_800_000_000)), Some(at(1_800_000_060)));
        for (mode, archived_at, archiving_failed_at, standbys, verdict) in [
            ("on", then, None, 0, Ok),
            ("on", later, then, 0, Ok),
            ("on", then, later, 0, Problem),
            ("always", None, then, 1, Problem),
            ("off", None, None, 1, Ok),
            ("off", None, None, 0, Note),
        ] {
            let server = Server { archive_mode: mode.into(), archived_at, archiving_failed_at, standbys, ..server() };
            expect(&backups(&server, now), "backups", verdict);
        }
    }

    #[test]
    fn a_seal_key_that_does_not_fit_is_told_from_a_server_that_is_away() {
        let corrupt = StoreError::Corrupt { table: "nas", key: "cafe".into(), problem: "does not open".into() };
        assert!(away(&corrupt).advice.contains("seal key"));
        expect(&away(&StoreError::Schema("x".into())), "database", Problem);
    }
}
