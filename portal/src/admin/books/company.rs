//! A company of the operator in an accountant's program, as its pages begin: *Mapping*, *Documents*, *Comparison*.
//!
//! What is told there is of all sites together, so whoever is limited to some does not see it.

use ::books::connector::Provider;
use shared::staff::{Permission, SiteScope};
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

    /// Address, label and whether one is there, of each of its pages.
    pub(super) fn views(&self, here: Place) -> Vec<(String, &'static str, bool)> {
        let all = [(Place::Mapping, "Mapping"), (Place::Documents, "Documents"), (Place::Drift, "Comparison")];
        all.into_iter().map(|(place, label)| (self.address(place), label, place == here)).collect()
    }

    /// Why nothing is told to it just now; empty otherwise.
    pub(super) fn held_up(&self, now: shared::time::OffsetDateTime) -> String {
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
        let now = shared::time::OffsetDateTime::UNIX_EPOCH;
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
