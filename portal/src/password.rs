//! Passwords of staff: Argon2id, away from the threads that serve pages, two at a time.
//!
//! One hash costs 19 MiB and some tens of milliseconds on purpose. A semaphore for the whole process keeps
//! a crowd at the sign-in page from eating the memory; the work runs on blocking threads. An account that
//! does not exist costs the same as one that does: [`verify`] without a hash checks against a hash that no
//! password has.
//!
//! Refused here: passwords that are too short or that everybody tries first (`common`), and telling a caller why a password did not
//! match.

mod common;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// Memory of one hash, KiB: 19 MiB, the least that OWASP recommends with two passes.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes: one, since one thread does the work.
const LANES: u32 = 1;
/// Hashes at the same time in the whole process: two need 38 MiB.
const AT_ONCE: usize = 2;
/// Least characters of a password that staff choose. Default and minimum; there is no setting for it.
pub const MIN_LENGTH: usize = 12;
/// Fewer characters than this beside one's own address are no password.
const MIN_OWN: usize = 8;
/// Most octets of a password: longer ones are somebody's joke at the price of our time.
pub const MAX_LENGTH: usize = 1024;

static SLOTS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Why a password cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short to withstand guessing.
    #[error("the password is too short: give at least {MIN_LENGTH} characters")]
    TooShort,
    /// Longer than anyone types.
    #[error("the password is too long: give at most {MAX_LENGTH} octets")]
    TooLong,
    /// One of those that everybody tries first.
    #[error("that password is among the first that are tried: take a few words that do not belong together")]
    Common,
    /// Hardly more than the address that it is for.
    #[error("the password is hardly more than your address: take a few words that do not belong together")]
    Address,
    /// The hash could not be computed, for want of memory or randomness.
    #[error("the password could not be hashed: is there enough memory?")]
    NotHashed,
}

/// Hashes the password that whoever has this address chose.
pub async fn choose(password: &str, email: &str) -> Result<String, PasswordError> {
    let (text, email) = (password.to_lowercase(), email.to_lowercase());
    let name = email.split('@').next().unwrap_or_default();
    let left = text.replace(&email, "");
    let left = if name.chars().count() > 2 { left.replace(name, "") } else { left };
    if text.chars().count() >= MIN_LENGTH && left.chars().count() < MIN_OWN {
        return Err(PasswordError::Address);
    }
    hash(password).await
}

/// Hashes a password that staff chose, in the PHC spelling that `admin_users` keeps.
pub async fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < MIN_LENGTH {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAX_LENGTH {
        return Err(PasswordError::TooLong);
    }
    if common::is_common(password) {
        return Err(PasswordError::Common);
    }
    let password = password.to_owned();
    in_a_slot(move || argon2().hash_password(password.as_bytes()).map(|hash| hash.to_string()).ok())
        .await
        .flatten()
        .ok_or(PasswordError::NotHashed)
}

/// Whether `password` is the one that was hashed. Without a hash the answer is no, after the same work.
pub async fn verify(password: &str, hash: Option<&str>) -> bool {
    if password.len() > MAX_LENGTH {
        return false;
    }
    let password = password.to_owned();
    let hash = hash.map(str::to_owned);
    in_a_slot(move || matches(password.as_bytes(), hash.as_deref())).await.unwrap_or(false)
}

fn matches(password: &[u8], hash: Option<&str>) -> bool {
    match hash.and_then(|text| PasswordHash::new(text).ok()) {
        Some(parsed) => argon2().verify_password(password, &parsed).is_ok(),
        None => {
            // The same cost as a comparison; the result is thrown away.
            let mut out = [0; 32];
            let spent = argon2().hash_password_into(password, b"no such account.", &mut out);
            std::hint::black_box((spent.is_ok(), out));
            false
        }
    }
}

/// Runs `work` on a blocking thread once a slot is free; `None` if the work did not end.
async fn in_a_slot<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let slot = SLOTS.acquire().await.ok()?;
    // The slot goes along: a visitor who leaves frees it only when the work is done.
    let slotted = move || {
        let _slot = slot;
        work()
    };
    tokio::task::spawn_blocking(slotted).await.ok()
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("these parameters are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let hashed = hash("correct horse").await.expect("long enough");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify("correct horse", Some(&hashed)).await);
        assert!(!verify("correct horsf", Some(&hashed)).await);
        assert!(!verify("", Some(&hashed)).await);
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        assert_ne!(hash("correct horse").await, hash("correct horse").await);
    }

    #[tokio::test]
    async fn an_account_that_does_not_exist_has_no_password() {
        assert!(!verify("correct horse", None).await);
        assert!(!verify("correct horse", Some("not a hash")).await);
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused() {
        assert_eq!(hash("two goats!!").await, Err(PasswordError::TooShort));
        assert_eq!(hash(&"x".repeat(MAX_LENGTH + 1)).await, Err(PasswordError::TooLong));
        assert!(hash("two goats on").await.is_ok());
    }

    #[tokio::test]
    async fn passwords_that_everybody_tries_are_refused() {
        assert_eq!(hash("password1234").await, Err(PasswordError::Common));
        for password in ["amina.wanjiru1", "Amina.Wanjiru@example.org"] {
            assert_eq!(choose(password, "amina.wanjiru@example.org").await, Err(PasswordError::Address), "{password}");
        }
        assert!(choose("two goats on the roof", "amina.wanjiru@example.org").await.is_ok());
        assert_eq!(choose("short", "amina@example.org").await, Err(PasswordError::TooShort));
    }
}
