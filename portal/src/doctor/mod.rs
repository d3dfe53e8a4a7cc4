//! `portal doctor`: the commonest mistakes of a deployment, found by looking, each with what to do about it.
//!
//! A topic is a file: [`secrets`], [`machine`], [`database`], [`address`] (how guests and providers reach us), [`programs`],
//! [`routers`] and [`business`]. Each looks first, which gives plain facts, and judges then, which is a function of the facts
//! alone, so that every verdict stands in a table of its tests. A finding has a name that scripts may rely on; the page
//! `docs/operations/doctor.md` has a row for each.
//!
//! It changes nothing and prints no secret. Whatever cannot be looked at is a finding too, and the rest is looked at all the same.

mod address;
mod business;
mod database;
mod machine;
mod programs;
mod routers;
mod secrets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::config::Config;
use shared::seal::SealKey;
use shared::time::Clock;
use store::Db;
use store::redis::Redis;
use url::Url;

/// Every finding, in the order in which they are told.
pub(crate) const NAMES: [&str; 50] = [
    "config",
    "seal-key",
    "seal-key-file",
    "secret-files",
    "example-values",
    "clock-synchronised",
    "receive-buffer",
    "disk-spool",
    "disk-database",
    "ports",
    "redis",
    "redis-eviction",
    "redis-persistence",
    "database",
    "database-version",
    "database-writable",
    "database-clock",
    "database-fsync",
    "database-commits",
    "database-pages",
    "database-connections",
    "database-vacuum",
    "database-age",
    "database-encoding",
    "database-sorting",
    "database-listen",
    "database-schema",
    "database-months",
    "backups",
    "public-url",
    "public-url-address",
    "certificate",
    "callback-url",
    "callback-words",
    "radiusd",
    "radiusd-version",
    "radiusd-database",
    "radiusd-reports",
    "radsec-certificate",
    "portal",
    "routers-seen",
    "routers-clocks",
    "routers-secrets",
    "routers-signing",
    "routers-commands",
    "routers-login-pages",
    "payments",
    "messages",
    "shop",
    "sites",
];

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better, or could not be found out.
    Note,
    /// It does not work, or will not when it matters.
    Problem,
}

impl Verdict {
    /// As it is printed in front of a finding.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Note => "NOTE",
            Verdict::Problem => "PROBLEM",
        }
    }
}

/// What was found about one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Finding {
    /// Its name: one of [`NAMES`].
    pub(crate) name: &'static str,
    /// How bad it is.
    pub(crate) verdict: Verdict,
    /// What is so, or wrong.
    pub(crate) what: String,
    /// What to do; empty where all is well.
    #[serde(rename = "do")]
    pub(crate) advice: String,
}

impl Finding {
    fn ok(name: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Ok, what.into(), String::new())
    }

    fn note(name: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Note, what.into(), advice.into())
    }

    fn problem(name: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Problem, what.into(), advice.into())
    }

    fn new(name: &'static str, verdict: Verdict, what: String, advice: String) -> Finding {
        debug_assert!(NAMES.contains(&name), "{name} is not in the list of findings");
        Finding { name, verdict, what, advice }
    }
}

/// The configuration could not be read: nothing else can be looked at.
pub(crate) fn unreadable(error: &shared::config::ConfigError) -> Finding {
    Finding::problem(
        "config",
        error.to_string(),
        "correct the file; every key, with its range, stands in docs/operations/configuration.md",
    )
}

/// Looks at everything. `path` is the configuration's file, `radiusd` where radiusd is asked, if that is not where the configuration
/// says.
pub(crate) async fn examine(config: &Config, path: &Path, radiusd: Option<Url>, clock: &Clock) -> Vec<Finding> {
    let mut found =
        vec![Finding::ok("config", format!("{} is read, and every value is within its range", path.display()))];
    let (key, seal) = secrets::key(config.secrets.seal_key.expose());
    found.push(key);
    let seal = seal.and_then(|_| match config.secrets.seal() {
        Ok(seal) => Some(seal),
        Err(error) => {
            found.push(secrets::ring(&error));
            None
        }
    });
    found.extend(secrets::judge(&secrets::look(config, path)));
    let radiusd = programs::look_at_radiusd(config, radiusd).await;
    let portal = programs::look_at_portal(config).await;
    found.extend(machine::judge(&machine::look(config, radiusd.answers(), portal.answers())));
    found.extend(redis(config).await);
    let mut has_routers = false;
    if let Some(seal) = seal {
        has_routers = look_into_database(config, seal, clock, &mut found).await;
    }
    found.extend(address::judge(&address::look(config, has_routers).await, clock.now()));
    found.extend(programs::judge(&radiusd, &portal, clock.now()));
    found.extend(business::payments(config));
    found.extend(business::messages(config));
    found.sort_by_key(|finding| NAMES.iter().position(|name| *name == finding.name));
    keep_the_worst(&mut found);
    found
}

/// Of several findings about one thing, which stand side by side, the worst.
fn keep_the_worst(found: &mut Vec<Finding>) {
    found.dedup_by(|later, earlier| {
        let is_same = later.name == earlier.name;
        if is_same && later.verdict > earlier.verdict {
            std::mem::swap(later, earlier);
        }
        is_same
    });
}

async fn redis(config: &Config) -> Vec<Finding> {
    let advice = "start it, or correct redis.url; without it nobody signs in, neither at the desk nor as a customer";
    let away = |error: store::StoreError| vec![Finding::problem("redis", error.to_string(), advice)];
    match Redis::open(&config.redis) {
        Ok(redis) => redis.server_state().await.map_or_else(away, |state| machine::redis(&state)),
        Err(error) => away(error),
    }
}

/// What PostgreSQL knows. Returns whether there are routers that are elsewhere than on this machine.
async fn look_into_database(config: &Config, seal: SealKey, clock: &Clock, found: &mut Vec<Finding>) -> bool {
    let db = match Db::open(&config.database, Arc::new(seal)) {
        Ok(db) => db,
        Err(error) => {
            found.push(database::away(&error));
            return false;
        }
    };
    let has_routers = match database::look(&db, config, clock).await {
        Ok(facts) => {
            let is_ours = facts.schema_is_ours();
            found.push(machine::database_disk(database::disk(&db, config).await.as_ref()));
            found.extend(database::judge(&facts, clock.now()));
            is_ours && tables(&db, clock, found).await
        }
        Err(error) => {
            found.push(database::away(&error));
            false
        }
    };
    db.close().await;
    has_routers
}

/// What stands in our tables, where they are ours.
async fn tables(db: &Db, clock: &Clock, found: &mut Vec<Finding>) -> bool {
    let now = clock.now();
    if let Ok(Some(false)) = store::sealed::finds_logins(db).await {
        found.push(secrets::wrong_lookup());
    }
    match business::look(db, now).await {
        Ok(shop) => found.extend(business::judge(&shop, now)),
        Err(error) => found.push(database::away(&error)),
    }
    match routers::look(db, now).await {
        Ok(routers) => {
            found.extend(routers::judge(&routers));
            routers::are_elsewhere(&routers)
        }
        // A secret that does not open with this key is told so.
        Err(error) => {
            found.push(database::away(&error));
            false
        }
    }
}

/// A span of time as people say it: its largest unit.
fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// Some names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What the tables of the tests hold the judges against.
#[cfg(test)]
pub(crate) mod table {
    use super::{Finding, Verdict};

    /// The finding has that name and verdict, and says what to do exactly if something is to be done.
    pub(crate) fn expect(finding: &Finding, name: &str, verdict: Verdict) {
        assert_eq!((finding.name, finding.verdict), (name, verdict), "{finding:?}");
        assert!(!finding.what.is_empty(), "{finding:?}");
        assert_eq!(finding.advice.is_empty(), verdict == Verdict::Ok, "{finding:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page has a row for each finding, and each row is a finding.
    #[test]
    fn every_finding_is_described() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/doctor.md"));
        let page = page.expect("the page is there");
        let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(rows, NAMES);
    }

    #[test]
    fn times_and_lists_are_said_shortly() {
        let said = |seconds| about(Duration::from_secs(seconds));
        assert_eq!(
            [said(1), said(90), said(7000), said(90_000)],
            ["1 second", "90 seconds", "116 minutes", "25 hours"]
        );
        assert_eq!(said(864_000), "10 days");
        assert_eq!(some_of(&["a", "b"]), "a, b");
        assert_eq!(some_of(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }

    #[test]
    fn one_thing_has_one_verdict() {
        let mut found = vec![
            Finding::ok("redis", "it answers"),
            Finding::ok("database", "it answers"),
            Finding::problem("database", "a secret does not open", "put the key back"),
            Finding::note("database", "x", "y"),
        ];
        keep_the_worst(&mut found);
        let kept: Vec<_> = found.iter().map(|finding| (finding.name, finding.verdict)).collect();
        assert_eq!(kept, [("redis", Verdict::Ok), ("database", Verdict::Problem)]);
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_a_finding() {
        let error = shared::config::ConfigError::Missing("secrets.seal_key");
        table::expect(&unreadable(&error), "config", Verdict::Problem);
    }
}
