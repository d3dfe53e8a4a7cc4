//! Passwords that whoever guesses tries first, as far as they are long enough to be set at all.
//!
//! Lists of leaked passwords have few of twelve characters and more, and nearly all of these are made in four ways: common words one
//! after the other with digits behind them, a run along the keyboard or the alphabet, a short piece repeated, or hardly any
//! different characters. So the ways are refused, and not a list of what came of them.
//!
//! Refused here: judging strength. What passes is not thereby good.

/// Fewer different characters than this are no password.
const LEAST_DIFFERENT: usize = 5;
/// A piece of at most so many characters, repeated, is no password.
const LONGEST_PIECE: usize = 8;

/// Runs that fingers know. Backwards they are known as well.
const RUNS: [&str; 5] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "1234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// Words that passwords are made of.
const WORDS: [&str; 112] = [
    "password",
    "pass",
    "word",
    "passwort",
    "admin",
    "administrator",
    "root",
    "user",
    "username",
    "guest",
    "default",
    "change",
    "changeme",
    "secret",
    "letmein",
    "login",
    "signin",
    "welcome",
    "hello",
    "world",
    "access",
    "master",
    "manager",
    "owner",
    "support",
    "company",
    "business",
    "office",
    "server",
    "computer",
    "internet",
    "network",
    "router",
    "mikrotik",
    "wireless",
    "wifi",
    "hotspot",
    "mlango",
    "portal",
    "desk",
    "test",
    "testing",
    "demo",
    "temp",
    "temporary",
    "new",
    "my",
    "the",
    "me",
    "you",
    "your",
    "i",
    "is",
    "a",
    "and",
    "love",
    "iloveyou",
    "loveyou",
    "forever",
    "baby",
    "angel",
    "princess",
    "sunshine",
    "flower",
    "monkey",
    "dragon",
    "tiger",
    "simba",
    "shadow",
    "superman",
    "batman",
    "pokemon",
    "football",
    "baseball",
    "soccer",
    "arsenal",
    "chelsea",
    "liverpool",
    "manchester",
    "united",
    "barcelona",
    "qwerty",
    "qwertyuiop",
    "qwert",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "azerty",
    "jesus",
    "christ",
    "god",
    "mungu",
    "blessed",
    "faith",
    "kenya",
    "nairobi",
    "mombasa",
    "kisumu",
    "tanzania",
    "uganda",
    "africa",
    "safaricom",
    "mpesa",
    "pesa",
    "karibu",
    "habari",
    "jambo",
    "asante",
    "summer",
    "winter",
];

/// Whether it is one of the first that are tried.
pub(super) fn is_common(password: &str) -> bool {
    let text = password.to_lowercase();
    let letters: Vec<char> = text.chars().collect();
    let different = letters.iter().collect::<std::collections::HashSet<_>>().len();
    different < LEAST_DIFFERENT || is_repeated(&letters) || is_run(&text) || is_words(&text)
}

/// A short piece over and over, the last time perhaps not whole.
fn is_repeated(letters: &[char]) -> bool {
    let is_made_of = |piece: usize| letters.iter().zip(letters.iter().skip(piece)).all(|(one, next)| one == next);
    (1..=LONGEST_PIECE.min(letters.len() / 2)).any(is_made_of)
}

/// A run, from anywhere in it and round its end, forwards or backwards.
fn is_run(text: &str) -> bool {
    RUNS.iter().any(|run| {
        let round = run.repeat(text.len() / run.len() + 2);
        let back: String = round.chars().rev().collect();
        round.contains(text) || back.contains(text)
    })
}

/// Common words one after the other, with anything but letters around them, and some letters perhaps written as digits.
fn is_words(text: &str) -> bool {
    let core = text.trim_matches(|c: char| !c.is_alphabetic());
    let plain: String = core.chars().map(as_letter).collect();
    !core.is_empty() && (is_made_of_words(core) || is_made_of_words(&plain))
}

/// `p4ssw0rd` is `password`.
fn as_letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_made_of_words(text: &str) -> bool {
    // From each place that words lead to, on to those that the next word leads to.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for from in 0..text.len() {
        if reached[from] {
            for word in WORDS.iter().filter(|word| text.as_bytes()[from..].starts_with(word.as_bytes())) {
                reached[from + word.len()] = true;
            }
        }
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_refused() {
        for password in [
            "password1234",
            "Password2026!",
            "passwordpassword",
            "P4ssw0rd1234",
            "adminadmin12",
            "welcome12345",
            "letmeinletmein",
            "ILoveYou2026",
            "changeme1234",
            "123456789012",
            "012345678901",
            "987654321098",
            "abcdefghijkl",
            "qwertyuiopas",
            "poiuytrewqmn",
            "1qaz2wsx3edc",
            "aaaaaaaaaaaa",
            "abababababab",
            "abcabcabcabc",
            "123123123123",
            "mikrotikrouter",
            "manchesterunited1",
            "111122223333",
            "safaricom2026",
            "kenya254kenya254",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn what_people_think_of_themselves_is_not() {
        for password in [
            "correct horse battery",
            "correct horse",
            "two goats on the roof",
            "Hf7-kk2!pQ9x",
            "maji ya chai ni moto",
            "kiboko-ndizi-baiskeli",
            "a1b2c3d4e5f6g7h",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
