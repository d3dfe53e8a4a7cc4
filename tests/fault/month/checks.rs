//! What must hold in the end of the month, each against something else than what made it: the days against the calendar, the balance against
//! the plan, the program's documents against our rows and against the plan, and the statements, written from the plan alone, against the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use books::connector::Connector as _;
use books::quickbooks::QuickBooks;
use books::statement::{Format, read};
use shared::staff::SiteScope;
use shared::time::{HOME, OffsetDateTime};
use store::books::statement::{self, Imported, Line, New, Span};
use store::books::{comparison, day, document};
use tests::books::Books;
use tests::world::eventually_within;
use time::macros::{format_description, offset};

use super::plan::{Fate, Heard, Kept, Provider, Sale};
use super::{A_DAY, Stage};

/// Minutes of a day.
const MINUTES: u64 = 24 * 60;

async fn number(stage: &Stage, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&stage.world.pool).await.unwrap()
}

/// Every day of every place is closed once, and each transaction is in one document.
pub(super) async fn days(stage: &Stage) {
    let (plan, db) = (&stage.shop.plan, &stage.world.db);
    let listed = day::list(db, &SiteScope::All, stage.shop.first, stage.last()).await.unwrap();
    let closed: BTreeSet<_> = listed.iter().map(|day| (day.site, day.day)).collect();
    let places = stage.places();
    let wanted: BTreeSet<_> =
        (0..plan.size.days).flat_map(|day| places.iter().map(move |site| (*site, stage.shop.date(day)))).collect();
    assert_eq!((closed.len(), closed), (listed.len(), wanted));
    assert_eq!(number(stage, "SELECT count(*) FROM unclosed_transactions").await, 0);
    let (transactions, items): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM ledger_transactions), (SELECT count(*) FROM book_items)")
            .fetch_one(&stage.world.pool)
            .await
            .unwrap();
    assert_eq!(transactions, items);
    let heard = |how: Heard| plan.sales.iter().filter(|sale| sale.heard == how).count();
    let (late, written) = (heard(Heard::Late), heard(Heard::WrittenLate));
    println!(
        "{} sales by order, {late} heard of on a later day and {written} written down after their day; {transactions} transactions, \
         {} days closed by {:?}",
        plan.sales.len(),
        listed.len(),
        closers(&listed)
    );
    assert!(late > 0 && written > 0, "the test has shown nothing");
}

fn closers(days: &[day::Day]) -> BTreeMap<&str, usize> {
    let mut closers = BTreeMap::new();
    for day in days {
        *closers.entry(day.closed_by.as_str()).or_default() += 1;
    }
    closers
}

/// The balance of all documents is zero, and account by account what the plan comes to.
pub(super) async fn balance(stage: &Stage, kept: &Kept) {
    let balance = document::trial_balance(&stage.world.db, Some(stage.last())).await.unwrap();
    assert_eq!(balance.iter().map(|one| one.debit - one.credit).sum::<i64>(), 0);
    let mut accounts: BTreeMap<&str, i64> =
        balance.iter().map(|one| (one.account.as_str(), one.debit - one.credit)).collect();
    // The tax was taken out of the sales: each line rounded by half a cent at most.
    let vat = accounts.remove("vat").unwrap_or_default();
    let sales = accounts.entry("sales").or_default();
    *sales += vat;
    let (gross, lines) = (*sales, number(stage, "SELECT count(*) FROM book_lines WHERE tax_minor <> 0").await);
    assert!((gross * 16 - vat * 116).abs() <= 58 * lines, "{vat} of {gross} in {lines} lines");
    accounts.retain(|_, minor| *minor != 0);
    let mut wanted: BTreeMap<&str, i64> = kept.accounts.iter().map(|(account, minor)| (*account, *minor)).collect();
    wanted.retain(|_, minor| *minor != 0);
    println!("the month comes to {accounts:?}, of the sales {vat} is tax");
    assert_eq!(accounts, wanted);
}

/// The program has each row of ours once, to the cent and on its day, and nothing else; together it is what the plan comes to.
pub(super) async fn documents(stage: &Stage, kept: &Kept) {
    let days = (stage.shop.first, stage.last());
    let ours = comparison::ours(&stage.world.db, stage.connection, days).await.unwrap();
    let there = stage.sim.read(Books::documents);
    assert!(there.iter().all(|document| !document.is_void), "something was made void");
    let mut told: Vec<_> =
        there.iter().map(|one| (one.number.clone(), one.day.clone(), one.total, Some(one.id.clone()))).collect();
    let mut rows: Vec<_> =
        ours.iter().map(|row| (row.number.clone(), row.day.to_string(), row.amount, row.external.clone())).collect();
    told.sort();
    rows.sort();
    assert_eq!(told, rows);
    let numbers: BTreeSet<&String> = told.iter().map(|(number, ..)| number).collect();
    assert_eq!(numbers.len(), told.len(), "a number is there twice");
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for (number, _, total, _) in &told {
        // `20261122-SITE1-M-R` is of the part `M-R`.
        *sums.entry(number.splitn(3, '-').nth(2).unwrap()).or_default() += total;
    }
    let wanted: BTreeMap<&str, i64> = kept.told.iter().map(|(part, minor)| (*part, *minor)).collect();
    assert_eq!(sums, wanted);
    assert_eq!(stage.sim.read(Books::faults_left), 0, "all of it has gone wrong");
}

/// The portal compares both sides, and finds nothing.
pub(super) async fn comparison(stage: &Stage) {
    let (world, connection) = (&stage.world, stage.connection);
    let days = (stage.shop.first, stage.last());
    comparison::ask(&world.db, connection, days, "test", world.clock.now()).await.unwrap();
    let compared = eventually_within(A_DAY, "both sides are compared", || async {
        let latest = comparison::latest(&world.db, connection, 10).await.unwrap();
        latest.into_iter().find(|one| one.asked_by == "test" && one.done_at.is_some())
    })
    .await;
    assert_eq!((compared.reason.as_str(), compared.findings, compared.waiting), ("", Vec::new(), 0));
    assert_eq!(usize::try_from(compared.same).unwrap(), stage.sim.read(Books::count));
}

/// Both providers' statements, each in two files that overlap, are even with the ledger and with the closed days on every day.
pub(super) async fn statements(stage: &Stage, kept: &Kept) {
    let strays: i64 = stage.shop.plan.strays.iter().map(|stray| stray.amount).sum();
    bring(stage, Format::Mpesa, &mpesa(stage)).await;
    bring(stage, Format::Stripe, &stripe(stage)).await;
    while statement::rematch(&stage.world.db).await.unwrap() > 0 {}
    // Money without an order is told to nobody.
    for (account, untold) in [("mpesa", strays), ("stripe", 0)] {
        let days = span(stage, account).await;
        let sum = |of: fn(&statement::Day) -> i64| days.iter().map(of).sum::<i64>();
        assert!(days.iter().all(|day| day.difference() == 0 && day.open + day.missing == 0), "{account}: {days:?}");
        assert!(days.iter().all(|day| day.ledger == day.closed && day.ignored + day.explained == 0), "{account}");
        assert_eq!((sum(|day| day.provider), sum(|day| day.ledger)), (kept.accounts[account], kept.accounts[account]));
        assert_eq!(sum(|day| day.closed - day.posted), untold, "{account}");
        println!("{account}: {} days are even, {} in all", days.len(), sum(|day| day.provider));
    }
    let all = number(stage, "SELECT count(*) FROM statement_lines").await;
    assert_eq!(all, number(stage, "SELECT count(*) FROM statement_lines WHERE state = 'matched'").await);
}

async fn span(stage: &Stage, account: &str) -> Vec<statement::Day> {
    let (since, until) = bounds(stage);
    let span = Span { account, since, until, zone: HOME };
    statement::days(&stage.world.db, &span).await.unwrap()
}

/// From before the month until after it.
fn bounds(stage: &Stage) -> (OffsetDateTime, OffsetDateTime) {
    let at = |date: time::Date| date.midnight().assume_utc();
    (at(stage.shop.first) - time::Duration::DAY, at(stage.last()) + time::Duration::days(2))
}

/// A statement: what stands above its rows, and these with their moments.
struct Statement {
    head: String,
    rows: Vec<(OffsetDateTime, String)>,
}

impl Statement {
    /// A file of some of its rows.
    fn file(&self, rows: impl Iterator<Item = usize>) -> String {
        let mut file = self.head.clone();
        for row in rows {
            file.push_str("\r\n");
            file.push_str(&self.rows[row].1);
        }
        file
    }
}

/// Brings the first two thirds of a statement, and then the last two.
async fn bring(stage: &Stage, format: Format, statement: &Statement) {
    let (all, third) = (statement.rows.len(), statement.rows.len() / 3);
    for (part, file) in (0_u8..).zip([statement.file(0..all - third), statement.file(third..all)]) {
        let read = read(format, file.as_bytes()).unwrap();
        assert_eq!(read.passed_over, 0);
        let lines = read.lines.into_iter().map(|line| Line {
            reference: line.reference,
            discriminator: line.discriminator,
            kind: line.kind.as_str(),
            at: line.at,
            amount: line.amount,
            details: line.details,
            party: line.party,
            related: line.related,
        });
        let lines: Vec<Line> = lines.collect();
        let mut digest = [part; 32];
        digest[0] = if format == Format::Mpesa { 1 } else { 2 };
        let (account, file_name) = (format.as_str(), "month.csv");
        let new = New { account, file_name, digest, since: read.since, until: read.until, lines, by: "test" };
        let imported = statement::import(&stage.world.db, &new, stage.world.clock.now()).await.unwrap();
        let Imported::New { known, .. } = imported else { panic!("it is new: {imported:?}") };
        assert_eq!(known > 0, part == 1, "the files overlap");
    }
}

/// M-Pesa's statement of the organisation: payments, and what went back.
fn mpesa(stage: &Stage) -> Statement {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[day]-[month]-[year] [hour]:[minute]:[second]");
    let written = |at: OffsetDateTime| at.to_offset(offset!(+3)).format(FORMAT).unwrap();
    let came = |receipt: &str, at: OffsetDateTime, minor: i64| {
        let (at_text, amount) = (written(at), decimal(minor));
        let party = "25471****670 - X";
        let row = format!(
            "{receipt},{at_text},{at_text},Pay Bill from {party},Completed,{amount},,,true,Pay Utility,{party},,wifi"
        );
        (at, row)
    };
    let (shop, mut rows) = (&stage.shop, Vec::new());
    for sale in of(stage, Provider::Mpesa) {
        rows.push(came(&sale.receipt(), shop.collected_at(sale), sale.amount()));
        if sale.fate == Fate::GivenBack {
            let (at, amount) = (shop.given_back_at(sale), decimal(sale.price()));
            let (reversal, receipt, text) = (sale.reversal(), sale.receipt(), written(at));
            let row = format!(
                "{reversal},{text},{text},Pay Bill Reversal,Completed,,-{amount},,true,Pay Utility Reversal,,{receipt},"
            );
            rows.push((at, row));
        }
    }
    for (day, stray) in shop.plan.strays.iter().enumerate() {
        rows.push(came(&stray.receipt, shop.strayed_at(day), stray.amount));
    }
    rows.sort();
    let (since, until) = bounds(stage);
    let head = format!(
        "Account Holder:,MLANGO LTD\r\nTime Period:,From,{},To,{}\r\n\
         Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,Balance Confirmed,Reason Type,\
         Other Party Info,Linked Transaction ID,A/C No.",
        written(since),
        written(until)
    );
    Statement { head, rows }
}

/// Stripe's balance transactions: payments with what was kept of each, and what went back.
fn stripe(stage: &Stage) -> Statement {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let written = |at: OffsetDateTime| at.to_offset(offset!(UTC)).format(FORMAT).unwrap();
    let mut rows = Vec::new();
    for sale in of(stage, Provider::Stripe) {
        let (at, intent, id) = (stage.shop.collected_at(sale), sale.receipt(), sale.balance_line());
        let (amount, fee, net) = (decimal(sale.price()), decimal(sale.fee()), decimal(sale.price() - sale.fee()));
        let row = format!("{id},charge,ch_{:08},{amount},{fee},{net},kes,{},Wi-Fi,{intent}", sale.number, written(at));
        rows.push((at, row));
        if sale.fate == Fate::GivenBack {
            let (at, reversal) = (stage.shop.given_back_at(sale), sale.reversal());
            rows.push((at, format!("{id}r,refund,{reversal},-{amount},0,-{amount},kes,{},,{intent}", written(at))));
        }
    }
    rows.sort();
    let head = "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Description,PaymentIntent ID".to_owned();
    Statement { head, rows }
}

fn of(stage: &Stage, provider: Provider) -> impl Iterator<Item = &Sale> {
    stage.shop.plan.sales.iter().filter(move |sale| sale.provider == provider)
}

/// An amount of zero or more in shillings.
fn decimal(minor: i64) -> String {
    let mut text = String::new();
    write!(text, "{}.{:02}", minor / 100, minor % 100).unwrap();
    text
}

/// How often the program was asked for a day of the month, and how little that is.
pub(super) fn calls(stage: &Stage) {
    let limits = QuickBooks::new("http://127.0.0.1/".parse().unwrap(), Duration::from_secs(1)).unwrap().limits();
    let (most, sum) = (stage.calls.iter().copied().max().unwrap_or_default(), stage.calls.iter().sum::<u64>());
    let (documents, together) = stage.sim.read(|books| (books.count(), books.most_under_way()));
    println!(
        "API calls by day: {:?}; {sum} in all for {documents} documents, {most} on the busiest day; QuickBooks allows {} a minute; by what \
         was asked: {:?}; at most {together} at once",
        stage.calls,
        limits.minute,
        stage.sim.read(|books| books.calls().clone())
    );
    assert!(most > 0 && together <= limits.together, "{together}");
    // A tenth of what the pace lets through in a day, and of a day's number where there is one.
    let a_day = limits.day.map_or(u64::from(limits.minute) * MINUTES, u64::from);
    assert!(most * 10 < a_day, "{most}");
    // A day of twenty sites is asked for in a minute.
    assert!(most <= u64::from(limits.minute), "{most}");
}
