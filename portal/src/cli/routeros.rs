//! Lines for the terminal of a MikroTik router, for an operator to paste. A whole script is made by [`crate::onboarding`].

use crate::onboarding::quote;

/// What stands for a secret that is not to be shown: its owner knows it.
const PLACE: &str = "THE-SECRET-YOU-GAVE";

/// The line that changes the secret of the entry for our server, which the router has under `host`. Without a secret,
/// a placeholder stands there.
pub(super) fn set_secret(host: Option<&str>, secret: Option<&str>) -> String {
    // A `find` that matches nothing changes nothing, in silence: the line prints what it found.
    let host = quote(host.unwrap_or("radius.example"));
    let secret = quote(secret.unwrap_or(PLACE));
    format!("/radius set [find address={host}] secret={secret}; /radius print where address={host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_given_is_not_shown_again() {
        assert!(set_secret(Some("wifi.example.net"), None).contains("secret=\"THE-SECRET-YOU-GAVE\""));
        let line = set_secret(Some("wifi.example.net"), Some("s"));
        assert!(line.starts_with("/radius set [find address=\"wifi.example.net\"] secret=\"s\";"), "{line}");
    }
}
