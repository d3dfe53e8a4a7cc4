//! Money of M-Pesa that goes back: a sale by a prompt, a second payment, another amount; by a reversal in all the ways it goes, or by hand.
//! It goes once, the ledger ends at zero, and nobody who is owed money is forgotten.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use shared::money::Money;
use shared::staff::{Role, SiteScope};
use store::mpesa_request::{self, Answer, Ended, Kind, New, State};
use store::refund::mpesa::{Extent, Way, Wish, give_back};
use store::settlement::{Evidence, Settled, settle};
use store::unmatched::{self, Matched, Told};
use store::{StoreError, refund};
use tests::daraja::{Daraja, WayBack};
use tests::nas::Nas;
use tests::world::{Browser, World, eventually};
use uuid::Uuid;

use crate::c2b::{AMINA, accounts, booked, follow, for_order, order, prompt, with_receipt};
use crate::guest::Guest;
use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator};

const NUMBER: &str = "0712345670";
const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    world: World,
    daraja: Arc<Daraja>,
    router: Nas,
    guest: Guest,
    operator: Operator,
}

/// `has_initiator`: whether M-Pesa can be asked to give money back.
async fn stage(has_initiator: bool) -> Stage {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    if has_initiator {
        world.initiator();
    }
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    let operator = Operator::sign_in(&world).await;
    Stage { world, daraja, router, guest, operator }
}

impl Stage {
    /// Buys an hour by phone. Returns the address of the order's page, and that of the payment's page at the desk.
    async fn buy(&self) -> (String, String) {
        let page = self.guest.arrive().await;
        let (order, _) = self.guest.buy(&page, "one-hour", NUMBER).await;
        self.guest.wait_for_stage(&order, "go_online").await;
        self.number("SELECT count(*) FROM payments WHERE receipt IS NOT NULL", 1).await;
        let payment: Uuid = sqlx::query_scalar("SELECT id FROM payments").fetch_one(&self.world.pool).await.unwrap();
        (order, format!("/admin/payments/pay_{}", payment.simple()))
    }

    async fn go_online(&self, order: &str) {
        let paid = self.guest.get(order).await;
        self.guest.go_online(&paid).await;
        assert!(self.guest.is_online().await);
        self.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL", 1).await;
    }

    async fn code(&self) -> String {
        sqlx::query_scalar("SELECT code FROM orders").fetch_one(&self.world.pool).await.unwrap()
    }

    /// Waits until a query gives this number.
    async fn number(&self, query: &'static str, wanted: i64) {
        eventually(query, || async {
            let found: i64 = sqlx::query_scalar(query).fetch_one(&self.world.pool).await.ok()?;
            (found == wanted).then_some(())
        })
        .await;
    }

    async fn change(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.world.pool).await.unwrap();
    }

    /// Waits until the refund stands so.
    async fn stands(&self, state: &str) {
        eventually(&format!("the refund is {state}"), || async {
            let found: String =
                sqlx::query_scalar("SELECT state FROM refunds ORDER BY created_at DESC, id DESC LIMIT 1")
                    .fetch_optional(&self.world.pool)
                    .await
                    .ok()??;
            (found == state).then_some(())
        })
        .await;
    }

    /// Has the desk let M-Pesa give it back.
    async fn give_back(&self, page: &str) {
        let path = format!("{page}/refund");
        self.operator.post_and_confirm(&path, &[("extent", "all")], "Give it back?").await.says(200, "It goes back");
    }

    /// What is asked about is due now.
    async fn hurry(&self) {
        self.change("UPDATE refunds SET mpesa_next_at = now() WHERE mpesa_next_at IS NOT NULL").await;
    }

    /// How many reversals were sent, heard or not.
    fn sent(&self) -> usize {
        self.daraja.journal().iter().filter(|request| request.path == "/mpesa/reversal/v1/request").count()
    }

    /// How much has moved back, whole shillings.
    fn moved(&self) -> u64 {
        self.daraja.reversals().iter().filter(|reversal| reversal.is_done).map(|reversal| reversal.amount).sum()
    }
}

fn owed() -> Vec<(String, i64)> {
    accounts(&[("mpesa", 2_000), ("refunds_due", -2_000)])
}

#[tokio::test]
async fn a_sale_by_a_prompt_goes_back_once_and_ends_what_it_bought() {
    let stage = stage(true).await;
    let (order, page) = stage.buy().await;
    stage.go_online(&order).await;
    let code = stage.code().await;
    stage.operator.get("/admin/payments").await.says(200, &format!("href=\"{page}\""));
    stage
        .operator
        .get(&format!("/admin/support/order/{code}"))
        .await
        .says(200, &format!("Give back KSh 20 of order {code}"));
    stage.operator.get(&page).await.says(200, "Let M-Pesa give it back");
    let path = format!("{page}/refund");
    stage.operator.forged(&path, &[("extent", "all"), ("confirmed", "yes")]).await;
    stage.operator.post(&path, &[("extent", "all")]).await.says(200, "What it bought ends now.");
    // Two clicks at the same moment.
    let fields = [("extent", "all"), ("confirmed", "yes")];
    let (one, other) = tokio::join!(stage.operator.post(&path, &fields), stage.operator.post(&path, &fields));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // Whoever comes second finds it asked for, or done.
    assert!(matches!(statuses, [200, 200 | 409]), "{statuses:?}");
    stage.stands("done").await;
    assert_eq!((stage.sent(), stage.moved()), (1, 20));
    assert!(booked(&stage.world).await.is_empty(), "{:?}", booked(&stage.world).await);
    let reversal = stage.daraja.reversals().remove(0);
    stage.operator.get(&page).await.says(200, &format!("By the provider: {}.", reversal.own));
    let back = stage.guest.wait_for_stage(&order, "refunded").await;
    assert!(back.text.contains("KSh 20 went back to you by M-Pesa on "), "{}", back.text);
    let is_cut = |r: &tests::nas::Router| r.sessions().count() == 0;
    stage.router.wait_for("the guest is cut", PATIENCE, is_cut).await.unwrap();
    assert_eq!(audited(&stage.world, "money.refund").await, by_operator(&[&format!("KSh 20 of order {code}")]));
    // Again, there is nothing that could go back.
    stage.operator.post(&path, &fields).await.says(409, "has gone back already");
    let hand = [("proof", "cash"), ("extent", "all"), ("confirmed", "yes")];
    stage.operator.post(&format!("{page}/given-back"), &hand).await.says(409, "has gone back already");
    assert_eq!(stage.sent(), 1);
    let story = stage.operator.get(&format!("/admin/support/order/{code}")).await;
    story.says(200, &format!("KSh 20 of order {code} went back to the phone by M-Pesa."));
    assert!(!story.text.contains("Give back KSh 20"), "{}", story.text);
}

#[tokio::test]
async fn what_m_pesa_cannot_give_back_is_owed_until_a_person_has_done_it() {
    let stage = stage(true).await;
    let (order, page) = stage.buy().await;
    stage.daraja.set_way_back(WayBack::Fails);
    stage.give_back(&page).await;
    stage.stands("failed").await;
    assert_eq!((booked(&stage.world).await, stage.moved()), (owed(), 0));
    stage.guest.wait_for_stage(&order, "refund_due").await;
    stage.operator.get("/admin").await.says(200, "orders owed to customers");
    let list = stage.operator.get("/admin/money").await;
    list.says(200, "could not go back");
    list.says(200, &format!("href=\"{page}\""));
    let code = stage.code().await;
    let listed = stage.world.portal_command(&["money", "owed"], "").await;
    assert!(listed.contains(&code) && listed.contains("failed"), "{listed}");
    // A person does it, and must say what proves it.
    let path = format!("{page}/given-back");
    stage.operator.post(&path, &[("extent", "all")]).await.says(422, "Write one to two hundred characters");
    let fields = [("proof", "Juma, cash <b>"), ("extent", "all")];
    stage.operator.post_and_confirm(&path, &fields, "Has it gone back?").await.says(200, "It is noted");
    assert!(booked(&stage.world).await.is_empty());
    let back = stage.guest.wait_for_stage(&order, "refunded").await;
    assert!(back.text.contains("KSh 20 was given back to you on "), "{}", back.text);
    let list = stage.operator.get("/admin/money").await;
    assert!(!list.text.contains("Owed to customers"), "{}", list.text);
    let seen = stage.operator.get(&page).await;
    seen.says(200, "By hand: Juma, cash");
    assert!(!seen.text.contains("cash <b>"), "what staff write is escaped");
    let object = format!("KSh 20 of order {code} by Juma, cash <b>");
    assert_eq!(audited(&stage.world, "money.given_back").await, by_operator(&[&object]));
}

#[tokio::test]
async fn a_reversal_without_an_answer_is_asked_about_and_not_sent_again() {
    let stage = stage(true).await;
    let (order, page) = stage.buy().await;
    stage.daraja.set_way_back(WayBack::Silent);
    stage.give_back(&page).await;
    stage.stands("pending").await;
    assert_eq!((booked(&stage.world).await, stage.moved()), (owed(), 20));
    let waiting = stage.guest.wait_for_stage(&order, "refunding").await;
    assert!(waiting.text.contains("KSh 20 is on its way back to you by M-Pesa"), "{}", waiting.text);
    let hand = [("proof", "cash"), ("confirmed", "yes")];
    stage.operator.post(&format!("{page}/given-back"), &hand).await.says(409, "wait until it has answered");
    stage.hurry().await;
    stage.stands("done").await;
    assert_eq!((stage.sent(), stage.moved()), (1, 20));
    assert!(booked(&stage.world).await.is_empty());
    stage.operator.get(&page).await.says(200, "yes, it has gone back");
}

#[tokio::test]
async fn a_reversal_whose_answer_is_lost_is_found_to_be_done() {
    let stage = stage(true).await;
    let (_, page) = stage.buy().await;
    stage.daraja.set_way_back(WayBack::AnswerLost);
    stage.give_back(&page).await;
    stage.stands("unknown").await;
    assert_eq!((booked(&stage.world).await, stage.moved()), (owed(), 20));
    stage.hurry().await;
    stage.stands("done").await;
    assert_eq!(stage.sent(), 1);
    assert!(booked(&stage.world).await.is_empty());
}

#[tokio::test]
async fn a_reversal_that_m_pesa_never_heard_of_is_sent_again_by_a_person_only() {
    let stage = stage(true).await;
    let (_, page) = stage.buy().await;
    stage.daraja.set_way_back(WayBack::NeverHeard);
    stage.give_back(&page).await;
    stage.stands("unknown").await;
    let again = format!("{page}/again");
    let seen = [("seen", "on"), ("confirmed", "yes")];
    stage.operator.post(&again, &seen).await.says(409, "wait for its answer");
    stage.hurry().await;
    stage.number("SELECT count(*) FROM mpesa_requests WHERE kind = 'returned' AND state = 'failed'", 1).await;
    stage.operator.get(&page).await.says(200, "M-Pesa says that the payment stands as it came");
    assert_eq!((stage.sent(), stage.moved()), (1, 0), "nothing is sent by itself");
    stage.operator.post(&again, &[]).await.says(422, "Look at M-Pesa’s statement first");
    stage.daraja.set_way_back(WayBack::Done);
    stage.operator.post_and_confirm(&again, &[("seen", "on")], "Ask once more?").await.says(200, "once more");
    stage.stands("done").await;
    assert_eq!((stage.sent(), stage.moved()), (2, 20));
    assert!(booked(&stage.world).await.is_empty());
    assert_eq!(audited(&stage.world, "money.reverse").await.len(), 1);
}

#[tokio::test]
async fn what_m_pesa_did_not_come_to_in_time_is_asked_about() {
    let stage = stage(true).await;
    let (_, page) = stage.buy().await;
    stage.daraja.set_way_back(WayBack::TimesOut);
    stage.give_back(&page).await;
    // Asked by the name of the reversal, M-Pesa says that it was not done.
    stage.stands("failed").await;
    assert_eq!((stage.sent(), stage.moved(), booked(&stage.world).await), (1, 0, owed()));
    stage.daraja.set_way_back(WayBack::Done);
    stage.operator.post_and_confirm(&format!("{page}/refund"), &[], "Give it back?").await.says(200, "It goes back");
    stage.stands("done").await;
    assert!(booked(&stage.world).await.is_empty());
    assert_eq!(stage.moved(), 20);
}

#[tokio::test]
async fn two_portals_send_one_reversal() {
    let stage = stage(true).await;
    let other = stage.world.another_portal().await;
    let (_, page) = stage.buy().await;
    stage.give_back(&page).await;
    stage.stands("done").await;
    assert_eq!((stage.sent(), stage.moved()), (1, 20));
    assert!(booked(&stage.world).await.is_empty());
    assert!(other.stop().await);
}

#[tokio::test]
async fn a_request_that_a_dead_portal_left_behind_is_asked_about_and_not_sent() {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.initiator();
    let now = world.clock.now();
    let (payment, _) = settled(&world, &with_receipt("AAAAAAAAA1")).await;
    let asked = give_back(&world.db, payment, &by_mpesa(), now).await.unwrap();
    mpesa_request::begin(&world.db, &reversal_of(asked.id), now).await.unwrap();
    world.start_portal().await;
    let made = async |count: i64, query: &'static str| {
        eventually(query, || async {
            let found: i64 = sqlx::query_scalar(query).fetch_one(&world.pool).await.ok()?;
            (found == count).then_some(())
        })
        .await;
    };
    made(1, "SELECT count(*) FROM refunds WHERE state = 'unknown' AND reason = 'the call was interrupted'").await;
    sqlx::query("UPDATE refunds SET mpesa_next_at = now()").execute(&world.pool).await.unwrap();
    // The simulator knows of no such payment, and says so.
    made(1, "SELECT count(*) FROM mpesa_requests WHERE kind = 'returned' AND state = 'failed'").await;
    made(1, "SELECT count(*) FROM refunds WHERE state = 'unknown' AND reason = 'The transaction is not known.'").await;
    assert!(daraja.reversals().is_empty());
    assert_eq!(booked(&world).await, owed());
}

#[tokio::test]
async fn without_an_initiator_a_person_gives_it_back_and_the_command_says_so() {
    let stage = stage(false).await;
    let (order, page) = stage.buy().await;
    let code = stage.code().await;
    let seen = stage.operator.get(&page).await;
    assert!(seen.text.contains("Given back by hand") && !seen.text.contains("Let M-Pesa"), "{}", seen.text);
    stage.operator.post(&format!("{page}/refund"), &[]).await.says(409, "[mpesa.initiator]");
    let refused = stage.world.portal_refuses(&["money", "refund", &code], "").await;
    assert!(refused.contains("portal money given-back"), "{refused}");
    assert_eq!(booked(&stage.world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]), "nothing was changed");
    let given = ["money", "given-back", &code, "--proof", "RKU1234567"];
    let said = stage.world.portal_command(&given, "").await;
    assert!(said.contains("KSh 20 of") && said.contains("has gone back"), "{said}");
    let again = stage.world.portal_refuses(&given, "").await;
    assert!(again.contains("has gone back already"), "{again}");
    assert!(booked(&stage.world).await.is_empty());
    stage.guest.wait_for_stage(&order, "refunded").await;
    stage.number("SELECT count(*) FROM entitlements WHERE state = 'revoked'", 1).await;
    let logged: Vec<(String, String)> =
        sqlx::query_as("SELECT actor, object FROM admin_logs WHERE action = 'money.given_back'")
            .fetch_all(&stage.world.pool)
            .await
            .unwrap();
    assert_eq!(logged, [("command line".to_owned(), format!("KSh 20 of order {code} by RKU1234567"))]);
}

#[tokio::test]
async fn what_was_bought_can_go_on_and_the_command_has_m_pesa_do_it() {
    let stage = stage(true).await;
    let (order, _) = stage.buy().await;
    stage.go_online(&order).await;
    let code = stage.code().await;
    let asked = ["money", "refund", &code, "--keep-access"];
    let said = stage.world.portal_command(&asked, "").await;
    assert!(said.contains("goes back by M-Pesa"), "{said}");
    stage.stands("done").await;
    assert!(booked(&stage.world).await.is_empty());
    stage.number("SELECT count(*) FROM entitlements WHERE state = 'active'", 1).await;
    assert!(stage.guest.is_online().await);
    stage.guest.wait_for_stage(&order, "online").await;
    let receipt = stage.guest.get(&format!("{order}/receipt")).await;
    assert!(receipt.text.contains("Given back"), "{}", receipt.text);
}

#[tokio::test]
async fn a_voucher_for_another_is_void_when_its_money_goes_back() {
    let stage = stage(true).await;
    let page = stage.guest.arrive().await;
    let fields = [("package", "one-hour"), ("phone", NUMBER), ("recipient", "0722345678")];
    let (order, _) = stage.guest.send_and_land(&page, "name=\"recipient\"", &fields).await;
    stage.guest.wait_for_stage(&order, "given").await;
    stage.number("SELECT count(*) FROM payments WHERE receipt IS NOT NULL", 1).await;
    let code = stage.code().await;
    stage.world.portal_command(&["money", "refund", &code], "").await;
    stage.number("SELECT count(*) FROM vouchers WHERE state = 'void' AND sold_at IS NOT NULL", 1).await;
    stage.stands("done").await;
    assert!(booked(&stage.world).await.is_empty());
}

#[tokio::test]
async fn only_who_decides_about_money_gives_it_back_and_proves_who_they_are() {
    let stage = stage(true).await;
    let (_, page) = stage.buy().await;
    let path = format!("{page}/refund");
    for role in [Role::Support, Role::ReadOnly] {
        let somebody = Operator::sign_in_as(&stage.world, &format!("{}@example.org", role.as_str()), role).await;
        let seen = somebody.get(&page).await;
        assert!(seen.status == 200 && !seen.text.contains("Given back by hand"), "{role}: {}", seen.text);
        for what in ["refund", "given-back", "again"] {
            somebody.post(&format!("{page}/{what}"), &[("confirmed", "yes")]).await.says(403, "may decide about money");
        }
    }
    stage.world.age_proofs(EMAIL).await;
    stage.operator.post(&path, &[("extent", "all")]).await.says(200, "Is it you?");
    assert_eq!(booked(&stage.world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]));
}

fn by_hand(extent: Extent) -> Wish<'static> {
    Wish { way: Way::Hand { proof: "RKU1234567" }, extent, by: "desk", from: None }
}

fn by_mpesa() -> Wish<'static> {
    Wish { way: Way::Reversal, extent: Extent::All, by: "desk", from: None }
}

/// What is written down before M-Pesa is asked.
fn reversal_of(refund: Uuid) -> New<'static> {
    let amount = Money::kes(2_000);
    New { kind: Kind::Reversal, receipt: "AAAAAAAAA1", amount, event: None, refund: Some(refund), by: "desk" }
}

/// An order that is settled with this evidence. Returns the payment and the order's code.
async fn settled(world: &World, evidence: &Evidence) -> (Uuid, String) {
    let (id, code) = order(world, AMINA).await;
    let payment = prompt(world, id, &format!("ws_CO_{code}")).await;
    settle(&world.db, payment, evidence, world.clock.now()).await.unwrap();
    (payment, code)
}

#[tokio::test]
async fn twenty_who_say_so_at_once_are_one_booking() {
    let world = World::new().await;
    let (payment, _) = settled(&world, &with_receipt("AAAAAAAAA1")).await;
    let (wish, now) = (by_hand(Extent::All), world.clock.now());
    let all = join_all((0..20).map(|_| give_back(&world.db, payment, &wish, now))).await;
    assert_eq!(all.iter().filter(|given| given.is_ok()).count(), 1);
    assert!(all.iter().all(|given| matches!(given, Ok(_) | Err(StoreError::Conflict(_)))), "{all:?}");
    assert!(booked(&world).await.is_empty());
    let (payment, _) = settled(&world, &with_receipt("BBBBBBBBB2")).await;
    let wish = by_mpesa();
    let all = join_all((0..20).map(|_| give_back(&world.db, payment, &wish, now))).await;
    assert_eq!(all.iter().filter(|asked| asked.as_ref().is_ok_and(|asked| asked.is_new)).count(), 1);
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM refunds WHERE way = 'reversal'").fetch_one(&world.pool).await.unwrap();
    assert_eq!((rows, booked(&world).await), (1, owed()));
}

#[tokio::test]
async fn money_that_buys_nothing_is_listed_and_goes_back_without_the_sale() {
    let world = World::new().await;
    let now = world.clock.now();
    let (first, code) = settled(&world, &with_receipt("AAAAAAAAA1")).await;
    // A second prompt of the same order is paid as well.
    let order: Uuid = sqlx::query_scalar("SELECT order_id FROM payments").fetch_one(&world.pool).await.unwrap();
    let second = shared::rng::id(now);
    sqlx::query(
        "INSERT INTO payments (id, order_id, provider, amount_minor, currency, created_at, updated_at)
         VALUES ($1, $2, 'mpesa', 2000, 'KES', now(), now())",
    )
    .bind(second)
    .bind(order)
    .execute(&world.pool)
    .await
    .unwrap();
    let twice = settle(&world.db, second, &with_receipt("BBBBBBBBB2"), now).await.unwrap();
    assert_eq!(twice, Settled::RefundDue);
    assert_eq!(store::payment::times_paid(&world.db, order).await.unwrap(), 2);
    let listed = refund::owed(&world.db, &SiteScope::All, 10).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|one| (one.order.as_str(), one.amount, one.payment)).collect();
    assert_eq!(listed, [(code.as_str(), Money::kes(2_000), second)]);
    assert_eq!(refund::count_owed(&world.db, &SiteScope::All).await.unwrap(), 1);
    assert_eq!(refund::count_owed(&world.db, &SiteScope::Only(vec![Uuid::nil()])).await.unwrap(), 0);
    assert_eq!(refund::mpesa::find(&world.db, &code.to_lowercase()).await.unwrap(), Some(second));
    assert_eq!(refund::mpesa::find(&world.db, "AAAAAAAAA1").await.unwrap(), Some(first));
    give_back(&world.db, second, &by_hand(Extent::All), now).await.unwrap();
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]), "the sale stays");
    assert!(refund::owed(&world.db, &SiteScope::All, 10).await.unwrap().is_empty());
    assert_eq!(store::payment::times_paid(&world.db, order).await.unwrap(), 1);
    let active: i64 = sqlx::query_scalar("SELECT count(*) FROM entitlements WHERE state = 'active'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(active, 1);
    // Another amount than the price, and nobody knows its receipt: by hand only.
    let evidence = Evidence { receipt: None, amount: Some(Money::kes(1_500)), charge: None };
    let (odd, code) = settled(&world, &evidence).await;
    let refused = give_back(&world.db, odd, &by_mpesa(), now).await.unwrap_err();
    assert!(refused.to_string().contains("has not told the receipt"), "{refused}");
    let given = give_back(&world.db, odd, &by_hand(Extent::Owed), now).await.unwrap();
    assert_eq!(given.amount, Money::kes(1_500), "{code}");
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 2_000), ("sales", -2_000)]));
}

#[tokio::test]
async fn each_answer_is_booked_once_and_a_contradiction_is_seen() {
    let world = World::new().await;
    let now = world.clock.now();
    let (payment, _) = settled(&world, &with_receipt("AAAAAAAAA1")).await;
    let asked = give_back(&world.db, payment, &by_mpesa(), now).await.unwrap();
    let new = reversal_of(asked.id);
    let request = mpesa_request::begin(&world.db, &new, now).await.unwrap();
    assert!(mpesa_request::begin(&world.db, &new, now).await.is_err(), "it may be on its way");
    let answer = |state| Answer { state, code: "0", text: "", proof: "RRRRRRRRR1" };
    mpesa_request::ended(&world.db, request, &answer(State::TimedOut), now).await.unwrap();
    let early = refund::mpesa::try_again(&world.db, payment, &by_mpesa(), now).await.unwrap_err();
    assert!(early.to_string().contains("wait for its answer"), "{early}");
    // A person has given it back by hand meanwhile, and M-Pesa has done it after all.
    give_back(&world.db, payment, &by_hand(Extent::All), now).await.unwrap();
    assert!(booked(&world).await.is_empty());
    let done = mpesa_request::ended(&world.db, request, &answer(State::Succeeded), now).await.unwrap();
    assert_eq!(done, Ended::Now { is_surprise: true });
    assert!(booked(&world).await.is_empty(), "it is booked once");
    let warned: Vec<String> = sqlx::query_scalar("SELECT detail FROM security_events WHERE kind = 'money_differs'")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert!(warned.len() == 1 && warned[0].contains("RRRRRRRRR1"), "{warned:?}");
    let twice = mpesa_request::ended(&world.db, request, &answer(State::Succeeded), now).await.unwrap();
    assert_eq!(twice, Ended::Before);
}

#[tokio::test]
async fn money_goes_back_with_its_payment_or_by_its_receipt_and_not_by_both() {
    let world = World::new().await;
    let now = world.clock.now();
    // The paybill tells of it before anybody gives it back: it goes by its receipt.
    let amount = Money::kes(1_500);
    let owed_evidence = |receipt: &str| Evidence { receipt: Some(receipt.into()), amount: Some(amount), charge: None };
    let told = |receipt: &str, code: &str| Told { amount, ..for_order(receipt, code) };
    let (payment, code) = settled(&world, &owed_evidence("AAAAAAAAA1")).await;
    assert_eq!(follow(&world, &told("AAAAAAAAA1", &code)).await, Matched::Known);
    let refused = give_back(&world.db, payment, &by_hand(Extent::All), now).await.unwrap_err();
    assert!(refused.to_string().contains("goes back by its receipt AAAAAAAAA1"), "{refused}");
    assert_eq!(refund::mpesa::find(&world.db, "AAAAAAAAA1").await.unwrap(), None);
    unmatched::given_back(&world.db, "AAAAAAAAA1", "RKU1234567", "test", now).await.unwrap();
    let refused = give_back(&world.db, payment, &by_hand(Extent::All), now).await.unwrap_err();
    assert!(refused.to_string().contains("goes back by its receipt"), "{refused}");
    // The paybill tells of it after it was given back: it does not go back once more.
    let (payment, code) = settled(&world, &owed_evidence("BBBBBBBBB2")).await;
    give_back(&world.db, payment, &by_hand(Extent::All), now).await.unwrap();
    assert_eq!(follow(&world, &told("BBBBBBBBB2", &code)).await, Matched::Known);
    assert!(unmatched::owed(&world.db, "BBBBBBBBB2").await.is_err());
    assert!(unmatched::list(&world.db, false, 10).await.unwrap().is_empty());
    let due: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
         WHERE a.code = 'refunds_due'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(due, 0);
}

#[tokio::test]
async fn the_pages_are_for_everybody_on_a_desk_and_on_a_small_phone() {
    let Some(browser) = Browser::open(true).await else { return };
    let stage = stage(true).await;
    let (_, page) = stage.buy().await;
    let address = |path: &str| format!("{}{path}", stage.world.portal_url());
    browser.client.set_window_size(1100, 900).await.unwrap();
    by_browser(&stage.world, &browser, EMAIL).await;
    browser.client.goto(&address(&page)).await.unwrap();
    browser.wait_for("Let M-Pesa give it back").await;
    browser.picture("desk-payment").await;
    stage.daraja.set_way_back(WayBack::NeverHeard);
    stage.give_back(&page).await;
    stage.stands("unknown").await;
    stage.hurry().await;
    stage.number("SELECT count(*) FROM mpesa_requests WHERE kind = 'returned' AND state = 'failed'", 1).await;
    for (path, words, name) in [
        (page.as_str(), "Ask once more", "desk-payment-unknown"),
        ("/admin/money", "Owed to customers", "desk-money-owed"),
    ] {
        browser.pictures(&address(path), words, name).await;
    }
    browser.close().await;
}
