//! Sends the news that stands in the outbox: worded, at a time when people are awake, on the way that its customer prefers, or on
//! the other one where that cannot be gone.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::config;
use shared::email::EmailAddress;
use shared::notice::{Channel, Notice};
use shared::time::{OffsetDateTime, Zone};
use shared::voucher;
use store::notification::{self, News, Over, Taken};
use store::voucher::State;
use store::{StoreError, campaign, for_another, order, user};
use uuid::Uuid;

use super::email::{self, Email, Message};
use super::sms::{AfterUnknown, Sent, Sms};
use super::{letter, texts};
use crate::App;
use crate::urls;
use crate::views::time;

/// Waits between tries; the last one repeats until the news is worth nothing.
const BACK_OFF: [Duration; 4] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A way to a customer.
#[derive(Clone, Copy)]
enum Way<'a> {
    Sms(&'a Sms),
    Email(&'a Email, &'a EmailAddress),
}

/// News in words: the text, and what it was made of.
struct Worded {
    notice: Notice,
    values: BTreeMap<&'static str, String>,
    text: String,
}

/// What became of news on a way, and who says so.
struct Outcome {
    channel: Channel,
    provider: &'static str,
    sent: Sent,
    /// Messages that it was, if nobody tells.
    segments: u32,
}

/// Sends one piece of news, or says why not. What cannot be written down is taken up again when its lease is over.
pub(crate) async fn work(app: &App, news: &News) -> Result<(), StoreError> {
    let now = app.clock.now();
    let ways = ways(app, news);
    let (Some(notice), Some(first)) = (news.notice, ways.first()) else {
        count(app, Channel::Sms, news, "skipped");
        return notification::give_up(&app.db, news.id, Over::Unwanted, "nobody sends it").await;
    };
    let first = first.channel();
    if news.is_unwanted {
        count(app, first, news, "skipped");
        return notification::give_up(&app.db, news.id, Over::Unwanted, "not wanted").await;
    }
    if news.expires_at <= now {
        count(app, first, news, "expired");
        return notification::give_up(&app.db, news.id, Over::Expired, "it came too late").await;
    }
    let worded = match values(app, news).await? {
        Some(values) => word(app, notice, news, &values).await?.map(|text| Worded { notice, values, text }),
        None => None,
    };
    match worded {
        Some(worded) => send(app, news, ways, &worded).await,
        None => {
            count(app, first, news, "skipped");
            notification::give_up(&app.db, news.id, Over::Unwanted, "there is nothing to say any more").await
        }
    }
}

/// Sends it on the first way that can be gone.
async fn send(app: &App, news: &News, ways: Vec<Way<'_>>, worded: &Worded) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut ways = ways.into_iter().peekable();
    while let Some(way) = ways.next() {
        let outcome = match way {
            Way::Sms(sms) => {
                let quiet = app.config.sms.as_ref().and_then(|settings| quiet_until(settings, worded.notice, now));
                if let Some(until) = quiet {
                    return notification::again(&app.db, news.id, until, "quiet hours").await;
                }
                if over_the_days_limit(app, now).await? {
                    // The other way costs nothing.
                    if ways.peek().is_some() {
                        continue;
                    }
                    let (later, why) = (now + BACK_OFF[3], "the day's messages cost enough");
                    return notification::again(&app.db, news.id, later, why).await;
                }
                by_sms(sms, news, &worded.text).await
            }
            Way::Email(email, address) => {
                let letter = letter::word(app, worded.notice, news, &worded.values, &worded.text).await?;
                by_email(email, address, news, &letter, now).await
            }
        };
        count(app, outcome.channel, news, outcome.sent.label());
        // What this way will never take may go on the other one.
        if ways.peek().is_none() || !matches!(outcome.sent, Sent::Refused { permanent: true, .. }) {
            return write_down(app, news, &outcome).await;
        }
        let channel = outcome.channel.as_str();
        tracing::warn!(news = %news.id, channel, "news is refused for good; it goes on the other way");
    }
    Ok(())
}

/// The ways to the customer, the preferred one first. An address that is not proved gets the question whether it is right,
/// and that goes nowhere else; one that refuses e-mails gets what cannot be refused.
fn ways<'a>(app: &'a App, news: &'a News) -> Vec<Way<'a>> {
    let is_question = news.notice == Some(Notice::AddressProof);
    let may = |channel| news.only_by.is_none_or(|only| only == channel);
    let sms = app.sms.as_ref().filter(|_| !is_question && may(Channel::Sms)).map(Way::Sms);
    let is_refused = news.refuses_email && news.notice.is_some_and(Notice::can_be_refused);
    let has_address = (news.email_is_proved || is_question) && !is_refused && may(Channel::Email);
    let address = news.email.as_ref().filter(|_| has_address);
    let email = app.email.as_ref().zip(address).map(|(email, address)| Way::Email(email, address));
    let ways = if news.prefers_email { [email, sms] } else { [sms, email] };
    ways.into_iter().flatten().collect()
}

impl Way<'_> {
    fn channel(self) -> Channel {
        match self {
            Way::Sms(_) => Channel::Sms,
            Way::Email(..) => Channel::Email,
        }
    }
}

async fn by_sms(sms: &Sms, news: &News, text: &str) -> Outcome {
    let outcome = sms.send(&news.phone, text, AfterUnknown::Stop).await;
    Outcome {
        channel: Channel::Sms,
        provider: outcome.provider.map_or("", |provider| provider.as_str()),
        sent: outcome.sent,
        segments: shared::sms::cost(text).segments,
    }
}

async fn by_email(
    email: &Email,
    to: &EmailAddress,
    news: &News,
    letter: &letter::Letter,
    now: OffsetDateTime,
) -> Outcome {
    let refuse = letter.refuse.as_deref();
    let message = Message { id: news.id, to, subject: &letter.subject, text: &letter.text, refuse };
    let sent = email.send(&message, now).await;
    Outcome { channel: Channel::Email, provider: email::PROVIDER, sent, segments: 0 }
}

async fn write_down(app: &App, news: &News, outcome: &Outcome) -> Result<(), StoreError> {
    let now = app.clock.now();
    let Outcome { channel, provider, sent, segments } = outcome;
    let (channel, provider) = (*channel, *provider);
    match sent {
        Sent::Accepted { reference, cost, segments } => {
            let kind = news.notice.map_or("unknown", Notice::as_str);
            tracing::info!(news = %news.id, channel = channel.as_str(), provider, kind, "a message was sent");
            let taken = Taken { channel, provider, reference: Some(reference), segments: *segments, cost: *cost };
            notification::sent(&app.db, news.id, &taken, now).await
        }
        // News that came twice is worse than news that did not come.
        Sent::Unknown(why) => {
            tracing::warn!(news = %news.id, provider, %why, "it is not known whether a message was sent");
            let taken = Taken { channel, provider, reference: None, segments: *segments, cost: None };
            notification::sent(&app.db, news.id, &taken, now).await
        }
        Sent::Refused { permanent: true, code, text } => {
            let detail = format!("{} {code}: {text}", channel.as_str());
            notification::give_up(&app.db, news.id, Over::Refused, &detail).await
        }
        Sent::Refused { permanent: false, code, text } => {
            tracing::warn!(news = %news.id, provider, %code, %text, "no provider takes a message; it is tried again");
            let wait = BACK_OFF[usize::try_from(news.attempts).unwrap_or(usize::MAX).min(BACK_OFF.len() - 1)];
            let detail = format!("{} {code}: {text}", channel.as_str());
            notification::again(&app.db, news.id, now + wait, &detail).await
        }
    }
}

fn count(app: &App, channel: Channel, news: &News, result: &str) {
    let kind = news.notice.map_or("unknown", Notice::as_str);
    let metric = match channel {
        Channel::Sms => &app.metrics.sms,
        Channel::Email => &app.metrics.email,
    };
    metric.with_label_values(&[kind, result]).inc();
}

/// When news that can wait is sent, if people sleep now.
fn quiet_until(settings: &config::Sms, notice: Notice, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let quiet = settings.quiet_hours.filter(|_| notice.keeps_quiet_hours())?;
    let here = Zone::default().at(now);
    let minutes = quiet.lasts(u16::from(here.hour()) * 60 + u16::from(here.minute()))?;
    Some(now + Duration::from_secs(u64::from(minutes) * 60))
}

async fn over_the_days_limit(app: &App, now: OffsetDateTime) -> Result<bool, StoreError> {
    let Some(limit) = app.config.sms.as_ref().and_then(|settings| settings.cost_limit_per_day) else {
        return Ok(false);
    };
    Ok(notification::cost_since(&app.db, now - DAY).await? >= i64::from(limit))
}

/// The text of news, in the customer's language and the operator's words. `None`: the operator's words are none.
async fn word(
    app: &App,
    notice: Notice,
    news: &News,
    values: &BTreeMap<&'static str, String>,
) -> Result<Option<String>, StoreError> {
    let own = notification::template(&app.db, notice, &news.locale).await?;
    let built_in = texts::built_in(notice, &news.locale);
    // An operator's frame that leaves out what the campaign tells tells nothing.
    let own = own.filter(|text| notice != Notice::Offer || text.contains("offer"));
    let text = match own.as_deref().map(|text| texts::fill(text, values)) {
        Some(Ok(text)) => text,
        // It was tried when it was written; a mistake since then is ours.
        Some(Err(error)) => {
            tracing::error!(notice = notice.as_str(), %error, "an operator's text does not work; ours is sent");
            texts::fill(built_in, values).unwrap_or_default()
        }
        None => texts::fill(built_in, values).unwrap_or_default(),
    };
    Ok((!text.is_empty()).then_some(text))
}

/// What the text of news may name. `None`: it is about something that is not there any more.
async fn values(app: &App, news: &News) -> Result<Option<BTreeMap<&'static str, String>>, StoreError> {
    let field = |name: &str| news.payload.get(name).and_then(serde_json::Value::as_str);
    let portal = &app.config.portal;
    let mut values: BTreeMap<&'static str, String> = BTreeMap::from([
        ("brand", portal.brand.clone()),
        ("support", portal.support_phone.clone()),
        ("package", field("package").unwrap_or_default().to_owned()),
        ("link", urls::whole(&portal.public_url, urls::ACCOUNT)),
        ("price", String::new()),
        ("code", String::new()),
        ("until", String::new()),
        ("offer", String::new()),
    ]);
    if let Some(id) = letter::order_of(news) {
        let order = match order::get(&app.db, id).await {
            Err(StoreError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        values.insert("price", order.amount.to_string());
        values.insert("code", order.code);
        values.insert("link", urls::whole(&portal.public_url, &urls::order(app.db.seal(), id)));
    }
    if let Some(claim) = field("claim").and_then(|id| id.parse::<Uuid>().ok()) {
        // Another address was named since: its own question is on its way.
        if user::email::claimed(&app.db, claim).await?.is_none_or(|claimed| claimed.is_proved) {
            return Ok(None);
        }
        values.insert("link", urls::whole(&portal.public_url, &urls::email_proof(app.db.seal(), claim)));
    }
    if let Some(id) = field("for_another").and_then(|id| id.parse::<Uuid>().ok()) {
        // The page of the order is its payer's. What is used, or void, needs no message.
        let given = for_another::of_order(&app.db, id).await?.and_then(|order| order.voucher);
        let Some(given) = given.filter(|given| given.state == State::Sold) else { return Ok(None) };
        values.insert("code", voucher::printed(&given.code));
        values.insert("link", urls::whole(&portal.public_url, &urls::scanned(&given.code)));
    }
    if let Some(id) = field("campaign").and_then(|id| id.parse::<Uuid>().ok()) {
        // It may have been stopped, or the customer has said no, since this was written down.
        let Some(offered) = campaign::offered(&app.db, id, news.user).await? else { return Ok(None) };
        values.insert("offer", if news.locale == "sw" { offered.text_sw } else { offered.text });
    }
    if let Some(end) = news.payload.get("ends_at").and_then(serde_json::Value::as_i64) {
        let end = OffsetDateTime::from_unix_timestamp(end).unwrap_or(news.expires_at);
        values.insert("until", time::clock(letter::language_of(&news.locale), end, app.clock.now()));
    }
    Ok(Some(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_wait_waits_for_the_morning() {
        let settings: config::Sms =
            serde_json::from_value(serde_json::json!({ "quiet_hours": "21:00-07:00" })).expect("a section");
        // 23:00 in Nairobi.
        let night = OffsetDateTime::from_unix_timestamp(20 * 3600).expect("in range");
        let morning = OffsetDateTime::from_unix_timestamp(28 * 3600).expect("in range");
        assert_eq!(quiet_until(&settings, Notice::Ended, night), Some(morning));
        assert_eq!(quiet_until(&settings, Notice::Ended, morning), None);
        assert_eq!(quiet_until(&settings, Notice::PaymentReceived, night), None);
    }
}
