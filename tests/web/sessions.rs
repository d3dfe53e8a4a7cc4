//! Sessions and their cookies (ASVS 7.2.3, 7.2.4, 7.4.1, 3.3.1 to 3.3.4): a new one at each sign-in that nobody could have guessed or planted,
//! dead on our side after the sign-out, in a cookie that stays where it belongs.

use std::collections::BTreeSet;

use shared::staff::Role;

use crate::operator::{self, EMAIL, Operator, PASSWORD};
use crate::people::{Stage, Web, arrival, secret};

const MAC: &str = "02:00:00:00:00:01";

/// An identifier has at least 128 bits: as many octets as its letters can carry.
fn assert_is_random(values: &[String]) {
    let different: BTreeSet<&String> = values.iter().collect();
    assert_eq!(different.len(), values.len(), "{values:?}");
    for value in values {
        let is_hex = value.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = if is_hex { value.len() * 4 } else { value.len() * 6 };
        assert!(bits >= 128, "{value} has {bits} bits");
    }
    // No two begin or end alike: nothing in them is counted up.
    let heads: BTreeSet<&str> = values.iter().map(|value| &value[..6]).collect();
    let tails: BTreeSet<&str> = values.iter().map(|value| &value[value.len() - 6..]).collect();
    assert_eq!((heads.len(), tails.len()), (values.len(), values.len()), "{values:?}");
}

#[tokio::test]
async fn a_session_of_the_desk_is_new_and_ends_on_our_side() {
    let stage = Stage::open().await;
    operator::make(&stage.world, EMAIL, Role::Support).await;
    let mut values = Vec::new();
    for _ in 0..5 {
        let visitor = Operator::visitor(&stage.world).await;
        let before = visitor.cookie.clone();
        let answer = visitor.credentials(EMAIL, PASSWORD).await;
        let after = operator::cookies(&answer);
        assert!(
            after.starts_with("mlango-desk=") && !before.contains(after.trim_start_matches("mlango-desk=")),
            "{after}"
        );
        // What the browser had before opens nothing.
        assert_eq!(stage.web.get("/admin", &before).await.leads_to(), "/admin/sign-in");
        values.push(after.trim_start_matches("mlango-desk=").to_owned());
    }
    assert_is_random(&values);

    // A planted identifier is never taken over, one that somebody else signed in with neither.
    let mut visitor = Operator::visitor(&stage.world).await;
    for planted in ["A".repeat(43), values[0].clone()] {
        visitor.cookie = format!("{}; mlango-desk={planted}", visitor.cookie);
        let after = operator::cookies(&visitor.credentials(EMAIL, PASSWORD).await);
        assert!(!after.contains(&planted), "{after}");
        assert_eq!(stage.web.get("/admin", &format!("mlango-desk={planted}")).await.leads_to(), "/admin/sign-in");
    }

    let session = format!("mlango-desk={}", values[1]);
    assert_eq!(stage.web.get("/admin", &session).await.status, 200);
    let csrf = operator::hidden(&stage.web.get("/admin", &session).await.text, "csrf");
    let out = stage.web.send("/admin/sign-out", &session, &[("csrf", &csrf)]).await;
    assert!(out.cookies().iter().any(|cookie| cookie.starts_with("mlango-desk=;")), "{out:?}");
    assert_eq!(
        stage.web.get("/admin", &session).await.leads_to(),
        "/admin/sign-in",
        "the copy of a cookie is worth nothing"
    );
    // Looking at the sign-in page leaves nothing in Redis: whoever has not signed in has no session.
    assert!(stage.web.get("/admin/sign-in", "").await.cookie("mlango-desk").is_none());
}

#[tokio::test]
async fn a_customers_session_is_new_and_ends_on_our_side() {
    let stage = Stage::open().await;
    let customer = stage.customer(MAC, "0712345670").await;
    let mut values = vec![customer.cookie.trim_start_matches("mlango-customer=").to_owned()];
    for _ in 0..4 {
        let again = stage.web.send(&format!("{}/account", customer.order), "", &[]).await;
        values.push(again.cookie("mlango-customer").unwrap());
    }
    assert_is_random(&values);
    // With a planted identifier a new one begins, and the planted one is over if it was one.
    let planted = format!("mlango-customer={}", values[0]);
    let again = stage.web.send(&format!("{}/account", customer.order), &planted, &[]).await;
    let fresh = again.cookie("mlango-customer").unwrap();
    assert_ne!(fresh, values[0]);
    let signs_in = |text: &str| text.contains("action=\"/account/code\"");
    assert!(signs_in(&stage.web.get("/account", &planted).await.text));

    let session = format!("mlango-customer={fresh}");
    let page = stage.web.get("/account", &session).await;
    assert!(page.status == 200 && !signs_in(&page.text), "{}", page.text);
    // It is good in the browser that it began in.
    let elsewhere = stage.web.request(reqwest::Method::GET, "/account", &session).header("user-agent", "another");
    assert!(signs_in(&crate::people::Answer::of(elsewhere).await.text));
    let again = stage.web.send(&format!("{}/account", customer.order), "", &[]).await;
    let session = format!("mlango-customer={}", again.cookie("mlango-customer").unwrap());
    let out = stage.web.send("/account/sign-out", &session, &[("visit", "")]).await;
    assert!(out.cookies().iter().any(|cookie| cookie.contains("Max-Age=0")), "{out:?}");
    assert!(signs_in(&stage.web.get("/account", &session).await.text), "the copy of a cookie is worth nothing");
}

/// The flags of a cookie, without its value and its end.
fn flags(cookie: &str) -> BTreeSet<String> {
    let ends = |flag: &&str| flag.starts_with("Max-Age") || flag.starts_with("Expires");
    cookie.split("; ").skip(1).filter(|flag| !ends(flag)).map(str::to_owned).collect()
}

#[tokio::test]
async fn cookies_are_bound_to_the_host_where_there_is_https() {
    // Another public address than the one that is asked: as behind a proxy that ends TLS.
    let stage = Stage::open_with(|world| {
        let text = std::fs::read_to_string(world.config()).unwrap();
        let text = text
            .replace(&format!("public_url = \"{}\"", world.portal_url()), "public_url = \"https://wifi.example.net\"");
        assert!(text.contains("https://wifi.example.net"), "{text}");
        std::fs::write(world.config(), text).unwrap();
    })
    .await;
    let web = Web::of(&stage.world);
    let set = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<BTreeSet<_>>();
    let strict = set(&["HttpOnly", "SameSite=Strict", "Secure", "Path=/"]);
    let lax = set(&["HttpOnly", "SameSite=Lax", "Secure", "Path=/"]);

    let form = web.get("/admin/sign-in", "").await;
    let secret = form.cookie("__Host-mlango-sign-in").unwrap();
    assert_eq!(form.cookies().iter().map(|cookie| flags(cookie)).collect::<Vec<_>>(), std::slice::from_ref(&strict));
    operator::make(&stage.world, EMAIL, Role::Support).await;
    let fields = [("csrf", secret.as_str()), ("email", EMAIL), ("password", PASSWORD)];
    let signed_in = web.send("/admin/sign-in", &format!("__Host-mlango-sign-in={secret}"), &fields).await;
    let session = signed_in.cookie("__Host-mlango-desk").unwrap_or_else(|| panic!("{signed_in:?}"));
    assert!(signed_in.cookies().iter().all(|cookie| flags(cookie) == strict), "{signed_in:?}");
    assert_eq!(web.get("/admin", &format!("__Host-mlango-desk={session}")).await.status, 200);
    // The name without its prefix, which another host of the domain could plant, is not looked at.
    assert_eq!(web.get("/admin", &format!("mlango-desk={session}")).await.leads_to(), "/admin/sign-in");

    let order = stage.buy(MAC, "0712345670").await;
    let account = web.send(&format!("{order}/account"), "", &[]).await;
    assert!(account.cookie("__Host-mlango-customer").is_some(), "{account:?}");
    let voucher = web.get(&format!("/v/{}", stage.codes[0]), "").await;
    assert!(voucher.cookie("__Host-mlango-voucher").is_some(), "{voucher:?}");
    let language = web.get("/?lang=sw", "").await;
    for answer in [&account, &voucher, &language] {
        assert_eq!(
            answer.cookies().iter().map(|cookie| flags(cookie)).collect::<Vec<_>>(),
            std::slice::from_ref(&lax),
            "{answer:?}"
        );
    }
    // HSTS goes with it, for a year at least, and not without.
    let age = form.header("strict-transport-security").trim_start_matches("max-age=").parse::<u64>().unwrap();
    assert!(age >= 31_536_000, "{age}");
}

#[tokio::test]
async fn without_https_nothing_is_promised_that_a_browser_would_refuse() {
    let stage = Stage::open().await;
    for path in ["/", "/admin/sign-in", &arrival(MAC), "/nothing", "/static/0/portal.css"] {
        let answer = stage.web.get(path, "").await;
        assert_eq!(answer.header("strict-transport-security"), "", "{path}");
        assert!(
            answer.cookies().iter().all(|cookie| !cookie.contains("Secure") && !cookie.starts_with("__Host-")),
            "{path}"
        );
        assert!(answer.cookies().iter().all(|cookie| cookie.contains("HttpOnly")), "{path}");
    }
    // A form's secret of another session opens nothing, though both are ours.
    let one = stage.staff("one@example.org", Role::Support).await;
    let other = stage.staff("other@example.org", Role::Support).await;
    let theirs = secret(&stage.web, &other).await;
    let refused = stage.web.send("/admin/me/sessions/end-others", &one.cookie, &[("csrf", &theirs)]).await;
    assert_eq!(refused.status, 403);
}
