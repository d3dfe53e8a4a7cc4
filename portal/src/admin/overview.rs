//! `/admin`: how things stand now: who is online, what was sold today, what waits for news.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shared::time::OffsetDateTime;
use store::order::Sales;

use super::page::{Page, Tab, answer, style};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;
/// A router that has not spoken for this long is called silent: two interim reports and some patience.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(300);

#[derive(Debug, Template)]
#[template(path = "admin/overview.html")]
pub(super) struct Overview {
    page: Page,
    style: String,
    online: u64,
    sales: String,
    orders: u64,
    payments_waiting: u64,
    /// Payments of which nobody knows what they are for.
    unmatched: u64,
    /// Payments by card that somebody should look at: disputes, and money that could not go back.
    cards: u64,
    leaking: u64,
    /// Routers that went dark.
    dark: u64,
    routers: Vec<Router>,
}

#[derive(Debug)]
struct Router {
    name: String,
    site: String,
    online: u64,
    last_seen: String,
    silent: bool,
}

/// `GET /admin`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let online = store::session::count_open_at(&app.db, staff.sites()).await?;
    let sales = store::order::sales_since_at(&app.db, staff.sites(), words::start_of_day(now)).await?;
    let mut routers = store::nas::all(&app.db).await?;
    if let Some(theirs) = store::site::routers(&app.db, staff.sites()).await? {
        routers.retain(|nas| theirs.contains(&nas.id));
    }
    let page = Overview {
        page: Page::new(&app, &staff, Tab::Overview).refreshed(REFRESH),
        style: style(),
        online: online.iter().map(|(_, count)| count).sum(),
        orders: sales.iter().map(|sale| sale.orders).sum(),
        sales: totals(&sales),
        payments_waiting: store::payment::count_waiting(&app.db).await?,
        unmatched: store::unmatched::count_waiting(&app.db).await?,
        cards: store::dispute::count_open(&app.db).await? + store::refund::count_stuck(&app.db).await?,
        leaking: store::session::count_leaking_at(&app.db, staff.sites(), now).await?,
        dark: store::outage::count_open_at(&app.db, staff.sites()).await?,
        routers: routers.iter().map(|nas| router(nas, &online, now)).collect(),
    };
    answer(StatusCode::OK, &page)
}

fn router(nas: &store::nas::Nas, online: &[(String, u64)], now: OffsetDateTime) -> Router {
    Router {
        name: nas.name.clone(),
        site: nas.site.clone().unwrap_or_default(),
        online: online.iter().find(|(name, _)| *name == nas.name).map_or(0, |(_, count)| *count),
        last_seen: nas.last_seen_at.map_or_else(|| "never".into(), |at| words::ago(at, now)),
        silent: is_silent(nas.last_seen_at, now),
    }
}

/// Whether a router has not spoken for too long.
pub(super) fn is_silent(last_seen: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    last_seen.is_none_or(|at| now - at > SILENT_AFTER)
}

fn totals(sales: &[Sales]) -> String {
    match sales {
        [] => "nothing yet".into(),
        some => some.iter().map(|sale| sale.total.to_string()).collect::<Vec<_>>().join(" + "),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;
    use shared::money::Money;

    pub(in crate::admin) fn sample(page: Page) -> Overview {
        Overview {
            page,
            style: style(),
            online: 12,
            sales: "KSh 1340".into(),
            orders: 41,
            payments_waiting: 2,
            unmatched: 1,
            cards: 1,
            leaking: 1,
            dark: 1,
            routers: vec![Router {
                name: HOSTILE.into(),
                site: HOSTILE.into(),
                online: 12,
                last_seen: "never".into(),
                silent: true,
            }],
        }
    }

    #[test]
    fn sales_of_a_day_are_summed_by_currency() {
        assert_eq!(totals(&[]), "nothing yet");
        assert_eq!(totals(&[Sales { orders: 2, total: Money::kes(4000) }]), "KSh 40");
    }

    #[test]
    fn a_router_that_never_spoke_is_silent() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(is_silent(None, now));
        assert!(!is_silent(Some(now), now + SILENT_AFTER));
        assert!(is_silent(Some(now), now + SILENT_AFTER + Duration::from_secs(1)));
    }
}
