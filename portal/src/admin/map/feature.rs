//! A site as the map has it: a feature of GeoJSON (RFC 7946), with what it has today beside what was to be expected, and how its routers are.
//!
//! What belongs to nobody in particular alone: sums, names of sites and of routers. Refused here: money for those who may not see what was
//! sold, and anything that tells one customer from another; maps are drawn by programs of others too.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use shared::money::Money;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use store::report::map::{self, Basis, Expected, Site};
use uuid::Uuid;

use crate::admin::overview::is_silent;
use crate::admin::words;

/// Below so many, the one more or less is no news.
const FEW: f64 = 3.0;

/// What circles can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    Purchases,
    Revenue,
    Online,
    Data,
}

impl Measure {
    pub(super) const ALL: [Measure; 4] = [Measure::Purchases, Measure::Revenue, Measure::Online, Measure::Data];

    /// Its name in the data, and its label.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Measure::Purchases => ("purchases", "Sold today"),
            Measure::Revenue => ("revenue", "Revenue today"),
            Measure::Online => ("online", "Online now"),
            Measure::Data => ("data", "Data today"),
        }
    }

    /// What one must be allowed to see it.
    pub(super) fn needs(self) -> Permission {
        match self {
            Measure::Purchases | Measure::Revenue => Permission::SeeMoney,
            Measure::Online | Measure::Data => Permission::See,
        }
    }

    fn expected(self) -> map::Measure {
        match self {
            Measure::Purchases => map::Measure::Purchases,
            Measure::Revenue => map::Measure::Revenue,
            Measure::Online => map::Measure::Sessions,
            Measure::Data => map::Measure::Octets,
        }
    }

    /// Whether it counts things, of which one more or less can be chance.
    fn is_count(self) -> bool {
        matches!(self, Measure::Purchases | Measure::Online)
    }

    /// What a site has of it: minor units, octets, or as many.
    fn value(self, site: &Site) -> f64 {
        match self {
            Measure::Purchases => site.purchases as f64,
            Measure::Revenue => site.sold.minor as f64,
            Measure::Online => site.routers.iter().map(|router| router.online).sum::<u64>() as f64,
            Measure::Data => site.octets as f64,
        }
    }

    /// An amount of it in words.
    fn said(self, value: f64, site: &Site) -> String {
        match self {
            Measure::Purchases | Measure::Online => format!("{value:.0}"),
            // Whole units: what is expected is not known to the cent.
            Measure::Revenue => {
                let minor = if site.sold.minor as f64 == value {
                    site.sold.minor
                } else {
                    (value / 100.0).round() as i64 * 100
                };
                Money { minor, ..site.sold }.to_string()
            }
            Measure::Data => words::data(value.max(0.0) as u64),
        }
    }
}

/// How a value stands beside what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Below,
    AsExpected,
    Above,
    /// There is nothing to compare with.
    Unknown,
}

impl Standing {
    pub(super) fn words(self) -> &'static str {
        match self {
            Standing::Below => "less than expected",
            Standing::AsExpected => "as expected",
            Standing::Above => "more than expected",
            Standing::Unknown => "nothing to compare with",
        }
    }

    fn of(measure: Measure, value: f64, expected: Option<&Expected>) -> Standing {
        let Some((low, high)) = expected.and_then(|expected| expected.band) else { return Standing::Unknown };
        let is_chance = measure.is_count() && value < FEW && high < FEW;
        if is_chance || (low..=high).contains(&value) {
            Standing::AsExpected
        } else if value < low {
            Standing::Below
        } else {
            Standing::Above
        }
    }
}

/// A measure of a site, told.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Told {
    /// Minor units, octets, or as many: what circles are as large as.
    value: f64,
    pub(super) text: String,
    expected: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    /// What was expected, in words; empty: nothing is known.
    pub(super) expected_text: String,
    pub(super) standing: Standing,
    pub(super) standing_text: &'static str,
}

/// How the routers of a site are, together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Routers {
    /// All were heard of.
    Heard,
    /// One at least was not.
    Silent,
    /// There is none.
    Missing,
}

/// A router, told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Router {
    name: String,
    is_silent: bool,
    online: u64,
}

/// What stands beside the place.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Properties {
    pub(super) name: String,
    pub(super) state: Routers,
    pub(super) state_text: String,
    pub(super) alerts: u64,
    /// Routers have no place of their own: they stand where their site is.
    routers: Vec<Router>,
    pub(super) measures: BTreeMap<&'static str, Told>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
struct Geometry {
    r#type: &'static str,
    /// Longitude, then latitude (RFC 7946 §3.1.1).
    coordinates: [f64; 2],
}

/// A site. Without a position it has no geometry (RFC 7946 §3.2), and stands in the table alone.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Feature {
    r#type: &'static str,
    pub(super) id: Uuid,
    geometry: Option<Geometry>,
    pub(super) properties: Properties,
}

impl Feature {
    /// The site for whoever may see these measures.
    pub(super) fn of(
        site: &Site,
        measures: &[Measure],
        expected: &HashMap<(Uuid, map::Measure), Expected>,
        now: OffsetDateTime,
    ) -> Feature {
        let told =
            |measure: &Measure| (measure.names().0, told(*measure, site, expected.get(&(site.id, measure.expected()))));
        let router = |router: &map::Router| Router {
            name: router.name.clone(),
            is_silent: is_silent(router.last_seen_at, now),
            online: router.online,
        };
        let routers: Vec<Router> = site.routers.iter().map(router).collect();
        let (state, state_text) = state(&routers);
        Feature {
            r#type: "Feature",
            id: site.id,
            geometry: site
                .position
                .map(|(latitude, longitude)| Geometry { r#type: "Point", coordinates: [longitude, latitude] }),
            properties: Properties {
                name: site.name.clone(),
                state,
                state_text,
                alerts: site.alerts,
                routers,
                measures: measures.iter().map(told).collect(),
            },
        }
    }

    /// Whether it is on the map.
    pub(super) fn has_place(&self) -> bool {
        self.geometry.is_some()
    }
}

fn told(measure: Measure, site: &Site, expected: Option<&Expected>) -> Told {
    let value = measure.value(site);
    let standing = Standing::of(measure, value, expected);
    let band = expected.and_then(|expected| expected.band);
    let expected_text = expected.map(|expected| {
        let basis = match expected.basis {
            Basis::Forecast => "by the forecast",
            Basis::LastWeek => "as a week ago",
        };
        let middle = measure.said(expected.value, site);
        match band {
            Some((low, high)) => {
                format!("{middle} ({} to {}), {basis}", measure.said(low, site), measure.said(high, site))
            }
            None => format!("{middle}, {basis}"),
        }
    });
    Told {
        value,
        text: measure.said(value, site),
        expected: expected.map(|expected| rounded(expected.value)),
        low: band.map(|(low, _)| rounded(low)),
        high: band.map(|(_, high)| rounded(high)),
        expected_text: expected_text.unwrap_or_default(),
        standing,
        standing_text: standing.words(),
    }
}

fn state(routers: &[Router]) -> (Routers, String) {
    let silent = routers.iter().filter(|router| router.is_silent).count();
    match (routers.len(), silent) {
        (0, _) => (Routers::Missing, "no router".to_owned()),
        (1, 0) => (Routers::Heard, "router heard of".to_owned()),
        (1, _) => (Routers::Silent, "router silent".to_owned()),
        (all, 0) => (Routers::Heard, format!("{all} routers heard of")),
        (all, silent) => (Routers::Silent, format!("{silent} of {all} routers silent")),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    pub(in crate::admin::map) fn site(name: &str, purchases: u64) -> Site {
        let router = |name: &str, last_seen_at| map::Router { name: name.into(), last_seen_at, online: 7 };
        Site {
            id: Uuid::from_u128(1),
            name: name.into(),
            position: Some((-1.2921, 36.8219)),
            purchases,
            sold: Money::kes(12_050),
            octets: 5_000_000_000,
            alerts: 1,
            routers: vec![router("gate", Some(NOW)), router("hall", None)],
        }
    }

    fn expected(value: f64, band: Option<(f64, f64)>) -> Expected {
        Expected { value, band, basis: Basis::Forecast }
    }

    #[test]
    fn a_value_stands_beside_its_band() {
        let band = Some((8.0, 14.0));
        for (measure, value, expected, standing) in [
            (Measure::Purchases, 7.0, Some(expected(10.0, band)), Standing::Below),
            (Measure::Purchases, 8.0, Some(expected(10.0, band)), Standing::AsExpected),
            (Measure::Online, 15.0, Some(expected(10.0, band)), Standing::Above),
            (Measure::Purchases, 7.0, Some(expected(10.0, None)), Standing::Unknown),
            (Measure::Data, 7.0, None, Standing::Unknown),
            // Soon after midnight one order is neither much nor little.
            (Measure::Purchases, 2.0, Some(expected(0.2, Some((0.0, 0.4)))), Standing::AsExpected),
            (Measure::Data, 2.0, Some(expected(0.2, Some((0.0, 0.4)))), Standing::Above),
        ] {
            assert_eq!(Standing::of(measure, value, expected.as_ref()), standing, "{measure:?} {value}");
        }
    }

    #[test]
    fn a_site_is_a_point_with_its_measures_and_no_more_than_one_may_see() {
        let site = site("Market", 12);
        let all = HashMap::from([((site.id, map::Measure::Purchases), expected(10.4, Some((8.0, 11.0))))]);
        let feature = Feature::of(&site, &Measure::ALL, &all, NOW);
        let json = serde_json::to_value(&feature).expect("it is plain");
        assert_eq!(json["geometry"]["coordinates"], serde_json::json!([36.8219, -1.2921]));
        let purchases = &json["properties"]["measures"]["purchases"];
        assert_eq!((purchases["text"].as_str(), purchases["standing"].as_str()), (Some("12"), Some("above")));
        assert_eq!(purchases["expected_text"], "10 (8 to 11), by the forecast");
        assert_eq!(json["properties"]["measures"]["revenue"]["text"], "KSh 120.50");
        assert_eq!(json["properties"]["measures"]["online"]["text"], "14");
        assert_eq!(json["properties"]["measures"]["data"]["standing"], "unknown");
        let fewer = Feature::of(&site, &[Measure::Online, Measure::Data], &all, NOW);
        let text = serde_json::to_string(&fewer).expect("it is plain");
        assert!(!text.contains("revenue") && !text.contains("purchases") && !text.contains("KSh"), "{text}");
    }

    #[test]
    fn a_site_without_a_place_is_in_the_table_alone() {
        let feature = Feature::of(&Site { position: None, ..site("Market", 1) }, &Measure::ALL, &HashMap::new(), NOW);
        assert!(!feature.has_place());
        assert_eq!(serde_json::to_value(&feature).expect("it is plain")["geometry"], serde_json::Value::Null);
    }

    #[test]
    fn one_silent_router_is_enough_to_be_told() {
        let router = |is_silent| Router { name: "r".into(), is_silent, online: 0 };
        assert_eq!(state(&[]), (Routers::Missing, "no router".to_owned()));
        assert_eq!(state(&[router(false)]).0, Routers::Heard);
        assert_eq!(state(&[router(true)]), (Routers::Silent, "router silent".to_owned()));
        assert_eq!(state(&[router(true), router(false)]), (Routers::Silent, "1 of 2 routers silent".to_owned()));
    }
}
