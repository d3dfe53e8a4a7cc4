//! Webhooks to other programs, verified by the reference implementation of Standard Webhooks: what we sign is what a receiver
//! believes, also while a secret is being replaced, and a changed octet is not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tests::world::{World, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::{configure, fake};

/// A request that came: its headers in small letters, and its body.
type Came = (BTreeMap<String, String>, String);

/// A receiver that takes everything and remembers it.
#[derive(Clone, Default)]
struct Receiver {
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    /// Listens on loopback. Returns where.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let routes = Router::new().route("/hook", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/hook")
    }

    fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = String::from_utf8_lossy(&body).into_owned();
    receiver.came.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    StatusCode::NO_CONTENT
}

/// What the reference implementation says of these: nothing, or what is wrong.
async fn verdicts(python: &OsStr, claims: &[(&str, &Came)]) -> Vec<Option<String>> {
    let webhooks: Vec<Value> = claims
        .iter()
        .map(|(secret, (headers, body))| json!({ "secret": secret, "headers": headers, "body": body }))
        .collect();
    let mut child = Command::new(python)
        .arg(fake::script("verify_webhooks.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the interpreter that MLANGO_SCHEMATHESIS names starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(json!({ "webhooks": webhooks }).to_string().as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("its own child");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    serde_json::from_value(said["verdicts"].clone()).expect("texts and nothing")
}

/// Asks the interface.
async fn ask(world: &World, token: &str, path: &str, body: Value) -> Value {
    let request = reqwest::Client::new().post(format!("{}/api/v1{path}", world.portal_url())).bearer_auth(token);
    let answer = request.json(&body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.expect("JSON")
}

/// Makes something happen that is told.
async fn silence(world: &World) {
    sqlx::query(
        "INSERT INTO outages (id, nas_id, started_at, ended_at, noticed_at)
         SELECT gen_random_uuid(), id, now() - interval '2 hours', now() - interval '1 hour', now() FROM nas WHERE name = 'edge'",
    )
    .execute(&world.pool)
    .await
    .expect("an outage");
}

#[tokio::test]
async fn what_we_sign_is_believed_by_the_reference_implementation() {
    let Some(python) = fake::program("MLANGO_SCHEMATHESIS") else { return };
    let mut world = World::new().await;
    configure(&world, "\n[api]\nwebhook_networks = [\"127.0.0.0/8\"]\n");
    world.register("edge", b"testing123", tests::world::at([10, 9, 9, 9])).await;
    world.start_portal().await;
    let made = world.portal_command(&["token", "create", "--name", "hooks", "--json"], "").await;
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let token = made["token"].as_str().expect("a token");
    let receiver = Receiver::default();
    let url = receiver.listen().await;
    let endpoint = ask(&world, token, "/webhook-endpoints", json!({ "url": url, "events": ["nas.heard"] })).await;
    let (id, first) = (endpoint["id"].as_str().expect("an id"), endpoint["secret"].as_str().expect("a secret"));
    silence(&world).await;
    let told = eventually("it is told", || async { receiver.came().first().cloned() }).await;
    assert_eq!(verdicts(&python, &[(first, &told)]).await, [None::<String>]);

    let rotated = ask(&world, token, &format!("/webhook-endpoints/{id}/secrets"), json!({})).await;
    let second = rotated["secret"].as_str().expect("a secret");
    silence(&world).await;
    let told = eventually("it is told again", || async { receiver.came().get(1).cloned() }).await;
    // Whoever has only one of the two believes it.
    assert_eq!(verdicts(&python, &[(first, &told), (second, &told)]).await, [None::<String>, None]);

    // The control: another body, another identity, another secret.
    let (headers, body) = &told;
    let other_body = (headers.clone(), body.replace("nas.heard", "nas.silent"));
    let mut other_headers = headers.clone();
    other_headers.insert("webhook-id".into(), "evt_00000000000000000000000000000000".into());
    let other_id = (other_headers, body.clone());
    let stranger = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let said = verdicts(&python, &[(second, &other_body), (second, &other_id), (stranger, &told)]).await;
    assert!(said.iter().all(Option::is_some), "{said:?}");
}
