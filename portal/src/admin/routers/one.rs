//! `/admin/routers/{id}`: one router: when it was heard, what it was asked and told, its clock and version, how it fares by its own word,
//! and where it stands. What is changed here is the name, the site and where that is; the secret is changed by `portal nas rotate-secret`.
//!
//! A router with a REST API is asked while the page is made, for a few seconds at most; radiusd is asked beside.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::rng;
use shared::time::OffsetDateTime;
use store::api_token;
use store::nas::{CLOCK_TOLERANCE_SECONDS, Edit, Enrolment, MessageAuthenticatorPolicy, Nas, Outcomes, Position, Told};
use uuid::Uuid;

use super::enrol::{router_name, shown};
use super::site::is_theirs;
use super::{LATELY, heard, in_percent, left, online};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, Problems, told};
use crate::admin::overview::is_silent;
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::proof::Proved;
use crate::admin::words::{self, Said, Tone, said};
use crate::cli::values;
use crate::onboarding::{self, Plan, Settings};
use crate::radiusd::Figures;
use crate::routeros::{self, Health};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// Commands that are shown.
const SHOWN: u32 = 20;

#[derive(Debug, Template)]
#[template(path = "admin/router.html")]
pub(in crate::admin) struct Router {
    page: Page,
    style: String,
    id: Uuid,
    name: String,
    done: &'static str,
    problem: String,
    state: Said,
    /// What is left to do to set it up; empty: nothing.
    left: String,
    facts: Vec<(&'static str, String)>,
    /// Where it stands: latitude and longitude as a map has them.
    map: Option<(String, String)>,
    /// Refused logins by reason; `None`: radiusd does not say.
    rejects: Option<Vec<(String, u64)>>,
    /// What it says of itself by REST; `None`: it is not asked.
    health: Option<Vec<(String, String)>>,
    commands: Vec<Command>,
    has_script: bool,
    forms: Vec<Form>,
}

#[derive(Debug)]
struct Command {
    when: String,
    what: String,
    whose: String,
    state: Said,
    more: String,
}

/// The script, to be looked at.
#[derive(Debug, Template)]
#[template(path = "admin/router_script.html")]
pub(in crate::admin) struct Script {
    page: Page,
    style: String,
    id: Uuid,
    name: String,
    text: String,
    /// Why there is none.
    problem: String,
}

/// What is known of one router.
#[derive(Debug)]
struct Known {
    nas: Nas,
    enrolment: Option<Enrolment>,
    position: Option<Position>,
    online: u64,
    outcomes: Outcomes,
    commands: Vec<Told>,
    figures: Option<Figures>,
    health: Option<Result<Health, routeros::Failure>>,
}

/// `GET /admin/routers/{id}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let known = know(&app, &staff, id).await?;
    let (fields, problems) = (fields(&known), Problems::default());
    let page = Page::new(&app, &staff, Tab::Routers);
    let page = router(page, &known, Filled { sent: &fields, problems: &problems }, app.clock.now());
    let done = match after.done.as_str() {
        "saved" => "The router is changed.",
        "placed" => "It is noted where the site is.",
        _ => "",
    };
    answer(StatusCode::OK, &Router { done, ..page })
}

/// A router at another site than somebody's own is not there for them.
async fn find(app: &App, staff: &Staff, id: Uuid) -> Result<Nas, Refusal> {
    if let Some(theirs) = store::site::routers(&app.db, staff.sites()).await?
        && !theirs.contains(&id)
    {
        return Err(Refusal::NotFound);
    }
    store::nas::all(&app.db).await?.into_iter().find(|nas| nas.id == id).ok_or(Refusal::NotFound)
}

async fn know(app: &App, staff: &Staff, id: Uuid) -> Result<Known, Refusal> {
    let (nas, now) = (find(app, staff, id).await?, app.clock.now());
    let since = now - LATELY;
    let ask = async {
        match &nas.rest {
            Some(rest) => Some(routeros::health(rest, app.config.radius.routeros_ca_file.as_deref(), now).await),
            None => None,
        }
    };
    let (health, heard) = tokio::join!(ask, heard(app));
    Ok(Known {
        enrolment: store::nas::enrolment(&app.db, id).await?,
        position: store::nas::position(&app.db, id).await?,
        online: online(&store::session::count_open(&app.db).await?, &nas.name),
        outcomes: store::nas::outcomes(&app.db, since).await?.get(&id).copied().unwrap_or_default(),
        commands: store::nas::told(&app.db, id, since, SHOWN).await?,
        figures: heard.map(|(mut figures, _)| figures.remove(&id).unwrap_or_default()),
        health,
        nas,
    })
}

fn router(page: Page, known: &Known, filled: Filled<'_>, now: OffsetDateTime) -> Router {
    let nas = &known.nas;
    let state = match nas.last_seen_at {
        None => said(Tone::Bad, "never heard"),
        Some(_) if is_silent(nas.last_seen_at, now) => said(Tone::Bad, "silent"),
        Some(_) => said(Tone::Good, "heard"),
    };
    let rejects = |figures: &Figures| {
        let mut reasons: Vec<(String, u64)> =
            figures.rejects_by_reason.iter().map(|(reason, count)| (reason.replace('_', " "), *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    };
    Router {
        page,
        style: style(),
        id: nas.id,
        name: nas.name.clone(),
        done: "",
        problem: String::new(),
        state,
        left: known.enrolment.as_ref().map(|enrolment| left(enrolment, now)).unwrap_or_default(),
        facts: facts(known, now),
        map: known.position.map(|at| (format!("{:.6}", at.latitude), format!("{:.6}", at.longitude))),
        rejects: known.figures.as_ref().map(rejects),
        health: known.health.as_ref().map(in_words),
        commands: known.commands.iter().map(|told| command(told, now)).collect(),
        has_script: known.enrolment.is_some(),
        forms: forms(known, filled),
    }
}

fn facts(known: &Known, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let Known { nas, enrolment, online, outcomes, figures, .. } = known;
    let minute = figures.as_ref().and_then(|figures| figures.last_minute);
    let report = enrolment.as_ref().map(|enrolment| enrolment.report.clone()).unwrap_or_default();
    let ago = |at: Option<OffsetDateTime>| at.map(|at| words::ago(at, now)).unwrap_or_default();
    let mut facts = vec![
        ("Last heard", nas.last_seen_at.map_or_else(|| "never".to_owned(), |at| words::ago(at, now))),
        ("Online", online.to_string()),
        (
            "In the last minute",
            minute.map(|m| format!("logins: {}, reports: {}", m.logins, m.accounting)).unwrap_or_default(),
        ),
        ("Answered within", minute.and_then(|m| m.took_us).map(milliseconds).unwrap_or_default()),
        ("Since radiusd started", figures.as_ref().map(counted).unwrap_or_default()),
        ("Commands done, last day", in_percent(*outcomes)),
        ("Site", nas.site.clone().unwrap_or_default()),
        ("Address", nas.address.map(|address| address.to_string()).unwrap_or_default()),
        ("RadSec", nas.radsec_name.clone().unwrap_or_default()),
        ("Calls itself", nas.identifier.clone().unwrap_or_default()),
        ("Login page at", nas.hotspot_hosts.join(", ")),
        ("CoA port", nas.coa_port.to_string()),
        ("Message-Authenticator", signing(nas.require_message_authenticator).to_owned()),
        ("Clock, by its reports", nas.clock_offset_seconds.map(|ahead| clock(ahead.into())).unwrap_or_default()),
        ("RouterOS", report.version.unwrap_or_default()),
        ("Model", report.model.unwrap_or_default()),
        ("Serial number", report.serial.unwrap_or_default()),
        ("Clock, when set up", report.clock_ahead_seconds.map(clock).unwrap_or_default()),
        ("Script fetched", ago(enrolment.as_ref().and_then(|enrolment| enrolment.fetched_at))),
        ("Reported", ago(enrolment.as_ref().and_then(|enrolment| enrolment.reported_at))),
        ("In the tunnel", tunnel(enrolment.as_ref())),
        ("Device-mode", report.device_mode.map(device_mode).unwrap_or_default().to_owned()),
        ("FastTrack", fasttrack(report.fasttrack)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn counted(figures: &Figures) -> String {
    format!("{} let in, {} refused, {} reports", figures.accepts, figures.rejects, figures.accounting)
}

/// How long radiusd took.
fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms on average", micros / 1000, micros % 1000 / 100)
}

fn signing(policy: MessageAuthenticatorPolicy) -> &'static str {
    match policy {
        MessageAuthenticatorPolicy::Yes => "required",
        MessageAuthenticatorPolicy::No => "not required",
        MessageAuthenticatorPolicy::Auto { seen: true } => "required, since it signs",
        MessageAuthenticatorPolicy::Auto { seen: false } => "required once it signs",
    }
}

fn clock(ahead_seconds: i64) -> String {
    if ahead_seconds.abs() <= CLOCK_TOLERANCE_SECONDS {
        return "right".into();
    }
    let ahead = i32::try_from(ahead_seconds).unwrap_or(if ahead_seconds < 0 { i32::MIN } else { i32::MAX });
    words::clock_fault(ahead).unwrap_or_default()
}

fn tunnel(enrolment: Option<&Enrolment>) -> String {
    let Some(address) = enrolment.and_then(|enrolment| enrolment.tunnel_address) else { return String::new() };
    match enrolment.and_then(|enrolment| enrolment.public_key.as_ref()) {
        Some(key) => format!("{address}, with the key {key}"),
        None => format!("{address}, no key yet"),
    }
}

fn device_mode(allows: bool) -> &'static str {
    if allows { "allows the hotspot" } else { "forbids the hotspot: /system/device-mode/update hotspot=yes" }
}

fn fasttrack(rules: Option<i32>) -> String {
    match rules {
        Some(1..) => "on: guests' packets may pass by the hotspot's counters and limits. Exclude their network".into(),
        _ => String::new(),
    }
}

/// What a router says of itself, a line each.
fn in_words(health: &Result<Health, routeros::Failure>) -> Vec<(String, String)> {
    let health = match health {
        Ok(health) => health,
        Err(failure) => return vec![("REST API".to_owned(), failure.to_string())],
    };
    let memory = health.memory.map(|(free, all)| format!("{} free of {}", words::data(free), words::data(all)));
    let mut lines = vec![
        ("RouterOS".to_owned(), health.version.clone()),
        ("Board".to_owned(), health.board.clone()),
        ("Running for".to_owned(), health.uptime.clone()),
        ("Load".to_owned(), health.cpu_load.map(|load| format!("{load} %")).unwrap_or_default()),
        ("Memory".to_owned(), memory.unwrap_or_default()),
        ("Clock".to_owned(), health.clock_ahead_seconds.map(clock).unwrap_or_default()),
    ];
    lines.extend(health.readings.iter().cloned());
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

fn command(told: &Told, now: OffsetDateTime) -> Command {
    let state = match told.state.as_str() {
        "proved" => said(Tone::Good, "done, proved"),
        "acknowledged" => said(Tone::Good, "acknowledged"),
        "pending" => said(Tone::Busy, "asked"),
        "refused" => said(Tone::Bad, "refused"),
        "unanswered" => said(Tone::Bad, "not answered"),
        _ => said(Tone::Plain, "not needed any more"),
    };
    Command {
        when: words::moment(told.at, now),
        what: if told.kind == "coa" { "change a session".into() } else { format!("end a session ({})", told.reason) },
        whose: words::login(&told.user_name),
        state,
        more: told.error_cause.map(|cause| format!("Error-Cause {cause}")).unwrap_or_default(),
    }
}

/// The forms' fields as the router is now.
fn fields(known: &Known) -> Fields {
    let degrees = |degrees: Option<f64>| degrees.map(|degrees| degrees.to_string()).unwrap_or_default();
    Fields::default()
        .with("name", known.nas.name.as_str())
        .with("site", known.nas.site.clone().unwrap_or_default())
        .with("hosts", known.nas.hotspot_hosts.join(" "))
        .with("latitude", degrees(known.position.map(|at| at.latitude)))
        .with("longitude", degrees(known.position.map(|at| at.longitude)))
}

fn forms(known: &Known, filled: Filled<'_>) -> Vec<Form> {
    let at = format!("/admin/routers/{}", known.nas.id);
    let edit = Form::new("edit", at.as_str(), "Save")
        .titled("Change", "")
        .field(filled.text("name", "Name").hint("As it is called here; what the router calls itself stays.").required())
        .field(filled.text("site", "Site").hint("Where it stands; made if it is new."))
        .field(
            filled
                .text("hosts", "Login page at")
                .hint("Names or addresses, with a port if it is not 80; blanks between."),
        );
    let mut forms = vec![edit];
    if known.nas.site.is_some() {
        let place = Form::new("place", format!("{at}/position"), "Note it")
            .titled("Where the site is", "In degrees, as maps show them. Both empty: nobody knows.")
            .field(filled.text("latitude", "Latitude").hint("Such as -1.2864, south of the equator."))
            .field(filled.text("longitude", "Longitude").hint("Such as 36.8172."));
        forms.push(place);
    }
    if known.enrolment.is_some() {
        let words = "The script is made anew of what was chosen and of the configuration as it is now; run again, it changes what is there. The line before is worth nothing from then on.";
        forms.push(Form::new("line", format!("{at}/line"), "Make another line").titled("Set it up again", words));
    }
    forms
}

/// `POST /admin/routers/{id}`: the name, the site, the hosts.
pub(in crate::admin) async fn edit(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    find(&app, &posted.staff, id).await?;
    let (sent, mut problems) = (&posted.form, Problems::default());
    let name = problems.keep("name", router_name(sent.text("name")));
    let site = problems.optional(sent, "site", values::name);
    is_theirs(&app, &posted.staff, site.as_deref(), &mut problems).await?;
    let hosts = sent.text("hosts").split_whitespace().map(values::host).collect::<Result<Vec<String>, _>>();
    let hosts = problems.keep("hosts", hosts);
    let (Some(name), Some(hosts), true) = (name, hosts, problems.is_empty()) else {
        return again(&app, &posted, id, &problems, String::new()).await;
    };
    let edit = Edit { name: &name, site: site.as_deref(), hotspot_hosts: &hosts };
    match told(store::nas::edit(&app.db, id, &edit, app.clock.now()).await)? {
        Ok(()) => {
            audit(&app, &posted.staff, "nas.update", &name).await?;
            Ok(Redirect::to(&format!("/admin/routers/{id}?done=saved")).into_response())
        }
        Err(problem) => again(&app, &posted, id, &problems, problem).await,
    }
}

/// `POST /admin/routers/{id}/position`.
pub(in crate::admin) async fn place(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    find(&app, &posted.staff, id).await?;
    let (sent, mut problems) = (&posted.form, Problems::default());
    let latitude = problems.optional(sent, "latitude", |text| degrees(text, 90.0));
    let longitude = problems.optional(sent, "longitude", |text| degrees(text, 180.0));
    if problems.is_empty() && latitude.is_some() != longitude.is_some() {
        problems.note("longitude", "write both, or neither");
    }
    if !problems.is_empty() {
        return again(&app, &posted, id, &problems, String::new()).await;
    }
    let position = latitude.zip(longitude).map(|(latitude, longitude)| Position { latitude, longitude });
    match told(store::nas::set_position(&app.db, id, position).await)? {
        Ok(()) => {
            let name = find(&app, &posted.staff, id).await?.name;
            audit(&app, &posted.staff, "site.place", &name).await?;
            Ok(Redirect::to(&format!("/admin/routers/{id}?done=placed")).into_response())
        }
        Err(problem) => again(&app, &posted, id, &problems, problem).await,
    }
}

fn degrees(text: &str, most: f64) -> Result<f64, String> {
    let read = text.replace('\u{2212}', "-").parse::<f64>().ok().filter(|degrees| degrees.abs() <= most);
    read.ok_or_else(|| format!("write degrees from -{most} to {most}, such as -1.2864"))
}

/// The page once more, with what is wrong: what was typed stays, and what was not sent is as it is.
async fn again(
    app: &App,
    posted: &Posted<Fields>,
    id: Uuid,
    problems: &Problems,
    problem: String,
) -> Result<Response, Refusal> {
    let known = know(app, &posted.staff, id).await?;
    let mut sent = fields(&known);
    for name in ["name", "site", "hosts", "latitude", "longitude"] {
        if posted.form.is_on(name) || problems.has(name) {
            sent = sent.with(name, posted.form.text(name));
        }
    }
    let page = Page::new(app, &posted.staff, Tab::Routers);
    let page = router(page, &known, Filled { sent: &sent, problems }, app.clock.now());
    let (status, problem) = match problems.is_empty() {
        true => (StatusCode::CONFLICT, problem),
        false => (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was changed: look at what is marked below.".to_owned()),
    };
    answer(status, &Router { problem, ..page })
}

/// `POST /admin/routers/{id}/line`: another line for a router that was set up by one. The script behind it has the router's secret.
pub(in crate::admin) async fn line(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Proved<Nothing>,
) -> Result<Response, Refusal> {
    let nas = find(&app, &posted.staff, id).await?;
    let enrolment = store::nas::enrolment(&app.db, id).await?.ok_or(Refusal::NotFound)?;
    let plan: Plan = serde_json::from_value(enrolment.plan).map_err(Refusal::broken)?;
    let token = rng::secret();
    store::nas::renew(&app.db, id, &api_token::digest(&token), app.clock.now()).await?;
    audit(&app, &posted.staff, "nas.line", &nas.name).await?;
    shown(&app, &posted.staff, id, &nas.name, &plan, &token)
}

/// `GET /admin/routers/{id}/script`: the script as the router would get it now, without secrets.
pub(in crate::admin) async fn preview(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
) -> Result<Response, Refusal> {
    let nas = find(&app, &staff, id).await?;
    let enrolment = store::nas::enrolment(&app.db, id).await?.ok_or(Refusal::NotFound)?;
    let settings = Settings::of(&app.config, &nas, &enrolment, "");
    let script = settings.and_then(|settings| Ok(onboarding::render(&settings.blanked())?.text));
    let (text, problem) = match script {
        Ok(text) => (text, String::new()),
        Err(error) => (String::new(), crate::admin::form::sentence(&error.to_string())),
    };
    let page = Page::new(&app, &staff, Tab::Routers);
    answer(StatusCode::OK, &Script { page, style: style(), id, name: nas.name, text, problem })
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;
    use crate::admin::routers::tests::{a_router, figures, reported};

    fn known() -> Known {
        let health = Health {
            version: HOSTILE.into(),
            board: HOSTILE.into(),
            uptime: HOSTILE.into(),
            cpu_load: Some(7),
            memory: Some((20_000_000, 67_000_000)),
            clock_ahead_seconds: Some(3),
            readings: vec![(HOSTILE.into(), HOSTILE.into())],
        };
        let told = |state: &str| Told {
            at: OffsetDateTime::UNIX_EPOCH,
            kind: "disconnect".into(),
            reason: "expired".into(),
            state: state.into(),
            user_name: HOSTILE.into(),
            error_cause: Some(404),
        };
        Known {
            nas: a_router(),
            enrolment: Some(reported()),
            position: Some(Position { latitude: -1.2864, longitude: 36.8172 }),
            online: 12,
            outcomes: Outcomes { done: 97, failed: 3 },
            commands: ["proved", "refused", "pending", "abandoned"].map(told).into(),
            figures: Some(figures()),
            health: Some(Ok(health)),
        }
    }

    fn page_of(page: Page, known: &Known) -> Router {
        let mut problems = Problems::default();
        problems.note("latitude", HOSTILE);
        router(page, known, Filled { sent: &fields(known), problems: &problems }, OffsetDateTime::UNIX_EPOCH)
    }

    pub(in crate::admin) fn sample(page: Page) -> Router {
        page_of(page, &known())
    }

    pub(in crate::admin) fn script(page: Page) -> Script {
        let (id, name) = (Uuid::from_u128(7), HOSTILE.to_owned());
        Script { page, style: style(), id, name, text: HOSTILE.into(), problem: HOSTILE.into() }
    }

    #[test]
    fn a_router_is_told_of_as_far_as_it_is_known() {
        let page = sample(crate::admin::page::tests::page());
        let fact = |name: &str| page.facts.iter().find(|(fact, _)| *fact == name).map(|(_, value)| value.as_str());
        assert_eq!(fact("In the last minute"), Some("logins: 3, reports: 12"));
        assert_eq!(fact("Answered within"), Some("0.4 ms on average"));
        assert_eq!(fact("Clock, when set up"), Some("its clock is 2 hours ahead"));
        assert_eq!(page.rejects, Some(vec![("bad password".to_owned(), 10)]));
        assert_eq!(page.map, Some(("-1.286400".to_owned(), "36.817200".to_owned())));
        assert_eq!(page.forms.len(), 3);
        let bare = Known {
            nas: Nas { site: None, ..a_router() },
            enrolment: None,
            position: None,
            commands: Vec::new(),
            figures: None,
            health: Some(Err(routeros::Failure::Silent)),
            ..known()
        };
        let page = page_of(crate::admin::page::tests::page(), &bare);
        assert!(page.rejects.is_none() && page.map.is_none() && page.forms.len() == 1);
        assert_eq!(page.health, Some(vec![("REST API".to_owned(), "it does not answer".to_owned())]));
    }

    #[test]
    fn degrees_are_read_within_the_globe() {
        assert_eq!((degrees("-1.2864", 90.0), degrees("\u{2212}1.5", 90.0)), (Ok(-1.2864), Ok(-1.5)));
        for text in ["91", "", "north", "NaN", "inf"] {
            assert!(degrees(text, 90.0).is_err(), "{text}");
        }
    }
}
