//! `portal person`: what is known of somebody, handed over or taken out, and who wants to hear of offers.
//!
//! Whoever asks must be who they say they are: that is for people to find out. Each of these leaves a line in the audit log, which
//! names the customer's row and no number.

use clap::{Args, Subcommand};
use serde_json::json;
use shared::phone::Phone;
use shared::time::rfc3339;
use store::person;
use store::redis::Redis;

use super::{ACTOR, Answer, Context, values};
use crate::api::id::{self, Kind};

/// A person's data.
#[derive(Debug, Subcommand)]
pub(super) enum Person {
    /// Print all that is known of a person, as JSON.
    Export(Whose),
    /// Take out all that tells who a person was; what the law asks for stays, of nobody.
    Erase(Erase),
    /// List who wants to hear of offers; nobody else may be sent any.
    Offers(Answer),
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The phone number.
    #[arg(long)]
    phone: Phone,
}

#[derive(Debug, Args)]
pub(super) struct Erase {
    /// The phone number.
    #[arg(long)]
    phone: Phone,
    /// End what the person has paid for and not used.
    #[arg(long)]
    give_up_access: bool,
    #[command(flatten)]
    answer: Answer,
}

impl Person {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Person::Export(whose) => export(context, &whose.phone).await,
            Person::Erase(erase) => erase.run(context).await,
            Person::Offers(answer) => offers(context, answer).await,
        }
    }
}

async fn export(context: &Context, phone: &Phone) -> anyhow::Result<()> {
    let whole = person::export(&context.db, phone).await?;
    anyhow::ensure!(whole.is_some(), "nobody is known by this number");
    if let Some(user) = person::find(&context.db, phone).await? {
        context.audit("person.export", &user.to_string()).await?;
    }
    let text = serde_json::to_string_pretty(&whole)?;
    Answer { json: false }.give(&whole, text)
}

impl Erase {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let found = person::erase(&context.db, &self.phone, self.give_up_access, ACTOR, context.now()).await?;
        let Some(erased) = found else {
            let value = json!({ "result": "unknown" });
            return self.answer.give(&value, "Nobody is known by this number, or no more.");
        };
        // Signed in nowhere any more. Without Redis nobody is, and what it keeps ends by itself within a month.
        let mut is_signed_out = false;
        if let Ok(redis) = Redis::open(&context.config.redis) {
            is_signed_out = redis.end_customer_sessions(erased.user).await.is_ok();
        }
        let value = json!({
            "result": "erased", "customer": id::spell(Kind::Customer, erased.user), "orders": erased.orders,
            "sessions": erased.sessions, "messages": erased.messages, "reports": erased.reports, "signed_out": is_signed_out,
        });
        let text = format!(
            "Erased. {} order(s) stay, of nobody; {} session(s), {} message(s) and {} report(s) have lost what told who it was.",
            erased.orders, erased.sessions, erased.messages, erased.reports
        );
        self.answer.give(&value, text)
    }
}

async fn offers(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let listeners = person::listeners(&context.db).await?;
    context.audit("person.offers", &listeners.len().to_string()).await?;
    let mut table = values::Table::new(["phone", "name", "said so at"]);
    for listener in &listeners {
        table.row([listener.phone.to_string(), listener.name.clone(), rfc3339(listener.said_at)]);
    }
    let value = |listener: &person::Listener| json!({ "phone": listener.phone.as_str(), "name": listener.name, "said_at": rfc3339(listener.said_at) });
    answer.give(&listeners.iter().map(value).collect::<Vec<_>>(), table)
}
