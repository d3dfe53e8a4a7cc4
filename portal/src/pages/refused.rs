//! What the pages show of a login that was refused: the sentence ([`crate::views::refused`]) and the address of the button that helps,
//! which is another one on each page.

use crate::views::Site;
use crate::views::customer::{NextStep, RefusedLogin};
use crate::views::refused::{self, Next};

/// Where the buttons of a page lead.
pub(crate) struct Ways {
    /// To the packages.
    pub(crate) packages: String,
    /// To the field for a voucher's code.
    pub(crate) voucher: String,
    /// To what the customer has.
    pub(crate) account: String,
    /// To another try: the router's own login page, which leads here again.
    pub(crate) again: String,
}

/// The card of what a router said; `None`: it said nothing, or nothing worth saying. `site` has the language.
pub(crate) fn card(site: &Site, error: &str, ways: Ways) -> Option<RefusedLogin> {
    let refused = refused::of(site.speech.language, error)?;
    let href = match refused.next {
        Next::Packages => Some(ways.packages),
        Next::Voucher => Some(ways.voucher),
        Next::Account => Some(ways.account),
        Next::Again => Some(ways.again),
        // Without a number the sentence alone says whom to ask.
        Next::Staff => (!site.support_phone.is_empty()).then(|| format!("tel:{}", site.support_tel())),
    };
    let label = refused.next.label(site.speech.language);
    let next = href.map(|href| NextStep { href, label });
    Some(RefusedLogin { sentence: refused.sentence, next })
}
