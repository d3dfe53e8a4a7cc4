//! The spelling of codes that people read off paper and type.
//!
//! A code is ten random characters and an eleventh that checks them. [`new_code`] makes it, [`printed`] writes it in groups, and
//! [`normalise`] finds its one spelling again in whatever was typed. Codes of ten characters without a check, which were
//! printed before there was one, are read as well.
//!
//! The check tells a typing error from a wrong code without asking anybody: who mistypes is told so at once, and has guessed
//! nothing. It is no secret and makes no code harder to guess, since everybody can compute it.
//!
//! How the check works: a character is its place in the [`ALPHABET`], a number of five bits, taken as a polynomial over
//! GF(2). The characters `c₀ … c₁₀` of a code satisfy `c₀·x¹⁰ + c₁·x⁹ + … + c₁₀ = 0` modulo `x⁵ + x² + 1`, which is
//! primitive: the eleven weights differ from each other and from 0. So one wrong character changes the sum, and so do any two
//! that have changed places, neighbours or not.

use crate::rng;

/// Thirty-two characters without look-alikes: no `0`, `O`, `1` or `I`.
pub const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Random characters in a voucher code: 32^10 is about 1.1e15, so that guessing through a rate limit of a
/// few tries a minute finds nothing in a lifetime.
pub const CODE_LENGTH: usize = 10;

/// Characters that are typed: the random ones and their check.
pub const LENGTH: usize = CODE_LENGTH + 1;

const _: () = assert!(256 % ALPHABET.len() == 0, "a random octet favours no character");

/// A code in its one spelling: capitals, without spaces or dashes. It reads as a `str`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Zeros behind a code without a check.
    octets: [u8; LENGTH],
    length: usize,
}

impl Code {
    /// The code of these places in the alphabet.
    fn with_check(values: [u8; CODE_LENGTH]) -> Code {
        let check = times_x(values.iter().fold(0, |sum, &value| follow(sum, value)));
        let mut octets = [0; LENGTH];
        for (octet, value) in octets.iter_mut().zip(values.into_iter().chain([check])) {
            *octet = ALPHABET[usize::from(value)];
        }
        Code { octets, length: LENGTH }
    }
}

impl std::ops::Deref for Code {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.octets[..self.length]).expect("the alphabet is ASCII")
    }
}

/// A code is a password in all but name: printing it for a developer shows nothing.
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

/// Why something typed is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotACode {
    /// It has another length, or a character that no code has.
    #[error("not a voucher code: it has eleven letters and digits, never 0, 1, I or O")]
    Grammar,
    /// It looks like a code, but its check says that it was never printed.
    #[error("not a voucher code: one character looks wrong")]
    Mistyped,
}

/// A new code: 50 random bits and their check.
pub fn new_code() -> Code {
    Code::with_check(rng::bytes::<CODE_LENGTH>().map(|octet| octet % 32))
}

/// The one spelling of a code as it was typed, in octets off the wire or in text.
/// No heap allocation: every name that logs in may be one.
///
/// # Errors
/// [`NotACode`]: it cannot be a code. A code that has lost one character is not noticed: it looks like one of before.
pub fn normalise(typed: impl AsRef<[u8]>) -> Result<Code, NotACode> {
    let mut octets = [0; LENGTH];
    let (mut length, mut sum) = (0_usize, 0_u8);
    for octet in typed.as_ref().iter().filter(|octet| !matches!(octet, b' ' | b'-')) {
        let capital = octet.to_ascii_uppercase();
        *octets.get_mut(length).ok_or(NotACode::Grammar)? = capital;
        length += 1;
        sum = follow(sum, value(capital).ok_or(NotACode::Grammar)?);
    }
    match length {
        LENGTH if sum != 0 => Err(NotACode::Mistyped),
        LENGTH | CODE_LENGTH => Ok(Code { octets, length }),
        _ => Err(NotACode::Grammar),
    }
}

/// The code as it is printed: `ABCD-EFGH-JKL`. People keep about four characters in mind on the way from paper to screen, and
/// three groups are found again after looking up. A code without a check stands as on its paper, in two groups of five.
pub fn printed(code: &Code) -> String {
    if code.length < LENGTH {
        let (left, right) = code.split_at(CODE_LENGTH / 2);
        return format!("{left}-{right}");
    }
    let (first, rest) = code.split_at(4);
    let (second, third) = rest.split_at(4);
    format!("{first}-{second}-{third}")
}

/// The number on the paper, by which staff speak of a voucher without reading out its code: `42-0007` is the seventh of batch 42.
pub fn paper_number(batch: u32, serial: u32) -> String {
    format!("{batch}-{serial:04}")
}

/// Serials as people write them: `7`, or `1-40` for all from the first to the last.
pub fn serials(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once(['-', '–']).unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (1..=last).contains(&first).then_some((first, last))
}

/// A character's place in the alphabet.
fn value(capital: u8) -> Option<u8> {
    ALPHABET.iter().position(|&known| known == capital).and_then(|place| u8::try_from(place).ok())
}

/// The weighted sum with one more character.
fn follow(sum: u8, value: u8) -> u8 {
    times_x(sum) ^ value
}

/// A polynomial of degree four at most, times x, modulo `x⁵ + x² + 1`.
fn times_x(element: u8) -> u8 {
    let shifted = element << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(code: Code) -> String {
        String::from(&*code)
    }

    /// The spelling that is found, or why there is none.
    fn read(typed: impl AsRef<[u8]>) -> Result<String, NotACode> {
        normalise(typed).map(text)
    }

    #[test]
    fn typed_codes_find_their_spelling() {
        let checked = Ok("ABCDE23456G".to_owned());
        assert_eq!(read("ABCDE23456G"), checked);
        assert_eq!(read(" abcd-e234-56g "), checked);
        assert_eq!(read(b"abcde 23456 g"), checked);
        assert_eq!(read("ABCDE234567"), Err(NotACode::Mistyped));
        assert_eq!(read("ABCDE32456G"), Err(NotACode::Mistyped));
        for typed in ["", "ABCDE2345", "ABCDE23456GG", "ABCDE23456O", "ABCDE2345\u{e9}", "ABCDE23456\u{2013}G"] {
            assert_eq!(read(typed), Err(NotACode::Grammar), "{typed}");
        }
        assert_eq!(read(b"ABCDE2345\xff"), Err(NotACode::Grammar));
    }

    #[test]
    fn codes_of_before_have_no_check() {
        let old = Ok("ABCDE23456".to_owned());
        assert_eq!(read(" abcde-23456 "), old);
        assert_eq!(read(b"abcde23456"), old);
        let made = crate::rng::code(CODE_LENGTH);
        assert_eq!(read(&made), Ok(made));
        assert_ne!(normalise("ABCDE23456"), normalise("ABCDE23456G"));
    }

    #[test]
    fn codes_are_printed_in_groups() {
        let printed = |typed: &str| normalise(typed).map(|code| printed(&code));
        assert_eq!(printed("ABCDE23456G").as_deref(), Ok("ABCD-E234-56G"));
        assert_eq!(printed("ABCDE23456").as_deref(), Ok("ABCDE-23456"));
        assert_eq!(paper_number(42, 7), "42-0007");
    }

    #[test]
    fn serials_are_one_or_from_the_first_to_the_last() {
        for (text, expected) in [
            ("7", Some((7, 7))),
            (" 1 - 40 ", Some((1, 40))),
            ("1–40", Some((1, 40))),
            ("0", None),
            ("40-1", None),
            ("0-3", None),
            ("a", None),
            ("1-2-3", None),
            ("", None),
        ] {
            assert_eq!(serials(text), expected, "{text}");
        }
    }

    #[test]
    fn new_codes_differ_and_are_codes() {
        let codes: std::collections::HashSet<String> = (0..2_000).map(|_| text(new_code())).collect();
        assert_eq!(codes.len(), 2_000);
        for code in codes {
            assert_eq!(read(&code), Ok(code));
        }
    }

    /// All codes at once: the sum is linear, so what an error adds to it does not depend on the code.
    #[test]
    fn every_wrong_character_and_every_two_that_changed_places_change_the_sum() {
        for (a, b) in (0..32).flat_map(|a| (0..32).map(move |b| (a, b))) {
            assert_eq!(times_x(a ^ b), times_x(a) ^ times_x(b), "the sum is linear");
        }
        let adds = |place: usize, error: u8| (place + 1..LENGTH).fold(error, |sum, _| times_x(sum));
        for error in 1..32 {
            for one in 0..LENGTH {
                assert_ne!(adds(one, error), 0, "{error} at {one}");
                for other in one + 1..LENGTH {
                    // Where `a` and `b` have changed places, a ^ b is added at both.
                    assert_ne!(adds(one, error) ^ adds(other, error), 0, "{error} at {one} and {other}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_mistyped_code_is_told(values in proptest::array::uniform10(0..32_u8), at in 0..LENGTH, wrong in 0..32_usize) {
            let code = Code::with_check(values);
            prop_assert_eq!(read(&*code), Ok(text(code)));
            let mut typed = code.as_bytes().to_vec();
            typed[at] = ALPHABET[wrong];
            let expected = if typed == code.as_bytes() { Ok(text(code)) } else { Err(NotACode::Mistyped) };
            prop_assert_eq!(read(&typed), expected);
        }

        #[test]
        fn two_characters_that_changed_places_are_told(values in proptest::array::uniform10(0..32_u8), one in 0..LENGTH, other in 0..LENGTH) {
            let code = Code::with_check(values);
            let mut typed = code.as_bytes().to_vec();
            typed.swap(one, other);
            let expected = if typed == code.as_bytes() { Ok(text(code)) } else { Err(NotACode::Mistyped) };
            prop_assert_eq!(read(&typed), expected);
        }

        #[test]
        fn whatever_is_typed_is_read_or_refused(typed in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(code) = normalise(&typed) {
                prop_assert_eq!(normalise(printed(&code)), Ok(code));
            }
        }
    }
}
