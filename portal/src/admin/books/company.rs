//! A company of the operator in an accountant's program, as its pages begin: *Mapping*, *Documents*, *Comparison*.
//!
//! What is told there is of all sites together, so whoever is limited to some does not see it.

use ::books::connector::Provider;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use store::books::mapping::{self, Connection};
use uuid::Uuid;

use crate::App;
use crate::admin::Refusal;
use crate::session::Staff;

/// A page's name in its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Mapping,
    Documents,
    Drift,
}

/// The company that a page is about.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) connection: Connection,
    /// The program's name for people.
    pub(super) program: &'static str,
}

/// What each of its pages begins with (`templates/admin/books/company.html`).
#[derive(Debug)]
pub(super) struct Head {
    pub(super) title: String,
    /// The program's name for people.
    pub(super) program: &'static str,
    /// Where this page is.
    pub(super) address: String,
    /// Address, label and whether one is there, of each of its pages.
    pub(super) views: Vec<(String, &'static str, bool)>,
    /// Why nothing is told to it just now; empty otherwise.
    pub(super) held_up: String,
}

impl Company {
    /// The one of this identity.
    ///
    /// # Errors
    /// There is none, or whoever asks is limited to some sites.
    pub(super) async fn of(app: &App, staff: &Staff, id: Uuid) -> Result<Company, Refusal> {
        if *staff.sites() != SiteScope::All {
            return Err(Refusal::NotYours(Permission::SeeBooks));
        }
        let connection = mapping::connection(&app.db, id).await?;
        let program = Provider::named(&connection.provider).ok_or(Refusal::NotFound)?.name();
        Ok(Company { connection, program })
    }

    /// What one of its pages begins with.
    pub(super) fn head(&self, here: Place, now: OffsetDateTime) -> Head {
        Head {
            title: self.title(),
            program: self.program,
            address: self.address(here),
            views: self.views(here),
            held_up: self.held_up(now),
        }
    }

    /// Back to one of its pages, which says what was done.
    pub(super) fn back(&self, place: Place, done: &str) -> Response {
        Redirect::to(&format!("{}?done={done}", self.address(place))).into_response()
    }

    /// Where one of its pages is.
    pub(super) fn address(&self, place: Place) -> String {
        let name = match place {
            Place::Mapping => "mapping",
            Place::Documents => "documents",
            Place::Drift => "drift",
        };
        format!("/admin/books/programs/{}/{name}", self.connection.id)
    }

    /// `Xero: Mlango Ltd`.
    pub(super) fn title(&self) -> String {
        format!("{}: {}", self.program, self.connection.name)
    }

    fn views(&self, here: Place) -> Vec<(String, &'static str, bool)> {
        let all = [(Place::Mapping, "Mapping"), (Place::Documents, "Documents"), (Place::Drift, "Comparison")];
        all.into_iter().map(|(place, label)| (self.address(place), label, place == here)).collect()
    }

    fn held_up(&self, now: OffsetDateTime) -> String {
        let connection = &self.connection;
        match connection.state.as_str() {
            "connected" => match connection.paused_until {
                Some(until) if until > now => {
                    format!("It asked us to wait until {}.", crate::admin::words::moment(until, now))
                }
                _ => String::new(),
            },
            "reconnect" => {
                format!("We are not let in any more, so nothing is told: connect it again. {}", connection.reason)
            }
            _ => "This connection was ended, so nothing is told.".to_owned(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin::books) fn company() -> Company {
        Company {
            connection: Connection {
                id: Uuid::from_u128(5),
                provider: "xero".into(),
                name: HOSTILE.into(),
                state: "reconnect".into(),
                reason: HOSTILE.into(),
                paused_until: None,
                posts_since: time::macros::date!(2026 - 11 - 01),
            },
            program: "Xero",
        }
    }

    #[test]
    fn a_company_says_why_nothing_is_told() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let of = |state: &str, paused_until| {
            let mut one = company();
            one.connection = Connection { state: state.into(), paused_until, ..one.connection };
            one.held_up(now)
        };
        assert_eq!(of("connected", None), "");
        assert_eq!(of("connected", Some(now)), "");
        assert!(of("connected", Some(now + time::Duration::HOUR)).starts_with("It asked us to wait until"));
        assert!(of("reconnect", None).contains("connect it again") && of("off", None).contains("ended"));
    }
}
