//! `POST /o/{token}/again`: a new payment of the same order, where that is safe, also in another way than before. A page for a
//! card that is open is closed first.

use axum::Form as Body;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use store::{StoreError, settlement};

use super::{Known, Stage, back_to};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::payments::collect::{self, Way};

/// The form of another payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Again {
    /// `phone` or `card`.
    #[serde(default)]
    pay: String,
}

/// `POST /o/{token}/again`
pub(crate) async fn again(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
    Body(wish): Body<Again>,
) -> Result<Response, AppError> {
    let known = Known::of(&app, &token).await?;
    // Nobody pays for nothing; what was not given at once is given now.
    if known.order.amount.minor == 0 {
        settlement::give_free(&app.db, known.order.id, known.now).await?;
        return Ok(back_to(&app, &known, wanted));
    }
    let way = Way::of(&wish.pay);
    if !way.takes(&app, known.order.amount) {
        return Err(AppError::BadRequest("problem-pay-is-off"));
    }
    if matches!(known.stage(), Stage::Failed { again: true, .. } | Stage::Stranded | Stage::Card) {
        match collect::pay(&app, &known.order, way).await {
            // A discount of it has been used up meanwhile.
            Err(StoreError::NotPlaced(_)) => return Err(AppError::BadRequest("problem-discount-used-up")),
            begun => drop(begun?),
        }
    }
    Ok(back_to(&app, &known, wanted))
}
