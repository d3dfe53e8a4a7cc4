//! Discounts: what lowers prices. What was ordered before keeps its price, and none is deleted: it ends.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::discount::{Code, Conditions, Discount, Kind, Offer, Trigger};
use shared::hours::Hours;
use shared::rng;
use shared::time::{OffsetDateTime, rfc3339};
use store::StoreError;
use store::discount;
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::input::{Input, count, exactly, flag, got, id_of, line, list as list_of, moment, money, parsed};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use crate::App;

/// Most packages, and most sites, that a discount is for.
const MOST: usize = 100;

#[derive(Debug, Serialize)]
struct Terms {
    id: String,
    name: String,
    code: Option<String>,
    percent: Option<u8>,
    amount: Option<json::Money>,
    owner: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    hours: Option<String>,
    first_purchase: bool,
    every_nth: Option<u32>,
    packages: Vec<String>,
    sites: Vec<String>,
    uses_max: Option<u32>,
    uses_per_person: Option<u32>,
    stackable: bool,
    /// How often it was used.
    uses: u64,
}

fn spelt(offer: &Offer) -> Terms {
    let (discount, conditions) = (&offer.discount, &offer.discount.conditions);
    let (percent, amount) = match discount.kind {
        Kind::Percent(percent) => (Some(percent), None),
        Kind::Amount(amount) => (None, Some(amount.into())),
    };
    let all = |kind, ids: &[Uuid]| ids.iter().map(|id| spell(kind, *id)).collect::<Vec<String>>();
    Terms {
        id: spell(Thing::Discount, discount.id),
        name: discount.name.clone(),
        code: discount.trigger.code().map(Code::to_string),
        percent,
        amount,
        owner: discount.owner.map(|owner| spell(Thing::Customer, owner)),
        valid_from: conditions.valid_from.map(rfc3339),
        valid_until: conditions.valid_until.map(rfc3339),
        hours: conditions.hours.as_ref().map(Hours::to_string),
        first_purchase: conditions.first_purchase,
        every_nth: conditions.every_nth,
        packages: all(Thing::Package, &conditions.packages),
        sites: all(Thing::Site, &conditions.sites),
        uses_max: conditions.uses_max,
        uses_per_person: conditions.uses_per_person,
        stackable: discount.stackable,
        uses: offer.used,
    }
}

/// A discount with the ETag of its terms: its uses change by themselves.
fn single(offer: &Offer) -> Single<Terms> {
    let said = Terms { uses: 0, ..spelt(offer) };
    Single::decided_by(spelt(offer), &said)
}

async fn known(app: &App, id: Uuid) -> Result<Offer, Problem> {
    let offers = discount::list(&app.db, app.clock.now()).await?;
    let found = offers.into_iter().find(|offer| offer.discount.id == id);
    found.ok_or_else(|| StoreError::Missing { what: "discount", key: id.to_string() }.into())
}

pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let offers = discount::list(&app.db, app.clock.now()).await?;
    asked.page_of_all(&app, offers, |offer| offer.discount.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let offer = known(&app, in_path(Thing::Discount, &id)?).await?;
    Ok(single(&offer).read(&headers))
}

pub(super) async fn add(State(app): State<App>, token: Token, mut input: Input) -> Result<Response, Problem> {
    let name = input.required("name", line(200));
    let now = app.clock.now();
    let nothing = Discount {
        id: rng::id(now),
        name: String::new(),
        kind: Kind::Percent(0),
        trigger: Trigger::Automatic,
        owner: None,
        conditions: Conditions::default(),
        stackable: false,
    };
    let discount = changed(nothing, &mut input);
    if discount.kind == Kind::Percent(0) {
        input.note("percent", "required", "say percent or amount".into());
    }
    input.done()?;
    let discount = Discount { name: got(name)?, ..discount };
    save(&app, &token, &discount, now).await?;
    let offer = known(&app, discount.id).await?;
    Ok(single(&offer).created(&format!("/discounts/{}", spell(Thing::Discount, discount.id))))
}

pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let offer = known(&app, in_path(Thing::Discount, &id)?).await?;
    single(&offer).unchanged(&headers)?;
    let name = input.change("name", line(200)).unwrap_or_else(|| offer.discount.name.clone());
    let discount = Discount { name, ..changed(offer.discount, &mut input) };
    input.done()?;
    save(&app, &token, &discount, app.clock.now()).await?;
    Ok(single(&known(&app, discount.id).await?).answer(StatusCode::OK))
}

/// `POST /discounts/{id}/endings`: it is over now. Twice is once.
pub(super) async fn end(State(app): State<App>, token: Token, Path(id): Path<String>) -> Result<Response, Problem> {
    let offer = known(&app, in_path(Thing::Discount, &id)?).await?;
    discount::end(&app.db, offer.discount.id, app.clock.now()).await?;
    token.audit(&app, "discount.end", called(&offer.discount)).await?;
    let offer = known(&app, offer.discount.id).await?;
    Ok((StatusCode::OK, Json(spelt(&offer))).into_response())
}

async fn save(app: &App, token: &Token, discount: &Discount, now: OffsetDateTime) -> Result<(), Problem> {
    for package in &discount.conditions.packages {
        store::package::by_id(&app.db, *package).await?;
    }
    for site in &discount.conditions.sites {
        store::rest::site::get(&app.db, *site).await?;
    }
    if let Some(owner) = discount.owner {
        store::rest::customer::get(&app.db, owner).await?;
    }
    discount::save(&app.db, discount, now).await?;
    token.audit(app, "discount.save", called(discount)).await
}

/// What a discount is known by.
fn called(discount: &Discount) -> &str {
    discount.trigger.code().map_or(discount.name.as_str(), Code::as_str)
}

/// A discount with what a body says otherwise.
fn changed(discount: Discount, input: &mut Input) -> Discount {
    let Conditions {
        valid_from,
        valid_until,
        hours,
        first_purchase,
        every_nth,
        packages,
        sites,
        uses_max,
        uses_per_person,
    } = discount.conditions;
    let percent = input.change("percent", count(1..=100)).and_then(|percent| u8::try_from(percent).ok());
    let amount = input.change("amount", money);
    if percent.is_some() && amount.is_some() {
        input.note("amount", "too_much", "say percent or amount, not both".into());
    }
    let code = input.nullable("code", exactly(|text| text.parse::<Code>()));
    let trigger = code.map(|code| code.map_or(Trigger::Automatic, Trigger::Code));
    Discount {
        kind: percent.map(Kind::Percent).or(amount.map(Kind::Amount)).unwrap_or(discount.kind),
        trigger: trigger.unwrap_or(discount.trigger),
        owner: input.nullable("owner", id_of(Thing::Customer)).unwrap_or(discount.owner),
        conditions: Conditions {
            valid_from: input.nullable("valid_from", moment).unwrap_or(valid_from),
            valid_until: input.nullable("valid_until", moment).unwrap_or(valid_until),
            hours: input.nullable("hours", parsed).unwrap_or(hours),
            first_purchase: input.change("first_purchase", flag).unwrap_or(first_purchase),
            every_nth: input.nullable("every_nth", count(2..=1_000)).unwrap_or(every_nth),
            packages: input.change("packages", list_of(MOST, id_of(Thing::Package))).unwrap_or(packages),
            sites: input.change("sites", list_of(MOST, id_of(Thing::Site))).unwrap_or(sites),
            uses_max: input.nullable("uses_max", count(1..=1_000_000_000)).unwrap_or(uses_max),
            uses_per_person: input.nullable("uses_per_person", count(1..=1_000_000)).unwrap_or(uses_per_person),
        },
        stackable: input.change("stackable", flag).unwrap_or(discount.stackable),
        ..discount
    }
}
