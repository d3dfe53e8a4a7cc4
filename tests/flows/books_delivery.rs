//! What was closed is told to QuickBooks, once each, whatever is lost on the way; both sides are compared, and what is not the same is put right;
//! what is refused says why, and is told when that is mended.
//!
//! Documents are written as the closing writes them. No test waits for a pause: where a row or a program would be waited for, the test moves
//! the moment that stands in the database.

use serde_json::Value;
use shared::staff::Role;
use sqlx::{AssertSqlSafe, Executor as _};
use store::books::connection::{self, By, New, Pair, Tokens};
use store::books::mapping::{self, Change};
use store::books::posting::{self, make};
use tests::books::{BooksSim, Fault};
use tests::world::{Browser, World, eventually};
use time::{Date, Duration};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, audited, by_browser, make};

struct Stage {
    world: World,
    sim: BooksSim,
    connection: Uuid,
    /// The last day that is closed, and the one before.
    days: [Date; 2],
}

/// Everything that the documents here need.
const CHOSEN: [(&str, &str, &str); 9] = [
    ("customer", "*", "58"),
    ("supplier", "mpesa", "59"),
    ("deposit", "mpesa", "35"),
    ("deposit", "cash", "36"),
    ("deposit", "stripe", "37"),
    ("fees", "*", "60"),
    ("item", "*", "10"),
    ("item", "deferred", "11"),
    ("method", "mpesa", "1"),
];

async fn run(world: &World, statement: &str) {
    world.pool.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

async fn number(world: &World, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&world.pool).await.unwrap()
}

/// A company in a QuickBooks, of which these choices are made, and two closed days at a site. No portal runs yet.
async fn stage(chosen: &[(&str, &str, &str)]) -> Stage {
    let world = World::new().await;
    let sim = BooksSim::quickbooks().await.unwrap();
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text + &sim.section()).unwrap();
    let now = world.clock.now();
    let today = now.date();
    let days = [today - Duration::DAY, today - Duration::days(2)];
    let tokens = Tokens { access: sim.token(), refresh: "refresh-1".into(), server: None };
    let pair = Pair {
        tokens: &tokens,
        base_url: None,
        access_until: now + Duration::HOUR,
        refresh_until: Some(now + Duration::days(100)),
    };
    let new = New { provider: "quickbooks", organisation: "4620", name: "Mlango Ltd", posts_since: days[1], pair };
    let connection = connection::connect(&world.db, &new, By { actor: "test", address: None }, now).await.unwrap();
    // No minute has a limit here: a test makes more requests in a second than a day does.
    run(
        &world,
        "CREATE FUNCTION no_pace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.paced_until := '-infinity'; RETURN NEW; END $$;
         CREATE TRIGGER no_pace BEFORE INSERT OR UPDATE ON book_calls FOR EACH ROW EXECUTE FUNCTION no_pace()",
    )
    .await;
    let stage = Stage { world, sim, connection, days };
    stage.choose(chosen).await;
    for day in stage.days {
        stage.close(day).await;
    }
    stage
}

/// What closes a day: M-Pesa with a sale, a refund and a fee, cash with paper that was sold and used, cards with a sale.
fn closing(day: Date) -> String {
    let compact = day.to_string().replace('-', "");
    format!(
        "WITH day AS (INSERT INTO book_days (id, day, time_zone, ends_at, closed_at, closed_by)
             VALUES (gen_random_uuid(), '{day}', 'Africa/Nairobi', '{day}'::timestamptz + interval '21 hours', now(), 'test')
             RETURNING id),
         documents AS (INSERT INTO book_documents (id, number, day_id, method, currency, created_at)
             SELECT gen_random_uuid(), '{compact}-OTHER-' || v.letter, day.id, v.method, 'KES', now()
             FROM day, (VALUES ('M', 'mpesa'), ('C', 'cash'), ('S', 'stripe')) AS v (letter, method) RETURNING id, method)
         INSERT INTO book_lines (document_id, position, kind, account, description, quantity, list_minor, gross_minor)
         SELECT d.id, v.position, v.kind, v.account, v.description, v.quantity, abs(v.gross), v.gross
         FROM documents d JOIN (VALUES
             ('mpesa', 1, 'sale', 'sales', '1 hour', 30, 150000), ('mpesa', 2, 'refund', 'refunds_due', '1 hour', 1, -5000),
             ('mpesa', 3, 'fee', 'fees', 'Fees', 1, -825), ('mpesa', 4, 'other', 'unmatched', 'Without an order', 1, 700),
             ('cash', 1, 'voucher_sold', 'deferred', '1 day', 3, 30000),
             ('cash', 2, 'voucher_used', 'sales', '1 day', 1, 10000), ('cash', 3, 'voucher_used', 'deferred', '1 day', 1, -10000),
             ('stripe', 1, 'sale', 'sales', '1 week', 2, 99990)
         ) AS v (method, position, kind, account, description, quantity, gross) ON v.method = d.method"
    )
}

impl Stage {
    async fn choose(&self, chosen: &[(&str, &str, &str)]) {
        let changes: Vec<Change> = chosen
            .iter()
            .map(|(what, subject, id)| ((*what).to_owned(), (*subject).to_owned(), Some((*id).to_owned())))
            .collect();
        let audit = store::admin::Audit { actor: "test", action: "books.map", object: "test", address: None };
        mapping::set(&self.world.db, self.connection, &changes, &audit, self.world.clock.now()).await.unwrap();
    }

    /// Closes a day.
    async fn close(&self, day: Date) {
        run(&self.world, &closing(day)).await;
    }

    /// What a day's documents come to there, by their numbers.
    fn expected(&self) -> Vec<(String, i64)> {
        let of = |day: &Date| {
            let compact = day.to_string().replace('-', "");
            [("C", 40_000), ("C-R", 10_000), ("M", 150_000), ("M-F", 825), ("M-R", 5_000), ("S", 99_990)]
                .map(|(part, total)| (format!("{compact}-OTHER-{part}"), total))
        };
        let mut all: Vec<(String, i64)> = self.days.iter().flat_map(of).collect();
        all.sort();
        all
    }

    fn there(&self) -> Vec<(String, i64)> {
        let all = self.sim.read(|books| books.documents());
        all.into_iter().filter(|one| !one.is_void).map(|one| (one.number, one.total)).collect()
    }

    /// Waits until all is told, and for no pause on the way.
    async fn all_told(&self) {
        eventually("everything is told", || async {
            run(
                &self.world,
                "UPDATE book_postings SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL;
                 UPDATE book_connections SET paused_until = NULL WHERE paused_until IS NOT NULL",
            )
            .await;
            let (all, told): (i64, i64) =
                sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE state = 'posted') FROM book_postings")
                    .fetch_one(&self.world.pool)
                    .await
                    .unwrap();
            (all > 0 && all == told).then_some(())
        })
        .await;
    }

    fn page(&self, name: &str) -> String {
        format!("/admin/books/programs/{}/{name}", self.connection)
    }

    /// Compares both sides of these days, and gives the findings: kind and number of each.
    async fn compare(&self, operator: &Operator) -> Vec<(String, String)> {
        let (since, until) = (self.days[1].to_string(), self.days[0].to_string());
        let asked = operator.post(&self.page("drift"), &[("since", &since), ("until", &until)]).await;
        asked.says(200, "Both sides are compared");
        let findings: Value = eventually("both sides are compared", || async {
            sqlx::query_scalar(
                "SELECT findings FROM book_comparisons WHERE NOT EXISTS (SELECT FROM book_comparisons WHERE done_at IS NULL)
                 ORDER BY asked_at DESC LIMIT 1",
            )
            .fetch_optional(&self.world.pool)
            .await
            .unwrap()
        })
        .await;
        let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let all = findings.as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (text(one, "kind"), text(one, "number"))).collect()
    }

    async fn comparison(&self) -> Uuid {
        sqlx::query_scalar("SELECT id FROM book_comparisons ORDER BY asked_at DESC LIMIT 1")
            .fetch_one(&self.world.pool)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn everything_is_told_once_whatever_is_lost_and_whoever_is_killed() {
    let mut stage = stage(&CHOSEN).await;
    // The first portal is killed while QuickBooks has done some of it and not said so.
    stage.sim.hold(true);
    stage.world.start_portal().await;
    stage.sim.wait_for("some of it is done", |books| books.count() >= 3).await;
    stage.world.portal.take().unwrap().kill().await;
    stage.sim.hold(false);
    assert_eq!(number(&stage.world, "SELECT count(*) FROM book_postings WHERE state = 'posted'").await, 0);
    assert!(number(&stage.world, "SELECT count(*) FROM book_postings WHERE lease_until > now()").await >= 3);
    assert!(number(&stage.world, "SELECT count(*) FROM book_postings WHERE lease_until > now()").await <= 10);
    // Its leases run out; and nearly everything goes wrong for the second one.
    run(&stage.world, "UPDATE book_postings SET lease_until = now() WHERE lease_until IS NOT NULL").await;
    stage.sim.fail(&[
        Fault::LosesTheAnswer,
        Fault::TooMany(None),
        Fault::FailsAfterwards,
        Fault::Fails,
        Fault::Drops,
        Fault::TooMany(Some(1)),
        Fault::Expires,
    ]);
    stage.world.start_portal().await;
    stage.all_told().await;
    assert_eq!(stage.there(), stage.expected(), "each once, with its total");
    assert_eq!(stage.sim.read(tests::books::Books::faults_left), 0, "all of it has gone wrong");
    assert!(stage.sim.read(tests::books::Books::most_under_way) <= 10, "QuickBooks takes ten at once");

    let operator = Operator::sign_in(&stage.world).await;
    assert!(stage.compare(&operator).await.is_empty(), "no drift");
    operator.get(&stage.page("drift")).await.says(200, "12 documents are the same on both sides, to the cent.");
    let page = operator.get(&stage.page("documents")).await;
    page.says(200, "told (12)");
    page.says(200, "How often it was asked");

    // A period is told again: all is looked for, and nothing is written.
    let written = stage.sim.read(|books| books.calls()["create"]);
    let days = [("since", stage.days[1].to_string()), ("until", stage.days[0].to_string())];
    let days: Vec<(&str, &str)> = days.iter().map(|(name, day)| (*name, day.as_str())).collect();
    operator.post(&stage.page("documents/tell"), &days).await.says(200, "All of these days are looked for");
    stage.all_told().await;
    assert_eq!((stage.there(), stage.sim.read(|books| books.calls()["create"])), (stage.expected(), written));
    assert_eq!(audited(&stage.world, "books.tell_days").await.len(), 1);
    let counted = number(&stage.world, "SELECT sum(calls)::bigint FROM book_calls").await;
    assert!(counted > 0, "requests are counted");
}

#[tokio::test]
async fn what_is_said_of_an_old_entry_does_not_end_the_one_that_was_made_since() {
    let mut stage = stage(&CHOSEN).await;
    // Answers are held back for longer than a portal waits otherwise.
    let text = std::fs::read_to_string(stage.world.config()).unwrap();
    let (rest, section) = text.split_once("[quickbooks]").unwrap();
    let section = section.replace("timeout_ms = 2000", "timeout_ms = 30000");
    std::fs::write(stage.world.config(), format!("{rest}[quickbooks]{section}")).unwrap();
    stage.sim.hold(true);
    stage.sim.fail(&[Fault::Forbids]);
    stage.world.start_portal().await;
    stage.sim.wait_for("one is forbidden", |books| books.faults_left() == 0).await;
    // Somebody connects anew before that is heard.
    let now = stage.world.clock.now();
    let tokens = Tokens { access: stage.sim.token(), refresh: "refresh-2".into(), server: None };
    let pair = Pair { tokens: &tokens, base_url: None, access_until: now + Duration::HOUR, refresh_until: None };
    let new =
        New { provider: "quickbooks", organisation: "4620", name: "Mlango Ltd", posts_since: stage.days[1], pair };
    connection::connect(&stage.world.db, &new, By { actor: "test", address: None }, now).await.unwrap();
    stage.sim.hold(false);
    stage.all_told().await;
    assert_eq!(stage.there(), stage.expected());
    assert!(
        number(&stage.world, "SELECT max(attempts)::bigint FROM book_postings").await >= 2,
        "it was forbidden once"
    );
    let is_let_in = "SELECT count(*) FROM book_connections WHERE state = 'connected' AND generation = 1";
    assert_eq!(number(&stage.world, is_let_in).await, 1);
    assert!(audited(&stage.world, "books.lost").await.is_empty());

    // Said of the present one, it is heeded.
    let (row, told): (Uuid, String) = sqlx::query_as("SELECT id, number FROM book_postings ORDER BY number LIMIT 1")
        .fetch_one(&stage.world.pool)
        .await
        .unwrap();
    assert_eq!(stage.sim.delete(&told), 1);
    stage.sim.fail(&[Fault::Forbids]);
    let audit = store::admin::Audit { actor: "test", action: "books.tell_again", object: "test", address: None };
    posting::again(&stage.world.db, stage.connection, row, &audit, now).await.unwrap();
    eventually("we are not let in any more", || async {
        let lost = "SELECT count(*) FROM book_connections WHERE state = 'reconnect'";
        (number(&stage.world, lost).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_day_is_told_whose_closing_ends_late_and_so_is_one_before_the_first() {
    let stage = stage(&CHOSEN).await;
    let (db, now, [last, first]) = (&stage.world.db, stage.world.clock.now(), stage.days);
    let made = || async { make::make(db, now).await.unwrap() };
    assert_eq!((made().await, made().await), (6, 0));
    // A closing takes long: a later day is closed and made before it.
    let mut late = stage.world.pool.begin().await.unwrap();
    sqlx::query(AssertSqlSafe(closing(last + Duration::DAY))).execute(&mut *late).await.unwrap();
    assert_eq!(made().await, 0);
    stage.close(last + Duration::days(2)).await;
    assert_eq!((made().await, made().await), (3, 0));
    // And while it does, another company is connected.
    let tokens = Tokens { access: stage.sim.token(), refresh: "refresh-2".into(), server: None };
    let pair = Pair { tokens: &tokens, base_url: None, access_until: now + Duration::HOUR, refresh_until: None };
    let new =
        New { provider: "quickbooks", organisation: "4621", name: "Beach", posts_since: last + Duration::DAY, pair };
    let connected = connection::connect(db, &new, By { actor: "test", address: None }, now);
    let closed = async {
        eventually("it waits for the closing", || async {
            let waits: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            )
            .fetch_one(&stage.world.pool)
            .await
            .unwrap();
            waits.then_some(())
        })
        .await;
        late.commit().await.unwrap();
    };
    let (connected, ()) = tokio::join!(connected, closed);
    connected.unwrap();
    // The late day for the one company, both days for the other.
    assert_eq!((made().await, made().await), (9, 0));
    // A day before the first is told once the first day is that one.
    stage.close(first - Duration::DAY).await;
    assert_eq!(made().await, 0);
    run(&stage.world, "UPDATE book_connections SET posts_since = posts_since - 1 WHERE organisation = '4620'").await;
    assert_eq!((made().await, made().await), (3, 0));
    assert_eq!(number(&stage.world, "SELECT count(*) FROM book_untaken").await, 0);
}

#[tokio::test]
async fn what_is_missing_is_posted_and_what_is_extra_is_reversed() {
    let mut stage = stage(&CHOSEN).await;
    stage.world.start_portal().await;
    stage.all_told().await;
    let all = stage.expected();
    let (missing, wrong) = (all[0].0.clone(), all[2].0.clone());
    assert_eq!(stage.sim.delete(&missing), 1);
    stage.sim.change(&wrong, 1);
    let day = stage.days[0].to_string();
    let extra = format!("{}-NBO9-M", day.replace('-', ""));
    stage.sim.write("SalesReceipt", &extra, &day, 77_700);
    // What others have numbered is theirs.
    stage.sim.write("SalesReceipt", "1037", &day, 100);
    let operator = Operator::sign_in(&stage.world).await;
    let mut findings = stage.compare(&operator).await;
    findings.sort();
    let expected = [("amount", &wrong), ("extra", &extra), ("missing", &missing)];
    assert_eq!(findings, expected.map(|(kind, number)| (kind.to_owned(), number.clone())));

    let of = stage.comparison().await;
    let page = operator.get(&stage.page("drift")).await;
    page.says(200, "10 documents are the same");
    page.says(200, "Post missing");
    page.says(200, "Reverse extra");
    let (post, reverse) = (stage.page(&format!("drift/{of}/post")), stage.page(&format!("drift/{of}/reverse")));
    operator.forged(&post, &[("number", &missing), ("external", "")]).await;
    operator.post(&post, &[("number", &missing), ("external", "")]).await.says(200, "It is told again.");
    for number in [&extra, &wrong] {
        let there = stage.sim.read(|books| books.numbered(number)[0].id.clone());
        operator.post(&post, &[("number", number), ("external", &there)]).await.says(409, "Somebody was first");
        let asked = operator.post(&reverse, &[("number", number), ("external", &there)]).await;
        asked.says(200, "Reverse this document?");
        assert!(!stage.sim.read(|books| books.numbered(number)[0].is_void), "it is only asked");
        let fields = [("number", number.as_str()), ("external", there.as_str()), ("confirmed", "yes")];
        operator.post(&reverse, &fields).await.says(200, "It is reversed there.");
        assert!(stage.sim.read(|books| books.numbered(number).iter().all(|one| one.is_void)));
    }
    assert_eq!(audited(&stage.world, "books.reverse_extra").await.len(), 2);
    assert_eq!(audited(&stage.world, "books.post_missing").await, [(EMAIL.to_owned(), missing.clone())]);

    // What came to something else is told again only when somebody says so.
    operator.get(&stage.page("documents?state=undone")).await.says(200, &wrong);
    let row: Uuid = sqlx::query_scalar("SELECT id FROM book_postings WHERE state = 'undone'")
        .fetch_one(&stage.world.pool)
        .await
        .unwrap();
    let again = stage.page(&format!("documents/{row}/again"));
    let states = |state: &str| format!("SELECT count(*) FROM book_postings WHERE state = '{state}'");
    eventually("what was missing is told", || async {
        (number(&stage.world, &states("posted")).await == 11).then_some(())
    })
    .await;
    // It is refused with a status that says that all is well.
    stage.sim.fail(&[Fault::FaultOnOk]);
    operator.post(&again, &[]).await.says(200, "It is looked for");
    eventually("it is refused", || async { (number(&stage.world, &states("rejected")).await == 1).then_some(()) })
        .await;
    operator.get(&stage.page("documents?state=rejected")).await.says(200, "A business validation error has occurred");
    operator.post(&again, &[]).await.says(200, "It is looked for");
    stage.all_told().await;
    let mut there = stage.there();
    there.retain(|(number, _)| number != "1037");
    assert_eq!(there, all);
    assert!(stage.compare(&operator).await.is_empty());
}

#[tokio::test]
async fn what_is_told_again_waits_from_then_on_and_what_was_reversed_does_not_wait() {
    let stage = stage(&CHOSEN).await;
    // As PostgreSQL keeps it.
    let (db, now) = (&stage.world.db, stage.world.clock.now().replace_nanosecond(0).unwrap());
    let audit = store::admin::Audit { actor: "test", action: "books.tell_days", object: "test", address: None };
    let period = (stage.days[1], stage.days[0]);
    let again = async |at| posting::again_all(db, stage.connection, period, &audit, at).await.unwrap();
    let oldest = async || posting::standing(db).await.unwrap().oldest.map(|at| (at - now).whole_hours());
    assert_eq!(make::make(db, now).await.unwrap(), 6, "documents");
    assert_eq!(oldest().await, Some(0));
    // All is told; then somebody has one of it reversed.
    run(
        &stage.world,
        "UPDATE book_postings SET state = 'posted', external_id = number, posted_at = now();
         UPDATE book_postings SET state = 'undone' WHERE part = 'fees' AND day = (SELECT min(day) FROM book_postings)",
    )
    .await;
    assert_eq!(oldest().await, None);
    let hours = |hours| now + Duration::hours(hours);
    assert_eq!(again(hours(1000)).await, 11, "what was reversed is left alone");
    assert_eq!(oldest().await, Some(1000), "nothing waits since it was made");
    assert_eq!(number(&stage.world, "SELECT count(*) FROM book_postings WHERE state = 'undone'").await, 1);
    // Asking once more makes nothing younger.
    again(hours(1100)).await;
    assert_eq!(oldest().await, Some(1000));

    run(&stage.world, "UPDATE book_postings SET state = 'rejected' WHERE state = 'pending'").await;
    let change = [("method".to_owned(), "cash".to_owned(), Some("2".to_owned()))];
    assert_eq!(mapping::set(db, stage.connection, &change, &audit, hours(1200)).await.unwrap(), 1);
    assert_eq!(oldest().await, Some(1200));
    let reversed: Uuid = sqlx::query_scalar("SELECT id FROM book_postings WHERE state = 'undone'")
        .fetch_one(&stage.world.pool)
        .await
        .unwrap();
    run(&stage.world, "UPDATE book_postings SET state = 'rejected' WHERE state = 'pending'").await;
    posting::again(db, stage.connection, reversed, &audit, hours(1300)).await.unwrap();
    assert_eq!(oldest().await, Some(1300), "one by itself is told again if somebody says so");
}

#[tokio::test]
async fn what_is_refused_says_why_and_is_told_when_it_is_mended() {
    let without: Vec<_> = CHOSEN.into_iter().filter(|(what, _, _)| *what != "item").collect();
    let mut stage = stage(&without).await;
    // One choice leads to what QuickBooks does not have.
    stage.choose(&[("item", "deferred", "99")]).await;
    stage.world.start_portal().await;
    let operator = Operator::sign_in(&stage.world).await;
    eventually("what cannot be told is refused", || async {
        // Of each day: three sales and a refund that lack an item, a refund with a wrong one; the fees are told.
        let refused = "SELECT count(*) FROM book_postings WHERE state = 'rejected'";
        (number(&stage.world, refused).await == 10).then_some(())
    })
    .await;
    let page = operator.get(&stage.page("documents?state=rejected")).await;
    page.says(200, "“1 hour” has no product or service in QuickBooks Online: choose one on the mapping page.");
    page.says(200, "QuickBooks says: Invalid Reference Id");
    page.says(200, "refused (10)");

    let mapping = stage.page("mapping");
    operator.get(&mapping).await.says(200, "Nothing was read from QuickBooks Online yet");
    operator.forged(&format!("{mapping}/read"), &[]).await;
    operator.post(&format!("{mapping}/read"), &[]).await.says(200, "It was read again.");
    let dry = operator.post(&format!("{mapping}/dry-run"), &[]).await;
    dry.says(200, "would not be told");
    dry.says(200, "QuickBooks Online has no product or service 99 any more: choose another one.");
    let told = stage.there();
    let mut choices: Vec<(String, &str)> =
        without.iter().map(|(what, subject, id)| (format!("{what}:{subject}"), *id)).collect();
    choices.retain(|(name, _)| name != "method:mpesa");
    choices.extend([("item:*".to_owned(), "10"), ("item:deferred".to_owned(), "11")]);
    let fields: Vec<(&str, &str)> = choices.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    let wrong = [&fields[..], &[("class:*", "nowhere")]].concat();
    operator.post(&mapping, &wrong).await.says(422, "Nothing was saved.");
    assert_eq!(stage.there(), told, "a dry run tells nothing");
    operator.post(&mapping, &fields).await.says(200, "It is saved.");
    stage.all_told().await;
    assert_eq!(stage.there(), stage.expected());
    assert_eq!(audited(&stage.world, "books.map").await.last().unwrap().0, EMAIL);
    let dry = operator.post(&format!("{mapping}/dry-run"), &[]).await;
    assert!(!dry.text.contains("would not be told"), "{}", dry.text);
    assert!(stage.compare(&operator).await.is_empty());

    let limited = Operator::sign_in_as(&stage.world, "reads@example.org", shared::staff::Role::Accountant).await;
    limited.get(&stage.page("drift")).await.says(200, "to the cent");
    let seller = Operator::sign_in_as(&stage.world, "sells@example.org", shared::staff::Role::Cashier).await;
    assert_eq!(seller.get(&stage.page("drift")).await.status, 403);
}

#[tokio::test]
async fn the_pages_of_a_program_are_looked_at_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut stage = stage(&CHOSEN).await;
    stage.world.start_portal().await;
    stage.all_told().await;
    let all = stage.expected();
    assert_eq!(stage.sim.delete(&all[0].0), 1);
    stage.sim.change(&all[2].0, 1);
    let accountant = Operator::sign_in_as(&stage.world, "accounts@example.org", Role::Accountant).await;
    assert_eq!(stage.compare(&accountant).await.len(), 2);
    make(&stage.world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&stage.world, &browser, EMAIL).await;
    let at = |path: &str| format!("{}{path}", stage.world.portal_url());
    browser.client.goto(&at(&stage.page("mapping"))).await.unwrap();
    browser.press("form[action$=\"/dry-run\"] button").await;
    browser.wait_for("would be told").await;
    browser.picture("books-dry-run").await;
    for (path, words, name) in [
        ("/admin/books/programs".to_owned(), "Connect a company", "books-programs"),
        (stage.page("mapping"), "Read again from", "books-mapping"),
        (stage.page("documents"), all[1].0.as_str(), "books-told"),
        (stage.page("drift"), "Post missing", "books-drift"),
    ] {
        browser.pictures(&at(&path), words, name).await;
    }
    browser.close().await;
}
