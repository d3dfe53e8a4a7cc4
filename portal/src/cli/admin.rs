//! `portal admin` and `portal token`: who may come to the desk, and which programs may use the REST interface.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Answer, Context, PasswordStdin, secret_from_stdin, values};
use crate::password;

/// Staff who sign in at the desk.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Add a member of staff, or set the password of one who is there.
    Create(CreateAdmin),
}

#[derive(Debug, Args)]
pub(super) struct CreateAdmin {
    /// The address to sign in with.
    #[arg(long, value_parser = values::email)]
    email: String,
    #[command(flatten)]
    _password: PasswordStdin,
    #[command(flatten)]
    answer: Answer,
}

impl Admin {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Admin::Create(create) = self;
        let hash = password::hash(&secret_from_stdin("password")?).await?;
        let known = store::admin::by_email(&context.db, &create.email).await?.is_some();
        store::admin::save(&context.db, &create.email, &hash, context.now()).await?;
        let (action, text) = match known {
            true => ("admin.password", format!("{} has a new password and is signed out everywhere.", create.email)),
            false => ("admin.create", format!("{} can sign in.", create.email)),
        };
        context.audit(action, &create.email).await?;
        create.answer.give(&json!({ "email": create.email, "result": if known { "updated" } else { "added" } }), text)
    }
}

/// Tokens of the REST interface.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token; an earlier one of that name is worthless from now on. It is shown this once.
    Create(CreateToken),
}

#[derive(Debug, Args)]
pub(super) struct CreateToken {
    /// What the token is for; names it in the audit log.
    #[arg(long, value_parser = values::name)]
    name: String,
    #[command(flatten)]
    answer: Answer,
}

impl Token {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Token::Create(create) = self;
        let token = format!("mlt_{}", shared::rng::secret());
        let digest = store::api_token::digest(&token);
        store::api_token::replace(&context.db, &create.name, &digest, context.now()).await?;
        context.audit("token.create", &create.name).await?;
        create.answer.give(&json!({ "token": token }), &token)
    }
}
