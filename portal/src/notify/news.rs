//! Sends the news that stands in the outbox: worded, at a time when people are awake, by the first provider that takes it.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::config;
use shared::notice::Notice;
use shared::time::{OffsetDateTime, Zone};
use store::notification::{self, News, Over, Taken};
use store::{StoreError, order};
use uuid::Uuid;

use super::sms::{AfterUnknown, Sent, Sms};
use super::texts;
use crate::App;
use crate::urls;
use crate::views::time;

/// Waits between tries; the last one repeats until the news is worth nothing.
const BACK_OFF: [Duration; 4] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(1800)];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Sends one piece of news, or says why not. What cannot be written down is taken up again when its lease is over.
pub(crate) async fn work(app: &App, news: &News) -> Result<(), StoreError> {
    let now = app.clock.now();
    let (Some(notice), Some(sms)) = (news.notice, &app.sms) else {
        count(app, news, "skipped");
        return notification::give_up(&app.db, news.id, Over::Unwanted, "nobody sends it").await;
    };
    if news.is_unwanted {
        count(app, news, "skipped");
        return notification::give_up(&app.db, news.id, Over::Unwanted, "not wanted").await;
    }
    if news.expires_at <= now {
        count(app, news, "expired");
        return notification::give_up(&app.db, news.id, Over::Expired, "it came too late").await;
    }
    if let Some(until) = app.config.sms.as_ref().and_then(|settings| quiet_until(settings, notice, now)) {
        return notification::again(&app.db, news.id, until, "quiet hours").await;
    }
    if over_the_days_limit(app, now).await? {
        return notification::again(&app.db, news.id, now + BACK_OFF[3], "the day's messages cost enough").await;
    }
    match word(app, notice, news).await? {
        Some(text) => send(app, sms, news, &text).await,
        None => {
            count(app, news, "skipped");
            notification::give_up(&app.db, news.id, Over::Unwanted, "there is nothing to say any more").await
        }
    }
}

async fn send(app: &App, sms: &Sms, news: &News, text: &str) -> Result<(), StoreError> {
    let outcome = sms.send(&news.phone, text, AfterUnknown::Stop).await;
    let now = app.clock.now();
    let provider = outcome.provider.map_or("", |provider| provider.as_str());
    count(app, news, outcome.sent.label());
    match &outcome.sent {
        Sent::Accepted { reference, cost, segments } => {
            let taken = Taken { provider, reference: Some(reference), segments: *segments, cost: *cost };
            notification::sent(&app.db, news.id, &taken, now).await
        }
        // News that came twice is worse than news that did not come.
        Sent::Unknown(why) => {
            tracing::warn!(news = %news.id, provider, %why, "it is not known whether a message was sent");
            let segments = shared::sms::cost(text).segments;
            notification::sent(&app.db, news.id, &Taken { provider, reference: None, segments, cost: None }, now).await
        }
        Sent::Refused { permanent: true, code, text } => {
            notification::give_up(&app.db, news.id, Over::Refused, &format!("{code}: {text}")).await
        }
        Sent::Refused { permanent: false, code, text } => {
            tracing::warn!(news = %news.id, provider, %code, %text, "no provider takes a message; it is tried again");
            let wait = BACK_OFF[usize::try_from(news.attempts).unwrap_or(usize::MAX).min(BACK_OFF.len() - 1)];
            notification::again(&app.db, news.id, now + wait, &format!("{code}: {text}")).await
        }
    }
}

fn count(app: &App, news: &News, result: &str) {
    let kind = news.notice.map_or("unknown", Notice::as_str);
    app.metrics.sms.with_label_values(&[kind, result]).inc();
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

/// The text of news, in the customer's language and the operator's words. `None`: it is about something that is not there any more.
async fn word(app: &App, notice: Notice, news: &News) -> Result<Option<String>, StoreError> {
    let Some(values) = values(app, news).await? else { return Ok(None) };
    let own = notification::template(&app.db, notice, &news.locale).await?;
    let built_in = texts::built_in(notice, &news.locale);
    let text = match own.as_deref().map(|text| texts::fill(text, &values)) {
        Some(Ok(text)) => text,
        // It was tried when it was written; a mistake since then is ours.
        Some(Err(error)) => {
            tracing::error!(notice = notice.as_str(), %error, "an operator's text does not work; ours is sent");
            texts::fill(built_in, &values).unwrap_or_default()
        }
        None => texts::fill(built_in, &values).unwrap_or_default(),
    };
    Ok((!text.is_empty()).then_some(text))
}

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
    ]);
    if let Some(id) = field("order").and_then(|id| id.parse::<Uuid>().ok()) {
        let order = match order::get(&app.db, id).await {
            Err(StoreError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        values.insert("price", order.amount.to_string());
        values.insert("code", order.code);
        values.insert("link", urls::whole(&portal.public_url, &urls::order(app.db.seal(), id)));
    }
    if let Some(end) = news.payload.get("ends_at").and_then(serde_json::Value::as_i64) {
        let end = OffsetDateTime::from_unix_timestamp(end).unwrap_or(news.expires_at);
        values.insert("until", time::clock(end, app.clock.now()));
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
