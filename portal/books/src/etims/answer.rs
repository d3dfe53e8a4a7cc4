//! What the authority's answers mean: the envelope, its codes in words, and what is known afterwards.
//!
//! `{"resultCd": "000", "resultMsg": …, "resultDt": "yyyyMMddHHmmss", "data": …}`. The codes are those of section 4.18 of the OSCU
//! specification 2.0, and 905, which the sandbox answers.

use serde::Deserialize;
use serde_json::Value;
use time::{Date, Month, OffsetDateTime, Time};

use super::invoice::EAT;
use super::{Begun, Signed};

/// Most characters of what the authority says that are quoted.
const QUOTED_MAX: usize = 200;

/// Why it did not come to it, each with a sentence for the desk.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Trouble {
    /// The authority refuses what was said: certainly not signed, and never will be as it is.
    #[error("{0}")]
    Refused(String),
    /// The authority does not know the device, or not the key: of the invoice it says nothing.
    #[error("{0}")]
    Device(String),
    /// The authority has an invoice of this number. After an answer that was lost: it is ours, and signed.
    #[error("{0}")]
    Declared(String),
    /// Certainly not signed: nothing was sent, or nothing was looked at. Later again.
    #[error("{0}")]
    Away(String),
    /// It may be signed or not. The same again, later.
    #[error("{0}")]
    Unknown(String),
}

impl Trouble {
    /// A word for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Refused(_) => "refused",
            Trouble::Device(_) => "device",
            Trouble::Declared(_) => "declared",
            Trouble::Away(_) => "away",
            Trouble::Unknown(_) => "unknown",
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "resultCd")]
    code: Value,
    #[serde(rename = "resultMsg", default)]
    said: Option<String>,
    #[serde(default)]
    data: Option<Value>,
}

/// What is within the envelope, if it says that all went well.
pub(super) fn open(body: &[u8]) -> Result<Value, Trouble> {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
        return Err(Trouble::Unknown("what the authority answered is no answer".into()));
    };
    let code = text(&envelope.code).unwrap_or_default();
    let said = envelope.said.as_deref().unwrap_or_default().trim();
    match code.as_str() {
        // The shorter ones are seen from the authority's other interfaces.
        "000" | "001" | "00" | "0" | "0000" => Ok(envelope.data.unwrap_or_default()),
        _ => Err(trouble(&code, said)),
    }
}

/// What a code means.
fn trouble(code: &str, said: &str) -> Trouble {
    let said: String = said.chars().filter(|letter| !letter.is_control()).take(QUOTED_MAX).collect();
    let with = |words: &str| match said.is_empty() {
        true => format!("{words} (KRA {code})"),
        false => format!("{words} (KRA {code}: {said})"),
    };
    match code {
        "900" | "901" => Trouble::Device(with("the authority does not know this device with its key")),
        "902" => Trouble::Device(with(
            "the authority has given the key of this device before, and gives it once: ask KRA to have the device begin anew",
        )),
        "903" | "905" => Trouble::Device(with(
            "the authority has not approved a device of this serial number for this taxpayer and branch",
        )),
        "910" | "911" | "912" => Trouble::Refused(with("the authority refuses what the invoice says")),
        "921" | "994" => Trouble::Declared(with("the authority has this number already")),
        "922" => Trouble::Refused(with("the authority wants another invoice before this one")),
        // Something went wrong over there, and how far it came is not said.
        _ if matches!(code.as_bytes(), [b'9', b'9', _] | [b'8', b'9', _]) => {
            Trouble::Unknown(with("the authority had trouble of its own"))
        }
        _ => Trouble::Refused(with("the authority refuses it")),
    }
}

/// What an HTTP status means where it is not 200: what stands before the authority's program has answered.
pub(super) fn of_status(status: u16) -> Trouble {
    match status {
        500.. => Trouble::Unknown(format!("the authority’s server failed (HTTP {status})")),
        404 => Trouble::Away("there is no eTIMS at etims.base_url (HTTP 404)".into()),
        _ => Trouble::Away(format!("the authority’s server did not take it (HTTP {status})")),
    }
}

/// The key in the answer to a device that begins.
pub(super) fn begun(data: &Value) -> Option<Begun> {
    let info = field(data, "info")?;
    let key = text(field(info, "cmcKey")?)?;
    Some(Begun { key, device: field(info, "sdcId").and_then(text).unwrap_or_default() })
}

/// The signature in the answer to an invoice.
pub(super) fn signed(data: &Value) -> Option<Signed> {
    let signature = text(field(data, "rcptSign")?)?;
    let optional = |name| field(data, name).and_then(text);
    Some(Signed {
        signature,
        internal_data: optional("intrlData").unwrap_or_default(),
        receipt_number: optional("curRcptNo").and_then(|number| number.parse().ok()),
        at: optional("sdcDateTime").and_then(|at| moment(&at)),
    })
}

/// A field; the specification's own samples have names with a blank at the end.
fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = of.as_object()?;
    fields.get(name).or_else(|| fields.iter().find(|(spelt, _)| spelt.trim() == name).map(|(_, value)| value))
}

/// Text or a number as text; `None` for what is empty.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// `yyyyMMddHHmmss` in Kenya.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let all_digits = text.len() == 14 && text.bytes().all(|octet| octet.is_ascii_digit());
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u8>().ok();
    let year = text.get(..4).filter(|_| all_digits)?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(part(4, 6)?).ok()?, part(6, 8)?).ok()?;
    let time = Time::from_hms(part(8, 10)?, part(10, 12)?, part(12, 14)?).ok()?;
    Some(date.with_time(time).assume_offset(EAT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn opened(answer: Value) -> Result<Value, Trouble> {
        open(answer.to_string().as_bytes())
    }

    #[test]
    fn what_went_well_is_opened() {
        for code in [json!("000"), json!("001"), json!(" 00 "), json!(0)] {
            assert_eq!(opened(json!({ "resultCd": code, "data": { "a": 1 } })), Ok(json!({ "a": 1 })), "{code}");
        }
        assert_eq!(opened(json!({ "resultCd": "001", "data": null })), Ok(Value::Null));
    }

    #[test]
    fn each_code_says_what_is_known_of_the_invoice() {
        for (code, label) in [
            ("900", "device"),
            ("901", "device"),
            ("902", "device"),
            ("903", "device"),
            ("905", "device"),
            ("910", "refused"),
            ("911", "refused"),
            ("912", "refused"),
            ("921", "declared"),
            ("922", "refused"),
            ("990", "unknown"),
            ("994", "declared"),
            ("999", "unknown"),
            ("894", "unknown"),
            ("777", "refused"),
            ("", "refused"),
        ] {
            let trouble = opened(json!({ "resultCd": code, "resultMsg": "so\nit is" })).unwrap_err();
            assert_eq!(trouble.label(), label, "{code}");
            assert!(trouble.to_string().ends_with(&format!("(KRA {code}: soit is)")), "{trouble}");
        }
        for (status, label) in [(502, "unknown"), (500, "unknown"), (404, "away"), (301, "away"), (429, "away")] {
            assert_eq!(of_status(status).label(), label, "{status}");
        }
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        for body in ["", "<html>", "[]", "{}", "\"000\""] {
            assert_eq!(open(body.as_bytes()).unwrap_err().label(), "unknown", "{body}");
        }
    }

    #[test]
    fn a_signature_is_read_as_the_specification_spells_it() {
        let data = json!({
            "curRcptNo ": 7, "totRcptNo": 9, "intrlData": "ABC ", "rcptSign": "V249J39CFJ48HE2W", "sdcDateTime": "20261122143005"
        });
        assert_eq!(
            signed(&data),
            Some(Signed {
                signature: "V249J39CFJ48HE2W".into(),
                internal_data: "ABC".into(),
                receipt_number: Some(7),
                at: Some(datetime!(2026-11-22 14:30:05 +3)),
            })
        );
        assert_eq!(signed(&json!({ "rcptSign": "" })), None);
        assert_eq!(signed(&Value::Null), None);
        for text in ["20261322143005", "2026112214300", "2026112214300x", "20261122246000"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_device_without_a_key_has_not_begun() {
        let begun_with = |info: Value| begun(&json!({ "info": info }));
        let device = begun_with(json!({ "cmcKey": "k3y", "sdcId": "KRACU0100000001" })).unwrap();
        assert_eq!((device.key.as_str(), device.device.as_str()), ("k3y", "KRACU0100000001"));
        assert!(begun_with(json!({ "sdcId": "KRACU0100000001" })).is_none());
        assert!(begun(&Value::Null).is_none());
    }
}
