//! `GET /privacy`: what is done with data about people, in words that every operator can stand by, and the operator's own behind
//! them. How long things are kept is said from the settings, so that it cannot say something else than what is done.
//!
//! It is reached from every field for a phone number, also in captive browsers, which have no button to go back: so the visit
//! comes along. Nothing of it is needed to read the page.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use shared::config;
use shared::language::Language;

use super::hotspot::open;
use crate::App;
use crate::error::AppError;
use crate::middleware::language::Wanted;
use crate::urls;
use crate::views::customer::{OwnWords, PrivacyPage};
use crate::views::text::say;
use crate::views::{Site, page};

/// The longest text of an operator, octets.
const TEXT_MAX: usize = 16 * 1024;

/// The query.
#[derive(Debug, Deserialize)]
pub(crate) struct Carried {
    #[serde(default)]
    visit: String,
}

/// `GET /privacy`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    Query(carried): Query<Carried>,
) -> Result<Response, AppError> {
    // A page that was open for too long is read all the same.
    let form = open(&app, wanted, &carried.visit).ok();
    let speech = wanted.speech(form.as_ref().and_then(|form| form.visit.language), None);
    let language = speech.language;
    let token = form.as_ref().map_or("", |_| carried.visit.as_str());
    let (config, kept) = (&app.config, &app.config.retention);
    let or = |given: &str, else_: &str| if given.is_empty() { else_.to_owned() } else { given.to_owned() };
    let contact = or(&config.privacy.contact, &config.portal.support_phone);
    let sessions = say(language, "privacy-kept-sessions").count("months", u64::from(kept.session_people_months));
    let messages = say(language, "privacy-kept-messages").count("days", u64::from(kept.messages_days));
    let view = PrivacyPage {
        site: Site::of(&app, speech).at(&urls::privacy(token)),
        responsible: or(&config.privacy.responsible, &config.portal.brand),
        kept: vec![sessions.to_string(), messages.to_string(), say(language, "privacy-kept-orders").to_string()],
        contact: (!contact.is_empty()).then_some(contact),
        own: app.privacy.of(language),
        back: form.as_ref().map(|_| speech.to(&urls::packages(token))),
    };
    page(StatusCode::OK, &view)
}

/// What the operator adds, read when the program starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    english: Vec<String>,
    swahili: Vec<String>,
}

impl Texts {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// When one cannot be read, is no text, or is too long.
    pub(crate) fn open(settings: &config::Privacy) -> anyhow::Result<Texts> {
        let read = |file: &Option<PathBuf>| file.as_deref().map_or_else(|| Ok(Vec::new()), paragraphs);
        Ok(Texts { english: read(&settings.english_file)?, swahili: read(&settings.swahili_file)? })
    }

    /// The text in that language, or else in the other one.
    fn of(&self, language: Language) -> Option<OwnWords> {
        let text = |language: Language| match language {
            Language::English => &self.english,
            Language::Swahili => &self.swahili,
        };
        let there = [language, language.other()].into_iter().find(|language| !text(*language).is_empty())?;
        Some(OwnWords { lang: there.as_str(), paragraphs: text(there).clone() })
    }
}

fn paragraphs(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("privacy: cannot read {}", path.display()))?;
    anyhow::ensure!(text.len() <= TEXT_MAX, "privacy: {} has more than {TEXT_MAX} octets", path.display());
    Ok(split(&text))
}

/// An empty line begins a paragraph; a line within one goes on.
fn split(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let whole = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n").map(whole).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_begins_a_paragraph() {
        assert_eq!(split("One\nand more.\r\n\r\n\n\nTwo.\n"), ["One and more.", "Two."]);
        assert!(split(" \n\n").is_empty());
    }

    #[test]
    fn the_other_language_is_better_than_nothing() {
        let texts = Texts { english: vec!["Only English.".into()], swahili: Vec::new() };
        for language in Language::ALL {
            let own = texts.of(language).expect("a text");
            assert_eq!((own.lang, own.paragraphs.len()), ("en", 1));
        }
        assert!(Texts::default().of(Language::English).is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let settings = config::Privacy { english_file: Some("/no/such/file".into()), ..config::Privacy::default() };
        let error = Texts::open(&settings).expect_err("no file").to_string();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
