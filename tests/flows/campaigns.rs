//! Who will buy, and offers to them: the night's work on simulated purchases, what the desk shows of it, who is told and who is held out, and what
//! is left of somebody who was erased.

use std::sync::Arc;

use shared::staff::Role;
use shared::time::Zone;
use sqlx::AssertSqlSafe;
use tests::sms::SmsSim;
use tests::world::{Browser, World, at, eventually};

use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator};

/// Customers: sixty who buy every third day on average, forty who did and stopped, one after the other, five to two hundred days ago, and a
/// hundred who buy every fortieth. Every fifth wants offers, and every tenth reads Swahili.
const CUSTOMERS: i64 = 200;
const LIKELY: &str = "/admin/reports/money/likely-buyers";
const CHURN: &str = "/admin/reports/money/churn";

struct Stage {
    world: World,
    sms: Arc<SmsSim>,
    operator: Operator,
}

async fn run(world: &World, statement: &str) {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&world.pool).await.unwrap();
}

async fn number(world: &World, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&world.pool).await.unwrap()
}

/// Campaigns whose counts are not those of their members.
const MISCOUNTED: &str = "SELECT count(*) FROM campaigns c
     CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE NOT is_held_out) AS to_tell, count(told_at) AS told, count(*) FILTER (WHERE is_held_out) AS held_out
                         FROM campaign_members WHERE campaign_id = c.id) m
     WHERE (c.to_tell, c.told, c.held_out) IS DISTINCT FROM (m.to_tell, m.told, m.held_out)";

/// What they bought in 240 days, each day by a lot that is the same in every run, in the evening. The last evening is the last one that is over:
/// at whichever hour this runs, a week has seven.
async fn orders(world: &World) {
    run(
        world,
        "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
         SELECT gen_random_uuid(), upper(substr(md5(u.id::text || d::text), 1, 12)), u.id, u.phone, p.id, '{}', 2000, 'KES', n.id, 'paid', at, at, at
         FROM (SELECT id, phone, substr(phone, 6)::integer AS i FROM users) u, packages p, nas n, generate_series(0, 239) d,
              LATERAL (SELECT date_trunc('day', now() - interval '18 hours', 'UTC') + interval '18 hours' - d * interval '1 day' AS at,
                              ('x' || substr(md5(u.i || '-' || d), 1, 4))::bit(16)::integer % 1000 AS lot) l
         WHERE lot < CASE WHEN u.i <= 100 THEN 333 ELSE 25 END AND NOT (u.i BETWEEN 61 AND 100 AND d < (u.i - 60) * 5)",
    )
    .await;
}

/// A night is over: the portal has begun it, since there never was one.
async fn stage() -> Stage {
    let mut world = World::new().await;
    let sms = world.sms().await;
    world.package("one-hour", |_| {}).await;
    world.register("cafe", b"secret", at([10, 0, 0, 1])).await;
    run(
        &world,
        &format!(
            "INSERT INTO users (id, phone, created_at, offers, offers_said_at, locale, locale_chosen)
             SELECT gen_random_uuid(), '+2547' || lpad(i::text, 8, '0'), now() - interval '400 days', i % 5 = 0,
                    CASE WHEN i % 5 = 0 THEN now() - interval '1 day' END, CASE WHEN i % 10 = 0 THEN 'sw' ELSE 'en' END, true
             FROM generate_series(1, {CUSTOMERS}) i"
        ),
    )
    .await;
    orders(&world).await;
    world.start_portal().await;
    eventually("the night is over", || async {
        let over = "SELECT count(*) FROM purchase_runs WHERE ended_at IS NOT NULL AND model_30 IS NOT NULL";
        (number(&world, over).await == 1).then_some(())
    })
    .await;
    let operator = Operator::sign_in(&world).await;
    Stage { world, sms, operator }
}

#[tokio::test]
async fn the_night_says_who_will_buy_and_the_desk_shows_it() {
    let Stage { world, operator, .. } = stage().await;
    let said = number(&world, "SELECT count(*) FROM purchase_chances").await;
    assert_eq!(said, number(&world, "SELECT count(DISTINCT user_id) FROM orders").await, "of all who ever bought");
    let models: Vec<(i16, bool)> =
        sqlx::query_as("SELECT window_days, is_used FROM purchase_models WHERE auc > baseline_auc AND brier < baseline_brier ORDER BY 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(models, [(7, true), (30, true)], "both beat the period before on a window that was not learnt from");
    let mean = async |condition: &str| -> f64 {
        let query = format!(
            "SELECT avg(chance_7) FROM purchase_chances c JOIN users u ON u.id = c.user_id WHERE substr(u.phone, 6)::integer {condition}"
        );
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&world.pool).await.unwrap()
    };
    let (often, gone, seldom) = (mean("<= 60").await, mean("BETWEEN 61 AND 100").await, mean("> 100").await);
    assert!(often > 0.8 && gone < 0.15 && (0.1..0.3).contains(&seldom), "{often} {gone} {seldom}");
    let leaving = "SELECT count(*) FROM purchase_chances c JOIN users u ON u.id = c.user_id WHERE is_leaving AND substr(u.phone, 6)::integer";
    assert_eq!(number(&world, &format!("{leaving} <= 60")).await, 0);
    assert!(number(&world, &format!("{leaving} BETWEEN 61 AND 100")).await >= 30);
    assert_eq!(number(&world, "SELECT count(*) FROM purchase_chances WHERE likely_hour = 21").await, said);
    assert_eq!(number(&world, "SELECT count(*) FROM purchase_said").await, 2 * said, "to be scored");

    let page = operator.get(LIKELY).await;
    page.says(200, "Who will probably buy");
    page.says(200, "On the last 7 days that are over");
    page.says(200, "+254700000003");
    page.says(200, "/admin/campaigns/new?audience=likely");
    let churn = operator.get(CHURN).await;
    churn.says(200, "+254700000095");
    assert!(!churn.text.contains("+254700000003"), "{}", churn.text);
    let looks = Operator::sign_in_as(&world, "looks@example.org", Role::ReadOnly).await;
    let page = looks.get(LIKELY).await;
    page.says(200, "07xx xxx 003");
    assert!(!page.text.contains("+2547") && !page.text.contains("/admin/campaigns/new"), "{}", page.text);

    // The windows are over: what was said is scored, and forgotten.
    run(&world, "UPDATE purchase_models SET cut = cut - interval '31 days', made_at = made_at - interval '31 days'")
        .await;
    let mut world = world;
    world.portal.take().unwrap().kill().await;
    world.start_portal().await;
    eventually("the models are scored", || async {
        let scored = "SELECT count(*) FROM purchase_models WHERE scored_auc > 0.5 AND cardinality(people) = 10";
        (number(&world, scored).await == 2).then_some(())
    })
    .await;
    assert_eq!(number(&world, "SELECT count(*) FROM purchase_said").await, 0);
}

/// An offer with a code of its own.
fn offer() -> Vec<(&'static str, &'static str)> {
    vec![
        ("audience", "likely"),
        ("window", "7"),
        ("name", "Come again"),
        ("discount", "new"),
        ("code", "RUDI20"),
        ("percent", "20"),
        ("text", "20 % off with RUDI20."),
        ("text_sw", "Punguzo la 20 % kwa RUDI20."),
        ("held_out", "20"),
        ("days", "14"),
    ]
}

#[tokio::test]
async fn an_offer_reaches_those_who_want_it_but_for_those_who_are_held_out() {
    let Stage { world, sms, operator } = stage().await;
    let form = operator.get("/admin/campaigns/new?audience=likely&window=7").await;
    // One of those who want offers has never bought.
    form.says(200, " customers are like that, of whom 39 want offers; 39 can be told now.");
    operator.forged("/admin/campaigns", &offer()).await;
    let mut without: Vec<(&str, &str)> = offer();
    without.retain(|(name, _)| *name != "text");
    operator
        .post("/admin/campaigns", &[&without[..], &[("text", "20 % off")]].concat())
        .await
        .says(422, "Name the code in it: RUDI20.");
    let asked = operator.post("/admin/campaigns", &offer()).await;
    asked.says(200, "about 31 are told, and 8 are held out");
    asked.says(200, "(GSM-7), sent as ");
    assert_eq!(number(&world, "SELECT count(*) FROM campaigns").await, 0, "only asked");
    let made = operator.post_and_confirm("/admin/campaigns", &offer(), "Tell them?").await;
    made.says(200, "The campaign is made.");
    assert_eq!(audited(&world, "campaign.begin").await, by_operator(&["Come again"]));
    let messages = eventually("all are told", || async {
        let messages = sms.messages();
        (messages.len() >= 31).then_some(messages)
    })
    .await;
    eventually("it is written down", || async {
        (number(&world, "SELECT count(*) FROM campaigns WHERE state = 'sent'").await == 1).then_some(())
    })
    .await;
    assert_eq!(messages.len(), 31);
    assert_eq!(number(&world, MISCOUNTED).await, 0);
    for message in &messages {
        let i: i64 = message.to.trim_start_matches("+2547").parse().unwrap();
        assert_eq!(i % 5, 0, "{} never said yes", message.to);
        let words = if i % 10 == 0 {
            "Punguzo la 20 % kwa RUDI20. Hutaki ofa? "
        } else {
            "20 % off with RUDI20. No more offers: "
        };
        assert!(message.text.contains(words), "{}", message.text);
    }
    let held_out =
        "SELECT count(*) FROM campaign_members m JOIN notifications n ON n.user_id = m.user_id WHERE m.is_held_out";
    assert_eq!(number(&world, held_out).await, 0, "nobody who is held out is told");
    // Whoever is in a campaign that is measured is in no other.
    let again =
        [&offer()[..], &[("code", "RUDI30"), ("text", "RUDI30"), ("text_sw", "RUDI30"), ("confirmed", "yes")]].concat();
    operator.post("/admin/campaigns", &again).await.says(422, "too few who may be told");
    assert_eq!(
        number(&world, "SELECT count(*) FROM discounts").await,
        1,
        "the code that came with it is not made either"
    );

    // All of the told buy, and none of the others.
    let bought = "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, state, paid_at, created_at, updated_at)
        SELECT gen_random_uuid(), upper(substr(md5('then' || u.id::text), 1, 12)), u.id, u.phone, p.id, '{}', 1600, 'KES', 'paid', now(), now(), now()
        FROM campaign_members m JOIN users u ON u.id = m.user_id, packages p WHERE m.told_at IS NOT NULL";
    run(&world, bought).await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM campaigns").fetch_one(&world.pool).await.unwrap();
    let path = format!("/admin/campaigns/{id}");
    let page = operator.get(&path).await;
    page.says(200, "+100.0 points more of the told bought");
    page.says(200, "KSh 16");
    operator.get("/admin/campaigns").await.says(200, "31 of 31");
    Operator::sign_in_as(&world, "cashier@example.org", Role::Cashier).await.get(&path).await.says(403, "may");

    // Who is erased was in no campaign, and nothing is said of them.
    let phone: String =
        sqlx::query_scalar("SELECT u.phone FROM campaign_members m JOIN users u ON u.id = m.user_id LIMIT 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let user: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM users WHERE phone = $1").bind(&phone).fetch_one(&world.pool).await.unwrap();
    let told = world.portal_command(&["person", "export", "--phone", &phone], "").await;
    assert!(told.contains("buys_within_7_days") && told.contains("Come again"), "{told}");
    world.portal_command(&["person", "erase", "--phone", &phone], "").await;
    for table in ["purchase_chances", "purchase_said", "campaign_members"] {
        assert_eq!(
            number(&world, &format!("SELECT count(*) FROM {table} WHERE user_id = '{user}'")).await,
            0,
            "{table}"
        );
    }
    // Who looks on counts nobody: what was told stays told.
    run(&world, "DELETE FROM campaign_members").await;
    operator.get("/admin/campaigns").await.says(200, "31 of 31");
}

#[tokio::test]
async fn a_campaign_is_stopped_before_its_messages_leave() {
    let mut world = World::new().await;
    let sms = world.sms().await;
    // People sleep, from an hour ago until more than an hour from now: nothing leaves.
    let hour = Zone::default().at(world.clock.now()).hour();
    let quiet = format!("[sms]\nquiet_hours = \"{:02}:00-{:02}:00\"\n", (hour + 23) % 24, (hour + 2) % 24);
    let text = std::fs::read_to_string(world.config()).unwrap();
    let text = text.replace("[sms]\n", &quiet);
    std::fs::write(world.config(), text).unwrap();
    run(
        &world,
        "INSERT INTO users (id, phone, created_at, offers, offers_said_at)
         SELECT gen_random_uuid(), '+2547' || lpad(i::text, 8, '0'), now(), true, now() FROM generate_series(1, 20) i",
    )
    .await;
    run(
        &world,
        "INSERT INTO purchase_chances (user_id, site_id, made_at, chance_7, chance_30, expected_minor, worth_minor, currency, last_at,
             purchases, is_leaving, reasons)
         SELECT id, '00000000-0000-0000-0000-000000000000', now(), 0.1, 0.1, 100, 2000, 'KES', now() - interval '60 days', 5, true, '{long_ago}'
         FROM users",
    )
    .await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let fields = [
        ("audience", "leaving"),
        ("segment", "regular"),
        ("name", "Where are you"),
        ("text", "We miss you."),
        ("text_sw", "Tumekukosa."),
        ("held_out", "50"),
        ("days", "14"),
    ];
    operator.post_and_confirm("/admin/campaigns", &fields, "Tell them?").await.says(200, "The campaign is made.");
    eventually("messages wait for the morning", || async {
        let waiting = "SELECT count(*) FROM notifications WHERE state = 'pending' AND detail = 'quiet hours'";
        (number(&world, waiting).await == 10).then_some(())
    })
    .await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM campaigns").fetch_one(&world.pool).await.unwrap();
    let stop = format!("/admin/campaigns/{id}/stop");
    operator.forged(&stop, &[]).await;
    operator.post_and_confirm(&stop, &[], "Stop this campaign?").await.says(200, "The campaign is stopped.");
    assert_eq!(number(&world, "SELECT count(*) FROM notifications WHERE state = 'skipped'").await, 10);
    assert_eq!(number(&world, "SELECT count(*) FROM campaign_members WHERE told_at IS NOT NULL").await, 0);
    assert_eq!(number(&world, MISCOUNTED).await, 0);
    operator.get(&format!("/admin/campaigns/{id}")).await.says(200, "nobody is on one side");
    assert!(sms.messages().is_empty());
    assert_eq!(audited(&world, "campaign.stop").await, by_operator(&["Where are you"]));
    // They are free again.
    operator.get("/admin/campaigns/new?audience=leaving").await.says(200, "20 can be told now.");
}

#[tokio::test]
async fn who_will_buy_and_what_a_campaign_did_are_looked_at_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let Stage { world, operator, .. } = stage().await;
    operator.post_and_confirm("/admin/campaigns", &offer(), "Tell them?").await.says(200, "The campaign is made.");
    eventually("it is sent", || async {
        (number(&world, "SELECT count(*) FROM campaigns WHERE state = 'sent'").await == 1).then_some(())
    })
    .await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM campaigns").fetch_one(&world.pool).await.unwrap();
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&world, &browser, EMAIL).await;
    for (path, words, name) in [
        (LIKELY.to_owned(), "Who will probably buy", "desk-likely-buyers"),
        (CHURN.to_owned(), "+254700000095", "desk-churn"),
        ("/admin/campaigns".to_owned(), "31 of 31", "desk-campaigns"),
        (format!("/admin/campaigns/{id}"), "Come again", "desk-campaign"),
        ("/admin/campaigns/new?audience=likely&window=7".to_owned(), "want offers", "desk-campaign-new"),
    ] {
        browser.pictures(&format!("{}{path}", world.portal_url()), words, name).await;
    }
    browser.close().await;
}
