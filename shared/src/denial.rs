//! Why a login is refused: a word for logs and metrics, and a sentence for the guest in the language of the place.
//!
//! radiusd sends the sentence, the router's login page brings it to the portal ([`Denial::read`]), and the portal says it in the
//! customer's own language with what to do next. A sentence that is changed here is read all the same, since both programs
//! have it from here; while one of them is older it is shown as it came.

use crate::language::Language;

/// Why a login is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Denial {
    /// No such name or voucher.
    UnknownUser,
    /// A voucher code whose check says that it was never printed: a typing error, and no guess.
    MistypedCode,
    /// The password is wrong.
    BadPassword,
    /// The credential's own time is over.
    CredentialOver,
    /// Nobody used the voucher before its last day was over.
    VoucherOver,
    /// The credential belongs to another device.
    WrongDevice,
    /// All devices of the entitlement are taken.
    TooManyDevices,
    /// Its devices were changed too often.
    TooManySwaps,
    /// The time is used up.
    TimeOver,
    /// The time that may be spent online is used up.
    OnlineTimeUsed,
    /// It may be used at other hours only.
    OutsideHours,
    /// The data is used up.
    DataUsed,
    /// The operator took it back.
    Revoked,
    /// The device has nothing to use: the usual answer to a MAC login of a new guest.
    UnknownDevice,
    /// The request has no password that we understand, or more than one.
    BadRequest,
    /// EAP is not offered here.
    EapNotOffered,
    /// Somebody who wants to sign in to the router itself and may not.
    RouterLogin,
    /// A name that memory does not know, and PostgreSQL could not be asked.
    CannotCheck,
    /// There were too many wrong guesses.
    Locked,
}

impl Denial {
    /// All reasons.
    pub const ALL: [Denial; 19] = [
        Denial::UnknownUser,
        Denial::MistypedCode,
        Denial::BadPassword,
        Denial::CredentialOver,
        Denial::VoucherOver,
        Denial::WrongDevice,
        Denial::TooManyDevices,
        Denial::TooManySwaps,
        Denial::TimeOver,
        Denial::OnlineTimeUsed,
        Denial::OutsideHours,
        Denial::DataUsed,
        Denial::Revoked,
        Denial::UnknownDevice,
        Denial::BadRequest,
        Denial::EapNotOffered,
        Denial::RouterLogin,
        Denial::CannotCheck,
        Denial::Locked,
    ];

    /// A fixed word for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Denial::UnknownUser => "unknown_user",
            Denial::MistypedCode => "mistyped_code",
            Denial::BadPassword => "bad_password",
            Denial::CredentialOver => "credential_over",
            Denial::VoucherOver => "voucher_over",
            Denial::WrongDevice => "wrong_mac",
            Denial::TooManyDevices => "device_limit",
            Denial::TooManySwaps => "device_swaps",
            Denial::TimeOver => "expired",
            Denial::OnlineTimeUsed => "time_quota",
            Denial::OutsideHours => "outside_hours",
            Denial::DataUsed => "quota",
            Denial::Revoked => "suspended",
            Denial::UnknownDevice => "unknown_device",
            Denial::BadRequest => "bad_request",
            Denial::EapNotOffered => "eap_not_offered",
            Denial::RouterLogin => "router_login",
            Denial::CannotCheck => "db_unavailable",
            Denial::Locked => "locked",
        }
    }

    /// The sentence that the guest reads.
    pub fn sentence(self, language: Language) -> &'static str {
        let (english, swahili) = self.sentences();
        match language {
            Language::English => english,
            Language::Swahili => swahili,
        }
    }

    /// The reason whose sentence stands in what a router has passed on, in whichever language it was sent.
    pub fn read(text: &str) -> Option<Denial> {
        let is_said = |denial: &Denial| Language::ALL.iter().any(|language| text.contains(denial.sentence(*language)));
        Denial::ALL.into_iter().find(is_said)
    }

    /// In English and in Swahili.
    fn sentences(self) -> (&'static str, &'static str) {
        match self {
            Denial::UnknownUser => (
                "We do not know this name or voucher. Please check the spelling.",
                "Hatulijui jina hili wala vocha hii. Tafadhali hakikisha umeandika sawasawa.",
            ),
            Denial::MistypedCode => (
                "Please check the code: one character looks wrong.",
                "Tafadhali hakiki namba ya vocha: herufi moja inaonekana si sahihi.",
            ),
            Denial::BadPassword => {
                ("The password is not right. Please try again.", "Neno la siri si sahihi. Tafadhali jaribu tena.")
            }
            Denial::CredentialOver => (
                "This login is no longer valid. Please open the Wi-Fi page again.",
                "Njia hii ya kuingia imepitwa na wakati. Tafadhali fungua ukurasa wa Wi-Fi tena.",
            ),
            Denial::VoucherOver => (
                "This voucher is too old: the last day to use it is over. Please ask the staff for a new one.",
                "Vocha hii imepitwa na muda: siku yake ya mwisho imepita. Tafadhali muombe mhudumu nyingine.",
            ),
            Denial::WrongDevice => (
                "This login was made for another device. Please open the Wi-Fi page on this one.",
                "Njia hii ya kuingia ni ya kifaa kingine. Tafadhali fungua ukurasa wa Wi-Fi kwenye kifaa hiki.",
            ),
            Denial::TooManyDevices => (
                "This package is already used on all its devices.",
                "Kifurushi hiki tayari kinatumika kwenye vifaa vyake vyote.",
            ),
            Denial::TooManySwaps => (
                "This package was moved to other devices too often today. Please try again tomorrow, or ask the staff.",
                "Kifurushi hiki kimehamishwa kwenye vifaa vingine mara nyingi leo. Tafadhali jaribu tena kesho, au muulize mhudumu.",
            ),
            Denial::TimeOver => (
                "Your time is used up. Please buy a new package.",
                "Muda wako umekwisha. Tafadhali nunua kifurushi kipya.",
            ),
            Denial::OnlineTimeUsed => (
                "Your hours online are used up. Please buy a new package.",
                "Saa zako za mtandaoni zimekwisha. Tafadhali nunua kifurushi kipya.",
            ),
            Denial::OutsideHours => (
                "Your package is for other hours of the day or week. Please come back then, or buy another one.",
                "Kifurushi chako ni cha saa nyingine. Tafadhali rudi wakati huo, au nunua kingine.",
            ),
            Denial::DataUsed => (
                "Your data is used up. Please buy a new package.",
                "Data yako imekwisha. Tafadhali nunua kifurushi kipya.",
            ),
            Denial::Revoked => (
                "This access was withdrawn. Please ask the operator.",
                "Huduma hii imesitishwa. Tafadhali muulize mhudumu.",
            ),
            Denial::UnknownDevice => (
                "Welcome. Please choose a package to go online.",
                "Karibu. Tafadhali chagua kifurushi ili uingie mtandaoni.",
            ),
            Denial::BadRequest => (
                "The router sent a login that cannot be understood. Please try again.",
                "Ombi la kuingia halieleweki. Tafadhali jaribu tena.",
            ),
            Denial::EapNotOffered => {
                ("This network does not offer this kind of login.", "Mtandao huu hautoi njia hii ya kuingia.")
            }
            Denial::RouterLogin => {
                ("This name and password do not open the router.", "Jina na neno la siri hili havifungui ruta.")
            }
            Denial::CannotCheck => (
                "We cannot check this login right now. Please try again in a minute.",
                "Hatuwezi kuhakiki kuingia kwako kwa sasa. Tafadhali jaribu tena baada ya dakika moja.",
            ),
            Denial::Locked => (
                "There were too many wrong tries. Please wait some minutes, or ask the staff.",
                "Umejaribu vibaya mara nyingi mno. Tafadhali subiri dakika chache, au muulize mhudumu.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_and_sentences_that_fit_one_attribute() {
        let labels: HashSet<_> = Denial::ALL.iter().map(|denial| denial.label()).collect();
        assert_eq!(labels.len(), Denial::ALL.len());
        let mut sentences = HashSet::new();
        for (denial, language) in Denial::ALL
            .iter()
            .flat_map(|denial| [Language::English, Language::Swahili].map(|language| (denial, language)))
        {
            let sentence = denial.sentence(language);
            assert!(sentence.len() <= 253 && sentence.ends_with('.') && sentence.is_ascii(), "{sentence}");
            sentences.insert(sentence);
        }
        assert_eq!(sentences.len(), 2 * Denial::ALL.len(), "no sentence stands for two reasons, nor for two languages");
    }

    #[test]
    fn a_reason_is_read_from_its_sentence_in_either_language() {
        for denial in Denial::ALL {
            for language in Language::ALL {
                assert_eq!(Denial::read(denial.sentence(language)), Some(denial));
                assert_eq!(Denial::read(&format!("{} (10.5.50.7)", denial.sentence(language))), Some(denial));
            }
        }
        assert_eq!(Denial::read("RADIUS server is not responding"), None);
        assert_eq!(Denial::read(""), None);
    }
}
