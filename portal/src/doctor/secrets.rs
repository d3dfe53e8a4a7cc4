//! Secrets: whether they are real, and who can read the files that hold them.
//!
//! Nothing here prints a secret, or a part of one. Files are looked at by their mode, not opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shared::config::Config;
use shared::seal::{SealError, SealKey};

use super::Finding;

/// Where service managers and containers show secrets to one service alone, whatever the mode of the file says.
const SHOWN_TO_ONE: &str = "/run/secrets/";
/// A key from a generator has about fifteen different ones of the sixteen digits; with fewer than this it was typed.
const DIGITS_MIN: usize = 8;
/// What stands in manuals and examples, in small letters.
const EXAMPLES: [&str; 13] = [
    "password",
    "secret",
    "changeme",
    "change-me",
    "example",
    "key",
    "passkey",
    "test",
    "12345678",
    "mlango",
    "postgres",
    "token",
    "todo",
];

/// A file with a secret in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SecretFile {
    /// Which setting names it.
    setting: &'static str,
    path: PathBuf,
    /// Its permissions; `None`: it cannot be looked at from here.
    mode: Option<u32>,
}

/// What is looked at.
#[derive(Debug)]
pub(super) struct Facts {
    files: Vec<SecretFile>,
    /// Settings whose value stands in examples.
    examples: Vec<&'static str>,
}

/// The key itself, and what is wrong with it.
pub(super) fn key(text: &str) -> (Finding, Option<SealKey>) {
    let make = "make one with `openssl rand -hex 32`; if there was one before, put that back from your copy: nothing sealed opens \
                with another";
    match SealKey::from_hex(text) {
        Err(error) => (Finding::problem("seal-key", error.to_string(), make), None),
        Ok(key) => (digits(text.trim()), Some(key)),
    }
}

/// The keys beside it cannot be used.
pub(super) fn ring(error: &SealError) -> Finding {
    let what = format!("secrets.old_seal_keys or secrets.lookup_key: {error}");
    Finding::problem(
        "seal-key",
        what,
        "follow the steps in docs/operations/security.md, or put the keys back as they were",
    )
}

/// Logins are not found by the key that is there.
pub(super) fn wrong_lookup() -> Finding {
    Finding::problem(
        "seal-key",
        "the newest login does not open, or is not found, with these keys: nobody new gets in",
        "put secrets.seal_key back as it was, or follow the steps in docs/operations/security.md: secrets.lookup_key is missing or \
         another one's",
    )
}

fn digits(text: &str) -> Finding {
    let different: BTreeSet<char> = text.to_ascii_lowercase().chars().collect();
    if different.len() >= DIGITS_MIN {
        Finding::ok("seal-key", "the seal key comes from a generator")
    } else {
        Finding::problem(
            "seal-key",
            "the seal key looks as if somebody had typed it: whoever guesses it reads every secret in the database",
            "before there is anything to lose, make one with `openssl rand -hex 32`; once routers are registered their secrets \
             must be given anew",
        )
    }
}

pub(super) fn look(config: &Config, path: &Path) -> Facts {
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).ok().map(|about| about.permissions().mode() & 0o777)
    };
    let files = named_files(config, path).into_iter().map(|(setting, path)| {
        let mode = mode(&path);
        SecretFile { setting, path, mode }
    });
    Facts { files: files.collect(), examples: examples(config) }
}

/// The files that hold secrets, by the settings that name them.
fn named_files(config: &Config, path: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut files: Vec<(&'static str, Option<PathBuf>)> =
        vec![("--config", Some(path.to_owned())), ("secrets.seal_key_file", config.secrets.seal_key_file.clone())];
    files.push(("secrets.lookup_key_file", config.secrets.lookup_key_file.clone()));
    let old_keys = config.secrets.old_seal_key_files.iter().cloned();
    files.extend(old_keys.map(|path| ("secrets.old_seal_key_files", Some(path))));
    if let Some(mpesa) = &config.mpesa {
        files.push(("mpesa.consumer_key_file", mpesa.consumer_key_file.clone()));
        files.push(("mpesa.consumer_secret_file", mpesa.consumer_secret_file.clone()));
        files.push(("mpesa.passkey_file", mpesa.passkey_file.clone()));
        let initiator = mpesa.initiator.as_ref().and_then(|initiator| initiator.password_file.clone());
        files.push(("mpesa.initiator.password_file", initiator));
    }
    if let Some(stripe) = &config.stripe {
        files.push(("stripe.secret_key_file", stripe.secret_key_file.clone()));
        files.push(("stripe.webhook_secret_file", stripe.webhook_secret_file.clone()));
    }
    if let Some(sms) = &config.sms {
        let one = sms.africastalking.as_ref().and_then(|provider| provider.api_key_file.clone());
        let other = sms.twilio.as_ref().and_then(|provider| provider.auth_token_file.clone());
        files.extend([("sms.africastalking.api_key_file", one), ("sms.twilio.auth_token_file", other)]);
    }
    files.push(("email.password_file", config.email.as_ref().and_then(|email| email.password_file.clone())));
    files.push(("radsec.key", config.radsec.as_ref().map(|radsec| radsec.key.clone())));
    files.into_iter().filter_map(|(setting, path)| Some((setting, path?))).collect()
}

/// The settings whose value is one of those that stand in examples.
fn examples(config: &Config) -> Vec<&'static str> {
    let mut values: Vec<(&'static str, String)> = Vec::new();
    let password = |url: &str| url::Url::parse(url).ok().and_then(|url| url.password().map(str::to_owned));
    values.extend(password(&config.database.write).map(|password| ("database.write (its password)", password)));
    values.extend(password(&config.redis.url).map(|password| ("redis.url (its password)", password)));
    if let Some(mpesa) = &config.mpesa {
        values.push(("mpesa.consumer_key", mpesa.consumer_key.expose().to_owned()));
        values.push(("mpesa.consumer_secret", mpesa.consumer_secret.expose().to_owned()));
        values.push(("mpesa.passkey", mpesa.passkey.expose().to_owned()));
    }
    if let Some(twilio) = config.sms.as_ref().and_then(|sms| sms.twilio.as_ref()) {
        values.push(("sms.twilio.auth_token", twilio.auth_token.expose().to_owned()));
    }
    if let Some(africastalking) = config.sms.as_ref().and_then(|sms| sms.africastalking.as_ref()) {
        values.push(("sms.africastalking.api_key", africastalking.api_key.expose().to_owned()));
    }
    values.into_iter().filter(|(_, value)| is_example(value)).map(|(setting, _)| setting).collect()
}

/// Whether a value stands in examples, or is one digit or letter all along.
fn is_example(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    let is_one_letter = value.len() > 1 && value.chars().all(|letter| value.starts_with(letter));
    EXAMPLES.contains(&small.as_str()) || is_one_letter || small.starts_with("your") || small.contains("xxxx")
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let is_key = |file: &&SecretFile| file.setting == "secrets.seal_key_file";
    let key = facts.files.iter().find(is_key);
    let others: Vec<&SecretFile> = facts.files.iter().filter(|file| !is_key(file)).collect();
    vec![key_file(key), other_files(&others), example_values(&facts.examples)]
}

fn key_file(file: Option<&SecretFile>) -> Finding {
    const NAME: &str = "seal-key-file";
    let Some(file) = file else {
        return Finding::note(
            NAME,
            "the seal key stands in the configuration or the environment, which other users of the machine may read",
            "put it into a file that only its owner can read, and name that as secrets.seal_key_file",
        );
    };
    let path = file.path.display();
    match file.mode {
        _ if is_shown_to_one(&file.path) => Finding::ok(NAME, format!("{path} is shown to this service alone")),
        None => Finding::note(NAME, format!("{path} cannot be looked at from here"), "run this as its owner"),
        Some(mode) if mode & 0o077 == 0 => Finding::ok(NAME, format!("{path} can be read by its owner alone")),
        Some(mode) => Finding::problem(
            NAME,
            format!("{path} has the mode {mode:o}: others can read the key to every secret in the database"),
            format!("chmod 600 {path}"),
        ),
    }
}

fn other_files(files: &[&SecretFile]) -> Finding {
    const NAME: &str = "secret-files";
    let open: Vec<String> = files
        .iter()
        .filter(|file| file.mode.is_some_and(|mode| mode & 0o007 != 0) && !is_shown_to_one(&file.path))
        .map(|file| format!("{} ({})", file.path.display(), file.setting))
        .collect();
    if open.is_empty() {
        return Finding::ok(NAME, "no other file with secrets in it can be read by everybody");
    }
    let paths: Vec<&str> = open.iter().map(String::as_str).collect();
    Finding::problem(NAME, format!("everybody on this machine can read {}", paths.join(", ")), "chmod o= each of them")
}

fn is_shown_to_one(path: &Path) -> bool {
    path.starts_with(SHOWN_TO_ONE)
        || std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(PathBuf::from(folder)))
}

fn example_values(examples: &[&'static str]) -> Finding {
    if examples.is_empty() {
        Finding::ok("example-values", "no password or key is one that stands in examples")
    } else {
        Finding::problem(
            "example-values",
            format!("what stands in examples is used as a secret: {}", examples.join(", ")),
            "replace each by its real value, or by one from a generator",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok, Problem};
    use super::super::table::expect;
    use super::*;

    fn file(setting: &'static str, path: &str, mode: Option<u32>) -> SecretFile {
        SecretFile { setting, path: path.into(), mode }
    }

    #[test]
    fn a_seal_key_is_whole_and_not_typed() {
        let good = "8f3a1c5b9d2e7f604a8c1b3d5e7f90a2b4c6d8eaf1032547698badcfe0123456";
        for (text, verdict) in [(good, Ok), (&*"5a".repeat(32), Problem), (&*"0".repeat(64), Problem), ("abc", Problem)]
        {
            expect(&key(text).0, "seal-key", verdict);
        }
        assert!(key(good).1.is_some() && key("abc").1.is_none());
    }

    #[test]
    fn the_keys_file_is_its_owners_alone() {
        for (mode, verdict) in
            [(Some(0o600), Ok), (Some(0o400), Ok), (Some(0o640), Problem), (Some(0o644), Problem), (None, Note)]
        {
            let file = file("secrets.seal_key_file", "/etc/mlango/seal.key", mode);
            expect(&key_file(Some(&file)), "seal-key-file", verdict);
        }
        expect(&key_file(None), "seal-key-file", Note);
        let shown = file("secrets.seal_key_file", "/run/secrets/seal_key", Some(0o644));
        expect(&key_file(Some(&shown)), "seal-key-file", Ok);
    }

    #[test]
    fn no_file_with_secrets_is_everybodys() {
        for (mode, verdict) in
            [(Some(0o600), Ok), (Some(0o640), Ok), (Some(0o644), Problem), (Some(0o602), Problem), (None, Ok)]
        {
            let files = [file("mpesa.passkey_file", "/etc/mlango/passkey", mode)];
            expect(&other_files(&files.iter().collect::<Vec<_>>()), "secret-files", verdict);
        }
    }

    #[test]
    fn what_stands_in_examples_is_no_secret() {
        for (value, is) in [
            ("PASSWORD", true),
            ("changeme", true),
            ("YOUR_KEY", true),
            ("aaaaaaaa", true),
            ("xxxxxxxxxx", true),
            ("bfb279f9aa9bdbcf158e97dd71a467cd", false),
            ("correct horse", false),
        ] {
            assert_eq!(is_example(value), is, "{value}");
        }
        expect(&example_values(&[]), "example-values", Ok);
        expect(&example_values(&["mpesa.passkey"]), "example-values", Problem);
    }
}
