//! `/admin/settings`: what this installation is set to, as it runs. Secrets are not here, not even their length.
//!
//! Everything on it stands in the configuration file, which is read at the start: nothing is changed here. What can be changed at the
//! desk is linked from the page.

use std::fmt::Display;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::config::{Config, Portal};
use store::MigrationState;

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use crate::App;
use crate::session::Staff;

#[derive(Debug, Template)]
#[template(path = "admin/settings.html")]
pub(super) struct Settings {
    page: Page,
    style: String,
    parts: Vec<Part>,
}

/// What belongs together.
#[derive(Debug)]
struct Part {
    title: &'static str,
    facts: Vec<(&'static str, String)>,
}

/// `GET /admin/settings`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let schema = match app.db.migration_state().await? {
        MigrationState::Current => "as this program expects it".to_owned(),
        MigrationState::Behind { pending } => format!("{pending} migrations wait: run portal migrate"),
        MigrationState::Newer => "made by a newer version, on which this one may run".to_owned(),
        MigrationState::Ahead => "made by a newer version, on which this one may not run".to_owned(),
    };
    let pool = app.db.pool_state();
    let mut parts = vec![Part {
        title: "This program",
        facts: vec![
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Database schema", schema),
            ("Database connections", format!("{} in use, {} at most", pool.used, pool.max)),
        ],
    }];
    parts.extend(told(&app.config));
    answer(StatusCode::OK, &Settings { page: Page::new(&app, &staff, Tab::Settings), style: style(), parts })
}

fn told(config: &Config) -> Vec<Part> {
    let portal = &config.portal;
    let radius = &config.radius;
    vec![
        Part {
            title: "Portal",
            facts: vec![
                ("Address for customers", portal.public_url.to_string()),
                ("Listens on", portal.listen.to_string()),
                ("Metrics on", portal.metrics_listen.to_string()),
                ("Name that customers see", portal.brand.clone()),
                ("Number for help", portal.support_phone.clone()),
                ("Colour", either(portal.accent.as_ref())),
                ("Colour in the dark", either(portal.accent_dark.as_ref())),
                ("Logo", if portal.logo.is_some() { "yes".into() } else { "none".into() }),
                ("Proxies that are believed", all(&portal.trusted_proxies)),
                ("Map", map(portal)),
            ],
        },
        Part {
            title: "RADIUS",
            facts: vec![
                ("Logins on", all(&radius.auth_listen)),
                ("Accounting on", all(&radius.acct_listen)),
                ("radiusd's own pages on", radius.admin_listen.to_string()),
                ("Routers report every", format!("{} seconds", radius.interim_seconds)),
                ("RadSec", config.radsec.as_ref().map_or_else(|| "off".into(), |radsec| all(&radsec.listen))),
                (
                    "Sessions are kept",
                    match config.accounting.keep_months {
                        0 => "for ever".to_owned(),
                        months => format!("{months} months"),
                    },
                ),
            ],
        },
        Part { title: "Money and messages", facts: providers(config) },
    ]
}

fn providers(config: &Config) -> Vec<(&'static str, String)> {
    let off = || "off".to_owned();
    let mpesa = config.mpesa.as_ref();
    vec![
        ("M-Pesa", mpesa.map_or_else(off, |mpesa| format!("shortcode {}, at {}", mpesa.shortcode, mpesa.base_url))),
        (
            "M-Pesa gives money back",
            match mpesa.and_then(|mpesa| mpesa.initiator.as_ref()) {
                Some(initiator) => format!("as {}", initiator.name),
                None => off(),
            },
        ),
        (
            "Cards",
            match &config.stripe {
                Some(stripe) if stripe.is_live() => "Stripe".to_owned(),
                Some(_) => "Stripe in test mode: no card is charged".to_owned(),
                None => off(),
            },
        ),
        (
            "SMS",
            config.sms.as_ref().map_or_else(off, |sms| {
                sms.order().iter().map(|provider| provider.as_str()).collect::<Vec<_>>().join(", then ")
            }),
        ),
        (
            "SMS may cost a day",
            config
                .sms
                .as_ref()
                .and_then(|sms| sms.cost_limit())
                .map_or_else(|| "no limit".into(), |most| most.to_string()),
        ),
        (
            "E-mail",
            config
                .email
                .as_ref()
                .map_or_else(off, |email| format!("by {}:{}, from {}", email.host, email.port(), email.from.address)),
        ),
    ]
}

/// Where the ground of the map comes from.
fn map(portal: &Portal) -> String {
    let own = portal.map_tiles.clone().unwrap_or_else(|| "an empty ground".into());
    match &portal.google_maps_key {
        Some(_) => format!("Google's, from {}; without it {own}", portal.google_maps_url),
        None => own,
    }
}

fn either(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "the usual".into())
}

fn all(things: &[impl Display]) -> String {
    match things {
        [] => "none".into(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn config() -> Config {
        let config = serde_json::json!({
            "database": { "write": "postgres:///mlango?password=the-password" },
            "redis": { "url": "redis://:the-redis-password@localhost" },
            "secrets": { "seal_key": "5a".repeat(32) },
            "portal": { "brand": HOSTILE },
        });
        serde_json::from_value(config).expect("a configuration")
    }

    pub(in crate::admin) fn sample(page: Page) -> Settings {
        Settings { page, style: style(), parts: told(&config()) }
    }

    #[test]
    fn no_secret_is_told() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        for secret in ["the-password", "the-redis-password", "5a5a5a"] {
            assert!(!html.contains(secret), "{secret}");
        }
        assert!(html.contains("RADIUS") && html.contains("M-Pesa"), "{html}");
    }
}
