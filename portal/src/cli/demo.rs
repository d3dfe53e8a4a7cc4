//! `portal demo`: something to look at. What is there already, and what an operator has changed since, stays.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use shared::entitlement::State;
use shared::money::Money;
use shared::rate::Rate;
use shared::rng;
use shared::rules::Rules;
use shared::sale::Sale;
use store::StoreError;
use store::package::{Package, Purchases, Starts};

use super::{ACTOR, Answer, Context};

/// The site; `nas add` puts the simulated router there.
const SITE: &str = "Demo Café";
/// The login that works on any device.
const LOGIN: &str = "demo";
/// How long it is good, at least [`LEFT`] of it after each run.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// With less than this left it is renewed.
const LEFT: Duration = Duration::from_secs(3600);

/// Make a site, packages and a login to try everything with.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    answer: Answer,
}

impl Demo {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        store::site::ensure(&context.db, rng::id(now), SITE, now).await?;
        for package in on_sale() {
            ensure(context, package).await?;
        }
        let password = login(context).await?;
        context.audit("demo", LOGIN).await?;
        let text = format!("Log in as {LOGIN} with the password {password} on any device.");
        self.answer.give(&json!({ "user": LOGIN, "password": password }), text)
    }
}

/// The password of the demo login, which is made or renewed as needed.
async fn login(context: &Context) -> anyhow::Result<String> {
    let now = context.now();
    if let Some(known) = store::entitlement::login(&context.db, LOGIN).await? {
        let lasts = known.expires_at.is_none_or(|end| end > now + LEFT);
        if known.state != State::Active || !lasts {
            store::entitlement::renew(&context.db, known.entitlement, now + DAY, now).await?;
        }
        return Ok(known.password);
    }
    let package = ensure(context, any_device()).await?;
    let password = rng::one_time_password();
    store::entitlement::grant(&context.db, None, &package, LOGIN.as_bytes(), password.as_bytes(), now).await?;
    Ok(password)
}

/// The package of that slug as it is, or this one if there is none.
async fn ensure(context: &Context, mut package: Package) -> anyhow::Result<Package> {
    match store::package::by_slug(&context.db, &package.slug).await {
        Ok(known) => Ok(known),
        Err(StoreError::Missing { .. }) => {
            package.id = rng::id(context.now());
            Ok(store::package::save(&context.db, &package, ACTOR, context.now()).await?)
        }
        Err(error) => Err(error.into()),
    }
}

fn on_sale() -> [Package; 5] {
    let lasting = |duration: Duration, rate: Option<Rate>| Rules { duration: Some(duration), rate, ..Rules::default() };
    let (minute, fast) = (Duration::from_secs(60), rate(3, 5));
    let week = Rules { device_limit: 2, ..lasting(7 * DAY, rate(5, 10)) };
    let data = Rules { quota_octets: Some(500_000_000), ..lasting(30 * DAY, None) };
    [
        package("2-minutes", "2 minutes (try the cut)", 5, 1, lasting(2 * minute, fast)),
        package("1-hour", "1 hour", 20, 2, lasting(60 * minute, fast)),
        package("1-day", "1 day", 50, 3, lasting(DAY, fast)),
        package("1-week", "1 week", 250, 4, week),
        package("500-mb", "500 MB", 30, 5, data),
    ]
}

/// What the demo login opens; nobody can buy it.
fn any_device() -> Package {
    let rules = Rules { duration: Some(DAY), device_limit: 100, ..Rules::default() };
    Package { starts: Starts::Purchase, active: false, ..package("demo-any-device", "Demo login", 0, 99, rules) }
}

fn package(slug: &str, name: &str, shillings: i64, position: i32, rules: Rules) -> Package {
    Package {
        // Made when the package is stored.
        id: uuid::Uuid::nil(),
        slug: slug.into(),
        name: name.into(),
        price: Money::kes(shillings * 100),
        starts: Starts::FirstLogin,
        rules,
        purchases: Purchases::default(),
        active: true,
        position,
        sale: Sale::default(),
        version: 0,
    }
}

fn rate(up: u64, down: u64) -> Option<Rate> {
    Some(Rate { up_bps: up * 1_000_000, down_bps: down * 1_000_000 })
}
