//! What a text message costs to carry: its alphabet, and the segments that it is cut into.
//!
//! Networks charge by the segment. As long as every letter is in the GSM 7-bit alphabet (3GPP TS 23.038, formerly
//! GSM 03.38) a segment holds 160 of them; one letter that is not, such as a typographic apostrophe, makes the whole
//! text UCS-2, of which 70 fit. A text of several segments has a header in each, by which the phone joins them
//! (TS 23.040, 9.2.3.24.1), and less room for letters:
//!
//! ```text
//!            alone          one of several
//!   GSM-7    160 septets    153 septets
//!   UCS-2     70 units       67 units
//! ```
//!
//! [`cost`] counts as networks do; [`to_gsm7_friendly`] writes a text without the letters that make it dear for
//! nothing. The module knows no price, sends nothing, and cuts no text short.

/// The basic table (TS 23.038, 6.2.1) without its escape: a septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table (TS 23.038, 6.2.1.1): an escape and a septet each, which no cut may part.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How a text is written on the air.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Septets of the GSM 7-bit alphabet.
    Gsm7,
    /// 16-bit units, for everything else.
    Ucs2,
}

/// How long a text is, as networks count and charge it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Length {
    /// Its alphabet, decided by the dearest letter.
    pub encoding: Encoding,
    /// Septets or 16-bit units.
    pub units: u32,
    /// Messages that are charged; never 0, since an empty text is carried and charged too.
    pub segments: u32,
}

impl Encoding {
    /// Units that fit in a segment that is alone.
    pub const fn alone(self) -> u32 {
        match self {
            Encoding::Gsm7 => 160,
            Encoding::Ucs2 => 70,
        }
    }

    /// Units that fit in each of several segments.
    pub const fn of_several(self) -> u32 {
        match self {
            Encoding::Gsm7 => 153,
            Encoding::Ucs2 => 67,
        }
    }
}

/// What a text costs.
///
/// A letter of two units is never parted: it begins the next segment and leaves a unit empty. So a text can need one
/// segment more than its units alone would say.
pub fn cost(text: &str) -> Length {
    match text.chars().map(septets).collect::<Option<Vec<u32>>>() {
        Some(widths) => measure(Encoding::Gsm7, &widths),
        None => measure(Encoding::Ucs2, &text.chars().map(units).collect::<Vec<u32>>()),
    }
}

/// The same text with typographic quotes, dashes, ellipses and blanks written as plain ones, and invisible marks left
/// out, so that they do not make it UCS-2. Letters that mean something (accents, other scripts, emoji) stay.
pub fn to_gsm7_friendly(text: &str) -> String {
    let mut friendly = String::with_capacity(text.len());
    for letter in text.chars() {
        match plain(letter) {
            Some(plain) => friendly.push_str(plain),
            None => friendly.push(letter),
        }
    }
    friendly
}

fn measure(encoding: Encoding, widths: &[u32]) -> Length {
    let units = widths.iter().fold(0u32, |sum, &width| sum.saturating_add(width));
    let mut segments = 1u32;
    if units > encoding.alone() {
        let mut used = 0u32;
        for &width in widths {
            if used + width > encoding.of_several() {
                segments += 1;
                used = 0;
            }
            used += width;
        }
    }
    Length { encoding, units, segments }
}

/// Septets of a letter; `None` if the alphabet does not have it.
fn septets(letter: char) -> Option<u32> {
    if BASIC.contains(letter) {
        Some(1)
    } else if EXTENSION.contains(letter) {
        Some(2)
    } else {
        None
    }
}

/// 16-bit units of a letter: two beyond the basic plane, where emoji are. UCS-2 proper has no such letters, but what
/// phones and networks call UCS-2 is UTF-16.
fn units(letter: char) -> u32 {
    if letter.len_utf16() == 1 { 1 } else { 2 }
}

/// How a typographic sign is written plainly; `None` for all other letters.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        // Single quotes, primes, letters that look like an apostrophe (as in Ng'ombe), accents that stand alone.
        '\u{2018}'..='\u{201b}' | '\u{2039}' | '\u{203a}' | '\u{2032}' | '\u{2035}' => "'",
        '\u{2b9}' | '\u{2bb}' | '\u{2bc}' | '\u{b4}' | '`' => "'",
        // Double quotes, guillemets, double primes.
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' | '\u{2036}' => "\"",
        // Hyphens, dashes, the minus sign.
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' => "-",
        '\u{2026}' => "...",
        // Blanks that do not break, or have a width of their own, and the tabulator.
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        // Soft hyphen, zero-width blank, word joiner, byte order mark. Not the joiner of emoji: it has a meaning.
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gsm7(units: u32, segments: u32) -> Length {
        Length { encoding: Encoding::Gsm7, units, segments }
    }

    fn ucs2(units: u32, segments: u32) -> Length {
        Length { encoding: Encoding::Ucs2, units, segments }
    }

    #[test]
    fn the_tables_are_whole() {
        assert_eq!(BASIC.chars().count(), 127, "128 without the escape");
        assert_eq!(EXTENSION.chars().count(), 10);
        assert!(EXTENSION.chars().all(|letter| !BASIC.contains(letter)));
    }

    #[test]
    fn segments_are_counted_as_networks_do() {
        let a = |count: usize| "a".repeat(count);
        for (what, text, expected) in [
            ("nothing", String::new(), gsm7(0, 1)),
            ("160 letters", a(160), gsm7(160, 1)),
            ("161 letters", a(161), gsm7(161, 2)),
            ("306 letters", a(306), gsm7(306, 2)),
            ("307 letters", a(307), gsm7(307, 3)),
            ("459 letters", a(459), gsm7(459, 3)),
            ("460 letters", a(460), gsm7(460, 4)),
            ("the euro is two septets", "€".into(), gsm7(2, 1)),
            ("the euro still fits", a(158) + "€", gsm7(160, 1)),
            ("the euro is one too many", a(159) + "€", gsm7(161, 2)),
            ("the euro ends a segment", a(151) + "€" + &a(153), gsm7(306, 2)),
            ("the euro on the border goes to the next", a(152) + "€" + &a(152), gsm7(306, 3)),
            ("the euro on the border, with room behind", a(152) + "€" + &a(151), gsm7(305, 2)),
            ("accents of the alphabet", "é à ñ ü Ω ¿".into(), gsm7(11, 1)),
            ("a small c with cedilla is not in it", "ç".into(), ucs2(1, 1)),
            ("Swahili", "Habari! Kifurushi chako cha saa 1 kiko tayari. Msimbo: K7QM-2XPA".into(), gsm7(64, 1)),
            ("a typographic apostrophe", "Ng\u{2019}ombe".into(), ucs2(7, 1)),
            ("70 units", "ç".repeat(70), ucs2(70, 1)),
            ("71 units", "ç".repeat(71), ucs2(71, 2)),
            ("134 units", "ç".repeat(134), ucs2(134, 2)),
            ("135 units", "ç".repeat(135), ucs2(135, 3)),
            ("an emoji is two units", "😀".into(), ucs2(2, 1)),
            ("35 emoji", "😀".repeat(35), ucs2(70, 1)),
            ("36 emoji", "😀".repeat(36), ucs2(72, 2)),
            ("67 emoji: 33 in a segment, whose last unit stays empty", "😀".repeat(67), ucs2(134, 3)),
            ("one emoji among letters makes all of them wide", a(69) + "😀", ucs2(71, 2)),
        ] {
            assert_eq!(cost(&text), expected, "{what}");
        }
    }

    #[test]
    fn typographic_signs_are_written_plainly() {
        for (text, expected) in [
            ("Ng\u{2019}ombe \u{201c}saa moja\u{201d}", "Ng'ombe \"saa moja\""),
            ("KSh\u{a0}20 \u{2013} 1\u{202f}hour\u{2026}", "KSh 20 - 1 hour..."),
            ("\u{feff}a\u{200b}b\u{ad}c\td`e", "abc d'e"),
            ("\u{ab}9\u{2212}1\u{bb}", "\"9-1\""),
            ("Café 😀 çava", "Café 😀 çava"),
            ("👨\u{200d}👩", "👨\u{200d}👩"),
        ] {
            assert_eq!(to_gsm7_friendly(text), expected);
        }
        assert_eq!(cost(&to_gsm7_friendly("Ng\u{2019}ombe\u{2026}")), gsm7(10, 1));
    }

    #[test]
    fn what_is_plain_already_stays() {
        let all = [BASIC, EXTENSION].concat();
        assert_eq!(to_gsm7_friendly(&all), all);
        assert_eq!(cost(&all), gsm7(127 + 20, 1));
    }

    proptest! {
        #[test]
        fn segments_hold_their_units(text in any::<String>()) {
            let length = cost(&text);
            prop_assert!(length.segments >= 1);
            let room = if length.segments == 1 {
                length.encoding.alone()
            } else {
                length.segments * length.encoding.of_several()
            };
            prop_assert!(length.units <= room);
        }

        #[test]
        fn writing_plainly_is_done_once(text in any::<String>()) {
            let once = to_gsm7_friendly(&text);
            prop_assert_eq!(to_gsm7_friendly(&once), once);
        }
    }
}
