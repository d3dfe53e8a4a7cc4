//! What the page of an order says of money that buys nothing: that we have it, or when and where it went back.

use shared::language::Language;
use store::returned::{Returned, To};

use crate::views::text::{Said, say};
use crate::views::time;

/// Headline and sentence.
pub(super) fn words(language: Language, returned: Option<Returned>, code: &str) -> (Said, Said) {
    let say = |key| say(language, key);
    match returned {
        None => (say("order-refund-due"), say("order-refund-due-detail").with("code", code)),
        Some(Returned::OnItsWay { amount, to }) => {
            let detail = match to {
                To::Card => say("order-refunding-detail").with("amount", amount),
                To::Phone | To::Hand => say("order-refunding-to-phone").with("amount", amount),
            };
            (say("order-refunding"), detail)
        }
        Some(Returned::Gone { amount, at, to }) => {
            let when = time::stamp(language, at);
            let detail = match to {
                To::Card => say("order-refunded-to-card").with("amount", amount).with("when", when),
                To::Phone => say("order-refunded-to-phone").with("amount", amount).with("when", when),
                To::Hand => say("order-refunded-by-hand").with("amount", amount).with("when", when),
            };
            (say("order-refunded"), detail)
        }
        Some(Returned::TakenBack { amount, at }) => {
            let when = time::stamp(language, at);
            (say("order-disputed"), say("order-disputed-detail").with("amount", amount).with("when", when))
        }
    }
}
