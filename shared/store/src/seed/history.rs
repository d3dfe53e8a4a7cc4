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
use sqlx::{AssertSqlSafe, PgConnection, PgTransaction};
use time::{Date, Duration, Month};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::copy::{Rows, copy};
use crate::{Db, Result, StoreError};

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
    let has_history = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM sessions_ended) AS "exists!""#);
    if has_history.fetch_one(&db.pool).await? {
        return Err(StoreError::Conflict("there are ended sessions already".into()));
    }
    let year = Year::read(db, past, now).await?;
    // One month waits while another gets its indexes.
    let (written, mut months) = mpsc::channel(1);
    let partitions = async {
        while let Some(month) = months.recv().await {
            make_partition(db, month).await?;
        }
        Ok(())
    };
    let (hours, sessions, ()) =
        tokio::try_join!(write_usage(db, &year), write_sessions(db, &year, written), partitions)?;
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

    /// The first session that begins then or later, none being late.
    fn first_from(&self, micros: i64) -> u64 {
        let since = u128::try_from((micros - self.begins).max(0)).unwrap_or(0);
        let whole = u128::try_from(self.ends - self.begins).unwrap_or(1).max(1);
        let number = since * u128::from(self.past.sessions) / whole;
        u64::try_from(number).unwrap_or(u64::MAX).min(self.past.sessions)
    }

    fn session(&self, number: u64) -> Ended {
        let random = mix(number);
        let customers = self.entitlements.len() as u64;
        let customer = u64::try_from(u128::from(number) * u128::from(self.stride) % u128::from(customers)).unwrap_or(0);
        // Most are short: the cube of an even share.
        let share = random >> 48;
        let seconds = 60 + ((LONGEST_SECONDS - 60) * (share * share >> 16) >> 16) * share / (1 << 16);
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

async fn write_usage(db: &Db, year: &Year) -> Result<u64> {
    let statement = "COPY usage_hourly (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
                     FROM STDIN (FORMAT binary)";
    let mut tx = db.pool.begin().await?;
    let written = copy(&mut tx, statement, 0..year.past.sessions, |number, rows| {
        let session = year.session(number);
        let (router, entitlement) = (year.routers[session.router], year.entitlements[session.customer as usize]);
        for (hour, [seconds, input, output]) in session.hours() {
            rows.row(6).moment(hour).uuid(router).uuid(entitlement);
            rows.bigint(signed(input)).bigint(signed(output)).bigint(signed(seconds));
        }
    })
    .await?;
    tx.commit().await?;
    Ok(written)
}

/// Writes month after month and hands each on.
async fn write_sessions(db: &Db, year: &Year, written: mpsc::Sender<Date>) -> Result<u64> {
    let at = |micros: i64| OffsetDateTime::from_unix_timestamp(micros / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut month = at(year.begins).date().replace_day(1).expect("every month has a first");
    let mut all = 0;
    while month.midnight().assume_utc() < at(year.ends + HOUR_MICROS) {
        let mut tx = db.pool.begin().await?;
        all += write_month(&mut tx, year, month).await?;
        tx.commit().await?;
        written.send(month).await.expect("all parts of a history end together");
        month = next(month);
    }
    Ok(all)
}

fn next(month: Date) -> Date {
    let year = month.year() + i32::from(month.month() == Month::December);
    Date::from_calendar_date(year, month.month().next(), 1).expect("every month has a first")
}

/// The table that a month is written into, and its partition.
fn names(month: Date) -> (String, String) {
    let (year, number) = (month.year(), u8::from(month.month()));
    (format!("sessions_seeded_{year:04}_{number:02}"), format!("sessions_ended_{year:04}_{number:02}"))
}

async fn write_month(tx: &mut PgConnection, year: &Year, month: Date) -> Result<u64> {
    let table = names(month).0;
    let make = format!("CREATE TABLE {table} (LIKE sessions_ended INCLUDING DEFAULTS INCLUDING CONSTRAINTS)");
    sqlx::query(AssertSqlSafe(make)).execute(&mut *tx).await?;
    let micros = |month: Date| month.midnight().assume_utc().unix_timestamp() * 1_000_000;
    let (from, to) = (micros(month), micros(next(month)));
    let jitter = i64::try_from(JITTER_MICROS).unwrap_or(0);
    let statement = format!(
        "COPY {table} (id, opened_on, nas_id, nas_address, entitlement_id, user_name, mac, framed_ip, acct_session_id,
             started_at, last_heard_at, session_seconds, input_octets, output_octets, ended_at, terminate_cause)
         FROM STDIN (FORMAT binary, FREEZE)"
    );
    copy(tx, &statement, year.first_from(from - jitter)..year.first_from(to).saturating_add(1).min(year.past.sessions), |number, rows| {
        let session = year.session(number);
        if (from..to).contains(&session.started) {
            write_session(rows, year, &session);
        }
    })
    .await
}

fn write_session(rows: &mut Rows, year: &Year, session: &Ended) {
    let number = u32::try_from(session.customer + 1).unwrap_or(u32::MAX);
    let started = OffsetDateTime::from_unix_timestamp_nanos(i128::from(session.started) * 1000);
    let id = shared::rng::id(started.unwrap_or(OffsetDateTime::UNIX_EPOCH));
    let mut mac = [2, 0, 0, 0, 0, 0];
    mac[2..].copy_from_slice(&number.to_be_bytes());
    let cause: &[u8] = if session.random.is_multiple_of(4) { b"Idle-Timeout" } else { b"User-Request" };
    let router = u8::try_from(session.router % 250).unwrap_or(0);
    rows.row(16)
        .uuid(id)
        .date(session.started.div_euclid(1_000_000))
        .uuid(year.routers[session.router])
        .address([10, 255, 0, router + 1].into())
        .uuid(year.entitlements[session.customer as usize])
        .text(format!("user{number:07}").as_bytes())
        .mac(mac)
        .address((0x0a00_0000 | (number & 0x00ff_ffff)).into())
        .text(format!("8{:07x}", session.random & 0x0fff_ffff).as_bytes())
        .moment(session.started)
        .moment(session.ended())
        .bigint(signed(session.seconds))
        .bigint(signed(session.input))
        .bigint(signed(session.output))
        .moment(session.ended())
        .text(cause);
}

/// A month's table becomes its partition, in the place of an empty one. Its indexes are built now.
async fn make_partition(db: &Db, month: Date) -> Result<()> {
    let mut tx: PgTransaction<'_> = db.pool.begin().await?;
    let (table, usual) = names(month);
    let bounds = format!("FOR VALUES FROM ('{month}') TO ('{}')", next(month));
    sqlx::query(INDEX_MEMORY).execute(&mut *tx).await?;
    let empty = sqlx::query_scalar!(
        r#"SELECT c.relname::text AS "name!" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'sessions_ended'::regclass AND pg_get_expr(c.relpartbound, c.oid) = $1"#,
        bounds
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(empty) = &empty {
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {empty}"))).execute(&mut *tx).await?;
    }
    let name = empty.unwrap_or(usual);
    for statement in [
        format!("ALTER TABLE {table} RENAME TO {name}"),
        format!("ALTER TABLE sessions_ended ATTACH PARTITION {name} {bounds}"),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
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
    fn every_session_is_in_one_month() {
        let year = year(100_000, 1000);
        let mut month = Date::from_calendar_date(2025, Month::November, 1).expect("a date");
        let mut seen = 0;
        let jitter = i64::try_from(JITTER_MICROS).expect("small");
        for _ in 0..14 {
            let micros = |month: Date| month.midnight().assume_utc().unix_timestamp() * 1_000_000;
            let (from, to) = (micros(month), micros(next(month)));
            let numbers = year.first_from(from - jitter)..(year.first_from(to) + 1).min(year.past.sessions);
            seen += numbers.filter(|number| (from..to).contains(&year.session(*number).started)).count();
            month = next(month);
        }
        assert_eq!(seen, 100_000);
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
