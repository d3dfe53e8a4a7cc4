//! The routers: whether they are heard, keep their clocks and secrets, sign, obey, and can be sent guests back to.

use std::time::Duration;

use shared::time::OffsetDateTime;
use store::nas::{MessageAuthenticatorPolicy, Nas};
use store::{Db, StoreError, examine, nas};

use super::{Finding, some_of};

/// A router that was not heard for so long has no guests, or no power, or no way to us.
const SILENT_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How far back refused and unanswered commands are looked at.
const LATELY: Duration = Duration::from_secs(24 * 3600);
/// Seconds by which a router's clock may be off.
const CLOCK_OFF: i32 = 60;
/// A shorter secret can be guessed from one recorded packet (RFC 2865 §3 asks for 16 octets).
const SECRET_MIN: usize = 16;
/// Secrets that stand in manuals.
const WELL_KNOWN: [&[u8]; 6] = [b"secret", b"testing123", b"radius", b"mikrotik", b"password", b"mysecret"];

/// What is looked at, a router each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Router {
    name: String,
    /// How long ago it was heard; `None`: never.
    heard: Option<Duration>,
    clock_off: Option<i32>,
    is_secret_weak: bool,
    /// Whether nothing that it sends has to be signed.
    is_unsigned: bool,
    is_elsewhere: bool,
    has_login_page: bool,
    refused: i64,
    unanswered: i64,
}

pub(super) async fn look(db: &Db, now: OffsetDateTime) -> Result<Vec<Router>, StoreError> {
    let obedience = examine::obedience(db, now - LATELY).await?;
    let counted = |nas: &Nas| obedience.iter().find(|found| found.nas == nas.name);
    let routers = nas::all(db).await?;
    Ok(routers
        .iter()
        .map(|nas| Router {
            name: nas.name.clone(),
            heard: nas.last_seen_at.map(|seen| Duration::try_from(now - seen).unwrap_or_default()),
            clock_off: nas.clock_offset_seconds,
            // Over RadSec alone the secret is a word that everybody knows, and proves nothing.
            is_secret_weak: nas.address.is_some() && is_weak(&nas.secret),
            is_unsigned: nas.address.is_some() && nas.require_message_authenticator == MessageAuthenticatorPolicy::No,
            is_elsewhere: nas.address.is_none_or(|address| !address.addr().is_loopback()),
            has_login_page: !nas.hotspot_hosts.is_empty(),
            refused: counted(nas).map_or(0, |found| found.refused),
            unanswered: counted(nas).map_or(0, |found| found.unanswered),
        })
        .collect())
}

fn is_weak(secret: &[u8]) -> bool {
    secret.len() < SECRET_MIN || WELL_KNOWN.contains(&secret.to_ascii_lowercase().as_slice())
}

/// Whether a router is elsewhere than on this machine, so that guests are.
pub(super) fn are_elsewhere(routers: &[Router]) -> bool {
    routers.iter().any(|router| router.is_elsewhere)
}

pub(super) fn judge(routers: &[Router]) -> Vec<Finding> {
    vec![seen(routers), clocks(routers), secrets(routers), signing(routers), commands(routers), login_pages(routers)]
}

/// The names of those that are so.
fn named(routers: &[Router], is_so: impl Fn(&Router) -> bool) -> Vec<&str> {
    routers.iter().filter(|router| is_so(router)).map(|router| router.name.as_str()).collect()
}

fn seen(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-seen";
    if routers.is_empty() {
        return Finding::note(
            NAME,
            "no router is registered, so nobody is answered",
            "register one at the desk, under Routers, or by `portal nas add`",
        );
    }
    let never = named(routers, |router| router.heard.is_none());
    if !never.is_empty() {
        return Finding::problem(
            NAME,
            format!("nothing valid was ever heard from {}", some_of(&never)),
            "compare address and secret on both sides; `portal nas adopt --list` shows who is heard from another address, and \
             docs/operations/radius.md what silence means",
        );
    }
    let silent = named(routers, |router| router.heard.is_some_and(|ago| ago > SILENT_AFTER));
    if !silent.is_empty() {
        return Finding::note(
            NAME,
            format!("nothing was heard for more than a day from {}", some_of(&silent)),
            "see whether they have power and reach this machine; forget those that are gone with `portal nas remove`",
        );
    }
    Finding::ok(NAME, format!("all {} router(s) were heard within a day", routers.len()))
}

fn clocks(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-clocks";
    let off = named(routers, |router| router.clock_off.is_some_and(|seconds| seconds.abs() > CLOCK_OFF));
    if off.is_empty() {
        return Finding::ok(NAME, "no router says another time than ours");
    }
    Finding::note(
        NAME,
        format!(
            "another time than ours is said by {}: nothing depends on it, but their logs are hard to compare",
            some_of(&off)
        ),
        "on the router: /system ntp client set enabled=yes servers=…",
    )
}

fn secrets(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-secrets";
    let weak = named(routers, |router| router.is_secret_weak);
    if weak.is_empty() {
        return Finding::ok(NAME, "no router has a secret that can be guessed");
    }
    Finding::problem(
        NAME,
        format!(
            "the secret is short or stands in manuals: {}; who records one packet finds it, and lets in whom he likes",
            some_of(&weak)
        ),
        "`portal nas rotate-secret NAME --generate` makes another one and says what to set on the router; the old one counts for a while",
    )
}

fn signing(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-signing";
    let unsigned = named(routers, |router| router.is_unsigned);
    if unsigned.is_empty() {
        return Finding::ok(NAME, "every router signs its requests, or must as soon as it has done so once");
    }
    Finding::note(
        NAME,
        format!(
            "requests need not be signed by {}: answers to them can be forged on the way (CVE-2024-3596)",
            some_of(&unsigned)
        ),
        "upgrade RouterOS to 7.15 or newer, then `portal nas set NAME --require-message-authenticator auto`",
    )
}

fn commands(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-commands";
    let refused = named(routers, |router| router.refused > 0);
    if !refused.is_empty() {
        return Finding::problem(
            NAME,
            format!(
                "commands to end or change sessions are refused by {}: access goes on after its end",
                some_of(&refused)
            ),
            "on the router: /radius incoming set accept=yes port=3799; what else it may be stands in docs/operations/enforcement.md",
        );
    }
    let mute = named(routers, |router| router.unanswered > 0);
    if !mute.is_empty() {
        return Finding::problem(
            NAME,
            format!("commands to end or change sessions were not answered by {}", some_of(&mute)),
            "let this machine reach UDP port 3799 of the router (firewall, tunnel), from the address that the router knows",
        );
    }
    Finding::ok(NAME, "no router has refused or ignored a command within a day")
}

fn login_pages(routers: &[Router]) -> Finding {
    const NAME: &str = "routers-login-pages";
    let without = named(routers, |router| !router.has_login_page);
    if without.is_empty() {
        return Finding::ok(NAME, "guests can be sent back to the login page of every router");
    }
    Finding::note(
        NAME,
        format!(
            "no login page is known of {}: guests who come from there are told that the hotspot is not registered",
            some_of(&without)
        ),
        "`portal nas set NAME --hotspot-host login.example.net`, as the guests' browsers call the router",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Note, Ok, Problem};
    use super::super::table::expect;
    use super::*;

    fn router() -> Router {
        Router {
            name: "cafe".into(),
            heard: Some(Duration::from_secs(60)),
            clock_off: Some(0),
            is_secret_weak: false,
            is_unsigned: false,
            is_elsewhere: true,
            has_login_page: true,
            refused: 0,
            unanswered: 0,
        }
    }

    fn with(change: impl FnOnce(&mut Router)) -> Vec<Router> {
        let mut other = router();
        change(&mut other);
        vec![router(), other]
    }

    #[test]
    fn routers_are_heard() {
        for (routers, verdict) in [
            (vec![router()], Ok),
            (Vec::new(), Note),
            (with(|router| router.heard = None), Problem),
            (with(|router| router.heard = Some(Duration::from_secs(90_000))), Note),
        ] {
            expect(&seen(&routers), "routers-seen", verdict);
        }
    }

    #[test]
    fn each_fault_of_a_router_is_named() {
        for (routers, verdict) in
            [(with(|_| {}), Ok), (with(|r| r.clock_off = Some(-3600)), Note), (with(|r| r.clock_off = None), Ok)]
        {
            expect(&clocks(&routers), "routers-clocks", verdict);
        }
        for (weak, verdict) in [(false, Ok), (true, Problem)] {
            expect(&secrets(&with(|r| r.is_secret_weak = weak)), "routers-secrets", verdict);
        }
        for (unsigned, verdict) in [(false, Ok), (true, Note)] {
            expect(&signing(&with(|r| r.is_unsigned = unsigned)), "routers-signing", verdict);
        }
        for (refused, unanswered, verdict) in [(0, 0, Ok), (3, 0, Problem), (0, 2, Problem)] {
            let routers = with(|r| (r.refused, r.unanswered) = (refused, unanswered));
            expect(&commands(&routers), "routers-commands", verdict);
        }
        for (has, verdict) in [(true, Ok), (false, Note)] {
            expect(&login_pages(&with(|r| r.has_login_page = has)), "routers-login-pages", verdict);
        }
    }

    #[test]
    fn secrets_are_long_and_not_those_of_manuals() {
        for (secret, weak) in
            [(&b"secret"[..], true), (b"Testing123", true), (b"0123456789abcde", true), (b"0123456789abcdef", false)]
        {
            assert_eq!(is_weak(secret), weak, "{secret:?}");
        }
    }
}
