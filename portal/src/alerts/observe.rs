//! All facts of one round, asked for once. Rules judge them and ask nothing themselves.
//!
//! What cannot be known now is `None`, and changes nothing of what is open.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::alert::{Kind, Rule};
use shared::time::OffsetDateTime;
use store::StoreError;
use store::alert::facts::{
    self, Dark, Event, FailedSignIns, Messages, Outcome, Payer, Router, Sampled, Site, add_samples, sampled,
};
use store::alert::{Alert, State};
use store::backup::{Archive, Newest};
use store::books::connection::{self, Lost};
use store::books::etims::{self, Blocked};
use store::books::posting::{self, Standing};
use store::notification;
use store::prediction::lately::Found;

use super::Memory;
use super::disk::{self, Disk};
use super::told::{self, Radiusd, Told};
use crate::App;
use crate::payments::{MPESA, STRIPE, trouble};
use crate::predictions::anomalies;

/// How far back the security log is read: as far as any rule may count.
const LOG: Duration = Duration::from_secs(180 * 60);
/// One sample holds so much time.
const SAMPLE_SECONDS: i64 = 300;
/// Under what wrong guesses are kept.
const GUESSES: &str = "guesses";
/// Servers whose counters are remembered at most.
const SERVERS: usize = 8;
/// A server that started so shortly before it was first seen: all that it has counted is new.
const NEW_SERVER: Duration = Duration::from_secs(15 * 60);
/// Routers that were heard so shortly ago prove that a radiusd runs somewhere.
const HEARD: Duration = Duration::from_secs(120);
/// How often the books are proved: all of them are read.
const PROVED_EVERY: Duration = Duration::from_secs(3600);
/// How far back the cost of messages counts against a day's limit.
const DAY: Duration = Duration::from_secs(86_400);

/// What is known in a round.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// When.
    pub(super) now: OffsetDateTime,
    /// The security log, the newest first.
    pub(super) events: Vec<Event>,
    pub(super) sign_ins: FailedSignIns,
    pub(super) payers: Vec<Payer>,
    pub(super) outcomes: Vec<Outcome>,
    /// Providers of payments that are set up here, and whether each fails for most.
    pub(super) gateways: Vec<(&'static str, bool)>,
    pub(super) messages: Vec<Messages>,
    pub(super) dark: Vec<Dark>,
    pub(super) routers: Vec<Router>,
    /// What radiusd tells; `None`: it is not known how it is.
    pub(super) radiusd: Option<Health>,
    /// Wrong guesses at each place, lately and before; `None`: radiusd tells nothing.
    pub(super) guesses: Option<Vec<(Option<Site>, u64, u64)>>,
    pub(super) disks: Vec<Disk>,
    pub(super) backups: Newest,
    pub(super) archive: Archive,
    pub(super) leaking: u64,
    /// Receipts of which nobody knows what they are for, and since when the oldest waits.
    pub(super) unmatched: (u64, Option<OffsetDateTime>),
    /// Transactions that do not balance.
    pub(super) unbalanced: u64,
    /// Accountants' programs that do not let us in any more.
    pub(super) lost_books: Vec<Lost>,
    /// Branches at which invoices wait for the tax authority.
    pub(super) etims: Vec<Blocked>,
    /// What accountants' programs do not have yet.
    pub(super) books: Standing,
    /// What messages have cost within a day, and what they may; `None`: there is no limit.
    pub(super) cost: Option<(i64, i64)>,
    /// What was unusual in the last hours; `None`: nobody has looked for too long.
    pub(super) found: Option<Vec<Found>>,
}

/// How radiusd is, as far as this portal can say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Health {
    /// It does not answer, and no router was heard.
    Away,
    /// It told.
    Told(Box<Told>),
}

impl Observed {
    /// What radiusd tells.
    pub(super) fn told(&self) -> Option<&Told> {
        match &self.radiusd {
            Some(Health::Told(told)) => Some(told),
            _ => None,
        }
    }

    /// What the log has of these kinds within a rule's window.
    pub(super) fn events_of<'a>(&'a self, kinds: &'a [&str], rule: &Rule) -> impl Iterator<Item = &'a Event> {
        let since = self.now - rule.window();
        self.events.iter().filter(move |event| event.at > since && kinds.contains(&event.kind.as_str()))
    }
}

/// Asks for everything.
pub(super) async fn observe(
    app: &App,
    rules: &BTreeMap<Kind, Rule>,
    present: &[Alert],
    memory: &mut Memory,
    now: OffsetDateTime,
) -> Result<Observed, StoreError> {
    let rule = |kind: Kind| rules.get(&kind).copied().unwrap_or_else(|| Rule::of(kind));
    let since = |kind: Kind| now - rule(kind).window();
    let db = &app.db;
    let routers = facts::routers(db).await?;
    let radiusd = radiusd(told::ask(app).await, &routers, memory, now);
    Ok(Observed {
        now,
        events: facts::events(db, now - LOG).await?,
        sign_ins: facts::failed_sign_ins(db, since(Kind::StaffLogins), now).await?,
        // Half as many as raise an alert keep one that is there.
        payers: facts::busy_payers(
            db,
            since(Kind::PaymentAttempts),
            rule(Kind::PaymentAttempts).threshold.div_ceil(2).max(2),
        )
        .await?,
        outcomes: facts::outcomes(db, since(Kind::PaymentFailures)).await?,
        gateways: gateways(app, present).await?,
        messages: facts::messages(db, since(Kind::ProviderFailing)).await?,
        dark: facts::dark(db).await?,
        disks: disk::known(app, now).await?,
        backups: store::backup::newest(db).await?,
        archive: store::backup::archive(db).await?,
        leaking: store::session::count_leaking(db, now).await?,
        unmatched: facts::unmatched(db).await?,
        unbalanced: unbalanced(app, memory, now).await?,
        lost_books: connection::lost(db).await?,
        etims: etims::blocked(db).await?,
        books: posting::standing(db).await?,
        cost: cost(app, now).await?,
        found: anomalies::found(db, now).await?,
        // Last: what is added to the samples is remembered with the round, and a round that fails before would add it again.
        guesses: match &radiusd {
            Some(Health::Told(told)) => {
                note_guesses(app, told, &routers, memory, now).await?;
                Some(guesses(sampled(db, GUESSES, since(Kind::FailedLogins), now).await?, &routers))
            }
            _ => None,
        },
        routers,
        radiusd,
    })
}

/// What an answer of radiusd means, or none.
fn radiusd(told: Radiusd, routers: &[Router], memory: &mut Memory, now: OffsetDateTime) -> Option<Health> {
    match told {
        Radiusd::Told(told) => {
            memory.radiusd_heard = true;
            Some(Health::Told(Box::new(told)))
        }
        // Another machine's may be fine, and this portal may never reach it.
        Radiusd::Away if memory.radiusd_heard => {
            let is_heard = |router: &Router| router.last_seen_at.is_some_and(|at| now - at < HEARD);
            if routers.iter().any(is_heard) { None } else { Some(Health::Away) }
        }
        Radiusd::Away | Radiusd::Unknown => None,
    }
}

/// Adds the guesses since the last look to the samples, by site.
async fn note_guesses(
    app: &App,
    told: &Told,
    routers: &[Router],
    memory: &mut Memory,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let new = new_guesses(told, memory, now);
    let happened: Vec<(String, u64)> = new
        .into_iter()
        .map(|(router, count)| (super::rules::subject(site_of(&router, routers).as_ref()), count))
        .collect();
    let at = now.unix_timestamp() - now.unix_timestamp().rem_euclid(SAMPLE_SECONDS);
    let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(now);
    add_samples(&app.db, GUESSES, at, &happened).await
}

/// What each router has counted since the last look. A counter begins anew with its server.
fn new_guesses(told: &Told, memory: &mut Memory, now: OffsetDateTime) -> Vec<(String, u64)> {
    let server = told.started_at.to_string();
    let is_new_server = now.unix_timestamp() - told.started_at <= i64::try_from(NEW_SERVER.as_secs()).unwrap_or(0);
    let known = memory.counters.get(&server);
    let new = told.guesses.iter().map(|(router, count)| {
        let before = match known {
            Some(known) => known.get(router).copied().unwrap_or(0),
            // It has counted for longer than anybody has looked.
            None if is_new_server => 0,
            None => *count,
        };
        (router.clone(), count.saturating_sub(before))
    });
    let new: Vec<(String, u64)> = new.collect();
    memory.counters.insert(server, told.guesses.clone());
    // The keys are moments of one length: the oldest server comes first.
    while memory.counters.len() > SERVERS {
        memory.counters.pop_first();
    }
    new
}

fn site_of(router: &str, routers: &[Router]) -> Option<Site> {
    routers.iter().find(|known| known.name == router)?.site.clone()
}

fn guesses(sampled: Vec<Sampled>, routers: &[Router]) -> Vec<(Option<Site>, u64, u64)> {
    let sites: BTreeMap<String, Site> =
        routers.iter().filter_map(|router| router.site.clone()).map(|site| (site.id.to_string(), site)).collect();
    sampled.into_iter().map(|found| (sites.get(&found.subject).cloned(), found.lately, found.before)).collect()
}

async fn gateways(app: &App, present: &[Alert]) -> Result<Vec<(&'static str, bool)>, StoreError> {
    let is_open = |provider: &str| {
        present.iter().any(|alert| {
            alert.kind == Kind::ProviderFailing && alert.subject == provider && alert.state != State::Resolved
        })
    };
    let set_up = [(MPESA, app.mpesa.is_some()), (STRIPE, app.stripe.is_some())];
    let mut gateways = Vec::new();
    for (provider, _) in set_up.into_iter().filter(|(_, is_set_up)| *is_set_up) {
        gateways.push((provider, trouble::of_provider(app, provider, is_open(provider)).await?));
    }
    Ok(gateways)
}

async fn unbalanced(app: &App, memory: &mut Memory, now: OffsetDateTime) -> Result<u64, StoreError> {
    let age = now.unix_timestamp() - memory.ledger_proved_at;
    // While something is wrong it is looked often, so that the alert ends when it is put right.
    if age >= i64::try_from(PROVED_EVERY.as_secs()).unwrap_or(i64::MAX) || memory.ledger_unbalanced > 0 {
        memory.ledger_unbalanced = facts::unbalanced(&app.db).await?;
        memory.ledger_proved_at = now.unix_timestamp();
    }
    Ok(memory.ledger_unbalanced)
}

async fn cost(app: &App, now: OffsetDateTime) -> Result<Option<(i64, i64)>, StoreError> {
    let limit = app.config.sms.as_ref().and_then(|settings| settings.cost_limit_per_day);
    let Some(limit) = limit.map(i64::from).filter(|limit| *limit > 0) else { return Ok(None) };
    Ok(Some((notification::cost_since(&app.db, now - DAY).await?, limit)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::alerts) fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).expect("in range")
    }

    pub(in crate::alerts) fn place(number: u128) -> Option<Site> {
        Some(Site { id: uuid::Uuid::from_u128(number), name: format!("Site {number}") })
    }

    /// A round in which all is well.
    pub(in crate::alerts) fn quiet() -> Observed {
        Observed {
            now: at(0),
            events: Vec::new(),
            sign_ins: FailedSignIns::default(),
            payers: Vec::new(),
            outcomes: Vec::new(),
            gateways: vec![(MPESA, false)],
            messages: Vec::new(),
            dark: Vec::new(),
            routers: Vec::new(),
            radiusd: Some(Health::Told(Box::default())),
            guesses: Some(Vec::new()),
            disks: Vec::new(),
            backups: Newest::default(),
            archive: Archive::default(),
            leaking: 0,
            unmatched: (0, None),
            unbalanced: 0,
            lost_books: Vec::new(),
            etims: Vec::new(),
            books: Standing::default(),
            cost: None,
            found: Some(Vec::new()),
        }
    }

    pub(in crate::alerts) fn event(kind: &str, seconds: i64, site: Option<Site>, mac: u8) -> Event {
        Event {
            at: at(seconds),
            kind: kind.into(),
            router: Some("cafe".into()),
            site,
            mac: Some(shared::mac::Mac([2, 0, 0, 0, 0, mac])),
            detail: "one, two".into(),
        }
    }

    fn told(started: i64, guesses: u64) -> Told {
        Told {
            started_at: at(started).unix_timestamp(),
            guesses: BTreeMap::from([("cafe".into(), guesses)]),
            ..Told::default()
        }
    }

    #[test]
    fn guesses_are_counted_from_one_look_to_the_next_for_each_server() {
        let mut memory = Memory::default();
        let mut new = |started, guesses, now| new_guesses(&told(started, guesses), &mut memory, at(now))[0].1;
        assert_eq!(new(-86_400, 500, 0), 0, "of before anybody looked");
        assert_eq!(new(-86_400, 512, 20), 12);
        assert_eq!(new(30, 7, 40), 7, "it was started anew");
        assert_eq!(new(30, 7, 60), 0);
        assert_eq!(new(-86_400, 513, 80), 1, "another portal's");
        for started in 100..120 {
            new(started, 1, 200);
        }
        assert_eq!(memory.counters.len(), SERVERS);
    }

    #[test]
    fn radiusd_is_away_only_where_it_was_and_no_router_is_heard() {
        let router =
            |seconds| Router { name: "cafe".into(), site: None, last_seen_at: Some(at(seconds)), is_dark: false };
        let mut memory = Memory::default();
        assert_eq!(radiusd(Radiusd::Away, &[], &mut memory, at(0)), None, "it was never there");
        assert!(radiusd(Radiusd::Told(Told::default()), &[], &mut memory, at(0)).is_some());
        assert_eq!(radiusd(Radiusd::Away, &[], &mut memory, at(0)), Some(Health::Away));
        assert_eq!(radiusd(Radiusd::Away, &[router(-30)], &mut memory, at(0)), None, "another one runs");
        assert_eq!(radiusd(Radiusd::Away, &[router(-300)], &mut memory, at(0)), Some(Health::Away));
        assert_eq!(radiusd(Radiusd::Unknown, &[], &mut memory, at(0)), None);
    }
}
