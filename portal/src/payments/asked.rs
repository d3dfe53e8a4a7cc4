//! Asks M-Pesa what it answers later, and works on the answer: whether a payment is true, to give one back, and whether it has gone back.
//!
//! The request is written down first, the call is made, what it came to is written down; the answer comes to an address of
//! the request's own and is stored as every report is. An answer that never comes is nobody's failure: whoever waits for it
//! gives up by the clock.

use shared::money::Money;
use shared::time::OffsetDateTime;
use store::mpesa_request::{self, Answer, Ended, Kind, New, Request, State, Taken};
use store::payment::Event;
use store::{Db, StoreError};
use url::Url;
use uuid::Uuid;

use super::RESULT_TIMEOUT;
use super::mpesa::operations::{AnswerTo, Asked, Operator};
use super::mpesa::result::{Verdict, Way, Word};
use super::report::Outcome;
use crate::{App, urls};

/// What is noted where M-Pesa, asked whether a payment went back, has it as it came.
const STANDS: &str = "M-Pesa says that the payment stands as it came";
/// What proves that it did, where M-Pesa says so of the payment itself.
const REVERSED: &str = "M-Pesa says that the payment is reversed";

/// Who asks, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    /// The store.
    pub(crate) db: &'a Db,
    /// How M-Pesa reaches us.
    pub(crate) base: &'a Url,
    /// In whose name.
    pub(crate) operator: Operator<'a>,
    /// Who wants to know.
    pub(crate) by: &'a str,
    /// Now.
    pub(crate) now: OffsetDateTime,
}

impl Asking<'_> {
    /// Asks whether a payment is as we were told. `event`: the report that waits for the answer.
    pub(crate) async fn status(&self, receipt: &str, amount: Money, event: Uuid) -> Result<Asked, StoreError> {
        let new = New { kind: Kind::Status, receipt, amount, event: Some(event), refund: None, by: self.by };
        let id = mpesa_request::begin(self.db, &new, self.now).await?;
        let (result, timeout) = urls::mpesa_results(self.base, self.db.seal(), id);
        let answer_to = AnswerTo { result: &result, timeout: &timeout };
        let asked = self.operator.transaction_status(receipt, answer_to).await;
        self.write_down(id, &asked).await?;
        Ok(asked)
    }

    /// Asks that a payment goes back. `refund`: what is done by it, where that stands by itself.
    pub(crate) async fn reversal(
        &self,
        receipt: &str,
        amount: Money,
        refund: Option<Uuid>,
        remarks: &str,
    ) -> Result<Asked, StoreError> {
        let new = New { kind: Kind::Reversal, receipt, amount, event: None, refund, by: self.by };
        let id = mpesa_request::begin(self.db, &new, self.now).await?;
        self.reverse(id, receipt, amount, remarks).await
    }

    /// The same under an identity of the caller's, once; `None`: it was asked before. `is_again`: a reversal without an answer is set
    /// aside for it.
    pub(crate) async fn reversal_as(
        &self,
        id: Uuid,
        (receipt, amount): (&str, Money),
        remarks: &str,
        is_again: bool,
    ) -> Result<Option<Asked>, StoreError> {
        let new = New { kind: Kind::Reversal, receipt, amount, event: None, refund: None, by: self.by };
        if !mpesa_request::begin_as(self.db, id, &new, is_again, self.now).await? {
            return Ok(None);
        }
        self.reverse(id, receipt, amount, remarks).await.map(Some)
    }

    /// Asks for what is written down.
    async fn reverse(&self, id: Uuid, receipt: &str, amount: Money, remarks: &str) -> Result<Asked, StoreError> {
        let (result, timeout) = urls::mpesa_results(self.base, self.db.seal(), id);
        let answer_to = AnswerTo { result: &result, timeout: &timeout };
        let asked = self.operator.reverse(receipt, amount, remarks, answer_to).await;
        self.write_down(id, &asked).await?;
        Ok(asked)
    }

    /// Asks whether the payment of a refund has gone back: by the name under which M-Pesa took its reversal, or by its receipt.
    pub(crate) async fn returned(
        &self,
        receipt: &str,
        amount: Money,
        refund: Uuid,
        originator: Option<&str>,
    ) -> Result<Asked, StoreError> {
        let new = New { kind: Kind::Returned, receipt, amount, event: None, refund: Some(refund), by: self.by };
        let id = mpesa_request::begin(self.db, &new, self.now).await?;
        let (result, timeout) = urls::mpesa_results(self.base, self.db.seal(), id);
        let answer_to = AnswerTo { result: &result, timeout: &timeout };
        let asked = match originator {
            Some(originator) => self.operator.request_status(originator, receipt, answer_to).await,
            None => self.operator.transaction_status(receipt, answer_to).await,
        };
        self.write_down(id, &asked).await?;
        Ok(asked)
    }

    async fn write_down(&self, id: Uuid, asked: &Asked) -> Result<(), StoreError> {
        match asked {
            Asked::Accepted { conversation_id, originator_conversation_id } => {
                let taken = Taken::Accepted { conversation_id, originator_conversation_id };
                mpesa_request::taken(self.db, id, &taken, self.now).await
            }
            Asked::Refused(refusal) => {
                let (code, text) = refusal.code_and_text();
                mpesa_request::taken(self.db, id, &Taken::Refused { code, text: &text }, self.now).await
            }
            Asked::Unknown(why) => {
                mpesa_request::taken(self.db, id, &Taken::Unknown { text: &why.to_string() }, self.now).await
            }
        }
    }
}

/// Works on one stored answer, or on the news that there is none.
pub(crate) async fn judge(app: &App, event: &Event) -> Result<Outcome, StoreError> {
    let Some(id) = event.request else { return Ok(Outcome::Unmatched) };
    let request = mpesa_request::get(&app.db, id).await?;
    if event.provider == RESULT_TIMEOUT {
        let answer = Answer { state: State::TimedOut, code: "", text: "M-Pesa did not come to it in time", proof: "" };
        return end(app, &request, &answer).await;
    }
    let Ok(verdict) = Verdict::parse(&event.body) else { return Ok(Outcome::Unreadable) };
    let is_other = request
        .conversation_id
        .as_ref()
        .zip(verdict.conversation_id.as_ref())
        .is_some_and(|(known, told)| !known.is_empty() && known != told);
    if is_other {
        return Ok(Outcome::Unmatched);
    }
    end(app, &request, &answer(&request, &verdict)).await
}

/// What an answer comes to.
fn answer<'a>(request: &Request, verdict: &'a Verdict) -> Answer<'a> {
    let proof = verdict.transaction_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(&verdict.text);
    let plain = Answer { state: state(request, verdict), code: &verdict.code, text: &verdict.text, proof };
    if request.kind != Kind::Returned {
        return plain;
    }
    // The question has a name of its own, which proves nothing.
    match verdict.of_return(&request.receipt, request.amount) {
        Way::Gone(Some(_)) => Answer { proof: verdict.value("ReceiptNo").unwrap_or(REVERSED), ..plain },
        Way::Gone(None) => Answer { proof: REVERSED, ..plain },
        Way::Stands => Answer { text: STANDS, ..plain },
        Way::NotDone | Way::Unclear => plain,
    }
}

/// Where a request stands after this answer.
fn state(request: &Request, verdict: &Verdict) -> State {
    match request.kind {
        Kind::Reversal if verdict.is_done() => State::Succeeded,
        Kind::Reversal => State::Failed,
        Kind::Status => match verdict.of_payment(&request.receipt, request.amount) {
            Word::Same => State::Succeeded,
            Word::Other => State::Denied,
            Word::None => State::Failed,
        },
        Kind::Returned => match verdict.of_return(&request.receipt, request.amount) {
            Way::Gone(_) => State::Succeeded,
            Way::NotDone => State::Denied,
            Way::Stands | Way::Unclear => State::Failed,
        },
    }
}

async fn end(app: &App, request: &Request, answer: &Answer<'_>) -> Result<Outcome, StoreError> {
    let kind = request.kind.as_str();
    match mpesa_request::ended(&app.db, request.id, answer, app.clock.now()).await? {
        Ended::Before => Ok(Outcome::Duplicate),
        Ended::Now { is_surprise } => {
            if is_surprise {
                tracing::error!(receipt = %request.receipt, "M-Pesa gave money back that the ledger does not owe");
            }
            let state = answer.state.as_str();
            tracing::info!(receipt = %request.receipt, kind, state, code = answer.code, "M-Pesa has answered");
            // The report that waits for it is worked on at once.
            app.events_wait.notify_one();
            Ok(Outcome::Noted)
        }
    }
}
