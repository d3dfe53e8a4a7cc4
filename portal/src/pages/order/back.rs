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
                To::Card => "order-refunding-detail",
                To::Phone | To::Hand => "order-refunding-to-phone",
            };
            (say("order-refunding"), say(detail).with("amount", amount))
        }
        Some(Returned::Gone { amount, at, to }) => {
            let detail = match to {
                To::Card => "order-refunded-to-card",
                To::Phone => "order-refunded-to-phone",
                To::Hand => "order-refunded-by-hand",
            };
            let when = time::stamp(language, at);
            (say("order-refunded"), say(detail).with("amount", amount).with("when", when))
        }
        Some(Returned::TakenBack { amount, at }) => {
            let when = time::stamp(language, at);
            (say("order-disputed"), say("order-disputed-detail").with("amount", amount).with("when", when))
        }
    }
}
