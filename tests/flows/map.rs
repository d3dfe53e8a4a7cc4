//! The map of sites: one GeoJSON for whoever draws it, which tells no customer from another; each change within fifteen seconds; Google's map at
//! the edge of the network, Leaflet without it, a grid without either. And the hours of the week, which reports show.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::Value;
use shared::money::Currency;
use shared::staff::{Role, SiteScope};
use sqlx::AssertSqlSafe;
use store::admin::people;
use store::report::map::{Basis, Measure, expected};
use store::report::peak_hours::{self, Span};
use tests::world::{Browser, World, at, eventually, eventually_within};
use time::macros::datetime;
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, by_browser, make};

const DATA: &str = "/admin/map/sites.geojson";
const LIVE: &str = "/admin/map/live";
/// A change is on the map within this time.
const SOON: Duration = Duration::from_secs(15);
/// The day's beginning by the clock of the sites.
const TODAY: &str = "(date_trunc('day', now() AT TIME ZONE 'Africa/Nairobi') AT TIME ZONE 'Africa/Nairobi')";

async fn sql(world: &World, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&world.pool).await.unwrap();
}

/// Something is sold at that router, to somebody who has a name.
async fn sell(world: &World, router: &str, code: &str) {
    sql(
        world,
        &format!(
            "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, mac, state, paid_at, created_at, updated_at)
             SELECT gen_random_uuid(), '{code}', u.id, u.phone, p.id, '{{\"name\":\"one hour\"}}', 2000, 'KES', n.id, '02:00:00:00:00:42', 'paid', now(), now(), now()
             FROM users u, packages p, nas n WHERE n.name = '{router}'"
        ),
    )
    .await;
}

/// Three sites: at Market a router is heard of, somebody is online and something was sold; at Beach it is silent; Nowhere has no position.
async fn sites(world: &World) -> [Uuid; 2] {
    let now = world.clock.now();
    world.package("one-hour", |_| {}).await;
    store::user::ensure(&world.db, shared::rng::id(now), &"0712345671".parse().unwrap(), "", now).await.unwrap();
    sql(world, "UPDATE users SET name = 'Asha Wanjiru'").await;
    let mut made = Vec::new();
    for (number, name) in [(1, "Market"), (2, "Beach"), (3, "Nowhere")] {
        let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
        world.register(&name.to_lowercase(), b"secret", settings).await;
        made.push(site);
    }
    sql(world, "UPDATE sites SET latitude = -1.2921, longitude = 36.8219 WHERE name = 'Market'").await;
    sql(world, "UPDATE sites SET latitude = -4.0435, longitude = 39.6682 WHERE name = 'Beach'").await;
    sql(world, "UPDATE nas SET last_seen_at = now() WHERE name = 'market'").await;
    sell(world, "market", "ABCD2341").await;
    sql(
        world,
        "INSERT INTO sessions (id, opened_on, nas_id, user_name, mac, acct_session_id, started_at, last_heard_at)
         SELECT gen_random_uuid(), current_date, id, 'guest-1', '02:00:00:00:00:42', 'guest-1', now(), now() FROM nas WHERE name = 'market'",
    )
    .await;
    // Far more was to be expected there, whichever time of the day it is.
    sql(
        world,
        &format!(
            "INSERT INTO forecasts (id, measure, site_id, package_id, origin, made_at, rule, basis, expected, typical, low80, high80, low95, high95, naive)
             SELECT gen_random_uuid(), 'purchases', id, '00000000-0000-0000-0000-000000000000', {TODAY} - interval '1 day', now(), 'test', 'own',
                    m, m, array_fill(900000::float8, ARRAY[168]), array_fill(1100000::float8, ARRAY[168]), m, m, m
             FROM sites, LATERAL (SELECT array_fill(1000000::float8, ARRAY[168]) AS m) a WHERE name = 'Market'"
        ),
    )
    .await;
    [made[0], made[1]]
}

/// More lines for `[portal]`, which is the last section of the configuration.
fn set(world: &World, lines: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(world.config()).unwrap();
    file.write_all(format!("\n{lines}\n").as_bytes()).unwrap();
}

fn site<'a>(told: &'a Value, name: &str) -> &'a Value {
    let features = told["features"].as_array().expect("features");
    features.iter().find(|site| site["properties"]["name"] == name).unwrap_or_else(|| panic!("no {name}: {told}"))
}

fn names(told: &Value) -> Vec<&str> {
    let features = told["features"].as_array().expect("features");
    features.iter().filter_map(|site| site["properties"]["name"].as_str()).collect()
}

#[tokio::test]
async fn the_map_tells_of_sites_and_of_nobody() {
    let mut world = World::new().await;
    sites(&world).await;
    world.start_portal().await;
    let owner = Operator::sign_in(&world).await;
    let answer = owner.ask("GET", DATA).await;
    assert_eq!(answer.headers()["content-type"], "application/geo+json");
    let text = answer.text().await.unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(names(&told), ["Beach", "Market", "Nowhere"]);
    let market = site(&told, "Market");
    assert_eq!(market["geometry"], serde_json::json!({ "type": "Point", "coordinates": [36.8219, -1.2921] }));
    let properties = &market["properties"];
    let measures = &properties["measures"];
    assert_eq!(
        (measures["purchases"]["value"].as_f64(), measures["purchases"]["standing"].as_str()),
        (Some(1.0), Some("below"))
    );
    assert_eq!(
        (measures["revenue"]["text"].as_str(), measures["revenue"]["standing"].as_str()),
        (Some("KSh 20"), Some("unknown"))
    );
    assert_eq!((measures["online"]["value"].as_f64(), properties["state"].as_str()), (Some(1.0), Some("heard")));
    assert_eq!(properties["routers"][0]["name"], "market");
    assert_eq!(site(&told, "Beach")["properties"]["state"], "silent");
    assert_eq!(site(&told, "Nowhere")["geometry"], Value::Null);
    let user: Uuid = sqlx::query_scalar("SELECT id FROM users").fetch_one(&world.pool).await.unwrap();
    let live = owner.first_event(LIVE).await;
    for (which, text) in [("the data", &text), ("what is told live", &live)] {
        for somebody in ["Asha", "254712", "0712345671", "02:00:00:00:00:42", "guest-1", "ABCD2341", &user.to_string()]
        {
            assert!(!text.contains(somebody), "{which} tells of {somebody}: {text}");
        }
    }
    // The table says the same to whoever runs no scripts; without a key the page knows of nobody but us.
    let page = owner.ask("GET", "/admin/map").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && !policy.contains("google"), "{policy}");
    assert_eq!(page.headers()["referrer-policy"], "same-origin");
    let page = page.text().await.unwrap();
    for words in ["Market", "KSh 20", "less than expected", "router silent", "no position: not on the map"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("google") && !page.contains("Asha"), "{page}");
}

#[tokio::test]
async fn the_map_shows_each_what_they_may_see() {
    let mut world = World::new().await;
    let [market, _] = sites(&world).await;
    world.start_portal().await;
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    for path in ["/admin/map", DATA] {
        let (hers, theirs) = (amina.get(path).await, cashier.get(path).await);
        hers.says(200, "Market");
        hers.says(200, "KSh 20");
        assert!(!hers.text.contains("Beach") && !hers.text.contains("beach"), "{path}: {}", hers.text);
        theirs.says(200, "Beach");
        for money in ["KSh", "revenue", "purchases", "Sold today"] {
            assert!(!theirs.text.contains(money), "{path}: {money}: {}", theirs.text);
        }
    }
    let (hers, theirs) = (amina.first_event(LIVE).await, cashier.first_event(LIVE).await);
    assert!(hers.contains("revenue") && !hers.contains("Beach"), "{hers}");
    assert!(theirs.contains("online") && !theirs.contains("revenue") && !theirs.contains("purchases"), "{theirs}");
}

/// What a map that is open is told.
struct Told {
    answer: reqwest::Response,
    heard: String,
}

impl Told {
    async fn open(world: &World, operator: &Operator) -> Told {
        let request = reqwest::Client::new().get(format!("{}{LIVE}", world.portal_url()));
        let answer = request.header("cookie", &operator.cookie).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Told { answer, heard: String::new() }
    }

    /// The next event; none: it is over.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.heard.split_once("\n\n") {
                let data = event.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
                self.heard = rest.to_owned();
                if data.is_some() {
                    return data;
                }
            }
            let part = self.answer.chunk().await.ok().flatten()?;
            self.heard.push_str(&String::from_utf8_lossy(&part));
        }
    }
}

#[tokio::test]
async fn what_changes_is_told_within_fifteen_seconds_and_nothing_else_is() {
    let mut world = World::new().await;
    sites(&world).await;
    world.start_portal().await;
    let owner = Operator::sign_in(&world).await;
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    let (mut told, mut theirs) = (Told::open(&world, &owner).await, Told::open(&world, &cashier).await);
    let first = told.next().await.expect("how it is");
    assert_eq!(names(&first).len(), 3, "{first}");
    assert!(theirs.next().await.is_some());
    sell(&world, "beach", "ABCD2342").await;
    cashier.answer("/admin/sign-out", &[]).await;
    let change = async {
        loop {
            let event = told.next().await.expect("it goes on");
            assert!(!names(&event).contains(&"Market"), "what did not change is not told again: {event}");
            if names(&event).contains(&"Beach") {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(SOON, change).await.expect("within fifteen seconds");
    assert_eq!(site(&event, "Beach")["properties"]["measures"]["purchases"]["text"], "1");
    assert!(event["as_of"].as_str() > first["as_of"].as_str(), "{event}");
    // Who is signed out is told nothing more.
    let over = async { while theirs.next().await.is_some() {} };
    tokio::time::timeout(SOON, over).await.expect("it ends");
}

/// How Google's edge behaves.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    Good,
    RefusesTheKey,
    Silent,
}

/// Stands for Google at the edge of the network.
struct Edge {
    url: String,
    mood: Arc<Mutex<Mood>>,
    /// What the browser said of where it comes from.
    referrers: Arc<Mutex<Vec<String>>>,
}

type Shared = (Arc<Mutex<Mood>>, Arc<Mutex<Vec<String>>>);

async fn script(State((mood, referrers)): State<Shared>, headers: HeaderMap) -> Response {
    let referrer = headers.get(header::REFERER).map(|value| value.to_str().unwrap().to_owned());
    referrers.lock().unwrap_or_else(PoisonError::into_inner).push(referrer.unwrap_or_default());
    let now = *mood.lock().unwrap_or_else(PoisonError::into_inner);
    let mut script = include_str!("map/google.js").to_owned();
    match now {
        Mood::Good => {}
        Mood::RefusesTheKey => script.push_str("setTimeout(function () { window.gm_authFailure(); }, 100);"),
        Mood::Silent => std::future::pending().await,
    }
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], script).into_response()
}

impl Edge {
    async fn open() -> Edge {
        let shared: Shared = (Arc::new(Mutex::new(Mood::Good)), Arc::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/maps/api/js", get(script)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Edge { url, mood: shared.0, referrers: shared.1 }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

/// Opens the map, and waits until it is drawn by this, with both sites on it.
async fn map_by(world: &World, browser: &Browser, ground: &str) {
    browser.client.goto(&format!("{}/admin/map", world.portal_url())).await.unwrap();
    eventually(&format!("the map is drawn by {ground}"), || async {
        let found = "const map = document.getElementById('map');
                     return (map.dataset.ground || '') + ' ' + map.querySelectorAll('[data-mark], .google-marker img').length";
        let found = browser.client.execute(found, Vec::new()).await.ok()?;
        (found == format!("{ground} 2")).then_some(())
    })
    .await;
}

async fn answer_of(browser: &Browser, script: &str) -> Value {
    browser.client.execute(script, Vec::new()).await.unwrap()
}

#[tokio::test]
async fn leaflet_draws_the_map_and_a_change_is_on_it_and_without_it_there_is_a_grid() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    sites(&world).await;
    set(&world, "map_tiles = \"/static/0/{z}-{x}-{y}.png\"\nmap_credit = \"© <b>Nobody</b>\"");
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 1000).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    map_by(&world, &browser, "leaflet").await;
    let silent = "return document.querySelectorAll('#map [data-silent] path').length + ' ' + document.querySelectorAll('#map [data-standing=below]').length";
    assert_eq!(
        answer_of(&browser, silent).await,
        "1 1",
        "a silent router is told by the shape, less than expected by the sign"
    );
    browser.wait_for("© <b>Nobody</b>").await;
    answer_of(
        &browser,
        "document.querySelector('#map [data-silent]').dispatchEvent(new MouseEvent('click', { bubbles: true }))",
    )
    .await;
    browser.wait_for("beach: 0 online, silent").await;
    browser.picture("desk-map-leaflet").await;
    sell(&world, "market", "ABCD2342").await;
    eventually_within(SOON, "the change is in the mark and in the table", || async {
        let now = "return [document.querySelector('#map [data-standing=below] title').textContent.startsWith('Market: 2, '),
                           Array.from(document.querySelectorAll('tr [data-measure=revenue] span')).some((cell) => cell.textContent === 'KSh 40')].every(Boolean)";
        (browser.client.execute(now, Vec::new()).await.ok()? == Value::Bool(true)).then_some(())
    })
    .await;
    browser.block(&["*leaflet.js*"]).await;
    map_by(&world, &browser, "grid").await;
    browser.wait_for("own script did not load").await;
    browser.wait_for("Beach (silent)").await;
    browser.picture("desk-map-grid").await;
    browser.close().await;
}

#[tokio::test]
async fn googles_map_is_drawn_with_a_key_and_given_up_when_it_fails() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    let edge = Edge::open().await;
    sites(&world).await;
    let lines = format!("google_maps_key = \"a-key\"\ngoogle_map_id = \"an-id\"\ngoogle_maps_url = \"{}\"", edge.url);
    set(&world, &lines);
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 1000).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    map_by(&world, &browser, "google").await;
    // It was told its key, where it is asked from, and of the sites; of nobody else.
    let told = answer_of(&browser, "const told = google.maps.told; return JSON.stringify([told.src, told.maps, told.markers.map((m) => [m.position, m.title, m.content.outerHTML])])").await;
    let told = told.as_str().unwrap();
    for words in ["key=a-key", "libraries=marker", "\"mapId\":\"an-id\"", "Market: 1, less than expected"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for somebody in ["Asha", "254712", "02:00:00:00:00:42", "guest-1", "ABCD2341"] {
        assert!(!told.contains(somebody), "{told}");
    }
    let origin = format!("{}/", world.portal_url());
    assert_eq!(
        edge.referrers.lock().unwrap_or_else(PoisonError::into_inner).as_slice(),
        [origin],
        "keys are restricted by it"
    );
    browser.picture("desk-map-google").await;
    heat(&browser).await;
    edge.becomes(Mood::RefusesTheKey);
    map_by(&world, &browser, "leaflet").await;
    browser.wait_for("Google refuses the key").await;
    edge.becomes(Mood::Silent);
    map_by(&world, &browser, "leaflet").await;
    browser.wait_for("did not come within three seconds").await;
    browser.picture("desk-map-google-away").await;
    browser.close().await;
}

/// Heat and hexagons, where the browser has WebGL 2; where it has not, they are not offered.
async fn heat(browser: &Browser) {
    if answer_of(browser, "return document.getElementById('map-views').hidden").await == Value::Bool(true) {
        println!("skipped: this Chromium has no WebGL 2, and the page offers no heat");
        return;
    }
    for view in ["heat", "hexagons"] {
        browser.press(&format!("[data-view={view}]")).await;
        eventually(&format!("{view} in place of the marks, or that it cannot be drawn"), || async {
            let drawn = "return document.querySelector('#map canvas') !== null && document.querySelectorAll('#map .google-marker').length === 0";
            let is_drawn = browser.client.execute(drawn, Vec::new()).await.ok()? == Value::Bool(true);
            (is_drawn || browser.text().await.contains("cannot draw heat")).then_some(())
        })
        .await;
    }
    browser.picture("desk-map-hexagons").await;
}

#[tokio::test]
async fn an_hour_of_the_week_is_the_mean_by_the_clock_of_what_was_observed() {
    let world = World::new().await;
    let [market, beach] = sites(&world).await;
    // Mondays at eight in Nairobi are at five by UTC: 4, 8, and one that nobody saw. In Kinshasa they are at six.
    for (hour, observed, purchases) in
        [("2026-01-05 05:00+00", true, 4), ("2026-01-12 05:00+00", true, 8), ("2026-01-19 05:00+00", false, 0)]
    {
        sql(
            &world,
            &format!(
                "INSERT INTO site_hourly (hour, site_id, observed, purchases, currency, gross_minor, refunded_minor) VALUES
                     ('{hour}', '{market}', {observed}, {purchases}, 'KES', {purchases} * 1000, 500),
                     ('{hour}', '{beach}', true, 1, 'USD', 300, 0)"
            ),
        )
        .await;
    }
    let span = Span {
        from: datetime!(2026-01-01 00:00 UTC),
        until: datetime!(2026-02-01 00:00 UTC),
        site: Some(market),
        time_zone: "Africa/Nairobi",
    };
    let all = SiteScope::of(Vec::new());
    let hours = |measure, span, scope: SiteScope| {
        let db = &world.db;
        async move {
            let hours = peak_hours::hours(db, measure, Currency::KES, span, &scope).await.unwrap();
            hours.iter().map(|hour| (hour.weekday, hour.hour, hour.mean, hour.times)).collect::<Vec<_>>()
        }
    };
    let sold = peak_hours::Measure::Purchases;
    assert_eq!(hours(sold, span, all.clone()).await, [(1, 8, 6.0, 2)]);
    assert_eq!(hours(sold, Span { time_zone: "Africa/Kinshasa", ..span }, all.clone()).await, [(1, 6, 6.0, 2)]);
    // Two sites are added up hour by hour, and half of them is not nearly all.
    let both = Span { site: None, ..span };
    assert_eq!(hours(sold, both, all.clone()).await, [(1, 8, 7.0, 2)]);
    assert_eq!(hours(sold, both, SiteScope::of(vec![beach])).await, [(1, 8, 1.0, 3)]);
    assert!(hours(sold, span, SiteScope::of(vec![beach])).await.is_empty());
    // Currencies are not added up.
    assert_eq!(hours(peak_hours::Measure::Revenue, both, all.clone()).await, [(1, 8, 5500.0, 2)]);
    assert_eq!(peak_hours::currency(&world.db, both, &all).await.unwrap(), Some((Currency::KES, true)));
    let ranges = peak_hours::hours(&world.db, sold, Currency::KES, span, &all).await.unwrap();
    assert!((ranges[0].low - 4.4).abs() < 1e-9 && (ranges[0].high - 7.6).abs() < 1e-9, "{ranges:?}");
}

#[tokio::test]
async fn without_a_forecast_the_same_weekday_says_what_was_to_be_expected() {
    let world = World::new().await;
    let [market, beach] = sites(&world).await;
    sql(&world, "DELETE FROM forecasts").await;
    // Nine weeks of two purchases an hour at both; last week three at Market. At Beach only three weeks were observed.
    sql(
        &world,
        &format!(
            "INSERT INTO site_hourly (hour, site_id, purchases, peak_sessions, observed)
             SELECT h, s.id, CASE WHEN s.name = 'Market' AND h >= '2026-02-25 00:00+00' THEN 3 ELSE 2 END, extract(hour FROM h AT TIME ZONE 'UTC'),
                    s.id <> '{beach}' OR h >= '2026-02-10 00:00+00'
             FROM sites s, generate_series('2026-01-01 00:00+00'::timestamptz, '2026-03-04 00:00+00', interval '1 hour') h
             WHERE s.name <> 'Nowhere'"
        ),
    )
    .await;
    // A Wednesday, half past seven in Nairobi: seven and a half hours of the day are over.
    let now = datetime!(2026-03-04 04:30 UTC);
    let told = expected(&world.db, &SiteScope::of(Vec::new()), now).await.unwrap();
    let at_market = told[&(market, Measure::Purchases)];
    assert_eq!((at_market.basis, at_market.band.is_some()), (Basis::LastWeek, true));
    // The day began in Nairobi three hours before it did by UTC, from which on it were three an hour: 3 × 2 + 4.5 × 3.
    assert!((at_market.value - 19.5).abs() < 1e-6, "{at_market:?}");
    let (low, high) = at_market.band.unwrap();
    assert!((low - 15.0).abs() < 1e-6 && (high - 19.5).abs() < 1e-6, "{at_market:?}");
    assert!(
        (told[&(market, Measure::Sessions)].value - 4.0).abs() < 1e-6,
        "the present hour is that from four on by UTC"
    );
    // Three weeks are too few to say between what it mostly is.
    assert_eq!((told[&(beach, Measure::Purchases)].value, told[&(beach, Measure::Purchases)].band), (15.0, None));
    let none = expected(&world.db, &SiteScope::of(vec![beach]), now).await.unwrap();
    assert!(none.keys().all(|(site, _)| *site == beach) && !none.is_empty());
}
