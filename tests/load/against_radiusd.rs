//! The generator against the real radiusd and its database: what it calls stored is stored, and what is not is found.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ::tests::world::{World, at};
use sqlx::Executor as _;

use crate::accounting::{Accounting, Books, Keeper};
use crate::run::Run;

/// Some sessions for a moment, against the world's radiusd.
fn accounting(world: &World, secret_file: PathBuf, tickets: u32, with_logins: bool) -> Accounting {
    let radiusd = world.radiusd.as_ref().expect("it runs");
    let address = |key| radiusd.address(key).parse().expect("an address");
    let run = Run {
        label: "radiusd".into(),
        outstanding: 16,
        rate: None,
        rate_from: None,
        share: 0.5,
        then_rate: None,
        then_seconds: 0,
        from: Ipv4Addr::LOCALHOST,
        ports: Some(1),
        seconds: 0.1,
        rounds: 2,
        warm: 0.0,
        watch: Vec::new(),
        wal: Some(database(world)),
        json: None,
    };
    Accounting {
        server: address("acct"),
        auth_server: address("auth"),
        secret_file,
        run,
        sessions: 50,
        users: 100,
        first: 1,
        with_logins,
        tickets,
        accept_unsigned: false,
        stored: Some(database(world)),
        keeper: Keeper::Radiusd,
        settle: 30,
    }
}

fn database(world: &World) -> String {
    let options = world.pool.connect_options();
    let server = std::env::var("MLANGO_TEST_DATABASE_URL").expect("./mlango test says where PostgreSQL is");
    let mut url: url::Url = server.parse().expect("a URL");
    url.set_path(options.get_database().expect("a database"));
    url.into()
}

/// The generator has threads and runtimes of its own.
async fn books(accounting: Accounting) -> Books {
    let measured = tokio::task::spawn_blocking(move || accounting.measure()).await.expect("no panic");
    let report = measured.expect("radiusd answers");
    assert_eq!(report.complaint(), None);
    let round = &report.rounds[1];
    assert!(round.accepted > 0 && round.wal_octets.is_some_and(|octets| octets > 0.0), "{round:?}");
    report.books.expect("they were compared")
}

/// A world with customers, and the file with the generator's secret.
async fn world() -> (World, PathBuf) {
    let mut world = World::new().await;
    world.register("bench", b"between-us", at(Ipv4Addr::LOCALHOST)).await;
    world.portal_command(&["seed", "--customers", "100", "--bound"], "").await;
    world.start_radiusd().await;
    let secret = world.config().with_file_name("bench.secret");
    std::fs::write(&secret, "between-us").expect("the secret is written");
    (world, secret)
}

#[tokio::test]
async fn what_comes_faster_than_postgresql_commits_it_goes_to_the_spool_and_is_stored_too() {
    let (world, secret) = world().await;
    let usual = accounting(&world, secret, 0, false);
    // More under way than two batches hold, so that one is full while the one before is being committed.
    let run = Run { outstanding: 1000, ports: Some(4), seconds: 0.3, ..usual.run.clone() };
    let books = books(Accounting { sessions: 2000, run, ..usual }).await;
    assert!(books.agree(), "{books}");
    let radiusd = world.radiusd.as_ref().expect("it runs");
    for result in ["stored", "spooled"] {
        let interims = format!("mlango_acct_records_total{{result=\"{result}\",status_type=\"Interim-Update\"}}");
        assert!(radiusd.metric(&interims).await > 0.0, "{result}");
    }
}

#[tokio::test]
async fn radiusd_stores_what_it_acknowledges_and_a_lost_octet_is_found() {
    let (world, secret) = world().await;
    for (tickets, with_logins) in [(0, false), (60, false), (0, true)] {
        let books = books(accounting(&world, secret.clone(), tickets, with_logins)).await;
        assert!(books.agree(), "{books}");
        assert!(books.acknowledged > books.sessions && books.sessions >= 45, "{books}");
    }
    // From here on the history loses an octet of every session that ends.
    world
        .pool
        .execute(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.input_octets := NEW.input_octets - 1; RETURN NEW; END $$;
             CREATE TRIGGER lose BEFORE INSERT ON sessions_ended FOR EACH ROW EXECUTE FUNCTION lose()",
        )
        .await
        .expect("the trigger is made");
    let books = books(Accounting { settle: 0, ..accounting(&world, secret, 60, false) }).await;
    assert_eq!((books.different, books.missing), (books.sessions, 0), "{books}");
    // A Stop that came twice finds its octet missing and counts it again, in all and by hour.
    assert_eq!(books.usage_off, books.hourly_off, "{books}");
    assert!((0..=books.sessions.cast_signed()).contains(&books.usage_off), "{books}");
}
