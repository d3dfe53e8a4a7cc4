//! The addresses that the programs ask (ASVS 1.3.6). Whoever may name one could else have us reach machines behind us. The only one that is
//! stored is that of a router's REST API, and only the command line sets it; providers' are configuration. What the REST interface's webhooks may reach
//! is judged where they are made.

use tests::world::{World, at};

/// Addresses that are nobody's router, or show a password.
const REFUSED: [&str; 24] = [
    "http://169.254.169.254",
    "https://169.254.169.254",
    "http://[fe80::1]",
    "https://[fe80::1]",
    "https://[::ffff:169.254.169.254]",
    "https://0.0.0.0",
    "https://[::]",
    "https://224.0.0.1",
    "https://[ff02::1]",
    "https://255.255.255.255",
    "http://2852039166",
    "https://0xa9fea9fe",
    "http://router.example.net",
    "http://192.0.2.1",
    "http://localhost",
    "http://metadata.google.internal",
    "https://user:password@router.example.net",
    "https://router.example.net/rest",
    "https://router.example.net?x=y",
    "file:///etc/passwd",
    "gopher://10.20.0.2",
    "ftp://10.20.0.2",
    "//10.20.0.2",
    "javascript:alert(1)",
];

#[tokio::test]
async fn a_routers_rest_api_is_where_a_router_can_be() {
    let world = World::new().await;
    world.register("cafe", b"between us", at([10, 9, 0, 1])).await;
    for url in REFUSED {
        let set = ["nas", "set", "cafe", "--rest-url", url, "--rest-user", "mlango", "--rest-password-stdin"];
        let refused = world.portal_refuses(&set, "a password").await;
        assert!(refused.contains("--rest-url"), "{url}: {refused}");
    }
    let stored: Option<String> = sqlx::query_scalar("SELECT rest_url FROM nas").fetch_one(&world.pool).await.unwrap();
    assert_eq!(stored, None, "nothing was stored");
    for url in ["http://10.20.0.2:8080", "https://router.example.net", "https://192.0.2.1"] {
        let set = ["nas", "set", "cafe", "--rest-url", url, "--rest-user", "mlango", "--rest-password-stdin"];
        world.portal_command(&set, "a password").await;
    }
}

/// Every client of HTTP in the programs follows no redirect: a key would go along to an address that nobody set.
#[test]
fn no_client_follows_where_an_answer_leads() {
    let mut clients = 0;
    for folder in ["portal/src", "radiusd/src", "shared/src"] {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                    continue;
                }
                if entry.ends_with("tests.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&entry).unwrap_or_default();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                for made in code.split("Client::builder()").skip(1).chain(code.split("Http::builder()").skip(1)) {
                    clients += 1;
                    let chain = made.split(';').next().unwrap_or_default();
                    assert!(
                        chain.contains("Policy::none()"),
                        "{entry:?} makes a client that follows redirects: {chain}"
                    );
                }
                assert!(!code.contains("reqwest::get("), "{entry:?} asks with a client that follows redirects");
                assert!(!code.contains("Client::new()"), "{entry:?} makes a client that follows redirects");
            }
        }
    }
    assert!(clients >= 3, "{clients}");
}
