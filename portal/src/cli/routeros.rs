//! Lines for the terminal of a MikroTik router, for an operator to paste.
//!
//! RouterOS takes a string in double quotes; inside, a quote, a backslash, a dollar sign and a question mark mean
//! something, and any octet can be written as two hexadecimal digits after a backslash.

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

/// A string as RouterOS reads it.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' | b'$' | b'?' => quoted.extend(['\\', char::from(octet)]),
            b' '..=b'~' => quoted.push(char::from(octet)),
            _ => quoted.push_str(&format!("\\{octet:02X}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_reaches_the_router_as_it_is() {
        assert_eq!(quote("abc-_9"), r#""abc-_9""#);
        assert_eq!(quote(r#"a"b\c$d?"#), r#""a\"b\\c\$d\?""#);
        assert_eq!(quote("é\n"), r#""\C3\A9\0A""#);
    }

    #[test]
    fn a_secret_that_was_given_is_not_shown_again() {
        assert!(set_secret(Some("wifi.example.net"), None).contains("secret=\"THE-SECRET-YOU-GAVE\""));
        let line = set_secret(Some("wifi.example.net"), Some("s"));
        assert!(line.starts_with("/radius set [find address=\"wifi.example.net\"] secret=\"s\";"), "{line}");
    }
}
