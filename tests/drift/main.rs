//! The drift test: what the design fixed stays fixed, because a machine looks at every file.
//!
//! Each rule is a checker, a function from text to findings, in a file of its own: [`arrows`] (who may know
//! whom), [`homes`] (SQL, Redis, the clock and randomness each have one home), [`heads`], [`lints`],
//! [`migrations`], [`sealed`] (columns that the change of a key must know), [`manifests`] (versions and licences), [`metrics`], [`alerts`], [`links`] (what documents point at), [`handbook`] (it speaks the words of the screen),
//! [`sentences`] (what customers read is there in every language), [`statements`] (what the RFCs demand has a test), [`styles`] (the customers' sheet has what its templates name) and [`words`]. [`tree`] finds the files, [`source`] reads Rust. Beside the test that runs a checker over the tree
//! stand tests that show that it can fail.
//!
//! Nothing here needs a database or a network, and nothing here judges the size or shape of code: that is for
//! readers.

mod alerts;
mod arrows;
mod handbook;
mod heads;
mod homes;
mod links;
mod lints;
mod manifests;
mod metrics;
mod migrations;
mod sealed;
mod sentences;
mod source;
mod statements;
mod styles;
mod tree;
mod words;

/// Fails with every finding on a line of its own, under the sentence that says what to do about them.
fn nothing_found(findings: &[String], what_to_do: &str) {
    let mut lines: Vec<&str> = findings.iter().map(String::as_str).collect();
    lines.dedup();
    assert!(lines.is_empty(), "{what_to_do}\n\n{}\n", lines.join("\n"));
}
