//! `POST /buy`: a guest wants a package.
//!
//! The order is written down under an identity that follows from the form, so a form sent twice, even to two servers,
//! is one order; the payment is begun; the phone is asked; the guest goes to the order's page. The price is the
//! package's in the store, never the form's.

use std::time::Duration;

use axum::Form as Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::phone::Phone;
use store::entitlement::{self, Usage};
use store::order::{self, NewOrder, OrderState};
use store::package::{self, Package};
use store::{StoreError, settlement};

use super::hotspot::{Typed, open, show};
use super::visit::{Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::payments::collect;
use crate::urls;

/// A waiting order of the same device, package and number is gone on with instead of a new one: a page that was
/// reloaded has a new form, but not a new wish.
const SAME_WISH: Duration = Duration::from_secs(120);
/// How far back the number of the device's last purchase is taken.
const REMEMBER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the form says.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    visit: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    phone: String,
    /// Present: the number of the device's last purchase pays, which the page showed masked.
    same_phone: Option<String>,
    /// `now` or `after`: when it shall begin, of somebody who has another package.
    #[serde(default)]
    when: String,
}

/// `POST /buy`
pub(crate) async fn buy(State(app): State<App>, Body(wish): Body<Wish>) -> Result<Response, AppError> {
    let form = open(&app, &wish.visit)?;
    let Some(mpesa) = &app.mpesa else {
        return Err(AppError::BadRequest("Mobile payment is off at the moment. Please ask the staff for a voucher."));
    };
    let visit = &form.visit;
    let offered = package::offered(&app.db, visit.site).await?;
    let Some(package) = offered.iter().find(|package| package.slug == wish.package) else {
        let notice = Some("That package is no longer on sale. Please choose another one.".to_owned());
        return show(&app, form.visit, Typed { notice, phone: wish.phone, ..Typed::default() }).await;
    };
    app.metrics.step("package_chosen", visit.site_name.as_deref());
    let phone = match payer(&app, visit, &wish).await? {
        Ok(phone) => phone,
        Err(phone_error) => {
            let typed =
                Typed { phone: wish.phone, phone_error: Some(phone_error), package: wish.package, ..Typed::default() };
            return show(&app, form.visit, typed).await;
        }
    };
    let order = match place(&app, &form, package, &phone, &wish.when).await {
        Ok(order) => order,
        // It may not be bought so often.
        Err(AppError::Store(StoreError::Conflict(sentence))) => {
            return show(&app, form.visit, Typed { notice: Some(sentence), phone: wish.phone, ..Typed::default() })
                .await;
        }
        Err(error) => return Err(error),
    };
    if order.state == OrderState::Created && order.amount.minor == 0 {
        settlement::give_free(&app.db, order.id, app.clock.now()).await?;
    } else if order.state == OrderState::Created {
        match collect::begin(&app, mpesa, &order).await? {
            collect::Begun::Now => app.metrics.step("pay_started", visit.site_name.as_deref()),
            collect::Begun::Before => {}
        }
    }
    Ok(Redirect::to(&urls::order(app.db.seal(), order.id)).into_response())
}

/// Who pays, or what is wrong with the number.
async fn payer(app: &App, visit: &Visit, wish: &Wish) -> Result<Result<Phone, String>, AppError> {
    if wish.same_phone.is_none() {
        return Ok(wish.phone.parse::<Phone>().map_err(|error| capitalised(&error.to_string())));
    }
    let last = order::latest_of_device(&app.db, visit.mac, app.clock.now() - REMEMBER).await?;
    Ok(last.map(|order| order.phone).ok_or_else(|| "Please type the M-Pesa number that pays.".to_owned()))
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What shall become of the package beside what the device has: one more of the same is added; another one begins now or
/// afterwards, as its buyer says.
fn destiny(present: Option<&Usage>, package: &Package, when: &str) -> order::Wish {
    match present {
        Some(present) if present.package_id == Some(package.id) => order::Wish::Extend(present.id),
        Some(present) if when == "now" => order::Wish::Upgrade(present.id),
        Some(_) if when == "after" => order::Wish::Queue,
        _ => order::Wish::New,
    }
}

/// The order of this wish: a new one, the one that this form made before, or the one that is under way.
async fn place(app: &App, form: &Form, package: &Package, phone: &Phone, when: &str) -> Result<order::Order, AppError> {
    let (visit, now) = (&form.visit, app.clock.now());
    let waiting = order::latest_of_device(&app.db, visit.mac, now - SAME_WISH).await?;
    let same =
        |order: &order::Order| order.state.is_waiting() && order.package_id == package.id && order.phone == *phone;
    if let Some(order) = waiting.filter(same) {
        return Ok(order);
    }
    let id = form.order_id(app.db.seal(), &package.slug, phone.as_str());
    let remembered = serde_json::to_value(Visit { error: String::new(), ..visit.clone() }).expect("a visit serialises");
    let present = entitlement::latest_of_device(&app.db, visit.mac).await?.filter(|usage| usage.is_usable(now));
    let wish = destiny(present.as_ref(), package, when);
    let new = NewOrder { phone, package, nas_id: Some(visit.nas), mac: Some(visit.mac), visit: &remembered, wish };
    if !order::place_once(&app.db, id, &new, now).await? {
        tracing::debug!(order = %id, "a form was sent twice");
    }
    Ok(order::get(&app.db, id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_at_a_field_begins_with_a_capital() {
        assert_eq!(capitalised("please check"), "Please check");
        assert_eq!(capitalised(""), "");
    }
}
