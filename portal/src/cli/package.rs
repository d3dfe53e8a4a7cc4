//! `portal package`: what is on sale. What was sold before keeps its rules, and each change is kept as a version.
//!
//! `add` says all of a package's rules anew, [`set`] changes what is named; how it is sold, which both can say, is [`sold`]'s.

mod set;
mod sold;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use shared::hours::Hours;
use shared::money::{Currency, Money};
use shared::rate::{Burst, Rate};
use shared::rng;
use shared::rules::{DevicePolicy, FairUse, HappyHours, Rules, Until};
use shared::time::rfc3339;
use store::StoreError;
use store::package::{Purchases, Starts, version};

use self::sold::Sold;
use super::{ACTOR, Answer, Context, values};
use crate::api::json;

/// Packages on sale.
#[derive(Debug, Subcommand)]
pub(super) enum Package {
    /// Add a package, or say the rules of the one with that slug anew. How that one is sold stays as it is where nothing is said of it.
    Add(Box<Add>),
    /// Change what is said of a package, and nothing else. "none" takes a limit away.
    Set(Box<set::Set>),
    /// List the packages, also those no longer offered.
    List(Answer),
    /// What a package was before, the newest first.
    History(History),
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// Its slug.
    #[arg(value_name = "NAME", value_parser = values::slug)]
    slug: String,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Start {
    /// When it is paid.
    Purchase,
    /// When the customer first logs in.
    FirstLogin,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum End {
    /// Midnight.
    Day,
    /// Midnight from Sunday to Monday.
    Week,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    Strict,
    Replace,
    Ask,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its short name in commands and addresses, such as 1-hour.
    #[arg(long, value_parser = values::slug)]
    slug: String,
    /// Its name for customers.
    #[arg(long, value_parser = values::name)]
    name: String,
    /// Its price, such as 20 or 20.50.
    #[arg(long, value_parser = values::price)]
    price: i64,
    /// The price's currency.
    #[arg(long, default_value = "KES")]
    currency: Currency,
    /// How long access lasts, such as 30m, 1h, 1d or 1w.
    #[arg(long, value_parser = values::duration, required_unless_present_any = ["until", "data", "data_up", "data_down", "online"])]
    duration: Option<Duration>,
    /// It lasts until the end of the day or the week instead, in the time of the place.
    #[arg(long, conflicts_with = "duration")]
    until: Option<End>,
    /// Data, up and down together, such as 500MB or 2GB.
    #[arg(long, value_parser = values::octets)]
    data: Option<u64>,
    /// Data from the customer.
    #[arg(long, value_parser = values::octets)]
    data_up: Option<u64>,
    /// Data to the customer.
    #[arg(long, value_parser = values::octets)]
    data_down: Option<u64>,
    /// Time online on all devices together, such as 2h: it counts only while somebody is online. With --duration, within
    /// that time.
    #[arg(long, value_parser = values::duration)]
    online: Option<Duration>,
    /// When in the week it may be used, in the time of the place, such as "mon-fri 08:00-17:00, sat 09:00-13:00" or "daily
    /// 22:00-06:00".
    #[arg(long)]
    hours: Option<Hours>,
    /// Speed from the customer, such as 512k or 3M.
    #[arg(long, value_parser = values::speed, requires = "down")]
    up: Option<u64>,
    /// Speed to the customer.
    #[arg(long, value_parser = values::speed, requires = "up")]
    down: Option<u64>,
    /// How the speed may be exceeded for a while, in the order of RouterOS: speed, threshold and seconds, each from and to
    /// the customer, such as "4M/8M 1M/3M 10/10".
    #[arg(long, requires = "up")]
    burst: Option<Burst>,
    /// Other speeds once so much has been used, such as "5GB 1M/2M, 10GB 512k/1M".
    #[arg(long)]
    fair_use: Option<FairUse>,
    /// Another speed at certain hours, in the time of the place, such as "daily 22:00-06:00 at 4M/8M".
    #[arg(long)]
    happy_hours: Option<HappyHours>,
    /// How many devices may share it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    devices: u32,
    /// What becomes of one device too many: it is refused (but a phone's new random address replaces its old one), it takes the
    /// place of the first one, or it is refused and the customer's page offers to remove one.
    #[arg(long, default_value = "strict")]
    device_policy: Policy,
    /// How often one person, or one device, may buy it; 1 for a free trial.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    per_person: Option<u32>,
    /// How often on one day.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    per_day: Option<u32>,
    /// Idle time after which the router ends a session, at least 1m.
    #[arg(long, value_parser = values::duration)]
    idle: Option<Duration>,
    /// When its clock starts.
    #[arg(long, default_value = "first-login")]
    starts: Start,
    /// Its place in the list, low first; without this, where it is, or first.
    #[arg(long)]
    position: Option<i32>,
    /// Do not offer it.
    #[arg(long)]
    inactive: bool,
    #[command(flatten)]
    sold: Sold,
    #[command(flatten)]
    answer: Answer,
}

impl Package {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Package::Add(add) => add.run(context).await,
            Package::Set(set) => set.run(context).await,
            Package::History(history) => history.run(context).await,
            Package::List(answer) => list(context, answer).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let answer = self.answer;
        let known = match store::package::by_slug(&context.db, &self.slug).await {
            Ok(known) => Some(known),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let (mut sale, position) = known.map(|known| (known.sale, known.position)).unwrap_or_default();
        self.sold.clone().apply(&mut sale, context).await?;
        let package = store::package::Package { sale, ..self.package(rng::id(context.now()), position) };
        check(&package)?;
        let package = store::package::save(&context.db, &package, ACTOR, context.now()).await?;
        context.audit("package.save", &package.slug).await?;
        answer.give(&json::Package::from(&package), format!("{} is {}.", package.name, package.price))
    }

    /// `position`: where it is already.
    fn package(self, id: uuid::Uuid, position: i32) -> store::package::Package {
        let rate = self.up.zip(self.down).map(|(up_bps, down_bps)| Rate { up_bps, down_bps });
        store::package::Package {
            id,
            slug: self.slug,
            name: self.name,
            price: Money { minor: self.price, currency: self.currency },
            starts: self.starts.into(),
            rules: Rules {
                duration: self.duration,
                until: self.until.map(Until::from),
                quota_octets: self.data,
                quota_up: self.data_up,
                quota_down: self.data_down,
                quota_time: self.online,
                hours: self.hours,
                rate,
                burst: self.burst,
                fair_use: self.fair_use.unwrap_or_default(),
                happy_hours: self.happy_hours,
                device_limit: self.devices,
                devices: self.device_policy.into(),
                idle_timeout: self.idle,
            },
            purchases: Purchases { ever: self.per_person, a_day: self.per_day },
            active: !self.inactive,
            position: self.position.unwrap_or(position),
            sale: Default::default(),
            version: 0,
        }
    }
}

impl From<Start> for Starts {
    fn from(start: Start) -> Starts {
        match start {
            Start::Purchase => Starts::Purchase,
            Start::FirstLogin => Starts::FirstLogin,
        }
    }
}

impl From<End> for Until {
    fn from(end: End) -> Until {
        match end {
            End::Day => Until::EndOfDay,
            End::Week => Until::EndOfWeek,
        }
    }
}

impl From<Policy> for DevicePolicy {
    fn from(policy: Policy) -> DevicePolicy {
        match policy {
            Policy::Strict => DevicePolicy::Strict,
            Policy::Replace => DevicePolicy::Replace,
            Policy::Ask => DevicePolicy::Ask,
        }
    }
}

/// Whether the parts of a package fit each other.
fn check(package: &store::package::Package) -> anyhow::Result<()> {
    let rules = &package.rules;
    if let Some(idle) = rules.idle_timeout {
        anyhow::ensure!(idle >= Duration::from_secs(60), "--idle must be at least 1m");
    }
    if let Some(burst) = rules.burst {
        let rate = rules.rate.ok_or_else(|| anyhow::anyhow!("--burst needs a speed: say --up and --down"))?;
        burst.fits(rate).map_err(|problem| anyhow::anyhow!("--burst: {problem}"))?;
    }
    anyhow::ensure!(
        rules.is_limited(),
        "a package needs an end: say --duration, --until, --data, --data-up, --data-down or --online"
    );
    Ok(())
}

impl History {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let package = store::package::by_slug(&context.db, &self.slug).await?;
        let versions = version::all(&context.db, package.id).await?;
        let mut table = values::Table::new(["version", "since", "by", "price", "changed"]);
        let mut told = Vec::new();
        for (place, version) in versions.iter().enumerate() {
            let changed = versions.get(place + 1).map(|before| version.package.differences(&before.package));
            table.row([
                version.number.to_string(),
                rfc3339(version.at),
                version.by.clone(),
                version.package.price.to_string(),
                changed.as_ref().map(|changed| changed.join(", ")).unwrap_or_default(),
            ]);
            told.push(serde_json::json!({
                "version": version.number,
                "at": rfc3339(version.at),
                "by": version.by,
                "changed": changed,
                "package": json::Package::from(&version.package),
            }));
        }
        self.answer.give(&told, table)
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let packages = store::package::all(&context.db).await?;
    let sites = store::site::all(&context.db).await?;
    let values: Vec<json::Package> = packages.iter().map(json::Package::from).collect();
    let mut table = values::Table::new(["slug", "name", "price", "offered", "version", "when and where"]);
    for package in &packages {
        let offered = if package.active { "yes" } else { "no" };
        table.row([
            package.slug.clone(),
            package.name.clone(),
            package.price.to_string(),
            offered.into(),
            package.version.to_string(),
            sold::in_words(package, &sites),
        ]);
    }
    answer.give(&values, table)
}
