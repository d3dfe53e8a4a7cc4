//! One-time codes of an authenticator app: TOTP (RFC 6238) over HOTP (RFC 4226), as all apps speak it: HMAC-SHA-1, six digits,
//! thirty seconds.
//!
//! [`step_of`] says which time step a typed code is of, so that whoever asks can note the step: a code is good once, and so is
//! none that is older than the last (RFC 6238 section 5.2). [`uri`] is what an app reads from a QR code.
//!
//! Refused here: remembering. The secret and the last step are the caller's.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;

use crate::rng;
use crate::time::OffsetDateTime;

/// Octets of a secret: as long as the hash (RFC 4226 section 4, R6).
pub const SECRET_OCTETS: usize = 20;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// Length of a time step, seconds (RFC 6238 section 4.1).
const STEP_SECONDS: i64 = 30;
/// Steps that a clock may be off, to each side: half a minute, and a slow finger.
const TOLERANCE: i64 = 1;

/// A new secret.
pub fn new_secret() -> [u8; SECRET_OCTETS] {
    rng::bytes()
}

/// The time step of a moment.
pub fn step_at(now: OffsetDateTime) -> i64 {
    now.unix_timestamp().div_euclid(STEP_SECONDS)
}

/// The code of a time step (RFC 4226 section 5.3).
pub fn code(secret: &[u8], step: i64) -> String {
    let number = truncated(secret, step) % 10_u32.pow(6);
    format!("{number:0width$}", width = DIGITS)
}

/// 31 bits of the HMAC of a step, taken where its last four bits point (RFC 4226 section 5.3).
fn truncated(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0x0f);
    let word = [tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]];
    u32::from_be_bytes(word)
}

/// What was typed, if it can be a code: six digits, however they are grouped.
pub fn typed(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// The time step of which this is the code, near `now` and after the step whose code was used last. `None`: it is of none.
pub fn step_of(secret: &[u8], typed: &str, now: OffsetDateTime, last: Option<i64>) -> Option<i64> {
    let present = step_at(now);
    let mut found = None;
    // All are compared, however early one fits.
    for step in present - TOLERANCE..=present + TOLERANCE {
        let fits = bool::from(code(secret, step).as_bytes().ct_eq(typed.as_bytes()));
        if fits && last.is_none_or(|last| step > last) {
            found = found.or(Some(step));
        }
    }
    found
}

/// The secret as people type it and apps read it: base32 (RFC 4648 section 6) without padding.
pub fn base32(secret: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(secret.len().div_ceil(5) * 8);
    for group in secret.chunks(5) {
        let mut bits = 0_u64;
        for at in 0..5 {
            bits = (bits << 8) | u64::from(group.get(at).copied().unwrap_or(0));
        }
        let letters = (group.len() * 8).div_ceil(5);
        for at in 0..letters {
            let index = usize::try_from((bits >> (35 - 5 * at)) & 0x1f).unwrap_or(0);
            out.push(char::from(ALPHABET[index]));
        }
    }
    out
}

/// What an authenticator app reads: who asks for codes, and for whom.
pub fn uri(secret: &[u8], issuer: &str, account: &str) -> String {
    let (issuer, account) = (escaped(issuer), escaped(account));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        base32(secret)
    )
}

/// Percent-encoding of everything but the unreserved letters (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    /// RFC 6238 appendix B has eight digits; ours are the last six of them.
    #[test]
    fn rfc_6238_appendix_b() {
        for (seconds, digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = step_at(at(seconds));
            assert_eq!(truncated(SECRET, step) % 100_000_000, digits, "at {seconds}");
            assert_eq!(code(SECRET, step), format!("{:06}", digits % 1_000_000), "at {seconds}");
        }
    }

    /// RFC 4226 appendix D.
    #[test]
    fn rfc_4226_appendix_d() {
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, expected) in (0..).zip(codes) {
            assert_eq!(code(SECRET, step), expected, "step {step}");
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_to_each_side_and_not_twice() {
        let now = at(1_800_000_015);
        let present = step_at(now);
        for (step, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = step_of(SECRET, &code(SECRET, present + step), now, None);
            assert_eq!(found, good.then_some(present + step), "{step}");
        }
        let used = code(SECRET, present);
        assert_eq!(step_of(SECRET, &used, now, Some(present)), None, "the same once more");
        assert_eq!(step_of(SECRET, &code(SECRET, present - 1), now, Some(present)), None, "an older one");
        let next = code(SECRET, present + 1);
        assert_eq!(step_of(SECRET, &next, now, Some(present)), Some(present + 1));
        assert_eq!(step_of(b"another secret......", &used, now, None), None);
    }

    #[test]
    fn what_is_typed_is_six_digits() {
        assert_eq!((typed(" 123 456 "), typed("123-456")), (Some("123456".into()), Some("123456".into())));
        for text in ["", "12345", "1234567", "12345a", "ABCDE-FGHJK", "１２３４５６"] {
            assert_eq!(typed(text), None, "{text}");
        }
    }

    /// RFC 4648 section 10, without the padding.
    #[test]
    fn base32_is_that_of_rfc_4648() {
        let known = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (plain, expected) in known {
            assert_eq!(base32(plain.as_bytes()), expected, "{plain}");
        }
        assert_eq!(base32(SECRET).len(), 32);
    }

    #[test]
    fn an_app_is_told_who_asks() {
        let uri = uri(SECRET, "Kahawa Wi-Fi & Co", "me@example.org");
        assert!(
            uri.starts_with("otpauth://totp/Kahawa%20Wi-Fi%20%26%20Co:me%40example.org?secret=GEZDGNBVGY3TQOJQ"),
            "{uri}"
        );
        assert!(uri.ends_with("&issuer=Kahawa%20Wi-Fi%20%26%20Co&algorithm=SHA1&digits=6&period=30"), "{uri}");
    }
}
