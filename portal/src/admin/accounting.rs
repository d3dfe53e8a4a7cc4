//! `/admin/accounting`: is accounting healthy? One answer in a sentence, what it rests on, and where the day's usage
//! came from.
//!
//! radiusd is asked at `radius.admin_listen`; where several servers run, each has its own metrics, and this page tells
//! of the one beside the portal.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use store::history::{self, By, Used};

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{self, Tone};
use crate::App;
use crate::radiusd::{self, Accounting};
use crate::session::Staff;

/// Seconds after which the page loads itself again.
const REFRESH: u32 = 10;
/// Names of each kind that are shown.
const SHOWN: u32 = 20;
/// A spool that is older than this is not being emptied as fast as it fills.
const LATE_SECONDS: u64 = 60;

#[derive(Debug, Template)]
#[template(path = "admin/accounting.html")]
pub(super) struct Health {
    page: Page,
    style: String,
    verdict: Verdict,
    /// What radiusd tells; without it, why not.
    told: Option<Told>,
    online: u64,
    sites: Vec<Usage>,
    packages: Vec<Usage>,
}

/// The answer in a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    tone: Tone,
    text: &'static str,
    /// What to do.
    advice: &'static str,
}

#[derive(Debug)]
struct Told {
    accounting: Accounting,
    spool: String,
    oldest: String,
}

#[derive(Debug)]
struct Usage {
    name: String,
    down: String,
    up: String,
    time: String,
}

/// `GET /admin/accounting`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let from = words::start_of_day(now);
    let told = match radiusd::admin_url(&app.config) {
        Ok(url) => radiusd::ask::<Accounting>(url, "/accounting").await,
        Err(error) => Err(error),
    };
    let told = told.inspect_err(|error| tracing::warn!(%error, "how accounting fares is not known")).ok();
    let usage = async |by| -> Result<Vec<Usage>, Refusal> {
        Ok(history::usage(&app.db, by, from, now, SHOWN).await?.into_iter().map(row).collect())
    };
    let page = Health {
        page: Page::new(&app, &staff, Tab::Accounting).refreshed(REFRESH),
        style: style(),
        verdict: judge(told.as_ref()),
        told: told.map(in_words),
        online: store::session::count_open(&app.db).await?.iter().map(|(_, count)| count).sum(),
        sites: usage(By::Site).await?,
        packages: usage(By::Package).await?,
    };
    answer(StatusCode::OK, &page)
}

fn judge(told: Option<&Accounting>) -> Verdict {
    let (tone, text, advice) = match told {
        None => (
            Tone::Bad,
            "radiusd does not answer.",
            "Is it running? Its log says why not. While it is away nobody new can log in, and routers keep no reports for long.",
        ),
        Some(told) if !told.acknowledges => (
            Tone::Bad,
            "No: reports can be stored nowhere, and nothing is acknowledged.",
            "PostgreSQL is away, and the spool is full or its disk is. Bring back either; nothing that was acknowledged is lost.",
        ),
        Some(told) if !told.postgresql_takes_records => (
            Tone::Busy,
            "Reports are safe on disk: PostgreSQL does not take them at the moment.",
            "Bring PostgreSQL back before the spool is full. Usage and limits stand still until then; logins go on.",
        ),
        Some(told) if told.spool.oldest_age_seconds > LATE_SECONDS => (
            Tone::Busy,
            "Yes, but PostgreSQL is behind: it is taking what had gathered on disk.",
            "This ends by itself if the age of the oldest falls. If it grows, PostgreSQL is slower than the load.",
        ),
        Some(_) => (Tone::Good, "Yes: every report is in PostgreSQL.", ""),
    };
    Verdict { tone, text, advice }
}

fn in_words(accounting: Accounting) -> Told {
    let oldest = std::time::Duration::from_secs(accounting.spool.oldest_age_seconds);
    Told { spool: words::data(accounting.spool.octets), oldest: words::span(oldest), accounting }
}

fn row(used: Used) -> Usage {
    let octets = |counter: i64| words::data(u64::try_from(counter).unwrap_or(0));
    Usage {
        name: used.name.unwrap_or_else(|| "without a name".into()),
        down: octets(used.used.output),
        up: octets(used.used.input),
        time: words::span(std::time::Duration::from_secs(u64::try_from(used.used.seconds).unwrap_or(0))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use store::accounting::Counters;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn told(acknowledges: bool, postgresql_takes_records: bool, oldest_age_seconds: u64) -> Accounting {
        Accounting {
            acknowledges,
            postgresql_takes_records,
            queue: radiusd::Queue { records: 3, capacity: 8192 },
            spool: radiusd::Spool { records: 70, octets: 21_000, oldest_age_seconds },
            stored: 1000,
            spooled: 200,
            replayed: 130,
            failed: 0,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Health {
        let used = |name: Option<&str>| Used {
            name: name.map(str::to_owned),
            used: Counters { seconds: 4000, input: 1_000_000, output: 22_000_000 },
        };
        let accounting = told(true, false, 12);
        Health {
            page,
            style: style(),
            verdict: judge(Some(&accounting)),
            told: Some(in_words(accounting)),
            online: 3,
            sites: vec![row(used(Some(HOSTILE))), row(used(None))],
            packages: vec![row(used(Some(HOSTILE)))],
        }
    }

    #[test]
    fn the_answer_is_what_the_operator_must_know() {
        let tones = |told: Option<Accounting>| judge(told.as_ref()).tone;
        assert_eq!(tones(None), Tone::Bad);
        assert_eq!(tones(Some(told(false, false, 9))), Tone::Bad);
        assert_eq!(tones(Some(told(true, false, 9))), Tone::Busy);
        assert_eq!(tones(Some(told(true, true, 61))), Tone::Busy);
        assert_eq!(tones(Some(told(true, true, 1))), Tone::Good);
    }
}
