//! The simulator without its sockets: tokens, payments and their callbacks, as a function of requests and `now`.
//!
//! The shell hands in each request and calls [`Till::due_callbacks`] when [`Till::next_callback`] has passed.
//! What it refuses to do: read a clock, or send anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::back::{Reversal, WayBack};
use super::config::DarajaConfig;
use super::fate::{Answer, Fate, Odds, Says};
use super::outcome::{NO_RESPONSE, Outcome};
use super::wire::{self, Callback, Fault, Push};
use crate::dice::Dice;

/// Most requests that the journal keeps; later ones are answered but not written down.
const JOURNAL_MAX: usize = 100_000;

/// Letters of a receipt number.
const RECEIPT_LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// One payment that was pushed to a phone.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// MerchantRequestID.
    pub merchant_request_id: String,
    /// CheckoutRequestID.
    pub checkout_request_id: String,
    /// The customer, `254…`.
    pub phone: String,
    /// Whole shillings.
    pub amount: u64,
    /// AccountReference.
    pub reference: String,
    /// TransactionDesc.
    pub description: String,
    /// CallBackURL. It may hold a secret of the order and is not shown on the page.
    #[serde(skip)]
    pub callback_url: String,
    /// The story.
    pub outcome: Outcome,
    /// What goes wrong around it.
    #[serde(skip)]
    pub fate: Fate,
    /// What is collected when it is decided, whole shillings; 0 in a story without money.
    pub collected: u64,
    /// MpesaReceiptNumber, if it is a story with money; it counts from `decided_at` on.
    pub receipt: Option<String>,
    /// When it was pushed.
    #[serde(with = "time::serde::timestamp")]
    pub pushed_at: OffsetDateTime,
    /// When it is decided.
    #[serde(with = "time::serde::timestamp")]
    pub decided_at: OffsetDateTime,
    /// Callbacks that were sent, with the HTTP status of the answer (`None`: no answer).
    pub callbacks: Vec<Option<u16>>,
    /// The same, with when each was answered or given up, and what it said.
    #[serde(skip)]
    pub told: Vec<Told>,
    /// How often it was asked about.
    pub queries: u32,
}

/// A callback that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// When it was sent.
    pub sent: OffsetDateTime,
    /// When it was answered, or given up.
    pub at: OffsetDateTime,
    /// What it said.
    pub says: Says,
    /// The HTTP status of the answer; `None`: there was none.
    pub status: Option<u16>,
}

impl Transaction {
    /// What the customer has paid by then, whole shillings; `None`: nothing.
    #[must_use]
    pub fn collected_by(&self, now: OffsetDateTime) -> Option<u64> {
        (self.outcome.is_paid() && self.decided_at <= now).then_some(self.collected)
    }
}

/// A request that came in.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// When.
    #[serde(with = "time::serde::timestamp")]
    pub at: OffsetDateTime,
    /// Path of the request.
    pub path: String,
    /// HTTP status of the answer; 0 where the connection was cut instead.
    pub status: u16,
    /// The body as JSON without its Password; null if it was none.
    pub body: Value,
}

/// A callback that must be sent.
#[derive(Clone, Debug)]
pub(crate) struct DueCallback {
    pub(crate) transaction: usize,
    pub(crate) says: Says,
    pub(crate) url: String,
    pub(crate) body: String,
}

/// What a push came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pushed {
    pub(crate) answer: Value,
    /// What becomes of the answer.
    pub(crate) way: Answer,
}

/// The whole state of the simulator.
#[derive(Debug)]
pub struct Till {
    pub(crate) config: DarajaConfig,
    /// While true, everything is answered with 503.
    pub(crate) outage: bool,
    tokens: BTreeMap<String, OffsetDateTime>,
    stories: BTreeMap<String, Outcome>,
    odds: Odds,
    /// Seed of the fates.
    fate_seed: u64,
    decreed: BTreeMap<String, Fate>,
    /// How often each number was pushed to.
    pushes: BTreeMap<String, u64>,
    transactions: Vec<Transaction>,
    /// Where each stands among them, by its CheckoutRequestID.
    by_reference: HashMap<String, usize>,
    /// Moment, transaction, and which of its callbacks.
    schedule: BTreeSet<(OffsetDateTime, usize, usize)>,
    journal: Vec<Recorded>,
    dice: Dice,
    requests: u64,
    /// What becomes of reversals from now on.
    pub(crate) way_back: WayBack,
    pub(super) reversals: Vec<Reversal>,
    /// How often Transaction Status was asked.
    pub(super) questions: u32,
}

impl Till {
    pub(crate) fn new(config: DarajaConfig) -> Till {
        Till {
            dice: config.seed.map_or_else(Dice::shaken, Dice::seeded),
            config,
            outage: false,
            tokens: BTreeMap::new(),
            stories: BTreeMap::new(),
            odds: Odds::NONE,
            fate_seed: 0,
            decreed: BTreeMap::new(),
            pushes: BTreeMap::new(),
            transactions: Vec::new(),
            by_reference: HashMap::new(),
            schedule: BTreeSet::new(),
            journal: Vec::new(),
            requests: 0,
            way_back: WayBack::default(),
            reversals: Vec::new(),
            questions: 0,
        }
    }

    /// Every payment, oldest first.
    #[must_use]
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// Where the payment with this CheckoutRequestID stands among all.
    pub(crate) fn index_of(&self, checkout_request_id: &str) -> Option<usize> {
        self.by_reference.get(checkout_request_id).copied()
    }

    /// Every request, oldest first.
    #[must_use]
    pub fn journal(&self) -> &[Recorded] {
        &self.journal
    }

    /// Requests to a path.
    pub fn requests_to<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Recorded> {
        self.journal.iter().filter(move |recorded| recorded.path == path)
    }

    /// Gives a number a story other than that of its last digit.
    pub(crate) fn tell(&mut self, phone: &str, outcome: Outcome) {
        self.stories.insert(phone.to_owned(), outcome);
    }

    /// Gives a number this fate, whatever the odds.
    pub(crate) fn decree(&mut self, phone: &str, fate: Fate) {
        self.decreed.insert(phone.to_owned(), fate);
    }

    /// How often something goes wrong from now on, by the dice of that seed.
    pub(crate) fn set_odds(&mut self, odds: Odds, seed: u64) {
        (self.odds, self.fate_seed) = (odds, seed);
    }

    /// Makes every token invalid, as Daraja does now and then.
    pub(crate) fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// `GET /oauth/v1/generate`. Wrong credentials get 400 with an empty body, which is `None`.
    pub(crate) fn grant(
        &mut self,
        now: OffsetDateTime,
        grant_type: &str,
        authorization: Option<&str>,
    ) -> Result<Value, Option<Fault>> {
        let expected = STANDARD.encode(format!("{}:{}", self.config.consumer_key, self.config.consumer_secret));
        if authorization.and_then(|header| header.strip_prefix("Basic ")) != Some(expected.as_str()) {
            return Err(None);
        }
        if grant_type != "client_credentials" {
            return Err(Some(Fault::new(400, "400.008.02", "Invalid grant type passed")));
        }
        let token = hex::encode(self.dice.octets::<14>());
        let life = self.config.token_life;
        self.tokens.retain(|_, end| *end > now);
        self.tokens.insert(token.clone(), now + life);
        Ok(json!({ "access_token": token, "expires_in": life.as_secs().to_string() }))
    }

    /// Whether a request carries a token that is still good.
    pub(crate) fn authorize(&self, now: OffsetDateTime, authorization: Option<&str>) -> Result<(), Fault> {
        let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Fault::new(404, "404.001.04", "Invalid Authentication Header"))?;
        let good = self.tokens.get(token).is_some_and(|end| *end > now);
        good.then_some(()).ok_or_else(|| Fault::new(404, "404.001.03", "Invalid Access Token"))
    }

    /// `POST /mpesa/stkpush/v1/processrequest`, once the token is checked.
    pub(crate) fn push(&mut self, now: OffsetDateTime, body: &[u8]) -> Result<Pushed, Fault> {
        let push = wire::read_push(&self.config, body)?;
        let told = self.stories.get(&push.phone).copied();
        let outcome = told.unwrap_or_else(|| Outcome::of_phone(&push.phone));
        let fate = self.fate(&push, outcome);
        if fate.answer == Answer::Refused {
            return Err(wire::broken());
        }
        let (index, way) = (self.transactions.len(), fate.answer);
        for (which, report) in fate.reports.iter().enumerate() {
            self.schedule.insert((now + report.after, index, which));
        }
        let transaction = self.record(now, outcome, fate, push);
        let answer = wire::push_answer(&transaction.merchant_request_id, &transaction.checkout_request_id);
        self.by_reference.insert(transaction.checkout_request_id.clone(), index);
        self.transactions.push(transaction);
        Ok(Pushed { answer, way })
    }

    /// What becomes of a push: as a test has decreed, or as the dice of its number fall.
    fn fate(&mut self, push: &Push, outcome: Outcome) -> Fate {
        let pushes = self.pushes.entry(push.phone.clone()).or_default();
        *pushes += 1;
        if let Some(fate) = self.decreed.get(&push.phone) {
            return fate.clone();
        }
        let usual = Fate::of(outcome, self.config.delay, self.config.silence);
        let number: u64 = push.phone.parse().expect("a number of twelve digits was checked");
        let mut dice = Dice::seeded(self.fate_seed ^ (number << 16) ^ *pushes);
        usual.changed(&self.odds, &mut dice, outcome, push.amount)
    }

    fn record(&mut self, now: OffsetDateTime, outcome: Outcome, fate: Fate, push: Push) -> Transaction {
        let number = self.transactions.len() + 1;
        let receipt: String = (0..10).map(|_| char::from(RECEIPT_LETTERS[self.dice.between(0, 35) as usize])).collect();
        Transaction {
            merchant_request_id: format!("{}-{}-1", self.dice.between(10_000, 99_999), 34_620_000 + number),
            checkout_request_id: format!("ws_CO_{}{number:06}", wire::east_africa(now)),
            phone: push.phone,
            amount: push.amount,
            reference: push.reference,
            description: push.description,
            callback_url: push.callback_url,
            outcome,
            receipt: outcome.is_paid().then_some(receipt),
            collected: if outcome.is_paid() { fate.collects.unwrap_or(push.amount) } else { 0 },
            pushed_at: now,
            decided_at: now + fate.decided,
            fate,
            callbacks: Vec::new(),
            told: Vec::new(),
            queries: 0,
        }
    }

    /// `POST /mpesa/stkpushquery/v1/query`, once the token is checked.
    pub(crate) fn query(&mut self, now: OffsetDateTime, body: &[u8]) -> Result<Value, Fault> {
        let id = wire::read_query(&self.config, body)?;
        let index = self.index_of(&id).ok_or_else(wire::unknown_checkout)?;
        let transaction = &mut self.transactions[index];
        transaction.queries += 1;
        if now < transaction.decided_at {
            return Err(wire::pending());
        }
        let verdict = transaction.outcome.verdict();
        Ok(wire::query_answer(&transaction.merchant_request_id, &id, verdict))
    }

    /// What becomes of the answer to the query that has come.
    pub(crate) fn way_of_query(&mut self) -> Answer {
        self.odds.of_query(&mut self.dice)
    }

    /// When the next callback is due.
    #[must_use]
    pub fn next_callback(&self) -> Option<OffsetDateTime> {
        self.schedule.first().map(|(at, _, _)| *at)
    }

    /// Takes the callbacks that are due.
    pub(crate) fn due_callbacks(&mut self, now: OffsetDateTime) -> Vec<DueCallback> {
        let mut due = Vec::new();
        while let Some(&(at, transaction, which)) = self.schedule.first().filter(|(at, _, _)| *at <= now) {
            self.schedule.remove(&(at, transaction, which));
            let planned = self.transactions.get(transaction).and_then(|about| about.fate.reports.get(which));
            let says = planned.map_or(Says::Truth, |report| report.says);
            due.extend(self.callback(transaction, says));
        }
        due
    }

    /// The callback of a payment, whatever the schedule says.
    pub(crate) fn callback(&self, transaction: usize, says: Says) -> Option<DueCallback> {
        let about = self.transactions.get(transaction)?;
        let another = format!("ws_CO_another{transaction:06}");
        let callback = Callback {
            merchant_id: &about.merchant_request_id,
            checkout_id: if says == Says::AnotherPrompt { &another } else { &about.checkout_request_id },
            verdict: if says == Says::NoAnswer { NO_RESPONSE } else { about.outcome.verdict() },
            amount: about.collected,
            receipt: about.receipt.as_deref().unwrap_or_default(),
            decided_at: about.decided_at,
            phone: &about.phone,
        };
        Some(DueCallback { transaction, says, url: about.callback_url.clone(), body: callback.body() })
    }

    /// Records how a callback was answered.
    pub(crate) fn called_back(&mut self, transaction: usize, told: Told) {
        if let Some(transaction) = self.transactions.get_mut(transaction) {
            transaction.callbacks.push(told.status);
            transaction.told.push(told);
        }
    }

    /// Writes a request down.
    pub(crate) fn write_down(&mut self, now: OffsetDateTime, path: &str, status: u16, body: &[u8]) {
        if self.journal.len() == JOURNAL_MAX {
            return;
        }
        let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
        // The password holds the passkey.
        if let Some(fields) = body.as_object_mut() {
            fields.remove("Password");
            fields.remove("SecurityCredential");
        }
        self.journal.push(Recorded { at: now, path: path.to_owned(), status, body });
    }

    /// `requestId` of an error.
    pub(crate) fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("11728-{}-1", 2_929_992 + self.requests)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daraja::fate::Report;

    fn till() -> (Till, OffsetDateTime) {
        let mut config = DarajaConfig::new("key", "secret", "passkey");
        config.seed = Some(1);
        config.delay = Duration::from_secs(5);
        (Till::new(config), OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range"))
    }

    fn wish(phone: &str) -> Value {
        json!({
            "BusinessShortCode": "174379", "Password": STANDARD.encode("174379passkey20261124180000"),
            "Timestamp": "20261124180000", "TransactionType": "CustomerPayBillOnline", "Amount": "20",
            "PartyA": phone, "PartyB": "174379", "PhoneNumber": phone, "CallBackURL": "http://x/hook",
            "AccountReference": "ORDER1", "TransactionDesc": "Wi-Fi",
        })
    }

    fn push(till: &mut Till, now: OffsetDateTime, phone: &str) -> (String, bool) {
        let pushed = till.push(now, wish(phone).to_string().as_bytes()).expect("a good push");
        (pushed.answer["CheckoutRequestID"].as_str().expect("an id").to_owned(), pushed.way == Answer::Lost)
    }

    /// ResultCode, or errorCode while pending.
    fn query(till: &mut Till, now: OffsetDateTime, id: &str) -> String {
        let body = json!({
            "BusinessShortCode": "174379", "Password": STANDARD.encode("174379passkey20261124180000"),
            "Timestamp": "20261124180000", "CheckoutRequestID": id,
        });
        match till.query(now, body.to_string().as_bytes()) {
            Ok(answer) => answer["ResultCode"].as_str().expect("a string").to_owned(),
            Err(fault) => fault.code.to_owned(),
        }
    }

    fn callbacks_by(till: &mut Till, now: OffsetDateTime) -> usize {
        till.due_callbacks(now).len()
    }

    #[test]
    fn a_token_is_granted_for_the_right_key_and_ends() {
        let (mut till, now) = till();
        assert_eq!(till.grant(now, "client_credentials", Some("Basic x")), Err(None));
        let basic = format!("Basic {}", STANDARD.encode("key:secret"));
        assert!(matches!(till.grant(now, "password", Some(&basic)), Err(Some(_))));
        let granted = till.grant(now, "client_credentials", Some(&basic)).expect("granted");
        assert_eq!(granted["expires_in"], json!("3599"));
        let bearer = format!("Bearer {}", granted["access_token"].as_str().expect("a token"));
        assert_eq!(till.authorize(now, Some(&bearer)), Ok(()));
        let code = |result: Result<(), Fault>| result.expect_err("refused").code;
        assert_eq!(code(till.authorize(now + Duration::from_secs(3599), Some(&bearer))), "404.001.03");
        assert_eq!(code(till.authorize(now, None)), "404.001.04");
        till.forget_tokens();
        assert_eq!(code(till.authorize(now, Some(&bearer))), "404.001.03");
    }

    #[test]
    fn each_digit_has_its_code_and_number_of_callbacks() {
        let stories = [
            ("0", "0", 1),
            ("1", "1032", 1),
            ("2", "2001", 1),
            ("4", "0", 0),
            ("5", "0", 2),
            ("6", "1", 1),
            ("8", "1037", 1),
            ("9", "0", 1),
        ];
        for (digit, code, callbacks) in stories {
            let (mut till, now) = till();
            let (id, lost) = push(&mut till, now, &format!("25471234567{digit}"));
            assert_eq!(lost, digit == "9");
            let early = now + Duration::from_secs(4);
            assert_eq!(
                (query(&mut till, early, &id).as_str(), callbacks_by(&mut till, early)),
                ("500.001.1001", 0),
                "{digit}"
            );
            let decided = now + Duration::from_secs(5);
            assert_eq!(query(&mut till, decided, &id), code, "{digit}");
            assert_eq!(callbacks_by(&mut till, now + Duration::from_secs(60)), callbacks, "{digit}");
        }
    }

    #[test]
    fn a_silent_phone_is_pending_for_ninety_seconds_and_never_calls_back() {
        let (mut till, now) = till();
        let (id, _) = push(&mut till, now, "254712345673");
        assert_eq!(query(&mut till, now + Duration::from_secs(89), &id), "500.001.1001");
        assert_eq!(query(&mut till, now + Duration::from_secs(90), &id), "1037");
        assert_eq!(callbacks_by(&mut till, now + Duration::from_secs(1000)), 0);
    }

    #[test]
    fn a_late_callback_keeps_the_query_pending() {
        let (mut till, now) = till();
        let (id, _) = push(&mut till, now, "254712345677");
        assert_eq!(query(&mut till, now + Duration::from_secs(49), &id), "500.001.1001");
        assert_eq!(callbacks_by(&mut till, now + Duration::from_secs(50)), 1);
        assert_eq!(query(&mut till, now + Duration::from_secs(50), &id), "0");
    }

    fn bodies(till: &mut Till, now: OffsetDateTime) -> Vec<Value> {
        till.due_callbacks(now).iter().map(|due| serde_json::from_str(&due.body).expect("JSON")).collect()
    }

    #[test]
    fn a_decreed_fate_is_obeyed() {
        let (mut till, now) = till();
        let second = Duration::from_secs(1);
        let reports = [(1, Says::NoAnswer), (2, Says::AnotherPrompt), (3, Says::Truth)];
        let reports = reports.map(|(after, says)| Report { after: second * after, says }).to_vec();
        let fate = Fate { answer: Answer::Lost, decided: second * 2, collects: Some(15), reports };
        till.decree("254712345670", fate);
        let (id, lost) = push(&mut till, now, "254712345670");
        assert!(lost);
        assert_eq!(query(&mut till, now + second, &id), "500.001.1001");
        assert_eq!(query(&mut till, now + second * 2, &id), "0");
        let said = bodies(&mut till, now + second * 3);
        let inner: Vec<&Value> = said.iter().map(|body| &body["Body"]["stkCallback"]).collect();
        assert_eq!((&inner[0]["ResultCode"], &inner[0]["CheckoutRequestID"]), (&json!(1037), &json!(id)));
        assert_ne!(inner[1]["CheckoutRequestID"], json!(id));
        assert_eq!((&inner[2]["ResultCode"], &inner[2]["CheckoutRequestID"]), (&json!(0), &json!(id)));
        assert_eq!(inner[2]["CallbackMetadata"]["Item"][0]["Value"], json!(15.0));
        let paid = &till.transactions()[0];
        assert_eq!((paid.collected_by(now + second), paid.collected_by(now + second * 2)), (None, Some(15)));
    }

    #[test]
    fn a_refused_push_reaches_no_phone() {
        let (mut till, now) = till();
        let usual = Fate::of(Outcome::Paid, Duration::ZERO, Duration::ZERO);
        till.decree("254712345670", Fate { answer: Answer::Refused, ..usual });
        let body = wish("254712345670").to_string();
        assert_eq!(till.push(now, body.as_bytes()).expect_err("refused").status, 500);
        assert!(till.transactions().is_empty() && till.next_callback().is_none());
    }

    #[test]
    fn a_seed_gives_the_same_fates_in_any_order() {
        let phones: Vec<String> = (0..50).map(|number| format!("2547000000{number:02}")).collect();
        let fates = |seed, phones: Vec<&String>| {
            let (mut till, now) = till();
            till.set_odds(Odds { push_refused: 0, ..Odds::ROUGH }, seed);
            for phone in [phones.clone(), phones].concat() {
                push(&mut till, now, phone);
            }
            let mut fates: Vec<(String, String)> =
                till.transactions().iter().map(|t| (t.phone.clone(), format!("{:?}", t.fate))).collect();
            // Of one phone they stay in order.
            fates.sort_by(|one, other| one.0.cmp(&other.0));
            fates
        };
        let straight = fates(7, phones.iter().collect());
        assert_eq!(straight, fates(7, phones.iter().rev().collect()));
        assert_ne!(straight, fates(8, phones.iter().collect()));
    }

    #[test]
    fn a_story_can_be_told_and_the_journal_hides_the_password() {
        let (mut till, now) = till();
        till.tell("254712345670", Outcome::Cancelled);
        let (id, _) = push(&mut till, now, "254712345670");
        assert_eq!(query(&mut till, now + Duration::from_secs(5), &id), "1032");
        assert_eq!(query(&mut till, now, "ws_CO_0"), "400.002.02");
        till.write_down(now, "/x", 200, br#"{"Password":"p","Amount":1}"#);
        assert_eq!(till.journal()[0].body, json!({ "Amount": 1 }));
    }
}
