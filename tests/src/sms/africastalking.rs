//! Africa's Talking, simulated: 201 even when nothing is sent, a code for each recipient, plain text for a wrong key, XML
//! for whoever does not ask for JSON.

use axum::Json;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use shared::sms::cost;

use super::{Answer, Book, Message, Mood, Provider, SmsSimConfig, field, header, is_number, owned};

/// What a segment costs, in ten-thousandths of a shilling.
const SEGMENT_PRICE: u32 = 8000;

/// Takes a request that is in order, or says what is wrong with it.
pub(super) fn take(
    config: &SmsSimConfig,
    book: &mut Book,
    mood: Mood,
    headers: &HeaderMap,
    fields: &[(String, String)],
) -> Answer {
    let text = |status: StatusCode, text: String| Answer::from((status, text).into_response());
    if header(headers, "apikey") != config.api_key || field(fields, "username") != Some(config.username.as_str()) {
        return text(StatusCode::UNAUTHORIZED, "The supplied authentication is invalid".into());
    }
    for name in ["to", "message"] {
        if field(fields, name).is_none() {
            let complaint = format!("Request is missing required form field '{name}'");
            return text(StatusCode::BAD_REQUEST, complaint);
        }
    }
    let (to, message) = (field(fields, "to").unwrap_or_default(), field(fields, "message").unwrap_or_default());
    let refusal = match mood {
        Mood::Refuses(code) => Some(code),
        _ => (!is_number(to)).then_some(403),
    };
    let answer = match refusal {
        Some(code) => body("Sent to 0/1 Total Cost: 0", code, to, "0", "None"),
        None => {
            let reference = book.take(Message {
                provider: Provider::AfricasTalking,
                reference: String::new(),
                to: to.to_owned(),
                from: field(fields, "from").map(str::to_owned),
                text: message.to_owned(),
                reports_to: None,
            });
            let price = cost(message).segments * SEGMENT_PRICE;
            let price = format!("KES {}.{:04}", price / 10_000, price % 10_000);
            body(&format!("Sent to 1/1 Total Cost: {price}"), 101, to, &price, &reference)
        }
    };
    let is_json = header(headers, ACCEPT.as_str()).contains("application/json");
    let response = if is_json {
        (StatusCode::CREATED, Json(answer)).into_response()
    } else {
        let xml = "<AfricasTalkingResponse><SMSMessageData/></AfricasTalkingResponse>";
        (StatusCode::CREATED, [(CONTENT_TYPE, "text/xml")], xml).into_response()
    };
    Answer { response, cut: mood == Mood::LosesTheAnswer }
}

fn body(message: &str, code: u32, to: &str, price: &str, reference: &str) -> Value {
    let status = match code {
        100..=102 => "Success",
        401 => "RiskHold",
        402 => "InvalidSenderId",
        403 => "InvalidPhoneNumber",
        404 => "UnsupportedNumberType",
        405 => "InsufficientBalance",
        406 => "UserInBlacklist",
        407 => "CouldNotRoute",
        409 => "DoNotDisturbRejection",
        501 => "GatewayError",
        502 => "RejectedByGateway",
        _ => "InternalServerError",
    };
    json!({ "SMSMessageData": {
        "Message": message,
        "Recipients": [{ "statusCode": code, "number": to, "status": status, "cost": price, "messageId": reference }],
    } })
}

/// The fields of a delivery report.
pub(super) fn report(message: &Message, status: &str, reason: Option<&str>) -> Vec<(String, String)> {
    let mut fields = owned(&[
        ("id", message.reference.as_str()),
        ("status", status),
        ("phoneNumber", message.to.as_str()),
        ("networkCode", "63902"),
        ("retryCount", "0"),
    ]);
    fields.extend(reason.map(|reason| ("failureReason".to_owned(), reason.to_owned())));
    fields
}
