//! Typed names of attributes.
//!
//! An [`Attr`] ties a number (and a vendor) to a type, and the type decides what [`crate::Packet::get`]
//! returns and [`crate::Builder::put`] takes. The types are empty markers ([`Text`], [`Integer`], …) whose
//! value is [`Value::Ref`]. One file holds the attributes of one RFC or vendor; each file is one use of the
//! `attributes!` macro, which makes the constants and also the tables [`TABLES`], by which a test proves that
//! the files under `dictionaries/` say the same.
//!
//! A name with no constant here can still be read and written: make an [`Attr`] with [`Attr::standard`] or
//! [`Attr::vendor`]. Not here: tagged attributes (RFC 2868) and extended ones (RFC 6929), which no part of
//! the project uses; their octets are readable through [`crate::Packet::attributes`].

use core::fmt;
use core::marker::PhantomData;
use core::net::{Ipv4Addr, Ipv6Addr};

#[macro_use]
mod macros;

pub mod ascend;
pub mod microsoft;
pub mod mikrotik;
pub mod rfc2865;
pub mod rfc2866;
pub mod rfc2869;
pub mod rfc3162;
pub mod rfc5176;
pub mod wispr;

/// Every table of attributes, each with the file under `dictionaries/` that says the same.
pub static TABLES: &[Table] = &[
    rfc2865::TABLE,
    rfc2866::TABLE,
    rfc2869::TABLE,
    rfc3162::TABLE,
    rfc5176::TABLE,
    mikrotik::TABLE,
    wispr::TABLE,
    microsoft::TABLE,
    ascend::TABLE,
];

/// The name of an attribute: number, vendor, and the type of its value.
pub struct Attr<T> {
    /// IANA enterprise number of the vendor; 0 for a standard attribute.
    pub vendor: u32,
    /// The Type octet, or the vendor's own type inside Vendor-Specific.
    pub kind: u8,
    /// The name as dictionaries write it.
    pub name: &'static str,
    marker: PhantomData<fn() -> T>,
}

impl<T> Attr<T> {
    /// A standard attribute.
    #[must_use]
    pub const fn standard(kind: u8, name: &'static str) -> Attr<T> {
        Attr::vendor(0, kind, name)
    }

    /// A vendor's attribute, in the layout that RFC 2865 §5.26 recommends.
    #[must_use]
    pub const fn vendor(vendor: u32, kind: u8, name: &'static str) -> Attr<T> {
        Attr { vendor, kind, name, marker: PhantomData }
    }
}

impl<T> Clone for Attr<T> {
    fn clone(&self) -> Attr<T> {
        *self
    }
}

impl<T> Copy for Attr<T> {}

impl<T> fmt::Debug for Attr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{})", self.name, self.vendor, self.kind)
    }
}

/// Octets that the longest value of fixed shape needs (an IPv6 prefix: RFC 3162 §2.3).
pub const SCRATCH: usize = 18;

/// A type of value: how it reads and how it is written.
pub trait Value: Sized {
    /// The value itself; text and octets are borrowed from the packet.
    type Ref<'a>: Copy;

    /// The type as a value, for tables and printing.
    const TYPE: ValueType;

    /// Reads a value; `None` if these octets cannot be one. Empty values are not valid (RFC 2865 §5).
    fn decode(value: &[u8]) -> Option<Self::Ref<'_>>;

    /// The octets of a value: its own, or written into the scratch buffer.
    fn encode<'v>(value: &'v Self::Ref<'_>, scratch: &'v mut [u8; SCRATCH]) -> &'v [u8];
}

/// The types of value that attributes have (RFC 8044 names in parentheses).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValueType {
    /// Characters, in fact any octets (`text`).
    Text,
    /// Any octets (`string`).
    Octets,
    /// 32 bits, unsigned (`integer`, `enum`).
    Integer,
    /// Seconds since 1970, 32 bits, unsigned (`time`).
    Date,
    /// An IPv4 address (`ipv4addr`).
    Ipv4,
    /// An IPv6 address (`ipv6addr`).
    Ipv6,
    /// An IPv6 prefix of 0 to 128 bits (`ipv6prefix`).
    Ipv6Prefix,
    /// The lower 64 bits of an IPv6 address (`ifid`).
    InterfaceId,
    /// Vendor-Specific itself (`vsa`).
    Vsa,
}

impl ValueType {
    /// The name that dictionary files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ValueType::Text => "string",
            ValueType::Octets => "octets",
            ValueType::Integer => "integer",
            ValueType::Date => "date",
            ValueType::Ipv4 => "ipaddr",
            ValueType::Ipv6 => "ipv6addr",
            ValueType::Ipv6Prefix => "ipv6prefix",
            ValueType::InterfaceId => "ifid",
            ValueType::Vsa => "vsa",
        }
    }
}

macro_rules! borrowed {
    ($(#[doc = $doc:literal])* $marker:ident) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $marker {}

        impl Value for $marker {
            type Ref<'a> = &'a [u8];
            const TYPE: ValueType = ValueType::$marker;

            fn decode(value: &[u8]) -> Option<&[u8]> {
                (!value.is_empty()).then_some(value)
            }

            fn encode<'v>(value: &'v &[u8], _: &'v mut [u8; SCRATCH]) -> &'v [u8] {
                value
            }
        }
    };
}

macro_rules! fixed {
    ($(#[doc = $doc:literal])* $marker:ident, $value:ty, $width:literal, $read:expr, $write:expr) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $marker {}

        impl Value for $marker {
            type Ref<'a> = $value;
            const TYPE: ValueType = ValueType::$marker;

            fn decode(value: &[u8]) -> Option<$value> {
                let octets: [u8; $width] = value.try_into().ok()?;
                let read: fn([u8; $width]) -> $value = $read;
                Some(read(octets))
            }

            fn encode<'v>(value: &'v $value, scratch: &'v mut [u8; SCRATCH]) -> &'v [u8] {
                let write: fn(&$value) -> [u8; $width] = $write;
                scratch[..$width].copy_from_slice(&write(value));
                &scratch[..$width]
            }
        }
    };
}

borrowed! {
    /// Characters: `&[u8]`, because what comes from a router need not be UTF-8 and may hold NUL (RFC 2865 §5).
    Text
}
borrowed! {
    /// Octets: `&[u8]`.
    Octets
}
borrowed! {
    /// The value of a Vendor-Specific, Vendor-Id included: `&[u8]`.
    Vsa
}
fixed! {
    /// 32 bits: `u32`.
    Integer, u32, 4, u32::from_be_bytes, |value| value.to_be_bytes()
}
fixed! {
    /// Seconds since 1970: `u32`.
    Date, u32, 4, u32::from_be_bytes, |value| value.to_be_bytes()
}
fixed! {
    /// An IPv4 address: `Ipv4Addr`.
    Ipv4, Ipv4Addr, 4, Ipv4Addr::from, Ipv4Addr::octets
}
fixed! {
    /// An IPv6 address: `Ipv6Addr`.
    Ipv6, Ipv6Addr, 16, Ipv6Addr::from, Ipv6Addr::octets
}
fixed! {
    /// An IPv6 interface identifier: `[u8; 8]`.
    InterfaceId, [u8; 8], 8, |octets| octets, |value| *value
}

/// An IPv6 prefix: [`Prefix`].
///
/// ```text
/// | reserved (0) | prefix length, 0 to 128 | prefix (0 to 16 octets) ...         RFC 3162 §2.3
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Ipv6Prefix {}

/// The value of an [`Ipv6Prefix`] attribute. Bits after the prefix's length are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Prefix {
    address: Ipv6Addr,
    length: u8,
}

impl Prefix {
    /// A prefix; bits of the address after `length` are cleared. `None` if `length` is over 128.
    #[must_use]
    pub fn new(address: Ipv6Addr, length: u8) -> Option<Prefix> {
        let unused = 128_u32.checked_sub(u32::from(length))?;
        let mask = u128::MAX.checked_shl(unused).unwrap_or(0);
        Some(Prefix { address: Ipv6Addr::from_bits(address.to_bits() & mask), length })
    }

    /// The first address of the prefix.
    #[must_use]
    pub const fn address(self) -> Ipv6Addr {
        self.address
    }

    /// The number of bits.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Value for Ipv6Prefix {
    type Ref<'a> = Prefix;
    const TYPE: ValueType = ValueType::Ipv6Prefix;

    /// The octets may stop after the last bit of the prefix; bits after it must be zero.
    fn decode(value: &[u8]) -> Option<Prefix> {
        let (&[_reserved, length], octets) = value.split_first_chunk::<2>()?;
        let mut address = [0; 16];
        address.get_mut(..octets.len())?.copy_from_slice(octets);
        let address = Ipv6Addr::from(address);
        let prefix = Prefix::new(address, length)?;
        let long_enough = octets.len() * 8 >= usize::from(length);
        (long_enough && prefix.address == address).then_some(prefix)
    }

    fn encode<'v>(value: &'v Prefix, scratch: &'v mut [u8; SCRATCH]) -> &'v [u8] {
        scratch[0] = 0;
        scratch[1] = value.length;
        scratch[2..].copy_from_slice(&value.address.octets());
        &scratch[..2 + usize::from(value.length).div_ceil(8)]
    }
}

/// The attributes of one RFC or vendor, as data.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The file under `dictionaries/` that says the same.
    pub file: &'static str,
    /// IANA enterprise number; 0 for the standard space.
    pub vendor: u32,
    /// Every attribute of the module.
    pub attributes: &'static [Entry],
    /// The names of its attributes' values.
    pub values: &'static [NamedValues],
}

/// One attribute of a [`Table`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The name as dictionaries write it.
    pub name: &'static str,
    /// The number.
    pub kind: u8,
    /// The type of the value.
    pub value_type: ValueType,
}

/// The names of an attribute's values.
#[derive(Clone, Copy, Debug)]
pub struct NamedValues {
    /// The attribute's name.
    pub attribute: &'static str,
    /// Number and name of each value.
    pub values: &'static [(u32, &'static str)],
}

impl NamedValues {
    /// The name of a value, if it has one.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&'static str> {
        self.values.iter().find(|(value, _)| *value == number).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_needs_all_its_bits_and_nothing_after_them() {
        let decode = |octets: &[u8]| Ipv6Prefix::decode(octets).map(|prefix| (prefix.address(), prefix.length()));
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
        assert_eq!(decode(&[0, 32, 0x20, 0x01, 0x0d, 0xb8]), Some((documentation, 32)));
        assert_eq!(decode(&[0, 32, 0x20, 0x01, 0x0d, 0xb8, 0, 0]), Some((documentation, 32)));
        assert_eq!(decode(&[0, 0]), Some((Ipv6Addr::UNSPECIFIED, 0)));
        assert_eq!(decode(&[0, 40, 0x20, 0x01, 0x0d, 0xb8]), None, "octets are missing");
        assert_eq!(decode(&[0, 24, 0x20, 0x01, 0x0d, 0xb8]), None, "bits after the prefix");
        assert_eq!(decode(&[0, 129, 0x20]), None, "more than 128 bits");
        assert_eq!(decode(&[[0, 128], [1; 2]].concat().repeat(5)), None, "more than 16 octets");
        assert_eq!(decode(&[0]), None);
        assert_eq!(Prefix::new(documentation, 129), None);
    }
}
