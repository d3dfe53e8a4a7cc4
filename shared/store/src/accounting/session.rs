//! What a batch tells of a session, and how that joins what is stored of it. Nothing here touches the database.
//!
//! Every part of a session is a join: counters by their maximum, the start by the earliest, the Stop by the earliest,
//! what may change (an address) by the last report that tells it. So the order in which reports arrive is of no account.

use std::collections::HashMap;
use std::net::IpAddr;

use shared::mac::Mac;
use shared::rng;
use shared::time::{OffsetDateTime, hour_of};
use uuid::Uuid;

use super::curve::{Counters, Crossing, Curve, Hours, LONGEST_SPREAD, Point, spread, stored_moment};
use super::{Event, Report, SessionKey};
use crate::package::signed;

/// How a session ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct End {
    pub(super) at: OffsetDateTime,
    /// Acct-Terminate-Cause in words.
    pub(super) cause: Option<String>,
}

/// A value with the moment at which it was told: the last one counts, of two at one moment the greater.
type Told<T> = Option<(OffsetDateTime, T)>;

/// What the reports of a batch tell of one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Account {
    pub(super) key: SessionKey,
    pub(super) nas: Uuid,
    pub(super) user_name: String,
    pub(super) acct_session_id: String,
    pub(super) entitlement: Option<Uuid>,
    /// The revision of the entitlement that the login was answered from, as our ticket tells ([`rng::marked_id`]).
    pub(super) revision: Option<u16>,
    pub(super) mac: Option<Mac>,
    pub(super) nas_address: Told<IpAddr>,
    pub(super) framed_ip: Told<IpAddr>,
    pub(super) curve: Curve,
    /// Whether one of them says that it starts.
    pub(super) starts: bool,
    pub(super) stop: Option<End>,
}

impl Account {
    fn of(report: &Report, key: SessionKey) -> Account {
        let at = stored_moment(report.at);
        let counters = Counters {
            seconds: signed(report.seconds),
            input: signed(report.input_octets),
            output: signed(report.output_octets),
        };
        Account {
            key,
            nas: report.nas,
            user_name: report.user_name.clone(),
            acct_session_id: report.acct_session_id.clone(),
            entitlement: report.entitlement,
            revision: (!report.session.id.is_nil()).then(|| rng::mark_of(report.session.id)),
            mac: report.mac,
            nas_address: report.nas_address.map(|address| (at, address)),
            framed_ip: report.framed_ip.map(|address| (at, address)),
            curve: Curve::of(at, counters),
            starts: report.event == Event::Start,
            stop: (report.event == Event::Stop).then(|| End { at, cause: report.terminate_cause.clone() }),
        }
    }

    /// Joins the reports of a batch, each of the session with its key: one account a session, in the order of the keys, which
    /// is the order in which rows are locked.
    pub(super) fn of_batch(reports: &[&Report], keys: &[SessionKey]) -> Vec<Account> {
        let mut by_session: HashMap<Uuid, Account> = HashMap::with_capacity(reports.len());
        for (report, key) in reports.iter().zip(keys) {
            let told = Account::of(report, *key);
            match by_session.entry(key.id) {
                std::collections::hash_map::Entry::Occupied(mut known) => known.get_mut().join(told),
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(told);
                }
            }
        }
        let mut accounts: Vec<Account> = by_session.into_values().collect();
        accounts.sort_unstable_by_key(|account| account.key.id);
        accounts
    }

    fn join(&mut self, other: Account) {
        self.entitlement = self.entitlement.or(other.entitlement);
        self.revision = self.revision.or(other.revision);
        self.mac = self.mac.or(other.mac);
        self.nas_address = self.nas_address.max(other.nas_address);
        self.framed_ip = self.framed_ip.max(other.framed_ip);
        self.curve.join(&other.curve);
        self.starts |= other.starts;
        self.stop = earliest(self.stop.take(), other.stop);
    }
}

fn earliest(one: Option<End>, other: Option<End>) -> Option<End> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Where a session stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It goes on.
    Open,
    /// The router has said Stop: final.
    Stopped(End),
    /// We closed it, since its router fell silent or had forgotten it. It goes on if the router speaks of it again.
    Lost(End),
}

impl Standing {
    /// Where it ended; `None`: it goes on.
    pub(super) fn ended_at(&self) -> Option<OffsetDateTime> {
        match self {
            Standing::Open => None,
            Standing::Stopped(end) | Standing::Lost(end) => Some(end.at),
        }
    }
}

/// A session as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) key: SessionKey,
    pub(super) nas: Uuid,
    pub(super) user_name: String,
    pub(super) acct_session_id: String,
    pub(super) entitlement: Option<Uuid>,
    pub(super) mac: Option<Mac>,
    pub(super) nas_address: Option<IpAddr>,
    pub(super) framed_ip: Option<IpAddr>,
    pub(super) started_at: OffsetDateTime,
    pub(super) first: Point,
    pub(super) last: Point,
    pub(super) standing: Standing,
    pub(super) cutoff_at: Option<OffsetDateTime>,
    pub(super) cut_requested_at: Option<OffsetDateTime>,
}

/// What joining an account to what is stored has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) session: Stored,
    /// How it stood before; `None`: it is new.
    pub(super) before: Option<Standing>,
    /// Where it began before; `None`: it is new.
    pub(super) began: Option<OffsetDateTime>,
    /// See [`Account::revision`].
    pub(super) revision: Option<u16>,
    /// What its entitlement has used more, in all.
    pub(super) used: Counters,
    /// The same by hour; an hour may give back to another.
    pub(super) hours: Hours,
    pub(super) crossings: Crossings,
    /// Whether its entitlement became known only now.
    pub(super) newly_entitled: bool,
    /// Whether nothing else than its last counters is other than before, and how it stands.
    pub(super) only_counters: bool,
}

/// What becomes of a session's stored steps between hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Crossings {
    /// These come after those that are there.
    Add(Vec<Crossing>),
    /// These replace them.
    Replace(Vec<Crossing>),
}

impl Change {
    /// Whether the reports told nothing that was not known.
    pub(super) fn is_repetition(&self) -> bool {
        self.before.as_ref() == Some(&self.session.standing) && self.used.is_zero()
    }

    /// The moment for which its router was told what holds: of a new session, the login (without our ticket, the beginning); of one
    /// that was ended, the end.
    pub(super) fn told_at(&self) -> OffsetDateTime {
        match &self.before {
            Some(Standing::Lost(end) | Standing::Stopped(end)) => end.at,
            None | Some(Standing::Open) => rng::made_at(self.session.key.id).unwrap_or(self.session.started_at),
        }
    }

    /// Where it begins and where it ends, as far as that was not known, or was told otherwise, and where that was then. A beginning
    /// of which nothing is spread over hours either ([`LONGEST_SPREAD`]) is none.
    pub(super) fn moved(&self) -> impl Iterator<Item = OffsetDateTime> {
        let earliest = self.session.last.at - LONGEST_SPREAD;
        let begins = [self.began, Some(self.session.started_at)].map(|at| at.filter(|at| *at >= earliest));
        let ends = [self.before.as_ref().and_then(Standing::ended_at), self.session.standing.ended_at()];
        [begins, ends].into_iter().filter(|[before, now]| before != now).flatten().flatten()
    }
}

/// A session that nothing is known of yet.
pub(super) fn begin(told: Account) -> Change {
    let revision = told.revision;
    let (curve, last_at) = (&told.curve, told.curve.last().at);
    let session = Stored {
        started_at: curve.started_at,
        first: curve.first(),
        last: curve.last(),
        standing: told.stop.map_or(Standing::Open, Standing::Stopped),
        nas_address: told.nas_address.map(|(_, address)| address),
        framed_ip: told.framed_ip.map(|(_, address)| address),
        cutoff_at: None,
        cut_requested_at: None,
        key: told.key,
        nas: told.nas,
        user_name: told.user_name,
        acct_session_id: told.acct_session_id,
        entitlement: told.entitlement,
        mac: told.mac,
    };
    debug_assert!(session.started_at <= last_at);
    let (hours, crossings) = (curve.usage(), Crossings::Add(curve.crossings()));
    Change {
        used: session.last.counters,
        session,
        before: None,
        began: None,
        revision,
        hours,
        crossings,
        newly_entitled: false,
        only_counters: false,
    }
}

impl Stored {
    /// Whether what is told can be joined only to the whole curve, whose steps must be read for it: because it is late,
    /// moves the start to another hour, or all usage of before is to be counted now.
    pub(super) fn needs_steps(&self, told: &Account) -> bool {
        self.has_steps() && !self.is_continued_by(told)
    }

    /// What was used in which hour; `steps` are the stored ones.
    pub(super) fn hours(&self, steps: &[Crossing]) -> Hours {
        Curve::stored(self.started_at, self.first, self.last, steps).usage()
    }

    fn has_steps(&self) -> bool {
        hour_of(self.first.at) != hour_of(self.last.at)
    }

    fn is_continued_by(&self, told: &Account) -> bool {
        let moves_start = told.curve.started_at < self.started_at
            && !self.first.counters.is_zero()
            && hour_of(told.curve.started_at) != hour_of(self.first.at);
        told.curve.first().at > self.last.at && !moves_start && !self.becomes_entitled_by(told)
    }

    fn becomes_entitled_by(&self, told: &Account) -> bool {
        self.entitlement.is_none() && told.entitlement.is_some()
    }

    /// Joins what is told. `steps` are the stored ones, where [`Stored::needs_steps`] asked for them.
    pub(super) fn join(self, told: Account, steps: &[Crossing]) -> Change {
        let (newly_entitled, revision) = (self.becomes_entitled_by(&told), told.revision);
        let counted = if newly_entitled { Counters::ZERO } else { self.last.counters };
        let (told_last, fixed, began) = (told.curve.last().at, self.fixed(), Some(self.started_at));
        let (first, last, hours, crossings);
        if self.is_continued_by(&told) {
            first = self.first;
            (last, hours, crossings) = extend(self.last, &told.curve);
        } else {
            let before = Curve::stored(self.started_at, self.first, self.last, steps);
            let mut after = before.clone();
            after.join(&told.curve);
            hours = match newly_entitled {
                true => after.usage(),
                false => difference(after.usage(), &before.usage()),
            };
            (first, last) = (after.first(), after.last());
            crossings = match after == before {
                true => Crossings::Add(Vec::new()),
                false => Crossings::Replace(after.crossings()),
            };
        }
        let is_news = told_last > self.last.at;
        let before = self.standing.clone();
        let standing = match (self.standing, told.stop) {
            (Standing::Stopped(end), stop) => earliest(Some(end), stop).map_or(Standing::Open, Standing::Stopped),
            (Standing::Open | Standing::Lost(_), Some(stop)) => Standing::Stopped(stop),
            (Standing::Lost(_), None) if is_news => Standing::Open,
            (standing, None) => standing,
        };
        let latest = |told: Told<IpAddr>, stored: Option<IpAddr>| match told {
            Some((at, address)) if at >= self.last.at => Some(address),
            told => stored.or(told.map(|(_, address)| address)),
        };
        let session = Stored {
            entitlement: self.entitlement.or(told.entitlement),
            mac: self.mac.or(told.mac),
            nas_address: latest(told.nas_address, self.nas_address),
            framed_ip: latest(told.framed_ip, self.framed_ip),
            started_at: self.started_at.min(told.curve.started_at),
            first,
            last,
            standing,
            ..self
        };
        let used = last.counters.minus(counted);
        let only_counters = session.fixed() == fixed;
        Change { session, before: Some(before), began, revision, used, hours, crossings, newly_entitled, only_counters }
    }

    /// What later reports mostly leave as it is.
    fn fixed(&self) -> impl PartialEq + use<> {
        (self.entitlement, self.mac, self.nas_address, self.framed_ip, self.started_at, self.first)
    }
}

/// Goes on from the last point of a curve with what was reported after it.
fn extend(mut last: Point, told: &Curve) -> (Point, Hours, Crossings) {
    let (mut hours, mut crossings) = (Hours::new(), Vec::new());
    for next in told.points() {
        let next = Point { at: next.at, counters: next.counters.max(last.counters) };
        spread(&mut hours, last, next);
        if hour_of(last.at) != hour_of(next.at) {
            crossings.push(Crossing { from: last, to: next });
        }
        last = next;
    }
    (last, hours, Crossings::Add(crossings))
}

fn difference(mut after: Hours, before: &Hours) -> Hours {
    for (hour, counters) in before {
        let left = after.entry(*hour).or_default();
        *left = left.minus(*counters);
    }
    after.retain(|_, counters| !counters.is_zero());
    after
}
