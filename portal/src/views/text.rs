//! The sentences of the customers' pages, in every language: `portal/locales/LANGUAGE/customer.ftl`, in Fluent's notation.
//!
//! The files are in the program and are read once, when the first page is made. [`say`] finds a sentence by its key, [`Said`] takes
//! the values that stand in it and is shown as it is, by a template or by `to_string`:
//!
//! ```text
//! {{ site.say("packages-pay").with("price", price) }}
//! say(language, "card-devices").count("count", 2).to_string()
//! ```
//!
//! A file that does not parse, a key that is missing and a value that is not given are found by tests: here, and in
//! `tests/drift/sentences.rs`, which reads templates and sources. So keys stand in them as they are, never put together. If one is
//! missing all the same, the page shows its key, and the log says so.

use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use shared::language::Language;

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::English));
static SWAHILI: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::Swahili));

/// The sentence of that key, to be shown.
pub fn say(language: Language, key: &'static str) -> Said {
    Said { language, key, values: FluentArgs::new() }
}

/// A sentence, with the values that stand in it.
#[must_use]
#[derive(Debug)]
pub struct Said {
    language: Language,
    key: &'static str,
    values: FluentArgs<'static>,
}

impl Said {
    /// Puts a value in.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Said {
        self.values.set(name, value.to_string());
        self
    }

    /// Puts a number in, by which the sentence chooses its words: "1 device", "2 devices".
    pub fn count(mut self, name: &'static str, count: u64) -> Said {
        self.values.set(name, count);
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (language, key) = (self.language.as_str(), self.key);
        let bundle = spoken(self.language);
        let Some(sentence) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(language, key, "a sentence is missing");
            return f.write_str(key);
        };
        let mut problems = Vec::new();
        let written = bundle.write_pattern(f, sentence, Some(&self.values), &mut problems);
        for problem in problems {
            tracing::error!(language, key, %problem, "a sentence could not be said as it is written");
        }
        written
    }
}

fn spoken(language: Language) -> &'static Bundle {
    match language {
        Language::English => &ENGLISH,
        Language::Swahili => &SWAHILI,
    }
}

fn file(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../../locales/en/customer.ftl"),
        Language::Swahili => include_str!("../../locales/sw/customer.ftl"),
    }
}

/// What parses of a file is used, and a test finds the rest: a mistake in one sentence keeps no customer from the others.
fn bundle(language: Language) -> Bundle {
    let resource = FluentResource::try_new(file(language).to_owned()).unwrap_or_else(|(resource, _)| resource);
    let locale = language.as_str().parse().expect("our codes are language tags");
    let mut bundle = Bundle::new_concurrent(vec![locale]);
    // All our languages run from left to right: marks that keep directions apart would only be copied along with a code.
    bundle.set_use_isolating(false);
    drop(bundle.add_resource(resource));
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_parse_and_say_nothing_twice() {
        for language in Language::ALL {
            let resource = FluentResource::try_new(file(language).to_owned());
            let resource = resource.unwrap_or_else(|(_, problems)| panic!("{}: {problems:?}", language.as_str()));
            let locale = language.as_str().parse().expect("a language tag");
            let twice = Bundle::new_concurrent(vec![locale]).add_resource(resource);
            assert!(twice.is_ok(), "{}: {twice:?}", language.as_str());
        }
    }

    #[test]
    fn a_sentence_takes_its_values_as_they_are() {
        let pay = |language| say(language, "packages-pay").with("price", "{ $price } <b>").to_string();
        assert_eq!(pay(Language::English), "Pay { $price } <b>");
        assert_eq!(pay(Language::Swahili), "Lipa { $price } <b>");
    }

    #[test]
    fn a_sentence_names_a_button_as_the_button_is_named() {
        for language in Language::ALL {
            let named = say(language, "screen-type-code").to_string();
            assert!(named.contains(&format!("“{}”", say(language, "add-title"))), "{named}");
        }
    }

    #[test]
    fn numbers_choose_their_words() {
        let devices = |language, count| say(language, "card-devices").count("count", count).to_string();
        assert_eq!(devices(Language::English, 1), "1 device");
        assert_eq!(devices(Language::English, 12), "12 devices");
        assert_eq!(devices(Language::Swahili, 1), "kifaa 1");
        assert_eq!(devices(Language::Swahili, 12), "vifaa 12");
    }

    #[test]
    fn a_sentence_that_is_missing_is_shown_by_its_key() {
        assert_eq!(say(Language::Swahili, "no-such-sentence").to_string(), "no-such-sentence");
        assert_eq!(say(Language::English, "packages-pay").to_string(), "Pay {$price}");
    }
}
