//! The books, held against what M-Pesa has really collected.
//!
//! [`Books::read`] takes both as they are; [`Books::problems`] says of each order what is not as it must be, or not yet; and
//! [`settle`] gives the programs two minutes, then prints the whole story of what is still wrong.
//!
//! The rule for a payment is [`standing`]'s; beside it, each sale is of one grant, whatever was not collected grants nothing, and a
//! receipt that was told is known.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use tests::daraja::standing::{self, End, Standing};
use tests::daraja::{Says, Transaction};
use tests::world::World;
use time::OffsetDateTime;
use uuid::Uuid;

use super::forger::payment_of;
use super::guests::Street;

/// After the last order everything is at its end within this.
const TWO_MINUTES: Duration = Duration::from_secs(120);
/// Between two looks, each of which reads everything.
const LOOK: Duration = Duration::from_millis(500);
/// Stories that are printed at most.
const STORIES: usize = 5;

/// The states in which an order, or a payment, waits.
const WAITING: [&str; 4] = ["created", "prompted", "unknown", "confirming"];

#[derive(Debug, FromRow)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    code: String,
    pub(crate) state: String,
}

#[derive(Debug, FromRow)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) state: String,
    amount_minor: i64,
    pub(crate) checkout_request_id: Option<String>,
    receipt: Option<String>,
    is_looked_at_again: bool,
}

/// A report as it was stored.
#[derive(Debug, FromRow)]
pub(crate) struct Stored {
    pub(crate) payment_id: Uuid,
    pub(crate) body: String,
    pub(crate) outcome: Option<String>,
}

/// What one payment has on each account, minor units.
#[derive(Debug, FromRow)]
struct Booked {
    payment_id: Uuid,
    mpesa: Option<i64>,
    sales: Option<i64>,
    refunds_due: Option<i64>,
}

impl Booked {
    fn together(&self) -> standing::Booked {
        standing::Booked { received: self.mpesa.unwrap_or(0), sales: self.sales, owed: self.refunds_due }
    }
}

/// Everything at one moment.
pub(crate) struct Books {
    now: OffsetDateTime,
    pub(crate) orders: Vec<Order>,
    /// By order, the oldest first.
    payments: HashMap<Uuid, Vec<Payment>>,
    /// By payment.
    reports: HashMap<Uuid, Vec<Stored>>,
    /// By payment.
    booked: HashMap<Uuid, Booked>,
    /// By order.
    granted: HashMap<Uuid, i64>,
    /// By payment, as M-Pesa knows it.
    pushed: HashMap<Uuid, Vec<Transaction>>,
}

impl Books {
    pub(crate) async fn read(world: &World, street: &Street) -> Books {
        // M-Pesa first: what is decided meanwhile is looked at the next time.
        let now = OffsetDateTime::now_utc();
        let pushed = street.daraja.transactions();
        let orders: Vec<Order> = all(world, "SELECT id, code, state FROM orders ORDER BY created_at, id").await;
        let payments: Vec<Payment> = all(
            world,
            "SELECT id, order_id, state, amount_minor, checkout_request_id, receipt, next_check_at IS NOT NULL AS is_looked_at_again
             FROM payments ORDER BY created_at, id",
        )
        .await;
        let reports: Vec<Stored> = all(
            world,
            "SELECT payment_id, convert_from(body, 'UTF8') AS body, outcome FROM payment_events
             WHERE payment_id IS NOT NULL ORDER BY received_at, id",
        )
        .await;
        let booked: Vec<Booked> = all(
            world,
            "SELECT substr(t.key, length('payment:') + 1)::uuid AS payment_id,
                    (sum(e.amount_minor) FILTER (WHERE a.code = 'mpesa'))::bigint AS mpesa,
                    (sum(e.amount_minor) FILTER (WHERE a.code = 'sales'))::bigint AS sales,
                    (sum(e.amount_minor) FILTER (WHERE a.code = 'refunds_due'))::bigint AS refunds_due
             FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                  JOIN ledger_accounts a ON a.id = e.account_id WHERE t.key LIKE 'payment:%' GROUP BY t.id, t.key",
        )
        .await;
        let granted: Vec<(Uuid, i64)> = all(
            world,
            "SELECT order_id, count(*) FROM (
                 SELECT order_id FROM entitlements UNION ALL SELECT order_id FROM entitlement_changes) g
             WHERE order_id IS NOT NULL GROUP BY order_id",
        )
        .await;
        Books {
            now,
            orders,
            payments: by(payments, |payment| payment.order_id),
            reports: by(reports, |report| report.payment_id),
            booked: booked.into_iter().map(|booked| (booked.payment_id, booked)).collect(),
            granted: granted.into_iter().collect(),
            pushed: by(pushed, |pushed| payment_of(street, pushed)),
        }
    }

    /// What is not as it must be, or not yet, with the order that it is about.
    pub(crate) fn problems(&self) -> Vec<(Uuid, String)> {
        self.orders.iter().filter_map(|order| Some((order.id, self.problem(order)?))).collect()
    }

    fn problem(&self, order: &Order) -> Option<String> {
        let payments = self.payments_of(order.id);
        let mut ends = Vec::new();
        for payment in payments {
            match self.end_of(payment) {
                Ok(end) => ends.push(end),
                Err(problem) => return Some(format!("payment {} ({}): {problem}", payment.id, payment.state)),
            }
        }
        let count = |end| ends.iter().filter(|&&other| other == end).count();
        let (sold, owed, waits) = (count(End::Sold), count(End::Owed), count(End::Waits));
        let grants = self.granted.get(&order.id).copied().unwrap_or(0);
        if sold > 1 || usize::try_from(grants).ok() != Some(sold) {
            return Some(format!("{grants} grants for {sold} sales"));
        }
        let is_right = match order.state.as_str() {
            "paid" => sold == 1,
            // What was asked for and came is owed only where something was sold already.
            "refund_due" => sold == 0 && owed > 0 && payments.iter().any(|payment| self.is_another_amount(payment)),
            "failed" => sold + owed == 0,
            // Never asked for; its page offers to begin.
            "created" if payments.is_empty() => true,
            state => WAITING.contains(&state) && sold + owed == 0 && waits > 0,
        };
        (!is_right).then(|| format!("the order is {}, its payments are {ends:?}", order.state))
    }

    fn end_of(&self, payment: &Payment) -> Result<End, String> {
        let pushed = self.pushed_of(payment);
        let open = self.reports_of(payment).iter().filter(|report| report.outcome.is_none()).count();
        let stands = Standing {
            state: &payment.state,
            amount_minor: payment.amount_minor,
            is_known: payment.checkout_request_id.is_some(),
            is_looked_at_again: payment.is_looked_at_again,
            open_reports: i64::try_from(open).unwrap(),
            booked: self.booked.get(&payment.id).map(Booked::together),
        };
        let end = stands.end(pushed, self.now)?;
        match end {
            // What was never told is told by `settle`.
            End::Unbooked(shillings) => return Err(standing::unbooked(shillings)),
            End::Sold | End::Owed => check_receipt(payment, pushed)?,
            End::Nothing | End::Waits => {}
        }
        Ok(end)
    }

    /// Whether M-Pesa has collected something for it that was not asked for.
    fn is_another_amount(&self, payment: &Payment) -> bool {
        self.pushed_of(payment).iter().any(|pushed| pushed.outcome.is_paid() && pushed.collected != pushed.amount)
    }

    /// What M-Pesa has collected and never told: neither a reference nor a true report came. Nobody can know of it.
    fn untold(&self) -> Vec<(&Payment, &Transaction)> {
        let is_untold = |payment: &Payment, pushed: &Transaction| {
            let reference = format!("\"{}\"", pushed.checkout_request_id);
            // Until it is `unknown`, the answer may still be on its way; and its reports, until all were sent.
            payment.checkout_request_id.is_none()
                && pushed.told.len() >= pushed.fate.reports.len()
                && matches!(payment.state.as_str(), "unknown" | "failed")
                && pushed.collected_by(self.now).is_some()
                && !self.reports_of(payment).iter().any(|report| report.body.contains(&reference))
        };
        let each = self.payments().filter_map(|payment| Some((payment, self.pushed_of(payment).first()?)));
        each.filter(|(payment, pushed)| is_untold(payment, pushed)).collect()
    }

    /// Shillings that M-Pesa has collected, in how many payments.
    pub(crate) fn collected(&self) -> (u64, usize) {
        let each = self.pushed.values().flatten().filter_map(|pushed| pushed.collected_by(self.now));
        each.fold((0, 0), |(sum, count), shillings| (sum + shillings, count + 1))
    }

    /// Minor units that are booked beyond what was collected: a query names no amount, so the price is booked where it was
    /// settled by a query, and a report that names another amount comes too late. With how many payments.
    pub(crate) fn told_too_late(&self) -> (i64, usize) {
        let beyond = self.payments().filter_map(|payment| {
            let collected = minor(self.pushed_of(payment).first()?.collected_by(self.now)?);
            Some(self.booked.get(&payment.id)?.mpesa? - collected).filter(|beyond| *beyond != 0)
        });
        beyond.fold((0, 0), |(sum, count), beyond| (sum + beyond, count + 1))
    }

    pub(crate) fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values().flatten()
    }

    pub(crate) fn payments_of(&self, order: Uuid) -> &[Payment] {
        self.payments.get(&order).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn pushed_of(&self, payment: &Payment) -> &[Transaction] {
        self.pushed.get(&payment.id).map(Vec::as_slice).unwrap_or_default()
    }

    fn reports_of(&self, payment: &Payment) -> &[Stored] {
        self.reports.get(&payment.id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The stored reports that hold these words.
    pub(crate) fn reports_with<'a>(&'a self, words: &'a str) -> impl Iterator<Item = &'a Stored> {
        self.reports.values().flatten().filter(move |report| report.body.contains(words))
    }

    /// Everything that is known of an order, from both sides.
    async fn story(&self, world: &World, street: &Street, order: Uuid, problem: &str) -> String {
        let mut story = format!("\n=== order {order}: {problem}\n");
        for (title, sql) in [
            ("order", "SELECT (to_jsonb(o) - 'visit' - 'package')::text FROM orders o WHERE id = $1"),
            ("payment", "SELECT to_jsonb(p)::text FROM payments p WHERE order_id = $1 ORDER BY created_at"),
            (
                "report",
                "SELECT (to_jsonb(e) - 'headers' || jsonb_build_object('body', convert_from(e.body, 'UTF8')))::text
                 FROM payment_events e JOIN payments p ON p.id = e.payment_id WHERE p.order_id = $1 ORDER BY e.received_at",
            ),
            (
                "booked",
                "SELECT (to_jsonb(t) || jsonb_build_object('account', a.code, 'minor', e.amount_minor))::text
                 FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                      JOIN ledger_accounts a ON a.id = e.account_id WHERE t.order_id = $1 ORDER BY t.posted_at",
            ),
            ("granted", "SELECT to_jsonb(e)::text FROM entitlements e WHERE order_id = $1"),
            ("changed", "SELECT (to_jsonb(c) - 'before')::text FROM entitlement_changes c WHERE order_id = $1"),
        ] {
            let rows: Vec<String> = sqlx::query_scalar(sql).bind(order).fetch_all(&world.pool).await.unwrap();
            for row in rows {
                let _ = writeln!(story, "{title}: {row}");
            }
        }
        self.story_of_mpesa(&mut story, street, order);
        let ids: Vec<String> = self.payments_of(order).iter().map(|payment| payment.id.to_string()).collect();
        for line in world.portal_logs().iter().filter(|line| ids.iter().any(|id| line.contains(id))) {
            let _ = writeln!(story, "log of {line}");
        }
        story
    }

    /// What M-Pesa remembers: its transactions, what it has told, and what it was asked.
    fn story_of_mpesa(&self, story: &mut String, street: &Street, order: Uuid) {
        let code = self.orders.iter().find(|known| known.id == order).map_or("", |known| known.code.as_str());
        let pushed: Vec<&Transaction> =
            self.payments_of(order).iter().flat_map(|payment| self.pushed_of(payment)).collect();
        for pushed in &pushed {
            let _ = writeln!(story, "M-Pesa: {pushed:?}");
        }
        let is_about = |body: &serde_json::Value| {
            body["AccountReference"] == code
                || pushed.iter().any(|pushed| body["CheckoutRequestID"] == pushed.checkout_request_id.as_str())
        };
        street.daraja.read(|till| {
            for asked in till.journal().iter().filter(|asked| is_about(&asked.body)) {
                let _ = writeln!(story, "M-Pesa at {}: {} answered with {}", asked.at, asked.path, asked.status);
            }
        });
    }
}

/// Waits until everything is at its end, and says what is not if two minutes do not suffice. Where M-Pesa has never told of
/// what it has collected, it tells now, once: nothing else could ever settle it.
///
/// # Panics
/// If something is wrong after two minutes.
pub(crate) async fn settle(world: &World, street: &Street) -> Books {
    let (begun, mut told_now) = (Instant::now(), HashSet::new());
    loop {
        let books = Books::read(world, street).await;
        for (payment, pushed) in books.untold() {
            if told_now.insert(payment.id) {
                let last = books.payments_of(payment.order_id).last().map(|last| last.id);
                assert!(
                    payment.state == "failed" || last == Some(payment.id),
                    "order {}: something was charged while it is unknown what became of {}",
                    payment.order_id,
                    payment.id
                );
                street.daraja.call_back(&pushed.checkout_request_id);
            }
        }
        let problems = books.problems();
        if problems.is_empty() {
            println!("at an end after {:?}; M-Pesa had never told of {} payments", begun.elapsed(), told_now.len());
            return books;
        }
        if begun.elapsed() > TWO_MINUTES {
            let mut stories = String::new();
            for (order, problem) in problems.iter().take(STORIES) {
                stories += &books.story(world, street, *order, problem).await;
            }
            panic!("MLANGO_SEED={}: after {TWO_MINUTES:?} {} orders are wrong{stories}", street.seed, problems.len());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The receipt of what was collected is known, where it was told, and is no other.
fn check_receipt(payment: &Payment, pushed: &[Transaction]) -> Result<(), String> {
    let Some(pushed) = pushed.first() else { return Ok(()) };
    let was_told = pushed.told.iter().any(|told| told.says == Says::Truth && told.status == Some(200));
    match &payment.receipt {
        None if was_told => Err("its receipt was told, and is not known".to_owned()),
        Some(receipt) if Some(receipt) != pushed.receipt.as_ref() => Err(format!("{receipt} is not its receipt")),
        _ => Ok(()),
    }
}

fn minor(shillings: u64) -> i64 {
    i64::try_from(shillings * 100).unwrap()
}

async fn all<T: Send + Unpin + for<'r> FromRow<'r, PgRow>>(world: &World, sql: &'static str) -> Vec<T> {
    sqlx::query_as(sql).fetch_all(&world.pool).await.unwrap()
}

fn by<T>(rows: Vec<T>, key: impl Fn(&T) -> Uuid) -> HashMap<Uuid, Vec<T>> {
    let mut sorted: HashMap<Uuid, Vec<T>> = HashMap::new();
    for row in rows {
        sorted.entry(key(&row)).or_default().push(row);
    }
    sorted
}
