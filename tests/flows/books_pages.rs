//! The desk's pages of the books: a day of two sites is closed by hand and read as page, file and paper; who keeps books does so, who does not is
//! refused, and who is limited to a site sees that site; what agents owe; taxes from a day on; and the same by REST. Once in a browser, of which
//! pictures are kept.
//!
//! The sites have a clock by which the day before ended within the last hour, so that it is over whenever the tests run and no portal has closed
//! it by itself yet.

use serde_json::{Value, json};
use shared::staff::Role;
use shared::time::Zone;
use sqlx::AssertSqlSafe;
use store::admin::people;
use store::books::{day, tax};
use store::voucher;
use tests::world::{Browser, World, at};
use time::{Date, Duration};
use uuid::Uuid;

use crate::api_client::Program;
use crate::operator::{EMAIL, Operator, audited, by_browser, make};

const ACCOUNTANT: &str = "wanjiru@example.org";

/// Two sites at which something was sold on a day that is over.
struct Books {
    world: World,
    market: Uuid,
    beach: Uuid,
    day: Date,
}

impl Books {
    /// With two sales of KSh 20 at the market, one of which a discount made cheaper, and one at the beach.
    async fn open() -> Books {
        let mut world = World::new().await;
        let now = world.clock.now();
        let hour = now.hour();
        // The signs of these names are turned round: at Etc/GMT-3 it is three hours later than in UTC.
        let zone = if hour <= 12 { format!("Etc/GMT+{hour}") } else { format!("Etc/GMT-{}", 24 - hour) };
        let clock = Zone::named(&zone).expect("a clock");
        let today = clock.at(now).date();
        assert_eq!(clock.at(now).hour(), 0, "{zone}");
        world.package("one-hour", |_| {}).await;
        let mut sites = Vec::new();
        for (number, name) in [(1, "Market"), (2, "Beach")] {
            let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
            let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
            world.register(&name.to_lowercase(), b"secret", settings).await;
            sites.push(site);
        }
        sqlx::query("UPDATE sites SET time_zone = $1").bind(&zone).execute(&world.pool).await.unwrap();
        let day = today.previous_day().unwrap();
        tax::set_letter(&world.db, None, "B", day, "test", now).await.unwrap();
        world.start_portal().await;
        let books = Books { world, market: sites[0], beach: sites[1], day };
        let posted = clock.midnight(today) - Duration::hours(2);
        for (code, nas, full) in
            [("MARKET1", "market", None), ("MARKET2", "market", Some(2_500)), ("BEACH11", "beach", None)]
        {
            books.sale(code, nas, full, posted).await;
        }
        books
    }

    /// An order at that router that was paid by M-Pesa, and what was booked of it.
    async fn sale(&self, code: &str, nas: &str, full: Option<i64>, posted: time::OffsetDateTime) {
        let full = full.map_or("NULL".to_owned(), |full| full.to_string());
        let sale = format!(
            "WITH payer AS (
                 INSERT INTO users (id, phone, name, created_at) VALUES (gen_random_uuid(), '+254712345678', 'Asha', now())
                 ON CONFLICT (phone) DO UPDATE SET name = EXCLUDED.name RETURNING id),
             bought AS (
                 INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, full_minor, currency, nas_id, state, paid_at,
                                     created_at, updated_at)
                 SELECT gen_random_uuid(), '{code}', payer.id, '+254712345678', p.id, '{{\"name\":\"one hour\"}}', 2000, {full}, 'KES', n.id, 'paid',
                        $1, $1, $1
                 FROM payer, packages p, nas n WHERE n.name = '{nas}' RETURNING id),
             booked AS (
                 INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
                 SELECT gen_random_uuid(), 'test:{code}', id, 'a payment', $1 FROM bought RETURNING id)
             INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
             SELECT gen_random_uuid(), b.id, a.id, s.minor, 'KES'
             FROM booked b CROSS JOIN (VALUES ('mpesa', 2000), ('sales', -2000)) s (account, minor) JOIN ledger_accounts a ON a.code = s.account"
        );
        sqlx::query(AssertSqlSafe(sale)).bind(posted).execute(&self.world.pool).await.unwrap();
    }

    /// `2026-11`.
    fn month(&self) -> String {
        self.day.to_string()[..7].to_owned()
    }

    fn number(&self, site: &str) -> String {
        format!("{}-{site}-M", self.day.to_string().replace('-', ""))
    }

    fn page(&self) -> String {
        format!("/admin/books?month={}", self.month())
    }

    fn document(&self, site: &str) -> String {
        format!("/admin/books/documents/{}", self.number(site))
    }

    async fn close(&self) {
        for site in [self.market, self.beach] {
            assert!(
                day::close(&self.world.db, Some(site), self.day, "test", self.world.clock.now()).await.unwrap().is_new
            );
        }
    }

    async fn accountant(&self) -> Operator {
        Operator::sign_in_as(&self.world, ACCOUNTANT, Role::Accountant).await
    }
}

/// A file: its name, and its lines with the heads first, each as its cells.
async fn file(operator: &Operator, path: &str) -> (String, Vec<Vec<String>>) {
    let (name, octets) = operator.file(path).await;
    let text = String::from_utf8(octets).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("it says that it is UTF-8");
    (name, text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

#[tokio::test]
async fn a_day_is_closed_by_hand_once_and_an_accountant_reads_it_everywhere() {
    let books = Books::open().await;
    let accountant = books.accountant().await;
    let page = accountant.get(&books.page()).await;
    page.says(200, "Over and not closed");
    assert_eq!(page.text.matches(">Close now<").count(), 2, "at each site: {}", page.text);
    let (market, day) = (books.market.to_string(), books.day.to_string());
    let fields = [("site", market.as_str()), ("day", day.as_str())];
    accountant.forged("/admin/books/close", &fields).await;
    let done = accountant.post("/admin/books/close", &fields).await;
    done.says(200, "The day is closed, and its documents are made.");
    done.says(200, &books.document("MARKE"));
    assert_eq!(done.text.matches(">Close now<").count(), 1, "the beach is open: {}", done.text);
    accountant.post("/admin/books/close", &fields).await.says(200, "That day was closed before.");
    let today = books.day.next_day().unwrap().to_string();
    let early = [("site", market.as_str()), ("day", today.as_str())];
    accountant.post("/admin/books/close", &early).await.says(422, "is not over at Market yet");
    accountant.post("/admin/books/close", &[("day", "soon")]).await.says(422, "Write a day such as 2026-11-29.");
    let closed = vec![(ACCOUNTANT.to_owned(), format!("{day} Market"))];
    assert_eq!(audited(&books.world, "books.close").await, closed, "once");

    let address = books.document("MARKE");
    let page = accountant.get(&address).await;
    for words in ["Market", "M-Pesa", "one hour", "Sold together", ACCOUNTANT] {
        page.says(200, words);
    }
    let (name, lines) = file(&accountant, &format!("{address}.csv")).await;
    assert_eq!(name, format!("attachment; filename=\"{}.csv\"", books.number("MARKE")));
    let of = |head: &str| lines[0].iter().position(|known| known == head).expect("a column");
    let sum = |head: &str| lines[1..].iter().map(|line| line[of(head)].parse::<f64>().unwrap()).sum::<f64>();
    assert!(lines[1..].iter().all(|line| line[of("kind")] == "sale" && line[of("tax")] == "B"), "{lines:?}");
    assert_eq!([sum("quantity"), sum("list"), sum("discount"), sum("gross")], [2.0, 45.0, 5.0, 40.0]);
    // A line is of one price of the list; of each, the tax in KSh 20 is KSh 2.76.
    assert!((sum("vat") - 5.52).abs() < 1e-9 && (sum("net") - 34.48).abs() < 1e-9, "{lines:?}");

    let (name, entries) = file(&accountant, &format!("{address}.csv?section=entries")).await;
    assert!(name.contains("-entries.csv"), "{name}");
    let mut sides: Vec<(&str, &str, &str)> =
        entries[1..].iter().map(|entry| (entry[0].as_str(), entry[2].as_str(), entry[3].as_str())).collect();
    sides.sort_unstable();
    assert_eq!(sides, [("mpesa", "40.00", "0.00"), ("sales", "5.52", "40.00"), ("vat", "0.00", "5.52")]);
    let (name, octets) = accountant.file(&format!("{address}.pdf")).await;
    assert!(name.contains(&format!("{}.pdf", books.number("MARKE"))) && octets.starts_with(b"%PDF-"), "{name}");
    accountant.get(&books.document("NOWHE")).await.says(404, "It is not here");
    accountant.get(&format!("{address}.csv?section=nothing")).await.says(404, "It is not here");
}

#[tokio::test]
async fn files_of_a_time_hold_all_lines_and_the_balance_is_zero() {
    let books = Books::open().await;
    books.close().await;
    let owner = Operator::sign_in(&books.world).await;
    let day = books.day;
    let days = format!("since={day}&until={day}");
    let (_, lines) = file(&owner, &format!("/admin/books/lines.csv?{days}")).await;
    let numbers: Vec<&str> = lines[1..].iter().map(|line| line[2].as_str()).collect();
    let (market, beach) = (books.number("MARKE"), books.number("BEACH"));
    assert_eq!(numbers.iter().filter(|number| **number == beach).count(), 1, "{numbers:?}");
    assert!(numbers.contains(&market.as_str()) && numbers.is_sorted(), "{numbers:?}");
    let (_, one) = file(&owner, &format!("/admin/books/lines.csv?{days}&site={}", books.beach)).await;
    assert_eq!(one[1..].iter().map(|line| line[2].as_str()).collect::<Vec<_>>(), [beach.as_str()]);
    let before = day.previous_day().unwrap();
    let (_, none) = file(&owner, &format!("/admin/books/lines.csv?since={before}&until={before}")).await;
    assert_eq!(none.len(), 1, "the heads alone");
    owner.get("/admin/books/lines.csv?since=soon").await.says(422, "write a day such as");

    let (_, listed) = file(&owner, &format!("/admin/books/days.csv?month={}", books.month())).await;
    assert!(listed.iter().any(|row| row[2] == market && row[5] == "40.00" && row[8] == "5.52"), "{listed:?}");
    let (_, balance) = file(&owner, "/admin/books/balance.csv").await;
    let found = |account: &str| balance.iter().find(|row| row[0] == account).map(|row| row[6].as_str());
    assert_eq!((found("mpesa"), found("sales"), found("vat")), (Some("60.00"), Some("-51.72"), Some("-8.28")));
    let sum: f64 = balance[1..].iter().map(|row| row[6].parse::<f64>().unwrap()).sum();
    assert!(sum.abs() < 1e-9, "{balance:?}");
    let (_, earlier) = file(&owner, &format!("/admin/books/balance.csv?until={before}")).await;
    assert!(earlier[1..].iter().all(|row| row[6] == "0.00"), "nothing was closed by then: {earlier:?}");
    owner.get("/admin/books/balance").await.says(200, "Together");
    owner.get("/admin/books/balance?until=soon").await.says(422, "aria-invalid");
}

#[tokio::test]
async fn books_are_for_who_keeps_them_and_of_their_sites() {
    let books = Books::open().await;
    books.close().await;
    let (days_page, document) = (books.page(), books.document("MARKE"));
    for role in [Role::Cashier, Role::Support, Role::ReadOnly] {
        let somebody = Operator::sign_in_as(&books.world, &format!("{}@example.org", role.as_str()), role).await;
        for path in [days_page.as_str(), document.as_str(), "/admin/books/lines.csv", "/admin/books/cash"] {
            somebody.get(path).await.says(403, "may read the books");
        }
        somebody.post("/admin/books/close", &[]).await.says(403, "may keep the books");
        assert!(!somebody.get("/admin").await.text.contains("href=\"/admin/books\""), "{role}");
    }
    let email = "amina@example.org";
    make(&books.world, email, Role::Manager).await;
    let id = books.world.staff_id(email).await;
    people::set_access(&books.world.db, id, Role::Manager, &[books.market]).await.unwrap();
    let amina = Operator::again(&books.world, email).await;
    let page = amina.get(&books.page()).await;
    page.says(200, &books.number("MARKE"));
    assert!(!page.text.contains("Beach") && !page.text.contains("No place"), "{}", page.text);
    amina.get(&books.document("MARKE")).await.says(200, "Sold together");
    for ending in ["", ".csv", ".pdf"] {
        amina.get(&format!("{}{ending}", books.document("BEACH"))).await.says(404, "It is not here");
    }
    let days = format!("since={day}&until={day}", day = books.day);
    let (_, lines) = file(&amina, &format!("/admin/books/lines.csv?{days}")).await;
    assert!(lines.len() > 1 && lines[1..].iter().all(|line| line[1] == "Market"), "{lines:?}");
    for site in [books.beach.to_string(), "none".to_owned()] {
        amina.get(&format!("/admin/books/lines.csv?{days}&site={site}")).await.says(404, "It is not here");
        amina.get(&format!("{}&site={site}", books.page())).await.says(422, "Choose one of these.");
    }
    amina.get("/admin/books/balance").await.says(403, "you are limited to some");
    amina.get("/admin/books/balance.csv").await.says(403, "you are limited to some");
    for path in ["/admin/books/cash", "/admin/books/cash.csv", "/admin/books/cash/agent?name=Njeri"] {
        amina.get(path).await.says(403, "may read the books");
    }
    amina.post("/admin/books/cash/handed-over", &[("agent", "Njeri")]).await.says(403, "may keep the books");
    let (beach, day) = (books.beach.to_string(), books.day.to_string());
    amina
        .post("/admin/books/close", &[("site", beach.as_str()), ("day", day.as_str())])
        .await
        .says(404, "It is not here");
    amina.post("/admin/books/close", &[("day", day.as_str())]).await.says(403, "may keep the books");
    assert!(!amina.get("/admin/books/taxes").await.text.contains("Set the rate"));
    amina.post("/admin/books/taxes/letters", &[]).await.says(403, "may keep the books");
    assert!(audited(&books.world, "books.close").await.is_empty());
}

#[tokio::test]
async fn an_agent_hands_over_what_is_owed_and_never_more() {
    let books = Books::open().await;
    let owner = Operator::sign_in(&books.world).await;
    let (db, agent) = (&books.world.db, "Mama Njeri & Co");
    owner.get("/admin/books/cash").await.says(200, "No agent has sold a voucher yet.");
    let fields = [("package", "one-hour"), ("count", "5"), ("agent", agent)];
    owner.post("/admin/vouchers", &fields).await.says(200, "The vouchers are made.");
    let batch = voucher::batches(db, None, 1).await.unwrap().remove(0).id;
    let which = voucher::Which::Serials { batch, first: 1, last: 3 };
    voucher::sell(db, which, "test", books.world.clock.now()).await.unwrap();

    let accountant = books.accountant().await;
    let list = accountant.get("/admin/books/cash").await;
    list.says(200, "Mama Njeri &#38; Co");
    let one = "/admin/books/cash/agent?name=Mama+Njeri+%26+Co";
    list.says(200, one);
    accountant.get(one).await.says(200, "KSh 60");
    accountant.get("/admin/books/cash/agent?name=nobody").await.says(404, "It is not here");
    let hand_over =
        |amount: &'static str| [("agent", agent), ("currency", "KES"), ("amount", amount), ("note", "receipt 7")];
    let path = "/admin/books/cash/handed-over";
    accountant.forged(path, &hand_over("40")).await;
    for (amount, sentence) in [
        ("60.01", "Mama Njeri &#38; Co owes KSh 60: write that or less."),
        ("0", "Write how much it was."),
        ("-5", "Write an amount such as 1500 or 1500.50."),
    ] {
        let refused = accountant.post(path, &hand_over(amount)).await;
        refused.says(422, "Nothing was written down");
        assert!(refused.text.contains(sentence), "{amount}: {}", refused.text);
    }
    assert!(audited(&books.world, "books.hand_over").await.is_empty());
    let done = accountant.post(path, &hand_over("40")).await;
    done.says(200, "It is written down");
    done.says(200, "receipt 7");
    accountant.post(path, &hand_over("40")).await.says(422, "owes KSh 20");
    let (name, agents) = file(&accountant, "/admin/books/cash.csv").await;
    assert!(name.contains("cash.csv"), "{name}");
    assert_eq!(agents[1..], [[agent, "KES", "60.00", "0.00", "40.00", "20.00"].map(str::to_owned)]);
    let written = audited(&books.world, "books.hand_over").await;
    assert_eq!(written, [(ACCOUNTANT.to_owned(), format!("KSh 40 by {agent}"))]);
}

#[tokio::test]
async fn taxes_are_set_from_a_day_on_that_nobody_has_closed() {
    let books = Books::open().await;
    books.close().await;
    let accountant = books.accountant().await;
    let (db, closed, next) = (&books.world.db, books.day.to_string(), books.day.next_day().unwrap());
    let package = store::package::by_slug(db, "one-hour").await.unwrap().id;
    let id = package.to_string();
    let (letters, rates) = ("/admin/books/taxes/letters", "/admin/books/taxes/rates");
    let letter =
        |since: &str| [("package", id.clone()), ("letter", "E".to_owned()), ("letter_since", since.to_owned())];
    let sent = |fields: &[(&'static str, String)]| {
        fields.iter().map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>()
    };
    let post = |path: &'static str, fields: Vec<(&'static str, String)>| {
        let accountant = &accountant;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            accountant.post(path, &fields).await
        }
    };
    let refused = post(letters, sent(&letter(&closed))).await;
    refused.says(422, "is closed and keeps its taxes");
    assert_eq!(tax::letter_of(db, Some(package), books.day).await.unwrap().0, "B");
    post(letters, sent(&letter(&next.to_string()))).await.says(200, "The letter is set.");
    assert_eq!(tax::letter_of(db, Some(package), books.day).await.unwrap(), ("B".to_owned(), 1600));
    assert_eq!(tax::letter_of(db, Some(package), next).await.unwrap(), ("E".to_owned(), 800));

    let rate = |since: &str, rate: &str| {
        let fields = [("new_letter", "E"), ("name", "VAT 8.5 %"), ("rate", rate), ("rate_since", since)];
        fields.map(|(name, value)| (name, value.to_owned())).to_vec()
    };
    post(rates, rate(&closed, "8.5")).await.says(422, "is closed and keeps its taxes");
    post(rates, rate(&next.to_string(), "850")).await.says(422, "of 0 to 100 percent");
    let done = post(rates, rate(&next.to_string(), "8.5")).await;
    done.says(200, "The rate is set.");
    done.says(200, "VAT 8.5 %");
    assert_eq!(tax::letter_of(db, Some(package), next).await.unwrap(), ("E".to_owned(), 850));
    for (action, count) in [("books.tax_letter", 2), ("books.tax_rate", 1)] {
        assert_eq!(audited(&books.world, action).await.len(), count, "{action}");
    }
}

#[tokio::test]
async fn a_program_closes_a_day_once_and_reads_its_documents() {
    let books = Books::open().await;
    let program = Program::with(&books.world, "ledgers", &["books:read", "books:write"]).await;
    let site = format!("sit_{}", books.market.simple());
    let day = books.day.to_string();
    let body = json!({ "day": day, "site": site });
    let closed = program.post("/books/days/close", body.clone()).await.is(200);
    let number = books.number("MARKE");
    assert_eq!((&closed.json["documents"], &closed.json["is_new"]), (&json!([number]), &json!(true)));
    let again = program.post("/books/days/close", body).await.is(200);
    assert_eq!((&again.json["documents"], &again.json["is_new"]), (&json!([number]), &json!(false)));
    let today = books.day.next_day().unwrap().to_string();
    program.post("/books/days/close", json!({ "day": today, "site": site })).await.refused_as(409, "conflict");
    program.post("/books/days/close", json!({ "day": "2026-02-30" })).await.refused_as(422, "invalid");
    let nowhere = json!({ "day": day, "site": format!("sit_{}", "0".repeat(32)) });
    program.post("/books/days/close", nowhere).await.refused_as(404, "not-found");
    assert_eq!(audited(&books.world, "books.close").await, [("token ledgers".to_owned(), format!("{day} Market"))]);

    let days = program.get(&format!("/books/days?since={day}&until={day}")).await.is(200);
    let [one] = &days.json["data"].as_array().unwrap()[..] else { panic!("{}", days.json) };
    assert_eq!(
        (&one["site"], &one["site_name"], &one["closed_by"]),
        (&json!(site), &json!("Market"), &json!("token ledgers"))
    );
    assert_eq!(one["documents"][0]["sales"], json!({ "amount": 4000, "currency": "KES" }));
    program.get("/books/days?since=2026-02-30").await.refused_as(422, "invalid");
    let document = program.get(&format!("/books/documents/{number}")).await.is(200);
    let sum = |side: &str| {
        document.json["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| entry[side]["amount"].as_i64())
            .sum::<i64>()
    };
    assert_eq!((sum("debit"), sum("credit")), (4552, 4552));
    let tax: i64 = document.json["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line: &Value| line["tax"]["amount"].as_i64())
        .sum();
    assert_eq!(tax, 552);
    program.get("/books/documents/20261122-NOWHE-M").await.refused_as(404, "not-found");
}

#[tokio::test]
async fn the_books_are_looked_at_in_a_browser() {
    let Some(browser) = Browser::open(true).await else { return };
    let books = Books::open().await;
    let world = &books.world;
    day::close(&world.db, Some(books.market), books.day, "test", world.clock.now()).await.unwrap();
    make(world, EMAIL, Role::Owner).await;
    browser.client.set_window_size(1100, 800).await.unwrap();
    by_browser(world, &browser, EMAIL).await;
    for (path, words, name) in [
        (books.page(), "Over and not closed", "books"),
        (books.document("MARKE"), "Sold together", "books-document"),
        ("/admin/books/balance".to_owned(), "Trial balance", "books-balance"),
        ("/admin/books/cash".to_owned(), "Cash with agents", "books-cash"),
        ("/admin/books/taxes".to_owned(), "Set the rate", "books-taxes"),
    ] {
        browser.pictures(&format!("{}{path}", world.portal_url()), words, name).await;
    }
    browser.client.set_window_size(1100, 800).await.unwrap();
    browser.client.goto(&format!("{}{}", world.portal_url(), books.page())).await.unwrap();
    browser.wait_for("Close now").await;
    browser.press("form[action=\"/admin/books/close\"] button").await;
    browser.wait_for("The day is closed, and its documents are made.").await;
    browser.wait_for(&books.number("BEACH")).await;
    browser.close().await;
}
