//! Who is known cannot be told from who is not (ASVS 6.3.8): the same status, the same page, and after the same work.
//!
//! Times are judged by medians of many interleaved tries, with bounds that a busy machine keeps. Without the hash that is computed for
//! an account that is not there, the median of strangers would be a small part of the others'.

use std::time::{Duration, Instant};

use reqwest::Method;
use shared::staff::Role;

use crate::operator::{self, Operator, hidden};
use crate::people::{Answer, Stage, arrival};

/// Accounts of each kind. An account rests after ten wrong passwords.
const ACCOUNTS: usize = 6;
const TRIES: usize = 7;

/// A page without what differs by chance or was typed.
fn plain(answer: &Answer, typed: &[&str]) -> (u16, String) {
    let mut text = answer.text.clone();
    for form in answer.page().forms() {
        for (_, value) in form.fields.iter().filter(|(_, value)| value.len() >= 40) {
            text = text.replace(value.as_str(), "…");
        }
    }
    for word in typed {
        text = text.replace(word, "…");
    }
    (answer.status, text)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Wants two kinds of tries to take as long as each other, within noise.
fn assert_alike(what: &str, known: Vec<Duration>, unknown: Vec<Duration>) {
    let (known, unknown) = (median(known), median(unknown));
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    println!("{what}: {known:?} for those who are known, {unknown:?} for the others");
    assert!((0.5..2.0).contains(&ratio), "{what}: {known:?} and {unknown:?}");
}

#[tokio::test]
async fn a_wrong_password_says_nothing_of_the_account() {
    let stage = Stage::open().await;
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let known = format!("known-{number}@example.org");
        operator::make(&stage.world, &known, Role::Support).await;
        accounts.push((known, format!("nobody{number}@example.org")));
    }
    // One that is suspended is like one that is not there.
    let suspended = "known-0@example.org";
    stage.world.portal_command(&["admin", "suspend", suspended], "").await;
    let visitor = Operator::visitor(&stage.world).await;
    let csrf = hidden(&stage.web.get("/admin/sign-in", &visitor.cookie).await.text, "csrf");
    let (mut known, mut unknown, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    for attempt in 0..TRIES {
        for (number, pair) in accounts.iter().enumerate() {
            for (email, times) in [(&pair.0, &mut known), (&pair.1, &mut unknown)] {
                let fields = [("csrf", csrf.as_str()), ("email", email.as_str()), ("password", "not the password")];
                // Each comes from somewhere else, since addresses rest as well.
                let from = format!("10.{attempt}.{number}.{}", times.len());
                let request = stage.web.request(Method::POST, "/admin/sign-in", &visitor.cookie).form(&fields);
                let begun = Instant::now();
                let answer = Answer::of(request.header("x-forwarded-for", from)).await;
                times.push(begun.elapsed());
                pages.push(plain(&answer, &[email.as_str(), csrf.as_str()]));
            }
        }
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!(pages[0].0, 403);
    assert_alike("the sign-in of staff", known, unknown);
    // Resting is the same as well, for an account that is not there too.
    let rests = async |email: &str, net: u8| {
        let mut last = (0, String::new());
        for number in 0..12 {
            let fields = [("csrf", csrf.as_str()), ("email", email), ("password", "not the password")];
            let request = stage.web.request(Method::POST, "/admin/sign-in", &visitor.cookie).form(&fields);
            let answer = Answer::of(request.header("x-forwarded-for", format!("10.{net}.0.{number}"))).await;
            last = plain(&answer, &[email, csrf.as_str()]);
        }
        last
    };
    let (one, other) = (rests("known-1@example.org", 100).await, rests("nobody-at-all@example.org", 101).await);
    assert_eq!((one.0, &one), (429, &other));
}

#[tokio::test]
async fn a_code_is_sent_to_whoever_asks_and_says_nothing_of_the_number() {
    let stage = Stage::open().await;
    stage.buy("02:00:00:00:00:01", "0712345670").await;
    let (mut known, mut unknown, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    // A number is sent a code twice a minute at most: the customer and those who look like others take turns.
    let known_numbers: Vec<String> = (0..8).map(|number| format!("07123456{number}0")).collect();
    for (number, phone) in known_numbers.iter().enumerate() {
        if phone != "0712345670" {
            stage.buy(&format!("02:00:00:00:01:0{number}"), phone).await;
        }
    }
    for (number, phone) in known_numbers.iter().enumerate() {
        let stranger = format!("07999456{number}0");
        for (phone, times) in [(phone, &mut known), (&stranger, &mut unknown)] {
            let begun = Instant::now();
            let answer = stage.web.send("/account/code", "", &[("visit", ""), ("phone", phone)]).await;
            times.push(begun.elapsed());
            let masked = format!("07xx xxx {}", &phone[7..]);
            pages.push(plain(&answer, &[phone.as_str(), masked.as_str()]));
        }
    }
    assert_eq!(pages[0].0, 200, "{}", pages[0].1);
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
    // The SMS goes out behind the answer; here no hash takes its time, so the noise is larger.
    let (known, unknown) = (median(known), median(unknown));
    assert!(known.abs_diff(unknown) < Duration::from_millis(100), "{known:?} and {unknown:?}");
}

#[tokio::test]
async fn what_is_not_there_looks_like_what_is_somebody_elses() {
    let stage = Stage::open().await;
    let order = stage.buy("02:00:00:00:00:01", "0712345670").await;
    let mut forged = order.clone().into_bytes();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let nothing = stage.web.get("/o/nothing", "").await;
    let receipt = format!("{forged}/receipt");
    for path in [forged.as_str(), receipt.as_str(), "/o/AAAA", "/u/AAAA"] {
        let answer = stage.web.get(path, "").await;
        assert_eq!((answer.status, &answer.text), (404, &nothing.text), "{path}");
    }
    // A voucher's code is not looked up where it could be guessed: every code has the same page, but for itself.
    let (good, other) = (stage.codes[0].clone(), shared::voucher::printed(&shared::voucher::new_code()));
    let visit = stage.web.get(&arrival("02:00:00:00:00:09"), "").await.visit();
    let mut pages = Vec::new();
    for code in [&good, &other] {
        let answer = stage.web.send("/voucher", "", &[("visit", &visit), ("code", code)]).await;
        let bare = code.replace('-', "");
        pages.push(plain(&answer, &[code.as_str(), bare.as_str()]));
    }
    assert_eq!(pages[0], pages[1]);
}
