//! `portal seed`: very many customers, quickly, for measurements: `user0000001` with `pw0000001` and so on.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use shared::money::Money;
use shared::rate::Rate;
use shared::rng;
use shared::rules::Rules;
use shared::sale::Sale;
use store::StoreError;
use store::package::{Package, Purchases, Starts};
use store::seed::{Past, Wish, Written};
use uuid::Uuid;

use super::{ACTOR, Answer, Context};

const SLUG: &str = "seeded";

/// Make many customers at once, for measurements.
#[derive(Debug, Args)]
pub(super) struct Seed {
    /// How many logins there shall be.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..10_000_000))]
    customers: u32,
    /// How many of them shall have an open session.
    #[arg(long, value_name = "M", default_value_t = 0)]
    sessions: u32,
    /// Bind each one's phone, as a first login would: 02:00:00:00:00:07 is user 7's.
    #[arg(long)]
    bound: bool,
    /// Give them so many ended sessions, over the last twelve months and all routers. There must be none yet.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    history: Option<u64>,
    /// The router of the sessions; default: the first by name.
    #[arg(long, value_name = "NAME")]
    nas: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

impl Seed {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let package = package(context).await?;
        let nas = if self.sessions == 0 { Uuid::nil() } else { self.router(context).await? };
        let now = context.now();
        let wish = Wish { customers: self.customers, sessions: self.sessions, bound: self.bound };
        let (customers, sessions) = store::seed::seed(&context.db, &package, nas, wish, now).await?;
        context.audit("seed", &format!("{customers} customers, {sessions} sessions")).await?;
        let mut text = format!("{customers} logins and {sessions} sessions were made; the rest was there.");
        let mut value = json!({ "customers": customers, "sessions": sessions });
        if let Some(sessions) = self.history {
            let past = Past { sessions, customers: self.customers };
            let Written { sessions, hours } = store::seed::history(&context.db, past, now).await?;
            let seconds = (context.now() - now).as_seconds_f64();
            context.audit("seed", &format!("{sessions} ended sessions")).await?;
            text = format!(
                "{text} {sessions} ended sessions and {hours} hours of usage were made in {seconds:.1} seconds."
            );
            value["history"] = json!({ "sessions": sessions, "hours": hours, "seconds": seconds });
        }
        self.answer.give(&value, text)
    }

    async fn router(&self, context: &Context) -> anyhow::Result<Uuid> {
        let mut routers = store::nas::all(&context.db).await?.into_iter();
        let found = match &self.nas {
            Some(name) => routers.find(|nas| nas.name == *name).with_context(|| format!("there is no router {name}")),
            None => routers.next().context("sessions need a router: add one with `portal nas add` first"),
        };
        Ok(found?.id)
    }
}

/// The package of seeded logins; it is never offered.
async fn package(context: &Context) -> anyhow::Result<Package> {
    match store::package::by_slug(&context.db, SLUG).await {
        Err(StoreError::Missing { .. }) => {}
        known => return Ok(known?),
    }
    let now = context.now();
    let package = Package {
        id: rng::id(now),
        slug: SLUG.into(),
        name: "Seeded".into(),
        price: Money::kes(0),
        starts: Starts::Purchase,
        rules: Rules {
            duration: Some(Duration::from_secs(365 * 24 * 3600)),
            rate: Some(Rate { up_bps: 5_000_000, down_bps: 10_000_000 }),
            device_limit: 100,
            ..Rules::default()
        },
        purchases: Purchases::default(),
        active: false,
        position: 99,
        sale: Sale::default(),
        version: 0,
    };
    Ok(store::package::save(&context.db, &package, ACTOR, now).await?)
}
