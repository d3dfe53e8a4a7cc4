//! What the guards of several servers tell each other, by way of Redis, and the security log. Nothing waits for this.

use std::sync::Arc;
use std::time::Duration;

use shared::time::Clock;
use store::redis::Redis;
use store::security::{self, Event, Kind};
use store::{Db, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Guard, News, Subject};
use crate::metrics::Metrics;

/// How often it is asked what other servers have locked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often those are forgotten who have stopped.
const FORGET_EVERY: u32 = 120;

pub(crate) struct Sharing {
    pub(crate) guard: Arc<Guard>,
    pub(crate) redis: Redis,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) news: mpsc::Receiver<News>,
}

impl Sharing {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut look_at, mut looks, mut is_away) = (self.clock.monotonic(), 0_u32, false);
        loop {
            let wait = look_at.saturating_sub(self.clock.monotonic());
            let shared = tokio::select! {
                () = stop.cancelled() => return,
                Some(news) = self.news.recv() => self.tell(news).await,
                () = tokio::time::sleep(wait) => {
                    look_at = self.clock.monotonic() + LOOK_EVERY;
                    looks = looks.wrapping_add(1);
                    if looks.is_multiple_of(FORGET_EVERY) {
                        self.guard.forget(self.clock.monotonic());
                    }
                    self.look().await
                }
            };
            match shared {
                Ok(()) if is_away => {
                    is_away = false;
                    tracing::info!("Redis answers again: wrong guesses are counted by all servers together");
                }
                Ok(()) => {}
                Err(error) if !is_away => {
                    is_away = true;
                    tracing::warn!(%error, "Redis does not answer: each server counts wrong guesses for itself");
                }
                // Locks of others end by their own time.
                Err(_) => {}
            }
        }
    }

    async fn tell(&self, news: News) -> Result<(), StoreError> {
        match news {
            News::Guessed(subject) => {
                let window = self.guard.window(&subject).as_secs();
                let in_all = self.redis.count_guess(&self.guard.digest(&subject), window).await?;
                self.guard.counted_by_all(subject, in_all, self.clock.monotonic());
                Ok(())
            }
            News::Locked(subject, lock) => {
                self.metrics.login_locks.with_label_values(&[subject.label()]).inc();
                self.log(&subject, lock).await;
                let until = (self.clock.now() + lock).unix_timestamp();
                self.redis.lock(&self.guard.digest(&subject), until).await
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let (now, wall_clock) = (self.clock.monotonic(), self.clock.now());
        let locks = self.redis.locks(wall_clock.unix_timestamp()).await?;
        let left = |until: i64| Duration::from_secs(u64::try_from(until - wall_clock.unix_timestamp()).unwrap_or(0));
        self.guard.set_elsewhere(locks.into_iter().map(|(digest, until)| (digest, left(until))), now);
        Ok(())
    }

    async fn log(&self, subject: &Subject, lock: Duration) {
        let (kind, nas, mac, user_name) = match subject {
            Subject::Device(nas, mac) => (Kind::DeviceLocked, *nas, Some(*mac), None),
            Subject::Login(nas, mac, name) => (Kind::LoginLocked, *nas, Some(*mac), Some(security::masked(name))),
            Subject::Router(nas) => (Kind::RouterGuessing, *nas, None, None),
        };
        tracing::warn!(%nas, kind = kind.as_str(), mac = mac.map(|mac| mac.to_string()), seconds = lock.as_secs(),
            "too many wrong guesses: locked");
        let event = Event { kind, nas: Some(nas), mac, user_name, detail: format!("for {} seconds", lock.as_secs()) };
        if let Err(error) = security::record(&self.db, &event, self.clock.now()).await {
            tracing::warn!(%error, "a lock could not be written into the security log");
        }
    }
}
