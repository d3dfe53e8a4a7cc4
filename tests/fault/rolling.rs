//! Two of each program are restarted in turn, as an upgrade does it, while guests log in, use data, buy and look at pages: nobody
//! is turned away, every report that was acknowledged is in the books once, no page is an error, and each payment is one grant.
//!
//! The router has both radiusd as primary and backup, and asks as RouterOS does: three times, then the other one. Browsers come
//! through what nginx does with two portals behind it (`proxy_next_upstream error timeout non_idempotent`): a connection that is
//! refused or breaks off before an answer goes to the other one, once. That is safe, since
//! every form of these pages may be sent twice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::RequestBuilder;
use tests::nas::{Mac, Nas, NasConfig};
use tests::world::lab::free_port;
use tests::world::{Program, Settings, World, eventually};
use tokio::task::JoinHandle;

use crate::kill::start_on_fixed_ports;
use crate::orders::keep_the_port_for_operators;
use crate::reports::Busy;

/// Reports that are acknowledged, logins and purchases that happen, between two restarts.
const MEANWHILE: (usize, usize, usize) = (60, 10, 4);
/// The longest wait of a proxy for an answer.
const PROXY_WAITS: Duration = Duration::from_secs(20);
/// How long the router waits after each of its tries, as new versions of RouterOS do.
const PATIENCE: Duration = Duration::from_millis(1100);
/// Devices that come and go.
const COMING: u32 = 8;

/// What the guests have seen so far.
#[derive(Default)]
struct Seen {
    logins: AtomicUsize,
    pages: AtomicUsize,
    purchases: AtomicUsize,
    /// Whatever a guest should not have seen.
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Seen {
    fn fails(&self, what: String) {
        self.failures.lock().unwrap().push(what);
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn none_failed(&self, when: &str) {
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{when}: {failures:?}");
    }
}

/// Devices log in and out, one after the other.
fn log_in_without_pause(router: Arc<Nas>, seen: Arc<Seen>) -> JoinHandle<()> {
    tokio::spawn(async move {
        for number in (0..COMING).cycle() {
            if !seen.goes_on() {
                return;
            }
            let mac = Mac([2, 0, 0, 0, 1, u8::try_from(number).unwrap()]);
            let outcome = router.login_pap(mac, "amina", "siri").await;
            if let Some(error) = outcome.error() {
                seen.fails(format!("a login of {mac}: {error}"));
            } else {
                seen.logins.fetch_add(1, Ordering::SeqCst);
            }
            router.logout(mac);
        }
    })
}

/// Two portals behind a proxy.
struct Proxy {
    client: reqwest::Client,
    portals: [String; 2],
    turn: AtomicU32,
}

impl Proxy {
    fn new(portals: [String; 2]) -> Proxy {
        // A connection for each request, as nginx makes them by default.
        let client = reqwest::Client::builder().timeout(PROXY_WAITS).no_proxy().pool_max_idle_per_host(0);
        // Redirects are the browser's to follow, through the proxy again.
        let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Proxy { client, portals, turn: AtomicU32::new(0) }
    }

    /// Passes a request on, to the portals in turn.
    async fn send(&self, make: impl Fn(&reqwest::Client, &str) -> RequestBuilder) -> Result<reqwest::Response, String> {
        let first = usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed) % 2).unwrap();
        match make(&self.client, &self.portals[first]).send().await {
            Ok(answer) => Ok(answer),
            Err(one) => make(&self.client, &self.portals[1 - first])
                .send()
                .await
                .map_err(|other| format!("neither portal answers: {one}; {other}")),
        }
    }

    /// A page, redirects followed. An error of the server's is one of the guest's.
    async fn page(
        &self,
        what: &str,
        make: impl Fn(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<(String, String), String> {
        let mut answer = self.send(make).await.map_err(|error| format!("{what}: {error}"))?;
        let mut path = String::new();
        if answer.status().is_redirection() {
            let to = answer.headers()["location"].to_str().expect("an address").to_owned();
            path = to.clone();
            answer = self.send(|client, portal| client.get(format!("{portal}{to}"))).await?;
        }
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{what}: {error}"))?;
        if status.is_success() { Ok((path, text)) } else { Err(format!("{what}: {status}: {text}")) }
    }
}

/// Guests come from the router, look at the packages, buy one, and look at the order until it is paid.
fn buy_without_pause(proxy: Arc<Proxy>, login: String, first: u32, seen: Arc<Seen>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut number = first;
        while seen.goes_on() {
            number += 1;
            if let Err(failure) = buy(&proxy, &login, number, &seen).await {
                seen.fails(failure);
            }
        }
    })
}

async fn buy(proxy: &Proxy, login: &str, number: u32, seen: &Seen) -> Result<(), String> {
    let mac = Mac::phone(number);
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number).to_string();
    let query = [
        ("mac", mac.to_string()),
        ("ip", "10.5.50.9".to_owned()),
        ("identity", "cafe".to_owned()),
        ("link-login-only", login.to_owned()),
        ("link-orig", String::new()),
    ];
    let arrive = |client: &reqwest::Client, portal: &str| {
        client.get(format!("{portal}/h")).query(&query).header("x-forwarded-for", &from)
    };
    let (_, page) = proxy.page("the packages", arrive).await?;
    let visit = page.split("name=\"visit\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let visit = visit.ok_or_else(|| format!("no packages: {page}"))?;
    // The last digit decides how M-Pesa's simulator has it paid: at once.
    let phone = format!("07123{number:04}0");
    let form = [("visit", visit), ("package", "one-hour"), ("phone", &phone)];
    let pay = |client: &reqwest::Client, portal: &str| {
        client.post(format!("{portal}/buy")).form(&form).header("x-forwarded-for", &from)
    };
    let (order, _) = proxy.page("the purchase", pay).await?;
    if !order.starts_with("/o/") {
        return Err(format!("no order: {order}"));
    }
    loop {
        let state = |client: &reqwest::Client, portal: &str| client.get(format!("{portal}{order}/state"));
        let (_, news) = proxy.page("the order's news", state).await?;
        seen.pages.fetch_add(1, Ordering::SeqCst);
        let news: serde_json::Value = serde_json::from_str(&news).map_err(|error| format!("{news}: {error}"))?;
        match news["stage"].as_str() {
            Some("go_online") => break,
            Some("failed" | "stranded" | "refund_due") | None => return Err(format!("an order: {news}")),
            Some(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        if !seen.goes_on() {
            return Ok(());
        }
    }
    seen.purchases.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Waits until guests have gone on for a while.
async fn life_goes_on(busy: &Busy, seen: &Seen) {
    let (reports, logins, purchases) = MEANWHILE;
    let counted = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let wanted = (counted(&seen.logins) + logins, counted(&seen.purchases) + purchases);
    busy.acknowledges(reports).await;
    eventually("guests log in and buy", || async {
        let is_enough = counted(&seen.logins) >= wanted.0 && counted(&seen.purchases) >= wanted.1;
        (is_enough || !seen.failures.lock().unwrap().is_empty()).then_some(())
    })
    .await;
}

/// Both of each program, and where the second radiusd is.
struct Stage {
    world: World,
    beside: Option<Program>,
    another: Option<Program>,
    ports: [String; 2],
}

impl Stage {
    async fn open() -> Stage {
        let settings = Settings { accounting: "commit = \"journal\"\n".to_owned(), ..Settings::default() };
        let mut world = World::with(settings).await;
        world.daraja().await;
        keep_the_port_for_operators(&world);
        start_on_fixed_ports(&mut world).await;
        let port = || format!("{}:{}", Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST));
        let ports = [port(), port()];
        let beside = Some(world.radiusd_beside(&ports[0], &ports[1]).await);
        world.package("one-hour", |_| {}).await;
        world.start_portal().await;
        let another = Some(world.another_portal().await);
        Stage { world, beside, another, ports }
    }

    /// Waits until the second radiusd knows what the first one does.
    async fn beside_knows(&self) {
        let beside = self.beside.as_ref().unwrap();
        eventually("the second radiusd knows the router and its guests", || async {
            let router = beside.metric("mlango_nas_known{nas=\"cafe\"}").await;
            let guests = beside.metric("mlango_directory_entitlements").await;
            (router >= 1.0 && guests >= 1.0).then_some(())
        })
        .await;
    }

    async fn restart_radiusd(&mut self) {
        assert!(self.world.radiusd.take().unwrap().stop().await, "it ends well when it is told to");
        self.world.start_radiusd().await;
    }

    async fn restart_beside(&mut self) {
        assert!(self.beside.take().unwrap().stop().await, "it ends well when it is told to");
        self.beside = Some(self.world.radiusd_beside(&self.ports[0], &self.ports[1]).await);
    }

    async fn restart_portal(&mut self) {
        assert!(self.world.portal.take().unwrap().stop().await, "it ends well when it is told to");
        self.world.start_portal().await;
    }

    async fn restart_another(&mut self) {
        assert!(self.another.take().unwrap().stop().await, "it ends well when it is told to");
        self.another = Some(self.world.another_portal().await);
    }

    /// Every order is paid and granted once, and the ledger balances.
    async fn check_orders(&self) {
        let pool = &self.world.pool;
        eventually("every order is decided", || async {
            let open: i64 =
                sqlx::query_scalar("SELECT count(*) FROM orders WHERE state <> 'paid'").fetch_one(pool).await.ok()?;
            (open == 0).then_some(())
        })
        .await;
        let (orders, granted, booked, sum): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM entitlements WHERE order_id IS NOT NULL),
                    (SELECT count(*) FROM ledger_transactions), (SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries)",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        assert!(orders > 0);
        assert_eq!((granted, booked, sum), (orders, orders, 0));
        println!("{orders} orders, each granted once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_restarted_in_turn_and_no_guest_notices() {
    let mut stage = Stage::open().await;
    let [auth, acct]: [SocketAddr; 2] = stage.ports.each_ref().map(|port| port.parse().unwrap());
    let change = |config: &mut NasConfig| {
        config.backup = Some((auth, acct));
        config.timeout = PATIENCE;
    };
    let busy = Busy::start_with(&stage.world, change).await;
    stage.beside_knows().await;
    let seen = Arc::new(Seen::default());
    let proxy = Arc::new(Proxy::new([stage.world.portal_url(), stage.world.another_portal_url()]));
    let login = format!("{}/login", busy.router.url().trim_end_matches('/'));
    let guests = [
        log_in_without_pause(Arc::clone(&busy.router), Arc::clone(&seen)),
        buy_without_pause(Arc::clone(&proxy), login.clone(), 1000, Arc::clone(&seen)),
        buy_without_pause(proxy, login, 5000, Arc::clone(&seen)),
    ];
    life_goes_on(&busy, &seen).await;
    seen.none_failed("before anything is restarted");
    stage.restart_radiusd().await;
    life_goes_on(&busy, &seen).await;
    seen.none_failed("the first radiusd was restarted");
    stage.restart_beside().await;
    life_goes_on(&busy, &seen).await;
    seen.none_failed("the second radiusd was restarted");
    stage.restart_portal().await;
    life_goes_on(&busy, &seen).await;
    seen.none_failed("the first portal was restarted");
    stage.restart_another().await;
    life_goes_on(&busy, &seen).await;
    seen.stop.store(true, Ordering::SeqCst);
    for guest in guests {
        guest.await.unwrap();
    }
    seen.none_failed("the second portal was restarted");
    stage.check_orders().await;
    let beside = stage.beside.as_ref().unwrap();
    eventually("what the second radiusd has taken is in PostgreSQL", || async {
        (beside.metric("mlango_acct_spool_records").await < 0.5).then_some(())
    })
    .await;
    let counted = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    println!("{} logins, {} looks at pages", counted(&seen.logins), counted(&seen.pages));
    println!("{} acknowledged reports", busy.end(&stage.world).await);
}
