//! `portal admin`: who may come to the desk, as what, and at which sites.
//!
//! What is done here needs no session: whoever may run it holds the server. So it is the way back when nobody can sign in any more.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::staff::Role;
use shared::time::rfc3339;
use store::admin::people::{self, Member};
use uuid::Uuid;

use super::{Answer, Context, PasswordStdin, secret_from_stdin, values};
use crate::password;

/// Staff who sign in at the desk.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Add a member of staff, or set the password of one who is there.
    Create(CreateAdmin),
    /// List them.
    List(Answer),
    /// Say what somebody is, and at which sites.
    SetRole(SetRole),
    /// Keep somebody from the desk; they are signed out at once.
    Suspend(One),
    /// Let somebody come back who is suspended.
    Restore(One),
    /// Let somebody try at once whose sign-in rests after too many wrong passwords.
    Unlock(One),
    /// Ask for no codes any more: for who has lost the phone and the recovery codes.
    #[command(name = "reset-2fa")]
    ResetSecondFactor(One),
}

#[derive(Debug, Args)]
pub(super) struct CreateAdmin {
    /// The address to sign in with.
    #[arg(long, value_parser = values::email)]
    email: String,
    /// What somebody new is: owner (the default), manager, cashier, support, accountant or read_only. Who is there stays what they are.
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    #[command(flatten)]
    _password: PasswordStdin,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct SetRole {
    /// Who.
    #[arg(value_name = "EMAIL", value_parser = values::email)]
    email: String,
    /// What they are: owner, manager, cashier, support, accountant or read_only.
    #[arg(value_name = "ROLE", value_parser = role)]
    role: Role,
    /// A site that they are limited to; several times for several. Without it the sites stay as they are.
    #[arg(long = "site", value_name = "NAME", conflicts_with = "all_sites")]
    sites: Vec<String>,
    /// They are not limited to sites any more.
    #[arg(long)]
    all_sites: bool,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Who.
    #[arg(value_name = "EMAIL", value_parser = values::email)]
    email: String,
    #[command(flatten)]
    answer: Answer,
}

fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("write owner, manager, cashier, support, accountant or read_only")
}

impl Admin {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Admin::Create(create) => create.run(context).await,
            Admin::List(answer) => list(context, answer).await,
            Admin::SetRole(set) => set.run(context).await,
            Admin::Suspend(one) => {
                let id = people::id_of(&context.db, &one.email).await?;
                people::suspend(&context.db, id, context.now()).await?;
                one.done(context, "admin.suspend", "cannot come to the desk any more").await
            }
            Admin::Restore(one) => {
                people::restore(&context.db, people::id_of(&context.db, &one.email).await?).await?;
                one.done(context, "admin.restore", "can come to the desk again").await
            }
            Admin::Unlock(one) => {
                people::unlock(&context.db, people::id_of(&context.db, &one.email).await?).await?;
                one.done(context, "admin.unlock", "can try again at once").await
            }
            Admin::ResetSecondFactor(one) => {
                let id = people::id_of(&context.db, &one.email).await?;
                store::admin::second_factor::reset(&context.db, id).await?;
                one.done(context, "admin.second_factor_reset", "is asked for no code any more, and is signed out").await
            }
        }
    }
}

impl CreateAdmin {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let hash = password::choose(&secret_from_stdin("password")?, &self.email).await?;
        let known = store::admin::by_email(&context.db, &self.email).await?.is_some();
        anyhow::ensure!(!known || self.role.is_none(), "{} is there already: use portal admin set-role", self.email);
        let role = self.role.unwrap_or(Role::Owner);
        store::admin::save(&context.db, &self.email, &hash, role, context.now()).await?;
        let (action, text) = match known {
            true => ("admin.password", format!("{} has a new password and is signed out everywhere.", self.email)),
            false => ("admin.create", format!("{} can sign in, as {role}.", self.email)),
        };
        context.audit(action, &self.email).await?;
        self.answer.give(&json!({ "email": self.email, "result": if known { "updated" } else { "added" } }), text)
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let members = people::list(&context.db).await?;
    let mut table = values::Table::new(["email", "role", "sites", "state", "second factor", "last signed in"]);
    for member in &members {
        let names: Vec<&str> = member.sites.iter().map(|(_, name)| name.as_str()).collect();
        table.row([
            member.email.clone(),
            member.role.as_str().into(),
            if names.is_empty() { "all".into() } else { names.join(", ") },
            state(member).into(),
            String::from(if member.second_factor_since.is_some() { "on" } else { "off" }),
            member.signed_in_at.map_or_else(|| "never".into(), rfc3339),
        ]);
    }
    answer.give(&members.iter().map(value).collect::<Vec<Value>>(), table)
}

/// Whether they can come, in a word.
fn state(member: &Member) -> &'static str {
    if member.suspended_at.is_some() {
        "suspended"
    } else if member.is_invited {
        "invited"
    } else {
        "active"
    }
}

fn value(member: &Member) -> Value {
    json!({
        "id": member.id,
        "email": member.email,
        "role": member.role.as_str(),
        "sites": member.sites.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
        "state": state(member),
        "locked_until": member.locked_until.map(rfc3339),
        "second_factor": member.second_factor_since.is_some(),
        "signed_in_at": member.signed_in_at.map(rfc3339),
        "created_at": rfc3339(member.created_at),
    })
}

impl SetRole {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let id = people::id_of(&context.db, &self.email).await?;
        let mut sites: Vec<Uuid> = Vec::new();
        if self.sites.is_empty() && !self.all_sites && self.role != Role::Owner {
            sites = people::get(&context.db, id).await?.sites.into_iter().map(|(id, _)| id).collect();
        }
        for name in &self.sites {
            sites.push(store::site::by_name(&context.db, name).await?);
        }
        people::set_access(&context.db, id, self.role, &sites).await?;
        context.audit("admin.access", &self.email).await?;
        let text = match sites.len() {
            0 => format!("{} is {} at all sites, and signs in again.", self.email, self.role),
            1 => format!("{} is {} at one site, and signs in again.", self.email, self.role),
            some => format!("{} is {} at {some} sites, and signs in again.", self.email, self.role),
        };
        self.answer.give(&json!({ "email": self.email, "role": self.role.as_str(), "sites": sites }), text)
    }
}

impl One {
    async fn done(self, context: &Context, action: &str, what: &str) -> anyhow::Result<()> {
        context.audit(action, &self.email).await?;
        self.answer.give(&json!({ "email": self.email, "result": "done" }), format!("{} {what}.", self.email))
    }
}
