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

use shared::phone::Phone;

use self::sms::AfterUnknown;
use crate::App;

/// Sends a code to a phone. Nobody waits for it here: who gets none asks for another.
pub(crate) fn code(app: &App, phone: &Phone, code: &str, good_for: Duration) {
    let text = code_text(&app.config.portal.brand, code, good_for);
    let (app, phone) = (app.clone(), phone.clone());
    app.clone().background.spawn(async move {
        let Some(sms) = &app.sms else { return };
        // Somebody waits for it: better two than none.
        let sent = sms.send(&phone, &text, AfterUnknown::AskNext).await.sent;
        app.metrics.sms.with_label_values(&["code", sent.label()]).inc();
        if !matches!(sent, sms::Sent::Accepted { .. }) {
            tracing::warn!(result = sent.label(), phone = %phone.masked(), "a code could not be sent");
        }
    });
}

/// The text of a code: its digits first, where phones show and fill them in.
fn code_text(brand: &str, code: &str, good_for: Duration) -> String {
    let minutes = good_for.as_secs() / 60;
    shared::sms::to_gsm7_friendly(&format!(
        "{code} is your code for {brand}. It is good for {minutes} minutes. Give it to nobody."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_short_message() {
        let text = code_text("Mlango Wi-Fi", "012345", Duration::from_secs(300));
        assert!(text.starts_with("012345 is your code for Mlango Wi-Fi."), "{text}");
        assert_eq!(shared::sms::cost(&text).segments, 1);
    }
}
