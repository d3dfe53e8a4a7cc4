//! The parser of dictionary files. One line is one statement; `#` starts a comment. Every statement either
//! changes the dictionary, is passed over for a reason that stands in [`Parser::statement`], or is an error.

use core::fmt;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::ValueType;

use super::{AttributeDef, Dictionary};

/// Files within files: enough for any real set, and an end for a file that includes itself.
pub const MAX_INCLUDE_DEPTH: usize = 8;

/// Attributes in one dictionary: FreeRADIUS ships about 8,000.
pub const MAX_ATTRIBUTES: usize = 65_536;

/// Files read in all, each as often as it is included: FreeRADIUS ships about 240. Without a bound, files that
/// include the next one twice would be read exponentially often.
pub const MAX_FILES: usize = 4096;

/// Why a dictionary cannot be read, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DictionaryError {
    /// The file, as it was asked for.
    pub file: String,
    /// The line, from 1; 0 if the file could not be read at all.
    pub line: usize,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The file is not there.
    FileMissing,
    /// Files include each other more than [`MAX_INCLUDE_DEPTH`] deep.
    IncludedTooDeep,
    /// More than [`MAX_FILES`] files.
    TooManyFiles,
    /// A statement that is not known.
    UnknownStatement(String),
    /// A statement with too few words.
    TooFewWords,
    /// A number that is none, or is too large for its place.
    BadNumber(String),
    /// A vendor's format other than `format=1|2|4,0|1|2`.
    BadFormat(String),
    /// A vendor that has not been declared.
    UnknownVendor(String),
    /// `BEGIN-VENDOR` inside another, or `END-VENDOR` without or for another.
    UnbalancedVendor(String),
    /// The name of an attribute or a vendor that already stands for another number.
    NameTaken(String),
    /// A value of an attribute that is declared nowhere.
    UnknownAttribute(String),
    /// More than [`MAX_ATTRIBUTES`] attributes.
    TooManyAttributes,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::FileMissing => f.write_str("the file is not there"),
            ErrorKind::IncludedTooDeep => write!(f, "files include each other more than {MAX_INCLUDE_DEPTH} deep"),
            ErrorKind::TooManyFiles => write!(f, "more than {MAX_FILES} files are included"),
            ErrorKind::UnknownStatement(word) => write!(f, "unknown statement {word:?}"),
            ErrorKind::TooFewWords => f.write_str("too few words"),
            ErrorKind::BadNumber(word) => write!(f, "{word:?} is not a number that fits here"),
            ErrorKind::BadFormat(word) => write!(f, "{word:?} is not a vendor format"),
            ErrorKind::UnknownVendor(name) => write!(f, "vendor {name:?} is not declared"),
            ErrorKind::UnbalancedVendor(name) => {
                write!(f, "BEGIN-VENDOR and END-VENDOR {name:?} do not pair")
            }
            ErrorKind::NameTaken(name) => write!(f, "{name:?} already has another number"),
            ErrorKind::UnknownAttribute(name) => {
                write!(f, "attribute {name:?} is declared nowhere")
            }
            ErrorKind::TooManyAttributes => write!(f, "more than {MAX_ATTRIBUTES} attributes"),
        }
    }
}

impl fmt::Display for DictionaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.kind)
    }
}

impl core::error::Error for DictionaryError {}

/// Reads a file and what it includes.
pub(super) fn load(name: &str, read: &mut dyn FnMut(&str) -> Option<String>) -> Result<Dictionary, DictionaryError> {
    let mut parser = Parser {
        dictionary: Dictionary::default(),
        late_values: Vec::new(),
        passed_over: BTreeSet::new(),
        files: 0,
        read,
    };
    parser.file(name, 0)?;
    let Parser { mut dictionary, late_values, passed_over, .. } = parser;
    for late in late_values {
        if passed_over.contains(&late.attribute.to_ascii_lowercase()) {
            continue;
        }
        dictionary.add_value(&late.attribute, &late.name, late.number).map_err(|kind| DictionaryError {
            file: late.file,
            line: late.line,
            kind,
        })?;
    }
    Ok(dictionary)
}

struct Parser<'r> {
    dictionary: Dictionary,
    late_values: Vec<LateValue>,
    /// Names, in lower case, of attributes that were passed over, so that their values are too.
    passed_over: BTreeSet<String>,
    /// Files read so far.
    files: usize,
    read: &'r mut dyn FnMut(&str) -> Option<String>,
}

/// A VALUE is applied at the end, because it may stand in a file before its ATTRIBUTE.
struct LateValue {
    file: String,
    line: usize,
    attribute: String,
    name: String,
    number: u32,
}

/// Where in one file the parser is.
struct Place<'f> {
    file: &'f str,
    line: usize,
    depth: usize,
    vendor: Option<u32>,
    /// Open `BEGIN-TLV` blocks: attributes inside another attribute, which no part of this crate opens.
    nested: usize,
    /// Whether the vendor's block lies inside an extended attribute (RFC 6929), which is not opened either.
    extended: bool,
}

impl Parser<'_> {
    fn file(&mut self, file: &str, depth: usize) -> Result<(), DictionaryError> {
        let mut place = Place { file, line: 0, depth, vendor: None, nested: 0, extended: false };
        if self.files == MAX_FILES {
            return Err(place.error(ErrorKind::TooManyFiles));
        }
        self.files += 1;
        let text = (self.read)(file).ok_or_else(|| place.error(ErrorKind::FileMissing))?;
        for (index, line) in text.lines().enumerate() {
            place.line = index + 1;
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            if let Some(keyword) = words.next() {
                let words: Vec<&str> = words.collect();
                self.statement(&mut place, keyword, &words)?;
            }
        }
        match place.vendor {
            Some(vendor) => Err(place.error(ErrorKind::UnbalancedVendor(vendor.to_string()))),
            None => Ok(()),
        }
    }

    fn statement(&mut self, place: &mut Place<'_>, keyword: &str, words: &[&str]) -> Result<(), DictionaryError> {
        match keyword.to_ascii_uppercase().as_str() {
            "$INCLUDE" => return self.include(place, words, false),
            "$INCLUDE-" => return self.include(place, words, true),
            "BEGIN-TLV" => {
                place.nested += 1;
                Ok(())
            }
            "END-TLV" => {
                place.nested = place.nested.saturating_sub(1);
                Ok(())
            }
            "VENDOR" => self.vendor(words),
            "BEGIN-VENDOR" => self.begin_vendor(place, words),
            "END-VENDOR" => self.end_vendor(place, words),
            "ATTRIBUTE" => self.attribute(place, words),
            "VALUE" => self.value(place, words),
            // Statements of FreeRADIUS' version 4 about things that this crate does not have.
            "PROTOCOL" | "BEGIN-PROTOCOL" | "END-PROTOCOL" | "FLAGS" | "STRUCT" | "MEMBER" | "ENUM" | "ALIAS"
            | "DEFINE" => Ok(()),
            _ => Err(ErrorKind::UnknownStatement(keyword.to_string())),
        }
        .map_err(|kind| place.error(kind))
    }

    fn include(&mut self, place: &Place<'_>, words: &[&str], optional: bool) -> Result<(), DictionaryError> {
        let [name, ..] = words else {
            return Err(place.error(ErrorKind::TooFewWords));
        };
        if place.depth == MAX_INCLUDE_DEPTH {
            return Err(place.error(ErrorKind::IncludedTooDeep));
        }
        let path = beside(place.file, name);
        match self.file(&path, place.depth + 1) {
            Err(error) if error.kind == ErrorKind::FileMissing && error.file == path => {
                if optional {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            other => other,
        }
    }

    fn vendor(&mut self, words: &[&str]) -> Result<(), ErrorKind> {
        let [name, number, options @ ..] = words else {
            return Err(ErrorKind::TooFewWords);
        };
        // Enterprise number 0 is reserved, and here it would mean the standard space.
        let number = parse_number(number).and_then(|parsed| match parsed {
            0 => Err(ErrorKind::BadNumber((*number).to_owned())),
            _ => Ok(parsed),
        })?;
        let mut format = (1, 1);
        for option in options.iter().filter_map(|option| option.strip_prefix("format=")) {
            format = parse_format(option).ok_or_else(|| ErrorKind::BadFormat(option.to_owned()))?;
        }
        self.dictionary.add_vendor(name, number, format)
    }

    fn begin_vendor(&mut self, place: &mut Place<'_>, words: &[&str]) -> Result<(), ErrorKind> {
        let [name, options @ ..] = words else {
            return Err(ErrorKind::TooFewWords);
        };
        let number = self.vendor_number(name)?;
        place.extended = options.iter().any(|option| option.starts_with("parent=") || option.starts_with("format="));
        if place.vendor.replace(number).is_some() {
            return Err(ErrorKind::UnbalancedVendor((*name).to_owned()));
        }
        Ok(())
    }

    fn end_vendor(&mut self, place: &mut Place<'_>, words: &[&str]) -> Result<(), ErrorKind> {
        let [name, ..] = words else {
            return Err(ErrorKind::TooFewWords);
        };
        let number = self.vendor_number(name)?;
        if place.vendor.take() != Some(number) {
            return Err(ErrorKind::UnbalancedVendor((*name).to_owned()));
        }
        Ok(())
    }

    fn attribute(&mut self, place: &Place<'_>, words: &[&str]) -> Result<(), ErrorKind> {
        let [name, number, type_name, rest @ ..] = words else {
            return Err(ErrorKind::TooFewWords);
        };
        if place.nested > 0 || place.extended || number.contains('.') {
            self.passed_over.insert(name.to_ascii_lowercase());
            return Ok(());
        }
        let mut vendor = place.vendor.unwrap_or(0);
        let mut flags = String::new();
        for word in rest {
            // An old form names the vendor after the type instead of opening a block.
            match self.vendor_number(word) {
                Ok(number) => vendor = number,
                Err(_) => {
                    if !flags.is_empty() {
                        flags.push(' ');
                    }
                    flags.push_str(word);
                }
            }
        }
        let number = parse_number(number)?;
        if vendor == 0 && !(1..=255).contains(&number) {
            // Above 255 stand FreeRADIUS' own names for what never is in a packet.
            self.passed_over.insert(name.to_ascii_lowercase());
            return Ok(());
        }
        self.dictionary.add_attribute(AttributeDef {
            name: (*name).to_owned(),
            vendor,
            number,
            value_type: parse_type(type_name),
            flags,
            values: Vec::new(),
        })
    }

    fn value(&mut self, place: &Place<'_>, words: &[&str]) -> Result<(), ErrorKind> {
        let [attribute, name, number, ..] = words else {
            return Err(ErrorKind::TooFewWords);
        };
        self.late_values.push(LateValue {
            file: place.file.to_owned(),
            line: place.line,
            attribute: (*attribute).to_owned(),
            name: (*name).to_owned(),
            number: parse_number(number)?,
        });
        Ok(())
    }

    fn vendor_number(&self, name: &str) -> Result<u32, ErrorKind> {
        let vendor = self.dictionary.vendor_by_name(name);
        vendor.map(|vendor| vendor.number).ok_or_else(|| ErrorKind::UnknownVendor(name.to_owned()))
    }
}

impl Place<'_> {
    fn error(&self, kind: ErrorKind) -> DictionaryError {
        DictionaryError { file: self.file.to_owned(), line: self.line, kind }
    }
}

/// The path of a file that another includes.
fn beside(including: &str, name: &str) -> String {
    match including.rfind('/') {
        Some(end) if !name.starts_with('/') => including[..=end].to_owned() + name,
        _ => name.to_owned(),
    }
}

fn parse_number(word: &str) -> Result<u32, ErrorKind> {
    let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => word.parse(),
    };
    number.map_err(|_| ErrorKind::BadNumber(word.to_owned()))
}

/// `type_octets,length_octets[,c]`, or the names of the extended formats, which are not opened here.
fn parse_format(word: &str) -> Option<(u8, u8)> {
    let mut parts = word.split(',');
    let kind = parts.next()?.parse().ok().filter(|octets| [1, 2, 4].contains(octets))?;
    let length = parts.next()?.parse().ok().filter(|octets| [0, 1, 2].contains(octets))?;
    Some((kind, length))
}

/// The type by any of the names that versions of FreeRADIUS give it.
fn parse_type(word: &str) -> Option<ValueType> {
    let name = word.split('[').next().unwrap_or_default();
    Some(match name {
        "string" | "text" => ValueType::Text,
        "octets" => ValueType::Octets,
        "integer" | "uint32" => ValueType::Integer,
        "date" | "time" => ValueType::Date,
        "ipaddr" | "ipv4addr" => ValueType::Ipv4,
        "ipv6addr" => ValueType::Ipv6,
        "ipv6prefix" => ValueType::Ipv6Prefix,
        "ifid" => ValueType::InterfaceId,
        "vsa" => ValueType::Vsa,
        _ => return None,
    })
}
