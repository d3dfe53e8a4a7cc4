//! kill -9 of the portal at each step of a payment: no payment is lost, and each paid order is granted once.

use std::time::Duration;

use tests::nas::Mac;
use tests::world::{Settings, World, eventually};

/// What the database shows when the portal is killed.
const MOMENTS: [(&str, &str); 4] = [
    ("the order is written down", "SELECT count(*) FROM orders"),
    ("the phone was asked", "SELECT count(*) FROM payments WHERE state = 'prompted'"),
    ("a report has come", "SELECT count(*) FROM payment_events"),
    ("the order is paid", "SELECT count(*) FROM orders WHERE state = 'paid'"),
];

#[tokio::test]
async fn a_payment_survives_the_portal_at_every_moment() {
    for (moment, sql) in MOMENTS {
        let mut world = World::with(Settings { mpesa_delay: Duration::from_millis(1500), ..Settings::default() }).await;
        let daraja = world.daraja().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = true).await;
        world.start_portal().await;
        let buying = {
            let (portal, login) = (world.portal_url(), format!("{}/login", router.url().trim_end_matches('/')));
            tokio::spawn(async move { buy(&portal, &login).await })
        };
        eventually(moment, || async {
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.ok()?;
            (count > 0).then_some(())
        })
        .await;
        world.portal.take().unwrap().kill().await;
        drop(buying.await);
        world.start_portal().await;
        if daraja.transactions().is_empty() {
            // Killed before M-Pesa was asked: no money moved, and the order says so in the end.
            continue;
        }
        eventually(&format!("killed when {moment}: the order is paid"), || async {
            let paid: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE state = 'paid'")
                .fetch_one(&world.pool)
                .await
                .ok()?;
            (paid == 1).then_some(())
        })
        .await;
        let (grants, booked, sum): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM entitlements), (SELECT count(*) FROM ledger_transactions),
                    (SELECT sum(amount_minor)::bigint FROM ledger_entries)",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!((grants, booked, sum), (1, 1, 0), "killed when {moment}");
        // The page may be gone: the device that paid gets in by its MAC.
        let outcome = router.login_mac(Mac([0x02, 0, 0, 0, 0, 7])).await;
        assert!(outcome.is_accepted(), "killed when {moment}: {outcome:?}");
    }
}

/// What a guest's browser sends; the answer may never come.
async fn buy(portal: &str, login: &str) -> Option<()> {
    let arrival = reqwest::Url::parse_with_params(
        &format!("{portal}/h"),
        [
            ("mac", "02:00:00:00:00:07"),
            ("ip", "10.5.50.9"),
            ("identity", "cafe"),
            ("link-login-only", login),
            ("link-orig", ""),
        ],
    )
    .ok()?;
    let client = reqwest::Client::new();
    let page = client.get(arrival).send().await.ok()?.text().await.ok()?;
    let visit = page.split("name=\"visit\" value=\"").nth(1)?.split('"').next()?.to_owned();
    let form = [("visit", visit.as_str()), ("package", "one-hour"), ("phone", "0712345670")];
    client.post(format!("{portal}/buy")).form(&form).send().await.ok()?;
    Some(())
}
