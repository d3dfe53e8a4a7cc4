//! What the page of an order says of money that buys nothing: that we have it, or when and where it went back.

use shared::language::Language;
use store::returned::Returned;

use crate::views::text::{Said, say};
use crate::views::time;

/// Headline and sentence.
pub(super) fn words(language: Language, returned: Option<Returned>, code: &str) -> (Said, Said) {
    let say = |key| say(language, key);
    match returned {
        None => (say("order-refund-due"), say("order-refund-due-detail").with("code", code)),
        Some(Returned::OnItsWay { amount }) => {
            (say("order-refunding"), say("order-refunding-detail").with("amount", amount))
        }
        Some(Returned::Gone { amount, at, to_card: true }) => {
            let when = time::stamp(language, at);
            (say("order-refunded"), say("order-refunded-to-card").with("amount", amount).with("when", when))
        }
        Some(Returned::Gone { amount, at, to_card: false }) => {
            let when = time::stamp(language, at);
            (say("order-refunded"), say("order-refunded-to-phone").with("amount", amount).with("when", when))
        }
        Some(Returned::TakenBack { amount, at }) => {
            let when = time::stamp(language, at);
            (say("order-disputed"), say("order-disputed-detail").with("amount", amount).with("when", when))
        }
    }
}
