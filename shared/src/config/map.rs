//! What the desk's map is made of: Google's with a key, else tiles of our own, else an empty ground.
//!
//! Refused here: tiles of another server. The desk's pages load nothing from elsewhere, but from Google once there is a key.

use super::{ConfigError, Portal};

/// Characters of a key, a map ID or a credit at most: far more than any has.
const LONGEST: usize = 200;
/// What stands for the number of a tile.
const NUMBERS: [&str; 3] = ["{z}", "{x}", "{y}"];

impl Portal {
    /// Whether what is said of the map can be right.
    pub(super) fn check_map(&self) -> Result<(), ConfigError> {
        for (name, value) in [("google_maps_key", &self.google_maps_key), ("google_map_id", &self.google_map_id)] {
            if value.as_ref().is_some_and(|value| !is_word(value)) {
                return refused(format!("portal.{name} must be letters, digits, - and _"));
            }
        }
        if self.google_map_id.is_some() && self.google_maps_key.is_none() {
            return refused("portal.google_map_id is of use with portal.google_maps_key only");
        }
        if !matches!(self.google_maps_url.scheme(), "https" | "http") || self.google_maps_url.cannot_be_a_base() {
            return refused("portal.google_maps_url must be an address such as https://maps.googleapis.com");
        }
        if self.map_tiles.as_ref().is_some_and(|tiles| !is_own_path(tiles)) {
            return refused("portal.map_tiles must be a path of this server, such as /tiles/{z}/{x}/{y}.png");
        }
        if self.map_credit.chars().count() > LONGEST {
            return refused(format!("portal.map_credit has more than {LONGEST} characters"));
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain)
}

/// `//host/…` and `/\host/…` are addresses of another server.
fn is_own_path(tiles: &str) -> bool {
    let rest = tiles.strip_prefix('/');
    rest.is_some_and(|rest| !rest.starts_with(['/', '\\'])) && NUMBERS.iter().all(|number| tiles.contains(number))
}

fn refused(what: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Range(what.into()))
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::super::Config;
    use super::*;

    const REST: &str = r#"
        [database]
        write = "postgres://h/d"
        [redis]
        url = "redis://h"
        [secrets]
        seal_key = "5a5a"
    "#;

    fn load(portal: &str) -> Result<Portal, ConfigError> {
        Config::from(Figment::from(Toml::string(&format!("{REST}\n[portal]\n{portal}")))).map(|config| config.portal)
    }

    #[test]
    fn without_a_word_the_map_asks_nobody() {
        let portal = load("").expect("valid");
        assert_eq!((portal.google_maps_key, portal.google_map_id, portal.map_tiles), (None, None, None));
        assert_eq!(portal.google_maps_url.as_str(), "https://maps.googleapis.com/");
    }

    #[test]
    fn a_key_and_tiles_of_our_own_are_taken() {
        let lines = "google_maps_key = \"AIza-x_1\"\ngoogle_map_id = 4504\nmap_tiles = \"/tiles/{z}/{x}/{y}.png\"";
        let portal = load(lines).expect("valid");
        assert_eq!(portal.google_maps_key.as_deref(), Some("AIza-x_1"));
        assert_eq!(portal.google_map_id.as_deref(), Some("4504"));
        assert_eq!(portal.map_tiles.as_deref(), Some("/tiles/{z}/{x}/{y}.png"));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for (line, expected) in [
            ("google_maps_key = \"a&b\"", "portal.google_maps_key must be letters"),
            ("google_maps_key = \"\"", "portal.google_maps_key must be letters"),
            ("google_map_id = \"x\"", "with portal.google_maps_key only"),
            ("google_maps_url = \"data:x\"", "must be an address"),
            ("map_tiles = \"https://tiles.example/{z}/{x}/{y}.png\"", "a path of this server"),
            ("map_tiles = \"//tiles.example/{z}/{x}/{y}.png\"", "a path of this server"),
            ("map_tiles = \"/\\\\tiles.example/{z}/{x}/{y}.png\"", "a path of this server"),
            ("map_tiles = \"/tiles/{z}/{x}.png\"", "a path of this server"),
        ] {
            let error = load(line).expect_err(line).to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
