//! A router whose guests never rest, and what must be true of its reports afterwards: whatever was acknowledged is in the
//! database, once, and usage is what the router counted last.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::nas::{Delivery, Mac, Nas, NasConfig, ReportKind, Router};
use tests::world::{World, eventually};
use tokio::task::JoinHandle;

/// Guests of the router.
pub(crate) const GUESTS: u8 = 20;
/// Longest wait for something that the router must see.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, number])
}

/// A router under load.
pub(crate) struct Busy {
    pub(crate) router: Arc<Nas>,
    stop: Arc<AtomicBool>,
    load: JoinHandle<()>,
}

impl Busy {
    /// Logs the guests in and lets them use data without pause. radiusd must run.
    pub(crate) async fn start(world: &World) -> Busy {
        Busy::start_with(world, |_| {}).await
    }

    /// The same behind a router that is set otherwise.
    pub(crate) async fn start_with(world: &World, change: impl FnOnce(&mut NasConfig)) -> Busy {
        let router = world.router("cafe", change).await;
        let package = world.package("a-week", |p| p.rules.device_limit = 100).await;
        world.grant(&package, "amina", "siri").await;
        for number in 0..GUESTS {
            assert!(router.login_pap(mac(number), "amina", "siri").await.is_accepted());
        }
        let (router, stop) = (Arc::new(router), Arc::new(AtomicBool::new(false)));
        let load = tokio::spawn(report_without_pause(Arc::clone(&router), Arc::clone(&stop)));
        Busy { router, stop, load }
    }

    /// Waits until so many more reports are acknowledged.
    pub(crate) async fn acknowledges(&self, more: usize) {
        let wanted = self.acknowledged() + more;
        self.router
            .wait_for("reports are acknowledged", PATIENCE, move |r| r.journal().acknowledged().count() >= wanted)
            .await
            .unwrap();
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.router.journal().iter().filter(|entry| entry.delivery == Delivery::Acknowledged).count()
    }

    /// Lets the guests rest and their last counters be reported and acknowledged, then compares with the database.
    pub(crate) async fn end(self, world: &World) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.load.await.unwrap();
        // On a slow machine a router may give a report up that is stored all the same: it goes on until its last word for each
        // guest is acknowledged.
        for round in 0.. {
            assert!(round < 20, "the last reports are not acknowledged");
            for number in 0..GUESTS {
                self.router.interim_now(mac(number));
            }
            let settled = self.router.wait_for("the last reports are answered", PATIENCE, |r| r.journal().is_settled());
            settled.await.unwrap();
            let last_is_acknowledged = |number| {
                self.router.read(|r| r.journal().of(mac(number)).last().map(|entry| entry.delivery))
                    == Some(Delivery::Acknowledged)
            };
            if (0..GUESTS).all(last_is_acknowledged) {
                break;
            }
        }
        let radiusd = world.radiusd.as_ref().unwrap();
        eventually("the spool is empty", || async {
            (radiusd.metric("mlango_acct_spool_records").await < 0.5).then_some(())
        })
        .await;
        check(world, &self.router).await;
        self.router.journal().iter().filter(|entry| entry.delivery == Delivery::Acknowledged).count()
    }
}

/// Every guest uses some data and the router reports it, over and over, with up to a hundred reports under way.
async fn report_without_pause(router: Arc<Nas>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        for number in 0..GUESTS {
            router.traffic(mac(number), 1000 + u64::from(number), 7000);
            router.interim_now(mac(number));
        }
        let few = |r: &Router| r.journal().entries().iter().rev().take(100).any(|e| e.delivery != Delivery::Pending);
        router.wait_for("there is room for more reports", PATIENCE, few).await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// Every acknowledged report is in the database, once, and usage is the maximum of what was counted.
async fn check(world: &World, router: &Nas) {
    let journal = router.journal();
    // By session: what was said, and what was acknowledged of it. Up and down.
    let (mut said, mut acknowledged) = (HashMap::new(), HashMap::new());
    for entry in journal.iter().filter(|e| e.kind != ReportKind::AccountingOn) {
        let is_acknowledged = entry.delivery == Delivery::Acknowledged;
        for sessions in [Some(&mut said), is_acknowledged.then_some(&mut acknowledged)].into_iter().flatten() {
            let usage: &mut (i64, i64) = sessions.entry(entry.session_id.as_str()).or_default();
            usage.0 = usage.0.max(i64::try_from(entry.usage.up).unwrap());
            usage.1 = usage.1.max(i64::try_from(entry.usage.down).unwrap());
        }
    }
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT acct_session_id, input_octets, output_octets FROM sessions
         UNION ALL SELECT acct_session_id, input_octets, output_octets FROM sessions_ended",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let stored: HashMap<String, (i64, i64)> = rows.iter().map(|(id, up, down)| (id.clone(), (*up, *down))).collect();
    assert_eq!(stored.len(), rows.len(), "a session stands twice");
    for (session, usage) in &acknowledged {
        let row =
            stored.get(*session).unwrap_or_else(|| panic!("acknowledged session {session} is not in the database"));
        assert!(row.0 >= usage.0 && row.1 >= usage.1, "{session}: stored {row:?}, acknowledged {usage:?}");
    }
    // Where the last report was acknowledged, that is exactly what the router counted; one that it gave up may be stored or not.
    for (session, row) in &stored {
        let usage = said.get(session.as_str()).unwrap_or_else(|| panic!("nobody has reported {session}"));
        assert!(row.0 <= usage.0 && row.1 <= usage.1, "{session}: stored {row:?}, said {usage:?}");
    }
    let total: i64 = stored.values().map(|(up, down)| up + down).sum();
    for (what, query) in [
        ("usage is counted once", "SELECT sum(input_octets + output_octets)::bigint FROM entitlement_usage"),
        ("the hours add up too", "SELECT sum(input_octets + output_octets)::bigint FROM usage_hourly"),
    ] {
        let sum: i64 = sqlx::query_scalar(query).fetch_one(&world.pool).await.unwrap();
        assert_eq!(sum, total, "{what}");
    }
}
