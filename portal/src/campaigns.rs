//! What the desk and the REST interface ask of a campaign before it is begun: its limits, whether anything can be told at all, the text that
//! stands around an offer, and the code that is made with it. What one did, with how sure that is, comes from [`uplift`].
//!
//! Refused here: who is told. That is drawn in [`store::campaign`].

pub(crate) mod uplift;

use std::time::Duration;

use shared::discount::{Code, Conditions, Discount, Kind, Trigger};
use shared::notice::Notice;
use shared::rng;
use shared::time::OffsetDateTime;
use store::notification;
use uuid::Uuid;

use crate::App;
use crate::notify::texts;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
/// What is held out of a hundred: at least, usually and at most.
pub(crate) const HELD_OUT: (u32, u32, u32) = (5, 20, 50);
/// Days in which purchases are counted: usually, and at most.
pub(crate) const DAYS: (u32, u32) = (14, 90);
/// The languages: as the database spells them, the field of the text, and what people call them.
pub(crate) const LANGUAGES: [(&str, &str, &str); 2] = [("en", "text", "English"), ("sw", "text_sw", "Swahili")];

/// Why nobody can be told anything now, in a sentence.
pub(crate) async fn silence(app: &App) -> store::Result<Option<&'static str>> {
    if app.sms.is_none() && app.email.is_none() {
        return Ok(Some("nothing is sent here: no provider of messages is set up"));
    }
    let is_off = notification::off(&app.db).await?.iter().any(|name| name == Notice::Offer.as_str());
    Ok(is_off.then_some("offers are switched off among the texts of messages"))
}

/// What stands around the text, in each of [`LANGUAGES`].
pub(crate) async fn frames(app: &App) -> store::Result<Vec<String>> {
    let mut frames = Vec::new();
    for (locale, ..) in LANGUAGES {
        let own = notification::template(&app.db, Notice::Offer, locale).await?;
        let own = own.filter(|text| text.contains("offer"));
        frames.push(own.unwrap_or_else(|| texts::built_in(Notice::Offer, locale).to_owned()));
    }
    Ok(frames)
}

/// Whether a discount has a code that anybody can use now.
pub(crate) fn counts(discount: &Discount, now: OffsetDateTime) -> bool {
    let Conditions { valid_from, valid_until, .. } = &discount.conditions;
    discount.trigger.code().is_some()
        && discount.owner.is_none()
        && valid_from.is_none_or(|from| from <= now)
        && valid_until.is_none_or(|until| now < until)
}

/// Whether a text names a code, in whichever letters.
pub(crate) fn names_code(text: &str, code: &Code) -> bool {
    text.to_uppercase().contains(code.as_str())
}

/// A code for one campaign alone: once a person, as long as purchases are counted, where its audience buys (at all sites, if there is none).
pub(crate) fn own_code(
    name: &str,
    code: Code,
    percent: u8,
    sites: Vec<Uuid>,
    days: u32,
    now: OffsetDateTime,
) -> Discount {
    let conditions = Conditions {
        valid_from: Some(now),
        valid_until: Some(now + DAY * days),
        uses_per_person: Some(1),
        sites,
        ..Conditions::default()
    };
    Discount {
        id: rng::id(now),
        name: name.to_owned(),
        kind: Kind::Percent(percent),
        trigger: Trigger::Code(code),
        owner: None,
        conditions,
        stackable: false,
    }
}
