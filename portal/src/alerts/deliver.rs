//! Sends what waits in the outbox of alerts: what is due for one person on one way at a time, many at once as one message.
//!
//! A text message is not sent in the hours in which people sleep (`sms.quiet_hours`) unless its rule says that it may wake them; what
//! nobody has minded may always. Whoever was sent many within an hour gets the rest together, later. The words are English, as all of
//! the desk; a link leads to the alert, where one signs in first.

use std::time::Duration;

use shared::alert::{Kind, Rule, Severity};
use shared::email::EmailAddress;
use shared::notice::Channel;
use shared::phone::Phone;
use shared::rng;
use shared::time::{OffsetDateTime, Zone};
use store::StoreError;
use store::alert::outbox::{self, Batch, Due, Over, What};
use store::alert::rules::{self, Person};
use url::Url;
use uuid::Uuid;

use crate::App;
use crate::notify::email::{self, Email, Message};
use crate::notify::sms::{AfterUnknown, Sent, Sms};
use crate::urls;

/// Added to the longest sending before another portal may take a message.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// Waits between tries; the last one repeats until the message is worth nothing.
const BACK_OFF: [Duration; 4] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];
/// Text messages to one person within an hour, beyond which the others are gathered.
const SMS_AN_HOUR: u64 = 10;
/// For so long.
const GATHERED_FOR: Duration = Duration::from_secs(600);
/// Titles in a text message of several alerts.
const TITLES: usize = 3;
/// Longest title in a text message, in characters: two messages hold an alert with its link.
const TITLE_LIMIT: usize = 120;
/// What these messages are called in metrics.
const METRIC: &str = "alert";

/// Sends what waits for one person on one way. Returns whether there may be more.
pub(crate) async fn send_due(app: &App) -> Result<bool, StoreError> {
    let by_sms = app.sms.as_ref().map_or(Duration::ZERO, Sms::longest);
    let longest = by_sms.max(app.email.as_ref().map_or(Duration::ZERO, Email::longest));
    let Some(batch) = outbox::claim(&app.db, app.clock.now(), longest + LEASE_MARGIN).await? else { return Ok(false) };
    send(app, batch).await?;
    Ok(true)
}

async fn send(app: &App, mut batch: Batch) -> Result<(), StoreError> {
    let now = app.clock.now();
    let (good, late): (Vec<Due>, Vec<Due>) = batch.due.drain(..).partition(|due| due.expires_at > now);
    let late: Vec<_> = late.iter().map(|due| due.id).collect();
    if !late.is_empty() {
        outbox::give_up(&app.db, &late, Over::Expired, "it came too late").await?;
    }
    batch.due = good;
    if batch.channel == Channel::Sms {
        wait_for_the_morning(app, &mut batch, now).await?;
        let may_wait = batch.due.iter().all(|due| due.what != What::Escalated);
        if batch.sent_lately >= SMS_AN_HOUR && may_wait {
            let why = "so many were sent within an hour that the others are gathered";
            return outbox::again(&app.db, &batch.ids(), now + GATHERED_FOR, why).await;
        }
    }
    let Some(first) = batch.due.first().map(|due| due.id) else { return Ok(()) };
    let words = words(&batch.due, &app.config.portal.brand, &app.config.portal.public_url);
    let sent = match batch.channel {
        Channel::Sms => match (&app.sms, &batch.phone) {
            (Some(sms), Some(phone)) => Some(by_sms(sms, phone, &words).await),
            _ => None,
        },
        Channel::Email => match (&app.email, &batch.email) {
            (Some(email), Some(address)) => Some(by_email(email, address, first, &words, now).await),
            _ => None,
        },
    };
    write_down(app, &batch, sent, now).await
}

/// Puts off what may not wake anybody.
async fn wait_for_the_morning(app: &App, batch: &mut Batch, now: OffsetDateTime) -> Result<(), StoreError> {
    let Some(morning) = quiet_until(app, now) else { return Ok(()) };
    let rules = rules::all(&app.db).await?;
    let wakes = |due: &Due| {
        let rule = due.kind.map(|kind| rules.get(&kind).copied().unwrap_or_else(|| Rule::of(kind)));
        due.what == What::Escalated || rule.is_none_or(|rule| rule.wakes)
    };
    let (now_due, later): (Vec<Due>, Vec<Due>) = batch.due.drain(..).partition(wakes);
    batch.due = now_due;
    let later: Vec<_> = later.iter().map(|due| due.id).collect();
    if later.is_empty() { Ok(()) } else { outbox::again(&app.db, &later, morning, "quiet hours").await }
}

/// When people are awake again, if they sleep now.
fn quiet_until(app: &App, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let quiet = app.config.sms.as_ref()?.quiet_hours?;
    let here = Zone::default().at(now);
    let minutes = quiet.lasts(u16::from(here.hour()) * 60 + u16::from(here.minute()))?;
    Some(now + Duration::from_secs(u64::from(minutes) * 60))
}

async fn write_down(
    app: &App,
    batch: &Batch,
    sent: Option<(&'static str, Sent)>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let (ids, channel) = (batch.ids(), batch.channel);
    let Some((provider, sent)) = sent else {
        return outbox::give_up(&app.db, &ids, Over::NoWay, "there is no way to that person").await;
    };
    count(app, channel, &sent);
    match sent {
        Sent::Accepted { reference, .. } => outbox::sent(&app.db, &ids, provider, Some(&reference), now).await,
        // The others were asked already: once more may be twice.
        Sent::Unknown(why) => {
            tracing::warn!(provider, %why, "it is not known whether an alert was sent");
            outbox::sent(&app.db, &ids, provider, None, now).await
        }
        Sent::Refused { permanent: true, code, text } => {
            tracing::error!(provider, %code, %text, "a message about an alert is refused for good");
            outbox::give_up(&app.db, &ids, Over::Refused, &format!("{} {code}: {text}", channel.as_str())).await
        }
        Sent::Refused { permanent: false, code, text } => {
            tracing::warn!(provider, %code, %text, "no provider takes a message about an alert; it is tried again");
            let attempts = batch.due.iter().map(|due| due.attempts).min().unwrap_or(0);
            let wait = BACK_OFF[usize::try_from(attempts).unwrap_or(usize::MAX).min(BACK_OFF.len() - 1)];
            outbox::again(&app.db, &ids, now + wait, &format!("{} {code}: {text}", channel.as_str())).await
        }
    }
}

/// Tells one person something now, without the outbox: PostgreSQL is away. On every way of the rule that leads there.
pub(super) async fn at_once(app: &App, person: &Person, rule: &Rule, text: &str, now: OffsetDateTime) {
    let brand = &app.config.portal.brand;
    let link = urls::whole(&app.config.portal.public_url, "/admin/alerts");
    let words = Words {
        subject: format!("{brand}: {text}"),
        text: format!("{text}\n\n{link}"),
        sms: format!("{brand}: {text}"),
        is_grave: true,
    };
    if let (Some(sms), Some(phone), true) = (&app.sms, &person.phone, rule.by_sms) {
        let (_, sent) = by_sms(sms, phone, &words).await;
        count(app, Channel::Sms, &sent);
    }
    if let (Some(email), Some(address), true) = (&app.email, &person.email, rule.by_email) {
        let (_, sent) = by_email(email, address, rng::id(now), &words, now).await;
        count(app, Channel::Email, &sent);
    }
}

async fn by_sms(sms: &Sms, phone: &Phone, words: &Words) -> (&'static str, Sent) {
    // Better two messages about something grave than none.
    let after_unknown = if words.is_grave { AfterUnknown::AskNext } else { AfterUnknown::Stop };
    let outcome = sms.send(phone, &words.sms, after_unknown).await;
    (outcome.provider.map_or("", |provider| provider.as_str()), outcome.sent)
}

async fn by_email(
    email: &Email,
    to: &EmailAddress,
    id: Uuid,
    words: &Words,
    now: OffsetDateTime,
) -> (&'static str, Sent) {
    let message = Message { id, to, subject: &words.subject, text: &words.text, refuse: None };
    (email::PROVIDER, email.send(&message, now).await)
}

fn count(app: &App, channel: Channel, sent: &Sent) {
    let metric = match channel {
        Channel::Sms => &app.metrics.sms,
        Channel::Email => &app.metrics.email,
    };
    metric.with_label_values(&[METRIC, sent.label()]).inc();
}

/// A message in words.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Words {
    subject: String,
    /// Of an e-mail.
    text: String,
    sms: String,
    /// Whether something critical is among it that is not over.
    is_grave: bool,
}

fn words(due: &[Due], brand: &str, public_url: &Url) -> Words {
    let is_grave = due.iter().any(|due| due.severity == Severity::Critical && due.what != What::Resolved);
    let all = urls::whole(public_url, "/admin/alerts");
    let link = |due: &Due| urls::whole(public_url, &format!("/admin/alerts/{}", due.alert));
    let end = format!(
        "Whoever minds an alert acknowledges it there. What you are told, and how: {}",
        urls::whole(public_url, "/admin/alerts/mine")
    );
    match due {
        [one] => {
            let said = said(one);
            Words {
                subject: format!("{brand}: {said}"),
                text: format!("{said}.\n\n{}\n\n{end}", link(one)),
                sms: match one.what {
                    What::Resolved => format!("{brand}: {}", shortened(&said)),
                    _ => format!("{brand}: {} {}", shortened(&said), link(one)),
                },
                is_grave,
            }
        }
        several => {
            let heading = format!("{} alerts", several.len());
            let titles: Vec<String> = several.iter().map(said).collect();
            let lines: Vec<String> =
                several.iter().zip(&titles).map(|(due, said)| format!("* {said}\n  {}", link(due))).collect();
            let short: Vec<String> = titles.iter().take(TITLES).map(|said| shortened(said)).collect();
            let more = match several.len().saturating_sub(TITLES) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            Words {
                subject: format!("{brand}: {heading}"),
                text: format!("{}\n\n{end}", lines.join("\n")),
                sms: format!("{brand}: {heading}: {}{more}. {all}", short.join("; ")),
                is_grave,
            }
        }
    }
}

/// An alert in a sentence, with what a message tells of it.
fn said(due: &Due) -> String {
    let title = &due.title;
    let kind = due.kind.map_or("alert", Kind::label);
    match due.what {
        What::Raised if due.severity == Severity::Critical => format!("CRITICAL: {title}"),
        What::Raised => format!("{title} ({kind})"),
        What::Escalated => format!("NOBODY MINDS IT: {title}"),
        What::Resolved => format!("Over: {title}"),
    }
}

fn shortened(said: &str) -> String {
    match said.char_indices().nth(TITLE_LIMIT) {
        Some((end, _)) => format!("{}...", &said[..end]),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::observe::tests::at;
    use super::*;

    fn due(number: u128, what: What, severity: Severity) -> Due {
        Due {
            id: Uuid::from_u128(number),
            what,
            alert: Uuid::from_u128(number),
            kind: Some(Kind::RouterSilent),
            severity,
            title: "Router cafe at Kilimani is silent".into(),
            attempts: 0,
            expires_at: at(0),
        }
    }

    fn worded(due: &[Due]) -> Words {
        words(due, "Mlango Wi-Fi", &Url::parse("https://wifi.example.net").expect("a URL"))
    }

    #[test]
    fn one_alert_is_a_sentence_and_a_link() {
        let words = worded(&[due(1, What::Raised, Severity::Critical)]);
        assert_eq!(
            words.sms,
            "Mlango Wi-Fi: CRITICAL: Router cafe at Kilimani is silent \
             https://wifi.example.net/admin/alerts/00000000-0000-0000-0000-000000000001"
        );
        assert_eq!(words.subject, "Mlango Wi-Fi: CRITICAL: Router cafe at Kilimani is silent");
        assert!(words.is_grave && words.text.contains("/admin/alerts/mine"));
        let over = worded(&[due(1, What::Resolved, Severity::Critical)]);
        assert_eq!(
            (over.sms.as_str(), over.is_grave),
            ("Mlango Wi-Fi: Over: Router cafe at Kilimani is silent", false)
        );
        let nobody = worded(&[due(1, What::Escalated, Severity::Critical)]);
        assert!(nobody.sms.starts_with("Mlango Wi-Fi: NOBODY MINDS IT: Router cafe"), "{}", nobody.sms);
    }

    #[test]
    fn many_at_once_are_one_short_message() {
        let many: Vec<Due> = (1..=50)
            .map(|number| Due { title: "x".repeat(500), ..due(number, What::Raised, Severity::Warning) })
            .collect();
        let words = worded(&many);
        assert!(words.sms.starts_with("Mlango Wi-Fi: 50 alerts: xxx") && words.sms.contains("; and 47 more. https://"));
        let cost = shared::sms::cost(&words.sms);
        assert!(cost.segments <= 4, "{} segments", cost.segments);
        assert_eq!(words.text.matches("/admin/alerts/0000").count(), 50);
        let one = worded(&[due(1, What::Raised, Severity::Critical)]);
        assert!(shared::sms::cost(&one.sms).segments <= 2, "{}", one.sms);
    }
}
