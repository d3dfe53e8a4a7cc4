//! What follows from a round: a function of what is open, what was found, who may be told, and the time.
//!
//! | a cause is | and there is | then |
//! |---|---|---|
//! | found, strong enough to raise, for as long as its rule says | nothing | an alert is raised |
//! | the same | one that was over lately | that one is raised again |
//! | found, strong or weak | one | it goes on |
//! | not found | one | it is over when that has lasted, for longer each time that it came back |
//! | not known now | one | it stays as it is |
//!
//! People are told once of each raising, unless the kind is muted; the owners are when nobody has minded it in time. So an alert that
//! flickers is one row, and each flicker takes longer to be told than the one before.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::alert::{Kind, Rule, Severity};
use shared::notice::Channel;
use shared::rng;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::alert::outbox::NewMessage;
use store::alert::rules::{Person, Wish};
use store::alert::{Alert, Change, Seen, State};
use uuid::Uuid;

use super::rules::Finding;
use super::standing::may_see;

/// For how long a cause must be gone before its alert is over.
const CLEAR_AFTER: Duration = Duration::from_secs(120);
/// What comes back must be gone for as many times as long as it was raised, up to so many.
const CLEAR_TIMES_MAX: u32 = 6;
/// Most alerts of one kind that a round raises: who sees so many looks at all of them.
const RAISED_AT_ONCE: usize = 20;
/// How long a message is worth sending.
const GOOD_FOR: Duration = Duration::from_secs(12 * 3600);

/// What a rule has found.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) kind: Kind,
    pub(super) rule: Rule,
    /// Whether nobody is told of it for now.
    pub(super) is_muted: bool,
    /// `None`: nothing is known now.
    pub(super) findings: Option<Vec<Finding>>,
}

/// Which ways to people there are here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ways {
    pub(super) sms: bool,
    pub(super) email: bool,
}

/// All that follows. `since`: when each cause began to hold that must last, for the next round.
pub(super) fn decide(
    present: &[Alert],
    judged: &[Judged],
    people: &[Person],
    ways: Ways,
    since: &mut BTreeMap<String, i64>,
    now: OffsetDateTime,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for judged in judged {
        let round = Round { judged, people, ways, now };
        let of_kind: Vec<&Alert> = present.iter().filter(|alert| alert.kind == judged.kind).collect();
        let active = || of_kind.iter().copied().filter(|alert| alert.state != State::Resolved);
        let Some(findings) = &judged.findings else {
            active().for_each(|alert| changes.extend(round.follow_up(alert)));
            continue;
        };
        note_since(judged.kind, findings, since, now);
        let mut raised = 0;
        for finding in findings {
            match active().find(|alert| alert.subject == finding.subject) {
                Some(alert) => {
                    changes.push(Change::Seen { id: alert.id, seen: round.seen(finding) });
                    changes.extend(round.follow_up(alert));
                }
                None if raised < RAISED_AT_ONCE && round.has_lasted(finding, since) => {
                    raised += 1;
                    changes.extend(round.raise(finding, &of_kind));
                }
                None => {}
            }
        }
        for gone in active().filter(|alert| !findings.iter().any(|found| found.subject == alert.subject)) {
            changes.extend(round.gone(gone));
        }
    }
    changes
}

fn key(kind: Kind, subject: &str) -> String {
    format!("{}:{subject}", kind.as_str())
}

/// Remembers since when each cause of a kind holds, and forgets those that do not.
fn note_since(kind: Kind, findings: &[Finding], since: &mut BTreeMap<String, i64>, now: OffsetDateTime) {
    let holds: Vec<String> =
        findings.iter().filter(|finding| finding.raises).map(|finding| key(kind, &finding.subject)).collect();
    let prefix = key(kind, "");
    since.retain(|known, _| !known.starts_with(&prefix) || holds.contains(known));
    if kind.terms().must_last {
        for held in holds {
            since.entry(held).or_insert(now.unix_timestamp());
        }
    }
}

/// One kind in one round.
struct Round<'a> {
    judged: &'a Judged,
    people: &'a [Person],
    ways: Ways,
    now: OffsetDateTime,
}

impl Round<'_> {
    fn has_lasted(&self, finding: &Finding, since: &BTreeMap<String, i64>) -> bool {
        if !finding.raises || !self.judged.kind.terms().must_last {
            return finding.raises;
        }
        let begun = since.get(&key(self.judged.kind, &finding.subject)).copied();
        let seconds = i64::from(self.judged.rule.window_minutes) * 60;
        begun.is_some_and(|begun| self.now.unix_timestamp() - begun >= seconds)
    }

    fn seen(&self, finding: &Finding) -> Seen {
        Seen {
            site: finding.site.clone(),
            title: finding.title.clone(),
            lines: finding.lines.clone(),
            severity: self.judged.rule.severity,
        }
    }

    fn raise(&self, finding: &Finding, of_kind: &[&Alert]) -> Vec<Change> {
        let over = of_kind.iter().filter(|alert| alert.subject == finding.subject && alert.state == State::Resolved);
        let seen = self.seen(finding);
        let (id, raise) = match over.max_by_key(|alert| alert.resolved_at) {
            Some(alert) => (alert.id, Change::Reopen { id: alert.id, seen }),
            None => {
                let id = rng::id(self.now);
                (id, Change::Open { id, kind: self.judged.kind, subject: finding.subject.clone(), seen })
            }
        };
        let site = finding.site.as_ref().map(|site| site.id);
        let tell = (!self.judged.is_muted).then(|| Change::Tell { id, messages: self.messages(site) });
        std::iter::once(raise).chain(tell).collect()
    }

    /// Telling what is not told yet, and the owners of what nobody minds.
    fn follow_up(&self, alert: &Alert) -> Option<Change> {
        if alert.state != State::Open || self.judged.is_muted {
            return None;
        }
        if alert.told_at.is_none() {
            return Some(Change::Tell { id: alert.id, messages: self.messages(alert.site) });
        }
        let after = Duration::from_secs(u64::from(self.judged.rule.escalate_minutes?) * 60);
        let is_late = alert.escalated_at.is_none() && self.now - alert.opened_at >= after;
        is_late.then(|| Change::Escalate { id: alert.id, messages: self.to_owners() })
    }

    fn gone(&self, alert: &Alert) -> Option<Change> {
        let Some(since) = alert.clear_since else { return Some(Change::Clearing(alert.id)) };
        let must_last = CLEAR_AFTER * alert.count.clamp(1, CLEAR_TIMES_MAX);
        let good_until = self.now + GOOD_FOR;
        (self.now - since >= must_last).then_some(Change::Resolve { id: alert.id, good_until })
    }

    fn messages(&self, site: Option<Uuid>) -> Vec<NewMessage> {
        let rule = &self.judged.rule;
        let kind = self.judged.kind;
        let wants = |person: &&Person| wants(person, kind, rule.severity) && may_see(&person.sites, kind, site);
        self.people.iter().filter(wants).flat_map(|person| self.to(person, rule.by_sms, rule.by_email)).collect()
    }

    /// To every owner on every way, whatever they want to be told: it is theirs, and nobody minds it.
    fn to_owners(&self) -> Vec<NewMessage> {
        let owners = self.people.iter().filter(|person| person.role == Role::Owner);
        owners.flat_map(|person| self.to(person, true, true)).collect()
    }

    /// On the ways of the rule; where none of them leads to that person, on the other one.
    fn to(&self, person: &Person, by_sms: bool, by_email: bool) -> Vec<NewMessage> {
        let can_sms = self.ways.sms && person.phone.is_some();
        let can_email = self.ways.email && person.email.is_some();
        let is_told = by_sms || by_email;
        let sms = can_sms && (by_sms || is_told && !can_email);
        let email = can_email && (by_email || is_told && !can_sms);
        let channels = [sms.then_some(Channel::Sms), email.then_some(Channel::Email)];
        let message = |channel| NewMessage { person: person.id, channel, expires_at: self.now + GOOD_FOR };
        channels.into_iter().flatten().map(message).collect()
    }
}

/// Whether somebody wants to be told, and may know it.
pub(super) fn wants(person: &Person, kind: Kind, severity: Severity) -> bool {
    let wanted = match person.wish {
        Wish::Unsaid => person.role == Role::Owner && severity == Severity::Critical,
        Wish::Nothing => false,
        Wish::From(least) => severity >= least,
    };
    wanted && person.role.may(kind.needs())
}

#[cfg(test)]
mod tests {
    use shared::staff::SiteScope;

    use super::super::observe::tests::{at, place};
    use super::*;

    const BOTH: Ways = Ways { sms: true, email: true };

    fn person(number: u128, role: Role, wish: Wish) -> Person {
        Person {
            id: Uuid::from_u128(number),
            role,
            email: "a@example.org".parse().ok(),
            phone: "0712345678".parse().ok(),
            wish,
            sites: SiteScope::All,
        }
    }

    fn finding(subject: &str, raises: bool) -> Finding {
        Finding { subject: subject.into(), site: None, title: "It is bad".into(), lines: Vec::new(), raises }
    }

    fn judged(kind: Kind, findings: Option<Vec<Finding>>) -> Judged {
        Judged { kind, rule: Rule::of(kind), is_muted: false, findings }
    }

    fn alert(kind: Kind, subject: &str, state: State) -> Alert {
        let acknowledged = (state == State::Acknowledged).then(|| ("me@example.org".into(), at(0)));
        Alert {
            id: Uuid::from_u128(7),
            kind,
            subject: subject.into(),
            site: None,
            title: "It is bad".into(),
            lines: Vec::new(),
            severity: Severity::Critical,
            state,
            count: 1,
            first_seen_at: at(0),
            last_seen_at: at(0),
            opened_at: at(0),
            told_at: Some(at(0)),
            clear_since: None,
            acknowledged,
            note: String::new(),
            escalated_at: None,
            resolved_at: (state == State::Resolved).then(|| at(0)),
        }
    }

    /// What follows, in a word each.
    fn words(present: &[Alert], judged: &Judged, since: &mut BTreeMap<String, i64>, seconds: i64) -> Vec<&'static str> {
        let people = [person(1, Role::Owner, Wish::From(Severity::Warning))];
        let changes = decide(present, std::slice::from_ref(judged), &people, BOTH, since, at(seconds));
        let word = |change: &Change| match change {
            Change::Open { .. } => "open",
            Change::Reopen { .. } => "reopen",
            Change::Seen { .. } => "seen",
            Change::Clearing(_) => "clearing",
            Change::Resolve { .. } => "resolve",
            Change::Tell { .. } => "tell",
            Change::Escalate { .. } => "escalate",
        };
        changes.iter().map(word).collect()
    }

    #[test]
    fn what_follows_is_what_the_table_says() {
        let kind = Kind::DiskSpace;
        let open = || vec![alert(kind, "/", State::Open)];
        let clearing = |seconds| vec![Alert { clear_since: Some(at(seconds)), ..alert(kind, "/", State::Open) }];
        let back = |count| vec![Alert { count, clear_since: Some(at(0)), ..alert(kind, "/", State::Acknowledged) }];
        for (present, found, seconds, expected) in [
            (vec![], Some(vec![finding("/", true)]), 0, vec!["open", "tell"]),
            (vec![], Some(vec![finding("/", false)]), 0, vec![]),
            (vec![], Some(vec![]), 0, vec![]),
            (vec![], None, 0, vec![]),
            (vec![alert(kind, "/", State::Resolved)], Some(vec![finding("/", true)]), 60, vec!["reopen", "tell"]),
            (vec![alert(kind, "/tmp", State::Resolved)], Some(vec![finding("/", true)]), 60, vec!["open", "tell"]),
            (open(), Some(vec![finding("/", true)]), 60, vec!["seen"]),
            (open(), Some(vec![finding("/", false)]), 60, vec!["seen"]),
            (open(), Some(vec![finding("/", true), finding("/tmp", true)]), 60, vec!["seen", "open", "tell"]),
            (open(), Some(vec![]), 60, vec!["clearing"]),
            (open(), None, 60, vec![]),
            (clearing(0), Some(vec![]), 119, vec![]),
            (clearing(0), Some(vec![]), 120, vec!["resolve"]),
            (clearing(0), Some(vec![finding("/", true)]), 120, vec!["seen"]),
            (back(3), Some(vec![]), 359, vec![]),
            (back(3), Some(vec![]), 360, vec!["resolve"]),
            (back(99), Some(vec![]), 719, vec![]),
            (back(99), Some(vec![]), 720, vec!["resolve"]),
        ] {
            let judged = judged(kind, found);
            assert_eq!(words(&present, &judged, &mut BTreeMap::new(), seconds), expected, "{present:?} {judged:?}");
        }
    }

    #[test]
    fn what_must_last_is_raised_when_it_has() {
        let (kind, mut since) = (Kind::RadiusdAway, BTreeMap::new());
        let away = judged(kind, Some(vec![finding("radiusd", true)]));
        assert!(words(&[], &away, &mut since, 0).is_empty());
        assert!(words(&[], &away, &mut since, 59).is_empty());
        assert_eq!(words(&[], &away, &mut since, 60), ["open", "tell"]);
        assert!(words(&[], &judged(kind, Some(vec![])), &mut since, 61).is_empty());
        assert!(words(&[], &away, &mut since, 62).is_empty(), "it begins anew");
        assert!(words(&[], &judged(kind, None), &mut since, 70).is_empty());
        assert_eq!(words(&[], &away, &mut since, 122), ["open", "tell"], "what is not known interrupts nothing");
    }

    #[test]
    fn people_are_told_later_what_was_muted_and_owners_what_nobody_minds() {
        let kind = Kind::DiskSpace;
        let found = judged(kind, Some(vec![finding("/", true)]));
        let muted = Judged { is_muted: true, ..found.clone() };
        let untold = [Alert { told_at: None, ..alert(kind, "/", State::Open) }];
        let mut since = BTreeMap::new();
        assert_eq!(words(&[], &muted, &mut since, 0), ["open"]);
        assert_eq!(words(&untold, &muted, &mut since, 9_999), ["seen"]);
        assert_eq!(words(&untold, &found, &mut since, 60), ["seen", "tell"]);
        for (state, escalated, seconds, expected) in [
            (State::Open, false, 3599, false),
            (State::Open, false, 3600, true),
            (State::Open, true, 9_999, false),
            (State::Acknowledged, false, 9_999, false),
        ] {
            let present = [Alert { escalated_at: escalated.then(|| at(60)), ..alert(kind, "/", state) }];
            let follows = words(&present, &found, &mut since, seconds).contains(&"escalate");
            assert_eq!(follows, expected, "{state:?} {seconds}");
        }
        let rule = Rule { escalate_minutes: None, ..Rule::of(kind) };
        let never = Judged { rule, ..found };
        assert_eq!(words(&[alert(kind, "/", State::Open)], &never, &mut since, 99_999), ["seen"]);
    }

    #[test]
    fn a_round_raises_only_so_many_of_a_kind() {
        let many = (0..50).map(|number| finding(&number.to_string(), true)).collect();
        let follows = words(&[], &judged(Kind::DiskSpace, Some(many)), &mut BTreeMap::new(), 0);
        assert_eq!(follows.iter().filter(|word| **word == "open").count(), RAISED_AT_ONCE);
    }

    #[test]
    fn who_is_told_is_who_wants_it_and_may_know_it() {
        use Severity::{Critical, Info, Warning};
        for (role, wish, kind, severity, expected) in [
            (Role::Owner, Wish::Unsaid, Kind::DiskSpace, Critical, true),
            (Role::Owner, Wish::Unsaid, Kind::DiskSpace, Warning, false),
            (Role::Manager, Wish::Unsaid, Kind::DiskSpace, Critical, false),
            (Role::Owner, Wish::Nothing, Kind::DiskSpace, Critical, false),
            (Role::Support, Wish::From(Warning), Kind::DiskSpace, Warning, true),
            (Role::Support, Wish::From(Warning), Kind::DiskSpace, Info, false),
            (Role::Cashier, Wish::From(Info), Kind::MoneyUnmatched, Critical, false),
            (Role::Accountant, Wish::From(Info), Kind::MoneyUnmatched, Critical, true),
            (Role::Accountant, Wish::From(Info), Kind::VoucherGuessing, Critical, false),
        ] {
            let told = wants(&person(1, role, wish), kind, severity);
            assert_eq!(told, expected, "{role} {wish:?} {kind:?} {severity}");
        }
    }

    #[test]
    fn who_is_limited_to_sites_is_told_of_these_and_of_what_is_about_all() {
        let here = place(1).expect("a site");
        let sites = SiteScope::Only(vec![here.id]);
        let limited = Person { sites, ..person(1, Role::Support, Wish::From(Severity::Info)) };
        for (kind, site, expected) in [
            (Kind::DiskSpace, None, true),
            (Kind::RouterUnheard, None, false),
            (Kind::RouterUnheard, place(1), true),
            (Kind::RouterUnheard, place(2), false),
        ] {
            let found = Finding { site: site.clone(), ..finding("x", true) };
            let judged = judged(kind, Some(vec![found]));
            let people = [limited.clone()];
            let changes = decide(&[], &[judged], &people, BOTH, &mut BTreeMap::new(), at(0));
            let told =
                changes.iter().any(|change| matches!(change, Change::Tell { messages, .. } if !messages.is_empty()));
            assert_eq!(told, expected, "{kind:?} {site:?}");
        }
    }

    #[test]
    fn people_are_told_on_the_ways_of_the_rule_and_else_on_the_one_that_there_is() {
        use Channel::{Email, Sms};
        let whole = person(1, Role::Owner, Wish::Unsaid);
        let no_phone = Person { phone: None, ..whole.clone() };
        let judged = judged(Kind::DiskSpace, None);
        for (person, ways, by_sms, by_email, expected) in [
            (&whole, BOTH, true, true, vec![Sms, Email]),
            (&whole, BOTH, false, true, vec![Email]),
            (&whole, BOTH, true, false, vec![Sms]),
            (&whole, BOTH, false, false, vec![]),
            (&no_phone, BOTH, true, false, vec![Email]),
            (&whole, Ways { sms: true, email: false }, false, true, vec![Sms]),
            (&no_phone, Ways { sms: true, email: false }, true, true, vec![]),
        ] {
            let round = Round { judged: &judged, people: &[], ways, now: at(0) };
            let channels: Vec<Channel> = round.to(person, by_sms, by_email).iter().map(|m| m.channel).collect();
            assert_eq!(channels, expected, "{by_sms} {by_email}");
        }
    }
}
