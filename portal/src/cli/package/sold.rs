//! How a package is sold, as arguments of `add` and `set`, and in words for `list`: when it is offered, what it costs where, and its
//! names in the customers' languages.

use std::fmt::Display;

use clap::Args;
use shared::hours::Hours;
use shared::money::Money;
use shared::sale::{AtSite, Sale};
use shared::time::{OffsetDateTime, rfc3339};
use store::package::Package;
use uuid::Uuid;

use crate::cli::discount::moment;
use crate::cli::{Context, values};

/// What takes a limit away.
const NONE: &str = "none";

/// What an argument says: a value, or that there is none any more.
#[derive(Clone, Debug)]
pub(super) struct To<T>(pub(super) Option<T>);

impl<T> To<T> {
    /// Puts what was said, if something was, into its place.
    pub(super) fn put(said: Option<To<T>>, place: &mut Option<T>) {
        if let Some(To(value)) = said {
            *place = value;
        }
    }
}

/// Reads a value, or `none`.
pub(super) fn or_none<T, E>(
    read: impl Fn(&str) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<To<T>, String> + Clone + Send + Sync + 'static
where
    T: 'static,
    E: Display + 'static,
{
    move |text: &str| match text {
        NONE => Ok(To(None)),
        text => read(text).map(|value| To(Some(value))).map_err(|problem| problem.to_string()),
    }
}

/// How it is sold. What is not said stays as it is.
#[derive(Clone, Debug, Args)]
pub(super) struct Sold {
    /// From when on it is offered, such as 2026-12-01T00:00:00+03:00; "none": at once.
    #[arg(long, value_name = "TIME", value_parser = or_none(moment))]
    offered_from: Option<To<OffsetDateTime>>,
    /// Until when it is offered; "none": as long as it is sold.
    #[arg(long, value_name = "TIME", value_parser = or_none(moment))]
    offered_until: Option<To<OffsetDateTime>>,
    /// At which hours of the week it is offered, in the time of the place, such as "mon-fri 06:00-18:00"; "none": at all. When it may
    /// be used is --hours.
    #[arg(long, value_name = "HOURS", value_parser = or_none(|text: &str| text.parse::<Hours>()))]
    offered_hours: Option<To<Hours>>,
    /// What it costs at a site, such as "Market=15"; "Market=no" where it is not sold, "Market=usual" for the usual price. May be
    /// given several times.
    #[arg(long = "at", value_name = "SITE=PRICE", value_parser = values::at_site)]
    at: Vec<(String, Option<AtSite>)>,
    /// Its name in English, where that is another than the plain one.
    #[arg(long, value_name = "TEXT", value_parser = or_none(values::name))]
    name_en: Option<To<String>>,
    /// Its name in Swahili.
    #[arg(long, value_name = "TEXT", value_parser = or_none(values::name))]
    name_sw: Option<To<String>>,
    /// A sentence about it in English.
    #[arg(long, value_name = "TEXT", value_parser = or_none(values::name))]
    description_en: Option<To<String>>,
    /// A sentence about it in Swahili.
    #[arg(long, value_name = "TEXT", value_parser = or_none(values::name))]
    description_sw: Option<To<String>>,
}

impl Sold {
    /// Changes what was said.
    pub(super) async fn apply(self, sale: &mut Sale, context: &Context) -> anyhow::Result<()> {
        To::put(self.offered_from, &mut sale.from);
        To::put(self.offered_until, &mut sale.until);
        To::put(self.offered_hours, &mut sale.hours);
        for (name, at) in self.at {
            let site = store::site::by_name(&context.db, &name).await?;
            match at {
                Some(at) => sale.sites.insert(site, at),
                None => sale.sites.remove(&site),
            };
        }
        To::put(self.name_en, &mut sale.texts.english.name);
        To::put(self.name_sw, &mut sale.texts.swahili.name);
        To::put(self.description_en, &mut sale.texts.english.description);
        To::put(self.description_sw, &mut sale.texts.swahili.description);
        Ok(())
    }
}

/// When and where a package is sold otherwise than always and everywhere at its price.
pub(super) fn in_words(package: &Package, sites: &[(Uuid, String)]) -> String {
    let sale = &package.sale;
    let at = |(id, at): (&Uuid, &AtSite)| {
        let name = sites.iter().find(|(known, _)| known == id).map_or("(removed)", |(_, name)| name.as_str());
        match at {
            AtSite::Costs(minor) => format!("{name} {}", Money { minor: *minor, ..package.price }),
            AtSite::NotSold => format!("not at {name}"),
        }
    };
    let times = [
        sale.from.map(|from| format!("from {}", rfc3339(from))),
        sale.until.map(|until| format!("until {}", rfc3339(until))),
        sale.hours.as_ref().map(Hours::to_string),
    ];
    times.into_iter().flatten().chain(sale.sites.iter().map(at)).collect::<Vec<_>>().join(", ")
}
