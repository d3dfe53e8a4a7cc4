//! A page read more strictly than a browser reads it. What a browser would repair is an error here: a `<` that begins no element, a
//! value without quotes, an attribute twice, text in a script. So whatever somebody typed can be nothing but text, or the page is not
//! read at all.

use std::collections::BTreeSet;

/// What a page consists of, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// `<name a="b">`
    Open(Element),
    /// `</name>`
    Close(String),
    /// What a reader sees, decoded.
    Text(String),
}

/// An element as it is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// Names and values, decoded.
    pub(crate) attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A page that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page(pub(crate) Vec<Piece>);

/// A form with what it would send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    /// Names and values of its fields and its first named button.
    pub(crate) fields: Vec<(String, String)>,
    /// The fields that somebody types into.
    pub(crate) typed: Vec<String>,
}

impl Form {
    /// The fields with another value in place of that of `name`.
    pub(crate) fn with(&self, name: &str, value: &str) -> Vec<(String, String)> {
        let mut fields = self.without(name);
        fields.push((name.to_owned(), value.to_owned()));
        fields
    }

    /// The fields but for that one.
    pub(crate) fn without(&self, name: &str) -> Vec<(String, String)> {
        self.fields.iter().filter(|(known, _)| known != name).cloned().collect()
    }
}

impl Page {
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Open(element) => Some(element),
            _ => None,
        })
    }

    /// Names of elements and attributes in their order: the page without anything that was put into it.
    pub(crate) fn skeleton(&self) -> Vec<String> {
        let names = |element: &Element| {
            let attributes: Vec<&str> = element.attributes.iter().map(|(name, _)| name.as_str()).collect();
            format!("{} {}", element.name, attributes.join(" "))
        };
        self.elements().map(names).collect()
    }

    /// All that a reader sees, and all values.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => words.push_str(text),
                Piece::Open(element) => {
                    for (_, value) in &element.attributes {
                        words.push('\n');
                        words.push_str(value);
                    }
                    words.push('\n');
                }
                Piece::Close(_) => {}
            }
        }
        words
    }

    /// The forms.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let (mut forms, mut current) = (Vec::new(), None::<Form>);
        let (mut choice, mut long, mut has_button) = (None::<String>, None::<String>, false);
        for piece in &self.0 {
            match piece {
                Piece::Open(element) if element.name == "form" => {
                    has_button = false;
                    current = Some(Form {
                        method: element.get("method").unwrap_or("get").to_owned(),
                        action: element.get("action").unwrap_or_default().to_owned(),
                        fields: Vec::new(),
                        typed: Vec::new(),
                    });
                }
                Piece::Close(name) if name == "form" => forms.extend(current.take()),
                Piece::Close(name) if name == "select" => choice = None,
                Piece::Close(name) if name == "textarea" => long = None,
                Piece::Text(text) => {
                    if let (Some(form), Some(name)) = (&mut current, &long) {
                        form.fields.push((name.clone(), text.clone()));
                    }
                }
                Piece::Open(element) => {
                    let Some(form) = &mut current else { continue };
                    let name = element.get("name").map(str::to_owned);
                    let value = element.get("value").unwrap_or_default().to_owned();
                    match (element.name.as_str(), name) {
                        ("input", Some(name)) => {
                            let kind = element.get("type").unwrap_or("text");
                            let is_choice = matches!(kind, "checkbox" | "radio");
                            if kind != "hidden" && !is_choice {
                                form.typed.push(name.clone());
                            }
                            if !is_choice || element.get("checked").is_some() {
                                form.fields.push((name, value));
                            }
                        }
                        ("textarea", Some(name)) => {
                            form.typed.push(name.clone());
                            long = Some(name);
                        }
                        ("select", name) => choice = name,
                        ("option", _) if element.get("selected").is_some() => {
                            if let Some(name) = &choice {
                                form.fields.push((name.clone(), value));
                            }
                        }
                        ("button", Some(name)) if !has_button => {
                            has_button = true;
                            form.fields.push((name, value));
                        }
                        _ => {}
                    }
                }
                Piece::Close(_) => {}
            }
        }
        forms
    }

    /// Where its links lead.
    pub(crate) fn links(&self) -> BTreeSet<String> {
        let anchors = self.elements().filter(|element| element.name == "a");
        anchors.filter_map(|anchor| anchor.get("href").map(str::to_owned)).collect()
    }

    /// What is wrong with it for a page that runs nothing of anybody's: handlers, scripts and styles in it, addresses that are code.
    pub(crate) fn dangers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for element in self.elements() {
            let mut danger = |what: &str| found.push(format!("{what}: {element:?}"));
            if matches!(element.name.as_str(), "style" | "iframe" | "object" | "embed" | "base" | "img") {
                danger("an element that no page of ours has");
            }
            if element.name == "script" && !element.get("src").is_some_and(|src| src.starts_with("/static/")) {
                danger("a script that is not one of our files");
            }
            for (name, value) in &element.attributes {
                if name.starts_with("on")
                    || ["style", "srcdoc", "formaction"].contains(&name.as_str())
                    || name.starts_with("hx-")
                {
                    danger("an attribute that runs or styles something");
                }
                if ["href", "src", "action"].contains(&name.as_str()) && !is_plain_address(value) {
                    danger("an address that is none");
                }
            }
        }
        found
    }
}

/// A path of ours, or an address that a browser only goes to.
pub(crate) fn is_plain_address(value: &str) -> bool {
    let ours =
        value.is_empty() || (value.starts_with('/') && !value.starts_with("//")) || value.starts_with(['?', '#']);
    let there = ["http://", "https://", "tel:", "otpauth://totp/"].iter().any(|scheme| value.starts_with(scheme));
    let is_icon = value == "data:,";
    (ours || there || is_icon) && !value.contains('\\') && !value.chars().any(char::is_control)
}

/// Reads a page.
///
/// # Errors
/// What a browser would repair, with the place.
pub(crate) fn read(text: &str) -> Result<Page, String> {
    let mut rest = text.strip_prefix("<!doctype html>").ok_or("it does not begin as a page")?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let at = rest.find('<').unwrap_or(rest.len());
        let (words, tag) = rest.split_at(at);
        if !words.is_empty() {
            pieces.push(Piece::Text(decode(words)?));
        }
        if tag.is_empty() {
            break;
        }
        let (piece, after) = read_tag(tag).map_err(|problem| format!("{problem}: {:.80}", tag.replace('\n', " ")))?;
        let is_script = matches!(&piece, Piece::Open(element) if element.name == "script" || element.name == "style");
        if is_script && !after.starts_with("</") {
            return Err(format!("a script or a style with text in it: {after:.80}"));
        }
        pieces.push(piece);
        rest = after;
    }
    Ok(Page(pieces))
}

fn read_tag(tag: &str) -> Result<(Piece, &str), &'static str> {
    let inside = &tag[1..];
    if let Some(closing) = inside.strip_prefix('/') {
        let (name, after) = closing.split_once('>').ok_or("an end without its end")?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        return if is_name { Ok((Piece::Close(name.to_owned()), after)) } else { Err("an end of nothing") };
    }
    let (name, mut rest) = take(inside, |c| c.is_ascii_alphanumeric());
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("a `<` that begins no element");
    }
    let mut attributes: Vec<(String, String)> = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches([' ', '\n']);
        if let Some(after) = trimmed.strip_prefix("/>").or_else(|| trimmed.strip_prefix('>')) {
            return Ok((Piece::Open(Element { name: name.to_owned(), attributes }), after));
        }
        if trimmed.len() == rest.len() {
            return Err("no space in front of an attribute");
        }
        let (key, after) = take(trimmed, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_'));
        if key.is_empty() {
            return Err("no name where an attribute should be");
        }
        if attributes.iter().any(|(known, _)| known == key) {
            return Err("an attribute twice");
        }
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(quoted) => {
                let quoted = quoted.strip_prefix('"').ok_or("a value without quotes")?;
                quoted.split_once('"').ok_or("a value without its end")?
            }
        };
        if value.contains('<') {
            return Err("a `<` in a value");
        }
        attributes.push((key.to_owned(), decode(value)?));
        rest = after;
    }
}

fn take(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Text as a reader sees it. A `&` that begins no character is as wrong as a `<`.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, behind) = after.split_once(';').ok_or("a `&` that begins no character")?;
        let number = |digits: &str, base| u32::from_str_radix(digits, base).ok().and_then(char::from_u32);
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "nbsp" => Some('\u{a0}'),
            "ndash" => Some('–'),
            _ => match name.strip_prefix("#x") {
                Some(digits) => number(digits, 16),
                None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
            },
        };
        out.push(character.ok_or("a `&` that begins no character")?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[test]
fn what_a_browser_would_repair_is_refused() {
    let page = |body: &str| read(&format!("<!doctype html><html><body>{body}</body></html>"));
    for wrong in [
        "a < b",
        "<p class=x>",
        "<p class='x'>",
        "<p id=\"a\" id=\"b\">",
        "<p id=\"a\"class=\"b\">",
        "<script>alert(1)</script>",
        "<a href=\"<b>\">",
        "you & me",
        "<P>",
        "<!-- x -->",
        "<p title=\"x",
    ] {
        assert!(page(wrong).is_err(), "{wrong}");
    }
    assert!(page("<p id=\"a\" hidden>x &#60;b&#62; &amp;</p><script src=\"/static/1/a.js\" defer></script>").is_ok());
    assert!(read("<p>").is_err());
}

#[test]
fn forms_are_read_with_what_they_send() {
    let text = "<!doctype html><form method=\"post\" action=\"/x\"><input type=\"hidden\" name=\"csrf\" value=\"s\">\
                <input name=\"a\" value=\"1&#38;2\"><input type=\"checkbox\" name=\"off\" value=\"on\"><select name=\"c\"><option value=\"1\">\
                </option><option value=\"2\" selected></option></select><textarea name=\"t\">long</textarea><button name=\"b\" value=\"v\">Go</button></form>";
    let forms = read(text).unwrap().forms();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(forms.len(), 1);
    assert_eq!(
        forms[0].fields,
        [pair("csrf", "s"), pair("a", "1&2"), pair("c", "2"), pair("t", "long"), pair("b", "v")]
    );
    assert_eq!(forms[0].typed, ["a", "t"]);
    assert_eq!(forms[0].with("a", "3").last(), Some(&pair("a", "3")));
}

#[test]
fn dangers_are_found() {
    for danger in [
        "<img src=\"/x\">",
        "<p onclick=\"x\">",
        "<a href=\"javascript:alert(1)\">",
        "<a href=\"//evil.example\">",
        "<a href=\"/\\evil.example\">",
        "<p style=\"x\">",
        "<script src=\"https://evil.example/x.js\"></script>",
    ] {
        assert_eq!(read(&format!("<!doctype html>{danger}")).unwrap().dangers().len(), 1, "{danger}");
    }
    assert!(
        read("<!doctype html><a href=\"/x?y=1\">x</a><link rel=\"icon\" href=\"data:,\">")
            .unwrap()
            .dangers()
            .is_empty()
    );
}
