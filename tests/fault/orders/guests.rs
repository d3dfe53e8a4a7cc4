//! Guests who buy: each is a device behind a router, with a browser that is sent to either portal and tries again when
//! nothing is answered.
//!
//! They do what people do: take another package before the last one is settled, tap twice, look at the order's page for a
//! while, try a failed payment again, go online, or lose patience. They judge nothing; whatever they have ordered is written
//! down in the [`Street`], where the books are held against it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use shared::token::{self, Purpose};
use store::Db;
use store::package::Package;
use tests::daraja::{Daraja, Outcome};
use tests::dice::Dice;
use tests::nas::{Mac, Nas};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// What one guest buys. A device may send the form twenty times in an hour, repetitions included.
pub(crate) const ORDERS_EACH: usize = 4;
/// A browser gives an answer up after this. Longer than a portal waits for M-Pesa.
const BROWSER_WAITS: Duration = Duration::from_secs(10);
/// How long a guest goes on knocking. Portals that were killed are back long before.
const KNOCKS_FOR: Duration = Duration::from_secs(60);
/// Between two knocks, and between two looks at a page.
const BREATH: Duration = Duration::from_millis(300);
/// Last digits of the customers' numbers, by which M-Pesa's simulator tells how they pay: half of them as they should.
const ENDINGS: &[u8; 20] = b"00000000001234567789";

/// Everything that guests share, and what they have done.
pub(crate) struct Street {
    pub(crate) client: reqwest::Client,
    pub(crate) portals: [String; 2],
    pub(crate) routers: Vec<Nas>,
    pub(crate) goods: Vec<Package>,
    pub(crate) daraja: Arc<Daraja>,
    pub(crate) db: Db,
    /// How many orders are placed.
    pub(crate) orders: usize,
    pub(crate) seed: u64,
    placed: Mutex<Vec<Placed>>,
    count: watch::Sender<usize>,
}

/// An order that a guest has placed.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) id: Uuid,
    /// The path of its page.
    pub(crate) page: String,
    /// The device.
    pub(crate) mac: Mac,
    /// The router that it stands behind.
    pub(crate) router: usize,
    /// Who pays.
    pub(crate) phone: Phone,
}

/// A customer's number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Phone {
    /// As it is typed.
    pub(crate) typed: String,
    /// As M-Pesa spells it.
    pub(crate) msisdn: String,
}

impl Phone {
    /// The number of a person; the last digit says how the person pays.
    pub(crate) fn new(person: u64, ending: char) -> Phone {
        Phone { typed: format!("071{person:06}{ending}"), msisdn: format!("25471{person:06}{ending}") }
    }
}

impl Street {
    pub(crate) fn new(
        portals: [String; 2],
        routers: Vec<Nas>,
        goods: Vec<Package>,
        (daraja, db): (Arc<Daraja>, Db),
        (orders, seed): (usize, u64),
    ) -> Street {
        let client = reqwest::Client::builder().timeout(BROWSER_WAITS).no_proxy().build().unwrap();
        let (placed, count) = (Mutex::new(Vec::new()), watch::Sender::new(0));
        Street { client, portals, routers, goods, daraja, db, orders, seed, placed, count }
    }

    /// How many orders were placed so far.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// All that was placed so far.
    pub(crate) fn placed(&self) -> Vec<Placed> {
        self.placed.lock().unwrap().clone()
    }
}

/// Lets all guests come, so many at once, and returns when the last one has gone.
pub(crate) async fn come(street: Arc<Street>, at_once: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for _ in 0..at_once {
        let (street, next) = (Arc::clone(&street), Arc::clone(&next));
        crowd.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number * ORDERS_EACH >= street.orders {
                    return;
                }
                Guest::new(&street, number).live().await;
            }
        });
    }
    while let Some(gone) = crowd.join_next().await {
        gone.unwrap();
    }
}

/// What a portal has answered, redirects followed.
struct Answer {
    status: u16,
    path: String,
    text: String,
}

impl Answer {
    /// The sealed visit in the page's form.
    fn visit(&self) -> String {
        let value = self.text.split("name=\"visit\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("{} is no page of packages: {}", self.path, self.text)).to_owned()
    }
}

/// One guest.
pub(crate) struct Guest<'a> {
    street: &'a Street,
    number: usize,
    mac: Mac,
}

impl<'a> Guest<'a> {
    pub(crate) fn new(street: &'a Street, number: usize) -> Guest<'a> {
        Guest { street, number, mac: Mac::phone(u32::try_from(number).unwrap() + 1) }
    }

    /// Buys one package after the other, each from another number.
    async fn live(&self) {
        let seed = self.street.seed ^ ((self.number as u64 + 1) << 8);
        // What is bought follows from the seed alone; how long a guest is patient depends on what is seen.
        let (mut choice, mut mood) = (Dice::seeded(seed), Dice::seeded(!seed));
        let visit = self.arrive().await;
        let mut phones: Vec<Phone> = Vec::new();
        while phones.len() < ORDERS_EACH {
            let phone = self.somebody(&mut choice);
            // The same number for the same package would be the same wish while it waits, and not another order.
            if phones.contains(&phone) {
                continue;
            }
            phones.push(phone.clone());
            let placed = self.buy(&mut choice, &visit, phone).await;
            self.watch(&mut mood, &placed).await;
        }
    }

    /// Whose phone pays: people are fewer than orders, so that some pay more than once.
    fn somebody(&self, dice: &mut Dice) -> Phone {
        let people = (self.street.orders as u64 / 3).max(20);
        let ending = ENDINGS[usize::try_from(dice.between(0, 19)).unwrap()];
        Phone::new(dice.between(0, people - 1), char::from(ending))
    }

    /// Comes from the router's login page. Returns the visit.
    pub(crate) async fn arrive(&self) -> String {
        let router = &self.street.routers[self.router()];
        let query = [
            ("mac", self.mac.to_string()),
            ("ip", "10.5.50.9".to_owned()),
            ("identity", format!("cafe-{}", self.router())),
            ("link-login-only", format!("{}/login", router.url().trim_end_matches('/'))),
            ("link-orig", String::new()),
        ];
        let arrive = |portal: &str| self.street.client.get(format!("{portal}/h")).query(&query);
        self.send(self.number, arrive).await.visit()
    }

    fn router(&self) -> usize {
        self.number % self.street.routers.len()
    }

    /// Chooses a package, types a number and pays; some tap twice.
    pub(crate) async fn buy(&self, dice: &mut Dice, visit: &str, phone: Phone) -> Placed {
        let client = &self.street.client;
        let last = self.street.goods.len() as u64 - 1;
        let package = &self.street.goods[usize::try_from(dice.between(0, last)).unwrap()];
        let first = usize::try_from(dice.between(0, 1)).unwrap();
        let when = if dice.chance(50) { "now" } else { "after" };
        let open = |portal: &str| client.get(format!("{portal}/packages")).query(&[("visit", visit)]);
        let page = self.send(first, open).await;
        let form = [
            ("visit", page.visit()),
            ("package", format!("{}:{}", package.slug, package.price.minor)),
            ("phone", phone.typed.clone()),
            ("when", when.to_owned()),
        ];
        let pay = |portal: &str| client.post(format!("{portal}/buy")).form(&form);
        let answer = if dice.chance(10) {
            let (one, other) = tokio::join!(self.send(0, pay), self.send(1, pay));
            assert_eq!(one.path, other.path, "a form that is sent twice is one order");
            one
        } else {
            self.send(first, pay).await
        };
        self.write_down(&answer, phone)
    }

    fn write_down(&self, answer: &Answer, phone: Phone) -> Placed {
        let token = answer.path.strip_prefix("/o/").filter(|_| answer.status == 200);
        let id = token.and_then(|token| token::verify(self.street.db.seal(), Purpose::OrderPage, token));
        let id = id.unwrap_or_else(|| panic!("no order: {} {} {}", answer.status, answer.path, answer.text));
        let placed = Placed { id, page: answer.path.clone(), mac: self.mac, router: self.router(), phone };
        self.street.placed.lock().unwrap().push(placed.clone());
        self.street.count.send_modify(|count| *count += 1);
        placed
    }

    /// Looks at the order's page until something comes of it, or patience ends.
    async fn watch(&self, dice: &mut Dice, placed: &Placed) {
        for _ in 0..dice.between(4, 14) {
            tokio::time::sleep(BREATH).await;
            let portal = &self.street.portals[usize::try_from(dice.between(0, 1)).unwrap()];
            match self.stage(portal, placed).await.as_deref() {
                Some("failed" | "stranded") if dice.chance(60) => self.try_again(dice, placed).await,
                Some("go_online") if dice.chance(50) => {
                    // radiusd may be away just now: then the guest comes back another time.
                    drop(self.street.routers[placed.router].login_mac(self.mac).await);
                    return;
                }
                Some("failed" | "stranded" | "go_online" | "online" | "ended" | "refund_due") => return,
                _ => {}
            }
        }
    }

    /// What the order's page is about, if it is answered.
    async fn stage(&self, portal: &str, placed: &Placed) -> Option<String> {
        let answer = self.street.client.get(format!("{portal}{}/state", placed.page)).send().await.ok()?;
        let news: serde_json::Value = answer.json().await.ok()?;
        news["stage"].as_str().map(str::to_owned)
    }

    /// Has the phone asked once more, and mostly types the right PIN this time.
    async fn try_again(&self, dice: &mut Dice, placed: &Placed) {
        if dice.chance(70) {
            self.street.daraja.tell(&placed.phone.msisdn, Outcome::Paid);
        }
        let again = |portal: &str| self.street.client.post(format!("{portal}{}/again", placed.page));
        if dice.chance(20) {
            tokio::join!(self.send(0, again), self.send(1, again));
        } else {
            self.send(self.number, again).await;
        }
    }

    /// Sends a request to one portal, then to the other, until one of them answers with more than an error of its own.
    async fn send(&self, first: usize, make: impl Fn(&str) -> RequestBuilder) -> Answer {
        let begun = Instant::now();
        let mut portal = first % 2;
        loop {
            if let Some(answer) = heard(make(&self.street.portals[portal]), self.address()).await {
                return answer;
            }
            assert!(begun.elapsed() < KNOCKS_FOR, "no portal answers");
            tokio::time::sleep(BREATH).await;
            portal = 1 - portal;
        }
    }

    /// The guest's own address, as a proxy in front of the portals would tell it: one address may not buy so often.
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + u32::try_from(self.number).unwrap())
    }
}

async fn heard(request: RequestBuilder, from: Ipv4Addr) -> Option<Answer> {
    let answer = request.header("x-forwarded-for", from.to_string()).send().await.ok()?;
    if answer.status().is_server_error() {
        return None;
    }
    let (status, path) = (answer.status().as_u16(), answer.url().path().to_owned());
    Some(Answer { status, path, text: answer.text().await.ok()? })
}
