//! The simulator without its sockets: sessions, what guests do with them, refunds, idempotency keys and events, as a
//! function of requests and `now`.
//!
//! The shell hands in each request and calls [`Register::due_events`] when [`Register::next_event`] has passed. What it
//! refuses to do: read a clock, or send anything.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

mod books;

pub use self::books::Dispute;
use super::config::StripeConfig;
use super::wire::{self, Fault};
use crate::dice::Dice;

/// Most requests that the journal keeps; later ones are answered but not written down.
const JOURNAL_MAX: usize = 100_000;

/// What a guest does on the page of a session, or on the page of the bank behind it; each is a button there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// A good card (4242…).
    Pay,
    /// A card that the bank refuses (…0002). The guest may try again.
    Decline,
    /// A card without money (…9995). The guest may try again.
    NoFunds,
    /// A card whose bank wants to see its owner first (…3155).
    Authenticate,
    /// On the page of the bank: it is me.
    Approve,
    /// On the page of the bank: it is not.
    Refuse,
}

/// Why a bank has refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decline {
    /// `code` of the error.
    pub code: &'static str,
    /// Its `decline_code`.
    pub reason: &'static str,
    /// What the page says.
    pub message: &'static str,
}

const DECLINED: Decline =
    Decline { code: "card_declined", reason: "generic_decline", message: "Your card was declined." };
const NO_FUNDS: Decline =
    Decline { code: "card_declined", reason: "insufficient_funds", message: "Your card has insufficient funds." };
const NOT_AUTHENTICATED: Decline = Decline {
    code: "payment_intent_authentication_failure",
    reason: "authentication_required",
    message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
};

/// Where a choice leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Back to the shop.
    Away(String),
    /// To the page of the bank.
    Bank,
    /// To the page of the session, which says why.
    Again,
}

/// How a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It can be paid.
    Open,
    /// It is paid.
    Paid,
    /// It is over.
    Expired,
}

/// A Checkout Session.
#[derive(Clone, Debug)]
pub struct Session {
    /// `cs_test_…`
    pub id: String,
    /// How it stands.
    pub state: State,
    /// `pi_…`, once somebody has tried to pay.
    pub payment_intent: Option<String>,
    /// As Stripe writes amounts.
    pub amount: i64,
    /// In small letters.
    pub currency: String,
    /// What is bought.
    pub name: String,
    /// Where the guest goes after paying, as it was given.
    pub success_url: String,
    /// Where the guest goes without paying.
    pub cancel_url: Option<String>,
    /// client_reference_id.
    pub reference: Option<String>,
    /// customer_email.
    pub email: Option<String>,
    /// Of the session.
    pub metadata: BTreeMap<String, String>,
    /// Of what is paid.
    pub payment_metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it is over.
    pub expires_at: OffsetDateTime,
    /// The bank's last word, if it was a refusal.
    pub declined: Option<Decline>,
    /// Whether the guest is at the page of the bank.
    pub at_bank: bool,
    /// What was given back.
    pub refunded: i64,
}

/// Money that was given back.
#[derive(Clone, Debug)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// From which payment.
    pub payment_intent: String,
    /// As Stripe writes amounts.
    pub amount: i64,
    /// In small letters.
    pub currency: String,
    /// As it was asked for.
    pub metadata: BTreeMap<String, String>,
    /// Why the card did not take it, if it did not.
    pub failed: Option<&'static str>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `evt_…`
    pub id: String,
    /// Its type.
    pub kind: &'static str,
    /// The session that it is about.
    pub session: String,
    /// Its body, the same each time it is sent.
    pub body: String,
    /// The answers to it: HTTP status, or `None` where there was none.
    pub answers: Vec<Option<u16>>,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When.
    pub at: OffsetDateTime,
    /// Method and path.
    pub line: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Idempotency-Key, if it had one.
    pub key: Option<String>,
    /// The form as it was posted.
    pub form: String,
}

/// An event that must be sent.
#[derive(Clone, Debug)]
pub(crate) struct DueEvent {
    pub(crate) event: usize,
    pub(crate) url: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// What was answered to an idempotency key.
#[derive(Clone, Debug)]
struct Kept {
    line: String,
    form: Vec<u8>,
    answer: Value,
}

/// The whole state of the simulator.
#[derive(Debug)]
pub struct Register {
    pub(crate) config: StripeConfig,
    /// While true, everything is answered with 500.
    pub(crate) outage: bool,
    /// While true, events that become due are lost.
    pub(crate) losing: bool,
    /// While true, what is kept of payments is not written down yet.
    pub(crate) books_are_late: bool,
    base: String,
    sessions: Vec<Session>,
    refunds: Vec<Refund>,
    disputes: Vec<Dispute>,
    events: Vec<Sent>,
    /// Moment and event.
    schedule: BTreeSet<(OffsetDateTime, usize)>,
    kept: BTreeMap<String, Kept>,
    journal: Vec<Recorded>,
    dice: Dice,
    requests: u64,
}

impl Register {
    pub(crate) fn new(config: StripeConfig, base: String) -> Register {
        Register {
            dice: config.seed.map_or_else(Dice::shaken, Dice::seeded),
            config,
            outage: false,
            losing: false,
            books_are_late: false,
            base,
            sessions: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            events: Vec::new(),
            schedule: BTreeSet::new(),
            kept: BTreeMap::new(),
            journal: Vec::new(),
            requests: 0,
        }
    }

    /// Every session, oldest first.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Every refund, oldest first.
    #[must_use]
    pub fn refunds(&self) -> &[Refund] {
        &self.refunds
    }

    /// Every event, oldest first.
    #[must_use]
    pub fn events(&self) -> &[Sent] {
        &self.events
    }

    /// Every request, oldest first.
    #[must_use]
    pub fn journal(&self) -> &[Recorded] {
        &self.journal
    }

    /// The session of that name.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Whether a request may be answered at all: outage first, then the key, as a bearer's token or as a user's name.
    pub(crate) fn admit(&self, authorization: Option<&str>) -> Result<(), Fault> {
        if self.outage {
            return Err(Fault::new(500, "api_error", "", "An unknown error occurred"));
        }
        let key = &self.config.secret_key;
        let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
        let good = authorization.is_some_and(|header| header == format!("Bearer {key}") || header == basic);
        let refused = || Fault::new(401, "invalid_request_error", "", "Invalid API Key provided: sk_test_****");
        good.then_some(()).ok_or_else(refused)
    }

    /// Does something once for an idempotency key. The same request again has the first answer; another request with
    /// the key is refused. What fails its checks is not kept.
    pub(crate) fn once(
        &mut self,
        key: Option<&str>,
        line: &str,
        form: &[u8],
        act: impl FnOnce(&mut Register) -> Result<Value, Fault>,
    ) -> Result<Value, Fault> {
        let Some(key) = key else { return act(self) };
        if let Some(kept) = self.kept.get(key) {
            if kept.line == line && kept.form == form {
                return Ok(kept.answer.clone());
            }
            let message =
                "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            return Err(Fault::new(400, "idempotency_error", "", message));
        }
        let answer = act(self)?;
        let kept = Kept { line: line.to_owned(), form: form.to_owned(), answer: answer.clone() };
        self.kept.insert(key.to_owned(), kept);
        Ok(answer)
    }

    /// `POST /v1/checkout/sessions`
    pub(crate) fn create(&mut self, now: OffsetDateTime, form: &[u8]) -> Result<Value, Fault> {
        let wish = wire::read_checkout(form, now, self.config.smallest)?;
        let session = Session {
            id: self.name("cs_test_"),
            state: State::Open,
            payment_intent: None,
            amount: wish.amount,
            currency: wish.currency,
            name: wish.name,
            success_url: wish.success_url,
            cancel_url: wish.cancel_url,
            reference: wish.reference,
            email: wish.email,
            metadata: wish.metadata,
            payment_metadata: wish.payment_metadata,
            created_at: now,
            expires_at: wish.expires_at,
            declined: None,
            at_bank: false,
            refunded: 0,
        };
        let answer = wire::session(&session, &self.base, false);
        self.sessions.push(session);
        Ok(answer)
    }

    /// `GET /v1/checkout/sessions/{id}`
    pub(crate) fn look(&mut self, now: OffsetDateTime, id: &str, with_payment: bool) -> Result<Value, Fault> {
        self.end_what_is_over(now);
        let session = self.session(id).ok_or_else(|| Fault::missing("checkout.session", id))?;
        Ok(wire::session(session, &self.base, with_payment))
    }

    /// `POST /v1/checkout/sessions/{id}/expire`
    pub(crate) fn expire(&mut self, now: OffsetDateTime, id: &str) -> Result<Value, Fault> {
        self.end_what_is_over(now);
        let index = self.find(id)?;
        if self.sessions[index].state != State::Open {
            let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
            return Err(Fault::request("", message));
        }
        self.end(now, index);
        Ok(wire::session(&self.sessions[index], &self.base, false))
    }

    /// `POST /v1/refunds`
    pub(crate) fn refund(&mut self, now: OffsetDateTime, form: &[u8]) -> Result<Value, Fault> {
        let wish = wire::read_refund(form)?;
        let intent = wish.payment_intent;
        let is_it =
            |session: &Session| session.payment_intent.as_ref() == Some(&intent) && session.state == State::Paid;
        let index = self.sessions.iter().position(is_it).ok_or_else(|| Fault::missing("payment_intent", &intent))?;
        let left = self.sessions[index].amount - self.sessions[index].refunded;
        if left == 0 {
            return Err(Fault::request("charge_already_refunded", "Charge has already been refunded."));
        }
        let amount = wish.amount.unwrap_or(left);
        if amount > left {
            return Err(Fault::request(
                "",
                format!("Refund amount ({amount}) is greater than unrefunded amount ({left})"),
            ));
        }
        self.sessions[index].refunded += amount;
        let currency = self.sessions[index].currency.clone();
        let refund = Refund {
            id: self.name("re_"),
            payment_intent: intent,
            amount,
            currency,
            metadata: wish.metadata,
            failed: None,
            created_at: now,
        };
        let answer = wire::refund(&refund, false);
        self.refunds.push(refund);
        self.report(now, index, "charge.refunded", wire::charge(&self.sessions[index]));
        Ok(answer)
    }

    /// What a guest does.
    pub(crate) fn choose(&mut self, now: OffsetDateTime, id: &str, choice: Choice) -> Result<Next, Fault> {
        self.end_what_is_over(now);
        let index = self.find(id)?;
        let (state, at_bank) = (self.sessions[index].state, self.sessions[index].at_bank);
        let belongs_to_bank = matches!(choice, Choice::Approve | Choice::Refuse);
        if state != State::Open || at_bank != belongs_to_bank {
            return Err(Fault::request("", "This page is no longer available."));
        }
        if self.sessions[index].payment_intent.is_none() {
            self.sessions[index].payment_intent = Some(self.name("pi_"));
        }
        let session = &mut self.sessions[index];
        session.at_bank = choice == Choice::Authenticate;
        session.declined = match choice {
            Choice::Decline => Some(DECLINED),
            Choice::NoFunds => Some(NO_FUNDS),
            Choice::Refuse => Some(NOT_AUTHENTICATED),
            Choice::Pay | Choice::Approve | Choice::Authenticate => None,
        };
        match choice {
            Choice::Authenticate => return Ok(Next::Bank),
            Choice::Decline | Choice::NoFunds | Choice::Refuse => return Ok(Next::Again),
            Choice::Pay | Choice::Approve => session.state = State::Paid,
        }
        let back = wire::success_url(session);
        self.report_session(now, index, "checkout.session.completed");
        Ok(Next::Away(back))
    }

    /// When the next event is due, or the next session ends.
    #[must_use]
    pub fn next_event(&self) -> Option<OffsetDateTime> {
        let scheduled = self.schedule.first().map(|(at, _)| *at);
        let open = self.sessions.iter().filter(|session| session.state == State::Open);
        open.map(|session| session.expires_at).chain(scheduled).min()
    }

    /// Takes the events that are due.
    pub(crate) fn due_events(&mut self, now: OffsetDateTime) -> Vec<DueEvent> {
        self.end_what_is_over(now);
        let mut due = Vec::new();
        while let Some(&(at, event)) = self.schedule.first().filter(|(at, _)| *at <= now) {
            self.schedule.remove(&(at, event));
            if !self.losing {
                due.extend(self.due(now, event));
            }
        }
        due
    }

    /// An event, whatever the schedule says.
    pub(crate) fn event(&self, now: OffsetDateTime, id: &str) -> Option<DueEvent> {
        self.due(now, self.events.iter().position(|event| event.id == id)?)
    }

    /// Records how an event was answered.
    pub(crate) fn answered(&mut self, event: usize, status: Option<u16>) {
        if let Some(event) = self.events.get_mut(event) {
            event.answers.push(status);
        }
    }

    /// Writes a request down.
    pub(crate) fn write_down(&mut self, request: Recorded) {
        if self.journal.len() < JOURNAL_MAX {
            self.journal.push(request);
        }
    }

    /// `Request-Id` of an answer.
    pub(crate) fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("req_{:014}", self.requests)
    }

    fn find(&self, id: &str) -> Result<usize, Fault> {
        let found = self.sessions.iter().position(|session| session.id == id);
        found.ok_or_else(|| Fault::missing("checkout.session", id))
    }

    fn name(&mut self, kind: &str) -> String {
        format!("{kind}{}", hex::encode(self.dice.octets::<12>()))
    }

    fn end_what_is_over(&mut self, now: OffsetDateTime) {
        let is_over = |session: &Session| session.state == State::Open && session.expires_at <= now;
        while let Some(index) = self.sessions.iter().position(is_over) {
            self.end(now, index);
        }
    }

    fn end(&mut self, now: OffsetDateTime, index: usize) {
        self.sessions[index].state = State::Expired;
        self.report_session(now, index, "checkout.session.expired");
    }

    fn report_session(&mut self, now: OffsetDateTime, index: usize, kind: &'static str) {
        self.report(now, index, kind, wire::session(&self.sessions[index], &self.base, false));
    }

    /// Writes an event down, to be sent after the delay.
    fn report(&mut self, now: OffsetDateTime, session: usize, kind: &'static str, object: Value) {
        let id = self.name("evt_");
        let body = wire::event(&id, kind, object, now);
        let session = self.sessions[session].id.clone();
        self.schedule.insert((now + self.config.delay, self.events.len()));
        self.events.push(Sent { id, kind, session, body, answers: Vec::new() });
    }

    /// An event as it is sent now; `None` while nobody wants any.
    fn due(&self, now: OffsetDateTime, event: usize) -> Option<DueEvent> {
        let body = self.events.get(event)?.body.clone();
        let signature = wire::signature(&self.config.webhook_secret, now, &body);
        Some(DueEvent { event, url: self.config.webhook_url.clone()?, signature, body })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FORM: &str = "mode=payment&line_items[0][quantity]=1&line_items[0][price_data][currency]=kes\
        &line_items[0][price_data][unit_amount]=7000&line_items[0][price_data][product_data][name]=1+hour\
        &success_url=https://wifi.example/o/x?s={CHECKOUT_SESSION_ID}&payment_intent_data[metadata][payment]=payment-1\
        &client_reference_id=payment-1&expires_at=1800001800";

    fn register() -> (Register, OffsetDateTime) {
        let mut config = StripeConfig::new("sk_test_1", "whsec_1");
        (config.seed, config.webhook_url) = (Some(1), Some("http://x/hook".to_owned()));
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
        (Register::new(config, "http://stripe".to_owned()), now)
    }

    fn open(register: &mut Register, now: OffsetDateTime) -> String {
        let answer = register.create(now, FORM.as_bytes()).expect("a good form");
        assert!(answer["payment_intent"].is_null() && answer["status"] == "open", "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    fn kinds(register: &Register) -> Vec<&'static str> {
        register.events().iter().map(|event| event.kind).collect()
    }

    #[test]
    fn the_key_is_asked_for_in_either_spelling() {
        let (mut register, _) = register();
        let basic = format!("Basic {}", STANDARD.encode("sk_test_1:"));
        assert!(register.admit(Some("Bearer sk_test_1")).is_ok() && register.admit(Some(&basic)).is_ok());
        assert_eq!(register.admit(Some("Bearer x")).expect_err("refused").status, 401);
        assert_eq!(register.admit(None).expect_err("refused").status, 401);
        register.outage = true;
        assert_eq!(register.admit(Some("Bearer sk_test_1")).expect_err("refused").status, 500);
    }

    #[test]
    fn a_guest_pays_and_an_event_follows() {
        let (mut register, now) = register();
        let id = open(&mut register, now);
        let next = register.choose(now, &id, Choice::Pay).expect("open");
        assert_eq!(next, Next::Away(format!("https://wifi.example/o/x?s={id}")));
        assert!(register.choose(now, &id, Choice::Pay).is_err(), "only once");
        let paid = register.look(now, &id, true).expect("there");
        assert_eq!((&paid["payment_status"], &paid["amount_total"]), (&Value::from("paid"), &Value::from(7000)));
        assert_eq!(paid["payment_intent"]["status"], "succeeded");
        assert!(register.due_events(now).is_empty());
        let due = register.due_events(now + Duration::from_millis(300));
        assert_eq!(due.len(), 1);
        let event: Value = serde_json::from_str(&due[0].body).expect("JSON");
        assert_eq!(event["type"], "checkout.session.completed");
        assert_eq!(event["data"]["object"]["client_reference_id"], "payment-1");
        assert!(due[0].signature.starts_with("t=1800000000,v1="), "{}", due[0].signature);
        let again = register.event(now, event["id"].as_str().expect("an id")).expect("there");
        assert_eq!(again.body, due[0].body);
    }

    #[test]
    fn a_declined_card_leaves_the_session_open() {
        let (mut register, now) = register();
        let id = open(&mut register, now);
        for (choice, reason) in [(Choice::Decline, "generic_decline"), (Choice::NoFunds, "insufficient_funds")] {
            assert_eq!(register.choose(now, &id, choice), Ok(Next::Again));
            let session = register.look(now, &id, true).expect("there");
            assert_eq!(session["status"], "open");
            assert_eq!(session["payment_intent"]["last_payment_error"]["decline_code"], reason);
        }
        assert!(matches!(register.choose(now, &id, Choice::Pay), Ok(Next::Away(_))));
        assert_eq!(kinds(&register), ["checkout.session.completed"]);
    }

    #[test]
    fn the_bank_is_asked_on_a_page_of_its_own() {
        let (mut register, now) = register();
        let id = open(&mut register, now);
        assert!(register.choose(now, &id, Choice::Approve).is_err(), "nobody is there yet");
        assert_eq!(register.choose(now, &id, Choice::Authenticate), Ok(Next::Bank));
        assert!(register.choose(now, &id, Choice::Pay).is_err(), "the guest is at the bank");
        assert_eq!(register.choose(now, &id, Choice::Refuse), Ok(Next::Again));
        assert_eq!(register.choose(now, &id, Choice::Authenticate), Ok(Next::Bank));
        assert!(matches!(register.choose(now, &id, Choice::Approve), Ok(Next::Away(_))));
    }

    #[test]
    fn a_session_ends_by_itself_and_by_request() {
        let (mut register, now) = register();
        let (first, second) = (open(&mut register, now), open(&mut register, now));
        let ended = register.expire(now, &first).expect("open");
        assert!(ended["status"] == "expired" && ended["url"].is_null(), "{ended}");
        assert_eq!(register.expire(now, &first).expect_err("not open").status, 400);
        let end = now + Duration::from_secs(1800);
        assert_eq!(register.look(now, &second, false).expect("there")["status"], "open");
        assert!(register.choose(end, &second, Choice::Pay).is_err());
        assert_eq!(kinds(&register), ["checkout.session.expired"; 2]);
        assert_eq!(register.expire(now, "cs_0").expect_err("unknown").code, "resource_missing");
    }

    #[test]
    fn a_key_does_a_thing_once() {
        let (mut register, now) = register();
        let mut create = |key, form: &str| {
            register.once(key, "POST /v1/checkout/sessions", form.as_bytes(), |register| {
                register.create(now, form.as_bytes())
            })
        };
        let first = create(Some("a"), FORM).expect("made");
        assert_eq!(create(Some("a"), FORM).expect("repeated"), first);
        assert_ne!(create(Some("b"), FORM).expect("made")["id"], first["id"]);
        assert_ne!(create(None, FORM).expect("made")["id"], first["id"]);
        let other = FORM.replace("7000", "7100");
        assert_eq!(create(Some("a"), &other).expect_err("other parameters").kind, "idempotency_error");
        assert_eq!(create(Some("c"), "mode=x").expect_err("bad").code, "parameter_invalid");
        assert!(create(Some("c"), FORM).is_ok(), "what failed its checks is not kept");
        assert_eq!(register.sessions().len(), 4);
    }

    #[test]
    fn money_is_given_back_up_to_what_came() {
        let (mut register, now) = register();
        let id = open(&mut register, now);
        register.choose(now, &id, Choice::Pay).expect("open");
        let intent = register.session(&id).and_then(|session| session.payment_intent.clone()).expect("paid");
        let mut refund = |amount: &str| register.refund(now, format!("payment_intent={intent}{amount}").as_bytes());
        assert_eq!(refund("&amount=2000").expect("some")["amount"], 2000);
        assert_eq!(refund("&amount=5001").expect_err("too much").status, 400);
        assert_eq!(refund("").expect("the rest")["amount"], 5000);
        assert_eq!(refund("").expect_err("nothing left").code, "charge_already_refunded");
        assert_eq!(kinds(&register)[1..], ["charge.refunded"; 2]);
        assert!(register.dispute(now, &id, false) && !register.dispute(now, "cs_0", false));
        assert_eq!(register.refund(now, b"payment_intent=pi_0").expect_err("unknown").code, "resource_missing");
    }

    #[test]
    fn the_books_have_a_line_for_each_way_that_money_goes() {
        let (mut register, now) = register();
        (register.config.fee, register.config.dispute_fee) = ((29, 30), 1500);
        let id = open(&mut register, now);
        register.choose(now, &id, Choice::Pay).expect("open");
        let intent = register.session(&id).and_then(|session| session.payment_intent.clone()).expect("paid");
        let paid = register.look_at_payment(&intent, true).expect("there");
        assert_eq!(paid["latest_charge"]["balance_transaction"]["fee"], 7000 * 29 / 1000 + 30);
        register.books_are_late = true;
        assert!(
            register.look_at_payment(&intent, true).expect("there")["latest_charge"]["balance_transaction"].is_null()
        );
        register.books_are_late = false;
        let refund =
            register.refund(now, format!("payment_intent={intent}&amount=500").as_bytes()).expect("given back");
        assert_eq!(register.look_at_refunds(&intent, true)["data"][0]["balance_transaction"]["amount"], -500);
        let refund = refund["id"].as_str().expect("an id");
        assert!(register.fail_refund(now, refund) && !register.fail_refund(now, refund), "it fails once");
        assert_eq!(register.look_at_refund(refund).expect("there")["status"], "failed");
        assert_eq!(register.session(&id).expect("there").refunded, 0);

        assert!(register.dispute(now, &id, false) && register.decide(now, &id, true));
        let dispute = register.disputes[0].id.clone();
        let lines = &register.look_at_dispute(&dispute).expect("there")["balance_transactions"];
        assert_eq!((&lines[0]["amount"], &lines[1]["fee"]), (&Value::from(-7000), &Value::from(-1500)));
        assert_eq!(register.look_at_dispute("dp_0").expect_err("unknown").code, "resource_missing");
        let expected = [
            "charge.refunded",
            "refund.updated",
            "refund.failed",
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
            "charge.dispute.closed",
        ];
        assert_eq!(kinds(&register)[1..], expected);
    }

    #[test]
    fn events_are_lost_while_told_so_and_can_be_sent_later() {
        let (mut register, now) = register();
        let id = open(&mut register, now);
        register.choose(now, &id, Choice::Pay).expect("open");
        register.losing = true;
        assert!(register.due_events(now + Duration::from_secs(9)).is_empty());
        let event = register.events()[0].id.clone();
        assert!(register.event(now, &event).is_some());
        register.config.webhook_url = None;
        assert!(register.event(now, &event).is_none());
    }
}
