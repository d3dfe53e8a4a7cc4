//! The fonts of what is printed, vouchers and reports, and the one octet a character that they are written in.
//!
//! Every reader of PDF has these three fonts (ISO 32000-1 §9.6.2.2), so no file carries one. They are written in WinAnsiEncoding
//! (annex D.2): Latin letters with the accents of western Europe. Letters with other accents lose them, as in the Kikuyu `ĩ`;
//! what is no Latin letter at all becomes a question mark. Widths are those of Adobe's font metrics, in thousandths of the
//! font's size, so that text is measured before it is written.

/// A font that every reader has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Font {
    /// Helvetica.
    Regular,
    /// Helvetica-Bold.
    Bold,
    /// Courier-Bold: a code's characters have one width, and none looks like another.
    Mono,
}

impl Font {
    pub(crate) const ALL: [Font; 3] = [Font::Regular, Font::Bold, Font::Mono];

    /// Its name in the file's resources.
    pub(crate) fn name(self) -> &'static [u8] {
        match self {
            Font::Regular => b"R",
            Font::Bold => b"B",
            Font::Mono => b"M",
        }
    }

    /// The name by which readers know it.
    pub(crate) fn base_name(self) -> &'static [u8] {
        match self {
            Font::Regular => b"Helvetica",
            Font::Bold => b"Helvetica-Bold",
            Font::Mono => b"Courier-Bold",
        }
    }

    /// How wide a text is, in the unit of `size`.
    pub(crate) fn width(self, text: &[u8], size: f32) -> f32 {
        text.iter().map(|&octet| f32::from(self.advance(octet))).sum::<f32>() * size / 1000.0
    }

    /// As much of a text as has room, with an ellipsis for what has not.
    pub(crate) fn shorten(self, mut text: Vec<u8>, size: f32, room: f32) -> Vec<u8> {
        if self.width(&text, size) <= room {
            return text;
        }
        let room = room - self.width(&[ELLIPSIS], size);
        let mut end = 0.0;
        let fits = |octet: &&u8| {
            end += self.width(&[**octet], size);
            end <= room
        };
        let kept = text.iter().take_while(fits).count();
        text.truncate(kept);
        text.truncate(text.trim_ascii_end().len());
        text.push(ELLIPSIS);
        text
    }

    fn advance(self, octet: u8) -> u16 {
        let widths = match self {
            Font::Regular => &REGULAR,
            Font::Bold => &BOLD,
            Font::Mono => return 600,
        };
        octet.checked_sub(FIRST).map_or(0, |place| widths[usize::from(place)])
    }
}

/// Text in WinAnsiEncoding.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    text.chars().filter_map(octet).collect()
}

/// The octet of a character; `None` if it is not seen by itself.
fn octet(character: char) -> Option<u8> {
    match character {
        ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => u8::try_from(u32::from(character)).ok(),
        // Marks that stand on the letter before, what joins and directs letters, and soft hyphens.
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ad}' => None,
        _ if character.is_whitespace() => Some(b' '),
        _ if character.is_control() => None,
        _ => Some(other(character)),
    }
}

/// The octet of a character that is not where Latin-1 has it.
fn other(character: char) -> u8 {
    let known = WINDOWS.iter().find(|&&(known, _)| known == character).map(|&(_, octet)| octet);
    let plain = || PLAIN.iter().find(|(accented, _)| accented.contains(character)).map(|&(_, letter)| letter);
    known.or_else(plain).unwrap_or(b'?')
}

/// The first octet that is written.
const FIRST: u8 = b' ';
const ELLIPSIS: u8 = 0x85;

/// What WinAnsiEncoding has between Latin-1's two halves.
const WINDOWS: [(char, u8); 27] = [
    ('\u{20ac}', 0x80),
    ('\u{201a}', 0x82),
    ('\u{192}', 0x83),
    ('\u{201e}', 0x84),
    ('\u{2026}', 0x85),
    ('\u{2020}', 0x86),
    ('\u{2021}', 0x87),
    ('\u{2c6}', 0x88),
    ('\u{2030}', 0x89),
    ('\u{160}', 0x8a),
    ('\u{2039}', 0x8b),
    ('\u{152}', 0x8c),
    ('\u{17d}', 0x8e),
    ('\u{2018}', 0x91),
    ('\u{2019}', 0x92),
    ('\u{201c}', 0x93),
    ('\u{201d}', 0x94),
    ('\u{2022}', 0x95),
    ('\u{2013}', 0x96),
    ('\u{2014}', 0x97),
    ('\u{2dc}', 0x98),
    ('\u{2122}', 0x99),
    ('\u{161}', 0x9a),
    ('\u{203a}', 0x9b),
    ('\u{153}', 0x9c),
    ('\u{17e}', 0x9e),
    ('\u{178}', 0x9f),
];

/// Letters whose accents WinAnsiEncoding has not, and signs that look like one that it has.
const PLAIN: [(&str, u8); 49] = [
    ("ĀĂĄǍẠ", b'A'),
    ("āăąǎạ", b'a'),
    ("ĆĈĊČ", b'C'),
    ("ćĉċč", b'c'),
    ("ĎĐḌ", b'D'),
    ("ďđḍ", b'd'),
    ("ĒĔĖĘĚẸẼ", b'E'),
    ("ēĕėęěẹẽ", b'e'),
    ("ĜĞĠĢ", b'G'),
    ("ĝğġģ", b'g'),
    ("ĤĦḤ", b'H'),
    ("ĥħḥ", b'h'),
    ("ĨĪĬĮİǏỊ", b'I'),
    ("ĩīĭįıǐị", b'i'),
    ("Ĵ", b'J'),
    ("ĵ", b'j'),
    ("ĶƘ", b'K'),
    ("ķƙ", b'k'),
    ("ĹĻĽĿŁ", b'L'),
    ("ĺļľŀł", b'l'),
    ("ŃŅŇŊ", b'N'),
    ("ńņňŋ", b'n'),
    ("ŌŎŐǑỌ", b'O'),
    ("ōŏőǒọ", b'o'),
    ("ŔŖŘ", b'R'),
    ("ŕŗř", b'r'),
    ("ŚŜŞȘṢ", b'S'),
    ("śŝşșṣ", b's'),
    ("ŢŤŦȚ", b'T'),
    ("ţťŧț", b't'),
    ("ŨŪŬŮŰŲǓỤ", b'U'),
    ("ũūŭůűųǔụ", b'u'),
    ("Ŵ", b'W'),
    ("ŵ", b'w'),
    ("ŶỲ", b'Y'),
    ("ŷỳ", b'y'),
    ("ŹŻ", b'Z'),
    ("źż", b'z'),
    ("Ɓ", b'B'),
    ("ɓ", b'b'),
    ("Ɗ", b'D'),
    ("ɗ", b'd'),
    ("Ɛ", b'E'),
    ("ɛ", b'e'),
    ("Ɔ", b'O'),
    ("ɔ", b'o'),
    ("\u{2010}\u{2011}\u{2012}\u{2212}", b'-'),
    ("\u{2b9}\u{2bc}\u{2032}", b'\''),
    ("\u{2033}", b'"'),
];

/// Helvetica, from the space on.
const REGULAR: [u16; 224] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584, 350, 556, 350, 222, 556, 333, 1000, 556, 556, 333, 1000, 667, 333, 1000, 350, 611, 350, 350, 222,
    222, 333, 333, 350, 556, 1000, 333, 1000, 500, 333, 944, 350, 500, 667, 278, 333, 556, 556, 556, 556, 260, 556,
    333, 737, 370, 556, 584, 333, 737, 333, 400, 584, 333, 333, 333, 556, 537, 278, 333, 333, 365, 556, 834, 834, 834,
    611, 667, 667, 667, 667, 667, 667, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778,
    778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556, 556, 556, 889, 500, 556, 556, 556, 556, 278,
    278, 278, 278, 556, 556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];

/// Helvetica-Bold, from the space on.
const BOLD: [u16; 224] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611,
    556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389,
    280, 389, 584, 350, 556, 350, 278, 556, 500, 1000, 556, 556, 333, 1000, 667, 333, 1000, 350, 611, 350, 350, 278,
    278, 500, 500, 350, 556, 1000, 333, 1000, 556, 333, 944, 350, 500, 667, 278, 333, 556, 556, 556, 556, 280, 556,
    333, 737, 370, 556, 584, 333, 737, 333, 400, 584, 333, 333, 333, 611, 556, 278, 333, 333, 365, 556, 834, 834, 834,
    611, 722, 722, 722, 722, 722, 722, 1000, 722, 667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778,
    778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556, 556, 556, 889, 556, 556, 556, 556, 556, 278,
    278, 278, 278, 611, 611, 611, 611, 611, 611, 611, 584, 611, 611, 611, 611, 611, 556, 611, 556,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_letters_are_written_and_others_replaced() {
        assert_eq!(encode("Wi-Fi (24 h)"), b"Wi-Fi (24 h)");
        assert_eq!(encode("Caf\u{e9} \u{20ac}5 \u{2013} \u{201c}x\u{201d}"), b"Caf\xe9 \x805 \x96 \x93x\x94");
        assert_eq!(encode("K\u{129}ambu G\u{169}\u{14b}"), b"Kiambu Gun");
        assert_eq!(encode("e\u{301}\u{a0}\t\u{ad}\u{7}z"), b"e  z", "marks vanish, spaces stay");
        assert_eq!(encode("\u{65e5}\u{1f680}"), b"??");
    }

    #[test]
    fn every_octet_that_is_written_has_a_width() {
        for octet in (0..=0x2fff).filter_map(char::from_u32).filter_map(octet) {
            for font in Font::ALL {
                assert!(font.advance(octet) > 0, "{octet}");
            }
        }
        assert_eq!(Font::Regular.width(b"AV", 10.0), 13.34);
        assert_eq!(Font::Mono.width(b"ABCD-EFGH-JKL", 10.0), 78.0);
    }

    #[test]
    fn what_has_no_room_is_cut() {
        let room = Font::Bold.width(b"Mlango", 8.0);
        assert_eq!(Font::Bold.shorten(b"Mlango".to_vec(), 8.0, room), b"Mlango");
        let cut = Font::Bold.shorten(b"Mlango Wi-Fi".to_vec(), 8.0, room);
        assert!(cut.starts_with(b"Mla") && cut.ends_with(&[ELLIPSIS]), "{cut:?}");
        assert!(Font::Bold.width(&cut, 8.0) <= room);
        let room = Font::Bold.width(b"a \x85", 8.0) + 0.01;
        assert_eq!(Font::Bold.shorten(b"a bbbb".to_vec(), 8.0, room), b"a\x85", "no space stands before the ellipsis");
        assert_eq!(Font::Bold.shorten(b"abc".to_vec(), 8.0, 0.0), [ELLIPSIS]);
    }
}
