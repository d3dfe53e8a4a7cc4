//! `/admin`: how things stand now: who is online, what was sold today and a week ago by this hour, what should be looked at, and whether all
//! that this rests on is well.
//!
//! ```text
//!  Now::read ─► the page ─────────────► without scripts: a link to read it again; with them: again.js every half minute
//!      └─────► /admin/live (events) ──► live.js puts each new reading in the place of the last
//! ```
//!
//! Each number comes out of an index ([`store::overview`]). What somebody may not see is not read.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use shared::money::Money;
use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use store::overview::{self, Sold};
use tokio::sync::mpsc;

use super::page::{Page, Tab, answer, style};
use super::words::Tone;
use super::{Refusal, words};
use crate::payments::{STRIPE, trouble};
use crate::radiusd::{self, Accounting};
use crate::session::Staff;
use crate::views::assets;
use crate::{App, backups};

/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;
/// Between two readings for a page that is open.
const LOOK: Duration = Duration::from_secs(5);
/// How long radiusd may take to say how it is: the page does not wait for a server that is away.
const PATIENCE: Duration = Duration::from_millis(500);
/// A router that has not spoken for this long is called silent: two interim reports and some patience.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(300);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// Packages and sites that are named; the rest is put together.
const NAMED: usize = 6;

#[derive(Debug, Template)]
#[template(path = "admin/overview.html")]
pub(super) struct Overview {
    page: Page,
    style: String,
    live: String,
    now: Now,
}

/// The part of the page that changes, by itself.
#[derive(Debug, Template)]
#[template(path = "admin/overview_now.html")]
struct Fragment<'a> {
    now: &'a Now,
}

/// How things stand.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Now {
    figures: Vec<Figure>,
    /// What was sold today, by package and by site.
    packages: Vec<Sum>,
    sites: Vec<Sum>,
    routers: Vec<Router>,
    health: Vec<Health>,
}

/// A number that leads somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Figure {
    link: &'static str,
    figure: String,
    label: String,
    tone: &'static str,
}

/// What something brought.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sum {
    name: String,
    orders: u64,
    amount: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Router {
    name: String,
    site: String,
    online: u64,
    last_seen: String,
    silent: bool,
}

/// Whether something is well that all this rests on.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Health {
    name: &'static str,
    tone: &'static str,
    words: String,
    link: &'static str,
}

/// `GET /admin`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let page = Overview {
        page: Page::new(&app, &staff, Tab::Overview).refreshed(REFRESH),
        style: style(),
        live: assets::url("live.js"),
        now: Now::read(&app, &staff).await?,
    };
    answer(StatusCode::OK, &page)
}

/// `GET /admin/live`: the same part of the page, each time that it changes, for as long as the page is open (server-sent events).
pub(super) async fn live(
    State(app): State<App>,
    mut staff: Staff,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (send, receive) = mpsc::channel(1);
    app.clone().background.spawn(async move {
        let (mut told, mut is_known) = (None, true);
        loop {
            // PostgreSQL or Redis may be away for a moment: the page keeps what it has.
            let read = if is_known { Now::read(&app, &staff).await.ok() } else { None };
            if let Some(now) = read.filter(|now| told.as_ref() != Some(now)) {
                let html = Fragment { now: &now }.render().unwrap_or_default();
                if send.send(Ok(Event::default().data(html))).await.is_err() {
                    return;
                }
                told = Some(now);
            }
            tokio::select! {
                () = app.stopping.cancelled() => return,
                () = send.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            // Who was signed out meanwhile is told nothing more, and who may see less, less.
            is_known = match Staff::signed_in(&app, &headers, staff.from).await {
                Ok(same) if same.may(Permission::See) && !same.lacks_second_factor() => {
                    staff = same;
                    true
                }
                Ok(_) | Err(Refusal::SignIn) => return,
                Err(_) => false,
            };
        }
    });
    let stream = futures::stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive)));
    Sse::new(stream).keep_alive(KeepAlive::default())
}

impl Now {
    async fn read(app: &App, staff: &Staff) -> Result<Now, Refusal> {
        let (now, sites) = (app.clock.now(), staff.sites());
        let online = overview::online(&app.db, sites).await?;
        let sees_money = staff.may(Permission::SeeMoney);
        let alerts = u64::try_from(app.alerts.standing.to(staff.admin.role, sites).count).unwrap_or(u64::MAX);
        let mut figures = vec![
            figure("/admin/sessions", online.iter().map(|(_, count)| count).sum(), "online", Tone::Plain),
            figure(super::alerts::LIST, alerts, "alerts that are not over", Tone::Bad),
        ];
        let sold =
            if sees_money { overview::sold(&app.db, words::start_of_day(now), now, sites).await? } else { Vec::new() };
        if sees_money {
            let week_ago = overview::sold(&app.db, words::start_of_day(now) - WEEK, now - WEEK, sites).await?;
            figures.push(sales(&sold, &week_ago));
            figures.extend(money_figures(app, sites).await?);
        }
        figures.extend(session_figures(app, sites, now).await?);
        let mut health = health(app, now).await?;
        for line in &mut health {
            line.link = within_reach(staff, line.link);
        }
        Ok(Now {
            figures,
            packages: sums(&sold, |sold| sold.package.clone()),
            sites: sums(&sold, |sold| sold.site.clone().unwrap_or_else(|| "at no router".into())),
            routers: routers(app, sites, &online, now).await?,
            health,
        })
    }
}

fn figure(link: &'static str, count: u64, label: &str, tone: Tone) -> Figure {
    let tone = if count > 0 && tone != Tone::Plain { tone.class() } else { "" };
    Figure { link, figure: count.to_string(), label: label.to_owned(), tone }
}

async fn session_figures(app: &App, sites: &SiteScope, now: OffsetDateTime) -> Result<Vec<Figure>, Refusal> {
    let minutes = overview::SOON.as_secs() / 60;
    let ending = overview::ending(&app.db, sites, now).await?;
    Ok(vec![
        figure("/admin/sessions?which=ending", ending, &format!("end within {minutes} minutes"), Tone::Plain),
        figure(
            "/admin/sessions/leaking",
            store::session::count_leaking_at(&app.db, sites, now).await?,
            "sessions leaking",
            Tone::Bad,
        ),
        figure("/admin/outages", store::outage::count_open_at(&app.db, sites).await?, "routers dark", Tone::Bad),
    ])
}

async fn money_figures(app: &App, sites: &SiteScope) -> Result<Vec<Figure>, Refusal> {
    let waiting = store::payment::count_waiting(&app.db).await?;
    let unmatched = store::unmatched::count_waiting(&app.db).await?;
    // Disputes, and money that could not go back.
    let cards = store::dispute::count_open(&app.db).await? + store::refund::count_stuck(&app.db).await?;
    let mut figures = vec![
        figure("/admin/payments", waiting, "payments waiting for news", Tone::Busy),
        figure("/admin/money", unmatched, "payments nobody knows", Tone::Bad),
    ];
    if cards > 0 {
        figures.push(figure("/admin/money", cards, "card payments to look at", Tone::Bad));
    }
    let owed = store::refund::count_owed(&app.db, sites).await?;
    if owed > 0 {
        figures.push(figure("/admin/money", owed, "orders owed to customers", Tone::Bad));
    }
    Ok(figures)
}

/// What was sold today, beside what was sold on the same day of last week by this hour.
fn sales(today: &[Sold], week_ago: &[Sold]) -> Figure {
    let orders: u64 = today.iter().map(|sold| sold.orders).sum();
    let total = |sold: &[Sold]| match sold {
        [] => "nothing".to_owned(),
        some => words::sum(some.iter().map(|sold| sold.amount)),
    };
    let label = format!("sold today, {orders} orders; {} by this hour a week ago", total(week_ago));
    Figure { link: "/admin/charts", figure: total(today), label, tone: "" }
}

/// What was sold by name, the most first; what is beyond the first few is put together.
fn sums(sold: &[Sold], name: impl Fn(&Sold) -> String) -> Vec<Sum> {
    let mut by_name: BTreeMap<String, (u64, Vec<Money>)> = BTreeMap::new();
    for one in sold {
        let sum = by_name.entry(name(one)).or_default();
        sum.0 += one.orders;
        sum.1.push(one.amount);
    }
    let mut named: Vec<(String, (u64, Vec<Money>))> = by_name.into_iter().collect();
    named.sort_by_key(|(_, (_, amounts))| std::cmp::Reverse(amounts.iter().map(|amount| amount.minor).sum::<i64>()));
    let rest = named.split_off(named.len().min(NAMED));
    if !rest.is_empty() {
        let all = rest.into_iter().fold((0, Vec::new()), |(orders, mut amounts), (_, (more, others))| {
            amounts.extend(others);
            (orders + more, amounts)
        });
        named.push(("all others".into(), all));
    }
    let sum = |(name, (orders, amounts)): (String, (u64, Vec<Money>))| Sum {
        name,
        orders,
        amount: words::sum(amounts.into_iter()),
    };
    named.into_iter().map(sum).collect()
}

async fn routers(
    app: &App,
    sites: &SiteScope,
    online: &[(String, u64)],
    now: OffsetDateTime,
) -> Result<Vec<Router>, Refusal> {
    let mut all = store::nas::all(&app.db).await?;
    if let Some(theirs) = store::site::routers(&app.db, sites).await? {
        all.retain(|nas| theirs.contains(&nas.id));
    }
    Ok(all.iter().map(|nas| router(nas, online, now)).collect())
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

/// Where a line leads those who may go there, and nobody else.
fn within_reach(staff: &Staff, link: &'static str) -> &'static str {
    let needs = match link {
        _ if link.starts_with("/admin/payments") => Permission::SeeMoney,
        _ if link.starts_with("/admin/security") => Permission::Support,
        _ => Permission::See,
    };
    if staff.may(needs) { link } else { "" }
}

/// Whether a router has not spoken for too long.
pub(super) fn is_silent(last_seen: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    last_seen.is_none_or(|at| now - at > SILENT_AFTER)
}

async fn health(app: &App, now: OffsetDateTime) -> Result<Vec<Health>, Refusal> {
    let accounting = async {
        let url = radiusd::admin_url(&app.config).ok()?;
        tokio::time::timeout(PATIENCE, radiusd::ask::<Accounting>(url, "/accounting")).await.ok()?.ok()
    };
    let accounting = accounting.await;
    let behind = overview::behind(&app.db, now).await?;
    let pool = app.db.pool_state();
    let redis = app.redis.ping().await.is_ok();
    let mut health = radius_health(accounting.as_ref());
    health.extend([
        judged(
            "PostgreSQL",
            pool.used < pool.max,
            format!("{} of {} connections in use", pool.used, pool.max),
            "/admin/accounting",
        ),
        judged("Redis", redis, if redis { "answers" } else { "does not answer" }.to_owned(), "/admin/security"),
        judged("Reports of payments", behind.reports == 0, late(behind.reports), "/admin/payments"),
        judged("Messages", behind.messages == 0, late(behind.messages), "/admin/messages?state=pending"),
    ]);
    if app.mpesa.is_some() {
        let fails = app.trouble.is_on();
        let words = if fails { "fails for most customers just now" } else { "answers" };
        health.push(judged("M-Pesa", !fails, words.to_owned(), "/admin/payments?provider=mpesa"));
    }
    if app.stripe.is_some() {
        let fails = trouble::of_provider(app, STRIPE, false).await?;
        let words = if fails { "fails for most customers just now" } else { "taken" };
        health.push(judged("Cards", !fails, words.to_owned(), "/admin/payments?provider=stripe"));
    }
    health.push(sms_health(app, now).await?);
    health.push(backups_health(&backups::ask(&app.db, now).await?));
    Ok(health)
}

/// Whether there are backups that are any good: the first thing that is wrong with them.
fn backups_health(answers: &[backups::Answer]) -> Health {
    let words = match answers.iter().find(|answer| !answer.good) {
        Some(wrong) => wrong.text.trim_end_matches('.').to_owned(),
        None => "made, archived and tried".to_owned(),
    };
    judged("Backups", answers.iter().all(|answer| answer.good), words, "/admin/backups")
}

/// radiusd, and its spool.
fn radius_health(accounting: Option<&Accounting>) -> Vec<Health> {
    const PAGE: &str = "/admin/accounting";
    let Some(accounting) = accounting else {
        return vec![judged("radiusd", false, "does not say how it is: does it run?".to_owned(), PAGE)];
    };
    let words = match (accounting.acknowledges, accounting.postgresql_takes_records) {
        (false, _) => "cannot make records durable",
        (true, false) => "PostgreSQL takes no records: they go to the spool",
        (true, true) => "takes records",
    };
    let waiting = accounting.spool.records;
    vec![
        judged("radiusd", accounting.acknowledges && accounting.postgresql_takes_records, words.to_owned(), PAGE),
        judged(
            "Spool",
            waiting == 0,
            if waiting == 0 { "empty".into() } else { format!("{waiting} records wait") },
            PAGE,
        ),
    ]
}

/// What text messages have cost today, beside what they may. No provider tells what is left on the account.
async fn sms_health(app: &App, now: OffsetDateTime) -> Result<Health, Refusal> {
    const PAGE: &str = "/admin/messages";
    let Some(sms) = &app.config.sms else {
        return Ok(Health { name: "SMS", tone: "plain", words: "no provider: none is sent".into(), link: PAGE });
    };
    let cost = Money::kes(store::notification::cost_since(&app.db, words::start_of_day(now)).await?);
    Ok(match sms.cost_limit() {
        Some(most) => judged("SMS", cost.minor < most.minor, format!("{cost} today, of {most} at most"), PAGE),
        None => judged("SMS", true, format!("{cost} today"), PAGE),
    })
}

fn late(count: u64) -> String {
    match count {
        0 => "none waits".into(),
        1 => "1 waits for more than a minute".into(),
        more => format!("{more} wait for more than a minute"),
    }
}

fn judged(name: &'static str, is_well: bool, words: String, link: &'static str) -> Health {
    Health { name, tone: if is_well { Tone::Good } else { Tone::Bad }.class(), words, link }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;
    use crate::radiusd::{Queue, Spool};

    fn sold(package: &str, site: Option<&str>, orders: u64, minor: i64) -> Sold {
        Sold { package: package.into(), site: site.map(str::to_owned), orders, amount: Money::kes(minor) }
    }

    fn now() -> Now {
        let sold = [sold(HOSTILE, Some(HOSTILE), 3, 6000), sold("1 hour", None, 1, 2000)];
        Now {
            figures: vec![figure("/admin/sessions", 12, "online", Tone::Plain), sales(&sold, &[])],
            packages: sums(&sold, |sold| sold.package.clone()),
            sites: sums(&sold, |sold| sold.site.clone().unwrap_or_default()),
            routers: vec![Router {
                name: HOSTILE.into(),
                site: HOSTILE.into(),
                online: 12,
                last_seen: "never".into(),
                silent: true,
            }],
            health: radius_health(None),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Overview {
        Overview { page, style: style(), live: assets::url("live.js"), now: now() }
    }

    #[test]
    fn what_changes_is_the_same_alone_as_on_its_page() {
        let (page, now) = (sample(crate::admin::page::tests::page()).render().expect("renders"), now());
        let alone = Fragment { now: &now }.render().expect("renders");
        assert!(page.contains(alone.trim()), "{alone}");
        assert!(!alone.contains("<script>alert"), "{alone}");
    }

    #[test]
    fn sales_of_today_stand_beside_those_of_a_week_ago() {
        let today = [sold("a", None, 2, 4000), sold("b", None, 1, 50)];
        let said = sales(&today, &[sold("a", None, 1, 2000)]);
        assert_eq!(said.figure, "KSh 40.50");
        assert_eq!(said.label, "sold today, 3 orders; KSh 20 by this hour a week ago");
        assert_eq!(sales(&[], &[]).figure, "nothing");
    }

    #[test]
    fn what_sells_most_is_named_and_the_rest_put_together() {
        let many: Vec<Sold> = (1..=8).map(|n| sold(&format!("p{n}"), None, 1, n * 100)).collect();
        let sums = sums(&many, |sold| sold.package.clone());
        assert_eq!((sums.len(), sums[0].name.as_str()), (NAMED + 1, "p8"));
        assert_eq!(
            (sums[NAMED].name.as_str(), sums[NAMED].orders, sums[NAMED].amount.as_str()),
            ("all others", 2, "KSh 3")
        );
    }

    #[test]
    fn a_server_that_does_not_answer_and_one_that_spools_are_not_well() {
        let accounting = |takes, records| Accounting {
            acknowledges: true,
            postgresql_takes_records: takes,
            queue: Queue { records: 0, capacity: 1 },
            spool: Spool { records, octets: 0, oldest_age_seconds: 0 },
            stored: 0,
            spooled: 0,
            replayed: 0,
            failed: 0,
        };
        let tones = |told: Option<Accounting>| -> Vec<&str> {
            radius_health(told.as_ref()).iter().map(|health| health.tone).collect()
        };
        assert_eq!(tones(None), ["bad"]);
        assert_eq!(tones(Some(accounting(true, 0))), ["good", "good"]);
        assert_eq!(tones(Some(accounting(false, 7))), ["bad", "bad"]);
    }

    #[test]
    fn the_first_thing_that_is_wrong_with_backups_is_said() {
        let answer = |good, text: &str| backups::Answer { good, text: text.into(), advice: "" };
        let told =
            backups_health(&[answer(true, "A backup is made."), answer(false, "No WAL leaves."), answer(false, "x")]);
        assert_eq!((told.tone, told.words.as_str()), ("bad", "No WAL leaves"));
        assert_eq!(backups_health(&[answer(true, "A backup is made.")]).tone, "good");
    }

    #[test]
    fn a_router_that_never_spoke_is_silent() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(is_silent(None, now));
        assert!(!is_silent(Some(now), now + SILENT_AFTER));
        assert!(is_silent(Some(now), now + SILENT_AFTER + Duration::from_secs(1)));
    }
}
