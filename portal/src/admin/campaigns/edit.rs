//! `/admin/campaigns/new`: an offer is written, to whom a report has led here. It is asked twice: the second page says how many would be told and
//! how many held out, and what each would read. Made are then the campaign, its members and, if one is wanted, a new code in one transaction.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::discount::{Code, Discount};
use shared::rng;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use store::campaign::{self, Audience, Kind, New, Reach};
use uuid::Uuid;

use super::{LIST, in_words, names};
use crate::App;
use crate::admin::form::{Field, Fields, Filled, Form, FormPage, Problems, confirmation, number, told};
use crate::admin::messages::texts::in_words as length_in_words;
use crate::admin::page::{Page, Tab, answer};
use crate::admin::reports::churn_range;
use crate::admin::{Refusal, audit, words};
use crate::campaigns::{DAY, DAYS, HELD_OUT, LANGUAGES, counts, frames, names_code, own_code, silence};
use crate::cli::values;
use crate::notify::texts;
use crate::session::Staff;
use crate::session::csrf::Posted;

/// With fewer on one side hardly any difference can be told from chance.
const FEW: u64 = 100;
/// What says whom it is for; it comes from the report and goes with the form.
const WHOM: [&str; 6] = ["audience", "window", "least", "most", "segment", "site"];
/// The choice of a code that is made with the campaign.
const NEW_CODE: &str = "new";

/// What there is to know to write an offer.
struct Stage {
    audience: Audience,
    whom: String,
    /// Codes that count now.
    codes: Vec<Discount>,
    /// What stands around the text, in each language.
    frames: Vec<String>,
}

/// An offer as it was written.
struct Wish {
    name: String,
    discount: Option<Discount>,
    is_new: bool,
    texts: [String; 2],
    /// What a customer would read, and what it is sent as.
    samples: Vec<String>,
    segments: u32,
    held_out: u32,
    days: u32,
}

/// `GET /admin/campaigns/new`.
pub(in crate::admin) async fn ask(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let stage = stage(&app, &staff, &sent).await?;
    let sent = sent.with("held_out", HELD_OUT.1.to_string()).with("days", DAYS.0.to_string());
    form_page(&app, &staff, &stage, &sent, &Problems::default()).await
}

/// `POST /admin/campaigns`.
pub(in crate::admin) async fn make(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let (staff, sent, now) = (&posted.staff, &posted.form, app.clock.now());
    let stage = stage(&app, staff, sent).await?;
    let mut problems = Problems::default();
    if let Some(problem) = silence(&app).await? {
        problems.note("text", problem);
    }
    let Some(wish) = read(sent, &stage, staff.sites(), now, &mut problems) else {
        return form_page(&app, staff, &stage, sent, &problems).await;
    };
    if !sent.is_confirmed() {
        let reach = campaign::reach(&app.db, &stage.audience, staff.sites(), now).await?;
        let form = Form::new("sure", LIST, "Yes, tell them").danger();
        let mut lines = foretold(&stage, &wish, reach, now);
        if app.config.sms.as_ref().is_some_and(|sms| sms.quiet_hours.is_none()) {
            lines.push(
                "No quiet hours are set here (sms.quiet_hours): text messages go out at once, at night too.".into(),
            );
        }
        let page = Page::new(&app, staff, Tab::Messages);
        let back = (LIST, "Back, and tell nobody");
        return answer(StatusCode::OK, &confirmation(page, "Tell them?", back, lines, form, sent));
    }
    let id = rng::id(now);
    let line = audit::line(staff, "campaign.begin", &wish.name);
    let new = New {
        id,
        name: &wish.name,
        discount: wish.discount.as_ref().map(|discount| discount.id),
        new_discount: wish.discount.as_ref().filter(|_| wish.is_new),
        text: &wish.texts[0],
        text_sw: &wish.texts[1],
        audience: &stage.audience,
        sites: staff.sites(),
        held_out_percent: i16::try_from(wish.held_out).unwrap_or(i16::MAX),
        seed: &rng::secret(),
        measured_until: now + DAY * wish.days,
        whom: &stage.whom,
        by: (&line).into(),
    };
    match told(campaign::begin(&app.db, &new, now).await)? {
        Ok(_) => Ok(Redirect::to(&format!("{LIST}/{id}?done=begun")).into_response()),
        Err(problem) => {
            problems.note(if wish.is_new { "code" } else { "held_out" }, problem);
            form_page(&app, staff, &stage, sent, &problems).await
        }
    }
}

async fn stage(app: &App, staff: &Staff, sent: &Fields) -> Result<Stage, Refusal> {
    let names = names(app).await?;
    let audience = audience(sent, staff.sites()).ok_or(Refusal::NotFound)?;
    if audience.site.is_some_and(|site| !names.contains_key(&site)) {
        return Err(Refusal::NotFound);
    }
    let now = app.clock.now();
    let offers = store::discount::list(&app.db, now).await?;
    let codes = offers.into_iter().map(|offer| offer.discount).filter(|discount| counts(discount, now)).collect();
    let frames = frames(app).await?;
    Ok(Stage { whom: in_words(&audience, &names), audience, codes, frames })
}

/// Whom it is for, as the address has it. `None`: nobody whom this member of staff may reach.
fn audience(sent: &Fields, sites: &SiteScope) -> Option<Audience> {
    let hundredth = |name: &str, usual: u32| match sent.text(name) {
        "" => Some(usual),
        text => number(text, 0, 100).ok(),
    };
    let site = match sent.text("site") {
        "" => None,
        text => Some(Uuid::try_parse(text).ok().filter(|site| sites.covers(Some(*site)))?),
    };
    let kind = Kind::parse(sent.text("audience"))?;
    let (purchases_least, purchases_most) = match kind {
        Kind::Likely => (1, i32::MAX),
        Kind::Leaving => churn_range(Some(sent.text("segment"))),
    };
    Some(Audience {
        kind,
        window_days: if sent.text("window") == "30" { 30 } else { 7 },
        least: f64::from(hundredth("least", 0)?) / 100.0,
        most: f64::from(hundredth("most", 100)?) / 100.0,
        site,
        purchases_least,
        purchases_most,
    })
}

fn read(sent: &Fields, stage: &Stage, sites: &SiteScope, now: OffsetDateTime, problems: &mut Problems) -> Option<Wish> {
    let name = problems.keep("name", values::name(sent.text("name")));
    let days = problems.keep("days", number(sent.text("days"), 1, DAYS.1));
    let held_out = problems.keep("held_out", number(sent.text("held_out"), HELD_OUT.0, HELD_OUT.2));
    let choice = sent.text("discount");
    let is_new = choice == NEW_CODE;
    let discount = match choice {
        "" => None,
        NEW_CODE => new_code(sent, stage, sites, days.unwrap_or(DAYS.0), now, problems),
        known => {
            let found = stage.codes.iter().find(|discount| discount.id.simple().to_string() == known).cloned();
            problems.keep("discount", found.ok_or("choose one of these"))
        }
    };
    let code = discount.as_ref().and_then(|discount| discount.trigger.code());
    let (mut samples, mut segments) = (Vec::new(), 0);
    for ((_, field, language), frame) in LANGUAGES.into_iter().zip(&stage.frames) {
        let text = sent.text(field);
        if let Some(code) = code
            && !names_code(text, code)
        {
            problems.note(field, format!("name the code in it: {code}"));
        }
        if let Some((sample, length)) = problems.keep(field, texts::check_offer(frame, text)) {
            samples.push(format!("{language}: {sample}"));
            samples.push(format!("{language}: {}.", length_in_words(length)));
            segments = segments.max(length.segments);
        }
    }
    let (Some(name), Some(days), Some(held_out), true) = (name, days, held_out, problems.is_empty()) else {
        return None;
    };
    let texts = [sent.text("text").to_owned(), sent.text("text_sw").to_owned()];
    Some(Wish { name, discount, is_new, texts, samples, segments, held_out, days })
}

/// A code for this campaign alone: once a person, as long as purchases are counted, where its audience buys.
fn new_code(
    sent: &Fields,
    stage: &Stage,
    sites: &SiteScope,
    days: u32,
    now: OffsetDateTime,
    problems: &mut Problems,
) -> Option<Discount> {
    let code = problems.keep("code", sent.text("code").parse::<Code>());
    let percent = problems.keep("percent", number(sent.text("percent"), 1, 100));
    let (code, percent) = code.zip(percent.and_then(|percent| u8::try_from(percent).ok()))?;
    let sites = match stage.audience.site {
        Some(site) => vec![site],
        None => sites.filter().unwrap_or_default().to_vec(),
    };
    Some(own_code(sent.text("name"), code, percent, sites, days, now))
}

/// What would be done, for whoever is asked twice.
fn foretold(stage: &Stage, wish: &Wish, reach: Reach, now: OffsetDateTime) -> Vec<String> {
    let held_out = (reach.free * u64::from(wish.held_out)).div_ceil(100);
    let told = reach.free.saturating_sub(held_out);
    let mut lines = vec![
        format!("For: {}.", stage.whom),
        format!(
            "{} customers are like that. {} of them have said yes to offers, and {} of these are in no other campaign that is still measured: \
             about {told} are told, and {held_out} are held out by lot.",
            reach.all, reach.willing, reach.free
        ),
    ];
    if told.min(held_out) < FEW {
        lines.push(format!(
            "With fewer than {FEW} on each side hardly any difference can be told from chance: send it for its own sake, and not to learn."
        ));
    }
    lines.extend(wish.samples.iter().cloned());
    lines.push(format!("That is {} messages to be paid for at most.", told * u64::from(wish.segments)));
    lines.push(format!("Purchases of both sides are counted until {}.", words::moment(now + DAY * wish.days, now)));
    lines
}

async fn form_page(
    app: &App,
    staff: &Staff,
    stage: &Stage,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let reach = campaign::reach(&app.db, &stage.audience, staff.sites(), app.clock.now()).await?;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &written(Page::new(app, staff, Tab::Messages), stage, reach, sent, problems))
}

fn written(page: Page, stage: &Stage, reach: Reach, sent: &Fields, problems: &Problems) -> FormPage {
    let filled = Filled { sent, problems };
    let codes = stage.codes.iter().map(|discount| {
        let code = discount.trigger.code().map(Code::to_string).unwrap_or_default();
        (discount.id.simple().to_string(), format!("{code}: {}, {}", discount.kind, discount.name))
    });
    let options: Vec<(String, String)> = [("", "No discount"), (NEW_CODE, "A new code, as below")]
        .map(|(value, label)| (value.to_owned(), label.to_owned()))
        .into();
    let options: Vec<(String, String)> = options.into_iter().chain(codes).collect();
    let mut form = Form::new("campaign", LIST, "Go on")
        .field(filled.text("name", "Name").hint("For the desk; of a new code customers read it too.").required())
        .field(filled.choice("discount", "Discount", &options))
        .field(filled.text("code", "New code").hint("What customers type, such as KARIBU24. Once a person."))
        .field(filled.number("percent", "Percent off with the new code").hint("1 to 100."));
    for (_, field, language) in LANGUAGES {
        let hint = "The name of the network stands before it, and behind it how to get no more. Name the code. Plain letters, without \
                    curly quotes and emoji, are the cheapest.";
        form = form.field(filled.long(field, &format!("What is told, in {language}")).hint(hint).required());
    }
    form = form
        .field(
            filled
                .number("held_out", "Held out, of a hundred")
                .hint(format!(
                    "{} to {}. By lot; without them nobody knows what the message did.",
                    HELD_OUT.0, HELD_OUT.2
                ))
                .required(),
        )
        .field(
            filled.number("days", "Days in which purchases are counted").hint(format!("1 to {}.", DAYS.1)).required(),
        );
    for name in WHOM {
        form = form.field(Field::hidden(name, sent.text(name)));
    }
    let lines = vec![
        format!("For: {}.", stage.whom),
        format!(
            "{} customers are like that, of whom {} want offers; {} can be told now.",
            reach.all, reach.willing, reach.free
        ),
    ];
    FormPage { lines, ..FormPage::new(page, "An offer", (LIST, "Campaigns"), form) }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use std::time::Duration;

    use shared::discount::Trigger;
    use shared::notice::Notice;

    use super::*;
    use crate::admin::discounts::tests::full;
    use crate::admin::page::tests::HOSTILE;

    fn sent(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value))
    }

    fn stage_of() -> Stage {
        Stage {
            audience: audience(&sent(&[("audience", "leaving")]), &SiteScope::All).expect("an audience"),
            whom: HOSTILE.into(),
            codes: vec![full()],
            frames: LANGUAGES.map(|(locale, ..)| texts::built_in(Notice::Offer, locale).to_owned()).into(),
        }
    }

    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        let mut problems = Problems::default();
        let sent = sent(&[("text", HOSTILE), ("discount", "gone"), ("audience", "leaving")]);
        assert!(read(&sent, &stage_of(), &SiteScope::All, OffsetDateTime::UNIX_EPOCH, &mut problems).is_none());
        written(page, &stage_of(), Reach { all: 500, willing: 100, free: 80 }, &sent, &problems)
    }

    fn good() -> Fields {
        sent(&[
            ("name", "Come back"),
            ("discount", NEW_CODE),
            ("code", "rudi-20"),
            ("percent", "20"),
            ("text", "20 % off with RUDI20."),
            ("text_sw", "Punguzo 20 % kwa rudi20."),
            ("held_out", "20"),
            ("days", "14"),
        ])
    }

    fn wish(sent: &Fields) -> Result<Wish, Problems> {
        let mut problems = Problems::default();
        let read = read(sent, &stage_of(), &SiteScope::All, OffsetDateTime::UNIX_EPOCH, &mut problems);
        read.ok_or(problems)
    }

    #[test]
    fn a_campaign_comes_with_its_own_code() {
        let wish = wish(&good()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let discount = wish.discount.as_ref().expect("a discount");
        assert!(discount.check().is_ok() && wish.is_new, "{discount:?}");
        assert_eq!(discount.trigger.code().map(Code::as_str), Some("RUDI20"));
        assert_eq!(discount.conditions.valid_until, Some(OffsetDateTime::UNIX_EPOCH + DAY * 14));
        assert!(
            wish.samples[0].starts_with("English: Mlango Wi-Fi: 20 % off with RUDI20. No more offers: "),
            "{:?}",
            wish.samples
        );
        let lines = foretold(&stage_of(), &wish, Reach { all: 9, willing: 6, free: 6 }, OffsetDateTime::UNIX_EPOCH);
        let lines = lines.join(" ");
        assert!(
            lines.contains("about 4 are told, and 2 are held out") && lines.contains("hardly any difference"),
            "{lines}"
        );
    }

    #[test]
    fn every_problem_stands_at_its_field() {
        for (field, value, at) in [
            ("name", "", "name"),
            ("code", "x", "code"),
            ("percent", "0", "percent"),
            ("text", "20 % off", "text"),
            ("text_sw", "", "text_sw"),
            ("held_out", "4", "held_out"),
            ("held_out", "51", "held_out"),
            ("days", "0", "days"),
            ("discount", "gone", "discount"),
        ] {
            let problems = wish(&good().with(field, value)).err().expect("it cannot be so");
            assert!(problems.has(at), "{field} {value}");
        }
        assert!(wish(&good().with("discount", "").with("text", "Karibu").with("text_sw", "Karibu")).is_ok());
    }

    #[test]
    fn whoever_is_limited_reaches_nobody_elsewhere() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let limited = SiteScope::Only(vec![here]);
        let of = |site: Uuid, sites: &SiteScope| {
            let fields = sent(&[("audience", "likely"), ("least", "20")]).with("site", site.to_string());
            audience(&fields, sites)
        };
        assert_eq!(of(here, &limited).map(|audience| (audience.least, audience.site)), Some((0.2, Some(here))));
        assert_eq!(of(there, &limited), None);
        for wrong in [&[("audience", "all")][..], &[("audience", "likely"), ("least", "101")], &[]] {
            assert_eq!(audience(&sent(wrong), &SiteScope::All), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_codes_of_nobody_that_count_now_are_offered() {
        let at = |hours: u64| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(hours * 3600);
        assert!(counts(&full(), at(0)) && !counts(&full(), at(2)));
        assert!(!counts(&Discount { owner: Some(Uuid::nil()), ..full() }, at(0)));
        assert!(!counts(&Discount { trigger: Trigger::Automatic, ..full() }, at(0)));
    }
}
