//! Of many at once, one (ASVS 2.3.3, 2.3.4, 6.5.1, 15.4.2): a voucher, a payment, a form, a code, a link is used once, however many come in the
//! same moment. What is counted afterwards is what the database holds, not what the answers say.

use futures::future::join_all;
use shared::staff::Role;
use store::admin::second_factor;
use store::voucher::{self, Paper};
use tests::daraja::Forgery;
use tests::nas::Mac;
use tests::world::{World, eventually};

use crate::operator::{self, EMAIL, Operator, PASSWORD, hidden};
use crate::people::{Stage, owned};

const MAC: &str = "02:00:00:00:00:01";

async fn count(world: &World, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_voucher_lets_one_of_a_hundred_phones_in() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    let package = world.package("one-hour", |_| {}).await;
    let code = shared::voucher::new_code();
    voucher::print_batch(&world.db, &package, &Paper::default(), &[code], "test", world.clock.now()).await.unwrap();
    // Addresses of makers: random ones may take each other's place.
    let phones = (0..100).map(|number| Mac([0, 0, 0, 0, 0x0e, number]));
    let logins = join_all(phones.map(|mac| router.login_pap(mac, &code, ""))).await;
    let let_in = logins.iter().filter(|login| login.is_accepted()).count();
    assert_eq!(let_in, 1, "{logins:?}");
    eventually("the one is written down", || async {
        let redeemed = count(&world, "SELECT count(*) FROM vouchers WHERE state = 'redeemed'").await;
        (redeemed == 1).then_some(())
    })
    .await;
    assert_eq!(count(&world, "SELECT count(*) FROM entitlement_devices").await, 1);
    assert_eq!(router.read(|router| router.sessions().count()), 1);
}

#[tokio::test]
async fn a_form_that_is_sent_often_is_one_order_and_one_prompt() {
    let stage = Stage::open().await;
    let visit = stage.packages(MAC).await.visit();
    let fields = owned(&[("visit", &visit), ("package", "one-hour"), ("phone", "0712345670")]);
    let answers = join_all((0..100).map(|_| stage.web.post("/buy", "", &fields))).await;
    let mut orders: Vec<&str> =
        answers.iter().map(|answer| answer.leads_to()).filter(|to| to.starts_with("/o/")).collect();
    assert!(orders.len() >= 10, "as many as a device may send in an hour: {}", orders.len());
    orders.dedup();
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert!(answers.iter().all(|answer| [303, 429].contains(&answer.status)), "{answers:?}");
    eventually("it is paid", || async {
        let paid = count(&stage.world, "SELECT count(*) FROM orders WHERE state = 'paid'").await;
        (paid == 1).then_some(())
    })
    .await;
    for (statement, expected) in [
        ("SELECT count(*) FROM orders", 1),
        ("SELECT count(*) FROM payments", 1),
        ("SELECT count(*) FROM entitlements WHERE order_id IS NOT NULL", 1),
    ] {
        assert_eq!(count(&stage.world, statement).await, expected, "{statement}");
    }
    assert_eq!(stage.daraja.transactions().len(), 1, "one prompt on the phone");
}

#[tokio::test]
async fn a_payment_that_is_reported_a_hundred_times_at_once_is_one_grant() {
    let stage = Stage::open().await;
    stage.buy(MAC, "0712345670").await;
    let about = stage.daraja.transactions().remove(0);
    // Everything of it, with a receipt that M-Pesa never gave: the report is a hint, and what M-Pesa says counts.
    let letters: Vec<_> =
        (0..100).map(|number| Forgery::Result.letter(&about, number % 2, stage.world.clock.now())).collect();
    let posts = letters.iter().map(|letter| stage.web.client.post(&letter.url).body(letter.body.clone()).send());
    for answer in join_all(posts).await {
        assert!(answer.unwrap().status().is_success(), "a report is taken, whoever sends it");
    }
    eventually("all reports are worked on", || async {
        let waiting = count(&stage.world, "SELECT count(*) FROM payment_events WHERE processed_at IS NULL").await;
        (waiting == 0).then_some(())
    })
    .await;
    let grants = count(&stage.world, "SELECT count(*) FROM entitlements WHERE order_id IS NOT NULL").await;
    assert_eq!((grants, count(&stage.world, "SELECT count(*) FROM payments WHERE state = 'succeeded'").await), (1, 1));
    let unbalanced = "SELECT count(*) FROM (SELECT sum(amount_minor) AS rest FROM ledger_entries GROUP BY transaction_id) t WHERE rest <> 0";
    assert_eq!(count(&stage.world, unbalanced).await, 0, "the ledger is balanced");
}

#[tokio::test]
async fn a_code_by_sms_lets_one_in() {
    let stage = Stage::open().await;
    let asked = stage.web.send("/account/code", "", &[("visit", ""), ("phone", "0712 345 671")]).await;
    let form = asked.form("/account/verify");
    let code = eventually("the code is sent", || async {
        Some(stage.sms.messages().first()?.text.chars().take(6).collect::<String>())
    })
    .await;
    let fields = form.with("code", &code);
    // No more than may be typed of one number in an hour.
    let answers = join_all((0..20).map(|_| stage.web.post("/account/verify", "", &fields))).await;
    let let_in = answers.iter().filter(|answer| answer.cookie("mlango-customer").is_some()).count();
    assert_eq!(let_in, 1, "{answers:?}");
    assert!(stage.web.post("/account/verify", "", &fields).await.cookie("mlango-customer").is_none());
}

/// Browsers that have given the password and are asked for the second factor.
async fn at_the_second_step(world: &World, many: usize) -> Vec<(Operator, String)> {
    let mut waiting = Vec::new();
    for _ in 0..many {
        let visitor = Operator::visitor(world).await;
        let page = visitor.credentials(EMAIL, PASSWORD).await.text().await.unwrap();
        waiting.push((visitor, hidden(&page, "ticket")));
    }
    waiting
}

/// Of twenty who type the same code in the same moment one comes in.
async fn one_of_twenty(world: &World, code: &str) {
    let waiting = at_the_second_step(world, 20).await;
    let tried = join_all(waiting.iter().map(|(visitor, ticket)| visitor.second_step(ticket, code))).await;
    let let_in = tried.iter().filter(|answer| answer.status() == 303 && !operator::cookies(answer).is_empty()).count();
    assert_eq!(let_in, 1, "{code}");
}

#[tokio::test]
async fn a_code_of_the_app_lets_one_in() {
    let stage = Stage::open().await;
    operator::make(&stage.world, EMAIL, Role::Owner).await;
    one_of_twenty(&stage.world, &stage.world.code(EMAIL).await).await;
}

#[tokio::test]
async fn a_recovery_code_lets_one_in() {
    let stage = Stage::open().await;
    operator::make(&stage.world, EMAIL, Role::Owner).await;
    let (world, id) = (&stage.world, stage.world.staff_id(EMAIL).await);
    let hash = second_factor::hash(&world.db, id, "ABCDE-FGHJK");
    second_factor::replace_recovery_codes(&world.db, id, &[hash]).await.unwrap();
    one_of_twenty(world, "ABCDE-FGHJK").await;
    assert_eq!(second_factor::recovery_codes_left(&world.db, id).await.unwrap(), 0);
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let page = owner.post("/admin/staff", &[("email", "amina@example.org"), ("role", "support")]).await;
    let link = page.text.split("/admin/invitation/").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let link = format!("/admin/invitation/{link}");
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(Operator::visitor(&stage.world).await);
    }
    let passwords: Vec<String> = (0..20).map(|number| format!("correct horse battery {number}")).collect();
    let link = &link;
    let tries = visitors.iter().zip(&passwords).map(|(visitor, password)| async move {
        visitor.answer(link, &[("password", password.as_str())]).await.status().as_u16()
    });
    let answers = join_all(tries).await;
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
    assert_eq!(operator::audited(&stage.world, "admin.accept").await.len(), 1);
    // And the password is that of the one who was told that it is set.
    let first = answers.iter().position(|status| *status == 303).unwrap();
    for (number, password) in passwords.iter().enumerate().filter(|(number, _)| *number == first || number % 7 == 0) {
        let answer = Operator::visitor(&stage.world).await.credentials("amina@example.org", password).await;
        assert_eq!(answer.status() == 303, number == first, "{number}");
    }
}
