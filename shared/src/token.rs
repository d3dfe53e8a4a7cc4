//! Unguessable references: an identifier with a signature of ours, in URL-safe base64.
//!
//! A customer's order page and a payment callback are reached by such a token. Nothing is stored for
//! it: whoever shows a token that verifies was given it by us, for this purpose. 128 bits of HMAC
//! cannot be guessed, and a token for one purpose is worth nothing for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::seal::SealKey;

/// What a token is for; part of what is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A customer's page of one order.
    OrderPage,
    /// The address to which a provider reports one payment.
    PaymentCallback,
    /// The address to which a provider reports on messages; its identifier is nil.
    SmsReports,
    /// The address to which M-Pesa reports the payments of a shortcode.
    C2b,
    /// The address to which M-Pesa answers one request.
    RequestResult,
    /// The link by which an e-mail address is proved; its identifier is the claim, and has its time in it.
    EmailAddress,
    /// The link in an e-mail that ends news by e-mail; its identifier is the customer.
    EmailRefusal,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Purpose::OrderPage => "order page",
            Purpose::PaymentCallback => "payment callback",
            Purpose::SmsReports => "sms reports",
            Purpose::C2b => "c2b",
            Purpose::RequestResult => "request result",
            Purpose::EmailAddress => "email address",
            Purpose::EmailRefusal => "email refusal",
        }
    }
}

/// Makes the token for `id`.
pub fn sign(key: &SealKey, purpose: Purpose, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(octets(key, purpose, id))
}

/// The same in hexadecimal digits: M-Pesa refuses addresses in which it finds certain words, and none can be spelt with
/// these.
pub fn sign_hex(key: &SealKey, purpose: Purpose, id: Uuid) -> String {
    hex::encode(octets(key, purpose, id))
}

fn octets(key: &SealKey, purpose: Purpose, id: Uuid) -> Vec<u8> {
    let mut octets = id.as_bytes().to_vec();
    octets.extend_from_slice(&key.signature(purpose.label(), id.as_bytes()));
    octets
}

/// The identifier in a token that we made for this purpose, else `None`.
pub fn verify(key: &SealKey, purpose: Purpose, token: &str) -> Option<Uuid> {
    if token.len() > 64 {
        return None;
    }
    check(key, purpose, &URL_SAFE_NO_PAD.decode(token).ok()?)
}

/// The same for a token of [`sign_hex`].
pub fn verify_hex(key: &SealKey, purpose: Purpose, token: &str) -> Option<Uuid> {
    if token.len() > 64 {
        return None;
    }
    check(key, purpose, &hex::decode(token).ok()?)
}

fn check(key: &SealKey, purpose: Purpose, octets: &[u8]) -> Option<Uuid> {
    let (id, signature) = octets.split_at_checked(16)?;
    key.has_signed(purpose.label(), id, signature).then(|| Uuid::from_slice(id).ok()).flatten()
}

/// Seals a small JSON value into a token that only we can read: what a page must carry through the
/// customer's browser without cookies. Bound to `context`.
pub fn carry<T: serde::Serialize>(key: &SealKey, context: &str, value: &T) -> String {
    let json = serde_json::to_vec(value).expect("our own values serialise");
    URL_SAFE_NO_PAD.encode(key.seal(context, &json))
}

/// Reads what [`carry`] made.
pub fn uncarry<T: serde::de::DeserializeOwned>(key: &SealKey, context: &str, token: &str) -> Option<T> {
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&key.open(context, &sealed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::test_key;

    #[test]
    fn a_token_is_good_for_its_purpose_only() {
        let (key, id) = (test_key(), Uuid::from_u128(7));
        let token = sign(&key, Purpose::OrderPage, id);
        assert_eq!(verify(&key, Purpose::OrderPage, &token), Some(id));
        assert_eq!(verify(&key, Purpose::PaymentCallback, &token), None);
        assert_eq!(verify(&key, Purpose::EmailAddress, &sign(&key, Purpose::EmailRefusal, id)), None);
        let token = sign_hex(&key, Purpose::C2b, id);
        assert_eq!((token.len(), verify_hex(&key, Purpose::C2b, &token)), (64, Some(id)));
        assert_eq!(verify_hex(&key, Purpose::RequestResult, &token), None);
        assert_eq!((verify_hex(&key, Purpose::C2b, &token[..62]), verify_hex(&key, Purpose::C2b, "")), (None, None));
    }

    #[test]
    fn changed_tokens_are_refused() {
        let key = test_key();
        let token = sign(&key, Purpose::OrderPage, Uuid::from_u128(7));
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(verify(&key, Purpose::OrderPage, &changed), None, "at {at}");
        }
        assert_eq!(verify(&key, Purpose::OrderPage, ""), None);
    }

    #[test]
    fn carried_values_come_back_and_cannot_be_read_elsewhere() {
        let key = test_key();
        let token = carry(&key, "visit", &("02:00:00:00:00:01", 5));
        assert_eq!(uncarry::<(String, u8)>(&key, "visit", &token), Some(("02:00:00:00:00:01".into(), 5)));
        assert_eq!(uncarry::<(String, u8)>(&key, "other", &token), None);
        assert!(!token.contains("02:00"));
    }
}
