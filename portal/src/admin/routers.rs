//! `/admin/routers`: the routers, when they last spoke, and how to connect a MikroTik.
//!
//! The instructions hold the addresses of this installation and never a secret: whoever stands before the screen
//! is not always who may know it.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::config::Config;
use shared::time::OffsetDateTime;
use store::nas::{MessageAuthenticatorPolicy, Nas};

use super::overview::is_silent;
use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

#[derive(Debug, Template)]
#[template(path = "admin/routers.html")]
pub(super) struct Routers {
    page: Page,
    style: String,
    routers: Vec<Row>,
    connect: Connect,
}

#[derive(Debug)]
struct Row {
    name: String,
    site: String,
    address: String,
    radsec: String,
    identifier: String,
    hosts: String,
    coa_port: u16,
    signing: &'static str,
    last_seen: String,
    silent: bool,
    /// In words, if it is wrong.
    clock: Option<String>,
}

/// What a MikroTik must be told.
#[derive(Debug)]
struct Connect {
    /// The portal's host, which is also where radiusd is reached on one machine.
    host: String,
    auth_port: u16,
    acct_port: u16,
    interim_seconds: u32,
    /// The portal's page for guests.
    portal: String,
}

/// `GET /admin/routers`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let routers = store::nas::all(&app.db).await?;
    let page = Routers {
        page: Page::new(&app, &staff, Tab::Routers),
        style: style(),
        routers: routers.iter().map(|nas| row(nas, now)).collect(),
        connect: Connect::from(&app.config),
    };
    answer(StatusCode::OK, &page)
}

fn row(nas: &Nas, now: OffsetDateTime) -> Row {
    Row {
        name: nas.name.clone(),
        site: nas.site.clone().unwrap_or_default(),
        address: nas.address.map(|address| address.to_string()).unwrap_or_default(),
        radsec: nas.radsec_name.clone().unwrap_or_default(),
        identifier: nas.identifier.clone().unwrap_or_default(),
        hosts: nas.hotspot_hosts.join(", "),
        coa_port: nas.coa_port,
        signing: match nas.require_message_authenticator {
            MessageAuthenticatorPolicy::Yes => "required",
            MessageAuthenticatorPolicy::No => "not required",
            MessageAuthenticatorPolicy::Auto { seen: true } => "required, since it signs",
            MessageAuthenticatorPolicy::Auto { seen: false } => "required once it signs",
        },
        last_seen: nas.last_seen_at.map_or_else(|| "never".into(), |at| words::ago(at, now)),
        silent: is_silent(nas.last_seen_at, now),
        clock: nas.clock_offset_seconds.and_then(words::clock_fault),
    }
}

impl From<&Config> for Connect {
    fn from(config: &Config) -> Connect {
        let port = |sockets: &[std::net::SocketAddr], usual| sockets.first().map_or(usual, std::net::SocketAddr::port);
        Connect {
            host: config.portal.public_url.host_str().unwrap_or("portal.example").to_owned(),
            auth_port: port(&config.radius.auth_listen, 1812),
            acct_port: port(&config.radius.acct_listen, 1813),
            interim_seconds: config.radius.interim_seconds,
            portal: format!("{}{}", config.portal.public_url.as_str().trim_end_matches('/'), crate::urls::HOTSPOT),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Routers {
        let row = |silent, last_seen: &str| Row {
            name: HOSTILE.into(),
            site: HOSTILE.into(),
            address: "10.20.0.2/32".into(),
            radsec: HOSTILE.into(),
            identifier: HOSTILE.into(),
            hosts: HOSTILE.into(),
            coa_port: 3799,
            signing: "required",
            last_seen: last_seen.into(),
            silent,
            clock: words::clock_fault(-3600),
        };
        let connect = Connect {
            host: "wifi.example.net".into(),
            auth_port: 1812,
            acct_port: 1813,
            interim_seconds: 60,
            portal: "https://wifi.example.net/h".into(),
        };
        Routers { page, style: style(), routers: vec![row(false, "just now"), row(true, "never")], connect }
    }

    #[test]
    fn the_instructions_name_this_installation_and_no_secret() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert!(
            html.contains("address=wifi.example.net") && html.contains("https://wifi.example.net/h?mac="),
            "{html}"
        );
        assert!(html.contains("THE-SECRET-YOU-CHOSE"));
    }
}
