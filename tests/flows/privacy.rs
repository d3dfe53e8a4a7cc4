//! Data about people: told on the page that asks for it, never whole in a log, handed over, taken out, let go of in time; and offers
//! only for those who said yes.

use serde_json::Value;
use tests::nas::{Mac, Nas};
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::guest::{Guest, Page};

/// The last digit has the payment succeed.
const TYPED: &str = "0712345670";
/// What every spelling of it has.
const DIGITS: &str = "712345670";

struct Shop {
    world: World,
    router: Nas,
}

impl Shop {
    async fn open() -> Shop {
        let mut world = World::new().await;
        world.daraja().await;
        world.sms().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        Shop { world, router }
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router).with_mac(Mac([0x4c, 0x5e, 0x0c, 0, 0, 7])).with_cookie("")
    }

    /// Somebody buys an hour and is online. Returns the guest, and the page of the order.
    async fn customer(&self) -> (Guest, String) {
        let guest = self.guest();
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", TYPED).await;
        let paid = guest.wait_for_stage(&order, "go_online").await;
        guest.go_online(&paid).await;
        guest.wait_for_stage(&order, "online").await;
        (guest, order)
    }

    /// Everybody goes offline, and whatever is under way comes to its end.
    async fn settle(&self) {
        for mac in self.router.read(|router| router.sessions().map(|session| session.mac).collect::<Vec<_>>()) {
            self.router.logout(mac);
        }
        eventually("everything is settled", || async {
            let open: i64 = sqlx::query_scalar(
                "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM payment_events WHERE processed_at IS NULL)
                      + (SELECT count(*) FROM notifications WHERE state = 'pending')",
            )
            .fetch_one(&self.world.pool)
            .await
            .ok()?;
            (open == 0).then_some(())
        })
        .await;
    }

    async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&self.world.pool).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.world.pool).await.unwrap();
    }

    /// The tables in which a text stands, in any spelling of its letters.
    async fn tables_with(&self, text: &str) -> Vec<String> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE '\\_sqlx%' ORDER BY 1",
        )
        .fetch_all(&self.world.pool)
        .await
        .unwrap();
        let mut found = Vec::new();
        for table in tables {
            // Octets are shown in hexadecimal digits.
            let sql = format!(
                "SELECT count(*) FROM {table} t WHERE lower(t::text) LIKE $1
                    OR position(encode(convert_to($2, 'UTF8'), 'hex') IN t::text) > 0"
            );
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(format!("%{}%", text.to_lowercase()))
                .bind(text)
                .fetch_one(&self.world.pool)
                .await
                .unwrap();
            if rows > 0 {
                found.push(table);
            }
        }
        found
    }

    async fn erase(&self, more: &[&str]) -> Value {
        let arguments = [&["person", "erase", "--phone", TYPED, "--json"][..], more].concat();
        serde_json::from_str(&self.world.portal_command(&arguments, "").await).unwrap()
    }

    async fn erase_refused(&self) -> String {
        self.world.portal_refuses(&["person", "erase", "--phone", TYPED], "").await
    }
}

#[tokio::test]
async fn a_purchase_leaves_no_whole_number_in_a_log() {
    let shop = Shop::open().await;
    let (guest, order) = shop.customer().await;
    // One that fails, one for another phone, and a code by SMS.
    let other = shop.guest().with_mac(Mac([0x4c, 0x5e, 0x0c, 0, 0, 8]));
    let page = other.arrive().await;
    let (failed, _) = other.buy(&page, "one-hour", "0712345671").await;
    other.wait_for_stage(&failed, "failed").await;
    let account = guest.send(&guest.get(&order).await, "My packages and devices", &[]).await;
    guest.send(&account, "action=\"/account/sign-out\"", &[]).await;
    let asks = other.follow(&other.arrive().await, "I have a package already").await;
    other.send(&asks, "action=\"/account/code\"", &[("phone", TYPED)]).await;
    shop.settle().await;

    let mut lines = shop.world.portal_logs();
    lines.extend(shop.world.radiusd.as_ref().unwrap().log().lines().map(str::to_owned));
    assert!(lines.len() > 10, "the programs say what they do: {lines:?}");
    let whole: Vec<&String> = lines.iter().filter(|line| line.contains(DIGITS) || line.contains("712345671")).collect();
    assert!(whole.is_empty(), "{whole:?}");
}

#[tokio::test]
async fn all_that_is_known_of_a_person_is_handed_over_and_no_secret() {
    let shop = Shop::open().await;
    shop.customer().await;
    shop.settle().await;
    let text = shop.world.portal_command(&["person", "export", "--phone", "+254 712 345 670"], "").await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["customer"]["phone"], "+254712345670");
    assert_eq!(told["customer"]["wants_offers"], false);
    for (what, least) in
        [("packages", 1), ("orders", 1), ("payments", 1), ("sessions", 1), ("messages", 1), ("visits", 1)]
    {
        let rows = told[what].as_array().unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(rows.len() >= least, "{what}: {text}");
    }
    assert_eq!(told["orders"][0]["package"], "one hour");
    assert_eq!(told["sessions"][0]["device"], "4c:5e:0c:00:00:07");
    assert_eq!(told["payments"][0]["receipt"].as_str().map(str::len), Some(10));
    for secret in ["password", "sealed", "lookup"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(shop.count("SELECT count(*) FROM admin_logs WHERE action = 'person.export'").await, 1);
    let nobody = shop.world.portal_refuses(&["person", "export", "--phone", "0799999999"], "").await;
    assert!(nobody.contains("nobody is known by this number"), "{nobody}");
}

#[tokio::test]
async fn a_person_is_erased_once_nothing_runs_and_the_books_stay() {
    let shop = Shop::open().await;
    shop.customer().await;
    let user: Uuid = sqlx::query_scalar("SELECT id FROM users").fetch_one(&shop.world.pool).await.unwrap();
    assert!(shop.erase_refused().await.contains("is online"));
    shop.settle().await;
    let refused = shop.erase_refused().await;
    assert!(refused.contains("has access with one hour, until") && refused.contains("--give-up-access"), "{refused}");
    // What is remembered by the device alone, and what the desk and other programs left.
    for statement in [
        "INSERT INTO login_refusals (nas_id, mac, lookup, name, reason, hour, first_at, last_at, times)
         VALUES (gen_random_uuid(), '4c:5e:0c:00:00:07', decode(repeat('00', 16), 'hex'), 'AB…', 'quota', date_trunc('hour', now(), 'UTC'), now(), now(), 1)",
        "INSERT INTO support_actions (id, kind, actor, reason, object, user_id, mac, at)
         SELECT gen_random_uuid(), 'move', 'me@example.org', 'called from 0712345670', 'one hour to 4c:5e:0c:00:00:07', id, '4c:5e:0c:00:00:07', now()
         FROM users",
        r#"INSERT INTO idempotency_keys (token_id, route, key, fingerprint, work_id, lease_until, status, body, created_at)
         VALUES (gen_random_uuid(), 'POST /x', 'k', decode(repeat('00', 16), 'hex'), gen_random_uuid(), now(), 201,
                 convert_to('{"phone":"+254712345670"}', 'UTF8'), now())"#,
        "WITH connected AS (INSERT INTO book_connections (id, provider, organisation, name, state, posts_since, connected_at, connected_by)
             VALUES (gen_random_uuid(), 'xero', 't1', 'Mlango Ltd', 'off', '2026-11-01', now(), 'test') RETURNING id)
         INSERT INTO book_customers (connection_id, user_id, external_id, set_at, set_by)
         SELECT c.id, u.id, '77', now(), 'test' FROM connected c, users u",
        // The bank told of money of theirs by itself, which paid for their order.
        "WITH file AS (INSERT INTO statements (id, account, format, file_name, digest, since, until, imported_at, imported_by)
             VALUES (gen_random_uuid(), 'bank', 'bank', 'x.csv', sha256('x'), now(), now(), now(), 'test') RETURNING id),
         booked AS (INSERT INTO ledger_transactions (id, key, description, posted_at)
             VALUES (gen_random_uuid(), 'received:bank:S00ABCDEF0123', 'test', now()) RETURNING id),
         line AS (INSERT INTO statement_lines (id, statement_id, account, reference, kind, happened_at, amount_minor, currency, details, state,
                 resolution, transaction_id, resolved_at, resolved_by)
             SELECT gen_random_uuid(), f.id, 'bank', 'FT1', 'other', now(), 2000, 'KES', 'FT1 FROM 0712345670', 'resolved', 'assign', b.id, now(),
                 'test'
             FROM file f, booked b)
         INSERT INTO received_money (id, provider, receipt, amount_minor, currency, reference, received_at, state, order_id, decided_at, decided_by)
         SELECT gen_random_uuid(), 'bank', 'S00ABCDEF0123', 2000, 'KES', 'FT1 FROM 0712345670', now(), 'assigned', id, now(), 'test' FROM orders",
        // So did Stripe's statement, and Stripe told late that it is a payment of theirs.
        "WITH file AS (INSERT INTO statements (id, account, format, file_name, digest, since, until, imported_at, imported_by)
             VALUES (gen_random_uuid(), 'stripe', 'stripe', 'y.csv', sha256('y'), now(), now(), now(), 'test') RETURNING id),
         paid AS (INSERT INTO payments (id, order_id, provider, amount_minor, currency, state, created_at, updated_at)
             SELECT gen_random_uuid(), id, 'stripe', 2000, 'KES', 'succeeded', now(), now() FROM orders RETURNING id),
         booked AS (INSERT INTO ledger_transactions (id, key, description, posted_at)
             SELECT gen_random_uuid(), 'payment:' || id, 'test', now() FROM paid RETURNING id),
         line AS (INSERT INTO statement_lines (id, statement_id, account, reference, kind, happened_at, amount_minor, currency, details, state,
                 resolution, transaction_id, resolved_at, resolved_by)
             SELECT gen_random_uuid(), f.id, 'stripe', 'txn_1', 'payment', now(), 2000, 'KES', 'Wi-Fi 0712345670', 'resolved', 'assign', b.id,
                 now(), 'test'
             FROM file f, booked b)
         INSERT INTO received_money (id, provider, receipt, amount_minor, currency, reference, received_at, state, order_id, decided_at, decided_by)
         SELECT gen_random_uuid(), 'stripe', 'S00ABCDEF0124', 2000, 'KES', 'Wi-Fi 0712345670', now(), 'matched', id, now(), 'report' FROM orders",
    ] {
        shop.run(statement).await;
    }
    let everywhere = shop.tables_with("4c:5e:0c:00:00:07").await;
    for table in ["device_visits", "login_refusals", "support_actions"] {
        assert!(everywhere.iter().any(|found| found == table), "{table}: {everywhere:?}");
    }
    assert!(shop.tables_with(DIGITS).await.iter().any(|table| table == "idempotency_keys"));

    let erased = shop.erase(&["--give-up-access"]).await;
    assert_eq!((erased["result"].as_str(), erased["orders"].as_i64()), (Some("erased"), Some(1)), "{erased}");
    assert!(erased["sessions"].as_i64() >= Some(1) && erased["reports"].as_i64() >= Some(1), "{erased}");
    assert_eq!(shop.tables_with(DIGITS).await, Vec::<String>::new());
    assert_eq!(shop.tables_with("4c:5e:0c:00:00:07").await, Vec::<String>::new());

    // What the law asks for is there, of nobody.
    let (phone, state, amount): (String, String, i64) =
        sqlx::query_as("SELECT phone, state, amount_minor FROM orders").fetch_one(&shop.world.pool).await.unwrap();
    assert!(phone.parse::<shared::phone::Phone>().unwrap().is_erased(), "{phone}");
    assert_eq!((state.as_str(), amount), ("paid", 2_000));
    assert_eq!(shop.count("SELECT count(*) FROM payments WHERE receipt IS NOT NULL").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM ledger_entries").await, 2);
    assert_eq!(shop.count("SELECT count(*) FROM book_customers").await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM support_actions WHERE kind = 'move'").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM admin_logs WHERE action = 'person.erase'").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM entitlements WHERE state = 'revoked'").await, 1);
    // The desk and the lists still read it.
    assert!(shop.world.portal_command(&["session", "list", "--ended"], "").await.contains("cafe"));

    assert_eq!(shop.erase(&[]).await["result"], "unknown", "a second time changes nothing");
    let now = shop.world.clock.now();
    let again =
        store::user::ensure(&shop.world.db, shared::rng::id(now), &TYPED.parse().unwrap(), "", now).await.unwrap();
    assert_ne!(again, user, "who comes back is somebody new");
}

#[tokio::test]
async fn nobody_is_erased_to_whom_money_is_owed_or_who_is_paying() {
    let shop = Shop::open().await;
    shop.customer().await;
    shop.settle().await;
    shop.run("UPDATE entitlements SET state = 'expired', starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .await;
    shop.run("UPDATE orders SET state = 'prompted', paid_at = NULL").await;
    assert!(shop.erase_refused().await.contains("is under way"));
    shop.run("UPDATE orders SET state = 'refund_due', paid_at = now()").await;
    shop.run(
        "WITH booked AS (INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
             SELECT gen_random_uuid(), 'a test', id, 'owed', now() FROM orders RETURNING id)
         INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
         SELECT gen_random_uuid(), b.id, a.id, CASE a.code WHEN 'sales' THEN 2000 ELSE -2000 END, 'KES'
         FROM booked b, ledger_accounts a WHERE a.code IN ('sales', 'refunds_due')",
    )
    .await;
    assert!(shop.erase_refused().await.contains("money is owed"));
    assert_eq!(shop.count("SELECT count(*) FROM users WHERE erased_at IS NOT NULL").await, 0);
}

#[tokio::test]
async fn what_was_kept_long_enough_is_let_go_of_and_money_is_not() {
    let shop = Shop::open().await;
    shop.customer().await;
    shop.settle().await;
    let before = shop.count("SELECT (SELECT count(*) FROM ledger_entries) + (SELECT count(*) FROM payments)").await;
    let young: Value =
        serde_json::from_str(&shop.world.portal_command(&["retention", "run", "--json"], "").await).unwrap();
    let rows = |told: &Value, what: &str| {
        let found = told.as_array().and_then(|rules| rules.iter().find(|rule| rule["what"] == what));
        found.and_then(|rule| rule["rows"].as_i64())
    };
    let rules = ["payment_reports", "visits", "session_people", "messages", "security", "commands"];
    assert!(rules.iter().all(|what| rows(&young, what) == Some(0)), "nothing is old enough: {young}");

    for statement in [
        // These rows were not there when it was done up to a year ago.
        "DELETE FROM retention_marks",
        "UPDATE payment_events SET received_at = received_at - interval '3 years'",
        "UPDATE orders SET created_at = created_at - interval '3 years', paid_at = paid_at - interval '3 years'",
        "UPDATE notifications SET created_at = created_at - interval '3 years'",
        "UPDATE sessions_ended SET opened_on = opened_on - 1100",
        "INSERT INTO security_events (id, at, kind, mac) VALUES (gen_random_uuid(), now() - interval '3 years', 'device_locked', '02:00:00:00:00:01')",
        "INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, acct_session_id, reason, state, due_at, created_at)
         VALUES (gen_random_uuid(), 'disconnect', gen_random_uuid(), gen_random_uuid(), 'x', 'y', 'expired', 'proved',
                 now() - interval '3 years', now() - interval '3 years')",
        "CREATE TABLE sessions_ended_2020_01_archived (LIKE sessions_ended INCLUDING DEFAULTS)",
        "INSERT INTO sessions_ended_2020_01_archived (id, opened_on, nas_id, user_name, mac, acct_session_id, started_at, last_heard_at)
         VALUES (gen_random_uuid(), '2020-01-05', gen_random_uuid(), 'AB2CD3EF', '02:00:00:00:00:02', '1', '2020-01-05', '2020-01-05')",
    ] {
        shop.run(statement).await;
    }
    let told: Value =
        serde_json::from_str(&shop.world.portal_command(&["retention", "run", "--json"], "").await).unwrap();
    for what in rules {
        assert!(rows(&told, what) >= Some(1), "{what}: {told}");
    }
    for (what, left) in [
        ("SELECT count(*) FROM payment_events WHERE octet_length(body) > 0 OR source IS NOT NULL", 0),
        ("SELECT count(*) FROM payment_events WHERE outcome IS NOT NULL", 1),
        ("SELECT count(*) FROM orders WHERE mac IS NOT NULL OR visit <> '{}'", 0),
        ("SELECT count(*) FROM sessions_ended WHERE mac IS NOT NULL OR user_name <> ''", 0),
        ("SELECT count(*) FROM sessions_ended_2020_01_archived WHERE mac IS NOT NULL", 0),
        ("SELECT count(*) FROM sessions_ended_2020_01_archived", 1),
        ("SELECT count(*) FROM notifications", 0),
        ("SELECT count(*) FROM security_events", 0),
        ("SELECT count(*) FROM orders", 1),
    ] {
        assert_eq!(shop.count(what).await, left, "{what}");
    }
    let after = shop.count("SELECT (SELECT count(*) FROM ledger_entries) + (SELECT count(*) FROM payments)").await;
    assert_eq!(after, before);
    let again: Value =
        serde_json::from_str(&shop.world.portal_command(&["retention", "run", "--json"], "").await).unwrap();
    assert!(rules.iter().all(|what| rows(&again, what) == Some(0)), "a second time finds nothing: {again}");

    // Whoever was not heard of for long is erased as by request, where the operator wishes that.
    let text = std::fs::read_to_string(shop.world.config()).unwrap();
    std::fs::write(shop.world.config(), format!("{text}\n[retention]\ncustomers_months = 12\n")).unwrap();
    shop.run(
        "UPDATE users SET created_at = created_at - interval '3 years', otp_verified_at = otp_verified_at - interval '3 years'",
    )
    .await;
    shop.run(
        "UPDATE entitlements SET created_at = created_at - interval '3 years', starts_at = starts_at - interval '3 years',
             expires_at = expires_at - interval '3 years', state = 'expired'",
    )
    .await;
    let told: Value =
        serde_json::from_str(&shop.world.portal_command(&["retention", "run", "--json"], "").await).unwrap();
    assert_eq!(rows(&told, "customers"), Some(1), "{told}");
    assert_eq!(shop.tables_with(DIGITS).await, Vec::<String>::new());
}

/// The page behind the link under a field for a number.
async fn privacy(guest: &Guest, page: &Page, link: &str) -> Page {
    let privacy = guest.follow(page, link).await;
    assert_eq!(privacy.status, 200, "{}", privacy.text);
    privacy
}

#[tokio::test]
async fn whoever_gives_a_number_is_told_what_it_is_for_in_both_languages() {
    let mut shop = Shop::open().await;
    let text = std::fs::read_to_string(shop.world.config()).unwrap();
    let own = shop.world.config().with_file_name("privacy.txt");
    std::fs::write(&own, "Our own <words>.\n\nAnd more.").unwrap();
    let section = format!(
        "\n[privacy]\nresponsible = \"Café Market\"\ncontact = \"0700 000 000\"\nenglish_file = \"{}\"\n",
        own.display()
    );
    std::fs::write(shop.world.config(), text + &section).unwrap();
    shop.world.portal.take().unwrap().kill().await;
    shop.world.start_portal().await;

    let guest = shop.guest();
    let page = guest.arrive().await;
    assert!(page.text.contains("We use your number for the payment"), "{}", page.text);
    let told = privacy(&guest, &page, "Your data").await;
    for words in ["Café Market is responsible", "after 13 months", "after 180 days", "0700 000 000", "And more."] {
        assert!(told.text.contains(words), "{words}: {}", told.text);
    }
    assert!(!told.text.contains("<words>"), "an operator's text is text");
    let back = guest.follow(&told, "Back to the packages").await;
    assert!(back.text.contains("one hour"), "{}", back.text);

    let swahili = shop.guest().with_languages("sw");
    let told = privacy(&swahili, &swahili.arrive().await, "Taarifa zako").await;
    assert!(told.text.contains("Tunachohifadhi") && told.text.contains("lang=\"en\""), "{}", told.text);
}

#[tokio::test]
async fn offers_are_for_those_who_were_asked_and_said_yes() {
    let shop = Shop::open().await;
    let (guest, order) = shop.customer().await;
    let listed = async || -> Value {
        serde_json::from_str(&shop.world.portal_command(&["person", "offers", "--json"], "").await).unwrap()
    };
    assert_eq!(listed().await, serde_json::json!([]), "who has bought something has not said yes to that");
    let account = guest.send(&guest.get(&order).await, "My packages and devices", &[]).await;
    assert!(account.text.contains("May we also write to you about offers"), "{}", account.text);
    let yes = guest.send(&account, "action=\"/account/offers\"", &[]).await;
    assert!(yes.text.contains("We tell you of offers"), "{}", yes.text);
    assert_eq!(listed().await[0]["phone"], "+254712345670");
    let no = guest.send(&yes, "action=\"/account/offers\"", &[]).await;
    assert!(no.text.contains("May we also write to you about offers"), "{}", no.text);
    assert_eq!(listed().await, serde_json::json!([]));
    assert_eq!(shop.count("SELECT count(*) FROM users WHERE offers_said_at IS NOT NULL AND NOT offers").await, 1);
}
