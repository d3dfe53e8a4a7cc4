//! The files of `static/` and the URLs under which pages name them.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// A file to be served.
pub(crate) struct Asset {
    /// The first octets of its SHA-256, in hexadecimal: changes when the content does.
    pub(crate) version: String,
    /// Its media type.
    pub(crate) kind: String,
    /// Its content.
    pub(crate) content: Cow<'static, [u8]>,
}

/// The file of that name.
pub(crate) fn get(name: &str) -> Option<Asset> {
    let file = Files::get(name)?;
    let kind = file.metadata.mimetype();
    let text = kind.starts_with("text/") || kind.ends_with("javascript");
    Some(Asset {
        version: hex::encode(&file.metadata.sha256_hash()[..6]),
        kind: if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() },
        content: file.data,
    })
}

/// The URL of a file of `static/`.
pub fn url(name: &str) -> String {
    let version = Files::get(name).map(|file| hex::encode(&file.metadata.sha256_hash()[..6]));
    format!("/static/{}/{name}", version.as_deref().unwrap_or("missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_carry_the_contents_digest() {
        let file = get("portal.css").expect("the customer pages' style");
        assert_eq!(url("portal.css"), format!("/static/{}/portal.css", file.version));
        assert!(file.kind.starts_with("text/css"));
        assert!(get("nothing.css").is_none());
    }
}
