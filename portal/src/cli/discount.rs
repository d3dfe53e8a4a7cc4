//! `portal discount`: what lowers prices. What was ordered before keeps its price.
//!
//! A discount with a code is known by the code, one without by its name: adding it again changes it, so that a script that runs
//! twice does not lower prices twice.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::discount::{Code, Conditions, Discount as Terms, Kind, Offer, Trigger};
use shared::hours::Hours;
use shared::money::{Currency, Money};
use shared::phone::Phone;
use shared::rng;
use shared::time::{OffsetDateTime, rfc3339};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Answer, Context, values};
use crate::api::id::{self, Kind as Thing};
use crate::api::json::Money as Amount;

/// Discounts: what lowers prices.
#[derive(Debug, Subcommand)]
pub(super) enum Discount {
    /// Add a discount, or change the one with that code or, without a code, with that name.
    Add(Box<Add>),
    /// List the discounts, also those that are over.
    List(Answer),
    /// End a discount now. Orders that were made with it keep their price.
    End(End),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name for customers, such as "Happy hour".
    #[arg(long, value_parser = values::name)]
    name: String,
    /// What customers type, such as KARIBU24; small letters, spaces and dashes do not matter. Without it, the discount counts by
    /// itself.
    #[arg(long)]
    code: Option<Code>,
    /// By so much of every hundred it lowers the price.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100), required_unless_present = "amount", conflicts_with = "amount")]
    percent: Option<u8>,
    /// By so much it lowers the price, such as 5 or 5.50.
    #[arg(long, value_parser = values::price)]
    amount: Option<i64>,
    /// The amount's currency.
    #[arg(long, default_value = "KES")]
    currency: Currency,
    /// From when on it counts, such as 2026-12-01T00:00:00+03:00.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<OffsetDateTime>,
    /// Until when it counts.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<OffsetDateTime>,
    /// At which hours of the week it counts, in the time of the place, such as "mon-fri 14:00-17:00".
    #[arg(long)]
    hours: Option<Hours>,
    /// For the first purchase of a person only.
    #[arg(long)]
    first_purchase: bool,
    /// For every Nth purchase of a person only, such as 10.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000), conflicts_with_all = ["first_purchase", "owner"])]
    every: Option<u32>,
    /// For this package only, by its slug; may be given several times.
    #[arg(long = "package", value_name = "SLUG")]
    packages: Vec<String>,
    /// At this site only; may be given several times.
    #[arg(long = "site", value_name = "NAME")]
    sites: Vec<String>,
    /// How often it can be used in all.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    uses: Option<u32>,
    /// How often one person, or one device, can use it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    per_person: Option<u32>,
    /// It counts together with others that do so too; without this, alone.
    #[arg(long)]
    stackable: bool,
    /// The phone number of the customer whose code it is, to be given to friends. It then counts for a friend's first purchase
    /// only.
    #[arg(long, value_name = "PHONE", requires = "code")]
    owner: Option<Phone>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct End {
    /// The discount's code.
    #[arg(long, required_unless_present = "name", conflicts_with = "name")]
    code: Option<Code>,
    /// The name of a discount without a code.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

impl Discount {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Discount::Add(add) => add.run(context).await,
            Discount::List(answer) => list(context, answer).await,
            Discount::End(end) => end.run(context).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let answer = self.answer;
        let terms = self.terms(context).await?;
        store::discount::save(&context.db, &terms, context.now()).await?;
        context.audit("discount.save", called(&terms)).await?;
        let text = match terms.trigger.code() {
            Some(code) => format!("{}: the code {code} takes {} off.", terms.name, terms.kind),
            None => format!("{} takes {} off.", terms.name, terms.kind),
        };
        answer.give(&told(&terms, context.now()), text)
    }

    async fn terms(self, context: &Context) -> anyhow::Result<Terms> {
        let known = known(context, self.code.as_ref(), &self.name).await?;
        let mut packages = Vec::new();
        for slug in &self.packages {
            packages.push(store::package::by_slug(&context.db, slug).await?.id);
        }
        let mut sites = Vec::new();
        for name in &self.sites {
            sites.push(store::site::by_name(&context.db, name).await?);
        }
        let now = context.now();
        let owner = match &self.owner {
            Some(phone) => Some(store::user::ensure(&context.db, rng::id(now), phone, "", now).await?),
            None => None,
        };
        let kind = match (self.percent, self.amount) {
            (Some(percent), _) => Kind::Percent(percent),
            (None, Some(minor)) => Kind::Amount(Money { minor, currency: self.currency }),
            (None, None) => anyhow::bail!("give --percent or --amount"),
        };
        Ok(Terms {
            id: known.map_or_else(|| rng::id(now), |known| known.id),
            name: self.name,
            kind,
            trigger: self.code.map_or(Trigger::Automatic, Trigger::Code),
            owner,
            conditions: Conditions {
                valid_from: self.from,
                valid_until: self.until,
                hours: self.hours,
                first_purchase: self.first_purchase,
                every_nth: self.every,
                packages,
                sites,
                uses_max: self.uses,
                uses_per_person: self.per_person,
            },
            stackable: self.stackable,
        })
    }
}

impl End {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = self.name.as_deref().unwrap_or_default();
        let Some(terms) = known(context, self.code.as_ref(), name).await? else {
            anyhow::bail!("there is no discount {}", self.code.as_ref().map_or(name, Code::as_str));
        };
        store::discount::end(&context.db, terms.id, context.now()).await?;
        context.audit("discount.end", called(&terms)).await?;
        let text = format!("{} is over.", called(&terms));
        self.answer.give(&json!({ "id": terms.id, "name": terms.name }), text)
    }
}

/// The discount with that code or, without a code, with that name.
async fn known(context: &Context, code: Option<&Code>, name: &str) -> anyhow::Result<Option<Terms>> {
    Ok(match code {
        Some(code) => store::discount::by_code(&context.db, code).await?,
        None => store::discount::by_name(&context.db, name).await?,
    })
}

/// What a discount is known by.
fn called(terms: &Terms) -> &str {
    terms.trigger.code().map_or(terms.name.as_str(), Code::as_str)
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let now = context.now();
    let offers = store::discount::list(&context.db, now).await?;
    let mut table = values::Table::new(["code", "name", "off", "conditions", "uses", "counts"]);
    let mut values = Vec::new();
    for Offer { discount, used, .. } in &offers {
        table.row([
            discount.trigger.code().map(Code::to_string).unwrap_or_default(),
            discount.name.clone(),
            discount.kind.to_string(),
            conditions(discount),
            discount.conditions.uses_max.map_or_else(|| used.to_string(), |most| format!("{used} of {most}")),
            standing(&discount.conditions, now).into(),
        ]);
        let mut value = told(discount, now);
        value["uses"] = json!(used);
        values.push(value);
    }
    answer.give(&values, table)
}

/// A discount for scripts.
fn told(discount: &Terms, now: OffsetDateTime) -> Value {
    let conditions = &discount.conditions;
    let (percent, amount) = match discount.kind {
        Kind::Percent(percent) => (Some(percent), None),
        Kind::Amount(amount) => (None, Some(Amount::from(amount))),
    };
    let packages: Vec<String> = conditions.packages.iter().map(|package| id::spell(Thing::Package, *package)).collect();
    json!({
        "id": discount.id,
        "name": discount.name,
        "code": discount.trigger.code().map(Code::as_str),
        "percent": percent,
        "amount": amount,
        "owner": discount.owner.map(|owner| id::spell(Thing::Customer, owner)),
        "valid_from": conditions.valid_from.map(rfc3339),
        "valid_until": conditions.valid_until.map(rfc3339),
        "hours": conditions.hours.as_ref().map(Hours::to_string),
        "first_purchase": conditions.first_purchase,
        "every_nth": conditions.every_nth,
        "packages": packages,
        "sites": conditions.sites,
        "uses_max": conditions.uses_max,
        "uses_per_person": conditions.uses_per_person,
        "stackable": discount.stackable,
        "counts": standing(conditions, now),
    })
}

/// Whether its time has come.
fn standing(conditions: &Conditions, now: OffsetDateTime) -> &'static str {
    if conditions.valid_until.is_some_and(|until| now >= until) {
        "over"
    } else if conditions.valid_from.is_some_and(|from| now < from) {
        "later"
    } else {
        "now"
    }
}

/// For whom, when and where it counts, in a few words.
fn conditions(discount: &Terms) -> String {
    let Conditions { hours, first_purchase, every_nth, packages, sites, uses_per_person, .. } = &discount.conditions;
    let some = |list: &[Uuid], one: &str| match list.len() {
        0 => None,
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {one}s")),
    };
    let words = [
        hours.as_ref().map(Hours::to_string),
        first_purchase.then(|| "first purchase".to_owned()),
        discount.owner.map(|_| "a friend's first purchase".to_owned()),
        every_nth.map(|nth| format!("one purchase in {nth}")),
        uses_per_person.map(|most| format!("{most} a person")),
        some(packages, "package"),
        some(sites, "site"),
        discount.stackable.then(|| "with others".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A moment with its distance from UTC: a day alone begins at another moment in each place.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write a day, a time and its zone, such as 2026-12-01T00:00:00+03:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            id: Uuid::from_u128(1),
            name: "Happy hour".into(),
            kind: Kind::Percent(20),
            trigger: Trigger::Automatic,
            owner: None,
            conditions: Conditions::default(),
            stackable: false,
        }
    }

    #[test]
    fn a_line_says_for_whom_when_and_where() {
        let mut discount = terms();
        assert_eq!((conditions(&discount).as_str(), called(&discount)), ("", "Happy hour"));
        discount.conditions = Conditions {
            hours: Some("mon-fri 14:00-17:00".parse().expect("hours")),
            every_nth: Some(10),
            packages: vec![Uuid::from_u128(2)],
            sites: vec![Uuid::from_u128(3), Uuid::from_u128(4)],
            uses_per_person: Some(1),
            ..Conditions::default()
        };
        discount.stackable = true;
        assert_eq!(
            conditions(&discount),
            "Mon–Fri 14:00–17:00, one purchase in 10, 1 a person, 1 package, 2 sites, with others"
        );
        discount.trigger = Trigger::Code("karibu".parse().expect("a code"));
        assert_eq!(called(&discount), "KARIBU");
    }

    #[test]
    fn its_time_comes_and_goes() {
        let at = |text: &str| moment(text).expect("a moment");
        let window = Conditions {
            valid_from: Some(at("2026-12-01T00:00:00+03:00")),
            valid_until: Some(at("2026-12-02T00:00:00+03:00")),
            ..Conditions::default()
        };
        let table =
            [("2026-11-30T20:59:59Z", "later"), ("2026-11-30T21:00:00Z", "now"), ("2026-12-01T21:00:00Z", "over")];
        for (now, word) in table {
            assert_eq!(standing(&window, at(now)), word, "{now}");
        }
        assert!(moment("2026-12-01").is_err() && moment("tomorrow").is_err());
    }

    #[test]
    fn scripts_are_told_everything_and_amounts_with_their_currency() {
        let mut discount = terms();
        discount.kind = Kind::Amount(Money::kes(500));
        let value = told(&discount, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(value["amount"], json!({ "amount": 500, "currency": "KES" }));
        assert_eq!((&value["percent"], &value["code"], &value["packages"]), (&Value::Null, &Value::Null, &json!([])));
    }
}
