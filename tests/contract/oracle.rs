//! mpesakit, which describes Daraja's JSON in models of its own: what it says of a body, and its examples.
//!
//! It is a library for Python; `oracle.py` beside this file asks it.

use std::ffi::OsStr;
use std::process::Stdio;

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A body, and the model that it must fit.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) model: &'static str,
    pub(crate) body: Value,
    /// What its password must be made with, where it has one.
    pub(crate) passkey: Option<&'static str>,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Word {
    examples: Map<String, Value>,
    /// For each claim what is wrong with it.
    pub(crate) verdicts: Vec<Option<String>>,
}

impl Word {
    /// A model's own example.
    pub(crate) fn example(&self, model: &str) -> Value {
        self.examples.get(model).unwrap_or_else(|| panic!("there is no example of {model}")).clone()
    }
}

/// Asks it.
pub(crate) async fn ask(python: &OsStr, claims: &[Claim]) -> Word {
    let bodies: Vec<Value> = claims
        .iter()
        .map(|claim| json!({ "model": claim.model, "body": claim.body, "passkey": claim.passkey }))
        .collect();
    let mut child = Command::new(python)
        .arg(crate::fake::script("oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the interpreter that MLANGO_MPESAKIT names starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(json!({ "bodies": bodies }).to_string().as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("its own child");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oracle.py: {complaint}");
    let mut said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("oracle.py: {complaint}"));
    let Value::Object(examples) = said["examples"].take() else { panic!("oracle.py gives no examples: {said}") };
    let verdicts = serde_json::from_value(said["verdicts"].take()).expect("texts and nothing");
    Word { examples, verdicts }
}
