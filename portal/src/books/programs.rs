//! The accountants' programs that are configured here: of each its connector, and who gives out its tokens.

use std::time::Duration;

use books::connector::{Access, Choice, Connector, Limits, Provider, Theirs, Trouble};
use books::grant::Issuer;
use books::posting::{Part, Posting};
use books::quickbooks::QuickBooks;
use books::xero::Xero;
use books::zoho::Zoho;
use shared::config::Config;
use time::Date;

/// One of the three.
pub(crate) enum Program {
    /// QuickBooks Online.
    QuickBooks(QuickBooks),
    /// Xero.
    Xero(Xero),
    /// Zoho Books.
    Zoho(Zoho),
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.provider().as_str())
    }
}

/// A program that can be connected.
#[derive(Debug)]
pub(crate) struct Configured {
    /// Its connector.
    pub(crate) program: Program,
    /// Who gives out its tokens.
    pub(crate) issuer: Issuer,
    /// The longest wait for an answer of either.
    pub(crate) timeout: Duration,
}

/// Those that can be connected.
#[derive(Debug)]
pub(crate) struct Programs(Vec<Configured>);

impl Programs {
    /// Prepares them; nothing is sent.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn open(config: &Config) -> reqwest::Result<Programs> {
        let mut programs = Vec::new();
        if let Some(settings) = &config.quickbooks {
            let program = Program::QuickBooks(QuickBooks::new(settings.base_url.clone(), settings.timeout())?);
            programs.push(Configured { program, issuer: Issuer::quickbooks(settings)?, timeout: settings.timeout() });
        }
        if let Some(settings) = &config.xero {
            let program = Program::Xero(Xero::new(settings.base_url.clone(), settings.timeout())?);
            programs.push(Configured { program, issuer: Issuer::xero(settings)?, timeout: settings.timeout() });
        }
        if let Some(settings) = &config.zoho {
            let program = Program::Zoho(Zoho::new(settings.base_url.clone(), settings.timeout())?);
            programs.push(Configured { program, issuer: Issuer::zoho(settings)?, timeout: settings.timeout() });
        }
        Ok(Programs(programs))
    }

    /// The one of this provider, where it is configured.
    pub(crate) fn of(&self, provider: Provider) -> Option<&Configured> {
        self.0.iter().find(|configured| configured.program.provider() == provider)
    }

    /// All that are.
    pub(crate) fn providers(&self) -> impl Iterator<Item = Provider> {
        self.0.iter().map(|configured| configured.program.provider())
    }
}

/// The same for whichever it is.
macro_rules! each {
    ($of:expr, $program:ident => $what:expr) => {
        match $of {
            Program::QuickBooks($program) => $what,
            Program::Xero($program) => $what,
            Program::Zoho($program) => $what,
        }
    };
}

impl Connector for Program {
    fn provider(&self) -> Provider {
        each!(self, program => program.provider())
    }

    fn limits(&self) -> Limits {
        each!(self, program => program.limits())
    }

    async fn choices(&self, access: &Access<'_>) -> Result<Vec<Choice>, Trouble> {
        each!(self, program => program.choices(access).await)
    }

    async fn find(&self, access: &Access<'_>, part: Part, number: &str) -> Result<Option<Theirs>, Trouble> {
        each!(self, program => program.find(access, part, number).await)
    }

    async fn post(&self, access: &Access<'_>, posting: &Posting, key: &str) -> Result<Theirs, Trouble> {
        each!(self, program => program.post(access, posting, key).await)
    }

    async fn list(&self, access: &Access<'_>, part: Part, days: (Date, Date)) -> Result<Vec<Theirs>, Trouble> {
        each!(self, program => program.list(access, part, days).await)
    }

    async fn undo(&self, access: &Access<'_>, theirs: &Theirs) -> Result<(), Trouble> {
        each!(self, program => program.undo(access, theirs).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sections: serde_json::Value) -> Programs {
        let mut config = serde_json::json!({
            "database": { "write": "postgres:///mlango" }, "redis": { "url": "redis://h" }, "secrets": { "seal_key": "5a" },
        });
        config.as_object_mut().unwrap().extend(sections.as_object().unwrap().clone());
        Programs::open(&serde_json::from_value(config).unwrap()).unwrap()
    }

    #[test]
    fn what_is_configured_can_be_connected_and_nothing_else() {
        assert_eq!(open(serde_json::json!({})).providers().count(), 0);
        let app = serde_json::json!({ "client_id": "app", "client_secret": "hunter2" });
        let two = open(serde_json::json!({ "xero": app, "zoho": app }));
        assert_eq!(two.providers().collect::<Vec<_>>(), [Provider::Xero, Provider::Zoho]);
        assert!(two.of(Provider::QuickBooks).is_none() && two.of(Provider::Zoho).is_some());
        assert!(!format!("{two:?}").contains("hunter2"));
    }
}
