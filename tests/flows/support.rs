//! Why is this customer not online: what a customer can read out is found, their story is told in order, and each form that helps does
//! so once, with a line in the audit log.

use std::sync::Arc;
use std::time::Duration;

use shared::staff::Role;
use store::books::statement::{self, By, Resolution};
use store::unmatched::{self, Purpose};
use tests::daraja::Daraja;
use tests::nas::{CoaBehaviour, Mac, Misbehaviour, Nas};
use tests::sms::SmsSim;
use tests::stripe::Choice;
use tests::world::{Browser, World, eventually};

use crate::books_statements::{import, line, line_of};
use crate::guest::Guest;
use crate::operator::{EMAIL, Operator, Seen, audited, by_browser, by_operator};

const NUMBER: &str = "0712345670";
const PHONE: Mac = Mac([0x4c, 0x5e, 0x0c, 0, 0, 1]);
/// The same phone after it has made itself a new address.
const AGAIN: Mac = Mac([0x02, 0, 0, 0, 0x5a, 2]);

struct Stage {
    world: World,
    router: Nas,
    sms: Arc<SmsSim>,
    guest: Guest,
    operator: Operator,
    _daraja: Arc<Daraja>,
}

async fn stage() -> Stage {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    let sms = world.sms().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router).with_mac(PHONE);
    let operator = Operator::sign_in(&world).await;
    Stage { world, router, sms, guest, operator, _daraja: daraja }
}

impl Stage {
    /// Buys an hour by phone. Returns the address of the order's page.
    async fn buy(&self) -> String {
        let page = self.guest.arrive().await;
        let (order, _) = self.guest.buy(&page, "one-hour", NUMBER).await;
        self.guest.wait_for_stage(&order, "go_online").await;
        order
    }

    async fn buy_and_go_online(&self) {
        let order = self.buy().await;
        let paid = self.guest.get(&order).await;
        self.guest.go_online(&paid).await;
        assert!(self.guest.is_online().await);
        self.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL", 1).await;
    }

    /// Waits until a query gives this number.
    async fn number(&self, query: &'static str, wanted: i64) {
        eventually(query, || async {
            let found: i64 = sqlx::query_scalar(query).fetch_one(&self.world.pool).await.ok()?;
            (found == wanted).then_some(())
        })
        .await;
    }

    async fn text(&self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&self.world.pool).await.unwrap()
    }

    async fn change(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.world.pool).await.unwrap();
    }

    async fn look_up(&self, text: &str) -> Seen {
        self.operator.post("/admin/support", &[("q", text)]).await
    }

    /// The customer's story, once it says something.
    async fn story_with(&self, words: &str) -> Seen {
        eventually(&format!("the story says {words:?}"), || async {
            let seen = self.look_up(NUMBER).await;
            seen.text.contains(words).then_some(seen)
        })
        .await
    }

    /// The address of the customer's story, without `/admin/support/`.
    async fn about(&self) -> String {
        let user: uuid::Uuid =
            sqlx::query_scalar("SELECT user_id FROM orders LIMIT 1").fetch_one(&self.world.pool).await.unwrap();
        format!("customer/cus_{}", user.simple())
    }
}

/// The value of a hidden field of one of a story's forms.
fn hidden(page: &Seen, form: &str, field: &str) -> String {
    let section =
        page.text.split(&format!("id=\"do-{form}\"")).nth(1).unwrap_or_else(|| panic!("{form}: {}", page.text));
    let section = section.split("</section>").next().unwrap();
    let value = section.split(&format!("name=\"{field}\" value=\"")).nth(1);
    value.unwrap_or_else(|| panic!("{form} {field}: {section}")).split('"').next().unwrap().to_owned()
}

/// What happened stands in this order.
fn in_order(page: &Seen, sentences: &[&str]) {
    let mut rest = page.text.split("<h2>What happened</h2>").nth(1).expect("a story");
    for sentence in sentences {
        let at =
            rest.find(sentence).unwrap_or_else(|| panic!("{sentence:?} is not there, or too early: {}", page.text));
        rest = &rest[at + sentence.len()..];
    }
}

#[tokio::test]
async fn a_story_is_told_in_order_from_the_refusal_to_the_cut() {
    let stage = stage().await;
    assert!(!stage.router.login_pap(PHONE, "nobody", "guess").await.is_accepted());
    stage.buy_and_go_online().await;
    stage.number("SELECT count(*) FROM notifications WHERE state = 'sent'", 1).await;
    stage.number("SELECT count(*) FROM login_refusals", 1).await;
    stage.number("SELECT count(*) FROM device_visits WHERE step = 3", 1).await;
    let page = stage.story_with("went online at cafe").await;
    page.says(200, "is online at cafe");
    let code = stage.text("SELECT code FROM orders").await;
    let paid = format!("Order {code} was paid.");
    in_order(
        &page,
        &[
            "was refused at cafe",
            "was asked to pay behind cafe (Test site)",
            "wanted one hour for KSh 20",
            "M-Pesa was asked to prompt the phone",
            "M-Pesa reported about the payment",
            &paid,
            "went online at cafe",
        ],
    );
    page.says(200, "The SMS was sent: payment received.");
    assert!(!page.text.contains("guess") && !page.text.contains("nobody"), "what was typed is nobody's business");

    // The router is asked to end the session, once for the form.
    let about = stage.about().await;
    let (number, session) = (hidden(&page, "disconnect", "number"), hidden(&page, "disconnect", "session"));
    let fields = [("number", number.as_str()), ("about", about.as_str()), ("session", session.as_str())];
    stage.operator.forged("/admin/support/disconnect", &fields).await;
    stage
        .operator
        .post_and_confirm("/admin/support/disconnect", &fields, "Disconnect?")
        .await
        .says(200, "is being asked");
    let again = [fields[0], fields[1], fields[2], ("confirmed", "yes")];
    stage.operator.post("/admin/support/disconnect", &again).await.says(200, "That was done before");
    stage.number("SELECT count(*) FROM nas_commands WHERE state = 'proved'", 1).await;
    let name = stage.text("SELECT acct_session_id FROM sessions_ended").await;
    let object = format!("session {name} at cafe");
    assert_eq!(audited(&stage.world, "support.disconnect").await, by_operator(&[&object]));
    // The router's Stop may come before its answer; both are told.
    stage.story_with("went offline at cafe").await;
    let page = stage.story_with("said yes").await;
    in_order(&page, &["went online at cafe", "was to be asked to end the session", "said yes"]);
    page.says(200, &format!("{EMAIL} disconnected: {object}."));
    page.says(200, "Its last session ended");
}

#[tokio::test]
async fn what_was_paid_and_never_used_is_given_again_once_and_with_a_reason() {
    let stage = stage().await;
    stage.buy().await;
    let page = stage.look_up(NUMBER).await;
    page.says(200, "is paid and was never used");
    assert!(!page.text.contains("id=\"do-grant\""), "what can be used is not given again");
    stage
        .change("UPDATE entitlements SET state = 'expired', starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .await;
    let page = stage.look_up(NUMBER).await;
    page.says(200, "its time ran out without a session");
    page.says(200, "href=\"#do-grant\"");
    let (about, number) = (stage.about().await, hidden(&page, "grant", "number"));
    let code = hidden(&page, "grant", "order");
    let mut fields = vec![("number", number.as_str()), ("about", about.as_str()), ("order", code.as_str())];
    stage.operator.post("/admin/support/grant", &fields).await.says(422, "Say why");
    fields.push(("reason", "power cut <b>"));
    let done = stage.operator.post_and_confirm("/admin/support/grant", &fields, "Give it again?").await;
    done.says(200, "It was given again.");
    assert!(!done.text.contains("power cut <b>"), "what staff write is escaped");
    fields.push(("confirmed", "yes"));
    stage.operator.post("/admin/support/grant", &fields).await.says(200, "That was done before");
    // Another form finds that it can be used.
    let other = shared::rng::id(stage.world.clock.now()).to_string();
    fields[0] = ("number", other.as_str());
    stage.operator.post("/admin/support/grant", &fields).await.says(409, "can still be used");
    stage.number("SELECT count(*) FROM entitlements", 2).await;
    stage.number("SELECT count(*) FROM ledger_transactions", 1).await;
    let object = format!("one hour of order {code} (power cut <b>)");
    assert_eq!(audited(&stage.world, "support.grant").await, by_operator(&[&object]));
    // The device of the order gets in with it.
    eventually("the phone gets in by its address", || async {
        stage.router.login_mac(PHONE).await.is_accepted().then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_clicks_at_the_same_moment_give_it_again_once() {
    let stage = stage().await;
    stage.buy().await;
    stage
        .change("UPDATE entitlements SET state = 'expired', starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .await;
    let page = stage.look_up(NUMBER).await;
    let (about, number, code) =
        (stage.about().await, hidden(&page, "grant", "number"), hidden(&page, "grant", "order"));
    let fields = [
        ("number", number.as_str()),
        ("about", about.as_str()),
        ("order", code.as_str()),
        ("reason", "twice"),
        ("confirmed", "yes"),
    ];
    let (one, other) = tokio::join!(
        stage.operator.post("/admin/support/grant", &fields),
        stage.operator.post("/admin/support/grant", &fields)
    );
    assert_eq!((one.status, other.status), (200, 200));
    stage.number("SELECT count(*) FROM entitlements", 2).await;
    assert_eq!(audited(&stage.world, "support.grant").await.len(), 1);
}

#[tokio::test]
async fn a_package_is_moved_to_the_new_address_of_the_phone() {
    let stage = stage().await;
    stage.buy_and_go_online().await;
    assert!(!stage.router.login_mac(AGAIN).await.is_accepted());
    stage.number("SELECT count(*) FROM login_refusals", 1).await;
    // By itself the new address has nothing.
    stage.look_up(&AGAIN.to_string()).await.says(200, "nothing was bought for that device");
    let page = stage.look_up(NUMBER).await;
    let (about, number, package) =
        (stage.about().await, hidden(&page, "move", "number"), hidden(&page, "move", "package"));
    let (from, to) = (PHONE.to_string(), AGAIN.to_string().to_lowercase().replace(':', "-"));
    let wrong =
        [("number", number.as_str()), ("about", &about), ("package", &package), ("from", &from), ("to", "phone")];
    stage.operator.post("/admin/support/move", &wrong).await.says(422, "Write an address such as");
    let full =
        [("number", number.as_str()), ("about", &about), ("package", &package), ("to", &to), ("confirmed", "yes")];
    stage.operator.post("/admin/support/move", &full).await.says(409, "say which one shall go");
    let fields = [("number", number.as_str()), ("about", &about), ("package", &package), ("from", &from), ("to", &to)];
    let moved = stage.operator.post_and_confirm("/admin/support/move", &fields, "loses its place").await;
    moved.says(200, "It was moved.");
    stage.number("SELECT count(*) FROM entitlement_devices", 1).await;
    // The audit log is kept for good: it names whose it is, and no device. That stands in the story.
    let whose = stage.text("SELECT user_id::text FROM entitlements").await;
    let object = format!("one hour of customer {whose}");
    assert_eq!(audited(&stage.world, "support.move").await, by_operator(&[&object]));
    assert_eq!(
        stage.text("SELECT object FROM support_actions WHERE kind = 'move'").await,
        format!("one hour from {PHONE} to {AGAIN}")
    );
    // The old address is cut off, and the new one gets in.
    stage.router.wait_for("the old one is cut", Duration::from_secs(20), |r| r.session(PHONE).is_none()).await.unwrap();
    eventually("the new address gets in", || async { stage.router.login_mac(AGAIN).await.is_accepted().then_some(()) })
        .await;
    let page = stage.story_with(&format!("{AGAIN} went online at cafe")).await;
    in_order(
        &page,
        &[&format!("{PHONE} went online"), &format!("{AGAIN} got a place"), &format!("{AGAIN} went online")],
    );
}

#[tokio::test]
async fn a_router_that_refuses_is_said_and_asked_once_more() {
    let stage = stage().await;
    stage.buy_and_go_online().await;
    stage.router.misbehave(Misbehaviour { coa: CoaBehaviour::Silent, ..Misbehaviour::default() });
    let session: uuid::Uuid = sqlx::query_scalar("SELECT id FROM sessions").fetch_one(&stage.world.pool).await.unwrap();
    store::session::disconnect(&stage.world.db, session, stage.world.clock.now()).await.unwrap();
    stage
        .change("UPDATE nas_commands SET state = 'refused', error_cause = 501, lease_until = now() + interval '1 hour'")
        .await;
    let page = stage.look_up(NUMBER).await;
    page.says(200, "was asked to end a session and refused (Error-Cause 501).");
    page.says(200, "href=\"#do-disconnect\"");
    stage.router.misbehave(Misbehaviour::default());
    let (about, number) = (stage.about().await, hidden(&page, "disconnect", "number"));
    let session = hidden(&page, "disconnect", "session");
    let fields = [("number", number.as_str()), ("about", about.as_str()), ("session", session.as_str())];
    stage
        .operator
        .post_and_confirm("/admin/support/disconnect", &fields, "Disconnect?")
        .await
        .says(200, "is being asked");
    stage.number("SELECT count(*) FROM nas_commands WHERE state = 'proved'", 1).await;
}

#[tokio::test]
async fn a_message_is_sent_again_and_not_twice() {
    let stage = stage().await;
    stage.buy().await;
    stage.number("SELECT count(*) FROM notifications WHERE state = 'sent'", 1).await;
    let page = stage.look_up(NUMBER).await;
    let (about, number) = (stage.about().await, hidden(&page, "resend", "number"));
    let message = hidden(&page, "resend", "message");
    let fields = [("number", number.as_str()), ("about", about.as_str()), ("message", message.as_str())];
    stage.operator.post("/admin/support/resend", &fields).await.says(409, "less than a minute ago");
    stage
        .change("UPDATE notifications SET created_at = created_at - interval '5 minutes', state = 'failed', detail = 'absent subscriber'")
        .await;
    stage.look_up(NUMBER).await.says(200, "A message to the customer did not arrive (absent subscriber).");
    stage.operator.post("/admin/support/resend", &fields).await.says(200, "The message is on its way.");
    stage.operator.post("/admin/support/resend", &fields).await.says(200, "That was done before");
    eventually("it is sent again", || async { (stage.sms.messages().len() == 2).then_some(()) }).await;
    let numbers: Vec<String> = stage.sms.messages().into_iter().map(|message| message.to).collect();
    assert_eq!(numbers, ["+254712345670", "+254712345670"]);
    assert_eq!(audited(&stage.world, "support.resend").await, by_operator(&["message payment_received"]));
    let page = stage.story_with("The SMS was sent").await;
    assert!(!page.text.contains("did not arrive"), "it is made good");
}

#[tokio::test]
async fn a_payment_by_card_goes_back_for_who_decides_about_money() {
    let mut world = World::new().await;
    let stripe = world.stripe().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router).with_mac(PHONE);
    let page = guest.arrive().await;
    let (order, _) = guest.buy_by_card(&page, "one-hour", NUMBER).await;
    guest.wait_for_stage(&order, "card").await;
    let session = stripe.sessions().last().expect("a page was made").id.clone();
    assert!(stripe.choose(&session, Choice::Pay));
    guest.wait_for_stage(&order, "go_online").await;
    let operator = Operator::sign_in(&world).await;
    let code: String = sqlx::query_scalar("SELECT code FROM orders").fetch_one(&world.pool).await.unwrap();
    let receipt: String = sqlx::query_scalar("SELECT receipt FROM payments").fetch_one(&world.pool).await.unwrap();

    operator.post("/admin/support", &[("q", receipt.as_str())]).await.says(200, &format!("Receipt {receipt}"));
    let path = format!("/admin/support/order/{code}");
    let page = operator.get(&path).await;
    page.says(200, "Stripe has the money of order");
    let (number, payment) = (hidden(&page, "refund", "number"), hidden(&page, "refund", "payment"));
    let about = format!("order/{code}");
    let fields = [("number", number.as_str()), ("about", about.as_str()), ("payment", payment.as_str())];
    // Who helps customers does not decide about money.
    let helper = Operator::sign_in_as(&world, "support@example.org", Role::Support).await;
    let seen = helper.get(&path).await;
    assert!(seen.status == 200 && !seen.text.contains("id=\"do-refund\""), "{}", seen.text);
    helper.post("/admin/support/refund", &fields).await.says(403, "may decide about money");
    // What the desk has given again of it ends with it.
    let now = world.clock.now();
    sqlx::query("UPDATE entitlements SET state = 'expired', starts_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'")
        .execute(&world.pool)
        .await
        .unwrap();
    let bought: uuid::Uuid = sqlx::query_scalar("SELECT id FROM orders").fetch_one(&world.pool).await.unwrap();
    let asked = store::support::Asked { form: shared::rng::id(now), by: "test", reason: "power cut", from: None };
    store::support::grant_again(&world.db, bought, None, &asked, now).await.unwrap();
    operator
        .post_and_confirm("/admin/support/refund", &fields, "Give it back?")
        .await
        .says(200, "The payment goes back.");
    let again = [fields[0], fields[1], fields[2], ("confirmed", "yes")];
    operator.post("/admin/support/refund", &again).await.says(200, "That was done before");
    let other = shared::rng::id(world.clock.now()).to_string();
    let again = [("number", other.as_str()), fields[1], fields[2], ("confirmed", "yes")];
    operator.post("/admin/support/refund", &again).await.says(200, "That was done before");
    eventually("it went back", || async {
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM refunds WHERE state = 'done'")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (done == 1).then_some(())
    })
    .await;
    assert_eq!(audited(&world, "support.refund").await, by_operator(&[&format!("KSh 20 of order {code}")]));
    operator.get(&path).await.says(200, "went back to the card");
    let given_again: String = sqlx::query_scalar(
        "SELECT state FROM entitlements WHERE id = (SELECT entitlement_id FROM support_actions WHERE kind = 'grant')",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(given_again, "revoked");
}

#[tokio::test]
async fn whatever_a_customer_can_read_out_is_found_and_stands_in_no_address() {
    let stage = stage().await;
    stage.buy_and_go_online().await;
    stage.change("UPDATE users SET email = 'amina@example.org', email_verified_at = now()").await;
    let package = store::package::by_slug(&stage.world.db, "one-hour").await.unwrap();
    let code = shared::voucher::new_code();
    store::voucher::print_batch(
        &stage.world.db,
        &package,
        &store::voucher::Paper::default(),
        &[code],
        "test",
        stage.world.clock.now(),
    )
    .await
    .unwrap();
    let order = stage.text("SELECT code FROM orders").await;
    let receipt = stage.text("SELECT receipt FROM payments").await;
    let address = stage.text("SELECT host(framed_ip) FROM sessions").await;
    let session = stage.text("SELECT acct_session_id FROM sessions").await;
    let paper = stage.text("SELECT number || '-0001' FROM voucher_batches").await;
    let printed = shared::voucher::printed(&code);
    let mac = PHONE.to_string();
    let plain = mac.replace(':', "").to_lowercase();
    for (text, title) in [
        ("0712 345 670", "+254712345670"),
        ("+254 712-345-670", "+254712345670"),
        ("Amina@Example.org", "+254712345670"),
        (order.to_lowercase().as_str(), &format!("Order {order}")),
        (&receipt, &format!("Receipt {receipt}")),
        (&mac, &mac),
        (&mac.replace(':', "-"), &mac),
        (&plain, &mac),
        (&address, "A session"),
        (&session, "A session"),
        (&printed, &format!("Voucher {paper}")),
        (&paper, &format!("Voucher {paper}")),
    ] {
        let seen = stage.look_up(text).await;
        seen.says(200, &format!("<h1>{title}</h1>"));
    }
    let voucher = stage.look_up(&printed).await;
    assert!(!voucher.text.contains(&printed) && !voucher.text.contains(&*code), "no page shows a code");
    let wrong = stage.look_up("0799 999 999").await;
    wrong.says(404, "a customer with that phone number, and money from it that waits");
    stage.look_up("22222222").await.says(404, "an order with that code");
    stage.look_up("what is this?").await.says(422, "the shape of none of these");
    stage.operator.forged("/admin/support", &[("q", NUMBER)]).await;
    for path in
        ["customer/cus_1", "device/phone", "order/22222222", "voucher/9-9", "receipt", "session/ses_1", "weather/x"]
    {
        stage.operator.get(&format!("/admin/support/{path}")).await.says(404, "It is not here");
    }
    // Lists lead to the story.
    stage.operator.get("/admin/payments").await.says(200, &format!("/admin/support/order/{order}"));
    stage.operator.get("/admin/sessions").await.says(200, "/admin/support/session/ses_");
    // A session that two routers call the same is chosen from.
    stage
        .change(
            "INSERT INTO sessions (id, opened_on, nas_id, user_name, mac, acct_session_id, started_at, last_heard_at)
             SELECT gen_random_uuid(), opened_on, nas_id, user_name, mac, acct_session_id, started_at, last_heard_at FROM sessions",
        )
        .await;
    let other = shared::rng::id(stage.world.clock.now());
    sqlx::query("UPDATE sessions SET id = $1 WHERE entitlement_id IS NULL")
        .bind(other)
        .execute(&stage.world.pool)
        .await
        .unwrap();
    stage.look_up(&session).await.says(200, "It can be one of these");
}

#[tokio::test]
async fn money_that_nobody_knows_is_in_the_story_of_who_paid_it() {
    let stage = stage().await;
    stage.buy().await;
    let told = store::unmatched::Told {
        receipt: "AAAAAAAAA1".into(),
        amount: shared::money::Money::kes(2_000),
        payer_name: "AMINA".into(),
        payer_number: "254712345670".into(),
        payer: store::unmatched::Payer::Phone(NUMBER.parse().unwrap()),
        typed: "wifi".into(),
        reference: store::unmatched::Reference::Other,
        paid_at: None,
    };
    let trust = store::unmatched::Trust::Reported;
    store::unmatched::match_confirmation(&stage.world.db, &told, trust, None, stage.world.clock.now()).await.unwrap();
    let page = stage.look_up(NUMBER).await;
    page.says(200, "The money of receipt AAAAAAAAA1 came, and nobody knows what it is for.");
    page.says(200, "href=\"/admin/money/AAAAAAAAA1\"");
    stage.operator.get("/admin/money/AAAAAAAAA1").await.says(200, "/admin/support/receipt/AAAAAAAAA1");
    stage.look_up("aaaaaaaaa1").await.says(200, "Receipt AAAAAAAAA1");
}

#[tokio::test]
async fn support_is_for_who_helps_customers() {
    let stage = stage().await;
    stage.buy().await;
    let about = stage.about().await;
    let path = format!("/admin/support/{about}");
    for role in [Role::Cashier, Role::ReadOnly, Role::Accountant] {
        let email = format!("{}@example.org", role.as_str());
        let other = Operator::sign_in_as(&stage.world, &email, role).await;
        other.get("/admin/support").await.says(403, "That is not for your role");
        other.get(&path).await.says(403, "That is not for your role");
        other.post("/admin/support", &[("q", NUMBER)]).await.says(403, "That is not for your role");
        let overview = other.get("/admin").await;
        assert!(!overview.text.contains("/admin/support"), "{role}");
    }
    let helper = Operator::sign_in_as(&stage.world, "support@example.org", Role::Support).await;
    let page = helper.get(&path).await;
    page.says(200, "+254712345670");
    page.says(200, "KSh 20");
}

#[tokio::test]
async fn the_pages_are_for_everybody_on_a_desk_and_on_a_small_phone() {
    let Some(browser) = Browser::open(true).await else { return };
    let stage = stage().await;
    assert!(!stage.router.login_pap(PHONE, "nobody", "guess").await.is_accepted());
    stage.buy_and_go_online().await;
    stage.number("SELECT count(*) FROM login_refusals", 1).await;
    let path = format!("{}/admin/support/{}", stage.world.portal_url(), stage.about().await);
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(&stage.world, &browser, EMAIL).await;
    let search = format!("{}/admin/support", stage.world.portal_url());
    browser.pictures(&search, "Why is this customer not online?", "desk-support-search").await;
    // What one comes to by typing and pressing.
    for (width, size) in [(1100, ""), (320, "-small")] {
        browser.client.set_window_size(width, 800).await.unwrap();
        browser.client.goto(&search).await.unwrap();
        browser.fill("q", "0799999999").await;
        browser.press("main form button").await;
        browser.wait_for("Nothing was found").await;
        browser.picture(&format!("desk-support-nothing{size}")).await;
        browser.client.goto(&path).await.unwrap();
        browser.wait_for("What is the matter").await;
        browser.press("details.fold summary").await;
        let name = format!("desk-support-story{size}");
        browser.fits(&name).await;
        browser.picture(&name).await;
    }
    browser.close().await;
}

#[tokio::test]
async fn money_of_which_only_a_statement_told_is_not_sent_to_a_card() {
    let mut world = World::new().await;
    let _stripe = world.stripe().await;
    world.start_portal().await;
    let (db, now) = (&world.db, world.clock.now());
    let (_, code) = crate::c2b::order(&world, NUMBER).await;
    import(&world, "stripe", 1, vec![line("txn_1", "payment", 2_000, "pi_elsewhere", now)]).await;
    let id = line_of(&world, "txn_1", "payment").await;
    let by = By { actor: "test", from: None };
    statement::resolve(db, id, Resolution::Assign, by, now).await.unwrap();
    let called: String = sqlx::query_scalar("SELECT receipt FROM received_money").fetch_one(&world.pool).await.unwrap();
    unmatched::assign(db, &called, &Purpose::Order(&code), "test", now).await.unwrap();
    let payment: uuid::Uuid = sqlx::query_scalar("SELECT id FROM payments").fetch_one(&world.pool).await.unwrap();
    let payment = format!("pay_{}", payment.simple());

    let operator = Operator::sign_in(&world).await;
    let about = format!("order/{code}");
    let story = operator.get(&format!("/admin/support/{about}")).await;
    story.says(200, &format!("/admin/payments/{payment}"));
    assert!(!story.text.contains("id=\"do-refund\""), "{}", story.text);
    // Not by whoever sends the form all the same, either.
    let number = shared::rng::id(now).to_string();
    let fields = [("number", number.as_str()), ("about", about.as_str()), ("payment", payment.as_str())];
    operator.post("/admin/support/refund", &fields).await.says(409, "Only a statement told of the money of order");
    let own_page = format!("/admin/payments/{payment}");
    let page = operator.get(&own_page).await;
    page.says(200, "Given back by hand");
    assert!(!page.text.contains("Give it back to the card"), "{}", page.text);
    operator.post(&format!("{own_page}/refund"), &[]).await.says(409, "Only a statement told of this money");
    let asked: i64 = sqlx::query_scalar("SELECT count(*) FROM refunds").fetch_one(&world.pool).await.unwrap();
    assert_eq!(asked, 0);
    // What can be done is done there.
    let back = [("proof", "re_9"), ("extent", "all")];
    operator
        .post_and_confirm(&format!("{own_page}/given-back"), &back, "Has it gone back?")
        .await
        .says(200, "gone back");
    assert!(crate::c2b::booked(&world).await.is_empty());
}
