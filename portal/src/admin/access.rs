//! The one door to the desk's pages: nobody comes to a handler who is not signed in, has no second factor where that is
//! compulsory, or may not do what its group of routes is for.
//!
//! [`super::routes`] puts every route into a group, with the permission that it needs: [`group`]. What is one's own, such as
//! the password, is in [`own`]; the few addresses that are reached before there is a second factor are in [`unfinished`]. The door
//! hands the member of staff on, and [`Staff`] takes it from there: a handler in no group that asks for [`Staff`] answers
//! nobody. A test walks over all routes with every role.
//!
//! Who is not signed in signs in first, and is led back to the page that was asked for ([`super::back`]).
//!
//! Refused here: a change that another site's page has sent, whoever is signed in.

use axum::Router;
use axum::extract::{FromRequestParts as _, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use shared::staff::Permission;

use super::{Refusal, back};
use crate::App;
use crate::middleware::client::ClientAddress;
use crate::session::Staff;
use crate::session::csrf::from_our_pages;

/// What the door asks for beside a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    /// Nothing more, not even a second factor.
    Session,
    /// A second factor, where it is compulsory.
    Whole,
    /// That, and a role that may do this.
    Permission(Permission),
}

/// Routes for those who may do that.
pub(super) fn group(app: &App, needs: Permission, routes: Router<App>) -> Router<App> {
    behind_the_door(app, Needs::Permission(needs), routes)
}

/// Routes for whoever is signed in, about nobody but themselves.
pub(super) fn own(app: &App, routes: Router<App>) -> Router<App> {
    behind_the_door(app, Needs::Whole, routes)
}

/// The same for those who have still to make a second factor.
pub(super) fn unfinished(app: &App, routes: Router<App>) -> Router<App> {
    behind_the_door(app, Needs::Session, routes)
}

fn behind_the_door(app: &App, needs: Needs, routes: Router<App>) -> Router<App> {
    routes.route_layer(from_fn_with_state((app.clone(), needs), door))
}

async fn door(State((app, needs)): State<(App, Needs)>, request: Request, next: Next) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let is_change = !matches!(parts.method, Method::GET | Method::HEAD);
    if is_change && !from_our_pages(&parts.headers, &app.config.portal.public_url) {
        return Err(Refusal::Forged);
    }
    let Ok(ClientAddress(from)) = ClientAddress::from_request_parts(&mut parts, &app).await;
    let staff = match Staff::signed_in(&app, &parts.headers, from).await {
        // What a form has sent is gone by then.
        Err(Refusal::SignIn) if parts.method == Method::GET => return Ok(back::sign_in_first(&asked(&parts))),
        other => other?,
    };
    if needs != Needs::Session && staff.lacks_second_factor() {
        return Err(Refusal::NoSecondFactor);
    }
    if let Needs::Permission(permission) = needs
        && !staff.may(permission)
    {
        return Err(Refusal::NotYours(permission));
    }
    parts.extensions.insert(staff);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The path with its query, as it stands in the browser.
fn asked(parts: &Parts) -> String {
    let uri: &Uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    uri.path_and_query().map_or_else(String::new, ToString::to_string)
}
