//! Campaigns: offers by message to those who will probably buy, or who stay away, with a part of them held out by lot; and what they did, which is
//! the difference between the told and the held out. One that is begun cannot be changed: it is stopped.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use shared::discount::{Code, Discount};
use shared::rng;
use shared::staff::SiteScope;
use shared::time::{OffsetDateTime, rfc3339};
use store::StoreError;
use store::campaign::{self, Arm, Audience, Campaign, Kind, New};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::idempotency::Work;
use super::input::{Input, Read, count, exactly, got, id_of, line, object, whole, word};
use super::json;
use super::list::Asked;
use super::problem::Problem;
use super::single::Single;
use super::texts::words;
use crate::App;
use crate::campaigns::uplift::Uplift;
use crate::campaigns::{DAY, DAYS, HELD_OUT, LANGUAGES, counts, frames, names_code, own_code, silence};
use crate::notify::texts;

/// Most purchases that somebody may have made.
const MOST_PURCHASES: u32 = 1_000_000;
/// Longest text that is told, in letters.
const LONGEST_TEXT: usize = 600;
const KINDS: [(&str, Kind); 2] = [("likely", Kind::Likely), ("leaving", Kind::Leaving)];

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    name: String,
    code: Option<String>,
    text: String,
    text_sw: String,
    audience: Whom,
    held_out_percent: i16,
    state: String,
    to_tell: u64,
    told: u64,
    held_out: u64,
    measured_until: String,
    created_by: String,
    created_at: String,
    stopped_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Whom {
    kind: &'static str,
    window_days: i32,
    least_percent: f64,
    most_percent: f64,
    site: Option<String>,
    purchases_least: i32,
    purchases_most: Option<i32>,
}

fn spelt(campaign: &Campaign) -> Spelt {
    let audience = &campaign.audience;
    Spelt {
        id: spell(Thing::Campaign, campaign.id),
        name: campaign.name.clone(),
        code: campaign.code.clone(),
        text: campaign.texts.0.clone(),
        text_sw: campaign.texts.1.clone(),
        audience: Whom {
            kind: audience.kind.as_str(),
            window_days: audience.window_days,
            least_percent: (audience.least * 100.0).round(),
            most_percent: (audience.most * 100.0).round(),
            site: audience.site.map(|site| spell(Thing::Site, site)),
            purchases_least: audience.purchases_least,
            purchases_most: Some(audience.purchases_most).filter(|most| *most < i32::MAX),
        },
        held_out_percent: campaign.held_out_percent,
        state: campaign.state.clone(),
        to_tell: campaign.to_tell,
        told: campaign.told,
        held_out: campaign.held_out,
        measured_until: rfc3339(campaign.measured_until),
        created_by: campaign.created_by.clone(),
        created_at: rfc3339(campaign.created_at),
        stopped_by: Some(campaign.ended_by.clone()).filter(|by| !by.is_empty()),
    }
}

async fn known(app: &App, id: &str) -> Result<Campaign, Problem> {
    Ok(campaign::get(&app.db, &SiteScope::All, in_path(Thing::Campaign, id)?).await?)
}

/// `GET /campaigns`.
pub(super) async fn list(State(app): State<App>, asked: Asked) -> Result<Response, Problem> {
    let campaigns = campaign::page(&app.db, &SiteScope::All, asked.after(&app)?.id, asked.rows()).await?;
    Ok(asked.page(&app, campaigns, |campaign| (OffsetDateTime::UNIX_EPOCH, campaign.id), spelt))
}

/// `GET /campaigns/{id}`.
pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(Single::new(spelt(&known(&app, &id).await?)).read(&headers))
}

#[derive(Debug, Serialize)]
struct Reached {
    all: u64,
    willing: u64,
    free: u64,
}

/// `POST /campaigns/reaches`: how many would be reached now. It changes nothing.
pub(super) async fn reach(State(app): State<App>, mut input: Input) -> Result<Response, Problem> {
    let audience = whom(&mut input);
    input.done()?;
    let audience = got(audience)?;
    check(&app, &audience).await?;
    let reach = campaign::reach(&app.db, &audience, &SiteScope::All, app.clock.now()).await?;
    Ok(Json(Reached { all: reach.all, willing: reach.willing, free: reach.free }).into_response())
}

/// A campaign as a body has it.
struct Wish {
    name: String,
    audience: Audience,
    discount: Option<Uuid>,
    new_code: Option<(Code, u8)>,
    /// In the order of [`LANGUAGES`].
    texts: [String; 2],
    held_out: u32,
    days: u32,
}

fn wish(mut input: Input) -> Result<Wish, Problem> {
    let name = input.required("name", line(200));
    let audience = input.required("audience", |value| object(value, whom));
    let discount = input.change("discount", id_of(Thing::Discount));
    let new_code = input.change("new_code", |value| object(value, new_code));
    if discount.is_some() && new_code.is_some() {
        input.note("new_code", "too_much", "say discount or new_code, not both".into());
    }
    let text = input.required("text", words(LONGEST_TEXT));
    let text_sw = input.required("text_sw", words(LONGEST_TEXT));
    let held_out = input.change("held_out_percent", count(HELD_OUT.0..=HELD_OUT.2)).unwrap_or(HELD_OUT.1);
    let days = input.change("days", count(1..=DAYS.1)).unwrap_or(DAYS.0);
    input.done()?;
    Ok(Wish {
        name: got(name)?,
        audience: got(audience)?,
        discount,
        new_code,
        texts: [got(text)?.trim().to_owned(), got(text_sw)?.trim().to_owned()],
        held_out,
        days,
    })
}

/// `POST /campaigns`: messages are sent, so once under its key.
pub(super) async fn begin(
    State(app): State<App>,
    token: Token,
    Work(work): Work,
    input: Input,
) -> Result<Response, Problem> {
    let wish = wish(input)?;
    // Whoever worked on it before may have come as far as this.
    match campaign::get(&app.db, &SiteScope::All, work).await {
        Ok(begun) => return Ok(made(&begun)),
        Err(StoreError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let now = app.clock.now();
    check(&app, &wish.audience).await?;
    if let Some(sentence) = silence(&app).await? {
        return Err(refused(sentence.to_owned()));
    }
    let new_discount = wish
        .new_code
        .clone()
        .map(|(code, percent)| own_code(&wish.name, code, percent, Vec::from_iter(wish.audience.site), wish.days, now));
    let discount = match (wish.discount, &new_discount) {
        (Some(id), _) => Some(counting(&app, id, now).await?),
        (None, new) => new.clone(),
    };
    check_texts(&app, &wish, discount.as_ref()).await?;
    let line = token.line("campaign.begin", &wish.name);
    let new = New {
        id: work,
        name: &wish.name,
        discount: discount.as_ref().map(|discount| discount.id),
        new_discount: new_discount.as_ref(),
        text: &wish.texts[0],
        text_sw: &wish.texts[1],
        audience: &wish.audience,
        sites: &SiteScope::All,
        held_out_percent: i16::try_from(wish.held_out).unwrap_or(i16::MAX),
        seed: &rng::secret(),
        measured_until: now + DAY * wish.days,
        whom: wish.audience.kind.as_str(),
        by: (&line).into(),
    };
    campaign::begin(&app.db, &new, now).await?;
    Ok(made(&campaign::get(&app.db, &SiteScope::All, work).await?))
}

fn made(campaign: &Campaign) -> Response {
    Single::new(spelt(campaign)).created(&format!("/campaigns/{}", spell(Thing::Campaign, campaign.id)))
}

/// The discount of that identity, if anybody can use its code now.
async fn counting(app: &App, id: Uuid, now: OffsetDateTime) -> Result<Discount, Problem> {
    let offers = store::discount::list(&app.db, now).await?;
    let found = offers.into_iter().map(|offer| offer.discount).find(|discount| discount.id == id);
    let found = found.ok_or_else(|| StoreError::Missing { what: "discount", key: id.to_string() })?;
    if counts(&found, now) {
        Ok(found)
    } else {
        Err(refused("the discount has no code that anybody can use now".into()))
    }
}

async fn check(app: &App, audience: &Audience) -> Result<(), Problem> {
    if let Some(site) = audience.site {
        store::rest::site::get(&app.db, site).await?;
    }
    let is_any = audience.purchases_least <= 1 && audience.purchases_most == i32::MAX;
    if audience.kind == Kind::Likely && !is_any {
        return Err(refused("purchases are asked of those who stay away alone".into()));
    }
    Ok(())
}

/// Each text works within what all offers have, and names the code.
async fn check_texts(app: &App, wish: &Wish, discount: Option<&Discount>) -> Result<(), Problem> {
    let code = discount.and_then(|discount| discount.trigger.code());
    let frames = frames(app).await?;
    for ((text, frame), (_, _, language)) in wish.texts.iter().zip(&frames).zip(LANGUAGES) {
        texts::check_offer(frame, text).map_err(|problem| refused(format!("in {language}: {problem}")))?;
        if let Some(code) = code.filter(|code| !names_code(text, code)) {
            return Err(refused(format!("in {language}: name the code in it: {code}")));
        }
    }
    Ok(())
}

/// `POST /campaigns/{id}/stops`: nobody else is told. Twice is once.
pub(super) async fn stop(State(app): State<App>, token: Token, Path(id): Path<String>) -> Result<Response, Problem> {
    let found = known(&app, &id).await?;
    campaign::stop(&app.db, found.id, &token.line("campaign.stop", &found.name), app.clock.now()).await?;
    let found = known(&app, &id).await?;
    if found.state != "stopped" {
        return Err(refused("its purchases are counted no more: there is nothing to stop".into()));
    }
    Ok(Json(spelt(&found)).into_response())
}

#[derive(Debug, Serialize)]
struct Outcome {
    told: Side,
    held_out: Side,
    is_counting: bool,
    /// How many more of a hundred bought of the told; null: nobody is on one side.
    difference_points: Option<f64>,
    low_points: Option<f64>,
    high_points: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Side {
    people: u64,
    bought: u64,
    spent: Vec<json::Money>,
}

fn side(arm: &Arm) -> Side {
    Side { people: arm.people, bought: arm.bought, spent: arm.spent.iter().map(|sum| (*sum).into()).collect() }
}

fn outcome_of(found: &campaign::Outcome, is_counting: bool) -> Outcome {
    let (told, held_out) = (&found.told, &found.held_out);
    let uplift = Uplift::of((told.bought, told.people), (held_out.bought, held_out.people));
    let points = |of: fn(Uplift) -> f64| uplift.map(|uplift| (of(uplift) * 1000.0).round() / 10.0);
    Outcome {
        told: side(told),
        held_out: side(held_out),
        is_counting,
        difference_points: points(|uplift| uplift.difference),
        low_points: points(|uplift| uplift.low),
        high_points: points(|uplift| uplift.high),
    }
}

/// `GET /campaigns/{id}/outcome`.
pub(super) async fn outcome(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (found, now) = (known(&app, &id).await?, app.clock.now());
    let outcome = campaign::outcome(&app.db, found.id, now).await?;
    Ok(Single::new(outcome_of(&outcome, now < found.measured_until)).read(&headers))
}

/// Whom a body asks for.
fn whom(input: &mut Input) -> Option<Audience> {
    let kind = input.required("kind", word(&KINDS));
    let window_days = input.change("window_days", window).unwrap_or(7);
    let least = input.change("least_percent", count(0..=100)).unwrap_or(0);
    let most = input.change("most_percent", count(0..=100)).unwrap_or(100);
    let site = input.optional("site", id_of(Thing::Site));
    let purchases_least = input.change("purchases_least", count(1..=MOST_PURCHASES)).unwrap_or(1);
    let purchases_most = input.optional("purchases_most", count(1..=MOST_PURCHASES));
    let number = |purchases: u32| i32::try_from(purchases).unwrap_or(i32::MAX);
    Some(Audience {
        kind: kind?,
        window_days,
        least: f64::from(least) / 100.0,
        most: f64::from(most) / 100.0,
        site,
        purchases_least: number(purchases_least),
        purchases_most: purchases_most.map_or(i32::MAX, number),
    })
}

/// Of how many days the chance is.
fn window(value: &Value) -> Read<i32> {
    match whole(7..=30)(value)? {
        7 => Ok(7),
        30 => Ok(30),
        _ => Err("write 7 or 30".into()),
    }
}

/// A code that is made with the campaign.
fn new_code(input: &mut Input) -> Option<(Code, u8)> {
    let code = input.required("code", exactly(|text| text.parse::<Code>()));
    let percent = input.required("percent", count(1..=100));
    code.zip(percent.and_then(|percent| u8::try_from(percent).ok()))
}

/// What cannot be begun or stopped, in a sentence.
fn refused(sentence: String) -> Problem {
    StoreError::Conflict(sentence).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(bought: u64, people: u64) -> Arm {
        Arm { people, bought, spent: Vec::new() }
    }

    #[test]
    fn what_it_did_has_its_interval_or_says_nothing() {
        let told = outcome_of(&campaign::Outcome { told: arm(56, 70), held_out: arm(48, 80) }, true);
        let points = (told.difference_points, told.low_points, told.high_points);
        assert_eq!(points, (Some(20.0), Some(5.2), Some(33.4)));
        let nobody = outcome_of(&campaign::Outcome { told: arm(1, 2), held_out: arm(0, 0) }, false);
        assert_eq!((nobody.difference_points, nobody.low_points), (None, None));
    }

    #[test]
    fn the_window_is_a_week_or_a_month() {
        for (value, days) in [(7.0, Some(7)), (30.0, Some(30)), (8.0, None), (31.0, None)] {
            assert_eq!(window(&Value::from(value)).ok(), days, "{value}");
        }
    }
}
