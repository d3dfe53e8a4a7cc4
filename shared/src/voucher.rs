//! The spelling of codes that people read off paper and type.

/// Thirty-two characters without look-alikes: no `0`, `O`, `1` or `I`.
pub const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Characters in a voucher code: 32^10 is about 1.1e15, so that guessing through a rate limit of a
/// few tries a minute finds nothing in a lifetime.
pub const CODE_LENGTH: usize = 10;

/// The one spelling of a code: capitals, no spaces or dashes. `None` if it cannot be a code.
pub fn normalise(typed: &str) -> Option<String> {
    let code: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    (code.len() == CODE_LENGTH && code.bytes().all(|b| ALPHABET.contains(&b))).then_some(code)
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
        assert_eq!(normalise("ABCDE2345"), None);
        assert_eq!(normalise("ABCDE2345O"), None);
        assert_eq!(printed("ABCDE23456"), "ABCDE-23456");
    }

    #[test]
    fn made_codes_are_valid() {
        let code = crate::rng::code(CODE_LENGTH);
        assert_eq!(normalise(&code), Some(code));
    }
}
