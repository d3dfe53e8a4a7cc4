//! Works on a report that a provider has sent and a webhook has stored.
//!
//! A report is a hint, never a proof: M-Pesa's carry no signature, and Stripe's may be of the other mode. Success is believed after a
//! query of ours says so; failure is believed where charging again would be safe anyway, and M-Pesa is asked afterwards all the
//! same: the report that would put it right can be lost. Otherwise it is believed after a query too. Everything is idempotent, so
//! a report that comes twice, late, out of order or is worked on by two processes ends the same.
//! What is M-Pesa's own is [`of_prompt`]; each gateway reads its own reports ([`Gateway::judge`]).

use store::StoreError;
use store::payment::{self, Event, Payment};
use store::settlement::{Evidence, Settled};

use super::callback::Callback;
use super::check::ask;
use super::gateway::Gateway;
use super::mpesa::Mpesa;
use super::reason::{Reason, Retry};
use super::settle::{fail, fail_by_report, settle};
use super::{Query, again};
use crate::App;

/// A report that cannot be confirmed is taken up this often, about a minute apart, before it is left alone: by
/// then nobody answers about it any more.
const ATTEMPTS: u32 = 1500;

/// What became of a report; the spelling is stored with it and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// Money became access, or a refund due.
    Settled,
    /// The payment ended without money.
    Failed,
    /// It said nothing new.
    Duplicate,
    /// It speaks of another prompt than the payment's.
    Unmatched,
    /// It is not a report.
    Unreadable,
    /// It said paid, the provider itself says no.
    Refuted,
    /// Nobody knows what the money is for: it waits for a person.
    Queued,
    /// An answer that we asked for, and is noted.
    Noted,
    /// It could not be confirmed in any number of tries.
    GivenUp,
    /// Not yet: it is taken up again.
    Later,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Outcome::Settled => "settled",
            Outcome::Failed => "failed",
            Outcome::Duplicate => "duplicate",
            Outcome::Unmatched => "unmatched",
            Outcome::Unreadable => "unreadable",
            Outcome::Refuted => "refuted",
            Outcome::Queued => "queued",
            Outcome::Noted => "noted",
            Outcome::GivenUp => "given_up",
            Outcome::Later => "later",
        }
    }
}

/// Whether a report speaks of the payment's prompt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Match {
    Own,
    Another,
    /// The payment's own reference is not known, and M-Pesa did not say that it knows this one.
    NotKnown,
}

/// Works on one stored report.
pub(crate) async fn work<G: Gateway>(app: &App, gateway: &G, event: &Event) -> Result<Outcome, StoreError> {
    let mut outcome = gateway.judge(app, event).await?;
    let provider = event.provider.as_str();
    if outcome == Outcome::Later {
        if event.attempts < ATTEMPTS {
            return Ok(outcome);
        }
        outcome = Outcome::GivenUp;
    }
    match outcome {
        Outcome::Unmatched | Outcome::Unreadable | Outcome::Refuted | Outcome::GivenUp => {
            tracing::warn!(event = %event.id, payment = ?event.payment, outcome = outcome.as_str(), "a report was not followed");
            app.metrics.callbacks.with_label_values(&[provider, outcome.as_str()]).inc();
        }
        Outcome::Duplicate | Outcome::Queued => {
            app.metrics.callbacks.with_label_values(&[provider, outcome.as_str()]).inc();
        }
        Outcome::Settled | Outcome::Failed | Outcome::Noted | Outcome::Later => {}
    }
    payment::finish_event(&app.db, event.id, outcome.as_str(), app.clock.now()).await?;
    Ok(outcome)
}

/// What M-Pesa reports of a prompt.
pub(super) async fn of_prompt(app: &App, mpesa: &Mpesa, event: &Event) -> Result<Outcome, StoreError> {
    let Some(id) = event.payment else { return Ok(Outcome::Unmatched) };
    let Ok(callback) = Callback::parse(&event.body) else { return Ok(Outcome::Unreadable) };
    let payment = payment::get(&app.db, id).await?;
    match matches(app, mpesa, &payment, &callback).await? {
        Match::Own => {}
        Match::Another => return Ok(Outcome::Unmatched),
        Match::NotKnown => return Ok(Outcome::Later),
    }
    let evidence = Evidence { receipt: callback.receipt.clone(), amount: callback.amount, charge: None };
    let reason = Reason::of(&callback.result_code);
    let says_paid = callback.result_code == "0";
    let said = Said { reference: &callback.checkout_request_id, says_paid, evidence: &evidence };
    match (callback.result_code.as_str(), payment.state.as_str()) {
        ("0", "succeeded") => again::judge(app, mpesa, event, &payment, &evidence).await,
        (_, "succeeded") => Ok(Outcome::Duplicate),
        ("0", _) => {
            let now = app.clock.now();
            let next = mpesa.next_query(payment.created_at, payment.checks, now);
            payment::confirming(&app.db, payment.id, now, next).await?;
            confirm(app, mpesa, &payment, &said).await
        }
        (_, "failed") => Ok(Outcome::Duplicate),
        (code, _) if reason.is_final() && reason.retry() == Retry::AtOnce => {
            let now = app.clock.now();
            let next = mpesa.next_query(payment.created_at, payment.checks, now);
            fail_by_report(app, &payment, code, &callback.result_text, next).await?;
            Ok(Outcome::Failed)
        }
        _ => confirm(app, mpesa, &payment, &said).await,
    }
}

/// Whether the report speaks of this payment's prompt. Where the prompt's reference is not known yet (the report was
/// faster than the answer, or the answer was lost), the report's is taken: it came to the payment's secret address. But
/// only if M-Pesa knows it: another one in its place could never be asked about, and the right report would be refused.
async fn matches(app: &App, mpesa: &Mpesa, payment: &Payment, callback: &Callback) -> Result<Match, StoreError> {
    let own = |known: &str| if known == callback.checkout_request_id { Match::Own } else { Match::Another };
    if let Some(known) = &payment.checkout_request_id {
        return Ok(own(known));
    }
    if let Query::Unknown(_) = ask(app, mpesa, &callback.checkout_request_id).await {
        return Ok(Match::NotKnown);
    }
    // The answer to the prompt may have come meanwhile.
    if let Some(known) = payment::get(&app.db, payment.id).await?.checkout_request_id {
        return Ok(own(&known));
    }
    let now = app.clock.now();
    let next = mpesa.next_query(payment.created_at, payment.checks, now);
    let (merchant, checkout) = (&callback.merchant_request_id, &callback.checkout_request_id);
    match payment::prompted(&app.db, payment.id, merchant, checkout, now, next).await {
        Ok(()) => Ok(Match::Own),
        // Another payment has that reference.
        Err(StoreError::Conflict(_)) => Ok(Match::Another),
        Err(error) => Err(error),
    }
}

/// What a report says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// The provider's reference of what it speaks of.
    pub(super) reference: &'a str,
    /// Whether it says that the money came.
    pub(super) says_paid: bool,
    /// What it tells of the money. What the provider itself answers counts more.
    pub(super) evidence: &'a Evidence,
}

/// Asks the provider itself.
pub(super) async fn confirm<G: Gateway>(
    app: &App,
    gateway: &G,
    payment: &Payment,
    said: &Said<'_>,
) -> Result<Outcome, StoreError> {
    match ask(app, gateway, said.reference).await {
        Query::Paid { receipt, amount, charge } => {
            let receipt = receipt.or_else(|| said.evidence.receipt.clone());
            let evidence = Evidence { receipt, amount: amount.or(said.evidence.amount), charge };
            match settle(app, payment, &evidence).await? {
                Settled::Granted { .. } | Settled::RefundDue => Ok(Outcome::Settled),
                Settled::Already => Ok(Outcome::Duplicate),
                // It was settled meanwhile, with another receipt: it is looked at anew, as one that is.
                Settled::Another => Ok(Outcome::Later),
            }
        }
        Query::Ended { code, text } if Reason::of(&code).is_final() => {
            fail(app, payment, &code, &text).await?;
            Ok(if said.says_paid { Outcome::Refuted } else { Outcome::Failed })
        }
        Query::Ended { .. } | Query::Pending | Query::Unknown(_) => Ok(Outcome::Later),
    }
}
