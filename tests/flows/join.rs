//! Accounting is a join: whatever becomes of a router's reports on their way, as long as the same ones arrive, the
//! same sessions, the same usage and the same hours come out.
//!
//! A script of sessions makes reports: some lose their Start or their Stop, counters go backwards, names are used again
//! after a reboot, several sessions share an entitlement, some bring our ticket and some do not. They are recorded in one database
//! one by one and in order, and in another mixed up: in any order, repeatedly, in batches of any size, by two servers
//! at once, and at the end the whole log once more.
//!
//! Two radiusd processes do the same with packets.
//!
//! `./mlango test` tries a few scripts, `./mlango test --full` two hundred. A failure names its seed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use radius_proto::Code;
use radius_proto::attribute::{rfc2865, rfc2866};
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use store::accounting::{Event, Report, SessionKey};
use tests::dice::Dice;
use tests::world::World;
use tests::world::lab::{Lab, LabSettings, Port, SECRET, Wire};
use uuid::Uuid;

const ENTITLEMENTS: u64 = 3;
const SESSIONS: u64 = 12;
const MIB: u64 = 1 << 20;

/// A world's names for what the script numbers.
struct Stage {
    world: World,
    entitlements: Vec<Uuid>,
}

impl Stage {
    async fn new() -> Stage {
        let world = World::new().await;
        let package =
            world.package("data", |p| (p.rules.quota_octets, p.rules.device_limit) = (Some(900 * MIB), 9)).await;
        let mut entitlements = Vec::new();
        for number in 0..ENTITLEMENTS {
            entitlements.push(world.grant(&package, &format!("guest{number}"), "pw").await);
        }
        Stage { world, entitlements }
    }

    /// What the script tells, with this world's identities.
    fn translate(&self, told: &[Report]) -> Vec<Report> {
        let mine = |number: Uuid| self.entitlements[usize::try_from(number.as_u128()).expect("a small number")];
        told.iter().map(|report| Report { entitlement: report.entitlement.map(mine), ..report.clone() }).collect()
    }

    async fn record(&self, told: &[Report]) {
        store::accounting::record(&self.world.db, &self.translate(told), self.world.clock.now()).await.unwrap();
    }

    /// Everything that accounting has written, in words, without identities that each world makes for itself.
    async fn written(&self) -> BTreeMap<&'static str, Vec<String>> {
        let ids: Vec<String> = self.entitlements.iter().map(|id| format!("'{id}'")).collect();
        let name = format!("array_position(ARRAY[{}]::uuid[], x.entitlement_id)", ids.join(", "));
        let columns = format!(
            "x.nas_id, x.acct_session_id, x.user_name, x.mac, x.framed_ip, x.nas_address, {name}, x.started_at,
             x.first_at, x.first_seconds, x.first_input, x.first_output, x.last_heard_at, x.session_seconds,
             x.input_octets, x.output_octets, x.ended_at, x.terminate_cause, x.lost"
        );
        let steps =
            "c.from_at, c.from_seconds, c.from_input, c.from_output, c.to_at, c.to_seconds, c.to_input, c.to_output";
        let both = "(SELECT id, nas_id, acct_session_id, started_at FROM sessions
                     UNION ALL SELECT id, nas_id, acct_session_id, started_at FROM sessions_ended) s";
        let queries = [
            ("open sessions", format!("SELECT row({columns})::text FROM sessions x ORDER BY 1")),
            ("ended sessions", format!("SELECT row({columns})::text FROM sessions_ended x ORDER BY 1")),
            (
                "steps between hours",
                format!(
                    "SELECT row(s.nas_id, s.acct_session_id, s.started_at, {steps})::text
                     FROM session_crossings c JOIN {both} ON s.id = c.session_id ORDER BY 1"
                ),
            ),
            (
                "hours",
                format!(
                    "SELECT row(x.hour, x.nas_id, {name}, x.input_octets, x.output_octets, x.seconds)::text
                     FROM usage_hourly x WHERE (x.input_octets, x.output_octets, x.seconds) <> (0, 0, 0) ORDER BY 1"
                ),
            ),
            (
                "entitlements",
                format!(
                    "SELECT row({name}, x.input_octets, x.output_octets, x.seconds, x.state)::text
                     FROM (SELECT u.*, e.state FROM entitlement_usage u JOIN entitlements e ON e.id = u.entitlement_id) x ORDER BY 1"
                ),
            ),
        ];
        let mut written = BTreeMap::new();
        for (what, query) in queries {
            let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&self.world.pool).await;
            written.insert(what, rows.unwrap_or_else(|error| panic!("{what}: {error}")));
        }
        written
    }
}

/// The reports of some sessions, in the order in which they were made.
fn script(dice: &mut Dice, now: OffsetDateTime) -> Vec<Report> {
    let routers = [Uuid::from_u128(0xa1), Uuid::from_u128(0xa2)];
    let begin = now - Duration::from_secs(9 * 3600);
    let mut told = Vec::new();
    for number in 0..SESSIONS {
        let has_ticket = dice.between(0, 2) > 0;
        let started = begin + Duration::from_secs(dice.between(0, 4 * 3600));
        let id = if has_ticket { shared::rng::id(started) } else { Uuid::nil() };
        let guest = dice.between(0, ENTITLEMENTS - 1);
        // Two in three have a name of their own; the others share one, hours apart or at another router or device.
        let called = if dice.between(0, 2) > 0 { format!("8010{number:04x}") } else { "80100001".to_owned() };
        let blank = Report {
            session: SessionKey { id, opened_on: started.date() },
            nas: routers[usize::try_from(dice.between(0, 1)).unwrap()],
            nas_address: Some(IpAddr::from(Ipv4Addr::new(10, 20, 0, 1))),
            entitlement: Some(Uuid::from_u128(guest.into())),
            user_name: format!("guest{guest}"),
            mac: Some(Mac([2, 0, 0, 0, 0, u8::try_from(number).unwrap()])),
            framed_ip: Some(IpAddr::from(Ipv4Addr::new(10, 5, 50, 1))),
            acct_session_id: called,
            event: Event::Interim,
            seconds: 0,
            input_octets: 0,
            output_octets: 0,
            terminate_cause: None,
            at: started,
        };
        let mut own = Vec::new();
        own.push(Report { event: Event::Start, ..blank.clone() });
        if dice.between(0, 9) == 0 {
            own.push(own[0].clone());
        }
        let (mut passed, mut up, mut down) = (0, 0, 0);
        for _ in 0..dice.between(0, 9) {
            // Mostly some minutes; now and then hours without a word.
            passed += if dice.between(0, 6) == 0 { dice.between(3600, 7200) } else { dice.between(60, 1200) };
            (up, down) = match dice.between(0, 9) {
                0 => (up / 2, down / 3),
                1 => (up, down),
                _ => (up + dice.between(0, 20 * MIB), down + dice.between(0, 20 * MIB)),
            };
            // Whole seconds, as routers count, and some delay on the way.
            let at = started + Duration::from_millis(1000 * passed + dice.between(0, 900));
            let framed_ip = Some(IpAddr::from(Ipv4Addr::new(10, 5, 50, u8::try_from(passed % 250).unwrap())));
            let moved =
                Report { seconds: passed, input_octets: up, output_octets: down, at, framed_ip, ..blank.clone() };
            own.push(moved);
        }
        if dice.between(0, 3) > 0 {
            let cause = Some("User-Request".to_owned());
            let last = own.last().unwrap().clone();
            own.push(Report { event: Event::Stop, terminate_cause: cause, ..last });
        }
        // What is lost on its way, and was never acknowledged.
        let kept = |report: &Report, dice: &mut Dice| match report.event {
            Event::Start | Event::Stop => dice.between(0, 4) > 0,
            Event::Interim => dice.between(0, 9) > 0,
        };
        told.extend(own.into_iter().filter(|report| kept(report, dice)));
    }
    told.sort_by_key(|report| report.at);
    told
}

fn shuffled<T>(mut reports: Vec<T>, dice: &mut Dice) -> Vec<T> {
    for place in (1..reports.len()).rev() {
        reports.swap(place, usize::try_from(dice.between(0, place as u64)).unwrap());
    }
    reports
}

/// One server's work: these reports, in batches of any size.
async fn serve(stage: &Stage, reports: &[Report], mut dice: Dice) {
    let mut rest = reports;
    while !rest.is_empty() {
        let size = usize::try_from(dice.between(1, 20)).unwrap().min(rest.len());
        let (batch, others) = rest.split_at(size);
        stage.record(batch).await;
        rest = others;
    }
}

#[tokio::test]
async fn any_order_repetition_and_split_of_the_same_reports_gives_the_same_books() {
    let scripts = if std::env::var_os("MLANGO_FULL").is_some() { 200 } else { 4 };
    let first = std::env::var("MLANGO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026);
    for seed in first..first + scripts {
        let mut dice = Dice::seeded(seed);
        let (straight, mixed) = (Stage::new().await, Stage::new().await);
        let told = script(&mut dice, straight.world.clock.now());
        for report in &told {
            straight.record(std::slice::from_ref(report)).await;
        }
        let twice: Vec<Report> = told.iter().chain(told.iter().filter(|_| dice.between(0, 2) == 0)).cloned().collect();
        let twice = shuffled(twice, &mut dice);
        let (one, other) = twice.split_at(twice.len() / 2);
        let (first_dice, second_dice) = (Dice::seeded(dice.draw()), Dice::seeded(dice.draw()));
        tokio::join!(serve(&mixed, one, first_dice), serve(&mixed, other, second_dice));
        // The whole log again, as after a restore.
        serve(&mixed, &told, Dice::seeded(dice.draw())).await;
        let (expected, found) = (straight.written().await, mixed.written().await);
        for (what, rows) in &expected {
            assert_eq!(rows, &found[what], "{what}, MLANGO_SEED={seed}");
        }
        check_sums(&straight, &told, seed).await;
    }
}

/// Usage is what the router counted last, in all and over the hours.
async fn check_sums(stage: &Stage, told: &[Report], seed: u64) {
    let mut highest: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for report in told {
        // A device has one session here, so it tells sessions apart whether they have a ticket or not.
        let counted = highest.entry(report.mac).or_default();
        *counted = (counted.0.max(report.input_octets), counted.1.max(report.output_octets));
    }
    let counted: u64 = highest.values().map(|(up, down)| up + down).sum();
    for query in [
        "SELECT coalesce(sum(input_octets + output_octets), 0)::bigint FROM entitlement_usage",
        "SELECT coalesce(sum(input_octets + output_octets), 0)::bigint FROM usage_hourly",
    ] {
        let sum: i64 = sqlx::query_scalar(query).fetch_one(&stage.world.pool).await.unwrap();
        assert_eq!(u64::try_from(sum).unwrap(), counted, "{query}, MLANGO_SEED={seed}");
    }
    let sessions: i64 =
        sqlx::query_scalar("SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM sessions_ended)")
            .fetch_one(&stage.world.pool)
            .await
            .unwrap();
    assert_eq!(usize::try_from(sessions).unwrap(), highest.len(), "MLANGO_SEED={seed}");
}

/// Two processes of radiusd hear of the same sessions at the same time, each report by both and in another order, some with our
/// ticket and some without.
#[tokio::test]
async fn two_servers_that_hear_the_same_reports_at_once_make_one_session_of_each() {
    let mut settings = LabSettings::default();
    // A spool belongs to one radiusd, and both have one configuration.
    settings.world.has_spool = false;
    let mut lab = Lab::with(settings).await;
    let (one, one_at) = (Wire::at(Ipv4Addr::LOCALHOST).await, lab.address(Port::Acct));
    let running = lab.world.radiusd.take();
    lab.start().await;
    let (other, other_at) = (Wire::at(Ipv4Addr::LOCALHOST).await, lab.address(Port::Acct));
    assert_ne!(one_at, other_at);

    let mut dice = Dice::seeded(2026);
    let mut reports = Vec::new();
    for number in 0..20 {
        let session = format!("801000{number:02x}");
        let class = if number % 2 == 0 { Some(lab.ticket().await) } else { None };
        for (status, step) in [(1, 0), (3, 1), (3, 2), (3, 3), (2, 4)] {
            let draft = lab.report(status, &session);
            let draft = match &class {
                Some(class) => draft.put(rfc2865::CLASS, class),
                None => draft,
            };
            let draft = draft
                .put(rfc2866::ACCT_SESSION_TIME, step * 10)
                .put(rfc2866::ACCT_INPUT_OCTETS, step * 100)
                .put(rfc2866::ACCT_OUTPUT_OCTETS, step * 1000);
            reports.push(draft.finish());
        }
    }
    let (first_order, second_order) = (shuffled(reports.clone(), &mut dice), shuffled(reports, &mut dice));
    let tell = async |wire: &Wire, server, reports: &[Vec<u8>]| {
        for report in reports {
            assert_eq!(wire.ask(server, report, SECRET).await.code(), Code::AccountingResponse);
        }
    };
    tokio::join!(tell(&one, one_at, &first_order), tell(&other, other_at, &second_order));
    assert_eq!(lab.sessions().await, (0, 20));
    assert_eq!(lab.usage().await, (20 * 40, 20 * 400, 20 * 4000));
    drop(running);
}
