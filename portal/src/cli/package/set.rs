//! `portal package set NAME`: changes what is named, and nothing else.

use std::time::Duration;

use clap::{Args, ValueEnum as _};
use shared::hours::Hours;
use shared::money::Currency;
use shared::rate::{Burst, Rate};
use shared::rules::{FairUse, HappyHours, Until};
use store::package::Package;

use super::sold::{Sold, To, or_none};
use super::{End, Policy, Start, check};
use crate::api::json;
use crate::cli::{ACTOR, Answer, Context, values};

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    /// Its slug.
    #[arg(value_name = "NAME", value_parser = values::slug)]
    slug: String,
    /// Its name for customers.
    #[arg(long, value_parser = values::name)]
    name: Option<String>,
    /// Its price, such as 20 or 20.50.
    #[arg(long, value_parser = values::price)]
    price: Option<i64>,
    /// The price's currency.
    #[arg(long)]
    currency: Option<Currency>,
    /// How long access lasts, such as 30m, 1h, 1d or 1w, instead of an end by the calendar.
    #[arg(long, value_name = "DURATION", value_parser = or_none(values::duration))]
    duration: Option<To<Duration>>,
    /// It lasts until the end of the day or the week instead of a duration.
    #[arg(long, value_name = "day|week", value_parser = or_none(|text: &str| End::from_str(text, false)), conflicts_with = "duration")]
    until: Option<To<End>>,
    /// Data, up and down together.
    #[arg(long, value_name = "DATA", value_parser = or_none(values::octets))]
    data: Option<To<u64>>,
    /// Data from the customer.
    #[arg(long, value_name = "DATA", value_parser = or_none(values::octets))]
    data_up: Option<To<u64>>,
    /// Data to the customer.
    #[arg(long, value_name = "DATA", value_parser = or_none(values::octets))]
    data_down: Option<To<u64>>,
    /// Time online on all devices together.
    #[arg(long, value_name = "DURATION", value_parser = or_none(values::duration))]
    online: Option<To<Duration>>,
    /// When in the week it may be used.
    #[arg(long, value_name = "HOURS", value_parser = or_none(|text: &str| text.parse::<Hours>()))]
    hours: Option<To<Hours>>,
    /// Speed from the customer.
    #[arg(long, value_name = "SPEED", value_parser = or_none(values::speed), requires = "down")]
    up: Option<To<u64>>,
    /// Speed to the customer.
    #[arg(long, value_name = "SPEED", value_parser = or_none(values::speed), requires = "up")]
    down: Option<To<u64>>,
    /// How the speed may be exceeded for a while.
    #[arg(long, value_name = "BURST", value_parser = or_none(|text: &str| text.parse::<Burst>()))]
    burst: Option<To<Burst>>,
    /// Other speeds once so much has been used.
    #[arg(long, value_name = "STAGES", value_parser = or_none(|text: &str| text.parse::<FairUse>()))]
    fair_use: Option<To<FairUse>>,
    /// Another speed at certain hours.
    #[arg(long, value_name = "HOURS", value_parser = or_none(|text: &str| text.parse::<HappyHours>()))]
    happy_hours: Option<To<HappyHours>>,
    /// How many devices may share it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    devices: Option<u32>,
    /// What becomes of one device too many.
    #[arg(long)]
    device_policy: Option<Policy>,
    /// How often one person, or one device, may buy it.
    #[arg(long, value_name = "N", value_parser = or_none(times))]
    per_person: Option<To<u32>>,
    /// How often on one day.
    #[arg(long, value_name = "N", value_parser = or_none(times))]
    per_day: Option<To<u32>>,
    /// Idle time after which the router ends a session, at least 1m.
    #[arg(long, value_name = "DURATION", value_parser = or_none(values::duration))]
    idle: Option<To<Duration>>,
    /// When its clock starts.
    #[arg(long)]
    starts: Option<Start>,
    /// Its place in the list, low first.
    #[arg(long)]
    position: Option<i32>,
    /// Sell it again.
    #[arg(long, conflicts_with = "inactive")]
    active: bool,
    /// Do not offer it any more.
    #[arg(long)]
    inactive: bool,
    #[command(flatten)]
    sold: Sold,
    #[command(flatten)]
    answer: Answer,
}

fn times(text: &str) -> Result<u32, &'static str> {
    let read = text.parse().ok().filter(|times| (1..=1_000_000).contains(times));
    read.ok_or("write a whole number from 1 to 1000000")
}

impl Set {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let (answer, sold) = (self.answer, self.sold.clone());
        let mut package = store::package::by_slug(&context.db, &self.slug).await?;
        sold.apply(&mut package.sale, context).await?;
        self.apply(&mut package);
        check(&package)?;
        let package = store::package::change(&context.db, &package, ACTOR, context.now()).await?;
        context.audit("package.save", &package.slug).await?;
        answer.give(&json::Package::from(&package), format!("{} is {}.", package.name, package.price))
    }

    fn apply(self, package: &mut Package) {
        let rules = &mut package.rules;
        // There is one end by the clock or the calendar: the new one takes the place of the other.
        if matches!(self.duration, Some(To(Some(_)))) {
            rules.until = None;
        }
        if matches!(self.until, Some(To(Some(_)))) {
            rules.duration = None;
        }
        To::put(self.duration, &mut rules.duration);
        To::put(self.until.map(|To(end)| To(end.map(Until::from))), &mut rules.until);
        To::put(self.data, &mut rules.quota_octets);
        To::put(self.data_up, &mut rules.quota_up);
        To::put(self.data_down, &mut rules.quota_down);
        To::put(self.online, &mut rules.quota_time);
        To::put(self.hours, &mut rules.hours);
        if let Some((To(up), To(down))) = self.up.zip(self.down) {
            rules.rate = up.zip(down).map(|(up_bps, down_bps)| Rate { up_bps, down_bps });
        }
        To::put(self.burst, &mut rules.burst);
        if let Some(To(stages)) = self.fair_use {
            rules.fair_use = stages.unwrap_or_default();
        }
        To::put(self.happy_hours, &mut rules.happy_hours);
        To::put(self.idle, &mut rules.idle_timeout);
        rules.device_limit = self.devices.unwrap_or(rules.device_limit);
        rules.devices = self.device_policy.map_or(rules.devices, Into::into);
        To::put(self.per_person, &mut package.purchases.ever);
        To::put(self.per_day, &mut package.purchases.a_day);
        package.name = self.name.unwrap_or_else(|| package.name.clone());
        package.price.minor = self.price.unwrap_or(package.price.minor);
        package.price.currency = self.currency.unwrap_or(package.price.currency);
        package.starts = self.starts.map_or(package.starts, Into::into);
        package.position = self.position.unwrap_or(package.position);
        package.active = (package.active || self.active) && !self.inactive;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shared::money::Money;
    use shared::rules::Rules;
    use shared::sale::Sale;
    use store::package::{Purchases, Starts};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    fn changed(arguments: &[&str]) -> Package {
        let mut package = Package {
            id: uuid::Uuid::nil(),
            slug: "hour".into(),
            name: "1 hour".into(),
            price: Money::kes(2000),
            starts: Starts::FirstLogin,
            rules: Rules {
                duration: Some(Duration::from_secs(3600)),
                hours: "daily 08:00-10:00".parse().ok(),
                ..Rules::default()
            },
            purchases: Purchases { ever: Some(1), a_day: None },
            active: true,
            position: 3,
            sale: Sale::default(),
            version: 1,
        };
        let line = ["set", "hour"].iter().chain(arguments);
        Line::try_parse_from(line).expect("it is understood").set.apply(&mut package);
        package
    }

    #[test]
    fn what_is_not_named_stays() {
        let before = changed(&[]);
        assert_eq!(changed(&["--price", "25"]), Package { price: Money::kes(2500), ..before.clone() });
        assert_eq!(changed(&["--inactive"]), Package { active: false, ..before.clone() });
        let unlimited = changed(&["--hours", "none", "--per-person", "none"]);
        assert_eq!((unlimited.rules.hours, unlimited.purchases), (None, Purchases::default()));
        let until = changed(&["--until", "day"]);
        assert_eq!((until.rules.duration, until.rules.until), (None, Some(Until::EndOfDay)));
        let fast = changed(&["--up", "1M", "--down", "2M"]);
        assert_eq!(fast.rules.rate, Some(Rate { up_bps: 1_000_000, down_bps: 2_000_000 }));
        assert_eq!(changed(&["--up", "none", "--down", "none"]).rules.rate, None);
    }

    #[test]
    fn a_package_keeps_an_end() {
        assert!(check(&changed(&[])).is_ok());
        assert!(check(&changed(&["--duration", "none"])).is_err());
        assert!(check(&changed(&["--burst", "4M/8M 1M/3M 10/10"])).is_err(), "it needs a speed");
    }
}
