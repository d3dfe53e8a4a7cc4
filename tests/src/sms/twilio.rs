//! Twilio, simulated: errors with a code of its own, no price at once, no number of segments with a messaging service,
//! and signed reports to the address that came with the message.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha1::Sha1;
use shared::sms::cost;
use url::Url;

use super::{Answer, Book, Message, Mood, Provider, SmsSimConfig, field, is_number, owned};

/// Most letters of a text that is taken.
const TEXT_MAX: usize = 1600;

/// Takes a request that is in order, or says what is wrong with it.
pub(super) fn take(book: &mut Book, mood: Mood, fields: &[(String, String)]) -> Answer {
    if let Mood::Refuses(code) = mood {
        return error(400, code, "Refused by the test").into();
    }
    let sender = field(fields, "MessagingServiceSid").or_else(|| field(fields, "From"));
    let reports_to = field(fields, "StatusCallback");
    let (to, text) = match (field(fields, "To"), sender, field(fields, "Body")) {
        (None, _, _) => return error(400, 21604, "A 'To' phone number is required.").into(),
        (Some(to), _, _) if !is_number(to) => {
            return error(400, 21211, &format!("The 'To' number {to} is not a valid phone number.")).into();
        }
        (_, None, _) => return error(400, 21603, "A 'From' phone number is required.").into(),
        (_, _, None) => return error(400, 21602, "Message body is required.").into(),
        (_, _, Some(text)) if text.chars().count() > TEXT_MAX => {
            return error(400, 21617, "The concatenated message body exceeds the 1600 character limit.").into();
        }
        (Some(to), Some(_), Some(text)) => (to, text),
    };
    if reports_to.is_some_and(|address| Url::parse(address).is_err()) {
        return error(400, 21609, "The 'StatusCallback' URL is not a valid URL.").into();
    }
    let by_service = field(fields, "MessagingServiceSid").is_some();
    let reference = book.take(Message {
        provider: Provider::Twilio,
        reference: String::new(),
        to: to.to_owned(),
        from: sender.map(str::to_owned),
        text: text.to_owned(),
        reports_to: reports_to.map(str::to_owned),
    });
    // With a messaging service the sender is chosen later, and with it what the segments are.
    let segments = if by_service { 0 } else { cost(text).segments };
    let body = json!({
        "sid": reference, "status": if by_service { "accepted" } else { "queued" }, "direction": "outbound-api",
        "to": to, "from": field(fields, "From"), "messaging_service_sid": field(fields, "MessagingServiceSid"),
        "body": text, "num_segments": segments.to_string(), "num_media": "0", "price": null, "price_unit": "USD",
        "error_code": null, "error_message": null, "api_version": "2010-04-01", "date_sent": null,
    });
    Answer { response: (StatusCode::CREATED, Json(body)).into_response(), cut: mood == Mood::LosesTheAnswer }
}

/// The envelope of an error.
pub(super) fn error(status: u16, code: u32, message: &str) -> Response {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({ "code": code, "message": message, "more_info": more, "status": status });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
}

/// The fields of a delivery report.
pub(super) fn report(
    config: &SmsSimConfig,
    message: &Message,
    status: &str,
    reason: Option<&str>,
) -> Vec<(String, String)> {
    let mut fields = owned(&[
        ("SmsSid", message.reference.as_str()),
        ("SmsStatus", status),
        ("MessageStatus", status),
        ("To", message.to.as_str()),
        ("MessageSid", message.reference.as_str()),
        ("AccountSid", config.account_sid.as_str()),
        ("From", message.from.as_deref().unwrap_or_default()),
        ("ApiVersion", "2010-04-01"),
    ]);
    fields.extend(reason.map(|reason| ("ErrorCode".to_owned(), reason.to_owned())));
    fields
}

/// `X-Twilio-Signature` of a form that is posted to an address.
#[must_use]
pub fn signature(auth_token: &str, address: &str, fields: &[(String, String)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(address.as_bytes());
    let mut sorted: Vec<&(String, String)> = fields.iter().collect();
    sorted.sort();
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}
