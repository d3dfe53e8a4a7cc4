//! Lets the month happen, day by day, through the functions that the programs use: orders are placed, payments begun and settled, fees booked,
//! money given back, paper sold, used and undone; several at once, as they come.
//!
//! It judges nothing. What stands in the plan is done at its moment, and a report of some payments comes twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use shared::money::Money;
use shared::phone::Phone;
use shared::time::{OffsetDateTime, Zone};
use shared::voucher::new_code;
use store::Db;
use store::books::cash;
use store::entitlement::Activation;
use store::fee::{self, Charge};
use store::order::{NewOrder, Wish};
use store::package::Package;
use store::refund::mpesa::{Extent, Way};
use store::settlement::{Evidence, Settled, settle};
use store::unmatched::{Matched, Payer, Reference, Told, Trust, match_confirmation};
use store::voucher::{self, Which};
use store::{payment, refund};
use tests::world::World;
use time::{Date, Duration};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::plan::{Fate, Heard, PAPER, PRICES, Plan, Provider, SOLD_AT, Sale};

/// Who does what a person does.
pub(crate) const BY: &str = "amina@example.org";
/// Who sells paper.
const AGENT: &str = "Mama Njeri";
/// Sales that are made at the same time. The store has ten connections, and days are closed meanwhile.
const AT_ONCE: usize = 6;
/// Every other site is by another clock than the provider's.
const ZONES: [&str; 2] = ["Africa/Nairobi", "Africa/Lagos"];
/// Each such payment is reported twice.
const TWICE: u32 = 7;

/// A site with a router.
pub(crate) struct Site {
    pub(crate) id: Uuid,
    router: Uuid,
    zone: Zone,
}

/// Everything that is sold, and where.
pub(crate) struct Shop {
    db: Db,
    pub(crate) plan: Plan,
    /// The first day.
    pub(crate) first: Date,
    pub(crate) sites: Vec<Site>,
    goods: Vec<Package>,
    batch: Uuid,
    /// What each voucher of the batch opens, by its serial.
    opens: Vec<Uuid>,
    /// Payments that are begun and not settled, by the sale's number.
    waiting: Mutex<HashMap<u32, Uuid>>,
}

impl Shop {
    pub(crate) async fn open(world: &World, plan: Plan, first: Date) -> Shop {
        let begins = Zone::default().midnight(first);
        let mut sites = Vec::new();
        for number in 0..plan.size.sites {
            sites.push(site(world, number, begins).await);
        }
        let mut goods = Vec::new();
        for price in PRICES {
            goods.push(world.package(&format!("for-{price}"), |package| package.price = Money::kes(price)).await);
        }
        let paper = world.package("paper", |package| package.price = Money::kes(PAPER)).await;
        let pieces: u32 = plan.paper.iter().map(|paper| paper.sold).sum();
        let codes: Vec<_> = (0..pieces).map(|_| new_code()).collect();
        let whose = voucher::Paper { agent: Some(AGENT), ..voucher::Paper::default() };
        let batch = voucher::print_batch(&world.db, &paper, &whose, &codes, BY, begins).await.unwrap().id;
        let opens = sqlx::query_scalar("SELECT entitlement_id FROM vouchers WHERE batch_id = $1 ORDER BY serial")
            .bind(batch)
            .fetch_all(&world.pool)
            .await
            .unwrap();
        let (db, waiting) = (world.db.clone(), Mutex::default());
        Shop { db, plan, first, sites, goods, batch, opens, waiting }
    }

    /// The date of a day of the month.
    pub(crate) fn date(&self, day: usize) -> Date {
        self.first + Duration::days(i64::try_from(day).unwrap())
    }

    /// A second of a day at a site; without one it is by the clock of East Africa.
    fn moment(&self, site: Option<usize>, day: usize, second: i64) -> OffsetDateTime {
        let midnight = match site {
            Some(site) => self.sites[site].zone.midnight(self.date(day)),
            None => Zone::default().midnight(self.date(day)),
        };
        midnight + Duration::seconds(second)
    }

    /// When the provider collects.
    pub(crate) fn collected_at(&self, sale: &Sale) -> OffsetDateTime {
        self.moment(Some(sale.site), sale.day, sale.second)
    }

    /// When it gives back.
    pub(crate) fn given_back_at(&self, sale: &Sale) -> OffsetDateTime {
        self.booked_at(sale) + Duration::MINUTE
    }

    /// When money comes without an order.
    pub(crate) fn strayed_at(&self, day: usize) -> OffsetDateTime {
        self.moment(None, day, self.plan.strays[day].second)
    }

    /// When we hear of it, and book it.
    fn booked_at(&self, sale: &Sale) -> OffsetDateTime {
        match sale.heard {
            // Those that an outage held up all come in the morning.
            Heard::Late => self.moment(Some(sale.site), sale.written, 60 + i64::from(sale.number % 7_000)),
            Heard::InTime | Heard::WrittenLate => self.collected_at(sale),
        }
    }

    /// All that happens on a day.
    pub(crate) async fn day(self: &Arc<Shop>, day: usize) {
        let of_day = |sale: &&Sale| sale.day == day || sale.written == day;
        let numbers: Arc<Vec<u32>> = Arc::new(self.plan.sales.iter().filter(of_day).map(|sale| sale.number).collect());
        let next = Arc::new(AtomicUsize::new(0));
        let mut crowd = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (shop, numbers, next) = (Arc::clone(self), Arc::clone(&numbers), Arc::clone(&next));
            crowd.spawn(async move {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    shop.serve(*number, day).await;
                }
            });
        }
        self.paper(day).await;
        self.stray(day).await;
        while let Some(served) = crowd.join_next().await {
            served.unwrap();
        }
    }

    async fn serve(&self, number: u32, day: usize) {
        let sale = &self.plan.sales[usize::try_from(number).unwrap()];
        if sale.day == day {
            let payment = self.begin(sale).await;
            self.waiting.lock().unwrap().insert(number, payment);
        }
        if sale.written == day {
            let payment = self.waiting.lock().unwrap().remove(&number).unwrap();
            self.settle(sale, payment).await;
        }
    }

    /// Places the order, and begins its payment.
    async fn begin(&self, sale: &Sale) -> Uuid {
        let (when, package) = (self.collected_at(sale), &self.goods[sale.goods]);
        let (phone, visit): (Phone, _) = (format!("0712{:06}", sale.number).parse().unwrap(), json!({}));
        let new = NewOrder {
            phone: &phone,
            package,
            nas_id: Some(self.sites[sale.site].router),
            mac: None,
            visit: &visit,
            wish: Wish::New,
            site: None,
            code: None,
            language: Default::default(),
        };
        let order = shared::rng::id(when);
        assert!(store::order::place_once(&self.db, order, &new, when).await.unwrap());
        // Nobody asks a provider that is not there.
        let never = when + Duration::days(400);
        payment::begin(&self.db, order, sale.provider.word(), when, never).await.unwrap()
    }

    /// What follows from the provider's report.
    async fn settle(&self, sale: &Sale, payment: Uuid) {
        let (when, amount) = (self.booked_at(sale), Money::kes(sale.amount()));
        let evidence = Evidence { receipt: Some(sale.receipt()), amount: Some(amount), charge: None };
        let settled = settle(&self.db, payment, &evidence, when).await.unwrap();
        match sale.fate {
            Fate::Another => assert_eq!(settled, Settled::RefundDue),
            Fate::Paid | Fate::GivenBack => assert!(matches!(settled, Settled::Granted { .. }), "{settled:?}"),
        }
        if sale.number.is_multiple_of(TWICE) {
            let again = settle(&self.db, payment, &evidence, when).await.unwrap();
            assert_eq!(again, Settled::Already);
        }
        if sale.fee() > 0 {
            let due = fee::Due { payment, receipt: sale.receipt(), has_refunds: false, has_charge: true, attempts: 0 };
            let charge = Charge { line: sale.balance_line(), fee: Money::kes(sale.fee()) };
            assert_eq!(fee::book(&self.db, &due, &[charge], true, when).await.unwrap(), 1);
        }
        if sale.fate == Fate::GivenBack {
            self.give_back(sale, payment).await;
        }
    }

    async fn give_back(&self, sale: &Sale, payment: Uuid) {
        let (when, reversal) = (self.given_back_at(sale), sale.reversal());
        match sale.provider {
            Provider::Mpesa => {
                let way = Way::Hand { proof: &reversal };
                let wish = refund::mpesa::Wish { way, extent: Extent::All, by: BY, from: None };
                assert!(refund::mpesa::give_back(&self.db, payment, &wish, when).await.unwrap().is_new);
            }
            Provider::Stripe => {
                let asked = refund::ask(&self.db, payment, BY, when).await.unwrap();
                assert!(refund::done(&self.db, asked.id, Some(&reversal), when).await.unwrap());
            }
        }
    }

    /// Paper is sold, used, undone and paid for; what was sold the day before is used too.
    async fn paper(&self, day: usize) {
        let (paper, at) = (self.plan.paper[day], |hours: i64| self.moment(None, day, SOLD_AT + hours * 3600));
        let serials = |first: u32, last: u32| Which::Serials { batch: self.batch, first, last };
        if let Some(before) = day.checked_sub(1).map(|before| self.plan.paper[before]) {
            let first = before.first + before.used;
            self.redeem(first..first + before.used_next, at(-1)).await;
        }
        let sold = serials(paper.first, paper.first + paper.sold - 1);
        assert_eq!(voucher::sell(&self.db, sold, BY, at(0)).await.unwrap(), u64::from(paper.sold));
        self.redeem(paper.first..paper.first + paper.used, at(1)).await;
        let undone = serials(paper.undone(), paper.undone());
        assert_eq!(voucher::void(&self.db, undone, "torn", BY, at(2)).await.unwrap(), 1);
        cash::hand_over(&self.db, AGENT, Money::kes(paper.handed_over), "", BY, at(3)).await.unwrap();
    }

    async fn redeem(&self, serials: std::ops::Range<u32>, at: OffsetDateTime) {
        for serial in serials {
            let entitlement = self.opens[usize::try_from(serial - 1).unwrap()];
            let login = Activation { entitlement, nas: None, mac: None, replaces: None, spent: None, at };
            store::entitlement::activate(&self.db, &[login]).await.unwrap();
        }
    }

    /// Money comes of which nobody knows what it is for; it is told of twice.
    async fn stray(&self, day: usize) {
        let (stray, at) = (&self.plan.strays[day], self.strayed_at(day));
        let told = Told {
            receipt: stray.receipt.clone(),
            amount: Money::kes(stray.amount),
            payer_name: String::new(),
            payer_number: String::new(),
            payer: Payer::Hidden,
            typed: "wifi".into(),
            reference: Reference::Other,
            paid_at: Some(at),
        };
        for expected in [Matched::Unmatched, Matched::Known] {
            let matched = match_confirmation(&self.db, &told, Trust::Reported, None, at).await.unwrap();
            assert_eq!(matched, expected);
        }
    }
}

async fn site(world: &World, number: usize, begins: OffsetDateTime) -> Site {
    let zone = ZONES[number % ZONES.len()];
    let id = store::site::ensure(&world.db, shared::rng::id(begins), &format!("Site {number}"), begins).await.unwrap();
    sqlx::query("UPDATE sites SET time_zone = $2 WHERE id = $1")
        .bind(id)
        .bind(zone)
        .execute(&world.pool)
        .await
        .unwrap();
    let address = tests::world::at([10, 9, 0, u8::try_from(number + 1).unwrap()]);
    let settings = store::nas::Settings { site_id: Some(id), ..address };
    let router = world.register(&format!("router-{number}"), b"secret", settings).await;
    Site { id, router, zone: Zone::named(zone).unwrap() }
}
