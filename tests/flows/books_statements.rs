//! Statements: what M-Pesa says is held against what we booked. A month's file is brought twice and overlaps another; what nobody heard of, what
//! was kept, what went to the bank and what is missing are told, settled once each, and then every day is even.

use std::sync::Arc;

use fantoccini::Locator;
use shared::money::Money;
use shared::staff::{Role, SiteScope};
use shared::time::{HOME, OffsetDateTime};
use store::StoreError;
use store::admin::people;
use store::books::day;
use store::books::statement::{self, By, Imported, Line, New, Resolution, Span};
use store::refund;
use store::refund::mpesa::{self, Extent, Way, Wish};
use store::settlement::{self, Evidence, Settled};
use store::unmatched::{self, Matched, Purpose};
use tests::daraja::{Daraja, Transaction};
use tests::nas::Mac;
use tests::world::{Browser, World, eventually};
use time::macros::{format_description, offset};
use uuid::Uuid;

use crate::c2b::{AMINA, accounts, booked, follow, for_order, order};
use crate::guest::Guest;
use crate::operator::{EMAIL, Operator, audited, by_browser, by_operator, make};

const LIST: &str = "/admin/books/statements";
const NEVER_HEARD: &str = "ZZ9NEVERHE";
const PAYERS: [&str; 3] = ["0712 345 670", "0722 345 670", "0733 345 670"];

/// Three guests who paid, and what the till has of them.
async fn three_paid() -> (World, Arc<Daraja>, Vec<Transaction>) {
    let mut world = World::new().await;
    let daraja = world.daraja().await;
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    for (payer, number) in PAYERS.into_iter().zip(1..) {
        let mac = Mac([0x02, 0, 0, 0, 0x61, number]);
        let guest = Guest::new(&world.portal_url(), &router).with_mac(mac);
        let page = guest.arrive().await;
        let (order, _) = guest.buy(&page, "one-hour", payer).await;
        guest.wait_for_stage(&order, "go_online").await;
    }
    // The report of a payment may still be on its way when a query has settled it: the receipt comes with the report.
    eventually("every payment has its receipt", || async {
        let known = "SELECT count(*) FROM payments WHERE receipt IS NOT NULL AND state = 'succeeded'";
        let known: i64 = sqlx::query_scalar(known).fetch_one(&world.pool).await.unwrap();
        (known == 3).then_some(())
    })
    .await;
    let paid = daraja.transactions();
    assert_eq!(paid.len(), 3);
    (world, daraja, paid)
}

fn moment(at: OffsetDateTime) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[day]-[month]-[year] [hour]:[minute]:[second]");
    at.to_offset(offset!(+3)).format(FORMAT).unwrap()
}

/// The file of the organisation's portal: these payments, a charge, a transfer to the bank and money that nobody heard of.
fn file(paid: &[Transaction], now: OffsetDateTime) -> String {
    let (since, until) = (moment(now - time::Duration::hours(2)), moment(now + time::Duration::hours(2)));
    let at = moment(paid.first().map_or(now, |payment| payment.decided_at));
    let mut rows = vec![
        "Account Holder:,MLANGO LTD".to_owned(),
        format!("Time Period:,From,{since},To,{until}"),
        "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,Balance Confirmed,Reason Type,\
         Other Party Info,Linked Transaction ID,A/C No."
            .to_owned(),
        format!("{NEVER_HEARD},{at},{at},Pay Bill from 25479****999 - JOHN <b>,Completed,20.00,,,true,Pay Utility,25479****999 - JOHN <b>,,wifi"),
        format!("TRANSFER01,{at},{at},Merchant Account to Organization Settlement Account,Completed,,-30.00,,true,Settlement,,,"),
    ];
    for (number, payment) in paid.iter().enumerate() {
        let (receipt, at) = (payment.receipt.as_deref().unwrap(), moment(payment.decided_at));
        if number == 0 {
            rows.push(format!("{receipt},{at},{at},Pay Bill Charge,Completed,,-0.55,,true,Pay Utility,SP,,"));
        }
        rows.push(format!(
            "{receipt},{at},{at},Pay Bill from 25471****670 - X,Completed,{}.00,,,true,Pay Utility,25471****670 - X,,{}",
            payment.amount, payment.reference
        ));
    }
    rows.join("\r\n")
}

pub(crate) async fn line_of(world: &World, reference: &str, kind: &str) -> Uuid {
    sqlx::query_scalar("SELECT id FROM statement_lines WHERE reference = $1 AND kind = $2")
        .bind(reference)
        .bind(kind)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

/// The hours around now.
fn span_of<'a>(world: &World, account: &'a str) -> Span<'a> {
    let now = world.clock.now();
    let (since, until) = (now - time::Duration::hours(3), now + time::Duration::hours(3));
    Span { account, since, until, zone: HOME }
}

/// The sums of the days around now: difference, open lines, missing transactions.
async fn sums(world: &World) -> (i64, u64, u64) {
    let days = statement::days(&world.db, &span_of(world, "mpesa")).await.unwrap();
    days.iter().fold((0, 0, 0), |(difference, open, missing), day| {
        (difference + day.difference(), open + day.open, missing + day.missing)
    })
}

#[tokio::test]
async fn a_statement_is_held_against_the_ledger_until_every_day_is_even() {
    let (world, _daraja, paid) = three_paid().await;
    let operator = Operator::sign_in(&world).await;
    let now = world.clock.now();
    let first = file(&paid[..2], now);
    operator.get(&format!("{LIST}/new")).await.says(200, "name=\"text\"");
    operator.forged(LIST, &[("text", first.as_str())]).await;
    operator
        .post(LIST, &[("text", "Receipt No.,Completion Time,Paid In\nA1,22-13-2026 09:00:00,1.00\n")])
        .await
        .says(422, "Row 2, column");
    let fields = [("text", first.as_str()), ("file_name", "november.csv")];
    operator.post(LIST, &fields).await.says(200, "5 new lines, of which 2 are in the ledger");
    operator.post(LIST, &fields).await.says(200, "This file is here already");
    // Two lines that came (20.00) and two that went (30.55) are only there, and 20.00 only in the ledger.
    assert_eq!(sums(&world).await, (2_000 - 3_055 - 2_000, 3, 1));
    let page = operator.get(&format!("{LIST}/mpesa")).await;
    page.says(200, NEVER_HEARD);
    page.says(200, "25479****999");
    assert!(!page.text.contains("JOHN <b>"), "what others wrote is escaped");
    let (name, octets) = operator.file(&format!("{LIST}/mpesa/differences.csv")).await;
    let text = String::from_utf8(octets).unwrap();
    assert!(name.contains("differences-mpesa.csv"), "{name}");
    assert_eq!((text.matches("\nstatement,").count(), text.matches("\nledger,").count()), (3, 1), "{text}");

    settle(&world, &operator).await;
    // The payment that was missing is in the next file, which has the others again.
    let second = file(&paid, now);
    let fields = [("text", second.as_str()), ("file_name", "more.csv")];
    operator.post(LIST, &fields).await.says(200, "1 new lines, of which 1 are in the ledger; 5 were here");
    assert_eq!(sums(&world).await, (0, 0, 0));
    operator.get(&format!("{LIST}/mpesa")).await.says(200, "Every line is in the ledger.");
    let kept: String =
        sqlx::query_scalar("SELECT string_agg(party, '') FROM statement_lines").fetch_one(&world.pool).await.unwrap();
    assert_eq!(kept, "", "nobody's name is kept with a line that is explained");
    limited(&world).await;
}

/// Each of the three, with one click, and once.
async fn settle(world: &World, operator: &Operator) {
    let resolve = |id: Uuid| format!("{LIST}/lines/{id}/resolve");
    let transfer = line_of(world, "TRANSFER01", "transfer").await;
    operator.post(&resolve(transfer), &[("as", "ignore"), ("reason", " ")]).await.says(422, "Say why it is put aside.");
    operator.post(&resolve(transfer), &[("as", "transfer")]).await.says(200, "It is booked as a transfer.");
    operator.post(&resolve(transfer), &[("as", "fee")]).await.says(422, "is settled already");
    let today = world.clock.now().to_offset(offset!(+3)).date();
    let (since, until) = (today.previous_day().unwrap().to_string(), today.next_day().unwrap().to_string());
    let days = [("since", since.as_str()), ("until", until.as_str())];
    operator.post(&format!("{LIST}/mpesa/fees"), &days).await.says(200, "The fees are booked.");
    let unheard = line_of(world, NEVER_HEARD, "payment").await;
    operator.post(&resolve(unheard), &[("as", "assign")]).await.says(200, "It is written down as money that came.");
    operator.get(&format!("/admin/money/{NEVER_HEARD}")).await.says(200, "25479****999");
    // A report that comes late finds it.
    assert_eq!(follow(world, &for_order(NEVER_HEARD, "WIFIWIFI")).await, Matched::Known);
    // 60 were paid, 20 came besides; 30 went to the bank, and 0.55 was kept.
    let expected = [("bank", 3_000), ("fees", 55), ("mpesa", 8_000 - 3_055), ("sales", -6_000), ("unmatched", -2_000)];
    assert_eq!(booked(world).await, accounts(&expected));
    let object = "mpesa TRANSFER01: -KSh 30";
    assert_eq!(audited(world, "statement.transfer").await, by_operator(&[object]));
    assert_eq!(audited(world, "statement.fees").await, by_operator(&["mpesa: 1 fees"]));
}

/// Who is limited to a site sees nothing of accounts that know none.
async fn limited(world: &World) {
    let now = world.clock.now();
    let site = store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
    make(world, "amina@example.org", Role::Manager).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Manager, &[site]).await.unwrap();
    let amina = Operator::again(world, "amina@example.org").await;
    amina.get(&format!("{LIST}/mpesa")).await.says(404, "It is not here");
}

#[tokio::test]
async fn a_file_is_chosen_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.start_portal().await;
    make(&world, EMAIL, Role::Owner).await;
    by_browser(&world, &browser, EMAIL).await;
    let path = std::env::temp_dir().join(format!("mlango-statement-{}.csv", shared::rng::id(world.clock.now())));
    std::fs::write(&path, file(&[], world.clock.now())).unwrap();
    browser.client.goto(&format!("{}{LIST}/new", world.portal_url())).await.unwrap();
    let chosen = browser.client.find(Locator::Css("#statement-file")).await.unwrap();
    chosen.send_keys(path.to_str().unwrap()).await.unwrap();
    eventually("the script has read the file", || async {
        let text = browser.client.find(Locator::Css("#statement-text")).await.ok()?;
        text.prop("value").await.ok()??.contains(NEVER_HEARD).then_some(())
    })
    .await;
    browser.picture("books-statement-new").await;
    browser.press("main form button").await;
    browser.wait_for("2 new lines").await;
    browser.wait_for("mlango-statement-").await;
    browser.picture("books-statements").await;
    browser.client.goto(&format!("{}{LIST}/mpesa", world.portal_url())).await.unwrap();
    browser.wait_for("Money that came").await;
    browser.picture("books-statement-lines").await;
    browser.press("button[value=\"transfer\"]").await;
    browser.wait_for("is booked as").await;
    std::fs::remove_file(&path).unwrap();
    browser.close().await;
}

pub(crate) fn line(reference: &str, kind: &'static str, minor: i64, related: &str, at: OffsetDateTime) -> Line {
    Line {
        reference: reference.into(),
        discriminator: String::new(),
        kind,
        at,
        amount: Money::kes(minor),
        details: String::new(),
        party: String::new(),
        related: related.into(),
    }
}

/// A statement of these lines, around now. Returns how many found their transaction.
pub(crate) async fn import(world: &World, account: &str, number: u8, lines: Vec<Line>) -> u64 {
    let now = world.clock.now();
    let (since, until) = (now - time::Duration::hours(1), now + time::Duration::hours(1));
    let new = New { account, file_name: "test.csv", digest: [number; 32], since, until, lines, by: "test" };
    let Imported::New { matched, .. } = statement::import(&world.db, &new, now).await.unwrap() else {
        panic!("it is new")
    };
    matched
}

#[tokio::test]
async fn a_line_waits_for_a_booking_that_comes_late_and_money_goes_back_once() {
    let world = World::new().await;
    let now = world.clock.now();
    let by = By { actor: "test", from: None };
    let (_, code) = order(&world, AMINA).await;
    let lines = vec![
        line("RKTLATE001", "payment", 2_000, &code, now),
        line("RKTBACK001", "refund", -2_000, "RKTLATE001", now),
        line("RKTOTHER01", "payment", 1_900, "", now),
    ];
    assert_eq!(import(&world, "mpesa", 1, lines).await, 0);
    assert!(matches!(follow(&world, &for_order("RKTLATE001", &code)).await, Matched::Paid { .. }));
    let other = store::unmatched::Told { amount: Money::kes(2_000), ..for_order("RKTOTHER01", "nothing") };
    assert_eq!(follow(&world, &other).await, Matched::Unmatched);
    assert_eq!(statement::rematch(&world.db).await.unwrap(), 1, "of another amount is not the same");
    let apart = statement::line(&world.db, line_of(&world, "RKTOTHER01", "payment").await).await.unwrap();
    assert_eq!((apart.state.as_str(), apart.booked), ("open", Some(Money::kes(2_000))));

    let back = line_of(&world, "RKTBACK001", "refund").await;
    let both = tokio::join!(
        statement::resolve(&world.db, back, Resolution::Refund, by, now),
        statement::resolve(&world.db, back, Resolution::Refund, by, now)
    );
    let refused = [both.0, both.1].into_iter().filter(|done| matches!(done, Err(StoreError::Conflict(_)))).count();
    assert_eq!(refused, 1, "two at once are one");
    // Of Stripe's, Stripe itself tells: what is booked here would be booked once more then.
    assert_eq!(import(&world, "stripe", 2, vec![line("txn_1", "refund", -700, "re_1", now)]).await, 0);
    let theirs = line_of(&world, "txn_1", "refund").await;
    let refused = statement::resolve(&world.db, theirs, Resolution::Refund, by, now).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    // What the payment bought is given back, as its own refund.
    assert_eq!(booked(&world).await, accounts(&[("mpesa", 2_000), ("unmatched", -2_000)]));
    let refunds: Vec<(String, String, bool)> =
        sqlx::query_as("SELECT state, reference, is_ours FROM refunds").fetch_all(&world.pool).await.unwrap();
    assert_eq!(refunds, [("done".to_owned(), "RKTBACK001".to_owned(), false)]);
}

/// What money that only a statement tells of is called here.
async fn name_of(world: &World, account: &str) -> String {
    sqlx::query_scalar("SELECT receipt FROM received_money WHERE provider = $1")
        .bind(account)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn money_of_stripe_and_of_the_bank_waits_and_pays_or_goes_back() {
    let world = World::new().await;
    let (db, now) = (&world.db, world.clock.now());
    let by = By { actor: "test", from: None };
    let (_, code) = order(&world, AMINA).await;
    assert_eq!(import(&world, "bank", 1, vec![line("FT1 ACME LTD", "other", 2_500, "", now)]).await, 0);
    assert_eq!(import(&world, "stripe", 2, vec![line("txn_1", "payment", 3_000, "pi_1", now)]).await, 0);
    for (reference, kind) in [("FT1 ACME LTD", "other"), ("txn_1", "payment")] {
        let id = line_of(&world, reference, kind).await;
        statement::resolve(db, id, Resolution::Assign, by, now).await.unwrap();
        assert!(matches!(statement::resolve(db, id, Resolution::Assign, by, now).await, Err(StoreError::Conflict(_))));
    }
    assert_eq!(booked(&world).await, accounts(&[("bank", 2_500), ("stripe", 3_000), ("unmatched", -5_500)]));
    assert_eq!(unmatched::count_waiting(db).await.unwrap(), 2);
    assert_eq!(unmatched::count_waiting_at(db).await.unwrap(), [("mpesa", 0), ("stripe", 1), ("bank", 1)]);
    let (bank, card) = (name_of(&world, "bank").await, name_of(&world, "stripe").await);
    let listed = unmatched::get(db, &bank).await.unwrap();
    assert_eq!((listed.provider.as_str(), listed.typed.as_str(), listed.is_confirmed), ("bank", "FT1 ACME LTD", true));

    // What is at the bank pays for an order, and the rest is owed.
    let assigned = unmatched::assign(db, &bank, &Purpose::Order(&code), "test", now).await.unwrap();
    assert_eq!(assigned.rest, Some(Money::kes(500)));
    let payment: Uuid =
        sqlx::query_scalar("SELECT id FROM payments WHERE receipt = $1 AND provider = 'cash' AND state = 'succeeded'")
            .bind(&bank)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    // What Stripe has goes back, which its statement then shows by the name that was written as proof.
    unmatched::refund_due(db, &card, "test", now).await.unwrap();
    assert!(matches!(unmatched::owed(db, &card).await, Err(StoreError::Conflict(_))), "M-Pesa is not asked");
    unmatched::given_back(db, &card, "re_9", "test", now).await.unwrap();
    assert_eq!(import(&world, "stripe", 3, vec![line("txn_2", "refund", -3_000, "re_9", now)]).await, 1);
    let expected = [("bank", 2_500), ("refunds_due", -500), ("sales", -2_000)];
    assert_eq!(booked(&world).await, accounts(&expected));

    // Of what was paid from the bank M-Pesa knows nothing: a person gives it back, from the bank.
    let wish = |way| Wish { way, extent: Extent::All, by: "test", from: None };
    let refused = mpesa::give_back(db, payment, &wish(Way::Reversal), now).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    let balance = refund::balance(db, payment, &SiteScope::All).await.unwrap();
    assert_eq!((balance.is_by_hand, balance.all), (true, Money::kes(2_500)));
    mpesa::give_back(db, payment, &wish(Way::Hand { proof: "ft9" }), now).await.unwrap();
    assert_eq!(import(&world, "bank", 4, vec![line("FT9", "other", -2_500, "", now)]).await, 1);
    assert!(booked(&world).await.is_empty());
    // Nothing of it is M-Pesa's in the books.
    let day = now.to_offset(offset!(+3)).date();
    let closed = day::close(db, None, day, "test", now + time::Duration::days(2)).await.unwrap();
    let ends: Vec<&str> = closed.documents.iter().filter_map(|number| number.get(8..)).collect();
    assert_eq!(ends, ["-OTHER-C", "-OTHER-S"]);
}

/// A card's payment that stands on Stripe's statement before its report has come is no other money: it is booked once, with its order.
#[tokio::test]
async fn a_line_of_stripe_that_is_a_payment_of_ours_waits_for_it() {
    let world = World::new().await;
    let (db, now) = (&world.db, world.clock.now());
    let by = By { actor: "test", from: None };
    let (wish, code) = order(&world, AMINA).await;
    let payment = store::payment::begin(db, wish, "stripe", now, now).await.unwrap();
    assert_eq!(import(&world, "stripe", 1, vec![line("txn_1", "payment", 2_000, &payment.to_string(), now)]).await, 0);
    let id = line_of(&world, "txn_1", "payment").await;
    match statement::resolve(db, id, Resolution::Assign, by, now).await {
        Err(StoreError::Conflict(why)) => assert!(why.contains(&code), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(booked(&world).await.is_empty());
    let told = Evidence { receipt: Some("pi_1".into()), amount: Some(Money::kes(2_000)), charge: None };
    settlement::settle(db, payment, &told, now).await.unwrap();
    assert_eq!(statement::rematch(db).await.unwrap(), 1);
    assert_eq!(booked(&world).await, accounts(&[("sales", -2_000), ("stripe", 2_000)]));
}

/// A payment by card that failed here, and a line of Stripe's statement that names it, or what was paid there.
struct Late {
    world: World,
    payment: Uuid,
    code: String,
    line: Uuid,
}

/// What a line may call it: our name of it, its intent or its charge.
const NAMES: [Option<&str>; 3] = [None, Some("pi_1"), Some("ch_1")];

async fn failed_here(named: Option<&str>) -> Late {
    failed_in(Money::kes(2_000), named).await
}

/// The same, where the account got this for it.
async fn failed_in(amount: Money, named: Option<&str>) -> Late {
    let world = World::new().await;
    let now = world.clock.now();
    let (wish, code) = order(&world, AMINA).await;
    let payment = store::payment::begin(&world.db, wish, "stripe", now, now).await.unwrap();
    assert!(store::payment::failed(&world.db, payment, "session_expired", "nobody paid", now).await.unwrap());
    let own = payment.to_string();
    let told = Line { amount, ..line("txn_1", "payment", 0, named.unwrap_or(&own), now) };
    assert_eq!(import(&world, "stripe", 1, vec![told]).await, 0);
    let line = line_of(&world, "txn_1", "payment").await;
    Late { world, payment, code, line }
}

impl Late {
    /// A person says that the line is money that came.
    async fn assign(&self) -> Result<(), StoreError> {
        let by = By { actor: "test", from: None };
        statement::resolve(&self.world.db, self.line, Resolution::Assign, by, self.world.clock.now()).await
    }

    /// Stripe's report comes, and Stripe says that it is paid.
    async fn report(&self) -> Settled {
        let (receipt, charge) = (Some("pi_1".into()), Some("ch_1".into()));
        let told = Evidence { receipt, amount: Some(Money::kes(2_000)), charge };
        settlement::settle(&self.world.db, self.payment, &told, self.world.clock.now()).await.unwrap()
    }

    async fn assert_sold_once(&self, why: &str) {
        assert_eq!(booked(&self.world).await, accounts(&[("sales", -2_000), ("stripe", 2_000)]), "{why}");
        assert_eq!(unmatched::count_waiting(&self.world.db).await.unwrap(), 0, "{why}");
    }
}

#[tokio::test]
async fn what_a_line_of_stripe_told_of_pays_for_its_order_when_the_report_comes_late() {
    for named in NAMES {
        let late = failed_here(named).await;
        late.assign().await.unwrap();
        assert_eq!(booked(&late.world).await, accounts(&[("stripe", 2_000), ("unmatched", -2_000)]));
        assert!(matches!(late.report().await, Settled::Granted { .. }), "{named:?}");
        assert_eq!(late.report().await, Settled::Already, "{named:?}");
        late.assert_sold_once(&format!("{named:?}")).await;
        let (db, now) = (&late.world.db, late.world.clock.now());
        let money = unmatched::get(db, &name_of(&late.world, "stripe").await).await.unwrap();
        assert_eq!((money.state.as_str(), money.order.as_deref()), ("matched", Some(late.code.as_str())));
        // Stripe's name of it is known now: it goes back as any payment by card.
        assert!(refund::ask(db, late.payment, "test", now).await.unwrap().is_new);
    }
}

#[tokio::test]
async fn a_report_of_stripe_that_came_before_the_line_is_settled_is_what_the_line_is() {
    for named in NAMES {
        let late = failed_here(named).await;
        assert!(matches!(late.report().await, Settled::Granted { .. }));
        late.assign().await.unwrap();
        late.assert_sold_once(&format!("{named:?}")).await;
        assert!(matches!(late.assign().await, Err(StoreError::Conflict(_))));
    }
}

#[tokio::test]
async fn a_line_of_stripe_and_its_report_at_once_are_one_sale() {
    for named in NAMES {
        let late = failed_here(named).await;
        let (assigned, settled) = tokio::join!(late.assign(), late.report());
        assigned.unwrap();
        assert!(matches!(settled, Settled::Granted { .. }), "{named:?}");
        late.assert_sold_once(&format!("{named:?}")).await;
    }
}

#[tokio::test]
async fn a_late_report_of_money_that_has_paid_for_something_else_says_so() {
    let late = failed_here(Some("pi_1")).await;
    let (world, now) = (&late.world, late.world.clock.now());
    late.assign().await.unwrap();
    let called = name_of(world, "stripe").await;
    let (_, other) = order(world, "0722345678").await;
    unmatched::assign(&world.db, &called, &Purpose::Order(&other), "test", now).await.unwrap();
    assert_eq!(late.report().await, Settled::Already);
    late.assert_sold_once("it paid for the other order").await;
    let (state, said): (String, Option<String>) =
        sqlx::query_as("SELECT state, result_text FROM payments WHERE id = $1")
            .bind(late.payment)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(state, "failed");
    assert!(said.as_ref().is_some_and(|said| said.contains(&called)), "{said:?}");
}

#[tokio::test]
async fn a_late_report_for_an_order_that_was_paid_otherwise_owes_the_money_of_the_line_once() {
    let late = failed_here(Some("pi_1")).await;
    let (world, now) = (&late.world, late.world.clock.now());
    assert!(matches!(follow(world, &for_order("RKTPAID001", &late.code)).await, Matched::Paid { .. }));
    late.assign().await.unwrap();
    assert_eq!(late.report().await, Settled::RefundDue);
    let expected = [("mpesa", 2_000), ("refunds_due", -2_000), ("sales", -2_000), ("stripe", 2_000)];
    assert_eq!(booked(world).await, accounts(&expected));
    // It goes back with the payment, and by its own name as well it would go back twice.
    assert!(unmatched::list(&world.db, false, 10).await.unwrap().is_empty());
    assert_eq!(refund::ask(&world.db, late.payment, "test", now).await.unwrap().amount, Money::kes(2_000));
}

/// An account of Stripe's in dollars: the line tells what it got for the shillings that were paid.
#[tokio::test]
async fn a_line_in_the_currency_of_the_account_pays_for_its_order_as_stripe_reports() {
    let late = failed_in(Money { minor: 1_550, currency: "USD".parse().unwrap() }, Some("pi_1")).await;
    late.assign().await.unwrap();
    assert!(matches!(late.report().await, Settled::Granted { .. }));
    late.assert_sold_once("what waited in dollars is taken back").await;
    assert_eq!(late.report().await, Settled::Already);
    late.assert_sold_once("told once more").await;
    let span = span_of(&late.world, "stripe");
    assert!(statement::missing(&late.world.db, &span, 10).await.unwrap().is_empty());
}

/// A program from before noted no name of the charge, so that the line found no payment and was written down beside it.
#[tokio::test]
async fn what_was_booked_twice_is_booked_once_when_stripe_tells_the_charge() {
    let late = failed_here(Some("ch_1")).await;
    let world = &late.world;
    assert!(matches!(late.report().await, Settled::Granted { .. }));
    sqlx::query("UPDATE payments SET charge = NULL").execute(&world.pool).await.unwrap();
    late.assign().await.unwrap();
    assert_eq!(booked(world).await, accounts(&[("sales", -2_000), ("stripe", 4_000), ("unmatched", -2_000)]));
    assert_eq!(late.report().await, Settled::Already);
    late.assert_sold_once("the line is the payment's").await;
    assert!(statement::missing(&world.db, &span_of(world, "stripe"), 10).await.unwrap().is_empty());
    let money = unmatched::get(&world.db, &name_of(world, "stripe").await).await.unwrap();
    assert_eq!((money.state.as_str(), money.order.as_deref()), ("matched", Some(late.code.as_str())));
}

/// A dispute that was won, on a statement on which the payment itself is not yet.
#[tokio::test]
async fn a_line_about_a_payment_is_not_taken_for_its_money() {
    let world = World::new().await;
    let (db, now) = (&world.db, world.clock.now());
    let (wish, code) = order(&world, AMINA).await;
    let payment = store::payment::begin(db, wish, "stripe", now, now).await.unwrap();
    let told = Evidence { receipt: Some("pi_1".into()), amount: Some(Money::kes(2_000)), charge: None };
    settlement::settle(db, payment, &told, now).await.unwrap();
    assert_eq!(import(&world, "stripe", 1, vec![line("txn_2", "other", 2_000, "pi_1", now)]).await, 0);
    let reversal = line_of(&world, "txn_2", "other").await;
    let by = By { actor: "test", from: None };
    match statement::resolve(db, reversal, Resolution::Assign, by, now).await {
        Err(StoreError::Conflict(why)) => assert!(why.contains(&code), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(import(&world, "stripe", 2, vec![line("txn_1", "payment", 2_000, "pi_1", now)]).await, 1);
}

/// An agent hands so much over.
async fn handed_over(world: &World, minor: i64) {
    sqlx::query(
        "WITH booked AS (INSERT INTO ledger_transactions (id, key, description, posted_at)
             VALUES (gen_random_uuid(), 'cash_handed_over:test', 'cash is handed over', $2) RETURNING id),
         entries AS (INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT gen_random_uuid(), b.id, a.id, CASE a.code WHEN 'bank' THEN $1 ELSE -$1 END, 'KES'
             FROM booked b, ledger_accounts a WHERE a.code IN ('bank', 'cash'))
         INSERT INTO cash_events (id, transaction_id, kind, agent, amount_minor, currency, happened_at)
         SELECT gen_random_uuid(), id, 'handed_over', 'Njeri', $1, 'KES', $2 FROM booked",
    )
    .bind(minor)
    .bind(world.clock.now())
    .execute(&world.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_transfer_is_one_on_both_accounts_and_what_no_statement_has_is_explained() {
    let world = World::new().await;
    let now = world.clock.now();
    let by = By { actor: "test", from: None };
    let (_, code) = order(&world, AMINA).await;
    assert!(matches!(follow(&world, &for_order("RKTPAID001", &code)).await, Matched::Paid { .. }));
    assert_eq!(import(&world, "mpesa", 1, vec![line("T1", "transfer", -1_500, "", now)]).await, 0);
    let id = line_of(&world, "T1", "transfer").await;
    statement::resolve(&world.db, id, Resolution::Transfer(None), by, now).await.unwrap();
    let at_the_bank = vec![line("MPESA SETTLEMENT", "transfer", 1_500, "", now + time::Duration::days(1))];
    assert_eq!(import(&world, "bank", 2, at_the_bank).await, 1, "the bank's line is the same transfer");
    assert_eq!(booked(&world).await, accounts(&[("bank", 1_500), ("mpesa", 500), ("sales", -2_000)]));

    handed_over(&world, 900).await;
    let paid_in = line("CASH DEPOSIT", "other", 900, "", now + time::Duration::days(1));
    let twice = vec![paid_in.clone(), Line { reference: "CASH DEPOSIT 2".into(), ..paid_in.clone() }];
    assert_eq!(import(&world, "bank", 3, twice).await, 0, "nobody knows which of the two it is");
    let second = line_of(&world, "CASH DEPOSIT 2", "other").await;
    statement::resolve(&world.db, second, Resolution::Ignore("a loan"), by, now).await.unwrap();
    assert_eq!(statement::rematch(&world.db).await.unwrap(), 1, "what an agent handed over is in the bank");
    assert_eq!(statement::rematch(&world.db).await.unwrap(), 0);

    let (since, until) = (now - time::Duration::hours(1), now + time::Duration::hours(1));
    let span = Span { account: "mpesa", since, until, zone: HOME };
    let missing = statement::missing(&world.db, &span, 10).await.unwrap();
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].receipt.as_deref(), missing[0].order.as_deref()), (Some("RKTPAID001"), Some(code.as_str())));
    let transaction = missing[0].transaction;
    let explain = |reason: &'static str| statement::explain(&world.db, transaction, "mpesa", reason, by, now);
    assert!(matches!(explain("").await, Err(StoreError::Conflict(_))));
    explain("the statement ends before it").await.unwrap();
    assert!(matches!(explain("once more").await, Err(StoreError::Conflict(_))));
    assert!(statement::missing(&world.db, &span, 10).await.unwrap().is_empty());
    let days = statement::days(&world.db, &span).await.unwrap();
    assert!(days.iter().all(|day| day.difference() == 0 && day.open + day.missing == 0), "{days:?}");
}
