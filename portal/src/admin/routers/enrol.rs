//! `/admin/routers/new`: a router is registered, with a secret of its own and, behind the tunnel, an address; and the line is shown that
//! sets it up. The line is shown once: only its digest is kept.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use shared::config::Config;
use shared::rng;
use shared::time::OffsetDateTime;
use store::api_token;
use store::nas::{GOOD_FOR, NewEnrolment, NewNas, Settings};
use uuid::Uuid;

use super::site::is_theirs;
use crate::App;
use crate::admin::audit::audit;
use crate::admin::form::{Fields, Filled, Form, FormPage, Problems, told};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::{Refusal, words};
use crate::cli::values;
use crate::onboarding::{self, Plan, REST_USER, Section, Version};
use crate::session::Staff;
use crate::session::csrf::Posted;

const LIST: &str = "/admin/routers";
/// Most letters of a router's name, which is also its own (`/system identity`).
const NAME_MAX: usize = 64;
/// The guests' network that the form begins with.
const USUAL_GUESTS: &str = "10.5.50.0/24";
/// The guests' network has room for some, and no more than a router can have.
const PREFIXES: std::ops::RangeInclusive<u8> = 16..=29;

/// What an adoption brings into the form.
#[derive(Debug, Deserialize)]
pub(in crate::admin) struct Adopted {
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
}

/// What was chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Chosen {
    name: String,
    site: Option<String>,
    /// Where its packets come from, if not through the tunnel.
    address: Option<IpNet>,
    plan: Plan,
}

/// The line, shown once.
#[derive(Debug, Template)]
#[template(path = "admin/router_line.html")]
pub(in crate::admin) struct Line {
    page: Page,
    style: String,
    id: Uuid,
    name: String,
    line: String,
    until: String,
    /// Whether our end of the tunnel must learn of the router.
    behind_tunnel: bool,
    /// Whether the script goes over the air or wire readable.
    is_readable: bool,
}

/// `GET /admin/routers/new`.
pub(in crate::admin) async fn ask(
    State(app): State<App>,
    staff: Staff,
    Query(adopted): Query<Adopted>,
) -> Result<Response, Refusal> {
    let is_adopted = !adopted.address.is_empty();
    let way = if app.config.routers.tunnel.is_some() && !is_adopted { "tunnel" } else { "address" };
    let mut sent = Fields::default()
        .with("name", adopted.name)
        .with("address", adopted.address)
        .with("way", way)
        .with("version", "7")
        .with("guests", USUAL_GUESTS);
    for section in [Section::Clock, Section::Network, Section::Hotspot, Section::Garden, Section::Pages] {
        sent = sent.with_tick("section", section.word());
    }
    if app.config.portal.public_url.scheme() == "https" {
        sent = sent.with("certificate", "on");
    }
    answer(StatusCode::OK, &form_page(&app.config, Page::new(&app, &staff, Tab::Routers), &sent, &Problems::default()))
}

/// `POST /admin/routers`.
pub(in crate::admin) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let mut problems = Problems::default();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if let Some(chosen) = read(sent, &app.config, &mut problems)
        && is_theirs(&app, staff, chosen.site.as_deref(), &mut problems).await?
    {
        let (id, token, now) = (rng::id(app.clock.now()), rng::secret(), app.clock.now());
        match told(register(&app, staff, id, &chosen, &token, now).await)? {
            Ok(()) => {
                audit(&app, staff, "nas.add", &chosen.name).await?;
                return shown(&app, staff, id, &chosen.name, &chosen.plan, &token);
            }
            Err(problem) => {
                problems.note(if problem.contains(" address") { "address" } else { "name" }, problem);
                status = StatusCode::CONFLICT;
            }
        }
    }
    answer(status, &form_page(&app.config, Page::new(&app, staff, Tab::Routers), sent, &problems))
}

async fn register(
    app: &App,
    staff: &Staff,
    id: Uuid,
    chosen: &Chosen,
    token: &str,
    now: OffsetDateTime,
) -> store::Result<()> {
    let site_id = match &chosen.site {
        Some(name) => Some(store::site::ensure(&app.db, rng::id(now), name, now).await?),
        None => None,
    };
    let (secret, password, hosts) = (rng::secret(), rng::secret(), chosen.plan.hotspot_hosts());
    let settings = Settings {
        site_id,
        address: chosen.address,
        identifier: Some(&chosen.name),
        hotspot_hosts: Some(&hosts),
        ..Settings::default()
    };
    let plan = serde_json::to_value(&chosen.plan).expect("a plan is words, numbers and lists of them");
    let new = NewEnrolment {
        nas: NewNas { id, name: &chosen.name, secret: secret.as_bytes(), settings },
        plan: &plan,
        tunnel: app.config.routers.tunnel.as_ref().map(|tunnel| tunnel.network).filter(|_| chosen.plan.behind_tunnel),
        rest: chosen.plan.has(Section::Rest).then_some((REST_USER, password.as_str())),
        token_hash: &api_token::digest(token),
        by: &staff.admin.email,
    };
    store::nas::enrol(&app.db, &new, now).await
}

/// The page with the line.
pub(super) fn shown(
    app: &App,
    staff: &Staff,
    id: Uuid,
    name: &str,
    plan: &Plan,
    token: &str,
) -> Result<Response, Refusal> {
    let (public_url, now) = (&app.config.portal.public_url, app.clock.now());
    let page = Line {
        page: Page::new(app, staff, Tab::Routers),
        style: style(),
        id,
        name: name.to_owned(),
        line: onboarding::line(public_url.as_str().trim_end_matches('/'), token, plan),
        until: words::moment(now + GOOD_FOR, now),
        behind_tunnel: plan.behind_tunnel,
        is_readable: public_url.scheme() != "https" || !plan.check_certificate,
    };
    answer(StatusCode::OK, &page)
}

/// Reads the form; what is wrong with it stands in `problems`.
fn read(sent: &Fields, config: &Config, problems: &mut Problems) -> Option<Chosen> {
    let name = problems.keep("name", router_name(sent.text("name")));
    let site = problems.optional(sent, "site", values::name);
    let interface = problems.keep("interface", values::name(sent.text("interface")));
    let dns_name = problems.optional(sent, "dns_name", host_name);
    let guests = problems.optional(sent, "guests", guests_network);
    let version = match sent.text("version") {
        "7" => Some(Version::V7),
        "6" => Some(Version::V6),
        _ => problems.keep("version", Err("choose the router’s version")),
    };
    let behind_tunnel = sent.text("way") == "tunnel";
    let address = match behind_tunnel {
        true => None,
        false => problems.keep("address", values::network(sent.text("address"))),
    };
    let ticked = sent.ticked("section");
    let sections: BTreeSet<Section> =
        Section::ALL.into_iter().filter(|section| ticked.contains(&section.word())).collect();
    let plan = Plan {
        version: version?,
        interface: interface.unwrap_or_default(),
        dns_name: dns_name.unwrap_or_default(),
        guests,
        sections,
        behind_tunnel,
        check_certificate: sent.is_on("certificate"),
    };
    judge(&plan, config, problems);
    Some(Chosen { name: name?, site, address, plan }).filter(|_| problems.is_empty())
}

/// What does not go together.
fn judge(plan: &Plan, config: &Config, problems: &mut Problems) {
    if plan.behind_tunnel && config.routers.tunnel.is_none() {
        problems.note("way", "there is no tunnel: set up [routers.tunnel] first, or give the router’s address");
    }
    if plan.behind_tunnel && plan.version == Version::V6 {
        problems.note(
            "version",
            "RouterOS 6 has no WireGuard: update the router, or give the address that its packets come from",
        );
    }
    let needs_guests = plan.has(Section::Network) || plan.has(Section::Option114);
    if plan.guests.is_none() && (needs_guests || plan.dns_name.is_empty()) {
        problems.note(
            "guests",
            "write the guests’ network: it is needed for what is chosen below, or, without a name for the login page, to know the router’s guests",
        );
    }
    if plan.has(Section::Option114) && config.portal.public_url.scheme() != "https" {
        problems.note("section", "option 114 names an address with https, and the portal has none (portal.public_url)");
    }
    if plan.has(Section::Rest) && !plan.behind_tunnel {
        problems.note(
            "section",
            "the REST API is set up within the tunnel alone; elsewhere use `portal nas set --rest-url`",
        );
    }
}

/// A name that the router can have itself.
pub(super) fn router_name(text: &str) -> Result<String, String> {
    let name = values::name(text)?;
    if name.chars().count() > NAME_MAX {
        return Err(format!("write at most {NAME_MAX} letters: it is also the router’s own name"));
    }
    Ok(name)
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let wrong = "write a name such as login.example.net";
    let host = values::host(text)?;
    if host.contains(':') || !host.contains('.') || host.parse::<std::net::IpAddr>().is_ok() {
        Err(wrong)
    } else {
        Ok(host)
    }
}

fn guests_network(text: &str) -> Result<Ipv4Net, &'static str> {
    let network = text.parse::<Ipv4Net>().ok().filter(|net| PREFIXES.contains(&net.prefix_len()));
    network.map(|net| net.trunc()).ok_or("write a network with a prefix from 16 to 29, such as 10.5.50.0/24")
}

fn form_page(config: &Config, page: Page, sent: &Fields, problems: &Problems) -> FormPage {
    let problem = if problems.is_empty() { "" } else { "Nothing was registered: look at what is marked below." };
    FormPage {
        lines: vec![
            "The router is registered with a secret of its own, and you get one line to paste into its terminal."
                .into(),
        ],
        problem: problem.into(),
        ..FormPage::new(page, "New router", (LIST, "Routers"), form(config, Filled { sent, problems }))
    }
}

fn form(config: &Config, filled: Filled<'_>) -> Form {
    let option = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    let mut ways = vec![option("address", "From an address of its own")];
    if config.routers.tunnel.is_some() {
        ways.insert(0, option("tunnel", "Through the tunnel (WireGuard), from wherever it is"));
    }
    let versions = [option("7", "RouterOS 7"), option("6", "RouterOS 6.49")];
    let sections: Vec<(String, String)> =
        Section::ALL.into_iter().map(|section| option(section.word(), section.label())).collect();
    Form::new("router", LIST, "Register, and show the line")
        .field(filled.text("name", "Name").hint("The router gets it as its own name, too.").required())
        .field(filled.text("site", "Site").hint("Where it stands; made if it is new."))
        .field(filled.choice("way", "How its packets come", &ways))
        .field(filled.text("address", "Its address").hint("Where its packets come from. Not needed through the tunnel."))
        .field(filled.choice("version", "Version", &versions))
        .field(filled.text("interface", "Interface of the hotspot").hint("Such as bridge-hotspot or ether2.").required())
        .field(filled.text("dns_name", "Name of the login page").hint("Such as login.example.net. Empty: its address alone."))
        .field(filled.text("guests", "The guests’ network").hint("The router has the first address in it."))
        .field(filled.ticks("section", "What the line sets, besides the name and RADIUS", &sections))
        .field(filled.tick("certificate", "Certificate", "The router checks the portal’s certificate").hint(
            "Without that, whoever sits between the two can read the secret and change the script. RouterOS before 7.19 must be given the authority first.",
        ))
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn config(public_url: &str, has_tunnel: bool) -> Config {
        let mut value = serde_json::json!({
            "database": { "write": "postgres:///mlango" },
            "redis": { "url": "redis://localhost" },
            "secrets": { "seal_key": "5a".repeat(32) },
            "portal": { "public_url": public_url },
        });
        if has_tunnel {
            value["routers"] = serde_json::json!({ "tunnel": {
                "endpoint": "vpn.example.net",
                "public_key": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
                "network": "10.99.0.0/16",
            }});
        }
        serde_json::from_value(value).expect("a configuration")
    }

    fn filled_in() -> Fields {
        Fields::default()
            .with("name", "Cafe 1")
            .with("way", "tunnel")
            .with("version", "7")
            .with("interface", "bridge")
            .with("guests", "10.5.50.9/24")
            .with_tick("section", "hotspot")
            .with_tick("section", "nosuch")
    }

    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        let mut problems = Problems::default();
        problems.note("name", HOSTILE);
        form_page(&config("https://wifi.example.net", true), page, &filled_in().with("site", HOSTILE), &problems)
    }

    pub(in crate::admin) fn line(page: Page) -> Line {
        Line {
            page,
            style: style(),
            id: Uuid::from_u128(7),
            name: HOSTILE.into(),
            line: HOSTILE.into(),
            until: "tomorrow".into(),
            behind_tunnel: true,
            is_readable: true,
        }
    }

    #[test]
    fn what_is_chosen_is_read() {
        let mut problems = Problems::default();
        let chosen = read(&filled_in(), &config("https://wifi.example.net", true), &mut problems);
        let chosen = chosen.unwrap_or_else(|| panic!("{problems:?}"));
        assert_eq!((chosen.name.as_str(), chosen.address), ("Cafe 1", None));
        assert_eq!(chosen.plan.sections, BTreeSet::from([Section::Hotspot]));
        assert_eq!(chosen.plan.guests, "10.5.50.0/24".parse().ok());
        assert_eq!(chosen.plan.hotspot_hosts(), ["10.5.50.1"]);
        assert!(!chosen.plan.check_certificate);
    }

    #[test]
    fn what_does_not_go_together_is_said_at_its_field() {
        let http = config("http://127.0.0.1:8080", false);
        for (fields, field) in [
            (filled_in(), "way"),
            (filled_in().with("version", "6"), "version"),
            (filled_in().with("version", "5"), "version"),
            (filled_in().with("way", "address"), "address"),
            (filled_in().with("guests", ""), "guests"),
            (filled_in().with("guests", "10.0.0.0/8"), "guests"),
            (filled_in().with("dns_name", "http://x"), "dns_name"),
            (filled_in().with("dns_name", "10.5.50.1"), "dns_name"),
            (filled_in().with("interface", ""), "interface"),
            (filled_in().with("name", "x".repeat(65)), "name"),
            (filled_in().with_tick("section", "option114"), "section"),
            (filled_in().with("way", "address").with("address", "10.0.0.1").with_tick("section", "rest"), "section"),
        ] {
            let mut problems = Problems::default();
            assert_eq!(read(&fields, &http, &mut problems), None, "{fields:?}");
            assert!(problems.has(field), "{field}: {problems:?}");
        }
    }
}
