//! What customers are told, and how it is worded: each kind of news in each language, tried with sample values before it is kept.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use shared::notice::Notice;
use store::{StoreError, notification};

use super::auth::Token;
use super::input::{Input, Read, flag};
use super::list::whole;
use super::problem::{Kind, Problem};
use super::single::Single;
use crate::App;
use crate::notify::texts;

const LANGUAGES: [&str; 2] = ["en", "sw"];

#[derive(Debug, Serialize)]
struct Spelt {
    name: &'static str,
    language: &'static str,
    text: String,
    subject: String,
    /// Whether the operator has worded it.
    is_own: bool,
    /// Whether this kind is not sent, in no language.
    off: bool,
    /// What a customer would read.
    sample: String,
    /// What that is sent as by SMS; 0: it cannot be.
    segments: u32,
}

async fn spelt(app: &App, notice: Notice, language: &'static str) -> Result<Spelt, Problem> {
    let text = notification::template(&app.db, notice, language).await?;
    let subject = notification::subject(&app.db, notice, language).await?;
    let is_own = text.is_some() || subject.is_some();
    let text = text.unwrap_or_else(|| texts::built_in(notice, language).to_owned());
    let (sample, segments) = match texts::check(&text) {
        Ok((sample, length)) => (sample, length.segments),
        Err(problem) => (problem.to_string(), 0),
    };
    Ok(Spelt {
        name: notice.as_str(),
        language,
        subject: subject.unwrap_or_else(|| texts::built_in_subject(notice, language).to_owned()),
        is_own,
        off: notification::off(&app.db).await?.iter().any(|name| name == notice.as_str()),
        sample,
        segments,
        text,
    })
}

/// The text that an address names.
fn named(name: &str, language: &str) -> Result<(Notice, &'static str), Problem> {
    let language = LANGUAGES.into_iter().find(|known| *known == language);
    Notice::parse(name).zip(language).ok_or_else(|| Problem::new(Kind::NotFound))
}

pub(super) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let mut all = Vec::new();
    for notice in Notice::ALL {
        for language in LANGUAGES {
            all.push(spelt(&app, notice, language).await?);
        }
    }
    Ok(whole(all))
}

pub(super) async fn get(
    State(app): State<App>,
    Path((name, language)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (notice, language) = named(&name, &language)?;
    Ok(Single::new(spelt(&app, notice, language).await?).read(&headers))
}

/// `PATCH /texts/{name}/{language}`: null words it as we do.
pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path((name, language)): Path<(String, String)>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let (notice, language) = named(&name, &language)?;
    Single::new(spelt(&app, notice, language).await?).unchanged(&headers)?;
    let text = input.nullable("text", words(600));
    let subject = input.nullable("subject", words(200));
    let off = input.change("off", flag);
    input.done()?;
    let refused = |problem: texts::BadText| Problem::from(StoreError::Conflict(problem.to_string()));
    if let Some(Some(text)) = &text {
        texts::check(text).map_err(refused)?;
        if notice == Notice::AddressProof && !text.contains("link") {
            let sentence = "the text must name {{ link }}: without it no address can be proved";
            return Err(StoreError::Conflict(sentence.into()).into());
        }
    }
    if let Some(Some(subject)) = &subject {
        texts::check_subject(subject).map_err(refused)?;
    }
    let (by, now) = (token.actor.as_str(), app.clock.now());
    if let Some(text) = text {
        notification::set_template(&app.db, notice, language, text.as_deref(), by, now).await?;
    }
    if let Some(subject) = subject {
        notification::set_subject(&app.db, notice, language, subject.as_deref(), by, now).await?;
    }
    if let Some(off) = off {
        notification::set_off(&app.db, notice, off, by, now).await?;
    }
    token.audit(&app, "message.set", &format!("{} {language}", notice.as_str())).await?;
    Ok(Single::new(spelt(&app, notice, language).await?).answer(StatusCode::OK))
}

/// Text of so many letters.
pub(super) fn words(most: usize) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let text = value.as_str().filter(|text| (1..=most).contains(&text.chars().count()) && !text.contains('\0'));
        text.map(str::to_owned).ok_or_else(|| format!("write one to {most} characters"))
    }
}
