//! Writes a packet into a buffer of the caller.
//!
//! [`Builder::put`] and its relatives append attributes in the order of the calls; one of the three
//! `finish_*` methods then fills in Length, Message-Authenticator and Authenticator, in that order, because
//! each covers the ones before. A failed call leaves the packet as it was. [`reply`] starts an answer with
//! the right identifier and, where the answer goes to an Access-Request, with Message-Authenticator as its
//! first attribute: that stops the prefix collision of CVE-2024-3596 ("Blast-RADIUS"), and it is not
//! configurable.
//!
//! What it refuses: an empty value (RFC 2865 §5), a value over 253 octets, a packet over 4096, more than one
//! Message-Authenticator, and a Message-Authenticator whose value the caller made up.

use hmac::Mac;

use crate::attribute::{Attr, Value, rfc2865, rfc2869};
use crate::code::Code;
use crate::error::BuildError;
use crate::limits::{AUTHENTICATOR, HEADER, MAX_ATTRIBUTES, MAX_PACKET, MAX_PASSWORD, MAX_VALUE, MAX_VENDOR_VALUE};
use crate::packet::Packet;
use crate::password::pap;
use crate::secret::Secret;

/// Starts the answer to `request`: same Identifier, and for Access-Accept, -Reject, -Challenge and
/// Protocol-Error a Message-Authenticator as the first attribute. Finish with [`Builder::finish_reply`].
///
/// # Errors
/// None in practice: an empty packet has room for one attribute.
pub fn reply<'b>(buf: &'b mut [u8; MAX_PACKET], code: Code, request: &Packet<'_>) -> Result<Builder<'b>, BuildError> {
    let mut builder = Builder::new(buf, code, request.identifier());
    let signed = matches!(code, Code::AccessAccept | Code::AccessReject | Code::AccessChallenge | Code::ProtocolError);
    if signed {
        builder.reserve_message_authenticator()?;
    }
    Ok(builder)
}

/// A packet under construction.
#[derive(Debug)]
pub struct Builder<'b> {
    buf: &'b mut [u8; MAX_PACKET],
    length: usize,
    attributes: usize,
    /// Where the 16 octets of the Message-Authenticator's value start.
    message_authenticator: Option<usize>,
}

impl<'b> Builder<'b> {
    /// Starts a packet with no attributes. What the buffer held before does not matter.
    pub fn new(buf: &'b mut [u8; MAX_PACKET], code: Code, identifier: u8) -> Builder<'b> {
        buf[0] = code.as_u8();
        buf[1] = identifier;
        buf[2..HEADER].fill(0);
        Builder { buf, length: HEADER, attributes: 0, message_authenticator: None }
    }

    /// Reserves a Message-Authenticator here (RFC 2869 §5.14); `finish_*` computes its value.
    ///
    /// # Errors
    /// If one is reserved already, or the packet is full.
    pub fn reserve_message_authenticator(&mut self) -> Result<(), BuildError> {
        if self.message_authenticator.is_some() {
            return Err(BuildError::MessageAuthenticatorRepeated);
        }
        let start = self.append(rfc2869::MESSAGE_AUTHENTICATOR.kind, AUTHENTICATOR)?;
        self.buf[start..start + AUTHENTICATOR].fill(0);
        self.message_authenticator = Some(start);
        Ok(())
    }

    /// Appends an attribute. A vendor's attribute gets a Vendor-Specific of its own, as RouterOS does it:
    ///
    /// ```text
    /// | 26 | Length | Vendor-Id (4 octets) | Vendor type | Vendor length | value ...      RFC 2865 §5.26
    /// ```
    ///
    /// # Errors
    /// If the value is empty or too long, or the packet is full.
    pub fn put<T: Value>(&mut self, attr: Attr<T>, value: T::Ref<'_>) -> Result<&mut Self, BuildError> {
        let mut scratch = [0; crate::attribute::SCRATCH];
        let value = T::encode(&value, &mut scratch);
        if attr.vendor == 0 {
            return self.put_raw(attr.kind, value);
        }
        self.put_vendor_raw(attr.vendor, attr.kind, value)
    }

    /// Appends a standard attribute by its number.
    ///
    /// # Errors
    /// As [`Builder::put`]; also for type 0 and for Message-Authenticator.
    pub fn put_raw(&mut self, kind: u8, value: &[u8]) -> Result<&mut Self, BuildError> {
        if kind == 0 || kind == rfc2869::MESSAGE_AUTHENTICATOR.kind {
            return Err(BuildError::ForbiddenKind { kind });
        }
        let start = self.append(kind, value.len())?;
        self.buf[start..start + value.len()].copy_from_slice(value);
        Ok(self)
    }

    /// Appends a vendor's attribute by its numbers.
    ///
    /// # Errors
    /// As [`Builder::put`].
    pub fn put_vendor_raw(&mut self, vendor: u32, kind: u8, value: &[u8]) -> Result<&mut Self, BuildError> {
        if value.is_empty() {
            return Err(BuildError::EmptyValue { kind });
        }
        if value.len() > MAX_VENDOR_VALUE {
            return Err(BuildError::ValueTooLong { kind, length: value.len() });
        }
        let inner_length = u8::try_from(value.len() + 2).expect("at most 249");
        let start = self.append(rfc2865::VENDOR_SPECIFIC.kind, value.len() + 6)?;
        self.buf[start..start + 4].copy_from_slice(&vendor.to_be_bytes());
        self.buf[start + 4] = kind;
        self.buf[start + 5] = inner_length;
        self.buf[start + 6..start + 6 + value.len()].copy_from_slice(value);
        Ok(self)
    }

    /// Appends every Proxy-State of the request, unchanged and in order (RFC 2865 §5.33).
    ///
    /// # Errors
    /// If the packet is full; the ones before the failure stay.
    pub fn copy_proxy_state(&mut self, request: &Packet<'_>) -> Result<&mut Self, BuildError> {
        // An empty Proxy-State, which no one may send, is not valid for `all` and is left out.
        for state in request.all(rfc2865::PROXY_STATE) {
            self.put(rfc2865::PROXY_STATE, state)?;
        }
        Ok(self)
    }

    /// Appends a User-Password, hidden under the Request Authenticator that `finish_access_request` will be
    /// given (RFC 2865 §5.2). An empty password becomes one block of padding.
    ///
    /// # Errors
    /// If the password is longer than 128 octets or the packet is full.
    pub fn put_user_password(
        &mut self,
        password: &[u8],
        authenticator: &[u8; AUTHENTICATOR],
        secret: &Secret,
    ) -> Result<&mut Self, BuildError> {
        let mut out = [0; MAX_PASSWORD];
        let hidden = pap::hide(password, authenticator, secret, &mut out)
            .ok_or(BuildError::PasswordTooLong { length: password.len() })?;
        self.put_raw(rfc2865::USER_PASSWORD.kind, hidden)
    }

    /// Octets written so far, header included.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Signs an answer: Message-Authenticator over the packet with the request's Authenticator in place
    /// (RFC 2869 §5.14, RFC 5176 §3.4), then the Response Authenticator
    /// MD5(Code + Identifier + Length + Request Authenticator + attributes + secret) (RFC 2865 §3).
    #[must_use]
    pub fn finish_reply(self, secret: &Secret, request_authenticator: &[u8; AUTHENTICATOR]) -> &'b [u8] {
        self.finish_hashed(secret, request_authenticator)
    }

    /// Signs an Access-Request or Status-Server, whose Authenticator is random and is covered by the
    /// Message-Authenticator (RFC 2865 §3, RFC 2869 §5.14, RFC 5997 §3).
    #[must_use]
    pub fn finish_access_request(mut self, secret: &Secret, random_authenticator: [u8; AUTHENTICATOR]) -> &'b [u8] {
        self.write_length();
        self.buf[4..HEADER].copy_from_slice(&random_authenticator);
        self.sign(secret);
        &self.buf[..self.length]
    }

    /// Signs an Accounting-, CoA- or Disconnect-Request, whose Authenticator is
    /// MD5(Code + Identifier + Length + 16 zero octets + attributes + secret) (RFC 2866 §3, RFC 5176 §2.3);
    /// a Message-Authenticator is first computed over the zero octets (RFC 5176 §3.4).
    #[must_use]
    pub fn finish_hashed_request(self, secret: &Secret) -> &'b [u8] {
        self.finish_hashed(secret, &[0; AUTHENTICATOR])
    }

    fn finish_hashed(mut self, secret: &Secret, seed: &[u8; AUTHENTICATOR]) -> &'b [u8] {
        self.write_length();
        self.buf[4..HEADER].copy_from_slice(seed);
        self.sign(secret);
        let authenticator = secret.md5_after(&[&self.buf[..self.length]]);
        self.buf[4..HEADER].copy_from_slice(&authenticator);
        &self.buf[..self.length]
    }

    fn write_length(&mut self) {
        let length = u16::try_from(self.length).expect("at most 4096");
        self.buf[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// Computes the reserved Message-Authenticator, if any, over the packet as it now stands.
    fn sign(&mut self, secret: &Secret) {
        let Some(start) = self.message_authenticator else {
            return;
        };
        let mut mac = secret.hmac();
        mac.update(&self.buf[..self.length]);
        let tag: [u8; AUTHENTICATOR] = mac.finalize().into_bytes().into();
        self.buf[start..start + AUTHENTICATOR].copy_from_slice(&tag);
    }

    /// Writes Type and Length of an attribute and returns where its value starts.
    fn append(&mut self, kind: u8, value_length: usize) -> Result<usize, BuildError> {
        if value_length == 0 {
            return Err(BuildError::EmptyValue { kind });
        }
        if value_length > MAX_VALUE {
            return Err(BuildError::ValueTooLong { kind, length: value_length });
        }
        if self.attributes == MAX_ATTRIBUTES {
            return Err(BuildError::TooManyAttributes);
        }
        let start = self.length + 2;
        if start + value_length > MAX_PACKET {
            return Err(BuildError::PacketFull);
        }
        self.buf[self.length] = kind;
        self.buf[self.length + 1] = u8::try_from(value_length + 2).expect("at most 255");
        self.length = start + value_length;
        self.attributes += 1;
        Ok(start)
    }
}
