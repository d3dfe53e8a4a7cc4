//! The RADIUS server: it answers routers from memory, records what they report, and makes access end on time.
//!
//! ```text
//!  router ──UDP──▶ listen ──▶ pipeline ──▶ access ──▶ directory, policy ──▶ reply
//!                                │                        ▲
//!                                ├──▶ accounting ──▶ journal ──▶ PostgreSQL ──▶ acknowledgement
//!                                └──▶ status              │ feed (directory_changes + NOTIFY)
//!  router ◀──UDP── dynauth ◀── deadline (cutoff_at, nas_commands) ◀── PostgreSQL
//!  router ◀──REST── routeros ◀─┘ where that is not enough
//! ```
//!
//! [`run`] starts the parts and stops them in order. Where to go on: [`pipeline`] has one datagram's whole path
//! on a screen; [`policy`] decides who gets in; [`journal`] keeps the promise that an acknowledged record is
//! durable; [`deadline`] and [`dynauth`] keep the promise that access ends.
//!
//! What it refuses to do: wait for the network while it authenticates, acknowledge what is not safe, or trust
//! anything in a packet but its source address before the secret has proved it.

pub mod access;
pub mod accounting;
mod admin;
mod administrators;
pub mod client;
mod deadline;
pub mod directory;
mod dynauth;
mod ghosts;
mod guard;
pub mod harness;
mod journal;
mod keys;
mod lifecycle;
mod lines;
mod listen;
mod logins;
pub mod metrics;
mod pipeline;
pub mod policy;
pub mod radsec;
mod refusals;
mod road;
pub mod routeros;
mod strangers;
mod throttle;
pub mod ticket;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use shared::config::Config;
use shared::time::Clock;
use store::Db;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::administrators::Administrators;
use crate::client::Registry;
use crate::directory::Directory;
use crate::lifecycle::{Health, Ready};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;

/// Runs the server until `shutdown`, then drains: no new datagrams, what is in the journal is committed and
/// answered, then the rest stops.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let clock = Clock::system();
    let metrics = Metrics::new().context("metrics")?;
    let seal = Arc::new(config.secrets.seal()?);
    let db = Db::open(&config.database, Arc::clone(&seal))?;
    let directory = Arc::new(Directory::new());
    let clients = Arc::new(ArcSwap::from_pointee(Registry::default()));
    let administrators = Arc::new(ArcSwap::from_pointee(Administrators::default()));
    let health = Arc::new(Health::default());

    // Ports are taken first, so that a second server on this machine is told at once.
    let listeners = listen::bind(&config.radius)?;
    let radsec = match &config.radsec {
        Some(settings) => Some(radsec::Server::bind(settings, &clock, &metrics).await?),
        None => None,
    };
    let routeros = routeros::RouterOs::new(config.radius.routeros_ca_file.as_deref(), metrics.clone())?;
    let admin = admin::bind(config.radius.admin_listen).await?;
    let background = TaskTracker::new();
    let stop_background = CancellationToken::new();
    let feed = directory::feed::Feed {
        db: db.clone(),
        clock: clock.clone(),
        directory: Arc::clone(&directory),
        clients: Arc::clone(&clients),
        administrators: Arc::clone(&administrators),
        health: Arc::clone(&health),
        metrics: metrics.clone(),
    };
    let strangers = Arc::new(strangers::Strangers::new());
    let shown = admin::Admin {
        health: Arc::clone(&health),
        metrics: metrics.clone(),
        db: db.clone(),
        strangers: Arc::clone(&strangers),
        clients: Arc::clone(&clients),
    };
    background.spawn(admin::serve(admin.0, shown, stop_background.clone()));
    let Some(position) = feed.load(&shutdown).await? else { return Ok(()) };
    let vital =
        Vital { failed: CancellationToken::new(), tracker: background.clone(), stopping: CancellationToken::new() };
    vital.spawn("the directory's feed", feed.follow(position, stop_background.clone()));

    let duplicates = pipeline::Duplicates::new();
    let (logins, login_writer) = logins::start(db.clone(), metrics.clone(), stop_background.clone());
    let (refusals, refusal_writer) =
        refusals::start(db.clone(), clock.clone(), metrics.clone(), stop_background.clone());
    let interim = Duration::from_secs(u64::from(config.radius.interim_seconds));
    let lines = Arc::new(lines::Lines::new(interim));
    let journal = journal::Journal::start(
        &config.accounting,
        db.clone(),
        clock.clone(),
        Arc::clone(&directory),
        Arc::clone(&lines),
        metrics.clone(),
        Arc::clone(&duplicates),
    )?;
    vital.spawn("the writer of logins", login_writer);
    vital.spawn("the writer of refusals", refusal_writer);
    let (live, replies) = radsec::Live::new(metrics.clone());
    let (reached, over_tls) = (Arc::clone(&clients), (Arc::clone(&live), replies));
    let by_rest = Arc::new(routeros);
    let (commands, clerk) =
        dynauth::start(db.clone(), clock.clone(), reached, metrics.clone(), interim, over_tls, by_rest).await?;
    vital.spawn("the sender of commands", commands.run(stop_background.clone()));
    vital.spawn("the clerk of commands", clerk.run(stop_background.clone()));
    vital.spawn("the deadlines", deadline::run(db.clone(), clock.clone(), stop_background.clone()));
    let history = upkeep::History::from(&config.accounting);
    let silence = interim.mul_f32(ghosts::SILENT_INTERVALS);
    let upkeep = upkeep::run(db.clone(), clock.clone(), metrics.clone(), history, silence, stop_background.clone());
    vital.spawn("the upkeep", upkeep);
    let ghosts = ghosts::Ghosts {
        db: db.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        journal: journal.standing(),
        lines,
        interim,
    };
    vital.spawn("the closing of ghosts", ghosts.run(stop_background.clone()));
    background.spawn(client::flush_last_seen(
        db.clone(),
        clock.clone(),
        Arc::clone(&clients),
        metrics.clone(),
        stop_background.clone(),
    ));

    background.spawn(keys::say(db.clone(), clock.clone(), stop_background.clone()));

    let (guard, news) = guard::Guard::new(config.radius.lock_after, Arc::clone(&seal));
    let guard = Arc::new(guard);
    let sharing = guard::share::Sharing {
        guard: Arc::clone(&guard),
        redis: store::redis::Redis::open(&config.redis)?,
        db: db.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        news,
    };
    vital.spawn("the sharing of locks", sharing.run(stop_background.clone()));
    let pipeline = Arc::new(Pipeline {
        guard,
        settings: config.radius.clone(),
        db: db.clone(),
        clock,
        clients,
        administrators,
        directory,
        logins,
        refusals,
        journal: journal.entrance(),
        metrics,
        duplicates,
        throttle: throttle::Throttle::default(),
        strangers,
        lookups: tokio::sync::Semaphore::new(access::MAX_LOOKUPS),
        delayed: Arc::new(tokio::sync::Semaphore::new(pipeline::MAX_DELAYED_REJECTS)),
    });
    let ready = Ready {
        auth: listeners.auth_address(),
        acct: listeners.acct_address(),
        admin: admin.1,
        radsec: radsec.as_ref().map(radsec::Server::address),
    };
    let stop_listening = CancellationToken::new();
    let readers = listeners.start(&pipeline, config.radius.workers, &stop_listening);
    let stop = radsec::Stop { listening: stop_listening.clone(), answered: stop_background.clone() };
    let streams = radsec.map(|server| server.start(&pipeline, &live, &stop, &background)).transpose()?;
    health.set_listening();
    lifecycle::announce(&ready)?;

    tokio::select! {
        () = shutdown.cancelled() => {}
        () = vital.failed.cancelled() => {}
        () = journal.failed() => vital.failed.cancel(),
        () = readers.wait() => vital.failed.cancel(),
    }
    vital.stopping.cancel();
    tracing::info!("stopping: no new requests; committing what was received");
    lifecycle::stopping();
    stop_listening.cancel();
    readers.wait().await;
    if let Some(streams) = streams {
        streams.wait().await;
    }
    drop(pipeline);
    journal.drain().await;
    stop_background.cancel();
    background.close();
    if tokio::time::timeout(lifecycle::STOP_PATIENCE, background.wait()).await.is_err() {
        tracing::warn!("some background work did not stop in time");
    }
    db.close().await;
    anyhow::ensure!(
        !vital.failed.is_cancelled(),
        "a part of the server has failed; its reason stands in the log above"
    );
    tracing::info!("stopped");
    Ok(())
}

/// Tasks without which the server only seems to work: when one ends before it is told to, the whole server stops and
/// is started again by whoever watches it.
struct Vital {
    failed: CancellationToken,
    tracker: TaskTracker,
    /// From here on an end is no failure.
    stopping: CancellationToken,
}

impl Vital {
    fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let (failed, stopping) = (self.failed.clone(), self.stopping.clone());
        let task = tokio::spawn(work);
        self.tracker.spawn(async move {
            let ended = task.await;
            if ended.is_err() || !stopping.is_cancelled() {
                tracing::error!(task = name, error = ?ended.err(), "a vital part ended by itself");
                failed.cancel();
            }
        });
    }
}
