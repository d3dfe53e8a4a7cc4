//! Failing closed (ASVS 16.5.3): while Redis or PostgreSQL is away nobody gets in who would not otherwise, limits still limit, and no payment is
//! lost. What it means for logins at the router is in `tests/fault`.

use std::time::Duration;

use shared::staff::Role;
use tests::world::eventually;

use crate::operator::{EMAIL, Operator, PASSWORD, hidden};
use crate::people::{Stage, arrival, owned};

const MAC: &str = "02:00:00:00:00:01";
/// Pages of the desk of each kind.
const DESK: [&str; 5] = ["/admin", "/admin/sessions", "/admin/payments", "/admin/staff", "/admin/me"];

async fn paid(stage: &Stage) -> i64 {
    let paid = "SELECT count(*) FROM orders WHERE state = 'paid'";
    sqlx::query_scalar(paid).fetch_one(&stage.world.pool).await.unwrap()
}

#[tokio::test]
async fn without_redis_nobody_is_signed_in_limits_hold_and_the_shop_is_open() {
    let stage = Stage::open().await;
    let customer = stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let visitor = Operator::visitor(&stage.world).await;
    let csrf = hidden(&stage.web.get("/admin/sign-in", &visitor.cookie).await.text, "csrf");
    stage.world.redis.cut();
    for path in DESK {
        let answer = stage.web.get(path, &owner.cookie).await;
        assert_eq!((answer.status, answer.cookies().len()), (503, 0), "{path}: {}", answer.text);
        assert!(answer.text.contains("Redis") && !answer.text.contains("Sign out"), "{path}: {}", answer.text);
        let made_up = stage.web.get(path, &format!("mlango-desk={}", "A".repeat(43))).await;
        assert_eq!(made_up.status, 503, "{path}");
    }
    let fields = [("csrf", csrf.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let sign_in = stage.web.send("/admin/sign-in", &visitor.cookie, &fields).await;
    assert_eq!((sign_in.status, sign_in.cookie("mlango-desk")), (503, None), "{}", sign_in.text);
    // A customer who was signed in is told nothing of theirs, and a code is neither sent nor taken.
    let account = stage.web.get("/account", &customer.cookie).await;
    assert!(account.status == 503 && !account.text.contains("xxx 670"), "{account:?}");
    let code = stage.web.send("/account/code", "", &[("visit", ""), ("phone", "0712345671")]).await;
    assert_eq!(code.status, 503, "{}", code.text);
    assert!(stage.sms.messages().iter().all(|message| !message.text.contains("671")));
    // Each portal counts for itself: never without limit.
    let visit = stage.packages("02:00:00:00:00:07").await.visit();
    let fields = owned(&[("visit", &visit), ("code", &stage.codes[0])]);
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(stage.web.post("/voucher", "", &fields).await.status);
    }
    assert!(statuses.first() == Some(&200) && statuses.last() == Some(&429), "{statuses:?}");
    // And money still becomes access.
    stage.buy("02:00:00:00:00:08", "0712345680").await;
    assert_eq!(paid(&stage).await, 2);

    stage.world.redis.mend();
    eventually("the desk is open again, with the sessions of before", || async {
        (stage.web.get("/admin", &owner.cookie).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_postgresql_nobody_gets_in_and_no_payment_is_lost() {
    let stage = Stage::open().await;
    let customer = stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let visitor = Operator::visitor(&stage.world).await;
    let csrf = hidden(&stage.web.get("/admin/sign-in", &visitor.cookie).await.text, "csrf");
    let visit = stage.packages("02:00:00:00:00:08").await.visit();
    let wish = owned(&[("visit", &visit), ("package", "one-hour"), ("phone", "0712345680")]);
    let bought = stage.web.post("/buy", "", &wish).await;
    assert_eq!(bought.status, 303, "{}", bought.text);
    let address =
        stage.daraja.wait_for("the phone is asked", Duration::from_secs(20), |till| till.transactions().len() == 2);
    address.await.unwrap();
    stage.world.postgres.cut();
    for path in DESK {
        let answer = stage.web.get(path, &owner.cookie).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(!answer.text.contains("Sign out"), "{path}: {}", answer.text);
    }
    let fields = [("csrf", csrf.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let sign_in = stage.web.send("/admin/sign-in", &visitor.cookie, &fields).await;
    assert_eq!((sign_in.status, sign_in.cookie("mlango-desk")), (503, None), "{}", sign_in.text);
    let arrive = arrival("02:00:00:00:00:09");
    for (path, cookie) in [(arrive.as_str(), ""), ("/account", customer.cookie.as_str()), (customer.order.as_str(), "")]
    {
        let answer = stage.web.get(path, cookie).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(
            !answer.text.contains("name=\"password\"") && !answer.text.contains("xxx 670"),
            "{path}: {}",
            answer.text
        );
    }
    // M-Pesa is told that its report was not taken, and so does not think that it was.
    let report = stage.daraja.transactions()[1].callback_url.clone();
    let answer = stage.web.client.post(report).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 503);

    stage.world.postgres.mend();
    eventually("what was paid meanwhile is asked for, and granted", || async {
        (paid(&stage).await == 2).then_some(())
    })
    .await;
    let grants = "SELECT count(*) FROM entitlements WHERE order_id IS NOT NULL";
    let grants: i64 = sqlx::query_scalar(grants).fetch_one(&stage.world.pool).await.unwrap();
    assert_eq!(grants, 2, "each once");
}
