//! A place with something of everything in it, and a browser that does nothing by itself: it keeps no cookie and follows nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use shared::staff::Role;
use store::accounting::{self, Report};
use tests::daraja::Daraja;
use tests::sms::SmsSim;
use tests::world::{World, at, eventually, first_report};
use uuid::Uuid;

use crate::html::{self, Form, Page};
use crate::operator::{self, Operator};

/// Where the router's login page would be.
pub(crate) const LOGIN: &str = "http://10.5.50.1/login";
/// Pages that a walk looks at, at most.
const PAGES_MAX: usize = 400;
/// And of one page with how many queries.
const VARIANTS_MAX: u32 = 4;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(crate) fn leads_to(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The cookies that it sets, each with its flags.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// The value of one of them.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let start = format!("{name}=");
        self.cookies().iter().find_map(|cookie| Some(cookie.strip_prefix(&start)?.split(';').next()?.to_owned()))
    }

    pub(crate) fn is_html(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    /// The page, read strictly.
    pub(crate) fn page(&self) -> Page {
        html::read(&self.text).unwrap_or_else(|problem| panic!("{problem}\n{}", self.text))
    }

    /// The form that goes to an address that ends so.
    pub(crate) fn form(&self, action: &str) -> Form {
        let forms = self.page().forms();
        let found = forms.into_iter().find(|form| form.action.ends_with(action));
        found.unwrap_or_else(|| panic!("no form to {action}: {}", self.text))
    }

    /// The sealed visit that its forms carry.
    pub(crate) fn visit(&self) -> String {
        let visits = self.page().forms().into_iter().flat_map(|form| form.fields);
        let mut visits = visits.filter(|(name, _)| name == "visit").map(|(_, value)| value);
        visits.next().unwrap_or_else(|| panic!("no visit: {}", self.text))
    }
}

/// The browser.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) client: Client,
    pub(crate) portal: String,
}

impl Web {
    pub(crate) fn of(world: &World) -> Web {
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Web { client, portal: world.portal_url() }
    }

    pub(crate) fn request(&self, method: Method, path: &str, cookie: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.portal));
        if cookie.is_empty() { request } else { request.header(COOKIE, cookie) }
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, cookie)).await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, fields: &[(String, String)]) -> Answer {
        Answer::of(self.request(Method::POST, path, cookie).form(fields)).await
    }

    /// The same with fields as they stand in a test.
    pub(crate) async fn send(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.request(Method::POST, path, cookie).form(fields)).await
    }

    /// Reads every page that links from `starts` lead to and whose path begins so.
    pub(crate) async fn walk(&self, starts: &[&str], within: &[&str], cookie: &str) -> BTreeMap<String, Answer> {
        let mut waiting: VecDeque<String> = starts.iter().map(|path| (*path).to_owned()).collect();
        let mut known: BTreeSet<String> = waiting.iter().cloned().collect();
        let (mut pages, mut variants) = (BTreeMap::new(), BTreeMap::<String, u32>::new());
        while let Some(path) = waiting.pop_front() {
            assert!(pages.len() < PAGES_MAX, "there is no end of pages: {path}");
            let answer = self.get(&path, cookie).await;
            if answer.is_html() {
                for link in answer.page().links() {
                    let link = link.replace(&self.portal, "");
                    let link = link.split('#').next().unwrap_or_default().to_owned();
                    if !within.iter().any(|start| link.starts_with(start)) || !known.insert(link.clone()) {
                        continue;
                    }
                    // Sorted and cut in every way, a list has no end of addresses.
                    let (path, query) = link.split_once('?').unwrap_or((link.as_str(), ""));
                    let seen = variants.entry(path.to_owned()).or_insert(0);
                    *seen += u32::from(!query.is_empty());
                    if query.is_empty() || *seen <= VARIANTS_MAX {
                        waiting.push_back(link);
                    }
                }
            }
            pages.insert(path, answer);
        }
        pages
    }
}

/// The address to which a router's login page sends a guest.
pub(crate) fn arrival(mac: &str) -> String {
    format!("/h?mac={mac}&identity=cafe&link-login-only={LOGIN}&link-orig=http%3A%2F%2Fexample.com%2F")
}

/// Something of everything, and a portal before it.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) sms: Arc<SmsSim>,
    pub(crate) daraja: Arc<Daraja>,
    pub(crate) web: Web,
    pub(crate) nas: Uuid,
    pub(crate) site: Uuid,
    /// The number of a batch of vouchers.
    pub(crate) batch: u32,
    /// Its codes.
    pub(crate) codes: Vec<String>,
}

impl Stage {
    pub(crate) async fn open() -> Stage {
        Stage::open_with(|_| {}).await
    }

    /// The same with something done to the world before the portal starts.
    pub(crate) async fn open_with(prepare: impl FnOnce(&World)) -> Stage {
        let mut world = World::new().await;
        let sms = world.sms().await;
        let daraja = world.daraja().await;
        let now = world.clock.now();
        let site = store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
        let hosts = ["10.5.50.1".to_owned()];
        let settings = store::nas::Settings {
            site_id: Some(site),
            identifier: Some("cafe"),
            hotspot_hosts: Some(&hosts),
            ..at([10, 9, 0, 1])
        };
        let nas = world.register("cafe", b"between us", settings).await;
        let package = world.package("one-hour", |package| package.rules.device_limit = 3).await;
        let codes: Vec<shared::voucher::Code> = (0..3).map(|_| shared::voucher::new_code()).collect();
        let paper = store::voucher::Paper { agent: Some("Mama Njeri"), label: "market", redeem_before: None };
        let printed = store::voucher::print_batch(&world.db, &package, &paper, &codes, "test", now).await.unwrap();
        let report = Report { user_name: "guest-1".into(), ..first_report(nas, now) };
        accounting::record(&world.db, &[report], now).await.unwrap();
        prepare(&world);
        world.start_portal().await;
        let web = Web::of(&world);
        let codes = codes.iter().map(shared::voucher::printed).collect();
        Stage { world, sms, daraja, web, nas, site, batch: printed.number, codes }
    }

    /// A member of staff of this role, signed in.
    pub(crate) async fn staff(&self, email: &str, role: Role) -> Operator {
        Operator::sign_in_as(&self.world, email, role).await
    }

    /// The packages, for a device.
    pub(crate) async fn packages(&self, mac: &str) -> Answer {
        let page = self.web.get(&arrival(mac), "").await;
        assert_eq!(page.status, 200, "{page:?}");
        page
    }

    /// Buys an hour and waits until it is paid. Returns the path of the order's page.
    pub(crate) async fn buy(&self, mac: &str, phone: &str) -> String {
        let visit = self.packages(mac).await.visit();
        let fields = [("visit", visit.as_str()), ("package", "one-hour"), ("phone", phone)];
        let order = self.web.send("/buy", "", &fields).await.leads_to().to_owned();
        assert!(order.starts_with("/o/"), "{order}");
        eventually("the order is paid", || async {
            let news = self.web.get(&format!("{order}/state"), "").await;
            news.text.contains("\"go_online\"").then_some(())
        })
        .await;
        order
    }

    /// The same, and signs in by that payment. Returns the order's page, and the cookie.
    pub(crate) async fn customer(&self, mac: &str, phone: &str) -> Customer {
        let order = self.buy(mac, phone).await;
        let account = self.web.send(&format!("{order}/account"), "", &[]).await;
        let session = account.cookie("mlango-customer").unwrap_or_else(|| panic!("{account:?}"));
        Customer { order, cookie: format!("mlango-customer={session}"), account }
    }

    /// What stands in the database, a line a table. What beats by itself is left out.
    pub(crate) async fn contents(&self) -> BTreeMap<String, String> {
        let tables = "SELECT table_name::text FROM information_schema.tables
                      WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&self.world.pool).await.unwrap();
        let mut contents = BTreeMap::new();
        for table in tables.into_iter().filter(|table| !BEATS.contains(&table.as_str())) {
            let sum =
                format!("SELECT coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM \"{table}\" t");
            let sum = sqlx::query_scalar(sqlx::AssertSqlSafe(sum)).fetch_one(&self.world.pool).await.unwrap();
            contents.insert(table, sum);
        }
        assert!(contents.len() > 30, "{contents:?}");
        contents
    }

    /// The same when what was begun has come to its end.
    pub(crate) async fn at_rest(&self) -> BTreeMap<String, String> {
        eventually("nothing changes any more", || async {
            let waits = "SELECT count(*) FROM notifications WHERE state = 'pending'";
            let waits: i64 = sqlx::query_scalar(waits).fetch_one(&self.world.pool).await.unwrap();
            let before = self.contents().await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            (waits == 0 && before == self.contents().await).then_some(before)
        })
        .await
    }
}

/// Tables that change by themselves: with the clock, or as sums of what has changed.
const BEATS: [&str; 19] = [
    "alert_samples",
    "backup_pulse",
    "key_holders",
    "directory_changes",
    "nas_hourly",
    "site_hourly",
    "use_daily",
    "refusals_hourly",
    "payments_hourly",
    "payment_results_hourly",
    "endings_daily",
    "customer_monthly",
    "cohorts_monthly",
    "package_daily",
    "facts_dirty",
    "facts_mark",
    "prediction_runs",
    "prediction_findings",
    "purchase_runs",
];

/// A customer who has bought and is signed in.
pub(crate) struct Customer {
    pub(crate) order: String,
    pub(crate) cookie: String,
    /// The first page of theirs.
    pub(crate) account: Answer,
}

/// Pairs as a request takes them.
pub(crate) fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The routes of the desk as they are written down: the group, the method, the path.
pub(crate) fn desk_routes() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = include_str!("../../portal/src/admin/routes.txt").lines();
    lines
        .map(|line| {
            let [group, method, path] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            (group, method, path)
        })
        .collect()
}

/// The secret of a session's forms.
pub(crate) async fn secret(web: &Web, somebody: &Operator) -> String {
    operator::hidden(&web.get("/admin/me/second-factor", &somebody.cookie).await.text, "csrf")
}
