//! Whether anything can be sold, paid and told, and what waits for a person.

use std::time::Duration;

use shared::config::Config;
use shared::time::{OffsetDateTime, Zone};
use store::examine::{self, Place, Shop};
use store::{Db, StoreError, session, unmatched};

use super::{Finding, about, some_of};

/// What waits longer is not being worked on.
const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);
/// The shortcode of everybody's tests at Safaricom's sandbox; others there begin with 600.
const SANDBOX_SHORTCODE: &str = "174379";
/// Hours by which the clock of a place may differ from the sun: as far as political borders bend the zones.
const SUN_OFF: f64 = 3.0;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    shop: Shop,
    places: Vec<Place>,
    /// Payments that wait for a person.
    unmatched: u64,
    /// Sessions that go on after their end.
    leaking: u64,
}

pub(super) async fn look(db: &Db, now: OffsetDateTime) -> Result<Facts, StoreError> {
    Ok(Facts {
        shop: examine::shop(db, now).await?,
        places: examine::places(db).await?,
        unmatched: unmatched::count_waiting(db).await?,
        leaking: session::count_leaking(db, now).await?,
    })
}

pub(super) fn judge(facts: &Facts, now: OffsetDateTime) -> Vec<Finding> {
    vec![shop(facts, now), sites(&facts.places, now)]
}

fn shop(facts: &Facts, now: OffsetDateTime) -> Finding {
    const NAME: &str = "shop";
    let shop = &facts.shop;
    let stuck = |since: Option<OffsetDateTime>| {
        let waited = since.map(|since| Duration::try_from(now - since).unwrap_or_default());
        waited.filter(|waited| *waited > STUCK_AFTER).map(about)
    };
    if shop.staff == 0 {
        let advice = "`portal admin create --email YOU@EXAMPLE --password-stdin`";
        return Finding::problem(NAME, "nobody can sign in at the desk", advice);
    }
    if shop.packages == 0 {
        return Finding::problem(NAME, "no package is on sale", "`portal package add`, or at the desk under Packages");
    }
    if let Some(time) = stuck(shop.reports_since) {
        let what = format!("a report of a payment has waited for {time} to be worked on");
        return Finding::problem(NAME, what, "see the portal's log: no portal runs, or its provider cannot be asked");
    }
    if let Some(time) = stuck(shop.news_since) {
        let what = format!("a message to a customer has been due for {time}");
        return Finding::note(NAME, what, "see the portal's log, and whether the provider of text messages takes any");
    }
    if facts.leaking > 0 {
        let what = format!("{} session(s) go on after their end", facts.leaking);
        return Finding::problem(
            NAME,
            what,
            "the desk's first page names them, and what they cost; see routers-commands",
        );
    }
    let unmatched = facts.unmatched;
    if unmatched > 0 || shop.owed_minor != 0 {
        let owed = if shop.owed_minor == 0 { "" } else { ", and the ledger owes customers money" };
        let what = format!("{unmatched} payment(s) wait for a person to say whose they are{owed}");
        return Finding::note(NAME, what, "at the desk under Money, or `portal money list`");
    }
    if shop.locked_staff > 0 {
        let what = format!("{} account(s) of the desk rest after too many wrong passwords", shop.locked_staff);
        return Finding::note(
            NAME,
            what,
            "wait a quarter of an hour, or `portal admin create` with the same address and a new password",
        );
    }
    Finding::ok(NAME, format!("{} package(s) are on sale, and nothing waits", shop.packages))
}

fn sites(places: &[Place], now: OffsetDateTime) -> Finding {
    const NAME: &str = "sites";
    let unknown: Vec<&str> = places
        .iter()
        .filter(|place| Zone::named(&place.time_zone).is_none())
        .map(|place| place.name.as_str())
        .collect();
    if !unknown.is_empty() {
        return Finding::problem(
            NAME,
            format!("the portal does not know the time zone of {}", some_of(&unknown)),
            "give the place the name of a zone such as Africa/Nairobi",
        );
    }
    let odd: Vec<&str> =
        places.iter().filter(|place| is_far_from_the_sun(place, now)).map(|place| place.name.as_str()).collect();
    if !odd.is_empty() {
        return Finding::note(
            NAME,
            format!(
                "time zone and longitude do not fit: {}; packages until midnight would end at another hour",
                some_of(&odd)
            ),
            "correct whichever is wrong",
        );
    }
    Finding::ok(NAME, "the clocks of all places are known")
}

/// Whether the clocks of a place are hours away from its sun.
fn is_far_from_the_sun(place: &Place, now: OffsetDateTime) -> bool {
    let (Some(longitude), Some(zone)) = (place.longitude, Zone::named(&place.time_zone)) else { return false };
    let clock = f64::from(zone.at(now).offset().whole_seconds()) / 3600.0;
    (clock - longitude / 15.0).abs() > SUN_OFF
}

/// Whether anybody can pay, and whether that is real money.
pub(super) fn payments(config: &Config) -> Vec<Finding> {
    const NAME: &str = "payments";
    let mpesa = config.mpesa.as_ref().map(|mpesa| {
        let host = mpesa.base_url.host_str().unwrap_or_default();
        environment(host, &mpesa.shortcode)
    });
    let stripe = config.stripe.as_ref().map(shared::config::Stripe::is_live);
    let found = match (mpesa, stripe) {
        (None, None) => Finding::note(
            NAME,
            "neither M-Pesa nor cards are set up: only vouchers can be sold",
            "write [mpesa] or [stripe], as in docs/operations/payments.md and cards.md",
        ),
        (Some(Environment::Mixed(what)), _) => {
            Finding::problem(NAME, what, "take both from the same environment of Safaricom")
        }
        (Some(Environment::Tests), Some(true)) => Finding::problem(
            NAME,
            "cards are charged for real, and M-Pesa is the sandbox, where everybody pays with money that is none",
            "set mpesa.base_url to https://api.safaricom.co.ke with the keys of the real application, or take [mpesa] out",
        ),
        (Some(Environment::Tests), _) | (None, Some(false)) => {
            Finding::note(NAME, "payments are tests: no real money moves", "before guests come, use the real keys")
        }
        (Some(Environment::Live), Some(false)) => Finding::problem(
            NAME,
            "M-Pesa is real, and Stripe is in test mode, where cards that are none buy access",
            "use Stripe's live keys, or take [stripe] out",
        ),
        (Some(Environment::Live | Environment::Simulator), _) | (None, Some(true)) => {
            Finding::ok(NAME, "payments are set up")
        }
    };
    vec![found]
}

/// Which M-Pesa is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Environment {
    Live,
    Tests,
    /// Neither of Safaricom's.
    Simulator,
    /// Address and shortcode do not belong together.
    Mixed(&'static str),
}

fn environment(host: &str, shortcode: &str) -> Environment {
    let is_test = shortcode == SANDBOX_SHORTCODE || (shortcode.starts_with("600") && shortcode.len() == 6);
    match (host, is_test) {
        ("api.safaricom.co.ke", false) => Environment::Live,
        ("api.safaricom.co.ke", true) => {
            Environment::Mixed("mpesa.shortcode is one of the sandbox, and mpesa.base_url is the real M-Pesa")
        }
        ("sandbox.safaricom.co.ke", true) => Environment::Tests,
        ("sandbox.safaricom.co.ke", false) => Environment::Mixed(
            "mpesa.base_url is the sandbox, and mpesa.shortcode looks like a real one: nobody would be charged",
        ),
        _ => Environment::Simulator,
    }
}

/// Whether customers can be told anything.
pub(super) fn messages(config: &Config) -> Vec<Finding> {
    vec![ways(config.sms.is_some(), config.email.is_some())]
}

fn ways(has_sms: bool, has_email: bool) -> Finding {
    const NAME: &str = "messages";
    match (has_sms, has_email) {
        (true, _) => Finding::ok(NAME, "customers can be sent codes and news"),
        (false, true) => Finding::note(
            NAME,
            "there is e-mail, but no [sms]: customers cannot sign in with a code, and free packages are given to unproved numbers",
            "set up [sms], as in docs/operations/configuration.md",
        ),
        (false, false) => Finding::note(
            NAME,
            "neither [sms] nor [email] is set up: customers are told nothing, and cannot sign in with a code",
            "set up [sms], as in docs/operations/configuration.md",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok, Problem};
    use super::super::table::expect;
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
        let shop =
            Shop { packages: 3, staff: 1, locked_staff: 0, news_since: None, reports_since: None, owed_minor: 0 };
        let mut facts = Facts { shop, places: Vec::new(), unmatched: 0, leaking: 0 };
        change(&mut facts);
        facts
    }

    #[test]
    fn a_shop_can_sell_and_nothing_waits() {
        let now = at(1_800_003_600);
        for (facts, verdict) in [
            (facts(|_| {}), Ok),
            (facts(|f| f.shop.staff = 0), Problem),
            (facts(|f| f.shop.packages = 0), Problem),
            (facts(|f| f.shop.reports_since = Some(at(1_800_000_000))), Problem),
            (facts(|f| f.shop.reports_since = Some(at(1_800_003_590))), Ok),
            (facts(|f| f.shop.news_since = Some(at(1_800_000_000))), Note),
            (facts(|f| f.shop.news_since = Some(at(1_800_009_000))), Ok),
            (facts(|f| f.leaking = 2), Problem),
            (facts(|f| f.unmatched = 1), Note),
            (facts(|f| f.shop.owed_minor = 2_000), Note),
            (facts(|f| f.shop.locked_staff = 1), Note),
        ] {
            expect(&shop(&facts, now), "shop", verdict);
        }
    }

    #[test]
    fn clocks_of_places_fit_their_sun() {
        let place = |zone: &str, longitude| Place { name: "Market".into(), time_zone: zone.into(), longitude };
        for (place, verdict) in [
            (place("Africa/Nairobi", Some(36.8)), Ok),
            (place("Africa/Nairobi", None), Ok),
            (place("Asia/Shanghai", Some(87.6)), Ok),
            (place("Africa/Nairobi", Some(-74.0)), Note),
            (place("Africa/Atlantis", Some(36.8)), Problem),
        ] {
            expect(&sites(&[place], at(1_800_000_000)), "sites", verdict);
        }
        expect(&sites(&[], at(0)), "sites", Ok);
    }

    #[test]
    fn the_sandbox_and_real_shortcodes_are_not_mixed() {
        for (host, shortcode, expected) in [
            ("api.safaricom.co.ke", "512345", Environment::Live),
            ("sandbox.safaricom.co.ke", "174379", Environment::Tests),
            ("sandbox.safaricom.co.ke", "600638", Environment::Tests),
            ("127.0.0.1", "174379", Environment::Simulator),
        ] {
            assert_eq!(environment(host, shortcode), expected, "{host} {shortcode}");
        }
        assert!(matches!(environment("api.safaricom.co.ke", "174379"), Environment::Mixed(_)));
        assert!(matches!(environment("sandbox.safaricom.co.ke", "512345"), Environment::Mixed(_)));
    }

    /// A configuration with these sections beside what it must have.
    fn config(sections: serde_json::Value) -> Config {
        let mut whole = serde_json::json!({
            "database": { "write": "postgres://h/d" }, "redis": { "url": "redis://h" }, "secrets": { "seal_key": "5a" }
        });
        if let (Some(whole), serde_json::Value::Object(sections)) = (whole.as_object_mut(), sections) {
            whole.extend(sections);
        }
        serde_json::from_value(whole).expect("a configuration")
    }

    #[test]
    fn payments_are_real_or_tests_but_not_both() {
        let mpesa = |host: &str, shortcode: &str| {
            serde_json::json!({ "base_url": format!("https://{host}"), "consumer_key": "k", "consumer_secret": "s",
                "shortcode": shortcode, "passkey": "p" })
        };
        let live = || mpesa("api.safaricom.co.ke", "512345");
        let tests = || mpesa("sandbox.safaricom.co.ke", "174379");
        let stripe =
            |kind: &str| serde_json::json!({ "secret_key": format!("sk_{kind}_x"), "webhook_secret": "whsec_x" });
        for (sections, verdict) in [
            (serde_json::json!({}), Note),
            (serde_json::json!({ "mpesa": live() }), Ok),
            (serde_json::json!({ "mpesa": tests() }), Note),
            (serde_json::json!({ "mpesa": mpesa("127.0.0.1", "174379") }), Ok),
            (serde_json::json!({ "mpesa": mpesa("api.safaricom.co.ke", "174379") }), Problem),
            (serde_json::json!({ "stripe": stripe("live") }), Ok),
            (serde_json::json!({ "stripe": stripe("test") }), Note),
            (serde_json::json!({ "mpesa": live(), "stripe": stripe("test") }), Problem),
            (serde_json::json!({ "mpesa": tests(), "stripe": stripe("live") }), Problem),
            (serde_json::json!({ "mpesa": live(), "stripe": stripe("live") }), Ok),
        ] {
            let said = sections.to_string();
            let found = payments(&config(sections));
            assert_eq!(found.len(), 1, "{said}");
            expect(&found[0], "payments", verdict);
        }
    }

    #[test]
    fn customers_can_be_told_something() {
        for (sms, email, verdict) in [(true, false, Ok), (true, true, Ok), (false, true, Note), (false, false, Note)] {
            expect(&ways(sms, email), "messages", verdict);
        }
    }
}
