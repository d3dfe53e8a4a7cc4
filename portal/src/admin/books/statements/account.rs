//! `/admin/books/statements/{account}`: an account's days with the three sums (provider, ledger, closed documents), and what differs: lines that
//! found no transaction, with buttons for what they can be, and transactions that no statement has. The same differences as a file.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use books::statement::Format;
use shared::money::Money;
use shared::time::{HOME, OffsetDateTime, Zone};
use store::books::statement::{self, Day, Missing, Open, Span};
use time::Date;
use time::macros::format_description;
use uuid::Uuid;

use super::{everywhere, name};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::Fields;
use crate::admin::listing::{MARK, MEDIA, lines};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::words;
use crate::session::Staff;

/// Days that are shown where nothing else is asked for.
const DAYS: i64 = 31;
/// The most days that can be asked for.
const DAYS_MAX: i64 = 400;
/// Differences of a kind that are shown.
const SHOWN: u32 = 200;
/// The same in a file.
const IN_FILE: u32 = 100_000;

/// The days that are asked for, the last one included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Period {
    since: Date,
    until: Date,
}

impl Period {
    /// What was asked for; what cannot be read is the last month.
    fn of(sent: &Fields, now: OffsetDateTime) -> Period {
        let day = |name: &str| date(sent.text(name));
        let until = day("until").unwrap_or_else(|| Zone::default().at(now).date());
        let since = day("since").unwrap_or_else(|| until.saturating_sub(time::Duration::days(DAYS)));
        let first = until.saturating_sub(time::Duration::days(DAYS_MAX));
        Period { since: since.clamp(first, until.max(first)), until }
    }

    fn span(self, account: &str) -> Span<'_> {
        let zone = Zone::default();
        let after = self.until.next_day().unwrap_or(self.until);
        Span { account, since: zone.midnight(self.since), until: zone.midnight(after), zone: HOME }
    }
}

/// A day as browsers send it: `2026-11-22`.
pub(super) fn date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

#[derive(Debug, Template)]
#[template(path = "admin/books/statement_account.html")]
pub(in crate::admin) struct Account {
    page: Page,
    style: String,
    account: String,
    name: String,
    since: String,
    until: String,
    done: &'static str,
    problem: String,
    days: Vec<DayRow>,
    open: Vec<OpenRow>,
    missing: Vec<MissingRow>,
    /// Open fees among those that are shown.
    fees: usize,
    is_cut: bool,
    may_change: bool,
}

#[derive(Debug)]
struct DayRow {
    day: String,
    provider: String,
    ignored: String,
    ledger: String,
    explained: String,
    untold: String,
    closed: String,
    posted: String,
    difference: String,
    is_even: bool,
    to_look_at: u64,
}

#[derive(Debug)]
struct OpenRow {
    id: Uuid,
    at: String,
    reference: String,
    kind: String,
    details: String,
    party: String,
    related: String,
    amount: String,
    /// What is booked for it, of another amount.
    booked: String,
    /// The buttons: what they send and what they say.
    buttons: Vec<(&'static str, &'static str)>,
    /// Whether an order can be named.
    takes_order: bool,
}

#[derive(Debug)]
struct MissingRow {
    id: Uuid,
    at: String,
    description: String,
    order: String,
    receipt: String,
    amount: String,
}

/// `GET /admin/books/statements/{account}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(account): Path<String>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    show_with(&app, &staff, &account, &sent, String::new()).await
}

/// The page, with what could not be done.
pub(super) async fn show_with(
    app: &App,
    staff: &Staff,
    account: &str,
    sent: &Fields,
    problem: String,
) -> Result<Response, Refusal> {
    everywhere(staff)?;
    Format::named(account).ok_or(Refusal::NotFound)?;
    let now = app.clock.now();
    let period = Period::of(sent, now);
    let span = period.span(account);
    let found = Found {
        days: statement::days(&app.db, &span).await?,
        open: statement::open(&app.db, &span, SHOWN).await?,
        missing: statement::missing(&app.db, &span, SHOWN).await?,
    };
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = Page::new(app, staff, Tab::Books);
    answer(status, &page_of(page, account, period, &found, sent, problem, now))
}

/// `GET /admin/books/statements/{account}/differences.csv`.
pub(in crate::admin) async fn file(
    State(app): State<App>,
    Path(account): Path<String>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    everywhere(&staff)?;
    Format::named(&account).ok_or(Refusal::NotFound)?;
    let span = Period::of(&sent, app.clock.now()).span(&account);
    let open = statement::open(&app.db, &span, IN_FILE).await?;
    let missing = statement::missing(&app.db, &span, IN_FILE).await?;
    let name = format!("attachment; filename=\"differences-{account}.csv\"");
    let octets = csv(&open, &missing);
    Ok(([(header::CONTENT_TYPE, MEDIA.to_owned()), (header::CONTENT_DISPOSITION, name)], octets).into_response())
}

/// What there is to show.
struct Found {
    days: Vec<Day>,
    open: Vec<Open>,
    missing: Vec<Missing>,
}

fn page_of(
    page: Page,
    account: &str,
    period: Period,
    found: &Found,
    sent: &Fields,
    problem: String,
    now: OffsetDateTime,
) -> Account {
    Account {
        style: style(),
        account: account.to_owned(),
        name: name(account).to_owned(),
        since: period.since.to_string(),
        until: period.until.to_string(),
        done: done(sent.text("done")),
        problem,
        days: found.days.iter().map(day).collect(),
        open: found.open.iter().map(|line| open(line, now)).collect(),
        missing: found.missing.iter().map(|one| missing(one, now)).collect(),
        fees: found.open.iter().filter(|line| line.kind == "fee").count(),
        is_cut: found.open.len().max(found.missing.len()) >= usize::try_from(SHOWN).unwrap_or(usize::MAX),
        may_change: page.may(shared::staff::Permission::KeepBooks),
        page,
    }
}

fn done(word: &str) -> &'static str {
    match word {
        "assign" => "It is written down as money that came. If no order took it, it waits among unmatched money.",
        "fee" => "It is booked as a fee.",
        "fees" => "The fees are booked.",
        "refund" => "It is booked as money that went back.",
        "transfer" => "It is booked as a transfer.",
        "ignore" => "It is put aside.",
        "explain" => "The reason is written down.",
        _ => "",
    }
}

fn day(day: &Day) -> DayRow {
    let of = |minor: i64| amount(minor, &day.currency);
    let but = |minor: i64| if minor == 0 { String::new() } else { of(minor) };
    DayRow {
        day: day.day.to_string(),
        provider: of(day.provider),
        ignored: but(day.ignored),
        ledger: of(day.ledger),
        explained: but(day.explained),
        untold: but(day.untold),
        closed: of(day.closed),
        posted: of(day.posted),
        difference: of(day.difference()),
        is_even: day.difference() == 0,
        to_look_at: day.open + day.missing,
    }
}

fn open(line: &Open, now: OffsetDateTime) -> OpenRow {
    let booked = line.booked.map(|booked| {
        let difference = Money { minor: line.amount.minor - booked.minor, ..booked };
        format!("{booked} is booked: {difference} apart")
    });
    OpenRow {
        id: line.id,
        at: words::moment(line.at, now),
        reference: line.reference.clone(),
        kind: line.kind.clone(),
        details: line.details.clone(),
        party: line.party.clone(),
        related: line.related.clone(),
        amount: line.amount.to_string(),
        booked: booked.unwrap_or_default(),
        buttons: buttons(line),
        takes_order: line.account == "mpesa" && line.amount.minor > 0,
    }
}

/// What a line can be, the likeliest first.
fn buttons(line: &Open) -> Vec<(&'static str, &'static str)> {
    let mut buttons = match (line.account.as_str(), line.amount.minor > 0) {
        ("bank", true) => vec![
            ("transfer:mpesa", "From M-Pesa"),
            ("transfer:stripe", "From Stripe"),
            ("assign", "Money that came"),
            ("fee", "A fee came back"),
        ],
        ("bank", false) => vec![
            ("fee", "Fee"),
            ("transfer:mpesa", "To M-Pesa"),
            ("transfer:stripe", "To Stripe"),
            ("refund", "Refund"),
        ],
        (_, true) => vec![("assign", "Money that came"), ("transfer", "From the bank"), ("fee", "A fee came back")],
        (_, false) => vec![("fee", "Fee"), ("transfer", "To the bank"), ("refund", "Refund")],
    };
    buttons.sort_by_key(|(word, _)| !word.starts_with(line.kind.as_str()));
    buttons
}

fn missing(one: &Missing, now: OffsetDateTime) -> MissingRow {
    MissingRow {
        id: one.transaction,
        at: words::moment(one.at, now),
        description: one.description.clone(),
        order: one.order.clone().unwrap_or_default(),
        receipt: one.receipt.clone().unwrap_or_default(),
        amount: one.amount.to_string(),
    }
}

fn amount(minor: i64, currency: &str) -> String {
    match currency.parse() {
        Ok(currency) => Money { minor, currency }.to_string(),
        Err(_) => format!("{currency} {}", plain(minor)),
    }
}

/// An amount as programs read it: `-1234.50`.
fn plain(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.unsigned_abs() / 100, minor.unsigned_abs() % 100)
}

/// The differences: which side has it, and what.
fn csv(open: &[Open], missing: &[Missing]) -> Vec<u8> {
    const HEAD: [&str; 9] = ["only", "at", "reference", "kind", "details", "order", "amount", "booked", "currency"];
    let at = shared::time::rfc3339;
    let of_statement = open.iter().map(|line| {
        vec![
            "statement".to_owned(),
            at(line.at),
            line.reference.clone(),
            line.kind.clone(),
            line.details.clone(),
            String::new(),
            plain(line.amount.minor),
            line.booked.map(|booked| plain(booked.minor)).unwrap_or_default(),
            line.amount.currency.as_str().to_owned(),
        ]
    });
    let of_ledger = missing.iter().map(|one| {
        vec![
            "ledger".to_owned(),
            at(one.at),
            one.receipt.clone().unwrap_or_default(),
            String::new(),
            one.description.clone(),
            one.order.clone().unwrap_or_default(),
            String::new(),
            plain(one.amount.minor),
            one.amount.currency.as_str().to_owned(),
        ]
    });
    let head = std::iter::once(HEAD.map(str::to_owned).to_vec());
    let mut octets = MARK.as_bytes().to_vec();
    octets.extend(lines(head.chain(of_statement).chain(of_ledger)));
    octets
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use time::macros::date;

    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn line(kind: &str, minor: i64) -> Open {
        Open {
            id: Uuid::nil(),
            account: "mpesa".into(),
            reference: "RKTQDM7W6S".into(),
            kind: kind.into(),
            state: "open".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            amount: Money::kes(minor),
            details: HOSTILE.into(),
            party: HOSTILE.into(),
            related: HOSTILE.into(),
            booked: Some(Money::kes(1900)),
        }
    }

    fn gone() -> Missing {
        Missing {
            transaction: Uuid::nil(),
            description: HOSTILE.into(),
            at: OffsetDateTime::UNIX_EPOCH,
            order: Some("AB2CD3EF".into()),
            receipt: None,
            amount: Money::kes(2000),
        }
    }

    fn of_day() -> Day {
        Day {
            day: date!(2026 - 11 - 22),
            currency: "KES".into(),
            provider: 5000,
            ignored: 1000,
            ledger: 6000,
            explained: 500,
            untold: 1500,
            closed: 0,
            posted: 0,
            open: 1,
            missing: 0,
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> Account {
        let found =
            Found { days: vec![of_day()], open: vec![line("payment", 2000), line("fee", -55)], missing: vec![gone()] };
        let now = OffsetDateTime::UNIX_EPOCH;
        let period = Period::of(&Fields::default(), now);
        page_of(page, "mpesa", period, &found, &Fields::default().with("done", "fee"), HOSTILE.into(), now)
    }

    #[test]
    fn a_day_is_even_without_what_is_explained() {
        assert!(day(&of_day()).is_even, "50 - 10 on one side, 60 - 5 - 15 on the other");
        let other = Day { ledger: 6500, ..of_day() };
        assert_eq!((day(&other).is_even, day(&other).difference), (false, "-KSh 5".to_owned()));
    }

    #[test]
    fn the_likeliest_comes_first() {
        let first = |kind: &str, minor: i64| buttons(&line(kind, minor))[0].0;
        assert_eq!((first("transfer", -100), first("refund", -100), first("fee", -100)), ("transfer", "refund", "fee"));
        assert_eq!((first("payment", 100), first("transfer", 100)), ("assign", "transfer"));
        assert!(buttons(&line("payment", 100)).iter().all(|(word, _)| *word != "refund"));
    }

    #[test]
    fn days_that_cannot_be_read_are_the_last_month() {
        let now = time::macros::datetime!(2026-11-22 22:00 UTC);
        let of = |since: &str, until: &str| {
            let period = Period::of(&Fields::default().with("since", since).with("until", until), now);
            (period.since.to_string(), period.until.to_string())
        };
        let expect = |since: &str, until: &str| (since.to_owned(), until.to_owned());
        assert_eq!(of("", ""), expect("2026-10-23", "2026-11-23"));
        assert_eq!(of("2026-11-01", "2026-11-02"), expect("2026-11-01", "2026-11-02"));
        assert_eq!(of("2026-11-05", "2026-11-02"), expect("2026-11-02", "2026-11-02"));
        assert_eq!(of("1900-01-01", "2026-11-02"), expect("2025-09-28", "2026-11-02"));
        let span = Period { since: date!(2026 - 11 - 01), until: date!(2026 - 11 - 02) }.span("mpesa");
        assert_eq!(span.since, time::macros::datetime!(2026-10-31 21:00 UTC));
        assert_eq!(span.until, time::macros::datetime!(2026-11-02 21:00 UTC));
    }

    #[test]
    fn the_file_says_which_side_has_it() {
        let text = String::from_utf8(csv(&[line("fee", -55)], &[gone()])).expect("UTF-8");
        let rows: Vec<&str> = text.trim_start_matches(MARK).lines().collect();
        assert!(rows[1].starts_with("statement,1970-01-01T00:00:00Z,RKTQDM7W6S,fee,"), "{text}");
        assert!(rows[1].ends_with(",-0.55,19.00,KES") && rows[2].ends_with(",AB2CD3EF,,20.00,KES"), "{text}");
    }
}
