//! What customers are told, in English and Swahili, and how an operator words it otherwise.
//!
//! A text is a template (minijinja): `{{ brand }}`, `{{ package }}` and so on, listed in [`VARIABLES`]. What an operator writes is
//! tried with sample values before it is kept, so that a mistake is told to who makes it and not found when a customer is to be
//! told something. Each message is paid for by its length, so the texts are short, and written in the letters of GSM-7. An e-mail
//! has the same text under a subject of its own.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};
use shared::notice::Notice;
use shared::sms;

/// What a text may name, and a sample of it.
pub(crate) const VARIABLES: [(&str, &str); 8] = [
    ("brand", "Mlango Wi-Fi"),
    ("package", "1 day"),
    ("price", "KSh 50"),
    ("code", "AB12CD34"),
    ("until", "21:40"),
    ("link", "https://wifi.example/o/AZrqXk2mT0a7h6Vw1Qq9mQAAAAAAAAAAAAAAAAAAAAA"),
    ("support", "0700 000 000"),
    ("offer", "20 % off until Sunday with the code KARIBU24."),
];
/// Longest text that is kept, in characters.
const TEMPLATE_LIMIT: usize = 600;
/// Longest subject that is kept, in characters.
const SUBJECT_LIMIT: usize = 200;
/// Longest subject with usual values, in characters: what mail programs show in a list (RFC 5322 section 2.1.1 asks for
/// lines of no more than 78).
const SUBJECT_SHOWN: usize = 78;
/// Most messages that one piece of news may be sent as.
const SEGMENTS_MAX: u32 = 3;

/// Our own words.
pub(crate) fn built_in(notice: Notice, locale: &str) -> &'static str {
    match (notice, locale) {
        (Notice::PaymentReceived, "sw") => {
            "{{ brand }}: tumepokea {{ price }} kwa {{ package }}. Kifurushi chako, vifaa na risiti: {{ link }}"
        }
        (Notice::PaymentReceived, _) => {
            "{{ brand }}: {{ price }} received for {{ package }}. Your package, devices and receipt: {{ link }}"
        }
        (Notice::Given, "sw") => {
            "{{ brand }}: umelipiwa {{ package }}. Namba yako ya vocha: {{ code }}. Jiunge na Wi-Fi uiandike: {{ link }}"
        }
        (Notice::Given, _) => {
            "{{ brand }}: {{ package }} was paid for you. Your voucher code: {{ code }}. Join the Wi-Fi and type it: {{ link }}"
        }
        (Notice::EndsSoon, "sw") => "{{ brand }}: {{ package }} inaisha saa {{ until }}. Ongeza: {{ link }}",
        (Notice::EndsSoon, _) => "{{ brand }}: {{ package }} ends at {{ until }}. Get more: {{ link }}",
        (Notice::DataLow, "sw") => "{{ brand }}: umetumia sehemu kubwa ya data ya {{ package }}. Ongeza: {{ link }}",
        (Notice::DataLow, _) => "{{ brand }}: most of the data of {{ package }} is used. Get more: {{ link }}",
        (Notice::DataNearlyUsed, "sw") => "{{ brand }}: data ya {{ package }} inakaribia kuisha. Ongeza: {{ link }}",
        (Notice::DataNearlyUsed, _) => "{{ brand }}: the data of {{ package }} is nearly used up. Get more: {{ link }}",
        (Notice::Ended, "sw") => "{{ brand }}: {{ package }} imeisha. Karibu tena.",
        (Notice::Ended, _) => "{{ brand }}: {{ package }} has ended. Welcome back any time.",
        (Notice::NewDevice, "sw") => {
            "{{ brand }}: kifaa kipya kinatumia {{ package }}. Kama si chako, kiondoe: {{ link }}"
        }
        (Notice::NewDevice, _) => {
            "{{ brand }}: a new device uses {{ package }}. If it is not yours, remove it: {{ link }}"
        }
        (Notice::Trouble, "sw") => "{{ brand }}: mtandao una hitilafu. Tunarekebisha. Samahani.",
        (Notice::Trouble, _) => "{{ brand }}: the network is down where you were online. We are working on it. Sorry.",
        (Notice::TroubleOver, "sw") => "{{ brand }}: mtandao umerudi. Asante kwa kusubiri.",
        (Notice::TroubleOver, _) => "{{ brand }}: the network is back. Thank you for waiting.",
        (Notice::AddressProof, "sw") => {
            "{{ brand }}: je, anwani hii ni yako? Fungua kiungo hiki ndani ya siku moja, ukubali: {{ link }} Kama si yako, usifanye kitu."
        }
        (Notice::AddressProof, _) => {
            "{{ brand }}: is this address yours? Open this link within a day, and say yes: {{ link }} If it is not, do nothing."
        }
        // What is between the brand and the way out is written for each campaign.
        (Notice::Offer, "sw") => "{{ brand }}: {{ offer }} Hutaki ofa? {{ link }}",
        (Notice::Offer, _) => "{{ brand }}: {{ offer }} No more offers: {{ link }}",
    }
}

/// What stands above it in an e-mail.
pub(crate) fn built_in_subject(notice: Notice, locale: &str) -> &'static str {
    match (notice, locale) {
        (Notice::PaymentReceived, "sw") => "{{ brand }}: risiti ya {{ package }}, {{ price }}",
        (Notice::PaymentReceived, _) => "{{ brand }}: receipt for {{ package }}, {{ price }}",
        (Notice::Given, "sw") => "{{ brand }}: umelipiwa {{ package }}",
        (Notice::Given, _) => "{{ brand }}: {{ package }} was paid for you",
        (Notice::EndsSoon, "sw") => "{{ brand }}: {{ package }} inaisha saa {{ until }}",
        (Notice::EndsSoon, _) => "{{ brand }}: {{ package }} ends at {{ until }}",
        (Notice::DataLow, "sw") => "{{ brand }}: umetumia sehemu kubwa ya data ya {{ package }}",
        (Notice::DataLow, _) => "{{ brand }}: most of the data of {{ package }} is used",
        (Notice::DataNearlyUsed, "sw") => "{{ brand }}: data ya {{ package }} inakaribia kuisha",
        (Notice::DataNearlyUsed, _) => "{{ brand }}: the data of {{ package }} is nearly used up",
        (Notice::Ended, "sw") => "{{ brand }}: {{ package }} imeisha",
        (Notice::Ended, _) => "{{ brand }}: {{ package }} has ended",
        (Notice::NewDevice, "sw") => "{{ brand }}: kifaa kipya kinatumia {{ package }}",
        (Notice::NewDevice, _) => "{{ brand }}: a new device uses {{ package }}",
        (Notice::Trouble, "sw") => "{{ brand }}: mtandao una hitilafu",
        (Notice::Trouble, _) => "{{ brand }}: the network is down",
        (Notice::TroubleOver, "sw") => "{{ brand }}: mtandao umerudi",
        (Notice::TroubleOver, _) => "{{ brand }}: the network is back",
        (Notice::AddressProof, "sw") => "{{ brand }}: je, anwani hii ni yako?",
        (Notice::AddressProof, _) => "{{ brand }}: is this address yours?",
        (Notice::Offer, "sw") => "{{ brand }}: ofa kwako",
        (Notice::Offer, _) => "{{ brand }}: an offer for you",
    }
}

/// Why a text cannot be used, in a sentence for whoever wrote it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadText {
    /// It does not parse, or names something that there is not.
    #[error("the text does not work: {0}. It may name {names}", names = names())]
    Template(minijinja::Error),
    /// It says nothing.
    #[error("the text is empty")]
    Empty,
    /// It is too long to be kept.
    #[error("the text is longer than {TEMPLATE_LIMIT} characters")]
    Long,
    /// A subject that is too long to be kept, or to be read.
    #[error("the subject is too long: with usual values it may have {SUBJECT_SHOWN} characters")]
    LongSubject,
    /// It would cost too much.
    #[error(
        "with usual values the text is sent as {0} messages, each of which is paid for; at most {SEGMENTS_MAX} are sent"
    )]
    Costly(u32),
}

fn names() -> String {
    VARIABLES.map(|(name, _)| format!("{{{{ {name} }}}}")).join(", ")
}

/// Fills a text in. What it names and there is not is an error.
pub(crate) fn fill(text: &str, values: &BTreeMap<&str, String>) -> Result<String, minijinja::Error> {
    fill_subject(text, values).map(|filled| sms::to_gsm7_friendly(&filled))
}

/// The same for what stands above it, where every letter costs the same.
pub(crate) fn fill_subject(text: &str, values: &BTreeMap<&str, String>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let filled = environment.render_str(text, values)?;
    Ok(filled.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Tries an operator's text with sample values. Returns what a customer would read, and what it is sent as.
pub(crate) fn check(text: &str) -> Result<(String, sms::Length), BadText> {
    try_with(text, &samples())
}

/// Tries what a campaign tells, within the text that all offers have. Returns what a customer would read, and what it is sent as.
pub(crate) fn check_offer(frame: &str, offer: &str) -> Result<(String, sms::Length), BadText> {
    if offer.trim().is_empty() {
        return Err(BadText::Empty);
    }
    let mut values = samples();
    values.insert("offer", offer.trim().to_owned());
    try_with(frame, &values)
}

fn try_with(text: &str, values: &BTreeMap<&str, String>) -> Result<(String, sms::Length), BadText> {
    let offer = values.get("offer").map_or(0, |offer| offer.chars().count());
    if text.chars().count() > TEMPLATE_LIMIT || offer > TEMPLATE_LIMIT {
        return Err(BadText::Long);
    }
    let sample = fill(text, values).map_err(BadText::Template)?;
    if sample.trim().is_empty() {
        return Err(BadText::Empty);
    }
    let length = sms::cost(&sample);
    if length.segments > SEGMENTS_MAX { Err(BadText::Costly(length.segments)) } else { Ok((sample, length)) }
}

/// Tries an operator's subject with sample values. Returns what a customer would read.
pub(crate) fn check_subject(text: &str) -> Result<String, BadText> {
    if text.chars().count() > SUBJECT_LIMIT {
        return Err(BadText::LongSubject);
    }
    let sample = fill_subject(text, &samples()).map_err(BadText::Template)?;
    match sample.chars().count() {
        0 => Err(BadText::Empty),
        length if length > SUBJECT_SHOWN => Err(BadText::LongSubject),
        _ => Ok(sample),
    }
}

fn samples() -> BTreeMap<&'static str, String> {
    VARIABLES.map(|(name, sample)| (name, sample.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_texts_are_short_and_in_cheap_letters() {
        for notice in Notice::ALL {
            for locale in ["en", "sw"] {
                let (sample, length) = check(built_in(notice, locale)).expect("a good text");
                assert!(length.segments <= 2, "{sample}");
                assert_eq!(length.encoding, sms::Encoding::Gsm7, "{sample}");
                assert!(sample.starts_with("Mlango Wi-Fi: "), "{sample}");
            }
            assert_ne!(built_in(notice, "en"), built_in(notice, "sw"));
        }
    }

    #[test]
    fn every_kind_of_news_has_a_subject() {
        for notice in Notice::ALL {
            for locale in ["en", "sw"] {
                let sample = check_subject(built_in_subject(notice, locale)).expect("a good subject");
                assert!(sample.starts_with("Mlango Wi-Fi: "), "{sample}");
            }
            assert_ne!(built_in_subject(notice, "en"), built_in_subject(notice, "sw"));
        }
    }

    #[test]
    fn a_subject_is_one_line_that_can_be_read_in_a_list() {
        assert_eq!(check_subject("Risiti\r\nBcc: {{ brand }}").expect("a good subject"), "Risiti Bcc: Mlango Wi-Fi");
        assert_eq!(
            check_subject("\u{201c}{{ brand }}\u{201d}").expect("a good subject"),
            "\u{201c}Mlango Wi-Fi\u{201d}"
        );
        let error = |text: &str| check_subject(text).expect_err("it does not work").to_string();
        assert!(error("{{ brnd }}").contains("{{ brand }}"));
        assert_eq!(error(" \n "), "the text is empty");
        assert!(error("{{ link }} {{ link }}").contains("78"));
        assert!(error(&"x".repeat(201)).contains("78"));
    }

    #[test]
    fn an_offer_is_tried_within_its_frame_and_is_no_template() {
        let frame = built_in(Notice::Offer, "en");
        let (sample, length) = check_offer(frame, "20 % off \u{2013} {{ brand }}").expect("a good text");
        assert!(sample.starts_with("Mlango Wi-Fi: 20 % off - {{ brand }} No more offers: https://"), "{sample}");
        assert_eq!(length.encoding, sms::Encoding::Gsm7);
        assert_eq!(check_offer(frame, " ").expect_err("nothing").to_string(), "the text is empty");
        assert!(check_offer(frame, &"x".repeat(601)).expect_err("long").to_string().contains("600"));
    }

    #[test]
    fn a_text_that_does_not_work_is_told_to_who_writes_it() {
        let error = |text: &str| check(text).expect_err("it does not work").to_string();
        assert!(error("Hello {{ brnd }}").contains("{{ brand }}"), "{}", error("Hello {{ brnd }}"));
        assert!(error("Hello {{ brand").contains("does not work"));
        assert_eq!(error("  "), "the text is empty");
        assert!(error(&"x".repeat(601)).contains("600"));
        assert!(error(&"x".repeat(500)).contains("4 messages"));
        let (sample, _) = check("Karibu {{ brand }}!\n {{ package }} \u{2013} ok").expect("a good text");
        assert_eq!(sample, "Karibu Mlango Wi-Fi! 1 day - ok");
    }
}
