//! `GET /capport/{router}`: the captive-portal API (RFC 8908), which DHCP's option 114 (RFC 8910) names to the devices behind a router.
//!
//! A device is known by the address that it asks from, among the sessions of that router. So this works where the router forwards
//! guests to the portal with their own addresses, over a tunnel or a routed line. Where it translates them, all guests have one
//! address, and the answer is that nobody can be told apart (404): devices then look for a captive portal as they always did, and
//! the router's own `api.json` (docs/operations/customers.md) is the better address for option 114.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::rules::DataLeft;
use store::entitlement;
use store::nas::{self, Place};
use store::session;
use url::Url;

use super::visit::{Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::middleware::client::ClientAddress;
use crate::urls;

/// RFC 8908 §5.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/captive+json");

/// What a device is told (RFC 8908 §5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Capport {
    captive: bool,
    user_portal_url: Url,
    #[serde(skip_serializing_if = "Option::is_none")]
    venue_info_url: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can_extend_session: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_remaining: Option<u64>,
}

/// `GET /capport/{router}`
pub(crate) async fn show(
    State(app): State<App>,
    Path(router): Path<String>,
    ClientAddress(address): ClientAddress,
) -> Result<Response, AppError> {
    let place = nas::place(&app.db, &router).await?.ok_or(AppError::NotFound)?;
    // All guests have the router's address: none can be told from the others.
    if place.address.contains(&address) {
        return Err(AppError::NotFound);
    }
    let login = login_page(&place).ok_or(AppError::NotFound)?;
    let known = session::of_address(&app.db, place.nas_id, address).await?;
    let venue_info_url = app.config.portal.venue_url.clone();
    let told = match known {
        None => Capport {
            captive: true,
            user_portal_url: login,
            venue_info_url,
            can_extend_session: Some(true),
            seconds_remaining: None,
            bytes_remaining: None,
        },
        Some(online) => {
            let now = app.clock.now();
            let left = match online.entitlement {
                Some(id) => Some(entitlement::usage(&app.db, id).await?),
                None => None,
            };
            let until = online.cutoff_at.map(|end| u64::try_from((end - now).whole_seconds()).unwrap_or(0));
            let data = left.as_ref().and_then(|usage| usage.rules.data_left(usage.used));
            Capport {
                captive: false,
                user_portal_url: match online.mac {
                    Some(mac) => packages(&app, &place, login, mac),
                    None => login,
                },
                venue_info_url,
                can_extend_session: Some(true),
                seconds_remaining: until,
                bytes_remaining: data.and_then(least),
            }
        }
    };
    let mut response = (StatusCode::OK, Json(told)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
    // RFC 8908 §4.1: it changes with every moment.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// What may still be used, by whichever kind of data is nearest to its end.
fn least(data: DataLeft) -> Option<u64> {
    data.total.into_iter().chain(data.up).chain(data.down).min()
}

/// The router's own sign-in page, which leads to us with the device's name.
fn login_page(place: &Place) -> Option<Url> {
    Url::parse(&format!("http://{}/login", place.hotspot_host.as_ref()?)).ok()
}

/// The packages for a device that is online: more is bought without a new login.
fn packages(app: &App, place: &Place, login: Url, mac: shared::mac::Mac) -> Url {
    let visit = Visit {
        nas: place.nas_id,
        site: place.site_id,
        site_name: place.site.clone(),
        mac,
        login: login.clone(),
        destination: None,
        chap: None,
        error: String::new(),
        language: None,
    };
    let path = urls::packages(&Form::new(visit, app.clock.now()).seal(app.db.seal()));
    urls::whole(&app.config.portal.public_url, &path).parse().unwrap_or(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        let url: Url = "http://10.5.50.1/login".parse().expect("a URL");
        let told = Capport {
            captive: true,
            user_portal_url: url.clone(),
            venue_info_url: None,
            can_extend_session: None,
            seconds_remaining: None,
            bytes_remaining: None,
        };
        let json = serde_json::to_value(&told).expect("JSON");
        assert_eq!(json, serde_json::json!({ "captive": true, "user-portal-url": "http://10.5.50.1/login" }));
        let online = Capport { captive: false, seconds_remaining: Some(60), bytes_remaining: Some(5), ..told };
        let json = serde_json::to_value(&online).expect("JSON");
        assert_eq!((&json["seconds-remaining"], &json["bytes-remaining"]), (&60.into(), &5.into()));
    }

    #[test]
    fn the_kind_of_data_that_ends_first_counts() {
        assert_eq!(least(DataLeft { total: Some(9), up: Some(3), down: None }), Some(3));
        assert_eq!(least(DataLeft::default()), None);
    }
}
