//! `portal money`: payments that came and of which nobody knows what they are for, and money that goes back.
//!
//! `assign` finishes the job: the customer has access when it ends. `refund` says that money goes back; then M-Pesa is asked
//! to do it (`--reverse`), or a person did it by hand and says so (`--given-back`). A payment that is booked with its order, named by the
//! order or by its receipt, goes back by itself: to its card, or by M-Pesa ([`back`]), of which `given-back` says that a person did it.
//! `register` tells M-Pesa where payments from its menu are reported.

mod back;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use shared::phone::Phone;
use shared::staff::SiteScope;
use shared::time::rfc3339;
use store::unmatched::{self, Purpose};
use store::{mpesa_request, refund};
use uuid::Uuid;

use super::{ACTOR, Answer, Context, values};
use crate::api::json as spelling;
use crate::payments::asked::Asking;
use crate::payments::c2b::{self, Reference};
use crate::payments::mpesa::Mpesa;
use crate::payments::mpesa::operations::{Asked, Unanswered, forbidden_word};
use crate::payments::reached_at;
use crate::urls;

/// Most that is listed.
const SHOWN: u32 = 1000;

/// Payments for which no order is known, and money that goes back.
#[derive(Debug, Subcommand)]
pub(super) enum Money {
    /// List what waits for a person, the newest first.
    List(List),
    /// Say what a payment is for: its customer has access at once.
    Assign(Assign),
    /// Say that a payment goes back, and have it go back.
    Refund(Refund),
    /// Say that you have given a payment by M-Pesa back by hand.
    GivenBack(back::GivenBack),
    /// List the orders of which money is owed to customers, those first that have waited longest.
    Owed(back::Owed),
    /// Tell M-Pesa where payments from its menu are reported. In production it takes this once.
    Register(Register),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Also what is done with.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Assign {
    /// The payment's receipt.
    #[arg(value_name = "RECEIPT", value_parser = values::receipt)]
    receipt: String,
    /// Code of the order that it pays for.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["phone", "package"], required_unless_present_all = ["phone", "package"])]
    order: Option<String>,
    /// Number of the customer who gets a package for it; a new customer is added.
    #[arg(long, requires = "package")]
    phone: Option<Phone>,
    /// The package's slug.
    #[arg(long, value_name = "SLUG", requires = "phone")]
    package: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Refund {
    /// The payment's receipt, or the code of its order. What was bought with it ends, and a running portal has the money go
    /// back to the card, or by M-Pesa; what only waits, by its receipt, is owed to its payer from now on.
    #[arg(value_name = "RECEIPT", value_parser = values::refundable)]
    receipt: String,
    /// Ask M-Pesa to give back what only waits. Needs [mpesa.initiator] in the configuration.
    #[arg(long, conflicts_with = "given_back")]
    reverse: bool,
    /// M-Pesa's statement shows that what was asked before was not done: ask once more.
    #[arg(long, requires = "reverse")]
    again: bool,
    /// It was given back by hand, under this receipt.
    #[arg(long, value_name = "RECEIPT", value_parser = values::name)]
    given_back: Option<String>,
    #[command(flatten)]
    how_much: back::HowMuch,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Register {
    /// What M-Pesa does with a payment when it cannot ask us about it.
    #[arg(long, default_value = "completed")]
    unanswered: When,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// It goes through.
    Completed,
    /// It is refused.
    Cancelled,
}

impl Money {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Money::List(list) => list.run(context).await,
            Money::Assign(assign) => assign.run(context).await,
            Money::Refund(refund) => refund.run(context).await,
            Money::GivenBack(given) => given.run(context).await,
            Money::Owed(owed) => owed.run(context).await,
            Money::Register(register) => register.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let money = unmatched::list(&context.db, self.all, SHOWN).await?;
        let mut table = values::Table::new(["receipt", "at", "amount", "payer", "number", "account", "state", "order"]);
        let mut values = Vec::new();
        for one in money {
            let state = match (one.state.as_str(), one.given_back_at) {
                ("unmatched", _) if one.ignored.is_some() => "ignored",
                ("unmatched", _) if !one.is_booked => "told once more, not confirmed, not booked",
                ("unmatched", _) if !one.is_confirmed => "unmatched, not confirmed",
                ("refunded", None) => "goes back",
                ("refunded", Some(_)) => "given back",
                (state, _) => state,
            };
            table.row([
                one.receipt.clone(),
                rfc3339(one.at),
                one.amount.to_string(),
                one.payer_name.clone(),
                // A hash says nothing to people, and is wide.
                one.payer_number.chars().take(20).collect(),
                one.typed.clone(),
                state.to_owned(),
                one.order.clone().unwrap_or_default(),
            ]);
            values.push(json!({
                "receipt": one.receipt, "at": rfc3339(one.at), "amount": spelling::Money::from(one.amount),
                "payer_name": one.payer_name, "payer_number": one.payer_number, "account": one.typed, "state": one.state,
                "confirmed": one.is_confirmed, "booked": one.is_booked, "order": one.order, "decided_by": one.decided_by,
                "given_back_at": one.given_back_at.map(rfc3339), "ignored": one.ignored.map(|ignored| ignored.reason),
            }));
        }
        self.answer.give(&values, table)
    }
}

impl Assign {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let code = self.order.as_deref().map(order_code).transpose()?;
        let package = match &self.package {
            Some(slug) => Some(store::package::by_slug(&context.db, slug).await?),
            None => None,
        };
        let purpose = match (&code, &self.phone, &package) {
            (Some(code), ..) => Purpose::Order(code),
            (None, Some(phone), Some(package)) => Purpose::Package { phone, package },
            // The arguments are one or the other.
            (None, ..) => anyhow::bail!("say --order, or --phone and --package"),
        };
        let line = context.line("money.assign", &self.receipt);
        let assigned = unmatched::assign(&context.db, &self.receipt, &purpose, &line, context.now()).await?;
        let rest = assigned.rest.map(|rest| format!(" {rest} more than its price came: that belongs to the customer."));
        let text = format!("{} pays for order {}.{}", self.receipt, assigned.order, rest.unwrap_or_default());
        let value = json!({
            "receipt": self.receipt, "order": assigned.order, "rest": assigned.rest.map(spelling::Money::from),
            "entitlement": crate::api::id::spell(crate::api::id::Kind::Entitlement, assigned.entitlement),
        });
        self.answer.give(&value, text)
    }
}

impl Refund {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let receipt = self.receipt.as_str();
        let by_card = refund::find(&context.db, receipt).await?;
        let by_mpesa = match refund::mpesa::find(&context.db, receipt).await? {
            // Of two of one order it is the one that bought nothing.
            Some(payment) if by_card.is_some() => {
                let is_sale = refund::balance(&context.db, payment, &SiteScope::All).await?.is_sale;
                Some(payment).filter(|_| !is_sale)
            }
            other => other,
        };
        if let Some(payment) = by_mpesa {
            let back = back::Back { payment, named: receipt, how_much: self.how_much, answer: &self.answer };
            return match &self.given_back {
                Some(proof) => back.by_hand(context, proof).await,
                None => back.by_mpesa(context, self.again).await,
            };
        }
        if let Some(payment) = by_card {
            return self.to_card(context, payment).await;
        }
        if let Some(proof) = &self.given_back {
            return back::by_receipt(context, receipt, proof, &self.answer).await;
        }
        if !self.reverse {
            let line = context.line("money.refund", receipt);
            let amount = unmatched::refund_due(&context.db, receipt, &line, context.now()).await?;
            let value = json!({ "receipt": receipt, "amount": spelling::Money::from(amount), "result": "due" });
            return self.answer.give(&value, format!("{amount} of {receipt} is owed to its payer now."));
        }
        self.reverse(context).await
    }

    /// Writes down that the money goes back to its card; a running portal has it done.
    async fn to_card(&self, context: &Context, payment: Uuid) -> anyhow::Result<()> {
        let receipt = self.receipt.as_str();
        anyhow::ensure!(
            !self.reverse && self.given_back.is_none() && !self.how_much.is_said(),
            "{receipt} was paid by card, which gets all its money back by itself: leave the other options out"
        );
        anyhow::ensure!(context.config.stripe.is_some(), "there is no [stripe] in the configuration");
        let asked = refund::ask(&context.db, payment, ACTOR, context.now()).await?;
        let (amount, result) = (asked.amount, if asked.is_new { "asked" } else { "asked_before" });
        if asked.is_new {
            context.audit("money.refund", receipt).await?;
        }
        let value = json!({ "receipt": receipt, "amount": spelling::Money::from(amount), "result": result, "refund": asked.id });
        let text = match asked.is_new {
            true => format!("{amount} of {receipt} goes back to its card. What it bought has ended."),
            false => format!("{amount} of {receipt} goes back to its card, as it was asked before."),
        };
        self.answer.give(&value, text)
    }

    /// Asks M-Pesa to give it back; what is not owed yet is owed first.
    async fn reverse(&self, context: &Context) -> anyhow::Result<()> {
        let (receipt, now) = (self.receipt.as_str(), context.now());
        let mpesa = mpesa(context)?;
        let operator = mpesa.operator().context("there is no [mpesa.initiator] in the configuration")?;
        // Where it is owed already, there is nothing to say.
        drop(unmatched::refund_due(&context.db, receipt, &context.line("money.refund", receipt), now).await);
        let amount = unmatched::owed(&context.db, receipt).await?;
        if self.again {
            let asked = mpesa_request::about(&context.db, mpesa_request::Kind::Reversal, receipt).await?;
            let seen = asked.first().map(|request| request.id).unwrap_or_default();
            mpesa_request::set_aside(&context.db, receipt, seen, ACTOR, now).await?;
        }
        context.audit("money.reverse", receipt).await?;
        let asking = Asking { db: &context.db, base: reached_at(&context.config), operator, by: ACTOR, now };
        let asked = asking.reversal(receipt, amount, None, "Refund").await?;
        let text = match &asked {
            Asked::Accepted { .. } => {
                format!("M-Pesa has been asked to give {amount} of {receipt} back. Its answer comes later.")
            }
            Asked::Refused(refusal) => {
                anyhow::bail!("M-Pesa does not give {receipt} back: {}", refusal.code_and_text().1)
            }
            Asked::Unknown(why) => anyhow::bail!(
                "it is not known whether M-Pesa gives {receipt} back ({why}): look at its statement before you try --again"
            ),
        };
        self.answer
            .give(&json!({ "receipt": receipt, "amount": spelling::Money::from(amount), "result": "asked" }), text)
    }
}

impl Register {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mpesa = mpesa(context)?;
        let section = context.config.mpesa.as_ref().context("there is no [mpesa] in the configuration")?;
        let urls = urls::c2b(reached_at(&context.config), context.db.seal(), &section.shortcode);
        for url in [&urls.validation, &urls.confirmation] {
            if let Some(word) = forbidden_word(url) {
                anyhow::bail!(
                    "M-Pesa takes no address that holds the word {word}: give the portal another mpesa.callback_base_url"
                );
            }
        }
        let unanswered = match self.unanswered {
            When::Completed => Unanswered::Completed,
            When::Cancelled => Unanswered::Cancelled,
        };
        context.audit("money.register", &section.shortcode).await?;
        match mpesa.register_urls(&urls.validation, &urls.confirmation, unanswered).await {
            Asked::Accepted { .. } => {}
            Asked::Refused(refusal) => {
                anyhow::bail!("M-Pesa does not take the addresses: {}", refusal.code_and_text().1)
            }
            Asked::Unknown(why) => anyhow::bail!(
                "it is not known whether M-Pesa took the addresses ({why}); it takes them once, and says 500.003.1001 the second time"
            ),
        }
        let value =
            json!({ "shortcode": section.shortcode, "validation": urls.validation, "confirmation": urls.confirmation });
        let text = format!(
            "M-Pesa reports payments to {} from now on. Keep the addresses to yourself: who knows them can report payments.\n{}\n{}",
            section.shortcode, urls.validation, urls.confirmation
        );
        self.answer.give(&value, text)
    }
}

/// The client that the configuration describes.
fn mpesa(context: &Context) -> anyhow::Result<Mpesa> {
    let section = context.config.mpesa.as_ref().context("there is no [mpesa] in the configuration")?;
    Ok(Mpesa::new(section, context.clock.clone())?)
}

/// The code of an order as people write it.
fn order_code(text: &str) -> anyhow::Result<String> {
    match c2b::reference(text) {
        Reference::OrderCode(code) => Ok(code),
        Reference::Phone(_) | Reference::Other => {
            anyhow::bail!("{text} is not the code of an order: it has eight letters and digits")
        }
    }
}
