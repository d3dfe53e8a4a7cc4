//! The devices on the page of an order, and `POST /o/{token}/devices`, with which one of them gives its place up.

use axum::Form as Body;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use shared::language::Language;
use shared::mac::Mac;
use store::{StoreError, entitlement};

use super::super::visit::Visit;
use super::{Known, back_to};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::views::customer::DeviceLine;
use crate::views::text::say;

/// The devices of what was bought, while it can be used.
pub(super) async fn devices(
    app: &App,
    language: Language,
    known: &Known,
    visit: Option<&Visit>,
) -> Result<Vec<DeviceLine>, AppError> {
    let Some(usage) = known.usage.as_ref().filter(|usage| usage.is_usable(known.now)) else { return Ok(Vec::new()) };
    let here = visit.map(|visit| visit.mac);
    let line = |device: &entitlement::Device| device_line(language, device, here, String::new());
    Ok(entitlement::devices(&app.db, usage.id).await?.iter().map(line).collect())
}

/// A device of a package, as it is seen on the device `here`.
pub(crate) fn device_line(
    language: Language,
    device: &entitlement::Device,
    here: Option<Mac>,
    label: String,
) -> DeviceLine {
    let is_this = Some(device.mac) == here;
    let note = match (is_this, device.online) {
        (true, _) => say(language, "devices-this").to_string(),
        (false, true) => say(language, "devices-online").to_string(),
        (false, false) => String::new(),
    };
    DeviceLine { mac: device.mac.to_string(), label, note, removable: !is_this }
}

/// The form of a device.
#[derive(Debug, Deserialize)]
pub(crate) struct Removal {
    remove: String,
}

/// `POST /o/{token}/devices`: a device gives its place up.
pub(crate) async fn remove_device(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
    Body(removal): Body<Removal>,
) -> Result<Response, AppError> {
    let known = Known::of(&app, &token).await?;
    let (Some(entitlement), Ok(mac)) = (known.order.entitlement, removal.remove.parse::<Mac>()) else {
        return Err(AppError::NotFound);
    };
    match entitlement::remove_device(&app.db, entitlement, mac, known.now).await {
        Ok(_) => Ok(back_to(&app, &known, wanted)),
        Err(StoreError::Conflict(_)) => Err(AppError::BadRequest("devices-too-often")),
        Err(error) => Err(error.into()),
    }
}
