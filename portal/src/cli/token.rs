//! `portal token`: which programs may use the REST interface, what each may do, until when and from where.

use std::time::Duration;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::json;
use shared::scope::Scopes;
use shared::time::rfc3339;
use store::api_token::{self, New};

use super::{Answer, Context, values};

/// Tokens of the REST interface.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token; an earlier one of that name is worthless from now on. It is shown this once.
    Create(Create),
    /// List the tokens. Only how they begin is known.
    List(Answer),
    /// Make a token worthless.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the token is for; names it in the audit log.
    #[arg(long, value_parser = values::name)]
    name: String,
    /// What it may do, such as packages:read, money:* or *:read; may be given several times. Without it, everything.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// After so long it is good no more, such as 90d. Without it, it is good until it is revoked.
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    expires: Option<Duration>,
    /// It is good from this address or network only; may be given several times.
    #[arg(long = "from", value_name = "ADDRESS", value_parser = values::network)]
    from: Vec<IpNet>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    answer: Answer,
}

impl Token {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Token::Create(create) => create.run(context).await,
            Token::List(answer) => list(context, answer).await,
            Token::Revoke(revoke) => revoke.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let words = if self.scopes.is_empty() { vec!["*".to_owned()] } else { self.scopes };
        let scopes = Scopes::parse(&words)?;
        let (token, now) = (format!("mlt_{}", shared::rng::secret()), context.now());
        let expires_at = self.expires.map(|expires| now + expires);
        let new = New { name: &self.name, token: &token, scopes: &scopes, expires_at, allowed_from: &self.from };
        api_token::replace(&context.db, &new, now).await?;
        context.audit("token.create", &format!("{} ({})", self.name, words.join(" "))).await?;
        let value =
            json!({ "token": token, "name": self.name, "scopes": words, "expires_at": expires_at.map(rfc3339) });
        self.answer.give(&value, &token)
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let now = context.now();
    let mut table = values::Table::new(["name", "begins", "scopes", "from", "expires", "last used", "good"]);
    let mut told = Vec::new();
    for token in api_token::list(&context.db).await? {
        let is_good = token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now);
        let from: Vec<String> = token.allowed_from.iter().map(ToString::to_string).collect();
        table.row([
            token.name.clone(),
            token.prefix.clone().unwrap_or_default(),
            token.scopes.words().join(" "),
            from.join(" "),
            token.expires_at.map_or_else(|| "never".into(), rfc3339),
            token.last_used_at.map_or_else(|| "never".into(), rfc3339),
            if is_good { "yes".into() } else { "no".into() },
        ]);
        told.push(json!({
            "name": token.name, "prefix": token.prefix, "scopes": token.scopes.words(), "from": from, "good": is_good,
            "created_at": rfc3339(token.created_at), "last_used_at": token.last_used_at.map(rfc3339),
            "expires_at": token.expires_at.map(rfc3339), "revoked_at": token.revoked_at.map(rfc3339),
        }));
    }
    answer.give(&told, table)
}

impl Revoke {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        api_token::revoke(&context.db, &self.name, context.now()).await?;
        context.audit("token.revoke", &self.name).await?;
        let text = format!("The token {} is worth nothing any more.", self.name);
        self.answer.give(&json!({ "name": self.name, "result": "revoked" }), text)
    }
}
