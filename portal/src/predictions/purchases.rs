//! Who will buy within 7 and within 30 days, worked out anew each night: the models first, then every customer, a chunk at a time.
//!
//! ```text
//!  now - 4 windows      - 3         - 2         - 1          now
//!       │  learnt from   │ learnt from│ learnt from│  checked on │
//!       └ past of 400 days before each of these moments, and nothing of what came after it
//! ```
//!
//! A model is learnt from three windows that are over and checked on the last one, beside "as in the last period": whoever bought in the days
//! before buys again as often as such people did. Only where the model was better in both measures (AUC and Brier score) it is what the desk
//! shows; else it is the period before, and the desk says so. The work of a night is a row ([`store::prediction::purchases`]) that portals take
//! by its lease; one that dies is followed by another where it was. What takes processor time is done beside the runtime.
//!
//! Refused here: to write to anybody. Whom a campaign may reach is decided by [`store::campaign`], by consent.

use std::collections::BTreeMap;
use std::time::Duration;

use forecast::purchase::{self, Features, Habit, Model, Past};
use forecast::score;
use shared::rng;
use shared::time::{OffsetDateTime, Zone};
use store::StoreError;
use store::prediction::purchases::{self, Chance, Chunk, Customer, Fitted, Kept, Run, Score, SiteHour};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::App;

const DAY: Duration = Duration::from_secs(86_400);
/// Days of a past: whoever has not bought for longer is no customer, and nothing is said of them.
const PAST_DAYS: u32 = 400;
/// How far the models look, days.
const WINDOWS: [f64; 2] = [7.0, 30.0];
/// Windows that are over and learnt from, besides the one that the model is checked on.
const LEARNT: u32 = 3;
/// Days that are read to learn from: the past before the earliest of the longest windows.
const LEARNT_DAYS: u32 = PAST_DAYS + 30 * (LEARNT + 1);
/// Customers of a chunk: some seconds of work, and some megabytes.
const CHUNK: u32 = 20_000;
/// Customers that are learnt from at most, some more or less: fifteen weights need no more, and a million would need a gigabyte.
const LEARNT_FROM: u64 = 100_000;
/// Customers of whom what was said is kept for being scored, some more or less.
const SCORED: u64 = 50_000;
/// Days of sales by which the hours of a site and the mean spend are known.
const SALES_DAYS: u32 = 90;
/// Days after the end of a package in which it is told as the reason.
const RAN_OUT_DAYS: f64 = 7.0;
/// What a step may take; whoever dies in it is followed by another portal after that.
const LEASE: Duration = Duration::from_secs(600);

/// One step of what is due: a score, the models of the night, or a chunk of customers. Returns whether there is probably more.
pub(crate) async fn nightly(app: &App) -> Result<bool, StoreError> {
    let (db, now) = (&app.db, app.clock.now());
    if score_one(app, now).await? {
        return Ok(true);
    }
    let here = Zone::default().at(now);
    let is_time = here.hour() == app.config.retention.at_hour;
    let since = now - DAY * PAST_DAYS;
    let Some(run) = purchases::claim(db, here.date(), is_time, since, now, LEASE).await? else { return Ok(false) };
    match run.models {
        Some(models) => say(app, &run, models).await,
        None => learn(app, &run).await,
    }
}

/// Scores the oldest model whose window is over. Returns whether there was one.
async fn score_one(app: &App, now: OffsetDateTime) -> Result<bool, StoreError> {
    let Some(due) = purchases::due(&app.db, now).await? else { return Ok(false) };
    let said = purchases::said(&app.db, &due).await?;
    let score = apart(move || scored(&said)).await?;
    tracing::info!(model = %due.id, auc = ?score.auc, brier = ?score.brier, "a model of purchases is scored");
    purchases::keep_score(&app.db, due.id, &score, now).await?;
    Ok(true)
}

fn scored(said: &[(f64, bool)]) -> Score {
    if said.is_empty() {
        return Score::default();
    }
    let tenths = score::tenths(said);
    Score {
        auc: score::auc(said),
        brier: score::brier(said),
        said: tenths.iter().map(|tenth| tenth.said).collect(),
        did: tenths.iter().map(|tenth| tenth.did).collect(),
        people: tenths.iter().map(|tenth| i64::try_from(tenth.people).unwrap_or(i64::MAX)).collect(),
    }
}

/// Learns the models of a night. Returns whether something can be said with them.
async fn learn(app: &App, run: &Run) -> Result<bool, StoreError> {
    let db = &app.db;
    let every = one_of(purchases::count(db).await?, LEARNT_FROM);
    let from = run.cut - DAY * LEARNT_DAYS;
    let (mut cases, mut after) = (WINDOWS.map(Cases::of), Uuid::nil());
    while let Some(until) = purchases::reach(db, after, CHUNK).await? {
        let pasts = purchases::pasts(db, Chunk { after, until }, every, from, run.cut).await?;
        cases = apart(move || {
            for days in &pasts {
                cases.iter_mut().for_each(|cases| cases.add(days));
            }
            cases
        })
        .await?;
        purchases::renew(db, run.night, app.clock.now() + LEASE).await?;
        after = until;
    }
    let now = app.clock.now();
    let ids = [rng::id(now), rng::id(now)];
    let fitted = apart(move || {
        let [week, month] = &cases;
        week.fit(ids[0]).zip(month.fit(ids[1]))
    })
    .await?;
    let Some((week, month)) = fitted else {
        tracing::info!("who will buy is not known: the first purchases are less than a month old");
        purchases::end(db, run, now).await?;
        return Ok(false);
    };
    for model in [&week, &month] {
        let (days, score, habit) = (model.window_days, model.score, model.baseline_score);
        tracing::info!(days, ?score, ?habit, is_used = model.is_used, "a model of purchases is made");
    }
    purchases::keep_models(db, run, &week, &month, now).await?;
    Ok(true)
}

/// Says something of the next chunk of customers. Returns whether there is more.
async fn say(app: &App, run: &Run, models: (Uuid, Uuid)) -> Result<bool, StoreError> {
    let db = &app.db;
    let Some(until) = purchases::reach(db, run.place, CHUNK).await? else {
        purchases::end(db, run, app.clock.now()).await?;
        tracing::info!(night = %run.night, "who will buy is known");
        return Ok(false);
    };
    let customers =
        purchases::customers(db, Chunk { after: run.place, until }, run.cut - DAY * PAST_DAYS, run.cut).await?;
    let sales = run.cut - DAY * SALES_DAYS;
    let known = Known {
        cut: run.cut,
        models: [Told::of(purchases::model(db, models.0).await?), Told::of(purchases::model(db, models.1).await?)],
        hours: by_site(&purchases::site_hours(db, sales, run.cut).await?),
        spend: purchases::mean_spend(db, sales, run.cut).await?,
        scored: one_of(purchases::count(db).await?, SCORED),
    };
    let chances = apart(move || customers.iter().filter_map(|customer| known.chance(customer)).collect::<Vec<_>>());
    purchases::keep_chances(db, run, models, &chances.await?, until).await?;
    Ok(true)
}

/// Works something out beside the runtime, whose threads have others to serve.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Conflict(format!("the work on who will buy broke off: {error}")))
}

/// To take about `wanted` of so many, one of this many is taken.
fn one_of(all: u64, wanted: u64) -> u32 {
    // Two octets of an identity say who is taken.
    u32::try_from(all.div_ceil(wanted).clamp(1, 65_536)).unwrap_or(1)
}

/// Purchases from one day until before another.
fn between(days: &[f64], from: f64, until: f64) -> &[f64] {
    let begin = days.partition_point(|day| *day < from);
    let end = days.partition_point(|day| *day < until);
    days.get(begin..end).unwrap_or_default()
}

/// A customer at an earlier moment.
struct Case {
    features: Features,
    /// Whether they had bought in the period before.
    before: bool,
    /// Whether they bought in the window.
    bought: bool,
}

/// What a model is learnt from, and checked on.
struct Cases {
    window: f64,
    earlier: Vec<Case>,
    last: Vec<Case>,
}

impl Cases {
    fn of(window: f64) -> Cases {
        Cases { window, earlier: Vec::new(), last: Vec::new() }
    }

    /// Adds a customer at the beginning of each window that is over.
    fn add(&mut self, days: &[f64]) {
        for windows in 1..=LEARNT + 1 {
            let cut = -self.window * f64::from(windows);
            let bought = between(days, cut - f64::from(PAST_DAYS), cut);
            if bought.is_empty() {
                continue;
            }
            let past = Past { bought, cut };
            let case = Case {
                features: purchase::features(&past),
                before: purchase::as_last_period(&past, self.window),
                bought: !between(days, cut, cut + self.window).is_empty(),
            };
            if windows == 1 { self.last.push(case) } else { self.earlier.push(case) }
        }
    }

    /// The model with how it did. `None`: there is nobody yet of whom it is known what became of them.
    fn fit(&self, id: Uuid) -> Option<Fitted> {
        let habit_of = |cases: &[Case]| {
            Habit::fit(&cases.iter().map(|case| (case.before, case.bought)).collect::<Vec<(bool, bool)>>())
        };
        // What was learnt from the last window cannot be checked on it.
        let earlier = habit_of(&self.earlier);
        let habit = earlier.or_else(|| habit_of(&self.last))?;
        let learnt: Vec<(Features, bool)> = self.earlier.iter().map(|case| (case.features, case.bought)).collect();
        let model = Model::fit(&learnt);
        let score = model.as_ref().and_then(|model| self.check(|case| model.chance(&case.features)));
        let baseline_score = earlier.and_then(|habit| self.check(|case| habit.chance(case.before)));
        let is_better = |((auc, brier), (baseline_auc, baseline_brier)): ((f64, f64), (f64, f64))| {
            auc > baseline_auc && brier < baseline_brier
        };
        Some(Fitted {
            id,
            window_days: if self.window > 7.0 { 30 } else { 7 },
            weights: model.map(|model| model.weights).unwrap_or_default(),
            baseline: (habit.again, habit.anew),
            score,
            baseline_score,
            is_used: score.zip(baseline_score).is_some_and(is_better),
        })
    }

    /// AUC and Brier score on the last window; `None`: nobody bought in it, or everybody did.
    fn check(&self, chance: impl Fn(&Case) -> f64) -> Option<(f64, f64)> {
        let said: Vec<(f64, bool)> = self.last.iter().map(|case| (chance(case), case.bought)).collect();
        score::auc(&said).zip(score::brier(&said))
    }
}

/// A model, or what stands for it.
struct Told {
    model: Option<Model>,
    habit: Habit,
}

impl Told {
    fn of(kept: Kept) -> Told {
        let (again, anew) = kept.baseline;
        let model = kept.is_used.then(|| Model::stored(kept.weights)).flatten();
        Told { model, habit: Habit { again, anew } }
    }

    fn chance(&self, past: &Past<'_>, features: &Features, window: f64) -> f64 {
        match &self.model {
            Some(model) => model.chance(features),
            None => self.habit.chance(purchase::as_last_period(past, window)),
        }
    }
}

/// What is known of all customers.
struct Known {
    cut: OffsetDateTime,
    models: [Told; 2],
    /// At which hours people buy at a site.
    hours: BTreeMap<Uuid, [f64; 24]>,
    /// What a purchase brings on average, by currency.
    spend: Vec<(String, f64)>,
    scored: u32,
}

impl Known {
    /// What is said of a customer; `None` for one who bought nothing.
    fn chance(&self, customer: &Customer) -> Option<Chance> {
        let past = Past { bought: &customer.days, cut: 0.0 };
        let last = *customer.days.last()?;
        let features = purchase::features(&past);
        let [week, month] = &self.models;
        let week = week.chance(&past, &features, WINDOWS[0]);
        // Whoever buys within a week buys within a month, whatever two models say.
        let month = month.chance(&past, &features, WINDOWS[1]).max(week);
        let currency = customer.currencies.last()?;
        let each = self.each(customer, currency);
        // In thirty days up to their last purchase: of who stays away nothing is known but what they were worth.
        let at_last = Past { bought: &customer.days, cut: last };
        let site = most_frequent(&customer.sites);
        let gap = past.mean_gap();
        let since_end = customer.ran_out_at.map_or(f64::INFINITY, |at| (self.cut - at).as_seconds_f64() / 86_400.0);
        let is_leaving =
            !customer.has_access && purchase::is_leaving(past.recency().min(since_end), gap.unwrap_or_default(), month);
        Some(Chance {
            user: customer.user,
            site,
            week,
            month,
            expected_minor: minor(each * purchase::expected_purchases(&past, month, WINDOWS[1])),
            worth_minor: minor(each * purchase::expected_purchases(&at_last, 1.0, WINDOWS[1])),
            currency: currency.clone(),
            likely_hour: self.likely_hour(customer, site),
            last_at: customer.last_at,
            purchases: i32::try_from(customer.days.len()).unwrap_or(i32::MAX),
            gap_seconds: gap.map(|days| minor(days * 86_400.0)),
            is_leaving,
            reasons: reasons(&past, customer.has_access, since_end),
            is_scored: is_taken(customer.user, self.scored),
        })
    }

    /// What they spend on a purchase, in minor units.
    fn each(&self, customer: &Customer, currency: &str) -> f64 {
        let own: Vec<f64> = customer
            .minor
            .iter()
            .zip(&customer.currencies)
            .filter(|(_, of)| of.as_str() == currency)
            .map(|(minor, _)| float(*minor))
            .collect();
        let of_all = self.spend.iter().find(|(of, _)| of == currency).map(|(_, mean)| *mean);
        // Before the sums by the hour are there, everybody is like themselves.
        let own_mean = own.iter().sum::<f64>() / float(i64::try_from(own.len().max(1)).unwrap_or(1));
        purchase::spend(&own, of_all.unwrap_or(own_mean))
    }

    fn likely_hour(&self, customer: &Customer, site: Uuid) -> Option<i16> {
        let mut own = [0u32; 24];
        for hour in &customer.hours {
            if let Some(count) = usize::try_from(*hour).ok().and_then(|hour| own.get_mut(hour)) {
                *count += 1;
            }
        }
        let of_site = self.hours.get(&site).copied().unwrap_or([0.0; 24]);
        purchase::likely_hour(&own, &of_site).map(i16::from)
    }
}

/// Why, in the words that the desk knows.
fn reasons(past: &Past<'_>, has_access: bool, days_since_end: f64) -> Vec<&'static str> {
    let access = [(has_access, "has_access"), (!has_access && days_since_end <= RAN_OUT_DAYS, "ran_out")];
    let access = access.into_iter().filter_map(|(holds, word)| holds.then_some(word));
    access.chain(purchase::reasons(past).into_iter().map(purchase::Reason::word)).collect()
}

/// Where they mostly buy; of equal ones the last.
fn most_frequent(sites: &[Uuid]) -> Uuid {
    let mut times: BTreeMap<Uuid, u32> = BTreeMap::new();
    for site in sites {
        *times.entry(*site).or_default() += 1;
    }
    sites.iter().copied().max_by_key(|site| times.get(site).copied()).unwrap_or_default()
}

fn by_site(hours: &[SiteHour]) -> BTreeMap<Uuid, [f64; 24]> {
    let mut sites: BTreeMap<Uuid, [f64; 24]> = BTreeMap::new();
    for SiteHour { site, hour, orders } in hours {
        let of_site = sites.entry(*site).or_insert([0.0; 24]);
        if let Some(count) = usize::try_from(*hour).ok().and_then(|hour| of_site.get_mut(hour)) {
            *count += float(*orders);
        }
    }
    sites
}

/// Whether somebody is one of so many, by the last octets of the identity: as the store takes them.
fn is_taken(user: Uuid, every: u32) -> bool {
    let [.., high, low] = user.as_bytes();
    (u32::from(*high) * 256 + u32::from(*low)) % every.max(1) == 0
}

/// An amount as a float: exact below 2^53, which is more than all money.
fn float(number: i64) -> f64 {
    number as f64
}

/// To whole units; what is no number is nothing.
fn minor(amount: f64) -> i64 {
    amount.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(days: &[f64]) -> Customer {
        Customer {
            user: Uuid::from_u128(7),
            days: days.to_vec(),
            minor: vec![2_000; days.len()],
            currencies: vec!["KES".into(); days.len()],
            hours: vec![19; days.len()],
            sites: vec![Uuid::from_u128(1); days.len()],
            last_at: OffsetDateTime::UNIX_EPOCH,
            has_access: false,
            ran_out_at: None,
        }
    }

    fn known() -> Known {
        let told = || Told { model: None, habit: Habit { again: 0.8, anew: 0.1 } };
        Known {
            cut: OffsetDateTime::UNIX_EPOCH,
            models: [told(), told()],
            hours: BTreeMap::new(),
            spend: vec![("KES".into(), 4_000.0)],
            scored: 1,
        }
    }

    /// Half of the people buy every third day, the others bought once, each at another day.
    fn cases(window: f64) -> Cases {
        let mut cases = Cases::of(window);
        for n in 0..400u32 {
            let shift = f64::from(n % 10) / 10.0;
            match n % 2 {
                0 => cases.add(&(0..160).rev().map(|k| -3.0 * f64::from(k) - 0.1 - shift).collect::<Vec<f64>>()),
                _ => cases.add(&[-1.0 - f64::from(n)]),
            }
        }
        cases
    }

    #[test]
    fn nothing_of_a_window_is_known_at_its_beginning() {
        let mut cases = Cases::of(7.0);
        cases.add(&[-8.0, -6.0]);
        let [last] = &cases.last[..] else { panic!("one case at the last cut") };
        assert!(last.bought && last.before);
        assert_eq!(last.features, purchase::features(&Past { bought: &[-8.0], cut: -7.0 }));
        assert!(cases.earlier.is_empty(), "fourteen days ago nobody knew them");
    }

    #[test]
    fn a_model_is_used_where_it_beats_the_period_before_and_not_before_it_was_checked() {
        let fitted = cases(7.0).fit(Uuid::nil()).expect("there are cases");
        assert_eq!((fitted.window_days, fitted.weights.len()), (7, purchase::N + 1));
        let ((auc, brier), (habit_auc, habit_brier)) = fitted.score.zip(fitted.baseline_score).expect("checked");
        assert_eq!(fitted.is_used, auc > habit_auc && brier < habit_brier);
        assert!(auc > 0.9, "{auc}");
        let mut young = Cases::of(7.0);
        young.add(&[-8.0, -6.0]);
        let fitted = young.fit(Uuid::nil()).expect("there is a case");
        assert!(fitted.weights.is_empty() && fitted.score.is_none() && !fitted.is_used);
        assert!(Cases::of(7.0).fit(Uuid::nil()).is_none());
    }

    #[test]
    fn who_bought_in_the_period_before_has_its_chance() {
        let chance = known().chance(&customer(&[-12.0, -9.0])).expect("said");
        assert_eq!((chance.week, chance.month), (0.1, 0.8));
        assert_eq!((chance.purchases, chance.gap_seconds, chance.likely_hour), (2, Some(3 * 86_400), Some(19)));
        // Their own mean, drawn to everybody's by one purchase.
        assert!(chance.worth_minor >= 2_666, "{}", chance.worth_minor);
        assert!(chance.expected_minor < chance.worth_minor);
        assert_eq!(known().chance(&customer(&[])), None);
    }

    #[test]
    fn whoever_still_has_access_does_not_stay_away() {
        let away = customer(&[-60.0, -57.0, -54.0, -51.0]);
        assert!(known().chance(&away).expect("said").is_leaving);
        let has = Customer { has_access: true, ..away.clone() };
        let said = known().chance(&has).expect("said");
        assert!(!said.is_leaving && said.reasons.contains(&"has_access"), "{:?}", said.reasons);
        let yesterday = Customer { ran_out_at: Some(OffsetDateTime::UNIX_EPOCH - DAY), ..away };
        let said = known().chance(&yesterday).expect("said");
        assert!(!said.is_leaving && said.reasons.contains(&"ran_out"), "{:?}", said.reasons);
    }

    #[test]
    fn as_many_are_taken_as_are_wanted() {
        assert_eq!((one_of(0, 10), one_of(10, 10), one_of(11, 10), one_of(u64::MAX, 1)), (1, 1, 2, 65_536));
        assert!((0..100).all(|n| is_taken(Uuid::from_u128(n), 1)));
        assert_eq!((0..1_000u128).filter(|n| is_taken(Uuid::from_u128(*n), 10)).count(), 100);
    }

    #[test]
    fn a_model_nobody_was_told_of_has_no_score() {
        assert_eq!(scored(&[]), Score::default());
        let said = [(0.9, true), (0.1, false)];
        assert_eq!((scored(&said).auc, scored(&said).people.iter().sum::<i64>()), (Some(1.0), 2));
    }
}
