//! What `portal nas set` says of a router's REST API: where radiusd asks it, as whom, and that it shall not be asked any more.

use clap::Args;
use shared::routeros::RestUrl;
use store::nas::RestChange;
use zeroize::Zeroizing;

use crate::cli::{secret_from_stdin, values};

/// The three belong together, so a new address or user is told with its password.
#[derive(Debug, Args)]
pub(super) struct RestAccess {
    /// Where radiusd asks its REST API who is online, and takes off who should not be: https://, or http:// with a private address.
    #[arg(long, value_name = "URL", requires_all = ["rest_user", "rest_password_stdin"], conflicts_with = "no_rest")]
    rest_url: Option<RestUrl>,
    /// The router's user for that.
    #[arg(long, value_name = "USER", requires = "rest_url", value_parser = values::router_user)]
    rest_user: Option<String>,
    /// Read that user's password from standard input.
    #[arg(long, requires = "rest_url")]
    rest_password_stdin: bool,
    /// Its REST API is asked no more.
    #[arg(long)]
    no_rest: bool,
}

impl RestAccess {
    /// Reads the password, if there is one to read.
    pub(super) fn password(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        self.rest_password_stdin
            .then(|| secret_from_stdin("password of the router's user").map(Zeroizing::new))
            .transpose()
    }

    /// The same for the store.
    pub(super) fn change<'a>(&'a self, password: Option<&'a str>) -> Option<RestChange<'a>> {
        match (&self.rest_url, &self.rest_user, password) {
            (Some(url), Some(user), Some(password)) => Some(RestChange::Set { url, user, password }),
            _ => self.no_rest.then_some(RestChange::Forget),
        }
    }
}
