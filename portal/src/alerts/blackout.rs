//! PostgreSQL does not answer: nothing can be judged or written down, and what is sent is said from here.
//!
//! Each portal remembers who is to be told, as it was known when PostgreSQL answered last. When it has been away for as long as the rule
//! says, they are told once, and once more when it is back; several portals agree by way of Redis who says it. If that is away too, each
//! of them does: better two messages than none. Afterwards the alert is written down as over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::alert::{Kind, Rule};
use shared::time::OffsetDateTime;
use store::alert::rules::Person;
use store::alert::{self, Seen};

use super::{decide, deliver};
use crate::App;

/// How old what is remembered may be.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// For how long one portal's word stands for all of them.
const SAID_FOR_SECONDS: u64 = 900;

/// What this process knows of it.
#[derive(Debug, Default)]
pub(super) struct Blackout(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Who was to be told when PostgreSQL answered last.
    people: Vec<Person>,
    /// The rule, as it was then.
    rule: Option<Rule>,
    /// When that was, by the clock that never goes back.
    remembered_at: Option<Duration>,
    /// Since when it has been away, by both clocks.
    since: Option<(Duration, OffsetDateTime)>,
    /// Whether people were told.
    is_told: bool,
}

/// What is to be said.
#[derive(Clone, PartialEq, Eq, Debug)]
enum News {
    /// It is away.
    Away,
    /// It is back, and was away since then.
    Back(OffsetDateTime),
}

impl Blackout {
    /// Whether it is time to remember anew who is to be told.
    pub(super) fn is_stale(&self, uptime: Duration) -> bool {
        self.state().remembered_at.is_none_or(|at| uptime.saturating_sub(at) >= REMEMBERED_FOR)
    }

    /// Remembers who is to be told.
    pub(super) fn remember(&self, people: Vec<Person>, rule: Option<Rule>, uptime: Duration) {
        let mut state = self.state();
        (state.people, state.rule, state.remembered_at) = (people, rule, Some(uptime));
    }

    /// What follows from an answer, or none.
    fn hear(&self, is_away: bool, uptime: Duration, now: OffsetDateTime) -> Option<News> {
        let mut state = self.state();
        if !is_away {
            let (since, was_told) = (state.since.take(), std::mem::take(&mut state.is_told));
            return since.filter(|_| was_told).map(|(_, since)| News::Back(since));
        }
        let (since, _) = *state.since.get_or_insert((uptime, now));
        let rule = state.rule.unwrap_or_else(|| Rule::of(Kind::DatabaseAway));
        let is_due = rule.is_on && !state.is_told && uptime.saturating_sub(since) >= rule.window();
        state.is_told |= is_due;
        is_due.then_some(News::Away)
    }

    fn rule(&self) -> Rule {
        self.state().rule.unwrap_or_else(|| Rule::of(Kind::DatabaseAway))
    }

    fn people(&self) -> Vec<Person> {
        self.state().people.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes how a look went, and says what is to be said.
pub(super) async fn note(app: &App, is_away: bool) {
    let now = app.clock.now();
    let Some(news) = app.alerts.blackout.hear(is_away, app.clock.monotonic(), now) else { return };
    let (name, text) = match &news {
        News::Away => {
            ("away", "The database does not answer. Known customers still get in; nothing is sold.".to_owned())
        }
        News::Back(_) => ("back", "The database answers again.".to_owned()),
    };
    tracing::warn!(state = name, "PostgreSQL's absence is told to those who mind the place");
    if is_ours_to_say(app, name).await {
        say(app, &text, now).await;
    }
    if let News::Back(since) = news {
        write_down(app, since, now).await;
    }
}

async fn is_ours_to_say(app: &App, name: &str) -> bool {
    match app.redis.count_try(&format!("alert:database-{name}"), SAID_FOR_SECONDS).await {
        Ok(tries) => tries.count == 1,
        Err(error) => {
            tracing::warn!(%error, "portals cannot agree who tells of it, so each does");
            true
        }
    }
}

/// Tells everybody who wants to know it, one after the other.
async fn say(app: &App, text: &str, now: OffsetDateTime) {
    let rule = app.alerts.blackout.rule();
    let people = app.alerts.blackout.people();
    for person in people.iter().filter(|person| decide::wants(person, Kind::DatabaseAway, rule.severity)) {
        deliver::at_once(app, person, &rule, text, now).await;
    }
}

/// PostgreSQL is back: it shall know that it was away.
async fn write_down(app: &App, since: OffsetDateTime, now: OffsetDateTime) {
    let seen = Seen {
        site: None,
        title: "The database did not answer".into(),
        lines: Vec::new(),
        severity: app.alerts.blackout.rule().severity,
    };
    match alert::note_past(&app.db, Kind::DatabaseAway, &seen, since, now).await {
        Ok(true) => app.metrics.alerts_raised.with_label_values(&[Kind::DatabaseAway.as_str()]).inc(),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "that PostgreSQL was away is not written down"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::observe::tests::at;
    use super::*;

    #[test]
    fn an_absence_that_lasts_is_told_once_and_its_end_too() {
        let blackout = Blackout::default();
        let hear = |is_away, seconds: u64| {
            blackout.hear(is_away, Duration::from_secs(seconds), at(i64::try_from(seconds).expect("small")))
        };
        assert_eq!(hear(false, 0), None);
        assert_eq!(hear(true, 10), None);
        assert_eq!(hear(true, 69), None);
        assert_eq!(hear(true, 70), Some(News::Away));
        assert_eq!(hear(true, 300), None);
        assert_eq!(hear(false, 310), Some(News::Back(at(10))));
        assert_eq!(hear(false, 320), None);
        assert_eq!(hear(true, 400), None);
        assert_eq!(hear(false, 410), None, "it was too short to be told");
        let off = Rule { is_on: false, ..Rule::of(Kind::DatabaseAway) };
        assert!(blackout.is_stale(Duration::ZERO));
        blackout.remember(Vec::new(), Some(off), Duration::ZERO);
        assert!(!blackout.is_stale(Duration::from_secs(59)) && blackout.is_stale(Duration::from_secs(60)));
        assert_eq!(hear(true, 500), None);
        assert_eq!(hear(true, 900), None, "the rule is off");
    }
}
