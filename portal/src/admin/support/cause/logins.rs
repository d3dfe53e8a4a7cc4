//! Why logins were refused: what radiusd said, and what that means with what the customer has.

use shared::denial::Denial;
use store::timeline::Refusal;

use super::facts::{Facts, HOUR};
use super::{Cause, Finding, finding};
use crate::admin::words::{self, Tone};

/// Why logins were refused, as the newest that still matters says.
pub(super) fn refused(facts: &Facts<'_>) -> Option<Finding> {
    let mut relevant = facts.refusals.iter().filter(|(at, refusal)| facts.matters(*at, refusal.mac));
    // A device that knocks by itself is refused each time until it has something: any other reason says more.
    let (at, refusal) = relevant
        .clone()
        .find(|(_, refusal)| refusal.reason != Denial::UnknownDevice.label())
        .or_else(|| relevant.next())?;
    let denial = Denial::ALL.into_iter().find(|denial| denial.label() == refusal.reason)?;
    let who = refusal.mac.map_or_else(|| "A login".to_owned(), |mac| format!("The login of {mac}"));
    let ago = words::ago(*at, facts.now);
    let says = |why: &str| format!("{who} at {} was refused {ago}: {why}.", refusal.nas);
    refusal_in_words(facts, refusal, denial, &says)
}

fn refusal_in_words(
    facts: &Facts<'_>,
    refusal: &Refusal,
    denial: Denial,
    says: &dyn Fn(&str) -> String,
) -> Option<Finding> {
    let bad = |cause, why: &str, advice, fix| Some(finding(cause, Tone::Bad, says(why), advice, fix));
    match denial {
        Denial::TooManyDevices => device_limit(facts, refusal, says),
        Denial::TooManySwaps => bad(
            Cause::Swaps,
            "devices of its package were changed too often today",
            "Move it here if the customer really has another phone; that counts as one more change.",
            facts.to_move(refusal.mac),
        ),
        Denial::UnknownDevice => unknown_device(facts, refusal, says),
        Denial::TimeOver | Denial::OnlineTimeUsed => bad(
            Cause::Expired,
            "its time is over",
            "The customer can buy again; the page of the Wi-Fi offers it.",
            None,
        ),
        Denial::DataUsed => bad(Cause::UsedUp, "its data is used up", "The customer can buy again, or get more.", None),
        Denial::Revoked => bad(Cause::TakenBack, "its package was taken back", "Ask whoever took it back.", None),
        Denial::OutsideHours => bad(
            Cause::OutsideHours,
            "its package is for other hours of the day or week",
            "It works again in those hours; for now another package can be bought.",
            None,
        ),
        Denial::UnknownUser => bad(
            Cause::WrongCode,
            "no voucher or login has the name that was typed",
            "Read the code from the paper once more: it has eleven letters and digits, never 0, 1, I or O.",
            None,
        ),
        Denial::VoucherOver => bad(
            Cause::WrongCode,
            "nobody used the voucher by its last day",
            "The last day stands on the paper and on the page of the batch; give out another one if it was promised longer.",
            None,
        ),
        Denial::MistypedCode => bad(
            Cause::WrongCode,
            "one character of the code is wrong",
            "Read the code from the paper once more: it has eleven letters and digits, never 0, 1, I or O.",
            None,
        ),
        Denial::BadPassword => {
            bad(Cause::WrongPassword, "the password was wrong", "Let the page of the Wi-Fi be opened anew.", None)
        }
        Denial::CredentialOver | Denial::WrongDevice => bad(
            Cause::StalePage,
            "the page was too old, or of another device",
            "Let the page of the Wi-Fi be opened anew on this device.",
            None,
        ),
        Denial::Locked => locked_finding(says("there were too many wrong tries")),
        Denial::CannotCheck => bad(
            Cause::CannotCheck,
            "the login could not be checked",
            "PostgreSQL was away or slow: try again in a minute. If it stays so, tell whoever runs the servers.",
            None,
        ),
        Denial::BadRequest | Denial::EapNotOffered => bad(
            Cause::BadRequest,
            "the router sent what is no login here",
            "Look at the settings of that router’s hotspot.",
            None,
        ),
        Denial::RouterLogin => None,
    }
}

fn locked_finding(words: String) -> Option<Finding> {
    let advice = "It ends by itself, after a minute at first and later each time. Let nobody type until then.";
    Some(finding(Cause::Locked, Tone::Bad, words, advice, None))
}

/// All places of the package are taken: of a voucher by whoever used it first.
fn device_limit(facts: &Facts<'_>, refusal: &Refusal, says: &dyn Fn(&str) -> String) -> Option<Finding> {
    let fix = facts.to_move(refusal.mac);
    let package = facts.usable().find(|package| refusal.mac.is_none_or(|mac| !package.devices.contains(&mac)));
    let used_by = package.and_then(|package| package.devices.first()).map(ToString::to_string).unwrap_or_default();
    if package.is_some_and(|package| package.voucher.is_some()) {
        let words = says(&format!("the voucher is used by {used_by} already"));
        let advice = "Ask who has the other phone. Only if both are the customer’s, move it.";
        return Some(finding(Cause::VoucherElsewhere, Tone::Bad, words, advice, fix));
    }
    let words = says("its package is used on all its devices");
    let advice = "If the customer changed phones, or the phone has a new address, move the package to this one.";
    Some(finding(Cause::DeviceLimit, Tone::Bad, words, advice, fix))
}

/// The device has nothing: its owner has a package on another address, or has bought none.
fn unknown_device(facts: &Facts<'_>, refusal: &Refusal, says: &dyn Fn(&str) -> String) -> Option<Finding> {
    let mac = refusal.mac?;
    if let Some(fix) = facts.to_move(Some(mac)) {
        let why = match mac.is_random() {
            true => "the phone has made itself a new address, which has no package",
            false => "that device has no package",
        };
        let advice = "The package that was bought is on another address: move it to this one.";
        return Some(finding(Cause::NewAddress, Tone::Bad, says(why), advice, Some(fix)));
    }
    if facts.packages.is_empty() && facts.orders.is_empty() {
        let advice = "If it was bought with another address or phone, look up the phone number, and move the package to this one.";
        return Some(finding(
            Cause::NothingBought,
            Tone::Bad,
            says("nothing was bought for that device"),
            advice,
            None,
        ));
    }
    None
}

/// What the security log says, if no login was refused for it since.
pub(super) fn locked(facts: &Facts<'_>) -> Option<Finding> {
    use store::security::Kind;
    let is_lock = |kind: Kind| matches!(kind, Kind::DeviceLocked | Kind::LoginLocked);
    let (at, event) = facts.security.iter().find(|(at, event)| is_lock(event.kind) && facts.now - *at < HOUR / 2)?;
    let device = event.mac.map_or_else(|| "The device".to_owned(), |mac| mac.to_string());
    locked_finding(format!(
        "{device} was locked {} after too many wrong tries, {}.",
        words::ago(*at, facts.now),
        event.detail
    ))
}
