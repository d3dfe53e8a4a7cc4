//! Telling customers what happens.
//!
//! * [`news`] – what stands in the outbox, sent when its time has come;
//! * [`texts`] – the words, ours and the operator's;
//! * [`sms`] – the providers of SMS, one after the other until one takes a message;
//! * [`email`] – the mail server; [`letter`] – what an e-mail says besides;
//! * [`code`] – the one message that somebody waits for: it is sent at once, and never written down.

pub mod email;
pub(crate) mod letter;
pub(crate) mod news;
pub mod sms;
pub(crate) mod texts;

use std::time::Duration;

use shared::language::Language;
use shared::phone::Phone;

use self::sms::AfterUnknown;
use crate::App;
use crate::trace::carried;
use crate::views::text::say;

/// Sends a code to a phone. Nobody waits for it here: who gets none asks for another.
pub(crate) fn code(app: &App, language: Language, phone: &Phone, code: &str, good_for: Duration) {
    let text = code_text(language, &app.config.portal.brand, code, good_for);
    let (app, phone) = (app.clone(), phone.clone());
    app.clone().background.spawn(carried(async move {
        let Some(sms) = &app.sms else { return };
        // Somebody waits for it: better two than none.
        let sent = sms.send(&phone, &text, AfterUnknown::AskNext).await.sent;
        app.metrics.sms.with_label_values(&["code", sent.label()]).inc();
        if !matches!(sent, sms::Sent::Accepted { .. }) {
            tracing::warn!(result = sent.label(), phone = %phone.masked(), "a code could not be sent");
        }
    }));
}

/// The text of a code: its digits first, where phones show and fill them in.
fn code_text(language: Language, brand: &str, code: &str, good_for: Duration) -> String {
    let minutes = good_for.as_secs() / 60;
    let text = say(language, "sms-code").with("code", code).with("brand", brand).with("minutes", minutes);
    shared::sms::to_gsm7_friendly(&text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_short_message() {
        let text = |language| code_text(language, "Mlango Wi-Fi", "012345", Duration::from_secs(300));
        let english = "012345 is your code for Mlango Wi-Fi. It is good for 5 minutes. Give it to nobody.";
        assert_eq!(text(Language::English), english);
        for language in Language::ALL {
            let length = shared::sms::cost(&text(language));
            assert!(text(language).starts_with("012345 "), "{}", text(language));
            assert_eq!((length.segments, length.encoding), (1, shared::sms::Encoding::Gsm7));
        }
    }
}
