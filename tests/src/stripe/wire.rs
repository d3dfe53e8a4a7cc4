//! Stripe's forms and JSON: requests checked as Stripe checks them, answers and events in its shapes, signatures.
//!
//! Its habits are kept: brackets in the names of parameters, an unknown parameter is an error, a payment of a session
//! is null until somebody tries to pay, and the address of a session is gone when it is not open.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;
use url::{Url, form_urlencoded};

use super::register::{Dispute, Refund, Session, State};

/// The largest amount: eight digits.
const AMOUNT_MAX: i64 = 99_999_999;
/// How soon and how late a session may end.
const SESSION_LIFE: (Duration, Duration) = (Duration::from_secs(30 * 60), Duration::from_secs(24 * 3600));
/// The version of events.
const VERSION: &str = "2025-09-30.clover";

/// Parameters of a session, besides metadata.
const CHECKOUT: [&str; 13] = [
    "mode",
    "payment_method_types[0]",
    "payment_method_types[]",
    "client_reference_id",
    "customer_email",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
    "success_url",
    "cancel_url",
    "expires_at",
    "locale",
];
/// Parameters of a refund, besides metadata.
const REFUND: [&str; 3] = ["payment_intent", "amount", "reason"];

/// A refusal: HTTP status and the error that is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: u16, kind: &'static str, code: &'static str, message: impl Into<String>) -> Fault {
        Fault { status, kind, code, message: message.into() }
    }

    pub(crate) fn request(code: &'static str, message: impl Into<String>) -> Fault {
        Fault::new(400, "invalid_request_error", code, message)
    }

    pub(crate) fn missing(kind: &str, id: &str) -> Fault {
        Fault::new(404, "invalid_request_error", "resource_missing", format!("No such {kind}: '{id}'"))
    }

    fn invalid(name: &str) -> Fault {
        Fault::request("parameter_invalid", format!("Invalid {name}"))
    }

    pub(crate) fn body(&self) -> Value {
        let code = (!self.code.is_empty()).then_some(self.code);
        json!({ "error": { "type": self.kind, "code": code, "message": self.message } })
    }
}

/// A session that passed the checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Checkout {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) name: String,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) payment_metadata: BTreeMap<String, String>,
    pub(crate) expires_at: OffsetDateTime,
}

/// A refund that passed the checks; without an amount it is all that is left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RefundWish {
    pub(crate) payment_intent: String,
    pub(crate) amount: Option<i64>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A posted form. Of a name that comes twice the last one counts.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(body: &[u8]) -> Form {
        Form(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Refuses names that are neither listed nor metadata below one of these.
    fn only(&self, known: &[&str], metadata: &[&str]) -> Result<(), Fault> {
        let is_known = |name: &str| known.contains(&name) || metadata.iter().any(|start| name.starts_with(start));
        match self.0.keys().find(|name| !is_known(name)) {
            Some(name) => Err(Fault::request("parameter_unknown", format!("Received unknown parameter: {name}"))),
            None => Ok(()),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::request("parameter_missing", format!("Missing required param: {name}.")))
    }

    fn number(&self, name: &str) -> Result<i64, Fault> {
        self.need(name)?
            .parse()
            .map_err(|_| Fault::request("parameter_invalid_integer", format!("Invalid integer: {name}")))
    }

    /// What stands in brackets behind this start.
    fn metadata(&self, start: &str) -> BTreeMap<String, String> {
        let named = |(name, value): (&String, &String)| {
            let key = name.strip_prefix(start)?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(named).collect()
    }
}

/// Reads and checks the form of a session.
pub(crate) fn read_checkout(body: &[u8], now: OffsetDateTime, smallest: i64) -> Result<Checkout, Fault> {
    let form = Form::read(body);
    form.only(&CHECKOUT, &["metadata[", "payment_intent_data[metadata]["])?;
    if form.need("mode")? != "payment" {
        return Err(Fault::invalid("mode"));
    }
    if form.get("payment_method_types[0]").or(form.get("payment_method_types[]")).is_some_and(|kind| kind != "card") {
        return Err(Fault::invalid("payment_method_types"));
    }
    if form.number("line_items[0][quantity]")? != 1 {
        return Err(Fault::invalid("line_items[0][quantity]"));
    }
    let currency = form.need("line_items[0][price_data][currency]")?;
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_lowercase()) {
        return Err(Fault::request("", format!("Invalid currency: {currency}")));
    }
    let amount = form.number("line_items[0][price_data][unit_amount]")?;
    if amount < smallest {
        return Err(Fault::request("amount_too_small", "The Checkout Session's total amount due must be larger."));
    }
    if amount > AMOUNT_MAX {
        return Err(Fault::request("amount_too_large", "Amount must be no more than 99999999."));
    }
    let expires_at = match form.get("expires_at") {
        Some(_) => {
            OffsetDateTime::from_unix_timestamp(form.number("expires_at")?).map_err(|_| Fault::invalid("expires_at"))?
        }
        None => now + SESSION_LIFE.1,
    };
    if expires_at < now + SESSION_LIFE.0 || expires_at > now + SESSION_LIFE.1 {
        let message =
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
        return Err(Fault::request("", message));
    }
    Ok(Checkout {
        amount,
        currency: currency.to_owned(),
        name: form.need("line_items[0][price_data][product_data][name]")?.to_owned(),
        success_url: web(form.need("success_url")?, "success_url")?,
        cancel_url: form.get("cancel_url").map(|url| web(url, "cancel_url")).transpose()?,
        reference: form.get("client_reference_id").map(str::to_owned),
        email: email(form.get("customer_email"))?,
        metadata: form.metadata("metadata["),
        payment_metadata: form.metadata("payment_intent_data[metadata]["),
        expires_at,
    })
}

/// Reads and checks the form of a refund.
pub(crate) fn read_refund(body: &[u8]) -> Result<RefundWish, Fault> {
    let form = Form::read(body);
    form.only(&REFUND, &["metadata["])?;
    let reasons = ["duplicate", "fraudulent", "requested_by_customer"];
    if form.get("reason").is_some_and(|reason| !reasons.contains(&reason)) {
        return Err(Fault::invalid("reason"));
    }
    let amount = form.get("amount").map(|_| form.number("amount")).transpose()?;
    if amount.is_some_and(|amount| amount < 1) {
        return Err(Fault::request("parameter_invalid_integer", "This value must be greater than or equal to 1."));
    }
    let metadata = form.metadata("metadata[");
    Ok(RefundWish { payment_intent: form.need("payment_intent")?.to_owned(), amount, metadata })
}

fn web(text: &str, name: &str) -> Result<String, Fault> {
    // The place of the session's name is no part of an address.
    let is_web = Url::parse(&text.replace(PLACE, "x")).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web { Ok(text.to_owned()) } else { Err(Fault::request("url_invalid", format!("Not a valid URL: {name}"))) }
}

fn email(text: Option<&str>) -> Result<Option<String>, Fault> {
    match text {
        Some(text) if !text.contains('@') => {
            Err(Fault::request("email_invalid", format!("Invalid email address: {text}")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// What stands for the session's name in the address of success.
const PLACE: &str = "{CHECKOUT_SESSION_ID}";

/// Where the guest goes after paying.
pub(crate) fn success_url(session: &Session) -> String {
    session.success_url.replace(PLACE, &session.id)
}

/// A session as it is answered and reported.
pub(crate) fn session(session: &Session, base: &str, with_payment: bool) -> Value {
    let (status, payment_status) = match session.state {
        State::Open => ("open", "unpaid"),
        State::Paid => ("complete", "paid"),
        State::Expired => ("expired", "unpaid"),
    };
    let url = (session.state == State::Open).then(|| format!("{base}/c/pay/{}", session.id));
    let payment = match &session.payment_intent {
        Some(id) if with_payment => payment_intent(session, id),
        id => json!(id),
    };
    json!({
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "cancel_url": session.cancel_url,
        "client_reference_id": session.reference,
        "created": session.created_at.unix_timestamp(),
        "currency": session.currency,
        "customer_email": session.email,
        "expires_at": session.expires_at.unix_timestamp(),
        "livemode": false,
        "metadata": session.metadata,
        "mode": "payment",
        "payment_intent": payment,
        "payment_method_types": ["card"],
        "payment_status": payment_status,
        "status": status,
        "success_url": session.success_url,
        "url": url,
    })
}

fn payment_intent(session: &Session, id: &str) -> Value {
    let status = match session.state {
        State::Open => "requires_payment_method",
        State::Paid => "succeeded",
        State::Expired => "canceled",
    };
    let error = session.declined.map(|decline| {
        json!({ "type": "card_error", "code": decline.code, "decline_code": decline.reason, "message": decline.message })
    });
    json!({
        "id": id,
        "object": "payment_intent",
        "amount": session.amount,
        "currency": session.currency,
        "last_payment_error": error,
        "latest_charge": charge_id(session).filter(|_| session.state == State::Paid),
        "livemode": false,
        "metadata": session.payment_metadata,
        "status": status,
    })
}

/// A payment with its charge, and with the line of that in the books, where it is asked for and written.
pub(crate) fn payment(session: &Session, id: &str, with_line: bool, fee: i64) -> Value {
    let mut charge = charge(session);
    let name = id.replacen("pi_", "txn_", 1);
    charge["balance_transaction"] =
        if with_line { line(&name, "charge", session.amount, fee, &session.currency) } else { Value::Null };
    let mut payment = payment_intent(session, id);
    payment["latest_charge"] = if session.state == State::Paid { charge } else { Value::Null };
    payment
}

/// A line of the books.
fn line(name: &str, kind: &str, amount: i64, fee: i64, currency: &str) -> Value {
    json!({
        "id": name,
        "object": "balance_transaction",
        "amount": amount,
        "currency": currency,
        "fee": fee,
        "net": amount - fee,
        "reporting_category": kind,
    })
}

/// A list that is whole.
pub(crate) fn list(data: Vec<Value>) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "url": "/v1/refunds" })
}

/// The charge of a paid session.
pub(crate) fn charge(session: &Session) -> Value {
    json!({
        "id": charge_id(session),
        "object": "charge",
        "amount": session.amount,
        "amount_captured": session.amount,
        "amount_refunded": session.refunded,
        "currency": session.currency,
        "livemode": false,
        "metadata": session.payment_metadata,
        "paid": true,
        "payment_intent": session.payment_intent,
        "refunded": session.refunded == session.amount,
        "status": "succeeded",
    })
}

fn charge_id(session: &Session) -> Option<String> {
    session.payment_intent.as_ref().map(|id| id.replacen("pi_", "ch_", 1))
}

/// A refund as it is answered, with its line where that is asked for and written.
pub(crate) fn refund(refund: &Refund, with_line: bool) -> Value {
    let name = refund.id.replacen("re_", "txn_re_", 1);
    let line = match with_line {
        true => line(&name, "refund", -refund.amount, 0, &refund.currency),
        false => json!(name),
    };
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": line,
        "created": refund.created_at.unix_timestamp(),
        "currency": refund.currency,
        "failure_reason": refund.failed,
        "metadata": refund.metadata,
        "payment_intent": refund.payment_intent,
        "status": if refund.failed.is_some() { "failed" } else { "succeeded" },
    })
}

/// A dispute of a paid session, with the lines of the money that has moved.
pub(crate) fn dispute(dispute: &Dispute, session: &Session, fee: i64) -> Value {
    let name = |kind: &str| dispute.id.replacen("dp_", kind, 1);
    let (amount, currency) = (session.amount, session.currency.as_str());
    let taken = dispute.moved.0.then(|| line(&name("txn_dp_"), "dispute", -amount, fee, currency));
    let returned = dispute.moved.1.then(|| line(&name("txn_dr_"), "dispute_reversal", amount, -fee, currency));
    let lines: Vec<Value> = taken.into_iter().chain(returned).collect();
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": lines,
        "charge": charge_id(session),
        "currency": currency,
        "livemode": false,
        "payment_intent": session.payment_intent,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}

/// An event.
pub(crate) fn event(id: &str, kind: &str, object: Value, now: OffsetDateTime) -> String {
    let event = json!({
        "id": id,
        "object": "event",
        "api_version": VERSION,
        "created": now.unix_timestamp(),
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    });
    event.to_string()
}

/// The header `Stripe-Signature` of a body: with a v0 too, as Stripe has in test mode.
pub(crate) fn signature(secret: &str, now: OffsetDateTime, body: &str) -> String {
    let time = now.unix_timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={},v0={}", hex::encode(mac.finalize().into_bytes()), "0".repeat(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_523_400).expect("in range")
    }

    fn good() -> Vec<(String, String)> {
        let end = (now() + SESSION_LIFE.0).unix_timestamp().to_string();
        [
            ("mode", "payment"),
            ("payment_method_types[0]", "card"),
            ("client_reference_id", "payment-1"),
            ("metadata[order]", "AB12CD34"),
            ("payment_intent_data[metadata][payment]", "payment-1"),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", "kes"),
            ("line_items[0][price_data][unit_amount]", "7000"),
            ("line_items[0][price_data][product_data][name]", "1 hour"),
            ("success_url", "https://wifi.example/o/x?session={CHECKOUT_SESSION_ID}"),
            ("cancel_url", "https://wifi.example/o/x"),
            ("expires_at", end.as_str()),
        ]
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn read(fields: &[(String, String)]) -> Result<Checkout, Fault> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        read_checkout(body.as_bytes(), now(), 50)
    }

    #[test]
    fn a_good_form_is_read() {
        let checkout = read(&good()).expect("good");
        assert_eq!((checkout.amount, checkout.currency.as_str(), checkout.name.as_str()), (7000, "kes", "1 hour"));
        assert_eq!(checkout.metadata["order"], "AB12CD34");
        assert_eq!(checkout.payment_metadata["payment"], "payment-1");
        assert_eq!(checkout.reference.as_deref(), Some("payment-1"));
    }

    #[test]
    fn each_bad_parameter_is_refused_with_stripes_code() {
        for (name, value, code) in [
            ("mode", "oneoff", "parameter_invalid"),
            ("mode", "", "parameter_missing"),
            ("payment_method_types[0]", "oxxo", "parameter_invalid"),
            ("line_items[0][quantity]", "abc", "parameter_invalid_integer"),
            ("line_items[0][price_data][currency]", "KES", ""),
            ("line_items[0][price_data][unit_amount]", "49", "amount_too_small"),
            ("line_items[0][price_data][unit_amount]", "70.00", "parameter_invalid_integer"),
            ("line_items[0][price_data][unit_amount]", "100000000", "amount_too_large"),
            ("line_items[0][price_data][product_data][name]", "", "parameter_missing"),
            ("success_url", "/o/x", "url_invalid"),
            ("customer_email", "nobody", "email_invalid"),
            ("expires_at", "1795525199", ""),
            ("expires_at", "1795609801", ""),
            ("price", "7000", "parameter_unknown"),
        ] {
            let mut fields = good();
            fields.retain(|(known, _)| known != name);
            fields.push((name.to_owned(), value.to_owned()));
            let fault = read(&fields).expect_err(name);
            assert_eq!((fault.status, fault.kind, fault.code), (400, "invalid_request_error", code), "{name}={value}");
        }
    }

    #[test]
    fn refunds_are_read_and_checked() {
        let whole = read_refund(b"payment_intent=pi_1&reason=duplicate&metadata%5Brefund%5D=7").expect("good");
        let metadata = BTreeMap::from([("refund".to_owned(), "7".to_owned())]);
        assert_eq!(whole, RefundWish { payment_intent: "pi_1".into(), amount: None, metadata });
        for body in
            [&b""[..], b"amount=1", b"payment_intent=pi_1&amount=0", b"payment_intent=pi_1&reason=x", b"charge=ch_1"]
        {
            assert!(read_refund(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    /// The value was computed apart from this program.
    #[test]
    fn a_signature_is_that_of_time_and_body() {
        let body = r#"{"id":"evt_1","object":"event","type":"customer.created","livemode":false,"data":{"object":{"id":"cus_1"}}}"#;
        let signature = signature("whsec_test_abc", now(), body);
        let expected = "t=1795523400,v1=fabaa9faed146f3eaaa9ba556d287a30976ef263e0c1a50114a7942889cda3be,v0=";
        assert!(signature.starts_with(expected), "{signature}");
    }
}
