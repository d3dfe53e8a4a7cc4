//! Where a forged address would lead (ASVS 3.7.2), and what the portal calls itself. A router's redirect is unsigned: whatever stands in it may
//! have been written by anybody. What is no plain web address is dropped, and the guest's password goes to a registered router alone.

use reqwest::Method;
use reqwest::header::HOST;

use crate::html::is_plain_address;
use crate::operator::{EMAIL, Operator, PASSWORD, hidden};
use crate::people::{Answer, LOGIN, Stage};

const MAC: &str = "02:00:00:00:00:01";

/// Addresses that are none, or lead elsewhere than they seem to.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\u{1}javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:msgbox(1)",
        "view-source:http://evil.example/",
        "file:///etc/passwd",
        "ftp://evil.example/",
        "blob:http://evil.example/1",
        "//evil.example/",
        "///evil.example/",
        "////evil.example/",
        "/\\evil.example/",
        "\\\\evil.example\\",
        "\\/evil.example/",
        "http:evil.example",
        "http:/evil.example/",
        "http:\\\\evil.example\\",
        "http:///evil.example/",
        "https:/\\evil.example/",
        "http://\\evil.example/",
        "http://user@evil.example/",
        "http://10.5.50.1@evil.example/",
        "http://10.5.50.1:80@evil.example/login",
        "http://:pass@evil.example/",
        "http://evil.example\\@10.5.50.1/login",
        "http://evil.exa\tmple/",
        "http://evil.exa\r\nSet-Cookie: a=b\r\n\r\n/",
        "http://evil.example/\u{0}",
        "http://",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://evil.example:99999/",
        "http://%65vil.example%00.10.5.50.1/",
        "%6a%61vascript:alert(1)",
        "http%3A//evil.example/",
        "",
    ]
    .map(str::to_owned)
    .into();
    all.push(format!("http://evil.example/{}", "a".repeat(3000)));
    all.push(format!("javascript:{}", "a".repeat(3000)));
    all
}

/// Addresses that are what they seem to be.
const PLAIN: [&str; 6] = [
    "http://example.com/",
    "https://example.com/a?b=c#d",
    "HTTP://EXAMPLE.com/",
    "http://[2001:db8::1]:8080/x",
    "http://xn--bcher-kva.example/",
    "https://example.com/?next=javascript:alert(1)",
];

/// The address with which a router would send a guest.
fn arrive(stage: &Stage, mac: &str, login: &str, destination: &str) -> String {
    let pairs = [
        ("mac", mac),
        ("identity", "cafe"),
        ("link-login-only", login),
        ("link-orig", destination),
        ("dst", destination),
        ("next", destination),
    ];
    reqwest::Url::parse_with_params(&format!("{}/h", stage.web.portal), pairs)
        .unwrap()
        .as_str()
        .replace(&stage.web.portal, "")
}

/// Where the login form sends the guest behind the login.
async fn destination_of(stage: &Stage, number: usize, destination: &str) -> Option<String> {
    // A device may type so many codes an hour and no more.
    let mac = format!("02:00:00:00:01:{number:02X}");
    let page = stage.web.get(&arrive(stage, &mac, LOGIN, destination), "").await;
    assert_eq!(page.status, 200, "{destination:?}: {}", page.text);
    assert!(page.page().dangers().is_empty(), "{destination:?}: {:?}", page.page().dangers());
    let fields =
        [("visit", page.visit()), ("code", stage.codes[0].clone())].map(|(name, value)| (name.to_owned(), value));
    let going = stage.web.post("/voucher", "", &fields).await;
    assert!(going.page().dangers().is_empty(), "{destination:?}: {:?}", going.page().dangers());
    let form = going.form("/login");
    assert_eq!(form.action, LOGIN, "{destination:?}");
    form.fields.into_iter().find(|(name, _)| name == "dst").map(|(_, value)| value)
}

#[tokio::test]
async fn a_destination_is_a_plain_web_address_or_nothing() {
    let stage = Stage::open().await;
    for (number, destination) in hostile().into_iter().enumerate() {
        assert_eq!(destination_of(&stage, number, &destination).await, None, "{destination:?}");
    }
    for (number, destination) in PLAIN.into_iter().enumerate() {
        let kept = destination_of(&stage, 200 + number, destination)
            .await
            .unwrap_or_else(|| panic!("{destination} was dropped"));
        assert!(is_plain_address(&kept) && kept.to_lowercase().starts_with("http"), "{destination}: {kept}");
    }
}

#[tokio::test]
async fn a_password_goes_to_a_registered_router_alone() {
    let stage = Stage::open().await;
    let mut forged = hostile();
    // Those are plain, and nobody's.
    forged.extend(
        [
            "http://evil.example/login",
            "https://10.5.50.2/login",
            "http://10.5.50.1:8080/login",
            "http://10.5.50.1.evil.example/login",
        ]
        .map(str::to_owned),
    );
    for login in forged {
        let page = stage.web.get(&arrive(&stage, MAC, &login, "http://example.com/"), "").await;
        assert_eq!(page.status, 404, "{login:?}: {}", page.text);
        assert!(page.page().forms().is_empty() && !page.text.contains("evil.example"), "{login:?}: {}", page.text);
        assert!(!page.header("content-security-policy").contains("evil"), "{login:?}");
    }
    // RADIUS attributes that somebody put behind the address of the right router are cut off.
    let page = stage.web.get(&arrive(&stage, MAC, &format!("{LOGIN}?radius26=1#x"), ""), "").await;
    let fields =
        [("visit", page.visit()), ("code", stage.codes[0].clone())].map(|(name, value)| (name.to_owned(), value));
    assert_eq!(stage.web.post("/voucher", "", &fields).await.form("/login").action, LOGIN);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' http://10.5.50.1") && !policy.contains("radius26"), "{policy}");
}

#[tokio::test]
async fn redirects_lead_to_paths_of_ours() {
    let stage = Stage::open().await;
    crate::operator::make(&stage.world, EMAIL, shared::staff::Role::Support).await;
    for destination in hostile().iter().map(String::as_str).chain(["http://evil.example/", "https://evil.example"]) {
        let query = reqwest::Url::parse_with_params(
            "http://x/",
            ["next", "to", "return", "redirect", "url", "dst", "link-orig", "then"].map(|name| (name, destination)),
        );
        let query = query.unwrap().query().unwrap_or_default().to_owned();
        let visitor = Operator::visitor(&stage.world).await;
        let form = stage.web.get(&format!("/admin/sign-in?{query}"), &visitor.cookie).await;
        assert!(form.status == 200 && !form.text.contains("evil.example"), "{destination:?}: {}", form.text);
        for path in ["/admin", "/admin/", "/o/AAAA", "/account", "/packages", "/"] {
            let answer = stage.web.get(&format!("{path}?{query}"), "").await;
            let to = answer.leads_to();
            assert!(
                to.is_empty() || (is_plain_address(to) && to.starts_with("/admin")),
                "{path} {destination:?}: {to}"
            );
            assert!(!answer.text.contains("href=\"http://evil"), "{path} {destination:?}: {}", answer.text);
        }
    }
    // Once for each: signing in leads to the first page, whatever the address has said.
    let visitor = Operator::visitor(&stage.world).await;
    let form = stage.web.get("/admin/sign-in?next=//evil.example/", &visitor.cookie).await;
    let fields = [("csrf", hidden(&form.text, "csrf")), ("email", EMAIL.to_owned()), ("password", PASSWORD.to_owned())];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let answer = stage.web.post("/admin/sign-in?next=//evil.example/", &visitor.cookie, &fields).await;
    assert_eq!((answer.status, answer.leads_to()), (303, "/admin"));
}

#[tokio::test]
async fn what_a_request_calls_us_stands_on_no_page() {
    let stage = Stage::open().await;
    let customer = stage.customer(MAC, "0712345670").await;
    let arrival = arrive(&stage, MAC, LOGIN, "");
    for path in [
        "/",
        "/nothing",
        "/admin/sign-in",
        "/account",
        &customer.order,
        &arrival,
        "/api/v1/openapi.json",
        "/hotspot/login.html",
    ] {
        for header in [HOST.as_str(), "x-forwarded-host", "forwarded", "x-host", "x-original-url", "x-rewrite-url"] {
            let value = if header == "forwarded" { "host=evil.example" } else { "evil.example" };
            let request = stage.web.request(Method::GET, path, "").header(header, value);
            let answer = Answer::of(request).await;
            let headers = format!("{:?}", answer.headers);
            assert!(
                !answer.text.contains("evil.example") && !headers.contains("evil.example"),
                "{path} {header}: {}",
                answer.text
            );
            assert!(answer.status < 500, "{path} {header}: {}", answer.status);
        }
    }
}
