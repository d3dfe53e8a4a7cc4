//! Daraja's JSON: requests checked as Daraja checks them, answers and callbacks in its exact shapes.
//!
//! Its habits are kept: `expires_in` and the query's ResultCode are strings, the callback's ResultCode,
//! TransactionDate and PhoneNumber are numbers, Amount has decimals, Balance is an item without a value, and
//! a failed payment's callback has no CallbackMetadata at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};

use super::config::DarajaConfig;
use super::outcome::Verdict;

/// Largest payment, in whole shillings.
const AMOUNT_MAX: u64 = 250_000;

/// Longest AccountReference, in characters.
const REFERENCE_MAX: usize = 12;

/// Longest TransactionDesc, in characters.
const DESCRIPTION_MAX: usize = 13;

/// A refusal: HTTP status, errorCode and errorMessage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Fault {
        Fault { status, code, message: message.into() }
    }

    pub(super) fn field(name: &str) -> Fault {
        Fault::new(400, "400.002.02", format!("Bad Request - Invalid {name}"))
    }

    pub(crate) fn body(&self, request_id: &str) -> Value {
        json!({ "requestId": request_id, "errorCode": self.code, "errorMessage": self.message })
    }
}

/// A push that passed the checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Push {
    pub(crate) phone: String,
    /// Whole shillings.
    pub(crate) amount: u64,
    pub(crate) reference: String,
    pub(crate) description: String,
    pub(crate) callback_url: String,
}

/// Reads and checks the body of an STK push.
pub(crate) fn read_push(config: &DarajaConfig, body: &[u8]) -> Result<Push, Fault> {
    let body = object(body)?;
    check_credentials(config, &body)?;
    let kind = text(&body, "TransactionType").unwrap_or_default();
    if !matches!(kind.as_str(), "CustomerPayBillOnline" | "CustomerBuyGoodsOnline") {
        return Err(Fault::field("TransactionType"));
    }
    let amount = text(&body, "Amount").and_then(|amount| amount.parse::<u64>().ok());
    let amount = amount.filter(|amount| (1..=AMOUNT_MAX).contains(amount)).ok_or_else(|| Fault::field("Amount"))?;
    text(&body, "PartyA").filter(|party| is_msisdn(party)).ok_or_else(|| Fault::field("PartyA"))?;
    text(&body, "PartyB").filter(|party| is_digits(party)).ok_or_else(|| Fault::field("PartyB"))?;
    let phone =
        text(&body, "PhoneNumber").filter(|phone| is_msisdn(phone)).ok_or_else(|| Fault::field("PhoneNumber"))?;
    let callback_url =
        text(&body, "CallBackURL").filter(|url| is_web(url)).ok_or_else(|| Fault::field("CallBackURL"))?;
    let reference = short(&body, "AccountReference", REFERENCE_MAX)?;
    let description = short(&body, "TransactionDesc", DESCRIPTION_MAX)?;
    Ok(Push { phone, amount, reference, description, callback_url })
}

/// Reads and checks the body of an STK query: the CheckoutRequestID.
pub(crate) fn read_query(config: &DarajaConfig, body: &[u8]) -> Result<String, Fault> {
    let body = object(body)?;
    check_credentials(config, &body)?;
    text(&body, "CheckoutRequestID").filter(|id| !id.is_empty()).ok_or_else(|| Fault::field("CheckoutRequestID"))
}

/// A query about a payment that was never pushed here.
pub(crate) fn unknown_checkout() -> Fault {
    Fault::field("CheckoutRequestID")
}

/// A query about a payment that is not decided.
pub(crate) fn pending() -> Fault {
    Fault::new(500, "500.001.1001", "The transaction is being processed")
}

/// Something behind the front door has failed; whether before or after the request was obeyed, nobody can tell.
pub(crate) fn broken() -> Fault {
    Fault::new(500, "500.003.1001", "Internal Server Error")
}

/// The body as an object.
pub(super) fn object(body: &[u8]) -> Result<Value, Fault> {
    let parsed = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    parsed.ok_or_else(|| Fault::new(400, "400.002.05", "Invalid Request Payload"))
}

/// Shortcode, timestamp and password, which belong together.
fn check_credentials(config: &DarajaConfig, body: &Value) -> Result<(), Fault> {
    let shortcode = text(body, "BusinessShortCode").filter(|code| is_digits(code));
    let shortcode = shortcode.ok_or_else(|| Fault::field("BusinessShortCode"))?;
    let timestamp =
        text(body, "Timestamp").filter(|stamp| is_timestamp(stamp)).ok_or_else(|| Fault::field("Timestamp"))?;
    let password =
        text(body, "Password").filter(|password| !password.is_empty()).ok_or_else(|| Fault::field("Password"))?;
    if shortcode != config.shortcode {
        return Err(Fault::new(500, "500.001.1001", "Merchant does not exist"));
    }
    let expected = STANDARD.encode(format!("{shortcode}{}{timestamp}", config.passkey));
    if password != expected {
        return Err(Fault::new(500, "500.001.1001", "Wrong credentials"));
    }
    Ok(())
}

/// A field as text: Daraja takes strings and whole numbers alike.
pub(super) fn text(body: &Value, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

fn short(body: &Value, name: &str, max: usize) -> Result<String, Fault> {
    text(body, name).filter(|text| (1..=max).contains(&text.chars().count())).ok_or_else(|| Fault::field(name))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// `254`, then 7 or 1, then eight digits.
fn is_msisdn(text: &str) -> bool {
    text.len() == 12 && is_digits(text) && matches!(text.get(..4), Some("2547" | "2541"))
}

/// `YYYYMMDDHHmmss`.
fn is_timestamp(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok()).unwrap_or(99);
    text.len() == 14
        && is_digits(text)
        && (1..=12).contains(&part(4..6))
        && (1..=31).contains(&part(6..8))
        && part(8..10) < 24
        && part(10..12) < 60
        && part(12..14) < 60
}

/// Whether it is an address of the web.
pub(super) fn is_web(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// `YYYYMMDDHHmmss` in East Africa Time, as Daraja writes dates.
pub(crate) fn east_africa(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::from_hms(3, 0, 0).expect("three hours are an offset"));
    let (date, clock) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// The answer to an accepted push.
pub(crate) fn push_answer(merchant_id: &str, checkout_id: &str) -> Value {
    json!({
        "MerchantRequestID": merchant_id,
        "CheckoutRequestID": checkout_id,
        "ResponseCode": "0",
        "ResponseDescription": "Success. Request accepted for processing",
        "CustomerMessage": "Success. Request accepted for processing",
    })
}

/// The answer to a query about a decided payment.
pub(crate) fn query_answer(merchant_id: &str, checkout_id: &str, verdict: Verdict) -> Value {
    json!({
        "ResponseCode": "0",
        // The spelling is Daraja's.
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": merchant_id,
        "CheckoutRequestID": checkout_id,
        "ResultCode": verdict.code.to_string(),
        "ResultDesc": verdict.description,
    })
}

/// What a callback tells.
pub(crate) struct Callback<'a> {
    pub(crate) merchant_id: &'a str,
    pub(crate) checkout_id: &'a str,
    pub(crate) verdict: Verdict,
    pub(crate) amount: u64,
    pub(crate) receipt: &'a str,
    pub(crate) decided_at: OffsetDateTime,
    pub(crate) phone: &'a str,
}

impl Callback<'_> {
    /// The body. Written by hand because a JSON library would not keep the decimals of Amount; every text in
    /// it is the simulator's own and needs no escapes.
    pub(crate) fn body(&self) -> String {
        let Callback { merchant_id, checkout_id, verdict, amount, receipt, decided_at, phone } = self;
        let metadata = if verdict.code == 0 {
            let date = east_africa(*decided_at);
            format!(
                ",\"CallbackMetadata\":{{\"Item\":[{{\"Name\":\"Amount\",\"Value\":{amount}.00}},\
                 {{\"Name\":\"MpesaReceiptNumber\",\"Value\":\"{receipt}\"}},{{\"Name\":\"Balance\"}},\
                 {{\"Name\":\"TransactionDate\",\"Value\":{date}}},{{\"Name\":\"PhoneNumber\",\"Value\":{phone}}}]}}"
            )
        } else {
            String::new()
        };
        format!(
            "{{\"Body\":{{\"stkCallback\":{{\"MerchantRequestID\":\"{merchant_id}\",\"CheckoutRequestID\":\"{checkout_id}\",\
             \"ResultCode\":{},\"ResultDesc\":\"{}\"{metadata}}}}}}}",
            verdict.code, verdict.description
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daraja::outcome::Outcome;

    fn config() -> DarajaConfig {
        DarajaConfig::new("key", "secret", "passkey")
    }

    fn good() -> Value {
        json!({
            "BusinessShortCode": "174379",
            "Password": STANDARD.encode("174379passkey20261124180000"),
            "Timestamp": "20261124180000",
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 20,
            "PartyA": "254712345670",
            "PartyB": "174379",
            "PhoneNumber": 254_712_345_670_u64,
            "CallBackURL": "http://127.0.0.1:8080/hook/x",
            "AccountReference": "ABCDEF123456",
            "TransactionDesc": "Wi-Fi 1 day",
        })
    }

    fn read(body: &Value) -> Result<Push, Fault> {
        read_push(&config(), body.to_string().as_bytes())
    }

    #[test]
    fn a_push_is_read_with_strings_or_numbers() {
        let push = read(&good()).expect("a good push");
        assert_eq!((push.phone.as_str(), push.amount), ("254712345670", 20));
        let mut texts = good();
        texts["Amount"] = json!("20");
        texts["BusinessShortCode"] = json!(174_379);
        assert_eq!(read(&texts), Ok(push));
    }

    #[test]
    fn each_bad_field_is_named() {
        let bad = [
            ("Timestamp", json!("2026112418000")),
            ("Timestamp", json!("20261324180000")),
            ("TransactionType", json!("PayBill")),
            ("Amount", json!(20.5)),
            ("Amount", json!(0)),
            ("Amount", json!("20.00")),
            ("PartyA", json!("0712345670")),
            ("PhoneNumber", json!("254812345670")),
            ("PhoneNumber", json!("+254712345670")),
            ("CallBackURL", json!("ftp://x/")),
            ("CallBackURL", json!("/hook")),
            ("AccountReference", json!("ABCDEF1234567")),
            ("TransactionDesc", json!("Wi-Fi for days")),
            ("TransactionDesc", Value::Null),
        ];
        for (field, value) in bad {
            let mut body = good();
            body[field] = value.clone();
            let fault = read(&body).expect_err(field);
            let expected = format!("Bad Request - Invalid {field}");
            assert_eq!((fault.status, fault.code, fault.message), (400, "400.002.02", expected), "{value}");
        }
    }

    #[test]
    fn wrong_credentials_are_told_by_the_overloaded_code() {
        let mut body = good();
        body["Password"] = json!(STANDARD.encode("174379guess20261124180000"));
        assert_eq!(read(&body).expect_err("wrong").message, "Wrong credentials");
        let mut body = good();
        body["BusinessShortCode"] = json!("600000");
        let fault = read(&body).expect_err("wrong");
        assert_eq!((fault.status, fault.code), (500, "500.001.1001"));
        assert_eq!(read_push(&config(), b"{").expect_err("no JSON").code, "400.002.05");
    }

    #[test]
    fn a_callback_has_darajas_types() {
        let decided_at = OffsetDateTime::from_unix_timestamp(1_576_740_075).expect("in range");
        let mut callback = Callback {
            merchant_id: "1-2-1",
            checkout_id: "ws_CO_1",
            verdict: Outcome::Paid.verdict(),
            amount: 1,
            receipt: "NLJ7RT61SV",
            decided_at,
            phone: "254708374149",
        };
        let paid = callback.body();
        assert!(paid.contains("\"Value\":1.00}"), "{paid}");
        let parsed: Value = serde_json::from_str(&paid).expect("valid JSON");
        let inner = &parsed["Body"]["stkCallback"];
        assert_eq!(inner["ResultCode"], json!(0));
        let items = inner["CallbackMetadata"]["Item"].as_array().expect("items");
        assert_eq!(items[2], json!({ "Name": "Balance" }));
        assert_eq!(items[3]["Value"], json!(20_191_219_102_115_u64), "East Africa Time");
        assert_eq!(items[4]["Value"], json!(254_708_374_149_u64));
        callback.verdict = Outcome::Cancelled.verdict();
        let failed: Value = serde_json::from_str(&callback.body()).expect("valid JSON");
        assert_eq!(failed["Body"]["stkCallback"]["ResultCode"], json!(1032));
        assert!(failed["Body"]["stkCallback"].get("CallbackMetadata").is_none());
    }
}
