//! `/admin/campaigns`: offers by message to those who will probably buy, or who stay away, and what they did. One is written in [`edit`]; the
//! number that matters, with how sure it is, comes from [`crate::campaigns::uplift`].
//!
//! What a message did is seen beside those who were held out of it by lot, and in no other way: the likeliest buyers buy without any message.
//! Whether anybody used a code says nothing of that and is not shown here.

pub(super) mod edit;

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::money::Money;
use shared::time::OffsetDateTime;
use store::campaign::{self, Arm, Audience, Campaign, Kind, Outcome};
use uuid::Uuid;

use super::form::{Fields, Question};
use super::page::{After, Page, Tab, answer, style};
use super::words::{self, Said, Tone, said};
use super::{Refusal, audit};
use crate::App;
use crate::campaigns::uplift::{self, Uplift};
use crate::session::Staff;
use crate::session::csrf::Posted;

/// Where they are.
const LIST: &str = "/admin/campaigns";
/// Seconds after which a page is read again while messages are written down.
const REFRESH: u32 = 5;

#[derive(Debug, Template)]
#[template(path = "admin/campaigns.html")]
pub(super) struct Campaigns {
    page: Page,
    style: String,
    campaigns: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    audience: String,
    state: Said,
    told: u64,
    to_tell: u64,
    held_out: u64,
    code: String,
    when: String,
    by: String,
}

#[derive(Debug, Template)]
#[template(path = "admin/campaign.html")]
pub(super) struct One {
    page: Page,
    style: String,
    id: Uuid,
    name: String,
    state: Said,
    done: &'static str,
    facts: Vec<(&'static str, String)>,
    /// What it did, in a sentence or two.
    result: Vec<String>,
    arms: Vec<Side>,
    can_be_stopped: bool,
}

/// The told, or the held out.
#[derive(Debug)]
struct Side {
    name: &'static str,
    people: u64,
    bought: u64,
    share: String,
    spent: String,
    per_head: String,
}

/// What sites are called.
type Names = BTreeMap<Uuid, String>;

/// `GET /admin/campaigns`.
pub(super) async fn list(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let campaigns = campaign::list(&app.db, staff.sites()).await?;
    let names = names(&app).await?;
    let mut page = Page::new(&app, &staff, Tab::Messages);
    if campaigns.iter().any(|campaign| campaign.state == "sending") {
        page = page.refreshed(REFRESH);
    }
    let campaigns = campaigns.into_iter().map(|campaign| row(campaign, &names, now)).collect();
    answer(StatusCode::OK, &Campaigns { page, style: style(), campaigns })
}

/// `GET /admin/campaigns/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let campaign = campaign::get(&app.db, staff.sites(), id).await?;
    let outcome = campaign::outcome(&app.db, id, now).await?;
    let names = names(&app).await?;
    let mut page = Page::new(&app, &staff, Tab::Messages);
    if campaign.state == "sending" {
        page = page.refreshed(REFRESH);
    }
    let done = match after.done.as_str() {
        "begun" => {
            "The campaign is made. Its messages go out by themselves; text messages wait for the end of the quiet hours."
        }
        "stopped" => "The campaign is stopped. Nobody else is told.",
        _ => "",
    };
    answer(StatusCode::OK, &one(page, &campaign, &outcome, &names, done, now))
}

/// `POST /admin/campaigns/{id}/stop`: nobody else is told.
pub(super) async fn stop(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let campaign = campaign::get(&app.db, staff.sites(), id).await?;
    let address = format!("{LIST}/{id}");
    if !posted.form.is_confirmed() {
        let left = campaign.to_tell.saturating_sub(campaign.told);
        let lines = vec![
            format!(
                "{left} of {} are not told yet, and never will be; what waits for the morning is not sent.",
                campaign.to_tell
            ),
            "What was sent stays sent, and is still compared with those who were held out.".to_owned(),
        ];
        let question = Question::new("stop", "Stop this campaign?", lines, "Yes, stop it").danger();
        return question.ask((&app, staff, Tab::Messages), &address, &posted.form);
    }
    campaign::stop(&app.db, id, &audit::line(staff, "campaign.stop", &campaign.name), app.clock.now()).await?;
    Ok(Redirect::to(&format!("{address}?done=stopped")).into_response())
}

async fn names(app: &App) -> Result<Names, Refusal> {
    Ok(store::site::all(&app.db).await?.into_iter().collect())
}

fn row(campaign: Campaign, names: &Names, now: OffsetDateTime) -> Row {
    Row {
        id: campaign.id,
        audience: in_words(&campaign.audience, names),
        state: state(&campaign, now),
        told: campaign.told,
        to_tell: campaign.to_tell,
        held_out: campaign.held_out,
        code: campaign.code.unwrap_or_default(),
        when: words::moment(campaign.created_at, now),
        by: campaign.created_by,
        name: campaign.name,
    }
}

/// How far it is.
fn state(campaign: &Campaign, now: OffsetDateTime) -> Said {
    match campaign.state.as_str() {
        "sending" => said(Tone::Busy, "messages are written down"),
        "sent" if now < campaign.measured_until => said(Tone::Busy, "told; purchases are counted"),
        "sent" => said(Tone::Good, "over"),
        "stopped" => said(Tone::Plain, "stopped"),
        _ => said(Tone::Plain, "unknown state"),
    }
}

/// Whom it is for.
fn in_words(audience: &Audience, names: &Names) -> String {
    let whom = match audience.kind {
        Kind::Likely => format!(
            "chance to buy within {} days from {:.0} to {:.0} %",
            audience.window_days,
            audience.least * 100.0,
            audience.most * 100.0
        ),
        Kind::Leaving => match (audience.purchases_least, audience.purchases_most) {
            (..=1, i32::MAX) => "customers who stay away".to_owned(),
            (least, i32::MAX) => format!("customers who stay away and have bought {least} times or more"),
            (least, most) => format!("customers who stay away and have bought {least} to {most} times"),
        },
    };
    match audience.site {
        Some(site) => format!("{whom}, at {}", names.get(&site).map_or("(removed)", String::as_str)),
        None => whom,
    }
}

fn one(
    page: Page,
    campaign: &Campaign,
    outcome: &Outcome,
    names: &Names,
    done: &'static str,
    now: OffsetDateTime,
) -> One {
    let mut facts = vec![
        ("For", in_words(&campaign.audience, names)),
        ("Code", campaign.code.clone().unwrap_or_else(|| "none".to_owned())),
        ("In English", campaign.texts.0.clone()),
        ("In Swahili", campaign.texts.1.clone()),
        ("Told", format!("{} of {}", campaign.told, campaign.to_tell)),
        ("Held out", format!("{} ({} %)", campaign.held_out, campaign.held_out_percent)),
        ("Purchases are counted until", words::moment(campaign.measured_until, now)),
        ("Made", format!("{} by {}", words::moment(campaign.created_at, now), campaign.created_by)),
    ];
    if !campaign.ended_by.is_empty() {
        facts.push(("Stopped by", campaign.ended_by.clone()));
    }
    let is_measured = now < campaign.measured_until && campaign.state != "stopped";
    One {
        style: style(),
        id: campaign.id,
        name: campaign.name.clone(),
        state: state(campaign, now),
        done,
        facts,
        result: result(outcome, now < campaign.measured_until),
        arms: vec![side("told", &outcome.told), side("held out", &outcome.held_out)],
        can_be_stopped: is_measured && page.may(shared::staff::Permission::EditOffers),
        page,
    }
}

/// What it did.
fn result(outcome: &Outcome, goes_on: bool) -> Vec<String> {
    let Outcome { told, held_out } = outcome;
    let Some(uplift) = Uplift::of((told.bought, told.people), (held_out.bought, held_out.people)) else {
        return vec!["Nothing can be said yet: nobody is on one side.".to_owned()];
    };
    let points = |share: f64| format!("{:+.1}", share * 100.0);
    let interval = format!("95 % interval from {} to {} points", points(uplift.low), points(uplift.high));
    let mut lines = vec![if uplift.is_too_few_to_tell() {
        format!(
            "Too few to tell: {} points of difference, {interval}. It may as well be nothing.",
            points(uplift.difference)
        )
    } else if uplift.difference > 0.0 {
        format!("{} points more of the told bought than of the held out, {interval}.", points(uplift.difference))
    } else {
        format!("Fewer of the told bought than of the held out: {} points, {interval}.", points(uplift.difference))
    }];
    if goes_on {
        lines.push(
            "Purchases are still counted: whoever looks every day and stops at a good one deceives themselves."
                .to_owned(),
        );
    }
    lines
}

fn side(name: &'static str, arm: &Arm) -> Side {
    let share = uplift::wilson((arm.bought, arm.people))
        .map(|(share, low, high)| format!("{:.1} % ({:.1} to {:.1})", share * 100.0, low * 100.0, high * 100.0));
    let people = i64::try_from(arm.people.max(1)).unwrap_or(i64::MAX);
    let per_head = arm.spent.iter().map(|sum| Money { minor: sum.minor / people, ..*sum });
    Side {
        name,
        people: arm.people,
        bought: arm.bought,
        share: share.unwrap_or_default(),
        spent: words::sum(arm.spent.iter().copied()),
        per_head: words::sum(per_head),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn campaign(state: &str) -> Campaign {
        Campaign {
            id: Uuid::from_u128(7),
            name: HOSTILE.into(),
            code: Some("KARIBU24".into()),
            texts: (HOSTILE.into(), HOSTILE.into()),
            audience: Audience {
                kind: Kind::Likely,
                window_days: 7,
                least: 0.2,
                most: 1.0,
                site: Some(Uuid::from_u128(1)),
                purchases_least: 1,
                purchases_most: i32::MAX,
            },
            held_out_percent: 20,
            state: state.into(),
            to_tell: 80,
            told: 40,
            held_out: 20,
            measured_until: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(86_400),
            created_by: HOSTILE.into(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            ended_by: if state == "stopped" { HOSTILE.into() } else { String::new() },
        }
    }

    fn outcome(told: (u64, u64), held_out: (u64, u64)) -> Outcome {
        let arm = |(bought, people): (u64, u64)| Arm {
            people,
            bought,
            spent: vec![Money::kes(i64::try_from(bought).expect("few") * 2_000)],
        };
        Outcome { told: arm(told), held_out: arm(held_out) }
    }

    pub(in crate::admin) fn sample(page: Page) -> Campaigns {
        let names = Names::from([(Uuid::from_u128(1), HOSTILE.to_owned())]);
        let rows = ["sending", "sent", "stopped"].map(|state| row(campaign(state), &names, OffsetDateTime::UNIX_EPOCH));
        Campaigns { page, style: style(), campaigns: rows.into() }
    }

    pub(in crate::admin) fn single(page: Page) -> One {
        one(
            page,
            &campaign("sent"),
            &outcome((56, 70), (48, 80)),
            &Names::new(),
            "It is done.",
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn what_it_did_is_said_with_how_sure_it_is() {
        let said = |told, held_out| result(&outcome(told, held_out), false).join(" ");
        let good = said((56, 70), (48, 80));
        assert_eq!(
            good,
            "+20.0 points more of the told bought than of the held out, 95 % interval from +5.2 to +33.4 points."
        );
        assert!(said((5, 56), (0, 29)).starts_with("Too few to tell: +8.9 points of difference"));
        assert!(said((48, 80), (56, 70)).starts_with("Fewer of the told bought"));
        assert!(said((0, 0), (1, 2)).contains("nobody is on one side"));
        assert_eq!(result(&outcome((1, 2), (1, 2)), true).len(), 2);
    }

    #[test]
    fn a_side_has_its_share_and_what_a_head_brought() {
        let side = side("told", &outcome((35, 70), (0, 0)).told);
        assert_eq!((side.spent.as_str(), side.per_head.as_str()), ("KSh 700", "KSh 10"));
        assert!(side.share.starts_with("50.0 % (38."), "{}", side.share);
    }

    #[test]
    fn an_audience_is_told_in_words() {
        let names = Names::from([(Uuid::from_u128(1), "Market".to_owned())]);
        let likely = campaign("sent").audience;
        assert_eq!(in_words(&likely, &names), "chance to buy within 7 days from 20 to 100 %, at Market");
        for (least, most, expected) in [
            (1, i32::MAX, "customers who stay away"),
            (10, i32::MAX, "customers who stay away and have bought 10 times or more"),
            (4, 9, "customers who stay away and have bought 4 to 9 times"),
        ] {
            let audience = Audience {
                kind: Kind::Leaving,
                site: None,
                purchases_least: least,
                purchases_most: most,
                ..likely.clone()
            };
            assert_eq!(in_words(&audience, &names), expected);
        }
    }

    #[test]
    fn only_what_is_still_measured_can_be_stopped() {
        let later = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(2 * 86_400);
        for (state, now, can) in [
            ("sending", OffsetDateTime::UNIX_EPOCH, true),
            ("sent", OffsetDateTime::UNIX_EPOCH, true),
            ("stopped", OffsetDateTime::UNIX_EPOCH, false),
            ("sent", later, false),
        ] {
            let page = crate::admin::page::tests::page();
            let page = one(page, &campaign(state), &Outcome::default(), &Names::new(), "", now);
            assert_eq!(page.can_be_stopped, can, "{state} {now}");
        }
    }
}
