//! What the page of an order has for cards: the way to the page on which one is typed, through the router where the guest must be let
//! out for it, a new one after a failure, or M-Pesa in its place.

use store::entitlement::{self, Usage};

use super::super::visit::Visit;
use super::super::{hotspot, login};
use super::{Known, Stage};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Speech;
use crate::payments::collect::Way;
use crate::views::customer::{CardPart, LoginForm};

/// What is shown of cards: the way to the page that is open, a new one, or M-Pesa instead.
pub(super) async fn part(
    app: &App,
    speech: Speech,
    known: &Known,
    visit: Option<&Visit>,
    token: &str,
) -> Result<Option<CardPart>, AppError> {
    let stage = known.stage();
    let is_open = stage == Stage::Card;
    let may_try = matches!(stage, Stage::Failed { again: true, .. } | Stage::Stranded);
    let again = may_try && Way::Card.takes(app, known.order.amount);
    if !is_open && !again {
        return Ok(None);
    }
    let grace = match known.attempt.as_ref().and_then(|attempt| attempt.grace).filter(|_| is_open) {
        Some(grace) => Some(entitlement::usage(&app.db, grace).await?).filter(|usage| usage.is_usable(known.now)),
        None => None,
    };
    let is_online = grace.as_ref().is_some_and(|usage| usage.online > 0);
    let has_access = match visit.filter(|_| is_open && grace.is_none()) {
        Some(visit) => {
            entitlement::latest_of_device(&app.db, visit.mac).await?.is_some_and(|had| had.is_usable(known.now))
        }
        None => false,
    };
    Ok(Some(CardPart {
        url: known.page().filter(|_| is_open).map(str::to_owned),
        may_not_load: visit.is_some() && grace.is_none() && !has_access,
        grace: match (visit, &grace) {
            (Some(visit), Some(usage)) if !is_online => Some(grace_form(app, usage, visit, known).await?),
            _ => None,
        },
        action: speech.to(&format!("/o/{token}/again")),
        phone: is_open && app.mpesa.is_some(),
        again,
    }))
}

/// The form that lets a guest out and goes on to the page where the card is typed.
async fn grace_form(app: &App, usage: &Usage, visit: &Visit, known: &Known) -> Result<LoginForm, AppError> {
    let name = hotspot::device_login(app, usage, visit.mac);
    let password = entitlement::one_time_password(&app.db, usage.id, &name, visit.mac, known.now).await?;
    Ok(login::form(visit, &name, &password, known.page().map(str::to_owned), false))
}
