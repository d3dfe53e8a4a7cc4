//! `/admin/outages`: routers that went dark while customers were online, and giving these the time back with one button.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::outage::{Cause, Outage};
use uuid::Uuid;

use super::page::{Page, Tab, answer, style};
use super::{Refusal, audit, words};
use crate::App;
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// How many are shown.
const SHOWN: u32 = 100;
/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;

#[derive(Debug, Template)]
#[template(path = "admin/outages.html")]
pub(super) struct Outages {
    page: Page,
    style: String,
    outages: Vec<Row>,
    /// Sites with several outages whose time can be given back at once.
    sites: Vec<Site>,
    /// Somebody else was quicker.
    late: bool,
}

#[derive(Debug)]
struct Site {
    id: Uuid,
    name: String,
    outages: usize,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    nas: String,
    site: String,
    cause: &'static str,
    began: String,
    /// `None`: it goes on.
    ended: Option<String>,
    lasted: String,
    customers: u64,
    /// What was given back, in words.
    given_back: Option<String>,
    /// Whether it can be given back now.
    can_give: bool,
}

/// What the redirect after a change carries.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    late: Option<String>,
}

/// `GET /admin/outages`.
pub(super) async fn list(
    State(app): State<App>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let outages = store::outage::list_at(&app.db, staff.sites(), SHOWN).await?;
    let page = Outages {
        page: Page::new(&app, &staff, Tab::Routers).refreshed(REFRESH),
        style: style(),
        sites: sites(&outages),
        outages: outages.iter().map(|outage| row(outage, now)).collect(),
        late: after.late.is_some(),
    };
    answer(StatusCode::OK, &page)
}

/// `POST /admin/outages/{id}/give-back`.
pub(super) async fn give_back(
    State(app): State<App>,
    Path(outage): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    store::site::reaches_outage(&app.db, posted.staff.sites(), outage).await?;
    let object = outage.to_string();
    let line = audit::line(&posted.staff, "outage.give_back", &object);
    match store::outage::give_back(&app.db, outage, &line, app.clock.now()).await {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(Redirect::to("/admin/outages?late=1").into_response()),
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to("/admin/outages").into_response())
}

/// `POST /admin/outages/sites/{id}/give-back`: all that is over there, with one button.
pub(super) async fn give_back_site(
    State(app): State<App>,
    Path(site): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    if !posted.staff.sites().covers(Some(site)) {
        return Err(Refusal::NotFound);
    }
    for outage in store::outage::to_give_back(&app.db, site).await? {
        let object = outage.to_string();
        let line = audit::line(&posted.staff, "outage.give_back", &object);
        match store::outage::give_back(&app.db, outage, &line, app.clock.now()).await {
            // Somebody else was quicker.
            Err(StoreError::Conflict(_)) => continue,
            given => given?,
        };
    }
    Ok(Redirect::to("/admin/outages").into_response())
}

fn can_give(outage: &Outage) -> bool {
    outage.ended_at.is_some() && outage.given_back.is_none() && outage.customers > 0
}

/// The sites with more than one outage whose time can be given back.
fn sites(outages: &[Outage]) -> Vec<Site> {
    let mut sites = Vec::<Site>::new();
    for (id, name) in outages.iter().filter(|outage| can_give(outage)).filter_map(|outage| outage.site.as_ref()) {
        match sites.iter_mut().find(|site| site.id == *id) {
            Some(site) => site.outages += 1,
            None => sites.push(Site { id: *id, name: name.clone(), outages: 1 }),
        }
    }
    sites.retain(|site| site.outages > 1);
    sites
}

fn row(outage: &Outage, now: OffsetDateTime) -> Row {
    let until = outage.ended_at.unwrap_or(now);
    Row {
        id: outage.id,
        nas: outage.nas.clone(),
        site: outage.site.as_ref().map(|(_, name)| name.clone()).unwrap_or_default(),
        cause: match outage.cause {
            Cause::Silent => "router silent",
            Cause::NoTraffic => "no traffic",
        },
        began: words::moment(outage.started_at, now),
        ended: outage.ended_at.map(|at| words::moment(at, now)),
        lasted: words::span(Duration::try_from(until - outage.started_at).unwrap_or_default()),
        customers: outage.customers,
        given_back: outage.given_back.as_ref().map(|given| match given.customers {
            0 => format!("looked at by {}: nobody's time had run", given.by),
            customers => {
                let (time, when) = (words::span(given.time), words::moment(given.at, now));
                let whom = if customers == 1 { "a customer".into() } else { format!("{customers} customers") };
                format!("{time} to {whom}, by {} {when}", given.by)
            }
        }),
        can_give: can_give(outage),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use store::outage::GivenBack;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn sample(page: Page) -> Outages {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let outage = |ended_at, given_back| Outage {
            id: Uuid::from_u128(7),
            nas: HOSTILE.into(),
            site: Some((Uuid::from_u128(8), HOSTILE.into())),
            cause: Cause::NoTraffic,
            started_at: at(0),
            ended_at,
            customers: 12,
            given_back,
        };
        let given = GivenBack { at: at(900), by: HOSTILE.into(), customers: 11, time: Duration::from_secs(6600) };
        let over = || outage(Some(at(600)), None);
        let outages = [outage(None, None), over(), over(), outage(Some(at(600)), Some(given))];
        let now = at(1000);
        let sites = sites(&outages);
        let outages = outages.iter().map(|outage| row(outage, now)).collect();
        Outages { page, style: style(), outages, sites, late: true }
    }

    #[test]
    fn only_an_outage_that_is_over_and_not_given_back_has_a_button() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert_eq!(html.matches("/give-back\"").count(), 3, "two outages, and both at once");
        assert_eq!(html.matches("/admin/outages/sites/").count(), 1);
        assert!(html.contains("goes on") && html.contains("1 h 50 min to 11 customers"), "{html}");
    }
}
