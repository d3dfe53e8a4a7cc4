//! Why a login did not work, in plain words, and the one button that helps.
//!
//! Two speak here through the router's login page: radiusd, whose reasons are [`Denial`]s and whose sentences both programs have from
//! the same place, and the router itself, whose sentences are recognised by a part that does not change. A guest reads both in
//! the page's language, with what to do next: [`of`]. A reason of radiusd's without words does not compile ([`denied`]).
//!
//! What is said stands in the address that the router sends the guest to, where anyone can write: it is read and never trusted, and
//! a sentence that nobody here knows is shown as the router's.

use shared::denial::Denial;
use shared::language::Language;

use super::text::{Said, say};

/// What helps. The page that shows it knows the addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// To buy something: the packages.
    Packages,
    /// To type a voucher's code again.
    Voucher,
    /// To find what was bought, and to remove a device: the customer's page.
    Account,
    /// To try once more, now or in a while: the page anew.
    Again,
    /// To call somebody.
    Staff,
}

impl Next {
    /// What its button says.
    pub fn label(self, language: Language) -> String {
        let key = match self {
            Next::Packages => "next-packages",
            Next::Voucher => "next-voucher",
            Next::Account => "next-account",
            Next::Again => "next-again",
            Next::Staff => "next-staff",
        };
        say(language, key).to_string()
    }
}

/// A refused login: the sentence, and what helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What happened, and what to do.
    pub sentence: String,
    /// Where to do it.
    pub next: Next,
}

/// Parts of the router's own sentences, what they mean to a guest, and what helps. An empty key: nothing worth saying.
const ROUTER: [(&str, &str, Next); 14] = [
    ("you are not logged in", "", Next::Packages),
    ("invalid username or password", "router-password", Next::Again),
    ("this mac address is not yours", "router-other-device", Next::Account),
    ("not allowed to log in from this mac", "router-other-device", Next::Account),
    ("no more sessions are allowed", "router-too-many-devices", Next::Account),
    ("session limit reached", "router-full", Next::Again),
    ("no more free addresses", "router-full", Next::Again),
    ("uptime limit", "router-time-used", Next::Packages),
    ("traffic limit", "router-data-used", Next::Packages),
    ("radius server is not responding", "router-cannot-reach-us", Next::Again),
    ("challenge response", "router-open-too-long", Next::Again),
    ("already authorizing", "router-still-working", Next::Again),
    ("hotspot service is shutting down", "router-restarting", Next::Again),
    ("internal error", "router-broken", Next::Again),
];

/// What was said, in plain words; `None`: there is nothing to say.
pub fn of(language: Language, error: &str) -> Option<Refused> {
    if error.is_empty() {
        return None;
    }
    let refused = |said: Said, next| Some(Refused { sentence: said.to_string(), next });
    if let Some(denial) = Denial::read(error) {
        let (key, next) = denied(denial);
        return refused(say(language, key), next);
    }
    let lower = error.to_lowercase();
    match ROUTER.iter().find(|(part, ..)| lower.contains(part)) {
        Some((_, "", _)) => None,
        Some(&(_, key, next)) => refused(say(language, key), next),
        None => refused(say(language, "router-says").with("sentence", error), Next::Again),
    }
}

/// The key of the sentence for each of radiusd's reasons, and what helps.
fn denied(denial: Denial) -> (&'static str, Next) {
    match denial {
        Denial::UnknownUser => ("denied-unknown-user", Next::Voucher),
        Denial::MistypedCode => ("denied-mistyped-code", Next::Voucher),
        Denial::BadPassword => ("denied-bad-password", Next::Account),
        Denial::CredentialOver => ("denied-credential-over", Next::Account),
        Denial::VoucherOver => ("denied-voucher-over", Next::Voucher),
        Denial::WrongDevice => ("denied-wrong-device", Next::Account),
        Denial::TooManyDevices => ("denied-too-many-devices", Next::Account),
        Denial::TooManySwaps => ("denied-too-many-swaps", Next::Account),
        Denial::TimeOver => ("denied-time-over", Next::Packages),
        Denial::OnlineTimeUsed => ("denied-online-time-used", Next::Packages),
        Denial::OutsideHours => ("denied-outside-hours", Next::Packages),
        Denial::DataUsed => ("denied-data-used", Next::Packages),
        Denial::Revoked => ("denied-revoked", Next::Staff),
        Denial::UnknownDevice => ("denied-unknown-device", Next::Packages),
        Denial::BadRequest => ("denied-bad-request", Next::Again),
        Denial::EapNotOffered => ("denied-eap", Next::Staff),
        Denial::RouterLogin => ("denied-router-login", Next::Packages),
        Denial::CannotCheck => ("denied-cannot-check", Next::Again),
        Denial::Locked => ("denied-locked", Next::Staff),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_of_radiusds_has_a_sentence_of_its_own_and_a_button_in_every_language() {
        let mut sentences = HashSet::new();
        for denial in Denial::ALL {
            for language in Language::ALL {
                // The place's language need not be the customer's.
                for told in Language::ALL.map(|of_the_place| denial.sentence(of_the_place)) {
                    let refused = of(language, told).expect("there is something to say");
                    let (key, next) = denied(denial);
                    assert_eq!(refused, Refused { sentence: say(language, key).to_string(), next }, "{denial:?}");
                    assert_ne!(refused.sentence, key, "{denial:?} has no sentence in {language:?}");
                    assert!(refused.sentence.ends_with('.') && !refused.sentence.contains("{$"), "{refused:?}");
                    assert!(!next.label(language).starts_with("next-"), "{next:?} has no label in {language:?}");
                    sentences.insert(refused.sentence);
                }
            }
        }
        assert_eq!(sentences.len(), Denial::ALL.len() * Language::ALL.len());
    }

    #[test]
    fn the_routers_own_sentences_are_put_in_plain_words() {
        let said = |text: &str| of(Language::English, text);
        assert_eq!(said(""), None);
        assert_eq!(said("you are not logged in (ip 10.5.50.7)"), None);
        for (part, key, next) in ROUTER.iter().filter(|(_, key, _)| !key.is_empty()) {
            for language in Language::ALL {
                let refused = of(language, &part.to_uppercase()).expect("there is something to say");
                assert!(refused.sentence != *key && refused.next == *next, "{part}: {refused:?}");
            }
        }
        let away = said("RADIUS server is not responding").expect("there is something to say");
        assert!(away.sentence.contains("is safe") && away.next == Next::Again, "{away:?}");
        let unknown = said("Your time ended at 21:40.").expect("there is something to say");
        assert_eq!(unknown.sentence, "The router says: “Your time ended at 21:40.”");
        let swahili = of(Language::Swahili, "Muda wako umekwisha.").expect("there is something to say");
        assert_eq!(swahili.sentence, "Ruta inasema: “Muda wako umekwisha.”");
    }
}
