//! Very many ended sessions, quickly: a year of them, for measuring what a long history costs.
//!
//! Session `i` is a function of `i` alone, so that the sessions and their usage can be written at the same time on two
//! connections. They begin one after the other, evenly over the year; customers take turns, so that no customer is in
//! two sessions in the same hour and each hour of a session is a row of the usage by itself.
//!
//! A month is written into a table of its own, without indexes and frozen, which then becomes the month's partition:
//! PostgreSQL builds the indexes from what is there, in order, while the next month is being written. That takes about
//! a third of the time of writing into indexes. Refused: a history where there is one already.

use shared::time::OffsetDateTime;
use sqlx::{AssertSqlSafe, PgConnection};
use time::{Date, Duration, Month};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::copy::{Rows, copy};
use crate::{Db, Result, StoreError, facts, rollup};

/// How far back the history goes.
const SPAN: Duration = Duration::days(365);
/// All sessions have ended by this long ago.
const UNTIL: Duration = Duration::hours(3);
/// A session lasts between a minute and this long.
const LONGEST_SECONDS: u64 = 7200;
/// How far a session begins from its even place.
const JITTER_MICROS: u64 = 15 * 60 * 1_000_000;
/// A customer's sessions begin at least this far apart, jitter apart.
const APART: Duration = Duration::hours(4);
/// Memory for building an index.
const INDEX_MEMORY: &str = "SET LOCAL maintenance_work_mem = '256MB'";
const HOUR_MICROS: i64 = 3_600_000_000;

/// A table that is partitioned by months.
struct Table {
    name: &'static str,
    /// What is written of it, as COPY names it.
    columns: &'static str,
    /// What turns a date into a bound of its months.
    midnight: &'static str,
    /// How long before a month something in it may have begun.
    before: i64,
    /// Writes what of a session belongs between two moments.
    write: fn(&mut Rows, &Year, &Ended, std::ops::Range<i64>),
}

#[expect(clippy::cast_possible_wrap, reason = "both are minutes or hours")]
const SESSIONS: Table = Table {
    name: "sessions_ended",
    columns:
        "id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id, started_at,
        first_at, last_heard_at, session_seconds, input_octets, output_octets, ended_at, terminate_cause",
    midnight: "",
    before: JITTER_MICROS as i64,
    write: write_session,
};
#[expect(clippy::cast_possible_wrap, reason = "both are minutes or hours")]
const USAGE: Table = Table {
    name: "usage_hourly",
    columns: "hour, nas_id, entitlement_id, input_octets, output_octets, seconds",
    midnight: " 00:00:00+00",
    before: (JITTER_MICROS + LONGEST_SECONDS * 1_000_000) as i64,
    write: write_hours,
};

/// What a history shall be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Past {
    /// Ended sessions.
    pub sessions: u64,
    /// Customers whom they belong to: the first so many of [`super::seed`].
    pub customers: u32,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Ended sessions.
    pub sessions: u64,
    /// Rows of the usage by hour.
    pub hours: u64,
}

impl Past {
    /// How many customers so many sessions need, so that none has two in an hour.
    pub fn fewest_customers(self) -> u64 {
        let turns = SPAN.whole_hours() / APART.whole_hours();
        self.sessions.div_ceil(u64::try_from(turns).unwrap_or(1))
    }
}

/// Writes a history, spread over all routers and the first customers. Nobody else should use the history meanwhile.
///
/// # Errors
/// [`StoreError::Conflict`] if there is a history, too few customers, or no router.
pub async fn history(db: &Db, past: Past, now: OffsetDateTime) -> Result<Written> {
    if u64::from(past.customers) < past.fewest_customers() {
        let fewest = past.fewest_customers();
        return Err(StoreError::Conflict(format!("{} ended sessions need {fewest} customers", past.sessions)));
    }
    let has_history = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sessions_ended) OR EXISTS (SELECT FROM usage_hourly) AS "exists!""#
    );
    if has_history.fetch_one(&db.pool).await? {
        return Err(StoreError::Conflict("there are ended sessions already".into()));
    }
    let year = Year::read(db, past, now).await?;
    // One month waits while another gets its indexes.
    let (written, mut months) = mpsc::channel(1);
    let partitions = async {
        while let Some((table, month)) = months.recv().await {
            make_partition(db, table, month).await?;
        }
        Ok(())
    };
    let (sessions, hours, ()) = tokio::try_join!(
        write_months(db, &year, &SESSIONS, written.clone()),
        write_months(db, &year, &USAGE, written),
        partitions
    )?;
    // Routers and sites are as old as their history, and all of it is to be summed up.
    let since = now - SPAN;
    sqlx::query!(
        "WITH older AS (UPDATE nas SET created_at = $1 WHERE created_at > $1) UPDATE sites SET created_at = $1 WHERE created_at > $1",
        since
    )
    .execute(&db.pool)
    .await?;
    rollup::begin_anew(db).await?;
    facts::begin_anew(db).await?;
    Ok(Written { sessions, hours })
}

/// Everything that a session is made of.
struct Year {
    past: Past,
    /// Unix microseconds.
    begins: i64,
    ends: i64,
    routers: Vec<Uuid>,
    /// Entitlements of the customers, in their order.
    entitlements: Vec<Uuid>,
    /// Between the customers of two sessions that follow each other; it has no divisor in common with their number.
    stride: u64,
}

/// A session that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ended {
    /// From 0.
    customer: u64,
    router: usize,
    /// Unix microseconds.
    started: i64,
    seconds: u64,
    input: u64,
    output: u64,
    random: u64,
}

impl Year {
    async fn read(db: &Db, past: Past, now: OffsetDateTime) -> Result<Year> {
        let routers = sqlx::query_scalar!("SELECT id FROM nas ORDER BY id").fetch_all(&db.pool).await?;
        if routers.is_empty() {
            return Err(StoreError::Conflict("a history needs a router".into()));
        }
        let mut entitlements = Vec::new();
        for first in (1..=past.customers).step_by(super::CHUNK as usize) {
            let numbers = first..=(first + super::CHUNK - 1).min(past.customers);
            let lookups: Vec<Vec<u8>> =
                numbers.map(|number| db.seal.lookup(format!("user{number:07}").as_bytes()).to_vec()).collect();
            let found = sqlx::query_scalar!(
                "SELECT c.entitlement_id FROM unnest($1::bytea[]) WITH ORDINALITY AS l (lookup, place)
                 JOIN credentials c ON c.lookup = l.lookup ORDER BY l.place",
                &lookups
            );
            entitlements.extend(found.fetch_all(&db.pool).await?);
        }
        if entitlements.len() != past.customers as usize {
            return Err(StoreError::Conflict("a history needs seeded customers".into()));
        }
        let micros = |at: OffsetDateTime| i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(0);
        Ok(Year {
            past,
            begins: micros(now - SPAN),
            ends: micros(now - UNTIL),
            routers,
            entitlements,
            stride: stride(u64::from(past.customers)),
        })
    }

    /// Where session `number` begins when none is early or late.
    fn even_start(&self, number: u64) -> i64 {
        let share = i128::from(self.ends - self.begins) * i128::from(number) / i128::from(self.past.sessions.max(1));
        self.begins + i64::try_from(share).unwrap_or(0)
    }

    /// The sessions whose even places lie between two moments, and perhaps one more at each end.
    fn between(&self, from: i64, to: i64) -> std::ops::Range<u64> {
        let whole = u128::try_from(self.ends - self.begins).unwrap_or(1).max(1);
        let place = |micros: i64| {
            let since = u128::try_from((micros - self.begins).max(0)).unwrap_or(0);
            u64::try_from(since * u128::from(self.past.sessions) / whole).unwrap_or(u64::MAX)
        };
        place(from)..place(to).saturating_add(1).min(self.past.sessions)
    }

    fn entitlement(&self, session: &Ended) -> Uuid {
        self.entitlements[usize::try_from(session.customer).unwrap_or(0)]
    }

    fn session(&self, number: u64) -> Ended {
        let random = mix(number);
        let customers = self.entitlements.len() as u64;
        let customer = u64::try_from(u128::from(number) * u128::from(self.stride) % u128::from(customers)).unwrap_or(0);
        // Most are short: the cube of an even share.
        let share = random >> 48;
        let seconds = 60 + (((LONGEST_SECONDS - 60) * ((share * share) >> 16)) >> 16) * share / (1 << 16);
        let output = seconds * (20_000 + mix(random) % 180_000);
        // Nine of ten are at the router of the customer's neighbourhood.
        let place = if random.is_multiple_of(10) { mix(random ^ 1) } else { mix(customer ^ (1 << 63)) };
        Ended {
            customer,
            router: usize::try_from(place % self.routers.len() as u64).unwrap_or(0),
            started: self.even_start(number) + i64::try_from(mix(random ^ 2) % JITTER_MICROS).unwrap_or(0),
            seconds,
            input: output / 8,
            output,
            random,
        }
    }
}

impl Ended {
    fn ended(&self) -> i64 {
        self.started + i64::try_from(self.seconds).unwrap_or(0) * 1_000_000
    }

    /// Its hours: where each begins, and what of seconds, input and output belongs to it. The last one has what the
    /// others leave.
    fn hours(&self) -> impl Iterator<Item = (i64, [u64; 3])> + use<> {
        let session = *self;
        let whole = u64::try_from(session.ended() - session.started).unwrap_or(1).max(1);
        let mut left = [session.seconds, session.input, session.output];
        let mut at = session.started;
        std::iter::from_fn(move || {
            if at >= session.ended() {
                return None;
            }
            let hour = at - at.rem_euclid(HOUR_MICROS);
            let until = (hour + HOUR_MICROS).min(session.ended());
            let part = u64::try_from(until - at).unwrap_or(0);
            let share = |of: u64| u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole)).unwrap_or(0);
            let mut own = [session.seconds, session.input, session.output].map(share);
            at = until;
            if at >= session.ended() {
                own = left;
            }
            for (left, own) in left.iter_mut().zip(own) {
                *left -= own;
            }
            Some((hour, own))
        })
    }
}

/// A number that looks random and is always the same (the finish of splitmix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number near the golden section of `count` without a divisor in common with it.
fn stride(count: u64) -> u64 {
    fn divisor(mut one: u64, mut other: u64) -> u64 {
        while other > 0 {
            (one, other) = (other, one % other);
        }
        one
    }
    (count * 382 / 1000 + 1..).find(|stride| divisor(*stride, count) == 1).unwrap_or(1)
}

/// Writes month after month of a table and hands each on.
async fn write_months(
    db: &Db,
    year: &Year,
    table: &'static Table,
    written: mpsc::Sender<(&'static Table, Date)>,
) -> Result<u64> {
    let at =
        |micros: i64| OffsetDateTime::from_unix_timestamp(micros / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut month = at(year.begins).date().replace_day(1).expect("every month has a first");
    let mut all = 0;
    // The last session begins no later than its jitter after the year and goes on as long as one may.
    while month.midnight().assume_utc() <= at(year.ends + USAGE.before) {
        let mut tx = db.pool.begin().await?;
        all += write_month(&mut tx, year, table, month).await?;
        tx.commit().await?;
        written.send((table, month)).await.expect("all parts of a history end together");
        month = next(month);
    }
    Ok(all)
}

async fn write_month(tx: &mut PgConnection, year: &Year, table: &Table, month: Date) -> Result<u64> {
    let Table { name, columns, before, write, .. } = table;
    let seeded = seeded_name(table, month);
    let make = format!("CREATE TABLE {seeded} (LIKE {name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)");
    sqlx::query(AssertSqlSafe(make)).execute(&mut *tx).await?;
    let statement = format!("COPY {seeded} ({columns}) FROM STDIN (FORMAT binary, FREEZE)");
    let span = span(month);
    copy(tx, &statement, year.between(span.start - before, span.end), |number, rows| {
        write(rows, year, &year.session(number), span.clone());
    })
    .await
}

fn write_session(rows: &mut Rows, year: &Year, session: &Ended, span: std::ops::Range<i64>) {
    if !span.contains(&session.started) {
        return;
    }
    let number = u32::try_from(session.customer + 1).unwrap_or(u32::MAX);
    let started = OffsetDateTime::from_unix_timestamp_nanos(i128::from(session.started) * 1000);
    let id = shared::rng::id(started.unwrap_or(OffsetDateTime::UNIX_EPOCH));
    let mut mac = [2, 0, 0, 0, 0, 0];
    mac[2..].copy_from_slice(&number.to_be_bytes());
    let cause: &[u8] = if session.random.is_multiple_of(4) { b"Idle-Timeout" } else { b"User-Request" };
    let router = u8::try_from(session.router % 250).unwrap_or(0);
    rows.row(17)
        .uuid(id)
        .date(session.started.div_euclid(1_000_000))
        .uuid(year.routers[session.router])
        .address([10, 254, 0, router + 1].into())
        .uuid(year.entitlement(session))
        .text(format!("user{number:07}").as_bytes())
        .mac(mac)
        .address((0x0a00_0000 | (number & 0x00ff_ffff)).into())
        .text(format!("8{:07x}", session.random & 0x0fff_ffff).as_bytes())
        .moment(session.started)
        .moment(session.started)
        .moment(session.ended())
        .bigint(signed(session.seconds))
        .bigint(signed(session.input))
        .bigint(signed(session.output))
        .moment(session.ended())
        .text(cause);
}

fn write_hours(rows: &mut Rows, year: &Year, session: &Ended, span: std::ops::Range<i64>) {
    let (router, entitlement) = (year.routers[session.router], year.entitlement(session));
    for (hour, [seconds, input, output]) in session.hours().filter(|(hour, _)| span.contains(hour)) {
        rows.row(6).moment(hour).uuid(router).uuid(entitlement);
        rows.bigint(signed(input)).bigint(signed(output)).bigint(signed(seconds));
    }
}

/// A month's table becomes its partition, in the place of an empty one. Its indexes are built now.
async fn make_partition(db: &Db, table: &Table, month: Date) -> Result<()> {
    let Table { name, midnight, .. } = table;
    let partition = format!("{name}_{:04}_{:02}", month.year(), u8::from(month.month()));
    let mut tx = db.pool.begin().await?;
    for statement in [
        INDEX_MEMORY.to_owned(),
        format!("DROP TABLE IF EXISTS {partition}"),
        format!("ALTER TABLE {} RENAME TO {partition}", seeded_name(table, month)),
        format!(
            "ALTER TABLE {name} ATTACH PARTITION {partition} FOR VALUES FROM ('{month}{midnight}') TO ('{}{midnight}')",
            next(month)
        ),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Where a month is written before it is a partition.
fn seeded_name(table: &Table, month: Date) -> String {
    format!("{}_seeded_{:04}_{:02}", table.name, month.year(), u8::from(month.month()))
}

/// A month in Unix microseconds.
fn span(month: Date) -> std::ops::Range<i64> {
    let micros = |month: Date| month.midnight().assume_utc().unix_timestamp() * 1_000_000;
    micros(month)..micros(next(month))
}

fn next(month: Date) -> Date {
    let year = month.year() + i32::from(month.month() == Month::December);
    Date::from_calendar_date(year, month.month().next(), 1).expect("every month has a first")
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn year(sessions: u64, customers: u32) -> Year {
        let now = OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("in range");
        let micros = |at: OffsetDateTime| at.unix_timestamp() * 1_000_000;
        Year {
            past: Past { sessions, customers },
            begins: micros(now - SPAN),
            ends: micros(now - UNTIL),
            routers: (0..20).map(Uuid::from_u128).collect(),
            entitlements: (0..u128::from(customers)).map(Uuid::from_u128).collect(),
            stride: stride(u64::from(customers)),
        }
    }

    #[test]
    fn no_customer_is_in_two_sessions_in_an_hour_and_each_has_as_many() {
        let past = Past { sessions: 219_000, customers: 100 };
        assert_eq!(past.fewest_customers(), 100);
        let year = year(past.sessions, past.customers);
        let (mut hours, mut each) = (HashSet::new(), [0_u32; 100]);
        for number in 0..past.sessions {
            let session = year.session(number);
            each[usize::try_from(session.customer).expect("small")] += 1;
            assert!((60..=LONGEST_SECONDS).contains(&session.seconds) && session.ended() < year.ends + 3 * HOUR_MICROS);
            let mut sums = [0; 3];
            for (hour, own) in session.hours() {
                assert!(hours.insert((hour, session.customer)), "session {number} shares an hour");
                sums = std::array::from_fn(|index| sums[index] + own[index]);
            }
            assert_eq!(sums, [session.seconds, session.input, session.output]);
        }
        assert!(each.iter().all(|count| *count == 2190), "{each:?}");
    }

    #[test]
    fn every_session_and_every_hour_is_in_one_month() {
        let year = year(100_000, 1000);
        let mut month = Date::from_calendar_date(2025, Month::November, 1).expect("a date");
        let (mut sessions, mut hours) = (0, 0);
        for _ in 0..14 {
            let span = span(month);
            let of =
                |table: &Table| year.between(span.start - table.before, span.end).map(|number| year.session(number));
            sessions += of(&SESSIONS).filter(|session| span.contains(&session.started)).count();
            hours += of(&USAGE).flat_map(|session| session.hours()).filter(|(hour, _)| span.contains(hour)).count();
            month = next(month);
        }
        let all: usize = (0..100_000).map(|number| year.session(number).hours().count()).sum();
        assert_eq!((sessions, hours), (100_000, all));
    }

    #[test]
    fn a_stride_visits_everyone() {
        for count in [1, 2, 3, 10, 97, 1000, 100_000] {
            let stride = stride(count);
            let visited: HashSet<u64> = (0..count).map(|step| step * stride % count).collect();
            assert_eq!(visited.len() as u64, count, "{count} by {stride}");
        }
    }
}
