//! `/admin/routers`: the routers, when they last spoke and how they fare; who has been heard that nobody registered, to be adopted; and
//! how to connect a MikroTik by hand. One router has its own page ([`one`]), a new one is set up by one line ([`enrol`]).
//!
//! What radiusd has counted is asked of the one beside the portal, and what it does not tell is left out. The instructions hold the
//! addresses of this installation and never a secret: whoever stands before the screen is not always who may know it.

pub(super) mod enrol;
pub(super) mod one;
mod site;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::config::Config;
use shared::time::OffsetDateTime;
use store::nas::{Enrolment, Nas, Outcomes};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::overview::is_silent;
use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::radiusd::{self, Figures, Stranger};
use crate::session::Staff;

/// How far back commands are looked at.
const LATELY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Template)]
#[template(path = "admin/routers.html")]
pub(super) struct Routers {
    page: Page,
    style: String,
    routers: Vec<Row>,
    /// Who has been heard; `None`: radiusd does not say.
    strangers: Option<Vec<Unknown>>,
    connect: Connect,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    identifier: String,
    site: String,
    address: String,
    radsec: String,
    online: u64,
    last_seen: String,
    silent: bool,
    version: String,
    /// In words, if it is wrong.
    clock: Option<String>,
    /// Logins that were refused since radiusd started.
    refused: String,
    /// What became of commands.
    commands: String,
    /// Whether some of them failed.
    commands_fail: bool,
    /// What is left to do to set it up; empty: nothing.
    left: String,
}

/// A sender that nobody has registered.
#[derive(Debug)]
struct Unknown {
    address: String,
    says: String,
    packets: u64,
    sends: String,
    last_heard: String,
    /// The form, filled in.
    adopt: String,
}

/// What a MikroTik must be told.
#[derive(Debug)]
struct Connect {
    /// The portal's host, which is also where radiusd is reached on one machine.
    host: String,
    auth_port: u16,
    acct_port: u16,
    interim_seconds: u32,
    /// The page that routers fetch.
    login_page: String,
}

/// `GET /admin/routers`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let mut routers = store::nas::all(&app.db).await?;
    if let Some(theirs) = store::site::routers(&app.db, staff.sites()).await? {
        routers.retain(|nas| theirs.contains(&nas.id));
    }
    let known = Known {
        online: store::session::count_open(&app.db).await?,
        outcomes: store::nas::outcomes(&app.db, now - LATELY).await?,
        enrolments: store::nas::enrolments(&app.db).await?,
        figures: BTreeMap::new(),
    };
    let (figures, strangers) = heard(&app).await.unzip();
    let known = Known { figures: figures.unwrap_or_default(), ..known };
    let page = Routers {
        page: Page::new(&app, &staff, Tab::Routers),
        style: style(),
        routers: routers.iter().map(|nas| row(nas, &known, now)).collect(),
        strangers: strangers.map(|list| list.iter().map(|stranger| unknown(stranger, now)).collect()),
        connect: Connect::from(&app.config),
    };
    answer(StatusCode::OK, &page)
}

/// What is known of routers besides their rows.
#[derive(Debug, Default)]
struct Known {
    online: Vec<(String, u64)>,
    outcomes: HashMap<Uuid, Outcomes>,
    enrolments: Vec<Enrolment>,
    figures: BTreeMap<Uuid, Figures>,
}

/// What radiusd has counted and heard, if it answers.
async fn heard(app: &App) -> Option<Heard> {
    ask_radiusd(app)
        .await
        .inspect_err(|error| tracing::warn!(%error, "what radiusd knows of routers is not known"))
        .ok()
}

type Heard = (BTreeMap<Uuid, Figures>, Vec<Stranger>);

async fn ask_radiusd(app: &App) -> anyhow::Result<Heard> {
    let url = radiusd::admin_url(&app.config)?;
    tokio::try_join!(radiusd::routers(url.clone()), radiusd::strangers(url))
}

fn row(nas: &Nas, known: &Known, now: OffsetDateTime) -> Row {
    let enrolment = known.enrolments.iter().find(|enrolment| enrolment.nas == nas.id);
    let outcomes = known.outcomes.get(&nas.id).copied().unwrap_or_default();
    Row {
        id: nas.id,
        name: nas.name.clone(),
        identifier: nas.identifier.clone().filter(|identifier| *identifier != nas.name).unwrap_or_default(),
        site: nas.site.clone().unwrap_or_default(),
        address: nas.address.map(|address| address.to_string()).unwrap_or_default(),
        radsec: nas.radsec_name.clone().unwrap_or_default(),
        online: online(&known.online, &nas.name),
        last_seen: nas.last_seen_at.map_or_else(|| "never".into(), |at| words::ago(at, now)),
        silent: is_silent(nas.last_seen_at, now),
        version: enrolment.and_then(|enrolment| enrolment.report.version.clone()).unwrap_or_default(),
        clock: nas.clock_offset_seconds.and_then(words::clock_fault),
        refused: known.figures.get(&nas.id).map(|figures| figures.rejects.to_string()).unwrap_or_default(),
        commands: in_percent(outcomes),
        commands_fail: outcomes.failed > 0,
        left: enrolment.map(|enrolment| left(enrolment, now)).unwrap_or_default(),
    }
}

fn online(counts: &[(String, u64)], name: &str) -> u64 {
    counts.iter().find(|(nas, _)| nas == name).map_or(0, |(_, count)| *count)
}

/// How many commands were done: `97 % of 120`; empty: there were none.
fn in_percent(outcomes: Outcomes) -> String {
    let all = outcomes.done + outcomes.failed;
    match (outcomes.done * 100).checked_div(all) {
        Some(percent) => format!("{percent} % of {all}"),
        None => String::new(),
    }
}

/// What is left to do until a router is set up by its line.
fn left(enrolment: &Enrolment, now: OffsetDateTime) -> String {
    if enrolment.finished_at.is_some() {
        return String::new();
    }
    let is_over = enrolment.token_until <= now;
    match (enrolment.reported_at, enrolment.fetched_at) {
        (Some(_), _) if !enrolment.report.not_done.is_empty() => {
            format!("not done: {}", enrolment.report.not_done.replace(' ', ", "))
        }
        _ if is_over => "its line is too old: make another".into(),
        (_, Some(_)) => "fetched its script, has not reported".into(),
        _ => "waits for its line to be pasted".into(),
    }
}

fn unknown(stranger: &Stranger, now: OffsetDateTime) -> Unknown {
    let identifier = stranger.nas_identifier.clone().unwrap_or_default();
    let says = match stranger.nas_ip_address.filter(|ip| *ip != stranger.address) {
        Some(ip) => format!("{identifier} ({ip})").trim().to_owned(),
        None => identifier.clone(),
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("name", &identifier)
        .append_pair("address", &stranger.address.to_string())
        .finish();
    let last_heard = OffsetDateTime::parse(&stranger.last_seen, &Rfc3339);
    Unknown {
        address: stranger.address.to_string(),
        says,
        packets: stranger.packets,
        sends: stranger.codes.join(", "),
        last_heard: last_heard.map(|at| words::ago(at, now)).unwrap_or_default(),
        adopt: format!("/admin/routers/new?{query}"),
    }
}

impl From<&Config> for Connect {
    fn from(config: &Config) -> Connect {
        let port = |sockets: &[std::net::SocketAddr], usual| sockets.first().map_or(usual, std::net::SocketAddr::port);
        let public_url = &config.portal.public_url;
        Connect {
            host: public_url.host_str().unwrap_or("portal.example").to_owned(),
            auth_port: port(&config.radius.auth_listen, 1812),
            acct_port: port(&config.radius.acct_listen, 1813),
            interim_seconds: config.radius.interim_seconds,
            login_page: crate::urls::whole(public_url, crate::onboarding::serve::LOGIN_PAGE),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    /// A router with everything that somebody else wrote.
    pub(super) fn a_router() -> Nas {
        Nas {
            id: Uuid::from_u128(7),
            name: HOSTILE.into(),
            site: Some(HOSTILE.into()),
            address: Some("10.20.0.2/32".parse().expect("an address")),
            radsec_name: Some(HOSTILE.into()),
            identifier: Some(HOSTILE.into()),
            coa_port: 3799,
            clock_offset_seconds: Some(-3600),
            hotspot_hosts: vec![HOSTILE.into()],
            last_seen_at: Some(OffsetDateTime::UNIX_EPOCH),
            ..Nas::default()
        }
    }

    /// How it stands after it has reported.
    pub(super) fn reported() -> Enrolment {
        Enrolment {
            nas: Uuid::from_u128(7),
            plan: serde_json::json!({}),
            token_until: OffsetDateTime::UNIX_EPOCH,
            fetched_at: Some(OffsetDateTime::UNIX_EPOCH),
            finished_at: None,
            tunnel_address: Some(std::net::Ipv4Addr::new(10, 99, 0, 2)),
            public_key: Some(HOSTILE.into()),
            reported_at: Some(OffsetDateTime::UNIX_EPOCH),
            report: store::nas::Report {
                version: Some(HOSTILE.into()),
                model: Some(HOSTILE.into()),
                serial: Some(HOSTILE.into()),
                device_mode: Some(false),
                clock_ahead_seconds: Some(7_200),
                fasttrack: Some(1),
                public_key: Some(HOSTILE.into()),
                not_done: "hotspot pages".into(),
            },
        }
    }

    pub(super) fn figures() -> Figures {
        Figures {
            accepts: 90,
            rejects: 10,
            accounting: 400,
            rejects_by_reason: BTreeMap::from([("bad_password".to_owned(), 10)]),
            last_minute: Some(radiusd::Minute { logins: 3, accounting: 12, took_us: Some(450) }),
        }
    }

    fn known() -> Known {
        let id = Uuid::from_u128(7);
        Known {
            online: vec![(HOSTILE.to_owned(), 12)],
            outcomes: HashMap::from([(id, Outcomes { done: 97, failed: 3 })]),
            enrolments: vec![reported()],
            figures: BTreeMap::from([(id, figures())]),
        }
    }

    fn stranger() -> Stranger {
        Stranger {
            address: "192.0.2.9".parse().expect("an address"),
            first_seen: "1970-01-01T00:00:00Z".into(),
            last_seen: "1970-01-01T00:00:00Z".into(),
            packets: 3,
            ports: vec!["auth".into()],
            codes: vec!["Access-Request".into()],
            nas_identifier: Some(HOSTILE.into()),
            nas_ip_address: Some("10.0.0.1".parse().expect("an address")),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Routers {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(3600);
        let connect = Connect {
            host: "wifi.example.net".into(),
            auth_port: 1812,
            acct_port: 1813,
            interim_seconds: 60,
            login_page: "https://wifi.example.net/hotspot/login.html".into(),
        };
        let never = Nas { last_seen_at: None, address: None, ..a_router() };
        let rows = vec![row(&a_router(), &known(), now), row(&never, &Known::default(), now)];
        Routers { page, style: style(), routers: rows, strangers: Some(vec![unknown(&stranger(), now)]), connect }
    }

    #[test]
    fn a_line_says_how_a_router_fares() {
        let page = sample(crate::admin::page::tests::page());
        let [row, unheard] = &page.routers[..] else { panic!("two rows") };
        assert_eq!((row.online, row.refused.as_str(), row.commands.as_str()), (12, "10", "97 % of 100"));
        assert_eq!((row.silent, row.left.as_str()), (true, "not done: hotspot, pages"));
        assert_eq!(row.clock.as_deref(), Some("its clock is 1 hour behind"));
        assert_eq!((unheard.last_seen.as_str(), unheard.commands.as_str(), unheard.left.as_str()), ("never", "", ""));
    }

    #[test]
    fn what_is_left_to_do_is_said_until_it_is_done() {
        let new = Enrolment {
            fetched_at: None,
            reported_at: None,
            report: store::nas::Report::default(),
            token_until: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60),
            ..reported()
        };
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(left(&new, at(0)), "waits for its line to be pasted");
        assert_eq!(left(&new, at(60)), "its line is too old: make another");
        let fetched = Enrolment { fetched_at: Some(at(1)), ..new.clone() };
        assert_eq!(left(&fetched, at(2)), "fetched its script, has not reported");
        assert_eq!(left(&Enrolment { finished_at: Some(at(3)), ..fetched }, at(99)), "");
    }

    #[test]
    fn who_is_adopted_is_in_the_form_already() {
        let adopted = unknown(&stranger(), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            adopted.adopt,
            "/admin/routers/new?name=%3Cscript%3Ealert%28%22x%22%29%3C%2Fscript%3E&address=192.0.2.9"
        );
        assert_eq!(adopted.last_heard, "just now");
    }

    #[test]
    fn the_instructions_name_this_installation_and_no_secret() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        for part in ["address=wifi.example.net", "https://wifi.example.net/hotspot/login.html", "THE-SECRET-YOU-CHOSE"]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
