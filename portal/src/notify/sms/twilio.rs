//! Twilio: sending, reading its delivery reports, and proving that a report is Twilio's.
//!
//! It answers 201 with the message's identifier, or an error with a code of its own. It tells no price at once, and
//! with a messaging service no number of segments either. There is no idempotency key, so nothing is repeated here.
//!
//! Reports are posted to the address that goes with each message, and signed with the account's token over that address
//! and the fields (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>). What is signed is the public
//! address, so it is taken from our configuration and never from the request's `Host`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use shared::config;
use shared::money::Money;
use shared::phone::Phone;
use shared::sms::cost;
use url::{Position, Url};

use super::delivery::code;
use super::wire::{self, Answer, Http, ask, price, quotable, reference};
use super::{Delivery, Form, Sent, SetupError, Unreadable};

/// The refusals that another provider would repeat, or must not be asked to get around: the number is none (21211,
/// 21217), a short code (21265), not a mobile's (21614) or a landline's (21635), its owner does not want ours (21610),
/// or the text is missing (21602) or too long (21605, 21617). All others are about the account, the sender or the
/// route.
const ABOUT_RECIPIENT: [&str; 9] = ["21211", "21217", "21265", "21602", "21605", "21610", "21614", "21617", "21635"];
/// The failures of a report after which the next message would fail too: not wanted (21610, 30004), not a number in use
/// (30005), a landline (30006). A phone that is off (30003) may be on tomorrow, and a filter (30007) judges the text.
const FOR_GOOD: [&str; 4] = ["21610", "30004", "30005", "30006"];
/// The states of a message that will not be sent.
const ENDED_BADLY: [&str; 3] = ["failed", "undelivered", "canceled"];

/// The client. One per process.
#[derive(Debug)]
pub struct Twilio {
    http: Http,
    settings: config::Twilio,
    /// Where reports are to be posted.
    reports: Option<Url>,
}

impl Twilio {
    /// Prepares the client; nothing is sent. Without an address for `reports` none are asked for.
    ///
    /// # Errors
    /// When the base URL is not http or https, or TLS cannot be prepared.
    pub fn new(settings: &config::Twilio, timeout: Duration, reports: Option<&Url>) -> Result<Twilio, SetupError> {
        let http = Http::new("sms.twilio.base_url", &settings.base_url, timeout)?;
        Ok(Twilio { http, settings: settings.clone(), reports: reports.cloned() })
    }

    /// Sends a text as it is. One request, whatever the answer.
    pub async fn send(&self, to: &Phone, text: &str) -> Sent {
        let settings = &self.settings;
        let mut form = vec![("To", to.as_str()), ("Body", text)];
        // The configuration has exactly one of the two.
        if let Some(from) = &settings.from {
            form.push(("From", from.as_str()));
        }
        if let Some(service) = &settings.messaging_service_sid {
            form.push(("MessagingServiceSid", service.as_str()));
        }
        if let Some(reports) = &self.reports {
            form.push(("StatusCallback", reports.as_str()));
        }
        let request = self
            .http
            .post(&format!("/2010-04-01/Accounts/{}/Messages.json", settings.account_sid))
            .basic_auth(&settings.account_sid, Some(settings.auth_token.expose()))
            .form(&form);
        match ask(request).await {
            Ok(answer) => read(&answer, cost(text).segments),
            Err(silence) => wire::unanswered(silence),
        }
    }

    /// Whether a report is Twilio's: signed with our token for the address that we gave.
    pub fn has_signed(&self, form: &Form, signature: &str) -> bool {
        let token = self.settings.auth_token.expose();
        self.reports.as_ref().is_some_and(|reports| signature_is_valid(token, reports.as_str(), form, signature))
    }
}

fn read(answer: &Answer, segments: u32) -> Sent {
    match answer.status {
        200..=299 => read_message(answer, segments),
        400..=499 if answer.status != 408 => match answer.field("code") {
            Some(number) => refused(&number, &answer.field("message").unwrap_or_default()),
            None => answer.meaning(),
        },
        _ => answer.meaning(),
    }
}

fn read_message(answer: &Answer, segments: u32) -> Sent {
    let Some(reference) = answer.field("sid").as_deref().and_then(reference) else {
        return answer.meaning();
    };
    let status = answer.field("status").unwrap_or_default();
    if ENDED_BADLY.contains(&status.as_str()) {
        let number = answer.field("error_code").unwrap_or(status);
        return refused(&number, &answer.field("error_message").unwrap_or_default());
    }
    let told = answer.field("num_segments").and_then(|number| number.parse::<u32>().ok()).filter(|&number| number > 0);
    Sent::Accepted { reference, cost: told_price(answer), segments: told.unwrap_or(segments) }
}

/// What the message costs, where it is told: a negative amount, because it is taken from the account.
fn told_price(answer: &Answer) -> Option<Money> {
    let (amount, unit) = (answer.field("price")?, answer.field("price_unit")?);
    price(&format!("{} {}", unit.to_ascii_uppercase(), amount.trim_start_matches('-')))
}

fn refused(number: &str, text: &str) -> Sent {
    Sent::Refused { permanent: ABOUT_RECIPIENT.contains(&number), code: code(number), text: quotable(text) }
}

/// A delivery report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Of which message.
    pub reference: String,
    /// What became of it.
    pub delivery: Delivery,
}

impl Report {
    /// Reads a report. Whether it is genuine is what [`signature_is_valid`] tells; ask that first.
    ///
    /// # Errors
    /// When it names no message, no status, or a status that we do not know.
    pub fn parse(form: &Form) -> Result<Report, Unreadable> {
        let either = |name, old| form.get(name).or_else(|| form.get(old));
        let reference = either("MessageSid", "SmsSid").and_then(reference).ok_or(Unreadable::Incomplete)?;
        let status = either("MessageStatus", "SmsStatus").ok_or(Unreadable::Incomplete)?;
        let delivery = match status {
            "accepted" | "scheduled" | "queued" | "sending" | "sent" => Delivery::Sent,
            "delivered" | "read" => Delivery::Delivered,
            "failed" | "undelivered" | "canceled" => {
                let number = form.get("ErrorCode").unwrap_or(status);
                Delivery::Failed { permanent: FOR_GOOD.contains(&number), code: code(number) }
            }
            other => return Err(Unreadable::UnknownStatus(code(other))),
        };
        Ok(Report { reference, delivery })
    }
}

/// Whether `signature`, the header `X-Twilio-Signature`, is that of a form which was posted to `url`: the HMAC-SHA1,
/// in base64, of the address followed by the name and value of every field, in the order of the names. A field that
/// comes several times counts once for each value that it has.
///
/// `url` is the address as it was given to Twilio. The comparison takes the same time wherever the two differ.
pub fn signature_is_valid(auth_token: &str, url: &str, form: &Form, signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
    let mut fields: Vec<&(String, String)> = form.fields().iter().collect();
    fields.sort_unstable();
    fields.dedup();
    spellings(url).iter().any(|url| {
        let mut mac = keyed(auth_token);
        mac.update(url.as_bytes());
        for (name, value) in &fields {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        mac.verify_slice(&signature).is_ok()
    })
}

fn keyed(auth_token: &str) -> Hmac<Sha1> {
    Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes a key of any length")
}

/// The address as given, without a port, and with its port: Twilio has signed all three, and does not say which when.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Ok(parsed) = Url::parse(url)
        && let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default())
    {
        let (scheme, rest) = (parsed.scheme(), &parsed[Position::BeforePath..]);
        all.push(format!("{scheme}://{host}{rest}"));
        all.push(format!("{scheme}://{host}:{port}{rest}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "SM0123456789abcdef0123456789abcdef";

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, json: serde_json::from_str(body).ok() }
    }

    fn form(body: &str) -> Form {
        Form::read(body.as_bytes()).expect("small")
    }

    fn accepted(cost: Option<Money>, segments: u32) -> Sent {
        Sent::Accepted { reference: SID.into(), cost, segments }
    }

    #[test]
    fn a_message_that_was_taken_has_a_reference_and_its_segments() {
        let message = |fields: &str| answer(201, &format!(r#"{{"sid":"{SID}","status":"queued",{fields}}}"#));
        let usd = |minor| Some(Money { minor, currency: "USD".parse().expect("a currency") });
        for (fields, expected) in [
            (r#""num_segments":"1","price":null,"price_unit":"USD","error_code":null"#, accepted(None, 1)),
            (r#""num_segments":"3","price":null"#, accepted(None, 3)),
            (r#""num_segments":"0","price":null"#, accepted(None, 2)),
            (r#""price":"-0.04550","price_unit":"usd""#, accepted(usd(5), 2)),
        ] {
            assert_eq!(read(&message(fields), 2), expected, "{fields}");
        }
    }

    #[test]
    fn a_refusal_is_about_the_recipient_or_about_the_provider() {
        for (status, number, permanent) in [
            (400, 21211, true),
            (400, 21614, true),
            (400, 21610, true),
            (400, 21635, true),
            (400, 21617, true),
            (400, 21408, false),
            (400, 21606, false),
            (400, 21612, false),
            (401, 20003, false),
            (403, 20005, false),
            (429, 20429, false),
        ] {
            let body = format!(
                r#"{{"code":{number},"message":"No to +254712345678","more_info":"https://…","status":{status}}}"#
            );
            let expected = Sent::Refused { permanent, code: number.to_string(), text: "No to +***".into() };
            assert_eq!(read(&answer(status, &body), 1), expected);
        }
        let body = format!(r#"{{"sid":"{SID}","status":"failed","error_code":21610,"error_message":"Unsubscribed"}}"#);
        let expected = Sent::Refused { permanent: true, code: "21610".into(), text: "Unsubscribed".into() };
        assert_eq!(read(&answer(201, &body), 1), expected);
    }

    #[test]
    fn other_answers_are_read_by_their_status() {
        for (status, body, is_refused) in [
            (401, "", true),
            (404, "<html>", true),
            (429, "", true),
            (408, r#"{"code":20408}"#, false),
            (500, r#"{"code":20500,"message":"Internal Server Error"}"#, false),
            (503, r#"{"code":20503,"message":"Service Unavailable"}"#, false),
            (302, "", false),
            (201, "", false),
            (201, r#"{"status":"queued"}"#, false),
        ] {
            let sent = read(&answer(status, body), 1);
            let expected = if is_refused {
                matches!(sent, Sent::Refused { permanent: false, .. })
            } else {
                matches!(sent, Sent::Unknown(_))
            };
            assert!(expected, "{status} {body} {sent:?}");
        }
    }

    #[test]
    fn a_report_says_what_became_of_a_message() {
        let failed = |permanent, code: &str| Delivery::Failed { permanent, code: code.into() };
        for (fields, expected) in [
            ("MessageStatus=queued", Delivery::Sent),
            ("MessageStatus=sent", Delivery::Sent),
            ("MessageStatus=delivered&To=%2B254712345678", Delivery::Delivered),
            ("SmsStatus=delivered", Delivery::Delivered),
            ("MessageStatus=undelivered&ErrorCode=30003", failed(false, "30003")),
            ("MessageStatus=undelivered&ErrorCode=30005", failed(true, "30005")),
            ("MessageStatus=undelivered&ErrorCode=30006", failed(true, "30006")),
            ("MessageStatus=undelivered&ErrorCode=30007", failed(false, "30007")),
            ("MessageStatus=failed&ErrorCode=30008", failed(false, "30008")),
            ("MessageStatus=failed", failed(false, "failed")),
            ("MessageStatus=canceled", failed(false, "canceled")),
        ] {
            let report = Report::parse(&form(&format!("MessageSid={SID}&{fields}"))).expect(fields);
            assert_eq!(report, Report { reference: SID.into(), delivery: expected }, "{fields}");
        }
        for (body, error) in [
            ("", Unreadable::Incomplete),
            ("MessageStatus=sent", Unreadable::Incomplete),
            ("MessageSid=SM1", Unreadable::Incomplete),
            ("MessageSid=SM1&MessageStatus=received", Unreadable::UnknownStatus("received".into())),
        ] {
            assert_eq!(Report::parse(&form(body)), Err(error), "{body}");
        }
    }

    /// The values are those of Twilio's documentation and of the tests of its libraries.
    #[test]
    fn signatures_are_twilios() {
        const TOKEN: &str = "12345";
        const ADDRESS: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let call =
            form("To=%2B18005551212&CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&Caller=%2B14158675309");
        let repeated = form("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234");
        let with_port = ADDRESS.replace(".com", ".com:1234");
        let (plain, plain_with_port) = (ADDRESS.replace("https", "http"), with_port.replace("https", "http"));
        for (address, form, signature) in [
            (ADDRESS, &call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (ADDRESS, &repeated, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
            (with_port.as_str(), &call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (ADDRESS, &call, "kvajT1Ptam85bY51eRf/AJRuM3w="),
            (plain.as_str(), &call, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            (plain_with_port.as_str(), &call, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ] {
            assert!(signature_is_valid(TOKEN, address, form, signature), "{address} {signature}");
        }
        let good = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        for (token, address, form, signature) in [
            ("12346", ADDRESS, &call, good),
            (TOKEN, "https://mycompany.com/myapp.php?foo=1&bar=3", &call, good),
            (TOKEN, "https://mycompany.com.example/myapp.php?foo=1&bar=2", &call, good),
            (TOKEN, ADDRESS, &repeated, good),
            (TOKEN, ADDRESS, &call, "SSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (TOKEN, ADDRESS, &call, "RSOYDt4T1cUTdK1PDd93/VVr"),
            (TOKEN, ADDRESS, &call, "not base64!"),
            (TOKEN, ADDRESS, &call, ""),
        ] {
            assert!(!signature_is_valid(token, address, form, signature), "{token} {address} {signature}");
        }
    }
}
