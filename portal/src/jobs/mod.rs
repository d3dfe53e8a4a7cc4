//! Work that nobody waits for: reports to be worked on, payments to be asked about, money to be given back, what is kept of
//! payments to be booked, entitlements that ran out, news to be sent, whether M-Pesa fails for everybody, backups to be told of, what was
//! kept long enough to be let go of, alerts to be raised and sent, other programs to be told of what happens, what is done to many, sums by
//! the hour and facts for reports, reports by e-mail, what the next days will bring, who will buy, offers to be told, days to be closed, what is
//! told to accountants' programs and what they have of it, what lines of statements are, invoices for the tax authority.
//!
//! What is to be done stands in PostgreSQL; a job claims some of it under a lease, so that several portals share the
//! work and what a killed one had claimed comes back. A job looks at once when this process has put something there,
//! and otherwise every second or so. It outlives any absence of PostgreSQL, and ends on shutdown after what it has in
//! hand.

pub(crate) mod closing;

use std::sync::Arc;
use std::time::Duration;

use shared::request::RequestId;
use store::books::statement;
use store::{
    StoreError, backup, bulk, campaign, entitlement, facts, fee, idempotency, notification, payment, refund, rollup,
    unmatched, visit, webhook,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::App;
use crate::alerts;
use crate::books;
use crate::notify::email::Email;
use crate::notify::sms::Sms;
use crate::payments::gateway::Gateway;
use crate::payments::mpesa::Mpesa;
use crate::payments::stripe::Stripe;
use crate::payments::{check, report, trouble};
use crate::predictions;
use crate::trace::followed;

/// Most rows of one kind that a process works on side by side; no more are claimed than there are hands free. A hand mostly waits
/// for a provider: where one answer in twenty is lost, each of those holds a hand for as long as an answer may take, and with 16 hands
/// the others came too late.
const SIDE_BY_SIDE: usize = 64;
/// Added to the longest work on one row before another process may take it.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// Pause after a failure, so that a database that comes back is not met by a stampede.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Job {
    Reports,
    Checks,
    CardReports,
    CardChecks,
    Refunds,
    Reversals,
    Fees,
    Expiry,
    Ending,
    News,
    Trouble,
    Backups,
    Retention,
    Alerts,
    AlertMessages,
    Webhooks,
    Cleaning,
    Bulk,
    Sums,
    Facts,
    ReportMails,
    Purchases,
    Campaigns,
    Forecasts,
    Anomalies,
    Closing,
    Postings,
    Comparisons,
    Statements,
    Etims,
}

/// Starts all jobs; they end when `shutdown` is cancelled.
pub(crate) fn start(app: &App, tracker: &TaskTracker, shutdown: &CancellationToken) {
    for job in Job::ALL {
        tracker.spawn(job.run(app.clone(), shutdown.clone()));
    }
}

impl Job {
    const ALL: [Job; 30] = [
        Job::Reports,
        Job::Checks,
        Job::CardReports,
        Job::CardChecks,
        Job::Refunds,
        Job::Reversals,
        Job::Fees,
        Job::Expiry,
        Job::Ending,
        Job::News,
        Job::Trouble,
        Job::Backups,
        Job::Retention,
        Job::Alerts,
        Job::AlertMessages,
        Job::Webhooks,
        Job::Cleaning,
        Job::Bulk,
        Job::Sums,
        Job::Facts,
        Job::ReportMails,
        Job::Purchases,
        Job::Campaigns,
        Job::Forecasts,
        Job::Anomalies,
        Job::Closing,
        Job::Postings,
        Job::Comparisons,
        Job::Statements,
        Job::Etims,
    ];

    fn name(self) -> &'static str {
        match self {
            Job::Reports => "payment_reports",
            Job::Checks => "payment_checks",
            Job::CardReports => "card_reports",
            Job::CardChecks => "card_checks",
            Job::Refunds => "refunds",
            Job::Reversals => "reversals",
            Job::Fees => "fees",
            Job::Expiry => "expiry",
            Job::Ending => "ending",
            Job::News => "news",
            Job::Trouble => "trouble",
            Job::Backups => "backups",
            Job::Retention => "retention",
            Job::Alerts => "alerts",
            Job::AlertMessages => "alert_messages",
            Job::Webhooks => "webhooks",
            Job::Cleaning => "cleaning",
            Job::Bulk => "bulk",
            Job::Sums => "sums",
            Job::Facts => "facts",
            Job::ReportMails => "report_mails",
            Job::Purchases => "purchases",
            Job::Campaigns => "campaigns",
            Job::Forecasts => "forecasts",
            Job::Anomalies => "anomalies",
            Job::Closing => "closing",
            Job::Postings => "postings",
            Job::Comparisons => "comparisons",
            Job::Statements => "statements",
            Job::Etims => "etims",
        }
    }

    /// Much shorter than the 300 seconds after which the alert `JobStuck` takes a job that is not heard of for stuck.
    fn pause(self) -> Duration {
        match self {
            Job::Reports
            | Job::Checks
            | Job::CardReports
            | Job::CardChecks
            | Job::Refunds
            | Job::Reversals
            | Job::News
            | Job::AlertMessages
            | Job::Webhooks
            | Job::Bulk
            | Job::Campaigns
            | Job::Postings => Duration::from_secs(1),
            Job::Fees | Job::Expiry | Job::Alerts | Job::ReportMails | Job::Etims => Duration::from_secs(2),
            Job::Trouble | Job::Comparisons => Duration::from_secs(5),
            Job::Ending | Job::Backups => Duration::from_secs(15),
            Job::Cleaning | Job::Sums | Job::Facts | Job::Forecasts | Job::Anomalies | Job::Statements => {
                Duration::from_secs(60)
            }
            // Within its hour of the night it finds what the round before has left.
            Job::Retention | Job::Purchases | Job::Closing => Duration::from_secs(120),
        }
    }

    /// Whether a round is one long transaction that asks nobody else: it is begun anew by whoever comes next, and nobody waits for its end.
    fn may_be_broken_off(self) -> bool {
        matches!(self, Job::Sums | Job::Facts | Job::Statements)
    }

    async fn run(self, app: App, shutdown: CancellationToken) {
        let never = Notify::new();
        let wake = match self {
            Job::Reports => &app.events_wait,
            Job::CardReports => &app.card_events_wait,
            Job::Checks
            | Job::CardChecks
            | Job::Refunds
            | Job::Reversals
            | Job::Fees
            | Job::Expiry
            | Job::Ending
            | Job::News
            | Job::Trouble
            | Job::Backups
            | Job::Retention
            | Job::Alerts
            | Job::AlertMessages
            | Job::Webhooks
            | Job::Cleaning
            | Job::Bulk
            | Job::Sums
            | Job::Facts
            | Job::ReportMails
            | Job::Purchases
            | Job::Campaigns
            | Job::Forecasts
            | Job::Anomalies
            | Job::Closing
            | Job::Postings
            | Job::Comparisons
            | Job::Statements
            | Job::Etims => &never,
        };
        let hands = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let mut failing = false;
        loop {
            // Whose hands are all busy goes on with the first that is free, and not after a pause.
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = hands.acquire() => {}
            }
            let round = tokio::select! {
                () = shutdown.cancelled(), if self.may_be_broken_off() => break,
                round = self.once(&app, &hands) => round,
            };
            let pause = match round {
                Ok(more) => {
                    if failing {
                        tracing::info!(job = self.name(), "goes on");
                    }
                    failing = false;
                    app.metrics.job_success.with_label_values(&[self.name()]).set(app.clock.now().unix_timestamp());
                    if more { Duration::ZERO } else { self.pause() }
                }
                Err(error) => {
                    // Said once, not with every try.
                    if !failing {
                        tracing::error!(job = self.name(), %error, "cannot go on; it is tried again until it can");
                    }
                    failing = true;
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round. Returns whether there is probably more to do.
    async fn once(self, app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
        match self {
            Job::Reports => reports::<Mpesa>(app, hands).await,
            Job::Checks => checks::<Mpesa>(app, hands).await,
            Job::CardReports => reports::<Stripe>(app, hands).await,
            Job::CardChecks => checks::<Stripe>(app, hands).await,
            Job::Refunds => refunds(app, hands).await,
            Job::Reversals => reversals(app, hands).await,
            Job::Fees => fees(app, hands).await,
            Job::Ending => {
                notification::note_ending(&app.db, app.clock.now()).await?;
                // Also the visits that were kept long enough.
                visit::forget(&app.db, app.clock.now()).await
            }
            Job::News => news(app, hands).await,
            Job::Trouble => trouble::watch(app).await.map(|()| false),
            Job::Backups => backups(app).await,
            Job::Retention => crate::retention::nightly(app).await,
            Job::Alerts => alerts::look(app).await.map(|()| false),
            Job::AlertMessages => alerts::deliver::send_due(app).await,
            Job::Webhooks => webhooks(app, hands).await,
            Job::Cleaning => clean(app).await,
            Job::Bulk => bulk::step(&app.db, app.clock.now()).await,
            Job::Sums => rollup::advance(&app.db, app.clock.now()).await,
            Job::Facts => {
                facts::sample(&app.db, app.clock.now()).await?;
                facts::advance(&app.db, app.clock.now()).await
            }
            Job::ReportMails => crate::admin::reports::mail::send_due(app).await,
            Job::Purchases => crate::predictions::purchases::nightly(app).await,
            Job::Campaigns => campaign::step(&app.db, app.clock.now()).await,
            Job::Forecasts => predictions::nightly(app).await,
            Job::Anomalies => predictions::anomalies::look(app).await,
            Job::Closing => closing::close_due(app).await,
            Job::Postings => books::deliver::round(app, hands).await,
            Job::Comparisons => books::compare::round(app).await,
            // What was booked since may be what a line of a statement tells of.
            Job::Statements => statement::rematch(&app.db).await.map(|_| false),
            Job::Etims => etims(app, hands).await,
            Job::Expiry => {
                for (holder, waiting) in unmatched::count_waiting_at(&app.db).await? {
                    app.metrics.unmatched.with_label_values(&[holder]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
                }
                Ok(entitlement::expire_due(&app.db, app.clock.now()).await? > 0)
            }
        }
    }
}

/// What was begun while a provider was configured waits until it is again.
async fn reports<G: Gateway>(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let Some(gateway) = G::of(app) else { return Ok(false) };
    let free = free_hands(hands);
    let lease = gateway.longest() + LEASE_MARGIN;
    let events = payment::claim_events(&app.db, G::REPORTS, app.clock.now(), lease, free).await?;
    let more = events.len() == free as usize;
    for event in events {
        let (id, of) = (event.id, ("report", event.trace));
        hand_out(app, hands, of, move |app| async move {
            let Some(gateway) = G::of(&app) else { return };
            if let Err(error) = report::work(&app, gateway, &event).await {
                tracing::error!(event = %id, %error, "a report could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn checks<G: Gateway>(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let Some(gateway) = G::of(app) else { return Ok(false) };
    let free = free_hands(hands);
    let due = payment::claim_checks(&app.db, G::NAME, app.clock.now(), gateway.longest() + LEASE_MARGIN, free).await?;
    let more = due.len() == free as usize;
    for (id, request) in due {
        hand_out(app, hands, ("check", request), move |app| async move {
            let Some(gateway) = G::of(&app) else { return };
            if let Err(error) = check::check(&app, gateway, id).await {
                tracing::error!(payment = %id, %error, "a payment could not be looked at; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn refunds(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let (Some(stripe), free) = (&app.stripe, free_hands(hands)) else { return Ok(false) };
    crate::payments::refund::measure(app).await?;
    let due = refund::claim(&app.db, app.clock.now(), stripe.longest() + LEASE_MARGIN, free).await?;
    let more = due.len() == free as usize;
    for due in due {
        hand_out(app, hands, ("refund", due.trace), move |app| async move {
            let Some(stripe) = &app.stripe else { return };
            if let Err(error) = crate::payments::refund::work(&app, stripe, &due).await {
                tracing::error!(refund = %due.id, %error, "a refund could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn reversals(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let Some(mpesa) = app.mpesa.as_ref().filter(|mpesa| mpesa.operator().is_some()) else { return Ok(false) };
    let free = free_hands(hands);
    crate::payments::refund::measure(app).await?;
    let due = refund::mpesa::claim(&app.db, app.clock.now(), mpesa.longest() + LEASE_MARGIN, free).await?;
    let more = due.len() == free as usize;
    for due in due {
        hand_out(app, hands, ("reversal", due.trace), move |app| async move {
            let Some(operator) = app.mpesa.as_ref().and_then(Mpesa::operator) else { return };
            if let Err(error) = crate::payments::reversal::work(&app, operator, &due).await {
                tracing::error!(refund = %due.id, %error, "a refund could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn fees(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let (Some(stripe), free) = (&app.stripe, free_hands(hands)) else { return Ok(false) };
    crate::payments::fee::measure(app).await?;
    // A payment of which money has gone back takes two questions.
    let due = fee::claim(&app.db, app.clock.now(), stripe.longest() * 2 + LEASE_MARGIN, free).await?;
    let more = due.len() == free as usize;
    for due in due {
        hand_out(app, hands, ("fee", None), move |app| async move {
            let Some(stripe) = &app.stripe else { return };
            if let Err(error) = crate::payments::fee::work(&app, stripe, &due).await {
                tracing::error!(payment = %due.payment, %error, "a fee could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn news(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let (waiting, oldest) = notification::waiting(&app.db).await?;
    let age = oldest.map_or(0, |oldest| (app.clock.now() - oldest).whole_seconds().max(0));
    app.metrics.outbox_pending.with_label_values(&["news"]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    app.metrics.outbox_age.with_label_values(&["news"]).set(age);
    let free = free_hands(hands);
    if waiting == 0 {
        return Ok(false);
    }
    // What one way refuses for good goes on the other one.
    let by_sms = app.sms.as_ref().map_or(Duration::ZERO, Sms::longest);
    let longest = by_sms + app.email.as_ref().map_or(Duration::ZERO, Email::longest);
    let claimed = notification::claim(&app.db, app.clock.now(), longest + LEASE_MARGIN, free).await?;
    let more = claimed.len() == free as usize;
    for news in claimed {
        hand_out(app, hands, ("news", news.trace), move |app| async move {
            if let Err(error) = crate::notify::news::work(&app, &news).await {
                tracing::error!(news = %news.id, %error, "news could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

async fn webhooks(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let (waiting, oldest) = webhook::waiting(&app.db).await?;
    let age = oldest.map_or(0, |oldest| (app.clock.now() - oldest).whole_seconds().max(0));
    app.metrics.outbox_pending.with_label_values(&["webhooks"]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    app.metrics.outbox_age.with_label_values(&["webhooks"]).set(age);
    let free = free_hands(hands);
    if free == 0 || waiting == 0 {
        return Ok(false);
    }
    // The name is looked up before the request is made.
    let lease = app.config.api.webhook_timeout() * 2 + LEASE_MARGIN;
    let claimed = webhook::claim(&app.db, app.clock.now(), lease, free).await?;
    let more = claimed.len() == free as usize;
    for due in claimed {
        hand_out(app, hands, ("webhook", None), move |app| async move {
            if let Err(error) = crate::hooks::work(&app, &due).await {
                tracing::error!(delivery = %due.id, %error, "a webhook could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

/// One hand a branch: what one of them waits for holds up no other.
async fn etims(app: &App, hands: &Arc<Semaphore>) -> Result<bool, StoreError> {
    let more = crate::books::etims::prepare(app).await?;
    let Some(settings) = &app.config.etims else { return Ok(false) };
    let (lease, free) = (crate::books::etims::lease(settings), free_hands(hands));
    for turn in store::books::etims::claim(&app.db, app.clock.now(), lease, free).await? {
        hand_out(app, hands, ("etims", None), move |app| async move {
            let branch = turn.branch.clone();
            if let Err(error) = crate::books::etims::work(&app, turn).await {
                tracing::error!(branch, %error, "a branch could not be worked on; it is taken up again");
            }
        })
        .await;
    }
    Ok(more)
}

/// Most rows that are forgotten at once.
const FORGOTTEN: u32 = 1000;

/// Forgets answers and events that need not be kept any more.
async fn clean(app: &App) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let keys = idempotency::forget(&app.db, now, FORGOTTEN).await?;
    let events = webhook::forget(&app.db, now, FORGOTTEN).await?;
    Ok(keys.max(events) == u64::from(FORGOTTEN))
}

/// Beats for the archive, and tells the metrics how backups stand.
async fn backups(app: &App) -> Result<bool, StoreError> {
    backup::pulse(&app.db, app.clock.now()).await?;
    app.metrics.backups.show(&backup::newest(&app.db).await?, backup::archive(&app.db).await?);
    Ok(false)
}

fn free_hands(hands: &Semaphore) -> u32 {
    u32::try_from(hands.available_permits()).unwrap_or(u32::MAX)
}

/// Works on one row beside the others: an answer that M-Pesa keeps waiting for holds up nobody else. Of the row, its kind and the
/// request that has left it behind stand in the log.
pub(crate) async fn hand_out<W, F>(app: &App, hands: &Arc<Semaphore>, of: (&'static str, Option<RequestId>), work: W)
where
    W: FnOnce(App) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let hand = Arc::clone(hands).acquire_owned().await.expect("the semaphore is never closed");
    let work = followed(of.0, of.1, work(app.clone()));
    app.background.spawn(async move {
        work.await;
        drop(hand);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_job_rests_so_long_that_it_is_taken_for_stuck() {
        assert!(Job::ALL.into_iter().all(|job| job.pause() <= Duration::from_secs(150)));
    }
}
