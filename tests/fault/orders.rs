//! Orders by the hundred while everything goes wrong: M-Pesa's answers are lost, late or errors, its reports dropped, late,
//! doubled, reordered, early or wrong, others are forged, and two portals and radiusd are killed (-9) in the middle of it.
//! Each payment that M-Pesa has collected ends as one grant or one refund due, and two minutes after the last order nothing
//! is stuck.
//!
//! [`guests`] buy, [`forger`] lies, this file breaks things, and [`books`] hold the database against what M-Pesa has really
//! collected. `./mlango test` has 400 orders placed, `./mlango test --full` 10,000. A failure names its seed, which
//! `MLANGO_SEED` repeats: the same people, packages and fates. The moments of the kills depend on the machine.
//!
//! Two smaller tests show one interleaving each, that the large one has met.

mod books;
mod forger;
mod guests;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use shared::money::Money;
use store::package::{Package, Starts};
use tests::daraja::{Answer, Daraja, Fate, Forgery, Odds, Report, Says};
use tests::dice::Dice;
use tests::nas::{Mac, Nas};
use tests::world::lab::free_port;
use tests::world::{Program, Settings, World, eventually};

use self::books::Books;
use self::forger::Posted;
use self::guests::{Guest, Phone, Street};
use crate::kill::start_on_fixed_ports;

/// Orders at one router in an hour, so that with all repetitions the portal's limit is not reached.
const ORDERS_A_ROUTER: usize = 1500;
/// How long a phone that nobody answers is waited for; short, so that it is decided within the test.
const SILENCE: Duration = Duration::from_secs(6);
/// Devices that come back in the end.
const RETURNING: i64 = 40;

/// Two portals, radiusd on ports that it keeps, routers, and an M-Pesa.
struct Stage {
    world: World,
    another: Option<Program>,
    street: Arc<Street>,
    daraja: Arc<Daraja>,
}

impl Stage {
    async fn open(orders: usize, seed: u64) -> Stage {
        // Nobody is locked out for having tried too early.
        let mut world = World::with(Settings { lock_after: 0, ..Settings::default() }).await;
        let daraja = world.daraja().await;
        daraja.set_silence(SILENCE);
        keep_the_port_for_operators(&world);
        start_on_fixed_ports(&mut world).await;
        let mut routers = Vec::new();
        for number in 0..=orders / ORDERS_A_ROUTER {
            routers.push(router(&world, u8::try_from(number).unwrap()).await);
        }
        let goods = goods(&world).await;
        world.start_portal().await;
        let another = Some(world.another_portal().await);
        let portals = [world.portal_url(), world.another_portal_url()];
        let known = (Arc::clone(&daraja), world.db.clone());
        let street = Arc::new(Street::new(portals, routers, goods, known, (orders, seed)));
        Stage { world, another, street, daraja }
    }

    /// What waits in each state just now.
    async fn under_way(&self) -> Vec<(String, i64)> {
        sqlx::query_as(
            "SELECT state, count(*) FROM payments WHERE state NOT IN ('succeeded', 'failed') GROUP BY state
             UNION ALL SELECT 'reported', count(*) FROM payment_events WHERE processed_at IS NULL
             UNION ALL SELECT 'ordered', count(*) FROM orders o
                 WHERE state = 'created' AND NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.id)",
        )
        .fetch_all(&self.world.pool)
        .await
        .unwrap()
    }

    /// Kills something and starts it again.
    async fn break_something(&mut self, dice: &mut Dice) {
        match dice.between(0, 8) {
            0..=2 => {
                self.kill_first().await;
                self.world.start_portal().await;
            }
            3 | 4 => {
                self.kill_another().await;
                self.another = Some(self.world.another_portal().await);
            }
            // Nobody is there to hear a report.
            5 => {
                self.kill_first().await;
                self.kill_another().await;
                self.start_portals().await;
            }
            6 | 7 => {
                self.world.radiusd.take().unwrap().kill().await;
                self.world.start_radiusd().await;
            }
            // M-Pesa is away for as long as a portal takes to start, and then wants everybody to sign in again.
            _ => {
                self.daraja.set_outage(true);
                self.kill_first().await;
                self.world.start_portal().await;
                self.daraja.set_outage(false);
                self.daraja.forget_tokens();
            }
        }
    }

    async fn kill_first(&mut self) {
        self.world.portal.take().unwrap().kill().await;
    }

    async fn kill_another(&mut self) {
        self.another.take().unwrap().kill().await;
    }

    async fn start_portals(&mut self) {
        self.world.start_portal().await;
        self.another = Some(self.world.another_portal().await);
    }

    /// How many reports both portals have counted under a result since they started.
    async fn counted(&self, result: &str) -> f64 {
        let name = format!("mlango_payment_callbacks_total{{provider=\"mpesa\",result=\"{result}\"}}");
        let (first, another) = (self.world.portal.as_ref().unwrap(), self.another.as_ref().unwrap());
        first.metric(&name).await + another.metric(&name).await
    }
}

/// While radiusd is dead, no connection of somebody else's may be given the port at which it tells how it is.
pub(crate) fn keep_the_port_for_operators(world: &World) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    let kept = format!("admin_listen = \"127.0.0.1:{}\"", free_port(Ipv4Addr::LOCALHOST));
    std::fs::write(world.config(), text.replace("admin_listen = \"127.0.0.1:0\"", &kept)).unwrap();
}

async fn router(world: &World, number: u8) -> Nas {
    let room = ipnet::Ipv4Net::new(Ipv4Addr::new(10, 64 + number, 0, 0), 16).unwrap();
    let change = |config: &mut tests::nas::NasConfig| {
        config.bind = Ipv4Addr::new(127, 4, 0, number + 1);
        config.pool = room;
        config.login_by.mac = true;
    };
    world.router(&format!("cafe-{number}"), change).await
}

/// Packages of several prices. One is over so soon that another one is bought when it is nearly over, or just has been.
async fn goods(world: &World) -> Vec<Package> {
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let priced = |minor, duration| {
        move |package: &mut Package| {
            package.price = Money::kes(minor);
            package.rules.duration = duration;
        }
    };
    let moment = |package: &mut Package| {
        package.price = Money::kes(500);
        package.rules.duration = Some(Duration::from_secs(8));
        package.starts = Starts::Purchase;
    };
    vec![
        world.package("half-an-hour", priced(1_000, minutes(30))).await,
        world.package("an-hour", priced(2_000, minutes(60))).await,
        world.package("a-day", priced(5_000, minutes(24 * 60))).await,
        world.package("a-moment", moment).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_order_that_is_paid_is_granted_once_or_owed_whatever_goes_wrong() {
    let (orders, at_once) = if std::env::var_os("MLANGO_FULL").is_some() { (10_000, 64) } else { (400, 32) };
    let given = std::env::var("MLANGO_SEED").ok().map(|seed| seed.parse().expect("MLANGO_SEED is a number"));
    let seed = given.unwrap_or_else(|| Dice::shaken().draw());
    println!("MLANGO_SEED={seed}");
    let mut stage = Stage::open(orders, seed).await;
    stage.daraja.set_odds(Odds::ROUGH, seed);
    let forged = buy_while_things_break(&mut stage, at_once).await;
    stage.daraja.set_odds(Odds::NONE, seed);

    let books = books::settle(&stage.world, &stage.street).await;
    check_orders(&stage, &books);
    check_ledger(&stage, &books).await;
    check_forged(&books, &forged);
    ten_minutes_later(&stage).await;
    check_counters(&stage, &books, forged.len()).await;
    let books = books::settle(&stage.world, &stage.street).await;
    check_ledger(&stage, &books).await;
    devices_come_back(&stage).await;
}

/// Lets guests buy and somebody forge while programs are killed, one after so many more orders. Returns what was forged.
async fn buy_while_things_break(stage: &mut Stage, at_once: usize) -> Vec<Posted> {
    let street = Arc::clone(&stage.street);
    let mut buying = tokio::spawn(guests::come(Arc::clone(&street), at_once));
    let forging = tokio::spawn(forger::forge(Arc::clone(&street), stage.world.pool.clone()));
    let (mut dice, mut count) = (Dice::seeded(street.seed), street.count());
    let (mut kills, mut met) = (0, BTreeMap::new());
    loop {
        let wanted = *count.borrow() + usize::try_from(dice.between(8, 32)).unwrap();
        tokio::select! {
            gone = &mut buying => {
                gone.unwrap();
                break;
            }
            enough = count.wait_for(|placed| *placed >= wanted) => drop(enough.unwrap()),
        }
        for (state, number) in stage.under_way().await {
            *met.entry(state).or_insert(0) += number;
        }
        stage.break_something(&mut dice).await;
        kills += 1;
    }
    println!("{} orders, killed {kills} times; what was under way then: {met:?}", street.placed().len());
    assert!(met.get("prompted").is_some_and(|number| *number > 0), "nothing was killed while phones were asked");
    forging.await.unwrap()
}

/// Every order that a guest was shown is there, and no other.
fn check_orders(stage: &Stage, books: &Books) {
    let mut shown: Vec<_> = stage.street.placed().iter().map(|placed| placed.id).collect();
    shown.sort_unstable();
    let mut written: Vec<_> = books.orders.iter().map(|order| order.id).collect();
    written.sort_unstable();
    assert_eq!(shown, written, "orders were lost or made twice");
    let in_state = |state: &str| books.orders.iter().filter(|order| order.state == state).count();
    let (paid, owed, failed) = (in_state("paid"), in_state("refund_due"), in_state("failed"));
    println!("{} payments; of the orders {paid} are paid, {owed} owed, {failed} failed", books.payments().count());
    assert!(paid > 0 && owed > 0 && failed > 0, "the test has shown nothing");
}

/// Each transaction balances, all of them do, and what M-Pesa owes us is what it has collected.
async fn check_ledger(stage: &Stage, books: &Books) {
    let pool = &stage.world.pool;
    let crooked: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0) c",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let (transactions, sum, mpesa): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ledger_transactions), coalesce(sum(e.amount_minor), 0)::bigint,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.code = 'mpesa'), 0)::bigint
         FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let ((collected, payments), (beyond, late)) = (books.collected(), books.told_too_late());
    println!("M-Pesa has collected KSh {collected} in {payments} payments; of {late} the amount was told too late");
    assert_eq!((crooked, sum), (0, 0));
    assert_eq!(usize::try_from(transactions).unwrap(), payments);
    assert_eq!(mpesa, i64::try_from(collected * 100).unwrap() + beyond);
    let twice: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM payments WHERE receipt IS NOT NULL GROUP BY provider, receipt HAVING count(*) > 1) t",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(twice, 0, "a receipt stands for two payments");
}

/// Each forged report was refused at the door, or stored and not followed.
fn check_forged(books: &Books, forged: &[Posted]) {
    let waits = |payment| books.payments().any(|p| p.id == payment && p.checkout_request_id.is_none());
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for Posted { forgery, letter, payment, status } in forged {
        let stored: Vec<_> = books.reports_with(&letter.receipt).collect();
        let followed: Vec<_> = stored
            .iter()
            .filter(|report| match (forgery, report.outcome.as_deref()) {
                (Forgery::Result, outcome) => outcome != Some("refuted"),
                // Nobody knows yet which prompt is the payment's own.
                (Forgery::Prompt(_), None) => !waits(*payment),
                (Forgery::Prompt(_), outcome) => outcome != Some("unmatched"),
                (Forgery::Address, _) => true,
            })
            .collect();
        assert!(followed.is_empty(), "{forgery:?} of payment {payment}: {followed:?}");
        assert_eq!(stored.is_empty(), *forgery == Forgery::Address, "{forgery:?} of payment {payment}");
        assert_eq!(*status, if *forgery == Forgery::Address { 404 } else { 200 }, "{forgery:?} of payment {payment}");
        let outcome = stored.first().map_or("refused", |report| report.outcome.as_deref().unwrap_or("waits"));
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
    }
    println!("{} forged reports: {outcomes:?}", forged.len());
    assert!(["refused", "unmatched", "refuted"].iter().all(|outcome| outcomes.contains_key(*outcome)), "{outcomes:?}");
}

/// What M-Pesa never told of, and has not collected, is given up; an order whose payment was never begun offers to begin.
async fn ten_minutes_later(stage: &Stage) {
    let pool = &stage.world.pool;
    for passed in [
        "UPDATE payments SET created_at = created_at - interval '11 minutes', next_check_at = now()
         WHERE state NOT IN ('succeeded', 'failed')",
        "UPDATE orders SET created_at = created_at - interval '11 minutes' WHERE state = 'created'",
    ] {
        sqlx::query(passed).execute(pool).await.unwrap();
    }
    eventually("nothing waits any more", || async {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM payments WHERE state NOT IN ('succeeded', 'failed')")
                .fetch_one(pool)
                .await
                .ok()?;
        (waiting == 0).then_some(())
    })
    .await;
    let open: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM orders WHERE state NOT IN ('paid', 'failed', 'refund_due')")
            .fetch_all(pool)
            .await
            .unwrap();
    let pages: HashMap<_, _> = stage.street.placed().into_iter().map(|placed| (placed.id, placed.page)).collect();
    for order in &open {
        let state = format!("{}{}/state", stage.street.portals[0], pages[order]);
        let news: serde_json::Value = stage.street.client.get(state).send().await.unwrap().json().await.unwrap();
        assert_eq!(news["stage"], "stranded", "order {order}");
    }
    println!("{} orders were never begun", open.len());
}

/// Each kind of forged report is counted, once. The programs' counters begin anew with them, so this is seen when nothing is
/// killed any more.
async fn check_counters(stage: &Stage, books: &Books, sent: usize) {
    let unpaid = books.payments().find_map(|payment| {
        let pushed = books.pushed_of(payment).first().filter(|pushed| !pushed.outcome.is_paid())?;
        payment.checkout_request_id.as_ref().map(|_| pushed)
    });
    let about = unpaid.expect("somebody has not paid");
    let number = u32::try_from(sent).unwrap();
    let another = Forgery::Prompt("ws_CO_forged".to_owned());
    let lies = [(Forgery::Address, "bad_token"), (another, "unmatched"), (Forgery::Result, "refuted")];
    for (number, (forgery, result)) in (number..).zip(lies) {
        let before = stage.counted(result).await;
        forger::post(&stage.street, forgery, about, number).await;
        eventually(&format!("{result} is counted"), || async {
            (stage.counted(result).await >= before + 1.0).then_some(())
        })
        .await;
        assert!((stage.counted(result).await - before - 1.0).abs() < 0.5, "{result} is counted once");
    }
}

/// Who has something to use gets in by the device alone: radiusd knows what was granted while it was dead.
async fn devices_come_back(stage: &Stage) {
    let macs: Vec<String> = sqlx::query_scalar(
        "SELECT d.mac::text FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
         WHERE e.state = 'active' AND (e.expires_at IS NULL OR e.expires_at > now() + interval '5 minutes')
         GROUP BY d.mac ORDER BY d.mac LIMIT $1",
    )
    .bind(RETURNING)
    .fetch_all(&stage.world.pool)
    .await
    .unwrap();
    assert!(!macs.is_empty(), "nobody has anything left");
    let routers: HashMap<Mac, usize> = stage.street.placed().iter().map(|placed| (placed.mac, placed.router)).collect();
    for mac in macs {
        let mac: Mac = mac.parse().unwrap();
        let router = &stage.street.routers[routers[&mac]];
        router.logout(mac);
        eventually(&format!("{mac} is let in"), || async { router.login_mac(mac).await.is_accepted().then_some(()) })
            .await;
    }
}

/// One guest buys one package and M-Pesa has this fate for the push, whose customer pays.
async fn buy_with(fate: Fate) {
    let stage = Stage::open(1, 0).await;
    let phone = Phone::new(7, '0');
    stage.daraja.decree(&phone.msisdn, fate);
    let guest = Guest::new(&stage.street, 0);
    let visit = guest.arrive().await;
    guest.buy(&mut Dice::seeded(0), &visit, phone).await;
    eventually("the order is paid", || async {
        let paid: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE state = 'paid'")
            .fetch_one(&stage.world.pool)
            .await
            .ok()?;
        (paid == 1).then_some(())
    })
    .await;
    check_ledger(&stage, &books::settle(&stage.world, &stage.street).await).await;
}

fn after(milliseconds: u64, says: Says) -> Report {
    Report { after: Duration::from_millis(milliseconds), says }
}

/// M-Pesa reports that the phone did not answer, then collects, and the report of that is lost.
#[tokio::test]
async fn a_failure_that_was_none_is_found_out_though_nobody_puts_it_right() {
    let decided = Duration::from_millis(600);
    buy_with(Fate { answer: Answer::Given, decided, collects: None, reports: vec![after(300, Says::NoAnswer)] }).await;
}

/// The answer to the push is lost, and the first report speaks of another prompt than the second one, which is right.
#[tokio::test]
async fn a_report_of_another_prompt_does_not_stand_in_for_an_answer_that_was_lost() {
    let reports = vec![after(300, Says::AnotherPrompt), after(1500, Says::Truth)];
    buy_with(Fate { answer: Answer::Lost, decided: Duration::from_millis(300), collects: None, reports }).await;
}
