//! The one door to the desk's pages: nobody comes to a handler who is not signed in, has no second factor where that is
//! compulsory, or may not do what its group of routes is for.
//!
//! [`super::routes`] puts every route into a group, with the permission that it needs: [`group`]. What is one's own, such as
//! the password, is in [`own`]. The door hands the member of staff on, and [`Staff`] takes it from there: a handler
//! in no group that asks for [`Staff`] answers nobody. A test walks over all routes with every role.
//!
//! Refused here: a change that another site's page has sent, whoever is signed in.

use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use shared::staff::Permission;

use super::Refusal;
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::session::Staff;
use crate::session::csrf::from_our_pages;

/// Routes for those who may do that.
pub(super) fn group(app: &App, needs: Permission, routes: Router<App>) -> Router<App> {
    routes.route_layer(from_fn_with_state((app.clone(), Some(needs)), door))
}

/// Routes for whoever is signed in, about nobody but themselves. They are reached without a second factor too: one of them is where
/// it is made.
pub(super) fn own(app: &App, routes: Router<App>) -> Router<App> {
    routes.route_layer(from_fn_with_state((app.clone(), None), door))
}

async fn door(
    State((app, needs)): State<(App, Option<Permission>)>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let is_change = !matches!(parts.method, Method::GET | Method::HEAD);
    if is_change && !from_our_pages(&parts.headers, &app.config.portal.public_url) {
        return Err(Refusal::Forged);
    }
    let Ok(ClientAddress(from)) = ClientAddress::from_request_parts(&mut parts, &app).await;
    let staff = Staff::signed_in(&app, &parts.headers, from).await?;
    if let Some(permission) = needs
        && !staff.may(permission)
    {
        return Err(Refusal::NotYours(permission));
    }
    parts.extensions.insert(staff);
    Ok(next.run(Request::from_parts(parts, body)).await)
}
