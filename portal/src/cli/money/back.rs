//! `portal money refund` and `portal money given-back` for a payment by M-Pesa that is booked with its order: what it bought ends, unless
//! that is to go on, and the money is owed until it has gone. Here it is written down; a running portal has M-Pesa do it.

use clap::Args;
use serde_json::json;
use shared::staff::SiteScope;
use shared::time::rfc3339;
use store::refund::mpesa::{self, Extent, Way, Wish};
use store::{refund, unmatched};
use uuid::Uuid;

use super::SHOWN;
use crate::api::{id, json as spelling};
use crate::cli::{ACTOR, Answer, Context, values};

/// How much of a payment by M-Pesa goes back.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct HowMuch {
    /// What was bought with it goes on: of a payment by M-Pesa.
    #[arg(long, conflicts_with = "only_owed")]
    keep_access: bool,
    /// Only what is owed of it already: the sale stays. Of a payment by M-Pesa.
    #[arg(long)]
    only_owed: bool,
}

impl HowMuch {
    /// Whether something was said that a card does not know.
    pub(super) fn is_said(self) -> bool {
        self.keep_access || self.only_owed
    }

    fn extent(self) -> Extent {
        match self {
            HowMuch { keep_access: true, .. } => Extent::Kept,
            HowMuch { only_owed: true, .. } => Extent::Owed,
            HowMuch { .. } => Extent::All,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct GivenBack {
    /// Code of the order, or the payment's receipt.
    #[arg(value_name = "ORDER", value_parser = values::refundable)]
    named: String,
    /// What proves it: who gave it back, how, and under which receipt.
    #[arg(long, value_name = "TEXT", value_parser = values::name)]
    proof: String,
    #[command(flatten)]
    how_much: HowMuch,
    #[command(flatten)]
    answer: Answer,
}

impl GivenBack {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match mpesa::find(&context.db, &self.named).await? {
            Some(payment) => {
                let back = Back { payment, named: &self.named, how_much: self.how_much, answer: &self.answer };
                back.by_hand(context, &self.proof).await
            }
            None => by_receipt(context, &self.named, &self.proof, &self.answer).await,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Owed {
    #[command(flatten)]
    answer: Answer,
}

impl Owed {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut table = values::Table::new(["order", "since", "amount", "refund", "reason"]);
        let mut values = Vec::new();
        for one in refund::owed(&context.db, &SiteScope::All, SHOWN).await? {
            table.row([
                one.order.clone(),
                rfc3339(one.since),
                one.amount.to_string(),
                one.state.clone().unwrap_or_default(),
                one.reason.clone(),
            ]);
            values.push(json!({
                "order": one.order, "payment": id::spell(id::Kind::Payment, one.payment), "since": rfc3339(one.since),
                "amount": spelling::Money::from(one.amount), "refund": one.state, "reason": one.reason,
            }));
        }
        self.answer.give(&values, table)
    }
}

/// Money that came by itself, and that goes back, has been given back by hand.
pub(super) async fn by_receipt(context: &Context, receipt: &str, proof: &str, answer: &Answer) -> anyhow::Result<()> {
    let object = format!("{receipt} by {proof}");
    let line = context.line("money.given_back", &object);
    let amount = unmatched::given_back(&context.db, receipt, proof, &line, context.now()).await?;
    let value = json!({ "receipt": receipt, "amount": spelling::Money::from(amount), "result": "given_back" });
    answer.give(&value, format!("{amount} of {receipt} has gone back."))
}

/// A payment by M-Pesa that goes back.
pub(super) struct Back<'a> {
    pub(super) payment: Uuid,
    /// As it was named.
    pub(super) named: &'a str,
    pub(super) how_much: HowMuch,
    pub(super) answer: &'a Answer,
}

impl Back<'_> {
    /// Writes down that M-Pesa is to do it. `again`: a person has seen that it was not done.
    pub(super) async fn by_mpesa(&self, context: &Context, again: bool) -> anyhow::Result<()> {
        let named = self.named;
        anyhow::ensure!(
            context.config.mpesa.as_ref().is_some_and(|section| section.initiator.is_some()),
            "there is no [mpesa.initiator] in the configuration: give it back by hand, then say portal money given-back {named} --proof …"
        );
        let (wish, now) = (self.wish(Way::Reversal), context.now());
        let asked = match again {
            true => mpesa::try_again(&context.db, self.payment, &wish, now).await?,
            false => mpesa::give_back(&context.db, self.payment, &wish, now).await?,
        };
        let (amount, result) = (asked.amount, if asked.is_new { "asked" } else { "asked_before" });
        let value =
            json!({ "order": named, "amount": spelling::Money::from(amount), "result": result, "refund": asked.id });
        let text = match (asked.is_new, self.how_much.extent()) {
            (false, _) => format!("{amount} of {named} goes back by M-Pesa, as it was asked before."),
            (true, Extent::All) => format!("{amount} of {named} goes back by M-Pesa. What it bought has ended."),
            (true, _) => format!("{amount} of {named} goes back by M-Pesa."),
        };
        self.answer.give(&value, text)
    }

    /// Notes that a person has done it.
    pub(super) async fn by_hand(&self, context: &Context, proof: &str) -> anyhow::Result<()> {
        let wish = self.wish(Way::Hand { proof });
        let given = mpesa::give_back(&context.db, self.payment, &wish, context.now()).await?;
        let (amount, named) = (given.amount, self.named);
        let value = json!({ "order": named, "amount": spelling::Money::from(amount), "result": "given_back", "refund": given.id });
        self.answer.give(&value, format!("{amount} of {named} has gone back."))
    }

    fn wish<'a>(&self, way: Way<'a>) -> Wish<'a> {
        Wish { way, extent: self.how_much.extent(), by: ACTOR, from: None }
    }
}
