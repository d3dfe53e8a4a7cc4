//! What a browser is told about every page (ASVS 3.4.1 to 3.4.6, 14.3.2): a policy under which nothing runs but our own files, no frame, no
//! guessing of types, no address told to others, nothing kept that is somebody's. On every page, every error and every file.
//!
//! No page has a script of its own, so there is no nonce either: `script-src 'self'` allows less than any nonce would.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use shared::staff::Role;

use crate::operator::EMAIL;
use crate::people::{Answer, Stage, arrival, owned};

const MAC: &str = "02:00:00:00:00:01";

/// The directives of a policy.
fn directives(policy: &str) -> BTreeMap<&str, Vec<&str>> {
    policy
        .split(';')
        .filter_map(|directive| {
            let mut words = directive.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect()
}

fn assert_strict(path: &str, answer: &Answer) {
    let policy = directives(answer.header("content-security-policy"));
    let wanted = [
        ("default-src", vec!["'none'"]),
        ("script-src", vec!["'self'"]),
        ("style-src", vec!["'self'"]),
        ("img-src", vec!["'self'", "data:"]),
        ("connect-src", vec!["'self'"]),
        ("frame-ancestors", vec!["'none'"]),
        ("base-uri", vec!["'none'"]),
    ];
    for (name, sources) in wanted {
        assert_eq!(policy.get(name), Some(&sources), "{path}: {name}: {policy:?}");
    }
    // A page that sends a guest to the router's login page names that, and where the router sends them on to: us, or where they
    // wanted to go. Nothing else is added to any directive.
    let forms = policy.get("form-action").cloned().unwrap_or_default();
    let beside: Vec<&str> =
        forms.iter().copied().filter(|source| !["'self'", "http://10.5.50.1"].contains(source)).collect();
    assert!(forms.first() == Some(&"'self'") && beside.len() <= 2, "{path}: {forms:?}");
    assert!(
        beside.iter().all(|source| source.starts_with("http://127.0.0.1:") || *source == "http://example.com"),
        "{path}: only our own public address, and where the guest wanted to go: {forms:?}"
    );
    assert_eq!(policy.len(), 8, "{path}: {policy:?}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    for refused in ["camera=()", "geolocation=()", "microphone=()", "payment=()"] {
        assert!(answer.header("permissions-policy").contains(refused), "{path}: {refused}");
    }
    // Under the other pages' `no-referrer` browsers would send the desk's forms without their origin.
    let referrer = if path.starts_with("/admin") { "same-origin" } else { "no-referrer" };
    assert_eq!(answer.header("referrer-policy"), referrer, "{path}");
    assert!(answer.header("content-type").contains("charset=utf-8") || !answer.is_html(), "{path}");
    for teller in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert_eq!(answer.header(teller), "", "{path}: {teller}");
    }
    // To HEAD there is no page, only what is told of it.
    if answer.is_html() && !answer.text.is_empty() {
        assert!(answer.page().dangers().is_empty(), "{path}: {:?}", answer.page().dangers());
    }
}

fn assert_not_kept(path: &str, answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    assert_eq!(answer.header("etag"), "", "{path}");
}

#[tokio::test]
async fn every_page_and_every_error_is_strict_and_not_kept() {
    let stage = Stage::open().await;
    let customer = stage.customer(MAC, "0712345670").await;
    let visit = stage.packages("02:00:00:00:00:02").await.visit();
    let router = format!("/capport/{}", stage.nas);
    let (with, receipt) = (format!("visit={visit}"), format!("{}/receipt", customer.order));
    let (state, voucher) = (format!("{}/state", customer.order), format!("/v/{}", stage.codes[0]));
    let mut pages = vec![
        ("/".to_owned(), String::new()),
        ("/h".to_owned(), String::new()),
        (arrival("02:00:00:00:00:03"), String::new()),
        (arrival(MAC), String::new()),
        ("/h?mac=x".to_owned(), String::new()),
        (format!("/packages?{with}"), String::new()),
        ("/packages?visit=x".to_owned(), String::new()),
        ("/account".to_owned(), String::new()),
        ("/account".to_owned(), customer.cookie.clone()),
        (format!("/account?{with}"), String::new()),
        ("/account/add".to_owned(), customer.cookie.clone()),
        ("/privacy".to_owned(), String::new()),
        ("/screen?screen=x".to_owned(), String::new()),
        ("/nothing".to_owned(), String::new()),
        ("/nothing/at/all?x=y".to_owned(), String::new()),
        ("/o/nothing".to_owned(), String::new()),
        ("/e/nothing".to_owned(), String::new()),
        ("/u/nothing".to_owned(), String::new()),
        ("/r/nothing".to_owned(), String::new()),
        ("/hotspot/login.html".to_owned(), String::new()),
        ("/buy".to_owned(), String::new()),
        ("/healthz".to_owned(), String::new()),
        ("/static/0/nothing.css".to_owned(), String::new()),
        ("/api/v1/packages".to_owned(), String::new()),
        ("/api/v1/nothing".to_owned(), String::new()),
        ("/api/v1/openapi.json".to_owned(), String::new()),
        ("/webhooks/mpesa/nothing".to_owned(), String::new()),
        ("/admin".to_owned(), String::new()),
        ("/admin/sign-in".to_owned(), String::new()),
        ("/admin/nothing".to_owned(), String::new()),
        ("/admin/invitation/nothing".to_owned(), String::new()),
    ];
    pages.extend([customer.order.clone(), receipt, state, voucher, router].map(|path| (path, String::new())));
    for (path, cookie) in &pages {
        let answer = stage.web.get(path, cookie).await;
        assert_strict(path, &answer);
        // What every customer gets the same may be kept, when it says so.
        if !path.starts_with("/capport") && !path.starts_with("/api/v1/openapi") {
            assert_not_kept(path, &answer);
        }
    }
    // Answers to forms, good and bad, and to methods that are not there.
    for (path, fields) in [
        ("/voucher", owned(&[("visit", &visit), ("code", &stage.codes[0])])),
        ("/voucher", owned(&[("visit", &visit), ("code", "wrong")])),
        ("/screen", owned(&[("visit", &visit)])),
        ("/buy", owned(&[("visit", &visit), ("package", "one-hour"), ("phone", "wrong")])),
        ("/buy", owned(&[("visit", "x")])),
        ("/buy", Vec::new()),
        ("/account/code", owned(&[("phone", "0712345671")])),
        ("/account/verify", owned(&[("challenge", "x")])),
        ("/admin/sign-in", Vec::new()),
        ("/admin/vouchers", Vec::new()),
        ("/webhooks/stripe", Vec::new()),
        ("/nothing", Vec::new()),
    ] {
        let answer = stage.web.post(path, "", &fields).await;
        assert_strict(path, &answer);
        assert_not_kept(path, &answer);
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE, Method::HEAD] {
        for path in ["/", "/account", "/admin", "/static/0/portal.css"] {
            let answer = Answer::of(stage.web.request(method.clone(), path, "")).await;
            assert!(answer.status < 500, "{method} {path}: {}", answer.status);
            assert_strict(path, &answer);
        }
    }
}

#[tokio::test]
async fn every_page_of_the_desk_is_strict_and_not_kept() {
    let stage = Stage::open().await;
    stage.customer(MAC, "0712345670").await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let pages = stage.web.walk(&["/admin"], &["/admin"], &owner.cookie).await;
    for (path, answer) in &pages {
        assert_strict(path, answer);
        assert_not_kept(path, answer);
    }
    let refused = stage.staff("read@example.org", Role::ReadOnly).await;
    for path in ["/admin/staff", "/admin/audit", "/admin/packages/new"] {
        let answer = stage.web.get(path, &refused.cookie).await;
        assert_eq!(answer.status, 403, "{path}");
        assert_strict(path, &answer);
        assert_not_kept(path, &answer);
    }
    // Files that the desk gives are kept nowhere either, and are no pages.
    let csrf = crate::people::secret(&stage.web, &owner).await;
    for kind in ["csv", "a4"] {
        let path = format!("/admin/vouchers/{}/file", stage.batch);
        let file = stage.web.send(&path, &owner.cookie, &[("csrf", &csrf), ("file", kind)]).await;
        assert_eq!(file.status, 200, "{kind}: {}", file.text);
        assert_strict(&path, &file);
        assert_not_kept(&path, &file);
        assert!(file.header("content-disposition").starts_with("attachment;"), "{kind}: {file:?}");
    }
}

#[tokio::test]
async fn files_are_kept_under_the_address_of_their_content_alone() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let mut files = Vec::new();
    for page in [stage.web.get("/", "").await, stage.packages(MAC).await, stage.web.get("/admin", &owner.cookie).await]
    {
        for element in page.page().elements() {
            let address = match element.name.as_str() {
                "script" => element.get("src"),
                "link" if element.get("rel") == Some("stylesheet") => element.get("href"),
                _ => None,
            };
            files.extend(address.map(str::to_owned));
        }
    }
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let answer = stage.web.get(&path, "").await;
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (200, "public, max-age=31536000, immutable"),
            "{path}"
        );
        assert!(answer.cookies().is_empty(), "{path}");
        assert_strict(&path, &answer);
        // Under the address of another content it is asked for each time.
        let mut parts: Vec<&str> = path.split('/').collect();
        parts[2] = "0123456789ab";
        let other = stage.web.get(&parts.join("/"), "").await;
        assert_ne!(other.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
    }
}

/// Elements of a template, with what askama puts in taken out.
fn tags(template: &str) -> Vec<String> {
    let mut plain = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}")] {
        while let Some((before, rest)) = plain.split_once(open) {
            let (_, after) = rest.split_once(close).unwrap_or_else(|| panic!("{open} without its end"));
            plain = format!("{before} {after}");
        }
    }
    plain.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or_default().to_owned()).collect()
}

fn templates(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => templates(&entry, each),
            false => each(&entry, &std::fs::read_to_string(&entry).unwrap()),
        }
    }
}

#[test]
fn no_template_has_a_script_a_style_or_a_handler_in_it() {
    let (mut count, mut found) = (0, Vec::new());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../portal/templates");
    templates(Path::new(folder), &mut |path, text| {
        count += 1;
        assert!(!text.contains("|safe") && !text.contains("| safe"), "{path:?} puts something in as it is");
        for tag in tags(text) {
            found.extend(inline(&tag).map(|what| format!("{path:?}: {what}: <{tag}>")));
        }
    });
    assert!(count > 50, "{count}");
    assert!(found.is_empty(), "{found:#?}");
}

/// What a tag has in it that a policy would not let run.
fn inline(tag: &str) -> Option<&'static str> {
    let words: Vec<&str> = tag.split_whitespace().collect();
    let name = words.first().copied().unwrap_or_default();
    let attribute = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        value.starts_with('"') && (name.starts_with("on") || name == "style" || name.starts_with("hx-on"))
    };
    match name {
        "style" | "iframe" | "object" | "embed" | "base" => Some("an element that is not allowed"),
        "script" if !words.iter().any(|word| word.starts_with("src=")) => Some("a script without a file"),
        _ if words.iter().skip(1).any(|word| attribute(word)) => Some("a handler or a style"),
        _ if tag.contains("javascript:") => Some("an address that is a script"),
        _ => None,
    }
}

#[test]
fn what_is_inline_is_found() {
    for tag in [
        "script",
        "style",
        "p onclick=\"x\"",
        "p class=\"a\" style=\"b\"",
        "a href=\"javascript:x\"",
        "iframe src=\"x\"",
    ] {
        assert!(inline(tag).is_some(), "{tag}");
    }
    for tag in ["script src=\"/x\" defer", "p class=\"only one\"", "/script", "a href=\"/x\""] {
        assert!(inline(tag).is_none(), "{tag}");
    }
    assert_eq!(tags("{# a <b> #}<p class=\"{{ x }}\">{% if y %}<s>{% endif %}"), ["p class=\" \"", "s"]);
}
