//! What the pages say while M-Pesa fails for everybody ([`crate::payments::trouble`]): that it does, that no money is lost, and what can
//! be done instead, here. It goes away by itself.

use shared::language::Language;

use crate::App;
use crate::views::customer::TroubleCard;
use crate::views::text::say;

/// How M-Pesa's menu is found from a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Menu {
    /// The page says how to pay from it.
    Here,
    /// The page of an order would.
    AfterChoice,
    /// Payments from it are not heard of.
    No,
}

/// The card; `None`: there is no trouble that is known.
pub(crate) fn card(app: &App, language: Language, menu: Menu, takes_cards: bool) -> Option<TroubleCard> {
    (app.mpesa.is_some() && app.trouble.is_on()).then(|| TroubleCard { instead: instead(language, menu, takes_cards) })
}

/// What can be done, a line each, the quickest first.
fn instead(language: Language, menu: Menu, takes_cards: bool) -> Vec<String> {
    let menu = match menu {
        Menu::Here => Some("trouble-menu"),
        Menu::AfterChoice => Some("trouble-menu-after-choice"),
        Menu::No => None,
    };
    let keys = [menu, takes_cards.then_some("trouble-card"), Some("trouble-voucher"), Some("trouble-later")];
    keys.into_iter().flatten().map(|key| say(language, key).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_is_what_there_is_here() {
        for language in Language::ALL {
            for (menu, takes_cards, lines) in [
                (Menu::Here, true, 4),
                (Menu::AfterChoice, true, 4),
                (Menu::No, true, 3),
                (Menu::Here, false, 3),
                (Menu::No, false, 2),
            ] {
                let instead = instead(language, menu, takes_cards);
                assert_eq!(instead.len(), lines, "{menu:?} {takes_cards}: {instead:?}");
                assert!(instead.iter().all(|line| line.ends_with('.')), "{instead:?}");
            }
        }
    }
}
