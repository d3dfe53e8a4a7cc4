//! What the page of an order says when something went otherwise than it should: why the router let the guest not in, that M-Pesa fails for
//! everybody just now, and that the order was paid twice.

use std::time::Duration;

use shared::time::OffsetDateTime;
use store::order::OrderState;
use store::payment;

use super::super::visit::{Form, Visit};
use super::super::{refused, trouble};
use super::{Known, Stage, packages_url};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Speech;
use crate::payments::collect::Way;
use crate::urls;
use crate::views::Site;
use crate::views::customer::{RefusedLogin, TroubleCard};
use crate::views::text::say;

/// How long it is told that an order was paid twice. What was given back by hand meanwhile is not known here.
const TOLD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why the router let the guest not in, with a button to where that is mended.
pub(super) fn refused_login(
    app: &App,
    site: &Site,
    speech: Speech,
    visit: &Visit,
    now: OffsetDateTime,
) -> Option<RefusedLogin> {
    let packages = speech.to(&packages_url(app, visit, now));
    let form = Form::new(Visit { error: String::new(), ..visit.clone() }, now);
    let ways = refused::Ways {
        voucher: format!("{packages}#code"),
        packages,
        account: speech.to(&urls::account(&form.seal(app.db.seal()))),
        again: visit.login.to_string(),
    };
    refused::card(site, &visit.error, ways)
}

/// That an order was paid twice, in panic or since the first payment was told late: the second one belongs to its payer.
pub(super) async fn paid_twice(app: &App, speech: Speech, known: &Known) -> Result<Option<String>, AppError> {
    let order = &known.order;
    let is_new = order.paid_at.is_some_and(|at| known.now - at < TOLD_FOR);
    if order.state != OrderState::Paid || !is_new || payment::times_paid(&app.db, order.id).await? < 2 {
        return Ok(None);
    }
    let said = say(speech.language, "order-paid-twice").with("price", order.amount).with("code", &order.code);
    Ok(Some(said.to_string()))
}

/// That M-Pesa fails for everybody, on the page of an order that waits for its money from there.
pub(super) fn mpesa_trouble(app: &App, speech: Speech, known: &Known, has_menu: bool) -> Option<TroubleCard> {
    let is_unpaid = matches!(
        known.stage(),
        Stage::Asking | Stage::Prompted | Stage::Unsure | Stage::Stranded | Stage::Failed { .. }
    );
    if !is_unpaid || known.is_by_card() || known.order.amount.minor == 0 {
        return None;
    }
    let menu = if has_menu { trouble::Menu::Here } else { trouble::Menu::No };
    trouble::card(app, speech.language, menu, Way::Card.takes(app, known.order.amount))
}
