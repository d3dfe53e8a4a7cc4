//! Alerts: what goes wrong is noticed, told to whoever minds the place, and over when its cause is.
//!
//! ```text
//!  database, radiusd's metrics, disks ──► observe ──► rules (a file each) ──► decide ──► store::alert::apply
//!                                                                               ▲              │ one transaction
//!                                             what is open, what is remembered ─┘              ▼
//!                       desk, banner ◄── standing ◄── alerts                 messages ──► deliver ──► SMS, e-mail
//! ```
//!
//! * [`observe`] – asks for all facts of a round; [`told`] reads radiusd's metrics, [`disk`] looks at file systems;
//! * [`rules`] – what each kind is judged by, as functions of facts and numbers;
//! * [`decide`] – what follows: raised, seen again, over, told, escalated. A function too;
//! * [`deliver`] – sends what waits in the outbox, many at once as one;
//! * [`standing`] – what every page of the desk shows; [`blackout`] – PostgreSQL is away, so nothing of the above works.
//!
//! One portal at a time looks, every [`EVERY`]: the turn is a row in PostgreSQL. Each portal looks at [`standing`] and at its own disks for
//! itself.
//!
//! Refused here: acting on what is seen. Nothing is locked, cut or restarted by an alert.

mod blackout;
mod decide;
pub(crate) mod deliver;
mod disk;
mod observe;
pub(crate) mod rules;
pub(crate) mod standing;
mod told;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::alert::Kind;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::alert;

use self::blackout::Blackout;
use self::decide::{Judged, Ways};
use self::standing::Standing;
use crate::App;

/// How often it is looked.
pub(crate) const EVERY: Duration = Duration::from_secs(20);
/// What comes back within so long after it was over is the same alert, raised again.
const REOPEN_WITHIN: Duration = Duration::from_secs(30 * 60);
/// The same of what is looked at by the hour: findings that are not further apart are one.
const REOPEN_HOURLY_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// What this process knows of alerts.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    /// What pages show.
    pub(crate) standing: Standing,
    blackout: Blackout,
    /// When it has told of its own disks last: seconds of the Unix epoch.
    disks_told_at: AtomicI64,
}

/// What is remembered from one round to the next, by whichever portal looks then. What a newer program remembers besides is dropped.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Since when something holds, by kind and subject; seconds of the Unix epoch.
    since: BTreeMap<String, i64>,
    /// Wrong guesses by router as each radiusd counted them, by when that one started.
    counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// Whether radiusd has answered one of us: else it may be where no portal reaches it.
    radiusd_heard: bool,
    /// When the books were proved last, and what was found.
    ledger_proved_at: i64,
    ledger_unbalanced: u64,
}

/// One look: what pages show, and, if it is this portal's turn, all the rest.
///
/// # Errors
/// When PostgreSQL does not answer; who must be told of that is told without it.
pub(crate) async fn look(app: &App) -> Result<(), StoreError> {
    let looked = round(app).await;
    let is_away = matches!(&looked, Err(error) if error.is_unavailable());
    blackout::note(app, is_away).await;
    looked
}

/// Reads anew what pages show: after a change at the desk, and with every look.
pub(crate) async fn refresh(app: &App) -> Result<(), StoreError> {
    // Nothing was over after now: what is not over is left.
    let present = alert::present(&app.db, app.clock.now()).await?;
    app.metrics.show_alerts(&present);
    app.alerts.standing.show(&present);
    Ok(())
}

/// Every portal knows whom to tell if PostgreSQL goes away.
async fn remember(app: &App) -> Result<(), StoreError> {
    let uptime = app.clock.monotonic();
    if app.alerts.blackout.is_stale(uptime) {
        let rule = alert::rules::all(&app.db).await?.remove(&Kind::DatabaseAway);
        app.alerts.blackout.remember(alert::rules::people(&app.db).await?, rule, uptime);
    }
    Ok(())
}

/// Each portal tells how its own disks stand: as often as somebody judges, and not with every look, since it is a write.
async fn tell_disks(app: &App, now: OffsetDateTime) -> Result<(), StoreError> {
    let (told_at, at) = (&app.alerts.disks_told_at, now.unix_timestamp());
    if (at - told_at.load(Ordering::Relaxed)).unsigned_abs() >= EVERY.as_secs() {
        disk::note(app, now).await?;
        told_at.store(at, Ordering::Relaxed);
    }
    Ok(())
}

/// How long after it was over an alert of that kind is raised again.
fn reopen_within(kind: Kind) -> Duration {
    match kind {
        Kind::DemandUnusual | Kind::LoginBurst | Kind::CapacityNear => REOPEN_HOURLY_WITHIN,
        _ => REOPEN_WITHIN,
    }
}

async fn round(app: &App) -> Result<(), StoreError> {
    refresh(app).await?;
    remember(app).await?;
    let now = app.clock.now();
    tell_disks(app, now).await?;
    let Some(turn) = alert::take_turn(&app.db, now, EVERY).await? else { return Ok(()) };
    let mut memory: Memory = serde_json::from_value(turn.memory).unwrap_or_default();
    let rules = alert::rules::all(&app.db).await?;
    let mutes = alert::rules::mutes(&app.db, now).await?;
    let people = alert::rules::people(&app.db).await?;
    let mut present = alert::present(&app.db, now - REOPEN_HOURLY_WITHIN).await?;
    present.retain(|alert| alert.resolved_at.is_none_or(|over| over > now - reopen_within(alert.kind)));
    let observed = observe::observe(app, &rules, &present, &mut memory, now).await?;
    let judged: Vec<Judged> = rules
        .iter()
        .map(|(kind, rule)| Judged {
            kind: *kind,
            rule: *rule,
            is_muted: mutes.contains_key(kind),
            // What is switched off is not looked at, and what is open of it ends.
            findings: if rule.is_on { rules::judge(*kind, &observed, rule) } else { Some(Vec::new()) },
        })
        .collect();
    let ways = Ways { sms: app.sms.is_some(), email: app.email.is_some() };
    let changes = decide::decide(&present, &judged, &people, ways, &mut memory.since, now);
    let memory = serde_json::to_value(&memory).unwrap_or_default();
    let Some(raised) = alert::apply(&app.db, turn.holder, &changes, &memory, now).await? else {
        tracing::debug!("another portal has taken the turn to look for alerts");
        return Ok(());
    };
    for kind in &raised {
        tracing::warn!(kind = kind.as_str(), "an alert is raised");
        app.metrics.alerts_raised.with_label_values(&[kind.as_str()]).inc();
    }
    if changes.is_empty() { Ok(()) } else { refresh(app).await }
}
