//! Somebody who tries to prove to be a member of staff: by a password, by a code, once more for what is asked again.
//!
//! Every failure is counted by account and by where it comes from ([`super::throttle`]), is written into the audit log, and locks
//! the account in the database when there were too many. What is locked by that stands in the security log, from which alerts
//! are made. An account that is not there is treated like one that is, with the same work.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::time::OffsetDateTime;
use store::admin::{Admin, Audit};
use store::security::{self, Kind};
use uuid::Uuid;

use super::Refusal;
use super::throttle::{Name, Throttle};
use crate::App;

/// Longest address that is looked at or written down, in characters.
const MAX_EMAIL: usize = 200;

/// Who tries, and where from.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) email: String,
    pub(super) from: IpAddr,
    throttle: Arc<Throttle>,
}

/// What was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// The password at the sign-in.
    Password,
    /// The code after it.
    Code,
    /// Either, where it is asked once more.
    Proof,
}

impl Wrong {
    fn action(self) -> &'static str {
        match self {
            Wrong::Password => "sign-in.failed",
            Wrong::Code => "sign-in.code_failed",
            Wrong::Proof => "proof.failed",
        }
    }
}

impl Try {
    /// Somebody who typed this address.
    pub(super) fn new(email: &str, from: IpAddr, throttle: Arc<Throttle>) -> Try {
        Try { email: typed(email), from, throttle }
    }

    /// How long the account or the address still rests. A lock in the database looks like one in memory.
    pub(super) fn rests(&self, known: Option<&Admin>, now: OffsetDateTime, uptime: Duration) -> Option<Duration> {
        let locked = known.and_then(|admin| admin.locked_until).and_then(|until| Duration::try_from(until - now).ok());
        let code = known.and_then(|admin| self.throttle.rests(&Name::Code(admin.id), uptime));
        let account = self.throttle.rests(&Name::Account(self.email.clone()), uptime);
        let address = self.throttle.rests(&Name::Address(self.from), uptime);
        [locked, code, account, address].into_iter().flatten().filter(|rest| !rest.is_zero()).max()
    }

    /// Lets one more password be looked at. It is counted here, before it is known to be wrong: of many that come in the same moment
    /// no more are looked at than one after the other. `false`: the account has just begun to rest.
    pub(super) fn takes_password(&self, uptime: Duration) -> bool {
        self.throttle.takes(&Name::Account(self.email.clone()), uptime)
    }

    /// The password was right. What is still to be proved is counted by itself.
    pub(super) fn was_right(&self) {
        self.throttle.take_back(&Name::Account(self.email.clone()));
    }

    /// The same for one more code, or whatever else proves it.
    pub(super) fn takes_code(&self, admin: &Admin, uptime: Duration) -> bool {
        self.throttle.takes(&Name::Code(admin.id), uptime)
    }

    /// Counts and writes down a failure that was taken before. For an account that is not there the same statements are run.
    pub(super) async fn failed(
        &self,
        app: &App,
        known: Option<&Admin>,
        wrong: Wrong,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let uptime = app.clock.monotonic();
        let account = Name::Account(self.email.clone());
        let mut rests = match known.filter(|_| wrong != Wrong::Password) {
            Some(admin) => {
                let code = self.throttle.rests(&Name::Code(admin.id), uptime).is_some();
                self.throttle.failed(account, uptime) || code
            }
            None => self.throttle.rests(&account, uptime).is_some(),
        };
        let guesses = self.throttle.failed(Name::Address(self.from), uptime);
        rests |= store::admin::signed_in(&app.db, known.map_or(Uuid::nil(), |admin| admin.id), false, now).await?;
        if rests {
            let (email, from) = (&self.email, self.from);
            alert(app, Kind::StaffLocked, format!("signing in as {email} rests; the last try came from {from}"), now)
                .await;
        }
        if guesses {
            alert(app, Kind::StaffGuessing, format!("from {}", self.from), now).await;
        }
        self.audit(app, wrong.action(), now).await
    }

    /// Forgets the failures of the account: it has proved itself.
    pub(super) fn succeeded(&self, admin: &Admin) {
        self.throttle.succeeded(&Name::Account(self.email.clone()));
        self.throttle.succeeded(&Name::Code(admin.id));
    }

    /// Writes down what they did.
    pub(super) async fn audit(&self, app: &App, action: &str, now: OffsetDateTime) -> Result<(), Refusal> {
        let line = Audit { actor: &self.email, action, object: "", address: Some(self.from) };
        Ok(store::admin::audit(&app.db, &line, now).await?)
    }
}

/// Somebody should look at it. A log that cannot be written to keeps nobody out, and lets nobody in.
async fn alert(app: &App, kind: Kind, detail: String, now: OffsetDateTime) {
    tracing::warn!(kind = kind.as_str(), %detail, "too many wrong passwords or codes at the desk");
    if let Err(error) = security::record_seldom(&app.db, kind, &detail, now).await {
        tracing::warn!(%error, "a lock could not be written into the security log");
    }
}

/// The address as it was typed, fit for a log: one line, small letters, not endless.
fn typed(email: &str) -> String {
    email.trim().chars().filter(|c| !c.is_control()).take(MAX_EMAIL).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn typed_addresses_are_fit_for_the_log() {
        assert_eq!(typed(" Me@Example.org\r\n"), "me@example.org");
        assert_eq!(typed("a\nb\u{1b}[31m@c"), "ab[31m@c");
        assert_eq!(typed(&"x".repeat(1000)).len(), MAX_EMAIL);
    }

    #[test]
    fn an_account_that_does_not_exist_rests_like_one_that_does() {
        let throttle = Arc::new(Throttle::default());
        let someone = Try::new("a@b", HERE, Arc::clone(&throttle));
        let now = OffsetDateTime::UNIX_EPOCH;
        for _ in 0..store::admin::MAX_FAILED_LOGINS {
            assert!(someone.rests(None, now, Duration::ZERO).is_none());
            throttle.failed(Name::Account("a@b".into()), Duration::ZERO);
        }
        assert_eq!(someone.rests(None, now, Duration::ZERO), Some(store::admin::LOCK));
    }
}
