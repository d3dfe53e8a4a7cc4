//! Whether a database holds what was acknowledged: each session of the journal once, with its last counters, and its
//! octets once in the usage.
//!
//! A server may acknowledge first and store later (from a journal of its own); so the comparison is repeated until it
//! agrees, nothing has changed for [`PATIENCE`], or the time for it is over.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};

use super::sessions::Entry;

/// Longest wait for a database in which nothing changes any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whose tables they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Keeper {
    Radiusd,
    Freeradius,
}

impl Keeper {
    /// The sessions that were spoken of since a moment: Acct-Session-Id, octets in and out, whether it has ended.
    fn sessions(self) -> &'static str {
        match self {
            Keeper::Radiusd => {
                "SELECT acct_session_id, input_octets, output_octets, false FROM sessions WHERE last_heard_at >= $1
                 UNION ALL
                 SELECT acct_session_id, input_octets, output_octets, true FROM sessions_ended
                 WHERE last_heard_at >= $1 AND opened_on >= ($1 AT TIME ZONE 'UTC')::date - 1"
            }
            Keeper::Freeradius => {
                "SELECT acctsessionid, coalesce(acctinputoctets, 0), coalesce(acctoutputoctets, 0), acctstoptime IS NOT NULL
                 FROM radacct WHERE acctupdatetime >= $1"
            }
        }
    }

    /// Octets that customers have used in all, and the same by hour.
    fn usage(self) -> Option<&'static str> {
        match self {
            Keeper::Radiusd => Some(
                "SELECT (SELECT coalesce(sum(input_octets + output_octets), 0)::bigint FROM entitlement_usage),
                        (SELECT coalesce(sum(input_octets + output_octets), 0)::bigint FROM usage_hourly)",
            ),
            Keeper::Freeradius => None,
        }
    }
}

/// What a comparison found.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Books {
    /// Records that were acknowledged, and the sessions that they were of.
    pub(crate) acknowledged: u64,
    pub(crate) sessions: u64,
    /// Sessions whose Stop was not acknowledged however often it was sent: nothing can be said about them.
    pub(crate) unfinished: u64,
    /// Sessions that the database does not have.
    pub(crate) missing: u64,
    /// Sessions that it has more than once.
    pub(crate) doubled: u64,
    /// Sessions with other octets, or that have not ended there.
    pub(crate) different: u64,
    /// Octets by which the customers' usage in all, and by hour, is too high, or too low if negative.
    pub(crate) usage_off: i64,
    pub(crate) hourly_off: i64,
    /// Until the database agreed, or was given up.
    pub(crate) seconds: f64,
}

impl Books {
    /// Whether the database holds all, once.
    pub(crate) fn agree(&self) -> bool {
        let Books { unfinished, missing, doubled, different, usage_off, hourly_off, .. } = *self;
        [unfinished, missing, doubled, different] == [0; 4] && [usage_off, hourly_off] == [0; 2]
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Books { acknowledged, sessions, unfinished, missing, doubled, different, usage_off, hourly_off, seconds } =
            self;
        write!(f, "{acknowledged} records of {sessions} sessions acknowledged: ")?;
        if self.agree() {
            return write!(f, "all stored once after {seconds:.1} s");
        }
        write!(
            f,
            "after {seconds:.1} s {missing} sessions are missing, {doubled} are there twice, {different} are wrong, \
             {unfinished} could not be ended; usage is off by {usage_off} octets, by hour {hourly_off}"
        )
    }
}

/// A row of the database.
type Row = (String, i64, i64, bool);

/// A database that keeps the books.
pub(crate) struct Ledger {
    runtime: Runtime,
    connection: PgConnection,
    keeper: Keeper,
    /// Before the first record of the run.
    since: OffsetDateTime,
    usage_before: (i64, i64),
}

impl Ledger {
    /// Connects, and notes what was used before.
    ///
    /// # Errors
    /// If PostgreSQL does not let us in.
    pub(crate) fn open(url: &str, keeper: Keeper) -> anyhow::Result<Ledger> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(PgConnection::connect(url)).context("cannot look into the database")?;
        let since = OffsetDateTime::now_utc() - Duration::from_secs(5);
        let mut ledger = Ledger { runtime, connection, keeper, since, usage_before: (0, 0) };
        ledger.usage_before = ledger.usage()?;
        Ok(ledger)
    }

    /// Compares until the database agrees, or changes no more.
    ///
    /// # Errors
    /// If PostgreSQL has gone.
    pub(crate) fn compare(
        &mut self,
        journal: impl Iterator<Item = Entry>,
        acknowledged: u64,
        longest: Duration,
    ) -> anyhow::Result<Books> {
        let journal: Vec<Entry> = journal.collect();
        let start = Instant::now();
        let (mut before, mut changed) = (Books::default(), Instant::now());
        loop {
            let mut books = compare(&journal, &self.rows()?);
            if self.keeper.usage().is_some() {
                let octets: i64 = journal.iter().map(|entry| signed(entry.input + entry.output)).sum();
                let (all, hourly) = self.usage()?;
                books.usage_off = all - self.usage_before.0 - octets;
                books.hourly_off = hourly - self.usage_before.1 - octets;
            }
            if books != before {
                (before, changed) = (books.clone(), Instant::now());
            }
            if books.agree() || changed.elapsed() > PATIENCE || start.elapsed() > longest {
                return Ok(Books { acknowledged, seconds: start.elapsed().as_secs_f64(), ..books });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn rows(&mut self) -> anyhow::Result<Vec<Row>> {
        let asked = sqlx::query_as::<_, Row>(self.keeper.sessions()).bind(self.since);
        self.runtime.block_on(asked.fetch_all(&mut self.connection)).context("the sessions cannot be read")
    }

    fn usage(&mut self) -> anyhow::Result<(i64, i64)> {
        let Some(usage) = self.keeper.usage() else { return Ok((0, 0)) };
        let asked = sqlx::query_as::<_, (i64, i64)>(usage);
        self.runtime.block_on(asked.fetch_one(&mut self.connection)).context("the usage cannot be read")
    }
}

fn compare(journal: &[Entry], rows: &[Row]) -> Books {
    let mut stored: HashMap<u32, Vec<&Row>> = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Ok(session) = u32::from_str_radix(&row.0, 16) {
            stored.entry(session).or_default().push(row);
        }
    }
    let mut books = Books { sessions: journal.len() as u64, ..Books::default() };
    for entry in journal {
        let found = stored.get(&entry.session).map_or(&[][..], Vec::as_slice);
        match found {
            _ if !entry.stopped => books.unfinished += 1,
            [] => books.missing += 1,
            [(_, input, output, ended)] => {
                let is_right = (*input, *output) == (signed(entry.input), signed(entry.output)) && *ended;
                books.different += u64::from(!is_right);
            }
            _ => books.doubled += 1,
        }
    }
    books
}

fn signed(octets: u64) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(session: u32, input: u64) -> Entry {
        Entry { session, input, output: 2 * input, stopped: true }
    }

    fn row(session: &str, input: i64, ended: bool) -> Row {
        (session.into(), input, 2 * input, ended)
    }

    #[test]
    fn what_is_missing_doubled_or_different_is_found() {
        let journal = [entry(0x8000_0001, 5), entry(2, 6), entry(3, 7), entry(4, 8), entry(5, 9)];
        let rows = [
            row("80000001", 5, true),
            row("00000002", 6, true),
            row("00000002", 6, true),
            row("00000003", 6, true),
            row("00000004", 8, false),
            row("another's", 1, true),
        ];
        let books = compare(&journal, &rows);
        let Books { sessions, missing, doubled, different, unfinished, .. } = books;
        assert_eq!((sessions, missing, doubled, different, unfinished), (5, 1, 1, 2, 0));
        assert!(!books.agree());
        assert!(compare(&journal[..1], &rows).agree());
    }

    #[test]
    fn a_session_that_could_not_be_ended_is_not_called_right() {
        let journal = [Entry { stopped: false, ..entry(1, 5) }];
        assert!(!compare(&journal, &[row("00000001", 5, true)]).agree());
    }

    #[test]
    fn usage_that_is_off_is_found() {
        for books in [Books { usage_off: -1, ..Books::default() }, Books { hourly_off: 1, ..Books::default() }] {
            assert!(!books.agree());
        }
    }
}
