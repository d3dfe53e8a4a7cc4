//! One guest: the packages page, a package and a number, the order's page, and then that page's own stream of news until it
//! says what became of the order.
//!
//! A guest speaks HTTP as a browser does and reads nothing but what a browser is shown; redirects are followed by hand, so
//! that each request has a time of its own. Pages are not asked for compressed, and what they load is not loaded: that is
//! what `load pages` is for. An answer that a guest should not get ends the run.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ::tests::daraja::{Answer, Daraja, Fate, Report, Says};
use ::tests::dice::Dice;
use anyhow::{Context as _, bail, ensure};
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use shared::time::{Clock, OffsetDateTime};
use shared::token::{self, Purpose};
use store::Db;
use url::Url;
use uuid::Uuid;

use crate::hotspot;

/// Our addresses, each with a pool of connections of its own: connections that are closed keep their port for a minute.
const ADDRESSES: u8 = 8;
/// A browser gives an answer up after this.
const BROWSER_WAITS: Duration = Duration::from_secs(30);
/// A stream of news that broke is opened again after this.
const BREATH: Duration = Duration::from_millis(300);
/// The shortest and the longest that M-Pesa's customer takes.
const PIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// How long a guest looks at the order's page: until it is paid for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The shortest and the longest on a rough day, when the money of many never comes.
const PATIENCE_ROUGH: (Duration, Duration) = (Duration::from_millis(1_200), Duration::from_millis(4_200));
/// Last digits of the numbers on a rough day, by which M-Pesa's simulator tells how they pay: half of them as they should.
const ENDINGS_ROUGH: &[u8; 20] = b"00000000001234567789";

/// What all guests share.
pub(super) struct Street {
    pub(super) clients: Vec<Client>,
    pub(super) portal: Url,
    pub(super) db: Db,
    pub(super) daraja: Daraja,
    pub(super) clock: Clock,
    /// What is on sale, as the page's buttons send it.
    pub(super) goods: Vec<String>,
    pub(super) is_rough: bool,
    pub(super) seed: u64,
}

/// What the order's page has told at last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Paid: the device may go online.
    Granted,
    /// It was paid, and buys nothing.
    Owed,
    /// It was not paid.
    Failed,
    /// Nothing, for as long as the guest had patience.
    Nothing,
}

/// What a guest has seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) order: Uuid,
    /// The number that pays, as M-Pesa spells it; no other guest has it.
    pub(super) phone: String,
    /// How long the packages page, the answer to the form and the order's page took.
    pub(super) packages: Duration,
    pub(super) buy: Duration,
    pub(super) page: Duration,
    pub(super) end: End,
    /// When the form was answered, and when the end was told.
    pub(super) placed: OffsetDateTime,
    pub(super) told: OffsetDateTime,
}

impl Street {
    /// Browsers for all guests.
    ///
    /// # Errors
    /// If there is no HTTP client.
    pub(super) fn browsers() -> anyhow::Result<Vec<Client>> {
        (1..=ADDRESSES)
            .map(|last| {
                let from = std::net::IpAddr::from([127, 5, 0, last]);
                anyhow::Ok(Client::builder().no_proxy().redirect(Policy::none()).local_address(from).build()?)
            })
            .collect()
    }

    /// Guest `number` buys something.
    ///
    /// # Errors
    /// If an answer is not what a guest should get.
    pub(super) async fn buy(&self, number: u32) -> anyhow::Result<Seen> {
        let mut dice = Dice::seeded(self.seed ^ ((u64::from(number) + 1) << 16));
        let (typed, phone) = self.number(number, &mut dice);
        let arrival = hotspot::arrival(&self.portal, number)?;
        let client = &self.clients[number as usize % self.clients.len()];

        let (answer, packages) = timed(self.as_guest(number, client.get(arrival))).await?;
        ensure!(answer.status == StatusCode::OK, "the packages page is answered with {}", answer.status);
        let visit = visit(&answer.text)?;
        let last = u64::try_from(self.goods.len())?.checked_sub(1).context("nothing is on sale")?;
        let package = self.goods[usize::try_from(dice.between(0, last))?].as_str();
        let form = [("visit", visit.as_str()), ("package", package), ("phone", typed.as_str()), ("when", "now")];
        let buy = client.post(self.portal.join("/buy")?).form(&form);
        let (answer, buy) = timed(self.as_guest(number, buy)).await?;
        let placed = self.clock.now();
        let page = self.order_page(&answer)?;
        let order = page.path().strip_prefix("/o/").unwrap_or_default();
        let order = token::verify(self.db.seal(), Purpose::OrderPage, order).context("POST /buy led to no order")?;
        let (answer, took) = timed(self.as_guest(number, client.get(page.clone()))).await?;
        ensure!(answer.status == StatusCode::OK, "an order's page is answered with {}", answer.status);

        let patience = if self.is_rough { dice.pause(PATIENCE_ROUGH.0, PATIENCE_ROUGH.1) } else { PATIENCE };
        let watching = self.watch(number, client, &page);
        let end = tokio::time::timeout(patience, watching).await.unwrap_or(Ok(End::Nothing))?;
        Ok(Seen { order, phone, packages, buy, page: took, end, placed, told: self.clock.now() })
    }

    /// A number as it is typed, and as M-Pesa spells it. On a calm day its customer pays after a short while.
    fn number(&self, number: u32, dice: &mut Dice) -> (String, String) {
        let ending = if self.is_rough {
            let last = ENDINGS_ROUGH.len() as u64 - 1;
            char::from(ENDINGS_ROUGH[usize::try_from(dice.between(0, last)).unwrap_or(0)])
        } else {
            '0'
        };
        let phone = format!("25471{number:06}{ending}");
        if !self.is_rough {
            let pin = dice.pause(PIN.0, PIN.1);
            let reports = vec![Report { after: pin, says: Says::Truth }];
            self.daraja.decree(&phone, Fate { answer: Answer::Given, decided: pin, collects: None, reports });
        }
        (format!("071{number:06}{ending}"), phone)
    }

    /// The guest's own address, as a proxy in front of the portal would tell it: one address may not buy so often.
    fn as_guest(&self, number: u32, request: RequestBuilder) -> RequestBuilder {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number);
        request.header("x-forwarded-for", address.to_string())
    }

    /// Where POST /buy sends the guest.
    fn order_page(&self, answer: &Heard) -> anyhow::Result<Url> {
        match (answer.status, &answer.location) {
            (StatusCode::SEE_OTHER, Some(location)) => Ok(self.portal.join(location)?),
            (status, _) => bail!("POST /buy is answered with {status}"),
        }
    }

    /// Hears the order's news until there is no more to come.
    async fn watch(&self, number: u32, client: &Client, page: &Url) -> anyhow::Result<End> {
        let events = self.portal.join(&format!("{}/events", page.path()))?;
        loop {
            let stream = self.as_guest(number, client.get(events.clone())).send().await.context("an order's news")?;
            ensure!(stream.status() == StatusCode::OK, "an order's news are answered with {}", stream.status());
            if let Some(end) = listen(stream).await? {
                return Ok(end);
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// An answer, as far as a guest reads it.
struct Heard {
    status: StatusCode,
    location: Option<String>,
    text: String,
}

/// Sends a request. Returns its answer, and how long it took until that was there to its last octet.
async fn timed(request: RequestBuilder) -> anyhow::Result<(Heard, Duration)> {
    let asked = Instant::now();
    let answer = request.timeout(BROWSER_WAITS).send().await.context("the portal does not answer")?;
    let location = answer.headers().get(LOCATION).and_then(|location| Some(location.to_str().ok()?.to_owned()));
    let (status, text) = (answer.status(), answer.text().await.context("the portal does not finish its answer")?);
    Ok((Heard { status, location, text }, asked.elapsed()))
}

/// The sealed visit in the page's form.
fn visit(page: &str) -> anyhow::Result<String> {
    let value = page.split("name=\"visit\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    Ok(value.context("what a guest is shown is no page of packages")?.to_owned())
}

/// Reads server-sent events until one tells an end. `None`: the stream broke.
async fn listen(mut stream: Response) -> anyhow::Result<Option<End>> {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let Some(news) = line.strip_prefix(b"data:") else { continue };
            let news: Value = serde_json::from_slice(news).context("an order's news are no JSON")?;
            if let Some(end) = news["stage"].as_str().and_then(end_of) {
                return Ok(Some(end));
            }
        }
    }
    Ok(None)
}

fn end_of(stage: &str) -> Option<End> {
    match stage {
        "go_online" | "online" => Some(End::Granted),
        "refund_due" => Some(End::Owed),
        "failed" | "failed_wait" => Some(End::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visit_is_read_out_of_the_form() {
        let page = r#"<form><input type="hidden" name="visit" value="a-b_c"><input name="phone"></form>"#;
        assert_eq!(visit(page).expect("a page of packages"), "a-b_c");
        assert!(visit("<p>This hotspot is not registered yet</p>").is_err());
    }

    #[test]
    fn a_page_goes_on_while_money_is_waited_for() {
        assert!(["asking", "prompted", "unsure", "confirming"].iter().all(|stage| end_of(stage).is_none()));
        assert_eq!(end_of("go_online"), Some(End::Granted));
        assert_eq!(end_of("failed_wait"), Some(End::Failed));
    }
}
