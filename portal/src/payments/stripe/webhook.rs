//! What proves that a report is Stripe's, and what it says.
//!
//! ```text
//!  Stripe-Signature: t=1795523400,v1=5257a869…,v1=…,v0=…
//!  v1 = HMAC-SHA256(whole secret, "t" "." body as it came)      https://docs.stripe.com/webhooks/signature
//! ```
//!
//! [`verify`] looks at the octets that came and at nothing that was made of them: a body that was read and written
//! again is another body. Several v1 signatures and several secrets are one rotation seen from either side; one match
//! is enough. v0 and whatever comes later is not looked at.
//!
//! Reports come late, twice, in any order, and about things that are not ours. An event of a kind that is not listed
//! here is kept as it is ([`News::Other`]); that a kind is listed says nothing of whether its payment is known.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use shared::config::Secret;
use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::amount;
use super::wire::{code, id};

/// The header with the signatures.
pub const SIGNATURE: &str = "stripe-signature";
/// How far the time of a signature may be from ours: Stripe's own libraries allow as much. Each repetition of a report
/// is signed anew.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Longest header that is read, in octets. One with two secrets and a v0 has about two hundred and thirty.
const HEADER_LIMIT: usize = 2048;
/// Most v1 signatures that are tried. Stripe sends one for each secret of the endpoint that is still good.
const SIGNATURES_MAX: usize = 8;
/// Octets of an HMAC-SHA256.
const SIGNATURE_OCTETS: usize = 32;

/// Why a report is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    /// No header.
    #[error("it has no Stripe-Signature")]
    Unsigned,
    /// A header without one time and a v1 signature.
    #[error("its Stripe-Signature has not one time and a v1 signature")]
    Malformed,
    /// Signed by somebody else, for another endpoint, or changed on the way.
    #[error("no signature is made with a secret of ours")]
    WrongSignature,
    /// Signed by Stripe, at another time: it is sent again by somebody, or a clock is wrong.
    #[error("it was signed {seconds} s before our time")]
    Stale {
        /// Seconds before our time; below zero: after it.
        seconds: i64,
    },
    /// Signed by Stripe, and not an event.
    #[error("it is not an event")]
    NotAnEvent,
}

impl WebhookError {
    /// The word under which it is counted.
    pub fn label(self) -> &'static str {
        match self {
            WebhookError::Unsigned | WebhookError::Malformed | WebhookError::WrongSignature => "bad_signature",
            WebhookError::Stale { .. } => "stale",
            WebhookError::NotAnEvent => "unreadable",
        }
    }
}

/// A report of Stripe's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Stripe's name of it, `evt_…`, the same in every repetition. Simulators leave it out.
    pub id: Option<String>,
    /// Its kind as Stripe writes it, such as `checkout.session.completed`.
    pub kind: String,
    /// Whether real money is spoken of.
    pub livemode: bool,
    /// What it says.
    pub news: News,
}

/// What a report says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// `checkout.session.…`: a page came to something.
    Session {
        /// The session, `cs_…`.
        session: String,
        /// The payment that it was made for, if it names one.
        payment: Option<Uuid>,
        /// What it came to.
        step: Step,
    },
    /// `charge.refunded`: money was given back, by us or in Stripe's dashboard.
    Refunded {
        /// The payment that it was given back from, `pi_…`.
        payment_intent: String,
        /// The payment that the charge was made for, if it names one.
        payment: Option<Uuid>,
        /// All that was given back of it so far, this time included.
        total: Option<Money>,
    },
    /// `refund.updated`, `refund.failed`: something became of money that was on its way back.
    RefundChanged {
        /// Stripe's name of it, `re_…`.
        refund: String,
        /// The payment that it was given back from, `pi_…`.
        payment_intent: String,
    },
    /// `charge.dispute.…`: the owner of a card says to the bank that a payment is not theirs, or it is decided who is right.
    Disputed {
        /// Stripe's name of the dispute.
        dispute: String,
        /// The payment that is disputed, `pi_…`.
        payment_intent: String,
    },
    /// A kind that nothing is done about.
    Other,
    /// One of the kinds above without what it speaks of.
    Unreadable,
}

/// What a page came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The money came.
    Paid {
        /// Stripe's name of the payment, `pi_…`.
        payment_intent: Option<String>,
        /// How much.
        amount: Option<Money>,
    },
    /// The guest has done everything, and the bank says later.
    Awaited,
    /// The bank has said no.
    Failed,
    /// Nobody paid in time, or it was closed.
    Expired,
}

/// Reads a report that is Stripe's: signed with one of the secrets, at a time no further than `tolerance` from `now`.
///
/// # Errors
/// When it is not. A report that is Stripe's and of no use is not an error.
pub fn verify(
    body: &[u8],
    header: Option<&str>,
    secrets: &[Secret],
    now: OffsetDateTime,
    tolerance: Duration,
) -> Result<Event, WebhookError> {
    let header = Header::read(header.ok_or(WebhookError::Unsigned)?).ok_or(WebhookError::Malformed)?;
    if !secrets.iter().any(|secret| header.is_made_with(secret, body)) {
        return Err(WebhookError::WrongSignature);
    }
    let seconds = now.unix_timestamp().saturating_sub(header.seconds);
    if seconds.unsigned_abs() > tolerance.as_secs() {
        return Err(WebhookError::Stale { seconds });
    }
    Event::parse(body)
}

/// A header, read.
struct Header<'a> {
    /// The time as it is written, which is what is signed.
    time: &'a str,
    /// The same in seconds since the Unix epoch.
    seconds: i64,
    signatures: Vec<[u8; SIGNATURE_OCTETS]>,
}

impl Header<'_> {
    fn read(text: &str) -> Option<Header<'_>> {
        if text.len() > HEADER_LIMIT {
            return None;
        }
        let (mut time, mut signatures) = (None, Vec::new());
        for part in text.split(',') {
            match part.trim().split_once('=') {
                // Of two times it is not known which one was signed.
                Some(("t", _)) if time.is_some() => return None,
                Some(("t", written)) => time = Some(written),
                Some(("v1", written)) if signatures.len() < SIGNATURES_MAX => signatures.extend(octets(written)),
                _ => {}
            }
        }
        let time = time.filter(|written| written.bytes().all(|digit| digit.is_ascii_digit()))?;
        let seconds = time.parse().ok()?;
        (!signatures.is_empty()).then_some(Header { time, seconds, signatures })
    }

    /// The comparison takes the same time wherever the two differ.
    fn is_made_with(&self, secret: &Secret, body: &[u8]) -> bool {
        let mac = keyed(secret.expose(), self.time, body);
        self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

fn octets(written: &str) -> Option<[u8; SIGNATURE_OCTETS]> {
    let mut octets = [0; SIGNATURE_OCTETS];
    hex::decode_to_slice(written, &mut octets).ok().map(|()| octets)
}

/// The secret is used as it is written, `whsec_` included.
fn keyed(secret: &str, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

impl Event {
    /// Reads a body. Whether it is Stripe's is what [`verify`] tells; ask that first.
    ///
    /// # Errors
    /// [`WebhookError::NotAnEvent`] when it is not an object with a type.
    pub fn parse(body: &[u8]) -> Result<Event, WebhookError> {
        let event: Value = serde_json::from_slice(body).map_err(|_| WebhookError::NotAnEvent)?;
        let kind = event.get("type").and_then(Value::as_str).ok_or(WebhookError::NotAnEvent)?;
        let object = event.pointer("/data/object").unwrap_or(&Value::Null);
        Ok(Event {
            id: event.get("id").and_then(id),
            livemode: event.get("livemode").and_then(Value::as_bool).unwrap_or(false),
            news: News::read(kind, object).unwrap_or(News::Unreadable),
            kind: code(kind),
        })
    }

    /// The payment of ours that it names. That there is one is not said.
    pub fn payment(&self) -> Option<Uuid> {
        match &self.news {
            News::Session { payment, .. } | News::Refunded { payment, .. } => *payment,
            News::RefundChanged { .. } | News::Disputed { .. } | News::Other | News::Unreadable => None,
        }
    }
}

impl News {
    /// `None`: a kind that is listed, without what it speaks of.
    fn read(kind: &str, object: &Value) -> Option<News> {
        let step = match kind {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => Step::of(object),
            "checkout.session.async_payment_failed" => Step::Failed,
            "checkout.session.expired" => Step::Expired,
            "charge.refunded" => return News::refunded(object),
            // The last is what the first two were called in older versions.
            "refund.updated" | "refund.failed" | "charge.refund.updated" => return News::refund_changed(object),
            "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated"
            | "charge.dispute.closed" => return News::disputed(object),
            _ => return Some(News::Other),
        };
        Some(News::Session { session: id(object)?, payment: payment_of(object), step })
    }

    fn refunded(charge: &Value) -> Option<News> {
        Some(News::Refunded {
            payment_intent: charge.get("payment_intent").and_then(id)?,
            payment: payment_of(charge),
            total: money(charge, "amount_refunded"),
        })
    }

    fn refund_changed(refund: &Value) -> Option<News> {
        Some(News::RefundChanged { refund: id(refund)?, payment_intent: refund.get("payment_intent").and_then(id)? })
    }

    fn disputed(dispute: &Value) -> Option<News> {
        Some(News::Disputed { dispute: id(dispute)?, payment_intent: dispute.get("payment_intent").and_then(id)? })
    }
}

impl Step {
    /// A page that is completed is paid only if it says so.
    fn of(session: &Value) -> Step {
        match session.get("payment_status").and_then(Value::as_str) {
            Some("paid") => Step::Paid {
                payment_intent: session.get("payment_intent").and_then(id),
                amount: money(session, "amount_total"),
            },
            _ => Step::Awaited,
        }
    }
}

fn money(object: &Value, field: &str) -> Option<Money> {
    amount::heard(object.get(field)?.as_i64()?, object.get("currency")?.as_str()?)
}

/// The payment of ours that an object names: a session in either place, a charge in the second.
fn payment_of(object: &Value) -> Option<Uuid> {
    let named = |pointer: &str| -> Option<Uuid> { object.pointer(pointer)?.as_str()?.parse().ok() };
    named("/client_reference_id").or_else(|| named("/metadata/payment"))
}

/// The header that Stripe would send, for tests of whoever takes reports.
#[cfg(test)]
pub(crate) fn sign(secret: &str, at: i64, body: &[u8]) -> String {
    let signature = keyed(secret, &at.to_string(), body).finalize().into_bytes();
    format!("t={at},v1={}", hex::encode(signature))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &[u8] =
        br#"{"id":"evt_1","object":"event","type":"customer.created","livemode":false,"data":{"object":{"id":"cus_1"}}}"#;
    const AT: i64 = 1_795_523_400;
    /// HMAC-SHA256 of `1795523400.` and [`BODY`], computed apart from this program, with the key `whsec_test_abc`, and
    /// with `whsec_test_old`.
    const NEW: &str = "fabaa9faed146f3eaaa9ba556d287a30976ef263e0c1a50114a7942889cda3be";
    const OLD: &str = "602ba49375435d01decac2a67b4aa370606e2502985c1ddcbcba7f6e61fdcf92";

    fn secrets(all: &[&str]) -> Vec<Secret> {
        serde_json::from_value(json!(all)).expect("texts")
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    /// How a header is judged over [`BODY`] with both secrets.
    fn judge(header: &str) -> Result<(), WebhookError> {
        let both = secrets(&["whsec_test_abc", "whsec_test_old"]);
        verify(BODY, Some(header), &both, at(AT), TOLERANCE).map(drop)
    }

    #[test]
    fn a_signature_with_a_secret_of_ours_is_believed() {
        for header in [
            format!("t={AT},v1={NEW}"),
            format!("t={AT},v1={OLD}"),
            format!("t={AT},v1={OLD},v1={NEW}"),
            format!("t={AT},v1={},v1={NEW},v0=00", "00".repeat(32)),
            format!("v1=garbage,v1={NEW},t={AT}"),
            format!("t={AT}, v1={}", NEW.to_ascii_uppercase()),
            format!("t={AT},v1={NEW},v2=x,=,,t"),
        ] {
            assert_eq!(judge(&header), Ok(()), "{header}");
        }
        assert_eq!(sign("whsec_test_abc", AT, BODY), format!("t={AT},v1={NEW}"));
    }

    #[test]
    fn any_other_signature_is_not() {
        let many = format!("v1={},", "00".repeat(32)).repeat(SIGNATURES_MAX);
        for (header, expected) in [
            (String::new(), WebhookError::Malformed),
            ("garbage".to_owned(), WebhookError::Malformed),
            (format!("t={AT}"), WebhookError::Malformed),
            (format!("v1={NEW}"), WebhookError::Malformed),
            (format!("t={AT},v0={NEW}"), WebhookError::Malformed),
            (format!("t={AT},v1={}", &NEW[2..]), WebhookError::Malformed),
            (format!("t={AT},v1="), WebhookError::Malformed),
            (format!("t=,v1={NEW}"), WebhookError::Malformed),
            (format!("t=+{AT},v1={NEW}"), WebhookError::Malformed),
            (format!("t=99999999999999999999,v1={NEW}"), WebhookError::Malformed),
            (format!("t={AT},t={AT},v1={NEW}"), WebhookError::Malformed),
            (format!("t={AT},v1={NEW},v0={}", "0".repeat(HEADER_LIMIT)), WebhookError::Malformed),
            (format!("t={AT},v1={}", "00".repeat(32)), WebhookError::WrongSignature),
            (format!("t={AT},{many}v1={NEW}"), WebhookError::WrongSignature),
            (format!("t=0{AT},v1={NEW}"), WebhookError::WrongSignature),
            (format!("t={},v1={NEW}", AT + 1), WebhookError::WrongSignature),
        ] {
            assert_eq!(judge(&header), Err(expected), "{header}");
        }
    }

    #[test]
    fn another_body_another_secret_and_no_header_are_not_believed() {
        let (ours, header) = (secrets(&["whsec_test_abc"]), format!("t={AT},v1={NEW}"));
        let spaced = String::from_utf8_lossy(BODY).replace(':', ": ");
        for body in [&b""[..], spaced.as_bytes(), &BODY[..BODY.len() - 1]] {
            let judged = verify(body, Some(&header), &ours, at(AT), TOLERANCE);
            assert_eq!(judged, Err(WebhookError::WrongSignature));
        }
        for others in [secrets(&[]), secrets(&["whsec_test_ab"]), secrets(&["test_abc"]), secrets(&["whsec_test_old"])]
        {
            let judged = verify(BODY, Some(&header), &others, at(AT), TOLERANCE);
            assert_eq!(judged, Err(WebhookError::WrongSignature));
        }
        assert_eq!(verify(BODY, None, &ours, at(AT), TOLERANCE), Err(WebhookError::Unsigned));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_in_either_direction() {
        let (ours, header) = (secrets(&["whsec_test_abc"]), format!("t={AT},v1={NEW}"));
        let judge = |now| verify(BODY, Some(&header), &ours, at(now), TOLERANCE).map(drop);
        assert_eq!((judge(AT + 300), judge(AT - 300)), (Ok(()), Ok(())));
        assert_eq!(judge(AT + 301), Err(WebhookError::Stale { seconds: 301 }));
        assert_eq!(judge(AT - 301), Err(WebhookError::Stale { seconds: -301 }));
    }

    #[test]
    fn what_is_signed_and_no_event_is_told_apart() {
        let ours = secrets(&["whsec_test_abc"]);
        for body in [&b""[..], b"<html>", b"[]", b"{}", br#"{"type":7}"#] {
            let judged = verify(body, Some(&sign("whsec_test_abc", AT, body)), &ours, at(AT), TOLERANCE);
            assert_eq!(judged, Err(WebhookError::NotAnEvent), "{}", String::from_utf8_lossy(body));
        }
    }

    fn event(kind: &str, object: Value) -> Event {
        let body = json!({ "id": "evt_1", "livemode": true, "type": kind, "data": { "object": object } });
        Event::parse(body.to_string().as_bytes()).expect("an event")
    }

    fn session(step: Step) -> News {
        News::Session { session: "cs_1".into(), payment: Some(Uuid::from_u128(7)), step }
    }

    #[test]
    fn a_session_is_paid_only_if_it_says_so() {
        let object = |status: &str| {
            json!({
                "id": "cs_1", "payment_status": status, "payment_intent": "pi_1", "amount_total": 7000,
                "currency": "kes", "client_reference_id": Uuid::from_u128(7).to_string(),
            })
        };
        let paid = Step::Paid { payment_intent: Some("pi_1".into()), amount: Some(Money::kes(7000)) };
        for (kind, status, step) in [
            ("checkout.session.completed", "paid", paid.clone()),
            ("checkout.session.completed", "unpaid", Step::Awaited),
            ("checkout.session.completed", "no_payment_required", Step::Awaited),
            ("checkout.session.async_payment_succeeded", "paid", paid),
            ("checkout.session.async_payment_failed", "unpaid", Step::Failed),
            ("checkout.session.expired", "unpaid", Step::Expired),
        ] {
            let event = event(kind, object(status));
            assert_eq!((&event.news, event.kind.as_str()), (&session(step), kind), "{status}");
            assert_eq!((event.payment(), event.livemode), (Some(Uuid::from_u128(7)), true));
        }
    }

    #[test]
    fn little_is_needed_of_a_session() {
        let lean = json!({ "id": "cs_1", "payment_status": "paid" });
        let step = Step::Paid { payment_intent: None, amount: None };
        let expected = News::Session { session: "cs_1".into(), payment: None, step };
        assert_eq!(event("checkout.session.completed", lean).news, expected);
        let metadata = json!({ "payment": Uuid::from_u128(7).to_string() });
        let named = json!({ "id": "cs_1", "client_reference_id": null, "metadata": metadata });
        assert_eq!(event("checkout.session.expired", named).news, session(Step::Expired));
        let foreign = json!({ "id": "cs_1", "client_reference_id": "cart 7", "metadata": {} });
        assert_eq!(event("checkout.session.expired", foreign).payment(), None);
    }

    #[test]
    fn refunds_and_disputes_name_the_payment() {
        let metadata = json!({ "payment": Uuid::from_u128(7).to_string() });
        let charge = json!({ "id": "ch_1", "payment_intent": { "id": "pi_1" }, "amount": 7000, "amount_refunded": 2000,
                             "currency": "kes", "metadata": metadata });
        let expected = News::Refunded {
            payment_intent: "pi_1".into(),
            payment: Some(Uuid::from_u128(7)),
            total: Some(Money::kes(2000)),
        };
        assert_eq!(event("charge.refunded", charge).news, expected);
        let dispute = json!({ "id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 7000,
                              "currency": "kes", "reason": "fraudulent", "status": "needs_response" });
        let expected = News::Disputed { dispute: "dp_1".into(), payment_intent: "pi_1".into() };
        for kind in ["created", "updated", "funds_withdrawn", "funds_reinstated", "closed"] {
            assert_eq!(event(&format!("charge.dispute.{kind}"), dispute.clone()).news, expected, "{kind}");
        }
        let refund =
            json!({ "id": "re_1", "payment_intent": "pi_1", "amount": 2000, "currency": "kes", "status": "failed" });
        let expected = News::RefundChanged { refund: "re_1".into(), payment_intent: "pi_1".into() };
        for kind in ["refund.updated", "refund.failed", "charge.refund.updated"] {
            assert_eq!(event(kind, refund.clone()).news, expected, "{kind}");
        }
    }

    #[test]
    fn other_kinds_are_kept_and_listed_ones_without_their_object_are_unreadable() {
        assert_eq!(event("customer.created", json!({ "id": "cus_1" })).news, News::Other);
        assert_eq!(event("v2.core.event", Value::Null).news, News::Other);
        for kind in ["checkout.session.completed", "charge.refunded", "charge.dispute.created", "refund.failed"] {
            for object in [Value::Null, json!({}), json!({ "id": 7, "payment_intent": null })] {
                assert_eq!(event(kind, object).news, News::Unreadable, "{kind}");
            }
        }
        let bare = Event::parse(br#"{"type":"x <y>"}"#).expect("an event");
        assert_eq!((bare.id, bare.kind.as_str(), bare.livemode, bare.news), (None, "xy", false, News::Other));
    }
}
