//! The RADIUS protocol as functions of bytes: RFC 2548, 2865, 2866, 2869, 3162, 5080, 5176 and 5997.
//!
//! A packet has two forms. [`Packet`] is a checked view over the octets of a datagram: its lengths are
//! checked once, in [`Packet::parse`], and every accessor after that cannot fail. [`Builder`] writes a
//! packet into a buffer of the caller, and its `finish_*` methods sign it. Neither allocates.
//!
//! Between the two stand
//! * [`attribute`]: typed names of attributes, so that `packet.get(rfc2865::FRAMED_IP_ADDRESS)` is an address;
//! * [`authenticator`] and [`message_authenticator`]: the two proofs that a packet comes from who shares the [`Secret`];
//! * [`password`]: User-Password (PAP), CHAP-Password, MS-CHAP of both versions and its session keys;
//! * [`duplicate`]: the server's memory of requests that it has answered (RFC 5080 §2.2.2);
//! * [`dynauth`]: the client side of Disconnect and CoA (RFC 5176), with the timers of RFC 5080 §2.2.1;
//! * [`dictionary`]: the text form, for people: attribute names from files in FreeRADIUS' format.
//!
//! What this crate refuses to do: open a socket, read a clock, draw a random number, log, or keep a secret
//! longer than the value it was given in. Time is a [`core::time::Duration`] since any start the caller
//! likes; random octets are arguments.

#![no_std]

extern crate alloc;

pub mod attribute;
pub mod authenticator;
pub mod builder;
pub mod code;
mod constant_time;
pub mod dictionary;
pub mod duplicate;
pub mod dynauth;
pub mod error;
pub mod limits;
pub mod message_authenticator;
pub mod packet;
pub mod password;
pub mod secret;

pub use attribute::{Attr, Value, ValueType};
pub use builder::{Builder, reply};
pub use code::Code;
pub use error::{BuildError, EmptySecret, ParseError};
pub use limits::MAX_PACKET;
pub use packet::{Attribute, Attributes, Packet};
pub use secret::Secret;
