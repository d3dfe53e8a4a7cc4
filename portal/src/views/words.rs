//! Plain words for what routers and M-Pesa say.
//!
//! Routers' sentences are recognised by a part that does not change; M-Pesa's reasons come as
//! [`Reason`]. A guest reads what happened and what to do next, never a code.

use crate::payments::reason::Reason;

/// Parts of the router's sentences, and what they mean to a guest. An empty text: nothing worth saying.
const ROUTER: [(&str, &str); 14] = [
    ("you are not logged in", ""),
    (
        "invalid username or password",
        "The router did not accept that login. Try once more; if you typed a code, check it.",
    ),
    ("this mac address is not yours", "That code belongs to another device."),
    ("not allowed to log in from this mac", "That code belongs to another device."),
    (
        "no more sessions are allowed",
        "Too many devices are online with this package. Take one of them off the Wi-Fi, then try again.",
    ),
    ("session limit reached", "The hotspot is full at the moment. Try again in a few minutes."),
    ("no more free addresses", "The hotspot is full at the moment. Try again in a few minutes."),
    ("uptime limit", "Your time is used up."),
    ("traffic limit", "Your data is used up."),
    (
        "radius server is not responding",
        "The Wi-Fi cannot reach us at the moment. What you paid is safe. Try again in a minute.",
    ),
    ("challenge response", "The sign-in page was open for too long. Try once more."),
    ("already authorizing", "The router is still working on your last try. Wait a few seconds, then try again."),
    ("hotspot service is shutting down", "The hotspot is restarting. Try again in a minute."),
    ("internal error", "The router has a problem. Try again in a minute, or tell the staff."),
];

/// What the router said, in plain words; `None` if there is nothing to say. A sentence that we do not know is most
/// likely our own Reply-Message; it is shown as the router's, because anyone can write it into the address.
pub fn router_error(error: &str) -> Option<String> {
    let lower = error.to_lowercase();
    match ROUTER.iter().find(|(part, _)| lower.contains(part)) {
        Some((_, "")) => None,
        Some((_, words)) => Some((*words).to_owned()),
        None if error.is_empty() => None,
        None => Some(format!("The router says: “{error}”")),
    }
}

/// Why a payment failed, and what to do.
pub fn failure(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::NoFunds => {
            ("There is not enough money in your M-Pesa", "Nothing was charged. Top up, or choose a cheaper package.")
        }
        Reason::Cancelled => ("The payment was cancelled", "Nothing was charged. You can try again."),
        Reason::WrongPin => ("The M-Pesa PIN was wrong", "Nothing was charged. Try again with the right PIN."),
        Reason::NoAnswer => (
            "Your phone could not be reached",
            "Nothing was charged. Check that it is on, has network, and that the number is right, then try again.",
        ),
        Reason::Expired => ("The time for the PIN ran out", "Nothing was charged. You can try again."),
        Reason::OverLimit => {
            ("That is above your M-Pesa limit", "Nothing was charged. Choose a cheaper package, or try tomorrow.")
        }
        Reason::LineBusy => (
            "Your phone line is busy with another request",
            "Close other M-Pesa menus on your phone, wait two minutes, then try again.",
        ),
        Reason::RuleLimited | Reason::SystemBusy | Reason::PushError => (
            "M-Pesa could not do it just now",
            "Look at your M-Pesa messages first. If you were charged, wait here: you will be online by itself. If not, try again in a few minutes.",
        ),
        Reason::Unreachable | Reason::Throttled => {
            ("We cannot reach M-Pesa at the moment", "Nothing was charged. Try again in a minute.")
        }
        Reason::Misconfigured | Reason::Credentials | Reason::Rejected => {
            ("M-Pesa does not work here at the moment", "Nothing was charged. Please tell the staff.")
        }
        Reason::Declined => {
            ("Your card was not accepted", "Nothing was charged. Try again with another card, or pay in another way.")
        }
        Reason::PageClosed => ("The card page was closed", "Nothing was charged. You can try again."),
        Reason::NoNews | Reason::Unlisted => (
            "We have no answer from M-Pesa",
            "Look at your M-Pesa messages. If you were charged, stay here or come back: you will be online once M-Pesa tells us. If not, try again.",
        ),
    }
}

/// The same of a payment by card, where M-Pesa's words would mislead.
pub fn card_failure(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::Unreachable | Reason::Throttled => {
            ("We cannot take cards at the moment", "Nothing was charged. Try again in a minute, or pay in another way.")
        }
        Reason::Credentials | Reason::Rejected | Reason::Misconfigured => {
            ("Cards do not work here at the moment", "Nothing was charged. Pay in another way, or tell the staff.")
        }
        Reason::NoNews | Reason::Unlisted => (
            "We do not know what became of your card payment",
            "If you were charged, stay here or come back: you will be online once we are told. If not, try again.",
        ),
        other => failure(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sentences_are_put_in_plain_words() {
        let said = |text: &str| router_error(text);
        assert_eq!(said(""), None);
        assert_eq!(said("you are not logged in (ip 10.5.50.7)"), None);
        assert!(said("RADIUS server is not responding").is_some_and(|text| text.contains("is safe")));
        assert!(said("no more sessions are allowed for user X").is_some_and(|text| text.contains("Too many devices")));
        assert_eq!(said("Your time ended at 21:40.").as_deref(), Some("The router says: “Your time ended at 21:40.”"));
    }
}
