//! `load desk`: how long an operator waits for the desk's pages, with a million customers and thirty million sessions behind them.
//!
//! The portal is asked as a browser asks it, by somebody of support, whose password is enough to sign in, one page at a time: the whole way is measured, with the session in
//! Redis, the statements and the making of the page. A page is asked for again and again, each time with another value of its filter where it has
//! one; a list's second page is the one that its first one names.
//!
//! With `--reports` the reports are asked for instead, of the last month and of the last year, after the facts that they read are made.
//!
//! `portal seed` makes customers and sessions. What was sold to them is written here first, since no program makes orders by the hundred
//! thousand ([`SALES`]).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use anyhow::{Context as _, ensure};
use clap::Args;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use shared::config::Config;
use sqlx::{Connection as _, PgConnection};
use url::Url;

use crate::histogram::Histogram;
use crate::report::{milliseconds, short, write_facts};

/// 95 of 100 pages of a list, and of the overview, shall be there by then.
const GOAL: Duration = Duration::from_millis(150);
const GOAL_OVERVIEW: Duration = Duration::from_millis(200);
const GOAL_REPORT: Duration = Duration::from_millis(300);
/// How long the facts of the seeded time may take to be made, and how often it is looked whether they are.
const FACTS_PATIENCE: Duration = Duration::from_secs(3 * 3600);
const FACTS_PAUSE: Duration = Duration::from_secs(1);
/// A page that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Asked before anything is measured.
const WARM: u32 = 5;

/// A page.
struct Asked {
    name: &'static str,
    path: fn(&mut Dice) -> String,
    goal: Duration,
    /// Whether the second page is measured, which the first one names.
    is_second: bool,
}

const fn page(name: &'static str, path: fn(&mut Dice) -> String) -> Asked {
    Asked { name, path, goal: GOAL, is_second: false }
}

const PAGES: [Asked; 20] = [
    Asked { goal: GOAL_OVERVIEW, ..page("overview", |_| "/admin".into()) },
    page("customers", |_| "/admin/customers".into()),
    Asked { is_second: true, ..page("customers, second page", |_| "/admin/customers".into()) },
    page("customers by a number's beginning", |dice| {
        format!("/admin/customers?phone=%2B9990{:05}", dice.between(0, 9_999))
    }),
    page("customers by a number's end", |dice| format!("/admin/customers?end={:05}", dice.between(0, 99_999))),
    page("customers by a device", |dice| {
        format!("/admin/customers?mac=02%3A00%3A00%3A00%3A{:02x}%3A{:02x}", dice.between(0, 255), dice.between(0, 255))
    }),
    page("devices", |_| "/admin/devices".into()),
    page("open sessions", |_| "/admin/sessions".into()),
    page("ended sessions", |_| "/admin/sessions/ended".into()),
    Asked { is_second: true, ..page("ended sessions, second page", |_| "/admin/sessions/ended".into()) },
    page("ended sessions of a day", |dice| {
        let (month, day) = (dice.between(1, 12), dice.between(1, 28));
        format!("/admin/sessions/ended?from=2026-{month:02}-{day:02}&until=2026-{month:02}-{day:02}")
    }),
    page("orders", |_| "/admin/orders".into()),
    page("orders that failed", |_| "/admin/orders?state=failed".into()),
    page("payments", |_| "/admin/payments".into()),
    page("payments of which nobody knows", |_| "/admin/payments?state=unknown".into()),
    page("ledger", |_| "/admin/ledger".into()),
    page("messages", |_| "/admin/messages".into()),
    page("packages", |_| "/admin/packages".into()),
    page("vouchers", |_| "/admin/vouchers".into()),
    page("routers", |_| "/admin/routers".into()),
];

/// The reports, as their addresses have them.
const REPORTS: [&str; 19] = [
    "use/today",
    "use/peak-hours",
    "use/capacity",
    "use/network",
    "use/authentication",
    "use/alert-log",
    "use/next-days",
    "use/scorecard",
    "use/behaviour",
    "use/heavy",
    "money/funnel",
    "money/packages",
    "money/vouchers",
    "money/cohorts",
    "money/churn",
    "money/likely-buyers",
    "money/revenue",
    "money/payments",
    "money/reconciliation",
];
/// The last month, and a whole year.
const TIMES: [&str; 2] = ["30", "year"];

/// What was sold in the last year, to the first ten thousand customers: orders, payments, what was booked and what was told.
const SALES: [&str; 5] = [
    "INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, state, paid_at, created_at, updated_at)
     SELECT gen_random_uuid(), 'B' || lpad(i::text, 9, '0'), u.ids[1 + i % cardinality(u.ids)], '+254712345678', p.id,
            jsonb_build_object('name', p.name), 2000, 'KES', n.ids[1 + i % cardinality(n.ids)],
            CASE WHEN i % 5 = 0 THEN 'failed' ELSE 'paid' END, CASE WHEN i % 5 = 0 THEN NULL ELSE at END, at, at
     FROM generate_series(1, 200000) i, LATERAL (SELECT now() - i * interval '150 seconds' AS at) t,
          (SELECT array_agg(id) AS ids FROM (SELECT id FROM users LIMIT 10000) few) u,
          (SELECT array_agg(id) AS ids FROM nas) n, (SELECT id, name FROM packages LIMIT 1) p",
    "INSERT INTO payments (id, order_id, provider, amount_minor, currency, receipt, state, created_at, updated_at)
     SELECT gen_random_uuid(), id, 'mpesa', amount_minor, currency, code, CASE state WHEN 'paid' THEN 'succeeded' ELSE 'failed' END,
            created_at, created_at FROM orders WHERE code LIKE 'B0%'",
    "INSERT INTO ledger_transactions (id, key, order_id, description, posted_at)
     SELECT id, 'bench:' || code, id, 'sale', paid_at FROM orders WHERE code LIKE 'B0%' AND state = 'paid'",
    "INSERT INTO ledger_entries (id, transaction_id, account_id, amount_minor, currency)
     SELECT gen_random_uuid(), t.id, a.id, CASE a.code WHEN 'mpesa' THEN 2000 ELSE -2000 END, 'KES'
     FROM ledger_transactions t, ledger_accounts a WHERE t.key LIKE 'bench:%' AND a.code IN ('mpesa', 'sales')",
    "INSERT INTO notifications (id, user_id, template, state, expires_at, created_at)
     SELECT gen_random_uuid(), user_id, 'ended', 'delivered', created_at, created_at FROM orders WHERE code LIKE 'B0%'",
];

/// An operator who looks.
#[derive(Clone, Debug, Args)]
pub(crate) struct Desk {
    /// Where the portal is.
    #[arg(long)]
    portal: Url,
    /// The portal's configuration: where PostgreSQL is.
    #[arg(long)]
    config: PathBuf,
    /// Who signs in.
    #[arg(long)]
    email: String,
    /// File with the password.
    #[arg(long)]
    password_file: PathBuf,
    /// Only write what was sold, before a portal runs that sums it up.
    #[arg(long)]
    sell: bool,
    /// Ask for the reports, once their facts are made.
    #[arg(long)]
    reports: bool,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..))]
    calls: u32,
    /// Write what was found there, NAME=VALUE a line.
    #[arg(long)]
    facts: Option<PathBuf>,
}

impl Desk {
    /// Asks, prints, writes.
    ///
    /// # Errors
    /// If nobody can sign in, or a page is not what was asked for.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.measure())
    }

    async fn measure(&self) -> anyhow::Result<()> {
        if self.sell || !self.reports {
            self.sell().await?;
        }
        if self.sell {
            return Ok(());
        }
        let operator = Operator::sign_in(self).await?;
        let mut facts = Vec::new();
        if self.reports {
            facts.push(self.await_facts().await?);
            facts.extend(operator.reports(self.calls).await?);
            return self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts));
        }
        for asked in &PAGES {
            let found = operator.ask(asked, self.calls).await.with_context(|| format!("the page of {}", asked.name))?;
            facts.push(tell(asked, &found));
        }
        self.facts.as_deref().map_or(Ok(()), |path| write_facts(path, &facts))
    }

    async fn sell(&self) -> anyhow::Result<()> {
        let mut database = PgConnection::connect(&Config::load(&self.config)?.database.write).await?;
        for statement in SALES {
            sqlx::query(statement).execute(&mut database).await?;
        }
        sqlx::query("ANALYZE").execute(&mut database).await?;
        Ok(())
    }

    /// Waits until the portal has made the facts of the past, and returns how long that took.
    async fn await_facts(&self) -> anyhow::Result<(String, String)> {
        let mut database = PgConnection::connect(&Config::load(&self.config)?.database.write).await?;
        let began = Instant::now();
        loop {
            let made: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM facts_mark WHERE name IN ('hours', 'endings', 'packages', 'months')
                 AND through >= date_trunc('hour', now()) - interval '1 hour'",
            )
            .fetch_one(&mut database)
            .await?;
            if made == 4 {
                break;
            }
            ensure!(began.elapsed() < FACTS_PATIENCE, "the facts of the past are not made yet");
            tokio::time::sleep(FACTS_PAUSE).await;
        }
        sqlx::query("ANALYZE").execute(&mut database).await?;
        Ok(("the facts that reports read, seconds".into(), began.elapsed().as_secs().to_string()))
    }
}

/// The last 365 days, as an address has them.
fn last_year() -> String {
    let today = shared::time::Clock::system().now().date();
    format!("from={}&until={today}", today - time::Duration::days(364))
}

/// Prints how long a page took, and returns it as a fact.
fn tell(asked: &Asked, found: &Histogram) -> (String, String) {
    tell_as(asked.name, asked.goal, found)
}

fn tell_as(name: &str, goal: Duration, found: &Histogram) -> (String, String) {
    let at = |share| short(milliseconds(found.quantile(share)));
    let verdict = if found.quantile(0.95) < goal { "reached" } else { "missed" };
    let name = format!("the desk: {name}, p95 ms (goal under {}: {verdict})", goal.as_millis());
    let value = format!("{} (p50 {}, worst {})", at(0.95), at(0.5), short(milliseconds(found.longest())));
    println!("{name}: {value}");
    (name, value)
}

struct Operator {
    client: Client,
    portal: Url,
    cookie: String,
}

impl Operator {
    async fn sign_in(desk: &Desk) -> anyhow::Result<Operator> {
        let password = std::fs::read_to_string(&desk.password_file)
            .with_context(|| format!("cannot read {}", desk.password_file.display()))?;
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build()?;
        let address = desk.portal.join("/admin/sign-in")?;
        let form = client.get(address.clone()).send().await?.error_for_status()?;
        let cookie = cookies(&form);
        let text = form.text().await?;
        let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let csrf = csrf.context("the sign-in page has no form")?;
        let credentials = [("csrf", csrf), ("email", desk.email.as_str()), ("password", password.trim())];
        let answer = client.post(address).header(COOKIE, cookie).form(&credentials).send().await?;
        let cookie = cookies(&answer);
        ensure!(answer.status() == 303 && !cookie.is_empty(), "{} could not sign in: {}", desk.email, answer.status());
        Ok(Operator { client, portal: desk.portal.clone(), cookie })
    }

    async fn ask(&self, asked: &Asked, calls: u32) -> anyhow::Result<Histogram> {
        let (mut dice, mut found) = (Dice::shaken(), Histogram::default());
        for call in 0..WARM + calls {
            let mut path = (asked.path)(&mut dice);
            if asked.is_second {
                path = next(&self.get(&path).await?.0).context("it names no second page")?;
            }
            let (_, took) = self.get(&path).await?;
            if call >= WARM {
                found.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
        }
        Ok(found)
    }

    /// Each report, of each time.
    async fn reports(&self, calls: u32) -> anyhow::Result<Vec<(String, String)>> {
        let mut facts = Vec::new();
        for report in REPORTS {
            for time in TIMES {
                let path = match time {
                    "year" => format!("/admin/reports/{report}?{}", last_year()),
                    days => format!("/admin/reports/{report}?period={days}"),
                };
                let mut found = Histogram::default();
                for call in 0..WARM + calls {
                    let (_, took) = self.get(&path).await?;
                    if call >= WARM {
                        found.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                    }
                }
                let name = format!("report {report}, {}", if time == "year" { "a year" } else { "30 days" });
                facts.push(tell_as(&name, GOAL_REPORT, &found));
            }
        }
        Ok(facts)
    }

    /// A page, and how long it took.
    async fn get(&self, path: &str) -> anyhow::Result<(String, Duration)> {
        let began = Instant::now();
        let answer = self.client.get(self.portal.join(path)?).header(COOKIE, &self.cookie).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let took = began.elapsed();
        ensure!(status == 200 && text.contains("Sign out"), "{path} is answered {status}");
        Ok((text, took))
    }
}

/// Where the next page is.
fn next(page: &str) -> Option<String> {
    let before = page.split("\" rel=\"next\"").next().filter(|before| before.len() < page.len())?;
    Some(before.rsplit("href=\"").next()?.replace("&#38;", "&").replace("&amp;", "&"))
}

fn cookies(answer: &Response) -> String {
    let pairs = answer.headers().get_all(SET_COOKIE).iter();
    let pairs = pairs.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_that_a_page_names() {
        let page =
            "<a href=\"/x?a=1\" rel=\"prev\">Before</a> <a href=\"/x?sort=-a&#38;cursor=Z\" rel=\"next\">After</a>";
        assert_eq!(next(page).as_deref(), Some("/x?sort=-a&cursor=Z"));
        assert_eq!(next("<a href=\"/x\" rel=\"prev\">"), None);
    }
}
