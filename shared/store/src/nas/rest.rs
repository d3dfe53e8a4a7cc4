//! How a router's REST API is reached, where its operator gives us access to it: an address, a user and a password, all of them or
//! none.
//!
//! The password is sealed to the row under a context of its own, so that it opens neither as a RADIUS secret nor at another router. One
//! that does not open costs the router its REST and nothing else: it goes on being served.

use shared::routeros::RestUrl;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Db;

/// Access to a router's REST API.
#[derive(Clone)]
pub struct Rest {
    /// Where it is.
    pub url: RestUrl,
    /// Who asks.
    pub user: String,
    /// The password of that user.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("url", &self.url).field("user", &self.user).finish_non_exhaustive()
    }
}

/// What an operator says of it. A new address needs its password again: a known one is not sent to where somebody else points.
#[derive(Clone, Copy)]
pub enum RestChange<'a> {
    /// It is reached so from now on.
    Set {
        /// Where it is.
        url: &'a RestUrl,
        /// Who asks; without a colon, which HTTP's Basic authentication cannot carry.
        user: &'a str,
        /// The password of that user.
        password: &'a str,
    },
    /// It is reached no more.
    Forget,
}

impl std::fmt::Debug for RestChange<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RestChange::Set { url, user, .. } => {
                f.debug_struct("Set").field("url", url).field("user", user).finish_non_exhaustive()
            }
            RestChange::Forget => f.write_str("Forget"),
        }
    }
}

/// The three as they are stored.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Vec<u8>>,
}

impl Sealed {
    /// What is to be stored for the router of that identity.
    pub(super) fn of(db: &Db, id: Uuid, change: RestChange<'_>) -> Sealed {
        match change {
            RestChange::Set { url, user, password } => Sealed {
                url: Some(url.to_string()),
                user: Some(user.to_owned()),
                password: Some(db.seal.seal(&context(id), password.as_bytes())),
            },
            RestChange::Forget => Sealed::default(),
        }
    }

    /// What was stored for that router; `None` also for what cannot be read, which is logged.
    pub(super) fn open(self, db: &Db, id: Uuid, name: &str) -> Option<Rest> {
        let (url, user, sealed) = (self.url?, self.user?, self.password?);
        let url = url.parse::<RestUrl>().inspect_err(|error| left_out(name, error)).ok()?;
        let octets = db.seal.open(&context(id), &sealed).inspect_err(|error| left_out(name, error)).ok()?;
        let password = std::str::from_utf8(&octets).inspect_err(|error| left_out(name, error)).ok()?;
        Some(Rest { url, user, password: Zeroizing::new(password.to_owned()) })
    }
}

fn left_out(nas: &str, error: &dyn std::error::Error) {
    tracing::error!(nas, %error, "the access to this router's REST API cannot be read: it is not asked there");
}

fn context(id: Uuid) -> String {
    format!("nas.rest_password:{id}")
}
