//! The languages that customers are spoken to in, with their one spelling (ISO 639-1): in the configuration, in the database, in
//! addresses and in `<html lang>`.

use serde::{Deserialize, Serialize};

/// A language of our sentences.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum Language {
    /// `en`
    #[default]
    #[serde(rename = "en")]
    English,
    /// `sw`
    #[serde(rename = "sw")]
    Swahili,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 2] = [Language::English, Language::Swahili];

    /// Its code.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Swahili => "sw",
        }
    }

    /// Reads that code.
    pub fn parse(text: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.as_str() == text)
    }

    /// What its speakers call it.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Swahili => "Kiswahili",
        }
    }

    /// The other one.
    pub fn other(self) -> Language {
        match self {
            Language::English => Language::Swahili,
            Language::Swahili => Language::English,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
            assert_eq!(serde_json::to_value(language).expect("JSON"), language.as_str());
            assert_ne!(language.other(), language);
        }
        assert_eq!(Language::parse("fr"), None);
    }
}
