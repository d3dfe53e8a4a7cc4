//! What goes wrong raises one alert, is told once to whoever wants to know it, acknowledged, escalated, and over by itself.
//!
//! A portal looks every 20 seconds, and what is over must stay so for two minutes: [`look`] frees the turn, and [`later`] moves the
//! alerts back in time, so that a story takes seconds.

use std::sync::Arc;
use std::time::Duration;

use shared::alert::{Kind, Rule, Severity};
use shared::notice::Channel;
use shared::staff::Role;
use store::accounting::{self, Event, Report, SessionKey};
use store::alert::{self, Alert, State, rules};
use store::nas::Heard;
use store::{outage, security};
use tests::daraja::Outcome;
use tests::nas::Mac;
use tests::sms::{Mood, Provider, SmsSim};
use tests::smtp::{Protection, SmtpServer};
use tests::world::{Browser, World, eventually, eventually_within, first_report};
use uuid::Uuid;

use crate::guest::Guest;
use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator, make};

/// Whom the owner's text messages go to.
const PHONE: &str = "+254712345678";

/// The next look comes at once.
async fn look(world: &World) {
    sqlx::query("UPDATE alert_watch SET lease_until = 'epoch'").execute(&world.pool).await.unwrap();
}

/// So many minutes have passed for all alerts.
async fn later(world: &World, minutes: i32) {
    let earlier = "UPDATE alerts SET opened_at = opened_at - make_interval(mins => $1), clear_since = clear_since - make_interval(mins => $1)";
    sqlx::query(earlier).bind(minutes).execute(&world.pool).await.unwrap();
}

/// The alerts of a kind, whatever their state.
async fn alerts(world: &World, kind: Kind) -> Vec<Alert> {
    let mut found = alert::present(&world.db, time::OffsetDateTime::UNIX_EPOCH).await.unwrap();
    found.retain(|alert| alert.kind == kind);
    found
}

/// Waits until there is one of a kind in this state, and wants no other one of that kind.
async fn until(world: &World, kind: Kind, state: State) -> Alert {
    let what = format!("{} is {}", kind.as_str(), state.as_str());
    eventually_within(Duration::from_secs(60), &what, || async {
        look(world).await;
        let found = alerts(world, kind).await;
        assert!(found.len() <= 1, "{found:?}");
        found.into_iter().find(|alert| alert.state == state)
    })
    .await
}

/// The same for a rule that is changed before.
async fn with_rule(world: &World, kind: Kind, change: impl FnOnce(&mut Rule)) {
    let mut rule = Rule::of(kind);
    change(&mut rule);
    assert!(rule.check(kind), "{rule:?}");
    rules::save(&world.db, kind, &rule, "test", world.clock.now()).await.unwrap();
}

/// Makes an owner who is told everything by SMS.
async fn owner(world: &World) {
    make(world, EMAIL, Role::Owner).await;
    let id = world.staff_id(EMAIL).await;
    let wish = rules::Wish::From(Severity::Info);
    rules::set_wish(&world.db, id, wish, Some(&PHONE.parse().unwrap())).await.unwrap();
}

/// The text messages about alerts with these words.
fn told(sms: &SmsSim, words: &str) -> usize {
    sms.messages().iter().filter(|message| message.to == PHONE && message.text.contains(words)).count()
}

async fn until_told(world: &World, sms: &SmsSim, words: &str) {
    eventually_within(Duration::from_secs(60), &format!("a message says {words:?}"), || async {
        look(world).await;
        (told(sms, words) > 0).then_some(())
    })
    .await;
}

/// How full this machine's disk is shall not come into it.
async fn ignore_the_disk(world: &World) {
    with_rule(world, Kind::DiskSpace, |rule| rule.is_on = false).await;
}

#[tokio::test]
async fn codes_that_are_guessed_are_told_once_acknowledged_and_over() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    let sms = world.sms().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    let package = world.package("one-day", |_| {}).await;
    world.voucher(&package, "ABCDE23456").await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let mine = [("severity", "warning"), ("phone", "0712 345 678")];
    operator.post("/admin/alerts/mine", &mine).await.says(200, "It is saved.");
    // radiusd has been seen before somebody guesses, each time from another address.
    eventually("radiusd's counters are known", || async {
        look(&world).await;
        let heard = "SELECT (memory->>'radiusd_heard')::boolean FROM alert_watch";
        sqlx::query_scalar::<_, Option<bool>>(heard).fetch_one(&world.pool).await.ok()??.then_some(())
    })
    .await;
    for number in 0..36 {
        let guesser = Mac([0x02, 0, 0, 0, 0x0f, number]);
        assert!(!router.login_pap(guesser, &format!("ABCDE23{:03}", 500 + u32::from(number)), "").await.is_accepted());
    }
    let guessing = until(&world, Kind::VoucherGuessing, State::Open).await;
    assert!(guessing.title.contains("at Test site that new logins wait"), "{}", guessing.title);
    let failed = until(&world, Kind::FailedLogins, State::Open).await;
    assert!(failed.title.contains(" wrong passwords and codes at Test site within"), "{}", failed.title);
    until_told(&world, &sms, "CRITICAL: So many codes are guessed at Test site that new logins wait").await;

    // Somebody minds it. However often it is looked, it is one alert and one message.
    let here = format!("/admin/alerts/{}", guessing.id);
    operator.get("/admin").await.says(200, "<strong>Critical:</strong>");
    operator.get("/admin/alerts").await.says(200, &here);
    operator.get(&here).await.says(200, "owner@example.org, by SMS: that it was raised");
    operator.forged(&format!("{here}/acknowledge"), &[("note", "x")]).await;
    let minded = operator.post(&format!("{here}/acknowledge"), &[("note", "I am on my way")]).await;
    minded.says(200, "It is yours now");
    minded.says(200, "I am on my way");
    operator
        .post(&format!("{here}/acknowledge"), &[])
        .await
        .says(409, "This alert is minded by owner@example.org already.");
    assert!(!operator.get("/admin").await.text.contains("<strong>Critical:</strong>"));
    operator.get("/admin/alerts?state=acknowledged").await.says(200, &here);
    assert_eq!(
        audited(&world, "alert.acknowledge").await,
        by_operator(&[&format!("voucher_guessing {}", guessing.id)])
    );
    later(&world, 60).await;
    for _ in 0..3 {
        let before = alerts(&world, Kind::VoucherGuessing).await[0].last_seen_at;
        eventually("it is looked again", || async {
            look(&world).await;
            (alerts(&world, Kind::VoucherGuessing).await[0].last_seen_at > before).then_some(())
        })
        .await;
    }
    assert_eq!((told(&sms, "CRITICAL"), told(&sms, "NOBODY")), (1, 0), "{:?}", sms.messages());
    let portal = world.portal.as_ref().unwrap();
    assert!(portal.metric("mlango_alerts_open{severity=\"critical\"}").await >= 1.0);
    assert!((portal.metric("mlango_alerts_raised_total{kind=\"voucher_guessing\"}").await - 1.0).abs() < 0.5);

    // Nobody guesses any more.
    for earlier in [
        "UPDATE security_events SET at = at - interval '1 hour'",
        "UPDATE alert_samples SET at = at - interval '1 hour'",
    ] {
        sqlx::query(earlier).execute(&world.pool).await.unwrap();
    }
    eventually("its cause is gone", || async {
        look(&world).await;
        alerts(&world, Kind::VoucherGuessing).await[0].clear_since
    })
    .await;
    later(&world, 10).await;
    until(&world, Kind::VoucherGuessing, State::Resolved).await;
    until_told(&world, &sms, "Over: So many codes are guessed").await;
    operator.get("/admin/alerts?state=ended").await.says(200, &here);

    // It begins again: the same alert, and people are told again.
    let now = world.clock.now();
    let nas: Uuid = sqlx::query_scalar("SELECT id FROM nas").fetch_one(&world.pool).await.unwrap();
    let again = security::Event {
        kind: security::Kind::RouterGuessing,
        nas: Some(nas),
        mac: None,
        user_name: None,
        detail: String::new(),
    };
    security::record(&world.db, &again, now).await.unwrap();
    let back = until(&world, Kind::VoucherGuessing, State::Open).await;
    assert_eq!((back.id, back.count), (guessing.id, 2));
    eventually("it is told again", || async { (told(&sms, "CRITICAL") == 2).then_some(()) }).await;
}

#[tokio::test]
async fn a_router_that_is_silent_and_minded_by_nobody_is_told_to_the_owners() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    let sms = world.sms().await;
    owner(&world).await;
    with_rule(&world, Kind::RouterSilent, |rule| rule.window_minutes = 0).await;
    let now = world.clock.now();
    let begin = now - Duration::from_secs(600);
    let settings = store::nas::Settings { address: Some("10.60.0.1/32".parse().unwrap()), ..Default::default() };
    let nas = world.register("cafe", b"secret", settings).await;
    let session = SessionKey { id: shared::rng::id(begin), opened_on: begin.date() };
    let report = Report { session, ..first_report(nas, begin) };
    accounting::record(&world.db, &[report], begin).await.unwrap();
    let (db, clock) = (world.db.clone(), world.clock.clone());
    let heard = async |at| {
        let heard = Heard { nas, at, proved_generation: None, clock_offset_seconds: None };
        store::nas::seen(&db, &[heard]).await.unwrap();
        outage::note(&db, Duration::from_secs(90), clock.now()).await.unwrap()
    };
    assert_eq!(heard(begin).await.began, ["cafe"]);
    world.start_portal().await;
    let silent = until(&world, Kind::RouterSilent, State::Open).await;
    assert_eq!(silent.title, "Router cafe is silent");
    until_told(&world, &sms, "CRITICAL: Router cafe is silent http").await;

    later(&world, 31).await;
    until_told(&world, &sms, "NOBODY MINDS IT: Router cafe is silent").await;
    assert!(until(&world, Kind::RouterSilent, State::Open).await.escalated_at.is_some());

    assert_eq!(heard(world.clock.now()).await.ended, ["cafe"]);
    eventually("its cause is gone", || async {
        look(&world).await;
        alerts(&world, Kind::RouterSilent).await[0].clear_since
    })
    .await;
    later(&world, 10).await;
    until(&world, Kind::RouterSilent, State::Resolved).await;
    until_told(&world, &sms, "Over: Router cafe is silent").await;
    for words in ["CRITICAL", "NOBODY", "Over"] {
        assert_eq!(told(&sms, words), 1, "{words}: {:?}", sms.messages());
    }
}

#[tokio::test]
async fn two_portals_raise_and_tell_once() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    world.daraja().await;
    let sms = world.sms().await;
    owner(&world).await;
    world.start_portal().await;
    let other = world.another_portal().await;
    let broken = "INSERT INTO backup_runs (id, kind, started_at, ended_at, ok, detail)
                  VALUES (gen_random_uuid(), 'full', now() - interval '1 hour', now() - interval '1 hour', false, 'no room')";
    sqlx::query(broken).execute(&world.pool).await.unwrap();
    let late = until(&world, Kind::BackupLate, State::Open).await;
    until_told(&world, &sms, "CRITICAL: No backup has gone well yet").await;
    // Both look as fast as they can.
    for _ in 0..5 {
        let before = alerts(&world, Kind::BackupLate).await[0].last_seen_at;
        eventually("it is looked again", || async {
            look(&world).await;
            (alerts(&world, Kind::BackupLate).await[0].last_seen_at > before).then_some(())
        })
        .await;
    }
    let [only] = &alerts(&world, Kind::BackupLate).await[..] else { panic!("one alert") };
    assert_eq!((only.id, only.count), (late.id, 1));
    assert_eq!(told(&sms, "No backup"), 1, "{:?}", sms.messages());
    let raised = "mlango_alerts_raised_total{kind=\"backup_late\"}";
    let sum = world.portal.as_ref().unwrap().metric(raised).await + other.metric(raised).await;
    assert!((sum - 1.0).abs() < 0.5, "{sum}");
}

/// What must be found by its facts alone, and what makes it so.
const FACTS: [(Kind, &str); 5] = [
    (
        Kind::RestoreDrill,
        "INSERT INTO backup_runs (id, kind, started_at, ended_at, ok, detail) VALUES (gen_random_uuid(), 'drill', now(), now(), false, 'no table')",
    ),
    (
        Kind::MoneyUnmatched,
        "INSERT INTO received_money (id, provider, receipt, amount_minor, currency, received_at, state)
         VALUES (gen_random_uuid(), 'mpesa', 'AAAAAAAAA1', 2000, 'KES', now() - interval '20 minutes', 'unmatched')",
    ),
    (
        Kind::RouterUnheard,
        "INSERT INTO nas (id, name, address, secret_sealed, last_seen_at, created_at)
         VALUES (gen_random_uuid(), 'roof', '10.61.0.1/32', '\\x00', now() - interval '2 days', now())",
    ),
    (
        Kind::AccountAttack,
        "INSERT INTO security_events (id, at, kind, detail) VALUES (gen_random_uuid(), now(), 'code_guessing', '')",
    ),
    (
        Kind::MacCloned,
        "INSERT INTO security_events (id, at, kind, mac, detail) VALUES (gen_random_uuid(), now(), 'mac_cloned', '02:00:00:00:00:01', 'one, two')",
    ),
];

#[tokio::test]
async fn what_the_database_knows_raises_each_its_alert_and_many_at_once_are_one_message() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    let sms = world.sms().await;
    owner(&world).await;
    for (kind, sql) in FACTS {
        with_rule(&world, kind, |rule| rule.by_sms = true).await;
        sqlx::query(sql).execute(&world.pool).await.unwrap();
    }
    world.start_portal().await;
    for (kind, _) in FACTS {
        until(&world, kind, State::Open).await;
    }
    until_told(&world, &sms, "5 alerts:").await;
    assert_eq!(sms.messages().len(), 1, "{:?}", sms.messages());
    eventually("all of it is written down as sent in one", || async {
        let sent = "SELECT count(*), count(DISTINCT reference) FROM alert_messages WHERE state = 'sent'";
        let sent: (i64, i64) = sqlx::query_as(sent).fetch_one(&world.pool).await.ok()?;
        (sent == (5, 1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn payments_that_fail_for_one_and_for_all_and_a_provider_that_is_away() {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    for package in ["one-hour", "two-hours", "three-hours"] {
        world.package(package, |_| {}).await;
    }
    with_rule(&world, Kind::PaymentAttempts, |rule| rule.threshold = 3).await;
    world.start_portal().await;
    let guest = |number: u8| Guest::new(&world.portal_url(), &router).with_mac(Mac([0x02, 0, 0, 0, 0x60, number]));
    let buy = async |number: u8, package: &str| {
        let phone = format!("07123{number:02}670");
        daraja.tell(&format!("254{}", &phone[1..]), Outcome::Cancelled);
        let (guest, failed) = (guest(number), "SELECT count(*) FROM payments WHERE state = 'failed'");
        let before: i64 = sqlx::query_scalar(failed).fetch_one(&world.pool).await.unwrap();
        let page = guest.arrive().await;
        guest.buy(&page, package, &phone).await;
        eventually("it is cancelled", || async {
            let now: i64 = sqlx::query_scalar(failed).fetch_one(&world.pool).await.ok()?;
            (now > before).then_some(())
        })
        .await;
    };
    for package in ["one-hour", "two-hours", "three-hours"] {
        buy(10, package).await;
    }
    let attempts = until(&world, Kind::PaymentAttempts, State::Open).await;
    assert!(attempts.lines.contains(&"07xx xxx 670: 3 times in vain".to_owned()), "{:?}", attempts.lines);
    assert!(alerts(&world, Kind::PaymentFailures).await.is_empty(), "one customer is no trouble");
    for number in 11..15 {
        buy(number, "one-hour").await;
    }
    let failures = until(&world, Kind::PaymentFailures, State::Open).await;
    assert!(failures.title.starts_with("5 of 5 customers could not pay by M-Pesa"), "{}", failures.title);

    daraja.set_outage(true);
    for number in 20..24 {
        let guest = guest(number);
        let page = guest.arrive().await;
        guest.buy(&page, "one-hour", &format!("07123{number:02}670")).await;
    }
    // Those who have cancelled prove that M-Pesa works, until they are of some minutes ago.
    let earlier = "UPDATE payments SET created_at = created_at - interval '6 minutes' WHERE result_code = '1032'";
    sqlx::query(earlier).execute(&world.pool).await.unwrap();
    let failing = until(&world, Kind::ProviderFailing, State::Open).await;
    assert_eq!(failing.subject, "mpesa");
}

#[tokio::test]
async fn when_no_provider_takes_text_messages_an_email_says_so() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    let Some(mail) = SmtpServer::configure(&world, Protection::None, true).await else { return };
    let sms: Arc<SmsSim> = world.sms().await;
    for provider in [Provider::AfricasTalking, Provider::Twilio] {
        sms.set_mood(provider, Mood::Throttles);
    }
    owner(&world).await;
    let now = world.clock.now();
    let user =
        store::user::ensure(&world.db, shared::rng::id(now), &"0712345670".parse().unwrap(), "", now).await.unwrap();
    world.start_portal().await;
    let news = "INSERT INTO notifications (id, user_id, template, payload, next_attempt_at, expires_at, created_at)
                SELECT gen_random_uuid(), $1, 'ended', '{\"package\": \"one day\"}', now(), now() + interval '1 hour', now()
                FROM generate_series(1, 4)";
    sqlx::query(news).bind(user).execute(&world.pool).await.unwrap();
    let failing = until(&world, Kind::ProviderFailing, State::Open).await;
    assert_eq!(failing.subject, Channel::Sms.as_str());
    let mail = mail.mail(0).await;
    assert_eq!(mail.to, [EMAIL]);
    assert!(mail.header("subject").contains("CRITICAL: SMS cannot be sent"), "{:?}", mail.headers);
    assert!(mail.text.contains(&format!("/admin/alerts/{}", failing.id)), "{}", mail.text);
}

#[tokio::test]
async fn a_cloned_device_is_told_from_what_routers_report() {
    let mut world = World::new().await;
    world.start_portal().await;
    let now = world.clock.now();
    let begin = now - Duration::from_secs(1800);
    let mut keys = Vec::new();
    for (name, address) in [("one", "10.62.0.1/32"), ("two", "10.62.0.2/32")] {
        let settings = store::nas::Settings { address: Some(address.parse().unwrap()), ..Default::default() };
        let nas = world.register(name, b"secret", settings).await;
        keys.push((nas, SessionKey { id: shared::rng::id(begin), opened_on: begin.date() }));
    }
    let mac = Some("00:00:00:00:0F:21".parse().unwrap());
    for (event, at, seconds) in [(Event::Start, begin, 0), (Event::Interim, now, 1800)] {
        for (nas, session) in &keys {
            let first = first_report(*nas, at);
            let report = Report { session: *session, mac, event, seconds, ..first };
            accounting::record(&world.db, &[report], at).await.unwrap();
        }
    }
    assert_eq!(security::find_clones(&world.db, Duration::from_secs(150), now).await.unwrap(), 1);
    let cloned = until(&world, Kind::MacCloned, State::Open).await;
    assert_eq!(cloned.title, "Online in two places at once: 1 device");
    assert_eq!(cloned.lines, ["at routers one, two"]);
}

#[tokio::test]
async fn a_disk_of_another_portals_machine_is_told_by_whoever_looks() {
    let mut world = World::new().await;
    // How full this machine's is shall not come into it.
    with_rule(&world, Kind::DiskSpace, |rule| rule.threshold = 1).await;
    world.start_portal().await;
    let own = "SELECT count(*) FROM alert_samples WHERE kind = 'disk_free_percent' AND subject LIKE '%:/'";
    eventually("a portal has told how its own stands", || async {
        look(&world).await;
        (sqlx::query_scalar::<_, i64>(own).fetch_one(&world.pool).await.unwrap() == 1).then_some(())
    })
    .await;
    let another =
        "INSERT INTO alert_samples (kind, subject, at, value) VALUES ('disk_free_percent', 'elsewhere:/', $1, 0)";
    sqlx::query(another).bind(world.clock.now()).execute(&world.pool).await.unwrap();
    let full = until(&world, Kind::DiskSpace, State::Open).await;
    assert_eq!(
        (full.subject.as_str(), full.title.as_str()),
        ("elsewhere:/", "Only 0 % of the disk of / on elsewhere is free")
    );
    // It has room again, as the other portal tells.
    let room = "UPDATE alert_samples SET value = 50 WHERE subject = 'elsewhere:/'";
    assert_eq!(sqlx::query(room).execute(&world.pool).await.unwrap().rows_affected(), 1);
    eventually("its cause is gone", || async {
        look(&world).await;
        alerts(&world, Kind::DiskSpace).await[0].clear_since
    })
    .await;
    later(&world, 10).await;
    until(&world, Kind::DiskSpace, State::Resolved).await;
}

#[tokio::test]
async fn sign_ins_at_the_desk_that_fail_are_told() {
    let mut world = World::new().await;
    with_rule(&world, Kind::StaffLogins, |rule| rule.threshold = 5).await;
    world.start_portal().await;
    let visitor = Operator::visitor(&world).await;
    for _ in 0..5 {
        assert_eq!(visitor.credentials("nobody@example.org", "a guess").await.status(), 403);
    }
    let failing = until(&world, Kind::StaffLogins, State::Open).await;
    assert!(failing.title.starts_with("5 sign-ins at the desk failed"), "{}", failing.title);
    assert_eq!(failing.lines, ["for 1 account, from 1 address"]);
}

#[tokio::test]
async fn a_radiusd_that_was_there_is_missed() {
    let mut world = World::new().await;
    with_rule(&world, Kind::RadiusdAway, |rule| rule.window_minutes = 0).await;
    world.start_radiusd().await;
    world.start_portal().await;
    eventually("a portal has heard it", || async {
        look(&world).await;
        let heard = "SELECT (memory->>'radiusd_heard')::boolean FROM alert_watch";
        sqlx::query_scalar::<_, Option<bool>>(heard).fetch_one(&world.pool).await.ok()??.then_some(())
    })
    .await;
    world.radiusd.take().unwrap().kill().await;
    until(&world, Kind::RadiusdAway, State::Open).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told_without_it() {
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    let sms = world.sms().await;
    owner(&world).await;
    world.start_portal().await;
    eventually("the portal has looked", || async {
        look(&world).await;
        let held = "SELECT holder IS NOT NULL FROM alert_watch";
        sqlx::query_scalar::<_, bool>(held).fetch_one(&world.pool).await.ok()?.then_some(())
    })
    .await;
    world.postgres.cut();
    let patience = Duration::from_secs(120);
    eventually_within(patience, "it is told that the database is away", || async {
        (told(&sms, "The database does not answer") == 1).then_some(())
    })
    .await;
    world.postgres.mend();
    until_told(&world, &sms, "The database answers again").await;
    until(&world, Kind::DatabaseAway, State::Resolved).await;
    assert_eq!(told(&sms, "The database"), 2, "{:?}", sms.messages());
}

#[tokio::test]
async fn rules_are_changed_put_back_and_muted_at_the_desk() {
    let mut world = World::new().await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let path = "/admin/alerts/rules/disk_space";
    operator.get("/admin/alerts/rules").await.says(200, "percent that must be free: 10");
    operator.get(path).await.says(200, "1 to 50; usually 10.");
    let form = [("threshold", "5"), ("severity", "warning"), ("escalate", ""), ("way:email", "on"), ("is_on", "on")];
    operator.forged(path, &form).await;
    for (name, value, sentence) in [
        ("threshold", "0", "Write a whole number from 1 to 50."),
        ("severity", "fatal", "Choose one of these."),
        ("escalate", "9999", "Write a whole number from 1 to 1440."),
    ] {
        let wrong: Vec<_> = form.iter().copied().filter(|(field, _)| *field != name).chain([(name, value)]).collect();
        operator.post(path, &wrong).await.says(422, sentence);
    }
    assert_eq!(rules::all(&world.db).await.unwrap()[&Kind::DiskSpace], Rule::of(Kind::DiskSpace));
    operator.post(path, &form).await.says(200, "The rule is saved.");
    let saved = rules::all(&world.db).await.unwrap()[&Kind::DiskSpace];
    let told = (saved.by_sms, saved.by_email, saved.wakes, saved.escalate_minutes);
    assert_eq!((saved.threshold, saved.severity, told), (5, Severity::Warning, (false, true, false, None)));
    operator.post(path, &[("reset", "yes")]).await.says(200, "The rule is saved.");
    assert_eq!(rules::all(&world.db).await.unwrap()[&Kind::DiskSpace], Rule::of(Kind::DiskSpace));
    assert_eq!(audited(&world, "alert.rule").await, by_operator(&["disk_space", "disk_space"]));

    operator.post(&format!("{path}/mute"), &[("hours", "9")]).await.says(422, "Choose one of these.");
    operator.post(&format!("{path}/mute"), &[("hours", "4")]).await.says(200, "muted until");
    assert_eq!(rules::mutes(&world.db, world.clock.now()).await.unwrap().len(), 1);
    operator.forged(&format!("{path}/unmute"), &[]).await;
    operator.post(&format!("{path}/unmute"), &[]).await.says(200, "People are told of it again.");
    assert!(rules::mutes(&world.db, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(audited(&world, "alert.mute").await, by_operator(&["disk_space for 4 h"]));
    operator.get("/admin/alerts/rules/weather").await.says(404, "It is not here");

    operator
        .post("/admin/alerts/mine", &[("severity", "loudly"), ("phone", "")])
        .await
        .says(422, "Choose one of these.");
    operator.post("/admin/alerts/mine", &[("severity", ""), ("phone", "12")]).await.says(422, "should look like 0712");
    operator.post("/admin/alerts/mine", &[("severity", "none"), ("phone", "")]).await.says(200, "It is saved.");
    let id = world.staff_id(EMAIL).await;
    assert_eq!(rules::wish(&world.db, id).await.unwrap(), (rules::Wish::Nothing, None));
}

#[tokio::test]
async fn whoever_may_not_know_of_a_thing_sees_no_alert_of_it() {
    let mut world = World::new().await;
    world.start_portal().await;
    let (kind, sql) = FACTS[1];
    sqlx::query(sql).execute(&world.pool).await.unwrap();
    let unmatched = until(&world, kind, State::Open).await;
    let here = format!("/admin/alerts/{}", unmatched.id);
    let cashier = Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await;
    assert!(!cashier.get("/admin/alerts").await.text.contains(&here));
    cashier.get(&here).await.says(404, "It is not here");
    let accountant = Operator::sign_in_as(&world, "accountant@example.org", Role::Accountant).await;
    accountant.get("/admin/alerts").await.says(200, &here);
    accountant.post(&format!("{here}/acknowledge"), &[]).await.says(403, "That is not for your role");
}

#[tokio::test]
async fn an_alert_is_acknowledged_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    ignore_the_disk(&world).await;
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    let broken = "INSERT INTO backup_runs (id, kind, started_at, ended_at, ok, detail)
                  VALUES (gen_random_uuid(), 'full', now() - interval '1 hour', now() - interval '1 hour', false, 'no room')";
    sqlx::query(broken).execute(&world.pool).await.unwrap();
    until(&world, Kind::BackupLate, State::Open).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    // Each portal renews every two seconds what all pages show.
    eventually("every page says so", || async {
        browser.client.goto(&format!("{}/admin/packages", world.portal_url())).await.ok()?;
        browser.text().await.contains("Critical: No backup has gone well yet").then_some(())
    })
    .await;
    for (path, name) in [
        ("", "desk-alarm"),
        ("/alerts/rules", "desk-alert-rules"),
        ("/alerts/rules/router_silent", "desk-alert-rule"),
        ("/alerts/rules/router_silent/mute", "desk-alert-mute"),
        ("/alerts/mine", "desk-alert-mine"),
        ("/alerts", "desk-alerts"),
    ] {
        let address = format!("{}/admin{path}", world.portal_url());
        browser.pictures(&address, "Critical: No backup has gone well yet", name).await;
    }
    browser.client.set_window_size(1100, 800).await.unwrap();
    browser.press("td a[href^=\"/admin/alerts/\"]").await;
    browser.wait_for("Who was told").await;
    browser.picture("desk-alert").await;
    browser.fill("note", "I look after it").await;
    browser.press("form[action$=\"/acknowledge\"] button").await;
    browser.wait_for("It is yours now").await;
    browser.wait_for("I look after it").await;
    browser.picture("desk-alert-acknowledged").await;
    let minded = until(&world, Kind::BackupLate, State::Acknowledged).await;
    assert_eq!(minded.acknowledged.map(|(by, _)| by).as_deref(), Some(EMAIL));
    browser.close().await;
}
