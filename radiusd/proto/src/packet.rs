//! A checked view over the octets of a packet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |     Code      |  Identifier   |            Length             |
//! +---------------+---------------+-------------------------------+
//! |                   Authenticator (16 octets)                   |
//! +---------------+---------------+-------------------------------+
//! |     Type      |    Length     |  Value (Length - 2 octets) ...        RFC 2865 §3 and §5
//! +---------------+---------------+---------------- - - -
//! ```
//!
//! [`Packet::parse`] checks every length once: after it, walking the attributes cannot leave the packet.
//! A *malformed* packet is refused whole. An *invalid* attribute, one whose value has the wrong width for
//! its type, or a Vendor-Specific whose inner lengths do not add up, is only passed over by [`Packet::get`]
//! and [`Packet::all`] (RFC 6929 §2.8): the packet must still be answered. Strings are octets, NUL
//! included; nothing here takes them for text.
//!
//! Who sent the packet is not known here: see [`crate::authenticator`] and [`crate::message_authenticator`].

use core::fmt;

use crate::attribute::{Attr, Value, rfc2865};
use crate::code::Code;
use crate::error::ParseError;
use crate::limits::{AUTHENTICATOR, HEADER, MAX_ATTRIBUTES, MAX_PACKET};

/// A well-formed packet, borrowed from the datagram that it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    code: Code,
    bytes: &'a [u8],
    kinds: Kinds,
}

/// Which types of attribute a packet has: half of what a login is asked for is not there, and need not be walked for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kinds([u64; 4]);

impl Kinds {
    fn insert(&mut self, kind: u8) {
        self.0[usize::from(kind >> 6)] |= 1 << (kind & 63);
    }

    fn contains(self, kind: u8) -> bool {
        self.0[usize::from(kind >> 6)] & (1 << (kind & 63)) != 0
    }
}

impl<'a> Packet<'a> {
    /// Checks a datagram. Octets after Length are padding and are left out of the view (RFC 2865 §3).
    ///
    /// # Errors
    /// The first rule that the datagram breaks; all of them mean that it must get no answer.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, ParseError> {
        let received = datagram.len();
        if received < HEADER {
            return Err(ParseError::TooShort { received });
        }
        let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        if !(HEADER..=MAX_PACKET).contains(&length) {
            return Err(ParseError::BadLength { length });
        }
        if received < length {
            return Err(ParseError::Truncated { length, received });
        }
        let code = Code::from_u8(datagram[0]).ok_or(ParseError::UnknownCode(datagram[0]))?;
        let bytes = &datagram[..length];
        let kinds = check_attributes(bytes)?;
        Ok(Packet { code, bytes, kinds })
    }

    /// What the packet is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The number that ties a reply to its request.
    #[must_use]
    pub fn identifier(&self) -> u8 {
        self.bytes[1]
    }

    /// The Request or Response Authenticator.
    #[must_use]
    pub fn authenticator(&self) -> &'a [u8; AUTHENTICATOR] {
        self.bytes[4..].first_chunk().expect("a parsed packet has 20 octets")
    }

    /// The packet without padding: exactly Length octets.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Every attribute in the order of the wire, Vendor-Specific ones unopened.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, offset: HEADER }
    }

    /// The first occurrence whose value has the width of its type. Vendors' attributes are looked for inside
    /// Vendor-Specific, however many share one.
    #[must_use]
    pub fn get<T: Value>(&self, attr: Attr<T>) -> Option<T::Ref<'a>> {
        if !self.kinds.contains(outer_kind(attr.vendor, attr.kind)) {
            return None;
        }
        self.all(attr).next()
    }

    /// Every occurrence whose value has the width of its type, in order.
    pub fn all<T: Value>(&self, attr: Attr<T>) -> impl Iterator<Item = T::Ref<'a>> + use<'a, T> {
        self.occurrences(attr.vendor, attr.kind).filter_map(T::decode)
    }

    /// How often the attribute occurs, valid or not.
    #[must_use]
    pub fn count<T>(&self, attr: Attr<T>) -> usize {
        if !self.kinds.contains(outer_kind(attr.vendor, attr.kind)) {
            return 0;
        }
        self.occurrences(attr.vendor, attr.kind).count()
    }

    /// The values of one attribute, of whatever width. `vendor` 0 is the standard space.
    fn occurrences(&self, vendor: u32, kind: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let outer_kind = outer_kind(vendor, kind);
        self.attributes().filter(move |attribute| attribute.kind == outer_kind).flat_map(move |attribute| {
            if vendor == 0 {
                Occurrences::Standard(Some(attribute.value))
            } else {
                Occurrences::Vendor { inner: VendorAttributes::open(attribute.value, vendor), kind }
            }
        })
    }
}

/// The Type octet on the wire of an attribute, which for a vendor's is that of Vendor-Specific.
fn outer_kind(vendor: u32, kind: u8) -> u8 {
    if vendor == 0 { kind } else { rfc2865::VENDOR_SPECIFIC.kind }
}

impl fmt::Debug for Packet<'_> {
    /// Prints the header only: attributes may hold what belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} id {} length {}", self.code, self.identifier(), self.bytes.len())
    }
}

/// Walks the attributes once, proves that they tile the packet exactly, and notes their types.
fn check_attributes(bytes: &[u8]) -> Result<Kinds, ParseError> {
    let mut kinds = Kinds([0; 4]);
    let mut offset = HEADER;
    let mut count = 0;
    while offset < bytes.len() {
        let Some(&[kind, length]) = bytes[offset..].first_chunk::<2>() else {
            return Err(ParseError::AttributeOverflows { offset });
        };
        if length < 2 {
            return Err(ParseError::AttributeTooShort { offset });
        }
        if kind == 0 {
            return Err(ParseError::AttributeZero { offset });
        }
        if offset + usize::from(length) > bytes.len() {
            return Err(ParseError::AttributeOverflows { offset });
        }
        count += 1;
        if count > MAX_ATTRIBUTES {
            return Err(ParseError::TooManyAttributes);
        }
        kinds.insert(kind);
        offset += usize::from(length);
    }
    Ok(kinds)
}

/// One attribute as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The Type octet.
    pub kind: u8,
    /// The octets after Type and Length; may be empty.
    pub value: &'a [u8],
    /// Where the attribute (its Type octet) starts, from the start of the packet.
    pub offset: usize,
}

impl fmt::Debug for Attribute<'_> {
    /// Prints no value: it may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attribute {} at octet {}, {} octets", self.kind, self.offset, self.value.len())
    }
}

/// Iterator over the attributes of a packet; made by [`Packet::attributes`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let offset = self.offset;
        let &[kind, length] = self.bytes.get(offset..)?.first_chunk::<2>()?;
        self.offset = offset + usize::from(length);
        Some(Attribute { kind, value: &self.bytes[offset + 2..self.offset], offset })
    }
}

/// The values under one type number: one for a standard attribute, any number inside a Vendor-Specific.
enum Occurrences<'a> {
    Standard(Option<&'a [u8]>),
    Vendor { inner: VendorAttributes<'a>, kind: u8 },
}

impl<'a> Iterator for Occurrences<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Occurrences::Standard(value) => value.take(),
            Occurrences::Vendor { inner, kind } => {
                let kind = *kind;
                inner.find(|&(number, _)| number == kind).map(|(_, value)| value)
            }
        }
    }
}

/// The attributes inside one Vendor-Specific, in the layout that RFC 2865 §5.26 recommends and that all
/// vendors known to this crate use:
///
/// ```text
/// |  Vendor-Id (4 octets)  | Vendor type | Vendor length | value ... | Vendor type | ...
/// ```
///
/// A Vendor-Specific whose inner lengths do not tile it, or that belongs to another vendor, counts as empty.
#[derive(Clone, Debug)]
pub(crate) struct VendorAttributes<'a> {
    rest: &'a [u8],
}

impl<'a> VendorAttributes<'a> {
    /// Opens the value of a Vendor-Specific.
    pub(crate) fn open(value: &'a [u8], vendor: u32) -> VendorAttributes<'a> {
        let rest = match value.split_first_chunk::<4>() {
            Some((id, rest)) if u32::from_be_bytes(*id) == vendor && tiles(rest) => rest,
            _ => &[],
        };
        VendorAttributes { rest }
    }
}

/// Whether inner attributes fill these octets exactly.
fn tiles(mut rest: &[u8]) -> bool {
    while let Some(&[_, length]) = rest.first_chunk::<2>() {
        match rest.get(usize::from(length)..) {
            Some(after) if length >= 2 => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

impl<'a> Iterator for VendorAttributes<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let &[kind, length] = self.rest.first_chunk::<2>()?;
        let (whole, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some((kind, &whole[2..]))
    }
}
