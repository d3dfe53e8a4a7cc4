//! Africa's Talking: sending, and reading its delivery reports.
//!
//! Its answer is 201 even when nothing was sent; each recipient has a code of its own, and a request that is refused as
//! a whole has no recipients and the reason as text. There is no idempotency key, so nothing is repeated here. Without
//! `Accept: application/json` it answers in XML.
//!
//! Reports are posted to the address that is set in its dashboard. They are not signed: that address must be a secret,
//! and a report is no more than what somebody says who knows it.

use std::time::Duration;

use serde_json::Value;
use shared::config;
use shared::phone::Phone;
use shared::sms::cost;

use super::delivery::code;
use super::wire::{self, Answer, Http, ask, field, price, quotable, reference};
use super::{Delivery, Form, Sent, SetupError, Unreadable};

/// Where messages are posted.
const PATH: &str = "/version1/messaging";
/// The codes of a recipient whose message was taken: processed, sent, queued.
const TAKEN: [&str; 3] = ["100", "101", "102"];
/// The refusals that another provider would repeat, or must not be asked to get around: the number is none that takes
/// messages, or its owner does not want ours. All others are about the account, the sender or the network.
const ABOUT_RECIPIENT: [(&str, &str); 4] = [
    ("403", "InvalidPhoneNumber"),
    ("404", "UnsupportedNumberType"),
    ("406", "UserInBlacklist"),
    ("409", "DoNotDisturbRejection"),
];
/// The failures of a report after which the next message would fail too. A suspended, inactive or wrongly routed number
/// may work tomorrow.
const FOR_GOOD: [&str; 3] = ["UserDoesNotExist", "UserInBlackList", "DoNotDisturbRejection"];

/// The client. One per process.
#[derive(Debug)]
pub struct AfricasTalking {
    http: Http,
    settings: config::AfricasTalking,
}

impl AfricasTalking {
    /// Prepares the client; nothing is sent.
    ///
    /// # Errors
    /// When the base URL is not http or https, or TLS cannot be prepared.
    pub fn new(settings: &config::AfricasTalking, timeout: Duration) -> Result<AfricasTalking, SetupError> {
        let http = Http::new("sms.africastalking.base_url", &settings.base_url, timeout)?;
        Ok(AfricasTalking { http, settings: settings.clone() })
    }

    /// Sends a text as it is. One request, whatever the answer.
    pub async fn send(&self, to: &Phone, text: &str) -> Sent {
        let settings = &self.settings;
        let mut form = vec![
            ("username", settings.username.as_str()),
            // With its `+`, which the form's encoding keeps from becoming a blank.
            ("to", to.as_str()),
            ("message", text),
            // The sender pays, not the phone.
            ("bulkSMSMode", "1"),
        ];
        if let Some(sender) = &settings.sender_id {
            form.push(("from", sender.as_str()));
        }
        let request = self
            .http
            .post(PATH)
            .header("apiKey", settings.api_key.expose())
            .header("Accept", "application/json")
            .form(&form);
        match ask(request).await {
            Ok(answer) => read(&answer, cost(text).segments),
            Err(silence) => wire::unanswered(silence),
        }
    }
}

fn read(answer: &Answer, segments: u32) -> Sent {
    let Some(data) = answer.json.as_ref().and_then(|json| json.get("SMSMessageData")) else {
        return answer.meaning();
    };
    let recipients = data.get("Recipients").and_then(Value::as_array);
    match recipients.map(Vec::as_slice) {
        Some([recipient, ..]) => read_recipient(recipient, segments),
        Some([]) => refused("none", &field(data, "Message").unwrap_or_default()),
        None => answer.meaning(),
    }
}

fn read_recipient(recipient: &Value, segments: u32) -> Sent {
    let status_code = field(recipient, "statusCode").unwrap_or_default();
    if !TAKEN.contains(&status_code.as_str()) {
        return refused(&status_code, &field(recipient, "status").unwrap_or_default());
    }
    // Where there is none, the text "None" stands in its place.
    let id = field(recipient, "messageId").filter(|id| id != "None");
    let Some(reference) = id.as_deref().and_then(reference) else {
        return Sent::Unknown("taken without a usable reference".into());
    };
    let parts = field(recipient, "messageParts").and_then(|parts| parts.parse::<u32>().ok()).filter(|&parts| parts > 0);
    Sent::Accepted {
        reference,
        cost: field(recipient, "cost").as_deref().and_then(price),
        segments: parts.unwrap_or(segments),
    }
}

/// A refusal by its code, or by its name where the request was refused as a whole and there is only a name.
fn refused(status_code: &str, status: &str) -> Sent {
    let permanent = ABOUT_RECIPIENT.iter().any(|(number, name)| *number == status_code || *name == status);
    Sent::Refused { permanent, code: code(status_code), text: quotable(status) }
}

/// A delivery report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Of which message.
    pub reference: String,
    /// What became of it.
    pub delivery: Delivery,
    /// The network that had it, by its code: 63902 is Safaricom, 63903 Airtel, 63907 Telkom.
    pub network: Option<String>,
}

impl Report {
    /// Reads a report. Whether it is genuine is not known: the address that it came to must be a secret.
    ///
    /// # Errors
    /// When it names no message, no status, or a status that we do not know.
    pub fn parse(form: &Form) -> Result<Report, Unreadable> {
        let reference = form.get("id").and_then(reference).ok_or(Unreadable::Incomplete)?;
        let status = form.get("status").ok_or(Unreadable::Incomplete)?;
        let delivery = match status {
            "Sent" | "Submitted" | "Buffered" => Delivery::Sent,
            "Success" => Delivery::Delivered,
            "Rejected" | "Failed" | "AbsentSubscriber" | "Expired" => {
                let reason = form.get("failureReason").unwrap_or(status);
                Delivery::Failed { permanent: FOR_GOOD.contains(&reason), code: code(reason) }
            }
            other => return Err(Unreadable::UnknownStatus(code(other))),
        };
        Ok(Report { reference, delivery, network: form.get("networkCode").map(code) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::money::Money;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, json: serde_json::from_str(body).ok() }
    }

    fn recipient(fields: Value) -> Answer {
        let body = json!({ "SMSMessageData": { "Message": "Sent to 1/1", "Recipients": [fields] } });
        answer(201, &body.to_string())
    }

    fn accepted(cost: Option<Money>, segments: u32) -> Sent {
        Sent::Accepted { reference: "ATXid_1".into(), cost, segments }
    }

    #[test]
    fn a_message_that_was_taken_has_a_reference_a_price_and_its_segments() {
        let documented = answer(
            201,
            r#"{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: KES 0.8000","Recipients":[{"statusCode":101,
                "number":"+254712345678","status":"Success","cost":"KES 0.8000","messageId":"ATXid_1"}]}}"#,
        );
        assert_eq!(read(&documented, 1), accepted(Some(Money::kes(80)), 1));
        for (fields, expected) in [
            (json!({ "statusCode": 100, "cost": "0", "messageId": "ATXid_1" }), accepted(None, 2)),
            (json!({ "statusCode": "102", "messageId": "ATXid_1", "messageParts": 3 }), accepted(None, 3)),
            (json!({ "statusCode": 101, "messageId": "ATXid_1", "messageParts": 0 }), accepted(None, 2)),
        ] {
            assert_eq!(read(&recipient(fields.clone()), 2), expected, "{fields}");
        }
    }

    #[test]
    fn success_without_a_reference_is_not_counted_on() {
        for id in [json!("None"), json!(null), json!(""), json!("two words")] {
            let sent = read(&recipient(json!({ "statusCode": 101, "messageId": id })), 1);
            assert!(matches!(sent, Sent::Unknown(_)), "{id} {sent:?}");
        }
    }

    #[test]
    fn a_refusal_is_about_the_recipient_or_about_the_provider() {
        for (number, name, permanent) in [
            (401, "RiskHold", false),
            (402, "InvalidSenderId", false),
            (403, "InvalidPhoneNumber", true),
            (404, "UnsupportedNumberType", true),
            (405, "InsufficientBalance", false),
            (406, "UserInBlacklist", true),
            (407, "CouldNotRoute", false),
            (409, "DoNotDisturbRejection", true),
            (500, "InternalServerError", false),
            (501, "GatewayError", false),
            (502, "RejectedByGateway", false),
            (599, "SomethingNew", false),
        ] {
            let fields = json!({ "statusCode": number, "status": name, "cost": "0", "messageId": "None",
                                 "number": "+254712345678" });
            let expected = Sent::Refused { permanent, code: number.to_string(), text: name.into() };
            assert_eq!(read(&recipient(fields), 1), expected);
        }
    }

    #[test]
    fn a_request_can_be_refused_as_a_whole() {
        let whole = |message: &str| {
            answer(201, &json!({ "SMSMessageData": { "Message": message, "Recipients": [] } }).to_string())
        };
        for (message, permanent, text) in [
            ("InvalidSenderId", false, "InvalidSenderId"),
            ("InvalidPhoneNumber", true, "InvalidPhoneNumber"),
            ("Nothing for +254712345678", false, "Nothing for +***"),
        ] {
            let expected = Sent::Refused { permanent, code: "none".into(), text: text.into() };
            assert_eq!(read(&whole(message), 1), expected);
        }
    }

    #[test]
    fn other_answers_are_read_by_their_status() {
        for (status, body, is_refused) in [
            (401, "The supplied authentication is invalid", true),
            (400, "Request is missing required form field 'message'", true),
            (429, "", true),
            (500, "", false),
            (502, "<html>", false),
            (201, "<AfricasTalkingResponse/>", false),
            (201, "{}", false),
            (201, r#"{"SMSMessageData":{"Message":"Sent"}}"#, false),
            (201, r#"{"SMSMessageData":null}"#, false),
        ] {
            let sent = read(&answer(status, body), 1);
            let expected = if is_refused {
                matches!(sent, Sent::Refused { permanent: false, .. })
            } else {
                matches!(sent, Sent::Unknown(_))
            };
            assert!(expected, "{status} {body} {sent:?}");
        }
        let conflict = r#"{"SMSMessageData":{"Message":"Sent to 0/1 Total Cost: 0","Recipients":[{"cost":"0",
            "messageId":"None","number":"+2348000000000","status":"DoNotDisturbRejection","statusCode":409}]}}"#;
        let sent = read(&answer(409, conflict), 1);
        assert!(matches!(sent, Sent::Refused { permanent: true, .. }), "its own words count, not the status: {sent:?}");
    }

    #[test]
    fn a_report_says_what_became_of_a_message() {
        let failed = |permanent, code: &str| Delivery::Failed { permanent, code: code.into() };
        for (body, expected) in [
            ("id=ATXid_1&status=Sent", Delivery::Sent),
            ("id=ATXid_1&status=Submitted", Delivery::Sent),
            ("id=ATXid_1&status=Buffered", Delivery::Sent),
            (
                "id=ATXid_1&status=Success&phoneNumber=%2B254712345678&networkCode=63902&retryCount=0",
                Delivery::Delivered,
            ),
            ("id=ATXid_1&status=Failed&failureReason=UserDoesNotExist", failed(true, "UserDoesNotExist")),
            ("id=ATXid_1&status=Rejected&failureReason=UserInBlackList", failed(true, "UserInBlackList")),
            ("id=ATXid_1&status=Failed&failureReason=DeliveryFailure", failed(false, "DeliveryFailure")),
            ("id=ATXid_1&status=Failed&failureReason=NotNetworkSubcriber", failed(false, "NotNetworkSubcriber")),
            ("id=ATXid_1&status=Failed", failed(false, "Failed")),
            ("id=ATXid_1&status=AbsentSubscriber&failureReason=", failed(false, "AbsentSubscriber")),
            ("id=ATXid_1&status=Expired", failed(false, "Expired")),
        ] {
            let report = Report::parse(&Form::read(body.as_bytes()).expect("small")).expect(body);
            assert_eq!((report.reference.as_str(), report.delivery), ("ATXid_1", expected), "{body}");
        }
        let form =
            Form::read(b"id=ATXid_1&status=Success&networkCode=63902&phoneNumber=%2B254712345678").expect("small");
        let report = Report::parse(&form).expect("readable");
        assert_eq!(report.network.as_deref(), Some("63902"));
        assert!(!format!("{report:?}").contains("254712"), "{report:?}");
    }

    #[test]
    fn other_reports_are_refused_by_kind() {
        for (body, error) in [
            ("", Unreadable::Incomplete),
            ("id=ATXid_1", Unreadable::Incomplete),
            ("status=Success", Unreadable::Incomplete),
            ("id=two+words&status=Success", Unreadable::Incomplete),
            ("id=ATXid_1&status=<Read>", Unreadable::UnknownStatus("Read".into())),
        ] {
            assert_eq!(Report::parse(&Form::read(body.as_bytes()).expect("small")), Err(error), "{body}");
        }
    }
}
