//! When, where, for how much and under what words a package is sold.
//!
//! A [`Sale`] is what an operator wrote down. [`Sale::offered`] decides whether the package can be bought at a site at a moment,
//! [`Sale::price_at`] what it costs there before discounts: `store` asks both for the page and for the order, so what is shown is
//! what can be had. [`Texts`] gives its name and description in the customer's language.
//!
//! Not to be confused with [`crate::rules::Rules`], which say what a customer may do with what was bought: a package for the night
//! may be sold at noon. Refused here: I/O, a clock, and lowering a price, which [`crate::discount`] does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hours::Hours;
use crate::language::Language;
use crate::money::Money;
use crate::time::OffsetDateTime;

/// Longest name and description in a language, in letters: the page of the packages has to stay light.
pub const LONGEST_TEXT: usize = 200;

/// When, where, for how much and under what words a package is sold. What is not said does not limit it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Sale {
    /// From then on.
    #[serde(with = "::time::serde::timestamp::option")]
    pub from: Option<OffsetDateTime>,
    /// Until then, which does not belong to it.
    #[serde(with = "::time::serde::timestamp::option")]
    pub until: Option<OffsetDateTime>,
    /// At these hours of the week, in the time of the place.
    pub hours: Option<Hours>,
    /// Where it costs something else than usual, or is not sold.
    pub sites: BTreeMap<Uuid, AtSite>,
    /// Its words in the languages of the customers.
    pub texts: Texts,
}

/// What a package costs at a site. In JSON and in the database: the minor units, or null.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Option<i64>", into = "Option<i64>")]
pub enum AtSite {
    /// So many minor units of the package's currency.
    Costs(i64),
    /// It is not sold there.
    NotSold,
}

impl From<Option<i64>> for AtSite {
    fn from(minor: Option<i64>) -> AtSite {
        minor.map_or(AtSite::NotSold, AtSite::Costs)
    }
}

impl From<AtSite> for Option<i64> {
    fn from(at: AtSite) -> Option<i64> {
        match at {
            AtSite::Costs(minor) => Some(minor),
            AtSite::NotSold => None,
        }
    }
}

/// Why a package cannot be bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotOffered {
    /// It is not sold at this site.
    NotHere,
    /// Its time has not come.
    NotYet,
    /// Its time is over.
    Over,
    /// It is sold at these hours.
    OtherHours(Hours),
}

impl Sale {
    /// Whether it can be bought at a site (`None`: at a router without one) at a moment, at which the clocks of the place show this
    /// minute of the week, from Monday at midnight on.
    ///
    /// # Errors
    /// Why it cannot: first what will not change by waiting.
    pub fn offered(&self, now: OffsetDateTime, minute: u16, site: Option<Uuid>) -> Result<(), NotOffered> {
        if self.at(site) == Some(AtSite::NotSold) {
            return Err(NotOffered::NotHere);
        }
        if self.until.is_some_and(|until| now >= until) {
            return Err(NotOffered::Over);
        }
        if self.from.is_some_and(|from| now < from) {
            return Err(NotOffered::NotYet);
        }
        match &self.hours {
            Some(hours) if hours.open_for(minute).is_none() => Err(NotOffered::OtherHours(hours.clone())),
            _ => Ok(()),
        }
    }

    /// What it costs at a site before discounts, if it usually costs this; `None`: it is not sold there.
    pub fn price_at(&self, usual: Money, site: Option<Uuid>) -> Option<Money> {
        match self.at(site) {
            None => Some(usual),
            Some(AtSite::Costs(minor)) => Some(Money { minor, ..usual }),
            Some(AtSite::NotSold) => None,
        }
    }

    fn at(&self, site: Option<Uuid>) -> Option<AtSite> {
        site.and_then(|site| self.sites.get(&site).copied())
    }

    /// Whether it can be kept: `store` asks before it writes.
    pub fn check(&self) -> Result<(), NotASale> {
        if self.from.zip(self.until).is_some_and(|(from, until)| from >= until) {
            return Err(NotASale::Window);
        }
        if self.sites.values().any(|at| matches!(at, AtSite::Costs(minor) if *minor < 0)) {
            return Err(NotASale::Price);
        }
        let texts = Language::ALL.map(|language| self.texts.of(language));
        let mut words = texts.iter().flat_map(|text| [&text.name, &text.description]).flatten();
        let is_fine = |text: &String| !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT;
        if words.all(is_fine) { Ok(()) } else { Err(NotASale::Text) }
    }
}

/// Why a sale cannot be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotASale {
    /// It ends before it begins.
    #[error("a package is offered until a moment after the one from which on it is offered")]
    Window,
    /// A price below nothing.
    #[error("a price at a site is nothing or more")]
    Price,
    /// A text that is there and says nothing, or too much.
    #[error("a name or description has one to two hundred letters, or is left out")]
    Text,
}

/// The words of a package in each language.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Texts {
    /// In English.
    #[serde(rename = "en")]
    pub english: Text,
    /// In Swahili.
    #[serde(rename = "sw")]
    pub swahili: Text,
}

/// The words of a package in one language.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    /// Its name.
    pub name: Option<String>,
    /// What else is to be said of it, in a sentence.
    pub description: Option<String>,
}

impl Texts {
    /// What was written in that language.
    pub fn of(&self, language: Language) -> &Text {
        match language {
            Language::English => &self.english,
            Language::Swahili => &self.swahili,
        }
    }

    /// The name for who reads that language: in it, else in English, else the plain one.
    pub fn name<'a>(&'a self, language: Language, plain: &'a str) -> &'a str {
        self.of(language).name.as_deref().or(self.english.name.as_deref()).unwrap_or(plain)
    }

    /// The description for who reads that language: in it, else in English.
    pub fn description(&self, language: Language) -> Option<&str> {
        self.of(language).description.as_deref().or(self.english.description.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn site(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn sale() -> Sale {
        Sale {
            from: Some(at(1000)),
            until: Some(at(2000)),
            hours: Some("mon 10:00-12:00".parse().expect("hours")),
            sites: BTreeMap::from([(site(1), AtSite::Costs(1500)), (site(2), AtSite::NotSold)]),
            texts: Texts::default(),
        }
    }

    #[test]
    fn it_is_offered_at_its_time_and_place_only() {
        let hours = || NotOffered::OtherHours("mon 10:00-12:00".parse().expect("hours"));
        // Moment, minute of the week, site.
        let table = [
            (1000, 600, None, Ok(())),
            (1999, 719, Some(site(1)), Ok(())),
            (1500, 600, Some(site(9)), Ok(())),
            (999, 600, None, Err(NotOffered::NotYet)),
            (2000, 600, None, Err(NotOffered::Over)),
            (1500, 599, None, Err(hours())),
            (1500, 720, None, Err(hours())),
            (1500, 600, Some(site(2)), Err(NotOffered::NotHere)),
            // What does not change by waiting is said first.
            (999, 599, Some(site(2)), Err(NotOffered::NotHere)),
            (2000, 599, Some(site(1)), Err(NotOffered::Over)),
            (999, 599, Some(site(1)), Err(NotOffered::NotYet)),
        ];
        for (now, minute, site, expected) in table {
            assert_eq!(sale().offered(at(now), minute, site), expected, "{now} {minute} {site:?}");
        }
        for (now, minute) in [(0, 0), (i64::from(u32::MAX), 10_079)] {
            assert_eq!(Sale::default().offered(at(now), minute, Some(site(1))), Ok(()), "always and everywhere");
        }
    }

    #[test]
    fn a_site_has_its_own_price_or_the_usual_one() {
        let usual = Money::kes(2000);
        for (place, expected) in
            [(None, Some(2000)), (Some(site(9)), Some(2000)), (Some(site(1)), Some(1500)), (Some(site(2)), None)]
        {
            assert_eq!(sale().price_at(usual, place), expected.map(Money::kes), "{place:?}");
        }
        let free = Sale { sites: BTreeMap::from([(site(1), AtSite::Costs(0))]), ..Sale::default() };
        assert_eq!(free.price_at(usual, Some(site(1))), Some(Money::kes(0)));
        let dollars = Money { minor: 100, currency: "USD".parse().expect("a currency") };
        let there = sale().price_at(dollars, Some(site(1))).expect("it is sold there");
        assert_eq!((there.minor, there.currency), (1500, dollars.currency), "the currency is the package's");
    }

    #[test]
    fn words_fall_back_to_english_and_then_to_the_plain_name() {
        let text = |name: Option<&str>, description: Option<&str>| Text {
            name: name.map(str::to_owned),
            description: description.map(str::to_owned),
        };
        let (english, swahili) = (|| text(Some("One hour"), Some("Fast")), || text(Some("Saa moja"), Some("Kasi")));
        let none = || text(None, None);
        // English and Swahili; the name and description that each reader gets.
        let table = [
            (none(), none(), ("1h", None), ("1h", None)),
            (english(), none(), ("One hour", Some("Fast")), ("One hour", Some("Fast"))),
            (none(), swahili(), ("1h", None), ("Saa moja", Some("Kasi"))),
            (english(), swahili(), ("One hour", Some("Fast")), ("Saa moja", Some("Kasi"))),
            (english(), text(Some("Saa moja"), None), ("One hour", Some("Fast")), ("Saa moja", Some("Fast"))),
        ];
        for (english, swahili, for_english, for_swahili) in table {
            let texts = Texts { english, swahili };
            let read = |language| (texts.name(language, "1h"), texts.description(language));
            assert_eq!((read(Language::English), read(Language::Swahili)), (for_english, for_swahili), "{texts:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_kept() {
        type Spoil = fn(&mut Sale);
        let table: &[(Spoil, NotASale)] = &[
            (|sale| sale.until = sale.from, NotASale::Window),
            (|sale| sale.until = Some(OffsetDateTime::UNIX_EPOCH), NotASale::Window),
            (
                |sale| {
                    sale.sites.insert(Uuid::nil(), AtSite::Costs(-1));
                },
                NotASale::Price,
            ),
            (|sale| sale.texts.swahili.name = Some(" ".into()), NotASale::Text),
            (|sale| sale.texts.english.description = Some("x".repeat(LONGEST_TEXT + 1)), NotASale::Text),
        ];
        for (change, problem) in table {
            let mut sale = sale();
            assert_eq!(sale.check(), Ok(()));
            change(&mut sale);
            assert_eq!(sale.check(), Err(*problem));
        }
        assert_eq!(Sale::default().check(), Ok(()));
    }

    #[test]
    fn it_is_kept_as_json_and_what_was_kept_before_it_is_read() {
        let mut full = sale();
        full.texts.swahili.name = Some("Saa moja".into());
        let json = serde_json::to_value(&full).expect("JSON");
        assert_eq!(json["from"], 1000);
        assert_eq!(json["sites"][site(1).to_string()], 1500);
        assert!(json["sites"][site(2).to_string()].is_null());
        assert_eq!(json["texts"]["sw"]["name"], "Saa moja");
        assert_eq!(serde_json::from_value::<Sale>(json).expect("a sale"), full);
        assert_eq!(serde_json::from_str::<Sale>("{}").expect("a sale"), Sale::default());
    }
}
