//! The spelling of codes that people read off paper and type.

/// Thirty-two characters without look-alikes: no `0`, `O`, `1` or `I`.
pub const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Characters in a voucher code: 32^10 is about 1.1e15, so that guessing through a rate limit of a
/// few tries a minute finds nothing in a lifetime.
pub const CODE_LENGTH: usize = 10;

/// A code in its one spelling: capitals, without spaces or dashes. It reads as a `str`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; CODE_LENGTH]);

impl std::ops::Deref for Code {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

/// A code is a password in all but name: printing it for a developer shows nothing.
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

/// The one spelling of a code as it was typed, in octets off the wire or in text. `None` if it cannot be a code.
/// No heap allocation: every name that logs in may be one.
pub fn normalise(typed: impl AsRef<[u8]>) -> Option<Code> {
    let mut code = [0; CODE_LENGTH];
    let mut length = 0;
    for octet in typed.as_ref().iter().filter(|octet| !matches!(octet, b' ' | b'-')) {
        let capital = octet.to_ascii_uppercase();
        *code.get_mut(length)? = capital;
        length += 1;
        if !ALPHABET.contains(&capital) {
            return None;
        }
    }
    (length == CODE_LENGTH).then_some(Code(code))
}

/// The code as it is printed, in two groups.
pub fn printed(code: &str) -> String {
    match code.split_at_checked(code.len() / 2) {
        Some((left, right)) => format!("{left}-{right}"),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_codes_find_their_spelling() {
        assert_eq!(normalise(" abcde-23456 ").as_deref(), Some("ABCDE23456"));
        assert_eq!(normalise(b"abcde23456").as_deref(), Some("ABCDE23456"));
        assert_eq!(normalise("ABCDE234567"), None);
        assert_eq!(normalise("ABCDE2345\u{e9}"), None);
        assert_eq!(normalise(b"ABCDE2345\xff"), None);
        assert_eq!(normalise("ABCDE2345"), None);
        assert_eq!(normalise("ABCDE2345O"), None);
        assert_eq!(printed("ABCDE23456"), "ABCDE-23456");
    }

    #[test]
    fn made_codes_are_valid() {
        let code = crate::rng::code(CODE_LENGTH);
        assert_eq!(normalise(&code).as_deref(), Some(code.as_str()));
    }
}
