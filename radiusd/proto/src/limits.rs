//! Every bound of the protocol, with its reason. A bound of a single mechanism stands with that mechanism
//! ([`crate::duplicate`], [`crate::dynauth`], [`crate::dictionary`]).

/// Octets before the first attribute: Code, Identifier, Length, Authenticator (RFC 2865 §3).
pub const HEADER: usize = 20;

/// Octets of a Request or Response Authenticator (RFC 2865 §3).
pub const AUTHENTICATOR: usize = 16;

/// Largest packet, in octets (RFC 2865 §3). Longer ones are neither read nor written.
pub const MAX_PACKET: usize = 4096;

/// Most attributes in one packet. The RFCs set no bound; a login carries about 20, and a packet of
/// two-octet attributes would make each look-up walk 2,000 of them. Applies to reading and to writing.
pub const MAX_ATTRIBUTES: usize = 200;

/// Largest value of an attribute, in octets: Length is one octet and counts itself and Type (RFC 2865 §5).
pub const MAX_VALUE: usize = 253;

/// Largest value of a vendor's attribute, in octets: Vendor-Id and the inner header take six (RFC 2865 §5.26).
pub const MAX_VENDOR_VALUE: usize = MAX_VALUE - 6;

/// Largest User-Password, in octets, hidden or plain (RFC 2865 §5.2).
pub const MAX_PASSWORD: usize = 128;

/// Octets of a CHAP-Password: identifier and MD5 (RFC 2865 §5.3).
pub const CHAP_PASSWORD: usize = 17;

/// Octets of a Message-Authenticator attribute, header included (RFC 2869 §5.14).
pub const MESSAGE_AUTHENTICATOR: usize = 18;
