//! A month of sales on many sites while everything goes wrong: reports come late or twice, M-Pesa tells nothing for afternoons, money goes
//! back, paper is sold and used; the accountant's program says 429, fails before and after it has done its work, loses answers and lets
//! tokens end; and the portal is killed (-9) while it closes days and while it tells of them.
//!
//! ```text
//!  plan ──► sell (through the store, at moments of a month that is over) ──► days are closed, by hand and by the portal ──► told by the portal
//!    └────► what it all comes to ──► checks: documents, what the program has, comparison, statements, trial balance
//! ```
//!
//! In the end every day of every place is closed, each part of each document is in the program once, to the cent, a comparison finds nothing,
//! the statements of both providers are even with the ledger and the closed days, and the balance is what the plan comes to. How often the
//! program was asked on a day of the month is printed.
//!
//! The month lies in the past, and the portal's clock is the real one: the table `calendar` says what day it is in the month, and a trigger
//! refuses to close a day that is not over by it. `./mlango test` has 420 sales on 3 sites in 5 days, `./mlango test --full` 50,000 on 20 in
//! 30. A failure names its seed, which `MLANGO_SEED` repeats: the same sales and faults. The moments of the kills depend on the machine.

mod checks;
mod plan;
mod sell;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _};
use store::admin::Audit;
use store::books::connection::{self, By, New, Pair, Tokens};
use store::books::mapping::{self, Change};
use store::books::{day, posting, tax};
use tests::books::{Books, BooksSim, Fault};
use tests::dice::Dice;
use tests::world::{World, eventually_within};
use time::Date;
use uuid::Uuid;

use self::plan::{Kept, Plan, Size};
use self::sell::{BY, Shop};

/// Longest wait for a day of the whole month to be closed, or told.
const A_DAY: Duration = Duration::from_secs(300);
/// What the operator has chosen of the program: everything is under VAT.
const CHOSEN: [(&str, &str, &str); 13] = [
    ("customer", "*", "58"),
    ("supplier", "mpesa", "59"),
    ("supplier", "stripe", "59"),
    ("deposit", "mpesa", "35"),
    ("deposit", "cash", "36"),
    ("deposit", "stripe", "37"),
    ("fees", "*", "60"),
    ("item", "*", "10"),
    ("item", "deferred", "11"),
    ("method", "mpesa", "1"),
    // Code, rate on sales, rate on purchases.
    ("tax", "B", "5:3:4"),
    // What is no sale has no tax, and needs a code where other lines of a document have one.
    ("tax", "none", "6:7:8"),
    ("item", "fees", "10"),
];
/// What happens to a day's telling, besides a token that ends.
const FAULTS: [Fault; 6] = [
    Fault::LosesTheAnswer,
    Fault::TooMany(None),
    Fault::TooMany(Some(1)),
    Fault::FailsAfterwards,
    Fault::Fails,
    Fault::Drops,
];
/// Of what QuickBooks answers with this, a person says that it is told again.
const REFUSED: &str = "A business validation error has occurred";

/// A portal that closes and tells, an accountant's program, and what is sold.
struct Stage {
    world: World,
    sim: BooksSim,
    connection: Uuid,
    shop: Arc<Shop>,
    /// How often the program was asked for each day of the month.
    calls: Vec<u64>,
}

impl Stage {
    async fn open(size: Size, seed: u64) -> Stage {
        let world = World::new().await;
        let sim = BooksSim::quickbooks().await.unwrap();
        let text = std::fs::read_to_string(world.config()).unwrap();
        std::fs::write(world.config(), text + &sim.section()).unwrap();
        let now = world.clock.now();
        // Its last day is over everywhere, and for longer than the portal waits before it closes one.
        let back = i64::try_from(size.days).unwrap() + 1;
        let first = now.date() - time::Duration::days(back);
        let tokens = Tokens { access: sim.token(), refresh: "refresh-1".into(), server: None };
        let pair = Pair {
            tokens: &tokens,
            base_url: None,
            access_until: now + time::Duration::HOUR,
            refresh_until: Some(now + time::Duration::days(100)),
        };
        let new = New { provider: "quickbooks", organisation: "4620", name: "Mlango Ltd", posts_since: first, pair };
        let by = By { actor: "test", address: None };
        let connection = connection::connect(&world.db, &new, by, now).await.unwrap();
        let changes: Vec<Change> = CHOSEN
            .iter()
            .map(|(what, subject, id)| ((*what).to_owned(), (*subject).to_owned(), Some((*id).to_owned())))
            .collect();
        let audit = Audit { actor: "test", action: "books.map", object: "test", address: None };
        mapping::set(&world.db, connection, &changes, &audit, now).await.unwrap();
        tax::set_letter(&world.db, None, "B", first, BY, now).await.unwrap();
        arrange(&world, first).await;
        let shop = Arc::new(Shop::open(&world, Plan::new(size, seed), first).await);
        Stage { world, sim, connection, shop, calls: Vec::new() }
    }

    fn places(&self) -> Vec<Option<Uuid>> {
        self.shop.sites.iter().map(|site| Some(site.id)).chain([None]).collect()
    }

    fn last(&self) -> Date {
        self.shop.date(self.shop.plan.size.days - 1)
    }

    /// Lets a day be over, and has it closed at every place: by hand, or by a portal that is killed meanwhile. The telling goes wrong in
    /// these ways.
    async fn close(&mut self, day: usize, faults: &[Fault]) {
        let date = self.shop.date(day);
        let (told, tomorrow) = (self.sim.read(Books::count), date.next_day().unwrap());
        let is_killed_telling = day % 3 == 2;
        self.sim.hold(is_killed_telling);
        if !is_killed_telling {
            self.sim.fail(faults);
        }
        run(&self.world, &format!("UPDATE calendar SET today = '{tomorrow}'")).await;
        match day % 3 {
            0 => self.close_by_hand(date).await,
            1 => {
                self.closed(date, 1).await;
                self.kill(&[]).await;
            }
            _ => {
                eventually_within(A_DAY, "some of it is done in the program", || async {
                    (self.sim.read(Books::count) >= told + 3).then_some(())
                })
                .await;
                // What it has done is answered to nobody.
                self.kill(faults).await;
            }
        }
        self.closed(date, self.places().len()).await;
    }

    /// Two people close each place's day at the same moment, while the portal may do so as well.
    async fn close_by_hand(&self, date: Date) {
        for place in self.places() {
            let close = || day::close(&self.world.db, place, date, BY, self.world.clock.now());
            let (one, other) = tokio::join!(close(), close());
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!((one.day, &one.documents), (other.day, &other.documents));
            assert!(!(one.is_new && other.is_new), "{place:?} {date} was closed twice");
        }
    }

    /// Waits until so many places have closed a day.
    async fn closed(&self, date: Date, places: usize) {
        eventually_within(A_DAY, &format!("{date} is closed at {places} places"), || async {
            let closed: i64 = sqlx::query_scalar("SELECT count(*) FROM book_days WHERE day = $1")
                .bind(date)
                .fetch_one(&self.world.pool)
                .await
                .unwrap();
            (usize::try_from(closed).unwrap() >= places).then_some(())
        })
        .await;
    }

    /// kill -9 of the portal; what it had in hand is free at once, and not after its lease. The next one meets these faults.
    async fn kill(&mut self, faults: &[Fault]) {
        self.world.portal.take().unwrap().kill().await;
        self.sim.hold(false);
        self.sim.fail(faults);
        for freed in [
            "UPDATE book_postings SET lease_until = now() WHERE lease_until IS NOT NULL",
            "UPDATE book_connections SET renewing_until = NULL WHERE renewing_until IS NOT NULL",
        ] {
            run(&self.world, freed).await;
        }
        self.world.start_portal().await;
    }

    /// Waits until all that is closed is told. Nobody waits for a pause, and what was refused is told again.
    async fn told(&self) {
        eventually_within(A_DAY, "everything is told", || async {
            // One after the other: the portal holds these rows in the other order.
            for passed in [
                "UPDATE book_postings SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL",
                "UPDATE book_connections SET paused_until = NULL WHERE paused_until IS NOT NULL",
            ] {
                run(&self.world, passed).await;
            }
            self.tell_again().await;
            let left: i64 = sqlx::query_scalar(
                "SELECT (SELECT count(*) FROM book_postings WHERE state <> 'posted')
                      + (SELECT count(*) FROM book_documents d WHERE NOT EXISTS (SELECT FROM book_taken t WHERE t.document_id = d.id))",
            )
            .fetch_one(&self.world.pool)
            .await
            .unwrap();
            (left == 0).then_some(())
        })
        .await;
    }

    async fn tell_again(&self) {
        let refused: Vec<(Uuid, String, String)> =
            sqlx::query_as("SELECT id, number, reason FROM book_postings WHERE state = 'rejected'")
                .fetch_all(&self.world.pool)
                .await
                .unwrap();
        for (id, number, reason) in refused {
            assert!(reason.contains(REFUSED), "{number} is refused: {reason}");
            let audit = Audit { actor: BY, action: "books.tell_again", object: "", address: None };
            posting::again(&self.world.db, self.connection, id, &audit, self.world.clock.now()).await.unwrap();
        }
    }

    /// How often the program was asked so far.
    fn asked(&self) -> u64 {
        self.sim.read(|books| books.calls().values().sum())
    }
}

/// Takes the pace away, since a test asks in seconds what a day asks in a day; and lets no day be closed before it is over in the month.
async fn arrange(world: &World, first: Date) {
    run(
        world,
        &format!(
            "CREATE FUNCTION no_pace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.paced_until := '-infinity'; RETURN NEW; END $$;
             CREATE TRIGGER no_pace BEFORE INSERT OR UPDATE ON book_calls FOR EACH ROW EXECUTE FUNCTION no_pace();
             CREATE TABLE calendar (today date NOT NULL);
             INSERT INTO calendar VALUES ('{first}');
             CREATE FUNCTION is_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.day >= (SELECT today FROM calendar) THEN RAISE EXCEPTION 'by the calendar % is not over', NEW.day; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER is_over BEFORE INSERT ON book_days FOR EACH ROW EXECUTE FUNCTION is_over()"
        ),
    )
    .await;
}

async fn run(world: &World, statement: &str) {
    world.pool.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

/// What goes wrong with a day's telling. One token ends: a second one, in the same moment, would rightly be taken for the end of all of them.
/// Every fourth day the program is away for a while.
fn faults(day: usize, dice: &mut Dice) -> Vec<Fault> {
    let mut faults = vec![Fault::Expires];
    if day % 4 == 1 {
        faults.extend([Fault::Fails, Fault::Drops, Fault::Fails]);
    }
    if day % 4 == 2 {
        faults.push(Fault::FaultOnOk);
    }
    let last = FAULTS.len() as u64 - 1;
    faults.extend((0..4).map(|_| FAULTS[usize::try_from(dice.between(0, last)).unwrap()]));
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_closed_and_told_once_and_is_even_with_the_statements_whatever_goes_wrong() {
    let size = if std::env::var_os("MLANGO_FULL").is_some() { Size::FULL } else { Size::SHORT };
    let given = std::env::var("MLANGO_SEED").ok().map(|seed| seed.parse().expect("MLANGO_SEED is a number"));
    let seed = given.unwrap_or_else(|| Dice::shaken().draw());
    println!("MLANGO_SEED={seed}");
    let mut stage = Stage::open(size, seed).await;
    let mut dice = Dice::seeded(!seed);
    stage.shop.day(0).await;
    // It finds a day that it may not close yet, and so looks again soon.
    stage.world.start_portal().await;
    for day in 0..size.days {
        let before = stage.asked();
        // The next day has begun when this one is closed and told.
        let shop = Arc::clone(&stage.shop);
        let selling = tokio::spawn(async move {
            if day + 1 < size.days {
                shop.day(day + 1).await;
            }
        });
        stage.close(day, &faults(day, &mut dice)).await;
        selling.await.unwrap();
        stage.told().await;
        stage.calls.push(stage.asked() - before);
    }
    let kept = Kept::of(&stage.shop.plan);
    checks::days(&stage).await;
    checks::balance(&stage, &kept).await;
    checks::documents(&stage, &kept).await;
    checks::comparison(&stage).await;
    checks::statements(&stage, &kept).await;
    checks::calls(&stage);
}
