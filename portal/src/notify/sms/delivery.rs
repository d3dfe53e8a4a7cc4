//! What providers report about a message after they have taken it, in one vocabulary for both.
//!
//! Reports are forms that anybody can post: a provider's file says what proves that one is genuine. They come late,
//! twice and in any order, so a message only ever moves forward (`store::notification`). A report holds no phone number: the
//! reference says which message it is about.

use url::form_urlencoded;

/// Largest report that is read, in octets. Real ones have less than a thousand.
const FORM_LIMIT: usize = 16 * 1024;
/// Most fields of a report. Real ones have less than twenty.
const FIELDS_LIMIT: usize = 100;
/// Longest code of a failure, in octets.
const CODE_LIMIT: usize = 40;

/// How far a message that a provider has taken is known to have come. It begins as [`Delivery::Sent`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// On its way: taken by the provider, or by the network too.
    Sent,
    /// On the phone.
    Delivered,
    /// Given up.
    Failed {
        /// Whether the next message to this number would fail too.
        permanent: bool,
        /// The provider's word for it: letters and digits.
        code: String,
    },
}

/// Why a report cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Larger than any real one.
    #[error("larger than a report is")]
    TooLarge,
    /// No reference, no status, or a reference that is none.
    #[error("no reference or no status")]
    Incomplete,
    /// A status that we do not know, reduced to letters and digits.
    #[error("the status {0:?} is not known")]
    UnknownStatus(String),
}

/// The fields of a posted form, in their order. Not checked, and not known to come from a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body of the type `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// When it is larger than any real report.
    pub fn read(body: &[u8]) -> Result<Form, Unreadable> {
        if body.len() > FORM_LIMIT {
            return Err(Unreadable::TooLarge);
        }
        let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().take(FIELDS_LIMIT + 1).collect();
        if fields.len() > FIELDS_LIMIT { Err(Unreadable::TooLarge) } else { Ok(Form(fields)) }
    }

    /// The first field of that name, trimmed, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// All fields.
    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Names only: among the values are phone numbers.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A word from outside as a code: letters, digits, dashes and underscores of it, bounded.
pub(super) fn code(word: &str) -> String {
    let is_kept = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    word.chars().filter(is_kept).take(CODE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_printed_without_its_values() {
        let form = Form::read(b"id=ATXid_1&phoneNumber=%2B254712345678&empty=+&id=2").expect("small");
        assert_eq!((form.get("id"), form.get("empty"), form.get("none")), (Some("ATXid_1"), None, None));
        assert_eq!(form.get("phoneNumber"), Some("+254712345678"));
        assert_eq!(form.fields().len(), 4);
        assert!(!format!("{form:?}").contains("254712"), "{form:?}");
    }

    #[test]
    fn a_form_has_limits() {
        assert_eq!(Form::read(&vec![b'a'; FORM_LIMIT + 1]), Err(Unreadable::TooLarge));
        assert!(Form::read("a=1&".repeat(FIELDS_LIMIT).as_bytes()).is_ok());
        assert_eq!(Form::read("a=1&".repeat(FIELDS_LIMIT + 1).as_bytes()), Err(Unreadable::TooLarge));
        assert_eq!(Form::read(b"").expect("small").get("id"), None);
    }

    #[test]
    fn a_code_is_bounded_and_plain() {
        assert_eq!(code("User In <BlackList>"), "UserInBlackList");
        assert_eq!(code(&"9".repeat(100)).len(), CODE_LIMIT);
    }
}
