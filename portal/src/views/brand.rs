//! What an operator makes of the customers' pages: the colour of what is pressed, and a picture above the name.
//!
//! Pages run under a policy without inline style, and the first one loads three files and no more. So [`Brand`] is text
//! that stands behind the sheet of `static/`, in the same file: a few custom properties that `portal/styles/portal.scss`
//! names, and the picture as a `data:` address. It is made once, when the program starts, and refuses to start with a
//! colour that is none or a picture that is too heavy. An operator chooses a colour and never the text on it: that is
//! black or white, whichever can be read ([`Colour::text`]).

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

/// Largest picture that is compressed already (PNG, JPEG, WebP), in octets: what the first page's 12 KiB on the wire
/// leave beside page, sheet and script.
pub(crate) const PICTURE_OCTETS_MAX: usize = 4 * 1024;
/// Largest drawing (SVG), in octets: it is compressed with the sheet, to less than half.
pub(crate) const DRAWING_OCTETS_MAX: usize = 8 * 1024;

/// The sheet of the customers' pages, as this operator has it.
#[derive(Debug)]
pub(crate) struct Brand {
    /// Changes when the content does.
    version: String,
    sheet: Vec<u8>,
}

impl Brand {
    /// Reads the settings `portal.accent`, `portal.accent_dark` and `portal.logo`. `sheet` is what they stand behind.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn open(
        sheet: &[u8],
        accent: Option<&str>,
        accent_dark: Option<&str>,
        logo: Option<&Path>,
    ) -> Result<Brand, BrandError> {
        let colour = |setting, value: Option<&str>| value.map(|value| Colour::named(setting, value)).transpose();
        let light = colour("portal.accent", accent)?;
        let dark = colour("portal.accent_dark", accent_dark)?;
        let logo = logo.map(Logo::read).transpose()?;
        let mut sheet = sheet.to_vec();
        sheet.extend_from_slice(rules(light, dark, logo.as_ref()).as_bytes());
        Ok(Brand { version: hex::encode(&Md5::digest(&sheet)[..6]), sheet })
    }

    /// The address of the sheet, for pages.
    pub(crate) fn url(&self) -> String {
        format!("/brand/{}/portal.css", self.version)
    }

    /// What is in its address.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The sheet itself.
    pub(crate) fn sheet(&self) -> &[u8] {
        &self.sheet
    }
}

/// What stands behind the sheet. A light accent alone is the dark one's too, because it stands last and outside of any
/// condition.
fn rules(light: Option<Colour>, dark: Option<Colour>, logo: Option<&Logo>) -> String {
    let mut rules = String::new();
    if let Some(accent) = light {
        rules.push_str(&accent.properties());
    }
    if let Some(accent) = dark {
        let _ = write!(rules, "@media(prefers-color-scheme:dark){{{}}}", accent.properties());
    }
    if let Some(logo) = logo {
        let _ = write!(
            rules,
            ".masthead::before{{display:block;height:3rem;margin-bottom:.5rem;content:\"\";\
             background:url(\"{}\") center/contain no-repeat}}",
            logo.0
        );
    }
    rules
}

/// A colour, red, green and blue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Colour([u8; 3]);

impl Colour {
    const BLACK: Colour = Colour([0; 3]);
    const WHITE: Colour = Colour([255; 3]);

    fn named(setting: &'static str, value: &str) -> Result<Colour, BrandError> {
        value.parse().map_err(|NoColour| BrandError::Colour { setting, value: value.to_owned() })
    }

    /// The three properties that the sheet takes.
    fn properties(self) -> String {
        format!(":root{{--accent:{self};--accent-text:{};--accent-strong:{}}}", self.text(), self.strong())
    }

    /// Black or white, whichever differs more. The worse of the two never matters: one of them always reaches 4.58,
    /// the root of 21, because their own contrast is 21; WCAG 2.2 (1.4.3) asks for 4.5.
    fn text(self) -> Colour {
        if contrast(self, Colour::BLACK) >= contrast(self, Colour::WHITE) { Colour::BLACK } else { Colour::WHITE }
    }

    /// The colour while it is pressed: 15 % away from its text, so the text can be read no worse.
    fn strong(self) -> Colour {
        let away = if self.text() == Colour::WHITE { 0 } else { 255 };
        Colour(self.0.map(|part| {
            let mixed = (u16::from(part) * 85 + away * 15) / 100;
            u8::try_from(mixed).expect("between two parts of a colour")
        }))
    }

    /// Relative luminance, from 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

/// From 1, the same, to 21, black on white (WCAG 2.2, "contrast ratio").
fn contrast(a: Colour, b: Colour) -> f64 {
    let (a, b) = (a.luminance(), b.luminance());
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Not `#rrggbb` or `#rgb`.
#[derive(Debug)]
struct NoColour;

impl FromStr for Colour {
    type Err = NoColour;

    fn from_str(text: &str) -> Result<Colour, NoColour> {
        let digits: Vec<u8> = text
            .strip_prefix('#')
            .ok_or(NoColour)?
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(NoColour))
            .collect::<Result<_, _>>()?;
        match digits[..] {
            [red, green, blue] => Ok(Colour([red * 17, green * 17, blue * 17])),
            [a, b, c, d, e, f] => Ok(Colour([a * 16 + b, c * 16 + d, e * 16 + f])),
            _ => Err(NoColour),
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A picture as a `data:` address. Browsers run no script of such a picture and load nothing that it names.
#[derive(Debug)]
struct Logo(String);

impl Logo {
    fn read(path: &Path) -> Result<Logo, BrandError> {
        let file = std::fs::read(path).map_err(|source| BrandError::Read { path: path.to_owned(), source })?;
        Logo::of(&file).map_err(|refusal| match refusal {
            Refusal::Kind => BrandError::Kind { path: path.to_owned() },
            Refusal::Heavy(max) => BrandError::Heavy { path: path.to_owned(), octets: file.len(), max },
        })
    }

    /// What a file is, it says itself in its first octets; its name may be anything.
    fn of(file: &[u8]) -> Result<Logo, Refusal> {
        let kind = match file {
            [0x89, b'P', b'N', b'G', ..] => "png",
            [0xff, 0xd8, 0xff, ..] => "jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
            _ => return Logo::drawing(file),
        };
        if file.len() > PICTURE_OCTETS_MAX {
            return Err(Refusal::Heavy(PICTURE_OCTETS_MAX));
        }
        Ok(Logo(format!("data:image/{kind};base64,{}", STANDARD.encode(file))))
    }

    fn drawing(file: &[u8]) -> Result<Logo, Refusal> {
        let text = std::str::from_utf8(file).map_err(|_| Refusal::Kind)?.trim();
        if !text.starts_with('<') || !text.contains("<svg") {
            return Err(Refusal::Kind);
        }
        if file.len() > DRAWING_OCTETS_MAX {
            return Err(Refusal::Heavy(DRAWING_OCTETS_MAX));
        }
        // Escaped and not in base64, which hides from gzip what repeats.
        let mut address = "data:image/svg+xml,".to_owned();
        for octet in text.bytes() {
            if octet.is_ascii_alphanumeric() || b" -_.,:;=/".contains(&octet) {
                address.push(char::from(octet));
            } else {
                let _ = write!(address, "%{octet:02X}");
            }
        }
        Ok(Logo(address))
    }
}

/// Why a file is no logo.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// None of the kinds that we know.
    Kind,
    /// Larger than this.
    Heavy(usize),
}

/// A setting of the brand that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrandError {
    /// Not a colour.
    #[error("{setting} is {value:?}; it must be a colour such as #0b6b43")]
    Colour { setting: &'static str, value: String },
    /// The file of the logo cannot be read.
    #[error("portal.logo: {} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// It is no picture that browsers show.
    #[error("portal.logo: {} is neither SVG, PNG, JPEG nor WebP", path.display())]
    Kind { path: PathBuf },
    /// It would make the first page slow.
    #[error("portal.logo: {} has {octets} octets; at most {max} are allowed for its kind", path.display())]
    Heavy { path: PathBuf, octets: usize, max: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().expect("a colour")
    }

    #[test]
    fn colours_are_read_as_they_are_written() {
        assert_eq!((colour("#0b6b43"), colour("#F0b")), (Colour([0x0b, 0x6b, 0x43]), Colour([0xff, 0x00, 0xbb])));
        assert_eq!(colour("#0B6B43").to_string(), "#0b6b43");
        for none in ["", "#", "0b6b43", "#0b6b4", "#0b6b433", "green", "#gggggg", "#fff;}", "#ÿÿÿ", "# fff", "#+ff"]
        {
            assert!(none.parse::<Colour>().is_err(), "{none}");
        }
    }

    /// The figures of WCAG's own examples and of its widely used checkers.
    #[test]
    fn contrast_is_what_wcag_says() {
        let near = |a: f64, b: f64| (a - b).abs() < 0.01;
        assert!(near(contrast(Colour::BLACK, Colour::WHITE), 21.0));
        assert!(near(contrast(colour("#777777"), Colour::WHITE), 4.48));
        assert!(near(contrast(colour("#ff0000"), Colour::WHITE), 4.0));
        assert!(near(contrast(Colour::WHITE, Colour::WHITE), 1.0));
    }

    #[test]
    fn dark_colours_get_white_text_and_light_ones_black() {
        for (accent, text) in [
            ("#0b6b43", "#ffffff"),
            ("#36b37e", "#000000"),
            ("#ffd400", "#000000"),
            ("#000", "#ffffff"),
            ("#fff", "#000000"),
        ] {
            assert_eq!(colour(accent).text().to_string(), text, "{accent}");
        }
    }

    /// Every fifteenth step of each part, 5,832 colours.
    #[test]
    fn the_text_on_any_accent_can_be_read_at_rest_and_pressed() {
        let steps = || (0..=255u8).step_by(15);
        for (red, green, blue) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b)))) {
            let accent = Colour([red, green, blue]);
            let (rest, pressed) = (contrast(accent, accent.text()), contrast(accent.strong(), accent.text()));
            assert!(rest >= 4.5 && pressed >= rest, "{accent}: {rest} at rest, {pressed} pressed");
        }
    }

    #[test]
    fn an_accent_alone_is_for_light_and_dark() {
        assert_eq!(
            rules(Some(colour("#c2185b")), None, None),
            ":root{--accent:#c2185b;--accent-text:#ffffff;--accent-strong:#a4144d}"
        );
        let both = rules(Some(colour("#c2185b")), Some(colour("#f06292")), None);
        assert!(both.ends_with("@media(prefers-color-scheme:dark){:root{--accent:#f06292;--accent-text:#000000;--accent-strong:#f279a2}}"), "{both}");
        assert_eq!(rules(None, None, None), "");
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let error = Brand::open(b"", None, Some("blue"), None).expect_err("not a colour");
        assert_eq!(error.to_string(), "portal.accent_dark is \"blue\"; it must be a colour such as #0b6b43");
        let error = Brand::open(b"", None, None, Some(Path::new("/nonexistent/logo.png"))).expect_err("no file");
        assert_eq!(error.to_string(), "portal.logo: /nonexistent/logo.png cannot be read");
    }

    #[test]
    fn a_logo_is_known_by_its_content_and_cannot_leave_its_quotes() {
        let png = [&[0x89, b'P', b'N', b'G'][..], &[0; 8]].concat();
        assert!(Logo::of(&png).expect("a picture").0.starts_with("data:image/png;base64,iVBORw"));
        let drawing =
            Logo::of(b"<svg xmlns=\"http://www.w3.org/2000/svg\"><!-- \")}\\ % # ' \n --></svg>").expect("a drawing").0;
        assert!(drawing.starts_with("data:image/svg+xml,%3Csvg xmlns=%22http://"), "{drawing}");
        assert!(!drawing.contains(['"', '\'', '\\', ')', '}', '<', '>', '#', '\n']), "{drawing}");
        for none in [&b""[..], b"<html>", b"GIF89a", b"svg", &[0xff, 0xfe, b'<', b's', b'v', b'g']] {
            assert_eq!(Logo::of(none).expect_err("no logo"), Refusal::Kind);
        }
    }

    #[test]
    fn a_heavy_logo_is_refused() {
        let png = |octets| [vec![0x89, b'P', b'N', b'G'], vec![7; octets - 4]].concat();
        assert!(Logo::of(&png(PICTURE_OCTETS_MAX)).is_ok());
        assert_eq!(Logo::of(&png(PICTURE_OCTETS_MAX + 1)).expect_err("heavy"), Refusal::Heavy(PICTURE_OCTETS_MAX));
        let svg = format!("<svg>{}</svg>", " ".repeat(DRAWING_OCTETS_MAX));
        assert_eq!(Logo::of(svg.as_bytes()).expect_err("heavy"), Refusal::Heavy(DRAWING_OCTETS_MAX));
    }

    #[test]
    fn the_address_changes_with_the_brand() {
        let open = |accent| Brand::open(b"body{}", accent, None, None).expect("can be used");
        let (plain, red) = (open(None), open(Some("#f00")));
        assert_ne!(plain.url(), red.url());
        assert_eq!(red.url(), format!("/brand/{}/portal.css", red.version()));
        assert!(red.sheet().starts_with(b"body{}:root{--accent:#ff0000"));
    }
}
