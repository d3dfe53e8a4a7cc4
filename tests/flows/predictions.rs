//! What will probably happen: forecasts are made at night, shown beside "as last week", scored when their week is over, and switched off when
//! they lose; what the calendar has is not learnt from; an outage raises an alert, and one that was expected goes into the calendar.
//!
//! Facts are written by hand, ten weeks of them, and nights lie in the past: the programs' clock is the real one. No portal sums these facts up
//! anew meanwhile.

use std::time::Duration;

use shared::alert::Kind;
use shared::staff::Role;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use store::alert::{self, State};
use tests::world::{Browser, World, at, eventually, eventually_within};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator, make};

/// Jobs that find nothing to do look again after a minute.
const TWO_LOOKS: Duration = Duration::from_secs(150);
/// What is sold in an hour: more in the evening than in the morning, and not the same in each week.
const SOLD: &str = "(10 + extract(hour FROM h)::integer + extract(week FROM h)::integer % 3)";

/// A site that has been there for long.
async fn site(world: &World, name: &str) -> Uuid {
    let id = store::site::ensure(&world.db, shared::rng::id(world.clock.now()), name, world.clock.now()).await.unwrap();
    let older = "UPDATE sites SET created_at = now() - interval '11 weeks' WHERE id = $1";
    sqlx::query(older).bind(id).execute(&world.pool).await.unwrap();
    id
}

/// The facts are said to be made, and while what is returned is held no portal makes them out of sales that there are none of. It goes before
/// the world does.
async fn still(world: &World) -> Transaction<'static, Postgres> {
    let made = "INSERT INTO facts_mark (name, through) VALUES ('hours', now() + interval '2 hours')";
    sqlx::query(made).execute(&world.pool).await.unwrap();
    let mut still = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE facts_mark IN EXCLUSIVE MODE").execute(&mut *still).await.unwrap();
    still
}

/// Ten weeks of hours in which so much was sold.
async fn facts(world: &World, site: Uuid, sold: &str) {
    let statement = format!(
        "INSERT INTO site_hourly (hour, site_id, observed, purchases, gross_minor, peak_sessions, output_octets)
         SELECT h, $1, true, sold, sold * 2000, sold, sold * 1000000
         FROM (SELECT h, ({sold})::bigint AS sold
               FROM generate_series(date_trunc('hour', now()) - interval '10 weeks', date_trunc('hour', now()), interval '1 hour') h) t
         ON CONFLICT (site_id, hour) DO UPDATE SET observed = true, purchases = excluded.purchases, gross_minor = excluded.gross_minor,
             peak_sessions = excluded.peak_sessions, output_octets = excluded.output_octets"
    );
    sqlx::query(AssertSqlSafe(statement)).bind(site).execute(&world.pool).await.unwrap();
}

/// A forecast that began so many hours ago and says the same of every hour; `naive` is an expression of the hour.
async fn forecast(world: &World, site: Uuid, hours_ago: i32, said: f64) -> Uuid {
    let statement = "INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, expected, typical, low80, high80,
             low95, high95, naive)
         SELECT gen_random_uuid(), 'purchases', $1, '00000000-0000-0000-0000-000000000000', o, o, 'by hand', 'own', a, a,
             array_fill(0.0::double precision, ARRAY[192]), array_fill(1000.0::double precision, ARRAY[192]),
             array_fill(0.0::double precision, ARRAY[192]), array_fill(1000.0::double precision, ARRAY[192]), b
         FROM (SELECT date_trunc('hour', now()) - make_interval(hours => $2) AS o, array_fill($3::double precision, ARRAY[192]) AS a,
                      array_fill($3::double precision - 1, ARRAY[192]) AS b) t
         RETURNING id";
    let made = sqlx::query_scalar(statement).bind(site).bind(hours_ago).bind(said);
    made.fetch_one(&world.pool).await.unwrap()
}

/// What the newest forecast of the night says of each hour from its origin on, once it is made; and whether it is shown.
async fn made(world: &World, site: Uuid) -> (Vec<f64>, bool) {
    eventually_within(TWO_LOOKS, "the night's forecast is made", || async {
        let newest = "SELECT expected, is_shown FROM forecasts WHERE site_id = $1 AND measure = 'purchases' AND rule <> 'by hand'";
        sqlx::query_as(newest).bind(site).fetch_optional(&world.pool).await.unwrap()
    })
    .await
}

#[tokio::test]
async fn a_forecast_is_made_beside_its_baseline_and_the_calendars_days_are_not_learnt_from() {
    let mut world = World::new().await;
    let market = site(&world, "Market").await;
    let beach = site(&world, "Beach").await;
    // At the market, each of the last five days of one weekday was a feast; that of the beach nobody has written down.
    let feast = format!(
        "CASE WHEN (date_trunc('day', now())::date - h::date) % 7 = 3 AND h > now() - interval '5 weeks' THEN 500 ELSE {SOLD} END"
    );
    facts(&world, market, &feast).await;
    facts(&world, beach, &feast).await;
    // Nobody has seen the pier for weeks: it is not missed among all sites.
    let pier = site(&world, "Pier").await;
    facts(&world, pier, SOLD).await;
    let dark = "UPDATE site_hourly SET observed = false WHERE site_id = $1 AND hour > now() - interval '6 weeks'";
    sqlx::query(dark).bind(pier).execute(&world.pool).await.unwrap();
    let feasts = "INSERT INTO calendar_days (id, site_id, kind, name, from_at, until_at, created_by, created_at)
                  SELECT gen_random_uuid(), $1, 'event', 'feast', d, d + interval '1 day', 'test', now()
                  FROM (SELECT DISTINCT date_trunc('day', hour) AS d FROM site_hourly WHERE site_id = $1 AND purchases = 500) t";
    let feasts = sqlx::query(feasts).bind(market).execute(&world.pool).await.unwrap();
    assert_eq!(feasts.rows_affected(), 5);
    let _still = still(&world).await;
    world.start_portal().await;
    let (market_said, is_shown) = made(&world, market).await;
    let (beach_said, _) = made(&world, beach).await;
    assert!(is_shown && market_said.len() == 192, "{}", market_said.len());
    let most = |said: &[f64]| said.iter().copied().fold(0.0, f64::max);
    assert!(most(&market_said) < 60.0, "no feast is expected: {market_said:?}");
    assert!(most(&beach_said) > 200.0, "a feast is expected: {beach_said:?}");
    let (all_said, _) = made(&world, store::prediction::NOWHERE).await;
    assert!(most(&all_said) > most(&beach_said), "all sites but the dark one: {all_said:?}");

    let operator = Operator::sign_in(&world).await;
    let page = operator.get(&format!("/admin/reports/use/next-days?site={market}")).await;
    for words in ["Site: Market.", "As last week", "Error (MASE), rehearsed on the past", "Expected within 7 days"] {
        page.says(200, words);
    }
    operator.get("/admin/reports/use/next-days").await.says(200, "All sites together.");
    looked_at(&world, "use/next-days", "Expected within 7 days", "desk-reports-next-days").await;
    // Who is limited to the beach sees the beach's, and no sum of all.
    make(&world, "amina@example.org", Role::Support).await;
    let amina = world.staff_id("amina@example.org").await;
    store::admin::people::set_access(&world.db, amina, Role::Support, &[beach]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    let page = amina.get("/admin/reports/use/next-days").await;
    page.says(200, "Site: Beach.");
    assert!(!page.text.contains("All sites together"), "{}", page.text);
}

#[tokio::test]
async fn a_forecast_is_scored_when_its_week_is_over_and_switches_itself_off_after_four_lost_weeks() {
    let mut world = World::new().await;
    let market = site(&world, "Market").await;
    facts(&world, market, SOLD).await;
    // It says 30 all the time, and is further away than "as last week", which says 29.
    let scored = forecast(&world, market, 10 * 24, 30.0).await;
    let going_on = forecast(&world, market, 6 * 24, 30.0).await;
    let lost = "WITH made AS (
                    INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, expected, typical, low80, high80,
                        low95, high95, naive)
                    SELECT gen_random_uuid(), 'purchases', $1, '00000000-0000-0000-0000-000000000000', o, o, 'by hand', 'own', '{}', '{}', '{}',
                        '{}', '{}', '{}', '{}'
                    FROM generate_series(date_trunc('hour', now()) - interval '37 days', date_trunc('hour', now()) - interval '11 days',
                        interval '1 day') o
                    RETURNING id, measure, site_id, package_id, origin)
                INSERT INTO forecast_scores (forecast_id, measure, site_id, package_id, origin, scored_at, hours, mase, naive_mase,
                    forecast_total, actual_total)
                SELECT id, measure, site_id, package_id, origin, now(), 168, 1.2, 1.0, 100, 120 FROM made";
    sqlx::query(lost).bind(market).execute(&world.pool).await.unwrap();
    let _still = still(&world).await;
    world.start_portal().await;
    type Score = (i32, Option<f64>, Option<f64>, Option<f64>, f64, f64);
    let score: Score = eventually_within(TWO_LOOKS, "the forecast is scored", || async {
        let score = "SELECT hours, mase, naive_mase, covered80, forecast_total, actual_total FROM forecast_scores WHERE forecast_id = $1";
        sqlx::query_as(score).bind(scored).fetch_optional(&world.pool).await.unwrap()
    })
    .await;
    let came: i64 = sqlx::query_scalar(
        "SELECT sum(purchases)::bigint FROM site_hourly h JOIN forecasts f ON f.id = $1
         WHERE h.site_id = f.site_id AND h.hour >= f.origin AND h.hour < f.origin + interval '7 days'",
    )
    .bind(scored)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let (hours, mase, naive_mase, covered, said, actual) = score;
    assert_eq!((hours, covered), (168, Some(1.0)));
    assert!((said - 168.0 * 30.0).abs() < 1e-6 && (actual - came as f64).abs() < 1e-6, "{said} {actual} {came}");
    assert!(mase.unwrap() > naive_mase.unwrap() && naive_mase.unwrap() > 0.0, "{mase:?} {naive_mase:?}");
    let (_, is_shown) = made(&world, market).await;
    assert!(!is_shown, "four weeks were lost");
    let early = "SELECT count(*) FROM forecast_scores WHERE forecast_id = $1";
    let early: i64 = sqlx::query_scalar(early).bind(going_on).fetch_one(&world.pool).await.unwrap();
    assert_eq!(early, 0, "its week is not over");

    let operator = Operator::sign_in(&world).await;
    let page = operator.get(&format!("/admin/reports/use/next-days?site={market}")).await;
    page.says(200, "This forecast has switched itself off");
    let page = operator.get("/admin/reports/use/scorecard?period=90").await;
    for words in ["no better than last week", "In each of 4 weeks its error was above that of", "Market"] {
        page.says(200, words);
    }
    looked_at(&world, "use/scorecard?period=90", "Forecast scorecard", "desk-reports-scorecard").await;
}

/// Pictures of a report, where there is a browser.
async fn looked_at(world: &World, report: &str, words: &str, name: &str) {
    let Some(browser) = Browser::open(true).await else { return };
    by_browser(world, &browser, EMAIL).await;
    browser.pictures(&format!("{}/admin/reports/{report}", world.portal_url()), words, name).await;
    browser.close().await;
}

#[tokio::test]
async fn an_outage_raises_an_alert_and_one_that_was_expected_goes_into_the_calendar() {
    let mut world = World::new().await;
    let market = site(&world, "Market").await;
    // Of a site without a router nothing is missed.
    world.register("market", b"secret", store::nas::Settings { site_id: Some(market), ..at([10, 9, 0, 1]) }).await;
    // As many as were expected, give or take one, and none in the last six hours.
    let sold = "CASE WHEN h >= date_trunc('hour', now()) - interval '7 hours' THEN 0 ELSE 20 + extract(hour FROM h)::integer % 3 - 1 END";
    facts(&world, market, sold).await;
    for night in 0..23 {
        forecast(&world, market, 12 + night * 24, 20.0).await;
    }
    let _still = still(&world).await;
    world.start_portal().await;
    let unusual = eventually_within(TWO_LOOKS, "the outage is noticed", || async {
        sqlx::query("UPDATE alert_watch SET lease_until = 'epoch'").execute(&world.pool).await.unwrap();
        let found = alert::present(&world.db, time::OffsetDateTime::UNIX_EPOCH).await.unwrap();
        found.into_iter().find(|alert| alert.kind == Kind::DemandUnusual)
    })
    .await;
    assert_eq!((unusual.state, unusual.site), (State::Open, Some(market)));
    // It depends on the hour whether the last one before the outage belongs to what is told.
    let title = unusual.title.as_str();
    let much =
        title.strip_prefix("Next to nothing is bought at Market: ").and_then(|rest| rest.split_once(" instead of "));
    assert!(much.is_some_and(|(sold, _)| sold.parse::<u32>().is_ok_and(|sold| sold <= 21)), "{title}");

    let operator = Operator::sign_in(&world).await;
    let here = format!("/admin/alerts/{}", unusual.id);
    operator.get(&here).await.says(200, "Next to nothing is bought");
    let minded =
        operator.post(&format!("{here}/acknowledge"), &[("note", "The feast is over"), ("expected", "on")]).await;
    minded.says(200, "It is yours now");
    assert_eq!(audited(&world, "calendar.add").await, by_operator(&["The feast is over"]));
    let (hours, kind): (i32, String) = sqlx::query_as(
        "SELECT (extract(epoch FROM until_at - from_at) / 3600)::integer, kind FROM calendar_days WHERE site_id = $1",
    )
    .bind(market)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!((3..=60).contains(&hours) && kind == "event", "{hours} {kind}");
    operator.get("/admin/calendar").await.says(200, "The feast is over");
}

#[tokio::test]
async fn a_calendar_is_filled_with_one_click_and_by_hand_for_the_sites_that_are_ones_own() {
    let mut world = World::new().await;
    let market = site(&world, "Market").await;
    let beach = site(&world, "Beach").await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let year = world.clock.now().year() + 1;
    let year_said = year.to_string();
    let year_said = year_said.as_str();
    let page = operator.post("/admin/calendar", &[("year", year_said)]).await;
    page.says(200, "The holidays of that year stand in the calendar.");
    page.says(200, &format!("12 December {year}"));
    page.says(200, "Jamhuri Day");
    let count = "SELECT count(*) FROM calendar_days WHERE kind = 'holiday' AND site_id = '00000000-0000-0000-0000-000000000000'";
    let holidays: i64 = sqlx::query_scalar(count).fetch_one(&world.pool).await.unwrap();
    assert!(holidays >= 10, "{holidays}");
    operator.post("/admin/calendar", &[("year", year_said)]).await;
    let again: i64 = sqlx::query_scalar(count).fetch_one(&world.pool).await.unwrap();
    assert_eq!(again, holidays, "none twice");
    operator.forged("/admin/calendar", &[("year", year_said)]).await;
    let day = format!("{year}-07-01");
    let (here, there) = (market.to_string(), beach.to_string());
    let closed = [("kind", "closed"), ("name", "Roof works"), ("from", day.as_str())];
    let with = |site: &str| {
        closed
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([("site", site.to_owned())])
            .collect::<Vec<_>>()
    };
    let post = async |operator: &Operator, site: &str| {
        let fields = with(site);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        operator.post("/admin/calendar", &fields).await
    };
    post(&operator, &there).await.says(200, "Roof works");

    // A manager of the market adds and removes there, and nowhere else.
    make(&world, "amina@example.org", Role::Manager).await;
    let amina = world.staff_id("amina@example.org").await;
    store::admin::people::set_access(&world.db, amina, Role::Manager, &[market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    let page = amina.get("/admin/calendar").await;
    page.says(200, "Jamhuri Day");
    assert!(!page.text.contains("Roof works") && !page.text.contains("/remove\""), "{}", page.text);
    assert_eq!(post(&amina, &there).await.status, 422);
    assert_eq!(post(&amina, "").await.status, 422);
    amina.post("/admin/calendar", &[("year", year_said)]).await.says(403, "not for your role");
    post(&amina, &here).await.says(200, "Roof works");
    let ids = "SELECT id FROM calendar_days WHERE name = 'Roof works' AND site_id = $1";
    let theirs: Uuid = sqlx::query_scalar(ids).bind(market).fetch_one(&world.pool).await.unwrap();
    let others: Uuid = sqlx::query_scalar(ids).bind(beach).fetch_one(&world.pool).await.unwrap();
    amina.post(&format!("/admin/calendar/{others}/remove"), &[]).await.says(404, "It is not here");
    amina.post(&format!("/admin/calendar/{theirs}/remove"), &[]).await.says(200, "It is taken out.");
    eventually("what was taken out is gone", || async {
        let left = amina.get("/admin/calendar").await;
        (!left.text.contains("Roof works")).then_some(())
    })
    .await;
    let removed = audited(&world, "calendar.remove").await;
    assert_eq!(removed, [("amina@example.org".to_owned(), "Roof works".to_owned())]);
    assert!(audited(&world, "calendar.add").await.iter().any(|(who, _)| who == EMAIL));
}
