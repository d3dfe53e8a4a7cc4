//! The sender's clerk: everything about commands that waits for PostgreSQL, so that the sender never does.
//!
//! ```text
//! nas_commands ──claim──▶ clerk ──commands──▶ sender ──▶ routers
//!      ▲                    ▲                    │
//!      └───record, close────┴──────notes─────────┘
//! ```
//!
//! Notes are written down together: as many as have come while the last ones were being written. So is what looks [`super::by_rest`]
//! have found.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use shared::entitlement::Entitlement;
use shared::mac::Mac;
use shared::time::{Clock, OffsetDateTime};
use store::command::{self, Again, Answer, Answered, Command, Kind};
use store::{Channel, Db, Listener, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::by_rest::{ByRest, Finding, Outcome};
use super::verdict::{self, Gone, is_gone};
use super::{SILENT_PAUSE, Target, asked_by, request};
use crate::client::Registry;
use crate::metrics::Metrics;
use crate::policy::{self, Grant, Moment, Standing, Terms};

/// Without a hint, look for commands this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Commands claimed at once.
const AT_ONCE: u32 = 512;
/// Commands in the sender's hands at most.
pub(super) const MAX_HELD: usize = 16_384;
/// Notes written down together at most.
const NOTES_AT_ONCE: usize = 1024;
/// A claimed command belongs to this server for longer than it may be held ([`super::windows`]) and all ways to its router
/// take (39 s).
const LEASE: Duration = Duration::from_secs(45);
/// Longest wait for PostgreSQL.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the sender has to say of a command.
#[derive(Debug)]
pub(super) enum Note {
    /// What its router answered, or that it did not.
    Answered(Box<Command>, Answer),
    /// There is no way to its router.
    NoWay(Box<Command>),
    /// It was not sent, and may be claimed again after so long.
    NotSent(Uuid, Duration),
    /// It was not sent, because its router answers nothing at the moment.
    Silent(Box<Command>),
    /// It is being sent to a router that answered nothing the last time. What becomes of that is told by another note.
    Doubtful(Box<Command>),
}

/// What the sender has in hand, for the clerk to see what it may claim.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Routers for which nothing more can be taken.
    busy: Mutex<HashSet<Target>>,
    held: AtomicUsize,
    freed: Notify,
}

impl Room {
    /// Whether more can be taken for this router.
    pub(super) fn set_busy(&self, target: Target, busy: bool) {
        let mut all = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy {
            all.insert(target);
        } else if all.remove(&target) {
            self.freed.notify_one();
        }
    }

    /// How many commands the sender has.
    pub(super) fn set_held(&self, held: usize) {
        let before = self.held.swap(held, Ordering::Relaxed);
        if before >= MAX_HELD && held < MAX_HELD {
            self.freed.notify_one();
        }
    }

    fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= MAX_HELD
    }

    fn busy(&self) -> Vec<Target> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// The clerk.
pub(crate) struct Clerk {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) clients: Arc<ArcSwap<Registry>>,
    pub(super) metrics: Metrics,
    /// A session that was not heard of for so long may well be gone.
    pub(super) silence: Duration,
    pub(super) room: Arc<Room>,
    pub(super) by_rest: ByRest,
    pub(super) commands: mpsc::Sender<Vec<Command>>,
    pub(super) notes: mpsc::Receiver<Note>,
}

impl Clerk {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut listener, mut notes, mut found, mut look_at) = (None, Vec::new(), Vec::new(), Duration::ZERO);
        while !stop.is_cancelled() {
            let wait = look_at.saturating_sub(self.clock.monotonic());
            tokio::select! {
                () = stop.cancelled() => {}
                _ = self.notes.recv_many(&mut notes, NOTES_AT_ONCE) => {}
                () = self.by_rest.findings(&mut found) => {}
                () = hint(&mut listener) => look_at = Duration::ZERO,
                () = self.room.freed.notified() => look_at = Duration::ZERO,
                () = tokio::time::sleep(wait) => {}
            }
            self.write_down(&mut notes).await;
            self.write_down_found(&mut found).await;
            let now = self.clock.monotonic();
            if now < look_at {
                continue;
            }
            if self.room.is_full() {
                look_at = now + LOOK_EVERY;
                continue;
            }
            look_at = match within("claiming commands", self.claim(&mut listener)).await {
                // There may be more.
                Ok(claimed) if claimed == AT_ONCE as usize => now,
                Ok(_) => now + LOOK_EVERY,
                Err(error) => {
                    tracing::debug!(%error, "commands to routers wait for PostgreSQL");
                    listener = None;
                    now + LOOK_EVERY
                }
            };
        }
        // The sender's last words: it gives back what it has not sent.
        while self.notes.recv_many(&mut notes, NOTES_AT_ONCE).await > 0 {
            self.write_down(&mut notes).await;
        }
    }

    async fn claim(&mut self, listener: &mut Option<Listener>) -> Result<usize, StoreError> {
        if listener.is_none() {
            *listener = Some(self.db.listen(&[Channel::Commands]).await?);
        }
        let mut commands = command::claim(&self.db, self.clock.now(), LEASE, AT_ONCE, &self.room.busy()).await?;
        let count = commands.len();
        if commands.iter().any(|command| command.kind == Kind::Change) {
            // Changes that cannot be decided wait for their lease; cuts do not.
            if let Err(error) = self.decide(&mut commands).await {
                tracing::warn!(%error, "what sessions may from now on could not be read");
                commands.retain(|command| command.kind == Kind::Disconnect);
            }
        }
        let commands = self.look_first(commands);
        if !commands.is_empty() && self.commands.send(commands).await.is_err() {
            tracing::debug!("the sender of commands has stopped; their lease brings them back");
        }
        Ok(count)
    }

    /// A cut that was acknowledged and that nothing has proved in time is looked for by REST, where that can be done, before the router
    /// is asked for it again. Returns the commands to send now.
    fn look_first(&mut self, commands: Vec<Command>) -> Vec<Command> {
        let clients = self.clients.load();
        let by_rest = &mut self.by_rest;
        let to_send = commands.into_iter().filter_map(|command| match clients.by_id(command.nas) {
            Some(client) if command.acknowledged => {
                by_rest.look(client, Box::new(command), true).map(|command| *command)
            }
            _ => Some(command),
        });
        to_send.collect()
    }

    /// Decides what the sessions of changes may from now on, as of now: what PostgreSQL says, not what memory has heard of. Where
    /// access is over there is nothing to change: the cut follows by itself.
    async fn decide(&self, commands: &mut Vec<Command>) -> Result<(), StoreError> {
        let changes = || commands.iter().filter(|command| command.kind == Kind::Change);
        let mut ids: Vec<Uuid> = changes().filter_map(|command| command.entitlement).collect();
        ids.sort_unstable();
        ids.dedup();
        let entries = store::directory::read(&self.db, &ids).await?;
        let now = self.clock.now();
        let (clients, mut needless) = (self.clients.load(), Vec::new());
        commands.retain_mut(|command| {
            if command.kind == Kind::Disconnect {
                return true;
            }
            let here = clients.by_id(command.nas).map_or(now, |client| client.here(now));
            let entry = command.entitlement.and_then(|id| entries.iter().find(|entry| entry.entitlement.id == id));
            let grant = entry.and_then(|entry| grant(&entry.entitlement, command.mac, here));
            command.limits = grant.map(|grant| Box::new(request::limits(&grant, &command.reported, now)));
            if command.limits.is_none() {
                needless.push((command.id, command.generation));
            }
            command.limits.is_some()
        });
        if needless.is_empty() { Ok(()) } else { command::abandon_changes(&self.db, &needless).await }
    }

    /// Writes down what became of commands. What cannot be written is forgotten: its lease brings the command back, so
    /// nothing is lost but time.
    async fn write_down(&mut self, notes: &mut Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let (mut answers, mut not_sent) = (Vec::new(), HashMap::<Duration, Vec<Uuid>>::new());
        let (mut gone, mut stuck) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Answered(command, answer) => match self.believed_gone(&command, answer, now) {
                    Some(silent_since) => gone.push((command, answer, silent_since)),
                    None => answers.push((self.settle(&command, answer), command)),
                },
                Note::NoWay(command) => answers.push((self.cannot_reach(&command), command)),
                Note::NotSent(command, pause) => not_sent.entry(pause).or_default().push(command),
                Note::Silent(command) => {
                    not_sent.entry(SILENT_PAUSE).or_default().push(command.id);
                    stuck.push(command);
                }
                Note::Doubtful(command) => stuck.push(command),
            }
        }
        if !gone.is_empty() {
            answers.extend(self.close(gone, now).await);
        }
        let mut recorded = Vec::with_capacity(answers.len());
        for (answered, command) in answers {
            match answered {
                // A change that the router refuses for good, and does not keep its devices for, is made by logging in again.
                Answered { answer: Answer::Refused { error_cause }, again: Again::IfHeard(_), .. }
                    if command.kind == Kind::Change && !self.keeps(&command) =>
                {
                    self.send_off(&command, error_cause, now).await;
                }
                answered => {
                    recorded.push(answered);
                    if self.is_stuck(&command, &answered) {
                        stuck.push(command);
                    }
                }
            }
        }
        if !recorded.is_empty()
            && let Err(error) = within("recording answers", command::answered(&self.db, &recorded, now)).await
        {
            tracing::warn!(%error, commands = recorded.len(), "what routers answered could not be recorded");
        }
        for (pause, commands) in not_sent {
            self.give_back(&commands, now + pause).await;
        }
        // Last, so that what is found is written after what was answered.
        for command in stuck {
            self.look(command);
        }
    }

    /// Lets a device whose router refuses to change its session log in again.
    async fn send_off(&self, change: &Command, error_cause: Option<u32>, now: OffsetDateTime) {
        let session = change.session;
        tracing::info!(nas = %change.nas, %session, ?error_cause, request = asked_by(change), "the router refuses to change the session: the device is sent off to log in again");
        let sending_off = command::reconnect(&self.db, change.id, session, error_cause, now);
        // The cut is for the request that the change was for.
        if let Err(error) = within("sending a device off", store::trace::scope(change.trace, sending_off)).await {
            tracing::warn!(%error, %session, "a device whose session cannot be changed could not be sent off");
        }
    }

    async fn give_back(&self, commands: &[Uuid], until: OffsetDateTime) {
        let giving = command::give_back(&self.db, commands, until);
        if let Err(error) = within("giving commands back", giving).await {
            tracing::debug!(%error, commands = commands.len(), "commands could not be given back");
        }
    }

    /// Whether CoA has come to its end for now with this command.
    fn is_stuck(&self, command: &Command, answered: &Answered) -> bool {
        let client = self.clients.load().by_id(command.nas).cloned();
        let acknowledged_before = client.is_some_and(|client| client.acknowledges(false));
        verdict::is_stuck(answered.answer, acknowledged_before, answered.again)
    }

    /// Lets a cut be looked for by REST, if its router can be asked there. It goes on by CoA as if nobody looked.
    fn look(&mut self, command: Box<Command>) {
        if let Some(client) = self.clients.load().by_id(command.nas) {
            // Whoever cannot be looked for comes up again by CoA.
            drop(self.by_rest.look(client, command, false));
        }
    }

    /// Closes the sessions that are gone or were taken off, as looks have found. What was not sent for the sake of a look that found
    /// nothing out is sent now.
    async fn write_down_found(&self, found: &mut Vec<Finding>) {
        if found.is_empty() {
            return;
        }
        let now = self.clock.now();
        let (mut gone, mut removed) = (Vec::new(), Vec::new());
        for finding in found.iter() {
            match finding.outcome {
                // Not if the router has spoken of the session since: then it was mistaken, or another one.
                Outcome::Gone { asked } => gone.push((finding.command.session, Some(asked))),
                Outcome::Removed => removed.push(finding.command.session),
                Outcome::Unsettled => {}
            }
        }
        let closing = async {
            let mut closed = store::accounting::end_lost(&self.db, &gone, now).await?;
            closed.extend(store::accounting::end_removed(&self.db, &removed, now).await?);
            Ok::<_, StoreError>(closed)
        };
        let closed: HashSet<Uuid> = match within("closing sessions that were looked for", closing).await {
            Ok(closed) => closed.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "sessions that are gone or were taken off could not be closed");
                HashSet::new()
            }
        };
        let mut back = Vec::new();
        for Finding { command, client, withheld, outcome } in found.drain(..) {
            let is_closed = closed.contains(&command.session);
            self.count_found(&command, &client.name, outcome, is_closed);
            if withheld && !is_closed {
                back.push(command.id);
            }
        }
        if !back.is_empty() {
            self.give_back(&back, now).await;
        }
    }

    fn count_found(&self, command: &Command, nas: &str, outcome: Outcome, is_closed: bool) {
        let (result, reason) = match outcome {
            Outcome::Gone { .. } if is_closed => ("gone", "router_has_no_such_session"),
            // Its Stop may have closed it before us.
            Outcome::Removed => ("removed", "removed"),
            Outcome::Gone { .. } | Outcome::Unsettled => return,
        };
        self.metrics.commands.with_label_values(&[command.kind.as_str(), result]).inc();
        if is_closed {
            self.metrics.stale_closed.with_label_values(&[reason]).inc();
        }
        tracing::info!(nas, session = %command.session, reason = %command.reason, result, request = asked_by(command), "REST has proved a cut");
    }

    /// Whether a device stays as it is when the router refuses to change its session.
    fn keeps(&self, command: &Command) -> bool {
        self.clients.load().by_id(command.nas).is_some_and(|client| client.keeps_on_refused_change())
    }

    fn cannot_reach(&self, command: &Command) -> Answered {
        let kind = command.kind.as_str();
        self.metrics.commands.with_label_values(&[kind, "no_address"]).inc();
        tracing::warn!(session = %command.session, kind, request = asked_by(command), "neither an address nor a connection is known of this session's router: it cannot be told");
        let answer = Answer::Unanswered;
        let again = verdict::again(answer, false, command.attempts, self.silence, self.clock.now());
        Answered { command: command.id, kind: command.kind, generation: command.generation, answer, again }
    }

    /// Whether an answer says that the router does not have the session, and if so, since when it must have been silent for
    /// that to be believed.
    fn believed_gone(&self, command: &Command, answer: Answer, now: OffsetDateTime) -> Option<Option<OffsetDateTime>> {
        let Answer::Refused { error_cause } = answer else { return None };
        let client = self.clients.load().by_id(command.nas).cloned();
        match is_gone(error_cause, client.is_some_and(|client| client.acknowledges(false))) {
            Gone::Surely => Some(None),
            Gone::IfSilent => Some(Some(now - self.silence)),
            Gone::No => None,
        }
    }

    /// Closes the sessions that their routers do not have. Returns the answers of the others, to be recorded.
    async fn close(
        &self,
        gone: Vec<(Box<Command>, Answer, Option<OffsetDateTime>)>,
        now: OffsetDateTime,
    ) -> Vec<(Answered, Box<Command>)> {
        let wish: Vec<_> = gone.iter().map(|(command, _, silent_since)| (command.session, *silent_since)).collect();
        let closing = store::accounting::end_lost(&self.db, &wish, now);
        let closed: HashSet<Uuid> = match within("closing sessions that are gone", closing).await {
            Ok(closed) => closed.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, sessions = wish.len(), "sessions that are gone could not be closed");
                HashSet::new()
            }
        };
        let mut others = Vec::new();
        for (command, answer, _) in gone {
            if closed.contains(&command.session) {
                self.metrics.commands.with_label_values(&[command.kind.as_str(), "gone"]).inc();
                self.metrics.stale_closed.with_label_values(&["router_has_no_such_session"]).inc();
                tracing::info!(nas = %command.nas, session = %command.session, request = asked_by(&command), "the router has no such session: closed at its last report");
            } else {
                others.push((self.settle(&command, answer), command));
            }
        }
        others
    }

    /// Makes of an answer what is to be recorded.
    fn settle(&self, command: &Command, answer: Answer) -> Answered {
        let client = self.clients.load().by_id(command.nas).cloned();
        let nas = client.as_ref().map_or("(removed router)", |client| client.name.as_str());
        let acknowledged_before = client.as_ref().is_some_and(|client| client.acknowledges(false));
        let kind = command.kind.as_str();
        let count = |result: &str| self.metrics.commands.with_label_values(&[kind, result]).inc();
        let again = verdict::again(answer, acknowledged_before, command.attempts, self.silence, self.clock.now());
        match answer {
            Answer::Acknowledged => {
                if let Some(client) = &client {
                    client.acknowledges(true);
                }
                count("ack");
                tracing::info!(nas, session = %command.session, kind, reason = %command.reason, request = asked_by(command), "the router acknowledged the command");
            }
            Answer::Refused { error_cause } => {
                count("nak");
                tracing::warn!(nas, session = %command.session, kind, ?error_cause, request = asked_by(command), "the router refused the command");
                if matches!(again, Again::IfHeard(_)) {
                    tracing::warn!(session = %command.session, ?error_cause, request = asked_by(command), "this refusal will not change");
                }
            }
            Answer::Unanswered => {
                count("timeout");
                tracing::warn!(nas, session = %command.session, kind, request = asked_by(command), "the router did not answer a command");
            }
        }
        Answered { command: command.id, kind: command.kind, generation: command.generation, answer, again }
    }
}

/// What an entitlement grants the device that uses it, here and now.
fn grant(entitlement: &Entitlement, mac: Option<Mac>, here: OffsetDateTime) -> Option<Grant> {
    let terms = Terms::from(entitlement);
    let standing = Standing {
        state: entitlement.state,
        terms: &terms,
        starts_at: entitlement.starts_at.map(Moment::from),
        expires_at: entitlement.expires_at.map(Moment::from),
        used: entitlement.used,
        devices: &entitlement.devices,
        swaps_free_at: entitlement.swaps_free_at.map(Moment::from),
    };
    policy::decide(&standing, mac, here).ok()
}

/// Waits for PostgreSQL, but not longer than [`PATIENCE`].
async fn within<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let too_slow = StoreError::TooSlow { operation, patience: PATIENCE };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(too_slow))
}

/// Waits for the next hint, for ever if there is no listener.
async fn hint(listener: &mut Option<Listener>) {
    match listener {
        Some(open) => {
            if open.next().await.is_err() {
                *listener = None;
            }
        }
        None => std::future::pending().await,
    }
}
