//! Why a packet cannot be read ([`ParseError`]) or written ([`BuildError`]). Each variant is one rule of the
//! RFCs, so that a server can count discarded packets by reason; [`ParseError::reason`] is that label.

use core::fmt;

use crate::limits::{HEADER, MAX_ATTRIBUTES, MAX_PACKET};

/// Why a datagram is not a RADIUS packet. All of these mean "silently discard" (RFC 2865 §3, §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParseError {
    /// Fewer octets than a header has.
    TooShort {
        /// Octets received.
        received: usize,
    },
    /// The Length field is under 20 or over 4096.
    BadLength {
        /// What the field says.
        length: usize,
    },
    /// Fewer octets came than the Length field says.
    Truncated {
        /// What the field says.
        length: usize,
        /// Octets received.
        received: usize,
    },
    /// A Code that we do not understand.
    UnknownCode(u8),
    /// An attribute of type 0, which is not assigned.
    AttributeZero {
        /// Octets from the start of the packet.
        offset: usize,
    },
    /// An attribute whose Length is 0 or 1.
    AttributeTooShort {
        /// Octets from the start of the packet.
        offset: usize,
    },
    /// An attribute that reaches past the end of the packet, or a single stray octet there.
    AttributeOverflows {
        /// Octets from the start of the packet.
        offset: usize,
    },
    /// More attributes than [`MAX_ATTRIBUTES`].
    TooManyAttributes,
}

impl ParseError {
    /// A short, fixed label for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            ParseError::TooShort { .. } => "too_short",
            ParseError::BadLength { .. } => "bad_length",
            ParseError::Truncated { .. } => "truncated",
            ParseError::UnknownCode(_) => "unknown_code",
            ParseError::AttributeZero { .. } => "attribute_zero",
            ParseError::AttributeTooShort { .. } => "attribute_too_short",
            ParseError::AttributeOverflows { .. } => "attribute_overflows",
            ParseError::TooManyAttributes => "too_many_attributes",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::TooShort { received } => {
                write!(f, "{received} octets are fewer than a header of {HEADER}")
            }
            ParseError::BadLength { length } => {
                write!(f, "Length {length} is outside {HEADER}..={MAX_PACKET}")
            }
            ParseError::Truncated { length, received } => {
                write!(f, "Length says {length} octets, {received} came")
            }
            ParseError::UnknownCode(code) => write!(f, "unknown Code {code}"),
            ParseError::AttributeZero { offset } => {
                write!(f, "attribute of type 0 at octet {offset}")
            }
            ParseError::AttributeTooShort { offset } => {
                write!(f, "attribute shorter than 2 octets at octet {offset}")
            }
            ParseError::AttributeOverflows { offset } => {
                write!(f, "attribute at octet {offset} reaches past the packet")
            }
            ParseError::TooManyAttributes => write!(f, "more than {MAX_ATTRIBUTES} attributes"),
        }
    }
}

impl core::error::Error for ParseError {}

/// Why an attribute cannot be added to a packet. The packet under construction stays as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BuildError {
    /// An empty value: RFC 2865 §5 says to leave the attribute out.
    EmptyValue {
        /// Type of the attribute.
        kind: u8,
    },
    /// A value longer than its attribute can hold.
    ValueTooLong {
        /// Type of the attribute.
        kind: u8,
        /// Octets of the value.
        length: usize,
    },
    /// No room is left within 4096 octets.
    PacketFull,
    /// The packet already has [`MAX_ATTRIBUTES`] attributes.
    TooManyAttributes,
    /// Type 0, which is not assigned; or Message-Authenticator, which has a value only once the packet is
    /// complete: see [`crate::Builder::reserve_message_authenticator`].
    ForbiddenKind {
        /// Type of the attribute.
        kind: u8,
    },
    /// A Message-Authenticator has been reserved before; there may be only one (RFC 2869 §5.14).
    MessageAuthenticatorRepeated,
    /// A password longer than 128 octets (RFC 2865 §5.2).
    PasswordTooLong {
        /// Octets of the password.
        length: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::EmptyValue { kind } => write!(f, "attribute {kind} would be empty"),
            BuildError::ValueTooLong { kind, length } => {
                write!(f, "{length} octets do not fit in attribute {kind}")
            }
            BuildError::PacketFull => write!(f, "the packet would exceed {MAX_PACKET} octets"),
            BuildError::TooManyAttributes => {
                write!(f, "the packet would exceed {MAX_ATTRIBUTES} attributes")
            }
            BuildError::ForbiddenKind { kind } => {
                write!(f, "attribute {kind} cannot be written directly")
            }
            BuildError::MessageAuthenticatorRepeated => f.write_str("a second Message-Authenticator"),
            BuildError::PasswordTooLong { length } => {
                write!(f, "a password of {length} octets exceeds 128")
            }
        }
    }
}

impl core::error::Error for BuildError {}

/// A shared secret of no octets, which RFC 2865 §3 forbids: anyone could forge packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EmptySecret;

impl fmt::Display for EmptySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a RADIUS shared secret must not be empty")
    }
}

impl core::error::Error for EmptySecret {}
