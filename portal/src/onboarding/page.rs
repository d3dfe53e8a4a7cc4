//! The login page that a router shows to guests: it leads them to the portal at once, with what the portal must know. There is no secret
//! in it, and it is the same for all routers, since each fills in its own name.

use shared::language::Language;

use crate::views::text::say;

/// The page, for a portal at this address (without a slash at the end).
pub(crate) fn login_page(portal: &str) -> String {
    // A URL has no other sign that means something in an attribute.
    let portal = portal.replace('&', "&amp;");
    let continues =
        [Language::English, Language::Swahili].map(|language| say(language, "router-page-continue").to_string());
    let continues = continues.join(" / ");
    let target = format!(
        "{portal}{}?mac=$(mac-esc)&amp;ip=$(ip-esc)&amp;identity=$(identity-esc)&amp;link-login-only=$(link-login-only-esc)&amp;link-orig=$(link-orig-esc)\
         &amp;error=$(error-esc)&amp;chap-id=$(chap-id-esc)&amp;chap-challenge=$(chap-challenge-esc)",
        crate::urls::HOTSPOT
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"cache-control\" content=\"no-store\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={target}\">\n\
         <title>Wi-Fi</title>\n</head>\n<body>\n<p><a href=\"{target}\">{continues}</a></p>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_leads_to_the_portal_with_what_the_router_knows() {
        let page = login_page("https://wifi.example.net/a&b");
        assert!(page.contains("url=https://wifi.example.net/a&amp;b/h?mac=$(mac-esc)&amp;ip=$(ip-esc)"), "{page}");
        for variable in ["identity-esc", "link-login-only-esc", "error-esc", "chap-challenge-esc"] {
            assert_eq!(page.matches(&format!("$({variable})")).count(), 2, "{variable}");
        }
    }
}
