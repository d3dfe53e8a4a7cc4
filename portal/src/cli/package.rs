//! `portal package`: what is on sale. What was sold before keeps its rules.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use shared::hours::Hours;
use shared::money::{Currency, Money};
use shared::rate::Rate;
use shared::rng;
use store::package::Starts;

use super::{Answer, Context, values};
use crate::api::json;

/// Packages on sale.
#[derive(Debug, Subcommand)]
pub(super) enum Package {
    /// Add a package, or change the one with that slug.
    Add(Add),
    /// List the packages, also those no longer offered.
    List(Answer),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Start {
    /// When it is paid.
    Purchase,
    /// When the customer first logs in.
    FirstLogin,
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
    #[arg(long, value_parser = values::duration, required_unless_present_any = ["data", "online"])]
    duration: Option<Duration>,
    /// Data, up and down together, such as 500MB or 2GB.
    #[arg(long, value_parser = values::octets)]
    data: Option<u64>,
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
    /// How many devices may share it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    devices: u32,
    /// Idle time after which the router ends a session, at least 1m.
    #[arg(long, value_parser = values::duration)]
    idle: Option<Duration>,
    /// When its clock starts.
    #[arg(long, default_value = "first-login")]
    starts: Start,
    /// Its place in the list, low first.
    #[arg(long, default_value_t = 0)]
    position: i32,
    /// Do not offer it.
    #[arg(long)]
    inactive: bool,
    #[command(flatten)]
    answer: Answer,
}

impl Package {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Package::Add(add) => add.run(context).await,
            Package::List(answer) => list(context, answer).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let answer = self.answer;
        let mut package = self.package(rng::id(context.now()))?;
        package.id = store::package::save(&context.db, &package, context.now()).await?;
        context.audit("package.save", &package.slug).await?;
        answer.give(&json::Package::from(&package), format!("{} is {}.", package.name, package.price))
    }

    fn package(self, id: uuid::Uuid) -> anyhow::Result<store::package::Package> {
        if let Some(idle) = self.idle {
            anyhow::ensure!(idle >= Duration::from_secs(60), "--idle must be at least 1m");
        }
        Ok(store::package::Package {
            id,
            slug: self.slug,
            name: self.name,
            price: Money { minor: self.price, currency: self.currency },
            starts: match self.starts {
                Start::Purchase => Starts::Purchase,
                Start::FirstLogin => Starts::FirstLogin,
            },
            duration: self.duration,
            quota_octets: self.data,
            quota_time: self.online,
            hours: self.hours,
            rate: self.up.zip(self.down).map(|(up_bps, down_bps)| Rate { up_bps, down_bps }),
            device_limit: self.devices,
            idle_timeout: self.idle,
            active: !self.inactive,
            position: self.position,
        })
    }
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let packages = store::package::all(&context.db).await?;
    let values: Vec<json::Package> = packages.iter().map(json::Package::from).collect();
    let mut table = values::Table::new(["slug", "name", "price", "offered"]);
    for package in &packages {
        let offered = if package.active { "yes" } else { "no" };
        table.row([package.slug.clone(), package.name.clone(), package.price.to_string(), offered.into()]);
    }
    answer.give(&values, table)
}
