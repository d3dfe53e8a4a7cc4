//! Whether a customer wants to hear of offers: asked by itself, on the customer's own page, and never taken for granted. What is about
//! things that were bought is another matter ([`super::choose_messages`]).

use axum::Form as Body;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use store::person;

use super::{Here, account};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::session::customer::Presented;

/// The form of the button.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    #[serde(default)]
    visit: String,
    /// `yes`; anything else is no.
    #[serde(default)]
    offers: String,
}

/// `POST /account/offers`
pub(crate) async fn choose(
    State(app): State<App>,
    wanted: Wanted,
    presented: Presented,
    Body(pressed): Body<Pressed>,
) -> Result<Response, AppError> {
    let here = Here::of(&app, wanted, presented, &pressed.visit).await?;
    person::choose_offers(&app.db, here.customer()?.user.id, pressed.offers == "yes", app.clock.now()).await?;
    account(&app, &here, Some("account-offers-chosen")).await
}
