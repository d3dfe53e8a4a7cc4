//! The two programs, as they tell themselves: whether they answer, which version they are, and how reports fare.
//!
//! radiusd is asked on its admin port, the portal on its metrics port. Both may be on other machines: then `--radiusd` says where
//! radiusd is, and what is not found is said with that possibility.

use std::time::Duration;

use serde::de::DeserializeOwned;
use shared::config::Config;
use shared::time::OffsetDateTime;
use url::Url;

use super::{Finding, about};
use crate::radiusd::{Accounting, admin_url, on_this_machine};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most of an answer that is read, octets: metrics of a few thousand routers.
const ANSWER_MAX: usize = 8 << 20;
/// Reports that waited longer than this for PostgreSQL are worth a look.
const LAG_MAX: Duration = Duration::from_secs(300);
/// A certificate that ends sooner should have been renewed.
const RENEW_WITHIN: i64 = 14 * 24 * 3600;
const OURS: &str = env!("CARGO_PKG_VERSION");

/// What a program tells.
#[derive(Debug)]
pub(super) struct Told {
    url: String,
    /// What it answers with, or why it does not.
    version: Result<String, String>,
    /// radiusd: whether it is `followed`, or answers from memory.
    postgresql: Option<String>,
    accounting: Option<Accounting>,
    /// How many senders it hears that nobody has registered.
    strangers: usize,
    /// When the first certificate of RadSec ends.
    not_after: Option<i64>,
}

impl Told {
    /// Whether it runs.
    pub(super) fn answers(&self) -> bool {
        self.version.is_ok()
    }

    fn silent(url: String, why: String) -> Told {
        Told { url, version: Err(why), postgresql: None, accounting: None, strangers: 0, not_after: None }
    }
}

pub(super) async fn look_at_radiusd(config: &Config, given: Option<Url>) -> Told {
    let url = match given.map_or_else(|| admin_url(config), Ok) {
        Ok(url) => url,
        Err(error) => return Told::silent("radius.admin_listen".to_owned(), error.to_string()),
    };
    let metrics = match ask(&url, "/metrics").await {
        Ok(text) => text,
        Err(why) => return Told::silent(url.to_string(), why),
    };
    let ready: Option<serde_json::Value> = json(&url, "/readyz").await;
    let strangers: Option<serde_json::Value> = json(&url, "/strangers").await;
    Told {
        version: version_of(&metrics, "radiusd").ok_or_else(|| "what answers there is not radiusd".to_owned()),
        postgresql: ready.and_then(|ready| Some(ready["postgresql"].as_str()?.to_owned())),
        accounting: json(&url, "/accounting").await,
        strangers: strangers.and_then(|heard| Some(heard["strangers"].as_array()?.len())).unwrap_or(0),
        not_after: first_end(&metrics),
        url: url.to_string(),
    }
}

pub(super) async fn look_at_portal(config: &Config) -> Told {
    let url = match on_this_machine(config.portal.metrics_listen) {
        Ok(url) => url,
        Err(_) => return Told::silent("portal.metrics_listen".to_owned(), "it names no port".to_owned()),
    };
    match ask(&url, "/metrics").await {
        Ok(text) => Told {
            version: version_of(&text, "portal").ok_or_else(|| "what answers there is not the portal".to_owned()),
            ..Told::silent(url.to_string(), String::new())
        },
        Err(why) => Told::silent(url.to_string(), why),
    }
}

async fn ask(base: &Url, page: &str) -> Result<String, String> {
    let mut url = base.clone();
    url.set_path(page);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(PATIENCE);
    let client = client.build().map_err(|error| error.to_string())?;
    let silence = |error: reqwest::Error| if error.is_timeout() { "no answer in time" } else { "nothing answers" };
    let answer = client.get(url).send().await.map_err(silence)?;
    let body = outgoing::body(answer, ANSWER_MAX).await.map_err(|_| "its answer broke off")?;
    String::from_utf8(body).map_err(|_| "its answer is no text".to_owned())
}

async fn json<T: DeserializeOwned>(base: &Url, page: &str) -> Option<T> {
    serde_json::from_str(&ask(base, page).await.ok()?).ok()
}

/// The version in the metrics of a program: `mlango_build_info{component="radiusd",version="0.1.0"} 1`.
fn version_of(metrics: &str, component: &str) -> Option<String> {
    let line = metrics
        .lines()
        .find(|line| line.starts_with("mlango_build_info{") && line.contains(&format!("component=\"{component}\"")))?;
    Some(line.split("version=\"").nth(1)?.split('"').next()?.to_owned())
}

/// When the first of RadSec's certificates ends, seconds since 1970.
fn first_end(metrics: &str) -> Option<i64> {
    let lines =
        metrics.lines().filter(|line| line.starts_with("mlango_radsec_certificate_not_after_timestamp_seconds{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).min()
}

pub(super) fn judge(radiusd: &Told, portal: &Told, now: OffsetDateTime) -> Vec<Finding> {
    let mut found = vec![answers("radiusd", radiusd), answers("portal", portal)];
    if let Ok(theirs) = &radiusd.version {
        found.push(version(theirs, portal.version.as_deref().unwrap_or(OURS)));
        found.push(follows(radiusd.postgresql.as_deref()));
        found.push(reports(radiusd.accounting.as_ref(), radiusd.strangers));
        found.push(certificate(radiusd.not_after, now));
    }
    found
}

fn answers(name: &'static str, told: &Told) -> Finding {
    match (&told.version, name) {
        (Ok(version), _) => Finding::ok(name, format!("{name} {version} runs ({})", told.url)),
        (Err(why), "radiusd") => Finding::problem(
            name,
            format!("radiusd does not answer at {}: {why}; without it nobody logs in", told.url),
            "start it, and see its log; if it is on another machine or in another container, say where with --radiusd",
        ),
        (Err(why), _) => Finding::note(
            name,
            format!("the portal does not answer at {}: {why}", told.url),
            "start it, and see its log; if it is on another machine, look there",
        ),
    }
}

fn version(radiusd: &str, portal: &str) -> Finding {
    const NAME: &str = "radiusd-version";
    if radiusd == portal && portal == OURS {
        return Finding::ok(NAME, format!("everything is version {OURS}"));
    }
    Finding::note(
        NAME,
        format!("radiusd is version {radiusd}, the portal {portal}, and this program {OURS}"),
        "restart what is older; for a while they go on side by side",
    )
}

fn follows(postgresql: Option<&str>) -> Finding {
    const NAME: &str = "radiusd-database";
    match postgresql {
        Some("followed") => Finding::ok(NAME, "radiusd follows what changes in PostgreSQL"),
        _ => Finding::problem(
            NAME,
            "radiusd does not reach PostgreSQL and answers from memory: what is sold now opens nothing yet",
            "see its log, and its database.write and database.listen",
        ),
    }
}

fn reports(accounting: Option<&Accounting>, strangers: usize) -> Finding {
    const NAME: &str = "radiusd-reports";
    let Some(accounting) = accounting else {
        return Finding::note(NAME, "how reports fare could not be asked", "ask radiusd at /accounting");
    };
    if !accounting.acknowledges {
        return Finding::problem(
            NAME,
            "reports of routers can be stored nowhere, and are not acknowledged",
            "bring PostgreSQL back, and give the spool room (accounting.spool)",
        );
    }
    if Duration::from_secs(accounting.spool.oldest_age_seconds) > LAG_MAX {
        return Finding::problem(
            NAME,
            format!(
                "{} reports wait on disk for PostgreSQL, the first for {}",
                accounting.spool.records,
                about(Duration::from_secs(accounting.spool.oldest_age_seconds))
            ),
            "see what radiusd's log says of the replay; PostgreSQL is away, slow, or refuses one of them",
        );
    }
    if strangers > 0 {
        return Finding::note(
            NAME,
            format!("{strangers} sender(s) that nobody has registered are heard and not answered"),
            "`portal nas adopt --list` shows them; one may be a router of yours whose address has changed",
        );
    }
    Finding::ok(NAME, "reports are stored as they come, and nobody unknown sends any")
}

fn certificate(not_after: Option<i64>, now: OffsetDateTime) -> Finding {
    const NAME: &str = "radsec-certificate";
    let Some(left) = not_after.map(|end| end - now.unix_timestamp()) else {
        return Finding::ok(NAME, "there is no certificate of RadSec to look at");
    };
    let time = about(Duration::from_secs(u64::try_from(left).unwrap_or(0)));
    if left > RENEW_WITHIN {
        Finding::ok(NAME, format!("the certificates of RadSec are good for {time}"))
    } else {
        let what = format!("a certificate of RadSec ends in {time}: then its routers are turned away");
        Finding::problem(NAME, what, "renew it; radiusd reads the files again when they change")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok as Good, Problem};
    use super::super::table::expect;
    use super::*;
    use crate::radiusd::{Queue, Spool};

    const METRICS: &str = "# TYPE mlango_build_info gauge\nmlango_build_info{component=\"radiusd\",version=\"0.1.0\"} 1\n\
        mlango_radsec_certificate_not_after_timestamp_seconds{file=\"certificate\"} 1800000000\n\
        mlango_radsec_certificate_not_after_timestamp_seconds{file=\"client_ca\"} 1900000000\n";

    fn told(version: Result<&str, &str>) -> Told {
        let version = version.map(str::to_owned).map_err(str::to_owned);
        Told { version, ..Told::silent("http://127.0.0.1:9812/".into(), String::new()) }
    }

    fn accounting(acknowledges: bool, oldest_age_seconds: u64) -> Accounting {
        Accounting {
            acknowledges,
            postgresql_takes_records: true,
            queue: Queue { records: 0, capacity: 8192 },
            spool: Spool { records: 7, octets: 1400, oldest_age_seconds },
            stored: 1,
            spooled: 0,
            replayed: 0,
            failed: 0,
        }
    }

    #[test]
    fn metrics_tell_version_and_certificates() {
        assert_eq!(version_of(METRICS, "radiusd").as_deref(), Some("0.1.0"));
        assert_eq!(
            (version_of(METRICS, "portal"), first_end(METRICS), first_end("")),
            (None, Some(1_800_000_000), None)
        );
    }

    #[test]
    fn programs_answer() {
        for (version, name, verdict) in [
            (Ok("0.1.0"), "radiusd", Good),
            (Err("nothing answers"), "radiusd", Problem),
            (Ok("0.1.0"), "portal", Good),
            (Err("nothing answers"), "portal", Note),
        ] {
            expect(&answers(name, &told(version)), name, verdict);
        }
    }

    #[test]
    fn all_have_one_version() {
        for (radiusd, portal, verdict) in [(OURS, OURS, Good), ("0.0.1", OURS, Note), (OURS, "0.0.1", Note)] {
            expect(&version(radiusd, portal), "radiusd-version", verdict);
        }
    }

    #[test]
    fn radiusd_follows_the_database() {
        for (postgresql, verdict) in
            [(Some("followed"), Good), (Some("away: answering from memory"), Problem), (None, Problem)]
        {
            expect(&follows(postgresql), "radiusd-database", verdict);
        }
    }

    #[test]
    fn reports_find_their_way() {
        for (acknowledges, age, strangers, verdict) in [
            (true, 0, 0, Good),
            (true, 300, 0, Good),
            (true, 301, 0, Problem),
            (false, 0, 0, Problem),
            (true, 0, 2, Note),
        ] {
            expect(&reports(Some(&accounting(acknowledges, age)), strangers), "radiusd-reports", verdict);
        }
        expect(&reports(None, 0), "radiusd-reports", Note);
    }

    #[test]
    fn certificates_of_radsec_are_renewed_in_time() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
        let day = 24 * 3600;
        for (left, verdict) in [(Some(30 * day), Good), (Some(14 * day), Problem), (Some(-day), Problem), (None, Good)]
        {
            expect(&certificate(left.map(|left| 1_800_000_000 + left), now), "radsec-certificate", verdict);
        }
    }
}
