//! `/admin/map`: the sites where they are: how much each has today, whether that is what was to be expected, and whether its routers are heard
//! of; each change within seconds.
//!
//! ```text
//!  store::report::map ─► Feature ─┬─► the table of the page, which is all that there is without scripts
//!   sites · expected              ├─► /admin/map/sites.geojson ─┐
//!                                 └─► /admin/map/live (events) ─┴─► map.js: Google's map, else Leaflet, else circles on a grid
//! ```
//!
//! One data for all three. Google is asked for nothing unless there is a key (`portal.google_maps_key`), and only this page may ask it
//! ([`policy`]); what it is told are the places and sums of sites ([`feature`]), and nobody's identity. Sites have a position, routers stand
//! where their site does.

mod feature;
mod policy;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use serde::Serialize;
use shared::alert::Kind;
use shared::config::Portal;
use shared::rng;
use shared::staff::Permission;
use shared::time::{OffsetDateTime, rfc3339};
use store::report::map::{self as sites, Expected};
use tokio::sync::mpsc;
use url::Url;
use uuid::Uuid;

use self::feature::{Feature, Measure, Routers, Standing};
use super::Refusal;
use super::page::{Page, Tab, answer, style};
use super::words::{EAST_AFRICA, Tone};
use crate::App;
use crate::session::Staff;
use crate::views::assets;

/// Between two readings for a map that is open: a change is on it within fifteen seconds.
const LOOK: Duration = Duration::from_secs(10);
/// So old may be what is expected by now: it moves slowly, and takes longer to be read.
const EXPECTED_FOR: Duration = Duration::from_secs(300);
/// Another server is told which server of ours asks, and no address: Google wants to know that much.
const ORIGIN_ALONE: &str = "strict-origin-when-cross-origin";
/// What all other pages of the desk tell.
const TOLD_TO_US: &str = "same-origin";

#[derive(Debug, Template)]
#[template(path = "admin/map.html")]
pub(super) struct Map {
    page: Page,
    style: String,
    referrer: &'static str,
    files: Files,
    google: Option<Google>,
    /// Empty: none.
    tiles: String,
    credit: String,
    measures: Vec<(&'static str, &'static str)>,
    as_of: String,
    rows: Vec<Row>,
}

/// Addresses of our own files that the map is made of.
#[derive(Debug)]
struct Files {
    script: String,
    sheet: String,
    leaflet: String,
    leaflet_sheet: String,
    deck: String,
}

/// What is said of Google's map on the page.
#[derive(Debug)]
struct Google {
    /// Where its script is, with the key.
    script: String,
    /// Empty: none.
    map_id: String,
    /// The number that is good once.
    nonce: String,
}

/// A site in the table.
#[derive(Debug)]
struct Row {
    id: Uuid,
    name: String,
    has_place: bool,
    state: &'static str,
    state_text: String,
    alerts: u64,
    cells: Vec<Cell>,
}

/// A measure of a site in the table.
#[derive(Debug)]
struct Cell {
    name: &'static str,
    label: &'static str,
    text: String,
    tone: &'static str,
    beside: String,
}

/// The sites, as GeoJSON with two members of our own.
#[derive(Debug, Serialize)]
struct Collection {
    r#type: &'static str,
    /// The moment of the reading, and the same for people.
    as_of: String,
    as_of_text: String,
    features: Vec<Feature>,
}

/// What was to be expected, and when that was read.
type Outlook = (OffsetDateTime, HashMap<(Uuid, sites::Measure), Expected>);

/// `GET /admin/map`.
pub(super) async fn show(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let features = read(&app, &staff, now, &outlook(&app, &staff, now).await?).await?;
    let measures = measures(&staff);
    let page = Page::new(&app, &staff, Tab::Map);
    let page = framed(page, &app.config.portal, &measures, &features, now);
    let mut response = answer(StatusCode::OK, &page)?;
    if let Some(google) = &page.google {
        policy::allow_google(response.headers_mut(), &app.config.portal.google_maps_url, &google.nonce);
    }
    Ok(response)
}

/// `GET /admin/map/sites.geojson`: the sites, whoever draws them.
pub(super) async fn data(State(app): State<App>, staff: Staff) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let features = read(&app, &staff, now, &outlook(&app, &staff, now).await?).await?;
    let json = serde_json::to_string(&collection(features, now)).map_err(Refusal::broken)?;
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], json).into_response())
}

/// `GET /admin/map/live`: the sites that have changed, and the moment of each reading, for as long as the map is open (server-sent events).
pub(super) async fn live(
    State(app): State<App>,
    mut staff: Staff,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (send, receive) = mpsc::channel(1);
    app.clone().background.spawn(async move {
        let (mut told, mut expected, mut is_known) = (HashMap::new(), None, true);
        loop {
            // PostgreSQL or Redis may be away for a moment: the map keeps what it has.
            let now = app.clock.now();
            let read = if is_known { renewed(&app, &staff, now, &mut expected).await.ok() } else { None };
            if let Some(features) = read {
                let json = serde_json::to_string(&collection(changed(features, &mut told), now)).unwrap_or_default();
                if send.send(Ok(Event::default().data(json))).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = app.stopping.cancelled() => return,
                () = send.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            // Who was signed out meanwhile is told nothing more, and who may see less, less.
            is_known = match Staff::signed_in(&app, &headers, staff.from).await {
                Ok(same) if same.may(Permission::See) && !same.lacks_second_factor() => {
                    if same.sites() != staff.sites() {
                        expected = None;
                    }
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

/// The sites now, with what was expected renewed if it is old.
async fn renewed(
    app: &App,
    staff: &Staff,
    now: OffsetDateTime,
    expected: &mut Option<Outlook>,
) -> Result<Vec<Feature>, Refusal> {
    let outlook = match expected.take() {
        Some(known) if now - known.0 < EXPECTED_FOR => known,
        _ => outlook(app, staff, now).await?,
    };
    read(app, staff, now, expected.insert(outlook)).await
}

/// Those that are not as they were told last; they are told now.
fn changed(features: Vec<Feature>, told: &mut HashMap<Uuid, Feature>) -> Vec<Feature> {
    let is_new = |feature: &Feature| told.get(&feature.id) != Some(feature);
    let changed: Vec<Feature> = features.into_iter().filter(is_new).collect();
    told.extend(changed.iter().map(|feature| (feature.id, feature.clone())));
    changed
}

async fn outlook(app: &App, staff: &Staff, now: OffsetDateTime) -> Result<Outlook, Refusal> {
    Ok((now, sites::expected(&app.db, staff.sites(), now).await?))
}

async fn read(app: &App, staff: &Staff, now: OffsetDateTime, outlook: &Outlook) -> Result<Vec<Feature>, Refusal> {
    let kinds: Vec<String> =
        Kind::ALL.into_iter().filter(|kind| staff.may(kind.needs())).map(|kind| kind.as_str().to_owned()).collect();
    let measures = measures(staff);
    let sites = sites::sites(&app.db, staff.sites(), &kinds, now).await?;
    Ok(sites.iter().map(|site| Feature::of(site, &measures, &outlook.1, now)).collect())
}

fn measures(staff: &Staff) -> Vec<Measure> {
    Measure::ALL.into_iter().filter(|measure| staff.may(measure.needs())).collect()
}

fn collection(features: Vec<Feature>, now: OffsetDateTime) -> Collection {
    Collection { r#type: "FeatureCollection", as_of: rfc3339(now), as_of_text: as_of(now), features }
}

/// `14:03:05`, by East Africa's clock as everywhere at the desk.
fn as_of(now: OffsetDateTime) -> String {
    let (hour, minute, second) = now.to_offset(EAST_AFRICA).to_hms();
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn framed(page: Page, portal: &Portal, measures: &[Measure], features: &[Feature], now: OffsetDateTime) -> Map {
    let google = portal.google_maps_key.as_ref().and_then(|key| google(portal, key));
    Map {
        page,
        style: style(),
        referrer: if google.is_some() { ORIGIN_ALONE } else { TOLD_TO_US },
        files: Files {
            script: assets::url("map.js"),
            sheet: assets::url("map.css"),
            leaflet: assets::url("leaflet.js"),
            leaflet_sheet: assets::url("leaflet.css"),
            deck: assets::url("deck.js"),
        },
        google,
        tiles: portal.map_tiles.clone().unwrap_or_default(),
        credit: portal.map_credit.clone(),
        measures: measures.iter().map(|measure| measure.names()).collect(),
        as_of: as_of(now),
        rows: features.iter().map(|feature| row(feature, measures)).collect(),
    }
}

fn google(portal: &Portal, key: &str) -> Option<Google> {
    let mut script: Url = portal.google_maps_url.join("/maps/api/js").ok()?;
    script.query_pairs_mut().append_pair("key", key).append_pair("v", "quarterly").append_pair("loading", "async");
    let map_id = portal.google_map_id.clone().unwrap_or_default();
    if !map_id.is_empty() {
        script.query_pairs_mut().append_pair("libraries", "marker");
    }
    Some(Google { script: script.into(), map_id, nonce: rng::secret() })
}

fn row(feature: &Feature, measures: &[Measure]) -> Row {
    let properties = &feature.properties;
    let cell = |measure: &Measure| {
        let (name, label) = measure.names();
        let told = properties.measures.get(name)?;
        let beside = match told.standing {
            Standing::Unknown => told.standing_text.to_owned(),
            _ => format!("{}: {}", told.standing_text, told.expected_text),
        };
        Some(Cell { name, label, text: told.text.clone(), tone: tone(told.standing).class(), beside })
    };
    Row {
        id: feature.id,
        name: properties.name.clone(),
        has_place: feature.has_place(),
        state: match properties.state {
            Routers::Heard => Tone::Good.class(),
            Routers::Silent => Tone::Bad.class(),
            Routers::Missing => Tone::Plain.class(),
        },
        state_text: properties.state_text.clone(),
        alerts: properties.alerts,
        cells: measures.iter().filter_map(cell).collect(),
    }
}

fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::Below => Tone::Busy,
        Standing::AsExpected | Standing::Unknown => Tone::Plain,
        Standing::Above => Tone::Good,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn features(purchases: u64) -> Vec<Feature> {
        let site = feature::tests::site(HOSTILE, purchases);
        vec![Feature::of(&site, &Measure::ALL, &HashMap::new(), OffsetDateTime::UNIX_EPOCH)]
    }

    pub(in crate::admin) fn sample(page: Page) -> Map {
        framed(page, &Portal::default(), &Measure::ALL, &features(12), OffsetDateTime::UNIX_EPOCH)
    }

    /// The same with Google's map.
    pub(in crate::admin) fn with_google(page: Page) -> Map {
        let portal = Portal {
            google_maps_key: Some("a-key".into()),
            google_map_id: Some("an-id".into()),
            map_tiles: Some("/tiles/{z}/{x}/{y}.png".into()),
            ..Portal::default()
        };
        framed(page, &portal, &Measure::ALL, &features(12), OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn only_with_a_key_does_the_page_know_of_google() {
        let plain = sample(crate::admin::page::tests::page()).render().expect("renders");
        assert!(!plain.contains("google") && !plain.contains("nonce") && plain.contains("content=\"same-origin\""));
        let page = with_google(Page { refresh: None, ..crate::admin::page::tests::page() });
        let nonce = page.google.as_ref().expect("a key").nonce.clone();
        let page = page.render().expect("renders");
        assert!(page.contains("https://maps.googleapis.com/maps/api/js?key=a-key"), "{page}");
        assert!(page.contains(&format!("nonce=\"{nonce}\"")) && page.contains("strict-origin-when-cross-origin"));
        // What a browser does not know by this number does not run.
        for script in page.split("<script ").skip(1) {
            assert!(script.split('>').next().unwrap_or_default().contains(&nonce), "{script}");
        }
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let mut told = HashMap::new();
        assert_eq!(changed(features(12), &mut told).len(), 1);
        assert!(changed(features(12), &mut told).is_empty());
        let again = changed(features(13), &mut told);
        assert_eq!(again.first().map(|feature| feature.properties.measures["purchases"].text.as_str()), Some("13"));
        assert!(changed(features(13), &mut told).is_empty());
    }

    #[test]
    fn a_reading_says_of_which_moment_it_is() {
        let json = serde_json::to_value(collection(features(1), OffsetDateTime::UNIX_EPOCH)).expect("it is plain");
        assert_eq!((json["type"].as_str(), json["as_of_text"].as_str()), (Some("FeatureCollection"), Some("03:00:00")));
        assert_eq!(json["as_of"], "1970-01-01T00:00:00Z");
    }
}
